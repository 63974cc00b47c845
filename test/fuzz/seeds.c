/*
 * Seeds for the targets whose inputs are bytes: each a file in
 * <directory>/<target>/, made by our own writers and by the tests' encoders.
 */
#include <lz4.h>
#include <roaring/roaring.h>
#include <snappy-c.h>
#include <stdio.h>
#include <libdeflate.h>
#include <zstd.h>

#include "delta/checkpoint.h"
#include "encoders.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

static StblMem *mem;
static StblError err;
static const char *directory;
static int	n_seeds;

static void
seed(const char *target, const StblBuf *b)
{
	char		path[512];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s/%s/made-%d", directory, target, n_seeds++);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(b->data, 1, b->len, f) != b->len || fclose(f) != 0)
	{
		perror(path);
		exit(1);
	}
}

static StblBuf
buf(void)
{
	StblBuf		b;

	stbl_buf_init(&b, mem);
	return b;
}

static void
make_texts(size_t n)
{
	for (size_t i = 0; i < n; i++)
		text_len[i] = (size_t) snprintf(texts[i], sizeof(texts[i]), "text %zu%s", i / 3, i % 4 == 0 ? "" : " and more");
}

/* ---- encodings, alone and in pages ---- */

typedef struct Sample
{
	int			target;			/* number in target_encoding.c */
	int			encoding;
	StblPqType	type;
	int			type_length;
	StblBuf		body;
} Sample;

#define N 40					/* values a page */

static int
samples(Sample *s)
{
	int64_t		integers[N];
	uint32_t	codes[N];
	uint8_t		bools[N];
	int			n = 0;

	make_texts(N);
	for (int i = 0; i < N; i++)
	{
		integers[i] = i * i * 1000 - 5000;
		codes[i] = (uint32_t) (i < 20 ? 3 : i % 7);
		bools[i] = i % 3 == 0;
	}
	for (int type = STBL_PQ_BOOLEAN; type <= STBL_PQ_FIXED; type++)
	{
		s[n] = (Sample) {0, STBL_PQ_ENC_PLAIN, (StblPqType) type, 5, buf()};
		if (type == STBL_PQ_BYTE_ARRAY)
			put_plain_texts(&s[n].body, N);
		else
			for (int i = 0; i < N * (type == STBL_PQ_BOOLEAN ? 1 : type == STBL_PQ_FIXED ? 5 : 12); i++)
				stbl_buf_u8(&s[n].body, (uint8_t) (i * 7));
		n++;
		s[n] = (Sample) {1, STBL_PQ_ENC_RLE_DICTIONARY, (StblPqType) type, 5, buf()};
		stbl_buf_u8(&s[n].body, 3);
		stbl_pq_rle_encode_u32(&s[n].body, codes, N, 3);
		n++;
	}
	s[n] = (Sample) {2, STBL_PQ_ENC_RLE, STBL_PQ_BOOLEAN, 0, buf()};
	stbl_pq_encode_levels(&s[n++].body, bools, N, 1);
	for (int is_32 = 0; is_32 < 2; is_32++)
	{
		s[n] = (Sample) {3, STBL_PQ_ENC_DELTA_BINARY_PACKED, is_32 ? STBL_PQ_INT32 : STBL_PQ_INT64, 0, buf()};
		put_deltas(&s[n++].body, integers, N, 128, 4, is_32);
	}
	s[n] = (Sample) {4, STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY, STBL_PQ_BYTE_ARRAY, 0, buf()};
	put_delta_lengths(&s[n++].body, N);
	s[n] = (Sample) {5, STBL_PQ_ENC_DELTA_BYTE_ARRAY, STBL_PQ_BYTE_ARRAY, 0, buf()};
	put_delta_strings(&s[n++].body, N);
	for (int type = STBL_PQ_INT32; type <= STBL_PQ_FIXED; type++)
		if (type != STBL_PQ_INT96 && type != STBL_PQ_BYTE_ARRAY)
		{
			s[n] = (Sample) {6, STBL_PQ_ENC_BYTE_STREAM_SPLIT, (StblPqType) type, 5, buf()};
			for (int i = 0; i < N * 8; i++)
				stbl_buf_u8(&s[n].body, (uint8_t) i);
			n++;
		}
	return n;
}

static void
squeeze(StblPqCodec codec, const StblBuf *in, StblBuf *out)
{
	size_t		n = in->len * 2 + 1000;
	uint8_t    *to = stbl_buf_reserve(out, n);
	struct libdeflate_compressor *z;

	switch (codec)
	{
		case STBL_PQ_SNAPPY:
			snappy_compress((const char *) in->data, in->len, (char *) to, &n);
			break;
		case STBL_PQ_GZIP:
			/* zlib's own frame is read as well as gzip's */
			z = libdeflate_alloc_compressor(6);
			n = libdeflate_zlib_compress(z, in->data, in->len, to, n);
			libdeflate_free_compressor(z);
			break;
		case STBL_PQ_ZSTD:
			n = ZSTD_compress(to, n, in->data, in->len, 1);
			break;
		case STBL_PQ_LZ4_RAW:
			n = (size_t) LZ4_compress_default((const char *) in->data, (char *) to, (int) in->len, (int) n);
			break;
		default:
			memcpy(to, in->data, in->len);
			n = in->len;
	}
	out->len += n;
}

/* levels: stored before the values, not compressed (version 2) or with them */
static void
put_page(StblBuf *out, int type, StblPqCodec codec, size_t n, int encoding, const StblBuf *levels, size_t rep_len, const StblBuf *values)
{
	StblBuf		stored = buf(),
				plain = buf();
	int			last = 0,
				inner = 0;
	size_t		size = levels->len + values->len;

	if (type == STBL_PQ_PAGE_DATA_V2)
	{
		stbl_buf_append(&stored, levels->data, levels->len);
		squeeze(codec, values, &stored);
	}
	else
	{
		stbl_buf_append(&plain, levels->data, levels->len);
		stbl_buf_append(&plain, values->data, values->len);
		squeeze(codec, &plain, &stored);
	}
	stbl_tw_i32(out, &last, 1, type);
	stbl_tw_i32(out, &last, 2, (int32_t) size);
	stbl_tw_i32(out, &last, 3, (int32_t) stored.len);
	stbl_tw_field(out, &last, type == STBL_PQ_PAGE_DATA ? 5 : type == STBL_PQ_PAGE_DICTIONARY ? 7 : 8, STBL_T_STRUCT);
	stbl_tw_i32(out, &inner, 1, (int32_t) n);
	if (type == STBL_PQ_PAGE_DATA_V2)
	{
		stbl_tw_i32(out, &inner, 2, 0);
		stbl_tw_i32(out, &inner, 3, (int32_t) n);
		stbl_tw_i32(out, &inner, 4, encoding);
		stbl_tw_i32(out, &inner, 5, (int32_t) (levels->len - rep_len));
		stbl_tw_i32(out, &inner, 6, (int32_t) rep_len);
	}
	else
	{
		stbl_tw_i32(out, &inner, 2, encoding);
		if (type == STBL_PQ_PAGE_DATA)
		{
			stbl_tw_i32(out, &inner, 3, STBL_PQ_ENC_RLE);
			stbl_tw_i32(out, &inner, 4, STBL_PQ_ENC_RLE);
		}
	}
	stbl_tw_stop(out);
	stbl_tw_stop(out);
	stbl_buf_append(out, stored.data, stored.len);
}

static void
put_dictionary(StblBuf *out, const Sample *s, StblPqCodec codec)
{
	StblBuf		values = buf(),
				none = buf();

	if (s->type == STBL_PQ_BYTE_ARRAY)
		put_plain_texts(&values, 7);
	else
		for (int i = 0; i < 7 * 12; i++)
			stbl_buf_u8(&values, (uint8_t) i);
	put_page(out, STBL_PQ_PAGE_DICTIONARY, codec, 7, STBL_PQ_ENC_PLAIN, &none, 0, &values);
}

/* Levels of a page of N values: of as many rows, one in four null; or of lists of four elements. */
static void
put_levels(StblBuf *levels, int shape, bool v2, size_t *n, size_t *rep_len)
{
	uint8_t		def[N * 2],
				rep[N * 2];
	StblBuf		part = buf();

	*n = *rep_len = 0;
	for (int i = 0, values = 0; values < N; i++)
	{
		bool		null = shape > 0 && i % 4 == 1;

		def[*n] = (uint8_t) (shape == 1 ? !null : null ? 1 : 3 - (shape == 3));
		rep[*n] = (uint8_t) (i % 4 > 1);
		values += !null;
		++*n;
	}
	if (shape >= 2)
	{
		stbl_pq_encode_levels(&part, rep, *n, 1);
		stbl_buf_append(levels, part.data + (v2 ? 4 : 0), part.len - (v2 ? 4 : 0));
		*rep_len = levels->len;
	}
	if (shape == 0)
		return;
	stbl_buf_reset(&part);
	stbl_pq_encode_levels(&part, def, *n, shape == 1 ? 1 : shape == 2 ? 3 : 2);
	stbl_buf_append(levels, part.data + (v2 ? 4 : 0), part.len - (v2 ? 4 : 0));
}

static void
chunk_seed(const Sample *s, int codec_no, StblPqCodec codec, int shape, bool v2)
{
	StblBuf		out = buf(),
				levels = buf();
	size_t		n,
				rep_len,
				n_rows = 0;

	put_levels(&levels, shape, v2, &n, &rep_len);
	for (size_t i = 0; i < n; i++)
		n_rows += shape < 2 || i % 4 <= 1;
	stbl_buf_u8(&out, (uint8_t) codec_no);
	stbl_buf_u8(&out, (uint8_t) shape);
	stbl_buf_u8(&out, (uint8_t) s->type);
	stbl_buf_u8(&out, (uint8_t) s->type_length);
	stbl_buf_u16le(&out, (uint16_t) (n * 2));
	stbl_buf_u16le(&out, (uint16_t) (n_rows * 2));
	if (s->encoding == STBL_PQ_ENC_RLE_DICTIONARY)
		put_dictionary(&out, s, codec);
	for (int page = 0; page < 2; page++)
		put_page(&out, v2 ? STBL_PQ_PAGE_DATA_V2 : STBL_PQ_PAGE_DATA, codec, n, s->encoding, &levels, rep_len, &s->body);
	seed("page", &out);
}

static void
encoding_seeds(void)
{
	static const StblPqCodec codecs[] = {STBL_PQ_UNCOMPRESSED, STBL_PQ_SNAPPY, STBL_PQ_GZIP, STBL_PQ_ZSTD, STBL_PQ_LZ4_RAW};
	Sample		s[64];
	int			n = samples(s);

	for (int i = 0; i < n; i++)
	{
		StblBuf		b = buf();

		stbl_buf_u8(&b, (uint8_t) s[i].target);
		stbl_buf_u8(&b, (uint8_t) s[i].type);
		stbl_buf_u8(&b, 4);
		stbl_buf_u16le(&b, N);
		stbl_buf_append(&b, s[i].body.data, s[i].body.len);
		seed("encoding", &b);
		for (int shape = 0; shape < 4; shape++)
			chunk_seed(&s[i], (i + shape) % 5, codecs[(i + shape) % 5], shape, (i + shape) % 2);
	}
}

/* ---- footers ---- */

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
	n.field_id = n_children == 0 ? 7 : -1;
	return n;
}

static void
footer_seed(StblPqLogical logical, StblPqType type)
{
	StblPqNode	n[5];
	StblPqSchema schema;
	StblPqOutChunk chunks[2];
	StblPqOutGroup groups[2];
	StblBuf		b = buf();

	memset(&schema, 0, sizeof(schema));
	memset(chunks, 0, sizeof(chunks));
	memset(groups, 0, sizeof(groups));
	n[0] = node("root", STBL_PQ_REQUIRED, 2, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	n[1] = node("x", STBL_PQ_OPTIONAL, 0, type, logical);
	n[1].type_length = 8;
	n[1].precision = 9;
	n[1].scale = 2;
	n[1].bits = 32;
	n[1].is_signed = true;
	n[2] = node("l", STBL_PQ_OPTIONAL, 1, STBL_PQ_BOOLEAN, STBL_PQL_LIST);
	n[3] = node("list", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	n[4] = node("element", STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_NONE);
	schema.nodes = n;
	schema.n_nodes = 5;
	if (!stbl_pq_schema_finish(mem, &schema, &err))
		exit(1);
	for (int i = 0; i < 2; i++)
	{
		chunks[i].has_dict = i;
		chunks[i].dict_offset = i ? 4 : 0;
		chunks[i].data_offset = 100;
		chunks[i].compressed = chunks[i].uncompressed = 500;
		chunks[i].n_values = 30;
		chunks[i].stats.has_null_count = true;
		chunks[i].stats.null_count = 3;
		chunks[i].stats.has_min_max = i == 0;
		chunks[i].stats.min = (uint8_t *) "\0\0\0\0\0\0\0";
		chunks[i].stats.max = (uint8_t *) "\1\1\1\1\1\1\1\1";
		chunks[i].stats.min_len = chunks[i].stats.max_len = type == STBL_PQ_BOOLEAN ? 1 : type == STBL_PQ_INT32 || type == STBL_PQ_FLOAT ? 4 : 8;
		groups[i].n_rows = 30;
		groups[i].chunks = chunks;
	}
	stbl_pq_write_footer(&b, &schema, groups, 2, 60, STBL_PQ_CREATED_BY);
	b.len -= 8;
	seed("footer", &b);
}

static void
footer_seeds(void)
{
	for (int logical = STBL_PQL_NONE; logical <= STBL_PQL_OTHER; logical++)
		footer_seed((StblPqLogical) logical, logical == STBL_PQL_DECIMAL ? STBL_PQ_FIXED : logical == STBL_PQL_DATE ? STBL_PQ_INT32 : STBL_PQ_INT64);
	for (int type = STBL_PQ_BOOLEAN; type <= STBL_PQ_FIXED; type++)
		footer_seed(STBL_PQL_NONE, (StblPqType) type);
}

/* ---- the page index of a chunk, and the chunk ---- */

static void
put_index_value(StblColVec *col, StblPqType type, int i)
{
	uint8_t		bytes[12];

	memset(bytes, i % 5, sizeof(bytes));
	bytes[0] = (uint8_t) (i * 7);
	if (type == STBL_PQ_BOOLEAN)
		bytes[0] &= 1;
	if (type == STBL_PQ_BYTE_ARRAY)
		stbl_vec_bytes(&col->elem, bytes, (size_t) i % 12);
	else
		stbl_vec_fixed(&col->elem, bytes);
}

/* As target_index.c reads it; few: of so few values that there is a dictionary. */
static void
index_seed(int shape, StblPqType type, bool few)
{
	StblPqNode	n[4];
	StblPqSchema schema;
	StblPqWriterOptions options = {STBL_PQ_UNCOMPRESSED, 0, 0, STBL_PQ_CREATED_BY, false, 40};
	StblColVec	col;
	const StblColVec *cols[1] = {&col};
	StblPqWriter *w;
	StblBuf		file = buf(),
				b = buf();
	StblPqMeta *meta;
	const StblPqChunk *chunk;
	uint64_t	footer_len;
	uint32_t	width;
	StblVecKind kind;

	memset(&schema, 0, sizeof(schema));
	n[0] = node("root", STBL_PQ_REQUIRED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	n[1] = node("x", shape == 0 ? STBL_PQ_REQUIRED : STBL_PQ_OPTIONAL, shape < 2 ? 0 : 1, type, shape < 2 ? STBL_PQL_NONE : STBL_PQL_LIST);
	n[2] = node("x", STBL_PQ_REPEATED, 1, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	n[3] = node("x", STBL_PQ_OPTIONAL, 0, type, STBL_PQL_NONE);
	n[1].type_length = n[3].type_length = 5;
	schema.nodes = n;
	schema.n_nodes = shape < 2 ? 2 : 4;
	if (!stbl_pq_schema_finish(mem, &schema, &err))
		exit(1);
	kind = stbl_pq_vec_kind(&n[schema.n_nodes - 1], &width);
	stbl_colvec_init(&col, mem, shape == 2, kind, width);
	for (int i = 0; i < 120; i++)
	{
		if (shape > 0 && i % 9 == 0)
		{
			stbl_colvec_null(&col);
			continue;
		}
		put_index_value(&col, type, few ? i % 4 : i);
		stbl_colvec_end_row(&col);
	}
	w = stbl_pq_writer_new(mem, &schema, &options);
	if (!stbl_pq_write_columns(w, 120, cols, &file, &err) || !stbl_pq_writer_finish(w, &file, &err) ||
		!stbl_pq_footer_length(file.data + file.len - 8, file.len, &footer_len, &err))
		exit(1);
	meta = stbl_pq_parse_footer(mem, file.data + file.len - footer_len, footer_len, file.len, &err);
	if (meta == NULL)
		exit(1);
	chunk = &meta->row_groups[0].chunks[0];
	stbl_buf_append(&b, (uint8_t[]) {(uint8_t) shape, (uint8_t) type, 0, 0, 0xfd, 119, 0, 0}, 8);
	stbl_buf_u16le(&b, (uint16_t) chunk->offset_index.length);
	stbl_buf_u16le(&b, (uint16_t) chunk->column_index.length);
	stbl_buf_append(&b, file.data + chunk->offset_index.offset, chunk->offset_index.length);
	stbl_buf_append(&b, file.data + chunk->column_index.offset, chunk->column_index.length);
	stbl_buf_append(&b, file.data + chunk->offset, chunk->length);
	seed("index", &b);
}

static void
index_seeds(void)
{
	for (int shape = 0; shape < 3; shape++)
		for (int type = STBL_PQ_BOOLEAN; type <= STBL_PQ_FIXED; type++)
			for (int few = 0; few < 2 && type != STBL_PQ_INT96; few++)
				index_seed(shape, (StblPqType) type, few);
}

/* ---- deletion vectors ---- */

static void
dv_seeds(void)
{
	static const char inline_dv[] = "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";

	for (int which = 0; which < 5; which++)
	{
		roaring_bitmap_t *r = roaring_bitmap_create();
		StblBuf		body = buf();

		for (uint32_t i = 0; i < (which == 0 ? 0 : which == 1 ? 6 : 9000); i++)
			roaring_bitmap_add(r, which == 2 ? i : which == 3 ? i * 2 : i * 100);
		if (which == 2)
			roaring_bitmap_run_optimize(r);
		stbl_dv_encode(r, &body);
		for (int form = 0; form < 2; form++)
		{
			StblBuf		b = buf();

			stbl_buf_u8(&b, (uint8_t) form);
			stbl_buf_u32le(&b, (uint32_t) roaring_bitmap_get_cardinality(r));
			stbl_buf_u32le(&b, (uint32_t) body.len);
			stbl_buf_append(&b, body.data, body.len);
			seed("dv", &b);
		}
		roaring_bitmap_free(r);
	}
	{
		StblBuf		b = buf();

		stbl_buf_u8(&b, 2);
		stbl_buf_u32le(&b, 6);
		stbl_buf_u32le(&b, 40);
		stbl_buf_puts(&b, inline_dv);
		seed("dv", &b);
	}
}

/* ---- checkpoints: of the actions that a seed of the target action holds ---- */

static void
checkpoint_seed(const char *actions_file)
{
	FILE	   *f = fopen(actions_file, "rb");
	char		text[65536];
	size_t		len = f == NULL ? 0 : fread(text, 1, sizeof(text), f);
	StblActions a;
	StblBuf		b = buf();
	int64_t		n;

	if (len == 0 || !stbl_actions_parse(mem, text, len, &a, &err) || !stbl_checkpoint_encode(mem, &a, &b, &n, &err))
	{
		fprintf(stderr, "no checkpoint of %s: %s\n", actions_file, err.message);
		exit(1);
	}
	fclose(f);
	seed("checkpoint", &b);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	directory = argv[1];
	mem = stbl_mem_malloc();
	encoding_seeds();
	footer_seeds();
	index_seeds();
	dv_seeds();
	checkpoint_seed(argv[2]);
	printf("# %d seeds\n", n_seeds);
	return 0;
}
