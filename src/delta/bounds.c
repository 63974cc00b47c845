/*
 * Bounds from footers and from the log's statistics.  Pure.
 *
 * Writers differ: a footer without column orders has no bounds (the footer's
 * reader leaves them out), floats may have NaN beside their bounds, the log's
 * timestamps are cut to milliseconds (some cut the maximum too, so it is
 * widened by one), the log's text may be a prefix (a maximum then is raised
 * by its writer).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "delta/bounds.h"

#define OUR_NAME "pg_supertable"

StblBoundKind
stbl_bound_kind(const StblField *field)
{
	if (field->is_array)
		return STBL_BOUND_NONE;
	switch (field->kind)
	{
		case STBL_BOOLEAN:
		case STBL_BYTE:
		case STBL_SHORT:
		case STBL_INTEGER:
		case STBL_LONG:
		case STBL_DATE:
		case STBL_TIMESTAMP:
		case STBL_TIMESTAMP_NTZ:
		case STBL_DECIMAL:
			return STBL_BOUND_INT;
		case STBL_FLOAT:
		case STBL_DOUBLE:
			return STBL_BOUND_REAL;
		case STBL_STRING:
		case STBL_BINARY:
			return STBL_BOUND_BYTES;
		case STBL_OTHER:
			break;
	}
	return STBL_BOUND_NONE;
}

static void
clear(StblBounds *out, const StblField *field)
{
	memset(out, 0, sizeof(*out));
	out->kind = stbl_bound_kind(field);
	out->n_rows = -1;
	out->n_null = -1;
}

/* ---- footers ---- */

/* Big-endian two's complement that fits 64 bits. */
static bool
get_big_endian(const uint8_t *p, size_t len, int64_t *value)
{
	uint64_t	v;

	if (len == 0)
		return false;
	v = p[0] & 0x80 ? ~UINT64_C(0) : 0;
	for (size_t i = 0; i < len; i++)
	{
		/* a byte that is shifted out must have been sign */
		if (i >= 8 && (int64_t) (v >> 55) != 0 && (int64_t) v >> 55 != -1)
			return false;
		v = v << 8 | p[i];
	}
	*value = (int64_t) v;
	return true;
}

static bool
get_plain_int(const StblPqNode *node, const uint8_t *p, size_t len, int64_t *value)
{
	int32_t		v32;

	switch (node->type)
	{
		case STBL_PQ_BOOLEAN:
			if (len != 1)
				return false;
			*value = p[0] != 0;
			return true;
		case STBL_PQ_INT32:
			if (len != 4 || (node->logical == STBL_PQL_INT && !node->is_signed))
				return false;
			memcpy(&v32, p, 4);
			*value = v32;
			return true;
		case STBL_PQ_INT64:
			if (len != 8 || (node->logical == STBL_PQL_INT && !node->is_signed))
				return false;
			memcpy(value, p, 8);
			return true;
		case STBL_PQ_FIXED:
			return node->logical == STBL_PQL_DECIMAL && get_big_endian(p, len, value);
		default:
			return false;
	}
}

/* A footer's timestamp in microseconds, rounded down. */
static bool
to_us(const StblPqNode *node, int64_t *value)
{
	if (node->logical == STBL_PQL_TIMESTAMP_MS)
		return !__builtin_mul_overflow(*value, 1000, value);
	if (node->logical == STBL_PQL_TIMESTAMP_NS)
		*value = *value / 1000 - (*value % 1000 < 0);
	return true;
}

static bool
get_plain_real(const StblPqNode *node, const uint8_t *p, size_t len, double *value)
{
	float		f;

	if (node->type == STBL_PQ_FLOAT && len == 4)
	{
		memcpy(&f, p, 4);
		*value = f;
	}
	else if (node->type == STBL_PQ_DOUBLE && len == 8)
		memcpy(value, p, 8);
	else
		return false;
	return !isnan(*value);
}

static bool
get_plain(const StblPqNode *node, const StblField *field, StblBoundKind kind, const uint8_t *p, size_t len, StblBound *out)
{
	switch (kind)
	{
		case STBL_BOUND_INT:
			return get_plain_int(node, p, len, &out->i) &&
				((field->kind != STBL_TIMESTAMP && field->kind != STBL_TIMESTAMP_NTZ) || to_us(node, &out->i));
		case STBL_BOUND_REAL:
			return get_plain_real(node, p, len, &out->d);
		case STBL_BOUND_BYTES:
			if (node->type != STBL_PQ_BYTE_ARRAY)
				return false;
			out->bytes = p;
			out->len = len;
			return true;
		case STBL_BOUND_NONE:
			break;
	}
	return false;
}

void
stbl_bounds_of_chunk(const StblPqMeta *meta, int row_group, int leaf, const StblField *field, StblBounds *out)
{
	const StblPqRowGroup *rg = &meta->row_groups[row_group];
	const StblPqStats *s;
	const StblPqNode *node;
	bool		ours = meta->created_by != NULL && strcmp(meta->created_by, OUR_NAME) == 0;

	clear(out, field);
	out->n_rows = rg->n_rows;
	if (leaf < 0)
	{
		out->n_null = rg->n_rows;
		return;
	}
	if (out->kind == STBL_BOUND_NONE)
		return;
	s = &rg->chunks[leaf].stats;
	node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];
	if (s->has_null_count && s->null_count >= 0 && s->null_count <= rg->n_rows)
		out->n_null = s->null_count;
	if (!s->has_min_max)
		return;
	out->has_min = get_plain(node, field, out->kind, s->min, s->min_len, &out->min);
	out->has_max = get_plain(node, field, out->kind, s->max, s->max_len, &out->max);
	out->is_exact = out->has_min && out->has_max && s->min_exact && s->max_exact;
	out->no_nan = out->kind == STBL_BOUND_REAL && ours && out->has_max;
}

/* ---- the log ---- */

bool
stbl_decimal_parse(const char *text, int scale, bool floor, int64_t *value, bool *exact)
{
	const char *p = text;
	bool		negative = *p == '-';
	int64_t		v = 0;
	int			n_frac = -1;
	bool		rest = false;
	bool		any = false;

	if (*p == '-' || *p == '+')
		p++;
	for (; *p; p++)
	{
		if (*p == '.' && n_frac < 0)
		{
			n_frac = 0;
			continue;
		}
		if (*p < '0' || *p > '9')
			return false;
		any = true;
		if (n_frac >= scale)
		{
			rest = rest || *p != '0';
			continue;
		}
		if (n_frac >= 0)
			n_frac++;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *p - '0', &v))
			return false;
	}
	for (int i = n_frac < 0 ? 0 : n_frac; i < scale; i++)
		if (__builtin_mul_overflow(v, 10, &v))
			return false;

	/* v holds the negated magnitude, which reaches one further */
	if (!negative && __builtin_mul_overflow(v, -1, &v))
		return false;
	if (rest && negative == floor && __builtin_add_overflow(v, floor ? -1 : 1, &v))
		return false;
	*exact = !rest;
	*value = v;
	return any;
}

static bool
date_of(const char *text, size_t len, int64_t *days)
{
	char		stamp[32];
	int64_t		us;

	if (len != 10)
		return false;
	memcpy(stamp, text, 10);
	memcpy(stamp + 10, "T00:00:00Z", 11);
	if (!stbl_time_parse(stamp, 20, &us))
		return false;
	*days = us / INT64_C(86400000000) - (us % INT64_C(86400000000) < 0);
	return true;
}

/* With an offset, Z, or (timestamp_ntz) nothing behind it. */
static bool
timestamp_of(const char *text, size_t len, int64_t *us)
{
	char		stamp[48];

	if (stbl_time_parse(text, len, us))
		return true;
	if (len + 2 > sizeof(stamp))
		return false;
	memcpy(stamp, text, len);
	memcpy(stamp + len, "Z", 2);
	return stbl_time_parse(stamp, len + 1, us);
}

static bool
get_json(const StblField *field, const StblJson *v, bool is_max, StblBound *out)
{
	bool		exact;
	char	   *end;

	switch (field->kind)
	{
		case STBL_BYTE:
		case STBL_SHORT:
		case STBL_INTEGER:
		case STBL_LONG:
			out->i = v->integer;
			return v->type == STBL_JSON_INT;
		case STBL_DECIMAL:
			return (v->type == STBL_JSON_INT || v->type == STBL_JSON_NUMBER || v->type == STBL_JSON_STRING) &&
				stbl_decimal_parse(v->str, field->scale, !is_max, &out->i, &exact);
		case STBL_DATE:
			return v->type == STBL_JSON_STRING && date_of(v->str, v->len, &out->i);
		case STBL_TIMESTAMP:
		case STBL_TIMESTAMP_NTZ:
			return v->type == STBL_JSON_STRING && timestamp_of(v->str, v->len, &out->i) &&
				!__builtin_add_overflow(out->i, is_max ? 1000 : 0, &out->i);
		case STBL_FLOAT:
		case STBL_DOUBLE:
			if (v->type != STBL_JSON_INT && v->type != STBL_JSON_NUMBER)
				return false;
			/* a shortest decimal of a float is that float, and not that double */
			out->d = field->kind == STBL_FLOAT ? strtof(v->str, &end) : strtod(v->str, &end);
			return *end == '\0' && isfinite(out->d);
		case STBL_STRING:
			out->bytes = (const uint8_t *) v->str;
			out->len = v->len;
			return v->type == STBL_JSON_STRING;
		default:
			return false;
	}
}

void
stbl_bounds_of_stats(const StblJson *stats, const StblField *field, StblBounds *out)
{
	const StblJson *v;
	int64_t		n;

	clear(out, field);
	if (stats == NULL)
		return;
	if (stbl_json_get_int(stats, "numRecords", &n) && n >= 0)
		out->n_rows = n;
	if (out->kind == STBL_BOUND_NONE)
		return;
	if (stbl_json_get_int(stbl_json_get(stats, "nullCount"), field->name, &n) && n >= 0 && n <= out->n_rows)
		out->n_null = n;
	v = stbl_json_get(stbl_json_get(stats, "minValues"), field->name);
	out->has_min = v != NULL && get_json(field, v, false, &out->min);
	v = stbl_json_get(stbl_json_get(stats, "maxValues"), field->name);
	out->has_max = v != NULL && get_json(field, v, true, &out->max);
}
