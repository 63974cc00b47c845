/*
 * What every driver must do, whatever its store: one suite, run on a place
 * that is empty or may be written into.  Prints TAP.
 *
 *	conformance URL [option=value ...] [large=BYTES] [upload=BYTES] [rounds=N] [listed=N] [backslash=off] [etags=bare]
 *
 * and what a network driver makes of a store that misbehaves (faultserver.py):
 *
 *	conformance --faults PORT TLSPORT CAFILE
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "store/az.h"
#include "store/file.h"
#include "store/gs.h"
#include "store/http.h"
#include "store/s3_int.h"

#include "unit.h"

#define N_RACERS 8
#define N_LISTED 3000
#define IN_FLIGHT 24

static const StblStoreDriver *d;
static const char *url;
static StblStoreOption options[16];
static int	n_options = 0;
static size_t large = (size_t) 64 << 20;
static size_t upload = ((size_t) 72 << 20) + 12345;
static int	rounds = 3;
static int	listed = N_LISTED;
static int	no_backslash = 0;
static bool bare_etags = false; /* conditions take them without their quotes */
static char base[64];			/* all keys begin with it */

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

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void *
open_with(const char *at, const StblStoreOption *opts, int n)
{
	char	   *canonical = NULL;
	int			kind = 0;
	char		message[512] = "";
	void	   *s = d->open(at, opts, n, &canonical, &kind, message, sizeof(message));

	if (s == NULL)
	{
		fprintf(stderr, "cannot open %s: %s\n", at, message);
		exit(2);
	}
	free(canonical);
	return s;
}

static void *
open_store(void)
{
	return open_with(url, options, n_options);
}

/* A key under this run's own folder; valid until eight more were made. */
static const char *
k(const char *fmt,...)
{
	static char keys[8][1200];
	static int	at = 0;
	char	   *key = keys[at++ % 8];
	va_list		args;
	int			n = snprintf(key, sizeof(keys[0]), "%s/", base);

	va_start(args, fmt);
	vsnprintf(key + n, sizeof(keys[0]) - (size_t) n, fmt, args);
	va_end(args);
	return key;
}

static void
prepare(StblRequest *req, StblOp op, const char *key)
{
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	req->deadline_us = now_us() + 120 * INT64_C(1000000);
}

static void
run(void *s, StblRequest *req)
{
	d->submit(s, req);
	while (req->status == STBL_ST_PENDING)
		d->drive(s, 100);
}

/* Sends again what the store says was certainly not applied. */
static void
insist(void *s, StblRequest *req)
{
	for (int i = 0; i < 100; i++)
	{
		run(s, req);
		if (req->status != STBL_ST_TRANSIENT)
			return;
		d->release(s, req);
		usleep(20000);
	}
}

/* An etag as the store wants to have it, until the next one. */
static const char *
condition(const char *etag)
{
	static char bare[128];

	if (!bare_etags || etag == NULL || etag[0] != '"')
		return etag;
	snprintf(bare, sizeof(bare), "%.*s", (int) strlen(etag) - 2, etag + 1);
	return bare;
}

static StblRequest last;		/* what was answered, without body and entries */

static StblStatus
do_write(void *s, StblOp op, const char *key, const void *data, size_t len, const char *etag)
{
	StblRequest req;

	prepare(&req, op, key);
	req.data = data;
	req.data_len = len;
	req.etag = condition(etag);
	insist(s, &req);
	last = req;
	d->release(s, &req);
	return last.status;
}

static StblStatus
put(void *s, StblOp op, const char *key, const char *text, const char *etag)
{
	return do_write(s, op, key, text, strlen(text), etag);
}

static StblStatus
do_read(void *s, StblOp op, const char *key)
{
	StblRequest req;

	prepare(&req, op, key);
	insist(s, &req);
	last = req;
	d->release(s, &req);
	return last.status;
}

static bool
content_is(void *s, const char *key, const char *expected, size_t len)
{
	StblRequest req;
	bool		ok;

	prepare(&req, STBL_OP_GET, key);
	insist(s, &req);
	ok = req.status == STBL_ST_OK && req.body_len == len && req.size == len &&
		memcmp(req.body, expected, len) == 0 && req.body[len] == '\0';
	last = req;
	d->release(s, &req);
	return ok;
}

/* ---- reading and writing ---- */

static void
test_basics(void *s)
{
	const char *key = k("basic");
	char		etag[128];
	char		stale[128];
	int64_t		now = now_us();

	OK(do_read(s, STBL_OP_GET, key) == STBL_ST_NOT_FOUND, "GET of a missing object");
	OK(do_read(s, STBL_OP_HEAD, key) == STBL_ST_NOT_FOUND, "HEAD of a missing object");
	OK(put(s, STBL_OP_PUT_MATCH, key, "x", "\"00000000000000000000000000000000\"") == STBL_ST_PRECONDITION,
	   "L40: If-Match on a missing object is refused");
	OK(do_read(s, STBL_OP_HEAD, key) == STBL_ST_NOT_FOUND, "and writes nothing");
	OK(put(s, STBL_OP_PUT_NEW, key, "one", NULL) == STBL_ST_OK, "PUT_NEW");
	OK(content_is(s, key, "one", 3), "S1: what was written is read");
	memcpy(etag, last.new_etag, sizeof(etag));
	OK(etag[0] != '\0' && last.modified_us > now - 120 * INT64_C(1000000) && last.modified_us < now + 120 * INT64_C(1000000) &&
	   last.store_time_us > now - 120 * INT64_C(1000000), "with an etag, its time, and the store's clock");
	OK(do_read(s, STBL_OP_HEAD, key) == STBL_ST_OK && last.size == 3 && strcmp(last.new_etag, etag) == 0, "HEAD tells the same etag");
	OK(put(s, STBL_OP_PUT_NEW, key, "two", NULL) == STBL_ST_PRECONDITION && content_is(s, key, "one", 3), "S2: PUT_NEW of what exists is refused");
	OK(put(s, STBL_OP_PUT_MATCH, key, "second", etag) == STBL_ST_OK && content_is(s, key, "second", 6), "PUT_MATCH");
	memcpy(stale, etag, sizeof(etag));
	memcpy(etag, last.new_etag, sizeof(etag));
	OK(strcmp(etag, stale) != 0, "S4: another content has another etag");
	OK(put(s, STBL_OP_PUT_MATCH, key, "third", stale) == STBL_ST_PRECONDITION && content_is(s, key, "second", 6),
	   "S3: a stale etag replaces nothing");
	OK(put(s, STBL_OP_PUT, key, "over", NULL) == STBL_ST_OK && content_is(s, key, "over", 4), "PUT overwrites");
	OK(do_write(s, STBL_OP_DELETE, key, NULL, 0, NULL) == STBL_ST_OK && do_read(s, STBL_OP_GET, key) == STBL_ST_NOT_FOUND, "DELETE");
	OK(do_write(s, STBL_OP_DELETE, key, NULL, 0, NULL) == STBL_ST_OK, "DELETE of a missing object is fine");
	OK(put(s, STBL_OP_PUT_MATCH, key, "x", etag) == STBL_ST_PRECONDITION, "If-Match on a deleted object is refused");
	OK(put(s, STBL_OP_PUT_NEW, key, "again", NULL) == STBL_ST_OK, "a deleted object can be made anew");
}

static void
test_sizes(void *s)
{
	char	   *data = malloc(large + 1);
	StblRequest req;
	int			bad = 0;

	OK(put(s, STBL_OP_PUT_NEW, k("empty"), "", NULL) == STBL_ST_OK && content_is(s, k("empty"), "", 0), "an object of 0 bytes");
	OK(do_read(s, STBL_OP_HEAD, k("empty")) == STBL_ST_OK && last.size == 0, "its HEAD");
	OK(put(s, STBL_OP_PUT_NEW, k("empty"), "", NULL) == STBL_ST_PRECONDITION, "it exists");
	for (size_t i = 0; i <= large; i++)
		data[i] = (char) (i * 7 + i / 251);
	OK(do_write(s, STBL_OP_PUT_NEW, k("large"), data, large, NULL) == STBL_ST_OK, "an object of %zu bytes", large);
	OK(content_is(s, k("large"), data, large), "is read back");
	for (int i = 0; i < 4; i++)
	{
		uint64_t	offset = i == 0 ? 0 : i == 1 ? 1 : i == 2 ? large / 2 : large - 100000;

		prepare(&req, STBL_OP_GET_RANGE, k("large"));
		req.offset = offset;
		req.length = 100000;
		insist(s, &req);
		bad += !(req.status == STBL_ST_OK && req.body_len == 100000 && memcmp(req.body, data + offset, 100000) == 0);
		d->release(s, &req);
	}
	OK(bad == 0, "and in pieces");
	OK(do_write(s, STBL_OP_DELETE, k("large"), NULL, 0, NULL) == STBL_ST_OK, "and deleted");
	free(data);
}

/* ---- uploads in parts ---- */

static void
prepare_upload(StblRequest *req, const char *key, const void *data, size_t len)
{
	prepare(req, STBL_OP_PUT_NEW, key);
	req->is_unique = true;
	req->data = data;
	req->data_len = len;
	req->deadline_us = now_us() + 600 * INT64_C(1000000);
	req->exchange_us = 60 * INT64_C(1000000);
}

static void
note_done(StblHttpRequest *http)
{
	(void) http;
}

/* How many uploads of S3 are begun and neither ended nor taken back under this run's folder; -1: it cannot be told. */
static int
unfinished_uploads(const StblS3Store *s)
{
	StblHeader	headers[4] = {{"host", s->base.endpoint.host}};
	char		date[STBL_SIGV4_TIME];
	char		hash[STBL_SHA256_HEX];
	const char *lines[4] = {NULL};
	StblText	path = {0},
				query = {0},
				url = {0},
				authorization = {0},
				line[3] = {{0}};
	StblSigv4	in = {
		.access_key_id = s->access_key_id, .secret_access_key = s->secret_access_key, .region = s->region, .service = "s3",
		.amz_date = date, .method = "GET", .headers = headers, .n_headers = 3, .payload_hash = hash
	};
	StblHttpRequest http = {.method = STBL_HTTP_GET, .body = "", .headers = lines, .done = note_done, .max_body = 1 << 20,
	.deadline_us = now_us() + 10 * INT64_C(1000000)};
	int			n = -1;

	stbl_text_printf(&path, "/%s", s->bucket);
	stbl_query_add(&query, "prefix", s->base.prefix);
	stbl_query_add(&query, "uploads", "");
	stbl_text_printf(&url, "http%s://%s%s?%s", s->base.endpoint.is_tls ? "s" : "", s->base.endpoint.host, path.data, query.data);
	stbl_sigv4_time(now_us(), date);
	stbl_sha256("", 0, hash);
	headers[1] = (StblHeader) {"x-amz-date", date};
	headers[2] = (StblHeader) {"x-amz-content-sha256", hash};
	in.path = path.data;
	in.query = query.data;
	stbl_sigv4_sign(&in, &authorization);
	headers[0] = (StblHeader) {"authorization", authorization.data};
	for (int i = 0; i < 3; i++)
	{
		stbl_text_printf(&line[i], "%s: %s", headers[i].name, headers[i].value);
		lines[i] = line[i].data;
	}
	http.url = url.data;
	http.ca_file = s->base.ca_file;
	stbl_http_start(&http);
	while (http.outcome == STBL_HTTP_PENDING)
		stbl_http_drive(100);
	if (http.outcome == STBL_HTTP_ANSWERED && http.status == 200 && http.answer != NULL)
	{
		n = 0;
		for (const char *p = (char *) http.answer; (p = strstr(p, "<UploadId>")) != NULL; p++)
			n++;
	}
	free(http.answer);
	stbl_text_free(&path);
	stbl_text_free(&query);
	stbl_text_free(&url);
	stbl_text_free(&authorization);
	for (int i = 0; i < 3; i++)
		stbl_text_free(&line[i]);
	return n;
}

static void
test_uploads(void *s)
{
	char	   *data = malloc(upload);
	const char *key = k("upload");
	StblRequest req;
	int			bad = 0;

	for (size_t i = 0; i < upload; i++)
		data[i] = (char) (i * 5 + i / 253 + i / 65537);
	prepare_upload(&req, key, data, upload);
	run(s, &req);
	if (req.status != STBL_ST_OK)
		printf("# %d %s\n", req.status, req.message);
	OK(req.status == STBL_ST_OK && req.size == upload, "a unique object of %zu bytes, in parts where the store has them", upload);
	d->release(s, &req);
	OK(do_read(s, STBL_OP_HEAD, key) == STBL_ST_OK && last.size == upload, "has its size");
	for (size_t at = 0; at < upload; at += (size_t) 8 << 20)
	{
		size_t		len = upload - at < (size_t) 8 << 20 ? upload - at : (size_t) 8 << 20;

		prepare(&req, STBL_OP_GET_RANGE, key);
		req.offset = at;
		req.length = len;
		insist(s, &req);
		bad += !(req.status == STBL_ST_OK && req.body_len == len && memcmp(req.body, data + at, len) == 0);
		d->release(s, &req);
	}
	OK(bad == 0, "and is read back");
	for (int i = 0; i < 10; i++)
	{
		int64_t		t0;

		prepare_upload(&req, k("cancelled-%d", i), data, upload);
		d->submit(s, &req);
		for (int n = i * i * 2; n > 0 && req.status == STBL_ST_PENDING; n--)
			d->drive(s, 1);
		t0 = now_us();
		if (req.status == STBL_ST_PENDING)
			d->cancel(s, &req);
		d->release(s, &req);
		bad += now_us() - t0 > 1000000;
	}
	OK(bad == 0, "L34: uploads are cancelled at any point, at once");
	/* what of it is still on its way */
	for (int i = 0; i < 20; i++)
		d->drive(s, 20);
	for (int i = 0; i < 10; i++)
	{
		StblStatus	status = do_read(s, STBL_OP_HEAD, k("cancelled-%d", i));

		bad += !(status == STBL_ST_NOT_FOUND || (status == STBL_ST_OK && last.size == upload));
	}
	OK(bad == 0, "S5: of those nothing is there, or all");
	if (d == &stbl_s3_driver && ((StblS3Store *) s)->access_key_id != NULL)
	{
		bad = unfinished_uploads(s);
		OK(bad == 0, "L33: none is left unfinished (%d)", bad);
	}
	free(data);
}

/* expected length -1: an error that does not go away. */
static bool
range_is(void *s, const char *key, const char *data, uint64_t offset, uint64_t length, bool exists)
{
	StblRequest req;
	bool		ok;

	prepare(&req, STBL_OP_GET_RANGE, key);
	req.offset = offset;
	req.length = length;
	insist(s, &req);
	if (exists)
		ok = req.status == STBL_ST_OK && req.body_len == length && memcmp(req.body, data + offset, length) == 0 && req.body[length] == '\0';
	else
		ok = req.status == STBL_ST_FAILED && req.error_kind == STBL_ERR_CORRUPT && req.body == NULL;
	if (!ok)
		printf("# [%llu, +%llu): status %d, kind %d, %s\n", (unsigned long long) offset, (unsigned long long) length,
			   req.status, req.error_kind, req.message);
	d->release(s, &req);
	return ok;
}

static void
test_ranges(void *s)
{
	const char *key = k("ranges");
	char		data[1001];

	for (int i = 0; i < 1000; i++)
		data[i] = (char) ('a' + i % 23);
	data[1000] = '\0';
	OK(put(s, STBL_OP_PUT_NEW, key, data, NULL) == STBL_ST_OK, "an object of 1000 bytes");
	OK(range_is(s, key, data, 0, 1, true) && range_is(s, key, data, 999, 1, true) && range_is(s, key, data, 500, 1, true), "one byte");
	OK(range_is(s, key, data, 0, 1000, true) && range_is(s, key, data, 1, 999, true) && range_is(s, key, data, 0, 999, true), "all, and all but one");
	OK(range_is(s, key, data, 0, 0, true) && range_is(s, key, data, 1000, 0, true) && range_is(s, key, data, 500, 0, true), "nothing");
	OK(range_is(s, key, data, 1000, 1, false) && range_is(s, key, data, 999, 2, false) && range_is(s, key, data, 0, 1001, false), "one byte too many");
	OK(range_is(s, key, data, 1001, 0, false) && range_is(s, key, data, 5000, 10, false), "beyond the end");
	OK(range_is(s, key, data, UINT64_MAX - 5, 3, false) && range_is(s, key, data, 5, UINT64_MAX, false) &&
	   range_is(s, key, data, UINT64_MAX, UINT64_MAX, false), "numbers that overflow");
	do_read(s, STBL_OP_HEAD, k("none"));
	OK(put(s, STBL_OP_PUT_NEW, k("zero"), "", NULL) == STBL_ST_OK && range_is(s, k("zero"), "", 0, 0, true) && range_is(s, k("zero"), "", 0, 1, false),
	   "ranges of an empty object");
}

/* ---- keys and listings ---- */

static const char *const awkward[] = {
	"blank in it", "plus+plus", "percent%41", "percent%", "amp&<lt>\"q'", "hash#hash", "question?x=1&y", "semi;colon:at@",
	"equals=dollar$comma,", "star*bang!", "(round)[square]{curly}", "tilde~caret^bar|`", "umlaut-\xc3\xa4\xc3\xb6", "kanji-\xe6\xbc\xa2",
	"emoji-\xf0\x9f\x90\x98", "combining-e\xcc\x81", "dots..", "..dots", "...", "a.b", "-dash", "_under", ".hidden", "upper-UPPER",
	"upper-upper", "deep/er/and/deeper", "deep/er/and2", " lead", "trail ", "tab\there", "0", "%2F", "%25", "+",
	"back\\slash",				/* the last: one store takes it for a slash */
};

#define N_AWKWARD ((int) (sizeof(awkward) / sizeof(awkward[0])) - no_backslash)

/* Marks which of n names stand in a listing of all pages; the number of entries, -1 on failure. */
static int
listing(void *s, const char *prefix, char delimiter, int limit, bool (*seen) (const StblListEntry *e))
{
	char	   *token = NULL;
	int			n = 0;

	for (int page = 0; page < 10000; page++)
	{
		StblRequest req;
		char	   *next;

		prepare(&req, STBL_OP_LIST, prefix);
		req.list_delimiter = delimiter;
		req.list_limit = limit;
		req.list_token = token;
		insist(s, &req);
		free(token);
		if (req.status != STBL_ST_OK)
		{
			printf("# %s\n", req.message);
			d->release(s, &req);
			return -1;
		}
		for (size_t i = 0; i < req.n_entries; i++)
			if (!seen(&req.entries[i]))
			{
				printf("# unexpected: %s\n", req.entries[i].key);
				n = -1000000;
			}
		n += (int) req.n_entries;
		next = req.list_next != NULL ? strdup(req.list_next) : NULL;
		d->release(s, &req);
		if (next == NULL)
			return n;
		token = next;
	}
	free(token);
	return -1;
}

static int	n_seen[N_LISTED];

static bool
see_awkward(const StblListEntry *e)
{
	size_t		skip = strlen(k("keys/"));

	for (int i = 0; i < N_AWKWARD; i++)
		if (strlen(e->key) > skip && strcmp(e->key + skip, awkward[i]) == 0)
			return ++n_seen[i] == 1 && e->size == strlen(awkward[i]) && !e->is_folder;
	return false;
}

static void
test_keys(void *s)
{
	int			n;
	char		longest[1100];

	memset(n_seen, 0, sizeof(n_seen));
	for (int i = 0; i < N_AWKWARD; i++)
	{
		bool		ok = put(s, STBL_OP_PUT_NEW, k("keys/%s", awkward[i]), awkward[i], NULL) == STBL_ST_OK;

		if (!ok)
			printf("# %d %s\n", last.status, last.message);
		ok = ok && content_is(s, k("keys/%s", awkward[i]), awkward[i], strlen(awkward[i]));
		OK(ok, "key \"%s\"", awkward[i]);
	}
	n = listing(s, k("keys/"), 0, 7, see_awkward);
	OK(n == N_AWKWARD, "all of them are listed, each once, by its own name (%d of %d)", n, N_AWKWARD);
	n = 0;
	for (int i = 0; i < N_AWKWARD; i++)
		n += do_write(s, STBL_OP_DELETE, k("keys/%s", awkward[i]), NULL, 0, NULL) == STBL_ST_OK &&
			do_read(s, STBL_OP_HEAD, k("keys/%s", awkward[i])) == STBL_ST_NOT_FOUND;
	OK(n == N_AWKWARD, "and deleted");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	OK(put(s, STBL_OP_PUT_NEW, longest, "x", NULL) == STBL_ST_FAILED && last.message[0], "a key of 1100 bytes is refused");
	OK(put(s, STBL_OP_PUT_NEW, "", "x", NULL) == STBL_ST_FAILED, "and an empty one");
}

static bool
see_listed(const StblListEntry *e)
{
	int			i = -1;

	if (strncmp(e->key, k("list/"), strlen(k("list/"))) == 0)
		i = atoi(e->key + strlen(k("list/n")));
	return i >= 0 && i < listed && ++n_seen[i] == 1 && !e->is_folder && e->size == 1 && e->modified_us > 0;
}

static bool
see_level(const StblListEntry *e)
{
	const char *name = e->key + strlen(base) + 1;

	return strcmp(name, e->is_folder ? "list/" : "list2") == 0 || (e->is_folder && strcmp(name, "list3/") == 0);
}

static bool
see_any(const StblListEntry *e)
{
	(void) e;
	return true;
}

/* Many writes in flight at once. */
static int
write_many(void *s, StblOp op)
{
	static StblRequest reqs[N_LISTED];
	static char keys[N_LISTED][80];
	int			n_ok = 0;

	for (int i = 0, done = 0; done < listed;)
	{
		for (; i < listed && i - done < IN_FLIGHT; i++)
		{
			snprintf(keys[i], sizeof(keys[i]), "%s", k("list/n%d", i));
			prepare(&reqs[i], op, keys[i]);
			reqs[i].data = "x";
			reqs[i].data_len = op == STBL_OP_DELETE ? 0 : 1;
			d->submit(s, &reqs[i]);
		}
		while (reqs[done].status == STBL_ST_PENDING)
			d->drive(s, 100);
		n_ok += reqs[done].status == STBL_ST_OK;
		if (reqs[done].status != STBL_ST_OK)
			printf("# %d: %s\n", done, reqs[done].message);
		d->release(s, &reqs[done++]);
	}
	return n_ok;
}

static void
test_lists(void *s)
{
	int			n;

	OK(listing(s, k("nothing/"), 0, 0, see_any) == 0, "a listing of nothing");
	n = write_many(s, STBL_OP_PUT_NEW);
	OK(n == listed, "%d objects, %d requests in flight at once", listed, IN_FLIGHT);
	OK(put(s, STBL_OP_PUT_NEW, k("list2"), "x", NULL) == STBL_ST_OK &&
	   put(s, STBL_OP_PUT_NEW, k("list3/a"), "x", NULL) == STBL_ST_OK &&
	   put(s, STBL_OP_PUT_NEW, k("lis"), "x", NULL) == STBL_ST_OK, "and their siblings");
	memset(n_seen, 0, sizeof(n_seen));
	n = listing(s, k("list/"), 0, 0, see_listed);
	OK(n == listed, "L16: a listing has the %d objects under its prefix, and no sibling's", n);
	memset(n_seen, 0, sizeof(n_seen));
	n = listing(s, k("list/"), 0, listed * 7 / 30, see_listed);
	OK(n == listed, "and in pages of %d", listed * 7 / 30);
	memset(n_seen, 0, sizeof(n_seen));
	n = listing(s, k("list/"), '/', 0, see_listed);
	OK(n == listed, "and of one level");
	n = listing(s, k("list"), '/', 0, see_level);
	OK(n == 3, "one level has an object and two folders");
	n = listing(s, k("list"), 0, 0, see_any);
	OK(n == listed + 2, "a prefix need not end in a slash");
	n = write_many(s, STBL_OP_DELETE);
	OK(n == listed, "all deleted");
	OK(listing(s, k("list/"), 0, 0, see_any) == 0, "and gone");
}

/* ---- races ---- */

/* What the racers tell: of each, how its write ended. */
static volatile int *results;

static void
race(StblOp op, const char *key, const char *etag, int round)
{
	pid_t		pids[N_RACERS];
	int			start[2];
	char		c;

	if (pipe(start) != 0)
		exit(2);
	fflush(stdout);
	for (int i = 0; i < N_RACERS; i++)
	{
		pids[i] = fork();
		if (pids[i] == 0)
		{
			void	   *s = open_store();
			char		text[64];
			StblRequest req;
			int64_t		t0;

			close(start[1]);
			(void) do_read(s, STBL_OP_HEAD, key);	/* connected before the start */
			snprintf(text, sizeof(text), "racer %d of round %d", i, round);
			(void) read(start[0], &c, 1);
			t0 = now_us();
			for (;;)
			{
				prepare(&req, op, key);
				req.data = text;
				req.data_len = strlen(text);
				req.etag = condition(etag);
				run(s, &req);
				if (req.status != STBL_ST_TRANSIENT)
					break;
				usleep(10000);
			}
			/* L5: an answer that was lost is read back, as the caller does */
			if (req.status == STBL_ST_UNKNOWN)
				req.status = content_is(s, key, text, strlen(text)) ? STBL_ST_OK : STBL_ST_PRECONDITION;
			results[i] = (int) req.status;
			if (req.status != STBL_ST_PRECONDITION && req.status != STBL_ST_OK)
				printf("# racer %d, after %lld ms: status %d, %s\n", i, (long long) (now_us() - t0) / 1000, req.status, req.message);
			fflush(stdout);
			_exit(0);
		}
	}
	close(start[0]);
	usleep(300000);
	close(start[1]);
	for (int i = 0; i < N_RACERS; i++)
		waitpid(pids[i], NULL, 0);
}

/* Whether one racer has won, all others were told so, and its content is there. */
static bool
one_winner(void *s, const char *key, int round)
{
	int			n_won = 0;
	int			n_lost = 0;
	char		text[64] = "";

	for (int i = 0; i < N_RACERS; i++)
	{
		n_won += results[i] == STBL_ST_OK;
		n_lost += results[i] == STBL_ST_PRECONDITION;
		if (results[i] == STBL_ST_OK)
			snprintf(text, sizeof(text), "racer %d of round %d", i, round);
	}
	if (n_won != 1 || n_lost != N_RACERS - 1)
		printf("# round %d: %d won, %d lost\n", round, n_won, n_lost);
	return n_won == 1 && n_lost == N_RACERS - 1 && content_is(s, key, text, strlen(text));
}

static void
test_races(void *s)
{
	int			n = 0;
	char		etag[128];

	results = mmap(NULL, sizeof(int) * N_RACERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < rounds; i++)
	{
		const char *key = k("race-%d", i);

		race(STBL_OP_PUT_NEW, key, NULL, i);
		n += one_winner(s, key, i);
	}
	OK(n == rounds, "S2: of %d processes that create an object one wins, in %d of %d rounds", N_RACERS, n, rounds);
	n = 0;
	for (int i = 0; i < rounds; i++)
	{
		const char *key = k("race-0");

		(void) do_read(s, STBL_OP_HEAD, key);
		memcpy(etag, last.new_etag, sizeof(etag));
		race(STBL_OP_PUT_MATCH, key, etag, 100 + i);
		n += one_winner(s, key, 100 + i);
	}
	OK(n == rounds, "S3: of %d processes that replace a content one wins, in %d of %d rounds", N_RACERS, n, rounds);
}

/* ---- cancelling, deadlines ---- */

static int
n_descriptors(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
test_cancel(void *s)
{
	char	   *data = calloc(1, (size_t) 4 << 20);
	int			before;
	int			bad = 0;

	OK(do_write(s, STBL_OP_PUT_NEW, k("cancel"), data, (size_t) 4 << 20, NULL) == STBL_ST_OK, "an object of 4 MB");
	before = n_descriptors();
	for (int i = 0; i < 300; i++)
	{
		StblRequest reqs[3];
		int64_t		t0;

		prepare(&reqs[0], STBL_OP_GET, k("cancel"));
		prepare(&reqs[1], STBL_OP_LIST, base);
		prepare(&reqs[2], STBL_OP_PUT, k("cancelled"));
		reqs[2].data = data;
		reqs[2].data_len = (size_t) 1 << 20;
		for (int r = 0; r < 3; r++)
			d->submit(s, &reqs[r]);
		for (int n = i % 7; n > 0; n--)
			d->drive(s, 1);
		t0 = now_us();
		for (int r = 0; r < 3; r++)
		{
			if (reqs[r].status == STBL_ST_PENDING)
				d->cancel(s, &reqs[r]);
			d->release(s, &reqs[r]);
		}
		bad += now_us() - t0 > 500000;
	}
	OK(bad == 0, "L34: 900 requests are cancelled at any point, at once");
	OK(n_descriptors() <= before + 20, "L33: and leave no descriptors (%d, then %d)", before, n_descriptors());
	OK(do_read(s, STBL_OP_GET, k("cancel")) == STBL_ST_OK, "the next request is answered");
	free(data);
}

static void
clean_up(void *s)
{
	for (int pass = 0; pass < 100; pass++)
	{
		StblRequest req;
		size_t		n;

		prepare(&req, STBL_OP_LIST, base);
		insist(s, &req);
		n = req.n_entries;
		for (size_t i = 0; i < n; i++)
			(void) do_write(s, STBL_OP_DELETE, req.entries[i].key, NULL, 0, NULL);
		d->release(s, &req);
		if (n == 0)
			return;
	}
}

/* ---- a store that misbehaves ---- */

/* One request with so many milliseconds; what became of it is in last. */
static bool
fault(const char *endpoint, const char *bucket, StblOp op, int ms, StblStatus status, StblErrorKind kind, const char *word)
{
	StblStoreOption opts[] = {{"endpoint", endpoint}, {"access_key_id", "theaccesskey"}, {"secret_access_key", "thesecretkey"}, {"ca_file", ""}};
	char		at[100];
	void	   *s;
	StblRequest req;
	int64_t		t0 = now_us();
	bool		ok;

	snprintf(at, sizeof(at), "s3://%s", bucket);
	opts[3].value = options[0].value;
	s = open_with(at, opts, opts[3].value != NULL ? 4 : 3);
	prepare(&req, op, op == STBL_OP_LIST ? "" : "key");
	req.data = "data";
	req.data_len = 4;
	req.length = 4;
	req.etag = "\"x\"";
	req.deadline_us = t0 + ms * INT64_C(1000);
	run(s, &req);
	ok = req.status == status && req.error_kind == (int) kind && strstr(req.message, word) != NULL &&
		now_us() - t0 < (ms + 500) * INT64_C(1000) && strstr(req.message, "thesecretkey") == NULL && strstr(req.message, "theaccesskey") == NULL;
	if (!ok)
		printf("# %s: status %d, kind %d, %lld ms, %s\n", bucket, req.status, req.error_kind, (long long) (now_us() - t0) / 1000, req.message);
	last = req;
	d->release(s, &req);
	d->close(s);
	return ok;
}

/* One upload in parts; whether it came to that, and how often it was taken back. */
static bool
upload_fault(const char *endpoint, const char *bucket, int ms, StblStatus status, StblErrorKind kind, const char *word, size_t n_aborts)
{
	StblStoreOption opts[] = {{"endpoint", endpoint}};
	size_t		len = ((size_t) 64 << 20) + 1;
	char	   *data = calloc(1, len);
	char		at[100];
	void	   *s;
	StblRequest req;
	int64_t		t0 = now_us();
	bool		ok;

	snprintf(at, sizeof(at), "s3://%s", bucket);
	s = open_with(at, opts, 1);
	prepare_upload(&req, "key", data, len);
	req.deadline_us = t0 + ms * INT64_C(1000);
	if (status == STBL_ST_PENDING)
	{
		/* cancelled in the middle */
		req.deadline_us += 60 * INT64_C(1000000);
		d->submit(s, &req);
		while (now_us() - t0 < ms * INT64_C(1000))
			d->drive(s, 10);
		ok = req.status == STBL_ST_PENDING;
		t0 = now_us();
		d->cancel(s, &req);
		ok = ok && now_us() - t0 < 700000;
	}
	else
	{
		run(s, &req);
		ok = req.status == status && req.error_kind == (int) kind && strstr(req.message, word) != NULL &&
			now_us() - t0 < (ms + 500) * INT64_C(1000) && (status != STBL_ST_OK || strcmp(req.new_etag, "\"whole\"") == 0);
	}
	if (!ok)
		printf("# %s: status %d, kind %d, %lld ms, %s\n", bucket, req.status, req.error_kind, (long long) (now_us() - t0) / 1000, req.message);
	d->release(s, &req);
	ok = do_read(s, STBL_OP_GET, "key") == STBL_ST_OK && last.size == n_aborts && ok;
	if (last.size != n_aborts)
		printf("# %s: taken back %d times\n", bucket, (int) last.size);
	d->close(s);
	free(data);
	return ok;
}

static int
test_faults(const char *port, const char *tls_port, const char *ca_file)
{
	char		at[64],
				tls[64],
				tls_other[64];

	d = &stbl_s3_driver;
	snprintf(at, sizeof(at), "http://127.0.0.1:%s", port);
	snprintf(tls, sizeof(tls), "https://localhost:%s", tls_port);
	snprintf(tls_other, sizeof(tls_other), "https://127.0.0.1:%s", tls_port);
	OK(fault(at, "good", STBL_OP_GET, 5000, STBL_ST_OK, STBL_ERR_NONE, ""), "a good answer");
	OK(fault("http://127.0.0.1:1", "dead", STBL_OP_PUT_NEW, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "connect"), "a dead host: 08001, and a write was not applied");
	OK(fault("http://no.such.host.invalid", "dead", STBL_OP_GET, 20000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "connect"), "a host that has no address: 08001");
	OK(fault(at, "silent", STBL_OP_GET, 700, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "no answer in time"), "L35: a silent host: 08006 at the deadline");
	OK(fault(at, "silent", STBL_OP_PUT_NEW, 700, STBL_ST_UNKNOWN, STBL_ERR_CONNECTION, "no answer in time"), "and a write to it has an unknown outcome");
	OK(fault(at, "slow", STBL_OP_GET, 1500, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "in time"), "a host that sends one byte a second");
	OK(fault(at, "cut", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "cut short"), "a body cut short: 08006");
	OK(fault(at, "cutrange", STBL_OP_GET_RANGE, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "cut short"), "and of a range");
	OK(fault(at, "nolength", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "how long"), "a body of which nobody knows whether it is whole");
	OK(fault(at, "reset", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, "connection"), "a closed connection");
	OK(fault(at, "reset", STBL_OP_PUT_MATCH, 5000, STBL_ST_UNKNOWN, STBL_ERR_CONNECTION, "connection"), "after a write: its outcome is unknown");
	OK(fault(at, "once", STBL_OP_GET, 5000, STBL_ST_OK, STBL_ERR_NONE, ""), "a connection that is kept");
	OK(fault(at, "once", STBL_OP_PUT_NEW, 5000, STBL_ST_UNKNOWN, STBL_ERR_CONNECTION, "connection"), "L5: a write on a kept connection that is closed is not sent again");
	OK(fault(at, "count", STBL_OP_GET, 5000, STBL_ST_OK, STBL_ERR_NONE, "") && last.size == 1, "it was sent once");
	OK(fault(at, "garbage", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "HTTP"), "no HTTP: 08P01");
	OK(fault(at, "badxml", STBL_OP_LIST, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "XML"), "broken XML: 08P01");
	OK(fault(at, "webpage", STBL_OP_LIST, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "no listing"), "a web page: 08P01");
	OK(fault(at, "huge", STBL_OP_LIST, 10000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "larger"), "a listing without end: 08P01");
	OK(fault(at, "norange", STBL_OP_GET_RANGE, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "larger"), "a store that ignores ranges: 08P01");
	OK(fault(at, "otherrange", STBL_OP_GET_RANGE, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "another range"), "one that sends another range: 08P01");
	OK(fault(at, "redirect", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_INVALID, "region eu-west-3"), "a redirect: 22023, and the region is told");
	OK(fault(at, "region", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_INVALID, "region eu-west-3"), "a wrong region: 22023");
	OK(fault(at, "skew", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_STATE, "clock"), "a clock 20 minutes off: 55000");
	OK(fault(at, "expired", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "expired"), "expired credentials: 28000");
	OK(fault(at, "nobucket", STBL_OP_PUT_NEW, 5000, STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket"), "a missing bucket, to a write: 58P01");
	OK(fault(at, "nobucket", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket"), "to a read");
	OK(fault(at, "nobucket", STBL_OP_LIST, 5000, STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket"), "to a listing");
	OK(fault(at, "web404", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "endpoint"), "a 404 of what is no store is no missing object: 08P01");
	OK(fault(at, "leak", STBL_OP_GET, 5000, STBL_ST_FAILED, STBL_ERR_AUTH, "***"), "L35: a store that repeats the secret");
	OK(fault(at, "conflict", STBL_OP_PUT_NEW, 5000, STBL_ST_TRANSIENT, STBL_ERR_IO, "ConditionalRequestConflict"), "L40: a conflict is sent again");
	OK(fault(at, "error500", STBL_OP_PUT_NEW, 5000, STBL_ST_UNKNOWN, STBL_ERR_IO, "500"), "an internal error of a write");
	OK(fault(at, "error500", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_IO, "500"), "and of a read");
	OK(fault(at, "slowdown", STBL_OP_PUT_NEW, 5000, STBL_ST_TRANSIENT, STBL_ERR_IO, "SlowDown"), "a busy store");
	{
		StblStoreOption opts[] = {{"endpoint", at}};
		void	   *s = open_with("s3://slowdown", opts, 1);
		StblRequest req;
		int64_t		t0;

		prepare(&req, STBL_OP_GET, "key");
		run(s, &req);
		d->release(s, &req);
		t0 = now_us();
		prepare(&req, STBL_OP_GET, "key");
		run(s, &req);
		d->release(s, &req);
		OK(now_us() - t0 > 900000 && now_us() - t0 < 3000000, "is left alone as long as it asks (Retry-After: 1)");
		t0 = now_us();
		prepare(&req, STBL_OP_GET, "key");
		d->submit(s, &req);
		d->drive(s, 10);
		d->cancel(s, &req);
		d->release(s, &req);
		OK(now_us() - t0 < 500000, "what waits for that can be cancelled");
		prepare(&req, STBL_OP_PUT_NEW, "key");
		req.deadline_us = now_us() + 200000;
		run(s, &req);
		OK(req.status == STBL_ST_TRANSIENT && now_us() - t0 < 900000, "and keeps its deadline");
		d->release(s, &req);
		d->close(s);
	}
	OK(upload_fault(at, "up-good", 20000, STBL_ST_OK, STBL_ERR_NONE, "", 0), "an upload in parts");
	OK(upload_fault(at, "up-busy", 20000, STBL_ST_OK, STBL_ERR_NONE, "", 0), "each part of which is sent twice");
	OK(upload_fault(at, "up-denied", 20000, STBL_ST_FAILED, STBL_ERR_DENIED, "AccessDenied", 1), "L33: one that fails in the middle is taken back");
	OK(upload_fault(at, "up-broken", 3000, STBL_ST_TRANSIENT, STBL_ERR_IO, "500", 1), "and one whose part never succeeds until the deadline");
	OK(upload_fault(at, "up-silent", 1500, STBL_ST_PENDING, STBL_ERR_NONE, "", 1), "and one that is cancelled");
	OK(upload_fault(at, "up-late", 20000, STBL_ST_UNKNOWN, STBL_ERR_IO, "InternalError", 1), "one that ends in an error after the status 200 has an unknown outcome");
	OK(upload_fault(at, "up-lost", 20000, STBL_ST_UNKNOWN, STBL_ERR_CONNECTION, "connection", 1), "and one whose end has no answer");
	OK(upload_fault(at, "up-nobegin", 20000, STBL_ST_FAILED, STBL_ERR_PROTOCOL, "beginning", 0), "what is no beginning of one");
	OK(fault(tls, "good", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "secure"), "a certificate of nobody's: 08001");
	options[0].value = ca_file;
	OK(fault(tls, "good", STBL_OP_GET, 5000, STBL_ST_OK, STBL_ERR_NONE, ""), "a certificate that ca_file knows");
	OK(fault(tls_other, "good", STBL_OP_PUT_NEW, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "secure"), "a certificate of another name: 08001");
	options[0].value = "/nonexistent/ca.pem";
	OK(fault(tls, "good", STBL_OP_GET, 5000, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "ca_file"), "a ca_file that is not there");
	OK(n_descriptors() < 40, "L33: no descriptors are left (%d)", n_descriptors());
	DONE();
}

static int
option_at(const char *name)
{
	for (int i = 0; i < n_options; i++)
		if (strcmp(options[i].name, name) == 0)
			return i;
	return -1;
}

/* What a real store says to one option that is wrong: 28000, naming it and not its value. */
static bool
is_refused(int i, const char *wrong, const char *name)
{
	StblStoreOption opts[16];
	void	   *s;
	bool		ok;

	memcpy(opts, options, sizeof(opts));
	opts[i].value = wrong;
	s = open_with(url, opts, n_options);
	ok = do_read(s, STBL_OP_GET, "x") == STBL_ST_FAILED && last.error_kind == STBL_ERR_AUTH && strstr(last.message, name) != NULL &&
		strstr(last.message, wrong) == NULL &&
		put(s, STBL_OP_PUT_NEW, k("denied"), "x", NULL) == STBL_ST_FAILED && last.error_kind == STBL_ERR_AUTH;
	if (!ok)
		printf("# status %d, kind %d, %s\n", last.status, last.error_kind, last.message);
	d->close(s);
	return ok;
}

/* The same without the options of a user mapping: 42501. */
static bool
needs_credentials(const char *first, const char *second)
{
	StblStoreOption opts[16];
	void	   *s;
	int			n = 0;
	bool		ok;

	for (int i = 0; i < n_options; i++)
		if (strcmp(options[i].name, first) != 0 && strcmp(options[i].name, second) != 0)
			opts[n++] = options[i];
	s = open_with(url, opts, n);
	ok = do_read(s, STBL_OP_GET, "x") == STBL_ST_FAILED && last.error_kind == STBL_ERR_DENIED;
	if (!ok)
		printf("# status %d, kind %d, %s\n", last.status, last.error_kind, last.message);
	d->close(s);
	return ok;
}

/* Only for stores that check signatures. */
static void
test_wrong_options(void)
{
	if (option_at("secret_access_key") >= 0 && option_at("access_key_id") >= 0)
	{
		OK(is_refused(option_at("secret_access_key"), "not-the-secret-key", "secret_access_key"), "a wrong secret key: 28000");
		OK(is_refused(option_at("access_key_id"), "not-the-key-id", "access_key_id"), "an unknown access key: 28000");
		OK(needs_credentials("secret_access_key", "access_key_id"), "no credentials: 42501");
	}
	if (option_at("account_key") >= 0)
	{
		OK(is_refused(option_at("account_key"), "bm90LXRoZS1rZXktb2YtaXQ=", "account_key"), "a wrong account key: 28000");
		OK(needs_credentials("account_key", ""), "no credentials: 42501");
	}
}

int
main(int argc, char **argv)
{
	void	   *s;

	signal(SIGPIPE, SIG_IGN);
	stbl_fsync = false;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5 && strcmp(argv[1], "--faults") == 0)
		return test_faults(argv[2], argv[3], argv[4]);
	if (argc < 2)
		return 2;
	url = argv[1];
	for (int i = 2; i < argc; i++)
	{
		char	   *eq = strchr(argv[i], '=');

		if (eq == NULL || n_options == 16)
			return 2;
		*eq = '\0';
		if (strcmp(argv[i], "large") == 0)
			large = (size_t) strtoull(eq + 1, NULL, 10);
		else if (strcmp(argv[i], "upload") == 0)
			upload = (size_t) strtoull(eq + 1, NULL, 10);
		else if (strcmp(argv[i], "rounds") == 0)
			rounds = atoi(eq + 1);
		else if (strcmp(argv[i], "listed") == 0 && atoi(eq + 1) <= N_LISTED)
			listed = atoi(eq + 1);
		else if (strcmp(argv[i], "etags") == 0)
			bare_etags = strcmp(eq + 1, "bare") == 0;
		else if (strcmp(argv[i], "backslash") == 0)
			no_backslash = strcmp(eq + 1, "off") == 0;
		else
			options[n_options++] = (StblStoreOption) {argv[i], eq + 1};
	}
	d = strncmp(url, "s3:", 3) == 0 ? &stbl_s3_driver : strncmp(url, "az:", 3) == 0 ? &stbl_az_driver :
		strncmp(url, "gs:", 3) == 0 ? &stbl_gs_driver : &stbl_file_driver;
	snprintf(base, sizeof(base), "conformance-%d", (int) getpid());
	s = open_store();
	test_basics(s);
	test_sizes(s);
	test_uploads(s);
	test_ranges(s);
	test_keys(s);
	test_lists(s);
	test_cancel(s);
	test_races(s);
	test_wrong_options();
	clean_up(s);
	d->close(s);
	DONE();
}
