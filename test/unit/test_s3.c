/*
 * The S3 driver's pure parts: signatures against the published examples and
 * test suite of Signature Version 4, XML cut at each byte and with each bit
 * flipped, headers, endpoints, urls, and what an answer means.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "store/object_list.h"
#include "store/s3_int.h"

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

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Whether the signature of a request is the published one. */
static bool
signature_is(StblSigv4 in, const char *expected)
{
	StblText	got = {0};
	bool		ok = stbl_sigv4_sign(&in, &got);
	const char *sig = ok ? strstr(got.data, "Signature=") : NULL;

	ok = sig != NULL && strcmp(sig + 10, expected) == 0;
	if (!ok)
		printf("# got %s\n", got.data ? got.data : "nothing");
	stbl_text_free(&got);
	return ok;
}

/* The suite: service "service", one day, one key. */
static StblSigv4
suite(const char *method, const char *path, const char *query, const StblHeader *headers, int n)
{
	StblSigv4	in = {
		.access_key_id = "AKIDEXAMPLE", .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1", .service = "service", .amz_date = "20150830T123600Z",
		.method = method, .path = path, .query = query, .headers = headers, .n_headers = n,
		.payload_hash = EMPTY_HASH
	};

	return in;
}

static void
test_suite_vectors(void)
{
	static const StblHeader plain[] = {{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}};
	static const StblHeader trimmed[] = {{"host", "example.amazonaws.com"}, {"my-header1", " value1"},
	{"my-header2", " \"a   b   c\""}, {"x-amz-date", "20150830T123600Z"}};

	OK(signature_is(suite("GET", "/", "", plain, 2), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), "get-vanilla");
	OK(signature_is(suite("POST", "/", "", plain, 2), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"), "post-vanilla");
	OK(signature_is(suite("GET", "/", "Param2=value2&Param1=value1", plain, 2),
					"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"), "get-vanilla-query-order-key-case");
	OK(signature_is(suite("GET", "/%E1%88%B4", "", plain, 2), "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"), "get-utf8");
	OK(signature_is(suite("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", plain, 2),
					"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"), "get-unreserved");
	OK(signature_is(suite("GET", "/", "", trimmed, 4), "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"), "get-header-value-trim");
}

/* The examples of S3's own manual. */
static StblSigv4
example(const char *method, const char *path, const char *query, const StblHeader *headers, int n, const char *hash)
{
	StblSigv4	in = {
		.access_key_id = "AKIAIOSFODNN7EXAMPLE", .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1", .service = "s3", .amz_date = "20130524T000000Z",
		.method = method, .path = path, .query = query, .headers = headers, .n_headers = n, .payload_hash = hash
	};

	return in;
}

static void
test_s3_examples(void)
{
	static const char host[] = "examplebucket.s3.amazonaws.com";
	static const StblHeader plain[] = {{"host", host}, {"x-amz-content-sha256", EMPTY_HASH}, {"x-amz-date", "20130524T000000Z"}};
	static const StblHeader range[] = {{"host", host}, {"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_HASH},
	{"x-amz-date", "20130524T000000Z"}};
	char		hash[STBL_SHA256_HEX];
	StblText	path = {0};
	StblHeader	put[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"host", host}, {"x-amz-content-sha256", hash},
	{"x-amz-date", "20130524T000000Z"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};

	OK(signature_is(example("GET", "/test.txt", "", range, 4, EMPTY_HASH),
					"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), "GET with a range");
	OK(stbl_sha256("Welcome to Amazon S3.", 21, hash) &&
	   strcmp(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072") == 0, "hash of a body");
	stbl_text_encode(&path, "/test$file.text", true);
	OK(strcmp(path.data, "/test%24file.text") == 0, "a key is encoded once");
	OK(signature_is(example("PUT", path.data, "", put, 5, hash),
					"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"), "PUT");
	stbl_text_free(&path);
	OK(signature_is(example("GET", "/", "lifecycle", plain, 3, EMPTY_HASH),
					"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), "a parameter without a value");
	OK(signature_is(example("GET", "/", "prefix=J&max-keys=2", plain, 3, EMPTY_HASH),
					"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), "parameters are sorted");
}

static void
test_canonical(void)
{
	StblText	t = {0};
	StblSigv4	in = example("GET", "/", "a1=x&a=y&a=b", NULL, 0, EMPTY_HASH);
	char		time[STBL_SIGV4_TIME];

	stbl_text_encode(&t, "a b+c=d/%&?#\xc3\xa4'()*!~", false);
	OK(strcmp(t.data, "a%20b%2Bc%3Dd%2F%25%26%3F%23%C3%A4%27%28%29%2A%21~") == 0, "awkward letters are encoded");
	stbl_text_free(&t);
	OK(stbl_sigv4_canonical(&in, &t) && strstr(t.data, "\na=b&a=y&a1=x\n") != NULL, "parameters are sorted by name, then value");
	stbl_text_free(&t);
	OK(stbl_sigv4_time(INT64_C(1440938160000000), time) && strcmp(time, "20150830T123600Z") == 0, "a time");
	OK(stbl_sigv4_time(0, time) && strcmp(time, "19700101T000000Z") == 0, "the epoch");
	OK(!stbl_sigv4_time(INT64_MAX, time) && !stbl_sigv4_time(INT64_MIN, time), "times out of range are refused");
	in.amz_date = "2013";
	OK(!stbl_sigv4_sign(&in, &t), "a malformed time is refused");
	stbl_text_free(&t);
}

/* ---- XML and listings ---- */

/* All events of a text in short form, and what ended them. */
static const char *
events(const char *text)
{
	static char out[1000];
	char		decoded[300];
	StblXml		xml;
	size_t		n = 0;

	stbl_xml_init(&xml, text, strlen(text));
	for (;;)
	{
		long		len;

		switch (stbl_xml_next(&xml))
		{
			case STBL_XML_START:
				n += (size_t) snprintf(out + n, sizeof(out) - n, "<%.*s ", (int) xml.name_len, xml.name);
				break;
			case STBL_XML_END:
				n += (size_t) snprintf(out + n, sizeof(out) - n, "> ");
				break;
			case STBL_XML_TEXT:
				len = stbl_xml_text(&xml, decoded);
				n += (size_t) snprintf(out + n, sizeof(out) - n, "'%.*s' ", len < 0 ? 3 : (int) len, len < 0 ? "bad" : decoded);
				break;
			case STBL_XML_DONE:
				snprintf(out + n, sizeof(out) - n, "done");
				return out;
			case STBL_XML_ERROR:
				snprintf(out + n, sizeof(out) - n, "error");
				return out;
		}
	}
}

static void
test_xml(void)
{
	OK(strcmp(events("<?xml version='1.0'?>\n<a x=\"1>2\"><!-- <b> --><n:b>t</n:b><c/></a>\n"), "<a <b 't' > <c > > done") == 0,
	   "elements, attributes, comments, prefixes");
	OK(strcmp(events("<a>&lt;&amp;&#65;&#x42;&#xe4;&quot;</a>"), "<a '<&AB\xc3\xa4\"' > done") == 0, "references");
	OK(strcmp(events("<a><![CDATA[<&amp;]]></a>"), "<a '<&amp;' > done") == 0, "CDATA");
	OK(strcmp(events("\xef\xbb\xbf<a/>"), "<a > done") == 0, "a byte order mark");
	OK(strcmp(events("<a>&#0;</a>"), "<a 'bad' > done") == 0 && strcmp(events("<a>&x;</a>"), "<a 'bad' > done") == 0 &&
	   strcmp(events("<a>&#xd800;</a>"), "<a 'bad' > done") == 0 && strcmp(events("<a>&#99999999999;</a>"), "<a 'bad' > done") == 0 &&
	   strcmp(events("<a>&amp</a>"), "<a 'bad' > done") == 0, "broken references");
	OK(strcmp(events("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>"), "error") == 0, "no document type is read");
	OK(strcmp(events("<a></b>"), "<a error") == 0 && strcmp(events("<a/><b/>"), "<a > error") == 0 &&
	   strcmp(events("<a/>x"), "<a > error") == 0 && strcmp(events(""), "error") == 0 && strcmp(events("x"), "error") == 0,
	   "what is not well-formed is refused");
	OK(strstr(events("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"), "error") != NULL, "depth is limited");
}

static const char listing[] =
"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>lake/t/</Prefix>"
"<KeyCount>3</KeyCount><MaxKeys>3</MaxKeys><IsTruncated>true</IsTruncated>"
"<NextContinuationToken>1/a+b==</NextContinuationToken>"
"<Contents><Key>lake/t/a%2Bb+c%26</Key><LastModified>2013-05-24T00:00:01.500Z</LastModified><ETag>&quot;x&quot;</ETag>"
"<Size>42</Size><Owner><ID>1</ID><Key>no</Key></Owner></Contents>"
"<Contents><Key>lake/t/</Key><Size>0</Size></Contents>"
"<CommonPrefixes><Prefix>lake/t/d/</Prefix></CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>";

/* Parses in memory of exactly that length, so that a read beyond it is seen. */
static const char *
parse_copy(const char *text, size_t len, const char *store_prefix, StblRequest *req)
{
	char	   *copy = malloc(len ? len : 1);
	const char *problem;

	memcpy(copy, text, len);
	memset(req, 0, sizeof(*req));
	req->key = "t/";
	problem = stbl_s3_parse_list((const uint8_t *) copy, len, store_prefix, req);
	free(copy);
	return problem;
}

static void
test_listing(void)
{
	StblRequest req;
	int			n_read = 0;

	OK(parse_copy(listing, sizeof(listing) - 1, "lake/", &req) == NULL && req.n_entries == 2, "a listing, without the folder's own marker");
	OK(req.n_entries == 2 && strcmp(req.entries[0].key, "t/a+b c&") == 0 && req.entries[0].size == 42 &&
	   req.entries[0].modified_us == INT64_C(1369353601500000) && !req.entries[0].is_folder,
	   "L16: keys are decoded, and without the url's folder");
	OK(req.n_entries == 2 && strcmp(req.entries[1].key, "t/d/") == 0 && req.entries[1].is_folder, "a folder");
	OK(req.list_next != NULL && strcmp(req.list_next, "1/a+b==") == 0, "where it goes on");
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
			if (req.entries[e].key == NULL)
				n_read++;
		stbl_object_free_list(&req);
	}
	OK(n_read == 0, "with each bit flipped it is read or refused");
	OK(parse_copy("<html><body>It works!</body></html>", 35, "", &req) != NULL, "a web page is no listing");
	OK(parse_copy("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", 68, "", &req) != NULL,
	   "a page without a next one is refused");
}

/* ---- what answers mean ---- */

static StblS3Store store = {.base = {.kind = &stbl_s3_kind}, .region = "us-east-1", .secret_access_key = "topsecretkey", .access_key_id = "theaccesskey"};

/* Judges an answer; the message stays in judged. */
static StblRequest judged;

static bool
means(StblOp op, int status, const char *code, StblStatus expected, StblErrorKind kind)
{
	StblHttpRequest http = {.status = status};
	char		body[500];

	snprintf(body, sizeof(body), "<Error><Code>%s</Code><Message>why topsecretkey and theaccesskey</Message></Error>", code);
	memset(&judged, 0, sizeof(judged));
	judged.op = op;
	judged.key = "k";
	http.answer = (uint8_t *) body;
	http.answer_len = code[0] ? strlen(body) : 0;
	stbl_object_judge(&judged, &http, &store.base);
	return judged.status == expected && judged.error_kind == (int) kind &&
		strstr(judged.message, "topsecretkey") == NULL && strstr(judged.message, "theaccesskey") == NULL;
}

static void
test_meanings(void)
{
	OK(means(STBL_OP_GET, 404, "NoSuchKey", STBL_ST_NOT_FOUND, STBL_ERR_NONE), "a missing object");
	OK(means(STBL_OP_HEAD, 404, "", STBL_ST_NOT_FOUND, STBL_ERR_NONE), "the same, told to a HEAD");
	OK(means(STBL_OP_GET, 404, "NoSuchBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "a missing bucket is another thing");
	OK(strstr(judged.message, "create the bucket") != NULL, "and says what to do");
	OK(means(STBL_OP_GET, 404, "SomethingElseNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND) && strstr(judged.message, "not the object") != NULL,
	   "so is anything else: a table must not look empty for it");
	OK(means(STBL_OP_GET, 404, "XAdminUserNotFound", STBL_ST_FAILED, STBL_ERR_AUTH), "an unknown key that one gateway answers with 404: 28000");
	OK(means(STBL_OP_GET, 404, "", STBL_ST_FAILED, STBL_ERR_PROTOCOL) && means(STBL_OP_GET_RANGE, 404, "", STBL_ST_NOT_FOUND, STBL_ERR_NONE),
	   "L35: a 404 of what is no store: 08P01");
	OK(means(STBL_OP_PUT_MATCH, 404, "NoSuchKey", STBL_ST_PRECONDITION, STBL_ERR_NONE), "L40: a replacement of a missing object");
	OK(means(STBL_OP_PUT_NEW, 412, "PreconditionFailed", STBL_ST_PRECONDITION, STBL_ERR_NONE), "an object that exists");
	OK(means(STBL_OP_PUT_NEW, 409, "ConditionalRequestConflict", STBL_ST_TRANSIENT, STBL_ERR_IO), "L40: a 409 means \"send it again\", not \"exists\"");
	OK(means(STBL_OP_PUT_NEW, 409, "", STBL_ST_FAILED, STBL_ERR_EXISTS), "but one without this code does not");
	OK(means(STBL_OP_PUT_NEW, 503, "SlowDown", STBL_ST_TRANSIENT, STBL_ERR_IO), "a busy store has not written");
	OK(means(STBL_OP_PUT_NEW, 429, "", STBL_ST_TRANSIENT, STBL_ERR_IO), "nor has one with 429");
	OK(means(STBL_OP_PUT_NEW, 500, "InternalError", STBL_ST_UNKNOWN, STBL_ERR_IO), "after a 500 a write may have been applied");
	OK(means(STBL_OP_PUT_MATCH, 502, "", STBL_ST_UNKNOWN, STBL_ERR_IO), "and after a 502");
	OK(means(STBL_OP_DELETE, 504, "", STBL_ST_UNKNOWN, STBL_ERR_IO), "and after a 504");
	OK(means(STBL_OP_GET, 500, "InternalError", STBL_ST_TRANSIENT, STBL_ERR_IO), "a read is just read again");
	OK(means(STBL_OP_GET, 403, "AccessDenied", STBL_ST_FAILED, STBL_ERR_DENIED), "no right: 42501");
	OK(means(STBL_OP_GET, 403, "SignatureDoesNotMatch", STBL_ST_FAILED, STBL_ERR_AUTH), "a wrong key: 28000");
	OK(means(STBL_OP_GET, 400, "ExpiredToken", STBL_ST_FAILED, STBL_ERR_AUTH), "credentials that have expired: 28000");
	OK(means(STBL_OP_GET, 403, "RequestTimeTooSkewed", STBL_ST_FAILED, STBL_ERR_STATE), "a wrong clock: 55000");
	OK(means(STBL_OP_GET, 301, "PermanentRedirect", STBL_ST_FAILED, STBL_ERR_INVALID), "another region: 22023");
	OK(means(STBL_OP_GET, 307, "", STBL_ST_FAILED, STBL_ERR_INVALID), "a redirect is not followed");
	OK(means(STBL_OP_PUT_NEW, 501, "NotImplemented", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED), "a store without conditions: 0A000");
	OK(means(STBL_OP_DELETE, 404, "NoSuchKey", STBL_ST_OK, STBL_ERR_NONE), "a deleted object stays deleted");
	OK(means(STBL_OP_DELETE, 404, "NoSuchBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "in a bucket that exists");
	OK(means(STBL_OP_LIST, 404, "", STBL_ST_FAILED, STBL_ERR_NOT_FOUND), "a listing of nothing is not empty, but an error");
}

static void
test_error_bodies(void)
{
	static const char body[] = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m &amp; n</Message><Region>eu-west-1</Region></Error>";
	StblObjectError err;
	int			bad = 0;

	stbl_object_parse_error((const uint8_t *) body, sizeof(body) - 1, &err);
	OK(strcmp(err.code, "AuthorizationHeaderMalformed") == 0 && strcmp(err.message, "m & n") == 0 && strcmp(err.region, "eu-west-1") == 0,
	   "code, message and region of an error");
	for (size_t i = 0; i < (sizeof(body) - 1) * 9; i++)
	{
		char		copy[sizeof(body)];
		size_t		len = i < (sizeof(body) - 1) * 8 ? sizeof(body) - 1 : i - (sizeof(body) - 1) * 8;

		memcpy(copy, body, sizeof(body));
		if (i < (sizeof(body) - 1) * 8)
			copy[i / 8] = (char) (copy[i / 8] ^ (1 << i % 8));
		stbl_object_parse_error((const uint8_t *) copy, len, &err);
		for (const char *c = err.message; *c; c++)
			bad += (unsigned char) *c < ' ';
	}
	OK(bad == 0, "cut and with bits flipped it does no harm");
}

static void
header(StblHttpRequest *http, const char *line)
{
	stbl_http_header(http, line, strlen(line));
}

static void
test_headers(void)
{
	StblHttpRequest http = {0};

	header(&http, "HTTP/1.1 100 Continue\r\n");
	header(&http, "ETag: \"old\"\r\n");
	header(&http, "HTTP/1.1 206 Partial Content\r\n");
	OK(http.etag[0] == '\0', "a new status line begins anew");
	header(&http, "ETAG:  \"abc\" \r\n");
	header(&http, "Date: Fri, 24 May 2013 00:00:01 GMT\r\n");
	header(&http, "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
	header(&http, "Content-Length: 10\r\n");
	header(&http, "Content-Range: bytes 5-14/100\r\n");
	header(&http, "Retry-After: 7\r\n");
	OK(strcmp(http.etag, "\"abc\"") == 0, "an etag keeps its quotes");
	OK(http.date_us == INT64_C(1369353601000000) && http.modified_us == 0, "times");
	OK(http.has_length && http.content_length == 10 && http.is_framed, "a length");
	OK(http.has_range && http.range_first == 5 && http.range_last == 14 && http.range_total == 100, "a range");
	OK(http.retry_after_us == 7000000, "a pause that is asked for");
	header(&http, "Retry-After: 99999999999999\r\n");
	OK(http.retry_after_us == INT64_C(3600000000), "and one of years, cut");
	memset(&http, 0, sizeof(http));
	header(&http, "Content-Range: bytes */12\r\n");
	OK(!http.has_range && http.range_total == 12, "the size told with a 416");
	header(&http, "Content-Length: 99999999999999999999999\r\n");
	header(&http, "Content-Length: -1\r\n");
	header(&http, "Date: Fri, 24 Mai 2013 00:00:01 GMT\r\n");
	header(&http, "Date: \r\n");
	header(&http, "Content-Range: bytes 5\r\n");
	header(&http, "Content-Range: bytes\r\n");
	header(&http, ":\r\n");
	header(&http, "");
	OK(!http.has_length && http.date_us == 0 && !http.has_range, "nonsense is not taken");
}

/* What is read of a header lies within what it gives room for. */
static bool
is_sound(const StblHttpRequest *http)
{
	return memchr(http->etag, '\0', sizeof(http->etag)) != NULL && memchr(http->region, '\0', sizeof(http->region)) != NULL &&
		http->retry_after_us >= 0;
}

static void
test_broken_headers(void)
{
	static const char *const lines[] = {
		"HTTP/1.1 206 Partial Content\r\n", "ETag: \"0123456789abcdef\"\r\n", "Date: Fri, 24 May 2013 00:00:01 GMT\r\n",
		"Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "Content-Length: 18446744073709551615\r\n",
		"Content-Range: bytes 5-14/18446744073709551615\r\n", "Retry-After: 7\r\n", "x-amz-bucket-region: eu-west-3\r\n"
	};
	int			bad = 0;

	for (size_t l = 0; l < sizeof(lines) / sizeof(lines[0]); l++)
	{
		size_t		len = strlen(lines[l]);

		for (size_t i = 0; i < len * 9; i++)
		{
			size_t		n = i < len * 8 ? len : i - len * 8;
			char	   *copy = malloc(n + 1);	/* of that size, so that a byte too far is seen */
			StblHttpRequest http = {0};

			memcpy(copy, lines[l], n);
			if (i < len * 8)
				copy[i / 8] = (char) (copy[i / 8] ^ (1 << i % 8));
			copy = realloc(copy, n > 0 ? n : 1);
			stbl_http_header(&http, copy, n);
			bad += !is_sound(&http);
			free(copy);
		}
	}
	OK(bad == 0, "headers cut at each byte and with each bit flipped do no harm");
}

/* Whether a request goes out with a condition. */
static bool
has_condition(StblOp op, StblStep step)
{
	static StblS3Store s = {.base = {.kind = &stbl_s3_kind, .prefix = "", .endpoint = {.host = "h"}}, .bucket = "b", .is_path_style = true};
	StblRequest req = {.op = op, .key = "k", .etag = "\"e\"", .data = "d", .data_len = 1};
	StblExchange x = {.store = &s.base, .req = &req, .step = step, .part = 1};
	bool		found = false;

	x.http.method = op == STBL_OP_DELETE ? STBL_HTTP_DELETE : STBL_HTTP_PUT;
	x.http.body = "d";
	x.http.body_len = 1;
	x.upload_id = "u";
	if (!stbl_s3_kind.prepare(&x))
		return true;
	for (int i = 0; i < x.n_headers; i++)
		found = found || strncmp(x.lines[i].data, "if-", 3) == 0;
	stbl_text_free(&x.url);
	stbl_text_free(&x.path);
	stbl_text_free(&x.query);
	for (int i = 0; i < x.n_headers; i++)
		stbl_text_free(&x.lines[i]);
	return found;
}

static void
test_conditions(void)
{
	OK(has_condition(STBL_OP_PUT_NEW, STBL_STEP_WHOLE) && has_condition(STBL_OP_PUT_MATCH, STBL_STEP_WHOLE),
	   "L48: single PUTs have conditions");
	OK(!has_condition(STBL_OP_PUT_NEW, STBL_STEP_BEGIN) && !has_condition(STBL_OP_PUT_NEW, STBL_STEP_PART) &&
	   !has_condition(STBL_OP_PUT_NEW, STBL_STEP_END) && !has_condition(STBL_OP_PUT_NEW, STBL_STEP_ABORT),
	   "L48: no step of an upload in parts relies on one");
	OK(!has_condition(STBL_OP_DELETE, STBL_STEP_WHOLE) && !has_condition(STBL_OP_PUT, STBL_STEP_WHOLE), "L48: nor does a deletion");
}

/* ---- endpoints, urls, options ---- */

static bool
endpoint_is(const char *text, bool tls, const char *host)
{
	StblEndpoint e;
	char		message[300];

	return stbl_endpoint_parse(text, &e, message, sizeof(message)) && e.is_tls == tls && strcmp(e.host, host) == 0;
}

static bool
endpoint_bad(const char *text)
{
	StblEndpoint e;
	char		message[300] = "";

	return !stbl_endpoint_parse(text, &e, message, sizeof(message)) && message[0] != '\0';
}

static void
test_endpoints(void)
{
	OK(endpoint_is("https://S3.Example.com:443/", true, "s3.example.com") && endpoint_is("minio:9000", true, "minio:9000") &&
	   endpoint_is("http://127.0.0.1:8333", false, "127.0.0.1:8333") && endpoint_is("http://[::1]:80", false, "[::1]"), "endpoints");
	OK(endpoint_bad("") && endpoint_bad("http://") && endpoint_bad("http://user:pw@host") && endpoint_bad("http://host/path") &&
	   endpoint_bad("ftp://host") && endpoint_bad("host:0") && endpoint_bad("host:99999") && endpoint_bad("host:80x") &&
	   endpoint_bad("ho st") && endpoint_bad("host?x") && endpoint_bad("[::1"), "what is none");
	OK(stbl_endpoint_allowed("", "any") && stbl_endpoint_allowed(NULL, "any") && stbl_endpoint_allowed(" , ", "any"), "no pattern allows all");
	OK(stbl_endpoint_allowed("s3.*.amazonaws.com, minio:9000", "s3.eu-west-1.amazonaws.com") &&
	   stbl_endpoint_allowed("s3.*.amazonaws.com, MINIO:9000", "minio:9000"), "patterns");
	OK(!stbl_endpoint_allowed("*", "host:22") && !stbl_endpoint_allowed("*.example.com", "example.com") &&
	   !stbl_endpoint_allowed("minio:9000", "minio:90") && !stbl_endpoint_allowed("a", "ab") &&
	   stbl_endpoint_allowed("*:*", "host:22"), "what they do not match");
}

static char open_message[512];

/* Opens a store; its canonical url, or NULL with open_message set. */
static const char *
opened(const char *url, const char *name, const char *value)
{
	static char result[700];
	StblStoreOption options[] = {{name, value}};
	char	   *canonical;
	int			kind;
	void	   *s = stbl_s3_driver.open(url, options, name != NULL, &canonical, &kind, open_message, sizeof(open_message));

	if (s == NULL)
		return NULL;
	snprintf(result, sizeof(result), "%s", canonical);
	free(canonical);
	stbl_s3_driver.close(s);
	return result;
}

static bool
opens_as(const char *url, const char *name, const char *value, const char *canonical)
{
	const char *got = opened(url, name, value);

	return got != NULL && strcmp(got, canonical) == 0;
}

static void
test_open(void)
{
	OK(opens_as("s3://bucket", NULL, NULL, "s3://bucket") && opens_as("s3://bucket/", NULL, NULL, "s3://bucket") &&
	   opens_as("s3://bucket/a/b/", NULL, NULL, "s3://bucket/a/b"), "urls");
	OK(opens_as("s3://bucket/a", "endpoint", "http://Host:80", "s3://bucket@host/a"), "another endpoint is another place");
	OK(opened("s3://", NULL, NULL) == NULL && opened("s3:/bucket", NULL, NULL) == NULL && opened("s3://b", NULL, NULL) == NULL &&
	   opened("s3://bucket@host/a", NULL, NULL) == NULL && opened("s3://bucket//a", NULL, NULL) == NULL &&
	   opened("s3://bucket/a/../b", NULL, NULL) == NULL && opened("s3://bucket?x=1", NULL, NULL) == NULL, "what is no url of S3");
	OK(opened("s3://bucket", "url_style", "none") == NULL && strstr(open_message, "path or vhost") != NULL &&
	   opened("s3://bucket", "use_proxy", "maybe") == NULL && opened("s3://bucket", "ca_file", "relative") == NULL &&
	   opened("s3://bucket", "region", "a b") == NULL && opened("s3://buck.et", "url_style", "vhost") == NULL, "options that are wrong");
	OK(opened("s3://bucket", "access_key_id", "half") == NULL && strstr(open_message, "together") != NULL, "half of the credentials");
	stbl_allowed_endpoints = (char *) "s3.eu-*.amazonaws.com";
	OK(opened("s3://bucket", "region", "eu-west-1") != NULL && opened("s3://bucket", "region", "us-west-1") == NULL &&
	   strstr(open_message, "supertable.allowed_endpoints") != NULL, "endpoints that are not allowed");
	stbl_allowed_endpoints = NULL;
}

static void
test_text(void)
{
	char		good[] = "a%20b+c%2B";
	char		bad[][8] = {"%", "%2", "%zz", "%00"};
	char		message[] = "the key secret1 and secret1";
	char		cut[] = "caf\xc3";
	bool		any = false;

	OK(stbl_percent_decode(good) && strcmp(good, "a b c+") == 0, "decoding");
	for (int i = 0; i < 4; i++)
		any = any || stbl_percent_decode(bad[i]);
	OK(!any, "what is not encoded");
	stbl_redact(message, "secret1");
	OK(strcmp(message, "the key ******* and *******") == 0, "secrets are overwritten");
	stbl_clean_message(cut);
	OK(strcmp(cut, "caf") == 0, "half a character is cut off");
}

int
main(void)
{
	test_suite_vectors();
	test_s3_examples();
	test_canonical();
	test_xml();
	test_listing();
	test_meanings();
	test_error_bodies();
	test_headers();
	test_broken_headers();
	test_conditions();
	test_endpoints();
	test_open();
	test_text();
	DONE();
}
