/*
 * Files, written.  A chunk is a dictionary page, if one pays, then data pages
 * of version 1 cut at row boundaries, encoded and compressed as choose.c
 * says; each page has a header in Thrift with a CRC-32 of the bytes that
 * follow it.  Pages of all columns end at the same rows, and at others only
 * where values are large, so that a reader who needs some rows needs the same
 * few pages of each column.  Buffers are the writer's and serve chunk after
 * chunk: nothing is allocated per value.
 */
#include <string.h>

#include "common/codec.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

#define DEFAULT_PAGE_BYTES ((size_t) 1024 * 1024)
#define MAX_TARGET_BYTES ((size_t) STBL_PQ_MAX_PAGE_BYTES / 2)
#define MAX_PAGE_LEVELS ((size_t) 1 << 24)
#define DEFAULT_PAGE_ROWS 16384

/* Beside one value a page has a few bytes of lengths and levels. */
#define PAGE_SPARE 128
#define MAX_VALUE_BYTES ((size_t) STBL_PQ_MAX_PAGE_BYTES - PAGE_SPARE)

struct StblPqWriter
{
	StblMem    *mem;
	const StblPqSchema *schema;
	StblPqWriterOptions options;
	uint64_t	offset;
	int64_t		n_rows;
	int			n_groups;
	int			groups_cap;
	StblPqOutGroup *groups;
	StblPqStats *stats;			/* one a leaf, of the whole file */
	bool	   *has_values;		/* one a leaf: stats cover at least one value */
	StblVec    *dense;			/* one a leaf, made at first need */
	bool	   *has_dense;
	StblBuf		levels;
	StblBuf		page;
	StblPqCompressor compressor;
	StblPqDict	dict;
};

StblPqWriter *
stbl_pq_writer_new(StblMem *mem, const StblPqSchema *schema, const StblPqWriterOptions *options)
{
	StblPqWriter *w = stbl_alloc0(mem, sizeof(StblPqWriter));
	size_t		n = (size_t) schema->n_leaves + 1;

	w->mem = mem;
	w->schema = schema;
	w->options = *options;
	if (w->options.page_bytes == 0)
		w->options.page_bytes = DEFAULT_PAGE_BYTES;
	if (w->options.page_bytes > MAX_TARGET_BYTES)
		w->options.page_bytes = MAX_TARGET_BYTES;
	if (w->options.page_rows == 0)
		w->options.page_rows = options->plain ? SIZE_MAX : DEFAULT_PAGE_ROWS;
	if (options->created_by != NULL)
		w->options.created_by = stbl_strdup(mem, options->created_by);
	w->stats = stbl_alloc0(mem, n * sizeof(StblPqStats));
	w->has_values = stbl_alloc0(mem, n * sizeof(bool));
	w->dense = stbl_alloc0(mem, n * sizeof(StblVec));
	w->has_dense = stbl_alloc0(mem, n * sizeof(bool));
	for (int i = 0; i < schema->n_leaves; i++)
	{
		w->stats[i].has_null_count = true;
		w->stats[i].min_exact = w->stats[i].max_exact = true;
	}
	stbl_buf_init(&w->levels, mem);
	stbl_buf_init(&w->page, mem);
	stbl_pq_compressor_init(&w->compressor, mem, options->codec, options->level);
	w->dict.mem = mem;
	return w;
}

/* Appends w->page, header first.  For a dictionary page n_values counts its entries. */
static bool
put_page(StblPqWriter *w, bool is_dict, size_t n_values, int encoding, StblBuf *out, StblPqOutChunk *chunk, StblError *err)
{
	const StblBuf *stored = &w->page;
	int			last = 0,
				inner = 0;
	size_t		start = out->len;
	size_t		header;

	/* compressed it may be larger, but by far less than would pass INT32_MAX */
	if (w->page.len > STBL_PQ_MAX_PAGE_BYTES)
		return stbl_fail(err, STBL_ERR_LIMIT, "a Parquet page of %zu bytes is too large", w->page.len);
	if (chunk->codec == STBL_PQ_ZSTD)
	{
		if (!stbl_pq_compress(&w->compressor, w->page.data, w->page.len, err))
			return false;
		stored = &w->compressor.out;
	}
	stbl_tw_i32(out, &last, 1, is_dict ? STBL_PQ_PAGE_DICTIONARY : STBL_PQ_PAGE_DATA);
	stbl_tw_i32(out, &last, 2, (int32_t) w->page.len);
	stbl_tw_i32(out, &last, 3, (int32_t) stored->len);
	stbl_tw_i32(out, &last, 4, (int32_t) stbl_crc32(0, stored->data, stored->len));
	stbl_tw_field(out, &last, is_dict ? 7 : 5, STBL_T_STRUCT);
	stbl_tw_i32(out, &inner, 1, (int32_t) n_values);
	stbl_tw_i32(out, &inner, 2, encoding);
	if (!is_dict)
	{
		stbl_tw_i32(out, &inner, 3, STBL_PQ_ENC_RLE);
		stbl_tw_i32(out, &inner, 4, STBL_PQ_ENC_RLE);
	}
	stbl_tw_stop(out);
	stbl_tw_stop(out);
	header = out->len - start;
	stbl_buf_append(out, stored->data, stored->len);
	chunk->compressed += header + stored->len;
	chunk->uncompressed += header + w->page.len;
	return true;
}

/* How far a page, or what was written of a chunk, reaches. */
typedef struct Extent
{
	size_t		level;
	size_t		value;
	size_t		row;
} Extent;

/* Where the page that begins at *from ends; bits: of a value, 0: variable. */
static Extent
cut_page(const StblPqWriter *w, const StblPqLeafData *data, int max_def, size_t bits, const Extent *from)
{
	size_t		target = w->options.page_bytes * 8;
	size_t		rows_left = w->options.page_rows - from->row % w->options.page_rows;
	size_t		level = from->level,
				value = from->value;
	size_t		end = level,
				n = value,
				rows = 0;

	if (data->rep == NULL && bits > 0)
	{
		size_t		step = target / bits;

		if (step == 0)
			step = 1;
		if (step > MAX_PAGE_LEVELS)
			step = MAX_PAGE_LEVELS;
		if (step > rows_left)
			step = rows_left;
		end = data->n_levels - level < step ? data->n_levels : level + step;
		if (data->def == NULL)
			n = value + (end - level);
		else
			for (size_t i = level; i < end; i++)
				n += data->def[i] == max_def;
		rows = end - level;
	}
	else
	{
		size_t		filled = 0;
		size_t		row = level,
					row_n = value;	/* where the row at hand began */

		for (; end < data->n_levels; end++)
		{
			if (data->rep == NULL || data->rep[end] == 0)
			{
				if (end > level && (filled >= target || end - level >= MAX_PAGE_LEVELS || rows >= rows_left))
					break;
				row = end;
				row_n = n;
				rows++;
			}
			if (data->def == NULL || data->def[end] == max_def)
			{
				filled += bits > 0 ? bits : (data->values.offsets[n + 1] - data->values.offsets[n] + 4) * 8;
				n++;
			}

			/* A row that would make the page larger than is read begins the next one; a level takes two bytes at most. */
			if (filled / 8 + (end + 1 - level) * 2 + PAGE_SPARE / 2 > (size_t) STBL_PQ_MAX_PAGE_BYTES && row > level)
			{
				end = row;
				n = row_n;
				rows--;
				break;
			}
		}
	}
	return (Extent) {end, n, from->row + rows};
}

static void
encode_values(StblPqWriter *w, int encoding, const StblVec *values, size_t first, size_t n)
{
	switch (encoding)
	{
		case STBL_PQ_ENC_RLE_DICTIONARY:
			stbl_buf_u8(&w->page, (uint8_t) w->dict.width);
			stbl_pq_rle_encode_u32(&w->page, w->dict.codes + first, n, w->dict.width);
			break;
		case STBL_PQ_ENC_DELTA_BINARY_PACKED:
			stbl_pq_encode_deltas(&w->page, values, first, n);
			break;
		case STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY:
			stbl_pq_encode_delta_lengths(&w->page, values, first, n);
			break;
		default:
			stbl_pq_encode_plain(&w->page, values, first, n);
	}
}

/* Statistics of values [first, first + n), whole. */
static void
stats_of_values(StblPqWriter *w, const StblPqNode *node, const StblPqLeafData *data, bool use_dict, size_t first, size_t n,
				StblPqStats *stats)
{
	/* numbers are compared faster than their codes are looked at */
	if (use_dict && n > 0 && (data->values.kind == STBL_VEC_BYTES || data->values.kind == STBL_VEC_FIXED))
	{
		n = stbl_pq_dict_used(&w->dict, first, n);
		stbl_pq_stats_of(w->mem, node, &w->dict.entries, 0, w->dict.used, n, stats);
	}
	else
		stbl_pq_stats_of(w->mem, node, &data->values, first, NULL, n, stats);
}

/* Remembers a page for the index, and adds its statistics to the chunk's. */
static void
note_page(StblPqWriter *w, const StblPqNode *node, const StblPqLeafData *data, const Extent *from, const Extent *to,
		  uint64_t offset, uint64_t length, StblPqOutChunk *chunk)
{
	size_t		n = to->value - from->value;
	StblPqOutPage *page;

	if (chunk->n_pages == chunk->pages_cap)
	{
		chunk->pages_cap = chunk->pages_cap > 0 ? chunk->pages_cap * 2 : 1;
		chunk->pages = stbl_realloc(w->mem, chunk->pages, (size_t) chunk->pages_cap * sizeof(StblPqOutPage));
	}
	page = &chunk->pages[chunk->n_pages++];
	memset(page, 0, sizeof(*page));
	page->offset = offset;
	page->length = (uint32_t) length;
	page->first_row = (int64_t) from->row;
	page->all_null = n == 0;
	page->stats.null_count = (int64_t) (to->level - from->level - n);
	if (n == 0)
		return;
	stats_of_values(w, node, data, chunk->has_dict, from->value, n, &page->stats);
	stbl_pq_stats_merge(w->mem, node, &chunk->stats, &page->stats, from->value == 0);
	stbl_pq_stats_cut(w->mem, node, &page->stats);
}

/* base: offset in the file of out's byte 0 */
static bool
put_data_pages(StblPqWriter *w, const StblPqNode *node, const StblPqLeafData *data, uint64_t base, StblBuf *out,
			   StblPqOutChunk *chunk, StblError *err)
{
	bool		use_dict = chunk->has_dict;
	Extent		from = {0, 0, 0};
	size_t		bits = use_dict ? (size_t) w->dict.width : data->values.kind == STBL_VEC_BOOL ? 1 : (size_t) data->values.width * 8;

	while (from.level < data->n_levels)
	{
		Extent		to = cut_page(w, data, node->max_def, bits, &from);
		size_t		n = to.level - from.level;
		size_t		n_values = to.value - from.value;
		size_t		start = out->len;

		if (n > INT32_MAX ||
			(!use_dict && stbl_pq_plain_size(&data->values, from.value, n_values) > (uint64_t) STBL_PQ_MAX_PAGE_BYTES))
			return stbl_fail(err, STBL_ERR_LIMIT, "a row of Parquet column \"%s\" is too large for a page", node->name);
		stbl_buf_reset(&w->page);
		if (data->rep != NULL)
			stbl_pq_encode_levels(&w->page, data->rep + from.level, n, node->max_rep);
		if (data->def != NULL)
			stbl_pq_encode_levels(&w->page, data->def + from.level, n, node->max_def);
		encode_values(w, chunk->encoding, &data->values, from.value, n_values);
		if (!put_page(w, false, n, chunk->encoding, out, chunk, err))
			return false;
		if (!w->options.plain)
			note_page(w, node, data, &from, &to, base + start, out->len - start, chunk);
		from = to;
	}
	return true;
}

static bool
check_leaf(const StblPqNode *node, size_t n_rows, const StblPqLeafData *data, StblError *err)
{
	size_t		n_values = data->n_levels,
				rows = data->n_levels;
	uint8_t		highest = 0;
	uint8_t		max_def = (uint8_t) node->max_def;
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(node, &width);

	if (node->type == STBL_PQ_INT96)
		return stbl_fail(err, STBL_ERR_UNSUPPORTED, "Parquet column \"%s\" cannot be written as INT96", node->name);
	if (kind != data->values.kind || (kind == STBL_VEC_FIXED && width != data->values.width))
		return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" is not of the type of its values", node->name);
	if ((node->max_def > 0) != (data->def != NULL) || (node->max_rep > 0) != (data->rep != NULL))
	{
		if (data->n_levels > 0)
			return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" lacks its levels", node->name);
		return n_rows == 0 || stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has no rows instead of %zu", node->name, n_rows);
	}
	if (data->def != NULL && (data->n_levels == 0 || data->def[0] != max_def ||
							  memcmp(data->def, data->def + 1, data->n_levels - 1) != 0))
	{
		n_values = 0;
		for (size_t i = 0; i < data->n_levels; i++)
		{
			n_values += data->def[i] == max_def;
			highest = data->def[i] > highest ? data->def[i] : highest;
		}
		if (highest > node->max_def)
			return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has a definition level above %d", node->name, node->max_def);
	}
	if (data->rep != NULL)
	{
		rows = 0;
		highest = data->n_levels > 0 && data->rep[0] != 0 ? 255 : 0;
		for (size_t i = 0; i < data->n_levels; i++)
		{
			rows += data->rep[i] == 0;
			highest = data->rep[i] > highest ? data->rep[i] : highest;
		}
		if (highest > node->max_rep)
			return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has a wrong repetition level", node->name);
	}
	if (rows != n_rows)
		return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has %zu rows instead of %zu", node->name, rows, n_rows);
	if (n_values != data->values.n)
		return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has %zu values for %zu levels that ask for one", node->name,
						 data->values.n, n_values);
	for (size_t i = 0; kind == STBL_VEC_BYTES && data->values.offsets[n_values] > MAX_VALUE_BYTES && i < n_values; i++)
		if (data->values.offsets[i + 1] - data->values.offsets[i] > MAX_VALUE_BYTES)
			return stbl_fail(err, STBL_ERR_LIMIT, "a value of Parquet column \"%s\" is longer than %zu bytes", node->name, MAX_VALUE_BYTES);
	return true;
}

/* Nothing is written that the reader's own limits would refuse. */
static bool
chunk_is_too_large(const StblPqLeafData *data)
{
	size_t		width = data->values.width > 0 ? data->values.width : sizeof(uint64_t);

	return data->n_levels > STBL_PQ_MAX_CHUNK_BYTES / width ||
		stbl_pq_plain_size(&data->values, 0, data->values.n) > STBL_PQ_MAX_CHUNK_BYTES;
}

/* base: offset in the file of out's byte 0 */
static bool
put_chunk(StblPqWriter *w, int leaf, size_t n_rows, const StblPqLeafData *data, uint64_t base, StblBuf *out,
		  StblPqOutChunk *chunk, StblError *err)
{
	const StblPqNode *node = &w->schema->nodes[w->schema->leaf_nodes[leaf]];
	StblPqChoice choice;
	bool		ok = true;

	if (!check_leaf(node, n_rows, data, err))
		return false;
	memset(chunk, 0, sizeof(*chunk));
	chunk->n_values = (int64_t) data->n_levels;
	chunk->has_dict = stbl_pq_dict_build(&w->dict, &data->values);
	choice = stbl_pq_choose(&w->compressor, &data->values, chunk->has_dict ? &w->dict : NULL, w->options.plain, &w->page);
	chunk->encoding = choice.encoding;
	chunk->codec = choice.codec;
	if (chunk->encoding != STBL_PQ_ENC_RLE_DICTIONARY)
		chunk->has_dict = false;
	if (chunk->has_dict)
	{
		chunk->dict_offset = base + out->len;
		stbl_buf_reset(&w->page);
		stbl_pq_encode_plain(&w->page, &w->dict.entries, 0, w->dict.entries.n);
		ok = put_page(w, true, w->dict.entries.n, STBL_PQ_ENC_PLAIN, out, chunk, err);
	}
	chunk->data_offset = base + out->len;
	ok = ok && put_data_pages(w, node, data, base, out, chunk, err);
	if (ok && ((uint64_t) data->n_levels > STBL_PQ_MAX_LEVELS(chunk->compressed) || chunk_is_too_large(data)))
		ok = stbl_fail(err, STBL_ERR_LIMIT, "a row group of %zu rows is too large for Parquet column \"%s\"", n_rows, node->name);
	if (ok)
	{
		if (w->options.plain)
			stats_of_values(w, node, data, chunk->has_dict, 0, data->values.n, &chunk->stats);
		stbl_pq_stats_cut(w->mem, node, &chunk->stats);
		chunk->stats.has_null_count = true;
		chunk->stats.null_count = (int64_t) (data->n_levels - data->values.n);
	}
	stbl_pq_dict_end(&w->dict);
	return ok;
}

/* ---- row groups ---- */

static StblPqOutGroup *
begin_group(StblPqWriter *w, size_t n_rows, StblBuf *out)
{
	StblPqOutGroup *g;

	if (w->n_groups == w->groups_cap)
	{
		w->groups_cap = w->groups_cap > 0 ? w->groups_cap * 2 : 8;
		w->groups = stbl_realloc(w->mem, w->groups, (size_t) w->groups_cap * sizeof(StblPqOutGroup));
	}
	if (w->offset == 0)
		stbl_buf_append(out, "PAR1", 4);
	g = &w->groups[w->n_groups];
	memset(g, 0, sizeof(*g));
	g->n_rows = (int64_t) n_rows;
	g->chunks = stbl_alloc0(w->mem, ((size_t) w->schema->n_leaves + 1) * sizeof(StblPqOutChunk));
	return g;
}

static void
forget_group(StblPqWriter *w, StblPqOutGroup *g, StblBuf *out, size_t start)
{
	out->len = start;
	out->data[start] = '\0';
	for (int i = 0; i < w->schema->n_leaves; i++)
	{
		StblPqOutChunk *c = &g->chunks[i];

		for (int j = 0; j < c->n_pages; j++)
		{
			stbl_free(w->mem, c->pages[j].stats.min);
			stbl_free(w->mem, c->pages[j].stats.max);
		}
		stbl_free(w->mem, c->pages);
		stbl_free(w->mem, c->stats.min);
		stbl_free(w->mem, c->stats.max);
	}
	stbl_free(w->mem, g->chunks);
}

static void
end_group(StblPqWriter *w, StblPqOutGroup *g, size_t written)
{
	g->offset = w->offset > 0 ? w->offset : 4;	/* behind the magic */
	for (int i = 0; i < w->schema->n_leaves; i++)
	{
		StblPqOutChunk *c = &g->chunks[i];
		const StblPqNode *node = &w->schema->nodes[w->schema->leaf_nodes[i]];
		bool		has_values = c->n_values > c->stats.null_count;

		g->compressed += c->compressed;
		g->uncompressed += c->uncompressed;
		if (has_values)
			stbl_pq_stats_merge(w->mem, node, &w->stats[i], &c->stats, !w->has_values[i]);
		else
			w->stats[i].null_count += c->stats.null_count;
		w->has_values[i] |= has_values;
	}
	w->offset += written;
	w->n_rows += g->n_rows;
	w->n_groups++;
}

bool
stbl_pq_write_leaves(StblPqWriter *w, size_t n_rows, const StblPqLeafData *leaves, StblBuf *out, StblError *err)
{
	size_t		start = out->len;
	StblPqOutGroup *g;

	if (n_rows == 0)
		return true;
	g = begin_group(w, n_rows, out);
	for (int i = 0; i < w->schema->n_leaves; i++)
	{
		/* out may have been drained: what it holds from start on follows w->offset */
		if (!put_chunk(w, i, n_rows, &leaves[i], w->offset - start, out, &g->chunks[i], err))
		{
			forget_group(w, g, out, start);
			return false;
		}
	}
	end_group(w, g, out->len - start);
	return true;
}

bool
stbl_pq_write_columns(StblPqWriter *w, size_t n_rows, const StblColVec *const *cols, StblBuf *out, StblError *err)
{
	size_t		start = out->len;
	StblPqOutGroup *g;
	int			field = -1;
	int			top = -1;

	if (n_rows == 0)
		return true;
	g = begin_group(w, n_rows, out);
	for (int i = 0; i < w->schema->n_leaves; i++)
	{
		int			node = w->schema->leaf_nodes[i];
		const StblPqNode *n = &w->schema->nodes[node];
		StblPqLeafData data;
		bool		ok;
		int			own_top = node;

		while (w->schema->nodes[own_top].parent > 0)
			own_top = w->schema->nodes[own_top].parent;
		if (own_top == top)
		{
			forget_group(w, g, out, start);
			return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has more than one leaf", w->schema->nodes[top].name);
		}
		top = own_top;
		field++;
		if (!w->has_dense[i])
		{
			uint32_t	width;
			StblVecKind kind = stbl_pq_vec_kind(n, &width);

			stbl_vec_init(&w->dense[i], w->mem, kind, width);
			w->has_dense[i] = true;
		}
		if (cols[field]->elem.kind != w->dense[i].kind || cols[field]->elem.width != w->dense[i].width)
			ok = stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" is not of the type of its values", n->name);
		else
			ok = stbl_pq_column_levels(w->schema, i, cols[field], n_rows, &data, &w->dense[i], &w->levels, err) &&
				put_chunk(w, i, n_rows, &data, w->offset - start, out, &g->chunks[i], err);
		if (!ok)
		{
			forget_group(w, g, out, start);
			return false;
		}
	}
	end_group(w, g, out->len - start);
	return true;
}

bool
stbl_pq_writer_finish(StblPqWriter *w, StblBuf *out, StblError *err)
{
	size_t		start = out->len;

	if (w->offset == 0)
		stbl_buf_append(out, "PAR1", 4);
	stbl_pq_write_index(out, w->offset - start, w->schema, w->groups, w->n_groups);
	stbl_pq_write_footer(out, w->schema, w->groups, w->n_groups, w->n_rows, w->options.created_by);
	if (out->len - start > UINT32_MAX)
		return stbl_fail(err, STBL_ERR_LIMIT, "the footer of a Parquet file is too large");
	w->offset += out->len - start;
	return true;
}

uint64_t
stbl_pq_writer_offset(const StblPqWriter *w)
{
	return w->offset;
}

int64_t
stbl_pq_writer_rows(const StblPqWriter *w)
{
	return w->n_rows;
}

const StblPqStats *
stbl_pq_writer_stats(const StblPqWriter *w, int leaf)
{
	return &w->stats[leaf];
}
