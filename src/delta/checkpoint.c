/*
 * Putting a checkpoint on storage.
 *
 *	1. PUT _delta_log/<version>.checkpoint.parquet, create-only: another
 *	   session's of the same version says the same
 *	2. PUT _delta_log/_last_checkpoint, overwriting: a hint only
 *
 * A crash between the two leaves a checkpoint that a listing finds.
 */
#include "postgres.h"

#include <inttypes.h>

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/checkpoint.h"
#include "delta/snapshot_int.h"

int			stbl_checkpoint_interval = 10;

static void *
alloc_huge(Size n, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, (n + 1) * size);
}

static void
collect_files(const StblSnapshot *s, StblActions *actions)
{
	StblFile   *file;

	actions->adds = alloc_huge(s->n_files, sizeof(StblAdd));
	for (file = s->first; file != NULL; file = file->next)
	{
		StblAdd    *add = &actions->adds[actions->n_adds++];

		memset(add, 0, sizeof(*add));
		add->path = file->path;
		add->size = file->size;
		add->mtime_ms = file->mtime_ms;
		add->stats = file->stats;
		add->dv = file->dv;
		add->base_row_id = file->base_row_id;
		add->default_row_commit_version = file->default_row_commit_version;
	}
}

static void
collect_removes(const StblSnapshotState *state, StblActions *actions)
{
	HASH_SEQ_STATUS scan;
	StblRemovedEntry *entry;
	int64		oldest = stbl_now_us() / 1000 - STBL_TOMBSTONE_MS;

	actions->removes = alloc_huge(hash_get_num_entries(state->removed), sizeof(StblRemove));
	hash_seq_init(&scan, state->removed);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->remove.deletion_ms >= oldest)
			actions->removes[actions->n_removes++] = entry->remove;
}

static void
collect_txns(const StblSnapshot *s, StblActions *actions)
{
	HASH_SEQ_STATUS scan;
	StblTxnEntry *entry;

	actions->txns = alloc_huge(hash_get_num_entries(s->txns), sizeof(StblTxnAction));
	hash_seq_init(&scan, s->txns);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		StblTxnAction *txn = &actions->txns[actions->n_txns++];

		txn->app_id = entry->app_id;
		txn->version = entry->version;
		txn->last_updated_ms = entry->last_updated_ms;
	}
}

static void
put_checkpoint(StblTable *table, const StblBuf *bytes, int64_t deadline_us)
{
	StblCall   *call = stbl_store_put_new(table->store,
										  psprintf("%s_delta_log/%020" PRId64 ".checkpoint.parquet", table->prefix, table->current->version),
										  bytes->data, bytes->len, deadline_us);

	if (stbl_await(call) != STBL_ST_PRECONDITION)
		stbl_await_ok(call);
}

void
stbl_checkpoint_write(StblTable *table, int64_t deadline_us)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt;
	StblMem    *mem;
	StblSnapshot *s = table->current;
	StblActions actions;
	StblBuf		bytes;
	StblBuf		hint;
	StblError	err;
	int64_t		n_rows;

	if (s == NULL || s->version < 0 || s->checkpoint_version >= s->version)
		return;
	cxt = AllocSetContextCreate(caller, "supertable checkpoint", ALLOCSET_DEFAULT_SIZES);
	mem = stbl_mem_in(cxt);
	MemoryContextSwitchTo(cxt);
	memset(&actions, 0, sizeof(actions));
	actions.protocol = &s->protocol;
	actions.metadata = &s->metadata;
	actions.domains = stbl_snapshot_domains(s, "", &actions.n_domains);
	collect_txns(s, &actions);
	collect_files(s, &actions);
	collect_removes((const StblSnapshotState *) s, &actions);
	stbl_buf_init(&bytes, mem);
	if (!stbl_checkpoint_encode(mem, &actions, &bytes, &n_rows, &err))
		stbl_throw_object(&err, table->root);
	put_checkpoint(table, &bytes, deadline_us);
	s->checkpoint_version = s->version;
	stbl_buf_init(&hint, mem);
	stbl_buf_printf(&hint, "{\"version\":%" PRId64 ",\"size\":%" PRId64 ",\"sizeInBytes\":%zu,\"numOfAddFiles\":%d}",
					s->version, n_rows, bytes.len, s->n_files);
	stbl_await_ok(stbl_store_put(table->store, stbl_table_key(table, "_delta_log/_last_checkpoint"), hint.data, hint.len, deadline_us));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
}
