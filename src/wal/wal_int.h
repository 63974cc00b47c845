/* Shared by the server-side files of this room only. */
#ifndef STBL_WAL_INT_H
#define STBL_WAL_INT_H

#include "wal/settle.h"

/* Requests in flight at once. */
#define STBL_WAL_IN_FLIGHT 64

/* Oid of a table in the extension's schema; throws 55000 where it is missing. */
extern Oid	stbl_internal_table(const char *name);

/* Domain name of a mutation, palloc'd. */
extern char *stbl_guard_domain(const char *wal_id);

/* A mutation's guard in a snapshot; false: none.  Throws on a broken one. */
extern bool stbl_guard_find(const StblSnapshot *snapshot, const char *wal_id, StblMem *mem, StblGuard *guard);

/* What a document says of a mutation, as far as this session has seen it COMPLETE. */
typedef enum StblSeen
{
	STBL_SEEN_NOT,				/* not seen COMPLETE */
	STBL_SEEN_COMMITTED,		/* or no outcome said */
	STBL_SEEN_ROLLED_BACK
} StblSeen;

extern StblSeen stbl_seen(const char *wal_id);
extern bool stbl_seen_complete(const char *wal_id);

/*
 * stbl_doc_read of many documents, as many in flight as may be.  The structs
 * live in mem; status and err are arrays of n.
 */
extern void stbl_docs_read(StblTable *table, StblMem *mem, const char *const *wal_ids, int n, StblDoc *docs,
						   StblStatus *status, StblError *errs, int64_t deadline_us);

/*
 * Runs fn(arg) and survives what storage or broken bytes make it throw: false
 * with err set.  A cancel, a shutdown and want of memory go on upwards.  fn
 * may touch nothing but storage and memory.
 */
extern bool stbl_survive(void (*fn) (void *arg), void *arg, StblError *err);

#endif							/* STBL_WAL_INT_H */
