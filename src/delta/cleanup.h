/*
 * Log clean-up: versions and checkpoints before a checkpoint that is old
 * enough.  Architecture, "GC", says what it must not touch, and why in which
 * order.
 */
#ifndef STBL_CLEANUP_H
#define STBL_CLEANUP_H

#include "common/tell.h"
#include "delta/log.h"

/* No version younger than this is deleted, whatever is asked. */
#define STBL_LOG_MIN_AGE_US (INT64_C(24) * 3600 * 1000000)

typedef struct StblCleanup
{
	int64_t		n_versions;
	uint64_t	bytes;
	StblError	err;			/* kind NONE, or why it stopped */
} StblCleanup;

/*
 * Deletes (or with dry_run counts) what lies before the newest checkpoint
 * that is in effect at horizon_us, and is older than that itself.
 */
extern void stbl_log_cleanup(StblTable *table, const StblLog *log, int64_t horizon_us, bool dry_run,
							 StblTell *tell, StblCleanup *out);

#endif							/* STBL_CLEANUP_H */
