/* Planning of aggregates that the storage side computes; see aggregate.h. */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/selfuncs.h"

#include "common/compat.h"
#include "fdw/aggregate.h"
#include "fdw/fdw.h"

/* What planning found out, in the path. */
typedef struct Found
{
	Relation	relation;
	Index		relid;
	StblColumn *columns;
	int			n_columns;
	List	   *tlist;			/* grouping columns and aggregates */
	List	   *described;		/* for each an integer list, see STBL_PRIVATE_AGG_COLUMNS */
} Found;

bool
stbl_aggregate_kind(Oid aggfnoid, StblAggKind *kind)
{
	switch (aggfnoid)
	{
		case F_COUNT_:
			*kind = STBL_AGG_COUNT_ALL;
			return true;
		case F_COUNT_ANY:
			*kind = STBL_AGG_COUNT;
			return true;
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_INT8:
		case F_SUM_FLOAT4:
		case F_SUM_FLOAT8:
		case F_SUM_NUMERIC:
			*kind = STBL_AGG_SUM;
			return true;
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_INT8:
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
		case F_AVG_NUMERIC:
			*kind = STBL_AGG_AVG;
			return true;
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_FLOAT4:
		case F_MIN_FLOAT8:
		case F_MIN_NUMERIC:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
			*kind = STBL_AGG_MIN;
			return true;
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_FLOAT4:
		case F_MAX_FLOAT8:
		case F_MAX_NUMERIC:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
			*kind = STBL_AGG_MAX;
			return true;
		default:
			return false;
	}
}

static const StblColumn *
column_of(const Found *f, Node *node)
{
	Var		   *var = (Var *) node;

	if (!IsA(var, Var) || var->varno != f->relid || var->varlevelsup != 0)
		return NULL;
	for (int i = 0; i < f->n_columns; i++)
		if (f->columns[i].attnum == var->varattno && !f->columns[i].is_array)
			return &f->columns[i];
	return NULL;
}

static void
add(Found *f, Node *node, int kind, AttrNumber attnum)
{
	ListCell   *lc;

	foreach(lc, f->tlist)
		if (equal(((TargetEntry *) lfirst(lc))->expr, node))
			return;
	f->tlist = lappend(f->tlist, makeTargetEntry(copyObject((Expr *) node), list_length(f->tlist) + 1, NULL, false));
	f->described = lappend(f->described, list_make2_int(kind, attnum));
}

static bool
add_aggregate(Found *f, Aggref *agg)
{
	StblAggKind kind;
	const StblColumn *column;
	TargetEntry *arg;

	if (!stbl_aggregate_kind(agg->aggfnoid, &kind) || agg->aggsplit != AGGSPLIT_SIMPLE || agg->agglevelsup != 0 ||
		agg->aggdistinct != NIL || agg->aggorder != NIL || agg->aggfilter != NULL || agg->aggdirectargs != NIL)
		return false;
	if (kind == STBL_AGG_COUNT_ALL)
	{
		add(f, (Node *) agg, kind, 0);
		return true;
	}
	arg = linitial(agg->args);
	column = column_of(f, (Node *) arg->expr);
	if (column == NULL || list_length(agg->args) != 1)
		return false;

	/* sums of 18 digits do not leave 128 bits, of more they could */
	if (kind != STBL_AGG_COUNT && column->elemtype == NUMERICOID && column->field.precision > 18)
		return false;
	add(f, (Node *) agg, kind, column->attnum);
	return true;
}

/* Whether equal values of a column's type are those with equal bytes or numbers. */
static bool
can_group(const StblColumn *column, Oid collation)
{
	switch (column->elemtype)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case BYTEAOID:
			return true;
		case NUMERICOID:
			return column->field.precision <= 18;
		case TEXTOID:
		case VARCHAROID:
			return OidIsValid(collation) && get_collation_isdeterministic(collation);
		default:
			return false;
	}
}

static bool
add_group(Found *f, Node *node)
{
	const StblColumn *column = column_of(f, node);

	if (column == NULL || !can_group(column, exprCollation(node)))
		return false;
	add(f, node, -1, column->attnum);
	return true;
}

/* Adds all aggregates of an expression, and checks that its columns are grouping ones. */
static bool
add_expression(Found *f, Node *expr)
{
	List	   *vars = pull_var_clause(expr, PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_PLACEHOLDERS);
	ListCell   *lc;

	foreach(lc, vars)
	{
		Node	   *node = lfirst(lc);

		if (IsA(node, Aggref) ? !add_aggregate(f, (Aggref *) node) : !tlist_member((Expr *) node, f->tlist))
			return false;
	}
	return true;
}

static bool
all_clauses_described(Found *f, RelOptInfo *input)
{
	ListCell   *lc;
	List	   *exprs = NIL;

	foreach(lc, input->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst(lc);

		if (rinfo->pseudoconstant ||
			stbl_filter_describe(f->columns, f->n_columns, f->relid, rinfo->clause, &exprs) == NULL)
			return false;
	}
	return true;
}

static bool
find_out(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, Found *f)
{
	Query	   *query = root->parse;
	ListCell   *lc;

	if (list_length(query->groupClause) > STBL_MAX_GROUP_KEYS || !all_clauses_described(f, input))
		return false;
	foreach(lc, query->groupClause)
		if (!add_group(f, (Node *) get_sortgroupclause_expr(lfirst(lc), root->processed_tlist)))
			return false;
	foreach(lc, output->reltarget->exprs)
		if (!add_expression(f, lfirst(lc)))
			return false;
	return add_expression(f, query->havingQual) && f->tlist != NIL;
}

static void
add_paths(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, Found *f)
{
	Query	   *query = root->parse;
	double		n_groups = 1;
	Cost		cost;
	int			n_passes = list_length(input->baserestrictinfo) + list_length(f->tlist);

	if (query->groupClause != NIL)
		n_groups = estimate_num_groups(root, get_sortgrouplist_exprs(query->groupClause, root->processed_tlist),
									   input->rows, NULL, NULL);

	/* loops over vectors cost a fraction of what the executor's do */
	cost = seq_page_cost * input->pages + 0.1 * cpu_operator_cost * input->tuples * n_passes;
	add_path(output, (Path *)
			 STBL_CREATE_FOREIGN_UPPER_PATH(root, output, output->reltarget, n_groups, cost,
											cost + cpu_tuple_cost * n_groups, NIL, NULL,
											list_make4(makeInteger(input->relid), f->tlist, f->described,
													   query->havingQual ? (Node *) query->havingQual : (Node *) NIL)));
}

void
supertableGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
							   RelOptInfo *output, void *extra)
{
	Query	   *query = root->parse;
	Found		f;
	RangeTblEntry *rte;
	bool		found;

	if (stage != UPPERREL_GROUP_AGG || input->reloptkind != RELOPT_BASEREL ||
		((GroupPathExtraData *) extra)->patype == PARTITIONWISE_AGGREGATE_PARTIAL ||
		query->groupingSets != NIL || query->rowMarks != NIL || input->lateral_relids != NULL)
		return;
	memset(&f, 0, sizeof(f));
	rte = planner_rt_fetch(input->relid, root);
	if (rte->inh)
		return;
	f.relid = input->relid;
	f.relation = table_open(rte->relid, NoLock);
	f.columns = stbl_columns(RelationGetDescr(f.relation), &f.n_columns);
	found = find_out(root, input, output, &f);
	table_close(f.relation, NoLock);
	if (found)
		add_paths(root, input, output, &f);
}

/* The clauses as EXPLAIN shows them. */
static char *
clauses_text(PlannerInfo *root, Index relid, List *clauses)
{
	RangeTblEntry *rte = planner_rt_fetch(relid, root);
	Node	   *all;

	if (clauses == NIL)
		return "";
	all = copyObject((Node *) make_ands_explicit(clauses));
	ChangeVarNodes(all, relid, 1, 0);
	return deparse_expression(all, deparse_context_for(rte->eref->aliasname, rte->relid), false, false);
}

ForeignScan *
stbl_aggregate_plan(PlannerInfo *root, RelOptInfo *rel, ForeignPath *path, List *tlist)
{
	Index		relid = intVal(linitial(path->fdw_private));
	List	   *scan_tlist = lsecond(path->fdw_private);
	List	   *described = lthird(path->fdw_private);
	List	   *having = copyObject(lfourth(path->fdw_private));
	RelOptInfo *input = find_base_rel(root, relid);
	RangeTblEntry *rte = planner_rt_fetch(relid, root);
	List	   *clauses = extract_actual_clauses(input->baserestrictinfo, false);
	List	   *descriptions = NIL;
	List	   *exprs = NIL;
	Relation	relation = table_open(rte->relid, NoLock);
	int			n_columns;
	StblColumn *columns = stbl_columns(RelationGetDescr(relation), &n_columns);
	ListCell   *lc;

	foreach(lc, clauses)
		descriptions = lappend(descriptions, stbl_filter_describe(columns, n_columns, relid, lfirst(lc), &exprs));
	table_close(relation, NoLock);
	return make_foreignscan(tlist, having, 0, exprs,
							list_make3(described, descriptions, makeString(clauses_text(root, relid, clauses))),
							scan_tlist, NIL, NULL);
}
