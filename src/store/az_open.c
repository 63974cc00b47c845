/* Url and options of an Azure store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/az_int.h"
#include "store/sharedkey.h"

const char *const stbl_az_server_options[] = {"account_name", "endpoint", "url_style", "ca_file", "use_proxy", "credentials", NULL};
const char *const stbl_az_user_options[] = {"account_key", "sas_token", NULL};

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";

void
stbl_az_close(void *store)
{
	StblAzStore *s = store;

	stbl_object_store_free(&s->base);
	stbl_secret_free(s->account_key);
	stbl_secret_free(s->sas_token);
	stbl_secret_free(s->sas_signature);
	stbl_secret_free(s->sas_signature_sent);
	free(s);
}

static bool
is_container(const char *name, size_t len)
{
	return len >= 3 && len <= 63 && name[0] != '-' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") >= len;
}

static bool
parse_account(StblAzStore *s, const StblOpening *o)
{
	const char *name = stbl_opening_option(o, "account_name");

	if (name == NULL)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "the server has no option account_name, the name of the storage account");
	if (strlen(name) < 3 || strlen(name) >= sizeof(s->account) || strspn(name, lower) != strlen(name))
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"account_name\": it is to be 3 to 24 lower case letters and digits");
	memcpy(s->account, name, strlen(name) + 1);
	return true;
}

static bool
parse_endpoint(StblAzStore *s, const StblOpening *o)
{
	const char *endpoint = stbl_opening_option(o, "endpoint");
	const char *style = stbl_opening_option(o, "url_style");
	size_t		len = strlen(s->account);
	char		own[128];

	snprintf(own, sizeof(own), "%s.blob.core.windows.net", s->account);
	if (!stbl_endpoint_parse(endpoint != NULL ? endpoint : own, &s->base.endpoint, o->message, o->message_size))
		return false;
	if (style == NULL)
		s->is_path_style = strncmp(s->base.endpoint.host, s->account, len) != 0 || s->base.endpoint.host[len] != '.';
	else if (strcmp(style, "path") == 0)
		s->is_path_style = true;
	else if (strcmp(style, "vhost") != 0)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"url_style\": it is to be path or vhost");
	return true;
}

/* Keeps the signature of a SAS, so that it can be found in a message. */
static bool
keep_signature(StblAzStore *s, const StblOpening *o, const char *where)
{
	const char *p = s->sas_token;

	while (strncmp(p, "sig=", 4) != 0)
	{
		p += strcspn(p, "&");
		if (*p++ == '\0')
			return stbl_opening_fail(o, STBL_ERR_AUTH, "%s is no shared access signature: it has no sig=", where);
	}
	s->sas_signature = strndup(p + 4, strcspn(p + 4, "&"));
	s->sas_signature_sent = strndup(p + 4, strcspn(p + 4, "&"));
	if (s->sas_signature == NULL || s->sas_signature_sent == NULL)
		return stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
	return stbl_uri_decode(s->sas_signature) ||
		stbl_opening_fail(o, STBL_ERR_AUTH, "%s is not encoded as it is in an url", where);
}

/* A secret of the database server's environment; *out stays NULL where it is not there. */
static bool
copy_variable(const StblOpening *o, const char *name, char **out)
{
	const char *value = stbl_env(name);

	if (value == NULL)
		return true;
	if (!stbl_is_header_value(value))
		return stbl_opening_fail(o, STBL_ERR_AUTH, "variable %s holds blanks or other characters that no key has", name);
	*out = strdup(value);
	return *out != NULL || stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
}

/*
 * Key or signature of the user mapping, else, if the server says so, of the
 * environment, which may give tokens in their place.
 */
static bool
copy_credentials(StblAzStore *s, const StblOpening *o)
{
	const char *key_name = "option account_key of the user mapping";
	const char *sas_name = "option sas_token of the user mapping";
	StblProviderConfig config = {.none = "AZURE_STORAGE_KEY and AZURE_STORAGE_SAS_TOKEN, nor as an application's or a managed identity"};
	bool		from_environment;

	if (!stbl_opening_environment(o, &from_environment) || !stbl_opening_secret(o, "account_key", &s->account_key) || !stbl_opening_secret(o, "sas_token", &s->sas_token))
		return false;
	if (s->account_key != NULL && s->sas_token != NULL)
		return stbl_opening_fail(o, STBL_ERR_AUTH, "the user mapping is to have account_key or sas_token, not both");
	if (from_environment && s->account_key == NULL && s->sas_token == NULL)
	{
		key_name = "variable AZURE_STORAGE_KEY";
		sas_name = "variable AZURE_STORAGE_SAS_TOKEN";
		if (!copy_variable(o, "AZURE_STORAGE_KEY", &s->account_key) ||
			(s->account_key == NULL && !copy_variable(o, "AZURE_STORAGE_SAS_TOKEN", &s->sas_token)))
			return false;
		if (s->account_key == NULL && s->sas_token == NULL)
			return stbl_opening_provider(o, &s->base, stbl_azure_sources, config) && stbl_opening_secrecy(o, &s->base);
	}
	if (s->account_key != NULL && !stbl_sharedkey_is_key(s->account_key))
		return stbl_opening_fail(o, STBL_ERR_AUTH, "%s is no base64", key_name);
	if (s->sas_token == NULL)
		return true;
	if (s->sas_token[0] == '?')
		memmove(s->sas_token, s->sas_token + 1, strlen(s->sas_token));
	if (strpbrk(s->sas_token, "?#") != NULL)
		return stbl_opening_fail(o, STBL_ERR_AUTH, "%s is no shared access signature: it is what follows the ? of an url", sas_name);
	return keep_signature(s, o, sas_name) && stbl_opening_secrecy(o, &s->base);
}

static bool
configure(void *store, const StblOpening *o)
{
	StblAzStore *s = store;

	return stbl_opening_url(o, &s->base, "az", is_container, "az://container or az://container/folder", s->container, sizeof(s->container)) &&
		parse_account(s, o) && parse_endpoint(s, o) && stbl_opening_connection(o, &s->base) && copy_credentials(s, o);
}

static char *
spell(const void *store, const StblOpening *o)
{
	const StblAzStore *s = store;
	char		place[sizeof(s->account) + sizeof(s->base.endpoint.host) + 1];

	(void) o;
	/* two accounts of one host are two places */
	snprintf(place, sizeof(place), "%s%s%s", s->is_path_style ? s->account : "", s->is_path_style ? "@" : "", s->base.endpoint.host);
	return stbl_object_canonical(&s->base, "az", s->container, place);
}

void *
stbl_az_open(const char *url, const StblStoreOption *options, int n_options,
			 char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblOpening o = {url, options, n_options, error_kind, message, message_size};

	return stbl_object_open(&o, &stbl_az_kind, sizeof(StblAzStore), configure, spell, stbl_az_close, canonical);
}
