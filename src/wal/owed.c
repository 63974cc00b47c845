/*
 * What a writer does before its own work: owed mutations of this database,
 * undecided ones in its way, markers of finished ones.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define MAX_DELETIONS 100

static void
warn_owed(StblTable *table, const StblSettle *s)
{
	ereport(WARNING,
			(errmsg("mutation %s of table \"%s\" is committed, but could not be published", s->doc->doc.wal_id, table->root),
			 s->err.message[0] ? errdetail("%s", s->err.message) : 0,
			 errhint("See supertable_wal().")));
}

/* A witness whose document is COMPLETE or gone has served. */
static bool
has_served(StblTable *table, const char *wal_id, StblDoc *doc, int64 deadline_us, StblError *err, bool *broken)
{
	StblStatus	status;

	*broken = false;
	if (stbl_seen_complete(wal_id))
		return true;
	status = stbl_doc_read(table, stbl_mem_in(CurrentMemoryContext), wal_id, doc, deadline_us, err);
	if (status == STBL_ST_NOT_FOUND)
		return true;
	if (status != STBL_ST_OK)
	{
		*broken = true;
		return false;
	}
	return doc->doc.state == STBL_COMPLETE && doc->doc.outcome != STBL_OUTCOME_ROLLED_BACK;
}

void
stbl_settle_owed(StblTable *table, bool delete_witnesses, int64 deadline_us)
{
	int			n;
	char	  **ids = stbl_witness_list(table->root, &n);
	StblSettle *owed;
	int			n_owed = 0;
	int			n_deleted = 0;

	if (n == 0)
		return;
	owed = palloc0(sizeof(StblSettle) * n);
	for (int i = 0; i < n; i++)
	{
		StblDoc    *doc;
		StblError	err;
		bool		broken;

		/* Owed or known to have served: anything else is at work still. */
		if (stbl_seen_complete(ids[i]))
		{
			if (delete_witnesses && n_deleted++ < MAX_DELETIONS)
				stbl_witness_delete(ids[i]);
			continue;
		}
		if (n_deleted >= MAX_DELETIONS || !stbl_owner_lock(ids[i], true))
			continue;
		doc = palloc0(sizeof(StblDoc));
		if (has_served(table, ids[i], doc, deadline_us, &err, &broken))
		{
			if (delete_witnesses && n_deleted++ < MAX_DELETIONS)
				stbl_witness_delete(ids[i]);
			stbl_owner_unlock(ids[i]);
			continue;
		}
		if (broken)
		{
			strlcpy(doc->doc.wal_id, ids[i], sizeof(doc->doc.wal_id));
			owed[n_owed].doc = doc;
			owed[n_owed].err = err;
			warn_owed(table, &owed[n_owed]);
			stbl_owner_unlock(ids[i]);
			continue;
		}
		owed[n_owed++].doc = doc;
	}
	if (n_owed == 0)
		return;
	stbl_settle_commit(table, owed, n_owed, false, deadline_us);
	for (int i = 0; i < n_owed; i++)
	{
		if (owed[i].result == STBL_SETTLE_OWED || owed[i].result == STBL_SETTLE_FORCED)
			warn_owed(table, &owed[i]);
		stbl_owner_unlock(owed[i].doc->doc.wal_id);
	}
}

bool
stbl_settle_guard(StblTable *table, const char *wal_id, const StblCoordinator *coordinator, int64 deadline_us)
{
	StblDoc    *doc = palloc0(sizeof(StblDoc));
	StblSettle	settle;
	StblStatus	status;
	StblError	err;
	StblGuard	guard;
	bool		committed;

	if (!stbl_coordinator_equal(coordinator, stbl_coordinator_self()) || !stbl_owner_lock(wal_id, true))
		return false;
	/* The lock first, then the witness: an owner that has just ended has its row to be seen. */
	committed = stbl_witness_exists(wal_id);
	status = stbl_doc_read(table, stbl_mem_in(CurrentMemoryContext), wal_id, doc, deadline_us, &err);
	memset(&settle, 0, sizeof(settle));
	settle.doc = doc;
	if (status == STBL_ST_FAILED || (committed && status == STBL_ST_NOT_FOUND))
	{
		stbl_owner_unlock(wal_id);
		return false;
	}
	strlcpy(doc->doc.wal_id, wal_id, sizeof(doc->doc.wal_id));
	if (committed)
		stbl_settle_commit(table, &settle, 1, false, deadline_us);
	else
		stbl_settle_rollback(table, &settle, 1, true, deadline_us);
	stbl_owner_unlock(wal_id);
	(void) stbl_snapshot_refresh(table, deadline_us);
	return !stbl_guard_find(table->current, wal_id, stbl_mem_in(CurrentMemoryContext), &guard) ||
		guard.state != STBL_GUARD_PREPARED;
}

char	  **
stbl_settle_removable(StblTable *table, StblSnapshot *base, int max, int *n, int64 deadline_us)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	int			n_domains;
	StblDomain *domains = stbl_snapshot_domains(base, STBL_GUARD_PREFIX, &n_domains);
	char	  **out = palloc(sizeof(char *) * (n_domains + 1));
	int			n_read = 0;

	*n = 0;
	for (int i = 0; i < n_domains; i++)
	{
		const char *wal_id = domains[i].domain + strlen(STBL_GUARD_PREFIX);
		bool		removable = stbl_seen_complete(wal_id);
		StblGuard	guard;
		StblError	err;

		if (!stbl_guard_parse(mem, domains[i].configuration, &guard, &err) || guard.state == STBL_GUARD_PREPARED)
			continue;
		if (!removable && n_read < max)
		{
			StblDoc		doc;
			StblStatus	status;

			memset(&doc, 0, sizeof(doc));
			n_read++;
			status = stbl_doc_read(table, mem, wal_id, &doc, deadline_us, &err);
			removable = status == STBL_ST_NOT_FOUND || (status == STBL_ST_OK && doc.doc.state == STBL_COMPLETE);
		}
		if (removable)
			out[(*n)++] = pstrdup(domains[i].domain);
	}
	return out;
}
