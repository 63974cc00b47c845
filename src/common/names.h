/* A set of names: filled first, then asked. */
#ifndef STBL_NAMES_H
#define STBL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct MemoryContextData;

typedef struct StblNames
{
	struct MemoryContextData *cxt;	/* of the names, too */
	size_t		n;
	size_t		cap;
	char	  **names;
} StblNames;

/* Begins an empty set in CurrentMemoryContext. */
extern void stbl_names_init(StblNames *set);
extern void stbl_names_add(StblNames *set, const char *name);

/* After the last add; then asking costs O(log n). */
extern void stbl_names_sort(StblNames *set);
extern bool stbl_names_have(const StblNames *set, const char *name);

/* Whether a name of the set is the beginning of this one; the set is small and need not be sorted. */
extern bool stbl_names_have_prefix_of(const StblNames *set, const char *name);

#endif							/* STBL_NAMES_H */
