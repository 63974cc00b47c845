/*
 * Scan: rows of a source as tuples, a few hundred at a time; and the entry of
 * scans that return aggregates (aggregate.c), whose scanrelid is 0.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "common/compat.h"
#include "fdw/aggregate.h"
#include "fdw/fdw.h"
#include "fdw/options.h"
#include "fdw/source.h"

/* Rows that are made Datums at once. */
#define CHUNK_ROWS 512

/* A column of the chunk's rows. */
typedef struct Wanted
{
	StblSourceColumn *column;
	int			att;			/* in the slot */
	Datum	   *values;
	bool	   *isnull;
} Wanted;

typedef struct StblScan
{
	StblAggregate *aggregate;	/* or NULL, and then: */
	StblSource *source;
	List	   *expr_states;
	uint32		next;			/* of the block's selected rows, the next chunk's first */
	int			n_chunk;
	int			at;				/* of the chunk, the next row */
	uint32		rows[CHUNK_ROWS];
	int			n_wanted;
	Wanted	   *wanted;
	MemoryContext chunk_cxt;
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

/* Whether the statement changes the rows that this scan finds. */
static bool
is_written(ForeignScan *plan, EState *estate)
{
	PlannedStmt *stmt = estate->es_plannedstmt;

	return stmt != NULL && list_member_int(stmt->resultRelations, plan->scan.scanrelid);
}

static void
make_chunk(StblScan *s, MemoryContext cxt)
{
	StblSource *src = s->source;

	s->wanted = MemoryContextAllocZero(cxt, sizeof(Wanted) * (src->n_columns + 1));
	for (int i = 0; i < src->n_columns; i++)
	{
		Wanted	   *w = &s->wanted[s->n_wanted];

		if (!src->columns[i].is_wanted)
			continue;
		w->column = &src->columns[i];
		w->att = src->columns[i].column->attnum - 1;
		w->values = MemoryContextAlloc(cxt, sizeof(Datum) * CHUNK_ROWS);
		w->isnull = MemoryContextAlloc(cxt, sizeof(bool) * CHUNK_ROWS);
		s->n_wanted++;
	}
}

static void
supertableBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	StblScan   *s;
	Bitmapset  *wanted = NULL;
	List	   *descriptions;
	Oid			userid;
	ListCell   *lc;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	s = palloc0(sizeof(StblScan));
	node->fdw_state = s;
	if (plan->scan.scanrelid == 0)
	{
		s->aggregate = stbl_aggregate_begin(node);
		return;
	}
	foreach(lc, (List *) list_nth(plan->fdw_private, STBL_PRIVATE_ATTRS))
		wanted = bms_add_member(wanted, lfirst_int(lc));
	descriptions = list_nth(plan->fdw_private, STBL_PRIVATE_FILTER);
	userid = STBL_SCAN_CHECK_AS_USER(plan, estate);
	s->expr_states = ExecInitExprList(plan->fdw_exprs, &node->ss.ps);
	s->chunk_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable scan rows", ALLOCSET_DEFAULT_SIZES);
	if (IsParallelWorker())
		s->source = stbl_source_new(node->ss.ss_currentRelation, userid, estate, wanted, descriptions, s->expr_states,
									node->ss.ps.ps_ExprContext);
	else
	{
		s->source = stbl_source_begin(node->ss.ss_currentRelation, userid, estate, wanted, descriptions, s->expr_states,
									  node->ss.ps.ps_ExprContext, is_written(plan, estate));
		make_chunk(s, estate->es_query_cxt);
	}
}

/* ---- parallel ---- */

static Size
supertableEstimateDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt)
{
	return stbl_shared_size(((StblScan *) node->fdw_state)->source);
}

static void
supertableInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate)
{
	stbl_shared_init(((StblScan *) node->fdw_state)->source, coordinate);
}

static void
supertableReInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate)
{
	stbl_shared_reset(((StblScan *) node->fdw_state)->source);
}

static void
supertableInitializeWorkerForeignScan(ForeignScanState *node, shm_toc *toc, void *coordinate)
{
	StblScan   *s = node->fdw_state;

	stbl_shared_attach(s->source, coordinate);
	make_chunk(s, node->ss.ps.state->es_query_cxt);
}

static void
supertableShutdownForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;

	if (s != NULL && s->source != NULL)
		stbl_shared_count(s->source);
}

/* ---- rows ---- */

/* Makes Datums of the next rows; false at the end. */
static bool
next_chunk(StblScan *s)
{
	StblSource *src = s->source;
	MemoryContext old;

	s->at = 0;
	if (s->next >= src->n_selected)
	{
		s->next = 0;
		if (!stbl_source_next(src))
		{
			s->n_chunk = 0;
			return false;
		}
	}
	s->n_chunk = Min(src->n_selected - s->next, CHUNK_ROWS);
	for (int i = 0; i < s->n_chunk; i++)
		s->rows[i] = src->selected ? src->selected[s->next + i] : s->next + i;
	MemoryContextReset(s->chunk_cxt);
	old = MemoryContextSwitchTo(s->chunk_cxt);
	for (int i = 0; i < s->n_wanted; i++)
	{
		const Wanted *w = &s->wanted[i];

		if (w->column->data == NULL)
			memset(w->isnull, true, s->n_chunk);
		else
			stbl_column_datums(w->column->column, w->column->data, src->selected ? s->rows : NULL, s->next, s->n_chunk,
							   w->values, w->isnull);
	}
	MemoryContextSwitchTo(old);
	s->next += s->n_chunk;
	return true;
}

static TupleTableSlot *
supertableIterateForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	int			at;

	if (s->aggregate != NULL)
		return stbl_aggregate_next(s->aggregate, slot);
	ExecClearTuple(slot);
	if (s->at >= s->n_chunk)
	{
		if (!next_chunk(s))
			return slot;

		/* columns that are not wanted stay so for all of the chunk's rows */
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
		slot->tts_tableOid = RelationGetRelid(node->ss.ss_currentRelation);
	}
	at = s->at++;
	for (int i = 0; i < s->n_wanted; i++)
	{
		const Wanted *w = &s->wanted[i];

		slot->tts_values[w->att] = w->values[at];
		slot->tts_isnull[w->att] = w->isnull[at];
	}
	ExecStoreVirtualTuple(slot);
	stbl_address_pack(&slot->tts_tid, s->source->file_no, s->source->first_position + s->rows[at]);
	return slot;
}

static void
supertableReScanForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;

	if (s->aggregate != NULL)
	{
		stbl_aggregate_restart(s->aggregate);
		return;
	}
	stbl_source_restart(s->source);
	s->next = 0;
	s->at = s->n_chunk = 0;
}

static void
supertableEndForeignScan(ForeignScanState *node)
{
	StblScan   *s = node->fdw_state;

	if (s != NULL && s->aggregate != NULL)
		stbl_aggregate_end(s->aggregate);
	else if (s != NULL && s->source != NULL)
		stbl_source_end(s->source);
	node->fdw_state = NULL;
}

static void
supertableExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	StblScan   *s = node->fdw_state;

	if (plan->scan.scanrelid == 0)
	{
		stbl_aggregate_explain(node, s ? s->aggregate : NULL, es);
		return;
	}
	if (plan->fdw_recheck_quals != NIL)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
		bool		prefixed = list_length(es->rtable) > 1 || es->verbose;

		ExplainPropertyText("Storage Filter",
							deparse_expression((Node *) make_ands_explicit(plan->fdw_recheck_quals), context, prefixed, false),
							es);
	}
	if (s == NULL)
	{
		StblTable  *table = stbl_relation_table(RelationGetRelid(node->ss.ss_currentRelation), GetUserId(), false);

		if (table->current != NULL)
			ExplainPropertyInteger("Superfiles", NULL, table->current->n_files, es);
		return;
	}
	ExplainPropertyInteger("Superfiles", NULL, s->source->snapshot->n_files, es);
	if (es->analyze)
		stbl_source_explain(s->source, es);
}

void
stbl_fdw_scan_routines(FdwRoutine *routine)
{
	routine->BeginForeignScan = supertableBeginForeignScan;
	routine->IterateForeignScan = supertableIterateForeignScan;
	routine->ReScanForeignScan = supertableReScanForeignScan;
	routine->EndForeignScan = supertableEndForeignScan;
	routine->ExplainForeignScan = supertableExplainForeignScan;
	routine->EstimateDSMForeignScan = supertableEstimateDSMForeignScan;
	routine->InitializeDSMForeignScan = supertableInitializeDSMForeignScan;
	routine->ReInitializeDSMForeignScan = supertableReInitializeDSMForeignScan;
	routine->InitializeWorkerForeignScan = supertableInitializeWorkerForeignScan;
	routine->ShutdownForeignScan = supertableShutdownForeignScan;
}
