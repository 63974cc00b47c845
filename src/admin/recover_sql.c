/* supertable_recover, supertable_wal: arguments and result rows. */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_foreign_table.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "admin/admin.h"
#include "common/compat.h"
#include "common/pgmem.h"
#include "fdw/options.h"
#include "wal/recover.h"

PG_FUNCTION_INFO_V1(supertable_recover);
PG_FUNCTION_INFO_V1(supertable_wal);

static void
read_options(FunctionCallInfo fcinfo, StblRecoverOptions *o)
{
	const char *in_doubt = PG_ARGISNULL(4) ? "leave" : text_to_cstring(PG_GETARG_TEXT_PP(4));

	memset(o, 0, sizeof(*o));
	o->lease_us = PG_ARGISNULL(1) ? (int64) stbl_lease_duration_ms * 1000 : stbl_interval_us("lease", PG_GETARG_INTERVAL_P(1), 1);
	if (!PG_ARGISNULL(2))
		o->deadline_us = stbl_now_us() + stbl_interval_us("max_time", PG_GETARG_INTERVAL_P(2), 1);
	o->dry_run = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	o->coordinator = PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	if (strcmp(in_doubt, "leave") == 0)
		o->in_doubt = STBL_IN_DOUBT_LEAVE;
	else if (strcmp(in_doubt, "commit") == 0)
		o->in_doubt = STBL_IN_DOUBT_COMMIT;
	else if (strcmp(in_doubt, "abort") == 0)
		o->in_doubt = STBL_IN_DOUBT_ABORT;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"in_doubt\": \"%s\"", in_doubt),
				 errhint("Valid values are: leave, commit, abort.")));
	if (o->in_doubt != STBL_IN_DOUBT_LEAVE && o->coordinator == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"in_doubt\" needs argument \"coordinator\""),
				 errhint("Give the coordinator that is gone for good, as supertable_wal() shows it.")));
}

static void
put_text(Datum *values, bool *nulls, int at, const char *str)
{
	nulls[at] = str == NULL;
	values[at] = str ? stbl_text_datum(str) : (Datum) 0;
}

static void
put_row(ReturnSetInfo *rsinfo, Oid relid, const StblRecoverReport *r, int64 elapsed_us, const char *problem)
{
	int64		counts[] = {r->n_scanned, r->n_already_complete, r->n_held_by_peer, r->n_full_pipeline_completed,
		r->n_tombstone_only_completed, r->n_vanished_during_scan, r->n_cas_lost, r->total_targets_tombstoned,
	r->total_targets_not_found, r->n_rolled_back, r->n_in_doubt, r->n_quarantined};
	Datum		values[15];
	bool		nulls[15] = {false};
	Interval   *elapsed = palloc0(sizeof(Interval));

	elapsed->time = elapsed_us;
	values[0] = ObjectIdGetDatum(relid);
	for (int i = 0; i < 12; i++)
		values[i + 1] = Int64GetDatum(counts[i]);
	values[13] = IntervalPGetDatum(elapsed);
	put_text(values, nulls, 14, problem);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Supertables whose owner the caller is a member of. */
static List *
own_supertables(void)
{
	Relation	rel = table_open(ForeignTableRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *relids = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			relid = ((Form_pg_foreign_table) GETSTRUCT(tuple))->ftrelid;

		if (stbl_is_supertable(relid, NULL) && STBL_CLASS_OWNERCHECK(relid, GetUserId()))
			relids = lappend_oid(relids, relid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relids;
}

/* One of several: what goes wrong with it is its row's problem, and a WARNING. */
static char *
sweep_quietly(Oid relid, const StblRecoverOptions *o, StblRecoverReport *r)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		stbl_recover_table(stbl_relation_table(relid, GetUserId(), true), o, r);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		if (stbl_error_is_upward(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		problem = edata->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	if (problem != NULL)
		ereport(WARNING, (errmsg("could not recover supertable \"%s\": %s", get_rel_name(relid) ? get_rel_name(relid) : "?", problem)));
	return problem;
}

Datum
supertable_recover(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StblRecoverOptions options;
	StblRecoverReport report;
	int64		start;

	InitMaterializedSRF(fcinfo, 0);
	read_options(fcinfo, &options);
	stbl_refuse_where_not_possible("supertable_recover", options.dry_run);
	start = stbl_now_us();
	if (!PG_ARGISNULL(0))
	{
		Oid			relid = PG_GETARG_OID(0);

		stbl_require_owner(relid);
		stbl_recover_table(stbl_relation_table(relid, GetUserId(), true), &options, &report);
		put_row(rsinfo, relid, &report, stbl_now_us() - start, NULL);
	}
	else
	{
		List	   *relids = own_supertables();
		ListCell   *lc;

		foreach(lc, relids)
		{
			char	   *problem;

			start = stbl_now_us();
			memset(&report, 0, sizeof(report));
			problem = sweep_quietly(lfirst_oid(lc), &options, &report);
			put_row(rsinfo, lfirst_oid(lc), &report, stbl_now_us() - start, problem);
		}
	}
	return (Datum) 0;
}

Datum
supertable_wal(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relid = PG_GETARG_OID(0);
	StblWalRow *rows;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	stbl_require_select(relid);
	rows = stbl_wal_rows(stbl_relation_table(relid, GetUserId(), true), &n);
	for (int i = 0; i < n; i++)
	{
		StblWalRow *r = &rows[i];
		Datum		values[11];
		bool		nulls[11] = {false};

		put_text(values, nulls, 0, r->wal_id[0] ? r->wal_id : NULL);
		put_text(values, nulls, 1, r->op_kind);
		put_text(values, nulls, 2, r->state);
		nulls[3] = !r->has_created;
		values[3] = TimestampTzGetDatum(stbl_timestamptz_from_us(r->created_us));
		put_text(values, nulls, 4, r->lease_owner);
		nulls[5] = r->lease_owner == NULL;
		values[5] = TimestampTzGetDatum(stbl_timestamptz_from_us(r->lease_expires_us));
		put_text(values, nulls, 6, r->coordinator);
		put_text(values, nulls, 7, r->predicate);
		values[8] = Int64GetDatum(r->n_targets);
		values[9] = Int64GetDatum(r->n_new_rows);
		nulls[8] = nulls[9] = r->state == NULL;
		put_text(values, nulls, 10, r->problem);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
