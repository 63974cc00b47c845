/*
 * Bounds from footers and from the log's statistics.  Pure.
 *
 * Writers differ: a footer without column orders has no bounds (the footer's
 * reader leaves them out), floats may have NaN beside their bounds, the log's
 * timestamps are cut to milliseconds (some cut the maximum too, so it is
 * widened by one), the log's text may be a prefix.  Then a maximum is raised by
 * its writer, by U+FFFD in old versions of Spark's Delta: characters beyond
 * that one, which are two units in UTF-16, were taken for less.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "delta/bounds.h"

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

/* ---- footers, page indexes ---- */

/* Big-endian two's complement that fits 64 bits. */
static bool
get_big_endian(const uint8_t *p, size_t len, int64_t *value)
{
	__int128	v = len > 0 && (p[0] & 0x80) ? -1 : 0;

	if (len < 1 || len > 16)
		return false;
	for (size_t i = 0; i < len; i++)
		v = (__int128) ((unsigned __int128) v << 8 | p[i]);
	*value = (int64_t) v;
	return v == *value;
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
get_int(const StblPqNode *node, const StblField *field, StblVecKind kind, const StblPqValue *from, int64_t *to)
{
	switch (kind)
	{
		case STBL_VEC_BOOL:
			*to = from->v.b;
			return true;
		case STBL_VEC_I32:
			*to = from->v.i32;
			return true;
		case STBL_VEC_I64:
			*to = from->v.i64;
			return (field->kind != STBL_TIMESTAMP && field->kind != STBL_TIMESTAMP_NTZ) || to_us(node, to);
		case STBL_VEC_BYTES:
		case STBL_VEC_FIXED:
			return field->kind == STBL_DECIMAL && get_big_endian(from->bytes, from->len, to);
		default:
			return false;
	}
}

static bool
get_bound(const StblPqNode *node, const StblField *field, StblBoundKind to_kind, StblVecKind kind,
		  const StblPqValue *from, StblBound *to)
{
	switch (to_kind)
	{
		case STBL_BOUND_INT:
			return get_int(node, field, kind, from, &to->i);
		case STBL_BOUND_REAL:
			to->d = kind == STBL_VEC_F32 ? from->v.f32 : from->v.f64;
			return kind == STBL_VEC_F32 || kind == STBL_VEC_F64;
		case STBL_BOUND_BYTES:
			to->bytes = from->bytes;
			to->len = from->len;
			return kind == STBL_VEC_BYTES;
		case STBL_BOUND_NONE:
			break;
	}
	return false;
}

static void
take_footer(const StblPqMeta *meta, int leaf, const StblField *field, const StblPqBounds *b, StblBounds *out)
{
	const StblPqNode *node = &meta->schema.nodes[meta->schema.leaf_nodes[leaf]];

	if (b->has_null_count)
		out->n_null = b->null_count;
	if (!b->has_min_max)
		return;
	out->has_min = get_bound(node, field, out->kind, b->kind, &b->min, &out->min);
	out->has_max = get_bound(node, field, out->kind, b->kind, &b->max, &out->max);
	out->is_exact = out->has_min && out->has_max && b->min_exact && b->max_exact;
	out->no_nan = out->kind == STBL_BOUND_REAL && out->has_max && !b->may_have_nan;
}

void
stbl_bounds_of_chunk(const StblPqMeta *meta, int row_group, int leaf, const StblField *field, StblBounds *out)
{
	int64_t		n_rows = meta->row_groups[row_group].n_rows;
	StblPqBounds b;

	clear(out, field);
	out->n_rows = n_rows;
	if (leaf < 0)
	{
		out->n_null = n_rows;
		return;
	}
	if (out->kind == STBL_BOUND_NONE)
		return;
	stbl_pq_bounds(meta, row_group, leaf, &b);
	take_footer(meta, leaf, field, &b, out);
}

void
stbl_bounds_of_page(const StblPqMeta *meta, int leaf, const StblPqPages *pages, int page, const StblField *field, StblBounds *out)
{
	StblPqBounds b;

	clear(out, field);
	out->n_rows = pages->places[page].n_rows;
	if (out->kind == STBL_BOUND_NONE)
		return;
	stbl_pq_page_bounds(meta, leaf, pages, page, &b);
	take_footer(meta, leaf, field, &b, out);
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
ends_in_fffd(const StblJson *v)
{
	return v->len >= 3 && memcmp(v->str + v->len - 3, "\xef\xbf\xbd", 3) == 0;
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
			return v->type == STBL_JSON_STRING && !(is_max && ends_in_fffd(v));
		default:
			return false;
	}
}

void
stbl_bounds_of_stats(const StblJson *stats, const StblField *field, StblBounds *out)
{
	const StblJson *v;
	int64_t		n;
	bool		tight;

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

	/* of other types the text may be cut, rounded or without a sign of zero */
	if (field->kind == STBL_BYTE || field->kind == STBL_SHORT || field->kind == STBL_INTEGER || field->kind == STBL_LONG ||
		field->kind == STBL_DATE)
		out->is_exact = out->has_min && out->has_max && (!stbl_json_get_bool(stats, "tightBounds", &tight) || tight);
}
