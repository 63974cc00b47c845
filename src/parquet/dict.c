/* Dictionary of one column chunk's values: open addressing over value bytes. */
#include <string.h>

#include "parquet/dict.h"
#include "parquet/parquet_int.h"

#define MAX_DISTINCT 65536
#define MAX_DICT_BYTES (1024 * 1024)
#define LOOK_EARLY 8192			/* values after which a hopeless attempt ends */

void
stbl_dict_init(StblDict *dict, StblMem *mem)
{
	memset(dict, 0, sizeof(*dict));
	dict->mem = mem;
	dict->n_slots = MAX_DISTINCT * 4;
	dict->slots = stbl_alloc0(mem, dict->n_slots * sizeof(uint32_t));
}

static inline uint32_t
hash_bytes(const uint8_t *p, size_t len)
{
	uint64_t	h = UINT64_C(0x9e3779b97f4a7c15) ^ len;
	uint64_t	w;

	while (len >= 8)
	{
		memcpy(&w, p, 8);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		p += 8;
		len -= 8;
	}
	if (len > 0)
	{
		w = 0;
		memcpy(&w, p, len);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return (uint32_t) (h ^ (h >> 29));
}

static inline const uint8_t *
value_at(const StblVec *v, size_t i, size_t *len)
{
	if (v->kind == STBL_VEC_BYTES)
	{
		*len = v->offsets[i + 1] - v->offsets[i];
		return v->bytes + v->offsets[i];
	}
	*len = v->width;
	return v->values + i * v->width;
}

static bool
add_distinct(StblDict *dict, size_t index, size_t len, bool is_bytes)
{
	if (dict->n >= MAX_DISTINCT)
		return false;
	dict->n_bytes += len + (is_bytes ? 4 : 0);
	if (dict->n_bytes > MAX_DICT_BYTES)
		return false;
	if (dict->n == dict->cap)
	{
		dict->cap = dict->cap ? dict->cap * 2 : 256;
		dict->first = stbl_realloc(dict->mem, dict->first, dict->cap * sizeof(uint32_t));
	}
	dict->first[dict->n++] = (uint32_t) index;
	return true;
}

bool
stbl_dict_build(StblDict *dict, const StblVec *values, size_t plain_bytes)
{
	size_t		code_bytes;

	if (values->kind == STBL_VEC_BOOL || values->n < 16 || values->n > UINT32_MAX)
		return false;
	if (dict->n > 0 || dict->n_bytes > 0)
		memset(dict->slots, 0, dict->n_slots * sizeof(uint32_t));
	dict->n = 0;
	dict->n_bytes = 0;
	if (dict->codes_cap < values->n)
	{
		stbl_free(dict->mem, dict->codes);
		dict->codes = stbl_alloc_array(dict->mem, values->n, sizeof(uint32_t));
		dict->codes_cap = values->n;
	}
	for (size_t i = 0; i < values->n; i++)
	{
		size_t		len;
		const uint8_t *p = value_at(values, i, &len);
		uint32_t	slot = hash_bytes(p, len) & (dict->n_slots - 1);

		while (dict->slots[slot] != 0)
		{
			size_t		other_len;
			const uint8_t *other = value_at(values, dict->first[dict->slots[slot] - 1], &other_len);

			if (other_len == len && memcmp(other, p, len) == 0)
				break;
			slot = (slot + 1) & (dict->n_slots - 1);
		}
		if (dict->slots[slot] == 0)
		{
			if (!add_distinct(dict, i, len, values->kind == STBL_VEC_BYTES))
				return false;
			dict->slots[slot] = dict->n;
		}
		dict->codes[i] = dict->slots[slot] - 1;
		if (i == LOOK_EARLY && dict->n > LOOK_EARLY / 2)
			return false;
	}
	code_bytes = values->n * stbl_pq_bit_width(dict->n - 1) / 8;
	return dict->n_bytes + code_bytes < plain_bytes - plain_bytes / 8;
}
