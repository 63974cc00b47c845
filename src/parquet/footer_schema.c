/* The schema of a footer, parsed: SchemaElement and LogicalType of parquet.thrift. */
#include <string.h>

#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

#define MAX_NODES 65536

/* An integer of a struct's field; a field of another type spoils the cursor. */
static int
int_field(StblCursor *cur, const StblThriftField *f)
{
	int64_t		v;

	if (f->type != STBL_T_I32 && f->type != STBL_T_I16)
	{
		cur->failed = true;
		return 0;
	}
	v = stbl_tr_int(cur);
	if (v < INT32_MIN || v > INT32_MAX)
	{
		cur->failed = true;
		return 0;
	}
	return (int) v;
}

static void
from_converted(StblPqNode *n, int converted)
{
	static const StblPqLogical logical[] = {STBL_PQL_STRING, STBL_PQL_MAP, STBL_PQL_MAP, STBL_PQL_LIST, STBL_PQL_ENUM,
		STBL_PQL_DECIMAL, STBL_PQL_DATE, STBL_PQL_TIME_MS, STBL_PQL_TIME_US, STBL_PQL_TIMESTAMP_MS, STBL_PQL_TIMESTAMP_US,
		STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT, STBL_PQL_INT,
	STBL_PQL_JSON, STBL_PQL_BSON};

	if (converted < 0)
		return;
	n->logical = converted < (int) (sizeof(logical) / sizeof(logical[0])) ? logical[converted] : STBL_PQL_OTHER;
	n->utc = n->logical == STBL_PQL_TIME_MS || n->logical == STBL_PQL_TIME_US ||
		n->logical == STBL_PQL_TIMESTAMP_MS || n->logical == STBL_PQL_TIMESTAMP_US;
	if (n->logical == STBL_PQL_INT)
	{
		n->is_signed = converted >= 15;
		n->bits = 8 << (converted - 11) % 4;
	}
}

/* TimeUnit: 1 milliseconds, 2 microseconds, 3 nanoseconds; 0 if none. */
static int
parse_unit(StblCursor *cur)
{
	int			last = 0,
				unit = 0;
	StblThriftField f;

	while (stbl_tr_field(cur, &last, &f))
	{
		unit = f.id;
		stbl_tr_skip(cur, f.type, 3);
	}
	return unit;
}

static void
parse_time(StblCursor *cur, StblPqNode *n, StblPqLogical first)
{
	int			last = 0,
				unit = 0;
	StblThriftField f;

	n->utc = false;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			n->utc = f.type == STBL_T_TRUE;
		else if (f.id == 2 && f.type == STBL_T_STRUCT)
			unit = parse_unit(cur);
		else
			stbl_tr_skip(cur, f.type, 2);
	}
	n->logical = unit >= 1 && unit <= 3 ? first + (unit - 1) : STBL_PQL_OTHER;
}

static void
parse_decimal(StblCursor *cur, StblPqNode *n)
{
	int			last = 0;
	StblThriftField f;

	n->logical = STBL_PQL_DECIMAL;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			n->scale = int_field(cur, &f);
		else if (f.id == 2)
			n->precision = int_field(cur, &f);
		else
			stbl_tr_skip(cur, f.type, 2);
	}
}

static void
parse_int(StblCursor *cur, StblPqNode *n)
{
	int			last = 0;
	StblThriftField f;

	n->bits = 0;
	n->is_signed = false;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1 && f.type == STBL_T_BYTE)
			n->bits = stbl_cursor_u8(cur);
		else if (f.id == 2 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			n->is_signed = f.type == STBL_T_TRUE;
		else
			stbl_tr_skip(cur, f.type, 2);
	}
	n->logical = n->bits == 8 || n->bits == 16 || n->bits == 32 || n->bits == 64 ? STBL_PQL_INT : STBL_PQL_OTHER;
}

/* The union LogicalType; it overrules the converted type. */
static void
parse_logical(StblCursor *cur, StblPqNode *n)
{
	static const StblPqLogical simple[] = {STBL_PQL_OTHER, STBL_PQL_STRING, STBL_PQL_MAP, STBL_PQL_LIST, STBL_PQL_ENUM,
		STBL_PQL_DECIMAL, STBL_PQL_DATE, STBL_PQL_OTHER, STBL_PQL_OTHER, STBL_PQL_OTHER, STBL_PQL_INT, STBL_PQL_OTHER,
	STBL_PQL_JSON, STBL_PQL_BSON, STBL_PQL_UUID};
	int			last = 0;
	StblThriftField f;

	while (stbl_tr_field(cur, &last, &f))
	{
		n->logical = f.id > 0 && f.id < (int) (sizeof(simple) / sizeof(simple[0])) ? simple[f.id] : STBL_PQL_OTHER;
		if (f.type != STBL_T_STRUCT)
			cur->failed = true;
		else if (f.id == 5)
			parse_decimal(cur, n);
		else if (f.id == 7)
			parse_time(cur, n, STBL_PQL_TIME_MS);
		else if (f.id == 8)
			parse_time(cur, n, STBL_PQL_TIMESTAMP_MS);
		else if (f.id == 10)
			parse_int(cur, n);
		else
			stbl_tr_skip(cur, f.type, 1);
	}
}

static void
parse_name(StblMem *mem, StblCursor *cur, StblPqNode *n)
{
	size_t		len;
	const uint8_t *name = stbl_tr_binary(cur, &len);

	/* names are C strings here: one with a NUL inside has no spelling */
	if (!cur->failed && memchr(name, '\0', len) == NULL && len <= 65536)
		n->name = stbl_strndup(mem, (const char *) name, len);
	else
		cur->failed = true;
}

static void
parse_element(StblMem *mem, StblCursor *cur, StblPqNode *n)
{
	int			last = 0;
	bool		has_type = false;
	StblThriftField f;

	memset(n, 0, sizeof(*n));
	n->field_id = -1;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
		{
			int			type = int_field(cur, &f);

			has_type = type >= STBL_PQ_BOOLEAN && type <= STBL_PQ_FIXED;
			n->type = has_type ? (StblPqType) type : STBL_PQ_BYTE_ARRAY;
		}
		else if (f.id == 2)
			n->type_length = int_field(cur, &f);
		else if (f.id == 3)
		{
			int			repetition = int_field(cur, &f);

			if (repetition < STBL_PQ_REQUIRED || repetition > STBL_PQ_REPEATED)
				cur->failed = true;
			else
				n->repetition = (StblPqRepetition) repetition;
		}
		else if (f.id == 4 && f.type == STBL_T_BINARY && n->name == NULL)
			parse_name(mem, cur, n);
		else if (f.id == 5)
			n->n_children = int_field(cur, &f);
		else if (f.id == 6)
			from_converted(n, int_field(cur, &f));
		else if (f.id == 7)
			n->scale = int_field(cur, &f);
		else if (f.id == 8)
			n->precision = int_field(cur, &f);
		else if (f.id == 9)
			n->field_id = int_field(cur, &f);
		else if (f.id == 10 && f.type == STBL_T_STRUCT)
			parse_logical(cur, n);
		else
			stbl_tr_skip(cur, f.type, 0);
	}
	if (n->name == NULL || (n->n_children > 0 && has_type))
		cur->failed = true;

	/* a group of no fields has no type either; as a leaf it would be read as one */
	if (n->n_children == 0 && !has_type)
		n->n_children = -1;
}

/* cur stands at the list of elements. */
bool
stbl_pq_parse_schema(StblMem *mem, StblCursor *cur, StblPqSchema *schema, StblError *err)
{
	StblThriftType elem;
	size_t		n;
	size_t		cap = 0;

	memset(schema, 0, sizeof(*schema));
	if (!stbl_tr_list(cur, &elem, &n) || elem != STBL_T_STRUCT)
		return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema is malformed at byte %zu of the footer", stbl_cursor_offset(cur));
	if (n > MAX_NODES)
		return stbl_fail(err, STBL_ERR_LIMIT, "Parquet schema has %zu elements, more than %d", n, MAX_NODES);
	for (size_t i = 0; i < n; i++)
	{
		StblPqNode *node;

		if (i == cap)
		{
			cap = cap > 0 ? cap * 2 : 16;
			schema->nodes = stbl_realloc(mem, schema->nodes, cap * sizeof(StblPqNode));
		}
		node = &schema->nodes[i];
		parse_element(mem, cur, node);
		if (i == 0 && node->n_children < 0)
			node->n_children = 0;
		if (cur->failed || node->n_children < 0)
			return stbl_fail(err, STBL_ERR_CORRUPT, "Parquet schema element %zu is malformed", i);
		schema->n_nodes++;
	}
	return stbl_pq_schema_finish(mem, schema, err);
}
