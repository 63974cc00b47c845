/* SharedKey of Azure Storage, on the HMAC of libcrypto. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/codec.h"
#include "store/sharedkey.h"

#define HMAC_LEN 32
#define MAX_KEY 512				/* bytes of base64; an account's has 88 */
#define MAX_PARAMS 16
#define MAX_SIGNED 16

bool
stbl_http_date_text(int64_t us, char *out)
{
	static const char days_of_week[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t		seconds = us / 1000000 - (us % 1000000 < 0);
	int64_t		days = seconds / 86400 - (seconds % 86400 < 0);
	int64_t		of_day = seconds - days * 86400;
	int64_t		year;
	int			month,
				day,
				weekday;

	/* 0001-01-01 to 9999-12-31 */
	if (days < -719162 || days > 2932896)
		return false;
	stbl_civil_from_days(days, &year, &month, &day);
	weekday = (int) ((days % 7 + 7) % 7);
	snprintf(out, STBL_HTTP_DATE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days_of_week + weekday * 3, (unsigned) day % 100,
			 months + (month - 1) * 3, (unsigned) year % 10000,
			 (unsigned) (of_day / 3600) % 100, (unsigned) (of_day / 60 % 60), (unsigned) (of_day % 60));
	return true;
}

/* Decodes a key; its length, or -1. */
static int
decode_key(const char *key, unsigned char *out)
{
	size_t		digits = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t		padding = strspn(key + digits, "=");
	int			n;

	if (digits == 0 || key[digits + padding] != '\0' || padding > 2 || digits + padding > MAX_KEY || (digits + padding) % 4 != 0)
		return -1;
	n = EVP_DecodeBlock(out, (const unsigned char *) key, (int) (digits + padding));
	/* it counts the padding, too */
	return n > (int) padding ? n - (int) padding : -1;
}

bool
stbl_sharedkey_is_key(const char *key)
{
	unsigned char out[MAX_KEY];
	int			n = decode_key(key, out);

	OPENSSL_cleanse(out, sizeof(out));
	return n > 0;
}

static void
add_standard(const StblSharedKey *in, StblText *out)
{
	static const char *const names[] = {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
	"date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		for (int h = 0; h < in->n_headers; h++)
			/* a length of zero is signed as none */
			if (strcmp(in->headers[h].name, names[i]) == 0 && !(i == 2 && strcmp(in->headers[h].value, "0") == 0))
				stbl_text_puts(out, in->headers[h].value);
		stbl_text_puts(out, "\n");
	}
}

static int
compare_headers(const void *a, const void *b)
{
	return strcmp((*(const StblHeader *const *) a)->name, (*(const StblHeader *const *) b)->name);
}

static bool
add_own_headers(const StblSharedKey *in, StblText *out)
{
	const StblHeader *own[MAX_SIGNED];
	int			n = 0;

	for (int h = 0; h < in->n_headers; h++)
		if (strncmp(in->headers[h].name, "x-ms-", 5) == 0)
		{
			if (n == MAX_SIGNED)
				return false;
			own[n++] = &in->headers[h];
		}
	qsort(own, (size_t) n, sizeof(own[0]), compare_headers);
	for (int h = 0; h < n; h++)
	{
		stbl_text_puts(out, own[h]->name);
		stbl_text_puts(out, ":");
		stbl_text_puts(out, own[h]->value);
		stbl_text_puts(out, "\n");
	}
	return true;
}

static int
compare_params(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* One "name=value" as "name:value", decoded; malloc'd. */
static char *
decode_param(const char *param, size_t len)
{
	const char *eq = memchr(param, '=', len);
	size_t		name_len = eq != NULL ? (size_t) (eq - param) : len;
	char	   *text = malloc(len + 2);

	if (text == NULL)
		return NULL;
	memcpy(text, param, len);
	text[len] = '\0';
	text[name_len] = ':';
	if (eq == NULL)
		text[name_len + 1] = '\0';
	if (stbl_uri_decode(text))
		return text;
	free(text);
	return NULL;
}

/* The parameters, sorted by name: a ":" sorts before any letter of one. */
static bool
add_params(const StblSharedKey *in, StblText *out)
{
	char	   *params[MAX_PARAMS];
	const char *query = in->query;
	int			n = 0;
	bool		ok = true;

	while (ok && *query != '\0')
	{
		size_t		len = strcspn(query, "&");

		params[n] = n < MAX_PARAMS - 1 ? decode_param(query, len) : NULL;
		ok = params[n] != NULL;
		n += ok;
		query += len + (query[len] == '&');
	}
	qsort(params, (size_t) n, sizeof(params[0]), compare_params);
	for (int i = 0; i < n; i++)
	{
		stbl_text_puts(out, "\n");
		stbl_text_puts(out, params[i]);
		free(params[i]);
	}
	return ok;
}

bool
stbl_sharedkey_string(const StblSharedKey *in, StblText *out)
{
	stbl_text_printf(out, "%s\n", in->method);
	add_standard(in, out);
	if (!add_own_headers(in, out))
		return false;
	stbl_text_printf(out, "/%s%s", in->account, in->path);
	return add_params(in, out) && !out->failed;
}

bool
stbl_sharedkey_sign(const StblSharedKey *in, StblText *authorization)
{
	StblText	to_sign = {0};
	unsigned char key[MAX_KEY];
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned char signature[64];
	unsigned int n = 0;
	int			key_len = decode_key(in->key, key);
	bool		ok;

	ok = key_len > 0 && stbl_sharedkey_string(in, &to_sign) &&
		HMAC(EVP_sha256(), key, key_len, (const unsigned char *) to_sign.data, to_sign.len, hash, &n) != NULL && n == HMAC_LEN;
	OPENSSL_cleanse(key, sizeof(key));
	if (ok)
	{
		EVP_EncodeBlock(signature, hash, HMAC_LEN);
		stbl_text_printf(authorization, "SharedKey %s:%s", in->account, (const char *) signature);
	}
	stbl_text_free(&to_sign);
	return ok && !authorization->failed;
}
