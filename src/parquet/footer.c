/*
 * The footer, parsed: FileMetaData of parquet.thrift, then its length and the
 * magic.  Nothing of it is believed: offsets and lengths must lie between the
 * leading magic and the footer, counts must agree with each other, and memory
 * is taken only as the bytes bear it out.
 */
#include <math.h>
#include <string.h>

#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

#define MAX_GROUP_ROWS (INT64_C(1) << 31)

typedef struct Parse
{
	StblMem    *mem;
	StblPqMeta *meta;
	uint64_t	data_end;		/* where the footer begins in the file */
	StblError  *err;
} Parse;

bool
stbl_pq_footer_length(const uint8_t *last8, uint64_t file_size, uint64_t *footer_len, StblError *err)
{
	uint32_t	len;

	memcpy(&len, last8, 4);
	if (memcmp(last8 + 4, "PARE", 4) == 0)
		return stbl_fail(err, STBL_ERR_UNSUPPORTED, "Parquet file is encrypted");
	if (memcmp(last8 + 4, "PAR1", 4) != 0)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet file does not end in its magic");
	*footer_len = (uint64_t) len + 8;
	if (file_size < *footer_len + 4)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet footer of %llu bytes does not fit a file of %llu bytes",
						 (unsigned long long) *footer_len, (unsigned long long) file_size);
	return true;
}

static int64_t
long_field(StblCursor *cur, const StblThriftField *f)
{
	if (f->type != STBL_T_I64 && f->type != STBL_T_I32 && f->type != STBL_T_I16)
	{
		cur->failed = true;
		return 0;
	}
	return stbl_tr_int(cur);
}

static size_t
bound_width(const StblPqNode *leaf)
{
	switch (leaf->type)
	{
		case STBL_PQ_BOOLEAN:
			return 1;
		case STBL_PQ_INT32:
		case STBL_PQ_FLOAT:
			return 4;
		case STBL_PQ_INT64:
		case STBL_PQ_DOUBLE:
			return 8;
		case STBL_PQ_FIXED:
			return (size_t) leaf->type_length;
		default:
			return 0;
	}
}

static bool
is_nan(const StblPqNode *leaf, const uint8_t *bound)
{
	float		f;
	double		d;

	if (leaf->type == STBL_PQ_FLOAT)
	{
		memcpy(&f, bound, 4);
		return isnan(f);
	}
	if (leaf->type == STBL_PQ_DOUBLE)
	{
		memcpy(&d, bound, 8);
		return isnan(d);
	}
	return false;
}

/* Whether bounds of this leaf, as stored, order as its values do for us. */
static bool
is_ordered(const StblPqNode *leaf)
{
	if (leaf->type == STBL_PQ_INT96 || leaf->logical == STBL_PQL_OTHER)
		return false;
	return !(leaf->logical == STBL_PQL_INT && !leaf->is_signed);
}

bool
stbl_pq_take_bounds(StblMem *mem, const StblPqMeta *meta, int leaf, const uint8_t *min, const uint8_t *max, StblPqStats *s)
{
	const StblPqNode *node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	size_t		width = bound_width(node);

	if (meta->is_ordered == NULL || !meta->is_ordered[leaf] || !is_ordered(node))
		return false;
	if (width > 0 && (s->min_len != width || s->max_len != width || is_nan(node, min) || is_nan(node, max)))
		return false;
	s->has_min_max = true;
	s->min = (uint8_t *) stbl_strndup(mem, (const char *) min, s->min_len);
	s->max = (uint8_t *) stbl_strndup(mem, (const char *) max, s->max_len);
	return true;
}

static void
parse_stats(Parse *p, StblCursor *cur, int leaf, StblPqStats *s)
{
	const StblPqNode *node = &p->meta->schema.nodes[p->meta->schema.leaf_nodes[leaf]];
	const uint8_t *min = NULL,
			   *max = NULL;
	int			last = 0;
	StblThriftField f;

	memset(s, 0, sizeof(*s));
	s->min_exact = s->max_exact = node->type != STBL_PQ_BYTE_ARRAY;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 3)
		{
			s->null_count = long_field(cur, &f);
			s->has_null_count = s->null_count >= 0;
		}
		else if (f.id == 5 && f.type == STBL_T_BINARY)
			max = stbl_tr_binary(cur, &s->max_len);
		else if (f.id == 6 && f.type == STBL_T_BINARY)
			min = stbl_tr_binary(cur, &s->min_len);
		else if (f.id == 7 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			s->max_exact = f.type == STBL_T_TRUE;
		else if (f.id == 8 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			s->min_exact = f.type == STBL_T_TRUE;
		else
			stbl_tr_skip(cur, f.type, 2);
	}
	if (!cur->failed && min != NULL && max != NULL)
		(void) stbl_pq_take_bounds(p->mem, p->meta, leaf, min, max, s);
}

/* ColumnMetaData */
static bool
parse_column(Parse *p, StblCursor *cur, int leaf, StblPqChunk *chunk)
{
	const StblPqNode *node = &p->meta->schema.nodes[p->meta->schema.leaf_nodes[leaf]];
	int64_t		type = -1,
				codec = -1,
				length = -1,
				data_offset = -1,
				dict_offset = -1;
	int			last = 0;
	StblThriftField f;

	chunk->n_values = -1;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			type = long_field(cur, &f);
		else if (f.id == 4)
			codec = long_field(cur, &f);
		else if (f.id == 5)
			chunk->n_values = long_field(cur, &f);
		else if (f.id == 7)
			length = long_field(cur, &f);
		else if (f.id == 9)
			data_offset = long_field(cur, &f);
		else if (f.id == 11)
			dict_offset = long_field(cur, &f);
		else if (f.id == 12 && f.type == STBL_T_STRUCT)
			parse_stats(p, cur, leaf, &chunk->stats);
		else
			stbl_tr_skip(cur, f.type, 2);
	}
	if (cur->failed)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet metadata of column \"%s\" is malformed at byte %zu of the footer",
						 node->name, stbl_cursor_offset(cur));
	if (type != (int64_t) node->type)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has type %lld in its chunk and %d in the schema", node->name,
						 (long long) type, (int) node->type);

	/* 0 has no meaning as an offset; some writers write it for "no dictionary" */
	if (dict_offset > 0 && dict_offset < data_offset)
		data_offset = dict_offset;

	/* a chunk of no values is never read, and some writers give it no place */
	if (chunk->n_values == 0)
	{
		data_offset = 4;
		length = 0;
	}
	if (codec < 0 || codec > INT32_MAX || length < 0 || chunk->n_values < 0 || data_offset < 4 ||
		(uint64_t) data_offset > p->data_end || (uint64_t) length > p->data_end - (uint64_t) data_offset)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has %lld values in %lld bytes at offset %lld, outside of its file",
						 node->name, (long long) chunk->n_values, (long long) length, (long long) data_offset);
	chunk->codec = (StblPqCodec) codec;
	chunk->offset = (uint64_t) data_offset;
	chunk->length = (uint64_t) length;
	return true;
}

/* Where a part of the page index lies; what cannot be one is none, for it is never needed. */
static void
take_extent(const Parse *p, int64_t offset, int64_t length, StblPqExtent *out)
{
	if (offset < 4 || length <= 0 || length > STBL_PQ_MAX_INDEX_BYTES || (uint64_t) offset > p->data_end ||
		(uint64_t) length > p->data_end - (uint64_t) offset)
		return;
	out->offset = (uint64_t) offset;
	out->length = (uint64_t) length;
}

/* ColumnChunk */
static bool
parse_chunk(Parse *p, StblCursor *cur, int leaf, StblPqChunk *chunk)
{
	int64_t		index[4] = {0, 0, 0, 0};	/* offset index: offset, length; column index: likewise */
	const StblPqNode *node = &p->meta->schema.nodes[p->meta->schema.leaf_nodes[leaf]];
	int			last = 0;
	bool		has_meta = false;
	StblThriftField f;

	memset(chunk, 0, sizeof(*chunk));
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			return stbl_fail(p->err, STBL_ERR_UNSUPPORTED, "Parquet column \"%s\" is stored in another file", node->name);
		if (f.id == 8 || f.id == 9)
			return stbl_fail(p->err, STBL_ERR_UNSUPPORTED, "Parquet column \"%s\" is encrypted", node->name);
		if (f.id == 3 && f.type == STBL_T_STRUCT && !has_meta)
		{
			if (!parse_column(p, cur, leaf, chunk))
				return false;
			has_meta = true;
		}
		else if (f.id >= 4 && f.id <= 7)
			index[f.id - 4] = long_field(cur, &f);
		else
			stbl_tr_skip(cur, f.type, 1);
	}
	if (cur->failed || !has_meta)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet metadata of column \"%s\" is malformed at byte %zu of the footer",
						 node->name, stbl_cursor_offset(cur));
	take_extent(p, index[0], index[1], &chunk->offset_index);
	take_extent(p, index[2], index[3], &chunk->column_index);
	return true;
}

static bool
parse_row_group(Parse *p, StblCursor *cur, int index, StblPqRowGroup *g)
{
	const StblPqSchema *schema = &p->meta->schema;
	int			last = 0;
	bool		has_chunks = false;
	StblThriftField f;

	memset(g, 0, sizeof(*g));
	g->n_rows = -1;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1 && f.type == STBL_T_LIST && !has_chunks)
		{
			StblThriftType elem;
			size_t		n;

			if (!stbl_tr_list(cur, &elem, &n) || n != (size_t) schema->n_leaves || (n > 0 && elem != STBL_T_STRUCT))
				return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet row group %d does not have the %d columns of the schema", index,
								 schema->n_leaves);
			g->chunks = stbl_alloc_array(p->mem, n + 1, sizeof(StblPqChunk));
			for (size_t i = 0; i < n; i++)
				if (!parse_chunk(p, cur, (int) i, &g->chunks[i]))
					return false;
			has_chunks = true;
		}
		else if (f.id == 3)
			g->n_rows = long_field(cur, &f);
		else
			stbl_tr_skip(cur, f.type, 0);
	}
	if (cur->failed || !has_chunks || g->n_rows < 0)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet row group %d is malformed", index);
	if (g->n_rows > MAX_GROUP_ROWS)
		return stbl_fail(p->err, STBL_ERR_LIMIT, "Parquet row group %d has %lld rows, more than %lld", index, (long long) g->n_rows,
						 (long long) MAX_GROUP_ROWS);
	for (int i = 0; i < schema->n_leaves; i++)
	{
		const StblPqNode *node = &schema->nodes[schema->leaf_nodes[i]];
		int64_t		n = g->chunks[i].n_values;

		if (n < g->n_rows || (node->max_rep == 0 && n != g->n_rows) || n > MAX_GROUP_ROWS)
			return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has %lld values in a row group of %lld rows", node->name,
							 (long long) n, (long long) g->n_rows);
	}
	return true;
}

static bool
parse_row_groups(Parse *p, StblCursor *cur)
{
	StblPqMeta *meta = p->meta;
	StblThriftType elem;
	size_t		n;
	size_t		cap = 0;
	int64_t		rows = 0;

	if (!stbl_tr_list(cur, &elem, &n) || (n > 0 && elem != STBL_T_STRUCT) || n > INT32_MAX)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet list of row groups is malformed");
	for (size_t i = 0; i < n; i++)
	{
		StblPqRowGroup *g;

		if (i == cap)
		{
			cap = cap > 0 ? cap * 2 : 4;
			meta->row_groups = stbl_realloc(p->mem, meta->row_groups, cap * sizeof(StblPqRowGroup));
		}
		g = &meta->row_groups[i];
		if (!parse_row_group(p, cur, (int) i, g))
			return false;
		g->first_row = rows;
		rows += g->n_rows;		/* both are bounded by 2^31 a row group */
		meta->n_row_groups++;
	}
	if (rows != meta->n_rows)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet file has %lld rows in its footer and %lld in its row groups",
						 (long long) meta->n_rows, (long long) rows);
	return true;
}

/* ColumnOrder a leaf: field 1 is TYPE_ORDER. */
static void
parse_orders(Parse *p, StblCursor *cur)
{
	StblThriftType elem;
	size_t		n;

	if (!stbl_tr_list(cur, &elem, &n))
		return;
	if (n != (size_t) p->meta->schema.n_leaves || elem != STBL_T_STRUCT || p->meta->is_ordered != NULL)
	{
		cur->failed = true;
		return;
	}
	p->meta->is_ordered = stbl_alloc0(p->mem, n + 1);
	for (size_t i = 0; i < n; i++)
	{
		int			last = 0;
		StblThriftField f;

		while (stbl_tr_field(cur, &last, &f))
		{
			p->meta->is_ordered[i] = f.id == 1;
			stbl_tr_skip(cur, f.type, 1);
		}
	}
}

/* Row groups come before the orders that say what their bounds mean, so they are passed over at first. */
static bool
parse_file(Parse *p, StblCursor *cur)
{
	StblPqMeta *meta = p->meta;
	StblCursor	groups;
	bool		has_groups = false;
	int			last = 0;
	StblThriftField f;

	meta->n_rows = -1;
	groups = *cur;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 2 && f.type == STBL_T_LIST && meta->schema.n_nodes == 0)
		{
			if (!stbl_pq_parse_schema(p->mem, cur, &meta->schema, p->err))
				return false;
		}
		else if (f.id == 3)
			meta->n_rows = long_field(cur, &f);
		else if (f.id == 4 && f.type == STBL_T_LIST)
		{
			groups = *cur;
			has_groups = true;
			stbl_tr_skip(cur, f.type, 0);
		}
		else if (f.id == 6 && f.type == STBL_T_BINARY && meta->created_by == NULL)
		{
			size_t		len;
			const uint8_t *by = stbl_tr_binary(cur, &len);

			if (!cur->failed)
				meta->created_by = stbl_strndup(p->mem, (const char *) by, len);
		}
		else if (f.id == 7 && f.type == STBL_T_LIST && meta->schema.n_nodes > 0)
			parse_orders(p, cur);
		else if (f.id == 8)
			return stbl_fail(p->err, STBL_ERR_UNSUPPORTED, "Parquet file is encrypted");
		else
			stbl_tr_skip(cur, f.type, 0);
	}
	if (cur->failed)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet footer is malformed at byte %zu", stbl_cursor_offset(cur));
	if (meta->schema.n_nodes == 0 || !has_groups || meta->n_rows < 0)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "Parquet footer lacks its schema, row groups or count of rows");
	return parse_row_groups(p, &groups);
}

StblPqMeta *
stbl_pq_parse_footer(StblMem *mem, const uint8_t *footer, size_t footer_len, uint64_t file_size, StblError *err)
{
	Parse		p;
	StblCursor	cur;
	uint64_t	declared;

	if (footer_len < 8)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "Parquet footer of %zu bytes is too short", footer_len);
		return NULL;
	}
	if (!stbl_pq_footer_length(footer + footer_len - 8, file_size, &declared, err))
		return NULL;
	if (declared != footer_len)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "Parquet footer is of %llu bytes instead of %zu", (unsigned long long) declared, footer_len);
		return NULL;
	}
	memset(&p, 0, sizeof(p));
	p.mem = mem;
	p.meta = stbl_alloc0(mem, sizeof(StblPqMeta));
	p.data_end = file_size - footer_len;
	p.err = err;
	stbl_cursor_init(&cur, footer, footer_len - 8);
	if (!parse_file(&p, &cur))
		return NULL;
	return p.meta;
}
