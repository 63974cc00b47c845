/* The pull parser: see xml.h. */
#include <stdint.h>
#include <string.h>

#include "store/xml.h"

#define MAX_NAME 256

void
stbl_xml_init(StblXml *xml, const char *data, size_t len)
{
	memset(xml, 0, sizeof(*xml));
	xml->start = xml->pos = data;
	xml->end = data + len;
	/* a byte order mark */
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		xml->pos += 3;
}

bool
stbl_xml_is(const StblXml *xml, const char *name)
{
	return strlen(name) == xml->name_len && memcmp(name, xml->name, xml->name_len) == 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
stbl_xml_has(const StblXml *xml, const char *name, const char *value)
{
	const char *p = xml->attributes;
	const char *end = p + xml->attributes_len;
	size_t		name_len = strlen(name);
	size_t		value_len = strlen(value);

	while (p < end)
	{
		const char *at = p;
		const char *open;
		const char *close;

		while (p < end && *p != '"' && *p != '\'')
			p++;
		if (p == end)
			return false;
		open = p + 1;
		close = memchr(open, *p, (size_t) (end - open));
		if (close == NULL)
			return false;
		/* "name =", with blanks wherever they may be */
		while (at < p && is_space(*at))
			at++;
		if ((size_t) (p - at) > name_len && memcmp(at, name, name_len) == 0 && (is_space(at[name_len]) || at[name_len] == '=') &&
			(size_t) (close - open) == value_len && memcmp(open, value, value_len) == 0)
			return true;
		p = close + 1;
	}
	return false;
}

static bool
begins(const StblXml *xml, const char *what)
{
	size_t		len = strlen(what);

	return (size_t) (xml->end - xml->pos) >= len && memcmp(xml->pos, what, len) == 0;
}

/* Goes behind the next occurrence of what; false if there is none. */
static bool
skip_past(StblXml *xml, const char *what)
{
	size_t		len = strlen(what);

	for (const char *p = xml->pos; (size_t) (xml->end - p) >= len; p++)
		if (memcmp(p, what, len) == 0)
		{
			xml->pos = p + len;
			return true;
		}
	return false;
}

/* Reads a name at pos, whole and without its prefix. */
static bool
read_name(StblXml *xml, const char **whole, size_t *whole_len)
{
	const char *p = xml->pos;
	const char *local = p;

	while (p < xml->end && !is_space(*p) && *p != '>' && *p != '/' && *p != '<' && *p != '=' && *p != '\0' &&
		   *p != '"' && *p != '\'' && *p != '&')
	{
		if (*p == ':')
			local = p + 1;
		p++;
	}
	if (p == local || p - xml->pos > MAX_NAME)
		return false;
	*whole = xml->pos;
	*whole_len = (size_t) (p - xml->pos);
	xml->name = local;
	xml->name_len = (size_t) (p - local);
	xml->pos = p;
	return true;
}

/* Skips attributes and the end of a start tag. */
static bool
skip_attributes(StblXml *xml)
{
	while (xml->pos < xml->end)
	{
		char		c = *xml->pos++;

		if (c == '>')
			return true;
		if (c == '<')
			return false;
		if (c == '/')
		{
			if (xml->pos == xml->end || *xml->pos != '>')
				return false;
			xml->pos++;
			xml->empty_element = true;
			return true;
		}
		if (c == '"' || c == '\'')
		{
			const char *close = memchr(xml->pos, c, (size_t) (xml->end - xml->pos));

			if (close == NULL)
				return false;
			xml->pos = close + 1;
		}
	}
	return false;
}

static StblXmlEvent
start_element(StblXml *xml)
{
	if (xml->depth == STBL_XML_MAX_DEPTH || (xml->depth == 0 && xml->had_root))
		return STBL_XML_ERROR;
	xml->pos++;
	if (!read_name(xml, &xml->open[xml->depth], &xml->open_len[xml->depth]))
		return STBL_XML_ERROR;
	xml->attributes = xml->pos;
	if (!skip_attributes(xml))
		return STBL_XML_ERROR;
	xml->attributes_len = (size_t) (xml->pos - xml->attributes);
	xml->depth++;
	xml->had_root = true;
	return STBL_XML_START;
}

static StblXmlEvent
end_element(StblXml *xml)
{
	const char *whole;
	size_t		len;

	xml->pos += 2;
	if (xml->depth == 0 || !read_name(xml, &whole, &len))
		return STBL_XML_ERROR;
	while (xml->pos < xml->end && is_space(*xml->pos))
		xml->pos++;
	xml->depth--;
	if (xml->pos == xml->end || *xml->pos != '>' ||
		len != xml->open_len[xml->depth] || memcmp(whole, xml->open[xml->depth], len) != 0)
		return STBL_XML_ERROR;
	xml->pos++;
	return STBL_XML_END;
}

StblXmlEvent
stbl_xml_next(StblXml *xml)
{
	if (xml->empty_element)
	{
		xml->empty_element = false;
		xml->depth--;
		return STBL_XML_END;
	}
	for (;;)
	{
		xml->is_cdata = false;
		if (xml->pos == xml->end)
			return xml->had_root && xml->depth == 0 ? STBL_XML_DONE : STBL_XML_ERROR;
		if (*xml->pos != '<')
		{
			const char *p = xml->pos;
			bool		blank = true;

			for (; p < xml->end && *p != '<'; p++)
				blank = blank && is_space(*p);
			if (xml->depth == 0 && !blank)
				return STBL_XML_ERROR;
			xml->text = xml->pos;
			xml->text_len = (size_t) (p - xml->pos);
			xml->pos = p;
			if (xml->depth > 0)
				return STBL_XML_TEXT;
			continue;
		}
		if (begins(xml, "<!--"))
		{
			xml->pos += 4;
			if (!skip_past(xml, "-->"))
				return STBL_XML_ERROR;
			continue;
		}
		if (begins(xml, "<?"))
		{
			if (!skip_past(xml, "?>"))
				return STBL_XML_ERROR;
			continue;
		}
		if (begins(xml, "<![CDATA["))
		{
			xml->pos += 9;
			xml->text = xml->pos;
			if (xml->depth == 0 || !skip_past(xml, "]]>"))
				return STBL_XML_ERROR;
			xml->text_len = (size_t) (xml->pos - 3 - xml->text);
			xml->is_cdata = true;
			return STBL_XML_TEXT;
		}
		if (begins(xml, "<!"))
			return STBL_XML_ERROR;
		return begins(xml, "</") ? end_element(xml) : start_element(xml);
	}
}

static int
put_utf8(uint32_t c, char *out)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 | c >> 6);
		out[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 | c >> 12);
		out[1] = (char) (0x80 | (c >> 6 & 0x3f));
		out[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | c >> 18);
	out[1] = (char) (0x80 | (c >> 12 & 0x3f));
	out[2] = (char) (0x80 | (c >> 6 & 0x3f));
	out[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

/* The character of "#65" or "#x41"; 0 if it is none. */
static uint32_t
reference_code(const char *ref, size_t len)
{
	bool		hex = len > 1 && (ref[1] == 'x' || ref[1] == 'X');
	uint32_t	code = 0;

	if (len <= 1 + (size_t) hex)
		return 0;
	for (size_t i = 1 + hex; i < len; i++)
	{
		char		c = ref[i];
		uint32_t	digit = c >= '0' && c <= '9' ? (uint32_t) (c - '0') :
			c >= 'a' && c <= 'f' ? (uint32_t) (c - 'a' + 10) :
			c >= 'A' && c <= 'F' ? (uint32_t) (c - 'A' + 10) : 99;

		if (digit >= (hex ? 16u : 10u))
			return 0;
		code = code * (hex ? 16 : 10) + digit;
		if (code > 0x10ffff)
			return 0;
	}
	return code >= 0xd800 && code < 0xe000 ? 0 : code;
}

static uint32_t
entity_code(const char *ref, size_t len)
{
	static const struct
	{
		const char *name;
		char		c;
	}			known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};

	if (len > 0 && ref[0] == '#')
		return reference_code(ref, len);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len && memcmp(known[i].name, ref, len) == 0)
			return (uint32_t) known[i].c;
	return 0;
}

long
stbl_xml_text(const StblXml *xml, char *out)
{
	const char *p = xml->text;
	const char *end = p + xml->text_len;
	long		n = 0;

	while (p < end)
	{
		const char *close;
		uint32_t	code;

		if (*p == '\0')
			return -1;
		if (*p != '&' || xml->is_cdata)
		{
			out[n++] = *p++;
			continue;
		}
		close = memchr(p, ';', (size_t) (end - p));
		code = close != NULL ? entity_code(p + 1, (size_t) (close - p - 1)) : 0;
		if (code == 0)
			return -1;
		/* the shortest reference of a character is longer than its UTF-8 */
		n += put_utf8(code, out + n);
		p = close + 1;
	}
	return n;
}
