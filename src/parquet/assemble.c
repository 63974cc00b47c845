/*
 * Table columns to levels and back.
 *
 * A list column is a chain of a group, a repeated node R and a leaf (R may be
 * the leaf itself in two-level lists, and may stand alone).  With D the
 * definition level of R and M that of the leaf, a level means: below D - 1 a
 * null list, D - 1 an empty one, D to M - 1 a null element, M a value.
 */
#include <string.h>

#include "parquet/parquet_int.h"

/* The repeated node of a list column, 0 for a plain one, -1 for what is neither. */
static int
repeated_node(const StblPqSchema *schema, int node)
{
	const StblPqNode *nodes = schema->nodes;
	int			at = node;

	if (nodes[node].max_rep == 0)
		return nodes[node].parent == 0 ? 0 : -1;
	if (nodes[node].max_rep > 1)
		return -1;
	if (nodes[at].repetition != STBL_PQ_REPEATED)
		at = nodes[at].parent;
	if (at <= 0 || nodes[at].repetition != STBL_PQ_REPEATED)
		return -1;
	if (nodes[at].parent == 0)
		return at;
	return nodes[nodes[at].parent].parent == 0 ? at : -1;
}

/* Packs the present values of a column, all others left out. */
static void
make_dense(StblVec *dense, const StblVec *v)
{
	size_t		n = 0;

	stbl_vec_reset(dense);
	stbl_vec_reserve(dense, v->n, 0);
	if (v->kind == STBL_VEC_BYTES)
	{
		/* nulls hold no bytes, so these are dense as they are: they are lent */
		for (size_t i = 0; i < v->n; i++)
		{
			dense->offsets[n + 1] = v->offsets[i + 1];
			n += v->valid[i];
		}
	}
	else
	{
		switch (v->width)
		{
			case 1:
				for (size_t i = 0; i < v->n; i++)
				{
					dense->values[n] = v->values[i];
					n += v->valid[i];
				}
				break;
			case 4:
				for (size_t i = 0; i < v->n; i++)
				{
					memcpy(dense->values + n * 4, v->values + i * 4, 4);
					n += v->valid[i];
				}
				break;
			case 8:
				for (size_t i = 0; i < v->n; i++)
				{
					memcpy(dense->values + n * 8, v->values + i * 8, 8);
					n += v->valid[i];
				}
				break;
			default:
				for (size_t i = 0; i < v->n; i++)
				{
					memcpy(dense->values + n * v->width, v->values + i * v->width, v->width);
					n += v->valid[i];
				}
		}
	}
	dense->n = n;
}

static bool
list_levels(const StblPqSchema *schema, const StblPqNode *leaf, int repeated, const StblColVec *col,
			StblPqLeafData *data, StblBuf *levels, StblError *err)
{
	int			d = schema->nodes[repeated].max_def;
	int			m = leaf->max_def;
	bool		list_may_be_null = d >= 2;
	size_t		n = 0;
	size_t		size = 2 * (col->n_rows + (size_t) col->row_offsets[col->n_rows]);
	uint8_t    *def,
			   *rep;

	stbl_buf_reset(levels);
	def = stbl_buf_reserve(levels, size);
	rep = def + size / 2;
	for (size_t row = 0; row < col->n_rows; row++)
	{
		uint64_t	from = col->row_offsets[row],
					to = col->row_offsets[row + 1];

		if (!col->row_valid[row] && !list_may_be_null)
			return stbl_fail(err, STBL_ERR_INVALID, "null list in row %zu of required Parquet column \"%s\"", row, leaf->name);
		if (from == to)
		{
			def[n] = (uint8_t) (col->row_valid[row] ? d - 1 : d - 2);
			rep[n++] = 0;
		}
		for (uint64_t i = from; i < to; i++)
		{
			def[n] = (uint8_t) (col->elem.valid[i] ? m : m - 1);
			rep[n++] = i > from;
		}
	}
	levels->len += size;
	data->n_levels = n;
	data->def = def;
	data->rep = rep;
	return true;
}

/*
 * Levels and dense values of a column.  What data points to belongs to col,
 * dense (same kind as col's) and levels.
 */
bool
stbl_pq_column_levels(const StblPqSchema *schema, int leaf, const StblColVec *col, size_t n_rows,
					  StblPqLeafData *data, StblVec *dense, StblBuf *levels, StblError *err)
{
	int			node = schema->leaf_nodes[leaf];
	const StblPqNode *n = &schema->nodes[node];
	int			repeated = repeated_node(schema, node);
	bool		elem_may_be_null = n->repetition == STBL_PQ_OPTIONAL;
	size_t		rows = col->is_list ? col->n_rows : col->elem.n;

	memset(data, 0, sizeof(*data));
	if (repeated < 0 || (repeated > 0) != col->is_list)
		return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" is not of the shape of its values", n->name);
	if (rows != n_rows)
		return stbl_fail(err, STBL_ERR_INVALID, "Parquet column \"%s\" has %zu rows instead of %zu", n->name, rows, n_rows);
	if (col->elem.n_null > 0 && !elem_may_be_null)
		return stbl_fail(err, STBL_ERR_INVALID, "null value in required Parquet column \"%s\"", n->name);
	if (col->is_list)
	{
		if (!list_levels(schema, n, repeated, col, data, levels, err))
			return false;
	}
	else
	{
		data->n_levels = n_rows;
		data->def = n->max_def > 0 ? col->elem.valid : NULL;
	}
	data->values = col->elem;
	if (col->elem.n_null > 0)
	{
		make_dense(dense, &col->elem);
		data->values = *dense;
		if (dense->kind == STBL_VEC_BYTES)
			data->values.bytes = col->elem.bytes;
		data->values.n_null = 0;
	}
	return true;
}

/*
 * From the last slot down, so that no value is overwritten before it was
 * moved; without a branch on valid, which would be guessed wrong at each
 * null.  Nulls become 0.  Ends where what is left is in its place.
 */
#define SPREAD(type) do { \
	type	   *v = (type *) vec->values; \
	for (; n > 0 && n < i; i--) \
	{ \
		v[i - 1] = v[n - 1] & (type) -(type) valid[i - 1]; \
		n -= valid[i - 1]; \
	} \
	if (n == 0) \
		memset(v, 0, i * sizeof(type)); \
} while (0)

static void
spread_offsets(StblVec *vec, size_t n, size_t i)
{
	uint64_t   *offsets = vec->offsets;
	const uint8_t *valid = vec->valid;

	/* the end of slot i - 1 is that of the n values up to it */
	for (; i > n; i--)
	{
		offsets[i] = offsets[n];
		n -= valid[i - 1];
	}
}

static void
spread_wide(StblVec *vec, size_t n, size_t i)
{
	size_t		width = vec->width;

	for (; i > n; i--)
	{
		if (vec->valid[i - 1])
			memcpy(vec->values + (i - 1) * width, vec->values + --n * width, width);
		else
			memset(vec->values + (i - 1) * width, 0, width);
	}
}

/* Spreads n dense values of vec over n_slots: slot i holds a value if valid[i], which is set. */
static void
spread(StblVec *vec, size_t n_slots)
{
	size_t		n = vec->n;
	size_t		i = n_slots;
	const uint8_t *valid = vec->valid;

	if (vec->kind == STBL_VEC_BYTES)
		spread_offsets(vec, n, i);
	else if (vec->width == 8)
		SPREAD(uint64_t);
	else if (vec->width == 4)
		SPREAD(uint32_t);
	else
		spread_wide(vec, n, i);
	vec->n_null = n_slots - vec->n;
	vec->n = n_slots;
}

static void
rows_of_list(StblColVec *out, const StblPqLeafData *data, int d, size_t n_rows)
{
	StblMem    *mem = out->elem.mem;
	size_t		row = 0,
				slot = 0;

	if (n_rows > out->rows_cap)
	{
		out->row_valid = stbl_realloc(mem, out->row_valid, n_rows);
		out->row_offsets = stbl_realloc(mem, out->row_offsets, (n_rows + 1) * sizeof(uint64_t));
		out->rows_cap = n_rows;
	}
	out->row_offsets[0] = 0;
	for (size_t i = 0; i < data->n_levels; i++)
	{
		if (data->rep[i] == 0)
		{
			out->row_valid[row] = data->def[i] >= d - 1;
			row++;
		}
		slot += data->def[i] >= d;
		out->row_offsets[row] = slot;
	}
	out->n_rows = row;
}

/* Nulls take no bytes of a chunk, but each takes a slot. */
static bool
slots_fit(const StblVec *vec, size_t n_slots, const StblPqNode *leaf, StblError *err)
{
	size_t		width = vec->width > 0 ? vec->width : sizeof(uint64_t);

	return n_slots <= STBL_PQ_MAX_CHUNK_BYTES / width ||
		stbl_fail(err, STBL_ERR_LIMIT, "%zu rows or elements of Parquet column \"%s\" take more than %llu bytes", n_slots, leaf->name,
				  (unsigned long long) STBL_PQ_MAX_CHUNK_BYTES);
}

static bool
slots_of_list(StblColVec *out, const StblPqLeafData *data, int d, const StblPqNode *leaf, StblError *err)
{
	size_t		n_slots = 0;
	int			m = leaf->max_def;

	for (size_t i = 0; i < data->n_levels; i++)
		n_slots += data->def[i] >= d;
	if (!slots_fit(&out->elem, n_slots, leaf, err))
		return false;
	stbl_vec_reserve(&out->elem, n_slots, 0);
	n_slots = 0;
	for (size_t i = 0; i < data->n_levels; i++)
		if (data->def[i] >= d)
			out->elem.valid[n_slots++] = data->def[i] == m;
	if (n_slots != out->elem.n)
		spread(&out->elem, n_slots);
	return true;
}

static bool
slots_of_rows(StblColVec *out, const StblPqLeafData *data, const StblPqNode *leaf, StblError *err)
{
	if (out->elem.n != data->n_levels)
	{
		if (!slots_fit(&out->elem, data->n_levels, leaf, err))
			return false;
		stbl_vec_reserve(&out->elem, data->n_levels, 0);
		memcpy(out->elem.valid, data->def, data->n_levels);
		spread(&out->elem, data->n_levels);
	}
	out->n_rows = data->n_levels;
	return true;
}

static bool
read_rows(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, const uint8_t *data, size_t len,
		  const StblPqPart *part, StblColVec *out, StblError *err)
{
	int			node = meta->schema.leaf_nodes[leaf];
	const StblPqNode *n = &meta->schema.nodes[node];
	int			repeated = repeated_node(&meta->schema, node);
	size_t		n_rows = (size_t) (part ? part->n_rows : meta->row_groups[row_group].n_rows);
	StblPqLeafData levels;
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(n, &width);
	bool		ok;

	stbl_colvec_reset(out);
	if (repeated < 0 || (repeated > 0) != out->is_list || kind != out->elem.kind ||
		(kind == STBL_VEC_FIXED && width != out->elem.width))
		return stbl_fail(err, STBL_ERR_SCHEMA, "Parquet column \"%s\" is not of the expected shape", n->name);
	memset(&levels, 0, sizeof(levels));
	levels.values = out->elem;
	ok = stbl_pq_decode_chunk(mem, meta, row_group, leaf, data, len, part, &levels, err);
	out->elem = levels.values;
	if (repeated > 0)
	{
		int			d = meta->schema.nodes[repeated].max_def;

		ok = ok && slots_of_list(out, &levels, d, n, err);
		if (ok)
			rows_of_list(out, &levels, d, n_rows);
	}
	else
		ok = ok && slots_of_rows(out, &levels, n, err);
	if (!ok)
		stbl_colvec_reset(out);
	stbl_free(mem, levels.def);
	stbl_free(mem, levels.rep);
	return ok;
}

bool
stbl_pq_read_column(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
					const uint8_t *data, size_t len, StblColVec *out, StblError *err)
{
	return read_rows(mem, meta, row_group, leaf, data, len, NULL, out, err);
}

bool
stbl_pq_read_column_part(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
						 const StblPqPart *part, StblColVec *out, StblError *err)
{
	return read_rows(mem, meta, row_group, leaf, NULL, 0, part, out, err);
}
