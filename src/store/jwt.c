/* JSON Web Tokens, on the RSA of libcrypto. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "store/jwt.h"

void
stbl_base64url(StblText *out, const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i += 3)
	{
		size_t		n = len - i < 3 ? len - i : 3;
		uint32_t	bits = (uint32_t) p[i] << 16 | (n > 1 ? (uint32_t) p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
		char		four[4];

		for (int d = 0; d < 4; d++)
			four[d] = digits[bits >> (18 - 6 * d) & 63];
		stbl_text_add(out, four, n + 1);
	}
}

/* "name":"value", with a comma before it unless it is the first. */
static void
add_field(StblText *json, const char *name, const char *value)
{
	stbl_text_printf(json, "%s\"%s\":\"", json->len > 1 ? "," : "", name);
	for (; *value != '\0'; value++)
	{
		if (*value == '"' || *value == '\\')
			stbl_text_puts(json, "\\");
		if ((unsigned char) *value < ' ')
			stbl_text_printf(json, "\\u%04x", (unsigned) *value);
		else
			stbl_text_add(json, value, 1);
	}
	stbl_text_puts(json, "\"");
}

static void
add_parts(const StblJwt *in, StblText *out)
{
	StblText	json = {0};

	stbl_text_puts(&json, "{");
	add_field(&json, "alg", "RS256");
	add_field(&json, "typ", "JWT");
	if (in->key_id != NULL)
		add_field(&json, "kid", in->key_id);
	stbl_text_puts(&json, "}");
	stbl_base64url(out, json.data, json.failed ? 0 : json.len);
	out->failed = out->failed || json.failed;
	stbl_text_free(&json);
	stbl_text_puts(out, ".");
	stbl_text_puts(&json, "{");
	add_field(&json, "iss", in->issuer);
	if (in->subject != NULL)
		add_field(&json, "sub", in->subject);
	add_field(&json, "scope", in->scope);
	add_field(&json, "aud", in->audience);
	stbl_text_printf(&json, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", in->issued_s, in->expires_s);
	stbl_base64url(out, json.data, json.failed ? 0 : json.len);
	out->failed = out->failed || json.failed;
	stbl_text_free(&json);
}

/* No key of ours has a passphrase, and nobody is at hand to be asked for one. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void) buf;
	(void) size;
	(void) rwflag;
	(void) arg;
	return -1;
}

static EVP_PKEY *
read_key(const char *pem)
{
	size_t		len = strlen(pem);
	BIO		   *bio = len < 65536 ? BIO_new_mem_buf(pem, (int) len) : NULL;
	EVP_PKEY   *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (key != NULL && EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

bool
stbl_rs256_sign(const char *pem, const void *data, size_t len, StblText *out)
{
	EVP_PKEY   *key = read_key(pem);
	EVP_MD_CTX *ctx = key != NULL ? EVP_MD_CTX_new() : NULL;
	unsigned char signature[1024];	/* of keys up to 8192 bits */
	size_t		n = sizeof(signature);
	bool		ok;

	ok = ctx != NULL && (size_t) EVP_PKEY_size(key) <= sizeof(signature) &&
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, signature, &n, data, len) == 1;
	if (ok)
		stbl_base64url(out, signature, n);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	/* what went wrong is told by us; a later call of another is not to find it */
	ERR_clear_error();
	return ok && !out->failed;
}

bool
stbl_jwt_sign(const StblJwt *in, const char *pem, StblText *out)
{
	StblText	signature = {0};
	bool		ok;

	add_parts(in, out);
	ok = !out->failed && stbl_rs256_sign(pem, out->data, out->len, &signature);
	if (ok)
		stbl_text_printf(out, ".%s", signature.data);
	stbl_text_free(&signature);
	return ok && !out->failed;
}
