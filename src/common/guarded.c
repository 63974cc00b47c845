/* Running code whose errors must not go on: two kinds, one way of catching. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"

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

bool
stbl_error_is_upward(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION || sqlerrcode == ERRCODE_OUT_OF_MEMORY;
}

/* Catches what fn throws, but for what is_upward says must go on (NULL: nothing). */
static bool
run_caught(void (*fn) (void *arg), void *arg, bool (*is_upward) (int sqlerrcode), int *sqlerrcode, StblError *err)
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
		if (is_upward != NULL && is_upward(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		*sqlerrcode = edata->sqlerrcode;
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

bool
stbl_guarded(void (*fn) (void *arg), void *arg, StblError *err)
{
	int			sqlerrcode;

	return run_caught(fn, arg, NULL, &sqlerrcode, err);
}

bool
stbl_survive(void (*fn) (void *arg), void *arg, StblError *err)
{
	MemoryContext cxt = CurrentMemoryContext;
	int			sqlerrcode;
	bool		ok = run_caught(fn, arg, stbl_error_is_upward, &sqlerrcode, err);

	MemoryContextSwitchTo(cxt);
	if (!ok)
		err->kind = kind_of(sqlerrcode);
	return ok;
}
