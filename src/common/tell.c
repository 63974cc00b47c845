/* Progress of long work (tell.h). */
#include "postgres.h"

#include "common/pgmem.h"
#include "common/tell.h"

#define TELL_EVERY_US ((int64) 3 * 1000 * 1000)

void
stbl_tell_begin(StblTell *tell, const char *what, const char *root)
{
	tell->what = what;
	tell->root = root;
	tell->last_us = stbl_now_us();
}

void
stbl_tell(StblTell *tell, const char *phase, int64 done, int64 total)
{
	int64		now = stbl_now_us();

	if (now - tell->last_us < TELL_EVERY_US)
		return;
	tell->last_us = now;
	if (total < 0)
		ereport(NOTICE, (errmsg("%s of table \"%s\": %s, " INT64_FORMAT " so far", tell->what, tell->root, phase, done)));
	else
		ereport(NOTICE, (errmsg("%s of table \"%s\": %s, " INT64_FORMAT " of " INT64_FORMAT, tell->what, tell->root, phase, done, total)));
}
