/* State documents on storage. */
#include "postgres.h"

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
	stbl_doc_write(stbl_mem_in(CurrentMemoryContext), text, doc);
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

StblStatus
stbl_doc_finish(StblCall *call, StblDoc *doc)
{
	StblStatus	status = stbl_await(call);

	if (status == STBL_ST_OK)
	{
		strlcpy(doc->etag, call->req.new_etag, sizeof(doc->etag));
		doc->exists = true;
		if (doc->doc.state == STBL_COMPLETE)
			stbl_settle_seen_complete(doc->doc.wal_id);
	}
	return status;
}

StblStatus
stbl_doc_read(StblTable *table, StblMem *mem, const char *wal_id, StblDoc *doc, int64 deadline_us, StblError *err)
{
	StblCall   *call = stbl_store_get(table->store, stbl_doc_key(table, wal_id), deadline_us);
	StblStatus	status = stbl_await(call);

	if (status == STBL_ST_OK)
	{
		if (!stbl_doc_parse(mem, (char *) call->req.body, call->req.body_len, wal_id, &doc->doc, err))
			status = STBL_ST_FAILED;
		strlcpy(doc->etag, call->req.new_etag, sizeof(doc->etag));
		doc->exists = true;
		if (status == STBL_ST_OK && doc->doc.state == STBL_COMPLETE)
			stbl_settle_seen_complete(wal_id);
	}
	else if (status != STBL_ST_NOT_FOUND)
	{
		stbl_call_error(call, err);
		status = STBL_ST_FAILED;
	}
	stbl_call_free(call);
	return status;
}

/* ---- what this session knows to be COMPLETE ---- */

#define MAX_SEEN 20000

static HTAB *seen = NULL;

void
stbl_settle_seen_complete(const char *wal_id)
{
	HASHCTL		ctl;

	if (seen != NULL && hash_get_num_entries(seen) >= MAX_SEEN)
	{
		hash_destroy(seen);
		seen = NULL;
	}
	if (seen == NULL)
	{
		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = STBL_ID_TEXT;
		ctl.entrysize = STBL_ID_TEXT;
		ctl.hcxt = TopMemoryContext;
		seen = hash_create("supertable complete mutations", 256, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	(void) hash_search(seen, wal_id, HASH_ENTER, NULL);
}

bool
stbl_seen_complete(const char *wal_id)
{
	return seen != NULL && hash_search(seen, wal_id, HASH_FIND, NULL) != NULL;
}
