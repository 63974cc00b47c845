/* Stored values that an UPDATE carries over; see carry.h. */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/superfile.h"
#include "fdw/carry.h"
#include "fdw/datum.h"

/*
 * Decoded values kept: a join may bring the rows in any order, and a row
 * group that was dropped is read and decoded once more.
 */
#define MAX_BYTES ((uint64) 64 * 1024 * 1024)

/* The carried columns of a row group. */
typedef struct Group
{
	dlist_node	node;			/* most recently used first */
	MemoryContext cxt;
	uint32		file_no;
	uint32		first;			/* position of its first row */
	uint32		n_rows;
	uint64		bytes;
	StblColumnRead *columns;	/* leaf -1: the superfile has none */
} Group;

struct StblCarry
{
	StblTxnTable *tt;
	StblTable  *table;
	StblSnapshot *snapshot;
	MemoryContext cxt;
	int			n;
	StblField  *fields;
	StblColVec *copies;			/* one value each, on its way from a column to the same one */
	int			n_parts;
	StblOwnPart *parts;
	StblSuperfile *sf;			/* the last one opened, or NULL */
	uint32		sf_no;
	uint64		bytes;			/* of all groups */
	dlist_head	groups;

	/* the row at hand */
	const StblColVec **values;	/* one a field; NULL: null */
	uint32		row;
};

StblCarry *
stbl_carry_begin(StblTxnTable *tt, StblSnapshot *snapshot, CommandId curcid, const StblField **fields, int n)
{
	StblCarry  *c = palloc0(sizeof(StblCarry));
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);

	c->tt = tt;
	c->table = stbl_txn_storage(tt);
	c->snapshot = snapshot;
	c->cxt = CurrentMemoryContext;
	c->n = n;
	c->fields = palloc(sizeof(StblField) * n);
	c->copies = palloc(sizeof(StblColVec) * n);
	c->values = palloc0(sizeof(StblColVec *) * n);
	for (int i = 0; i < n; i++)
	{
		uint32		width;
		StblVecKind kind = stbl_field_vec_kind(fields[i], &width);

		c->fields[i] = *fields[i];
		c->fields[i].name = pstrdup(fields[i]->name);
		stbl_colvec_init(&c->copies[i], mem, fields[i]->is_array, kind, width);
	}
	dlist_init(&c->groups);
	c->parts = stbl_txn_own_parts(tt, curcid, &c->n_parts);
	return c;
}

void
stbl_carry_end(StblCarry *c)
{
	for (int i = 0; i < c->n_parts; i++)
		if (c->parts[i].batch != NULL)
			stbl_batch_release(c->parts[i].batch);
	c->n_parts = 0;
}

/* ---- row groups ---- */

static void
drop_oldest(StblCarry *c)
{
	Group	   *g = dlist_container(Group, node, dlist_tail_node(&c->groups));

	dlist_delete(&g->node);
	c->bytes -= g->bytes;
	MemoryContextDelete(g->cxt);
}

static void
open_superfile(StblCarry *c, uint32 file_no, const StblOwnPart *part)
{
	MemoryContext old = MemoryContextSwitchTo(c->cxt);

	if (c->sf != NULL)
		stbl_superfile_close(c->sf);
	c->sf = NULL;
	if (part != NULL)
		c->sf = stbl_superfile_open(c->table, part->path, part->size, part->image);
	else
	{
		const char *path = stbl_txn_file_path(c->tt, file_no);
		StblFile   *f = stbl_snapshot_file(c->snapshot, path);

		if (f == NULL)
			elog(ERROR, "superfile \"%s\" is not in the statement's snapshot", path);
		c->sf = stbl_superfile_open(c->table, f->path, f->size, NULL);
	}
	c->sf_no = file_no;
	MemoryContextSwitchTo(old);
}

static int
row_group_at(const StblSuperfile *sf, uint32 position)
{
	int			lo = 0;
	int			hi = sf->meta->n_row_groups;

	if ((int64) position >= sf->meta->n_rows)
		elog(ERROR, "superfile \"%s\" has no row %u", sf->path, position);
	while (hi - lo > 1)
	{
		int			mid = lo + (hi - lo) / 2;

		if (sf->meta->row_groups[mid].first_row <= (int64) position)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Decodes the carried columns of the row group that has a row. */
static Group *
read_group(StblCarry *c, uint32 file_no, uint32 position)
{
	MemoryContext cxt = AllocSetContextCreate(c->cxt, "supertable carried columns", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblMem    *mem = stbl_mem_in(cxt);
	Group	   *g = palloc0(sizeof(Group));
	StblColumnRead **reads = palloc(sizeof(StblColumnRead *) * c->n);
	int			no = row_group_at(c->sf, position);
	int			n = 0;
	StblError	err;

	g->cxt = cxt;
	g->file_no = file_no;
	g->first = (uint32) c->sf->meta->row_groups[no].first_row;
	g->n_rows = (uint32) c->sf->meta->row_groups[no].n_rows;
	g->columns = palloc0(sizeof(StblColumnRead) * c->n);
	for (int i = 0; i < c->n; i++)
	{
		g->columns[i].mem = mem;
		if (!stbl_schema_match_file(&c->sf->meta->schema, &c->fields[i], &g->columns[i].leaf, &err))
			stbl_superfile_throw(c->sf, &err);
		if (g->columns[i].leaf >= 0)
			reads[n++] = &g->columns[i];
	}
	stbl_superfile_read(c->sf, no, n, reads);
	for (int i = 0; i < n; i++)
		g->bytes += stbl_colvec_size(&reads[i]->vec);
	for (int i = 0; i < c->n; i++)
		if (g->columns[i].leaf >= 0)
			stbl_superfile_to_our_form(c->sf, g->columns[i].leaf, c->fields[i].kind, &g->columns[i].vec.elem);
	dlist_push_head(&c->groups, &g->node);
	c->bytes += g->bytes;
	while (c->bytes > MAX_BYTES && dlist_has_next(&c->groups, dlist_head_node(&c->groups)))
		drop_oldest(c);
	MemoryContextSwitchTo(old);
	return g;
}

static Group *
find_group(StblCarry *c, uint32 file_no, uint32 position)
{
	dlist_iter	iter;

	dlist_foreach(iter, &c->groups)
	{
		Group	   *g = dlist_container(Group, node, iter.cur);

		if (g->file_no == file_no && position >= g->first && position - g->first < g->n_rows)
		{
			dlist_move_head(&c->groups, &g->node);
			return g;
		}
	}
	return NULL;
}

/* ---- rows ---- */

static void
seek_in_batch(StblCarry *c, const StblOwnPart *part, uint32 position)
{
	const StblSchema *schema = stbl_batch_schema(part->batch);
	StblColVec **cols = stbl_batch_columns(part->batch);

	for (int i = 0; i < c->n; i++)
	{
		int			j = stbl_schema_find(schema, c->fields[i].name);

		c->values[i] = j >= 0 ? cols[j] : NULL;
	}
	c->row = position - part->first_position;
}

void
stbl_carry_seek(StblCarry *c, uint32 file_no, uint32 position)
{
	const StblOwnPart *part = NULL;
	Group	   *g;

	for (int i = 0; i < c->n_parts && part == NULL; i++)
		if (c->parts[i].file_no == file_no)
			part = &c->parts[i];
	if (part != NULL && part->batch != NULL)
	{
		seek_in_batch(c, part, position);
		return;
	}
	g = find_group(c, file_no, position);
	if (g == NULL)
	{
		if (c->sf == NULL || c->sf_no != file_no)
			open_superfile(c, file_no, part);
		g = read_group(c, file_no, position);
	}
	for (int i = 0; i < c->n; i++)
		c->values[i] = g->columns[i].leaf >= 0 ? &g->columns[i].vec : NULL;
	c->row = position - g->first;
}

/* A decimal, in whichever form its file has it, in that of the column. */
static void
put_decimal(StblVec *to, const StblVec *from, size_t i)
{
	__int128	v = stbl_unscaled(from, i);
	uint8		bytes[16];

	if (to->kind == STBL_VEC_I32)
		stbl_vec_fixed(to, &(int32) {(int32) v});
	else if (to->kind == STBL_VEC_I64)
		stbl_vec_fixed(to, &(int64) {(int64) v});
	else
	{
		for (int k = (int) to->width - 1; k >= 0; k--, v >>= 8)
			bytes[k] = (uint8) v;
		stbl_vec_fixed(to, bytes);
	}
}

/* Row `row` of a column whose decimals have another form. */
static void
convert_row(StblColVec *to, const StblColVec *from, uint32 row)
{
	size_t		first = from->is_list ? from->row_offsets[row] : row;
	size_t		end = from->is_list ? from->row_offsets[row + 1] : (size_t) row + 1;

	if (from->is_list ? !from->row_valid[row] : !from->elem.valid[row])
	{
		stbl_colvec_null(to);
		return;
	}
	for (size_t i = first; i < end; i++)
	{
		if (from->elem.valid[i])
			put_decimal(&to->elem, &from->elem, i);
		else
			stbl_vec_null(&to->elem);
	}
	stbl_colvec_end_row(to);
}

void
stbl_carry_append(StblCarry *c, int i, StblColVec *to)
{
	const StblColVec *from = c->values[i];
	StblColVec *copy = &c->copies[i];

	if (from == NULL)
	{
		stbl_colvec_null(to);
		return;
	}
	if (from->elem.kind != to->elem.kind || from->elem.width != to->elem.width)
	{
		convert_row(to, from, c->row);
		return;
	}
	/* by way of a copy: the row may be of the very batch that the new one goes to */
	stbl_colvec_reset(copy);
	stbl_colvec_copy_row(copy, from, c->row);
	stbl_colvec_copy_row(to, copy, 0);
}
