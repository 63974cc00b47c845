/*
 * The recorder: what the running transaction has done to supertables, how
 * its own statements see it, and how it commits.
 *
 * Nothing is sent to storage before pre-commit, except superfiles that have
 * reached their full size.  A change is seen by later commands of the
 * transaction, not by its own: rows and deletions carry the command id under
 * which they were made.  What a rolled-back subtransaction did is forgotten:
 * subtransactions nest, so all of it stands at the end of the record, and is
 * cut off there.
 */
#ifndef STBL_TXN_H
#define STBL_TXN_H

#include "delta/snapshot.h"
#include "parquet/vec.h"

typedef struct StblTxnTable StblTxnTable;	/* one table root in this transaction */
typedef struct StblBatch StblBatch;

struct MemoryContextData;
struct roaring_bitmap_s;

/* Registers the transaction callbacks; called once, from _PG_init. */
extern void stbl_txn_init(void);

/* Whether this transaction has changed a supertable. */
extern bool stbl_txn_has_changes(void);

/* This transaction's record of a table; made at the first call.  relid, server and role are those of the first. */
extern StblTxnTable *stbl_txn_table(StblTable *table, unsigned int relid, unsigned int server_oid, unsigned int role_oid);
extern StblTable *stbl_txn_storage(StblTxnTable *tt);

/*
 * The snapshot a statement reads, told apart by its executor state: newest at
 * the first call of a READ COMMITTED statement, the transaction's first
 * otherwise, and of this database's transactions just those that PostgreSQL's
 * snapshot has (wal/shown.c).  Pinned until cxt, the statement's memory, is
 * deleted.  Throws 40001 when a row this transaction changed was changed by
 * another in the meantime, or the table was created anew.
 */
extern StblSnapshot *stbl_txn_snapshot(StblTxnTable *tt, void *statement, struct MemoryContextData *cxt);

/* The same for a statement that reads no rows, but the schema: it does not matter which of them are seen. */
extern StblSnapshot *stbl_txn_schema_snapshot(StblTxnTable *tt, void *statement, struct MemoryContextData *cxt);

/*
 * Publishes what a crash left owed by this database on the table: before a
 * statement that changes rows takes its snapshot, for its change would
 * conflict with an owed one of the same row.
 */
extern void stbl_txn_publish_owed(StblTxnTable *tt);

/*
 * Before the snapshot of a statement that only adds rows: a transaction that
 * has not met the table yet may begin it anew where its storage was dropped.
 */
extern void stbl_txn_may_begin_anew(StblTxnTable *tt);

/*
 * For a statement that only adds rows of these columns, in a transaction of
 * its own: the session's cached snapshot, which was not looked at (cached.c),
 * or NULL where the statement needs one of its own.
 */
extern StblSnapshot *stbl_txn_cached(StblTxnTable *tt, const StblSchema *columns);

/* Throws 0A000 where the table is another writer's, or has features that we cannot keep up. */
extern void stbl_check_writer_protocol(StblTable *table, StblSnapshot *snapshot);

/* ---- row addresses ---- */

/*
 * A number for a superfile, to be used with a position as a row's address in
 * this transaction; the same number for the same path.
 */
extern uint32_t stbl_txn_file_no(StblTxnTable *tt, const StblFile *file);
extern const char *stbl_txn_file_path(const StblTxnTable *tt, uint32_t file_no);

/* Row address to and from the 48 bits of an ItemPointer. */
#define STBL_MAX_FILE_NO ((1U << 18) - 1)
#define STBL_MAX_POSITION ((1U << 30) - 1)

/*
 * Deletes a row.  False when a command before, or this one, has deleted it
 * already; 27000 when a command that this one has triggered did.  cid is the
 * statement's own command id, whatever commands its triggers have run since.
 */
extern bool stbl_txn_delete(StblTxnTable *tt, uint32_t file_no, uint32_t position, unsigned int cid);

/*
 * Positions of a superfile that a command with this command id does not see
 * because of the transaction's own deletions; NULL for none.  Owned by
 * CurrentMemoryContext.
 */
extern struct roaring_bitmap_s *stbl_txn_deleted(StblTxnTable *tt, uint32_t file_no, unsigned int curcid);

/* ---- TRUNCATE ---- */

/*
 * Empties the table; later commands see it empty.  Two-phase always.  Returns
 * the version that was emptied.
 */
extern StblSnapshot *stbl_txn_truncate(StblTxnTable *tt);

/*
 * The version that a command sees emptied: superfiles that were live in it
 * are not shown.  -1: none.
 */
extern int64_t stbl_txn_truncated_version(StblTxnTable *tt, unsigned int curcid);

/* ---- new rows ---- */

/*
 * Before a statement's first row: the schema rows are written in.  It is the
 * stored one (NULL: no table yet) and the columns that it lacks; a commit
 * with rows adds these.
 */
extern void stbl_txn_begin_write(StblTxnTable *tt, const StblSchema *stored, const StblSchema *lacking);
extern const StblSchema *stbl_txn_schema(const StblTxnTable *tt);	/* NULL before */

/*
 * The columns, one a field of the schema, to which one value each is to be
 * appended; then row_done.  An error in between leaves nothing.
 */
extern StblColVec **stbl_txn_new_row(StblTxnTable *tt);
extern void stbl_txn_row_done(StblTxnTable *tt, unsigned int cid);

/* A statement has written its last row. */
extern void stbl_txn_end_write(StblTxnTable *tt);

/* A part of the transaction's own rows, for a scan. */
typedef struct StblOwnPart
{
	uint32_t	file_no;
	uint32_t	first_position; /* of the batch's first row in its superfile */
	StblBatch  *batch;			/* rows in memory, pinned; else a superfile: */
	const uint8_t *image;		/* in memory until the end of the transaction; else on storage: */
	uint64_t	size;
	char	   *path;
	struct roaring_bitmap_s *hidden;	/* positions this command does not see, or NULL */
	uint32_t	n_rows;			/* rows of the part at most to be read */
} StblOwnPart;

/* palloc'd; batches stay pinned until released. */
extern StblOwnPart *stbl_txn_own_parts(StblTxnTable *tt, unsigned int curcid, int *n_parts);
extern void stbl_batch_release(StblBatch *batch);
extern StblColVec **stbl_batch_columns(StblBatch *batch);
extern const StblSchema *stbl_batch_schema(StblBatch *batch);

/* ---- which protocol ---- */

/*
 * Called when a statement begins to change a table.  simple: it was shown to
 * be a single DML on this one table whose plan calls nothing that could have
 * effects elsewhere.  Returns whether it is a transaction of its own, too, as
 * far as can be known now.
 */
extern bool stbl_txn_statement(StblTxnTable *tt, bool simple);

/* Counts any statement that starts (from the executor and utility hooks). */
extern void stbl_txn_note_statement(void);

/* GUCs */
extern bool stbl_one_phase;
extern int	stbl_row_group_rows;
extern int	stbl_compression;	/* a StblPqCodec */
extern int	stbl_compression_level;
extern int	stbl_superfile_kb;	/* size at which a superfile is closed */

#endif							/* STBL_TXN_H */
