/* State documents: what is read can be written, and is read again as the same text. */
#include "fuzz.h"
#include "wal/statedoc.h"

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblStateDoc doc,
				again;
	StblError	err;
	StblBuf		one,
				two;

	if (!stbl_doc_parse(mem, (const char *) data, size, NULL, &doc, &err))
		return;
	stbl_buf_init(&one, mem);
	stbl_buf_init(&two, mem);
	stbl_doc_write(mem, &one, &doc);
	MUST(stbl_doc_parse(mem, (const char *) one.data, one.len, doc.wal_id, &again, &err));
	stbl_doc_write(mem, &two, &again);
	MUST(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
