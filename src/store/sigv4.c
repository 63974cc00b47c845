/* Signature Version 4, on the SHA-256 and HMAC of libcrypto. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/codec.h"
#include "store/sigv4.h"

#define SHA256_LEN 32
#define MAX_SIGNED 16
#define MAX_PARAMS 32

typedef struct Slice
{
	const char *data;
	size_t		len;
} Slice;

bool
stbl_sha256(const void *data, size_t len, char *hex)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_Digest(data, len, hash, &n, EVP_sha256(), NULL) != 1 || n != SHA256_LEN)
		return false;
	stbl_hex_encode(hash, SHA256_LEN, hex);
	return true;
}

bool
stbl_sigv4_time(int64_t us, char *out)
{
	int64_t		seconds = us / 1000000 - (us % 1000000 < 0);
	int64_t		days = seconds / 86400 - (seconds % 86400 < 0);
	int64_t		of_day = seconds - days * 86400;
	int64_t		year;
	int			month,
				day;

	/* 0001-01-01 to 9999-12-31 */
	if (days < -719162 || days > 2932896)
		return false;
	stbl_civil_from_days(days, &year, &month, &day);
	snprintf(out, STBL_SIGV4_TIME, "%04u%02u%02uT%02u%02u%02uZ", (unsigned) year % 10000, (unsigned) month % 100,
			 (unsigned) day % 100, (unsigned) (of_day / 3600) % 100, (unsigned) (of_day / 60 % 60), (unsigned) (of_day % 60));
	return true;
}

static int
compare_slices(const void *a, const void *b)
{
	const Slice *x = a,
			   *y = b;
	size_t		n = x->len < y->len ? x->len : y->len;
	int			c = memcmp(x->data, y->data, n);

	return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

/* By name, then value: "=" must not take part in it, as it sorts after digits. */
static int
compare_params(const void *a, const void *b)
{
	const Slice *x = a,
			   *y = b;
	const char *ex = memchr(x->data, '=', x->len);
	const char *ey = memchr(y->data, '=', y->len);
	Slice		nx = {x->data, ex != NULL ? (size_t) (ex - x->data) : x->len};
	Slice		ny = {y->data, ey != NULL ? (size_t) (ey - y->data) : y->len};
	int			c = compare_slices(&nx, &ny);

	return c != 0 ? c : compare_slices(x, y);
}

static bool
add_query(const char *query, StblText *out)
{
	Slice		params[MAX_PARAMS];
	int			n = 0;

	while (*query != '\0')
	{
		size_t		len = strcspn(query, "&");

		if (n == MAX_PARAMS)
			return false;
		params[n].data = query;
		params[n++].len = len;
		query += len + (query[len] == '&');
	}
	qsort(params, (size_t) n, sizeof(Slice), compare_params);
	for (int i = 0; i < n; i++)
	{
		stbl_text_puts(out, i > 0 ? "&" : "");
		stbl_text_add(out, params[i].data, params[i].len);
		/* a name without a value is signed as one with an empty value */
		if (memchr(params[i].data, '=', params[i].len) == NULL)
			stbl_text_puts(out, "=");
	}
	return true;
}

static int
compare_headers(const void *a, const void *b)
{
	return strcmp((*(const StblHeader *const *) a)->name, (*(const StblHeader *const *) b)->name);
}

/* Without blanks around it, and one for many within. */
static void
add_value(StblText *out, const char *value)
{
	bool		blank = false;
	size_t		start = out->len;

	for (; *value != '\0'; value++)
	{
		if (*value == ' ' || *value == '\t')
			blank = true;
		else
		{
			if (blank && out->len > start)
				stbl_text_puts(out, " ");
			blank = false;
			stbl_text_add(out, value, 1);
		}
	}
}

static bool
sort_headers(const StblSigv4 *in, const StblHeader **sorted)
{
	if (in->n_headers > MAX_SIGNED)
		return false;
	for (int i = 0; i < in->n_headers; i++)
		sorted[i] = &in->headers[i];
	qsort(sorted, (size_t) in->n_headers, sizeof(*sorted), compare_headers);
	return true;
}

static void
add_names(StblText *out, const StblHeader *const *sorted, int n)
{
	for (int i = 0; i < n; i++)
	{
		stbl_text_puts(out, i > 0 ? ";" : "");
		stbl_text_puts(out, sorted[i]->name);
	}
}

bool
stbl_sigv4_canonical(const StblSigv4 *in, StblText *out)
{
	const StblHeader *sorted[MAX_SIGNED];

	if (!sort_headers(in, sorted))
		return false;
	stbl_text_printf(out, "%s\n%s\n", in->method, in->path);
	if (!add_query(in->query, out))
		return false;
	stbl_text_puts(out, "\n");
	for (int i = 0; i < in->n_headers; i++)
	{
		stbl_text_puts(out, sorted[i]->name);
		stbl_text_puts(out, ":");
		add_value(out, sorted[i]->value);
		stbl_text_puts(out, "\n");
	}
	stbl_text_puts(out, "\n");
	add_names(out, sorted, in->n_headers);
	stbl_text_puts(out, "\n");
	stbl_text_puts(out, in->payload_hash);
	return !out->failed;
}

static bool
hmac(const void *key, size_t key_len, const char *data, size_t len, unsigned char *out)
{
	unsigned int n = 0;

	return HMAC(EVP_sha256(), key, (int) key_len, (const unsigned char *) data, len, out, &n) != NULL && n == SHA256_LEN;
}

static const char *
request_name(const StblSigv4 *in)
{
	return in->is_google ? "goog4_request" : "aws4_request";
}

/* The key of a day, a region and a service, and with it the signature. */
static bool
derive_and_sign(const StblSigv4 *in, const StblText *to_sign, unsigned char *signature)
{
	StblText	secret = {0};
	unsigned char key[SHA256_LEN];
	bool		ok;

	stbl_text_puts(&secret, in->is_google ? "GOOG4" : "AWS4");
	stbl_text_puts(&secret, in->secret_access_key);
	ok = !secret.failed &&
		hmac(secret.data, secret.len, in->amz_date, 8, key) &&
		hmac(key, SHA256_LEN, in->region, strlen(in->region), key) &&
		hmac(key, SHA256_LEN, in->service, strlen(in->service), key) &&
		hmac(key, SHA256_LEN, request_name(in), strlen(request_name(in)), key) &&
		hmac(key, SHA256_LEN, to_sign->data, to_sign->len, signature);
	OPENSSL_cleanse(key, sizeof(key));
	stbl_text_wipe(&secret);
	return ok;
}

bool
stbl_sigv4_sign(const StblSigv4 *in, StblText *authorization)
{
	const char *algorithm = in->is_google ? "GOOG4-HMAC-SHA256" : "AWS4-HMAC-SHA256";
	const StblHeader *sorted[MAX_SIGNED];
	StblText	canonical = {0};
	StblText	to_sign = {0};
	char		hash[STBL_SHA256_HEX];
	char		signature_hex[STBL_SHA256_HEX];
	unsigned char signature[SHA256_LEN];
	bool		ok;

	ok = strlen(in->amz_date) == STBL_SIGV4_TIME - 1 && sort_headers(in, sorted) &&
		stbl_sigv4_canonical(in, &canonical) && stbl_sha256(canonical.data, canonical.len, hash);
	if (ok)
	{
		stbl_text_printf(&to_sign, "%s\n%s\n%.8s/%s/%s/%s\n%s", algorithm,
						 in->amz_date, in->amz_date, in->region, in->service, request_name(in), hash);
		ok = !to_sign.failed && derive_and_sign(in, &to_sign, signature);
	}
	if (ok)
	{
		stbl_hex_encode(signature, SHA256_LEN, signature_hex);
		stbl_text_printf(authorization, "%s Credential=%s/%.8s/%s/%s/%s, SignedHeaders=", algorithm,
						 in->access_key_id, in->amz_date, in->region, in->service, request_name(in));
		add_names(authorization, sorted, in->n_headers);
		stbl_text_printf(authorization, ", Signature=%s", signature_hex);
	}
	stbl_text_free(&canonical);
	stbl_text_free(&to_sign);
	return ok && !authorization->failed;
}
