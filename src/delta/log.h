/*
 * The log as objects: listing, names, and reading versions and checkpoints
 * without a snapshot.  For clean-up, gc and the history.
 */
#ifndef STBL_LOG_H
#define STBL_LOG_H

#include "delta/snapshot.h"

typedef enum StblLogKind
{
	STBL_LOG_VERSION,			/* <20 digits>.json */
	STBL_LOG_CHECKPOINT,		/* <20 digits>.checkpoint.parquet */
	STBL_LOG_CHECKPOINT_PART,	/* <20 digits>.checkpoint.<10 digits>.<10 digits>.parquet */
	STBL_LOG_CHECKPOINT_V2,		/* <20 digits>.checkpoint.<else> */
	STBL_LOG_OTHER				/* <20 digits>.<else>: checksums, compacted versions */
} StblLogKind;

typedef struct StblLogName
{
	StblLogKind kind;
	int64_t		version;
	int			part;			/* of a CHECKPOINT_PART, from 1 */
	int			n_parts;
} StblLogName;

/* The last segment of a key; false where no version stands in front. */
extern bool stbl_log_name_parse(const char *name, StblLogName *out);

typedef struct StblLogObject
{
	char	   *key;
	StblLogName name;
	uint64_t	size;
	int64_t		modified_us;	/* the storage's clock */
} StblLogObject;

typedef struct StblLog
{
	StblLogObject *objects;		/* by version, then kind */
	size_t		n;
	int64_t		now_us;			/* the storage's clock at the listing */
} StblLog;

/* palloc'd.  Throws what the store says. */
extern void stbl_log_list(StblTable *table, StblLog *out);

extern int64_t stbl_log_first(const StblLog *log);	/* lowest version's number, -1: none */
extern int64_t stbl_log_last(const StblLog *log);

/*
 * The version that was in effect at a time: the newest none of whose
 * predecessors, nor itself, is younger.  -1: none is so old.
 */
extern int64_t stbl_log_in_effect(const StblLog *log, int64_t at_us);

/* Newest complete classic checkpoint of a version in [min, max], -1: none; n_parts 0: one file. */
extern int64_t stbl_log_checkpoint(const StblLog *log, int64_t min, int64_t max, int *n_parts);

/* Key of a checkpoint's file; n_parts 0: the only one. */
extern char *stbl_log_checkpoint_key(const StblTable *table, int64_t version, int part, int n_parts);

typedef void (*StblLogVisit) (int64_t version, bool is_checkpoint, const StblActions *actions, void *arg);

/*
 * Reads versions first to last, many in flight, and shows each in order.
 * False if one is gone.  Throws XX001 naming object and line.
 */
extern bool stbl_log_read_versions(StblTable *table, int64_t first, int64_t last, StblLogVisit visit, void *arg);

/* Reads a checkpoint, part by part; false if one is gone. */
extern bool stbl_log_read_checkpoint(StblTable *table, int64_t version, int n_parts, int64_t deadline_us,
									 StblLogVisit visit, void *arg);

/*
 * Where reading the state of a version can begin: *checkpoint, or the number
 * of a version that begins the log (0, or one after a dropped table).  False
 * if nowhere.
 */
typedef struct StblLogBase
{
	bool		is_checkpoint;
	int64_t		version;
	int			n_parts;
} StblLogBase;

extern bool stbl_log_base(StblTable *table, const StblLog *log, int64_t version, StblLogBase *base);

/* Whether a version begins the log: it has protocol, metaData, and says that what came before is dropped. */
extern bool stbl_begins_log(const StblActions *actions);

/* The same of a version on storage; false if it is gone, too. */
extern bool stbl_log_begins_at(StblTable *table, int64_t version);

/*
 * The snapshot of the oldest version that can be read, at or before
 * `version`, brought forward to it: a table of its own, which the session's
 * knows nothing of.  False if something was gone; read the listing anew then.
 * Freed by stbl_snapshot_forget.
 */
extern bool stbl_log_state(StblTable *table, const StblLogBase *base, int64_t version, StblTable *scratch);

#endif							/* STBL_LOG_H */
