/*
 * Superfiles of a load on their way to storage.
 *
 * A superfile of full size is sent at once, and the load goes on while it is
 * under way: its image is a temporary file that is mapped, so that several of
 * them take no memory of their own.  When MAX_UPLOADS are under way, or as
 * many bytes as MAX_UPLOAD_BYTES, the load waits for the oldest: each has the
 * time of one request, and they share the line.  Nothing but the process itself moves a request on,
 * so the load lends it a moment every so many rows (stbl_txn_push_uploads).
 *
 * An image stays as it is until its upload has ended; whoever wants to read
 * such a superfile awaits that first.
 *
 * Where rows come slowly a request may have been left alone until the store,
 * or its own deadline, gave it up.  So one that did not succeed is sent once
 * more, and awaited, before it is an error.  The name is a new one: what is
 * found there then is the first sending, which has arrived after all, whole.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"

#define MAX_UPLOADS 4
#define MAX_UPLOAD_BYTES (UINT64CONST(384) * 1024 * 1024)

void
stbl_txn_hash_file(StblTxnTable *tt, StblTxnFile *f)
{
	if (f->hash[0] == '\0')
		stbl_sha256_hex(stbl_rows_image(tt, f), f->size, f->hash);
}

static StblCall *
send_file(StblTxnTable *tt, StblTxnFile *f)
{
	MemoryContext old = MemoryContextSwitchTo(tt->cxt);
	StblCall   *call;

	stbl_txn_use_store(tt);
	call = stbl_store_put_unique(tt->table->store, stbl_table_key(tt->table, f->path),
								 stbl_rows_image(tt, f), f->size, 0);
	MemoryContextSwitchTo(old);
	return call;
}

/* Awaits the oldest upload. */
static void
finish_oldest(StblTxnTable *tt)
{
	StblTxnFile *f = linitial(tt->sent_files);

	if (stbl_await(f->upload) != STBL_ST_OK)
	{
		stbl_call_free(f->upload);
		f->upload = send_file(tt, f);
		if (stbl_await(f->upload) != STBL_ST_PRECONDITION)
			stbl_await_ok(f->upload);
	}
	stbl_call_free(f->upload);
	f->upload = NULL;
	tt->sent_files = list_delete_first(tt->sent_files);
	f->uploaded = true;
	stbl_rows_free_image(tt, f);
}

/* Whether one more may be under way. */
static bool
has_room(StblTxnTable *tt, uint64 size)
{
	ListCell   *lc;

	foreach(lc, tt->sent_files)
		size += ((StblTxnFile *) lfirst(lc))->size;
	return tt->sent_files == NIL || (list_length(tt->sent_files) < MAX_UPLOADS && size <= MAX_UPLOAD_BYTES);
}

void
stbl_txn_upload(StblTxnTable *tt, StblTxnFile *f)
{
	MemoryContext old;

	stbl_txn_ensure_document(tt);
	while (!has_room(tt, f->size))
		finish_oldest(tt);
	stbl_txn_hash_file(tt, f);
	f->upload = send_file(tt, f);
	old = MemoryContextSwitchTo(tt->cxt);
	tt->sent_files = lappend(tt->sent_files, f);
	MemoryContextSwitchTo(old);
}

void
stbl_txn_push_uploads(StblTxnTable *tt)
{
	stbl_store_poll(tt->store);
	while (tt->sent_files != NIL && stbl_call_is_done(((StblTxnFile *) linitial(tt->sent_files))->upload))
		finish_oldest(tt);
}

void
stbl_txn_finish_uploads(StblTxnTable *tt)
{
	while (tt->sent_files != NIL)
		finish_oldest(tt);
}

void
stbl_txn_end_write(StblTxnTable *tt)
{
	/* The client may take its time before the next statement. */
	if (IsTransactionBlock())
		stbl_txn_finish_uploads(tt);
}

/* Their images go; throws nothing. */
void
stbl_txn_cancel_uploads(StblTxnTable *tt)
{
	ListCell   *lc;

	foreach(lc, tt->sent_files)
	{
		StblTxnFile *f = lfirst(lc);

		if (f->upload != NULL)
			stbl_call_free(f->upload);
		f->upload = NULL;
	}
	tt->sent_files = NIL;
}
