/*
 * A Delta schema: its JSON text, and the Parquet schema of its files.
 *
 * What is stored how:
 *
 *	boolean			BOOLEAN
 *	byte, short		INT32, INT(8 or 16, signed)
 *	integer, long	INT32, INT64
 *	decimal			INT32 up to 9 digits, INT64 up to 18, else FIXED (big-endian)
 *	date			INT32, DATE
 *	timestamp		INT64, TIMESTAMP(us), UTC; timestamp_ntz without UTC
 *	string, binary	BYTE_ARRAY
 *	array			LIST of three levels: list.element
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delta/schema.h"

#define DECIMAL_MAX_PRECISION 38

static const struct
{
	const char *name;
	StblTypeKind kind;
}			primitives[] = {
	{"boolean", STBL_BOOLEAN},
	{"byte", STBL_BYTE},
	{"short", STBL_SHORT},
	{"integer", STBL_INTEGER},
	{"long", STBL_LONG},
	{"float", STBL_FLOAT},
	{"double", STBL_DOUBLE},
	{"string", STBL_STRING},
	{"binary", STBL_BINARY},
	{"date", STBL_DATE},
	{"timestamp", STBL_TIMESTAMP},
	{"timestamp_ntz", STBL_TIMESTAMP_NTZ},
};

#define N_PRIMITIVES (sizeof(primitives) / sizeof(primitives[0]))

/* ---- text to struct ---- */

/* "decimal" or "decimal(p,s)" */
static bool
parse_decimal(const char *name, StblField *field, StblError *err)
{
	int			used = 0;

	field->kind = STBL_DECIMAL;
	if (strcmp(name, "decimal") == 0)
	{
		field->precision = 10;
		field->scale = 0;
		return true;
	}
	if (strlen(name) > 20 || sscanf(name, "decimal( %2d , %2d )%n", &field->precision, &field->scale, &used) != 2 ||
		used == 0 || name[used] != '\0' ||
		field->precision < 1 || field->precision > DECIMAL_MAX_PRECISION ||
		field->scale < 0 || field->scale > field->precision)
		return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" has the wrong type \"%.100s\"", field->name, name);
	return true;
}

static bool
parse_primitive(const StblJson *type, StblField *field, StblError *err)
{
	size_t		i;

	field->kind = STBL_OTHER;
	for (i = 0; i < N_PRIMITIVES; i++)
	{
		if (strcmp(type->str, primitives[i].name) == 0)
		{
			field->kind = primitives[i].kind;
			return true;
		}
	}
	if (strncmp(type->str, "decimal", 7) == 0)
		return parse_decimal(type->str, field, err);
	return true;
}

static bool
parse_type(StblJson *type, StblField *field, StblError *err)
{
	const char *name;
	StblJson   *element;

	field->type = type;
	if (type != NULL && type->type == STBL_JSON_STRING)
		return parse_primitive(type, field, err);
	name = stbl_json_get_str(type, "type");
	if (name == NULL)
		return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" has no type", field->name);
	field->kind = STBL_OTHER;
	if (strcmp(name, "array") != 0)
		return true;
	element = stbl_json_get(type, "elementType");
	if (element == NULL || !stbl_json_get_bool(type, "containsNull", &field->contains_null))
		return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" has an incomplete array type", field->name);
	if (element->type != STBL_JSON_STRING)
		return true;
	if (!parse_primitive(element, field, err))
		return false;
	field->is_array = field->kind != STBL_OTHER;
	return true;
}

static bool
parse_field(StblMem *mem, StblJson *json, StblField *field, StblError *err)
{
	StblJson   *name = stbl_json_get(json, "name");
	StblJson   *metadata = stbl_json_get(json, "metadata");
	const char *pg_type;

	memset(field, 0, sizeof(*field));
	if (name == NULL || name->type != STBL_JSON_STRING || memchr(name->str, 0, name->len) != NULL)
		return stbl_fail(err, STBL_ERR_CORRUPT, "schema has a column without a name");
	field->name = stbl_strndup(mem, name->str, name->len);
	if (!stbl_json_get_bool(json, "nullable", &field->nullable))
		return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" does not say whether it is nullable", field->name);
	if (metadata != NULL && metadata->type != STBL_JSON_NULL)
	{
		if (metadata->type != STBL_JSON_OBJECT)
			return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" has metadata that is not an object", field->name);
		field->metadata = metadata;
		pg_type = stbl_json_get_str(metadata, STBL_PG_TYPE_KEY);
		if (pg_type != NULL)
			field->pg_type = stbl_strdup(mem, pg_type);
	}
	return parse_type(stbl_json_get(json, "type"), field, err);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool
check_names(StblMem *mem, const StblSchema *schema, StblError *err)
{
	char	  **names = stbl_alloc_array(mem, (size_t) schema->n_fields + 1, sizeof(char *));
	int			i;
	bool		ok = true;

	for (i = 0; i < schema->n_fields; i++)
		names[i] = schema->fields[i].name;
	qsort(names, (size_t) schema->n_fields, sizeof(char *), compare_names);
	for (i = 1; i < schema->n_fields && ok; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			ok = stbl_fail(err, STBL_ERR_CORRUPT, "schema has two columns \"%.100s\"", names[i]);
	stbl_free(mem, names);
	return ok;
}

bool
stbl_schema_from_json(StblMem *mem, const StblJson *json, StblSchema *schema, StblError *err)
{
	StblJson   *fields;
	const char *type;
	size_t		i;

	schema->n_fields = 0;
	schema->fields = NULL;
	type = stbl_json_get_str(json, "type");
	fields = stbl_json_get(json, "fields");
	if (type == NULL || strcmp(type, "struct") != 0 || fields == NULL || fields->type != STBL_JSON_ARRAY ||
		fields->n > INT32_MAX)
		return stbl_fail(err, STBL_ERR_CORRUPT, "schema is not a struct with fields");
	schema->fields = stbl_alloc_array(mem, fields->n + 1, sizeof(StblField));
	for (i = 0; i < fields->n; i++)
		if (!parse_field(mem, fields->items[i], &schema->fields[i], err))
			return false;
	schema->n_fields = (int) fields->n;
	return check_names(mem, schema, err);
}

bool
stbl_schema_parse(StblMem *mem, const char *text, size_t len, StblSchema *schema, StblError *err)
{
	StblJson   *json = stbl_json_parse(mem, text, len, err);

	schema->n_fields = 0;
	schema->fields = NULL;
	return json != NULL && stbl_schema_from_json(mem, json, schema, err);
}

bool
stbl_field_same_type(const StblField *a, const StblField *b)
{
	return a->kind == b->kind && a->is_array == b->is_array &&
		(a->kind != STBL_DECIMAL || (a->precision == b->precision && a->scale == b->scale));
}

bool
stbl_columns_parse(StblMem *mem, const StblJson *json, StblSchema *columns, StblError *err)
{
	if (!stbl_schema_from_json(mem, json, columns, err))
		return false;
	for (int i = 0; i < columns->n_fields; i++)
		if (!columns->fields[i].nullable || columns->fields[i].kind == STBL_OTHER)
			return stbl_fail(err, STBL_ERR_CORRUPT, "column \"%.100s\" cannot be added: it is not nullable, or has an unknown type",
							 columns->fields[i].name);
	return columns->n_fields > 0 || stbl_fail(err, STBL_ERR_CORRUPT, "no columns are named");
}

int
stbl_schema_find(const StblSchema *schema, const char *name)
{
	int			i;

	for (i = 0; i < schema->n_fields; i++)
		if (strcmp(schema->fields[i].name, name) == 0)
			return i;
	return -1;
}

/* ---- struct to text ---- */

static void
element_type_name(const StblField *field, char *out, size_t out_size)
{
	size_t		i;

	if (field->kind == STBL_DECIMAL)
	{
		snprintf(out, out_size, "decimal(%d,%d)", field->precision, field->scale);
		return;
	}
	for (i = 0; i < N_PRIMITIVES; i++)
	{
		if (primitives[i].kind == field->kind)
		{
			snprintf(out, out_size, "%s", primitives[i].name);
			return;
		}
	}
	if (field->type != NULL && field->type->type == STBL_JSON_STRING)
		snprintf(out, out_size, "%s", field->type->str);
	else
	{
		const char *name = stbl_json_get_str(field->type, "type");

		snprintf(out, out_size, "%s", name != NULL ? name : "unknown");
	}
}

void
stbl_field_type_name(const StblField *field, char *out, size_t out_size)
{
	char		element[64];

	element_type_name(field, element, sizeof(element));
	snprintf(out, out_size, field->is_array ? "array<%s>" : "%s", element);
}

static void
write_type(StblBuf *out, const StblField *field)
{
	char		name[64];

	if (field->type != NULL)
	{
		stbl_json_write(out, field->type);
		return;
	}
	element_type_name(field, name, sizeof(name));
	if (field->is_array)
		stbl_buf_printf(out, "{\"type\":\"array\",\"elementType\":\"%s\",\"containsNull\":%s}", name,
						field->contains_null ? "true" : "false");
	else
		stbl_json_write_str(out, name, strlen(name));
}

/* The metadata object, with the PostgreSQL type in it. */
static void
write_metadata(StblBuf *out, const StblField *field)
{
	size_t		i;
	bool		first = true;
	bool		has_pg_type = false;

	stbl_buf_puts(out, "{");
	for (i = 0; field->metadata != NULL && i < field->metadata->n; i++)
	{
		const char *key = field->metadata->keys[i];

		if (strcmp(key, STBL_PG_TYPE_KEY) == 0)
			has_pg_type = true;
		if (!first)
			stbl_buf_puts(out, ",");
		first = false;
		stbl_json_write_str(out, key, strlen(key));
		stbl_buf_puts(out, ":");
		stbl_json_write(out, field->metadata->items[i]);
	}
	if (field->pg_type != NULL && !has_pg_type)
	{
		stbl_buf_puts(out, first ? "\"" STBL_PG_TYPE_KEY "\":" : ",\"" STBL_PG_TYPE_KEY "\":");
		stbl_json_write_str(out, field->pg_type, strlen(field->pg_type));
	}
	stbl_buf_puts(out, "}");
}

void
stbl_schema_write(StblMem *mem, StblBuf *out, const StblSchema *schema)
{
	int			i;

	(void) mem;
	stbl_buf_puts(out, "{\"type\":\"struct\",\"fields\":[");
	for (i = 0; i < schema->n_fields; i++)
	{
		const StblField *field = &schema->fields[i];

		stbl_buf_puts(out, i == 0 ? "{\"name\":" : ",{\"name\":");
		stbl_json_write_str(out, field->name, strlen(field->name));
		stbl_buf_puts(out, ",\"type\":");
		write_type(out, field);
		stbl_buf_puts(out, field->nullable ? ",\"nullable\":true,\"metadata\":" : ",\"nullable\":false,\"metadata\":");
		write_metadata(out, field);
		stbl_buf_puts(out, "}");
	}
	stbl_buf_puts(out, "]}");
}

/* ---- Parquet ---- */

/* Fills physical and logical type of a leaf. */
static void
leaf_type(const StblField *field, StblPqNode *node)
{
	node->logical = STBL_PQL_NONE;
	switch (field->kind)
	{
		case STBL_BOOLEAN:
			node->type = STBL_PQ_BOOLEAN;
			break;
		case STBL_BYTE:
		case STBL_SHORT:
			node->type = STBL_PQ_INT32;
			node->logical = STBL_PQL_INT;
			node->bits = field->kind == STBL_BYTE ? 8 : 16;
			node->is_signed = true;
			break;
		case STBL_INTEGER:
			node->type = STBL_PQ_INT32;
			break;
		case STBL_LONG:
			node->type = STBL_PQ_INT64;
			break;
		case STBL_FLOAT:
			node->type = STBL_PQ_FLOAT;
			break;
		case STBL_DOUBLE:
			node->type = STBL_PQ_DOUBLE;
			break;
		case STBL_DECIMAL:
			node->logical = STBL_PQL_DECIMAL;
			node->precision = field->precision;
			node->scale = field->scale;
			if (field->precision <= 9)
				node->type = STBL_PQ_INT32;
			else if (field->precision <= 18)
				node->type = STBL_PQ_INT64;
			else
			{
				node->type = STBL_PQ_FIXED;
				node->type_length = stbl_pq_decimal_length(field->precision);
			}
			break;
		case STBL_DATE:
			node->type = STBL_PQ_INT32;
			node->logical = STBL_PQL_DATE;
			break;
		case STBL_TIMESTAMP:
		case STBL_TIMESTAMP_NTZ:
			node->type = STBL_PQ_INT64;
			node->logical = STBL_PQL_TIMESTAMP_US;
			node->utc = field->kind == STBL_TIMESTAMP;
			break;
		case STBL_STRING:
			node->type = STBL_PQ_BYTE_ARRAY;
			node->logical = STBL_PQL_STRING;
			break;
		case STBL_BINARY:
		case STBL_OTHER:
			node->type = STBL_PQ_BYTE_ARRAY;
			break;
	}
}

bool
stbl_schema_to_parquet(StblMem *mem, const StblSchema *schema, StblPqSchema *pq, StblError *err)
{
	StblPqNode *node;
	int			n = 1;
	int			i;

	for (i = 0; i < schema->n_fields; i++)
	{
		if (schema->fields[i].kind == STBL_OTHER)
		{
			char		name[64];

			stbl_field_type_name(&schema->fields[i], name, sizeof(name));
			return stbl_fail(err, STBL_ERR_UNSUPPORTED, "column \"%.100s\" has the unsupported type \"%s\"",
							 schema->fields[i].name, name);
		}
		n += schema->fields[i].is_array ? 3 : 1;
	}
	memset(pq, 0, sizeof(*pq));
	pq->nodes = stbl_alloc_array(mem, (size_t) n, sizeof(StblPqNode));
	memset(pq->nodes, 0, (size_t) n * sizeof(StblPqNode));
	pq->n_nodes = n;
	for (i = 0; i < n; i++)
		pq->nodes[i].field_id = -1;
	node = pq->nodes;
	node->name = "spark_schema";
	node->n_children = schema->n_fields;
	node++;
	for (i = 0; i < schema->n_fields; i++)
	{
		const StblField *field = &schema->fields[i];

		node->name = field->name;
		node->repetition = field->nullable ? STBL_PQ_OPTIONAL : STBL_PQ_REQUIRED;
		if (field->is_array)
		{
			node->n_children = 1;
			node->logical = STBL_PQL_LIST;
			node++;
			node->name = "list";
			node->repetition = STBL_PQ_REPEATED;
			node->n_children = 1;
			node++;
			node->name = "element";
			node->repetition = field->contains_null ? STBL_PQ_OPTIONAL : STBL_PQ_REQUIRED;
		}
		leaf_type(field, node);
		node++;
	}
	return stbl_pq_schema_finish(mem, pq, err);
}

StblVecKind
stbl_field_vec_kind(const StblField *field, uint32_t *fixed_width)
{
	StblPqNode	node;

	memset(&node, 0, sizeof(node));
	leaf_type(field, &node);
	return stbl_pq_vec_kind(&node, fixed_width);
}

static bool
decimal_matches(const StblPqNode *node, const StblField *field)
{
	if (node->logical != STBL_PQL_DECIMAL || node->scale != field->scale || node->precision > field->precision)
		return false;
	if (node->type == STBL_PQ_FIXED)
		return node->type_length >= 1 && node->type_length <= 16;
	return node->type == STBL_PQ_INT32 || node->type == STBL_PQ_INT64 || node->type == STBL_PQ_BYTE_ARRAY;
}

static bool
leaf_matches(const StblPqNode *node, const StblField *field)
{
	bool		plain = node->logical == STBL_PQL_NONE || node->logical == STBL_PQL_OTHER;
	bool		integer = plain || (node->logical == STBL_PQL_INT && node->is_signed);

	switch (field->kind)
	{
		case STBL_BOOLEAN:
			return node->type == STBL_PQ_BOOLEAN;
		case STBL_BYTE:
		case STBL_SHORT:
		case STBL_INTEGER:
			return node->type == STBL_PQ_INT32 && integer;
		case STBL_LONG:
			return node->type == STBL_PQ_INT64 && integer;
		case STBL_FLOAT:
			return node->type == STBL_PQ_FLOAT;
		case STBL_DOUBLE:
			return node->type == STBL_PQ_DOUBLE;
		case STBL_DECIMAL:
			return decimal_matches(node, field);
		case STBL_DATE:
			return node->type == STBL_PQ_INT32 && node->logical == STBL_PQL_DATE;
		case STBL_TIMESTAMP:
		case STBL_TIMESTAMP_NTZ:
			return node->type == STBL_PQ_INT96 ||
				(node->type == STBL_PQ_INT64 &&
				 (node->logical == STBL_PQL_TIMESTAMP_MS || node->logical == STBL_PQL_TIMESTAMP_US ||
				  node->logical == STBL_PQL_TIMESTAMP_NS));
		case STBL_STRING:
			return node->type == STBL_PQ_BYTE_ARRAY &&
				(plain || node->logical == STBL_PQL_STRING || node->logical == STBL_PQL_ENUM ||
				 node->logical == STBL_PQL_JSON);
		case STBL_BINARY:
			return (node->type == STBL_PQ_BYTE_ARRAY || node->type == STBL_PQ_FIXED) && node->logical != STBL_PQL_DECIMAL;
		case STBL_OTHER:
			break;
	}
	return false;
}

/* The element's node of a list at node index i, or -1. */
static int
list_element(const StblPqSchema *pq, int i)
{
	const StblPqNode *list = &pq->nodes[i];
	const StblPqNode *repeated;

	if (list->n_children != 1 || list->repetition == STBL_PQ_REPEATED)
		return -1;
	repeated = &pq->nodes[i + 1];
	if (repeated->repetition != STBL_PQ_REPEATED)
		return -1;
	if (repeated->n_children == 0)
		return i + 1;
	if (repeated->n_children != 1 || pq->nodes[i + 2].n_children != 0 ||
		pq->nodes[i + 2].repetition == STBL_PQ_REPEATED)
		return -1;
	return i + 2;
}

bool
stbl_schema_match_file(const StblPqSchema *pq, const StblField *field, int *leaf, StblError *err)
{
	char		name[64];
	int			i;

	*leaf = -1;
	for (i = 1; i < pq->n_nodes; i++)
		if (pq->nodes[i].parent == 0 && strcmp(pq->nodes[i].name, field->name) == 0)
			break;
	if (i >= pq->n_nodes)
		return true;
	if (field->is_array)
		i = list_element(pq, i);
	else if (pq->nodes[i].n_children != 0 || pq->nodes[i].repetition == STBL_PQ_REPEATED)
		i = -1;
	if (i >= 0 && leaf_matches(&pq->nodes[i], field))
	{
		*leaf = pq->nodes[i].leaf;
		return true;
	}
	stbl_field_type_name(field, name, sizeof(name));
	return stbl_fail(err, STBL_ERR_SCHEMA, "column \"%.100s\" of the file cannot be read as type \"%s\"", field->name, name);
}
