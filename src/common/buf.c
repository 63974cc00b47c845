/*
 * The growable buffer and the bounded cursor (common/buf.h).
 *
 * Invariants of a buffer: len < cap whenever data is not NULL, and data[len]
 * is NUL.  Whoever writes through stbl_buf_reserve and then raises len keeps
 * the second one by raising it by exactly what was reserved, or sets the NUL.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"

#define BUF_FIRST_CAP 64

/* ULEB128 of 64 bits: ten groups of seven, the last of which holds one bit */
#define VARINT_MAX_LEN 10

void
stbl_buf_init(StblBuf *buf, StblMem *mem)
{
	buf->mem = mem;
	buf->len = 0;
	buf->cap = BUF_FIRST_CAP;
	buf->data = stbl_alloc(mem, BUF_FIRST_CAP);
	buf->data[0] = '\0';
}

void
stbl_buf_free(StblBuf *buf)
{
	stbl_free(buf->mem, buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->cap = 0;
}

void
stbl_buf_reset(StblBuf *buf)
{
	buf->len = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

uint8_t *
stbl_buf_reserve(StblBuf *buf, size_t more)
{
	size_t		need;

	if (__builtin_add_overflow(buf->len, more, &need) || need == SIZE_MAX)
		need = SIZE_MAX;
	else
		need++;
	if (need > buf->cap)
	{
		size_t		cap = buf->cap > 0 ? buf->cap : BUF_FIRST_CAP;

		if (cap <= SIZE_MAX / 2)
			cap *= 2;
		if (cap < need)
			cap = need;
		buf->data = stbl_realloc(buf->mem, buf->data, cap);
		buf->cap = cap;
		buf->data[buf->len] = '\0';
	}
	/* so that raising len by all of more keeps the NUL */
	buf->data[buf->len + more] = '\0';
	return buf->data + buf->len;
}

void
stbl_buf_append(StblBuf *buf, const void *data, size_t len)
{
	uint8_t    *to = stbl_buf_reserve(buf, len);

	if (len > 0)
		memcpy(to, data, len);
	buf->len += len;
}

void
stbl_buf_puts(StblBuf *buf, const char *str)
{
	stbl_buf_append(buf, str, strlen(str));
}

/* Length of the formatted text.  Not inlined: under a sanitizer gcc would then warn of a NULL format. */
static int __attribute__((noinline, format(printf, 1, 0)))
formatted_length(const char *fmt, va_list args)
{
	/* fails only on results beyond INT_MAX */
	return vsnprintf(NULL, 0, fmt, args);
}

void
stbl_buf_printf(StblBuf *buf, const char *fmt,...)
{
	va_list		args;
	uint8_t    *to;
	int			len;

	va_start(args, fmt);
	len = formatted_length(fmt, args);
	va_end(args);
	to = stbl_buf_reserve(buf, len >= 0 ? (size_t) len : SIZE_MAX);
	va_start(args, fmt);
	vsnprintf((char *) to, (size_t) len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t) len;
}

/* Appends the low n bytes of v, least significant first. */
static void
append_le(StblBuf *buf, uint64_t v, size_t n)
{
	uint8_t    *to = stbl_buf_reserve(buf, n);
	size_t		i;

	for (i = 0; i < n; i++)
		to[i] = (uint8_t) (v >> (8 * i));
	buf->len += n;
}

void
stbl_buf_u8(StblBuf *buf, uint8_t v)
{
	append_le(buf, v, 1);
}

void
stbl_buf_u16le(StblBuf *buf, uint16_t v)
{
	append_le(buf, v, 2);
}

void
stbl_buf_u32le(StblBuf *buf, uint32_t v)
{
	append_le(buf, v, 4);
}

void
stbl_buf_u64le(StblBuf *buf, uint64_t v)
{
	append_le(buf, v, 8);
}

void
stbl_buf_u32be(StblBuf *buf, uint32_t v)
{
	append_le(buf, __builtin_bswap32(v), 4);
}

void
stbl_buf_varint(StblBuf *buf, uint64_t v)
{
	uint8_t		bytes[VARINT_MAX_LEN];
	size_t		n = 0;

	while (v >= 0x80)
	{
		bytes[n++] = (uint8_t) (v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (uint8_t) v;
	stbl_buf_append(buf, bytes, n);
}

void
stbl_buf_zigzag(StblBuf *buf, int64_t v)
{
	stbl_buf_varint(buf, ((uint64_t) v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void
stbl_cursor_init(StblCursor *cur, const void *data, size_t len)
{
	/* a NULL start would make the arithmetic on it undefined */
	cur->start = data != NULL ? data : (const void *) "";
	cur->pos = cur->start;
	cur->end = cur->start + (data != NULL ? len : 0);
	cur->failed = data == NULL && len > 0;
}

size_t
stbl_cursor_left(const StblCursor *cur)
{
	return (size_t) (cur->end - cur->pos);
}

size_t
stbl_cursor_offset(const StblCursor *cur)
{
	return (size_t) (cur->pos - cur->start);
}

const uint8_t *
stbl_cursor_bytes(StblCursor *cur, size_t len)
{
	const uint8_t *bytes = cur->pos;

	if (cur->failed || len > (size_t) (cur->end - cur->pos))
	{
		cur->failed = true;
		return NULL;
	}
	cur->pos += len;
	return bytes;
}

static uint64_t
read_le(StblCursor *cur, size_t n)
{
	const uint8_t *bytes = stbl_cursor_bytes(cur, n);
	uint64_t	v = 0;
	size_t		i;

	if (bytes == NULL)
		return 0;
	for (i = 0; i < n; i++)
		v |= (uint64_t) bytes[i] << (8 * i);
	return v;
}

uint8_t
stbl_cursor_u8(StblCursor *cur)
{
	return (uint8_t) read_le(cur, 1);
}

uint16_t
stbl_cursor_u16le(StblCursor *cur)
{
	return (uint16_t) read_le(cur, 2);
}

uint32_t
stbl_cursor_u32le(StblCursor *cur)
{
	return (uint32_t) read_le(cur, 4);
}

uint64_t
stbl_cursor_u64le(StblCursor *cur)
{
	return read_le(cur, 8);
}

uint32_t
stbl_cursor_u32be(StblCursor *cur)
{
	return __builtin_bswap32((uint32_t) read_le(cur, 4));
}

uint64_t
stbl_cursor_varint(StblCursor *cur)
{
	const uint8_t *p = cur->pos;
	uint64_t	v = 0;
	int			shift;

	if (cur->failed)
		return 0;
	for (shift = 0; shift < 7 * VARINT_MAX_LEN && p < cur->end; shift += 7)
	{
		uint8_t		byte = *p++;

		/* the tenth byte has room for the top bit only */
		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			cur->pos = p;
			return v;
		}
	}
	cur->failed = true;
	return 0;
}

int64_t
stbl_cursor_zigzag(StblCursor *cur)
{
	uint64_t	v = stbl_cursor_varint(cur);

	return (int64_t) ((v >> 1) ^ ((v & 1) ? UINT64_MAX : 0));
}
