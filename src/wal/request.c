/*
 * Carrying out requests.
 *
 * A request's targets are row ids; which superfile and position that is, and
 * whether the row is still there, is looked up in each snapshot a version is
 * built on, from row tracking alone: no data is read.  An UPDATE is all or
 * nothing; a DELETE's target that is gone is NOTFOUND.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/request.h"
#include "wal/wal_int.h"

#define GAP_TRIES 3

/* Rows of one superfile that requests of the version at hand delete. */
typedef struct Claim
{
	char	   *path;
	roaring_bitmap_t *rows;
} Claim;

typedef struct PublishArg
{
	StblTable  *table;
	StblRequestWork **works;
	int			n;
	int64		deadline_us;
	MemoryContext cxt;
	int			n_builds;
} PublishArg;

/* ---- targets ---- */

static int
compare_progress(const void *a, const void *b)
{
	return strcmp((*(StblProgress *const *) a)->target_id, (*(StblProgress *const *) b)->target_id);
}

/* The targets with their outcomes so far, in the order of target_ids. */
static StblProgress *
initial_progress(StblStateDoc *doc)
{
	StblProgress *all = palloc0(sizeof(StblProgress) * ((Size) doc->n_target_ids + 1));
	StblProgress **sorted = palloc(sizeof(StblProgress *) * ((Size) doc->n_progress + 1));

	for (int i = 0; i < doc->n_progress; i++)
		sorted[i] = &doc->progress[i];
	qsort(sorted, doc->n_progress, sizeof(StblProgress *), compare_progress);
	for (int i = 0; i < doc->n_target_ids; i++)
	{
		StblProgress *key = &all[i];
		StblProgress **hit;

		memcpy(all[i].target_id, doc->target_ids[i], STBL_ID_TEXT);
		all[i].outcome = STBL_ROW_PENDING;
		hit = bsearch(&key, sorted, doc->n_progress, sizeof(StblProgress *), compare_progress);
		if (hit != NULL)
			all[i] = **hit;
	}
	pfree(sorted);
	return all;
}

/* Outcomes found on one base do not hold for the next. */
void
stbl_request_reset(StblRequestWork *work)
{
	StblStateDoc *doc = &work->doc->doc;

	if (work->initial == NULL)
	{
		work->initial = initial_progress(doc);
		doc->progress = palloc0(sizeof(StblProgress) * ((Size) doc->n_target_ids + 1));
		doc->n_progress = doc->n_target_ids;
	}
	memcpy(doc->progress, work->initial, sizeof(StblProgress) * doc->n_progress);
	work->n_tombstoned = 0;
	work->n_not_found = 0;
}

/* The superfile of a target, if it is live; with the row's position. */
static StblFile *
file_of_target(StblSnapshot *base, const char *target_id, uint32 *position)
{
	int64		row_id = stbl_target_row_id(target_id);
	StblFile   *file = row_id < 0 || base->version < 0 ? NULL : stbl_snapshot_file_of_row(base, row_id);

	if (file != NULL)
		*position = (uint32) (row_id - file->base_row_id);
	return file;
}

static Claim *
find_claim(List *claims, const char *path)
{
	ListCell   *lc;

	if (claims != NIL && strcmp(((Claim *) llast(claims))->path, path) == 0)
		return llast(claims);
	foreach(lc, claims)
	{
		Claim	   *claim = lfirst(lc);

		if (strcmp(claim->path, path) == 0)
			return claim;
	}
	return NULL;
}

static roaring_bitmap_t *
claimed_rows(List **claims, const char *path)
{
	Claim	   *claim = find_claim(*claims, path);

	if (claim != NULL)
		return claim->rows;
	claim = palloc(sizeof(Claim));
	claim->path = pstrdup(path);
	claim->rows = roaring_bitmap_create();
	if (claim->rows == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	stbl_bitmap_own(CurrentMemoryContext, claim->rows);
	*claims = lappend(*claims, claim);
	return claim->rows;
}

static bool
is_claimed(List *claims, const char *path, uint32 position)
{
	Claim	   *claim = find_claim(claims, path);

	return claim != NULL && roaring_bitmap_contains(claim->rows, position);
}

static int
compare_files(const void *a, const void *b)
{
	const StblFile *x = *(StblFile *const *) a;
	const StblFile *y = *(StblFile *const *) b;

	return (x > y) - (x < y);
}

/* The tombstones of all targets' superfiles, in flight. */
static void
load_target_tombstones(StblTable *table, StblSnapshot *base, StblStateDoc *doc)
{
	StblFile  **files = palloc(sizeof(StblFile *) * ((Size) doc->n_target_ids + 1));
	int			n = 0;
	int			n_distinct = 0;

	for (int i = 0; i < doc->n_target_ids; i++)
	{
		uint32		position;
		StblFile   *file = file_of_target(base, doc->target_ids[i], &position);

		if (file != NULL && (n == 0 || files[n - 1] != file))
			files[n++] = file;
	}
	qsort(files, n, sizeof(StblFile *), compare_files);
	for (int i = 0; i < n; i++)
		if (n_distinct == 0 || files[n_distinct - 1] != files[i])
			files[n_distinct++] = files[i];
	if (n_distinct > 0)
		stbl_load_tombstones(table, files, n_distinct);
	pfree(files);
}

/* Whether an undecided mutation has any of the rows PREPARED. */
static bool
is_held(StblTable *table, StblSnapshot *base, const char *wal_id, StblUndecided **undecided, List *claims)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt;
	bool		held = false;
	ListCell   *lc;

	if (*undecided == NULL)
		*undecided = stbl_undecided(base);
	if ((*undecided)->n == 0)
		return false;
	cxt = AllocSetContextCreate(outer, "supertable conflict check", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, claims)
	{
		Claim	   *claim = lfirst(lc);
		StblConflict conflict;

		MemoryContextSwitchTo(cxt);
		held = held || (!stbl_conflict_check(table, base, claim->path, claim->rows, wal_id, undecided, &conflict) &&
						conflict.kind == STBL_CONFLICT_PREPARED);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
	return held;
}

static void
count_outcome(StblRequestWork *work, const StblProgress *p)
{
	if (p->outcome == STBL_ROW_TOMBSTONED)
		work->n_tombstoned++;
	else if (p->outcome == STBL_ROW_NOTFOUND)
		work->n_not_found++;
}

/*
 * Settles each target's outcome against a snapshot and what earlier requests
 * of the same version delete; the rows to delete are added to mine.
 */
static StblRequestEnd
resolve(StblTable *table, StblSnapshot *base, StblRequestWork *work, StblUndecided **undecided, List *others, List **mine)
{
	StblStateDoc *doc = &work->doc->doc;
	bool		gone = false;

	stbl_request_reset(work);
	load_target_tombstones(table, base, doc);
	for (int i = 0; i < doc->n_progress; i++)
	{
		StblProgress *p = &doc->progress[i];
		uint32		position = 0;
		StblFile   *file = file_of_target(base, p->target_id, &position);
		const roaring_bitmap_t *tombstones = file ? stbl_file_tombstones(table, file) : NULL;
		bool		live = file != NULL && !(tombstones && roaring_bitmap_contains(tombstones, position)) &&
			!is_claimed(others, file->path, position);

		if (p->outcome == STBL_ROW_NOTFOUND || (p->outcome == STBL_ROW_TOMBSTONED && !live))
		{
			count_outcome(work, p);	/* settled by an earlier sweep */
			continue;
		}
		if (!live)
		{
			p->outcome = STBL_ROW_NOTFOUND;
			p->superfile = NULL;
			count_outcome(work, p);
			gone = true;
			continue;
		}
		p->outcome = STBL_ROW_TOMBSTONED;
		p->superfile = pstrdup(file->path);
		/* A target may be named twice. */
		if (!is_claimed(*mine, file->path, position))
			count_outcome(work, p);
		roaring_bitmap_add(claimed_rows(mine, file->path), position);
	}
	if (gone && doc->op_kind == STBL_UPDATE)
	{
		/* Nothing of it is done: entries that are not gone stay as they were. */
		for (int i = 0; i < doc->n_progress; i++)
			if (doc->progress[i].outcome == STBL_ROW_TOMBSTONED)
				doc->progress[i] = work->initial[i];
		work->n_tombstoned = 0;
		return STBL_REQ_ROLLED_BACK;
	}
	return *mine != NIL && is_held(table, base, doc->wal_id, undecided, *mine) ? STBL_REQ_HELD : STBL_REQ_DESCRIBED;
}

typedef struct ResolveArg
{
	StblTable  *table;
	StblSnapshot *base;
	StblRequestWork *work;
	StblUndecided **undecided;
	List	   *others;
	List	   *mine;
	StblRequestEnd end;
} ResolveArg;

static void
resolve_it(void *arg_p)
{
	ResolveArg *a = arg_p;

	a->end = resolve(a->table, a->base, a->work, a->undecided, a->others, &a->mine);
}

StblRequestEnd
stbl_request_resolve(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work, StblUndecided **undecided)
{
	ResolveArg	arg = {table, snapshot, work, undecided, NIL, NIL, STBL_REQ_QUARANTINED};

	return stbl_survive(resolve_it, &arg, &work->err) ? arg.end : STBL_REQ_QUARANTINED;
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* What the version that publishes a request found gone, beside what the document says already. */
static void
note_not_found(StblMem *mem, StblRequestWork *work, StblGuard *applied)
{
	StblStateDoc *doc = &work->doc->doc;

	if (work->n_not_found == 0)
		return;
	applied->not_found = stbl_alloc_array(mem, (size_t) work->n_not_found + 1, STBL_ID_TEXT);
	for (int i = 0; i < doc->n_progress; i++)
		if (doc->progress[i].outcome == STBL_ROW_NOTFOUND && work->initial[i].outcome != STBL_ROW_NOTFOUND)
			memcpy(applied->not_found[applied->n_not_found++], doc->progress[i].target_id, STBL_ID_TEXT);
	qsort(applied->not_found, applied->n_not_found, STBL_ID_TEXT, compare_ids);
}

void
stbl_request_applied(StblTable *table, StblSnapshot *snapshot, const StblGuard *applied, StblRequestWork *work)
{
	StblStateDoc *doc = &work->doc->doc;

	stbl_request_reset(work);
	for (int i = 0; i < doc->n_progress; i++)
	{
		StblProgress *p = &doc->progress[i];
		uint32		position;
		StblFile   *file;

		if (p->outcome == STBL_ROW_NOTFOUND)
			;
		else if (applied->n_not_found > 0 &&
				 bsearch(p->target_id, applied->not_found, applied->n_not_found, STBL_ID_TEXT, compare_ids) != NULL)
		{
			p->outcome = STBL_ROW_NOTFOUND;
			p->superfile = NULL;
		}
		else if (p->outcome == STBL_ROW_PENDING)
		{
			/* The superfile may have gone since, with its last row. */
			file = file_of_target(snapshot, p->target_id, &position);
			p->outcome = STBL_ROW_TOMBSTONED;
			p->superfile = file != NULL ? pstrdup(file->path) : NULL;
		}
		count_outcome(work, p);
	}
}

/* ---- publishing ---- */

/* Documents are read after the base they are published on, all in flight. */
static void
read_documents(PublishArg *arg, int64 version)
{
	const char **ids = palloc(sizeof(char *) * (arg->n + 1));
	StblRequestWork **which = palloc(sizeof(StblRequestWork *) * (arg->n + 1));
	StblDoc    *docs;
	StblStatus *status;
	StblError  *errs;
	int			k = 0;

	for (int i = 0; i < arg->n; i++)
		if (arg->works[i]->end == STBL_REQ_READY && arg->works[i]->read_at != version)
		{
			ids[k] = arg->works[i]->doc->doc.wal_id;
			which[k++] = arg->works[i];
		}
	if (k == 0)
		return;
	docs = palloc(sizeof(StblDoc) * k);
	status = palloc(sizeof(StblStatus) * k);
	errs = palloc(sizeof(StblError) * k);
	stbl_docs_read(arg->table, stbl_mem_in(CurrentMemoryContext), ids, k, docs, status, errs, arg->deadline_us);
	for (int i = 0; i < k; i++)
	{
		StblRequestWork *w = which[i];

		w->read_at = version;
		if (status[i] == STBL_ST_NOT_FOUND || (status[i] == STBL_ST_OK && docs[i].doc.state == STBL_COMPLETE))
			w->end = STBL_REQ_COMPLETE;
		else if (status[i] != STBL_ST_OK)
		{
			w->end = STBL_REQ_QUARANTINED;
			w->err = errs[i];
		}
		else if (strcmp(docs[i].etag, w->doc->etag) != 0)
			w->end = STBL_REQ_CAS_LOST; /* somebody took it over from us */
	}
}

static void
describe(StblVersion *v, StblRequestWork *w, List *mine)
{
	StblStateDoc *doc = &w->doc->doc;
	StblGuard	applied;
	ListCell   *lc;

	stbl_version_decides(v, doc->wal_id);
	if (w->has_file)
		stbl_version_add_doc_file(v, &w->file);
	foreach(lc, mine)
	{
		Claim	   *c = lfirst(lc);

		(void) stbl_version_delete(v, c->path, c->rows, NULL);
	}
	memset(&applied, 0, sizeof(applied));
	applied.state = STBL_GUARD_APPLIED;
	applied.has_counts = true;
	applied.n_added = w->has_file ? w->file.n_rows : 0;
	foreach(lc, mine)
		applied.n_deleted += roaring_bitmap_get_cardinality(((Claim *) lfirst(lc))->rows);
	note_not_found(stbl_version_mem(v), w, &applied);
	stbl_version_domain(v, stbl_guard_domain(doc->wal_id), stbl_guard_write(stbl_version_mem(v), &applied));
	w->end = STBL_REQ_DESCRIBED;
}

/* APPLIED or ABORTED in the base: done. */
static void
look_at_guard(PublishArg *arg, StblVersion *v, StblRequestWork *w)
{
	StblSnapshot *base = stbl_version_base(v);
	const char *config = stbl_snapshot_domain(base, stbl_guard_domain(w->doc->doc.wal_id));
	MemoryContext old;
	StblGuard	guard;

	if (config == NULL)
		return;
	if (!stbl_guard_parse(stbl_version_mem(v), config, &guard, &w->err))
		w->end = STBL_REQ_QUARANTINED;
	else if (guard.state == STBL_GUARD_APPLIED)
	{
		old = MemoryContextSwitchTo(arg->cxt);
		stbl_request_applied(arg->table, base, &guard, w);
		MemoryContextSwitchTo(old);
		w->end = STBL_REQ_PUBLISHED;
	}
	else if (guard.state == STBL_GUARD_ABORTED)
		w->end = STBL_REQ_ROLLED_BACK;
}

static void
consider(StblVersion *v, PublishArg *arg, StblRequestWork *w, StblUndecided **undecided, List **claims)
{
	StblSnapshot *base = stbl_version_base(v);
	ResolveArg	resolve_arg = {arg->table, base, w, undecided, *claims, NIL, STBL_REQ_QUARANTINED};
	MemoryContext old;
	ListCell   *lc;

	if (w->has_file && stbl_snapshot_file(base, w->file.path) != NULL)
	{
		stbl_fail(&w->err, STBL_ERR_STATE, "payload \"%s\" of mutation %s is a live superfile already", w->file.path,
				  w->doc->doc.wal_id);
		w->end = STBL_REQ_QUARANTINED;
		return;
	}
	old = MemoryContextSwitchTo(arg->cxt);
	if (!stbl_survive(resolve_it, &resolve_arg, &w->err))
		resolve_arg.end = STBL_REQ_QUARANTINED;
	MemoryContextSwitchTo(old);
	if (resolve_arg.end != STBL_REQ_DESCRIBED)
	{
		w->end = resolve_arg.end;
		return;
	}
	if (!w->has_file && w->doc->doc.op_kind != STBL_DELETE)
	{
		w->end = STBL_REQ_HELD; /* its payload was not verified, for it was not to be published */
		return;
	}
	if (!w->has_file && resolve_arg.mine == NIL)
	{
		w->end = STBL_REQ_PUBLISHED;	/* nothing of it is left to do */
		return;
	}
	describe(v, w, resolve_arg.mine);
	foreach(lc, resolve_arg.mine)
	{
		Claim	   *c = lfirst(lc);

		roaring_bitmap_or_inplace(claimed_rows(claims, c->path), c->rows);
	}
}

static StblBuild
build_requests(StblVersion *v, void *arg_p)
{
	PublishArg *arg = arg_p;
	StblUndecided *undecided = NULL;
	List	   *claims = NIL;
	bool		any = false;

	arg->n_builds++;
	for (int i = 0; i < arg->n; i++)
	{
		/* What an earlier attempt made of it rested on another base, and on others of that attempt. */
		switch (arg->works[i]->end)
		{
			case STBL_REQ_DESCRIBED:
			case STBL_REQ_PUBLISHED:
			case STBL_REQ_ROLLED_BACK:
			case STBL_REQ_HELD:
				arg->works[i]->end = STBL_REQ_READY;
				break;
			default:
				break;
		}
		if (arg->works[i]->end == STBL_REQ_READY)
			look_at_guard(arg, v, arg->works[i]);
	}
	read_documents(arg, stbl_version_base(v)->version);
	for (int i = 0; i < arg->n; i++)
	{
		if (arg->works[i]->end == STBL_REQ_READY)
			consider(v, arg, arg->works[i], &undecided, &claims);
		any = any || arg->works[i]->end == STBL_REQ_DESCRIBED;
	}
	if (!any)
		return STBL_BUILD_NOTHING;
	(void) stbl_settle_remove_markers(v, STBL_MAX_REMOVALS, arg->deadline_us);
	return STBL_BUILD_PUBLISH;
}

bool
stbl_requests_publish(StblTable *table, StblRequestWork **works, int n, int64 deadline_us)
{
	PublishArg	arg = {table, works, n, deadline_us, CurrentMemoryContext, 0};
	StblPublish p;
	int			n_gaps = 0;

	memset(&p, 0, sizeof(p));
	p.table = table;
	p.build = build_requests;
	p.arg = &arg;
	p.operation = "RECOVER";
	p.deadline_us = deadline_us;
	for (;; p.refresh_first = true)
		switch (stbl_publish(&p))
		{
			case STBL_PUBLISHED:
				for (int i = 0; i < n; i++)
					if (works[i]->end == STBL_REQ_DESCRIBED)
						works[i]->end = STBL_REQ_PUBLISHED;
				return arg.n_builds == 1;
			case STBL_PUBLISH_NOTHING:
			case STBL_PUBLISH_REFUSED:
				return arg.n_builds == 1;
			case STBL_PUBLISHED_BEFORE:
				break;			/* markers and documents show whose it was */
			case STBL_PUBLISH_GAP:
				if (++n_gaps < GAP_TRIES)
					break;
				stbl_throw(&p.err);
			case STBL_PUBLISH_FAILED:
			case STBL_PUBLISH_UNKNOWN:
				stbl_throw(&p.err);	/* storage is away; the next sweep sees what became of it */
		}
}

/*
 * Where no lease tells them apart two sweeps may write the same bytes.  Who
 * had no answer and takes the other's for its own is not wrong about what the
 * document says.
 */
void
stbl_requests_complete(StblTable *table, StblRequestWork **works, int n, int64 deadline_us)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	int			sent = 0;

	for (int i = 0; i < n; i++)
	{
		for (; sent < n && sent < i + STBL_WAL_IN_FLIGHT; sent++)
		{
			StblRequestWork *w = works[sent];

			if (w->end != STBL_REQ_PUBLISHED && w->end != STBL_REQ_ROLLED_BACK)
				continue;
			w->doc->doc.state = STBL_COMPLETE;
			w->doc->doc.outcome = w->end == STBL_REQ_PUBLISHED ? STBL_OUTCOME_COMMITTED : STBL_OUTCOME_ROLLED_BACK;
			w->doc->doc.has_lease = false;
			calls[sent] = stbl_doc_update(table, w->doc, deadline_us);
		}
		if (calls[i] == NULL)
			continue;
		if (stbl_doc_finish(calls[i], works[i]->doc) == STBL_ST_OK)
			stbl_note_complete(table, &works[i]->doc->doc);
		else
			works[i]->end = STBL_REQ_CAS_LOST;
	}
}
