/*
 * Reading superfiles: footer and byte ranges, from storage or from memory.
 *
 * A superfile is begun (its footer asked for), finished (the footer read),
 * and then read in two steps as well: want() asks for ranges, bytes() waits
 * for one.  What nobody has wanted before is fetched by bytes().
 */
#ifndef STBL_SUPERFILE_H
#define STBL_SUPERFILE_H

#include "delta/snapshot.h"
#include "parquet/parquet.h"
#include "store/fetch.h"

struct StblWant;

typedef struct StblSuperfile
{
	StblTable  *table;
	char	   *path;
	uint64_t	size;
	const uint8_t *image;		/* the whole file in memory, or NULL */
	StblPqMeta *meta;			/* NULL: not finished yet */

	/* private to superfile.c */
	struct MemoryContextData *cxt;
	char	   *key;
	StblFetch  *tail;			/* the footer, and what came with it */
	uint64_t	tail_offset;
	struct StblWant *wants;
} StblSuperfile;

/*
 * Begins a superfile: asks for its footer, or for all of it where it has at
 * most `whole` bytes.  It lives in a context under CurrentMemoryContext.
 */
extern StblSuperfile *stbl_superfile_begin(StblTable *table, const char *path, uint64_t size, const uint8_t *image,
										   uint64_t whole);

/* Reads the footer.  Throws XX001 where a superfile the manifest names is missing or broken. */
extern void stbl_superfile_finish(StblSuperfile *sf);

/* The same if it has come already; false where it has not, or is not sound: finish then tells why. */
extern bool stbl_superfile_try_finish(StblSuperfile *sf);

/* Begins and finishes. */
extern StblSuperfile *stbl_superfile_open(StblTable *table, const char *path, uint64_t size, const uint8_t *image);

/* Frees it, and takes back what is in flight. */
extern void stbl_superfile_close(StblSuperfile *sf);

/*
 * Asks for ranges that will be wanted of a row group, those left out that
 * have been asked for.  They are in memory, or on the way, until released.
 */
extern void stbl_superfile_want(StblSuperfile *sf, int row_group, const StblRange *ranges, int n);

/* The bytes of a range, waiting for them; valid until its row group, or any, is released. */
extern const uint8_t *stbl_superfile_bytes(StblSuperfile *sf, uint64_t offset, uint64_t length);

/*
 * Frees what was asked for of row groups before this one, and what bytes()
 * has fetched unasked.  False if some was never read.
 */
extern bool stbl_superfile_release(StblSuperfile *sf, int row_group);

/* The bytes of a range if they came with the footer; else NULL. */
extern const uint8_t *stbl_superfile_peek(StblSuperfile *sf, uint64_t offset, uint64_t length);

/* Whether a range is in memory or on the way. */
extern bool stbl_superfile_is_wanted(const StblSuperfile *sf, uint64_t offset, uint64_t length);

/* Bytes in memory or on the way, but for those of one row group (-1: all). */
extern uint64_t stbl_superfile_held(const StblSuperfile *sf, int but_for);

/* Where a column of a row group lies. */
extern StblRange stbl_superfile_chunk(const StblSuperfile *sf, int row_group, int leaf);

/* Where some of its pages lie, and what comes before its first: at most pages->n + 1 ranges, those side by side as one. */
extern int	stbl_superfile_page_ranges(const StblSuperfile *sf, int row_group, int leaf, const StblPqPages *pages,
									   const bool *is_needed, StblRange *ranges);

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

	/*
	 * A part of its chunk: rows [first_row, first_row + n_rows) of the row
	 * group, of which what the pages marked in is_needed hold is read, and
	 * the rest is empty.  pages NULL: all of the chunk.
	 */
	const StblPqPages *pages;
	const bool *is_needed;		/* one a page */
	int64_t		first_row;
	int64_t		n_rows;
	int			n_pages_read;	/* set by the read */
	int			n_pages_skipped;
} StblColumnRead;

/* Reads n columns of a row group; all requests are in flight at once. */
extern void stbl_superfile_read(StblSuperfile *sf, int row_group, int n, StblColumnRead *const *columns);

/* Makes what others write in another form than ours ours: times in microseconds, binaries of a fixed length as of any. */
extern void stbl_superfile_to_our_form(const StblSuperfile *sf, int leaf, StblTypeKind kind, StblVec *vec);

/* Raises err about a superfile, naming it. */
extern void stbl_superfile_throw(const StblSuperfile *sf, const StblError *err) __attribute__((noreturn));

#endif							/* STBL_SUPERFILE_H */
