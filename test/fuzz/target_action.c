/* Versions of the Delta log: what is read can be written, and is read again as the same lines. */
#include "delta/action.h"
#include "fuzz.h"

static void
write_all(StblBuf *out, const StblActions *a)
{
	if (a->has_commit_info)
		stbl_write_commit_info(out, &a->commit_info);
	if (a->protocol != NULL)
		stbl_write_protocol(out, a->protocol);
	if (a->metadata != NULL)
		stbl_write_metadata(out, a->metadata);
	for (int i = 0; i < a->n_adds; i++)
		stbl_write_add(out, &a->adds[i]);
	for (int i = 0; i < a->n_removes; i++)
		stbl_write_remove(out, &a->removes[i]);
	for (int i = 0; i < a->n_domains; i++)
		stbl_write_domain(out, &a->domains[i]);
	for (int i = 0; i < a->n_txns; i++)
		stbl_write_txn(out, &a->txns[i]);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblActions a,
				b;
	StblError	err;
	StblBuf		one,
				two;

	if (!stbl_actions_parse(mem, (const char *) data, size, &a, &err))
		return;

	/* we write no partitions */
	if (a.metadata != NULL && a.metadata->n_partition_columns > 0)
		return;
	stbl_buf_init(&one, mem);
	stbl_buf_init(&two, mem);
	write_all(&one, &a);
	MUST(stbl_actions_parse(mem, (const char *) one.data, one.len, &b, &err));
	write_all(&two, &b);
	MUST(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
