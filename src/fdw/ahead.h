/*
 * What a scan asks storage for before it needs it.
 *
 * Where a request costs a round trip, the footers of the next superfiles and
 * the columns of the next row groups are on their way while one is decoded.
 * It is a guess only: what is read, and in which order, is the source's to
 * say, and whatever goes wrong here is met again, and told, when the source
 * gets there, if it does.
 *
 * How far ahead: a little at first, for the statement may want no more (a
 * LIMIT, a cursor); twice as far each time what was asked for has been used,
 * up to a bound of memory; back to a little when it was not.
 */
#ifndef STBL_AHEAD_H
#define STBL_AHEAD_H

#include "fdw/source.h"

/* Sets s->ahead where the table's storage is not of this machine. */
extern void stbl_ahead_begin(StblSource *s);

/* The superfile, begun; those after it are asked for too.  Closed when a later one is opened. */
extern StblSuperfile *stbl_ahead_open(StblSource *s, StblFile *f);

/* The vector of a superfile, where it was asked for and is not the leader's to load; else NULL. */
extern StblFetch *stbl_ahead_vector(const StblSource *s, const StblFile *f);

/* Columns of the row group at hand are about to be loaded: they and those of the next are asked for. */
extern void stbl_ahead_load(StblSource *s);

/* Whether rows of the row group at hand have passed the filter. */
extern void stbl_ahead_note(StblSource *s, bool passed);

/* The next row group of a parallel scan that is nobody's: one that was taken in advance, or a new one. */
extern void stbl_ahead_claim(StblSource *s, uint32 *file, uint32 *group);

/* Forgets what was asked for; the source begins anew. */
extern void stbl_ahead_reset(StblSource *s);

#endif							/* STBL_AHEAD_H */
