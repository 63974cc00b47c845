/* Our domains in the manifest. */
#include "delta/guard.h"
#include "fuzz.h"

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	char	   *text = stbl_strndup(mem, (const char *) data, size);
	StblGuard	guard,
				again;
	StblError	err;
	char	   *one,
			   *two;

	if (!stbl_guard_parse(mem, text, &guard, &err))
		return;
	one = stbl_guard_write(mem, &guard);
	MUST(stbl_guard_parse(mem, one, &again, &err));
	two = stbl_guard_write(mem, &again);
	MUST(strcmp(one, two) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
