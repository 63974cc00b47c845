/* Statistics of the log: bounds of a column "a" of each type, decimals as text. */
#include <math.h>

#include "delta/bounds.h"
#include "fuzz.h"

static void
decimal(const char *text, int scale)
{
	int64_t		low,
				high;
	bool		exact,
				too;

	if (!stbl_decimal_parse(text, scale, true, &low, &exact) || !stbl_decimal_parse(text, scale, false, &high, &too))
		return;
	MUST(exact == too && (exact ? low == high : high - low == 1));
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	StblField	field;
	StblError	err;
	StblJson   *stats;
	StblBounds	b;

	if (size < 2)
		return;
	memset(&field, 0, sizeof(field));
	field.name = (char *) "a";
	field.scale = data[0] % 39;
	decimal(stbl_strndup(mem, (const char *) data + 1, size - 1), field.scale);
	stats = stbl_json_parse(mem, (const char *) data + 1, size - 1, &err);
	for (int k = STBL_BOOLEAN; k <= STBL_OTHER; k++)
	{
		field.kind = (StblTypeKind) k;
		stbl_bounds_of_stats(stats, &field, &b);
		MUST(b.kind == stbl_bound_kind(&field) && (b.kind != STBL_BOUND_NONE || (!b.has_min && !b.has_max)));
		MUST(b.n_null <= b.n_rows || b.n_null == -1);
		if (b.kind == STBL_BOUND_REAL)
			MUST((!b.has_min || isfinite(b.min.d)) && (!b.has_max || isfinite(b.max.d)));
		if (b.kind == STBL_BOUND_BYTES && b.has_min)
			MUST(b.min.bytes != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
