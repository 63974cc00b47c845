/* Shared by the server-side files of this room only. */
#ifndef STBL_WAL_INT_H
#define STBL_WAL_INT_H

#include "wal/settle.h"

/* Requests in flight at once. */
#define STBL_WAL_IN_FLIGHT 64

/* Oid of a table in the extension's schema; throws 55000 where it is missing. */
extern Oid	stbl_internal_table(const char *name);

/* Markers a version of settling or recovery asks about at most. */
#define STBL_MAX_REMOVALS 100

/* Domain name of a mutation, palloc'd. */
extern char *stbl_guard_domain(const char *wal_id);

/* A mutation's guard in a snapshot; false: none.  Throws on a broken one. */
extern bool stbl_guard_find(const StblSnapshot *snapshot, const char *wal_id, StblMem *mem, StblGuard *guard);

/* Whether a snapshot has the APPLIED of a mutation.  Throws on a broken entry. */
extern bool stbl_guard_applied(const StblSnapshot *snapshot, const char *wal_id);

/*
 * A PREPARED's targets in full, in CurrentMemoryContext: the superfiles of a
 * TRUNCATE, which it names by their version, and its own list.
 */
extern StblTarget *stbl_guard_targets(const StblSnapshot *snapshot, const StblGuard *guard, int *n_targets);

/* What a document says of a mutation, as far as this session has seen it COMPLETE. */
typedef enum StblSeen
{
	STBL_SEEN_NOT,				/* not seen COMPLETE */
	STBL_SEEN_COMMITTED,		/* or no outcome said */
	STBL_SEEN_ROLLED_BACK
} StblSeen;

extern StblSeen stbl_seen(const StblTable *table, const char *wal_id);

/* Remembers a mutation whose APPLIED table->current has: all later ones contain it too. */
extern void stbl_note_published(const StblTable *table, const char *wal_id);

/*
 * Whether table->current is known to contain it: noted so, or seen COMPLETE,
 * and committed, before table->current was looked for.
 */
extern bool stbl_seen_before(const StblTable *table, const char *wal_id);

/* Remembers a document that was read, or has been written, as COMPLETE. */
extern void stbl_note_complete(const StblTable *table, const StblStateDoc *doc);

/*
 * stbl_doc_read of many documents, as many in flight as may be.  The structs
 * live in mem; status and err are arrays of n.
 */
extern void stbl_docs_read(StblTable *table, StblMem *mem, const char *const *wal_ids, int n, StblDoc *docs,
						   StblStatus *status, StblError *errs, int64_t deadline_us);

/* A vector to be read, and where its bitmap goes; key and offset are private. */
typedef struct StblWantedDv
{
	const StblDv *dv;
	struct roaring_bitmap_s **out;	/* NULL so far */
	char	   *key;
	int64_t		offset;
} StblWantedDv;

/*
 * Reads stored vectors, as many in flight as may be; the bitmaps are owned by
 * CurrentMemoryContext.  One that cannot be read, or is inline, stays NULL:
 * stbl_dv_load says why.  The array is reordered.
 */
extern void stbl_dvs_load(StblTable *table, StblWantedDv *wanted, int n, int64_t deadline_us);

/*
 * Whether the superfiles of documents of our own are on storage, of the right
 * size: as many requests in flight as may be.  errs: an array of n, the first
 * thing that is wrong with each; kind STBL_ERR_NONE: nothing.
 */
extern void stbl_check_presence(StblTable *table, StblStateDoc *const *docs, int n, StblError *errs, int64_t deadline_us);

/*
 * Why a mutation that PostgreSQL committed cannot be published on a snapshot:
 * false with err set; true where nothing is in its way.  Whether its new
 * superfiles are on storage is stbl_check_presence's.
 */
extern bool stbl_settle_check(StblTable *table, StblSnapshot *base, StblDoc *doc, StblError *err);

/*
 * Deletes the witness rows of the table whose documents are COMPLETE, or
 * gone together with their entry in the manifest: all of them.  Publishes
 * nothing.
 */
extern void stbl_settle_witnesses(StblTable *table, int64_t deadline_us);

/*
 * Gives back leases that owner has on documents, as far as storage is quick.
 * Throws nothing.
 */
extern void stbl_leases_release(StblTable *table, const char **wal_ids, int n, const char *owner);

#endif							/* STBL_WAL_INT_H */
