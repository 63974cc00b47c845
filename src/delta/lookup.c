/*
 * What a snapshot is asked: files, domains, txns, and the file of a row id.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/condemn.h"
#include "delta/snapshot_int.h"


StblFile *
stbl_snapshot_file(const StblSnapshot *snapshot, const char *path)
{
	StblFileEntry *entry = hash_search(snapshot->files, &path, HASH_FIND, NULL);

	return entry == NULL ? NULL : &entry->file;
}

const char *
stbl_snapshot_domain(const StblSnapshot *snapshot, const char *domain)
{
	StblDomainEntry *entry = hash_search(snapshot->domains, &domain, HASH_FIND, NULL);

	return entry == NULL ? NULL : entry->configuration;
}

static int
compare_domains(const void *a, const void *b)
{
	return strcmp(((const StblDomain *) a)->domain, ((const StblDomain *) b)->domain);
}

StblDomain *
stbl_snapshot_domains(const StblSnapshot *snapshot, const char *prefix, int *n)
{
	HASH_SEQ_STATUS scan;
	StblDomainEntry *entry;
	size_t		prefix_len = strlen(prefix);
	StblDomain *out = palloc0(sizeof(StblDomain) * (hash_get_num_entries(snapshot->domains) + 1));

	*n = 0;
	hash_seq_init(&scan, snapshot->domains);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (strncmp(entry->domain, prefix, prefix_len) != 0)
			continue;
		out[*n].domain = entry->domain;
		out[*n].configuration = entry->configuration;
		(*n)++;
	}
	qsort(out, *n, sizeof(StblDomain), compare_domains);
	return out;
}

bool
stbl_snapshot_exists(const StblSnapshot *snapshot)
{
	return snapshot->version >= 0 && !snapshot->dropped;
}

int64
stbl_snapshot_cutoff(const StblSnapshot *snapshot)
{
	const char *config = stbl_snapshot_domain(snapshot, STBL_GC_DOMAIN);
	StblCutoff	cutoff;
	StblError	err;

	if (config == NULL)
		return 0;
	if (!stbl_cutoff_parse(stbl_mem_in(CurrentMemoryContext), config, &cutoff, &err))
		stbl_throw(&err);
	return cutoff.cutoff_us;
}

bool
stbl_snapshot_txn(const StblSnapshot *snapshot, const char *app_id, int64_t *version)
{
	StblTxnEntry *entry = hash_search(snapshot->txns, &app_id, HASH_FIND, NULL);

	if (entry == NULL)
		return false;
	*version = entry->version;
	return true;
}

static int
compare_base(const void *a, const void *b)
{
	int64_t		x = (*(StblFile *const *) a)->base_row_id;
	int64_t		y = (*(StblFile *const *) b)->base_row_id;

	return (x > y) - (x < y);
}

/*
 * Made at the first question after a change, in O(n log n); questions cost
 * O(log n).
 */
static void
build_by_row(StblSnapshotState *state)
{
	StblFile   *file;

	if (state->by_row != NULL)
		pfree(state->by_row);
	state->by_row = NULL;
	state->n_by_row = 0;
	state->by_row = MemoryContextAllocHuge(state->pub.cxt, sizeof(StblFile *) * ((Size) state->pub.n_files + 1));
	for (file = state->pub.first; file != NULL; file = file->next)
		if (file->base_row_id >= 0 && file->n_rows > 0)
			state->by_row[state->n_by_row++] = file;
	qsort(state->by_row, state->n_by_row, sizeof(StblFile *), compare_base);
	state->by_row_valid = true;
}

bool
stbl_file_was_live(const StblFile *file, int64_t version)
{
	return file->default_row_commit_version <= version;
}

StblFile *
stbl_snapshot_file_of_row(const StblSnapshot *snapshot, int64_t row_id)
{
	StblSnapshotState *state = (StblSnapshotState *) unconstify(StblSnapshot *, snapshot);
	int			low = 0;
	int			high;

	if (!state->by_row_valid)
		build_by_row(state);
	high = state->n_by_row;
	while (low < high)
	{
		int			mid = low + (high - low) / 2;

		if (state->by_row[mid]->base_row_id <= row_id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || row_id - state->by_row[low - 1]->base_row_id >= state->by_row[low - 1]->n_rows)
		return NULL;
	return state->by_row[low - 1];
}
