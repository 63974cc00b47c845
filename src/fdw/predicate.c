/*
 * Predicates over vectors.
 *
 * Integers of all kinds (booleans, days, microseconds, unscaled decimals) are
 * one test: inside or outside of a range.  Reals follow PostgreSQL's order: a
 * NaN equals itself and is above all else, the zeros are equal.  Text is
 * compared by its bytes, which is right for equality under a deterministic
 * collation and for order under C; the planner asks for no more.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "fdw/predicate.h"

/* ---- constants ---- */

bool
stbl_predicate_can(const StblColumn *column, StblTest test, Oid typid)
{
	if (column->is_array)
		return false;
	switch (column->elemtype)
	{
		case BOOLOID:
			return typid == BOOLOID;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return typid == INT2OID || typid == INT4OID || typid == INT8OID;
		case FLOAT4OID:
		case FLOAT8OID:
			return typid == FLOAT4OID || typid == FLOAT8OID;
		case NUMERICOID:
			return typid == NUMERICOID && column->field.precision <= 18;
		case DATEOID:
			return typid == DATEOID;
		case TIMESTAMPOID:
			return typid == TIMESTAMPOID || typid == DATEOID;
		case TIMESTAMPTZOID:
			return typid == TIMESTAMPTZOID || typid == TIMESTAMPOID || typid == DATEOID;
		case TEXTOID:
		case VARCHAROID:
			return typid == TEXTOID;
		case BPCHAROID:
			return typid == BPCHAROID && test != STBL_TEST_PREFIX;
		case BYTEAOID:
			return typid == BYTEAOID && test != STBL_TEST_PREFIX;
		default:
			return false;
	}
}

/*
 * Microseconds since the Unix epoch.  What lies beyond all that can be stored
 * (the infinities, the last years of PostgreSQL's range) is at the end of the
 * integers and not exact: the last one is a storable time.
 */
static int64
us_of(Timestamp t, bool *exact)
{
	int64		us;

	*exact = false;
	if (TIMESTAMP_IS_NOBEGIN(t))
		return PG_INT64_MIN;
	if (TIMESTAMP_IS_NOEND(t) || __builtin_add_overflow(t, STBL_EPOCH_US, &us))
		return PG_INT64_MAX;
	*exact = true;
	return us;
}

/*
 * A constant as an integer of the column: the largest that is not above it;
 * *exact when they are equal.
 */
static int64
int_of(const StblColumn *column, Oid typid, Datum value, bool *exact)
{
	int			overflow = 0;

	*exact = true;
	switch (typid)
	{
		case BOOLOID:
			return DatumGetBool(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		case DATEOID:
			{
				DateADT		d = DatumGetDateADT(value);

				if (column->elemtype == TIMESTAMPOID)
					return us_of(date2timestamp_opt_overflow(d, &overflow), exact);
				if (column->elemtype == TIMESTAMPTZOID)
					return us_of(date2timestamptz_opt_overflow(d, &overflow), exact);
				return DATE_IS_NOBEGIN(d) ? PG_INT64_MIN : DATE_IS_NOEND(d) ? PG_INT64_MAX : (int64) d + STBL_EPOCH_DAYS;
			}
		case TIMESTAMPOID:
			if (column->elemtype == TIMESTAMPTZOID)
				return us_of(timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow), exact);
			return us_of(DatumGetTimestamp(value), exact);
		case TIMESTAMPTZOID:
			return us_of(DatumGetTimestampTz(value), exact);
		default:
			{
				Numeric		num = DatumGetNumeric(value);
				char	   *text;
				int64		v;

				Assert(typid == NUMERICOID);
				*exact = false;
				text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
				if (numeric_is_nan(num) || (numeric_is_inf(num) && text[0] != '-'))
					return PG_INT64_MAX;	/* NaN is above all numbers */
				if (numeric_is_inf(num))
					return PG_INT64_MIN;
				if (stbl_decimal_parse(text, column->field.scale, true, &v, exact))
					return v;
				*exact = false;
				return text[0] == '-' ? PG_INT64_MIN : PG_INT64_MAX;
			}
	}
}

static double
real_of(Oid typid, Datum value)
{
	return typid == FLOAT4OID ? (double) DatumGetFloat4(value) : DatumGetFloat8(value);
}

static StblBytes
bytes_of(const StblColumn *column, Datum value)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(value);
	StblBytes	b = {(const uint8_t *) VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v)};

	if (column->elemtype == BPCHAROID)
		while (b.len > 0 && b.data[b.len - 1] == ' ')
			b.len--;
	return b;
}

/* ---- orders ---- */

static inline int
compare_reals(double a, double b)
{
	if (isnan(a))
		return isnan(b) ? 0 : 1;
	if (isnan(b))
		return -1;
	return (a > b) - (a < b);
}

static inline int
compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int			c = memcmp(a, b, Min(a_len, b_len));

	return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static int
order_ints(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
order_reals(const void *a, const void *b)
{
	return compare_reals(*(const double *) a, *(const double *) b);
}

static int
order_strings(const void *a, const void *b)
{
	const StblBytes *x = a;
	const StblBytes *y = b;

	return compare_bytes(x->data, x->len, y->data, y->len);
}

/* ---- compiling ---- */

/* floor is the largest integer that is not above the constant. */
static void
compile_range(StblPredicate *p, StblTest test, int64 floor, bool exact)
{
	p->lo = PG_INT64_MIN;
	p->hi = PG_INT64_MAX;
	switch (test)
	{
		case STBL_TEST_EQ:
		case STBL_TEST_NE:
			p->outside = test == STBL_TEST_NE;
			p->lo = p->hi = floor;
			if (!exact)
			{
				/* equals nothing: outside of an empty range */
				p->nothing = !p->outside;
				p->outside = false;
				p->lo = PG_INT64_MIN;
				p->hi = PG_INT64_MAX;
			}
			break;
		case STBL_TEST_LE:
			p->hi = floor;
			break;
		case STBL_TEST_LT:
			p->hi = floor;
			if (exact)
			{
				p->nothing = floor == PG_INT64_MIN;
				p->hi = p->nothing ? floor : floor - 1;
			}
			break;
		case STBL_TEST_GT:
			p->nothing = floor == PG_INT64_MAX;
			p->lo = p->nothing ? floor : floor + 1;
			break;
		case STBL_TEST_GE:
			p->lo = floor;
			if (!exact && floor != PG_INT64_MIN)
			{
				p->nothing = floor == PG_INT64_MAX;
				p->lo = p->nothing ? floor : floor + 1;
			}
			break;
		default:
			elog(ERROR, "unexpected test %d of a range", test);
	}
}

static void
compile_set(StblPredicate *p, const StblColumn *column, Oid typid, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int16		len;
	bool		byval;
	char		align;
	bool		any_null = false;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &len, &byval, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), len, byval, align, &values, &nulls, &n);
	p->ints = palloc(sizeof(int64) * (n + 1));
	p->reals = palloc(sizeof(double) * (n + 1));
	p->strings = palloc(sizeof(StblBytes) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		bool		exact = true;

		if (nulls[i])
		{
			any_null = true;
			continue;
		}
		if (p->kind == STBL_BOUND_INT)
			p->ints[p->n_set] = int_of(column, typid, values[i], &exact);
		else if (p->kind == STBL_BOUND_REAL)
			p->reals[p->n_set] = real_of(typid, values[i]);
		else
			p->strings[p->n_set] = bytes_of(column, values[i]);
		p->n_set += exact;
	}
	if (p->test == STBL_TEST_NONE)
	{
		/* x <> NULL is never true; of no comparison all are true, even for a null x */
		p->nothing = any_null;
		p->everything = n == 0;
	}
	else
		p->nothing = p->n_set == 0;
	if (p->kind == STBL_BOUND_INT)
		qsort(p->ints, p->n_set, sizeof(int64), order_ints);
	else if (p->kind == STBL_BOUND_REAL)
		qsort(p->reals, p->n_set, sizeof(double), order_reals);
	else
		qsort(p->strings, p->n_set, sizeof(StblBytes), order_strings);
}

void
stbl_predicate_compile(StblPredicate *p, const StblColumn *column, StblTest test, Oid typid, Datum value, bool isnull)
{
	memset(p, 0, sizeof(*p));
	p->test = test;
	p->kind = stbl_bound_kind(&column->field);
	p->trim = column->elemtype == BPCHAROID;
	if (test == STBL_TEST_NULL || test == STBL_TEST_NOT_NULL)
		return;
	if (isnull)
		p->nothing = true;
	else if (test == STBL_TEST_ANY || test == STBL_TEST_NONE)
		compile_set(p, column, typid, value);
	else if (p->kind == STBL_BOUND_INT)
	{
		bool		exact;
		int64		floor = int_of(column, typid, value, &exact);

		compile_range(p, test, floor, exact);
	}
	else if (p->kind == STBL_BOUND_REAL)
		p->real = real_of(typid, value);
	else
		p->bytes = bytes_of(column, value);
}

/* ---- loops ---- */

/*
 * Keeps the rows i for which cond holds.  Without branches: every row is
 * written, and the place moves on only past those that pass.
 */
#define KEEP(cond) do { \
	if (in == NULL) \
		for (uint32_t i = 0; i < n; i++) \
		{ \
			out[k] = i; \
			k += (cond) ? 1 : 0; \
		} \
	else \
		for (uint32_t j = 0; j < n; j++) \
		{ \
			uint32_t i = in[j]; \
			out[k] = i; \
			k += (cond) ? 1 : 0; \
		} \
} while (0)

#define KEEP_VALID(cond) do { \
	if (vec->n_null == 0) \
		KEEP(cond); \
	else \
		KEEP(valid[i] & (cond)); \
} while (0)

#define KEEP_RANGE(type, utype) do { \
	const type *v = (const type *) vec->values; \
	utype from = (utype) lo; \
	utype span = (utype) hi - (utype) lo; \
	if (p->outside) \
		KEEP_VALID((utype) ((utype) v[i] - from) > span); \
	else \
		KEEP_VALID((utype) ((utype) v[i] - from) <= span); \
} while (0)

static uint32_t
select_range(const StblPredicate *p, const StblVec *vec, const uint32_t *in, uint32_t n, uint32_t *out)
{
	const uint8_t *valid = vec->valid;
	uint32_t	k = 0;
	int64		lo = p->lo;
	int64		hi = p->hi;

	switch (vec->kind)
	{
		case STBL_VEC_BOOL:
			KEEP_VALID((vec->values[i] >= lo && vec->values[i] <= hi) != p->outside);
			break;
		case STBL_VEC_I32:
			if (lo > PG_INT32_MAX || hi < PG_INT32_MIN)
			{
				/* no value lies in the range */
				if (p->outside)
					KEEP_VALID(true);
				break;
			}
			lo = Max(lo, PG_INT32_MIN);
			hi = Min(hi, PG_INT32_MAX);
			KEEP_RANGE(int32, uint32);
			break;
		case STBL_VEC_I64:
			KEEP_RANGE(int64, uint64);
			break;
		default:
			KEEP_VALID((stbl_unscaled_64(vec, i) >= lo && stbl_unscaled_64(vec, i) <= hi) != p->outside);
	}
	return k;
}

#define KEEP_REAL(type) do { \
	const type *v = (const type *) vec->values; \
	switch (p->test) \
	{ \
		case STBL_TEST_EQ: \
			if (isnan(r)) \
				KEEP_VALID(isnan(v[i])); \
			else \
				KEEP_VALID((double) v[i] == r); \
			break; \
		case STBL_TEST_NE: \
			if (isnan(r)) \
				KEEP_VALID(!isnan(v[i])); \
			else \
				KEEP_VALID((double) v[i] != r); \
			break; \
		case STBL_TEST_LT: \
			if (isnan(r)) \
				KEEP_VALID(!isnan(v[i])); \
			else \
				KEEP_VALID((double) v[i] < r); \
			break; \
		case STBL_TEST_LE: \
			if (isnan(r)) \
				KEEP_VALID(true); \
			else \
				KEEP_VALID((double) v[i] <= r); \
			break; \
		case STBL_TEST_GT: \
			if (!isnan(r)) \
				KEEP_VALID(!((double) v[i] <= r)); \
			break; \
		default: \
			if (isnan(r)) \
				KEEP_VALID(isnan(v[i])); \
			else \
				KEEP_VALID(!((double) v[i] < r)); \
	} \
} while (0)

static uint32_t
select_real(const StblPredicate *p, const StblVec *vec, const uint32_t *in, uint32_t n, uint32_t *out)
{
	const uint8_t *valid = vec->valid;
	double		r = p->real;
	uint32_t	k = 0;

	if (vec->kind == STBL_VEC_F32)
		KEEP_REAL(float);
	else
		KEEP_REAL(double);
	return k;
}

static inline StblBytes
value_at(const StblPredicate *p, const StblVec *vec, size_t i)
{
	StblBytes	b = {vec->bytes + vec->offsets[i], vec->offsets[i + 1] - vec->offsets[i]};

	if (p->trim)
		while (b.len > 0 && b.data[b.len - 1] == ' ')
			b.len--;
	return b;
}

static inline bool
same_bytes(StblBytes a, StblBytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static uint32_t
select_bytes(const StblPredicate *p, const StblVec *vec, const uint32_t *in, uint32_t n, uint32_t *out)
{
	const uint8_t *valid = vec->valid;
	uint32_t	k = 0;
	StblBytes	b = p->bytes;

#define VALUE value_at(p, vec, i)
#define ORDER(value) compare_bytes((value).data, (value).len, b.data, b.len)
	switch (p->test)
	{
		case STBL_TEST_EQ:
			KEEP_VALID(same_bytes(VALUE, b));
			break;
		case STBL_TEST_NE:
			KEEP_VALID(!same_bytes(VALUE, b));
			break;
		case STBL_TEST_LT:
			KEEP_VALID(ORDER(VALUE) < 0);
			break;
		case STBL_TEST_LE:
			KEEP_VALID(ORDER(VALUE) <= 0);
			break;
		case STBL_TEST_GT:
			KEEP_VALID(ORDER(VALUE) > 0);
			break;
		case STBL_TEST_GE:
			KEEP_VALID(ORDER(VALUE) >= 0);
			break;
		default:
			KEEP_VALID(vec->offsets[i + 1] - vec->offsets[i] >= b.len &&
					   memcmp(vec->bytes + vec->offsets[i], b.data, b.len) == 0);
	}
#undef VALUE
#undef ORDER
	return k;
}

static bool
is_in_set(const StblPredicate *p, const StblVec *vec, size_t i)
{
	int64		v;
	double		d;
	StblBytes	b;

	switch (p->kind)
	{
		case STBL_BOUND_INT:
			v = vec->kind == STBL_VEC_I64 ? ((const int64 *) vec->values)[i] :
				vec->kind == STBL_VEC_I32 ? ((const int32 *) vec->values)[i] :
				vec->kind == STBL_VEC_BOOL ? vec->values[i] : stbl_unscaled_64(vec, i);
			return bsearch(&v, p->ints, p->n_set, sizeof(v), order_ints) != NULL;
		case STBL_BOUND_REAL:
			d = vec->kind == STBL_VEC_F32 ? ((const float *) vec->values)[i] : ((const double *) vec->values)[i];
			return bsearch(&d, p->reals, p->n_set, sizeof(d), order_reals) != NULL;
		default:
			b = value_at(p, vec, i);
			return bsearch(&b, p->strings, p->n_set, sizeof(b), order_strings) != NULL;
	}
}

uint32_t
stbl_predicate_select(const StblPredicate *p, const StblVec *vec, const uint32_t *in, uint32_t n, uint32_t *out)
{
	const uint8_t *valid = vec->valid;
	uint32_t	k = 0;

	if (p->nothing)
		return 0;
	if (p->everything)
		KEEP(true);
	else if (p->test == STBL_TEST_NULL)
	{
		if (vec->n_null > 0)
			KEEP(!valid[i]);
	}
	else if (p->test == STBL_TEST_NOT_NULL)
		KEEP_VALID(true);
	else if (p->test == STBL_TEST_ANY)
		KEEP_VALID(is_in_set(p, vec, i));
	else if (p->test == STBL_TEST_NONE)
		KEEP_VALID(!is_in_set(p, vec, i));
	else if (p->kind == STBL_BOUND_INT)
		k = select_range(p, vec, in, n, out);
	else if (p->kind == STBL_BOUND_REAL)
		k = select_real(p, vec, in, n, out);
	else
		k = select_bytes(p, vec, in, n, out);
	return k;
}

/* ---- bounds ---- */

static bool
real_may_pass(const StblPredicate *p, const StblBounds *b)
{
	double		r = p->real;

	if (isnan(r))
		return p->test == STBL_TEST_EQ || p->test == STBL_TEST_GE ? !b->no_nan : p->test != STBL_TEST_GT;
	switch (p->test)
	{
		case STBL_TEST_EQ:
			return !(b->has_min && r < b->min.d) && !(b->has_max && r > b->max.d);
		case STBL_TEST_LT:
			return !(b->has_min && b->min.d >= r);
		case STBL_TEST_LE:
			return !(b->has_min && b->min.d > r);
		case STBL_TEST_GT:
			return !(b->no_nan && b->has_max && b->max.d <= r);
		case STBL_TEST_GE:
			return !(b->no_nan && b->has_max && b->max.d < r);
		default:
			return true;
	}
}

static bool
bytes_may_pass(const StblPredicate *p, const StblBounds *b)
{
	int			min = b->has_min ? compare_bytes(b->min.bytes, b->min.len, p->bytes.data, p->bytes.len) : -1;
	int			max = b->has_max ? compare_bytes(b->max.bytes, b->max.len, p->bytes.data, p->bytes.len) : 1;

	/* bounds are of padded values, whose order is another */
	if (p->trim)
		return true;
	switch (p->test)
	{
		case STBL_TEST_EQ:
			return min <= 0 && max >= 0;
		case STBL_TEST_LT:
			return min < 0;
		case STBL_TEST_LE:
			return min <= 0;
		case STBL_TEST_GT:
			return max > 0;
		case STBL_TEST_GE:
			return max >= 0;
		case STBL_TEST_PREFIX:
			/* all that begin so lie from the prefix up */
			return max >= 0 && (min <= 0 || (b->min.len >= p->bytes.len &&
											 memcmp(b->min.bytes, p->bytes.data, p->bytes.len) == 0));
		default:
			return true;
	}
}

static bool
set_may_pass(const StblPredicate *p, const StblBounds *b)
{
	if (p->test != STBL_TEST_ANY || p->trim)
		return true;
	for (int i = 0; i < p->n_set; i++)
	{
		StblPredicate one = {.test = STBL_TEST_EQ,.kind = p->kind};

		if (p->kind == STBL_BOUND_INT)
			one.lo = one.hi = p->ints[i];
		else if (p->kind == STBL_BOUND_REAL)
			one.real = p->reals[i];
		else
			one.bytes = p->strings[i];
		if (stbl_predicate_may_pass(&one, b))
			return true;
	}
	return false;
}

bool
stbl_predicate_may_pass(const StblPredicate *p, const StblBounds *b)
{
	if (p->nothing)
		return false;
	if (p->everything)
		return true;
	if (p->test == STBL_TEST_NULL)
		return b->n_null != 0;
	if (b->n_null >= 0 && b->n_null == b->n_rows)
		return false;			/* nothing but nulls */
	if (p->test == STBL_TEST_NOT_NULL)
		return true;
	if (p->test == STBL_TEST_ANY || p->test == STBL_TEST_NONE)
		return set_may_pass(p, b);
	switch (p->kind)
	{
		case STBL_BOUND_INT:
			if (p->outside)
				return !(b->has_min && b->has_max && b->min.i >= p->lo && b->max.i <= p->hi);
			return !(b->has_min && b->min.i > p->hi) && !(b->has_max && b->max.i < p->lo);
		case STBL_BOUND_REAL:
			return real_may_pass(p, b);
		case STBL_BOUND_BYTES:
			return bytes_may_pass(p, b);
		case STBL_BOUND_NONE:
			break;
	}
	return true;
}

bool
stbl_predicate_must_pass(const StblPredicate *p, const StblBounds *b)
{
	if (p->everything)
		return true;
	if (p->nothing || b->n_null != 0)
		return p->test == STBL_TEST_NULL && !p->nothing && b->n_null >= 0 && b->n_null == b->n_rows;
	if (p->test == STBL_TEST_NOT_NULL)
		return true;
	if (p->kind != STBL_BOUND_INT || p->test == STBL_TEST_ANY || p->test == STBL_TEST_NONE || p->test == STBL_TEST_NULL ||
		!b->has_min || !b->has_max)
		return false;
	if (p->outside)
		return b->min.i > p->hi || b->max.i < p->lo;
	return b->min.i >= p->lo && b->max.i <= p->hi;
}
