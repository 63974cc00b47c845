/*
 * The Azure driver's pure parts: signatures against published ones, listings
 * cut at each byte and with each bit flipped, urls and options, and what an
 * answer means.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "store/az_int.h"
#include "store/object_list.h"
#include "store/sharedkey.h"

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

/* ---- signatures ---- */

/* The key that every emulator has. */
#define EMULATOR_KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

static bool
signature_is(const StblSharedKey *in, const char *expected)
{
	StblText	got = {0};
	bool		ok = stbl_sharedkey_sign(in, &got) && strcmp(got.data, expected) == 0;

	if (!ok)
		printf("# got %s\n", got.data ? got.data : "nothing");
	stbl_text_free(&got);
	return ok;
}

static bool
string_is(const StblSharedKey *in, const char *expected)
{
	StblText	got = {0};
	bool		ok = stbl_sharedkey_string(in, &got) && strcmp(got.data, expected) == 0;

	if (!ok)
		printf("# got %s\n", got.data ? got.data : "nothing");
	stbl_text_free(&got);
	return ok;
}

/* What the tests of the service's own client libraries expect. */
static void
test_published(void)
{
	static const StblHeader node[] = {{"content-type", ""}, {"x-ms-version", "2011-08-18"}, {"x-ms-date", "Fri, 23 Sep 2011 01:37:34 GMT"}};
	static const StblHeader ruby[] = {{"content-encoding", "foo"}, {"content-language", "foo"}, {"content-length", "foo"}, {"content-md5", "foo"},
	{"content-type", "foo"}, {"date", "foo"}, {"if-modified-since", "foo"}, {"if-match", "foo"}, {"if-none-match", "foo"},
	{"if-unmodified-since", "foo"}, {"range", "foo"}, {"x-ms-imateapot", "teapot"}, {"x-ms-shortandstout", "True"},
	{"x-ms-reserve-spaces", "two  speces"}};
	static const StblHeader manual[] = {{"x-ms-version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}, {"host", "not signed"}};
	StblSharedKey in = {.account = "devstoreaccount1", .key = EMULATOR_KEY, .method = "GET", .path = "container",
	.query = "restype=container", .headers = node, .n_headers = 3};

	OK(signature_is(&in, "SharedKey devstoreaccount1:Y5R86+6XE5MH602SIyjeTwlJuQjbawv20PT4kb/F/04="), "the signature of a GET, of the library for Node");
	in = (StblSharedKey) {.account = "account-name", .key = "YWNjZXNzLWtleQ==", .method = "POST", .path = "/resource", .query = "",
	.headers = ruby, .n_headers = 14};
	OK(signature_is(&in, "SharedKey account-name:TVilUAfUwtHIVp+eonglFDXfS5r0/OE0/vVX3GHcaxU="), "of a POST with each header, of the library for Ruby");
	in = (StblSharedKey) {.account = "myaccount", .key = EMULATOR_KEY, .method = "GET", .path = "/mycontainer",
	.query = "timeout=20&restype=container&comp=metadata", .headers = manual, .n_headers = 3};
	OK(string_is(&in, "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
				 "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"), "the string of the manual's example");
}

static void
test_signing(void)
{
	static const StblHeader put[] = {{"content-length", "0"}, {"if-none-match", "*"}, {"x-ms-blob-type", "BlockBlob"}};
	StblSharedKey in = {.account = "a", .key = EMULATOR_KEY, .method = "PUT", .path = "/a/c/k%20k", .query = "prefix=a%2Bb+%26&delimiter=%2F&x",
	.headers = put, .n_headers = 3};
	StblText	t = {0};
	char		date[STBL_HTTP_DATE];

	OK(string_is(&in, "PUT\n\n\n\n\n\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\n/a/a/c/k%20k\ndelimiter:/\nprefix:a+b+&\nx:"),
	   "a length of zero is none, values of parameters are decoded, the path is not");
	in.query = "p=%zz";
	OK(!stbl_sharedkey_sign(&in, &t), "a parameter that is not encoded is refused");
	in.query = "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1";
	OK(!stbl_sharedkey_sign(&in, &t), "and too many of them");
	in.query = "";
	in.key = "no base64!";
	OK(!stbl_sharedkey_sign(&in, &t), "and a key that is none");
	stbl_text_free(&t);
	OK(stbl_sharedkey_is_key(EMULATOR_KEY) && !stbl_sharedkey_is_key("") && !stbl_sharedkey_is_key("abc") && !stbl_sharedkey_is_key("===="), "what a key is");
	OK(stbl_http_date_text(INT64_C(1369353601000000), date) && strcmp(date, "Fri, 24 May 2013 00:00:01 GMT") == 0 &&
	   stbl_http_date(date, strlen(date)) == INT64_C(1369353601000000), "a time");
	OK(stbl_http_date_text(0, date) && strcmp(date, "Thu, 01 Jan 1970 00:00:00 GMT") == 0 &&
	   stbl_http_date_text(-1, date) && strcmp(date, "Wed, 31 Dec 1969 23:59:59 GMT") == 0, "times around the epoch");
	OK(!stbl_http_date_text(INT64_MAX, date) && !stbl_http_date_text(INT64_MIN, date), "times out of range are refused");
}

/* ---- listings ---- */

static const char listing[] =
"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\">"
"<Prefix>lake/t/</Prefix><MaxResults>5</MaxResults><Delimiter>/</Delimiter><Blobs>"
"<Blob><Name>lake/t/a+b c&amp;%41</Name><Properties><Last-Modified>Fri, 24 May 2013 00:00:01 GMT</Last-Modified><Etag>0x8</Etag>"
"<Content-Length>42</Content-Length><BlobType>BlockBlob</BlobType></Properties><Metadata><Name>no</Name></Metadata></Blob>"
"<Blob><Name Encoded = \"true\">lake/t/e%EF%BF%BE+</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>"
"<Blob><Name>lake/t/folder</Name><Properties><Content-Length>0</Content-Length><ResourceType>directory</ResourceType></Properties></Blob>"
"<Blob><Name>lake/t/marked</Name><Properties><Content-Length>0</Content-Length></Properties><Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>"
"<Blob><Name>lake/t/</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>"
"<BlobPrefix><Name>lake/t/d/</Name><Properties><ResourceType>directory</ResourceType></Properties></BlobPrefix>"
"</Blobs><NextMarker>2!92!MDAw</NextMarker></EnumerationResults>";

/* Parses in memory of exactly that length, so that a read beyond it is seen. */
static const char *
parse_copy(const char *text, size_t len, const char *store_prefix, StblRequest *req)
{
	char	   *copy = malloc(len ? len : 1);
	const char *problem;

	memcpy(copy, text, len);
	memset(req, 0, sizeof(*req));
	req->key = "t/";
	problem = stbl_az_parse_list((const uint8_t *) copy, len, store_prefix, req);
	free(copy);
	return problem;
}

static bool
entry_is(const StblRequest *req, size_t i, const char *key, uint64_t size, bool is_folder)
{
	return i < req->n_entries && strcmp(req->entries[i].key, key) == 0 && req->entries[i].size == size &&
		req->entries[i].is_folder == is_folder;
}

static void
test_listing(void)
{
	static const char last[] = "<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>";
	StblRequest req;
	int			n_read = 0;

	OK(parse_copy(listing, sizeof(listing) - 1, "lake/", &req) == NULL && req.n_entries == 3, "a listing, without what stands for folders");
	OK(entry_is(&req, 0, "t/a+b c&%41", 42, false) && req.entries[0].modified_us == INT64_C(1369353601000000),
	   "L16: keys are without the url's folder, and otherwise as they are");
	OK(entry_is(&req, 1, "t/e\xef\xbf\xbe+", 1, false), "one that XML cannot hold is decoded");
	OK(entry_is(&req, 2, "t/d/", 0, true), "a folder");
	OK(req.list_next != NULL && strcmp(req.list_next, "2!92!MDAw") == 0, "where it goes on");
	stbl_object_free_list(&req);
	OK(parse_copy(last, sizeof(last) - 1, "", &req) == NULL && req.n_entries == 0 && req.list_next == NULL, "an empty and last page");
	stbl_object_free_list(&req);
	OK(parse_copy(listing, sizeof(listing) - 1, "lake2/", &req) != NULL && req.entries == NULL, "keys from elsewhere are refused");
	for (size_t len = 0; len < sizeof(listing) - 1; len++)
	{
		n_read += parse_copy(listing, len, "lake/", &req) == NULL;
		stbl_object_free_list(&req);
	}
	OK(n_read == 0, "cut at each byte it is refused");
	for (size_t i = 0; i < (sizeof(listing) - 1) * 8; i++)
	{
		char		flipped[sizeof(listing)];

		memcpy(flipped, listing, sizeof(listing));
		flipped[i / 8] = (char) (flipped[i / 8] ^ (1 << i % 8));
		(void) parse_copy(flipped, sizeof(listing) - 1, "lake/", &req);
		for (size_t e = 0; e < req.n_entries; e++)
			n_read += req.entries[e].key == NULL;
		stbl_object_free_list(&req);
	}
	OK(n_read == 0, "with each bit flipped it is read or refused");
	OK(parse_copy("<html><body>It works!</body></html>", 35, "", &req) != NULL, "a web page is no listing");
}

/* ---- what answers mean ---- */

static StblAzStore store = {.base = {.kind = &stbl_az_kind}, .account_key = "topsecretkey", .sas_signature = "the/signature",
.sas_signature_sent = "the%2Fsignature"};

/* Judges an answer; the message stays in judged. */
static StblRequest judged;

static bool
means_at(StblOp op, int status, const char *code, const char *detail, int64_t date_us, StblStatus expected, StblErrorKind kind)
{
	StblHttpRequest http = {.status = status, .date_us = date_us};
	char		body[500];

	snprintf(body, sizeof(body), "\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>why topsecretkey and the/signature, "
			 "the%%2Fsignature</Message><AuthenticationErrorDetail>%s</AuthenticationErrorDetail></Error>", code, detail);
	memset(&judged, 0, sizeof(judged));
	judged.op = op;
	judged.key = "k";
	/* of a HEAD there is but a header */
	if (op == STBL_OP_HEAD)
		snprintf(http.error_code, sizeof(http.error_code), "%s", code);
	else
	{
		http.answer = (uint8_t *) body;
		http.answer_len = code[0] ? strlen(body) : 0;
	}
	stbl_object_judge(&judged, &http, &store.base);
	return judged.status == expected && judged.error_kind == (int) kind && strstr(judged.message, "topsecretkey") == NULL &&
		strstr(judged.message, "signature,") == NULL && strstr(judged.message, "2Fsignature") == NULL;
}

static bool
means(StblOp op, int status, const char *code, StblStatus expected, StblErrorKind kind)
{
	return means_at(op, status, code, "", 0, expected, kind);
}

static void
test_meanings(void)
{
	int64_t		now = stbl_http_now();

	OK(means(STBL_OP_GET, 404, "BlobNotFound", STBL_ST_NOT_FOUND, STBL_ERR_NONE), "a missing object");
	OK(means(STBL_OP_HEAD, 404, "BlobNotFound", STBL_ST_NOT_FOUND, STBL_ERR_NONE), "the same, told to a HEAD");
	OK(means(STBL_OP_GET, 404, "ContainerNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND) && strstr(judged.message, "create the container") != NULL,
	   "a missing container is another thing");
	OK(means(STBL_OP_HEAD, 404, "ContainerNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "also to a HEAD");
	OK(means(STBL_OP_GET, 404, "ResourceNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "and what a private container says to everybody is no missing object");
	OK(means(STBL_OP_PUT_NEW, 409, "BlobAlreadyExists", STBL_ST_PRECONDITION, STBL_ERR_NONE), "an object that exists");
	OK(means(STBL_OP_PUT_NEW, 412, "ConditionNotMet", STBL_ST_PRECONDITION, STBL_ERR_NONE), "told by 412");
	OK(means(STBL_OP_PUT_MATCH, 412, "ConditionNotMet", STBL_ST_PRECONDITION, STBL_ERR_NONE), "a content that is another");
	OK(means(STBL_OP_PUT_MATCH, 404, "BlobNotFound", STBL_ST_PRECONDITION, STBL_ERR_NONE), "L40: a replacement of a missing object");
	OK(means(STBL_OP_PUT_MATCH, 412, "LeaseIdMissing", STBL_ST_FAILED, STBL_ERR_LOCKED), "a lease is not a lost race");
	OK(means(STBL_OP_DELETE, 409, "SnapshotsPresent", STBL_ST_FAILED, STBL_ERR_STATE), "an object with snapshots is not deleted: 55000");
	OK(means(STBL_OP_DELETE, 404, "BlobNotFound", STBL_ST_OK, STBL_ERR_NONE), "a deleted object stays deleted");
	OK(means(STBL_OP_PUT_NEW, 503, "ServerBusy", STBL_ST_TRANSIENT, STBL_ERR_IO), "a busy store has not written");
	OK(means(STBL_OP_PUT_NEW, 500, "OperationTimedOut", STBL_ST_UNKNOWN, STBL_ERR_IO), "after a 500 a write may have been applied");
	OK(means(STBL_OP_GET, 500, "InternalError", STBL_ST_TRANSIENT, STBL_ERR_IO), "a read is just read again");
	OK(means_at(STBL_OP_GET, 403, "AuthenticationFailed", "The MAC signature", now, STBL_ST_FAILED, STBL_ERR_AUTH) &&
	   strstr(judged.message, "account_key") != NULL, "a wrong key: 28000");
	OK(means_at(STBL_OP_GET, 403, "AuthenticationFailed", "", now - INT64_C(1200000000), STBL_ST_FAILED, STBL_ERR_STATE) &&
	   strstr(judged.message, "clock") != NULL, "a wrong clock: 55000");
	OK(means_at(STBL_OP_GET, 403, "AuthenticationFailed", "Signature not valid in the specified time frame: Start [Fri] - Expiry [Sat]", now,
				STBL_ST_FAILED, STBL_ERR_AUTH) && strstr(judged.message, "Expiry [Sat]") != NULL && strstr(judged.message, "expired") != NULL,
	   "a SAS that has expired: 28000");
	OK(means(STBL_OP_GET, 403, "AuthorizationFailure", STBL_ST_FAILED, STBL_ERR_DENIED), "network rules: 42501");
	OK(means(STBL_OP_GET, 403, "AuthorizationPermissionMismatch", STBL_ST_FAILED, STBL_ERR_DENIED), "a SAS without the right: 42501");
	OK(means(STBL_OP_GET, 409, "PublicAccessNotPermitted", STBL_ST_FAILED, STBL_ERR_DENIED), "no credentials: 42501");
	OK(means(STBL_OP_LIST, 404, "", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "a listing of nothing is not empty, but an error");
}

/* ---- urls and options ---- */

static char open_message[512];
static int	open_kind;

/* Opens a store; its canonical url, or NULL with open_message set. */
static const char *
opened(const char *url, const char *name1, const char *value1, const char *name2, const char *value2)
{
	static char result[700];
	StblStoreOption options[] = {{name1, value1}, {name2, value2}};
	char	   *canonical;
	void	   *s = stbl_az_driver.open(url, options, name2 != NULL ? 2 : name1 != NULL, &canonical, &open_kind, open_message, sizeof(open_message));

	if (s == NULL)
		return NULL;
	snprintf(result, sizeof(result), "%s", canonical);
	free(canonical);
	stbl_az_driver.close(s);
	return result;
}

static bool
opens_as(const char *url, const char *endpoint, const char *canonical)
{
	const char *got = opened(url, "account_name", "acc", endpoint != NULL ? "endpoint" : NULL, endpoint);

	return got != NULL && strcmp(got, canonical) == 0;
}

static bool
refused(const char *name, const char *value, StblErrorKind kind, const char *word)
{
	return opened("az://box", "account_name", "acc", name, value) == NULL && open_kind == (int) kind && strstr(open_message, word) != NULL;
}

static void
test_open(void)
{
	OK(opens_as("az://box", NULL, "az://box@acc.blob.core.windows.net") && opens_as("az://box/a/b/", NULL, "az://box@acc.blob.core.windows.net/a/b"), "urls");
	OK(opens_as("az://box/a", "http://Host:80", "az://box@acc@host/a") &&
	   opens_as("az://box", "https://acc.blob.core.chinacloudapi.cn", "az://box@acc.blob.core.chinacloudapi.cn") &&
	   opens_as("az://box", "https://acc2.example.com", "az://box@acc@acc2.example.com"), "endpoints, with the account in the name or in the path");
	OK(opened("az://", "account_name", "acc", NULL, NULL) == NULL && opened("az://Box", "account_name", "acc", NULL, NULL) == NULL &&
	   opened("az://box@acc.dfs.core.windows.net/x", "account_name", "acc", NULL, NULL) == NULL &&
	   opened("az://box//a", "account_name", "acc", NULL, NULL) == NULL && opened("az://box/a/../b", "account_name", "acc", NULL, NULL) == NULL,
	   "what is no url of Azure");
	OK(opened("az://box", NULL, NULL, NULL, NULL) == NULL && strstr(open_message, "account_name") != NULL &&
	   opened("az://box", "account_name", "Not-one", NULL, NULL) == NULL, "an account is needed");
	OK(refused("url_style", "none", STBL_ERR_INVALID, "path or vhost") && refused("use_proxy", "maybe", STBL_ERR_INVALID, "on or off") &&
	   refused("ca_file", "relative", STBL_ERR_INVALID, "absolute"), "options that are wrong");
	OK(refused("account_key", "no base64!", STBL_ERR_AUTH, "account_key") && strstr(open_message, "base64!") == NULL &&
	   refused("account_key", "bm8ga2V5IQ=", STBL_ERR_AUTH, "account_key"), "a key that is none, and is not repeated");
	OK(refused("sas_token", "sv=2021&se=x", STBL_ERR_AUTH, "sas_token") && refused("sas_token", "https://x/?sig=abc", STBL_ERR_AUTH, "sas_token") &&
	   refused("sas_token", "sig=%zz", STBL_ERR_AUTH, "sas_token") && strstr(open_message, "%zz") == NULL &&
	   refused("sas_token", "a b&sig=1", STBL_ERR_AUTH, "sas_token"), "a SAS that is none");
	OK(opened("az://box", "account_name", "acc", "sas_token", "?sv=2021&sig=ab%2Bc") != NULL, "with or without its question mark");
	stbl_allowed_endpoints = (char *) "*.blob.core.windows.net";
	OK(opens_as("az://box", NULL, "az://box@acc.blob.core.windows.net") && refused("endpoint", "http://127.0.0.1", STBL_ERR_DENIED, "supertable.allowed_endpoints"),
	   "endpoints that are not allowed");
	stbl_allowed_endpoints = NULL;
}

static void
test_secrets(void)
{
	StblStoreOption options[] = {{"account_name", "acc"}, {"account_key", EMULATOR_KEY}, {"sas_token", "sig=abcd"}};
	StblStoreOption plain[] = {{"account_name", "acc"}, {"endpoint", "http://example.com"}, {"sas_token", "sig=abcd"}};
	char	   *canonical;

	OK(stbl_az_driver.open("az://box", plain, 3, &canonical, &open_kind, open_message, sizeof(open_message)) == NULL &&
	   open_kind == STBL_ERR_INVALID && strstr(open_message, "https") != NULL, "a SAS is not sent in clear text");
	OK(stbl_az_driver.open("az://box", options, 3, &canonical, &open_kind, open_message, sizeof(open_message)) == NULL &&
	   open_kind == STBL_ERR_AUTH && strstr(open_message, "not both") != NULL, "two credentials are one too many");
}

int
main(void)
{
	test_published();
	test_signing();
	test_listing();
	test_meanings();
	test_open();
	test_secrets();
	DONE();
}
