/* The publishing loop (publish.h) and the conflict check. */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/json.h"
#include "common/pgmem.h"
#include "delta/log.h"
#include "delta/version_int.h"

/* What the visitor looks for while versions are read. */
typedef struct SeenArg
{
	List	   *ids;			/* what the versions we tried decide */
	bool		found;
	int64		version;
} SeenArg;

static void
look_for_ids(StblTable *table, int64_t version, const StblActions *actions, void *arg)
{
	SeenArg    *seen = arg;
	ListCell   *lc;

	if (!actions->has_commit_info)
		return;
	foreach(lc, seen->ids)
		for (int i = 0; i < actions->commit_info.n_decides; i++)
			if (strcmp(actions->commit_info.decides[i], lfirst(lc)) == 0)
			{
				seen->found = true;
				seen->version = version;
			}
}

static void
refresh_watching(StblTable *table, SeenArg *seen, int64 deadline_us)
{
	StblVersionVisitor visitor = table->visitor;
	void	   *visitor_arg = table->visitor_arg;

	table->visitor = look_for_ids;
	table->visitor_arg = seen;
	PG_TRY();
	{
		(void) stbl_snapshot_refresh(table, deadline_us);
	}
	PG_FINALLY();
	{
		table->visitor = visitor;
		table->visitor_arg = visitor_arg;
	}
	PG_END_TRY();
}

typedef struct AppliedArg
{
	StblTable  *table;
	StblBuf    *text;
	const char *etag;
} AppliedArg;

static void
apply_published(void *arg)
{
	AppliedArg *a = arg;

	stbl_snapshot_applied(a->table, (char *) a->text->data, a->text->len, a->etag);
}

/* What has been published stands, whatever becomes of our cached snapshot. */
static void
note_published(StblTable *table, StblBuf *text, const char *etag)
{
	AppliedArg	arg = {table, text, etag};
	StblError	err;

	if (!stbl_guarded(apply_published, &arg, &err))
		stbl_snapshot_forget(table);
	stbl_stat_count(table->root, STBL_STAT_COMMIT);
}

/* Stores the version's vector file and awaits everything it refers to. */
static void
await_objects(StblPublish *p, StblVersion *v, int64 deadline_us)
{
	StblCall   *call = NULL;

	if (v->dv_file.len > 0)
	{
		char	   *name = psprintf("deletion_vector_%s.bin", v->dv_uuid);

		call = stbl_store_put_new(p->table->store, stbl_table_key(p->table, name),
								  v->dv_file.data, v->dv_file.len, deadline_us);
	}
	for (int i = 0; i < p->n_uploads; i++)
		stbl_await_ok(p->uploads[i]);
	if (call != NULL)
		stbl_await_ok(call);
}

typedef struct LateArg
{
	StblTable  *table;
	int64		version;
	const char *version_id;
	bool		committed;
} LateArg;

static void
look_at_previous(int64_t version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	LateArg    *a = arg;

	a->committed = actions->has_commit_info && actions->commit_info.previous != NULL &&
		strcmp(actions->commit_info.previous, a->version_id) == 0;
}

/*
 * Clean-up may have freed the number: then the version stands where nobody
 * looks.  Architecture, "Stale writers".
 */
static void
judge_late(void *arg)
{
	LateArg    *a = arg;
	StblLog		log;

	stbl_log_list(a->table, &log);
	a->committed = stbl_log_last(&log) <= a->version;
	if (!a->committed)
		(void) stbl_log_read_versions(a->table, a->version + 1, a->version + 1, look_at_previous, a);
	if (!a->committed)
		stbl_await_ok(stbl_store_delete(a->table->store, stbl_version_key(a->table, a->version), 0));
}

/*
 * The PUT has succeeded.  Whether that committed the version is certain if
 * its base was the newest a short while ago; else it is looked up.  Returns
 * false with err set where the storage does not tell.
 */
static bool
is_committed(StblPublish *p, StblVersion *v, bool *committed)
{
	LateArg		arg = {p->table, p->version, v->version_id, true};
	StblMoment	now = stbl_moment(p->table->store);

	*committed = true;
	if (v->base->version < 0 || stbl_moment_elapsed(&p->table->looked, &now) <= STBL_STALE_US)
		return true;
	if (!stbl_guarded(judge_late, &arg, &p->err))
		return false;
	*committed = arg.committed;
	return true;
}

/*
 * One attempt on table->current.  Returns false when the slot was taken, so
 * that the loop reads what took it and comes again.
 */
static bool
attempt(StblPublish *p, SeenArg *seen, MemoryContext ids_cxt, int64 deadline_us, StblPublished *result)
{
	StblVersion *v = stbl_version_begin(p->table, p->table->current, p->operation);
	StblBuf		text;
	StblCall   *call;
	MemoryContext old;
	ListCell   *lc;
	StblMoment	sent;
	bool		committed;

	switch (p->build(v, p->arg))
	{
		case STBL_BUILD_NOTHING:
			*result = STBL_PUBLISH_NOTHING;
			return true;
		case STBL_BUILD_REFUSE:
			*result = STBL_PUBLISH_REFUSED;
			return true;
		case STBL_BUILD_PUBLISH:
			break;
	}
	stbl_version_finish(v);
	await_objects(p, v, deadline_us);

	stbl_buf_init(&text, v->mem);
	stbl_version_text(v, &text);
	old = MemoryContextSwitchTo(ids_cxt);
	foreach(lc, v->decides)
		seen->ids = lappend(seen->ids, pstrdup(lfirst(lc)));
	MemoryContextSwitchTo(old);

	CHECK_FOR_INTERRUPTS();
	if (p->deciding)
		HOLD_INTERRUPTS();
	p->version = v->base->version + 1;
	sent = stbl_moment(p->table->store);
	call = stbl_store_put_new(p->table->store, stbl_version_key(p->table, p->version),
							  text.data, text.len, deadline_us);
	switch (stbl_await(call))
	{
		case STBL_ST_OK:
			if (!is_committed(p, v, &committed))
			{
				*result = STBL_PUBLISH_UNKNOWN;
				return true;
			}
			if (!committed)
			{
				/* What this session knew of the log is long gone. */
				if (p->deciding)
					RESUME_INTERRUPTS();
				stbl_snapshot_forget(p->table);
				stbl_stat_count(p->table->root, STBL_STAT_CAS_LOST);
				return false;
			}
			note_published(p->table, &text, call->req.new_etag);
			p->table->looked = sent;
			*result = STBL_PUBLISHED;
			return true;
		case STBL_ST_UNKNOWN:
			stbl_call_error(call, &p->err);
			*result = STBL_PUBLISH_UNKNOWN;
			return true;
		case STBL_ST_PRECONDITION:
			if (p->deciding)
				RESUME_INTERRUPTS();
			stbl_stat_count(p->table->root, STBL_STAT_CAS_LOST);
			return false;
		default:
			if (p->deciding)
				RESUME_INTERRUPTS();
			stbl_call_error(call, &p->err);
			*result = STBL_PUBLISH_FAILED;
			return true;
	}
}

StblPublished
stbl_publish(StblPublish *p)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable publish", ALLOCSET_DEFAULT_SIZES);
	int64		deadline_us = p->deadline_us ? p->deadline_us :
		stbl_now_us() + (int64) stbl_retry_deadline_ms * 1000;
	SeenArg		seen = {NIL, false, 0};
	StblPublished result = STBL_PUBLISH_NOTHING;

	memset(&p->err, 0, sizeof(p->err));
	/* before interrupts are held for a deciding PUT that is the first write of all */
	stbl_store_require(p->table->store);
	MemoryContextSwitchTo(cxt);
	for (int n_attempts = 0;; n_attempts++)
	{
		if (n_attempts > 0 || p->refresh_first || p->table->current == NULL)
		{
			p->table->gap = false;
			p->table->replaced = false;
			refresh_watching(p->table, &seen, deadline_us);
			if (seen.found)
			{
				p->version = seen.version;
				result = STBL_PUBLISHED_BEFORE;
				break;
			}
			if (n_attempts > 0 && (p->table->gap || p->table->replaced))
			{
				stbl_fail(&p->err, STBL_ERR_CONFLICT, "could not follow the log of table \"%s\"", p->table->root);
				stbl_error_detail(&p->err, "%s", p->table->replaced ?
								  "The table was removed, or removed and created anew." :
								  "Versions that this transaction had to read have been cleaned up.");
				result = STBL_PUBLISH_GAP;
				break;
			}
		}
		{
			MemoryContext try_cxt = AllocSetContextCreate(cxt, "supertable publish attempt", ALLOCSET_DEFAULT_SIZES);
			bool		done;

			MemoryContextSwitchTo(try_cxt);
			done = attempt(p, &seen, cxt, deadline_us, &result);
			MemoryContextSwitchTo(cxt);
			MemoryContextDelete(try_cxt);
			if (done)
				break;
		}
		if (stbl_now_us() > deadline_us)
		{
			stbl_fail(&p->err, STBL_ERR_CONFLICT, "could not publish a version of table \"%s\" in time", p->table->root);
			stbl_error_detail(&p->err, "Other writers took the next version %d times.", n_attempts + 1);
			result = STBL_PUBLISH_FAILED;
			break;
		}
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
	return result;
}

/* ---- conflicts ---- */

StblUndecided *
stbl_undecided(const StblSnapshot *snapshot)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	int			n;
	StblDomain *domains = stbl_snapshot_domains(snapshot, STBL_GUARD_PREFIX, &n);
	StblUndecided *u = palloc(sizeof(StblUndecided));

	u->n = 0;
	u->wal_ids = palloc(sizeof(char *) * (n + 1));
	u->guards = palloc(sizeof(StblGuard) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		StblError	err;

		if (!stbl_guard_parse(mem, domains[i].configuration, &u->guards[u->n], &err))
			stbl_throw(&err);
		if (u->guards[u->n].state == STBL_GUARD_PREPARED)
			u->wal_ids[u->n++] = domains[i].domain + strlen(STBL_GUARD_PREFIX);
	}
	return u;
}

/* Undecided mutations but own_id. */
static StblUndecided *
undecided_others(StblSnapshot *snapshot, const char *own_id)
{
	StblUndecided *u = stbl_undecided(snapshot);
	int			n = 0;

	for (int i = 0; i < u->n; i++)
		if (own_id == NULL || strcmp(u->wal_ids[i], own_id) != 0)
		{
			u->guards[n] = u->guards[i];
			u->wal_ids[n++] = u->wal_ids[i];
		}
	u->n = n;
	return u;
}

static bool
blame(StblConflict *conflict, const StblGuard *guard, const char *wal_id)
{
	conflict->kind = STBL_CONFLICT_PREPARED;
	strlcpy(conflict->wal_id, wal_id, sizeof(conflict->wal_id));
	conflict->coordinator = guard->coordinator;
	return true;
}

/* Whether an undecided mutation holds any of the rows. */
static bool
guard_holds(StblTable *table, const StblGuard *guard, const StblFile *file, const roaring_bitmap_t *rows)
{
	if (guard->truncates >= 0 && stbl_file_was_live(file, guard->truncates))
		return true;
	for (int i = 0; i < guard->n_targets; i++)
	{
		const StblTarget *t = &guard->targets[i];
		roaring_bitmap_t *theirs;
		bool		meets;

		if (strcmp(t->superfile, file->path) != 0)
			continue;
		if (t->whole)
			return true;
		theirs = stbl_dv_load(table, &t->tombstones, 0);
		meets = roaring_bitmap_intersect(theirs, rows);
		roaring_bitmap_free(theirs);
		if (meets)
			return true;
	}
	return false;
}

bool
stbl_conflict_check(StblTable *table, StblSnapshot *snapshot, const char *path,
					const roaring_bitmap_t *rows, const char *own_id, StblUndecided **undecided, StblConflict *conflict)
{
	StblFile   *file = stbl_snapshot_file(snapshot, path);
	const roaring_bitmap_t *gone;

	memset(conflict, 0, sizeof(*conflict));
	if (file == NULL)
	{
		conflict->kind = STBL_CONFLICT_GONE;
		return false;
	}
	gone = stbl_file_tombstones(table, file);
	if (gone != NULL && roaring_bitmap_intersect(gone, rows))
	{
		conflict->kind = STBL_CONFLICT_CHANGED;
		return false;
	}
	if (*undecided == NULL)
		*undecided = stbl_undecided(snapshot);
	for (int i = 0; i < (*undecided)->n; i++)
	{
		const char *wal_id = (*undecided)->wal_ids[i];
		const StblGuard *guard = &(*undecided)->guards[i];

		if ((own_id == NULL || strcmp(wal_id, own_id) != 0) && guard_holds(table, guard, file, rows))
			return !blame(conflict, guard, wal_id);
	}
	return true;
}

bool
stbl_schema_is_held(StblSnapshot *snapshot, const char *own_id, StblConflict *conflict)
{
	StblUndecided *u = undecided_others(snapshot, own_id);

	for (int i = 0; i < u->n; i++)
		if (u->guards[i].columns.n_fields > 0)
			return blame(conflict, &u->guards[i], u->wal_ids[i]);
	return false;
}

/* ---- TRUNCATE ---- */

static int64
n_tombstones(const StblFile *file)
{
	return file->dv != NULL ? file->dv->cardinality : 0;
}

/* Whether an undecided mutation holds rows of a superfile that a TRUNCATE has seen. */
static bool
guard_holds_any(const StblGuard *guard, const StblSnapshot *seen)
{
	for (int i = 0; i < guard->n_targets; i++)
		if (stbl_snapshot_file(seen, guard->targets[i].superfile) != NULL)
			return true;
	if (guard->truncates >= 0)
		for (StblFile *f = seen->first; f != NULL; f = f->next)
			if (stbl_file_was_live(f, guard->truncates))
				return true;
	return false;
}

bool
stbl_truncate_check(StblTable *table, const StblSnapshot *seen, StblSnapshot *snapshot, const char *own_id,
					StblConflict *conflict, const char **path)
{
	StblUndecided *u;

	memset(conflict, 0, sizeof(*conflict));
	for (StblFile *f = seen->first; f != NULL; f = f->next)
	{
		StblFile   *now = stbl_snapshot_file(snapshot, f->path);

		*path = f->path;
		if (now == NULL)
			conflict->kind = STBL_CONFLICT_GONE;
		else if (n_tombstones(now) != n_tombstones(f))
			conflict->kind = STBL_CONFLICT_CHANGED;	/* they only grow */
		if (conflict->kind != STBL_CONFLICT_NONE)
			return false;
	}
	u = undecided_others(snapshot, own_id);
	for (int i = 0; i < u->n; i++)
		if (guard_holds_any(&u->guards[i], seen))
			return !blame(conflict, &u->guards[i], u->wal_ids[i]);
	return true;
}

StblTarget *
stbl_truncate_targets(const StblSnapshot *snapshot, int64_t version, int *n_targets)
{
	StblTarget *targets = palloc_extended(sizeof(StblTarget) * ((Size) snapshot->n_files + 1),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	*n_targets = 0;
	for (StblFile *f = snapshot->first; f != NULL; f = f->next)
		if (stbl_file_was_live(f, version))
		{
			StblTarget *t = &targets[(*n_targets)++];

			t->superfile = pstrdup(f->path);
			t->base_row_id = f->base_row_id;
			t->whole = true;
			t->n_rows = Max(f->n_rows, 0) - n_tombstones(f);
		}
	return targets;
}
