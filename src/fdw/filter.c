/* Filters at run time: trees of predicates over vectors and over bounds. */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "fdw/filter.h"

typedef struct Condition Condition;

/* Items that must all hold. */
struct StblFilter
{
	int			n;
	Condition	   *conds;
};

struct Condition
{
	AttrNumber	attnum;			/* 0: an OR */
	StblPredicate predicate;
	int			n_branches;
	StblFilter *branches;
};

typedef struct Compiler
{
	List	   *expr_states;
	ExprContext *econtext;
	StblColumn *columns;
	int			n_columns;
} Compiler;

static void
compile_test(Compiler *c, List *description, Condition *cond)
{
	const StblColumn *column = NULL;
	StblTest	test = lsecond_int(description);
	int			n = lthird_int(description);
	Datum		value = (Datum) 0;
	bool		isnull = true;
	Oid			typid = InvalidOid;

	cond->attnum = linitial_int(description);
	for (int i = 0; i < c->n_columns; i++)
		if (c->columns[i].attnum == cond->attnum)
			column = &c->columns[i];
	if (column == NULL)
		elog(ERROR, "attribute %d is not a column", cond->attnum);
	if (n >= 0)
	{
		ExprState  *state = list_nth(c->expr_states, n);

		typid = exprType((Node *) state->expr);
		if (test == STBL_TEST_ANY || test == STBL_TEST_NONE)
			typid = get_element_type(typid);
		value = ExecEvalExpr(state, c->econtext, &isnull);
	}
	stbl_predicate_compile(&cond->predicate, column, test, typid, value, isnull);
}

static void
compile_all(Compiler *c, List *descriptions, StblFilter *filter)
{
	ListCell   *lc;

	filter->conds = palloc0(sizeof(Condition) * (list_length(descriptions) + 1));
	foreach(lc, descriptions)
	{
		List	   *description = lfirst(lc);
		Condition	   *cond = &filter->conds[filter->n++];
		ListCell   *branch;

		if (IsA(description, IntList))
		{
			compile_test(c, description, cond);
			continue;
		}
		cond->branches = palloc0(sizeof(StblFilter) * list_length(description));
		foreach(branch, description)
			compile_all(c, lfirst(branch), &cond->branches[cond->n_branches++]);
	}
}

StblFilter *
stbl_filter_compile(List *descriptions, List *expr_states, ExprContext *econtext, StblColumn *columns, int n_columns)
{
	Compiler	c = {expr_states, econtext, columns, n_columns};
	StblFilter *filter = palloc0(sizeof(StblFilter));

	compile_all(&c, descriptions, filter);
	return filter;
}

/* ---- rows ---- */

/* Union of two ascending lists, to out, which is neither of them. */
static uint32_t
unite(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b, uint32_t *out)
{
	uint32_t	i = 0,
				j = 0,
				k = 0;

	while (i < n_a && j < n_b)
	{
		uint32_t	x = a[i];
		uint32_t	y = b[j];

		out[k++] = Min(x, y);
		i += x <= y;
		j += y <= x;
	}
	while (i < n_a)
		out[k++] = a[i++];
	while (j < n_b)
		out[k++] = b[j++];
	return k;
}

static uint32_t
select_any(const Condition *cond, StblFilterColumns columns, void *arg, const uint32_t *in, uint32_t n, uint32_t *out)
{
	uint32_t   *sum = palloc(sizeof(uint32_t) * (n + 1));
	uint32_t   *one = palloc(sizeof(uint32_t) * (n + 1));
	uint32_t   *next = palloc(sizeof(uint32_t) * (n + 1));
	uint32_t	n_sum = 0;

	for (int b = 0; b < cond->n_branches; b++)
	{
		uint32_t	n_one = stbl_filter_select(&cond->branches[b], columns, arg, in, n, one);
		uint32_t   *t = next;

		n_sum = unite(sum, n_sum, one, n_one, next);
		next = sum;
		sum = t;
	}
	memcpy(out, sum, sizeof(uint32_t) * n_sum);
	pfree(sum);
	pfree(one);
	pfree(next);
	return n_sum;
}

static bool
null_passes(const StblPredicate *p)
{
	return p->everything || (p->test == STBL_TEST_NULL && !p->nothing);
}

static uint32_t
select_all_null(const StblPredicate *p, const uint32_t *in, uint32_t n, uint32_t *out)
{
	if (!null_passes(p))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		out[i] = in ? in[i] : i;
	return n;
}

/* Decides each entry of the dictionary once. */
static uint32_t
select_coded(const StblPredicate *p, const StblPqCoded *coded, const uint32_t *in, uint32_t n, uint32_t *out)
{
	size_t		n_dict = coded->dict.n;
	uint8_t    *passes = palloc0(n_dict + 1);
	uint32_t   *entries = palloc(sizeof(uint32_t) * (n_dict + 1));
	uint32_t	n_pass = stbl_predicate_select(p, &coded->dict, NULL, (uint32_t) n_dict, entries);
	const uint32_t *codes = coded->codes;
	uint32_t	k = 0;

	for (uint32_t i = 0; i < n_pass; i++)
		passes[entries[i]] = 1;
	passes[n_dict] = null_passes(p);
	if (n_pass == 0 && !passes[n_dict])
		return 0;
	if (in == NULL)
		for (uint32_t i = 0; i < n; i++)
		{
			out[k] = i;
			k += passes[codes[i]];
		}
	else
		for (uint32_t j = 0; j < n; j++)
		{
			uint32_t	i = in[j];

			out[k] = i;
			k += passes[codes[i]];
		}
	return k;
}

uint32_t
stbl_filter_select(const StblFilter *filter, StblFilterColumns columns, void *arg,
				   const uint32_t *in, uint32_t n, uint32_t *out)
{
	for (int i = 0; i < filter->n && n > 0; i++)
	{
		const Condition *cond = &filter->conds[i];
		StblFilterColumn c = {NULL, NULL};

		if (cond->attnum != 0)
			c = columns(arg, cond->attnum);
		if (cond->attnum == 0)
			n = select_any(cond, columns, arg, in, n, out);
		else if (c.coded != NULL)
			n = select_coded(&cond->predicate, c.coded, in, n, out);
		else if (c.vec != NULL)
			n = stbl_predicate_select(&cond->predicate, c.vec, in, n, out);
		else
			n = select_all_null(&cond->predicate, in, n, out);
		in = out;
	}
	return n;
}

/* ---- bounds ---- */

bool
stbl_filter_may_pass(const StblFilter *filter, StblFilterBounds bounds, void *arg)
{
	for (int i = 0; i < filter->n; i++)
	{
		const Condition *cond = &filter->conds[i];
		bool		may = false;

		if (cond->attnum != 0)
		{
			StblBounds	b;

			bounds(arg, cond->attnum, &b);
			may = stbl_predicate_may_pass(&cond->predicate, &b);
		}
		for (int j = 0; j < cond->n_branches && !may; j++)
			may = stbl_filter_may_pass(&cond->branches[j], bounds, arg);
		if (!may)
			return false;
	}
	return true;
}

bool
stbl_filter_must_pass(const StblFilter *filter, StblFilterBounds bounds, void *arg)
{
	for (int i = 0; i < filter->n; i++)
	{
		const Condition *cond = &filter->conds[i];
		bool		must = false;

		if (cond->attnum != 0)
		{
			StblBounds	b;

			bounds(arg, cond->attnum, &b);
			must = stbl_predicate_must_pass(&cond->predicate, &b);
		}
		for (int j = 0; j < cond->n_branches && !must; j++)
			must = stbl_filter_must_pass(&cond->branches[j], bounds, arg);
		if (!must)
			return false;
	}
	return true;
}
