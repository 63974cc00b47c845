/* What documents need, and which of them may go (gc_int.h). */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/retained.h"
#include "wal/gc_int.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define BATCH 256

typedef struct Reading
{
	StblTable  *table;
	StblNeeds  *needs;
	const StblCoordinator *self;
	int64		committed_before_us;
	int64		rolled_back_before_us;
} Reading;

/* Milliseconds in front of a wal_id, as microseconds. */
static int64
time_of_id(const char *wal_id)
{
	char		text[17];

	strlcpy(text, wal_id, sizeof(text));
	return (int64) Min(strtoull(text, NULL, 16), UINT64CONST(1) << 50) * 1000;
}

static void
spare_from(StblNeeds *needs, int64 us)
{
	needs->spare_from_us = Min(needs->spare_from_us, us - STBL_GC_SLACK_US);
}

static void
need_objects(StblNeeds *needs, const StblListedDoc *listed, const StblStateDoc *doc)
{
	if (doc->superfile_id != NULL)
		stbl_names_add(&needs->prefixes, psprintf("seg-%s", doc->superfile_id));
	for (int i = 0; i < doc->n_superfiles; i++)
	{
		stbl_names_add(&needs->names, doc->superfiles[i].path);
		if (doc->superfiles[i].has_dead)
			stbl_names_add_dv(&needs->names, &doc->superfiles[i].dead);
	}
	for (int i = 0; i < doc->n_targets; i++)
	{
		stbl_names_add(&needs->names, doc->targets[i].superfile);
		stbl_names_add_dv(&needs->names, &doc->targets[i].tombstones);
	}

	/*
	 * A load that is still uploading: its superfiles are younger than its
	 * document, as long as that was never changed.
	 */
	if (doc->has_coordinator && !doc->has_superfiles && doc->op_kind != STBL_DELETE)
		spare_from(needs, doc->revision == 0 ? listed->modified_us : PG_INT64_MIN / 2);
}

/* A finished document goes when nobody can need to be told of its end any more. */
static bool
is_done_with(const Reading *r, const StblListedDoc *listed, const StblStateDoc *doc)
{
	bool		rolled_back = doc->has_coordinator && doc->outcome == STBL_OUTCOME_ROLLED_BACK;

	if (!rolled_back)
		return listed->modified_us < r->committed_before_us;
	if (stbl_witness_exists(doc->wal_id))
		return false;
	return listed->modified_us < (stbl_coordinator_equal(&doc->coordinator, r->self) ?
								  r->committed_before_us : r->rolled_back_before_us);
}

typedef struct NeedArg
{
	StblNeeds  *needs;
	const StblListedDoc *listed;
	const StblStateDoc *doc;
} NeedArg;

static void
need_it(void *arg_p)
{
	NeedArg    *a = arg_p;

	need_objects(a->needs, a->listed, a->doc);
}

static void
take_batch(Reading *r, size_t from, int n)
{
	StblNeeds  *needs = r->needs;
	const char *ids[BATCH];
	StblStatus	status[BATCH];
	StblDoc    *docs = palloc(sizeof(StblDoc) * n);
	StblError  *errs = palloc(sizeof(StblError) * n);

	for (int i = 0; i < n; i++)
		ids[i] = needs->docs[from + i].wal_id;
	stbl_docs_read(r->table, stbl_mem_in(CurrentMemoryContext), ids, n, docs, status, errs, 0);
	for (int i = 0; i < n; i++)
	{
		const StblListedDoc *listed = &needs->docs[from + i];
		StblStateDoc *doc = &docs[i].doc;
		NeedArg		arg = {needs, listed, doc};
		StblError	err;

		if (status[i] == STBL_ST_NOT_FOUND)
			continue;
		if (status[i] == STBL_ST_OK && doc->state == STBL_COMPLETE)
		{
			needs->may_go[from + i] = is_done_with(r, listed, doc);
			continue;
		}
		if (status[i] == STBL_ST_OK)
			needs->unsettled[from + i] = "is not COMPLETE";
		if (status[i] != STBL_ST_OK || !stbl_survive(need_it, &arg, &err))
		{
			needs->unsettled[from + i] = "cannot be read";
			spare_from(needs, Min(time_of_id(listed->wal_id), listed->modified_us));
		}
	}
}

void
stbl_gc_read_documents(StblTable *table, int64 committed_before_us, int64 rolled_back_before_us, StblNeeds *needs)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable documents", ALLOCSET_DEFAULT_SIZES);
	Reading		r = {table, needs, stbl_coordinator_self(), committed_before_us, rolled_back_before_us};
	List	   *strangers = NIL;
	int64		now_us;

	memset(needs, 0, sizeof(*needs));
	needs->spare_from_us = PG_INT64_MAX;
	stbl_names_init(&needs->names);
	stbl_names_init(&needs->prefixes);
	needs->docs = stbl_list_documents(table, &needs->n_docs, &strangers, &now_us);
	needs->may_go = palloc_extended(sizeof(bool) * (needs->n_docs + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	needs->unsettled = palloc_extended(sizeof(char *) * (needs->n_docs + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	MemoryContextSwitchTo(cxt);
	for (size_t i = 0; i < needs->n_docs; i += BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		take_batch(&r, i, Min(BATCH, needs->n_docs - i));
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}

static int
compare_listed(const void *a, const void *b)
{
	return strcmp(a, ((const StblListedDoc *) b)->wal_id);
}

void
stbl_gc_note_guards(StblSnapshot *snapshot, StblNeeds *needs)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	int			n;
	StblDomain *domains = stbl_snapshot_domains(snapshot, STBL_GUARD_PREFIX, &n);

	for (int i = 0; i < n; i++)
	{
		const char *wal_id = domains[i].domain + strlen(STBL_GUARD_PREFIX);
		StblListedDoc *doc;
		StblGuard	guard;
		StblError	err;

		if (!stbl_guard_parse(mem, domains[i].configuration, &guard, &err))
		{
			/* It may name anything. */
			spare_from(needs, PG_INT64_MIN / 2);
			guard.state = STBL_GUARD_PREPARED;
			guard.n_targets = 0;
		}
		if (guard.state != STBL_GUARD_PREPARED)
			continue;
		for (int t = 0; t < guard.n_targets; t++)
		{
			stbl_names_add(&needs->names, guard.targets[t].superfile);
			stbl_names_add_dv(&needs->names, &guard.targets[t].tombstones);
		}
		doc = bsearch(wal_id, needs->docs, needs->n_docs, sizeof(StblListedDoc), compare_listed);
		if (doc != NULL)
			needs->may_go[doc - needs->docs] = false;
	}
}
