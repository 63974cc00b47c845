/*
 * Snapshots: the state of a table at one version, and how one becomes the
 * next.
 *
 * Each snapshot has a memory context under CacheMemoryContext with its hashes
 * and list of files.  What a file's entry points to lives in an StblFileBody,
 * which copies of a snapshot share, so that a copy costs one small entry a
 * file, and tombstones read once serve all copies.
 *
 * Applying a version costs what the version changes.  It happens in place
 * when nobody has the snapshot pinned.  An error while it is applied (only
 * running out of memory is left by then: the actions were parsed and checked
 * before) makes the session forget the snapshot; the next refresh reads it
 * anew.
 */
#include "postgres.h"

#include <inttypes.h>

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/condemn.h"
#include "delta/log.h"
#include "delta/snapshot_int.h"

#define ROW_TRACKING_DOMAIN "delta.rowTracking"
#define PRUNE_MIN 1024

/* One snapshot somebody has pinned, and how often. */
typedef struct Pin
{
	StblSnapshot *snapshot;
	int			count;
} Pin;

static Pin *pins = NULL;
static int	n_pins = 0;
static int	cap_pins = 0;

static MemoryContext bodies_cxt = NULL;

static StblSnapshotState *
state_of(const StblSnapshot *snapshot)
{
	return (StblSnapshotState *) unconstify(StblSnapshot *, snapshot);
}

/* ---- files ---- */

static char *
put_string(char **room, const char *str)
{
	size_t		len = strlen(str) + 1;
	char	   *out = *room;

	memcpy(out, str, len);
	*room += len;
	return out;
}

static StblFileBody *
body_new(const char *path, const char *stats, const StblDv *dv)
{
	Size		size = MAXALIGN(sizeof(StblFileBody)) + strlen(path) + 1;
	StblFileBody *body;
	char	   *room;

	if (stats != NULL)
		size += strlen(stats) + 1;
	if (dv != NULL)
		size += strlen(dv->path_or_inline) + 1;
	if (bodies_cxt == NULL)
		bodies_cxt = AllocSetContextCreate(CacheMemoryContext, "supertable files", ALLOCSET_DEFAULT_SIZES);
	body = MemoryContextAllocHuge(bodies_cxt, size);
	memset(body, 0, sizeof(StblFileBody));
	room = (char *) body + MAXALIGN(sizeof(StblFileBody));
	body->refcount = 1;
	body->path = put_string(&room, path);
	if (stats != NULL)
		body->stats = put_string(&room, stats);
	if (dv != NULL)
	{
		body->dv_data = *dv;
		body->dv_data.path_or_inline = put_string(&room, dv->path_or_inline);
		body->dv = &body->dv_data;
	}
	return body;
}

static void
body_release(StblFileBody *body)
{
	if (--body->refcount > 0)
		return;
	if (body->tombstones != NULL)
		roaring_bitmap_free(body->tombstones);
	stbl_file_bounds_forget(body);
	pfree(body);
}

/* Points a file's public fields at its body. */
static void
file_set_body(StblFileEntry *entry, StblFileBody *body)
{
	entry->path = body->path;
	entry->file.body = body;
	entry->file.path = body->path;
	entry->file.stats = body->stats;
	entry->file.dv = body->dv;
	entry->file.tombstones = body->tombstones;
	entry->file.tombstones_loaded = body->tombstones_loaded;
}

static void
file_link(StblSnapshot *s, StblFile *file)
{
	file->next = NULL;
	file->prev = s->last;
	if (s->last != NULL)
		s->last->next = file;
	else
		s->first = file;
	s->last = file;
	s->n_files++;
	s->n_bytes += file->size;
}

static void
file_drop(StblSnapshot *s, StblFile *file)
{
	StblFileBody *body = file->body;
	const char *key = body->path;

	if (file->prev != NULL)
		file->prev->next = file->next;
	else
		s->first = file->next;
	if (file->next != NULL)
		file->next->prev = file->prev;
	else
		s->last = file->prev;
	s->n_files--;
	s->n_bytes -= file->size;
	hash_search(s->files, &key, HASH_REMOVE, NULL);
	body_release(body);
}

/*
 * numRecords of a file's statistics, or -1.  Almost every writer puts it
 * first, so that most texts need no parsing.
 */
static int64
stats_num_records(const char *stats)
{
	static const char head[] = "{\"numRecords\":";
	int64		n = -1;

	if (stats == NULL)
		return -1;
	if (strncmp(stats, head, sizeof(head) - 1) == 0)
	{
		const char *p = stats + sizeof(head) - 1;
		int			digits;

		for (n = 0, digits = 0; p[digits] >= '0' && p[digits] <= '9' && digits < 18; digits++)
			n = n * 10 + (p[digits] - '0');
		if (digits > 0 && (p[digits] == ',' || p[digits] == '}'))
			return n;
		n = -1;
	}
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "supertable statistics", ALLOCSET_SMALL_SIZES);
		StblError	err;
		StblJson   *json = stbl_json_parse(stbl_mem_in(cxt), stats, strlen(stats), &err);

		if (json == NULL || !stbl_json_get_int(json, "numRecords", &n) || n < 0)
			n = -1;
		MemoryContextDelete(cxt);
	}
	return n;
}

/* ---- making, copying, freeing ---- */

static StblSnapshotState *
snapshot_new(void)
{
	MemoryContext cxt = AllocSetContextCreate(CacheMemoryContext, "supertable snapshot", ALLOCSET_DEFAULT_SIZES);
	StblSnapshotState *state = MemoryContextAllocZero(cxt, sizeof(StblSnapshotState));
	StblSnapshot *s = &state->pub;

	s->cxt = cxt;
	s->version = -1;
	s->in_commit_ms = -1;
	s->row_id_high_water = -1;
	s->checkpoint_version = -1;
	s->anew_version = -1;
	s->refcount = 1;
	s->is_published = true;
	s->files = stbl_strtab_new("supertable files", sizeof(StblFileEntry), cxt);
	s->domains = stbl_strtab_new("supertable domains", sizeof(StblDomainEntry), cxt);
	s->txns = stbl_strtab_new("supertable txns", sizeof(StblTxnEntry), cxt);
	state->removed = stbl_strtab_new("supertable removes", sizeof(StblRemovedEntry), cxt);
	state->prune_at = PRUNE_MIN;
	return state;
}

static void
snapshot_free(StblSnapshot *s)
{
	StblFile   *file;

	for (file = s->first; file != NULL; file = file->next)
		body_release(file->body);
	MemoryContextDelete(s->cxt);
}

static void
snapshot_release(StblSnapshot *s)
{
	if (--s->refcount == 0)
		snapshot_free(s);
}

static char **
copy_strings(char *const *strings, int n)
{
	char	  **out = palloc(sizeof(char *) * (n + 1));
	int			i;

	for (i = 0; i < n; i++)
		out[i] = pstrdup(strings[i]);
	return out;
}

static char *
copy_string(const char *str)
{
	return str == NULL ? NULL : pstrdup(str);
}

static void
set_protocol(StblSnapshotState *state, const StblProtocol *protocol)
{
	MemoryContext cxt = AllocSetContextCreate(state->pub.cxt, "supertable protocol", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblProtocol copy = *protocol;

	copy.reader_features = copy_strings(protocol->reader_features, protocol->n_reader_features);
	copy.writer_features = copy_strings(protocol->writer_features, protocol->n_writer_features);
	MemoryContextSwitchTo(old);
	state->pub.protocol = copy;
	if (state->protocol_cxt != NULL)
		MemoryContextDelete(state->protocol_cxt);
	state->protocol_cxt = cxt;
}

static void
set_metadata(StblSnapshotState *state, const StblMetadata *metadata)
{
	MemoryContext cxt = AllocSetContextCreate(state->pub.cxt, "supertable metadata", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblMetadata copy = *metadata;
	StblSchema	schema;
	StblError	err;

	copy.id = pstrdup(metadata->id);
	copy.name = copy_string(metadata->name);
	copy.description = copy_string(metadata->description);
	copy.format = pstrdup(metadata->format);
	copy.schema_string = pstrdup(metadata->schema_string);
	copy.config_keys = copy_strings(metadata->config_keys, metadata->n_configuration);
	copy.config_values = copy_strings(metadata->config_values, metadata->n_configuration);
	if (!stbl_schema_parse(stbl_mem_in(cxt), copy.schema_string, strlen(copy.schema_string), &schema, &err))
		stbl_throw(&err);
	MemoryContextSwitchTo(old);
	state->pub.metadata = copy;
	state->pub.schema = schema;
	if (state->metadata_cxt != NULL)
		MemoryContextDelete(state->metadata_cxt);
	state->metadata_cxt = cxt;
}

static void
set_domain(StblSnapshot *s, const char *domain, const char *configuration)
{
	MemoryContext old = MemoryContextSwitchTo(s->cxt);
	char	   *value = pstrdup(configuration);
	StblDomainEntry *entry = hash_search(s->domains, &domain, HASH_FIND, NULL);

	if (strcmp(domain, STBL_DROPPED_DOMAIN) == 0)
		s->dropped = true;
	if (entry != NULL)
		pfree(entry->configuration);
	else
	{
		char	   *key = pstrdup(domain);

		entry = hash_search(s->domains, &key, HASH_ENTER, NULL);
	}
	entry->configuration = value;
	MemoryContextSwitchTo(old);
}

static void
drop_domain(StblSnapshot *s, const char *domain)
{
	StblDomainEntry *entry = hash_search(s->domains, &domain, HASH_FIND, NULL);
	char	   *key;
	char	   *value;

	if (strcmp(domain, STBL_DROPPED_DOMAIN) == 0)
		s->dropped = false;
	if (entry == NULL)
		return;
	key = entry->domain;
	value = entry->configuration;
	hash_search(s->domains, &key, HASH_REMOVE, NULL);
	pfree(key);
	pfree(value);
}

static void
set_txn(StblSnapshot *s, const StblTxnAction *txn)
{
	const char *app_id = txn->app_id;
	StblTxnEntry *entry = hash_search(s->txns, &app_id, HASH_FIND, NULL);

	if (entry == NULL)
	{
		char	   *key = MemoryContextStrdup(s->cxt, app_id);

		entry = hash_search(s->txns, &key, HASH_ENTER, NULL);
	}
	entry->version = txn->version;
	entry->last_updated_ms = txn->last_updated_ms;
}

/* ---- removes that checkpoints carry ---- */

static char *
removed_key(const char *path, const StblDv *dv)
{
	if (dv == NULL)
		return psprintf("%s\n", path);
	if (dv->has_offset)
		return psprintf("%s\n%c%s@%" PRId64, path, dv->storage, dv->path_or_inline, dv->offset);
	return psprintf("%s\n%c%s", path, dv->storage, dv->path_or_inline);
}

static void
drop_removed(StblSnapshotState *state, const char *key)
{
	StblRemovedEntry *entry = hash_search(state->removed, &key, HASH_FIND, NULL);
	StblRemovedEntry copy;

	if (entry == NULL)
		return;
	copy = *entry;
	hash_search(state->removed, &copy.key, HASH_REMOVE, NULL);
	pfree(copy.key);
	pfree(copy.remove.path);
	if (copy.remove.dv != NULL)
	{
		pfree(copy.remove.dv->path_or_inline);
		pfree(copy.remove.dv);
	}
}

/* Drops what has expired; amortized over the removes that led here. */
static void
prune_removed(StblSnapshotState *state, int64 now_ms)
{
	HASH_SEQ_STATUS scan;
	StblRemovedEntry *entry;

	hash_seq_init(&scan, state->removed);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->remove.deletion_ms < now_ms - STBL_TOMBSTONE_MS)
			drop_removed(state, entry->key);
	state->prune_at = Max(hash_get_num_entries(state->removed) * 2, PRUNE_MIN);
}

static void
note_removed(StblSnapshotState *state, const StblRemove *remove, int64 now_ms)
{
	MemoryContext old;
	StblRemove	copy = *remove;
	StblRemovedEntry *entry;
	char	   *key;
	bool		found;

	if (remove->deletion_ms < now_ms - STBL_TOMBSTONE_MS)
		return;
	if (hash_get_num_entries(state->removed) >= state->prune_at)
		prune_removed(state, now_ms);
	old = MemoryContextSwitchTo(state->pub.cxt);
	key = removed_key(remove->path, remove->dv);
	drop_removed(state, key);
	copy.path = pstrdup(remove->path);
	if (remove->dv != NULL)
	{
		copy.dv = palloc(sizeof(StblDv));
		*copy.dv = *remove->dv;
		copy.dv->path_or_inline = pstrdup(remove->dv->path_or_inline);
	}
	entry = hash_search(state->removed, &key, HASH_ENTER, &found);
	entry->remove = copy;
	MemoryContextSwitchTo(old);
}

/* ---- applying ---- */

/*
 * A remove names the path and the vector it was read with; one that names
 * another vector does not touch the live entry.
 */
static void
apply_remove(StblSnapshotState *state, const StblRemove *remove, int64 now_ms)
{
	const char *path = remove->path;
	StblFileEntry *entry = hash_search(state->pub.files, &path, HASH_FIND, NULL);

	if (entry != NULL && stbl_dv_equal(entry->file.dv, remove->dv))
		entry->file.doomed = true;
	note_removed(state, remove, now_ms);
}

/*
 * An add of a live path replaces what is said of it and keeps its place: that
 * is how a deletion vector changes.
 */
static void
apply_add(StblSnapshotState *state, const StblAdd *add, int64 added_version)
{
	StblSnapshot *s = &state->pub;
	StblFileBody *body = body_new(add->path, add->stats, add->dv);
	StblFileEntry *entry;
	bool		found;
	char	   *key;

	entry = hash_search(s->files, &body->path, HASH_ENTER, &found);
	if (found)
	{
		StblFileBody *old = entry->file.body;

		/* Where a pinned snapshot shares them they are read again when wanted. */
		if (old->refcount == 1 && stbl_dv_equal(old->dv, body->dv))
		{
			body->tombstones = old->tombstones;
			body->tombstones_loaded = old->tombstones_loaded;
			old->tombstones = NULL;
		}
		s->n_bytes += add->size - entry->file.size;
		file_set_body(entry, body);
		body_release(old);
	}
	else
	{
		memset(&entry->file, 0, sizeof(entry->file));
		file_set_body(entry, body);
		entry->file.size = add->size;
		entry->file.added_version = added_version;
		file_link(s, &entry->file);
	}
	entry->file.doomed = false;
	entry->file.size = add->size;
	entry->file.n_rows = stats_num_records(add->stats);
	entry->file.base_row_id = add->base_row_id;
	entry->file.default_row_commit_version = add->default_row_commit_version;
	entry->file.mtime_ms = add->mtime_ms;
	key = removed_key(add->path, add->dv);
	drop_removed(state, key);
	pfree(key);
}

static void
apply_files(StblSnapshotState *state, int64_t version, const StblActions *actions, bool from_checkpoint)
{
	int64		now_ms = stbl_now_us() / 1000;
	int			i;

	if (actions->n_adds == 0 && actions->n_removes == 0)
		return;
	state->by_row_valid = false;
	for (i = 0; i < actions->n_removes; i++)
		apply_remove(state, &actions->removes[i], now_ms);
	for (i = 0; i < actions->n_adds; i++)
	{
		const StblAdd *add = &actions->adds[i];

		apply_add(state, add, from_checkpoint && add->default_row_commit_version >= 0 ?
				  add->default_row_commit_version : version);
	}
	for (i = 0; i < actions->n_removes; i++)
	{
		const char *path = actions->removes[i].path;
		StblFileEntry *entry = hash_search(state->pub.files, &path, HASH_FIND, NULL);

		if (entry != NULL && entry->file.doomed)
			file_drop(&state->pub, &entry->file);
	}
}

/* {"rowIdHighWaterMark":N} */
static int64
parse_high_water(const char *configuration)
{
	StblError	err;
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblJson   *json = stbl_json_parse(mem, configuration, strlen(configuration), &err);
	int64		value;

	if (json != NULL && stbl_json_get_int(json, "rowIdHighWaterMark", &value) && value >= -1)
		return value;
	stbl_fail(&err, STBL_ERR_CORRUPT, "domain \"" ROW_TRACKING_DOMAIN "\" has no well-formed rowIdHighWaterMark");
	stbl_throw(&err);
}

static void
apply_actions(StblSnapshotState *state, int64_t version, const StblActions *actions, bool from_checkpoint)
{
	StblSnapshot *s = &state->pub;
	const StblCommitInfo *info = &actions->commit_info;
	int			i;

	if (!from_checkpoint && stbl_begins_log(actions))
		s->anew_version = version;
	if (actions->protocol != NULL)
		set_protocol(state, actions->protocol);
	if (actions->metadata != NULL)
		set_metadata(state, actions->metadata);
	apply_files(state, version, actions, from_checkpoint);
	for (i = 0; i < actions->n_domains; i++)
	{
		const StblDomain *domain = &actions->domains[i];

		if (strcmp(domain->domain, ROW_TRACKING_DOMAIN) == 0)
			s->row_id_high_water = domain->removed ? -1 : parse_high_water(domain->configuration);
		if (domain->removed)
			drop_domain(s, domain->domain);
		else
			set_domain(s, domain->domain, domain->configuration);
	}
	for (i = 0; i < actions->n_txns; i++)
		set_txn(s, &actions->txns[i]);
	s->version = version;
	s->in_commit_ms = info->in_commit_ms;
	strlcpy(s->version_id, info->version_id != NULL ? info->version_id : "", sizeof(s->version_id));
}

static StblSnapshotState *
snapshot_copy(const StblSnapshot *from)
{
	StblSnapshotState *state = snapshot_new();
	StblSnapshot *s = &state->pub;
	HASH_SEQ_STATUS scan;
	StblDomainEntry *domain;
	StblTxnEntry *txn;
	StblRemovedEntry *removed;
	const StblFile *file;

	PG_TRY();
	{
		if (from->version >= 0)
		{
			set_protocol(state, &from->protocol);
			set_metadata(state, &from->metadata);
		}
		s->version = from->version;
		memcpy(s->version_id, from->version_id, sizeof(s->version_id));
		s->in_commit_ms = from->in_commit_ms;
		s->row_id_high_water = from->row_id_high_water;
		s->checkpoint_version = from->checkpoint_version;
		s->anew_version = from->anew_version;
		for (file = from->first; file != NULL; file = file->next)
		{
			StblFileEntry *entry = hash_search(s->files, &file->body->path, HASH_ENTER, NULL);

			entry->file = *file;
			file_set_body(entry, file->body);
			file->body->refcount++;
			file_link(s, &entry->file);
		}
		hash_seq_init(&scan, from->domains);
		while ((domain = hash_seq_search(&scan)) != NULL)
			set_domain(s, domain->domain, domain->configuration);
		hash_seq_init(&scan, from->txns);
		while ((txn = hash_seq_search(&scan)) != NULL)
		{
			StblTxnAction action = {txn->app_id, txn->version, txn->last_updated_ms};

			set_txn(s, &action);
		}
		hash_seq_init(&scan, state_of(from)->removed);
		while ((removed = hash_seq_search(&scan)) != NULL)
			note_removed(state, &removed->remove, removed->remove.deletion_ms);
	}
	PG_CATCH();
	{
		snapshot_free(s);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return state;
}

void
stbl_snapshot_reset(StblTable *table)
{
	StblSnapshotState *state = snapshot_new();

	stbl_snapshot_forget(table);
	table->current = &state->pub;
}

void
stbl_snapshot_advance(StblTable *table, int64_t version, const StblActions *actions, bool from_checkpoint)
{
	PG_TRY();
	{
		if (table->current->refcount > 1)
		{
			StblSnapshotState *copy = snapshot_copy(table->current);

			table->current->refcount--;
			table->current = &copy->pub;
		}
		apply_actions(state_of(table->current), version, actions, from_checkpoint);
	}
	PG_CATCH();
	{
		stbl_snapshot_forget(table);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

void
stbl_snapshot_forget(StblTable *table)
{
	StblSnapshot *old = table->current;

	table->current = NULL;
	table->newest_etag[0] = '\0';
	table->newest_modified_us = 0;
	if (old != NULL)
		snapshot_release(old);
}

/*
 * Called when the version is decided already, so nothing may be thrown: what
 * does not work here is read back by the next refresh.
 */
void
stbl_snapshot_applied(StblTable *table, const char *data, size_t len, const char *etag)
{
	MemoryContext old = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	MemoryContext cxt;

	if (table->current == NULL)
		return;
	PG_TRY();
	{
		StblActions actions;
		StblError	err;

		cxt = AllocSetContextCreate(old, "supertable applied version", ALLOCSET_DEFAULT_SIZES);
		MemoryContextSwitchTo(cxt);
		if (stbl_actions_parse(stbl_mem_in(cxt), data, len, &actions, &err))
		{
			stbl_snapshot_advance(table, table->current->version + 1, &actions, false);
			strlcpy(table->newest_etag, etag != NULL ? etag : "", sizeof(table->newest_etag));
			table->newest_modified_us = 0;
			stbl_table_note_id(table);
		}
		else
			stbl_snapshot_forget(table);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cxt);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		FlushErrorState();
		InterruptHoldoffCount = holdoff;
		stbl_snapshot_forget(table);
	}
	PG_END_TRY();
}

/* ---- pins ---- */

StblSnapshot *
stbl_snapshot_pin(StblSnapshot *snapshot)
{
	int			i;

	for (i = 0; i < n_pins && pins[i].snapshot != snapshot; i++)
		;
	if (i == cap_pins)
	{
		int			cap = cap_pins == 0 ? 16 : cap_pins * 2;

		pins = pins == NULL ? MemoryContextAlloc(TopMemoryContext, cap * sizeof(Pin)) : repalloc(pins, cap * sizeof(Pin));
		cap_pins = cap;
	}
	if (i == n_pins)
	{
		pins[i].snapshot = snapshot;
		pins[i].count = 0;
		n_pins++;
	}
	pins[i].count++;
	snapshot->refcount++;
	return snapshot;
}

void
stbl_snapshot_unpin(StblSnapshot *snapshot)
{
	int			i;

	for (i = 0; i < n_pins; i++)
	{
		if (pins[i].snapshot != snapshot)
			continue;
		if (--pins[i].count == 0)
			pins[i] = pins[--n_pins];
		snapshot_release(snapshot);
		return;
	}
}

void
stbl_snapshot_unpin_all(void)
{
	while (n_pins > 0)
		stbl_snapshot_unpin(pins[n_pins - 1].snapshot);
}
