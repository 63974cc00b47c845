/*
 * Parquet, the shapes of it: what pages and dictionaries a chunk is made of,
 * lists of two levels, every annotation of the schema, old and new; and
 * claims of small files that would cost much memory if they were believed.
 */
#include "common/codec.h"
#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"
#include "unit.h"

/* An allocator that forgets all at once, and adds up what is asked of it. */
typedef struct Block
{
	struct Block *next,
			   *prev;
	size_t		size;
} Block;

static Block blocks = {&blocks, &blocks, 0};
static size_t held,
			most;

static void
arena_free(StblMem *m, void *ptr)
{
	Block	   *b = ptr == NULL ? NULL : (Block *) ptr - 1;

	(void) m;
	if (b == NULL)
		return;
	held -= b->size;
	b->prev->next = b->next;
	b->next->prev = b->prev;
	free(b);
}

static void *
arena_realloc(StblMem *m, void *ptr, size_t size)
{
	Block	   *b = malloc(sizeof(Block) + (size < SIZE_MAX / 2 ? size : 0));

	if (b == NULL || size > (size_t) 3 << 30)
	{
		printf("Bail out! request of %zu bytes\n", size);
		fflush(stdout);
		abort();
	}
	b->size = size;
	b->next = blocks.next;
	b->prev = &blocks;
	b->next->prev = b;
	blocks.next = b;
	held += size;
	most = held > most ? held : most;
	if (ptr != NULL)
	{
		size_t		old = ((Block *) ptr - 1)->size;

		memcpy(b + 1, ptr, old < size ? old : size);
		arena_free(m, ptr);
	}
	return b + 1;
}

static void *
arena_alloc(StblMem *m, size_t size)
{
	return arena_realloc(m, NULL, size);
}

static void
arena_reset(void)
{
	while (blocks.next != &blocks)
		arena_free(NULL, blocks.next + 1);
	most = 0;
}

static StblMem arena = {arena_alloc, arena_realloc, arena_free};
static StblMem *mem = &arena;
static StblError err;

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

	if (file->len < 12 || !stbl_pq_footer_length(file->data + file->len - 8, file->len, &len, &err))
		return NULL;
	return stbl_pq_parse_footer(mem, file->data + file->len - len, len, file->len, &err);
}

/* One file of one row group, its schema the caller's. */
static StblPqNode nodes[64];
static StblPqSchema schema;
static StblBuf file;

/* For looking at with another reader. */
static void
keep(const char *name)
{
	const char *dir = getenv("PARQUET_KEEP");
	char		path[512];
	FILE	   *f;

	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s.parquet", dir, name);
	f = fopen(path, "wb");
	if (f != NULL)
	{
		fwrite(file.data, 1, file.len, f);
		fclose(f);
	}
}

static bool
write_file(const StblColVec *const *cols, size_t n_rows, StblPqCodec codec, size_t page_bytes)
{
	StblPqWriterOptions options = {codec, 1, page_bytes, NULL, true, 0};
	StblPqWriter *w;

	schema.nodes = nodes;
	if (!stbl_pq_schema_finish(mem, &schema, &err))
		return false;
	w = stbl_pq_writer_new(mem, &schema, &options);
	stbl_buf_init(&file, mem);
	return stbl_pq_write_columns(w, n_rows, cols, &file, &err) && stbl_pq_writer_finish(w, &file, &err);
}

static void
init_column(StblColVec *col, const StblPqNode *leaf, bool is_list)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(leaf, &width);

	stbl_colvec_init(col, mem, is_list, kind, width);
}

/* ---- pages ---- */

typedef struct Pages
{
	bool		sound;
	int			n_dict;
	int			n_data;
	int64_t		n_values;
	int64_t		largest;		/* uncompressed */
	int64_t		encoding;		/* of the data pages */
} Pages;

static void
walk_header(StblCursor *cur, int64_t *head, int64_t *inner)
{
	StblThriftField f;
	int			last = 0;

	memset(head, 0xff, 9 * sizeof(int64_t));
	memset(inner, 0xff, 9 * sizeof(int64_t));
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.type == STBL_T_I32 && f.id < 9)
			head[f.id] = stbl_tr_int(cur);
		else if (f.type == STBL_T_STRUCT)
		{
			StblThriftField g;
			int			inner_last = 0;

			while (stbl_tr_field(cur, &inner_last, &g))
			{
				if (g.type == STBL_T_I32 && g.id < 9)
					inner[g.id] = stbl_tr_int(cur);
				else
					stbl_tr_skip(cur, g.type, 0);
			}
		}
		else
			stbl_tr_skip(cur, f.type, 0);
	}
}

/* What a chunk of ours is made of; sound if its sizes, counts and checksums hold. */
static Pages
walk(const StblPqChunk *chunk)
{
	Pages		p;
	StblCursor	cur;

	memset(&p, 0, sizeof(p));
	p.sound = true;
	p.encoding = -1;
	stbl_cursor_init(&cur, file.data + chunk->offset, chunk->length);
	while (p.sound && stbl_cursor_left(&cur) > 0)
	{
		int64_t		head[9],
					inner[9];
		const uint8_t *body;

		walk_header(&cur, head, inner);
		body = cur.failed || head[3] < 0 ? NULL : stbl_cursor_bytes(&cur, (size_t) head[3]);
		if (body == NULL || (uint32_t) head[4] != stbl_crc32(0, body, (size_t) head[3]))
			p.sound = false;
		else if (head[1] == STBL_PQ_PAGE_DICTIONARY)
		{
			p.sound = p.n_data == 0 && p.n_dict == 0 && inner[2] == STBL_PQ_ENC_PLAIN;
			p.n_dict++;
		}
		else
		{
			p.sound = head[1] == STBL_PQ_PAGE_DATA && (p.n_data == 0 || inner[2] == p.encoding);
			p.encoding = inner[2];
			p.n_values += inner[1];
			p.largest = head[2] > p.largest ? head[2] : p.largest;
			p.n_data++;
		}
	}
	p.sound = p.sound && p.n_values == chunk->n_values;
	return p;
}

static void
test_pages(void)
{
	StblColVec	cols[4];
	const StblColVec *list[4];
	StblPqMeta *meta;
	Pages		p;

	memset(&schema, 0, sizeof(schema));
	nodes[0] = node("root", STBL_PQ_REQUIRED, 4, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[1] = node("few", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	nodes[2] = node("many", STBL_PQ_REQUIRED, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	nodes[3] = node("bool", STBL_PQ_REQUIRED, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[4] = node("late", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_NONE);
	schema.n_nodes = 5;
	for (int c = 0; c < 4; c++)
	{
		init_column(&cols[c], &nodes[c + 1], false);
		list[c] = &cols[c];
	}
	for (int64_t i = 0; i < 300000; i++)
	{
		char		text[32];

		stbl_vec_bytes(&cols[0].elem, text, (size_t) snprintf(text, sizeof(text), "value %d", (int) (i % 50)));
		stbl_vec_fixed(&cols[1].elem, &i);
		stbl_vec_fixed(&cols[2].elem, i % 2 ? "\1" : "\0");

		/* repeats at first, so that a dictionary is begun and must be given up */
		stbl_vec_bytes(&cols[3].elem, text, (size_t) snprintf(text, sizeof(text), "value %d", (int) (i < 20000 ? i % 50 : i)));
		for (int c = 0; c < 4; c++)
			stbl_colvec_end_row(&cols[c]);
	}
	meta = write_file(list, 300000, STBL_PQ_UNCOMPRESSED, 0) ? parse(&file) : NULL;
	OK(meta != NULL, "300000 rows are written");
	if (meta == NULL)
		return;
	p = walk(&meta->row_groups[0].chunks[0]);
	OK(p.sound && p.n_dict == 1 && p.encoding == STBL_PQ_ENC_RLE_DICTIONARY, "few values: a dictionary, %d pages", p.n_data);
	p = walk(&meta->row_groups[0].chunks[1]);
	OK(p.sound && p.n_dict == 0 && p.encoding == STBL_PQ_ENC_PLAIN && p.n_data == 3 && p.largest <= 1024 * 1024,
	   "values that differ: PLAIN, %d pages of up to %lld bytes", p.n_data, (long long) p.largest);
	p = walk(&meta->row_groups[0].chunks[2]);
	OK(p.sound && p.n_dict == 0 && p.encoding == STBL_PQ_ENC_PLAIN && p.n_data == 1, "booleans: never a dictionary");
	p = walk(&meta->row_groups[0].chunks[3]);
	OK(p.sound && p.n_dict == 0 && p.encoding == STBL_PQ_ENC_PLAIN && p.largest <= 1024 * 1024 + 100000,
	   "a dictionary that grows too large is given up, %d pages of up to %lld bytes", p.n_data, (long long) p.largest);
	arena_reset();
}

/* A dictionary is given up before it has taken in many wide values. */
static void
test_wide_values(void)
{
	size_t		len = 200 * 1000;
	char	   *text = malloc(len);
	StblPqDict	dict;
	StblVec		v;
	bool		built;

	memset(text, 'x', len);
	memset(&dict, 0, sizeof(dict));
	dict.mem = mem;
	stbl_vec_init(&v, mem, STBL_VEC_BYTES, 0);
	for (int i = 0; i < 300; i++)
	{
		memcpy(text, &i, sizeof(i));
		stbl_vec_bytes(&v, text, len);
	}
	most = held;
	len = held;
	built = stbl_pq_dict_build(&dict, &v);
	OK(!built && most - len < (size_t) 8 << 20, "wide values: no dictionary, and %zu bytes taken to find out", most - len);
	free(text);
	arena_reset();
}

/* ---- lists ---- */

/* Rows: [1, 2], null or [], [], [3], [4, null, 5] as far as the schema can say so. */
static bool
list_trip(const char *what, int n_nodes, bool null_lists, bool null_elements)
{
	StblColVec	col,
				back;
	const StblColVec *list[1];
	const StblPqNode *leaf = &nodes[n_nodes - 1];
	StblPqMeta *meta;
	bool		ok;
	int64_t		x = 0;
	char		name[32];

	memset(&schema, 0, sizeof(schema));
	schema.n_nodes = n_nodes;
	init_column(&col, leaf, true);
	init_column(&back, leaf, true);
	list[0] = &col;
	for (int row = 0; row < 500; row++)
	{
		if (row % 5 == 1 && null_lists)
		{
			stbl_colvec_null(&col);
			continue;
		}
		for (int k = 0; row % 5 != 1 && row % 5 != 2 && k < (row % 5 == 0 ? 2 : row % 5 == 3 ? 1 : 3); k++)
		{
			x++;
			if (row % 5 == 4 && k == 1 && null_elements)
				stbl_vec_null(&col.elem);
			else
				stbl_vec_fixed(&col.elem, &x);
		}
		stbl_colvec_end_row(&col);
	}
	meta = write_file(list, 500, STBL_PQ_ZSTD, 200) ? parse(&file) : NULL;
	ok = meta != NULL && walk(&meta->row_groups[0].chunks[0]).sound &&
		stbl_pq_read_column(mem, meta, 0, 0, file.data + meta->row_groups[0].chunks[0].offset, meta->row_groups[0].chunks[0].length,
							&back, &err) &&
		back.n_rows == 500 && back.elem.n == col.elem.n && back.elem.n_null == col.elem.n_null &&
		memcmp(back.row_valid, col.row_valid, 500) == 0 && memcmp(back.row_offsets, col.row_offsets, 501 * sizeof(uint64_t)) == 0 &&
		memcmp(back.elem.valid, col.elem.valid, col.elem.n) == 0 &&
		memcmp(back.elem.values, col.elem.values, col.elem.n * sizeof(int64_t)) == 0;
	OK(ok, "%s", what);
	if (!ok)
		printf("# %s\n", err.message);
	snprintf(name, sizeof(name), "list%d%d%d", n_nodes, null_lists, null_elements);
	keep(name);
	return ok;
}

static void
test_lists(void)
{
	StblColVec	col;
	const StblColVec *list[1];

	nodes[0] = node("root", STBL_PQ_REQUIRED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[1] = node("l", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST);
	nodes[2] = node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[3] = node("element", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	list_trip("list of three levels: null, empty, null elements", 4, true, true);
	nodes[1].repetition = STBL_PQ_REQUIRED;
	list_trip("required list of three levels", 4, false, true);
	nodes[1].repetition = STBL_PQ_OPTIONAL;
	nodes[3].repetition = STBL_PQ_REQUIRED;
	list_trip("list of three levels, elements required", 4, true, false);
	nodes[2] = node("array", STBL_PQ_REPEATED, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	list_trip("list of two levels: null and empty", 3, true, false);
	nodes[1].repetition = STBL_PQ_REQUIRED;
	list_trip("required list of two levels", 3, false, false);
	nodes[1] = node("l", STBL_PQ_REPEATED, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	list_trip("a repeated field that stands alone", 2, false, false);

	init_column(&col, &nodes[1], true);
	list[0] = &col;
	stbl_colvec_null(&col);
	memset(&schema, 0, sizeof(schema));
	schema.n_nodes = 2;
	OK(!write_file(list, 1, STBL_PQ_ZSTD, 0) && err.kind == STBL_ERR_INVALID, "a null list is refused where none can be: %s", err.message);
	arena_reset();
}

/* ---- annotations ---- */

static StblPqNode
annotated(const char *name, StblPqType type, StblPqLogical logical, int a, int b)
{
	StblPqNode	n = node(name, STBL_PQ_OPTIONAL, 0, type, logical);

	if (logical == STBL_PQL_DECIMAL)
	{
		n.precision = a;
		n.scale = b;
		if (type == STBL_PQ_FIXED)
			n.type_length = stbl_pq_decimal_length(a);
	}
	else if (logical == STBL_PQL_INT)
	{
		n.bits = a;
		n.is_signed = b;
	}
	else if (type == STBL_PQ_FIXED)
		n.type_length = a;
	else
		n.utc = a;
	return n;
}

static int
every_annotation(StblPqNode *n)
{
	int			count = 0;

	n[count++] = annotated("str", STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING, 0, 0);
	n[count++] = annotated("enum", STBL_PQ_BYTE_ARRAY, STBL_PQL_ENUM, 0, 0);
	n[count++] = annotated("json", STBL_PQ_BYTE_ARRAY, STBL_PQL_JSON, 0, 0);
	n[count++] = annotated("bson", STBL_PQ_BYTE_ARRAY, STBL_PQL_BSON, 0, 0);
	n[count++] = annotated("bin", STBL_PQ_BYTE_ARRAY, STBL_PQL_NONE, 0, 0);
	n[count++] = annotated("uuid", STBL_PQ_FIXED, STBL_PQL_UUID, 16, 0);
	n[count++] = annotated("fix", STBL_PQ_FIXED, STBL_PQL_NONE, 3, 0);
	n[count++] = annotated("date", STBL_PQ_INT32, STBL_PQL_DATE, 0, 0);
	for (int utc = 0; utc < 2; utc++)
	{
		n[count++] = annotated("time_ms", STBL_PQ_INT32, STBL_PQL_TIME_MS, utc, 0);
		n[count++] = annotated("time_us", STBL_PQ_INT64, STBL_PQL_TIME_US, utc, 0);
		n[count++] = annotated("time_ns", STBL_PQ_INT64, STBL_PQL_TIME_NS, utc, 0);
		n[count++] = annotated("ts_ms", STBL_PQ_INT64, STBL_PQL_TIMESTAMP_MS, utc, 0);
		n[count++] = annotated("ts_us", STBL_PQ_INT64, STBL_PQL_TIMESTAMP_US, utc, 0);
		n[count++] = annotated("ts_ns", STBL_PQ_INT64, STBL_PQL_TIMESTAMP_NS, utc, 0);
	}
	for (int is_signed = 0; is_signed < 2; is_signed++)
		for (int bits = 8; bits <= 64; bits *= 2)
			n[count++] = annotated("int", bits == 64 ? STBL_PQ_INT64 : STBL_PQ_INT32, STBL_PQL_INT, bits, is_signed);
	n[count++] = annotated("dec32", STBL_PQ_INT32, STBL_PQL_DECIMAL, 9, 2);
	n[count++] = annotated("dec64", STBL_PQ_INT64, STBL_PQL_DECIMAL, 18, 4);
	for (int precision = 1; precision <= 38; precision += 3)
		n[count++] = annotated("dec", STBL_PQ_FIXED, STBL_PQL_DECIMAL, precision, precision / 2);
	return count;
}

static bool
same_annotation(const StblPqNode *a, const StblPqNode *b)
{
	return a->type == b->type && a->logical == b->logical && a->utc == b->utc && a->bits == b->bits && a->is_signed == b->is_signed &&
		a->precision == b->precision && a->scale == b->scale && (a->type != STBL_PQ_FIXED || a->type_length == b->type_length);
}

static void
test_annotations(void)
{
	int			n = every_annotation(nodes + 1);
	static char names[64][24];
	StblColVec	cols[64];
	const StblColVec *list[64];
	StblPqMeta *meta;

	memset(&schema, 0, sizeof(schema));
	nodes[0] = node("root", STBL_PQ_REQUIRED, n, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	schema.n_nodes = n + 1;
	for (int c = 0; c < n; c++)
	{
		snprintf(names[c], sizeof(names[c]), "%s_%d", nodes[c + 1].name, c);
		nodes[c + 1].name = names[c];
		init_column(&cols[c], &nodes[c + 1], false);
		list[c] = &cols[c];
		for (int row = 0; row < 100; row++)
		{
			uint8_t		value[16];

			/* small numbers, little-endian or big-endian, so that every other reader can show them */
			memset(value, 0, sizeof(value));
			value[cols[c].elem.kind == STBL_VEC_FIXED ? cols[c].elem.width - 1 : 0] = (uint8_t) (row % 10);
			if (row % 6 == 3)
				stbl_colvec_null(&cols[c]);
			else
			{
				if (cols[c].elem.kind == STBL_VEC_BYTES)
					stbl_vec_bytes(&cols[c].elem, "abcdefghijklmnop", (size_t) row % 16);
				else
					stbl_vec_fixed(&cols[c].elem, value);
				stbl_colvec_end_row(&cols[c]);
			}
		}
	}
	meta = write_file(list, 100, STBL_PQ_ZSTD, 0) ? parse(&file) : NULL;
	OK(meta != NULL && meta->schema.n_leaves == n, "a column of each of %d annotations is written", n);
	keep("annotations");
	for (int c = 0; meta != NULL && c < n; c++)
	{
		const StblPqChunk *chunk = &meta->row_groups[0].chunks[c];
		StblColVec	back;
		bool		ok;

		init_column(&back, &nodes[c + 1], false);
		ok = same_annotation(&nodes[c + 1], &meta->schema.nodes[c + 1]) &&
			stbl_pq_read_column(mem, meta, 0, c, file.data + chunk->offset, chunk->length, &back, &err) &&
			back.elem.n == 100 && memcmp(back.elem.valid, cols[c].elem.valid, 100) == 0;
		if (ok && back.elem.kind == STBL_VEC_BYTES)
			ok = memcmp(back.elem.offsets, cols[c].elem.offsets, 101 * sizeof(uint64_t)) == 0 &&
				memcmp(back.elem.bytes, cols[c].elem.bytes, back.elem.offsets[100]) == 0;
		else if (ok)
			ok = memcmp(back.elem.values, cols[c].elem.values, (size_t) 100 * back.elem.width) == 0;
		OK(ok, "annotation %d, type %d: %s", (int) nodes[c + 1].logical, (int) nodes[c + 1].type, nodes[c + 1].name);
	}
	arena_reset();
}

/* Schemas of writers that know the old annotations alone. */
static void
test_old_annotations(void)
{
	/* by number: what the old annotation is understood as */
	static const struct
	{
		StblPqLogical logical;
		int			bits;
		bool		is_signed;
		bool		utc;
	}			old[] = {
		{STBL_PQL_STRING, 0, 0, 0}, {STBL_PQL_MAP, 0, 0, 0}, {STBL_PQL_MAP, 0, 0, 0}, {STBL_PQL_LIST, 0, 0, 0}, {STBL_PQL_ENUM, 0, 0, 0},
		{STBL_PQL_DECIMAL, 0, 0, 0}, {STBL_PQL_DATE, 0, 0, 0}, {STBL_PQL_TIME_MS, 0, 0, 1}, {STBL_PQL_TIME_US, 0, 0, 1},
		{STBL_PQL_TIMESTAMP_MS, 0, 0, 1}, {STBL_PQL_TIMESTAMP_US, 0, 0, 1}, {STBL_PQL_INT, 8, 0, 0}, {STBL_PQL_INT, 16, 0, 0},
		{STBL_PQL_INT, 32, 0, 0}, {STBL_PQL_INT, 64, 0, 0}, {STBL_PQL_INT, 8, 1, 0}, {STBL_PQL_INT, 16, 1, 0}, {STBL_PQL_INT, 32, 1, 0},
		{STBL_PQL_INT, 64, 1, 0}, {STBL_PQL_JSON, 0, 0, 0}, {STBL_PQL_BSON, 0, 0, 0}, {STBL_PQL_OTHER, 0, 0, 0}, {STBL_PQL_OTHER, 0, 0, 0}};
	int			n = (int) (sizeof(old) / sizeof(old[0]));
	StblBuf		b;
	StblCursor	cur;
	StblPqSchema s;
	bool		ok;

	stbl_buf_init(&b, mem);
	stbl_buf_u8(&b, 0xf0 | STBL_T_STRUCT);
	stbl_buf_varint(&b, (uint64_t) n + 1);
	for (int i = -1; i < n; i++)
	{
		int			last = 0;

		if (i >= 0)
		{
			stbl_tw_i32(&b, &last, 1, STBL_PQ_INT64);
			stbl_tw_i32(&b, &last, 3, STBL_PQ_OPTIONAL);
		}
		stbl_tw_binary(&b, &last, 4, "x", 1);
		if (i < 0)
			stbl_tw_i32(&b, &last, 5, n);
		else
			stbl_tw_i32(&b, &last, 6, i);
		stbl_tw_stop(&b);
	}
	stbl_cursor_init(&cur, b.data, b.len);
	ok = stbl_pq_parse_schema(mem, &cur, &s, &err) && s.n_leaves == n;
	for (int i = 0; ok && i < n; i++)
	{
		const StblPqNode *x = &s.nodes[i + 1];

		ok = x->logical == old[i].logical && x->bits == old[i].bits && x->is_signed == old[i].is_signed && x->utc == old[i].utc;
		if (!ok)
			printf("# annotation %d\n", i);
	}
	OK(ok, "annotations of old writers are understood");
	arena_reset();
}

/* ---- claims ---- */

static StblBuf chunk_bytes;

/* A page of len bytes, stored as they are, that says of itself what it likes. */
static void
claim(int type, int64_t n_values, int encoding, int64_t def_len, int64_t rep_len, const void *body, size_t len)
{
	int			last = 0,
				inner = 0;
	bool		v2 = type == STBL_PQ_PAGE_DATA_V2;

	stbl_tw_i32(&chunk_bytes, &last, 1, type);
	stbl_tw_i32(&chunk_bytes, &last, 2, (int32_t) len);
	stbl_tw_i32(&chunk_bytes, &last, 3, (int32_t) len);
	stbl_tw_field(&chunk_bytes, &last, v2 ? 8 : 5, STBL_T_STRUCT);
	stbl_tw_i32(&chunk_bytes, &inner, 1, (int32_t) n_values);
	stbl_tw_i32(&chunk_bytes, &inner, v2 ? 4 : 2, encoding);
	if (v2)
	{
		/* I32 by its type, of any size by its varint */
		stbl_tw_field(&chunk_bytes, &inner, 5, STBL_T_I32);
		stbl_buf_zigzag(&chunk_bytes, def_len);
		stbl_tw_field(&chunk_bytes, &inner, 6, STBL_T_I32);
		stbl_buf_zigzag(&chunk_bytes, rep_len);
	}
	stbl_tw_stop(&chunk_bytes);
	stbl_tw_stop(&chunk_bytes);
	stbl_buf_append(&chunk_bytes, body, len);
}

/* Reads the chunk of such pages as the one column nodes[1] (or a list of it). */
static bool
read_claim(int n_nodes, int64_t n_values, int64_t n_rows, StblPqCodec codec)
{
	StblPqMeta	meta;
	StblPqRowGroup group;
	StblPqChunk chunk;
	StblColVec	col;
	bool		ok;

	memset(&meta, 0, sizeof(meta));
	memset(&group, 0, sizeof(group));
	memset(&chunk, 0, sizeof(chunk));
	meta.schema.nodes = nodes;
	meta.schema.n_nodes = n_nodes;
	if (!stbl_pq_schema_finish(mem, &meta.schema, &err))
		return false;
	meta.row_groups = &group;
	meta.n_row_groups = 1;
	meta.n_rows = group.n_rows = n_rows;
	group.chunks = &chunk;
	chunk.codec = codec;
	chunk.offset = 4;
	chunk.length = chunk_bytes.len;
	chunk.n_values = n_values;
	init_column(&col, &nodes[n_nodes - 1], n_nodes > 2);
	held = most = 0;
	ok = stbl_pq_read_column(mem, &meta, 0, 0, chunk_bytes.data, chunk_bytes.len, &col, &err);
	return ok;
}

static void
test_claims(void)
{
	StblBuf		run;

	nodes[0] = node("root", STBL_PQ_REQUIRED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[1] = node("x", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	stbl_buf_init(&chunk_bytes, mem);
	claim(STBL_PQ_PAGE_DATA_V2, 8, STBL_PQ_ENC_PLAIN, INT64_MAX, INT64_MAX, "12345678", 8);
	OK(!read_claim(2, 8, 8, STBL_PQ_UNCOMPRESSED) && err.kind == STBL_ERR_CORRUPT, "lengths of levels whose sum overflows: %s", err.message);
	stbl_buf_reset(&chunk_bytes);
	claim(STBL_PQ_PAGE_DATA_V2, 8, STBL_PQ_ENC_PLAIN, INT64_MIN, INT64_MIN, "12345678", 8);
	OK(!read_claim(2, 8, 8, STBL_PQ_UNCOMPRESSED) && err.kind == STBL_ERR_CORRUPT, "and negative ones: %s", err.message);

	/* 40 pages of 50 million nulls in 400 bytes */
	stbl_buf_init(&run, mem);
	stbl_buf_u32le(&run, 5);
	stbl_buf_varint(&run, UINT64_C(50000000) << 1);
	stbl_buf_u8(&run, 0);
	run.data[0] = (uint8_t) (run.len - 4);
	stbl_buf_reset(&chunk_bytes);
	for (int i = 0; i < 40; i++)
		claim(STBL_PQ_PAGE_DATA, 50000000, STBL_PQ_ENC_PLAIN, 0, 0, run.data, run.len);
	OK(!read_claim(2, INT64_C(2000000000), INT64_C(2000000000), STBL_PQ_UNCOMPRESSED) && err.kind == STBL_ERR_LIMIT &&
	   most < (size_t) 256 << 20, "two billion nulls in %zu bytes: %s", chunk_bytes.len, err.message);

	/* nulls of a column whose values would be a mebibyte each */
	nodes[1] = node("x", STBL_PQ_OPTIONAL, 0, STBL_PQ_FIXED, STBL_PQL_NONE);
	nodes[1].type_length = 1024 * 1024;
	stbl_buf_reset(&run);
	stbl_buf_u32le(&run, 0);
	stbl_buf_varint(&run, UINT64_C(1000000) << 1);
	stbl_buf_u8(&run, 0);
	run.data[0] = (uint8_t) (run.len - 4);
	stbl_buf_reset(&chunk_bytes);
	claim(STBL_PQ_PAGE_DATA, 1000000, STBL_PQ_ENC_PLAIN, 0, 0, run.data, run.len);
	OK(!read_claim(2, 1000000, 1000000, STBL_PQ_UNCOMPRESSED) && err.kind == STBL_ERR_LIMIT && most < (size_t) 64 << 20,
	   "a million nulls of a mebibyte each: %s", err.message);

	/* the same as elements of one list */
	nodes[2] = node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	nodes[3] = nodes[1];
	nodes[1] = node("l", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST);
	stbl_buf_reset(&run);
	stbl_buf_u32le(&run, 0);
	stbl_buf_u8(&run, 1 << 1);
	stbl_buf_u8(&run, 0);
	stbl_buf_varint(&run, UINT64_C(999999) << 1);
	stbl_buf_u8(&run, 1);
	run.data[0] = (uint8_t) (run.len - 4);
	{
		size_t		at = run.len;

		stbl_buf_u32le(&run, 0);
		stbl_buf_varint(&run, UINT64_C(1000000) << 1);
		stbl_buf_u8(&run, 2);
		run.data[at] = (uint8_t) (run.len - at - 4);
	}
	stbl_buf_reset(&chunk_bytes);
	claim(STBL_PQ_PAGE_DATA, 1000000, STBL_PQ_ENC_PLAIN, 0, 0, run.data, run.len);
	OK(!read_claim(4, 1000000, 1, STBL_PQ_UNCOMPRESSED) && err.kind == STBL_ERR_LIMIT && most < (size_t) 64 << 20,
	   "a list of a million such nulls: %s", err.message);

	arena_reset();
}

/* What is wrong with a compressed page is told with the name of its column. */
static void
test_compressions(void)
{
	nodes[0] = node("root", STBL_PQ_REQUIRED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	stbl_buf_init(&chunk_bytes, mem);
	nodes[1] = node("x", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
	for (int codec = 3; codec <= 8; codec++)
	{
		if (codec == STBL_PQ_ZSTD || codec == STBL_PQ_LZ4_RAW)
			continue;
		stbl_buf_reset(&chunk_bytes);
		claim(STBL_PQ_PAGE_DATA, 8, STBL_PQ_ENC_PLAIN, 0, 0, "12345678", 8);
		OK(!read_claim(2, 8, 8, (StblPqCodec) codec) && err.kind == STBL_ERR_UNSUPPORTED && strstr(err.message, "\"x\"") != NULL,
		   "codec %d: %s", codec, err.message);
	}
	stbl_buf_reset(&chunk_bytes);
	claim(STBL_PQ_PAGE_DATA, 8, STBL_PQ_ENC_PLAIN, 0, 0, "12345678", 8);
	OK(!read_claim(2, 8, 8, STBL_PQ_ZSTD) && err.kind == STBL_ERR_CORRUPT && strstr(err.message, "\"x\"") != NULL, "what does not decompress: %s",
	   err.message);
	arena_reset();
}

int
main(void)
{
	test_pages();
	test_wide_values();
	test_lists();
	test_annotations();
	test_old_annotations();
	test_claims();
	test_compressions();
	DONE();
}
