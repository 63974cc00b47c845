/* Columns of values in memory. */
#include <string.h>

#include "parquet/vec.h"

#define FIRST_BYTES 64

static uint32_t
kind_width(StblVecKind kind, uint32_t fixed_width)
{
	switch (kind)
	{
		case STBL_VEC_BOOL:
			return 1;
		case STBL_VEC_I32:
		case STBL_VEC_F32:
			return 4;
		case STBL_VEC_I64:
		case STBL_VEC_F64:
			return 8;
		case STBL_VEC_BYTES:
			return 0;
		case STBL_VEC_FIXED:
			return fixed_width;
	}
	return 0;
}

void
stbl_vec_init(StblVec *vec, StblMem *mem, StblVecKind kind, uint32_t fixed_width)
{
	memset(vec, 0, sizeof(*vec));
	vec->mem = mem;
	vec->kind = kind;
	vec->width = kind_width(kind, fixed_width);
	if (kind == STBL_VEC_BYTES)
	{
		vec->offsets = stbl_alloc(mem, sizeof(uint64_t));
		vec->offsets[0] = 0;

		/* never NULL, so that a value of no bytes has an address */
		vec->bytes = stbl_alloc(mem, FIRST_BYTES);
		vec->bytes_cap = FIRST_BYTES;
	}
}

void
stbl_vec_free(StblVec *vec)
{
	stbl_free(vec->mem, vec->valid);
	stbl_free(vec->mem, vec->values);
	stbl_free(vec->mem, vec->offsets);
	stbl_free(vec->mem, vec->bytes);
	memset(vec, 0, sizeof(*vec));
}

void
stbl_vec_reset(StblVec *vec)
{
	vec->n = 0;
	vec->n_null = 0;
}

void
stbl_vec_truncate(StblVec *vec, size_t n)
{
	if (n >= vec->n)
		return;
	for (size_t i = n; i < vec->n; i++)
		vec->n_null -= !vec->valid[i];
	vec->n = n;
}

void
stbl_vec_cut(StblVec *vec, size_t first, size_t n)
{
	size_t		end = first + n;
	size_t		n_after = vec->n - end;

	if (n == 0)
		return;
	memmove(vec->valid + first, vec->valid + end, n_after);
	if (vec->kind == STBL_VEC_BYTES)
	{
		uint64_t	gone = vec->offsets[end] - vec->offsets[first];

		memmove(vec->bytes + vec->offsets[first], vec->bytes + vec->offsets[end], vec->offsets[vec->n] - vec->offsets[end]);
		for (size_t i = 1; i <= n_after; i++)
			vec->offsets[first + i] = vec->offsets[end + i] - gone;
	}
	else
		memmove(vec->values + first * vec->width, vec->values + end * vec->width, n_after * vec->width);
	vec->n -= n;
}

void
stbl_vec_reserve(StblVec *vec, size_t n, size_t n_bytes)
{
	if (n > vec->cap)
	{
		size_t		cap = vec->cap ? vec->cap * 2 : 64;

		if (cap < n)
			cap = n;
		vec->valid = stbl_realloc(vec->mem, vec->valid, cap);
		if (vec->kind == STBL_VEC_BYTES)
			vec->offsets = stbl_realloc(vec->mem, vec->offsets, (cap + 1) * sizeof(uint64_t));
		else
			vec->values = stbl_realloc(vec->mem, vec->values, cap * vec->width + 1);
		vec->cap = cap;
	}
	if (n_bytes > vec->bytes_cap)
	{
		size_t		cap = vec->bytes_cap ? vec->bytes_cap * 2 : 1024;

		if (cap < n_bytes)
			cap = n_bytes;
		vec->bytes = stbl_realloc(vec->mem, vec->bytes, cap);
		vec->bytes_cap = cap;
	}
}

static inline void
room_for_one(StblVec *vec)
{
	if (vec->n == vec->cap)
		stbl_vec_reserve(vec, vec->n + 1, 0);
}

void
stbl_vec_null(StblVec *vec)
{
	room_for_one(vec);
	vec->valid[vec->n] = 0;
	if (vec->kind == STBL_VEC_BYTES)
		vec->offsets[vec->n + 1] = vec->offsets[vec->n];
	else
		memset(vec->values + vec->n * vec->width, 0, vec->width);
	vec->n++;
	vec->n_null++;
}

void
stbl_vec_fixed(StblVec *vec, const void *value)
{
	room_for_one(vec);
	vec->valid[vec->n] = 1;
	switch (vec->width)
	{
		case 1:
			vec->values[vec->n] = *(const uint8_t *) value;
			break;
		case 4:
			memcpy(vec->values + vec->n * 4, value, 4);
			break;
		case 8:
			memcpy(vec->values + vec->n * 8, value, 8);
			break;
		default:
			memcpy(vec->values + vec->n * vec->width, value, vec->width);
	}
	vec->n++;
}

void
stbl_vec_bytes(StblVec *vec, const void *data, size_t len)
{
	uint64_t	at = vec->offsets[vec->n];

	room_for_one(vec);
	if (at + len > vec->bytes_cap)
		stbl_vec_reserve(vec, vec->n + 1, at + len);
	if (len > 0)
		memcpy(vec->bytes + at, data, len);
	vec->valid[vec->n] = 1;
	vec->offsets[++vec->n] = at + len;
}

void
stbl_vec_to_bytes(StblVec *vec)
{
	size_t		width = vec->width;
	uint64_t	at = 0;

	vec->offsets = stbl_alloc_array(vec->mem, vec->cap + 1, sizeof(uint64_t));
	vec->offsets[0] = 0;
	if (vec->values == NULL)
		vec->values = stbl_alloc(vec->mem, FIRST_BYTES);

	/* a null takes no bytes, so what follows one moves down */
	for (size_t i = 0; i < vec->n; i++)
	{
		if (vec->valid[i])
		{
			if (at != i * width)
				memmove(vec->values + at, vec->values + i * width, width);
			at += width;
		}
		vec->offsets[i + 1] = at;
	}
	vec->bytes = vec->values;
	vec->bytes_cap = vec->cap > 0 ? vec->cap * width + 1 : FIRST_BYTES;
	vec->values = NULL;
	vec->kind = STBL_VEC_BYTES;
	vec->width = 0;
}

size_t
stbl_vec_size(const StblVec *vec)
{
	if (vec->kind == STBL_VEC_BYTES)
		return vec->offsets[vec->n] + vec->n * 9;
	return vec->n * (vec->width + 1);
}

void
stbl_colvec_init(StblColVec *col, StblMem *mem, bool is_list, StblVecKind kind, uint32_t fixed_width)
{
	memset(col, 0, sizeof(*col));
	col->is_list = is_list;
	stbl_vec_init(&col->elem, mem, kind, fixed_width);
	if (is_list)
	{
		col->row_offsets = stbl_alloc(mem, sizeof(uint64_t));
		col->row_offsets[0] = 0;
	}
}

void
stbl_colvec_free(StblColVec *col)
{
	StblMem    *mem = col->elem.mem;

	stbl_free(mem, col->row_valid);
	stbl_free(mem, col->row_offsets);
	stbl_vec_free(&col->elem);
	memset(col, 0, sizeof(*col));
}

void
stbl_colvec_reset(StblColVec *col)
{
	stbl_vec_reset(&col->elem);
	col->n_rows = 0;
}

void
stbl_colvec_truncate(StblColVec *col, size_t n_rows)
{
	if (!col->is_list)
		stbl_vec_truncate(&col->elem, n_rows);
	else if (n_rows <= col->n_rows)
		stbl_vec_truncate(&col->elem, col->row_offsets[n_rows]);
	if (n_rows < col->n_rows)
		col->n_rows = n_rows;
}

static void
end_list_row(StblColVec *col, bool valid)
{
	StblMem    *mem = col->elem.mem;

	if (col->n_rows == col->rows_cap)
	{
		size_t		cap = col->rows_cap ? col->rows_cap * 2 : 64;

		col->row_valid = stbl_realloc(mem, col->row_valid, cap);
		col->row_offsets = stbl_realloc(mem, col->row_offsets, (cap + 1) * sizeof(uint64_t));
		col->rows_cap = cap;
	}
	col->row_valid[col->n_rows] = valid;
	col->row_offsets[++col->n_rows] = col->elem.n;
}

void
stbl_colvec_null(StblColVec *col)
{
	if (col->is_list)
		end_list_row(col, false);
	else
	{
		stbl_vec_null(&col->elem);
		col->n_rows++;
	}
}

void
stbl_colvec_end_row(StblColVec *col)
{
	if (col->is_list)
		end_list_row(col, true);
	else
		col->n_rows++;
}

static void
copy_value(StblVec *dst, const StblVec *src, size_t i)
{
	if (!src->valid[i])
		stbl_vec_null(dst);
	else if (src->kind == STBL_VEC_BYTES)
		stbl_vec_bytes(dst, src->bytes + src->offsets[i], src->offsets[i + 1] - src->offsets[i]);
	else
		stbl_vec_fixed(dst, src->values + i * src->width);
}

void
stbl_colvec_copy_row(StblColVec *dst, const StblColVec *src, size_t row)
{
	if (!src->is_list)
	{
		copy_value(&dst->elem, &src->elem, row);
		dst->n_rows++;
		return;
	}
	for (uint64_t i = src->row_offsets[row]; i < src->row_offsets[row + 1]; i++)
		copy_value(&dst->elem, &src->elem, i);
	end_list_row(dst, src->row_valid[row]);
}

size_t
stbl_colvec_size(const StblColVec *col)
{
	return stbl_vec_size(&col->elem) + (col->is_list ? col->n_rows * 9 : 0);
}
