/* The log as objects (log.h). */
#include "postgres.h"

#include <inttypes.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/checkpoint.h"
#include "delta/condemn.h"
#include "delta/log.h"
#include "delta/snapshot_int.h"

#define MAX_IN_FLIGHT 32
#define MAX_PARTS 100000

/* ---- names ---- */

/* Exactly n digits at str; -1 if not so, or beyond 64 bits. */
static int64
parse_digits(const char *str, int n)
{
	int64		value = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		if (str[i] < '0' || str[i] > '9' || value > (PG_INT64_MAX - 9) / 10)
			return -1;
		value = value * 10 + (str[i] - '0');
	}
	return value;
}

bool
stbl_log_name_parse(const char *name, StblLogName *out)
{
	const char *rest = name + 20;

	memset(out, 0, sizeof(*out));
	out->version = strlen(name) > 20 ? parse_digits(name, 20) : -1;
	if (out->version < 0 || rest[0] != '.')
		return false;
	if (strcmp(rest, ".json") == 0)
		out->kind = STBL_LOG_VERSION;
	else if (strncmp(rest, ".checkpoint.", 12) != 0)
		out->kind = STBL_LOG_OTHER;
	else if (strcmp(rest + 12, "parquet") == 0)
		out->kind = STBL_LOG_CHECKPOINT;
	else if (strlen(rest + 12) == 29 && rest[22] == '.' && strcmp(rest + 33, ".parquet") == 0)
	{
		int64		o = parse_digits(rest + 12, 10);
		int64		p = parse_digits(rest + 23, 10);

		out->kind = o < 1 || p < o || p > MAX_PARTS ? STBL_LOG_OTHER : STBL_LOG_CHECKPOINT_PART;
		out->part = (int) o;
		out->n_parts = (int) p;
	}
	else
		out->kind = STBL_LOG_CHECKPOINT_V2;
	return true;
}

/* ---- listing ---- */

static int
compare_objects(const void *a, const void *b)
{
	const StblLogName *x = &((const StblLogObject *) a)->name;
	const StblLogName *y = &((const StblLogObject *) b)->name;

	if (x->version != y->version)
		return x->version < y->version ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->n_parts != y->n_parts)
		return x->n_parts < y->n_parts ? -1 : 1;
	return (x->part > y->part) - (x->part < y->part);
}

void
stbl_log_list(StblTable *table, StblLog *out)
{
	char	   *prefix = stbl_table_key(table, "_delta_log/");
	size_t		len = strlen(prefix);
	size_t		cap = 64;
	char	   *token = NULL;

	memset(out, 0, sizeof(*out));
	out->objects = palloc(sizeof(StblLogObject) * cap);
	do
	{
		StblCall   *call = stbl_store_list(table->store, prefix, '/', token, 0);

		stbl_await_ok(call);
		out->now_us = call->req.store_time_us;
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			const StblListEntry *e = &call->req.entries[i];
			StblLogObject *o;

			if (out->n == cap)
				out->objects = repalloc_huge(out->objects, sizeof(StblLogObject) * (cap *= 2));
			o = &out->objects[out->n];
			if (e->is_folder || strncmp(e->key, prefix, len) != 0 || !stbl_log_name_parse(e->key + len, &o->name))
				continue;
			o->key = pstrdup(e->key);
			o->size = e->size;
			o->modified_us = e->modified_us;
			out->n++;
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL);
	qsort(out->objects, out->n, sizeof(StblLogObject), compare_objects);
}

int64
stbl_log_first(const StblLog *log)
{
	for (size_t i = 0; i < log->n; i++)
		if (log->objects[i].name.kind == STBL_LOG_VERSION)
			return log->objects[i].name.version;
	return -1;
}

int64
stbl_log_last(const StblLog *log)
{
	for (size_t i = log->n; i > 0; i--)
		if (log->objects[i - 1].name.kind == STBL_LOG_VERSION)
			return log->objects[i - 1].name.version;
	return -1;
}

int64
stbl_log_in_effect(const StblLog *log, int64 at_us)
{
	int64		version = -1;

	for (size_t i = 0; i < log->n; i++)
	{
		if (log->objects[i].name.kind != STBL_LOG_VERSION)
			continue;
		if (log->objects[i].modified_us > at_us)
			break;
		version = log->objects[i].name.version;
	}
	return version;
}

int64
stbl_log_checkpoint(const StblLog *log, int64 min, int64 max, int *n_parts)
{
	int64		found = -1;
	int			next_part = 1;

	*n_parts = 0;
	for (size_t i = 0; i < log->n && log->objects[i].name.version <= max; i++)
	{
		const StblLogName *name = &log->objects[i].name;

		if (name->version < min)
			continue;
		if (name->kind == STBL_LOG_CHECKPOINT)
		{
			found = name->version;
			*n_parts = 0;
		}
		else if (name->kind == STBL_LOG_CHECKPOINT_PART)
		{
			/* Sorted: the parts of one checkpoint stand together, in order. */
			next_part = name->part == 1 ? 2 : name->part == next_part ? next_part + 1 : 0;
			if (next_part == name->n_parts + 1 && found != name->version)
			{
				found = name->version;
				*n_parts = name->n_parts;
			}
		}
	}
	return found;
}

void
stbl_require_all_dropped(StblTable *table)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable log", ALLOCSET_DEFAULT_SIZES);
	StblLog		log;
	StblError	err;

	MemoryContextSwitchTo(cxt);
	stbl_log_list(table, &log);
	if (log.n != 1 || log.objects[0].name.version != table->current->version)
	{
		stbl_fail(&err, STBL_ERR_STATE, "the storage of table \"%.200s\" is being dropped", table->root);
		stbl_error_hint(&err, "Try again when supertable_drop_storage() has ended; if it was cut short, call it again.");
		stbl_throw(&err);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
}

/* ---- reading ---- */

static bool
found_object(StblCall *call)
{
	if (stbl_await(call) == STBL_ST_NOT_FOUND)
		return false;
	stbl_await_ok(call);
	return true;
}

static void
show_version(int64 version, StblCall *call, StblLogVisit visit, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable version", ALLOCSET_DEFAULT_SIZES);
	StblActions actions;
	StblError	err;

	MemoryContextSwitchTo(cxt);
	if (!stbl_actions_parse(stbl_mem_in(cxt), (const char *) call->req.body, call->req.body_len, &actions, &err))
		stbl_throw_object(&err, call->req.key);
	MemoryContextSwitchTo(caller);
	visit(version, false, &actions, arg);
	MemoryContextDelete(cxt);
}

bool
stbl_log_read_versions(StblTable *table, int64 first, int64 last, StblLogVisit visit, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable log", ALLOCSET_DEFAULT_SIZES);
	StblCall   *calls[MAX_IN_FLIGHT];
	int64		sent = first;
	bool		whole = true;

	for (int64 v = first; whole && v <= last; v++)
	{
		StblCall   *call;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		for (; sent <= last && sent < v + MAX_IN_FLIGHT; sent++)
			calls[sent % MAX_IN_FLIGHT] = stbl_store_get(table->store, stbl_version_key(table, sent), 0);
		MemoryContextSwitchTo(caller);
		call = calls[v % MAX_IN_FLIGHT];
		whole = found_object(call);
		if (whole)
			show_version(v, call, visit, arg);
		stbl_call_free(call);
	}
	MemoryContextDelete(cxt);
	return whole;
}

char *
stbl_log_checkpoint_key(const StblTable *table, int64 version, int part, int n_parts)
{
	if (n_parts == 0)
		return psprintf("%s_delta_log/%020" PRId64 ".checkpoint.parquet", table->prefix, (int64_t) version);
	return psprintf("%s_delta_log/%020" PRId64 ".checkpoint.%010d.%010d.parquet", table->prefix, (int64_t) version, part, n_parts);
}

bool
stbl_log_read_checkpoint(StblTable *table, int64 version, int n_parts, int64_t deadline_us, StblLogVisit visit, void *arg)
{
	int			n = Max(n_parts, 1);
	StblCall  **calls = palloc0(sizeof(StblCall *) * n);
	int			sent = 0;

	for (int i = 0; i < n; i++)
	{
		MemoryContext caller = CurrentMemoryContext;
		MemoryContext cxt;
		StblMem    *mem;
		StblActions actions;
		StblError	err;

		for (; sent < n && sent < i + 8; sent++)
			calls[sent] = stbl_store_get(table->store, stbl_log_checkpoint_key(table, version, sent + 1, n_parts), deadline_us);
		if (!found_object(calls[i]))
			return false;
		cxt = AllocSetContextCreate(caller, "supertable checkpoint", ALLOCSET_DEFAULT_SIZES);
		mem = stbl_mem_in(cxt);
		MemoryContextSwitchTo(cxt);
		if (!stbl_checkpoint_parse(mem, calls[i]->req.body, calls[i]->req.body_len, &actions, &err))
			stbl_throw_object(&err, calls[i]->req.key);
		visit(version, true, &actions, arg);
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(cxt);
		stbl_call_free(calls[i]);
	}
	return true;
}

/* ---- the state of a version ---- */

bool
stbl_begins_log(const StblActions *actions)
{
	if (actions->protocol == NULL || actions->metadata == NULL)
		return false;
	for (int i = 0; i < actions->n_domains; i++)
		if (strcmp(actions->domains[i].domain, STBL_DROPPED_DOMAIN) == 0)
			return true;
	return false;
}

static void
note_begins(int64 version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	*(bool *) arg = stbl_begins_log(actions);
}

bool
stbl_log_begins_at(StblTable *table, int64 version)
{
	bool		begins = false;

	return stbl_log_read_versions(table, version, version, note_begins, &begins) && begins;
}

bool
stbl_log_base(StblTable *table, const StblLog *log, int64 version, StblLogBase *base)
{
	base->version = stbl_log_checkpoint(log, 0, version, &base->n_parts);
	base->is_checkpoint = base->version >= 0;
	if (base->is_checkpoint)
		return true;
	base->version = stbl_log_first(log);
	if (base->version < 0 || base->version > version)
		return false;
	return base->version == 0 || stbl_log_begins_at(table, base->version);
}

static void
advance(int64 version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	stbl_snapshot_advance(arg, version, actions, is_checkpoint);
}

bool
stbl_log_state(StblTable *table, const StblLogBase *base, int64 version, StblTable *scratch)
{
	bool		whole = true;

	memset(scratch, 0, sizeof(*scratch));
	scratch->store = table->store;
	scratch->root = table->root;
	scratch->prefix = table->prefix;
	stbl_snapshot_reset(scratch);
	PG_TRY();
	{
		if (base->is_checkpoint)
			whole = stbl_log_read_checkpoint(table, base->version, base->n_parts, 0, advance, scratch);
		whole = whole && stbl_log_read_versions(table, base->is_checkpoint ? base->version + 1 : base->version,
												version, advance, scratch);
	}
	PG_CATCH();
	{
		stbl_snapshot_forget(scratch);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (!whole)
		stbl_snapshot_forget(scratch);
	return whole;
}
