/* Memory, buffers, cursors, JSON and small conversions of src/common. */
#include <limits.h>

#include "common/codec.h"
#include "common/json.h"

#include "unit.h"

static StblMem *mem;

/* ---------- a memory that is dropped whole, as a context is ---------- */

typedef struct Pool
{
	StblMem		base;
	void	  **blocks;
	size_t		n;
} Pool;

static void *
pool_alloc(StblMem *m, size_t size)
{
	Pool	   *pool = (Pool *) m;

	pool->blocks = realloc(pool->blocks, (pool->n + 1) * sizeof(void *));
	return pool->blocks[pool->n++] = malloc(size > 0 ? size : 1);
}

static void *
pool_realloc(StblMem *m, void *ptr, size_t size)
{
	Pool	   *pool = (Pool *) m;
	size_t		i;

	for (i = 0; ptr != NULL && i < pool->n; i++)
	{
		if (pool->blocks[i] == ptr)
			return pool->blocks[i] = realloc(ptr, size > 0 ? size : 1);
	}
	/* a pointer that was never handed out must not be resized */
	if (ptr != NULL)
		abort();
	return pool_alloc(m, size);
}

static void
pool_free(StblMem *m, void *ptr)
{
	Pool	   *pool = (Pool *) m;
	size_t		i;

	for (i = 0; i < pool->n; i++)
	{
		if (pool->blocks[i] != ptr)
			continue;
		free(ptr);
		pool->blocks[i] = pool->blocks[--pool->n];
		return;
	}
	if (ptr != NULL)
		abort();
}

static Pool pool = {{pool_alloc, pool_realloc, pool_free}, NULL, 0};

static void
pool_drop(void)
{
	while (pool.n > 0)
		free(pool.blocks[--pool.n]);
	free(pool.blocks);
	pool.blocks = NULL;
}

/* ---------- memory, errors ---------- */

static void
test_mem(void)
{
	char	   *s = stbl_sprintf(mem, "%d-%s", 42, "x");
	char	   *z = stbl_alloc0(mem, 5);
	char	   *d = stbl_strndup(mem, "ab\0cd", 5);
	char	   *e = stbl_strdup(mem, "");

	OK(strcmp(s, "42-x") == 0, "sprintf");
	OK(memcmp(z, "\0\0\0\0\0", 5) == 0, "alloc0 zeroes");
	OK(memcmp(d, "ab\0cd", 6) == 0, "strndup keeps NULs and adds one");
	OK(e[0] == '\0', "an empty copy");
	stbl_free(mem, s);
	stbl_free(mem, z);
	stbl_free(mem, d);
	stbl_free(mem, e);
	stbl_free(mem, NULL);
	s = stbl_realloc(mem, NULL, 3);
	s = stbl_realloc(mem, s, 300);
	s[299] = 'x';
	stbl_free(mem, s);
	s = stbl_alloc(mem, 0);
	OK(s != NULL, "nothing is still not NULL");
	stbl_free(mem, s);
}

static void
test_error(void)
{
	StblError	err;
	char		big[2000];
	size_t		i;
	bool		ok = true;

	memset(&err, 'x', sizeof(err));
	OK(!stbl_fail(&err, STBL_ERR_IO, "could not read \"%s\"", "k"), "stbl_fail returns false");
	OK(err.kind == STBL_ERR_IO && strcmp(err.message, "could not read \"k\"") == 0 &&
	   err.detail[0] == '\0' && err.hint[0] == '\0', "stbl_fail sets all fields");
	stbl_error_detail(&err, "Status %d.", 500);
	stbl_error_hint(&err, "Wait.");
	OK(strcmp(err.detail, "Status 500.") == 0 && strcmp(err.hint, "Wait.") == 0, "detail and hint");
	stbl_fail(&err, STBL_ERR_CORRUPT, "object \"o\": %s", err.message);
	OK(strcmp(err.message, "object \"o\": could not read \"k\"") == 0, "a message may quote itself");

	/* every place a character of 2, 3 or 4 bytes can be cut at */
	for (i = 500; i < 512; i++)
	{
		static const char *const chars[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
		size_t		c;

		for (c = 0; c < 3; c++)
		{
			memset(big, 'a', i);
			strcpy(big + i, chars[c]);
			strcat(big, "tail tail tail");
			stbl_fail(&err, STBL_ERR_IO, "%s", big);
			ok = ok && stbl_utf8_is_valid(err.message, strlen(err.message)) &&
				strlen(err.message) >= 508;
		}
	}
	OK(ok, "a long message is cut between characters");
	memset(big, 0x80, 1999);
	big[1999] = '\0';
	stbl_fail(&err, STBL_ERR_IO, "%s", big);
	OK(strlen(err.message) == 511, "continuation bytes alone are cut anywhere");
}

/* ---------- buffers and cursors ---------- */

static void
test_buf(void)
{
	StblBuf		buf;
	int			i;

	stbl_buf_init(&buf, mem);
	OK(buf.len == 0 && strcmp((char *) buf.data, "") == 0, "an empty buffer is a string");
	for (i = 0; i < 1000; i++)
		stbl_buf_printf(&buf, "%04d", i);
	OK(buf.len == 4000 && strlen((char *) buf.data) == 4000 &&
	   memcmp(buf.data + 3996, "0999", 4) == 0, "growth keeps bytes and the NUL");
	stbl_buf_reset(&buf);
	OK(buf.len == 0 && buf.data[0] == '\0' && buf.cap >= 4000, "reset keeps the memory");
	stbl_buf_u8(&buf, 0x01);
	stbl_buf_u16le(&buf, 0x0203);
	stbl_buf_u32le(&buf, 0x04050607);
	stbl_buf_u64le(&buf, UINT64_C(0x08090a0b0c0d0e0f));
	stbl_buf_u32be(&buf, 0x10111213);
	OK(buf.len == 19 && memcmp(buf.data, "\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08"
							   "\x10\x11\x12\x13", 20) == 0, "byte orders");
	memset(stbl_buf_reserve(&buf, 100), 'r', 100);
	buf.len += 100;
	OK(buf.data[119] == '\0', "what was reserved ends in a NUL");
	stbl_buf_free(&buf);
	stbl_buf_puts(&buf, "again");
	OK(strcmp((char *) buf.data, "again") == 0, "a freed buffer can be filled again");
	stbl_buf_free(&buf);
	stbl_buf_free(&buf);
}

static void
test_cursor(void)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
	StblCursor	cur;
	size_t		len;
	bool		ok = true;

	stbl_cursor_init(&cur, bytes, 8);
	OK(stbl_cursor_u8(&cur) == 1 && stbl_cursor_u16le(&cur) == 0x0302 &&
	   stbl_cursor_u32be(&cur) == 0x04050607 && stbl_cursor_left(&cur) == 1 &&
	   stbl_cursor_offset(&cur) == 7 && !cur.failed, "reads in order");
	OK(stbl_cursor_u16le(&cur) == 0 && cur.failed && stbl_cursor_offset(&cur) == 7,
	   "an overrun fails and stays in place");
	OK(stbl_cursor_u8(&cur) == 0 && stbl_cursor_offset(&cur) == 7,
	   "after a failure all reads fail, those that would fit too");

	for (len = 0; len < 8; len++)
	{
		/* of exactly len bytes, so that a sanitizer sees one read too many */
		uint8_t    *copy = malloc(len > 0 ? len : 1);

		memcpy(copy, bytes, len);
		stbl_cursor_init(&cur, copy, len);
		ok = ok && stbl_cursor_u64le(&cur) == 0 && cur.failed;
		stbl_cursor_init(&cur, copy, len);
		ok = ok && (stbl_cursor_u32le(&cur) != 0) == (len >= 4);
		stbl_cursor_init(&cur, copy, len);
		ok = ok && (stbl_cursor_u8(&cur) != 0) == (len >= 1);
		stbl_cursor_init(&cur, copy, len);
		ok = ok && (stbl_cursor_bytes(&cur, len + 1) == NULL) && cur.failed;
		stbl_cursor_init(&cur, copy, len);
		ok = ok && stbl_cursor_bytes(&cur, SIZE_MAX) == NULL && cur.failed;
		stbl_cursor_init(&cur, copy, len);
		ok = ok && stbl_cursor_bytes(&cur, len) != NULL && !cur.failed && stbl_cursor_left(&cur) == 0;
		free(copy);
	}
	OK(ok, "lengths of 0 to 7");
	stbl_cursor_init(&cur, NULL, 0);
	OK(stbl_cursor_left(&cur) == 0 && stbl_cursor_bytes(&cur, 0) != NULL && stbl_cursor_varint(&cur) == 0 &&
	   cur.failed, "a cursor over nothing");
}

static void
test_varint(void)
{
	static const uint64_t values[] = {0, 1, 127, 128, 300, 16383, 16384, UINT32_MAX,
		INT64_MAX, (uint64_t) INT64_MAX + 1, UINT64_MAX};
	static const int64_t signeds[] = {0, -1, 1, -64, 63, 64, -65, INT32_MIN, INT64_MAX, INT64_MIN};
	StblBuf		buf;
	StblCursor	cur;
	size_t		i;
	size_t		cut;
	bool		ok = true;

	stbl_buf_init(&buf, mem);
	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
	{
		stbl_buf_reset(&buf);
		stbl_buf_varint(&buf, values[i]);
		stbl_cursor_init(&cur, buf.data, buf.len);
		ok = ok && stbl_cursor_varint(&cur) == values[i] && !cur.failed && stbl_cursor_left(&cur) == 0;
		for (cut = 0; cut < buf.len; cut++)
		{
			stbl_cursor_init(&cur, buf.data, cut);
			ok = ok && stbl_cursor_varint(&cur) == 0 && cur.failed && stbl_cursor_offset(&cur) == 0;
		}
	}
	OK(ok, "varints go round, cut ones fail");
	ok = true;
	for (i = 0; i < sizeof(signeds) / sizeof(*signeds); i++)
	{
		stbl_buf_reset(&buf);
		stbl_buf_zigzag(&buf, signeds[i]);
		stbl_cursor_init(&cur, buf.data, buf.len);
		ok = ok && stbl_cursor_zigzag(&cur) == signeds[i] && !cur.failed;
	}
	OK(ok, "zigzag goes round");
	stbl_buf_reset(&buf);
	stbl_buf_zigzag(&buf, -1);
	OK(buf.len == 1 && buf.data[0] == 1, "-1 is the byte 1");
	stbl_buf_free(&buf);

	stbl_cursor_init(&cur, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
	OK(stbl_cursor_varint(&cur) == UINT64_MAX && !cur.failed, "ten bytes hold 64 bits");
	stbl_cursor_init(&cur, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	OK(stbl_cursor_varint(&cur) == 0 && cur.failed, "65 bits are refused");
	stbl_cursor_init(&cur, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
	OK(stbl_cursor_varint(&cur) == 0 && cur.failed, "eleven bytes are refused");
	stbl_cursor_init(&cur, "\x80\x00", 2);
	OK(stbl_cursor_varint(&cur) == 0 && !cur.failed && stbl_cursor_left(&cur) == 0, "a padded zero is read");
}

/* ---------- JSON ---------- */

/* Parses a copy of exactly len bytes, so that a sanitizer sees overreads. */
static StblJson *
parse_n(const char *text, size_t len, StblError *err)
{
	char	   *copy = malloc(len > 0 ? len : 1);
	StblJson   *json;

	memcpy(copy, text, len);
	err->kind = STBL_ERR_NONE;
	json = stbl_json_parse(&pool.base, copy, len, err);
	free(copy);
	return json;
}

/* Whether text parses, and is then written as expected (NULL: as it stands). */
static bool
round_trip(const char *text, const char *expected)
{
	StblError	err;
	StblBuf		buf;
	StblJson   *json = parse_n(text, strlen(text), &err);
	bool		ok;

	if (json == NULL)
	{
		printf("# %s: %s\n", text, err.message);
		return false;
	}
	stbl_buf_init(&buf, mem);
	stbl_json_write(&buf, json);
	ok = strcmp((char *) buf.data, expected != NULL ? expected : text) == 0;
	if (!ok)
		printf("# %s became %s\n", text, (char *) buf.data);
	stbl_buf_free(&buf);
	return ok;
}

static bool
refused(const char *text, size_t len)
{
	StblError	err;
	StblJson   *json = parse_n(text, len, &err);

	if (json != NULL || err.kind != STBL_ERR_CORRUPT || strstr(err.message, "offset") == NULL)
	{
		printf("# not refused, or not well: %.*s\n", (int) len, text);
		return false;
	}
	return true;
}

#define REFUSED(lit) refused(lit, sizeof(lit) - 1)

static void
test_json_values(void)
{
	StblError	err;
	StblJson   *json;
	int64_t		i = 7;
	bool		b = false;

	OK(round_trip("null", NULL) && round_trip("true", NULL) && round_trip("[]", NULL) &&
	   round_trip("{}", NULL) && round_trip("\"\"", NULL) && round_trip("0", NULL), "the short values");
	OK(round_trip(" \t\r\n{ \"a\" : [ 1 , 2.50, {} ] } \n", "{\"a\":[1,2.50,{}]}"), "white space");
	OK(round_trip("{\"z\":1,\"a\":{\"y\":null,\"b\":false}}", NULL), "names keep their order");
	OK(round_trip("{\"a\":1,\"b\":2,\"a\":[3]}", "{\"a\":[3],\"b\":2}"), "of equal names the last counts");
	OK(round_trip("{\"\":1}", NULL), "an empty name");

	OK(round_trip("[1.0,1e5,-0.0,1E+400,0.1000]", NULL), "numbers keep their text");
	OK(round_trip("[9223372036854775807,-9223372036854775808,9223372036854775808,"
				  "18446744073709551616,-123456789012345678901234567890]", NULL), "big integers keep their text");
	OK(round_trip("12345678901234567890123", NULL) && round_trip("{\"a\":1234567890123456789}", NULL) &&
	   round_trip("[1234567890123456789012,\"12345678901234567890\",{\"b\":-99999999999999999999}]", NULL),
	   "big integers anywhere");
	json = parse_n("[9223372036854775807,-9223372036854775808,9223372036854775808,5,1e-00]", 68, &err);
	OK(json == NULL, "a length that cuts the text is kept to");
	json = parse_n("[9223372036854775807,-9223372036854775808,9223372036854775808,5,1e-00,5.0]", 74, &err);
	OK(json != NULL && json->n == 6 && json->items[0]->type == STBL_JSON_INT &&
	   json->items[0]->integer == INT64_MAX && json->items[1]->type == STBL_JSON_INT &&
	   json->items[1]->integer == INT64_MIN && json->items[2]->type == STBL_JSON_NUMBER &&
	   json->items[3]->integer == 5 && json->items[4]->type == STBL_JSON_NUMBER &&
	   json->items[5]->type == STBL_JSON_NUMBER, "what fits int64 is INT, no other number is");

	json = parse_n("{\"s\":\"a\\u0000b\",\"i\":-5,\"b\":true,\"n\":null,\"f\":1.5}", 49, &err);
	OK(json != NULL && json->items[0]->len == 3 && memcmp(json->items[0]->str, "a\0b", 4) == 0,
	   "a NUL inside a string");
	OK(stbl_json_get_int(json, "i", &i) && i == -5 && stbl_json_get_bool(json, "b", &b) && b &&
	   stbl_json_get(json, "n")->type == STBL_JSON_NULL, "getters");
	OK(stbl_json_get_str(json, "i") == NULL && !stbl_json_get_int(json, "s", &i) &&
	   !stbl_json_get_int(json, "f", &i) && !stbl_json_get_bool(json, "n", &b) &&
	   stbl_json_get(json, "missing") == NULL && stbl_json_get(NULL, "x") == NULL &&
	   stbl_json_get(json->items[0], "x") == NULL && i == -5, "getters of another type or nothing");
	OK(round_trip("\"\\ud83d\\ude00 \\u20ac \\/ \\\" \\\\ \\b\\f\\n\\r\\t \\u001f\"",
				  "\"\xf0\x9f\x98\x80 \xe2\x82\xac / \\\" \\\\ \\b\\f\\n\\r\\t \\u001f\""), "escapes");
	OK(round_trip("\"\\\\u0000\"", NULL) && round_trip("{\"\\\\u0000\":1}", NULL), "an escaped backslash before u0000");
	OK(round_trip("\"\\u0000\"", NULL), "NUL is written as an escape");
}

static void
test_json_refused(void)
{
	OK(REFUSED("") && REFUSED(" \n") && REFUSED("{") && REFUSED("[1,") && REFUSED("\"abc") &&
	   REFUSED("\"abc\\") && REFUSED("\"\\u12") && REFUSED("-") && REFUSED("tru"), "what ends early");
	OK(REFUSED("{} x") && REFUSED("1 2") && REFUSED("nullnull") && REFUSED("[]]") && REFUSED("{}{}") &&
	   REFUSED("null 12345678901234567890") && REFUSED("[] 12345678901234567890") &&
	   REFUSED("12345678901234567890 1") && REFUSED("1234567890123456789012[]") && REFUSED("[]\0"),
	   "what goes on after the value");
	OK(REFUSED("[1,]") && REFUSED("{\"a\":1,}") && REFUSED("[,1]") && REFUSED("{\"a\"}") && REFUSED("{\"a\" 1}") &&
	   REFUSED("{1:2}") && REFUSED("[1}") && REFUSED("{\"a\":1]") && REFUSED("[1 2]") && REFUSED(":") &&
	   REFUSED("[1:2]") && REFUSED("{\"a\":1:2}"), "punctuation");
	OK(REFUSED("01") && REFUSED("-01") && REFUSED("1.") && REFUSED(".5") && REFUSED("+1") && REFUSED("1e") &&
	   REFUSED("1e+") && REFUSED("1.e5") && REFUSED("--1") && REFUSED("1-2") && REFUSED("0x10") &&
	   REFUSED("1.2.3") && REFUSED("012345678901234567890"), "numbers");
	OK(REFUSED("NaN") && REFUSED("Infinity") && REFUSED("-Infinity") && REFUSED("[NaN]") && REFUSED("TRUE") &&
	   REFUSED("undefined") && REFUSED("'a'") && REFUSED("{'a':1}") && REFUSED("{a:1}") &&
	   REFUSED("/*c*/1") && REFUSED("1//c"), "what only lenient parsers take");
	OK(REFUSED("\"\x01\"") && REFUSED("\"a\nb\"") && REFUSED("\"\\\n\"") && REFUSED("\"\\x\"") &&
	   REFUSED("\"\\u00g0\"") && REFUSED("\"a\0b\"") && REFUSED("\f1"), "control characters and escapes");
	OK(REFUSED("{\"a\\u0000b\":1}") && REFUSED("{\"\\u0000\" : 1}"), "a NUL in a name");
	OK(REFUSED("\"\x80\"") && REFUSED("\"\xc0\xaf\"") && REFUSED("\"\xed\xa0\x80\"") &&
	   REFUSED("\"\xf4\x90\x80\x80\"") && REFUSED("\"\xe2\x82\"") && REFUSED("\"\xff\"") &&
	   REFUSED("\xef\xbb\xbf{}") && REFUSED("[\"\xc3"), "invalid UTF-8, and a byte order mark");
}

static void
test_json_offsets(void)
{
	StblError	err;

	parse_n("{\"a\":1,\"b\":\"\xe2\x82\xac\xff\"}", 17, &err);
	OK(strcmp(err.message, "invalid JSON at offset 15: invalid UTF-8") == 0, "offset of invalid UTF-8");
	parse_n("[1, 2, 03]", 10, &err);
	OK(strstr(err.message, "offset 7:") != NULL, "offset of a number");
	parse_n("  [1 2]", 7, &err);
	OK(strstr(err.message, "offset 5:") != NULL, "offset json-c tells, white space before it");
	parse_n("[12345678901234567890,12345678901234567890 1]", 45, &err);
	OK(strstr(err.message, "offset 43:") != NULL, "offset behind big integers");
}

static void
test_json_depth(void)
{
	char		text[1024];
	int			kind;

	for (kind = 0; kind < 3; kind++)
	{
		const char *open = kind == 0 ? "[" : "{\"a\":";
		const char *close = kind == 0 ? "]" : "}";
		int			depth;

		for (depth = 64; depth <= 65; depth++)
		{
			int			i;

			text[0] = '\0';
			for (i = 0; i < depth; i++)
				strcat(text, i == depth - 1 && kind != 0 ? "{" : open);
			if (kind == 2)
				strcat(text, "\"a\":[1]");
			if (kind == 0)
				strcat(text, "1");
			for (i = 0; i < depth; i++)
				strcat(text, close);
			if (depth == 64 && kind < 2)
				OK(round_trip(text, NULL), "64 deep");
			else
				OK(refused(text, strlen(text)), "%d deep", depth + (kind == 2 ? 1 : 0));
		}
	}
	{
		char	   *deep = malloc(1000000);
		StblError	err;

		memset(deep, '[', 1000000);
		OK(refused(deep, 1000000), "a million open brackets");
		memset(deep, ']', 1000000);
		OK(refused(deep, 1000000), "a million closing brackets");
		deep = realloc(deep, 4000000);
		deep[0] = '[';
		for (kind = 1; kind < 3999999; kind += 3)
			memcpy(deep + kind, "[],", 3);
		OK(parse_n(deep, 3999999, &err) == NULL && err.kind == STBL_ERR_LIMIT, "too many arrays");
		free(deep);
	}
}

static void
test_json_damage(void)
{
	static const char doc[] =
		"{\"schema_version\":1,\"path\":\"a/\\u00e9\\n\xe2\x82\xac.parquet\",\"n\":[1,-2.5e3,"
		"123456789012345678901,true,false,null],\"o\":{\"k\":{},\"l\":[]},\"s\":\"\\ud83d\\ude00\"}";
	const size_t len = sizeof(doc) - 1;
	StblError	err;
	size_t		i;
	int			bit;
	bool		ok = true;

	OK(parse_n(doc, len, &err) != NULL, "the document is sound");
	for (i = 0; i < len; i++)
		ok = ok && refused(doc, i);
	OK(ok, "cut at any byte it is refused");

	/* any other text must be read or refused, and what is read can be written and read again */
	for (i = 0; i < len; i++)
	{
		for (bit = 0; bit < 8; bit++)
		{
			char		copy[sizeof(doc)];
			StblJson   *json;
			StblBuf		buf;

			memcpy(copy, doc, sizeof(doc));
			copy[i] = (char) (copy[i] ^ (1 << bit));
			json = parse_n(copy, len, &err);
			if (json == NULL)
			{
				ok = ok && err.kind == STBL_ERR_CORRUPT && err.message[0] != '\0';
				continue;
			}
			stbl_buf_init(&buf, mem);
			stbl_json_write(&buf, json);
			ok = ok && parse_n((char *) buf.data, buf.len, &err) != NULL;
			stbl_buf_free(&buf);
		}
		pool_drop();
	}
	OK(ok, "any flipped bit is survived");
}

/* Random texts of the bytes that matter to JSON. */
static void
test_json_noise(void)
{
	static const char *const parts[] = {"{", "}", "[", "]", ",", ":", "\"", "\\", "\"a\"", "\"b\":", "1",
		"12345678901234567890", "-", "e", ".", "true", "null", " ", "\\u0000", "\xc3\xa9", "\xff"};
	uint32_t	seed = 12345;
	int			round;
	int			parsed = 0;

	for (round = 0; round < 100000; round++)
	{
		char		text[256] = "";
		int			n;
		StblError	err;

		seed = seed * 1664525 + 1013904223;
		for (n = (int) (seed >> 28) % 9 + 1; n > 0; n--)
		{
			seed = seed * 1664525 + 1013904223;
			strcat(text, parts[(seed >> 16) % (sizeof(parts) / sizeof(*parts))]);
		}
		if (parse_n(text, strlen(text), &err) != NULL)
			parsed++;
		pool_drop();
	}
	OK(parsed > 0, "noise is survived");
}

static void
test_json_build(void)
{
	StblMem    *m = &pool.base;
	StblError	err;
	StblBuf		buf;
	StblJson   *obj = stbl_json_new(m, STBL_JSON_OBJECT);
	StblJson   *array = stbl_json_new(m, STBL_JSON_ARRAY);
	StblJson   *json;
	int			i;
	bool		ok = true;

	for (i = 0; i < 100; i++)
	{
		char		key[16];

		snprintf(key, sizeof(key), "k%d", i);
		stbl_json_set(m, obj, key, stbl_json_new_int(m, i));
		stbl_json_append(m, array, stbl_json_new_int(m, i));
	}
	stbl_json_set(m, obj, "k50", stbl_json_new_str(m, "fifty"));
	for (i = 0; i < 100; i++)
		ok = ok && array->items[i]->integer == i;
	OK(ok && array->n == 100 && obj->n == 100 && strcmp(stbl_json_get_str(obj, "k50"), "fifty") == 0 &&
	   strcmp(obj->keys[50], "k50") == 0 && strcmp(obj->keys[99], "k99") == 0, "set and append");

	/* a parsed tree grows too, from every size */
	for (i = 0; i < 20; i++)
	{
		char		text[256] = "{\"first\":[";
		int			j;

		for (j = 0; j < i; j++)
			strcat(text, j > 0 ? ",1" : "1");
		strcat(text, "]");
		for (j = 0; j < i; j++)
			sprintf(text + strlen(text), ",\"n%d\":1", j);
		strcat(text, "}");
		json = parse_n(text, strlen(text), &err);
		for (j = 0; j < 20; j++)
		{
			char		key[16];

			snprintf(key, sizeof(key), "m%d", j);
			stbl_json_set(m, json, key, array);
			stbl_json_append(m, json->items[0], obj);
		}
		ok = ok && json->n == (size_t) i + 21 && json->items[0]->n == (size_t) i + 20 &&
			stbl_json_get(json, "m19") == array && (i == 0 || json->items[0]->items[0]->integer == 1);
	}
	OK(ok, "a parsed tree can be added to");

	stbl_buf_init(&buf, mem);
	stbl_json_write_str(&buf, "a\"\x7f\0\x1e", 5);
	OK(strcmp((char *) buf.data, "\"a\\\"\x7f\\u0000\\u001e\"") == 0, "a string is escaped");
	stbl_buf_free(&buf);

	json = stbl_json_parse(mem, "{\"a\":[1,{\"b\":\"c\"}]}", 19, &err);
	OK(json != NULL, "a parsed tree is one piece");
	stbl_free(mem, json);
}

/* ---------- conversions ---------- */

static bool
time_is(const char *text, int64_t expected)
{
	int64_t		us = -1;
	char	   *copy = malloc(strlen(text) + 1);
	bool		ok;

	/* without its NUL */
	memcpy(copy, text, strlen(text));
	ok = stbl_time_parse(copy, strlen(text), &us) && us == expected;
	free(copy);
	if (!ok)
		printf("# %s is %lld\n", text, (long long) us);
	return ok;
}

static bool
time_bad(const char *text)
{
	int64_t		us = 77;

	if (!stbl_time_parse(text, strlen(text), &us) && us == 77)
		return true;
	printf("# %s is accepted\n", text);
	return false;
}

static bool
time_text(int64_t us, const char *expected)
{
	char		out[28];

	stbl_time_format(us, out);
	if (strcmp(out, expected) == 0)
		return true;
	printf("# %lld is %s\n", (long long) us, out);
	return false;
}

static void
test_time(void)
{
	static const char *const fractions[] = {"", ".9", ".98", ".987", ".9876", ".98765", ".987654",
		".9876543", ".98765432", ".987654321"};
	static const int micros[] = {0, 900000, 980000, 987000, 987600, 987650, 987654, 987654, 987654, 987654};
	const int64_t second = 1000000;
	int			i;
	bool		ok = true;
	const char *full = "2024-02-29T23:59:59.123456+05:30";
	int64_t		us;
	char		out[28];

	OK(time_is("1970-01-01T00:00:00Z", 0) && time_is("1969-12-31T23:59:59.999999Z", -1) &&
	   time_is("2001-09-09T01:46:40Z", 1000000000 * second) &&
	   time_is("2024-02-29T12:00:00z", INT64_C(1709208000) * second) &&
	   time_is("2024-02-29t12:00:00Z", INT64_C(1709208000) * second), "known times");
	for (i = 0; i < 10; i++)
	{
		char		text[64];

		snprintf(text, sizeof(text), "1970-01-01T00:00:01%sZ", fractions[i]);
		ok = ok && time_is(text, second + micros[i]);
	}
	OK(ok, "0 to 9 digits of fraction");
	OK(time_is("1970-01-01T05:30:00+05:30", 0) && time_is("1969-12-31T16:00:00-08:00", 0) &&
	   time_is("1970-01-01T00:00:00-00:00", 0) && time_is("1970-01-01T23:59:00+23:59", 0), "offsets");
	OK(time_is("2000-02-29T00:00:00Z", INT64_C(951782400) * second) && time_bad("1900-02-29T00:00:00Z") &&
	   time_bad("2023-02-29T00:00:00Z") && time_bad("2100-02-29T00:00:00Z"), "leap days");
	OK(time_is("0001-01-01T00:00:00Z", INT64_C(-62135596800) * second) &&
	   time_is("9999-12-31T23:59:59.999999Z", INT64_C(253402300800) * second - 1) &&
	   time_bad("0000-12-31T00:00:00Z") && time_bad("0001-01-01T00:00:00+00:01") &&
	   time_bad("9999-12-31T23:59:59-00:01") && time_bad("10000-01-01T00:00:00Z"), "years 1 and 9999");
	OK(time_bad("") && time_bad("2024-01-01") && time_bad("2024-01-01T00:00:00") && time_bad("2024-01-01 00:00:00Z") &&
	   time_bad("2024-1-01T00:00:00Z") && time_bad("2024-13-01T00:00:00Z") && time_bad("2024-00-01T00:00:00Z") &&
	   time_bad("2024-04-31T00:00:00Z") && time_bad("2024-04-00T00:00:00Z") && time_bad("2024-01-01T24:00:00Z") &&
	   time_bad("2024-01-01T00:60:00Z") && time_bad("2024-01-01T23:59:60Z") && time_bad("2024-01-01T00:00:00.Z") &&
	   time_bad("2024-01-01T00:00:00.1234567890Z") && time_bad("2024-01-01T00:00:00ZZ") &&
	   time_bad("2024-01-01T00:00:00+0530") && time_bad("2024-01-01T00:00:00+24:00") &&
	   time_bad("2024-01-01T00:00:00+05:60") && time_bad("2024-01-01T00:00:00+05:30Z") &&
	   time_bad("+024-01-01T00:00:00Z") && time_bad("2024-01-01T-1:00:00Z") && time_bad(" 2024-01-01T00:00:00Z"),
	   "bad times");
	ok = stbl_time_parse(full, strlen(full), &us);
	for (i = 0; i < (int) strlen(full); i++)
		ok = ok && !stbl_time_parse(full, (size_t) i, &us);
	OK(ok, "a time cut at any byte is refused");

	OK(time_text(0, "1970-01-01T00:00:00.000000Z") && time_text(-1, "1969-12-31T23:59:59.999999Z") &&
	   time_text(INT64_C(1709208000123456), "2024-02-29T12:00:00.123456Z") &&
	   time_text(INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z") &&
	   time_text(INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"), "format");
	OK(time_text(INT64_MIN, "0001-01-01T00:00:00.000000Z") && time_text(INT64_MAX, "9999-12-31T23:59:59.999999Z"),
	   "what is beyond is written as the end");
	ok = true;
	for (us = INT64_C(-62135596800000000); us < INT64_C(253402300800000000); us += INT64_C(86399123457) * 1009)
	{
		int64_t		back;

		stbl_time_format(us, out);
		ok = ok && stbl_time_parse(out, 27, &back) && back == us;
	}
	OK(ok, "format and parse agree");
}

static void
test_civil(void)
{
	int64_t		expected_year = 1896;
	int			expected_month = 1;
	int			expected_day = 1;
	int64_t		days;
	int64_t		year;
	int			month;
	int			day;
	bool		ok = true;

	/* day by day over a century that is no leap year, and one that is */
	for (days = stbl_days_from_civil(1896, 1, 1); days < 50000; days++)
	{
		static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
		bool		leap = (expected_year % 4 == 0 && expected_year % 100 != 0) || expected_year % 400 == 0;

		stbl_civil_from_days(days, &year, &month, &day);
		ok = ok && year == expected_year && month == expected_month && day == expected_day &&
			stbl_days_from_civil(year, month, day) == days;
		if (++expected_day > lengths[expected_month - 1] + (leap && expected_month == 2))
		{
			expected_day = 1;
			if (++expected_month > 12)
			{
				expected_month = 1;
				expected_year++;
			}
		}
	}
	OK(ok, "dates follow one another");
	OK(stbl_days_from_civil(1970, 1, 1) == 0 && stbl_days_from_civil(2000, 3, 1) == 11017 &&
	   stbl_days_from_civil(1, 1, 1) == -719162 && stbl_days_from_civil(-4712, 1, 1) == -2440550,
	   "known days");
	for (days = INT64_C(-4000000000); days < INT64_C(4000000000); days += 999983)
	{
		stbl_civil_from_days(days, &year, &month, &day);
		ok = ok && stbl_days_from_civil(year, month, day) == days;
	}
	stbl_civil_from_days(INT64_MAX, &year, &month, &day);
	ok = ok && stbl_days_from_civil(year, month, day) == INT64_MAX;
	stbl_civil_from_days(INT64_MIN, &year, &month, &day);
	ok = ok && stbl_days_from_civil(year, month, day) == INT64_MIN;
	stbl_days_from_civil(INT64_MAX, 12, 31);
	stbl_days_from_civil(INT64_MIN, 1, 1);
	OK(ok, "far dates go round");
}

static bool
uuid_is(const char *text)
{
	StblUuid	uuid;
	char		out[37];

	if (!stbl_uuid_parse(text, strlen(text), &uuid))
		return false;
	stbl_uuid_format(&uuid, out);
	return strcmp(out, "01234567-89ab-cdef-0123-456789abcdef") == 0;
}

static bool
uuid_bad(const char *text)
{
	StblUuid	uuid;

	return !stbl_uuid_parse(text, strlen(text), &uuid);
}

static void
test_ids(void)
{
	char		out[33];
	const uint8_t bytes[16] = {0, 1, 0x7f, 0x80, 0xff, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};

	stbl_hex16(bytes, out);
	OK(strcmp(out, "00017f80ffab00000000000000000010") == 0 && stbl_id_is_valid(out), "hex");
	stbl_hex_encode(bytes, 0, out);
	OK(out[0] == '\0', "hex of nothing");
	OK(!stbl_id_is_valid("") && !stbl_id_is_valid("00017f80ffab0000000000000000001") &&
	   !stbl_id_is_valid("00017f80ffab000000000000000000100") && !stbl_id_is_valid("00017F80ffab00000000000000000010") &&
	   !stbl_id_is_valid("00017g80ffab00000000000000000010") && !stbl_id_is_valid("../17f80ffab00000000000000000010"),
	   "what is no id");
	OK(uuid_is("01234567-89ab-cdef-0123-456789abcdef") && uuid_is("0123456789abcdef0123456789abcdef") &&
	   uuid_is("01234567-89AB-CDEF-0123-456789ABCDEF") && uuid_is("0123456789ABcdef0123456789abcdeF"), "uuids");
	OK(uuid_bad("") && uuid_bad("01234567-89ab-cdef-0123-456789abcde") && uuid_bad("01234567-89ab-cdef-0123-456789abcdef0") &&
	   uuid_bad("0123456-789ab-cdef-0123-456789abcdef") && uuid_bad("01234567-89ab-cdef-0123-456789abcdeg") &&
	   uuid_bad("{01234567-89ab-cdef-0123-456789abcd}") && uuid_bad("0123456789abcdef0123456789abcde-") &&
	   uuid_bad("01234567089ab-cdef-0123-456789abcdef"), "what is no uuid");
}

static void
test_crc(void)
{
	uint32_t	crc = stbl_crc32(0, "1234", 4);

	OK(stbl_crc32(0, "123456789", 9) == 0xcbf43926, "crc of the check string");
	OK(stbl_crc32(crc, "56789", 5) == 0xcbf43926, "crc in parts");
	{
		uint8_t		bytes[1000];
		bool		all = true;

		/* whichever way it is had: one byte at a time is the slow way */
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t) (i * i * 31 >> 3);
		for (size_t from = 0; from < 17; from++)
			for (size_t len = 0; from + len < sizeof(bytes); len++)
			{
				uint32_t	slow = (uint32_t) (from * 77777);
				uint8_t    *exact = malloc(len + 1);

				memcpy(exact, bytes + from, len);
				exact = realloc(exact, len > 0 ? len : 1);
				all = all && stbl_crc32(slow, exact, len) == stbl_crc32(slow, bytes + from, len);
				for (size_t i = 0; i < len; i++)
					slow = stbl_crc32(slow, exact + i, 1);
				all = all && slow == stbl_crc32((uint32_t) (from * 77777), exact, len);
				free(exact);
			}
		OK(all, "crc of every length to a thousand is what its bytes give one by one");
	}
	OK(stbl_crc32(crc, NULL, 0) == crc && stbl_crc32(crc, "", 0) == crc, "crc of nothing more");
}

static bool
z85_bad(const char *text)
{
	StblBuf		buf;
	bool		ok;

	stbl_buf_init(&buf, mem);
	stbl_buf_puts(&buf, "before");
	ok = !stbl_z85_decode(&buf, text, strlen(text)) && strcmp((char *) buf.data, "before") == 0 && buf.len == 6;
	stbl_buf_free(&buf);
	return ok;
}

static void
test_z85(void)
{
	static const uint8_t vector[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
	StblBuf		text;
	StblBuf		bytes;
	size_t		len;
	bool		ok = true;

	stbl_buf_init(&text, mem);
	stbl_buf_init(&bytes, mem);
	stbl_z85_encode(&text, vector, 8);
	OK(strcmp((char *) text.data, "HelloWorld") == 0, "the vector of RFC 32");
	OK(stbl_z85_decode(&bytes, "HelloWorld", 10) && bytes.len == 8 && memcmp(bytes.data, vector, 8) == 0, "and back");
	for (len = 0; len <= 64; len++)
	{
		uint8_t		data[64];
		size_t		i;

		for (i = 0; i < len; i++)
			data[i] = (uint8_t) (i * 37 + len * 11 + 250);
		stbl_buf_reset(&text);
		stbl_buf_reset(&bytes);
		stbl_z85_encode(&text, data, len);
		ok = ok && text.len == (len + 3) / 4 * 5 && stbl_z85_decode(&bytes, (char *) text.data, text.len) &&
			bytes.len == (len + 3) / 4 * 4 && memcmp(bytes.data, data, len) == 0;
		for (i = len; i < bytes.len; i++)
			ok = ok && bytes.data[i] == 0;
	}
	OK(ok, "any length goes round, padded with zeros");
	stbl_buf_reset(&bytes);
	OK(stbl_z85_decode(&bytes, "%nSc0", 5) && memcmp(bytes.data, "\xff\xff\xff\xff", 4) == 0, "the largest group");
	OK(z85_bad("%nSc1") && z85_bad("#####"), "a group beyond 32 bits");
	OK(z85_bad("Hell") && z85_bad("HelloW") && z85_bad("Hel\"o") && z85_bad("HelloWor~d") && z85_bad("Hel o") &&
	   z85_bad("Hel\xc3o"), "bad lengths and characters");
	OK(!stbl_z85_decode(&bytes, "He\0lo", 5), "a NUL is no digit");
	stbl_buf_free(&text);
	stbl_buf_free(&bytes);
}

#define UTF8(lit) stbl_utf8_is_valid(lit, sizeof(lit) - 1)

static void
test_utf8(void)
{
	uint32_t	c;
	bool		ok = true;

	for (c = 0; c <= 0x10ffff; c++)
	{
		uint8_t		b[4];
		size_t		n;

		if (c < 0x80)
			n = 1, b[0] = (uint8_t) c;
		else if (c < 0x800)
			n = 2, b[0] = (uint8_t) (0xc0 | c >> 6);
		else if (c < 0x10000)
			n = 3, b[0] = (uint8_t) (0xe0 | c >> 12), b[1] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
		else
		{
			n = 4;
			b[0] = (uint8_t) (0xf0 | c >> 18);
			b[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
			b[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
		}
		if (n > 1)
			b[n - 1] = (uint8_t) (0x80 | (c & 0x3f));
		ok = ok && stbl_utf8_is_valid(b, n) == (c < 0xd800 || c > 0xdfff);
		if (n > 1)
			ok = ok && !stbl_utf8_is_valid(b, n - 1);
	}
	OK(ok, "every code point, surrogates apart; none of them cut");
	OK(!UTF8("\xc0\x80") && !UTF8("\xc1\xbf") && !UTF8("\xe0\x9f\xbf") && !UTF8("\xf0\x8f\xbf\xbf"), "overlong");
	OK(!UTF8("\xf4\x90\x80\x80") && !UTF8("\xf5\x80\x80\x80") && !UTF8("\xff") && !UTF8("\xfe"), "beyond U+10FFFF");
	OK(!UTF8("\x80") && !UTF8("a\xbf") && !UTF8("\xe2\x28\xa1") && !UTF8("\xe2\x82\x28") &&
	   !UTF8("\xf0\x9f\x98\x28"), "stray and missing continuation");
	OK(UTF8("") && UTF8("a\0b"), "nothing, and NUL");
}

int
main(void)
{
	mem = stbl_mem_malloc();
	test_mem();
	test_error();
	test_buf();
	test_cursor();
	test_varint();
	test_json_values();
	test_json_refused();
	test_json_offsets();
	test_json_depth();
	pool_drop();
	test_json_damage();
	test_json_noise();
	test_json_build();
	pool_drop();
	test_time();
	test_civil();
	test_ids();
	test_crc();
	test_z85();
	test_utf8();
	DONE();
}
