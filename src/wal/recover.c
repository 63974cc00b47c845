/*
 * The sweep.
 *
 * Documents are gone through oldest first, in batches.  For each batch: the
 * newest snapshot, then all its documents, many requests in flight; each is
 * classified by the first row of the table below that fits; then what is to
 * be done is done for all together: one version for rollbacks, one for
 * commits, one for requests.  So the sequential depth grows with the number
 * of batches, never with rows, and one bad document holds up no other.
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
 *	 request												leased, verified, published
 *
 * Every step may be the last: what is left then is a state of the table
 * above, and the next sweep goes on from it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/recover.h"
#include "wal/request.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define BATCH 64

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
	StblCall   *call;
	StblStatus	status;
	StblDoc		doc;
	StblError	err;
	bool		has_guard;
	StblGuard	guard;
	bool		locked;
	ItemAction	action;
	bool		was_intent;		/* INTENT with new rows when found: the full pipeline */
	StblRequestWork request;
} Item;

typedef struct Sweep
{
	StblTable  *table;
	const StblRecoverOptions *options;
	StblRecoverReport *report;
	const StblCoordinator *self;
	char	   *lease_owner;
	int64		deadline_us;
	MemoryContext cxt;			/* of the whole sweep */
} Sweep;

/* ---- listing ---- */

static bool
id_of_key(const char *key, const char *prefix, char *wal_id)
{
	size_t		len = strlen(prefix);

	if (strncmp(key, prefix, len) != 0 || strlen(key + len) != STBL_ID_LEN + 5 ||
		strcmp(key + len + STBL_ID_LEN, ".json") != 0)
		return false;
	memcpy(wal_id, key + len, STBL_ID_LEN);
	wal_id[STBL_ID_LEN] = '\0';
	return stbl_id_is_valid(wal_id);
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* wal_ids of all documents and of all PREPARED entries, oldest first, each once. */
static List *
list_mutations(StblTable *table)
{
	char	   *prefix = stbl_table_key(table, STBL_DOC_PREFIX);
	char	   *token = NULL;
	List	   *ids = NIL;
	int			n;
	StblDomain *domains;

	do
	{
		StblCall   *call = stbl_store_list(table->store, prefix, 0, token, 0);

		stbl_await_ok(call);
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			char		wal_id[STBL_ID_TEXT];

			if (id_of_key(call->req.entries[i].key, prefix, wal_id))
				ids = lappend(ids, pstrdup(wal_id));
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL);

	domains = stbl_snapshot_domains(table->current, STBL_GUARD_PREFIX, &n);
	for (int i = 0; i < n; i++)
	{
		StblGuard	guard;
		StblError	err;

		if (stbl_guard_parse(stbl_mem_in(CurrentMemoryContext), domains[i].configuration, &guard, &err) &&
			guard.state == STBL_GUARD_PREPARED)
			ids = lappend(ids, pstrdup(domains[i].domain + strlen(STBL_GUARD_PREFIX)));
	}
	list_sort(ids, compare_ids);
	for (int i = list_length(ids) - 1; i > 0; i--)
		if (strcmp(list_nth(ids, i), list_nth(ids, i - 1)) == 0)
			ids = list_delete_nth_cell(ids, i);
	return ids;
}

/* ---- reading a batch ---- */

static void
read_items(Sweep *s, Item *items, int n)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);

	for (int i = 0; i < n; i++)
		items[i].call = stbl_store_get(s->table->store, stbl_doc_key(s->table, items[i].wal_id), 0);
	for (int i = 0; i < n; i++)
	{
		Item	   *item = &items[i];

		item->status = stbl_await(item->call);
		if (item->status == STBL_ST_OK)
		{
			if (!stbl_doc_parse(mem, (char *) item->call->req.body, item->call->req.body_len, item->wal_id,
								&item->doc.doc, &item->err))
				item->status = STBL_ST_FAILED;
			strlcpy(item->doc.etag, item->call->req.new_etag, sizeof(item->doc.etag));
			item->doc.exists = true;
			item->was_intent = item->doc.doc.state == STBL_INTENT && item->doc.doc.op_kind != STBL_DELETE;
		}
		else if (item->status != STBL_ST_NOT_FOUND)
			stbl_call_error(item->call, &item->err);
		stbl_call_free(item->call);
		item->has_guard = stbl_guard_find(s->table->current, item->wal_id, mem, &item->guard);
	}
}

/* ---- classification ---- */

/* A mutation of a coordinator: who decides, and what. */
static void
classify_owned(Sweep *s, Item *item, const StblCoordinator *coordinator)
{
	bool		ours = stbl_coordinator_equal(coordinator, s->self);
	StblRecoverReport *r = s->report;

	if (ours)
	{
		/* The lock first, then the witness: an owner that has just ended has its row to be seen. */
		item->locked = stbl_owner_lock(item->wal_id, true);
		if (!item->locked)
		{
			r->n_held_by_peer++;
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
	if (s->options->in_doubt != STBL_IN_DOUBT_LEAVE &&
		strcmp(s->options->coordinator, stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), coordinator)) == 0)
	{
		item->action = s->options->in_doubt == STBL_IN_DOUBT_COMMIT ? DO_COMMIT : DO_ABORT;
		return;
	}
	r->n_in_doubt++;
	ereport(NOTICE,
			(errmsg("mutation %s of table \"%s\" is in doubt", item->wal_id, s->table->root),
			 errdetail("Database \"%s\" of cluster %s decides it (coordinator %s).", coordinator->database,
					   coordinator->cluster, stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), coordinator)),
			 errhint("Run supertable_recover() there; if it is gone for good, use in_doubt.")));
}

static void
classify_request(Sweep *s, Item *item)
{
	StblStateDoc *doc = &item->doc.doc;

	if (doc->has_lease && doc->lease.expires_us > stbl_now_us() && strcmp(doc->lease.owner, s->lease_owner) != 0)
	{
		s->report->n_held_by_peer++;
		return;
	}
	item->action = DO_REQUEST;
}

static void
quarantine(Sweep *s, Item *item)
{
	s->report->n_quarantined++;
	item->action = DO_NOTHING;
	ereport(DEBUG1, (errmsg_internal("mutation %s is quarantined: %s", item->wal_id, item->err.message)));
}

static void
classify(Sweep *s, Item *item)
{
	StblRecoverReport *r = s->report;
	StblStateDoc *doc = &item->doc.doc;
	bool		prepared = item->has_guard && item->guard.state == STBL_GUARD_PREPARED;

	if (item->status == STBL_ST_NOT_FOUND)
	{
		if (!prepared)
		{
			r->n_vanished_during_scan++;
			return;
		}
		/* A lone PREPARED: without its document it can only be rolled back. */
		strlcpy(doc->wal_id, item->wal_id, sizeof(doc->wal_id));
		classify_owned(s, item, &item->guard.coordinator);
		if (item->action == DO_COMMIT)
		{
			stbl_fail(&item->err, STBL_ERR_CORRUPT, "the state document of the committed mutation %s is missing", item->wal_id);
			quarantine(s, item);
		}
		return;
	}
	if (item->status != STBL_ST_OK)
	{
		quarantine(s, item);
		return;
	}
	if (doc->state == STBL_COMPLETE)
	{
		if (prepared && doc->outcome == STBL_OUTCOME_ROLLED_BACK)
			item->action = DO_ROLLBACK;
		else
			r->n_already_complete++;
		return;
	}
	if (item->has_guard && item->guard.state == STBL_GUARD_APPLIED)
	{
		item->action = DO_COMMIT;
		return;
	}
	if (item->has_guard && item->guard.state == STBL_GUARD_ABORTED)
	{
		if (stbl_witness_exists(item->wal_id))
		{
			ereport(WARNING,
					(errmsg("mutation %s of table \"%s\" was forced to roll back, but had been committed here", item->wal_id, s->table->root),
					 errdetail("Its rows are not in the table; its witness row is kept.")));
			quarantine(s, item);
		}
		else
			item->action = DO_ROLLBACK;
		return;
	}
	if (doc->has_coordinator)
		classify_owned(s, item, &doc->coordinator);
	else
		classify_request(s, item);
}

/* ---- carrying out ---- */

static void
count_published(Sweep *s, Item *item)
{
	if (item->was_intent)
		s->report->n_full_pipeline_completed++;
	else
		s->report->n_tombstone_only_completed++;
}

static int
collect(Item *items, int n, ItemAction action, int with_targets, StblSettle *settles, Item **which)
{
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &items[i].doc.doc;
		bool		fenced = items[i].has_guard || doc->op_kind != STBL_INSERT;

		if (items[i].action != action || (with_targets >= 0 && fenced != (with_targets == 1)))
			continue;
		memset(&settles[k], 0, sizeof(StblSettle));
		settles[k].doc = &items[i].doc;
		which[k++] = &items[i];
	}
	return k;
}

/* The superfiles of our own documents are trusted; that they are there is not. */
static void
check_superfiles(Sweep *s, Item *items, int n)
{
	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &items[i].doc.doc;
		StblCall  **calls;

		if (items[i].action != DO_COMMIT || items[i].has_guard)
			continue;
		calls = palloc0(sizeof(StblCall *) * (doc->n_superfiles + 1));
		for (int f = 0; f < doc->n_superfiles; f++)
			calls[f] = stbl_store_head(s->table->store, stbl_table_key(s->table, doc->superfiles[f].path), 0);
		for (int f = 0; f < doc->n_superfiles; f++)
		{
			StblStatus	status = stbl_await(calls[f]);

			if (status == STBL_ST_OK && calls[f]->req.size == (uint64) doc->superfiles[f].bytes)
				continue;
			if (status == STBL_ST_OK)
				stbl_fail(&items[i].err, STBL_ERR_CORRUPT, "superfile \"%s\" has another size than its state document says",
						  doc->superfiles[f].path);
			else
				stbl_call_error(calls[f], &items[i].err);
			if (items[i].action == DO_COMMIT)
				quarantine(s, &items[i]);
		}
	}
}

static void
run_commits(Sweep *s, Item *items, int n)
{
	StblSettle *settles = palloc(sizeof(StblSettle) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k;

	check_superfiles(s, items, n);
	k = collect(items, n, DO_COMMIT, -1, settles, which);
	if (k == 0)
		return;
	stbl_settle_commit(s->table, settles, k, false, s->deadline_us);
	for (int i = 0; i < k; i++)
		switch (settles[i].result)
		{
			case STBL_SETTLED:
				count_published(s, which[i]);
				for (int t = 0; t < settles[i].doc->doc.n_targets; t++)
					s->report->total_targets_tombstoned += settles[i].doc->doc.targets[t].n_rows;
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

static void
run_rollbacks(Sweep *s, Item *items, int n, int with_targets)
{
	StblSettle *settles = palloc(sizeof(StblSettle) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = collect(items, n, DO_ROLLBACK, with_targets, settles, which);

	if (k == 0)
		return;
	stbl_settle_rollback(s->table, settles, k, with_targets == 1, s->deadline_us);
	for (int i = 0; i < k; i++)
	{
		if (settles[i].result == STBL_SETTLED)
			s->report->n_rolled_back++;
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
		StblGuard	guard;

		if (arg->items[i].action != DO_ABORT)
			continue;
		if (stbl_guard_find(stbl_version_base(v), arg->items[i].wal_id, stbl_version_mem(v), &guard) &&
			guard.state != STBL_GUARD_PREPARED)
		{
			arg->items[i].action = DO_NOTHING;
			continue;
		}
		memset(&guard, 0, sizeof(guard));
		guard.state = STBL_GUARD_ABORTED;
		guard.reason = "in_doubt => 'abort'";
		stbl_version_domain(v, stbl_guard_domain(arg->items[i].wal_id), stbl_guard_write(stbl_version_mem(v), &guard));
		any = true;
	}
	return any ? STBL_BUILD_PUBLISH : STBL_BUILD_NOTHING;
}

static void
run_aborts(Sweep *s, Item *items, int n)
{
	AbortArg	arg = {items, n};
	StblPublish p;
	StblPublished result;

	memset(&p, 0, sizeof(p));
	p.table = s->table;
	p.build = build_aborted;
	p.arg = &arg;
	p.operation = "ABORT";
	p.refresh_first = true;
	p.deadline_us = s->deadline_us;
	result = stbl_publish(&p);
	for (int i = 0; i < n; i++)
		if (items[i].action == DO_ABORT)
		{
			items[i].action = result == STBL_PUBLISHED ? DO_ROLLBACK : DO_NOTHING;
			items[i].has_guard = false;
			if (result != STBL_PUBLISHED)
				s->report->n_cas_lost++;
		}
}

/* Takes the lease of each request, all in flight. */
static void
take_leases(Sweep *s, Item *items, int n)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &items[i].doc.doc;

		if (items[i].action != DO_REQUEST)
			continue;
		doc->has_lease = true;
		doc->lease.owner = s->lease_owner;
		doc->lease.acquired_us = stbl_now_us();
		doc->lease.expires_us = doc->lease.acquired_us + s->options->lease_us;
		calls[i] = stbl_doc_update(s->table, &items[i].doc, s->deadline_us);
	}
	for (int i = 0; i < n; i++)
		if (calls[i] != NULL && stbl_doc_finish(calls[i], &items[i].doc) != STBL_ST_OK)
		{
			s->report->n_cas_lost++;
			items[i].action = DO_NOTHING;
		}
}

/* The append phase of each request with new rows. */
static void
append_payloads(Sweep *s, Item *items, int n)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		Item	   *item = &items[i];

		if (item->action != DO_REQUEST)
			continue;
		if (!stbl_request_verify(s->table, s->table->current, &item->request, s->deadline_us))
		{
			item->err = item->request.err;
			quarantine(s, item);
			continue;
		}
		item->request.end = STBL_REQ_READY;
		if (item->doc.doc.state == STBL_INTENT && item->doc.doc.op_kind != STBL_DELETE && !s->options->dry_run)
		{
			item->doc.doc.state = STBL_APPENDED;
			calls[i] = stbl_doc_update(s->table, &item->doc, s->deadline_us);
		}
	}
	for (int i = 0; i < n; i++)
		if (calls[i] != NULL && stbl_doc_finish(calls[i], &items[i].doc) != STBL_ST_OK)
		{
			s->report->n_cas_lost++;
			items[i].action = DO_NOTHING;
		}
}

static void
count_request(Sweep *s, Item *item, const StblRequestWork *w)
{
	StblRecoverReport *r = s->report;

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
	for (int i = 0; i < item->doc.doc.n_progress; i++)
	{
		if (item->doc.doc.progress[i].outcome == STBL_ROW_TOMBSTONED)
			r->total_targets_tombstoned++;
		else if (item->doc.doc.progress[i].outcome == STBL_ROW_NOTFOUND)
			r->total_targets_not_found++;
	}
}

static void
run_requests(Sweep *s, Item *items, int n)
{
	StblRequestWork *works = palloc0(sizeof(StblRequestWork) * (n + 1));
	Item	  **which = palloc(sizeof(Item *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		items[i].request.doc = &items[i].doc;
		items[i].request.read_at = -2;
	}
	if (!s->options->dry_run)
		take_leases(s, items, n);
	append_payloads(s, items, n);
	for (int i = 0; i < n; i++)
		if (items[i].action == DO_REQUEST)
		{
			works[k] = items[i].request;
			which[k++] = &items[i];
		}
	if (s->options->dry_run)
		for (int i = 0; i < k; i++)
			works[i].end = stbl_request_resolve(s->table, s->table->current, &works[i]);
	else if (k > 0)
		stbl_requests_publish(s->table, works, k, s->deadline_us);
	for (int i = 0; i < k; i++)
		count_request(s, which[i], &works[i]);
}

static void
dry_count(Sweep *s, Item *items, int n)
{
	for (int i = 0; i < n; i++)
		switch (items[i].action)
		{
			case DO_COMMIT:
				count_published(s, &items[i]);
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
sweep_batch(Sweep *s, List *ids, int from, int n)
{
	Item	   *items = palloc0(sizeof(Item) * n);

	(void) stbl_snapshot_refresh(s->table, 0);
	for (int i = 0; i < n; i++)
		strlcpy(items[i].wal_id, list_nth(ids, from + i), STBL_ID_TEXT);
	read_items(s, items, n);
	for (int i = 0; i < n; i++)
	{
		s->report->n_scanned++;
		classify(s, &items[i]);
	}
	if (s->options->dry_run)
	{
		dry_count(s, items, n);
		run_requests(s, items, n);
	}
	else
	{
		run_aborts(s, items, n);
		run_rollbacks(s, items, n, 0);
		run_rollbacks(s, items, n, 1);
		run_commits(s, items, n);
		run_requests(s, items, n);
	}
	for (int i = 0; i < n; i++)
		if (items[i].locked)
			stbl_owner_unlock(items[i].wal_id);
}

void
stbl_recover_table(StblTable *table, const StblRecoverOptions *options, StblRecoverReport *report)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable recovery", ALLOCSET_DEFAULT_SIZES);
	MemoryContext batch_cxt;
	Sweep		s;
	List	   *ids;

	MemoryContextSwitchTo(cxt);
	batch_cxt = AllocSetContextCreate(cxt, "supertable recovery batch", ALLOCSET_DEFAULT_SIZES);
	memset(report, 0, sizeof(*report));
	memset(&s, 0, sizeof(s));
	s.table = table;
	s.options = options;
	s.report = report;
	s.self = stbl_coordinator_self();
	s.cxt = cxt;
	{
		char		id[STBL_ID_TEXT];

		stbl_new_wal_id(id);
		s.lease_owner = psprintf("%s/%d/%s", s.self->cluster, MyProcPid, id);
	}
	(void) stbl_snapshot_refresh(table, 0);
	ids = list_mutations(table);
	for (int i = 0; i < list_length(ids); i += BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		if (options->deadline_us != 0 && stbl_now_us() >= options->deadline_us)
			break;
		MemoryContextSwitchTo(batch_cxt);
		sweep_batch(&s, ids, i, Min(BATCH, list_length(ids) - i));
		MemoryContextSwitchTo(cxt);
		MemoryContextReset(batch_cxt);
	}
	if (!options->dry_run)
		stbl_settle_owed(table, true, 0);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}

/* ---- supertable_wal ---- */

static void
fill_row(StblWalRow *row, Item *item)
{
	StblStateDoc *doc = &item->doc.doc;
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);

	strlcpy(row->wal_id, item->wal_id, sizeof(row->wal_id));
	if (item->status == STBL_ST_OK)
	{
		row->op_kind = stbl_op_kind_name(doc->op_kind);
		row->state = stbl_doc_state_name(doc->state);
		row->has_created = true;
		row->created_us = doc->created_us;
		if (doc->has_lease)
		{
			row->lease_owner = pstrdup(doc->lease.owner);
			row->lease_expires_us = doc->lease.expires_us;
		}
		if (doc->has_coordinator)
			row->coordinator = stbl_coordinator_text(mem, &doc->coordinator);
		row->predicate = pstrdup(doc->predicate);
		row->n_targets = doc->n_target_ids;
		for (int i = 0; i < doc->n_targets; i++)
			row->n_targets += doc->targets[i].n_rows;
		row->n_new_rows = Max(doc->new_row_count, 0);
		if (item->has_guard && item->guard.state == STBL_GUARD_ABORTED)
			row->problem = "forced to roll back";
		return;
	}
	if (item->has_guard && item->guard.state == STBL_GUARD_PREPARED)
	{
		row->op_kind = pstrdup(item->guard.op_kind);
		row->state = "PREPARED";
		row->has_created = true;
		row->created_us = item->guard.created_us;
		row->coordinator = stbl_coordinator_text(mem, &item->guard.coordinator);
		for (int i = 0; i < item->guard.n_targets; i++)
			row->n_targets += item->guard.targets[i].n_rows;
	}
	row->problem = item->status == STBL_ST_NOT_FOUND ? "the state document is missing" :
		psprintf("%s%s%s", item->err.message, item->err.detail[0] ? ": " : "", item->err.detail);
}

StblWalRow *
stbl_wal_rows(StblTable *table, int *n_rows)
{
	Sweep		s;
	List	   *ids;
	int			n;
	Item	   *items;
	StblWalRow *rows;

	memset(&s, 0, sizeof(s));
	s.table = table;
	(void) stbl_snapshot_refresh(table, 0);
	ids = list_mutations(table);
	n = list_length(ids);
	items = palloc0(sizeof(Item) * (n + 1));
	rows = palloc0(sizeof(StblWalRow) * (n + 1));
	*n_rows = 0;
	for (int i = 0; i < n; i++)
		strlcpy(items[i].wal_id, list_nth(ids, i), STBL_ID_TEXT);
	for (int i = 0; i < n; i += BATCH)
		read_items(&s, items + i, Min(BATCH, n - i));
	for (int i = 0; i < n; i++)
		if (items[i].status != STBL_ST_NOT_FOUND ||
			(items[i].has_guard && items[i].guard.state == STBL_GUARD_PREPARED))
			fill_row(&rows[(*n_rows)++], &items[i]);
	return rows;
}
