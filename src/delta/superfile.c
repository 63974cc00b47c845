/* Superfiles as a scan reads them. */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/superfile.h"

/* How much of a file's end is fetched at first: most footers fit. */
#define FOOTER_GUESS 65536

void
stbl_superfile_throw(const StblSuperfile *sf, const StblError *err)
{
	StblError	named = *err;

	stbl_fail(&named, err->kind, "superfile \"%s\" of table \"%s\": %s", sf->path, sf->table->root, err->message);
	strlcpy(named.detail, err->detail, sizeof(named.detail));
	strlcpy(named.hint, err->hint, sizeof(named.hint));
	stbl_throw(&named);
}

static const uint8 *
read_range(StblSuperfile *sf, StblCall *call)
{
	StblError	err;

	switch (stbl_await(call))
	{
		case STBL_ST_OK:
			return call->req.body;
		case STBL_ST_NOT_FOUND:
			stbl_fail(&err, STBL_ERR_CORRUPT, "the object is missing");
			stbl_error_detail(&err, "The table's log names it, but storage has no such object.");
			stbl_superfile_throw(sf, &err);
			break;
		default:
			stbl_call_error(call, &err);
			stbl_throw(&err);
	}
	return NULL;
}

StblSuperfile *
stbl_superfile_open(StblTable *table, const char *path, uint64 size, const uint8 *image)
{
	StblSuperfile *sf = palloc0(sizeof(StblSuperfile));
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	uint64		tail_len = Min(size, FOOTER_GUESS);
	uint64		footer_len;
	const uint8 *tail;
	StblCall   *call = NULL;
	char	   *key = stbl_table_key(table, path);
	StblError	err;

	sf->table = table;
	sf->path = pstrdup(path);
	sf->size = size;
	sf->image = image;
	if (size < 12)
	{
		stbl_fail(&err, STBL_ERR_CORRUPT, "its size of " UINT64_FORMAT " bytes is too small for a Parquet file", size);
		stbl_superfile_throw(sf, &err);
	}
	if (image != NULL)
		tail = image + size - tail_len;
	else
	{
		call = stbl_store_get_range(table->store, key, size - tail_len, tail_len, 0);
		tail = read_range(sf, call);
	}
	if (!stbl_pq_footer_length(tail + tail_len - 8, size, &footer_len, &err))
		stbl_superfile_throw(sf, &err);
	if (footer_len > tail_len)
	{
		if (image != NULL)
			tail = image + size - footer_len;
		else
		{
			stbl_call_free(call);
			call = stbl_store_get_range(table->store, key, size - footer_len, footer_len, 0);
			tail = read_range(sf, call);
		}
		tail_len = footer_len;
	}
	sf->meta = stbl_pq_parse_footer(mem, tail + tail_len - footer_len, footer_len, size, &err);
	if (sf->meta == NULL)
		stbl_superfile_throw(sf, &err);
	if (call != NULL)
		stbl_call_free(call);
	return sf;
}

static void
decode(StblSuperfile *sf, int row_group, StblColumnRead *c, const uint8 *data)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	const StblPqChunk *chunk = &sf->meta->row_groups[row_group].chunks[c->leaf];
	const StblPqNode *node = &sf->meta->schema.nodes[sf->meta->schema.leaf_nodes[c->leaf]];
	uint32		width;
	StblVecKind kind = stbl_pq_vec_kind(node, &width);
	MemoryContext scratch;
	MemoryContext old;
	StblError	err;

	c->is_coded = false;
	if (c->want_coded && !stbl_pq_read_coded(mem, sf->meta, row_group, c->leaf, data, chunk->length,
											 &c->coded, &c->is_coded, &err))
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
	if (!stbl_pq_read_column(stbl_mem_in(scratch), sf->meta, row_group, c->leaf, data, chunk->length, &c->vec, &err))
		stbl_superfile_throw(sf, &err);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
stbl_superfile_read(StblSuperfile *sf, int row_group, int n, StblColumnRead *const *columns)
{
	const StblPqRowGroup *rg = &sf->meta->row_groups[row_group];
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	char	   *key = stbl_table_key(sf->table, sf->path);

	if (sf->image == NULL)
		for (int i = 0; i < n; i++)
			calls[i] = stbl_store_get_range(sf->table->store, key, rg->chunks[columns[i]->leaf].offset,
											rg->chunks[columns[i]->leaf].length, 0);
	for (int i = 0; i < n; i++)
	{
		decode(sf, row_group, columns[i],
			   sf->image ? sf->image + rg->chunks[columns[i]->leaf].offset : read_range(sf, calls[i]));
		if (calls[i] != NULL)
			stbl_call_free(calls[i]);
	}
}
