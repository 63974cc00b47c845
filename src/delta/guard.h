/*
 * What a mutation leaves in the manifest: domain `supertable.wal.<wal_id>`,
 * and the pieces it shares with the state document.  Pure.
 *
 *	{"state":"PREPARED","created_at":T,"op_kind":K,"table_id":I,"coordinator":{...},["truncates":V,]["columns":{...},]"targets":[...]}
 *	{"state":"APPLIED","added":N,"deleted":N}
 *							published, with so many rows; stays until the document is COMPLETE or gone;
 *							of a request, with "not_found":[ids] where targets were gone already
 *	{"state":"ABORTED","reason":R}	forced to roll back; likewise
 */
#ifndef STBL_GUARD_H
#define STBL_GUARD_H

#include "delta/action.h"
#include "delta/schema.h"

#define STBL_GUARD_PREFIX "supertable.wal."
#define STBL_ID_TEXT 33			/* 32 hex digits and NUL */

/* Whose witness table decides a mutation. */
typedef struct StblCoordinator
{
	char	   *cluster;
	char	   *cluster_name;	/* for people; may be empty */
	int64_t		database_oid;
	char	   *database;		/* for people */
	char	   *witness_id;
} StblCoordinator;

/* Rows of one superfile that a mutation deletes. */
typedef struct StblTarget
{
	char	   *superfile;
	int64_t		base_row_id;
	bool		whole;			/* TRUNCATE: every row, the superfile goes; tombstones are null */
	StblDv		tombstones;		/* the vector the rows were read on, and ours, together; durable */
	int64_t		n_rows;			/* ours alone; live ones of a whole superfile */
} StblTarget;

typedef enum StblGuardState
{
	STBL_GUARD_PREPARED,
	STBL_GUARD_APPLIED,
	STBL_GUARD_ABORTED
} StblGuardState;

typedef struct StblGuard
{
	StblGuardState state;
	int64_t		created_us;
	char	   *op_kind;		/* PREPARED */
	char	   *table_id;
	StblCoordinator coordinator;	/* PREPARED */
	int64_t		truncates;		/* TRUNCATE: all superfiles that were live in this version, beside targets; -1: none */
	StblSchema	columns;		/* PREPARED: those it adds to the schema */
	int			n_targets;
	StblTarget *targets;
	char	   *reason;			/* ABORTED */
	bool		was_truncate;	/* APPLIED, for the history; so below */
	bool		has_counts;		/* rows added and deleted */
	int64_t		n_added;
	int64_t		n_deleted;
	int			n_not_found;	/* APPLIED, sorted */
	char	  (*not_found)[STBL_ID_TEXT];
} StblGuard;

extern bool stbl_guard_parse(StblMem *mem, const char *configuration, StblGuard *guard, StblError *err);
extern char *stbl_guard_write(StblMem *mem, const StblGuard *guard);

extern void stbl_coordinator_write(StblBuf *out, const StblCoordinator *coordinator);	/* JSON object */
extern bool stbl_coordinator_from_json(StblMem *mem, const StblJson *json, StblCoordinator *out, StblError *err);
extern bool stbl_coordinator_equal(const StblCoordinator *a, const StblCoordinator *b); /* cluster, oid, witness id */

/* "<cluster>/<database oid>/<witness id>", as in_doubt's `coordinator` takes it. */
extern char *stbl_coordinator_text(StblMem *mem, const StblCoordinator *coordinator);

extern void stbl_targets_write(StblBuf *out, const StblTarget *targets, int n_targets); /* JSON array */
extern bool stbl_targets_from_json(StblMem *mem, const StblJson *json, StblTarget **targets, int *n_targets, StblError *err);

#endif							/* STBL_GUARD_H */
