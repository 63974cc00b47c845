/* Statistics of a chunk, or of a page, as values that can be compared with. */
#include <math.h>
#include <string.h>

#include "parquet/parquet_int.h"

/*
 * Others leave a NaN out of the bounds of what has one; where we
 * wrote it there are none then.
 */
static bool
may_have_nan(const StblPqMeta *meta, StblVecKind kind)
{
	if (kind != STBL_VEC_F32 && kind != STBL_VEC_F64)
		return false;
	return meta->created_by == NULL || strcmp(meta->created_by, STBL_PQ_CREATED_BY) != 0;
}

static void
to_value(StblVecKind kind, const uint8_t *p, size_t len, StblPqValue *out)
{
	switch (kind)
	{
		case STBL_VEC_BOOL:
			out->v.b = p[0] != 0;
			break;
		case STBL_VEC_I32:
			memcpy(&out->v.i32, p, 4);
			break;
		case STBL_VEC_I64:
			memcpy(&out->v.i64, p, 8);
			break;
		case STBL_VEC_F32:
			memcpy(&out->v.f32, p, 4);
			break;
		case STBL_VEC_F64:
			memcpy(&out->v.f64, p, 8);
			break;
		case STBL_VEC_BYTES:
		case STBL_VEC_FIXED:
			break;
	}
	out->bytes = p;
	out->len = len;
}

/* A bound that is a zero may stand for the other zero: as the format asks, it covers both. */
static void
widen_zeros(StblPqBounds *b)
{
	if (b->kind == STBL_VEC_F32)
	{
		if (b->min.v.f32 == 0)
		{
			b->min.v.f32 = -0.0f;
			b->min_exact = false;
		}
		if (b->max.v.f32 == 0)
		{
			b->max.v.f32 = 0.0f;
			b->max_exact = false;
		}
	}
	else if (b->kind == STBL_VEC_F64)
	{
		if (b->min.v.f64 == 0)
		{
			b->min.v.f64 = -0.0;
			b->min_exact = false;
		}
		if (b->max.v.f64 == 0)
		{
			b->max.v.f64 = 0.0;
			b->max_exact = false;
		}
	}
}

/* Decimals in BYTES may be of any length, so lengths are made equal by their signs. */
static int
compare_decimals(const StblPqValue *a, const StblPqValue *b)
{
	size_t		len = a->len > b->len ? a->len : b->len;

	for (size_t i = 0; i < len; i++)
	{
		int			x = a->bytes[0] & 0x80 ? 0xff : 0;
		int			y = b->bytes[0] & 0x80 ? 0xff : 0;

		if (i >= len - a->len)
			x = a->bytes[i - (len - a->len)];
		if (i >= len - b->len)
			y = b->bytes[i - (len - b->len)];
		if (i == 0)
		{
			x ^= 0x80;
			y ^= 0x80;
		}
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static bool
in_order(const StblPqNode *leaf, const StblPqBounds *b)
{
	size_t		len = b->min.len < b->max.len ? b->min.len : b->max.len;
	int			c;

	switch (b->kind)
	{
		case STBL_VEC_BOOL:
			return b->min.v.b <= b->max.v.b;
		case STBL_VEC_I32:
			return b->min.v.i32 <= b->max.v.i32;
		case STBL_VEC_I64:
			return b->min.v.i64 <= b->max.v.i64;
		case STBL_VEC_F32:
			return b->min.v.f32 <= b->max.v.f32;
		case STBL_VEC_F64:
			return b->min.v.f64 <= b->max.v.f64;
		case STBL_VEC_BYTES:
		case STBL_VEC_FIXED:
			break;
	}
	if (leaf->logical == STBL_PQL_DECIMAL)
		return b->min.len > 0 && b->max.len > 0 && compare_decimals(&b->min, &b->max) <= 0;
	c = memcmp(b->min.bytes, b->max.bytes, len);
	return c != 0 ? c < 0 : b->min.len <= b->max.len;
}

/* n_values: levels that the statistics are of */
static void
bounds_of(const StblPqMeta *meta, int leaf, const StblPqStats *s, int64_t n_values, StblPqBounds *out)
{
	const StblPqNode *node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	uint32_t	width;

	memset(out, 0, sizeof(*out));
	out->kind = stbl_pq_vec_kind(node, &width);
	out->may_have_nan = may_have_nan(meta, out->kind);
	if (node->max_def == 0)
		out->has_null_count = true;
	else if (s->has_null_count && node->max_rep == 0 && s->null_count <= n_values)
	{
		out->has_null_count = true;
		out->null_count = s->null_count;
	}
	out->all_null = out->has_null_count && out->null_count == n_values;
	if (!s->has_min_max || out->all_null)
		return;
	to_value(out->kind, s->min, s->min_len, &out->min);
	to_value(out->kind, s->max, s->max_len, &out->max);
	out->has_min_max = in_order(node, out);
	out->min_exact = out->has_min_max && s->min_exact;
	out->max_exact = out->has_min_max && s->max_exact;
	if (out->has_min_max)
		widen_zeros(out);
}

void
stbl_pq_bounds(const StblPqMeta *meta, int row_group, int leaf, StblPqBounds *out)
{
	const StblPqChunk *chunk = &meta->row_groups[row_group].chunks[leaf];

	bounds_of(meta, leaf, &chunk->stats, chunk->n_values, out);
}

void
stbl_pq_page_bounds(const StblPqMeta *meta, int leaf, const StblPqPages *pages, int page, StblPqBounds *out)
{
	bounds_of(meta, leaf, &pages->stats[page], pages->places[page].n_rows, out);
}
