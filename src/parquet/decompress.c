/* Page decompression by the libraries. */
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "parquet/parquet_int.h"

static bool
gunzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	z_stream	z;
	bool		ok;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, 15 + 32) != Z_OK)
		return false;
	z.next_in = (Bytef *) in;
	z.avail_in = (uInt) in_len;
	z.next_out = out;
	z.avail_out = (uInt) out_len;
	ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
	inflateEnd(&z);
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
			return in_len <= INT32_MAX && out_len <= INT32_MAX && gunzip(in, in_len, out, out_len);
	}
	return false;
}
