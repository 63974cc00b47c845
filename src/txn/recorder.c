/*
 * The record of a transaction: tables, deletions, savepoints, snapshots.
 *
 * Deletions stand in order of arrival.  Each names its superfile's mark
 * before it, so that one superfile's are a chain, and cutting the record
 * short is undoing from the end.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"

List	   *stbl_txn_tables = NIL;

/* Parent of all contexts of this transaction's record. */
static MemoryContext txn_cxt = NULL;

/* Counts records: a statement's memory may outlive the record it points to. */
static uint64 generation = 1;

typedef struct FileByPath
{
	char	   *path;
	StblTxnFile *file;
} FileByPath;

static uint32
path_hash(const void *key, Size size)
{
	const char *path = *(const char *const *) key;

	return string_hash(path, strlen(path) + 1);
}

static int
path_match(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
stbl_txn_note_store(StblTxnTable *tt)
{
	tt->store = tt->table->store;
	tt->prefix = tt->table->prefix;
}

void
stbl_txn_use_store(StblTxnTable *tt)
{
	tt->table->store = tt->store;
	tt->table->prefix = tt->prefix;
}

StblTxnTable *
stbl_txn_table(StblTable *table, Oid relid, Oid server_oid, Oid role_oid)
{
	StblTxnTable *tt;
	MemoryContext cxt,
				old;
	HASHCTL		ctl;
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		tt = lfirst(lc);
		if (strcmp(tt->table->root, table->root) == 0)
			return tt;
	}
	if (txn_cxt == NULL)
		txn_cxt = AllocSetContextCreate(TopMemoryContext, "supertable transaction", ALLOCSET_DEFAULT_SIZES);
	cxt = AllocSetContextCreate(txn_cxt, "supertable transaction table", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	tt = palloc0(sizeof(StblTxnTable));
	tt->table = table;
	stbl_txn_note_store(tt);
	tt->relid = relid;
	tt->server_oid = server_oid;
	tt->role_oid = role_oid;
	tt->cxt = cxt;
	tt->checked_version = -1;
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(char *);
	ctl.entrysize = sizeof(FileByPath);
	ctl.hash = path_hash;
	ctl.match = path_match;
	ctl.hcxt = cxt;
	tt->files_by_path = hash_create("supertable transaction files", 64, &ctl,
									HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	stbl_rows_init(tt);
	MemoryContextSwitchTo(txn_cxt);
	stbl_txn_tables = lappend(stbl_txn_tables, tt);
	MemoryContextSwitchTo(old);
	return tt;
}

StblTable *
stbl_txn_storage(StblTxnTable *tt)
{
	return tt->table;
}

/* ---- superfiles ---- */

static StblTxnFile *
new_file(StblTxnTable *tt, const char *path)
{
	StblTxnFile *f;
	FileByPath *entry;
	bool		found;
	MemoryContext old = MemoryContextSwitchTo(tt->cxt);

	if (tt->n_files > STBL_MAX_FILE_NO)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a transaction cannot address more than %u superfiles of one table", STBL_MAX_FILE_NO)));
	if (tt->n_files == tt->cap_files)
	{
		tt->cap_files = Max(16, tt->cap_files * 2);
		tt->files = tt->files == NULL ? palloc(sizeof(StblTxnFile *) * tt->cap_files) :
			repalloc(tt->files, sizeof(StblTxnFile *) * tt->cap_files);
	}
	f = palloc0(sizeof(StblTxnFile));
	f->no = tt->n_files;
	f->path = pstrdup(path);
	f->base_row_id = -1;
	f->commit_version = -1;
	f->last_mark = -1;
	entry = hash_search(tt->files_by_path, &f->path, HASH_ENTER, &found);
	entry->path = f->path;
	entry->file = f;
	tt->files[tt->n_files++] = f;
	MemoryContextSwitchTo(old);
	return f;
}

uint32
stbl_txn_file_no(StblTxnTable *tt, const StblFile *file)
{
	const char *path = file->path;
	FileByPath *entry = hash_search(tt->files_by_path, &path, HASH_FIND, NULL);
	StblTxnFile *f;

	if (entry != NULL)
		return entry->file->no;
	if (file->n_rows > STBL_MAX_POSITION)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("superfile \"%s\" has more than %u rows", path, STBL_MAX_POSITION)));
	f = new_file(tt, path);
	f->base_row_id = file->base_row_id;
	f->commit_version = file->default_row_commit_version;
	return f->no;
}

const char *
stbl_txn_file_path(const StblTxnTable *tt, uint32 file_no)
{
	if (file_no >= (uint32) tt->n_files)
		elog(ERROR, "no superfile has the number %u in this transaction", file_no);
	return tt->files[file_no]->path;
}

StblTxnFile *
stbl_txn_new_own_file(StblTxnTable *tt)
{
	StblTxnFile *f;
	char		uuid[37];
	char		path[64];

	stbl_new_uuid(uuid);
	snprintf(path, sizeof(path), "seg-%s.parquet", uuid);
	f = new_file(tt, path);
	f->is_own = true;
	strlcpy(f->uuid, uuid, sizeof(f->uuid));
	f->schema = tt->schema;
	f->pq = tt->pq;
	f->first_seq = tt->next_seq;
	return f;
}

/* ---- deletions ---- */

/* Remembers where the running subtransaction began in this table's record. */
void
stbl_txn_touch(StblTxnTable *tt)
{
	int			level = GetCurrentTransactionNestLevel();
	StblSavepoint *sp;

	if (level <= 1 || (tt->n_savepoints > 0 && tt->savepoints[tt->n_savepoints - 1].nest_level >= level))
		return;
	if (tt->n_savepoints == tt->cap_savepoints)
	{
		tt->cap_savepoints = Max(8, tt->cap_savepoints * 2);
		tt->savepoints = tt->savepoints == NULL ?
			MemoryContextAlloc(tt->cxt, sizeof(StblSavepoint) * tt->cap_savepoints) :
			repalloc(tt->savepoints, sizeof(StblSavepoint) * tt->cap_savepoints);
	}
	sp = &tt->savepoints[tt->n_savepoints++];
	sp->nest_level = level;
	sp->n_marks = tt->n_marks;
	sp->n_rows = tt->next_seq;
	sp->n_truncations = tt->n_truncations;
	sp->schema = tt->schema;
	sp->pq = tt->pq;
}

static CommandId
mark_cid(StblTxnTable *tt, StblTxnFile *f, uint32 position)
{
	for (int32 i = f->last_mark; i >= 0; i = tt->marks[i].prev)
		if (tt->marks[i].position == position)
			return tt->marks[i].cid;
	return FirstCommandId;
}

static void
throw_triggered(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("row to be changed was already changed by an operation triggered by the current command"),
			 errhint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")));
}

/* Whether a TRUNCATE has taken the row since the command began. */
static bool
is_truncated(StblTxnTable *tt, const StblTxnFile *f, uint32 position)
{
	StblTruncation *t = stbl_txn_truncation(tt);

	if (t == NULL)
		return false;
	return f->is_own ? f->first_seq + position < t->seq : stbl_txn_file_truncated(tt, f);
}

bool
stbl_txn_delete(StblTxnTable *tt, uint32 file_no, uint32 position, CommandId cid)
{
	StblTxnFile *f;
	StblMark   *mark;

	if (file_no >= tt->n_files)
		elog(ERROR, "row address names superfile %u of %d", file_no, tt->n_files);
	f = tt->files[file_no];
	stbl_txn_touch(tt);
	if (f->deleted != NULL && roaring_bitmap_contains(f->deleted, position))
	{
		if (mark_cid(tt, f, position) > cid)
			throw_triggered();
		return false;
	}
	if (is_truncated(tt, f, position))
		throw_triggered();
	if (f->deleted == NULL)
	{
		f->deleted = roaring_bitmap_create();
		if (f->deleted == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		stbl_bitmap_own(tt->cxt, f->deleted);
	}
	if (tt->n_marks == tt->cap_marks)
	{
		if (tt->cap_marks > PG_INT32_MAX / 2)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("a transaction cannot change more than %d rows of one table", PG_INT32_MAX)));
		tt->cap_marks = Max(64, tt->cap_marks * 2);
		tt->marks = tt->marks == NULL ?
			MemoryContextAllocHuge(tt->cxt, sizeof(StblMark) * (Size) tt->cap_marks) :
			repalloc_huge(tt->marks, sizeof(StblMark) * (Size) tt->cap_marks);
	}
	mark = &tt->marks[tt->n_marks];
	mark->file_no = file_no;
	mark->position = position;
	mark->cid = cid;
	mark->prev = f->last_mark;
	roaring_bitmap_add(f->deleted, position);
	f->last_mark = tt->n_marks++;
	return true;
}

roaring_bitmap_t *
stbl_txn_deleted(StblTxnTable *tt, uint32 file_no, CommandId curcid)
{
	StblTxnFile *f = tt->files[file_no];
	roaring_bitmap_t *copy;

	if (f->last_mark < 0)
		return NULL;
	copy = roaring_bitmap_copy(f->deleted);
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	stbl_bitmap_own(CurrentMemoryContext, copy);
	for (int32 i = f->last_mark; i >= 0; i = tt->marks[i].prev)
		if (tt->marks[i].cid >= curcid)
			roaring_bitmap_remove(copy, tt->marks[i].position);
	return copy;
}

/* ---- subtransactions ---- */

static void
roll_back_to(StblTxnTable *tt, const StblSavepoint *sp)
{
	while (tt->n_marks > sp->n_marks)
	{
		StblMark   *mark = &tt->marks[--tt->n_marks];
		StblTxnFile *f = tt->files[mark->file_no];

		roaring_bitmap_remove(f->deleted, mark->position);
		f->last_mark = mark->prev;
	}
	stbl_txn_undo_truncations(tt, sp->n_truncations);
	stbl_rows_truncate(tt, sp->n_rows);
	stbl_rows_restore_schema(tt, sp->schema, sp->pq);
}

void
stbl_txn_subabort(int nest_level)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);

		while (tt->n_savepoints > 0 && tt->savepoints[tt->n_savepoints - 1].nest_level >= nest_level)
			roll_back_to(tt, &tt->savepoints[--tt->n_savepoints]);
	}
}

void
stbl_txn_subcommit(int nest_level)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);
		StblSavepoint *top;

		if (tt->n_savepoints == 0)
			continue;
		top = &tt->savepoints[tt->n_savepoints - 1];
		if (top->nest_level < nest_level)
			continue;
		if (nest_level - 1 <= 1 ||
			(tt->n_savepoints > 1 && tt->savepoints[tt->n_savepoints - 2].nest_level == nest_level - 1))
			tt->n_savepoints--;
		else
			top->nest_level = nest_level - 1;
	}
}

void
stbl_txn_forget(void)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);

		stbl_rows_free(tt);
		tt->table->dropped_ok = false;
	}
	stbl_txn_tables = NIL;
	generation++;
	stbl_snapshot_unpin_all();
	if (txn_cxt != NULL)
	{
		MemoryContext cxt = txn_cxt;

		txn_cxt = NULL;
		MemoryContextDelete(cxt);
	}
}

bool
stbl_txn_table_changed(StblTxnTable *tt)
{
	return tt->n_marks > 0 || tt->next_seq > 0 || tt->n_truncations > 0 || tt->doc_sent;
}

bool
stbl_txn_has_changes(void)
{
	ListCell   *lc;

	foreach(lc, stbl_txn_tables)
		if (stbl_txn_table_changed(lfirst(lc)))
			return true;
	return false;
}

/* ---- snapshots ---- */

void
stbl_txn_throw_replaced(StblTxnTable *tt)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not go on with table \"%s\"", tt->table->root),
			 errdetail("The table was removed, or removed and created anew, while the transaction was running."),
			 errhint("Retry the transaction.")));
}

void
stbl_txn_check_table_id(StblTxnTable *tt, StblSnapshot *snapshot)
{
	const char *id = stbl_snapshot_exists(snapshot) ? snapshot->metadata.id : NULL;

	stbl_txn_verify(tt);
	if (tt->table_id == NULL)
	{
		if (id != NULL && !stbl_txn_table_changed(tt))
			tt->table_id = MemoryContextStrdup(tt->cxt, id);
		return;
	}
	if (id == NULL || strcmp(id, tt->table_id) != 0)
		stbl_txn_throw_replaced(tt);
}

void
stbl_txn_throw_conflict(StblTxnTable *tt, const char *path, const StblConflict *conflict)
{
	stbl_stat_count(tt->table->root, STBL_STAT_CONFLICT);
	if (conflict->kind == STBL_CONFLICT_SCHEMA || (conflict->kind == STBL_CONFLICT_PREPARED && path == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not add columns to table \"%s\" due to concurrent schema change", tt->table->root),
				 conflict->kind == STBL_CONFLICT_SCHEMA ?
				 errdetail("Another transaction has added columns.") :
				 errdetail("Mutation %s of database \"%s\" of cluster %s, not decided yet, adds columns (coordinator %s).",
						   conflict->wal_id, conflict->coordinator.database, conflict->coordinator.cluster,
						   stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), &conflict->coordinator)),
				 errhint("Retry the transaction; if its owner has crashed, run supertable_recover() there.")));
	if (conflict->kind == STBL_CONFLICT_PREPARED)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not change a row of table \"%s\" that an undecided transaction has changed", tt->table->root),
				 errdetail("The row is held by mutation %s of database \"%s\" of cluster %s (coordinator %s).",
						   conflict->wal_id, conflict->coordinator.database, conflict->coordinator.cluster,
						   stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), &conflict->coordinator)),
				 errhint("Retry the transaction; if its owner has crashed, run supertable_recover() there.")));
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access to table \"%s\" due to concurrent update", tt->table->root),
			 conflict->kind == STBL_CONFLICT_GONE ?
			 errdetail("Superfile \"%s\", of which this transaction has changed rows, is not live any more.", path) :
			 errdetail("A row of superfile \"%s\" was changed by another transaction.", path),
			 errhint("Retry the transaction.")));
}

/* What has become of the rows of a superfile that we have changed. */
static StblConflictKind
find_conflict(StblTxnTable *tt, const StblTxnFile *f, StblSnapshot *snapshot)
{
	StblFile   *file = stbl_snapshot_file(snapshot, f->path);
	const roaring_bitmap_t *gone;

	if (file == NULL)
		return STBL_CONFLICT_GONE;
	gone = stbl_file_tombstones(tt->table, file);
	return gone != NULL && roaring_bitmap_intersect(gone, f->deleted) ? STBL_CONFLICT_CHANGED : STBL_CONFLICT_NONE;
}

/*
 * A new statement snapshot shows at once whether a row of ours was lost.  One
 * that no version is just like may lack what another statement was shown,
 * and table->current may: a row is lost if both say so.
 */
static void
check_marks(StblTxnTable *tt, StblSnapshot *snapshot)
{
	if (snapshot->is_published && tt->checked_version == snapshot->version)
		return;
	if (snapshot->is_published)
		stbl_txn_check_truncation(tt, snapshot);
	if (tt->n_marks == 0)
		return;
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];
		StblConflict conflict;

		if (f->is_own || f->last_mark < 0 || stbl_txn_file_truncated(tt, f))
			continue;
		memset(&conflict, 0, sizeof(conflict));
		conflict.kind = find_conflict(tt, f, snapshot);
		if (conflict.kind != STBL_CONFLICT_NONE && !snapshot->is_published)
			conflict.kind = find_conflict(tt, f, tt->table->current);
		if (conflict.kind != STBL_CONFLICT_NONE)
			stbl_txn_throw_conflict(tt, f->path, &conflict);
	}
	tt->checked_version = snapshot->is_published ? snapshot->version : -1;
}

/* The statement's memory goes; the record may have gone before it. */
static void
forget_statement(void *arg)
{
	StblStatement *st = arg;

	if (st->generation != generation)
		return;
	if (st->newest != NULL)
		stbl_snapshot_unpin(st->newest);
	if (st->shown != NULL)
		stbl_snapshot_unpin(st->shown);
	st->tt->statements = list_delete_ptr(st->tt->statements, st);
}

void
stbl_txn_may_begin_anew(StblTxnTable *tt)
{
	if (tt->table_id == NULL)
		tt->table->dropped_ok = true;
}

/* The newest version, or what a transaction with one snapshot has read first; not pinned. */
StblSnapshot *
stbl_txn_newest(StblTxnTable *tt)
{
	bool		looked = tt->looked && tt->table->current != NULL;

	tt->looked = false;
	if (IsolationUsesXactSnapshot() && tt->first_snapshot != NULL)
		return tt->first_snapshot;
	if (!looked)
		(void) stbl_snapshot_refresh(tt->table, 0);
	stbl_txn_check_table_id(tt, tt->table->current);
	return tt->table->current;
}

static StblStatement *
find_statement(StblTxnTable *tt, void *statement, MemoryContext cxt)
{
	StblStatement *st;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, tt->statements)
	{
		st = lfirst(lc);
		if (st->id == statement)
			return st;
	}
	st = MemoryContextAllocZero(cxt, sizeof(StblStatement));
	st->tt = tt;
	st->generation = generation;
	st->id = statement;
	old = MemoryContextSwitchTo(tt->cxt);
	tt->statements = lappend(tt->statements, st);
	MemoryContextSwitchTo(old);
	st->callback.func = forget_statement;
	st->callback.arg = st;
	MemoryContextRegisterResetCallback(cxt, &st->callback);
	return st;
}

StblSnapshot *
stbl_txn_schema_snapshot(StblTxnTable *tt, void *statement, MemoryContext cxt)
{
	StblStatement *st = find_statement(tt, statement, cxt);

	if (st->shown != NULL || IsolationUsesXactSnapshot())
		return stbl_txn_snapshot(tt, statement, cxt);
	if (st->newest == NULL)
	{
		StblSnapshot *newest = stbl_txn_newest(tt);

		/* A row of ours may be in what is published by and by. */
		if (!tt->has_unpublished)
			check_marks(tt, newest);
		st->newest = stbl_snapshot_pin(newest);
	}
	return st->newest;
}

StblSnapshot *
stbl_txn_snapshot(StblTxnTable *tt, void *statement, MemoryContext cxt)
{
	StblStatement *st = find_statement(tt, statement, cxt);

	if (st->shown == NULL && IsolationUsesXactSnapshot() && tt->first_snapshot != NULL)
		st->shown = stbl_snapshot_pin(tt->first_snapshot);
	if (st->shown != NULL)
	{
		tt->looked = false;
		return st->shown;
	}
	/* This very statement may have looked already. */
	tt->looked = tt->looked || (st->newest != NULL && st->newest == tt->table->current);
	(void) stbl_txn_newest(tt);
	st->shown = stbl_settle_shown(tt->table, 0);
	stbl_txn_check_table_id(tt, tt->table->current);
	if (st->shown == NULL)
		st->shown = stbl_snapshot_pin(tt->table->current);
	tt->has_unpublished |= !st->shown->is_published;
	check_marks(tt, st->shown);
	if (IsolationUsesXactSnapshot())
		tt->first_snapshot = stbl_snapshot_pin(st->shown);
	return st->shown;
}
