/*
 * JSON Web Tokens signed with RS256, by which a service account proves to a
 * token endpoint who it is.  Pure: text in, text out.
 */
#ifndef STBL_JWT_H
#define STBL_JWT_H

#include "store/text.h"

typedef struct StblJwt
{
	const char *key_id;			/* NULL: not told */
	const char *issuer;
	const char *subject;		/* NULL: none */
	const char *scope;
	const char *audience;
	int64_t		issued_s;		/* Unix epoch, seconds */
	int64_t		expires_s;
} StblJwt;

/* Signs with a private key in PEM; false: it is none, or there is no memory. */
extern bool stbl_jwt_sign(const StblJwt *in, const char *pem, StblText *out);

/* The signature alone, in base64 for urls. */
extern bool stbl_rs256_sign(const char *pem, const void *data, size_t len, StblText *out);

/* base64 for urls, without padding. */
extern void stbl_base64url(StblText *out, const void *data, size_t len);

#endif							/* STBL_JWT_H */
