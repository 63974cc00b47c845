/* Shared by the files of this room only. */
#ifndef STBL_PARQUET_INT_H
#define STBL_PARQUET_INT_H

#include "parquet/parquet.h"

/* PLAIN values are little-endian: they are copied as they lie in memory. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the Parquet codec needs a little-endian machine"
#endif

/* Values of parquet.thrift. */
#define STBL_PQ_ENC_PLAIN 0
#define STBL_PQ_ENC_PLAIN_DICTIONARY 2
#define STBL_PQ_ENC_RLE 3
#define STBL_PQ_ENC_DELTA_BINARY_PACKED 5
#define STBL_PQ_ENC_DELTA_LENGTH_BYTE_ARRAY 6
#define STBL_PQ_ENC_DELTA_BYTE_ARRAY 7
#define STBL_PQ_ENC_RLE_DICTIONARY 8
#define STBL_PQ_ENC_BYTE_STREAM_SPLIT 9

#define STBL_PQ_PAGE_DATA 0
#define STBL_PQ_PAGE_INDEX 1
#define STBL_PQ_PAGE_DICTIONARY 2
#define STBL_PQ_PAGE_DATA_V2 3

#define STBL_PQ_STAT_BYTES 64	/* longer bounds are truncated */

/* A chunk's part of the page index: a page takes some 20 bytes of it. */
#define STBL_PQ_MAX_INDEX_BYTES (INT64_C(1) << 26)

/* An uncompressed page: no larger one is written, for none is read. */
#define STBL_PQ_MAX_PAGE_BYTES (INT64_C(1) << 30)

/*
 * Decoded values of one chunk: a dictionary of long strings and a few bits a
 * value, or a run of nulls of a wide type, could ask for any amount.
 */
#define STBL_PQ_MAX_CHUNK_BYTES (UINT64_C(1) << 32)

/*
 * A run of any length takes five bytes, so levels prove little; but beyond
 * 2^26 of them a chunk must have a byte for each 1024.  Writers that cut
 * pages of 20000 rows need one for 400 at most.
 */
#define STBL_PQ_MAX_LEVELS(chunk_bytes) ((UINT64_C(1) << 26) + (uint64_t) (chunk_bytes) * 1024)

/* A data page as the writer remembers it for the page index. */
typedef struct StblPqOutPage
{
	uint64_t	offset;
	uint32_t	length;			/* header included */
	int64_t		first_row;		/* of its row group */
	bool		all_null;
	StblPqStats stats;
} StblPqOutPage;

/* A chunk as the writer remembers it for the footer. */
typedef struct StblPqOutChunk
{
	int			n_pages;		/* data pages; none are kept for a plain file */
	int			pages_cap;
	StblPqOutPage *pages;
	StblPqExtent column_index;	/* length 0: none was written */
	StblPqExtent offset_index;
	uint64_t	dict_offset;	/* 0: none */
	uint64_t	data_offset;
	uint64_t	compressed;
	uint64_t	uncompressed;
	int64_t		n_values;
	bool		has_dict;
	int			encoding;		/* of the data pages */
	StblPqCodec codec;
	StblPqStats stats;
} StblPqOutChunk;

typedef struct StblPqOutGroup
{
	int64_t		n_rows;
	uint64_t	offset;
	uint64_t	compressed;
	uint64_t	uncompressed;
	StblPqOutChunk *chunks;
} StblPqOutGroup;

/* index_write.c: the page index of all chunks, behind the last row group; base: offset in the file of out's byte 0 */
extern void stbl_pq_write_index(StblBuf *out, uint64_t base, const StblPqSchema *schema, StblPqOutGroup *groups, int n_groups);

/* footer_write.c */
extern void stbl_pq_write_footer(StblBuf *out, const StblPqSchema *schema, const StblPqOutGroup *groups, int n_groups,
								 int64_t n_rows, const char *created_by);

/*
 * footer.c: makes min and max, of the lengths that s has, bounds of s; false,
 * with s as it was, where they order otherwise than the type does, or cannot
 * be values of it.
 */
extern bool stbl_pq_take_bounds(StblMem *mem, const StblPqMeta *meta, int leaf, const uint8_t *min, const uint8_t *max, StblPqStats *s);

/* footer_schema.c */
extern bool stbl_pq_parse_schema(StblMem *mem, StblCursor *cur, StblPqSchema *schema, StblError *err);

/* rle.c: the hybrid of run lengths and bit packing */
extern int	stbl_pq_bit_width(uint32_t max);
extern void stbl_pq_rle_encode_u8(StblBuf *out, const uint8_t *values, size_t n, int width);
extern void stbl_pq_rle_encode_u32(StblBuf *out, const uint32_t *values, size_t n, int width);

/* values handed over at once: a batch stays in the fastest cache */
#define STBL_PQ_BATCH 1024

/* A hybrid being read piece by piece. */
typedef struct StblPqRuns
{
	StblCursor *cur;
	int			width;
	bool		is_packed;		/* of the run at hand: */
	uint64_t	left;			/* values */
	uint32_t	value;			/* not packed */
	const uint8_t *bytes;		/* packed */
	size_t		n_bytes;
} StblPqRuns;

extern void stbl_pq_runs_begin(StblPqRuns *runs, StblCursor *cur, int width);

/*
 * The next values, at most wanted of them: how many, 0 on malformed input.
 * They are in batch, or, with is_run set, all equal to batch[0].  wanted is
 * all that is to come: what the last call leaves of a packed run is lost.
 */
extern size_t stbl_pq_runs_next(StblPqRuns *runs, size_t wanted, uint32_t *batch, bool *is_run);

/* Decodes exactly n values of up to 32 bits; false on malformed input. */
extern bool stbl_pq_rle_decode(StblCursor *cur, int width, uint32_t *out, size_t n);
extern bool stbl_pq_rle_decode_u8(StblCursor *cur, int width, uint8_t *out, size_t n);

/* unpack.c: n values of width bits each; p has len bytes, enough for them */
extern void stbl_pq_unpack32(const uint8_t *p, size_t len, int width, uint32_t *out, size_t n);	/* width 0 to 32 */
extern void stbl_pq_unpack64(const uint8_t *p, size_t len, int width, uint64_t *out, size_t n); /* width 0 to 64 */
extern void stbl_pq_unpack_bits(const uint8_t *p, uint8_t *out, size_t n);

/*
 * stats_write.c.  Of values [first, first + n), or, where pick is given, of
 * the n it lists (text and binaries of any kind alone); bounds are whole
 * until they are cut.
 */
extern void stbl_pq_stats_of(StblMem *mem, const StblPqNode *leaf, const StblVec *values, size_t first, const uint32_t *pick,
							 size_t n, StblPqStats *stats);
extern void stbl_pq_stats_cut(StblMem *mem, const StblPqNode *leaf, StblPqStats *stats);
extern void stbl_pq_stats_merge(StblMem *mem, const StblPqNode *leaf, StblPqStats *into, const StblPqStats *from, bool first);
extern int	stbl_pq_compare_bounds(const StblPqNode *leaf, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* encode.c */
extern void stbl_pq_encode_levels(StblBuf *out, const uint8_t *levels, size_t n, int max);
extern void stbl_pq_encode_plain(StblBuf *out, const StblVec *values, size_t first, size_t n);
extern uint64_t stbl_pq_plain_size(const StblVec *values, size_t first, size_t n);

/* encode_delta.c: of kind I32 or I64; of kind BYTES */
extern void stbl_pq_encode_deltas(StblBuf *out, const StblVec *values, size_t first, size_t n);
extern void stbl_pq_encode_delta_lengths(StblBuf *out, const StblVec *values, size_t first, size_t n);

/* compress.c */
typedef struct StblPqCompressor
{
	StblPqCodec codec;			/* ZSTD or UNCOMPRESSED */
	int			level;
	struct ZSTD_CCtx_s *zstd;
	StblBuf		out;
} StblPqCompressor;

extern void stbl_pq_compressor_init(StblPqCompressor *c, StblMem *mem, StblPqCodec codec, int level);
extern bool stbl_pq_compress(StblPqCompressor *c, const uint8_t *data, size_t len, StblError *err);	/* into c->out */

/* dict.c: a dictionary under construction; its memory serves chunk after chunk. */
typedef struct StblPqDict
{
	StblMem    *mem;
	uint32_t   *codes;			/* one a value */
	size_t		codes_cap;
	struct StblPqDictSlot *slots;
	size_t		slots_cap;
	size_t		n_slots;		/* in use, a power of two */
	bool		has_entries;
	StblVec		entries;		/* the values, in order of first appearance */
	int			width;			/* bits a code */
	uint8_t    *is_used;		/* one an entry: for stbl_pq_dict_used */
	uint32_t   *used;
	size_t		used_cap;
} StblPqDict;

/* Whether a dictionary pays for these values; if so codes and entries are set. */
extern bool stbl_pq_dict_build(StblPqDict *dict, const StblVec *values);
extern void stbl_pq_dict_end(StblPqDict *dict);	/* frees entries */

/* The entries that values [first, first + n) are, into dict->used; how many. */
extern size_t stbl_pq_dict_used(StblPqDict *dict, size_t first, size_t n);

/* choose.c: page is scratch; dict NULL: none was built */
typedef struct StblPqChoice
{
	int			encoding;
	StblPqCodec codec;
} StblPqChoice;

extern StblPqChoice stbl_pq_choose(StblPqCompressor *c, const StblVec *values, const StblPqDict *dict, bool plain_only, StblBuf *page);

/* page.c: the header of a page; -1 or false: not said */
typedef struct StblPqPage
{
	int64_t		type;
	int64_t		size;			/* uncompressed */
	int64_t		stored;			/* compressed */
	bool		has_crc;
	uint32_t	crc;
	bool		has_inner;		/* the struct of its type is there */
	int64_t		n_values;
	int64_t		n_nulls;		/* version 2 */
	int64_t		encoding;
	int64_t		def_encoding;
	int64_t		rep_encoding;
	int64_t		def_len;		/* version 2 */
	int64_t		rep_len;
	bool		is_compressed;
} StblPqPage;

extern bool stbl_pq_parse_page(StblCursor *cur, StblPqPage *h);

/* decode.c: appending n values to out, every slot valid; cur is left behind them */
extern bool stbl_pq_decode_plain(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);
extern bool stbl_pq_decode_dictionary(StblCursor *cur, const StblVec *dict, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);
extern bool stbl_pq_decode_split(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);
extern bool stbl_pq_decode_booleans(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);

extern bool stbl_pq_codes_below(const uint32_t *codes, size_t n, size_t limit);
extern bool stbl_pq_bad_codes(const StblPqNode *leaf, StblError *err);
extern bool stbl_pq_no_entry(const StblPqNode *leaf, size_t n, StblError *err);

/* decode_delta.c: likewise; of kind I32 or I64, of BYTES, of BYTES or FIXED */
extern bool stbl_pq_decode_deltas(StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);
extern bool stbl_pq_decode_delta_lengths(StblMem *mem, StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);
extern bool stbl_pq_decode_delta_strings(StblMem *mem, StblCursor *cur, const StblPqNode *leaf, StblVec *out, size_t n, StblError *err);

/* reader.c: pages, appended to what was read of a chunk */
typedef struct StblPqChunkReader
{
	StblMem    *mem;
	const StblPqNode *node;
	const StblPqChunk *chunk;
	StblPqLeafData *out;
	size_t		levels_cap;
	StblBuf		page;			/* decompressed */
	bool		has_dict;
	StblVec		dict;
	bool		want_codes;		/* codes instead of values: */
	uint32_t   *codes;			/* of the values so far */
	size_t		n_codes;
	size_t		codes_cap;
	uint64_t	at;				/* offset in the file of the bytes at hand */
	StblError  *err;
} StblPqChunkReader;

extern bool stbl_pq_read_page(StblPqChunkReader *r, StblCursor *cur);
extern void stbl_pq_level_room(StblPqChunkReader *r, size_t n);
extern void stbl_pq_code_room(StblPqChunkReader *r, size_t n);
extern size_t stbl_pq_count_equal(const uint8_t *p, size_t n, uint8_t v);
extern bool stbl_pq_is_dictionary(int64_t encoding);

/* chunk.c: out->values was initialised by the caller, and is empty; of the part, or, where that is NULL, of the whole chunk */
extern bool stbl_pq_decode_chunk(StblMem *mem, const StblPqMeta *meta, int row_group, int leaf, const uint8_t *data, size_t len,
								 const StblPqPart *part, StblPqLeafData *out, StblError *err);

/* assemble.c */
extern bool stbl_pq_column_levels(const StblPqSchema *schema, int leaf, const StblColVec *col, size_t n_rows,
								  StblPqLeafData *data, StblVec *dense, StblBuf *levels, StblError *err);

/* decompress.c: true if in makes exactly out_len bytes */
extern bool stbl_pq_decompress(StblPqCodec codec, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif							/* STBL_PARQUET_INT_H */
