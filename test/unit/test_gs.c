/*
 * The driver of Google Cloud Storage, its pure parts: JSON cut at each byte
 * and with each bit flipped, resources, listings, errors, what is asked for.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "store/gs_int.h"
#include "store/jsonread.h"
#include "store/object_list.h"

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

/* ---- JSON ---- */

/* Reads to the end from memory of just this size; the events' first letters. */
static const char *
events(const char *text, size_t len)
{
	static char seen[200];
	char	   *copy = malloc(len ? len : 1);
	StblJsonRead r;
	size_t		n = 0;

	memcpy(copy, text, len);
	stbl_jsonread_init(&r, copy, len);
	for (StblJsonEvent e = STBL_JSONREAD_OBJECT; e != STBL_JSONREAD_DONE && e != STBL_JSONREAD_ERROR && n < sizeof(seen) - 1;)
	{
		e = stbl_jsonread_next(&r);
		if (e == STBL_JSONREAD_STRING)
		{
			char	   *out = malloc(r.text_len + 1);

			(void) stbl_jsonread_text(&r, out);
			free(out);
		}
		seen[n++] = "OAESNLDX"[e];
	}
	seen[n] = '\0';
	free(copy);
	return seen;
}

static bool
text_is(const char *json, const char *expected)
{
	StblJsonRead r;
	char		out[200];
	long		n;

	stbl_jsonread_init(&r, json, strlen(json));
	if (stbl_jsonread_next(&r) != STBL_JSONREAD_STRING)
		return expected == NULL;
	n = stbl_jsonread_text(&r, out);
	return expected == NULL ? n < 0 : n == (long) strlen(expected) && strcmp(out, expected) == 0;
}

static void
test_json(void)
{
	static const char *const good[][2] = {
		{"{}", "OED"}, {"[]", "AED"}, {" [ 1 , -2.5e+3 , \"x\" ] ", "ANNSED"}, {"{\"a\":{\"b\":[true,null]}}", "OOALLEEED"},
		{"\"x\"", "SD"}, {"0", "ND"}, {"{\"a\":1,\"a\":2}", "ONNED"}};
	static const char *const bad[] = {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "[1 2]", "01", "1.", "-", "1e",
		"\"x", "\"a\nb\"", "tru", "{}{}", "{} x", "]", "[}", "{\"a\":}", "nul", "+1", "\"\\"};
	int			n_bad = 0;
	char		deep[200];
	const char *s;
	char	   *found;
	uint64_t	number;
	bool		has;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		OK(strcmp(events(good[i][0], strlen(good[i][0])), good[i][1]) == 0, "%s", good[i][0]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		s = events(bad[i], strlen(bad[i]));
		if (s[strlen(s) - 1] != 'X')
			printf("# taken: %s\n", bad[i]);
		n_bad += s[strlen(s) - 1] == 'X';
	}
	OK(n_bad == (int) (sizeof(bad) / sizeof(bad[0])), "what is no JSON is refused");
	memset(deep, '[', 40);
	OK(strchr(events(deep, 40), 'X') != NULL && strlen(events(deep, 40)) == STBL_JSONREAD_MAX_DEPTH + 1, "depth is bounded");
	OK(text_is("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "a\"\\/\b\f\n\r\t") && text_is("\"\\u00e4\\u20ac\\uD83D\\uDC18\"", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98"), "escapes");
	OK(text_is("\"\\x\"", NULL) && text_is("\"\\u12\"", NULL) && text_is("\"\\ud800x\"", NULL) && text_is("\"\\udc00\"", NULL) &&
	   text_is("\"\\u0000\"", NULL) && text_is("\"\xff\"", NULL) && text_is("\"\\ud800\\u0041\"", NULL), "escapes that are none");
	s = "{\"x\":{\"key\":\"inner\"},\"key\":\"va\\u006cue\",\"n\":\"12\",\"m\":34,\"bad\":-1}";
	OK(stbl_jsonread_find(s, strlen(s), "key", &found) && found != NULL && strcmp(found, "value") == 0, "a key of the outermost object");
	free(found);
	OK(stbl_jsonread_find(s, strlen(s), "none", &found) && found == NULL, "a missing key");
	OK(stbl_jsonread_find_count(s, strlen(s), "n", &has, &number) && has && number == 12 &&
	   stbl_jsonread_find_count(s, strlen(s), "m", &has, &number) && has && number == 34 &&
	   !stbl_jsonread_find_count(s, strlen(s), "bad", &has, &number), "numbers");
	OK(!stbl_jsonread_find(s, strlen(s) - 1, "key", &found) && found == NULL, "of what is cut nothing is taken");
	OK(!stbl_jsonread_find_count("{\"n\":9223372036854775808}", 25, "n", &has, &number) &&
	   stbl_jsonread_find_count("{\"n\":9223372036854775807}", 25, "n", &has, &number) && number == INT64_MAX, "the largest number");
}

/* ---- resources and listings ---- */

static const char resource[] = "{\"kind\":\"storage#object\",\"name\":\"a\",\"generation\":\"1795658706005516\",\"size\":\"5\",\n"
"\"metadata\":{\"size\":\"7\",\"generation\":\"1\"},\"timeCreated\":\"2026-11-26T02:05:06.005493Z\",\"updated\":\"2027-01-01T00:00:00Z\"}";

static void
test_resource(void)
{
	StblRequest req;
	int			n = 0;

	memset(&req, 0, sizeof(req));
	OK(stbl_gs_parse_resource((const uint8_t *) resource, strlen(resource), &req) == NULL && req.size == 5 &&
	   strcmp(req.new_etag, "1795658706005516") == 0 && req.modified_us == INT64_C(1795658706005493), "an object's resource");
	for (size_t len = 0; len < strlen(resource); len++)
	{
		char	   *copy = malloc(len ? len : 1);

		memcpy(copy, resource, len);
		n += stbl_gs_parse_resource((const uint8_t *) copy, len, &req) != NULL;
		free(copy);
	}
	OK(n == (int) strlen(resource), "cut at any byte it is none");
	OK(stbl_gs_parse_resource((const uint8_t *) "{\"size\":\"5\"}", 12, &req) != NULL &&
	   stbl_gs_parse_resource((const uint8_t *) "{\"generation\":\"0\",\"size\":\"5\"}", 29, &req) != NULL &&
	   stbl_gs_parse_resource((const uint8_t *) "{\"generation\":\"7\",\"size\":\"-5\"}", 30, &req) != NULL, "nor is one without generation and size");
	OK(stbl_gs_time_of("1795658706005516", 0) == INT64_C(1795658706005516) &&
	   stbl_gs_time_of("1795658706005516", INT64_C(1795658706000000)) == INT64_C(1795658706005516), "a generation tells the time");
	OK(stbl_gs_time_of("5", 77) == 77 && stbl_gs_time_of("", 77) == 77 && stbl_gs_time_of("\"x\"", 77) == 77 &&
	   stbl_gs_time_of("999999999999999999", INT64_C(1795658706000000)) == INT64_C(1795658706000000) &&
	   stbl_gs_time_of("99999999999999999999999", 77) == 77, "one that cannot be a time does not: then it was before the answer");
}

static const char list_text[] =
"{\"kind\":\"storage#objects\",\"nextPageToken\":\"Cg\\u003d\",\"prefixes\":[\"p/a/dir/\"],\"items\":[\n"
"{\"name\":\"p/a1\",\"size\":\"12\",\"timeCreated\":\"2026-11-26T02:05:06Z\",\"acl\":[{\"name\":\"no\"}]},\n"
"{\"name\":\"p/a/folder/\",\"size\":\"0\"},{\"size\":\"3\",\"name\":\"p/a\\\"\\u00e4\"}]}";

static void
test_list(void)
{
	StblRequest req;
	int			n = 0;
	static const char *const bad[] = {"[]", "{\"items\":[{\"size\":\"1\"}]}", "{\"items\":[{\"name\":\"q/x\"}]}", "{\"items\":[{\"name\":\"p/b\"}]}",
		"{\"prefixes\":[\"p/a\"]}", "{\"items\":[{\"name\":\"p/a\",\"size\":\"x\"}]}", "{\"items\":[{\"name\":\"p/a\",\"timeCreated\":\"x\"}]}",
		"{\"items\":[[1]]}", "{\"items\":[{\"name\":\"p/a\\u0000\"}]}"};

	memset(&req, 0, sizeof(req));
	req.key = "a";
	OK(stbl_gs_parse_list((const uint8_t *) list_text, strlen(list_text), "p/", &req) == NULL && req.n_entries == 3 &&
	   strcmp(req.list_next, "Cg=") == 0, "a listing");
	OK(req.n_entries == 3 && strcmp(req.entries[0].key, "a/dir/") == 0 && req.entries[0].is_folder &&
	   strcmp(req.entries[1].key, "a1") == 0 && req.entries[1].size == 12 && req.entries[1].modified_us == INT64_C(1795658706000000) &&
	   strcmp(req.entries[2].key, "a\"\xc3\xa4") == 0 && req.entries[2].size == 3, "its entries, without what stands for a folder");
	stbl_object_free_list(&req);
	for (size_t len = 0; len < strlen(list_text); len++)
	{
		char	   *copy = malloc(len ? len : 1);

		memcpy(copy, list_text, len);
		n += stbl_gs_parse_list((const uint8_t *) copy, len, "p/", &req) != NULL && req.n_entries == 0 && req.entries == NULL && req.list_next == NULL;
		stbl_object_free_list(&req);
		free(copy);
	}
	OK(n == (int) strlen(list_text), "cut at any byte it is none, and nothing is left of it");
	for (size_t bit = 0; bit < strlen(list_text) * 8; bit++)
	{
		char		copy[sizeof(list_text)];

		memcpy(copy, list_text, sizeof(copy));
		copy[bit / 8] = (char) (copy[bit / 8] ^ 1 << bit % 8);
		(void) stbl_gs_parse_list((const uint8_t *) copy, sizeof(copy) - 1, "p/", &req);
		stbl_object_free_list(&req);
	}
	OK(true, "with each bit flipped nothing breaks");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		const char *problem = stbl_gs_parse_list((const uint8_t *) bad[i], strlen(bad[i]), "p/", &req);

		OK(problem != NULL && req.n_entries == 0, "%s: %s", bad[i], problem ? problem : "taken");
		stbl_object_free_list(&req);
	}
	OK(stbl_gs_parse_list(NULL, 0, "p/", &req) != NULL && stbl_gs_parse_resource(NULL, 0, &req) != NULL, "nothing is no answer");
	OK(stbl_gs_parse_list((const uint8_t *) "{}", 2, "p/", &req) == NULL && req.n_entries == 0 && req.list_next == NULL, "a listing of nothing");
}

/* ---- errors ---- */

static bool
means(StblOp op, int status, const char *answer, StblStatus expected, StblErrorKind kind, const char *word)
{
	StblGsStore store;
	StblHttpRequest http;
	StblRequest req;
	bool		ok;

	memset(&store, 0, sizeof(store));
	store.base.kind = &stbl_gs_kind;
	store.access_token = (char *) "ya29.token";
	memset(&http, 0, sizeof(http));
	memset(&req, 0, sizeof(req));
	req.op = op;
	req.key = "k";
	http.status = status;
	http.answer = (uint8_t *) answer;
	http.answer_len = strlen(answer);
	stbl_object_judge(&req, &http, &store.base);
	ok = req.status == expected && req.error_kind == (int) kind && strstr(req.message, word) != NULL && strstr(req.message, "ya29.token") == NULL;
	if (!ok)
		printf("# status %d, kind %d, %s\n", req.status, req.error_kind, req.message);
	return ok;
}

#define ERR(message, reason) "{\"error\":{\"code\":1,\"message\":\"" message "\",\"errors\":[{\"message\":\"" message "\",\"domain\":\"global\",\"reason\":\"" reason "\"}]}}"

static void
test_errors(void)
{
	OK(means(STBL_OP_GET, 404, "No such object: lake/k", STBL_ST_NOT_FOUND, STBL_ERR_NONE, ""), "a missing object");
	OK(means(STBL_OP_GET, 404, "The specified bucket does not exist.", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket"), "a missing bucket, to a download");
	OK(means(STBL_OP_LIST, 404, ERR("The specified bucket does not exist.", "notFound"), STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket"), "and to a listing");
	OK(means(STBL_OP_DELETE, 404, ERR("No such object", "notFound"), STBL_ST_OK, STBL_ERR_NONE, ""), "what is to be deleted is gone");
	OK(means(STBL_OP_PUT_NEW, 412, ERR("At least one of the pre-conditions you specified did not hold.", "conditionNotMet"), STBL_ST_PRECONDITION, STBL_ERR_NONE, ""), "it exists");
	OK(means(STBL_OP_PUT_MATCH, 412, "", STBL_ST_PRECONDITION, STBL_ERR_NONE, ""), "another generation");
	OK(means(STBL_OP_PUT_MATCH, 404, ERR("No such object", "notFound"), STBL_ST_PRECONDITION, STBL_ERR_NONE, ""), "a missing object is not the content to replace");
	OK(means(STBL_OP_PUT_NEW, 409, ERR("busy", "conflict"), STBL_ST_TRANSIENT, STBL_ERR_IO, "409"), "L40: a conflict is sent again");
	OK(means(STBL_OP_GET, 401, "Anonymous caller does not have storage.objects.get access", STBL_ST_FAILED, STBL_ERR_DENIED, "user mapping"), "no credentials: 42501");
	OK(means(STBL_OP_GET, 401, ERR("Invalid Credentials ya29.token", "authError"), STBL_ST_FAILED, STBL_ERR_AUTH, "**********"), "L35: wrong ones: 28000, and they are not repeated");
	OK(means(STBL_OP_PUT, 403, ERR("x@y does not have storage.objects.create access", "forbidden"), STBL_ST_FAILED, STBL_ERR_DENIED, "storage.objects.create"), "no right: 42501");
	OK(means(STBL_OP_PUT, 429, ERR("The object exceeded the rate limit", "rateLimitExceeded"), STBL_ST_TRANSIENT, STBL_ERR_IO, "rate"), "too many");
	OK(means(STBL_OP_PUT, 403, ERR("x", "rateLimitExceeded"), STBL_ST_TRANSIENT, STBL_ERR_IO, "rate"), "also by 403");
	OK(means(STBL_OP_PUT, 503, ERR("backend", "backendError"), STBL_ST_UNKNOWN, STBL_ERR_IO, "503") &&
	   means(STBL_OP_GET, 503, "", STBL_ST_TRANSIENT, STBL_ERR_IO, "503"), "a fault of the service");
	OK(means(STBL_OP_DELETE, 403, ERR("held", "retentionPolicyNotMet"), STBL_ST_FAILED, STBL_ERR_DENIED, "retention"), "a retention policy");
	OK(means(STBL_OP_GET, 400, ERR("Bucket is a requester pays bucket but no user project provided.", "required"), STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "pay"), "requester pays");
	OK(means(STBL_OP_GET, 502, "<html>gateway</html>", STBL_ST_TRANSIENT, STBL_ERR_IO, "502"), "a web page");
	OK(means(STBL_OP_GET, 400, "{\"error\":{\"message\":\"cut", STBL_ST_FAILED, STBL_ERR_INVALID, "400"), "a broken error");
}

int
main(void)
{
	test_json();
	test_resource();
	test_list();
	test_errors();
	DONE();
}
