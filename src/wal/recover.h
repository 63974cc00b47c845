/* The recovery sweep over one table: design section 7. */
#ifndef STBL_RECOVER_H
#define STBL_RECOVER_H

#include "wal/settle.h"

typedef enum StblInDoubt
{
	STBL_IN_DOUBT_LEAVE,
	STBL_IN_DOUBT_COMMIT,
	STBL_IN_DOUBT_ABORT
} StblInDoubt;

typedef struct StblRecoverOptions
{
	int64_t		lease_us;		/* supertable.lease_duration where not given */
	int64_t		deadline_us;	/* of the whole sweep; 0: none */
	bool		dry_run;
	StblInDoubt in_doubt;
	const char *coordinator;	/* text; with COMMIT and ABORT */
} StblRecoverOptions;

typedef struct StblRecoverReport
{
	int64_t		n_scanned,
				n_already_complete,
				n_held_by_peer,
				n_full_pipeline_completed,
				n_tombstone_only_completed,
				n_vanished_during_scan,
				n_cas_lost,
				total_targets_tombstoned,
				total_targets_not_found,
				n_rolled_back,
				n_in_doubt,
				n_quarantined;
} StblRecoverReport;

/* Sweeps once.  Throws only what concerns the whole table (storage away, log broken, cancel). */
extern void stbl_recover_table(StblTable *table, const StblRecoverOptions *options, StblRecoverReport *report);

/* One row of supertable_wal(): a document or a lone PREPARED entry. */
typedef struct StblWalRow
{
	char		wal_id[STBL_ID_TEXT];
	const char *op_kind;		/* NULL where not known */
	const char *state;			/* INTENT, APPENDED, COMPLETE, PREPARED (lone entry); NULL where unreadable */
	bool		has_created;
	int64_t		created_us;
	const char *lease_owner;	/* or NULL */
	int64_t		lease_expires_us;
	const char *coordinator;	/* text, or NULL */
	const char *predicate;		/* or NULL */
	int64_t		n_targets;
	int64_t		n_new_rows;
	const char *problem;		/* or NULL */
} StblWalRow;

extern StblWalRow *stbl_wal_rows(StblTable *table, int *n);

/* GUC, milliseconds. */
extern int	stbl_lease_duration_ms;

#endif							/* STBL_RECOVER_H */
