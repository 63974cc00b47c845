/* The foreign data wrapper's handler. */
#include "postgres.h"

#include "fdw/fdw.h"

PG_FUNCTION_INFO_V1(supertable_fdw_handler);

Datum
supertable_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	stbl_fdw_plan_routines(routine);
	stbl_fdw_scan_routines(routine);
	stbl_fdw_modify_routines(routine);
	stbl_fdw_truncate_routines(routine);
	stbl_fdw_analyze_routines(routine);
	stbl_fdw_import_routines(routine);
	PG_RETURN_POINTER(routine);
}
