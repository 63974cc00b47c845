/*
 * JSON (common/json.h): json-c parses, and its tree is copied into ours.
 *
 * An StblMem may unwind past us when memory runs out, and json-c's tree would
 * then be lost.  So a scan of our own goes over the text first and counts
 * what the copy can take at most; that much is allocated in one piece before
 * json-c is called, and nothing is allocated from the StblMem while json-c
 * holds anything.  (The piece begins with the root: to free a parsed tree is
 * to free its root.)
 *
 * The scan also settles what json-c leaves open even when strict: it accepts
 * NaN and Infinity, names in single quotes, `1.`, raw control characters and
 * some UTF-8 that is none, and it cuts a name at a NUL.  Integers beyond 64
 * bits it would clamp; they reach it with an exponent of zero appended, which
 * makes it keep their text, and lose the exponent again in the copy.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/json.h"

#define JSON_MAX_DEPTH 64

/* json-c spends some 700 bytes on the shortest object */
#define JSON_MAX_CONTAINERS (1024 * 1024)

/* digits from which an integer may not fit int64 */
#define JSON_LONG_DIGITS 19
#define JSON_LONG_MARK "e-00"

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_PUNCT,				/* one of []{}:, */
	TOKEN_STRING,
	TOKEN_NUMBER,
	TOKEN_LITERAL
} TokenKind;

typedef struct Token
{
	TokenKind	kind;
	size_t		start;
	size_t		end;
	bool		has_nul;		/* STRING: an escape stands for NUL */
	bool		is_long;		/* NUMBER: an integer of JSON_LONG_DIGITS or more */
} Token;

/* What a text holds; strings include the names of members. */
typedef struct Census
{
	size_t		start;			/* of the value, without white space */
	size_t		end;
	size_t		values;
	size_t		names;
	size_t		containers;
	size_t		long_integers;
} Census;

/* The one allocation behind a parsed tree, handed out in three regions. */
typedef struct Arena
{
	StblJson   *node;
	StblJson   *node_end;
	void	  **pointer;
	void	  **pointer_end;
	char	   *text;
	char	   *text_end;
} Arena;

static bool
malformed(StblError *err, size_t offset, const char *what)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "invalid JSON at offset %zu: %s", offset, what);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* tok->start is at the opening quote. */
static bool
scan_string(const char *data, size_t len, Token *tok, StblError *err)
{
	size_t		i = tok->start + 1;

	while (i < len && data[i] != '"')
	{
		if ((unsigned char) data[i] < 0x20)
			return malformed(err, i, "control character in a string");
		if (data[i] == '\\')
		{
			if (len - i >= 6 && memcmp(data + i, "\\u0000", 6) == 0)
				tok->has_nul = true;
			i++;
			/* a control character after the backslash is caught above */
			if (i < len && (unsigned char) data[i] < 0x20)
				continue;
		}
		i++;
	}
	if (i >= len)
		return malformed(err, len, "unterminated string");
	tok->end = i + 1;
	return true;
}

static size_t
skip_digits(const char *data, size_t len, size_t i)
{
	while (i < len && is_digit(data[i]))
		i++;
	return i;
}

static bool
scan_number(const char *data, size_t len, Token *tok, StblError *err)
{
	size_t		digits = tok->start + (data[tok->start] == '-' ? 1 : 0);
	size_t		i = skip_digits(data, len, digits);
	size_t		from;

	if (i == digits)
		return malformed(err, i, "digit expected");
	if (data[digits] == '0' && i - digits > 1)
		return malformed(err, digits, "number with a leading zero");
	tok->is_long = i - digits >= JSON_LONG_DIGITS;
	if (i < len && data[i] == '.')
	{
		tok->is_long = false;
		from = ++i;
		i = skip_digits(data, len, i);
		if (i == from)
			return malformed(err, i, "digit expected");
	}
	if (i < len && (data[i] == 'e' || data[i] == 'E'))
	{
		tok->is_long = false;
		i++;
		if (i < len && (data[i] == '+' || data[i] == '-'))
			i++;
		from = i;
		i = skip_digits(data, len, i);
		if (i == from)
			return malformed(err, i, "digit expected");
	}
	tok->end = i;
	return true;
}

static bool
scan_literal(const char *data, size_t len, Token *tok, StblError *err)
{
	static const char *const literals[] = {"true", "false", "null"};
	size_t		i;

	for (i = 0; i < 3; i++)
	{
		size_t		n = strlen(literals[i]);

		if (len - tok->start >= n && memcmp(data + tok->start, literals[i], n) == 0)
		{
			tok->end = tok->start + n;
			return true;
		}
	}
	return malformed(err, tok->start, "unexpected character");
}

/* The token at or after pos; how tokens may follow one another is for json-c. */
static bool
scan_token(const char *data, size_t len, size_t pos, Token *tok, StblError *err)
{
	while (pos < len && is_space(data[pos]))
		pos++;
	tok->start = pos;
	tok->end = pos;
	tok->has_nul = false;
	tok->is_long = false;
	tok->kind = TOKEN_END;
	if (pos == len)
		return true;
	if (data[pos] == '"')
	{
		tok->kind = TOKEN_STRING;
		return scan_string(data, len, tok, err);
	}
	if (data[pos] == '-' || is_digit(data[pos]))
	{
		tok->kind = TOKEN_NUMBER;
		return scan_number(data, len, tok, err);
	}
	if (data[pos] != '\0' && strchr("[]{}:,", data[pos]) != NULL)
	{
		tok->kind = TOKEN_PUNCT;
		tok->end = pos + 1;
		return true;
	}
	tok->kind = TOKEN_LITERAL;
	return scan_literal(data, len, tok, err);
}

static bool
count_punct(const char *data, const Token *tok, bool name_has_nul, size_t *depth,
			Census *census, StblError *err)
{
	switch (data[tok->start])
	{
		case '[':
		case '{':
			census->values++;
			if (++*depth > JSON_MAX_DEPTH)
				return malformed(err, tok->start, "nested more than 64 deep");
			if (++census->containers > JSON_MAX_CONTAINERS)
				return stbl_fail(err, STBL_ERR_LIMIT,
								 "JSON of more than %d objects and arrays is not supported",
								 JSON_MAX_CONTAINERS);
			break;
		case ']':
		case '}':
			if ((*depth)-- == 0)
				return malformed(err, tok->start, "unexpected character");
			break;
		case ':':
			census->names++;
			if (name_has_nul)
				return malformed(err, tok->start, "NUL in a name");
			break;
		default:
			break;
	}
	return true;
}

/* Where text that is not valid UTF-8 stops being it. */
static size_t
first_invalid(const char *data, size_t len)
{
	size_t		pos = 0;
	size_t		n = 0;

	/* a character takes 1 to 4 bytes; step over those that are whole */
	while (n <= 4 && pos < len)
	{
		for (n = 1; n <= 4 && n <= len - pos; n++)
		{
			if (stbl_utf8_is_valid(data + pos, n))
				break;
		}
		if (n > len - pos)
			break;
		if (n <= 4)
			pos += n;
	}
	return pos;
}

static bool
take_census(const char *data, size_t len, Census *census, StblError *err)
{
	Token		tok;
	size_t		depth = 0;
	size_t		pos = 0;
	bool		first = true;
	bool		name_has_nul = false;

	memset(census, 0, sizeof(*census));
	if (len >= INT_MAX)
		return stbl_fail(err, STBL_ERR_LIMIT, "JSON of %zu bytes is too long", len);
	if (!stbl_utf8_is_valid(data, len))
		return malformed(err, first_invalid(data, len), "invalid UTF-8");
	for (;;)
	{
		if (!scan_token(data, len, pos, &tok, err))
			return false;
		if (tok.kind == TOKEN_END)
			break;
		if (first)
			census->start = tok.start;
		first = false;
		census->end = tok.end;
		if (tok.kind == TOKEN_PUNCT)
		{
			if (!count_punct(data, &tok, name_has_nul, &depth, census, err))
				return false;
		}
		else
			census->values++;
		if (tok.is_long)
			census->long_integers++;
		name_has_nul = tok.has_nul;
		pos = tok.end;
	}
	if (first)
		return malformed(err, len, "no value");
	return true;
}

/*
 * The power of two that holds n: an array of n children always has room for
 * this many, so that stbl_json_set and _append can tell when it is full.
 */
static size_t
rounded_up(size_t n)
{
	size_t		cap = 1;

	while (cap < n)
		cap *= 2;
	return cap;
}

/*
 * The arrays, rounded up, take less than twice what is in them, plus one each
 * for the empty; a text in the copy is never longer than in the source.
 */
static void
arena_init(Arena *arena, StblMem *mem, const Census *census)
{
	uint64_t	nodes = census->values;
	uint64_t	pointers = 2 * (nodes + census->names + census->containers);
	uint64_t	texts = (uint64_t) (census->end - census->start) + nodes + 1;
	uint64_t	total = nodes * sizeof(StblJson) + pointers * sizeof(void *) + texts;
	char	   *base = stbl_alloc(mem, total < SIZE_MAX ? (size_t) total : SIZE_MAX);

	arena->node = (StblJson *) base;
	arena->node_end = arena->node + nodes;
	arena->pointer = (void **) arena->node_end;
	arena->pointer_end = arena->pointer + pointers;
	arena->text = (char *) arena->pointer_end;
	arena->text_end = arena->text + texts;
}

static char *
arena_text(Arena *arena, const char *str, size_t len)
{
	char	   *copy = arena->text;

	if (len >= (size_t) (arena->text_end - arena->text))
		return NULL;
	memcpy(copy, str, len);
	copy[len] = '\0';
	arena->text += len + 1;
	return copy;
}

static void **
arena_array(Arena *arena, size_t n)
{
	void	  **array = arena->pointer;
	size_t		cap = rounded_up(n);

	if (cap > (size_t) (arena->pointer_end - arena->pointer))
		return NULL;
	arena->pointer += cap;
	return array;
}

/* Copies a number that json-c took for a double, by its text. */
static bool
copy_number(Arena *arena, struct json_object *from, StblJson *to)
{
	const char *text = json_object_to_json_string(from);
	const size_t mark = strlen(JSON_LONG_MARK);
	size_t		len;

	/* NULL when json-c finds no memory to write it */
	if (text == NULL)
		return false;
	to->type = STBL_JSON_NUMBER;
	len = strlen(text);
	if (len >= JSON_LONG_DIGITS + mark && strcmp(text + len - mark, JSON_LONG_MARK) == 0 &&
		strspn(text, "-0123456789") == len - mark)
	{
		char	   *end;

		len -= mark;
		errno = 0;
		to->integer = strtoll(text, &end, 10);
		if (errno == 0 && end == text + len)
			to->type = STBL_JSON_INT;
		else
			to->integer = 0;
	}
	to->str = arena_text(arena, text, len);
	to->len = len;
	return to->str != NULL;
}

static StblJson *copy_value(Arena *arena, struct json_object *from);

static bool
copy_children(Arena *arena, struct json_object *from, StblJson *to)
{
	struct json_object_iter iter;
	size_t		i;

	if (to->type == STBL_JSON_ARRAY)
	{
		to->n = json_object_array_length(from);
		to->items = (StblJson **) arena_array(arena, to->n);
		for (i = 0; to->items != NULL && i < to->n; i++)
		{
			to->items[i] = copy_value(arena, json_object_array_get_idx(from, i));
			if (to->items[i] == NULL)
				return false;
		}
		return to->items != NULL;
	}

	to->n = (size_t) json_object_object_length(from);
	to->items = (StblJson **) arena_array(arena, to->n);
	to->keys = (char **) arena_array(arena, to->n);
	if (to->items == NULL || to->keys == NULL)
		return false;
	i = 0;
	json_object_object_foreachC(from, iter)
	{
		to->keys[i] = arena_text(arena, iter.key, strlen(iter.key));
		to->items[i] = copy_value(arena, iter.val);
		if (to->keys[i] == NULL || to->items[i] == NULL)
			return false;
		i++;
	}
	return true;
}

/*
 * NULL when json-c finds no memory, or the arena none (which would be a wrong
 * census).  No deeper than JSON_MAX_DEPTH.
 */
static StblJson *
copy_value(Arena *arena, struct json_object *from)
{
	StblJson   *to = arena->node;
	bool		ok = true;
	char		digits[24];

	if (arena->node == arena->node_end)
		return NULL;
	arena->node++;
	memset(to, 0, sizeof(*to));
	switch (json_object_get_type(from))
	{
		case json_type_null:
			to->type = STBL_JSON_NULL;
			break;
		case json_type_boolean:
			to->type = STBL_JSON_BOOL;
			to->boolean = json_object_get_boolean(from);
			break;
		case json_type_int:
			to->type = STBL_JSON_INT;
			to->integer = json_object_get_int64(from);
			to->len = (size_t) snprintf(digits, sizeof(digits), "%" PRId64, to->integer);
			to->str = arena_text(arena, digits, to->len);
			ok = to->str != NULL;
			break;
		case json_type_double:
			ok = copy_number(arena, from, to);
			break;
		case json_type_string:
			to->type = STBL_JSON_STRING;
			to->len = (size_t) json_object_get_string_len(from);
			to->str = arena_text(arena, json_object_get_string(from), to->len);
			ok = to->str != NULL;
			break;
		case json_type_array:
			to->type = STBL_JSON_ARRAY;
			ok = copy_children(arena, from, to);
			break;
		case json_type_object:
			to->type = STBL_JSON_OBJECT;
			ok = copy_children(arena, from, to);
			break;
	}
	return ok ? to : NULL;
}

/*
 * Gives json-c the len bytes from offset on.  The value is complete or not;
 * `continue` is json-c's word for the latter.
 */
static bool
feed(struct json_tokener *tok, const char *text, size_t len, size_t offset,
	 struct json_object **value, StblError *err)
{
	enum json_tokener_error code;

	if (len == 0)
		return true;
	if (*value != NULL)
		return malformed(err, offset, "unexpected text after the value");
	*value = json_tokener_parse_ex(tok, text, (int) len);
	code = json_tokener_get_error(tok);
	if (code == json_tokener_success || code == json_tokener_continue)
		return true;
	return malformed(err, offset + json_tokener_get_parse_end(tok),
					 json_tokener_error_desc(code));
}

/*
 * Runs the text through json-c.  Throws nothing and allocates nothing from an
 * StblMem.  A value of null is a NULL pointer to json-c.
 */
static bool
run_tokener(struct json_tokener *tok, const char *data, const Census *census,
			struct json_object **value, StblError *err)
{
	size_t		from = census->start;
	size_t		pos = census->start;
	size_t		left = census->long_integers;
	Token		token;

	while (left > 0 && scan_token(data, census->end, pos, &token, err))
	{
		pos = token.end;
		if (!token.is_long)
			continue;
		if (!feed(tok, data + from, pos - from, from, value, err) ||
			!feed(tok, JSON_LONG_MARK, strlen(JSON_LONG_MARK), pos, value, err))
			return false;
		from = pos;
		left--;
	}
	if (!feed(tok, data + from, census->end - from, from, value, err))
		return false;
	/* a number ends only with what follows it, be it the end */
	if (json_tokener_get_error(tok) == json_tokener_continue)
		return feed(tok, "", 1, census->end, value, err);
	return true;
}

StblJson *
stbl_json_parse(StblMem *mem, const char *data, size_t len, StblError *err)
{
	Census		census;
	Arena		arena;
	void	   *base;
	StblJson   *root = NULL;
	struct json_tokener *tok;
	struct json_object *value = NULL;

	if (!take_census(data, len, &census, err))
		return NULL;
	arena_init(&arena, mem, &census);
	base = arena.node;

	/* the depth was checked; json-c counts scalars as a level too */
	tok = json_tokener_new_ex(JSON_MAX_DEPTH + 2);
	if (tok == NULL)
		stbl_fail(err, STBL_ERR_MEMORY, "out of memory while parsing JSON");
	else
	{
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		if (run_tokener(tok, data, &census, &value, err))
		{
			root = copy_value(&arena, value);
			if (root == NULL)
				stbl_fail(err, STBL_ERR_MEMORY, "out of memory while parsing JSON");
		}
		json_object_put(value);
		json_tokener_free(tok);
	}
	if (root == NULL)
		stbl_free(mem, base);
	return root;
}

StblJson *
stbl_json_get(const StblJson *obj, const char *key)
{
	size_t		i;

	if (obj == NULL || obj->type != STBL_JSON_OBJECT)
		return NULL;
	for (i = 0; i < obj->n; i++)
	{
		if (strcmp(obj->keys[i], key) == 0)
			return obj->items[i];
	}
	return NULL;
}

const char *
stbl_json_get_str(const StblJson *obj, const char *key)
{
	const StblJson *value = stbl_json_get(obj, key);

	return value != NULL && value->type == STBL_JSON_STRING ? value->str : NULL;
}

bool
stbl_json_get_int(const StblJson *obj, const char *key, int64_t *value)
{
	const StblJson *found = stbl_json_get(obj, key);

	if (found == NULL || found->type != STBL_JSON_INT)
		return false;
	*value = found->integer;
	return true;
}

bool
stbl_json_get_bool(const StblJson *obj, const char *key, bool *value)
{
	const StblJson *found = stbl_json_get(obj, key);

	if (found == NULL || found->type != STBL_JSON_BOOL)
		return false;
	*value = found->boolean;
	return true;
}

StblJson *
stbl_json_new(StblMem *mem, StblJsonType type)
{
	StblJson   *json = stbl_alloc0(mem, sizeof(StblJson));

	json->type = type;
	return json;
}

StblJson *
stbl_json_new_str(StblMem *mem, const char *str)
{
	StblJson   *json = stbl_json_new(mem, STBL_JSON_STRING);

	json->len = strlen(str);
	json->str = stbl_strndup(mem, str, json->len);
	return json;
}

StblJson *
stbl_json_new_int(StblMem *mem, int64_t value)
{
	StblJson   *json = stbl_json_new(mem, STBL_JSON_INT);

	json->integer = value;
	json->str = stbl_sprintf(mem, "%" PRId64, value);
	json->len = strlen(json->str);
	return json;
}

/*
 * The array with room for one more than n.  A full one is replaced and left
 * to its context, as it may lie inside the one piece of a parsed tree.
 */
static void *
grown(StblMem *mem, void *array, size_t n)
{
	void	  **larger;

	if (array != NULL && n < rounded_up(n))
		return array;
	if (array != NULL && n == 0)
		return array;
	larger = stbl_alloc_array(mem, rounded_up(n + 1), sizeof(void *));
	if (n > 0)
		memcpy(larger, array, n * sizeof(void *));
	return larger;
}

void
stbl_json_set(StblMem *mem, StblJson *obj, const char *key, StblJson *value)
{
	char	   *copy;
	size_t		i;

	for (i = 0; i < obj->n; i++)
	{
		if (strcmp(obj->keys[i], key) == 0)
		{
			obj->items[i] = value;
			return;
		}
	}
	copy = stbl_strdup(mem, key);
	obj->keys = grown(mem, obj->keys, obj->n);
	obj->items = grown(mem, obj->items, obj->n);
	obj->keys[obj->n] = copy;
	obj->items[obj->n] = value;
	obj->n++;
}

void
stbl_json_append(StblMem *mem, StblJson *array, StblJson *value)
{
	array->items = grown(mem, array->items, array->n);
	array->items[array->n] = value;
	array->n++;
}

void
stbl_json_write_str(StblBuf *buf, const char *str, size_t len)
{
	size_t		from = 0;
	size_t		i;

	stbl_buf_u8(buf, '"');
	for (i = 0; i < len; i++)
	{
		static const char shorts[] = "\"\\\b\f\n\r\t";
		static const char letters[] = "\"\\bfnrt";
		unsigned char c = (unsigned char) str[i];
		const char *found;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		stbl_buf_append(buf, str + from, i - from);
		from = i + 1;
		found = c != '\0' ? strchr(shorts, c) : NULL;
		if (found != NULL)
		{
			stbl_buf_u8(buf, '\\');
			stbl_buf_u8(buf, (uint8_t) letters[found - shorts]);
		}
		else
			stbl_buf_printf(buf, "\\u%04x", c);
	}
	stbl_buf_append(buf, str + from, len - from);
	stbl_buf_u8(buf, '"');
}

/* Recurses as deep as the tree, which is 64 when parsed, or what we built. */
void
stbl_json_write(StblBuf *buf, const StblJson *json)
{
	size_t		i;

	switch (json->type)
	{
		case STBL_JSON_NULL:
			stbl_buf_puts(buf, "null");
			break;
		case STBL_JSON_BOOL:
			stbl_buf_puts(buf, json->boolean ? "true" : "false");
			break;
		case STBL_JSON_INT:
			/* a caller that made one by hand may have set the value only */
			if (json->str == NULL)
			{
				stbl_buf_printf(buf, "%" PRId64, json->integer);
				break;
			}
			stbl_buf_append(buf, json->str, json->len);
			break;
		case STBL_JSON_NUMBER:
			stbl_buf_append(buf, json->str, json->len);
			break;
		case STBL_JSON_STRING:
			stbl_json_write_str(buf, json->str, json->len);
			break;
		case STBL_JSON_ARRAY:
		case STBL_JSON_OBJECT:
			stbl_buf_u8(buf, json->type == STBL_JSON_ARRAY ? '[' : '{');
			for (i = 0; i < json->n; i++)
			{
				if (i > 0)
					stbl_buf_u8(buf, ',');
				if (json->type == STBL_JSON_OBJECT)
				{
					stbl_json_write_str(buf, json->keys[i], strlen(json->keys[i]));
					stbl_buf_u8(buf, ':');
				}
				stbl_json_write(buf, json->items[i]);
			}
			stbl_buf_u8(buf, json->type == STBL_JSON_ARRAY ? ']' : '}');
			break;
	}
}
