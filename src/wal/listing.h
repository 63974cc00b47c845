/* What mutations of a table there are: its documents, and lone PREPARED entries. */
#ifndef STBL_WAL_LISTING_H
#define STBL_WAL_LISTING_H

#include "nodes/pg_list.h"

#include "delta/guard.h"
#include "delta/snapshot.h"

typedef struct StblListing
{
	List	   *ids;			/* char *, oldest first, each once */
	List	   *strangers;		/* char *: keys that name no document */
	int64_t		clock_offset_us;	/* what the store's clock is ahead of ours */
} StblListing;

/* A document as LIST shows it. */
typedef struct StblListedDoc
{
	char		wal_id[STBL_ID_TEXT];
	int64_t		modified_us;	/* the storage's clock */
	uint64_t	size;
} StblListedDoc;

/* Lists documents, oldest id first; palloc'd.  strangers as above; *now_us: the storage's clock. */
extern StblListedDoc *stbl_list_documents(StblTable *table, size_t *n, List **strangers, int64_t *now_us);

/* Lists documents; entries are those of table->current.  palloc'd. */
extern void stbl_list_mutations(StblTable *table, StblListing *out);

#endif							/* STBL_WAL_LISTING_H */
