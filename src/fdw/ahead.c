/* Asking storage ahead of the decoder; see ahead.h. */
#include "postgres.h"

#include <roaring/roaring.h>

#include "access/parallel.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "fdw/ahead.h"
#include "fdw/pages.h"

#define MIN_FILES 4
#define MAX_FILES 64

/*
 * Bytes in memory or on their way, beside those of the row group at hand.  At
 * 50 ms a round trip, 64 MB are what a network of 10 Gbit/s moves in one.  It
 * is not work_mem, of which a sort or hash of the same plan has its own: a
 * plan rarely reads two tables at once.  Where row groups are larger, one of
 * up to twice that is on its way.
 */
#define MIN_BYTES ((uint64) 4 * 1024 * 1024)
#define MAX_BYTES ((uint64) 64 * 1024 * 1024)

/*
 * Row groups of a parallel scan that a process takes in advance.  Few: those
 * that one has taken at the end the others cannot help with.
 */
#define MAX_CLAIMS 4

/* Superfiles up to this size come whole: if half of their columns are wanted, or whatever is. */
#define WHOLE_IF_MOST ((uint64) 4 * 1024 * 1024)
#define WHOLE_ANYWAY ((uint64) 512 * 1024)

typedef struct AheadFile
{
	StblFile   *file;
	StblSuperfile *sf;			/* NULL: it has no rows to show */
	StblFetch  *vector;			/* of a worker, which has no table of its own to keep tombstones in */
	int		   *leaves;			/* of the source's columns; NULL: its footer was not read yet */
	bool		is_broken;		/* or not ours to read: the source will say */
	int			next_group;		/* first row group that was not considered yet */
	struct AheadFile *next;
} AheadFile;

typedef struct Claim
{
	uint32		file;
	uint32		group;
} Claim;

struct StblAhead
{
	MemoryContext cxt;
	MemoryContext scratch;
	AheadFile  *first;			/* the superfile at hand, or the next */
	AheadFile  *last;
	int			n_files;
	uint32		next_shared;	/* of a parallel scan: place of the file after last */
	int			max_files;
	uint64		max_bytes;
	uint64		whole;
	int			at_group;		/* row group at hand, -1: none of it was loaded */
	int64		n_loaded;		/* row groups */
	uint64		last_bytes;		/* of the last one */
	int64		n_filtered;		/* row groups the filter decided on, and of these those with rows that pass */
	int64		n_passed;
	int			n_claims;
	int			max_claims;
	Claim		claims[MAX_CLAIMS];
};

void
stbl_ahead_begin(StblSource *s)
{
	StblAhead  *a;

	if (stbl_store_is_local(s->table->store))
		return;
	a = palloc0(sizeof(StblAhead));
	a->cxt = AllocSetContextCreate(s->cxt, "supertable scan ahead", ALLOCSET_DEFAULT_SIZES);
	a->scratch = AllocSetContextCreate(a->cxt, "supertable scan ahead scratch", ALLOCSET_DEFAULT_SIZES);
	a->max_files = MIN_FILES;
	a->max_bytes = MIN_BYTES;
	a->max_claims = 1;
	a->at_group = -1;
	if (s->n_columns > 0)
		a->whole = s->n_columns * 2 >= s->snapshot->schema.n_fields ? WHOLE_IF_MOST : WHOLE_ANYWAY;
	s->ahead = a;
}

/* ---- superfiles ---- */

/* Bytes that have been asked for in advance. */
static uint64
held(const StblAhead *a)
{
	uint64		sum = 0;

	for (AheadFile *e = a->first; e != NULL; e = e->next)
		if (e->sf != NULL)
			sum += stbl_superfile_held(e->sf, e == a->first ? a->at_group : -1);
	return sum;
}

static void
drop_first(StblAhead *a)
{
	AheadFile  *e = a->first;

	if (e->sf != NULL)
		stbl_superfile_close(e->sf);
	if (e->vector != NULL)
		stbl_fetch_free(e->vector);
	a->first = e->next;
	if (a->first == NULL)
		a->last = NULL;
	a->n_files--;
	pfree(e);
}

void
stbl_ahead_reset(StblSource *s)
{
	StblAhead  *a = s->ahead;

	while (a->first != NULL)
		drop_first(a);
	MemoryContextReset(a->scratch);
	a->at_group = -1;
	a->n_claims = 0;
}

static AheadFile *
add_file(StblSource *s, StblFile *f, bool is_wanted)
{
	StblAhead  *a = s->ahead;
	MemoryContext old = MemoryContextSwitchTo(a->cxt);
	AheadFile  *e = palloc0(sizeof(AheadFile));

	e->file = f;
	if (a->last != NULL)
		a->last->next = e;
	else
		a->first = e;
	a->last = e;
	a->n_files++;
	if (is_wanted)
		e->sf = stbl_superfile_begin(s->table, f->path, f->size, NULL, a->whole);
	MemoryContextSwitchTo(old);
	return e;
}

/* Whether the log's statistics leave a superfile in question. */
static bool
file_may_pass(StblSource *s, StblFile *f)
{
	bool		may = stbl_source_file_may_pass(s, f, s->ahead->scratch);

	MemoryContextReset(s->ahead->scratch);
	return may;
}

/* The superfile that the source will come to after the last one here. */
static StblFile *
following(StblSource *s)
{
	StblAhead  *a = s->ahead;

	if (s->shared != NULL)
		return a->next_shared < s->n_shared ? s->shared_files[a->next_shared] : NULL;
	return stbl_source_following(s, a->last->file);
}

typedef struct Tombstones
{
	StblTable  *table;
	StblFile  **files;
	int			n;
} Tombstones;

static void
load_tombstones(void *arg)
{
	Tombstones *t = arg;

	stbl_load_tombstones(t->table, t->files, t->n);
}

/* Asks for the footers of the next superfiles, and reads their tombstones together. */
static void
ask_files(StblSource *s)
{
	StblAhead  *a = s->ahead;
	StblFile   *files[MAX_FILES];
	Tombstones	t = {s->table, files, 0};
	StblFile   *f;
	StblError	err;

	while (a->n_files < a->max_files && held(a) < a->max_bytes && (f = following(s)) != NULL)
	{
		bool		may = file_may_pass(s, f);

		AheadFile  *e = add_file(s, f, may);

		a->next_shared++;
		if (!may || f->dv == NULL)
			continue;
		if (IsParallelWorker())
		{
			MemoryContext old = MemoryContextSwitchTo(a->cxt);

			e->vector = stbl_dv_ask(s->table, f->dv);
			MemoryContextSwitchTo(old);
		}
		else if (!f->tombstones_loaded)
			files[t.n++] = f;
	}
	/* an error in them is the source's to meet */
	if (t.n > 1)
		(void) stbl_survive(load_tombstones, &t, &err);
}

StblFetch *
stbl_ahead_vector(const StblSource *s, const StblFile *f)
{
	for (AheadFile *e = s->ahead->first; e != NULL; e = e->next)
		if (e->file == f)
			return e->vector;
	return NULL;
}

StblSuperfile *
stbl_ahead_open(StblSource *s, StblFile *f)
{
	StblAhead  *a = s->ahead;

	while (a->first != NULL && a->first->file != f)
		drop_first(a);
	if (a->first == NULL)
	{
		(void) add_file(s, f, true);
		a->next_shared = (uint32) (s->at_shared + 1);
	}
	else
		a->max_files = Min(a->max_files * 2, MAX_FILES);
	/* statistics say no to what the source has said yes to: never, but it decides */
	if (a->first->sf == NULL)
		a->first->sf = stbl_superfile_begin(s->table, f->path, f->size, NULL, a->whole);
	a->at_group = -1;
	ask_files(s);
	return a->first->sf;
}

/* ---- row groups ---- */

/* Whether a superfile's footer is there, and which of its leaves are the source's columns. */
static bool
is_ready(StblSource *s, AheadFile *e)
{
	StblError	err;

	if (e->leaves != NULL)
		return true;
	if (e->is_broken || !stbl_superfile_try_finish(e->sf))
		return false;
	e->leaves = MemoryContextAlloc(e->sf->cxt, sizeof(int) * (s->n_columns + 1));
	for (int i = 0; i < s->n_columns && !e->is_broken; i++)
		e->is_broken = !stbl_schema_match_file(&e->sf->meta->schema, s->columns[i].field, &e->leaves[i], &err);
	if (e->is_broken)
		e->leaves = NULL;
	return !e->is_broken;
}

typedef struct GroupAt
{
	StblSource *s;
	AheadFile  *e;
	int			group;
} GroupAt;

static void
group_bounds(void *arg, AttrNumber attnum, StblBounds *bounds)
{
	GroupAt    *g = arg;

	for (int i = 0; i < g->s->n_columns; i++)
		if (g->s->columns[i].column->attnum == attnum)
		{
			stbl_bounds_of_chunk(g->e->sf->meta, g->group, g->e->leaves[i], g->s->columns[i].field, bounds);
			return;
		}
	elog(ERROR, "attribute %d is not read", attnum);
}

/*
 * Columns that are wanted of the rows that pass come with those the filter
 * tests while a good part of the row groups has such rows: the bytes that are
 * read for nothing then cost less than a round trip for each row group.
 */
static bool
expects_rows(const StblAhead *a)
{
	return a->n_passed * 4 >= a->n_filtered - 4;
}

/*
 * Asks for columns of a row group; false where they have more bytes than
 * there is room for.  pages: what narrows the row group; NULL: nothing.
 */
static bool
ask_columns(StblSource *s, AheadFile *e, int group, bool all_pass, StblGroupPages *pages, uint64 room)
{
	bool		is_narrowed = pages != NULL && pages->is_narrowed;
	bool		take_wanted = all_pass || s->filter == NULL || expects_rows(s->ahead);
	uint64		size = 0;
	int			n = 0;
	int			from;
	StblRange  *ranges;
	MemoryContext old = MemoryContextSwitchTo(s->ahead->scratch);

	for (int i = 0; i < s->n_columns; i++)
		n += is_narrowed ? pages->pages[i].n + 1 : 1;
	ranges = palloc(sizeof(StblRange) * (n + 1));
	n = 0;
	for (int i = 0; i < s->n_columns; i++)
	{
		const StblSourceColumn *c = &s->columns[i];

		if (e->leaves[i] < 0 || !((c->is_tested && !all_pass) || (c->is_wanted && take_wanted)))
			continue;
		from = n;
		if (is_narrowed)
			n += stbl_superfile_page_ranges(e->sf, group, e->leaves[i], &pages->pages[i], stbl_pages_of_stretches(pages, i), ranges + n);
		else
			ranges[n++] = stbl_superfile_chunk(e->sf, group, e->leaves[i]);
		for (; from < n; from++)
			size += ranges[from].length;
	}
	if (size <= room)
		stbl_superfile_want(e->sf, group, ranges, n);
	pfree(ranges);
	MemoryContextSwitchTo(old);
	return size <= room;
}

/* How many bytes may be asked for in advance now; 0: none. */
static uint64
room_for_more(const StblAhead *a)
{
	uint64		taken = held(a);

	if (taken == 0 && a->max_bytes == MAX_BYTES)
		return 2 * MAX_BYTES;
	return taken < a->max_bytes ? a->max_bytes - taken : 0;
}

/* Asks for a row group that the source will come to, unless it will pass it over; false where there is no room. */
static bool
ask_group(StblSource *s, AheadFile *e, int group)
{
	const StblPqRowGroup *rg = &e->sf->meta->row_groups[group];
	StblFile   *f = e->file;
	GroupAt		g = {s, e, group};
	StblGroupPages pages;
	uint64		n_hidden = 0;
	bool		all_pass;
	bool		has_room = true;
	MemoryContext old;

	if (f->tombstones_loaded && f->tombstones != NULL)
		n_hidden = roaring_bitmap_range_cardinality(f->tombstones, rg->first_row, rg->first_row + rg->n_rows);
	if (n_hidden == (uint64) rg->n_rows)
		return true;
	old = MemoryContextSwitchTo(s->ahead->scratch);
	if (s->filter == NULL || stbl_filter_may_pass(s->filter, group_bounds, &g))
	{
		all_pass = s->filter != NULL && n_hidden == 0 && stbl_filter_must_pass(s->filter, group_bounds, &g);
		if (all_pass)
			has_room = ask_columns(s, e, group, true, NULL, room_for_more(s->ahead));
		else
		{
			stbl_pages_narrow(&pages, s, e->sf, group, e->leaves, false);
			if (!pages.is_narrowed || pages.n_stretches > 0)
				has_room = ask_columns(s, e, group, false, &pages, room_for_more(s->ahead));
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(s->ahead->scratch);
	return has_room;
}

/* Asks for the row groups that follow, as far as memory goes. */
static void
ask_groups(StblSource *s)
{
	StblAhead  *a = s->ahead;

	for (AheadFile *e = a->first; e != NULL; e = e->next)
	{
		if (e->sf == NULL || e->is_broken)
			continue;
		if (!is_ready(s, e))
			break;
		for (; e->next_group < e->sf->meta->n_row_groups; e->next_group++)
			if (!ask_group(s, e, e->next_group))
				return;
	}
}

/* Takes row groups of a parallel scan in advance, and asks for them. */
static void
ask_claims(StblSource *s)
{
	StblAhead  *a = s->ahead;

	while (a->n_claims < a->max_claims && room_for_more(a) > 0)
	{
		Claim	   *c = &a->claims[a->n_claims];
		AheadFile  *e = a->first;

		stbl_shared_claim(s, &c->file, &c->group);
		if (c->file < s->n_shared)
		{
			while (e != NULL && e->file != s->shared_files[c->file])
				e = e->next;
			if (e != NULL && e->sf != NULL && is_ready(s, e))
			{
				if (c->group >= (uint32) e->sf->meta->n_row_groups)
				{
					stbl_shared_finish_file(s, c->file);
					continue;
				}
				a->n_claims++;
				if (!ask_group(s, e, (int) c->group))
					return;
				continue;
			}
		}
		/* where its superfile is not known yet none is taken beyond it */
		a->n_claims++;
		return;
	}
}

void
stbl_ahead_load(StblSource *s)
{
	StblAhead  *a = s->ahead;
	AheadFile  *e = a->first;

	stbl_store_poll(s->table->store);
	/* rows of the transaction itself are in memory; the rest of a row group was asked for with its first columns */
	if (e == NULL || s->sf != e->sf || !is_ready(s, e) || a->at_group == s->row_group)
		return;
	if (!stbl_superfile_release(e->sf, s->row_group))
	{
		a->max_bytes = MIN_BYTES;
		a->max_claims = 1;
	}
	else if (a->n_loaded > 0)
	{
		a->max_bytes = Min(Max(a->max_bytes, a->last_bytes) * 2, MAX_BYTES);
		a->max_claims = Min(a->max_claims * 2, MAX_CLAIMS);
	}
	a->n_loaded++;
	a->at_group = s->row_group;
	(void) ask_columns(s, e, s->row_group, s->all_pass, s->pages, PG_UINT64_MAX);
	a->last_bytes = stbl_superfile_held(e->sf, -1) - stbl_superfile_held(e->sf, s->row_group);
	e->next_group = Max(e->next_group, s->row_group + 1);
	if (s->shared != NULL)
		ask_claims(s);
	else
		ask_groups(s);
}

void
stbl_ahead_note(StblSource *s, bool passed)
{
	s->ahead->n_filtered++;
	s->ahead->n_passed += passed;
}

void
stbl_ahead_claim(StblSource *s, uint32 *file, uint32 *group)
{
	StblAhead  *a = s->ahead;

	if (a == NULL || a->n_claims == 0)
	{
		stbl_shared_claim(s, file, group);
		return;
	}
	*file = a->claims[0].file;
	*group = a->claims[0].group;
	a->n_claims--;
	memmove(a->claims, a->claims + 1, sizeof(Claim) * a->n_claims);
}
