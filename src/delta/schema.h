/* A Delta table's schema (metaData.schemaString), and the Parquet schema of its files. */
#ifndef STBL_SCHEMA_H
#define STBL_SCHEMA_H

#include "common/json.h"
#include "parquet/parquet.h"

typedef enum StblTypeKind
{
	STBL_BOOLEAN,
	STBL_BYTE,
	STBL_SHORT,
	STBL_INTEGER,
	STBL_LONG,
	STBL_FLOAT,
	STBL_DOUBLE,
	STBL_DECIMAL,
	STBL_STRING,
	STBL_BINARY,
	STBL_DATE,
	STBL_TIMESTAMP,
	STBL_TIMESTAMP_NTZ,
	STBL_OTHER					/* struct, map, array of arrays, variant: kept, not read */
} StblTypeKind;

/* Key in a field's metadata that names the PostgreSQL type where Delta's string stands for it ("uuid", "varchar(20)"). */
#define STBL_PG_TYPE_KEY "supertable.type"

typedef struct StblField
{
	char	   *name;
	StblTypeKind kind;			/* of the element, for an array */
	int			precision;		/* DECIMAL */
	int			scale;
	bool		nullable;
	bool		is_array;
	bool		contains_null;	/* array */
	char	   *pg_type;		/* or NULL */
	StblJson   *metadata;		/* the whole metadata object, or NULL */
	StblJson   *type;			/* the type as given (kept for OTHER) */
} StblField;

typedef struct StblSchema
{
	int			n_fields;
	StblField  *fields;
} StblSchema;

extern bool stbl_schema_parse(StblMem *mem, const char *text, size_t len, StblSchema *schema, StblError *err);
extern bool stbl_schema_from_json(StblMem *mem, const StblJson *json, StblSchema *schema, StblError *err);
extern bool stbl_field_same_type(const StblField *a, const StblField *b);

/* Columns that a mutation adds to a schema: a struct of at least one, each nullable, of a type we write. */
extern bool stbl_columns_parse(StblMem *mem, const StblJson *json, StblSchema *columns, StblError *err);
extern void stbl_schema_write(StblMem *mem, StblBuf *out, const StblSchema *schema);
extern int	stbl_schema_find(const StblSchema *schema, const char *name);	/* exact name; -1 */

/* Delta's name of a type, "decimal(10,2)", for messages; array types as "array<...>". */
extern void stbl_field_type_name(const StblField *field, char *out, size_t out_size);

/*
 * The Parquet schema our writer uses for it (a field OTHER is an error), and
 * the vector kind of a field.
 */
extern bool stbl_schema_to_parquet(StblMem *mem, const StblSchema *schema, StblPqSchema *pq, StblError *err);
extern StblVecKind stbl_field_vec_kind(const StblField *field, uint32_t *fixed_width);

/*
 * Whether a file's leaf (as its footer says) can be read as this field: on
 * success *leaf is its ordinal, or -1 where the file has no such column (it
 * reads as NULL).  Accepts what other writers may store: decimals as INT32,
 * INT64, FIXED or BYTE_ARRAY, timestamps in ms/us/ns or INT96, two- and
 * three-level lists.
 */
extern bool stbl_schema_match_file(const StblPqSchema *pq, const StblField *field, int *leaf, StblError *err);

/*
 * The JSON text of Delta's per-file statistics (numRecords, minValues,
 * maxValues, nullCount, tightBounds) from the writer's or a footer's
 * statistics.  stats has one entry a leaf of the Parquet schema; entries of
 * list columns are left out; timestamps are cut to milliseconds outward
 * (minimum down, maximum up); strings as they are, but min/max left out where
 * the bytes are not valid UTF-8; floats only where finite.
 */
extern void stbl_stats_write(StblMem *mem, StblBuf *out, const StblSchema *schema, const StblPqSchema *pq,
							 const StblPqStats *const *stats, int64_t n_rows, bool tight_bounds);

/* Merges the statistics of all row groups of a footer for one leaf. */
extern void stbl_stats_of_footer(StblMem *mem, const StblPqMeta *meta, int leaf, StblPqStats *out);

#endif							/* STBL_SCHEMA_H */
