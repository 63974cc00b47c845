/* Moments by several clocks (snapshot.h): a machine may sleep, and a clock may be set. */
#include "postgres.h"

#include <time.h>

#include "common/pgmem.h"
#include "delta/snapshot.h"

StblMoment
stbl_moment(const StblStore *store)
{
	StblMoment	now;
	struct timespec ts;

	now.store_us = stbl_store_clock(store);
#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &ts);
#else
	clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	now.boot_us = (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	now.real_us = stbl_now_us();
	return now;
}

int64
stbl_moment_elapsed(const StblMoment *from, const StblMoment *to)
{
	int64		elapsed = Max(to->boot_us - from->boot_us, to->real_us - from->real_us);

	if (from->store_us > 0 && to->store_us > 0)
		elapsed = Max(elapsed, to->store_us - from->store_us);
	return elapsed;
}
