/*
 * Accumulators: the loops of count, sum, avg, min and max.
 *
 * Sums of integers and decimals are exact in 128 bits (64 where PostgreSQL's
 * are).  Reals are added one after another in the order of the rows, as
 * PostgreSQL does, with its check for overflow; for avg it also carries the
 * sum of squared differences (Youngs and Cramer), whose overflow is an error,
 * so that is carried here too.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "fdw/aggregate.h"

/*
 * Runs `step` for each selected row with a value, `acc` being its
 * accumulator, `at` the index of its value in the vector, which is that of
 * the row or, in a dictionary, its code.
 */
#define EACH_ROW(index, has_value, step) do { \
	uint32		n_rows = s->n_selected; \
	if (s->selected == NULL && group_of == NULL) \
	{ \
		/* a copy that nothing can alias stays in registers */ \
		StblAcc one = *(StblAcc *) base; \
		StblAcc *acc = &one; \
		for (uint32 row = 0; row < n_rows; row++) \
			if (has_value) \
			{ \
				size_t at = (index); \
				step; \
			} \
		*(StblAcc *) base = one; \
	} \
	else \
		for (uint32 j = 0; j < n_rows; j++) \
		{ \
			uint32 row = s->selected ? s->selected[j] : j; \
			if (has_value) \
			{ \
				StblAcc *acc = (StblAcc *) (group_of ? base + group_of[j] * stride : base); \
				size_t at = (index); \
				step; \
			} \
		} \
} while (0)

#define EACH_VALUE(step) do { \
	if (coded != NULL) \
		EACH_ROW(coded->codes[row], coded->codes[row] < coded->dict.n, step); \
	else if (vec->n_null == 0) \
		EACH_ROW(row, true, step); \
	else \
		EACH_ROW(row, vec->valid[row], step); \
} while (0)

static bool
is_real(const StblColumn *c)
{
	return c->elemtype == FLOAT4OID || c->elemtype == FLOAT8OID;
}

/* ---- integers and decimals ---- */

#define EACH_INT(step) do { \
	if (vec->kind == STBL_VEC_I32) \
		EACH_VALUE(int64 v = ((const int32 *) vec->values)[at]; step); \
	else if (vec->kind == STBL_VEC_I64) \
		EACH_VALUE(int64 v = ((const int64 *) vec->values)[at]; step); \
	else \
		EACH_VALUE(int64 v = stbl_unscaled_64(vec, at); step); \
} while (0)

static void
accumulate_int(const StblAccColumn *c, const StblSource *s, const StblVec *vec, const StblPqCoded *coded,
			   char *base, Size stride, const uint32 *group_of)
{
	switch (c->kind)
	{
		case STBL_AGG_SUM:
		case STBL_AGG_AVG:
			EACH_INT(acc->n++; acc->v.wide += v);
			break;
		case STBL_AGG_MIN:
			EACH_INT(acc->v.i = acc->n++ == 0 || v < acc->v.i ? v : acc->v.i);
			break;
		default:
			EACH_INT(acc->v.i = acc->n++ == 0 || v > acc->v.i ? v : acc->v.i);
	}
}

/* ---- reals ---- */

static inline void
add_single(StblAcc *acc, float v)
{
	float		sum = acc->n++ == 0 ? v : acc->v.single + v;

	if (unlikely(isinf(sum)) && acc->n > 1 && !isinf(acc->v.single) && !isinf(v))
		float_overflow_error();
	acc->v.single = sum;
}

static inline void
add_double(StblAcc *acc, double v)
{
	double		sum = acc->n++ == 0 ? v : acc->v.real + v;

	if (unlikely(isinf(sum)) && acc->n > 1 && !isinf(acc->v.real) && !isinf(v))
		float_overflow_error();
	acc->v.real = sum;
}

/* As float8_accum: N, Sx, Sxx. */
static inline void
add_average(StblAcc *acc, double v)
{
	double		before = acc->v.real;
	double		n = (double) ++acc->n;

	acc->v.real += v;
	if (n > 1)
	{
		double		t = v * n - acc->v.real;

		acc->sxx += t * t / (n * (n - 1));
		if (unlikely(isinf(acc->v.real) || isinf(acc->sxx)))
		{
			if (!isinf(before) && !isinf(v))
				float_overflow_error();
			acc->sxx = get_float8_nan();
		}
	}
	else if (isnan(v) || isinf(v))
		acc->sxx = get_float8_nan();
}

/* PostgreSQL's larger and smaller: NaN is above all; of equals the later one stands. */
static inline void
take_min(StblAcc *acc, double v)
{
	if (acc->n++ == 0 || !float8_lt(acc->v.real, v))
		acc->v.real = v;
}

static inline void
take_max(StblAcc *acc, double v)
{
	if (acc->n++ == 0 || !float8_gt(acc->v.real, v))
		acc->v.real = v;
}

#define EACH_REAL(step) do { \
	if (vec->kind == STBL_VEC_F32) \
		EACH_VALUE(float v = ((const float *) vec->values)[at]; step); \
	else \
		EACH_VALUE(double v = ((const double *) vec->values)[at]; step); \
} while (0)

static void
accumulate_real(const StblAccColumn *c, const StblSource *s, const StblVec *vec, const StblPqCoded *coded,
				char *base, Size stride, const uint32 *group_of)
{
	switch (c->kind)
	{
		case STBL_AGG_SUM:
			if (c->source->column->elemtype == FLOAT4OID)
				EACH_REAL(add_single(acc, v));
			else
				EACH_REAL(add_double(acc, v));
			break;
		case STBL_AGG_AVG:
			EACH_REAL(add_average(acc, v));
			break;
		case STBL_AGG_MIN:
			EACH_REAL(take_min(acc, v));
			break;
		default:
			EACH_REAL(take_max(acc, v));
	}
}

/* ---- all kinds ---- */

static void
count_all(const StblSource *s, char *base, Size stride, const uint32 *group_of)
{
	if (group_of == NULL)
		((StblAcc *) base)->n += s->n_selected;
	else
		for (uint32 j = 0; j < s->n_selected; j++)
			((StblAcc *) (base + group_of[j] * stride))->n++;
}

void
stbl_accumulate(const StblAccColumn *c, const StblSource *s, char *base, Size stride, const uint32 *group_of)
{
	const StblPqCoded *coded;
	const StblVec *vec;

	if (c->kind == STBL_AGG_COUNT_ALL)
	{
		count_all(s, base, stride, group_of);
		return;
	}
	if (c->source->data == NULL && c->source->coded == NULL)
		return;					/* nothing but nulls */
	coded = c->source->coded;
	vec = coded ? &coded->dict : &c->source->data->elem;
	if (c->kind == STBL_AGG_COUNT)
	{
		if (coded == NULL && vec->n_null == 0)
			count_all(s, base, stride, group_of);
		else
			EACH_VALUE((void) at; acc->n++);
	}
	else if (is_real(c->source->column))
		accumulate_real(c, s, vec, coded, base, stride, group_of);
	else
		accumulate_int(c, s, vec, coded, base, stride, group_of);
}

bool
stbl_accumulate_bounds(const StblAccColumn *c, StblSource *s, StblAcc *acc, bool try_only)
{
	StblBounds	b;

	if (c->kind == STBL_AGG_COUNT_ALL)
	{
		if (!try_only)
			acc->n += s->n_rows;
		return true;
	}
	stbl_source_bounds(s, c->source, &b);
	if (b.n_null < 0)
		return false;
	if (b.n_null < b.n_rows && c->kind != STBL_AGG_COUNT)
	{
		/* a real's bound does not tell the sign of a zero */
		if ((c->kind != STBL_AGG_MIN && c->kind != STBL_AGG_MAX) || b.kind != STBL_BOUND_INT || !b.is_exact)
			return false;
		if (!try_only)
		{
			int64		v = c->kind == STBL_AGG_MIN ? b.min.i : b.max.i;

			if (acc->n == 0 || (c->kind == STBL_AGG_MIN ? v < acc->v.i : v > acc->v.i))
				acc->v.i = v;
		}
	}
	if (!try_only)
		acc->n += b.n_rows - b.n_null;
	return true;
}

/* ---- results ---- */

Datum
stbl_number_datum(const StblColumn *column, int64 i, double real)
{
	int32		i32 = (int32) i;
	StblVec		one = {.kind = STBL_VEC_I64,.width = 8,.n = 1};
	StblColVec	vec = {.n_rows = 1};
	float		f = (float) real;
	Datum		value;
	bool		isnull;

	/* by way of a vector of one, so that all checks are made in one place */
	one.values = (uint8 *) &i;
	if (column->elemtype == FLOAT4OID)
	{
		one.kind = STBL_VEC_F32;
		one.values = (uint8 *) &f;
	}
	else if (column->elemtype == FLOAT8OID)
	{
		one.kind = STBL_VEC_F64;
		one.values = (uint8 *) &real;
	}
	else if (column->elemtype == BOOLOID)
	{
		one.kind = STBL_VEC_BOOL;
		one.values = (uint8 *) &i;
	}
	else if (column->elemtype == INT4OID)
	{
		one.kind = STBL_VEC_I32;
		one.values = (uint8 *) &i32;
	}
	vec.elem = one;
	stbl_column_datums((StblColumn *) column, &vec, NULL, 0, 1, &value, &isnull);
	return value;
}

static Datum
sum_result(const StblColumn *column, const StblAcc *acc)
{
	switch (column->elemtype)
	{
		case FLOAT4OID:
			return Float4GetDatum(acc->v.single);
		case FLOAT8OID:
			return Float8GetDatum(acc->v.real);
		case INT2OID:
		case INT4OID:
			return Int64GetDatum((int64) acc->v.wide);
		case INT8OID:
			return stbl_decimal_datum(acc->v.wide, 0);
		default:
			return stbl_decimal_datum(acc->v.wide, column->field.scale);
	}
}

static Datum
avg_result(const StblColumn *column, const StblAcc *acc)
{
	if (is_real(column))
		return Float8GetDatum(acc->v.real / (double) acc->n);
	return DirectFunctionCall2(numeric_div,
							   stbl_decimal_datum(acc->v.wide, column->elemtype == NUMERICOID ? column->field.scale : 0),
							   NumericGetDatum(int64_to_numeric(acc->n)));
}

Datum
stbl_acc_result(const StblAccColumn *c, const StblAcc *acc, bool *isnull)
{
	*isnull = false;
	if (c->kind == STBL_AGG_COUNT_ALL || c->kind == STBL_AGG_COUNT)
		return Int64GetDatum(acc->n);
	*isnull = acc->n == 0;
	if (*isnull)
		return (Datum) 0;
	if (c->kind == STBL_AGG_SUM)
		return sum_result(c->source->column, acc);
	if (c->kind == STBL_AGG_AVG)
		return avg_result(c->source->column, acc);
	return stbl_number_datum(c->source->column, acc->v.i, acc->v.real);
}
