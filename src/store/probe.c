/*
 * What a store must be able to do, tried for real.
 *
 * Requests go to the driver as they are, without the retries and read-backs
 * of a call, and those of a race are all under way before any is awaited: a
 * store that checks and then writes shows more than one winner.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"

#include "common/pgmem.h"
#include "store/store_int.h"

#define N_RACERS 16
#define N_ROUNDS 4

static const char *const capabilities[STBL_N_PROBES] = {"create-only", "etag-CAS", "range", "list", "delete"};

typedef struct Probe
{
	StblStore  *store;
	char		prefix[96];
} Probe;

static void
start(Probe *p, StblRequest *req, StblOp op, const char *key, const char *data)
{
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	req->data = data;
	req->data_len = data ? strlen(data) : 0;
	req->deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
	p->store->driver->submit(p->store->handle, req);
}

/*
 * Drives until all are done.  Not interrupted: the requests live on the
 * stack, and each has its deadline.
 */
static void
drive(Probe *p, StblRequest *reqs, int n)
{
	for (int i = 0; i < n; i++)
		while (reqs[i].status == STBL_ST_PENDING)
		{
			p->store->driver->drive(p->store->handle, 100);
			ResetLatch(MyLatch);
		}
}

static StblStatus
run(Probe *p, StblRequest *req)
{
	drive(p, req, 1);
	stbl_stat_request(p->store, req, false);
	return req->status;
}

static StblStatus
simple(Probe *p, StblOp op, const char *key, const char *data, const char *etag, char *new_etag)
{
	StblRequest req;
	StblStatus	status;

	memset(&req, 0, sizeof(req));
	req.op = op;
	req.key = key;
	req.data = data;
	req.data_len = data ? strlen(data) : 0;
	req.etag = etag;
	req.deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
	p->store->driver->submit(p->store->handle, &req);
	status = run(p, &req);
	if (new_etag != NULL)
		strlcpy(new_etag, req.new_etag, 128);
	p->store->driver->release(p->store->handle, &req);
	return status;
}

/* Runs one race; returns the number of winners, -1 where a racer got neither yes nor no. */
static int
race(Probe *p, StblOp op, const char *key, const char *etag)
{
	StblRequest reqs[N_RACERS];
	char		data[N_RACERS][48];
	int			n_won = 0;
	bool		odd = false;

	for (int i = 0; i < N_RACERS; i++)
	{
		snprintf(data[i], sizeof(data[i]), "racer %d of %s", i, etag ? etag : "create");
		memset(&reqs[i], 0, sizeof(reqs[i]));
		reqs[i].etag = etag;
		reqs[i].op = op;
		reqs[i].key = key;
		reqs[i].data = data[i];
		reqs[i].data_len = strlen(data[i]);
		reqs[i].deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
		p->store->driver->submit(p->store->handle, &reqs[i]);
	}
	drive(p, reqs, N_RACERS);
	for (int i = 0; i < N_RACERS; i++)
	{
		if (reqs[i].status == STBL_ST_OK)
			n_won++;
		else if (reqs[i].status != STBL_ST_PRECONDITION && reqs[i].status != STBL_ST_TRANSIENT)
			odd = true;
		stbl_stat_request(p->store, &reqs[i], false);
		p->store->driver->release(p->store->handle, &reqs[i]);
	}
	return odd && n_won == 0 ? -1 : n_won;
}

static void
verdict(StblProbeRow *row, bool ok, const char *detail)
{
	row->ok = ok;
	strlcpy(row->detail, detail, sizeof(row->detail));
}

static void
probe_create(Probe *p, StblProbeRow *row)
{
	for (int round = 0; round < N_ROUNDS; round++)
	{
		char	   *key = psprintf("%s/create-%d", p->prefix, round);
		int			won = race(p, STBL_OP_PUT_NEW, key, NULL);

		if (won != 1)
		{
			verdict(row, false, won < 0 ? "no create succeeded" :
					psprintf("%d of %d concurrent creates of one object succeeded", won, N_RACERS));
			return;
		}
		if (simple(p, STBL_OP_PUT_NEW, key, "again", NULL, NULL) != STBL_ST_PRECONDITION)
		{
			verdict(row, false, "an existing object was created again");
			return;
		}
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

static void
probe_cas(Probe *p, StblProbeRow *row)
{
	char	   *key = psprintf("%s/cas", p->prefix);
	char		etag[128],
				stale[128];

	if (simple(p, STBL_OP_PUT_NEW, key, "first", NULL, etag) != STBL_ST_OK || etag[0] == '\0')
	{
		verdict(row, false, "an object could not be created, or its answer had no etag");
		return;
	}
	for (int round = 0; round < N_ROUNDS; round++)
	{
		int			won;

		strlcpy(stale, etag, sizeof(stale));
		won = race(p, STBL_OP_PUT_MATCH, key, etag);
		if (won != 1)
		{
			verdict(row, false, won < 0 ? "no replacement succeeded" :
					psprintf("%d of %d concurrent replacements of one content succeeded", won, N_RACERS));
			return;
		}
		if (simple(p, STBL_OP_HEAD, key, NULL, NULL, etag) != STBL_ST_OK || strcmp(etag, stale) == 0)
		{
			verdict(row, false, "a new content has the etag of the old one");
			return;
		}
		if (simple(p, STBL_OP_PUT_MATCH, key, "stale", stale, NULL) != STBL_ST_PRECONDITION)
		{
			verdict(row, false, "a replacement with a stale etag was not refused");
			return;
		}
	}
	if (simple(p, STBL_OP_PUT_MATCH, psprintf("%s/none", p->prefix), "x", etag, NULL) != STBL_ST_PRECONDITION)
	{
		verdict(row, false, "a replacement of a missing object was not refused");
		return;
	}
	verdict(row, true, psprintf("one winner in each of %d races of %d", N_ROUNDS, N_RACERS));
}

static bool
range_is(Probe *p, const char *key, uint64 offset, uint64 length, const char *expected)
{
	StblRequest req;
	bool		ok;

	memset(&req, 0, sizeof(req));
	req.op = STBL_OP_GET_RANGE;
	req.key = key;
	req.offset = offset;
	req.length = length;
	req.deadline_us = stbl_now_us() + (int64) stbl_http_timeout_ms * 1000;
	p->store->driver->submit(p->store->handle, &req);
	run(p, &req);
	if (expected == NULL)
		ok = req.status == STBL_ST_FAILED;
	else
		ok = req.status == STBL_ST_OK && req.body_len == length && memcmp(req.body, expected, length) == 0;
	p->store->driver->release(p->store->handle, &req);
	return ok;
}

static void
probe_range(Probe *p, StblProbeRow *row)
{
	char	   *key = psprintf("%s/range", p->prefix);

	if (simple(p, STBL_OP_PUT_NEW, key, "0123456789", NULL, NULL) != STBL_ST_OK)
		verdict(row, false, "an object could not be created");
	else if (!range_is(p, key, 0, 1, "0") || !range_is(p, key, 9, 1, "9") ||
			 !range_is(p, key, 3, 4, "3456") || !range_is(p, key, 0, 10, "0123456789"))
		verdict(row, false, "a range was not answered exactly");
	else if (!range_is(p, key, 5, 6, NULL))
		verdict(row, false, "a range beyond the end was not refused");
	else
		verdict(row, true, "exact ranges, first and last byte included");
}

static void
probe_list(Probe *p, StblProbeRow *row)
{
	char	   *inside[3];
	char	   *prefix = psprintf("%s/list/", p->prefix);
	StblRequest req;
	int			n_found = 0;
	bool		strange = false;

	for (int i = 0; i < 3; i++)
	{
		inside[i] = psprintf("%s%d", prefix, i);
		simple(p, STBL_OP_PUT_NEW, inside[i], "x", NULL, NULL);
	}
	simple(p, STBL_OP_PUT_NEW, psprintf("%s/listed", p->prefix), "x", NULL, NULL);
	start(p, &req, STBL_OP_LIST, prefix, NULL);
	run(p, &req);
	for (size_t i = 0; i < req.n_entries; i++)
	{
		bool		known = false;

		for (int j = 0; j < 3; j++)
			known = known || strcmp(req.entries[i].key, inside[j]) == 0;
		n_found += known;
		strange = strange || !known;
	}
	if (req.status != STBL_ST_OK)
		verdict(row, false, req.message[0] ? req.message : "listing failed");
	else if (n_found != 3 || strange)
		verdict(row, false, "a listing did not show just the objects under its prefix");
	else
		verdict(row, true, "objects under a prefix, and only they");
	p->store->driver->release(p->store->handle, &req);
	for (int i = 0; i < 3; i++)
		simple(p, STBL_OP_DELETE, inside[i], NULL, NULL, NULL);
	simple(p, STBL_OP_DELETE, psprintf("%s/listed", p->prefix), NULL, NULL, NULL);
}

static void
probe_delete(Probe *p, StblProbeRow *row)
{
	bool		ok = true;

	for (int i = 0; i < N_ROUNDS; i++)
		ok = simple(p, STBL_OP_DELETE, psprintf("%s/create-%d", p->prefix, i), NULL, NULL, NULL) == STBL_ST_OK && ok;
	ok = simple(p, STBL_OP_DELETE, psprintf("%s/cas", p->prefix), NULL, NULL, NULL) == STBL_ST_OK && ok;
	ok = simple(p, STBL_OP_DELETE, psprintf("%s/range", p->prefix), NULL, NULL, NULL) == STBL_ST_OK && ok;
	ok = simple(p, STBL_OP_HEAD, psprintf("%s/cas", p->prefix), NULL, NULL, NULL) == STBL_ST_NOT_FOUND && ok;
	ok = simple(p, STBL_OP_DELETE, psprintf("%s/cas", p->prefix), NULL, NULL, NULL) == STBL_ST_OK && ok;
	verdict(row, ok, ok ? "idempotent" : "an object could not be deleted, or deleting a missing one failed");
}

void
stbl_store_probe(StblStore *store, StblProbeRow rows[STBL_N_PROBES])
{
	StblStore  *base = store->base;
	Probe		p;
	char		uuid[37];

	if (!base->probed)
	{
		StblProbeRow *out = base->probe;

		stbl_new_uuid(uuid);
		p.store = base;
		snprintf(p.prefix, sizeof(p.prefix), "_supertable_probe/%s", uuid);
		for (int i = 0; i < STBL_N_PROBES; i++)
			out[i].capability = capabilities[i];
		probe_create(&p, &out[0]);
		CHECK_FOR_INTERRUPTS();
		probe_cas(&p, &out[1]);
		CHECK_FOR_INTERRUPTS();
		probe_range(&p, &out[2]);
		probe_list(&p, &out[3]);
		probe_delete(&p, &out[4]);
		base->probed = true;
	}
	memcpy(rows, base->probe, sizeof(StblProbeRow) * STBL_N_PROBES);
}
