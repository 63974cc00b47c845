/*
 * Checkpoints.  An input is a whole file, or, since few changed bytes of a
 * compressed file are a file, what the leaves of one are filled with: levels
 * and values of a few rows.  What is read can be written, and is read again
 * as the same.
 */
#include <sanitizer/lsan_interface.h>

#include "delta/checkpoint.h"
#include "fuzz.h"
#include "parquet/parquet.h"

static const char sample[] =
"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n"
"{\"metaData\":{\"id\":\"m\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{}\",\"partitionColumns\":[],\"configuration\":{\"a\":\"b\"}}}\n"
"{\"add\":{\"path\":\"a\",\"partitionValues\":{},\"size\":1,\"modificationTime\":2,\"dataChange\":true,\"stats\":\"{}\"}}\n"
"{\"remove\":{\"path\":\"r\",\"dataChange\":true}}\n{\"txn\":{\"appId\":\"t\",\"version\":1}}\n"
"{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"{}\",\"removed\":false}}\n";

static void
judge(StblMem *mem, const uint8_t *data, size_t size)
{
	StblActions a,
				b;
	StblError	err;
	StblBuf		out;
	int64_t		n;

	if (!stbl_checkpoint_parse(mem, data, size, &a, &err))
		return;

	/* we write whole ones, without partitions */
	if (a.metadata == NULL || a.protocol == NULL || a.metadata->n_partition_columns > 0)
		return;
	stbl_buf_init(&out, mem);
	if (!stbl_checkpoint_encode(mem, &a, &out, &n, &err))
		return;
	MUST(stbl_checkpoint_parse(mem, out.data, out.len, &b, &err));
	MUST(a.n_adds == b.n_adds && a.n_removes == b.n_removes && a.n_domains == b.n_domains && a.n_txns == b.n_txns);
	for (int i = 0; i < a.n_adds; i++)
		MUST(strcmp(a.adds[i].path, b.adds[i].path) == 0 && a.adds[i].size == b.adds[i].size);
}

static uint8_t
take(const uint8_t **p, const uint8_t *end)
{
	return *p < end ? *(*p)++ : 0;
}

static void
put_value(StblVec *v, const uint8_t **p, const uint8_t *end)
{
	static const char *const words[] = {"", "a", "b/c%20d", "u", "i", "parquet", "deletionVectors", "ab^-aqEH.-t@S}K{vb[*k^"};
	uint8_t		word[8] = {0};

	if (v->kind == STBL_VEC_BYTES)
	{
		uint8_t		w = take(p, end);

		if (w < 200)
			stbl_vec_bytes(v, words[w % 8], strlen(words[w % 8]));
		else
		{
			size_t		len = (size_t) (end - *p) < w - 200u ? (size_t) (end - *p) : w - 200u;

			stbl_vec_bytes(v, *p, len);
			*p += len;
		}
		return;
	}
	word[0] = take(p, end);
	if (v->kind == STBL_VEC_BOOL)
		word[0] &= 1;
	else if (word[0] > 250)
		for (int i = 1; i < 8; i++)
			word[i] = take(p, end);
	stbl_vec_fixed(v, word);
}

static void
fill(StblMem *mem, const StblPqNode *node, size_t n_rows, StblPqLeafData *d, const uint8_t **p, const uint8_t *end)
{
	uint32_t	width;
	StblVecKind kind = stbl_pq_vec_kind(node, &width);

	stbl_vec_init(&d->values, mem, kind, width);
	d->def = node->max_def > 0 ? stbl_alloc(mem, n_rows * 4) : NULL;
	d->rep = node->max_rep > 0 ? stbl_alloc(mem, n_rows * 4) : NULL;
	for (size_t row = 0; row < n_rows; row++)
	{
		int			n = d->rep != NULL ? take(p, end) % 4 + 1 : 1;

		for (int k = 0; k < n; k++)
		{
			uint8_t		def = (uint8_t) (take(p, end) % (node->max_def + 1));

			if (d->rep != NULL)
				d->rep[d->n_levels] = k > 0;
			if (d->def != NULL)
				d->def[d->n_levels] = def;
			d->n_levels++;
			if (def == node->max_def)
				put_value(&d->values, p, end);
		}
	}
}

/* The schema of checkpoints, from one that we write. */
static const StblPqSchema *
checkpoint_schema(void)
{
	static StblPqMeta *meta;
	StblMem    *mem = stbl_mem_malloc();
	StblActions a;
	StblError	err;
	StblBuf		base;
	uint64_t	len;
	int64_t		n;

	if (meta == NULL)
	{
		/* kept for good, with all that was needed to make it */
		__lsan_disable();
		stbl_buf_init(&base, mem);
		MUST(stbl_actions_parse(mem, sample, strlen(sample), &a, &err) && stbl_checkpoint_encode(mem, &a, &base, &n, &err));
		MUST(stbl_pq_footer_length(base.data + base.len - 8, base.len, &len, &err));
		meta = stbl_pq_parse_footer(mem, base.data + base.len - len, (size_t) len, base.len, &err);
		__lsan_enable();
		MUST(meta != NULL);
	}
	return &meta->schema;
}

static void
make(StblMem *mem, const uint8_t *p, const uint8_t *end)
{
	const StblPqSchema *schema = checkpoint_schema();
	StblError	err;
	StblBuf		file;
	StblPqLeafData *leaves = stbl_alloc0(mem, sizeof(StblPqLeafData) * (size_t) schema->n_leaves);
	StblPqWriterOptions options = {STBL_PQ_UNCOMPRESSED, 0, 0, NULL, true, 0};
	StblPqWriter *w = stbl_pq_writer_new(mem, schema, &options);
	size_t		n_rows = take(&p, end) % 8;

	for (int i = 0; i < schema->n_leaves; i++)
		fill(mem, &schema->nodes[schema->leaf_nodes[i]], n_rows, &leaves[i], &p, end);
	stbl_buf_init(&file, mem);
	MUST(stbl_pq_write_leaves(w, n_rows, leaves, &file, &err) && stbl_pq_writer_finish(w, &file, &err));
	judge(mem, file.data, file.len);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	if (size > 4 && memcmp(data, "PAR1", 4) == 0)
		judge(mem, data, size);
	else
		make(mem, data, data + size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
