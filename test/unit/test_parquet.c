/* Parquet: what is written is read again; statistics; nested columns by levels. */
#include <math.h>

#include "common/codec.h"
#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "capped.h"
#include "unit.h"

static StblMem *mem = &arena;
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
	OK(stbl_pq_schema_finish(stbl_mem_malloc(), &schema, &err), "schema of every type");
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
			stbl_vec_bytes(v, str, x % 7 == 0 ? 0 : (size_t) snprintf(str, sizeof(str), "value %u of some", x));
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
	StblPqWriterOptions options = {codec, 3, page_bytes, "test", false, 0};
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
	free(cols);
	arena_reset();
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

/* ---- schema ---- */

static void
test_schema(void)
{
	StblPqNode	bad[3];
	StblPqSchema s;
	bool		ok = true;

	OK(stbl_pq_find(&schema, "li.list.element") == schema.leaf_nodes[12] && stbl_pq_find(&schema, "s") == schema.leaf_nodes[7] &&
	   stbl_pq_find(&schema, "li.list.nothing") == -1 && stbl_pq_find(&schema, "") == -1, "paths");
	for (int p = 1; p <= 38; p++)
	{
		int			len = stbl_pq_decimal_length(p);
		double		digits = p * log2(10.0);

		ok = ok && 8 * len - 1 >= digits && 8 * (len - 1) - 1 < digits;
	}
	OK(ok, "shortest lengths of decimals");
	memset(&s, 0, sizeof(s));
	bad[0] = node("root", STBL_PQ_REQUIRED, 2, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	bad[1] = node("a", STBL_PQ_REQUIRED, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	bad[2] = node("b", STBL_PQ_REQUIRED, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	s.nodes = bad;
	s.n_nodes = 2;
	OK(!stbl_pq_schema_finish(mem, &s, &err), "a tree that lacks an element");
	s.n_nodes = 3;
	bad[0].n_children = 1;
	OK(!stbl_pq_schema_finish(mem, &s, &err), "a tree with an element too many");
	bad[0].n_children = 2;
	bad[2].type = STBL_PQ_FIXED;
	OK(!stbl_pq_schema_finish(mem, &s, &err), "a fixed type without a length");
	arena_reset();
}

/* ---- statistics ---- */

/* Writes one column of so many groups; the writer's statistics and the parsed file are for looking at. */
static StblPqNode one_nodes[2];
static StblPqSchema one_schema;
static StblPqWriter *one_writer;
static StblPqMeta *one_meta;
static StblBuf one_file;
static bool one_ok;

static void
one_begin(StblPqNode leaf)
{
	StblPqWriterOptions options = {STBL_PQ_ZSTD, 1, 0, NULL, false, 0};

	one_nodes[0] = node("root", STBL_PQ_REQUIRED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	one_nodes[1] = leaf;
	memset(&one_schema, 0, sizeof(one_schema));
	one_schema.nodes = one_nodes;
	one_schema.n_nodes = 2;
	one_ok = stbl_pq_schema_finish(mem, &one_schema, &err);
	one_writer = stbl_pq_writer_new(mem, &one_schema, &options);
	stbl_buf_init(&one_file, mem);
}

static void
one_group(const StblVec *v)
{
	StblColVec	col;
	const StblColVec *cols[1];

	memset(&col, 0, sizeof(col));
	col.elem = *v;
	col.n_rows = v->n;
	cols[0] = &col;
	one_ok = one_ok && stbl_pq_write_columns(one_writer, v->n, cols, &one_file, &err);
}

static const StblPqStats *
one_end(void)
{
	one_ok = one_ok && stbl_pq_writer_finish(one_writer, &one_file, &err);
	one_meta = one_ok ? parse(&one_file) : NULL;
	one_ok = one_meta != NULL;
	return stbl_pq_writer_stats(one_writer, 0);
}

static bool
same_stats(const StblPqStats *a, const StblPqStats *b)
{
	return a->has_null_count && b->has_null_count && a->null_count == b->null_count && a->has_min_max == b->has_min_max &&
		(!a->has_min_max || (a->min_exact == b->min_exact && a->max_exact == b->max_exact && a->min_len == b->min_len &&
							 a->max_len == b->max_len && memcmp(a->min, b->min, a->min_len) == 0 && memcmp(a->max, b->max, a->max_len) == 0));
}

static void
put_str(StblVec *v, const char *unit, int times)
{
	char		text[1024];
	size_t		len = strlen(unit);

	for (int i = 0; i < times; i++)
		memcpy(text + (size_t) i * len, unit, len);
	stbl_vec_bytes(v, text, len * (size_t) times);
}

static void
test_text_stats(void)
{
	StblVec		v;
	const StblPqStats *s;

	stbl_vec_init(&v, mem, STBL_VEC_BYTES, 0);
	put_str(&v, "b", 1);
	put_str(&v, "a", 100);
	put_str(&v, "z", 100);
	one_begin(node("s", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING));
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && !s->min_exact && !s->max_exact && s->min_len == 64 && s->max_len == 64 && s->min[63] == 'a' &&
	   s->max[62] == 'z' && s->max[63] == '{', "L52: long text bounds are cut outward");
	OK(one_ok && same_stats(s, &one_meta->row_groups[0].chunks[0].stats), "and so are those of the footer");

	stbl_vec_reset(&v);
	put_str(&v, "x\xc3\xbf", 40);	/* 64 bytes end inside of a character */
	one_begin(node("s", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING));
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && stbl_utf8_is_valid(s->min, s->min_len) && stbl_utf8_is_valid(s->max, s->max_len) &&
	   memcmp(s->max, v.bytes, s->max_len) > 0 && memcmp(s->min, v.bytes, s->min_len) == 0, "cut at a character, and still UTF-8");
	stbl_vec_reset(&v);
	put_str(&v, "\xd0\xb6", 60);
	one_begin(node("s", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING));
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && stbl_utf8_is_valid(s->max, s->max_len) && memcmp(s->max, v.bytes, s->max_len) > 0,
	   "a character of two bytes is raised");

	stbl_vec_reset(&v);
	put_str(&v, "\xff", 100);
	one_begin(node("bin", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_NONE));
	one_group(&v);
	s = one_end();
	OK(one_ok && !s->has_min_max && s->null_count == 0, "a maximum that cannot be raised is left out");

	stbl_vec_reset(&v);
	stbl_vec_bytes(&v, "", 0);
	stbl_vec_null(&v);
	stbl_vec_bytes(&v, "\xc3\xa9", 2);
	stbl_vec_bytes(&v, "z", 1);
	one_begin(node("s", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING));
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && s->min_exact && s->max_exact && s->min_len == 0 && s->max_len == 2 && s->null_count == 1,
	   "bytes are unsigned, the empty text is the least");
	arena_reset();
}

static void
test_number_stats(void)
{
	StblVec		v;
	const StblPqStats *s;
	StblPqNode	dec = node("dec", STBL_PQ_OPTIONAL, 0, STBL_PQ_FIXED, STBL_PQL_DECIMAL);
	double		lo,
				hi,
				nan_value = NAN,
				x;
	int64_t		big = INT64_MAX,
				small = INT64_MIN;

	stbl_vec_init(&v, mem, STBL_VEC_F64, 0);
	x = 0.0;
	stbl_vec_fixed(&v, &x);
	x = -0.0;
	stbl_vec_fixed(&v, &x);
	one_begin(node("f", STBL_PQ_OPTIONAL, 0, STBL_PQ_DOUBLE, STBL_PQL_NONE));
	one_group(&v);
	s = one_end();
	memcpy(&lo, s->min, 8);
	memcpy(&hi, s->max, 8);
	OK(one_ok && s->has_min_max && lo == 0 && hi == 0 && signbit(lo) && !signbit(hi), "L52: zeros have the bounds -0.0 and +0.0");

	one_begin(node("f", STBL_PQ_OPTIONAL, 0, STBL_PQ_DOUBLE, STBL_PQL_NONE));
	one_group(&v);
	stbl_vec_fixed(&v, &nan_value);
	one_group(&v);
	stbl_vec_truncate(&v, 2);
	one_group(&v);
	s = one_end();
	OK(one_ok && !s->has_min_max && s->null_count == 0, "L52: one NaN, and the file has no bounds");
	OK(one_ok && one_meta->row_groups[0].chunks[0].stats.has_min_max && !one_meta->row_groups[1].chunks[0].stats.has_min_max &&
	   one_meta->row_groups[2].chunks[0].stats.has_min_max, "L52: nor has its chunk; others do");

	stbl_vec_init(&v, mem, STBL_VEC_I64, 0);
	stbl_vec_null(&v);
	one_begin(node("i", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE));
	one_group(&v);
	s = stbl_pq_writer_stats(one_writer, 0);
	OK(!s->has_min_max && s->null_count == 1, "nulls alone have no bounds");
	stbl_vec_fixed(&v, &big);
	stbl_vec_fixed(&v, &small);
	one_group(&v);
	stbl_vec_truncate(&v, 1);
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && memcmp(s->min, &small, 8) == 0 && memcmp(s->max, &big, 8) == 0 && s->null_count == 3,
	   "and do not spoil those of other chunks; integers are signed");

	dec.precision = 3;
	dec.type_length = 2;
	stbl_vec_init(&v, mem, STBL_VEC_FIXED, 2);
	stbl_vec_fixed(&v, "\x00\x05");
	stbl_vec_fixed(&v, "\xff\xfe");
	stbl_vec_fixed(&v, "\xff\xff");
	one_begin(dec);
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && memcmp(s->min, "\xff\xfe", 2) == 0 && memcmp(s->max, "\x00\x05", 2) == 0, "decimals are in two's complement");
	OK(one_ok && same_stats(s, &one_meta->row_groups[0].chunks[0].stats), "also in the footer");

	stbl_vec_init(&v, mem, STBL_VEC_BOOL, 0);
	stbl_vec_fixed(&v, "\1");
	one_begin(node("b", STBL_PQ_REQUIRED, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE));
	one_group(&v);
	s = one_end();
	OK(one_ok && s->has_min_max && s->min_len == 1 && s->min[0] == 1 && s->max[0] == 1, "booleans");
	stbl_vec_null(&v);
	one_begin(node("b", STBL_PQ_REQUIRED, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE));
	one_group(&v);
	OK(!one_ok && err.kind == STBL_ERR_INVALID && one_file.len == 0, "a null in a required column is refused");
	arena_reset();
}

/* L54: what other formats cannot say, bits and all, is kept. */
static void
test_extremes(void)
{
	static const uint64_t bits[] = {UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000), UINT64_C(0x7ff8000000000001),
		UINT64_C(0x8000000000000000), 1, UINT64_C(0x7fefffffffffffff)};
	StblVec		v;
	StblColVec	back;
	const StblPqChunk *chunk;
	bool		ok;

	stbl_vec_init(&v, mem, STBL_VEC_F64, 0);
	for (int k = 0; k < 20; k++)
		for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
			stbl_vec_fixed(&v, &bits[i]);
	one_begin(node("f", STBL_PQ_OPTIONAL, 0, STBL_PQ_DOUBLE, STBL_PQL_NONE));
	one_group(&v);
	(void) one_end();
	ok = one_ok;
	stbl_colvec_init(&back, mem, false, STBL_VEC_F64, 0);
	chunk = ok ? &one_meta->row_groups[0].chunks[0] : NULL;
	ok = ok && stbl_pq_read_column(mem, one_meta, 0, 0, one_file.data + chunk->offset, chunk->length, &back, &err) && same_vec(&v, &back.elem);
	OK(ok, "L54: infinities, NaN with its payload, -0.0, subnormals come back bit by bit");
	arena_reset();
}

/* ---- nested, by levels ---- */

static void
add_level(StblPqLeafData *d, uint8_t rep, uint8_t def, uint8_t max_def, const char *value)
{
	d->rep[d->n_levels] = rep;
	d->def[d->n_levels++] = def;
	if (def == max_def)
		stbl_vec_bytes(&d->values, value, strlen(value));
}

static void
test_nested(void)
{
	StblPqNode	n[] = {
		node("spark_schema", STBL_PQ_REQUIRED, 2, STBL_PQ_BOOLEAN, STBL_PQL_NONE),
		node("add", STBL_PQ_OPTIONAL, 2, STBL_PQ_BOOLEAN, STBL_PQL_NONE),
		node("path", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING),
		node("partitionValues", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_MAP),
		node("key_value", STBL_PQ_REPEATED, 2, STBL_PQ_BOOLEAN, STBL_PQL_NONE),
		node("key", STBL_PQ_REQUIRED, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING),
		node("value", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING),
		node("protocol", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE),
		node("readerFeatures", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST),
		node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE),
		node("element", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING)};
	StblPqWriterOptions options = {STBL_PQ_ZSTD, 1, 40, "x", false, 0};
	StblPqSchema s;
	StblPqLeafData d[4],
				back;
	StblPqWriter *w;
	StblPqMeta *meta;
	StblBuf		file;
	bool		ok;

	memset(&s, 0, sizeof(s));
	memset(d, 0, sizeof(d));
	s.nodes = n;
	s.n_nodes = sizeof(n) / sizeof(n[0]);
	OK(stbl_pq_schema_finish(mem, &s, &err) && s.n_leaves == 4 && n[6].max_def == 4 && n[6].max_rep == 1, "nested schema");
	for (int i = 0; i < 4; i++)
	{
		stbl_vec_init(&d[i].values, mem, STBL_VEC_BYTES, 0);
		d[i].def = stbl_alloc(mem, 1000);
		d[i].rep = stbl_alloc(mem, 1000);
	}
	for (int row = 0; row < 100; row++)
	{
		bool		is_add = row % 3 != 0;
		char		text[20];

		snprintf(text, sizeof(text), "%d", row);
		add_level(&d[0], 0, is_add ? 2 : 0, 2, text);
		if (!is_add || row % 4 == 0)
		{
			uint8_t		def = !is_add ? 0 : row % 8 == 0 ? 1 : 2;

			add_level(&d[1], 0, def, 3, "");
			add_level(&d[2], 0, def, 4, "");
		}
		else
			for (uint8_t k = 0; k < 3; k++)
			{
				add_level(&d[1], k > 0, 3, 3, "key");
				add_level(&d[2], k > 0, k == 1 ? 3 : 4, 4, text);
			}
		add_level(&d[3], 0, is_add ? 0 : 4, 4, "feature");
		if (!is_add)
			add_level(&d[3], 1, 4, 4, text);
	}
	stbl_free(mem, d[0].rep);
	d[0].rep = NULL;
	w = stbl_pq_writer_new(mem, &s, &options);
	stbl_buf_init(&file, mem);
	ok = stbl_pq_write_leaves(w, 100, d, &file, &err) && stbl_pq_writer_finish(w, &file, &err);
	meta = ok ? parse(&file) : NULL;
	OK(meta != NULL, "nested columns are written");
	for (int i = 0; meta != NULL && i < 4; i++)
	{
		const StblPqChunk *chunk = &meta->row_groups[0].chunks[i];

		ok = stbl_pq_read_leaf(mem, meta, 0, i, file.data + chunk->offset, chunk->length, &back, &err);
		OK(ok && back.n_levels == d[i].n_levels && memcmp(back.def, d[i].def, back.n_levels) == 0 &&
		   (i == 0 ? back.rep == NULL : memcmp(back.rep, d[i].rep, back.n_levels) == 0) && same_vec(&back.values, &d[i].values),
		   "levels and values of nested leaf %d", i);
	}
	d[3].n_levels--;
	OK(!stbl_pq_write_leaves(w, 100, d, &file, &err), "levels that do not match their values are refused");
	OK(!stbl_pq_write_leaves(w, 99, d, &file, &err), "and so is another number of rows");
	arena_reset();
}

int
main(void)
{
	make_schema();
	test_schema();
	test_round_trips();
	test_text_stats();
	test_number_stats();
	test_extremes();
	test_nested();
	DONE();
}
