/* The rows of supertable_wal(): documents, lone PREPARED entries, and what is wrong with them. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/listing.h"
#include "wal/recover.h"
#include "wal/request.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

static char *
problem_text(const StblError *err)
{
	return psprintf("%s%s%s", err->message, err->detail[0] ? ": " : "", err->detail);
}

static void
fill_from_document(StblWalRow *row, const StblStateDoc *doc)
{
	row->op_kind = stbl_op_kind_name(doc->op_kind);
	row->state = stbl_doc_state_name(doc->state);
	row->has_created = true;
	row->created_us = doc->created_us;
	if (doc->has_lease)
	{
		row->lease_owner = doc->lease.owner;
		row->lease_expires_us = doc->lease.expires_us;
	}
	if (doc->has_coordinator)
		row->coordinator = stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), &doc->coordinator);
	row->predicate = doc->predicate;
	row->n_targets = doc->n_target_ids;
	for (int i = 0; i < doc->n_targets; i++)
		row->n_targets += doc->targets[i].n_rows;
	row->n_new_rows = Max(doc->new_row_count, 0);
	if (doc->has_coordinator && doc->outcome == STBL_OUTCOME_ROLLED_BACK && stbl_witness_exists(doc->wal_id))
		row->problem = "forced to roll back, although it was committed here";
}

static void
fill_from_guard(StblWalRow *row, const StblSnapshot *snapshot, const StblGuard *guard)
{
	int			n;
	StblTarget *targets = stbl_guard_targets(snapshot, guard, &n);

	row->op_kind = guard->op_kind;
	row->state = "PREPARED";
	row->has_created = true;
	row->created_us = guard->created_us;
	row->coordinator = stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), &guard->coordinator);
	for (int i = 0; i < n; i++)
		row->n_targets += targets[i].n_rows;
	row->problem = "the state document is missing";
}

/*
 * Payloads of open requests: what a sweep would find wrong with them.  One
 * under a live lease may be on its way still.
 */
static void
check_payloads(StblTable *table, StblDoc *docs, StblWalRow **rows, int n)
{
	StblRequestWork *works = palloc0(sizeof(StblRequestWork) * (n + 1));
	StblRequestWork **which = palloc(sizeof(StblRequestWork *) * (n + 1));
	StblWalRow **row_of = palloc(sizeof(StblWalRow *) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &docs[i].doc;

		if (rows[i] == NULL || !docs[i].exists || doc->has_coordinator || doc->state == STBL_COMPLETE ||
			rows[i]->problem != NULL || (doc->has_lease && doc->lease.expires_us > stbl_now_us()))
			continue;
		works[k].doc = &docs[i];
		which[k] = &works[k];
		row_of[k++] = rows[i];
	}
	stbl_requests_verify(table, table->current, which, k, 0);
	for (int i = 0; i < k; i++)
		if (works[i].end == STBL_REQ_QUARANTINED)
			row_of[i]->problem = problem_text(&works[i].err);
}

/* What keeps a mutation that is committed here from being published. */
static void
check_owed(StblTable *table, StblDoc *doc, StblWalRow *row)
{
	StblStateDoc *state = &doc->doc;
	StblGuard	guard;
	StblError	err;

	if (doc->doc.state == STBL_COMPLETE || !doc->doc.has_coordinator || row->problem != NULL ||
		!stbl_witness_exists(doc->doc.wal_id))
		return;
	if (stbl_guard_find(table->current, doc->doc.wal_id, stbl_mem_in(CurrentMemoryContext), &guard) &&
		guard.state != STBL_GUARD_PREPARED)
		return;
	if (!stbl_settle_check(table, table->current, doc, &err))
	{
		row->problem = problem_text(&err);
		return;
	}
	stbl_check_presence(table, &state, 1, &err, 0);
	if (err.kind != STBL_ERR_NONE)
		row->problem = problem_text(&err);
}

/* False where there is nothing to show: gone since the listing. */
static bool
fill_row(StblTable *table, StblWalRow *row, const char *wal_id, StblStatus status, const StblDoc *doc, const StblError *err)
{
	const char *config = stbl_snapshot_domain(table->current, stbl_guard_domain(wal_id));
	StblGuard	guard;
	StblError	guard_err;
	bool		broken = config != NULL &&
		!stbl_guard_parse(stbl_mem_in(CurrentMemoryContext), config, &guard, &guard_err);

	strlcpy(row->wal_id, wal_id, sizeof(row->wal_id));
	if (status == STBL_ST_OK)
		fill_from_document(row, &doc->doc);
	else if (status == STBL_ST_NOT_FOUND && !broken)
	{
		if (config == NULL || guard.state != STBL_GUARD_PREPARED)
			return false;
		fill_from_guard(row, table->current, &guard);
	}
	else if (status != STBL_ST_NOT_FOUND)
		row->problem = problem_text(err);
	if (broken && row->problem == NULL)
		row->problem = problem_text(&guard_err);
	else if (config != NULL && !broken && guard.state == STBL_GUARD_ABORTED && row->problem == NULL)
		row->problem = psprintf("forced to roll back: %s", guard.reason);
	return true;
}

static const char *
keep(MemoryContext cxt, const char *str)
{
	return str != NULL ? MemoryContextStrdup(cxt, str) : NULL;
}

/* Rows of a batch of documents; what they point to is moved to cxt. */
static int
fill_rows(StblTable *table, List *ids, int from, int n, StblWalRow *rows, MemoryContext cxt)
{
	const char *ask[STBL_WAL_IN_FLIGHT];
	StblStatus	status[STBL_WAL_IN_FLIGHT];
	StblWalRow *row_of[STBL_WAL_IN_FLIGHT];
	StblDoc    *docs = palloc0(sizeof(StblDoc) * n);
	StblError  *errs = palloc0(sizeof(StblError) * n);
	int			k = 0;

	for (int i = 0; i < n; i++)
		ask[i] = list_nth(ids, from + i);
	stbl_docs_read(table, stbl_mem_in(CurrentMemoryContext), ask, n, docs, status, errs, 0);
	for (int i = 0; i < n; i++)
	{
		row_of[i] = NULL;
		if (fill_row(table, &rows[k], ask[i], status[i], &docs[i], &errs[i]))
		{
			row_of[i] = &rows[k++];
			if (status[i] == STBL_ST_OK)
				check_owed(table, &docs[i], row_of[i]);
		}
		else
			memset(&rows[k], 0, sizeof(StblWalRow));
	}
	check_payloads(table, docs, row_of, n);
	for (int i = 0; i < k; i++)
	{
		rows[i].op_kind = keep(cxt, rows[i].op_kind);
		rows[i].lease_owner = keep(cxt, rows[i].lease_owner);
		rows[i].coordinator = keep(cxt, rows[i].coordinator);
		rows[i].predicate = keep(cxt, rows[i].predicate);
		rows[i].problem = keep(cxt, rows[i].problem);
	}
	return k;
}

StblWalRow *
stbl_wal_rows(StblTable *table, int *n_rows)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable documents", ALLOCSET_DEFAULT_SIZES);
	StblListing listing;
	int			n;
	StblWalRow *rows;
	ListCell   *lc;

	(void) stbl_snapshot_refresh(table, 0);
	stbl_list_mutations(table, &listing);
	n = list_length(listing.ids);
	rows = palloc_extended(sizeof(StblWalRow) * ((Size) n + list_length(listing.strangers) + 1),
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	*n_rows = 0;
	for (int from = 0; from < n; from += STBL_WAL_IN_FLIGHT)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		*n_rows += fill_rows(table, listing.ids, from, Min(STBL_WAL_IN_FLIGHT, n - from), &rows[*n_rows], outer);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(cxt);
	}
	foreach(lc, listing.strangers)
	{
		StblWalRow *row = &rows[(*n_rows)++];

		row->problem = psprintf("object \"%s\" is not named as a state document", (char *) lfirst(lc));
	}
	MemoryContextDelete(cxt);
	return rows;
}
