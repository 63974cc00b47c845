/*
 * TRUNCATE in the record of a transaction.
 *
 * The version it saw stays pinned: what is removed at commit is what that
 * version held, and nobody may have changed it since.  Superfiles that came
 * later are not touched, so inserts never conflict with it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"

StblTruncation *
stbl_txn_truncation(StblTxnTable *tt)
{
	return tt->n_truncations > 0 ? &tt->truncations[tt->n_truncations - 1] : NULL;
}

/* The one a command sees: made by a command before it. */
static StblTruncation *
seen_by(StblTxnTable *tt, CommandId curcid)
{
	for (int i = tt->n_truncations - 1; i >= 0; i--)
		if (tt->truncations[i].cid < curcid)
			return &tt->truncations[i];
	return NULL;
}

int64
stbl_txn_truncated_version(StblTxnTable *tt, CommandId curcid)
{
	StblTruncation *t = seen_by(tt, curcid);

	return t != NULL ? t->seen->version : -1;
}

/* Of our own rows those before this sequence number are gone for a command. */
uint64
stbl_txn_truncated_rows(StblTxnTable *tt, CommandId curcid)
{
	StblTruncation *t = seen_by(tt, curcid);

	return t != NULL ? t->seq : 0;
}

/* Whether a superfile that is not ours goes with the TRUNCATE that stands. */
bool
stbl_txn_file_truncated(StblTxnTable *tt, const StblTxnFile *f)
{
	StblTruncation *t = stbl_txn_truncation(tt);

	return t != NULL && f->commit_version <= t->seen->version;
}

StblSnapshot *
stbl_txn_truncate(StblTxnTable *tt)
{
	CommandId	cid = GetCurrentCommandId(true);
	StblSnapshot *snapshot;
	StblTruncation *t;

	/* A TRUNCATE names the version it empties: one that is published. */
	stbl_settle_await_owners(tt->table);
	stbl_txn_publish_owed(tt);
	snapshot = stbl_txn_newest(tt);
	if (!snapshot->is_published)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not truncate table \"%s\"", tt->table->root),
				 errdetail("A transaction that has committed is not published yet."),
				 errhint("Retry the transaction.")));
	if (IsolationUsesXactSnapshot() && tt->first_snapshot == NULL)
		tt->first_snapshot = stbl_snapshot_pin(snapshot);
	(void) stbl_txn_statement(tt, false);
	if (snapshot->n_files == 0 && tt->next_seq == 0)
		return snapshot;		/* no rows, no change */
	stbl_txn_touch(tt);
	if (tt->n_truncations == tt->cap_truncations)
	{
		tt->cap_truncations = Max(4, tt->cap_truncations * 2);
		tt->truncations = tt->truncations == NULL ?
			MemoryContextAlloc(tt->cxt, sizeof(StblTruncation) * tt->cap_truncations) :
			repalloc(tt->truncations, sizeof(StblTruncation) * tt->cap_truncations);
	}
	t = &tt->truncations[tt->n_truncations];
	t->cid = cid;
	t->seq = tt->next_seq;
	t->seen = stbl_snapshot_pin(snapshot);
	tt->n_truncations++;
	return snapshot;
}

/* Undoes all but the first n. */
void
stbl_txn_undo_truncations(StblTxnTable *tt, int n)
{
	while (tt->n_truncations > n)
		stbl_snapshot_unpin(tt->truncations[--tt->n_truncations].seen);
}

/* Throws 40001 where a snapshot shows that what was truncated has been changed by another. */
void
stbl_txn_check_truncation(StblTxnTable *tt, StblSnapshot *snapshot)
{
	StblTruncation *t = stbl_txn_truncation(tt);

	if (t == NULL)
		return;
	for (StblFile *f = t->seen->first; f != NULL; f = f->next)
	{
		StblFile   *now = stbl_snapshot_file(snapshot, f->path);
		StblConflict conflict;

		memset(&conflict, 0, sizeof(conflict));
		if (now == NULL)
			conflict.kind = STBL_CONFLICT_GONE;
		else if ((now->dv != NULL ? now->dv->cardinality : 0) != (f->dv != NULL ? f->dv->cardinality : 0))
			conflict.kind = STBL_CONFLICT_CHANGED;
		if (conflict.kind != STBL_CONFLICT_NONE)
			stbl_txn_throw_conflict(tt, f->path, &conflict);
	}
}
