/*
 * Calls: submit, await, retry, and the resolution of unknown outcomes.
 *
 * A call goes through these phases; `step` moves it on:
 *
 *	 SENT	   the request is with the driver
 *	 ASKED	   a conditional PUT without an answer is being read back
 *	 PAUSED	   waits before it is sent, or asked, again
 *	 DONE
 *
 * Awaiting one call moves on all calls of its store.
 *
 * A write of which one sending had no answer never ends as FAILED, whatever
 * the later ones were told: that first copy may still be applied.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "store/store_int.h"

int			stbl_http_timeout_ms = 30000;
int			stbl_retry_deadline_ms = 60000;

/* Objects above this size are told apart by their size: their names are new uuids. */
#define COMPARE_MAX ((size_t) 8 * 1024 * 1024)

/* A large object with a unique name has supertable.http_timeout once more for each so many bytes. */
#define UNIQUE_PIECE ((size_t) 64 * 1024 * 1024)

#define PAUSE_MIN_US ((int64) 10 * 1000)
#define PAUSE_MAX_US ((int64) 2000 * 1000)

typedef enum Phase
{
	PHASE_SENT,
	PHASE_ASKED,
	PHASE_PAUSED,
	PHASE_DONE
} Phase;

typedef struct Call
{
	StblCall	pub;			/* must be first */
	Phase		phase;
	Phase		after_pause;
	int64		deadline_us;	/* no sending or asking begins after it */
	int64		limit_us;		/* nothing is waited for after it: the caller's deadline */
	int64		resume_us;
	int64		pause_us;
	StblRequest ask;			/* the read-back */
	bool		may_be_applied; /* a sending of this write had no answer */
	bool		released;
	dlist_node	node;			/* in active_calls, while not DONE */
	MemoryContextCallback callback;
} Call;

static dlist_head active_calls = DLIST_STATIC_INIT(active_calls);

/* Takes a request back from the driver, answered or not. */
static void
take_back(StblStore *store, StblRequest *req)
{
	if (req->status == STBL_ST_PENDING)
		store->driver->cancel(store->handle, req);
	store->driver->release(store->handle, req);
}

static void
finish(Call *call, StblStatus status)
{
	call->pub.req.status = status;
	if (call->phase != PHASE_DONE)
		dlist_delete(&call->node);
	call->phase = PHASE_DONE;
}

static void
release_call(void *arg)
{
	Call	   *call = arg;
	StblStore  *store = call->pub.store;

	if (call->released)
		return;
	call->released = true;
	take_back(store, &call->pub.req);
	if (call->ask.deadline_us != 0)
		take_back(store, &call->ask);
	if (call->phase != PHASE_DONE)
		finish(call, STBL_ST_UNKNOWN);
}

void
stbl_call_free(StblCall *call)
{
	release_call(call);
}

/* How long one sending may take: of what may go in parts, longer, as each part has that time. */
static int64
try_deadline(Call *call)
{
	int64		timeout_us = (int64) stbl_http_timeout_ms * 1000;

	if (call->pub.req.is_unique)
		timeout_us *= 1 + (int64) (call->pub.req.data_len / UNIQUE_PIECE);
	return Min(call->limit_us, stbl_now_us() + timeout_us);
}

static void
send(Call *call)
{
	StblStore  *store = call->pub.store;
	StblRequest *req = &call->pub.req;

	if (call->pub.n_sent > 0)
		take_back(store, req);
	req->status = STBL_ST_PENDING;
	req->error_kind = STBL_ERR_NONE;
	req->message[0] = '\0';
	req->new_etag[0] = '\0';
	req->body_len = 0;
	req->deadline_us = try_deadline(call);
	call->pub.n_sent++;
	call->phase = PHASE_SENT;
	store->driver->submit(store->handle, req);
}

static void
ask(Call *call)
{
	StblStore  *store = call->pub.store;
	const StblRequest *req = &call->pub.req;

	if (call->ask.deadline_us != 0)
		take_back(store, &call->ask);
	memset(&call->ask, 0, sizeof(call->ask));
	call->ask.op = req->op == STBL_OP_PUT_NEW && req->data_len > COMPARE_MAX ? STBL_OP_HEAD : STBL_OP_GET;
	call->ask.key = req->key;
	call->ask.deadline_us = try_deadline(call);
	call->phase = PHASE_ASKED;
	store->driver->submit(store->handle, &call->ask);
}

/* Waits a while and goes on with phase; false when the deadline leaves no time. */
static bool
pause_then(Call *call, Phase phase)
{
	int64		now = stbl_now_us();
	int64		pause = call->pause_us / 2 +
		(int64) (pg_prng_double(&pg_global_prng_state) * (call->pause_us / 2));

	if (now + pause >= call->deadline_us)
		return false;
	call->pause_us = Min(call->pause_us * 2, PAUSE_MAX_US);
	call->resume_us = now + pause;
	call->after_pause = phase;
	call->phase = PHASE_PAUSED;
	return true;
}

static bool
is_write(StblOp op)
{
	return op == STBL_OP_PUT || op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH || op == STBL_OP_DELETE;
}

static bool
is_conditional(StblOp op)
{
	return op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH;
}

/* The call has failed, for all that is known. */
static void
finish_failed(Call *call)
{
	finish(call, call->may_be_applied ? STBL_ST_UNKNOWN : STBL_ST_FAILED);
}

static void
note_clock(StblStore *store, const StblRequest *req)
{
	store->clock_us = Max(store->clock_us, req->store_time_us);
}

static void
answered(Call *call)
{
	StblRequest *req = &call->pub.req;

	stbl_stat_request(call->pub.store, req, call->pub.n_sent > 1);
	note_clock(call->pub.store, req);
	if (req->status == STBL_ST_UNKNOWN && is_write(req->op))
		call->may_be_applied = true;
	switch (req->status)
	{
		case STBL_ST_OK:
			finish(call, STBL_ST_OK);
			break;
		case STBL_ST_FAILED:
			finish_failed(call);
			break;
		case STBL_ST_NOT_FOUND:
			if (!is_write(req->op))
				finish(call, STBL_ST_NOT_FOUND);
			else if (req->op == STBL_OP_DELETE)
				finish(call, STBL_ST_OK);
			else if (req->op == STBL_OP_PUT_MATCH)
				finish(call, STBL_ST_PRECONDITION);
			else
				finish_failed(call);	/* not the object is missing, but the place to put it */
			break;
		case STBL_ST_PRECONDITION:
			if (call->pub.n_sent > 1)
				ask(call);
			else
				finish(call, STBL_ST_PRECONDITION);
			break;
		case STBL_ST_UNKNOWN:
			if (is_conditional(req->op))
				ask(call);
			else if (!pause_then(call, PHASE_SENT))
				finish_failed(call);
			break;
		case STBL_ST_TRANSIENT:
			if (!pause_then(call, PHASE_SENT))
				finish_failed(call);
			break;
		case STBL_ST_PENDING:
			break;
	}
}

static bool
is_ours(Call *call)
{
	const StblRequest *req = &call->pub.req;

	if (call->ask.op == STBL_OP_HEAD)
		return call->ask.size == req->data_len;
	return call->ask.body_len == req->data_len &&
		(req->data_len == 0 || memcmp(call->ask.body, req->data, req->data_len) == 0);
}

/* The object is another's: what the driver said of our own sending no longer matters. */
static void
finish_lost(Call *call)
{
	call->pub.req.error_kind = STBL_ERR_NONE;
	call->pub.req.message[0] = '\0';
	finish(call, STBL_ST_PRECONDITION);
}

/* A conditional PUT without an answer was read back. */
static void
asked(Call *call)
{
	StblRequest *req = &call->pub.req;

	stbl_stat_request(call->pub.store, &call->ask, true);
	note_clock(call->pub.store, &call->ask);
	switch (call->ask.status)
	{
		case STBL_ST_OK:
			if (is_ours(call))
			{
				strlcpy(req->new_etag, call->ask.new_etag, sizeof(req->new_etag));
				req->modified_us = call->ask.modified_us;
				req->store_time_us = call->ask.store_time_us;
				req->size = call->ask.size;
				req->message[0] = '\0';
				finish(call, STBL_ST_OK);
			}
			else if (req->op == STBL_OP_PUT_MATCH && strcmp(call->ask.new_etag, req->etag) == 0)
			{
				if (!pause_then(call, PHASE_SENT))
					finish(call, STBL_ST_UNKNOWN);
			}
			else
				finish_lost(call);
			break;
		case STBL_ST_NOT_FOUND:
			if (req->op == STBL_OP_PUT_MATCH)
				finish_lost(call);
			else if (!pause_then(call, PHASE_SENT))
				finish(call, STBL_ST_UNKNOWN);
			break;
		case STBL_ST_FAILED:
			finish(call, STBL_ST_UNKNOWN);
			break;
		default:
			if (!pause_then(call, PHASE_ASKED))
				finish(call, STBL_ST_UNKNOWN);
	}
}

bool
stbl_store_is_awaited(const StblStore *store)
{
	dlist_iter	it;

	dlist_foreach(it, &active_calls)
		if (dlist_container(Call, node, it.cur)->pub.store->handle == store->handle)
			return true;
	return false;
}

/* Whether a request is still with the driver.  One that it should have answered long ago is taken from it. */
static bool
is_with_driver(Call *call, StblRequest *req)
{
	StblStore  *store = call->pub.store;

	if (req->status != STBL_ST_PENDING)
		return false;
	if (stbl_now_us() < req->deadline_us + STBL_DRIVER_GRACE_US)
		return true;
	store->driver->cancel(store->handle, req);
	req->status = is_write(req->op) ? STBL_ST_UNKNOWN : STBL_ST_TRANSIENT;
	req->error_kind = STBL_ERR_IO;
	strlcpy(req->message, "no answer", sizeof(req->message));
	return false;
}

/* Moves a call on as far as it goes without waiting. */
static void
step(Call *call)
{
	for (;;)
	{
		switch (call->phase)
		{
			case PHASE_SENT:
				if (is_with_driver(call, &call->pub.req))
					return;
				answered(call);
				break;
			case PHASE_ASKED:
				if (is_with_driver(call, &call->ask))
					return;
				asked(call);
				break;
			case PHASE_PAUSED:
				if (stbl_now_us() < call->resume_us)
					return;
				if (call->after_pause == PHASE_SENT)
					send(call);
				else
					ask(call);
				break;
			case PHASE_DONE:
				return;
		}
	}
}

static Call *
new_call(StblStore *store, StblOp op, const char *key, const void *data, size_t len, const char *etag,
		 uint64 offset, uint64 length, char delimiter, const char *token, int64 deadline_us)
{
	Call	   *call;

	if (is_conditional(op))
		stbl_store_require(store);
	call = palloc0(sizeof(Call));
	call->pub.store = store;
	call->pub.known_us = store->clock_us;
	call->pub.req.op = op;
	call->pub.req.key = key;
	call->pub.req.data = data;
	call->pub.req.data_len = len;
	call->pub.req.etag = etag != NULL ? stbl_store_condition(store->base, etag) : NULL;
	call->pub.req.offset = offset;
	call->pub.req.length = length;
	call->pub.req.list_delimiter = delimiter;
	call->pub.req.list_token = token;
	call->limit_us = deadline_us ? deadline_us : PG_INT64_MAX;
	call->deadline_us = deadline_us ? deadline_us : stbl_now_us() + (int64) stbl_retry_deadline_ms * 1000;
	call->pause_us = PAUSE_MIN_US;
	return call;
}

const char *
stbl_store_condition(const StblStore *base, const char *etag)
{
	size_t		len = strlen(etag);

	if (!base->has_bare_etags || len < 2 || etag[0] != '"' || etag[len - 1] != '"')
		return etag;
	return pnstrdup(etag + 1, len - 2);
}

static StblCall *
launch(Call *call)
{
	call->callback.func = release_call;
	call->callback.arg = call;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &call->callback);
	dlist_push_tail(&active_calls, &call->node);
	send(call);
	return &call->pub;
}

static StblCall *
submit(StblStore *store, StblOp op, const char *key, const void *data, size_t len, const char *etag,
	   uint64 offset, uint64 length, char delimiter, const char *token, int64 deadline_us)
{
	return launch(new_call(store, op, key, data, len, etag, offset, length, delimiter, token, deadline_us));
}

int64
stbl_call_object_time(const StblCall *call)
{
	return call->req.modified_us > 0 ? call->req.modified_us : call->known_us;
}

int64
stbl_store_clock(const StblStore *store)
{
	return store->clock_us;
}

StblCall *
stbl_store_get(StblStore *store, const char *key, int64 deadline_us)
{
	return submit(store, STBL_OP_GET, key, NULL, 0, NULL, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_get_range(StblStore *store, const char *key, uint64 offset, uint64 length, int64 deadline_us)
{
	return submit(store, STBL_OP_GET_RANGE, key, NULL, 0, NULL, offset, length, 0, NULL, deadline_us);
}

StblCall *
stbl_store_get_range_into(StblStore *store, const char *key, uint64 offset, uint64 length, uint8 *into)
{
	Call	   *call = new_call(store, STBL_OP_GET_RANGE, key, NULL, 0, NULL, offset, length, 0, NULL, 0);

	call->pub.req.into = into;
	return launch(call);
}

StblCall *
stbl_store_head(StblStore *store, const char *key, int64 deadline_us)
{
	return submit(store, STBL_OP_HEAD, key, NULL, 0, NULL, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_put(StblStore *store, const char *key, const void *data, size_t len, int64 deadline_us)
{
	return submit(store, STBL_OP_PUT, key, data, len, NULL, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_put_new(StblStore *store, const char *key, const void *data, size_t len, int64 deadline_us)
{
	return submit(store, STBL_OP_PUT_NEW, key, data, len, NULL, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_put_unique(StblStore *store, const char *key, const void *data, size_t len, int64_t deadline_us)
{
	Call	   *call = new_call(store, STBL_OP_PUT_NEW, key, data, len, NULL, 0, 0, 0, NULL, deadline_us);

	call->pub.req.is_unique = true;
	call->pub.req.exchange_us = (int64) stbl_http_timeout_ms * 1000;
	return launch(call);
}

StblCall *
stbl_store_put_match(StblStore *store, const char *key, const void *data, size_t len, const char *etag, int64 deadline_us)
{
	return submit(store, STBL_OP_PUT_MATCH, key, data, len, etag, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_delete(StblStore *store, const char *key, int64 deadline_us)
{
	return submit(store, STBL_OP_DELETE, key, NULL, 0, NULL, 0, 0, 0, NULL, deadline_us);
}

StblCall *
stbl_store_list(StblStore *store, const char *prefix, char delimiter, const char *token, int64 deadline_us)
{
	return submit(store, STBL_OP_LIST, prefix, NULL, 0, NULL, 0, 0, delimiter, token, deadline_us);
}

/* The postmaster has died; with interrupts held (an exit would be a PANIC) the call is given up instead. */
static bool
give_up_on_postmaster_death(Call *call)
{
	StblStore  *store = call->pub.store;
	StblRequest *req = &call->pub.req;

	if (PostmasterIsAlive())
		return false;
	if (InterruptHoldoffCount == 0)
		proc_exit(1);
	if (req->status == STBL_ST_PENDING)
		store->driver->cancel(store->handle, req);
	if (is_write(req->op) && call->phase != PHASE_PAUSED)
		call->may_be_applied = true;
	finish_failed(call);
	req->error_kind = STBL_ERR_IO;
	strlcpy(req->message, "the postmaster has died", sizeof(req->message));
	return true;
}

/* Moves on all calls of a store.  Returns how long nothing but the driver can do so, at most max_ms. */
static int
step_all(StblStore *store, int max_ms, bool *with_driver)
{
	dlist_mutable_iter it;
	int64		now = stbl_now_us();
	int64		wait_us = (int64) max_ms * 1000;

	*with_driver = false;
	dlist_foreach_modify(it, &active_calls)
	{
		Call	   *call = dlist_container(Call, node, it.cur);

		if (call->pub.store->handle != store->handle)
			continue;
		step(call);
		if (call->phase == PHASE_PAUSED)
			wait_us = Min(wait_us, call->resume_us - now);
		else if (call->phase != PHASE_DONE)
			*with_driver = true;
	}
	return (int) Max(wait_us / 1000, 0) + 1;
}

/* Moves on the calls of a store, waiting at most so long for what they need. */
static void
wait_on(StblStore *store, int max_ms, const Call *call)
{
	static uint32 wait_event = 0;
	bool		with_driver;
	int			wait_ms = step_all(store, max_ms, &with_driver);

	if (call != NULL && call->phase == PHASE_DONE)
		return;
	if (with_driver)
		store->driver->drive(store->handle, wait_ms);
	else
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, wait_ms,
						 stbl_wait_event(&wait_event, "SupertableStorage"));
	ResetLatch(MyLatch);
}

void
stbl_store_pause(StblStore *store, int ms)
{
	CHECK_FOR_INTERRUPTS();
	wait_on(store, ms, NULL);
	if (InterruptHoldoffCount == 0 && !PostmasterIsAlive())
		proc_exit(1);
}

StblStatus
stbl_await(StblCall *pub)
{
	Call	   *call = (Call *) pub;
	StblStore  *store = pub->store;
	int			n_waits = 0;

	step(call);
	while (call->phase != PHASE_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		wait_on(store, 100, call);
		if (n_waits++ % 16 == 0 && give_up_on_postmaster_death(call))
			break;
		step(call);
	}
	return pub->req.status;
}

bool
stbl_call_is_done(StblCall *pub)
{
	Call	   *call = (Call *) pub;

	step(call);
	return call->phase == PHASE_DONE;
}

void
stbl_store_poll(StblStore *store)
{
	bool		with_driver;

	(void) step_all(store, 0, &with_driver);
	if (!with_driver)
		return;
	store->driver->drive(store->handle, 0);
	(void) step_all(store, 0, &with_driver);
}

static const char *
verb(StblOp op)
{
	switch (op)
	{
		case STBL_OP_DELETE:
			return "delete";
		case STBL_OP_LIST:
			return "list";
		case STBL_OP_PUT:
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT_MATCH:
			return "write";
		default:
			return "read";
	}
}

void
stbl_call_error(const StblCall *call, StblError *err)
{
	const StblRequest *req = &call->req;
	char		tries[32] = "";

	switch (req->status)
	{
		case STBL_ST_NOT_FOUND:
			stbl_fail(err, STBL_ERR_NOT_FOUND, "object \"%s\" does not exist", req->key);
			break;
		case STBL_ST_PRECONDITION:
			if (req->op == STBL_OP_PUT_NEW)
				stbl_fail(err, STBL_ERR_EXISTS, "object \"%s\" exists already", req->key);
			else
				stbl_fail(err, STBL_ERR_EXISTS, "object \"%s\" was changed by another writer", req->key);
			break;
		case STBL_ST_UNKNOWN:
			stbl_fail(err, STBL_ERR_UNKNOWN, "no answer from storage to the %s of object \"%s\"",
					  req->op == STBL_OP_DELETE ? "deletion" : "writing", req->key);
			break;
		default:
			stbl_fail(err, req->error_kind ? (StblErrorKind) req->error_kind : STBL_ERR_IO,
					  "could not %s object \"%s\"", verb(req->op), req->key);
	}
	/* no palloc: this is called in commit callbacks too */
	if (call->n_sent > 1)
		snprintf(tries, sizeof(tries), "  Tried %d times.", call->n_sent);
	if (req->message[0] != '\0')
		stbl_error_detail(err, "Storage \"%s\": %s.%s", call->store->canonical, req->message, tries);
	else
		stbl_error_detail(err, "Storage \"%s\".", call->store->canonical);
}

void
stbl_await_ok(StblCall *call)
{
	StblError	err;

	if (stbl_await(call) == STBL_ST_OK)
		return;
	stbl_call_error(call, &err);
	stbl_throw(&err);
}
