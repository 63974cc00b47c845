/*
 * Transaction callbacks, and which protocol a transaction may take.
 *
 * The callbacks are registered when the library is loaded, as early as can
 * be: callbacks run last registered first, so whatever registers after us
 * fails before our pre-commit, not after it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timeout.h"

#include "txn/txn_int.h"

bool		stbl_one_phase = true;

static uint64 statement_count = 0;	/* of the session */

/* Of the running transaction: */
static int	n_dml = 0;			/* statements that began to change a supertable */
static bool dml_is_simple = false;
static uint64 dml_statement = 0;	/* statement_count when it began */
static bool decided = false;	/* by one-phase; interrupts are held */
static bool timeout_armed = false;

void
stbl_txn_note_statement(void)
{
	statement_count++;
}

bool
stbl_txn_statement(StblTxnTable *tt, bool simple)
{
	n_dml++;
	stbl_txn_note_store(tt);
	dml_is_simple = simple && n_dml == 1 && GetCurrentTransactionNestLevel() == 1 &&
		!IsTransactionBlock() && (MyXactFlags & XACT_FLAGS_PIPELINING) == 0;
	dml_statement = statement_count;
	return dml_is_simple;
}

/*
 * One-phase decides before PostgreSQL does, so nothing may be able to fail
 * after it: a single DML in a transaction of its own, nothing run beside it,
 * no xid, no temporary table to empty, no serialization check.
 */
static bool
one_phase_allowed(void)
{
	return stbl_one_phase && dml_is_simple && n_dml == 1 && statement_count == dml_statement &&
		!TransactionIdIsValid(GetTopTransactionIdIfAny()) && !IsolationIsSerializable() &&
		(MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) == 0;
}

static void
disarm_timeout(void)
{
	if (timeout_armed)
		disable_timeout(STATEMENT_TIMEOUT, false);
	timeout_armed = false;
}

static void
reset(void)
{
	n_dml = 0;
	dml_is_simple = false;
	decided = false;
	stbl_txn_forget();
}

static void
pre_commit(void)
{
	if (!stbl_txn_has_changes())
		return;

	/* Core has disarmed statement_timeout, but not in a procedure's COMMIT; what follows may wait on storage. */
	if (StatementTimeout > 0 && !get_timeout_active(STATEMENT_TIMEOUT))
	{
		enable_timeout_after(STATEMENT_TIMEOUT, StatementTimeout);
		timeout_armed = true;
	}
	decided = stbl_txn_precommit(one_phase_allowed());
	disarm_timeout();
}

static void
after_commit(void)
{
	if (decided)
	{
		RESUME_INTERRUPTS();
		QueryCancelPending = false; /* it came too late */
	}
	if (stbl_txn_has_changes())
		stbl_txn_postcommit();
	reset();
}

static void
after_abort(void)
{
	disarm_timeout();
	if (decided)
		ereport(WARNING,
				(errmsg("a change of a supertable was committed although its transaction was rolled back"),
				 errdetail("Something failed at commit after the change was published; it was not known to be there."),
				 errhint("Set supertable.one_phase to off for such transactions.")));
	else if (stbl_txn_has_changes())
		stbl_txn_abort();
	reset();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			pre_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (stbl_txn_has_changes())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has changed a supertable"),
						 errhint("Use COMMIT: it covers heap tables and supertables alike.")));
			break;
		case XACT_EVENT_COMMIT:
			after_commit();
			break;
		case XACT_EVENT_ABORT:
			after_abort();
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			reset();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		stbl_txn_subabort(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		stbl_txn_subcommit(GetCurrentTransactionNestLevel());
}

void
stbl_txn_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
