/*
 * The page index: what the writer says of its pages, parts of chunks read by
 * it, and bytes of an index that nobody should believe.
 */
#include <math.h>

#include "common/codec.h"
#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"
#include "arena.h"
#include "unit.h"

static Arena arena;
static StblMem *mem = &arena.mem;
static StblError err;
static uint64_t rng = 5;

static uint32_t
rnd(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (rng >> 33) % n;
}

/* ---- a file ---- */

#define N_COLS 8
#define MAX_ROWS 5000

enum
{
	ASCENDING,					/* INT64, required */
	FALLING,					/* INT32, nulls, a page of nulls alone */
	REAL,						/* DOUBLE, required */
	WORDS,						/* few texts, so that they have a dictionary */
	LONG_TEXT,					/* texts longer than bounds are kept, nulls */
	DECIMAL,					/* FIXED, nulls */
	FEW,						/* INT32 of few values, required */
	LIST						/* of INT64 */
};

static StblPqNode nodes[12];
static StblPqSchema schema;
static StblColVec cols[N_COLS];
static StblBuf file;
static StblPqMeta *meta;

static StblPqNode
node(const char *name, StblPqRepetition rep, int n_children, StblPqType type, StblPqLogical logical)
{
	StblPqNode	n;

	memset(&n, 0, sizeof(n));
	n.name = name;
	n.repetition = rep;
	n.n_children = n_children;
	n.type = type;
	n.logical = logical;
	n.field_id = -1;
	return n;
}

static void
make_schema(void)
{
	StblPqNode *n = nodes;

	*n++ = node("root", STBL_PQ_REQUIRED, N_COLS, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	*n++ = node("ascending", STBL_PQ_REQUIRED, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	*n++ = node("falling", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_NONE);
	*n++ = node("real", STBL_PQ_REQUIRED, 0, STBL_PQ_DOUBLE, STBL_PQL_NONE);
	*n++ = node("words", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	*n++ = node("long", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	*n = node("decimal", STBL_PQ_OPTIONAL, 0, STBL_PQ_FIXED, STBL_PQL_DECIMAL);
	n->precision = 30;
	n++->type_length = 16;
	*n++ = node("few", STBL_PQ_REQUIRED, 0, STBL_PQ_INT32, STBL_PQL_NONE);
	*n++ = node("list", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST);
	*n++ = node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	*n++ = node("element", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	memset(&schema, 0, sizeof(schema));
	schema.nodes = nodes;
	schema.n_nodes = (int) (n - nodes);
	OK(stbl_pq_schema_finish(stbl_mem_malloc(), &schema, &err), "schema");
}

static void
init_column(StblColVec *col, int c)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(&schema.nodes[schema.leaf_nodes[c]], &width);

	stbl_colvec_init(col, mem, c == LIST, kind, width);
}

static void
put_row(int c, int64_t row, size_t page_rows, double special)
{
	StblColVec *col = &cols[c];
	int32_t		i32;
	int64_t		i64;
	double		f64;
	uint8_t		bytes[200];

	switch (c)
	{
		case ASCENDING:
			i64 = row * 3;
			stbl_vec_fixed(&col->elem, &i64);
			break;
		case FALLING:
			i32 = -(int32_t) row;
			if (row % 7 == 0 || ((size_t) row / page_rows) == 1)
			{
				stbl_colvec_null(col);
				return;
			}
			stbl_vec_fixed(&col->elem, &i32);
			break;
		case REAL:
			f64 = row == 3 ? special : (double) rnd(1000) - 500;
			stbl_vec_fixed(&col->elem, &f64);
			break;
		case WORDS:
			if (rnd(5) == 0)
			{
				stbl_colvec_null(col);
				return;
			}
			stbl_vec_bytes(&col->elem, bytes, (size_t) snprintf((char *) bytes, sizeof(bytes), "word %u", rnd(5) + (unsigned) row / 500));
			break;
		case LONG_TEXT:
			if (rnd(9) == 0)
			{
				stbl_colvec_null(col);
				return;
			}
			memset(bytes, 'a' + (int) rnd(3), sizeof(bytes));
			bytes[70] = (uint8_t) ('a' + rnd(26));
			stbl_vec_bytes(&col->elem, bytes, 60 + rnd(80));
			break;
		case DECIMAL:
			if (rnd(9) == 0)
			{
				stbl_colvec_null(col);
				return;
			}
			memset(bytes, rnd(2) ? 0xff : 0, 16);
			bytes[15] = (uint8_t) rnd(256);
			stbl_vec_fixed(&col->elem, bytes);
			break;
		case FEW:
			i32 = (int32_t) rnd(7) - 3;
			stbl_vec_fixed(&col->elem, &i32);
			break;
		default:
			if (rnd(6) == 0)
			{
				stbl_colvec_null(col);
				return;
			}
			for (uint32_t k = rnd(4); k > 0; k--)
			{
				i64 = rnd(1000);
				if (rnd(5) == 0)
					stbl_vec_null(&col->elem);
				else
					stbl_vec_fixed(&col->elem, &i64);
			}
	}
	stbl_colvec_end_row(col);
}

static void
make_file(size_t n_rows, int n_groups, size_t page_rows, size_t page_bytes, StblPqCodec codec, double special)
{
	StblPqWriterOptions options = {codec, 1, page_bytes, STBL_PQ_CREATED_BY, false, page_rows};
	StblPqWriter *w;
	const StblColVec *list[N_COLS];
	uint64_t	footer_len;
	bool		ok = true;

	arena_reset(&arena);
	w = stbl_pq_writer_new(mem, &schema, &options);
	stbl_buf_init(&file, mem);
	for (int c = 0; c < N_COLS; c++)
	{
		init_column(&cols[c], c);
		for (size_t i = 0; i < n_rows; i++)
			put_row(c, (int64_t) i, page_rows ? page_rows : 16384, special);
		list[c] = &cols[c];
	}
	for (int g = 0; g < n_groups; g++)
		ok = ok && stbl_pq_write_columns(w, n_rows, list, &file, &err);
	ok = ok && stbl_pq_writer_finish(w, &file, &err) && stbl_pq_footer_length(file.data + file.len - 8, file.len, &footer_len, &err);
	meta = ok ? stbl_pq_parse_footer(mem, file.data + file.len - footer_len, footer_len, file.len, &err) : NULL;
	if (meta == NULL)
	{
		printf("Bail out! %s\n", err.message);
		exit(1);
	}
}

static bool
get_pages(int group, int c, StblPqPages *pages)
{
	const StblPqChunk *chunk = &meta->row_groups[group].chunks[c];

	return chunk->offset_index.length > 0 &&
		stbl_pq_parse_offset_index(mem, meta, group, c, file.data + chunk->offset_index.offset, chunk->offset_index.length, pages, &err) &&
		(chunk->column_index.length == 0 ||
		 stbl_pq_parse_column_index(mem, meta, group, c, file.data + chunk->column_index.offset, chunk->column_index.length, pages, &err));
}

/* ---- what is written ---- */

static bool
value_within(const StblVec *v, size_t i, const StblPqBounds *b)
{
	const uint8_t *p = v->values + i * v->width;
	int64_t		i64;
	int32_t		i32;
	double		f64;
	size_t		len;

	switch (v->kind)
	{
		case STBL_VEC_I32:
			memcpy(&i32, p, 4);
			return i32 >= b->min.v.i32 && i32 <= b->max.v.i32;
		case STBL_VEC_I64:
			memcpy(&i64, p, 8);
			return i64 >= b->min.v.i64 && i64 <= b->max.v.i64;
		case STBL_VEC_F64:
			memcpy(&f64, p, 8);
			return f64 >= b->min.v.f64 && f64 <= b->max.v.f64;
		case STBL_VEC_FIXED:
			return ((p[0] ^ b->min.bytes[0]) & 0x80 ? (b->min.bytes[0] & 0x80) != 0 : memcmp(p, b->min.bytes, 16) >= 0) &&
				((p[0] ^ b->max.bytes[0]) & 0x80 ? (p[0] & 0x80) != 0 : memcmp(p, b->max.bytes, 16) <= 0);
		default:
			p = v->bytes + v->offsets[i];
			len = v->offsets[i + 1] - v->offsets[i];
			i32 = memcmp(p, b->min.bytes, len < b->min.len ? len : b->min.len);
			if (i32 < 0 || (i32 == 0 && len < b->min.len))
				return false;
			i32 = memcmp(p, b->max.bytes, len < b->max.len ? len : b->max.len);
			return i32 < 0 || (i32 == 0 && len <= b->max.len);
	}
}

/* Each value is within its page's bounds, and a page's nulls are counted. */
static bool
bounds_hold(int group, int c, const StblPqPages *pages, int *n_tight)
{
	for (int i = 0; i < pages->n; i++)
	{
		const StblPqPlace *place = &pages->places[i];
		StblPqBounds b;
		int64_t		nulls = 0;

		stbl_pq_page_bounds(meta, c, pages, i, &b);
		for (int64_t row = place->first_row; row < place->first_row + place->n_rows; row++)
		{
			nulls += !cols[c].elem.valid[row];
			if (cols[c].elem.valid[row] && (!b.has_min_max || b.all_null || !value_within(&cols[c].elem, (size_t) row, &b)))
			{
				printf("# group %d column %d page %d row %lld\n", group, c, i, (long long) row);
				return false;
			}
		}
		if (!b.has_null_count || b.null_count != nulls || b.all_null != (nulls == place->n_rows))
			return false;
		*n_tight += c == ASCENDING && b.min.v.i64 == place->first_row * 3 && b.max.v.i64 == (place->first_row + place->n_rows - 1) * 3;
	}
	return true;
}

static void
test_written(void)
{
	StblPqPages pages;
	bool		ok = true,
				aligned = true,
				bounds = true;
	int			n_tight = 0;

	make_file(1000, 2, 300, 0, STBL_PQ_ZSTD, 0);
	for (int g = 0; g < 2; g++)
		for (int c = 0; c < N_COLS; c++)
		{
			ok = ok && get_pages(g, c, &pages) && pages.stats != NULL;
			if (!ok)
				break;
			aligned = aligned && pages.n == 4;
			for (int i = 0; i < pages.n; i++)
				aligned = aligned && pages.places[i].first_row == i * 300;
			bounds = bounds && (c == LIST || bounds_hold(g, c, &pages, &n_tight));
		}
	OK(ok, "each chunk has both parts of the index");
	OK(aligned, "pages of all columns end at the same rows");
	OK(bounds && n_tight == 8, "bounds and counts of nulls are those of the page's values");

	/* many pages by their size, and still an end at each multiple of the rows */
	make_file(1000, 1, 300, 400, STBL_PQ_UNCOMPRESSED, 0);
	for (int c = 0; ok && c < N_COLS; c++)
	{
		int			ends = 0;

		n_tight = 0;
		ok = get_pages(0, c, &pages) && (c == LIST || bounds_hold(0, c, &pages, &n_tight));
		for (int i = 0; ok && i < pages.n; i++)
			ends += pages.places[i].first_row % 300 == 0;
		ok = ok && ends == 4 && (c != ASCENDING || pages.n == 20);
	}
	OK(ok, "pages of large values end at these rows, too");

	make_file(1000, 2, 1000, 0, STBL_PQ_ZSTD, 0);
	for (int c = 0; ok && c < N_COLS; c++)
		ok = meta->row_groups[0].chunks[c].offset_index.length == 0 && meta->row_groups[1].chunks[c].column_index.length == 0;
	OK(ok, "a file of one page a chunk has no index");

	make_file(1000, 1, 300, 0, STBL_PQ_ZSTD, NAN);
	OK(meta->row_groups[0].chunks[REAL].column_index.length == 0 && meta->row_groups[0].chunks[REAL].offset_index.length > 0 &&
	   meta->row_groups[0].chunks[FEW].column_index.length > 0, "L52: where a page has a NaN the chunk has no bounds of pages");
	make_file(1000, 1, 300, 0, STBL_PQ_ZSTD, 1000);
	{
		StblPqBounds b;

		ok = get_pages(0, REAL, &pages);
		stbl_pq_page_bounds(meta, REAL, &pages, 0, &b);
		OK(ok && !b.may_have_nan && b.max.v.f64 == 1000, "L52: bounds of ours exclude a NaN");
		meta->created_by = "another writer";
		stbl_pq_page_bounds(meta, REAL, &pages, 0, &b);
		OK(b.may_have_nan, "L52: beside those of another a NaN may lie");
	}
}

/* ---- parts ---- */

static bool
same_value(const StblVec *a, size_t i, const StblVec *b, size_t j)
{
	if (a->valid[i] != b->valid[j])
		return false;
	if (!a->valid[i])
		return true;
	if (a->kind == STBL_VEC_BYTES)
		return a->offsets[i + 1] - a->offsets[i] == b->offsets[j + 1] - b->offsets[j] &&
			memcmp(a->bytes + a->offsets[i], b->bytes + b->offsets[j], a->offsets[i + 1] - a->offsets[i]) == 0;
	return memcmp(a->values + i * a->width, b->values + j * b->width, a->width) == 0;
}

static bool
same_row(const StblColVec *a, size_t i, const StblColVec *b, size_t j)
{
	uint64_t	n;

	if (!a->is_list)
		return same_value(&a->elem, i, &b->elem, j);
	n = a->row_offsets[i + 1] - a->row_offsets[i];
	if (a->row_valid[i] != b->row_valid[j] || n != b->row_offsets[j + 1] - b->row_offsets[j])
		return false;
	for (uint64_t k = 0; k < n; k++)
		if (!same_value(&a->elem, a->row_offsets[i] + k, &b->elem, b->row_offsets[j] + k))
			return false;
	return true;
}

/* A row of a part read as codes, against the column. */
static bool
same_code(const StblVec *a, size_t i, const StblPqCoded *c, size_t j)
{
	uint32_t	code = c->codes[j];

	if (!a->valid[i])
		return code == c->dict.n;
	return code < c->dict.n && same_value(a, i, &c->dict, code);
}

/* Reads a part of a column of which some pages are left out; each row of the others is as written. */
static bool
part_is_right(int c, const StblPqPages *pages, int64_t first, int64_t n, bool whole)
{
	const uint8_t **bytes = stbl_alloc0(mem, (size_t) pages->n * sizeof(uint8_t *));
	StblPqPart	part = {first, n, pages, bytes, file.data + meta->row_groups[0].chunks[c].offset};
	StblColVec	col;
	StblPqCoded coded;
	bool		is_coded = false;

	for (int i = 0; i < pages->n; i++)
		if (whole || rnd(3) > 0)
			/* a copy, so that a read past its end is seen */
			bytes[i] = (const uint8_t *) stbl_strndup(mem, (const char *) file.data + pages->places[i].offset, pages->places[i].length);
	init_column(&col, c);
	if (!stbl_pq_read_column_part(mem, meta, 0, c, &part, &col, &err) ||
		!stbl_pq_read_coded_part(mem, meta, 0, c, &part, &coded, &is_coded, &err))
	{
		printf("# %s\n", err.message);
		return false;
	}
	if ((int64_t) col.n_rows != n || (is_coded && (int64_t) coded.n_rows != n))
		return false;
	for (int i = 0; i < pages->n; i++)
		for (int64_t row = pages->places[i].first_row; row < pages->places[i].first_row + pages->places[i].n_rows; row++)
		{
			if (row < first || row >= first + n)
				continue;
			if (bytes[i] != NULL && !same_row(&cols[c], (size_t) row, &col, (size_t) (row - first)))
				return false;
			if (bytes[i] != NULL && is_coded && !same_code(&cols[c].elem, (size_t) row, &coded, (size_t) (row - first)))
				return false;
			if (bytes[i] == NULL && meta->schema.nodes[meta->schema.leaf_nodes[c]].max_def > 0 &&
				(c == LIST ? col.row_valid[row - first] : col.elem.valid[row - first]))
				return false;
		}
	for (int i = 0; i < pages->n; i++)
		stbl_free(mem, (void *) bytes[i]);
	stbl_free(mem, bytes);
	stbl_colvec_free(&col);
	stbl_pq_coded_free(mem, &coded);
	return true;
}

static void
test_parts(StblPqCodec codec, size_t page_bytes)
{
	static const char *const names[] = {"ascending", "falling", "real", "words", "long", "decimal", "few", "list"};

	make_file(1000, 1, 130, page_bytes, codec, 0);
	for (int c = 0; c < N_COLS; c++)
	{
		StblPqPages pages;
		bool		ok = get_pages(0, c, &pages);

		ok = ok && part_is_right(c, &pages, 0, 1000, true) && part_is_right(c, &pages, 260, 130, true) &&
			part_is_right(c, &pages, 0, 1, true) && part_is_right(c, &pages, 999, 1, true);
		for (int i = 0; ok && i < 200; i++)
		{
			int64_t		first = rnd(1000);

			ok = part_is_right(c, &pages, first, 1 + rnd((uint32_t) (1000 - first)), rnd(4) == 0);
		}
		OK(ok, "column \"%s\", pages of %zu bytes: parts are as the whole", names[c], page_bytes);
		OK(stbl_pq_count_pages(file.data + meta->row_groups[0].chunks[c].offset, meta->row_groups[0].chunks[c].length) == pages.n,
		   "column \"%s\": %d pages counted", names[c], pages.n);
	}
}

/* ---- bytes nobody should believe ---- */

static bool
is_sound(const StblPqPages *pages, const StblPqChunk *chunk, int64_t n_rows)
{
	uint64_t	at = chunk->offset;
	int64_t		row = 0;

	for (int i = 0; i < pages->n; i++)
	{
		const StblPqPlace *p = &pages->places[i];

		if (p->offset < at || p->offset + p->length > chunk->offset + chunk->length || p->first_row != row || p->n_rows < 1)
			return false;
		at = p->offset + p->length;
		row += p->n_rows;
	}
	return row == n_rows;
}

/* Parses what is said to be an index; it fails, or is none, or what it says is sound, and a part can be asked for. */
static bool
survives(int c, const uint8_t *offsets, size_t n_offsets, const uint8_t *bounds, size_t n_bounds, bool *parsed)
{
	const StblPqChunk *chunk = &meta->row_groups[0].chunks[c];
	StblPqPages pages;
	StblPqBounds b;
	bool		ok = true;

	*parsed = stbl_pq_parse_offset_index(mem, meta, 0, c, offsets, n_offsets, &pages, &err);
	if (!*parsed)
		return err.kind == STBL_ERR_CORRUPT;
	*parsed = pages.n > 0;
	if (!*parsed)
		return true;
	ok = is_sound(&pages, chunk, meta->row_groups[0].n_rows);
	*parsed = stbl_pq_parse_column_index(mem, meta, 0, c, bounds, n_bounds, &pages, &err);
	if (*parsed)
		for (int i = 0; i < pages.n; i++)
			stbl_pq_page_bounds(meta, c, &pages, i, &b);
	else
		ok = ok && err.kind == STBL_ERR_CORRUPT && pages.stats == NULL;
	if (ok)
	{
		const uint8_t **bytes = stbl_alloc0(mem, (size_t) pages.n * sizeof(uint8_t *));
		StblPqPart	part = {0, meta->row_groups[0].n_rows, &pages, bytes, file.data + chunk->offset};
		StblColVec	col;

		for (int i = 0; i < pages.n; i++)
			bytes[i] = file.data + pages.places[i].offset;
		init_column(&col, c);
		ok = stbl_pq_read_column_part(mem, meta, 0, c, &part, &col, &err) ? col.n_rows == 1000 :
			err.kind == STBL_ERR_CORRUPT || err.kind == STBL_ERR_UNSUPPORTED || err.kind == STBL_ERR_LIMIT;
		stbl_colvec_free(&col);
		stbl_free(mem, bytes);
	}
	return ok;
}

static void
test_hostile(void)
{
	bool		cuts = true,
				flips = true;
	bool		parsed;
	int			n_parsed = 0;

	make_file(1000, 1, 300, 0, STBL_PQ_UNCOMPRESSED, 0);
	for (int c = 0; c < N_COLS; c++)
	{
		const StblPqChunk *chunk = &meta->row_groups[0].chunks[c];
		size_t		n_o = chunk->offset_index.length,
					n_b = chunk->column_index.length;
		uint8_t    *o = stbl_alloc(mem, n_o);
		uint8_t    *b = stbl_alloc(mem, n_b);

		memcpy(o, file.data + chunk->offset_index.offset, n_o);
		memcpy(b, file.data + chunk->column_index.offset, n_b);
		for (size_t n = 0; n < n_o; n++)
		{
			uint8_t    *cut = stbl_alloc(mem, n + 1);

			memcpy(cut, o, n);
			cut = stbl_realloc(mem, cut, n);
			cuts = cuts && survives(c, cut, n, b, n_b, &parsed) && !parsed;
			stbl_free(mem, cut);
		}
		for (size_t n = 0; n < n_b; n++)
		{
			uint8_t    *cut = stbl_alloc(mem, n + 1);

			memcpy(cut, b, n);
			cut = stbl_realloc(mem, cut, n);
			cuts = cuts && survives(c, o, n_o, cut, n, &parsed) && !parsed;
			stbl_free(mem, cut);
		}
		for (size_t bit = 0; bit < (n_o + n_b) * 8; bit++)
		{
			uint8_t    *at = bit / 8 < n_o ? &o[bit / 8] : &b[bit / 8 - n_o];

			*at ^= (uint8_t) (1 << bit % 8);
			flips = flips && survives(c, o, n_o, b, n_b, &parsed);
			n_parsed += parsed;
			*at ^= (uint8_t) (1 << bit % 8);
		}
	}
	OK(cuts, "an index cut at each byte is an error");
	OK(flips && n_parsed > 0, "an index with each bit flipped is an error, or sound");
}

/* An offset index of our own making; whether it is one to go by. */
static bool
parse_places(int c, int n, const int64_t (*places)[3], StblPqPages *pages)
{
	StblBuf		buf;
	int			last = 0;

	stbl_buf_init(&buf, mem);
	stbl_tw_list(&buf, &last, 1, STBL_T_STRUCT, (size_t) n);
	for (int i = 0; i < n; i++)
	{
		int			inner = 0;

		stbl_tw_i64(&buf, &inner, 1, places[i][0]);
		stbl_tw_i32(&buf, &inner, 2, (int32_t) places[i][1]);
		stbl_tw_i64(&buf, &inner, 3, places[i][2]);
		stbl_tw_stop(&buf);
	}
	stbl_tw_stop(&buf);
	return stbl_pq_parse_offset_index(mem, meta, 0, c, buf.data, buf.len, pages, &err) && pages->n > 0;
}

static void
test_lies(void)
{
	const StblPqChunk *chunk;
	StblPqPages pages,
				lied;
	int64_t		at,
				len;

	make_file(1000, 1, 500, 0, STBL_PQ_UNCOMPRESSED, 0);
	chunk = &meta->row_groups[0].chunks[ASCENDING];
	at = (int64_t) chunk->offset;
	len = (int64_t) chunk->length;
	OK(!parse_places(ASCENDING, 1, (const int64_t[][3]) {{at - 1, 10, 0}}, &lied), "a page before its chunk");
	OK(!parse_places(ASCENDING, 1, (const int64_t[][3]) {{at, len + 1, 0}}, &lied), "a page beyond its chunk");
	OK(!parse_places(ASCENDING, 1, (const int64_t[][3]) {{at, len, 1}}, &lied), "rows before the first page");
	OK(!parse_places(ASCENDING, 1, (const int64_t[][3]) {{at, -1, 0}}, &lied), "a negative length");
	OK(!parse_places(ASCENDING, 1, (const int64_t[][3]) {{INT64_MAX, 1, 0}}, &lied), "an offset beyond all");
	OK(!parse_places(ASCENDING, 2, (const int64_t[][3]) {{at, 10, 0}, {at + 5, 10, 500}}, &lied), "pages that overlap");
	OK(!parse_places(ASCENDING, 2, (const int64_t[][3]) {{at, 10, 0}, {at + 10, 10, 0}}, &lied), "a page without rows");
	OK(!parse_places(ASCENDING, 2, (const int64_t[][3]) {{at, 10, 0}, {at + 10, 10, 1000}}, &lied), "a page behind the last row");
	OK(!parse_places(ASCENDING, 2, (const int64_t[][3]) {{at, 10, 700}, {at + 10, 10, 300}}, &lied), "pages out of order");
	OK(!parse_places(ASCENDING, 0, NULL, &lied), "no pages");

	/* sound by itself, but the pages do not hold what it says */
	for (int c = 0; c < N_COLS; c++)
	{
		const uint8_t *bytes[2];
		StblPqPart	part = {0, 1000, &lied, bytes, file.data + meta->row_groups[0].chunks[c].offset};
		StblColVec	col;
		bool		ok = get_pages(0, c, &pages) && pages.n == 2;
		int64_t		p[2][3] = {{(int64_t) pages.places[0].offset, (int64_t) pages.places[0].length, 0},
		{(int64_t) pages.places[1].offset, (int64_t) pages.places[1].length, 499}};

		ok = ok && parse_places(c, 2, (const int64_t (*)[3]) p, &lied);
		bytes[0] = file.data + lied.places[0].offset;
		bytes[1] = file.data + lied.places[1].offset;
		init_column(&col, c);
		OK(ok && !stbl_pq_read_column_part(mem, meta, 0, c, &part, &col, &err) && err.kind == STBL_ERR_CORRUPT,
		   "column %d: a page of other rows than said is an error", c);
		p[1][2] = 500;
		p[0][1]--;
		ok = ok && parse_places(c, 2, (const int64_t (*)[3]) p, &lied);
		OK(ok && !stbl_pq_read_column_part(mem, meta, 0, c, &part, &col, &err) && err.kind == STBL_ERR_CORRUPT,
		   "column %d: a page of another length than said is an error", c);
	}
}

int
main(void)
{
	arena_init(&arena);
	make_schema();
	test_written();
	test_parts(STBL_PQ_ZSTD, 0);
	test_parts(STBL_PQ_UNCOMPRESSED, 150);
	test_hostile();
	test_lies();
	arena_reset(&arena);
	DONE();
}
