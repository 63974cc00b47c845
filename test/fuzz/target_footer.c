/* Footers of Parquet files: the input is what stands before length and magic. */
#include "delta/schema.h"
#include "fuzz.h"
#include "parquet/parquet.h"

#define FILE_SIZE (UINT64_C(1) << 32)

static void
look(StblMem *mem, const StblPqMeta *meta)
{
	for (int leaf = 0; leaf < meta->schema.n_leaves; leaf++)
	{
		StblPqStats stats;

		stbl_stats_of_footer(mem, meta, leaf, &stats);
		for (int g = 0; g < meta->n_row_groups; g++)
		{
			const StblPqChunk *chunk = &meta->row_groups[g].chunks[leaf];
			StblPqBounds b;

			MUST(chunk->offset >= 4 && chunk->offset + chunk->length <= FILE_SIZE);
			stbl_pq_bounds(meta, g, leaf, &b);
			MUST(!b.has_null_count || b.null_count <= chunk->n_values);
		}
	}
	for (int i = 1; i < meta->schema.n_nodes; i++)
	{
		StblField	field;
		StblError	err;
		int			leaf;

		memset(&field, 0, sizeof(field));
		field.name = (char *) meta->schema.nodes[i].name;
		for (int k = STBL_BOOLEAN; k <= STBL_OTHER; k++)
			for (int is_array = 0; is_array < 2; is_array++)
			{
				field.kind = (StblTypeKind) k;
				field.is_array = is_array;
				if (stbl_schema_match_file(&meta->schema, &field, &leaf, &err))
					MUST(leaf >= -1 && leaf < meta->schema.n_leaves);
			}
		(void) stbl_pq_find(&meta->schema, field.name);
	}
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	uint8_t    *footer = stbl_alloc(mem, size + 8);
	uint32_t	len = (uint32_t) size;
	StblPqMeta *meta;
	StblError	err;

	memcpy(footer, data, size);
	memcpy(footer + size, &len, 4);
	memcpy(footer + size + 4, "PAR1", 4);
	meta = stbl_pq_parse_footer(mem, footer, size + 8, FILE_SIZE, &err);
	if (meta != NULL)
		look(mem, meta);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
