/* Files and answers that hold credentials; pure. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/credential.h"
#include "store/xml.h"

typedef struct Slice
{
	const char *data;
	size_t		len;
} Slice;

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static Slice
trim(Slice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s.data++, s.len--;
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_word(Slice s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.data, word, s.len) == 0;
}

static Slice
next_line(const char **pos, const char *end)
{
	Slice		line = {*pos, 0};
	const char *newline = memchr(*pos, '\n', (size_t) (end - *pos));

	line.len = (size_t) ((newline != NULL ? newline : end) - *pos);
	*pos = newline != NULL ? newline + 1 : end;
	return line;
}

/* The name between the brackets of a section's line, without "profile" where that belongs there. */
static bool
section_is(Slice line, bool is_config, const char *name)
{
	const char *close = memchr(line.data, ']', line.len);
	Slice		in;

	if (close == NULL)
		return false;
	in.data = line.data + 1;
	in.len = (size_t) (close - in.data);
	in = trim(in);
	if (is_config && !is_word(in, "default"))
	{
		if (in.len < 8 || memcmp(in.data, "profile", 7) != 0 || !is_blank(in.data[7]))
			return false;
		in.data += 7;
		in.len -= 7;
		in = trim(in);
	}
	if (in.len >= 2 && (in.data[0] == '"' || in.data[0] == '\'') && in.data[in.len - 1] == in.data[0])
	{
		in.data++;
		in.len -= 2;
	}
	return is_word(in, name);
}

/* What stands behind the "=", up to a comment, which has a blank before it. */
static Slice
value_of(Slice line, const char *equals)
{
	Slice		value = {equals + 1, line.len - (size_t) (equals + 1 - line.data)};

	for (size_t i = 1; i < value.len; i++)
		if ((value.data[i] == '#' || value.data[i] == ';') && is_blank(value.data[i - 1]))
		{
			value.len = i;
			break;
		}
	return trim(value);
}

static char *
copy_slice(Slice s)
{
	char	   *out = memchr(s.data, '\0', s.len) == NULL ? malloc(s.len + 1) : NULL;

	if (out == NULL)
		return NULL;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return out;
}

char *
stbl_ini_value(const char *data, size_t len, bool is_config, const char *name, const char *key, bool *found_section)
{
	const char *pos = data;
	const char *end = data + len;
	bool		in_section = false;
	Slice		found = {NULL, 0};

	*found_section = false;
	while (pos < end)
	{
		Slice		line = next_line(&pos, end);
		const char *equals;
		Slice		word;

		/* what is indented belongs to the key above */
		if (line.len == 0 || is_blank(line.data[0]) || line.data[0] == '#' || line.data[0] == ';')
			continue;
		if (line.data[0] == '[')
		{
			in_section = section_is(line, is_config, name);
			*found_section = *found_section || in_section;
			continue;
		}
		equals = in_section ? memchr(line.data, '=', line.len) : NULL;
		if (equals == NULL)
			continue;
		word.data = line.data;
		word.len = (size_t) (equals - line.data);
		word = trim(word);
		/* the last one counts */
		if (word.len == strlen(key) && strncasecmp(word.data, key, word.len) == 0)
			found = value_of(line, equals);
	}
	return found.len > 0 ? copy_slice(found) : NULL;
}

char *
stbl_xml_value(const char *data, size_t len, const char *name)
{
	StblXml		xml;
	StblText	value = {0};
	char	   *piece;
	long		n;
	bool		inside = false;

	stbl_xml_init(&xml, data, len);
	for (;;)
		switch (stbl_xml_next(&xml))
		{
			case STBL_XML_START:
				inside = stbl_xml_is(&xml, name);
				break;
			case STBL_XML_TEXT:
				if (!inside)
					break;
				piece = malloc(xml.text_len + 1);
				n = piece != NULL ? stbl_xml_text(&xml, piece) : -1;
				if (n >= 0)
					stbl_text_add(&value, piece, (size_t) n);
				if (piece != NULL)
					explicit_bzero(piece, xml.text_len + 1);
				free(piece);
				if (n < 0 || value.failed)
				{
					stbl_text_wipe(&value);
					return NULL;
				}
				break;
			case STBL_XML_END:
				if (inside && value.data != NULL)
					return value.data;
				inside = false;
				break;
			case STBL_XML_DONE:
			case STBL_XML_ERROR:
				stbl_text_wipe(&value);
				return NULL;
		}
}

bool
stbl_is_container_host(const char *url)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
	{
		size_t		len = strlen(hosts[i]);

		if (strncasecmp(url, hosts[i], len) == 0 && strchr(":/?", url[len]) != NULL)
		{
			size_t		port = url[len] == ':' ? 1 + strspn(url + len + 1, "0123456789") : 0;

			/* nothing but a port, so that what looks like a host is none's user and password */
			return strchr("/?", url[len + port]) != NULL;
		}
	}
	return false;
}
