/*
 * Bounds out of footers and of the log's statistics (delta/bounds.h).
 *
 * L52: a bound that a writer cut, widened, rounded, or took in another order
 * than that of bytes must not hide a row.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

#include "common/json.h"
#include "delta/bounds.h"

static Arena arena;

static StblField
field_of(StblTypeKind kind)
{
	StblField	f = {.name = "c",.kind = kind,.precision = 18,.scale = 2};

	return f;
}

/* ---- the log ---- */

static StblBounds
logged_field(const char *text, StblField field)
{
	StblError	err;
	StblBounds	b;
	StblJson   *stats = stbl_json_parse(&arena.mem, text, strlen(text), &err);

	if (stats == NULL)
		abort();
	stbl_bounds_of_stats(stats, &field, &b);
	return b;
}

static StblBounds
logged(const char *min, const char *max, StblTypeKind kind)
{
	char		text[1024];

	snprintf(text, sizeof(text), "{\"numRecords\":7,\"minValues\":{\"c\":%s},\"maxValues\":{\"c\":%s},\"nullCount\":{\"c\":2}}", min, max);
	return logged_field(text, field_of(kind));
}

static bool
has_ints(StblBounds b, int64_t min, int64_t max)
{
	return b.kind == STBL_BOUND_INT && b.has_min && b.has_max && b.min.i == min && b.max.i == max;
}

static bool
has_none(StblBounds b)
{
	return !b.has_min && !b.has_max && !b.is_exact;
}

static void
test_log_counts(void)
{
	StblField	f = field_of(STBL_INTEGER);
	StblBounds	b;

	stbl_bounds_of_stats(NULL, &f, &b);
	OK(has_none(b) && b.n_rows == -1 && b.n_null == -1, "no statistics say nothing");
	b = logged_field("{\"numRecords\":7,\"nullCount\":{\"c\":7}}", f);
	OK(b.n_rows == 7 && b.n_null == 7 && has_none(b), "nothing but nulls");
	b = logged_field("{\"numRecords\":7,\"nullCount\":{\"c\":8}}", f);
	OK(b.n_rows == 7 && b.n_null == -1, "more nulls than rows are not believed");
	b = logged_field("{\"nullCount\":{\"c\":0}}", f);
	OK(b.n_rows == -1 && b.n_null == -1, "nor a count of nulls without one of rows");
	b = logged_field("{\"numRecords\":-1,\"minValues\":{\"d\":1},\"maxValues\":[1],\"nullCount\":{\"d\":1}}", f);
	OK(b.n_rows == -1 && b.n_null == -1 && has_none(b), "another column's are not this one's");
	f.is_array = true;
	b = logged_field("{\"numRecords\":7,\"minValues\":{\"c\":1},\"maxValues\":{\"c\":2},\"nullCount\":{\"c\":1}}", f);
	OK(b.kind == STBL_BOUND_NONE && has_none(b) && b.n_null == -1, "an array has none");
	arena_reset(&arena);
}

static void
test_log_numbers(void)
{
	StblBounds	b;

	OK(has_ints(logged("-2147483648", "2147483647", STBL_INTEGER), INT32_MIN, INT32_MAX), "integers");
	OK(has_ints(logged("-9223372036854775808", "9223372036854775807", STBL_LONG), INT64_MIN, INT64_MAX), "longs to the ends");
	OK(has_none(logged("1.5", "\"7\"", STBL_INTEGER)), "what is no integer bounds no integer");
	OK(has_none(logged("false", "true", STBL_BOOLEAN)), "booleans have no bounds in the log");
	b = logged("1e400", "-1e400", STBL_DOUBLE);
	OK(has_none(b), "L52: a number out of range is no bound");
	OK(has_none(logged("\"NaN\"", "\"Infinity\"", STBL_DOUBLE)), "L52: NaN and infinity as text are no bounds");
	b = logged("-0.0", "1.7976931348623157e308", STBL_DOUBLE);
	OK(b.kind == STBL_BOUND_REAL && b.has_min && b.has_max && b.min.d == 0 && b.max.d == DBL_MAX, "doubles");
	OK(!b.no_nan, "L52: a NaN may stand beside the log's bounds");
	b = logged("0.1", "0.30000001192092896", STBL_FLOAT);
	OK(b.has_min && b.min.d == (double) 0.1f, "L52: a float's shortest text is that float, not that double");
	OK(b.has_max && b.max.d == (double) 0.3f, "... and so is its text as a double");
	arena_reset(&arena);
}

/* min and max of a whole file are answered by bounds that occur among its values, and by no others. */
static void
test_log_exact(void)
{
	static const char loose[] = "{\"numRecords\":7,\"minValues\":{\"c\":1},\"maxValues\":{\"c\":2},\"tightBounds\":false}";
	static const char tight[] = "{\"numRecords\":7,\"minValues\":{\"c\":1},\"maxValues\":{\"c\":2},\"tightBounds\":true}";
	static const char half[] = "{\"numRecords\":7,\"maxValues\":{\"c\":2}}";

	OK(logged("1", "2", STBL_LONG).is_exact && logged("1", "2", STBL_BYTE).is_exact, "bounds of integers occur");
	OK(logged("\"2024-02-29\"", "\"2024-02-29\"", STBL_DATE).is_exact, "... of dates too");
	OK(logged_field(tight, field_of(STBL_INTEGER)).is_exact && !logged_field(loose, field_of(STBL_INTEGER)).is_exact,
	   "not where the writer says that they are loose");
	OK(!logged_field(half, field_of(STBL_INTEGER)).is_exact, "nor one without the other");
	OK(!logged("\"1970-01-02T00:00:00.123Z\"", "\"1970-01-02T00:00:00.123Z\"", STBL_TIMESTAMP).is_exact, "L52: a cut time need not occur");
	OK(!logged("1.50", "1.51", STBL_DECIMAL).is_exact, "L52: nor a rounded decimal");
	OK(!logged("0.5", "1.5", STBL_DOUBLE).is_exact && !logged("0.5", "1.5", STBL_FLOAT).is_exact, "L52: nor a real");
	OK(!logged("\"a\"", "\"b\"", STBL_STRING).is_exact, "L52: nor a prefix");
	arena_reset(&arena);
}

static void
test_log_decimals(void)
{
	OK(has_ints(logged("-1.50", "2.25", STBL_DECIMAL), -150, 225), "decimals as numbers");
	OK(has_ints(logged("\"-1.5\"", "\"2\"", STBL_DECIMAL), -150, 200), "... as text, with fewer digits");
	OK(has_ints(logged("1.509", "1.501", STBL_DECIMAL), 150, 151), "L52: more digits than the scale are rounded outward");
	OK(has_ints(logged("-1.501", "-1.509", STBL_DECIMAL), -151, -150), "L52: ... below zero too");
	OK(has_ints(logged("-92233720368547758.08", "92233720368547758.07", STBL_DECIMAL), INT64_MIN, INT64_MAX), "to the ends of 64 bits");
	OK(has_none(logged("-92233720368547758.09", "92233720368547758.08", STBL_DECIMAL)), "beyond them there is no bound");
	OK(has_none(logged("1e2", "\"x\"", STBL_DECIMAL)), "what is written otherwise is no bound");
	arena_reset(&arena);
}

static void
test_log_times(void)
{
	const int64_t day = INT64_C(86400000000);

	OK(has_ints(logged("\"1969-12-31\"", "\"2024-02-29\"", STBL_DATE), -1, 19782), "dates");
	OK(has_none(logged("\"24-02-29\"", "\"2024-02-30\"", STBL_DATE)), "what is no date is no bound");
	OK(has_ints(logged("\"1970-01-02T00:00:00.123Z\"", "\"1970-01-02T00:00:00.123Z\"", STBL_TIMESTAMP), day + 123000, day + 124000),
	   "L52: a maximum cut to milliseconds is widened by one");
	OK(has_ints(logged("\"1969-12-31T23:59:59.999Z\"", "\"1969-12-31T23:59:59.999Z\"", STBL_TIMESTAMP), -1000, 0),
	   "L52: ... before 1970 too");
	OK(has_ints(logged("\"1970-01-02T02:00:00+02:00\"", "\"1970-01-01T19:00:00.000-05:00\"", STBL_TIMESTAMP), day, day + 1000), "offsets");
	OK(has_ints(logged("\"1970-01-02T00:00:00\"", "\"1970-01-02T00:00:00.000001\"", STBL_TIMESTAMP_NTZ), day, day + 1001), "without a zone");
	OK(has_none(logged("\"+10000-01-01T00:00:00Z\"", "\"1970-01-02\"", STBL_TIMESTAMP)), "what is no such time is no bound");
	arena_reset(&arena);
}

static bool
is_text(StblBound b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.bytes, text, b.len) == 0;
}

static void
test_log_text(void)
{
	StblBounds	b = logged("\"Z\"", "\"\\u00e9\"", STBL_STRING);

	OK(b.kind == STBL_BOUND_BYTES && b.has_min && b.has_max && is_text(b.min, "Z") && is_text(b.max, "\xc3\xa9"),
	   "L52: text is bounded by its bytes, whatever a collation says");
	b = logged("\"\"", "\"a\\u0000b\"", STBL_STRING);
	OK(b.has_min && b.min.len == 0 && b.has_max && b.max.len == 3, "the empty text and a zero byte");
	b = logged("\"prefix\"", "\"prefix\\uFFFD\"", STBL_STRING);
	OK(b.has_min && is_text(b.min, "prefix"), "L52: a cut minimum is a bound");
	OK(!b.has_max, "L52: a maximum raised by U+FFFD is none: characters beyond it are above");
	b = logged("\"a\"", "\"prefix\\uDBFF\\uDFFF\"", STBL_STRING);
	OK(b.has_max && is_text(b.max, "prefix\xf4\x8f\xbf\xbf"), "L52: one raised by the last character is a bound");
	OK(has_none(logged("1", "null", STBL_STRING)), "what is no text is no bound");
	OK(has_none(logged("\"a\"", "\"b\"", STBL_BINARY)), "nor is text one of bytes");
	arena_reset(&arena);
}

/* ---- footers ---- */

typedef struct Footer
{
	StblPqNode	nodes[2];
	StblPqSchema schema;
	StblPqChunk chunk;
	StblPqRowGroup group;
	StblPqMeta	meta;
} Footer;

/* A file of one column and one row group of 10 rows. */
static void
footer_init(Footer *f, StblPqType type, StblPqLogical logical)
{
	StblError	err;

	memset(f, 0, sizeof(*f));
	f->nodes[0].name = "root";
	f->nodes[0].n_children = 1;
	f->nodes[1].name = "c";
	f->nodes[1].repetition = STBL_PQ_OPTIONAL;
	f->nodes[1].type = type;
	f->nodes[1].logical = logical;
	f->nodes[1].precision = 18;
	f->nodes[1].scale = 2;
	f->nodes[1].is_signed = true;
	f->nodes[1].type_length = type == STBL_PQ_FIXED ? 16 : 0;
	f->schema.n_nodes = 2;
	f->schema.nodes = f->nodes;
	if (!stbl_pq_schema_finish(&arena.mem, &f->schema, &err))
		abort();
	f->chunk.n_values = 10;
	f->chunk.stats.has_null_count = true;
	f->chunk.stats.null_count = 3;
	f->group.n_rows = 10;
	f->group.chunks = &f->chunk;
	f->meta.schema = f->schema;
	f->meta.n_rows = 10;
	f->meta.n_row_groups = 1;
	f->meta.row_groups = &f->group;
	f->meta.created_by = STBL_PQ_CREATED_BY;
}

static StblBounds
of_footer(Footer *f, StblTypeKind kind, const void *min, size_t min_len, const void *max, size_t max_len)
{
	StblField	field = field_of(kind);
	StblBounds	b;
	StblPqStats *s = &f->chunk.stats;

	s->has_min_max = s->min_exact = s->max_exact = true;
	s->min = (uint8_t *) stbl_strndup(&arena.mem, min, min_len);
	s->min_len = min_len;
	s->max = (uint8_t *) stbl_strndup(&arena.mem, max, max_len);
	s->max_len = max_len;
	stbl_bounds_of_chunk(&f->meta, 0, 0, &field, &b);
	return b;
}

static StblBounds
of_ints(StblPqLogical logical, StblTypeKind kind, int64_t min, int64_t max)
{
	Footer		f;

	footer_init(&f, STBL_PQ_INT64, logical);
	return of_footer(&f, kind, &min, sizeof(min), &max, sizeof(max));
}

static void
test_footer_numbers(void)
{
	Footer		f;
	StblField	field = field_of(STBL_INTEGER);
	StblBounds	b;
	int32_t		i[2] = {INT32_MIN, INT32_MAX};
	uint8_t		bools[2] = {0, 1};

	footer_init(&f, STBL_PQ_INT32, STBL_PQL_NONE);
	b = of_footer(&f, STBL_INTEGER, &i[0], 4, &i[1], 4);
	OK(has_ints(b, INT32_MIN, INT32_MAX) && b.is_exact && b.n_rows == 10 && b.n_null == 3, "integers, which occur");
	b = of_footer(&f, STBL_INTEGER, &i[1], 4, &i[0], 4);
	OK(has_none(b) && b.n_null == 3, "bounds the wrong way round are none");
	stbl_bounds_of_chunk(&f.meta, 0, -1, &field, &b);
	OK(b.n_rows == 10 && b.n_null == 10 && has_none(b), "a column that the file lacks is null everywhere");
	f.chunk.stats.has_null_count = false;
	OK(of_footer(&f, STBL_INTEGER, &i[0], 4, &i[1], 4).n_null == -1, "nulls that are not counted are not known");
	f.chunk.stats.has_null_count = true;
	f.chunk.stats.null_count = 10;
	b = of_footer(&f, STBL_INTEGER, &i[0], 4, &i[1], 4);
	OK(b.n_null == 10 && has_none(b), "of nulls alone there are no bounds");
	OK(has_ints(of_ints(STBL_PQL_NONE, STBL_LONG, INT64_MIN, INT64_MAX), INT64_MIN, INT64_MAX), "longs to the ends");
	footer_init(&f, STBL_PQ_BOOLEAN, STBL_PQL_NONE);
	OK(has_ints(of_footer(&f, STBL_BOOLEAN, &bools[0], 1, &bools[1], 1), 0, 1), "booleans");
	arena_reset(&arena);
}

static void
test_footer_times(void)
{
	OK(has_ints(of_ints(STBL_PQL_TIMESTAMP_US, STBL_TIMESTAMP, -1, 1), -1, 1), "microseconds");
	OK(has_ints(of_ints(STBL_PQL_TIMESTAMP_MS, STBL_TIMESTAMP, -1, 1), -1000, 1000), "milliseconds");
	OK(has_none(of_ints(STBL_PQL_TIMESTAMP_MS, STBL_TIMESTAMP, INT64_MIN, INT64_MAX)), "L52: what leaves 64 bits is no bound");
	OK(has_ints(of_ints(STBL_PQL_TIMESTAMP_NS, STBL_TIMESTAMP_NTZ, -1, 1999), -1, 1), "L52: nanoseconds are rounded down, as values are");
	OK(has_ints(of_ints(STBL_PQL_TIMESTAMP_NS, STBL_TIMESTAMP_NTZ, -1000, -999), -1, -1), "L52: ... below zero too");
	arena_reset(&arena);
}

static StblBounds
of_doubles(double min, double max, const char *created_by)
{
	Footer		f;

	footer_init(&f, STBL_PQ_DOUBLE, STBL_PQL_NONE);
	f.meta.created_by = created_by;
	return of_footer(&f, STBL_DOUBLE, &min, sizeof(min), &max, sizeof(max));
}

static void
test_footer_reals(void)
{
	StblBounds	b = of_doubles(-1.5, INFINITY, STBL_PQ_CREATED_BY);
	Footer		f;
	float		singles[2] = {-0.1f, 0.1f};

	OK(b.kind == STBL_BOUND_REAL && b.min.d == -1.5 && isinf(b.max.d) && b.no_nan, "doubles; where we wrote bounds there is no NaN");
	OK(!of_doubles(1, 2, "another writer").no_nan && !of_doubles(1, 2, NULL).no_nan, "L52: others leave a NaN out of the bounds");
	OK(has_none(of_doubles(NAN, 2, STBL_PQ_CREATED_BY)) && has_none(of_doubles(1, NAN, STBL_PQ_CREATED_BY)) &&
	   !of_doubles(NAN, NAN, STBL_PQ_CREATED_BY).no_nan, "L52: a NaN is no bound, and tells nothing");
	b = of_doubles(0.0, -0.0, STBL_PQ_CREATED_BY);
	OK(b.has_min && b.has_max && signbit(b.min.d) && !signbit(b.max.d) && !b.is_exact, "L52: a zero stands for both zeros");
	footer_init(&f, STBL_PQ_FLOAT, STBL_PQL_NONE);
	b = of_footer(&f, STBL_FLOAT, &singles[0], 4, &singles[1], 4);
	OK(b.min.d == (double) -0.1f && b.max.d == (double) 0.1f, "floats");
	arena_reset(&arena);
}

static void
test_footer_bytes(void)
{
	Footer		f;
	StblBounds	b;

	footer_init(&f, STBL_PQ_BYTE_ARRAY, STBL_PQL_STRING);
	b = of_footer(&f, STBL_STRING, "Z", 1, "\xc3\xa9", 2);
	OK(b.kind == STBL_BOUND_BYTES && is_text(b.min, "Z") && is_text(b.max, "\xc3\xa9") && b.is_exact, "L52: text in the order of bytes");
	OK(has_none(of_footer(&f, STBL_STRING, "a", 1, "B", 1)), "L52: text in another order than that of bytes is not believed");
	b = of_footer(&f, STBL_STRING, "a", 1, "ab", 2);
	f.chunk.stats.max_exact = false;
	stbl_bounds_of_chunk(&f.meta, 0, 0, &(StblField) {.name = "c",.kind = STBL_STRING}, &b);
	OK(b.has_max && !b.is_exact, "L52: a cut bound is one, but does not occur");
	arena_reset(&arena);
}

static void
test_footer_decimals(void)
{
	static const uint8_t low[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x6a};
	static const uint8_t high[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
	static const uint8_t wide[16] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
	Footer		f;
	StblBounds	b;

	footer_init(&f, STBL_PQ_FIXED, STBL_PQL_DECIMAL);
	OK(has_ints(of_footer(&f, STBL_DECIMAL, low, 16, high, 16), -150, 256), "decimals of fixed length, with their sign");
	b = of_footer(&f, STBL_DECIMAL, low, 16, wide, 16);
	OK(b.has_min && b.min.i == -150 && !b.has_max && !b.is_exact, "L52: one beyond 64 bits is no bound");
	footer_init(&f, STBL_PQ_BYTE_ARRAY, STBL_PQL_DECIMAL);
	OK(has_ints(of_footer(&f, STBL_DECIMAL, "\x80", 1, "\x00\x80", 2), -128, 128), "decimals of any length are compared by value");
	OK(has_none(of_footer(&f, STBL_DECIMAL, "", 0, "\x01", 1)), "one without bytes is no bound");
	arena_reset(&arena);
}

/* ---- decimals as text ---- */

static bool
parses(const char *text, int scale, bool floor, int64_t want, bool want_exact)
{
	int64_t		v;
	bool		exact;

	return stbl_decimal_parse(text, scale, floor, &v, &exact) && v == want && exact == want_exact;
}

static bool
fails(const char *text, int scale)
{
	int64_t		v;
	bool		exact;

	return !stbl_decimal_parse(text, scale, true, &v, &exact);
}

static void
test_decimal_text(void)
{
	OK(parses("1.5", 2, true, 150, true) && parses("-1.5", 2, true, -150, true) && parses("+7", 0, true, 7, true), "plain ones");
	OK(parses("1.509", 2, true, 150, false) && parses("1.509", 2, false, 151, false), "rounded down and up");
	OK(parses("-1.501", 2, true, -151, false) && parses("-1.501", 2, false, -150, false), "... below zero");
	OK(parses("1.500000", 2, true, 150, true) && parses("-0.000", 2, true, 0, true), "zeros behind are exact");
	OK(parses("0.001", 2, true, 0, false) && parses("-0.001", 2, true, -1, false) && parses("0.001", 2, false, 1, false), "less than one unit");
	OK(parses("9223372036854775807", 0, true, INT64_MAX, true) && parses("-9223372036854775808", 0, true, INT64_MIN, true), "the ends");
	OK(fails("9223372036854775808", 0) && fails("-9223372036854775809", 0) && fails("922337203685477581", 2), "beyond them");
	OK(parses("9223372036854775807.9", 0, true, INT64_MAX, false) && fails("-9223372036854775808.9", 0), "rounding does not leave 64 bits");
	OK(fails("", 2) && fails("-", 2) && fails(".", 2) && fails("1.2.3", 2) && fails("1e3", 2) && fails(" 1", 2), "what is no number");
}

int
main(void)
{
	arena_init(&arena);
	test_log_counts();
	test_log_numbers();
	test_log_exact();
	test_log_decimals();
	test_log_times();
	test_log_text();
	test_footer_numbers();
	test_footer_times();
	test_footer_reals();
	test_footer_bytes();
	test_footer_decimals();
	test_decimal_text();
	DONE();
}
