/* FileMetaData, written (parquet.thrift). */
#include <string.h>

#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

/* ConvertedType of parquet.thrift, for readers that know no LogicalType; -1: none. */
static int
converted_type(const StblPqNode *n)
{
	switch (n->logical)
	{
		case STBL_PQL_STRING:
			return 0;
		case STBL_PQL_MAP:
			return 1;
		case STBL_PQL_LIST:
			return 3;
		case STBL_PQL_ENUM:
			return 4;
		case STBL_PQL_DECIMAL:
			return 5;
		case STBL_PQL_DATE:
			return 6;
		case STBL_PQL_TIME_MS:
			return 7;
		case STBL_PQL_TIME_US:
			return 8;
		case STBL_PQL_TIMESTAMP_MS:
			return n->utc ? 9 : -1;
		case STBL_PQL_TIMESTAMP_US:
			return n->utc ? 10 : -1;
		case STBL_PQL_INT:
			return (n->is_signed ? 15 : 11) + (n->bits == 8 ? 0 : n->bits == 16 ? 1 : n->bits == 32 ? 2 : 3);
		case STBL_PQL_JSON:
			return 19;
		case STBL_PQL_BSON:
			return 20;
		default:
			return -1;
	}
}

static void
write_time_type(StblBuf *out, int *last, int id, const StblPqNode *n, int unit)
{
	int			inner = 0,
				unit_last = 0;

	stbl_tw_field(out, last, id, STBL_T_STRUCT);
	stbl_tw_bool(out, &inner, 1, n->utc);
	stbl_tw_field(out, &inner, 2, STBL_T_STRUCT);
	stbl_tw_field(out, &unit_last, unit, STBL_T_STRUCT);
	stbl_tw_stop(out);
	stbl_tw_stop(out);
	stbl_tw_stop(out);
}

static void
write_empty_type(StblBuf *out, int *last, int id)
{
	stbl_tw_field(out, last, id, STBL_T_STRUCT);
	stbl_tw_stop(out);
}

/* The union LogicalType as field 10 of a SchemaElement. */
static void
write_logical_type(StblBuf *out, int *last, const StblPqNode *n)
{
	int			u = 0,
				inner = 0;

	if (n->logical == STBL_PQL_NONE || n->logical == STBL_PQL_OTHER)
		return;
	stbl_tw_field(out, last, 10, STBL_T_STRUCT);
	switch (n->logical)
	{
		case STBL_PQL_STRING:
			write_empty_type(out, &u, 1);
			break;
		case STBL_PQL_MAP:
			write_empty_type(out, &u, 2);
			break;
		case STBL_PQL_LIST:
			write_empty_type(out, &u, 3);
			break;
		case STBL_PQL_ENUM:
			write_empty_type(out, &u, 4);
			break;
		case STBL_PQL_DECIMAL:
			stbl_tw_field(out, &u, 5, STBL_T_STRUCT);
			stbl_tw_i32(out, &inner, 1, n->scale);
			stbl_tw_i32(out, &inner, 2, n->precision);
			stbl_tw_stop(out);
			break;
		case STBL_PQL_DATE:
			write_empty_type(out, &u, 6);
			break;
		case STBL_PQL_TIME_MS:
			write_time_type(out, &u, 7, n, 1);
			break;
		case STBL_PQL_TIME_US:
			write_time_type(out, &u, 7, n, 2);
			break;
		case STBL_PQL_TIME_NS:
			write_time_type(out, &u, 7, n, 3);
			break;
		case STBL_PQL_TIMESTAMP_MS:
			write_time_type(out, &u, 8, n, 1);
			break;
		case STBL_PQL_TIMESTAMP_US:
			write_time_type(out, &u, 8, n, 2);
			break;
		case STBL_PQL_TIMESTAMP_NS:
			write_time_type(out, &u, 8, n, 3);
			break;
		case STBL_PQL_INT:
			stbl_tw_field(out, &u, 10, STBL_T_STRUCT);
			stbl_tw_field(out, &inner, 1, STBL_T_BYTE);
			stbl_buf_u8(out, (uint8_t) n->bits);
			stbl_tw_bool(out, &inner, 2, n->is_signed);
			stbl_tw_stop(out);
			break;
		case STBL_PQL_JSON:
			write_empty_type(out, &u, 12);
			break;
		case STBL_PQL_BSON:
			write_empty_type(out, &u, 13);
			break;
		case STBL_PQL_UUID:
			write_empty_type(out, &u, 14);
			break;
		default:
			break;
	}
	stbl_tw_stop(out);
}

static void
write_schema_element(StblBuf *out, const StblPqNode *n, bool root)
{
	int			last = 0;
	int			converted = converted_type(n);

	if (n->n_children == 0 && !root)
	{
		stbl_tw_i32(out, &last, 1, n->type);
		if (n->type == STBL_PQ_FIXED)
			stbl_tw_i32(out, &last, 2, n->type_length);
	}
	if (!root)
		stbl_tw_i32(out, &last, 3, n->repetition);
	stbl_tw_binary(out, &last, 4, n->name, strlen(n->name));
	if (n->n_children > 0 || root)
		stbl_tw_i32(out, &last, 5, n->n_children);
	if (converted >= 0)
		stbl_tw_i32(out, &last, 6, converted);
	if (n->logical == STBL_PQL_DECIMAL)
	{
		stbl_tw_i32(out, &last, 7, n->scale);
		stbl_tw_i32(out, &last, 8, n->precision);
	}
	if (n->field_id >= 0)
		stbl_tw_i32(out, &last, 9, n->field_id);
	write_logical_type(out, &last, n);
	stbl_tw_stop(out);
}

static void
write_path(StblBuf *out, int *last, const StblPqSchema *schema, int node)
{
	int			chain[40];
	int			n = 0;

	for (int i = node; i > 0; i = schema->nodes[i].parent)
		chain[n++] = i;
	stbl_tw_list(out, last, 3, STBL_T_BINARY, n);
	while (n > 0)
	{
		const char *name = schema->nodes[chain[--n]].name;

		stbl_buf_varint(out, strlen(name));
		stbl_buf_append(out, name, strlen(name));
	}
}

static void
write_statistics(StblBuf *out, int *last, const StblPqStats *s)
{
	int			inner = 0;

	stbl_tw_field(out, last, 12, STBL_T_STRUCT);
	stbl_tw_i64(out, &inner, 3, s->null_count);
	if (s->has_min_max)
	{
		stbl_tw_binary(out, &inner, 5, s->max, s->max_len);
		stbl_tw_binary(out, &inner, 6, s->min, s->min_len);
		stbl_tw_bool(out, &inner, 7, s->max_exact);
		stbl_tw_bool(out, &inner, 8, s->min_exact);
	}
	stbl_tw_stop(out);
}

static void
write_chunk(StblBuf *out, const StblPqSchema *schema, int leaf, const StblPqOutChunk *c)
{
	int			node = schema->leaf_nodes[leaf];
	int			last = 0,
				m = 0;
	uint64_t	start = c->has_dict ? c->dict_offset : c->data_offset;

	stbl_tw_i64(out, &last, 2, (int64_t) start);
	stbl_tw_field(out, &last, 3, STBL_T_STRUCT);
	stbl_tw_i32(out, &m, 1, schema->nodes[node].type);

	/* a dictionary page is PLAIN, levels are RLE */
	stbl_tw_list(out, &m, 2, STBL_T_I32, c->has_dict ? 3 : 2);
	stbl_buf_zigzag(out, c->encoding);
	if (c->has_dict)
		stbl_buf_zigzag(out, STBL_PQ_ENC_PLAIN);
	stbl_buf_zigzag(out, STBL_PQ_ENC_RLE);
	write_path(out, &m, schema, node);
	stbl_tw_i32(out, &m, 4, c->codec);
	stbl_tw_i64(out, &m, 5, c->n_values);
	stbl_tw_i64(out, &m, 6, (int64_t) c->uncompressed);
	stbl_tw_i64(out, &m, 7, (int64_t) c->compressed);
	stbl_tw_i64(out, &m, 9, (int64_t) c->data_offset);
	if (c->has_dict)
		stbl_tw_i64(out, &m, 11, (int64_t) c->dict_offset);
	write_statistics(out, &m, &c->stats);
	stbl_tw_stop(out);
	if (c->offset_index.length > 0)
	{
		stbl_tw_i64(out, &last, 4, (int64_t) c->offset_index.offset);
		stbl_tw_i32(out, &last, 5, (int32_t) c->offset_index.length);
	}
	if (c->column_index.length > 0)
	{
		stbl_tw_i64(out, &last, 6, (int64_t) c->column_index.offset);
		stbl_tw_i32(out, &last, 7, (int32_t) c->column_index.length);
	}
	stbl_tw_stop(out);
}

static void
write_row_group(StblBuf *out, const StblPqSchema *schema, const StblPqOutGroup *g, int ordinal)
{
	int			last = 0;

	stbl_tw_list(out, &last, 1, STBL_T_STRUCT, schema->n_leaves);
	for (int i = 0; i < schema->n_leaves; i++)
		write_chunk(out, schema, i, &g->chunks[i]);
	stbl_tw_i64(out, &last, 2, (int64_t) g->uncompressed);
	stbl_tw_i64(out, &last, 3, g->n_rows);
	stbl_tw_i64(out, &last, 5, (int64_t) g->offset);
	stbl_tw_i64(out, &last, 6, (int64_t) g->compressed);
	if (ordinal <= INT16_MAX)
	{
		stbl_tw_field(out, &last, 7, STBL_T_I16);
		stbl_buf_zigzag(out, ordinal);
	}
	stbl_tw_stop(out);
}

void
stbl_pq_write_footer(StblBuf *out, const StblPqSchema *schema, const StblPqOutGroup *groups, int n_groups,
					 int64_t n_rows, const char *created_by)
{
	int			last = 0;
	size_t		start = out->len;

	stbl_tw_i32(out, &last, 1, 1);
	stbl_tw_list(out, &last, 2, STBL_T_STRUCT, schema->n_nodes);
	for (int i = 0; i < schema->n_nodes; i++)
		write_schema_element(out, &schema->nodes[i], i == 0);
	stbl_tw_i64(out, &last, 3, n_rows);
	stbl_tw_list(out, &last, 4, STBL_T_STRUCT, n_groups);
	for (int i = 0; i < n_groups; i++)
		write_row_group(out, schema, &groups[i], i);
	if (created_by != NULL)
		stbl_tw_binary(out, &last, 6, created_by, strlen(created_by));

	/* column_orders: TYPE_ORDER for each leaf */
	stbl_tw_list(out, &last, 7, STBL_T_STRUCT, schema->n_leaves);
	for (int i = 0; i < schema->n_leaves; i++)
	{
		int			u = 0;

		write_empty_type(out, &u, 1);
		stbl_tw_stop(out);
	}
	stbl_tw_stop(out);
	stbl_buf_u32le(out, (uint32_t) (out->len - start));
	stbl_buf_append(out, "PAR1", 4);
}
