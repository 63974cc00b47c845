/*
 * INSERT, COPY FROM, UPDATE, DELETE: rows into the transaction's record.
 *
 * Core leaves NOT NULL, CHECK and partition constraints of foreign tables to
 * the wrapper; they are checked here before anything is recorded.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "fdw/carry.h"
#include "fdw/fdw.h"

typedef struct StblModify
{
	StblTxnTable *tt;
	StblTable  *table;
	bool		has_constraints;
	bool		is_partition;
	int			n_columns;
	StblColumn *columns;
	const StblSchema *schema;	/* rows are written in */
	int		   *field_columns;	/* for each field of it the column, -1: */
	int		   *field_carried;	/* which of the carried ones an UPDATE takes, -1: NULL */
	StblCarry  *carry;			/* or NULL */
	int			n_carried;
	const StblField **carried;	/* stored fields that the foreign table lacks */
	const StblField *required;	/* one of them that is not null */
	MemoryContext cxt;			/* of the statement */
	AttrNumber	ctid_attno;
	AttrNumber	wholerow_attno;
	MemoryContext row_cxt;
	CommandId	cid;			/* of the statement */
} StblModify;

/* Which column fills which field; columns of others that came to the schema meanwhile are not ours. */
static void
map_fields(StblModify *m)
{
	m->schema = stbl_txn_schema(m->tt);
	m->field_columns = MemoryContextAlloc(m->cxt, sizeof(int) * (m->schema->n_fields + 1));
	m->field_carried = MemoryContextAlloc(m->cxt, sizeof(int) * (m->schema->n_fields + 1));
	for (int i = 0; i < m->schema->n_fields; i++)
	{
		m->field_columns[i] = m->field_carried[i] = -1;
		for (int c = 0; c < m->n_carried; c++)
			if (strcmp(m->carried[c]->name, m->schema->fields[i].name) == 0)
				m->field_carried[i] = c;
	}
	for (int c = 0; c < m->n_columns; c++)
	{
		int			i = stbl_schema_find(m->schema, m->columns[c].field.name);

		if (i < 0)
			elog(ERROR, "column \"%s\" is not in the schema rows are written in", m->columns[c].name);
		stbl_column_match(&m->columns[c], &m->schema->fields[i], m->table->root, true);
		m->field_columns[i] = c;
	}
}

static void
refuse_null(const StblModify *m, const StblField *field)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("column \"%s\" of the stored table \"%s\" is not null, and the foreign table has no such column",
					field->name, m->table->root)));
}

/* What a row that is updated keeps of the columns that the foreign table lacks. */
static void
begin_carry(StblModify *m, StblSnapshot *snapshot, EState *estate)
{
	MemoryContext old;

	if (m->n_carried == 0)
		return;
	old = MemoryContextSwitchTo(m->cxt);
	m->carry = stbl_carry_begin(m->tt, snapshot, estate->es_snapshot->curcid, m->carried, m->n_carried);
	MemoryContextSwitchTo(old);
	map_fields(m);
}

/*
 * The schema rows are written in: the stored one and the columns it lacks, or
 * for a table that does not exist yet the one its first write creates.
 */
static void
begin_write(StblModify *m, StblSnapshot *snapshot, CmdType operation)
{
	const StblSchema *stored = stbl_snapshot_exists(snapshot) ? &snapshot->schema : NULL;
	const StblSchema *schema;
	StblSchema	lacking;

	if (snapshot->dropped && stbl_txn_schema(m->tt) == NULL)
		stbl_require_all_dropped(m->table);
	lacking.n_fields = 0;
	lacking.fields = palloc(sizeof(StblField) * (m->n_columns + 1));
	for (int c = 0; c < m->n_columns; c++)
		if (stored == NULL || stbl_schema_find(stored, m->columns[c].field.name) < 0)
			lacking.fields[lacking.n_fields++] = m->columns[c].field;
	stbl_txn_begin_write(m->tt, stored, &lacking);
	map_fields(m);
	schema = m->schema;
	m->carried = palloc(sizeof(StblField *) * (schema->n_fields + 1));
	for (int i = 0; i < schema->n_fields; i++)
	{
		if (m->field_columns[i] >= 0)
			continue;
		m->carried[m->n_carried++] = &schema->fields[i];
		if (!schema->fields[i].nullable)
			m->required = &schema->fields[i];
	}
	if (operation != CMD_UPDATE && m->required != NULL)
		refuse_null(m, m->required);
}

/*
 * The snapshot whose schema rows are written in: the statement's.  One that
 * only adds rows, and is a transaction of its own (alone), makes do with what
 * the session has cached; the newest is looked for when the rows are sent.
 */
static StblSnapshot *
schema_snapshot(StblModify *m, EState *estate, CmdType operation, bool alone)
{
	StblSnapshot *snapshot = NULL;
	StblSchema	columns;

	if (operation == CMD_INSERT)
		stbl_txn_may_begin_anew(m->tt);
	if (operation == CMD_INSERT && alone && !IsolationUsesXactSnapshot())
	{
		columns.n_fields = m->n_columns;
		columns.fields = palloc(sizeof(StblField) * (m->n_columns + 1));
		for (int c = 0; c < m->n_columns; c++)
			columns.fields[c] = m->columns[c].field;
		snapshot = stbl_txn_cached(m->tt, &columns);
	}
	if (snapshot == NULL)
	{
		snapshot = operation == CMD_INSERT ? stbl_txn_schema_snapshot(m->tt, estate, estate->es_query_cxt) :
			stbl_txn_snapshot(m->tt, estate, estate->es_query_cxt);
		stbl_check_writer_protocol(m->table, snapshot);
	}
	return snapshot;
}

static StblModify *
begin_modify(EState *estate, ResultRelInfo *rinfo, CmdType operation)
{
	Relation	rel = rinfo->ri_RelationDesc;
	StblModify *m = palloc0(sizeof(StblModify));
	StblSnapshot *snapshot;
	bool		alone;

	m->tt = stbl_relation_txn(rel, STBL_RESULT_CHECK_AS_USER(rinfo, estate));
	m->table = stbl_txn_storage(m->tt);
	m->columns = stbl_columns(RelationGetDescr(rel), &m->n_columns);
	alone = stbl_txn_statement(m->tt, stbl_statement_is_simple(estate, rinfo));
	snapshot = schema_snapshot(m, estate, operation, alone);
	m->has_constraints = rel->rd_att->constr != NULL;
	m->is_partition = rel->rd_rel->relispartition;
	m->cxt = estate->es_query_cxt;
	m->row_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable modify row", ALLOCSET_DEFAULT_SIZES);
	if (operation != CMD_DELETE)
		begin_write(m, snapshot, operation);
	if (operation == CMD_UPDATE)
		begin_carry(m, snapshot, estate);
	m->cid = estate->es_plannedstmt != NULL ? estate->es_output_cid : GetCurrentCommandId(true);
	rinfo->ri_FdwState = m;
	return m;
}

static void
supertableBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *fdw_private,
							 int subplan_index, int eflags)
{
	StblModify *m;
	Plan	   *subplan = outerPlanState(mtstate)->plan;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	m = begin_modify(mtstate->ps.state, rinfo, mtstate->operation);
	if (mtstate->operation != CMD_INSERT)
	{
		m->ctid_attno = ExecFindJunkAttributeInTlist(subplan->targetlist, "ctid");
		if (!AttributeNumberIsValid(m->ctid_attno))
			elog(ERROR, "could not find junk ctid column");
		m->wholerow_attno = ExecFindJunkAttributeInTlist(subplan->targetlist, "wholerow");
	}
}

/* COPY FROM, tuple routing, and rows moved here by an UPDATE of another partition. */
static void
supertableBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	ModifyTable *plan = castNode(ModifyTable, mtstate->ps.plan);

	if (plan != NULL && plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("INSERT ... ON CONFLICT is not supported on supertables"),
				 errdetail("A supertable has no unique constraints.")));
	/* An UPDATE that moves rows here may have this relation as a target too: its state serves. */
	if (rinfo->ri_FdwState == NULL)
		(void) begin_modify(mtstate->ps.state, rinfo, CMD_INSERT);
}

static void
check_constraints(StblModify *m, EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot)
{
	if (m->has_constraints)
		ExecConstraints(rinfo, slot, estate);
	if (m->is_partition)
		(void) ExecPartitionCheck(rinfo, slot, estate, true);
}

/* carry: it has been sought out, and gives the columns that the slot lacks; else they are NULL. */
static void
record_row(StblModify *m, TupleTableSlot *slot, StblCarry *carry)
{
	const StblSchema *schema;
	StblColVec **cols;
	MemoryContext old;

	slot_getallattrs(slot);
	/* What a trigger has run may have written through a wider foreign table. */
	if (stbl_txn_schema(m->tt) != m->schema)
		map_fields(m);
	schema = m->schema;
	old = MemoryContextSwitchTo(m->row_cxt);
	cols = stbl_txn_new_row(m->tt);
	for (int i = 0; i < schema->n_fields; i++)
	{
		int			c = m->field_columns[i];

		if (c < 0 && carry != NULL && m->field_carried[i] >= 0)
			stbl_carry_append(carry, m->field_carried[i], cols[i]);
		else if (c < 0)
			stbl_colvec_null(cols[i]);
		else
		{
			int			att = m->columns[c].attnum - 1;

			stbl_column_append(&m->columns[c], cols[i], slot->tts_values[att], slot->tts_isnull[att]);
		}
	}
	stbl_txn_row_done(m->tt, m->cid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(m->row_cxt);
}

static TupleTableSlot *
supertableExecForeignInsert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	StblModify *m = rinfo->ri_FdwState;

	/* a row that an UPDATE moves to a relation it updates as well */
	if (m->required != NULL)
		refuse_null(m, m->required);
	check_constraints(m, estate, rinfo, slot);
	record_row(m, slot, NULL);
	return slot;
}

/* Deletes the row a plan row stands for; false if it is gone already. */
static bool
delete_row(StblModify *m, TupleTableSlot *plan_slot)
{
	bool		isnull;
	Datum		datum = ExecGetJunkAttribute(plan_slot, m->ctid_attno, &isnull);
	uint32		file_no,
				position;

	if (isnull)
		elog(ERROR, "ctid is NULL");
	stbl_address_unpack((ItemPointer) DatumGetPointer(datum), &file_no, &position);
	if (!stbl_txn_delete(m->tt, file_no, position, m->cid))
		return false;
	if (m->carry != NULL)
		stbl_carry_seek(m->carry, file_no, position);
	return true;
}

static TupleTableSlot *
supertableExecForeignUpdate(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	StblModify *m = rinfo->ri_FdwState;

	check_constraints(m, estate, rinfo, slot);
	if (!delete_row(m, plan_slot))
		return NULL;
	record_row(m, slot, m->carry);
	return slot;
}

static TupleTableSlot *
supertableExecForeignDelete(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	StblModify *m = rinfo->ri_FdwState;
	HeapTupleHeader header;
	HeapTupleData tuple;
	bool		isnull;
	Datum		datum;

	if (!delete_row(m, plan_slot))
		return NULL;
	if (!AttributeNumberIsValid(m->wholerow_attno))
		return slot;

	/* RETURNING wants the row. */
	datum = ExecGetJunkAttribute(plan_slot, m->wholerow_attno, &isnull);
	if (isnull)
		return slot;
	header = DatumGetHeapTupleHeader(datum);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = RelationGetRelid(rinfo->ri_RelationDesc);
	tuple.t_data = header;
	ExecClearTuple(slot);
	heap_deform_tuple(&tuple, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	return slot;
}

static void
supertableEndForeignModify(EState *estate, ResultRelInfo *rinfo)
{
	StblModify *m = rinfo->ri_FdwState;

	if (m != NULL && m->carry != NULL)
		stbl_carry_end(m->carry);
	if (m != NULL)
		stbl_txn_end_write(m->tt);
	rinfo->ri_FdwState = NULL;
}

static int
supertableIsForeignRelUpdatable(Relation rel)
{
	return (1 << CMD_INSERT) | (1 << CMD_UPDATE) | (1 << CMD_DELETE);
}

void
stbl_fdw_modify_routines(FdwRoutine *routine)
{
	routine->BeginForeignModify = supertableBeginForeignModify;
	routine->ExecForeignInsert = supertableExecForeignInsert;
	routine->ExecForeignUpdate = supertableExecForeignUpdate;
	routine->ExecForeignDelete = supertableExecForeignDelete;
	routine->EndForeignModify = supertableEndForeignModify;
	routine->BeginForeignInsert = supertableBeginForeignInsert;
	routine->EndForeignInsert = supertableEndForeignModify;
	routine->IsForeignRelUpdatable = supertableIsForeignRelUpdatable;
}
