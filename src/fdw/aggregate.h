/*
 * Aggregates over a source, computed from its vectors without making rows.
 *
 * Taken over are count, sum, avg, min and max of plain columns, with and
 * without GROUP BY on plain columns, where the result is to the bit what
 * PostgreSQL's own give over the same rows in the same order.
 */
#ifndef STBL_AGGREGATE_H
#define STBL_AGGREGATE_H

#include "commands/explain.h"
#include "foreign/fdwapi.h"
#include "nodes/pathnodes.h"

#include "fdw/source.h"

typedef enum StblAggKind
{
	STBL_AGG_COUNT_ALL,			/* count(*) */
	STBL_AGG_COUNT,
	STBL_AGG_SUM,
	STBL_AGG_AVG,
	STBL_AGG_MIN,
	STBL_AGG_MAX
} StblAggKind;

/* ---- planning ---- */

/* What an aggregate function is here; false if it is not taken over. */
extern bool stbl_aggregate_kind(Oid aggfnoid, StblAggKind *kind);

/*
 * fdw_private of the plan: for each column of fdw_scan_tlist an integer list
 * (STBL_AGG_... or -1 for a grouping column, attribute number or 0).
 */
#define STBL_PRIVATE_AGG_COLUMNS 0
#define STBL_PRIVATE_AGG_FILTER 1
#define STBL_PRIVATE_AGG_TEXT 2 /* the filter as text, for EXPLAIN; "" for none */

extern void supertableGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
										   RelOptInfo *output, void *extra);
extern ForeignScan *stbl_aggregate_plan(PlannerInfo *root, RelOptInfo *rel, ForeignPath *path, List *tlist);

/* ---- execution ---- */

typedef struct StblAggregate StblAggregate;

extern StblAggregate *stbl_aggregate_begin(ForeignScanState *node);
extern TupleTableSlot *stbl_aggregate_next(StblAggregate *a, TupleTableSlot *slot);
extern void stbl_aggregate_restart(StblAggregate *a);
extern void stbl_aggregate_end(StblAggregate *a);
extern void stbl_aggregate_explain(ForeignScanState *node, StblAggregate *a, ExplainState *es);

/* ---- accumulators (accumulate.c) ---- */

/* palloc aligns to eight bytes only. */
typedef __int128 StblInt128 __attribute__((aligned(8)));

typedef struct StblAcc
{
	int64		n;				/* values seen */
	union
	{
		int64		i;
		StblInt128	wide;
		double		real;
		float		single;
	}			v;				/* sum, or the extreme */
	double		sxx;			/* avg of reals: see accumulate.c */
} StblAcc;

typedef struct StblAccColumn
{
	StblAggKind kind;
	StblSourceColumn *source;	/* NULL: COUNT_ALL */
} StblAccColumn;

/*
 * Adds the selected rows of a source's block; row i to the accumulator at
 * base + group_of[i] * stride, or all to the one at base where group_of is
 * NULL.
 */
extern void stbl_accumulate(const StblAccColumn *c, const StblSource *s, char *base, Size stride, const uint32 *group_of);

/* Adds a whole row group by its bounds alone; false where they do not tell. */
extern bool stbl_accumulate_bounds(const StblAccColumn *c, StblSource *s, StblAcc *acc, bool try_only);

/* The aggregate's result. */
extern Datum stbl_acc_result(const StblAccColumn *c, const StblAcc *acc, bool *isnull);

/* A stored number as the column's type. */
extern Datum stbl_number_datum(const StblColumn *column, int64 i, double real);

/* ---- groups (groups.c) ---- */

/*
 * The groups met so far, each with a row of accumulators.  Where they outgrow
 * memory only those of one part of the hash values are kept; the others have
 * a pass of their own, over the source from its start.
 */
typedef struct StblGroups StblGroups;

#define STBL_MAX_GROUP_KEYS 32

extern StblGroups *stbl_groups_new(MemoryContext cxt, int n_keys, StblSourceColumn *const *keys, int n_accs);

/*
 * Finds the groups of a block's selected rows, making new ones, and fits the
 * source's selection to the rows of this pass.  The result has one entry a
 * selected row; it and the selection last until the source goes on.
 */
extern const uint32 *stbl_groups_of_block(StblGroups *g, StblSource *s);

/* Between blocks: gives up part of the groups when there are too many. */
extern void stbl_groups_trim(StblGroups *g);
extern uint32 stbl_groups_count(const StblGroups *g);
extern char *stbl_groups_accs(StblGroups *g, Size *stride);	/* of group 0; moves when groups are added */
extern Datum stbl_group_key(const StblGroups *g, uint32 group, int key, bool *isnull);

/* Begins the next pass; false when all are done. */
extern bool stbl_groups_next_pass(StblGroups *g);

#endif							/* STBL_AGGREGATE_H */
