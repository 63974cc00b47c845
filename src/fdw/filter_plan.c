/*
 * Which clauses a scan decides itself.
 *
 * A clause qualifies when it is a comparison of PostgreSQL's own between a
 * plain column and something that is constant during the scan, and when its
 * result depends on bytes and numbers alone: no collation but deterministic
 * ones for equality and C for order, no conversion of encodings.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"

#include "fdw/filter.h"

/* The btree families of the types that have no symbol for them. */
#define DATETIME_FAMILY 434
#define FLOAT_FAMILY 1970
#define NUMERIC_FAMILY 1988

typedef struct Describer
{
	StblColumn *columns;
	int			n_columns;
	Index		relid;
	List	  **exprs;
} Describer;

static Node *describe(Describer *d, Node *clause);

static Node *
strip(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/* The column a node is, or NULL. */
static StblColumn *
column_of(Describer *d, Node *node)
{
	Var		   *var = (Var *) strip(node);

	if (var == NULL || !IsA(var, Var) || var->varno != d->relid || var->varlevelsup != 0 || var->varattno <= 0)
		return NULL;
	for (int i = 0; i < d->n_columns; i++)
		if (d->columns[i].attnum == var->varattno)
			return &d->columns[i];
	return NULL;
}

/* Constant while a scan runs, and without effects. */
static bool
is_stable(Node *node)
{
	return !contain_var_clause(node) && !contain_volatile_functions(node) && !contain_subplans(node);
}

static Node *
test_of(Describer *d, const StblColumn *column, StblTest test, Node *value)
{
	int			n = -1;

	if (value != NULL)
	{
		n = list_length(*d->exprs);
		*d->exprs = lappend(*d->exprs, value);
	}
	return (Node *) list_make3_int(column->attnum, test, n);
}

static bool
is_text(const StblColumn *column)
{
	return column->elemtype == TEXTOID || column->elemtype == VARCHAROID || column->elemtype == BPCHAROID;
}

/* Whether bytes decide a test of text under a collation. */
static bool
collation_suits(const StblColumn *column, StblTest test, Oid collation)
{
	if (!is_text(column))
		return true;
	if (GetDatabaseEncoding() != PG_UTF8 || !OidIsValid(collation))
		return false;
	if (test == STBL_TEST_EQ || test == STBL_TEST_NE || test == STBL_TEST_ANY || test == STBL_TEST_NONE ||
		test == STBL_TEST_PREFIX)
		return get_collation_isdeterministic(collation);
	return lc_collate_is_c(collation);
}

static bool
is_known_family(Oid family)
{
	return family == INTEGER_BTREE_FAM_OID || family == TEXT_BTREE_FAM_OID || family == BPCHAR_BTREE_FAM_OID ||
		family == BYTEA_BTREE_FAM_OID || family == BOOL_BTREE_FAM_OID || family == DATETIME_FAMILY ||
		family == FLOAT_FAMILY || family == NUMERIC_FAMILY;
}

/* The test an operator stands for, and the types of its sides; false for others. */
static bool
test_of_operator(Oid opno, StblTest *test, Oid *left, Oid *right)
{
	ListCell   *lc;

	foreach(lc, get_op_btree_interpretation(opno))
	{
		OpBtreeInterpretation *op = lfirst(lc);

		if (!is_known_family(op->opfamily_id))
			continue;
		*left = op->oplefttype;
		*right = op->oprighttype;
		switch (op->strategy)
		{
			case BTLessStrategyNumber:
				*test = STBL_TEST_LT;
				return true;
			case BTLessEqualStrategyNumber:
				*test = STBL_TEST_LE;
				return true;
			case BTEqualStrategyNumber:
				*test = STBL_TEST_EQ;
				return true;
			case BTGreaterEqualStrategyNumber:
				*test = STBL_TEST_GE;
				return true;
			case BTGreaterStrategyNumber:
				*test = STBL_TEST_GT;
				return true;
			case ROWCOMPARE_NE:
				*test = STBL_TEST_NE;
				return true;
		}
	}
	return false;
}

static StblTest
mirrored(StblTest test)
{
	switch (test)
	{
		case STBL_TEST_LT:
			return STBL_TEST_GT;
		case STBL_TEST_LE:
			return STBL_TEST_GE;
		case STBL_TEST_GT:
			return STBL_TEST_LT;
		case STBL_TEST_GE:
			return STBL_TEST_LE;
		default:
			return test;
	}
}

/* The prefix of a LIKE pattern 'abc%'; NULL for any other. */
static Const *
prefix_of_pattern(Node *pattern)
{
	Const	   *c = (Const *) pattern;
	char	   *str;
	size_t		len;

	if (!IsA(c, Const) || c->constisnull || c->consttype != TEXTOID)
		return NULL;
	str = TextDatumGetCString(c->constvalue);
	len = strlen(str);
	if (len < 2 || strcspn(str, "%_\\") != len - 1 || str[len - 1] != '%')
		return NULL;
	str[len - 1] = '\0';
	return makeConst(TEXTOID, -1, c->constcollid, -1, CStringGetTextDatum(str), false, false);
}

static Node *
describe_prefix(Describer *d, OpExpr *op)
{
	StblColumn *column = column_of(d, linitial(op->args));
	Oid			fn = get_opcode(op->opno);
	Node	   *value = lsecond(op->args);

	if (column == NULL || (column->elemtype != TEXTOID && column->elemtype != VARCHAROID) ||
		!collation_suits(column, STBL_TEST_PREFIX, op->inputcollid))
		return NULL;
	if (fn == F_TEXTLIKE)
		value = (Node *) prefix_of_pattern(value);
	else if (fn != F_STARTS_WITH || !is_stable(value))
		return NULL;
	return value != NULL ? test_of(d, column, STBL_TEST_PREFIX, value) : NULL;
}

static Node *
describe_operator(Describer *d, OpExpr *op)
{
	StblColumn *column;
	StblTest	test;
	Oid			left,
				right;
	Node	   *value;

	if (list_length(op->args) != 2)
		return NULL;
	if (!test_of_operator(op->opno, &test, &left, &right))
		return describe_prefix(d, op);
	column = column_of(d, linitial(op->args));
	value = lsecond(op->args);
	if (column == NULL)
	{
		column = column_of(d, lsecond(op->args));
		value = linitial(op->args);
		test = mirrored(test);
		right = left;
	}
	if (column == NULL || !is_stable(value) || !stbl_predicate_can(column, test, right) ||
		exprType(value) != right || !collation_suits(column, test, op->inputcollid))
		return NULL;
	return test_of(d, column, test, value);
}

static Node *
describe_array(Describer *d, ScalarArrayOpExpr *op)
{
	StblColumn *column = column_of(d, linitial(op->args));
	Node	   *value = lsecond(op->args);
	StblTest	test;
	Oid			left,
				right;

	if (column == NULL || !test_of_operator(op->opno, &test, &left, &right) || !is_stable(value) ||
		get_element_type(exprType(value)) != right)
		return NULL;
	if (op->useOr && test == STBL_TEST_EQ)
		test = STBL_TEST_ANY;
	else if (!op->useOr && test == STBL_TEST_NE)
		test = STBL_TEST_NONE;
	else
		return NULL;
	if (!stbl_predicate_can(column, test, right) || !collation_suits(column, test, op->inputcollid))
		return NULL;
	return test_of(d, column, test, value);
}

/* A boolean column by itself, or its negation. */
static Node *
describe_boolean(Describer *d, Node *node, bool value)
{
	StblColumn *column = column_of(d, node);

	if (column == NULL || column->elemtype != BOOLOID || column->is_array)
		return NULL;
	return test_of(d, column, STBL_TEST_EQ, makeBoolConst(value, false));
}

static List *
describe_all(Describer *d, List *clauses)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		Node	   *one = describe(d, lfirst(lc));

		if (one == NULL)
			return NIL;
		all = lappend(all, one);
	}
	return all;
}

static Node *
describe_or(Describer *d, BoolExpr *expr)
{
	List	   *branches = NIL;
	ListCell   *lc;

	foreach(lc, expr->args)
	{
		Node	   *arg = lfirst(lc);
		List	   *branch = is_andclause(arg) ? describe_all(d, ((BoolExpr *) arg)->args) : describe_all(d, list_make1(arg));

		if (branch == NIL)
			return NULL;
		branches = lappend(branches, branch);
	}
	return (Node *) branches;
}

static Node *
describe(Describer *d, Node *clause)
{
	check_stack_depth();
	switch (nodeTag(clause))
	{
		case T_Var:
		case T_RelabelType:
			return describe_boolean(d, clause, true);
		case T_OpExpr:
			return describe_operator(d, (OpExpr *) clause);
		case T_ScalarArrayOpExpr:
			return describe_array(d, (ScalarArrayOpExpr *) clause);
		case T_NullTest:
			{
				NullTest   *test = (NullTest *) clause;
				StblColumn *column = column_of(d, (Node *) test->arg);

				/* an array's vector is of its elements */
				if (column == NULL || column->is_array || test->argisrow)
					return NULL;
				return test_of(d, column, test->nulltesttype == IS_NULL ? STBL_TEST_NULL : STBL_TEST_NOT_NULL, NULL);
			}
		case T_BoolExpr:
			if (is_orclause(clause))
				return describe_or(d, (BoolExpr *) clause);
			if (is_notclause(clause))
				return describe_boolean(d, (Node *) get_notclausearg(clause), false);
			return NULL;
		default:
			return NULL;
	}
}

Node *
stbl_filter_describe(StblColumn *columns, int n_columns, Index relid, Expr *clause, List **exprs)
{
	Describer	d = {columns, n_columns, relid, exprs};
	int			n = list_length(*exprs);
	Node	   *node = describe(&d, (Node *) clause);

	if (node == NULL)
		*exprs = list_truncate(*exprs, n);
	return node;
}

Bitmapset *
stbl_filter_attrs(List *description, Bitmapset *attrs)
{
	ListCell   *lc;

	if (description == NIL)
		return attrs;
	if (IsA(description, IntList))
		return bms_add_member(attrs, linitial_int(description));
	foreach(lc, description)
		attrs = stbl_filter_attrs(lfirst(lc), attrs);
	return attrs;
}
