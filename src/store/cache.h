/*
 * The read cache: blocks of immutable objects of distant stores, in files of
 * this machine that all backends share.  See cache.c.
 *
 * Nothing here throws.  A cache that cannot be read or written steps aside.
 */
#ifndef STBL_CACHE_H
#define STBL_CACHE_H

#include "store/store.h"

#define STBL_CACHE_BLOCK 65536

/* The cached part of an object, as this process has it open. */
typedef struct StblCacheFile StblCacheFile;

/*
 * Bytes [base, base + size) of an object, to be read and kept with the rights
 * of who has opened the store; NULL where there is no caching.  Closed as
 * often as opened.
 */
extern StblCacheFile *stbl_cache_open(const StblStore *store, const char *key, uint64_t base, uint64_t size);
extern void stbl_cache_close(StblCacheFile *c);

/* Whether a block is there. */
extern bool stbl_cache_has(StblCacheFile *c, uint32_t block);

/*
 * Takes the right to fetch a block, so that nobody else does; false where
 * somebody has it.  It ends with unlock, with close, or with the process.
 */
extern bool stbl_cache_lock(StblCacheFile *c, uint32_t block);
extern void stbl_cache_unlock(StblCacheFile *c, uint32_t block);

/* Copies a block; false where it is not there, or not what was written. */
extern bool stbl_cache_read(StblCacheFile *c, uint32_t block, uint8_t *to);

/* Keeps blocks from `first` on, of an object with this etag.  The last one may be short where the object ends. */
extern void stbl_cache_write(StblCacheFile *c, uint32_t first, const uint8_t *data, uint64_t len, const char *etag);

/* GUCs (supertable.c defines them). */
extern char *stbl_cache_dir;	/* empty: a folder in the data directory */
extern int	stbl_cache_size_mb; /* 0: off */

/* cache_room.c: the space that all files take together. */

/* Whether so many bytes more may be written into the cache's folder; makes room if need be. */
extern bool stbl_cache_room(int dir, const char *path, uint64_t n);

/* Begins the name of each file of the cache, and of one in the making. */
#define STBL_CACHE_PREFIX "block-"
#define STBL_CACHE_TEMP "new-"

#endif							/* STBL_CACHE_H */
