/* The schema tree: levels, leaves, paths. */
#include <string.h>

#include "parquet/parquet.h"
#include "parquet/parquet_int.h"

#define MAX_SCHEMA_DEPTH 32

int
stbl_pq_decimal_length(int precision)
{
	/* Smallest n with 10^precision - 1 <= 2^(8n - 1) - 1, for 0 to 38 digits. */
	static const uint8_t length[] = {1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 8, 9, 9, 9, 10, 10, 11, 11, 11, 12,
	12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};

	return precision < 0 || precision > 38 ? 16 : length[precision];
}

static bool
finish_node(StblPqSchema *schema, int *next, int parent, int def, int rep, int depth, StblError *err)
{
	int			index = *next;
	StblPqNode *node;

	if (index >= schema->n_nodes)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema ends before its last element");
	if (depth > MAX_SCHEMA_DEPTH)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema is nested too deep");
	node = &schema->nodes[index];
	*next = index + 1;
	node->parent = parent;
	node->leaf = -1;
	if (parent >= 0)
	{
		def += node->repetition != STBL_PQ_REQUIRED;
		rep += node->repetition == STBL_PQ_REPEATED;
	}
	node->max_def = def;
	node->max_rep = rep;
	if (node->n_children == 0 && parent >= 0)
	{
		if (node->type == STBL_PQ_FIXED && (node->type_length <= 0 || node->type_length > 1024 * 1024))
			return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet column \"%s\" has a fixed length of %d", node->name, node->type_length);
		node->leaf = schema->n_leaves;
		schema->leaf_nodes[schema->n_leaves++] = index;
		return true;
	}
	for (int i = 0; i < node->n_children; i++)
		if (!finish_node(schema, next, index, def, rep, depth + 1, err))
			return false;
	return true;
}

bool
stbl_pq_schema_finish(StblMem *mem, StblPqSchema *schema, StblError *err)
{
	int			next = 0;

	if (schema->n_nodes < 1)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema is empty");
	schema->leaf_nodes = stbl_alloc_array(mem, schema->n_nodes, sizeof(int));
	schema->n_leaves = 0;
	for (int i = 0; i < schema->n_nodes; i++)
		if (schema->nodes[i].n_children < 0)
			return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema element %d has a negative number of children", i);
	if (!finish_node(schema, &next, -1, 0, 0, 0, err))
		return false;
	if (next != schema->n_nodes)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema has %d elements more than its tree", schema->n_nodes - next);
	return true;
}

int
stbl_pq_find(const StblPqSchema *schema, const char *path)
{
	int			at = 0;

	while (*path != '\0')
	{
		size_t		len = strcspn(path, ".");
		int			found = -1;

		for (int i = at + 1; i < schema->n_nodes && found < 0; i++)
			if (schema->nodes[i].parent == at && strlen(schema->nodes[i].name) == len &&
				memcmp(schema->nodes[i].name, path, len) == 0)
				found = i;
		if (found < 0)
			return -1;
		at = found;
		path += len;
		if (*path == '.')
			path++;
	}
	return at == 0 ? -1 : at;
}

StblVecKind
stbl_pq_vec_kind(const StblPqNode *leaf, uint32_t *width)
{
	*width = 0;
	switch (leaf->type)
	{
		case STBL_PQ_BOOLEAN:
			return STBL_VEC_BOOL;
		case STBL_PQ_INT32:
			return STBL_VEC_I32;
		case STBL_PQ_INT64:
		case STBL_PQ_INT96:
			return STBL_VEC_I64;
		case STBL_PQ_FLOAT:
			return STBL_VEC_F32;
		case STBL_PQ_DOUBLE:
			return STBL_VEC_F64;
		case STBL_PQ_BYTE_ARRAY:
			return STBL_VEC_BYTES;
		case STBL_PQ_FIXED:
			*width = (uint32_t) leaf->type_length;
			return STBL_VEC_FIXED;
	}
	return STBL_VEC_BYTES;
}
