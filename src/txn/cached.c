/*
 * Rows that are added under the cached snapshot.
 *
 * An INSERT or COPY reads nothing of the table; it needs the stored schema to
 * write its rows in.  So one that is a transaction of its own need not wait
 * for a look at the newest version before its first row: it takes the schema
 * of the snapshot this session has cached, and looks at pre-commit, in the
 * same round trip in which its rows are uploaded.  What that look finds
 * decides, as if it had been made when the statement began:
 *
 *	 a table		the rows fit its schema, or HV021; columns that it has
 *					and they have not are NULL in them, those that it lacks
 *					are added
 *	 no table		the rows make it anew
 *
 * Only where the cached schema is just what the statement would make a new
 * table with: then the rows are written in the same way whatever is found.
 */
#include "postgres.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"

void
stbl_check_writer_protocol(StblTable *table, StblSnapshot *snapshot)
{
	static const char *const known[] = {"domainMetadata", "rowTracking", "inCommitTimestamp", "supertable",
	"deletionVectors", "timestampNtz", NULL};
	const StblProtocol *p = &snapshot->protocol;

	if (snapshot->version < 0)
		return;
	if (!stbl_protocol_has(p, "supertable"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot write to Delta table \"%s\"", table->root),
				 errdetail("It was created by another writer and lacks the writer feature \"supertable\"."),
				 errhint("Copy its rows into a table created by this extension.")));
	for (int i = 0; i < p->n_writer_features; i++)
	{
		int			k = 0;

		while (known[k] != NULL && strcmp(known[k], p->writer_features[i]) != 0)
			k++;
		if (known[k] == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot write to Delta table \"%s\"", table->root),
					 errdetail("It uses the writer feature \"%s\".", p->writer_features[i])));
	}
}

/* Whether a new table of these columns would have this schema. */
static bool
is_same_schema(const StblSchema *stored, const StblSchema *columns)
{
	if (stored->n_fields != columns->n_fields)
		return false;
	for (int c = 0; c < columns->n_fields; c++)
	{
		const StblField *f = &columns->fields[c];
		int			i = stbl_schema_find(stored, f->name);

		if (i < 0 || !stbl_field_same_type(f, &stored->fields[i]) || f->nullable != stored->fields[i].nullable)
			return false;
	}
	return true;
}

StblSnapshot *
stbl_txn_cached(StblTxnTable *tt, const StblSchema *columns)
{
	StblSnapshot *snapshot = tt->table->current;

	if (snapshot == NULL || !stbl_snapshot_exists(snapshot) || tt->table_id != NULL || stbl_txn_table_changed(tt) ||
		!is_same_schema(&snapshot->schema, columns))
		return NULL;
	stbl_check_writer_protocol(tt->table, snapshot);
	tt->unverified = true;
	return snapshot;
}

void
stbl_txn_verify(StblTxnTable *tt)
{
	StblSnapshot *snapshot = tt->table->current;
	StblError	err;

	if (!tt->unverified)
		return;
	if (stbl_snapshot_exists(snapshot))
	{
		stbl_check_writer_protocol(tt->table, snapshot);
		if (tt->schema != NULL)
			stbl_rows_add_lacking(tt, &snapshot->schema);
		if (tt->schema != NULL && !stbl_txn_schema_fits(tt, &snapshot->schema, &err))
			stbl_throw(&err);
	}
	else if (tt->table_id == NULL && snapshot->dropped)
		stbl_require_all_dropped(tt->table);
	tt->unverified = false;
}
