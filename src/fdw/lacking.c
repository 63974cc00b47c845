/* Columns of a foreign table that its storage lacks: they read as NULL, and a session is told so once. */
#include "postgres.h"

#include "access/parallel.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "fdw/fdw.h"

static List *told = NIL;		/* "root column" */

void
stbl_note_lacking(StblTxnTable *tt, Relation rel, const StblColumn *column)
{
	const StblSchema *own = stbl_txn_schema(tt);
	char	   *key;
	MemoryContext old;
	ListCell   *lc;

	if (IsParallelWorker())
		return;					/* the leader tells */
	if (own != NULL && stbl_schema_find(own, column->field.name) >= 0)
		return;
	key = psprintf("%s %s", stbl_txn_storage(tt)->root, column->field.name);
	foreach(lc, told)
		if (strcmp(lfirst(lc), key) == 0)
			return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	told = lappend(told, pstrdup(key));
	MemoryContextSwitchTo(old);
	ereport(NOTICE,
			(errmsg("column \"%s\" of foreign table \"%s\" is not stored yet, and reads as null",
					column->name, RelationGetRelationName(rel)),
			 errdetail("The next write of rows adds it to the stored schema of \"%s\".", stbl_txn_storage(tt)->root),
			 errhint("If the storage has the column under another name, set its option \"column_name\".")));
}
