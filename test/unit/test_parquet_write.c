/*
 * What the writer makes of its columns: delta encodings read back, the
 * choice of an encoding and a compression by measure, dictionaries by table
 * and by hash, bounds found by short cuts.  Read by the decoders that
 * test_parquet_encodings.c tests against encoders of its own.
 */
#include <math.h>

#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "arena.h"
#include "unit.h"

static Arena arena;
static StblMem *mem = &arena.mem;
static StblError err;
static uint64_t rng = 11;

static uint64_t
rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return rng ^ rng >> 29;
}

static StblPqNode
leaf_of(StblPqType type)
{
	StblPqNode	n;

	memset(&n, 0, sizeof(n));
	n.name = "x";
	n.repetition = STBL_PQ_OPTIONAL;
	n.type = type;
	n.field_id = -1;
	return n;
}

/* ---- deltas ---- */

static int64_t
pattern(int which, size_t i)
{
	switch (which)
	{
		case 0:
			return 7;
		case 1:
			return (int64_t) i;
		case 2:
			return -3 * (int64_t) i;
		case 3:
			return (int64_t) rnd();
		case 4:
			return i % 2 ? INT64_MIN : INT64_MAX;
		case 5:
			return i % 2 ? INT32_MIN : INT32_MAX;
		case 6:
			return INT64_C(1704067200000000) + (int64_t) i * 1000000 + (int64_t) (rnd() % 1000000);
		default:
			/* each miniblock a width of its own */
			return (int64_t) (rnd() >> (i / 32 % 64));
	}
}

static bool
deltas_round_trip(StblVecKind kind, int which, size_t n, size_t first)
{
	StblPqNode	leaf = leaf_of(kind == STBL_VEC_I32 ? STBL_PQ_INT32 : STBL_PQ_INT64);
	StblVec		in,
				back;
	StblBuf		out;
	StblCursor	cur;
	bool		ok;

	stbl_vec_init(&in, mem, kind, 0);
	stbl_vec_init(&back, mem, kind, 0);
	stbl_buf_init(&out, mem);
	for (size_t i = 0; i < first + n + 3; i++)
	{
		int64_t		v = pattern(which, i);
		int32_t		v32 = (int32_t) v;

		stbl_vec_fixed(&in, kind == STBL_VEC_I32 ? (void *) &v32 : (void *) &v);
	}
	stbl_pq_encode_deltas(&out, &in, first, n);
	stbl_cursor_init(&cur, out.data, out.len);
	ok = stbl_pq_decode_deltas(&cur, &leaf, &back, n, &err) && back.n == n && stbl_cursor_left(&cur) == 0 &&
		memcmp(back.values, in.values + first * in.width, n * in.width) == 0;

	/* Widths beyond the type's would be refused by other readers: a block's sizes tell. */
	if (ok && out.len > 32 + n * (in.width + 1) + (n / 128 + 1) * 14)
		ok = false;
	return ok;
}

static void
test_deltas(void)
{
	static const size_t counts[] = {1, 2, 31, 32, 33, 127, 128, 129, 130, 160, 161, 257, 1000, 5000};
	int			bad = 0;

	for (int which = 0; which < 8; which++)
		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
			for (size_t first = 0; first < 2; first++)
			{
				bad += !deltas_round_trip(STBL_VEC_I32, which, counts[c], first);
				bad += !deltas_round_trip(STBL_VEC_I64, which, counts[c], first);
				arena_reset(&arena);
			}
	OK(bad == 0, "deltas of 32 and 64 bits are read back, %d are not", bad);
}

static void
test_delta_lengths(void)
{
	StblPqNode	leaf = leaf_of(STBL_PQ_BYTE_ARRAY);
	int			bad = 0;

	for (int n = 1; n < 700; n += 37)
	{
		StblVec		in,
					back;
		StblBuf		out;
		StblCursor	cur;
		char		text[512];

		memset(text, 'x', sizeof(text));
		stbl_vec_init(&in, mem, STBL_VEC_BYTES, 0);
		stbl_vec_init(&back, mem, STBL_VEC_BYTES, 0);
		stbl_buf_init(&out, mem);
		for (int i = 0; i < n + 2; i++)
		{
			text[0] = (char) i;
			stbl_vec_bytes(&in, text, n % 2 ? (size_t) (rnd() % 512) : 20);
		}
		stbl_pq_encode_delta_lengths(&out, &in, 1, (size_t) n);
		stbl_cursor_init(&cur, out.data, out.len);
		if (!stbl_pq_decode_delta_lengths(mem, &cur, &leaf, &back, (size_t) n, &err) || back.n != (size_t) n)
			bad++;
		for (size_t i = 0; bad == 0 && i < (size_t) n; i++)
		{
			size_t		len = in.offsets[i + 2] - in.offsets[i + 1];

			if (back.offsets[i + 1] - back.offsets[i] != len || memcmp(back.bytes + back.offsets[i], in.bytes + in.offsets[i + 1], len) != 0)
				bad++;
		}
		arena_reset(&arena);
	}
	OK(bad == 0, "texts behind their lengths are read back");
}

/* ---- the choice ---- */

static StblVec	column;

static void
begin(StblVecKind kind)
{
	arena_reset(&arena);
	stbl_vec_init(&column, mem, kind, 0);
}

static StblPqChoice
choice(StblPqCodec codec, bool plain_only)
{
	StblPqCompressor c;
	StblPqDict	dict;
	StblBuf		page;
	bool		built;

	memset(&dict, 0, sizeof(dict));
	dict.mem = mem;
	stbl_buf_init(&page, mem);
	stbl_pq_compressor_init(&c, mem, codec, 1);
	built = stbl_pq_dict_build(&dict, &column);
	return stbl_pq_choose(&c, &column, built ? &dict : NULL, plain_only, &page);
}

#define N 50000

static void
test_choice(void)
{
	StblPqChoice c;
	char		text[80];

	begin(STBL_VEC_I64);
	for (int64_t i = 0; i < N; i++)
		stbl_vec_fixed(&column, &i);
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_DELTA_BINARY_PACKED, "a sequence: deltas");
	c = choice(STBL_PQ_UNCOMPRESSED, false);
	OK(c.encoding == STBL_PQ_ENC_DELTA_BINARY_PACKED && c.codec == STBL_PQ_UNCOMPRESSED, "... without compression too");
	c = choice(STBL_PQ_ZSTD, true);
	OK(c.encoding == STBL_PQ_ENC_PLAIN && c.codec == STBL_PQ_ZSTD, "... but PLAIN where asked for");

	begin(STBL_VEC_I64);
	for (size_t i = 0; i < N; i++)
	{
		int64_t		v = pattern(6, i);

		stbl_vec_fixed(&column, &v);
	}
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_DELTA_BINARY_PACKED && c.codec == STBL_PQ_UNCOMPRESSED, "timestamps: deltas, not compressed in vain");

	begin(STBL_VEC_F64);
	for (size_t i = 0; i < N; i++)
	{
		double		v = (double) (rnd() >> 11) / 9007199254740992.0;

		stbl_vec_fixed(&column, &v);
	}
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_PLAIN && c.codec == STBL_PQ_UNCOMPRESSED, "random numbers: as they are");

	begin(STBL_VEC_F64);
	for (size_t i = 0; i < N; i++)
	{
		double		v = (double) (i / 3) * 0.5;

		stbl_vec_fixed(&column, &v);
	}
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_PLAIN && c.codec == STBL_PQ_ZSTD, "numbers that compress: compressed");

	begin(STBL_VEC_I32);
	for (size_t i = 0; i < N; i++)
	{
		int32_t		v = (int32_t) (rnd() % 1000);

		stbl_vec_fixed(&column, &v);
	}
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_RLE_DICTIONARY && c.codec == STBL_PQ_UNCOMPRESSED, "few values in no order: a dictionary");

	begin(STBL_VEC_BYTES);
	for (size_t i = 0; i < N; i++)
		stbl_vec_bytes(&column, text, (size_t) snprintf(text, sizeof(text), "%016llx%04d", (unsigned long long) rnd(), (int) (i % 10000)));
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY && c.codec == STBL_PQ_ZSTD, "texts that differ: behind their lengths, compressed");

	begin(STBL_VEC_BYTES);
	for (size_t i = 0; i < N; i++)
		stbl_vec_bytes(&column, text, (size_t) snprintf(text, sizeof(text), "one of a few: %d", (int) (rnd() % 50)));
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_RLE_DICTIONARY, "texts that repeat: a dictionary");

	begin(STBL_VEC_BYTES);
	c = choice(STBL_PQ_ZSTD, false);
	OK(c.encoding == STBL_PQ_ENC_PLAIN, "no values at all");
	stbl_vec_bytes(&column, text, 0);
	(void) choice(STBL_PQ_ZSTD, false);
	OK(true, "one value of no bytes");
}

/* ---- dictionaries ---- */

static bool
dict_holds(void)
{
	StblPqDict	dict;
	bool		same = true;

	memset(&dict, 0, sizeof(dict));
	dict.mem = mem;
	if (!stbl_pq_dict_build(&dict, &column))
		return false;
	for (size_t i = 0; same && i < column.n; i++)
	{
		size_t		e = dict.codes[i];

		if (e >= dict.entries.n)
			return false;
		if (column.kind == STBL_VEC_BYTES)
		{
			size_t		len = column.offsets[i + 1] - column.offsets[i];

			same = dict.entries.offsets[e + 1] - dict.entries.offsets[e] == len &&
				memcmp(dict.entries.bytes + dict.entries.offsets[e], column.bytes + column.offsets[i], len) == 0;
		}
		else
			same = memcmp(dict.entries.values + e * column.width, column.values + i * column.width, column.width) == 0;
	}
	return same;
}

static bool
dict_is_built(void)
{
	StblPqDict	dict;

	memset(&dict, 0, sizeof(dict));
	dict.mem = mem;
	return stbl_pq_dict_build(&dict, &column);
}

static void
test_dictionaries(void)
{
	static const int64_t bases[] = {0, -5, INT32_MIN, INT32_MAX - 999};
	char		text[80];
	int			bad = 0;

	for (int b = 0; b < 4; b++)
	{
		begin(STBL_VEC_I32);
		for (size_t i = 0; i < N; i++)
		{
			int32_t		v = (int32_t) (bases[b] + (int64_t) (rnd() % 1000));

			stbl_vec_fixed(&column, &v);
		}
		bad += !dict_holds();
	}
	begin(STBL_VEC_I64);
	for (size_t i = 0; i < N; i++)
	{
		int64_t		v = i % 2 ? INT64_MAX - (int64_t) (rnd() % 100) : INT64_MAX - 40000;

		stbl_vec_fixed(&column, &v);
	}
	bad += !dict_holds();
	begin(STBL_VEC_I64);
	for (size_t i = 0; i < N; i++)
	{
		int64_t		v = i % 2 ? INT64_MAX - (int64_t) (rnd() % 100) : INT64_MIN;

		stbl_vec_fixed(&column, &v);
	}
	bad += !dict_holds();
	OK(bad == 0, "integers of any range have their codes");

	begin(STBL_VEC_BYTES);
	for (size_t i = 0; i < 131072; i++)
		stbl_vec_bytes(&column, text, (size_t) snprintf(text, sizeof(text), "entry number %d", (int) (rnd() % 20000)));
	OK(dict_holds(), "20000 texts: the table grows with them");

	begin(STBL_VEC_I64);
	for (size_t i = 0; i < 131072; i++)
	{
		int64_t		v = (int64_t) rnd();

		stbl_vec_fixed(&column, &v);
	}
	OK(!dict_is_built(), "random numbers have no dictionary");
	begin(STBL_VEC_I32);
	for (int32_t i = 0; i < 60000; i++)
		stbl_vec_fixed(&column, &i);
	OK(!dict_is_built(), "a dense sequence has none");
}

/* ---- bounds ---- */

static void
test_bounds(void)
{
	StblPqNode	leaf = leaf_of(STBL_PQ_BYTE_ARRAY);
	StblPqStats stats;
	int			bad = 0;

	for (int round = 0; round < 300; round++)
	{
		size_t		lo = 0,
					hi = 0;

		begin(STBL_VEC_BYTES);
		memset(&stats, 0, sizeof(stats));
		for (int i = 0; i < 40; i++)
		{
			uint8_t		text[16];

			/* few letters, so that beginnings are shared; NULs at the end count */
			for (int k = 0; k < 16; k++)
				text[k] = (uint8_t) (round % 2 ? (k < 7 ? 'a' : rnd() % 3) : rnd() % 2 * 255);
			stbl_vec_bytes(&column, text, (size_t) (rnd() % 17));
		}
		for (size_t i = 1; i < column.n; i++)
		{
#define LEN(i) (column.offsets[(i) + 1] - column.offsets[i])
#define CMP(a, b) (memcmp(column.bytes + column.offsets[a], column.bytes + column.offsets[b], LEN(a) < LEN(b) ? LEN(a) : LEN(b)) ? \
	memcmp(column.bytes + column.offsets[a], column.bytes + column.offsets[b], LEN(a) < LEN(b) ? LEN(a) : LEN(b)) : (int) LEN(a) - (int) LEN(b))
			lo = CMP(i, lo) < 0 ? i : lo;
			hi = CMP(i, hi) > 0 ? i : hi;
		}
		stbl_pq_stats_of(mem, &leaf, &column, 0, NULL, column.n, &stats);
		bad += !(stats.has_min_max && stats.min_len == LEN(lo) && stats.max_len == LEN(hi) &&
				 memcmp(stats.min, column.bytes + column.offsets[lo], LEN(lo)) == 0 &&
				 memcmp(stats.max, column.bytes + column.offsets[hi], LEN(hi)) == 0);
	}
	OK(bad == 0, "least and greatest text, beginnings shared");

	leaf = leaf_of(STBL_PQ_DOUBLE);
	bad = 0;
	for (int n = 1; n < 40; n++)
		for (int at = 0; at <= n; at++)
		{
			double		least = INFINITY,
						greatest = -INFINITY,
						got[2];

			begin(STBL_VEC_F64);
			memset(&stats, 0, sizeof(stats));
			for (int i = 0; i < n; i++)
			{
				double		v = (double) (int) (rnd() % 1000) - 500.5;

				least = v < least ? v : least;
				greatest = v > greatest ? v : greatest;
				v = i == at ? NAN : v;
				stbl_vec_fixed(&column, &v);
			}
			stbl_pq_stats_of(mem, &leaf, &column, 0, NULL, column.n, &stats);
			if (at < n)
				bad += stats.has_min_max;
			else
			{
				memcpy(&got[0], stats.min, 8);
				memcpy(&got[1], stats.max, 8);
				bad += !stats.has_min_max || got[0] != least || got[1] != greatest;
			}
		}
	OK(bad == 0, "least and greatest number, and a NaN anywhere spoils them");
}

int
main(void)
{
	arena_init(&arena);
	test_deltas();
	test_delta_lengths();
	test_choice();
	test_dictionaries();
	test_bounds();
	arena_reset(&arena);
	DONE();
}
