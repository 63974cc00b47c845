/*
 * Thrift's compact protocol, as much of it as Parquet's metadata needs.
 * Source: thrift-compact-protocol.md of apache/thrift.
 */
#ifndef STBL_THRIFT_H
#define STBL_THRIFT_H

#include "common/buf.h"

typedef enum StblThriftType
{
	STBL_T_STOP = 0,
	STBL_T_TRUE = 1,
	STBL_T_FALSE = 2,
	STBL_T_BYTE = 3,
	STBL_T_I16 = 4,
	STBL_T_I32 = 5,
	STBL_T_I64 = 6,
	STBL_T_DOUBLE = 7,
	STBL_T_BINARY = 8,
	STBL_T_LIST = 9,
	STBL_T_SET = 10,
	STBL_T_MAP = 11,
	STBL_T_STRUCT = 12
} StblThriftType;

/* ---- writing: field ids must ascend within a struct ---- */

extern void stbl_tw_field(StblBuf *out, int *last, int id, StblThriftType type);
extern void stbl_tw_i32(StblBuf *out, int *last, int id, int32_t v);
extern void stbl_tw_i64(StblBuf *out, int *last, int id, int64_t v);
extern void stbl_tw_bool(StblBuf *out, int *last, int id, bool v);
extern void stbl_tw_binary(StblBuf *out, int *last, int id, const void *data, size_t len);
extern void stbl_tw_list(StblBuf *out, int *last, int id, StblThriftType elem, size_t n);
extern void stbl_tw_stop(StblBuf *out);

/* ---- reading: errors set the cursor's failed ---- */

typedef struct StblThriftField
{
	int			id;
	StblThriftType type;
} StblThriftField;

/* The next field of a struct; false at its end or on failure.  *last starts at 0. */
extern bool stbl_tr_field(StblCursor *cur, int *last, StblThriftField *field);
extern int64_t stbl_tr_int(StblCursor *cur);	/* I16, I32, I64 */
extern const uint8_t *stbl_tr_binary(StblCursor *cur, size_t *len);

/* Header of a list or set; n is bounded by what is left of the bytes. */
extern bool stbl_tr_list(StblCursor *cur, StblThriftType *elem, size_t *n);
extern void stbl_tr_skip(StblCursor *cur, StblThriftType type, int depth);

#endif							/* STBL_THRIFT_H */
