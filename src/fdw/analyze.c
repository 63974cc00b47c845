/*
 * ANALYZE: a sample of the rows that the statement sees.
 *
 * One pass over all superfiles; a reservoir of the rows asked for is all that
 * is kept in memory beside one row group.  Row groups that the reservoir
 * passes over are not read.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/snapmgr.h"

#include "fdw/fdw.h"
#include "fdw/options.h"
#include "fdw/source.h"

typedef struct Sample
{
	StblSource *source;
	TupleDesc	desc;
	HeapTuple  *rows;
	int			n_wanted;
	int			n;
	double		n_seen;
	double		n_skip;			/* rows to pass over before the next; -1: not drawn */
	ReservoirStateData reservoir;
	Datum	   *values;
	bool	   *isnull;
	MemoryContext row_cxt;
} Sample;

/* The tuple of one row of the block at hand, in the caller's context; its place in t_self, to sort by. */
static HeapTuple
make_tuple(Sample *s, uint32 row)
{
	StblSource *src = s->source;
	MemoryContext old = MemoryContextSwitchTo(s->row_cxt);
	HeapTuple	tuple;

	memset(s->isnull, true, sizeof(bool) * s->desc->natts);
	for (int i = 0; i < src->n_columns; i++)
	{
		StblSourceColumn *c = &src->columns[i];
		int			att = c->column->attnum - 1;

		if (c->data != NULL)
			stbl_column_datums(c->column, c->data, &row, 0, 1, &s->values[att], &s->isnull[att]);
	}
	MemoryContextSwitchTo(old);
	tuple = heap_form_tuple(s->desc, s->values, s->isnull);
	stbl_address_pack(&tuple->t_self, src->file_no, src->first_position + row);
	MemoryContextReset(s->row_cxt);
	return tuple;
}

static double
next_skip(Sample *s)
{
	return reservoir_get_next_S(&s->reservoir, s->n_seen, s->n_wanted);
}

/* Rows of the block at hand into the sample; its columns are read when the first row is taken. */
static void
sample_block(Sample *s)
{
	StblSource *src = s->source;
	bool		loaded = false;
	uint32		i = 0;

	while (i < src->n_selected)
	{
		uint32		row;
		int			place = s->n;

		if (s->n == s->n_wanted)
		{
			double		left = src->n_selected - i;

			if (s->n_skip < 0)
				s->n_skip = next_skip(s);
			if (s->n_skip >= left)
			{
				s->n_skip -= left;
				s->n_seen += left;
				return;
			}
			i += (uint32) s->n_skip;
			s->n_seen += s->n_skip;
			s->n_skip = -1;
			place = (int) (s->n_wanted * sampler_random_fract(&s->reservoir.randstate));
			heap_freetuple(s->rows[place]);
		}
		else
			s->n++;
		if (!loaded)
			stbl_source_load(src);
		loaded = true;
		row = src->selected != NULL ? src->selected[i] : i;
		s->rows[place] = make_tuple(s, row);
		s->n_seen++;
		i++;
	}
}

static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare(&(*(HeapTuple *) a)->t_self, &(*(HeapTuple *) b)->t_self);
}

static int
acquire_sample(Relation rel, int elevel, HeapTuple *rows, int n_wanted, double *n_rows, double *n_dead)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext caller = CurrentMemoryContext;
	Bitmapset  *wanted = NULL;
	Sample		s;

	memset(&s, 0, sizeof(s));
	s.desc = RelationGetDescr(rel);
	s.rows = rows;
	s.n_wanted = n_wanted;
	s.n_skip = -1;
	s.values = palloc0(sizeof(Datum) * (s.desc->natts + 1));
	s.isnull = palloc0(sizeof(bool) * (s.desc->natts + 1));
	s.row_cxt = AllocSetContextCreate(caller, "supertable sample row", ALLOCSET_DEFAULT_SIZES);
	reservoir_init_selection_state(&s.reservoir, n_wanted);
	estate->es_snapshot = GetActiveSnapshot();
	for (int i = 0; i < s.desc->natts; i++)
		wanted = bms_add_member(wanted, i + 1);
	s.source = stbl_source_begin(rel, rel->rd_rel->relowner, estate, wanted, NIL, NIL, NULL, false);
	while (stbl_source_advance(s.source))
		if (stbl_source_select(s.source) > 0)
			sample_block(&s);
	stbl_source_end(s.source);
	FreeExecutorState(estate);

	/* In the order they are stored, which the correlation of a column is about. */
	qsort(rows, s.n, sizeof(HeapTuple), compare_places);
	*n_rows = s.n_seen;
	*n_dead = 0;
	ereport(elevel,
			(errmsg("\"%s\": %.0f rows on storage; %d rows in sample", RelationGetRelationName(rel), s.n_seen, s.n)));
	return s.n;
}

static bool
supertableAnalyzeForeignTable(Relation rel, AcquireSampleRowsFunc *func, BlockNumber *n_pages)
{
	StblTable  *table = stbl_relation_table(RelationGetRelid(rel), rel->rd_rel->relowner, false);
	StblSnapshot *snapshot = stbl_snapshot_refresh(table, 0);

	*func = acquire_sample;
	*n_pages = (BlockNumber) Min(Max(snapshot->n_bytes / BLCKSZ, 1), (int64) MaxBlockNumber);
	return true;
}

void
stbl_fdw_analyze_routines(FdwRoutine *routine)
{
	routine->AnalyzeForeignTable = supertableAnalyzeForeignTable;
}
