/*
 * Credentials, their pure parts: signed tokens against the published example,
 * files of AWS cut at each byte, keys of Google, and how long what was fetched
 * is used.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "store/credential.h"
#include "store/endpoint.h"
#include "store/jwt.h"
#include "store/object.h"

#include "unit.h"

/* No test here waits for a socket. */
bool
stbl_http_wait(StblHttpSocket *sockets, int n, int timeout_ms)
{
	(void) sockets;
	(void) n;
	(void) timeout_ms;
	return false;
}

/* ---- tokens ---- */

/* The key of RFC 7515, appendix A.2, in PEM. */
static const char pem[] =
"-----BEGIN RSA PRIVATE KEY-----\n"
"MIIEowIBAAKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0\n"
"l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pC\n"
"gNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSX\n"
"ndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD\n"
"Zlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8\n"
"q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQABAoIBABKucaRpzQorw35S\n"
"bEUAVx8dYXUdZOlJcHtiWQ+dC6V8ljxAHj/PLyzTveyI5QO/xkObCyjIL303l2cf\n"
"UhPu2MFaJdjVzqACXuOrLot/eSFvxjvqVidTtAZExqFRJ9mylUVAoLvhowVWmC1O\n"
"n95fZCXxTUtxNEG1Xcc7m0rtzJKs45J+N/V9DP1edYH6USyPSWGp6wuA+KgHRnKK\n"
"Vf9GRx80JQY7nVNkL17eHoTWEwga+lwi0FEoW9Y7lDtWXYmKBWhUE+U8PGxlJf8f\n"
"40493HDw1WRQ/aSLoS4QTp3rn7gYgeHEvfJdkkf0UMhlknlo53M09EFPdadQ4TlU\n"
"bjqKc50CgYEA4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnE\n"
"tfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/Py5PJdTJNPY8cQn7ouZ2KKDcmnPG\n"
"BY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUcCgYEAuQPE\n"
"fgmVtjL0Uyyx88GZFF1fOunH3+7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYs\n"
"p1ZSe7zFYHj7C6ul7TjeLQeZD/YwD66t62wDmpe/HlB+TnBA+njbglfIsRLtXlnD\n"
"zQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdcCgYAHAp9XcCSrn8wVkMVkKdb7\n"
"DOX4IKjzdahm+ctDAJN4O/y7OW5FKebvUjdAIt2GuoTZ71iTG+7F0F+lP88jtjP4\n"
"U4qe7VHoewl4MKOfXZKTe+YCS1XbNvfgwJ3Ltyl1OH9hWvu2yza7q+d5PCsDzqtm\n"
"27kxuvULVeya+TEdAB1ijQKBgQCH/3r6YrVH/uCWGy6bzV1nGNOdjKc9tmkfOJmN\n"
"54dxdixdpozCQ6U4OxZrsj3FcOhHBsqAHvX2uuYjagqvo3cOj1TRqNocX40omfCC\n"
"Mx3bD1yPPf/6TI2XECva/ggqEY2mYzmIiA5LVVmc5nrybr+lssFKneeyxN2Wq93S\n"
"0iJMdQKBgCGHewxzoa1r8ZMD0LETNrToK423K377UCYqXfg5XMclbrjPbEC3YI1Z\n"
"NqMtuhdBJqUnBi6tjKMF+34Xf0CUN8ncuXGO2CAYvO8PdyCixHX52ybaDjy1FtCE\n"
"6yUXjoKNXKvUm7MWGsAYH6f4IegOetN5NvmUMFStCSkh7ixZLkN1\n"
"-----END RSA PRIVATE KEY-----\n";

static void
test_jwt(void)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"},
	{"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
	static const char input[] = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	/* {"alg":"RS256","typ":"JWT","kid":"kid\"1"} and its claims */
	static const char token[] = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtpZFwiMSJ9."
	"eyJpc3MiOiJtZUBwcm9qZWN0Iiwic2NvcGUiOiJhIGIiLCJhdWQiOiJodHRwczovL3gvIiwiaWF0IjoxMCwiZXhwIjozNjEwfQ.";
	StblText	out = {0};
	int			n = 0;
	StblJwt		jwt = {.key_id = "kid\"1", .issuer = "me@project", .scope = "a b", .audience = "https://x/", .issued_s = 10, .expires_s = 3610};
	static const char *const bad[] = {"", "no key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END ENCRYPTED PRIVATE KEY-----\n"};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		stbl_base64url(&out, vectors[i][0], strlen(vectors[i][0]));
		n += strcmp(out.data ? out.data : "", vectors[i][1]) == 0;
		stbl_text_free(&out);
	}
	OK(n == 8, "base64 for urls: the vectors of RFC 4648");
	OK(stbl_rs256_sign(pem, input, strlen(input), &out) && strcmp(out.data,
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
		"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw") == 0,
	   "RS256: the example of RFC 7515");
	stbl_text_free(&out);
	OK(stbl_jwt_sign(&jwt, pem, &out) && strncmp(out.data, token, strlen(token)) == 0 && strlen(out.data) == strlen(token) + 342, "a token");
	stbl_text_free(&out);
	n = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		n += !stbl_jwt_sign(&jwt, bad[i], &out);
		stbl_text_free(&out);
	}
	OK(n == 5, "what is no key signs nothing");
}

/* ---- files of AWS ---- */

static const char ini[] =
"# comment\n[default]\naws_access_key_id=ID0\naws_secret_access_key = a/b+c=d  # the key\r\n\n"
"[ other ]\n  aws_access_key_id = indented\nAWS_ACCESS_KEY_ID =  ID1  \naws_secret_access_key=\nbroken line\n"
"[profile third]\naws_access_key_id=ID2\naws_session_token=t;o#k\n[profile \"fo ur\"]\naws_access_key_id=ID3\n"
"[default]\naws_access_key_id=ID0b\n[last";

static bool
value_is(bool is_config, const char *name, const char *key, const char *expected, bool exists)
{
	bool		found;
	char	   *value = stbl_ini_value(ini, strlen(ini), is_config, name, key, &found);
	bool		ok = found == exists && (expected == NULL ? value == NULL : value != NULL && strcmp(value, expected) == 0);

	if (!ok)
		printf("# %s: %s\n", name, value ? value : "nothing");
	free(value);
	return ok;
}

static void
test_ini(void)
{
	OK(value_is(false, "default", "aws_secret_access_key", "a/b+c=d", true), "a value with a comment behind it");
	OK(value_is(false, "default", "aws_access_key_id", "ID0b", true), "of a key given twice the last one");
	OK(value_is(false, "other", "aws_access_key_id", "ID1", true) && value_is(false, "other", "aws_secret_access_key", NULL, true), "blanks, indented lines, case, an empty value");
	OK(value_is(false, "third", "aws_access_key_id", NULL, false) && value_is(true, "third", "aws_session_token", "t;o#k", true) &&
	   value_is(true, "default", "aws_access_key_id", "ID0b", true) && value_is(true, "fo ur", "aws_access_key_id", "ID3", true) &&
	   value_is(true, "other", "aws_access_key_id", NULL, false), "sections of the one file and of the other");
	OK(value_is(false, "none", "aws_access_key_id", NULL, false) && value_is(false, "last", "aws_access_key_id", NULL, false), "sections that are not there");
	for (size_t len = 0; len <= strlen(ini); len++)
	{
		char	   *copy = malloc(len ? len : 1);
		bool		found;

		memcpy(copy, ini, len);
		free(stbl_ini_value(copy, len, true, "third", "aws_session_token", &found));
		free(stbl_ini_value(copy, len, false, "default", "aws_access_key_id", &found));
		free(copy);
	}
	OK(true, "cut at any byte it is read within its bounds");
	OK(stbl_ini_value("[default]\nk=a\0b\n", 16, false, "default", "k", &(bool) {false}) == NULL, "a value with a NUL is none");
}

static void
test_answers(void)
{
	static const char xml[] = "<R xmlns=\"x\"><A><Credentials><AccessKeyId>AK&amp;IA</AccessKeyId><Empty></Empty></Credentials></A></R>";
	char	   *value = stbl_xml_value(xml, strlen(xml), "AccessKeyId");
	int			n = 0;

	OK(value != NULL && strcmp(value, "AK&IA") == 0, "an element's text");
	free(value);
	OK(stbl_xml_value(xml, strlen(xml), "Empty") == NULL && stbl_xml_value(xml, strlen(xml), "Nothing") == NULL, "none");
	for (size_t len = 0; len < strlen(xml); len++)
	{
		char	   *copy = malloc(len ? len : 1);

		memcpy(copy, xml, len);
		value = stbl_xml_value(copy, len, "AccessKeyId");
		n += value != NULL && strcmp(value, "AK&IA") != 0;
		free(value);
		free(copy);
	}
	OK(n == 0, "cut at any byte it is whole or nothing");
	OK(stbl_is_container_host("http://127.0.0.1:5000/x") && stbl_is_container_host("http://169.254.170.23/v1/credentials") &&
	   stbl_is_container_host("http://[fd00:ec2::23]/") && stbl_is_container_host("https://anywhere/") && stbl_is_container_host("http://localhost?x") && stbl_is_container_host("http://127.0.0.1"),
	   "hosts that give a container its credentials");
	OK(!stbl_is_container_host("http://127.0.0.1.evil.org/") && !stbl_is_container_host("http://evil.org/") && !stbl_is_container_host("ftp://127.0.0.1/") &&
	   !stbl_is_container_host("http://127.0.0.1:80@evil.org/") && !stbl_is_container_host("http://localhost:x@evil.org/"),
	   "and others");
}

/* ---- keys of Google ---- */

static bool
key_is(const char *key, const char *word)
{
	char		message[300] = "";
	bool		ok = stbl_google_check_key(key, message, sizeof(message));

	if (ok != (word == NULL) || (word != NULL && strstr(message, word) == NULL) || strstr(message, "SECRET") != NULL)
	{
		printf("# %s\n", message);
		return false;
	}
	return true;
}

#define KEY(uri) "{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"SECRET\",\"private_key_id\":\"1\"" uri "}"

static void
test_keys(void)
{
	OK(key_is(KEY(""), NULL) && key_is(KEY(",\"token_uri\":\"https://oauth2.googleapis.com/token\""), NULL), "a service account's key");
	OK(key_is("", "JSON") && key_is("SECRET", "JSON") && key_is("{\"type\":\"service_account\",\"private_key\":\"SECRET", "JSON") && key_is("{}", "type"), "what is none");
	OK(key_is("{\"type\":\"service_account\",\"private_key\":\"SECRET\"}", "client_email") && key_is("{\"type\":\"external_account\"}", "type"), "half of one, and another");
	OK(key_is("{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"SECRET\",\"refresh_token\":\"SECRET\"}", "service_account"), "a user's credentials are none");
	OK(key_is(KEY(",\"token_uri\":\"http://oauth2.googleapis.com/token\""), "token_uri") && key_is(KEY(",\"token_uri\":\"https://169.254.169.254/\""), "token_uri") &&
	   key_is(KEY(",\"token_uri\":\"https://oauth2.googleapis.com.evil.org/\""), "token_uri") && key_is(KEY(",\"token_uri\":\"https://oauth2.googleapis.com@evil.org/\""), "token_uri") &&
	   key_is(KEY(",\"token_uri\":\"https://oauth2.googleapis.com:81/\""), "token_uri") && key_is(KEY(",\"token_uri\":\"\""), "token_uri"), "its token_uri leads to Google only");
	stbl_allowed_endpoints = (char *) "*.example.org";
	OK(key_is(KEY(",\"token_uri\":\"https://tokens.example.org/x\""), NULL) && key_is(KEY(",\"token_uri\":\"https://oauth2.googleapis.com/token\""), "token_uri"),
	   "or to where the setting says");
	stbl_allowed_endpoints = NULL;
}

/* ---- how long they serve ---- */

static int	n_fetches;
static int64_t life_us;
static StblCredsStep outcome;

static StblCredsStep
has_nothing(StblProvider *p)
{
	p->fresh.token = strdup("left behind");
	return STBL_CREDS_NONE;
}

static StblCredsStep
gives(StblProvider *p)
{
	char		token[30];

	n_fetches++;
	if (outcome == STBL_CREDS_FAILED)
		return stbl_creds_fail(p, STBL_ST_TRANSIENT, STBL_ERR_IO, "it failed");
	if (outcome == STBL_CREDS_NONE)
		return STBL_CREDS_NONE;
	if (p->fresh.token != NULL)
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_IO, "another source's are still there");
	snprintf(token, sizeof(token), "token%d", n_fetches);
	p->fresh.token = strdup(token);
	p->fresh.expires_us = life_us == INT64_MAX ? INT64_MAX : stbl_http_now() + life_us;
	return STBL_CREDS_DONE;
}

static bool
holds(StblProvider *p, int64_t after_us, StblProviderState state, int fetches, const char *token)
{
	StblProviderState got = stbl_provider_poll(p, stbl_http_now() + after_us);
	bool		ok = got == state && n_fetches == fetches && (token == NULL || (p->current.token != NULL && strcmp(p->current.token, token) == 0));

	if (!ok)
		printf("# state %d, %d fetches, %s, %s\n", got, n_fetches, p->current.token ? p->current.token : "none", p->message);
	return ok;
}

#define SECONDS INT64_C(1000000)

static void
test_life(void)
{
	static const StblCredentialSource sources[] = {has_nothing, gives, NULL};
	StblProviderConfig config = {.none = "here"};
	StblProvider *p = stbl_provider_new(sources, &config);
	char		message[] = "with token7 in it";

	outcome = STBL_CREDS_FAILED;
	OK(holds(p, 0, STBL_PROVIDER_FAILED, 1, NULL) && p->status == STBL_ST_TRANSIENT && p->error_kind == STBL_ERR_IO && strcmp(p->message, "it failed") == 0, "a fetch that fails");
	outcome = STBL_CREDS_NONE;
	OK(holds(p, 0, STBL_PROVIDER_FAILED, 2, NULL) && p->status == STBL_ST_FAILED && p->error_kind == STBL_ERR_AUTH && strstr(p->message, "neither in here") != NULL, "nothing anywhere: 28000");
	outcome = STBL_CREDS_DONE;
	life_us = 3600 * SECONDS;
	OK(holds(p, 0, STBL_PROVIDER_READY, 3, "token3"), "the next one begins anew");
	OK(holds(p, 3200 * SECONDS, STBL_PROVIDER_READY, 3, "token3"), "an hour's serve for 55 minutes");
	outcome = STBL_CREDS_FAILED;
	OK(holds(p, 3310 * SECONDS, STBL_PROVIDER_READY, 4, "token3"), "then newer ones are fetched; where that fails the old still serve");
	OK(holds(p, 3310 * SECONDS, STBL_PROVIDER_READY, 5, "token3"), "and it is tried again");
	p->retry_us = INT64_MAX;
	OK(holds(p, 3320 * SECONDS, STBL_PROVIDER_READY, 5, "token3"), "but not at each request");
	OK(holds(p, 3599 * SECONDS, STBL_PROVIDER_FAILED, 6, NULL), "to their end");
	outcome = STBL_CREDS_DONE;
	life_us = 100 * SECONDS;
	OK(holds(p, 3599 * SECONDS, STBL_PROVIDER_FAILED, 7, NULL), "what has expired before it is used does not serve");
	OK(holds(p, 0, STBL_PROVIDER_READY, 7, "token7") && holds(p, 45 * SECONDS, STBL_PROVIDER_READY, 7, "token7"), "of a short life half is used");
	stbl_credentials_redact(&p->current, message);
	OK(strcmp(message, "with ****** in it") == 0, "L35: and not told");
	OK(holds(p, 55 * SECONDS, STBL_PROVIDER_READY, 8, "token8"), "before the next are fetched");
	OK(!stbl_provider_renew(p), "fresh ones that are refused are not fetched again");
	p->fetched_us -= 61 * SECONDS;
	OK(stbl_provider_renew(p) && holds(p, 0, STBL_PROVIDER_READY, 9, "token9"), "older ones are");
	life_us = INT64_MAX;
	p->fetched_us -= 61 * SECONDS;
	OK(stbl_provider_renew(p) && holds(p, 0, STBL_PROVIDER_READY, 10, "token10") && holds(p, INT64_C(1000000) * SECONDS, STBL_PROVIDER_READY, 10, "token10"), "some do not expire");
	stbl_provider_free(p);
}

int
main(void)
{
	test_jwt();
	test_ini();
	test_answers();
	test_keys();
	test_life();
	DONE();
}
