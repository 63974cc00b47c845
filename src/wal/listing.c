/* Listing mutations (listing.h). */
#include "postgres.h"

#include "common/pgmem.h"
#include "wal/listing.h"
#include "wal/wal_int.h"

static bool
id_of_name(const char *name, char *wal_id)
{
	if (strlen(name) != STBL_ID_LEN + 5 || strcmp(name + STBL_ID_LEN, ".json") != 0)
		return false;
	memcpy(wal_id, name, STBL_ID_LEN);
	wal_id[STBL_ID_LEN] = '\0';
	return stbl_id_is_valid(wal_id);
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static int
compare_documents(const void *a, const void *b)
{
	return strcmp(((const StblListedDoc *) a)->wal_id, ((const StblListedDoc *) b)->wal_id);
}

StblListedDoc *
stbl_list_documents(StblTable *table, size_t *n, List **strangers, int64 *now_us)
{
	char	   *prefix = stbl_table_key(table, STBL_DOC_PREFIX);
	size_t		len = strlen(prefix);
	size_t		cap = 64;
	StblListedDoc *docs = palloc(sizeof(StblListedDoc) * cap);
	char	   *token = NULL;

	*n = 0;
	do
	{
		StblCall   *call = stbl_store_list(table->store, prefix, 0, token, 0);

		stbl_await_ok(call);
		*now_us = call->req.store_time_us;
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			const StblListEntry *entry = &call->req.entries[i];

			if (entry->is_folder || strncmp(entry->key, prefix, len) != 0)
				continue;
			if (*n == cap)
				docs = repalloc_huge(docs, sizeof(StblListedDoc) * (cap *= 2));
			docs[*n].modified_us = entry->modified_us;
			docs[*n].size = entry->size;
			if (id_of_name(entry->key + len, docs[*n].wal_id))
				(*n)++;
			else
				*strangers = lappend(*strangers, pstrdup(entry->key));
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL);
	qsort(docs, *n, sizeof(StblListedDoc), compare_documents);
	return docs;
}

void
stbl_list_mutations(StblTable *table, StblListing *out)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	List	   *unique = NIL;
	ListCell   *lc;
	int			n;
	StblDomain *domains;
	StblListedDoc *docs;
	size_t		n_docs;
	int64		now_us;

	memset(out, 0, sizeof(*out));
	docs = stbl_list_documents(table, &n_docs, &out->strangers, &now_us);
	if (now_us > 0)
		out->clock_offset_us = now_us - stbl_now_us();
	for (size_t i = 0; i < n_docs; i++)
		out->ids = lappend(out->ids, docs[i].wal_id);
	domains = stbl_snapshot_domains(table->current, STBL_GUARD_PREFIX, &n);
	for (int i = 0; i < n; i++)
	{
		const char *wal_id = domains[i].domain + strlen(STBL_GUARD_PREFIX);
		StblGuard	guard;
		StblError	err;

		/* A broken entry is listed too, to be reported. */
		if (stbl_id_is_valid(wal_id) &&
			(!stbl_guard_parse(mem, domains[i].configuration, &guard, &err) || guard.state == STBL_GUARD_PREPARED))
			out->ids = lappend(out->ids, pstrdup(wal_id));
	}
	list_sort(out->ids, compare_ids);
	foreach(lc, out->ids)
		if (unique == NIL || strcmp(llast(unique), lfirst(lc)) != 0)
			unique = lappend(unique, lfirst(lc));
	out->ids = unique;
}
