/*
 * Bit packing, read.  Thirty-two values of w bits take 4w bytes: a block is
 * unpacked by straight code with w known to the compiler, each value by one
 * load of eight bytes, a shift and a mask.  Such a load reaches beyond the
 * block's end, so the last blocks are unpacked from a copy.
 */
#include <string.h>

#include "parquet/parquet_int.h"

#define BLOCK 32
#define REACH 8					/* how far a load may reach beyond a block */

#define ONE(i) \
	memcpy(&word, p + (i) * width / 8, 8); \
	out[i] = (uint32_t) (word >> ((i) * width % 8)) & mask;
#define FOUR(i) ONE(i) ONE((i) + 1) ONE((i) + 2) ONE((i) + 3)
#define SIXTEEN(i) FOUR(i) FOUR((i) + 4) FOUR((i) + 8) FOUR((i) + 12)

static inline __attribute__((always_inline)) void
unpack_block(const uint8_t *p, int width, uint32_t *out)
{
	uint32_t	mask = width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;
	uint64_t	word;

	SIXTEEN(0)
	SIXTEEN(16)
}

#define WIDTH(w) \
	case w: \
		for (size_t b = 0; b < n_blocks; b++) \
			unpack_block(p + b * (4 * (w)), w, out + b * BLOCK); \
		break;
#define WIDTHS(w) WIDTH(w) WIDTH((w) + 1) WIDTH((w) + 2) WIDTH((w) + 3)

static void
unpack_blocks(const uint8_t *p, int width, uint32_t *out, size_t n_blocks)
{
	switch (width)
	{
		WIDTHS(1)
		WIDTHS(5)
		WIDTHS(9)
		WIDTHS(13)
		WIDTHS(17)
		WIDTHS(21)
		WIDTHS(25)
		WIDTHS(29)
		default:
			break;
	}
}

void
stbl_pq_unpack32(const uint8_t *p, size_t len, int width, uint32_t *out, size_t n)
{
	size_t		block_bytes = 4 * (size_t) width;
	size_t		n_blocks = 0;

	if (width == 0)
	{
		memset(out, 0, n * sizeof(uint32_t));
		return;
	}
	if (len >= block_bytes + REACH)
		n_blocks = (len - REACH) / block_bytes;
	if (n_blocks > n / BLOCK)
		n_blocks = n / BLOCK;
	unpack_blocks(p, width, out, n_blocks);
	for (size_t done = n_blocks * BLOCK; done < n; done += BLOCK)
	{
		uint8_t		copy[4 * 32 + REACH];
		uint32_t	block[BLOCK];
		size_t		at = done / BLOCK * block_bytes;
		size_t		left = len - at < block_bytes ? len - at : block_bytes;

		memset(copy, 0, sizeof(copy));
		memcpy(copy, p + at, left);
		unpack_blocks(copy, width, block, 1);
		memcpy(out + done, block, (n - done < BLOCK ? n - done : BLOCK) * sizeof(uint32_t));
	}
}

void
stbl_pq_unpack64(const uint8_t *p, size_t len, int width, uint64_t *out, size_t n)
{
	uint64_t	mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;

	if (width <= 32)
	{
		uint32_t	narrow[BLOCK];

		for (size_t done = 0; done < n; done += BLOCK)
		{
			size_t		take = n - done < BLOCK ? n - done : BLOCK;
			size_t		at = done / 8 * (size_t) width;

			stbl_pq_unpack32(p + at, len - at, width, narrow, take);
			for (size_t i = 0; i < take; i++)
				out[done + i] = narrow[i];
		}
		return;
	}
	for (size_t i = 0; i < n; i++)
	{
		size_t		bit = i * (size_t) width;
		size_t		at = bit / 8;
		int			shift = (int) (bit % 8);
		uint64_t	word = 0;

		memcpy(&word, p + at, len - at < 8 ? len - at : 8);
		word >>= shift;
		if (shift + width > 64 && at + 8 < len)
			word |= (uint64_t) p[at + 8] << (64 - shift);
		out[i] = word & mask;
	}
}

void
stbl_pq_unpack_bits(const uint8_t *p, uint8_t *out, size_t n)
{
	size_t		i = 0;

	/* each byte of the product has the whole of p; of the first is kept bit 0, and so on */
	for (; i + 8 <= n; i += 8)
	{
		uint64_t	v = (p[i / 8] * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);

		v = ((v + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
		memcpy(out + i, &v, 8);
	}
	for (; i < n; i++)
		out[i] = p[i / 8] >> (i % 8) & 1;
}
