/* Shared by table.c, snapshot.c, load.c, tombstones.c and checkpoint.c only. */
#ifndef STBL_SNAPSHOT_INT_H
#define STBL_SNAPSHOT_INT_H

#include "delta/snapshot.h"

/* How long a removed file stays in checkpoints. */
#define STBL_TOMBSTONE_MS INT64_C(604800000)

/* What all copies of one StblFile share; one chunk of memory, strings behind it. */
typedef struct StblFileBody
{
	int			refcount;
	char	   *path;
	char	   *stats;			/* or NULL */
	StblDv	   *dv;				/* &dv_data, or NULL */
	StblDv		dv_data;
	bool		tombstones_loaded;
	struct roaring_bitmap_s *tombstones;
	struct StblKnownBounds *known;	/* of its statistics (file_bounds.c) */
} StblFileBody;

/* Entries of the hashes; each is keyed by the string its first field points to. */
typedef struct StblFileEntry
{
	const char *path;			/* body->path */
	StblFile	file;
} StblFileEntry;

typedef struct StblDomainEntry
{
	char	   *domain;
	char	   *configuration;
} StblDomainEntry;

typedef struct StblTxnEntry
{
	char	   *app_id;
	int64_t		version;
	int64_t		last_updated_ms;
} StblTxnEntry;

/* A remove that is young enough to be carried by checkpoints. */
typedef struct StblRemovedEntry
{
	char	   *key;			/* path, LF, and what identifies the vector */
	StblRemove	remove;
} StblRemovedEntry;

typedef struct StblSnapshotState
{
	StblSnapshot pub;			/* must be first */
	struct MemoryContextData *protocol_cxt;
	struct MemoryContextData *metadata_cxt; /* metadata and schema */
	struct HTAB *removed;
	long		prune_at;		/* number of removes at which expired ones are looked for */
	bool		by_row_valid;
	int			n_by_row;
	StblFile  **by_row;			/* files with row ids, by base_row_id */
} StblSnapshotState;

typedef struct StblTableEntry
{
	char	   *root;			/* key */
	StblTable	table;
	char	   *known_id;		/* metaData.id last seen, or NULL */
} StblTableEntry;

/* file_bounds.c: frees what is kept of a body's statistics. */
extern void stbl_file_bounds_forget(StblFileBody *body);

/* A hash of entries whose first field points to a NUL-terminated key. */
extern struct HTAB *stbl_strtab_new(const char *name, size_t entry_size, struct MemoryContextData *cxt);

/* Raises err with the object's key in front of its message. */
extern void stbl_throw_object(const StblError *err, const char *key) __attribute__((noreturn));

/* Replaces table->current by an empty snapshot, version -1. */
extern void stbl_snapshot_reset(StblTable *table);

/*
 * Applies actions of one version to table->current, which becomes that
 * version.  If anybody has pinned it, a copy takes its place first.  On an
 * error the cached snapshot is forgotten: what is half applied is never used.
 * A checkpoint is applied by its parts, all with its version.
 */
extern void stbl_snapshot_advance(StblTable *table, int64_t version, const StblActions *actions, bool from_checkpoint);

/* Remembers metaData.id and sets table->replaced where it is another than before. */
extern void stbl_table_note_id(StblTable *table);

#endif							/* STBL_SNAPSHOT_INT_H */
