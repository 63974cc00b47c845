/*
 * What mutations ask for, as one version (describe.h).
 *
 * Several mutations go into one version; each is checked whole before any of
 * it is described, so that one that cannot be published holds up no other.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/describe.h"

void
stbl_work_fail(StblWork *w, const StblError *err)
{
	w->stage = STBL_STAGE_FAILED;
	w->settle->err = *err;
}

/* ---- what manifest and document say ---- */

typedef struct CheckArg
{
	StblDescribe  *arg;
	StblSnapshot *base;
	StblWork	   *w;
} CheckArg;

static void
look_at_guard(void *arg_p)
{
	CheckArg   *c = arg_p;
	StblGuard	guard;

	c->w->prepared = false;
	if (!stbl_guard_find(c->base, c->w->settle->doc->doc.wal_id, stbl_mem_in(CurrentMemoryContext), &guard))
		return;
	switch (guard.state)
	{
		case STBL_GUARD_APPLIED:
			c->w->stage = STBL_STAGE_PUBLISHED;
			break;
		case STBL_GUARD_ABORTED:
			c->w->forced = true;
			c->w->stage = STBL_STAGE_COMPLETE;
			break;
		case STBL_GUARD_PREPARED:
			c->w->prepared = true;
			break;
	}
}

/* A DELETE is all there in its guard; nothing else can be published without its document. */
static void
take_from_guard(void *arg_p)
{
	CheckArg   *c = arg_p;
	StblStateDoc *doc = &c->w->settle->doc->doc;
	MemoryContext old;
	StblGuard	guard;
	StblError	err;

	if (!stbl_guard_find(c->base, doc->wal_id, stbl_mem_in(c->arg->cxt), &guard) ||
		strcmp(guard.op_kind, stbl_op_kind_name(STBL_DELETE)) != 0)
	{
		stbl_fail(&err, STBL_ERR_CORRUPT, "the state document of the committed mutation %s is missing", doc->wal_id);
		stbl_work_fail(c->w, &err);
		return;
	}
	doc->op_kind = STBL_DELETE;
	doc->table_id = guard.table_id;
	old = MemoryContextSwitchTo(c->arg->cxt);
	doc->has_targets = true;
	doc->targets = stbl_guard_targets(c->base, &guard, &doc->n_targets);
	MemoryContextSwitchTo(old);
}

/* It, not what we were handed, tells whether the mutation is done. */
static void
follow_document(StblDescribe *arg, StblSnapshot *base, StblWork *w, const char *wal_id, StblStatus status, const StblError *err)
{
	StblDoc    *doc = w->settle->doc;
	CheckArg	check = {arg, base, w};
	StblError	why;

	w->read_at = base->version;
	w->tombstones = NULL;
	strlcpy(doc->doc.wal_id, wal_id, sizeof(doc->doc.wal_id));
	switch (status)
	{
		case STBL_ST_OK:
			if (doc->doc.state == STBL_COMPLETE)
			{
				w->stage = STBL_STAGE_COMPLETE;
				w->forced = doc->doc.outcome == STBL_OUTCOME_ROLLED_BACK;
			}
			break;
		case STBL_ST_NOT_FOUND:
			/* Only a complete one is ever deleted; then PREPARED is gone too. */
			if (!w->prepared)
				w->stage = STBL_STAGE_COMPLETE;
			else if (!stbl_survive(take_from_guard, &check, &why))
				stbl_work_fail(w, &why);
			break;
		default:
			stbl_work_fail(w, err);
	}
}

/*
 * Reads documents anew, all in flight.  An owner in its own transaction knows
 * what its document says as long as nobody else has published.
 */
static void
read_documents(StblDescribe *arg, StblSnapshot *base)
{
	const char **ids = palloc(sizeof(char *) * (arg->n + 1));
	StblWork	  **which = palloc(sizeof(StblWork *) * (arg->n + 1));
	StblDoc    *docs;
	StblStatus *status;
	StblError  *errs;
	int			k = 0;

	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];
		bool		known = arg->trusted && base->version == arg->first_base &&
			(w->prepared || (w->settle->doc->doc.n_targets == 0 && w->settle->doc->doc.columns.n_fields == 0));

		if (w->stage != STBL_STAGE_OPEN || known || w->read_at == base->version)
			continue;
		ids[k] = pstrdup(w->settle->doc->doc.wal_id);
		which[k++] = w;
	}
	if (k == 0)
		return;
	docs = palloc(sizeof(StblDoc) * k);
	status = palloc(sizeof(StblStatus) * k);
	errs = palloc(sizeof(StblError) * k);
	stbl_docs_read(arg->table, stbl_mem_in(arg->cxt), ids, k, docs, status, errs, arg->deadline_us);
	for (int i = 0; i < k; i++)
	{
		*which[i]->settle->doc = docs[i];
		follow_document(arg, base, which[i], ids[i], status[i], &errs[i]);
	}
}

/* ---- checks ---- */

/* Statistics must say how many rows there are; ones that are missing are made. */
static bool
check_superfile(StblDescribe *arg, StblSnapshot *base, const char *wal_id, StblDocFile *f, StblError *err)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblJson   *json;
	int64_t		n_rows;

	if (stbl_snapshot_file(base, f->path) != NULL)
		return stbl_fail(err, STBL_ERR_STATE, "superfile \"%s\" of mutation %s is live already", f->path, wal_id);
	if (f->stats == NULL)
		f->stats = stbl_sprintf(stbl_mem_in(arg->cxt), "{\"numRecords\":%lld}", (long long) f->n_rows);
	json = stbl_json_parse(mem, f->stats, strlen(f->stats), err);
	if (json == NULL)
		return false;
	if (!stbl_json_get_int(json, "numRecords", &n_rows) || n_rows != f->n_rows)
		return stbl_fail(err, STBL_ERR_CORRUPT, "statistics of superfile \"%s\" do not say that it has %lld rows",
						 f->path, (long long) f->n_rows);
	if (f->has_dead && (f->dead.storage == 'p' || f->dead.cardinality > f->n_rows))
		return stbl_fail(err, STBL_ERR_CORRUPT, "dead rows of superfile \"%s\" are more than it has, or stored elsewhere", f->path);
	return true;
}

static bool
check_target(StblDescribe *arg, StblSnapshot *base, StblWork *w, int t, StblError *err)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	StblTarget *target = &doc->targets[t];
	StblFile   *file = stbl_snapshot_file(base, target->superfile);

	if (file == NULL)
		return stbl_fail(err, STBL_ERR_STATE, "superfile \"%s\", of which mutation %s deletes rows, is not live any more",
						 target->superfile, doc->wal_id);
	if (target->whole)
	{
		int64		n_live = Max(file->n_rows, 0) - (file->dv != NULL ? file->dv->cardinality : 0);

		/* Its PREPARED has kept everybody off. */
		if (n_live != target->n_rows)
			return stbl_fail(err, STBL_ERR_STATE, "superfile \"%s\", which mutation %s truncates, has changed since",
							 target->superfile, doc->wal_id);
		return true;
	}
	if (w->tombstones[t] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(arg->cxt);

		w->tombstones[t] = stbl_dv_load(arg->table, &target->tombstones, arg->deadline_us);
		stbl_bitmap_own(arg->cxt, w->tombstones[t]);
		MemoryContextSwitchTo(old);
	}
	if (file->n_rows >= 0 && !roaring_bitmap_is_empty(w->tombstones[t]) &&
		roaring_bitmap_maximum(w->tombstones[t]) >= file->n_rows)
		return stbl_fail(err, STBL_ERR_CORRUPT, "mutation %s deletes rows beyond the end of superfile \"%s\"",
						 doc->wal_id, target->superfile);
	/* Read now, where what it throws is this mutation's trouble alone. */
	(void) stbl_file_tombstones(arg->table, file);
	return true;
}

static void
check_work(void *arg_p)
{
	CheckArg   *c = arg_p;
	StblDescribe  *arg = c->arg;
	StblStateDoc *doc = &c->w->settle->doc->doc;
	StblError	err;

	if (!stbl_snapshot_exists(c->base) || (doc->table_id != NULL && strcmp(doc->table_id, c->base->metadata.id) != 0))
	{
		stbl_fail(&err, STBL_ERR_STATE, "mutation %s belongs to another table", doc->wal_id);
		stbl_error_detail(&err, "Table \"%s\" was removed, or removed and created anew, since.", arg->table->root);
		stbl_work_fail(c->w, &err);
		return;
	}
	if (doc->op_kind != STBL_DELETE && !doc->has_superfiles)
	{
		stbl_fail(&err, STBL_ERR_STATE, "the state document of mutation %s does not name its superfiles yet", doc->wal_id);
		stbl_work_fail(c->w, &err);
		return;
	}
	if (!stbl_schema_takes(&c->base->schema, &doc->columns, arg->table->root, &err))
	{
		stbl_work_fail(c->w, &err);
		return;
	}
	for (int i = 0; i < doc->n_superfiles; i++)
		if (!check_superfile(arg, c->base, doc->wal_id, &doc->superfiles[i], &err))
		{
			stbl_work_fail(c->w, &err);
			return;
		}
	if (c->w->tombstones == NULL && doc->n_targets > 0)
		c->w->tombstones = MemoryContextAllocZero(arg->cxt, sizeof(roaring_bitmap_t *) * doc->n_targets);
	for (int i = 0; i < doc->n_targets; i++)
		if (!check_target(arg, c->base, c->w, i, &err))
		{
			stbl_work_fail(c->w, &err);
			return;
		}
}

/* ---- the version ---- */

void
stbl_version_add_doc_file(StblVersion *v, const StblDocFile *file)
{
	StblAdd		add;

	memset(&add, 0, sizeof(add));
	add.path = file->path;
	add.size = file->bytes;
	add.mtime_ms = stbl_now_us() / 1000;
	add.data_change = true;
	add.stats = file->stats;
	add.dv = file->has_dead ? (StblDv *) &file->dead : NULL;
	add.base_row_id = -1;
	add.default_row_commit_version = -1;
	stbl_version_add(v, &add);
}

static void
describe(StblVersion *v, StblWork *w)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	StblGuard	applied;
	StblError	err;

	if (!stbl_version_add_columns(v, &doc->columns, &err))
	{
		stbl_work_fail(w, &err);
		return;
	}
	stbl_version_decides(v, doc->wal_id);
	for (int i = 0; i < doc->n_superfiles; i++)
		stbl_version_add_doc_file(v, &doc->superfiles[i]);
	for (int i = 0; i < doc->n_targets; i++)
		if (doc->targets[i].whole)
			(void) stbl_version_remove(v, doc->targets[i].superfile);
		else
			(void) stbl_version_delete(v, doc->targets[i].superfile, w->tombstones[i], &doc->targets[i].tombstones);
	memset(&applied, 0, sizeof(applied));
	applied.state = STBL_GUARD_APPLIED;
	applied.has_counts = true;
	for (int i = 0; i < doc->n_superfiles; i++)
		applied.n_added += doc->superfiles[i].n_rows -
			(doc->superfiles[i].has_dead ? doc->superfiles[i].dead.cardinality : 0);
	for (int i = 0; i < doc->n_targets; i++)
	{
		applied.n_deleted += doc->targets[i].n_rows;
		applied.was_truncate |= doc->targets[i].whole;
	}
	stbl_version_domain(v, stbl_guard_domain(doc->wal_id), stbl_guard_write(stbl_version_mem(v), &applied));
	w->stage = STBL_STAGE_DESCRIBED;
}

/*
 * A version must not name what is not there.  An owner has stored its
 * superfiles itself; whoever publishes for it looks.
 */
static void
check_presence(StblDescribe *arg)
{
	StblStateDoc **docs = palloc(sizeof(StblStateDoc *) * (arg->n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (arg->n + 1));
	StblWork	  **which = palloc(sizeof(StblWork *) * (arg->n + 1));
	int			k = 0;

	if (arg->trusted || arg->lay_over)
		return;
	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];

		if (w->stage != STBL_STAGE_OPEN || w->present_at == w->settle->doc->doc.revision)
			continue;
		w->present_at = w->settle->doc->doc.revision;
		docs[k] = &w->settle->doc->doc;
		which[k++] = w;
	}
	stbl_check_presence(arg->table, docs, k, errs, arg->deadline_us);
	for (int i = 0; i < k; i++)
		if (errs[i].kind != STBL_ERR_NONE)
			stbl_work_fail(which[i], &errs[i]);
}

typedef struct LoadArg
{
	StblTable  *table;
	StblFile  **files;
	int			n;
} LoadArg;

static void
load_tombstones(void *arg_p)
{
	LoadArg    *a = arg_p;

	stbl_load_tombstones(a->table, a->files, a->n);
}

/*
 * All vectors that the checks will look at, in flight.  What cannot be read
 * is met again there, where it is its own mutation's trouble.
 */
static void
load_vectors(StblDescribe *arg, StblSnapshot *base)
{
	MemoryContext old;
	StblWantedDv *wanted;
	LoadArg		load = {arg->table, NULL, 0};
	StblError	err;
	Size		n = 0;
	int			k = 0;

	for (int i = 0; i < arg->n; i++)
		if (arg->works[i].stage == STBL_STAGE_OPEN)
			n += arg->works[i].settle->doc->doc.n_targets;
	if (n == 0)
		return;
	old = MemoryContextSwitchTo(arg->cxt);
	wanted = palloc_extended(sizeof(StblWantedDv) * n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	load.files = palloc_extended(sizeof(StblFile *) * n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];
		StblStateDoc *doc = &w->settle->doc->doc;

		if (w->stage != STBL_STAGE_OPEN || doc->n_targets == 0)
			continue;
		if (w->tombstones == NULL)
			w->tombstones = palloc0(sizeof(roaring_bitmap_t *) * doc->n_targets);
		for (int t = 0; t < doc->n_targets; t++)
		{
			StblFile   *file = stbl_snapshot_file(base, doc->targets[t].superfile);

			if (doc->targets[t].whole)
				continue;
			if (file != NULL)
				load.files[load.n++] = file;
			if (w->tombstones[t] != NULL)
				continue;
			wanted[k].dv = &doc->targets[t].tombstones;
			wanted[k++].out = &w->tombstones[t];
		}
	}
	stbl_dvs_load(arg->table, wanted, k, arg->deadline_us);
	(void) stbl_survive(load_tombstones, &load, &err);
	pfree(wanted);
	pfree(load.files);
	MemoryContextSwitchTo(old);
}

/* Markers of finished mutations go with any version that follows. */
static void
remove_markers(StblVersion *v, StblDescribe *arg)
{
	if (arg->lay_over)
		return;
	if (arg->trusted)
		stbl_settle_owner_markers(v, arg->deadline_us);
	else
		(void) stbl_settle_remove_markers(v, STBL_MAX_REMOVALS, arg->deadline_us);
}

StblBuild
stbl_describe(StblVersion *v, void *arg_p)
{
	StblDescribe  *arg = arg_p;
	StblSnapshot *base = stbl_version_base(v);
	bool		any = false;
	StblError	err;

	if (arg->first_base == -2)
		arg->first_base = base->version;
	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];
		CheckArg	check = {arg, base, w};

		if (w->stage == STBL_STAGE_DESCRIBED)
			w->stage = STBL_STAGE_OPEN;
		if (w->stage == STBL_STAGE_OPEN && !stbl_survive(look_at_guard, &check, &err))
			stbl_work_fail(w, &err);
	}
	read_documents(arg, base);
	check_presence(arg);
	load_vectors(arg, base);
	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];
		CheckArg	check = {arg, base, w};

		if (w->stage != STBL_STAGE_OPEN)
			continue;
		if (!stbl_survive(check_work, &check, &err))
			stbl_work_fail(w, &err);
		if (w->stage == STBL_STAGE_OPEN)
			describe(v, w);
		any = any || w->stage == STBL_STAGE_DESCRIBED;
	}
	if (!any)
		return STBL_BUILD_NOTHING;
	remove_markers(v, arg);
	return STBL_BUILD_PUBLISH;
}

bool
stbl_settle_check(StblTable *table, StblSnapshot *base, StblDoc *doc, StblError *err)
{
	StblDescribe	arg;
	StblSettle	settle;
	StblWork		work;
	CheckArg	check = {&arg, base, &work};

	memset(&arg, 0, sizeof(arg));
	memset(&settle, 0, sizeof(settle));
	memset(&work, 0, sizeof(work));
	arg.table = table;
	arg.cxt = CurrentMemoryContext;
	settle.doc = doc;
	work.settle = &settle;
	if (!stbl_survive(check_work, &check, err))
		return false;
	if (work.stage == STBL_STAGE_FAILED)
		*err = settle.err;
	return work.stage != STBL_STAGE_FAILED;
}

