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

/* How many markers, and witness rows, of others an owner leaves to them; how many markers it asks about beyond. */
#define TOLERATED_MARKERS 64
#define OWNER_ASKS 16

static void
warn_owed(StblTable *table, const char *wal_id, const StblError *err)
{
	ereport(WARNING,
			(errmsg("mutation %s of table \"%s\" is committed, but could not be published", wal_id, table->root),
			 err->message[0] ? errdetail("%s", err->message) : 0,
			 errhint("See supertable_wal().")));
}

/* Publishes those whose documents are not COMPLETE; returns how many were found to have served. */
static int
publish_owed(StblTable *table, const char **ids, int n, int64 deadline_us, const char **served)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblDoc    *docs = palloc0(sizeof(StblDoc) * n);
	StblStatus *status = palloc(sizeof(StblStatus) * n);
	StblError  *errs = palloc(sizeof(StblError) * n);
	StblSettle *owed = palloc0(sizeof(StblSettle) * n);
	int			n_owed = 0;
	int			n_served = 0;

	stbl_docs_read(table, mem, ids, n, docs, status, errs, deadline_us);
	for (int i = 0; i < n; i++)
	{
		bool		complete = status[i] == STBL_ST_OK && docs[i].doc.state == STBL_COMPLETE;

		strlcpy(docs[i].doc.wal_id, ids[i], sizeof(docs[i].doc.wal_id));
		if (status[i] == STBL_ST_FAILED)
			warn_owed(table, ids[i], &errs[i]);
		else if (complete && docs[i].doc.outcome != STBL_OUTCOME_ROLLED_BACK)
			served[n_served++] = ids[i];
		else
			owed[n_owed++].doc = &docs[i];
	}
	if (n_owed == 0)
		return n_served;
	stbl_settle_commit(table, owed, n_owed, false, deadline_us);
	for (int i = 0; i < n_owed; i++)
		if (owed[i].result == STBL_SETTLE_OWED || owed[i].result == STBL_SETTLE_FORCED)
			warn_owed(table, owed[i].doc->doc.wal_id, &owed[i].err);
		else if (owed[i].result == STBL_SETTLED)
			served[n_served++] = pstrdup(owed[i].doc->doc.wal_id);
	return n_served;
}

/* Those that the snapshot has not applied, of the first n; the others go to the end. */
static int
not_applied(StblTable *table, const char **ids, int n)
{
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		const char *id = ids[i];

		if (table->current != NULL && stbl_guard_applied(table->current, id))
			continue;
		ids[i] = ids[k];
		ids[k++] = id;
	}
	return k;
}

bool
stbl_settle_owed(StblTable *table, bool delete_witnesses, bool looked, int64 deadline_us)
{
	int			n;
	char	  **ids = stbl_witness_list(table->root, &n);
	const char **open;
	const char **served;
	int			n_open = 0;
	int			n_ask;
	int			n_served = 0;

	if (n == 0)
		return looked;
	open = palloc(sizeof(char *) * n);
	served = palloc(sizeof(char *) * n * 2);
	for (int i = 0; i < n; i++)
		switch (stbl_seen(table, ids[i]))
		{
			case STBL_SEEN_COMMITTED:
				served[n_served++] = ids[i];
				break;
			case STBL_SEEN_ROLLED_BACK:
				break;			/* forced, and warned of: the row stays as the record of it */
			case STBL_SEEN_NOT:
				/* Its owner is still at work where the lock is held. */
				if (n_open < MAX_DELETIONS && stbl_owner_lock(ids[i], true))
					open[n_open++] = ids[i];
				break;
		}

	/*
	 * Applied is not owed; whether its document is COMPLETE, so that the row
	 * may go, is asked only where such rows pile up.
	 */
	n_ask = not_applied(table, open, n_open);
	if (n_ask > 0 && !looked)
	{
		(void) stbl_snapshot_refresh(table, deadline_us);
		looked = true;
		n_ask = not_applied(table, open, n_open);
	}
	if (delete_witnesses && n_open > TOLERATED_MARKERS)
		n_ask = n_open;
	if (n_ask > 0)
	{
		n_served += publish_owed(table, open, n_ask, deadline_us, served + n_served);
		looked = false;			/* another may have published, since the look, what is COMPLETE by now */
	}
	for (int i = 0; i < n_open; i++)
		stbl_owner_unlock(open[i]);
	for (int i = 0; delete_witnesses && i < Min(n_served, MAX_DELETIONS); i++)
		stbl_witness_delete(served[i]);
	return looked;
}

void
stbl_settle_await_owners(StblTable *table)
{
	int			n;
	char	  **ids = stbl_witness_list(table->root, &n);

	for (int i = 0; i < n; i++)
		if (stbl_seen(table, ids[i]) == STBL_SEEN_NOT)
		{
			(void) stbl_owner_lock(ids[i], false);
			stbl_owner_unlock(ids[i]);
		}
}

/* ---- witness rows and markers ---- */

void
stbl_settle_witnesses(StblTable *table, int64 deadline_us)
{
	int			n;
	char	  **ids = stbl_witness_list(table->root, &n);
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable witnesses", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(cxt);
	for (int from = 0; from < n; from += STBL_WAL_IN_FLIGHT)
	{
		const char *ask[STBL_WAL_IN_FLIGHT];
		StblStatus	status[STBL_WAL_IN_FLIGHT];
		StblDoc    *docs = palloc(sizeof(StblDoc) * STBL_WAL_IN_FLIGHT);
		StblError  *errs = palloc(sizeof(StblError) * STBL_WAL_IN_FLIGHT);
		int			k = 0;

		CHECK_FOR_INTERRUPTS();
		for (int i = from; i < Min(n, from + STBL_WAL_IN_FLIGHT); i++)
			if (stbl_seen(table, ids[i]) == STBL_SEEN_COMMITTED)
				stbl_witness_delete(ids[i]);
			else if (stbl_seen(table, ids[i]) == STBL_SEEN_NOT)
				ask[k++] = ids[i];
		stbl_docs_read(table, stbl_mem_in(cxt), ask, k, docs, status, errs, deadline_us);
		for (int i = 0; i < k; i++)
		{
			bool		gone = status[i] == STBL_ST_NOT_FOUND &&
				stbl_snapshot_domain(table->current, stbl_guard_domain(ask[i])) == NULL;

			if (gone || (status[i] == STBL_ST_OK && docs[i].doc.state == STBL_COMPLETE &&
						 docs[i].doc.outcome != STBL_OUTCOME_ROLLED_BACK))
				stbl_witness_delete(ask[i]);
		}
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}

bool
stbl_settle_guard(StblTable *table, const char *wal_id, const StblCoordinator *coordinator, int64 deadline_us)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblDoc    *doc = palloc0(sizeof(StblDoc));
	StblSettle	settle;
	StblStatus	status;
	StblError	err;
	StblGuard	guard;
	bool		committed;

	if (!stbl_coordinator_equal(coordinator, stbl_coordinator_self()) || !stbl_owner_lock(wal_id, true))
		return false;

	/*
	 * The lock, then a new snapshot, then the witness: an owner that has just
	 * ended has its row to be seen.
	 */
	(void) stbl_snapshot_refresh(table, deadline_us);
	if (stbl_guard_find(table->current, wal_id, mem, &guard) && guard.state == STBL_GUARD_PREPARED)
	{
		committed = stbl_witness_exists(wal_id);
		status = stbl_doc_read(table, mem, wal_id, doc, deadline_us, &err);
		strlcpy(doc->doc.wal_id, wal_id, sizeof(doc->doc.wal_id));
		memset(&settle, 0, sizeof(settle));
		settle.doc = doc;
		if (committed)
			stbl_settle_commit(table, &settle, 1, false, deadline_us);
		else if (status != STBL_ST_FAILED)
			stbl_settle_rollback(table, &settle, 1, true, deadline_us);
		(void) stbl_snapshot_refresh(table, deadline_us);
	}
	stbl_owner_unlock(wal_id);
	return !stbl_guard_find(table->current, wal_id, mem, &guard) || guard.state != STBL_GUARD_PREPARED;
}

int
stbl_settle_remove_markers(StblVersion *v, int max, int64 deadline_us)
{
	StblTable  *table = stbl_version_table(v);
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	int			n_domains;
	StblDomain *domains = stbl_snapshot_domains(stbl_version_base(v), STBL_GUARD_PREFIX, &n_domains);
	const char **ask = palloc(sizeof(char *) * (n_domains + 1));
	int			n_ask = 0;
	int			n_removed = 0;
	StblDoc    *docs;
	StblStatus *status;
	StblError  *errs;

	for (int i = 0; i < n_domains; i++)
	{
		const char *wal_id = domains[i].domain + strlen(STBL_GUARD_PREFIX);
		StblGuard	guard;
		StblError	err;

		if (!stbl_id_is_valid(wal_id) || !stbl_guard_parse(mem, domains[i].configuration, &guard, &err) ||
			guard.state == STBL_GUARD_PREPARED)
			continue;
		if (stbl_seen(table, wal_id) != STBL_SEEN_NOT)
		{
			stbl_version_domain(v, domains[i].domain, NULL);
			n_removed++;
		}
		else if (n_ask < max)
			ask[n_ask++] = wal_id;
	}
	if (n_ask == 0)
		return n_removed;
	docs = palloc(sizeof(StblDoc) * n_ask);
	status = palloc(sizeof(StblStatus) * n_ask);
	errs = palloc(sizeof(StblError) * n_ask);
	stbl_docs_read(table, mem, ask, n_ask, docs, status, errs, deadline_us);
	for (int i = 0; i < n_ask; i++)
		if (status[i] == STBL_ST_NOT_FOUND || (status[i] == STBL_ST_OK && docs[i].doc.state == STBL_COMPLETE))
		{
			stbl_version_domain(v, stbl_guard_domain(ask[i]), NULL);
			n_removed++;
		}
	return n_removed;
}

void
stbl_settle_owner_markers(StblVersion *v, int64 deadline_us)
{
	int			n;

	(void) stbl_snapshot_domains(stbl_version_base(v), STBL_GUARD_PREFIX, &n);
	(void) stbl_settle_remove_markers(v, n > TOLERATED_MARKERS ? OWNER_ASKS : 0, deadline_us);
}
