/*
 * The rows a statement sees of a supertable, as blocks of column vectors with
 * the positions that pass its filter: the live superfiles of the statement's
 * snapshot, a row group at a time, then the rows of the transaction's own
 * record.
 *
 * What the statement sees is settled at its beginning: the snapshot, and of
 * the transaction's own changes those with a lower command id.  So a scan
 * never meets what its own statement writes.
 *
 * Superfiles, row groups and pages are passed over where statistics show that
 * none of their rows passes; the columns a filter tests are read first, the
 * others only where some row passed.  So the vectors of a block have values
 * only for the rows that are selected.
 */
#ifndef STBL_SOURCE_H
#define STBL_SOURCE_H

#include "delta/superfile.h"
#include "fdw/filter.h"
#include "txn/txn.h"

typedef struct StblSourceColumn
{
	StblColumn *column;
	const StblField *field;		/* as stored; the column's own where storage lacks it */
	bool		is_tested;		/* by the filter */
	bool		is_wanted;		/* by the caller */
	bool		takes_codes;	/* the caller can do with dictionary and codes */

	/* of the block at hand; both NULL: reads as NULL */
	const StblColVec *data;
	const StblPqCoded *coded;

	/* private to source.c */
	StblColumnRead read;		/* leaf -1: the superfile at hand has none */
} StblSourceColumn;

typedef struct StblSource
{
	/* the block at hand */
	uint32		file_no;
	uint32		first_position; /* of its row 0 in the superfile */
	uint32		n_rows;
	uint32		n_selected;
	const uint32 *selected;		/* ascending rows of the block; NULL: 0 .. n_selected - 1 */
	StblSuperfile *sf;			/* the superfile it is from; NULL: rows in memory */
	int			row_group;
	bool		all_pass;		/* known before anything was read: each row is live and passes */

	StblTable  *table;			/* &reads */
	StblTable	reads;
	StblSnapshot *snapshot;
	int			n_columns;
	StblSourceColumn *columns;

	/* counted since the beginning */
	int64		n_superfiles_read;
	int64		n_superfiles_skipped;
	int64		n_row_groups_read;
	int64		n_row_groups_skipped;
	int64		n_pages_read;
	int64		n_pages_skipped;	/* of columns of which others were read, or whose row group was passed over by them */
	int64		n_rows_removed;		/* by the filter, of what was read */
	int64		n_requests;		/* to storage; set by count_requests */
	int64		n_bytes_read;
	int64		n_cache_hits;
	bool		is_counted;		/* all of these have the sums of all processes */
	StblStoreCounters before;

	/* private to source.c and shared.c */
	Relation	rel;
	Bitmapset  *wanted;
	struct StblAhead *ahead;	/* what is asked for in advance (ahead.h), or NULL */
	struct StblShared *shared;	/* the part that parallel processes share, or NULL */
	uint32		n_shared;
	StblFile  **shared_files;
	int64		at_shared;		/* which of them is at hand, -1: none */
	StblTxnTable *tt;
	CommandId	curcid;
	int64		truncated;		/* superfiles that were live in this version are gone; -1: none */
	int			n_all;
	StblColumn *all_columns;
	List	   *descriptions;
	List	   *expr_states;
	ExprContext *econtext;
	StblFilter *filter;
	bool		is_compiled;
	StblFile   *next_file;
	int			n_parts;
	int			next_part;
	StblOwnPart *parts;
	StblBatch  *batch;
	struct roaring_bitmap_s *hidden;
	StblFile   *considered;		/* the superfile whose statistics are looked at */
	StblJson   *stats;			/* these, if they had to be parsed */
	int			next_group;
	int		   *leaves;			/* one a column: its leaf in the superfile at hand */
	struct StblGroupPages *pages;	/* of the row group at hand (pages.h) */
	uint32		first_row;		/* of the block in its row group */
	int64		n_index_tries;	/* page indexes looked at, and of these those that narrowed a row group */
	int64		n_index_uses;
	uint32	   *rows;			/* what selected points to; kept from block to block */
	uint32		rows_cap;
	StblMem    *mem;			/* on cxt */
	MemoryContext cxt;
	MemoryContext filter_cxt;
	MemoryContext file_cxt;
	MemoryContext group_cxt;
} StblSource;

/*
 * Begins to read a relation for a statement.  wanted: the columns to load;
 * descriptions, expr_states: the filter (see filter.h).  Lives in the
 * statement's memory.  will_write: the statement changes the rows it finds.
 */
extern StblSource *stbl_source_begin(Relation rel, Oid userid, EState *estate, Bitmapset *wanted,
									 List *descriptions, List *expr_states, ExprContext *econtext, bool will_write);

/*
 * The two halves of begin, for a parallel worker: it gets its snapshot from
 * the leader, as a list of superfiles and a schema.
 */
extern StblSource *stbl_source_new(Relation rel, Oid userid, EState *estate, Bitmapset *wanted,
								   List *descriptions, List *expr_states, ExprContext *econtext);
extern void stbl_source_open(StblSource *s, StblSnapshot *snapshot);

/* Goes on to the next block with rows that pass, and loads its wanted columns; false at the end. */
extern bool stbl_source_next(StblSource *s);

/* The same in steps: the next block that may have such rows; which they are; the columns not loaded yet. */
extern bool stbl_source_advance(StblSource *s);
extern uint32 stbl_source_select(StblSource *s);
extern void stbl_source_load(StblSource *s);

/*
 * The number of rows of the superfile that advance would open next, where it
 * need not be opened to know it: no filter, and a count in its statistics.
 * The superfile then counts as read; -1: advance must look.
 */
extern int64 stbl_source_count_next(StblSource *s);

/*
 * Makes the next superfile as a whole the block, not opened, for who can do
 * with the log's statistics: there is no filter, and no row of it is hidden.
 * False where that is not so.  Without skip_file it comes again.
 */
extern bool stbl_source_whole_file(StblSource *s);
extern void stbl_source_skip_file(StblSource *s);

/* From the start again; the filter's constants are evaluated anew. */
extern void stbl_source_restart(StblSource *s);
extern void stbl_source_end(StblSource *s);

/* The bounds of a column in the row group, or whole superfile, at hand. */
extern void stbl_source_bounds(StblSource *s, const StblSourceColumn *c, StblBounds *bounds);

/* ---- for ahead.c ---- */

typedef struct StblAhead StblAhead;

/* The superfile that comes after one. */
extern StblFile *stbl_source_following(const StblSource *s, const StblFile *f);

/* Whether the log's statistics leave a superfile in question; what it needs is allocated in cxt. */
extern bool stbl_source_file_may_pass(StblSource *s, StblFile *f, MemoryContext cxt);

/* ---- parallel scans (shared.c) ---- */

/* Bytes to share; fills them in (leader); takes part (worker); from the start again (leader, no worker running). */
extern Size stbl_shared_size(StblSource *s);
extern void stbl_shared_init(StblSource *s, void *where);
extern void stbl_shared_attach(StblSource *s, void *where);
extern void stbl_shared_reset(StblSource *s);

/* The next row group that is nobody's yet: which superfile, and which of its row groups, if it has so many. */
extern void stbl_shared_claim(StblSource *s, uint32 *file, uint32 *group);

/* This superfile has no more row groups. */
extern void stbl_shared_finish_file(StblSource *s, uint32 file);

/* Adds what was counted here to what all have counted; the leader then takes the sums. */
extern void stbl_shared_count(StblSource *s);

/* Lines of EXPLAIN. */
struct ExplainState;
extern void stbl_source_count_requests(StblSource *s);
extern void stbl_source_explain(StblSource *s, struct ExplainState *es);

#endif							/* STBL_SOURCE_H */
