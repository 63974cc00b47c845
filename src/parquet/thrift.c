/* Thrift's compact protocol. */
#include <string.h>

#include "parquet/thrift.h"

#define MAX_DEPTH 32

void
stbl_tw_field(StblBuf *out, int *last, int id, StblThriftType type)
{
	int			delta = id - *last;

	if (delta > 0 && delta <= 15)
		stbl_buf_u8(out, (uint8_t) (delta << 4 | type));
	else
	{
		stbl_buf_u8(out, (uint8_t) type);
		stbl_buf_zigzag(out, id);
	}
	*last = id;
}

void
stbl_tw_i32(StblBuf *out, int *last, int id, int32_t v)
{
	stbl_tw_field(out, last, id, STBL_T_I32);
	stbl_buf_zigzag(out, v);
}

void
stbl_tw_i64(StblBuf *out, int *last, int id, int64_t v)
{
	stbl_tw_field(out, last, id, STBL_T_I64);
	stbl_buf_zigzag(out, v);
}

void
stbl_tw_bool(StblBuf *out, int *last, int id, bool v)
{
	stbl_tw_field(out, last, id, v ? STBL_T_TRUE : STBL_T_FALSE);
}

void
stbl_tw_binary(StblBuf *out, int *last, int id, const void *data, size_t len)
{
	stbl_tw_field(out, last, id, STBL_T_BINARY);
	stbl_buf_varint(out, len);
	stbl_buf_append(out, data, len);
}

void
stbl_tw_list(StblBuf *out, int *last, int id, StblThriftType elem, size_t n)
{
	stbl_tw_field(out, last, id, STBL_T_LIST);
	if (n < 15)
		stbl_buf_u8(out, (uint8_t) (n << 4 | elem));
	else
	{
		stbl_buf_u8(out, (uint8_t) (0xf0 | elem));
		stbl_buf_varint(out, n);
	}
}

void
stbl_tw_stop(StblBuf *out)
{
	stbl_buf_u8(out, STBL_T_STOP);
}

bool
stbl_tr_field(StblCursor *cur, int *last, StblThriftField *field)
{
	uint8_t		head = stbl_cursor_u8(cur);

	if (cur->failed || head == STBL_T_STOP)
		return false;
	field->type = head & 0x0f;
	if (head >> 4)
		field->id = *last + (head >> 4);
	else
	{
		int64_t		id = stbl_cursor_zigzag(cur);

		if (id < 0 || id > 32767)
			cur->failed = true;
		field->id = (int) id;
	}
	if (field->type > STBL_T_STRUCT || field->id > 32767)
		cur->failed = true;
	*last = field->id;
	return !cur->failed;
}

int64_t
stbl_tr_int(StblCursor *cur)
{
	return stbl_cursor_zigzag(cur);
}

const uint8_t *
stbl_tr_binary(StblCursor *cur, size_t *len)
{
	uint64_t	n = stbl_cursor_varint(cur);

	*len = 0;
	if (cur->failed || n > stbl_cursor_left(cur))
	{
		cur->failed = true;
		return NULL;
	}
	*len = n;
	return stbl_cursor_bytes(cur, n);
}

bool
stbl_tr_list(StblCursor *cur, StblThriftType *elem, size_t *n)
{
	uint8_t		head = stbl_cursor_u8(cur);

	*elem = head & 0x0f;
	*n = head >> 4;
	if (*n == 15)
		*n = stbl_cursor_varint(cur);

	/* Each element takes at least one byte. */
	if (cur->failed || *n > stbl_cursor_left(cur) || *elem > STBL_T_STRUCT || *elem == STBL_T_STOP)
		cur->failed = true;
	return !cur->failed;
}

static void
skip_elements(StblCursor *cur, StblThriftType elem, size_t n, int depth)
{
	for (size_t i = 0; i < n && !cur->failed; i++)
	{
		if (elem == STBL_T_TRUE || elem == STBL_T_FALSE)
			(void) stbl_cursor_u8(cur);
		else
			stbl_tr_skip(cur, elem, depth);
	}
}

void
stbl_tr_skip(StblCursor *cur, StblThriftType type, int depth)
{
	StblThriftType elem;
	StblThriftField field;
	size_t		n;
	int			last = 0;

	if (depth >= MAX_DEPTH)
	{
		cur->failed = true;
		return;
	}
	switch (type)
	{
		case STBL_T_TRUE:
		case STBL_T_FALSE:
			break;
		case STBL_T_BYTE:
			(void) stbl_cursor_u8(cur);
			break;
		case STBL_T_I16:
		case STBL_T_I32:
		case STBL_T_I64:
			(void) stbl_cursor_varint(cur);
			break;
		case STBL_T_DOUBLE:
			(void) stbl_cursor_bytes(cur, 8);
			break;
		case STBL_T_BINARY:
			(void) stbl_tr_binary(cur, &n);
			break;
		case STBL_T_LIST:
		case STBL_T_SET:
			if (stbl_tr_list(cur, &elem, &n))
				skip_elements(cur, elem, n, depth + 1);
			break;
		case STBL_T_MAP:
			n = stbl_cursor_varint(cur);
			if (n == 0 || cur->failed)
				break;
			{
				uint8_t		kv = stbl_cursor_u8(cur);

				if (n > stbl_cursor_left(cur))
					cur->failed = true;
				for (size_t i = 0; i < n && !cur->failed; i++)
				{
					skip_elements(cur, kv >> 4, 1, depth + 1);
					skip_elements(cur, kv & 0x0f, 1, depth + 1);
				}
			}
			break;
		case STBL_T_STRUCT:
			while (stbl_tr_field(cur, &last, &field))
				stbl_tr_skip(cur, field.type, depth + 1);
			break;
		default:
			cur->failed = true;
	}
}
