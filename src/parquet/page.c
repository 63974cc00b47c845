/* Headers of pages: PageHeader of parquet.thrift. */
#include <string.h>

#include "parquet/parquet_int.h"
#include "parquet/thrift.h"

/* A varint may hold more than the 32 bits its type promises. */
static int64_t
int_field(StblCursor *cur, const StblThriftField *f)
{
	int64_t		v = f->type == STBL_T_I32 ? stbl_tr_int(cur) : INT64_MAX;

	if (v < INT32_MIN || v > INT32_MAX)
	{
		cur->failed = true;
		return 0;
	}
	return v;
}

/* DataPageHeader, DictionaryPageHeader, DataPageHeaderV2: the fields have other numbers in each. */
static void
parse_inner(StblCursor *cur, StblPqPage *h, int64_t type)
{
	int			last = 0;
	StblThriftField f;

	h->has_inner = true;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			h->n_values = int_field(cur, &f);
		else if (type != STBL_PQ_PAGE_DATA_V2 && f.id == 2)
			h->encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA && f.id == 3)
			h->def_encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA && f.id == 4)
			h->rep_encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 2)
			h->n_nulls = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 4)
			h->encoding = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 5)
			h->def_len = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 6)
			h->rep_len = int_field(cur, &f);
		else if (type == STBL_PQ_PAGE_DATA_V2 && f.id == 7 && (f.type == STBL_T_TRUE || f.type == STBL_T_FALSE))
			h->is_compressed = f.type == STBL_T_TRUE;
		else
			stbl_tr_skip(cur, f.type, 2);
	}
}

bool
stbl_pq_parse_page(StblCursor *cur, StblPqPage *h)
{
	int			last = 0;
	StblThriftField f;

	memset(h, 0, sizeof(*h));
	h->type = h->size = h->stored = h->n_values = h->encoding = -1;
	h->def_encoding = h->rep_encoding = STBL_PQ_ENC_RLE;
	h->is_compressed = true;
	while (stbl_tr_field(cur, &last, &f))
	{
		if (f.id == 1)
			h->type = int_field(cur, &f);
		else if (f.id == 2)
			h->size = int_field(cur, &f);
		else if (f.id == 3)
			h->stored = int_field(cur, &f);
		else if (f.id == 4 && f.type == STBL_T_I32)
		{
			h->crc = (uint32_t) int_field(cur, &f);
			h->has_crc = true;
		}
		else if (f.type == STBL_T_STRUCT && f.id == (h->type == STBL_PQ_PAGE_DATA ? 5 : h->type == STBL_PQ_PAGE_DICTIONARY ? 7 :
													 h->type == STBL_PQ_PAGE_DATA_V2 ? 8 : -1))
			parse_inner(cur, h, h->type);
		else
			stbl_tr_skip(cur, f.type, 1);
	}
	return !cur->failed && h->type >= 0 && h->size >= 0 && h->stored >= 0;
}
