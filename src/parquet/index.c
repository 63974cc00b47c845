/*
 * The page index, read: OffsetIndex and ColumnIndex of parquet.thrift.
 *
 * Nothing of it is believed: pages lie within their chunk, one behind the
 * other, and hold its rows, each one once.  An index that says otherwise is
 * none, for writers have been wrong about lists, and reading goes without.
 * What bounds may not be taken for is decided as for a footer's (footer.c,
 * bounds.c).
 */
#include <string.h>

#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

typedef struct Parse
{
	StblMem    *mem;
	const StblPqMeta *meta;
	const StblPqRowGroup *group;
	const StblPqChunk *chunk;
	int			leaf;
	const char *name;
	StblCursor	cur;
	StblError  *err;
} Parse;

static void
begin(Parse *p, StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, const uint8_t *data, size_t len, StblError *err)
{
	memset(p, 0, sizeof(*p));
	p->mem = mem;
	p->meta = meta;
	p->group = &meta->row_groups[row_group];
	p->chunk = &p->group->chunks[leaf];
	p->leaf = leaf;
	p->name = meta->schema.nodes[meta->schema.leaf_nodes[leaf]].name;
	p->err = err;
	stbl_cursor_init(&p->cur, data, len);
}

static bool
malformed(const Parse *p, const StblPqExtent *extent)
{
	return stbl_fail(p->err, STBL_ERR_CORRUPT, "the page index of Parquet column \"%s\" is malformed at offset %llu", p->name,
					 (unsigned long long) (extent->offset + stbl_cursor_offset(&p->cur)));
}

static int64_t
long_field(StblCursor *cur, const StblThriftField *f)
{
	if (f->type != STBL_T_I64 && f->type != STBL_T_I32)
		cur->failed = true;
	return cur->failed ? -1 : stbl_tr_int(cur);
}

/* ---- where pages lie ---- */

static void
parse_place(StblCursor *cur, StblPqPlace *place)
{
	int			last = 0;
	StblThriftField f;
	int64_t		offset = -1,
				length = -1;

	place->first_row = -1;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			offset = long_field(cur, &f);
		else if (f.id == 2)
			length = long_field(cur, &f);
		else if (f.id == 3)
			place->first_row = long_field(cur, &f);
		else
			stbl_tr_skip(cur, f.type, 2);
	}
	if (offset < 0 || length <= 0 || place->first_row < 0)
		cur->failed = true;
	place->offset = (uint64_t) offset;
	place->length = (uint64_t) length;
}

/* Whether the pages lie one behind the other in their chunk and share its rows; fills n_rows. */
static bool
are_sound(const Parse *p, StblPqPages *pages)
{
	uint64_t	at = p->chunk->offset;
	uint64_t	end = at + p->chunk->length;

	if (pages->n == 0 || pages->places[0].first_row != 0)
		return false;
	for (int i = 0; i < pages->n; i++)
	{
		StblPqPlace *place = &pages->places[i];
		int64_t		next_row = i + 1 < pages->n ? pages->places[i + 1].first_row : p->group->n_rows;

		if (place->offset < at || place->offset > end || place->length > end - place->offset || next_row <= place->first_row)
			return false;
		at = place->offset + place->length;
		place->n_rows = next_row - place->first_row;
	}
	return true;
}

bool
stbl_pq_parse_offset_index(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
						   const uint8_t *data, size_t len, StblPqPages *out, StblError *err)
{
	Parse		p;
	int			last = 0;
	StblThriftField f;
	StblThriftType elem;
	size_t		n = 0;

	memset(out, 0, sizeof(*out));
	begin(&p, mem, meta, row_group, leaf, data, len, err);
	while (stbl_tr_field(&p.cur, &last, &f))
	{
		if (f.id != 1 || f.type != STBL_T_LIST || out->places != NULL)
		{
			stbl_tr_skip(&p.cur, f.type, 0);
			continue;
		}
		/* a place takes seven bytes at least, so that the bytes bear this memory out */
		if (!stbl_tr_list(&p.cur, &elem, &n) || elem != STBL_T_STRUCT || n > stbl_cursor_left(&p.cur) / 7)
			return malformed(&p, &p.chunk->offset_index);
		out->places = stbl_alloc_array(mem, n + 1, sizeof(StblPqPlace));
		for (size_t i = 0; i < n && !p.cur.failed; i++)
			parse_place(&p.cur, &out->places[i]);
	}
	if (p.cur.failed)
		return malformed(&p, &p.chunk->offset_index);
	out->n = (int) n;
	if (!are_sound(&p, out))
		out->n = 0;
	return true;
}

/* ---- their bounds ---- */

/* A list with an element for each page; leaves cur at the first. */
static bool
page_list(Parse *p, const StblThriftField *f, StblThriftType want, int n_pages)
{
	StblThriftType elem;
	size_t		n;

	if (f->type != STBL_T_LIST || !stbl_tr_list(&p->cur, &elem, &n))
		return false;

	/* booleans are announced as either of the two */
	if (elem == STBL_T_FALSE)
		elem = STBL_T_TRUE;
	return n == (size_t) n_pages && elem == want;
}

typedef struct Bounds
{
	const uint8_t **values;		/* one a page */
	size_t	   *lengths;
} Bounds;

static bool
parse_values(Parse *p, const StblThriftField *f, int n_pages, Bounds *b)
{
	if (b->values != NULL || !page_list(p, f, STBL_T_BINARY, n_pages))
		return false;
	b->values = stbl_alloc_array(p->mem, (size_t) n_pages, sizeof(uint8_t *));
	b->lengths = stbl_alloc_array(p->mem, (size_t) n_pages, sizeof(size_t));
	for (int i = 0; i < n_pages; i++)
		b->values[i] = stbl_tr_binary(&p->cur, &b->lengths[i]);
	return !p->cur.failed;
}

static bool
parse_lists(Parse *p, StblPqPages *pages, uint8_t *is_null, Bounds *min, Bounds *max)
{
	bool		has_nulls = false;
	int			last = 0;
	StblThriftField f;

	while (stbl_tr_field(&p->cur, &last, &f))
	{
		if (f.id == 1)
		{
			if (has_nulls || !page_list(p, &f, STBL_T_TRUE, pages->n))
				return false;
			for (int i = 0; i < pages->n; i++)
				is_null[i] = stbl_cursor_u8(&p->cur) == STBL_T_TRUE;
			has_nulls = true;
		}
		else if (f.id == 2 || f.id == 3)
		{
			if (!parse_values(p, &f, pages->n, f.id == 2 ? min : max))
				return false;
		}
		else if (f.id == 5)
		{
			if (!page_list(p, &f, STBL_T_I64, pages->n))
				return false;
			for (int i = 0; i < pages->n; i++)
			{
				pages->stats[i].null_count = stbl_tr_int(&p->cur);
				pages->stats[i].has_null_count = pages->stats[i].null_count >= 0;
			}
		}
		else
			stbl_tr_skip(&p->cur, f.type, 0);
	}
	return !p->cur.failed && has_nulls && min->values != NULL && max->values != NULL;
}

bool
stbl_pq_parse_column_index(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
						   const uint8_t *data, size_t len, StblPqPages *pages, StblError *err)
{
	Parse		p;
	Bounds		min = {NULL, NULL};
	Bounds		max = {NULL, NULL};
	uint8_t    *is_null;
	bool		ok;

	begin(&p, mem, meta, row_group, leaf, data, len, err);

	/* an element of each list takes a byte at least */
	if (pages->n < 1 || len < (size_t) pages->n)
		return malformed(&p, &p.chunk->column_index);
	pages->stats = stbl_alloc0(mem, (size_t) pages->n * sizeof(StblPqStats));
	is_null = stbl_alloc0(mem, (size_t) pages->n);
	ok = parse_lists(&p, pages, is_null, &min, &max);
	for (int i = 0; ok && i < pages->n; i++)
	{
		StblPqStats *s = &pages->stats[i];

		if (is_null[i])
		{
			/* where the two contradict each other nothing is known */
			if (!s->has_null_count)
				s->null_count = pages->places[i].n_rows;
			s->has_null_count = s->null_count == pages->places[i].n_rows;
			continue;
		}
		s->min_len = min.lengths[i];
		s->max_len = max.lengths[i];
		(void) stbl_pq_take_bounds(mem, meta, leaf, min.values[i], max.values[i], s);
	}
	stbl_free(mem, is_null);
	stbl_free(mem, min.values);
	stbl_free(mem, min.lengths);
	stbl_free(mem, max.values);
	stbl_free(mem, max.lengths);
	if (ok)
		return true;
	stbl_free(mem, pages->stats);
	pages->stats = NULL;
	return malformed(&p, &p.chunk->column_index);
}
