/* Running code that may throw where nothing may be thrown. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"

bool
stbl_guarded(void (*fn) (void *arg), void *arg, StblError *err)
{
	MemoryContext cxt = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	volatile bool ok = true;

	PG_TRY();
	{
		fn(arg);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		FlushErrorState();
		stbl_fail(err, STBL_ERR_IO, "%s", edata->message ? edata->message : "error");
		if (edata->detail)
			stbl_error_detail(err, "%s", edata->detail);
		if (edata->hint)
			stbl_error_hint(err, "%s", edata->hint);
		FreeErrorData(edata);
		ok = false;
	}
	PG_END_TRY();
	return ok;
}
