/*
 * Encodings of data pages, each encoded here by hand as its specification
 * says and read by our decoder: every width, boundaries of groups, blocks and
 * batches; then every cut and every flipped bit.  Dictionary and codes of a
 * chunk, bounds of its statistics.
 */
#include <math.h>

#include "parquet/parquet.h"
#include "parquet/parquet_int.h"
#include "parquet/thrift.h"
#include "capped.h"
#include "encoders.h"
#include "unit.h"

static StblMem *mem = &arena;
static StblError err;
static uint64_t rng = 7;

static uint64_t
rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return rng ^ rng >> 29;
}

static StblPqNode
leaf_of(StblPqType type, int type_length)
{
	StblPqNode	n;

	memset(&n, 0, sizeof(n));
	n.name = "x";
	n.repetition = STBL_PQ_OPTIONAL;
	n.type = type;
	n.type_length = type_length;
	n.field_id = -1;
	return n;
}

/* ---- decoders, by name ---- */

static bool
decode(int encoding, const StblPqNode *leaf, const uint8_t *bytes, size_t len, size_t n, StblVec *out, const StblVec *dict)
{
	StblCursor	cur;

	stbl_cursor_init(&cur, bytes, len);
	switch (encoding)
	{
		case STBL_PQ_ENC_PLAIN:
			return stbl_pq_decode_plain(&cur, leaf, out, n, &err);
		case STBL_PQ_ENC_RLE:
			return stbl_pq_decode_booleans(&cur, leaf, out, n, &err);
		case STBL_PQ_ENC_DELTA_BINARY_PACKED:
			return stbl_pq_decode_deltas(&cur, leaf, out, n, &err);
		case STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY:
			return stbl_pq_decode_delta_lengths(mem, &cur, leaf, out, n, &err);
		case STBL_PQ_ENC_DELTA_BYTE_ARRAY:
			return stbl_pq_decode_delta_strings(mem, &cur, leaf, out, n, &err);
		case STBL_PQ_ENC_BYTE_STREAM_SPLIT:
			return stbl_pq_decode_split(&cur, leaf, out, n, &err);
		default:
			return stbl_pq_decode_dictionary(&cur, dict, leaf, out, n, &err);
	}
}

static void
init_vec(StblVec *v, const StblPqNode *leaf)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(leaf, &width);

	stbl_vec_init(v, mem, kind, width);
}

/* Decodes from a copy of exactly this size, behind two values that must stay. */
static bool
decodes(int encoding, const StblPqNode *leaf, const StblBuf *b, size_t len, size_t n, StblVec *out, const StblVec *dict)
{
	uint8_t    *copy = malloc(len > 0 ? len : 1);
	char		two[64] = "before it before it before it before it before it before it";
	bool		ok;

	memcpy(copy, b->data, len);
	init_vec(out, leaf);
	for (int i = 0; i < 2; i++)
	{
		if (out->kind == STBL_VEC_BYTES)
			stbl_vec_bytes(out, two, 7);
		else
			stbl_vec_fixed(out, two);
	}
	ok = decode(encoding, leaf, copy, len, n, out, dict);
	free(copy);
	return ok && out->n == n + 2 && out->n_null == 0 && out->valid[n + 1] == 1 &&
		(out->kind != STBL_VEC_BYTES || (out->offsets[2] == 14 && memcmp(out->bytes, "before before ", 7) == 0));
}

/* No cut is taken for the whole (unless padding alone was cut), and no flipped bit does harm. */
static void
break_page(const char *what, int encoding, const StblPqNode *leaf, const StblBuf *b, size_t n, const StblVec *dict, size_t padding)
{
	size_t		unseen = 0;
	StblVec		v;
	StblBuf		copy;

	for (size_t len = 0; len + padding < b->len; len++)
	{
		unseen += decodes(encoding, leaf, b, len, n, &v, dict);
		stbl_vec_free(&v);
	}
	OK(unseen == 0, "%s: cut anywhere", what);
	largest = 0;
	stbl_buf_init(&copy, mem);
	stbl_buf_append(&copy, b->data, b->len);
	for (size_t bit = 0; bit < b->len * 8; bit++)
	{
		copy.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
		(void) decodes(encoding, leaf, &copy, b->len, n, &v, dict);
		stbl_vec_free(&v);
		copy.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	OK(largest < (size_t) 1 << 20, "%s: %zu flipped bits, requests of up to %zu bytes", what, b->len * 8, largest);
}

/* ---- bit packing ---- */

static void
test_unpack(void)
{
	static const size_t sizes[] = {1, 7, 8, 31, 32, 33, 63, 64, 65, 100, 1000, 1024, 1025};
	bool		ok32 = true,
				ok64 = true;
	uint64_t	values[1100];
	uint64_t	back64[1100];
	uint32_t	back32[1100];

	for (int width = 0; width <= 64; width++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			size_t		n = sizes[s];
			StblBuf		b;
			uint8_t    *exact;

			stbl_buf_init(&b, mem);
			for (size_t i = 0; i < n; i++)
				values[i] = width == 0 ? 0 : (i % 5 == 0 ? UINT64_MAX : rnd()) >> (64 - width);
			put_packed(&b, values, n, width);
			exact = malloc(b.len + (b.len == 0));
			memcpy(exact, b.data, b.len);
			memset(back64, 0x55, sizeof(back64));
			stbl_pq_unpack64(exact, b.len, width, back64, n);
			ok64 = ok64 && memcmp(values, back64, n * sizeof(uint64_t)) == 0 && back64[n] == UINT64_C(0x5555555555555555);
			if (width <= 32)
			{
				memset(back32, 0x55, sizeof(back32));
				stbl_pq_unpack32(exact, b.len, width, back32, n);
				for (size_t i = 0; i < n; i++)
					ok32 = ok32 && back32[i] == (uint32_t) values[i];
				ok32 = ok32 && back32[n] == 0x55555555;
			}
			free(exact);
			arena_reset();
		}
	OK(ok32, "every width up to 32 is unpacked");
	OK(ok64, "every width up to 64 is unpacked");
}

static void
test_runs(void)
{
	bool		ok = true;
	uint32_t	values[6000];
	uint32_t	back[6000];
	uint8_t		small[6000];
	uint8_t		small_back[6000];

	for (int width = 0; width <= 32; width++)
		for (size_t n = 1; n < 6000; n = n * 2 + 1)
			for (uint32_t longest = 1; longest < 5000; longest *= 9)
			{
				StblBuf		b;
				StblCursor	cur;
				uint32_t	mask = width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;
				size_t		run = 0;

				for (size_t i = 0; i < n; i++)
				{
					if (run-- == 0)
						run = (size_t) (rnd() % longest);
					values[i] = run > 0 && i > 0 ? values[i - 1] : (uint32_t) rnd() & mask;
					small[i] = (uint8_t) values[i];
				}
				stbl_buf_init(&b, mem);
				stbl_pq_rle_encode_u32(&b, values, n, width);
				stbl_cursor_init(&cur, b.data, b.len);
				ok = ok && stbl_pq_rle_decode(&cur, width, back, n) && stbl_cursor_left(&cur) == 0 &&
					memcmp(values, back, n * sizeof(uint32_t)) == 0;
				if (width <= 8)
				{
					stbl_cursor_init(&cur, b.data, b.len);
					ok = ok && stbl_pq_rle_decode_u8(&cur, width, small_back, n) && memcmp(small, small_back, n) == 0;
				}
				arena_reset();
			}
	OK(ok, "runs and packed groups of every width, about batches of %d", STBL_PQ_BATCH);
}

/* ---- DELTA_BINARY_PACKED ---- */

static void
fill_integers(int64_t *v, size_t n, int kind)
{
	int64_t		at = (int64_t) rnd();

	for (size_t i = 0; i < n; i++)
	{
		switch (kind)
		{
			case 0:				/* a sequence */
				v[i] = 1000 + (int64_t) i;
				break;
			case 1:				/* all alike */
				v[i] = -5;
				break;
			case 2:				/* any: deltas overflow */
				v[i] = (int64_t) rnd();
				break;
			case 3:				/* extremes */
				v[i] = i % 2 ? INT64_MAX : INT64_MIN;
				break;
			default:			/* times that ascend in leaps of varying size */
				at = (int64_t) ((uint64_t) at + (rnd() >> (64 - 1 - i % 63)));
				v[i] = at;
		}
	}
}

static void
test_deltas(void)
{
	static const size_t shapes[][2] = {{128, 4}, {256, 8}, {128, 1}, {2048, 32}, {64, 8}};
	StblPqNode	i64 = leaf_of(STBL_PQ_INT64, 0);
	StblPqNode	i32 = leaf_of(STBL_PQ_INT32, 0);
	bool		ok64 = true,
				ok32 = true;
	int64_t		v[5000];
	StblBuf		b;
	StblVec		out;

	for (size_t s = 0; s < 5; s++)
		for (int kind = 0; kind < 5; kind++)
			for (size_t n = 1; n < 5000; n = n < 140 ? n + 1 : n * 3)
			{
				int64_t		narrow[5000];

				fill_integers(v, n, kind);
				stbl_buf_init(&b, mem);
				put_deltas(&b, v, n, shapes[s][0], shapes[s][1], false);
				ok64 = ok64 && decodes(STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, b.len, n, &out, NULL) &&
					memcmp(out.values + 16, v, n * 8) == 0;
				for (size_t i = 0; i < n; i++)
					narrow[i] = (int32_t) v[i];
				stbl_buf_reset(&b);
				put_deltas(&b, narrow, n, shapes[s][0], shapes[s][1], true);
				ok32 = ok32 && decodes(STBL_PQ_ENC_DELTA_BINARY_PACKED, &i32, &b, b.len, n, &out, NULL);
				for (size_t i = 0; ok32 && i < n; i++)
					ok32 = ((int32_t *) out.values)[2 + i] == narrow[i];
				arena_reset();
			}
	OK(ok64, "DELTA_BINARY_PACKED of 64 bits, sums that wrap and all");
	OK(ok32, "DELTA_BINARY_PACKED of 32 bits");

	stbl_buf_init(&b, mem);
	fill_integers(v, 200, 4);
	put_deltas(&b, v, 200, 128, 4, false);
	OK(!decodes(STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, b.len, 199, &out, NULL) &&
	   !decodes(STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, b.len, 201, &out, NULL), "another count than the page's is refused");
	fill_integers(v, 33, 0);
	stbl_buf_reset(&b);
	put_deltas(&b, v, 33, 128, 4, false);
	break_page("DELTA_BINARY_PACKED in sequence", STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, 33, NULL, 0);
	fill_integers(v, 65, 2);
	stbl_buf_reset(&b);
	put_deltas(&b, v, 65, 128, 4, false);
	break_page("DELTA_BINARY_PACKED at random", STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, 65, NULL, 0);
	arena_reset();

	/* what no writer writes: no blocks, miniblocks of three, widths of 65 */
	for (int k = 0; k < 6; k++)
	{
		static const uint64_t bad[][3] = {{0, 1, 2}, {128, 0, 2}, {129, 4, 2}, {UINT64_MAX, 1, 2}, {12, 4, 2}, {128, 4, 2}};

		stbl_buf_init(&b, mem);
		for (int i = 0; i < 3; i++)
			stbl_buf_varint(&b, bad[k][i]);
		stbl_buf_zigzag(&b, 0);
		stbl_buf_zigzag(&b, 0);
		for (int i = 0; i < 600; i++)
			stbl_buf_u8(&b, 65);
		OK(!decodes(STBL_PQ_ENC_DELTA_BINARY_PACKED, &i64, &b, b.len, 2, &out, NULL) && err.kind == STBL_ERR_CORRUPT,
		   "head %d that cannot be", k);
	}
	arena_reset();
}

/* ---- strings ---- */

static void
make_texts(size_t n, size_t longest)
{
	for (size_t i = 0; i < n; i++)
	{
		size_t		kept = i == 0 || rnd() % 3 == 0 ? 0 : (size_t) rnd() % (text_len[i - 1] + 1);

		text_len[i] = (size_t) rnd() % (longest + 1);
		if (kept > text_len[i])
			kept = text_len[i];
		memcpy(texts[i], texts[i > 0 ? i - 1 : 0], kept);
		for (size_t k = kept; k < text_len[i]; k++)
			texts[i][k] = (char) ('a' + rnd() % 26);
	}
}

static bool
same_texts(const StblVec *v, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v->offsets[first + i + 1] - v->offsets[first + i] != text_len[i] ||
			memcmp(v->bytes + v->offsets[first + i], texts[i], text_len[i]) != 0)
			return false;
	return true;
}

static void
test_strings(void)
{
	StblPqNode	leaf = leaf_of(STBL_PQ_BYTE_ARRAY, 0);
	StblPqNode	fixed = leaf_of(STBL_PQ_FIXED, 5);
	void		(*put[]) (StblBuf *b, size_t n) = {put_plain_texts, put_delta_lengths, put_delta_strings};
	static const int encodings[] = {STBL_PQ_ENC_PLAIN, STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY, STBL_PQ_ENC_DELTA_BYTE_ARRAY};
	static const char *const names[] = {"PLAIN text", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"};
	StblBuf		b;
	StblVec		out;
	bool		ok;

	for (int e = 0; e < 3; e++)
	{
		ok = true;
		for (size_t longest = 0; longest < 80; longest = longest * 2 + 1)
			for (size_t n = 1; n < 3000; n = n < 70 ? n + 1 : n * 3)
			{
				make_texts(n, longest);
				stbl_buf_init(&b, mem);
				put[e] (&b, n);
				ok = ok && decodes(encodings[e], &leaf, &b, b.len, n, &out, NULL) && same_texts(&out, 2, n);
				arena_reset();
			}
		OK(ok, "%s", names[e]);
		make_texts(40, 50);
		stbl_buf_init(&b, mem);
		put[e] (&b, 40);
		break_page(names[e], encodings[e], &leaf, &b, 40, NULL, 0);
		arena_reset();
	}
	make_texts(200, 0);
	for (size_t i = 0; i < 200; i++)
	{
		text_len[i] = 5;
		snprintf(texts[i], sizeof(texts[i]), "%05zu", i * 7);
	}
	stbl_buf_init(&b, mem);
	put_delta_strings(&b, 200);
	ok = decodes(STBL_PQ_ENC_DELTA_BYTE_ARRAY, &fixed, &b, b.len, 200, &out, NULL);
	for (size_t i = 0; ok && i < 200; i++)
		ok = memcmp(out.values + (i + 2) * 5, texts[i], 5) == 0;
	OK(ok, "DELTA_BYTE_ARRAY of a fixed length");
	break_page("DELTA_BYTE_ARRAY of a fixed length", STBL_PQ_ENC_DELTA_BYTE_ARRAY, &fixed, &b, 200, NULL, 0);
	text_len[100] = 4;
	stbl_buf_reset(&b);
	put_delta_strings(&b, 200);
	OK(!decodes(STBL_PQ_ENC_DELTA_BYTE_ARRAY, &fixed, &b, b.len, 200, &out, NULL) && err.kind == STBL_ERR_CORRUPT,
	   "one of them too short: %s", err.message);
	arena_reset();

	/* beginnings that add up to more than a chunk may hold, in a few hundred bytes */
	{
		int64_t    *kept = calloc(4096, sizeof(int64_t)),
				   *rest = calloc(4096, sizeof(int64_t));

		rest[0] = 4 << 20;
		for (int i = 1; i < 4096; i++)
			kept[i] = 4 << 20;
		stbl_buf_init(&b, mem);
		put_deltas(&b, kept, 4096, 128, 4, true);
		put_deltas(&b, rest, 4096, 128, 4, true);
		memset(stbl_buf_reserve(&b, (size_t) rest[0]), 'a', (size_t) rest[0]);
		b.len += (size_t) rest[0];
		largest = 0;
		OK(!decodes(STBL_PQ_ENC_DELTA_BYTE_ARRAY, &leaf, &b, b.len, 4096, &out, NULL) && err.kind == STBL_ERR_LIMIT,
		   "strings that add up to gigabytes: %s", err.message);
		OK(largest < (size_t) 16 << 20, "and no memory was asked for: %zu", largest);
		free(kept);
		free(rest);
	}
	arena_reset();
}

/* ---- BYTE_STREAM_SPLIT ---- */

static void
test_split(void)
{
	static const struct
	{
		StblPqType	type;
		int			width;
	}			types[] = {{STBL_PQ_FLOAT, 4}, {STBL_PQ_DOUBLE, 8}, {STBL_PQ_INT32, 4}, {STBL_PQ_INT64, 8}, {STBL_PQ_FIXED, 2}, {STBL_PQ_FIXED, 16}, {STBL_PQ_FIXED, 7}};
	StblBuf		b;
	StblVec		out;

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
	{
		size_t		width = (size_t) types[t].width;
		StblPqNode	leaf = leaf_of(types[t].type, (int) width);
		bool		ok = true;
		char		what[64];

		for (size_t n = 1; n < 200; n++)
		{
			uint8_t		v[200 * 16];

			for (size_t i = 0; i < n * width; i++)
				v[i] = (uint8_t) rnd();
			stbl_buf_init(&b, mem);
			for (size_t k = 0; k < width; k++)
				for (size_t i = 0; i < n; i++)
					stbl_buf_u8(&b, v[i * width + k]);
			ok = ok && decodes(STBL_PQ_ENC_BYTE_STREAM_SPLIT, &leaf, &b, b.len, n, &out, NULL) &&
				memcmp(out.values + 2 * width, v, n * width) == 0;
			if (n == 37)
			{
				snprintf(what, sizeof(what), "BYTE_STREAM_SPLIT of type %d, width %zu", (int) types[t].type, width);
				break_page(what, STBL_PQ_ENC_BYTE_STREAM_SPLIT, &leaf, &b, n, NULL, 0);
			}
			arena_reset();
		}
		OK(ok, "%s", what);
	}
}

/* ---- dictionaries ---- */

static void
test_dictionaries(void)
{
	static const StblPqType types[] = {STBL_PQ_INT32, STBL_PQ_INT64, STBL_PQ_DOUBLE, STBL_PQ_BYTE_ARRAY, STBL_PQ_FIXED};
	StblBuf		b;
	StblVec		out,
				dict;

	for (size_t t = 0; t < 5; t++)
		for (size_t entries = 1; entries < 3000; entries = entries * 5 + 2)
		{
			StblPqNode	leaf = leaf_of(types[t], 5);
			size_t		n = 2500;
			uint32_t	codes[2500];
			StblBuf		plain;
			StblCursor	cur;
			int			width = stbl_pq_bit_width((uint32_t) entries - 1);
			bool		ok;

			/* entries as a dictionary page has them */
			make_texts(entries, 40);
			stbl_buf_init(&plain, mem);
			if (types[t] == STBL_PQ_BYTE_ARRAY)
				put_plain_texts(&plain, entries);
			else
				for (size_t i = 0; i < entries * 8; i++)
					stbl_buf_u8(&plain, (uint8_t) rnd());
			init_vec(&dict, &leaf);
			stbl_cursor_init(&cur, plain.data, plain.len);
			ok = stbl_pq_decode_plain(&cur, &leaf, &dict, entries, &err);
			for (size_t i = 0; i < n; i++)
				codes[i] = i % 1000 < 300 && i > 0 ? codes[i - 1] : (uint32_t) (rnd() % entries);
			stbl_buf_init(&b, mem);
			stbl_buf_u8(&b, (uint8_t) width);
			stbl_pq_rle_encode_u32(&b, codes, n, width);
			ok = ok && decodes(STBL_PQ_ENC_RLE_DICTIONARY, &leaf, &b, b.len, n, &out, &dict);
			for (size_t i = 0; ok && i < n; i++)
			{
				if (types[t] == STBL_PQ_BYTE_ARRAY)
					ok = out.offsets[i + 3] - out.offsets[i + 2] == text_len[codes[i]] &&
						memcmp(out.bytes + out.offsets[i + 2], texts[codes[i]], text_len[codes[i]]) == 0;
				else
					ok = memcmp(out.values + (i + 2) * out.width, dict.values + codes[i] * out.width, out.width) == 0;
			}
			OK(ok, "codes of type %d, %zu entries", (int) types[t], entries);
			if (entries == 7)
			{
				stbl_buf_reset(&b);
				stbl_buf_u8(&b, (uint8_t) width);
				stbl_pq_rle_encode_u32(&b, codes + 280, 60, width);
				break_page("codes", STBL_PQ_ENC_RLE_DICTIONARY, &leaf, &b, 60, &dict, 1);
				codes[50] = 7;
				stbl_buf_reset(&b);
				stbl_buf_u8(&b, (uint8_t) width);
				stbl_pq_rle_encode_u32(&b, codes, 60, width);
				OK(!decodes(STBL_PQ_ENC_RLE_DICTIONARY, &leaf, &b, b.len, 60, &out, &dict) && err.kind == STBL_ERR_CORRUPT,
				   "one code too high: %s", err.message);
			}
			arena_reset();
		}
}

/* ---- a chunk as dictionary and codes ---- */

static StblBuf chunk_bytes;
static StblPqNode nodes[2];
static StblPqRowGroup group;
static StblPqChunk chunk;
static StblPqMeta meta;

static void
put_page(int type, size_t n, int encoding, const StblBuf *body)
{
	int			last = 0,
				inner = 0;

	stbl_tw_i32(&chunk_bytes, &last, 1, type);
	stbl_tw_i32(&chunk_bytes, &last, 2, (int32_t) body->len);
	stbl_tw_i32(&chunk_bytes, &last, 3, (int32_t) body->len);
	stbl_tw_field(&chunk_bytes, &last, type == STBL_PQ_PAGE_DATA ? 5 : 7, STBL_T_STRUCT);
	stbl_tw_i32(&chunk_bytes, &inner, 1, (int32_t) n);
	stbl_tw_i32(&chunk_bytes, &inner, 2, encoding);
	if (type == STBL_PQ_PAGE_DATA)
	{
		stbl_tw_i32(&chunk_bytes, &inner, 3, STBL_PQ_ENC_RLE);
		stbl_tw_i32(&chunk_bytes, &inner, 4, STBL_PQ_ENC_RLE);
	}
	stbl_tw_stop(&chunk_bytes);
	stbl_tw_stop(&chunk_bytes);
	stbl_buf_append(&chunk_bytes, body->data, body->len);
}

/* Pages of 100 rows: nulls where asked, values by code or, if is_plain, as they are. */
static void
put_rows(bool nullable, bool with_nulls, bool is_plain)
{
	StblBuf		body;
	uint32_t	codes[100];
	uint8_t		def[100];
	size_t		n = 0;

	stbl_buf_init(&body, mem);
	for (size_t i = 0; i < 100; i++)
	{
		def[i] = !with_nulls || i % 7 != 3;
		if (def[i])
			codes[n++] = (uint32_t) (i % 5);
	}
	if (nullable)
		stbl_pq_encode_levels(&body, def, 100, 1);
	if (is_plain)
		for (size_t i = 0; i < n; i++)
			stbl_buf_u64le(&body, codes[i] * 1000);
	else
	{
		stbl_buf_u8(&body, 3);
		stbl_pq_rle_encode_u32(&body, codes, n, 3);
	}
	put_page(STBL_PQ_PAGE_DATA, 100, is_plain ? STBL_PQ_ENC_PLAIN : STBL_PQ_ENC_RLE_DICTIONARY, &body);
}

static void
chunk_begin(bool nullable)
{
	StblBuf		dict;

	memset(nodes, 0, sizeof(nodes));
	memset(&meta, 0, sizeof(meta));
	memset(&group, 0, sizeof(group));
	memset(&chunk, 0, sizeof(chunk));
	nodes[0].name = "root";
	nodes[0].n_children = 1;
	nodes[1] = leaf_of(STBL_PQ_INT64, 0);
	nodes[1].repetition = nullable ? STBL_PQ_OPTIONAL : STBL_PQ_REQUIRED;
	meta.schema.nodes = nodes;
	meta.schema.n_nodes = 2;
	stbl_pq_schema_finish(mem, &meta.schema, &err);
	meta.row_groups = &group;
	meta.n_row_groups = 1;
	group.chunks = &chunk;
	chunk.offset = 4;
	stbl_buf_init(&chunk_bytes, mem);
	stbl_buf_init(&dict, mem);
	for (uint64_t i = 0; i < 5; i++)
		stbl_buf_u64le(&dict, i * 1000);
	put_page(STBL_PQ_PAGE_DICTIONARY, 5, STBL_PQ_ENC_PLAIN, &dict);
}

static bool
read_coded(size_t n_rows, size_t len, StblPqCoded *out, bool *coded)
{
	uint8_t    *copy = malloc(len + 1);
	bool		ok;

	chunk.length = len;
	chunk.n_values = group.n_rows = meta.n_rows = (int64_t) n_rows;
	memcpy(copy, chunk_bytes.data, len);
	ok = stbl_pq_read_coded(mem, &meta, 0, 0, copy, len, out, coded, &err);
	free(copy);
	return ok;
}

static void
test_coded(void)
{
	StblPqCoded c;
	bool		coded,
				ok;
	size_t		unseen = 0;

	for (int nullable = 0; nullable < 2; nullable++)
		for (int with_nulls = 0; with_nulls <= nullable; with_nulls++)
		{
			chunk_begin(nullable);
			for (int page = 0; page < 3; page++)
				put_rows(nullable, with_nulls && page != 1, false);
			ok = read_coded(300, chunk_bytes.len, &c, &coded) && coded && c.n_rows == 300 && c.dict.n == 5 &&
				c.n_null == (with_nulls ? 28 : 0) && (c.valid != NULL) == with_nulls;
			for (size_t i = 0; ok && i < 300; i++)
			{
				bool		null = with_nulls && i / 100 != 1 && i % 100 % 7 == 3;

				ok = c.codes[i] == (null ? 5 : i % 100 % 5) && (c.valid == NULL || c.valid[i] == !null);
			}
			OK(ok && ((int64_t *) c.dict.values)[4] == 4000, "dictionary and codes, nullable %d, nulls %d", nullable, with_nulls);
			stbl_pq_coded_free(mem, &c);
			OK(c.codes == NULL, "and freed");
			arena_reset();
		}

	chunk_begin(true);
	put_rows(true, true, false);
	put_rows(true, true, true);
	OK(read_coded(200, chunk_bytes.len, &c, &coded) && !coded && c.codes == NULL, "a chunk that goes on PLAIN has no codes");
	chunk.n_values = group.n_rows = 100;
	OK(read_coded(100, chunk_bytes.len, &c, &coded) && coded && c.n_rows == 100, "but pages beyond its values do not count");
	arena_reset();

	chunk_begin(true);
	put_rows(true, true, false);
	ok = true;
	for (size_t len = 0; len < chunk_bytes.len - 1; len++)
		unseen += read_coded(100, len, &c, &coded) && coded;
	OK(unseen == 0, "codes cut anywhere");
	largest = 0;
	for (size_t bit = 0; bit < chunk_bytes.len * 8; bit++)
	{
		chunk_bytes.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
		if (read_coded(100, chunk_bytes.len, &c, &coded) && coded)
			for (size_t i = 0; i < 100; i++)
				ok = ok && c.codes[i] <= c.dict.n;
		chunk_bytes.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	OK(ok && largest < (size_t) 1 << 20, "codes with any bit flipped stay within their dictionary");
	arena_reset();
}

/* ---- bounds ---- */

static StblPqBounds
bounds_of(StblPqType type, StblPqLogical logical, const void *min, const void *max, size_t len, const char *created_by)
{
	StblPqBounds b;

	memset(&chunk, 0, sizeof(chunk));
	memset(&meta, 0, sizeof(meta));
	nodes[0] = leaf_of(STBL_PQ_INT64, 0);
	nodes[0].n_children = 1;
	nodes[1] = leaf_of(type, (int) len);
	nodes[1].logical = logical;
	meta.schema.nodes = nodes;
	meta.schema.n_nodes = 2;
	stbl_pq_schema_finish(mem, &meta.schema, &err);
	meta.row_groups = &group;
	group.chunks = &chunk;
	meta.created_by = created_by;
	chunk.n_values = 10;
	chunk.stats.has_null_count = true;
	chunk.stats.null_count = 3;
	chunk.stats.has_min_max = min != NULL;
	chunk.stats.min_exact = chunk.stats.max_exact = true;
	chunk.stats.min = (uint8_t *) min;
	chunk.stats.max = (uint8_t *) max;
	chunk.stats.min_len = chunk.stats.max_len = len;
	stbl_pq_bounds(&meta, 0, 0, &b);
	return b;
}

static void
test_bounds(void)
{
	int32_t		i[2] = {-5, 7};
	int64_t		l[2] = {INT64_MIN, INT64_MAX};
	double		d[2] = {0.0, 2.5};
	double		zero[2] = {-3, -0.0};
	float		f[2] = {1, -1};
	StblPqBounds b = bounds_of(STBL_PQ_INT32, STBL_PQL_DATE, &i[0], &i[1], 4, NULL);

	OK(b.kind == STBL_VEC_I32 && b.has_min_max && b.min_exact && b.max_exact && b.min.v.i32 == -5 && b.max.v.i32 == 7 && b.has_null_count &&
	   b.null_count == 3 && !b.all_null && !b.may_have_nan, "bounds of integers");
	b = bounds_of(STBL_PQ_INT64, STBL_PQL_NONE, &l[0], &l[1], 8, NULL);
	OK(b.has_min_max && b.min.v.i64 == INT64_MIN && b.max.v.i64 == INT64_MAX, "of 64 bits");
	b = bounds_of(STBL_PQ_INT64, STBL_PQL_NONE, &l[1], &l[0], 8, NULL);
	OK(!b.has_min_max && !b.min_exact && b.has_null_count, "a minimum above the maximum is no bound");
	b = bounds_of(STBL_PQ_DOUBLE, STBL_PQL_NONE, &d[0], &d[1], 8, NULL);
	OK(b.has_min_max && signbit(b.min.v.f64) && !b.min_exact && b.max_exact && b.may_have_nan, "L52: a zero covers both zeros; others leave NaN out");
	b = bounds_of(STBL_PQ_DOUBLE, STBL_PQL_NONE, &zero[0], &zero[1], 8, STBL_PQ_CREATED_BY);
	OK(b.has_min_max && !signbit(b.max.v.f64) && b.min_exact && !b.max_exact && !b.may_have_nan, "L52: beside our bounds there is no NaN");
	b = bounds_of(STBL_PQ_FLOAT, STBL_PQL_NONE, &f[0], &f[1], 4, NULL);
	OK(!b.has_min_max, "floats in the wrong order");
	b = bounds_of(STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING, "ab", "\xc3\xa9", 2, NULL);
	OK(b.has_min_max && b.min.len == 2 && memcmp(b.max.bytes, "\xc3\xa9", 2) == 0, "L52: text, as unsigned bytes");
	b = bounds_of(STBL_PQ_FIXED, STBL_PQL_DECIMAL, "\xff\xfe", "\x00\x05", 2, NULL);
	OK(b.has_min_max, "decimals are signed");
	b = bounds_of(STBL_PQ_FIXED, STBL_PQL_NONE, "\xff\xfe", "\x00\x05", 2, NULL);
	OK(!b.has_min_max, "and other bytes are not");
	b = bounds_of(STBL_PQ_INT64, STBL_PQL_NONE, NULL, NULL, 8, NULL);
	OK(!b.has_min_max && b.has_null_count, "no bounds where there are none");
	chunk.stats.null_count = 10;
	stbl_pq_bounds(&meta, 0, 0, &b);
	OK(b.all_null, "nulls alone");
	chunk.stats.null_count = 11;
	stbl_pq_bounds(&meta, 0, 0, &b);
	OK(!b.all_null && !b.has_null_count, "more nulls than values are not believed");
	chunk.stats.has_null_count = false;
	nodes[1].repetition = STBL_PQ_REQUIRED;
	stbl_pq_schema_finish(mem, &meta.schema, &err);
	stbl_pq_bounds(&meta, 0, 0, &b);
	OK(b.has_null_count && b.null_count == 0, "a required column has none");
	arena_reset();
}

static void
test_to_bytes(void)
{
	StblVec		v;
	char		value[4] = "000";
	bool		ok;

	stbl_vec_init(&v, mem, STBL_VEC_FIXED, 3);
	stbl_vec_to_bytes(&v);
	OK(v.kind == STBL_VEC_BYTES && v.n == 0 && v.offsets[0] == 0 && v.bytes != NULL, "no fixed values become bytes");
	stbl_vec_init(&v, mem, STBL_VEC_FIXED, 3);
	for (int i = 0; i < 200; i++)
	{
		value[2] = (char) i;
		if (i % 3 == 1)
			stbl_vec_null(&v);
		else
			stbl_vec_fixed(&v, value);
	}
	stbl_vec_to_bytes(&v);
	ok = v.n == 200 && v.n_null == 67;
	for (int i = 0; ok && i < 200; i++)
		ok = v.offsets[i + 1] - v.offsets[i] == (v.valid[i] ? 3 : 0) && (!v.valid[i] || v.bytes[v.offsets[i] + 2] == i);
	stbl_vec_bytes(&v, "more", 4);
	OK(ok && memcmp(v.bytes + v.offsets[200], "more", 4) == 0, "fixed values become bytes, nulls none");
	arena_reset();
}

/* A page of nulls alone may have no bytes at all. */
static void
test_no_values(void)
{
	static const StblPqType types[] = {STBL_PQ_INT64, STBL_PQ_BOOLEAN, STBL_PQ_INT64, STBL_PQ_BYTE_ARRAY, STBL_PQ_BYTE_ARRAY, STBL_PQ_DOUBLE, STBL_PQ_BYTE_ARRAY};
	static const int encodings[] = {STBL_PQ_ENC_PLAIN, STBL_PQ_ENC_RLE, STBL_PQ_ENC_DELTA_BINARY_PACKED, STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY,
	STBL_PQ_ENC_DELTA_BYTE_ARRAY, STBL_PQ_ENC_BYTE_STREAM_SPLIT, STBL_PQ_ENC_RLE_DICTIONARY};

	for (int i = 0; i < 7; i++)
	{
		StblPqNode	leaf = leaf_of(types[i], 0);
		StblVec		v;

		/* into a vector that has no memory yet */
		init_vec(&v, &leaf);
		OK(decode(encodings[i], &leaf, (const uint8_t *) "", 0, 0, &v, &v) && v.n == 0, "no values, encoding %d", encodings[i]);
	}
	arena_reset();
}

int
main(void)
{
	test_no_values();
	test_to_bytes();
	test_unpack();
	test_runs();
	test_deltas();
	test_strings();
	test_split();
	test_dictionaries();
	test_coded();
	test_bounds();
	DONE();
}
