/* Deletion vectors: bare, stored in a file, inline.  The first byte says which. */
#include <roaring/roaring.h>

#include "common/codec.h"
#include "delta/action.h"
#include "fuzz.h"

/* A bitmap that was accepted is sound: it is written and read again as the same one. */
static void
judge(StblMem *mem, roaring_bitmap_t *bitmap)
{
	StblBuf		out;
	StblError	err;
	roaring_bitmap_t *again;
	uint64_t	n = roaring_bitmap_get_cardinality(bitmap);

	if (n > 0)
		MUST(roaring_bitmap_contains(bitmap, roaring_bitmap_minimum(bitmap)) && roaring_bitmap_contains(bitmap, roaring_bitmap_maximum(bitmap)));
	stbl_buf_init(&out, mem);
	stbl_dv_encode(bitmap, &out);
	again = stbl_dv_decode(out.data, out.len, &err);
	MUST(again != NULL && roaring_bitmap_equals(bitmap, again) && roaring_bitmap_get_cardinality(again) == n);
	roaring_bitmap_free(again);
	roaring_bitmap_free(bitmap);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	roaring_bitmap_t *bitmap;
	StblError	err;
	StblDv		dv;

	if (size < 9)
		return;
	memset(&dv, 0, sizeof(dv));
	memcpy(&dv.cardinality, data + 1, 4);
	memcpy(&dv.size_bytes, data + 5, 4);
	if (data[0] % 3 == 0)
		bitmap = stbl_dv_decode(data + 9, size - 9, &err);
	else if (data[0] % 3 == 1)
	{
		/* with a length and a checksum that fit, so that more than these is tried */
		StblBuf		stored;

		stbl_buf_init(&stored, mem);
		stbl_buf_u32be(&stored, (uint32_t) (size - 9));
		stbl_buf_append(&stored, data + 9, size - 9);
		stbl_buf_u32be(&stored, stbl_crc32(0, data + 9, size - 9));
		dv.storage = 'u';
		dv.size_bytes = data[0] & 64 ? dv.size_bytes : (int64_t) size - 9;
		bitmap = stbl_dv_decode_stored(&dv, stored.data, stored.len, &err);
	}
	else
	{
		dv.storage = 'i';
		dv.path_or_inline = stbl_strndup(mem, (const char *) data + 9, size - 9);
		bitmap = stbl_dv_decode_inline(mem, &dv, &err);
	}
	if (bitmap != NULL)
		judge(mem, bitmap);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
