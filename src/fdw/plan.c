/* Planning: estimates from the manifest, the columns to read, row identity, refusals. */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/prep.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "fdw/aggregate.h"
#include "fdw/fdw.h"
#include "fdw/filter.h"
#include "fdw/options.h"

static void
refuse_row_locks(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	PlanRowMark *mark = get_plan_rowmark(root->rowMarks, rel->relid);

	if (mark != NULL && mark->strength != LCS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("SELECT ... FOR UPDATE/SHARE is not supported on supertables"),
				 errhint("Change the rows: of two transactions that change one row the second gets a serialization failure.")));
}

static void
supertableGetForeignRelSize(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	Oid			userid = OidIsValid(rel->userid) ? rel->userid : rte->checkAsUser;
	StblTable  *table = stbl_relation_table(relid, OidIsValid(userid) ? userid : GetUserId(), false);
	StblSnapshot *snapshot;
	double		rows = 0;

	refuse_row_locks(root, rel, relid);
	snapshot = table->current != NULL ? table->current : stbl_snapshot_refresh(table, 0);
	for (StblFile *f = snapshot->first; f != NULL; f = f->next)
		rows += Max(f->n_rows, 0) - (f->dv ? f->dv->cardinality : 0);
	rel->tuples = Max(rows, 1);
	rel->pages = Max(snapshot->n_bytes / BLCKSZ, 1);
	rel->rows = clamp_row_est(rel->tuples *
							  clauselist_selectivity(root, rel->baserestrictinfo, 0, JOIN_INNER, NULL));
}

static void
supertableGetForeignPaths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	Cost		startup = rel->baserestrictcost.startup;
	Cost		disk = seq_page_cost * rel->pages;
	Cost		cpu = (cpu_tuple_cost + rel->baserestrictcost.per_tuple) * rel->tuples;
	ForeignPath *path;
	int			n_workers = 0;

	path = STBL_CREATE_FOREIGNSCAN_PATH(root, rel, NULL, rel->rows, startup, startup + disk + cpu,
										NIL, rel->lateral_relids, NULL, NIL);

	/* each worker would return all rows */
	path->path.parallel_safe = false;
	add_path(rel, (Path *) path);
	if (rel->consider_parallel && rel->lateral_relids == NULL)
		n_workers = compute_parallel_worker(rel, rel->pages, -1, max_parallel_workers_per_gather);
	if (n_workers > 0)
	{
		double		divisor = n_workers + (parallel_leader_participation ? Max(0, 1.0 - 0.3 * n_workers) : 0);

		path = STBL_CREATE_FOREIGNSCAN_PATH(root, rel, NULL, clamp_row_est(rel->rows / divisor), startup,
											startup + disk + cpu / divisor, NIL, NULL, NULL, NIL);
		path->path.parallel_aware = true;
		path->path.parallel_workers = n_workers;
		add_partial_path(rel, (Path *) path);
	}
}

/*
 * Workers do not have what this transaction has changed.  A plan made before
 * its first change runs without workers: see the executor's hook.
 */
static bool
supertableIsForeignScanParallelSafe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return !stbl_txn_has_changes();
}

/*
 * Divides clauses: those a scan decides itself are described in *descriptions
 * with their constants in *exprs, and returned; the others are left in
 * *clauses.
 */
static List *
split_clauses(Relation relation, Index relid, List **clauses, List **descriptions, List **exprs)
{
	int			n_columns;
	StblColumn *columns = stbl_columns(RelationGetDescr(relation), &n_columns);
	List	   *ours = NIL;
	List	   *theirs = NIL;
	ListCell   *lc;

	foreach(lc, *clauses)
	{
		Node	   *description = stbl_filter_describe(columns, n_columns, relid, lfirst(lc), exprs);

		if (description == NULL)
			theirs = lappend(theirs, lfirst(lc));
		else
		{
			*descriptions = lappend(*descriptions, description);
			ours = lappend(ours, lfirst(lc));
		}
	}
	*clauses = theirs;
	return ours;
}

static ForeignScan *
supertableGetForeignPlan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
						 List *tlist, List *clauses, Plan *outer_plan)
{
	Bitmapset  *used = NULL;
	List	   *attrs = NIL;
	List	   *descriptions = NIL;
	List	   *exprs = NIL;
	List	   *pushed;
	Relation	relation;
	int			natts;
	bool		whole_row;

	if (rel->reloptkind == RELOPT_UPPER_REL)
		return stbl_aggregate_plan(root, rel, path, tlist);
	relation = table_open(relid, NoLock);
	clauses = extract_actual_clauses(clauses, false);
	pushed = split_clauses(relation, rel->relid, &clauses, &descriptions, &exprs);

	/* not those of tlist: it may be the physical one, with all columns, of which nobody looks at the others */
	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	pull_varattnos((Node *) clauses, rel->relid, &used);

	natts = RelationGetNumberOfAttributes(relation);
	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	for (int attno = 1; attno <= natts; attno++)
		if (!TupleDescAttr(RelationGetDescr(relation), attno - 1)->attisdropped &&
			(whole_row || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, used)))
			attrs = lappend_int(attrs, attno);
	table_close(relation, NoLock);
	return make_foreignscan(tlist, clauses, rel->relid, exprs, list_make2(attrs, descriptions), NIL, pushed, outer_plan);
}

/*
 * A row is known by its superfile and position, as a ctid.  DELETE with
 * RETURNING needs the whole row beside it.
 */
static void
supertableAddForeignUpdateTargets(PlannerInfo *root, Index rtindex, RangeTblEntry *rte, Relation rel)
{
	Var		   *var = makeVar(rtindex, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);

	add_row_identity_var(root, var, rtindex, "ctid");
	if (root->parse->commandType == CMD_DELETE && root->parse->returningList != NIL)
		add_row_identity_var(root, makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1,
										   InvalidOid, 0), rtindex, "wholerow");
}

static List *
supertablePlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index rtindex, int subplan_index)
{
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("INSERT ... ON CONFLICT is not supported on supertables"),
				 errdetail("A supertable has no unique constraints.")));
	return NIL;
}

void
stbl_fdw_plan_routines(FdwRoutine *routine)
{
	routine->GetForeignRelSize = supertableGetForeignRelSize;
	routine->GetForeignPaths = supertableGetForeignPaths;
	routine->IsForeignScanParallelSafe = supertableIsForeignScanParallelSafe;
	routine->GetForeignPlan = supertableGetForeignPlan;
	routine->GetForeignUpperPaths = supertableGetForeignUpperPaths;
	routine->AddForeignUpdateTargets = supertableAddForeignUpdateTargets;
	routine->PlanForeignModify = supertablePlanForeignModify;
}
