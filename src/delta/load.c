/*
 * Reading the log: what is new, or all of it.
 *
 * Refresh, with a snapshot of version n cached, asks in one round trip:
 *
 *	HEAD n		is it still the object we know (same etag)?
 *	GET n + 1	is there more?
 *
 * If n is another object or gone, the folder was made anew or its log was
 * cleaned up behind us: everything is read from the start.  If n + 1 is
 * there, it and what follows is read, more and more versions at a time, until
 * one is missing.
 *
 * GET n + 1 alone would not do.  That it finds nothing proves that nothing
 * came after n only if n is still there: a table that was dropped, after
 * other versions had come, has lost n + 1 as well, and so has a folder that
 * was emptied by hand.
 *
 * On a network one request asks for both: LIST of the names that begin as n
 * and n + 1 do, ten of them as a rule.  It shows n, with the size and time
 * that its GET has told, and no n + 1.  This rests on promise S6 of
 * supertable_storage.h: a listing shows every PUT and DELETE that was answered
 * before it began, as those of S3, Azure and Google do.  A listing knows no
 * etag: where size or time differ, or were not told (after a PUT of our own),
 * HEAD and GET decide.  Size and time being the same, for another object of
 * this name, would take a folder that was emptied and filled up to version n
 * within the second in which n was written.  A listing costs more than HEAD
 * and GET, and what it shows is still to be fetched, so it is left where the
 * last look found something new.  On a directory it would read the whole
 * folder.
 *
 * Reading from the start takes a checkpoint and the versions after it, in two
 * round trips: first the listing, then all that it names, and the version
 * that should not be there yet, together.  Where the listing has several
 * pages _last_checkpoint, asked for beside the first, is tried before the
 * others.  It is only a hint.  What it says is used if
 *
 *	1. the checkpoint it names can be read, and
 *	2. some version after it was found, or its own version still exists, looked
 *	   at after the next one was found missing: clean-up deletes versions in
 *	   ascending order, so the next one was not cleaned up either.
 *
 * Else the log is listed, without relying on the order of the listing.  A
 * version missing in the middle is corruption, unless clean-up took it while
 * we read: then everything is read again, a few times at most.
 */
#include "postgres.h"

#include <inttypes.h>

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "delta/log.h"
#include "delta/snapshot_int.h"

#define MAX_IN_FLIGHT 64
#define AFTER_HINT 16
#define LOAD_ATTEMPTS 3
#define MAX_PARTS 100000

/* What a listing of the log shows. */
typedef struct Listing
{
	int64		max_version;	/* -1: none */
	int64		min_version;
	int64		checkpoint;		/* newest complete one, -1: none */
	int			n_parts;		/* 0: single file */
	bool		saw_v2;			/* a checkpoint named by a uuid */
} Listing;

/* Parts of multi-part checkpoints seen while listing. */
typedef struct PartSeen
{
	int64		version;
	int			part;
	int			n_parts;
} PartSeen;

/* ---- versions ---- */

static void
check_actions(StblMem *mem, const StblActions *actions, const char *key)
{
	StblError	err;
	StblSchema	schema;

	if (actions->metadata != NULL &&
		!stbl_schema_parse(mem, actions->metadata->schema_string, strlen(actions->metadata->schema_string), &schema, &err))
		stbl_throw_object(&err, key);
}

/* What the object of the newest version is known by. */
static void
note_newest(StblTable *table, const StblCall *call)
{
	strlcpy(table->newest_etag, call->req.new_etag, sizeof(table->newest_etag));
	table->newest_size = call->req.size;
	table->newest_modified_us = call->req.modified_us;
}

/* Parses, applies and shows one version. */
static void
take_version(StblTable *table, int64 version, const StblCall *call)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable version", ALLOCSET_DEFAULT_SIZES);
	StblMem    *mem = stbl_mem_in(cxt);
	StblActions actions;
	StblError	err;

	MemoryContextSwitchTo(cxt);
	if (!stbl_actions_parse(mem, (const char *) call->req.body, call->req.body_len, &actions, &err))
		stbl_throw_object(&err, call->req.key);
	check_actions(mem, &actions, call->req.key);
	if (version == 0 && (actions.protocol == NULL || actions.metadata == NULL))
	{
		stbl_fail(&err, STBL_ERR_CORRUPT, "version 0 has no %s action", actions.protocol == NULL ? "protocol" : "metaData");
		stbl_throw_object(&err, call->req.key);
	}
	stbl_snapshot_advance(table, version, &actions, false);
	note_newest(table, call);
	MemoryContextSwitchTo(caller);
	if (table->visitor != NULL)
		table->visitor(table, version, &actions, table->visitor_arg);
	MemoryContextDelete(cxt);
}

/*
 * Awaits a GET; false if there is no such object.
 */
static bool
found(StblCall *call)
{
	if (stbl_await(call) == STBL_ST_NOT_FOUND)
		return false;
	stbl_await_ok(call);
	return true;
}

/* Versions that were asked for: from first to before sent. */
typedef struct Versions
{
	int64		first;
	int64		sent;
	StblCall   *calls[MAX_IN_FLIGHT];	/* of version v: at v % MAX_IN_FLIGHT */
} Versions;

static void
begin_versions(Versions *v, int64 first)
{
	v->first = v->sent = first;
}

/* Asks for versions before end, as many as may be in flight. */
static void
ask_versions(StblTable *table, Versions *v, int64 end, int64_t deadline_us)
{
	for (; v->sent < end && v->sent < v->first + MAX_IN_FLIGHT; v->sent++)
		v->calls[v->sent % MAX_IN_FLIGHT] = stbl_store_get(table->store, stbl_version_key(table, v->sent), deadline_us);
}

/* Takes back what was asked for and is not wanted any more. */
static void
end_versions(Versions *v)
{
	for (; v->first < v->sent; v->first++)
		stbl_call_free(v->calls[v->first % MAX_IN_FLIGHT]);
}

/*
 * The first version asked for was missing, yet a later one is there.  Either
 * both were published between the two requests, or there is a hole.
 */
static bool
still_missing(StblTable *table, Versions *v, int64_t deadline_us)
{
	StblCall  **call = &v->calls[v->first % MAX_IN_FLIGHT];

	for (int64 later = v->first + 1; later < v->sent; later++)
	{
		if (!found(v->calls[later % MAX_IN_FLIGHT]))
			continue;
		stbl_call_free(*call);
		*call = stbl_store_get(table->store, stbl_version_key(table, v->first), deadline_us);
		return !found(*call);
	}
	return false;
}

/*
 * Reads versions after current until one is missing; some may have been asked
 * for.  Those up to known_max are known to exist, and asked for together with
 * the one that should not; more and more of those that follow.  Returns the
 * number of a hole, or -1.
 */
static int64
read_on(StblTable *table, Versions *v, int64 known_max, int64_t deadline_us)
{
	int64		n_ahead = 1;
	int64		hole = -1;

	for (;;)
	{
		StblCall   *call;

		CHECK_FOR_INTERRUPTS();
		ask_versions(table, v, Max(known_max + 2, v->first + n_ahead), deadline_us);
		call = v->calls[v->first % MAX_IN_FLIGHT];
		if (!found(call))
		{
			if (v->first <= known_max || still_missing(table, v, deadline_us))
			{
				hole = v->first;
				break;
			}
			call = v->calls[v->first % MAX_IN_FLIGHT];
			if (call->req.status == STBL_ST_NOT_FOUND)
				break;
		}
		take_version(table, v->first, call);
		stbl_call_free(call);
		if (v->first > known_max)
			n_ahead = Min(n_ahead * 2, MAX_IN_FLIGHT);
		v->first++;
	}
	end_versions(v);
	return hole;
}

/* ---- listing ---- */

static void
note_checkpoint(Listing *listing, int64 version, int n_parts)
{
	if (version > listing->checkpoint || (version == listing->checkpoint && n_parts == 0))
	{
		listing->checkpoint = version;
		listing->n_parts = n_parts;
	}
}

/* Takes one name of the log folder; returns whether it is a part of a multi-part checkpoint. */
static bool
note_name(Listing *listing, const char *text, PartSeen *part)
{
	StblLogName name;

	if (!stbl_log_name_parse(text, &name))
		return false;
	switch (name.kind)
	{
		case STBL_LOG_VERSION:
			listing->max_version = Max(listing->max_version, name.version);
			if (listing->min_version < 0 || name.version < listing->min_version)
				listing->min_version = name.version;
			break;
		case STBL_LOG_CHECKPOINT:
			note_checkpoint(listing, name.version, 0);
			break;
		case STBL_LOG_CHECKPOINT_PART:
			part->version = name.version;
			part->part = name.part;
			part->n_parts = name.n_parts;
			return true;
		case STBL_LOG_CHECKPOINT_V2:
			listing->saw_v2 = true;
			break;
		case STBL_LOG_OTHER:
			break;
	}
	return false;
}

static int
compare_parts(const void *a, const void *b)
{
	const PartSeen *x = a;
	const PartSeen *y = b;

	if (x->version != y->version)
		return x->version < y->version ? -1 : 1;
	if (x->n_parts != y->n_parts)
		return x->n_parts < y->n_parts ? -1 : 1;
	return (x->part > y->part) - (x->part < y->part);
}

/* A multi-part checkpoint counts if every part is there. */
static void
note_complete_parts(Listing *listing, PartSeen *parts, size_t n)
{
	size_t		i = 0;

	qsort(parts, n, sizeof(PartSeen), compare_parts);
	while (i < n)
	{
		size_t		j = i;
		int			distinct = 0;

		while (j < n && parts[j].version == parts[i].version && parts[j].n_parts == parts[i].n_parts)
		{
			if (j == i || parts[j].part != parts[j - 1].part)
				distinct++;
			j++;
		}
		if (distinct == parts[i].n_parts)
			note_checkpoint(listing, parts[i].version, parts[i].n_parts);
		i = j;
	}
}

/* first: the call for the first page, in flight. */
static void
list_log(StblTable *table, StblCall *call, Listing *listing, int64_t deadline_us)
{
	size_t		cap = 64;
	size_t		n = 0;
	PartSeen   *parts = palloc(cap * sizeof(PartSeen));

	listing->max_version = -1;
	listing->min_version = -1;
	listing->checkpoint = -1;
	listing->n_parts = 0;
	listing->saw_v2 = false;
	for (;;)
	{
		StblCall   *next = NULL;
		size_t		i;

		if (!found(call))
			break;
		if (call->req.list_next != NULL)
			next = stbl_store_list(table->store, call->req.key, '/', pstrdup(call->req.list_next), deadline_us);
		for (i = 0; i < call->req.n_entries; i++)
		{
			const char *slash = strrchr(call->req.entries[i].key, '/');

			if (call->req.entries[i].is_folder || slash == NULL)
				continue;
			if (n == cap)
				parts = repalloc_huge(parts, (cap *= 2) * sizeof(PartSeen));
			if (note_name(listing, slash + 1, &parts[n]))
				n++;
		}
		if (next == NULL)
			break;
		stbl_call_free(call);
		call = next;
	}
	note_complete_parts(listing, parts, n);
}

/* ---- checkpoints ---- */

static void
take_checkpoint(int64_t version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	StblTable  *table = arg;

	check_actions(stbl_mem_in(CurrentMemoryContext), actions,
				  stbl_log_checkpoint_key(table, version, 1, 0));
	stbl_snapshot_advance(table, version, actions, true);
}

/* Reads a checkpoint into an empty snapshot; false if a file of it is missing. */
static bool
read_checkpoint(StblTable *table, int64 version, int n_parts, int64_t deadline_us)
{
	if (!stbl_log_read_checkpoint(table, version, n_parts, deadline_us, take_checkpoint, table))
		return false;
	if (table->current->protocol.min_reader == 0 || table->current->metadata.id == NULL)
	{
		StblError	err;

		stbl_fail(&err, STBL_ERR_CORRUPT, "checkpoint has no protocol or no metaData action");
		stbl_throw_object(&err, stbl_log_checkpoint_key(table, version, 1, n_parts));
	}
	table->current->checkpoint_version = version;
	table->gap = true;
	return true;
}

/*
 * What a checkpoint does not hold of its own version: commitInfo, and the
 * object's etag.  False if that version is gone.
 */
static bool
read_own_version(StblTable *table, StblCall *call)
{
	StblSnapshot *s = table->current;
	StblActions actions;
	StblActions only_info;
	StblError	err;

	if (!found(call))
		return false;
	if (!stbl_actions_parse(stbl_mem_in(CurrentMemoryContext), (const char *) call->req.body, call->req.body_len, &actions, &err))
		stbl_throw_object(&err, call->req.key);
	memset(&only_info, 0, sizeof(only_info));
	only_info.has_commit_info = actions.has_commit_info;
	only_info.commit_info = actions.commit_info;
	stbl_snapshot_advance(table, s->version, &only_info, false);
	note_newest(table, call);
	return true;
}

/* ---- from the start ---- */

/* What _last_checkpoint says; false if there is none, or nothing that makes sense. */
static bool
parse_hint(const StblCall *call, int64 *version, int *n_parts)
{
	StblError	err;
	StblJson   *json = stbl_json_parse(stbl_mem_in(CurrentMemoryContext), (const char *) call->req.body, call->req.body_len, &err);
	int64_t		value;
	int64_t		parts = 0;

	if (json == NULL || !stbl_json_get_int(json, "version", &value) || value < 0)
		return false;
	if (stbl_json_get_int(json, "parts", &parts) && (parts < 1 || parts > MAX_PARTS))
		return false;
	*version = value;
	*n_parts = (int) parts;
	return true;
}

static bool
load_by_hint(StblTable *table, StblCall *hint, int64_t deadline_us)
{
	int64		version;
	int			n_parts;
	Versions	v;

	if (!found(hint) || !parse_hint(hint, &version, &n_parts))
		return false;
	stbl_snapshot_reset(table);
	begin_versions(&v, version + 1);
	ask_versions(table, &v, version + 1 + AFTER_HINT, deadline_us);
	if (!read_checkpoint(table, version, n_parts, deadline_us))
	{
		end_versions(&v);
		return false;
	}
	if (read_on(table, &v, -1, deadline_us) >= 0)
		return false;
	return table->current->version > version ||
		read_own_version(table, stbl_store_get(table->store, stbl_version_key(table, version), deadline_us));
}

/*
 * Without a checkpoint the log begins at version 0, or where storage was
 * dropped: at the first version that is left, or, while the others are being
 * deleted, at the last.
 */
static void
find_beginning(StblTable *table, const Listing *listing)
{
	if (listing->min_version <= 0)
		return;
	if (stbl_log_begins_at(table, listing->min_version))
		table->current->version = listing->min_version - 1;
	else if (stbl_log_begins_at(table, listing->max_version))
		table->current->version = listing->max_version - 1;
	if (table->current->version >= 0)
		table->gap = true;
}

/*
 * Returns the number of a missing version, or -1.  All that the listing names
 * is asked for at once, with the version that should come next.
 */
static int64
load_by_listing(StblTable *table, const Listing *listing, int64_t deadline_us)
{
	int64		hole;
	StblCall   *own = NULL;
	Versions	v;

	stbl_snapshot_reset(table);
	if (listing->checkpoint >= 0)
	{
		begin_versions(&v, listing->checkpoint + 1);
		ask_versions(table, &v, Max(listing->max_version, listing->checkpoint) + 2, deadline_us);
		if (listing->max_version <= listing->checkpoint)
			own = stbl_store_get(table->store, stbl_version_key(table, listing->checkpoint), deadline_us);
		if (!read_checkpoint(table, listing->checkpoint, listing->n_parts, deadline_us))
		{
			end_versions(&v);
			return listing->checkpoint;
		}
	}
	else if (listing->min_version > 0 && listing->saw_v2)
	{
		StblError	err;

		stbl_fail(&err, STBL_ERR_UNSUPPORTED, "table \"%.200s\" has checkpoints of version 2 only", table->root);
		stbl_error_hint(&err, "Only classic checkpoints are read.");
		stbl_throw(&err);
	}
	if (listing->checkpoint < 0 && listing->max_version < 0)
		return -1;
	if (listing->checkpoint < 0)
	{
		find_beginning(table, listing);
		begin_versions(&v, table->current->version + 1);
	}
	hole = read_on(table, &v, listing->max_version, deadline_us);
	if (hole >= 0)
		return hole;

	/* Without its own version there is nothing to know the table by: each refresh then reads it anew. */
	if (own != NULL && table->current->version == listing->checkpoint)
		read_own_version(table, own);
	return -1;
}

static void
load(StblTable *table, int64_t deadline_us)
{
	char	   *folder = stbl_table_key(table, "_delta_log/");
	int64		hole = -1;
	int			attempt;

	for (attempt = 0; attempt < LOAD_ATTEMPTS; attempt++)
	{
		StblCall   *hint = NULL;
		StblCall   *list;
		Listing		listing;

		if (attempt == 0)
			hint = stbl_store_get(table->store, stbl_table_key(table, "_delta_log/_last_checkpoint"), deadline_us);
		list = stbl_store_list(table->store, folder, '/', NULL, deadline_us);
		if (hint != NULL && found(list) && list->req.list_next != NULL && load_by_hint(table, hint, deadline_us))
		{
			stbl_call_free(list);
			return;
		}
		list_log(table, list, &listing, deadline_us);
		if (hint != NULL)
			stbl_call_free(hint);
		hole = load_by_listing(table, &listing, deadline_us);
		if (hole < 0)
			return;
		table->gap = true;
	}
	stbl_snapshot_forget(table);
	{
		StblError	err;

		stbl_fail(&err, STBL_ERR_CORRUPT, "version " INT64_FORMAT " of table \"%.200s\" is missing", hole, table->root);
		stbl_error_detail(&err, "Later versions exist, but object \"%.200s\" does not.", stbl_version_key(table, hole));
		stbl_throw(&err);
	}
}

/* ---- what we can read ---- */

static void
refuse(const StblTable *table, const char *what, const char *hint)
{
	StblError	err;

	stbl_fail(&err, STBL_ERR_UNSUPPORTED, "table \"%.200s\" %.200s", table->root, what);
	stbl_error_hint(&err, "%s", hint);
	stbl_throw(&err);
}

static void
check_column_mapping(const StblTable *table)
{
	const StblMetadata *metadata = &table->current->metadata;
	int			i;

	for (i = 0; i < metadata->n_configuration; i++)
		if (strcmp(metadata->config_keys[i], "delta.columnMapping.mode") == 0 &&
			strcmp(metadata->config_values[i], "none") != 0)
			refuse(table, "uses column mapping", "Tables with the feature \"columnMapping\" in mode none can be read.");
}

static void
check_supported(const StblTable *table)
{
	static const char *const known[] = {"deletionVectors", "timestampNtz", "columnMapping", "vacuumProtocolCheck"};
	const StblSnapshot *s = table->current;
	int			i;
	size_t		k;

	if (s->version < 0)
		return;
	if (s->dropped && !table->dropped_ok)
	{
		StblError	err;

		stbl_fail(&err, STBL_ERR_STATE, "the storage of table \"%.200s\" was dropped", table->root);
		stbl_error_detail(&err, "supertable_drop_storage() has deleted it, or is about to.");
		stbl_error_hint(&err, "A first INSERT or COPY, in a transaction that has not read the table, makes it anew.");
		stbl_throw(&err);
	}
	if (s->protocol.min_reader < 1 || s->protocol.min_reader > 3)
		refuse(table, psprintf("needs reader version %d", s->protocol.min_reader), "Reader versions 1 to 3 can be read.");
	for (i = 0; s->protocol.min_reader == 3 && i < s->protocol.n_reader_features; i++)
	{
		const char *feature = s->protocol.reader_features[i];

		for (k = 0; k < lengthof(known) && strcmp(feature, known[k]) != 0; k++)
			;
		if (k == lengthof(known))
			refuse(table, psprintf("needs the unsupported reader feature \"%.100s\"", feature),
				   "Remove the feature with the software that added it, or use a newer version of supertable.");
	}
	if (s->protocol.min_reader >= 2)
		check_column_mapping(table);
	if (s->metadata.n_partition_columns > 0)
		refuse(table, "is partitioned", "Only tables without partition columns can be read.");
	if (strcmp(s->metadata.format, "parquet") != 0)
		refuse(table, psprintf("has files of format \"%.50s\"", s->metadata.format), "Only tables of Parquet files can be read.");
}

/* Whether the object read is the version we have, by its version_id. */
static bool
is_same_version(const StblTable *table, const StblCall *call)
{
	StblActions actions;
	StblError	err;

	return stbl_actions_parse(stbl_mem_in(CurrentMemoryContext), (const char *) call->req.body, call->req.body_len, &actions, &err) &&
		actions.commit_info.version_id != NULL && strcmp(actions.commit_info.version_id, table->current->version_id) == 0;
}

/*
 * A version that was not looked at for long may be cleaned up, and the next
 * ones with it, between the two requests of advance_cached; ascending order
 * of clean-up makes one that follows them tell.
 */
static bool
still_there(StblTable *table, int64 version, int64_t deadline_us)
{
	StblCall   *own;

	if (table->current->version != version)
		return true;			/* others follow it: clean-up never takes the newest */
	own = stbl_store_head(table->store, stbl_version_key(table, version), deadline_us);
	return found(own) && strcmp(own->req.new_etag, table->newest_etag) == 0;
}

typedef enum Look
{
	LOOK_SAME,					/* the version is there, and no other after it */
	LOOK_NEWER,					/* it is there, and others are */
	LOOK_UNSURE					/* gone, another, or not to be told */
} Look;

/*
 * The beginning that the names of a version and of the next have in common,
 * with few others; NULL where that is one with many.
 */
static char *
common_prefix(const StblTable *table, int64 version)
{
	char	   *key = stbl_version_key(table, version);
	int			n_digits = version % 10 != 9 ? 1 : version % 100 != 99 ? 2 : version % 1000 != 999 ? 3 : 0;

	if (n_digits == 0)
		return NULL;
	key[strlen(key) - strlen(".json") - n_digits] = '\0';
	return key;
}

/* Looks for the cached version and the next by one listing; *max is the newest version it shows. */
static Look
look_by_listing(StblTable *table, const char *prefix, int64 version, int64 *max, int64_t deadline_us)
{
	StblCall   *call = stbl_store_list(table->store, prefix, '/', NULL, deadline_us);
	bool		same = false;

	*max = -1;
	if (!found(call) || call->req.list_next != NULL)
		return LOOK_UNSURE;
	for (size_t i = 0; i < call->req.n_entries; i++)
	{
		const StblListEntry *e = &call->req.entries[i];
		const char *slash = strrchr(e->key, '/');
		StblLogName name;

		if (e->is_folder || slash == NULL || !stbl_log_name_parse(slash + 1, &name) || name.kind != STBL_LOG_VERSION)
			continue;
		*max = Max(*max, name.version);
		if (name.version != version)
			continue;
		/* HTTP tells whole seconds, which the first listing makes more precise */
		same = e->size == table->newest_size &&
			(e->modified_us == table->newest_modified_us ||
			 (table->newest_modified_us % 1000000 == 0 && e->modified_us / 1000000 == table->newest_modified_us / 1000000));
		if (same)
			table->newest_modified_us = e->modified_us;
	}
	return !same ? LOOK_UNSURE : *max > version ? LOOK_NEWER : LOOK_SAME;
}

/*
 * With a snapshot cached: true if it could be brought up to date, false if
 * all must be read anew.  Where the etag of our own PUT is not known (its
 * answer was lost) the version is known by its version_id instead.
 */
static bool
advance_cached(StblTable *table, int64_t deadline_us)
{
	int64		version = table->current->version;
	int64		known_max = -1;
	StblMoment	now = stbl_moment(table->store);
	bool		was_long_ago = stbl_moment_elapsed(&table->looked, &now) > STBL_STALE_US;
	char	   *key = stbl_version_key(table, version);
	bool		by_id = table->newest_etag[0] == '\0' && table->current->version_id[0] != '\0';
	bool		by_listing = !stbl_store_is_local(table->store) && !was_long_ago && !table->is_busy && !table->lists_otherwise &&
		table->newest_etag[0] != '\0' && table->newest_modified_us > 0;
	char	   *prefix = by_listing ? common_prefix(table, version) : NULL;
	Look		look = LOOK_UNSURE;
	bool		same;
	Versions	v;

	begin_versions(&v, version + 1);
	if (prefix != NULL)
		look = look_by_listing(table, prefix, version, &known_max, deadline_us);
	if (look == LOOK_SAME)
		return true;
	same = look == LOOK_NEWER;
	if (!same)
	{
		StblCall   *own = by_id ? stbl_store_get(table->store, key, deadline_us) : stbl_store_head(table->store, key, deadline_us);

		known_max = -1;
		ask_versions(table, &v, version + 2, deadline_us);
		same = found(own) && (by_id ? is_same_version(table, own)
							  : table->newest_etag[0] != '\0' && strcmp(own->req.new_etag, table->newest_etag) == 0);
		if (same)
			note_newest(table, own);
		/* the same object, though the listing had not shown it so: it will not the next time */
		table->lists_otherwise = table->lists_otherwise || (same && prefix != NULL);
	}
	if (same && read_on(table, &v, known_max, deadline_us) < 0 &&
		(!was_long_ago || still_there(table, version, deadline_us)))
	{
		table->is_busy = table->current->version != version;
		return true;
	}
	end_versions(&v);
	table->gap = true;
	table->is_busy = false;
	return false;
}

StblSnapshot *
stbl_snapshot_refresh(StblTable *table, int64_t deadline_us)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(caller, "supertable refresh", ALLOCSET_DEFAULT_SIZES);
	StblMoment	start = stbl_moment(table->store);

	table->n_looks++;
	if (table->looked_in != STBL_LOCAL_XID)
	{
		table->looked_in = STBL_LOCAL_XID;
		table->version_before = table->current != NULL ? table->current->version : -1;
	}
	/* Without this a caller that goes on after the error would keep the requests in flight. */
	PG_TRY();
	{
		MemoryContextSwitchTo(cxt);
		if (table->current == NULL || table->current->version < 0 || !advance_cached(table, deadline_us))
			load(table, deadline_us);
		/* By our clocks from the start on; the storage's own time is that of its answers. */
		table->looked = start;
		table->looked.store_us = stbl_store_clock(table->store);
		stbl_table_note_id(table);
		check_supported(table);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(cxt);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
	return table->current;
}
