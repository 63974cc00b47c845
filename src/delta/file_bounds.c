/*
 * What the log's statistics say of a superfile's columns, kept with the
 * superfile while a snapshot has it: their text is parsed once a session, not
 * at each scan, for as many superfiles as fit a bound of memory.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/json.h"
#include "common/pgmem.h"
#include "delta/snapshot_int.h"

/* 100,000 superfiles of one column, or 10,000 of ten. */
#define MAX_HELD ((Size) 16 * 1024 * 1024)

/* Longer texts are parsed anew. */
#define MAX_BYTES 256

typedef struct StblKnownBounds
{
	struct StblKnownBounds *next;
	Size		size;
	StblTypeKind kind;
	int			scale;
	bool		is_array;
	StblBounds	bounds;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* the column's name, then the bytes of bounds that are texts */
} StblKnownBounds;

static MemoryContext known_cxt;
static Size held;

static bool
find(const StblFile *file, const StblField *field, StblBounds *out)
{
	for (const StblKnownBounds *k = file->body->known; k != NULL; k = k->next)
		if (k->kind == field->kind && k->scale == field->scale && k->is_array == field->is_array && strcmp(k->data, field->name) == 0)
		{
			*out = k->bounds;
			return true;
		}
	return false;
}

static void
keep(const StblFile *file, const StblField *field, const StblBounds *b)
{
	Size		name_len = strlen(field->name) + 1;
	Size		n_min = b->kind == STBL_BOUND_BYTES && b->has_min ? b->min.len : 0;
	Size		n_max = b->kind == STBL_BOUND_BYTES && b->has_max ? b->max.len : 0;
	Size		size = offsetof(StblKnownBounds, data) + name_len + n_min + n_max;
	StblKnownBounds *k;
	uint8	   *bytes;

	if (n_min + n_max > MAX_BYTES || held + size > MAX_HELD)
		return;
	if (known_cxt == NULL)
		known_cxt = AllocSetContextCreate(CacheMemoryContext, "supertable bounds", ALLOCSET_DEFAULT_SIZES);
	k = MemoryContextAlloc(known_cxt, size);
	k->size = size;
	k->kind = field->kind;
	k->scale = field->scale;
	k->is_array = field->is_array;
	k->bounds = *b;
	memcpy(k->data, field->name, name_len);
	bytes = (uint8 *) k->data + name_len;
	if (n_min > 0)
		memcpy(bytes, b->min.bytes, n_min);
	k->bounds.min.bytes = bytes;
	if (n_max > 0)
		memcpy(bytes + n_min, b->max.bytes, n_max);
	k->bounds.max.bytes = bytes + n_min;
	k->next = file->body->known;
	file->body->known = k;
	held += size;
}

void
stbl_file_bounds(const StblFile *file, const StblField *field, StblJson **stats, StblBounds *out)
{
	StblError	err;

	if (file->body != NULL && find(file, field, out))
		return;
	if (*stats == NULL && file->stats != NULL)
		*stats = stbl_json_parse(stbl_mem_in(CurrentMemoryContext), file->stats, strlen(file->stats), &err);
	stbl_bounds_of_stats(*stats, field, out);
	if (file->body != NULL)
		keep(file, field, out);
}

void
stbl_file_bounds_forget(StblFileBody *body)
{
	while (body->known != NULL)
	{
		StblKnownBounds *k = body->known;

		body->known = k->next;
		held -= k->size;
		pfree(k);
	}
}
