/*
 * Each encoding of values alone.  The input begins with the encoding, the
 * type, the length of a fixed one, and the count of values.
 */
#include "fuzz.h"
#include "parquet/parquet_int.h"

#define HEAD 5

static void
make_dictionary(StblVec *dict)
{
	static const char bytes[64] = "The quick brown fox jumps over the lazy dog, and so on, and on";

	for (size_t i = 0; i < 7; i++)
	{
		if (dict->kind == STBL_VEC_BYTES)
			stbl_vec_bytes(dict, bytes + i, i * 6);
		else
			stbl_vec_fixed(dict, dict->kind == STBL_VEC_BOOL ? (i % 2 ? "\1" : "") : bytes + i);
	}

	/* room beyond the last, as a decoded dictionary has it */
	stbl_vec_reserve(dict, dict->n, dict->kind == STBL_VEC_BYTES ? dict->offsets[dict->n] + 32 : 0);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblPqNode	leaf;
	StblCursor	cur;
	StblVec		v,
				dict;
	StblError	err;
	uint32_t	width;
	StblVecKind kind;
	size_t		n;
	bool		ok = false;
	bool		is_integer;

	if (size < HEAD)
		return;
	memset(&leaf, 0, sizeof(leaf));
	leaf.name = "x";
	leaf.type = (StblPqType) (data[1] % 8);
	leaf.type_length = data[2] % 32 + 1;
	n = (size_t) (data[3] | data[4] << 8);
	kind = stbl_pq_vec_kind(&leaf, &width);
	is_integer = leaf.type == STBL_PQ_INT32 || leaf.type == STBL_PQ_INT64;
	stbl_vec_init(&v, mem, kind, width);
	stbl_vec_init(&dict, mem, kind, width);
	make_dictionary(&dict);
	stbl_cursor_init(&cur, data + HEAD, size - HEAD);
	switch (data[0] % 7)
	{
		case 0:
			ok = stbl_pq_decode_plain(&cur, &leaf, &v, n, &err);
			break;
		case 1:
			ok = stbl_pq_decode_dictionary(&cur, &dict, &leaf, &v, n, &err);
			break;
		case 2:
			ok = kind == STBL_VEC_BOOL && stbl_pq_decode_booleans(&cur, &leaf, &v, n, &err);
			break;
		case 3:
			ok = is_integer && stbl_pq_decode_deltas(&cur, &leaf, &v, n, &err);
			break;
		case 4:
			ok = kind == STBL_VEC_BYTES && stbl_pq_decode_delta_lengths(mem, &cur, &leaf, &v, n, &err);
			break;
		case 5:
			ok = (kind == STBL_VEC_BYTES || kind == STBL_VEC_FIXED) && stbl_pq_decode_delta_strings(mem, &cur, &leaf, &v, n, &err);
			break;
		case 6:
			ok = kind != STBL_VEC_BYTES && kind != STBL_VEC_BOOL && leaf.type != STBL_PQ_INT96 && stbl_pq_decode_split(&cur, &leaf, &v, n, &err);
			break;
	}
	if (!ok)
		return;
	MUST(v.n == n);
	for (size_t i = 0; i < n; i++)
	{
		MUST(v.valid[i] == 1);
		if (kind == STBL_VEC_BYTES)
			MUST(v.offsets[i] <= v.offsets[i + 1] && v.offsets[i + 1] <= v.bytes_cap);
		else if (kind == STBL_VEC_BOOL)
			MUST(v.values[i] <= 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
