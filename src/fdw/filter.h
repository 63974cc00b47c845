/*
 * Filters: the part of a WHERE clause that a scan decides itself, before a
 * row is made.
 *
 * The planner recognises a clause and describes it as a tree of lists that a
 * plan can carry: a test is an integer list (attribute number, StblTest,
 * number of its constant among the plan's fdw_exprs or -1); an OR is a list
 * of branches, each a list of tests and ORs that must all hold.
 */
#ifndef STBL_FILTER_H
#define STBL_FILTER_H

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "fdw/predicate.h"

/* ---- planning ---- */

/*
 * Describes a clause on relation relid, appending its constants to *exprs;
 * NULL, with *exprs as it was, where the executor has to decide it.
 */
extern Node *stbl_filter_describe(StblColumn *columns, int n_columns, Index relid, Expr *clause, List **exprs);

/* Adds the attribute numbers that a description tests. */
extern Bitmapset *stbl_filter_attrs(List *description, Bitmapset *attrs);

/* ---- execution ---- */

typedef struct StblFilter StblFilter;

/*
 * Compiles descriptions that must all hold, with the constants' values of
 * this moment.  Everything lives in CurrentMemoryContext.
 */
extern StblFilter *stbl_filter_compile(List *descriptions, List *expr_states, ExprContext *econtext,
									   StblColumn *columns, int n_columns);

/* What a filter needs to know of a column, given by the caller. */
typedef struct StblFilterColumn
{
	const StblVec *vec;			/* both NULL: the column reads as NULL */
	const StblPqCoded *coded;
} StblFilterColumn;

typedef StblFilterColumn (*StblFilterColumns) (void *arg, AttrNumber attnum);
typedef void (*StblFilterBounds) (void *arg, AttrNumber attnum, StblBounds *bounds);

/* Rows in[0..n) (0..n-1 where in is NULL) that pass, to out; see stbl_predicate_select. */
extern uint32_t stbl_filter_select(const StblFilter *filter, StblFilterColumns columns, void *arg,
								   const uint32_t *in, uint32_t n, uint32_t *out);
extern bool stbl_filter_may_pass(const StblFilter *filter, StblFilterBounds bounds, void *arg);
extern bool stbl_filter_must_pass(const StblFilter *filter, StblFilterBounds bounds, void *arg);

#endif							/* STBL_FILTER_H */
