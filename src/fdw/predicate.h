/*
 * A test of one column against a constant, compiled so that a loop over a
 * vector decides it, and so that bounds can rule it out.
 */
#ifndef STBL_PREDICATE_H
#define STBL_PREDICATE_H

#include "delta/bounds.h"
#include "fdw/datum.h"

typedef enum StblTest
{
	STBL_TEST_EQ,
	STBL_TEST_NE,
	STBL_TEST_LT,
	STBL_TEST_LE,
	STBL_TEST_GT,
	STBL_TEST_GE,
	STBL_TEST_ANY,				/* = ANY (array) */
	STBL_TEST_NONE,				/* <> ALL (array) */
	STBL_TEST_PREFIX,			/* begins with */
	STBL_TEST_NULL,
	STBL_TEST_NOT_NULL
} StblTest;

typedef struct StblBytes
{
	const uint8_t *data;
	size_t		len;
} StblBytes;

typedef struct StblPredicate
{
	StblTest	test;			/* of reals and bytes; ANY and NONE of all kinds */
	StblBoundKind kind;
	bool		nothing;		/* no row passes */
	bool		everything;		/* each row passes, nulls too */
	bool		outside;		/* INT: passes outside of [lo, hi] */
	bool		trim;			/* BYTES: trailing blanks do not count */
	int64_t		lo;
	int64_t		hi;
	double		real;
	StblBytes	bytes;
	int			n_set;			/* ANY, NONE: in ascending order */
	int64_t    *ints;
	double	   *reals;
	StblBytes  *strings;
} StblPredicate;

/*
 * Compiles a test of a column; value is of type typid, an array of it for ANY
 * and NONE.  What the predicate keeps is palloc'd in CurrentMemoryContext;
 * strings are borrowed from value.
 */
extern void stbl_predicate_compile(StblPredicate *p, const StblColumn *column, StblTest test, Oid typid,
								   Datum value, bool isnull);

/* Whether a test of a column against a value of this type can be compiled at all. */
extern bool stbl_predicate_can(const StblColumn *column, StblTest test, Oid typid);

/*
 * Of the rows in[0..n), or 0..n-1 where in is NULL, writes those that pass to
 * out (which may be in) and returns their number.
 */
extern uint32_t stbl_predicate_select(const StblPredicate *p, const StblVec *vec, const uint32_t *in, uint32_t n, uint32_t *out);

/* False where the bounds show that no row passes. */
extern bool stbl_predicate_may_pass(const StblPredicate *p, const StblBounds *b);

/* True where the bounds show that each row passes. */
extern bool stbl_predicate_must_pass(const StblPredicate *p, const StblBounds *b);

#endif							/* STBL_PREDICATE_H */
