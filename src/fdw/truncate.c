/*
 * TRUNCATE.  Core has locked the relations, checked that no cursor or query of
 * this session has them open, and restarts identity sequences itself.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "fdw/fdw.h"

static void
supertableExecForeignTruncate(List *rels, DropBehavior behavior, bool restart_seqs)
{
	ListCell   *lc;

	foreach(lc, rels)
	{
		StblTxnTable *tt = stbl_relation_txn(lfirst(lc), InvalidOid);
		StblSnapshot *seen = stbl_txn_truncate(tt);

		stbl_check_writer_protocol(stbl_txn_storage(tt), seen);
	}
}

void
stbl_fdw_truncate_routines(FdwRoutine *routine)
{
	routine->ExecForeignTruncate = supertableExecForeignTruncate;
}
