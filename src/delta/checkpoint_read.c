/*
 * Reading one file of a classic checkpoint.
 *
 * Columns are found by their names; what a writer leaves out reads as null.
 * Each column is decoded for a whole row group; then the columns are walked
 * side by side, one action a row.
 */
#include <inttypes.h>
#include <string.h>

#include "delta/checkpoint.h"
#include "parquet/parquet.h"

typedef enum ColumnId
{
	C_ADD_PATH,
	C_ADD_SIZE,
	C_ADD_MTIME,
	C_ADD_STATS,
	C_ADD_STATS_ROWS,
	C_ADD_BASE,
	C_ADD_COMMIT,
	C_ADD_DV_TYPE,
	C_ADD_DV_PATH,
	C_ADD_DV_OFFSET,
	C_ADD_DV_SIZE,
	C_ADD_DV_CARD,
	C_REMOVE_PATH,
	C_REMOVE_TIME,
	C_REMOVE_EXTENDED,
	C_REMOVE_SIZE,
	C_REMOVE_BASE,
	C_REMOVE_COMMIT,
	C_REMOVE_DV_TYPE,
	C_REMOVE_DV_PATH,
	C_REMOVE_DV_OFFSET,
	C_REMOVE_DV_SIZE,
	C_REMOVE_DV_CARD,
	C_META_ID,
	C_META_NAME,
	C_META_DESCRIPTION,
	C_META_PROVIDER,
	C_META_SCHEMA,
	C_META_PARTITIONS,
	C_META_CREATED,
	C_META_KEYS,
	C_META_VALUES,
	C_PROTOCOL_READER,
	C_PROTOCOL_WRITER,
	C_PROTOCOL_READERS,
	C_PROTOCOL_WRITERS,
	C_TXN_APP,
	C_TXN_VERSION,
	C_TXN_UPDATED,
	C_DOMAIN,
	C_DOMAIN_CONFIGURATION,
	C_DOMAIN_REMOVED,
	C_V2_METADATA,
	C_V2_SIDECAR,
	N_COLUMNS
} ColumnId;

static const struct
{
	const char *path;
	char		type;			/* s string, i integer, b boolean, l list of strings, k keys and v values of a map of strings */
}			columns[N_COLUMNS] = {
	[C_ADD_PATH] = {"add.path", 's'},
	[C_ADD_SIZE] = {"add.size", 'i'},
	[C_ADD_MTIME] = {"add.modificationTime", 'i'},
	[C_ADD_STATS] = {"add.stats", 's'},
	[C_ADD_STATS_ROWS] = {"add.stats_parsed.numRecords", 'i'},
	[C_ADD_BASE] = {"add.baseRowId", 'i'},
	[C_ADD_COMMIT] = {"add.defaultRowCommitVersion", 'i'},
	[C_ADD_DV_TYPE] = {"add.deletionVector.storageType", 's'},
	[C_ADD_DV_PATH] = {"add.deletionVector.pathOrInlineDv", 's'},
	[C_ADD_DV_OFFSET] = {"add.deletionVector.offset", 'i'},
	[C_ADD_DV_SIZE] = {"add.deletionVector.sizeInBytes", 'i'},
	[C_ADD_DV_CARD] = {"add.deletionVector.cardinality", 'i'},
	[C_REMOVE_PATH] = {"remove.path", 's'},
	[C_REMOVE_TIME] = {"remove.deletionTimestamp", 'i'},
	[C_REMOVE_EXTENDED] = {"remove.extendedFileMetadata", 'b'},
	[C_REMOVE_SIZE] = {"remove.size", 'i'},
	[C_REMOVE_BASE] = {"remove.baseRowId", 'i'},
	[C_REMOVE_COMMIT] = {"remove.defaultRowCommitVersion", 'i'},
	[C_REMOVE_DV_TYPE] = {"remove.deletionVector.storageType", 's'},
	[C_REMOVE_DV_PATH] = {"remove.deletionVector.pathOrInlineDv", 's'},
	[C_REMOVE_DV_OFFSET] = {"remove.deletionVector.offset", 'i'},
	[C_REMOVE_DV_SIZE] = {"remove.deletionVector.sizeInBytes", 'i'},
	[C_REMOVE_DV_CARD] = {"remove.deletionVector.cardinality", 'i'},
	[C_META_ID] = {"metaData.id", 's'},
	[C_META_NAME] = {"metaData.name", 's'},
	[C_META_DESCRIPTION] = {"metaData.description", 's'},
	[C_META_PROVIDER] = {"metaData.format.provider", 's'},
	[C_META_SCHEMA] = {"metaData.schemaString", 's'},
	[C_META_PARTITIONS] = {"metaData.partitionColumns", 'l'},
	[C_META_CREATED] = {"metaData.createdTime", 'i'},
	[C_META_KEYS] = {"metaData.configuration", 'k'},
	[C_META_VALUES] = {"metaData.configuration", 'v'},
	[C_PROTOCOL_READER] = {"protocol.minReaderVersion", 'i'},
	[C_PROTOCOL_WRITER] = {"protocol.minWriterVersion", 'i'},
	[C_PROTOCOL_READERS] = {"protocol.readerFeatures", 'l'},
	[C_PROTOCOL_WRITERS] = {"protocol.writerFeatures", 'l'},
	[C_TXN_APP] = {"txn.appId", 's'},
	[C_TXN_VERSION] = {"txn.version", 'i'},
	[C_TXN_UPDATED] = {"txn.lastUpdated", 'i'},
	[C_DOMAIN] = {"domainMetadata.domain", 's'},
	[C_DOMAIN_CONFIGURATION] = {"domainMetadata.configuration", 's'},
	[C_DOMAIN_REMOVED] = {"domainMetadata.removed", 'b'},
	[C_V2_METADATA] = {"checkpointMetadata.version", 'i'},
	[C_V2_SIDECAR] = {"sidecar.path", 's'},
};

/* One column of the row group at hand; first to end are the levels of the current row. */
typedef struct Column
{
	int			leaf;			/* -1: not in the file */
	int			max_def;
	int			max_rep;
	StblPqLeafData data;
	size_t		first;
	size_t		end;
	size_t		value;			/* index of the first value of the row */
	size_t		n_values;		/* in the row */
} Column;

typedef struct Reader
{
	StblMem    *mem;
	StblError  *err;
	StblActions *out;
	Column		cols[N_COLUMNS];
	int			cap_adds;
	int			cap_removes;
	int			cap_domains;
	int			cap_txns;
	int64_t		row;			/* in the file, for messages */
} Reader;

static bool
corrupt(Reader *r, ColumnId id, const char *what)
{
	return stbl_fail(r->err, STBL_ERR_CORRUPT, "checkpoint is corrupt at row %" PRId64 ": column \"%s\" %s",
					 r->row, columns[id].path, what);
}

/* ---- columns ---- */

/*
 * The leaf of a column whose outermost node is given, whatever the groups
 * between are called; -1 where the shape is another.
 */
static int
column_leaf(const StblPqSchema *pq, int node, char type)
{
	if (type == 'l')
		while (pq->nodes[node].n_children == 1)
			node++;
	if (type == 'k' || type == 'v')
	{
		if (pq->nodes[node].n_children != 1 || pq->nodes[node + 1].n_children != 2 || pq->nodes[node + 2].n_children != 0)
			return -1;
		node += type == 'k' ? 2 : 3;
	}
	return pq->nodes[node].n_children == 0 ? node : -1;
}

static bool
find_columns(Reader *r, const StblPqMeta *meta)
{
	const StblPqSchema *pq = &meta->schema;
	int			i;

	for (i = 0; i < N_COLUMNS; i++)
	{
		Column	   *col = &r->cols[i];
		int			node = stbl_pq_find(pq, columns[i].path);
		bool		list = strchr("lkv", columns[i].type) != NULL;
		StblPqType	type;

		col->leaf = -1;
		if (node < 0)
			continue;
		node = column_leaf(pq, node, columns[i].type);
		if (node < 0)
			return corrupt(r, i, "has a wrong shape");
		type = pq->nodes[node].type;
		col->leaf = pq->nodes[node].leaf;
		col->max_def = pq->nodes[node].max_def;
		col->max_rep = pq->nodes[node].max_rep;
		if (col->max_rep != (list ? 1 : 0))
			return corrupt(r, i, "has a wrong shape");
		if (columns[i].type == 'i' ? type != STBL_PQ_INT32 && type != STBL_PQ_INT64
			: columns[i].type == 'b' ? type != STBL_PQ_BOOLEAN : type != STBL_PQ_BYTE_ARRAY)
			return corrupt(r, i, "has a wrong type");
	}
	return true;
}

/* An action's struct without the column that identifies it would be passed over in silence. */
static bool
check_keys(Reader *r, const StblPqSchema *pq)
{
	static const struct
	{
		const char *name;
		ColumnId	key;
	}			actions[] = {
		{"add", C_ADD_PATH}, {"remove", C_REMOVE_PATH}, {"metaData", C_META_ID}, {"protocol", C_PROTOCOL_READER},
		{"txn", C_TXN_APP}, {"domainMetadata", C_DOMAIN},
	};
	size_t		i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (r->cols[actions[i].key].leaf < 0 && stbl_pq_find(pq, actions[i].name) >= 0)
			return corrupt(r, actions[i].key, "is missing");
	return true;
}

static bool
read_group(Reader *r, const StblPqMeta *meta, int group, const uint8_t *data, size_t len)
{
	int			i;

	for (i = 0; i < N_COLUMNS; i++)
	{
		Column	   *col = &r->cols[i];
		const StblPqChunk *chunk;

		if (col->leaf < 0)
			continue;
		chunk = &meta->row_groups[group].chunks[col->leaf];
		if (chunk->offset > len || chunk->length > len - chunk->offset)
			return corrupt(r, i, "lies outside of the file");
		if (!stbl_pq_read_leaf(r->mem, meta, group, col->leaf, data + chunk->offset, (size_t) chunk->length, &col->data, r->err))
			return false;
		col->end = 0;
		col->value = 0;
		col->n_values = 0;
	}
	return true;
}

static bool
level_has_value(const Column *col, size_t level)
{
	return col->data.def == NULL || col->data.def[level] == col->max_def;
}

/* Moves every column to its next row. */
static bool
next_row(Reader *r)
{
	int			i;

	for (i = 0; i < N_COLUMNS; i++)
	{
		Column	   *col = &r->cols[i];

		if (col->leaf < 0)
			continue;
		col->value += col->n_values;
		col->n_values = 0;
		col->first = col->end;
		if (col->first >= col->data.n_levels)
			return corrupt(r, i, "has too few values");
		do
		{
			if (level_has_value(col, col->end))
				col->n_values++;
			col->end++;
		} while (col->max_rep > 0 && col->end < col->data.n_levels && col->data.rep[col->end] != 0);
		if (col->value + col->n_values > col->data.values.n)
			return corrupt(r, i, "has too few values");
	}
	return true;
}

static void
free_group(Reader *r)
{
	int			i;

	for (i = 0; i < N_COLUMNS; i++)
	{
		if (r->cols[i].leaf < 0)
			continue;
		stbl_free(r->mem, r->cols[i].data.def);
		stbl_free(r->mem, r->cols[i].data.rep);
		stbl_vec_free(&r->cols[i].data.values);
	}
}

/* Whether the struct around a column is there, in a row of this action. */
static bool
has_struct(const Reader *r, ColumnId id)
{
	const Column *col = &r->cols[id];

	return col->leaf >= 0 && (col->data.def == NULL || col->data.def[col->first] > 0);
}

static bool
has_value(const Reader *r, ColumnId id)
{
	return r->cols[id].leaf >= 0 && r->cols[id].n_values > 0;
}

static bool
string_at(Reader *r, ColumnId id, size_t value, char **out)
{
	const StblVec *vec = &r->cols[id].data.values;
	const char *bytes = (const char *) vec->bytes + vec->offsets[value];
	size_t		len = (size_t) (vec->offsets[value + 1] - vec->offsets[value]);

	if (len > 0 && memchr(bytes, 0, len) != NULL)
		return corrupt(r, id, "holds a zero byte");
	*out = stbl_strndup(r->mem, len == 0 ? "" : bytes, len);
	return true;
}

static bool
get_string(Reader *r, ColumnId id, bool required, char **out)
{
	*out = NULL;
	if (!has_value(r, id))
		return required ? corrupt(r, id, "is null") : true;
	return string_at(r, id, r->cols[id].value, out);
}

static bool
get_int(Reader *r, ColumnId id, bool required, int64_t min, int64_t max, int64_t *out)
{
	const Column *col = &r->cols[id];
	int32_t		narrow;

	if (!has_value(r, id))
		return required ? corrupt(r, id, "is null") : true;
	if (col->data.values.kind == STBL_VEC_I32)
	{
		memcpy(&narrow, col->data.values.values + col->value * sizeof(narrow), sizeof(narrow));
		*out = narrow;
	}
	else
		memcpy(out, col->data.values.values + col->value * sizeof(*out), sizeof(*out));
	return *out < min || *out > max ? corrupt(r, id, "is out of range") : true;
}

static bool
get_bool(const Reader *r, ColumnId id)
{
	return has_value(r, id) && r->cols[id].data.values.values[r->cols[id].value] != 0;
}

static bool
get_strings(Reader *r, ColumnId id, int *n, char ***out)
{
	const Column *col = &r->cols[id];
	size_t		i;

	*n = 0;
	*out = NULL;
	if (!has_value(r, id))
		return true;
	*out = stbl_alloc_array(r->mem, col->n_values, sizeof(char *));
	for (i = 0; i < col->n_values; i++)
		if (!string_at(r, id, col->value + i, &(*out)[i]))
			return false;
	*n = (int) col->n_values;
	return true;
}

/* ---- actions ---- */

static void *
grow(StblMem *mem, void **array, int *n, int *cap, size_t size)
{
	char	   *slot;

	if (*n == *cap)
	{
		int			new_cap = *cap == 0 ? 64 : *cap * 2;
		char	   *copy = stbl_alloc_array(mem, (size_t) new_cap, size);

		if (*n > 0)
			memcpy(copy, *array, (size_t) *n * size);
		stbl_free(mem, *array);
		*array = copy;
		*cap = new_cap;
	}
	slot = (char *) *array + (size_t) *n * size;
	memset(slot, 0, size);
	(*n)++;
	return slot;
}

/* type is the first of five columns in a fixed order. */
static bool
get_dv(Reader *r, ColumnId type, StblDv **out)
{
	StblDv	   *dv;
	char	   *storage;
	int64_t		offset = -1;

	*out = NULL;
	if (!get_string(r, type, false, &storage))
		return false;
	if (storage == NULL)
		return true;
	dv = stbl_alloc0(r->mem, sizeof(StblDv));
	if (strlen(storage) != 1 || strchr("uip", storage[0]) == NULL)
		return corrupt(r, type, "is wrong");
	dv->storage = storage[0];
	if (!get_string(r, type + 1, true, &dv->path_or_inline) ||
		!get_int(r, type + 2, false, 0, INT32_MAX, &offset) ||
		!get_int(r, type + 3, true, 0, INT32_MAX, &dv->size_bytes) ||
		!get_int(r, type + 4, true, 0, INT64_MAX, &dv->cardinality))
		return false;
	dv->has_offset = offset >= 0;
	dv->offset = offset >= 0 ? offset : 0;
	*out = dv;
	return true;
}

static bool
take_add(Reader *r)
{
	StblAdd    *add = grow(r->mem, (void **) &r->out->adds, &r->out->n_adds, &r->cap_adds, sizeof(StblAdd));
	char	   *uri;
	int64_t		n_rows = -1;

	add->base_row_id = -1;
	add->default_row_commit_version = -1;
	if (!get_string(r, C_ADD_PATH, true, &uri) ||
		!stbl_path_decode(r->mem, uri, true, &add->path, r->err) ||
		!get_int(r, C_ADD_SIZE, true, 0, INT64_MAX, &add->size) ||
		!get_int(r, C_ADD_MTIME, true, INT64_MIN, INT64_MAX, &add->mtime_ms) ||
		!get_string(r, C_ADD_STATS, false, &add->stats) ||
		!get_int(r, C_ADD_STATS_ROWS, false, 0, INT64_MAX, &n_rows) ||
		!get_int(r, C_ADD_BASE, false, 0, INT64_MAX, &add->base_row_id) ||
		!get_int(r, C_ADD_COMMIT, false, 0, INT64_MAX, &add->default_row_commit_version) ||
		!get_dv(r, C_ADD_DV_TYPE, &add->dv))
		return false;
	if (add->stats == NULL && n_rows >= 0)
		add->stats = stbl_sprintf(r->mem, "{\"numRecords\":%" PRId64 "}", n_rows);
	return true;
}

static bool
take_remove(Reader *r)
{
	StblRemove *remove = grow(r->mem, (void **) &r->out->removes, &r->out->n_removes, &r->cap_removes, sizeof(StblRemove));
	char	   *uri;

	remove->deletion_ms = -1;
	remove->size = -1;
	remove->base_row_id = -1;
	remove->default_row_commit_version = -1;
	remove->extended = get_bool(r, C_REMOVE_EXTENDED);
	return get_string(r, C_REMOVE_PATH, true, &uri) &&
		stbl_path_decode(r->mem, uri, false, &remove->path, r->err) &&
		get_int(r, C_REMOVE_TIME, false, INT64_MIN, INT64_MAX, &remove->deletion_ms) &&
		get_int(r, C_REMOVE_SIZE, false, 0, INT64_MAX, &remove->size) &&
		get_int(r, C_REMOVE_BASE, false, 0, INT64_MAX, &remove->base_row_id) &&
		get_int(r, C_REMOVE_COMMIT, false, 0, INT64_MAX, &remove->default_row_commit_version) &&
		get_dv(r, C_REMOVE_DV_TYPE, &remove->dv);
}

/* Keys and values of a map have the same levels; a null value is left out. */
static bool
get_configuration(Reader *r, StblMetadata *metadata)
{
	const Column *keys = &r->cols[C_META_KEYS];
	const Column *values = &r->cols[C_META_VALUES];
	size_t		value = values->value;
	size_t		n;
	size_t		i;

	if (!has_value(r, C_META_KEYS) || values->leaf < 0)
		return true;
	n = keys->n_values;
	if (values->end - values->first != n || keys->end - keys->first != n)
		return corrupt(r, C_META_VALUES, "does not fit its keys");
	metadata->config_keys = stbl_alloc_array(r->mem, n, sizeof(char *));
	metadata->config_values = stbl_alloc_array(r->mem, n, sizeof(char *));
	for (i = 0; i < n; i++)
	{
		int			at = metadata->n_configuration;

		if (!level_has_value(values, values->first + i))
			continue;
		if (!string_at(r, C_META_KEYS, keys->value + i, &metadata->config_keys[at]) ||
			!string_at(r, C_META_VALUES, value++, &metadata->config_values[at]))
			return false;
		metadata->n_configuration++;
	}
	return true;
}

static bool
take_metadata(Reader *r)
{
	StblMetadata *metadata = stbl_alloc0(r->mem, sizeof(StblMetadata));
	char	  **partitions;

	if (r->out->metadata != NULL)
		return corrupt(r, C_META_ID, "is there more than once");
	metadata->created_ms = -1;
	if (!get_string(r, C_META_ID, true, &metadata->id) ||
		!get_string(r, C_META_NAME, false, &metadata->name) ||
		!get_string(r, C_META_DESCRIPTION, false, &metadata->description) ||
		!get_string(r, C_META_PROVIDER, true, &metadata->format) ||
		!get_string(r, C_META_SCHEMA, true, &metadata->schema_string) ||
		!get_strings(r, C_META_PARTITIONS, &metadata->n_partition_columns, &partitions) ||
		!get_int(r, C_META_CREATED, false, INT64_MIN, INT64_MAX, &metadata->created_ms) ||
		!get_configuration(r, metadata))
		return false;
	r->out->metadata = metadata;
	return true;
}

static bool
take_protocol(Reader *r)
{
	StblProtocol *protocol = stbl_alloc0(r->mem, sizeof(StblProtocol));
	int64_t		reader = 0;
	int64_t		writer = 0;

	if (r->out->protocol != NULL)
		return corrupt(r, C_PROTOCOL_READER, "is there more than once");
	if (!get_int(r, C_PROTOCOL_READER, true, 0, INT32_MAX, &reader) ||
		!get_int(r, C_PROTOCOL_WRITER, true, 0, INT32_MAX, &writer) ||
		!get_strings(r, C_PROTOCOL_READERS, &protocol->n_reader_features, &protocol->reader_features) ||
		!get_strings(r, C_PROTOCOL_WRITERS, &protocol->n_writer_features, &protocol->writer_features))
		return false;
	protocol->min_reader = (int) reader;
	protocol->min_writer = (int) writer;
	r->out->protocol = protocol;
	return true;
}

static bool
take_txn(Reader *r)
{
	StblTxnAction *txn = grow(r->mem, (void **) &r->out->txns, &r->out->n_txns, &r->cap_txns, sizeof(StblTxnAction));

	txn->last_updated_ms = -1;
	return get_string(r, C_TXN_APP, true, &txn->app_id) &&
		get_int(r, C_TXN_VERSION, true, INT64_MIN, INT64_MAX, &txn->version) &&
		get_int(r, C_TXN_UPDATED, false, INT64_MIN, INT64_MAX, &txn->last_updated_ms);
}

static bool
take_domain(Reader *r)
{
	StblDomain *domain = grow(r->mem, (void **) &r->out->domains, &r->out->n_domains, &r->cap_domains, sizeof(StblDomain));

	domain->removed = get_bool(r, C_DOMAIN_REMOVED);
	if (!get_string(r, C_DOMAIN, true, &domain->domain) ||
		!get_string(r, C_DOMAIN_CONFIGURATION, !domain->removed, &domain->configuration))
		return false;
	if (domain->configuration == NULL)
		domain->configuration = stbl_strdup(r->mem, "");
	return true;
}

static bool
take_row(Reader *r)
{
	if (has_value(r, C_V2_METADATA) || has_value(r, C_V2_SIDECAR))
	{
		stbl_fail(r->err, STBL_ERR_UNSUPPORTED, "checkpoint is of version 2");
		stbl_error_hint(r->err, "Only classic checkpoints are read.");
		return false;
	}
	return (!has_struct(r, C_ADD_PATH) || take_add(r)) &&
		(!has_struct(r, C_REMOVE_PATH) || take_remove(r)) &&
		(!has_struct(r, C_META_ID) || take_metadata(r)) &&
		(!has_struct(r, C_PROTOCOL_READER) || take_protocol(r)) &&
		(!has_struct(r, C_TXN_APP) || take_txn(r)) &&
		(!has_struct(r, C_DOMAIN) || take_domain(r));
}

bool
stbl_checkpoint_parse(StblMem *mem, const uint8_t *data, size_t len, StblActions *out, StblError *err)
{
	Reader	   *r;
	StblPqMeta *meta;
	uint64_t	footer_len;
	int			group;
	int64_t		i;

	memset(out, 0, sizeof(*out));
	out->commit_info.in_commit_ms = -1;
	out->commit_info.timestamp_ms = -1;
	if (len < 12)
		return stbl_fail(err, STBL_ERR_CORRUPT, "checkpoint of %zu bytes is cut short", len);
	if (!stbl_pq_footer_length(data + len - 8, len, &footer_len, err))
		return false;
	meta = stbl_pq_parse_footer(mem, data + len - footer_len, (size_t) footer_len, len, err);
	if (meta == NULL)
		return false;
	r = stbl_alloc0(mem, sizeof(Reader));
	r->mem = mem;
	r->err = err;
	r->out = out;
	if (!find_columns(r, meta) || !check_keys(r, &meta->schema))
		return false;
	for (group = 0; group < meta->n_row_groups; group++)
	{
		if (!read_group(r, meta, group, data, len))
			return false;
		for (i = 0; i < meta->row_groups[group].n_rows; i++, r->row++)
			if (!next_row(r) || !take_row(r))
				return false;
		free_group(r);
	}
	return true;
}
