/* State documents on storage: created once, then changed by compare-and-swap only. */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/recover.h"
#include "wal/wal_int.h"

int			stbl_lease_duration_ms = 60000;

char *
stbl_doc_key(const StblTable *table, const char *wal_id)
{
	return stbl_table_key(table, psprintf(STBL_DOC_PREFIX "%s.json", wal_id));
}

static void
document_text(const StblStateDoc *doc, StblBuf *text)
{
	stbl_buf_init(text, stbl_mem_in(CurrentMemoryContext));
	stbl_doc_write(text->mem, text, doc);
}

StblCall *
stbl_doc_create(StblTable *table, StblDoc *doc, int64 deadline_us)
{
	StblBuf		text;

	doc->doc.revision = 0;
	doc->exists = false;
	document_text(&doc->doc, &text);
	return stbl_store_put_new(table->store, stbl_doc_key(table, doc->doc.wal_id), text.data, text.len, deadline_us);
}

/*
 * A document that has no revision yet gets one too: its content must never
 * return to an earlier one, for the etag may be a hash of it.
 */
StblCall *
stbl_doc_update(StblTable *table, StblDoc *doc, int64 deadline_us)
{
	StblBuf		text;

	doc->doc.revision++;
	document_text(&doc->doc, &text);
	return stbl_store_put_match(table->store, stbl_doc_key(table, doc->doc.wal_id), text.data, text.len,
								pstrdup(doc->etag), deadline_us);
}

/* ---- what this session knows to be COMPLETE ---- */

#define MAX_SEEN 20000

/* Requests are named by anybody, so an id says something together with its table only. */
typedef struct SeenKey
{
	uint64		root;
	char		wal_id[40];		/* the rest is 0 */
} SeenKey;

typedef struct SeenEntry
{
	SeenKey		key;
	bool		complete;		/* else only published */
	bool		rolled_back;
	uint64		n_looks;		/* the table's when it was seen COMPLETE; 0: it was seen in a version */
} SeenEntry;

static HTAB *seen = NULL;

static void
make_key(const StblTable *table, const char *wal_id, SeenKey *key)
{
	memset(key, 0, sizeof(*key));
	key->root = hash_bytes_extended((const unsigned char *) table->root, strlen(table->root), 0);
	strlcpy(key->wal_id, wal_id, sizeof(key->wal_id));
}

static SeenEntry *
enter_seen(const StblTable *table, const char *wal_id)
{
	SeenEntry  *entry;
	SeenKey		key;
	bool		found;

	if (seen != NULL && hash_get_num_entries(seen) >= MAX_SEEN)
	{
		hash_destroy(seen);
		seen = NULL;
	}
	if (seen == NULL)
	{
		HASHCTL		ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = sizeof(SeenKey);
		ctl.entrysize = sizeof(SeenEntry);
		ctl.hcxt = TopMemoryContext;
		seen = hash_create("supertable mutations seen", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	make_key(table, wal_id, &key);
	entry = hash_search(seen, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->complete = entry->rolled_back = false;
		entry->n_looks = table->n_looks;
	}
	return entry;
}

void
stbl_note_complete(const StblTable *table, const StblStateDoc *doc)
{
	SeenEntry  *entry;

	if (doc->state != STBL_COMPLETE)
		return;
	entry = enter_seen(table, doc->wal_id);
	entry->complete = true;
	entry->rolled_back = doc->outcome == STBL_OUTCOME_ROLLED_BACK;
}

void
stbl_note_published(const StblTable *table, const char *wal_id)
{
	enter_seen(table, wal_id)->n_looks = 0;
}

static SeenEntry *
find_seen(const StblTable *table, const char *wal_id)
{
	SeenKey		key;

	make_key(table, wal_id, &key);
	return seen != NULL ? hash_search(seen, &key, HASH_FIND, NULL) : NULL;
}

bool
stbl_seen_before(const StblTable *table, const char *wal_id)
{
	SeenEntry  *entry = find_seen(table, wal_id);

	return entry != NULL && !entry->rolled_back && entry->n_looks < table->n_looks;
}

StblSeen
stbl_seen(const StblTable *table, const char *wal_id)
{
	SeenEntry  *entry = find_seen(table, wal_id);

	if (entry == NULL || !entry->complete)
		return STBL_SEEN_NOT;
	return entry->rolled_back ? STBL_SEEN_ROLLED_BACK : STBL_SEEN_COMMITTED;
}

/* ---- answers ---- */

StblStatus
stbl_doc_finish(StblCall *call, StblDoc *doc)
{
	StblStatus	status = stbl_await(call);

	if (status == STBL_ST_OK)
	{
		strlcpy(doc->etag, call->req.new_etag, sizeof(doc->etag));
		doc->exists = true;
	}
	return status;
}

/* The answer to a GET; FAILED names the object. */
static StblStatus
take_document(StblTable *table, StblCall *call, StblMem *mem, const char *wal_id, StblDoc *doc, StblError *err)
{
	StblError	why;

	memset(doc, 0, sizeof(*doc));
	memset(err, 0, sizeof(*err));
	switch (stbl_await(call))
	{
		case STBL_ST_OK:
			break;
		case STBL_ST_NOT_FOUND:
			return STBL_ST_NOT_FOUND;
		default:
			stbl_call_error(call, err);
			return STBL_ST_FAILED;
	}
	if (!stbl_doc_parse(mem, (const char *) call->req.body, call->req.body_len, wal_id, &doc->doc, &why))
	{
		stbl_fail(err, why.kind, "object \"%.200s\": %.250s", call->req.key, why.message);
		strlcpy(err->detail, why.detail, sizeof(err->detail));
		strlcpy(err->hint, why.hint, sizeof(err->hint));
		return STBL_ST_FAILED;
	}
	strlcpy(doc->etag, call->req.new_etag, sizeof(doc->etag));
	doc->modified_us = call->req.modified_us;
	doc->exists = true;
	stbl_note_complete(table, &doc->doc);
	return STBL_ST_OK;
}

StblStatus
stbl_doc_read(StblTable *table, StblMem *mem, const char *wal_id, StblDoc *doc, int64 deadline_us, StblError *err)
{
	StblStatus	status;

	stbl_docs_read(table, mem, &wal_id, 1, doc, &status, err, deadline_us);
	return status;
}

void
stbl_docs_read(StblTable *table, StblMem *mem, const char *const *wal_ids, int n, StblDoc *docs,
			   StblStatus *status, StblError *errs, int64 deadline_us)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt;
	StblCall  **calls;
	int			sent = 0;

	if (n == 0)
		return;
	/* The ids may be those of the very documents that are overwritten. */
	cxt = AllocSetContextCreate(outer, "supertable documents", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);
	calls = palloc0(sizeof(StblCall *) * n);
	for (int i = 0; i < n; i++)
	{
		char		wal_id[STBL_ID_TEXT];

		for (; sent < n && sent < i + STBL_WAL_IN_FLIGHT; sent++)
			calls[sent] = stbl_store_get(table->store, stbl_doc_key(table, wal_ids[sent]), deadline_us);
		strlcpy(wal_id, wal_ids[i], sizeof(wal_id));
		status[i] = take_document(table, calls[i], mem, wal_id, &docs[i], &errs[i]);
		stbl_call_free(calls[i]);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}
