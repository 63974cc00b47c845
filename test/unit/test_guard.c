/* Guards, coordinators and targets in the manifest (delta/guard.h). */
#include <stdbool.h>
#include <stdint.h>

#include "unit.h"

#include "delta/guard.h"

/* Memory that is freed all at once. */
#define MAX_BLOCKS 4096

static void *blocks[MAX_BLOCKS];
static size_t sizes[MAX_BLOCKS];
static int	n_blocks = 0;

static void *
pool_alloc(StblMem *mem, size_t size)
{
	(void) mem;
	if (n_blocks == MAX_BLOCKS)
		abort();
	sizes[n_blocks] = size;
	blocks[n_blocks] = malloc(size ? size : 1);
	if (blocks[n_blocks] == NULL)
		abort();
	return blocks[n_blocks++];
}

static void *
pool_realloc(StblMem *mem, void *ptr, size_t size)
{
	void	   *fresh = pool_alloc(mem, size);
	int			i;

	for (i = 0; ptr != NULL && i < n_blocks; i++)
		if (blocks[i] == ptr)
			memcpy(fresh, ptr, sizes[i] < size ? sizes[i] : size);
	return fresh;
}

static void
pool_free(StblMem *mem, void *ptr)
{
	(void) mem;
	(void) ptr;
}

static void
pool_reset(void)
{
	while (n_blocks > 0)
		free(blocks[--n_blocks]);
}

static StblMem pool = {pool_alloc, pool_realloc, pool_free};

static const char prepared[] = "{\"state\":\"PREPARED\",\"created_at\":\"2026-01-02T03:04:05.678901Z\",\"op_kind\":\"UPDATE\","
"\"table_id\":\"t-1\",\"coordinator\":{\"cluster\":\"c1\",\"cluster_name\":\"main \\\"one\\\"\",\"database_oid\":4294967295,"
"\"database\":\"post\",\"witness_id\":\"w-1\"},\"targets\":[{\"superfile\":\"seg-a.parquet\",\"base_row_id\":40,"
"\"tombstones\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\",\"offset\":1,\"sizeInBytes\":40,\"cardinality\":6},"
"\"n_rows\":2}]}";

static bool
parse(const char *text, size_t len, StblGuard *guard, StblError *err)
{
	/* An exact copy on the heap: a read beyond the end is seen. */
	char	   *copy = malloc(len + 1);
	bool		ok;

	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	memset(err, 0, sizeof(*err));
	ok = stbl_guard_parse(&pool, copy, guard, err);
	free(copy);
	return ok;
}

static bool
comes_back(const char *text)
{
	StblGuard	guard;
	StblError	err;

	return parse(text, strlen(text), &guard, &err) && strcmp(stbl_guard_write(&pool, &guard), text) == 0;
}

static bool
refused(const char *from, const char *to)
{
	const char *at = strstr(prepared, from);
	StblGuard	guard;
	StblError	err;
	char	   *text;

	if (at == NULL)
		abort();
	text = stbl_sprintf(&pool, "%.*s%s%s", (int) (at - prepared), prepared, to, at + strlen(from));
	return !parse(text, strlen(text), &guard, &err) && err.kind == STBL_ERR_CORRUPT;
}

static void
test_forms(void)
{
	StblGuard	guard;
	StblError	err;
	bool		ok = parse(prepared, strlen(prepared), &guard, &err);

	OK(ok && guard.state == STBL_GUARD_PREPARED && guard.n_targets == 1 && guard.targets[0].n_rows == 2 &&
	   guard.targets[0].tombstones.cardinality == 6 && guard.coordinator.database_oid == 4294967295, "PREPARED is understood");
	OK(comes_back(prepared), "PREPARED comes back byte for byte");
	OK(comes_back("{\"state\":\"APPLIED\"}"), "so does APPLIED");
	OK(comes_back("{\"state\":\"APPLIED\",\"truncated\":true,\"added\":0,\"deleted\":4}"), "that of a TRUNCATE says so");
	OK(comes_back("{\"state\":\"ABORTED\",\"reason\":\"in_doubt => 'abort'\"}"), "and ABORTED");
	OK(ok && strcmp(stbl_coordinator_text(&pool, &guard.coordinator), "c1/4294967295/w-1") == 0, "a coordinator's text");
	pool_reset();
}

/* L45: a database that was restored elsewhere must not take itself for the one that decides. */
static void
test_equal(void)
{
	StblCoordinator a = {"c", "x", 5, "d", "w"};
	StblCoordinator b = {"c", "y", 5, "e", "w"};

	OK(stbl_coordinator_equal(&a, &b), "L45: names for people do not tell coordinators apart");
	b.witness_id = "v";
	OK(!stbl_coordinator_equal(&a, &b), "L45: another witness id is another coordinator");
	b = a;
	b.database_oid = 6;
	OK(!stbl_coordinator_equal(&a, &b), "L45: so is another database");
	b = a;
	b.cluster = "C";
	OK(!stbl_coordinator_equal(&a, &b), "L45: and another cluster");
}

static void
test_wrong(void)
{
	static const char *const cases[][2] = {
		{"\"PREPARED\"", "\"READY\""},
		{"\"state\":\"PREPARED\",", ""},
		{"2026-01-02T03:04:05.678901Z", "yesterday"},
		{"\"op_kind\":\"UPDATE\",", ""},
		{"\"table_id\":\"t-1\"", "\"table_id\":1"},
		{"\"cluster\":\"c1\",", ""},
		{"4294967295", "4294967296"},
		{"4294967295", "-1"},
		{"\"witness_id\":\"w-1\"", "\"witness_id\":null"},
		{"\"coordinator\":{", "\"coordinator\":7,\"x\":{"},
		{"\"targets\":[", "\"targets\":7,\"x\":["},
		{"\"targets\":[", "\"targets\":[7,"},
		{"\"seg-a.parquet\"", "\"seg\\u0000a\""},
		{"\"storageType\":\"u\"", "\"storageType\":\"x\""},
		{"\"n_rows\":2", "\"n_rows\":-2"},
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		OK(refused(cases[i][0], cases[i][1]), "refused: %s", cases[i][1][0] ? cases[i][1] : cases[i][0]);
	pool_reset();
}

static void
test_damage(void)
{
	size_t		len = strlen(prepared);
	bool		cut = true;
	bool		flipped = true;
	StblGuard	guard;
	StblError	err;
	size_t		i;

	for (i = 0; i < len; i++)
	{
		char		copy[sizeof(prepared)];
		int			bit;

		if (parse(prepared, i, &guard, &err) || err.kind != STBL_ERR_CORRUPT)
			cut = false;
		for (bit = 0; bit < 8; bit++)
		{
			memcpy(copy, prepared, len + 1);
			copy[i] ^= (char) (1 << bit);
			if (copy[i] != '\0' && !parse(copy, len, &guard, &err) && err.kind != STBL_ERR_CORRUPT)
				flipped = false;
			pool_reset();
		}
	}
	OK(cut, "cut short at any byte it is refused");
	OK(flipped, "any flipped bit is read or refused");
}

/* What a request found gone goes with APPLIED, so that a sweep after a crash tells it right. */
static void
test_not_found(void)
{
	static const char text[] = "{\"state\":\"APPLIED\",\"not_found\":[\"00000000000000000000000000000007\",\"0000000000000000000000000000000a\"]}";
	static const char counted[] = "{\"state\":\"APPLIED\",\"added\":3,\"deleted\":4,\"not_found\":[\"00000000000000000000000000000007\"]}";
	static const char *const bad[] = {
		"{\"state\":\"APPLIED\",\"not_found\":7}",
		"{\"state\":\"APPLIED\",\"not_found\":[7]}",
		"{\"state\":\"APPLIED\",\"not_found\":[\"7\"]}",
		"{\"state\":\"APPLIED\",\"not_found\":[\"0000000000000000000000000000000A\"]}",
	};
	StblGuard	guard;
	StblError	err;
	size_t		i;

	OK(parse(text, strlen(text), &guard, &err) && guard.state == STBL_GUARD_APPLIED && guard.n_not_found == 2 &&
	   strcmp(guard.not_found[1], "0000000000000000000000000000000a") == 0, "APPLIED with targets that were gone");
	OK(strcmp(stbl_guard_write(&pool, &guard), text) == 0, "... is written as it was read");
	OK(parse(counted, strlen(counted), &guard, &err) && guard.has_counts && guard.n_added == 3 && guard.n_deleted == 4 &&
	   strcmp(stbl_guard_write(&pool, &guard), counted) == 0, "APPLIED with its rows");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		OK(!parse(bad[i], strlen(bad[i]), &guard, &err) && err.kind == STBL_ERR_CORRUPT, "refused: %s", bad[i]);
	pool_reset();
}

/* A TRUNCATE names the version it has seen, so that its size does not grow with superfiles. */
static void
test_truncates(void)
{
	static const char *const bad[] = {"\"x\"", "-1", "1.5", "null", "[]"};
	char	   *text = stbl_sprintf(&pool, "%.*s\"truncates\":41,%s", (int) (strstr(prepared, "\"targets\"") - prepared), prepared,
									strstr(prepared, "\"targets\""));
	char	   *empty = stbl_sprintf(&pool, "%.*s\"truncates\":0,\"targets\":[]}",
									 (int) (strstr(prepared, "\"targets\"") - prepared), prepared);
	StblGuard	guard;
	StblError	err;
	size_t		i;

	OK(parse(prepared, strlen(prepared), &guard, &err) && guard.truncates == -1, "a PREPARED truncates nothing unless it says so");
	OK(parse(text, strlen(text), &guard, &err) && guard.truncates == 41 && guard.n_targets == 1, "... a version, beside its targets");
	OK(comes_back(text), "... and comes back byte for byte");
	OK(comes_back(empty), "so does one without targets");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		char	   *wrong = stbl_sprintf(&pool, "%.*s\"truncates\":%s,%s", (int) (strstr(prepared, "\"targets\"") - prepared),
										 prepared, bad[i], strstr(prepared, "\"targets\""));

		OK(!parse(wrong, strlen(wrong), &guard, &err) && err.kind == STBL_ERR_CORRUPT, "truncates %s is refused", bad[i]);
	}
	pool_reset();
}

/* A mutation that adds columns says which, so that another such meets it. */
static void
test_columns(void)
{
	static const char x[] = "{\"name\":\"x\",\"type\":\"long\",\"nullable\":true,\"metadata\":{\"supertable.type\":\"uuid\"}}";
	static const char *const bad[] = {
		"7", "null", "[]", "{}", "{\"type\":\"struct\",\"fields\":[]}", "{\"type\":\"struct\",\"fields\":[7]}",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"long\",\"nullable\":false,\"metadata\":{}}]}",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"interval\",\"nullable\":true,\"metadata\":{}}]}",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"long\",\"nullable\":true},{\"name\":\"x\",\"type\":\"long\",\"nullable\":true}]}",
	};
	const char *targets = strstr(prepared, "\"targets\"");
	int			head = (int) (targets - prepared);
	char	   *text = stbl_sprintf(&pool, "%.*s\"columns\":{\"type\":\"struct\",\"fields\":[%s]},%s", head, prepared, x, targets);
	StblGuard	guard;
	StblError	err;
	size_t		i;

	OK(parse(prepared, strlen(prepared), &guard, &err) && guard.columns.n_fields == 0, "a PREPARED adds no columns unless it says so");
	OK(parse(text, strlen(text), &guard, &err) && guard.columns.n_fields == 1 && guard.columns.fields[0].kind == STBL_LONG &&
	   strcmp(guard.columns.fields[0].pg_type, "uuid") == 0, "... names and types");
	OK(comes_back(text), "... and comes back byte for byte");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		text = stbl_sprintf(&pool, "%.*s\"columns\":%s,%s", head, prepared, bad[i], targets);
		OK(!parse(text, strlen(text), &guard, &err) && err.kind == STBL_ERR_CORRUPT, "columns %s are refused", bad[i]);
	}
	pool_reset();
}

/* Tombstones that are null mean every row; ones that are missing are damage. */
static void
test_whole(void)
{
	static const char text[] = "[{\"superfile\":\"seg-a.parquet\",\"base_row_id\":40,\"tombstones\":null,\"n_rows\":7}]";
	static const char missing[] = "[{\"superfile\":\"seg-a.parquet\",\"base_row_id\":40,\"n_rows\":7}]";
	StblError	err;
	StblTarget *targets;
	int			n;
	StblBuf		out;
	StblJson   *json = stbl_json_parse(&pool, text, strlen(text), &err);

	OK(stbl_targets_from_json(&pool, json, &targets, &n, &err) && n == 1 && targets[0].whole && targets[0].n_rows == 7 &&
	   targets[0].tombstones.cardinality == 0, "null tombstones: the whole superfile");
	stbl_buf_init(&out, &pool);
	stbl_targets_write(&out, targets, n);
	OK(out.len == strlen(text) && memcmp(out.data, text, out.len) == 0, "... are written as they were read");
	json = stbl_json_parse(&pool, missing, strlen(missing), &err);
	OK(!stbl_targets_from_json(&pool, json, &targets, &n, &err) && err.kind == STBL_ERR_CORRUPT, "missing tombstones are refused");
	pool_reset();
}

int
main(void)
{
	test_forms();
	test_truncates();
	test_columns();
	test_whole();
	test_equal();
	test_wrong();
	test_damage();
	test_not_found();
	DONE();
}
