/*
 * The history (history.h): each version is held against the state before it.
 *
 * A version that publishes one mutation has its rows: what its adds say less
 * what their vectors take away, and what the vectors of files that stay have
 * gained.  Of several published together each says itself how many (APPLIED).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/guard.h"
#include "delta/history.h"
#include "delta/log.h"
#include "delta/snapshot_int.h"

#define LOG_TRIES 4

typedef struct History
{
	StblTable	scratch;		/* the state before the version at hand */
	StblHistoryVisit visit;
	void	   *arg;
} History;

static int64
cardinality(const StblDv *dv)
{
	return dv != NULL ? dv->cardinality : 0;
}

static const StblRemove *
remove_of(const StblActions *actions, const char *path, int *hint)
{
	/* Ours stand in the order of the adds. */
	for (int k = 0; k < actions->n_removes; k++)
	{
		int			i = (*hint + k) % actions->n_removes;

		if (strcmp(actions->removes[i].path, path) == 0)
		{
			*hint = i + 1;
			return &actions->removes[i];
		}
	}
	return NULL;
}

/* Rows the version adds and deletes; called when it is applied, with what it removes looked up before. */
static void
count_adds(History *h, const StblActions *actions, StblHistoryRow *row)
{
	int			hint = 0;

	for (int i = 0; i < actions->n_adds; i++)
	{
		const StblAdd *add = &actions->adds[i];
		const StblRemove *before = remove_of(actions, add->path, &hint);
		StblFile   *file = stbl_snapshot_file(h->scratch.current, add->path);

		if (before != NULL)
			row->n_deleted += row->n_deleted < 0 ? 0 : cardinality(add->dv) - cardinality(before->dv);
		else if (file == NULL || file->n_rows < 0 || row->n_added < 0)
			row->n_added = -1;
		else
			row->n_added += file->n_rows - cardinality(add->dv);
	}
}

/* Rows of files that go for good, as the state before knows them. */
static void
count_removes(History *h, const StblActions *actions, StblHistoryRow *row)
{
	int			hint = 0;

	for (int i = 0; i < actions->n_removes; i++)
	{
		const StblRemove *r = &actions->removes[i];
		StblFile   *file;
		bool		stays = false;

		for (int k = 0; k < actions->n_adds && !stays; k++)
		{
			int			j = (hint + k) % actions->n_adds;

			stays = strcmp(actions->adds[j].path, r->path) == 0;
			if (stays)
				hint = j + 1;
		}
		if (stays || row->n_deleted < 0)
			continue;
		file = stbl_snapshot_file(h->scratch.current, r->path);
		if (file == NULL || file->n_rows < 0)
			row->n_deleted = -1;
		else
			row->n_deleted += file->n_rows - cardinality(r->dv);
	}
}

/* The entry of an id that this version sets; false: decided without a document. */
static bool
find_entry(const StblActions *actions, const char *id, StblGuard *guard)
{
	StblError	err;

	for (int i = 0; i < actions->n_domains; i++)
	{
		const StblDomain *d = &actions->domains[i];

		if (strncmp(d->domain, STBL_GUARD_PREFIX, strlen(STBL_GUARD_PREFIX)) == 0 &&
			strcmp(d->domain + strlen(STBL_GUARD_PREFIX), id) == 0)
			return !d->removed && stbl_guard_parse(stbl_mem_in(CurrentMemoryContext), d->configuration, guard, &err);
	}
	return false;
}

static bool
only_prepares(const StblActions *actions)
{
	static const char *const silent[] = {"PREPARE", "ROLLBACK", "ABORT", "RECOVER"};
	const StblCommitInfo *info = &actions->commit_info;

	if (!actions->has_commit_info || info->operation == NULL || actions->n_adds + actions->n_removes > 0)
		return false;
	for (size_t i = 0; i < lengthof(silent); i++)
		if (strcmp(info->operation, silent[i]) == 0)
			return true;
	return false;
}

static const char *
operation_of(int64 n_added, int64 n_deleted)
{
	if (n_deleted > 0)
		return n_added > 0 ? "UPDATE" : "DELETE";
	return "WRITE";
}

/* Those that a sweep was told to give up have changed nothing, but somebody will ask. */
static void
show_aborted(History *h, const StblActions *actions, const StblHistoryRow *row)
{
	for (int i = 0; i < actions->n_domains; i++)
	{
		StblHistoryRow one = *row;
		StblGuard	guard;
		char	   *id = pstrdup(actions->domains[i].domain);

		if (strncmp(id, STBL_GUARD_PREFIX, strlen(STBL_GUARD_PREFIX)) != 0)
			continue;
		one.wal_id = id + strlen(STBL_GUARD_PREFIX);
		one.n_added = one.n_deleted = 0;
		if (find_entry(actions, one.wal_id, &guard) && guard.state == STBL_GUARD_ABORTED)
			h->visit(&one, h->arg);
	}
}

static void
show(History *h, const StblActions *actions, StblHistoryRow *row)
{
	const StblCommitInfo *info = &actions->commit_info;

	row->operation = info->operation;
	if (actions->has_commit_info && info->operation != NULL && strcmp(info->operation, "ABORT") == 0)
		show_aborted(h, actions, row);
	if (info->n_decides == 0 && !only_prepares(actions))
		h->visit(row, h->arg);
	for (int i = 0; i < info->n_decides; i++)
	{
		StblHistoryRow one = *row;
		StblGuard	guard;

		if (find_entry(actions, info->decides[i], &guard))
		{
			one.wal_id = info->decides[i];
			if (guard.has_counts)
			{
				one.n_added = guard.n_added;
				one.n_deleted = guard.n_deleted;
			}
			else if (info->n_decides > 1)
				one.n_added = one.n_deleted = -1;
			one.operation = guard.was_truncate ? (char *) "TRUNCATE" : (char *) operation_of(one.n_added, one.n_deleted);
		}
		h->visit(&one, h->arg);
	}
}

static void
look_at_version(int64_t version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	History    *h = arg;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt;
	StblHistoryRow row;

	if (is_checkpoint)
	{
		stbl_snapshot_advance(&h->scratch, version, actions, true);
		return;
	}
	cxt = AllocSetContextCreate(outer, "supertable history", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);
	memset(&row, 0, sizeof(row));
	row.version = version;
	row.committed_ms = actions->commit_info.in_commit_ms >= 0 ? actions->commit_info.in_commit_ms :
		actions->has_commit_info ? actions->commit_info.timestamp_ms : -1;
	count_removes(h, actions, &row);
	stbl_snapshot_advance(&h->scratch, version, actions, false);
	count_adds(h, actions, &row);
	show(h, actions, &row);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}

/* Where the log can be followed from: its first version, or the oldest checkpoint. */
static bool
oldest_base(StblTable *table, const StblLog *log, StblLogBase *base)
{
	base->is_checkpoint = false;
	base->version = stbl_log_first(log);
	if (base->version == 0 || (base->version > 0 && stbl_log_begins_at(table, base->version)))
		return true;
	for (size_t i = 0; i < log->n; i++)
	{
		base->version = stbl_log_checkpoint(log, 0, log->objects[i].name.version, &base->n_parts);
		base->is_checkpoint = base->version >= 0;
		if (base->is_checkpoint)
			return true;
	}
	return false;
}

static bool
follow(StblTable *table, const StblLog *log, History *h)
{
	StblLogBase base;

	if (!oldest_base(table, log, &base))
		return false;
	if (base.is_checkpoint && !stbl_log_read_checkpoint(table, base.version, base.n_parts, 0, look_at_version, h))
		return false;
	return stbl_log_read_versions(table, base.is_checkpoint ? base.version + 1 : base.version, stbl_log_last(log), look_at_version, h);
}

typedef struct Kept
{
	StblHistoryRow *rows;
	size_t		n;
	size_t		cap;
	MemoryContext cxt;
} Kept;

static void
keep_row(const StblHistoryRow *row, void *arg)
{
	Kept	   *k = arg;
	MemoryContext old = MemoryContextSwitchTo(k->cxt);

	if (k->n == k->cap)
	{
		k->cap = Max(64, k->cap * 2);
		k->rows = k->rows == NULL ? palloc(sizeof(StblHistoryRow) * k->cap) :
			repalloc_huge(k->rows, sizeof(StblHistoryRow) * k->cap);
	}
	k->rows[k->n] = *row;
	k->rows[k->n].operation = row->operation ? pstrdup(row->operation) : NULL;
	k->rows[k->n++].wal_id = row->wal_id ? pstrdup(row->wal_id) : NULL;
	MemoryContextSwitchTo(old);
}

/* One reading; false if something was cleaned up in the middle of it. */
static bool
read_once(StblTable *table, Kept *kept)
{
	StblLog		log;
	History		h;
	volatile bool whole = false;

	memset(&h, 0, sizeof(h));
	h.visit = keep_row;
	h.arg = kept;
	h.scratch.store = table->store;
	h.scratch.root = table->root;
	h.scratch.prefix = table->prefix;
	kept->n = 0;
	stbl_log_list(table, &log);
	stbl_snapshot_reset(&h.scratch);
	PG_TRY();
	{
		whole = follow(table, &log, &h);
	}
	PG_CATCH();
	{
		stbl_snapshot_forget(&h.scratch);
		PG_RE_THROW();
	}
	PG_END_TRY();
	stbl_snapshot_forget(&h.scratch);
	return whole;
}

void
stbl_history(StblTable *table, StblHistoryVisit visit, void *arg)
{
	Kept		kept = {NULL, 0, 0, CurrentMemoryContext};
	StblError	err;
	int			tries = 1;

	if (stbl_snapshot_refresh(table, 0)->version < 0)
		return;
	/* Rows are shown once the log was read whole. */
	while (!read_once(table, &kept))
		if (++tries > LOG_TRIES)
		{
			stbl_fail(&err, STBL_ERR_CORRUPT, "the log of table \"%.200s\" cannot be read from a checkpoint or from version 0", table->root);
			stbl_throw(&err);
		}
	for (size_t i = 0; i < kept.n; i++)
		visit(&kept.rows[i], arg);
}
