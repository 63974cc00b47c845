/* Shared by the server-side files of this room only. */
#ifndef STBL_STORE_INT_H
#define STBL_STORE_INT_H

#include "store/store.h"

typedef struct StblStatSlot StblStatSlot;

struct StblStore
{
	const StblStoreDriver *driver;
	void	   *handle;			/* the driver's */
	char	   *canonical;
	StblStore  *base;			/* of a view: whose probe result and handle these are */
	StblStoreCounters counters;
	StblStatSlot *slot;			/* of a view */
	int64_t		clock_us;		/* newest time an answer has told */
	bool		probed;
	StblProbeRow probe[STBL_N_PROBES];
};

/* registry.c */
extern const StblStoreDriver *stbl_store_driver(const char *url);

/* stat.c */
extern StblStatSlot *stbl_stat_slot(const char *root);
extern void stbl_stat_request(StblStore *store, const StblRequest *req, bool is_retry);

/* A driver that is silent so long after a request's deadline, in microseconds, is not waited for any more. */
#define STBL_DRIVER_GRACE_US (INT64_C(5) * 1000 * 1000)

#endif							/* STBL_STORE_INT_H */
