/* supertable_gc: arguments and result row. */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "admin/admin.h"
#include "fdw/options.h"
#include "wal/gc.h"

PG_FUNCTION_INFO_V1(supertable_gc);

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
