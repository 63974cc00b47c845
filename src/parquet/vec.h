/*
 * A column of values in memory: what the recorder fills, the writer encodes
 * and the reader returns.  One slot a row; a null's slot is zero or empty.
 */
#ifndef STBL_VEC_H
#define STBL_VEC_H

#include <string.h>

#include "common/buf.h"

typedef enum StblVecKind
{
	STBL_VEC_BOOL,				/* one byte, 0 or 1 */
	STBL_VEC_I32,
	STBL_VEC_I64,
	STBL_VEC_F32,
	STBL_VEC_F64,
	STBL_VEC_BYTES,				/* variable length */
	STBL_VEC_FIXED				/* width bytes each, as stored (big-endian decimals) */
} StblVecKind;

typedef struct StblVec
{
	StblMem    *mem;
	StblVecKind kind;
	uint32_t	width;			/* bytes a value in values; 0 for BYTES */
	size_t		n;
	size_t		cap;
	size_t		n_null;
	uint8_t    *valid;			/* one byte a slot: 1 present, 0 null */
	uint8_t    *values;			/* n * width, native byte order but for FIXED */
	uint64_t   *offsets;		/* BYTES: n + 1 offsets into bytes; offsets[0] = 0 */
	uint8_t    *bytes;
	size_t		bytes_cap;
} StblVec;

/*
 * A table column: plain, or a one-level list.  For a list, elem holds the
 * elements of all rows one after another, row i the slots
 * [row_offsets[i], row_offsets[i + 1]); for a plain column elem is the
 * column, and n_rows = elem.n.
 */
typedef struct StblColVec
{
	bool		is_list;
	StblVec		elem;
	size_t		n_rows;
	size_t		rows_cap;
	uint8_t    *row_valid;		/* list only */
	uint64_t   *row_offsets;	/* list only; n_rows + 1 */
} StblColVec;

extern void stbl_vec_init(StblVec *vec, StblMem *mem, StblVecKind kind, uint32_t fixed_width);
extern void stbl_vec_free(StblVec *vec);
extern void stbl_vec_reset(StblVec *vec);	/* n = 0, keeps memory */
extern void stbl_vec_truncate(StblVec *vec, size_t n);
extern void stbl_vec_cut(StblVec *vec, size_t first, size_t n); /* removes slots [first, first + n); no nulls among them */
extern void stbl_vec_reserve(StblVec *vec, size_t n, size_t n_bytes);
extern void stbl_vec_null(StblVec *vec);
extern void stbl_vec_fixed(StblVec *vec, const void *value);	/* width bytes */
extern void stbl_vec_bytes(StblVec *vec, const void *data, size_t len);
extern size_t stbl_vec_size(const StblVec *vec);	/* bytes of payload held */

/* Makes a FIXED vector one of BYTES with the same values, in its own memory. */
extern void stbl_vec_to_bytes(StblVec *vec);

/* One value of four or of eight bytes, inline: what a load spends its time on. */
static inline void
stbl_vec_put4(StblVec *vec, const void *value)
{
	if (vec->n == vec->cap)
		stbl_vec_reserve(vec, vec->n + 1, 0);
	vec->valid[vec->n] = 1;
	memcpy(vec->values + vec->n * 4, value, 4);
	vec->n++;
}

static inline void
stbl_vec_put8(StblVec *vec, const void *value)
{
	if (vec->n == vec->cap)
		stbl_vec_reserve(vec, vec->n + 1, 0);
	vec->valid[vec->n] = 1;
	memcpy(vec->values + vec->n * 8, value, 8);
	vec->n++;
}

extern void stbl_colvec_init(StblColVec *col, StblMem *mem, bool is_list, StblVecKind kind, uint32_t fixed_width);
extern void stbl_colvec_free(StblColVec *col);
extern void stbl_colvec_reset(StblColVec *col);
extern void stbl_colvec_truncate(StblColVec *col, size_t n_rows);
extern void stbl_colvec_null(StblColVec *col);	/* a null row */

/*
 * For a list row: append its elements to elem, then end it.  For a plain
 * column: append one value to elem, then end the row.
 */
extern void stbl_colvec_end_row(StblColVec *col);
extern size_t stbl_colvec_size(const StblColVec *col);

/* Appends row `row` of src, which has the same kinds. */
extern void stbl_colvec_copy_row(StblColVec *dst, const StblColVec *src, size_t row);

#endif							/* STBL_VEC_H */
