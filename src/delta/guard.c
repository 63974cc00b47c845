/* Domain configurations of mutations in the manifest, coordinators, targets. */
#include <string.h>

#include "common/codec.h"
#include "delta/guard.h"

static const char *const state_names[] = {"PREPARED", "APPLIED", "ABORTED"};

/* A string that must be there; err names the key. */
static bool
need_str(StblMem *mem, const StblJson *json, const char *key, char **out, StblError *err)
{
	StblJson   *v = stbl_json_get(json, key);

	if (v == NULL || v->type != STBL_JSON_STRING || strlen(v->str) != v->len)
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"%s\" is missing or not a string", key);
	*out = stbl_strdup(mem, v->str);
	return true;
}

/* ---- coordinators ---- */

void
stbl_coordinator_write(StblBuf *out, const StblCoordinator *c)
{
	const char *name = c->cluster_name ? c->cluster_name : "";
	const char *database = c->database ? c->database : "";

	stbl_buf_puts(out, "{\"cluster\":");
	stbl_json_write_str(out, c->cluster, strlen(c->cluster));
	stbl_buf_puts(out, ",\"cluster_name\":");
	stbl_json_write_str(out, name, strlen(name));
	stbl_buf_printf(out, ",\"database_oid\":%lld,\"database\":", (long long) c->database_oid);
	stbl_json_write_str(out, database, strlen(database));
	stbl_buf_puts(out, ",\"witness_id\":");
	stbl_json_write_str(out, c->witness_id, strlen(c->witness_id));
	stbl_buf_puts(out, "}");
}

bool
stbl_coordinator_from_json(StblMem *mem, const StblJson *json, StblCoordinator *out, StblError *err)
{
	const char *s;

	memset(out, 0, sizeof(*out));
	if (json == NULL || json->type != STBL_JSON_OBJECT)
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"coordinator\" is not an object");
	if (!need_str(mem, json, "cluster", &out->cluster, err) || !need_str(mem, json, "witness_id", &out->witness_id, err))
		return false;
	if (!stbl_json_get_int(json, "database_oid", &out->database_oid) || out->database_oid < 0 ||
		out->database_oid > UINT32_MAX)
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"database_oid\" is missing or not an oid");
	s = stbl_json_get_str(json, "cluster_name");
	out->cluster_name = stbl_strdup(mem, s ? s : "");
	s = stbl_json_get_str(json, "database");
	out->database = stbl_strdup(mem, s ? s : "");
	return true;
}

bool
stbl_coordinator_equal(const StblCoordinator *a, const StblCoordinator *b)
{
	return strcmp(a->cluster, b->cluster) == 0 && a->database_oid == b->database_oid &&
		strcmp(a->witness_id, b->witness_id) == 0;
}

char *
stbl_coordinator_text(StblMem *mem, const StblCoordinator *c)
{
	return stbl_sprintf(mem, "%s/%lld/%s", c->cluster, (long long) c->database_oid, c->witness_id);
}

/* ---- targets ---- */

void
stbl_targets_write(StblBuf *out, const StblTarget *targets, int n_targets)
{
	stbl_buf_puts(out, "[");
	for (int i = 0; i < n_targets; i++)
	{
		const StblTarget *t = &targets[i];

		stbl_buf_puts(out, i ? ",{\"superfile\":" : "{\"superfile\":");
		stbl_json_write_str(out, t->superfile, strlen(t->superfile));
		stbl_buf_printf(out, ",\"base_row_id\":%lld,\"tombstones\":", (long long) t->base_row_id);
		if (t->whole)
			stbl_buf_puts(out, "null");
		else
			stbl_dv_write_json(out, &t->tombstones);
		stbl_buf_printf(out, ",\"n_rows\":%lld}", (long long) t->n_rows);
	}
	stbl_buf_puts(out, "]");
}

bool
stbl_targets_from_json(StblMem *mem, const StblJson *json, StblTarget **targets, int *n_targets, StblError *err)
{
	if (json == NULL || json->type != STBL_JSON_ARRAY || json->n > INT32_MAX)
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"targets\" is not an array");
	*n_targets = (int) json->n;
	*targets = stbl_alloc_array(mem, json->n + 1, sizeof(StblTarget));
	for (size_t i = 0; i < json->n; i++)
	{
		StblTarget *t = &(*targets)[i];
		const StblJson *tombstones;

		if (json->items[i]->type != STBL_JSON_OBJECT)
			return stbl_fail(err, STBL_ERR_CORRUPT, "entry %zu of \"targets\" is not an object", i);
		memset(t, 0, sizeof(*t));
		tombstones = stbl_json_get(json->items[i], "tombstones");
		t->whole = tombstones != NULL && tombstones->type == STBL_JSON_NULL;
		if (!need_str(mem, json->items[i], "superfile", &t->superfile, err) ||
			(!t->whole && !stbl_dv_from_json(mem, tombstones, &t->tombstones, err)))
			return false;
		if (!stbl_json_get_int(json->items[i], "base_row_id", &t->base_row_id))
			t->base_row_id = -1;
		if (!stbl_json_get_int(json->items[i], "n_rows", &t->n_rows) || t->n_rows < 0)
			return stbl_fail(err, STBL_ERR_CORRUPT, "entry %zu of \"targets\" has no \"n_rows\"", i);
	}
	return true;
}

/* ---- guards ---- */

static bool
parse_prepared(StblMem *mem, const StblJson *json, StblGuard *guard, StblError *err)
{
	const char *created = stbl_json_get_str(json, "created_at");
	const StblJson *truncates = stbl_json_get(json, "truncates");
	const StblJson *columns = stbl_json_get(json, "columns");

	if (truncates != NULL)
	{
		if (truncates->type != STBL_JSON_INT || truncates->integer < 0)
			return stbl_fail(err, STBL_ERR_CORRUPT, "key \"truncates\" is not a version");
		guard->truncates = truncates->integer;
	}
	if (columns != NULL && !stbl_columns_parse(mem, columns, &guard->columns, err))
		return false;
	if (created == NULL || !stbl_time_parse(created, strlen(created), &guard->created_us))
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"created_at\" is missing or not a time");
	return need_str(mem, json, "op_kind", &guard->op_kind, err) &&
		need_str(mem, json, "table_id", &guard->table_id, err) &&
		stbl_coordinator_from_json(mem, stbl_json_get(json, "coordinator"), &guard->coordinator, err) &&
		stbl_targets_from_json(mem, stbl_json_get(json, "targets"), &guard->targets, &guard->n_targets, err);
}

static bool
parse_applied(StblMem *mem, const StblJson *json, StblGuard *guard, StblError *err)
{
	const StblJson *ids = stbl_json_get(json, "not_found");
	const StblJson *truncated = stbl_json_get(json, "truncated");

	guard->was_truncate = truncated != NULL && truncated->type == STBL_JSON_BOOL && truncated->boolean;
	guard->has_counts = stbl_json_get_int(json, "added", &guard->n_added) &&
		stbl_json_get_int(json, "deleted", &guard->n_deleted);
	if (ids == NULL)
		return true;
	if (ids->type != STBL_JSON_ARRAY || ids->n > INT32_MAX)
		return stbl_fail(err, STBL_ERR_CORRUPT, "key \"not_found\" is not an array");
	guard->n_not_found = (int) ids->n;
	guard->not_found = stbl_alloc_array(mem, ids->n + 1, STBL_ID_TEXT);
	for (size_t i = 0; i < ids->n; i++)
	{
		const StblJson *id = ids->items[i];

		if (id->type != STBL_JSON_STRING || strlen(id->str) != id->len || !stbl_id_is_valid(id->str))
			return stbl_fail(err, STBL_ERR_CORRUPT, "entry %zu of \"not_found\" is not an id", i);
		memcpy(guard->not_found[i], id->str, STBL_ID_TEXT);
	}
	return true;
}

bool
stbl_guard_parse(StblMem *mem, const char *configuration, StblGuard *guard, StblError *err)
{
	StblJson   *json = stbl_json_parse(mem, configuration, strlen(configuration), err);
	const char *state;
	const char *reason;

	memset(guard, 0, sizeof(*guard));
	guard->truncates = -1;
	if (json == NULL)
		return false;
	state = stbl_json_get_str(json, "state");
	if (state == NULL)
		return stbl_fail(err, STBL_ERR_CORRUPT, "a mutation's domain has no \"state\"");
	if (strcmp(state, "APPLIED") == 0)
	{
		guard->state = STBL_GUARD_APPLIED;
		return parse_applied(mem, json, guard, err);
	}
	if (strcmp(state, "ABORTED") == 0)
	{
		guard->state = STBL_GUARD_ABORTED;
		reason = stbl_json_get_str(json, "reason");
		guard->reason = stbl_strdup(mem, reason ? reason : "");
	}
	else if (strcmp(state, "PREPARED") == 0)
	{
		guard->state = STBL_GUARD_PREPARED;
		return parse_prepared(mem, json, guard, err);
	}
	else
		return stbl_fail(err, STBL_ERR_CORRUPT, "a mutation's domain has the unknown state \"%.40s\"", state);
	return true;
}

char *
stbl_guard_write(StblMem *mem, const StblGuard *guard)
{
	StblBuf		out;
	char		created[28];

	stbl_buf_init(&out, mem);
	stbl_buf_printf(&out, "{\"state\":\"%s\"", state_names[guard->state]);
	if (guard->state == STBL_GUARD_ABORTED)
	{
		stbl_buf_puts(&out, ",\"reason\":");
		stbl_json_write_str(&out, guard->reason, strlen(guard->reason));
	}
	else if (guard->state == STBL_GUARD_PREPARED)
	{
		stbl_time_format(guard->created_us, created);
		stbl_buf_printf(&out, ",\"created_at\":\"%s\",\"op_kind\":", created);
		stbl_json_write_str(&out, guard->op_kind, strlen(guard->op_kind));
		stbl_buf_puts(&out, ",\"table_id\":");
		stbl_json_write_str(&out, guard->table_id, strlen(guard->table_id));
		stbl_buf_puts(&out, ",\"coordinator\":");
		stbl_coordinator_write(&out, &guard->coordinator);
		if (guard->truncates >= 0)
			stbl_buf_printf(&out, ",\"truncates\":%lld", (long long) guard->truncates);
		if (guard->columns.n_fields > 0)
		{
			stbl_buf_puts(&out, ",\"columns\":");
			stbl_schema_write(mem, &out, &guard->columns);
		}
		stbl_buf_puts(&out, ",\"targets\":");
		stbl_targets_write(&out, guard->targets, guard->n_targets);
	}
	else
	{
		if (guard->was_truncate)
			stbl_buf_puts(&out, ",\"truncated\":true");
		if (guard->has_counts)
			stbl_buf_printf(&out, ",\"added\":%lld,\"deleted\":%lld", (long long) guard->n_added, (long long) guard->n_deleted);
		for (int i = 0; i < guard->n_not_found; i++)
			stbl_buf_printf(&out, "%s\"%s\"", i ? "," : ",\"not_found\":[", guard->not_found[i]);
		if (guard->n_not_found > 0)
			stbl_buf_puts(&out, "]");
	}
	stbl_buf_puts(&out, "}");
	return (char *) out.data;
}
