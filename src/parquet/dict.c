/*
 * Dictionaries, built: entries in order of first appearance, a code a value.
 *
 * Integers of a small range find their code in a table indexed by value;
 * everything else in a hash table with open addressing, which grows with the
 * entries.  A dictionary that cannot pay is given up early: ids and random
 * numbers are seen through after a few thousand values.
 */
#include <string.h>

#include "parquet/parquet_int.h"

#define MAX_BYTES ((uint64_t) 1024 * 1024)
#define MAX_ENTRIES 131072
#define FIRST_BLOCK 2048		/* values before the first look at whether it pays */
#define BLOCK 8192				/* and between two later ones */
#define FIRST_SLOTS 8192
#define MAX_PROBES 64			/* values made to collide must not cost more than this */
#define MAX_RANGE 65536			/* of integers whose code is looked up by value */

struct StblPqDictSlot
{
	uint32_t	code;			/* 1 + code, 0: free */
	uint32_t	hash;
};

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

static void
make_slots(StblPqDict *dict, size_t n_slots)
{
	if (n_slots > dict->slots_cap)
	{
		stbl_free(dict->mem, dict->slots);
		dict->slots = stbl_alloc_array(dict->mem, n_slots, sizeof(struct StblPqDictSlot));
		dict->slots_cap = n_slots;
	}
	memset(dict->slots, 0, n_slots * sizeof(struct StblPqDictSlot));
	dict->n_slots = n_slots;
}

/* Four times as many slots; false: give up. */
static bool
grow(StblPqDict *dict)
{
	size_t		n_old = dict->n_slots;
	size_t		mask = n_old * 4 - 1;
	struct StblPqDictSlot *old = stbl_alloc_array(dict->mem, n_old, sizeof(struct StblPqDictSlot));
	bool		fits = true;

	memcpy(old, dict->slots, n_old * sizeof(struct StblPqDictSlot));
	make_slots(dict, n_old * 4);
	for (size_t i = 0; i < n_old && fits; i++)
	{
		size_t		at = old[i].hash & mask;
		int			probes = 0;

		if (old[i].code == 0)
			continue;
		for (; dict->slots[at].code != 0 && probes < MAX_PROBES; probes++)
			at = (at + 1) & mask;
		fits = probes < MAX_PROBES;
		if (fits)
			dict->slots[at] = old[i];
	}
	stbl_free(dict->mem, old);
	return fits;
}

/* Finds or adds one value of len bytes; false: give up. */
static inline __attribute__((always_inline)) bool
add_value(StblPqDict *dict, const uint8_t *p, size_t len, bool is_bytes, uint32_t *code)
{
	uint32_t	hash = hash_bytes(p, len);
	size_t		mask = dict->n_slots - 1;
	size_t		at = hash & mask;
	StblVec    *entries = &dict->entries;

	for (int probes = 0; probes < MAX_PROBES; probes++, at = (at + 1) & mask)
	{
		struct StblPqDictSlot *slot = &dict->slots[at];

		if (slot->code == 0)
		{
			/* looked at here too, for a block of wide values may be of any size */
			if ((is_bytes ? entries->offsets[entries->n] : (uint64_t) entries->n * len) + len > MAX_BYTES)
				return false;
			*code = (uint32_t) entries->n;
			if (is_bytes)
				stbl_vec_bytes(entries, p, len);
			else
				stbl_vec_fixed(entries, p);
			slot->code = (uint32_t) entries->n;
			slot->hash = hash;
			return entries->n * 2 <= dict->n_slots || grow(dict);
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
add_block(StblPqDict *dict, const StblVec *v, size_t first, size_t end)
{
	uint32_t   *codes = dict->codes;

	if (v->kind == STBL_VEC_BYTES)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, v->bytes + v->offsets[i], v->offsets[i + 1] - v->offsets[i], true, &codes[i]))
				return false;
	}
	else if (v->width == 4)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, v->values + i * 4, 4, false, &codes[i]))
				return false;
	}
	else if (v->width == 8)
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, v->values + i * 8, 8, false, &codes[i]))
				return false;
	}
	else
	{
		for (size_t i = first; i < end; i++)
			if (!add_value(dict, v->values + i * v->width, v->width, false, &codes[i]))
				return false;
	}
	return true;
}

/* All values by hash; false: it does not pay. */
static bool
build_hashed(StblPqDict *dict, const StblVec *values)
{
	size_t		n = values->n;
	size_t		end;

	make_slots(dict, FIRST_SLOTS);
	for (size_t first = 0; first < n; first = end)
	{
		size_t		step = first == 0 ? FIRST_BLOCK : BLOCK;

		end = n - first < step ? n : first + step;
		if (!add_block(dict, values, first, end))
			return false;
		if (dict->entries.n > MAX_ENTRIES - BLOCK ||
			stbl_pq_plain_size(&dict->entries, 0, dict->entries.n) > MAX_BYTES)
			return false;

		/* Of 2048 values, 32,000 different ones repeat 64. */
		if (first == 0 ? end >= FIRST_BLOCK && dict->entries.n > end - end / 32 : dict->entries.n > end - end / 10)
			return false;
	}
	return true;
}

/* One code a value, by a table of all values between least and greatest. */
#define LOOK_UP(type) do { \
	const type *v = (const type *) values->values; \
	for (size_t i = 0; i < n; i++) \
	{ \
		uint32_t   *code = &table[(uint64_t) ((int64_t) v[i] - least)]; \
		if (*code == 0) \
		{ \
			stbl_vec_fixed(&dict->entries, &v[i]); \
			*code = (uint32_t) dict->entries.n; \
		} \
		dict->codes[i] = *code - 1; \
	} \
} while (0)

#define RANGE(type) do { \
	const type *v = (const type *) values->values; \
	type lo = v[0], hi = v[0]; \
	for (size_t i = 1; i < n; i++) \
	{ \
		lo = v[i] < lo ? v[i] : lo; \
		hi = v[i] > hi ? v[i] : hi; \
	} \
	least = lo; \
	range = (uint64_t) (int64_t) hi - (uint64_t) (int64_t) lo; \
} while (0)

static bool
build_by_value(StblPqDict *dict, const StblVec *values)
{
	size_t		n = values->n;
	int64_t		least;
	uint64_t	range;
	uint32_t   *table;

	if (values->kind == STBL_VEC_I32)
		RANGE(int32_t);
	else if (values->kind == STBL_VEC_I64)
		RANGE(int64_t);
	else
		return false;
	if (range >= MAX_RANGE || range >= n)
		return false;
	make_slots(dict, FIRST_SLOTS > (range + 2) / 2 ? FIRST_SLOTS : (range + 2) / 2);
	table = (uint32_t *) dict->slots;
	if (values->kind == STBL_VEC_I32)
		LOOK_UP(int32_t);
	else
		LOOK_UP(int64_t);
	return true;
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

	if (values->kind == STBL_VEC_BOOL || n < 2 || n > UINT32_MAX)
		return false;
	if (n > dict->codes_cap)
	{
		stbl_free(dict->mem, dict->codes);
		dict->codes = stbl_alloc_array(dict->mem, n, sizeof(uint32_t));
		dict->codes_cap = n;
	}
	stbl_vec_init(&dict->entries, dict->mem, values->kind, values->width);
	dict->has_entries = true;
	if (build_by_value(dict, values) || build_hashed(dict, values))
	{
		uint64_t	size = stbl_pq_plain_size(&dict->entries, 0, dict->entries.n);

		dict->width = stbl_pq_bit_width((uint32_t) dict->entries.n - 1);
		if (dict->width == 0)
			dict->width = 1;
		if (size <= MAX_BYTES && size + (uint64_t) n * dict->width / 8 < stbl_pq_plain_size(values, 0, n))
			return true;
	}
	stbl_pq_dict_end(dict);
	return false;
}

size_t
stbl_pq_dict_used(StblPqDict *dict, size_t first, size_t n)
{
	size_t		n_entries = dict->entries.n;
	size_t		n_used = 0;

	if (n_entries > dict->used_cap)
	{
		stbl_free(dict->mem, dict->is_used);
		stbl_free(dict->mem, dict->used);
		dict->is_used = stbl_alloc(dict->mem, n_entries);
		dict->used = stbl_alloc_array(dict->mem, n_entries + 1, sizeof(uint32_t));
		dict->used_cap = n_entries;
	}
	memset(dict->is_used, 0, n_entries);
	for (size_t i = first; i < first + n; i++)
		dict->is_used[dict->codes[i]] = 1;
	for (size_t i = 0; i < n_entries; i++)
	{
		dict->used[n_used] = (uint32_t) i;
		n_used += dict->is_used[i];
	}
	return n_used;
}
