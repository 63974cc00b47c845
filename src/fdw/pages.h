/*
 * Which pages of a row group a scan needs, by the superfile's page index.
 *
 * The bounds of pages narrow a row group that its own bounds leave in
 * question down to stretches of rows; then the rows that pass say which
 * pages of the other columns are needed.  Nothing here is needed for a right
 * answer: where there is no index, or looking at it would not pay, a row
 * group is read as a whole.
 */
#ifndef STBL_PAGES_H
#define STBL_PAGES_H

#include "fdw/source.h"

/* Rows [from, to) of a row group. */
typedef struct StblStretch
{
	uint32		from;
	uint32		to;
} StblStretch;

typedef struct StblGroupPages
{
	StblSource *s;
	StblSuperfile *sf;
	int			row_group;
	bool		is_at_hand;		/* else it is asked for ahead, and errors are not met here */
	const int  *leaves;			/* of the source's columns; -1: the superfile has none */
	StblPqPages *pages;			/* one a column; n = 0: not known */
	bool		is_narrowed;	/* the stretches are not all rows; then pages of all columns are known */
	int			n_stretches;
	StblStretch *stretches;		/* ascending, none empty, none side by side */
} StblGroupPages;

/*
 * Narrows a row group; sets all of *gp, in CurrentMemoryContext.  An index
 * that is not in memory is fetched only for the row group at hand, and if it
 * can be expected to pay.
 */
extern void stbl_pages_narrow(StblGroupPages *gp, StblSource *s, StblSuperfile *sf, int row_group, const int *leaves, bool is_at_hand);

/*
 * Which pages of a column hold rows of the stretches, or rows[0..n) counted
 * from first_row; palloc'd, one a page.  NULL: its pages are not known, or
 * all of them do.
 */
extern bool *stbl_pages_of_stretches(StblGroupPages *gp, int column);
extern bool *stbl_pages_of_rows(StblGroupPages *gp, int column, uint32 first_row, const uint32 *rows, uint32 n);

#endif							/* STBL_PAGES_H */
