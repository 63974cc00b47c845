/*
 * Requests to object stores: each is one exchange of HTTP, made by its
 * store's kind and sent by the engine.  An object goes out whole in a single
 * PUT: that is the only form whose conditions all stores keep (conditional
 * completions of multipart uploads had several winners, L48).  Large ones
 * whose names are unique need no condition, and go in parts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/object.h"
#include "store/object_list.h"

#define MAX_OBJECT (UINT64_C(1) << 30)	/* read whole into memory */
#define MAX_LISTING (UINT64_C(16) << 20)
#define MAX_PAUSE_US (INT64_C(20) * 1000000)

void
stbl_object_fail(StblRequest *req, StblErrorKind kind, const char *message)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = kind;
	snprintf(req->message, sizeof(req->message), "%s", message);
}

void
stbl_exchange_free(StblExchange *x)
{
	/* where credentials are a part of the url, they go with it */
	stbl_text_wipe(&x->url);
	stbl_text_wipe(&x->query);
	stbl_text_free(&x->path);
	stbl_text_free(&x->body);
	for (int i = 0; i < STBL_OBJECT_MAX_HEADERS; i++)
		stbl_text_wipe(&x->lines[i]);
	free(x->http.answer);
	if (x->owns_req)
	{
		free((char *) x->req->key);
		free(x->req);
	}
	free(x);
}

void
stbl_exchange_header(StblExchange *x, const char *name, const char *value)
{
	StblText   *line = &x->lines[x->n_headers];

	stbl_text_printf(line, "%s: %s", name, value);
	x->headers[x->n_headers++] = line->data;
}

void
stbl_query_add(StblText *query, const char *name, const char *value)
{
	if (query->len > 0)
		stbl_text_puts(query, "&");
	stbl_text_encode(query, name, false);
	stbl_text_puts(query, "=");
	stbl_text_encode(query, value, false);
}

void
stbl_query_add_delimiter(StblText *query, const StblRequest *req)
{
	char		delimiter[2] = {req->list_delimiter, '\0'};

	if (req->list_delimiter != 0)
		stbl_query_add(query, "delimiter", delimiter);
}

void
stbl_query_add_limit(StblText *query, const char *name, const StblRequest *req)
{
	char		number[16];

	snprintf(number, sizeof(number), "%d", req->list_limit);
	if (req->list_limit > 0)
		stbl_query_add(query, name, number);
}

void
stbl_query_add_prefix(StblText *query, const StblObjectStore *store, const StblRequest *req)
{
	StblText	prefix = {0};

	stbl_text_puts(&prefix, store->prefix);
	stbl_text_puts(&prefix, req->key);
	if (prefix.len > 0)
		stbl_query_add(query, "prefix", prefix.data);
	query->failed = query->failed || prefix.failed;
	stbl_text_free(&prefix);
}

void
stbl_path_add_object(StblText *path, const StblObjectStore *store, const StblRequest *req)
{
	stbl_text_encode(path, store->prefix, true);
	stbl_text_encode(path, req->key, true);
}

void
stbl_exchange_url(StblExchange *x, const char *bucket)
{
	stbl_text_printf(&x->url, "%s://%s%s%s%s", x->store->endpoint.is_tls ? "https" : "http", bucket != NULL ? bucket : "",
					 bucket != NULL ? "." : "", x->store->endpoint.host, x->path.failed ? "" : x->path.data);
	if (x->query.len > 0)
		stbl_text_printf(&x->url, "?%s", x->query.data);
}

bool
stbl_exchange_bearer(StblExchange *x, const char *token)
{
	StblText	authorization = {0};
	bool		ok;

	stbl_text_printf(&authorization, "Bearer %s", token);
	ok = !authorization.failed;
	if (ok)
		stbl_exchange_header(x, "authorization", authorization.data);
	stbl_text_wipe(&authorization);
	return ok;
}

const char *
stbl_object_range(const StblRequest *req, char text[STBL_RANGE_TEXT])
{
	if (req->op != STBL_OP_GET_RANGE || req->length == 0)
		return NULL;
	snprintf(text, STBL_RANGE_TEXT, "bytes=%" PRIu64 "-%" PRIu64, req->offset, req->offset + (req->length - 1));
	return text;
}

const char *
stbl_http_method_name(StblHttpMethod method)
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
method_of(const StblExchange *x)
{
	if (x->step == STBL_STEP_PART)
		return STBL_HTTP_PUT;
	if (x->step == STBL_STEP_BEGIN || x->step == STBL_STEP_END)
		return STBL_HTTP_POST;
	if (x->step == STBL_STEP_ABORT)
		return STBL_HTTP_DELETE;
	switch (x->req->op)
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
			/* there is no way to ask for an empty range */
			return x->req->length == 0 ? STBL_HTTP_HEAD : STBL_HTTP_GET;
		default:
			return STBL_HTTP_GET;
	}
}

const StblCredentials *
stbl_object_credentials(const StblObjectStore *store)
{
	return store->provider != NULL ? &store->provider->current : NULL;
}

void
stbl_object_renew(const StblExchange *x, StblRequest *req)
{
	const StblObjectStore *store = x->store;

	if (store->provider != NULL && x->unsent == STBL_ST_PENDING && req->status == STBL_ST_FAILED && req->error_kind == STBL_ERR_AUTH && stbl_provider_renew(store->provider))
		req->status = STBL_ST_TRANSIENT;
}

/* ---- exchanges ---- */

/* The engine has ended a request. */
static void
done(StblHttpRequest *http)
{
	StblExchange *x = (StblExchange *) http;

	if (http->retry_after_us > 0 && http->outcome == STBL_HTTP_ANSWERED)
		x->store->hold_until_us = stbl_http_now() +
			(http->retry_after_us < MAX_PAUSE_US ? http->retry_after_us : MAX_PAUSE_US);
	x->ended(x);
}

static bool
is_made(const StblExchange *x)
{
	if (x->url.failed || x->path.failed || x->query.failed || x->body.failed || x->url.data == NULL)
		return false;
	for (int i = 0; i < x->n_headers; i++)
		if (x->lines[i].failed)
			return false;
	return true;
}

StblExchange *
stbl_exchange_make(StblObjectStore *s, StblRequest *req, StblStep step)
{
	StblExchange *x = calloc(1, sizeof(StblExchange));
	StblHttpRequest *http = &x->http;

	if (x == NULL)
	{
		stbl_object_fail(req, STBL_ERR_MEMORY, "out of memory");
		return NULL;
	}
	x->store = s;
	x->req = req;
	x->step = step;
	http->method = method_of(x);
	http->body = "";
	if (step == STBL_STEP_WHOLE && http->method == STBL_HTTP_PUT && req->data_len > 0)
	{
		http->body = req->data;
		http->body_len = req->data_len;
	}
	/* what a second sending cannot change */
	http->repeatable = step == STBL_STEP_WHOLE ? !stbl_object_is_write(req->op) || req->op == STBL_OP_DELETE :
		step == STBL_STEP_PART || step == STBL_STEP_ABORT;
	http->ca_file = s->ca_file;
	http->use_proxy = s->use_proxy;
	http->etag_header = s->kind->etag_header;
	http->deadline_us = req->deadline_us;
	http->max_body = req->op == STBL_OP_GET ? MAX_OBJECT : req->op == STBL_OP_GET_RANGE ? req->length : MAX_LISTING;
	http->into = req->op == STBL_OP_GET_RANGE ? req->into : NULL;
	http->done = done;
	return x;
}

/* Makes the request, and hands it to the engine; why it cannot, or NULL. */
static const char *
hand_over(StblExchange *x)
{
	if (!x->store->kind->prepare(x) || !is_made(x))
		return "out of memory, or a clock that is far off";
	x->http.url = x->url.data;
	x->http.headers = x->headers;
	if (x->http.not_before_us < x->store->hold_until_us)
		x->http.not_before_us = x->store->hold_until_us;
	stbl_http_start(&x->http);
	return x->http.transfer != NULL ? NULL : "out of memory";
}

bool
stbl_exchange_send(StblExchange *x, void (*ended) (StblExchange *x))
{
	StblProvider *provider = x->store->provider;
	StblExchange **last = &x->store->waiting;
	const char *problem;

	x->ended = ended;
	switch (provider != NULL ? stbl_provider_poll(provider, stbl_http_now()) : STBL_PROVIDER_READY)
	{
		case STBL_PROVIDER_READY:
			problem = hand_over(x);
			if (problem == NULL)
				return true;
			stbl_object_fail(x->req, STBL_ERR_MEMORY, problem);
			break;
		case STBL_PROVIDER_WAITING:
			while (*last != NULL)
				last = &(*last)->next;
			*last = x;
			return true;
		case STBL_PROVIDER_FAILED:
			stbl_object_fail(x->req, (StblErrorKind) provider->error_kind, provider->message);
			x->req->status = provider->status;
			break;
	}
	stbl_exchange_free(x);
	return false;
}

void
stbl_exchange_cancel(StblExchange *x)
{
	StblExchange **at = &x->store->waiting;

	while (*at != NULL && *at != x)
		at = &(*at)->next;
	if (*at != NULL)
		*at = x->next;
	stbl_http_cancel(&x->http);
	stbl_exchange_free(x);
}

/* Ends an exchange that never went out. */
static void
end_unsent(StblExchange *x, StblStatus status, int kind, const char *message)
{
	x->unsent = status;
	x->http.outcome = STBL_HTTP_NOT_SENT;
	x->http.error_kind = kind;
	snprintf(x->http.message, sizeof(x->http.message), "%s", message);
	x->ended(x);
}

/* The first of those that wait for credentials whose wait is over; taken out of them. */
static StblExchange *
take_waiting(StblObjectStore *s, StblProviderState state, int64_t now, int *timeout_ms)
{
	for (StblExchange **at = &s->waiting; *at != NULL; at = &(*at)->next)
	{
		StblExchange *x = *at;
		int64_t		left_us = x->http.deadline_us - now;

		if (state != STBL_PROVIDER_WAITING || left_us <= 0)
		{
			*at = x->next;
			x->next = NULL;
			return x;
		}
		if (left_us / 1000 < *timeout_ms)
			*timeout_ms = (int) (left_us / 1000) + 1;
	}
	return NULL;
}

/* Serves what waits for credentials, if they have come or never will; whether any was ended by it. */
static bool
serve_waiting(StblObjectStore *s, int *timeout_ms)
{
	int64_t		now = stbl_http_now();
	StblProviderState state = stbl_provider_poll(s->provider, now);
	bool		any = false;
	StblExchange *x;

	while ((x = take_waiting(s, state, now, timeout_ms)) != NULL)
	{
		const char *problem = state == STBL_PROVIDER_READY ? hand_over(x) : NULL;

		if (state == STBL_PROVIDER_READY && problem == NULL)
			continue;
		any = true;
		if (problem != NULL)
			end_unsent(x, STBL_ST_FAILED, STBL_ERR_MEMORY, problem);
		else if (state == STBL_PROVIDER_FAILED)
			end_unsent(x, s->provider->status, s->provider->error_kind, s->provider->message);
		else
			end_unsent(x, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "no credentials came in time");
	}
	return any;
}

/* ---- requests ---- */

static void
answered(StblExchange *x)
{
	x->req->driver_data = NULL;
	stbl_object_answered(x);
	stbl_object_renew(x, x->req);
	stbl_exchange_free(x);
}

static void
start(StblObjectStore *s, StblRequest *req)
{
	StblExchange *x = stbl_exchange_make(s, req, STBL_STEP_WHOLE);

	if (x != NULL && stbl_exchange_send(x, answered))
		req->driver_data = x;
}

void
stbl_object_submit(void *store, StblRequest *req)
{
	StblObjectStore *s = store;

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
	if (strlen(s->prefix) + strlen(req->key) > s->kind->max_key)
	{
		stbl_object_fail(req, STBL_ERR_INVALID, "");
		snprintf(req->message, sizeof(req->message), "the object's name with the url's folder has more than %zu bytes", s->kind->max_key);
	}
	else if (req->op != STBL_OP_LIST && (req->key[0] == '\0' || req->key[strlen(req->key) - 1] == '/'))
		stbl_object_fail(req, STBL_ERR_INVALID, "an object's name is not empty, and does not end in a slash");
	else if (req->data_len > s->kind->max_put && stbl_object_is_write(req->op))
	{
		stbl_object_fail(req, STBL_ERR_LIMIT, "");
		snprintf(req->message, sizeof(req->message), "an object has at most %zu MB", s->kind->max_put >> 20);
	}
	else if (req->op == STBL_OP_PUT_MATCH && (req->etag == NULL || req->etag[0] == '\0'))
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the store has told no etag of the object");
	else if (req->op == STBL_OP_GET_RANGE && req->length > 0 &&
			 (req->offset > (uint64_t) INT64_MAX || req->length > (uint64_t) INT64_MAX - req->offset))
		stbl_object_fail_short(req, 0);
	else if (stbl_upload_is_due(s, req))
		stbl_upload_start(s, req);
	else
		start(s, req);
}

void
stbl_object_drive(void *store, int timeout_ms)
{
	StblObjectStore *s = store;

	if (s->waiting != NULL && serve_waiting(s, &timeout_ms))
		return;
	stbl_http_drive(timeout_ms);
	if (s->waiting != NULL)
		(void) serve_waiting(s, &timeout_ms);
}

void
stbl_object_cancel(void *store, StblRequest *req)
{
	if (req->driver_data == NULL)
		return;
	if (stbl_upload_is_due(store, req))
		stbl_upload_cancel(req);
	else
		stbl_exchange_cancel(req->driver_data);
	req->driver_data = NULL;
}

void
stbl_object_release(void *store, StblRequest *req)
{
	stbl_object_cancel(store, req);
	if (req->body != req->into)
		free(req->body);
	req->body = NULL;
	req->body_len = 0;
	stbl_object_free_list(req);
}
