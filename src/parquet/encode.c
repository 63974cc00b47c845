/* Encodings of data pages: levels, PLAIN values. */
#include <string.h>

#include "parquet/parquet_int.h"

/* Levels of a version 1 page: a length of four bytes, then RLE. */
void
stbl_pq_encode_levels(StblBuf *out, const uint8_t *levels, size_t n, int max)
{
	size_t		at = out->len;
	uint32_t	len;

	stbl_buf_u32le(out, 0);

	/* most often all alike: one run */
	if (n > 0 && memcmp(levels, levels + 1, n - 1) == 0)
	{
		stbl_buf_varint(out, (uint64_t) n << 1);
		stbl_buf_u8(out, levels[0]);
	}
	else
		stbl_pq_rle_encode_u8(out, levels, n, stbl_pq_bit_width((uint32_t) max));
	len = (uint32_t) (out->len - at - 4);
	memcpy(out->data + at, &len, 4);
}

uint64_t
stbl_pq_plain_size(const StblVec *values, size_t first, size_t n)
{
	if (values->kind == STBL_VEC_BOOL)
		return (n + 7) / 8;
	if (values->kind == STBL_VEC_BYTES)
		return values->offsets[first + n] - values->offsets[first] + (uint64_t) n * 4;
	return (uint64_t) n * values->width;
}

void
stbl_pq_encode_plain(StblBuf *out, const StblVec *values, size_t first, size_t n)
{
	size_t		size = stbl_pq_plain_size(values, first, n);
	uint8_t    *p = stbl_buf_reserve(out, size);

	if (n == 0)
		return;
	if (values->kind == STBL_VEC_BOOL)
	{
		const uint8_t *v = values->values + first;

		memset(p, 0, size);
		for (size_t i = 0; i < n; i++)
			p[i / 8] |= (uint8_t) ((v[i] != 0) << (i % 8));
	}
	else if (values->kind == STBL_VEC_BYTES)
	{
		for (size_t i = first; i < first + n; i++)
		{
			uint32_t	len = (uint32_t) (values->offsets[i + 1] - values->offsets[i]);

			memcpy(p, &len, 4);
			memcpy(p + 4, values->bytes + values->offsets[i], len);
			p += 4 + (size_t) len;
		}
	}
	else
		memcpy(p, values->values + first * values->width, size);
	out->len += size;
}
