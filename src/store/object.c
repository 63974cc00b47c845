/*
 * Requests to object stores: each is one exchange of HTTP, made by its
 * store's kind and sent by the engine.  An object goes out whole in a single
 * PUT: that is the only form whose conditions all stores keep (conditional
 * completions of multipart uploads had several winners, L48).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/object.h"
#include "store/object_list.h"

#define MAX_OBJECT (UINT64_C(1) << 30)	/* read whole into memory */
#define MAX_LISTING (UINT64_C(16) << 20)
#define MAX_PAUSE_US (INT64_C(20) * 1000000)

int64_t
stbl_object_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
stbl_object_fail(StblRequest *req, StblErrorKind kind, const char *message)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = kind;
	snprintf(req->message, sizeof(req->message), "%s", message);
}

static void
free_exchange(StblExchange *x)
{
	/* where credentials are a part of the url, they go with it */
	stbl_text_wipe(&x->url);
	stbl_text_wipe(&x->query);
	stbl_text_free(&x->path);
	for (int i = 0; i < STBL_OBJECT_MAX_HEADERS; i++)
		stbl_text_wipe(&x->lines[i]);
	free(x->http.answer);
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
			/* there is no way to ask for an empty range */
			return req->length == 0 ? STBL_HTTP_HEAD : STBL_HTTP_GET;
		default:
			return STBL_HTTP_GET;
	}
}

const StblCredentials *
stbl_object_credentials(const StblObjectStore *store)
{
	return store->provider != NULL ? &store->provider->current : NULL;
}

static void
answered(StblHttpRequest *http)
{
	StblExchange *x = (StblExchange *) http;
	StblProvider *provider = x->store->provider;

	if (http->retry_after_us > 0 && http->outcome == STBL_HTTP_ANSWERED)
		x->store->hold_until_us = stbl_object_now() +
			(http->retry_after_us < MAX_PAUSE_US ? http->retry_after_us : MAX_PAUSE_US);
	stbl_object_answered(x);
	/* credentials may end before their time: newer ones get a try of their own */
	if (provider != NULL && x->req->status == STBL_ST_FAILED && x->req->error_kind == STBL_ERR_AUTH && stbl_provider_renew(provider))
		x->req->status = STBL_ST_TRANSIENT;
	x->req->driver_data = NULL;
	free_exchange(x);
}

static bool
is_made(const StblExchange *x)
{
	if (x->url.failed || x->path.failed || x->query.failed || x->url.data == NULL)
		return false;
	for (int i = 0; i < x->n_headers; i++)
		if (x->lines[i].failed)
			return false;
	return true;
}

/* Ends an exchange that was not sent. */
static void
end_unsent(StblExchange *x, StblStatus status, int kind, const char *message)
{
	StblRequest *req = x->req;

	req->driver_data = NULL;
	stbl_object_fail(req, (StblErrorKind) kind, message);
	req->status = status;
	free_exchange(x);
}

/* Makes the request, and hands it to the engine. */
static void
send_exchange(StblExchange *x)
{
	if (!x->store->kind->prepare(x) || !is_made(x))
	{
		end_unsent(x, STBL_ST_FAILED, STBL_ERR_MEMORY, "out of memory, or a clock that is far off");
		return;
	}
	x->http.url = x->url.data;
	x->http.headers = x->headers;
	x->http.not_before_us = x->store->hold_until_us;
	stbl_http_start(&x->http);
	if (x->http.transfer == NULL)
		end_unsent(x, STBL_ST_FAILED, STBL_ERR_MEMORY, "out of memory");
}

/* Sends an exchange, or lets it wait for credentials. */
static void
send_or_wait(StblExchange *x)
{
	StblProvider *provider = x->store->provider;
	StblExchange **last = &x->store->waiting;

	switch (provider != NULL ? stbl_provider_poll(provider, stbl_object_now()) : STBL_PROVIDER_READY)
	{
		case STBL_PROVIDER_READY:
			send_exchange(x);
			break;
		case STBL_PROVIDER_WAITING:
			while (*last != NULL)
				last = &(*last)->next;
			*last = x;
			break;
		case STBL_PROVIDER_FAILED:
			end_unsent(x, provider->status, provider->error_kind, provider->message);
			break;
	}
}

/* Serves what waits for credentials, if they have come or never will; whether a request is done by it. */
static bool
serve_waiting(StblObjectStore *s, int *timeout_ms)
{
	int64_t		now = stbl_object_now();
	StblProviderState state = stbl_provider_poll(s->provider, now);
	StblExchange **at = &s->waiting;
	bool		any = false;

	while (*at != NULL)
	{
		StblExchange *x = *at;
		int64_t		left_us = x->http.deadline_us - now;

		if (state == STBL_PROVIDER_WAITING && left_us > 0)
		{
			if (left_us / 1000 < *timeout_ms)
				*timeout_ms = (int) (left_us / 1000) + 1;
			at = &x->next;
			continue;
		}
		*at = x->next;
		if (state == STBL_PROVIDER_READY)
		{
			StblRequest *req = x->req;

			send_exchange(x);
			any = any || req->status != STBL_ST_PENDING;
			continue;
		}
		if (state == STBL_PROVIDER_FAILED)
			end_unsent(x, s->provider->status, s->provider->error_kind, s->provider->message);
		else
			end_unsent(x, STBL_ST_TRANSIENT, STBL_ERR_CONNECT, "no credentials came in time");
		any = true;
	}
	return any;
}

static void
start(StblObjectStore *s, StblRequest *req)
{
	StblExchange *x = calloc(1, sizeof(StblExchange));
	StblHttpRequest *http = &x->http;

	if (x == NULL)
	{
		stbl_object_fail(req, STBL_ERR_MEMORY, "out of memory");
		return;
	}
	x->store = s;
	x->req = req;
	http->method = method_of(req);
	http->body = "";
	if (http->method == STBL_HTTP_PUT && req->data_len > 0)
	{
		http->body = req->data;
		http->body_len = req->data_len;
	}
	/* what a second sending cannot change */
	http->repeatable = !stbl_object_is_write(req->op) || req->op == STBL_OP_DELETE;
	http->ca_file = s->ca_file;
	http->use_proxy = s->use_proxy;
	http->etag_header = s->kind->etag_header;
	http->deadline_us = req->deadline_us;
	http->max_body = req->op == STBL_OP_GET ? MAX_OBJECT : req->op == STBL_OP_GET_RANGE ? req->length : MAX_LISTING;
	http->done = answered;
	req->driver_data = x;
	send_or_wait(x);
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
	StblObjectStore *s = store;
	StblExchange *x = req->driver_data;
	StblExchange **at = &s->waiting;

	if (x == NULL)
		return;
	while (*at != NULL && *at != x)
		at = &(*at)->next;
	if (*at != NULL)
		*at = x->next;
	stbl_http_cancel(&x->http);
	req->driver_data = NULL;
	free_exchange(x);
}

void
stbl_object_release(void *store, StblRequest *req)
{
	stbl_object_cancel(store, req);
	free(req->body);
	req->body = NULL;
	req->body_len = 0;
	stbl_object_free_list(req);
}
