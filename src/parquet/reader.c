/*
 * Chunks, read: page headers, checksums, decompression, levels, values.
 * A chunk is [dictionary page] data page...; data pages are of version 1
 * (levels compressed with the values, each with a length before it) or 2
 * (levels first, never compressed, lengths in the header).
 *
 * Sizes in a page header are the input's word: memory for a page is taken
 * only if its compressed bytes could expand to it.
 */
#include <string.h>

#include "common/codec.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

typedef struct PageHeader
{
	int64_t		type;
	int64_t		size;			/* uncompressed */
	int64_t		stored;			/* compressed */
	bool		has_crc;
	uint32_t	crc;
	bool		has_inner;		/* the struct of its type is there */
	int64_t		n_values;
	int64_t		n_nulls;		/* version 2 */
	int64_t		encoding;
	int64_t		def_encoding;
	int64_t		rep_encoding;
	int64_t		def_len;		/* version 2 */
	int64_t		rep_len;
	bool		is_compressed;
} PageHeader;

typedef struct ChunkReader
{
	StblMem    *mem;
	const StblPqNode *node;
	const StblPqChunk *chunk;
	StblPqLeafData *out;
	size_t		levels_cap;
	StblBuf		page;			/* decompressed */
	bool		has_dict;
	StblVec		dict;
	uint32_t   *codes;
	size_t		codes_cap;
	StblError  *err;
} ChunkReader;

static const char *
encoding_name(int64_t encoding)
{
	static const char *const names[] = {"PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED",
	"DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};

	return encoding >= 0 && encoding < 10 ? names[encoding] : "newer than known";
}

static bool
not_supported(const StblPqNode *node, const char *what, int64_t encoding, StblError *err)
{
	return stbl_fail(err, STBL_ERR_UNSUPPORTED, "%s of Parquet column \"%s\" have an encoding that is not supported: %s (%lld)", what,
					 node->name, encoding_name(encoding), (long long) encoding);
}

/* A varint may hold more than the 32 bits its type promises. */
static int64_t
int_field(StblCursor *cur, const StblThriftField *f)
{
	int64_t		v = f->type == STBL_T_I32 ? stbl_tr_int(cur) : INT64_MAX;

	if (v < INT32_MIN || v > INT32_MAX)
	{
		cur->failed = true;
		return 0;
	}
	return v;
}

/* DataPageHeader, DictionaryPageHeader, DataPageHeaderV2: the fields have other numbers in each. */
static void
parse_inner(StblCursor *cur, PageHeader *h, int64_t type)
{
	int			last = 0;
	StblThriftField f;

	h->has_inner = true;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			h->n_values = int_field(cur, &f);
		else if (type != STBL_PQ_PAGE_DATA_V2 && f.id == 2)
			h->encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA && f.id == 3)
			h->def_encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA && f.id == 4)
			h->rep_encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 2)
			h->n_nulls = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 4)
			h->encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 5)
			h->def_len = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 6)
			h->rep_len = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 7 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			h->is_compressed = f.type == STBL_T_TRUE;
		else
			stbl_tr_skip(cur, f.type, 2);
	}
}

static bool
parse_header(StblCursor *cur, PageHeader *h)
{
	int			last = 0;
	StblThriftField f;

	memset(h, 0, sizeof(*h));
	h->type = h->size = h->stored = h->n_values = h->encoding = -1;
	h->def_encoding = h->rep_encoding = STBL_PQ_ENC_RLE;
	h->is_compressed = true;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			h->type = int_field(cur, &f);
		else if (f.id == 2)
			h->size = int_field(cur, &f);
		else if (f.id == 3)
			h->stored = int_field(cur, &f);
		else if (f.id == 4 && f.type == STBL_T_I32)
		{
			h->crc = (uint32_t) int_field(cur, &f);
			h->has_crc = true;
		}
		else if (f.type == STBL_T_STRUCT && f.id == (h->type == STBL_PQ_PAGE_DATA ? 5 : h->type == STBL_PQ_PAGE_DICTIONARY ? 7 :
													 h->type == STBL_PQ_PAGE_DATA_V2 ? 8 : -1))
			parse_inner(cur, h, h->type);
		else
			stbl_tr_skip(cur, f.type, 1);
	}
	return !cur->failed && h->type >= 0 && h->size >= 0 && h->stored >= 0;
}

/* Most that a byte can expand to; what a page claims beyond is a lie.  0: a codec that is not read. */
static uint64_t
expansion_limit(StblPqCodec codec)
{
	switch (codec)
	{
		case STBL_PQ_UNCOMPRESSED:
			return 1;
		case STBL_PQ_SNAPPY:
			return 64;
		case STBL_PQ_LZ4_RAW:
			return 256;
		case STBL_PQ_GZIP:
			return 1100;
		case STBL_PQ_ZSTD:
			return 65536;
		default:
			return 0;
	}
}

static const char *
codec_name(StblPqCodec codec)
{
	static const char *const names[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"};

	return (unsigned) codec < 8 ? names[codec] : "newer than known";
}

/* Makes size bytes of `in` decompressed; *bytes points to them. */
static bool
unpack_page(ChunkReader *r, const uint8_t *in, size_t in_len, size_t size, bool is_compressed, const uint8_t **bytes)
{
	uint64_t	limit = expansion_limit(r->chunk->codec);

	*bytes = in;
	if (limit == 0)
		return stbl_fail(r->err, STBL_ERR_UNSUPPORTED, "Parquet column \"%s\" has a compression that is not supported: %s (%d)", r->node->name,
						 codec_name(r->chunk->codec), (int) r->chunk->codec);
	if (!is_compressed || r->chunk->codec == STBL_PQ_UNCOMPRESSED || size == 0)
	{
		if (in_len < size)
			return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" has %zu bytes instead of %zu", r->node->name, in_len,
							 size);
		return true;
	}
	if (size > (in_len + 16) * limit)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" claims %zu bytes compressed to %zu", r->node->name, size,
						 in_len);
	stbl_buf_reset(&r->page);
	*bytes = stbl_buf_reserve(&r->page, size);
	return stbl_pq_decompress(r->chunk->codec, in, in_len, r->page.data, size) ||
		stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" does not decompress from %zu to %zu bytes", r->node->name,
				  in_len, size);
}

static bool
read_dictionary(ChunkReader *r, const PageHeader *h, const uint8_t *in)
{
	const uint8_t *bytes;
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(r->node, &width);
	StblCursor	cur;

	if (r->has_dict || r->out->n_levels > 0 || !h->has_inner || h->n_values < 0)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has a misplaced dictionary page", r->node->name);
	if (h->encoding != STBL_PQ_ENC_PLAIN && h->encoding != STBL_PQ_ENC_PLAIN_DICTIONARY)
		return not_supported(r->node, "dictionaries", h->encoding, r->err);
	if (!unpack_page(r, in, (size_t) h->stored, (size_t) h->size, true, &bytes))
		return false;
	stbl_vec_init(&r->dict, r->mem, kind, width);
	r->has_dict = true;
	stbl_cursor_init(&cur, bytes, (size_t) h->size);
	return stbl_pq_decode_plain(&cur, r->node, &r->dict, (size_t) h->n_values, r->err);
}

/* ---- levels ---- */

static bool
bad_levels(ChunkReader *r)
{
	return stbl_fail(r->err, STBL_ERR_CORRUPT, "levels of Parquet column \"%s\" are malformed", r->node->name);
}

static void
make_level_room(ChunkReader *r, size_t n)
{
	size_t		cap = r->levels_cap > 0 ? r->levels_cap * 2 : 64;

	/* at first even for none, so that both arrays have an address */
	if (n <= r->levels_cap && r->levels_cap > 0)
		return;
	if (cap < n)
		cap = n;
	if (r->node->max_def > 0)
		r->out->def = stbl_realloc(r->mem, r->out->def, cap);
	if (r->node->max_rep > 0)
		r->out->rep = stbl_realloc(r->mem, r->out->rep, cap);
	r->levels_cap = cap;
}

static bool
decode_levels(ChunkReader *r, const uint8_t *data, size_t len, uint8_t *to, size_t n, int max)
{
	StblCursor	cur;
	uint8_t		highest = 0;

	stbl_cursor_init(&cur, data, len);
	if (!stbl_pq_rle_decode_u8(&cur, stbl_pq_bit_width((uint32_t) max), to, n))
		return bad_levels(r);
	for (size_t i = 0; i < n; i++)
		highest = to[i] > highest ? to[i] : highest;
	return highest <= max || bad_levels(r);
}

/* Levels of a version 1 page: a length, then the runs. */
static bool
decode_levels_v1(ChunkReader *r, StblCursor *cur, uint8_t *to, size_t n, int max, int64_t encoding)
{
	uint32_t	len;
	const uint8_t *p;

	if (max == 0)
		return true;
	if (encoding != STBL_PQ_ENC_RLE)
		return not_supported(r->node, "levels", encoding, r->err);
	len = stbl_cursor_u32le(cur);
	p = cur->failed ? NULL : stbl_cursor_bytes(cur, len);
	if (cur->failed)
		return bad_levels(r);
	return decode_levels(r, p, len, to, n, max);
}

/* ---- values ---- */

static bool
decode_dictionary_codes(ChunkReader *r, StblCursor *cur, size_t n)
{
	uint8_t		width;

	if (!r->has_dict)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" lacks its dictionary", r->node->name);
	if (n > r->codes_cap)
	{
		stbl_free(r->mem, r->codes);
		r->codes = NULL;
		r->codes_cap = 0;
		r->codes = stbl_alloc_array(r->mem, n, sizeof(uint32_t));
		r->codes_cap = n;
	}
	width = stbl_cursor_u8(cur);
	if (cur->failed || !stbl_pq_rle_decode(cur, width, r->codes, n))
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "dictionary codes of Parquet column \"%s\" are malformed", r->node->name);
	return stbl_pq_decode_codes(r->codes, n, &r->dict, r->node, &r->out->values, r->err);
}

static bool
decode_rle_booleans(ChunkReader *r, StblCursor *cur, size_t n)
{
	StblVec    *v = &r->out->values;
	uint32_t	len = stbl_cursor_u32le(cur);
	const uint8_t *p = cur->failed ? NULL : stbl_cursor_bytes(cur, len);
	StblCursor	runs;

	if (!cur->failed)
	{
		stbl_cursor_init(&runs, p, len);
		stbl_vec_reserve(v, v->n + n, 0);
		if (stbl_pq_rle_decode_u8(&runs, 1, v->values + v->n, n))
		{
			for (size_t i = v->n; i < v->n + n; i++)
				v->values[i] &= 1;
			memset(v->valid + v->n, 1, n);
			v->n += n;
			return true;
		}
	}
	return stbl_fail(r->err, STBL_ERR_CORRUPT, "booleans of Parquet column \"%s\" are malformed", r->node->name);
}

static bool
decode_values(ChunkReader *r, StblCursor *cur, int64_t encoding, size_t n)
{
	switch (encoding)
	{
		case STBL_PQ_ENC_PLAIN:
			return stbl_pq_decode_plain(cur, r->node, &r->out->values, n, r->err);
		case STBL_PQ_ENC_PLAIN_DICTIONARY:
		case STBL_PQ_ENC_RLE_DICTIONARY:
			return n == 0 || decode_dictionary_codes(r, cur, n);
		case STBL_PQ_ENC_RLE:
			if (r->node->type == STBL_PQ_BOOLEAN)
				return n == 0 || decode_rle_booleans(r, cur, n);
			break;
		default:
			break;
	}
	return not_supported(r->node, "values", encoding, r->err);
}

static bool
read_data_page(ChunkReader *r, const PageHeader *h, const uint8_t *in)
{
	StblPqLeafData *out = r->out;
	const StblPqNode *node = r->node;
	size_t		n = (size_t) h->n_values;
	size_t		done = out->n_levels;
	size_t		n_values = n;
	const uint8_t *bytes;
	StblCursor	cur;

	if (!h->has_inner || h->n_values < 0 || h->n_values > r->chunk->n_values - (int64_t) done)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" has %lld values where %lld are left", node->name,
						 (long long) h->n_values, (long long) (r->chunk->n_values - (int64_t) done));
	if ((uint64_t) done + n > STBL_PQ_MAX_LEVELS(r->chunk->length))
		return stbl_fail(r->err, STBL_ERR_LIMIT, "a chunk of Parquet column \"%s\" has %lld values in %llu bytes", node->name,
						 (long long) r->chunk->n_values, (unsigned long long) r->chunk->length);
	if (h->type == STBL_PQ_PAGE_DATA)
	{
		if (!unpack_page(r, in, (size_t) h->stored, (size_t) h->size, true, &bytes))
			return false;
		stbl_cursor_init(&cur, bytes, (size_t) h->size);
		make_level_room(r, done + n);
		if (!decode_levels_v1(r, &cur, node->max_rep > 0 ? out->rep + done : NULL, n, node->max_rep, h->rep_encoding) ||
			!decode_levels_v1(r, &cur, node->max_def > 0 ? out->def + done : NULL, n, node->max_def, h->def_encoding))
			return false;
	}
	else
	{
		int64_t		levels = h->def_len + h->rep_len;

		if (h->def_len < 0 || h->rep_len < 0 || levels > h->stored || levels > h->size)
			return bad_levels(r);
		make_level_room(r, done + n);
		if ((node->max_rep > 0 && !decode_levels(r, in, (size_t) h->rep_len, out->rep + done, n, node->max_rep)) ||
			(node->max_def > 0 && !decode_levels(r, in + h->rep_len, (size_t) h->def_len, out->def + done, n, node->max_def)))
			return false;
		if (!unpack_page(r, in + levels, (size_t) (h->stored - levels), (size_t) (h->size - levels), h->is_compressed, &bytes))
			return false;
		stbl_cursor_init(&cur, bytes, (size_t) (h->size - levels));
	}
	if (node->max_def > 0)
	{
		n_values = 0;
		for (size_t i = done; i < done + n; i++)
			n_values += out->def[i] == node->max_def;
	}
	if (!decode_values(r, &cur, h->encoding, n_values))
		return false;
	out->n_levels = done + n;
	return true;
}

/* ---- the chunk ---- */

static bool
read_page(ChunkReader *r, StblCursor *cur)
{
	PageHeader	h;
	const uint8_t *in;
	size_t		at = stbl_cursor_offset(cur);

	if (!parse_header(cur, &h) || (uint64_t) h.stored > stbl_cursor_left(cur))
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" is malformed at offset %llu", r->node->name,
						 (unsigned long long) (r->chunk->offset + at));
	if (h.size > STBL_PQ_MAX_PAGE_BYTES)
		return stbl_fail(r->err, STBL_ERR_LIMIT, "a page of Parquet column \"%s\" has %lld bytes, more than %lld", r->node->name,
						 (long long) h.size, (long long) STBL_PQ_MAX_PAGE_BYTES);
	in = stbl_cursor_bytes(cur, (size_t) h.stored);
	if (h.has_crc && stbl_crc32(0, in, (size_t) h.stored) != h.crc)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" at offset %llu does not match its checksum",
						 r->node->name, (unsigned long long) (r->chunk->offset + at));
	if (h.type == STBL_PQ_PAGE_DICTIONARY)
		return read_dictionary(r, &h, in);
	if (h.type == STBL_PQ_PAGE_DATA || h.type == STBL_PQ_PAGE_DATA_V2)
		return read_data_page(r, &h, in);

	/* pages of other kinds hold nothing of the column */
	return true;
}

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

/* On failure out has no levels, and values that are the caller's to free or to reset. */
bool
stbl_pq_decode_chunk(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
					 const uint8_t *data, size_t len, StblPqLeafData *out, StblError *err)
{
	ChunkReader r;
	StblCursor	cur;
	bool		ok = true;

	memset(&r, 0, sizeof(r));
	r.mem = mem;
	r.node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	r.chunk = &meta->row_groups[row_group].chunks[leaf];
	r.out = out;
	r.err = err;
	out->n_levels = 0;
	out->def = NULL;
	out->rep = NULL;
	if (len != r.chunk->length)
		return stbl_fail(err, STBL_ERR_CORRUPT, "chunk of Parquet column \"%s\" has %zu bytes instead of %llu", r.node->name, len,
						 (unsigned long long) r.chunk->length);
	stbl_buf_init(&r.page, mem);
	stbl_cursor_init(&cur, data, len);
	while (ok && (int64_t) out->n_levels < r.chunk->n_values)
		ok = read_page(&r, &cur);
	ok = ok && check_rows(r.node, out, meta->row_groups[row_group].n_rows, err);
	if (r.has_dict)
		stbl_vec_free(&r.dict);
	stbl_free(mem, r.codes);
	stbl_buf_free(&r.page);
	if (!ok)
	{
		stbl_free(mem, out->def);
		stbl_free(mem, out->rep);
		out->def = out->rep = NULL;
		out->n_levels = 0;
	}
	return ok;
}

bool
stbl_pq_read_leaf(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
				  const uint8_t *data, size_t len, StblPqLeafData *out, StblError *err)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(&meta->schema.nodes[meta->schema.leaf_nodes[leaf]], &width);

	memset(out, 0, sizeof(*out));
	stbl_vec_init(&out->values, mem, kind, width);
	if (stbl_pq_decode_chunk(mem, meta, row_group, leaf, data, len, out, err))
		return true;
	stbl_vec_free(&out->values);
	return false;
}
