/*
 * SharedKey of Azure Storage, in the form of the Blob service: what proves
 * who sends a request.  Pure: bytes in, header out.
 */
#ifndef STBL_SHAREDKEY_H
#define STBL_SHAREDKEY_H

#include "store/text.h"

#define STBL_HTTP_DATE 30		/* Fri, 24 May 2013 00:00:00 GMT and a NUL */

typedef struct StblSharedKey
{
	const char *account;
	const char *key;			/* base64 */
	const char *method;
	const char *path;			/* percent-encoded as it is sent */
	const char *query;			/* name=value&..., percent-encoded, in any order, each name once; may be empty */
	const StblHeader *headers;	/* in any order, each name once; those that are not signed are passed over */
	int			n_headers;
} StblSharedKey;

/* The value of the header Authorization; false: out of memory, or a key that is none. */
extern bool stbl_sharedkey_sign(const StblSharedKey *in, StblText *authorization);

/* The string that is signed; for tests. */
extern bool stbl_sharedkey_string(const StblSharedKey *in, StblText *out);

/* Whether a text is the base64 of a key. */
extern bool stbl_sharedkey_is_key(const char *key);

/* The text of a header's time of a Unix time in microseconds; false beyond the years 1 to 9999. */
extern bool stbl_http_date_text(int64_t us, char *out);

#endif							/* STBL_SHAREDKEY_H */
