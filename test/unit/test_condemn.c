/* Domains supertable.gc and supertable.dropped (delta/condemn.h). */
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "unit.h"

#include "delta/condemn.h"

static Arena arena;

/* Text of a length of its own, so that a read past it is seen. */
static bool
parse_cutoff(const char *text, size_t len, StblCutoff *out, StblError *err)
{
	char	   *copy = arena_alloc(&arena.mem, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return stbl_cutoff_parse(&arena.mem, copy, out, err);
}

static void
test_cutoff(void)
{
	static const char text[] = "{\"cutoff\":\"2026-11-25T10:00:00.000001Z\",\"at\":\"2026-11-25T11:00:00.000000Z\"}";
	static const char more[] = "{\"cutoff\":\"2026-11-25T10:00:00Z\",\"at\":\"2026-11-25T10:00:00Z\",\"new\":[1]}";
	static const char *const bad[] = {
		"", "[]", "7", "{}", "{\"cutoff\":7,\"at\":8}", "{\"cutoff\":\"2026-11-25T10:00:00Z\"}",
		"{\"at\":\"2026-11-25T10:00:00Z\"}", "{\"cutoff\":\"yesterday\",\"at\":\"2026-11-25T10:00:00Z\"}",
	};
	StblCutoff	cutoff;
	StblError	err;
	bool		cut = true;

	OK(parse_cutoff(text, strlen(text), &cutoff, &err) && cutoff.at_us - cutoff.cutoff_us == INT64_C(3600000000) - 1,
	   "a cutoff is read");
	OK(strcmp(stbl_cutoff_write(&arena.mem, &cutoff), text) == 0, "... and written as it was read");
	OK(parse_cutoff(more, strlen(more), &cutoff, &err),
	   "unknown keys are tolerated");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		OK(!parse_cutoff(bad[i], strlen(bad[i]), &cutoff, &err) && err.kind == STBL_ERR_CORRUPT, "refused: %s", bad[i]);
	for (size_t i = 0; i < strlen(text); i++)
		cut = cut && !parse_cutoff(text, i, &cutoff, &err);
	OK(cut, "cut short at any byte it is refused");
	for (size_t i = 0; i < strlen(text) * 8; i++)
	{
		char		flipped[sizeof(text)];

		memcpy(flipped, text, sizeof(text));
		flipped[i / 8] ^= (char) (1 << (i % 8));
		(void) parse_cutoff(flipped, strlen(text), &cutoff, &err);
	}
	OK(true, "any flipped bit is read or refused");
	arena_reset(&arena);
}

static void
test_dropped(void)
{
	int64_t		at_us;
	StblError	err;
	char	   *text = stbl_dropped_write(&arena.mem, INT64_C(1764064800000001));

	OK(stbl_dropped_parse(&arena.mem, text, &at_us, &err) && at_us == INT64_C(1764064800000001), "a marker of dropped storage");
	OK(!stbl_dropped_parse(&arena.mem, "{}", &at_us, &err) && err.kind == STBL_ERR_CORRUPT &&
	   strstr(err.message, "supertable.dropped") != NULL, "one without a time is refused, by its name");
	arena_reset(&arena);
}

int
main(void)
{
	arena_init(&arena);
	test_cutoff();
	test_dropped();
	DONE();
}
