/*
 * Credentials of AWS in the environment of the database server, looked for in
 * the order of Amazon's libraries: variables, web identity, the shared files,
 * the container's service, the instance's service.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "store/credential.h"
#include "store/jsonread.h"
#include "store/object.h"

#define MAX_FILE ((size_t) 256 * 1024)
#define MAX_TOKEN_FILE ((size_t) 16 * 1024)
#define NEAR_US (INT64_C(2) * 1000000)	/* services of the machine itself */
#define FAR_US (INT64_C(20) * 1000000)

/* Keys from files are read again after half of this: somebody may renew them. */
#define FILE_LIFE_US (INT64_C(120) * 1000000)

#define INSTANCE "the instance's metadata service"
#define CONTAINER "the container's credential service"
#define STS "the security token service"

static char *
copy(const char *value)
{
	return value != NULL ? strdup(value) : NULL;
}

/* Whether the fresh keys are whole, and fit into headers. */
static StblCredsStep
check_keys(StblProvider *p, const char *who)
{
	const StblCredentials *c = &p->fresh;

	if (c->access_key_id != NULL && c->secret_access_key != NULL && stbl_is_header_value(c->access_key_id) &&
		stbl_is_header_value(c->secret_access_key) && (c->session_token == NULL || stbl_is_header_value(c->session_token)))
		return STBL_CREDS_DONE;
	return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials from %s: a key is missing, or holds what no key has", who);
}

/* ---- variables ---- */

static StblCredsStep
from_variables(StblProvider *p)
{
	const char *id = stbl_env("AWS_ACCESS_KEY_ID");
	const char *secret = stbl_env("AWS_SECRET_ACCESS_KEY");

	if (id == NULL && secret == NULL)
		return STBL_CREDS_NONE;
	p->fresh.access_key_id = copy(id);
	p->fresh.secret_access_key = copy(secret);
	p->fresh.session_token = copy(stbl_env("AWS_SESSION_TOKEN"));
	return check_keys(p, "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

/* ---- web identity ---- */

static bool
take_time(const char *text, int64_t *us)
{
	return text != NULL && stbl_time_parse(text, strlen(text), us);
}

static StblCredsStep
take_sts_answer(StblProvider *p)
{
	const char *data = (const char *) p->http.answer;
	size_t		len = p->http.answer_len;
	char	   *text;
	bool		has_time;
	StblCredsStep step;

	if (p->http.outcome != STBL_HTTP_ANSWERED || p->http.status != 200)
	{
		text = p->http.outcome == STBL_HTTP_ANSWERED && data != NULL ? stbl_xml_value(data, len, "Message") : NULL;
		step = stbl_creds_refused(p, STS, text);
		free(text);
		return step;
	}
	p->fresh.access_key_id = stbl_xml_value(data, len, "AccessKeyId");
	p->fresh.secret_access_key = stbl_xml_value(data, len, "SecretAccessKey");
	p->fresh.session_token = stbl_xml_value(data, len, "SessionToken");
	text = stbl_xml_value(data, len, "Expiration");
	has_time = take_time(text, &p->fresh.expires_us);
	free(text);
	if (!has_time)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no credentials from %s: the answer does not say when they expire", STS);
	return check_keys(p, STS);
}

static StblCredsStep
from_web_identity(StblProvider *p)
{
	const char *file = stbl_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = stbl_env("AWS_ROLE_ARN");
	const char *session = stbl_env("AWS_ROLE_SESSION_NAME");
	const char *endpoint = stbl_env("AWS_ENDPOINT_URL_STS");
	const char *region = p->region;
	StblText	token = {0};

	if (file == NULL || role == NULL)
		return STBL_CREDS_NONE;
	if (p->step > 0)
		return take_sts_answer(p);
	if (!stbl_read_file(file, MAX_TOKEN_FILE, &token) || token.data == NULL)
	{
		stbl_text_wipe(&token);
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: the file that AWS_WEB_IDENTITY_TOKEN_FILE names cannot be read or is empty");
	}
	token.data[strcspn(token.data, "\r\n")] = '\0';
	stbl_creds_begin(p, STBL_HTTP_POST, FAR_US);
	if (endpoint != NULL)
		stbl_text_puts(&p->url, endpoint);
	else
		stbl_text_printf(&p->url, "https://sts.%s.amazonaws.com%s/", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	stbl_query_add(&p->body, "Action", "AssumeRoleWithWebIdentity");
	stbl_query_add(&p->body, "Version", "2011-06-15");
	stbl_query_add(&p->body, "RoleArn", role);
	stbl_query_add(&p->body, "RoleSessionName", session != NULL ? session : "supertable");
	stbl_query_add(&p->body, "WebIdentityToken", token.data);
	stbl_text_wipe(&token);
	stbl_creds_header(p, "content-type", "application/x-www-form-urlencoded");
	stbl_creds_header(p, "accept", "text/xml");
	return STBL_CREDS_SEND;
}

/* ---- shared files ---- */

static bool
read_shared(const char *variable, const char *name, StblText *out)
{
	const char *path = stbl_env(variable);
	const char *home = stbl_env("HOME");
	StblText	own = {0};
	bool		ok;

	if (path == NULL && home == NULL)
		return false;
	if (path == NULL)
		stbl_text_printf(&own, "%s/.aws/%s", home, name);
	ok = !own.failed && stbl_read_file(path != NULL ? path : own.data, MAX_FILE, out) && out->data != NULL;
	stbl_text_free(&own);
	return ok;
}

/* The keys of a profile in one file; whether the file has the profile. */
static bool
take_profile(StblProvider *p, const StblText *file, bool is_config, const char *profile)
{
	bool		found;
	char	   *id = stbl_ini_value(file->data, file->len, is_config, profile, "aws_access_key_id", &found);

	if (id != NULL && p->fresh.access_key_id == NULL)
	{
		p->fresh.access_key_id = id;
		p->fresh.secret_access_key = stbl_ini_value(file->data, file->len, is_config, profile, "aws_secret_access_key", &found);
		p->fresh.session_token = stbl_ini_value(file->data, file->len, is_config, profile, "aws_session_token", &found);
	}
	else
		free(id);
	return found;
}

static StblCredsStep
from_files(StblProvider *p)
{
	const char *profile = p->profile != NULL ? p->profile : stbl_env("AWS_PROFILE");
	bool		is_named = profile != NULL;
	bool		found = false;
	StblText	file = {0};

	if (!is_named)
		profile = "default";
	if (read_shared("AWS_SHARED_CREDENTIALS_FILE", "credentials", &file))
		found = take_profile(p, &file, false, profile);
	stbl_text_wipe(&file);
	if (read_shared("AWS_CONFIG_FILE", "config", &file))
		found = take_profile(p, &file, true, profile) || found;
	stbl_text_wipe(&file);
	if (p->fresh.access_key_id != NULL)
	{
		p->fresh.expires_us = stbl_http_now() + FILE_LIFE_US;
		return check_keys(p, "the shared files");
	}
	if (!is_named)
		return STBL_CREDS_NONE;
	if (!found)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: the shared files have no profile \"%.100s\", or cannot be read", profile);
	return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "no credentials: profile \"%.100s\" has no keys in it; roles, programs and single sign-on are not supported there", profile);
}

/* ---- the container ---- */

/* Takes AccessKeyId, SecretAccessKey, Token and Expiration of Amazon's services. */
static StblCredsStep
take_answer(StblProvider *p, const char *who)
{
	const char *data = (const char *) p->http.answer;
	size_t		len = p->http.answer_len;
	StblCredentials *c = &p->fresh;
	char	   *text = NULL;
	bool		ok;

	if (p->http.outcome != STBL_HTTP_ANSWERED || p->http.status != 200)
		return stbl_creds_refused(p, who, NULL);
	ok = data != NULL && stbl_jsonread_find(data, len, "AccessKeyId", &c->access_key_id) &&
		stbl_jsonread_find(data, len, "SecretAccessKey", &c->secret_access_key) &&
		stbl_jsonread_find(data, len, "Token", &c->session_token) && stbl_jsonread_find(data, len, "Expiration", &text);
	if (ok && text != NULL)
		ok = take_time(text, &c->expires_us);
	free(text);
	if (!ok)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no credentials from %s: the answer is none of its kind", who);
	return check_keys(p, who);
}

/* The header that the container's service wants, from a variable or a file; false: failed. */
static bool
add_container_token(StblProvider *p)
{
	const char *file = stbl_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = stbl_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	StblText	text = {0};
	bool		ok;

	if (file != NULL)
	{
		ok = stbl_read_file(file, MAX_TOKEN_FILE, &text) && text.data != NULL;
		if (ok)
			text.data[strcspn(text.data, "\r\n")] = '\0';
	}
	else if (token != NULL)
	{
		stbl_text_puts(&text, token);
		/* it may be "Basic ...": of blanks only line breaks are dangerous */
		ok = !text.failed && strpbrk(token, "\r\n") == NULL;
	}
	else
		return true;
	if (ok)
		stbl_creds_header(p, "authorization", text.data);
	stbl_text_wipe(&text);
	return ok;
}

static StblCredsStep
from_container(StblProvider *p)
{
	const char *relative = stbl_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = stbl_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (relative == NULL && full == NULL)
		return STBL_CREDS_NONE;
	if (p->step > 0)
		return take_answer(p, CONTAINER);
	stbl_creds_begin(p, STBL_HTTP_GET, NEAR_US);
	if (relative != NULL)
		stbl_text_printf(&p->url, "http://169.254.170.2%s%s", relative[0] == '/' ? "" : "/", relative);
	else if (!stbl_is_container_host(full))
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that may not be asked without https");
	else
		stbl_text_puts(&p->url, full);
	if (!add_container_token(p))
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: the token for %s cannot be read", CONTAINER);
	return STBL_CREDS_SEND;
}

/* ---- the instance ---- */

static void
instance_url(StblProvider *p, const char *path)
{
	const char *endpoint = stbl_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = stbl_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t		len;

	if (endpoint == NULL)
		endpoint = mode != NULL && strcmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
	len = strlen(endpoint);
	stbl_text_add(&p->url, endpoint, len > 0 && endpoint[len - 1] == '/' ? len - 1 : len);
	stbl_text_puts(&p->url, path);
}

/* Begins a request that shows the session's token, which is kept. */
static void
ask_instance(StblProvider *p)
{
	stbl_creds_begin(p, STBL_HTTP_GET, NEAR_US);
	instance_url(p, "/latest/meta-data/iam/security-credentials/");
	stbl_creds_header(p, "x-aws-ec2-metadata-token", p->kept.data);
}

/* The first line of an answer, which is to be one word. */
static char *
take_word(StblProvider *p)
{
	char	   *text = (char *) p->http.answer;

	if (p->http.status != 200 || text == NULL || strlen(text) != p->http.answer_len)
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	return stbl_is_header_value(text) && strlen(text) < 4096 ? strdup(text) : NULL;
}

/* A token for the session, the name of the instance's role, and its keys. */
static StblCredsStep
from_instance(StblProvider *p)
{
	const char *disabled = stbl_env("AWS_EC2_METADATA_DISABLED");
	char	   *word;

	if (disabled != NULL && strcmp(disabled, "true") == 0)
		return STBL_CREDS_NONE;
	if (p->step == 0)
	{
		stbl_creds_begin(p, STBL_HTTP_PUT, NEAR_US);
		instance_url(p, "/latest/api/token");
		stbl_creds_header(p, "x-aws-ec2-metadata-token-ttl-seconds", "21600");
		return STBL_CREDS_SEND;
	}
	if (p->step == 3)
		return take_answer(p, INSTANCE);
	if (p->http.outcome != STBL_HTTP_ANSWERED || p->http.status != 200)
		return stbl_creds_refused(p, INSTANCE, p->step == 2 && p->http.status == 404 ? "the instance has no role" : NULL);
	word = take_word(p);
	if (word == NULL)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no credentials from %s: the answer is none of its kind", INSTANCE);
	if (p->step == 1)
	{
		stbl_text_puts(&p->kept, word);
		if (!p->kept.failed)
			ask_instance(p);
	}
	else
	{
		ask_instance(p);
		stbl_text_encode(&p->url, word, false);
	}
	explicit_bzero(word, strlen(word));
	free(word);
	if (p->kept.failed)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_MEMORY, "out of memory");
	return STBL_CREDS_SEND;
}

const StblCredentialSource stbl_aws_sources[] = {
	from_variables, from_web_identity, from_files, from_container, from_instance, NULL
};

const StblCredentialSource stbl_aws_profile_sources[] = {from_files, NULL};
