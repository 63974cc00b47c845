/* The hybrid encoding of run lengths and bit packing (Encodings.md, RLE). */
#include <string.h>

#include "parquet/parquet_int.h"

int
stbl_pq_bit_width(uint32_t max)
{
	int			width = 0;

	while (max != 0)
	{
		width++;
		max >>= 1;
	}
	return width;
}

/*
 * Values come through a function, so that one encoder serves levels and
 * dictionary codes.
 */
typedef uint32_t (*ValueAt) (const void *values, size_t i);

static uint32_t
at_u8(const void *values, size_t i)
{
	return ((const uint8_t *) values)[i];
}

static uint32_t
at_u32(const void *values, size_t i)
{
	return ((const uint32_t *) values)[i];
}

static inline void
emit_packed(StblBuf *out, const void *values, ValueAt at, size_t first, size_t n_groups, size_t n, int width)
{
	uint64_t	bits = 0;
	int			n_bits = 0;
	uint8_t    *p;
	size_t		n_bytes = n_groups * width;

	stbl_buf_varint(out, n_groups << 1 | 1);
	p = stbl_buf_reserve(out, n_bytes);
	for (size_t i = first; i < first + n_groups * 8; i++)
	{
		bits |= (uint64_t) (i < n ? at(values, i) : 0) << n_bits;
		n_bits += width;
		while (n_bits >= 8)
		{
			*p++ = (uint8_t) bits;
			bits >>= 8;
			n_bits -= 8;
		}
	}
	out->len += n_bytes;
}

static inline void
encode(StblBuf *out, const void *values, ValueAt at, size_t n, int width)
{
	size_t		i = 0;
	size_t		packed_from = 0;	/* values since here wait to be packed, a multiple of 8 but for the end */

	while (i < n)
	{
		uint32_t	v = at(values, i);
		size_t		run = 1;

		while (i + run < n && at(values, i + run) == v)
			run++;

		/* A run begins at a boundary of 8 after what is packed. */
		if ((i - packed_from) % 8 != 0)
		{
			size_t		fill = 8 - (i - packed_from) % 8;

			if (run < fill + 8)
			{
				i += run;
				continue;
			}
			i += fill;
			run -= fill;
		}
		if (run >= 8)
		{
			if (i > packed_from)
				emit_packed(out, values, at, packed_from, (i - packed_from) / 8, n, width);
			stbl_buf_varint(out, run << 1);
			for (int b = 0; b < width; b += 8)
				stbl_buf_u8(out, (uint8_t) (v >> b));
			i += run;
			packed_from = i;
		}
		else
			i += run;
	}
	if (n > packed_from)
		emit_packed(out, values, at, packed_from, (n - packed_from + 7) / 8, n, width);
}

void
stbl_pq_rle_encode_u8(StblBuf *out, const uint8_t *values, size_t n, int width)
{
	encode(out, values, at_u8, n, width);
}

void
stbl_pq_rle_encode_u32(StblBuf *out, const uint32_t *values, size_t n, int width)
{
	encode(out, values, at_u32, n, width);
}

/* Unpacks n values of width bits; the bytes are there. */
static void
unpack(const uint8_t *p, int width, uint32_t *out, size_t n)
{
	uint64_t	bits = 0;
	int			n_bits = 0;
	uint32_t	mask = width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;

	size_t		i = 0;
	size_t		n_bytes = (n * width + 7) / 8;

	/* While eight bytes can be read, a value is a shift away. */
	if (width > 0 && n_bytes >= 8)
	{
		size_t		safe = ((n_bytes - 8) * 8) / width;

		if (safe > n)
			safe = n;
		for (; i < safe; i++)
		{
			uint64_t	word;
			size_t		bit = i * width;

			memcpy(&word, p + bit / 8, 8);
			out[i] = (uint32_t) (word >> (bit % 8)) & mask;
		}
		n_bits = (8 - i * width % 8) % 8;
		p += (i * width + 7) / 8;
		if (n_bits > 0)
			bits = p[-1] >> (8 - n_bits);
	}
	for (; i < n; i++)
	{
		while (n_bits < width)
		{
			bits |= (uint64_t) *p++ << n_bits;
			n_bits += 8;
		}
		out[i] = (uint32_t) bits & mask;
		bits >>= width;
		n_bits -= width;
	}
}

bool
stbl_pq_rle_decode(StblCursor *cur, int width, uint32_t *out, size_t n)
{
	size_t		done = 0;

	if (width < 0 || width > 32)
		return false;
	if (width == 0 && stbl_cursor_left(cur) == 0)
	{
		memset(out, 0, n * sizeof(uint32_t));
		return true;
	}
	while (done < n)
	{
		uint64_t	head = stbl_cursor_varint(cur);
		uint64_t	count = head >> 1;

		if (cur->failed || count == 0)
			return false;
		if (head & 1)
		{
			size_t		take;
			size_t		left = stbl_cursor_left(cur);
			const uint8_t *bytes;
			uint64_t	n_bytes;

			if (count > SIZE_MAX / 64)
				return false;
			n_bytes = count * width;
			take = count * 8 < n - done ? count * 8 : n - done;

			/* Some writers leave out the padding of the last group. */
			if (n_bytes > left)
			{
				if (((uint64_t) take * width + 7) / 8 > left)
					return false;
				n_bytes = left;
			}
			bytes = stbl_cursor_bytes(cur, n_bytes);
			if (cur->failed)
				return false;
			unpack(bytes, width, out + done, take);
			done += take;
		}
		else
		{
			const uint8_t *bytes = stbl_cursor_bytes(cur, (width + 7) / 8);
			uint32_t	v = 0;
			size_t		take = count < n - done ? count : n - done;

			if (cur->failed)
				return false;
			for (int b = 0; b < (width + 7) / 8; b++)
				v |= (uint32_t) bytes[b] << (8 * b);
			for (size_t i = 0; i < take; i++)
				out[done + i] = v;
			done += take;
		}
	}
	return true;
}

bool
stbl_pq_rle_decode_u8(StblCursor *cur, int width, uint8_t *out, size_t n)
{
	uint32_t	part[8];
	size_t		done = 0;

	/*
	 * A run may cross the boundary of a part, so runs are walked here rather
	 * than handed over in parts.
	 */
	if (width < 0 || width > 8)
		return false;
	if (width == 0)
	{
		memset(out, 0, n);
		return true;
	}
	while (done < n)
	{
		uint64_t	head = stbl_cursor_varint(cur);
		uint64_t	count = head >> 1;

		if (cur->failed || count == 0)
			return false;
		if ((head & 1) == 0)
		{
			uint8_t		v = stbl_cursor_u8(cur);
			size_t		take = count < n - done ? count : n - done;

			if (cur->failed)
				return false;
			memset(out + done, v, take);
			done += take;
			continue;
		}
		for (; count > 0; count--)
		{
			size_t		take = n - done < 8 ? n - done : 8;
			size_t		want = width;
			size_t		left = stbl_cursor_left(cur);
			const uint8_t *bytes;

			if (take == 0)
			{
				/* Padding groups beyond the values, if the bytes are there. */
				if (count > left / width)
					count = left / width;
				(void) stbl_cursor_bytes(cur, count * width);
				break;
			}
			if (want > left)
			{
				if ((take * width + 7) / 8 > left)
					return false;
				want = left;
			}
			bytes = stbl_cursor_bytes(cur, want);
			if (cur->failed)
				return false;
			unpack(bytes, width, part, take);
			for (size_t i = 0; i < take; i++)
				out[done + i] = (uint8_t) part[i];
			done += take;
		}
	}
	return true;
}
