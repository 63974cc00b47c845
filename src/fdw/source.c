/* Blocks of rows for scans and aggregates; see source.h. */
#include "postgres.h"

#include <roaring/roaring.h>

#include "access/parallel.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "fdw/ahead.h"
#include "fdw/fdw.h"
#include "fdw/pages.h"
#include "fdw/source.h"

/* ---- set-up ---- */

static void
add_column(StblSource *s, StblColumn *column, bool is_tested, bool is_wanted)
{
	StblSourceColumn *c = &s->columns[s->n_columns++];
	int			j = stbl_schema_find(&s->snapshot->schema, column->field.name);

	c->column = column;
	c->read.mem = s->mem;
	c->field = j >= 0 ? &s->snapshot->schema.fields[j] : &column->field;
	c->is_tested = is_tested;
	c->is_wanted = is_wanted;
}

static void
set_up_columns(StblSource *s)
{
	Bitmapset  *tested = stbl_filter_attrs(s->descriptions, NULL);

	s->all_columns = stbl_columns(RelationGetDescr(s->rel), &s->n_all);
	s->columns = palloc0(sizeof(StblSourceColumn) * (s->n_all + 1));
	for (int i = 0; i < s->n_all; i++)
	{
		StblColumn *column = &s->all_columns[i];
		int			j = stbl_schema_find(&s->snapshot->schema, column->field.name);
		bool		is_tested = bms_is_member(column->attnum, tested);
		bool		is_wanted = bms_is_member(column->attnum, s->wanted);

		if (j >= 0)
			stbl_column_match(column, &s->snapshot->schema.fields[j], s->table->root, false);
		else if (stbl_snapshot_exists(s->snapshot) && (is_tested || is_wanted))
			stbl_note_lacking(s->tt, s->rel, column);
		if (is_tested || is_wanted)
			add_column(s, column, is_tested, is_wanted);
	}
}

/* The superfile to go on with: those of a version that the transaction has truncated are not there. */
static StblFile *
not_truncated(const StblSource *s, StblFile *f)
{
	while (f != NULL && s->truncated >= 0 && stbl_file_was_live(f, s->truncated))
		f = f->next;
	return f;
}

StblFile *
stbl_source_following(const StblSource *s, const StblFile *f)
{
	return not_truncated(s, f->next);
}

StblSource *
stbl_source_new(Relation rel, Oid userid, EState *estate, Bitmapset *wanted,
				List *descriptions, List *expr_states, ExprContext *econtext)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	StblSource *s = palloc0(sizeof(StblSource));

	s->cxt = estate->es_query_cxt;
	s->mem = stbl_mem_in(s->cxt);
	s->rel = rel;
	s->wanted = bms_copy(wanted);
	s->tt = stbl_relation_txn(rel, userid);
	/* by the credentials of this role, whoever else meets the table while we read */
	s->reads = *stbl_txn_storage(s->tt);
	s->table = &s->reads;
	s->before = *stbl_store_counters(s->table->store);
	s->curcid = estate->es_snapshot->curcid;
	s->descriptions = descriptions;
	s->expr_states = expr_states;
	s->econtext = econtext;
	s->at_shared = -1;
	s->truncated = -1;
	s->filter_cxt = AllocSetContextCreate(s->cxt, "supertable scan filter", ALLOCSET_DEFAULT_SIZES);
	s->file_cxt = AllocSetContextCreate(s->cxt, "supertable scan superfile", ALLOCSET_DEFAULT_SIZES);
	s->group_cxt = AllocSetContextCreate(s->cxt, "supertable scan row group", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	return s;
}

void
stbl_source_open(StblSource *s, StblSnapshot *snapshot)
{
	MemoryContext old = MemoryContextSwitchTo(s->cxt);

	s->snapshot = snapshot;
	s->next_file = snapshot->first;
	set_up_columns(s);
	stbl_ahead_begin(s);
	MemoryContextSwitchTo(old);
}

StblSource *
stbl_source_begin(Relation rel, Oid userid, EState *estate, Bitmapset *wanted,
				  List *descriptions, List *expr_states, ExprContext *econtext, bool will_write)
{
	StblSource *s = stbl_source_new(rel, userid, estate, wanted, descriptions, expr_states, econtext);
	MemoryContext old = MemoryContextSwitchTo(s->cxt);

	if (will_write)
		stbl_txn_publish_owed(s->tt);
	stbl_source_open(s, stbl_txn_snapshot(s->tt, estate, s->cxt));
	s->parts = stbl_txn_own_parts(s->tt, s->curcid, &s->n_parts);
	s->truncated = stbl_txn_truncated_version(s->tt, s->curcid);
	s->next_file = not_truncated(s, s->snapshot->first);
	if (!stbl_snapshot_exists(s->snapshot) && s->n_parts == 0)
		ereport(NOTICE,
				(errmsg("supertable \"%s\" has no data on storage yet", RelationGetRelationName(rel)),
				 errdetail("The first write creates it at \"%s\".", s->table->root)));
	MemoryContextSwitchTo(old);
	return s;
}

static void
compile_filter(StblSource *s)
{
	MemoryContext old;

	if (s->is_compiled)
		return;
	MemoryContextReset(s->filter_cxt);
	s->filter = NULL;
	if (s->descriptions != NIL)
	{
		old = MemoryContextSwitchTo(s->filter_cxt);
		s->filter = stbl_filter_compile(s->descriptions, s->expr_states, s->econtext, s->all_columns, s->n_all);
		MemoryContextSwitchTo(old);
	}
	s->is_compiled = true;
}

/* ---- what statistics say ---- */

static StblSourceColumn *
column_at(StblSource *s, AttrNumber attnum)
{
	for (int i = 0; i < s->n_columns; i++)
		if (s->columns[i].column->attnum == attnum)
			return &s->columns[i];
	elog(ERROR, "attribute %d is not read", attnum);
	return NULL;
}

static void
file_bounds(void *arg, AttrNumber attnum, StblBounds *bounds)
{
	StblSource *s = arg;

	stbl_file_bounds(s->considered, column_at(s, attnum)->field, &s->stats, bounds);
}

static void
group_bounds(void *arg, AttrNumber attnum, StblBounds *bounds)
{
	StblSource *s = arg;
	StblSourceColumn *c = column_at(s, attnum);

	stbl_bounds_of_chunk(s->sf->meta, s->row_group, c->read.leaf, c->field, bounds);
}

void
stbl_source_bounds(StblSource *s, const StblSourceColumn *c, StblBounds *bounds)
{
	if (s->sf == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(s->file_cxt);

		stbl_file_bounds(s->considered, c->field, &s->stats, bounds);
		MemoryContextSwitchTo(old);
		return;
	}
	stbl_bounds_of_chunk(s->sf->meta, s->row_group, c->read.leaf, c->field, bounds);
}

/* ---- going on to what is next ---- */

static void
close_current(StblSource *s)
{
	s->sf = NULL;
	s->pages = NULL;
	s->batch = NULL;
	s->hidden = NULL;
	s->considered = NULL;
	s->stats = NULL;
	s->n_rows = s->n_selected = 0;
	s->next_group = 0;
	MemoryContextReset(s->group_cxt);
	MemoryContextReset(s->file_cxt);
}

static void
open_superfile(StblSource *s, StblSuperfile *sf)
{
	StblError	err;

	stbl_superfile_finish(sf);
	s->sf = sf;
	s->leaves = palloc(sizeof(int) * (s->n_columns + 1));
	for (int i = 0; i < s->n_columns; i++)
	{
		StblSourceColumn *c = &s->columns[i];

		if (!stbl_schema_match_file(&s->sf->meta->schema, c->field, &c->read.leaf, &err))
			stbl_superfile_throw(s->sf, &err);
		s->leaves[i] = c->read.leaf;
	}
	s->n_superfiles_read++;
}

bool
stbl_source_file_may_pass(StblSource *s, StblFile *f, MemoryContext cxt)
{
	StblFile   *at_hand = s->considered;
	StblJson   *its_stats = s->stats;
	MemoryContext old;
	bool		may;

	if (s->filter == NULL || f->stats == NULL)
		return true;
	old = MemoryContextSwitchTo(cxt);
	s->considered = f;
	s->stats = NULL;
	may = stbl_filter_may_pass(s->filter, file_bounds, s);
	s->considered = at_hand;
	s->stats = its_stats;
	MemoryContextSwitchTo(old);
	return may;
}

/* Positions of a superfile that the statement does not see; NULL: none. */
static roaring_bitmap_t *
hidden_of(StblSource *s, StblFile *f)
{
	const roaring_bitmap_t *gone;
	roaring_bitmap_t *own;

	if (IsParallelWorker())
	{
		/* a superfile that the leader told of, by its descriptor */
		StblFetch  *asked = f->dv != NULL && s->ahead != NULL ? stbl_ahead_vector(s, f) : NULL;
		roaring_bitmap_t *bitmap = asked != NULL ? stbl_dv_take(s->table, f->dv, asked)
			: f->dv != NULL ? stbl_dv_load(s->table, f->dv, 0) : NULL;

		if (bitmap != NULL)
			stbl_bitmap_own(s->file_cxt, bitmap);
		return bitmap;
	}
	gone = stbl_file_tombstones(s->table, f);
	own = stbl_txn_deleted(s->tt, s->file_no, s->curcid);

	if (own != NULL && gone != NULL)
		roaring_bitmap_or_inplace(own, gone);
	return own != NULL ? own : (roaring_bitmap_t *) gone;
}

/* Makes a superfile the one at hand, not opened yet; false where it is passed over. */
static bool
take_file(StblSource *s, StblFile *f)
{
	MemoryContext old;
	bool		may;

	close_current(s);
	old = MemoryContextSwitchTo(s->file_cxt);
	s->file_no = stbl_txn_file_no(s->tt, f);
	may = stbl_source_file_may_pass(s, f, s->file_cxt);
	if (may)
		s->hidden = hidden_of(s, f);
	else
		s->n_superfiles_skipped++;
	MemoryContextSwitchTo(old);
	return may;
}

/* Makes a committed superfile the one at hand and opens it; false where it has no rows to show. */
static bool
open_file(StblSource *s, StblFile *f)
{
	MemoryContext old;

	if (!take_file(s, f) || (f->n_rows >= 0 && s->hidden != NULL &&
							 roaring_bitmap_get_cardinality(s->hidden) >= (uint64) f->n_rows))
		return false;
	old = MemoryContextSwitchTo(s->file_cxt);
	open_superfile(s, s->ahead != NULL ? stbl_ahead_open(s, f) : stbl_superfile_begin(s->table, f->path, f->size, NULL, 0));
	MemoryContextSwitchTo(old);
	return true;
}

/* Opens the next committed superfile with rows to show; false when there is none. */
static bool
next_committed(StblSource *s)
{
	while (s->next_file != NULL)
	{
		StblFile   *f = s->next_file;

		s->next_file = not_truncated(s, f->next);
		if (open_file(s, f))
			return true;
	}
	return false;
}

int64
stbl_source_count_next(StblSource *s)
{
	StblFile   *f = s->next_file;

	if (s->descriptions != NIL || f == NULL || f->n_rows < 0 ||
		(s->sf != NULL && s->next_group < s->sf->meta->n_row_groups))
		return -1;
	s->next_file = not_truncated(s, f->next);
	(void) take_file(s, f);
	return f->n_rows - (s->hidden ? (int64) roaring_bitmap_get_cardinality(s->hidden) : 0);
}

bool
stbl_source_whole_file(StblSource *s)
{
	StblFile   *f = s->next_file;

	if (s->shared != NULL || s->descriptions != NIL || f == NULL || f->n_rows < 0 || f->stats == NULL ||
		(s->sf != NULL && s->next_group < s->sf->meta->n_row_groups))
		return false;
	(void) take_file(s, f);
	if (s->hidden != NULL)
		return false;
	s->considered = f;
	s->n_rows = f->n_rows;
	s->all_pass = true;
	return true;
}

void
stbl_source_skip_file(StblSource *s)
{
	s->next_file = not_truncated(s, s->next_file->next);
}

static bool
next_own(StblSource *s)
{
	StblOwnPart *part;
	MemoryContext old;

	if (s->next_part >= s->n_parts)
		return false;
	part = &s->parts[s->next_part++];
	close_current(s);
	s->file_no = part->file_no;
	s->hidden = part->hidden;
	if (part->batch == NULL)
	{
		old = MemoryContextSwitchTo(s->file_cxt);
		open_superfile(s, stbl_superfile_begin(s->table, part->path, part->size, part->image, 0));
		MemoryContextSwitchTo(old);
		return true;
	}
	s->batch = part->batch;
	s->first_position = part->first_position;
	s->n_rows = part->n_rows;
	for (int i = 0; i < s->n_columns; i++)
	{
		int			b = stbl_schema_find(stbl_batch_schema(s->batch), s->columns[i].column->field.name);

		s->columns[i].data = b >= 0 ? stbl_batch_columns(s->batch)[b] : NULL;
		s->columns[i].coded = NULL;
	}
	return true;
}

/* Makes the stretches of a row group that pages leave in question the block; false where there are none. */
static bool
narrow(StblSource *s)
{
	MemoryContext old = MemoryContextSwitchTo(s->group_cxt);
	StblGroupPages *gp = palloc(sizeof(StblGroupPages));
	int64		first_row = s->sf->meta->row_groups[s->row_group].first_row;

	stbl_pages_narrow(gp, s, s->sf, s->row_group, s->leaves, true);
	MemoryContextSwitchTo(old);
	s->pages = gp;
	if (!gp->is_narrowed)
		return true;
	if (gp->n_stretches > 0)
	{
		s->first_row = gp->stretches[0].from;
		s->first_position = first_row + s->first_row;
		s->n_rows = gp->stretches[gp->n_stretches - 1].to - s->first_row;
		return true;
	}
	for (int i = 0; i < s->n_columns; i++)
		if (s->columns[i].is_tested)
			s->n_pages_skipped += gp->pages[i].n;
	return false;
}

/* Makes a row group of the superfile at hand the block, not loaded yet; false where it has no rows to show. */
static bool
take_row_group(StblSource *s, int group)
{
	StblPqRowGroup *rg = &s->sf->meta->row_groups[group];
	uint64		n_hidden = 0;

	s->row_group = group;
	if (rg->first_row + rg->n_rows > STBL_MAX_POSITION)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("superfile \"%s\" has more than %u rows", s->sf->path, STBL_MAX_POSITION)));
	if (s->hidden != NULL)
		n_hidden = roaring_bitmap_range_cardinality(s->hidden, rg->first_row, rg->first_row + rg->n_rows);
	if (n_hidden == (uint64) rg->n_rows)
		return false;
	if (s->filter != NULL && !stbl_filter_may_pass(s->filter, group_bounds, s))
	{
		s->n_row_groups_skipped++;
		return false;
	}
	s->all_pass = n_hidden == 0 && (s->filter == NULL || stbl_filter_must_pass(s->filter, group_bounds, s));
	s->first_row = 0;
	s->first_position = rg->first_row;
	s->n_rows = rg->n_rows;
	for (int i = 0; i < s->n_columns; i++)
	{
		s->columns[i].data = NULL;
		s->columns[i].coded = NULL;
	}
	s->pages = NULL;
	MemoryContextReset(s->group_cxt);
	if (s->filter != NULL && !s->all_pass && !narrow(s))
	{
		s->n_row_groups_skipped++;
		return false;
	}
	return true;
}

/* The next row group of the superfile at hand that may have rows to show; false at its end. */
static bool
next_row_group(StblSource *s)
{
	while (s->next_group < s->sf->meta->n_row_groups)
		if (take_row_group(s, s->next_group++))
			return true;
	return false;
}

/* The next row group that no other process has taken. */
static bool
advance_shared(StblSource *s)
{
	uint32		file,
				group;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		stbl_ahead_claim(s, &file, &group);
		if (file >= s->n_shared)
		{
			close_current(s);
			return false;
		}
		if (file != s->at_shared)
		{
			s->at_shared = file;
			if (!open_file(s, s->shared_files[file]))
				s->sf = NULL;
		}
		if (s->sf == NULL || group >= s->sf->meta->n_row_groups)
			stbl_shared_finish_file(s, file);
		else if (take_row_group(s, group))
			return true;
	}
}

bool
stbl_source_advance(StblSource *s)
{
	compile_filter(s);
	s->selected = NULL;
	s->n_selected = 0;
	s->all_pass = false;
	if (s->shared != NULL)
		return advance_shared(s);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (s->sf != NULL && next_row_group(s))
			return true;
		if (!next_committed(s) && !next_own(s))
		{
			close_current(s);
			return false;
		}
		if (s->batch != NULL)
			return true;
	}
}

/* ---- loading ---- */

static bool
is_due(const StblSourceColumn *c, bool for_filter)
{
	return (for_filter ? c->is_tested : c->is_wanted) && c->read.leaf >= 0 && c->data == NULL && c->coded == NULL;
}

/* Which part of a column's chunk is to be read. */
static void
choose_pages(StblSource *s, int column, bool for_filter)
{
	StblColumnRead *read = &s->columns[column].read;
	StblGroupPages *gp = s->pages;

	read->pages = NULL;
	if (gp == NULL)
		return;
	if (for_filter)
		read->is_needed = stbl_pages_of_stretches(gp, column);
	else
		read->is_needed = stbl_pages_of_rows(gp, column, s->first_row, s->selected, s->n_selected);
	if (read->is_needed == NULL)
		return;
	read->pages = &gp->pages[column];
	read->first_row = s->first_row;
	read->n_rows = s->n_rows;
}

/* Loads the columns of the row group that the filter tests, or that the caller wants. */
static void
load_columns(StblSource *s, bool for_filter)
{
	MemoryContext old = MemoryContextSwitchTo(s->group_cxt);
	StblColumnRead **reads = palloc(sizeof(StblColumnRead *) * (s->n_columns + 1));
	int			n = 0;

	if (s->ahead != NULL)
		stbl_ahead_load(s);
	for (int i = 0; i < s->n_columns; i++)
	{
		StblSourceColumn *c = &s->columns[i];

		if (!is_due(c, for_filter))
			continue;
		c->read.want_coded = !c->column->is_array && (c->takes_codes || !c->is_wanted);
		choose_pages(s, i, for_filter);
		reads[n++] = &c->read;
	}
	stbl_superfile_read(s->sf, s->row_group, n, reads);
	for (int i = 0; i < s->n_columns; i++)
	{
		StblSourceColumn *c = &s->columns[i];

		if (!is_due(c, for_filter))
			continue;
		s->n_pages_read += c->read.n_pages_read;
		s->n_pages_skipped += c->read.n_pages_skipped;
		if (c->read.is_coded)
		{
			stbl_superfile_to_our_form(s->sf, c->read.leaf, c->column->field.kind, &c->read.coded.dict);
			c->coded = &c->read.coded;
		}
		else
		{
			stbl_superfile_to_our_form(s->sf, c->read.leaf, c->column->field.kind, &c->read.vec.elem);
			c->data = &c->read.vec;
		}
	}
	MemoryContextSwitchTo(old);
}

static StblFilterColumn
tested_column(void *arg, AttrNumber attnum)
{
	StblSourceColumn *c = column_at(arg, attnum);
	StblFilterColumn fc = {c->data != NULL ? &c->data->elem : NULL, c->coded};

	return fc;
}

/* Rows [row, end) of the block that are not hidden, ascending; their number. */
static uint32
live_rows(StblSource *s, uint32 row, uint32 end, uint32 *out)
{
	roaring_uint32_iterator_t *it;
	uint32		n = 0;

	if (s->hidden == NULL)
	{
		while (row < end)
			out[n++] = row++;
		return n;
	}
	it = roaring_create_iterator(s->hidden);
	roaring_move_uint32_iterator_equalorlarger(it, s->first_position + row);
	while (row < end)
	{
		uint32		until = it->has_value ? Min(it->current_value - s->first_position, end) : end;

		while (row < until)
			out[n++] = row++;
		row++;
		if (it->has_value)
			roaring_advance_uint32_iterator(it);
	}
	roaring_free_uint32_iterator(it);
	return n;
}

/* Those that are neither hidden nor ruled out by their page. */
static uint32
rows_in_question(StblSource *s, uint32 *out)
{
	const StblGroupPages *gp = s->pages;
	uint32		n = 0;

	if (gp == NULL || !gp->is_narrowed)
		return live_rows(s, 0, s->n_rows, out);
	for (int i = 0; i < gp->n_stretches; i++)
		n += live_rows(s, gp->stretches[i].from - s->first_row, gp->stretches[i].to - s->first_row, out + n);
	return n;
}

uint32
stbl_source_select(StblSource *s)
{
	uint32	   *rows;
	uint32		n = s->n_rows;
	bool		has_gaps = s->hidden != NULL || (s->pages != NULL && s->pages->is_narrowed && s->pages->n_stretches > 1);

	if (s->sf != NULL && !s->all_pass && s->filter != NULL)
		load_columns(s, true);
	s->n_selected = n;
	if (s->all_pass || (s->hidden == NULL && s->filter == NULL))
		return n;
	if (n > s->rows_cap)
	{
		if (s->rows != NULL)
			pfree(s->rows);
		s->rows = MemoryContextAllocHuge(s->cxt, sizeof(uint32) * ((Size) n + 1));
		s->rows_cap = n;
	}
	rows = s->rows;
	if (has_gaps)
		n = rows_in_question(s, rows);
	s->n_selected = n;
	if (s->filter != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(s->group_cxt);

		s->n_selected = stbl_filter_select(s->filter, tested_column, s, has_gaps ? rows : NULL, n, rows);
		MemoryContextSwitchTo(old);
		s->n_rows_removed += n - s->n_selected;
		if (s->ahead != NULL && s->sf != NULL)
			stbl_ahead_note(s, s->n_selected > 0);
	}
	s->selected = s->n_selected < s->n_rows ? rows : NULL;
	return s->n_selected;
}

void
stbl_source_load(StblSource *s)
{
	if (s->sf == NULL)
		return;
	s->n_row_groups_read++;
	load_columns(s, false);
}

bool
stbl_source_next(StblSource *s)
{
	while (stbl_source_advance(s))
	{
		if (stbl_source_select(s) > 0)
		{
			stbl_source_load(s);
			return true;
		}
		s->n_row_groups_read += s->sf != NULL;
	}
	return false;
}

void
stbl_source_restart(StblSource *s)
{
	close_current(s);
	if (s->ahead != NULL)
		stbl_ahead_reset(s);
	s->next_file = not_truncated(s, s->snapshot->first);
	s->next_part = 0;
	s->at_shared = -1;
	s->is_compiled = false;
}

void
stbl_source_end(StblSource *s)
{
	for (int i = 0; i < s->n_parts; i++)
		if (s->parts[i].batch != NULL)
			stbl_batch_release(s->parts[i].batch);
	s->n_parts = 0;
}

void
stbl_source_explain(StblSource *s, ExplainState *es)
{
	ExplainPropertyInteger("Superfiles Read", NULL, s->n_superfiles_read, es);
	if (s->descriptions != NIL)
		ExplainPropertyInteger("Superfiles Skipped", NULL, s->n_superfiles_skipped, es);
	ExplainPropertyInteger("Row Groups Read", NULL, s->n_row_groups_read, es);
	if (s->descriptions != NIL)
	{
		ExplainPropertyInteger("Row Groups Skipped", NULL, s->n_row_groups_skipped, es);
		ExplainPropertyInteger("Pages Read", NULL, s->n_pages_read, es);
		ExplainPropertyInteger("Pages Skipped", NULL, s->n_pages_skipped, es);
		ExplainPropertyInteger("Rows Removed by Storage Filter", NULL, s->n_rows_removed, es);
	}
	if (!s->is_counted)
		stbl_source_count_requests(s);
	ExplainPropertyInteger("Storage Requests", NULL, s->n_requests, es);
	ExplainPropertyInteger("Bytes Read", NULL, s->n_bytes_read, es);
	if (!stbl_store_is_local(s->table->store))
		ExplainPropertyInteger("Cache Hits", NULL, s->n_cache_hits, es);
}

void
stbl_source_count_requests(StblSource *s)
{
	const StblStoreCounters *now = stbl_store_counters(s->table->store);

	s->n_requests = 0;
	for (int i = 0; i < STBL_N_OPS; i++)
		s->n_requests += now->n_ops[i] - s->before.n_ops[i];
	s->n_bytes_read = now->bytes_read - s->before.bytes_read;
	s->n_cache_hits = now->n_cache_hits - s->before.n_cache_hits;
}
