/*
 * Encodings of data pages, written: DELTA_BINARY_PACKED for integers and
 * DELTA_LENGTH_BYTE_ARRAY for texts (Encodings.md; the reading side, with
 * the layout, is decode_delta.c).  Blocks of 128 deltas in four miniblocks
 * of 32 are what every writer has used and every reader was tested with.
 */
#include <string.h>

#include "parquet/parquet_int.h"

#define BLOCK 128
#define MINI 32
#define N_MINIS (BLOCK / MINI)

/* the least delta, the widths, the deltas */
#define MAX_BLOCK_BYTES (10 + N_MINIS + BLOCK * 8)

/* What is delta encoded: each kind gets a loop of its own from the compiler. */
typedef enum Source
{
	SOURCE_I32,
	SOURCE_I64,
	SOURCE_LENGTHS				/* of n + 1 offsets */
} Source;

static inline __attribute__((always_inline)) uint64_t
load(Source source, const void *from, size_t i)
{
	if (source == SOURCE_I32)
		return (uint64_t) (int64_t) ((const int32_t *) from)[i];
	if (source == SOURCE_I64)
		return ((const uint64_t *) from)[i];
	return ((const uint64_t *) from)[i + 1] - ((const uint64_t *) from)[i];
}

/* MINI values of width bits, least bit first: 4 * width bytes. */
static uint8_t *
pack(uint8_t *to, const uint64_t *v, int width)
{
	uint64_t	word = 0;
	int			filled = 0;

	for (int i = 0; i < MINI; i++)
	{
		word |= v[i] << filled;
		filled += width;
		if (filled >= 64)
		{
			memcpy(to, &word, 8);
			to += 8;
			filled -= 64;
			word = filled > 0 ? v[i] >> (width - filled) : 0;
		}
	}
	memcpy(to, &word, (size_t) filled / 8);
	return to + filled / 8;
}

static inline __attribute__((always_inline)) void
encode(StblBuf *out, Source source, const void *from, size_t n)
{
	stbl_buf_varint(out, BLOCK);
	stbl_buf_varint(out, N_MINIS);
	stbl_buf_varint(out, n);
	stbl_buf_zigzag(out, n > 0 ? (int64_t) load(source, from, 0) : 0);
	for (size_t first = 1; first < n; first += BLOCK)
	{
		size_t		m = n - first < BLOCK ? n - first : BLOCK;
		uint64_t	deltas[BLOCK];
		int64_t		least = INT64_MAX;
		uint8_t    *widths,
				   *p;

		for (size_t i = 0; i < m; i++)
		{
			uint64_t	d = load(source, from, first + i) - load(source, from, first + i - 1);

			/* Differences wrap in the width of the type, as its readers' sums do. */
			if (source != SOURCE_I64)
				d = (uint64_t) (int64_t) (int32_t) (uint32_t) d;
			deltas[i] = d;
			least = (int64_t) d < least ? (int64_t) d : least;
		}
		stbl_buf_zigzag(out, least);
		widths = stbl_buf_reserve(out, MAX_BLOCK_BYTES);
		memset(widths, 0, N_MINIS);
		p = widths + N_MINIS;
		for (size_t start = 0; start < m; start += MINI)
		{
			uint64_t	bits = 0;
			int			width;

			for (size_t i = start; i < start + MINI; i++)
			{
				deltas[i] = i < m ? deltas[i] - (uint64_t) least : 0;
				if (source != SOURCE_I64)
					deltas[i] = (uint32_t) deltas[i];
				bits |= deltas[i];
			}
			width = bits == 0 ? 0 : 64 - __builtin_clzll(bits);
			widths[start / MINI] = (uint8_t) width;
			p = pack(p, deltas + start, width);
		}
		out->len += (size_t) (p - widths);
	}
}

void
stbl_pq_encode_deltas(StblBuf *out, const StblVec *values, size_t first, size_t n)
{
	if (values->kind == STBL_VEC_I32)
		encode(out, SOURCE_I32, (const int32_t *) values->values + first, n);
	else
		encode(out, SOURCE_I64, (const int64_t *) values->values + first, n);
}

void
stbl_pq_encode_delta_lengths(StblBuf *out, const StblVec *values, size_t first, size_t n)
{
	encode(out, SOURCE_LENGTHS, values->offsets + first, n);
	stbl_buf_append(out, values->bytes + values->offsets[first], values->offsets[first + n] - values->offsets[first]);
}
