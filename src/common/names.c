/* A set of names (names.h). */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/names.h"

void
stbl_names_init(StblNames *set)
{
	memset(set, 0, sizeof(*set));
	set->cxt = CurrentMemoryContext;
}

void
stbl_names_add(StblNames *set, const char *name)
{
	if (set->n == set->cap)
	{
		set->cap = Max(64, set->cap * 2);
		set->names = set->names == NULL ?
			MemoryContextAllocHuge(set->cxt, sizeof(char *) * set->cap) :
			repalloc_huge(set->names, sizeof(char *) * set->cap);
	}
	set->names[set->n++] = MemoryContextStrdup(set->cxt, name);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void
stbl_names_sort(StblNames *set)
{
	if (set->n > 1)
		qsort(set->names, set->n, sizeof(char *), compare_names);
}

bool
stbl_names_have(const StblNames *set, const char *name)
{
	return set->n > 0 && bsearch(&name, set->names, set->n, sizeof(char *), compare_names) != NULL;
}

bool
stbl_names_have_prefix_of(const StblNames *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strncmp(name, set->names[i], strlen(set->names[i])) == 0)
			return true;
	return false;
}
