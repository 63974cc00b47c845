/*
 * The driver of s3:// urls.
 *
 * Each request is one request of HTTP, signed here.  An object goes out whole
 * in a single PUT: that is the only form whose conditions all stores keep
 * (conditional completions of multipart uploads had several winners, L48).
 *
 * Conditions are part of what is signed, so that nothing on the way can take
 * them off.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "store/s3_int.h"

#define MAX_OBJECT (UINT64_C(1) << 30)	/* read whole into memory */
#define MAX_PUT ((size_t) 5 * 1024 * 1024 * 1024)	/* S3's own limit of a single PUT */
#define MAX_LISTING (UINT64_C(16) << 20)
#define MAX_KEY 1024
#define MAX_HEADERS 12
#define MAX_PAUSE_US (INT64_C(20) * 1000000)

/* One request: the engine's part of it, and what must live as long. */
typedef struct S3Call
{
	StblHttpRequest http;		/* must be first */
	StblS3Store *store;
	StblRequest *req;
	StblText	url;
	StblText	path;
	StblText	query;
	StblText	lines[MAX_HEADERS];
	const char *headers[MAX_HEADERS + 1];
} S3Call;

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
fail(StblRequest *req, StblErrorKind kind, const char *message)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = kind;
	snprintf(req->message, sizeof(req->message), "%s", message);
}

static void
free_call(S3Call *call)
{
	stbl_text_free(&call->url);
	stbl_text_free(&call->path);
	stbl_text_free(&call->query);
	for (int i = 0; i < MAX_HEADERS; i++)
		stbl_text_wipe(&call->lines[i]);
	free(call->http.answer);
	free(call);
}

/* ---- answers ---- */

static bool
is_write(StblOp op)
{
	return op == STBL_OP_PUT || op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH || op == STBL_OP_DELETE;
}

/* No whole answer came. */
static void
unanswered(StblRequest *req, const StblHttpRequest *http)
{
	req->error_kind = http->error_kind;
	snprintf(req->message, sizeof(req->message), "%s", http->message);
	if (http->outcome == STBL_HTTP_NOT_SENT)
		req->status = STBL_ST_TRANSIENT;
	else if (is_write(req->op))
		req->status = STBL_ST_UNKNOWN;
	else
		req->status = http->outcome == STBL_HTTP_BAD_ANSWER ? STBL_ST_FAILED : STBL_ST_TRANSIENT;
}

/* The whole object came, as far as can be told. */
static bool
body_is_whole(StblRequest *req, const StblHttpRequest *http)
{
	if (http->is_framed && (!http->has_length || http->content_length == http->answer_len))
		return true;
	req->status = STBL_ST_TRANSIENT;
	req->error_kind = STBL_ERR_CONNECTION;
	snprintf(req->message, sizeof(req->message), "the answer does not say how long it is, or has another length");
	return false;
}

static void
take_body(StblRequest *req, StblHttpRequest *http)
{
	if (http->answer == NULL)
		http->answer = calloc(1, 1);
	if (http->answer == NULL)
	{
		fail(req, STBL_ERR_MEMORY, "out of memory");
		return;
	}
	req->body = http->answer;
	req->body_len = http->answer_len;
	http->answer = NULL;
	req->status = STBL_ST_OK;
}

static void
fail_short(StblRequest *req, uint64_t size)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_CORRUPT;
	snprintf(req->message, sizeof(req->message), "object \"%.300s\" has %" PRIu64 " bytes and ends before byte %" PRIu64,
			 req->key, size, req->length > UINT64_MAX - req->offset ? UINT64_MAX : req->offset + req->length);
}

static void
got_range(StblRequest *req, StblHttpRequest *http)
{
	uint64_t	total = http->range_total;

	req->size = total;
	if (http->status == 200 && !http->has_range)
		fail(req, STBL_ERR_PROTOCOL, "the store ignores ranges and sends the whole object");
	else if (!http->has_range || http->range_first != req->offset || http->range_last < http->range_first ||
			 http->range_last - http->range_first >= req->length)
		fail(req, STBL_ERR_PROTOCOL, "the answer holds another range than was asked for");
	else if (http->range_last - http->range_first + 1 < req->length)
	{
		if (total == http->range_last + 1)
			fail_short(req, total);
		else
			fail(req, STBL_ERR_PROTOCOL, "the answer holds another range than was asked for");
	}
	else if (!body_is_whole(req, http))
		return;
	else if (http->answer_len != req->length)
		fail(req, STBL_ERR_PROTOCOL, "the answer has another length than its range");
	else
		take_body(req, http);
}

static void
got_head(StblRequest *req, const StblHttpRequest *http)
{
	req->size = http->content_length;
	if (!http->has_length)
		fail(req, STBL_ERR_PROTOCOL, "the answer does not tell the object's size");
	else if (req->op == STBL_OP_GET_RANGE)
	{
		/* an empty range: there is no way to ask for one */
		if (req->offset > req->size)
			fail_short(req, req->size);
		else if ((req->body = calloc(1, 1)) == NULL)
			fail(req, STBL_ERR_MEMORY, "out of memory");
		else
			req->status = STBL_ST_OK;
	}
	else
		req->status = STBL_ST_OK;
}

static void
got_success(S3Call *call)
{
	StblRequest *req = call->req;
	StblHttpRequest *http = &call->http;
	const char *problem;

	memcpy(req->new_etag, http->etag, sizeof(req->new_etag));
	req->modified_us = http->modified_us;
	switch (req->op)
	{
		case STBL_OP_GET:
			if (!body_is_whole(req, http))
				break;
			take_body(req, http);
			req->size = req->body_len;
			break;
		case STBL_OP_GET_RANGE:
			if (req->length == 0)
				got_head(req, http);
			else
				got_range(req, http);
			break;
		case STBL_OP_HEAD:
			got_head(req, http);
			break;
		case STBL_OP_PUT:
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT_MATCH:
			req->size = req->data_len;
			req->status = STBL_ST_OK;
			break;
		case STBL_OP_DELETE:
			req->status = STBL_ST_OK;
			break;
		case STBL_OP_LIST:
			problem = stbl_s3_parse_list(http->answer, http->answer_len, call->store->prefix, req);
			if (problem != NULL)
				fail(req, STBL_ERR_PROTOCOL, problem);
			else
				req->status = STBL_ST_OK;
			break;
	}
	if (req->status == STBL_ST_OK && http->etag_too_long)
		fail(req, STBL_ERR_PROTOCOL, "the object's etag is too long");
}

static void
answered(StblHttpRequest *http)
{
	S3Call	   *call = (S3Call *) http;
	StblRequest *req = call->req;

	req->store_time_us = http->date_us;
	if (http->retry_after_us > 0 && http->outcome == STBL_HTTP_ANSWERED)
		call->store->hold_until_us = now_us() +
			(http->retry_after_us < MAX_PAUSE_US ? http->retry_after_us : MAX_PAUSE_US);
	if (http->outcome != STBL_HTTP_ANSWERED)
		unanswered(req, http);
	else if (http->status == 416 && req->op == STBL_OP_GET_RANGE)
		fail_short(req, http->range_total);
	else if (http->status >= 200 && http->status < 300)
		got_success(call);
	else
		stbl_s3_judge(req, http, call->store);
	req->driver_data = NULL;
	free_call(call);
}

/* ---- requests ---- */

static void
add_param(StblText *query, const char *name, const char *value)
{
	stbl_text_printf(query, "%s%s=", query->len > 0 ? "&" : "", name);
	stbl_text_encode(query, value, false);
}

static void
make_target(S3Call *call)
{
	const StblS3Store *s = call->store;
	const StblRequest *req = call->req;
	StblText	prefix = {0};
	char		number[16];

	stbl_text_puts(&call->path, "/");
	if (s->is_path_style)
	{
		stbl_text_encode(&call->path, s->bucket, false);
		if (req->op != STBL_OP_LIST)
			stbl_text_puts(&call->path, "/");
	}
	if (req->op != STBL_OP_LIST)
	{
		stbl_text_encode(&call->path, s->prefix, true);
		stbl_text_encode(&call->path, req->key, true);
	}
	else
	{
		if (req->list_token != NULL)
			add_param(&call->query, "continuation-token", req->list_token);
		if (req->list_delimiter != 0)
		{
			char		delimiter[2] = {req->list_delimiter, '\0'};

			add_param(&call->query, "delimiter", delimiter);
		}
		add_param(&call->query, "encoding-type", "url");
		add_param(&call->query, "list-type", "2");
		if (req->list_limit > 0)
		{
			snprintf(number, sizeof(number), "%d", req->list_limit);
			add_param(&call->query, "max-keys", number);
		}
		/* L16: the url's own folder is a part of every prefix */
		stbl_text_puts(&prefix, s->prefix);
		stbl_text_puts(&prefix, req->key);
		if (prefix.len > 0)
			add_param(&call->query, "prefix", prefix.data);
		call->query.failed = call->query.failed || prefix.failed;
		stbl_text_free(&prefix);
	}
	stbl_text_printf(&call->url, "%s://%s%s%s%s", s->endpoint.is_tls ? "https" : "http",
					 s->is_path_style ? "" : s->bucket, s->is_path_style ? "" : ".", s->endpoint.host,
					 call->path.failed ? "" : call->path.data);
	if (call->query.len > 0)
		stbl_text_printf(&call->url, "?%s", call->query.data);
}

static const char *
method_name(StblHttpMethod method)
{
	switch (method)
	{
		case STBL_HTTP_HEAD:
			return "HEAD";
		case STBL_HTTP_PUT:
			return "PUT";
		case STBL_HTTP_POST:
			return "POST";
		case STBL_HTTP_DELETE:
			return "DELETE";
		default:
			return "GET";
	}
}

static StblHttpMethod
method_of(const StblRequest *req)
{
	switch (req->op)
	{
		case STBL_OP_HEAD:
			return STBL_HTTP_HEAD;
		case STBL_OP_PUT:
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT_MATCH:
			return STBL_HTTP_PUT;
		case STBL_OP_DELETE:
			return STBL_HTTP_DELETE;
		case STBL_OP_GET_RANGE:
			return req->length == 0 ? STBL_HTTP_HEAD : STBL_HTTP_GET;
		default:
			return STBL_HTTP_GET;
	}
}

/* Fills the headers, with the signature where there are credentials. */
static bool
make_headers(S3Call *call)
{
	const StblS3Store *s = call->store;
	const StblRequest *req = call->req;
	StblHeader	headers[MAX_HEADERS];
	StblText	host = {0};
	StblText	authorization = {0};
	char		date[STBL_SIGV4_TIME];
	char		hash[STBL_SHA256_HEX];
	char		range[64];
	int			n = 0;
	bool		ok = true;

	if (req->op == STBL_OP_PUT_NEW)
		headers[n++] = (StblHeader) {"if-none-match", "*"};
	if (req->op == STBL_OP_PUT_MATCH)
		headers[n++] = (StblHeader) {"if-match", req->etag};
	if (req->op == STBL_OP_GET_RANGE && req->length > 0)
	{
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, req->offset, req->offset + (req->length - 1));
		headers[n++] = (StblHeader) {"range", range};
	}
	if (s->access_key_id != NULL)
	{
		StblSigv4	in = {
			.access_key_id = s->access_key_id, .secret_access_key = s->secret_access_key,
			.region = s->region, .service = "s3", .amz_date = date,
			.method = method_name(call->http.method), .path = call->path.data,
			.query = call->query.len > 0 ? call->query.data : "", .headers = headers, .payload_hash = hash
		};

		stbl_text_printf(&host, "%s%s%s", s->is_path_style ? "" : s->bucket, s->is_path_style ? "" : ".", s->endpoint.host);
		ok = !host.failed && stbl_sigv4_time(now_us(), date) && stbl_sha256(call->http.body, call->http.body_len, hash);
		if (ok)
		{
			headers[n++] = (StblHeader) {"x-amz-date", date};
			headers[n++] = (StblHeader) {"x-amz-content-sha256", hash};
			if (s->session_token != NULL)
				headers[n++] = (StblHeader) {"x-amz-security-token", s->session_token};
			headers[n] = (StblHeader) {"host", host.data};
			in.n_headers = n + 1;
			ok = stbl_sigv4_sign(&in, &authorization);
		}
		/* the library writes the host itself, the same */
		if (ok)
			headers[n++] = (StblHeader) {"authorization", authorization.data};
	}
	for (int i = 0; i < n && ok; i++)
	{
		stbl_text_printf(&call->lines[i], "%s: %s", headers[i].name, headers[i].value);
		call->headers[i] = call->lines[i].data;
		ok = !call->lines[i].failed;
	}
	stbl_text_free(&host);
	stbl_text_wipe(&authorization);
	return ok;
}

static void
start(StblS3Store *s, StblRequest *req)
{
	S3Call	   *call = calloc(1, sizeof(S3Call));
	StblHttpRequest *http = &call->http;

	if (call == NULL)
	{
		fail(req, STBL_ERR_MEMORY, "out of memory");
		return;
	}
	call->store = s;
	call->req = req;
	http->method = method_of(req);
	if (http->method == STBL_HTTP_PUT)
	{
		http->body = req->data_len > 0 ? req->data : "";
		http->body_len = req->data_len;
	}
	else
		http->body = "";
	make_target(call);
	if (call->url.failed || call->path.failed || call->query.failed || !make_headers(call))
	{
		fail(req, STBL_ERR_MEMORY, "out of memory, or a clock that is far off");
		free_call(call);
		return;
	}
	http->url = call->url.data;
	http->headers = call->headers;
	/* what a second sending cannot change */
	http->repeatable = !is_write(req->op) || req->op == STBL_OP_DELETE;
	http->ca_file = s->ca_file;
	http->use_proxy = s->use_proxy;
	http->deadline_us = req->deadline_us;
	http->not_before_us = s->hold_until_us;
	http->max_body = req->op == STBL_OP_GET ? MAX_OBJECT : req->op == STBL_OP_GET_RANGE ? req->length : MAX_LISTING;
	http->done = answered;
	req->driver_data = call;
	stbl_http_start(http);
	if (http->transfer == NULL)
	{
		req->driver_data = NULL;
		fail(req, STBL_ERR_MEMORY, "out of memory");
		free_call(call);
	}
}

static void
s3_submit(void *store, StblRequest *req)
{
	StblS3Store *s = store;

	req->status = STBL_ST_PENDING;
	req->error_kind = STBL_ERR_NONE;
	req->message[0] = '\0';
	req->new_etag[0] = '\0';
	req->store_time_us = 0;
	req->modified_us = 0;
	req->size = 0;
	req->body = NULL;
	req->body_len = 0;
	req->entries = NULL;
	req->n_entries = 0;
	req->list_next = NULL;
	req->driver_data = NULL;
	if (strlen(s->prefix) + strlen(req->key) > MAX_KEY)
		fail(req, STBL_ERR_INVALID, "the object's name with the url's folder has more than 1024 bytes");
	else if (req->op != STBL_OP_LIST && (req->key[0] == '\0' || req->key[strlen(req->key) - 1] == '/'))
		fail(req, STBL_ERR_INVALID, "an object's name is not empty, and does not end in a slash");
	else if (req->data_len > MAX_PUT && is_write(req->op))
		fail(req, STBL_ERR_LIMIT, "an object has at most 5 GB");
	else if (req->op == STBL_OP_PUT_MATCH && (req->etag == NULL || req->etag[0] == '\0'))
		fail(req, STBL_ERR_PROTOCOL, "the store has told no etag of the object");
	else if (req->op == STBL_OP_GET_RANGE && req->length > 0 &&
			 (req->offset > (uint64_t) INT64_MAX || req->length > (uint64_t) INT64_MAX - req->offset))
		fail_short(req, 0);
	else
		start(s, req);
}

static void
s3_drive(void *store, int timeout_ms)
{
	(void) store;
	stbl_http_drive(timeout_ms);
}

static void
s3_cancel(void *store, StblRequest *req)
{
	S3Call	   *call = req->driver_data;

	(void) store;
	if (call == NULL)
		return;
	stbl_http_cancel(&call->http);
	req->driver_data = NULL;
	free_call(call);
}

static void
s3_release(void *store, StblRequest *req)
{
	s3_cancel(store, req);
	free(req->body);
	req->body = NULL;
	req->body_len = 0;
	stbl_s3_free_list(req);
}

const StblStoreDriver stbl_s3_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "s3",
	.server_options = stbl_s3_server_options,
	.user_options = stbl_s3_user_options,
	.open = stbl_s3_open,
	.close = stbl_s3_close,
	.submit = s3_submit,
	.drive = s3_drive,
	.cancel = s3_cancel,
	.release = s3_release
};
