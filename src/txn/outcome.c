/*
 * What follows a commit or an abort, in their callbacks: nothing is thrown
 * here, nothing waits for longer than STBL_SETTLE_US, and what could not be
 * done is done by the next writer or by recovery.
 */
#include "postgres.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"
#include "wal/recover.h"

typedef struct SettleArg
{
	StblTxnTable *tt;
	StblSettle	settle;
	int64		limit_us;		/* for how long a roll-back is tried */
} SettleArg;

static void
settle_commit(void *arg_p)
{
	SettleArg  *arg = arg_p;

	arg->settle.vectors = arg->tt->vectors;
	stbl_settle_commit(arg->tt->table, &arg->settle, 1, true, stbl_now_us() + STBL_SETTLE_US);
}

static void
settle_rollback(void *arg_p)
{
	SettleArg  *arg = arg_p;

	stbl_settle_rollback(arg->tt->table, &arg->settle, 1, arg->tt->prepared_sent, stbl_now_us() + arg->limit_us);
}

static void
write_checkpoint(void *arg)
{
	stbl_checkpoint_write(arg, stbl_now_us() + STBL_SETTLE_US);
}

static void
checkpoint_if_due(StblTable *table)
{
	StblSnapshot *s = table->current;
	StblError	err;

	if (s == NULL || stbl_checkpoint_interval <= 0)
		return;
	/* A log that begins after 0 cannot be read by others without a checkpoint. */
	if (s->version - Max(s->checkpoint_version, 0) < stbl_checkpoint_interval && s->checkpoint_version >= s->anew_version)
		return;

	/* no commit waits in vain for what the one before could not write */
	if (table->checkpoint_failed >= 0 && s->checkpoint_version >= s->anew_version &&
		s->version - table->checkpoint_failed < stbl_checkpoint_interval)
		return;
	table->checkpoint_failed = -1;
	if (!stbl_guarded(write_checkpoint, table, &err))
	{
		table->checkpoint_failed = s->version;
		stbl_error_hint(&err, "The commit stands; a later one will write the checkpoint.");
		stbl_warn(&err);
	}
}

/* In the COMMIT callback: whatever goes wrong is a WARNING, and owed. */
void
stbl_txn_postcommit(void)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);
		SettleArg	arg;
		StblError	err;

		if (tt->doc_sent)
		{
			memset(&arg, 0, sizeof(arg));
			arg.tt = tt;
			arg.settle.doc = tt->doc;
			arg.settle.result = STBL_SETTLE_OWED;
			if (!stbl_guarded(settle_commit, &arg, &err))
				arg.settle.err = err;
			if (arg.settle.result == STBL_SETTLE_OWED || arg.settle.result == STBL_SETTLE_FORCED)
				ereport(WARNING,
						(errcode(ERRCODE_WARNING),
						 errmsg("mutation %s of table \"%s\" is committed but not published", tt->wal_id, tt->table->root),
						 arg.settle.err.message[0] ? errdetail("%s", arg.settle.err.message) : 0,
						 errhint("The next writer of this database on the table publishes it, or supertable_recover().")));
		}
		if (stbl_txn_table_changed(tt))
			checkpoint_if_due(tt->table);
	}
}

/* In the ABORT callback: best effort; recovery does the rest. */
void
stbl_txn_abort(void)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);
		SettleArg	arg;
		StblError	err;
		bool		is_silent = stbl_store_is_awaited(tt->store);

		stbl_txn_use_store(tt);
		stbl_txn_cancel_uploads(tt);
		if (!tt->doc_sent)
			continue;
		memset(&arg, 0, sizeof(arg));
		arg.tt = tt;
		/* who was cancelled while it waited for storage is not to wait for it again */
		arg.limit_us = is_silent ? STBL_SETTLE_SILENT_US : STBL_SETTLE_US;
		arg.settle.doc = tt->doc;
		if (!stbl_guarded(settle_rollback, &arg, &err))
			ereport(DEBUG1, (errmsg_internal("mutation %s could not be rolled back on storage: %s",
											 tt->wal_id, err.message)));
	}
}
