/*
 * Text that grows in malloc'd memory, for the drivers: where there is none
 * left it fails once and for all, and is looked at in the end.
 */
#ifndef STBL_TEXT_H
#define STBL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct StblText
{
	char	   *data;			/* NULL while empty; else followed by a NUL */
	size_t		len;
	size_t		cap;
	bool		failed;			/* out of memory: what follows is not added */
} StblText;

/* A header of a request. */
typedef struct StblHeader
{
	const char *name;			/* lower case, for signing */
	const char *value;
} StblHeader;

extern void stbl_text_add(StblText *t, const char *data, size_t len);
extern void stbl_text_puts(StblText *t, const char *str);
extern void stbl_text_printf(StblText *t, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern void stbl_text_free(StblText *t);

/* The same, and nothing of it stays in memory. */
extern void stbl_text_wipe(StblText *t);

/*
 * Percent-encodes all but letters, digits and "-._~", as signatures want it;
 * with keep_slash also "/" is left as it is.
 */
extern void stbl_text_encode(StblText *t, const char *str, bool keep_slash);

/* Adds a text as XML has it. */
extern void stbl_text_xml(StblText *t, const char *str);

/* Undoes it in place, "+" standing for a blank; false if it is malformed or holds a NUL. */
extern bool stbl_percent_decode(char *str);

/* The same, but "+" stands for itself. */
extern bool stbl_uri_decode(char *str);

/* Overwrites every occurrence of a secret in a message. */
extern void stbl_redact(char *message, const char *secret);

/* Removes what does not belong into a message: control characters, cut-off or broken UTF-8. */
extern void stbl_clean_message(char *message);

#endif							/* STBL_TEXT_H */
