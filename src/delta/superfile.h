/* Reading superfiles: footer and column chunks, from storage or from memory. */
#ifndef STBL_SUPERFILE_H
#define STBL_SUPERFILE_H

#include "delta/snapshot.h"
#include "parquet/parquet.h"

typedef struct StblSuperfile
{
	StblTable  *table;
	char	   *path;
	uint64_t	size;
	const uint8_t *image;		/* the whole file in memory, or NULL */
	StblPqMeta *meta;
} StblSuperfile;

/*
 * Opens a superfile and reads its footer; palloc'd in CurrentMemoryContext.
 * Throws XX001 where a superfile the manifest names is missing or broken.
 */
extern StblSuperfile *stbl_superfile_open(StblTable *table, const char *path, uint64_t size, const uint8_t *image);

/*
 * A column of a row group to read.  All zero at first; vec keeps its memory
 * from one read to the next.
 */
typedef struct StblColumnRead
{
	StblMem    *mem;			/* where vec lives; given by the caller */
	int			leaf;			/* its ordinal */
	bool		want_coded;		/* as dictionary and codes, where it is written so */
	bool		is_coded;		/* it was: coded holds it, in CurrentMemoryContext; else vec does */
	StblColVec	vec;
	StblPqCoded coded;
} StblColumnRead;

/* Reads n columns of a row group; all requests are in flight at once. */
extern void stbl_superfile_read(StblSuperfile *sf, int row_group, int n, StblColumnRead *const *columns);

/* Raises err about a superfile, naming it. */
extern void stbl_superfile_throw(const StblSuperfile *sf, const StblError *err) __attribute__((noreturn));

#endif							/* STBL_SUPERFILE_H */
