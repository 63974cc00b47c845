/* Superfiles as a scan reads them. */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/superfile.h"

/* How much of a file's end is fetched at first: most footers fit, and most page indexes before them. */
#define MIN_GUESS ((uint64) 64 * 1024)
#define MAX_GUESS ((uint64) 256 * 1024)
#define GUESS(size) Max(Min((size) / 1024, MAX_GUESS), MIN_GUESS)

/* Of a Parquet file: two magics and the footer's length. */
#define MIN_SIZE 12

void
stbl_superfile_throw(const StblSuperfile *sf, const StblError *err)
{
	StblError	named = *err;

	stbl_fail(&named, err->kind, "superfile \"%s\" of table \"%s\": %s", sf->path, sf->table->root, err->message);
	strlcpy(named.detail, err->detail, sizeof(named.detail));
	strlcpy(named.hint, err->hint, sizeof(named.hint));
	stbl_throw(&named);
}

/* What kept bytes of a superfile from being read. */
static void
throw_read(const StblSuperfile *sf, StblError *err)
{
	switch (err->kind)
	{
		case STBL_ERR_NOT_FOUND:
			stbl_fail(err, STBL_ERR_CORRUPT, "the object is missing");
			stbl_error_detail(err, "The table's log names it, but storage has no such object.");
			stbl_superfile_throw(sf, err);
			break;
		default:
			stbl_throw(err);
	}
}

/* A fetch of ranges of a row group; in sf->wants. */
typedef struct StblWant
{
	int			row_group;		/* -1: nobody had asked before */
	StblFetch  *fetch;
	bool		is_read;		/* some of it */
	struct StblWant *next;
} StblWant;

/* ---- opening ---- */

static void
fetch_tail(StblSuperfile *sf, uint64 length)
{
	StblRange	range = {sf->size - length, length};
	MemoryContext old = MemoryContextSwitchTo(sf->cxt);

	if (sf->tail != NULL)
		stbl_fetch_free(sf->tail);
	sf->tail = NULL;
	sf->tail = stbl_fetch_ranges(sf->table->store, sf->key, 0, sf->size, &range, 1);
	sf->tail_offset = range.offset;
	MemoryContextSwitchTo(old);
}

/* The last bytes of the file; NULL with err set. */
static const uint8 *
tail_bytes(StblSuperfile *sf, uint64 length, StblError *err)
{
	if (sf->image != NULL)
		return sf->image + sf->size - length;
	return stbl_fetch_bytes(sf->tail, sf->size - length, length, err);
}

StblSuperfile *
stbl_superfile_begin(StblTable *table, const char *path, uint64 size, const uint8 *image, uint64 whole)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable superfile", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblSuperfile *sf = palloc0(sizeof(StblSuperfile));

	sf->cxt = cxt;
	sf->table = table;
	sf->path = pstrdup(path);
	sf->key = stbl_table_key(table, path);
	sf->size = size;
	sf->image = image;
	MemoryContextSwitchTo(old);
	if (image == NULL && size >= MIN_SIZE)
		fetch_tail(sf, size <= whole ? size : Min(size, GUESS(size)));
	return sf;
}

typedef enum Footer
{
	FOOTER_READ,
	FOOTER_AWAITED,				/* more of it was asked for */
	FOOTER_NOT_HAD,				/* storage did not give it; err says why */
	FOOTER_BROKEN				/* it is not sound; err says why */
} Footer;

/* Finds and reads the footer. */
static Footer
read_footer(StblSuperfile *sf, bool wait, StblError *err)
{
	uint64		footer_len;
	const uint8 *bytes;
	MemoryContext old;

	if (sf->size < MIN_SIZE)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "its size of " UINT64_FORMAT " bytes is too small for a Parquet file", sf->size);
		return FOOTER_BROKEN;
	}
	bytes = tail_bytes(sf, 8, err);
	if (bytes == NULL)
		return FOOTER_NOT_HAD;
	if (!stbl_pq_footer_length(bytes, sf->size, &footer_len, err))
		return FOOTER_BROKEN;
	if (sf->image == NULL && footer_len > sf->size - sf->tail_offset)
	{
		fetch_tail(sf, footer_len);
		if (!wait && !stbl_fetch_is_done(sf->tail))
			return FOOTER_AWAITED;
	}
	bytes = tail_bytes(sf, footer_len, err);
	if (bytes == NULL)
		return FOOTER_NOT_HAD;
	old = MemoryContextSwitchTo(sf->cxt);
	sf->meta = stbl_pq_parse_footer(stbl_mem_in(sf->cxt), bytes, footer_len, sf->size, err);
	MemoryContextSwitchTo(old);
	return sf->meta != NULL ? FOOTER_READ : FOOTER_BROKEN;
}

void
stbl_superfile_finish(StblSuperfile *sf)
{
	StblError	err;

	if (sf->meta != NULL)
		return;
	switch (read_footer(sf, true, &err))
	{
		case FOOTER_NOT_HAD:
			throw_read(sf, &err);
			break;
		case FOOTER_BROKEN:
			stbl_superfile_throw(sf, &err);
			break;
		default:
			break;
	}
}

bool
stbl_superfile_try_finish(StblSuperfile *sf)
{
	StblError	err;

	if (sf->meta != NULL)
		return true;
	if (sf->tail != NULL && !stbl_fetch_is_done(sf->tail))
		return false;
	return read_footer(sf, false, &err) == FOOTER_READ;
}

StblSuperfile *
stbl_superfile_open(StblTable *table, const char *path, uint64 size, const uint8 *image)
{
	StblSuperfile *sf = stbl_superfile_begin(table, path, size, image, 0);

	stbl_superfile_finish(sf);
	return sf;
}

void
stbl_superfile_close(StblSuperfile *sf)
{
	MemoryContextDelete(sf->cxt);
}

/* ---- ranges ---- */

static StblFetch *
fetch_of(const StblSuperfile *sf, uint64 offset, uint64 length, bool is_read)
{
	if (sf->tail != NULL && stbl_fetch_covers(sf->tail, offset, length))
		return sf->tail;
	for (StblWant *w = sf->wants; w != NULL; w = w->next)
		if (stbl_fetch_covers(w->fetch, offset, length))
		{
			w->is_read = w->is_read || is_read;
			return w->fetch;
		}
	return NULL;
}

void
stbl_superfile_want(StblSuperfile *sf, int row_group, const StblRange *ranges, int n)
{
	MemoryContext old;
	StblRange  *missing;
	StblWant   *w;
	int			n_missing = 0;

	if (sf->image != NULL)
		return;
	old = MemoryContextSwitchTo(sf->cxt);
	missing = palloc(sizeof(StblRange) * (n + 1));
	for (int i = 0; i < n; i++)
		if (ranges[i].length > 0 && fetch_of(sf, ranges[i].offset, ranges[i].length, false) == NULL)
			missing[n_missing++] = ranges[i];
	if (n_missing > 0)
	{
		w = palloc0(sizeof(StblWant));
		w->row_group = row_group;
		w->fetch = stbl_fetch_ranges(sf->table->store, sf->key, 0, sf->size, missing, n_missing);
		w->next = sf->wants;
		sf->wants = w;
	}
	pfree(missing);
	MemoryContextSwitchTo(old);
}

const uint8 *
stbl_superfile_bytes(StblSuperfile *sf, uint64 offset, uint64 length)
{
	StblRange	range = {offset, length};
	StblFetch  *fetch;
	const uint8 *bytes;
	StblError	err;

	if (offset > sf->size || length > sf->size - offset)
	{
		stbl_fail(&err, STBL_ERR_CORRUPT, "it ends before byte " UINT64_FORMAT, offset + length);
		stbl_superfile_throw(sf, &err);
	}
	if (sf->image != NULL)
		return sf->image + offset;
	if (length == 0)
		return (const uint8 *) "";
	fetch = fetch_of(sf, offset, length, true);
	if (fetch == NULL)
	{
		stbl_superfile_want(sf, -1, &range, 1);
		fetch = fetch_of(sf, offset, length, true);
	}
	bytes = stbl_fetch_bytes(fetch, offset, length, &err);
	if (bytes == NULL)
		throw_read(sf, &err);
	return bytes;
}

bool
stbl_superfile_release(StblSuperfile *sf, int row_group)
{
	StblWant  **p = &sf->wants;
	bool		all_read = true;

	while (*p != NULL)
	{
		StblWant   *w = *p;

		if (w->row_group >= row_group)
		{
			p = &w->next;
			continue;
		}
		*p = w->next;
		all_read = all_read && w->is_read;
		stbl_fetch_free(w->fetch);
		pfree(w);
	}
	return all_read;
}

const uint8 *
stbl_superfile_peek(StblSuperfile *sf, uint64 offset, uint64 length)
{
	StblError	err;

	if (offset > sf->size || length > sf->size - offset)
		return NULL;
	if (sf->image != NULL)
		return sf->image + offset;
	if (sf->tail == NULL || !stbl_fetch_covers(sf->tail, offset, length) || !stbl_fetch_is_done(sf->tail))
		return NULL;
	return stbl_fetch_bytes(sf->tail, offset, length, &err);
}

bool
stbl_superfile_is_wanted(const StblSuperfile *sf, uint64 offset, uint64 length)
{
	return sf->image != NULL || fetch_of(sf, offset, length, false) != NULL;
}

uint64
stbl_superfile_held(const StblSuperfile *sf, int but_for)
{
	uint64		sum = sf->tail != NULL ? stbl_fetch_held(sf->tail) : 0;

	for (StblWant *w = sf->wants; w != NULL; w = w->next)
		if (but_for < 0 || w->row_group != but_for)
			sum += stbl_fetch_held(w->fetch);
	return sum;
}

StblRange
stbl_superfile_chunk(const StblSuperfile *sf, int row_group, int leaf)
{
	const StblPqChunk *chunk = &sf->meta->row_groups[row_group].chunks[leaf];

	return (StblRange) {chunk->offset, chunk->length};
}

int
stbl_superfile_page_ranges(const StblSuperfile *sf, int row_group, int leaf, const StblPqPages *pages,
						   const bool *is_needed, StblRange *ranges)
{
	uint64		start = sf->meta->row_groups[row_group].chunks[leaf].offset;
	int			n = 0;

	if (pages->places[0].offset > start)
		ranges[n++] = (StblRange) {start, pages->places[0].offset - start};
	for (int i = 0; i < pages->n; i++)
	{
		const StblPqPlace *p = &pages->places[i];

		if (!is_needed[i])
			continue;
		if (n > 0 && ranges[n - 1].offset + ranges[n - 1].length == p->offset)
			ranges[n - 1].length += p->length;
		else
			ranges[n++] = (StblRange) {p->offset, p->length};
	}
	return n;
}

/* ---- columns ---- */

/* The bytes of the pages that are needed, and of what comes before them. */
static void
get_part(StblSuperfile *sf, int row_group, StblColumnRead *c, StblPqPart *part)
{
	uint64		start = sf->meta->row_groups[row_group].chunks[c->leaf].offset;
	const uint8 **bytes = palloc0(sizeof(uint8 *) * c->pages->n);

	part->first_row = c->first_row;
	part->n_rows = c->n_rows;
	part->pages = c->pages;
	part->bytes = bytes;
	part->head = stbl_superfile_bytes(sf, start, c->pages->places[0].offset - start);
	c->n_pages_read = 0;
	for (int i = 0; i < c->pages->n; i++)
	{
		if (!c->is_needed[i])
			continue;
		bytes[i] = stbl_superfile_bytes(sf, c->pages->places[i].offset, c->pages->places[i].length);
		c->n_pages_read++;
	}
	c->n_pages_skipped = c->pages->n - c->n_pages_read;
}

static void
decode(StblSuperfile *sf, int row_group, StblColumnRead *c)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	const StblPqChunk *chunk = &sf->meta->row_groups[row_group].chunks[c->leaf];
	const StblPqNode *node = &sf->meta->schema.nodes[sf->meta->schema.leaf_nodes[c->leaf]];
	uint32		width;
	StblVecKind kind = stbl_pq_vec_kind(node, &width);
	const uint8 *data = NULL;
	StblPqPart	part;
	MemoryContext scratch;
	MemoryContext old;
	bool		ok = true;
	StblError	err;

	if (c->pages != NULL)
		get_part(sf, row_group, c, &part);
	else
	{
		data = stbl_superfile_bytes(sf, chunk->offset, chunk->length);
		c->n_pages_read = stbl_pq_count_pages(data, chunk->length);
		c->n_pages_skipped = 0;
	}
	c->is_coded = false;
	if (c->want_coded && c->pages != NULL)
		ok = stbl_pq_read_coded_part(mem, sf->meta, row_group, c->leaf, &part, &c->coded, &c->is_coded, &err);
	else if (c->want_coded)
		ok = stbl_pq_read_coded(mem, sf->meta, row_group, c->leaf, data, chunk->length, &c->coded, &c->is_coded, &err);
	if (!ok)
		stbl_superfile_throw(sf, &err);
	if (c->is_coded)
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "supertable decode", ALLOCSET_DEFAULT_SIZES);
	if (c->vec.elem.mem == NULL || c->vec.is_list != (node->max_rep > 0) || c->vec.elem.kind != kind ||
		(kind == STBL_VEC_FIXED && c->vec.elem.width != width))
	{
		if (c->vec.elem.mem != NULL)
			stbl_colvec_free(&c->vec);
		stbl_colvec_init(&c->vec, c->mem, node->max_rep > 0, kind, width);
	}
	old = MemoryContextSwitchTo(scratch);
	if (c->pages != NULL)
		ok = stbl_pq_read_column_part(stbl_mem_in(scratch), sf->meta, row_group, c->leaf, &part, &c->vec, &err);
	else
		ok = stbl_pq_read_column(stbl_mem_in(scratch), sf->meta, row_group, c->leaf, data, chunk->length, &c->vec, &err);
	if (!ok)
		stbl_superfile_throw(sf, &err);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
stbl_superfile_read(StblSuperfile *sf, int row_group, int n, StblColumnRead *const *columns)
{
	StblRange  *ranges;
	int			n_ranges = 0;

	for (int i = 0; i < n; i++)
		n_ranges += columns[i]->pages != NULL ? columns[i]->pages->n + 1 : 1;
	ranges = palloc(sizeof(StblRange) * (n_ranges + 1));
	n_ranges = 0;
	for (int i = 0; i < n; i++)
	{
		StblColumnRead *c = columns[i];

		if (c->pages != NULL)
			n_ranges += stbl_superfile_page_ranges(sf, row_group, c->leaf, c->pages, c->is_needed, ranges + n_ranges);
		else
			ranges[n_ranges++] = stbl_superfile_chunk(sf, row_group, c->leaf);
	}
	stbl_superfile_want(sf, -1, ranges, n_ranges);
	for (int i = 0; i < n; i++)
		decode(sf, row_group, columns[i]);
	(void) stbl_superfile_release(sf, 0);
	pfree(ranges);
}

/* ---- forms ---- */

/* Timestamps in another unit than microseconds become such, rounded down. */
static void
to_microseconds(const StblPqNode *node, StblVec *vec)
{
	int64	   *v = (int64 *) vec->values;

	if (node->logical == STBL_PQL_TIMESTAMP_MS)
		for (size_t i = 0; i < vec->n; i++)
		{
			if (__builtin_mul_overflow(v[i], 1000, &v[i]))
				ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
		}
	else if (node->logical == STBL_PQL_TIMESTAMP_NS)
		for (size_t i = 0; i < vec->n; i++)
			v[i] = v[i] / 1000 - (v[i] % 1000 < 0);
}

void
stbl_superfile_to_our_form(const StblSuperfile *sf, int leaf, StblTypeKind kind, StblVec *vec)
{
	to_microseconds(&sf->meta->schema.nodes[sf->meta->schema.leaf_nodes[leaf]], vec);
	if (vec->kind == STBL_VEC_FIXED && kind == STBL_BINARY)
		stbl_vec_to_bytes(vec);
}
