/* Witness rows and the locks that go with them (witness.h). */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define ANUM_WAL_ID 1
#define ANUM_SERVER 2
#define ANUM_ROOT 3
#define N_COLUMNS 5

/* field4 of the lock tags: advisory locks of SQL use 1 and 2. */
#define LOCK_OWNER 7
#define LOCK_PUBLISH 8

/*
 * Pre-commit has no snapshot of its own, and the heap asks for one where it
 * may have to detoast.  What is seen is up to the scans, not to this one.
 */
static bool
push_snapshot(void)
{
	if (HaveRegisteredOrActiveSnapshot())
		return false;
	PushActiveSnapshot(GetLatestSnapshot());
	return true;
}

static void
pop_snapshot(bool pushed)
{
	if (pushed)
		PopActiveSnapshot();
}

void
stbl_witness_insert(const char *wal_id, Oid server_oid, const char *root, const char *table_id, Oid role_oid)
{
	Relation	rel = table_open(stbl_internal_table("witness"), RowExclusiveLock);
	Datum		values[N_COLUMNS];
	bool		nulls[N_COLUMNS] = {false};
	HeapTuple	tuple;
	bool		pushed;

	values[0] = CStringGetTextDatum(wal_id);
	values[1] = ObjectIdGetDatum(server_oid);
	values[2] = CStringGetTextDatum(root);
	values[3] = CStringGetTextDatum(table_id);
	values[4] = ObjectIdGetDatum(role_oid);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	pushed = push_snapshot();
	CatalogTupleInsert(rel, tuple);
	pop_snapshot(pushed);
	heap_freetuple(tuple);
	table_close(rel, NoLock);	/* the lock goes with the transaction */
}

/* Looks a witness up by its key; with remove, deletes it unless somebody else is at it. */
static bool
find_witness(const char *wal_id, bool remove)
{
	Relation	rel = table_open(stbl_internal_table("witness"), remove ? RowExclusiveLock : AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *indexes = RelationGetIndexList(rel);
	bool		found;

	ScanKeyInit(&key, ANUM_WAL_ID, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(wal_id));
	key.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(rel, indexes ? linitial_oid(indexes) : InvalidOid, indexes != NIL, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found && remove)
	{
		TM_FailureData failure;
		bool		pushed = push_snapshot();

		(void) table_tuple_delete(rel, &tuple->t_self, GetCurrentCommandId(true), SnapshotSelf, InvalidSnapshot,
								  false, &failure, false);
		pop_snapshot(pushed);
	}
	systable_endscan(scan);
	table_close(rel, remove ? NoLock : AccessShareLock);
	return found;
}

bool
stbl_witness_exists(const char *wal_id)
{
	return find_witness(wal_id, false);
}

void
stbl_witness_delete(const char *wal_id)
{
	(void) find_witness(wal_id, true);
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

typedef struct IdList
{
	int			n;
	int			cap;
	char	  **ids;
} IdList;

/* The wal_id of a row, if it is of this root (NULL: of any). */
static void
list_row(IdList *list, Relation rel, HeapTuple tuple, const char *root)
{
	bool		isnull;
	char	   *row_root = TextDatumGetCString(heap_getattr(tuple, ANUM_ROOT, RelationGetDescr(rel), &isnull));

	if (root == NULL || strcmp(row_root, root) == 0)
	{
		if (list->n == list->cap)
		{
			list->cap = Max(16, list->cap * 2);
			list->ids = list->ids == NULL ? palloc(sizeof(char *) * list->cap) :
				repalloc(list->ids, sizeof(char *) * list->cap);
		}
		list->ids[list->n++] = TextDatumGetCString(heap_getattr(tuple, ANUM_WAL_ID, RelationGetDescr(rel), &isnull));
	}
	pfree(row_root);
}

static char **
sorted_ids(IdList *list, int *n)
{
	*n = list->n;
	if (list->n > 0)
		qsort(list->ids, list->n, sizeof(char *), compare_ids);
	return list->ids;
}

char	  **
stbl_witness_list(const char *root, int *n)
{
	Relation	rel = table_open(stbl_internal_table("witness"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;
	IdList		list = {0};
	bool		pushed = push_snapshot();	/* a root may be toasted */

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		list_row(&list, rel, tuple, root);
	systable_endscan(scan);
	pop_snapshot(pushed);
	table_close(rel, AccessShareLock);
	return sorted_ids(&list, n);
}

/* A transaction that the snapshot takes for running, and that has committed. */
static bool
has_committed_since(HeapTuple tuple, Snapshot snapshot)
{
	TransactionId xmin = HeapTupleHeaderGetXmin(tuple->t_data);

	return TransactionIdIsNormal(xmin) && !TransactionIdIsCurrentTransactionId(xmin) &&
		XidInMVCCSnapshot(xmin, snapshot) && !TransactionIdIsInProgress(xmin) && TransactionIdDidCommit(xmin);
}

/* The snapshot is not given to the scan, which would take predicate locks for it. */
void
stbl_witness_split(const char *root, StblWitnesses *out)
{
	Relation	rel = table_open(stbl_internal_table("witness"), AccessShareLock);
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : GetTransactionSnapshot();
	TableScanDesc scan = table_beginscan(rel, SnapshotAny, 0, NULL);
	HeapTuple	tuple;
	IdList		shown = {0};
	IdList		hidden = {0};

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Buffer		buffer = ((HeapScanDesc) scan)->rs_cbuf;
		bool		is_shown;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		is_shown = HeapTupleSatisfiesVisibility(tuple, snapshot, buffer);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (is_shown)
			list_row(&shown, rel, tuple, root);
		else if (has_committed_since(tuple, snapshot))
			list_row(&hidden, rel, tuple, root);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	out->shown = sorted_ids(&shown, &out->n_shown);
	out->hidden = sorted_ids(&hidden, &out->n_hidden);
}

StblWitnessPlace *
stbl_witness_places(Oid server, int *n)
{
	Relation	rel = table_open(stbl_internal_table("witness"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;
	int			cap = 4;
	StblWitnessPlace *places = palloc(sizeof(StblWitnessPlace) * cap);

	*n = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Oid			at = DatumGetObjectId(heap_getattr(tuple, ANUM_SERVER, RelationGetDescr(rel), &isnull));
		char	   *root = TextDatumGetCString(heap_getattr(tuple, ANUM_ROOT, RelationGetDescr(rel), &isnull));
		int			i = 0;

		while (i < *n && (places[i].server != at || strcmp(places[i].root, root) != 0))
			i++;
		if (i < *n || (OidIsValid(server) && at != server))
			continue;
		if (*n == cap)
			places = repalloc(places, sizeof(StblWitnessPlace) * (cap *= 2));
		places[*n].server = at;
		places[(*n)++].root = root;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return places;
}

/* ---- locks ---- */

static void
set_tag(LOCKTAG *tag, const char *name, uint16 kind)
{
	uint64		h = hash_bytes_extended((const unsigned char *) name, strlen(name), 0);

	/* Database 0: clusters' databases share storage, so they share these locks. */
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, (uint32) (h >> 32), (uint32) h, kind);
}

/* Held by the top-level transaction, whatever subtransaction takes it. */
static LockAcquireResult
take_lock(const char *name, uint16 kind, bool dont_wait)
{
	LOCKTAG		tag;
	ResourceOwner owner = CurrentResourceOwner;
	volatile LockAcquireResult result = LOCKACQUIRE_NOT_AVAIL;

	set_tag(&tag, name, kind);
	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		result = LockAcquire(&tag, ExclusiveLock, false, dont_wait);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	return result;
}

/*
 * Who only probes must not get what this very transaction holds as an owner:
 * it would judge its own mutation.
 */
bool
stbl_owner_lock(const char *wal_id, bool dont_wait)
{
	LockAcquireResult result = take_lock(wal_id, LOCK_OWNER, dont_wait);

	if (result == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (result != LOCKACQUIRE_OK && dont_wait)
	{
		stbl_owner_unlock(wal_id);
		return false;
	}
	return true;
}

void
stbl_owner_unlock(const char *wal_id)
{
	LOCKTAG		tag;
	ResourceOwner owner = CurrentResourceOwner;

	set_tag(&tag, wal_id, LOCK_OWNER);
	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockRelease(&tag, ExclusiveLock, false);
	CurrentResourceOwner = owner;
}

void
stbl_publish_lock(const char *root)
{
	(void) take_lock(root, LOCK_PUBLISH, false);
}
