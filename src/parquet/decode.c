/* Encodings of data pages, read: PLAIN, and codes of a dictionary. */
#include <string.h>

#include "parquet/parquet_int.h"

#define US_PER_DAY INT64_C(86400000000)
#define JULIAN_EPOCH 2440588	/* 1970-01-01 */

static bool
too_short(const StblPqNode *leaf, size_t n, StblError *err)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "a page of Parquet column \"%s\" ends before its %zu values", leaf->name, n);
}

static bool
too_large(const StblPqNode *leaf, StblError *err)
{
	return stbl_fail(err, STBL_ERR_LIMIT, "a chunk of Parquet column \"%s\" holds more than %llu bytes", leaf->name,
					 (unsigned long long) STBL_PQ_MAX_CHUNK_BYTES);
}

static void
appended(StblVec *out, size_t n)
{
	if (n > 0)
		memset(out->valid + out->n, 1, n);
	out->n += n;
}

/* INT96: nanoseconds of the day, then the Julian day. */
static bool
int96_to_us(const uint8_t *p, int64_t *us)
{
	int64_t		nanos;
	int32_t		day;
	int64_t		part;

	memcpy(&nanos, p, 8);
	memcpy(&day, p + 8, 4);
	part = nanos / 1000 - (nanos % 1000 < 0);
	return !__builtin_mul_overflow((int64_t) day - JULIAN_EPOCH, US_PER_DAY, us) && !__builtin_add_overflow(*us, part, us);
}

static bool
decode_int96(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	const uint8_t *p;

	if (n > stbl_cursor_left(cur) / 12)
		return too_short(leaf, n, err);
	p = stbl_cursor_bytes(cur, n * 12);
	stbl_vec_reserve(out, out->n + n, 0);
	for (size_t i = 0; i < n; i++)
	{
		int64_t		us;

		if (!int96_to_us(p + i * 12, &us))
			return stbl_fail(err, STBL_ERR_RANGE, "a timestamp of Parquet column \"%s\" is out of range", leaf->name);
		memcpy(out->values + (out->n + i) * 8, &us, 8);
	}
	appended(out, n);
	return true;
}

static bool
decode_bytes(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	const uint8_t *p = cur->pos;
	size_t		left = stbl_cursor_left(cur);
	uint64_t	at = out->offsets[out->n];
	size_t		first = out->n;

	/* each value has four bytes of length, so what is left bounds both */
	if (n > left / 4)
		return too_short(leaf, n, err);
	if (at + left > STBL_PQ_MAX_CHUNK_BYTES)
		return too_large(leaf, err);
	stbl_vec_reserve(out, first + n, at + (left - n * 4));
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	len;

		if (left < 4)
			return too_short(leaf, n, err);
		memcpy(&len, p, 4);
		left -= 4;
		if (len > left || at + len > out->bytes_cap)
			return too_short(leaf, n, err);
		memcpy(out->bytes + at, p + 4, len);
		p += 4 + (size_t) len;
		left -= len;
		at += len;
		out->offsets[first + i + 1] = at;
	}
	(void) stbl_cursor_bytes(cur, (size_t) (p - cur->pos));
	appended(out, n);
	return true;
}

bool
stbl_pq_decode_plain(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	const uint8_t *p;

	if (n == 0)
		return true;
	if (leaf->type == STBL_PQ_INT96)
		return decode_int96(cur, leaf, out, n, err);
	if (out->kind == STBL_VEC_BYTES)
		return decode_bytes(cur, leaf, out, n, err);
	if (out->kind == STBL_VEC_BOOL)
	{
		if (n / 8 + (n % 8 != 0) > stbl_cursor_left(cur))
			return too_short(leaf, n, err);
		p = stbl_cursor_bytes(cur, n / 8 + (n % 8 != 0));
		stbl_vec_reserve(out, out->n + n, 0);
		for (size_t i = 0; i < n; i++)
			out->values[out->n + i] = p[i / 8] >> (i % 8) & 1;
	}
	else
	{
		if (n > stbl_cursor_left(cur) / out->width)
			return too_short(leaf, n, err);
		p = stbl_cursor_bytes(cur, n * out->width);
		stbl_vec_reserve(out, out->n + n, 0);
		memcpy(out->values + out->n * out->width, p, n * out->width);
	}
	appended(out, n);
	return true;
}

static bool
gather_bytes(const uint32_t *codes, size_t n, const StblVec *dict, const StblPqNode *leaf, StblVec *out, StblError *err)
{
	uint64_t	at = out->offsets[out->n];
	uint64_t	total = 0;

	for (size_t i = 0; i < n; i++)
		total += dict->offsets[codes[i] + 1] - dict->offsets[codes[i]];
	if (at + total > STBL_PQ_MAX_CHUNK_BYTES)
		return too_large(leaf, err);
	stbl_vec_reserve(out, out->n + n, at + total);
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	from = dict->offsets[codes[i]];
		size_t		len = dict->offsets[codes[i] + 1] - from;

		memcpy(out->bytes + at, dict->bytes + from, len);
		at += len;
		out->offsets[out->n + i + 1] = at;
	}
	return true;
}

bool
stbl_pq_decode_codes(const uint32_t *codes, size_t n, const StblVec *dict, const StblPqNode *leaf, StblVec *out, StblError *err)
{
	uint32_t	highest = 0;
	size_t		width = out->width;

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		highest = codes[i] > highest ? codes[i] : highest;
	if (highest >= dict->n)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet column \"%s\" refers to entry %u of a dictionary of %zu", leaf->name,
						 (unsigned) highest, dict->n);
	if (out->kind == STBL_VEC_BYTES)
	{
		if (!gather_bytes(codes, n, dict, leaf, out, err))
			return false;
	}
	else
	{
		uint8_t    *to;

		if ((uint64_t) (out->n + n) * width > STBL_PQ_MAX_CHUNK_BYTES)
			return too_large(leaf, err);
		stbl_vec_reserve(out, out->n + n, 0);
		to = out->values + out->n * width;
		if (width == 8)
			for (size_t i = 0; i < n; i++)
				memcpy(to + i * 8, dict->values + (size_t) codes[i] * 8, 8);
		else if (width == 4)
			for (size_t i = 0; i < n; i++)
				memcpy(to + i * 4, dict->values + (size_t) codes[i] * 4, 4);
		else
			for (size_t i = 0; i < n; i++)
				memcpy(to + i * width, dict->values + codes[i] * width, width);
	}
	appended(out, n);
	return true;
}
