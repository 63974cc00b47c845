/*
 * The description of one version, and its text.
 *
 * A build function fills a StblVersion; stbl_version_text turns it into the
 * JSON lines of the log, with what follows from the base snapshot: row ids,
 * the union of tombstones, the protocol's features, the commit timestamp.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "utils/hsearch.h"

#include "common/json.h"
#include "common/pgmem.h"
#include "delta/condemn.h"
#include "delta/version_int.h"

StblTable *
stbl_version_table(StblVersion *v)
{
	return v->table;
}

StblSnapshot *
stbl_version_base(StblVersion *v)
{
	return v->base;
}

StblMem *
stbl_version_mem(StblVersion *v)
{
	return v->mem;
}

StblVersion *
stbl_version_begin(StblTable *table, StblSnapshot *base, const char *operation)
{
	StblVersion *v = palloc0(sizeof(StblVersion));

	v->table = table;
	v->base = base;
	v->operation = operation;
	v->mem = stbl_mem_in(CurrentMemoryContext);
	stbl_new_wal_id(v->version_id);
	return v;
}

void
stbl_version_decides(StblVersion *v, const char *id)
{
	v->decides = lappend(v->decides, pstrdup(id));
}

void
stbl_version_add(StblVersion *v, const StblAdd *add)
{
	StblAdd    *copy = palloc(sizeof(StblAdd));

	*copy = *add;
	v->adds = lappend(v->adds, copy);
}

typedef struct ChangeEntry
{
	StblFile   *file;			/* key */
	StblChange *change;
} ChangeEntry;

static StblChange *
change_of(StblVersion *v, StblFile *file)
{
	ChangeEntry *entry;
	bool		found;

	if (v->change_of_file == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(StblFile *),.entrysize = sizeof(ChangeEntry),.hcxt = CurrentMemoryContext};

		v->change_of_file = hash_create("supertable changes", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(v->change_of_file, &file, HASH_ENTER, &found);
	if (!found)
	{
		entry->change = palloc0(sizeof(StblChange));
		entry->change->file = file;
		v->changes = lappend(v->changes, entry->change);
	}
	return entry->change;
}

bool
stbl_version_delete(StblVersion *v, const char *path, const roaring_bitmap_t *rows, const StblDv *durable)
{
	StblFile   *file = stbl_snapshot_file(v->base, path);
	StblChange *change;

	if (file == NULL)
		return false;
	change = change_of(v, file);
	if (change->bitmap == NULL)
	{
		const roaring_bitmap_t *before = stbl_file_tombstones(v->table, file);

		change->bitmap = before ? roaring_bitmap_copy(before) : roaring_bitmap_create();
		if (change->bitmap == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		stbl_bitmap_own(CurrentMemoryContext, change->bitmap);
		change->n_before = before ? roaring_bitmap_get_cardinality(before) : 0;
	}
	roaring_bitmap_or_inplace(change->bitmap, rows);
	if (durable != NULL)
		change->durable = lappend(change->durable, (void *) durable);
	return true;
}

bool
stbl_version_remove(StblVersion *v, const char *path)
{
	StblFile   *file = stbl_snapshot_file(v->base, path);

	if (file == NULL)
		return false;
	change_of(v, file)->removed = true;
	return true;
}

void
stbl_version_domain(StblVersion *v, const char *domain, const char *configuration)
{
	StblDomain *d = palloc0(sizeof(StblDomain));

	d->domain = pstrdup(domain);
	d->configuration = pstrdup(configuration ? configuration : "");
	d->removed = configuration == NULL;
	v->domains = lappend(v->domains, d);
}

void
stbl_version_create(StblVersion *v, const StblSchema *schema, const char *table_id)
{
	Assert(!stbl_snapshot_exists(v->base));
	v->schema = schema;
	v->table_id = pstrdup(table_id);
	if (v->base->dropped)
		stbl_version_domain(v, STBL_DROPPED_DOMAIN, NULL);
}

void
stbl_version_drop(StblVersion *v)
{
	v->drop = true;
}

bool
stbl_schema_takes(const StblSchema *schema, const StblSchema *columns, const char *root, StblError *err)
{
	for (int i = 0; i < columns->n_fields; i++)
	{
		const StblField *f = &columns->fields[i];
		int			j = stbl_schema_find(schema, f->name);
		char		ours[64],
					theirs[64];

		if (j < 0 || (stbl_field_same_type(&schema->fields[j], f) && schema->fields[j].nullable))
			continue;
		stbl_field_type_name(f, ours, sizeof(ours));
		stbl_field_type_name(&schema->fields[j], theirs, sizeof(theirs));
		stbl_fail(err, STBL_ERR_SCHEMA, "column \"%.100s\" cannot be added to table \"%s\"", f->name, root);
		stbl_error_detail(err, "The table has such a column by now: %s%s; to be added was %s.", theirs,
						  schema->fields[j].nullable ? "" : " not null", ours);
		return false;
	}
	return true;
}

bool
stbl_version_add_columns(StblVersion *v, const StblSchema *columns, StblError *err)
{
	StblSchema *all = &v->columns;

	if (!stbl_schema_takes(&v->base->schema, columns, v->table->root, err) ||
		!stbl_schema_takes(all, columns, v->table->root, err))
		return false;
	for (int i = 0; i < columns->n_fields; i++)
	{
		const StblField *f = &columns->fields[i];

		if (stbl_schema_find(&v->base->schema, f->name) >= 0 || stbl_schema_find(all, f->name) >= 0)
			continue;
		all->fields = all->n_fields == 0 ? palloc(sizeof(StblField)) :
			repalloc(all->fields, sizeof(StblField) * (all->n_fields + 1));
		all->fields[all->n_fields++] = *f;
	}
	return true;
}

void
stbl_dv_place(StblMem *mem, const roaring_bitmap_t *bitmap, StblBuf *file, const char *uuid, StblDv *out)
{
	StblBuf		buf;
	int64		cardinality = roaring_bitmap_get_cardinality(bitmap);

	stbl_buf_init(&buf, mem);
	stbl_dv_encode(bitmap, &buf);
	if (buf.len <= STBL_DV_INLINE_MAX)
		stbl_dv_make_inline(mem, buf.data, buf.len, cardinality, out);
	else
	{
		if (file->len == 0)
			stbl_dv_file_begin(file);
		stbl_dv_file_add(file, buf.data, buf.len, cardinality, out);
		stbl_dv_set_uuid(mem, out, uuid);
	}
	stbl_buf_free(&buf);
}

static void
place_inline(StblVersion *v, StblChange *c)
{
	StblBuf		buf;

	stbl_buf_init(&buf, v->mem);
	stbl_dv_encode(c->bitmap, &buf);
	stbl_dv_make_inline(v->mem, buf.data, buf.len, roaring_bitmap_get_cardinality(c->bitmap), &c->dv);
	stbl_buf_free(&buf);
}

/*
 * Gives each changed superfile its new vector.  A durable vector is a subset
 * of the union (published tombstones only grow), so equal counts mean equal
 * sets.
 */
static void
place_vectors(StblVersion *v)
{
	List	   *changed = NIL;
	ListCell   *lc;

	foreach(lc, v->changes)
	{
		StblChange *c = lfirst(lc);
		uint64		n;
		ListCell   *lc2;

		c->all_dead = c->removed;
		n = c->removed ? 0 : roaring_bitmap_get_cardinality(c->bitmap);
		if (!c->removed && n == c->n_before)
			continue;
		changed = lappend(changed, c);
		if (c->removed)
			continue;
		if (c->file->dv != NULL && c->file->dv->cardinality != (int64) c->n_before)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("deletion vector of \"%s\" does not have the cardinality its descriptor says", c->file->path)));
		/* Of a superfile without a live row nothing is kept. */
		c->all_dead = c->file->n_rows >= 0 && n >= (uint64) c->file->n_rows;
		if (c->all_dead)
			continue;
		roaring_bitmap_run_optimize(c->bitmap);
		foreach(lc2, c->durable)
		{
			StblDv	   *dv = lfirst(lc2);

			if (dv->cardinality == (int64) n)
			{
				c->dv = *dv;
				c->placed = true;
			}
		}
		if (!c->placed && v->all_inline)
		{
			place_inline(v, c);
			c->placed = true;
		}
		if (!c->placed)
		{
			if (v->dv_uuid[0] == '\0')
			{
				stbl_new_uuid(v->dv_uuid);
				stbl_buf_init(&v->dv_file, v->mem);
			}
			stbl_dv_place(v->mem, c->bitmap, &v->dv_file, v->dv_uuid, &c->dv);
			c->placed = true;
		}
	}
	v->changes = changed;
}

void
stbl_version_finish(StblVersion *v)
{
	place_vectors(v);
}

/* ---- protocol ---- */

static void
add_feature(char ***features, int *n, const char *name)
{
	char	  **copy;

	for (int i = 0; i < *n; i++)
		if (strcmp((*features)[i], name) == 0)
			return;
	copy = palloc(sizeof(char *) * (*n + 1));
	if (*n > 0)
		memcpy(copy, *features, sizeof(char *) * *n);
	copy[(*n)++] = pstrdup(name);
	*features = copy;
}

static bool
has_ntz(const StblSchema *schema)
{
	for (int i = 0; schema != NULL && i < schema->n_fields; i++)
		if (schema->fields[i].kind == STBL_TIMESTAMP_NTZ)
			return true;
	return false;
}

/*
 * The protocol of the base plus what this version needs; true if that is
 * another than the base's, so that it must be written.
 */
static bool
needed_protocol(StblVersion *v, StblProtocol *out)
{
	bool		needs_dv = false;
	bool		needs_ntz;
	ListCell   *lc;

	foreach(lc, v->changes)
		if (!((StblChange *) lfirst(lc))->all_dead)
			needs_dv = true;
	foreach(lc, v->adds)
		if (((StblAdd *) lfirst(lc))->dv != NULL)
			needs_dv = true;
	needs_ntz = has_ntz(v->schema) || has_ntz(&v->columns);
	if (v->schema != NULL)
	{
		if (v->base->version >= 0)
			*out = v->base->protocol;
		else
		{
			memset(out, 0, sizeof(*out));
			out->min_reader = 1;
			out->min_writer = 7;
		}
		add_feature(&out->writer_features, &out->n_writer_features, "domainMetadata");
		add_feature(&out->writer_features, &out->n_writer_features, "rowTracking");
		add_feature(&out->writer_features, &out->n_writer_features, "inCommitTimestamp");
		add_feature(&out->writer_features, &out->n_writer_features, "supertable");
	}
	else
		*out = v->base->protocol;
	if (needs_dv && !stbl_protocol_has(out, "deletionVectors"))
	{
		out->min_reader = 3;
		add_feature(&out->reader_features, &out->n_reader_features, "deletionVectors");
		add_feature(&out->writer_features, &out->n_writer_features, "deletionVectors");
	}
	if (needs_ntz && !stbl_protocol_has(out, "timestampNtz"))
	{
		out->min_reader = 3;
		add_feature(&out->reader_features, &out->n_reader_features, "timestampNtz");
		add_feature(&out->writer_features, &out->n_writer_features, "timestampNtz");
	}
	return v->schema != NULL || v->drop || out->min_reader != v->base->protocol.min_reader ||
		out->n_writer_features != v->base->protocol.n_writer_features;
}

/* ---- text ---- */

static int64
stats_rows(StblVersion *v, const StblAdd *add)
{
	StblError	err;
	StblJson   *json = add->stats ? stbl_json_parse(v->mem, add->stats, strlen(add->stats), &err) : NULL;
	int64_t		n = -1;

	if (json == NULL || !stbl_json_get_int(json, "numRecords", &n) || n < 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("statistics of superfile \"%s\" do not say how many rows it has", add->path)));
	return n;
}

static void
write_commit_info(StblVersion *v, StblBuf *out)
{
	StblCommitInfo info;
	int64		now_ms = stbl_now_us() / 1000;
	int			i = 0;
	ListCell   *lc;

	memset(&info, 0, sizeof(info));
	info.in_commit_ms = Max(now_ms, v->base->in_commit_ms + 1);
	info.timestamp_ms = info.in_commit_ms;
	info.operation = (char *) v->operation;
	info.version_id = v->version_id;
	info.previous = v->base->version >= 0 && v->base->version_id[0] ? v->base->version_id : NULL;
	info.n_decides = list_length(v->decides);
	info.decides = palloc(sizeof(char *) * (info.n_decides + 1));
	foreach(lc, v->decides)
		info.decides[i++] = lfirst(lc);
	stbl_write_commit_info(out, &info);
}

static void
write_metadata(StblVersion *v, StblBuf *out)
{
	StblMetadata meta;
	StblBuf		schema;
	char	   *keys[] = {"delta.enableInCommitTimestamps"};
	char	   *values[] = {"true"};

	memset(&meta, 0, sizeof(meta));
	stbl_buf_init(&schema, v->mem);
	stbl_schema_write(v->mem, &schema, v->schema);
	meta.id = v->table_id;
	meta.format = "parquet";
	meta.schema_string = (char *) schema.data;
	meta.created_ms = stbl_now_us() / 1000;
	meta.n_configuration = 1;
	meta.config_keys = keys;
	meta.config_values = values;
	stbl_write_metadata(out, &meta);
}

/* The base's metadata, with the new columns behind those it has. */
static void
write_wider_metadata(StblVersion *v, StblBuf *out)
{
	StblMetadata meta = v->base->metadata;
	const StblSchema *old = &v->base->schema;
	StblSchema	wider;
	StblBuf		schema;

	wider.n_fields = old->n_fields + v->columns.n_fields;
	wider.fields = palloc(sizeof(StblField) * wider.n_fields);
	memcpy(wider.fields, old->fields, sizeof(StblField) * old->n_fields);
	memcpy(wider.fields + old->n_fields, v->columns.fields, sizeof(StblField) * v->columns.n_fields);
	stbl_buf_init(&schema, v->mem);
	stbl_schema_write(v->mem, &schema, &wider);
	meta.schema_string = (char *) schema.data;
	stbl_write_metadata(out, &meta);
}

/* tightBounds must be false beside a vector. */
static char *
loose_stats(StblVersion *v, const char *stats)
{
	StblError	err;
	StblJson   *json = stbl_json_parse(v->mem, stats, strlen(stats), &err);
	StblJson   *no;
	StblBuf		buf;

	if (json == NULL || json->type != STBL_JSON_OBJECT)
		return (char *) stats;
	no = stbl_json_new(v->mem, STBL_JSON_BOOL);
	no->boolean = false;
	stbl_json_set(v->mem, json, "tightBounds", no);
	stbl_buf_init(&buf, v->mem);
	stbl_json_write(&buf, json);
	return (char *) buf.data;
}

static void
write_remove(StblBuf *out, const StblFile *f, int64 now_ms)
{
	StblRemove	remove;

	memset(&remove, 0, sizeof(remove));
	remove.path = f->path;
	remove.deletion_ms = now_ms;
	remove.data_change = true;
	remove.size = f->size;
	remove.dv = f->dv;
	remove.base_row_id = f->base_row_id;
	remove.default_row_commit_version = f->default_row_commit_version;
	remove.extended = true;
	stbl_write_remove(out, &remove);
}

static void
write_change(StblVersion *v, StblBuf *out, const StblChange *c, int64 now_ms)
{
	const StblFile *f = c->file;
	StblAdd		add;

	write_remove(out, f, now_ms);
	if (c->all_dead)
		return;

	memset(&add, 0, sizeof(add));
	add.path = f->path;
	add.size = f->size;
	add.mtime_ms = f->mtime_ms;
	add.data_change = true;
	add.stats = f->stats ? loose_stats(v, f->stats) : NULL;
	add.dv = (StblDv *) &c->dv;
	add.base_row_id = f->base_row_id;
	add.default_row_commit_version = f->default_row_commit_version;
	add.has_partition_values = true;
	stbl_write_add(out, &add);
}

void
stbl_version_text(StblVersion *v, StblBuf *out)
{
	StblProtocol protocol;
	int64		now_ms = stbl_now_us() / 1000;
	int64		next_row = v->base->row_id_high_water + 1;
	ListCell   *lc;

	write_commit_info(v, out);
	if (needed_protocol(v, &protocol))
		stbl_write_protocol(out, &protocol);
	if (v->schema != NULL)
		write_metadata(v, out);
	else if (v->drop)
		stbl_write_metadata(out, &v->base->metadata);
	else if (v->columns.n_fields > 0)
		write_wider_metadata(v, out);
	for (StblFile *f = v->drop ? v->base->first : NULL; f != NULL; f = f->next)
		write_remove(out, f, now_ms);
	foreach(lc, v->changes)
		write_change(v, out, lfirst(lc), now_ms);
	foreach(lc, v->adds)
	{
		StblAdd		add = *(StblAdd *) lfirst(lc);
		int64		n = stats_rows(v, &add);

		add.base_row_id = next_row;
		add.default_row_commit_version = v->base->version + 1;
		add.has_partition_values = true;
		if (add.dv != NULL)
			add.stats = loose_stats(v, add.stats);
		next_row += n;
		stbl_write_add(out, &add);
	}
	if (next_row != v->base->row_id_high_water + 1 || (v->drop && next_row > 0))
	{
		StblDomain	d = {"delta.rowTracking", NULL, false};

		d.configuration = psprintf("{\"rowIdHighWaterMark\":" INT64_FORMAT "}", next_row - 1);
		stbl_write_domain(out, &d);
	}
	foreach(lc, v->domains)
		stbl_write_domain(out, lfirst(lc));
}
