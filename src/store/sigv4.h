/*
 * AWS Signature Version 4: what proves to S3 and its likes who sends a
 * request.  Pure: bytes in, header out.
 */
#ifndef STBL_SIGV4_H
#define STBL_SIGV4_H

#include "store/text.h"

#define STBL_SHA256_HEX 65		/* 64 digits and a NUL */
#define STBL_SIGV4_TIME 17		/* 20150830T123600Z and a NUL */

typedef struct StblSigv4
{
	const char *access_key_id;
	const char *secret_access_key;
	const char *region;
	const char *service;		/* "s3" */
	const char *amz_date;		/* as the header x-amz-date has it */
	const char *method;
	const char *path;			/* percent-encoded as it is sent */
	const char *query;			/* name=value&..., percent-encoded, in any order; may be empty */
	const StblHeader *headers;	/* all of them are signed; in any order, each name once */
	int			n_headers;
	bool		is_google;		/* the same with Google's names: GOOG4-HMAC-SHA256 */
	const char *payload_hash;	/* hex SHA-256 of the body, or UNSIGNED-PAYLOAD */
} StblSigv4;

/* The value of the header Authorization; false: out of memory, or no such time. */
extern bool stbl_sigv4_sign(const StblSigv4 *in, StblText *authorization);

/* The string that is hashed; for tests. */
extern bool stbl_sigv4_canonical(const StblSigv4 *in, StblText *canonical);

extern bool stbl_sha256(const void *data, size_t len, char *hex);

/* The text of x-amz-date of a Unix time in microseconds; false beyond the years 1 to 9999. */
extern bool stbl_sigv4_time(int64_t us, char *out);

#endif							/* STBL_SIGV4_H */
