/* Columns of a foreign table as Delta fields, and values both ways. */
#ifndef STBL_DATUM_H
#define STBL_DATUM_H

#include "fmgr.h"

#include "access/tupdesc.h"
#include "delta/schema.h"

struct StblColumn;

/* Appends one value of a column's element type, not NULL. */
typedef void (*StblAppend) (struct StblColumn *column, StblVec *vec, Datum value);

typedef struct StblColumn
{
	AttrNumber	attnum;
	char	   *name;
	Oid			typid;			/* of the column; domains resolved */
	int32		typmod;
	Oid			elemtype;		/* of the values: typid, or an array's element type */
	int16		elemlen;
	bool		elembyval;
	char		elemalign;
	bool		is_array;
	bool		not_null;
	StblField	field;			/* as Delta sees it; type, precision, pg_type */
	StblAppend	append;			/* chosen once for the type */
	FmgrInfo	out_fn;			/* types kept as their text */
	FmgrInfo	in_fn;
	Oid			in_ioparam;
} StblColumn;

/* The columns of a relation that are not dropped; palloc'd.  HV004 for a type we cannot keep. */
extern StblColumn *stbl_columns(TupleDesc desc, int *n_columns);

/*
 * Whether a stored field serves for a column; throws HV021 naming both types
 * if not.  for_write asks for exactly the same, reading accepts what can be
 * read without loss.
 */
extern void stbl_column_match(const StblColumn *column, const StblField *stored, const char *root, bool for_write);

extern void stbl_column_append_array(StblColumn *column, StblColVec *vec, Datum value);

/* Appends one value to a vector of the column's own kind.  Throws 22003, 22008, 2202E. */
static inline void
stbl_column_append(StblColumn *column, StblColVec *vec, Datum value, bool isnull)
{
	if (isnull)
		stbl_colvec_null(vec);
	else if (column->is_array)
		stbl_column_append_array(column, vec, value);
	else
	{
		column->append(column, &vec->elem, value);
		vec->n_rows++;
	}
}

/*
 * The values at n rows of a vector (rows NULL: from row first on), timestamps
 * in microseconds.  By-reference results are palloc'd in CurrentMemoryContext.
 */
extern void stbl_column_datums(StblColumn *column, const StblColVec *vec, const uint32_t *rows, size_t first, int n,
							   Datum *values, bool *isnull);

/* From PostgreSQL's epoch to the storage's; for who includes utils/timestamp.h. */
#define STBL_EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define STBL_EPOCH_US (STBL_EPOCH_DAYS * USECS_PER_DAY)

/* A numeric of an unscaled value with scale digits behind the point; palloc'd. */
extern Datum stbl_decimal_datum(__int128 v, int scale);

/* The unscaled value of a decimal in any of its vector kinds; the second throws XX001 where it has more than 64 bits. */
extern __int128 stbl_unscaled(const StblVec *vec, size_t i);
extern int64_t stbl_unscaled_64(const StblVec *vec, size_t i);

#endif							/* STBL_DATUM_H */
