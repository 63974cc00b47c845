/* Schemas of tables: written again, and made a Parquet schema that matches. */
#include "delta/schema.h"
#include "fuzz.h"

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblSchema	schema,
				again;
	StblPqSchema pq;
	StblError	err;
	StblBuf		one,
				two;

	if (!stbl_schema_parse(mem, (const char *) data, size, &schema, &err))
		return;
	stbl_buf_init(&one, mem);
	stbl_buf_init(&two, mem);
	stbl_schema_write(mem, &one, &schema);
	MUST(stbl_schema_parse(mem, (const char *) one.data, one.len, &again, &err));
	stbl_schema_write(mem, &two, &again);
	MUST(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	if (!stbl_schema_to_parquet(mem, &schema, &pq, &err))
		return;
	for (int i = 0; i < schema.n_fields; i++)
	{
		int			leaf;

		MUST(stbl_schema_match_file(&pq, &schema.fields[i], &leaf, &err) && leaf == i);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
