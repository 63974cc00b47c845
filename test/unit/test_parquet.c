/* Parquet: what is written is read again; statistics; nested columns by levels. */
#include <math.h>

#include "common/codec.h"
#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "unit.h"

static StblMem *mem;
static StblError err;

/* ---- building ---- */

static StblPqNode
node(const char *name, StblPqRepetition repetition, int n_children, StblPqType type, StblPqLogical logical)
{
	StblPqNode	n;

	memset(&n, 0, sizeof(n));
	n.name = name;
	n.repetition = repetition;
	n.n_children = n_children;
	n.type = type;
	n.logical = logical;
	n.field_id = -1;
	return n;
}

static void
free_meta(StblPqMeta *meta)
{
	for (int i = 0; i < meta->n_row_groups; i++)
	{
		for (int j = 0; j < meta->schema.n_leaves; j++)
		{
			stbl_free(mem, meta->row_groups[i].chunks[j].stats.min);
			stbl_free(mem, meta->row_groups[i].chunks[j].stats.max);
		}
		stbl_free(mem, meta->row_groups[i].chunks);
	}
	for (int i = 0; i < meta->schema.n_nodes; i++)
		stbl_free(mem, (void *) meta->schema.nodes[i].name);
	stbl_free(mem, meta->schema.nodes);
	stbl_free(mem, meta->schema.leaf_nodes);
	stbl_free(mem, meta->row_groups);
	stbl_free(mem, (void *) meta->created_by);
	stbl_free(mem, meta);
}

static StblPqMeta *
parse(const StblBuf *file)
{
	uint64_t	len;

	if (!stbl_pq_footer_length(file->data + file->len - 8, file->len, &len, &err))
		return NULL;
	return stbl_pq_parse_footer(mem, file->data + file->len - len, len, file->len, &err);
}

/* ---- every type ---- */

#define N_COLS 16
#define N_LISTS 4				/* of which the last ones */

static StblPqNode nodes[64];
static StblPqSchema schema;

static void
make_schema(void)
{
	StblPqNode *n = nodes;

	*n++ = node("root", STBL_PQ_REQUIRED, N_COLS, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	*n++ = node("b", STBL_PQ_OPTIONAL, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	*n = node("i8", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_INT);
	n->bits = 8;
	n++->is_signed = true;
	*n = node("i16", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_INT);
	n->bits = 16;
	n++->is_signed = true;
	*n++ = node("i32", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_NONE);
	*n++ = node("i64", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	*n++ = node("f32", STBL_PQ_OPTIONAL, 0, STBL_PQ_FLOAT, STBL_PQL_NONE);
	*n++ = node("f64", STBL_PQ_OPTIONAL, 0, STBL_PQ_DOUBLE, STBL_PQL_NONE);
	*n++ = node("s", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	*n++ = node("bin", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_NONE);
	*n++ = node("d", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_DATE);
	*n = node("ts", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_TIMESTAMP_US);
	n++->utc = true;
	*n = node("dec", STBL_PQ_OPTIONAL, 0, STBL_PQ_FIXED, STBL_PQL_DECIMAL);
	n->precision = 38;
	n->scale = 10;
	n++->type_length = 16;
	for (int i = 0; i < N_LISTS; i++)
	{
		static const char *const names[] = {"li", "ls", "lb", "lreq"};
		static const StblPqType types[] = {STBL_PQ_INT64, STBL_PQ_BYTE_ARRAY, STBL_PQ_BOOLEAN, STBL_PQ_DOUBLE};

		*n++ = node(names[i], i == 3 ? STBL_PQ_REQUIRED : STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST);
		*n++ = node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
		*n++ = node("element", i == 3 ? STBL_PQ_REQUIRED : STBL_PQ_OPTIONAL, 0, types[i],
					types[i] == STBL_PQ_BYTE_ARRAY ? STBL_PQL_STRING : STBL_PQL_NONE);
	}
	memset(&schema, 0, sizeof(schema));
	schema.nodes = nodes;
	schema.n_nodes = (int) (n - nodes);
	OK(stbl_pq_schema_finish(mem, &schema, &err), "schema of every type");
}

static uint64_t rng = 1;

static uint32_t
rnd(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (rng >> 33) % n;
}

/* distinct: how many values there are, so that dictionaries do or do not pay */
static void
put_value(StblVec *v, const StblPqNode *leaf, uint32_t distinct)
{
	uint32_t	x = rnd(distinct);
	int64_t		i64 = (int64_t) (x * UINT64_C(0x9e3779b97f4a7c15));
	int32_t		i32 = (int32_t) (x * 2654435761u);
	double		f64 = x * 0.5 - 1000;
	float		f32 = (float) f64;
	uint8_t		bytes[64];
	char		str[80];

	/* within what the other readers can show */
	if (leaf->logical == STBL_PQL_INT)
		i32 = leaf->bits == 8 ? (int8_t) i32 : (int16_t) i32;
	if (leaf->logical == STBL_PQL_DATE)
		i32 %= 700000;
	if (leaf->logical == STBL_PQL_TIMESTAMP_US)
		i64 %= INT64_C(60000000000000000);
	switch (v->kind)
	{
		case STBL_VEC_BOOL:
			bytes[0] = x & 1;
			stbl_vec_fixed(v, bytes);
			break;
		case STBL_VEC_I32:
			stbl_vec_fixed(v, &i32);
			break;
		case STBL_VEC_I64:
			stbl_vec_fixed(v, &i64);
			break;
		case STBL_VEC_F32:
			stbl_vec_fixed(v, &f32);
			break;
		case STBL_VEC_F64:
			stbl_vec_fixed(v, &f64);
			break;
		case STBL_VEC_BYTES:
			stbl_vec_bytes(v, str, (size_t) snprintf(str, sizeof(str), x % 7 == 0 ? "" : "value %u of some", x));
			break;
		case STBL_VEC_FIXED:
			memset(bytes, x & 1 ? 0xff : 0, sizeof(bytes));
			memcpy(bytes + v->width - 4, &x, 4);
			stbl_vec_fixed(v, bytes);
			break;
	}
}

/* null_of: one row in so many is null; 0: none, 1: all */
static void
fill(StblColVec *col, const StblPqNode *leaf, size_t n, uint32_t distinct, uint32_t null_of, bool required)
{
	for (size_t i = 0; i < n; i++)
	{
		if (!required && null_of > 0 && rnd(null_of) == 0)
		{
			stbl_colvec_null(col);
			continue;
		}
		if (!col->is_list)
			put_value(&col->elem, leaf, distinct);
		else
			for (uint32_t k = rnd(4); k > 0; k--)
			{
				if (!required && null_of > 0 && rnd(3) == 0)
					stbl_vec_null(&col->elem);
				else
					put_value(&col->elem, leaf, distinct);
			}
		stbl_colvec_end_row(col);
	}
}

static bool
same_vec(const StblVec *a, const StblVec *b)
{
	if (a->n != b->n || a->n_null != b->n_null)
		return false;
	for (size_t i = 0; i < a->n; i++)
	{
		if (a->valid[i] != b->valid[i])
			return false;
		if (a->kind == STBL_VEC_BYTES)
		{
			size_t		len = a->offsets[i + 1] - a->offsets[i];

			if (b->offsets[i + 1] - b->offsets[i] != len || memcmp(a->bytes + a->offsets[i], b->bytes + b->offsets[i], len) != 0)
				return false;
		}
		else if (memcmp(a->values + i * a->width, b->values + i * b->width, a->width) != 0)
			return false;
	}
	return true;
}

static bool
same_column(const StblColVec *a, const StblColVec *b)
{
	if (a->n_rows != b->n_rows || !same_vec(&a->elem, &b->elem))
		return false;
	for (size_t i = 0; a->is_list && i < a->n_rows; i++)
		if (a->row_valid[i] != b->row_valid[i] || a->row_offsets[i + 1] != b->row_offsets[i + 1])
			return false;
	return true;
}

static void
init_column(StblColVec *col, int leaf)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(&schema.nodes[schema.leaf_nodes[leaf]], &width);

	stbl_colvec_init(col, mem, leaf >= N_COLS - N_LISTS, kind, width);
}

static void
round_trip(const char *what, size_t n_rows, int n_groups, uint32_t distinct, uint32_t null_of, StblPqCodec codec, size_t page_bytes,
		   const char *keep)
{
	StblPqWriterOptions options = {codec, 3, page_bytes, "test"};
	StblPqWriter *w = stbl_pq_writer_new(mem, &schema, &options);
	StblColVec *cols = calloc((size_t) n_groups * N_COLS, sizeof(StblColVec));
	const StblColVec *list[N_COLS];
	StblBuf		file;
	StblPqMeta *meta;
	bool		ok = true;

	stbl_buf_init(&file, mem);
	for (int g = 0; g < n_groups; g++)
	{
		for (int c = 0; c < N_COLS; c++)
		{
			init_column(&cols[g * N_COLS + c], c);
			fill(&cols[g * N_COLS + c], &schema.nodes[schema.leaf_nodes[c]], n_rows, distinct, null_of, c == N_COLS - 1);
			list[c] = &cols[g * N_COLS + c];
		}
		ok = ok && stbl_pq_write_columns(w, n_rows, list, &file, &err);
	}
	ok = ok && stbl_pq_writer_finish(w, &file, &err);
	OK(ok && stbl_pq_writer_offset(w) == file.len && stbl_pq_writer_rows(w) == (int64_t) n_rows * n_groups, "%s: written, %zu bytes", what, file.len);
	if (!ok)
		printf("# %s\n", err.message);
	if (keep != NULL && getenv("PARQUET_KEEP") != NULL)
	{
		char		name[512];
		FILE	   *f;

		snprintf(name, sizeof(name), "%s/%s.parquet", getenv("PARQUET_KEEP"), keep);
		f = fopen(name, "wb");
		if (f != NULL)
		{
			fwrite(file.data, 1, file.len, f);
			fclose(f);
		}
	}
	meta = parse(&file);
	OK(meta != NULL && meta->n_rows == (int64_t) n_rows * n_groups && strcmp(meta->created_by, "test") == 0, "%s: footer", what);
	ok = meta != NULL && meta->n_row_groups == (n_rows > 0 ? n_groups : 0);
	for (int i = 0; ok && i < schema.n_nodes; i++)
	{
		const StblPqNode *a = &schema.nodes[i],
				   *b = &meta->schema.nodes[i];

		ok = strcmp(a->name, b->name) == 0 && a->n_children == b->n_children && a->logical == b->logical && a->utc == b->utc &&
			a->max_def == b->max_def && a->max_rep == b->max_rep && a->bits == b->bits && a->is_signed == b->is_signed &&
			a->precision == b->precision && a->scale == b->scale && a->leaf == b->leaf;
	}
	OK(ok, "%s: schema", what);
	for (int g = 0; ok && g < meta->n_row_groups; g++)
		for (int c = 0; ok && c < N_COLS; c++)
		{
			const StblPqChunk *chunk = &meta->row_groups[g].chunks[c];
			StblColVec	col;

			init_column(&col, c);
			ok = stbl_pq_read_column(mem, meta, g, c, file.data + chunk->offset, chunk->length, &col, &err);
			if (!ok)
				printf("# group %d column %d: %s\n", g, c, err.message);
			else if (!(ok = same_column(&col, &cols[g * N_COLS + c])))
				printf("# group %d column %d differs\n", g, c);
			stbl_colvec_free(&col);
		}
	OK(ok, "%s: values", what);
	if (meta != NULL)
		free_meta(meta);
	for (int i = 0; i < n_groups * N_COLS; i++)
		if (cols[i].elem.mem != NULL)
			stbl_colvec_free(&cols[i]);
	free(cols);
	stbl_buf_free(&file);
}

static void
test_round_trips(void)
{
	round_trip("no rows", 0, 1, 10, 3, STBL_PQ_ZSTD, 0, "norows");
	round_trip("one row", 1, 1, 10, 0, STBL_PQ_ZSTD, 0, "onerow");
	round_trip("one null row", 1, 1, 10, 1, STBL_PQ_ZSTD, 0, "onenull");
	round_trip("all null", 1000, 1, 10, 1, STBL_PQ_UNCOMPRESSED, 0, "allnull");
	round_trip("few values", 5000, 2, 20, 0, STBL_PQ_ZSTD, 0, "few");
	round_trip("few values and nulls", 5000, 3, 20, 3, STBL_PQ_UNCOMPRESSED, 0, "fewnull");
	round_trip("one value", 3000, 1, 1, 0, STBL_PQ_ZSTD, 0, "one");
	round_trip("many values and nulls", 20000, 2, 1u << 30, 5, STBL_PQ_ZSTD, 0, "manynull");
	round_trip("many values in small pages", 20000, 1, 1u << 30, 4, STBL_PQ_UNCOMPRESSED, 1000, "manypages");
	round_trip("dictionary in small pages", 20000, 1, 300, 4, STBL_PQ_ZSTD, 500, "dictpages");
	round_trip("a page a row", 50, 1, 10, 4, STBL_PQ_ZSTD, 1, "pagerow");
	for (size_t n = 2; n < 40; n++)
		round_trip("sizes around a group of eight", n, 1, 3, n % 4, STBL_PQ_UNCOMPRESSED, 0, NULL);
}
