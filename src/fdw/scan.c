/*
 * Scan: the live superfiles of the statement's snapshot, then the rows of the
 * transaction's own record; one row group in memory at a time.
 *
 * What the statement sees is settled at its beginning: the snapshot, and of
 * the transaction's own changes those with a lower command id.  So a scan
 * never meets what its own statement writes.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "access/sysattr.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "delta/superfile.h"
#include "fdw/fdw.h"
#include "fdw/options.h"

/* A column the scan reads. */
typedef struct ScanColumn
{
	StblColumn *column;
	const StblField *field;		/* as stored; NULL: storage lacks it */
	int			leaf;			/* in the superfile at hand; -1: reads as NULL */
	int			slot;			/* index into vecs, -1 */
	const StblPqNode *node;
	int			batch_column;	/* in a batch of our own rows; -1 */
} ScanColumn;

typedef struct StblScan
{
	StblTxnTable *tt;
	StblTable  *table;
	StblSnapshot *snapshot;
	CommandId	curcid;
	StblColumn *columns;
	int			n_scan;
	ScanColumn *scan;
	StblStoreCounters before;	/* counters when the scan began */

	/* what is left to read */
	StblFile   *next_file;
	int			n_parts;
	int			next_part;
	StblOwnPart *parts;

	/* the superfile or batch at hand */
	MemoryContext file_cxt;
	MemoryContext group_cxt;
	MemoryContext row_cxt;
	StblSuperfile *sf;
	StblBatch  *batch;
	uint32		file_no;
	roaring_bitmap_t *hidden;
	int			next_group;
	StblColVec *vecs;
	uint32		first_position; /* of row 0 of what is loaded */
	uint32		n_loaded;
	uint32		row;

	int64		n_superfiles;	/* read */
	int64		n_row_groups;
} StblScan;

void
stbl_address_pack(ItemPointer tid, uint32 file_no, uint32 position)
{
	uint64		v = ((uint64) file_no << 30) | position;

	ItemPointerSet(tid, (BlockNumber) (v >> 16), (OffsetNumber) (v & 0xffff));
}

void
stbl_address_unpack(ItemPointer tid, uint32 *file_no, uint32 *position)
{
	uint64		v = ((uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16) | ItemPointerGetOffsetNumberNoCheck(tid);

	*file_no = (uint32) (v >> 30);
	*position = (uint32) (v & STBL_MAX_POSITION);
}

/* ---- set-up ---- */

static StblColumn *
find_column(StblColumn *columns, int n, AttrNumber attnum)
{
	for (int i = 0; i < n; i++)
		if (columns[i].attnum == attnum)
			return &columns[i];
	elog(ERROR, "attribute %d is not a column", attnum);
	return NULL;
}

static void
set_up_columns(StblScan *s, Relation rel, List *attrs)
{
	int			n;
	ListCell   *lc;

	s->columns = stbl_columns(RelationGetDescr(rel), &n);
	s->scan = palloc0(sizeof(ScanColumn) * (list_length(attrs) + 1));
	if (s->snapshot->version >= 0)
		for (int i = 0; i < n; i++)
		{
			int			j = stbl_schema_find(&s->snapshot->schema, s->columns[i].field.name);

			if (j >= 0)
				stbl_column_match(&s->columns[i], &s->snapshot->schema.fields[j], s->table->root, false);
			else
				ereport(ERROR,
						(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
						 errmsg("column \"%s\" does not exist in the stored schema of table \"%s\"",
								s->columns[i].name, s->table->root),
						 errhint("Columns are matched by name; declare the foreign table with the stored columns.")));
		}
	foreach(lc, attrs)
	{
		ScanColumn *c = &s->scan[s->n_scan++];
		int			j;

		c->column = find_column(s->columns, n, lfirst_int(lc));
		j = stbl_schema_find(&s->snapshot->schema, c->column->field.name);
		c->field = j >= 0 ? &s->snapshot->schema.fields[j] : NULL;
	}
}

/* Whether the statement changes the rows that this scan finds. */
static bool
is_written(ForeignScan *plan, EState *estate)
{
	PlannedStmt *stmt = estate->es_plannedstmt;

	return stmt != NULL && list_member_int(stmt->resultRelations, plan->scan.scanrelid);
}

static void
supertableBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	Relation	rel = node->ss.ss_currentRelation;
	StblScan   *s;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	s = palloc0(sizeof(StblScan));
	s->tt = stbl_relation_txn(rel, STBL_SCAN_CHECK_AS_USER(plan, estate));
	s->table = stbl_txn_storage(s->tt);
	s->before = *stbl_store_counters(s->table->store);
	if (is_written(plan, estate))
		stbl_txn_publish_owed(s->tt);
	s->snapshot = stbl_txn_snapshot(s->tt, estate, estate->es_query_cxt);
	s->curcid = estate->es_snapshot->curcid;
	set_up_columns(s, rel, list_nth(plan->fdw_private, STBL_PRIVATE_ATTRS));
	s->file_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable scan superfile", ALLOCSET_DEFAULT_SIZES);
	s->group_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable scan row group", ALLOCSET_DEFAULT_SIZES);
	s->row_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable scan row", ALLOCSET_DEFAULT_SIZES);
	s->parts = stbl_txn_own_parts(s->tt, s->curcid, &s->n_parts);
	s->next_file = s->snapshot->first;
	if (s->snapshot->version < 0 && s->n_parts == 0)
		ereport(NOTICE,
				(errmsg("supertable \"%s\" has no data on storage yet", RelationGetRelationName(rel)),
				 errdetail("The first write creates it at \"%s\".", s->table->root)));
	node->fdw_state = s;
}

/* ---- going on to what is next ---- */

static void
close_current(StblScan *s)
{
	s->sf = NULL;
	s->batch = NULL;
	s->hidden = NULL;
	s->n_loaded = s->row = 0;
	s->next_group = 0;
	MemoryContextReset(s->group_cxt);
	MemoryContextReset(s->file_cxt);
}

static void
open_superfile(StblScan *s, const char *path, uint64 size, const uint8 *image)
{
	StblError	err;
	int			n_vecs = 0;

	s->sf = stbl_superfile_open(s->table, path, size, image);
	for (int i = 0; i < s->n_scan; i++)
	{
		ScanColumn *c = &s->scan[i];

		/* Our own images are written in the record's schema, whatever the snapshot says. */
		if (!stbl_schema_match_file(&s->sf->meta->schema, c->field ? c->field : &c->column->field, &c->leaf, &err))
			stbl_superfile_throw(s->sf, &err);
		c->slot = c->leaf < 0 ? -1 : n_vecs++;
		c->node = c->leaf < 0 ? NULL : &s->sf->meta->schema.nodes[s->sf->meta->schema.leaf_nodes[c->leaf]];
	}
	s->n_superfiles++;
}

/* Opens the next committed superfile with rows to show; false when there is none. */
static bool
next_committed(StblScan *s)
{
	while (s->next_file != NULL)
	{
		StblFile   *f = s->next_file;
		const roaring_bitmap_t *gone;
		roaring_bitmap_t *own;
		MemoryContext old;

		s->next_file = f->next;
		close_current(s);
		old = MemoryContextSwitchTo(s->file_cxt);
		s->file_no = stbl_txn_file_no(s->tt, f);
		gone = stbl_file_tombstones(s->table, f);
		own = stbl_txn_deleted(s->tt, s->file_no, s->curcid);
		if (own != NULL && gone != NULL)
			roaring_bitmap_or_inplace(own, gone);
		s->hidden = own != NULL ? own : (roaring_bitmap_t *) gone;
		if (f->n_rows < 0 || s->hidden == NULL ||
			roaring_bitmap_get_cardinality(s->hidden) < (uint64) f->n_rows)
		{
			open_superfile(s, f->path, f->size, NULL);
			MemoryContextSwitchTo(old);
			return true;
		}
		MemoryContextSwitchTo(old);
	}
	return false;
}

static bool
next_own(StblScan *s)
{
	StblOwnPart *part;
	MemoryContext old;

	if (s->next_part >= s->n_parts)
		return false;
	part = &s->parts[s->next_part++];
	close_current(s);
	s->file_no = part->file_no;
	s->hidden = part->hidden;
	if (part->batch == NULL)
	{
		old = MemoryContextSwitchTo(s->file_cxt);
		open_superfile(s, part->path, part->size, part->image);
		MemoryContextSwitchTo(old);
		return true;
	}
	s->batch = part->batch;
	s->first_position = part->first_position;
	s->n_loaded = part->n_rows;
	s->row = 0;
	for (int i = 0; i < s->n_scan; i++)
		s->scan[i].batch_column = stbl_schema_find(stbl_batch_schema(s->batch), s->scan[i].column->field.name);
	return true;
}

/* Loads the next row group of the superfile at hand; false at its end. */
static bool
next_row_group(StblScan *s)
{
	StblPqMeta *meta = s->sf->meta;
	int		   *leaves;
	int			n = 0;
	MemoryContext old;

	while (s->next_group < meta->n_row_groups)
	{
		StblPqRowGroup *rg = &meta->row_groups[s->next_group];

		if (rg->n_rows == 0 ||
			(s->hidden != NULL &&
			 roaring_bitmap_range_cardinality(s->hidden, rg->first_row, rg->first_row + rg->n_rows) == (uint64) rg->n_rows))
		{
			s->next_group++;
			continue;
		}
		if (rg->first_row + rg->n_rows > STBL_MAX_POSITION)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("superfile \"%s\" has more than %u rows", s->sf->path, STBL_MAX_POSITION)));
		MemoryContextReset(s->group_cxt);
		old = MemoryContextSwitchTo(s->group_cxt);
		leaves = palloc(sizeof(int) * (s->n_scan + 1));
		s->vecs = palloc0(sizeof(StblColVec) * (s->n_scan + 1));
		for (int i = 0; i < s->n_scan; i++)
			if (s->scan[i].leaf >= 0)
				leaves[n++] = s->scan[i].leaf;
		stbl_superfile_read(s->sf, s->next_group, n, leaves, s->vecs);
		MemoryContextSwitchTo(old);
		s->first_position = rg->first_row;
		s->n_loaded = rg->n_rows;
		s->row = 0;
		s->next_group++;
		s->n_row_groups++;
		return true;
	}
	return false;
}

/* Makes row s->row the next one to show; false at the end. */
static bool
advance(StblScan *s)
{
	for (;;)
	{
		while (s->row < s->n_loaded)
		{
			if (s->hidden == NULL || !roaring_bitmap_contains(s->hidden, s->first_position + s->row))
				return true;
			s->row++;
		}
		CHECK_FOR_INTERRUPTS();
		if (s->sf != NULL && next_row_group(s))
			continue;
		if (!next_committed(s) && !next_own(s))
		{
			close_current(s);
			return false;
		}
	}
}

static void
fill_slot(StblScan *s, TupleTableSlot *slot)
{
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < s->n_scan; i++)
	{
		ScanColumn *c = &s->scan[i];
		int			att = c->column->attnum - 1;

		if (s->batch != NULL)
		{
			if (c->batch_column >= 0)
				slot->tts_values[att] = stbl_column_datum(c->column, NULL, stbl_batch_columns(s->batch)[c->batch_column],
														  s->row, &slot->tts_isnull[att]);
		}
		else if (c->slot >= 0)
			slot->tts_values[att] = stbl_column_datum(c->column, c->node, &s->vecs[c->slot],
													  s->row, &slot->tts_isnull[att]);
	}
}

static TupleTableSlot *
supertableIterateForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext old;

	ExecClearTuple(slot);
	MemoryContextReset(s->row_cxt);
	if (!advance(s))
		return slot;
	old = MemoryContextSwitchTo(s->row_cxt);
	fill_slot(s, slot);
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(slot);
	stbl_address_pack(&slot->tts_tid, s->file_no, s->first_position + s->row);
	slot->tts_tableOid = RelationGetRelid(node->ss.ss_currentRelation);
	s->row++;
	return slot;
}

static void
supertableReScanForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;

	close_current(s);
	s->next_file = s->snapshot->first;
	s->next_part = 0;
}

static void
supertableEndForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;

	if (s == NULL)
		return;
	for (int i = 0; i < s->n_parts; i++)
		if (s->parts[i].batch != NULL)
			stbl_batch_release(s->parts[i].batch);
	s->n_parts = 0;
	node->fdw_state = NULL;
}

static void
supertableExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	StblScan   *s = node->fdw_state;
	const StblStoreCounters *now;
	int64		n = 0;

	if (s == NULL)
	{
		StblTable  *table = stbl_relation_table(RelationGetRelid(node->ss.ss_currentRelation), GetUserId(), false);

		if (table->current != NULL)
			ExplainPropertyInteger("Superfiles", NULL, table->current->n_files, es);
		return;
	}
	now = stbl_store_counters(s->table->store);
	for (int i = 0; i < STBL_N_OPS; i++)
		n += now->n_ops[i] - s->before.n_ops[i];
	ExplainPropertyInteger("Superfiles", NULL, s->snapshot->n_files, es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Superfiles Read", NULL, s->n_superfiles, es);
	ExplainPropertyInteger("Row Groups Read", NULL, s->n_row_groups, es);
	ExplainPropertyInteger("Storage Requests", NULL, n, es);
	ExplainPropertyInteger("Bytes Read", NULL, now->bytes_read - s->before.bytes_read, es);
}

static bool
supertableIsForeignScanParallelSafe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return false;
}

void
stbl_fdw_scan_routines(FdwRoutine *routine)
{
	routine->BeginForeignScan = supertableBeginForeignScan;
	routine->IterateForeignScan = supertableIterateForeignScan;
	routine->ReScanForeignScan = supertableReScanForeignScan;
	routine->EndForeignScan = supertableEndForeignScan;
	routine->ExplainForeignScan = supertableExplainForeignScan;
	routine->IsForeignScanParallelSafe = supertableIsForeignScanParallelSafe;
}
