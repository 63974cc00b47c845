/* A growable byte buffer, and a bounded cursor over bytes nobody trusts. */
#ifndef STBL_BUF_H
#define STBL_BUF_H

#include "common/mem.h"

typedef struct StblBuf
{
	StblMem    *mem;
	uint8_t    *data;			/* always followed by a NUL beyond len */
	size_t		len;
	size_t		cap;
} StblBuf;

extern void stbl_buf_init(StblBuf *buf, StblMem *mem);
extern void stbl_buf_free(StblBuf *buf);
extern void stbl_buf_reset(StblBuf *buf);	/* empties, keeps the memory */

/* Makes room for more bytes and returns where they go; len is unchanged. */
extern uint8_t *stbl_buf_reserve(StblBuf *buf, size_t more);
extern void stbl_buf_append(StblBuf *buf, const void *data, size_t len);
extern void stbl_buf_puts(StblBuf *buf, const char *str);
extern void stbl_buf_printf(StblBuf *buf, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern void stbl_buf_u8(StblBuf *buf, uint8_t v);
extern void stbl_buf_u16le(StblBuf *buf, uint16_t v);
extern void stbl_buf_u32le(StblBuf *buf, uint32_t v);
extern void stbl_buf_u64le(StblBuf *buf, uint64_t v);
extern void stbl_buf_u32be(StblBuf *buf, uint32_t v);
extern void stbl_buf_varint(StblBuf *buf, uint64_t v);	/* ULEB128 */
extern void stbl_buf_zigzag(StblBuf *buf, int64_t v);	/* zigzag, then ULEB128 */

/*
 * A read past the end, or a malformed varint, sets failed, returns 0 or NULL
 * and leaves the cursor where it was; every later read fails too.  So a
 * decoder may read a whole record and look at failed once, as long as it
 * uses no length before it has looked.
 */
typedef struct StblCursor
{
	const uint8_t *start;
	const uint8_t *pos;
	const uint8_t *end;
	bool		failed;
} StblCursor;

extern void stbl_cursor_init(StblCursor *cur, const void *data, size_t len);
extern size_t stbl_cursor_left(const StblCursor *cur);
extern size_t stbl_cursor_offset(const StblCursor *cur);
extern const uint8_t *stbl_cursor_bytes(StblCursor *cur, size_t len);	/* borrowed */
extern uint8_t stbl_cursor_u8(StblCursor *cur);
extern uint16_t stbl_cursor_u16le(StblCursor *cur);
extern uint32_t stbl_cursor_u32le(StblCursor *cur);
extern uint64_t stbl_cursor_u64le(StblCursor *cur);
extern uint32_t stbl_cursor_u32be(StblCursor *cur);
extern uint64_t stbl_cursor_varint(StblCursor *cur);
extern int64_t stbl_cursor_zigzag(StblCursor *cur);

#endif							/* STBL_BUF_H */
