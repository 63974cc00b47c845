/*
 * Parquet from elsewhere, and broken Parquet: pages of other writers put
 * together by hand; then every cut and every flipped bit of small files.  For
 * broken bytes any answer will do but a crash, a hang, or a huge request for
 * memory.
 */
#include <lz4.h>
#include <snappy-c.h>
#include <libdeflate.h>
#include <zstd.h>

#include "common/codec.h"
#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"
#include "capped.h"
#include "unit.h"

static StblError err;

static StblMem *mem = &arena;

static StblPqNode
leaf_node(const char *name, StblPqRepetition repetition, StblPqType type, StblPqLogical logical)
{
	StblPqNode	n;

	memset(&n, 0, sizeof(n));
	n.name = name;
	n.repetition = repetition;
	n.type = type;
	n.logical = logical;
	n.field_id = -1;
	return n;
}

static StblPqNode
group_node(const char *name, StblPqRepetition repetition, int n_children, StblPqLogical logical)
{
	StblPqNode	n = leaf_node(name, repetition, STBL_PQ_BOOLEAN, logical);

	n.n_children = n_children;
	return n;
}

static StblPqMeta *
parse(const uint8_t *file, size_t len)
{
	uint64_t	footer_len;

	if (len < 12)
	{
		stbl_fail(&err, STBL_ERR_CORRUPT, "too short");
		return NULL;
	}
	if (!stbl_pq_footer_length(file + len - 8, len, &footer_len, &err))
		return NULL;
	return stbl_pq_parse_footer(mem, file + len - footer_len, footer_len, len, &err);
}

/* ---- files of other writers ---- */

static void
pack_body(StblPqCodec codec, const StblBuf *in, StblBuf *out)
{
	uint8_t    *to = stbl_buf_reserve(out, in->len * 2 + 1000);
	size_t		n = in->len * 2 + 1000;
	struct libdeflate_compressor *z;

	switch (codec)
	{
		case STBL_PQ_SNAPPY:
			snappy_compress((const char *) in->data, in->len, (char *) to, &n);
			break;
		case STBL_PQ_GZIP:
			z = libdeflate_alloc_compressor(6);
			n = libdeflate_gzip_compress(z, in->data, in->len, to, n);
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
	out->data[out->len] = 0;
}

static StblPqCodec hand_codec;
static bool hand_crc;
static StblBuf hand_file;

/* Appends a page: prefix is stored as it is (version 2), body compressed. */
static void
hand_page(int type, int n, int n_nulls, int encoding, const StblBuf *prefix, int def_len, const StblBuf *body)
{
	StblBuf		stored;
	int			last = 0,
				inner = 0;
	size_t		prefix_len = prefix == NULL ? 0 : prefix->len;

	stbl_buf_init(&stored, mem);
	if (prefix != NULL)
		stbl_buf_append(&stored, prefix->data, prefix->len);
	pack_body(hand_codec, body, &stored);
	stbl_tw_i32(&hand_file, &last, 1, type);
	stbl_tw_i32(&hand_file, &last, 2, (int32_t) (body->len + prefix_len));
	stbl_tw_i32(&hand_file, &last, 3, (int32_t) stored.len);
	if (hand_crc)
		stbl_tw_i32(&hand_file, &last, 4, (int32_t) stbl_crc32(0, stored.data, stored.len));
	stbl_tw_field(&hand_file, &last, type == STBL_PQ_PAGE_DATA ? 5 : type == STBL_PQ_PAGE_DICTIONARY ? 7 : 8, STBL_T_STRUCT);
	stbl_tw_i32(&hand_file, &inner, 1, n);
	if (type == STBL_PQ_PAGE_DATA_V2)
	{
		stbl_tw_i32(&hand_file, &inner, 2, n_nulls);
		stbl_tw_i32(&hand_file, &inner, 3, n);
		stbl_tw_i32(&hand_file, &inner, 4, encoding);
		stbl_tw_i32(&hand_file, &inner, 5, def_len);
		stbl_tw_i32(&hand_file, &inner, 6, (int) prefix_len - def_len);
	}
	else
	{
		stbl_tw_i32(&hand_file, &inner, 2, encoding);
		if (type == STBL_PQ_PAGE_DATA)
		{
			stbl_tw_i32(&hand_file, &inner, 3, STBL_PQ_ENC_RLE);
			stbl_tw_i32(&hand_file, &inner, 4, STBL_PQ_ENC_RLE);
		}
	}
	stbl_tw_stop(&hand_file);
	stbl_tw_stop(&hand_file);
	stbl_buf_append(&hand_file, stored.data, stored.len);
}

#define N_HAND 40				/* rows; one in four is null */

static StblPqNode hand_nodes[2];
static StblPqSchema hand_schema;

static void
hand_begin(StblPqType type, StblPqLogical logical, StblPqCodec codec, bool crc)
{
	memset(&hand_schema, 0, sizeof(hand_schema));
	hand_nodes[0] = group_node("root", STBL_PQ_REQUIRED, 1, STBL_PQL_NONE);
	hand_nodes[1] = leaf_node("x", STBL_PQ_OPTIONAL, type, logical);
	hand_schema.nodes = hand_nodes;
	hand_schema.n_nodes = 2;
	stbl_pq_schema_finish(mem, &hand_schema, &err);
	hand_codec = codec;
	hand_crc = crc;
	stbl_buf_init(&hand_file, mem);
	stbl_buf_puts(&hand_file, "PAR1");
}

/* A data page of N_HAND rows with these values for those that are not null. */
static void
hand_data(bool v2, int encoding, const StblBuf *values)
{
	StblBuf		levels,
				body;
	uint8_t		def[N_HAND];

	for (int i = 0; i < N_HAND; i++)
		def[i] = i % 4 != 0;
	stbl_buf_init(&levels, mem);
	stbl_buf_init(&body, mem);
	stbl_pq_rle_encode_u8(&levels, def, N_HAND, 1);
	if (!v2)
	{
		stbl_buf_u32le(&body, (uint32_t) levels.len);
		stbl_buf_append(&body, levels.data, levels.len);
	}
	stbl_buf_append(&body, values->data, values->len);
	hand_page(v2 ? STBL_PQ_PAGE_DATA_V2 : STBL_PQ_PAGE_DATA, N_HAND, N_HAND / 4, encoding, v2 ? &levels : NULL, v2 ? (int) levels.len : 0,
			  &body);
}

static void
hand_end(bool has_dict, size_t data_offset, int n_pages)
{
	StblPqOutChunk chunk;
	StblPqOutGroup group;

	memset(&chunk, 0, sizeof(chunk));
	memset(&group, 0, sizeof(group));
	chunk.has_dict = has_dict;
	chunk.codec = hand_codec;
	chunk.encoding = has_dict ? STBL_PQ_ENC_RLE_DICTIONARY : STBL_PQ_ENC_PLAIN;
	chunk.dict_offset = has_dict ? 4 : 0;
	chunk.data_offset = data_offset;
	chunk.compressed = hand_file.len - 4;
	chunk.uncompressed = hand_file.len - 4;
	chunk.n_values = (int64_t) N_HAND * n_pages;
	group.n_rows = chunk.n_values;
	group.offset = 4;
	group.chunks = &chunk;
	stbl_pq_write_footer(&hand_file, &hand_schema, &group, 1, group.n_rows, "another writer");
}

/* Pages of text by dictionary, the second one PLAIN, as writers do whose dictionary grew too large. */
static void
hand_texts(StblPqCodec codec, bool v2, bool crc)
{
	StblBuf		b;
	uint32_t	codes[N_HAND * 3 / 4];
	size_t		data_offset;

	hand_begin(STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING, codec, crc);
	stbl_buf_init(&b, mem);
	for (int i = 0; i < 5; i++)
	{
		stbl_buf_u32le(&b, (uint32_t) i);
		stbl_buf_append(&b, "abcde", (size_t) i);
	}
	hand_page(STBL_PQ_PAGE_DICTIONARY, 5, 0, v2 ? STBL_PQ_ENC_PLAIN : STBL_PQ_ENC_PLAIN_DICTIONARY, NULL, 0, &b);
	data_offset = hand_file.len;
	for (size_t i = 0; i < N_HAND * 3 / 4; i++)
		codes[i] = i % 5;
	stbl_buf_reset(&b);
	stbl_buf_u8(&b, 3);
	stbl_pq_rle_encode_u32(&b, codes, N_HAND * 3 / 4, 3);
	hand_data(v2, v2 ? STBL_PQ_ENC_RLE_DICTIONARY : STBL_PQ_ENC_PLAIN_DICTIONARY, &b);
	stbl_buf_reset(&b);
	for (size_t i = 0; i < N_HAND * 3 / 4; i++)
	{
		stbl_buf_u32le(&b, i % 5);
		stbl_buf_append(&b, "abcde", i % 5);
	}
	hand_data(v2, STBL_PQ_ENC_PLAIN, &b);
	hand_end(true, data_offset, 2);
}

static bool
read_hand(StblColVec *col)
{
	StblPqMeta *meta = parse(hand_file.data, hand_file.len);
	const StblPqChunk *chunk;
	uint32_t	width;
	StblVecKind kind;

	if (meta == NULL)
		return false;
	kind = stbl_pq_vec_kind(&meta->schema.nodes[1], &width);
	chunk = &meta->row_groups[0].chunks[0];
	stbl_colvec_init(col, mem, false, kind, width);
	return stbl_pq_read_column(mem, meta, 0, 0, hand_file.data + chunk->offset, chunk->length, col, &err);
}

static bool
nulls_as_made(const StblVec *v, int n_pages)
{
	if (v->n != (size_t) N_HAND * n_pages)
		return false;
	for (size_t i = 0; i < v->n; i++)
		if (v->valid[i] != (i % N_HAND % 4 != 0))
			return false;
	return true;
}

static void
test_codecs(void)
{
	static const StblPqCodec codecs[] = {STBL_PQ_UNCOMPRESSED, STBL_PQ_SNAPPY, STBL_PQ_GZIP, STBL_PQ_ZSTD, STBL_PQ_LZ4_RAW};

	for (int c = 0; c < 5; c++)
		for (int v2 = 0; v2 < 2; v2++)
		{
			StblColVec	col;
			bool		ok;
			size_t		k = 0;

			hand_texts(codecs[c], v2, v2);
			ok = read_hand(&col) && nulls_as_made(&col.elem, 2);
			for (size_t i = 0; ok && i < col.elem.n; i++)
			{
				size_t		len = col.elem.offsets[i + 1] - col.elem.offsets[i];

				if (!col.elem.valid[i])
					continue;
				ok = len == k % 5 && memcmp(col.elem.bytes + col.elem.offsets[i], "abcde", len) == 0;
				k = k + 1 == N_HAND * 3 / 4 ? 0 : k + 1;
			}
			OK(ok, "codec %d, data page version %d", (int) codecs[c], v2 + 1);
			arena_reset();
		}
}

static void
test_other_encodings(void)
{
	StblColVec	col;
	StblBuf		b;
	bool		ok;
	uint8_t		bools[N_HAND * 3 / 4];
	uint64_t	footer_len = 0;

	hand_begin(STBL_PQ_INT96, STBL_PQL_NONE, STBL_PQ_SNAPPY, true);
	stbl_buf_init(&b, mem);
	for (uint64_t i = 0; i < N_HAND * 3 / 4; i++)
	{
		stbl_buf_u64le(&b, UINT64_C(86399999999999) - i * 1000);
		stbl_buf_u32le(&b, 2440587);
	}
	hand_data(false, STBL_PQ_ENC_PLAIN, &b);
	hand_end(false, 4, 1);
	ok = read_hand(&col) && nulls_as_made(&col.elem, 1);
	OK(ok && ((int64_t *) col.elem.values)[1] == -1 && ((int64_t *) col.elem.values)[2] == -2, "INT96 comes as microseconds");
	hand_begin(STBL_PQ_INT96, STBL_PQL_NONE, STBL_PQ_SNAPPY, true);
	memset(b.data, 0x7f, b.len);
	hand_data(false, STBL_PQ_ENC_PLAIN, &b);
	hand_end(false, 4, 1);
	OK(!read_hand(&col) && err.kind == STBL_ERR_RANGE, "an INT96 out of range is refused: %s", err.message);

	hand_begin(STBL_PQ_BOOLEAN, STBL_PQL_NONE, STBL_PQ_ZSTD, true);
	for (int i = 0; i < N_HAND * 3 / 4; i++)
		bools[i] = i % 3 == 0;
	stbl_buf_reset(&b);
	stbl_buf_u32le(&b, 0);
	stbl_pq_rle_encode_u8(&b, bools, sizeof(bools), 1);
	b.data[0] = (uint8_t) (b.len - 4);
	hand_data(true, STBL_PQ_ENC_RLE, &b);
	hand_end(false, 4, 1);
	ok = read_hand(&col) && nulls_as_made(&col.elem, 1);
	for (size_t i = 0, k = 0; ok && i < N_HAND; i++)
		if (col.elem.valid[i])
			ok = col.elem.values[i] == bools[k++];
	OK(ok, "booleans in runs");

	hand_begin(STBL_PQ_INT64, STBL_PQL_NONE, STBL_PQ_ZSTD, true);
	hand_data(true, 4, &b);
	hand_end(false, 4, 1);
	OK(!read_hand(&col) && err.kind == STBL_ERR_UNSUPPORTED && strstr(err.message, "\"x\"") != NULL &&
	   strstr(err.message, "BIT_PACKED") != NULL, "an encoding not read is named: %s", err.message);
	hand_begin(STBL_PQ_DOUBLE, STBL_PQL_NONE, STBL_PQ_ZSTD, true);
	hand_data(true, STBL_PQ_ENC_DELTA_BINARY_PACKED, &b);
	hand_end(false, 4, 1);
	OK(!read_hand(&col) && err.kind == STBL_ERR_UNSUPPORTED && strstr(err.message, "DELTA_BINARY_PACKED") != NULL,
	   "and so is one that its type does not have: %s", err.message);

	hand_texts(STBL_PQ_SNAPPY, false, true);
	(void) stbl_pq_footer_length(hand_file.data + hand_file.len - 8, hand_file.len, &footer_len, &err);
	hand_file.data[hand_file.len - footer_len - 1] ^= 1;
	OK(!read_hand(&col) && err.kind == STBL_ERR_CORRUPT && strstr(err.message, "checksum") != NULL, "a page is held to its checksum: %s",
	   err.message);

	hand_begin(STBL_PQ_INT64, STBL_PQL_NONE, (StblPqCodec) 3, true);
	hand_data(true, STBL_PQ_ENC_PLAIN, &b);
	hand_end(false, 4, 1);
	OK(!read_hand(&col) && err.kind == STBL_ERR_UNSUPPORTED, "a codec not read is named: %s", err.message);
	arena_reset();
}

/* Claims that the bytes do not bear out. */
static void
test_claims(void)
{
	StblColVec	col;
	StblBuf		b;

	stbl_buf_init(&b, mem);
	for (int i = 0; i < 100; i++)
		stbl_buf_u32le(&b, UINT32_C(0x3fffffff));
	hand_begin(STBL_PQ_BYTE_ARRAY, STBL_PQL_NONE, STBL_PQ_UNCOMPRESSED, true);
	hand_data(false, STBL_PQ_ENC_PLAIN, &b);
	hand_end(false, 4, 1);
	largest = 0;
	OK(!read_hand(&col) && err.kind == STBL_ERR_CORRUPT && largest < 100000, "lengths beyond the page: %s", err.message);

	hand_begin(STBL_PQ_INT64, STBL_PQL_NONE, STBL_PQ_UNCOMPRESSED, true);
	hand_page(STBL_PQ_PAGE_DICTIONARY, 0x7fffffff, 0, STBL_PQ_ENC_PLAIN, NULL, 0, &b);
	hand_data(false, STBL_PQ_ENC_RLE_DICTIONARY, &b);
	hand_end(true, 4, 1);
	largest = 0;
	OK(!read_hand(&col) && err.kind == STBL_ERR_CORRUPT && largest < 100000, "a dictionary of more entries than bytes: %s", err.message);

	hand_begin(STBL_PQ_INT64, STBL_PQL_NONE, STBL_PQ_UNCOMPRESSED, true);
	hand_page(STBL_PQ_PAGE_DATA, 0x7fffffff / N_HAND * N_HAND, 0, STBL_PQ_ENC_PLAIN, NULL, 0, &b);
	hand_end(false, 4, 0x7fffffff / N_HAND);
	largest = 0;
	OK(!read_hand(&col) && largest < (size_t) 1 << 20, "a page of two billion values: %s", err.message);

	for (int c = 1; c < 8; c++)
	{
		int			last = 0,
					inner = 0;

		if (c == 3 || c == 4 || c == 5)
			continue;
		hand_begin(STBL_PQ_INT64, STBL_PQL_NONE, (StblPqCodec) c, false);
		stbl_tw_i32(&hand_file, &last, 1, STBL_PQ_PAGE_DATA);
		stbl_tw_i32(&hand_file, &last, 2, 1 << 30);
		stbl_tw_i32(&hand_file, &last, 3, 100);
		stbl_tw_field(&hand_file, &last, 5, STBL_T_STRUCT);
		stbl_tw_i32(&hand_file, &inner, 1, N_HAND);
		stbl_tw_i32(&hand_file, &inner, 2, STBL_PQ_ENC_PLAIN);
		stbl_tw_stop(&hand_file);
		stbl_tw_stop(&hand_file);
		stbl_buf_append(&hand_file, b.data, 100);
		hand_end(false, 4, 1);
		largest = 0;
		OK(!read_hand(&col) && largest < (size_t) 16 << 20, "codec %d, 100 bytes that claim to be a gigabyte: %s", c, err.message);
	}
	arena_reset();
}

/* ---- cuts and flips ---- */

/* Reads all there is of a file, each chunk from memory of its own so that a byte too far is seen. */
static bool
read_all(const uint8_t *file, size_t len)
{
	StblPqMeta *meta = parse(file, len);
	bool		ok = meta != NULL;

	for (int g = 0; meta != NULL && g < meta->n_row_groups; g++)
		for (int i = 0; i < meta->schema.n_leaves; i++)
		{
			const StblPqNode *n = &meta->schema.nodes[meta->schema.leaf_nodes[i]];
			const StblPqChunk *chunk = &meta->row_groups[g].chunks[i];
			uint8_t    *data = stbl_alloc(mem, chunk->length);
			StblColVec	col;
			StblPqLeafData leaf;
			uint32_t	width;
			StblVecKind kind = stbl_pq_vec_kind(n, &width);

			memcpy(data, file + chunk->offset, chunk->length);
			stbl_colvec_init(&col, mem, n->max_rep > 0, kind, width);
			if (!stbl_pq_read_column(mem, meta, g, i, data, chunk->length, &col, &err))
				ok = false;
			if (!stbl_pq_read_leaf(mem, meta, g, i, data, chunk->length, &leaf, &err))
				ok = false;
		}
	return ok;
}

static bool
read_copy(const uint8_t *file, size_t len)
{
	uint8_t    *copy = malloc(len > 0 ? len : 1);
	bool		ok;

	memcpy(copy, file, len);
	ok = read_all(copy, len);
	free(copy);
	arena_reset();
	return ok;
}

/* Makes the checksum of each page a field that readers pass over: its type becomes I64. */
static int
hide_checksums(uint8_t *file, size_t len)
{
	StblPqMeta *meta = parse(file, len);
	int			n = 0;

	for (int i = 0; meta != NULL && i < meta->schema.n_leaves; i++)
	{
		const StblPqChunk *chunk = &meta->row_groups[0].chunks[i];
		StblCursor	cur;

		stbl_cursor_init(&cur, file + chunk->offset, chunk->length);
		while (stbl_cursor_left(&cur) > 0 && !cur.failed)
		{
			StblThriftField f;
			int			last = 0;
			size_t		at = stbl_cursor_offset(&cur);
			int64_t		stored = 0;

			while (stbl_tr_field(&cur, &last, &f))
			{
				if (f.id == 4)
				{
					file[chunk->offset + at] = (uint8_t) ((file[chunk->offset + at] & 0xf0) | STBL_T_I64);
					n++;
				}
				if (f.id == 3)
					stored = stbl_tr_int(&cur);
				else
					stbl_tr_skip(&cur, f.type, 0);
				at = stbl_cursor_offset(&cur);
			}
			(void) stbl_cursor_bytes(&cur, (size_t) stored);
		}
	}
	arena_reset();
	return n;
}

/* step: every so many bits; *left: how many broken files were read without an error */
static void
break_file(const char *what, const uint8_t *file, size_t len, size_t step)
{
	uint8_t    *copy = malloc(len);
	size_t		unseen = 0,
				tried = 0;
	uint64_t	footer_len = 0;

	memcpy(copy, file, len);
	err.message[0] = '\0';
	OK(read_copy(copy, len), "%s: sound before it is broken%s", what, err.message);
	largest = 0;
	for (size_t bit = 0; bit < len * 8; bit += step)
	{
		copy[bit / 8] ^= (uint8_t) (1 << bit % 8);
		unseen += read_copy(copy, len);
		tried++;
		copy[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	OK(largest <= (size_t) 512 << 20, "%s: %zu flipped bits, %zu without an effect, requests of up to %zu bytes", what, tried, unseen, largest);
	unseen = 0;
	for (size_t n = 0; n < len; n++)
		unseen += read_copy(copy, n);
	OK(unseen == 0, "%s: cut anywhere", what);

	/* the footer shortened, with a length that fits it */
	(void) stbl_pq_footer_length(file + len - 8, len, &footer_len, &err);
	unseen = 0;
	for (size_t n = 0; n + 8 < footer_len; n++)
	{
		size_t		start = len - footer_len;
		uint32_t	declared = (uint32_t) n;

		memcpy(copy + start + n, &declared, 4);
		memcpy(copy + start + n + 4, "PAR1", 4);
		unseen += read_copy(copy, start + n + 8);
		memcpy(copy + start, file + start, footer_len);
	}
	OK(unseen == 0, "%s: footer cut anywhere", what);
	free(copy);
}

/* Each chunk cut anywhere, its metadata agreeing. */
static void
cut_chunks(const char *what, const uint8_t *file, size_t len)
{
	StblPqMeta *meta = parse(file, len);
	int			unseen = 0;

	for (int i = 0; meta != NULL && i < meta->schema.n_leaves; i++)
	{
		StblPqChunk *chunk = &meta->row_groups[0].chunks[i];
		size_t		whole = chunk->length;

		for (size_t n = 0; n < whole; n++)
		{
			uint8_t    *data = malloc(n + 1);
			StblPqLeafData leaf;

			memcpy(data, file + chunk->offset, n);
			chunk->length = n;
			unseen += stbl_pq_read_leaf(mem, meta, 0, i, data, n, &leaf, &err);
			free(data);
		}
	}
	OK(meta != NULL && unseen == 0, "%s: chunks cut anywhere", what);
	arena_reset();
}

/* A small file of flat columns and a list, some with dictionaries, written by us. */
static void
own_file(StblPqCodec codec, StblBuf *file)
{
	StblPqNode	n[16];
	StblPqWriterOptions options = {codec, 1, 0, NULL, false, 0};
	StblPqSchema s;
	StblColVec	cols[7];
	const StblColVec *list[7];
	StblPqWriter *w;
	bool		ok;

	memset(&s, 0, sizeof(s));
	n[0] = group_node("r", STBL_PQ_REQUIRED, 7, STBL_PQL_NONE);
	n[1] = leaf_node("b", STBL_PQ_OPTIONAL, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	n[2] = leaf_node("i", STBL_PQ_REQUIRED, STBL_PQ_INT32, STBL_PQL_DATE);
	n[3] = leaf_node("t", STBL_PQ_OPTIONAL, STBL_PQ_INT64, STBL_PQL_TIMESTAMP_US);
	n[4] = leaf_node("f", STBL_PQ_OPTIONAL, STBL_PQ_DOUBLE, STBL_PQL_NONE);
	n[5] = leaf_node("s", STBL_PQ_OPTIONAL, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	n[6] = leaf_node("d", STBL_PQ_OPTIONAL, STBL_PQ_FIXED, STBL_PQL_DECIMAL);
	n[6].type_length = 5;
	n[6].precision = 10;
	n[7] = group_node("l", STBL_PQ_OPTIONAL, 1, STBL_PQL_LIST);
	n[8] = group_node("list", STBL_PQ_REPEATED, 1, STBL_PQL_NONE);
	n[9] = leaf_node("element", STBL_PQ_OPTIONAL, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	s.nodes = n;
	s.n_nodes = 10;
	ok = stbl_pq_schema_finish(mem, &s, &err);
	for (int c = 0; c < 7; c++)
	{
		uint32_t	width;
		StblVecKind kind = stbl_pq_vec_kind(&n[s.leaf_nodes[c]], &width);

		stbl_colvec_init(&cols[c], mem, c == 6, kind, width);
		list[c] = &cols[c];
		for (int row = 0; row < 24; row++)
		{
			char		value[16] = "0123456789abcde";

			if (c != 1 && row % 5 == 1)
			{
				stbl_colvec_null(&cols[c]);
				continue;
			}
			value[0] = (char) (kind == STBL_VEC_BOOL ? row % 2 : row % 3);
			if (c == 3)
				value[1] = (char) row;
			for (int k = 0; k < (c == 6 ? row % 3 : 1); k++)
			{
				if (kind == STBL_VEC_BYTES)
					stbl_vec_bytes(&cols[c].elem, value, (size_t) row % 3 + 1);
				else
					stbl_vec_fixed(&cols[c].elem, value);
			}
			stbl_colvec_end_row(&cols[c]);
		}
	}
	w = stbl_pq_writer_new(mem, &s, &options);
	OK(ok && stbl_pq_write_columns(w, 24, list, file, &err) && stbl_pq_writer_finish(w, file, &err), "own file, codec %d", (int) codec);
}

static void
test_broken(void)
{
	static const StblPqCodec codecs[] = {STBL_PQ_UNCOMPRESSED, STBL_PQ_ZSTD, STBL_PQ_SNAPPY, STBL_PQ_GZIP, STBL_PQ_LZ4_RAW};
	StblBuf		file;
	uint8_t    *copy;
	size_t		len;
	char		what[64];

	for (int c = 0; c < 2; c++)
	{
		stbl_buf_init(&file, mem);
		own_file(codecs[c], &file);
		len = file.len;
		copy = malloc(len);
		memcpy(copy, file.data, len);
		arena_reset();
		snprintf(what, sizeof(what), "codec %d", (int) codecs[c]);
		break_file(what, copy, len, 1);
		cut_chunks(what, copy, len);
		OK(hide_checksums(copy, len) >= 7, "checksums hidden");
		snprintf(what, sizeof(what), "codec %d without checksums", (int) codecs[c]);
		break_file(what, copy, len, 1);
		cut_chunks(what, copy, len);
		free(copy);
	}
	for (int c = 0; c < 5; c++)
		for (int v2 = 0; v2 < 2; v2++)
		{
			hand_texts(codecs[c], v2, false);
			len = hand_file.len;
			copy = malloc(len);
			memcpy(copy, hand_file.data, len);
			arena_reset();
			snprintf(what, sizeof(what), "other writer, codec %d, version %d", (int) codecs[c], v2 + 1);
			break_file(what, copy, len, 1);
			cut_chunks(what, copy, len);
			free(copy);
		}
}

int
main(void)
{
	test_codecs();
	test_other_encodings();
	test_claims();
	test_broken();
	DONE();
}
