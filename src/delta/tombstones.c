/*
 * Tombstones of superfiles, read when wanted.
 *
 * Vectors of one commit lie in one file, one after another: neighbours are
 * read by one request.
 */
#include "postgres.h"

#include <inttypes.h>

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/snapshot_int.h"
#include "store/fetch.h"

#define MAX_IN_FLIGHT 32
#define MAX_GAP 4096			/* bytes read for nothing rather than sent for anew */
#define MAX_SPAN (8 * 1024 * 1024)
#define DV_FRAME 8				/* length and checksum around a vector */

/* One vector to be read from a file. */
typedef struct Wanted
{
	StblFile   *file;
	char	   *key;
	int64		offset;
	int64		end;
	int			call;			/* index of the request that brings it */
} Wanted;

/* One request for neighbouring vectors. */
typedef struct Span
{
	char	   *key;
	int64		offset;
	int64		end;
	StblFetch  *fetch;
} Span;

static char *
vector_key(StblTable *table, const StblDv *dv)
{
	StblError	err;
	char	   *name = stbl_dv_key(stbl_mem_in(CurrentMemoryContext), dv, &err);

	if (name == NULL)
		stbl_throw_object(&err, table->root);
	return stbl_table_key(table, name);
}

/* Starts to fetch a part of a vector file: a file's name is never used again, so it may come from the read cache. */
static StblFetch *
fetch_part(StblTable *table, const char *key, int64 offset, int64 len)
{
	StblRange	range = {0, len};

	return stbl_fetch_ranges(table->store, key, offset, len, &range, 1);
}

/* The manifest names the object, so a missing one is damage. */
static void
throw_not_had(StblError *err, const char *key)
{
	if (err->kind == STBL_ERR_NOT_FOUND)
		stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector file \"%.200s\" is missing", key);
	stbl_throw(err);
}

static const uint8 *
part_bytes(StblFetch *fetch, const char *key, int64 len)
{
	StblError	err;
	const uint8 *bytes = stbl_fetch_bytes(fetch, 0, len, &err);

	if (bytes == NULL)
		throw_not_had(&err, key);
	return bytes;
}

/* The same by a certain time, which the cache knows nothing of. */
static const uint8 *
part_by(StblTable *table, const char *key, int64 offset, int64 len, int64_t deadline_us)
{
	StblCall   *call = stbl_store_get_range(table->store, key, offset, len, deadline_us);
	StblError	err;

	if (stbl_await(call) != STBL_ST_OK)
	{
		stbl_call_error(call, &err);
		throw_not_had(&err, key);
	}
	return call->req.body;
}

static roaring_bitmap_t *
load_inline(const char *path, const StblDv *dv)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable vector", ALLOCSET_SMALL_SIZES);
	StblError	err;
	roaring_bitmap_t *bitmap = stbl_dv_decode_inline(stbl_mem_in(cxt), dv, &err);

	MemoryContextDelete(cxt);
	if (bitmap == NULL)
		stbl_throw_object(&err, path);
	return bitmap;
}

StblFetch *
stbl_dv_ask(StblTable *table, const StblDv *dv)
{
	if (dv->storage == 'i')
		return NULL;
	return fetch_part(table, vector_key(table, dv), dv->has_offset ? dv->offset : 0, dv->size_bytes + DV_FRAME);
}

roaring_bitmap_t *
stbl_dv_take(StblTable *table, const StblDv *dv, StblFetch *fetch)
{
	char	   *key = vector_key(table, dv);
	int64		len = dv->size_bytes + DV_FRAME;
	StblError	err;
	roaring_bitmap_t *bitmap = stbl_dv_decode_stored(dv, part_bytes(fetch, key, len), len, &err);

	if (bitmap == NULL)
		stbl_throw_object(&err, key);
	return bitmap;
}

roaring_bitmap_t *
stbl_dv_load(StblTable *table, const StblDv *dv, int64_t deadline_us)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt;
	roaring_bitmap_t *bitmap;
	int64		offset = dv->has_offset ? dv->offset : 0;
	int64		len = dv->size_bytes + DV_FRAME;
	const uint8 *bytes;
	char	   *key;
	StblError	err;

	if (dv->storage == 'i')
		return load_inline(table->root, dv);
	cxt = AllocSetContextCreate(caller, "supertable vector", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);
	key = vector_key(table, dv);
	bytes = deadline_us != 0 ? part_by(table, key, offset, len, deadline_us)
		: part_bytes(fetch_part(table, key, offset, len), key, len);
	bitmap = stbl_dv_decode_stored(dv, bytes, len, &err);
	if (bitmap == NULL)
		stbl_throw_object(&err, key);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
	return bitmap;
}

/* Takes a bitmap over into the file's body. */
static void
file_keep(StblFile *file, roaring_bitmap_t *bitmap)
{
	StblError	err;

	if (bitmap != NULL && file->n_rows >= 0 && !roaring_bitmap_is_empty(bitmap) &&
		roaring_bitmap_maximum(bitmap) >= file->n_rows)
	{
		roaring_bitmap_free(bitmap);
		stbl_fail(&err, STBL_ERR_CORRUPT, "deletion vector has row positions beyond the " INT64_FORMAT " rows of the file",
				  (int64) file->n_rows);
		stbl_throw_object(&err, file->path);
	}
	file->body->tombstones = bitmap;
	file->body->tombstones_loaded = true;
}

/* Whether the file's tombstones are known now; another snapshot may have read them. */
static bool
file_take(StblFile *file)
{
	if (file->dv == NULL)
		file->body->tombstones_loaded = true;
	if (!file->body->tombstones_loaded)
		return false;
	file->tombstones = file->body->tombstones;
	file->tombstones_loaded = true;
	return true;
}

static int
compare_wanted(const void *a, const void *b)
{
	const Wanted *x = a;
	const Wanted *y = b;
	int			cmp = strcmp(x->key, y->key);

	return cmp != 0 ? cmp : (x->offset > y->offset) - (x->offset < y->offset);
}

/* Groups sorted vectors into requests. */
static Span *
make_spans(Wanted *wanted, int n, int *n_spans)
{
	Span	   *spans = palloc(sizeof(Span) * (n + 1));
	Span	   *span = NULL;
	int			i;

	*n_spans = 0;
	for (i = 0; i < n; i++)
	{
		Wanted	   *w = &wanted[i];

		if (span == NULL || strcmp(span->key, w->key) != 0 || w->offset - span->end > MAX_GAP ||
			w->end - span->offset > MAX_SPAN)
		{
			span = &spans[(*n_spans)++];
			span->key = w->key;
			span->offset = w->offset;
			span->end = w->end;
			span->fetch = NULL;
		}
		span->end = Max(span->end, w->end);
		w->call = *n_spans - 1;
	}
	return spans;
}

static void
decode_wanted(const Wanted *w, const Span *span, const uint8 *bytes)
{
	StblError	err;
	roaring_bitmap_t *bitmap;

	if (file_take(w->file))
		return;
	bitmap = stbl_dv_decode_stored(w->file->dv, bytes + (w->offset - span->offset), w->end - w->offset, &err);
	if (bitmap == NULL)
		stbl_throw_object(&err, w->key);
	file_keep(w->file, bitmap);
	file_take(w->file);
}

static void
read_spans(StblTable *table, Wanted *wanted, int n, Span *spans, int n_spans)
{
	int			sent = 0;
	int			i = 0;
	int			s;

	for (s = 0; s < n_spans; s++)
	{
		const uint8 *bytes;

		CHECK_FOR_INTERRUPTS();
		for (; sent < n_spans && sent < s + MAX_IN_FLIGHT; sent++)
			spans[sent].fetch = fetch_part(table, spans[sent].key, spans[sent].offset, spans[sent].end - spans[sent].offset);
		bytes = part_bytes(spans[s].fetch, spans[s].key, spans[s].end - spans[s].offset);
		for (; i < n && wanted[i].call == s; i++)
			decode_wanted(&wanted[i], &spans[s], bytes);
		stbl_fetch_free(spans[s].fetch);
	}
}

void
stbl_load_tombstones(StblTable *table, StblFile **files, int n_files)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable tombstones", ALLOCSET_DEFAULT_SIZES);
	Wanted	   *wanted;
	Span	   *spans;
	int			n_spans;
	int			n = 0;
	int			i;

	MemoryContextSwitchTo(cxt);
	wanted = MemoryContextAllocHuge(cxt, sizeof(Wanted) * ((Size) n_files + 1));
	for (i = 0; i < n_files; i++)
	{
		StblFile   *file = files[i];

		if (file_take(file))
			continue;
		if (file->dv->storage == 'i')
		{
			file_keep(file, load_inline(file->path, file->dv));
			file_take(file);
			continue;
		}
		wanted[n].file = file;
		wanted[n].key = vector_key(table, file->dv);
		wanted[n].offset = file->dv->has_offset ? file->dv->offset : 0;
		wanted[n].end = wanted[n].offset + file->dv->size_bytes + DV_FRAME;
		n++;
	}
	qsort(wanted, n, sizeof(Wanted), compare_wanted);
	spans = make_spans(wanted, n, &n_spans);
	read_spans(table, wanted, n, spans, n_spans);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
}

const roaring_bitmap_t *
stbl_file_tombstones(StblTable *table, StblFile *file)
{
	if (!file->tombstones_loaded && !file_take(file))
		stbl_load_tombstones(table, &file, 1);
	return file->tombstones;
}
