/*
 * Tables and their snapshots.
 *
 * A session keeps, for each table root it has met, the newest snapshot it
 * has seen, and reads only what is new.  A cached snapshot is used only after
 * the object of its newest version was found unchanged, in the same round
 * trip that asks for the next version: a folder that was removed and made
 * anew is noticed, and read from the start.
 *
 * A snapshot somebody holds a pin on never changes: advancing makes a copy
 * if there is a pin beside the table's own.
 */
#ifndef STBL_SNAPSHOT_H
#define STBL_SNAPSHOT_H

#include "common/codec.h"
#include "delta/action.h"
#include "delta/bounds.h"
#include "delta/schema.h"
#include "store/store.h"

struct HTAB;
struct MemoryContextData;
struct roaring_bitmap_s;

/* One live superfile, in one snapshot; its strings, vector and tombstones are shared by copies. */
typedef struct StblFile
{
	char	   *path;
	int64_t		size;
	int64_t		n_rows;			/* physical, from numRecords; -1 where unknown */
	int64_t		base_row_id;	/* -1: none */
	int64_t		default_row_commit_version;
	int64_t		mtime_ms;
	int64_t		added_version;	/* version whose add we saw first; checkpoint's version where not known better */
	char	   *stats;			/* or NULL */
	StblDv	   *dv;				/* or NULL */
	struct roaring_bitmap_s *tombstones;	/* NULL: none, or not loaded yet */
	bool		tombstones_loaded;
	struct StblFile *next,		/* in the order they were added */
			   *prev;

	/* private to snapshot.c */
	struct StblFileBody *body;	/* what this entry's copies in other snapshots share */
	bool		doomed;			/* removed by the version that is being applied */
} StblFile;

typedef struct StblSnapshot
{
	int64_t		version;		/* -1: the table does not exist yet; all else is then empty */
	char		version_id[STBL_ID_LEN + 32];	/* of the newest version's commitInfo; empty where foreign */
	int64_t		in_commit_ms;	/* of the newest version, -1 where none */
	StblProtocol protocol;
	StblMetadata metadata;
	StblSchema	schema;
	int64_t		row_id_high_water;	/* of domain delta.rowTracking; -1: no row id given out */
	int			n_files;
	int64_t		n_bytes;
	StblFile   *first,
			   *last;
	int			refcount;
	int64_t		checkpoint_version; /* newest checkpoint known, -1 */
	bool		is_published;	/* it is what the log says; else made for a statement (shown.h) */
	bool		dropped;		/* its storage was dropped: domain supertable.dropped */
	int64_t		anew_version;	/* version that began the log anew after that, -1 */

	/* private to snapshot.c */
	struct MemoryContextData *cxt;
	struct HTAB *files;
	struct HTAB *domains;
	struct HTAB *txns;
} StblSnapshot;

typedef struct StblTable StblTable;

/* A moment by every clock there is; each is 0 where not known. */
typedef struct StblMoment
{
	int64_t		store_us;		/* the storage's */
	int64_t		boot_us;		/* CLOCK_BOOTTIME: goes on while the machine sleeps */
	int64_t		real_us;		/* CLOCK_REALTIME */
} StblMoment;

/* Now; store_us is the storage's time of its newest answer. */
extern StblMoment stbl_moment(const StblStore *store);

/* What has passed at most between two moments, by whichever clock shows most. */
extern int64_t stbl_moment_elapsed(const StblMoment *from, const StblMoment *to);

/* A version that was found to be the newest so long ago may have been cleaned up, with those that followed. */
#define STBL_STALE_US (INT64_C(600) * 1000000)

/*
 * Called for each version that is read on the way from one snapshot to the
 * next, in order, after it was applied.
 */
typedef void (*StblVersionVisitor) (StblTable *table, int64_t version, const StblActions *actions, void *arg);

struct StblTable
{
	StblStore  *store;
	char	   *root;			/* canonical url and path: the key of all state */
	char	   *prefix;			/* of keys in the store: "path/" */
	StblSnapshot *current;		/* newest known, or NULL */
	char		newest_etag[128];	/* of current's newest version object */
	uint64_t	newest_size;	/* its size, and time by the storage's clock; 0: not known */
	int64_t		newest_modified_us;
	bool		is_busy;		/* the last look found new versions */
	bool		lists_otherwise;	/* its listing shows other times than its answers */
	uint64_t	n_looks;		/* how often the newest version has been looked for */
	uint32_t	looked_in;		/* the transaction (local id) that did last */
	int64_t		version_before; /* current's when that one first did, -1: none */
	StblMoment	looked;			/* when current's version was the newest for certain */
	StblVersionVisitor visitor;	/* or NULL; reset by who set it */
	void	   *visitor_arg;
	bool		gap;			/* set when versions were skipped (read from a checkpoint): the visitor has not seen them all */
	bool		dropped_ok;		/* refresh does not refuse dropped storage; reset by who set it */
	int64_t		checkpoint_failed;	/* version at which a checkpoint could last not be written, -1 */
	bool		replaced;		/* set when another metaData.id, or a table that went away, was found */
};

/* The session's handle for a table; made at the first call, never freed. */
extern StblTable *stbl_table_open(StblStore *store, const char *path);

/* Key of an object of the table, palloc'd: prefix and name. */
extern char *stbl_table_key(const StblTable *table, const char *name);
extern char *stbl_version_key(const StblTable *table, int64_t version);

/*
 * Brings table->current up to the newest version on storage and returns it
 * (never NULL; version -1 where there is no table).  Not pinned.  Throws:
 * XX001 for bytes that break the format (object and offset named), 0A000 for
 * a reader feature we do not know, 58030 and its like from the store.
 * Partitioned tables, v2 checkpoints and column mapping are refused with
 * 0A000, dropped storage with 55000 unless table->dropped_ok.
 * deadline_us as for store calls.
 */
extern StblSnapshot *stbl_snapshot_refresh(StblTable *table, int64_t deadline_us);

/*
 * Applies a version just published by ourselves, without reading it back:
 * bytes and etag are what was stored as version current + 1.
 */
extern void stbl_snapshot_applied(StblTable *table, const char *data, size_t len, const char *etag);

/* Forgets what is cached; the next refresh starts from storage. */
extern void stbl_snapshot_forget(StblTable *table);

/*
 * A pin keeps a snapshot as it is.  Unpinning is explicit; after an error the
 * transaction layer unpins (stbl_snapshot_unpin_all at transaction end).
 */
extern StblSnapshot *stbl_snapshot_pin(StblSnapshot *snapshot);
extern void stbl_snapshot_unpin(StblSnapshot *snapshot);
extern void stbl_snapshot_unpin_all(void);

/* Whether there is a table: some version, and its storage not dropped. */
extern bool stbl_snapshot_exists(const StblSnapshot *snapshot);

/*
 * Raises 55000 unless dropping has come to its end, so that a first write may
 * begin the table anew: nothing of the log is left but the marker.
 */
extern void stbl_require_all_dropped(StblTable *table);

extern StblFile *stbl_snapshot_file(const StblSnapshot *snapshot, const char *path);	/* or NULL */

/*
 * Whether a superfile that is live now was live in an earlier version too:
 * superfiles come once, and row tracking keeps the version they came with.
 */
extern bool stbl_file_was_live(const StblFile *file, int64_t version);
extern const char *stbl_snapshot_domain(const StblSnapshot *snapshot, const char *domain);	/* configuration, or NULL */

/*
 * Domains whose name starts with prefix, sorted by name; palloc'd array,
 * strings borrowed from the snapshot.
 */
extern StblDomain *stbl_snapshot_domains(const StblSnapshot *snapshot, const char *prefix, int *n);

/* Objects older than this (the storage's clock) may have been deleted, if nothing names them; 0: none ever. */
extern int64_t stbl_snapshot_cutoff(const StblSnapshot *snapshot);
extern bool stbl_snapshot_txn(const StblSnapshot *snapshot, const char *app_id, int64_t *version);

/*
 * The tombstones of a live file: read at the first call and kept with the
 * file; NULL where it has none.  The plural reads many in flight at once.
 */
extern const struct roaring_bitmap_s *stbl_file_tombstones(StblTable *table, StblFile *file);
extern void stbl_load_tombstones(StblTable *table, StblFile **files, int n_files);

/* Any descriptor's bitmap, to be freed by the caller (or owned: stbl_bitmap_own). */
extern struct roaring_bitmap_s *stbl_dv_load(StblTable *table, const StblDv *dv, int64_t deadline_us);

/*
 * The same in two steps: asks for it (NULL where it is inline, and there is
 * nothing to ask for), in CurrentMemoryContext; waits for it.
 */
struct StblFetch;
extern struct StblFetch *stbl_dv_ask(StblTable *table, const StblDv *dv);
extern struct roaring_bitmap_s *stbl_dv_take(StblTable *table, const StblDv *dv, struct StblFetch *fetch);

/*
 * The bounds of a column in a live superfile, by its statistics.  They are
 * parsed only if they must be, into *stats, NULL at first: who asks for
 * several columns gives it again, in the same CurrentMemoryContext.  Texts
 * are borrowed from there or from the file.
 */
extern void stbl_file_bounds(const StblFile *file, const StblField *field, StblJson **stats, StblBounds *out);

/* The superfile with this row id in [base_row_id, base_row_id + n_rows), or NULL. */
extern StblFile *stbl_snapshot_file_of_row(const StblSnapshot *snapshot, int64_t row_id);

/*
 * Writes a classic checkpoint of table->current and the _last_checkpoint
 * hint.  Throws on failure (callers after a commit catch it: the commit
 * stands).  deadline_us as for store calls.
 */
extern void stbl_checkpoint_write(StblTable *table, int64_t deadline_us);

/* GUC: versions between checkpoints; 0: never. */
extern int	stbl_checkpoint_interval;

#endif							/* STBL_SNAPSHOT_H */
