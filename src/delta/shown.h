/*
 * Snapshots that no version is just like: with a change that is not published
 * yet, or without one that is.  They are made for a statement's eyes, are
 * never published on, and are pinned when returned.
 */
#ifndef STBL_SHOWN_H
#define STBL_SHOWN_H

#include "delta/publish.h"

/*
 * The snapshot that would follow base if what build describes were published;
 * NULL where it describes nothing.  Vectors that are not stored are inline in
 * it, whatever their size.
 */
extern StblSnapshot *stbl_snapshot_lay_over(StblTable *table, StblSnapshot *base, StblBuildFn build, void *arg);

/* What takes one version back. */
typedef struct StblUndo
{
	int64_t		version;
	int64_t		in_commit_ms;
	int			n_decides;
	char	  **decides;
	bool		is_final;		/* it cannot be taken back: it begins the log, or another writer made it */
	StblActions actions;
} StblUndo;

/*
 * Reads versions first to last into out, palloc'd in CurrentMemoryContext;
 * false if one is gone.
 */
extern bool stbl_undo_read(StblTable *table, int64_t first, int64_t last, StblUndo *out);

/*
 * The snapshot before the oldest of them was published.  undo: the versions
 * up to base's own, in order; none is final.  A superfile that a version
 * removed comes back without statistics; columns that were added stay, and are
 * NULL.
 */
extern StblSnapshot *stbl_snapshot_take_back(StblTable *table, StblSnapshot *base, const StblUndo *undo, int n);

#endif							/* STBL_SHOWN_H */
