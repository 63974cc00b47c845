/* One mutation's trouble must not become another's. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/wal_int.h"

static StblErrorKind
kind_of(int sqlerrcode)
{
#define X(name, sqlstate) \
	if (sqlerrcode == sqlstate) \
		return STBL_ERR_##name;
	STBL_ERROR_KINDS(X)
#undef X
	return STBL_ERR_IO;
}

/* What concerns the session or the server, not the mutation. */
static bool
is_upward(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION || sqlerrcode == ERRCODE_OUT_OF_MEMORY;
}

bool
stbl_survive(void (*fn) (void *arg), void *arg, StblError *err)
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

		/* errfinish has reset them; a commit callback relies on them. */
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		if (is_upward(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		stbl_fail(err, kind_of(edata->sqlerrcode), "%s", edata->message ? edata->message : "error");
		if (edata->detail)
			stbl_error_detail(err, "%s", edata->detail);
		if (edata->hint)
			stbl_error_hint(err, "%s", edata->hint);
		FreeErrorData(edata);
		ok = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	return ok;
}
