/* Filling an StblError (common/error.h). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

/*
 * Formats into a field of an error.  A text too long is cut, and cut between
 * characters: half a character would be rejected on its way to the client.
 */
static void __attribute__((format(printf, 3, 0)))
format_field(char *field, size_t size, const char *fmt, va_list args)
{
	int			len = vsnprintf(field, size, fmt, args);
	size_t		start;
	size_t		width;

	if (len < 0)
	{
		field[0] = '\0';
		return;
	}
	if ((size_t) len < size)
		return;
	start = size - 1;
	while (start > 0 && ((uint8_t) field[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;
	start--;
	if ((uint8_t) field[start] < 0xc0)
		return;
	width = (uint8_t) field[start] >= 0xf0 ? 4 : (uint8_t) field[start] >= 0xe0 ? 3 : 2;
	if (start + width > size - 1)
		field[start] = '\0';
}

bool
stbl_fail(StblError *err, StblErrorKind kind, const char *fmt,...)
{
	va_list		args;
	char		message[sizeof(err->message)];

	/* formatted aside first: the arguments may be the fields being replaced */
	va_start(args, fmt);
	format_field(message, sizeof(message), fmt, args);
	va_end(args);
	err->kind = kind;
	strcpy(err->message, message);
	err->detail[0] = '\0';
	err->hint[0] = '\0';
	return false;
}

void
stbl_error_detail(StblError *err, const char *fmt,...)
{
	va_list		args;
	char		detail[sizeof(err->detail)];

	va_start(args, fmt);
	format_field(detail, sizeof(detail), fmt, args);
	va_end(args);
	strcpy(err->detail, detail);
}

void
stbl_error_hint(StblError *err, const char *fmt,...)
{
	va_list		args;
	char		hint[sizeof(err->hint)];

	va_start(args, fmt);
	format_field(hint, sizeof(hint), fmt, args);
	va_end(args);
	strcpy(err->hint, hint);
}
