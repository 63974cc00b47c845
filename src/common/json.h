/*
 * JSON: parsing by json-c, behind a tree of our own (json-c and PostgreSQL
 * both declare json_object, so only json.c includes it), and writing.
 */
#ifndef STBL_JSON_H
#define STBL_JSON_H

#include "common/buf.h"
#include "common/error.h"

typedef enum StblJsonType
{
	STBL_JSON_NULL,
	STBL_JSON_BOOL,
	STBL_JSON_INT,				/* fits int64; text kept too */
	STBL_JSON_NUMBER,			/* any other number, as its text */
	STBL_JSON_STRING,
	STBL_JSON_ARRAY,
	STBL_JSON_OBJECT
} StblJsonType;

typedef struct StblJson StblJson;

struct StblJson
{
	StblJsonType type;
	bool		boolean;
	int64_t		integer;
	char	   *str;			/* STRING, INT, NUMBER: NUL-terminated UTF-8 text */
	size_t		len;			/* of str; a STRING may hold NULs inside */
	size_t		n;				/* ARRAY, OBJECT: children */
	char	  **keys;			/* OBJECT: in the order of the text, without duplicates (the last one counts) */
	StblJson  **items;			/* ARRAY, OBJECT */
};

/*
 * Parses exactly one value that spans all len bytes (white space around it
 * allowed), nested at most 64 deep, valid UTF-8.  On failure err names the
 * offset (kind CORRUPT).  The tree lives in mem.
 */
extern StblJson *stbl_json_parse(StblMem *mem, const char *data, size_t len, StblError *err);

/* NULL when obj is not an object or has no such key. */
extern StblJson *stbl_json_get(const StblJson *obj, const char *key);

/* Shorthands: NULL/false when missing or of another type. */
extern const char *stbl_json_get_str(const StblJson *obj, const char *key);
extern bool stbl_json_get_int(const StblJson *obj, const char *key, int64_t *value);
extern bool stbl_json_get_bool(const StblJson *obj, const char *key, bool *value);

/* Building a tree. */
extern StblJson *stbl_json_new(StblMem *mem, StblJsonType type);
extern StblJson *stbl_json_new_str(StblMem *mem, const char *str);
extern StblJson *stbl_json_new_int(StblMem *mem, int64_t value);
extern void stbl_json_set(StblMem *mem, StblJson *obj, const char *key, StblJson *value);	/* replaces in place, or appends */
extern void stbl_json_append(StblMem *mem, StblJson *array, StblJson *value);

/* Compact text of a tree; keys in their order, numbers by their text. */
extern void stbl_json_write(StblBuf *buf, const StblJson *json);

/* A quoted and escaped string. */
extern void stbl_json_write_str(StblBuf *buf, const char *str, size_t len);

#endif							/* STBL_JSON_H */
