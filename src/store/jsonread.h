/*
 * A small pull parser for the JSON that object stores and services of tokens
 * answer with.
 *
 * Bounded, pure, no memory of its own: keys and texts point into the input,
 * so that a secret which was read is wiped with the answer and is nowhere
 * else.  (common/json.h makes a tree, and throws where memory runs out, which
 * a driver must not.)
 */
#ifndef STBL_JSONREAD_H
#define STBL_JSONREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STBL_JSONREAD_MAX_DEPTH 32

typedef enum StblJsonEvent
{
	STBL_JSONREAD_OBJECT,		/* one begins; depth counts it already */
	STBL_JSONREAD_ARRAY,
	STBL_JSONREAD_END,			/* of the innermost object or array; depth counts it no more */
	STBL_JSONREAD_STRING,		/* text, text_len: between the quotes, escapes as they are */
	STBL_JSONREAD_NUMBER,		/* text, text_len */
	STBL_JSONREAD_LITERAL,		/* true, false, null: text, text_len */
	STBL_JSONREAD_DONE,			/* one whole value, and nothing but white space behind it */
	STBL_JSONREAD_ERROR			/* at offset pos - start */
} StblJsonEvent;

typedef struct StblJsonRead
{
	const char *start;
	const char *pos;
	const char *end;
	const char *key;			/* of the value at hand: between the quotes; NULL in an array */
	size_t		key_len;
	const char *text;
	size_t		text_len;
	int			depth;
	bool		in_object[STBL_JSONREAD_MAX_DEPTH + 1];
	bool		is_first;		/* nothing has come yet in the innermost one */
	bool		had_root;
} StblJsonRead;

extern void stbl_jsonread_init(StblJsonRead *r, const char *data, size_t len);
extern StblJsonEvent stbl_jsonread_next(StblJsonRead *r);

/* Whether the value at hand has this key. */
extern bool stbl_jsonread_is(const StblJsonRead *r, const char *key);

/*
 * Decodes the string at hand into out, which has room for text_len bytes and
 * a NUL (it never grows).  Returns its length, or -1 where an escape is
 * malformed, or it holds a NUL or is no UTF-8.
 */
extern long stbl_jsonread_text(const StblJsonRead *r, char *out);

/*
 * A whole number without a sign, written as a number or as a string of
 * digits; false for anything else, and beyond 2^63 - 1.
 */
extern bool stbl_jsonread_count(const StblJsonRead *r, uint64_t *value);

/*
 * The string under a key of the outermost object: malloc'd, *out NULL where
 * there is none.  false: the text is no whole JSON object, the string is
 * broken, or there is no memory.
 */
extern bool stbl_jsonread_find(const char *data, size_t len, const char *key, char **out);

/* The same for a number; *found tells whether there is one. */
extern bool stbl_jsonread_find_count(const char *data, size_t len, const char *key, bool *found, uint64_t *value);

#endif							/* STBL_JSONREAD_H */
