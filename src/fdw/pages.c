/* Pages that a scan needs; see pages.h. */
#include "postgres.h"

#include "common/pgmem.h"
#include "fdw/pages.h"

/* Chunks of fewer bytes are read in the time that it takes to ask for an index. */
#define MIN_BYTES ((uint64) 256 * 1024)

/* Rows that pass are looked at one by one only where they may lie in few of the pages. */
#define SPARSE 64

static StblPqChunk *
chunk_of(const StblGroupPages *gp, int column)
{
	return &gp->sf->meta->row_groups[gp->row_group].chunks[gp->leaves[column]];
}

/* A part of the index, if it is in memory or may be asked for. */
static const uint8 *
index_bytes(const StblGroupPages *gp, const StblPqExtent *extent, bool may_fetch)
{
	const uint8 *bytes;

	if (extent->length == 0)
		return NULL;
	bytes = stbl_superfile_peek(gp->sf, extent->offset, extent->length);
	if (bytes == NULL && may_fetch)
		bytes = stbl_superfile_bytes(gp->sf, extent->offset, extent->length);
	return bytes;
}

static void
meet_error(const StblGroupPages *gp, StblPqPages *pages, const StblError *err)
{
	if (gp->is_at_hand)
		stbl_superfile_throw(gp->sf, err);
	pages->n = 0;
}

/* Makes a column's pages known; false where they cannot be. */
static bool
find_pages(StblGroupPages *gp, int column, bool may_fetch)
{
	StblPqPages *pages = &gp->pages[column];
	const StblPqExtent *extent = &chunk_of(gp, column)->offset_index;
	const uint8 *bytes;
	StblError	err;

	if (pages->n > 0)
		return true;
	bytes = index_bytes(gp, extent, may_fetch);
	if (bytes != NULL && !stbl_pq_parse_offset_index(stbl_mem_in(CurrentMemoryContext), gp->sf->meta, gp->row_group, gp->leaves[column],
													 bytes, extent->length, pages, &err))
		meet_error(gp, pages, &err);
	return pages->n > 0;
}

/* The bounds of a column's pages, where it has any. */
static void
find_bounds(StblGroupPages *gp, int column, bool may_fetch)
{
	StblPqPages *pages = &gp->pages[column];
	const StblPqExtent *extent = &chunk_of(gp, column)->column_index;
	const uint8 *bytes = index_bytes(gp, extent, may_fetch);
	StblError	err;

	if (bytes != NULL && !stbl_pq_parse_column_index(stbl_mem_in(CurrentMemoryContext), gp->sf->meta, gp->row_group, gp->leaves[column],
													 bytes, extent->length, pages, &err))
		meet_error(gp, pages, &err);
}

/* ---- whether it pays ---- */

/* Parts of the index that lie in storage, asked for together; at most two a column. */
static void
ask_for_index(StblGroupPages *gp)
{
	StblSource *s = gp->s;
	StblRange  *ranges = palloc(sizeof(StblRange) * (s->n_columns * 2 + 1));
	int			n = 0;

	for (int i = 0; i < s->n_columns; i++)
	{
		const StblPqChunk *chunk;

		if (gp->leaves[i] < 0)
			continue;
		chunk = chunk_of(gp, i);
		ranges[n++] = (StblRange) {chunk->offset_index.offset, chunk->offset_index.length};
		if (s->columns[i].is_tested)
			ranges[n++] = (StblRange) {chunk->column_index.offset, chunk->column_index.length};
	}
	stbl_superfile_want(gp->sf, -1, ranges, n);
	pfree(ranges);
}

/*
 * Whether to ask storage for it: it takes a round trip.  Not where little
 * would be read anyway, or where that is on its way already; and no more
 * where it has been of no use.
 */
static bool
may_ask(const StblGroupPages *gp)
{
	StblSource *s = gp->s;
	uint64		bytes = 0;

	if (s->n_index_tries >= 4 && s->n_index_tries > s->n_index_uses * 8)
		return false;
	for (int i = 0; i < s->n_columns; i++)
	{
		const StblPqChunk *chunk;

		if (gp->leaves[i] < 0)
			continue;
		chunk = chunk_of(gp, i);
		if (s->columns[i].is_tested && stbl_superfile_is_wanted(gp->sf, chunk->offset, chunk->length))
			return false;
		bytes += chunk->length;
	}
	return bytes >= MIN_BYTES;
}

/* Whether the row group has an index that can say something of the filter. */
static bool
has_index(const StblGroupPages *gp, bool *is_here)
{
	StblSource *s = gp->s;
	bool		has_bounds = false;

	*is_here = true;
	for (int i = 0; i < s->n_columns; i++)
	{
		const StblPqChunk *chunk;

		if (gp->leaves[i] < 0)
			continue;
		chunk = chunk_of(gp, i);
		if (chunk->offset_index.length == 0)
			return false;
		if (stbl_superfile_peek(gp->sf, chunk->offset_index.offset, chunk->offset_index.length) == NULL)
			*is_here = false;
		if (!s->columns[i].is_tested || chunk->column_index.length == 0)
			continue;
		has_bounds = true;
		if (stbl_superfile_peek(gp->sf, chunk->column_index.offset, chunk->column_index.length) == NULL)
			*is_here = false;
	}
	return has_bounds;
}

/* ---- narrowing ---- */

typedef struct PageAt
{
	StblGroupPages *gp;
	int		   *page;			/* one a column: that of the rows looked at */
} PageAt;

static void
page_bounds(void *arg, AttrNumber attnum, StblBounds *bounds)
{
	PageAt	   *at = arg;
	StblGroupPages *gp = at->gp;

	for (int i = 0; i < gp->s->n_columns; i++)
	{
		const StblSourceColumn *c = &gp->s->columns[i];

		if (c->column->attnum != attnum)
			continue;
		if (gp->leaves[i] >= 0 && gp->pages[i].stats != NULL)
			stbl_bounds_of_page(gp->sf->meta, gp->leaves[i], &gp->pages[i], at->page[i], c->field, bounds);
		else
			stbl_bounds_of_chunk(gp->sf->meta, gp->row_group, gp->leaves[i], c->field, bounds);
		return;
	}
	elog(ERROR, "attribute %d is not read", attnum);
}

static void
add_stretch(StblGroupPages *gp, uint32 from, uint32 to)
{
	StblStretch *last = gp->n_stretches > 0 ? &gp->stretches[gp->n_stretches - 1] : NULL;

	if (last != NULL && last->to == from)
		last->to = to;
	else
		gp->stretches[gp->n_stretches++] = (StblStretch) {from, to};
}

/*
 * Goes through the rows in steps in which no tested column changes its page,
 * for pages of two columns need not end at the same rows.
 */
static void
find_stretches(StblGroupPages *gp)
{
	StblSource *s = gp->s;
	int64		n_rows = gp->sf->meta->row_groups[gp->row_group].n_rows;
	PageAt		at = {gp, palloc0(sizeof(int) * (s->n_columns + 1))};
	int			n_pages = 1;
	int64		next;

	for (int i = 0; i < s->n_columns; i++)
		n_pages += gp->pages[i].stats != NULL ? gp->pages[i].n : 0;
	gp->stretches = palloc(sizeof(StblStretch) * n_pages);
	for (int64 row = 0; row < n_rows; row = next)
	{
		next = n_rows;
		for (int i = 0; i < s->n_columns; i++)
		{
			const StblPqPages *pages = &gp->pages[i];
			int64		end;

			if (pages->stats == NULL)
				continue;
			while (pages->places[at.page[i]].first_row + pages->places[at.page[i]].n_rows <= row)
				at.page[i]++;
			end = pages->places[at.page[i]].first_row + pages->places[at.page[i]].n_rows;
			next = Min(next, end);
		}
		if (stbl_filter_may_pass(s->filter, page_bounds, &at))
			add_stretch(gp, (uint32) row, (uint32) next);
	}
	pfree(at.page);
	gp->is_narrowed = gp->n_stretches != 1 || gp->stretches[0].from > 0 || gp->stretches[0].to < n_rows;
}

void
stbl_pages_narrow(StblGroupPages *gp, StblSource *s, StblSuperfile *sf, int row_group, const int *leaves, bool is_at_hand)
{
	bool		is_here;

	memset(gp, 0, sizeof(*gp));
	gp->s = s;
	gp->sf = sf;
	gp->row_group = row_group;
	gp->is_at_hand = is_at_hand;
	gp->leaves = leaves;
	gp->pages = palloc0(sizeof(StblPqPages) * (s->n_columns + 1));
	if (s->filter == NULL || !has_index(gp, &is_here))
		return;
	if (!is_here)
	{
		if (!is_at_hand || !may_ask(gp))
			return;
		ask_for_index(gp);
	}
	for (int i = 0; i < s->n_columns; i++)
		if (s->columns[i].is_tested && leaves[i] >= 0 && find_pages(gp, i, !is_here))
			find_bounds(gp, i, !is_here);
	find_stretches(gp);
	if (is_at_hand)
	{
		s->n_index_tries++;
		s->n_index_uses += gp->is_narrowed;
	}
	for (int i = 0; gp->is_narrowed && i < s->n_columns; i++)
		if (leaves[i] >= 0 && !find_pages(gp, i, !is_here))
			gp->is_narrowed = false;
}

/* ---- pages ---- */

bool *
stbl_pages_of_stretches(StblGroupPages *gp, int column)
{
	const StblPqPages *pages = &gp->pages[column];
	bool	   *is_needed;
	int			page = 0;

	if (!gp->is_narrowed)
		return NULL;
	is_needed = palloc0(sizeof(bool) * pages->n);
	for (int i = 0; i < gp->n_stretches; i++)
	{
		const StblStretch *stretch = &gp->stretches[i];

		while (pages->places[page].first_row + pages->places[page].n_rows <= stretch->from)
			page++;
		for (int j = page; j < pages->n && pages->places[j].first_row < stretch->to; j++)
			is_needed[j] = true;
	}
	return is_needed;
}

bool *
stbl_pages_of_rows(StblGroupPages *gp, int column, uint32 first_row, const uint32 *rows, uint32 n)
{
	StblPqPages *pages = &gp->pages[column];
	int64		n_rows = gp->sf->meta->row_groups[gp->row_group].n_rows;
	bool	   *is_needed;
	int			page = 0;
	int			n_needed = 0;

	if (!gp->is_narrowed && (rows == NULL || (int64) n * SPARSE > n_rows || !find_pages(gp, column, false)))
		return NULL;
	if (rows == NULL || (int64) n * SPARSE > n_rows)
		return stbl_pages_of_stretches(gp, column);
	is_needed = palloc0(sizeof(bool) * pages->n);
	for (uint32 i = 0; i < n; i++)
	{
		while (pages->places[page].first_row + pages->places[page].n_rows <= (int64) first_row + rows[i])
			page++;
		n_needed += !is_needed[page];
		is_needed[page] = true;
	}
	if (gp->is_narrowed || n_needed < pages->n)
		return is_needed;
	pfree(is_needed);
	return NULL;
}
