/* Garbage collection of one table: architecture, "GC". */
#ifndef STBL_GC_H
#define STBL_GC_H

#include "wal/settle.h"

#define STBL_GC_MIN_GRACE_US (INT64_C(600) * 1000000)
#define STBL_GC_MIN_RETENTION_US (INT64_C(24) * 3600 * 1000000)

typedef struct StblGcOptions
{
	int64_t		grace_us;
	int64_t		retention_us;
	bool		dry_run;		/* counts, and changes nothing */
} StblGcOptions;

typedef struct StblGcReport
{
	int64_t		n_state_docs,
				n_superfiles,
				n_tombstones,	/* vector files */
				n_log_versions,
				bytes;			/* of all objects */
} StblGcReport;

/*
 * Throws what concerns the whole table; objects that could not be deleted
 * are a WARNING.
 */
extern void stbl_gc_table(StblTable *table, const StblGcOptions *options, StblGcReport *report);

#endif							/* STBL_GC_H */
