/*
 * Garbage collection.  Architecture, "GC", has the protocol, its invariants
 * and why they suffice; here is what is done in which order:
 *
 *	1 list objects under the root		candidates: ours by name, older than cutoff
 *	2 read documents, then snapshot		what of them is needed by nobody, as of now
 *	  and log
 *	3 publish a version with cutoff		only if anything is left
 *	4 as 2, anew						what may be deleted; only what 2 had left, too
 *	5 delete superfiles and vectors, then documents, then old log
 *
 * Candidates are never listed again: an object that appears under a listed
 * name later cannot be, for names are new uuids.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "common/tell.h"
#include "delta/cleanup.h"
#include "delta/condemn.h"
#include "delta/retained.h"
#include "store/remove.h"
#include "wal/gc_int.h"
#include "wal/wal_int.h"

#define LOG_TRIES 4
#define GAP_TRIES 4
#define DELETE_CHUNK 256

typedef struct Candidate
{
	char	   *key;
	const char *name;			/* relative to the root */
	int64		modified_us;
	uint64		size;
	bool		is_vector;
	bool		needed;
} Candidate;

typedef struct Gc
{
	StblTable  *table;
	const StblGcOptions *options;
	StblGcReport *report;
	StblTell	tell;
	int64		now_us;			/* the storage's clock */
	int64		cutoff_us;
	Candidate  *candidates;
	size_t		n;
	StblNeeds	needs;
	StblLog		log;
	StblError	err;			/* of a deletion that failed */
} Gc;

/* ---- what lies under the root ---- */

static bool
begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool
ends(const char *name, const char *with)
{
	size_t		len = strlen(name);

	return len >= strlen(with) && strcmp(name + len - strlen(with), with) == 0;
}

/* Names of superfiles, those of refused writers included, and of vector files. */
static bool
is_ours(const char *name, bool *is_vector)
{
	*is_vector = begins(name, "deletion_vector_") && ends(name, ".bin");
	return *is_vector || ((begins(name, "seg-") || begins(name, "part-")) && ends(name, ".parquet"));
}

static void
list_candidates(Gc *gc)
{
	const char *prefix = gc->table->prefix;
	size_t		len = strlen(prefix);
	size_t		cap = 64;
	char	   *token = NULL;

	gc->candidates = palloc(sizeof(Candidate) * cap);
	do
	{
		StblCall   *call = stbl_store_list(gc->table->store, prefix, '/', token, 0);

		stbl_await_ok(call);
		if (call->req.store_time_us <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("storage of table \"%s\" does not tell its time", gc->table->root),
					 errdetail("The age of objects cannot be known.")));
		if (gc->now_us == 0)
		{
			gc->now_us = call->req.store_time_us;
			gc->cutoff_us = gc->now_us - gc->options->grace_us;
		}
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			const StblListEntry *e = &call->req.entries[i];
			Candidate  *c;
			bool		is_vector;

			if (e->is_folder || !begins(e->key, prefix) || !is_ours(e->key + len, &is_vector) ||
				e->modified_us >= gc->cutoff_us)
				continue;
			if (gc->n == cap)
				gc->candidates = repalloc_huge(gc->candidates, sizeof(Candidate) * (cap *= 2));
			c = &gc->candidates[gc->n++];
			c->key = pstrdup(e->key);
			c->name = c->key + len;
			c->modified_us = e->modified_us;
			c->size = e->size;
			c->is_vector = is_vector;
			c->needed = false;
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
		stbl_tell(&gc->tell, "listing objects", gc->n, -1);
	} while (token != NULL);
}

/* ---- what is needed ---- */

/* A table that others write too is none whose objects we may judge. */
static void
check_table(Gc *gc, StblSnapshot *snapshot)
{
	if (snapshot->version >= 0 && !stbl_protocol_has(&snapshot->protocol, "supertable"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot clean up Delta table \"%s\"", gc->table->root),
				 errdetail("It was created by another writer and lacks the writer feature \"supertable\".")));
}

static void
add_live(StblSnapshot *snapshot, StblNames *out)
{
	for (StblFile *f = snapshot->first; f != NULL; f = f->next)
	{
		stbl_names_add(out, f->path);
		stbl_names_add_dv(out, f->dv);
	}
}

/* A decision from a part of the log would delete live data: all the snapshot has live must be among what was read. */
static void
check_whole(Gc *gc, StblSnapshot *snapshot, const StblNames *retained)
{
	for (StblFile *f = snapshot->first; f != NULL; f = f->next)
		if (!stbl_names_have(retained, f->path))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the log of table \"%s\" does not say what its newest version says", gc->table->root),
					 errdetail("Superfile \"%s\" is live, but no retained version that was read has it.", f->path)));
}

/* Reads the log until it holds still, so that what retained versions refer to is known whole. */
static void
read_log(Gc *gc, StblSnapshot *snapshot, StblNames *retained)
{
	for (int tries = 0; tries < LOG_TRIES; tries++)
	{
		int64		oldest;

		stbl_log_list(gc->table, &gc->log);
		oldest = stbl_log_in_effect(&gc->log, gc->now_us - gc->options->retention_us);
		if (oldest < 0)
			oldest = stbl_log_first(&gc->log);
		if (oldest < 0)
			continue;
		retained->n = 0;
		if (stbl_retained_names(gc->table, &gc->log, Min(oldest, snapshot->version), snapshot->version, retained))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("could not read the log of table \"%s\" whole", gc->table->root),
			 errdetail("Its versions are being cleaned up by another session."),
			 errhint("Run supertable_gc() again.")));
}

/* Documents, then the snapshot, then the log up to it: in this order nothing is missed. */
static void
look(Gc *gc)
{
	const StblGcOptions *o = gc->options;
	StblSnapshot *snapshot;
	StblNames	retained;

	stbl_gc_read_documents(gc->table, gc->cutoff_us, gc->now_us - Max(o->grace_us, o->retention_us), &gc->needs);
	stbl_tell(&gc->tell, "reading documents", gc->needs.n_docs, -1);
	snapshot = stbl_snapshot_refresh(gc->table, 0);
	check_table(gc, snapshot);
	memset(&gc->log, 0, sizeof(gc->log));
	if (snapshot->version < 0)
	{
		/* Its first writer may be at work: there is no version that could condemn what it has sent. */
		for (size_t i = 0; i < gc->n; i++)
			gc->candidates[i].needed = true;
		return;
	}
	stbl_gc_note_guards(snapshot, &gc->needs);
	stbl_names_init(&retained);
	read_log(gc, snapshot, &retained);
	stbl_names_sort(&retained);
	check_whole(gc, snapshot, &retained);
	add_live(snapshot, &gc->needs.names);
	stbl_names_sort(&gc->needs.names);
	for (size_t i = 0; i < gc->n; i++)
	{
		Candidate  *c = &gc->candidates[i];

		if (c->modified_us >= gc->needs.spare_from_us || stbl_names_have(&retained, c->name) ||
			stbl_names_have(&gc->needs.names, c->name) || stbl_names_have_prefix_of(&gc->needs.prefixes, c->name))
			c->needed = true;
	}
}

static bool
any_candidate(const Gc *gc)
{
	for (size_t i = 0; i < gc->n; i++)
		if (!gc->candidates[i].needed)
			return true;
	return false;
}

/* ---- the version that condemns ---- */

static StblBuild
build_cutoff(StblVersion *v, void *arg)
{
	Gc		   *gc = arg;
	StblCutoff	cutoff = {gc->cutoff_us, gc->now_us};

	if (stbl_version_base(v)->version < 0 || stbl_snapshot_cutoff(stbl_version_base(v)) >= gc->cutoff_us)
		return STBL_BUILD_NOTHING;
	stbl_version_domain(v, STBL_GC_DOMAIN, stbl_cutoff_write(stbl_version_mem(v), &cutoff));
	(void) stbl_settle_remove_markers(v, STBL_MAX_REMOVALS, 0);
	return STBL_BUILD_PUBLISH;
}

static void
condemn(Gc *gc)
{
	StblPublish p;
	StblPublished result = STBL_PUBLISH_GAP;

	for (int tries = 0; result == STBL_PUBLISH_GAP && tries < GAP_TRIES; tries++)
	{
		memset(&p, 0, sizeof(p));
		p.table = gc->table;
		p.build = build_cutoff;
		p.arg = gc;
		p.operation = "GC";
		p.refresh_first = true;
		result = stbl_publish(&p);
	}
	if (result == STBL_PUBLISH_UNKNOWN)
		p.err.kind = STBL_ERR_IO;
	if (result != STBL_PUBLISHED && result != STBL_PUBLISH_NOTHING)
		stbl_throw(&p.err);
}

/* ---- deleting ---- */

static void
count_candidate(Gc *gc, const Candidate *c)
{
	if (c->is_vector)
		gc->report->n_tombstones++;
	else
		gc->report->n_superfiles++;
	gc->report->bytes += c->size;
}

static void
delete_candidates(Gc *gc)
{
	char	  **keys = palloc(sizeof(char *) * DELETE_CHUNK);
	bool	   *deleted = palloc(sizeof(bool) * DELETE_CHUNK);
	Candidate **which = palloc(sizeof(Candidate *) * DELETE_CHUNK);
	size_t		i = 0;

	while (i < gc->n)
	{
		size_t		k = 0;

		for (; i < gc->n && k < DELETE_CHUNK; i++)
			if (!gc->candidates[i].needed)
			{
				which[k] = &gc->candidates[i];
				keys[k++] = gc->candidates[i].key;
			}
		stbl_remove_objects(gc->table->store, keys, k, deleted, &gc->err);
		for (size_t j = 0; j < k; j++)
			if (deleted[j])
				count_candidate(gc, which[j]);
		stbl_tell(&gc->tell, "deleting superfiles and vectors", i, gc->n);
	}
}

static void
delete_documents(Gc *gc)
{
	StblNeeds  *needs = &gc->needs;
	char	  **keys = palloc(sizeof(char *) * DELETE_CHUNK);
	bool	   *deleted = palloc(sizeof(bool) * DELETE_CHUNK);
	StblListedDoc **which = palloc(sizeof(StblListedDoc *) * DELETE_CHUNK);
	size_t		i = 0;

	while (i < needs->n_docs)
	{
		size_t		k = 0;

		for (; i < needs->n_docs && k < DELETE_CHUNK; i++)
			if (needs->may_go[i])
			{
				which[k] = &needs->docs[i];
				keys[k++] = stbl_doc_key(gc->table, needs->docs[i].wal_id);
			}
		if (!gc->options->dry_run)
			stbl_remove_objects(gc->table->store, keys, k, deleted, &gc->err);
		for (size_t j = 0; j < k; j++)
			if (gc->options->dry_run || deleted[j])
			{
				gc->report->n_state_docs++;
				gc->report->bytes += which[j]->size;
			}
		stbl_tell(&gc->tell, "deleting documents", i, needs->n_docs);
	}
}

static void
clean_log(Gc *gc)
{
	StblCleanup cleanup;

	if (gc->log.n == 0)
		return;
	stbl_log_cleanup(gc->table, &gc->log, gc->now_us - gc->options->retention_us, gc->options->dry_run, &gc->tell, &cleanup);
	gc->report->n_log_versions += cleanup.n_versions;
	gc->report->bytes += cleanup.bytes;
	if (cleanup.err.kind != STBL_ERR_NONE)
		gc->err = cleanup.err;
}

void
stbl_gc_table(StblTable *table, const StblGcOptions *options, StblGcReport *report)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable gc", ALLOCSET_DEFAULT_SIZES);
	Gc			gc;

	MemoryContextSwitchTo(cxt);
	memset(report, 0, sizeof(*report));
	memset(&gc, 0, sizeof(gc));
	gc.table = table;
	gc.options = options;
	gc.report = report;
	stbl_tell_begin(&gc.tell, "supertable_gc", table->root);

	check_table(&gc, stbl_snapshot_refresh(table, 0));
	/* A witness whose document goes would not be told from one that was never settled. */
	if (!options->dry_run)
		stbl_settle_witnesses(table, 0);
	list_candidates(&gc);
	look(&gc);
	if (any_candidate(&gc) && options->dry_run)
	{
		for (size_t i = 0; i < gc.n; i++)
			if (!gc.candidates[i].needed)
				count_candidate(&gc, &gc.candidates[i]);
	}
	else if (any_candidate(&gc))
	{
		condemn(&gc);
		look(&gc);
		delete_candidates(&gc);
	}
	delete_documents(&gc);
	clean_log(&gc);
	if (gc.err.kind != STBL_ERR_NONE)
	{
		stbl_error_hint(&gc.err, "What could not be deleted is left to the next supertable_gc().");
		stbl_warn(&gc.err);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}
