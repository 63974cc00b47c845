/*
 * Chunks, read: [dictionary page] data page..., as a whole or in part.
 *
 * A part is what some of the pages hold of a stretch of rows: pages that are
 * not needed leave their rows empty, and of the first and the last one rows
 * outside of the stretch are cut off, for pages of two columns need not end
 * at the same rows.
 */
#include <string.h>

#include "parquet/parquet_int.h"

static bool
check_rows(const StblPqNode *node, const StblPqLeafData *out, int64_t n_rows, StblError *err)
{
	int64_t		rows = (int64_t) out->n_levels;

	if (node->max_rep > 0)
	{
		rows = 0;
		for (size_t i = 0; i < out->n_levels; i++)
			rows += out->rep[i] == 0;
	}
	if (rows != n_rows || (out->n_levels > 0 && node->max_rep > 0 && out->rep[0] != 0))
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has %lld rows in a row group of %lld", node->name, (long long) rows,
						 (long long) n_rows);
	return true;
}

/* ---- parts ---- */

/* Rows that nobody looks at: nulls, or zeros of a required column. */
static void
fill_rows(StblPqChunkReader *r, size_t n)
{
	StblPqLeafData *out = r->out;
	StblVec    *v = &out->values;

	stbl_pq_level_room(r, out->n_levels + n);

	/* for nulls too: codes are spread over all rows at last */
	if (r->want_codes)
		stbl_pq_code_room(r, out->n_levels + n);
	if (r->node->max_rep > 0)
		memset(out->rep + out->n_levels, 0, n);
	if (r->node->max_def > 0)
		memset(out->def + out->n_levels, 0, n);
	else if (r->want_codes)
	{
		memset(r->codes + r->n_codes, 0, n * sizeof(uint32_t));
		r->n_codes += n;
	}
	else
	{
		stbl_vec_reserve(v, v->n + n, 0);
		memset(v->valid + v->n, 1, n);
		if (v->kind != STBL_VEC_BYTES)
			memset(v->values + v->n * v->width, 0, n * v->width);
		else
			for (size_t i = 1; i <= n; i++)
				v->offsets[v->n + i] = v->offsets[v->n];
		v->n += n;
	}
	out->n_levels += n;
}

/* Removes levels [first, first + n) and their values, of which `before` stand before. */
static void
cut_levels(StblPqChunkReader *r, size_t first, size_t n, size_t before)
{
	StblPqLeafData *out = r->out;
	size_t		n_after = out->n_levels - first - n;
	size_t		n_values = n;

	if (n == 0)
		return;
	if (r->node->max_def > 0)
	{
		n_values = stbl_pq_count_equal(out->def + first, n, (uint8_t) r->node->max_def);
		memmove(out->def + first, out->def + first + n, n_after);
	}
	if (r->node->max_rep > 0)
		memmove(out->rep + first, out->rep + first + n, n_after);
	if (r->want_codes)
	{
		memmove(r->codes + before, r->codes + before + n_values, (r->n_codes - before - n_values) * sizeof(uint32_t));
		r->n_codes -= n_values;
	}
	else
		stbl_vec_cut(&out->values, before, n_values);
	out->n_levels -= n;
}

/* How many levels the first n rows take, from a level at which a row begins. */
static size_t
levels_of_rows(const StblPqChunkReader *r, size_t first, int64_t n)
{
	size_t		i = first;

	if (r->node->max_rep == 0)
		return (size_t) n;
	for (; i < r->out->n_levels; i++)
		if (r->out->rep[i] == 0 && n-- == 0)
			break;
	return i - first;
}

/* Decodes a page of a part, and keeps its rows [skip, skip + keep). */
static bool
read_page_rows(StblPqChunkReader *r, const StblPqPlace *place, const uint8_t *bytes, int64_t skip, int64_t keep)
{
	size_t		first = r->out->n_levels;
	size_t		before = r->want_codes ? r->n_codes : r->out->values.n;
	StblCursor	cur;
	int64_t		rows;
	size_t		n;

	stbl_cursor_init(&cur, bytes, (size_t) place->length);
	r->at = place->offset;
	if (!stbl_pq_read_page(r, &cur))
		return false;
	rows = (int64_t) (r->out->n_levels - first);
	if (r->node->max_rep > 0 && rows > 0)
	{
		rows = (int64_t) stbl_pq_count_equal(r->out->rep + first, r->out->n_levels - first, 0);
		if (r->out->rep[first] != 0)
			rows = -1;
	}
	if (rows != place->n_rows || stbl_cursor_left(&cur) > 0)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "the page of Parquet column \"%s\" at offset %llu does not hold the %lld rows that the page index says",
						 r->node->name, (unsigned long long) place->offset, (long long) place->n_rows);
	cut_levels(r, first, levels_of_rows(r, first, skip), before);
	n = levels_of_rows(r, first, keep);
	if (r->node->max_def > 0)
		before += stbl_pq_count_equal(r->out->def + first, n, (uint8_t) r->node->max_def);
	else
		before += n;
	cut_levels(r, first + n, r->out->n_levels - first - n, before);
	return true;
}

/* What lies before the first data page: a dictionary, or nothing. */
static bool
read_head(StblPqChunkReader *r, const StblPqPart *part)
{
	size_t		len = (size_t) (part->pages->places[0].offset - r->chunk->offset);
	StblCursor	cur;

	stbl_cursor_init(&cur, part->head, len);
	r->at = r->chunk->offset;
	while (stbl_cursor_left(&cur) > 0)
		if (!stbl_pq_read_page(r, &cur))
			return false;
	return r->out->n_levels == 0 ||
		stbl_fail(r->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has a data page that is not in the page index", r->node->name);
}

static bool
read_part(StblPqChunkReader *r, const StblPqPart *part)
{
	int64_t		end = part->first_row + part->n_rows;
	size_t		width = r->out->values.width > 0 ? r->out->values.width : sizeof(uint64_t);

	/* rows that are not read take memory, too */
	if ((uint64_t) part->n_rows > STBL_PQ_MAX_LEVELS(r->chunk->length) || (uint64_t) part->n_rows > STBL_PQ_MAX_CHUNK_BYTES / width)
		return stbl_fail(r->err, STBL_ERR_LIMIT, "a chunk of Parquet column \"%s\" has %lld rows in %llu bytes", r->node->name,
						 (long long) part->n_rows, (unsigned long long) r->chunk->length);
	if (!read_head(r, part))
		return false;
	for (int i = 0; i < part->pages->n; i++)
	{
		const StblPqPlace *place = &part->pages->places[i];
		int64_t		from = place->first_row > part->first_row ? place->first_row : part->first_row;
		int64_t		to = place->first_row + place->n_rows < end ? place->first_row + place->n_rows : end;

		if (from >= to)
			continue;
		if (part->bytes[i] == NULL)
			fill_rows(r, (size_t) (to - from));
		else if (!read_page_rows(r, place, part->bytes[i], from - place->first_row, to - from))
			return false;
	}
	return true;
}

/* ---- the chunk ---- */

/* Memory for all of it at once, as far as its bytes bear the count out: 128 bytes for one. */
static void
make_room(StblPqChunkReader *r, int64_t n_values)
{
	size_t		width = r->out->values.width > 0 ? r->out->values.width : sizeof(uint64_t);
	uint64_t	n = r->chunk->length * 128 / (width + 1);

	if (n > (uint64_t) n_values)
		n = (uint64_t) n_values;
	stbl_pq_level_room(r, (size_t) n);
	if (r->want_codes)
	{
		r->codes_cap = (size_t) n;
		r->codes = stbl_alloc_array(r->mem, (size_t) n + 1, sizeof(uint32_t));
	}
	else
		stbl_vec_reserve(&r->out->values, (size_t) n, 0);
}

static void
begin_chunk(StblPqChunkReader *r, StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, StblPqLeafData *out, StblError *err)
{
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	r->chunk = &meta->row_groups[row_group].chunks[leaf];
	r->out = out;
	r->err = err;
	out->n_levels = 0;
	out->def = NULL;
	out->rep = NULL;
}

static bool
read_whole(StblPqChunkReader *r, const uint8_t *data, size_t len)
{
	StblCursor	cur;

	if (len != r->chunk->length)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "chunk of Parquet column \"%s\" has %zu bytes instead of %llu", r->node->name, len,
						 (unsigned long long) r->chunk->length);
	stbl_cursor_init(&cur, data, len);
	r->at = r->chunk->offset;
	while ((int64_t) r->out->n_levels < r->chunk->n_values)
		if (!stbl_pq_read_page(r, &cur))
			return false;
	return true;
}

/* A part, or, where that is NULL, the whole.  On failure there are no levels left, and no codes. */
static bool
read_pages(StblPqChunkReader *r, const uint8_t *data, size_t len, const StblPqPart *part, int64_t n_rows)
{
	StblPqLeafData *out = r->out;
	bool		ok;

	stbl_buf_init(&r->page, r->mem);
	make_room(r, part ? part->n_rows : r->chunk->n_values);
	ok = part ? read_part(r, part) : read_whole(r, data, len);
	ok = ok && check_rows(r->node, out, part ? part->n_rows : n_rows, r->err);
	stbl_buf_free(&r->page);
	if (!ok)
	{
		stbl_free(r->mem, out->def);
		stbl_free(r->mem, out->rep);
		stbl_free(r->mem, r->codes);
		out->def = out->rep = NULL;
		out->n_levels = 0;
		if (r->has_dict)
			stbl_vec_free(&r->dict);
	}
	return ok;
}

/* On failure out has no levels, and values that are the caller's to free or to reset. */
bool
stbl_pq_decode_chunk(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, const uint8_t *data, size_t len,
					 const StblPqPart *part, StblPqLeafData *out, StblError *err)
{
	StblPqChunkReader r;

	begin_chunk(&r, mem, meta, row_group, leaf, out, err);
	if (!read_pages(&r, data, len, part, meta->row_groups[row_group].n_rows))
		return false;
	if (r.has_dict)
		stbl_vec_free(&r.dict);
	return true;
}

/* ---- codes ---- */

/* Passes over a page; false on malformed input. */
static bool
next_page(StblCursor *cur, StblPqPage *h)
{
	if (!stbl_pq_parse_page(cur, h) || (uint64_t) h->stored > stbl_cursor_left(cur))
		return false;
	(void) stbl_cursor_bytes(cur, (size_t) h->stored);
	return true;
}

static bool
is_data(const StblPqPage *h)
{
	return h->type == STBL_PQ_PAGE_DATA || h->type == STBL_PQ_PAGE_DATA_V2;
}

int
stbl_pq_count_pages(const uint8_t *data, size_t len)
{
	StblCursor	cur;
	StblPqPage	h;
	int			n = 0;

	stbl_cursor_init(&cur, data, len);
	while (stbl_cursor_left(&cur) > 0 && next_page(&cur, &h))
		n += is_data(&h);
	return n;
}

/* Whether all data pages are codes of a dictionary; looks at headers alone. */
static bool
is_coded(const StblPqChunkReader *r, const uint8_t *data, size_t len)
{
	StblCursor	cur;
	int64_t		n = 0;
	bool		has_dict = false;

	stbl_cursor_init(&cur, data, len);
	while (n < r->chunk->n_values)
	{
		StblPqPage	h;

		if (!next_page(&cur, &h))
			return false;
		if (h.type == STBL_PQ_PAGE_DICTIONARY)
			has_dict = true;
		else if (is_data(&h))
		{
			if (!has_dict || h.n_values < 0 || !stbl_pq_is_dictionary(h.encoding))
				return false;
			n += h.n_values;
		}
	}
	return has_dict;
}

static bool
part_is_coded(const StblPqChunkReader *r, const StblPqPart *part)
{
	const StblPqPages *pages = part->pages;
	StblCursor	cur;
	StblPqPage	h;
	bool		has_dict = false;

	stbl_cursor_init(&cur, part->head, (size_t) (pages->places[0].offset - r->chunk->offset));
	while (!has_dict && stbl_cursor_left(&cur) > 0 && next_page(&cur, &h))
		has_dict = h.type == STBL_PQ_PAGE_DICTIONARY;
	for (int i = 0; has_dict && i < pages->n; i++)
	{
		if (part->bytes[i] == NULL)
			continue;
		stbl_cursor_init(&cur, part->bytes[i], (size_t) pages->places[i].length);
		if (!next_page(&cur, &h) || !is_data(&h) || !stbl_pq_is_dictionary(h.encoding))
			return false;
	}
	return has_dict;
}

/* Codes of the values, spread over the rows (as values are in assemble.c): a null has the code after the last. */
static void
spread_codes(StblPqChunkReader *r, StblPqCoded *out)
{
	const uint8_t *valid = r->out->def;
	uint32_t   *codes = r->codes;
	uint32_t	null_code = (uint32_t) r->dict.n;
	size_t		n = r->n_codes;
	size_t		i = out->n_rows;

	for (; n > 0 && n < i; i--)
	{
		uint32_t	keep = -(uint32_t) valid[i - 1];

		codes[i - 1] = (codes[n - 1] & keep) | (null_code & ~keep);
		n -= valid[i - 1];
	}
	for (; n < i; i--)
		codes[i - 1] = null_code;
}

static bool
read_codes(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, const uint8_t *data, size_t len,
		   const StblPqPart *part, StblPqCoded *out, bool *coded, StblError *err)
{
	StblPqChunkReader r;
	StblPqLeafData levels;

	memset(out, 0, sizeof(*out));
	memset(&levels, 0, sizeof(levels));
	begin_chunk(&r, mem, meta, row_group, leaf, &levels, err);
	*coded = r.node->parent == 0 && r.node->max_rep == 0 && (part ? part_is_coded(&r, part) : is_coded(&r, data, len));
	if (!*coded)
		return true;
	r.want_codes = true;
	if (!read_pages(&r, data, len, part, meta->row_groups[row_group].n_rows))
		return false;
	out->n_rows = levels.n_levels;
	out->n_null = out->n_rows - r.n_codes;
	out->dict = r.dict;
	out->codes = r.codes;
	if (out->n_null > 0)
	{
		out->valid = levels.def;
		spread_codes(&r, out);
	}
	else
		stbl_free(mem, levels.def);
	return true;
}

bool
stbl_pq_read_coded(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
				   const uint8_t *data, size_t len, StblPqCoded *out, bool *coded, StblError *err)
{
	return read_codes(mem, meta, row_group, leaf, data, len, NULL, out, coded, err);
}

bool
stbl_pq_read_coded_part(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
						const StblPqPart *part, StblPqCoded *out, bool *coded, StblError *err)
{
	return read_codes(mem, meta, row_group, leaf, NULL, 0, part, out, coded, err);
}

void
stbl_pq_coded_free(StblMem *mem, StblPqCoded *coded)
{
	if (coded->dict.mem != NULL)
		stbl_vec_free(&coded->dict);
	stbl_free(mem, coded->codes);
	stbl_free(mem, coded->valid);
	memset(coded, 0, sizeof(*coded));
}

bool
stbl_pq_read_leaf(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
				  const uint8_t *data, size_t len, StblPqLeafData *out, StblError *err)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(&meta->schema.nodes[meta->schema.leaf_nodes[leaf]], &width);

	memset(out, 0, sizeof(*out));
	stbl_vec_init(&out->values, mem, kind, width);
	if (stbl_pq_decode_chunk(mem, meta, row_group, leaf, data, len, NULL, out, err))
		return true;
	stbl_vec_free(&out->values);
	return false;
}
