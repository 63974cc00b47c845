/* Shared by gc.c, gc_docs.c and drop.c only. */
#ifndef STBL_GC_INT_H
#define STBL_GC_INT_H

#include "common/names.h"
#include "wal/gc.h"
#include "wal/listing.h"

/* Slack around the times of documents that do not say what they name. */
#define STBL_GC_SLACK_US (INT64_C(3600) * 1000000)

/* What documents and the manifest's entries need, and which documents may go. */
typedef struct StblNeeds
{
	StblNames	names;			/* objects, relative to the root */
	StblNames	prefixes;		/* of superfiles: a preallocated id stands for several */
	int64_t		spare_from_us;	/* objects not older than this are spared */
	StblListedDoc *docs;
	size_t		n_docs;
	bool	   *may_go;			/* of docs */
	const char **unsettled;		/* of docs: why it is not settled, or NULL */
} StblNeeds;

/*
 * Lists and reads the documents; names is begun here, and sorted by the
 * caller.  committed_before_us and rolled_back_before_us: COMPLETE ones older
 * than that may go.
 */
extern void stbl_gc_read_documents(StblTable *table, int64_t committed_before_us, int64_t rolled_back_before_us,
								   StblNeeds *needs);

/*
 * Adds what PREPARED entries of a snapshot read after the documents need, and
 * keeps their documents.
 */
extern void stbl_gc_note_guards(StblSnapshot *snapshot, StblNeeds *needs);

#endif							/* STBL_GC_INT_H */
