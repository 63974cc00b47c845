/*
 * Statistics of pages and column chunks: minimum, maximum, count of nulls.
 *
 * Orders are Parquet's TYPE_ORDER: signed for integers and decimals, bytes
 * unsigned for strings and binaries.  A NaN has no place in it, so what
 * has one has no bounds; zeros are written as -0.0 for a minimum and +0.0
 * for a maximum, as the format asks.
 */
#include <string.h>

#include "parquet/parquet_int.h"

#define LANES 8

static int
compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int			c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c != 0 ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* Two's complement, big-endian, equal lengths. */
static int
compare_decimals(const uint8_t *a, const uint8_t *b, size_t len)
{
	if ((a[0] ^ b[0]) & 0x80)
		return a[0] & 0x80 ? -1 : 1;
	return memcmp(a, b, len);
}

static void
set_bytes(StblMem *mem, uint8_t **to, size_t *to_len, const void *from, size_t len)
{
	*to = stbl_realloc(mem, *to, len + 1);
	memcpy(*to, from, len);
	*to_len = len;
}

#define MIN_MAX(type) do { \
	const type *v = (const type *) values->values + first; \
	type lo = v[0], hi = v[0]; \
	for (size_t i = 1; i < n; i++) \
	{ \
		lo = v[i] < lo ? v[i] : lo; \
		hi = v[i] > hi ? v[i] : hi; \
	} \
	set_bytes(mem, &stats->min, &stats->min_len, &lo, sizeof(lo)); \
	set_bytes(mem, &stats->max, &stats->max_len, &hi, sizeof(hi)); \
	stats->has_min_max = true; \
} while (0)

/* In lanes, for one chain of comparisons would wait for each before the next. */
#define MIN_MAX_FLOAT(type) do { \
	const type *v = (const type *) values->values + first; \
	type los[LANES], his[LANES]; \
	int64_t n_nan = 0; \
	type lo, hi; \
	size_t i = 0; \
	for (int j = 0; j < LANES; j++) \
		los[j] = his[j] = v[0]; \
	for (; i + LANES <= n; i += LANES) \
		for (int j = 0; j < LANES; j++) \
		{ \
			type x = v[i + j]; \
			n_nan += x != x; \
			los[j] = x < los[j] ? x : los[j]; \
			his[j] = x > his[j] ? x : his[j]; \
		} \
	lo = los[0]; \
	hi = his[0]; \
	for (int j = 1; j < LANES; j++) \
	{ \
		lo = los[j] < lo ? los[j] : lo; \
		hi = his[j] > hi ? his[j] : hi; \
	} \
	for (; i < n; i++) \
	{ \
		n_nan += v[i] != v[i]; \
		lo = v[i] < lo ? v[i] : lo; \
		hi = v[i] > hi ? v[i] : hi; \
	} \
	if (n_nan > 0) \
		break; \
	if (lo == 0) lo = (type) -0.0; \
	if (hi == 0) hi = (type) 0.0; \
	set_bytes(mem, &stats->min, &stats->min_len, &lo, sizeof(lo)); \
	set_bytes(mem, &stats->max, &stats->max_len, &hi, sizeof(hi)); \
	stats->has_min_max = true; \
} while (0)

/* The first eight bytes as a number that orders as they do; what is not there counts as zeros. */
static inline uint64_t
leading(const uint8_t *p, size_t len)
{
	uint64_t	word = 0;

	memcpy(&word, p, len < 8 ? len : 8);
	return __builtin_bswap64(word);
}

static void
byte_bounds(StblMem *mem, const StblVec *v, size_t first, const uint32_t *pick, size_t n, StblPqStats *stats)
{
	size_t		lo = pick ? pick[0] : first,
				hi = lo;
	uint64_t	lo_leads,
				hi_leads;

#define AT(i) v->bytes + v->offsets[i], v->offsets[(i) + 1] - v->offsets[i]
	lo_leads = hi_leads = leading(AT(lo));
	for (size_t k = 1; k < n; k++)
	{
		size_t		i = pick ? pick[k] : first + k;

		/* most often it is strictly between them by these alone */
		uint64_t	leads = v->offsets[i + 1] - v->offsets[i] >= 8 ? leading(v->bytes + v->offsets[i], 8) : leading(AT(i));

		if (leads > lo_leads && leads < hi_leads)
			continue;
		if (leads <= lo_leads && compare_bytes(AT(i), AT(lo)) < 0)
		{
			lo = i;
			lo_leads = leads;
		}
		if (leads >= hi_leads && compare_bytes(AT(i), AT(hi)) > 0)
		{
			hi = i;
			hi_leads = leads;
		}
	}
	set_bytes(mem, &stats->min, &stats->min_len, AT(lo));
	set_bytes(mem, &stats->max, &stats->max_len, AT(hi));
#undef AT
	stats->has_min_max = true;
}

static void
fixed_bounds(StblMem *mem, const StblVec *v, bool decimal, size_t first, const uint32_t *pick, size_t n, StblPqStats *stats)
{
	const uint8_t *lo = v->values + (pick ? pick[0] : first) * v->width,
			   *hi = lo;

	for (size_t k = 1; k < n; k++)
	{
		const uint8_t *p = v->values + (pick ? pick[k] : first + k) * v->width;

		if ((decimal ? compare_decimals(p, lo, v->width) : memcmp(p, lo, v->width)) < 0)
			lo = p;
		if ((decimal ? compare_decimals(p, hi, v->width) : memcmp(p, hi, v->width)) > 0)
			hi = p;
	}
	set_bytes(mem, &stats->min, &stats->min_len, lo, v->width);
	set_bytes(mem, &stats->max, &stats->max_len, hi, v->width);
	stats->has_min_max = true;
}

/* Cuts a long upper bound: the shortest prefix, with its last byte raised, that is above it. */
static bool
raise_prefix(uint8_t *max, size_t *len, bool utf8)
{
	size_t		n = STBL_PQ_STAT_BYTES;

	if (utf8)
		while (n > 0 && (max[n] & 0xc0) == 0x80)
			n--;
	while (n > 0)
	{
		size_t		start = n - 1;

		if (!utf8)
		{
			if (max[start] != 0xff)
			{
				max[start]++;
				*len = n;
				return true;
			}
		}
		else
		{
			while (start > 0 && (max[start] & 0xc0) == 0x80)
				start--;

			/* Raised within its own block of 64, a character stays valid UTF-8. */
			if (max[n - 1] != 0x7f && max[n - 1] != 0xbf)
			{
				max[n - 1]++;
				*len = n;
				return true;
			}
		}
		n = start;
	}
	return false;
}

/* Makes bounds short enough to be kept; they still hold.  Their memory shrinks with them. */
void
stbl_pq_stats_cut(StblMem *mem, const StblPqNode *leaf, StblPqStats *stats)
{
	bool		utf8 = leaf->logical == STBL_PQL_STRING || leaf->logical == STBL_PQL_JSON || leaf->logical == STBL_PQL_ENUM;

	if (leaf->type != STBL_PQ_BYTE_ARRAY || !stats->has_min_max)
		return;
	if (stats->min_len > STBL_PQ_STAT_BYTES)
	{
		size_t		n = STBL_PQ_STAT_BYTES;

		if (utf8)
			while (n > 0 && (stats->min[n] & 0xc0) == 0x80)
				n--;
		stats->min_len = n;
		stats->min_exact = false;
		stats->min = stbl_realloc(mem, stats->min, n + 1);
	}
	if (stats->max_len > STBL_PQ_STAT_BYTES)
	{
		stats->max_exact = false;
		if (!raise_prefix(stats->max, &stats->max_len, utf8))
			stats->has_min_max = false;
		stats->max = stbl_realloc(mem, stats->max, STBL_PQ_STAT_BYTES + 1);
	}
}

/* Bounds are written where the order above is that of the type. */
static bool
has_known_order(const StblPqNode *leaf)
{
	if (leaf->logical == STBL_PQL_INT && !leaf->is_signed)
		return false;
	if (leaf->logical == STBL_PQL_OTHER || leaf->type == STBL_PQ_INT96)
		return false;
	return !(leaf->logical == STBL_PQL_DECIMAL && leaf->type == STBL_PQ_BYTE_ARRAY);
}

/* values are dense; null_count is the caller's */
void
stbl_pq_stats_of(StblMem *mem, const StblPqNode *leaf, const StblVec *values, size_t first, const uint32_t *pick,
				 size_t n, StblPqStats *stats)
{
	stats->has_min_max = false;
	stats->min_exact = stats->max_exact = true;
	if (n == 0 || !has_known_order(leaf))
		return;
	switch (values->kind)
	{
		case STBL_VEC_BOOL:
			MIN_MAX(uint8_t);
			break;
		case STBL_VEC_I32:
			MIN_MAX(int32_t);
			break;
		case STBL_VEC_I64:
			MIN_MAX(int64_t);
			break;
		case STBL_VEC_F32:
			MIN_MAX_FLOAT(float);
			break;
		case STBL_VEC_F64:
			MIN_MAX_FLOAT(double);
			break;
		case STBL_VEC_BYTES:
			byte_bounds(mem, values, first, pick, n, stats);
			break;
		case STBL_VEC_FIXED:
			fixed_bounds(mem, values, leaf->logical == STBL_PQL_DECIMAL, first, pick, n, stats);
			break;
	}
}

#define COMPARE(type) do { \
	type x, y; \
	memcpy(&x, a, sizeof(x)); \
	memcpy(&y, b, sizeof(y)); \
	return x < y ? -1 : x > y; \
} while (0)

int
stbl_pq_compare_bounds(const StblPqNode *leaf, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	switch (leaf->type)
	{
		case STBL_PQ_BOOLEAN:
			return (int) a[0] - (int) b[0];
		case STBL_PQ_INT32:
			COMPARE(int32_t);
			break;
		case STBL_PQ_INT64:
		case STBL_PQ_INT96:
			COMPARE(int64_t);
			break;
		case STBL_PQ_FLOAT:
			COMPARE(float);
			break;
		case STBL_PQ_DOUBLE:
			COMPARE(double);
			break;
		case STBL_PQ_FIXED:
			if (leaf->logical == STBL_PQL_DECIMAL)
				return compare_decimals(a, b, a_len);
			break;
		case STBL_PQ_BYTE_ARRAY:
			break;
	}
	return compare_bytes(a, a_len, b, b_len);
}

/*
 * Adds the statistics of a page or chunk with values to those of what it is
 * part of.  One with values but without bounds spoils those of the others.
 * first: nothing has been added with values yet.
 */
void
stbl_pq_stats_merge(StblMem *mem, const StblPqNode *leaf, StblPqStats *into, const StblPqStats *from, bool first)
{
	into->has_null_count = true;
	into->null_count += from->null_count;
	if (first)
	{
		into->has_min_max = from->has_min_max;
		if (!from->has_min_max)
			return;
		set_bytes(mem, &into->min, &into->min_len, from->min, from->min_len);
		set_bytes(mem, &into->max, &into->max_len, from->max, from->max_len);
		into->min_exact = from->min_exact;
		into->max_exact = from->max_exact;
		return;
	}
	if (!into->has_min_max || !from->has_min_max)
	{
		into->has_min_max = false;
		return;
	}
	if (stbl_pq_compare_bounds(leaf, from->min, from->min_len, into->min, into->min_len) < 0)
	{
		set_bytes(mem, &into->min, &into->min_len, from->min, from->min_len);
		into->min_exact = from->min_exact;
	}
	if (stbl_pq_compare_bounds(leaf, from->max, from->max_len, into->max, into->max_len) > 0)
	{
		set_bytes(mem, &into->max, &into->max_len, from->max, from->max_len);
		into->max_exact = from->max_exact;
	}
}
