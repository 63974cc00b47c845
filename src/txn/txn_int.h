/* Shared by the files of this room only. */
#ifndef STBL_TXN_INT_H
#define STBL_TXN_INT_H

#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/palloc.h"

#include "txn/txn.h"
#include "wal/settle.h"

#define STBL_BATCH_BYTES ((size_t) 16 * 1024 * 1024)	/* a row group of wide rows: readers hold a few in memory */
#define STBL_SPOOL_MEMORY ((size_t) 4 * 1024 * 1024)
#define STBL_SETTLE_US ((int64) 5 * 1000 * 1000)	/* deadline of what a commit or abort callback tries */
#define STBL_SETTLE_SILENT_US ((int64) 300 * 1000)	/* the same after storage that has not answered */

/* Bytes of a superfile before it is sent: in memory, beyond 4 MiB in a temporary file that is mapped. */
typedef struct StblSpool
{
	StblBuf		buf;			/* not yet written out */
	File		file;			/* 0: none */
	uint64		n_written;
	uint8	   *map;
	uint64		map_size;
} StblSpool;

/* Rows not encoded yet: the tail of one superfile. */
struct StblBatch
{
	int			refcount;
	MemoryContext cxt;
	const StblSchema *schema;
	uint32		file_no;
	uint32		first_position;
	uint32		n_rows;
	bool		in_row;			/* its columns may be longer than n_rows */
	int			n_cols;
	StblColVec **cols;
	size_t		row_bytes;		/* of the columns whose values are all of one size */
	int			n_varying;
	StblColVec **varying;		/* the others */
};

/* A superfile that rows of this transaction's record refer to. */
typedef struct StblTxnFile
{
	uint32		no;
	char	   *path;
	int64		base_row_id;	/* -1 for our own */
	int64		commit_version; /* that its rows came with; -1 for our own */
	int32		last_mark;		/* index into marks of its newest, -1: none */
	struct roaring_bitmap_s *deleted;	/* all its marks; NULL: none */

	/* our own */
	bool		is_own;
	bool		sealed;			/* footer written */
	bool		uploaded;
	StblCall   *upload;			/* under way, NULL: not */
	char		uuid[37];
	const StblSchema *schema;	/* its rows are written in */
	const StblPqSchema *pq;
	uint64		first_seq;		/* sequence number of its first row */
	uint32		n_rows;			/* encoded and in the batch */
	uint32		n_encoded;
	struct roaring_bitmap_s *rolled_back;	/* encoded rows of rolled-back subtransactions */
	StblPqWriter *writer;
	MemoryContext writer_cxt;
	StblSpool	spool;
	uint64		size;			/* sealed */
	char		hash[65];
	char	   *stats;
} StblTxnFile;

/* One deletion, in order of arrival. */
typedef struct StblMark
{
	uint32		file_no;
	uint32		position;
	CommandId	cid;
	int32		prev;			/* the file's mark before this one */
} StblMark;

/* Rows from seq on were made under this command id. */
typedef struct StblRun
{
	uint64		seq;
	CommandId	cid;
} StblRun;

/*
 * A TRUNCATE: all superfiles of the version it saw go, and of our own rows
 * those before seq.  The newest contains those before it.
 */
typedef struct StblTruncation
{
	CommandId	cid;
	uint64		seq;
	StblSnapshot *seen;			/* pinned */
} StblTruncation;

typedef struct StblSavepoint
{
	int			nest_level;
	int32		n_marks;
	uint64		n_rows;			/* next sequence number */
	int			n_truncations;
	StblSchema *schema;
	StblPqSchema *pq;
} StblSavepoint;

/* A statement's pinned snapshot. */
typedef struct StblStatement
{
	StblTxnTable *tt;
	uint64		generation;		/* of the record tt belongs to */
	void	   *id;
	StblSnapshot *newest;		/* a version that was the newest since it began */
	StblSnapshot *shown;		/* what its scans see; NULL: not asked for yet */
	MemoryContextCallback callback;
} StblStatement;

struct StblTxnTable
{
	StblTable  *table;
	StblStore  *store;			/* with the credentials of the role that changed it last; */
	char	   *prefix;			/* and how keys begin there */
	Oid			relid;
	Oid			server_oid;
	Oid			role_oid;
	MemoryContext cxt;
	char	   *table_id;		/* metaData.id met first; NULL: no table yet, or unverified */
	bool		unverified;		/* rows are added under a cached snapshot (cached.c) */
	bool		has_unpublished;	/* a statement was shown what no version is just like */
	bool		looked;			/* table->current is the newest, for the snapshot taken next */
	int64		checked_version;	/* marks were checked against this version */
	StblSnapshot *first_snapshot;	/* REPEATABLE READ and up: pinned */
	List	   *statements;

	int			n_files;
	int			cap_files;
	StblTxnFile **files;
	struct HTAB *files_by_path;

	int32		n_marks;
	int32		cap_marks;
	StblMark   *marks;

	StblSchema *schema;			/* new rows are written in */
	StblPqSchema *pq;
	int			n_stored;		/* columns of the stored schema when a statement last looked */
	List	   *added;			/* names of columns that it lacked */
	StblBatch  *batch;			/* or NULL */
	StblTxnFile *open;			/* own superfile that takes rows, or NULL */
	uint64		next_seq;
	int			n_runs;
	int			cap_runs;
	StblRun    *runs;

	int			n_truncations;
	int			cap_truncations;
	StblTruncation *truncations;

	int			n_savepoints;
	int			cap_savepoints;
	StblSavepoint *savepoints;

	/* the two-phase protocol */
	char		wal_id[STBL_ID_TEXT];	/* empty: no document yet */
	bool		doc_sent;		/* its creation was at least sent */
	StblDoc    *doc;
	struct roaring_bitmap_s **vectors;	/* of the document's targets; whole ones: NULL */
	StblCall   *doc_call;		/* its creation, under way at pre-commit */
	bool		prepared_sent;
	char		dv_uuid[37];	/* of the commit's vector file */
	StblBuf		dv_file;
	List	   *sent_files;		/* StblTxnFile * whose upload is under way, oldest first */
	List	   *uploads;		/* StblCall *: what the commit waits for */
	int64		oldest_upload_us;	/* of those, by the storage's clock; 0: none yet */
};

extern List *stbl_txn_tables;	/* StblTxnTable * */

/* rows.c */
extern void stbl_rows_init(StblTxnTable *tt);
extern void stbl_rows_truncate(StblTxnTable *tt, uint64 n_rows);
extern void stbl_rows_flush(StblTxnTable *tt, bool drop_dead);
extern void stbl_rows_seal(StblTxnTable *tt, StblTxnFile *f);
extern const uint8 *stbl_rows_image(StblTxnTable *tt, StblTxnFile *f);
extern void stbl_rows_free_image(StblTxnTable *tt, StblTxnFile *f);
extern void stbl_rows_free(StblTxnTable *tt);
extern bool stbl_txn_is_added(const StblTxnTable *tt, const char *column);	/* the stored schema lacked it */
extern void stbl_rows_restore_schema(StblTxnTable *tt, StblSchema *schema, StblPqSchema *pq);
extern void stbl_rows_add_lacking(StblTxnTable *tt, const StblSchema *stored);
extern void stbl_rows_kill(StblTxnTable *tt, uint64 n_rows);	/* at pre-commit: rows before this sequence number are dead */
extern struct roaring_bitmap_s *stbl_rows_dead(StblTxnFile *f);
extern StblTxnFile *stbl_txn_new_own_file(StblTxnTable *tt);

/* truncate.c */
extern StblTruncation *stbl_txn_truncation(StblTxnTable *tt);	/* the one that stands, or NULL */
extern void stbl_txn_check_truncation(StblTxnTable *tt, StblSnapshot *snapshot);
extern void stbl_txn_undo_truncations(StblTxnTable *tt, int n);
extern bool stbl_txn_file_truncated(StblTxnTable *tt, const StblTxnFile *f);
extern uint64 stbl_txn_truncated_rows(StblTxnTable *tt, CommandId curcid);

/* recorder.c */
extern StblSnapshot *stbl_txn_newest(StblTxnTable *tt);
extern void stbl_txn_touch(StblTxnTable *tt);
extern void stbl_txn_note_store(StblTxnTable *tt);	/* the one the table was just opened with is to be written by */
extern void stbl_txn_use_store(StblTxnTable *tt);	/* before anything is sent: others may have opened it since */
extern void stbl_txn_subabort(int nest_level);
extern void stbl_txn_subcommit(int nest_level);
extern void stbl_txn_forget(void);
extern bool stbl_txn_table_changed(StblTxnTable *tt);
extern void stbl_txn_check_table_id(StblTxnTable *tt, StblSnapshot *snapshot);
extern void stbl_txn_throw_conflict(StblTxnTable *tt, const char *path, const StblConflict *conflict) __attribute__((noreturn));

extern void stbl_txn_throw_replaced(StblTxnTable *tt) __attribute__((noreturn));

/* cached.c */
extern void stbl_txn_verify(StblTxnTable *tt);	/* after a refresh */

/* upload.c */
extern void stbl_txn_hash_file(StblTxnTable *tt, StblTxnFile *f);
extern void stbl_txn_upload(StblTxnTable *tt, StblTxnFile *f);	/* a sealed superfile, while statements run */
extern void stbl_txn_push_uploads(StblTxnTable *tt);
extern void stbl_txn_finish_uploads(StblTxnTable *tt);
extern void stbl_txn_cancel_uploads(StblTxnTable *tt);

/* commit.c */
extern bool stbl_txn_schema_fits(StblTxnTable *tt, const StblSchema *stored, StblError *err);
extern void stbl_txn_ensure_document(StblTxnTable *tt);
extern bool stbl_txn_precommit(bool one_phase_allowed); /* true: decided by one-phase, interrupts are held */
extern void stbl_txn_postcommit(void);
extern void stbl_txn_abort(void);

#endif							/* STBL_TXN_INT_H */
