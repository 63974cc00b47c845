/*
 * Dropping storage (drop.h).
 *
 *	1 documents are settled, nothing is PREPARED		else 55006
 *	2 a version with domain supertable.dropped			every reader and writer meets it: 55000
 *	3 documents again: one that was durable before 2 may belong to a
 *	  transaction that has committed since: the domain is taken back, 55006
 *	4 a version that the log can begin with, without superfiles, with a cutoff
 *	5 superfiles, vectors, documents: all older than the cutoff; then the log,
 *	  checkpoints first, versions in ascending order, up to that of 4
 *	6 in a call a day later that version itself; in one before that, another
 *	  version as in 4 if anything younger than its cutoff is left, and 5
 *
 * A crash after 2 leaves a table that nobody can use until the next call goes
 * on; after 4 as well, until all is deleted.  The first write after that
 * begins the table anew at the next version, with another metaData.id; what
 * it uploads is younger than the cutoff, so a call that is still at it in
 * another session does not touch it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "common/tell.h"
#include "delta/cleanup.h"
#include "delta/condemn.h"
#include "store/remove.h"
#include "wal/drop.h"
#include "wal/gc_int.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define GAP_TRIES 4
#define MARKER_MIN_AGE_US STBL_LOG_MIN_AGE_US
#define DELETE_CHUNK 256

typedef struct Drop
{
	StblTable  *table;
	StblTell	tell;
	int64		cutoff_us;
	bool		take_back;
	char	   *prepared;		/* wal_id of an undecided mutation that was met */
	int64		n_deleted;
	StblError	err;
} Drop;

static void
throw_unsettled(Drop *d, const char *wal_id, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot drop the storage of table \"%s\"", d->table->root),
			 errdetail("Mutation %s is not settled: its state document %s.", wal_id, why),
			 errhint("Run supertable_recover() first; see supertable_wal().")));
}

static void
refuse_unsettled(Drop *d, StblNeeds *needs)
{
	for (size_t i = 0; i < needs->n_docs; i++)
		if (needs->unsettled[i] != NULL)
			throw_unsettled(d, needs->docs[i].wal_id, needs->unsettled[i]);
}

/* ---- versions ---- */

static StblBuild
build_dropped(StblVersion *v, void *arg)
{
	Drop	   *d = arg;
	StblSnapshot *base = stbl_version_base(v);
	StblMem    *mem = stbl_version_mem(v);
	int			n;
	StblDomain *domains = stbl_snapshot_domains(base, STBL_GUARD_PREFIX, &n);

	if (base->version < 0 || base->dropped != d->take_back)
		return STBL_BUILD_NOTHING;
	for (int i = 0; !d->take_back && i < n; i++)
	{
		StblGuard	guard;
		StblError	err;

		if (!stbl_guard_parse(mem, domains[i].configuration, &guard, &err) || guard.state == STBL_GUARD_PREPARED)
		{
			d->prepared = MemoryContextStrdup(GetMemoryChunkContext(d), domains[i].domain + strlen(STBL_GUARD_PREFIX));
			return STBL_BUILD_REFUSE;
		}
	}
	stbl_version_domain(v, STBL_DROPPED_DOMAIN, d->take_back ? NULL : stbl_dropped_write(mem, stbl_now_us()));
	return STBL_BUILD_PUBLISH;
}

/* What is left at the end: no superfile, no entry of a mutation, a cutoff for whoever had uploaded before. */
static StblBuild
build_marker(StblVersion *v, void *arg)
{
	Drop	   *d = arg;
	StblSnapshot *base = stbl_version_base(v);
	StblMem    *mem = stbl_version_mem(v);
	StblCutoff	cutoff = {Max(d->cutoff_us, stbl_snapshot_cutoff(base)), d->cutoff_us};
	int			n;
	StblDomain *domains = stbl_snapshot_domains(base, "supertable.", &n);

	if (!base->dropped)
		return STBL_BUILD_REFUSE;
	if (base->anew_version == base->version && stbl_snapshot_cutoff(base) >= d->cutoff_us)
		return STBL_BUILD_NOTHING;
	for (int i = 0; i < n; i++)
		if (strncmp(domains[i].domain, STBL_GUARD_PREFIX, strlen(STBL_GUARD_PREFIX)) == 0)
			stbl_version_domain(v, domains[i].domain, NULL);
	stbl_version_drop(v);
	stbl_version_domain(v, STBL_GC_DOMAIN, stbl_cutoff_write(mem, &cutoff));
	stbl_version_domain(v, STBL_DROPPED_DOMAIN, stbl_dropped_write(mem, d->cutoff_us));
	return STBL_BUILD_PUBLISH;
}

static StblPublished
publish(Drop *d, StblBuildFn build)
{
	StblPublish p;
	StblPublished result = STBL_PUBLISH_GAP;

	for (int tries = 0; result == STBL_PUBLISH_GAP && tries < GAP_TRIES; tries++)
	{
		memset(&p, 0, sizeof(p));
		p.table = d->table;
		p.build = build;
		p.arg = d;
		p.operation = "DROP STORAGE";
		p.refresh_first = true;
		result = stbl_publish(&p);
	}
	if (result == STBL_PUBLISH_UNKNOWN)
		p.err.kind = STBL_ERR_IO;
	if (result != STBL_PUBLISHED && result != STBL_PUBLISH_NOTHING && result != STBL_PUBLISH_REFUSED)
		stbl_throw(&p.err);
	return result;
}

static void
publish_marker(Drop *d)
{
	d->cutoff_us = stbl_store_clock(d->table->store) + 1;
	if (publish(d, build_marker) == STBL_PUBLISH_REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot drop the storage of table \"%s\"", d->table->root),
				 errdetail("Another session took the drop back, for a mutation that is not settled, or began the table anew.")));
}

/* Steps 1 to 4. */
static void
condemn(Drop *d)
{
	StblNeeds	needs;

	stbl_gc_read_documents(d->table, 0, 0, &needs);
	refuse_unsettled(d, &needs);
	if (publish(d, build_dropped) == STBL_PUBLISH_REFUSED)
		throw_unsettled(d, d->prepared, "may be gone, but it is PREPARED");
	stbl_gc_read_documents(d->table, 0, 0, &needs);
	for (size_t i = 0; i < needs.n_docs; i++)
		if (needs.unsettled[i] != NULL)
		{
			d->take_back = true;
			(void) publish(d, build_dropped);
			refuse_unsettled(d, &needs);
		}
	publish_marker(d);
}

/* What is left of writers that met the marker: their objects are younger than its cutoff. */
static bool
anything_younger(Drop *d, const char *name, char delimiter)
{
	char	   *token = NULL;
	bool		found = false;

	do
	{
		StblCall   *call = stbl_store_list(d->table->store, stbl_table_key(d->table, name), delimiter, token, 0);

		stbl_await_ok(call);
		for (size_t i = 0; i < call->req.n_entries; i++)
			found = found || (!call->req.entries[i].is_folder && call->req.entries[i].modified_us >= d->cutoff_us);
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL && !found);
	return found;
}

/* ---- deletions ---- */

static void
delete_keys(Drop *d, char **keys, size_t n)
{
	bool	   *deleted = palloc_extended(sizeof(bool) * (n + 1), MCXT_ALLOC_HUGE);

	for (size_t i = 0; i < n; i += DELETE_CHUNK)
	{
		size_t		k = Min(DELETE_CHUNK, n - i);

		stbl_remove_objects(d->table->store, keys + i, k, deleted, &d->err);
		for (size_t j = 0; j < k; j++)
			d->n_deleted += deleted[j];
		stbl_tell(&d->tell, "deleting objects", i + k, n);
	}
}

/* What lies under a prefix, older than the cutoff; of the log only what has no version in its name. */
static void
delete_under(Drop *d, const char *name, char delimiter, bool is_log)
{
	char	   *prefix = stbl_table_key(d->table, name);
	size_t		len = strlen(prefix);
	size_t		cap = 64;
	size_t		n = 0;
	char	  **keys = palloc(sizeof(char *) * cap);
	char	   *token = NULL;

	do
	{
		StblCall   *call = stbl_store_list(d->table->store, prefix, delimiter, token, 0);

		stbl_await_ok(call);
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			const StblListEntry *e = &call->req.entries[i];
			StblLogName ignored;

			if (e->is_folder || strncmp(e->key, prefix, len) != 0 || e->modified_us >= d->cutoff_us ||
				(is_log && stbl_log_name_parse(e->key + len, &ignored)))
				continue;
			if (n == cap)
				keys = repalloc_huge(keys, sizeof(char *) * (cap *= 2));
			keys[n++] = pstrdup(e->key);
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL);
	delete_keys(d, keys, n);
}

/* Checkpoints first: without one, readers look for a version that the log can begin with. */
static void
delete_log(Drop *d, int64 marker)
{
	StblLog		log;
	char	  **others;
	size_t		n_others = 0;

	stbl_log_list(d->table, &log);
	others = palloc_extended(sizeof(char *) * (log.n + 1), MCXT_ALLOC_HUGE);
	for (size_t i = 0; i < log.n; i++)
		if (log.objects[i].name.version < marker && log.objects[i].name.kind != STBL_LOG_VERSION)
			others[n_others++] = log.objects[i].key;
	delete_keys(d, others, n_others);
	for (size_t i = 0; i < log.n && d->err.kind == STBL_ERR_NONE; i++)
	{
		const StblLogObject *o = &log.objects[i];
		bool		is_old_marker = o->name.version == marker && stbl_log_last(&log) == marker &&
			log.now_us - o->modified_us >= MARKER_MIN_AGE_US;

		if (o->name.kind != STBL_LOG_VERSION || (o->name.version >= marker && !is_old_marker))
			continue;
		CHECK_FOR_INTERRUPTS();
		delete_keys(d, &log.objects[i].key, 1);
		stbl_tell(&d->tell, "deleting versions", i, log.n);
	}
}

static void
drop(Drop *d)
{
	StblSnapshot *s = stbl_snapshot_refresh(d->table, 0);
	int64		marker;

	if (s->version < 0)
		return;
	if (!s->dropped && !stbl_protocol_has(&s->protocol, "supertable"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot drop the storage of Delta table \"%s\"", d->table->root),
				 errdetail("It was created by another writer and lacks the writer feature \"supertable\".")));
	d->cutoff_us = stbl_snapshot_cutoff(s);
	if (!s->dropped || s->anew_version != s->version)
		condemn(d);
	else if (anything_younger(d, "", '/') || anything_younger(d, "_supertable/", 0))
		publish_marker(d);
	s = stbl_snapshot_refresh(d->table, 0);
	if (!s->dropped)
		return;					/* begun anew by another session meanwhile */
	marker = s->version;
	d->cutoff_us = stbl_snapshot_cutoff(s);
	delete_under(d, "", '/', false);
	delete_under(d, "_supertable/", 0, false);
	delete_under(d, "_change_data/", 0, false);
	delete_under(d, "_delta_log/", 0, true);
	delete_log(d, marker);
}

int64
stbl_drop_storage(StblTable *table)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable drop", ALLOCSET_DEFAULT_SIZES);
	Drop	   *d = MemoryContextAllocZero(cxt, sizeof(Drop));
	int64		n_deleted;

	MemoryContextSwitchTo(cxt);
	d->table = table;
	stbl_tell_begin(&d->tell, "supertable_drop_storage", table->root);
	table->dropped_ok = true;
	PG_TRY();
	{
		drop(d);
	}
	PG_FINALLY();
	{
		table->dropped_ok = false;
		stbl_snapshot_forget(table);
	}
	PG_END_TRY();
	if (d->err.kind != STBL_ERR_NONE)
	{
		stbl_error_hint(&d->err, "Call supertable_drop_storage() again for what is left.");
		stbl_warn(&d->err);
	}
	n_deleted = d->n_deleted;
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
	return n_deleted;
}

/* ---- witnesses ---- */

bool
stbl_has_unsettled_witness(StblTable *table, char *wal_id)
{
	int			n;
	char	  **ids = stbl_witness_list(table->root, &n);
	StblDoc    *docs = palloc(sizeof(StblDoc) * (n + 1));
	StblStatus *status = palloc(sizeof(StblStatus) * (n + 1));
	StblError  *errs = palloc(sizeof(StblError) * (n + 1));
	StblSnapshot *snapshot;
	bool		found = false;

	if (n == 0)
		return false;
	stbl_docs_read(table, stbl_mem_in(CurrentMemoryContext), (const char *const *) ids, n, docs, status, errs, 0);
	table->dropped_ok = true;
	PG_TRY();
	{
		snapshot = stbl_snapshot_refresh(table, 0);
		for (int i = 0; !found && i < n; i++)
		{
			StblGuard	guard;

			if (status[i] == STBL_ST_NOT_FOUND)
				found = stbl_guard_find(snapshot, ids[i], stbl_mem_in(CurrentMemoryContext), &guard) &&
					guard.state == STBL_GUARD_PREPARED;
			else
				found = status[i] != STBL_ST_OK || docs[i].doc.state != STBL_COMPLETE;
			if (found)
				strlcpy(wal_id, ids[i], STBL_ID_TEXT);
		}
	}
	PG_FINALLY();
	{
		table->dropped_ok = false;
	}
	PG_END_TRY();
	return found;
}

void
stbl_forget_witnesses(StblTable *table)
{
	stbl_settle_witnesses(table, 0);
}
