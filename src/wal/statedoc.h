/*
 * The state document of one mutation.  Pure codec.
 *
 * Key `_supertable/wal/mutations/<wal_id>.json`.  Compact JSON, keys in the
 * order of design: wal_id, schema_version, op_kind, state, created_at, lease,
 * predicate_repr, target_ids, new_row_count, new_row_content_hash, [schema_id,]
 * preallocated_superfile_id, minted_id_spans, tombstone_progress; then ours:
 * revision, coordinator, table_id, outcome, superfiles, targets, [columns]; then unknown
 * keys as they came.  schema_version above 1 is refused before anything else
 * is looked at.
 */
#ifndef STBL_STATEDOC_H
#define STBL_STATEDOC_H

#include "common/codec.h"
#include "delta/guard.h"

#define STBL_DOC_SCHEMA_VERSION 1
#define STBL_DOC_PREFIX "_supertable/wal/mutations/"

typedef enum StblOpKind
{
	STBL_UPDATE,
	STBL_DELETE,
	STBL_INSERT
} StblOpKind;

typedef enum StblDocState
{
	STBL_INTENT,
	STBL_APPENDED,
	STBL_COMPLETE
} StblDocState;

typedef enum StblOutcome
{
	STBL_OUTCOME_NONE,
	STBL_OUTCOME_COMMITTED,
	STBL_OUTCOME_ROLLED_BACK
} StblOutcome;

typedef struct StblLease
{
	char	   *owner;
	int64_t		acquired_us;
	int64_t		expires_us;
} StblLease;

typedef enum StblRowOutcome
{
	STBL_ROW_PENDING,
	STBL_ROW_TOMBSTONED,
	STBL_ROW_NOTFOUND
} StblRowOutcome;

typedef struct StblProgress
{
	char		target_id[STBL_ID_TEXT];
	StblRowOutcome outcome;
	char	   *superfile;		/* tombstoned_in_superfile, or NULL */
} StblProgress;

/* A superfile the mutation adds. */
typedef struct StblDocFile
{
	char	   *path;
	int64_t		bytes;
	int64_t		n_rows;
	char	   *hash;			/* SHA-256, 64 hex digits, or NULL */
	bool		has_dead;
	StblDv		dead;			/* rows that never became visible */
	char	   *stats;			/* Delta statistics as JSON text, or NULL */
} StblDocFile;

typedef struct StblStateDoc
{
	char		wal_id[STBL_ID_TEXT];
	StblOpKind	op_kind;
	StblDocState state;
	int64_t		created_us;
	bool		has_lease;
	StblLease	lease;
	char	   *predicate;		/* predicate_repr; never NULL */
	int			n_target_ids;
	char	  (*target_ids)[STBL_ID_TEXT];
	int64_t		new_row_count;	/* -1: null or missing */
	char	   *content_hash;	/* or NULL */
	bool		has_schema_id;	/* the 14-key form */
	StblJson   *schema_id;
	char	   *superfile_id;	/* preallocated_superfile_id as spelt, or NULL */
	StblJson   *minted_id_spans;	/* or NULL; kept */
	int			n_progress;
	StblProgress *progress;

	/* ours; absent in a bare request */
	int64_t		revision;		/* -1: none */
	bool		has_coordinator;
	StblCoordinator coordinator;
	char	   *table_id;		/* or NULL */
	StblOutcome outcome;
	bool		has_superfiles; /* a load that uploads early has none at INTENT */
	int			n_superfiles;
	StblDocFile *superfiles;
	bool		has_targets;
	int			n_targets;
	StblTarget *targets;
	StblSchema	columns;		/* that it adds to the table's schema; none where n_fields is 0 */

	StblJson   *unknown;		/* object of keys we do not know, or NULL */
} StblStateDoc;

/*
 * Parses and checks a document.  Errors: UNSUPPORTED for a schema_version
 * above 1 (or an op_kind or state we do not know: CORRUPT, naming key and
 * value), CORRUPT with the key's name for anything missing, mistyped or out
 * of range.  name_id, if not NULL, must equal wal_id.
 */
extern bool stbl_doc_parse(StblMem *mem, const char *data, size_t len, const char *name_id, StblStateDoc *doc, StblError *err);

/* The text of a document; revision as it is. */
extern void stbl_doc_write(StblMem *mem, StblBuf *out, const StblStateDoc *doc);

extern const char *stbl_op_kind_name(StblOpKind kind);
extern const char *stbl_doc_state_name(StblDocState state);

/* A target id's row id, or -1 for one above 2^63-1 (no such row). */
extern int64_t stbl_target_row_id(const char *target_id);
extern void stbl_target_id_format(int64_t row_id, char *out33);

#endif							/* STBL_STATEDOC_H */
