/* Page decompression by the libraries. */
#include <libdeflate.h>
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zstd.h>

#include "parquet/parquet_int.h"

/* One or more gzip members, or a zlib stream, as some writers do. */
static bool
gunzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	bool		ok = d != NULL;

	if (ok && in_len >= 2 && (in[0] != 0x1f || in[1] != 0x8b))
		ok = libdeflate_zlib_decompress(d, in, in_len, out, out_len, NULL) == LIBDEFLATE_SUCCESS;
	else
		while (ok && in_len > 0)
		{
			size_t		n_in,
						n_out;

			ok = libdeflate_gzip_decompress_ex(d, in, in_len, out, out_len, &n_in, &n_out) == LIBDEFLATE_SUCCESS;
			if (ok)
			{
				in += n_in;
				in_len -= n_in;
				out += n_out;
				out_len -= n_out;
				ok = out_len == 0 || in_len > 0;
			}
		}
	libdeflate_free_decompressor(d);
	return ok;
}

bool
stbl_pq_decompress(StblPqCodec codec, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	size_t		n = out_len;

	switch (codec)
	{
		case STBL_PQ_UNCOMPRESSED:
			if (in_len != out_len)
				return false;
			memcpy(out, in, in_len);
			return true;
		case STBL_PQ_ZSTD:
			return ZSTD_decompress(out, out_len, in, in_len) == out_len;
		case STBL_PQ_SNAPPY:
			return snappy_uncompressed_length((const char *) in, in_len, &n) == SNAPPY_OK && n == out_len &&
				snappy_uncompress((const char *) in, in_len, (char *) out, &n) == SNAPPY_OK && n == out_len;
		case STBL_PQ_LZ4_RAW:
			return in_len <= INT32_MAX && out_len <= INT32_MAX &&
				LZ4_decompress_safe((const char *) in, (char *) out, (int) in_len, (int) out_len) == (int) out_len;
		case STBL_PQ_GZIP:
			return gunzip(in, in_len, out, out_len);
	}
	return false;
}
