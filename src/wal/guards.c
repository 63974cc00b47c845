/* A mutation's entry in a snapshot: what of it every writer and reader meets. */
#include "postgres.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"

char *
stbl_guard_domain(const char *wal_id)
{
	return psprintf(STBL_GUARD_PREFIX "%s", wal_id);
}

bool
stbl_guard_find(const StblSnapshot *snapshot, const char *wal_id, StblMem *mem, StblGuard *guard)
{
	const char *config = stbl_snapshot_domain(snapshot, stbl_guard_domain(wal_id));
	StblError	err;

	if (config == NULL)
		return false;
	if (!stbl_guard_parse(mem, config, guard, &err))
		stbl_throw(&err);
	return true;
}

bool
stbl_guard_applied(const StblSnapshot *snapshot, const char *wal_id)
{
	StblGuard	guard;

	return stbl_guard_find(snapshot, wal_id, stbl_mem_in(CurrentMemoryContext), &guard) &&
		guard.state == STBL_GUARD_APPLIED;
}

/* The targets of a PREPARED, in full: those of a TRUNCATE it names by their version. */
StblTarget *
stbl_guard_targets(const StblSnapshot *snapshot, const StblGuard *guard, int *n_targets)
{
	int			n_whole;
	StblTarget *whole;

	*n_targets = guard->n_targets;
	if (guard->truncates < 0)
		return guard->targets;
	whole = stbl_truncate_targets(snapshot, guard->truncates, &n_whole);
	whole = repalloc_huge(whole, sizeof(StblTarget) * ((Size) n_whole + guard->n_targets + 1));
	for (int i = 0; i < guard->n_targets; i++)
		whole[n_whole++] = guard->targets[i];
	*n_targets = n_whole;
	return whole;
}
