/* Url and options of an S3 store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s3_int.h"

const char *const stbl_s3_server_options[] = {"endpoint", "region", "url_style", "ca_file", "use_proxy", "credentials", "profile", NULL};
const char *const stbl_s3_user_options[] = {"access_key_id", "secret_access_key", "session_token", NULL};

void
stbl_s3_close(void *store)
{
	StblS3Store *s = store;

	stbl_object_store_free(&s->base);
	stbl_secret_free(s->access_key_id);
	stbl_secret_free(s->secret_access_key);
	stbl_secret_free(s->session_token);
	free(s);
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

static bool
parse_region(StblS3Store *s, const StblOpening *o)
{
	const char *region = stbl_opening_option(o, "region");

	if (region == NULL)
		region = "us-east-1";
	if (region[0] == '\0' || strlen(region) >= sizeof(s->region) ||
		strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(region))
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"region\": it is to be like eu-central-1");
	memcpy(s->region, region, strlen(region) + 1);
	return true;
}

static bool
parse_endpoint(StblS3Store *s, const StblOpening *o)
{
	const char *endpoint = stbl_opening_option(o, "endpoint");
	const char *style = stbl_opening_option(o, "url_style");
	char		own[128];

	/* Amazon's names of China are under another domain */
	snprintf(own, sizeof(own), "s3.%s.amazonaws.com%s", s->region, strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
	if (!stbl_endpoint_parse(endpoint != NULL ? endpoint : own, &s->base.endpoint, o->message, o->message_size))
		return false;
	if (style == NULL)
		s->is_path_style = endpoint != NULL || !is_host_label(s->bucket);
	else if (strcmp(style, "path") == 0)
		s->is_path_style = true;
	else if (strcmp(style, "vhost") != 0)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"url_style\": it is to be path or vhost");
	else if (!is_host_label(s->bucket))
		return stbl_opening_fail(o, STBL_ERR_INVALID, "bucket \"%s\" needs the option url_style 'path': it cannot be a part of a host's name", s->bucket);
	return true;
}

static bool
copy_credentials(StblS3Store *s, const StblOpening *o)
{
	if (!stbl_opening_secret(o, "access_key_id", &s->access_key_id) ||
		!stbl_opening_secret(o, "secret_access_key", &s->secret_access_key) ||
		!stbl_opening_secret(o, "session_token", &s->session_token))
		return false;
	if ((s->access_key_id == NULL) == (s->secret_access_key == NULL) && (s->session_token == NULL || s->access_key_id != NULL))
		return true;
	return stbl_opening_fail(o, STBL_ERR_AUTH, "the user mapping needs access_key_id and secret_access_key together, or neither for anonymous access");
}

/* Where the user mapping has none: those of the server's environment, if the option says so. */
static bool
find_credentials(StblS3Store *s, const StblOpening *o)
{
	StblProviderConfig config = {
		.region = s->region, .profile = stbl_opening_option(o, "profile"),
		.none = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor in the shared files, nor from a service of the machine"
	};
	bool		from_environment;

	if (!stbl_opening_environment(o, &from_environment))
		return false;
	if (config.profile != NULL && !from_environment)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "option profile needs the option credentials 'environment'");
	if (!from_environment || s->access_key_id != NULL)
		return true;
	return stbl_opening_provider(o, &s->base, config.profile != NULL ? stbl_aws_profile_sources : stbl_aws_sources, config);
}

static bool
configure(void *store, const StblOpening *o)
{
	StblS3Store *s = store;

	return stbl_opening_url(o, &s->base, "s3", is_bucket, "s3://bucket or s3://bucket/folder", s->bucket, sizeof(s->bucket)) &&
		parse_region(s, o) && parse_endpoint(s, o) && copy_credentials(s, o) && stbl_opening_connection(o, &s->base) &&
		find_credentials(s, o);
}

static char *
spell(const void *store, const StblOpening *o)
{
	const StblS3Store *s = store;

	return stbl_object_canonical(&s->base, "s3", s->bucket, stbl_opening_option(o, "endpoint") != NULL ? s->base.endpoint.host : NULL);
}

void *
stbl_s3_open(const char *url, const StblStoreOption *options, int n_options,
			 char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblOpening o = {url, options, n_options, error_kind, message, message_size};

	return stbl_object_open(&o, &stbl_s3_kind, sizeof(StblS3Store), configure, spell, stbl_s3_close, canonical);
}
