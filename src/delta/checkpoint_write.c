/*
 * Writing a classic checkpoint: one row an action, in one file.
 *
 * Every column is written as its levels and values.  A row gives levels only
 * to the columns of its own action; end_row fills the others with "not
 * there".
 */
#include <string.h>

#include "delta/checkpoint.h"
#include "parquet/parquet.h"

#define GROUP_ROWS 65536

/* Leaves in the order of the schema below. */
enum
{
	L_TXN_APP, L_TXN_VERSION, L_TXN_UPDATED,
	L_ADD_PATH, L_ADD_PARTITION_KEY, L_ADD_PARTITION_VALUE, L_ADD_SIZE, L_ADD_MTIME, L_ADD_CHANGE, L_ADD_STATS,
	L_ADD_TAG_KEY, L_ADD_TAG_VALUE, L_ADD_DV, L_ADD_DV_PATH, L_ADD_DV_OFFSET, L_ADD_DV_SIZE, L_ADD_DV_CARD,
	L_ADD_BASE, L_ADD_COMMIT,
	L_REMOVE_PATH, L_REMOVE_TIME, L_REMOVE_CHANGE, L_REMOVE_EXTENDED, L_REMOVE_PARTITION_KEY,
	L_REMOVE_PARTITION_VALUE, L_REMOVE_SIZE, L_REMOVE_DV, L_REMOVE_DV_PATH, L_REMOVE_DV_OFFSET, L_REMOVE_DV_SIZE,
	L_REMOVE_DV_CARD, L_REMOVE_BASE, L_REMOVE_COMMIT,
	L_META_ID, L_META_NAME, L_META_DESCRIPTION, L_META_PROVIDER, L_META_OPTION_KEY, L_META_OPTION_VALUE,
	L_META_SCHEMA, L_META_PARTITION, L_META_CREATED, L_META_KEY, L_META_VALUE,
	L_PROTOCOL_READER, L_PROTOCOL_WRITER, L_PROTOCOL_READERS, L_PROTOCOL_WRITERS,
	L_DOMAIN, L_DOMAIN_CONFIGURATION, L_DOMAIN_REMOVED,
	N_LEAVES
};

/* g group of n, s string, l long, i int, b boolean, m map of strings, a array of strings; all optional */
typedef struct Shape
{
	const char *name;
	char		type;
	int			n;
} Shape;

static const Shape shape[] = {
	{"txn", 'g', 3}, {"appId", 's', 0}, {"version", 'l', 0}, {"lastUpdated", 'l', 0},
	{"add", 'g', 10}, {"path", 's', 0}, {"partitionValues", 'm', 0}, {"size", 'l', 0}, {"modificationTime", 'l', 0},
	{"dataChange", 'b', 0}, {"stats", 's', 0}, {"tags", 'm', 0},
	{"deletionVector", 'g', 5}, {"storageType", 's', 0}, {"pathOrInlineDv", 's', 0}, {"offset", 'i', 0},
	{"sizeInBytes", 'i', 0}, {"cardinality", 'l', 0},
	{"baseRowId", 'l', 0}, {"defaultRowCommitVersion", 'l', 0},
	{"remove", 'g', 9}, {"path", 's', 0}, {"deletionTimestamp", 'l', 0}, {"dataChange", 'b', 0},
	{"extendedFileMetadata", 'b', 0}, {"partitionValues", 'm', 0}, {"size", 'l', 0},
	{"deletionVector", 'g', 5}, {"storageType", 's', 0}, {"pathOrInlineDv", 's', 0}, {"offset", 'i', 0},
	{"sizeInBytes", 'i', 0}, {"cardinality", 'l', 0},
	{"baseRowId", 'l', 0}, {"defaultRowCommitVersion", 'l', 0},
	{"metaData", 'g', 8}, {"id", 's', 0}, {"name", 's', 0}, {"description", 's', 0},
	{"format", 'g', 2}, {"provider", 's', 0}, {"options", 'm', 0},
	{"schemaString", 's', 0}, {"partitionColumns", 'a', 0}, {"createdTime", 'l', 0}, {"configuration", 'm', 0},
	{"protocol", 'g', 4}, {"minReaderVersion", 'i', 0}, {"minWriterVersion", 'i', 0}, {"readerFeatures", 'a', 0},
	{"writerFeatures", 'a', 0},
	{"domainMetadata", 'g', 3}, {"domain", 's', 0}, {"configuration", 's', 0}, {"removed", 'b', 0},
};

#define N_SHAPES (sizeof(shape) / sizeof(shape[0]))
#define N_TOP 6

typedef struct Leaf
{
	StblPqLeafData data;
	size_t		cap;
	int			max_def;
	size_t		rows;			/* rows with levels here */
} Leaf;

typedef struct Encoder
{
	StblMem    *mem;
	StblPqSchema schema;
	StblPqWriter *writer;
	StblBuf    *out;
	Leaf		leaves[N_LEAVES];
	size_t		rows;			/* in the row group at hand */
	int64_t		total;
} Encoder;

/* ---- schema ---- */

static StblPqNode *
add_node(StblPqNode *node, const char *name, StblPqRepetition repetition, int n_children, StblPqType type, StblPqLogical logical)
{
	memset(node, 0, sizeof(*node));
	node->name = name;
	node->repetition = repetition;
	node->n_children = n_children;
	node->type = type;
	node->logical = logical;
	node->field_id = -1;
	return node + 1;
}

static StblPqNode *
add_shape(StblPqNode *node, const Shape *s)
{
	switch (s->type)
	{
		case 'g':
			return add_node(node, s->name, STBL_PQ_OPTIONAL, s->n, 0, STBL_PQL_NONE);
		case 's':
			return add_node(node, s->name, STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
		case 'l':
			return add_node(node, s->name, STBL_PQ_OPTIONAL, 0, STBL_PQ_INT64, STBL_PQL_NONE);
		case 'i':
			return add_node(node, s->name, STBL_PQ_OPTIONAL, 0, STBL_PQ_INT32, STBL_PQL_NONE);
		case 'b':
			return add_node(node, s->name, STBL_PQ_OPTIONAL, 0, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
		case 'm':
			node = add_node(node, s->name, STBL_PQ_OPTIONAL, 1, 0, STBL_PQL_MAP);
			node = add_node(node, "key_value", STBL_PQ_REPEATED, 2, 0, STBL_PQL_NONE);
			node = add_node(node, "key", STBL_PQ_REQUIRED, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
			return add_node(node, "value", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
		default:
			node = add_node(node, s->name, STBL_PQ_OPTIONAL, 1, 0, STBL_PQL_LIST);
			node = add_node(node, "list", STBL_PQ_REPEATED, 1, 0, STBL_PQL_NONE);
			return add_node(node, "element", STBL_PQ_OPTIONAL, 0, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	}
}

static bool
make_schema(Encoder *e, StblError *err)
{
	StblPqNode *node;
	size_t		i;
	int			leaf;

	e->schema.nodes = stbl_alloc_array(e->mem, 1 + N_SHAPES * 4, sizeof(StblPqNode));
	node = add_node(e->schema.nodes, "spark_schema", STBL_PQ_REQUIRED, N_TOP, 0, STBL_PQL_NONE);
	for (i = 0; i < N_SHAPES; i++)
		node = add_shape(node, &shape[i]);
	e->schema.n_nodes = (int) (node - e->schema.nodes);
	if (!stbl_pq_schema_finish(e->mem, &e->schema, err))
		return false;
	for (leaf = 0; leaf < N_LEAVES; leaf++)
	{
		const StblPqNode *n = &e->schema.nodes[e->schema.leaf_nodes[leaf]];
		uint32_t	width = 0;
		StblVecKind kind = stbl_pq_vec_kind(n, &width);

		e->leaves[leaf].max_def = n->max_def;
		stbl_vec_init(&e->leaves[leaf].data.values, e->mem, kind, width);
	}
	return true;
}

/* ---- rows ---- */

static void
put_level(Encoder *e, int leaf, int def, int rep)
{
	Leaf	   *l = &e->leaves[leaf];

	if (l->data.n_levels == l->cap)
	{
		l->cap = l->cap == 0 ? 1024 : l->cap * 2;
		l->data.def = stbl_realloc(e->mem, l->data.def, l->cap);
		l->data.rep = stbl_realloc(e->mem, l->data.rep, l->cap);
	}
	l->data.def[l->data.n_levels] = (uint8_t) def;
	l->data.rep[l->data.n_levels] = (uint8_t) rep;
	l->data.n_levels++;
	l->rows += rep == 0 ? 1 : 0;
}

/* A null whose outermost depth structs are there. */
static void
put_null(Encoder *e, int leaf, int depth)
{
	put_level(e, leaf, depth, 0);
}

static void
put_string(Encoder *e, int leaf, const char *str, int depth)
{
	if (str == NULL)
	{
		put_null(e, leaf, depth);
		return;
	}
	put_level(e, leaf, e->leaves[leaf].max_def, 0);
	stbl_vec_bytes(&e->leaves[leaf].data.values, str, strlen(str));
}

static void
put_path(Encoder *e, int leaf, const char *path)
{
	StblBuf		uri;

	stbl_buf_init(&uri, e->mem);
	stbl_path_encode(&uri, path);
	put_level(e, leaf, e->leaves[leaf].max_def, 0);
	stbl_vec_bytes(&e->leaves[leaf].data.values, uri.data, uri.len);
	stbl_buf_free(&uri);
}

static void
put_long(Encoder *e, int leaf, int64_t value)
{
	put_level(e, leaf, e->leaves[leaf].max_def, 0);
	stbl_vec_fixed(&e->leaves[leaf].data.values, &value);
}

static void
put_int(Encoder *e, int leaf, int32_t value)
{
	put_level(e, leaf, e->leaves[leaf].max_def, 0);
	stbl_vec_fixed(&e->leaves[leaf].data.values, &value);
}

static void
put_bool(Encoder *e, int leaf, bool value)
{
	uint8_t		byte = value ? 1 : 0;

	put_level(e, leaf, e->leaves[leaf].max_def, 0);
	stbl_vec_fixed(&e->leaves[leaf].data.values, &byte);
}

/* A number where -1 means none. */
static void
put_optional(Encoder *e, int leaf, int64_t value)
{
	if (value < 0)
		put_null(e, leaf, 1);
	else
		put_long(e, leaf, value);
}

/* An array or a map's keys or values; empty_def says how deep an empty one is there. */
static void
put_list(Encoder *e, int leaf, char *const *strings, int n, int empty_def)
{
	int			i;

	if (n == 0)
		put_level(e, leaf, empty_def, 0);
	for (i = 0; i < n; i++)
	{
		put_level(e, leaf, e->leaves[leaf].max_def, i == 0 ? 0 : 1);
		stbl_vec_bytes(&e->leaves[leaf].data.values, strings[i], strlen(strings[i]));
	}
}

static void
put_dv(Encoder *e, int first, const StblDv *dv)
{
	char		storage[2] = {0, 0};
	int			i;

	if (dv == NULL)
	{
		for (i = 0; i < 5; i++)
			put_null(e, first + i, 1);
		return;
	}
	storage[0] = dv->storage;
	put_string(e, first, storage, 2);
	put_string(e, first + 1, dv->path_or_inline, 2);
	if (dv->has_offset)
		put_int(e, first + 2, (int32_t) dv->offset);
	else
		put_null(e, first + 2, 2);
	put_int(e, first + 3, (int32_t) dv->size_bytes);
	put_long(e, first + 4, dv->cardinality);
}

static void
put_add(Encoder *e, const StblAdd *add)
{
	put_path(e, L_ADD_PATH, add->path);
	put_list(e, L_ADD_PARTITION_KEY, NULL, 0, 2);
	put_list(e, L_ADD_PARTITION_VALUE, NULL, 0, 2);
	put_long(e, L_ADD_SIZE, add->size);
	put_long(e, L_ADD_MTIME, add->mtime_ms);
	put_bool(e, L_ADD_CHANGE, false);
	put_string(e, L_ADD_STATS, add->stats, 1);
	put_null(e, L_ADD_TAG_KEY, 1);
	put_null(e, L_ADD_TAG_VALUE, 1);
	put_dv(e, L_ADD_DV, add->dv);
	put_optional(e, L_ADD_BASE, add->base_row_id);
	put_optional(e, L_ADD_COMMIT, add->default_row_commit_version);
}

static void
put_remove(Encoder *e, const StblRemove *remove)
{
	bool		extended = remove->extended && remove->size >= 0;

	put_path(e, L_REMOVE_PATH, remove->path);
	put_optional(e, L_REMOVE_TIME, remove->deletion_ms);
	put_bool(e, L_REMOVE_CHANGE, false);
	put_bool(e, L_REMOVE_EXTENDED, extended);
	put_list(e, L_REMOVE_PARTITION_KEY, NULL, 0, extended ? 2 : 1);
	put_list(e, L_REMOVE_PARTITION_VALUE, NULL, 0, extended ? 2 : 1);
	put_optional(e, L_REMOVE_SIZE, remove->size);
	put_dv(e, L_REMOVE_DV, remove->dv);
	put_optional(e, L_REMOVE_BASE, remove->base_row_id);
	put_optional(e, L_REMOVE_COMMIT, remove->default_row_commit_version);
}

static void
put_metadata(Encoder *e, const StblMetadata *metadata)
{
	put_string(e, L_META_ID, metadata->id, 1);
	put_string(e, L_META_NAME, metadata->name, 1);
	put_string(e, L_META_DESCRIPTION, metadata->description, 1);
	put_string(e, L_META_PROVIDER, metadata->format, 2);
	put_list(e, L_META_OPTION_KEY, NULL, 0, 3);
	put_list(e, L_META_OPTION_VALUE, NULL, 0, 3);
	put_string(e, L_META_SCHEMA, metadata->schema_string, 1);
	put_list(e, L_META_PARTITION, NULL, 0, 2);
	put_optional(e, L_META_CREATED, metadata->created_ms);
	put_list(e, L_META_KEY, metadata->config_keys, metadata->n_configuration, 2);
	put_list(e, L_META_VALUE, metadata->config_values, metadata->n_configuration, 2);
}

static void
put_protocol(Encoder *e, const StblProtocol *protocol)
{
	put_int(e, L_PROTOCOL_READER, protocol->min_reader);
	put_int(e, L_PROTOCOL_WRITER, protocol->min_writer);
	put_list(e, L_PROTOCOL_READERS, protocol->reader_features, protocol->min_reader >= 3 ? protocol->n_reader_features : 0,
			 protocol->min_reader >= 3 ? 2 : 1);
	put_list(e, L_PROTOCOL_WRITERS, protocol->writer_features, protocol->min_writer >= 7 ? protocol->n_writer_features : 0,
			 protocol->min_writer >= 7 ? 2 : 1);
}

static bool
flush_group(Encoder *e, StblError *err)
{
	StblPqLeafData data[N_LEAVES];
	int			leaf;
	bool		ok;

	if (e->rows == 0)
		return true;
	for (leaf = 0; leaf < N_LEAVES; leaf++)
	{
		const StblPqNode *n = &e->schema.nodes[e->schema.leaf_nodes[leaf]];

		data[leaf] = e->leaves[leaf].data;
		if (n->max_rep == 0)
			data[leaf].rep = NULL;
	}
	ok = stbl_pq_write_leaves(e->writer, e->rows, data, e->out, err);
	for (leaf = 0; leaf < N_LEAVES; leaf++)
	{
		e->leaves[leaf].data.n_levels = 0;
		e->leaves[leaf].rows = 0;
		stbl_vec_reset(&e->leaves[leaf].data.values);
	}
	e->rows = 0;
	return ok;
}

static bool
end_row(Encoder *e, StblError *err)
{
	int			leaf;

	e->rows++;
	e->total++;
	for (leaf = 0; leaf < N_LEAVES; leaf++)
		if (e->leaves[leaf].rows < e->rows)
			put_null(e, leaf, 0);
	return e->rows < GROUP_ROWS || flush_group(e, err);
}

static bool
put_actions(Encoder *e, const StblActions *actions, StblError *err)
{
	int			i;

	put_protocol(e, actions->protocol);
	if (!end_row(e, err))
		return false;
	put_metadata(e, actions->metadata);
	if (!end_row(e, err))
		return false;
	for (i = 0; i < actions->n_txns; i++)
	{
		put_string(e, L_TXN_APP, actions->txns[i].app_id, 1);
		put_long(e, L_TXN_VERSION, actions->txns[i].version);
		put_optional(e, L_TXN_UPDATED, actions->txns[i].last_updated_ms);
		if (!end_row(e, err))
			return false;
	}
	for (i = 0; i < actions->n_domains; i++)
	{
		put_string(e, L_DOMAIN, actions->domains[i].domain, 1);
		put_string(e, L_DOMAIN_CONFIGURATION, actions->domains[i].configuration, 1);
		put_bool(e, L_DOMAIN_REMOVED, false);
		if (!end_row(e, err))
			return false;
	}
	for (i = 0; i < actions->n_adds; i++)
	{
		put_add(e, &actions->adds[i]);
		if (!end_row(e, err))
			return false;
	}
	for (i = 0; i < actions->n_removes; i++)
	{
		put_remove(e, &actions->removes[i]);
		if (!end_row(e, err))
			return false;
	}
	return flush_group(e, err);
}

bool
stbl_checkpoint_encode(StblMem *mem, const StblActions *actions, StblBuf *out, int64_t *n_rows, StblError *err)
{
	Encoder    *e = stbl_alloc0(mem, sizeof(Encoder));
	StblPqWriterOptions options;

	e->mem = mem;
	e->out = out;
	if (!make_schema(e, err))
		return false;
	memset(&options, 0, sizeof(options));
	options.codec = STBL_PQ_ZSTD;
	options.level = 1;
	options.plain = true;
	options.created_by = "supertable";
	e->writer = stbl_pq_writer_new(mem, &e->schema, &options);
	if (!put_actions(e, actions, err) || !stbl_pq_writer_finish(e->writer, out, err))
		return false;
	*n_rows = e->total;
	return true;
}
