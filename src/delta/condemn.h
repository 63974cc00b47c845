/*
 * What the log says of deletions: domains `supertable.gc` and
 * `supertable.dropped`.  Pure.
 *
 *	supertable.gc		{"cutoff":T,"at":T}		objects older than cutoff may be deleted if nothing
 *											names them; at: the storage's time when it was set
 *	supertable.dropped	{"at":T}				all before this version is deleted
 */
#ifndef STBL_CONDEMN_H
#define STBL_CONDEMN_H

#include "common/json.h"

#define STBL_GC_DOMAIN "supertable.gc"
#define STBL_DROPPED_DOMAIN "supertable.dropped"

typedef struct StblCutoff
{
	int64_t		cutoff_us;		/* Unix epoch, the storage's clock */
	int64_t		at_us;
} StblCutoff;

/* Errors: CORRUPT, naming domain and key.  Unknown keys are tolerated. */
extern bool stbl_cutoff_parse(StblMem *mem, const char *configuration, StblCutoff *out, StblError *err);
extern char *stbl_cutoff_write(StblMem *mem, const StblCutoff *cutoff);
extern bool stbl_dropped_parse(StblMem *mem, const char *configuration, int64_t *at_us, StblError *err);
extern char *stbl_dropped_write(StblMem *mem, int64_t at_us);

#endif							/* STBL_CONDEMN_H */
