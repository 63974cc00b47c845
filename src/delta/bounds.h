/*
 * What statistics say of one column's values in a superfile or a row group:
 * enough to pass over one that cannot hold what is looked for.
 *
 * Every bound is a bound whatever wrote it: what cannot be taken so (an
 * unknown order, a NaN, a maximum that its writer may have cut) is left out
 * or widened.
 */
#ifndef STBL_BOUNDS_H
#define STBL_BOUNDS_H

#include "delta/schema.h"

typedef enum StblBoundKind
{
	STBL_BOUND_NONE,			/* the type has no bounds */
	STBL_BOUND_INT,				/* integers, booleans, days, microseconds since the Unix epoch, unscaled decimals */
	STBL_BOUND_REAL,
	STBL_BOUND_BYTES			/* in the order of bytes */
} StblBoundKind;

typedef struct StblBound
{
	int64_t		i;
	double		d;
	const uint8_t *bytes;		/* borrowed from the statistics */
	size_t		len;
} StblBound;

typedef struct StblBounds
{
	StblBoundKind kind;
	int64_t		n_rows;			/* -1: not known */
	int64_t		n_null;			/* -1: not known */
	bool		has_min,
				has_max;
	bool		is_exact;		/* min and max are there and occur among the values */
	bool		no_nan;			/* REAL: certainly no NaN */
	StblBound	min,
				max;
} StblBounds;

/* The kind a field's bounds are of; NONE for arrays too. */
extern StblBoundKind stbl_bound_kind(const StblField *field);

/* From a row group's footer entry.  leaf is that of the field; -1 (no such column) is all nulls. */
extern void stbl_bounds_of_chunk(const StblPqMeta *meta, int row_group, int leaf, const StblField *field, StblBounds *out);

/* From a page index: of a page whose statistics are there. */
extern void stbl_bounds_of_page(const StblPqMeta *meta, int leaf, const StblPqPages *pages, int page, const StblField *field, StblBounds *out);

/* From the statistics of an add action; stats may be NULL. */
extern void stbl_bounds_of_stats(const StblJson *stats, const StblField *field, StblBounds *out);

/*
 * A decimal's text as an integer count of 10^-scale.  floor rounds down, else
 * up; *exact says whether it had to.  False where it is no number, or beyond
 * 64 bits.
 */
extern bool stbl_decimal_parse(const char *text, int scale, bool floor, int64_t *value, bool *exact);

#endif							/* STBL_BOUNDS_H */
