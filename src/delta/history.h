/* What the log says of each mutation. */
#ifndef STBL_HISTORY_H
#define STBL_HISTORY_H

#include "delta/snapshot.h"

typedef struct StblHistoryRow
{
	int64_t		version;
	int64_t		committed_ms;	/* -1: not said */
	char	   *operation;		/* or NULL */
	char	   *wal_id;			/* NULL: one-phase, or maintenance */
	int64_t		n_added;		/* -1: cannot be known */
	int64_t		n_deleted;
} StblHistoryRow;

typedef void (*StblHistoryVisit) (const StblHistoryRow *row, void *arg);

/*
 * Shows one row a mutation, and one a version that changes the table
 * otherwise; versions that only prepare, take back or tidy up have none.  In
 * order, from the oldest version that can be read.
 */
extern void stbl_history(StblTable *table, StblHistoryVisit visit, void *arg);

#endif							/* STBL_HISTORY_H */
