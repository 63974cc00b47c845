/* Url and options of an S3 store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "store/s3_int.h"

#define MAX_PREFIX 512

const char *const stbl_s3_server_options[] = {"endpoint", "region", "url_style", "ca_file", "use_proxy", NULL};
const char *const stbl_s3_user_options[] = {"access_key_id", "secret_access_key", "session_token", NULL};

static void
free_secret(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void
stbl_s3_close(void *store)
{
	StblS3Store *s = store;

	free(s->prefix);
	free(s->ca_file);
	free_secret(s->access_key_id);
	free_secret(s->secret_access_key);
	free_secret(s->session_token);
	free(s);
}

static const char *
option(const StblStoreOption *options, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].value;
	return NULL;
}

static bool
is_bucket(const char *name, size_t len)
{
	return len >= 3 && len <= 63 && name[0] != '.' && name[0] != '-' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") >= len;
}

/* Whether a bucket can be a part of a host's name: and not two, which no certificate covers. */
static bool
is_host_label(const char *bucket)
{
	return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(bucket);
}

/* "s3://bucket/some/folder" */
static bool
parse_url(StblS3Store *s, const char *url, char *message, size_t size)
{
	const char *p = strncmp(url, "s3://", 5) == 0 ? url + 5 : "";
	size_t		len = strcspn(p, "/");
	const char *seg;

	if (!is_bucket(p, len))
	{
		snprintf(message, size, "invalid url \"%.200s\": it is to be s3://bucket or s3://bucket/folder", url);
		return false;
	}
	memcpy(s->bucket, p, len);
	s->bucket[len] = '\0';
	p += len;
	p += *p == '/';
	len = strlen(p);
	if (len > 0 && p[len - 1] == '/')
		len--;
	if (len > MAX_PREFIX)
	{
		snprintf(message, size, "invalid url: its folder has more than %d bytes", MAX_PREFIX);
		return false;
	}
	s->prefix = calloc(1, len + 2);
	if (s->prefix == NULL)
	{
		snprintf(message, size, "out of memory");
		return false;
	}
	memcpy(s->prefix, p, len);
	for (seg = s->prefix; len > 0; seg++)
	{
		size_t		n = strcspn(seg, "/");

		if (n == 0 || (n == 1 && seg[0] == '.') || (n == 2 && seg[0] == '.' && seg[1] == '.'))
		{
			snprintf(message, size, "invalid url \"%.200s\": its folder has an empty part, or one that is \".\" or \"..\"", url);
			return false;
		}
		seg += n;
		if (*seg == '\0')
			break;
	}
	if (len > 0)
		s->prefix[len] = '/';
	return true;
}

static bool
parse_bool(const char *name, const char *value, bool *out, char *message, size_t size)
{
	*out = value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "on") == 0);
	if (value == NULL || *out || strcmp(value, "false") == 0 || strcmp(value, "off") == 0)
		return true;
	snprintf(message, size, "invalid value for option \"%s\": it is to be on or off", name);
	return false;
}

static bool
parse_region(StblS3Store *s, const char *region, char *message, size_t size)
{
	if (region == NULL)
		region = "us-east-1";
	if (region[0] == '\0' || strlen(region) >= sizeof(s->region) ||
		strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(region))
	{
		snprintf(message, size, "invalid value for option \"region\": it is to be like eu-central-1");
		return false;
	}
	memcpy(s->region, region, strlen(region) + 1);
	return true;
}

static bool
parse_endpoint(StblS3Store *s, const char *endpoint, const char *style, char *message, size_t size)
{
	char		own[128];

	/* Amazon's names of China are under another domain */
	snprintf(own, sizeof(own), "s3.%s.amazonaws.com%s", s->region, strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
	if (!stbl_endpoint_parse(endpoint != NULL ? endpoint : own, &s->endpoint, message, size))
		return false;
	if (style == NULL)
		s->is_path_style = endpoint != NULL || !is_host_label(s->bucket);
	else if (strcmp(style, "path") == 0)
		s->is_path_style = true;
	else if (strcmp(style, "vhost") != 0)
	{
		snprintf(message, size, "invalid value for option \"url_style\": it is to be path or vhost");
		return false;
	}
	else if (!is_host_label(s->bucket))
	{
		snprintf(message, size, "bucket \"%s\" needs the option url_style 'path': it cannot be a part of a host's name", s->bucket);
		return false;
	}
	return true;
}

static bool
is_header_value(const char *value)
{
	for (; *value != '\0'; value++)
		if ((unsigned char) *value <= ' ' || (unsigned char) *value >= 127)
			return false;
	return true;
}

static bool
copy_credentials(StblS3Store *s, const StblStoreOption *options, int n, int *kind, char *message, size_t size)
{
	const char *id = option(options, n, "access_key_id");
	const char *secret = option(options, n, "secret_access_key");
	const char *token = option(options, n, "session_token");

	if ((id == NULL) != (secret == NULL) || (token != NULL && id == NULL))
	{
		*kind = STBL_ERR_AUTH;
		snprintf(message, size, "the user mapping needs access_key_id and secret_access_key together, or neither for anonymous access");
		return false;
	}
	if (id == NULL)
		return true;
	if (id[0] == '\0' || secret[0] == '\0' || !is_header_value(id) || !is_header_value(secret) ||
		(token != NULL && !is_header_value(token)))
	{
		*kind = STBL_ERR_AUTH;
		snprintf(message, size, "an option of the user mapping is empty, or holds blanks or other characters that no key has");
		return false;
	}
	s->access_key_id = strdup(id);
	s->secret_access_key = strdup(secret);
	s->session_token = token != NULL ? strdup(token) : NULL;
	if (s->access_key_id != NULL && s->secret_access_key != NULL && (token == NULL || s->session_token != NULL))
		return true;
	*kind = STBL_ERR_MEMORY;
	snprintf(message, size, "out of memory");
	return false;
}

static bool
configure(StblS3Store *s, const char *url, const StblStoreOption *options, int n, int *kind, char *message, size_t size)
{
	const char *ca_file = option(options, n, "ca_file");

	if (!parse_url(s, url, message, size) ||
		!parse_region(s, option(options, n, "region"), message, size) ||
		!parse_endpoint(s, option(options, n, "endpoint"), option(options, n, "url_style"), message, size) ||
		!parse_bool("use_proxy", option(options, n, "use_proxy"), &s->use_proxy, message, size) ||
		!copy_credentials(s, options, n, kind, message, size))
		return false;
	if (!stbl_endpoint_allowed(stbl_allowed_endpoints, s->endpoint.host))
	{
		*kind = STBL_ERR_DENIED;
		snprintf(message, size, "endpoint \"%s\" is not among those of supertable.allowed_endpoints", s->endpoint.host);
		return false;
	}
	if (ca_file == NULL)
		return true;
	if (ca_file[0] != '/')
	{
		snprintf(message, size, "invalid value for option \"ca_file\": it is to be an absolute path");
		return false;
	}
	s->ca_file = strdup(ca_file);
	if (s->ca_file != NULL)
		return true;
	*kind = STBL_ERR_MEMORY;
	snprintf(message, size, "out of memory");
	return false;
}

/*
 * The one spelling of a place.  Another endpoint is another place, even where
 * bucket and folder have the same names: it stands behind the bucket, which
 * cannot hold an "@".
 */
static char *
canonical_url(const StblS3Store *s, bool own_endpoint)
{
	StblText	t = {0};

	stbl_text_printf(&t, "s3://%s", s->bucket);
	if (own_endpoint)
		stbl_text_printf(&t, "@%s", s->endpoint.host);
	if (s->prefix[0] != '\0')
	{
		stbl_text_puts(&t, "/");
		stbl_text_add(&t, s->prefix, strlen(s->prefix) - 1);
	}
	if (t.failed)
		stbl_text_free(&t);
	return t.data;
}

void *
stbl_s3_open(const char *url, const StblStoreOption *options, int n_options,
			 char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblS3Store *s = calloc(1, sizeof(StblS3Store));

	*canonical = NULL;
	*error_kind = STBL_ERR_INVALID;
	if (s != NULL && !configure(s, url, options, n_options, error_kind, message, message_size))
	{
		stbl_s3_close(s);
		return NULL;
	}
	if (s != NULL)
		*canonical = canonical_url(s, option(options, n_options, "endpoint") != NULL);
	if (*canonical != NULL)
		return s;
	*error_kind = STBL_ERR_MEMORY;
	snprintf(message, message_size, "out of memory");
	if (s != NULL)
		stbl_s3_close(s);
	return NULL;
}
