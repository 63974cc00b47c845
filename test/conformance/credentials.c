/*
 * Credentials that are fetched, from services that credserver.py plays: what
 * each is asked for, what goes to the store then, when it is fetched again,
 * and what becomes of requests where nothing comes.  Prints TAP.
 *
 *	credentials PORT TLSPORT DIRECTORY
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "store/az.h"
#include "store/credential.h"
#include "store/endpoint.h"
#include "store/gs.h"
#include "store/object.h"
#include "store/s3.h"

#include "unit.h"

static char plain[64];			/* http://127.0.0.1:PORT */
static char tls[64];			/* https://localhost:TLSPORT */
static const char *dir;
static char ca_file[300];

bool
stbl_http_wait(StblHttpSocket *sockets, int n, int timeout_ms)
{
	struct pollfd fds[512];
	int			found;

	for (int i = 0; i < n; i++)
	{
		fds[i].fd = sockets[i].fd;
		fds[i].events = (short) ((sockets[i].want_read ? POLLIN : 0) | (sockets[i].want_write ? POLLOUT : 0));
		fds[i].revents = 0;
	}
	found = poll(fds, (nfds_t) n, timeout_ms);
	for (int i = 0; i < n; i++)
		sockets[i].is_ready = found > 0 && fds[i].revents != 0;
	return found > 0;
}

/* ---- the environment ---- */

static void
clear_environment(void)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_DISABLED",
		"GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN",
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("HOME", dir, 1);
}

static void set(const char *name, const char *fmt,...) __attribute__((format(printf, 2, 3)));

static void
set(const char *name, const char *fmt,...)
{
	char		value[600];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	setenv(name, value, 1);
}

/* A file in the directory; its path is valid until the next one is made. */
static const char *
make_file(const char *name, const char *text)
{
	static char path[400];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		exit(2);
	return path;
}

/* ---- requests ---- */

static StblRequest last;		/* without its body */
static char body[400];

static void *
open_store(const StblStoreDriver *d, const char *url, const char *endpoint, const char *name, const char *value)
{
	StblStoreOption options[] = {{"endpoint", endpoint}, {"ca_file", ca_file}, {name, value}, {"credentials", "environment"}};
	bool		is_azure = strncmp(url, "az:", 3) == 0;
	char	   *canonical = NULL;
	int			kind = 0;
	char		message[512] = "";
	bool		own = name != NULL && strncmp(name, "service", 7) == 0;
	void	   *s;

	if (is_azure)
		options[2] = (StblStoreOption) {"account_name", "theaccount"};
	else if (name == NULL)
		options[2] = options[3];
	s = d->open(url, options, !is_azure && (name == NULL || own) ? 3 : 4, &canonical, &kind, message, sizeof(message));
	if (s == NULL)
		printf("# %s\n", message);
	free(canonical);
	return s;
}

static void
begin_get(StblRequest *req, int ms)
{
	memset(req, 0, sizeof(*req));
	req->op = STBL_OP_GET;
	req->key = "key";
	req->deadline_us = stbl_http_now() + ms * INT64_C(1000);
}

/* One GET of a store's; what it was sent with is the body. */
static StblStatus
get(const StblStoreDriver *d, void *s, int ms)
{
	StblRequest req;

	if (s == NULL)
		return STBL_ST_PENDING;
	begin_get(&req, ms);
	d->submit(s, &req);
	while (req.status == STBL_ST_PENDING)
		d->drive(s, 1000);
	snprintf(body, sizeof(body), "%s", req.body != NULL ? (char *) req.body : "");
	last = req;
	d->release(s, &req);
	return last.status;
}

/* Whether a message tells what it must not; names of variables have the word too. */
static bool
leaks(const char *message)
{
	for (const char *at = message; (at = strstr(at, "SECRET")) != NULL; at++)
		if (at[6] != '_')
			return true;
	return false;
}

static bool
fails(const StblStoreDriver *d, void *s, int ms, StblStatus status, StblErrorKind kind, const char *word)
{
	int64_t		t0 = stbl_http_now();
	bool		ok = get(d, s, ms) == status && last.error_kind == (int) kind && strstr(last.message, word) != NULL &&
		!leaks(last.message) && stbl_http_now() - t0 < (ms + 500) * INT64_C(1000);

	if (!ok)
		printf("# status %d, kind %d, %lld ms, %s\n", last.status, last.error_kind, (long long) (stbl_http_now() - t0) / 1000, last.message);
	if (s != NULL)
		d->close(s);
	return ok;
}

/* Whether a new store's requests go out with this. */
static bool
sends(const StblStoreDriver *d, void *s, const char *expected)
{
	bool		ok = get(d, s, 10000) == STBL_ST_OK && strcmp(body, expected) == 0;

	if (!ok)
		printf("# status %d, %s, %s\n", last.status, body, last.message);
	if (s != NULL)
		d->close(s);
	return ok;
}

static void *
s3(void)
{
	return open_store(&stbl_s3_driver, "s3://s3-echo", plain, NULL, NULL);
}

static void *
gs(void)
{
	return open_store(&stbl_gs_driver, "gs://gs-echo", plain, NULL, NULL);
}

/* ---- Amazon ---- */

static void
test_aws_files(void)
{
	const StblStoreDriver *d = &stbl_s3_driver;

	clear_environment();
	set("AWS_EC2_METADATA_DISABLED", "true");
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "neither in AWS_ACCESS_KEY_ID"), "nothing anywhere: 28000");
	set("AWS_ACCESS_KEY_ID", "AKIAENV");
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "AWS_SECRET_ACCESS_KEY"), "half of a key: 28000");
	set("AWS_SECRET_ACCESS_KEY", "SECRET-env");
	OK(sends(d, s3(), "AKIAENV none"), "keys from variables");
	set("AWS_SESSION_TOKEN", "SECRET-token");
	OK(sends(d, s3(), "AKIAENV SECRET-token"), "and a session's token");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	set("AWS_SHARED_CREDENTIALS_FILE", "%s", make_file("credentials",
		"[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = SECRET-default\n"
		"[other]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=SECRET-other\naws_session_token=SECRET-session\n"));
	set("AWS_CONFIG_FILE", "%s", make_file("config", "[profile configured]\naws_access_key_id=AKIACONFIG\naws_secret_access_key=SECRET\n"
		"[profile role]\nrole_arn = arn:x\n"));
	OK(sends(d, s3(), "AKIADEFAULT none"), "the default profile of the shared files");
	set("AWS_PROFILE", "other");
	OK(sends(d, s3(), "AKIAOTHER SECRET-session"), "that of AWS_PROFILE");
	OK(sends(d, open_store(d, "s3://s3-echo", plain, "profile", "configured"), "AKIACONFIG none"), "that of the option, in the other file");
	OK(fails(d, open_store(d, "s3://s3-echo", plain, "profile", "missing"), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "no profile \"missing\""), "a profile that is not there: 28000");
	OK(fails(d, open_store(d, "s3://s3-echo", plain, "profile", "role"), 5000, STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "no keys"), "one without keys: 0A000");
	set("AWS_ACCESS_KEY_ID", "AKIAENV");
	set("AWS_SECRET_ACCESS_KEY", "SECRET-env");
	OK(sends(d, open_store(d, "s3://s3-echo", plain, "profile", "other"), "AKIAOTHER SECRET-session"), "a profile that is asked for comes before variables");
}

static void
test_aws_services(void)
{
	const StblStoreDriver *d = &stbl_s3_driver;

	clear_environment();
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/good", plain);
	OK(sends(d, s3(), "ASIAGOOD1 SECRET-token-1"), "the instance's role");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/norole/", plain);
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "no role"), "an instance without a role: 28000");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/forbidden", plain);
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "403"), "a service that refuses: 28000");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/broken", plain);
	OK(fails(d, s3(), 5000, STBL_ST_TRANSIENT, STBL_ERR_IO, "500"), "one with a fault: 58030, and it can pass");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/garbage", plain);
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "none of its kind"), "an answer cut short: 08P01");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/inject", plain);
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "what no key has"), "a token that would be two headers");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/silent", plain);
	OK(fails(d, s3(), 400, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "in time"), "L35: a silent one: the request keeps its deadline");
	OK(fails(d, s3(), 4000, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "no answer"), "or is told after two seconds");
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
	OK(fails(d, s3(), 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "connect"), "a dead one: 08001");
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/ecs", plain);
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "403"), "a container without its token");
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "SECRET-container");
	OK(sends(d, s3(), "ASIAECS1 SECRET-token-1"), "the container's service");
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "%s", make_file("ecs-token", "SECRET-container\n"));
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong");
	OK(sends(d, s3(), "ASIAECS2 SECRET-token-2"), "with a token from a file");
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/ecs");
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "without https"), "elsewhere it is not asked in clear text");
	set("AWS_WEB_IDENTITY_TOKEN_FILE", "%s", make_file("web-token", "SECRET-identity\n"));
	set("AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
	set("AWS_ENDPOINT_URL_STS", "%s/sts", plain);
	OK(sends(d, s3(), "ASIAWEB SECRET-session"), "a web identity comes first");
	set("AWS_ROLE_ARN", "arn:aws:iam::1:role/other");
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "does not trust"), "a role that does not trust it: 28000");
	set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent");
	OK(fails(d, s3(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "cannot be read"), "and a file that is not there");
}

/* Many at once, renewal, cancelling. */
static void
test_waiting(void)
{
	const StblStoreDriver *d = &stbl_s3_driver;
	StblRequest reqs[24];
	void	   *s;
	int			n = 0;
	int64_t		t0;
	int			first = 0,
				second = 0;

	clear_environment();
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/many", plain);
	s = s3();
	for (int i = 0; i < 24; i++)
	{
		begin_get(&reqs[i], 10000);
		d->submit(s, &reqs[i]);
	}
	for (int i = 0; i < 24; i += 3)
		d->cancel(s, &reqs[i]);
	for (int i = 0; i < 24; i++)
	{
		if (i % 3 == 0)
			continue;
		while (reqs[i].status == STBL_ST_PENDING)
			d->drive(s, 100);
		n += reqs[i].status == STBL_ST_OK && strcmp((char *) reqs[i].body, "ASIAMANY1 SECRET-token-1") == 0;
		d->release(s, &reqs[i]);
	}
	OK(n == 16, "sixteen requests wait for one fetch, eight are cancelled while they do");
	d->close(s);

	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/silent", plain);
	s = s3();
	t0 = stbl_http_now();
	for (int i = 0; i < 24; i++)
	{
		begin_get(&reqs[i], 10000);
		d->submit(s, &reqs[i]);
	}
	d->drive(s, 10);
	for (int i = 0; i < 23; i++)
		d->cancel(s, &reqs[i]);
	d->release(s, &reqs[23]);
	d->close(s);
	OK(stbl_http_now() - t0 < 500000, "L34: what waits is cancelled at once, and a store with a fetch under way is closed");

	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/imds/short", plain);
	s = s3();
	n = 0;
	t0 = stbl_http_now();
	while (stbl_http_now() - t0 < 9000000)
	{
		n += get(d, s, 5000) != STBL_ST_OK;
		first += strcmp(body, "ASIASHORT1 SECRET-token-1") == 0;
		second += strcmp(body, "ASIASHORT2 SECRET-token-2") == 0;
		usleep(50000);
	}
	OK(n == 0, "requests over more than the life of two keys: none fails");
	OK(first > 3 && second > 3 && strncmp(body, "ASIASHORT", 9) == 0 && body[9] > '2', "with the first, the second, and later ones");
	d->close(s);
}

/* ---- Google ---- */

static const char *
account_key(const char *pem_file, const char *token_uri)
{
	static char json[6000];
	char		path[400];
	char		pem[4000];
	FILE	   *f;
	size_t		n,
				at;

	snprintf(path, sizeof(path), "%s/%s", dir, pem_file);
	f = fopen(path, "r");
	if (f == NULL)
		exit(2);
	n = fread(pem, 1, sizeof(pem), f);
	fclose(f);
	at = (size_t) snprintf(json, sizeof(json), "{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"key-1\",\n \"client_email\":"
						   "\"writer@project.iam.gserviceaccount.com\",\"token_uri\":\"%s\",\"private_key\":\"", token_uri);
	for (size_t i = 0; i < n; i++)
		at += (size_t) snprintf(json + at, sizeof(json) - at, pem[i] == '\n' ? "\\n" : "%c", pem[i]);
	snprintf(json + at, sizeof(json) - at, "\"}");
	return json;
}

static void
test_google(void)
{
	const StblStoreDriver *d = &stbl_gs_driver;
	char		uri[100];
	char		allowed[100];
	void	   *s;
	int			n = 0;
	int			later = 0;

	clear_environment();
	snprintf(uri, sizeof(uri), "%s/token", tls);
	snprintf(allowed, sizeof(allowed), "127.0.0.1:*, localhost:*");
	stbl_allowed_endpoints = allowed;
	OK(sends(d, open_store(d, "gs://gs-echo", plain, "service_account_key", account_key("account.pem", uri)), "Bearer SECRET.google1"),
	   "a service account's key is exchanged for a token");
	OK(fails(d, open_store(d, "gs://gs-echo", plain, "service_account_key", account_key("tls.pem", uri)), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "Invalid JWT Signature"),
	   "a key that the account does not have: 28000");
	OK(sends(d, open_store(d, "gs://gs-echo", plain, "service_account_key_file", make_file("key.json", account_key("account.pem", uri))), "Bearer SECRET.google2"),
	   "one from a file");
	OK(fails(d, open_store(d, "gs://gs-echo", plain, "service_account_key_file", "/nonexistent"), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "cannot be read"), "a file that is not there");
	set("GOOGLE_APPLICATION_CREDENTIALS", "%s/key.json", dir);
	OK(sends(d, gs(), "Bearer SECRET.google3"), "one from the environment");
	set("GOOGLE_APPLICATION_CREDENTIALS", "%s", make_file("user.json",
		"{\"type\":\"authorized_user\",\"client_id\":\"the-client\",\"client_secret\":\"SECRET-client\",\"refresh_token\":\"SECRET-refresh\"}"));
	OK(fails(d, gs(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "token_uri"), "where Google's token endpoint is not allowed it is not asked");
	unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
	set("CLOUDSDK_CONFIG", "%s", dir);
	{
		char		user[400];

		snprintf(user, sizeof(user), "{\"type\":\"authorized_user\",\"client_id\":\"the-client\",\"client_secret\":\"SECRET-client\","
				 "\"refresh_token\":\"SECRET-refresh\",\"token_uri\":\"%s\"}", uri);
		make_file("application_default_credentials.json", user);
	}
	OK(sends(d, gs(), "Bearer SECRET.google4"), "a user's own credentials");
	unsetenv("CLOUDSDK_CONFIG");
	set("GCE_METADATA_HOST", "%s", plain + 7);
	s = gs();
	for (int i = 0; i < 50; i++)
	{
		n += get(d, s, 5000) == STBL_ST_OK && strncmp(body, "Bearer SECRET.gce", 17) == 0;
		later += body[17] > '1';
		usleep(100000);
	}
	OK(n == 50 && later > 0, "the metadata service's tokens, renewed");
	d->close(s);
	set("GCE_METADATA_HOST", "127.0.0.1:1");
	OK(fails(d, gs(), 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "metadata"), "no such service: 08001");
	stbl_allowed_endpoints = NULL;
}

/* ---- Azure ---- */

static void *
az(void)
{
	return open_store(&stbl_az_driver, "az://az-echo", plain, NULL, NULL);
}

static void
test_azure(void)
{
	const StblStoreDriver *d = &stbl_az_driver;

	clear_environment();
	set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "%s/", plain);
	OK(sends(d, az(), "Bearer SECRET.azure-system "), "the machine's managed identity");
	set("AZURE_CLIENT_ID", "the-client");
	OK(sends(d, az(), "Bearer SECRET.azure-the-client "), "or the one that is named");
	set("IDENTITY_ENDPOINT", "%s/app", plain);
	set("IDENTITY_HEADER", "SECRET-identity");
	OK(sends(d, az(), "Bearer SECRET.app "), "an app's");
	set("AZURE_TENANT_ID", "the-tenant");
	set("AZURE_AUTHORITY_HOST", "%s/", plain);
	set("AZURE_FEDERATED_TOKEN_FILE", "%s", make_file("federated", "SECRET-identity\n"));
	OK(sends(d, az(), "Bearer SECRET.entra "), "a workload's");
	set("AZURE_CLIENT_SECRET", "SECRET-client");
	OK(sends(d, az(), "Bearer SECRET.entra "), "an application's secret");
	set("AZURE_CLIENT_SECRET", "SECRET-wrong");
	OK(fails(d, az(), 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "invalid_client, AADSTS7000215"), "a wrong one: 28000");
	set("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=SECRET");
	OK(sends(d, az(), "none sv=1&sig=SECRET"), "a shared access signature");
	set("AZURE_STORAGE_KEY", "U0VDUkVU");
	OK(sends(d, az(), "SharedKey theaccount "), "an account's key");
	set("AZURE_STORAGE_KEY", "SECRET key");
	OK(az() == NULL, "what is none");
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(plain, sizeof(plain), "http://127.0.0.1:%s", argv[1]);
	snprintf(tls, sizeof(tls), "https://localhost:%s", argv[2]);
	dir = argv[3];
	snprintf(ca_file, sizeof(ca_file), "%s/cert.pem", dir);
	test_aws_files();
	test_aws_services();
	test_waiting();
	test_google();
	test_azure();
	DONE();
}
