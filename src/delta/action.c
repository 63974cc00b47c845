/*
 * Parsing the text of one version of the Delta log.
 *
 * A version is one JSON object a line, each with one action under its name.
 * Fields of the protocol are checked for presence and type; commitInfo is
 * free text by the protocol, so there only what we act on ourselves is
 * checked.  Paths are URIs: they are decoded here, and one that would lead
 * out of the table's folder is refused here, so that no reader has to think
 * of it.
 */
#include <stdio.h>
#include <string.h>

#include "common/codec.h"
#include "delta/action.h"

/* Room of StblSnapshot.version_id, NUL included. */
#define VERSION_ID_MAX 64

typedef struct Parser
{
	StblMem    *mem;
	StblActions *out;
	StblError  *err;
	int			cap_adds;
	int			cap_removes;
	int			cap_domains;
	int			cap_txns;
} Parser;

/* Makes room for one more element and returns it zeroed. */
static void *
grow(StblMem *mem, void **array, int *n, int *cap, size_t size)
{
	char	   *slot;

	if (*n == *cap)
	{
		int			new_cap = *cap == 0 ? 8 : *cap * 2;
		char	   *copy = stbl_alloc_array(mem, new_cap, size);

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

static bool
bad_field(StblError *err, const char *key, const char *what)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "field \"%s\" %s", key, what);
}

/* A member that is there and not JSON null. */
static const StblJson *
member(const StblJson *obj, const char *key)
{
	const StblJson *value = stbl_json_get(obj, key);

	return value == NULL || value->type == STBL_JSON_NULL ? NULL : value;
}

static bool
check_string(const StblJson *value, const char *key, StblError *err)
{
	if (value->type != STBL_JSON_STRING)
		return bad_field(err, key, "is not a string");
	if (memchr(value->str, 0, value->len) != NULL)
		return bad_field(err, key, "holds a zero byte");
	return true;
}

static bool
get_string(StblMem *mem, const StblJson *obj, const char *key, bool required, char **out, StblError *err)
{
	const StblJson *value = member(obj, key);

	*out = NULL;
	if (value == NULL)
		return required ? bad_field(err, key, "is missing") : true;
	if (!check_string(value, key, err))
		return false;
	*out = stbl_strndup(mem, value->str, value->len);
	return true;
}

static bool
get_int(const StblJson *obj, const char *key, bool required, int64_t min, int64_t max, int64_t *out, StblError *err)
{
	const StblJson *value = member(obj, key);

	if (value == NULL)
		return required ? bad_field(err, key, "is missing") : true;
	if (value->type != STBL_JSON_INT)
		return bad_field(err, key, "is not a 64-bit integer");
	if (value->integer < min || value->integer > max)
		return bad_field(err, key, "is out of range");
	*out = value->integer;
	return true;
}

static bool
get_bool(const StblJson *obj, const char *key, bool required, bool *out, StblError *err)
{
	const StblJson *value = member(obj, key);

	if (value == NULL)
		return required ? bad_field(err, key, "is missing") : true;
	if (value->type != STBL_JSON_BOOL)
		return bad_field(err, key, "is not a boolean");
	*out = value->boolean;
	return true;
}

static bool
get_strings(StblMem *mem, const StblJson *obj, const char *key, bool required, int *n, char ***out, StblError *err)
{
	const StblJson *value = member(obj, key);
	size_t		i;

	*n = 0;
	*out = NULL;
	if (value == NULL)
		return required ? bad_field(err, key, "is missing") : true;
	if (value->type != STBL_JSON_ARRAY || value->n > INT32_MAX)
		return bad_field(err, key, "is not an array");
	*out = stbl_alloc_array(mem, value->n + 1, sizeof(char *));
	for (i = 0; i < value->n; i++)
	{
		if (!check_string(value->items[i], key, err))
			return false;
		(*out)[i] = stbl_strndup(mem, value->items[i]->str, value->items[i]->len);
	}
	*n = (int) value->n;
	return true;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Whether a raw path names a scheme ("s3://...") or starts at a root. */
static bool
path_is_absolute(const char *raw)
{
	const char *p = raw;

	if (*p == '/')
		return true;
	while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		   (p > raw && ((*p >= '0' && *p <= '9') || *p == '+' || *p == '.' || *p == '-')))
		p++;
	return p > raw && *p == ':';
}

bool
stbl_path_is_inside(const char *path)
{
	const char *p = path;

	for (;;)
	{
		size_t		len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[len] == '\0')
			return true;
		p += len + 1;
	}
}

bool
stbl_path_decode(StblMem *mem, const char *uri, bool live, char **out, StblError *err)
{
	char	   *to;
	const char *from;

	*out = to = stbl_strdup(mem, uri);
	if (path_is_absolute(uri))
	{
		/* A file elsewhere can only be named; removing it changes nothing here. */
		if (live)
			return stbl_fail(err, STBL_ERR_UNSUPPORTED, "data file \"%.200s\" has an absolute path", uri);
		if (stbl_path_is_inside(uri) || !stbl_utf8_is_valid(uri, strlen(uri)))
			return bad_field(err, "path", "is not a well-formed URI");
		return true;
	}
	for (from = uri; *from != '\0'; from++)
	{
		int			hi;
		int			lo;

		if (*from != '%')
		{
			*to++ = *from;
			continue;
		}
		hi = hex_value(from[1]);
		lo = hi < 0 ? -1 : hex_value(from[2]);
		if (lo < 0 || hi * 16 + lo == 0)
			return bad_field(err, "path", "is not a well-formed URI");
		*to++ = (char) (hi * 16 + lo);
		from += 2;
	}
	*to = '\0';
	if (!stbl_utf8_is_valid(*out, strlen(*out)))
		return bad_field(err, "path", "is not valid UTF-8");
	if (!stbl_path_is_inside(*out))
		return bad_field(err, "path", "does not name a file inside the table");
	return true;
}

static bool
get_path(StblMem *mem, const StblJson *obj, bool live, char **out, StblError *err)
{
	char	   *uri;

	return get_string(mem, obj, "path", true, &uri, err) && stbl_path_decode(mem, uri, live, out, err);
}

/* An optional object of strings; counts its entries. */
static bool
count_map(const StblJson *obj, const char *key, size_t *n, StblError *err)
{
	const StblJson *value = member(obj, key);

	*n = 0;
	if (value == NULL)
		return true;
	if (value->type != STBL_JSON_OBJECT)
		return bad_field(err, key, "is not an object");
	*n = value->n;
	return true;
}

static bool
get_dv(StblMem *mem, const StblJson *obj, StblDv **out, StblError *err)
{
	const StblJson *value = member(obj, "deletionVector");

	*out = NULL;
	if (value == NULL)
		return true;
	*out = stbl_alloc0(mem, sizeof(StblDv));
	return stbl_dv_from_json(mem, value, *out, err);
}

static bool
parse_add(Parser *p, const StblJson *obj)
{
	StblAdd    *add = grow(p->mem, (void **) &p->out->adds, &p->out->n_adds, &p->cap_adds, sizeof(StblAdd));
	StblError  *err = p->err;
	size_t		n;

	add->base_row_id = -1;
	add->default_row_commit_version = -1;
	if (!get_path(p->mem, obj, true, &add->path, err) ||
		!get_int(obj, "size", true, 0, INT64_MAX, &add->size, err) ||
		!get_int(obj, "modificationTime", true, INT64_MIN, INT64_MAX, &add->mtime_ms, err) ||
		!get_bool(obj, "dataChange", true, &add->data_change, err) ||
		!get_string(p->mem, obj, "stats", false, &add->stats, err) ||
		!get_int(obj, "baseRowId", false, 0, INT64_MAX, &add->base_row_id, err) ||
		!get_int(obj, "defaultRowCommitVersion", false, 0, INT64_MAX, &add->default_row_commit_version, err) ||
		!count_map(obj, "partitionValues", &n, err) ||
		!get_dv(p->mem, obj, &add->dv, err))
		return false;
	add->has_partition_values = n > 0;
	return true;
}

static bool
parse_remove(Parser *p, const StblJson *obj)
{
	StblRemove *remove = grow(p->mem, (void **) &p->out->removes, &p->out->n_removes, &p->cap_removes, sizeof(StblRemove));
	StblError  *err = p->err;
	size_t		n;

	remove->deletion_ms = -1;
	remove->size = -1;
	remove->base_row_id = -1;
	remove->default_row_commit_version = -1;
	return get_path(p->mem, obj, false, &remove->path, err) &&
		get_int(obj, "deletionTimestamp", false, INT64_MIN, INT64_MAX, &remove->deletion_ms, err) &&
		get_bool(obj, "dataChange", true, &remove->data_change, err) &&
		get_bool(obj, "extendedFileMetadata", false, &remove->extended, err) &&
		get_int(obj, "size", false, 0, INT64_MAX, &remove->size, err) &&
		get_int(obj, "baseRowId", false, 0, INT64_MAX, &remove->base_row_id, err) &&
		get_int(obj, "defaultRowCommitVersion", false, 0, INT64_MAX, &remove->default_row_commit_version, err) &&
		count_map(obj, "partitionValues", &n, err) &&
		get_dv(p->mem, obj, &remove->dv, err);
}

static bool
parse_protocol(Parser *p, const StblJson *obj)
{
	StblProtocol *protocol;
	int64_t		reader = 0;
	int64_t		writer = 0;

	if (p->out->protocol != NULL)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "more than one protocol action");
	protocol = stbl_alloc0(p->mem, sizeof(StblProtocol));
	if (!get_int(obj, "minReaderVersion", true, 0, INT32_MAX, &reader, p->err) ||
		!get_int(obj, "minWriterVersion", true, 0, INT32_MAX, &writer, p->err) ||
		!get_strings(p->mem, obj, "readerFeatures", false, &protocol->n_reader_features, &protocol->reader_features, p->err) ||
		!get_strings(p->mem, obj, "writerFeatures", false, &protocol->n_writer_features, &protocol->writer_features, p->err))
		return false;
	protocol->min_reader = (int) reader;
	protocol->min_writer = (int) writer;
	p->out->protocol = protocol;
	return true;
}

static bool
parse_configuration(Parser *p, const StblJson *obj, StblMetadata *metadata)
{
	const StblJson *value = member(obj, "configuration");
	size_t		i;

	if (value == NULL)
		return true;
	if (value->type != STBL_JSON_OBJECT || value->n > INT32_MAX)
		return bad_field(p->err, "configuration", "is not an object");
	metadata->config_keys = stbl_alloc_array(p->mem, value->n + 1, sizeof(char *));
	metadata->config_values = stbl_alloc_array(p->mem, value->n + 1, sizeof(char *));
	for (i = 0; i < value->n; i++)
	{
		if (value->items[i]->type == STBL_JSON_NULL)
			continue;
		if (!check_string(value->items[i], "configuration", p->err))
			return false;
		metadata->config_keys[metadata->n_configuration] = stbl_strdup(p->mem, value->keys[i]);
		metadata->config_values[metadata->n_configuration] = stbl_strndup(p->mem, value->items[i]->str, value->items[i]->len);
		metadata->n_configuration++;
	}
	return true;
}

static bool
parse_metadata(Parser *p, const StblJson *obj)
{
	StblMetadata *metadata;
	const StblJson *format = member(obj, "format");
	char	  **columns;

	if (p->out->metadata != NULL)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "more than one metaData action");
	metadata = stbl_alloc0(p->mem, sizeof(StblMetadata));
	metadata->created_ms = -1;
	if (format == NULL || format->type != STBL_JSON_OBJECT)
		return bad_field(p->err, "format", format == NULL ? "is missing" : "is not an object");
	if (!get_string(p->mem, obj, "id", true, &metadata->id, p->err) ||
		!get_string(p->mem, obj, "name", false, &metadata->name, p->err) ||
		!get_string(p->mem, obj, "description", false, &metadata->description, p->err) ||
		!get_string(p->mem, format, "provider", true, &metadata->format, p->err) ||
		!get_string(p->mem, obj, "schemaString", true, &metadata->schema_string, p->err) ||
		!get_strings(p->mem, obj, "partitionColumns", true, &metadata->n_partition_columns, &columns, p->err) ||
		!get_int(obj, "createdTime", false, INT64_MIN, INT64_MAX, &metadata->created_ms, p->err) ||
		!parse_configuration(p, obj, metadata))
		return false;
	p->out->metadata = metadata;
	return true;
}

static bool
parse_domain(Parser *p, const StblJson *obj)
{
	StblDomain *domain = grow(p->mem, (void **) &p->out->domains, &p->out->n_domains, &p->cap_domains, sizeof(StblDomain));

	if (!get_string(p->mem, obj, "domain", true, &domain->domain, p->err) ||
		!get_bool(obj, "removed", true, &domain->removed, p->err) ||
		!get_string(p->mem, obj, "configuration", !domain->removed, &domain->configuration, p->err))
		return false;
	if (domain->configuration == NULL)
		domain->configuration = stbl_strdup(p->mem, "");
	return true;
}

static bool
parse_txn(Parser *p, const StblJson *obj)
{
	StblTxnAction *txn = grow(p->mem, (void **) &p->out->txns, &p->out->n_txns, &p->cap_txns, sizeof(StblTxnAction));

	txn->last_updated_ms = -1;
	return get_string(p->mem, obj, "appId", true, &txn->app_id, p->err) &&
		get_int(obj, "version", true, INT64_MIN, INT64_MAX, &txn->version, p->err) &&
		get_int(obj, "lastUpdated", false, INT64_MIN, INT64_MAX, &txn->last_updated_ms, p->err);
}

static bool
parse_commit_info(Parser *p, const StblJson *obj)
{
	StblCommitInfo *info = &p->out->commit_info;
	const char *operation = stbl_json_get_str(obj, "operation");

	if (p->out->has_commit_info)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "more than one commitInfo action");
	p->out->has_commit_info = true;
	if (operation != NULL)
		info->operation = stbl_strdup(p->mem, operation);
	stbl_json_get_int(obj, "timestamp", &info->timestamp_ms);
	if (!get_int(obj, "inCommitTimestamp", false, INT64_MIN, INT64_MAX, &info->in_commit_ms, p->err) ||
		!get_string(p->mem, obj, "version_id", false, &info->version_id, p->err) ||
		!get_string(p->mem, obj, "previous", false, &info->previous, p->err) ||
		!get_strings(p->mem, obj, "decides", false, &info->n_decides, &info->decides, p->err))
		return false;
	if (info->version_id != NULL && strlen(info->version_id) >= VERSION_ID_MAX)
		return bad_field(p->err, "version_id", "is too long");
	return true;
}

typedef struct ActionKind
{
	const char *name;
	bool		(*parse) (Parser *p, const StblJson *obj);
} ActionKind;

static const ActionKind action_kinds[] = {
	{"add", parse_add},
	{"remove", parse_remove},
	{"commitInfo", parse_commit_info},
	{"domainMetadata", parse_domain},
	{"txn", parse_txn},
	{"protocol", parse_protocol},
	{"metaData", parse_metadata},
};

#define N_ACTION_KINDS (sizeof(action_kinds) / sizeof(action_kinds[0]))

static bool
parse_line(Parser *p, const char *line, size_t len)
{
	StblJson   *json = stbl_json_parse(p->mem, line, len, p->err);
	size_t		i;
	size_t		k;

	if (json == NULL)
		return false;
	if (json->type != STBL_JSON_OBJECT)
		return stbl_fail(p->err, STBL_ERR_CORRUPT, "not a JSON object");
	for (i = 0; i < json->n; i++)
	{
		for (k = 0; k < N_ACTION_KINDS; k++)
		{
			char		reason[256];

			if (strcmp(json->keys[i], action_kinds[k].name) != 0 || json->items[i]->type == STBL_JSON_NULL)
				continue;
			if (json->items[i]->type != STBL_JSON_OBJECT)
				return stbl_fail(p->err, STBL_ERR_CORRUPT, "action \"%s\" is not an object", action_kinds[k].name);
			if (action_kinds[k].parse(p, json->items[i]))
				continue;
			snprintf(reason, sizeof(reason), "%.250s", p->err->message);
			return stbl_fail(p->err, p->err->kind, "action \"%s\": %s", action_kinds[k].name, reason);
		}
	}
	return true;
}

bool
stbl_actions_parse(StblMem *mem, const char *data, size_t len, StblActions *out, StblError *err)
{
	Parser		parser;
	size_t		pos = 0;
	size_t		line_no = 0;

	memset(out, 0, sizeof(*out));
	out->commit_info.in_commit_ms = -1;
	out->commit_info.timestamp_ms = -1;
	memset(&parser, 0, sizeof(parser));
	parser.mem = mem;
	parser.out = out;
	parser.err = err;
	while (pos < len)
	{
		const char *lf = memchr(data + pos, '\n', len - pos);
		size_t		n = lf == NULL ? len - pos : (size_t) (lf - (data + pos));
		size_t		used = n;
		char		reason[400];

		line_no++;
		if (used > 0 && data[pos + used - 1] == '\r')
			used--;
		if (used > 0 && !parse_line(&parser, data + pos, used))
		{
			snprintf(reason, sizeof(reason), "%.390s", err->message);
			return stbl_fail(err, err->kind, "line %zu at offset %zu: %s", line_no, pos, reason);
		}
		pos += n + (lf == NULL ? 0 : 1);
	}
	return true;
}

bool
stbl_protocol_has(const StblProtocol *protocol, const char *feature)
{
	int			i;

	for (i = 0; i < protocol->n_reader_features; i++)
		if (strcmp(protocol->reader_features[i], feature) == 0)
			return true;
	for (i = 0; i < protocol->n_writer_features; i++)
		if (strcmp(protocol->writer_features[i], feature) == 0)
			return true;
	return false;
}
