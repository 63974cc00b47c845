/* Log clean-up (cleanup.h). */
#include "postgres.h"

#include <inttypes.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/json.h"
#include "common/pgmem.h"
#include "delta/cleanup.h"
#include "store/remove.h"

static void
count_actions(int64_t version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	*(int64 *) arg += actions->n_adds + actions->n_removes + actions->n_domains + actions->n_txns +
		(actions->protocol != NULL) + (actions->metadata != NULL);
}

/*
 * Readers of others begin at the checkpoint the hint names: one that is about
 * to go is replaced by the one that stays.  (A reader that has read the old
 * hint lists the log.)
 */
static void
move_hint(StblTable *table, int64 version, int n_parts, int64 n_actions)
{
	char	   *key = stbl_table_key(table, "_delta_log/_last_checkpoint");
	StblCall   *call = stbl_store_get(table->store, key, 0);
	StblError	err;
	StblJson   *json;
	int64_t		hinted;
	char	   *text;

	if (stbl_await(call) == STBL_ST_NOT_FOUND)
		return;
	stbl_await_ok(call);
	json = stbl_json_parse(stbl_mem_in(CurrentMemoryContext), (const char *) call->req.body, call->req.body_len, &err);
	if (json != NULL && stbl_json_get_int(json, "version", &hinted) && hinted >= version)
		return;
	text = n_parts > 0 ?
		psprintf("{\"version\":%" PRId64 ",\"size\":%" PRId64 ",\"parts\":%d}", (int64_t) version, (int64_t) n_actions, n_parts) :
		psprintf("{\"version\":%" PRId64 ",\"size\":%" PRId64 "}", (int64_t) version, (int64_t) n_actions);
	stbl_await_ok(stbl_store_put(table->store, key, text, strlen(text), 0));
}

/* All but versions: their order does not matter, a reader finds the log without them. */
static void
delete_others(StblTable *table, const StblLogObject **others, size_t n, StblCleanup *out)
{
	char	  **keys = palloc_extended(sizeof(char *) * (n + 1), MCXT_ALLOC_HUGE);
	bool	   *deleted = palloc_extended(sizeof(bool) * (n + 1), MCXT_ALLOC_HUGE);

	for (size_t i = 0; i < n; i++)
		keys[i] = others[i]->key;
	stbl_remove_objects(table->store, keys, n, deleted, &out->err);
	for (size_t i = 0; i < n; i++)
		if (deleted[i])
			out->bytes += others[i]->size;
}

static void
delete_versions(StblTable *table, const StblLogObject **versions, size_t n, StblTell *tell, StblCleanup *out)
{
	for (size_t i = 0; i < n; i++)
	{
		StblCall   *call;
		bool		ok;

		CHECK_FOR_INTERRUPTS();
		call = stbl_store_delete(table->store, versions[i]->key, 0);
		ok = stbl_await(call) == STBL_ST_OK || call->req.status == STBL_ST_NOT_FOUND;
		if (!ok)
			stbl_call_error(call, &out->err);
		stbl_call_free(call);
		if (!ok)
			return;
		out->n_versions++;
		out->bytes += versions[i]->size;
		stbl_tell(tell, "deleting versions", i + 1, n);
	}
}

void
stbl_log_cleanup(StblTable *table, const StblLog *log, int64 horizon_us, bool dry_run, StblTell *tell, StblCleanup *out)
{
	int64		keep;
	int64		n_actions = 0;
	int			n_parts;
	const StblLogObject **versions = palloc_extended(sizeof(void *) * (log->n + 1), MCXT_ALLOC_HUGE);
	const StblLogObject **others = palloc_extended(sizeof(void *) * (log->n + 1), MCXT_ALLOC_HUGE);
	size_t		n_versions = 0;
	size_t		n_others = 0;

	memset(out, 0, sizeof(*out));
	horizon_us = Min(horizon_us, log->now_us - STBL_LOG_MIN_AGE_US);
	keep = stbl_log_checkpoint(log, 0, stbl_log_in_effect(log, horizon_us), &n_parts);
	for (size_t i = 0; i < log->n && log->objects[i].name.version < keep; i++)
	{
		const StblLogObject *o = &log->objects[i];

		if (o->modified_us > horizon_us)
			continue;
		if (o->name.kind == STBL_LOG_VERSION)
			versions[n_versions++] = o;
		else
			others[n_others++] = o;
	}
	if (n_versions + n_others == 0)
		return;

	/* Nothing goes before what replaces it was read whole. */
	if (!stbl_log_read_checkpoint(table, keep, n_parts, 0, count_actions, &n_actions))
		return;
	if (dry_run)
	{
		out->n_versions = n_versions;
		for (size_t i = 0; i < n_versions; i++)
			out->bytes += versions[i]->size;
		for (size_t i = 0; i < n_others; i++)
			out->bytes += others[i]->size;
		return;
	}
	move_hint(table, keep, n_parts, n_actions);
	delete_others(table, others, n_others, out);
	delete_versions(table, versions, n_versions, tell, out);
}
