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

/* ---- reading ---- */

void
stbl_pq_runs_begin(StblPqRuns *runs, StblCursor *cur, int width)
{
	memset(runs, 0, sizeof(*runs));
	runs->cur = cur;
	runs->width = width;
}

/* The head of the next run; false if it is malformed. */
static bool
next_run(StblPqRuns *runs, size_t wanted)
{
	StblCursor *cur = runs->cur;
	uint64_t	head,
				count;

	/* values of no bits need no runs */
	if (runs->width == 0 && stbl_cursor_left(cur) == 0)
	{
		runs->is_packed = false;
		runs->value = 0;
		runs->left = wanted;
		return true;
	}
	head = stbl_cursor_varint(cur);
	count = head >> 1;
	if (cur->failed || count == 0)
		return false;
	runs->is_packed = head & 1;
	if (runs->is_packed)
	{
		size_t		left = stbl_cursor_left(cur);

		if (count > SIZE_MAX / 64)
			return false;
		runs->left = count * 8;

		/* some writers leave out the padding of the last group */
		runs->n_bytes = count * (uint64_t) runs->width < left ? (size_t) count * (size_t) runs->width : left;
		runs->bytes = stbl_cursor_bytes(cur, runs->n_bytes);
	}
	else
	{
		int			n = (runs->width + 7) / 8;
		const uint8_t *p = stbl_cursor_bytes(cur, (size_t) n);

		runs->left = count;
		runs->value = 0;
		for (int b = 0; p != NULL && b < n; b++)
			runs->value |= (uint32_t) p[b] << (8 * b);
	}
	return !cur->failed;
}

/* Takes up to n of the packed values; all but the last time a multiple of eight. */
static size_t
take_packed(StblPqRuns *runs, size_t n, const uint8_t **bytes, size_t *n_bytes)
{
	size_t		take = runs->left < n ? (size_t) runs->left : n;

	*bytes = runs->bytes;
	*n_bytes = runs->n_bytes;
	if (((uint64_t) take * (uint64_t) runs->width + 7) / 8 > runs->n_bytes)
		return 0;
	runs->left -= take;
	runs->bytes += take * (size_t) runs->width / 8;
	runs->n_bytes -= take * (size_t) runs->width / 8;
	return take;
}

size_t
stbl_pq_runs_next(StblPqRuns *runs, size_t wanted, uint32_t *batch, bool *is_run)
{
	size_t		take;
	const uint8_t *bytes;
	size_t		n_bytes;

	if (runs->left == 0 && !next_run(runs, wanted))
		return 0;
	*is_run = !runs->is_packed;
	if (!runs->is_packed)
	{
		take = runs->left < wanted ? (size_t) runs->left : wanted;
		batch[0] = runs->value;
		runs->left -= take;
		return take;
	}
	take = take_packed(runs, wanted < STBL_PQ_BATCH ? wanted : STBL_PQ_BATCH, &bytes, &n_bytes);
	stbl_pq_unpack32(bytes, n_bytes, runs->width, batch, take);
	return take;
}

bool
stbl_pq_rle_decode(StblCursor *cur, int width, uint32_t *out, size_t n)
{
	StblPqRuns	runs;
	uint32_t	batch[STBL_PQ_BATCH];
	size_t		take;
	bool		is_run;

	if (width < 0 || width > 32)
		return false;
	stbl_pq_runs_begin(&runs, cur, width);
	for (size_t done = 0; done < n; done += take)
	{
		take = stbl_pq_runs_next(&runs, n - done, batch, &is_run);
		if (take == 0)
			return false;
		if (!is_run)
			memcpy(out + done, batch, take * sizeof(uint32_t));
		else
			for (size_t i = 0; i < take; i++)
				out[done + i] = batch[0];
	}
	return true;
}

bool
stbl_pq_rle_decode_u8(StblCursor *cur, int width, uint8_t *out, size_t n)
{
	StblPqRuns	runs;
	uint32_t	batch[STBL_PQ_BATCH];
	size_t		take;
	bool		is_run;

	if (width < 0 || width > 8)
		return false;
	if (width == 0)
	{
		memset(out, 0, n);
		return true;
	}
	stbl_pq_runs_begin(&runs, cur, width);
	for (size_t done = 0; done < n; done += take)
	{
		if (width == 1 && (runs.left > 0 || next_run(&runs, n - done)) && runs.is_packed)
		{
			const uint8_t *bytes;
			size_t		n_bytes;

			take = take_packed(&runs, n - done, &bytes, &n_bytes);
			if (take == 0)
				return false;
			stbl_pq_unpack_bits(bytes, out + done, take);
			continue;
		}
		take = stbl_pq_runs_next(&runs, n - done, batch, &is_run);
		if (take == 0)
			return false;
		if (is_run)
			memset(out + done, (int) batch[0], take);
		else
			for (size_t i = 0; i < take; i++)
				out[done + i] = (uint8_t) batch[i];
	}
	return true;
}
