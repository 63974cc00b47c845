/*
 * Which statements may commit by one-phase: a single INSERT, COPY, UPDATE or
 * DELETE on one supertable that is its client's whole message, and that calls
 * nothing which could have effects elsewhere.  Everything here asks for a
 * proof; where there is none the answer is no.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/pquery.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "fdw/fdw.h"
#include "fdw/options.h"

static bool
function_is_loud(Oid funcid, void *context)
{
	if (funcid == F_PG_NOTIFY)
		return true;
	return funcid >= FirstNormalObjectId && func_volatile(funcid) == PROVOLATILE_VOLATILE;
}

/* Whether an expression calls a volatile function that is not core's, or hides calls. */
static bool
expression_is_loud(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain))
		return true;
	if (check_functions_in_node(node, function_is_loud, context))
		return true;
	return expression_tree_walker(node, expression_is_loud, context);
}

static bool
plan_is_loud(Plan *plan)
{
	if (plan == NULL)
		return false;
	if (expression_is_loud((Node *) plan->targetlist, NULL) || expression_is_loud((Node *) plan->qual, NULL))
		return true;
	switch (nodeTag(plan))
	{
		case T_ModifyTable:
			if (expression_is_loud((Node *) ((ModifyTable *) plan)->returningLists, NULL) ||
				((ModifyTable *) plan)->withCheckOptionLists != NIL)
				return true;
			break;
		case T_Result:
			if (expression_is_loud(((Result *) plan)->resconstantqual, NULL))
				return true;
			break;
		case T_ValuesScan:
			if (expression_is_loud((Node *) ((ValuesScan *) plan)->values_lists, NULL))
				return true;
			break;
		case T_FunctionScan:
			if (expression_is_loud((Node *) ((FunctionScan *) plan)->functions, NULL))
				return true;
			break;
		case T_ForeignScan:
			if (expression_is_loud((Node *) ((ForeignScan *) plan)->fdw_recheck_quals, NULL))
				return true;
			break;
		case T_ProjectSet:
		case T_SeqScan:
		case T_Sort:
		case T_Limit:
			break;
		default:

			/* Joins, index scans and the rest have expressions of their own. */
			return true;
	}
	return plan_is_loud(plan->lefttree) || plan_is_loud(plan->righttree);
}

/* What a write evaluates outside its plan: defaults, generated columns, checks. */
static bool
relation_is_loud(Relation rel)
{
	TupleConstr *constr = rel->rd_att->constr;

	if (rel->trigdesc != NULL)
		return true;
	if (constr == NULL)
		return false;
	for (int i = 0; i < constr->num_check; i++)
		if (expression_is_loud(stringToNode(constr->check[i].ccbin), NULL))
			return true;
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		if (TupleDescAttr(RelationGetDescr(rel), i)->atthasdef &&
			expression_is_loud(build_column_default(rel, i + 1), NULL))
			return true;
	return false;
}

static bool
has_domain_column(Relation rel)
{
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped && get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
			return true;
	}
	return false;
}

static bool
reads_other_wrapper(List *rtable)
{
	ListCell   *lc;

	foreach(lc, rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_FOREIGN_TABLE &&
			!stbl_is_supertable(rte->relid, NULL))
			return true;
	}
	return false;
}

/* The statement is all its client sent, not one inside a function or a block. */
static bool
is_whole_message(PlannedStmt *plan)
{
	PlannedStmt *sent;

	if (ActivePortal == NULL || list_length(ActivePortal->stmts) != 1)
		return false;
	sent = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (sent == plan)
		return true;

	/* COPY FROM has no plan of its own. */
	return plan == NULL && sent->commandType == CMD_UTILITY && IsA(sent->utilityStmt, CopyStmt) &&
		((CopyStmt *) sent->utilityStmt)->is_from && ((CopyStmt *) sent->utilityStmt)->whereClause == NULL;
}

bool
stbl_statement_is_simple(EState *estate, ResultRelInfo *rinfo)
{
	PlannedStmt *plan = estate->es_plannedstmt;
	Relation	rel = rinfo->ri_RelationDesc;
	ListCell   *lc;

	if (GetCurrentTransactionNestLevel() != 1 || IsTransactionBlock() || !is_whole_message(plan))
		return false;
	if (rinfo->ri_RootResultRelInfo != NULL || relation_is_loud(rel) || has_domain_column(rel))
		return false;
	if (plan == NULL)
		return true;
	if (list_length(plan->resultRelations) != 1 || plan->hasModifyingCTE || reads_other_wrapper(plan->rtable) ||
		plan_is_loud(plan->planTree))
		return false;
	foreach(lc, plan->subplans)
		if (lfirst(lc) != NULL && plan_is_loud(lfirst(lc)))
			return false;
	return true;
}
