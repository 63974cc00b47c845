/*
 * Byte ranges of immutable objects: neighbours come by one request, all
 * requests of a fetch are in flight at once, and nothing is waited for before
 * its bytes are wanted.  What the read cache has is not asked for.
 */
#ifndef STBL_FETCH_H
#define STBL_FETCH_H

#include "store/store.h"

typedef struct StblRange
{
	uint64_t	offset;
	uint64_t	length;
} StblRange;

typedef struct StblFetch StblFetch;

/*
 * Starts to fetch n ranges, in any order, of the part of an object that
 * begins at base and has this size (the object: 0, and its size).  Offsets
 * are from base.  Lives in CurrentMemoryContext: resetting that takes back
 * what is in flight.  Never throws what the store says: that comes with the
 * bytes.
 */
extern StblFetch *stbl_fetch_ranges(StblStore *store, const char *key, uint64_t base, uint64_t size,
									const StblRange *ranges, int n);

/* Whether a range is inside of what is fetched. */
extern bool stbl_fetch_covers(const StblFetch *fetch, uint64_t offset, uint64_t length);

/* Whether all of it has come, or failed: nothing would be waited for. */
extern bool stbl_fetch_is_done(StblFetch *fetch);

/*
 * The bytes of a range that is covered, waiting for them; valid until the
 * fetch is freed.  NULL with err set where they cannot be had; its kind is
 * STBL_ERR_NOT_FOUND where there is no such object.
 */
extern const uint8_t *stbl_fetch_bytes(StblFetch *fetch, uint64_t offset, uint64_t length, StblError *err);

/* How many bytes of memory its answers take, come or not. */
extern uint64_t stbl_fetch_held(const StblFetch *fetch);

extern void stbl_fetch_free(StblFetch *fetch);

#endif							/* STBL_FETCH_H */
