/*
 * Encodings of data pages, read: the DELTA_* family (Encodings.md).
 *
 * DELTA_BINARY_PACKED: block size, miniblocks a block, count of values, the
 * first value; then blocks, each its least delta, a bit width a miniblock,
 * and the miniblocks' deltas above the least one, bit-packed.  Sums wrap.
 * DELTA_LENGTH_BYTE_ARRAY: lengths so encoded, then the bytes of all values.
 * DELTA_BYTE_ARRAY: of each value how much of the one before it begins it,
 * so encoded, then the rests as DELTA_LENGTH_BYTE_ARRAY.
 */
#include <string.h>

#include "parquet/parquet_int.h"

#define MAX_BLOCK (1 << 24)		/* values; writers have 128 or 256 */

static bool
malformed(const StblPqNode *leaf, StblError *err)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "deltas of Parquet column \"%s\" are malformed", leaf->name);
}

/* Adds up a batch of deltas behind v, into integers of that type. */
#define ADD_UP(type) do { \
	type	   *out = (type *) to; \
	for (size_t i = 0; i < n; i++) \
		out[i] = (type) (v += deltas[i] + least); \
} while (0)

static uint64_t
add_up(const uint64_t *deltas, size_t n, uint64_t least, uint64_t v, uint8_t *to, size_t width)
{
	if (width == 8)
		ADD_UP(uint64_t);
	else
		ADD_UP(uint32_t);
	return v;
}

static uint64_t
add_up_narrow(const uint32_t *deltas, size_t n, uint64_t least, uint64_t v, uint8_t *to, size_t width)
{
	if (width == 8)
		ADD_UP(uint64_t);
	else
		ADD_UP(uint32_t);
	return v;
}

/* One miniblock, of which n values are wanted; its padding is passed over as far as it is there. */
static bool
read_mini(StblCursor *cur, int bits, size_t mini, size_t n, uint64_t least, uint64_t *sum, uint8_t *to, size_t width)
{
	uint64_t	wide[STBL_PQ_BATCH / 2];
	uint32_t	narrow[STBL_PQ_BATCH / 2];
	size_t		left = stbl_cursor_left(cur);
	size_t		whole = mini / 8 * (size_t) bits;
	const uint8_t *p;

	if (whole > left)
		whole = left;
	if (bits > 64 || n * (size_t) bits > whole * 8)
		return false;
	p = stbl_cursor_bytes(cur, whole);
	for (size_t done = 0, take; done < n; done += take)
	{
		size_t		at = done / 8 * (size_t) bits;

		/* the bytes behind the miniblock may be looked at: so it is not unpacked from a copy */
		take = n - done < STBL_PQ_BATCH / 2 ? n - done : STBL_PQ_BATCH / 2;
		if (bits <= 32)
		{
			stbl_pq_unpack32(p + at, left - at, bits, narrow, take);
			*sum = add_up_narrow(narrow, take, least, *sum, to + done * width, width);
		}
		else
		{
			stbl_pq_unpack64(p + at, left - at, bits, wide, take);
			*sum = add_up(wide, take, least, *sum, to + done * width, width);
		}
	}
	return true;
}

static bool
read_block(StblCursor *cur, uint64_t n_minis, size_t mini, size_t n, uint64_t *sum, uint8_t *to, size_t width)
{
	uint64_t	least = (uint64_t) stbl_cursor_zigzag(cur);
	const uint8_t *bits = n_minis > stbl_cursor_left(cur) ? NULL : stbl_cursor_bytes(cur, (size_t) n_minis);

	if (cur->failed || bits == NULL)
		return false;
	for (uint64_t m = 0; m < n_minis && n > 0; m++)
	{
		size_t		take = n < mini ? n : mini;

		if (!read_mini(cur, bits[m], mini, take, least, sum, to, width))
			return false;
		to += take * width;
		n -= take;
	}
	return true;
}

/* Exactly n integers of width bytes; there is room for them. */
static bool
read_deltas(StblCursor *cur, uint8_t *to, size_t n, size_t width)
{
	uint64_t	block = stbl_cursor_varint(cur);
	uint64_t	n_minis = stbl_cursor_varint(cur);
	uint64_t	total = stbl_cursor_varint(cur);
	uint64_t	sum = (uint64_t) stbl_cursor_zigzag(cur);

	if (cur->failed || total != n || block == 0 || block > MAX_BLOCK || n_minis == 0 || block % n_minis != 0 || block / n_minis % 8 != 0)
		return false;
	if (n == 0)
		return true;
	memcpy(to, &sum, width);
	to += width;
	n--;
	while (n > 0)
	{
		size_t		take = n < block ? n : (size_t) block;

		if (!read_block(cur, n_minis, (size_t) (block / n_minis), take, &sum, to, width))
			return false;
		to += take * width;
		n -= take;
	}
	return true;
}

bool
stbl_pq_decode_deltas(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	if (n == 0)
		return true;
	stbl_vec_reserve(out, out->n + n, 0);
	if (!read_deltas(cur, out->values + out->n * out->width, n, out->width))
		return malformed(leaf, err);
	memset(out->valid + out->n, 1, n);
	out->n += n;
	return true;
}

/* Lengths: n of them, none negative; *total is their sum. */
static int32_t *
read_lengths(StblMem *mem, StblCursor *cur, size_t n, uint64_t *total)
{
	int32_t    *lengths = stbl_alloc_array(mem, n, sizeof(int32_t));
	int32_t		sign = 0;

	*total = 0;
	if (read_deltas(cur, (uint8_t *) lengths, n, sizeof(int32_t)))
	{
		for (size_t i = 0; i < n; i++)
		{
			sign |= lengths[i];
			*total += (uint32_t) lengths[i];
		}
		if (sign >= 0)
			return lengths;
	}
	stbl_free(mem, lengths);
	return NULL;
}

static bool
too_large(const StblPqNode *leaf, StblError *err)
{
	return stbl_fail(err, STBL_ERR_LIMIT, "a chunk of Parquet column \"%s\" holds more than %llu bytes", leaf->name,
					 (unsigned long long) STBL_PQ_MAX_CHUNK_BYTES);
}

bool
stbl_pq_decode_delta_lengths(StblMem *mem, StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	uint64_t	at = out->offsets[out->n];
	uint64_t	total;
	int32_t    *lengths;
	const uint8_t *p = NULL;
	uint64_t   *ends;

	if (n == 0)
		return true;
	lengths = read_lengths(mem, cur, n, &total);
	if (lengths != NULL && total <= stbl_cursor_left(cur))
		p = stbl_cursor_bytes(cur, (size_t) total);
	if (p == NULL)
	{
		stbl_free(mem, lengths);
		return malformed(leaf, err);
	}
	if (at + total > STBL_PQ_MAX_CHUNK_BYTES)
	{
		stbl_free(mem, lengths);
		return too_large(leaf, err);
	}
	stbl_vec_reserve(out, out->n + n, at + total);
	memcpy(out->bytes + at, p, (size_t) total);
	ends = out->offsets + out->n + 1;
	for (size_t i = 0; i < n; i++)
		ends[i] = at += (uint32_t) lengths[i];
	memset(out->valid + out->n, 1, n);
	out->n += n;
	stbl_free(mem, lengths);
	return true;
}

/*
 * Values of out's kind, BYTES or FIXED, made of beginnings and rests.  The
 * first value of a page has no beginning.
 */
static bool
put_together(const int32_t *begin, const int32_t *rest, const uint8_t *p, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	bool		is_fixed = out->kind == STBL_VEC_FIXED;
	uint8_t    *to = is_fixed ? out->values + out->n * out->width : out->bytes + out->offsets[out->n];
	const uint8_t *before = to;
	size_t		before_len = 0;

	for (size_t i = 0; i < n; i++)
	{
		size_t		kept = (size_t) begin[i];
		size_t		added = (size_t) rest[i];

		if (kept > before_len || (is_fixed && kept + added != out->width))
			return malformed(leaf, err);
		memcpy(to, before, kept);
		memcpy(to + kept, p, added);
		before = to;
		before_len = kept + added;
		p += added;
		to += before_len;
		if (!is_fixed)
			out->offsets[out->n + i + 1] = (uint64_t) (to - out->bytes);
	}
	memset(out->valid + out->n, 1, n);
	out->n += n;
	return true;
}

bool
stbl_pq_decode_delta_strings(StblMem *mem, StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	uint64_t	n_begin = 0,
				n_rest = 0;
	int32_t    *begin,
			   *rest = NULL;
	const uint8_t *p = NULL;
	uint64_t	at = out->kind == STBL_VEC_BYTES ? out->offsets[out->n] : 0;
	bool		ok;

	if (n == 0)
		return true;
	begin = read_lengths(mem, cur, n, &n_begin);
	if (begin != NULL)
		rest = read_lengths(mem, cur, n, &n_rest);
	if (rest != NULL && n_rest <= stbl_cursor_left(cur))
		p = stbl_cursor_bytes(cur, (size_t) n_rest);
	if (p == NULL)
		ok = malformed(leaf, err);
	else if (out->kind == STBL_VEC_BYTES && (n_begin + n_rest > STBL_PQ_MAX_CHUNK_BYTES || at + n_begin + n_rest > STBL_PQ_MAX_CHUNK_BYTES))
		ok = too_large(leaf, err);
	else if (out->kind == STBL_VEC_FIXED && (uint64_t) (out->n + n) * out->width > STBL_PQ_MAX_CHUNK_BYTES)
		ok = too_large(leaf, err);
	else
	{
		stbl_vec_reserve(out, out->n + n, out->kind == STBL_VEC_BYTES ? at + n_begin + n_rest : 0);
		ok = put_together(begin, rest, p, leaf, out, n, err);
	}
	stbl_free(mem, begin);
	stbl_free(mem, rest);
	return ok;
}
