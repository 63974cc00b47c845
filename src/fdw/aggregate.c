/* Aggregates at run time: the source's blocks into accumulators, then a row a group. */
#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "fdw/aggregate.h"
#include "fdw/fdw.h"

/* A column of what the scan returns: a key, or an accumulator. */
typedef struct Output
{
	bool		is_key;
	int			no;				/* of the keys, or of the accumulators */
} Output;

struct StblAggregate
{
	StblSource *source;
	int			n_outputs;
	Output	   *outputs;
	int			n_keys;
	StblSourceColumn **keys;
	int			n_accs;
	StblAccColumn *accs;
	StblAcc    *totals;			/* without GROUP BY */
	StblGroups *groups;			/* with it */
	MemoryContext groups_cxt;
	MemoryContext row_cxt;
	bool		is_done;		/* the pass at hand is computed */
	uint32		next;			/* group to show */
	int64		n_files_known;	/* superfiles and row groups answered by statistics */
	int64		n_groups_known;
};

static Bitmapset *
wanted_columns(List *described)
{
	Bitmapset  *wanted = NULL;
	ListCell   *lc;

	foreach(lc, described)
		if (lsecond_int((List *) lfirst(lc)) != 0)
			wanted = bms_add_member(wanted, lsecond_int((List *) lfirst(lc)));
	return wanted;
}

static StblSourceColumn *
source_column(StblSource *s, AttrNumber attnum)
{
	for (int i = 0; i < s->n_columns; i++)
		if (s->columns[i].column->attnum == attnum)
		{
			s->columns[i].takes_codes = true;
			return &s->columns[i];
		}
	return NULL;
}

static void
set_up_outputs(StblAggregate *a, List *described)
{
	int			n = list_length(described);
	ListCell   *lc;

	a->outputs = palloc0(sizeof(Output) * (n + 1));
	a->keys = palloc0(sizeof(StblSourceColumn *) * (n + 1));
	a->accs = palloc0(sizeof(StblAccColumn) * (n + 1));
	foreach(lc, described)
	{
		int			kind = linitial_int((List *) lfirst(lc));
		StblSourceColumn *c = source_column(a->source, lsecond_int((List *) lfirst(lc)));
		Output	   *o = &a->outputs[a->n_outputs++];

		o->is_key = kind < 0;
		if (o->is_key)
		{
			o->no = a->n_keys;
			a->keys[a->n_keys++] = c;
		}
		else
		{
			o->no = a->n_accs;
			a->accs[a->n_accs].kind = kind;
			a->accs[a->n_accs++].source = c;
		}
	}
}

static void
begin_groups(StblAggregate *a)
{
	MemoryContextReset(a->groups_cxt);
	a->totals = MemoryContextAllocZero(a->groups_cxt, sizeof(StblAcc) * (a->n_accs + 1));
	a->groups = a->n_keys > 0 ? stbl_groups_new(a->groups_cxt, a->n_keys, a->keys, a->n_accs) : NULL;
	a->is_done = false;
	a->next = 0;
}

StblAggregate *
stbl_aggregate_begin(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	StblAggregate *a = palloc0(sizeof(StblAggregate));
	List	   *described = list_nth(plan->fdw_private, STBL_PRIVATE_AGG_COLUMNS);
	Index		relid = bms_singleton_member(plan->fs_relids);
	Relation	rel = ExecGetRangeTableRelation(estate, relid);

	a->source = stbl_source_begin(rel, STBL_UPPER_CHECK_AS_USER(plan, relid, estate), estate, wanted_columns(described),
								  list_nth(plan->fdw_private, STBL_PRIVATE_AGG_FILTER),
								  ExecInitExprList(plan->fdw_exprs, &node->ss.ps), node->ss.ps.ps_ExprContext, false);
	set_up_outputs(a, described);
	a->groups_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable aggregate", ALLOCSET_DEFAULT_SIZES);
	a->row_cxt = AllocSetContextCreate(estate->es_query_cxt, "supertable aggregate row", ALLOCSET_DEFAULT_SIZES);
	begin_groups(a);
	return a;
}

/* ---- computing ---- */

/* Adds a block of which all rows pass by its statistics alone. */
static bool
add_by_bounds(StblAggregate *a)
{
	if (!a->source->all_pass || a->groups != NULL)
		return false;
	for (int i = 0; i < a->n_accs; i++)
		if (!stbl_accumulate_bounds(&a->accs[i], a->source, &a->totals[i], true))
			return false;
	for (int i = 0; i < a->n_accs; i++)
		(void) stbl_accumulate_bounds(&a->accs[i], a->source, &a->totals[i], false);
	return true;
}

static void
add_block(StblAggregate *a)
{
	const uint32 *group_of = NULL;
	char	   *base = (char *) a->totals;
	Size		stride = 0;

	if (a->groups != NULL)
	{
		group_of = stbl_groups_of_block(a->groups, a->source);
		base = stbl_groups_accs(a->groups, &stride);
	}
	for (int i = 0; i < a->n_accs; i++)
		stbl_accumulate(&a->accs[i], a->source, base + sizeof(StblAcc) * i, stride, group_of);
	if (a->groups != NULL)
		stbl_groups_trim(a->groups);
}

/* Whether all that is asked for is of these kinds, and not by groups. */
static bool
asks_only(const StblAggregate *a, bool all_but_sums)
{
	for (int i = 0; i < a->n_accs; i++)
		if (all_but_sums ? a->accs[i].kind == STBL_AGG_SUM || a->accs[i].kind == STBL_AGG_AVG
			: a->accs[i].kind != STBL_AGG_COUNT_ALL)
			return false;
	return a->groups == NULL;
}

static void
compute(StblAggregate *a)
{
	StblSource *s = a->source;
	bool		by_count = asks_only(a, false);
	bool		by_file = !by_count && asks_only(a, true);
	int64		n;

	for (;;)
	{
		while (by_count && (n = stbl_source_count_next(s)) >= 0)
			for (int i = 0; i < a->n_accs; i++)
				a->totals[i].n += n;
		while (by_file && stbl_source_whole_file(s) && add_by_bounds(a))
		{
			stbl_source_skip_file(s);
			a->n_files_known++;
		}
		if (!stbl_source_advance(s))
			break;
		if (add_by_bounds(a))
		{
			a->n_groups_known++;
			continue;
		}
		if (stbl_source_select(s) > 0)
		{
			stbl_source_load(s);
			add_block(a);
		}
	}
	a->is_done = true;
	a->next = 0;
}

/* ---- results ---- */

static void
fill(StblAggregate *a, TupleTableSlot *slot, uint32 group, const StblAcc *accs)
{
	MemoryContext old;

	MemoryContextReset(a->row_cxt);
	old = MemoryContextSwitchTo(a->row_cxt);
	for (int i = 0; i < a->n_outputs; i++)
	{
		const Output *o = &a->outputs[i];

		if (o->is_key)
			slot->tts_values[i] = stbl_group_key(a->groups, group, o->no, &slot->tts_isnull[i]);
		else
			slot->tts_values[i] = stbl_acc_result(&a->accs[o->no], &accs[o->no], &slot->tts_isnull[i]);
	}
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(slot);
}

TupleTableSlot *
stbl_aggregate_next(StblAggregate *a, TupleTableSlot *slot)
{
	Size		stride;
	char	   *accs;

	ExecClearTuple(slot);
	if (!a->is_done)
		compute(a);
	if (a->groups == NULL)
	{
		if (a->next++ == 0)
			fill(a, slot, 0, a->totals);
		return slot;
	}
	while (a->next >= stbl_groups_count(a->groups))
	{
		if (!stbl_groups_next_pass(a->groups))
			return slot;
		stbl_source_restart(a->source);
		compute(a);
	}
	accs = stbl_groups_accs(a->groups, &stride);
	fill(a, slot, a->next, (StblAcc *) (accs + stride * a->next));
	a->next++;
	return slot;
}

void
stbl_aggregate_restart(StblAggregate *a)
{
	stbl_source_restart(a->source);
	begin_groups(a);
}

void
stbl_aggregate_end(StblAggregate *a)
{
	stbl_source_end(a->source);
}

void
stbl_aggregate_explain(ForeignScanState *node, StblAggregate *a, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	RangeTblEntry *rte = rt_fetch(bms_singleton_member(plan->fs_relids), es->rtable);
	const char *filter = strVal(list_nth(plan->fdw_private, STBL_PRIVATE_AGG_TEXT));

	ExplainPropertyText("Storage Aggregate on", quote_identifier(rte->eref->aliasname), es);
	if (filter[0] != '\0')
		ExplainPropertyText("Storage Filter", filter, es);
	if (a == NULL)
		return;
	ExplainPropertyInteger("Superfiles", NULL, a->source->snapshot->n_files, es);
	if (!es->analyze)
		return;
	stbl_source_explain(a->source, es);
	ExplainPropertyInteger("Superfiles Answered by Statistics", NULL, a->n_files_known, es);
	ExplainPropertyInteger("Row Groups Answered by Statistics", NULL, a->n_groups_known, es);
}
