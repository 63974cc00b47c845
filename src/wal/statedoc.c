/* The state document's codec: reading and checking. */
#include <string.h>

#include "wal/statedoc.h"

static const char *const op_names[] = {"UPDATE", "DELETE", "INSERT"};
static const char *const state_names[] = {"INTENT", "APPENDED", "COMPLETE"};
static const char *const outcome_names[] = {"PENDING", "TOMBSTONED", "NOTFOUND"};

/* Keys of ours and of others that have a field in the struct. */
static const char *const known_keys[] = {
	"wal_id", "schema_version", "op_kind", "state", "created_at", "lease", "predicate_repr", "target_ids", "new_row_count",
	"new_row_content_hash", "schema_id", "preallocated_superfile_id", "minted_id_spans", "tombstone_progress",
	"revision", "coordinator", "table_id", "outcome", "superfiles", "targets", "columns", NULL
};

const char *
stbl_op_kind_name(StblOpKind kind)
{
	return op_names[kind];
}

const char *
stbl_doc_state_name(StblDocState state)
{
	return state_names[state];
}

int64_t
stbl_target_row_id(const char *id)
{
	uint64_t	v = 0;

	for (int i = 0; i < 16; i++)
		if (id[i] != '0')
			return -1;
	for (int i = 16; i < 32; i++)
		v = v << 4 | (uint64_t) (id[i] <= '9' ? id[i] - '0' : id[i] - 'a' + 10);
	return v > INT64_MAX ? -1 : (int64_t) v;
}

void
stbl_target_id_format(int64_t row_id, char *out33)
{
	uint8_t		bytes[16] = {0};

	for (int i = 15; i >= 8; i--, row_id >>= 8)
		bytes[i] = (uint8_t) row_id;
	stbl_hex16(bytes, out33);
}

/* ---- parsing ---- */

static bool
bad_key(StblError *err, const char *key, const char *what)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "key \"%s\" of a state document is %s", key, what);
}

static bool
is_null(const StblJson *v)
{
	return v == NULL || v->type == STBL_JSON_NULL;
}

/* A string without NULs. */
static bool
is_text(const StblJson *v)
{
	return v != NULL && v->type == STBL_JSON_STRING && strlen(v->str) == v->len;
}

static bool
get_enum(const StblJson *root, const char *key, const char *const *names, int n, int *out, StblError *err)
{
	StblJson   *v = stbl_json_get(root, key);

	if (!is_text(v))
		return bad_key(err, key, "missing or not a string");
	for (*out = 0; *out < n; (*out)++)
		if (strcmp(v->str, names[*out]) == 0)
			return true;
	return stbl_fail(err, STBL_ERR_CORRUPT, "key \"%s\" of a state document has the unknown value \"%.40s\"", key, v->str);
}

static bool
get_time(const StblJson *root, const char *key, int64_t *us, StblError *err)
{
	StblJson   *v = stbl_json_get(root, key);

	if (!is_text(v) || !stbl_time_parse(v->str, v->len, us))
		return bad_key(err, key, "missing or not an RFC 3339 time");
	return true;
}

static bool
get_id(const StblJson *v, const char *key, char *out, StblError *err)
{
	if (!is_text(v) || !stbl_id_is_valid(v->str))
		return bad_key(err, key, "not 32 lowercase hexadecimal digits");
	memcpy(out, v->str, STBL_ID_TEXT);
	return true;
}

static bool
parse_lease(StblMem *mem, const StblJson *root, StblStateDoc *doc, StblError *err)
{
	StblJson   *lease = stbl_json_get(root, "lease");
	StblJson   *owner;

	if (is_null(lease))
		return true;
	if (lease->type != STBL_JSON_OBJECT)
		return bad_key(err, "lease", "neither null nor an object");
	owner = stbl_json_get(lease, "owner");
	if (!is_text(owner))
		return bad_key(err, "owner", "missing or not a string");
	doc->has_lease = true;
	doc->lease.owner = stbl_strdup(mem, owner->str);
	return get_time(lease, "acquired_at", &doc->lease.acquired_us, err) &&
		get_time(lease, "expires_at", &doc->lease.expires_us, err);
}

static bool
parse_target_ids(StblMem *mem, const StblJson *root, StblStateDoc *doc, StblError *err)
{
	StblJson   *ids = stbl_json_get(root, "target_ids");

	if (ids == NULL || ids->type != STBL_JSON_ARRAY || ids->n > INT32_MAX)
		return bad_key(err, "target_ids", "missing or not an array");
	doc->n_target_ids = (int) ids->n;
	doc->target_ids = stbl_alloc_array(mem, ids->n + 1, STBL_ID_TEXT);
	for (size_t i = 0; i < ids->n; i++)
		if (!get_id(ids->items[i], "target_ids", doc->target_ids[i], err))
			return false;
	return true;
}

static bool
parse_progress(StblMem *mem, const StblJson *root, StblStateDoc *doc, StblError *err)
{
	StblJson   *list = stbl_json_get(root, "tombstone_progress");

	if (list == NULL || list->type != STBL_JSON_ARRAY || list->n > INT32_MAX)
		return bad_key(err, "tombstone_progress", "missing or not an array");
	doc->n_progress = (int) list->n;
	doc->progress = stbl_alloc_array(mem, list->n + 1, sizeof(StblProgress));
	for (size_t i = 0; i < list->n; i++)
	{
		StblProgress *p = &doc->progress[i];
		StblJson   *e = list->items[i];
		StblJson   *superfile;
		int			outcome;

		if (e->type != STBL_JSON_OBJECT)
			return bad_key(err, "tombstone_progress", "not an array of objects");
		if (!get_id(stbl_json_get(e, "target_id"), "target_id", p->target_id, err) ||
			!get_enum(e, "outcome", outcome_names, 3, &outcome, err))
			return false;
		p->outcome = (StblRowOutcome) outcome;
		superfile = stbl_json_get(e, "tombstoned_in_superfile");
		p->superfile = NULL;
		if (!is_null(superfile))
		{
			if (!is_text(superfile))
				return bad_key(err, "tombstoned_in_superfile", "neither null nor a string");
			p->superfile = stbl_strdup(mem, superfile->str);
		}
	}
	return true;
}

static bool
is_hash(const StblJson *v)
{
	if (!is_text(v) || v->len != 64)
		return false;
	return strspn(v->str, "0123456789abcdef") == 64;
}

static bool
parse_payload(StblMem *mem, const StblJson *root, StblStateDoc *doc, StblError *err)
{
	StblJson   *v = stbl_json_get(root, "new_row_count");
	StblUuid	uuid;

	doc->new_row_count = -1;
	if (!is_null(v))
	{
		if (v->type != STBL_JSON_INT || v->integer < 0)
			return bad_key(err, "new_row_count", "not a count");
		doc->new_row_count = v->integer;
	}
	v = stbl_json_get(root, "new_row_content_hash");
	if (!is_null(v))
	{
		if (!is_hash(v))
			return bad_key(err, "new_row_content_hash", "not 64 lowercase hexadecimal digits");
		doc->content_hash = stbl_strdup(mem, v->str);
	}
	v = stbl_json_get(root, "schema_id");
	if (v != NULL)
	{
		doc->has_schema_id = true;
		doc->schema_id = v;
	}
	v = stbl_json_get(root, "preallocated_superfile_id");
	if (!is_null(v))
	{
		/* It becomes part of an object's name. */
		if (!is_text(v) || !stbl_uuid_parse(v->str, v->len, &uuid))
			return bad_key(err, "preallocated_superfile_id", "not a UUID");
		doc->superfile_id = stbl_strdup(mem, v->str);
	}
	v = stbl_json_get(root, "minted_id_spans");
	if (!is_null(v))
	{
		if (v->type != STBL_JSON_ARRAY)
			return bad_key(err, "minted_id_spans", "neither null nor an array");
		doc->minted_id_spans = v;
	}
	return true;
}

static bool
path_is_safe(const char *path)
{
	return path[0] != '\0' && path[0] != '/' && strlen(path) < 512 && strstr(path, "..") == NULL &&
		strncmp(path, "_delta_log/", 11) != 0 && strncmp(path, "_supertable/", 12) != 0;
}

static bool
parse_superfile(StblMem *mem, const StblJson *e, StblDocFile *f, StblError *err)
{
	StblJson   *path = stbl_json_get(e, "path");
	StblJson   *hash = stbl_json_get(e, "hash");
	StblJson   *dead = stbl_json_get(e, "dead");
	StblJson   *stats = stbl_json_get(e, "stats");

	memset(f, 0, sizeof(*f));
	if (!is_text(path) || !path_is_safe(path->str))
		return bad_key(err, "superfiles", "an array whose entry has no usable path");
	f->path = stbl_strdup(mem, path->str);
	if (!stbl_json_get_int(e, "bytes", &f->bytes) || f->bytes < 0 ||
		!stbl_json_get_int(e, "n_rows", &f->n_rows) || f->n_rows < 0)
		return bad_key(err, "superfiles", "an array whose entry has no bytes or n_rows");
	if (!is_null(hash))
	{
		if (!is_hash(hash))
			return bad_key(err, "hash", "not 64 lowercase hexadecimal digits");
		f->hash = stbl_strdup(mem, hash->str);
	}
	if (!is_null(dead))
	{
		f->has_dead = true;
		if (!stbl_dv_from_json(mem, dead, &f->dead, err))
			return false;
	}
	if (!is_null(stats))
	{
		if (!is_text(stats))
			return bad_key(err, "stats", "neither null nor a string");
		f->stats = stbl_strdup(mem, stats->str);
	}
	return true;
}

static bool
parse_ours(StblMem *mem, const StblJson *root, StblStateDoc *doc, StblError *err)
{
	StblJson   *v = stbl_json_get(root, "revision");

	doc->revision = -1;
	if (!is_null(v))
	{
		if (v->type != STBL_JSON_INT || v->integer < 0)
			return bad_key(err, "revision", "not a count");
		doc->revision = v->integer;
	}
	v = stbl_json_get(root, "coordinator");
	if (!is_null(v))
	{
		doc->has_coordinator = true;
		if (!stbl_coordinator_from_json(mem, v, &doc->coordinator, err))
			return false;
	}
	v = stbl_json_get(root, "table_id");
	if (!is_null(v))
	{
		if (!is_text(v))
			return bad_key(err, "table_id", "neither null nor a string");
		doc->table_id = stbl_strdup(mem, v->str);
	}
	v = stbl_json_get(root, "outcome");
	if (!is_null(v))
	{
		if (is_text(v) && strcmp(v->str, "COMMITTED") == 0)
			doc->outcome = STBL_OUTCOME_COMMITTED;
		else if (is_text(v) && strcmp(v->str, "ROLLED_BACK") == 0)
			doc->outcome = STBL_OUTCOME_ROLLED_BACK;
		else
			return bad_key(err, "outcome", "neither COMMITTED nor ROLLED_BACK");
	}
	v = stbl_json_get(root, "superfiles");
	if (!is_null(v))
	{
		if (v->type != STBL_JSON_ARRAY || v->n > INT32_MAX)
			return bad_key(err, "superfiles", "not an array");
		doc->has_superfiles = true;
		doc->n_superfiles = (int) v->n;
		doc->superfiles = stbl_alloc_array(mem, v->n + 1, sizeof(StblDocFile));
		for (size_t i = 0; i < v->n; i++)
			if (!parse_superfile(mem, v->items[i], &doc->superfiles[i], err))
				return false;
	}
	v = stbl_json_get(root, "targets");
	if (!is_null(v))
	{
		doc->has_targets = true;
		if (!stbl_targets_from_json(mem, v, &doc->targets, &doc->n_targets, err))
			return false;
	}
	v = stbl_json_get(root, "columns");
	return is_null(v) || stbl_columns_parse(mem, v, &doc->columns, err);
}

static void
keep_unknown(StblMem *mem, const StblJson *root, StblStateDoc *doc)
{
	for (size_t i = 0; i < root->n; i++)
	{
		int			k = 0;

		while (known_keys[k] != NULL && strcmp(known_keys[k], root->keys[i]) != 0)
			k++;
		if (known_keys[k] != NULL)
			continue;
		if (doc->unknown == NULL)
			doc->unknown = stbl_json_new(mem, STBL_JSON_OBJECT);
		stbl_json_set(mem, doc->unknown, root->keys[i], root->items[i]);
	}
}

/* What an op_kind must have and must not have. */
static bool
check_shape(const StblStateDoc *doc, StblError *err)
{
	bool		targets = doc->n_target_ids > 0 || doc->n_targets > 0;

	if (doc->has_coordinator)
		return true;
	if (doc->op_kind != STBL_DELETE && doc->state != STBL_COMPLETE && doc->superfile_id == NULL)
		return bad_key(err, "preallocated_superfile_id", "missing although there are new rows");
	if (doc->op_kind == STBL_INSERT && targets)
		return bad_key(err, "target_ids", "not empty although the op_kind is INSERT");
	return true;
}

bool
stbl_doc_parse(StblMem *mem, const char *data, size_t len, const char *name_id, StblStateDoc *doc, StblError *err)
{
	StblJson   *root = stbl_json_parse(mem, data, len, err);
	int64_t		version;
	StblJson   *predicate;
	int			op,
				state;

	memset(doc, 0, sizeof(*doc));
	if (root == NULL)
		return false;
	if (root->type != STBL_JSON_OBJECT)
		return stbl_fail(err, STBL_ERR_CORRUPT, "a state document is not a JSON object");
	if (!stbl_json_get_int(root, "schema_version", &version) || version < 1)
		return bad_key(err, "schema_version", "missing or not a version");
	if (version > STBL_DOC_SCHEMA_VERSION)
	{
		stbl_fail(err, STBL_ERR_UNSUPPORTED, "a state document has schema_version %lld", (long long) version);
		stbl_error_detail(err, "This version of the extension reads up to %d.", STBL_DOC_SCHEMA_VERSION);
		stbl_error_hint(err, "Upgrade the extension.");
		return false;
	}
	if (!get_id(stbl_json_get(root, "wal_id"), "wal_id", doc->wal_id, err))
		return false;
	if (name_id != NULL && strcmp(doc->wal_id, name_id) != 0)
		return stbl_fail(err, STBL_ERR_CORRUPT, "the state document named %s calls itself %s", name_id, doc->wal_id);
	if (!get_enum(root, "op_kind", op_names, 3, &op, err) || !get_enum(root, "state", state_names, 3, &state, err) ||
		!get_time(root, "created_at", &doc->created_us, err) || !parse_lease(mem, root, doc, err))
		return false;
	doc->op_kind = (StblOpKind) op;
	doc->state = (StblDocState) state;
	predicate = stbl_json_get(root, "predicate_repr");
	if (!is_null(predicate) && predicate->type != STBL_JSON_STRING)
		return bad_key(err, "predicate_repr", "not a string");
	doc->predicate = is_null(predicate) ? stbl_strdup(mem, "") : stbl_strndup(mem, predicate->str, predicate->len);
	if (!parse_target_ids(mem, root, doc, err) || !parse_payload(mem, root, doc, err) ||
		!parse_progress(mem, root, doc, err) || !parse_ours(mem, root, doc, err))
		return false;
	keep_unknown(mem, root, doc);
	return check_shape(doc, err);
}
