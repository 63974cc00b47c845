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

void
stbl_superfile_read(StblSuperfile *sf, int row_group, int n, const int *leaves, StblColVec *const *out)
{
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblPqRowGroup *rg = &sf->meta->row_groups[row_group];
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	char	   *key = stbl_table_key(sf->table, sf->path);
	MemoryContext cxt = CurrentMemoryContext;

	if (sf->image == NULL)
		for (int i = 0; i < n; i++)
			calls[i] = stbl_store_get_range(sf->table->store, key, rg->chunks[leaves[i]].offset,
											rg->chunks[leaves[i]].length, 0);
	for (int i = 0; i < n; i++)
	{
		const StblPqChunk *chunk = &rg->chunks[leaves[i]];
		const StblPqNode *node = &sf->meta->schema.nodes[sf->meta->schema.leaf_nodes[leaves[i]]];
		const uint8 *data = sf->image ? sf->image + chunk->offset : read_range(sf, calls[i]);
		uint32		width;
		StblVecKind kind = stbl_pq_vec_kind(node, &width);
		MemoryContext scratch = AllocSetContextCreate(cxt, "supertable decode", ALLOCSET_DEFAULT_SIZES);
		StblError	err;

		stbl_colvec_init(out[i], mem, node->max_rep > 0, kind, width);
		MemoryContextSwitchTo(scratch);
		if (!stbl_pq_read_column(stbl_mem_in(scratch), sf->meta, row_group, leaves[i], data, chunk->length, out[i], &err))
			stbl_superfile_throw(sf, &err);
		MemoryContextSwitchTo(cxt);
		MemoryContextDelete(scratch);
		if (calls[i] != NULL)
			stbl_call_free(calls[i]);
	}
}
