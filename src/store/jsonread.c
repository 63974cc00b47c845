/* Reading JSON in one pass; pure. */
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "store/jsonread.h"

void
stbl_jsonread_init(StblJsonRead *r, const char *data, size_t len)
{
	memset(r, 0, sizeof(*r));
	/* an answer without a body has no memory */
	if (data == NULL)
		data = "";
	r->start = r->pos = data;
	r->end = data + len;
	r->is_first = true;
}

static void
skip_blanks(StblJsonRead *r)
{
	while (r->pos < r->end && (*r->pos == ' ' || *r->pos == '\t' || *r->pos == '\n' || *r->pos == '\r'))
		r->pos++;
}

/* From behind the opening quote to behind the closing one. */
static bool
skip_string(StblJsonRead *r, const char **text, size_t *len)
{
	*text = r->pos;
	for (; r->pos < r->end; r->pos++)
	{
		unsigned char c = (unsigned char) *r->pos;

		if (c == '"')
		{
			*len = (size_t) (r->pos++ - *text);
			return true;
		}
		if (c < ' ')
			return false;
		if (c == '\\')
		{
			if (r->end - r->pos < 2)
				return false;
			r->pos++;
		}
	}
	return false;
}

static size_t
skip_digits(StblJsonRead *r)
{
	const char *from = r->pos;

	while (r->pos < r->end && *r->pos >= '0' && *r->pos <= '9')
		r->pos++;
	return (size_t) (r->pos - from);
}

static bool
skip_number(StblJsonRead *r)
{
	r->text = r->pos;
	r->pos += *r->pos == '-';
	if (r->pos < r->end && *r->pos == '0')
		r->pos++;
	else if (skip_digits(r) == 0)
		return false;
	if (r->pos < r->end && *r->pos == '.')
	{
		r->pos++;
		if (skip_digits(r) == 0)
			return false;
	}
	if (r->pos < r->end && (*r->pos == 'e' || *r->pos == 'E'))
	{
		r->pos++;
		if (r->pos < r->end && (*r->pos == '+' || *r->pos == '-'))
			r->pos++;
		if (skip_digits(r) == 0)
			return false;
	}
	r->text_len = (size_t) (r->pos - r->text);
	return true;
}

static bool
skip_literal(StblJsonRead *r)
{
	static const char *const literals[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
	{
		size_t		len = strlen(literals[i]);

		if ((size_t) (r->end - r->pos) >= len && memcmp(r->pos, literals[i], len) == 0)
		{
			r->text = r->pos;
			r->text_len = len;
			r->pos += len;
			return true;
		}
	}
	return false;
}

static StblJsonEvent
begin(StblJsonRead *r, bool is_object)
{
	if (r->depth == STBL_JSONREAD_MAX_DEPTH)
		return STBL_JSONREAD_ERROR;
	r->pos++;
	r->in_object[++r->depth] = is_object;
	r->is_first = true;
	return is_object ? STBL_JSONREAD_OBJECT : STBL_JSONREAD_ARRAY;
}

static StblJsonEvent
read_value(StblJsonRead *r)
{
	if (r->pos == r->end)
		return STBL_JSONREAD_ERROR;
	r->is_first = false;
	r->had_root = true;
	switch (*r->pos)
	{
		case '{':
			return begin(r, true);
		case '[':
			return begin(r, false);
		case '"':
			r->pos++;
			return skip_string(r, &r->text, &r->text_len) ? STBL_JSONREAD_STRING : STBL_JSONREAD_ERROR;
		case 't':
		case 'f':
		case 'n':
			return skip_literal(r) ? STBL_JSONREAD_LITERAL : STBL_JSONREAD_ERROR;
		default:
			return skip_number(r) ? STBL_JSONREAD_NUMBER : STBL_JSONREAD_ERROR;
	}
}

StblJsonEvent
stbl_jsonread_next(StblJsonRead *r)
{
	skip_blanks(r);
	r->key = NULL;
	r->key_len = 0;
	if (r->depth == 0)
	{
		if (!r->had_root)
			return read_value(r);
		return r->pos == r->end ? STBL_JSONREAD_DONE : STBL_JSONREAD_ERROR;
	}
	if (r->pos == r->end)
		return STBL_JSONREAD_ERROR;
	if (*r->pos == (r->in_object[r->depth] ? '}' : ']'))
	{
		r->pos++;
		r->depth--;
		r->is_first = false;
		return STBL_JSONREAD_END;
	}
	if (!r->is_first)
	{
		if (*r->pos != ',')
			return STBL_JSONREAD_ERROR;
		r->pos++;
		skip_blanks(r);
	}
	if (r->in_object[r->depth])
	{
		if (r->pos == r->end || *r->pos++ != '"' || !skip_string(r, &r->key, &r->key_len))
			return STBL_JSONREAD_ERROR;
		skip_blanks(r);
		if (r->pos == r->end || *r->pos++ != ':')
			return STBL_JSONREAD_ERROR;
		skip_blanks(r);
	}
	return read_value(r);
}

bool
stbl_jsonread_is(const StblJsonRead *r, const char *key)
{
	return r->key != NULL && r->key_len == strlen(key) && memcmp(r->key, key, r->key_len) == 0;
}

static int
hex4(const char *p, const char *end)
{
	int			v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];
		int			digit = c >= '0' && c <= '9' ? c - '0' :
			c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (digit < 0)
			return -1;
		v = v * 16 + digit;
	}
	return v;
}

/* The character of a \u escape, *p being at its digits; never more bytes than it is written with. */
static bool
decode_unicode(const char **p, const char *end, char **out)
{
	int			c = hex4(*p, end);
	int			low;
	unsigned char *o = (unsigned char *) *out;

	if (c <= 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return false;
	*p += 4;
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
			return false;
		low = hex4(*p + 2, end);
		if (low < 0xDC00 || low > 0xDFFF)
			return false;
		*p += 6;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	if (c < 0x80)
		*o++ = (unsigned char) c;
	else
	{
		if (c < 0x800)
			*o++ = (unsigned char) (0xC0 | c >> 6);
		else
		{
			if (c < 0x10000)
				*o++ = (unsigned char) (0xE0 | c >> 12);
			else
			{
				*o++ = (unsigned char) (0xF0 | c >> 18);
				*o++ = (unsigned char) (0x80 | (c >> 12 & 0x3F));
			}
			*o++ = (unsigned char) (0x80 | (c >> 6 & 0x3F));
		}
		*o++ = (unsigned char) (0x80 | (c & 0x3F));
	}
	*out = (char *) o;
	return true;
}

long
stbl_jsonread_text(const StblJsonRead *r, char *out)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *p = r->text;
	const char *end = p + r->text_len;
	char	   *o = out;

	while (p < end)
	{
		const char *e;

		if (*p != '\\')
		{
			*o++ = *p++;
			continue;
		}
		if (++p == end)
			return -1;
		if (*p == 'u')
		{
			p++;
			if (!decode_unicode(&p, end, &o))
				return -1;
			continue;
		}
		e = *p != '\0' ? strchr(escapes, *p) : NULL;
		if (e == NULL)
			return -1;
		*o++ = meanings[e - escapes];
		p++;
	}
	*o = '\0';
	if (!stbl_utf8_is_valid(out, (size_t) (o - out)))
		return -1;
	return (long) (o - out);
}

bool
stbl_jsonread_count(const StblJsonRead *r, uint64_t *value)
{
	uint64_t	v = 0;

	if (r->text_len == 0)
		return false;
	for (size_t i = 0; i < r->text_len; i++)
	{
		char		c = r->text[i];

		if (c < '0' || c > '9' || v > ((uint64_t) INT64_MAX - (uint64_t) (c - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t) (c - '0');
	}
	*value = v;
	return true;
}

bool
stbl_jsonread_find(const char *data, size_t len, const char *key, char **out)
{
	StblJsonRead r;
	StblJsonEvent event;
	size_t		size = 0;

	*out = NULL;
	stbl_jsonread_init(&r, data, len);
	event = stbl_jsonread_next(&r);
	if (event != STBL_JSONREAD_OBJECT)
		return false;
	while (event != STBL_JSONREAD_DONE && event != STBL_JSONREAD_ERROR)
	{
		event = stbl_jsonread_next(&r);
		if (event != STBL_JSONREAD_STRING || r.depth != 1 || *out != NULL || !stbl_jsonread_is(&r, key))
			continue;
		size = r.text_len + 1;
		*out = malloc(size);
		if (*out == NULL)
			return false;
		if (stbl_jsonread_text(&r, *out) < 0)
			event = STBL_JSONREAD_ERROR;
	}
	if (event == STBL_JSONREAD_DONE)
		return true;
	if (*out != NULL)
		explicit_bzero(*out, size);
	free(*out);
	*out = NULL;
	return false;
}

bool
stbl_jsonread_find_count(const char *data, size_t len, const char *key, bool *found, uint64_t *value)
{
	StblJsonRead r;

	*found = false;
	stbl_jsonread_init(&r, data, len);
	if (stbl_jsonread_next(&r) != STBL_JSONREAD_OBJECT)
		return false;
	for (;;)
		switch (stbl_jsonread_next(&r))
		{
			case STBL_JSONREAD_STRING:
			case STBL_JSONREAD_NUMBER:
				if (r.depth == 1 && !*found && stbl_jsonread_is(&r, key))
				{
					*found = true;
					if (!stbl_jsonread_count(&r, value))
						return false;
				}
				break;
			case STBL_JSONREAD_ERROR:
				return false;
			case STBL_JSONREAD_DONE:
				return true;
			default:
				break;
		}
}
