/* Shared by the server-side files of this room only. */
#ifndef STBL_STORE_INT_H
#define STBL_STORE_INT_H

#include "store/store.h"

typedef struct StblStatSlot StblStatSlot;

/* What is known of a store in this session (proof.c). */
typedef enum StblProof
{
	STBL_PROOF_NONE = 0,
	STBL_PROOF_PASSED,
	STBL_PROOF_FAILED
} StblProof;

struct StblStore
{
	const StblStoreDriver *driver;
	void	   *handle;			/* the driver's */
	char	   *canonical;
	char		access[65];		/* of a base: hash of what it was opened with, credentials too */
	StblStore  *base;			/* of a view: whose probe result and handle these are */
	StblStoreCounters counters;
	StblStatSlot *slot;			/* of a view */
	int64_t		clock_us;		/* newest time an answer has told */
	bool		has_bare_etags; /* of a base: its conditions take an etag only without the quotes it is told with */
	StblProof	proof;
	StblProbeRow failed;		/* proof FAILED: why */
	bool		probed;
	StblProbeRow probe[STBL_N_PROBES];
};

/* registry.c */
extern const StblStoreDriver *stbl_store_driver(const char *url);

/* proof.c: what a probe has found. */
extern void stbl_proof_note(StblStore *base, const StblProbeRow *rows);

/* store.c: an etag as the conditions of a base want to have it; palloc'd, or what was given. */
extern const char *stbl_store_condition(const StblStore *base, const char *etag);

/* stat.c */
extern StblStatSlot *stbl_stat_slot(const char *root);
extern void stbl_stat_request(StblStore *store, const StblRequest *req, bool is_retry);

/* A driver that is silent so long after a request's deadline, in microseconds, is not waited for any more. */
#define STBL_DRIVER_GRACE_US (INT64_C(5) * 1000 * 1000)

#endif							/* STBL_STORE_INT_H */
