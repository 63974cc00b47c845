/*
 * State documents on storage, and carrying out what they ask for: used by the
 * owner after its commit or abort, by the next writer, and by recovery.
 *
 * The one order that is safe (architecture, "Publishing"): read the newest
 * snapshot; then the document; APPLIED in the snapshot or COMPLETE in the
 * document means done; PUT the version right after that snapshot; when it
 * exists, start over.
 */
#ifndef STBL_SETTLE_H
#define STBL_SETTLE_H

#include "delta/publish.h"
#include "wal/statedoc.h"

/* A document and the etag of the content it was read from or written as. */
typedef struct StblDoc
{
	StblStateDoc doc;
	char		etag[128];
	int64_t		modified_us;	/* when read: of that content, by the storage's clock */
	bool		exists;			/* etag is good */
} StblDoc;

/* Key of a document, palloc'd. */
extern char *stbl_doc_key(const StblTable *table, const char *wal_id);

/* Submits the creation of a document (revision 0); the text lives in CurrentMemoryContext. */
extern StblCall *stbl_doc_create(StblTable *table, StblDoc *doc, int64_t deadline_us);

/*
 * Writes a changed document over the content it was read from: raises
 * revision, PUTs If-Match.  Submit and finish are apart, so that many can be
 * in flight; finish returns the call's status and on OK takes the new etag.
 */
extern StblCall *stbl_doc_update(StblTable *table, StblDoc *doc, int64_t deadline_us);
extern StblStatus stbl_doc_finish(StblCall *call, StblDoc *doc);

/*
 * Reads a document.  Returns OK, NOT_FOUND, or FAILED with err set (a broken
 * document, or the store's error).  The struct lives in mem.
 */
extern StblStatus stbl_doc_read(StblTable *table, StblMem *mem, const char *wal_id, StblDoc *doc, int64_t deadline_us, StblError *err);

/*
 * Publishes what COMMITTED documents ask for, several in one version, and
 * brings each document to COMPLETE / COMMITTED (a lost CAS against a COMPLETE
 * document is success).
 *
 * trusted: the caller is the owner, in the transaction that wrote doc and
 * read every version since (its table->current is the base): the documents
 * are not read again first.
 * Result per document in out[]: what happened to it.
 */
typedef enum StblSettled
{
	STBL_SETTLED,				/* published (now or before) and COMPLETE */
	STBL_SETTLED_OPEN,			/* published, the document could not be completed yet */
	STBL_SETTLE_OWED,			/* not published: err says why */
	STBL_SETTLE_FORCED			/* somebody forced it to roll back; nothing published */
} StblSettled;

typedef struct StblSettle
{
	StblDoc    *doc;
	bool		is_read;		/* doc was read after table->current, and nothing came in between */
	struct roaring_bitmap_s **vectors;	/* trusted: what its targets' tombstones say, or NULL */
	StblSettled result;
	StblError	err;
} StblSettle;

extern void stbl_settle_commit(StblTable *table, StblSettle *settles, int n, bool trusted, int64_t deadline_us);

/*
 * Rolls mutations back: a version that removes PREPARED (published also when
 * the snapshot has none, unless the document is an INSERT without new columns or `sent` is false:
 * it takes the slot in which a late PUT could still land), then the document
 * COMPLETE / ROLLED_BACK.
 */
extern void stbl_settle_rollback(StblTable *table, StblSettle *settles, int n, bool sent, int64_t deadline_us);

/*
 * What a writer does before its own work: publishes what this database owes
 * on this table (witness rows of its root whose mutation the snapshot has not
 * applied), and deletes up to 100 witness rows whose documents are COMPLETE
 * or gone.  What cannot be published is a WARNING and holds up nobody.
 *
 * looked: table->current is the newest version.  Else it is looked for where
 * there is a witness that it says nothing of.  Returns whether it has been.
 */
extern bool stbl_settle_owed(StblTable *table, bool delete_witnesses, bool looked, int64_t deadline_us);

/*
 * What a statement is to see of the table (shown.c): NULL where that is
 * table->current, which was the newest version when the statement began and
 * may be brought further; else a snapshot of its own, pinned.  Publishes
 * nothing.  Throws 40001 where it cannot be had any more; what is committed
 * and cannot be read is a WARNING.
 */
extern StblSnapshot *stbl_settle_shown(StblTable *table, int64_t deadline_us);

/* Waits until the owners of what is committed have tried to publish it. */
extern void stbl_settle_await_owners(StblTable *table);

/*
 * A PREPARED met by a writer: if its coordinator is ours and its owner's lock
 * free, it is settled by the witness, commit or rollback, and true returned:
 * refresh and try again.  Otherwise false.
 */
extern bool stbl_settle_guard(StblTable *table, const char *wal_id, const StblCoordinator *coordinator, int64_t deadline_us);

/*
 * Removes, with the version being described, the domains APPLIED or ABORTED
 * whose documents are COMPLETE or gone: found so by a GET made after its base
 * was read, at most max of them; those already known COMPLETE to this session
 * cost no GET.  Returns how many go.
 */
extern int	stbl_settle_remove_markers(StblVersion *v, int max, int64_t deadline_us);

/*
 * The same for an owner, who waits for nothing that can wait: it removes the
 * markers known to this session, and asks about others only where they pile up.
 */
extern void stbl_settle_owner_markers(StblVersion *v, int64_t deadline_us);

/* Adds a superfile as a document describes it. */
extern void stbl_version_add_doc_file(StblVersion *v, const StblDocFile *file);

#endif							/* STBL_SETTLE_H */
