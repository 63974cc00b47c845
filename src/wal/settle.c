/*
 * Carrying out what decided mutations ask for (settle.h has the order that
 * makes it safe).
 *
 * Several mutations go into one version; each is checked whole before any of
 * it is described, so that one that cannot be published holds up no other.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define COMPLETE_TRIES 20
#define GAP_TRIES 3

/* Where one mutation stands while a version for several is described. */
typedef enum Stage
{
	STAGE_OPEN,					/* to be published */
	STAGE_DESCRIBED,			/* in the version at hand */
	STAGE_PUBLISHED,			/* now, or found to have been */
	STAGE_COMPLETE,				/* its document says so */
	STAGE_FAILED				/* err says why */
} Stage;

typedef struct Work
{
	StblSettle *settle;
	Stage		stage;
	bool		forced;
	bool		prepared;		/* the base has its PREPARED */
	int64		read_at;		/* base version after which the document was read; -2: not yet */
	int64		present_at;		/* revision whose superfiles were found on storage; -2: none */
	roaring_bitmap_t **tombstones;	/* of its targets, loaded once */
} Work;

typedef struct CommitArg
{
	StblTable  *table;
	MemoryContext cxt;			/* outlives the attempts */
	Work	   *works;
	int			n;
	bool		trusted;
	bool		refresh_first;
	int64		first_base;		/* version of the first attempt's base; -2: none yet */
	int64		deadline_us;
} CommitArg;

char *
stbl_guard_domain(const char *wal_id)
{
	return psprintf(STBL_GUARD_PREFIX "%s", wal_id);
}

bool
stbl_guard_find(const StblSnapshot *snapshot, const char *wal_id, StblMem *mem, StblGuard *guard)
{
	const char *config = stbl_snapshot_domain(snapshot, stbl_guard_domain(wal_id));
	StblError	err;

	if (config == NULL)
		return false;
	if (!stbl_guard_parse(mem, config, guard, &err))
		stbl_throw(&err);
	return true;
}

/* The targets of a PREPARED, in full: those of a TRUNCATE it names by their version. */
StblTarget *
stbl_guard_targets(const StblSnapshot *snapshot, const StblGuard *guard, int *n_targets)
{
	int			n_whole;
	StblTarget *whole;

	*n_targets = guard->n_targets;
	if (guard->truncates < 0)
		return guard->targets;
	whole = stbl_truncate_targets(snapshot, guard->truncates, &n_whole);
	whole = repalloc_huge(whole, sizeof(StblTarget) * ((Size) n_whole + guard->n_targets + 1));
	for (int i = 0; i < guard->n_targets; i++)
		whole[n_whole++] = guard->targets[i];
	*n_targets = n_whole;
	return whole;
}

static void
fail_work(Work *w, const StblError *err)
{
	w->stage = STAGE_FAILED;
	w->settle->err = *err;
}

/* ---- what manifest and document say ---- */

typedef struct CheckArg
{
	CommitArg  *arg;
	StblSnapshot *base;
	Work	   *w;
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
			c->w->stage = STAGE_PUBLISHED;
			break;
		case STBL_GUARD_ABORTED:
			c->w->forced = true;
			c->w->stage = STAGE_COMPLETE;
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
		fail_work(c->w, &err);
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
follow_document(CommitArg *arg, StblSnapshot *base, Work *w, const char *wal_id, StblStatus status, const StblError *err)
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
				w->stage = STAGE_COMPLETE;
				w->forced = doc->doc.outcome == STBL_OUTCOME_ROLLED_BACK;
			}
			break;
		case STBL_ST_NOT_FOUND:
			/* Only a complete one is ever deleted; then PREPARED is gone too. */
			if (!w->prepared)
				w->stage = STAGE_COMPLETE;
			else if (!stbl_survive(take_from_guard, &check, &why))
				fail_work(w, &why);
			break;
		default:
			fail_work(w, err);
	}
}

/*
 * Reads documents anew, all in flight.  An owner in its own transaction knows
 * what its document says as long as nobody else has published.
 */
static void
read_documents(CommitArg *arg, StblSnapshot *base)
{
	const char **ids = palloc(sizeof(char *) * (arg->n + 1));
	Work	  **which = palloc(sizeof(Work *) * (arg->n + 1));
	StblDoc    *docs;
	StblStatus *status;
	StblError  *errs;
	int			k = 0;

	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];
		bool		known = arg->trusted && base->version == arg->first_base &&
			(w->prepared || (w->settle->doc->doc.n_targets == 0 && w->settle->doc->doc.columns.n_fields == 0));

		if (w->stage != STAGE_OPEN || known || w->read_at == base->version)
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
check_superfile(CommitArg *arg, StblSnapshot *base, const char *wal_id, StblDocFile *f, StblError *err)
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
check_target(CommitArg *arg, StblSnapshot *base, Work *w, int t, StblError *err)
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
	CommitArg  *arg = c->arg;
	StblStateDoc *doc = &c->w->settle->doc->doc;
	StblError	err;

	if (!stbl_snapshot_exists(c->base) || (doc->table_id != NULL && strcmp(doc->table_id, c->base->metadata.id) != 0))
	{
		stbl_fail(&err, STBL_ERR_STATE, "mutation %s belongs to another table", doc->wal_id);
		stbl_error_detail(&err, "Table \"%s\" was removed, or removed and created anew, since.", arg->table->root);
		fail_work(c->w, &err);
		return;
	}
	if (doc->op_kind != STBL_DELETE && !doc->has_superfiles)
	{
		stbl_fail(&err, STBL_ERR_STATE, "the state document of mutation %s does not name its superfiles yet", doc->wal_id);
		fail_work(c->w, &err);
		return;
	}
	if (!stbl_schema_takes(&c->base->schema, &doc->columns, arg->table->root, &err))
	{
		fail_work(c->w, &err);
		return;
	}
	for (int i = 0; i < doc->n_superfiles; i++)
		if (!check_superfile(arg, c->base, doc->wal_id, &doc->superfiles[i], &err))
		{
			fail_work(c->w, &err);
			return;
		}
	if (c->w->tombstones == NULL && doc->n_targets > 0)
		c->w->tombstones = MemoryContextAllocZero(arg->cxt, sizeof(roaring_bitmap_t *) * doc->n_targets);
	for (int i = 0; i < doc->n_targets; i++)
		if (!check_target(arg, c->base, c->w, i, &err))
		{
			fail_work(c->w, &err);
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
describe(StblVersion *v, Work *w)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	StblGuard	applied;
	StblError	err;

	if (!stbl_version_add_columns(v, &doc->columns, &err))
	{
		fail_work(w, &err);
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
	w->stage = STAGE_DESCRIBED;
}

/*
 * A version must not name what is not there.  An owner has stored its
 * superfiles itself; whoever publishes for it looks.
 */
static void
check_presence(CommitArg *arg)
{
	StblStateDoc **docs = palloc(sizeof(StblStateDoc *) * (arg->n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (arg->n + 1));
	Work	  **which = palloc(sizeof(Work *) * (arg->n + 1));
	int			k = 0;

	if (arg->trusted)
		return;
	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];

		if (w->stage != STAGE_OPEN || w->present_at == w->settle->doc->doc.revision)
			continue;
		w->present_at = w->settle->doc->doc.revision;
		docs[k] = &w->settle->doc->doc;
		which[k++] = w;
	}
	stbl_check_presence(arg->table, docs, k, errs, arg->deadline_us);
	for (int i = 0; i < k; i++)
		if (errs[i].kind != STBL_ERR_NONE)
			fail_work(which[i], &errs[i]);
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
load_vectors(CommitArg *arg, StblSnapshot *base)
{
	MemoryContext old;
	StblWantedDv *wanted;
	LoadArg		load = {arg->table, NULL, 0};
	StblError	err;
	Size		n = 0;
	int			k = 0;

	for (int i = 0; i < arg->n; i++)
		if (arg->works[i].stage == STAGE_OPEN)
			n += arg->works[i].settle->doc->doc.n_targets;
	if (n == 0)
		return;
	old = MemoryContextSwitchTo(arg->cxt);
	wanted = palloc_extended(sizeof(StblWantedDv) * n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	load.files = palloc_extended(sizeof(StblFile *) * n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];
		StblStateDoc *doc = &w->settle->doc->doc;

		if (w->stage != STAGE_OPEN || doc->n_targets == 0)
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
remove_markers(StblVersion *v, CommitArg *arg)
{
	if (arg->trusted)
		stbl_settle_owner_markers(v, arg->deadline_us);
	else
		(void) stbl_settle_remove_markers(v, STBL_MAX_REMOVALS, arg->deadline_us);
}

static StblBuild
build_commit(StblVersion *v, void *arg_p)
{
	CommitArg  *arg = arg_p;
	StblSnapshot *base = stbl_version_base(v);
	bool		any = false;
	StblError	err;

	if (arg->first_base == -2)
		arg->first_base = base->version;
	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];
		CheckArg	check = {arg, base, w};

		if (w->stage == STAGE_DESCRIBED)
			w->stage = STAGE_OPEN;
		if (w->stage == STAGE_OPEN && !stbl_survive(look_at_guard, &check, &err))
			fail_work(w, &err);
	}
	read_documents(arg, base);
	check_presence(arg);
	load_vectors(arg, base);
	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];
		CheckArg	check = {arg, base, w};

		if (w->stage != STAGE_OPEN)
			continue;
		if (!stbl_survive(check_work, &check, &err))
			fail_work(w, &err);
		if (w->stage == STAGE_OPEN)
			describe(v, w);
		any = any || w->stage == STAGE_DESCRIBED;
	}
	if (!any)
		return STBL_BUILD_NOTHING;
	remove_markers(v, arg);
	return STBL_BUILD_PUBLISH;
}

bool
stbl_settle_check(StblTable *table, StblSnapshot *base, StblDoc *doc, StblError *err)
{
	CommitArg	arg;
	StblSettle	settle;
	Work		work;
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
	if (work.stage == STAGE_FAILED)
		*err = settle.err;
	return work.stage != STAGE_FAILED;
}

static void
end_described(CommitArg *arg, const StblError *err)
{
	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];

		if (err == NULL && w->stage == STAGE_DESCRIBED)
			w->stage = STAGE_PUBLISHED;
		else if (err != NULL && (w->stage == STAGE_DESCRIBED || w->stage == STAGE_OPEN))
			fail_work(w, err);
	}
}

/* Publishes until nothing is open any more. */
static void
publish_all(CommitArg *arg)
{
	for (;;)
	{
		StblPublish p;

		memset(&p, 0, sizeof(p));
		p.table = arg->table;
		p.build = build_commit;
		p.arg = arg;
		p.operation = "WRITE";
		p.refresh_first = arg->refresh_first;
		p.deadline_us = arg->deadline_us;
		switch (stbl_publish(&p))
		{
			case STBL_PUBLISH_NOTHING:
			case STBL_PUBLISH_REFUSED:
				return;
			case STBL_PUBLISHED:
				end_described(arg, NULL);
				return;
			case STBL_PUBLISHED_BEFORE:
				if (arg->n == 1)
				{
					end_described(arg, NULL);
					return;
				}
				break;
			case STBL_PUBLISH_GAP:
				break;
			case STBL_PUBLISH_UNKNOWN:
			case STBL_PUBLISH_FAILED:
				end_described(arg, &p.err);
				return;
		}

		/* The decision stands: start afresh, from storage alone. */
		arg->trusted = false;
		arg->refresh_first = true;
		if (arg->deadline_us != 0 && stbl_now_us() > arg->deadline_us)
		{
			stbl_fail(&p.err, STBL_ERR_CONFLICT, "could not publish a version of table \"%s\" in time", arg->table->root);
			end_described(arg, &p.err);
			return;
		}
	}
}

/* ---- documents to COMPLETE ---- */

/*
 * Brings a document to COMPLETE.  call is the first CAS, under way, or NULL;
 * a lost one is followed by what the document says now.
 */
static bool
complete_document(StblTable *table, StblDoc *doc, StblOutcome outcome, StblCall *call, int64 deadline_us, bool *contradicts)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	char		wal_id[STBL_ID_TEXT];
	StblDoc		now;

	strlcpy(wal_id, doc->doc.wal_id, sizeof(wal_id));
	*contradicts = false;
	for (int tries = 0; tries < COMPLETE_TRIES; tries++)
	{
		StblStatus	status;
		StblError	err;

		if (call != NULL)
		{
			status = stbl_doc_finish(call, doc);
			if (status == STBL_ST_OK)
			{
				stbl_note_complete(table, &doc->doc);
				return true;
			}
			if (status != STBL_ST_PRECONDITION)
				return false;
		}
		status = stbl_doc_read(table, mem, wal_id, &now, deadline_us, &err);
		if (status == STBL_ST_NOT_FOUND)
			return true;		/* what is known of it stays, to be counted */
		if (status != STBL_ST_OK)
			return false;
		*doc = now;
		if (doc->doc.state == STBL_COMPLETE)
		{
			*contradicts = doc->doc.outcome != STBL_OUTCOME_NONE && doc->doc.outcome != outcome;
			return true;
		}
		doc->doc.state = STBL_COMPLETE;
		doc->doc.outcome = outcome;
		call = stbl_doc_update(table, doc, deadline_us);
	}
	return false;
}

static StblCall *
submit_complete(StblTable *table, StblDoc *doc, StblOutcome outcome, int64 deadline_us)
{
	if (!doc->exists || doc->doc.state == STBL_COMPLETE)
		return NULL;
	doc->doc.state = STBL_COMPLETE;
	doc->doc.outcome = outcome;
	return stbl_doc_update(table, doc, deadline_us);
}

void
stbl_settle_commit(StblTable *table, StblSettle *settles, int n, bool trusted, int64 deadline_us)
{
	CommitArg	arg;
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	int			sent = 0;

	memset(&arg, 0, sizeof(arg));
	arg.table = table;
	arg.cxt = CurrentMemoryContext;
	arg.works = palloc0(sizeof(Work) * (n + 1));
	arg.n = n;
	arg.trusted = trusted;
	arg.refresh_first = false;
	arg.first_base = -2;
	arg.deadline_us = deadline_us;
	for (int i = 0; i < n; i++)
	{
		arg.works[i].settle = &settles[i];
		arg.works[i].read_at = settles[i].is_read ? table->current->version : -2;
		arg.refresh_first = arg.refresh_first || !(trusted || settles[i].is_read);
		arg.works[i].present_at = -2;
		if (trusted)
			arg.works[i].tombstones = settles[i].vectors;
		settles[i].result = STBL_SETTLE_OWED;
	}
	publish_all(&arg);

	for (int i = 0; i < n; i++)
	{
		bool		contradicts;

		for (; sent < n && sent < i + STBL_WAL_IN_FLIGHT; sent++)
			if (arg.works[sent].stage == STAGE_PUBLISHED)
				calls[sent] = submit_complete(table, settles[sent].doc, STBL_OUTCOME_COMMITTED, deadline_us);
		switch (arg.works[i].stage)
		{
			case STAGE_PUBLISHED:
				settles[i].result = STBL_SETTLED_OPEN;
				if (complete_document(table, settles[i].doc, STBL_OUTCOME_COMMITTED, calls[i], deadline_us, &contradicts))
					settles[i].result = contradicts ? STBL_SETTLE_FORCED : STBL_SETTLED;
				break;
			case STAGE_COMPLETE:
				settles[i].result = arg.works[i].forced ? STBL_SETTLE_FORCED : STBL_SETTLED;
				break;
			default:
				break;
		}
		if (settles[i].result == STBL_SETTLE_FORCED)
			stbl_fail(&settles[i].err, STBL_ERR_STATE, "mutation %s was forced to roll back", settles[i].doc->doc.wal_id);
	}
}

/* ---- rolling back ---- */

typedef struct RollbackArg
{
	StblSettle *settles;
	bool	   *applied;		/* somebody forced it to commit */
	int			n;
} RollbackArg;

/* A version is published even where nothing is to be removed: it takes the slot of a late PUT. */
static StblBuild
build_rollback(StblVersion *v, void *arg_p)
{
	RollbackArg *arg = arg_p;

	/* No table, no slot: version 0 is made with protocol and metadata, or not at all. */
	if (stbl_version_base(v)->version < 0)
		return STBL_BUILD_NOTHING;
	for (int i = 0; i < arg->n; i++)
	{
		const char *wal_id = arg->settles[i].doc->doc.wal_id;
		StblGuard	guard;

		arg->applied[i] = false;
		if (!stbl_guard_find(stbl_version_base(v), wal_id, stbl_version_mem(v), &guard))
			continue;
		if (guard.state == STBL_GUARD_PREPARED)
			stbl_version_domain(v, stbl_guard_domain(wal_id), NULL);
		else if (guard.state == STBL_GUARD_APPLIED)
			arg->applied[i] = true;
	}
	return STBL_BUILD_PUBLISH;
}

void
stbl_settle_rollback(StblTable *table, StblSettle *settles, int n, bool sent, int64 deadline_us)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	RollbackArg arg = {settles, palloc0(sizeof(bool) * (n + 1)), n};
	bool		removed = true;
	int			n_gaps = 0;
	int			n_sent = 0;
	StblError	err;

	memset(&err, 0, sizeof(err));
	if (sent)
	{
		StblPublish p;
		StblPublished result;

		memset(&p, 0, sizeof(p));
		p.table = table;
		p.build = build_rollback;
		p.arg = &arg;
		p.operation = "ROLLBACK";
		p.refresh_first = true;
		p.deadline_us = deadline_us;
		/* A gap does not matter here: the newest snapshot says all that is needed. */
		do
		{
			result = stbl_publish(&p);
		} while (result == STBL_PUBLISH_GAP && ++n_gaps < GAP_TRIES);
		removed = result == STBL_PUBLISHED || result == STBL_PUBLISH_NOTHING;
		err = p.err;
	}
	for (int i = 0; i < n; i++)
	{
		bool		contradicts;

		settles[i].result = STBL_SETTLE_OWED;
		settles[i].err = err;
		if (!removed)
			continue;
		for (; n_sent < n && n_sent < i + STBL_WAL_IN_FLIGHT; n_sent++)
			if (!arg.applied[n_sent])
				calls[n_sent] = submit_complete(table, settles[n_sent].doc, STBL_OUTCOME_ROLLED_BACK, deadline_us);
		if (arg.applied[i])
		{
			settles[i].result = STBL_SETTLE_FORCED;
			stbl_fail(&settles[i].err, STBL_ERR_STATE, "mutation %s was forced to commit", settles[i].doc->doc.wal_id);
		}
		else if (calls[i] == NULL && settles[i].doc->exists)
			settles[i].result = STBL_SETTLED;	/* COMPLETE already */
		else if (complete_document(table, settles[i].doc, STBL_OUTCOME_ROLLED_BACK, calls[i], deadline_us, &contradicts))
			settles[i].result = contradicts ? STBL_SETTLE_FORCED : STBL_SETTLED;
		else
			settles[i].result = STBL_SETTLED_OPEN;
	}
}
