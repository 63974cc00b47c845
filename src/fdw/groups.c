/*
 * Groups of GROUP BY.
 *
 * A key is a 64-bit word a column, equal for equal values: an integer, the
 * bits of a real (one for all NaNs, one for both zeros), the hash of a text.
 * Beside it the value first seen is kept, which is what the group shows: the
 * integer, the real's own bits, the address of a copy of the text.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "fdw/aggregate.h"

#define NO_GROUP 0xffffffffU
#define OTHER_PASS 0xfffffffeU

/* Ends of what hash bits can tell apart. */
#define MAX_MASK 0xffffU

typedef struct Text
{
	size_t		len;
	uint8		data[FLEXIBLE_ARRAY_MEMBER];
} Text;

typedef struct Part
{
	uint32		mask;
	uint32		bits;
	struct Part *next;
} Part;

typedef struct Entry
{
	uint64		hash;
	uint64		nulls;			/* a bit a key column */
	uint64		keys[FLEXIBLE_ARRAY_MEMBER];	/* n words, n values first seen, then the accumulators */
} Entry;

struct StblGroups
{
	MemoryContext cxt;			/* of all passes */
	MemoryContext pass_cxt;
	int			n_keys;
	StblSourceColumn *const *keys;
	int			n_accs;
	Size		accs_at;		/* in an entry */
	Size		stride;
	char	   *entries;
	uint32		n;
	uint32		cap;
	uint32	   *slots;			/* group numbers by hash; a power of two of them */
	uint32		n_slots;
	Size		text_bytes;
	Part	   *pending;
	uint32		mask;			/* this pass: groups with (hash >> 32 & mask) == bits */
	uint32		bits;
};

static inline Entry *
entry_at(const StblGroups *g, uint32 i)
{
	return (Entry *) (g->entries + (Size) i * g->stride);
}

static inline uint64
mix(uint64 h, uint64 word)
{
	h = (h ^ word) * UINT64CONST(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	h *= UINT64CONST(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

static void
begin_pass(StblGroups *g)
{
	MemoryContextReset(g->pass_cxt);
	g->n = 0;
	g->cap = 256;
	g->entries = MemoryContextAlloc(g->pass_cxt, g->stride * g->cap);
	g->n_slots = 1024;
	g->slots = MemoryContextAlloc(g->pass_cxt, sizeof(uint32) * g->n_slots);
	memset(g->slots, 0xff, sizeof(uint32) * g->n_slots);
	g->text_bytes = 0;
}

StblGroups *
stbl_groups_new(MemoryContext cxt, int n_keys, StblSourceColumn *const *keys, int n_accs)
{
	StblGroups *g = MemoryContextAllocZero(cxt, sizeof(StblGroups));

	g->cxt = cxt;
	g->pass_cxt = AllocSetContextCreate(cxt, "supertable groups", ALLOCSET_DEFAULT_SIZES);
	g->n_keys = n_keys;
	g->keys = keys;
	g->n_accs = n_accs;
	g->accs_at = MAXALIGN(offsetof(Entry, keys) + sizeof(uint64) * 2 * n_keys);
	g->stride = MAXALIGN(g->accs_at + sizeof(StblAcc) * n_accs);
	begin_pass(g);
	return g;
}

/* ---- keys ---- */

/* One column of a row's key. */
typedef struct Key
{
	uint64		word;
	uint64		seen;
	bool		is_text;
	const uint8 *data;
	size_t		len;
} Key;

static uint64
hash_bytes_64(const uint8 *data, size_t len)
{
	uint64		hash = mix(len, 0);
	uint64		word;
	size_t		i = 0;

	for (; i + 8 <= len; i += 8)
	{
		memcpy(&word, data + i, 8);
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, data + i, len - i);
	return mix(hash, word);
}

static void
set_real(Key *key, double d)
{
	memcpy(&key->seen, &d, sizeof(d));
	if (isnan(d))
		d = get_float8_nan();
	else if (d == 0)
		d = 0;					/* either zero */
	memcpy(&key->word, &d, sizeof(d));
}

/* Value `at` of a column's vector as a key. */
static void
set_key(Key *key, const StblColumn *column, const StblVec *vec, size_t at)
{
	key->is_text = false;
	switch (vec->kind)
	{
		case STBL_VEC_BOOL:
			key->word = key->seen = vec->values[at] != 0;
			return;
		case STBL_VEC_I32:
			key->word = key->seen = (uint64) (int64) ((const int32 *) vec->values)[at];
			return;
		case STBL_VEC_I64:
			key->word = key->seen = ((const uint64 *) vec->values)[at];
			return;
		case STBL_VEC_F32:
			set_real(key, ((const float *) vec->values)[at]);
			return;
		case STBL_VEC_F64:
			set_real(key, ((const double *) vec->values)[at]);
			return;
		case STBL_VEC_BYTES:
		case STBL_VEC_FIXED:
			break;
	}
	if (column->field.kind == STBL_DECIMAL)
	{
		key->word = key->seen = (uint64) stbl_unscaled_64(vec, at);
		return;
	}
	key->is_text = true;
	key->data = vec->bytes + vec->offsets[at];
	key->len = vec->offsets[at + 1] - vec->offsets[at];
	key->word = hash_bytes_64(key->data, key->len);
}

/* ---- the table ---- */

static void
put_slot(StblGroups *g, uint32 group)
{
	uint32		at = entry_at(g, group)->hash & (g->n_slots - 1);

	while (g->slots[at] != NO_GROUP)
		at = (at + 1) & (g->n_slots - 1);
	g->slots[at] = group;
}

static void
fill_slots(StblGroups *g)
{
	memset(g->slots, 0xff, sizeof(uint32) * (Size) g->n_slots);
	for (uint32 i = 0; i < g->n; i++)
		put_slot(g, i);
}

/* Makes room for one more group. */
static void
grow(StblGroups *g)
{
	if (g->n == g->cap)
	{
		g->cap *= 2;
		g->entries = repalloc_huge(g->entries, g->stride * (Size) g->cap);
	}
	if (g->n >= g->n_slots / 2)
	{
		g->n_slots *= 2;
		g->slots = repalloc_huge(g->slots, sizeof(uint32) * (Size) g->n_slots);
		fill_slots(g);
	}
}

static bool
is_same(const StblGroups *g, const Entry *e, const Key *keys)
{
	for (int k = 0; k < g->n_keys; k++)
	{
		if (e->keys[k] != keys[k].word)
			return false;
		if (keys[k].is_text)
		{
			const Text *t = (const Text *) (uintptr_t) e->keys[g->n_keys + k];

			if (t->len != keys[k].len || memcmp(t->data, keys[k].data, t->len) != 0)
				return false;
		}
	}
	return true;
}

static Text *
copy_text(StblGroups *g, const Key *key)
{
	Text	   *t = MemoryContextAllocHuge(g->pass_cxt, offsetof(Text, data) + key->len + 1);

	t->len = key->len;
	memcpy(t->data, key->data, key->len);
	g->text_bytes += sizeof(Text) + key->len;
	return t;
}

static uint32
make_group(StblGroups *g, const Key *keys, uint64 hash, uint64 nulls)
{
	Entry	   *e;

	grow(g);
	e = entry_at(g, g->n);
	memset(e, 0, g->stride);
	e->hash = hash;
	e->nulls = nulls;
	for (int k = 0; k < g->n_keys; k++)
	{
		e->keys[k] = keys[k].word;
		e->keys[g->n_keys + k] = keys[k].is_text ? (uint64) (uintptr_t) copy_text(g, &keys[k]) : keys[k].seen;
	}
	return g->n++;
}

/* The group of a row. */
static uint32
group_of_row(StblGroups *g, uint32 row)
{
	Key			keys[STBL_MAX_GROUP_KEYS];
	uint64		nulls = 0;
	uint64		hash = 0;
	uint32		at;

	for (int k = 0; k < g->n_keys; k++)
	{
		const StblSourceColumn *c = g->keys[k];
		const StblVec *vec = c->coded ? &c->coded->dict : c->data ? &c->data->elem : NULL;
		size_t		i = c->coded ? c->coded->codes[row] : row;

		if (vec == NULL || (c->coded ? i >= vec->n : vec->n_null > 0 && !vec->valid[row]))
		{
			memset(&keys[k], 0, sizeof(Key));
			nulls |= UINT64CONST(1) << k;
		}
		else
			set_key(&keys[k], c->column, vec, i);
		hash = mix(hash, keys[k].word);
	}
	hash = mix(hash, nulls);
	if ((hash >> 32 & g->mask) != g->bits)
		return OTHER_PASS;
	for (at = hash & (g->n_slots - 1); g->slots[at] != NO_GROUP; at = (at + 1) & (g->n_slots - 1))
	{
		const Entry *e = entry_at(g, g->slots[at]);

		if (e->hash == hash && e->nulls == nulls && is_same(g, e, keys))
			return g->slots[at];
	}
	at = make_group(g, keys, hash, nulls);
	put_slot(g, at);
	return at;
}

const uint32 *
stbl_groups_of_block(StblGroups *g, StblSource *s)
{
	uint32	   *groups = MemoryContextAllocHuge(s->group_cxt, sizeof(uint32) * ((Size) s->n_selected + 1));
	const StblPqCoded *coded = g->n_keys == 1 ? g->keys[0]->coded : NULL;
	uint32	   *of_code = NULL;
	bool		all = true;

	if (coded != NULL)
	{
		of_code = MemoryContextAllocHuge(s->group_cxt, sizeof(uint32) * (coded->dict.n + 1));
		memset(of_code, 0xff, sizeof(uint32) * (coded->dict.n + 1));
	}
	for (uint32 j = 0; j < s->n_selected; j++)
	{
		uint32		row = s->selected ? s->selected[j] : j;

		if (of_code == NULL)
			groups[j] = group_of_row(g, row);
		else
		{
			uint32	   *known = &of_code[coded->codes[row]];

			if (*known == NO_GROUP)
				*known = group_of_row(g, row);
			groups[j] = *known;
		}
		all = all && groups[j] != OTHER_PASS;
	}
	if (!all)
	{
		uint32	   *rows = MemoryContextAllocHuge(s->group_cxt, sizeof(uint32) * ((Size) s->n_selected + 1));
		uint32		n = 0;

		for (uint32 j = 0; j < s->n_selected; j++)
		{
			rows[n] = s->selected ? s->selected[j] : j;
			groups[n] = groups[j];
			n += groups[j] != OTHER_PASS;
		}
		s->selected = rows;
		s->n_selected = n;
	}
	return groups;
}

/* ---- passes ---- */

static void
drop_texts(StblGroups *g, const Entry *e)
{
	for (int k = 0; k < g->n_keys; k++)
		if (stbl_bound_kind(&g->keys[k]->column->field) == STBL_BOUND_BYTES && (e->nulls >> k & 1) == 0)
		{
			Text	   *t = (Text *) (uintptr_t) e->keys[g->n_keys + k];

			g->text_bytes -= sizeof(Text) + t->len;
			pfree(t);
		}
}

void
stbl_groups_trim(StblGroups *g)
{
	Size		limit = get_hash_memory_limit();

	while (g->n > 1 && g->mask < MAX_MASK &&
		   g->stride * (Size) g->n + sizeof(uint32) * 4 * (Size) g->n + g->text_bytes > limit)
	{
		Part	   *rest = MemoryContextAlloc(g->cxt, sizeof(Part));
		uint32		bit = g->mask + 1;
		uint32		kept = 0;

		rest->mask = g->mask = g->mask * 2 + 1;
		rest->bits = g->bits | bit;
		rest->next = g->pending;
		g->pending = rest;
		for (uint32 i = 0; i < g->n; i++)
		{
			if ((entry_at(g, i)->hash >> 32 & g->mask) != g->bits)
				drop_texts(g, entry_at(g, i));
			else
			{
				if (kept != i)
					memcpy(entry_at(g, kept), entry_at(g, i), g->stride);
				kept++;
			}
		}
		g->n = kept;
		fill_slots(g);
	}
}

bool
stbl_groups_next_pass(StblGroups *g)
{
	Part	   *part = g->pending;

	if (part == NULL)
		return false;
	g->pending = part->next;
	g->mask = part->mask;
	g->bits = part->bits;
	pfree(part);
	begin_pass(g);
	return true;
}

/* ---- results ---- */

uint32
stbl_groups_count(const StblGroups *g)
{
	return g->n;
}

char *
stbl_groups_accs(StblGroups *g, Size *stride)
{
	*stride = g->stride;
	return g->entries + g->accs_at;
}

Datum
stbl_group_key(const StblGroups *g, uint32 group, int key, bool *isnull)
{
	const Entry *e = entry_at(g, group);
	uint64		seen = e->keys[g->n_keys + key];
	StblColumn *column = g->keys[key]->column;
	StblColVec	vec = {.n_rows = 1};
	uint64		offsets[2] = {0, 0};
	double		real;
	Datum		value;

	*isnull = (e->nulls >> key & 1) != 0;
	if (*isnull)
		return (Datum) 0;
	if (stbl_bound_kind(&column->field) != STBL_BOUND_BYTES)
	{
		memcpy(&real, &seen, sizeof(real));
		return stbl_number_datum(column, (int64) seen, real);
	}
	vec.elem.kind = STBL_VEC_BYTES;
	vec.elem.n = 1;
	vec.elem.bytes = ((Text *) (uintptr_t) seen)->data;
	offsets[1] = ((Text *) (uintptr_t) seen)->len;
	vec.elem.offsets = offsets;
	stbl_column_datums(column, &vec, NULL, 0, 1, &value, isnull);
	return value;
}
