/*
 * What a store must be able to do, tried for real.
 *
 * Requests go to the driver as they are, without the retries and read-backs
 * of a call, and those of a race are all under way before any is awaited: a
 * store that checks and then writes shows more than one winner.  After the
 * first races every racer has a connection, so that they meet; what need not
 * wait for each other is sent together.  All of it takes about fifteen round
 * trips.
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
#define N_TOGETHER 2			/* races at once: the engine of http has connections for two */
#define MAX_REQUESTS (N_RACERS * N_TOGETHER)
#define MAX_PAGES 16
#define N_LISTINGS 3

static const char *const capabilities[STBL_N_PROBES] = {"create-only", "etag-CAS", "range", "list", "delete"};

typedef struct Probe
{
	StblStore  *store;
	char		prefix[96];
	bool		none_won;		/* the race looked at last */
	bool		is_silent;		/* the store did not answer a request: none is sent any more */
	int			n;
	StblRequest reqs[MAX_REQUESTS]; /* those in flight or looked at */
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

/* One more request of those sent together; take_back_all() comes before the first. */
static StblRequest *
begin(Probe *p, StblOp op, const char *key, const char *data, const char *etag)
{
	StblRequest *req = &p->reqs[p->n];

	Assert(p->n < MAX_REQUESTS);
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	req->data = data;
	req->data_len = data ? strlen(data) : 0;
	req->etag = etag != NULL ? stbl_store_condition(p->store, etag) : NULL;
	req->deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
	return req;
}

static StblRequest *
submit(Probe *p, StblRequest *req)
{
	if (p->is_silent)
	{
		/* the driver never sees it: a zeroed request holds nothing to release */
		req->status = STBL_ST_FAILED;
		return req;
	}
	p->n++;
	p->store->driver->submit(p->store->handle, req);
	return req;
}

static StblRequest *
send(Probe *p, StblOp op, const char *key, const char *data, const char *etag)
{
	return submit(p, begin(p, op, key, data, etag));
}

static bool
is_failure(const StblRequest *req)
{
	return req->status == STBL_ST_TRANSIENT || req->status == STBL_ST_UNKNOWN || req->status == STBL_ST_FAILED;
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
				req->error_kind = STBL_ERR_CONNECTION;
				strlcpy(req->message, "no answer", sizeof(req->message));
			}
		}
		stbl_stat_request(p->store, req, false);
		if (is_failure(req) && stbl_now_us() >= req->deadline_us)
			p->is_silent = true;
	}
}

/* One request from beginning to end; its answer is in p->reqs[0] until the next. */
static StblStatus
one(Probe *p, StblOp op, const char *key, const char *data, const char *etag)
{
	StblRequest *req;

	take_back_all(p);
	req = send(p, op, key, data, etag);
	wait_all(p);
	return req->status;
}

static bool
body_is(const StblRequest *req, const char *expected)
{
	return req->status == STBL_ST_OK && req->body_len == strlen(expected) &&
		memcmp(req->body, expected, req->body_len) == 0;
}

/* ---- verdicts ---- */

static void
verdict(StblProbeRow *row, bool ok, const char *detail)
{
	row->ok = ok;
	row->is_bearable = false;
	row->error_kind = STBL_ERR_NONE;
	strlcpy(row->detail, detail, sizeof(row->detail));
}

/*
 * What is wrong, as a request shows.  Where that request failed, the driver
 * says why, and it is no verdict on the store.
 */
static void
failed(Probe *p, StblProbeRow *row, const char *what, const StblRequest *req)
{
	if (p->is_silent)
	{
		verdict(row, false, "storage does not answer");
		row->error_kind = STBL_ERR_CONNECTION;
	}
	else if (is_failure(req))
	{
		verdict(row, false, psprintf("%s: %s", what, req->message));
		row->error_kind = req->error_kind ? req->error_kind : STBL_ERR_IO;
	}
	else
		verdict(row, false, what);
}

static char *
racer_text(int racer, int round)
{
	return psprintf("racer %d of round %d", racer, round);
}

/* A race, and the object it is about. */
typedef struct Round
{
	char	   *key;
	char		etag[128];		/* of a replacement: of the content before */
	int			winner;
	StblRequest *put;
	StblRequest *got;
	StblRequest *head;
} Round;

/* Whether a race had one winner; says so if not. */
static bool
has_one_winner(Probe *p, StblProbeRow *row, StblOp op, Round *round, const StblRequest *racers)
{
	const char *what = op == STBL_OP_PUT_NEW ? "creates of one object" : "replacements of one content";
	const StblRequest *loser = &racers[0];
	int			n_won = 0;

	for (int i = 0; i < N_RACERS; i++)
		if (racers[i].status == STBL_ST_OK)
		{
			n_won++;
			round->winner = i;
		}
		else if (is_failure(&racers[i]))
			loser = &racers[i];
	p->none_won = n_won == 0;
	if (n_won == 0)
		failed(p, row, psprintf("none of %d concurrent %s succeeded", N_RACERS, what), loser);
	else if (n_won > 1)
		verdict(row, false, psprintf("%d of %d concurrent %s succeeded", n_won, N_RACERS, what));
	return n_won == 1;
}

/* Runs all races, N_TOGETHER at a time. */
static bool
race(Probe *p, StblProbeRow *row, StblOp op, Round *rounds)
{
	StaticAssertStmt(N_ROUNDS % N_TOGETHER == 0, "the last ones are as many");
	for (int first = 0; first < N_ROUNDS; first += N_TOGETHER)
	{
		if (p->is_silent)
		{
			failed(p, row, "", NULL);
			return false;
		}
		take_back_all(p);
		for (int i = first; i < first + N_TOGETHER; i++)
			for (int racer = 0; racer < N_RACERS; racer++)
				send(p, op, rounds[i].key, racer_text(racer, i), rounds[i].etag);
		wait_all(p);
		for (int i = first; i < first + N_TOGETHER; i++)
			if (!has_one_winner(p, row, op, &rounds[i], &p->reqs[(i - first) * N_RACERS]))
				return false;
	}
	return true;
}

/* ---- the capabilities ---- */

static void
probe_create(Probe *p, StblProbeRow *row)
{
	Round		rounds[N_ROUNDS] = {{0}};

	for (int i = 0; i < N_ROUNDS; i++)
		rounds[i].key = psprintf("%s/create-%d", p->prefix, i);
	if (!race(p, row, STBL_OP_PUT_NEW, rounds))
		return;
	take_back_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		rounds[i].put = send(p, STBL_OP_PUT_NEW, rounds[i].key, "again", NULL);
		rounds[i].got = send(p, STBL_OP_GET, rounds[i].key, NULL, NULL);
	}
	wait_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		if (rounds[i].put->status != STBL_ST_PRECONDITION)
		{
			failed(p, row, "the creation of an existing object was not refused", rounds[i].put);
			return;
		}
		if (!body_is(rounds[i].got, racer_text(rounds[i].winner, i)))
		{
			failed(p, row, "an object does not hold what was written to it", rounds[i].got);
			return;
		}
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

/* Sends what tells the etag of each object, behind what is sent already. */
static void
send_looks(Probe *p, Round *rounds)
{
	for (int i = 0; i < N_ROUNDS; i++)
	{
		rounds[i].got = send(p, STBL_OP_GET, rounds[i].key, NULL, NULL);
		rounds[i].head = send(p, STBL_OP_HEAD, rounds[i].key, NULL, NULL);
	}
}

static bool
tells_one_etag(const Round *r)
{
	return r->got->status == STBL_ST_OK && r->head->status == STBL_ST_OK && r->got->new_etag[0] != '\0' &&
		strcmp(r->got->new_etag, r->head->new_etag) == 0;
}

static bool
make_objects(Probe *p, StblProbeRow *row, Round *rounds)
{
	take_back_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		rounds[i].key = psprintf("%s/cas-%d", p->prefix, i);
		rounds[i].put = send(p, STBL_OP_PUT_NEW, rounds[i].key, "first", NULL);
	}
	wait_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
		if (rounds[i].put->status != STBL_ST_OK)
		{
			failed(p, row, "an object could not be created", rounds[i].put);
			return false;
		}
	take_back_all(p);
	send_looks(p, rounds);
	wait_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		if (!tells_one_etag(&rounds[i]))
		{
			failed(p, row, "an object has no etag, or not one",
				   is_failure(rounds[i].head) ? rounds[i].head : rounds[i].got);
			return false;
		}
		strlcpy(rounds[i].etag, rounds[i].got->new_etag, sizeof(rounds[i].etag));
	}
	return true;
}

static void
probe_cas(Probe *p, StblProbeRow *row)
{
	Round		rounds[N_ROUNDS];
	StblRequest *none;

	if (!make_objects(p, row, rounds))
		return;
	if (!race(p, row, STBL_OP_PUT_MATCH, rounds))
	{
		bool		was_bare = p->store->has_bare_etags;

		/* some stores know an etag again only without the quotes they tell it with */
		p->store->has_bare_etags = !was_bare;
		if (!p->none_won || !race(p, row, STBL_OP_PUT_MATCH, rounds))
		{
			p->store->has_bare_etags = was_bare;
			return;
		}
	}
	take_back_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
		rounds[i].put = send(p, STBL_OP_PUT_MATCH, rounds[i].key, "stale", rounds[i].etag);
	send_looks(p, rounds);
	none = send(p, STBL_OP_PUT_MATCH, psprintf("%s/none", p->prefix), "x", rounds[0].etag);
	wait_all(p);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		const char *problem = NULL;
		const StblRequest *req = rounds[i].got;

		if (rounds[i].put->status != STBL_ST_PRECONDITION)
		{
			problem = "a replacement with a stale etag was not refused";
			req = rounds[i].put;
		}
		else if (!body_is(rounds[i].got, racer_text(rounds[i].winner, i)))
			problem = "an object does not hold what was written to it";
		else if (!tells_one_etag(&rounds[i]) || strcmp(rounds[i].got->new_etag, rounds[i].etag) == 0)
			problem = "a new content has no etag of its own";
		if (problem != NULL)
		{
			failed(p, row, problem, req);
			return;
		}
	}
	if (none->status != STBL_ST_PRECONDITION && none->status != STBL_ST_NOT_FOUND)
	{
		failed(p, row, "a replacement of a missing object was not refused", none);
		return;
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

static StblRequest *
send_range(Probe *p, const char *key, uint64 offset, uint64 length)
{
	StblRequest *req = begin(p, STBL_OP_GET_RANGE, key, NULL, NULL);

	req->offset = offset;
	req->length = length;
	return submit(p, req);
}

static void
probe_range(Probe *p, StblProbeRow *row)
{
	static const struct
	{
		int			offset;
		int			length;
		const char *expected;	/* NULL: an error */
	}			ranges[] = {{0, 1, "0"}, {9, 1, "9"}, {3, 4, "3456"}, {0, 10, "0123456789"}, {5, 6, NULL}, {10, 1, NULL}};
	StblRequest *got[lengthof(ranges)];
	char	   *key = psprintf("%s/range", p->prefix);

	if (one(p, STBL_OP_PUT_NEW, key, "0123456789", NULL) != STBL_ST_OK)
	{
		failed(p, row, "an object could not be created", &p->reqs[0]);
		return;
	}
	take_back_all(p);
	for (int i = 0; i < lengthof(ranges); i++)
		got[i] = send_range(p, key, ranges[i].offset, ranges[i].length);
	wait_all(p);
	for (int i = 0; i < lengthof(ranges); i++)
		if (ranges[i].expected != NULL && !body_is(got[i], ranges[i].expected))
		{
			failed(p, row, "a range was not answered exactly", got[i]);
			return;
		}
		else if (ranges[i].expected == NULL && got[i]->status != STBL_ST_FAILED)
		{
			failed(p, row, "a range beyond the end was not refused", got[i]);
			return;
		}
	if (p->is_silent)
		failed(p, row, "", got[0]);
	else
		verdict(row, true, "exact ranges, first and last byte included");
}

/* A listing under way, pages of two entries. */
typedef struct Listing
{
	const char *prefix;
	char		delimiter;
	const char *expected;		/* all its keys in order, each with a blank behind */
	const char *what;			/* is wrong if it shows others */
	char	   *keys[MAX_PAGES * 2];
	int			n_keys;
	char	   *token;
	bool		is_done;
	bool		is_bad;
	StblRequest *req;
	StblRequest last;			/* what the last page was answered, its body aside */
} Listing;

static void
take_page(Listing *l)
{
	StblRequest *req = l->req;

	l->last = *req;
	l->is_bad = req->status != STBL_ST_OK || req->n_entries > 2 || l->n_keys + 2 > lengthof(l->keys);
	l->is_done = l->is_bad || req->list_next == NULL;
	if (l->is_bad)
		return;
	for (size_t i = 0; i < req->n_entries; i++)
		l->keys[l->n_keys++] = pstrdup(req->entries[i].key);
	l->token = req->list_next ? pstrdup(req->list_next) : NULL;
}

static bool
shows_expected(Listing *l, size_t prefix_len)
{
	StringInfoData all;

	initStringInfo(&all);
	qsort(l->keys, l->n_keys, sizeof(char *), pg_qsort_strcmp);
	for (int i = 0; i < l->n_keys; i++)
		appendStringInfo(&all, "%s ", l->keys[i] + Min(strlen(l->keys[i]), prefix_len));
	return !l->is_bad && strcmp(all.data, l->expected) == 0;
}

/* All listings at once, a page of each at a time. */
static void
read_listings(Probe *p, Listing *listings)
{
	for (bool any = true; any;)
	{
		any = false;
		take_back_all(p);
		for (int i = 0; i < N_LISTINGS; i++)
			if (!listings[i].is_done)
			{
				StblRequest *req = begin(p, STBL_OP_LIST, listings[i].prefix, NULL, NULL);

				req->list_delimiter = listings[i].delimiter;
				req->list_limit = 2;
				req->list_token = listings[i].token;
				listings[i].req = submit(p, req);
				any = true;
			}
		wait_all(p);
		for (int i = 0; i < N_LISTINGS; i++)
			if (!listings[i].is_done)
				take_page(&listings[i]);
	}
}

static void
probe_list(Probe *p, StblProbeRow *row)
{
	static const char *const names[] = {"list/0", "list/1", "list/10", "list/a/b", "listed"};
	Listing		listings[N_LISTINGS] = {
		{psprintf("%s/list/", p->prefix), 0, "/list/0 /list/1 /list/10 /list/a/b ",
		"pages of a listing did not show just the objects under a folder, each once"},
		{psprintf("%s/list/1", p->prefix), 0, "/list/1 /list/10 ",
		"a listing did not show just the objects whose names begin with a prefix"},
		{psprintf("%s/list/", p->prefix), '/', "/list/0 /list/1 /list/10 /list/a/ ",
		"a listing of one level did not show its objects and folders"}
	};

	take_back_all(p);
	for (int i = 0; i < lengthof(names); i++)
		send(p, STBL_OP_PUT_NEW, psprintf("%s/%s", p->prefix, names[i]), "x", NULL);
	wait_all(p);
	for (int i = 0; i < p->n; i++)
		if (p->reqs[i].status != STBL_ST_OK)
		{
			failed(p, row, "an object could not be created", &p->reqs[i]);
			return;
		}
	read_listings(p, listings);
	for (int i = 0; i < N_LISTINGS; i++)
		if (p->is_silent || !shows_expected(&listings[i], strlen(p->prefix)))
		{
			failed(p, row, listings[i].what, &listings[i].last);
			/* folders are shown to people, and no more */
			row->is_bearable = row->error_kind == STBL_ERR_NONE && listings[i].delimiter != 0;
			return;
		}
	verdict(row, true, "objects under a prefix, and only they, page by page");
}

/* Removes all that the probes have made, or may have. */
static void
probe_delete(Probe *p, StblProbeRow *row)
{
	static const char *const names[] = {"create-0", "create-1", "create-2", "create-3",
		"cas-0", "cas-1", "cas-2", "cas-3", "none", "range",
	"list/0", "list/1", "list/10", "list/a/b", "listed"};
	char	   *key = psprintf("%s/range", p->prefix);
	StblRequest *head;
	StblRequest *again;

	StaticAssertStmt(N_ROUNDS == 4, "names lists the objects of each round");
	StaticAssertStmt(lengthof(names) <= MAX_REQUESTS, "all are removed at once");
	take_back_all(p);
	for (int i = 0; i < lengthof(names); i++)
		send(p, STBL_OP_DELETE, psprintf("%s/%s", p->prefix, names[i]), NULL, NULL);
	wait_all(p);
	for (int i = 0; i < p->n; i++)
		if (p->reqs[i].status != STBL_ST_OK)
		{
			failed(p, row, "an object could not be deleted", &p->reqs[i]);
			return;
		}
	take_back_all(p);
	head = send(p, STBL_OP_HEAD, key, NULL, NULL);
	again = send(p, STBL_OP_DELETE, key, NULL, NULL);
	wait_all(p);
	if (head->status != STBL_ST_NOT_FOUND)
		failed(p, row, "a deleted object is still there", head);
	else if (again->status != STBL_ST_OK)
		failed(p, row, "deleting a missing object failed", again);
	else
		verdict(row, true, "idempotent");
}

/* ---- the whole ---- */

static void
run_probes(StblStore *base, StblProbeRow rows[STBL_N_PROBES])
{
	static void (*const probes[STBL_N_PROBES]) (Probe *, StblProbeRow *) =
	{probe_create, probe_cas, probe_range, probe_list, probe_delete};
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable storage probe", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Probe	   *p = palloc0(sizeof(Probe));
	char		uuid[37];

	p->store = base;
	p->callback.func = take_back_all;
	p->callback.arg = p;
	MemoryContextRegisterResetCallback(cxt, &p->callback);
	stbl_new_uuid(uuid);
	snprintf(p->prefix, sizeof(p->prefix), "_supertable_probe/%s", uuid);
	for (int i = 0; i < STBL_N_PROBES; i++)
	{
		rows[i].capability = capabilities[i];
		probes[i] (p, &rows[i]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

void
stbl_store_probe(StblStore *store, StblProbeRow rows[STBL_N_PROBES])
{
	StblStore  *base = store->base;
	bool		all_ok = true;

	if (base->probed)
	{
		memcpy(rows, base->probe, sizeof(base->probe));
		return;
	}
	run_probes(base, rows);
	for (int i = 0; i < STBL_N_PROBES; i++)
		all_ok = all_ok && rows[i].ok;
	stbl_proof_note(base, rows);
	/* a fault may have been one of the moment: only a pass is remembered */
	if (all_ok)
	{
		memcpy(base->probe, rows, sizeof(base->probe));
		base->probed = true;
	}
}
