/* Requests: documents without a coordinator, which a sweep carries out. */
#ifndef STBL_WAL_REQUEST_H
#define STBL_WAL_REQUEST_H

#include "wal/settle.h"

typedef enum StblRequestEnd
{
	STBL_REQ_OPEN,				/* not decided yet in this sweep */
	STBL_REQ_READY,				/* leased and verified: to be published */
	STBL_REQ_DESCRIBED,			/* in the version at hand */
	STBL_REQ_PUBLISHED,			/* visible now, or nothing to publish: document to be completed */
	STBL_REQ_ROLLED_BACK,		/* an UPDATE's target is gone: document to be completed so */
	STBL_REQ_COMPLETE,			/* the document says so already */
	STBL_REQ_HELD,				/* a target is in an undecided mutation, or another has the lease */
	STBL_REQ_CAS_LOST,
	STBL_REQ_QUARANTINED		/* err says why */
} StblRequestEnd;

typedef struct StblRequestWork
{
	StblDoc    *doc;
	StblRequestEnd end;
	StblError	err;
	bool		has_file;
	StblDocFile file;			/* the verified payload */
	int64_t		read_at;		/* base version after which the document was read */
	StblRowOutcome *initial;	/* private: outcomes as the document had them */
} StblRequestWork;

/*
 * The append phase: the payload named by the document is there, and is what
 * the document says: hash, number of rows, columns of the table.  Fills
 * work->file with its statistics; false with work->err set.
 */
extern bool stbl_request_verify(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work, int64_t deadline_us);

/*
 * Publishes all that are READY in one version (again, as long as others take
 * the slot) and brings their documents to COMPLETE.
 */
extern void stbl_requests_publish(StblTable *table, StblRequestWork *works, int n, int64_t deadline_us);

/* What the targets of a request are in a snapshot, without changing anything but the document in memory. */
extern StblRequestEnd stbl_request_resolve(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work);

#endif							/* STBL_WAL_REQUEST_H */
