/*
 * What a statement is shown (guarantee G11): of a transaction of its own
 * database never the rows on storage without those in the heap, or the
 * reverse.
 *
 * PostgreSQL's snapshot decides: a mutation belongs to what the statement sees
 * if its transaction does.  The newest version, which was read after that
 * snapshot was taken, may differ in both ways:
 *
 *	 committed, and not published yet	its owner is at it, or a crash came in
 *										between: laid over, by its document
 *	 published, and committed only		versions are taken back, the newest
 *	 after the snapshot was taken		first, up to the first such mutation
 *
 * Whatever else has been published after that first one came after the
 * snapshot too, but for mutations that were committed before and published
 * late: those are laid over again.  Whether a mutation without a marker is in
 * the version is told by its document, read after the version: not COMPLETE,
 * it is not; COMPLETE, it is in the next that is read.
 *
 * Nothing of this happens, and nothing is read, unless there are such witness
 * rows.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/shown.h"
#include "wal/describe.h"
#include "wal/witness.h"

#define FIRST_CHUNK 4
#define CHUNK 64
#define MANY_DOCUMENTS 64

/*
 * How far back a mutation without a marker is looked for: what the session had
 * read before the transaction began has none that was committed since, and
 * neither has what was published before that, give or take what a clock may
 * have been set back by.  (A snapshot that was imported can be older.)
 */
#define CLOCK_TOLERANCE_MS 60000

/* What is known of a mutation and table->current. */
typedef enum Place
{
	PLACE_IN,					/* published in it, or before */
	PLACE_NOT_IN,
	PLACE_IN_OR_LATER			/* published, and its marker is gone: in it, or in one that came since */
} Place;

typedef struct Mutation
{
	const char *wal_id;
	Place		place;
	bool		taken_back;		/* with a version that did */
	StblDoc		doc;
	StblStatus	status;
	StblError	err;
} Mutation;

typedef struct Mutations
{
	int			n;
	Mutation   *of;
} Mutations;

static void
throw_gone(StblTable *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not read table \"%s\" as it was when the snapshot was taken", table->root),
			 errdetail("%s", detail),
			 errhint("Retry the transaction.")));
}

static bool
is_forced(const Mutation *m)
{
	return m->status == STBL_ST_OK && m->doc.doc.state == STBL_COMPLETE &&
		m->doc.doc.outcome == STBL_OUTCOME_ROLLED_BACK;
}

static Mutations *
mutations_new(char **ids, int n)
{
	Mutations  *ms = palloc(sizeof(Mutations));

	ms->n = n;
	ms->of = palloc_extended(sizeof(Mutation) * ((Size) n + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < n; i++)
		ms->of[i].wal_id = ids[i];
	return ms;
}

static Mutation *
mutation_find(Mutations *ms, const char *wal_id)
{
	int			low = 0;
	int			high = ms->n;

	while (low < high)
	{
		int			mid = (low + high) / 2;
		int			cmp = strcmp(ms->of[mid].wal_id, wal_id);

		if (cmp == 0)
			return &ms->of[mid];
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Reads the documents of those that are asked for. */
static void
read_documents(StblTable *table, Mutation **ask, int n, int64 deadline_us)
{
	const char **ids = palloc(sizeof(char *) * (n + 1));
	StblDoc    *docs = palloc(sizeof(StblDoc) * (n + 1));
	StblStatus *status = palloc(sizeof(StblStatus) * (n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (n + 1));

	for (int i = 0; i < n; i++)
		ids[i] = ask[i]->wal_id;
	stbl_docs_read(table, stbl_mem_in(CurrentMemoryContext), ids, n, docs, status, errs, deadline_us);
	for (int i = 0; i < n; i++)
	{
		ask[i]->doc = docs[i];
		ask[i]->status = status[i];
		ask[i]->err = errs[i];
		strlcpy(ask[i]->doc.doc.wal_id, ask[i]->wal_id, sizeof(ask[i]->doc.doc.wal_id));
	}
}

/* Those that the version, or the session, knows of; the others are left in ask.  Returns how many. */
static int
place_known(StblTable *table, Mutations *ms, Mutations *before, Mutation **ask)
{
	int			n = 0;

	for (int i = 0; i < ms->n; i++)
	{
		Mutation   *m = &ms->of[i];
		Mutation   *was = before != NULL ? mutation_find(before, m->wal_id) : NULL;

		if (stbl_seen_before(table, m->wal_id) || (was != NULL && was->place == PLACE_IN_OR_LATER))
			m->place = PLACE_IN;
		else if (stbl_guard_applied(table->current, m->wal_id))
		{
			stbl_note_published(table, m->wal_id);
			m->place = PLACE_IN;
		}
		else
			ask[n++] = m;
	}
	return n;
}

static void
place_by_document(StblTable *table, Mutation **ask, int n, int64 deadline_us)
{
	read_documents(table, ask, n, deadline_us);
	for (int i = 0; i < n; i++)
	{
		Mutation   *m = ask[i];
		bool		is_gone = m->status == STBL_ST_NOT_FOUND &&
			stbl_snapshot_domain(table->current, stbl_guard_domain(m->wal_id)) == NULL;

		m->place = is_gone || (m->status == STBL_ST_OK && m->doc.doc.state == STBL_COMPLETE) ?
			PLACE_IN_OR_LATER : PLACE_NOT_IN;
	}
}

/* Finds out where mutations stand; before: the same before table->current was looked for once more, or NULL. */
static void
place_shown(StblTable *table, Mutations *shown, Mutations *before, int64 deadline_us)
{
	Mutation  **ask = palloc(sizeof(Mutation *) * (shown->n + 1));

	place_by_document(table, ask, place_known(table, shown, before, ask), deadline_us);
}

/*
 * Where the session knows from which version on to look for them, that is as
 * quick as to read their documents, of which there may be many.
 */
static void
place_hidden(StblTable *table, Mutations *hidden, int64 deadline_us)
{
	Mutation  **ask = palloc(sizeof(Mutation *) * (hidden->n + 1));
	int			n = place_known(table, hidden, NULL, ask);

	if (table->version_before < 0 && n <= MANY_DOCUMENTS)
		place_by_document(table, ask, n, deadline_us);
	else
		for (int i = 0; i < n; i++)
			ask[i]->place = PLACE_IN_OR_LATER;
}

/* ---- taking back ---- */

/* How many of the hidden must be met on the way back, and how many may be. */
static void
count_sought(const Mutations *hidden, int *must, int *may)
{
	*must = *may = 0;
	for (int i = 0; i < hidden->n; i++)
		if (!hidden->of[i].taken_back && hidden->of[i].place == PLACE_IN)
			(*must)++;
		else if (!hidden->of[i].taken_back && hidden->of[i].place == PLACE_IN_OR_LATER && !is_forced(&hidden->of[i]))
			(*may)++;
}

static bool
decides_hidden(const StblUndo *undo, Mutations *hidden)
{
	bool		any = false;

	for (int i = 0; i < undo->n_decides; i++)
	{
		Mutation   *m = mutation_find(hidden, undo->decides[i]);

		if (m != NULL)
			any = m->taken_back = true;
	}
	return any;
}

/*
 * Reads some versions more on the way back from the newest, before at, which
 * was read last.  *undo are those that have been, and becomes them with these
 * in front.  Returns where they begin.
 */
static int64
read_back(StblTable *table, int64 newest, int64 at, StblUndo **undo)
{
	int64		n_since = table->version_before < 0 ? FIRST_CHUNK : newest - table->version_before;
	int64		from = Max(0, at - (at > newest && n_since > 0 ? Min(n_since, CHUNK) : CHUNK));
	StblUndo   *all = palloc_extended(sizeof(StblUndo) * (Size) (newest + 1 - from), MCXT_ALLOC_HUGE);

	/* Old ones may have been cleaned up. */
	if (!stbl_undo_read(table, from, at - 1, all))
	{
		from = at - 1;
		if (!stbl_undo_read(table, from, from, all))
			throw_gone(table, "The log of that time has been cleaned up.");
	}
	if (*undo != NULL)
		memcpy(all + (at - from), *undo, sizeof(StblUndo) * (Size) (newest + 1 - at));
	*undo = all;
	return from;
}

/*
 * table->current without what the statement's snapshot does not show; NULL
 * where it has nothing of that.  Marks what else went with it.
 */
static StblSnapshot *
take_back(StblTable *table, Mutations *shown, Mutations *hidden)
{
	int64		newest = table->current->version;
	int64		since_ms = (GetCurrentTransactionStartTimestamp() / 1000) +
		((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) * 1000 - CLOCK_TOLERANCE_MS;
	int64		at = newest + 1;	/* versions from here on have been read */
	int64		first = newest + 1; /* those from here on go */
	StblUndo   *undo = NULL;	/* of versions at and up */
	int			must,
				may;
	bool		is_final = false;
	bool		is_before = newest <= table->version_before;	/* all since the transaction began have been read */

	for (count_sought(hidden, &must, &may); must > 0 || (may > 0 && !is_before && !is_final); count_sought(hidden, &must, &may))
	{
		int64		from;

		if (is_final)
			throw_gone(table, "It was created anew since.");
		from = read_back(table, newest, at, &undo);
		for (int64 v = at - 1; v >= from && !is_final; v--)
		{
			if (decides_hidden(&undo[v - from], hidden))
				first = v;
			is_final = undo[v - from].is_final;
			is_before = is_before || v <= table->version_before + 1 ||
				(undo[v - from].in_commit_ms >= 0 && undo[v - from].in_commit_ms < since_ms);
		}
		at = from;
	}
	if (first > newest)
		return NULL;
	undo += first - at;
	for (int64 v = first; v <= newest; v++)
	{
		if (undo[v - first].is_final)
			throw_gone(table, "It was created anew since.");
		for (int i = 0; i < undo[v - first].n_decides; i++)
		{
			Mutation   *m = mutation_find(shown, undo[v - first].decides[i]);

			if (m != NULL)
				m->taken_back = true;
		}
	}
	return stbl_snapshot_take_back(table, table->current, undo, newest + 1 - first);
}

/* ---- laying over ---- */

/* The base with those of the shown that it lacks; NULL where it lacks none. */
static StblSnapshot *
lay_over(StblTable *table, StblSnapshot *base, Mutations *shown, int64 deadline_us)
{
	Mutation  **which = palloc(sizeof(Mutation *) * (shown->n + 1));
	StblSettle *settles;
	StblDescribe describe;
	StblSnapshot *laid;
	int			n = 0;
	int			n_ask = 0;

	for (int i = 0; i < shown->n; i++)
		if (shown->of[i].taken_back)
			which[n_ask++] = &shown->of[i];
	read_documents(table, which, n_ask, deadline_us);
	for (int i = 0; i < n_ask; i++)
		if (which[i]->status != STBL_ST_OK)
			throw_gone(table, "The document of a transaction that was published late has been cleaned up.");
	for (int i = 0; i < shown->n; i++)
		if (shown->of[i].taken_back || shown->of[i].place == PLACE_NOT_IN)
			which[n++] = &shown->of[i];
	if (n == 0)
		return NULL;
	memset(&describe, 0, sizeof(describe));
	describe.table = table;
	describe.cxt = CurrentMemoryContext;
	describe.works = palloc0(sizeof(StblWork) * n);
	describe.n = n;
	describe.lay_over = true;
	describe.first_base = -2;
	describe.deadline_us = deadline_us;
	settles = palloc0(sizeof(StblSettle) * n);
	for (int i = 0; i < n; i++)
	{
		settles[i].doc = &which[i]->doc;
		describe.works[i].settle = &settles[i];
		describe.works[i].read_at = which[i]->status == STBL_ST_OK ? base->version : -2;
		if (which[i]->status == STBL_ST_FAILED)
			stbl_work_fail(&describe.works[i], &which[i]->err);
	}
	laid = stbl_snapshot_lay_over(table, base, stbl_describe, &describe);
	for (int i = 0; i < n; i++)
	{
		if (describe.works[i].stage != STBL_STAGE_FAILED)
			continue;
		if (which[i]->taken_back)
			throw_gone(table, settles[i].err.message);
		ereport(WARNING,
				(errmsg("mutation %s of table \"%s\" is committed, but cannot be shown", which[i]->wal_id, table->root),
				 errdetail("%s", settles[i].err.message),
				 errhint("See supertable_wal().")));
	}
	return laid;
}

/* ---- both ---- */

/* Whether all that the statement is shown, and is not laid over, is in table->current for certain. */
static bool
is_settled(const Mutations *shown)
{
	for (int i = 0; i < shown->n; i++)
		if (shown->of[i].place == PLACE_IN_OR_LATER && !is_forced(&shown->of[i]))
			return false;
	return true;
}

static StblSnapshot *
show(StblTable *table, int64 deadline_us)
{
	StblWitnesses witnesses;
	Mutations  *shown = NULL;
	Mutations  *hidden;
	StblSnapshot *before,
			   *laid;

	for (;;)
	{
		Mutations  *last = shown;

		CHECK_FOR_INTERRUPTS();
		stbl_witness_split(table->root, &witnesses);
		if (witnesses.n_shown == 0 && witnesses.n_hidden == 0)
			return NULL;
		shown = mutations_new(witnesses.shown, witnesses.n_shown);
		hidden = mutations_new(witnesses.hidden, witnesses.n_hidden);
		place_shown(table, shown, last, deadline_us);
		if (is_settled(shown))
			break;
		(void) stbl_snapshot_refresh(table, deadline_us);
	}
	place_hidden(table, hidden, deadline_us);
	before = take_back(table, shown, hidden);
	laid = lay_over(table, before != NULL ? before : table->current, shown, deadline_us);
	if (laid == NULL)
		return before;
	if (before != NULL)
		stbl_snapshot_unpin(before);
	return laid;
}

StblSnapshot *
stbl_settle_shown(StblTable *table, int64 deadline_us)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt;
	StblSnapshot *own;

	if (!stbl_snapshot_exists(table->current))
		return NULL;
	cxt = AllocSetContextCreate(outer, "supertable statement", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(cxt);
	own = show(table, deadline_us);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
	return own;
}
