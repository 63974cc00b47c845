/* Encodings that we do not write, for the tests: made as Encodings.md says. */
#ifndef STBL_UNIT_ENCODERS_H
#define STBL_UNIT_ENCODERS_H

#include <stdlib.h>
#include <string.h>

#include "parquet/parquet_int.h"

/* Packs values of width bits, least bit first. */
static inline void
put_packed(StblBuf *out, const uint64_t *values, size_t n, int width)
{
	size_t		n_bytes = (n * (size_t) width + 7) / 8;
	uint8_t    *p = stbl_buf_reserve(out, n_bytes);

	memset(p, 0, n_bytes);
	for (size_t i = 0; i < n; i++)
		for (int b = 0; b < width; b++)
			p[(i * (size_t) width + (size_t) b) / 8] |= (uint8_t) ((values[i] >> b & 1) << ((i * (size_t) width + (size_t) b) % 8));
	out->len += n_bytes;
}

static inline int
width_of(uint64_t v)
{
	int			w = 0;

	for (; v != 0; v >>= 1)
		w++;
	return w;
}

static inline void
put_deltas(StblBuf *out, const int64_t *v, size_t n, size_t block, size_t n_minis, bool is_32)
{
	size_t		mini = block / n_minis;

	stbl_buf_varint(out, block);
	stbl_buf_varint(out, n_minis);
	stbl_buf_varint(out, n);
	stbl_buf_zigzag(out, n > 0 ? v[0] : 0);
	for (size_t first = 1; first < n; first += block)
	{
		size_t		len = n - first < block ? n - first : block;
		uint64_t   *d = calloc(block, sizeof(uint64_t));
		int64_t		least = INT64_MAX;
		uint8_t		widths[64] = {0};

		for (size_t i = 0; i < len; i++)
		{
			uint64_t	delta = (uint64_t) v[first + i] - (uint64_t) v[first + i - 1];

			d[i] = is_32 ? (uint64_t) (int64_t) (int32_t) delta : delta;
			least = (int64_t) d[i] < least ? (int64_t) d[i] : least;
		}
		for (size_t i = 0; i < len; i++)
			d[i] -= (uint64_t) least;
		for (size_t i = 0; i < len; i++)
			if (width_of(d[i]) > widths[i / mini])
				widths[i / mini] = (uint8_t) width_of(d[i]);
		stbl_buf_zigzag(out, least);
		stbl_buf_append(out, widths, n_minis);
		for (size_t m = 0; m * mini < len; m++)
			put_packed(out, d + m * mini, mini, widths[m]);
		free(d);
	}
}

/* Strings to encode. */
static char texts[3000][80];
static size_t text_len[3000];

static inline void
put_plain_texts(StblBuf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		stbl_buf_u32le(b, (uint32_t) text_len[i]);
		stbl_buf_append(b, texts[i], text_len[i]);
	}
}

static inline void
put_delta_lengths(StblBuf *b, size_t n)
{
	int64_t		v[3000] = {0};

	for (size_t i = 0; i < n; i++)
		v[i] = (int64_t) text_len[i];
	put_deltas(b, v, n, 128, 4, true);
	for (size_t i = 0; i < n; i++)
		stbl_buf_append(b, texts[i], text_len[i]);
}

static inline void
put_delta_strings(StblBuf *b, size_t n)
{
	int64_t		kept[3000] = {0},
				rest[3000] = {0};

	for (size_t i = 0; i < n; i++)
	{
		kept[i] = 0;
		while (i > 0 && (size_t) kept[i] < text_len[i] && (size_t) kept[i] < text_len[i - 1] && texts[i][kept[i]] == texts[i - 1][kept[i]])
			kept[i]++;
		rest[i] = (int64_t) text_len[i] - kept[i];
	}
	put_deltas(b, kept, n, 128, 4, true);
	put_deltas(b, rest, n, 128, 4, true);
	for (size_t i = 0; i < n; i++)
		stbl_buf_append(b, texts[i] + kept[i], (size_t) rest[i]);
}

#endif							/* STBL_UNIT_ENCODERS_H */
