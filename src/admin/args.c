/* What functions of this room share: arguments, where they may run, text. */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "admin/admin.h"
#include "txn/txn.h"

int64
stbl_interval_us(const char *name, const void *interval, int64 minimum_us)
{
	const Interval *span = interval;
	double		us = (double) span->time + ((double) span->month * DAYS_PER_MONTH + span->day) * (double) USECS_PER_DAY;

	if (us < (double) minimum_us || us > (double) PG_INT64_MAX / 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 minimum_us > 0 ? errmsg("argument \"%s\" must be a positive interval", name) :
				 errmsg("argument \"%s\" must not be a negative interval", name)));
	return (int64) us;
}

void
stbl_refuse_where_not_possible(const char *function, bool dry_run)
{
	if (stbl_txn_has_changes())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s() cannot run in a transaction that has changed a supertable", function)));
	if (!dry_run && (XactReadOnly || RecoveryInProgress()))
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s() in a read-only transaction", function),
				 strcmp(function, "supertable_drop_storage") == 0 ? 0 : errhint("Only a dry run is possible here.")));
}

Datum
stbl_text_datum(const char *str)
{
	char	   *copy = pstrdup(str);

	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verifymbstr(copy, strlen(copy), true))
		for (char *p = copy; *p != '\0'; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	return CStringGetTextDatum(copy);
}
