/*
 * The pages of a chunk, headers and all.  The input begins with what a footer
 * would say: compression, shape, type, values, rows.
 */
#include "fuzz.h"
#include "parquet/parquet_int.h"

#define HEAD 8

static StblPqNode nodes[4];

static bool
make_schema(StblMem *mem, const uint8_t *head, StblPqSchema *schema)
{
	StblError	err;
	StblPqNode *leaf;
	int			shape = head[1] % 4;	/* required, optional, list of three levels, of two */

	memset(nodes, 0, sizeof(nodes));
	memset(schema, 0, sizeof(*schema));
	for (int i = 0; i < 4; i++)
	{
		nodes[i].name = "x";
		nodes[i].field_id = -1;
		nodes[i].n_children = 1;
		nodes[i].repetition = STBL_PQ_OPTIONAL;
	}
	schema->nodes = nodes;
	schema->n_nodes = shape < 2 ? 2 : shape == 2 ? 4 : 3;
	if (shape >= 2)
		nodes[2].repetition = STBL_PQ_REPEATED;
	leaf = &nodes[schema->n_nodes - 1];
	leaf->n_children = 0;
	leaf->type = (StblPqType) (head[2] % 8);
	leaf->type_length = head[3] % 33;
	if (shape == 0)
		leaf->repetition = STBL_PQ_REQUIRED;
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

/* What codes and dictionary say is what the column says. */
static void
compare(const StblPqCoded *c, const StblColVec *col)
{
	const StblVec *v = &col->elem;

	MUST(c->n_rows == v->n && c->n_null == v->n_null);
	for (size_t i = 0; i < v->n; i++)
	{
		uint32_t	code = c->codes[i];

		MUST(v->valid[i] == (code < c->dict.n) && (c->valid == NULL || c->valid[i] == v->valid[i]));
		if (!v->valid[i])
			continue;
		if (v->kind != STBL_VEC_BYTES)
			MUST(memcmp(v->values + i * v->width, c->dict.values + code * v->width, v->width) == 0);
		else
			MUST(v->offsets[i + 1] - v->offsets[i] == c->dict.offsets[code + 1] - c->dict.offsets[code] &&
				 memcmp(v->bytes + v->offsets[i], c->dict.bytes + c->dict.offsets[code], v->offsets[i + 1] - v->offsets[i]) == 0);
	}
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	static const StblPqCodec codecs[] = {STBL_PQ_UNCOMPRESSED, STBL_PQ_SNAPPY, STBL_PQ_GZIP, STBL_PQ_ZSTD, STBL_PQ_LZ4_RAW};
	StblPqMeta	meta;
	StblPqRowGroup group;
	StblPqChunk chunk;
	StblPqLeafData leaf;
	StblPqCoded c;
	StblColVec	col;
	StblError	err;
	uint32_t	width;
	StblVecKind kind;
	bool		coded;

	if (size < HEAD)
		return;
	memset(&meta, 0, sizeof(meta));
	memset(&group, 0, sizeof(group));
	memset(&chunk, 0, sizeof(chunk));
	if (!make_schema(mem, data, &meta.schema))
		return;
	meta.row_groups = &group;
	meta.n_row_groups = 1;
	group.chunks = &chunk;
	chunk.codec = codecs[data[0] % 5];
	chunk.offset = 4;
	chunk.length = size - HEAD;
	chunk.n_values = data[4] | data[5] << 8;
	group.n_rows = data[1] % 4 < 2 ? chunk.n_values : (data[6] | data[7] << 8);
	if (chunk.n_values < group.n_rows)
		return;
	kind = stbl_pq_vec_kind(&meta.schema.nodes[meta.schema.n_nodes - 1], &width);
	stbl_colvec_init(&col, mem, data[1] % 4 >= 2, kind, width);
	if (stbl_pq_read_column(mem, &meta, 0, 0, data + HEAD, size - HEAD, &col, &err))
	{
		MUST(col.n_rows == (size_t) group.n_rows);
		sound(&col.elem);
		MUST(stbl_pq_read_leaf(mem, &meta, 0, 0, data + HEAD, size - HEAD, &leaf, &err));
		MUST(leaf.n_levels == (size_t) chunk.n_values && leaf.values.n <= leaf.n_levels);
		sound(&leaf.values);
		MUST(stbl_pq_read_coded(mem, &meta, 0, 0, data + HEAD, size - HEAD, &c, &coded, &err));
		if (coded)
			compare(&c, &col);
	}
	else if (stbl_pq_read_coded(mem, &meta, 0, 0, data + HEAD, size - HEAD, &c, &coded, &err))
		MUST(!coded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
