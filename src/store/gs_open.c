/* Url and options of a store on Google Cloud Storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/gs_int.h"

#define OWN_ENDPOINT "https://storage.googleapis.com"

const char *const stbl_gs_server_options[] = {"endpoint", "ca_file", "use_proxy", NULL};
const char *const stbl_gs_user_options[] = {"access_token", NULL};

void
stbl_gs_close(void *store)
{
	StblGsStore *s = store;

	stbl_object_store_free(&s->base);
	stbl_secret_free(s->access_token);
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

/* A token in clear text on the way is anybody's: only where there is no way, or none that leaves the machine. */
static bool
check_secrecy(const StblGsStore *s, const StblOpening *o)
{
	if (s->access_token == NULL || s->base.endpoint.is_tls || stbl_endpoint_is_loopback(s->base.endpoint.host))
		return true;
	return stbl_opening_fail(o, STBL_ERR_INVALID, "a token is sent to an endpoint with https only, or to one of this machine");
}

static bool
configure(StblGsStore *s, const StblOpening *o)
{
	return stbl_opening_url(o, &s->base, "gs", is_bucket, "gs://bucket or gs://bucket/folder", s->bucket, sizeof(s->bucket)) &&
		parse_endpoint(s, o) && stbl_opening_secret(o, "access_token", &s->access_token) && check_secrecy(s, o) &&
		stbl_opening_connection(o, &s->base);
}

void *
stbl_gs_open(const char *url, const StblStoreOption *options, int n_options,
			 char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblGsStore *s = calloc(1, sizeof(StblGsStore));
	StblOpening o = {url, options, n_options, error_kind, message, message_size};

	*canonical = NULL;
	*error_kind = STBL_ERR_INVALID;
	if (s != NULL)
	{
		s->base.kind = &stbl_gs_kind;
		if (!configure(s, &o))
		{
			stbl_gs_close(s);
			return NULL;
		}
		*canonical = stbl_object_canonical(&s->base, "gs", s->bucket,
										   stbl_opening_option(&o, "endpoint") != NULL ? s->base.endpoint.host : NULL);
	}
	if (*canonical != NULL)
		return s;
	stbl_opening_fail(&o, STBL_ERR_MEMORY, "out of memory");
	if (s != NULL)
		stbl_gs_close(s);
	return NULL;
}
