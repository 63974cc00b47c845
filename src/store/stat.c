/*
 * supertable_stat: counters in shared memory, without preloading.
 *
 * The struct is made by whoever comes first, out of the slack every server
 * has; where that is used up a backend counts for itself.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "store/store_int.h"

#define N_SLOTS 12
#define N_COUNTERS 11

/* Positions in a slot, in the order of StblStatRow. */
enum
{
	C_GET, C_HEAD, C_PUT, C_LIST, C_DELETE, C_BYTES_READ, C_BYTES_WRITTEN, C_RETRIES, C_CAS_LOST, C_CONFLICTS, C_COMMITS
};

struct StblStatSlot
{
	char		root[192];		/* empty: free; slot 0: all others */
	pg_atomic_uint64 counters[N_COUNTERS];
};

typedef struct StatShared
{
	slock_t		mutex;			/* protects the taking of slots */
	int			n_slots;
	StblStatSlot slots[N_SLOTS + 1];
} StatShared;

static StatShared *shared = NULL;

static void
init_stat(StatShared *s)
{
	SpinLockInit(&s->mutex);
	s->n_slots = 1;
	for (int i = 0; i <= N_SLOTS; i++)
	{
		s->slots[i].root[0] = '\0';
		for (int c = 0; c < N_COUNTERS; c++)
			pg_atomic_init_u64(&s->slots[i].counters[c], 0);
	}
}

static void
attach_shared(void *arg)
{
	bool		found;
	StatShared *s;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	s = ShmemInitStruct("supertable statistics", sizeof(StatShared), &found);
	if (!found)
		init_stat(s);
	LWLockRelease(AddinShmemInitLock);
	shared = s;
}

static StatShared *
stat_shared(void)
{
	StblError	err;

	if (shared != NULL)
		return shared;
	if (!stbl_guarded(attach_shared, NULL, &err))
	{
		if (LWLockHeldByMe(AddinShmemInitLock))
		{
			/* the error has taken back the hold that the lock's release ends */
			HOLD_INTERRUPTS();
			LWLockRelease(AddinShmemInitLock);
		}
		shared = MemoryContextAllocZero(TopMemoryContext, sizeof(StatShared));
		init_stat(shared);
	}
	return shared;
}

StblStatSlot *
stbl_stat_slot(const char *root)
{
	StatShared *s = stat_shared();
	StblStatSlot *slot = &s->slots[0];

	if (strlen(root) >= sizeof(slot->root))
		return slot;
	SpinLockAcquire(&s->mutex);
	for (int i = 1; i < s->n_slots; i++)
		if (strcmp(s->slots[i].root, root) == 0)
			slot = &s->slots[i];
	if (slot == &s->slots[0] && s->n_slots <= N_SLOTS)
	{
		slot = &s->slots[s->n_slots++];
		strlcpy(slot->root, root, sizeof(slot->root));
	}
	SpinLockRelease(&s->mutex);
	return slot;
}

static int
op_counter(StblOp op)
{
	switch (op)
	{
		case STBL_OP_GET:
		case STBL_OP_GET_RANGE:
			return C_GET;
		case STBL_OP_HEAD:
			return C_HEAD;
		case STBL_OP_PUT:
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT_MATCH:
			return C_PUT;
		case STBL_OP_DELETE:
			return C_DELETE;
		case STBL_OP_LIST:
			return C_LIST;
	}
	return C_GET;
}

/* Counts a request that is done. */
void
stbl_stat_request(StblStore *store, const StblRequest *req, bool is_retry)
{
	int64		written = req->op == STBL_OP_PUT || req->op == STBL_OP_PUT_NEW || req->op == STBL_OP_PUT_MATCH ?
		req->data_len : 0;
	StblStatSlot *slot = store->slot;

	store->counters.n_ops[req->op]++;
	store->counters.bytes_read += req->body_len;
	store->counters.bytes_written += written;
	store->counters.n_retries += is_retry;
	if (slot == NULL)
		return;
	pg_atomic_fetch_add_u64(&slot->counters[op_counter(req->op)], 1);
	pg_atomic_fetch_add_u64(&slot->counters[C_BYTES_READ], req->body_len);
	pg_atomic_fetch_add_u64(&slot->counters[C_BYTES_WRITTEN], written);
	if (is_retry)
		pg_atomic_fetch_add_u64(&slot->counters[C_RETRIES], 1);
}

void
stbl_stat_count(const char *root, StblStatEvent event)
{
	int			c = event == STBL_STAT_CAS_LOST ? C_CAS_LOST : event == STBL_STAT_CONFLICT ? C_CONFLICTS : C_COMMITS;

	pg_atomic_fetch_add_u64(&stbl_stat_slot(root)->counters[c], 1);
}

StblStatRow *
stbl_stat_rows(int *n_rows)
{
	StatShared *s = stat_shared();
	StblStatRow *rows = palloc0(sizeof(StblStatRow) * (N_SLOTS + 1));
	int			n;

	SpinLockAcquire(&s->mutex);
	n = s->n_slots;
	SpinLockRelease(&s->mutex);
	*n_rows = 0;
	for (int i = 0; i < n; i++)
	{
		StblStatRow *row = &rows[*n_rows];
		int64	   *out[N_COUNTERS] = {&row->n_get, &row->n_head, &row->n_put, &row->n_list, &row->n_delete,
			&row->bytes_read, &row->bytes_written, &row->n_retries, &row->n_cas_lost, &row->n_conflicts, &row->n_commits};
		bool		any = i > 0;

		for (int c = 0; c < N_COUNTERS; c++)
		{
			*out[c] = pg_atomic_read_u64(&s->slots[i].counters[c]);
			any = any || *out[c] != 0;
		}
		if (!any)
			continue;
		strlcpy(row->root, s->slots[i].root, sizeof(row->root));
		(*n_rows)++;
	}
	return rows;
}
