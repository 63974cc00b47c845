/*
 * Ranges of an object, by as few requests as pay (fetch.h).
 *
 * A gap between two ranges is read for nothing where that takes less time
 * than another request: on a network that is what passes in one round trip,
 * on a disk of this machine the opening of a file.  On a network what is
 * larger than a piece comes by several requests: on several connections it is
 * faster, and while one piece of it is decoded the kernel takes in more of the
 * others.
 *
 * With the read cache (cache.h) ranges are widened to its blocks, and each run
 * of neighbouring blocks is a part of its own: one that is cached; one that is
 * fetched here, under locks, and kept when it has come; or one that another
 * process is fetching.  Such a one is waited for as long as a fetch may take,
 * but not for ever: its owner may be a session that has stopped reading and
 * does not look after what it asked for.  Whoever waits looks after its own
 * meanwhile, or two who wait for each other would do so in vain.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "store/cache.h"
#include "store/fetch.h"
#include "store/store_int.h"

#define GAP_REMOTE ((uint64) 256 * 1024)
#define GAP_LOCAL ((uint64) 16 * 1024)
#define PIECE_MAX ((uint64) 8 * 1024 * 1024)

/* How long another process is waited for; then nobody is for a while. */
#define PATIENCE_US (INT64CONST(3) * 1000000)
#define IMPATIENCE_US (INT64CONST(60) * 1000000)
#define LOOK_MS 5

typedef enum PartKind
{
	PART_CALL,					/* a request of ours */
	PART_CACHED,
	PART_ELSEWHERE,				/* another process is fetching it */
	PART_COPIED					/* it is where it belongs in its span's bytes */
} PartKind;

/* A piece of a span that comes in one way. */
typedef struct Part
{
	PartKind	kind;
	uint64		offset;
	uint64		end;
	StblCall   *call;			/* of a PART_CALL */
	bool		is_kept;		/* its blocks are locked, and go to the cache when they come */
	uint8	   *to;				/* its place in the span's bytes; NULL: they are the call's own */
} Part;

/* Neighbouring ranges. */
typedef struct Span
{
	uint64		offset;
	uint64		end;
	int			n_parts;
	Part	   *parts;
	uint8	   *bytes;			/* put together of several parts, in the fetch's context as its calls are */
	bool		is_whole;		/* they are all there */
} Span;

struct StblFetch
{
	MemoryContext cxt;
	StblStore  *store;
	char	   *key;
	uint64		base;
	uint64		size;
	StblCacheFile *cache;		/* or NULL */
	int			n_spans;
	Span	   *spans;			/* by offset */
	dlist_node	node;			/* of one with a cache: in fetches */
	MemoryContextCallback callback;
};

static dlist_head fetches = DLIST_STATIC_INIT(fetches);
static int64 impatient_until_us = 0;

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
		if (f->cache != NULL)
		{
			offset -= offset % STBL_CACHE_BLOCK;
			end = Min(f->size, TYPEALIGN64(STBL_CACHE_BLOCK, end));
		}
		if (span == NULL || (offset > span->end && offset - span->end > max_gap) ||
			(offset >= span->end && end - span->offset > PIECE_MAX))
		{
			span = &f->spans[f->n_spans++];
			span->offset = offset;
			span->end = end;
		}
		span->end = Max(span->end, end);
	}
	pfree(sorted);
}

/* ---- parts ---- */

/* Sends for a part; its bytes are to go to p->to, if that is set. */
static void
send_part(StblFetch *f, Part *p)
{
	MemoryContext old = MemoryContextSwitchTo(f->cxt);

	p->kind = PART_CALL;
	p->call = stbl_store_get_range_into(f->store, f->key, f->base + p->offset, p->end - p->offset, p->to);
	MemoryContextSwitchTo(old);
}

static uint32
first_block(const Part *p)
{
	return (uint32) (p->offset / STBL_CACHE_BLOCK);
}

static uint32
end_block(const Part *p)
{
	return (uint32) ((p->end + STBL_CACHE_BLOCK - 1) / STBL_CACHE_BLOCK);
}

static bool
is_cached(const StblFetch *f, const Part *p)
{
	for (uint32 b = first_block(p); b < end_block(p); b++)
		if (!stbl_cache_has(f->cache, b))
			return false;
	return true;
}

/* How a block comes; locks it where it is ours to fetch. */
static PartKind
kind_of_block(StblFetch *f, uint32 block, bool *is_kept)
{
	*is_kept = false;
	if (stbl_cache_has(f->cache, block))
		return PART_CACHED;
	*is_kept = stbl_cache_lock(f->cache, block);
	if (!*is_kept)
		return stbl_now_us() < impatient_until_us ? PART_CALL : PART_ELSEWHERE;
	/* who had the lock until now may have brought it */
	if (!stbl_cache_has(f->cache, block))
		return PART_CALL;
	stbl_cache_unlock(f->cache, block);
	*is_kept = false;
	return PART_CACHED;
}

/* Makes room for a span's bytes, and shows each part its place there. */
static void
make_bytes(StblFetch *f, Span *span)
{
	span->bytes = MemoryContextAllocHuge(f->cxt, span->end - span->offset);
	stbl_will_fill(span->bytes, span->end - span->offset);
	for (int i = 0; i < span->n_parts; i++)
		span->parts[i].to = span->bytes + (span->parts[i].offset - span->offset);
}

/* Divides a span, and sends for what is ours to fetch. */
static void
make_parts(StblFetch *f, Span *span)
{
	uint64		step = f->cache != NULL ? STBL_CACHE_BLOCK : stbl_store_is_local(f->store) ? span->end - span->offset : PIECE_MAX;
	Part	   *p = NULL;
	uint64		end;

	span->parts = palloc0(sizeof(Part) * ((span->end - span->offset) / step + 2));
	for (uint64 offset = span->offset; offset < span->end; offset = end)
	{
		bool		is_kept = false;
		PartKind	kind = f->cache != NULL ? kind_of_block(f, (uint32) (offset / STBL_CACHE_BLOCK), &is_kept) : PART_CALL;

		end = Min(span->end, offset + step);
		if (p == NULL || p->kind != kind || p->is_kept != is_kept || end - p->offset > PIECE_MAX)
		{
			p = &span->parts[span->n_parts++];
			*p = (Part) {kind, offset, end, NULL, is_kept, NULL};
		}
		p->end = end;
	}
	if (span->n_parts > 1)
		make_bytes(f, span);
	for (int i = 0; i < span->n_parts; i++)
		if (span->parts[i].kind == PART_CALL)
			send_part(f, &span->parts[i]);
}

static void
unlock_part(StblFetch *f, Part *p)
{
	for (uint32 b = first_block(p); b < end_block(p); b++)
		stbl_cache_unlock(f->cache, b);
	p->is_kept = false;
}

/* Keeps what a request has brought, and gives the blocks free. */
static void
keep_part(StblFetch *f, Part *p)
{
	const StblRequest *req = &p->call->req;

	if (req->status == STBL_ST_OK)
		stbl_cache_write(f->cache, first_block(p), req->body, req->body_len, req->new_etag);
	unlock_part(f, p);
}

/* Keeps what has come for any fetch of this process: others may be waiting for it. */
static void
keep_all(void)
{
	dlist_iter	it;

	dlist_foreach(it, &fetches)
	{
		StblFetch  *f = dlist_container(StblFetch, node, it.cur);

		for (int s = 0; s < f->n_spans; s++)
			for (int i = 0; i < f->spans[s].n_parts; i++)
			{
				Part	   *p = &f->spans[s].parts[i];

				if (p->kind == PART_CALL && p->is_kept && p->call != NULL && stbl_call_is_done(p->call))
					keep_part(f, p);
			}
	}
}

/* Takes a part upon us that another process was to fetch, if it has given it up or is not waited for any more. */
static bool
take_over(StblFetch *f, Part *p, bool anyway)
{
	uint32		b = first_block(p);

	while (b < end_block(p) && stbl_cache_has(f->cache, b))
		b++;
	if (b == end_block(p))
		return false;
	if (!stbl_cache_lock(f->cache, b))
	{
		if (anyway)
			send_part(f, p);
		return anyway;
	}
	for (b = first_block(p); b < end_block(p); b++)
		(void) stbl_cache_lock(f->cache, b);
	p->is_kept = true;
	send_part(f, p);
	return true;
}

/* Waits for what another process is fetching, until it is cached or a request of ours. */
static void
await_elsewhere(StblFetch *f, Part *p)
{
	int64		until = stbl_now_us() + PATIENCE_US;

	while (!is_cached(f, p))
	{
		int64		now = stbl_now_us();

		keep_all();
		if (take_over(f, p, now > until || now < impatient_until_us))
		{
			if (now > until)
				impatient_until_us = now + IMPATIENCE_US;
			return;
		}
		stbl_store_pause(f->store, LOOK_MS);
	}
	p->kind = PART_CACHED;
}

/* Whether a request has brought its bytes, to their place if they have one; else err is set. */
static bool
await_part(StblFetch *f, Part *p, StblError *err)
{
	StblStatus	status = stbl_await(p->call);

	if (p->is_kept)
		keep_part(f, p);
	if (status != STBL_ST_OK)
		stbl_call_error(p->call, err);
	else if (p->to != NULL && p->call->req.body != p->to)
		memcpy(p->to, p->call->req.body, p->end - p->offset);
	return status == STBL_ST_OK;
}

/* Copies a part out of the cache; what is not there any more, or was damaged, is fetched. */
static bool
copy_cached(StblFetch *f, Part *p, StblError *err)
{
	for (uint32 b = first_block(p); b < end_block(p); b++)
	{
		uint64		at = (uint64) b * STBL_CACHE_BLOCK;
		uint8	   *to = p->to + (at - p->offset);
		Part		rest = {PART_CALL, at, p->end, NULL, false, to};

		if (stbl_cache_read(f->cache, b, to))
			continue;
		send_part(f, &rest);
		if (!await_part(f, &rest, err))
			return false;
		stbl_cache_write(f->cache, b, rest.call->req.body, rest.call->req.body_len, rest.call->req.new_etag);
		stbl_call_free(rest.call);
		return true;
	}
	f->store->counters.n_cache_hits++;
	return true;
}

/* Puts a part where it belongs. */
static bool
copy_part(StblFetch *f, Part *p, StblError *err)
{
	if (p->kind == PART_ELSEWHERE)
		await_elsewhere(f, p);
	if (p->kind == PART_CACHED)
	{
		if (!copy_cached(f, p, err))
			return false;
	}
	else if (p->kind == PART_CALL)
	{
		if (!await_part(f, p, err))
			return false;
		stbl_call_free(p->call);
		p->call = NULL;
	}
	p->kind = PART_COPIED;
	return true;
}

/* The bytes of a span, waiting for all of its parts.  After an error it may be asked for again. */
static const uint8 *
span_bytes(StblFetch *f, Span *span, StblError *err)
{
	Part	   *only = &span->parts[0];

	if (span->is_whole)
		return span->bytes;
	if (span->n_parts == 1 && only->kind == PART_ELSEWHERE)
		await_elsewhere(f, only);
	if (span->n_parts == 1 && only->kind == PART_CALL)
		return await_part(f, only, err) ? only->call->req.body : NULL;
	if (span->bytes == NULL)
		make_bytes(f, span);
	for (int i = 0; i < span->n_parts; i++)
		if (!copy_part(f, &span->parts[i], err))
			return NULL;
	span->is_whole = true;
	return span->bytes;
}

/* ---- fetches ---- */

static void
end_fetch(void *arg)
{
	StblFetch  *f = arg;

	dlist_delete(&f->node);
	for (int s = 0; s < f->n_spans; s++)
		for (int i = 0; i < f->spans[s].n_parts; i++)
			if (f->spans[s].parts[i].is_kept)
				unlock_part(f, &f->spans[s].parts[i]);
	stbl_cache_close(f->cache);
}

StblFetch *
stbl_fetch_ranges(StblStore *store, const char *key, uint64_t base, uint64_t size, const StblRange *ranges, int n)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable fetch", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblFetch  *f = palloc0(sizeof(StblFetch));

	f->cxt = cxt;
	f->store = store;
	f->key = pstrdup(key);
	f->base = base;
	f->size = size;
	f->cache = stbl_cache_open(store, key, base, size);
	if (f->cache != NULL)
	{
		dlist_push_tail(&fetches, &f->node);
		f->callback.func = end_fetch;
		f->callback.arg = f;
		MemoryContextRegisterResetCallback(cxt, &f->callback);
		keep_all();
	}
	make_spans(f, ranges, n);
	for (int i = 0; i < f->n_spans; i++)
		make_parts(f, &f->spans[i]);
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
	for (int s = 0; s < f->n_spans; s++)
		for (int i = 0; i < f->spans[s].n_parts; i++)
		{
			Part	   *p = &f->spans[s].parts[i];

			if (p->kind == PART_CALL ? !stbl_call_is_done(p->call) : p->kind == PART_ELSEWHERE && !is_cached(f, p))
				return false;
		}
	return true;
}

const uint8_t *
stbl_fetch_bytes(StblFetch *f, uint64_t offset, uint64_t length, StblError *err)
{
	Span	   *span = length > 0 ? span_of(f, offset, length) : NULL;
	const uint8 *bytes;

	if (length == 0)
		return (const uint8_t *) "";
	if (span == NULL)
		elog(ERROR, "bytes of object \"%s\" were not asked for", f->key);
	bytes = span_bytes(f, span, err);
	keep_all();
	return bytes != NULL ? bytes + (offset - span->offset) : NULL;
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
