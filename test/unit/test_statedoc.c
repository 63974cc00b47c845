/* The state document's codec (wal/statedoc.h). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "unit.h"

#include "wal/statedoc.h"

static Arena arena;

/* ---- samples ---- */

#define ID "0000019ad0a1b2c3a1b2c3d4e5000001"
#define T1 "0000000000000000000000000000002a"
#define T2 "00000000000000007fffffffffffffff"
#define HASH "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define UUID "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
#define PROGRESS1 "{\"target_id\":\"" T1 "\",\"outcome\":\"PENDING\",\"tombstoned_in_superfile\":null}"
#define PROGRESS2 "{\"target_id\":\"" T2 "\",\"outcome\":\"TOMBSTONED\",\"tombstoned_in_superfile\":\"seg-a.parquet\"}"

#define HEAD "{\"wal_id\":\"" ID "\",\"schema_version\":1,\"op_kind\":\"UPDATE\",\"state\":\"INTENT\"," \
	"\"created_at\":\"2026-01-02T03:04:05.678901Z\",\"lease\":{\"owner\":\"w/1\",\"acquired_at\":\"2026-01-02T03:04:05.000000Z\"," \
	"\"expires_at\":\"2026-01-02T03:06:05.000000Z\"},\"predicate_repr\":\"id = \\\"4\\\"\",\"target_ids\":[\"" T1 "\",\"" T2 "\"]," \
	"\"new_row_count\":2,\"new_row_content_hash\":\"" HASH "\","
#define TAIL "\"preallocated_superfile_id\":\"" UUID "\",\"minted_id_spans\":[{\"first\":\"" T1 "\",\"last\":\"" T1 "\"}]," \
	"\"tombstone_progress\":[" PROGRESS1 "," PROGRESS2 "]"

static const char bare13[] = HEAD TAIL "}";
static const char bare14[] = HEAD "\"schema_id\":{\"v\":[1,2.50,null]}," TAIL "}";

static const char ours[] = HEAD TAIL ",\"revision\":7,\"coordinator\":{\"cluster\":\"c1\",\"cluster_name\":\"main\","
"\"database_oid\":4294967295,\"database\":\"post\",\"witness_id\":\"w-1\"},\"table_id\":\"t-1\",\"outcome\":\"COMMITTED\","
"\"superfiles\":[{\"path\":\"seg-" UUID ".parquet\",\"bytes\":1234,\"n_rows\":10,\"hash\":\"" HASH "\","
"\"dead\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\",\"offset\":1,\"sizeInBytes\":40,\"cardinality\":2},"
"\"stats\":\"{\\\"numRecords\\\":10}\"}],"
"\"targets\":[{\"superfile\":\"seg-a.parquet\",\"base_row_id\":40,"
"\"tombstones\":{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\",\"sizeInBytes\":40,\"cardinality\":6},"
"\"n_rows\":6}],\"zeta\":[1,{\"a\":1e400}],\"alpha\":\"\\u0001x\"}";

static bool
parse(const char *text, size_t len, StblStateDoc *doc, StblError *err)
{
	/* An exact copy on the heap: a read beyond the end is seen. */
	char	   *copy = malloc(len + 1);
	bool		ok;

	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	copy = realloc(copy, len ? len : 1);
	memset(err, 0, sizeof(*err));
	ok = stbl_doc_parse(&arena.mem, copy, len, NULL, doc, err);
	free(copy);
	return ok;
}

/* Parses and writes; NULL where parsing failed. */
static char *
round_trip(const char *text, StblStateDoc *doc)
{
	StblError	err;
	StblBuf		out;

	if (!parse(text, strlen(text), doc, &err))
	{
		printf("# %s\n", err.message);
		return NULL;
	}
	stbl_buf_init(&out, &arena.mem);
	stbl_doc_write(&arena.mem, &out, doc);
	return (char *) out.data;
}

/* Replaces the first `from` of a sample. */
static char *
with(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	if (at == NULL)
		abort();
	return stbl_sprintf(&arena.mem, "%.*s%s%s", (int) (at - text), text, to, at + strlen(from));
}

static bool
refused(const char *text, StblErrorKind kind, const char *names)
{
	StblStateDoc doc;
	StblError	err;

	if (parse(text, strlen(text), &doc, &err))
		return false;
	if (err.kind != kind || (names != NULL && strstr(err.message, names) == NULL))
	{
		printf("# kind %d: %s\n", err.kind, err.message);
		return false;
	}
	return true;
}

static bool
accepted(const char *text, StblStateDoc *doc)
{
	StblError	err;

	if (parse(text, strlen(text), doc, &err))
		return true;
	printf("# %s\n", err.message);
	return false;
}

/* ---- tests ---- */

static void
test_forms(void)
{
	StblStateDoc doc;
	char	   *text = round_trip(bare13, &doc);

	OK(text != NULL && strcmp(text, bare13) == 0, "the 13-key form comes back byte for byte");
	OK(strcmp(doc.wal_id, ID) == 0 && doc.op_kind == STBL_UPDATE && doc.state == STBL_INTENT, "wal_id, op_kind, state");
	OK(doc.has_lease && strcmp(doc.lease.owner, "w/1") == 0 &&
	   doc.lease.expires_us - doc.lease.acquired_us == 120 * INT64_C(1000000), "lease");
	OK(doc.n_target_ids == 2 && doc.n_progress == 2 && doc.progress[0].outcome == STBL_ROW_PENDING &&
	   doc.progress[1].outcome == STBL_ROW_TOMBSTONED && strcmp(doc.progress[1].superfile, "seg-a.parquet") == 0 &&
	   doc.progress[0].superfile == NULL, "targets and progress");
	OK(doc.new_row_count == 2 && strcmp(doc.content_hash, HASH) == 0 && strcmp(doc.superfile_id, UUID) == 0, "payload");
	OK(doc.revision == -1 && !doc.has_coordinator && doc.table_id == NULL && !doc.has_superfiles && !doc.has_targets &&
	   doc.unknown == NULL && !doc.has_schema_id, "a bare request has nothing of ours");
	arena_reset(&arena);

	text = round_trip(bare14, &doc);
	OK(text != NULL && strcmp(text, bare14) == 0 && doc.has_schema_id, "the 14-key form comes back byte for byte");
	arena_reset(&arena);

	text = round_trip(ours, &doc);
	OK(text != NULL && strcmp(text, ours) == 0, "our form, and unknown keys in their order, come back byte for byte");
	OK(doc.revision == 7 && doc.has_coordinator && doc.coordinator.database_oid == 4294967295 &&
	   doc.outcome == STBL_OUTCOME_COMMITTED && doc.n_superfiles == 1 && doc.superfiles[0].has_dead &&
	   doc.superfiles[0].dead.cardinality == 2 && doc.n_targets == 1 && doc.targets[0].n_rows == 6 &&
	   doc.unknown != NULL && doc.unknown->n == 2, "our keys are understood");

	/* new columns, behind the targets */
	text = with(ours, "\"n_rows\":6}],", "\"n_rows\":6}],\"columns\":{\"type\":\"struct\",\"fields\":[{\"name\":\"new\",\"type\":\"string\","
				"\"nullable\":true,\"metadata\":{}}]},");
	OK(doc.columns.n_fields == 0 && strcmp(round_trip(text, &doc), text) == 0 && doc.columns.n_fields == 1 &&
	   strcmp(doc.columns.fields[0].name, "new") == 0 && doc.unknown != NULL && doc.unknown->n == 2,
	   "columns to be added come back byte for byte");
	OK(refused(with(text, "\"nullable\":true", "\"nullable\":false"), STBL_ERR_CORRUPT, "new") &&
	   refused(with(text, "{\"type\":\"struct\"", "{\"type\":\"map\""), STBL_ERR_CORRUPT, NULL), "... not nullable or no struct: refused");

	/* TRUNCATE: every row of a superfile */
	text = with(ours, "\"tombstones\":{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\","
				"\"sizeInBytes\":40,\"cardinality\":6}", "\"tombstones\":null");
	OK(strcmp(round_trip(text, &doc), text) == 0 && doc.n_targets == 1 && doc.targets[0].whole && doc.targets[0].n_rows == 6,
	   "null tombstones of a target, the whole superfile, come back byte for byte");
	OK(refused(with(text, "\"tombstones\":null,", ""), STBL_ERR_CORRUPT, NULL) &&
	   refused(with(text, "\"tombstones\":null", "\"tombstones\":7"), STBL_ERR_CORRUPT, NULL), "... missing or mistyped ones are refused");
	arena_reset(&arena);
}

static void
test_optional(void)
{
	StblStateDoc doc;
	static const char least[] = "{\"schema_version\":1,\"op_kind\":\"DELETE\",\"state\":\"INTENT\",\"wal_id\":\"" ID "\","
		"\"created_at\":\"2026-01-02T03:04:05Z\",\"target_ids\":[\"" T1 "\"],\"tombstone_progress\":[]}";

	OK(accepted(least, &doc) && !doc.has_lease && doc.new_row_count == -1 && doc.content_hash == NULL &&
	   doc.superfile_id == NULL && doc.minted_id_spans == NULL && strcmp(doc.predicate, "") == 0,
	   "what may be missing may be missing, in any order of keys");
	OK(accepted(with(with(bare13, "\"new_row_count\":2", "\"new_row_count\":null"), "\"" HASH "\"", "null"), &doc) &&
	   doc.new_row_count == -1 && doc.content_hash == NULL, "count and hash may be null");
	OK(accepted(with(bare13, ",\"tombstoned_in_superfile\":null", ""), &doc) && doc.progress[0].superfile == NULL,
	   "tombstoned_in_superfile may be missing");
	OK(accepted(with(bare13, UUID, "6F1E2D3C4B5A49788695A4B3C2D1E0F0"), &doc) &&
	   strcmp(doc.superfile_id, "6F1E2D3C4B5A49788695A4B3C2D1E0F0") == 0, "a superfile's id is kept as it is spelt");
	OK(accepted(with(with(bare13, "INTENT", "COMPLETE"), "\"" UUID "\"", "null"), &doc),
	   "a COMPLETE document needs no payload");
	arena_reset(&arena);
}

static void
test_version_first(void)
{
	OK(refused(with(bare13, "\"schema_version\":1", "\"schema_version\":2"), STBL_ERR_UNSUPPORTED, "schema_version 2"),
	   "S8: schema_version 2 is UNSUPPORTED");
	OK(refused("{\"schema_version\":2,\"wal_id\":5,\"op_kind\":[],\"state\":{}}", STBL_ERR_UNSUPPORTED, "schema_version"),
	   "S8: it is refused before anything else is looked at");
	OK(refused(with(bare13, "\"schema_version\":1", "\"schema_version\":0"), STBL_ERR_CORRUPT, "schema_version") &&
	   refused(with(bare13, "\"schema_version\":1", "\"schema_version\":\"1\""), STBL_ERR_CORRUPT, "schema_version") &&
	   refused(with(bare13, "\"schema_version\":1", "\"schema_version\":1.0"), STBL_ERR_CORRUPT, "schema_version") &&
	   refused(with(bare13, "\"schema_version\":1,", ""), STBL_ERR_CORRUPT, "schema_version"),
	   "a schema_version that is none is CORRUPT");
	arena_reset(&arena);
}

static void
test_wrong(void)
{
	static const struct
	{
		const char *from;
		const char *to;
		const char *names;
	}			cases[] = {
		{"\"UPDATE\"", "\"MERGE\"", "op_kind"},
		{"\"UPDATE\"", "7", "op_kind"},
		{"\"INTENT\"", "\"DONE\"", "state"},
		{"\"op_kind\":\"UPDATE\",", "", "op_kind"},
		{"\"state\":\"INTENT\",", "", "state"},
		{"\"wal_id\":\"" ID "\"", "\"wal_id\":\"0000019AD0A1B2C3A1B2C3D4E5000001\"", "wal_id"},
		{"\"wal_id\":\"" ID "\"", "\"wal_id\":\"0000019ad0a1b2c3a1b2c3d4e500001\"", "wal_id"},
		{"\"wal_id\":\"" ID "\"", "\"wal_id\":\"\"", "wal_id"},
		{"\"wal_id\":\"" ID "\"", "\"wal_id\":null", "wal_id"},
		{"2026-01-02T03:04:05.678901Z", "2026-02-30T03:04:05Z", "created_at"},
		{"2026-01-02T03:04:05.678901Z", "2026-01-02 03:04:05", "created_at"},
		{"2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.1234567890Z", "created_at"},
		{"\"w/1\"", "1", "owner"},
		{"\"lease\":{", "\"lease\":[{", NULL},
		{"\"expires_at\":\"2026-01-02T03:06:05.000000Z\"", "\"expires_at\":12", "expires_at"},
		{"\"target_ids\":[\"" T1 "\"", "\"target_ids\":[42", "target_ids"},
		{"\"target_ids\":[\"" T1 "\"", "\"target_ids\":[\"2a\"", "target_ids"},
		{"\"new_row_count\":2", "\"new_row_count\":-1", "new_row_count"},
		{"\"new_row_count\":2", "\"new_row_count\":2.5", "new_row_count"},
		{"\"new_row_count\":2", "\"new_row_count\":99999999999999999999", "new_row_count"},
		{"\"new_row_count\":2", "\"new_row_count\":\"2\"", "new_row_count"},
		{HASH, "9f86d081", "new_row_content_hash"},
		{"\"" UUID "\"", "\"../../../etc/passwd\"", "preallocated_superfile_id"},
		{"\"" UUID "\"", "null", "preallocated_superfile_id"},
		{"\"minted_id_spans\":[", "\"minted_id_spans\":7,\"x\":[", "minted_id_spans"},
		{"\"outcome\":\"PENDING\"", "\"outcome\":\"GONE\"", "outcome"},
		{"\"outcome\":\"PENDING\"", "\"outcome\":null", "outcome"},
		{"\"tombstoned_in_superfile\":null", "\"tombstoned_in_superfile\":3", "tombstoned_in_superfile"},
		{"\"tombstone_progress\":[", "\"tombstone_progress\":[7,", "tombstone_progress"},
	};
	static const struct
	{
		const char *from;
		const char *to;
	}			own[] = {
		{"\"revision\":7", "\"revision\":-7"},
		{"\"revision\":7", "\"revision\":true"},
		{"\"coordinator\":{", "\"coordinator\":[],\"x\":{"},
		{"4294967295", "4294967296"},
		{"\"witness_id\":\"w-1\"", "\"witness_id\":1"},
		{"\"table_id\":\"t-1\"", "\"table_id\":[]"},
		{"\"COMMITTED\"", "\"MAYBE\""},
		{"\"path\":\"seg-" UUID ".parquet\"", "\"path\":\"../x\""},
		{"\"path\":\"seg-" UUID ".parquet\"", "\"path\":\"/x\""},
		{"\"path\":\"seg-" UUID ".parquet\"", "\"path\":\"_delta_log/x\""},
		{"\"bytes\":1234", "\"bytes\":-1"},
		{"\"n_rows\":10", "\"n_rows\":null"},
		{"\"storageType\":\"u\"", "\"storageType\":\"z\""},
		{"\"stats\":\"", "\"stats\":4,\"y\":\""},
		{"\"superfile\":\"seg-a.parquet\"", "\"superfile\":\"seg-\\u0000\""},
		{"\"n_rows\":6", "\"n_rows\":-6"},
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		OK(refused(with(bare13, cases[i].from, cases[i].to), STBL_ERR_CORRUPT, cases[i].names),
		   "S8: refused, naming the key: %.60s", cases[i].to);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		OK(refused(with(ours, own[i].from, own[i].to), STBL_ERR_CORRUPT, NULL), "refused: %.60s", own[i].to);
	OK(refused("[]", STBL_ERR_CORRUPT, NULL) && refused("null", STBL_ERR_CORRUPT, NULL) && refused("", STBL_ERR_CORRUPT, NULL),
	   "what is not an object is refused");
	arena_reset(&arena);
}

static void
test_name(void)
{
	StblStateDoc doc;
	StblError	err;

	OK(stbl_doc_parse(&arena.mem, bare13, strlen(bare13), ID, &doc, &err), "the wal_id is that of the object's name");
	OK(!stbl_doc_parse(&arena.mem, bare13, strlen(bare13), T1, &doc, &err) && err.kind == STBL_ERR_CORRUPT &&
	   strstr(err.message, T1) != NULL && strstr(err.message, ID) != NULL, "a document under another's name is refused");
	arena_reset(&arena);
}

static void
test_damage(void)
{
	StblStateDoc doc;
	StblError	err;
	const char *samples[] = {bare13, bare14, ours};
	size_t		s,
				i;
	int			bit;

	for (s = 0; s < 3; s++)
	{
		size_t		len = strlen(samples[s]);
		bool		all = true;

		for (i = 0; i < len; i++)
		{
			if (parse(samples[s], i, &doc, &err) || err.kind != STBL_ERR_CORRUPT)
				all = false;
			arena_reset(&arena);
		}
		OK(all, "S8: cut short at any byte, sample %zu is refused", s);
	}
	for (s = 0; s < 3; s++)
	{
		size_t		len = strlen(samples[s]);
		char	   *copy = malloc(len);
		bool		all = true;

		for (i = 0; i < len; i++)
			for (bit = 0; bit < 8; bit++)
			{
				memcpy(copy, samples[s], len);
				copy[i] ^= (char) (1 << bit);
				if (parse(copy, len, &doc, &err))
				{
					StblBuf		out;
					StblStateDoc again;

					stbl_buf_init(&out, &arena.mem);
					stbl_doc_write(&arena.mem, &out, &doc);
					if (!parse((char *) out.data, out.len, &again, &err))
						all = false;
				}
				else if (err.kind != STBL_ERR_CORRUPT && err.kind != STBL_ERR_UNSUPPORTED)
					all = false;
				arena_reset(&arena);
			}
		free(copy);
		OK(all, "any flipped bit of sample %zu is refused, or gives a document that can be written and read", s);
	}
}

static void
test_ids(void)
{
	char		text[STBL_ID_TEXT];

	OK(stbl_target_row_id(T1) == 42 && stbl_target_row_id(T2) == INT64_MAX, "row ids");
	OK(stbl_target_row_id("00000000000000008000000000000000") == -1 &&
	   stbl_target_row_id("00000000000000010000000000000000") == -1 &&
	   stbl_target_row_id("ffffffffffffffffffffffffffffffff") == -1, "a target above 2^63-1 is no row");
	stbl_target_id_format(42, text);
	OK(strcmp(text, T1) == 0, "a row id as a target id");
	stbl_target_id_format(INT64_MAX, text);
	OK(strcmp(text, T2) == 0, "the greatest row id as a target id");
	stbl_target_id_format(0, text);
	OK(stbl_target_row_id(text) == 0, "row id 0");
}

static void
test_times(void)
{
	static const char *const good[] = {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.678901234Z",
	"2026-01-02T03:04:05.678901+00:00"};
	StblStateDoc doc;
	size_t		i;

	for (i = 0; i < 4; i++)
		OK(accepted(with(bare13, "2026-01-02T03:04:05.678901Z", good[i]), &doc) &&
		   doc.created_us / 1000000 == INT64_C(1767323045), "time %s", good[i]);
	arena_reset(&arena);
}

/* L47: an etag may be a digest of the content, so no content may return. */
static void
test_revision(void)
{
	StblStateDoc doc;
	StblBuf		a,
				b,
				c;

	if (!accepted(ours, &doc))
		return;
	stbl_buf_init(&a, &arena.mem);
	stbl_buf_init(&b, &arena.mem);
	stbl_buf_init(&c, &arena.mem);
	stbl_doc_write(&arena.mem, &a, &doc);
	doc.revision++;
	doc.has_lease = false;
	stbl_doc_write(&arena.mem, &b, &doc);
	doc.revision++;
	doc.has_lease = true;
	stbl_doc_write(&arena.mem, &c, &doc);
	OK(strcmp((char *) a.data, (char *) b.data) != 0 && strcmp((char *) a.data, (char *) c.data) != 0,
	   "L47: A, B, A: the revision keeps the contents apart");
	if (!accepted(bare13, &doc))
		return;
	doc.revision++;
	stbl_buf_init(&a, &arena.mem);
	stbl_doc_write(&arena.mem, &a, &doc);
	OK(strstr((char *) a.data, ",\"revision\":0") != NULL, "L47: a bare request takes one at its first change");
	arena_reset(&arena);
}

int
main(void)
{
	arena_init(&arena);
	test_forms();
	test_optional();
	test_version_first();
	test_wrong();
	test_name();
	test_damage();
	test_ids();
	test_times();
	test_revision();
	arena_reset(&arena);
	DONE();
}
