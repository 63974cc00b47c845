/* Requests: documents without a coordinator, which a sweep carries out. */
#ifndef STBL_WAL_REQUEST_H
#define STBL_WAL_REQUEST_H

#include "delta/publish.h"
#include "wal/settle.h"

typedef enum StblRequestEnd
{
	STBL_REQ_OPEN,				/* not decided yet in this sweep */
	STBL_REQ_READY,				/* verified, and leased where it has a payload: to be published */
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
	int64_t		payload_us;		/* its time, by the storage's clock */
	int64_t		read_at;		/* base version after which the document was read */
	int64_t		n_tombstoned;	/* entries that end so */
	int64_t		n_not_found;
	StblProgress *initial;		/* private: the targets as the document had them */
} StblRequestWork;

/*
 * The append phase: each payload is there, and is what its document says:
 * hash, number of rows, columns of the table.  Fills file with its
 * statistics; one that fails becomes QUARANTINED with err set.
 */
extern void stbl_requests_verify(StblTable *table, StblSnapshot *snapshot, StblRequestWork **works, int n, int64_t deadline_us);

/*
 * Refuses a verified payload that a gc may be about to delete, because it was
 * stored long before its document named it.  Reads a new snapshot where that
 * matters.
 */
extern void stbl_requests_check_age(StblTable *table, StblRequestWork **works, int n, int64_t deadline_us);

/*
 * Publishes all that are READY in one version, right after table->current
 * (again, as long as others take the slot).  A document is read again where
 * its read_at is another version than the one published on.  Returns whether
 * nobody else took it.
 */
extern bool stbl_requests_publish(StblTable *table, StblRequestWork **works, int n, int64_t deadline_us);

/* Brings the documents of PUBLISHED and ROLLED_BACK ones to COMPLETE, in flight. */
extern void stbl_requests_complete(StblTable *table, StblRequestWork **works, int n, int64_t deadline_us);

/*
 * What the targets of a request are in a snapshot: DESCRIBED (to be
 * published), ROLLED_BACK, HELD or QUARANTINED.  Changes nothing but the
 * document in memory.  undecided as for stbl_conflict_check.
 */
extern StblRequestEnd stbl_request_resolve(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work,
										   StblUndecided **undecided);

/* Takes back what resolving has changed in the document. */
extern void stbl_request_reset(StblRequestWork *work);

/* The outcomes of a request that the snapshot has APPLIED, by this guard. */
extern void stbl_request_applied(StblTable *table, StblSnapshot *snapshot, const StblGuard *applied, StblRequestWork *work);

#endif							/* STBL_WAL_REQUEST_H */
