/*
 * The sweep.
 *
 * Documents are gone through in batches: witnessed ones first, then oldest
 * first.  For each batch: the newest snapshot, then all its documents, many
 * requests in flight; each is classified by the first row of the table below
 * that fits; then what is to be done is done for all together: one version
 * for commits, one for rollbacks, one for requests.  So the sequential depth
 * grows with the number of batches, never with rows, and one bad document
 * holds up no other.
 *
 *	 found													done
 *	 COMPLETE												nothing
 *	 COMPLETE / ROLLED_BACK, PREPARED in the manifest		PREPARED removed
 *	 gone since the listing									nothing
 *	 unreadable												left, quarantined
 *	 APPLIED in the manifest								COMPLETE / COMMITTED
 *	 ABORTED in the manifest								COMPLETE / ROLLED_BACK
 *	 coordinator ours, lock held							nothing: its owner lives
 *	 coordinator ours, lock free, witness					published
 *	 coordinator ours, lock free, no witness				rolled back
 *	 coordinator another, its witness here					published
 *	 coordinator another									in doubt
 *	 request, lease of another that has not expired			nothing
 *	 request, payload wrong									left, quarantined
 *	 request, a target PREPARED by an undecided mutation	nothing
 *	 request												published
 *
 * A request with a payload is leased first, by the write that says APPENDED.
 * One without (a DELETE; an UPDATE that will be rolled back) has nothing to
 * say before its version, and is not written to: what keeps two sweeps from
 * carrying it out twice is the version's own create-only PUT.  Both read the
 * snapshot, then the document, then put the version right after that
 * snapshot; who comes second meets APPLIED, or a COMPLETE document where that
 * entry has gone again.  A lease would only have spared the second the way
 * there, at the price of a write for each document.
 *
 * Every step may be the last: what is left then is a state of the table
 * above, and the next sweep goes on from it.
 *
 *	 died after						leaves, for the next sweep
 *	 the lease						a request whose lease runs out (cancelled: is given back)
 *	 a version, or its PUT only		APPLIED in the manifest, or nothing
 *	 some documents' COMPLETE		these COMPLETE, the others APPLIED
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "common/tell.h"
#include "wal/listing.h"
#include "wal/recover.h"
#include "wal/request.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

/*
 * Documents that go together.  More of them cost fewer round trips, but all
 * are read anew where another writer takes the version's number first: the
 * next batch is larger only after one that nobody came in between of.
 */
#define BATCH 64
#define BATCH_MAX 128

typedef enum ItemAction
{
	DO_NOTHING,
	DO_COMMIT,
	DO_ROLLBACK,
	DO_ABORT,					/* forced: ABORTED first */
	DO_REQUEST
} ItemAction;

/* One document of a batch, a small state machine. */
typedef struct Item
{
	char		wal_id[STBL_ID_TEXT];
	StblStatus	status;
	StblDoc		doc;
	StblError	err;
	bool		has_guard;
	StblGuard	guard;
	bool		locked;
	bool		fenced;			/* the manifest has ABORTED, or no PUT of its owner can come any more */
	ItemAction	action;
	bool		was_intent;		/* INTENT with new rows when found: the full pipeline */
	bool		lease_sent;
	StblRequestWork request;
} Item;

typedef struct Sweep
{
	StblTable  *table;
	const StblRecoverOptions *options;
	StblRecoverReport *report;
	const StblCoordinator *self;
	char	   *lease_owner;
	int64		clock_offset_us;	/* leases are by the store's clock, which all clusters share */
	int64		deadline_us;	/* of requests to storage; 0: the setting's */
	int64		read_at;		/* newest version before the batch's documents were read */
	bool		was_beaten;		/* others published while the batch was being */
} Sweep;

static int64
store_now_us(const Sweep *s)
{
	return stbl_now_us() + s->clock_offset_us;
}

static void
quarantine(Sweep *s, Item *item)
{
	s->report->n_quarantined++;
	item->action = DO_NOTHING;
	ereport(DEBUG1, (errmsg_internal("mutation %s is quarantined: %s", item->wal_id, item->err.message)));
}

/* ---- reading a batch ---- */

static void
read_items(Sweep *s, Item *items, int n)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	const char **ids = palloc(sizeof(char *) * (n + 1));
	StblDoc    *docs = palloc(sizeof(StblDoc) * (n + 1));
	StblStatus *status = palloc(sizeof(StblStatus) * (n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (n + 1));

	for (int i = 0; i < n; i++)
		ids[i] = items[i].wal_id;
	s->read_at = s->table->current->version;
	stbl_docs_read(s->table, mem, ids, n, docs, status, errs, s->deadline_us);
	for (int i = 0; i < n; i++)
	{
		Item	   *item = &items[i];
		const char *config = stbl_snapshot_domain(s->table->current, stbl_guard_domain(item->wal_id));

		item->status = status[i];
		item->doc = docs[i];
		item->err = errs[i];
		item->was_intent = status[i] == STBL_ST_OK && docs[i].doc.state == STBL_INTENT && docs[i].doc.op_kind != STBL_DELETE;
		item->request.doc = &item->doc;
		item->request.read_at = s->read_at;
		strlcpy(item->doc.doc.wal_id, item->wal_id, sizeof(item->doc.doc.wal_id));
		item->has_guard = config != NULL;
		if (config != NULL && !stbl_guard_parse(mem, config, &item->guard, &item->err))
			item->status = STBL_ST_FAILED;
	}
}

/* ---- classification ---- */

static void
say_in_doubt(Sweep *s, Item *item, const StblCoordinator *coordinator, const char *text)
{
	s->report->n_in_doubt++;
	ereport(NOTICE,
			(errmsg("mutation %s of table \"%s\" is in doubt", item->wal_id, s->table->root),
			 errdetail("Database \"%s\" of cluster \"%s\" decides it, coordinator %s.", coordinator->database,
					   coordinator->cluster_name[0] ? coordinator->cluster_name : coordinator->cluster, text),
			 errhint("Run supertable_recover() there; if it is gone for good, use the argument in_doubt.")));
}

/* A mutation of a coordinator: who decides, and what. */
static void
classify_owned(Sweep *s, Item *item, const StblCoordinator *coordinator)
{
	bool		ours = stbl_coordinator_equal(coordinator, s->self);
	char	   *text;

	if (ours)
	{
		/* The lock first, then the witness: an owner that has just ended has its row to be seen. */
		item->locked = stbl_owner_lock(item->wal_id, true);
		if (!item->locked)
		{
			s->report->n_held_by_peer++;
			return;
		}
	}
	if (stbl_witness_exists(item->wal_id))
	{
		item->action = DO_COMMIT;
		return;
	}
	if (ours)
	{
		item->action = DO_ROLLBACK;
		return;
	}
	text = stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), coordinator);
	if (s->options->in_doubt != STBL_IN_DOUBT_LEAVE && strcmp(s->options->coordinator, text) == 0)
		item->action = s->options->in_doubt == STBL_IN_DOUBT_COMMIT ? DO_COMMIT : DO_ABORT;
	else
		say_in_doubt(s, item, coordinator, text);
}

/* A lone PREPARED: without its document it can be rolled back; only a DELETE's is all there is to publish. */
static void
classify_lone(Sweep *s, Item *item)
{
	StblStateDoc *doc = &item->doc.doc;

	doc->op_kind = STBL_DELETE;
	classify_owned(s, item, &item->guard.coordinator);
	if (item->action != DO_COMMIT)
		return;
	if (strcmp(item->guard.op_kind, stbl_op_kind_name(STBL_DELETE)) != 0)
	{
		stbl_fail(&item->err, STBL_ERR_CORRUPT, "the state document of the committed mutation %s is missing", item->wal_id);
		quarantine(s, item);
		return;
	}
	doc->targets = stbl_guard_targets(s->table->current, &item->guard, &doc->n_targets);
}

static void
classify_aborted(Sweep *s, Item *item)
{
	if (item->doc.doc.has_coordinator && stbl_witness_exists(item->wal_id))
	{
		ereport(WARNING,
				(errmsg("mutation %s of table \"%s\" was forced to roll back, but had been committed here", item->wal_id, s->table->root),
				 errdetail("Its rows are not in the table; its witness row is kept.")));
		stbl_fail(&item->err, STBL_ERR_STATE, "forced to roll back, although it was committed here");
		quarantine(s, item);
		return;
	}
	item->fenced = true;
	item->action = DO_ROLLBACK;
}

static void
classify_request(Sweep *s, Item *item)
{
	StblStateDoc *doc = &item->doc.doc;

	if (doc->has_lease && doc->lease.expires_us > store_now_us(s) && strcmp(doc->lease.owner, s->lease_owner) != 0)
	{
		s->report->n_held_by_peer++;
		return;
	}
	item->action = DO_REQUEST;
}

static void
classify(Sweep *s, Item *item)
{
	StblRecoverReport *r = s->report;
	StblStateDoc *doc = &item->doc.doc;
	bool		prepared = item->has_guard && item->guard.state == STBL_GUARD_PREPARED;

	if (item->status == STBL_ST_NOT_FOUND)
	{
		if (prepared)
			classify_lone(s, item);
		else
			r->n_vanished_during_scan++;
	}
	else if (item->status != STBL_ST_OK)
		quarantine(s, item);
	else if (doc->state == STBL_COMPLETE)
	{
		if (prepared && doc->outcome == STBL_OUTCOME_ROLLED_BACK)
			item->action = DO_ROLLBACK;
		else
			r->n_already_complete++;
	}
	else if (item->has_guard && item->guard.state == STBL_GUARD_APPLIED)
	{
		item->action = doc->has_coordinator ? DO_COMMIT : DO_REQUEST;
		if (!doc->has_coordinator)
		{
			stbl_request_applied(s->table, s->table->current, &item->guard, &item->request);
			item->request.end = STBL_REQ_PUBLISHED;
		}
	}
	else if (item->has_guard && item->guard.state == STBL_GUARD_ABORTED)
		classify_aborted(s, item);
	else if (doc->has_coordinator)
		classify_owned(s, item, &doc->coordinator);
	else
		classify_request(s, item);
}

/* ---- carrying out: mutations with a coordinator ---- */

static void
count_published(Sweep *s, Item *item)
{
	if (item->was_intent)
		s->report->n_full_pipeline_completed++;
	else
		s->report->n_tombstone_only_completed++;
}

static void
count_committed(Sweep *s, Item *item)
{
	StblStateDoc *doc = &item->doc.doc;

	count_published(s, item);
	for (int t = 0; t < doc->n_targets; t++)
		s->report->total_targets_tombstoned += doc->targets[t].n_rows;
}

/* What publishing would look at: the superfiles of our own documents are trusted, that they are there is not. */
static void
check_superfiles(Sweep *s, Item *items, int n)
{
	StblStateDoc **docs = palloc(sizeof(StblStateDoc *) * (n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
		if (items[i].action == DO_COMMIT && !(items[i].has_guard && items[i].guard.state == STBL_GUARD_APPLIED))
		{
			docs[k] = &items[i].doc.doc;
			which[k++] = &items[i];
		}
	stbl_check_presence(s->table, docs, k, errs, s->deadline_us);
	for (int i = 0; i < k; i++)
		if (errs[i].kind != STBL_ERR_NONE)
		{
			which[i]->err = errs[i];
			quarantine(s, which[i]);
		}
}

static void
run_commits(Sweep *s, Item *items, int n)
{
	StblSettle *settles = palloc0(sizeof(StblSettle) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
		if (items[i].action == DO_COMMIT)
		{
			settles[k].doc = &items[i].doc;
			settles[k].is_read = items[i].status == STBL_ST_OK && s->table->current->version == s->read_at;
			which[k++] = &items[i];
		}
	if (k == 0)
		return;
	stbl_settle_commit(s->table, settles, k, false, s->deadline_us);
	for (int i = 0; i < k; i++)
		switch (settles[i].result)
		{
			case STBL_SETTLED:
				count_committed(s, which[i]);
				break;
			case STBL_SETTLED_OPEN:
				s->report->n_cas_lost++;
				break;
			case STBL_SETTLE_OWED:
			case STBL_SETTLE_FORCED:
				which[i]->err = settles[i].err;
				ereport(WARNING,
						(errmsg("mutation %s of table \"%s\" is committed, but could not be published", which[i]->wal_id, s->table->root),
						 settles[i].err.message[0] ? errdetail("%s", settles[i].err.message) : 0));
				quarantine(s, which[i]);
				break;
		}
}

/* sent: those of which a PREPARED is there, or may still come. */
static void
run_rollbacks(Sweep *s, Item *items, int n, bool sent)
{
	StblSettle *settles = palloc0(sizeof(StblSettle) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		bool		prepared = items[i].has_guard && items[i].guard.state == STBL_GUARD_PREPARED;
		bool		needs = !items[i].fenced &&
			(prepared || items[i].doc.doc.op_kind != STBL_INSERT || items[i].doc.doc.columns.n_fields > 0);

		if (items[i].action == DO_ROLLBACK && needs == sent)
			settles[k++].doc = &items[i].doc;
	}
	if (k == 0)
		return;
	stbl_settle_rollback(s->table, settles, k, sent, s->deadline_us);
	for (int i = 0; i < k; i++)
	{
		if (settles[i].result == STBL_SETTLED)
			s->report->n_rolled_back++;
		else if (settles[i].result == STBL_SETTLE_OWED)
			stbl_throw(&settles[i].err);	/* the store did not take the version */
		else
			s->report->n_cas_lost++;
	}
}

typedef struct AbortArg
{
	Item	   *items;
	int			n;
} AbortArg;

/* The forced abort stands in the manifest before the document is touched: a silent owner meets it. */
static StblBuild
build_aborted(StblVersion *v, void *arg_p)
{
	AbortArg   *arg = arg_p;
	bool		any = false;

	for (int i = 0; i < arg->n; i++)
	{
		Item	   *item = &arg->items[i];
		StblGuard	guard;

		if (item->action != DO_ABORT)
			continue;
		if (stbl_guard_find(stbl_version_base(v), item->wal_id, stbl_version_mem(v), &guard) &&
			guard.state != STBL_GUARD_PREPARED)
		{
			item->action = DO_NOTHING;	/* decided meanwhile: the next sweep follows */
			continue;
		}
		memset(&guard, 0, sizeof(guard));
		guard.state = STBL_GUARD_ABORTED;
		guard.reason = "in_doubt => 'abort'";
		stbl_version_domain(v, stbl_guard_domain(item->wal_id), stbl_guard_write(stbl_version_mem(v), &guard));
		any = true;
	}
	return any && stbl_version_base(v)->version >= 0 ? STBL_BUILD_PUBLISH : STBL_BUILD_NOTHING;
}

static void
run_aborts(Sweep *s, Item *items, int n)
{
	AbortArg	arg = {items, n};
	StblPublish p;
	StblPublished result;
	bool		any = false;

	for (int i = 0; i < n; i++)
		any = any || items[i].action == DO_ABORT;
	if (!any)
		return;
	memset(&p, 0, sizeof(p));
	p.table = s->table;
	p.build = build_aborted;
	p.arg = &arg;
	p.operation = "ABORT";
	p.refresh_first = true;
	p.deadline_us = s->deadline_us;
	result = stbl_publish(&p);
	if (result != STBL_PUBLISHED && result != STBL_PUBLISH_NOTHING)
		stbl_throw(&p.err);
	for (int i = 0; i < n; i++)
		if (items[i].action == DO_ABORT)
		{
			items[i].action = DO_ROLLBACK;
			items[i].fenced = true;
		}
}

/* ---- carrying out: requests ---- */

static int
open_requests(Item *items, int n, StblRequestWork **works, Item **which)
{
	int			k = 0;

	for (int i = 0; i < n; i++)
		if (items[i].action == DO_REQUEST && items[i].request.end != STBL_REQ_PUBLISHED)
		{
			works[k] = &items[i].request;
			which[k++] = &items[i];
		}
	return k;
}

/* What its payload has to do with: only a request that would publish it. */
static void
verify_payloads(Sweep *s, StblRequestWork **works, int n, StblSnapshot *base)
{
	StblRequestWork **ask = palloc(sizeof(StblRequestWork *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
		if (works[i]->end == STBL_REQ_DESCRIBED || base->version < 0)
			ask[k++] = works[i];
	stbl_requests_verify(s->table, base, ask, k, s->deadline_us);
	for (int i = 0; i < k; i++)
		if (ask[i]->has_file && stbl_snapshot_file(base, ask[i]->file.path) != NULL)
		{
			stbl_fail(&ask[i]->err, STBL_ERR_STATE, "payload \"%s\" of mutation %s is a live superfile already",
					  ask[i]->file.path, ask[i]->doc->doc.wal_id);
			ask[i]->end = STBL_REQ_QUARANTINED;
		}
	stbl_requests_check_age(s->table, ask, k, s->deadline_us);
}

/* What would be refused or is held is left as it is: no lease is taken. */
static void
examine_requests(Sweep *s, Item *items, int n)
{
	StblRequestWork **works = palloc(sizeof(StblRequestWork *) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = open_requests(items, n, works, which);
	StblSnapshot *base = s->table->current;
	StblUndecided *undecided = NULL;

	for (int i = 0; i < k; i++)
		works[i]->end = stbl_request_resolve(s->table, base, works[i], &undecided);
	verify_payloads(s, works, k, base);
	for (int i = 0; i < k; i++)
	{
		if (works[i]->end == STBL_REQ_QUARANTINED)
		{
			which[i]->err = works[i]->err;
			quarantine(s, which[i]);
		}
		else if (works[i]->end == STBL_REQ_HELD)
		{
			s->report->n_held_by_peer++;
			which[i]->action = DO_NOTHING;
		}
	}
}

/*
 * Takes the lease of each request that has a payload, all in flight.  It has
 * been verified, so the same write says APPENDED.  What the document says is
 * known as of this write.
 */
static void
take_leases(Sweep *s, Item *items, int n)
{
	StblRequestWork **works = palloc(sizeof(StblRequestWork *) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = open_requests(items, n, works, which);
	StblCall  **calls = palloc0(sizeof(StblCall *) * (k + 1));

	for (int i = 0; i < k; i++)
	{
		StblStateDoc *doc = &which[i]->doc.doc;

		stbl_request_reset(works[i]);
		if (!works[i]->has_file)
			continue;
		doc->has_lease = true;
		doc->lease.owner = s->lease_owner;
		doc->lease.acquired_us = store_now_us(s);
		doc->lease.expires_us = doc->lease.acquired_us + s->options->lease_us;
		doc->state = STBL_APPENDED;
		which[i]->lease_sent = true;
		calls[i] = stbl_doc_update(s->table, &which[i]->doc, s->deadline_us);
	}
	for (int i = 0; i < k; i++)
	{
		works[i]->end = STBL_REQ_READY;
		if (calls[i] == NULL)
			continue;
		if (stbl_doc_finish(calls[i], &which[i]->doc) == STBL_ST_OK)
			works[i]->read_at = s->table->current->version;
		else
		{
			s->report->n_cas_lost++;
			which[i]->action = DO_NOTHING;
		}
	}
}

static void
count_request(Sweep *s, Item *item)
{
	StblRecoverReport *r = s->report;
	StblRequestWork *w = &item->request;

	switch (w->end)
	{
		case STBL_REQ_PUBLISHED:
		case STBL_REQ_DESCRIBED:
			count_published(s, item);
			break;
		case STBL_REQ_ROLLED_BACK:
			r->n_rolled_back++;
			break;
		case STBL_REQ_COMPLETE:
			r->n_already_complete++;
			return;
		case STBL_REQ_HELD:
			r->n_held_by_peer++;
			return;
		case STBL_REQ_CAS_LOST:
			r->n_cas_lost++;
			return;
		default:
			item->err = w->err;
			quarantine(s, item);
			return;
	}
	r->total_targets_tombstoned += w->n_tombstoned;
	r->total_targets_not_found += w->n_not_found;
}

static void
run_requests(Sweep *s, Item *items, int n)
{
	StblRequestWork **works = palloc(sizeof(StblRequestWork *) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k;

	examine_requests(s, items, n);
	if (!s->options->dry_run)
	{
		take_leases(s, items, n);
		k = open_requests(items, n, works, which);
		if (k > 0)
			s->was_beaten = !stbl_requests_publish(s->table, works, k, s->deadline_us);
		k = 0;
		for (int i = 0; i < n; i++)
			if (items[i].action == DO_REQUEST)
				works[k++] = &items[i].request;
		stbl_requests_complete(s->table, works, k, s->deadline_us);
	}
	for (int i = 0; i < n; i++)
		if (items[i].action == DO_REQUEST)
			count_request(s, &items[i]);
}

/* ---- the sweep ---- */

static void
dry_count(Sweep *s, Item *items, int n)
{
	check_superfiles(s, items, n);
	for (int i = 0; i < n; i++)
		switch (items[i].action)
		{
			case DO_COMMIT:
				count_committed(s, &items[i]);
				break;
			case DO_ROLLBACK:
			case DO_ABORT:
				s->report->n_rolled_back++;
				break;
			default:
				break;
		}
}

static void
carry_out(Sweep *s, Item *items, int n)
{
	for (int i = 0; i < n; i++)
	{
		s->report->n_scanned++;
		classify(s, &items[i]);
	}
	if (s->options->dry_run)
		dry_count(s, items, n);
	else
	{
		/* What is owed first: it is published on the very snapshot that the documents were read after. */
		run_commits(s, items, n);
		run_aborts(s, items, n);
		run_rollbacks(s, items, n, false);
		run_rollbacks(s, items, n, true);
	}
	run_requests(s, items, n);
}

/* They belong to the top-level transaction, which may go on. */
static void
unlock_owners(Item *items, int n)
{
	for (int i = 0; i < n; i++)
		if (items[i].locked)
			stbl_owner_unlock(items[i].wal_id);
}

static void
release_leases(Sweep *s, Item *items, int n)
{
	const char **ids = palloc(sizeof(char *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
		if (items[i].lease_sent)
			ids[k++] = items[i].wal_id;
	stbl_leases_release(s->table, ids, k, s->lease_owner);
}

static void
sweep_batch(Sweep *s, List *ids, int from, int n)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable recovery steps", ALLOCSET_DEFAULT_SIZES);
	Item	   *items = palloc0(sizeof(Item) * n);

	/* The first batch has the snapshot that was read before the listing. */
	if (from > 0)
		(void) stbl_snapshot_refresh(s->table, s->deadline_us);
	for (int i = 0; i < n; i++)
		strlcpy(items[i].wal_id, list_nth(ids, from + i), STBL_ID_TEXT);
	read_items(s, items, n);
	PG_TRY();
	{
		MemoryContextSwitchTo(cxt);
		carry_out(s, items, n);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(outer);
		unlock_owners(items, n);
		edata = CopyErrorData();
		if (edata->sqlerrcode != ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		MemoryContextDelete(cxt);	/* with it go the requests that are under way */
		release_leases(s, items, n);
		ReThrowError(edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	unlock_owners(items, n);
	MemoryContextDelete(cxt);
}

/* What is owed comes first: what it holds PREPARED may be in a request's way. */
static List *
witnessed_first(StblTable *table, List *ids)
{
	int			n;
	char	  **witnessed = stbl_witness_list(table->root, &n);
	List	   *first = NIL;
	List	   *rest = NIL;
	int			w = 0;
	ListCell   *lc;

	/* Both are sorted. */
	foreach(lc, ids)
	{
		while (w < n && strcmp(witnessed[w], lfirst(lc)) < 0)
			w++;
		if (w < n && strcmp(witnessed[w], lfirst(lc)) == 0)
			first = lappend(first, lfirst(lc));
		else
			rest = lappend(rest, lfirst(lc));
	}
	return list_concat(first, rest);
}

static StblBuild
build_removals(StblVersion *v, void *arg)
{
	return stbl_settle_remove_markers(v, STBL_MAX_REMOVALS, 0) > 0 ? STBL_BUILD_PUBLISH : STBL_BUILD_NOTHING;
}

/* Markers go with any version; where nobody publishes any more, a sweep that had nothing to publish does it for them. */
static void
remove_markers(Sweep *s)
{
	StblPublish p;

	memset(&p, 0, sizeof(p));
	p.table = s->table;
	p.build = build_removals;
	p.operation = "RECOVER";
	p.deadline_us = s->deadline_us;
	(void) stbl_publish(&p);
}

void
stbl_recover_table(StblTable *table, const StblRecoverOptions *options, StblRecoverReport *report)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable recovery", ALLOCSET_DEFAULT_SIZES);
	MemoryContext batch_cxt;
	Sweep		s;
	StblListing listing;
	char		id[STBL_ID_TEXT];
	int64		version;
	List	   *ids;
	bool		in_time = true;
	int			n = BATCH;
	StblTell	tell;

	MemoryContextSwitchTo(cxt);
	stbl_tell_begin(&tell, "supertable_recover", table->root);
	batch_cxt = AllocSetContextCreate(cxt, "supertable recovery batch", ALLOCSET_DEFAULT_SIZES);
	memset(report, 0, sizeof(*report));
	memset(&s, 0, sizeof(s));
	s.table = table;
	s.options = options;
	s.report = report;
	s.self = stbl_coordinator_self();
	stbl_new_wal_id(id);
	s.lease_owner = psprintf("%s/%d/%s", s.self->cluster, MyProcPid, id);

	version = stbl_snapshot_refresh(table, 0)->version;
	stbl_list_mutations(table, &listing);
	s.clock_offset_us = listing.clock_offset_us;
	report->n_scanned += list_length(listing.strangers);
	report->n_quarantined += list_length(listing.strangers);
	ids = witnessed_first(table, listing.ids);
	for (int i = 0; i < list_length(ids); i += n)
	{
		CHECK_FOR_INTERRUPTS();
		in_time = options->deadline_us == 0 || stbl_now_us() < options->deadline_us;
		if (!in_time)
			break;
		stbl_tell(&tell, "sweeping documents", i, list_length(ids));
		MemoryContextSwitchTo(batch_cxt);
		if (i > 0)
			n = s.was_beaten ? BATCH : Min(n * 2, BATCH_MAX);
		s.was_beaten = false;
		sweep_batch(&s, ids, i, Min(n, list_length(ids) - i));
		MemoryContextSwitchTo(cxt);
		MemoryContextReset(batch_cxt);
	}
	if (!options->dry_run)
	{
		stbl_settle_witnesses(table, 0);
		if (in_time && table->current != NULL && table->current->version >= 0 && table->current->version == version)
			remove_markers(&s);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}
