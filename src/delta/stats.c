/*
 * Statistics of one file as Delta keeps them.
 *
 * A bound that cannot be said exactly is widened or left out, never bent: a
 * reader skips a file by it.  Zeros are written as -0.0 in a minimum and 0.0
 * in a maximum, times are cut outward to the millisecond, and a float is
 * written as the double it equals.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/codec.h"
#include "delta/schema.h"

/* A longer text is no use for skipping, and would be read with each snapshot. */
#define BOUND_TEXT_MAX 1024

#define US_PER_DAY INT64_C(86400000000)

static int32_t
get_i32(const uint8_t *p)
{
	return (int32_t) (p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24);
}

static int64_t
get_i64(const uint8_t *p)
{
	return (int64_t) ((uint64_t) (uint32_t) get_i32(p) | (uint64_t) (uint32_t) get_i32(p + 4) << 32);
}

static double
get_float(const uint8_t *p)
{
	int32_t		bits = get_i32(p);
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static double
get_double(const uint8_t *p)
{
	int64_t		bits = get_i64(p);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Length a bound of this physical type must have; 0 for any. */
static size_t
plain_width(const StblPqNode *node)
{
	switch (node->type)
	{
		case STBL_PQ_BOOLEAN:
			return 1;
		case STBL_PQ_INT32:
		case STBL_PQ_FLOAT:
			return 4;
		case STBL_PQ_INT64:
		case STBL_PQ_DOUBLE:
			return 8;
		case STBL_PQ_INT96:
			return 12;
		case STBL_PQ_FIXED:
			return (size_t) node->type_length;
		case STBL_PQ_BYTE_ARRAY:
			break;
	}
	return 0;
}

/* Takes back what was appended since the buffer had this length. */
static bool
cut_back(StblBuf *out, size_t len)
{
	out->len = len;
	out->data[len] = 0;
	return false;
}

static bool
write_date_text(StblBuf *out, int64_t days)
{
	int64_t		year;
	int			month;
	int			day;

	stbl_civil_from_days(days, &year, &month, &day);
	if (year < 1 || year > 9999)
		return false;
	stbl_buf_printf(out, "%04d-%02d-%02d", (int) year, month, day);
	return true;
}

static bool
write_date(StblBuf *out, int64_t days)
{
	size_t		start = out->len;

	stbl_buf_puts(out, "\"");
	if (!write_date_text(out, days))
		return cut_back(out, start);
	stbl_buf_puts(out, "\"");
	return true;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

/* Cut outward to milliseconds. */
static bool
write_timestamp(StblBuf *out, const StblPqNode *node, int64_t value, bool is_max, bool utc)
{
	int64_t		unit = node->logical == STBL_PQL_TIMESTAMP_US ? 1000 : node->logical == STBL_PQL_TIMESTAMP_NS ? 1000000 : 1;
	int64_t		ms = floor_div(value, unit);
	int64_t		days;
	int			rest;
	size_t		start = out->len;

	if (is_max && ms * unit != value)
		ms++;
	days = floor_div(ms, US_PER_DAY / 1000);
	rest = (int) (ms - days * (US_PER_DAY / 1000));
	stbl_buf_puts(out, "\"");
	if (!write_date_text(out, days))
		return cut_back(out, start);
	stbl_buf_printf(out, "T%02d:%02d:%02d.%03d%s\"", rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000,
					utc ? "Z" : "");
	return true;
}

static bool
write_double(StblBuf *out, double value, bool is_max)
{
	if (!isfinite(value))
		return false;
	if (value == 0)
		stbl_buf_puts(out, is_max ? "0.0" : "-0.0");
	else
		stbl_buf_printf(out, "%.17g", value);
	return true;
}

static bool
write_decimal(StblBuf *out, const StblPqNode *node, const uint8_t *data, size_t len, int scale)
{
	char		digits[48];
	int			at = sizeof(digits);
	int			n = 0;
	bool		negative;
	unsigned __int128 value;
	size_t		i;

	if (node->type == STBL_PQ_INT32 || node->type == STBL_PQ_INT64)
		value = (unsigned __int128) (__int128) (node->type == STBL_PQ_INT32 ? get_i32(data) : get_i64(data));
	else
	{
		if (len < 1 || len > 16)
			return false;
		value = data[0] >= 0x80 ? ~(unsigned __int128) 0 : 0;
		for (i = 0; i < len; i++)
			value = value << 8 | data[i];
	}
	negative = (value >> 127) != 0;
	if (negative)
		value = -value;
	do
	{
		if (n == scale && n > 0)
			digits[--at] = '.';
		digits[--at] = (char) ('0' + (int) (value % 10));
		value /= 10;
		n++;
	} while (value != 0 || n <= scale);
	if (negative)
		digits[--at] = '-';
	stbl_buf_append(out, digits + at, sizeof(digits) - (size_t) at);
	return true;
}

/* Appends a bound as JSON; false, with nothing appended, where it cannot be said. */
static bool
write_bound(StblBuf *out, const StblField *field, const StblPqNode *node, const uint8_t *data, size_t len, bool is_max)
{
	size_t		width = plain_width(node);

	if (width != 0 && len != width)
		return false;
	switch (field->kind)
	{
		case STBL_BYTE:
		case STBL_SHORT:
		case STBL_INTEGER:
			stbl_buf_printf(out, "%" PRId32, get_i32(data));
			return true;
		case STBL_LONG:
			stbl_buf_printf(out, "%" PRId64, get_i64(data));
			return true;
		case STBL_FLOAT:
			return write_double(out, get_float(data), is_max);
		case STBL_DOUBLE:
			return write_double(out, get_double(data), is_max);
		case STBL_DECIMAL:
			return write_decimal(out, node, data, len, node->scale);
		case STBL_DATE:
			return write_date(out, get_i32(data));
		case STBL_TIMESTAMP:
		case STBL_TIMESTAMP_NTZ:
			if (node->type != STBL_PQ_INT64)
				return false;
			return write_timestamp(out, node, get_i64(data), is_max, field->kind == STBL_TIMESTAMP);
		case STBL_STRING:
			if (len > BOUND_TEXT_MAX || !stbl_utf8_is_valid(data, len))
				return false;
			stbl_json_write_str(out, (const char *) data, len);
			return true;
		case STBL_BOOLEAN:
		case STBL_BINARY:
		case STBL_OTHER:
			break;
	}
	return false;
}

static bool
bound_is_nan(const StblField *field, const StblPqStats *stats)
{
	if (field->kind == STBL_FLOAT)
		return stats->min_len != 4 || stats->max_len != 4 || isnan(get_float(stats->min)) || isnan(get_float(stats->max));
	if (field->kind == STBL_DOUBLE)
		return stats->min_len != 8 || stats->max_len != 8 || isnan(get_double(stats->min)) || isnan(get_double(stats->max));
	return false;
}

/* One of the three objects: 'm' minimum, 'M' maximum, 'n' null count. */
static void
write_object(StblBuf *out, const StblSchema *schema, const StblPqSchema *pq, const StblPqStats *const *stats, char which)
{
	bool		first = true;
	int			i;

	stbl_buf_puts(out, "{");
	for (i = 0; i < schema->n_fields; i++)
	{
		const StblField *field = &schema->fields[i];
		const StblPqStats *s;
		const StblPqNode *node;
		StblError	err;
		size_t		start = out->len;
		int			leaf;
		bool		written = false;

		if (field->is_array || field->kind == STBL_OTHER || !stbl_schema_match_file(pq, field, &leaf, &err) || leaf < 0)
			continue;
		s = stats[leaf];
		node = &pq->nodes[pq->leaf_nodes[leaf]];
		if (s == NULL)
			continue;
		if (!first)
			stbl_buf_puts(out, ",");
		stbl_json_write_str(out, field->name, strlen(field->name));
		stbl_buf_puts(out, ":");
		if (which == 'n' && s->has_null_count)
		{
			stbl_buf_printf(out, "%" PRId64, s->null_count);
			written = true;
		}
		else if (which != 'n' && s->has_min_max && !bound_is_nan(field, s))
			written = which == 'M' ? write_bound(out, field, node, s->max, s->max_len, true)
				: write_bound(out, field, node, s->min, s->min_len, false);
		if (written)
			first = false;
		else
			cut_back(out, start);
	}
	stbl_buf_puts(out, "}");
}

void
stbl_stats_write(StblMem *mem, StblBuf *out, const StblSchema *schema, const StblPqSchema *pq,
				 const StblPqStats *const *stats, int64_t n_rows, bool tight_bounds)
{
	(void) mem;
	stbl_buf_printf(out, "{\"numRecords\":%" PRId64 ",\"minValues\":", n_rows);
	write_object(out, schema, pq, stats, 'm');
	stbl_buf_puts(out, ",\"maxValues\":");
	write_object(out, schema, pq, stats, 'M');
	stbl_buf_puts(out, ",\"nullCount\":");
	write_object(out, schema, pq, stats, 'n');
	stbl_buf_puts(out, tight_bounds ? ",\"tightBounds\":true}" : ",\"tightBounds\":false}");
}

/* ---- a footer's statistics ---- */

/* Whether bounds of this leaf have an order we know. */
static bool
leaf_is_ordered(const StblPqNode *node)
{
	switch (node->type)
	{
		case STBL_PQ_INT96:
			return false;
		case STBL_PQ_INT32:
		case STBL_PQ_INT64:
			return node->logical != STBL_PQL_INT || node->is_signed;
		case STBL_PQ_BYTE_ARRAY:
			return node->logical != STBL_PQL_DECIMAL;
		case STBL_PQ_FIXED:
			return node->type_length >= 1;
		default:
			return true;
	}
}

static int
compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t		n = a_len < b_len ? a_len : b_len;
	int			cmp = n == 0 ? 0 : memcmp(a, b, n);

	return cmp != 0 ? cmp : (a_len > b_len) - (a_len < b_len);
}

static int
compare_plain(const StblPqNode *node, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int64_t		x;
	int64_t		y;
	double		p;
	double		q;

	switch (node->type)
	{
		case STBL_PQ_INT32:
			x = get_i32(a);
			y = get_i32(b);
			return (x > y) - (x < y);
		case STBL_PQ_INT64:
			x = get_i64(a);
			y = get_i64(b);
			return (x > y) - (x < y);
		case STBL_PQ_FLOAT:
			p = get_float(a);
			q = get_float(b);
			return (p > q) - (p < q);
		case STBL_PQ_DOUBLE:
			p = get_double(a);
			q = get_double(b);
			return (p > q) - (p < q);
		case STBL_PQ_FIXED:
			if (node->logical == STBL_PQL_DECIMAL && (a[0] ^ b[0]) >= 0x80)
				return a[0] >= 0x80 ? -1 : 1;
			return compare_bytes(a, a_len, b, b_len);
		default:
			return compare_bytes(a, a_len, b, b_len);
	}
}

static bool
bounds_are_sound(const StblPqNode *node, const StblPqStats *s)
{
	size_t		width = plain_width(node);

	if (width != 0 && (s->min_len != width || s->max_len != width))
		return false;
	if (node->type == STBL_PQ_FLOAT)
		return !isnan(get_float(s->min)) && !isnan(get_float(s->max));
	if (node->type == STBL_PQ_DOUBLE)
		return !isnan(get_double(s->min)) && !isnan(get_double(s->max));
	return true;
}

void
stbl_stats_of_footer(StblMem *mem, const StblPqMeta *meta, int leaf, StblPqStats *out)
{
	const StblPqNode *node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	bool		bounds = leaf_is_ordered(node);
	const StblPqStats *min = NULL;
	const StblPqStats *max = NULL;
	int			i;

	memset(out, 0, sizeof(*out));
	out->has_null_count = true;
	for (i = 0; i < meta->n_row_groups; i++)
	{
		const StblPqChunk *chunk = &meta->row_groups[i].chunks[leaf];
		const StblPqStats *s = &chunk->stats;

		if (!s->has_null_count || s->null_count < 0 || s->null_count > INT64_MAX - out->null_count)
			out->has_null_count = false;
		else
			out->null_count += s->null_count;

		/* A group of nulls only has no bounds, and needs none. */
		if (meta->row_groups[i].n_rows == 0 || (s->has_null_count && s->null_count == chunk->n_values))
			continue;
		if (!s->has_min_max || !bounds_are_sound(node, s))
			bounds = false;
		if (!bounds)
			continue;
		if (min == NULL || compare_plain(node, s->min, s->min_len, min->min, min->min_len) < 0)
			min = s;
		if (max == NULL || compare_plain(node, s->max, s->max_len, max->max, max->max_len) > 0)
			max = s;
	}
	if (!bounds || min == NULL || max == NULL)
		return;
	out->has_min_max = true;
	out->min_exact = min->min_exact;
	out->max_exact = max->max_exact;
	out->min_len = min->min_len;
	out->min = (uint8_t *) stbl_strndup(mem, (const char *) min->min, min->min_len);
	out->max_len = max->max_len;
	out->max = (uint8_t *) stbl_strndup(mem, (const char *) max->max, max->max_len);
}
