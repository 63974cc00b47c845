/* supertable_gc, supertable_history: arguments and result rows. */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "admin/admin.h"
#include "common/pgmem.h"
#include "delta/history.h"
#include "fdw/options.h"
#include "wal/gc.h"

PG_FUNCTION_INFO_V1(supertable_gc);
PG_FUNCTION_INFO_V1(supertable_history);

static int64
at_least(const char *name, const void *interval, int64 minimum_us, const char *minimum)
{
	int64		us = stbl_interval_us(name, interval, 0);

	if (us < minimum_us && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be at least %s", name, minimum),
				 errhint("Only a superuser may go lower.")));
	return us;
}

Datum
supertable_gc(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	StblGcOptions options;
	StblGcReport report;
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	stbl_require_owner(relid);
	options.grace_us = at_least("grace", PG_GETARG_INTERVAL_P(1), STBL_GC_MIN_GRACE_US, "10 minutes");
	options.retention_us = at_least("retention", PG_GETARG_INTERVAL_P(2), STBL_GC_MIN_RETENTION_US, "1 day");
	options.dry_run = PG_GETARG_BOOL(3);
	stbl_refuse_where_not_possible("supertable_gc", options.dry_run);
	stbl_gc_table(stbl_relation_table(relid, GetUserId(), false), &options, &report);
	values[0] = Int64GetDatum(report.n_state_docs);
	values[1] = Int64GetDatum(report.n_superfiles);
	values[2] = Int64GetDatum(report.n_tombstones);
	values[3] = Int64GetDatum(report.n_log_versions);
	values[4] = Int64GetDatum(report.bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

static void
put_history_row(const StblHistoryRow *row, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = Int64GetDatum(row->version);
	nulls[1] = row->committed_ms < 0;
	values[1] = TimestampTzGetDatum(stbl_timestamptz_from_us(row->committed_ms * 1000));
	nulls[2] = row->operation == NULL;
	values[2] = row->operation ? stbl_text_datum(row->operation) : (Datum) 0;
	nulls[3] = row->wal_id == NULL;
	values[3] = row->wal_id ? stbl_text_datum(row->wal_id) : (Datum) 0;
	nulls[4] = row->n_added < 0;
	values[4] = Int64GetDatum(row->n_added);
	nulls[5] = row->n_deleted < 0;
	values[5] = Int64GetDatum(row->n_deleted);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
supertable_history(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	InitMaterializedSRF(fcinfo, 0);
	stbl_require_select(relid);
	stbl_history(stbl_relation_table(relid, GetUserId(), false), put_history_row, fcinfo->resultinfo);
	return (Datum) 0;
}
