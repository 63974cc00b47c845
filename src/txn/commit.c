/*
 * The two commit protocols.
 *
 * Both begin alike: rows become superfiles and deletions become vectors, made
 * on the newest snapshot and described as a state document would describe
 * them; all of it is sent at once, and in the same round trip the newest
 * version is looked for.
 *
 * One-phase: the version that makes them visible is the decision.  No
 * document; a crash before it leaves orphans, after it nothing.
 *
 * Two-phase:						 a crash after this step leaves
 *	 1 objects and document INTENT	 a document without witness: rolled back
 *	 2 version with PREPARED		 likewise, and PREPARED is removed
 *	   (changes, deletes, new columns)
 *	 3 witness row					 likewise: the row goes with the transaction
 *	 4 PostgreSQL's commit record	 a witness: published by whoever comes first
 *	 5 version with adds, vectors	 a witness and APPLIED: completed
 *	   and APPLIED
 *	 6 document COMPLETE			 a witness row, deleted by a later commit
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"
#include "wal/recover.h"
#include "wal/witness.h"

/* What a build function is about, and why it refused. */
typedef struct CommitArg
{
	StblTxnTable *tt;
	const char *id;				/* one-phase: what the version decides */
	const char *conflict_path;
	StblConflict conflict;
	bool		replaced;
	bool		condemned;
	StblError	schema_err;
} CommitArg;

/* ---- checks against the version published on ---- */

/* Columns of our rows that a stored schema lacks, and that a statement has found it to lack. */
static void
columns_to_add(StblTxnTable *tt, const StblSchema *stored, StblSchema *out)
{
	out->n_fields = 0;
	out->fields = NULL;
	if (tt->doc->doc.n_superfiles == 0)
		return;
	out->fields = palloc(sizeof(StblField) * (tt->schema->n_fields + 1));
	for (int i = 0; i < tt->schema->n_fields; i++)
		if (stbl_schema_find(stored, tt->schema->fields[i].name) < 0 && stbl_txn_is_added(tt, tt->schema->fields[i].name))
			out->fields[out->n_fields++] = tt->schema->fields[i];
}

/*
 * A schema change conflicts with another one: such as has been published
 * since a statement of ours looked, and such as is not decided yet.
 */
static bool
schema_conflicts(StblTxnTable *tt, StblSnapshot *base, StblConflict *conflict)
{
	StblSchema	columns;

	for (int i = 0; i < tt->schema->n_fields; i++)
	{
		const StblField *f = &tt->schema->fields[i];
		int			j = stbl_schema_find(&base->schema, f->name);

		if (j >= 0 && stbl_txn_is_added(tt, f->name) && !stbl_field_same_type(f, &base->schema.fields[j]))
			conflict->kind = STBL_CONFLICT_SCHEMA;
	}
	columns_to_add(tt, &base->schema, &columns);
	if (columns.n_fields > 0 && base->schema.n_fields != tt->n_stored)
		conflict->kind = STBL_CONFLICT_SCHEMA;
	return conflict->kind != STBL_CONFLICT_NONE ||
		(columns.n_fields > 0 && stbl_schema_is_held(base, tt->wal_id[0] ? tt->wal_id : NULL, conflict));
}

/* Whether rows written in our schema fit the stored one: it may have more columns, if nullable. */
bool
stbl_txn_schema_fits(StblTxnTable *tt, const StblSchema *stored, StblError *err)
{
	for (int i = 0; i < tt->schema->n_fields; i++)
	{
		const StblField *f = &tt->schema->fields[i];
		int			j = stbl_schema_find(stored, f->name);

		if (j < 0 && stbl_txn_is_added(tt, f->name))
			continue;
		if (j < 0 || !stbl_field_same_type(f, &stored->fields[j]) || (f->nullable && !stored->fields[j].nullable))
		{
			stbl_fail(err, STBL_ERR_SCHEMA, "column \"%s\" does not fit the stored schema of table \"%s\"", f->name, tt->table->root);
			stbl_error_detail(err, "Another session created the table with other columns.");
			return false;
		}
	}
	for (int j = 0; j < stored->n_fields; j++)
		if (!stored->fields[j].nullable && stbl_schema_find(tt->schema, stored->fields[j].name) < 0)
			return stbl_fail(err, STBL_ERR_SCHEMA, "column \"%s\" of table \"%s\" is missing", stored->fields[j].name, tt->table->root);
	return true;
}

/* The names of an undecided mutation's coordinator outlive the attempt that met it. */
static void
keep_coordinator(StblTxnTable *tt, StblConflict *conflict)
{
	StblCoordinator *c = &conflict->coordinator;

	if (conflict->kind != STBL_CONFLICT_PREPARED)
		return;
	c->cluster = MemoryContextStrdup(tt->cxt, c->cluster);
	c->cluster_name = MemoryContextStrdup(tt->cxt, c->cluster_name);
	c->database = MemoryContextStrdup(tt->cxt, c->database);
	c->witness_id = MemoryContextStrdup(tt->cxt, c->witness_id);
}

/*
 * Whether a gc that had not seen our document may have taken what was just
 * uploaded for an orphan.  What a load uploads early is younger than its
 * document, and gc spares that.
 */
static bool
is_condemned(StblTxnTable *tt, StblSnapshot *snapshot)
{
	return tt->oldest_upload_us != 0 && stbl_snapshot_cutoff(snapshot) > tt->oldest_upload_us;
}

static void
throw_condemned(StblTxnTable *tt)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not go on with table \"%s\"", tt->table->root),
			 errdetail("What the transaction has uploaded is older than the cutoff of a supertable_gc(), which may have deleted it."),
			 errhint("Retry the transaction.")));
}

static StblBuild
check_base(StblVersion *v, CommitArg *arg)
{
	StblTxnTable *tt = arg->tt;
	StblSnapshot *base = stbl_version_base(v);
	StblTruncation *t = stbl_txn_truncation(tt);
	StblUndecided *undecided = NULL;

	if (tt->table_id != NULL && (!stbl_snapshot_exists(base) || strcmp(base->metadata.id, tt->table_id) != 0))
		arg->replaced = true;
	arg->condemned = is_condemned(tt, base);
	if (arg->replaced || arg->condemned)
		return STBL_BUILD_REFUSE;
	if (stbl_snapshot_exists(base) && tt->schema != NULL && schema_conflicts(tt, base, &arg->conflict))
	{
		keep_coordinator(tt, &arg->conflict);
		return STBL_BUILD_REFUSE;
	}
	if (stbl_snapshot_exists(base) && tt->schema != NULL && !stbl_txn_schema_fits(tt, &base->schema, &arg->schema_err))
		return STBL_BUILD_REFUSE;
	if (t != NULL && !stbl_truncate_check(tt->table, t->seen, base, tt->wal_id, &arg->conflict, &arg->conflict_path))
	{
		keep_coordinator(tt, &arg->conflict);
		return STBL_BUILD_REFUSE;
	}
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];

		if (f->is_own || f->last_mark < 0 || stbl_txn_file_truncated(tt, f))
			continue;
		if (!stbl_conflict_check(tt->table, base, f->path, f->deleted,
								 tt->wal_id[0] ? tt->wal_id : NULL, &undecided, &arg->conflict))
		{
			arg->conflict_path = f->path;
			keep_coordinator(tt, &arg->conflict);
			return STBL_BUILD_REFUSE;
		}
	}
	return STBL_BUILD_PUBLISH;
}

static StblBuild
build_one_phase(StblVersion *v, void *arg_p)
{
	CommitArg  *arg = arg_p;
	StblTxnTable *tt = arg->tt;
	StblStateDoc *doc = &tt->doc->doc;
	StblSchema	columns;

	if (check_base(v, arg) != STBL_BUILD_PUBLISH)
		return STBL_BUILD_REFUSE;
	if (stbl_snapshot_exists(stbl_version_base(v)))
	{
		columns_to_add(tt, &stbl_version_base(v)->schema, &columns);
		if (!stbl_version_add_columns(v, &columns, &arg->schema_err))
			return STBL_BUILD_REFUSE;
	}
	else
	{
		char		table_id[37];

		stbl_new_uuid(table_id);
		stbl_version_create(v, tt->schema, table_id);
	}
	stbl_version_decides(v, arg->id);
	for (int i = 0; i < doc->n_superfiles; i++)
		stbl_version_add_doc_file(v, &doc->superfiles[i]);
	for (int i = 0, t = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];

		if (f->is_own || f->last_mark < 0)
			continue;
		stbl_version_delete(v, f->path, f->deleted, &doc->targets[t++].tombstones);
	}
	stbl_settle_owner_markers(v, 0);
	return STBL_BUILD_PUBLISH;
}

static StblBuild
build_prepared(StblVersion *v, void *arg_p)
{
	CommitArg  *arg = arg_p;
	StblTxnTable *tt = arg->tt;
	StblStateDoc *doc = &tt->doc->doc;
	StblTruncation *t = stbl_txn_truncation(tt);
	StblGuard	guard;
	int			n_whole = 0;

	if (check_base(v, arg) != STBL_BUILD_PUBLISH)
		return STBL_BUILD_REFUSE;
	memset(&guard, 0, sizeof(guard));
	guard.state = STBL_GUARD_PREPARED;
	guard.created_us = doc->created_us;
	guard.op_kind = (char *) stbl_op_kind_name(doc->op_kind);
	guard.table_id = doc->table_id;
	guard.coordinator = doc->coordinator;
	guard.columns = doc->columns;
	/* What is truncated stands first, and is named by its version. */
	guard.truncates = t != NULL ? t->seen->version : -1;
	while (n_whole < doc->n_targets && doc->targets[n_whole].whole)
		n_whole++;
	guard.n_targets = doc->n_targets - n_whole;
	guard.targets = doc->targets + n_whole;
	stbl_version_domain(v, psprintf(STBL_GUARD_PREFIX "%s", tt->wal_id),
						stbl_guard_write(stbl_version_mem(v), &guard));
	stbl_settle_owner_markers(v, 0);
	return STBL_BUILD_PUBLISH;
}

static StblBuild
build_create(StblVersion *v, void *arg_p)
{
	CommitArg  *arg = arg_p;
	char		table_id[37];

	if (stbl_snapshot_exists(stbl_version_base(v)))
		return STBL_BUILD_NOTHING;
	stbl_new_uuid(table_id);
	stbl_version_create(v, arg->tt->schema, table_id);
	return STBL_BUILD_PUBLISH;
}

/* ---- publishing at pre-commit ---- */

static void
throw_refused(CommitArg *arg)
{
	if (arg->replaced)
		stbl_txn_throw_replaced(arg->tt);
	if (arg->condemned)
		throw_condemned(arg->tt);
	if (arg->schema_err.kind != STBL_ERR_NONE)
		stbl_throw(&arg->schema_err);
	stbl_txn_throw_conflict(arg->tt, arg->conflict_path, &arg->conflict);
}

/*
 * Publishes at pre-commit.  An undecided mutation of this database whose
 * owner is gone is settled on the way, before it is called a conflict.
 */
static void
publish(StblTxnTable *tt, StblBuildFn build, CommitArg *arg, const char *operation, bool deciding)
{
	for (;;)
	{
		StblPublish p;
		StblPublished result;

		memset(&p, 0, sizeof(p));
		p.table = tt->table;
		p.build = build;
		p.arg = arg;
		p.operation = operation;
		p.deciding = deciding;
		result = stbl_publish(&p);
		switch (result)
		{
			case STBL_PUBLISHED:
			case STBL_PUBLISH_NOTHING:
				return;
			case STBL_PUBLISHED_BEFORE:
				if (deciding)
					HOLD_INTERRUPTS();
				return;
			case STBL_PUBLISH_REFUSED:
				if (arg->conflict.kind == STBL_CONFLICT_PREPARED &&
					stbl_settle_guard(tt->table, arg->conflict.wal_id, &arg->conflict.coordinator, 0))
				{
					(void) stbl_snapshot_refresh(tt->table, 0);
					memset(&arg->conflict, 0, sizeof(arg->conflict));
					continue;
				}
				throw_refused(arg);
				break;
			case STBL_PUBLISH_UNKNOWN:
				if (deciding)
				{
					RESUME_INTERRUPTS();
					ereport(ERROR,
							(errcode(ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN),
							 errmsg("could not learn whether the change of table \"%s\" was committed", tt->table->root),
							 errdetail("%s", p.err.message),
							 errhint("Once the storage answers again, read the table to see what holds.")));
				}
				p.err.kind = STBL_ERR_IO;
				stbl_throw(&p.err);
				break;
			case STBL_PUBLISH_GAP:
			case STBL_PUBLISH_FAILED:
				stbl_throw(&p.err);
				break;
		}
	}
}

/* ---- objects and the document ---- */

/* The newest version; it must still be of the table that the transaction has met. */
static void
look(StblTxnTable *tt)
{
	(void) stbl_snapshot_refresh(tt->table, 0);
	stbl_txn_check_table_id(tt, tt->table->current);
}

/* Version 0 without data, for a two-phase transaction that writes the table first. */
static void
ensure_table(StblTxnTable *tt)
{
	CommitArg	arg;

	if (tt->table->current == NULL || tt->unverified)
		look(tt);
	if (!stbl_snapshot_exists(tt->table->current))
	{
		memset(&arg, 0, sizeof(arg));
		arg.tt = tt;
		publish(tt, build_create, &arg, "CREATE TABLE", false);
	}
	if (tt->table_id == NULL)
		tt->table_id = MemoryContextStrdup(tt->cxt, tt->table->current->metadata.id);
}

static StblDoc *
new_document(StblTxnTable *tt)
{
	StblDoc    *d = MemoryContextAllocZero(tt->cxt, sizeof(StblDoc));
	StblStateDoc *doc = &d->doc;
	char	   *name = get_rel_name(tt->relid);

	strlcpy(doc->wal_id, tt->wal_id, sizeof(doc->wal_id));
	doc->op_kind = STBL_INSERT;
	doc->state = STBL_INTENT;
	doc->created_us = stbl_now_us();
	doc->predicate = MemoryContextStrdup(tt->cxt, name ? name : "");
	doc->new_row_count = -1;
	return d;
}

static void
sign_document(StblTxnTable *tt)
{
	StblStateDoc *doc = &tt->doc->doc;
	MemoryContext old = MemoryContextSwitchTo(tt->cxt);
	const StblCoordinator *self = stbl_coordinator_self();

	doc->has_coordinator = true;
	doc->coordinator.cluster = pstrdup(self->cluster);
	doc->coordinator.cluster_name = pstrdup(self->cluster_name ? self->cluster_name : "");
	doc->coordinator.database_oid = self->database_oid;
	doc->coordinator.database = pstrdup(self->database ? self->database : "");
	doc->coordinator.witness_id = pstrdup(self->witness_id);
	doc->has_lease = true;
	doc->lease.owner = psprintf("%s/%d", self->cluster, MyProcPid);
	doc->lease.acquired_us = stbl_now_us();
	doc->lease.expires_us = doc->lease.acquired_us + (int64) stbl_lease_duration_ms * 1000;
	doc->table_id = tt->table_id;
	MemoryContextSwitchTo(old);
}

static void
take_wal_id(StblTxnTable *tt)
{
	if (tt->wal_id[0] != '\0')
		return;
	stbl_new_wal_id(tt->wal_id);
	(void) stbl_owner_lock(tt->wal_id, false);
}

/* A load that uploads early has its document before its first object. */
void
stbl_txn_ensure_document(StblTxnTable *tt)
{
	MemoryContext old;
	StblCall   *call;

	if (tt->doc_sent)
		return;
	stbl_txn_use_store(tt);
	ensure_table(tt);
	take_wal_id(tt);
	tt->doc = new_document(tt);
	sign_document(tt);
	old = MemoryContextSwitchTo(tt->cxt);
	tt->doc_sent = true;
	call = stbl_doc_create(tt->table, tt->doc, 0);
	stbl_await_ok(call);
	(void) stbl_doc_finish(call, tt->doc);
	MemoryContextSwitchTo(old);
}

static bool
file_has_live_rows(StblTxnFile *f)
{
	roaring_bitmap_t *dead = stbl_rows_dead(f);

	return f->n_rows > 0 && (dead == NULL || roaring_bitmap_get_cardinality(dead) < f->n_rows);
}

static bool
has_net_changes(StblTxnTable *tt)
{
	StblTruncation *t = stbl_txn_truncation(tt);

	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];

		if (f->is_own ? file_has_live_rows(f) : f->last_mark >= 0)
			return true;
	}
	return tt->doc_sent || (t != NULL && t->seen->n_files > 0);
}

/* Last rows into their superfile, and all that is not sent yet on its way. */
static void
send_superfiles(StblTxnTable *tt)
{
	stbl_rows_flush(tt, true);
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];

		if (!f->is_own || f->uploaded || f->upload != NULL || f->n_encoded == 0 || !file_has_live_rows(f))
			continue;
		stbl_rows_seal(tt, f);
		tt->uploads = lappend(tt->uploads,
							  stbl_store_put_unique(tt->table->store, stbl_table_key(tt->table, f->path),
													stbl_rows_image(tt, f), f->size, 0));
	}
}

static void
describe_superfiles(StblTxnTable *tt, StblMem *mem, bool with_hash)
{
	StblStateDoc *doc = &tt->doc->doc;

	doc->has_superfiles = true;
	doc->n_superfiles = 0;
	doc->superfiles = palloc0(sizeof(StblDocFile) * (tt->n_files + 1));
	doc->new_row_count = 0;
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];
		StblDocFile *out = &doc->superfiles[doc->n_superfiles];
		roaring_bitmap_t *dead;

		if (!f->is_own || !f->sealed || !file_has_live_rows(f))
			continue;
		if (with_hash && !f->uploaded)
			stbl_txn_hash_file(tt, f);
		out->path = f->path;
		out->bytes = f->size;
		out->n_rows = f->n_rows;
		out->hash = f->hash[0] ? f->hash : NULL;
		out->stats = f->stats;
		dead = stbl_rows_dead(f);
		if (dead != NULL)
		{
			out->has_dead = true;
			stbl_dv_place(mem, dead, &tt->dv_file, tt->dv_uuid, &out->dead);
		}
		doc->new_row_count += f->n_rows - (dead ? roaring_bitmap_get_cardinality(dead) : 0);
		if (doc->n_superfiles++ == 0)
		{
			doc->content_hash = out->hash;
			doc->superfile_id = f->uuid;
		}
	}
	if (doc->n_superfiles == 0)
		doc->new_row_count = -1;
}

/*
 * A superfile of which rows are deleted.  It is not live yet where a statement
 * was shown what another transaction had committed, but not published.
 */
static StblFile *
live_file(StblTxnTable *tt, const StblTxnFile *f)
{
	StblFile   *file = stbl_snapshot_file(tt->table->current, f->path);
	StblConflict conflict = {STBL_CONFLICT_GONE};

	if (file != NULL)
		return file;
	stbl_settle_await_owners(tt->table);
	(void) stbl_settle_owed(tt->table, false, false, 0);
	look(tt);
	file = stbl_snapshot_file(tt->table->current, f->path);
	if (file == NULL)
		stbl_txn_throw_conflict(tt, f->path, &conflict);
	return file;
}

/* The vectors as they are to be published, made on the newest snapshot. */
static void
describe_targets(StblTxnTable *tt, StblMem *mem)
{
	StblStateDoc *doc = &tt->doc->doc;
	StblTruncation *t = stbl_txn_truncation(tt);

	doc->has_targets = true;
	doc->n_targets = 0;
	if (t != NULL)
		doc->targets = stbl_truncate_targets(t->seen, t->seen->version, &doc->n_targets);
	doc->targets = t == NULL ? palloc0(sizeof(StblTarget) * ((Size) tt->n_files + 1)) :
		repalloc_huge(doc->targets, sizeof(StblTarget) * ((Size) doc->n_targets + tt->n_files + 1));
	tt->vectors = palloc_extended(sizeof(roaring_bitmap_t *) * ((Size) doc->n_targets + tt->n_files + 1),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];
		StblTarget *out = &doc->targets[doc->n_targets];
		StblFile   *file;
		const roaring_bitmap_t *before;
		roaring_bitmap_t *both;

		if (f->is_own || f->last_mark < 0 || stbl_txn_file_truncated(tt, f))
			continue;
		memset(out, 0, sizeof(*out));
		file = live_file(tt, f);
		before = stbl_file_tombstones(tt->table, file);
		both = before ? roaring_bitmap_or(before, f->deleted) : roaring_bitmap_copy(f->deleted);
		if (both == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		stbl_bitmap_own(CurrentMemoryContext, both);
		roaring_bitmap_run_optimize(both);
		out->superfile = f->path;
		out->base_row_id = file->base_row_id;
		out->n_rows = roaring_bitmap_get_cardinality(f->deleted);
		stbl_dv_place(mem, both, &tt->dv_file, tt->dv_uuid, &out->tombstones);
		tt->vectors[doc->n_targets++] = both;
	}
	doc->op_kind = doc->n_targets == 0 ? STBL_INSERT : doc->n_superfiles == 0 ? STBL_DELETE : STBL_UPDATE;
}

/*
 * The document is created beside the objects; a load has one already, which
 * is changed when all its objects are durable.
 */
static void
send_document(StblTxnTable *tt)
{
	sign_document(tt);
	if (tt->doc_sent)
		return;
	tt->doc_sent = true;
	tt->doc_call = stbl_doc_create(tt->table, tt->doc, 0);
}

/*
 * Everything a commit of this table refers to is described, and sent, and
 * while it is under way the newest version is looked for.
 *
 * So the description is made on the snapshot of the last statement.  It need
 * not be newer: whatever is published, PREPARED too, is checked and united
 * with the version it is published on, and a vector that was made on an older
 * one is only made again if others have changed the same superfile since.
 */
static void
send_objects(StblTxnTable *tt, bool two_phase)
{
	StblMem    *mem = stbl_mem_in(tt->cxt);
	bool		looked = false;

	send_superfiles(tt);
	if (tt->table->current == NULL || !stbl_snapshot_exists(tt->table->current))
	{
		look(tt);
		looked = true;
	}
	if (two_phase)
	{
		if (looked)
			ensure_table(tt);
		else if (tt->table_id == NULL)
			tt->table_id = MemoryContextStrdup(tt->cxt, tt->table->current->metadata.id);
		take_wal_id(tt);
	}
	if (tt->doc == NULL)
		tt->doc = new_document(tt);
	stbl_new_uuid(tt->dv_uuid);
	stbl_buf_init(&tt->dv_file, mem);
	describe_superfiles(tt, mem, two_phase);
	describe_targets(tt, mem);
	if (stbl_snapshot_exists(tt->table->current))
		columns_to_add(tt, &tt->table->current->schema, &tt->doc->doc.columns);
	if (tt->dv_file.len > 0)
		tt->uploads = lappend(tt->uploads,
							  stbl_store_put_new(tt->table->store,
												 stbl_table_key(tt->table, psprintf("deletion_vector_%s.bin", tt->dv_uuid)),
												 tt->dv_file.data, tt->dv_file.len, 0));
	if (two_phase)
		send_document(tt);
	if (!looked)
		look(tt);
	(void) stbl_settle_owed(tt->table, two_phase, true, 0);
}

static void
await_uploads(StblTxnTable *tt)
{
	ListCell   *lc;

	stbl_txn_finish_uploads(tt);
	foreach(lc, tt->uploads)
	{
		int64		time_us;

		stbl_await_ok(lfirst(lc));
		time_us = Max(stbl_call_object_time(lfirst(lc)), 1);
		tt->oldest_upload_us = tt->oldest_upload_us == 0 ? time_us : Min(tt->oldest_upload_us, time_us);
	}
	tt->uploads = NIL;
}

/* The document is there; that of a load is brought to APPENDED. */
static void
await_document(StblTxnTable *tt)
{
	await_uploads(tt);
	if (tt->doc_call == NULL)
	{
		tt->doc->doc.state = STBL_APPENDED;
		tt->doc_call = stbl_doc_update(tt->table, tt->doc, 0);
	}
	stbl_await_ok(tt->doc_call);
	(void) stbl_doc_finish(tt->doc_call, tt->doc);
}

/* ---- pre-commit ---- */

static int
compare_roots(const ListCell *a, const ListCell *b)
{
	return strcmp(((StblTxnTable *) lfirst(a))->table->root, ((StblTxnTable *) lfirst(b))->table->root);
}

static const char *
operation_name(StblTxnTable *tt)
{
	switch (tt->doc->doc.op_kind)
	{
		case STBL_DELETE:
			return "DELETE";
		case STBL_UPDATE:
			return "UPDATE";
		case STBL_INSERT:
			break;
	}
	return "WRITE";
}

void
stbl_txn_publish_owed(StblTxnTable *tt)
{
	/* Its snapshot need not be looked for a second time. */
	tt->looked = stbl_settle_owed(tt->table, false, false, 0);
}

static void
commit_one_phase(StblTxnTable *tt)
{
	CommitArg	arg;
	char		id[STBL_ID_TEXT];

	send_objects(tt, false);
	await_uploads(tt);
	stbl_publish_lock(tt->table->root);
	stbl_new_wal_id(id);
	memset(&arg, 0, sizeof(arg));
	arg.tt = tt;
	arg.id = id;
	publish(tt, build_one_phase, &arg, operation_name(tt), true);
}

static void
prepare_two_phase(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		send_objects(lfirst(lc), true);
	foreach(lc, tables)
		await_document(lfirst(lc));
	foreach(lc, tables)
		stbl_publish_lock(((StblTxnTable *) lfirst(lc))->table->root);
	foreach(lc, tables)
	{
		StblTxnTable *tt = lfirst(lc);
		CommitArg	arg;

		memset(&arg, 0, sizeof(arg));
		arg.tt = tt;
		if (tt->doc->doc.n_targets > 0 || tt->doc->doc.columns.n_fields > 0)
		{
			tt->prepared_sent = true;
			publish(tt, build_prepared, &arg, "PREPARE", false);
		}
		else
		{
			/* Inserts only look: the table must still be the one they were written for, their objects be there. */
			look(tt);
			if (is_condemned(tt, tt->table->current))
				throw_condemned(tt);
			if (tt->schema != NULL && (schema_conflicts(tt, tt->table->current, &arg.conflict) ||
									   !stbl_txn_schema_fits(tt, &tt->table->current->schema, &arg.schema_err)))
				throw_refused(&arg);
		}
	}
	foreach(lc, tables)
	{
		StblTxnTable *tt = lfirst(lc);

		stbl_witness_insert(tt->wal_id, tt->server_oid, tt->table->root, tt->table_id, tt->role_oid);
	}
	ForceSyncCommit();
}

/*
 * At pre-commit.  Returns true when the transaction was decided by one-phase:
 * it must not fail any more, and interrupts are held.
 */
bool
stbl_txn_precommit(bool one_phase_allowed)
{
	List	   *tables = NIL;
	ListCell   *lc;
	MemoryContext old;
	MemoryContext cxt = NULL;

	foreach(lc, stbl_txn_tables)
	{
		StblTxnTable *tt = lfirst(lc);

		if (stbl_txn_truncation(tt) != NULL)
			stbl_rows_kill(tt, stbl_txn_truncation(tt)->seq);
		if (stbl_txn_table_changed(tt) && has_net_changes(tt))
		{
			stbl_txn_use_store(tt);
			tables = lappend(tables, tt);
			cxt = tt->cxt;
		}
	}
	if (tables == NIL)
		return false;
	list_sort(tables, compare_roots);

	/* Lives until the end of the transaction: calls under way, documents. */
	old = MemoryContextSwitchTo(cxt);
	if (one_phase_allowed && list_length(tables) == 1 && !((StblTxnTable *) linitial(tables))->doc_sent)
	{
		commit_one_phase(linitial(tables));
		MemoryContextSwitchTo(old);
		return true;
	}
	prepare_two_phase(tables);
	MemoryContextSwitchTo(old);
	return false;
}
