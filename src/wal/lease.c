/*
 * Giving back the leases of a sweep that was cancelled, so that the next one
 * need not wait until they have run out.  A courtesy: what does not succeed at
 * once is left to the leases' ends.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"

/* A cancelled statement is to end soon, whatever storage does. */
#define RELEASE_US ((int64) 200 * 1000)

typedef struct ReleaseArg
{
	StblTable  *table;
	const char **wal_ids;
	int			n;
	const char *owner;
} ReleaseArg;

/* The documents say which leases are there: of those that were asked for last no answer may have come. */
static void
release(void *arg_p)
{
	ReleaseArg *a = arg_p;
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	int64		deadline_us = stbl_now_us() + RELEASE_US;
	StblDoc    *docs = palloc(sizeof(StblDoc) * a->n);
	StblStatus *status = palloc(sizeof(StblStatus) * a->n);
	StblError  *errs = palloc(sizeof(StblError) * a->n);
	StblCall  **calls = palloc(sizeof(StblCall *) * a->n);
	int			k = 0;

	stbl_docs_read(a->table, mem, a->wal_ids, a->n, docs, status, errs, deadline_us);
	for (int i = 0; i < a->n; i++)
	{
		StblStateDoc *doc = &docs[i].doc;

		if (status[i] != STBL_ST_OK || doc->state == STBL_COMPLETE || !doc->has_lease ||
			strcmp(doc->lease.owner, a->owner) != 0)
			continue;
		doc->has_lease = false;
		calls[k++] = stbl_doc_update(a->table, &docs[i], deadline_us);
	}
	for (int i = 0; i < k; i++)
		(void) stbl_await(calls[i]);
}

void
stbl_leases_release(StblTable *table, const char **wal_ids, int n, const char *owner)
{
	ReleaseArg	arg = {table, wal_ids, n, owner};
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt;
	StblError	err;

	if (n == 0)
		return;
	cxt = AllocSetContextCreate(outer, "supertable leases", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);
	(void) stbl_guarded(release, &arg, &err);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}
