/*
 * Carrying out what decided mutations ask for (settle.h has the order that
 * makes it safe): publishing, and bringing documents to their end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/describe.h"
#include "wal/witness.h"

#define COMPLETE_TRIES 20
#define GAP_TRIES 3

static void
end_described(StblDescribe *arg, const StblError *err)
{
	for (int i = 0; i < arg->n; i++)
	{
		StblWork	   *w = &arg->works[i];

		if (err == NULL && w->stage == STBL_STAGE_DESCRIBED)
			w->stage = STBL_STAGE_PUBLISHED;
		else if (err != NULL && (w->stage == STBL_STAGE_DESCRIBED || w->stage == STBL_STAGE_OPEN))
			stbl_work_fail(w, err);
	}
}

/* Publishes until nothing is open any more. */
static void
publish_all(StblDescribe *arg)
{
	for (;;)
	{
		StblPublish p;

		memset(&p, 0, sizeof(p));
		p.table = arg->table;
		p.build = stbl_describe;
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
	StblDescribe	arg;
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	int			sent = 0;

	memset(&arg, 0, sizeof(arg));
	arg.table = table;
	arg.cxt = CurrentMemoryContext;
	arg.works = palloc0(sizeof(StblWork) * (n + 1));
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
			if (arg.works[sent].stage == STBL_STAGE_PUBLISHED)
				calls[sent] = submit_complete(table, settles[sent].doc, STBL_OUTCOME_COMMITTED, deadline_us);
		switch (arg.works[i].stage)
		{
			case STBL_STAGE_PUBLISHED:
				settles[i].result = STBL_SETTLED_OPEN;
				if (complete_document(table, settles[i].doc, STBL_OUTCOME_COMMITTED, calls[i], deadline_us, &contradicts))
					settles[i].result = contradicts ? STBL_SETTLE_FORCED : STBL_SETTLED;
				break;
			case STBL_STAGE_COMPLETE:
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
