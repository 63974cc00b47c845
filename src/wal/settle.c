/*
 * Carrying out what decided mutations ask for (settle.h has the order that
 * makes it safe).
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

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
	int64		read_at;		/* base version after which the document was read; -1: not yet */
	roaring_bitmap_t **tombstones;	/* of its targets, loaded once */
} Work;

typedef struct CommitArg
{
	StblTable  *table;
	MemoryContext cxt;			/* outlives the attempts */
	Work	   *works;
	int			n;
	bool		trusted;
	bool		must_read;		/* trusted, but the manifest does not show what it should */
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

static void
fail_work(Work *w, const StblError *err)
{
	w->stage = STAGE_FAILED;
	w->settle->err = *err;
}

/*
 * Reads the document anew: it, not what we were handed, tells whether the
 * mutation is done.
 */
static void
read_again(CommitArg *arg, Work *w, int64 base_version)
{
	MemoryContext old = MemoryContextSwitchTo(arg->cxt);
	StblDoc    *doc = w->settle->doc;
	char		wal_id[STBL_ID_TEXT];
	StblError	err;

	strlcpy(wal_id, doc->doc.wal_id, sizeof(wal_id));
	w->read_at = base_version;
	switch (stbl_doc_read(arg->table, stbl_mem_in(arg->cxt), wal_id, doc, arg->deadline_us, &err))
	{
		case STBL_ST_OK:
			if (doc->doc.state == STBL_COMPLETE)
			{
				w->stage = STAGE_COMPLETE;
				w->forced = doc->doc.outcome == STBL_OUTCOME_ROLLED_BACK;
			}
			break;
		case STBL_ST_NOT_FOUND:
			strlcpy(doc->doc.wal_id, wal_id, sizeof(doc->doc.wal_id));
			w->stage = STAGE_COMPLETE;	/* only a complete one is ever deleted */
			break;
		default:
			fail_work(w, &err);
	}
	MemoryContextSwitchTo(old);
}

/* Everything that could keep this mutation from being published, before any of it is described. */
static bool
check_document(CommitArg *arg, StblSnapshot *base, Work *w)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	StblError	err;

	if (base->version < 0 || (doc->table_id != NULL && strcmp(doc->table_id, base->metadata.id) != 0))
	{
		stbl_fail(&err, STBL_ERR_STATE, "mutation %s belongs to another table", doc->wal_id);
		stbl_error_detail(&err, "Table \"%s\" was removed, or removed and created anew, since.", arg->table->root);
		fail_work(w, &err);
		return false;
	}
	for (int i = 0; i < doc->n_targets; i++)
		if (stbl_snapshot_file(base, doc->targets[i].superfile) == NULL)
		{
			stbl_fail(&err, STBL_ERR_STATE, "superfile \"%s\", of which mutation %s deletes rows, is not live any more",
					  doc->targets[i].superfile, doc->wal_id);
			fail_work(w, &err);
			return false;
		}
	for (int i = 0; i < doc->n_superfiles; i++)
		if (stbl_snapshot_file(base, doc->superfiles[i].path) != NULL)
		{
			stbl_fail(&err, STBL_ERR_STATE, "superfile \"%s\" of mutation %s is live already", doc->superfiles[i].path, doc->wal_id);
			fail_work(w, &err);
			return false;
		}
	return true;
}

static void
load_tombstones(CommitArg *arg, Work *w)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	MemoryContext old;

	if (w->tombstones != NULL || doc->n_targets == 0)
		return;
	old = MemoryContextSwitchTo(arg->cxt);
	w->tombstones = palloc0(sizeof(roaring_bitmap_t *) * doc->n_targets);
	for (int i = 0; i < doc->n_targets; i++)
	{
		w->tombstones[i] = stbl_dv_load(arg->table, &doc->targets[i].tombstones, arg->deadline_us);
		stbl_bitmap_own(arg->cxt, w->tombstones[i]);
	}
	MemoryContextSwitchTo(old);
}

static void
describe(StblVersion *v, CommitArg *arg, Work *w)
{
	StblStateDoc *doc = &w->settle->doc->doc;
	StblGuard	applied;

	load_tombstones(arg, w);
	stbl_version_decides(v, doc->wal_id);
	for (int i = 0; i < doc->n_superfiles; i++)
	{
		StblDocFile *f = &doc->superfiles[i];
		StblAdd		add;

		memset(&add, 0, sizeof(add));
		add.path = f->path;
		add.size = f->bytes;
		add.mtime_ms = stbl_now_us() / 1000;
		add.data_change = true;
		add.stats = f->stats;
		add.dv = f->has_dead ? &f->dead : NULL;
		add.base_row_id = -1;
		add.default_row_commit_version = -1;
		stbl_version_add(v, &add);
	}
	for (int i = 0; i < doc->n_targets; i++)
		(void) stbl_version_delete(v, doc->targets[i].superfile, w->tombstones[i], &doc->targets[i].tombstones);
	memset(&applied, 0, sizeof(applied));
	applied.state = STBL_GUARD_APPLIED;
	stbl_version_domain(v, stbl_guard_domain(doc->wal_id), stbl_guard_write(stbl_version_mem(v), &applied));
	w->stage = STAGE_DESCRIBED;
}

static void
consider(StblVersion *v, CommitArg *arg, Work *w)
{
	StblSnapshot *base = stbl_version_base(v);
	StblStateDoc *doc = &w->settle->doc->doc;
	StblGuard	guard;
	bool		has_guard = stbl_guard_find(base, doc->wal_id, stbl_version_mem(v), &guard);

	if (has_guard && guard.state == STBL_GUARD_APPLIED)
	{
		w->stage = STAGE_PUBLISHED;
		return;
	}
	if (has_guard && guard.state == STBL_GUARD_ABORTED)
	{
		w->forced = true;
		w->stage = STAGE_COMPLETE;
		return;
	}
	if (arg->trusted && !has_guard && doc->n_targets > 0)
	{
		arg->must_read = true;
		return;
	}
	if (!arg->trusted && w->read_at != base->version)
		read_again(arg, w, base->version);
	if (w->stage == STAGE_OPEN && check_document(arg, base, w))
		describe(v, arg, w);
}

static StblBuild
build_commit(StblVersion *v, void *arg_p)
{
	CommitArg  *arg = arg_p;
	bool		any = false;

	for (int i = 0; i < arg->n; i++)
	{
		Work	   *w = &arg->works[i];

		if (w->stage == STAGE_DESCRIBED)
			w->stage = STAGE_OPEN;
		if (w->stage == STAGE_OPEN)
			consider(v, arg, w);
		any = any || w->stage == STAGE_DESCRIBED;
	}
	if (arg->must_read)
		return STBL_BUILD_REFUSE;
	return any ? STBL_BUILD_PUBLISH : STBL_BUILD_NOTHING;
}

/* Publishes until nothing is open any more. */
static void
publish_all(CommitArg *arg)
{
	for (;;)
	{
		StblPublish p;
		StblPublished result;

		memset(&p, 0, sizeof(p));
		p.table = arg->table;
		p.build = build_commit;
		p.arg = arg;
		p.operation = "WRITE";
		p.refresh_first = !arg->trusted;
		p.deadline_us = arg->deadline_us;
		result = stbl_publish(&p);
		if (result == STBL_PUBLISH_NOTHING)
			return;
		if (result == STBL_PUBLISHED)
		{
			for (int i = 0; i < arg->n; i++)
				if (arg->works[i].stage == STAGE_DESCRIBED)
					arg->works[i].stage = STAGE_PUBLISHED;
			return;
		}
		if (result == STBL_PUBLISHED_BEFORE && arg->n == 1)
		{
			arg->works[0].stage = STAGE_PUBLISHED;
			return;
		}
		if (result == STBL_PUBLISHED_BEFORE || (arg->trusted && (result == STBL_PUBLISH_GAP || arg->must_read)))
		{
			/* Start afresh, from storage alone. */
			arg->trusted = false;
			arg->must_read = false;
			continue;
		}
		for (int i = 0; i < arg->n; i++)
			if (arg->works[i].stage == STAGE_DESCRIBED || arg->works[i].stage == STAGE_OPEN)
				fail_work(&arg->works[i], &p.err);
		return;
	}
}

/*
 * Brings a document to COMPLETE.  call is the first CAS, under way; a lost
 * one is followed by what the document says now.
 */
static bool
complete_document(StblTable *table, StblDoc *doc, StblOutcome outcome, StblCall *call, int64 deadline_us, bool *contradicts)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	char		wal_id[STBL_ID_TEXT];

	strlcpy(wal_id, doc->doc.wal_id, sizeof(wal_id));
	*contradicts = false;
	for (int tries = 0; tries < 20; tries++)
	{
		StblStatus	status;
		StblError	err;

		if (call != NULL)
		{
			status = stbl_doc_finish(call, doc);
			if (status == STBL_ST_OK)
				return true;
			if (status != STBL_ST_PRECONDITION)
				return false;
		}
		status = stbl_doc_read(table, mem, wal_id, doc, deadline_us, &err);
		if (status == STBL_ST_NOT_FOUND)
			return true;
		if (status != STBL_ST_OK)
			return false;
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

void
stbl_settle_commit(StblTable *table, StblSettle *settles, int n, bool trusted, int64 deadline_us)
{
	CommitArg	arg;
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));

	memset(&arg, 0, sizeof(arg));
	arg.table = table;
	arg.cxt = CurrentMemoryContext;
	arg.works = palloc0(sizeof(Work) * (n + 1));
	arg.n = n;
	arg.trusted = trusted && n == 1;
	arg.deadline_us = deadline_us;
	for (int i = 0; i < n; i++)
	{
		arg.works[i].settle = &settles[i];
		arg.works[i].read_at = -2;
		settles[i].result = STBL_SETTLE_OWED;
	}
	publish_all(&arg);

	for (int i = 0; i < n; i++)
		if (arg.works[i].stage == STAGE_PUBLISHED)
		{
			StblStateDoc *doc = &settles[i].doc->doc;

			settles[i].result = STBL_SETTLED_OPEN;
			if (doc->state != STBL_COMPLETE && settles[i].doc->exists)
			{
				doc->state = STBL_COMPLETE;
				doc->outcome = STBL_OUTCOME_COMMITTED;
				calls[i] = stbl_doc_update(table, settles[i].doc, deadline_us);
			}
		}
		else if (arg.works[i].stage == STAGE_COMPLETE)
			settles[i].result = arg.works[i].forced ? STBL_SETTLE_FORCED : STBL_SETTLED;
	for (int i = 0; i < n; i++)
		if (arg.works[i].stage == STAGE_PUBLISHED)
		{
			bool		contradicts;

			if (complete_document(table, settles[i].doc, STBL_OUTCOME_COMMITTED, calls[i], deadline_us, &contradicts))
				settles[i].result = contradicts ? STBL_SETTLE_FORCED : STBL_SETTLED;
		}
		else if (settles[i].result == STBL_SETTLE_FORCED)
			stbl_fail(&settles[i].err, STBL_ERR_STATE, "mutation %s was forced to roll back", settles[i].doc->doc.wal_id);
}

/* ---- rolling back ---- */

typedef struct RollbackArg
{
	StblSettle *settles;
	int			n;
} RollbackArg;

/* A version is published even where nothing is to be removed: it takes the slot of a late PUT. */
static StblBuild
build_rollback(StblVersion *v, void *arg_p)
{
	RollbackArg *arg = arg_p;

	for (int i = 0; i < arg->n; i++)
	{
		StblStateDoc *doc = &arg->settles[i].doc->doc;
		StblGuard	guard;

		if (!stbl_guard_find(stbl_version_base(v), doc->wal_id, stbl_version_mem(v), &guard))
			continue;
		if (guard.state == STBL_GUARD_PREPARED)
			stbl_version_domain(v, stbl_guard_domain(doc->wal_id), NULL);
	}
	return STBL_BUILD_PUBLISH;
}

void
stbl_settle_rollback(StblTable *table, StblSettle *settles, int n, bool sent, int64 deadline_us)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	RollbackArg arg = {settles, n};
	bool		removed = true;
	StblError	err;

	memset(&err, 0, sizeof(err));
	if (sent)
	{
		StblPublish p;

		memset(&p, 0, sizeof(p));
		p.table = table;
		p.build = build_rollback;
		p.arg = &arg;
		p.operation = "ROLLBACK";
		p.refresh_first = true;
		p.deadline_us = deadline_us;
		removed = stbl_publish(&p) == STBL_PUBLISHED;
		err = p.err;
	}
	for (int i = 0; i < n; i++)
	{
		settles[i].result = STBL_SETTLE_OWED;
		settles[i].err = err;
		if (!removed || !settles[i].doc->exists || settles[i].doc->doc.state == STBL_COMPLETE)
			continue;
		settles[i].doc->doc.state = STBL_COMPLETE;
		settles[i].doc->doc.outcome = STBL_OUTCOME_ROLLED_BACK;
		calls[i] = stbl_doc_update(table, settles[i].doc, deadline_us);
	}
	for (int i = 0; removed && i < n; i++)
	{
		bool		contradicts;

		if (complete_document(table, settles[i].doc, STBL_OUTCOME_ROLLED_BACK, calls[i], deadline_us, &contradicts))
			settles[i].result = contradicts ? STBL_SETTLE_FORCED : STBL_SETTLED;
		else
			settles[i].result = STBL_SETTLED_OPEN;
	}
}
