/*
 * Ranges of an object, by as few requests as pay (fetch.h).
 *
 * A gap between two ranges is read for nothing where that takes less time
 * than another request: on a network that is what passes in one round trip,
 * on a disk of this machine the opening of a file.  A request stays below a
 * size at which several connections would be faster than one.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/fetch.h"
#include "store/store_int.h"

#define GAP_REMOTE ((uint64) 256 * 1024)
#define GAP_LOCAL ((uint64) 16 * 1024)
#define SPAN_MAX ((uint64) 8 * 1024 * 1024)

/* One request for neighbouring ranges. */
typedef struct Span
{
	uint64		offset;
	uint64		end;
	StblCall   *call;
} Span;

struct StblFetch
{
	MemoryContext cxt;
	StblStore  *store;
	char	   *key;
	int			n_spans;
	Span	   *spans;			/* by offset */
};

static int
compare_ranges(const void *a, const void *b)
{
	const StblRange *x = a;
	const StblRange *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Groups ranges into spans. */
static void
make_spans(StblFetch *f, const StblRange *ranges, int n)
{
	StblRange  *sorted = palloc(sizeof(StblRange) * (n + 1));
	uint64		max_gap = stbl_store_is_local(f->store) ? GAP_LOCAL : GAP_REMOTE;
	Span	   *span = NULL;

	memcpy(sorted, ranges, sizeof(StblRange) * n);
	qsort(sorted, n, sizeof(StblRange), compare_ranges);
	f->spans = palloc0(sizeof(Span) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		uint64		offset = sorted[i].offset;
		uint64		end = offset + sorted[i].length;

		if (sorted[i].length == 0)
			continue;
		if (span == NULL || (offset > span->end && offset - span->end > max_gap) ||
			(offset >= span->end && end - span->offset > SPAN_MAX))
		{
			span = &f->spans[f->n_spans++];
			span->offset = offset;
			span->end = end;
		}
		span->end = Max(span->end, end);
	}
	pfree(sorted);
}

StblFetch *
stbl_fetch_ranges(StblStore *store, const char *key, uint64_t size, const StblRange *ranges, int n)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable fetch", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblFetch  *f = palloc0(sizeof(StblFetch));

	f->cxt = cxt;
	f->store = store;
	f->key = pstrdup(key);
	make_spans(f, ranges, n);
	for (int i = 0; i < f->n_spans; i++)
		f->spans[i].call = stbl_store_get_range(store, f->key, f->spans[i].offset, f->spans[i].end - f->spans[i].offset, 0);
	MemoryContextSwitchTo(old);
	return f;
}

static Span *
span_of(const StblFetch *f, uint64 offset, uint64 length)
{
	for (int i = 0; i < f->n_spans; i++)
		if (offset >= f->spans[i].offset && offset <= f->spans[i].end && length <= f->spans[i].end - offset)
			return &f->spans[i];
	return NULL;
}

bool
stbl_fetch_covers(const StblFetch *f, uint64_t offset, uint64_t length)
{
	return length == 0 || span_of(f, offset, length) != NULL;
}

bool
stbl_fetch_is_done(StblFetch *f)
{
	for (int i = 0; i < f->n_spans; i++)
		if (!stbl_call_is_done(f->spans[i].call))
			return false;
	return true;
}

const uint8_t *
stbl_fetch_bytes(StblFetch *f, uint64_t offset, uint64_t length, StblError *err)
{
	Span	   *span = length > 0 ? span_of(f, offset, length) : NULL;

	if (length == 0)
		return (const uint8_t *) "";
	if (span == NULL)
		elog(ERROR, "bytes of object \"%s\" were not asked for", f->key);
	if (stbl_await(span->call) == STBL_ST_OK)
		return span->call->req.body + (offset - span->offset);
	stbl_call_error(span->call, err);
	return NULL;
}

uint64_t
stbl_fetch_held(const StblFetch *f)
{
	uint64		sum = 0;

	for (int i = 0; i < f->n_spans; i++)
		sum += f->spans[i].end - f->spans[i].offset;
	return sum;
}

void
stbl_fetch_free(StblFetch *f)
{
	MemoryContextDelete(f->cxt);
}
