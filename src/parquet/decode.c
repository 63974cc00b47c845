/* Encodings of data pages, read: PLAIN, codes of a dictionary, BYTE_STREAM_SPLIT, runs of booleans. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "parquet/parquet_int.h"

#define US_PER_DAY INT64_C(86400000000)
#define JULIAN_EPOCH 2440588	/* 1970-01-01 */

/* For strings no longer than this one copy of fixed size does, where both sides have room for it. */
#define SHORT_COPY 32

static inline __attribute__((always_inline)) void
copy_string(uint8_t *to, const uint8_t *from, size_t len, bool has_room)
{
	if (len <= SHORT_COPY && has_room)
		memcpy(to, from, SHORT_COPY);
	else
		memcpy(to, from, len);
}

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
	uint8_t    *to;
	size_t		room;

	/* each value has four bytes of length, so what is left bounds both */
	if (n > left / 4)
		return too_short(leaf, n, err);
	if (at + left > STBL_PQ_MAX_CHUNK_BYTES)
		return too_large(leaf, err);
	stbl_vec_reserve(out, first + n, at + (left - n * 4) + SHORT_COPY);
	to = out->bytes;
	room = out->bytes_cap - SHORT_COPY;
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	len;

		if (left < 4)
			return too_short(leaf, n, err);
		memcpy(&len, p, 4);
		left -= 4;
		if (len > left || at + len > room)
			return too_short(leaf, n, err);
		copy_string(to + at, p + 4, len, left >= SHORT_COPY);
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
		stbl_pq_unpack_bits(p, out->values + out->n, n);
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

/* ---- dictionaries ---- */

bool
stbl_pq_codes_below(const uint32_t *codes, size_t n, size_t limit)
{
	uint32_t	highest = 0;

	for (size_t i = 0; i < n; i++)
		highest = codes[i] > highest ? codes[i] : highest;
	return n == 0 || highest < limit;
}

static bool
gather_bytes(const uint32_t *codes, size_t n, bool is_run, const StblVec *dict, const StblPqNode *leaf, StblVec *out, StblError *err)
{
	uint64_t	at = out->offsets[out->n];
	uint64_t   *ends = out->offsets + out->n + 1;
	uint64_t	total = 0;
	size_t		step = is_run ? 0 : 1;

	if (is_run)
		total = n * (dict->offsets[codes[0] + 1] - dict->offsets[codes[0]]);
	else
		for (size_t i = 0; i < n; i++)
			total += dict->offsets[codes[i] + 1] - dict->offsets[codes[i]];
	if (at + total > STBL_PQ_MAX_CHUNK_BYTES)
		return too_large(leaf, err);
	stbl_vec_reserve(out, out->n + n, at + total + SHORT_COPY);
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	code = codes[i * step];
		uint64_t	from = dict->offsets[code];
		size_t		len = dict->offsets[code + 1] - from;

		copy_string(out->bytes + at, dict->bytes + from, len, true);
		at += len;
		ends[i] = at;
	}
	return true;
}

#define GATHER(type) do { \
	type	   *to_ = (type *) to; \
	const type *from_ = (const type *) dict->values; \
	if (is_run) \
	{ \
		type		v = from_[codes[0]]; \
		for (size_t i = 0; i < n; i++) \
			to_[i] = v; \
	} \
	else \
		for (size_t i = 0; i < n; i++) \
			to_[i] = from_[codes[i]]; \
} while (0)

/* Room was made, codes are sound. */
static void
gather_fixed(const uint32_t *codes, size_t n, bool is_run, const StblVec *dict, StblVec *out)
{
	size_t		width = out->width;
	uint8_t    *to = out->values + out->n * width;

	if (width == 8)
		GATHER(uint64_t);
	else if (width == 4)
		GATHER(uint32_t);
	else
		for (size_t i = 0; i < n; i++)
			memcpy(to + i * width, dict->values + codes[is_run ? 0 : i] * width, width);
}

/* cur stands at the width of the codes. */
bool
stbl_pq_decode_dictionary(StblCursor *cur, const StblVec *dict, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	StblPqRuns	runs;
	uint32_t	batch[STBL_PQ_BATCH];
	int			width;
	size_t		take;

	if (n == 0)
		return true;
	width = stbl_cursor_u8(cur);
	if (cur->failed || width > 32)
		return stbl_pq_bad_codes(leaf, err);
	if (out->kind != STBL_VEC_BYTES)
	{
		if ((uint64_t) (out->n + n) * out->width > STBL_PQ_MAX_CHUNK_BYTES)
			return too_large(leaf, err);
	}
	stbl_vec_reserve(out, out->n + n, 0);
	stbl_pq_runs_begin(&runs, cur, width);
	for (size_t done = 0; done < n; done += take)
	{
		bool		is_run;

		take = stbl_pq_runs_next(&runs, n - done, batch, &is_run);
		if (take == 0)
			return stbl_pq_bad_codes(leaf, err);
		if (!stbl_pq_codes_below(batch, is_run ? 1 : take, dict->n))
			return stbl_pq_no_entry(leaf, dict->n, err);
		if (out->kind != STBL_VEC_BYTES)
			gather_fixed(batch, take, is_run, dict, out);
		else if (!gather_bytes(batch, take, is_run, dict, leaf, out, err))
			return false;
		appended(out, take);
	}
	return true;
}

bool
stbl_pq_bad_codes(const StblPqNode *leaf, StblError *err)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "dictionary codes of Parquet column \"%s\" are malformed", leaf->name);
}

bool
stbl_pq_no_entry(const StblPqNode *leaf, size_t n, StblError *err)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet column \"%s\" refers to an entry beyond its dictionary of %zu", leaf->name, n);
}

/* ---- BYTE_STREAM_SPLIT: all first bytes, all second bytes, ... ---- */

#ifdef __SSE2__
/* Sixteen values of four or eight bytes: streams are interleaved two by two, until there is one. */
static inline __attribute__((always_inline)) void
join_sixteen(const uint8_t *p, size_t n, size_t width, uint8_t *to)
{
	__m128i		v[8],
				w[8];

	for (size_t k = 0; k < width; k++)
		v[k] = _mm_loadu_si128((const __m128i *) (p + k * n));

	/* stage by stage, vector k and the one half the vectors further are interleaved into 2k and 2k + 1 */
	for (size_t stage = 1; stage < width; stage *= 2)
	{
		for (size_t k = 0; k < width / 2; k++)
		{
			w[2 * k] = _mm_unpacklo_epi8(v[k], v[k + width / 2]);
			w[2 * k + 1] = _mm_unpackhi_epi8(v[k], v[k + width / 2]);
		}
		for (size_t k = 0; k < width; k++)
			v[k] = w[k];
	}
	for (size_t k = 0; k < width; k++)
		_mm_storeu_si128((__m128i *) (to + k * 16), v[k]);
}
#endif

bool
stbl_pq_decode_split(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	size_t		width = out->width;
	const uint8_t *p;
	uint8_t    *to;
	size_t		i = 0;

	if (n == 0)
		return true;
	if (n > stbl_cursor_left(cur) / width)
		return too_short(leaf, n, err);
	p = stbl_cursor_bytes(cur, n * width);
	stbl_vec_reserve(out, out->n + n, 0);
	to = out->values + out->n * width;
#ifdef __SSE2__
	if (width == 8)
		for (; i + 16 <= n; i += 16)
			join_sixteen(p + i, n, 8, to + i * 8);
	else if (width == 4)
		for (; i + 16 <= n; i += 16)
			join_sixteen(p + i, n, 4, to + i * 4);
#endif
	for (; i < n; i++)
		for (size_t k = 0; k < width; k++)
			to[i * width + k] = p[k * n + i];
	appended(out, n);
	return true;
}

/* ---- runs of booleans: a length, then the runs ---- */

bool
stbl_pq_decode_booleans(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err)
{
	uint32_t	len;
	const uint8_t *p;
	StblCursor	runs;

	if (n == 0)
		return true;
	len = stbl_cursor_u32le(cur);
	p = cur->failed ? NULL : stbl_cursor_bytes(cur, len);
	if (!cur->failed)
	{
		uint8_t    *to;

		stbl_cursor_init(&runs, p, len);
		stbl_vec_reserve(out, out->n + n, 0);
		to = out->values + out->n;
		if (stbl_pq_rle_decode_u8(&runs, 1, to, n))
		{
			for (size_t i = 0; i < n; i++)
				to[i] &= 1;
			appended(out, n);
			return true;
		}
	}
	return stbl_fail(err, STBL_ERR_CORRUPT, "booleans of Parquet column \"%s\" are malformed", leaf->name);
}
