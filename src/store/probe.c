/*
 * What a store must be able to do, tried for real.
 *
 * Requests go to the driver as they are, without the retries and read-backs
 * of a call, and those of a race are all under way before any is awaited: a
 * store that checks and then writes shows more than one winner.
 *
 * A probe can be cancelled.  Its requests then are taken back with its memory
 * context; what it wrote stays, under _supertable_probe/.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "store/store_int.h"

#define N_RACERS 16
#define N_ROUNDS 4
#define MAX_PAGES 16

static const char *const capabilities[STBL_N_PROBES] = {"create-only", "etag-CAS", "range", "list", "delete"};

typedef struct Probe
{
	StblStore  *store;
	char		prefix[96];
	bool		is_silent;		/* the store did not answer a request: none is sent any more */
	char		message[512];	/* of the last request that failed */
	int			n;
	StblRequest reqs[N_RACERS]; /* those in flight or looked at */
	MemoryContextCallback callback;
} Probe;

static void
take_back_all(void *arg)
{
	Probe	   *p = arg;
	const StblStoreDriver *driver = p->store->driver;

	for (int i = 0; i < p->n; i++)
	{
		if (p->reqs[i].status == STBL_ST_PENDING)
			driver->cancel(p->store->handle, &p->reqs[i]);
		driver->release(p->store->handle, &p->reqs[i]);
	}
	p->n = 0;
}

/* ---- requests ---- */

/* A request to fill in; begin() sends it. */
static StblRequest *
prepare(Probe *p, StblOp op, const char *key)
{
	StblRequest *req = &p->reqs[p->n];

	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	req->deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
	return req;
}

static void
begin(Probe *p, StblRequest *req)
{
	if (p->is_silent)
	{
		/* the driver never sees it: a zeroed request holds nothing to release */
		req->status = STBL_ST_FAILED;
		return;
	}
	p->n++;
	p->store->driver->submit(p->store->handle, req);
}

/* Drives until all that was begun is done, or should have been long ago. */
static void
wait_all(Probe *p)
{
	for (int i = 0; i < p->n; i++)
	{
		StblRequest *req = &p->reqs[i];

		while (req->status == STBL_ST_PENDING)
		{
			CHECK_FOR_INTERRUPTS();
			p->store->driver->drive(p->store->handle, 100);
			ResetLatch(MyLatch);
			if (req->status == STBL_ST_PENDING && stbl_now_us() > req->deadline_us + STBL_DRIVER_GRACE_US)
			{
				p->store->driver->cancel(p->store->handle, req);
				req->status = STBL_ST_UNKNOWN;
				strlcpy(req->message, "no answer", sizeof(req->message));
			}
		}
		stbl_stat_request(p->store, req, false);
		if (req->status == STBL_ST_TRANSIENT || req->status == STBL_ST_UNKNOWN || req->status == STBL_ST_FAILED)
		{
			strlcpy(p->message, req->message, sizeof(p->message));
			if (stbl_now_us() >= req->deadline_us)
				p->is_silent = true;
		}
	}
}

/* One request from beginning to end; its answer is in p->reqs[0] until the next. */
static StblStatus
one(Probe *p, StblOp op, const char *key, const char *data, const char *etag)
{
	StblRequest *req;

	take_back_all(p);
	req = prepare(p, op, key);
	req->data = data;
	req->data_len = data ? strlen(data) : 0;
	req->etag = etag;
	begin(p, req);
	wait_all(p);
	return req->status;
}

/* ---- verdicts ---- */

static void
verdict(StblProbeRow *row, bool ok, const char *detail)
{
	row->ok = ok;
	strlcpy(row->detail, detail, sizeof(row->detail));
}

/* What went wrong, and what the driver said. */
static void
failed(Probe *p, StblProbeRow *row, const char *what)
{
	verdict(row, false, p->is_silent ? "storage does not answer" :
			p->message[0] ? psprintf("%s: %s", what, p->message) : what);
	p->message[0] = '\0';
}

/*
 * Runs one race.  Returns the number of winners; the object must hold what
 * one of them wrote, else -1.
 */
static int
race(Probe *p, StblOp op, const char *key, const char *etag)
{
	char	   *data[N_RACERS];
	bool		won[N_RACERS];
	int			n_won = 0;
	bool		found = false;

	take_back_all(p);
	for (int i = 0; i < N_RACERS; i++)
	{
		StblRequest *req = prepare(p, op, key);

		data[i] = psprintf("racer %d of %s", i, etag ? etag : "create");
		req->data = data[i];
		req->data_len = strlen(data[i]);
		req->etag = etag;
		begin(p, req);
	}
	wait_all(p);
	for (int i = 0; i < N_RACERS; i++)
	{
		won[i] = i < p->n && p->reqs[i].status == STBL_ST_OK;
		n_won += won[i];
	}
	if (n_won != 1)
		return n_won;
	p->message[0] = '\0';
	if (one(p, STBL_OP_GET, key, NULL, NULL) == STBL_ST_OK)
		for (int i = 0; i < N_RACERS; i++)
			found = found || (won[i] && p->reqs[0].body_len == strlen(data[i]) &&
							  memcmp(p->reqs[0].body, data[i], p->reqs[0].body_len) == 0);
	return found ? 1 : -1;
}

/* Whether a race had one winner; says so if not. */
static bool
race_is_fair(Probe *p, StblProbeRow *row, StblOp op, const char *key, const char *etag)
{
	int			n_won = race(p, op, key, etag);
	const char *what = op == STBL_OP_PUT_NEW ? "creates of one object" : "replacements of one content";

	if (n_won == 0)
		failed(p, row, psprintf("none of %d concurrent %s succeeded", N_RACERS, what));
	else if (n_won < 0)
		failed(p, row, "an object does not hold what was written to it");
	else if (n_won > 1)
		verdict(row, false, psprintf("%d of %d concurrent %s succeeded", n_won, N_RACERS, what));
	return n_won == 1;
}

/* ---- the capabilities ---- */

static void
probe_create(Probe *p, StblProbeRow *row)
{
	for (int round = 0; round < N_ROUNDS; round++)
	{
		char	   *key = psprintf("%s/create-%d", p->prefix, round);

		if (!race_is_fair(p, row, STBL_OP_PUT_NEW, key, NULL))
			return;
		if (one(p, STBL_OP_PUT_NEW, key, "again", NULL) != STBL_ST_PRECONDITION)
		{
			failed(p, row, "the creation of an existing object was not refused");
			return;
		}
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

/* The etag of an object, by GET and HEAD alike; false if it has none. */
static bool
etag_of(Probe *p, const char *key, char *etag)
{
	if (one(p, STBL_OP_GET, key, NULL, NULL) != STBL_ST_OK)
		return false;
	strlcpy(etag, p->reqs[0].new_etag, 128);
	return etag[0] != '\0' && one(p, STBL_OP_HEAD, key, NULL, NULL) == STBL_ST_OK &&
		strcmp(etag, p->reqs[0].new_etag) == 0;
}

static void
probe_cas(Probe *p, StblProbeRow *row)
{
	char	   *key = psprintf("%s/cas", p->prefix);
	char		etag[128],
				stale[128];

	if (one(p, STBL_OP_PUT_NEW, key, "first", NULL) != STBL_ST_OK)
	{
		failed(p, row, "an object could not be created");
		return;
	}
	if (!etag_of(p, key, etag))
	{
		failed(p, row, "an object has no etag, or not one");
		return;
	}
	for (int round = 0; round < N_ROUNDS; round++)
	{
		strlcpy(stale, etag, sizeof(stale));
		if (!race_is_fair(p, row, STBL_OP_PUT_MATCH, key, stale))
			return;
		if (!etag_of(p, key, etag) || strcmp(etag, stale) == 0)
		{
			failed(p, row, "a new content has no etag of its own");
			return;
		}
		if (one(p, STBL_OP_PUT_MATCH, key, "stale", stale) != STBL_ST_PRECONDITION)
		{
			failed(p, row, "a replacement with a stale etag was not refused");
			return;
		}
	}
	if (one(p, STBL_OP_PUT_MATCH, psprintf("%s/none", p->prefix), "x", etag) != STBL_ST_PRECONDITION)
	{
		failed(p, row, "a replacement of a missing object was not refused");
		return;
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

/* expected NULL: an error. */
static bool
range_is(Probe *p, const char *key, uint64 offset, uint64 length, const char *expected)
{
	StblRequest *req;

	take_back_all(p);
	req = prepare(p, STBL_OP_GET_RANGE, key);
	req->offset = offset;
	req->length = length;
	begin(p, req);
	wait_all(p);
	if (expected == NULL)
	{
		p->message[0] = '\0';
		return req->status == STBL_ST_FAILED && !p->is_silent;
	}
	return req->status == STBL_ST_OK && req->body_len == length && memcmp(req->body, expected, length) == 0;
}

static void
probe_range(Probe *p, StblProbeRow *row)
{
	char	   *key = psprintf("%s/range", p->prefix);

	if (one(p, STBL_OP_PUT_NEW, key, "0123456789", NULL) != STBL_ST_OK)
		failed(p, row, "an object could not be created");
	else if (!range_is(p, key, 0, 1, "0") || !range_is(p, key, 9, 1, "9") ||
			 !range_is(p, key, 3, 4, "3456") || !range_is(p, key, 0, 10, "0123456789"))
		failed(p, row, "a range was not answered exactly");
	else if (!range_is(p, key, 5, 6, NULL) || !range_is(p, key, 10, 1, NULL))
		failed(p, row, "a range beyond the end was not refused");
	else
		verdict(row, true, "exact ranges, first and last byte included");
}

/* All keys under a prefix, each with a blank behind, in order; pages of two. */
static char *
listing(Probe *p, const char *prefix, char delimiter)
{
	char	   *keys[MAX_PAGES * 4];
	int			n = 0;
	char	   *token = NULL;
	StringInfoData all;

	for (int page = 0; page < MAX_PAGES; page++)
	{
		StblRequest *req;

		take_back_all(p);
		req = prepare(p, STBL_OP_LIST, prefix);
		req->list_delimiter = delimiter;
		req->list_limit = 2;
		req->list_token = token;
		begin(p, req);
		wait_all(p);
		if (req->status != STBL_ST_OK || req->n_entries > 2)
			return "no listing";
		for (size_t i = 0; i < req->n_entries; i++)
			keys[n++] = pstrdup(req->entries[i].key);
		if (req->list_next == NULL)
		{
			qsort(keys, n, sizeof(char *), pg_qsort_strcmp);
			initStringInfo(&all);
			for (int i = 0; i < n; i++)
				appendStringInfo(&all, "%s ", keys[i] + Min(strlen(keys[i]), strlen(p->prefix)));
			return all.data;
		}
		token = pstrdup(req->list_next);
	}
	return "pages without end";
}

static void
probe_list(Probe *p, StblProbeRow *row)
{
	static const char *const names[] = {"list/0", "list/1", "list/10", "list/a/b", "listed"};

	for (int i = 0; i < lengthof(names); i++)
		if (one(p, STBL_OP_PUT_NEW, psprintf("%s/%s", p->prefix, names[i]), "x", NULL) != STBL_ST_OK)
		{
			failed(p, row, "an object could not be created");
			return;
		}
	if (strcmp(listing(p, psprintf("%s/list/", p->prefix), 0), "/list/0 /list/1 /list/10 /list/a/b ") != 0)
		failed(p, row, "pages of a listing did not show just the objects under a folder, each once");
	else if (strcmp(listing(p, psprintf("%s/list/1", p->prefix), 0), "/list/1 /list/10 ") != 0)
		failed(p, row, "a listing did not show just the objects whose names begin with a prefix");
	else if (strcmp(listing(p, psprintf("%s/list/", p->prefix), '/'), "/list/0 /list/1 /list/10 /list/a/ ") != 0)
		failed(p, row, "a listing of one level did not show its objects and folders");
	else
		verdict(row, true, "objects under a prefix, and only they, page by page");
}

/* Removes all that the probes have made, or may have. */
static bool
remove_all(Probe *p)
{
	static const char *const names[] = {"create-0", "create-1", "create-2", "create-3", "cas", "none", "range",
	"list/0", "list/1", "list/10", "list/a/b", "listed"};
	bool		ok = true;

	StaticAssertStmt(N_ROUNDS == 4, "names lists the objects of each round");
	for (int i = 0; i < lengthof(names); i++)
		ok = one(p, STBL_OP_DELETE, psprintf("%s/%s", p->prefix, names[i]), NULL, NULL) == STBL_ST_OK && ok;
	return ok;
}

static void
probe_delete(Probe *p, StblProbeRow *row)
{
	char	   *key = psprintf("%s/range", p->prefix);

	if (!remove_all(p))
		failed(p, row, "an object could not be deleted");
	else if (one(p, STBL_OP_HEAD, key, NULL, NULL) != STBL_ST_NOT_FOUND)
		failed(p, row, "a deleted object is still there");
	else if (one(p, STBL_OP_DELETE, key, NULL, NULL) != STBL_ST_OK)
		failed(p, row, "deleting a missing object failed");
	else
		verdict(row, true, "idempotent");
}

void
stbl_store_probe(StblStore *store, StblProbeRow rows[STBL_N_PROBES])
{
	static void (*const probes[STBL_N_PROBES]) (Probe *, StblProbeRow *) =
	{probe_create, probe_cas, probe_range, probe_list, probe_delete};
	StblStore  *base = store->base;
	MemoryContext cxt;
	MemoryContext old;
	Probe	   *p;
	char		uuid[37];
	bool		all_ok = true;

	if (base->probed)
	{
		memcpy(rows, base->probe, sizeof(base->probe));
		return;
	}
	cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable storage probe", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	p = palloc0(sizeof(Probe));
	p->store = base;
	p->callback.func = take_back_all;
	p->callback.arg = p;
	MemoryContextRegisterResetCallback(cxt, &p->callback);
	stbl_new_uuid(uuid);
	snprintf(p->prefix, sizeof(p->prefix), "_supertable_probe/%s", uuid);
	for (int i = 0; i < STBL_N_PROBES; i++)
	{
		rows[i].capability = capabilities[i];
		p->message[0] = '\0';
		probes[i] (p, &rows[i]);
		all_ok = all_ok && rows[i].ok;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	/* a fault may have been one of the moment: only a pass is remembered */
	if (all_ok)
	{
		memcpy(base->probe, rows, sizeof(base->probe));
		base->probed = true;
	}
}
