/*
 * Parquet files: schema, footer, writer, reader.  Pure C: bytes in, struct
 * or error out.  Format: apache/parquet-format, parquet.thrift.
 *
 * Files we write: format version 1 pages (DATA_PAGE), RLE levels, values
 * PLAIN, RLE_DICTIONARY, DELTA_BINARY_PACKED or DELTA_LENGTH_BYTE_ARRAY,
 * codec ZSTD or UNCOMPRESSED, both chosen chunk by chunk, a CRC-32 on each
 * page, min/max/null_count statistics (min_value, max_value, with
 * column_orders).  A file in which a chunk has more than one data page has a
 * page index: where each page lies, and the bounds of its values.
 */
#ifndef STBL_PARQUET_H
#define STBL_PARQUET_H

#include "common/error.h"
#include "parquet/vec.h"

typedef enum StblPqType			/* values of parquet.thrift */
{
	STBL_PQ_BOOLEAN = 0,
	STBL_PQ_INT32 = 1,
	STBL_PQ_INT64 = 2,
	STBL_PQ_INT96 = 3,
	STBL_PQ_FLOAT = 4,
	STBL_PQ_DOUBLE = 5,
	STBL_PQ_BYTE_ARRAY = 6,
	STBL_PQ_FIXED = 7
} StblPqType;

typedef enum StblPqRepetition
{
	STBL_PQ_REQUIRED = 0,
	STBL_PQ_OPTIONAL = 1,
	STBL_PQ_REPEATED = 2
} StblPqRepetition;

typedef enum StblPqLogical
{
	STBL_PQL_NONE,
	STBL_PQL_STRING,
	STBL_PQL_MAP,
	STBL_PQL_LIST,
	STBL_PQL_ENUM,
	STBL_PQL_DECIMAL,			/* precision, scale */
	STBL_PQL_DATE,
	STBL_PQL_TIME_MS,
	STBL_PQL_TIME_US,
	STBL_PQL_TIME_NS,
	STBL_PQL_TIMESTAMP_MS,		/* utc tells isAdjustedToUTC */
	STBL_PQL_TIMESTAMP_US,
	STBL_PQL_TIMESTAMP_NS,
	STBL_PQL_INT,				/* bits, is_signed */
	STBL_PQL_JSON,
	STBL_PQL_BSON,
	STBL_PQL_UUID,
	STBL_PQL_OTHER				/* sound but not known: the physical type holds */
} StblPqLogical;

/* One element of the schema, depth first; element 0 is the root. */
typedef struct StblPqNode
{
	const char *name;
	StblPqRepetition repetition;	/* not meaningful for the root */
	int			n_children;		/* 0: a leaf */
	StblPqType	type;			/* leaf */
	int			type_length;	/* FIXED */
	StblPqLogical logical;
	bool		utc;
	bool		is_signed;
	int			bits;
	int			precision;
	int			scale;
	int			field_id;		/* -1: none */

	/* Filled by stbl_pq_schema_finish, and by the reader: */
	int			parent;			/* index, -1 for the root */
	int			leaf;			/* ordinal of a leaf among the leaves, else -1 */
	int			max_def;
	int			max_rep;
} StblPqNode;

typedef struct StblPqSchema
{
	int			n_nodes;
	StblPqNode *nodes;
	int			n_leaves;
	int		   *leaf_nodes;		/* node index of each leaf */
} StblPqSchema;

/* Checks the tree's shape and fills the derived fields; nodes[] given by the caller. */
extern bool stbl_pq_schema_finish(StblMem *mem, StblPqSchema *schema, StblError *err);

/* Smallest FIXED length that holds a decimal of this precision (1 to 38). */
extern int	stbl_pq_decimal_length(int precision);

/* Node index of the leaf or group at a dotted path ("add.path"), or -1. */
extern int	stbl_pq_find(const StblPqSchema *schema, const char *dotted_path);

/* The raw content of one leaf: levels and its non-null values. */
typedef struct StblPqLeafData
{
	size_t		n_levels;
	uint8_t    *def;			/* NULL where max_def is 0 */
	uint8_t    *rep;			/* NULL where max_rep is 0 */
	StblVec		values;			/* dense; every slot valid */
} StblPqLeafData;

/* min and max are in PLAIN encoding; absent where not exact or not ordered (NaN). */
typedef struct StblPqStats
{
	bool		has_null_count;
	int64_t		null_count;
	bool		has_min_max;
	bool		min_exact,
				max_exact;		/* false: truncated, still a bound */
	uint8_t    *min;
	size_t		min_len;
	uint8_t    *max;
	size_t		max_len;
} StblPqStats;

/* ---- writer ---- */

typedef enum StblPqCodec		/* values of parquet.thrift */
{
	STBL_PQ_UNCOMPRESSED = 0,
	STBL_PQ_SNAPPY = 1,
	STBL_PQ_GZIP = 2,
	STBL_PQ_ZSTD = 6,
	STBL_PQ_LZ4_RAW = 7
} StblPqCodec;

/* created_by of superfiles: who reads it may rely on what the writer promises */
#define STBL_PQ_CREATED_BY "pg_supertable"

typedef struct StblPqWriterOptions
{
	StblPqCodec codec;			/* ZSTD or UNCOMPRESSED */
	int			level;			/* zstd */
	size_t		page_bytes;		/* target of an uncompressed page; 0 = 1 MiB */
	const char *created_by;
	bool		plain;			/* PLAIN and dictionary pages alone, all compressed, no page index: for readers that know no more */
	size_t		page_rows;		/* a page ends at each multiple of it, in all columns alike; 0 = 16384 */
} StblPqWriterOptions;

typedef struct StblPqWriter StblPqWriter;

/* The schema must outlive the writer.  Everything lives in mem. */
extern StblPqWriter *stbl_pq_writer_new(StblMem *mem, const StblPqSchema *schema, const StblPqWriterOptions *options);

/*
 * Appends one row group of n_rows to out (the first one with the leading
 * magic).  out may be drained between calls: offsets are counted inside.
 * cols: one a top-level field of a schema whose fields are plain leaves or
 * three-level lists.  A null in a required column is an error.
 */
extern bool stbl_pq_write_columns(StblPqWriter *w, size_t n_rows, const StblColVec *const *cols, StblBuf *out, StblError *err);

/* The same for any schema, from levels; one a leaf. */
extern bool stbl_pq_write_leaves(StblPqWriter *w, size_t n_rows, const StblPqLeafData *leaves, StblBuf *out, StblError *err);

/* Appends footer and closing magic. */
extern bool stbl_pq_writer_finish(StblPqWriter *w, StblBuf *out, StblError *err);
extern uint64_t stbl_pq_writer_offset(const StblPqWriter *w);	/* bytes so far */
extern int64_t stbl_pq_writer_rows(const StblPqWriter *w);

/* Statistics over the whole file so far; borrowed from the writer. */
extern const StblPqStats *stbl_pq_writer_stats(const StblPqWriter *w, int leaf);

/* ---- reader ---- */

/* A stretch of the file's bytes. */
typedef struct StblPqExtent
{
	uint64_t	offset;
	uint64_t	length;
} StblPqExtent;

typedef struct StblPqChunk
{
	StblPqCodec codec;
	uint64_t	offset;			/* first byte of the chunk (dictionary page included) */
	uint64_t	length;			/* bytes of the chunk as stored */
	int64_t		n_values;		/* levels */
	StblPqStats stats;
	StblPqExtent column_index;	/* bounds of its pages; length 0: none */
	StblPqExtent offset_index;	/* where its pages lie; likewise */
} StblPqChunk;

typedef struct StblPqRowGroup
{
	int64_t		n_rows;
	int64_t		first_row;		/* position of its first row in the file */
	StblPqChunk *chunks;		/* one a leaf */
} StblPqRowGroup;

typedef struct StblPqMeta
{
	StblPqSchema schema;
	int64_t		n_rows;
	int			n_row_groups;
	StblPqRowGroup *row_groups;
	const char *created_by;		/* or NULL */
	bool	   *is_ordered;		/* one a leaf: its bounds are in the order of its type; NULL: none is */
} StblPqMeta;

/* Of the last 8 bytes: how long the footer is, these 8 included; checked against the file's size. */
extern bool stbl_pq_footer_length(const uint8_t *last8, uint64_t file_size, uint64_t *footer_len, StblError *err);

/* Parses the last footer_len bytes of a file.  Every offset, length and count is checked against file_size. */
extern StblPqMeta *stbl_pq_parse_footer(StblMem *mem, const uint8_t *footer, size_t footer_len, uint64_t file_size, StblError *err);

/* A data page, as the page index has it. */
typedef struct StblPqPlace
{
	uint64_t	offset;			/* in the file */
	uint64_t	length;			/* header included */
	int64_t		first_row;		/* of its row group */
	int64_t		n_rows;
} StblPqPlace;

/* The data pages of a chunk, ascending: together all of its rows. */
typedef struct StblPqPages
{
	int			n;
	StblPqPlace *places;
	StblPqStats *stats;			/* one a page; NULL: not known */
} StblPqPages;

/*
 * The two parts of a chunk's page index, from the bytes of its extents.  The
 * first gives no pages where they do not add up to the chunk; the second adds
 * statistics to them.
 */
extern bool stbl_pq_parse_offset_index(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
									   const uint8_t *data, size_t len, StblPqPages *out, StblError *err);
extern bool stbl_pq_parse_column_index(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
									   const uint8_t *data, size_t len, StblPqPages *pages, StblError *err);

/* The data pages in the bytes of a chunk, by their headers. */
extern int	stbl_pq_count_pages(const uint8_t *data, size_t len);

/* Decodes the bytes of one chunk (exactly chunk->length of them). out->values is initialised here. */
extern bool stbl_pq_read_leaf(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
							  const uint8_t *data, size_t len, StblPqLeafData *out, StblError *err);

/*
 * Decodes a chunk into a table column: leaf must be a plain top-level field,
 * or the element of a (two- or three-level) list.  out was initialised by
 * the caller with the kind of the leaf's physical type (INT96 comes as I64
 * microseconds) and is reset here.
 */
extern bool stbl_pq_read_column(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
								const uint8_t *data, size_t len, StblColVec *out, StblError *err);

/*
 * Some rows of a chunk: those of the row group in [first_row, first_row +
 * n_rows).  Only what some of its pages hold of them is needed; the others
 * come as nulls, or, of a required column, as zeros.
 */
typedef struct StblPqPart
{
	int64_t		first_row;
	int64_t		n_rows;
	const StblPqPages *pages;
	const uint8_t *const *bytes;	/* one a page, of its length; NULL: not needed */
	const uint8_t *head;		/* of the chunk, what lies before its first data page: a dictionary, if any */
} StblPqPart;

/* As stbl_pq_read_column and stbl_pq_read_coded, for a part of the chunk. */
extern bool stbl_pq_read_column_part(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
									 const StblPqPart *part, StblColVec *out, StblError *err);

/*
 * A chunk as dictionary and codes, for who would look at each distinct value
 * once.  The dictionary is as it was written: entries may be equal to each
 * other, and some may be used by no row.
 */
typedef struct StblPqCoded
{
	StblVec		dict;			/* dense; of the leaf's kind */
	size_t		n_rows;
	uint32_t   *codes;			/* one a row, below dict.n; that of a null is dict.n */
	size_t		n_null;
	uint8_t    *valid;			/* one byte a row; NULL where n_null is 0 */
} StblPqCoded;

/*
 * Decodes a chunk of a plain top-level field in that form, if all its data
 * pages are written so: else *coded is false, out empty, and little time
 * lost; stbl_pq_read_column reads it then.  All of out is of mem.
 */
extern bool stbl_pq_read_coded(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
							   const uint8_t *data, size_t len, StblPqCoded *out, bool *coded, StblError *err);
extern bool stbl_pq_read_coded_part(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf,
									const StblPqPart *part, StblPqCoded *out, bool *coded, StblError *err);
extern void stbl_pq_coded_free(StblMem *mem, StblPqCoded *coded);

/* One value, of the vector kind of its leaf. */
typedef struct StblPqValue
{
	union
	{
		bool		b;
		int32_t		i32;
		int64_t		i64;
		float		f32;
		double		f64;
	}			v;
	const uint8_t *bytes;		/* BYTES, FIXED: borrowed from the footer */
	size_t		len;
} StblPqValue;

/*
 * What a footer says of a chunk's values, or a page index of a page's.  Bounds are given only where they
 * hold in the order of the type: integers, dates, times and decimals as
 * numbers, text and binaries as unsigned bytes (not as a collation has it),
 * false before true.  Min and max of the deprecated kind, of columns whose
 * order is not declared, of unsigned integers and INT96, and those with min
 * above max are as if absent.  The unit of a time is that of the leaf's
 * annotation, a decimal is unscaled.
 */
typedef struct StblPqBounds
{
	StblVecKind kind;
	bool		has_null_count; /* of a list: never */
	int64_t		null_count;
	bool		all_null;
	bool		has_min_max;
	bool		min_exact;		/* a value of the chunk, not just a bound */
	bool		max_exact;
	bool		may_have_nan;	/* beside the bounds, which leave NaN out */
	StblPqValue min;
	StblPqValue max;
} StblPqBounds;

extern void stbl_pq_bounds(const StblPqMeta *meta, int row_group, int leaf, StblPqBounds *out);

/* The same of one page, whose statistics are there. */
extern void stbl_pq_page_bounds(const StblPqMeta *meta, int leaf, const StblPqPages *pages, int page, StblPqBounds *out);

/* The vector kind, and width for FIXED, of a leaf. */
extern StblVecKind stbl_pq_vec_kind(const StblPqNode *leaf, uint32_t *fixed_width);

#endif							/* STBL_PARQUET_H */
