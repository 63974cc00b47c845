/*
 * Tokens of Google: by a service account's key or a user's own credentials
 * from a file, or from the metadata service of the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/credential.h"
#include "store/endpoint.h"
#include "store/jsonread.h"
#include "store/jwt.h"
#include "store/object.h"

#define MAX_KEY_FILE ((size_t) 64 * 1024)
#define NEAR_US (INT64_C(2) * 1000000)
#define FAR_US (INT64_C(20) * 1000000)
#define MAX_LIFE_S UINT64_C(604800)

#define SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define METADATA "the metadata service of Google"
#define TOKENS "the token endpoint of Google"

/* ---- answers ---- */

/* What a token endpoint says to a request that it refuses. */
static StblCredsStep
refused(StblProvider *p, const char *who)
{
	const char *data = (const char *) p->http.answer;
	char	   *code = NULL;
	char	   *more = NULL;
	char		why[200];
	StblCredsStep step;

	if (p->http.outcome == STBL_HTTP_ANSWERED && data != NULL)
	{
		(void) stbl_jsonread_find(data, p->http.answer_len, "error", &code);
		(void) stbl_jsonread_find(data, p->http.answer_len, "error_description", &more);
	}
	snprintf(why, sizeof(why), "%.60s%s%.120s", code != NULL ? code : "", code != NULL && more != NULL ? ", " : "", more != NULL ? more : "");
	step = stbl_creds_refused(p, who, why[0] ? why : NULL);
	free(code);
	free(more);
	return step;
}

StblCredsStep
stbl_creds_take_token(StblProvider *p, const char *who)
{
	const char *data = (const char *) p->http.answer;
	size_t		len = p->http.answer_len;
	uint64_t	seconds = 0;
	bool		has_life = false;
	bool		has_end = false;
	int64_t		now = stbl_http_now();

	if (p->http.outcome != STBL_HTTP_ANSWERED || p->http.status != 200)
		return refused(p, who);
	if (data == NULL || !stbl_jsonread_find(data, len, "access_token", &p->fresh.token) || p->fresh.token == NULL ||
		!stbl_jsonread_find_count(data, len, "expires_in", &has_life, &seconds) ||
		(!has_life && !stbl_jsonread_find_count(data, len, "expires_on", &has_end, &seconds)) || (!has_life && !has_end))
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no credentials from %s: the answer holds no token, or not how long it serves", who);
	if (!stbl_is_header_value(p->fresh.token))
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no credentials from %s: the token holds what no token has", who);
	if (has_end)
		seconds = seconds > (uint64_t) now / 1000000 ? seconds - (uint64_t) now / 1000000 : 0;
	p->fresh.expires_us = now + (int64_t) (seconds < MAX_LIFE_S ? seconds : MAX_LIFE_S) * 1000000;
	return STBL_CREDS_DONE;
}

/* ---- keys ---- */

/* Of a url that is asked with a secret: its host, in the form of endpoints; false where it is none of https. */
static bool
host_of(const char *url, StblEndpoint *endpoint)
{
	char		base[300];
	char		ignored[200];
	size_t		len;

	if (strncmp(url, "https://", 8) != 0 || !stbl_is_header_value(url))
		return false;
	len = 8 + strcspn(url + 8, "/?#");
	if (len >= sizeof(base))
		return false;
	memcpy(base, url, len);
	base[len] = '\0';
	return stbl_endpoint_parse(base, endpoint, ignored, sizeof(ignored));
}

/*
 * A key comes from outside, and so does where it says tokens are to be had:
 * that is one of Google's hosts, unless the administrator has said by a
 * setting which hosts are allowed.
 */
static bool
may_ask(const char *token_uri)
{
	StblEndpoint endpoint;
	const char *patterns = stbl_allowed_endpoints;

	if (!host_of(token_uri, &endpoint))
		return false;
	if (patterns == NULL || patterns[strspn(patterns, ", \t\n")] == '\0')
		patterns = "oauth2.googleapis.com, accounts.google.com, www.googleapis.com";
	return stbl_endpoint_allowed(patterns, endpoint.host);
}

typedef struct Key
{
	char	   *type;
	char	   *token_uri;
	/* of a service account */
	char	   *client_email;
	char	   *private_key;
	char	   *private_key_id;
	/* of a user */
	char	   *client_id;
	char	   *client_secret;
	char	   *refresh_token;
} Key;

static void
free_key(Key *key)
{
	char	  **fields[] = {&key->type, &key->token_uri, &key->client_email, &key->private_key, &key->private_key_id,
		&key->client_id, &key->client_secret, &key->refresh_token};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		stbl_secret_free(*fields[i]);
		*fields[i] = NULL;
	}
}

/* NULL, or what is wrong with it. */
static const char *
read_key(const char *json, size_t len, Key *key)
{
	memset(key, 0, sizeof(*key));
	if (!stbl_jsonread_find(json, len, "type", &key->type) ||
		!stbl_jsonread_find(json, len, "token_uri", &key->token_uri) ||
		!stbl_jsonread_find(json, len, "client_email", &key->client_email) ||
		!stbl_jsonread_find(json, len, "private_key", &key->private_key) ||
		!stbl_jsonread_find(json, len, "private_key_id", &key->private_key_id) ||
		!stbl_jsonread_find(json, len, "client_id", &key->client_id) ||
		!stbl_jsonread_find(json, len, "client_secret", &key->client_secret) ||
		!stbl_jsonread_find(json, len, "refresh_token", &key->refresh_token))
		return "it is no JSON as Google writes keys";
	if (key->type == NULL)
		return "it does not say of which type it is";
	if (key->token_uri == NULL)
		key->token_uri = strdup(TOKEN_URI);
	if (key->token_uri == NULL)
		return "out of memory";
	if (!may_ask(key->token_uri))
		return "its token_uri is not https, or not among supertable.allowed_endpoints";
	if (strcmp(key->type, "service_account") == 0)
		return key->client_email != NULL && key->private_key != NULL ? NULL : "it has no client_email or private_key";
	if (strcmp(key->type, "authorized_user") == 0)
		return key->client_id != NULL && key->client_secret != NULL && key->refresh_token != NULL ? NULL :
			"it has no client_id, client_secret or refresh_token";
	return "its type is neither service_account nor authorized_user";
}

bool
stbl_google_check_key(const char *json, char *message, size_t size)
{
	Key			key;
	const char *problem = read_key(json, strlen(json), &key);

	if (problem == NULL && strcmp(key.type, "service_account") != 0)
		problem = "its type is not service_account";
	free_key(&key);
	if (problem != NULL)
		snprintf(message, size, "the service account's key cannot be used: %s", problem);
	return problem == NULL;
}

static StblCredsStep
ask_for_token(StblProvider *p, const Key *key)
{
	int64_t		now_s = stbl_http_now() / 1000000;
	StblText	assertion = {0};
	bool		ok = true;

	stbl_creds_begin(p, STBL_HTTP_POST, FAR_US);
	stbl_text_puts(&p->url, key->token_uri);
	stbl_creds_header(p, "content-type", "application/x-www-form-urlencoded");
	if (strcmp(key->type, "service_account") == 0)
	{
		StblJwt		jwt = {
			.key_id = key->private_key_id, .issuer = key->client_email, .scope = SCOPE,
			.audience = key->token_uri, .issued_s = now_s, .expires_s = now_s + 3600
		};

		ok = stbl_jwt_sign(&jwt, key->private_key, &assertion);
		if (ok)
		{
			stbl_query_add(&p->body, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
			stbl_query_add(&p->body, "assertion", assertion.data);
		}
		stbl_text_wipe(&assertion);
	}
	else
	{
		stbl_query_add(&p->body, "grant_type", "refresh_token");
		stbl_query_add(&p->body, "client_id", key->client_id);
		stbl_query_add(&p->body, "client_secret", key->client_secret);
		stbl_query_add(&p->body, "refresh_token", key->refresh_token);
	}
	return ok ? STBL_CREDS_SEND : stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "the service account's key cannot be used: its private_key is no RSA key in PEM");
}

static StblCredsStep
use_key(StblProvider *p, const char *json, size_t len, const char *where)
{
	Key			key;
	const char *problem = read_key(json, len, &key);
	StblCredsStep step;

	if (problem != NULL)
		step = stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "the credentials in %s cannot be used: %s", where, problem);
	else
		step = ask_for_token(p, &key);
	free_key(&key);
	return step;
}

static StblCredsStep
use_file(StblProvider *p, const char *path, const char *where)
{
	StblText	file = {0};
	StblCredsStep step;

	if (!stbl_read_file(path, MAX_KEY_FILE, &file) || file.data == NULL)
		step = stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: %s cannot be read, or is empty or too large", where);
	else
		step = use_key(p, file.data, file.len, where);
	stbl_text_wipe(&file);
	return step;
}

/* ---- sources ---- */

/* What a user mapping or a server names. */
static StblCredsStep
from_key(StblProvider *p)
{
	if (p->step > 0)
		return stbl_creds_take_token(p, TOKENS);
	if (p->key != NULL)
		return use_key(p, p->key, strlen(p->key), "option service_account_key");
	return use_file(p, p->key_file, "the file of option service_account_key_file");
}

static StblCredsStep
from_environment_file(StblProvider *p)
{
	const char *path = stbl_env("GOOGLE_APPLICATION_CREDENTIALS");

	if (path == NULL)
		return STBL_CREDS_NONE;
	if (p->step > 0)
		return stbl_creds_take_token(p, TOKENS);
	return use_file(p, path, "the file that GOOGLE_APPLICATION_CREDENTIALS names");
}

/* What "gcloud auth application-default login" has left. */
static StblCredsStep
from_own_file(StblProvider *p)
{
	const char *folder = stbl_env("CLOUDSDK_CONFIG");
	const char *home = stbl_env("HOME");
	StblText	path = {0};
	StblText	file = {0};
	StblCredsStep step = STBL_CREDS_NONE;

	if (p->step > 0)
		return stbl_creds_take_token(p, TOKENS);
	if (folder != NULL)
		stbl_text_printf(&path, "%s/application_default_credentials.json", folder);
	else if (home != NULL)
		stbl_text_printf(&path, "%s/.config/gcloud/application_default_credentials.json", home);
	if (path.data != NULL && stbl_read_file(path.data, MAX_KEY_FILE, &file) && file.data != NULL)
		step = use_key(p, file.data, file.len, "application_default_credentials.json");
	stbl_text_free(&path);
	stbl_text_wipe(&file);
	return step;
}

static StblCredsStep
from_metadata(StblProvider *p)
{
	const char *host = stbl_env("GCE_METADATA_HOST");

	if (p->step > 0)
		return stbl_creds_take_token(p, METADATA);
	stbl_creds_begin(p, STBL_HTTP_GET, NEAR_US);
	stbl_text_printf(&p->url, "http://%s/computeMetadata/v1/instance/service-accounts/default/token", host != NULL ? host : "169.254.169.254");
	stbl_creds_header(p, "metadata-flavor", "Google");
	return STBL_CREDS_SEND;
}

const StblCredentialSource stbl_google_sources[] = {from_environment_file, from_own_file, from_metadata, NULL};
const StblCredentialSource stbl_google_key_sources[] = {from_key, NULL};
