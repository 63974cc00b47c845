/*
 * Uploads in parts: for large objects whose names are unique, so that no
 * condition is needed.  The parts are pieces of the caller's memory; a few are
 * in flight at once, each is sent again by itself, and only the last step
 * makes an object of them, whole.
 *
 * What was begun and is not ended stays with some stores, and is paid for: it
 * is taken back after a failure or a cancellation.  That can fail; a rule of
 * the store then has to do it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "store/object.h"
#include "store/xml.h"

#define MIN_UPLOAD ((size_t) 64 << 20)	/* from this size on */
#define MIN_PART ((size_t) 16 << 20)
#define IN_FLIGHT 4
#define MAX_TRIES 6
#define PAUSE_US (INT64_C(100) * 1000)
#define ABORT_US (INT64_C(5) * 1000000) /* how long taking it back may take */
#define LAST_DRIVES_US (INT64_C(500) * 1000)	/* and after a cancellation, here */
#define MAX_ID 1024

typedef struct Part
{
	StblExchange *x;			/* NULL: not in flight */
	char		etag[128];
	int			n_tries;
} Part;

struct StblUpload
{
	StblObjectStore *store;
	StblRequest *req;
	StblText	id;
	size_t		part_size;
	int			n_parts;
	int			n_sent;			/* parts sent at least once */
	int			n_flying;
	int			n_done;
	Part	   *parts;
	StblExchange *x;			/* BEGIN, END or ABORT, in flight */
	int			n_tries;		/* of it */
	StblRequest verdict;		/* what it has come to, while ABORT is in flight */
};

bool
stbl_upload_is_due(const StblObjectStore *store, const StblRequest *req)
{
	return req->op == STBL_OP_PUT_NEW && req->is_unique && req->data_len >= MIN_UPLOAD && store->kind->max_parts > 0;
}

/* Forgets all that is in flight. */
static void
stop(StblUpload *u)
{
	for (int i = 0; i < u->n_parts && u->n_flying > 0; i++)
		if (u->parts[i].x != NULL)
		{
			stbl_exchange_cancel(u->parts[i].x);
			u->parts[i].x = NULL;
			u->n_flying--;
		}
	if (u->x != NULL)
		stbl_exchange_cancel(u->x);
	u->x = NULL;
}

static void
free_upload(StblUpload *u)
{
	stbl_text_free(&u->id);
	free(u->parts);
	free(u);
}

/* The request is done. */
static void
finish(StblUpload *u, const StblRequest *verdict)
{
	StblRequest *req = u->req;

	req->status = verdict->status;
	req->error_kind = verdict->error_kind;
	memcpy(req->message, verdict->message, sizeof(req->message));
	req->driver_data = NULL;
	free_upload(u);
}

/* An exchange of a step, with the deadline of one. */
static StblExchange *
make_step(StblUpload *u, StblStep step, int n_tries)
{
	StblRequest *req = u->req;
	StblExchange *x = stbl_exchange_make(u->store, req, step);
	int64_t		now = stbl_http_now();
	int64_t		pause = n_tries > 0 ? PAUSE_US << n_tries : 0;

	if (x == NULL)
		return NULL;
	x->upload = u;
	x->upload_id = u->id.data;
	/* not all writers at the same moment */
	if (pause > 0 && now + pause / 2 + now % (pause / 2) > x->http.not_before_us)
		x->http.not_before_us = now + pause / 2 + now % (pause / 2);
	if (req->exchange_us > 0 && now + pause + req->exchange_us < req->deadline_us)
		x->http.deadline_us = now + pause + req->exchange_us;
	return x;
}

/* What a step that has not succeeded means, for the step alone. */
static StblRequest
judge(StblUpload *u, const StblExchange *x)
{
	StblRequest verdict;

	memset(&verdict, 0, sizeof(verdict));
	verdict.op = STBL_OP_PUT;
	verdict.key = u->req->key;
	if (x->http.outcome != STBL_HTTP_ANSWERED)
		stbl_object_unanswered(&verdict, x);
	else
		stbl_object_judge(&verdict, &x->http, u->store);
	stbl_object_renew(x, &verdict);
	return verdict;
}

static bool
may_send_again(const StblUpload *u, int n_tries)
{
	return n_tries < MAX_TRIES && stbl_http_now() + (PAUSE_US << n_tries) < u->req->deadline_us;
}

/* ---- taking it back ---- */

static void
abort_ended(StblExchange *x)
{
	StblUpload *u = x->upload;

	stbl_exchange_free(x);
	u->x = NULL;
	finish(u, &u->verdict);
}

/* It has come to nothing: what was begun is taken back, then the request is done. */
static void
give_up(StblUpload *u, const StblRequest *verdict)
{
	StblExchange *x;
	int64_t		now = stbl_http_now();

	stop(u);
	u->verdict = *verdict;
	if (u->store->kind->has_abort && u->id.len > 0 && (x = make_step(u, STBL_STEP_ABORT, 0)) != NULL)
	{
		if (x->http.deadline_us > now + ABORT_US)
			x->http.deadline_us = now + ABORT_US;
		if (stbl_exchange_send(x, abort_ended))
		{
			u->x = x;
			/* what could not be set up has changed them */
			u->req->status = STBL_ST_PENDING;
			return;
		}
	}
	finish(u, &u->verdict);
}

/* Something cannot be had here; req says what. */
static void
give_up_here(StblUpload *u)
{
	StblRequest verdict = *u->req;

	give_up(u, &verdict);
}

/* ---- the steps ---- */

static bool
is_success(const StblHttpRequest *http)
{
	return http->outcome == STBL_HTTP_ANSWERED && http->status >= 200 && http->status < 300;
}

/* The text of an element right under the root; false if the answer is not of that kind. */
static bool
read_element(const StblHttpRequest *http, const char *root, const char *name, StblText *out)
{
	StblXml		xml;
	bool		is_it = false;

	stbl_xml_init(&xml, (const char *) http->answer, http->answer_len);
	for (;;)
		switch (stbl_xml_next(&xml))
		{
			case STBL_XML_START:
				if (xml.depth == 1 && !stbl_xml_is(&xml, root))
					return false;
				is_it = xml.depth == 2 && stbl_xml_is(&xml, name);
				break;
			case STBL_XML_TEXT:
				if (is_it)
				{
					char	   *text = malloc(xml.text_len + 1);
					long		n = text != NULL ? stbl_xml_text(&xml, text) : -1;

					if (n > 0)
						stbl_text_add(out, text, (size_t) n);
					free(text);
				}
				break;
			case STBL_XML_END:
				is_it = false;
				break;
			case STBL_XML_DONE:
				return !out->failed;
			case STBL_XML_ERROR:
				return false;
		}
}

static void
end_ended(StblExchange *x)
{
	StblUpload *u = x->upload;
	StblHttpRequest *http = &x->http;
	StblText	etag = {0};
	StblRequest verdict;
	bool		ok = is_success(http);

	u->x = NULL;
	u->req->store_time_us = http->date_us;
	/* some begin to answer before they know how it ends */
	if (ok && u->store->kind->end_root != NULL && !read_element(http, u->store->kind->end_root, "ETag", &etag))
	{
		http->status = 500;
		ok = false;
	}
	if (ok)
	{
		memset(&verdict, 0, sizeof(verdict));
		verdict.status = STBL_ST_OK;
		snprintf(u->req->new_etag, sizeof(u->req->new_etag), "%s", etag.len > 0 && etag.len < sizeof(u->req->new_etag) ? etag.data : http->etag);
		u->req->modified_us = http->modified_us;
		u->req->size = u->req->data_len;
		finish(u, &verdict);
	}
	else
	{
		/* without an answer it may be there, whole: the caller looks */
		verdict = judge(u, x);
		if (verdict.status == STBL_ST_FAILED && http->status == 412)
			verdict.status = STBL_ST_PRECONDITION;
		give_up(u, &verdict);
	}
	stbl_text_free(&etag);
	stbl_exchange_free(x);
}

static void
send_end(StblUpload *u)
{
	const StblObjectKind *kind = u->store->kind;
	StblExchange *x = make_step(u, STBL_STEP_END, 0);

	if (x != NULL)
	{
		stbl_text_printf(&x->body, "<%s>", kind->list_root);
		for (int i = 0; i < u->n_parts; i++)
			kind->list_part(&x->body, u->id.data, i + 1, u->parts[i].etag);
		stbl_text_printf(&x->body, "</%s>", kind->list_root);
		x->http.body = x->body.data;
		x->http.body_len = x->body.len;
		if (!x->body.failed && stbl_exchange_send(x, end_ended))
		{
			u->x = x;
			return;
		}
		if (x->body.failed)
		{
			stbl_object_fail(u->req, STBL_ERR_MEMORY, "out of memory");
			stbl_exchange_free(x);
		}
	}
	give_up_here(u);
}

static void part_ended(StblExchange *x);

/* Sends a part, again or for the first time; false: it cannot be set up. */
static bool
send_part(StblUpload *u, int i)
{
	Part	   *part = &u->parts[i];
	StblExchange *x = make_step(u, STBL_STEP_PART, part->n_tries);
	size_t		begin = u->part_size * (size_t) i;

	if (x == NULL)
		return false;
	x->part = i + 1;
	x->http.body = (const char *) u->req->data + begin;
	x->http.body_len = u->req->data_len - begin < u->part_size ? u->req->data_len - begin : u->part_size;
	part->n_tries++;
	if (!stbl_exchange_send(x, part_ended))
		return false;
	part->x = x;
	u->n_flying++;
	return true;
}

static void
send_parts(StblUpload *u)
{
	while (u->n_flying < IN_FLIGHT && u->n_sent < u->n_parts)
		if (!send_part(u, u->n_sent++))
		{
			give_up_here(u);
			return;
		}
}

static void
part_ended(StblExchange *x)
{
	StblUpload *u = x->upload;
	Part	   *part = &u->parts[x->part - 1];
	StblHttpRequest *http = &x->http;
	StblRequest verdict;

	part->x = NULL;
	u->n_flying--;
	if (is_success(http) && !http->etag_too_long)
	{
		memcpy(part->etag, http->etag, sizeof(part->etag));
		u->n_done++;
		stbl_exchange_free(x);
		if (u->n_done == u->n_parts)
			send_end(u);
		else
			send_parts(u);
		return;
	}
	verdict = judge(u, x);
	/* a part that was sent twice is one */
	if (verdict.status == STBL_ST_UNKNOWN)
		verdict.status = STBL_ST_TRANSIENT;
	stbl_exchange_free(x);
	if (verdict.status != STBL_ST_TRANSIENT || !may_send_again(u, part->n_tries))
		give_up(u, &verdict);
	else if (!send_part(u, (int) (part - u->parts)))
		give_up_here(u);
}

static void
begin_ended(StblExchange *x)
{
	StblUpload *u = x->upload;
	StblHttpRequest *http = &x->http;
	StblRequest verdict;

	u->x = NULL;
	if (!is_success(http))
	{
		verdict = judge(u, x);
		/* at worst one more was begun, of which nobody knows */
		if (verdict.status == STBL_ST_UNKNOWN)
			verdict.status = STBL_ST_TRANSIENT;
		give_up(u, &verdict);
	}
	else if (!read_element(http, u->store->kind->begin_root, "UploadId", &u->id) || u->id.len == 0 || u->id.len > MAX_ID)
	{
		stbl_text_free(&u->id);
		stbl_object_fail(u->req, STBL_ERR_PROTOCOL, "the answer to the beginning of an upload in parts is none");
		give_up_here(u);
	}
	else
		send_parts(u);
	stbl_exchange_free(x);
}

static void
send_begin(StblUpload *u)
{
	StblExchange *x = make_step(u, STBL_STEP_BEGIN, 0);

	if (x != NULL && stbl_exchange_send(x, begin_ended))
		u->x = x;
	else
		give_up_here(u);
}

/* An id of our own, of always the same length. */
static bool
make_id(StblUpload *u)
{
	uint64_t	random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return false;
	stbl_text_printf(&u->id, "%016llx", (unsigned long long) random);
	return !u->id.failed;
}

void
stbl_upload_start(StblObjectStore *store, StblRequest *req)
{
	StblUpload *u = calloc(1, sizeof(StblUpload));
	size_t		max_parts = (size_t) store->kind->max_parts;

	if (u != NULL)
	{
		u->store = store;
		u->req = req;
		u->part_size = (req->data_len + max_parts - 1) / max_parts;
		if (u->part_size < MIN_PART)
			u->part_size = MIN_PART;
		u->n_parts = (int) ((req->data_len + u->part_size - 1) / u->part_size);
		u->parts = calloc((size_t) u->n_parts, sizeof(Part));
	}
	if (u == NULL || u->parts == NULL || (store->kind->begin_root == NULL && !make_id(u)))
	{
		stbl_object_fail(req, STBL_ERR_MEMORY, "out of memory");
		if (u != NULL)
			free_upload(u);
		return;
	}
	req->driver_data = u;
	if (store->kind->begin_root != NULL)
		send_begin(u);
	else
		send_parts(u);
}

/* ---- cancelling ---- */

/* What stays of a request that is gone: its key. */
static StblRequest *
make_orphan(const StblRequest *req)
{
	StblRequest *orphan = calloc(1, sizeof(StblRequest));

	if (orphan == NULL)
		return NULL;
	orphan->op = req->op;
	orphan->key = strdup(req->key);
	orphan->deadline_us = stbl_http_now() + ABORT_US;
	if (orphan->key != NULL)
		return orphan;
	free(orphan);
	return NULL;
}

static void
attach(StblExchange *x)
{
	x->next_detached = x->store->detached;
	x->store->detached = x;
}

static void
detached_ended(StblExchange *x)
{
	StblExchange **p = &x->store->detached;

	while (*p != x)
		p = &(*p)->next_detached;
	*p = x->next_detached;
	stbl_exchange_free(x);
}

/* Takes back an upload whose request is gone. */
static void
abort_orphan(StblObjectStore *store, const StblRequest *req, const char *id)
{
	StblRequest *orphan = make_orphan(req);
	StblExchange *x = orphan != NULL ? stbl_exchange_make(store, orphan, STBL_STEP_ABORT) : NULL;

	if (x == NULL)
	{
		if (orphan != NULL)
			free((char *) orphan->key);
		free(orphan);
		return;
	}
	x->owns_req = true;
	x->upload_id = id;
	if (!stbl_exchange_send(x, detached_ended))
		return;
	/* one that waits for credentials is made later, when the id is gone */
	if (x->http.transfer != NULL)
		attach(x);
	else
		stbl_exchange_cancel(x);
}

/* Only now it is known what there is to take back. */
static void
orphan_begun(StblExchange *x)
{
	StblText	id = {0};

	if (is_success(&x->http) && read_element(&x->http, x->store->kind->begin_root, "UploadId", &id) && id.len > 0 && id.len <= MAX_ID)
		abort_orphan(x->store, x->req, id.data);
	stbl_text_free(&id);
	detached_ended(x);
}

void
stbl_upload_cancel(StblRequest *req)
{
	StblUpload *u = req->driver_data;
	StblObjectStore *store = u->store;
	StblRequest *orphan = NULL;
	int64_t		until = stbl_http_now() + LAST_DRIVES_US;

	if (u->x != NULL && u->x->step == STBL_STEP_BEGIN && store->kind->has_abort && u->x->http.transfer != NULL)
		orphan = make_orphan(req);
	if (orphan != NULL)
	{
		u->x->req = orphan;
		u->x->owns_req = true;
		u->x->upload = NULL;
		u->x->ended = orphan_begun;
		attach(u->x);
		u->x = NULL;
	}
	stop(u);
	if (store->kind->has_abort && u->id.len > 0)
		abort_orphan(store, req, u->id.data);
	free_upload(u);
	/* nobody waits for it later; another request of the session may finish it */
	while (store->detached != NULL && stbl_http_now() < until)
		stbl_object_drive(store, 20);
}
