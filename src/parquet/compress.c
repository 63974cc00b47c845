/* Page compression: one context and one buffer for all pages of a file. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "parquet/parquet_int.h"

/* The context lives in mem: an error leaves nothing behind. */
void
stbl_pq_compressor_init(StblPqCompressor *c, StblMem *mem, StblPqCodec codec, int level)
{
	c->codec = codec;
	c->level = level < ZSTD_maxCLevel() ? level : ZSTD_maxCLevel();
	c->zstd = NULL;
	stbl_buf_init(&c->out, mem);
	if (codec == STBL_PQ_ZSTD)
	{
		size_t		size = ZSTD_estimateCCtxSize(c->level);

		c->zstd = ZSTD_initStaticCCtx(stbl_alloc(mem, size), size);
	}
}

bool
stbl_pq_compress(StblPqCompressor *c, const uint8_t *data, size_t len, StblError *err)
{
	size_t		bound = ZSTD_compressBound(len);
	size_t		got;

	stbl_buf_reset(&c->out);
	(void) stbl_buf_reserve(&c->out, bound);
	got = c->zstd == NULL ? (size_t) -1 : ZSTD_compressCCtx(c->zstd, c->out.data, bound, data, len, c->level);
	if (ZSTD_isError(got))
		return stbl_fail(err, STBL_ERR_LIMIT, "could not compress a Parquet page of %zu bytes: %s", len,
						 c->zstd == NULL ? "no compression context" : ZSTD_getErrorName(got));
	c->out.len = got;
	c->out.data[got] = '\0';
	return true;
}
