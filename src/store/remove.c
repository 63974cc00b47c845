/* Deletions of many objects (remove.h). */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/remove.h"

#define MAX_IN_FLIGHT 64

/* Calls stay in memory until their context goes: so many at a time. */
#define CHUNK 2048

static void
remove_chunk(StblStore *store, char *const *keys, size_t n, bool *deleted, StblError *err)
{
	StblCall  **calls = palloc(sizeof(StblCall *) * n);
	size_t		sent = 0;

	for (size_t i = 0; i < n; i++)
	{
		StblStatus	status;

		CHECK_FOR_INTERRUPTS();
		for (; sent < n && sent < i + MAX_IN_FLIGHT; sent++)
			calls[sent] = stbl_store_delete(store, keys[sent], 0);
		status = stbl_await(calls[i]);
		deleted[i] = status == STBL_ST_OK || status == STBL_ST_NOT_FOUND;
		if (!deleted[i] && err->kind == STBL_ERR_NONE)
			stbl_call_error(calls[i], err);
		stbl_call_free(calls[i]);
	}
}

void
stbl_remove_objects(StblStore *store, char *const *keys, size_t n, bool *deleted, StblError *err)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable deletions", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(cxt);
	for (size_t i = 0; i < n; i += CHUNK)
	{
		remove_chunk(store, keys + i, Min(CHUNK, n - i), deleted + i, err);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
}
