/* The rows of supertable_wal(): documents, lone PREPARED entries, and what is wrong with them. */
#include "postgres.h"

#include "miscadmin.h"

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
fill_from_guard(StblWalRow *row, const StblGuard *guard)
{
	row->op_kind = guard->op_kind;
	row->state = "PREPARED";
	row->has_created = true;
	row->created_us = guard->created_us;
	row->coordinator = stbl_coordinator_text(stbl_mem_in(CurrentMemoryContext), &guard->coordinator);
	for (int i = 0; i < guard->n_targets; i++)
		row->n_targets += guard->targets[i].n_rows;
	row->problem = "the state document is missing";
}

/* Payloads of open requests: what a sweep would find wrong with them. */
static void
check_payloads(StblTable *table, StblDoc *docs, StblWalRow *rows, const int *row_of, int n)
{
	StblRequestWork *works = palloc0(sizeof(StblRequestWork) * (n + 1));
	StblRequestWork **which = palloc(sizeof(StblRequestWork *) * (n + 1));
	int		   *doc_of = palloc(sizeof(int) * (n + 1));
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &docs[i].doc;

		if (row_of[i] < 0 || !docs[i].exists || doc->has_coordinator || doc->state == STBL_COMPLETE || rows[row_of[i]].problem != NULL)
			continue;
		works[k].doc = &docs[i];
		which[k] = &works[k];
		doc_of[k++] = i;
	}
	stbl_requests_verify(table, table->current, which, k, 0);
	for (int i = 0; i < k; i++)
		if (works[i].end == STBL_REQ_QUARANTINED)
			rows[row_of[doc_of[i]]].problem = problem_text(&works[i].err);
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
		fill_from_guard(row, &guard);
	}
	else if (status != STBL_ST_NOT_FOUND)
		row->problem = problem_text(err);
	if (broken && row->problem == NULL)
		row->problem = problem_text(&guard_err);
	else if (config != NULL && !broken && guard.state == STBL_GUARD_ABORTED && row->problem == NULL)
		row->problem = psprintf("forced to roll back: %s", guard.reason);
	return true;
}

StblWalRow *
stbl_wal_rows(StblTable *table, int *n_rows)
{
	StblListing listing;
	int			n;
	int			i = 0;
	const char **ids;
	StblDoc    *docs;
	StblStatus *status;
	StblError  *errs;
	StblWalRow *rows;
	int		   *row_of;
	ListCell   *lc;

	(void) stbl_snapshot_refresh(table, 0);
	stbl_list_mutations(table, &listing);
	n = list_length(listing.ids);
	ids = palloc(sizeof(char *) * (n + 1));
	docs = palloc0(sizeof(StblDoc) * (n + 1));
	status = palloc(sizeof(StblStatus) * (n + 1));
	errs = palloc(sizeof(StblError) * (n + 1));
	row_of = palloc(sizeof(int) * (n + 1));
	rows = palloc0(sizeof(StblWalRow) * (n + list_length(listing.strangers) + 1));
	foreach(lc, listing.ids)
		ids[i++] = lfirst(lc);
	stbl_docs_read(table, stbl_mem_in(CurrentMemoryContext), ids, n, docs, status, errs, 0);
	*n_rows = 0;
	for (i = 0; i < n; i++)
	{
		row_of[i] = -1;
		if (fill_row(table, &rows[*n_rows], ids[i], status[i], &docs[i], &errs[i]))
			row_of[i] = (*n_rows)++;
		else
			memset(&rows[*n_rows], 0, sizeof(StblWalRow));
	}
	check_payloads(table, docs, rows, row_of, n);
	foreach(lc, listing.strangers)
	{
		StblWalRow *row = &rows[(*n_rows)++];

		row->problem = psprintf("object \"%s\" is not named as a state document", (char *) lfirst(lc));
	}
	return rows;
}
