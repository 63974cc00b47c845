/* Delta's codecs: actions, deletion vectors, schemas, statistics, checkpoints. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include <roaring/roaring.h>

#include "arena.h"
#include "unit.h"

#include "common/codec.h"
#include "delta/action.h"
#include "delta/checkpoint.h"
#include "delta/schema.h"

static Arena main_arena;
static StblMem *mem = &main_arena.mem;

/* A copy of exactly len bytes on the heap, so that a read past it is seen. */
static char *
exact(const void *data, size_t len)
{
	char	   *copy = malloc(len == 0 ? 1 : len);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

static bool
parse(const char *text, StblActions *out, StblError *err)
{
	return stbl_actions_parse(mem, text, strlen(text), out, err);
}

/* ---- actions ---- */

static void
write_all(StblBuf *out, const StblActions *a)
{
	int			i;

	if (a->has_commit_info)
		stbl_write_commit_info(out, &a->commit_info);
	if (a->protocol != NULL)
		stbl_write_protocol(out, a->protocol);
	if (a->metadata != NULL)
		stbl_write_metadata(out, a->metadata);
	for (i = 0; i < a->n_adds; i++)
		stbl_write_add(out, &a->adds[i]);
	for (i = 0; i < a->n_removes; i++)
		stbl_write_remove(out, &a->removes[i]);
	for (i = 0; i < a->n_domains; i++)
		stbl_write_domain(out, &a->domains[i]);
	for (i = 0; i < a->n_txns; i++)
		stbl_write_txn(out, &a->txns[i]);
}

static char *decides[] = {"0123456789abcdef0123456789abcdef", "quote\"d"};
static char *reader_features[] = {"deletionVectors"};
static char *writer_features[] = {"deletionVectors", "domainMetadata", "rowTracking", "supertable"};
static char *config_keys[] = {"delta.enableInCommitTimestamps", "x"};
static char *config_values[] = {"true", "\xc3\xa4\n"};

static void
sample_actions(StblActions *a)
{
	static StblProtocol protocol = {3, 7, 1, reader_features, 4, writer_features};
	static StblMetadata metadata = {"af23c9d7-fff1-4a5a-a2c8-55c59bd782aa", "n", NULL, "parquet",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}",
	0, 1700000000000, 2, config_keys, config_values};
	static StblDv dv = {'u', "ab^-aqEH.-t@S}K{vb[*k^", true, 4, 40, 6};
	static StblAdd adds[2] = {
		{"seg-1.parquet", 100, 1700000000001, true, "{\"numRecords\":3}", NULL, 0, 0, false},
		{"a b/100%:\xc3\xa4#?.parquet", 7, 1, false, NULL, &dv, 3, 2, false},
	};
	static StblRemove removes[2] = {
		{"seg-0.parquet", 1700000000002, true, 55, &dv, 7, 8, true},
		{"x", -1, false, -1, NULL, -1, -1, false},
	};
	static StblDomain domains[2] = {
		{"delta.rowTracking", "{\"rowIdHighWaterMark\":5}", false},
		{"supertable.wal.1", "", true},
	};
	static StblTxnAction txns[2] = {{"supertable-log/1", 12345678901, 5}, {"app", 1, -1}};

	memset(a, 0, sizeof(*a));
	a->has_commit_info = true;
	a->commit_info.in_commit_ms = 1700000000123;
	a->commit_info.timestamp_ms = 1700000000123;
	a->commit_info.operation = "WRITE";
	a->commit_info.version_id = "v1";
	a->commit_info.previous = "v0";
	a->commit_info.n_decides = 2;
	a->commit_info.decides = decides;
	a->protocol = &protocol;
	a->metadata = &metadata;
	a->n_adds = 2;
	a->adds = adds;
	a->n_removes = 2;
	a->removes = removes;
	a->n_domains = 2;
	a->domains = domains;
	a->n_txns = 2;
	a->txns = txns;
}

static void
test_round_trip(void)
{
	StblActions a;
	StblActions b;
	StblBuf		one;
	StblBuf		two;
	StblError	err;

	sample_actions(&a);
	stbl_buf_init(&one, mem);
	stbl_buf_init(&two, mem);
	write_all(&one, &a);
	OK(stbl_actions_parse(mem, (char *) one.data, one.len, &b, &err), "what is written parses");
	write_all(&two, &b);
	OK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0, "and is written again as the same bytes");
	OK(strcmp(b.adds[1].path, a.adds[1].path) == 0 && strstr((char *) one.data, "a%20b/100%25%3A%C3%A4%23%3F.parquet") != NULL,
	   "paths are URIs in the log");
	OK(b.commit_info.n_decides == 2 && strcmp(b.commit_info.decides[1], "quote\"d") == 0, "decides");
	OK(stbl_protocol_has(b.protocol, "supertable") && !stbl_protocol_has(b.protocol, "columnMapping"), "features");
	OK(b.adds[0].base_row_id == 0 && b.adds[1].dv != NULL && stbl_dv_equal(b.adds[1].dv, a.adds[1].dv), "fields of add");
	OK(b.removes[1].deletion_ms == -1 && b.removes[1].size == -1 && b.removes[0].extended, "fields of remove");
}

/* What is kept of a path that leads out is written as it was read, however often. */
static void
test_absolute_again(void)
{
	static const char *const paths[] = {"/[seg 0", "s3://b/x%20[y]", "file:///a\\\"b", "/a/%5B/../x"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
	{
		StblBuf		text;
		StblActions a;
		StblError	err;
		char	   *path;

		stbl_buf_init(&text, mem);
		stbl_buf_printf(&text, "{\"remove\":{\"path\":\"%s\",\"dataChange\":true}}\n", paths[i]);
		OK(parse((char *) text.data, &a, &err), "an absolute path to be removed: %s", paths[i]);
		path = a.removes[0].path;
		text.len = 0;
		stbl_write_remove(&text, &a.removes[0]);
		OK(parse((char *) text.data, &a, &err) && strcmp(path, a.removes[0].path) == 0, "... is the same again");
	}
}

static void
test_foreign(void)
{
	StblActions a;
	StblError	err;

	OK(parse("{\"add\":{\"path\":\"date=2017-12-10/part-000...c000.gz.parquet\",\"partitionValues\":{\"date\":\"2017-12-10\"},"
			 "\"size\":841454,\"modificationTime\":1512909768000,\"dataChange\":true,\"baseRowId\":4071,"
			 "\"defaultRowCommitVersion\":41,\"stats\":\"{\\\"numRecords\\\":1}\"}}\n", &a, &err) &&
	   a.n_adds == 1 && a.adds[0].has_partition_values && a.adds[0].base_row_id == 4071, "the protocol's add");
	OK(parse("{\"remove\":{\"path\":\"part-00001-9.snappy.parquet\",\"deletionTimestamp\":1515488792485,\"baseRowId\":4071,"
			 "\"defaultRowCommitVersion\":41,\"dataChange\":true}}", &a, &err) && a.n_removes == 1, "the protocol's remove, without LF");
	OK(parse("{\"metaData\":{\"id\":\"af\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"...\","
			 "\"partitionColumns\":[],\"configuration\":{\"appendOnly\":\"true\"}}}", &a, &err) && a.metadata->n_configuration == 1,
	   "the protocol's metaData");
	OK(parse("{\"domainMetadata\":{\"domain\":\"delta.clustering\",\"configuration\":\"{\\\"clusteringColumns\\\":[]}\",\"removed\":false}}",
			 &a, &err) && a.n_domains == 1, "the protocol's domainMetadata");
	OK(parse("\n\n{\"cdc\":{\"path\":\"x\"}}\r\n{\"neverHeardOf\":[1,2]}\n{\"commitInfo\":{\"timestamp\":\"soon\",\"operation\":7}}\n", &a, &err) &&
	   a.has_commit_info && a.commit_info.timestamp_ms == -1 && a.commit_info.operation == NULL && a.n_adds == 0,
	   "other actions are passed over, commitInfo is free text");
	OK(parse("", &a, &err) && !a.has_commit_info, "an empty version");
	OK(parse("{\"remove\":{\"path\":\"s3://b/x\",\"dataChange\":true}}", &a, &err), "an absolute path may be removed");
	OK(!parse("{\"remove\":{\"path\":\"s3:x\",\"dataChange\":true}}", &a, &err) && err.kind == STBL_ERR_CORRUPT, "one that could be relative is none");
	test_absolute_again();
}

static void
expect_kind(const char *text, StblErrorKind kind, const char *name)
{
	StblActions a;
	StblError	err;

	err.message[0] = '\0';
	OK(!parse(text, &a, &err) && err.kind == kind && strstr(err.message, "line 1 at offset 0") != NULL, "%s: %s", name, err.message);
}

#define ADD_WITH(path) "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":1,\"modificationTime\":1,\"dataChange\":true}}"

static void
test_bad_actions(void)
{
	expect_kind("{\"add\":{\"size\":1,\"modificationTime\":1,\"dataChange\":true}}", STBL_ERR_CORRUPT, "no path");
	expect_kind("{\"add\":{\"path\":\"x\",\"size\":\"1\",\"modificationTime\":1,\"dataChange\":true}}", STBL_ERR_CORRUPT, "size is text");
	expect_kind("{\"add\":{\"path\":\"x\",\"size\":-1,\"modificationTime\":1,\"dataChange\":true}}", STBL_ERR_CORRUPT, "negative size");
	expect_kind("{\"add\":{\"path\":\"x\",\"size\":1e99,\"modificationTime\":1,\"dataChange\":true}}", STBL_ERR_CORRUPT, "huge size");
	expect_kind("{\"add\":[]}", STBL_ERR_CORRUPT, "not an object");
	expect_kind("[]", STBL_ERR_CORRUPT, "an array");
	expect_kind("{\"add\":", STBL_ERR_CORRUPT, "cut short");
	expect_kind(ADD_WITH("../x"), STBL_ERR_CORRUPT, "leaves the table");
	expect_kind(ADD_WITH("a/%2E%2e/x"), STBL_ERR_CORRUPT, "leaves the table, encoded");
	expect_kind(ADD_WITH("a//x"), STBL_ERR_CORRUPT, "empty segment");
	expect_kind(ADD_WITH(""), STBL_ERR_CORRUPT, "empty path");
	expect_kind(ADD_WITH("a%00b"), STBL_ERR_CORRUPT, "zero byte");
	expect_kind(ADD_WITH("a%0"), STBL_ERR_CORRUPT, "cut escape");
	expect_kind(ADD_WITH("a%fe"), STBL_ERR_CORRUPT, "not UTF-8");
	expect_kind(ADD_WITH("a\\u0000b"), STBL_ERR_CORRUPT, "zero byte in JSON");
	expect_kind(ADD_WITH("s3://bucket/x"), STBL_ERR_UNSUPPORTED, "absolute path");
	expect_kind(ADD_WITH("/etc/passwd"), STBL_ERR_UNSUPPORTED, "path from the root");
	expect_kind("{\"protocol\":{\"minReaderVersion\":1}}", STBL_ERR_CORRUPT, "half a protocol");
	expect_kind("{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[1]}}", STBL_ERR_CORRUPT, "wrong feature");
	expect_kind("{\"domainMetadata\":{\"domain\":\"x\",\"removed\":false}}", STBL_ERR_CORRUPT, "domain without configuration");
	expect_kind("{\"commitInfo\":{\"decides\":\"x\"}}", STBL_ERR_CORRUPT, "decides is text");
	expect_kind("{\"txn\":{\"appId\":\"x\"}}", STBL_ERR_CORRUPT, "txn without version");
}

/* Whatever the bytes, an answer and no wild read. */
static void
test_damaged_actions(void)
{
	StblActions a;
	StblBuf		text;
	StblError	err;
	Arena		arena;
	size_t		i;
	size_t		n_ok = 0;

	sample_actions(&a);
	stbl_buf_init(&text, mem);
	write_all(&text, &a);
	arena_init(&arena);
	for (i = 0; i < text.len; i++)
	{
		char	   *copy = exact(text.data, i);
		StblActions b;

		n_ok += stbl_actions_parse(&arena.mem, copy, i, &b, &err);
		free(copy);
		arena_reset(&arena);
	}
	OK(n_ok < text.len / 10, "cut at each byte: %zu of %zu parse (whole lines)", n_ok, text.len);
	for (i = 0; i < text.len * 8; i++)
	{
		char	   *copy = exact(text.data, text.len);
		StblActions b;

		copy[i / 8] ^= (char) (1 << (i % 8));
		stbl_actions_parse(&arena.mem, copy, text.len, &b, &err);
		free(copy);
		arena_reset(&arena);
	}
	OK(true, "each bit flipped");
}

/* ---- deletion vectors ---- */

static bool
same_rows(const roaring_bitmap_t *bitmap, const uint32_t *rows, size_t n)
{
	size_t		i;

	if (bitmap == NULL || roaring_bitmap_get_cardinality(bitmap) != n)
		return false;
	for (i = 0; i < n; i++)
		if (!roaring_bitmap_contains(bitmap, rows[i]))
			return false;
	return true;
}

static void
test_dv_examples(void)
{
	static const uint32_t rows[] = {3, 4, 7, 11, 18, 29};
	StblDv		dv = {'i', "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", false, 0, 44, 6};
	StblDv		old = {'i', "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", false, 0, 40, 6};
	StblDv		file = {'u', "ab^-aqEH.-t@S}K{vb[*k^", true, 4, 40, 6};
	StblDv		made;
	StblError	err;
	roaring_bitmap_t *bitmap = stbl_dv_decode_inline(mem, &dv, &err);
	StblBuf		bytes;

	OK(same_rows(bitmap, rows, 6), "an inline vector as other writers make it");
	stbl_buf_init(&bytes, mem);
	stbl_dv_encode(bitmap, &bytes);
	stbl_dv_make_inline(mem, bytes.data, bytes.len, 6, &made);
	OK(strcmp(made.path_or_inline, dv.path_or_inline) == 0 && made.size_bytes == 44, "is encoded to the same text");
	roaring_bitmap_free(bitmap);
	OK(stbl_dv_decode_inline(mem, &old, &err) == NULL && err.kind == STBL_ERR_UNSUPPORTED,
	   "the protocol's text has an example of the older layout: %s", err.message);
	OK(strcmp(stbl_dv_key(mem, &file, &err), "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin") == 0,
	   "the protocol's example of a file");
	stbl_dv_set_uuid(mem, &made, "d2c639aa-8816-431a-aaf6-d3fe2512ff61");
	OK(strcmp(made.path_or_inline, "^-aqEH.-t@S}K{vb[*k^") == 0 &&
	   strcmp(stbl_dv_key(mem, &made, &err), "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin") == 0, "uuid to name and back");
	dv.cardinality = 5;
	OK(stbl_dv_decode_inline(mem, &dv, &err) == NULL && err.kind == STBL_ERR_CORRUPT, "another cardinality: %s", err.message);
	file.path_or_inline = "../..^-aqEH.-t@S}K{vb[*k^";
	OK(stbl_dv_key(mem, &file, &err) == NULL && err.kind == STBL_ERR_CORRUPT, "a prefix that leaves the table");
	file.storage = 'p';
	OK(stbl_dv_key(mem, &file, &err) == NULL && err.kind == STBL_ERR_UNSUPPORTED, "an absolute path");
}

/* Bitmaps with every kind of container. */
static roaring_bitmap_t *
sample_bitmap(int which)
{
	roaring_bitmap_t *bitmap = roaring_bitmap_create();
	uint32_t	i;
	uint32_t	x = 12345;

	switch (which)
	{
		case 0:
			break;
		case 1:
			roaring_bitmap_add(bitmap, 0);
			break;
		case 2:
			roaring_bitmap_add_range(bitmap, 10, 200000);
			break;
		case 3:
			for (i = 0; i < 20000; i++)
			{
				x = x * 1664525 + 1013904223;
				roaring_bitmap_add(bitmap, x >> 15);
			}
			break;
		case 4:
			for (i = 0; i < 5; i++)
			{
				roaring_bitmap_add(bitmap, i * 65536 + 7);
				roaring_bitmap_add(bitmap, i * 65536 + 9);
				roaring_bitmap_add_range(bitmap, i * 65536 + 100, i * 65536 + 120 + i);
			}
			break;
		case 5:
			roaring_bitmap_add_range(bitmap, 0, 65536);
			for (i = 65536; i < 131072; i += 2)
				roaring_bitmap_add(bitmap, i);
			roaring_bitmap_add(bitmap, 4294967295U);
			break;
		default:
			for (i = 0; i < 4096; i++)
				roaring_bitmap_add(bitmap, i * 3);
			break;
	}
	return bitmap;
}

#define N_SAMPLES 7

static bool
count_one(uint32_t value, void *arg)
{
	(void) value;
	(*(uint64_t *) arg)++;
	return true;
}

/* A bitmap that was accepted must be one the library can work with. */
static bool
is_sound(roaring_bitmap_t *bitmap)
{
	uint64_t	count = 0;
	roaring_bitmap_t *twice;
	bool		ok;

	roaring_iterate(bitmap, count_one, &count);
	ok = count == roaring_bitmap_get_cardinality(bitmap);
	twice = roaring_bitmap_copy(bitmap);
	roaring_bitmap_run_optimize(twice);
	roaring_bitmap_or_inplace(twice, bitmap);
	ok = ok && roaring_bitmap_get_cardinality(twice) == count && roaring_bitmap_and_cardinality(twice, bitmap) == count;
	roaring_bitmap_free(twice);
	return ok;
}

static void
test_dv_round_trip(void)
{
	int			i;

	for (i = 0; i < N_SAMPLES; i++)
	{
		roaring_bitmap_t *bitmap = sample_bitmap(i);
		roaring_bitmap_t *back;
		StblBuf		bytes;
		StblError	err;

		stbl_buf_init(&bytes, mem);
		stbl_dv_encode(bitmap, &bytes);
		back = stbl_dv_decode(bytes.data, bytes.len, &err);
		OK(back != NULL && roaring_bitmap_equals(bitmap, back), "bitmap %d of %" PRIu64 " rows in %zu bytes comes back", i,
		   roaring_bitmap_get_cardinality(bitmap), bytes.len);
		if (back != NULL)
			roaring_bitmap_free(back);
		roaring_bitmap_free(bitmap);
	}
}

static void
test_dv_damage(void)
{
	int			which;

	for (which = 0; which < N_SAMPLES; which++)
	{
		roaring_bitmap_t *bitmap = sample_bitmap(which);
		StblBuf		bytes;
		StblError	err;
		size_t		i;
		size_t		step;
		size_t		n_bad = 0;
		size_t		n_short = 0;

		stbl_buf_init(&bytes, mem);
		stbl_dv_encode(bitmap, &bytes);
		step = bytes.len > 2000 ? 37 : 1;
		for (i = 0; i < bytes.len; i += step)
		{
			char	   *copy = exact(bytes.data, i);
			roaring_bitmap_t *back = stbl_dv_decode((uint8_t *) copy, i, &err);

			if (back != NULL)
			{
				n_short++;
				roaring_bitmap_free(back);
			}
			free(copy);
		}
		for (i = 0; i < bytes.len * 8; i += i < 1600 ? 1 : step)
		{
			char	   *copy = exact(bytes.data, bytes.len);
			roaring_bitmap_t *back;

			copy[i / 8] ^= (char) (1 << (i % 8));
			back = stbl_dv_decode((uint8_t *) copy, bytes.len, &err);
			if (back != NULL)
			{
				if (!is_sound(back))
					n_bad++;
				roaring_bitmap_free(back);
			}
			free(copy);
		}
		OK(n_short == 0 && n_bad == 0, "bitmap %d, cut and flipped: nothing unsound is accepted", which);
		roaring_bitmap_free(bitmap);
	}
}

/* A vector with one run container, its cookie and runs given. */
static roaring_bitmap_t *
decode_runs(uint16_t card_minus_1, int n, const uint16_t *runs, StblError *err)
{
	StblBuf		b;
	int			i;

	stbl_buf_init(&b, mem);
	stbl_buf_u32le(&b, 1681511377U);
	stbl_buf_u64le(&b, 1);
	stbl_buf_u32le(&b, 0);
	stbl_buf_u32le(&b, 12347);
	stbl_buf_u8(&b, 1);
	stbl_buf_u16le(&b, 0);
	stbl_buf_u16le(&b, card_minus_1);
	stbl_buf_u16le(&b, (uint16_t) n);
	for (i = 0; i < n * 2; i++)
		stbl_buf_u16le(&b, runs[i]);
	return stbl_dv_decode(b.data, b.len, err);
}

static void
test_dv_runs(void)
{
	static const uint16_t fine[] = {1, 2, 10, 0};
	static const uint16_t touching[] = {1, 2, 4, 1};
	static const uint16_t overlap[] = {1, 5, 3, 0};
	static const uint16_t beyond[] = {65530, 10};
	StblBuf		b;
	StblError	err;
	roaring_bitmap_t *bitmap = decode_runs(3, 2, fine, &err);

	OK(bitmap != NULL && roaring_bitmap_get_cardinality(bitmap) == 4 && roaring_bitmap_contains(bitmap, 10), "runs");
	roaring_bitmap_free(bitmap);
	bitmap = decode_runs(4, 2, touching, &err);
	OK(bitmap != NULL && is_sound(bitmap) && roaring_bitmap_contains(bitmap, 5), "runs that touch");
	roaring_bitmap_free(bitmap);
	OK(decode_runs(6, 2, overlap, &err) == NULL, "runs that overlap: %s", err.message);
	OK(decode_runs(10, 1, beyond, &err) == NULL, "a run beyond its container: %s", err.message);
	OK(decode_runs(0, 0, NULL, &err) == NULL, "no runs: %s", err.message);
	OK(decode_runs(7, 2, fine, &err) == NULL, "another cardinality: %s", err.message);
	stbl_buf_init(&b, mem);
	stbl_buf_u32le(&b, 1681511377U);
	stbl_buf_u64le(&b, UINT64_MAX);
	OK(stbl_dv_decode(b.data, b.len, &err) == NULL && err.kind == STBL_ERR_CORRUPT, "more buckets than bytes");
	b.len = 4;
	stbl_buf_u64le(&b, 1);
	stbl_buf_u32le(&b, 1);
	stbl_buf_u32le(&b, 12346);
	stbl_buf_u32le(&b, 0);
	OK(stbl_dv_decode(b.data, b.len, &err) == NULL && err.kind == STBL_ERR_UNSUPPORTED, "rows beyond 32 bits: %s", err.message);
}

static void
test_dv_file(void)
{
	StblBuf		file;
	StblBuf		bytes;
	StblDv		dv[2];
	StblError	err;
	roaring_bitmap_t *bitmap;
	size_t		i;
	size_t		n_accepted = 0;
	int			k;

	stbl_buf_init(&file, mem);
	stbl_dv_file_begin(&file);
	for (k = 0; k < 2; k++)
	{
		bitmap = sample_bitmap(k * 4 + 1 - k);
		stbl_buf_init(&bytes, mem);
		stbl_dv_encode(bitmap, &bytes);
		memset(&dv[k], 0, sizeof(dv[k]));
		stbl_dv_file_add(&file, bytes.data, bytes.len, (int64_t) roaring_bitmap_get_cardinality(bitmap), &dv[k]);
		stbl_dv_set_uuid(mem, &dv[k], "d2c639aa-8816-431a-aaf6-d3fe2512ff61");
		roaring_bitmap_free(bitmap);
	}
	OK(file.data[0] == 1 && dv[0].offset == 1 && dv[1].offset == 1 + dv[0].size_bytes + 8, "offsets in a file");
	OK(!stbl_dv_equal(&dv[0], &dv[1]), "vectors of one file differ");
	for (k = 0; k < 2; k++)
	{
		bitmap = stbl_dv_decode_stored(&dv[k], file.data + dv[k].offset, (size_t) dv[k].size_bytes + 8, &err);
		OK(bitmap != NULL, "vector %d is read back", k);
		if (bitmap != NULL)
			roaring_bitmap_free(bitmap);
	}
	for (i = 0; i < ((size_t) dv[1].size_bytes + 8) * 9; i++)
	{
		size_t		len = (size_t) dv[1].size_bytes + 8;
		size_t		cut = i < len * 8 ? len : i - len * 8;
		char	   *copy = exact(file.data + dv[1].offset, cut);

		if (cut == len)
			copy[i / 8] ^= (char) (1 << (i % 8));
		bitmap = stbl_dv_decode_stored(&dv[1], (uint8_t *) copy, cut, &err);
		if (bitmap != NULL)
		{
			n_accepted++;
			roaring_bitmap_free(bitmap);
		}
		free(copy);
	}
	OK(n_accepted == 0, "each bit flipped and each cut of a stored vector is found");
}

static void
test_dv_json(void)
{
	static const char *const bad[] = {
		"{}", "{\"storageType\":\"x\",\"pathOrInlineDv\":\"\",\"sizeInBytes\":1,\"cardinality\":1}",
		"{\"storageType\":\"\",\"pathOrInlineDv\":\"\",\"sizeInBytes\":1,\"cardinality\":1}",
		"{\"storageType\":\"i\",\"pathOrInlineDv\":\"\",\"sizeInBytes\":-1,\"cardinality\":1}",
		"{\"storageType\":\"i\",\"pathOrInlineDv\":\"\",\"sizeInBytes\":99999999999,\"cardinality\":1}",
		"{\"storageType\":\"u\",\"pathOrInlineDv\":\"\",\"offset\":-4,\"sizeInBytes\":1,\"cardinality\":1}",
		"{\"storageType\":\"i\",\"sizeInBytes\":1,\"cardinality\":1}", "[]",
	};
	StblDv		dv = {'u', "ab^-aqEH.-t@S}K{vb[*k^", true, 4, 40, 6};
	StblDv		back;
	StblBuf		one;
	StblBuf		two;
	StblError	err;
	StblJson   *json;
	size_t		i;

	stbl_buf_init(&one, mem);
	stbl_buf_init(&two, mem);
	stbl_dv_write_json(&one, &dv);
	stbl_json_write(&two, stbl_dv_to_json(mem, &dv));
	OK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0, "a descriptor as text and as tree");
	json = stbl_json_parse(mem, (char *) one.data, one.len, &err);
	OK(stbl_dv_from_json(mem, json, &back, &err) && stbl_dv_equal(&dv, &back) && back.size_bytes == 40, "and back");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		json = stbl_json_parse(mem, bad[i], strlen(bad[i]), &err);
		OK(!stbl_dv_from_json(mem, json, &back, &err) && err.kind == STBL_ERR_CORRUPT, "refused: %s", bad[i]);
	}
}

/* ---- schemas ---- */

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type ",\"nullable\":true,\"metadata\":{}}"
#define ARRAY(type) "{\"type\":\"array\",\"elementType\":" type ",\"containsNull\":true}"

static const char every_type[] =
"{\"type\":\"struct\",\"fields\":["
FIELD("b", "\"boolean\"") "," FIELD("i1", "\"byte\"") "," FIELD("i2", "\"short\"") "," FIELD("i4", "\"integer\"") ","
FIELD("i8", "\"long\"") "," FIELD("f4", "\"float\"") "," FIELD("f8", "\"double\"") "," FIELD("d9", "\"decimal(9,2)\"") ","
FIELD("d18", "\"decimal(18,0)\"") "," FIELD("d38", "\"decimal(38,38)\"") "," FIELD("s", "\"string\"") ","
FIELD("x", "\"binary\"") "," FIELD("day", "\"date\"") "," FIELD("ts", "\"timestamp\"") "," FIELD("tn", "\"timestamp_ntz\"") ","
FIELD("ab", ARRAY("\"boolean\"")) "," FIELD("ad", ARRAY("\"decimal(20,3)\"")) "," FIELD("as", ARRAY("\"string\""))
"]}";

static void
test_schema(void)
{
	StblSchema	schema;
	StblSchema	made;
	StblField	fields[2];
	StblPqSchema pq;
	StblBuf		out;
	StblError	err;
	char		name[64];
	uint32_t	width = 0;
	int			i;
	int			leaf;
	bool		all;

	OK(stbl_schema_parse(mem, every_type, strlen(every_type), &schema, &err) && schema.n_fields == 18, "every type");
	stbl_buf_init(&out, mem);
	stbl_schema_write(mem, &out, &schema);
	OK(strcmp((char *) out.data, every_type) == 0, "is written as it was read");
	stbl_field_type_name(&schema.fields[16], name, sizeof(name));
	OK(strcmp(name, "array<decimal(20,3)>") == 0 && schema.fields[16].is_array && schema.fields[16].precision == 20, "type names");
	OK(stbl_schema_find(&schema, "tn") == 14 && stbl_schema_find(&schema, "TN") == -1, "find is exact");
	OK(stbl_schema_to_parquet(mem, &schema, &pq, &err) && pq.n_leaves == 18 && pq.n_nodes == 1 + 15 + 9, "as a Parquet schema");
	all = true;
	for (i = 0; i < schema.n_fields; i++)
		if (!stbl_schema_match_file(&pq, &schema.fields[i], &leaf, &err) || leaf != i)
			all = false;
	OK(all, "and each column finds its leaf");
	OK(stbl_field_vec_kind(&schema.fields[9], &width) == STBL_VEC_FIXED && width == 16 &&
	   stbl_field_vec_kind(&schema.fields[7], &width) == STBL_VEC_I32 &&
	   stbl_field_vec_kind(&schema.fields[8], &width) == STBL_VEC_I64 &&
	   stbl_field_vec_kind(&schema.fields[13], &width) == STBL_VEC_I64, "vector kinds");
	OK(!stbl_schema_match_file(&pq, &(StblField) {.name = "s", .kind = STBL_LONG}, &leaf, &err) && err.kind == STBL_ERR_SCHEMA,
	   "another type: %s", err.message);
	OK(stbl_schema_match_file(&pq, &(StblField) {.name = "nowhere", .kind = STBL_LONG}, &leaf, &err) && leaf == -1, "a missing column");
	OK(!stbl_schema_match_file(&pq, &(StblField) {.name = "as", .kind = STBL_STRING}, &leaf, &err), "a list is no plain column");
	memset(fields, 0, sizeof(fields));
	fields[0].name = "u";
	fields[0].kind = STBL_STRING;
	fields[0].nullable = true;
	fields[0].pg_type = "uuid";
	fields[1].name = "a\"";
	fields[1].kind = STBL_DECIMAL;
	fields[1].precision = 10;
	fields[1].scale = 2;
	fields[1].is_array = true;
	made.n_fields = 2;
	made.fields = fields;
	stbl_buf_reset(&out);
	stbl_schema_write(mem, &out, &made);
	OK(strcmp((char *) out.data, "{\"type\":\"struct\",\"fields\":[{\"name\":\"u\",\"type\":\"string\",\"nullable\":true,\"metadata\":"
			  "{\"supertable.type\":\"uuid\"}},{\"name\":\"a\\\"\",\"type\":{\"type\":\"array\",\"elementType\":\"decimal(10,2)\","
			  "\"containsNull\":false},\"nullable\":false,\"metadata\":{}}]}") == 0, "a schema of our own: %s", (char *) out.data);
	OK(stbl_schema_parse(mem, (char *) out.data, out.len, &schema, &err) && strcmp(schema.fields[0].pg_type, "uuid") == 0, "comes back");
}

static void
test_schema_foreign(void)
{
	static const char nested[] =
	"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"integer\",\"nullable\":false,\"metadata\":{}},"
	"{\"name\":\"b\",\"type\":{\"type\":\"struct\",\"fields\":[{\"name\":\"d\",\"type\":\"integer\",\"nullable\":false,\"metadata\":{}}]},"
	"\"nullable\":true,\"metadata\":{}},"
	"{\"name\":\"c\",\"type\":{\"type\":\"array\",\"elementType\":\"integer\",\"containsNull\":false},\"nullable\":true,\"metadata\":{}},"
	"{\"name\":\"aa\",\"type\":" ARRAY(ARRAY("\"integer\"")) ",\"nullable\":true,\"metadata\":{}},"
	"{\"name\":\"f\",\"type\":{\"type\":\"map\",\"keyType\":\"string\",\"valueType\":\"string\",\"valueContainsNull\":true},"
	"\"nullable\":true,\"metadata\":{\"delta.x\":1}},"
	"{\"name\":\"v\",\"type\":\"variant\",\"nullable\":true,\"metadata\":{}}]}";
	static const char *const bad[] = {
		"", "{}", "[]", "{\"type\":\"struct\"}", "{\"type\":\"struct\",\"fields\":[1]}",
		"{\"type\":\"struct\",\"fields\":[" FIELD("a", "\"decimal(39,0)\"") "]}",
		"{\"type\":\"struct\",\"fields\":[" FIELD("a", "\"decimal(5,6)\"") "]}",
		"{\"type\":\"struct\",\"fields\":[" FIELD("a", "\"decimal(5,2)x\"") "]}",
		"{\"type\":\"struct\",\"fields\":[" FIELD("a", "\"decimal(5\"") "]}",
		"{\"type\":\"struct\",\"fields\":[" FIELD("a", "\"long\"") "," FIELD("a", "\"long\"") "]}",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}",
		"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"nullable\":true}]}",
	};
	StblSchema	schema;
	StblPqSchema pq;
	StblBuf		out;
	StblError	err;
	Arena		arena;
	char		name[64];
	size_t		i;

	OK(stbl_schema_parse(mem, nested, strlen(nested), &schema, &err) && schema.n_fields == 6 &&
	   schema.fields[1].kind == STBL_OTHER && schema.fields[2].is_array && schema.fields[3].kind == STBL_OTHER &&
	   !schema.fields[3].is_array && schema.fields[4].kind == STBL_OTHER && schema.fields[5].kind == STBL_OTHER,
	   "the protocol's example: struct, map and array of arrays are kept, not read");
	stbl_buf_init(&out, mem);
	stbl_schema_write(mem, &out, &schema);
	OK(strcmp((char *) out.data, nested) == 0, "and written as they were");
	stbl_field_type_name(&schema.fields[4], name, sizeof(name));
	OK(strcmp(name, "map") == 0, "a name for messages");
	OK(!stbl_schema_to_parquet(mem, &schema, &pq, &err) && err.kind == STBL_ERR_UNSUPPORTED, "not written: %s", err.message);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		OK(!stbl_schema_parse(mem, bad[i], strlen(bad[i]), &schema, &err) && err.kind == STBL_ERR_CORRUPT, "refused: %s", err.message);
	arena_init(&arena);
	for (i = 0; i < strlen(nested) * 9; i++)
	{
		size_t		len = strlen(nested);
		size_t		cut = i < len * 8 ? len : i - len * 8;
		char	   *copy = exact(nested, cut);

		if (cut == len)
			copy[i / 8] ^= (char) (1 << (i % 8));
		if (stbl_schema_parse(&arena.mem, copy, cut, &schema, &err))
		{
			StblBuf		again;

			stbl_buf_init(&again, &arena.mem);
			stbl_schema_write(&arena.mem, &again, &schema);
		}
		free(copy);
		arena_reset(&arena);
	}
	OK(true, "cut at each byte, each bit flipped");
}

/* ---- statistics ---- */

static StblPqStats *
bounds(const void *min, const void *max, size_t len, int64_t nulls)
{
	StblPqStats *s = stbl_alloc0(mem, sizeof(StblPqStats));

	s->has_null_count = true;
	s->null_count = nulls;
	s->has_min_max = min != NULL;
	if (min != NULL)
	{
		s->min = (uint8_t *) stbl_strndup(mem, min, len);
		s->max = (uint8_t *) stbl_strndup(mem, max, len);
		s->min_len = s->max_len = len;
		s->min_exact = s->max_exact = true;
	}
	return s;
}

/* Statistics text of one column. */
static const char *
stats_of(const char *type, const StblPqStats *s)
{
	char	   *text = stbl_sprintf(mem, "{\"type\":\"struct\",\"fields\":[{\"name\":\"c\",\"type\":%s,\"nullable\":true,\"metadata\":{}}]}", type);
	const StblPqStats *stats[1] = {s};
	StblSchema	schema;
	StblPqSchema pq;
	StblBuf		out;
	StblError	err;

	stbl_buf_init(&out, mem);
	if (!stbl_schema_parse(mem, text, strlen(text), &schema, &err) || !stbl_schema_to_parquet(mem, &schema, &pq, &err))
		return err.message[0] != '\0' ? stbl_strdup(mem, err.message) : "";
	stbl_stats_write(mem, &out, &schema, &pq, stats, 5, true);
	return (char *) out.data;
}

static void
expect_stats(const char *type, const StblPqStats *s, const char *min, const char *max, const char *name)
{
	const char *got = stats_of(type, s);
	char	   *want = stbl_sprintf(mem, "{\"numRecords\":5,\"minValues\":{%s%s},\"maxValues\":{%s%s},\"nullCount\":{\"c\":1},\"tightBounds\":true}",
									min[0] ? "\"c\":" : "", min, max[0] ? "\"c\":" : "", max);

	OK(strcmp(got, want) == 0, "%s: %s", name, got);
}

static void
test_stats(void)
{
	int32_t		i1[2] = {-5, INT32_MAX};
	int64_t		i8[2] = {INT64_MIN, INT64_MAX};
	double		f8[2] = {-0.0, 0.0};
	double		pos[2] = {0.0, 1.5};
	double		nan8[2] = {NAN, 1};
	double		inf8[2] = {-INFINITY, 2};
	float		f4[2] = {0.1f, 0.1f};
	int64_t		ts[2] = {1500, 1500};
	int64_t		neg[2] = {-1, -1};
	int64_t		far[2] = {INT64_C(-62135596800000000), INT64_C(253402300800000000)};
	int32_t		days[2] = {-719162, 2932896};
	int32_t		dec[2] = {-5, 12345};
	uint8_t		big[2][16];

	expect_stats("\"integer\"", bounds(&i1[0], &i1[1], 4, 1), "-5", "2147483647", "integer");
	expect_stats("\"long\"", bounds(&i8[0], &i8[1], 8, 1), "-9223372036854775808", "9223372036854775807", "long");
	expect_stats("\"double\"", bounds(&f8[0], &f8[1], 8, 1), "-0.0", "0.0", "L52: signed zeros");
	expect_stats("\"double\"", bounds(&pos[0], &pos[1], 8, 1), "-0.0", "1.5", "L52: a zero minimum may stand for -0.0");
	expect_stats("\"double\"", bounds(&nan8[0], &nan8[1], 8, 1), "", "", "L52: no bounds with NaN");
	expect_stats("\"double\"", bounds(&inf8[0], &inf8[1], 8, 1), "", "2", "L54: infinity is no JSON number");
	expect_stats("\"float\"", bounds(&f4[0], &f4[1], 4, 1), "0.10000000149011612", "0.10000000149011612", "a float as the double it is");
	expect_stats("\"timestamp\"", bounds(&ts[0], &ts[1], 8, 1), "\"1970-01-01T00:00:00.001Z\"", "\"1970-01-01T00:00:00.002Z\"",
				 "L52: times are cut outward");
	expect_stats("\"timestamp_ntz\"", bounds(&neg[0], &neg[1], 8, 1), "\"1969-12-31T23:59:59.999\"", "\"1970-01-01T00:00:00.000\"",
				 "L52: also before 1970");
	expect_stats("\"timestamp\"", bounds(&far[0], &far[1], 8, 1), "\"0001-01-01T00:00:00.000Z\"", "", "L54: year 10000 has no bound");
	expect_stats("\"timestamp\"", bounds(&i8[0], &i8[1], 8, 1), "", "", "the ends of 64 bits");
	expect_stats("\"date\"", bounds(&days[0], &days[1], 4, 1), "\"0001-01-01\"", "\"9999-12-31\"", "date");
	expect_stats("\"decimal(9,3)\"", bounds(&dec[0], &dec[1], 4, 1), "-0.005", "12.345", "decimal in 32 bits");
	expect_stats("\"decimal(18,0)\"", bounds(&i8[0], &i8[1], 8, 1), "-9223372036854775808", "9223372036854775807", "decimal in 64 bits");
	memset(big[0], 0x80, 1);
	memset(big[0] + 1, 0, 15);
	memset(big[1], 0x7f, 1);
	memset(big[1] + 1, 0xff, 15);
	expect_stats("\"decimal(38,2)\"", bounds(big[0], big[1], 16, 1), "-1701411834604692317316873037158841057.28",
				 "1701411834604692317316873037158841057.27", "decimal in 128 bits");
	expect_stats("\"string\"", bounds("a\"b", "z\xc3\xa4", 3, 1), "\"a\\\"b\"", "\"z\xc3\xa4\"", "string");
	expect_stats("\"string\"", bounds("abc", "z\xc3\xff", 3, 1), "\"abc\"", "", "L52: a maximum cut inside a character");
	expect_stats("\"integer\"", bounds("xy", "zz", 2, 1), "", "", "a bound of a wrong length");
	expect_stats("\"string\"", bounds(NULL, NULL, 0, 1), "", "", "no bounds");
	expect_stats("\"boolean\"", bounds("\0", "\1", 1, 1), "", "", "booleans have no bounds");
	expect_stats("\"binary\"", bounds("a", "b", 1, 1), "", "", "nor has binary");
	OK(strcmp(stats_of(ARRAY("\"long\""), bounds(&i8[0], &i8[1], 8, 0)),
			  "{\"numRecords\":5,\"minValues\":{},\"maxValues\":{},\"nullCount\":{},\"tightBounds\":true}") == 0, "lists are left out");
}

static void
test_footer_stats(void)
{
	double		a[2] = {1, 5};
	double		b[2] = {-3, 2};
	double		n[2] = {NAN, NAN};
	double		got;
	StblPqNode	nodes[2];
	int			leaf_node = 1;
	StblPqChunk chunks[3];
	StblPqRowGroup groups[3];
	StblPqMeta	meta;
	StblPqStats out;
	int			i;

	memset(nodes, 0, sizeof(nodes));
	memset(chunks, 0, sizeof(chunks));
	memset(groups, 0, sizeof(groups));
	memset(&meta, 0, sizeof(meta));
	nodes[1].name = "c";
	nodes[1].type = STBL_PQ_DOUBLE;
	meta.schema.n_nodes = 2;
	meta.schema.nodes = nodes;
	meta.schema.n_leaves = 1;
	meta.schema.leaf_nodes = &leaf_node;
	meta.n_row_groups = 3;
	meta.row_groups = groups;
	for (i = 0; i < 3; i++)
	{
		groups[i].n_rows = 10;
		groups[i].chunks = &chunks[i];
		chunks[i].n_values = 10;
	}
	chunks[0].stats = *bounds(&a[0], &a[1], 8, 1);
	chunks[1].stats = *bounds(&b[0], &b[1], 8, 2);
	chunks[2].stats = *bounds(NULL, NULL, 0, 10);
	stbl_stats_of_footer(mem, &meta, 0, &out);
	memcpy(&got, out.min, 8);
	OK(out.has_min_max && out.has_null_count && out.null_count == 13 && got == -3, "row groups are merged, one of nulls only is passed over");
	chunks[2].stats.null_count = 9;
	stbl_stats_of_footer(mem, &meta, 0, &out);
	OK(!out.has_min_max, "a row group without bounds leaves none");
	chunks[2].stats = *bounds(&n[0], &n[1], 8, 0);
	stbl_stats_of_footer(mem, &meta, 0, &out);
	OK(!out.has_min_max && out.null_count == 3, "L52: nor does one with NaN");
	chunks[2].stats.has_null_count = false;
	stbl_stats_of_footer(mem, &meta, 0, &out);
	OK(!out.has_null_count, "an unknown null count stays unknown");
}

/* ---- checkpoints ---- */

static void
make_checkpoint(StblBuf *out, int n_adds, int64_t *n_rows)
{
	StblActions a;
	StblError	err;
	StblAdd    *adds = stbl_alloc_array(mem, (size_t) n_adds, sizeof(StblAdd));
	StblDomain *live;
	int			i;

	sample_actions(&a);
	for (i = 0; i < n_adds; i++)
	{
		adds[i] = a.adds[i % 2];
		adds[i].path = stbl_sprintf(mem, "seg %d.parquet", i);
		adds[i].base_row_id = i * 3;
	}
	a.n_adds = n_adds;
	a.adds = adds;
	live = a.domains;
	a.domains = live;
	a.n_domains = 1;
	OK(stbl_checkpoint_encode(mem, &a, out, n_rows, &err), "a checkpoint of %d files is written", n_adds);
}

static void
test_checkpoint(void)
{
	StblBuf		bytes;
	StblActions back;
	StblActions a;
	StblError	err;
	int64_t		n_rows = 0;
	bool		ok;

	sample_actions(&a);
	stbl_buf_init(&bytes, mem);
	make_checkpoint(&bytes, 5, &n_rows);
	OK(n_rows == 2 + 2 + 1 + 5 + 2, "one row an action");
	ok = stbl_checkpoint_parse(mem, bytes.data, bytes.len, &back, &err);
	OK(ok, "and is read back: %s", ok ? "" : err.message);
	if (!ok)
		return;
	OK(back.n_adds == 5 && back.n_removes == 2 && back.n_domains == 1 && back.n_txns == 2, "all actions");
	OK(strcmp(back.adds[1].path, "seg 1.parquet") == 0 && back.adds[1].dv != NULL && stbl_dv_equal(back.adds[1].dv, a.adds[1].dv) &&
	   back.adds[1].dv->cardinality == 6 && back.adds[1].base_row_id == 3 && back.adds[1].stats == NULL &&
	   strcmp(back.adds[0].stats, a.adds[0].stats) == 0 && back.adds[0].dv == NULL, "fields of add");
	OK(back.removes[0].deletion_ms == a.removes[0].deletion_ms && back.removes[0].size == 55 && back.removes[1].size == -1, "fields of remove");
	OK(back.metadata->n_configuration == 2 && strcmp(back.metadata->config_values[1], config_values[1]) == 0 &&
	   strcmp(back.metadata->schema_string, a.metadata->schema_string) == 0 && back.metadata->description == NULL, "metadata");
	OK(back.protocol->n_writer_features == 4 && strcmp(back.protocol->writer_features[3], "supertable") == 0 &&
	   back.protocol->n_reader_features == 1, "protocol");
	OK(back.txns[0].version == 12345678901 && back.txns[1].last_updated_ms == -1, "txn");
	stbl_buf_reset(&bytes);
	make_checkpoint(&bytes, 70000, &n_rows);
	ok = stbl_checkpoint_parse(mem, bytes.data, bytes.len, &back, &err);
	OK(ok && back.n_adds == 70000 && strcmp(back.adds[69999].path, "seg 69999.parquet") == 0, "over several row groups");
}

static void
test_checkpoint_damage(void)
{
	StblBuf		bytes;
	StblError	err;
	Arena		arena;
	int64_t		n_rows;
	size_t		i;
	size_t		n_short = 0;

	stbl_buf_init(&bytes, mem);
	make_checkpoint(&bytes, 3, &n_rows);
	arena_init(&arena);
	for (i = 0; i < bytes.len; i += 7)
	{
		char	   *copy = exact(bytes.data, i);
		StblActions back;

		n_short += stbl_checkpoint_parse(&arena.mem, (uint8_t *) copy, i, &back, &err);
		free(copy);
		arena_reset(&arena);
	}
	OK(n_short == 0, "a checkpoint cut short is refused");
	for (i = 0; i < bytes.len; i++)
	{
		char	   *copy = exact(bytes.data, bytes.len);
		StblActions back;

		copy[i] ^= (char) (1 << (i % 8));
		stbl_checkpoint_parse(&arena.mem, (uint8_t *) copy, bytes.len, &back, &err);
		free(copy);
		arena_reset(&arena);
	}
	OK(true, "a bit of each byte flipped");
}

int
main(void)
{
	arena_init(&main_arena);
	test_round_trip();
	test_foreign();
	test_bad_actions();
	test_damaged_actions();
	test_dv_examples();
	test_dv_round_trip();
	test_dv_damage();
	test_dv_runs();
	test_dv_file();
	test_dv_json();
	test_schema();
	test_schema_foreign();
	test_stats();
	test_footer_stats();
	test_checkpoint();
	test_checkpoint_damage();
	arena_reset(&main_arena);
	DONE();
}
