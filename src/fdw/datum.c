/*
 * PostgreSQL values as Parquet values, and back.
 *
 * What the format cannot hold is refused, never bent: infinite dates and
 * timestamps, numeric NaN, arrays of more than one dimension.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/int.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/pgmem.h"
#include "fdw/datum.h"

static StblAppend choose_append(Oid type);

/* ---- columns ---- */

static void
unsupported_type(const StblColumn *column, Oid typid, int32 typmod)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" has type %s, which a supertable cannot store",
					column->name, format_type_with_typemod(typid, typmod)),
			 errhint("Supported are boolean, smallint, integer, bigint, real, double precision, numeric(p,s) with p up to 38, text, varchar, char, bytea, date, time, timestamp, timestamptz, uuid, json, jsonb, and one-dimensional arrays of them.")));
}

static void
text_field(StblColumn *column, const char *pg_type)
{
	Oid			fn;
	bool		is_varlena;

	column->field.kind = STBL_STRING;
	column->field.pg_type = pstrdup(pg_type);
	getTypeOutputInfo(column->elemtype, &fn, &is_varlena);
	fmgr_info(fn, &column->out_fn);
	getTypeInputInfo(column->elemtype, &fn, &column->in_ioparam);
	fmgr_info(fn, &column->in_fn);
}

static void
set_field_type(StblColumn *column)
{
	StblField  *field = &column->field;

	switch (column->elemtype)
	{
		case BOOLOID:
			field->kind = STBL_BOOLEAN;
			break;
		case INT2OID:
			field->kind = STBL_SHORT;
			break;
		case INT4OID:
			field->kind = STBL_INTEGER;
			break;
		case INT8OID:
			field->kind = STBL_LONG;
			break;
		case FLOAT4OID:
			field->kind = STBL_FLOAT;
			break;
		case FLOAT8OID:
			field->kind = STBL_DOUBLE;
			break;
		case NUMERICOID:
			if (column->typmod < (int32) VARHDRSZ)
				unsupported_type(column, column->typid, column->typmod);
			field->precision = ((column->typmod - VARHDRSZ) >> 16) & 0xffff;
			field->scale = (((column->typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
			if (field->precision > 38 || field->scale < 0 || field->scale > field->precision)
				unsupported_type(column, column->typid, column->typmod);
			field->kind = STBL_DECIMAL;
			break;
		case TEXTOID:
			field->kind = STBL_STRING;
			break;
		case VARCHAROID:
		case BPCHAROID:
			field->kind = STBL_STRING;
			field->pg_type = format_type_with_typemod(column->elemtype, column->typmod);
			break;
		case BYTEAOID:
			field->kind = STBL_BINARY;
			break;
		case DATEOID:
			field->kind = STBL_DATE;
			break;
		case TIMESTAMPTZOID:
			field->kind = STBL_TIMESTAMP;
			break;
		case TIMESTAMPOID:
			field->kind = STBL_TIMESTAMP_NTZ;
			break;
		case UUIDOID:
			text_field(column, "uuid");
			break;
		case JSONOID:
			text_field(column, "json");
			break;
		case JSONBOID:
			text_field(column, "jsonb");
			break;
		case TIMEOID:
			text_field(column, "time");
			break;
		default:
			unsupported_type(column, column->typid, column->typmod);
	}
}

/* The option column_name, or the column's own name. */
static char *
stored_name(Form_pg_attribute att)
{
	ListCell   *lc;

	foreach(lc, GetForeignColumnOptions(att->attrelid, att->attnum))
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, "column_name") == 0)
			return defGetString(def);
	}
	return pstrdup(NameStr(att->attname));
}

static int
compare_stored_names(const void *a, const void *b)
{
	return strcmp((*(const StblColumn *const *) a)->field.name, (*(const StblColumn *const *) b)->field.name);
}

/* Two columns of a foreign table must not stand for one of the storage. */
static void
check_stored_names(StblColumn *columns, int n)
{
	StblColumn **sorted = palloc(sizeof(StblColumn *) * (n + 1));

	for (int i = 0; i < n; i++)
		sorted[i] = &columns[i];
	qsort(sorted, n, sizeof(StblColumn *), compare_stored_names);
	for (int i = 1; i < n; i++)
		if (strcmp(sorted[i - 1]->field.name, sorted[i]->field.name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("columns \"%s\" and \"%s\" stand for the same stored column", sorted[i - 1]->name, sorted[i]->name),
					 errhint("Set or drop their option \"column_name\".")));
	pfree(sorted);
}

static void
init_column(StblColumn *column, Form_pg_attribute att)
{
	int32		typmod = att->atttypmod;
	char	   *stored;

	column->attnum = att->attnum;
	column->name = pstrdup(NameStr(att->attname));
	column->typid = getBaseTypeAndTypmod(att->atttypid, &typmod);
	column->typmod = typmod;
	column->not_null = att->attnotnull;
	column->elemtype = column->typid;
	if (type_is_array(column->typid))
	{
		column->is_array = true;
		column->elemtype = get_base_element_type(column->typid);
		column->elemtype = getBaseTypeAndTypmod(column->elemtype, &typmod);
	}
	get_typlenbyvalalign(column->elemtype, &column->elemlen, &column->elembyval, &column->elemalign);
	stored = stored_name(att);
	column->field.name = pg_server_to_any(stored, strlen(stored), PG_UTF8);
	column->field.nullable = !att->attnotnull;
	column->field.is_array = column->is_array;
	column->field.contains_null = column->is_array;
	set_field_type(column);
	column->append = choose_append(column->elemtype);
	if (column->is_array && column->field.pg_type != NULL)
		column->field.pg_type = psprintf("%s[]", column->field.pg_type);
}

StblColumn *
stbl_columns(TupleDesc desc, int *n_columns)
{
	StblColumn *columns = palloc0(sizeof(StblColumn) * (desc->natts + 1));
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			init_column(&columns[n++], TupleDescAttr(desc, i));
	check_stored_names(columns, n);
	*n_columns = n;
	return columns;
}

void
stbl_column_match(const StblColumn *column, const StblField *stored, const char *root, bool for_write)
{
	const StblField *f = &column->field;
	bool		fits = f->kind == stored->kind;
	char		ours[64],
				theirs[64];

	if (f->kind == STBL_DECIMAL && fits)
		fits = f->precision == stored->precision && f->scale == stored->scale;
	if (!for_write)
		fits = fits ||
			(f->kind == STBL_SHORT && stored->kind == STBL_BYTE) ||
			(f->kind == STBL_INTEGER && (stored->kind == STBL_SHORT || stored->kind == STBL_BYTE)) ||
			(f->kind == STBL_LONG && (stored->kind == STBL_INTEGER || stored->kind == STBL_SHORT || stored->kind == STBL_BYTE)) ||
			(f->kind == STBL_DOUBLE && stored->kind == STBL_FLOAT);
	if (fits && f->is_array == stored->is_array)
		return;
	stbl_field_type_name(f, ours, sizeof(ours));
	stbl_field_type_name(stored, theirs, sizeof(theirs));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INCONSISTENT_DESCRIPTOR_INFORMATION),
			 errmsg("column \"%s\" does not match the stored schema of table \"%s\"", column->name, root),
			 errdetail("The foreign table's %s is stored as %s; the storage has %s.",
					   format_type_with_typemod(column->typid, column->typmod), ours, theirs),
			 errhint("Declare the foreign table with the stored columns and types.")));
}

/* ---- writing ---- */

typedef struct Decimal
{
	unsigned __int128 magnitude;
	bool		negative;
} Decimal;

/* The unscaled value of a numeric at the column's scale. */
static Decimal
decimal_from_numeric(const StblColumn *column, Datum value)
{
	Decimal		d = {0, false};
	Numeric		num = DatumGetNumeric(value);
	char	   *text;
	int			n_frac = -1;
	int			n_digits = 0;

	if (numeric_is_nan(num) || numeric_is_inf(num))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column \"%s\" cannot store %s", column->name, numeric_is_nan(num) ? "NaN" : "infinity"),
				 errdetail("The storage format's decimal type has finite values only.")));
	text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
	for (const char *p = text; *p; p++)
	{
		if (*p == '-')
			d.negative = true;
		else if (*p == '.')
			n_frac = 0;
		else if (n_frac < column->field.scale)
		{
			d.magnitude = d.magnitude * 10 + (*p - '0');
			if (d.magnitude != 0)
				n_digits++;
			if (n_frac >= 0)
				n_frac++;
		}
		else if (*p != '0')
			n_digits = 100;
		if (n_digits > 38)
			break;
	}
	for (int i = Max(n_frac, 0); i < column->field.scale && n_digits <= 38; i++)
	{
		d.magnitude *= 10;
		if (d.magnitude != 0)
			n_digits++;
	}
	if (n_digits > column->field.precision)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value %s does not fit column \"%s\"", text, column->name),
				 errdetail("The column is stored as decimal(%d,%d).", column->field.precision, column->field.scale)));
	pfree(text);
	return d;
}

static void
append_decimal(StblColumn *column, StblVec *vec, Datum value)
{
	Decimal		d = decimal_from_numeric(column, value);
	__int128	v = d.negative ? -(__int128) d.magnitude : (__int128) d.magnitude;

	if (vec->kind == STBL_VEC_I32)
	{
		int32		v32 = (int32) v;

		stbl_vec_put4(vec, &v32);
	}
	else if (vec->kind == STBL_VEC_I64)
	{
		int64		v64 = (int64) v;

		stbl_vec_put8(vec, &v64);
	}
	else
	{
		uint8		be[16];

		for (int i = 15; i >= 0; i--, v >>= 8)
			be[i] = (uint8) v;
		stbl_vec_fixed(vec, be + 16 - vec->width);
	}
}

static void
append_text(StblVec *vec, const char *data, int len)
{
	char	   *utf8 = pg_server_to_any(data, len, PG_UTF8);

	if (utf8 != data)
	{
		stbl_vec_bytes(vec, utf8, strlen(utf8));
		pfree(utf8);
	}
	else
		stbl_vec_bytes(vec, data, len);
}

static void
out_of_range(const StblColumn *column, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("column \"%s\" cannot store %s", column->name, what),
			 errdetail("The storage format has finite dates and times only, up to the year 294246.")));
}

/* The bytes of a varlena as they are: binaries, and text of a server whose encoding is UTF-8. */
static void
append_bytes(StblColumn *column, StblVec *vec, Datum value)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(v) || VARATT_IS_COMPRESSED(v))
	{
		v = pg_detoast_datum_packed(v);
		stbl_vec_bytes(vec, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
		pfree(v);
	}
	else
		stbl_vec_bytes(vec, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
}

static void
append_converted(StblColumn *column, StblVec *vec, Datum value)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(value);

	append_text(vec, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
}

static void
append_output(StblColumn *column, StblVec *vec, Datum value)
{
	char	   *text = OutputFunctionCall(&column->out_fn, value);

	append_text(vec, text, strlen(text));
	pfree(text);
}

static void
append_bool(StblColumn *column, StblVec *vec, Datum value)
{
	uint8		b = DatumGetBool(value);

	stbl_vec_fixed(vec, &b);
}

static void
append_int2(StblColumn *column, StblVec *vec, Datum value)
{
	int32		i = DatumGetInt16(value);

	stbl_vec_put4(vec, &i);
}

static void
append_int4(StblColumn *column, StblVec *vec, Datum value)
{
	int32		i = DatumGetInt32(value);

	stbl_vec_put4(vec, &i);
}

static void
append_int8(StblColumn *column, StblVec *vec, Datum value)
{
	int64		i = DatumGetInt64(value);

	stbl_vec_put8(vec, &i);
}

static void
append_float4(StblColumn *column, StblVec *vec, Datum value)
{
	float4		f = DatumGetFloat4(value);

	stbl_vec_put4(vec, &f);
}

static void
append_float8(StblColumn *column, StblVec *vec, Datum value)
{
	float8		f = DatumGetFloat8(value);

	stbl_vec_put8(vec, &f);
}

static void
append_date(StblColumn *column, StblVec *vec, Datum value)
{
	DateADT		d = DatumGetDateADT(value);
	int32		days;

	if (DATE_NOT_FINITE(d))
		out_of_range(column, "an infinite date");
	days = d + STBL_EPOCH_DAYS;
	stbl_vec_put4(vec, &days);
}

static void
append_timestamp(StblColumn *column, StblVec *vec, Datum value)
{
	Timestamp	t = DatumGetTimestamp(value);
	int64		us;

	if (TIMESTAMP_NOT_FINITE(t))
		out_of_range(column, "an infinite timestamp");
	if (t > PG_INT64_MAX - STBL_EPOCH_US)
		out_of_range(column, "a timestamp so far in the future");
	us = t + STBL_EPOCH_US;
	stbl_vec_put8(vec, &us);
}

static StblAppend
choose_append(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return append_bool;
		case INT2OID:
			return append_int2;
		case INT4OID:
			return append_int4;
		case INT8OID:
			return append_int8;
		case FLOAT4OID:
			return append_float4;
		case FLOAT8OID:
			return append_float8;
		case NUMERICOID:
			return append_decimal;
		case DATEOID:
			return append_date;
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
			return append_timestamp;
		case BYTEAOID:
			return append_bytes;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return GetDatabaseEncoding() == PG_UTF8 ? append_bytes : append_converted;
		default:
			return append_output;
	}
}

void
stbl_column_append_array(StblColumn *column, StblColVec *vec, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("column \"%s\" cannot store an array of %d dimensions", column->name, ARR_NDIM(array)),
				 errdetail("The storage format's arrays have one dimension.")));
	if (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("column \"%s\" cannot store an array that begins at subscript %d", column->name, ARR_LBOUND(array)[0]),
				 errdetail("The storage format's arrays begin at 1.")));
	deconstruct_array(array, column->elemtype, column->elemlen, column->elembyval, column->elemalign,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			stbl_vec_null(&vec->elem);
		else
			column->append(column, &vec->elem, values[i]);
	}
	stbl_colvec_end_row(vec);
	pfree(values);
	pfree(nulls);
}

/* ---- reading ---- */

Datum
stbl_decimal_datum(__int128 v, int scale)
{
	char		digits[64];
	char		text[80];
	unsigned __int128 m = v < 0 ? -(unsigned __int128) v : (unsigned __int128) v;
	int			n = 0;
	int			out = 0;

	if (v >= PG_INT64_MIN && v <= PG_INT64_MAX && scale <= 18)
		return NumericGetDatum(int64_div_fast_to_numeric((int64) v, scale));
	do
	{
		digits[n++] = '0' + (int) (m % 10);
		m /= 10;
	} while (m != 0 || n <= scale);
	if (v < 0)
		text[out++] = '-';
	while (n > 0)
	{
		if (n == scale)
			text[out++] = '.';
		text[out++] = digits[--n];
	}
	text[out] = '\0';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static int64
integer_at(const StblVec *vec, size_t i)
{
	if (vec->kind == STBL_VEC_I32)
		return ((const int32 *) vec->values)[i];
	return ((const int64 *) vec->values)[i];
}

__int128
stbl_unscaled(const StblVec *vec, size_t i)
{
	const uint8 *p;
	size_t		len;
	__int128	v;

	if (vec->kind == STBL_VEC_I32 || vec->kind == STBL_VEC_I64)
		return integer_at(vec, i);
	if (vec->kind == STBL_VEC_BYTES)
	{
		p = vec->bytes + vec->offsets[i];
		len = vec->offsets[i + 1] - vec->offsets[i];
	}
	else
	{
		p = vec->values + i * vec->width;
		len = vec->width;
	}
	v = len > 0 && (p[0] & 0x80) ? -1 : 0;

	/* more bytes than the longest decimal needs may only repeat its sign */
	for (; len > sizeof(v); len--, p++)
		if (*p != (uint8) v || ((p[1] ^ *p) & 0x80))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a stored decimal has more digits than its type")));
	while (len-- > 0)
		v = (__int128) (((unsigned __int128) v << 8) | *p++);
	return v;
}

int64
stbl_unscaled_64(const StblVec *vec, size_t i)
{
	__int128	v = stbl_unscaled(vec, i);

	if (v < PG_INT64_MIN || v > PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a stored decimal has more digits than its type")));
	return (int64) v;
}

static Datum
varlena_datum(const char *data, size_t len)
{
	struct varlena *v;

	if (len > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a stored value of %zu bytes is too long", len)));
	v = palloc(len + VARHDRSZ);
	SET_VARSIZE(v, len + VARHDRSZ);
	memcpy(VARDATA(v), data, len);
	return PointerGetDatum(v);
}

static Datum
string_datum(StblColumn *column, const StblVec *vec, size_t i)
{
	char	   *data = (char *) vec->bytes + vec->offsets[i];
	size_t		len = vec->offsets[i + 1] - vec->offsets[i];
	char	   *server;

	if (column->field.kind == STBL_BINARY)
		return varlena_datum(data, len);
	if (len > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a stored value of %zu bytes is too long", len)));
	server = pg_any_to_server(data, len, PG_UTF8);
	if (server != data)
	{
		data = server;
		len = strlen(server);
	}
	switch (column->elemtype)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return varlena_datum(data, len);
		default:
			return InputFunctionCall(&column->in_fn, pnstrdup(data, len), column->in_ioparam, -1);
	}
}

static Datum
timestamp_datum(int64 us)
{
	if (us < MIN_TIMESTAMP + STBL_EPOCH_US)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return TimestampGetDatum(us - STBL_EPOCH_US);
}

static Datum
date_datum(int64 days)
{
	if (days - STBL_EPOCH_DAYS < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
		days - STBL_EPOCH_DAYS >= DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("date out of range")));
	return DateADTGetDatum((DateADT) (days - STBL_EPOCH_DAYS));
}

static Datum
float_datum(StblColumn *column, const StblVec *vec, size_t i)
{
	float8		d = vec->kind == STBL_VEC_F32 ? ((const float4 *) vec->values)[i] : ((const float8 *) vec->values)[i];

	return column->elemtype == FLOAT4OID ? Float4GetDatum((float4) d) : Float8GetDatum(d);
}

static Datum
value_datum(StblColumn *column, const StblVec *vec, size_t i)
{
	switch (column->elemtype)
	{
		case BOOLOID:
			return BoolGetDatum(vec->values[i] != 0);
		case INT2OID:
			return Int16GetDatum((int16) integer_at(vec, i));
		case INT4OID:
			return Int32GetDatum((int32) integer_at(vec, i));
		case INT8OID:
			return Int64GetDatum(integer_at(vec, i));
		case FLOAT4OID:
		case FLOAT8OID:
			return float_datum(column, vec, i);
		case NUMERICOID:
			return stbl_decimal_datum(stbl_unscaled(vec, i), column->field.scale);
		case DATEOID:
			return date_datum(integer_at(vec, i));
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
			return timestamp_datum(integer_at(vec, i));
		default:
			return string_datum(column, vec, i);
	}
}

static Datum
array_datum(StblColumn *column, const StblColVec *vec, size_t row)
{
	size_t		first = vec->row_offsets[row];
	size_t		n = vec->row_offsets[row + 1] - first;
	Datum	   *values;
	bool	   *nulls;
	int			lbound = 1;
	int			dim;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(column->elemtype));
	if (n > MaxArraySize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a stored array of %zu elements is too long", n)));
	values = palloc(sizeof(Datum) * n);
	nulls = palloc(sizeof(bool) * n);
	for (size_t i = 0; i < n; i++)
	{
		nulls[i] = !vec->elem.valid[first + i];
		values[i] = nulls[i] ? (Datum) 0 : value_datum(column, &vec->elem, first + i);
	}
	dim = (int) n;
	return PointerGetDatum(construct_md_array(values, nulls, 1, &dim, &lbound, column->elemtype,
											  column->elemlen, column->elembyval, column->elemalign));
}

/* Row i of those asked for. */
#define ROW(i) (rows ? rows[i] : first + (i))

/* Text of a server whose encoding is the storage's, laid out in one piece of memory. */
static void
text_datums(const StblVec *vec, const uint32_t *rows, size_t first, int n, Datum *values, const bool *isnull)
{
	Size		size = 0;
	char	   *p;

	for (int i = 0; i < n; i++)
	{
		size_t		r = ROW(i);
		size_t		len = vec->offsets[r + 1] - vec->offsets[r];

		if (len > MaxAllocSize - VARHDRSZ)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("a stored value of %zu bytes is too long", len)));
		size += INTALIGN(len + VARHDRSZ);
	}
	p = MemoryContextAllocHuge(CurrentMemoryContext, size + 1);
	for (int i = 0; i < n; i++)
	{
		size_t		r = ROW(i);
		size_t		len = vec->offsets[r + 1] - vec->offsets[r];

		if (isnull[i])
			continue;
		SET_VARSIZE(p, len + VARHDRSZ);
		memcpy(VARDATA(p), vec->bytes + vec->offsets[r], len);
		values[i] = PointerGetDatum(p);
		p += INTALIGN(len + VARHDRSZ);
	}
}

static bool
is_plain_text(const StblColumn *column)
{
	switch (column->elemtype)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return GetDatabaseEncoding() == PG_UTF8;
		case BYTEAOID:
			return true;
		default:
			return false;
	}
}

/* One loop for rows in order, one for those picked. */
#define EACH(type, expression) do { \
	const type *v = (const type *) vec->values; \
	if (rows == NULL) \
		for (int i = 0; i < n; i++) \
		{ \
			type x = v[first + i]; \
			values[i] = (expression); \
		} \
	else \
		for (int i = 0; i < n; i++) \
		{ \
			type x = v[rows[i]]; \
			values[i] = (expression); \
		} \
} while (0)

/*
 * Numbers whose Datums need no more than a shift of the epoch, which is most
 * of them.  False where a value has to be looked at by itself.
 */
static bool
number_datums(const StblColumn *column, const StblVec *vec, const uint32_t *rows, size_t first, int n, Datum *values)
{
	bool		odd = false;

	if (column->elemtype == INT8OID && vec->kind == STBL_VEC_I64)
		EACH(int64, Int64GetDatum(x));
	else if (column->elemtype == INT4OID && vec->kind == STBL_VEC_I32)
		EACH(int32, Int32GetDatum(x));
	else if (column->elemtype == INT2OID && vec->kind == STBL_VEC_I32)
		EACH(int32, Int16GetDatum((int16) x));
	else if (column->elemtype == FLOAT8OID && vec->kind == STBL_VEC_F64)
		EACH(float8, Float8GetDatum(x));
	else if (column->elemtype == BOOLOID && vec->kind == STBL_VEC_BOOL)
		EACH(uint8, BoolGetDatum(x != 0));
	else if ((column->elemtype == TIMESTAMPTZOID || column->elemtype == TIMESTAMPOID) && vec->kind == STBL_VEC_I64)
		EACH(int64, (odd |= x < MIN_TIMESTAMP + STBL_EPOCH_US, TimestampGetDatum(x - STBL_EPOCH_US)));
	else
		return false;
	return !odd;
}

void
stbl_column_datums(StblColumn *column, const StblColVec *vec, const uint32_t *rows, size_t first, int n,
				   Datum *values, bool *isnull)
{
	const StblVec *elem = &vec->elem;

	if (column->is_array)
	{
		for (int i = 0; i < n; i++)
		{
			size_t		r = ROW(i);

			isnull[i] = !vec->row_valid[r];
			values[i] = isnull[i] ? (Datum) 0 : array_datum(column, vec, r);
		}
		return;
	}
	if (elem->n_null == 0)
		memset(isnull, false, n);
	else
		for (int i = 0; i < n; i++)
			isnull[i] = !elem->valid[ROW(i)];
	if (number_datums(column, elem, rows, first, n, values))
		return;
	if (is_plain_text(column))
		text_datums(elem, rows, first, n, values, isnull);
	else
		for (int i = 0; i < n; i++)
			values[i] = isnull[i] ? (Datum) 0 : value_datum(column, elem, ROW(i));
}
