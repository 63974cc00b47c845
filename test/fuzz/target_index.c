/*
 * The page index of a chunk, and the chunk read in part by it.  The input
 * begins with what a footer would say, which pages and rows are asked for,
 * and the lengths of the index's two parts; the chunk's bytes come last.
 */
#include "fuzz.h"
#include "parquet/parquet_int.h"

#define HEAD 12
#define CHUNK_OFFSET 4

static StblPqNode nodes[4];

static bool
make_schema(StblMem *mem, const uint8_t *head, StblPqSchema *schema)
{
	StblError	err;
	int			shape = head[0] % 3;	/* required, optional, list */

	memset(nodes, 0, sizeof(nodes));
	memset(schema, 0, sizeof(*schema));
	for (int i = 0; i < 4; i++)
	{
		nodes[i].name = "x";
		nodes[i].field_id = -1;
		nodes[i].n_children = 1;
		nodes[i].repetition = shape == 0 ? STBL_PQ_REQUIRED : i == 2 ? STBL_PQ_REPEATED : STBL_PQ_OPTIONAL;
	}
	schema->nodes = nodes;
	schema->n_nodes = shape < 2 ? 2 : 4;
	nodes[schema->n_nodes - 1].n_children = 0;
	nodes[schema->n_nodes - 1].type = (StblPqType) (head[1] % 8);
	nodes[schema->n_nodes - 1].type_length = 5;
	return stbl_pq_schema_finish(mem, schema, &err);
}

static void
sound(const StblVec *v)
{
	for (size_t i = 0; i < v->n; i++)
	{
		MUST(v->valid[i] <= 1);
		if (v->kind == STBL_VEC_BYTES)
			MUST(v->offsets[i] <= v->offsets[i + 1] && v->offsets[i + 1] <= v->bytes_cap);
	}
}

static void
look_at_pages(const StblPqMeta *meta, const StblPqPages *pages)
{
	const StblPqChunk *chunk = meta->row_groups[0].chunks;
	uint64_t	at = chunk->offset;
	int64_t		row = 0;

	for (int i = 0; i < pages->n; i++)
	{
		const StblPqPlace *p = &pages->places[i];

		MUST(p->offset >= at && p->length > 0 && p->offset + p->length <= chunk->offset + chunk->length);
		MUST(p->first_row == row && p->n_rows > 0);
		at = p->offset + p->length;
		row += p->n_rows;
		if (pages->stats != NULL)
		{
			StblPqBounds b;

			stbl_pq_page_bounds(meta, 0, pages, i, &b);
			MUST(!b.has_null_count || b.null_count <= p->n_rows);
		}
	}
	MUST(row == meta->row_groups[0].n_rows);
}

static void
read_part(StblMem *mem, const StblPqMeta *meta, const uint8_t *head, const StblPqPages *pages, const uint8_t *chunk)
{
	const uint8_t **bytes = stbl_alloc0(mem, (size_t) pages->n * sizeof(uint8_t *));
	StblPqPart	part = {0, 0, pages, bytes, chunk};
	int64_t		n_rows = meta->row_groups[0].n_rows;
	StblPqCoded coded;
	StblColVec	col;
	StblError	err;
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(&meta->schema.nodes[meta->schema.n_nodes - 1], &width);
	bool		is_coded = false;

	part.first_row = head[2] % n_rows;
	part.n_rows = n_rows - part.first_row;
	if (head[3] < part.n_rows)
		part.n_rows -= head[3];
	for (int i = 0; i < pages->n; i++)
		if (head[4] >> i % 8 & 1)
			bytes[i] = chunk + (pages->places[i].offset - CHUNK_OFFSET);
	stbl_colvec_init(&col, mem, meta->schema.n_nodes == 4, kind, width);
	if (stbl_pq_read_column_part(mem, meta, 0, 0, &part, &col, &err))
	{
		MUST(col.n_rows == (size_t) part.n_rows);
		sound(&col.elem);
	}
	if (stbl_pq_read_coded_part(mem, meta, 0, 0, &part, &coded, &is_coded, &err) && is_coded)
	{
		MUST(coded.n_rows == (size_t) part.n_rows);
		sound(&coded.dict);
	}
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblPqMeta	meta;
	StblPqRowGroup group;
	StblPqChunk chunk;
	StblPqPages pages;
	StblError	err;
	size_t		n_offsets,
				n_bounds;
	bool		ordered = true;

	if (size < HEAD)
		return;
	memset(&meta, 0, sizeof(meta));
	memset(&group, 0, sizeof(group));
	memset(&chunk, 0, sizeof(chunk));
	n_offsets = (size_t) (data[8] | data[9] << 8);
	n_bounds = (size_t) (data[10] | data[11] << 8);
	if (n_offsets + n_bounds > size - HEAD || !make_schema(mem, data, &meta.schema))
		return;
	meta.row_groups = &group;
	meta.n_row_groups = 1;
	meta.is_ordered = &ordered;
	group.chunks = &chunk;
	group.n_rows = (data[5] | data[6] << 8) + 1;
	chunk.n_values = group.n_rows + (data[0] % 3 == 2 ? data[7] : 0);
	chunk.codec = STBL_PQ_UNCOMPRESSED;
	chunk.offset = CHUNK_OFFSET;
	chunk.length = size - HEAD - n_offsets - n_bounds;
	if (!stbl_pq_parse_offset_index(mem, &meta, 0, 0, data + HEAD, n_offsets, &pages, &err) || pages.n == 0)
		return;
	look_at_pages(&meta, &pages);
	if (stbl_pq_parse_column_index(mem, &meta, 0, 0, data + HEAD + n_offsets, n_bounds, &pages, &err))
		look_at_pages(&meta, &pages);
	else
		MUST(pages.stats == NULL);
	read_part(mem, &meta, data, &pages, data + HEAD + n_offsets + n_bounds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
