/*
 * The page index, written: ColumnIndex and OffsetIndex of parquet.thrift, all
 * of the first kind before all of the second, right before the footer, so
 * that who reads the file's end has them too.
 *
 * A file whose chunks have one data page each has none: its footer says the
 * same.  Else each chunk has an OffsetIndex, for some readers want all or
 * none, and a ColumnIndex unless a page of it has values but no bounds.
 */
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

/* BoundaryOrder */
#define UNORDERED 0
#define ASCENDING 1
#define DESCENDING 2

static bool
has_bounds(const StblPqOutChunk *c)
{
	for (int i = 0; i < c->n_pages; i++)
		if (!c->pages[i].all_null && !c->pages[i].stats.has_min_max)
			return false;
	return true;
}

/* The order of both minima and maxima; pages of nulls have no part in it. */
static int
boundary_order(const StblPqNode *leaf, const StblPqOutChunk *c)
{
	const StblPqStats *before = NULL;
	bool		ascending = true,
				descending = true;

	for (int i = 0; i < c->n_pages; i++)
	{
		const StblPqStats *s = &c->pages[i].stats;

		if (c->pages[i].all_null)
			continue;
		if (before != NULL)
		{
			int			min = stbl_pq_compare_bounds(leaf, before->min, before->min_len, s->min, s->min_len);
			int			max = stbl_pq_compare_bounds(leaf, before->max, before->max_len, s->max, s->max_len);

			ascending = ascending && min <= 0 && max <= 0;
			descending = descending && min >= 0 && max >= 0;
		}
		before = s;
	}
	return ascending ? ASCENDING : descending ? DESCENDING : UNORDERED;
}

static void
write_bounds(StblBuf *out, int *last, int id, const StblPqOutChunk *c)
{
	stbl_tw_list(out, last, id, STBL_T_BINARY, (size_t) c->n_pages);
	for (int i = 0; i < c->n_pages; i++)
	{
		const StblPqOutPage *p = &c->pages[i];
		size_t		len = p->all_null ? 0 : id == 2 ? p->stats.min_len : p->stats.max_len;

		stbl_buf_varint(out, len);
		if (len > 0)
			stbl_buf_append(out, id == 2 ? p->stats.min : p->stats.max, len);
	}
}

static void
write_column_index(StblBuf *out, const StblPqNode *leaf, const StblPqOutChunk *c)
{
	int			last = 0;

	/* in a list a boolean takes a byte: 1 or 2 */
	stbl_tw_list(out, &last, 1, STBL_T_TRUE, (size_t) c->n_pages);
	for (int i = 0; i < c->n_pages; i++)
		stbl_buf_u8(out, c->pages[i].all_null ? STBL_T_TRUE : STBL_T_FALSE);
	write_bounds(out, &last, 2, c);
	write_bounds(out, &last, 3, c);
	stbl_tw_i32(out, &last, 4, boundary_order(leaf, c));
	stbl_tw_list(out, &last, 5, STBL_T_I64, (size_t) c->n_pages);
	for (int i = 0; i < c->n_pages; i++)
		stbl_buf_zigzag(out, c->pages[i].stats.null_count);
	stbl_tw_stop(out);
}

static void
write_offset_index(StblBuf *out, const StblPqOutChunk *c)
{
	int			last = 0;

	stbl_tw_list(out, &last, 1, STBL_T_STRUCT, (size_t) c->n_pages);
	for (int i = 0; i < c->n_pages; i++)
	{
		int			inner = 0;

		stbl_tw_i64(out, &inner, 1, (int64_t) c->pages[i].offset);
		stbl_tw_i32(out, &inner, 2, (int32_t) c->pages[i].length);
		stbl_tw_i64(out, &inner, 3, c->pages[i].first_row);
		stbl_tw_stop(out);
	}
	stbl_tw_stop(out);
}

static bool
is_worth_it(const StblPqSchema *schema, const StblPqOutGroup *groups, int n_groups)
{
	for (int g = 0; g < n_groups; g++)
		for (int i = 0; i < schema->n_leaves; i++)
			if (groups[g].chunks[i].n_pages > 1)
				return true;
	return false;
}

void
stbl_pq_write_index(StblBuf *out, uint64_t base, const StblPqSchema *schema, StblPqOutGroup *groups, int n_groups)
{
	if (!is_worth_it(schema, groups, n_groups))
		return;
	for (int kind = 0; kind < 2; kind++)
		for (int g = 0; g < n_groups; g++)
			for (int i = 0; i < schema->n_leaves; i++)
			{
				StblPqOutChunk *c = &groups[g].chunks[i];
				StblPqExtent *extent = kind == 0 ? &c->column_index : &c->offset_index;
				size_t		start = out->len;

				if (kind == 0 && !has_bounds(c))
					continue;
				if (kind == 0)
					write_column_index(out, &schema->nodes[schema->leaf_nodes[i]], c);
				else
					write_offset_index(out, c);
				extent->offset = base + start;
				extent->length = out->len - start;
			}
}
