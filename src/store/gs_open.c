/* Url and options of a store on Google Cloud Storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/gs_int.h"

#define OWN_ENDPOINT "https://storage.googleapis.com"

const char *const stbl_gs_server_options[] = {"endpoint", "ca_file", "use_proxy", "credentials", "service_account_key_file", NULL};
const char *const stbl_gs_user_options[] = {"access_token", "service_account_key", "access_key_id", "secret_access_key", NULL};

void
stbl_gs_close(void *store)
{
	StblGsStore *s = store;

	stbl_object_store_free(&s->base);
	stbl_secret_free(s->access_token);
	stbl_secret_free(s->access_key_id);
	stbl_secret_free(s->secret_access_key);
	free(s);
}

static bool
is_bucket(const char *name, size_t len)
{
	return len >= 3 && len <= STBL_GS_MAX_BUCKET && name[0] != '.' && name[0] != '-' && name[0] != '_' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") >= len;
}

static bool
parse_endpoint(StblGsStore *s, const StblOpening *o)
{
	const char *endpoint = stbl_opening_option(o, "endpoint");

	return stbl_endpoint_parse(endpoint != NULL ? endpoint : OWN_ENDPOINT, &s->base.endpoint, o->message, o->message_size);
}

/*
 * A token or keys of the user mapping, else what the server says: a key's
 * file, or the environment of the database server.
 */
static bool
find_credentials(StblGsStore *s, const StblOpening *o)
{
	StblProviderConfig config = {
		.key = stbl_opening_option(o, "service_account_key"), .key_file = stbl_opening_option(o, "service_account_key_file"),
		.none = "the file that GOOGLE_APPLICATION_CREDENTIALS names, nor where gcloud keeps one, nor from the metadata service"
	};
	bool		from_environment;

	if (!stbl_opening_secret(o, "access_token", &s->access_token) || !stbl_opening_secret(o, "access_key_id", &s->access_key_id) ||
		!stbl_opening_secret(o, "secret_access_key", &s->secret_access_key) || !stbl_opening_environment(o, &from_environment))
		return false;
	if (config.key_file != NULL && from_environment)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "options credentials and service_account_key_file exclude each other");
	if ((s->access_token != NULL) + (config.key != NULL) + (s->access_key_id != NULL) > 1)
		return stbl_opening_fail(o, STBL_ERR_AUTH, "the user mapping is to have one of service_account_key, access_token, and access_key_id with secret_access_key");
	if ((s->access_key_id == NULL) != (s->secret_access_key == NULL))
		return stbl_opening_fail(o, STBL_ERR_AUTH, "the user mapping needs access_key_id and secret_access_key together");
	if (config.key_file != NULL && config.key_file[0] != '/')
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"service_account_key_file\": it is to be an absolute path");
	if (config.key != NULL && !stbl_google_check_key(config.key, o->message, o->message_size))
	{
		*o->error_kind = STBL_ERR_AUTH;
		return false;
	}
	if (s->access_key_id != NULL)
		s->base.kind = &stbl_gs_xml_kind;
	if (s->access_token != NULL || s->access_key_id != NULL)
		return true;
	if (config.key != NULL)
		config.key_file = NULL;
	if (config.key != NULL || config.key_file != NULL)
		return stbl_opening_provider(o, &s->base, stbl_google_key_sources, config);
	return !from_environment || stbl_opening_provider(o, &s->base, stbl_google_sources, config);
}

static bool
configure(void *store, const StblOpening *o)
{
	StblGsStore *s = store;

	return stbl_opening_url(o, &s->base, "gs", is_bucket, "gs://bucket or gs://bucket/folder", s->bucket, sizeof(s->bucket)) &&
		parse_endpoint(s, o) && stbl_opening_connection(o, &s->base) && find_credentials(s, o) &&
		((s->access_token == NULL && s->base.provider == NULL) || stbl_opening_secrecy(o, &s->base));
}

static char *
spell(const void *store, const StblOpening *o)
{
	const StblGsStore *s = store;

	return stbl_object_canonical(&s->base, "gs", s->bucket, stbl_opening_option(o, "endpoint") != NULL ? s->base.endpoint.host : NULL);
}

void *
stbl_gs_open(const char *url, const StblStoreOption *options, int n_options,
			 char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblOpening o = {url, options, n_options, error_kind, message, message_size};

	return stbl_object_open(&o, &stbl_gs_kind, sizeof(StblGsStore), configure, spell, stbl_gs_close, canonical);
}
