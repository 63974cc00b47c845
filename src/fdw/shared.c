/*
 * What the processes of a parallel scan share: the superfiles of the leader's
 * snapshot, and a place in them.  Each process takes the next row group that
 * is nobody's yet.  A worker reads no log: it sees just the version that its
 * leader sees.
 */
#include "postgres.h"

#include "storage/spin.h"

#include "common/pgmem.h"
#include "fdw/source.h"

#define N_COUNTERS 10

typedef struct StblShared
{
	slock_t		mutex;
	uint32		next_file;
	uint32		next_group;
	int64		counters[N_COUNTERS];
	uint32		n_files;
	int64		version;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} StblShared;

/* Writes to a place, or only counts bytes where it is NULL. */
typedef struct Out
{
	char	   *at;
	Size		size;
} Out;

static void
put(Out *out, const void *data, Size len)
{
	if (out->at != NULL)
		memcpy(out->at + out->size, data, len);
	out->size += len;
}

static void
put_text(Out *out, const char *text)
{
	int64		len = text ? (int64) strlen(text) : -1;

	put(out, &len, sizeof(len));
	if (text)
		put(out, text, len + 1);
}

static void
put_file(Out *out, const StblFile *f)
{
	StblDv		none = {0};
	const StblDv *dv = f->dv ? f->dv : &none;

	put_text(out, f->path);
	put_text(out, f->stats);
	put(out, &f->size, sizeof(f->size));
	put(out, &f->n_rows, sizeof(f->n_rows));
	put(out, &f->base_row_id, sizeof(f->base_row_id));
	put(out, dv, sizeof(*dv));
	put_text(out, dv->path_or_inline);
}

static void
put_snapshot(Out *out, StblSource *s)
{
	put_text(out, s->snapshot->metadata.schema_string);
	for (StblFile *f = s->snapshot->first; f != NULL; f = f->next)
		put_file(out, f);
}

Size
stbl_shared_size(StblSource *s)
{
	Out			out = {NULL, 0};

	put_snapshot(&out, s);
	return offsetof(StblShared, data) + out.size;
}

void
stbl_shared_init(StblSource *s, void *where)
{
	StblShared *shared = where;
	Out			out = {shared->data, 0};
	uint32		n = 0;

	/* the planner, and the executor's hook, see to it */
	if (stbl_txn_has_changes())
		elog(ERROR, "parallel scan of a supertable with changes of its own transaction");
	memset(shared, 0, offsetof(StblShared, data));
	SpinLockInit(&shared->mutex);
	shared->n_files = s->snapshot->n_files;
	shared->version = s->snapshot->version;
	put_snapshot(&out, s);
	s->shared = shared;
	s->n_shared = shared->n_files;
	s->shared_files = MemoryContextAlloc(s->cxt, sizeof(StblFile *) * (s->n_shared + 1));
	for (StblFile *f = s->snapshot->first; f != NULL; f = f->next)
		s->shared_files[n++] = f;
}

/* ---- the worker's side ---- */

static void
get(char **at, void *data, Size len)
{
	memcpy(data, *at, len);
	*at += len;
}

static char *
get_text(char **at)
{
	int64		len;
	char	   *text = NULL;

	get(at, &len, sizeof(len));
	if (len >= 0)
	{
		text = *at;
		*at += len + 1;
	}
	return text;
}

static StblFile *
get_file(char **at)
{
	StblFile   *f = palloc0(sizeof(StblFile));
	StblDv	   *dv = palloc0(sizeof(StblDv));

	f->path = get_text(at);
	f->stats = get_text(at);
	get(at, &f->size, sizeof(f->size));
	get(at, &f->n_rows, sizeof(f->n_rows));
	get(at, &f->base_row_id, sizeof(f->base_row_id));
	get(at, dv, sizeof(*dv));
	dv->path_or_inline = get_text(at);
	f->dv = dv->path_or_inline ? dv : NULL;
	return f;
}

void
stbl_shared_attach(StblSource *s, void *where)
{
	StblShared *shared = where;
	MemoryContext old = MemoryContextSwitchTo(s->cxt);
	StblSnapshot *snapshot = palloc0(sizeof(StblSnapshot));
	char	   *at = shared->data;
	char	   *schema = get_text(&at);
	StblError	err;

	s->shared = shared;
	s->n_shared = shared->n_files;
	s->shared_files = palloc(sizeof(StblFile *) * (s->n_shared + 1));
	for (uint32 i = 0; i < s->n_shared; i++)
		s->shared_files[i] = get_file(&at);
	snapshot->version = shared->version;
	snapshot->n_files = shared->n_files;
	if (schema != NULL && !stbl_schema_parse(stbl_mem_in(s->cxt), schema, strlen(schema), &snapshot->schema, &err))
		stbl_throw(&err);
	MemoryContextSwitchTo(old);
	stbl_source_open(s, snapshot);
}

/* ---- both ---- */

void
stbl_shared_reset(StblSource *s)
{
	s->shared->next_file = s->shared->next_group = 0;
}

void
stbl_shared_claim(StblSource *s, uint32 *file, uint32 *group)
{
	SpinLockAcquire(&s->shared->mutex);
	*file = s->shared->next_file;
	*group = s->shared->next_group++;
	SpinLockRelease(&s->shared->mutex);
}

void
stbl_shared_finish_file(StblSource *s, uint32 file)
{
	SpinLockAcquire(&s->shared->mutex);
	if (s->shared->next_file == file)
	{
		s->shared->next_file++;
		s->shared->next_group = 0;
	}
	SpinLockRelease(&s->shared->mutex);
}

void
stbl_shared_count(StblSource *s)
{
	int64	   *mine[N_COUNTERS] = {&s->n_superfiles_read, &s->n_superfiles_skipped, &s->n_row_groups_read,
	&s->n_row_groups_skipped, &s->n_pages_read, &s->n_pages_skipped, &s->n_rows_removed, &s->n_requests, &s->n_bytes_read,
	&s->n_cache_hits};

	if (s->shared == NULL || s->is_counted)
		return;
	stbl_source_count_requests(s);
	SpinLockAcquire(&s->shared->mutex);
	for (int i = 0; i < N_COUNTERS; i++)
	{
		s->shared->counters[i] += *mine[i];
		*mine[i] = s->shared->counters[i];
	}
	SpinLockRelease(&s->shared->mutex);
	s->is_counted = true;
}
