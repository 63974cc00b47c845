/* Encodings of data pages: levels, PLAIN values, dictionaries. */
#include <string.h>

#include "parquet/parquet_int.h"

#define DICT_MAX_BYTES ((uint64_t) 1024 * 1024)
#define DICT_MAX_ENTRIES 131072
#define DICT_BLOCK 8192			/* values between two looks at whether it pays */
#define DICT_MAX_PROBES 64		/* values made to collide must not cost more than this */

struct StblPqDictSlot
{
	uint32_t	code;			/* 1 + code, 0: free */
	uint32_t	hash;
};

/* Levels of a version 1 page: a length of four bytes, then RLE. */
void
stbl_pq_encode_levels(StblBuf *out, const uint8_t *levels, size_t n, int max)
{
	size_t		at = out->len;
	uint32_t	len;

	stbl_buf_u32le(out, 0);
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

static inline uint64_t
mix(uint64_t x)
{
	x *= UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

static inline uint32_t
hash_bytes(const uint8_t *p, size_t len)
{
	uint64_t	h = len;
	uint64_t	word;

	for (; len >= 8; len -= 8, p += 8)
	{
		memcpy(&word, p, 8);
		h = mix(h ^ word);
	}
	word = 0;
	memcpy(&word, p, len);
	return (uint32_t) mix(h ^ word);
}

/* Finds or adds one value of len bytes; false: give up. */
static inline bool
add_value(StblPqDict *dict, size_t mask, const uint8_t *p, size_t len, bool is_bytes, uint32_t *code)
{
	uint32_t	hash = hash_bytes(p, len);
	size_t		at = hash & mask;
	StblVec    *entries = &dict->entries;

	for (int probes = 0; probes < DICT_MAX_PROBES; probes++, at = (at + 1) & mask)
	{
		struct StblPqDictSlot *slot = &dict->slots[at];

		if (slot->code == 0)
		{
			/* looked at here too, for a block of wide values may be of any size */
			if ((is_bytes ? entries->offsets[entries->n] : (uint64_t) entries->n * len) + len > DICT_MAX_BYTES)
				return false;
			*code = (uint32_t) entries->n;
			if (is_bytes)
				stbl_vec_bytes(entries, p, len);
			else
				stbl_vec_fixed(entries, p);
			slot->code = (uint32_t) entries->n;
			slot->hash = hash;
			return true;
		}
		if (slot->hash != hash)
			continue;
		*code = slot->code - 1;
		if (!is_bytes)
		{
			if (memcmp(entries->values + (size_t) *code * len, p, len) == 0)
				return true;
		}
		else if (entries->offsets[*code + 1] - entries->offsets[*code] == len &&
				 memcmp(entries->bytes + entries->offsets[*code], p, len) == 0)
			return true;
	}
	return false;
}

static bool
add_block(StblPqDict *dict, size_t mask, const StblVec *v, size_t first, size_t end)
{
	uint32_t   *codes = dict->codes;

	if (v->kind == STBL_VEC_BYTES)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, mask, v->bytes + v->offsets[i], v->offsets[i + 1] - v->offsets[i], true, &codes[i]))
				return false;
	}
	else if (v->width == 4)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, mask, v->values + i * 4, 4, false, &codes[i]))
				return false;
	}
	else if (v->width == 8)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, mask, v->values + i * 8, 8, false, &codes[i]))
				return false;
	}
	else
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, mask, v->values + i * v->width, v->width, false, &codes[i]))
				return false;
	}
	return true;
}

static void
make_room(StblPqDict *dict, size_t n, size_t n_slots)
{
	if (n > dict->codes_cap)
	{
		stbl_free(dict->mem, dict->codes);
		dict->codes = stbl_alloc_array(dict->mem, n, sizeof(uint32_t));
		dict->codes_cap = n;
	}
	if (n_slots > dict->slots_cap)
	{
		stbl_free(dict->mem, dict->slots);
		dict->slots = stbl_alloc_array(dict->mem, n_slots, sizeof(struct StblPqDictSlot));
		dict->slots_cap = n_slots;
	}
	memset(dict->slots, 0, n_slots * sizeof(struct StblPqDictSlot));
}

void
stbl_pq_dict_end(StblPqDict *dict)
{
	if (dict->has_entries)
		stbl_vec_free(&dict->entries);
	dict->has_entries = false;
}

bool
stbl_pq_dict_build(StblPqDict *dict, const StblVec *values)
{
	size_t		n = values->n;
	size_t		n_slots = 64;
	uint64_t	size;

	if (values->kind == STBL_VEC_BOOL || n < 2 || n > UINT32_MAX)
		return false;
	while (n_slots < (n < DICT_MAX_ENTRIES ? n : DICT_MAX_ENTRIES) * 2)
		n_slots *= 2;
	make_room(dict, n, n_slots);
	stbl_vec_init(&dict->entries, dict->mem, values->kind, values->width);
	dict->has_entries = true;
	for (size_t first = 0; first < n; first += DICT_BLOCK)
	{
		size_t		end = n - first < DICT_BLOCK ? n : first + DICT_BLOCK;

		if (!add_block(dict, n_slots - 1, values, first, end))
			break;
		if (dict->entries.n > DICT_MAX_ENTRIES - DICT_BLOCK ||
			stbl_pq_plain_size(&dict->entries, 0, dict->entries.n) > DICT_MAX_BYTES ||
			dict->entries.n > end - end / 10)
			break;
		if (end < n)
			continue;
		dict->width = stbl_pq_bit_width((uint32_t) dict->entries.n - 1);
		if (dict->width == 0)
			dict->width = 1;
		size = stbl_pq_plain_size(&dict->entries, 0, dict->entries.n) + (uint64_t) n * dict->width / 8;
		if (size < stbl_pq_plain_size(values, 0, n))
			return true;
	}
	stbl_pq_dict_end(dict);
	return false;
}
