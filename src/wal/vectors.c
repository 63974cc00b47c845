/*
 * Reading the vectors that documents name, many at once.
 *
 * Those of one mutation lie in one file, one after another, so neighbours
 * are read by one request.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"

#define MAX_GAP 4096			/* bytes read for nothing rather than sent for anew */
#define MAX_SPAN (8 * 1024 * 1024)
#define DV_FRAME 8				/* length and checksum around a vector */

/* A request for neighbouring vectors: those of wanted[first] to wanted[last]. */
typedef struct Span
{
	int			first,
				last;
	int64		offset,
				end;
	StblCall   *call;
} Span;

static int
compare_wanted(const void *a, const void *b)
{
	const StblWantedDv *x = a;
	const StblWantedDv *y = b;
	int			cmp = strcmp(x->key, y->key);

	return cmp != 0 ? cmp : (x->offset > y->offset) - (x->offset < y->offset);
}

static int
make_spans(const StblWantedDv *wanted, int n, Span *spans)
{
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		const StblWantedDv *w = &wanted[i];
		int64		end = w->offset + w->dv->size_bytes + DV_FRAME;
		Span	   *last = k > 0 ? &spans[k - 1] : NULL;

		if (last == NULL || strcmp(wanted[last->first].key, w->key) != 0 || w->offset - last->end > MAX_GAP ||
			end - last->offset > MAX_SPAN)
		{
			last = &spans[k++];
			last->first = i;
			last->offset = w->offset;
			last->end = end;
			last->call = NULL;
		}
		last->last = i;
		last->end = Max(last->end, end);
	}
	return k;
}

static void
decode_span(const StblWantedDv *wanted, const Span *span, MemoryContext owner)
{
	const StblRequest *req = &span->call->req;

	for (int i = span->first; i <= span->last; i++)
	{
		const StblWantedDv *w = &wanted[i];
		int64		at = w->offset - span->offset;
		int64		len = (int64) w->dv->size_bytes + DV_FRAME;
		StblError	err;
		roaring_bitmap_t *bitmap;

		if (*w->out != NULL || at + len > (int64) req->body_len)
			continue;
		bitmap = stbl_dv_decode_stored(w->dv, req->body + at, len, &err);
		if (bitmap == NULL)
			continue;
		stbl_bitmap_own(owner, bitmap);
		*w->out = bitmap;
	}
}

/* Whether it lies in a file of vectors at a place that can be read. */
static bool
locate(StblTable *table, StblWantedDv *w)
{
	StblError	err;
	char	   *name;

	if (w->dv->storage != 'u' || w->dv->size_bytes < 0 || w->dv->size_bytes > PG_INT32_MAX)
		return false;
	name = stbl_dv_key(stbl_mem_in(CurrentMemoryContext), w->dv, &err);
	w->offset = w->dv->has_offset ? w->dv->offset : 0;
	if (name == NULL || w->offset < 0 || w->offset > PG_INT64_MAX / 4)
		return false;
	w->key = stbl_table_key(table, name);
	return true;
}

void
stbl_dvs_load(StblTable *table, StblWantedDv *wanted, int n, int64 deadline_us)
{
	MemoryContext owner = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(owner, "supertable vectors", ALLOCSET_DEFAULT_SIZES);
	Span	   *spans;
	int			n_spans;
	int			k = 0;
	int			sent = 0;

	MemoryContextSwitchTo(cxt);
	for (int i = 0; i < n; i++)
		if (locate(table, &wanted[i]))
			wanted[k++] = wanted[i];
	qsort(wanted, k, sizeof(StblWantedDv), compare_wanted);
	spans = palloc_extended(sizeof(Span) * ((Size) k + 1), MCXT_ALLOC_HUGE);
	n_spans = make_spans(wanted, k, spans);
	for (int i = 0; i < n_spans; i++)
	{
		Span	   *s = &spans[i];

		for (; sent < n_spans && sent < i + STBL_WAL_IN_FLIGHT; sent++)
			spans[sent].call = stbl_store_get_range(table->store, wanted[spans[sent].first].key, spans[sent].offset,
													spans[sent].end - spans[sent].offset, deadline_us);
		if (stbl_await(s->call) == STBL_ST_OK)
			decode_span(wanted, s, owner);
		stbl_call_free(s->call);
	}
	MemoryContextSwitchTo(owner);
	MemoryContextDelete(cxt);
}
