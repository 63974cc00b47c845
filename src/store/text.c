/* Growing text, percent-encoding, messages without secrets. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "store/text.h"

static bool
make_room(StblText *t, size_t more)
{
	size_t		cap = t->cap ? t->cap : 128;
	char	   *data;

	if (t->failed || more > SIZE_MAX / 4 - t->len)
	{
		t->failed = true;
		return false;
	}
	if (t->len + more < t->cap)
		return true;
	while (cap <= t->len + more)
		cap *= 2;
	/* not realloc: what may be secret must not stay where it was */
	data = malloc(cap);
	if (data == NULL)
	{
		t->failed = true;
		return false;
	}
	if (t->data != NULL)
	{
		memcpy(data, t->data, t->len);
		explicit_bzero(t->data, t->len);
		free(t->data);
	}
	data[t->len] = '\0';
	t->data = data;
	t->cap = cap;
	return true;
}

void
stbl_text_add(StblText *t, const char *data, size_t len)
{
	if (!make_room(t, len))
		return;
	if (len > 0)
		memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void
stbl_text_puts(StblText *t, const char *str)
{
	stbl_text_add(t, str, strlen(str));
}

void
stbl_text_printf(StblText *t, const char *fmt,...)
{
	va_list		args;
	int			n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !make_room(t, (size_t) n))
	{
		t->failed = true;
		return;
	}
	va_start(args, fmt);
	vsnprintf(t->data + t->len, (size_t) n + 1, fmt, args);
	va_end(args);
	t->len += (size_t) n;
}

void
stbl_text_free(StblText *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

void
stbl_text_wipe(StblText *t)
{
	if (t->data != NULL)
		explicit_bzero(t->data, t->len);
	stbl_text_free(t);
}

static bool
is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

void
stbl_text_encode(StblText *t, const char *str, bool keep_slash)
{
	for (; *str != '\0'; str++)
	{
		unsigned char c = (unsigned char) *str;

		if (is_unreserved(c) || (keep_slash && c == '/'))
			stbl_text_add(t, str, 1);
		else
		{
			char		hex[4];

			snprintf(hex, sizeof(hex), "%%%02X", c);
			stbl_text_add(t, hex, 3);
		}
	}
}

void
stbl_text_xml(StblText *t, const char *str)
{
	for (; *str != '\0'; str++)
	{
		const char *reference = *str == '&' ? "&amp;" : *str == '<' ? "&lt;" : *str == '>' ? "&gt;" : *str == '"' ? "&quot;" : NULL;

		if (reference != NULL)
			stbl_text_puts(t, reference);
		else
			stbl_text_add(t, str, 1);
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
decode(char *str, char plus)
{
	char	   *out = str;

	for (; *str != '\0'; str++)
	{
		int			hi,
					lo;

		if (*str != '%')
		{
			*out++ = *str == '+' ? plus : *str;
			continue;
		}
		hi = hex_value(str[1]);
		lo = hi < 0 ? -1 : hex_value(str[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return false;
		*out++ = (char) (hi * 16 + lo);
		str += 2;
	}
	*out = '\0';
	return true;
}

bool
stbl_percent_decode(char *str)
{
	return decode(str, ' ');
}

bool
stbl_uri_decode(char *str)
{
	return decode(str, '+');
}

void
stbl_redact(char *message, const char *secret)
{
	size_t		len = secret != NULL ? strlen(secret) : 0;
	char	   *at = message;

	/* a secret of a few letters is none, and would be found in any word */
	if (len < 4)
		return;
	while ((at = strstr(at, secret)) != NULL)
		memset(at, '*', len);
}

void
stbl_clean_message(char *message)
{
	size_t		len;

	for (char *c = message; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 127)
			*c = ' ';
	/* a message may have been cut within a character */
	len = strlen(message);
	for (int i = 0; i < 3 && len > 0 && !stbl_utf8_is_valid(message, len); i++)
		message[--len] = '\0';
	if (!stbl_utf8_is_valid(message, len))
		for (char *c = message; *c != '\0'; c++)
			if ((unsigned char) *c >= 128)
				*c = '?';
}
