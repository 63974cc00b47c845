/*
 * Pages, read: headers, checksums, decompression, levels, values.  Data pages
 * are of version 1 (levels compressed with the values, each with a length
 * before it) or 2 (levels first, never compressed, lengths in the header).
 *
 * Sizes in a page header are the input's word: memory for a page is taken
 * only if its compressed bytes could expand to it.
 */
#include <string.h>

#include "common/codec.h"
#include "parquet/parquet_int.h"

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
unpack_page(StblPqChunkReader *r, const uint8_t *in, size_t in_len, size_t size, bool is_compressed, const uint8_t **bytes)
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
read_dictionary(StblPqChunkReader *r, const StblPqPage *h, const uint8_t *in)
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
bad_levels(StblPqChunkReader *r)
{
	return stbl_fail(r->err, STBL_ERR_CORRUPT, "levels of Parquet column \"%s\" are malformed", r->node->name);
}

void
stbl_pq_level_room(StblPqChunkReader *r, size_t n)
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
decode_levels(StblPqChunkReader *r, const uint8_t *data, size_t len, uint8_t *to, size_t n, int max)
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
decode_levels_v1(StblPqChunkReader *r, StblCursor *cur, uint8_t *to, size_t n, int max, int64_t encoding)
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

size_t
stbl_pq_count_equal(const uint8_t *p, size_t n, uint8_t v)
{
	size_t		count = 0;

	/* in blocks whose count fits a byte, so that sixteen are looked at at once */
	for (size_t at = 0; at < n; at += 128)
	{
		size_t		end = n - at < 128 ? n : at + 128;
		uint8_t		part = 0;

		for (size_t i = at; i < end; i++)
			part += p[i] == v;
		count += part;
	}
	return count;
}

/* ---- values ---- */

void
stbl_pq_code_room(StblPqChunkReader *r, size_t n)
{
	if (n <= r->codes_cap)
		return;
	r->codes_cap = n > r->codes_cap * 2 ? n : r->codes_cap * 2;
	r->codes = stbl_realloc(r->mem, r->codes, r->codes_cap * sizeof(uint32_t));
}

/* The codes of a page of n levels, of which n_values are values. */
static bool
decode_codes(StblPqChunkReader *r, StblCursor *cur, size_t n, size_t n_values)
{
	StblPqRuns	runs;
	uint32_t	batch[STBL_PQ_BATCH];
	int			width;
	size_t		take;

	stbl_pq_code_room(r, r->out->n_levels + n);
	if (n_values == 0)
		return true;
	width = stbl_cursor_u8(cur);
	if (cur->failed || width > 32)
		return stbl_pq_bad_codes(r->node, r->err);
	stbl_pq_runs_begin(&runs, cur, width);
	for (size_t done = 0; done < n_values; done += take)
	{
		uint32_t   *to = r->codes + r->n_codes + done;
		bool		is_run;

		take = stbl_pq_runs_next(&runs, n_values - done, batch, &is_run);
		if (take == 0)
			return stbl_pq_bad_codes(r->node, r->err);
		if (!stbl_pq_codes_below(batch, is_run ? 1 : take, r->dict.n))
			return stbl_pq_no_entry(r->node, r->dict.n, r->err);
		if (!is_run)
			memcpy(to, batch, take * sizeof(uint32_t));
		else
			for (size_t i = 0; i < take; i++)
				to[i] = batch[0];
	}
	r->n_codes += n_values;
	return true;
}

bool
stbl_pq_is_dictionary(int64_t encoding)
{
	return encoding == STBL_PQ_ENC_PLAIN_DICTIONARY || encoding == STBL_PQ_ENC_RLE_DICTIONARY;
}

static bool
decode_values(StblPqChunkReader *r, StblCursor *cur, int64_t encoding, size_t n)
{
	StblVec    *out = &r->out->values;
	bool		is_integer = (out->kind == STBL_VEC_I32 || out->kind == STBL_VEC_I64) && r->node->type != STBL_PQ_INT96;

	if (stbl_pq_is_dictionary(encoding))
	{
		if (n > 0 && !r->has_dict)
			return stbl_fail(r->err, STBL_ERR_CORRUPT, "Parquet column \"%s\" lacks its dictionary", r->node->name);
		return stbl_pq_decode_dictionary(cur, &r->dict, r->node, out, n, r->err);
	}
	if (encoding == STBL_PQ_ENC_PLAIN)
		return stbl_pq_decode_plain(cur, r->node, out, n, r->err);
	if (encoding == STBL_PQ_ENC_RLE && out->kind == STBL_VEC_BOOL)
		return stbl_pq_decode_booleans(cur, r->node, out, n, r->err);
	if (encoding == STBL_PQ_ENC_DELTA_BINARY_PACKED && is_integer)
		return stbl_pq_decode_deltas(cur, r->node, out, n, r->err);
	if (encoding == STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY && out->kind == STBL_VEC_BYTES)
		return stbl_pq_decode_delta_lengths(r->mem, cur, r->node, out, n, r->err);
	if (encoding == STBL_PQ_ENC_DELTA_BYTE_ARRAY && (out->kind == STBL_VEC_BYTES || out->kind == STBL_VEC_FIXED))
		return stbl_pq_decode_delta_strings(r->mem, cur, r->node, out, n, r->err);
	if (encoding == STBL_PQ_ENC_BYTE_STREAM_SPLIT && out->kind != STBL_VEC_BYTES && out->kind != STBL_VEC_BOOL && r->node->type != STBL_PQ_INT96)
		return stbl_pq_decode_split(cur, r->node, out, n, r->err);
	return not_supported(r->node, "values", encoding, r->err);
}

static bool
read_data_page(StblPqChunkReader *r, const StblPqPage *h, const uint8_t *in)
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
		stbl_pq_level_room(r, done + n);
		if (!decode_levels_v1(r, &cur, node->max_rep > 0 ? out->rep + done : NULL, n, node->max_rep, h->rep_encoding) ||
			!decode_levels_v1(r, &cur, node->max_def > 0 ? out->def + done : NULL, n, node->max_def, h->def_encoding))
			return false;
	}
	else
	{
		int64_t		levels = h->def_len + h->rep_len;

		if (h->def_len < 0 || h->rep_len < 0 || levels > h->stored || levels > h->size)
			return bad_levels(r);
		stbl_pq_level_room(r, done + n);
		if ((node->max_rep > 0 && !decode_levels(r, in, (size_t) h->rep_len, out->rep + done, n, node->max_rep)) ||
			(node->max_def > 0 && !decode_levels(r, in + h->rep_len, (size_t) h->def_len, out->def + done, n, node->max_def)))
			return false;
		if (!unpack_page(r, in + levels, (size_t) (h->stored - levels), (size_t) (h->size - levels), h->is_compressed, &bytes))
			return false;
		stbl_cursor_init(&cur, bytes, (size_t) (h->size - levels));
	}
	if (node->max_def > 0)
		n_values = stbl_pq_count_equal(out->def + done, n, (uint8_t) node->max_def);
	if (!(r->want_codes ? decode_codes(r, &cur, n, n_values) : decode_values(r, &cur, h->encoding, n_values)))
		return false;
	out->n_levels = done + n;
	return true;
}

/* ---- pages ---- */

bool
stbl_pq_read_page(StblPqChunkReader *r, StblCursor *cur)
{
	StblPqPage	h;
	const uint8_t *in;
	size_t		at = stbl_cursor_offset(cur);

	if (!stbl_pq_parse_page(cur, &h) || (uint64_t) h.stored > stbl_cursor_left(cur))
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" is malformed at offset %llu", r->node->name,
						 (unsigned long long) (r->at + at));
	if (h.size > STBL_PQ_MAX_PAGE_BYTES)
		return stbl_fail(r->err, STBL_ERR_LIMIT, "a page of Parquet column \"%s\" has %lld bytes, more than %lld", r->node->name,
						 (long long) h.size, (long long) STBL_PQ_MAX_PAGE_BYTES);
	in = stbl_cursor_bytes(cur, (size_t) h.stored);
	if (h.has_crc && stbl_crc32(0, in, (size_t) h.stored) != h.crc)
		return stbl_fail(r->err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" at offset %llu does not match its checksum",
						 r->node->name, (unsigned long long) (r->at + at));
	if (h.type == STBL_PQ_PAGE_DICTIONARY)
		return read_dictionary(r, &h, in);
	if (h.type == STBL_PQ_PAGE_DATA || h.type == STBL_PQ_PAGE_DATA_V2)
		return read_data_page(r, &h, in);

	/* pages of other kinds hold nothing of the column */
	return true;
}
