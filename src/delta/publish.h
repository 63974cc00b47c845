/*
 * Publishing: one version of the table by one create-only PUT.
 *
 * The caller says what it wants by a build function, which is called for each
 * attempt with the newest snapshot and describes the version that would
 * follow it.  So conflict checks and unions are always made against the
 * version that is really published on.
 *
 * The loop:
 *	 1. refresh (optional for the first attempt); build on snapshot n
 *	 2. PUT objects the version refers to (vectors), await them and `uploads`
 *	 3. PUT version n + 1, create-only
 *	 4. OK: done.  Exists: read every version up to the newest; one whose
 *		`decides` holds one of our ids means done; else go to 1.
 *		Unknown: the store layer has sent and read back until the deadline;
 *		report UNKNOWN.
 *
 * Every PUT that is not the same bytes again has a new version_id; `decides`
 * stays the same.
 */
#ifndef STBL_PUBLISH_H
#define STBL_PUBLISH_H

#include "delta/guard.h"
#include "delta/snapshot.h"

typedef struct StblVersion StblVersion;	/* a version being described; palloc'd for one attempt */

typedef enum StblBuild
{
	STBL_BUILD_PUBLISH,			/* described: publish it */
	STBL_BUILD_NOTHING,			/* nothing to publish any more: done */
	STBL_BUILD_REFUSE			/* conflict or the like: stop; the caller knows why by its arg */
} StblBuild;

typedef StblBuild (*StblBuildFn) (StblVersion *version, void *arg);

typedef enum StblPublished
{
	STBL_PUBLISHED,				/* by us, in version `version` */
	STBL_PUBLISHED_BEFORE,		/* a version between base and newest decides one of our ids */
	STBL_PUBLISH_NOTHING,
	STBL_PUBLISH_REFUSED,
	STBL_PUBLISH_GAP,			/* versions were cleaned up before we could read them, or the table was replaced */
	STBL_PUBLISH_UNKNOWN,		/* the store gave no answer to the PUT until the deadline */
	STBL_PUBLISH_FAILED			/* the store refused, certainly not published; err says why */
} StblPublished;

typedef struct StblPublish
{
	/* in */
	StblTable  *table;
	StblBuildFn build;
	void	   *arg;
	const char *operation;		/* commitInfo.operation: WRITE, DELETE, UPDATE, ... */
	bool		refresh_first;	/* else the first attempt builds on table->current */
	bool		deciding;		/* interrupts are held from the first byte of the version's PUT until its outcome is known;
								 * on PUBLISHED and UNKNOWN they are still held at return */
	StblCall  **uploads;		/* awaited before the version is put; may be NULL */
	int			n_uploads;
	int64_t		deadline_us;	/* of the whole; 0: supertable.retry_deadline from now */
	/* out */
	int64_t		version;
	StblError	err;
} StblPublish;

/*
 * Throws what the store says of reads and of uploads; never after the
 * version's PUT was sent, but for PUBLISH_GAP and the like as results.
 */
extern StblPublished stbl_publish(StblPublish *publish);

/* ---- inside a build function ---- */

extern StblTable *stbl_version_table(StblVersion *v);
extern StblSnapshot *stbl_version_base(StblVersion *v); /* what it is built on */
extern StblMem *stbl_version_mem(StblVersion *v);

/* This version makes the adds and tombstones of this id visible. */
extern void stbl_version_decides(StblVersion *v, const char *id);

/*
 * Adds a superfile; base_row_id and default_row_commit_version are given out
 * here.  For one that comes with dead rows, add->dv is set (durable already).
 */
extern void stbl_version_add(StblVersion *v, const StblAdd *add);

/*
 * Deletes rows of a live superfile: the union with what is published is made
 * here.  durable (or NULL) is a vector that is stored already; it is used as
 * it is if it says just what the union says.  Rows may be deleted already.
 * False if the superfile is not live.
 */
extern bool stbl_version_delete(StblVersion *v, const char *path, const struct roaring_bitmap_s *rows, const StblDv *durable);

/* Removes a live superfile, whatever rows are left in it; false if it is not live. */
extern bool stbl_version_remove(StblVersion *v, const char *path);

extern void stbl_version_domain(StblVersion *v, const char *domain, const char *configuration); /* NULL: remove */

/*
 * Adds to the schema those of the columns that the base lacks.  False, with
 * err set, where it has one of another type, or not nullable.
 */
extern bool stbl_version_add_columns(StblVersion *v, const StblSchema *columns, StblError *err);

/* Whether a schema can take the columns: it lacks each, or has one like it. */
extern bool stbl_schema_takes(const StblSchema *schema, const StblSchema *columns, const char *root, StblError *err);

/* Creates the table: on no version, or on dropped storage. */
extern void stbl_version_create(StblVersion *v, const StblSchema *schema, const char *table_id);

/*
 * Removes every superfile, and states protocol, metadata and the row ids
 * given out anew, so that the log can begin with this version.
 */
extern void stbl_version_drop(StblVersion *v);

/*
 * Encodes vectors before a version exists (for PREPARED and documents): the
 * union of a live file's tombstones and rows, inline or in `file`, which
 * collects the vectors of one deletion vector file under uuid.
 */
extern void stbl_dv_place(StblMem *mem, const struct roaring_bitmap_s *bitmap, StblBuf *file, const char *uuid, StblDv *out);

/* The undecided mutations of a snapshot: those with a PREPARED. */
typedef struct StblUndecided
{
	int			n;
	const char **wal_ids;
	StblGuard  *guards;
} StblUndecided;

/* Reads them; palloc'd in CurrentMemoryContext.  Throws on a broken entry, which may be one. */
extern StblUndecided *stbl_undecided(const StblSnapshot *snapshot);

/*
 * Conflicts of rows of one superfile, all live where they were read, with a
 * snapshot: false if the superfile is live, none of the rows is in its
 * tombstones, and none in a PREPARED of a mutation other than own_id.
 * conflict tells which; its names live in CurrentMemoryContext, which inside a
 * build function is the attempt's.  *undecided is NULL, or what an earlier
 * check of the same snapshot has read.
 */
typedef enum StblConflictKind
{
	STBL_CONFLICT_NONE,
	STBL_CONFLICT_GONE,			/* the superfile is not live any more */
	STBL_CONFLICT_CHANGED,		/* a row was changed by a version published since */
	STBL_CONFLICT_PREPARED,		/* a row is in an undecided mutation: wal_id, coordinator */
	STBL_CONFLICT_SCHEMA		/* the schema was changed by a version published since */
} StblConflictKind;

typedef struct StblConflict
{
	StblConflictKind kind;
	char		wal_id[STBL_ID_TEXT];
	StblCoordinator coordinator;
} StblConflict;

extern bool stbl_conflict_check(StblTable *table, StblSnapshot *snapshot, const char *path,
								const struct roaring_bitmap_s *rows, const char *own_id, StblUndecided **undecided,
								StblConflict *conflict);

/* Whether an undecided mutation other than own_id changes the schema: a conflict for one that would change it too. */
extern bool stbl_schema_is_held(StblSnapshot *snapshot, const char *own_id, StblConflict *conflict);

/*
 * Conflicts of a TRUNCATE with a snapshot: false unless all superfiles of the
 * version it has seen are live as they were, and no PREPARED of a mutation
 * other than own_id holds rows of them.  Superfiles that came since do not
 * matter.  *path is the superfile in question, where there is one.
 */
extern bool stbl_truncate_check(StblTable *table, const StblSnapshot *seen, StblSnapshot *snapshot, const char *own_id,
								StblConflict *conflict, const char **path);

/*
 * The superfiles of a snapshot that were live in an earlier version, as
 * targets of a TRUNCATE that has seen that one; palloc'd.
 */
extern StblTarget *stbl_truncate_targets(const StblSnapshot *snapshot, int64_t version, int *n_targets);

#endif							/* STBL_PUBLISH_H */
