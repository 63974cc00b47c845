/*
 * How a chunk is encoded and compressed: by what a sample of it measures in
 * each way, and what reading it costs.
 *
 * Only encodings that all readers of Delta tables read are tried
 * (docs/formats.md).  A page is left uncompressed where compression gains
 * little, so that neither side spends time on it: random numbers, packed
 * deltas.
 */
#include "parquet/parquet_int.h"

#define SAMPLE_VALUES 4096
#define SAMPLE_BYTES ((uint64_t) 64 * 1024)

/* A page is compressed if at most this part of it remains. */
#define PAYS 0.88

/* Sizes are weighed by what readers do with them: codes let them look at each value once, plain values are copied as they are. */
#define WEIGHT_DICTIONARY 0.8
#define WEIGHT_COPIED 0.85

/* Texts without lengths between them take a third of the time to compress, and half of it to read. */
#define WEIGHT_LENGTHS 0.88

typedef struct Best
{
	double		size;
	StblPqChoice choice;
} Best;

static double
compressed_size(StblPqCompressor *c, const StblBuf *page)
{
	StblError	err;

	if (c->codec == STBL_PQ_UNCOMPRESSED || page->len == 0 || !stbl_pq_compress(c, page->data, page->len, &err))
		return (double) page->len;
	return (double) c->out.len;
}

static void
consider(Best *best, int encoding, double plain, double packed, double weight)
{
	bool		pays = packed <= plain * PAYS;
	double		size = (pays ? packed : plain) * weight;

	if (!pays && encoding == STBL_PQ_ENC_PLAIN)
		size *= WEIGHT_COPIED;
	if (best->size >= 0 && size >= best->size)
		return;
	best->size = size;
	best->choice.encoding = encoding;
	best->choice.codec = pays ? STBL_PQ_ZSTD : STBL_PQ_UNCOMPRESSED;
}

/* A stretch from the middle: the first values of a load are often unlike the rest. */
static size_t
sample_of(const StblVec *values, size_t *first)
{
	size_t		n = values->n < SAMPLE_VALUES ? values->n : SAMPLE_VALUES;

	*first = (values->n - n) / 2;
	while (n > 1 && stbl_pq_plain_size(values, *first, n) > SAMPLE_BYTES)
		n /= 2;
	return n;
}

static void
consider_dictionary(Best *best, StblPqCompressor *c, const StblPqDict *dict, size_t first, size_t n, double scale, StblBuf *page)
{
	size_t		n_entries = dict->entries.n;
	double		entries = (double) stbl_pq_plain_size(&dict->entries, 0, n_entries);
	double		part,
				plain,
				packed;

	while (n_entries > 1 && stbl_pq_plain_size(&dict->entries, 0, n_entries) > SAMPLE_BYTES)
		n_entries /= 2;
	stbl_buf_reset(page);
	stbl_pq_encode_plain(page, &dict->entries, 0, n_entries);
	part = page->len > 0 ? entries / (double) page->len : 0;
	plain = entries;
	packed = compressed_size(c, page) * part;
	stbl_buf_reset(page);
	stbl_pq_rle_encode_u32(page, dict->codes + first, n, dict->width);
	plain += (double) page->len * scale;
	packed += compressed_size(c, page) * scale;
	consider(best, STBL_PQ_ENC_RLE_DICTIONARY, plain, packed, WEIGHT_DICTIONARY);
}

StblPqChoice
stbl_pq_choose(StblPqCompressor *c, const StblVec *values, const StblPqDict *dict, bool plain_only, StblBuf *page)
{
	Best		best;
	size_t		first = 0,
				n = sample_of(values, &first);
	double		scale = n > 0 ? (double) values->n / (double) n : 0;

	best.size = -1;
	if (plain_only || n == 0)
	{
		best.choice.encoding = dict != NULL ? STBL_PQ_ENC_RLE_DICTIONARY : STBL_PQ_ENC_PLAIN;
		best.choice.codec = c->codec;
		return best.choice;
	}
	if (dict != NULL)
		consider_dictionary(&best, c, dict, first, n, scale, page);
	stbl_buf_reset(page);
	stbl_pq_encode_plain(page, values, first, n);
	consider(&best, STBL_PQ_ENC_PLAIN, (double) page->len * scale, compressed_size(c, page) * scale, 1);
	if (values->kind == STBL_VEC_I32 || values->kind == STBL_VEC_I64)
	{
		stbl_buf_reset(page);
		stbl_pq_encode_deltas(page, values, first, n);
		consider(&best, STBL_PQ_ENC_DELTA_BINARY_PACKED, (double) page->len * scale, compressed_size(c, page) * scale, 1);
	}
	else if (values->kind == STBL_VEC_BYTES)
	{
		stbl_buf_reset(page);
		stbl_pq_encode_delta_lengths(page, values, first, n);
		consider(&best, STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY, (double) page->len * scale, compressed_size(c, page) * scale, WEIGHT_LENGTHS);
	}
	return best.choice;
}
