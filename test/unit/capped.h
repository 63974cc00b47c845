/* An allocator of a test that forgets all at once, and lets no request be huge. */
#ifndef STBL_UNIT_CAPPED_H
#define STBL_UNIT_CAPPED_H

#include "unit.h"

#include "common/mem.h"

typedef struct Block
{
	struct Block *next,
			   *prev;
	size_t		size;
} Block;

static Block blocks = {&blocks, &blocks, 0};
static size_t largest;

static void *
arena_realloc(StblMem *m, void *ptr, size_t size)
{
	Block	   *b = ptr == NULL ? NULL : (Block *) ptr - 1;

	(void) m;
	if (size > largest)
		largest = size;
	if (size > (size_t) 1 << 31)
	{
		printf("Bail out! request of %zu bytes\n", size);
		abort();
	}
	if (b != NULL)
	{
		b->prev->next = b->next;
		b->next->prev = b->prev;
	}
	b = realloc(b, sizeof(Block) + size);
	if (b == NULL)
		abort();
	b->size = size;
	b->next = blocks.next;
	b->prev = &blocks;
	b->next->prev = b;
	blocks.next = b;
	return b + 1;
}

static void *
arena_alloc(StblMem *m, size_t size)
{
	return arena_realloc(m, NULL, size);
}

static void
arena_free(StblMem *m, void *ptr)
{
	Block	   *b = ptr == NULL ? NULL : (Block *) ptr - 1;

	(void) m;
	if (b == NULL)
		return;
	b->prev->next = b->next;
	b->next->prev = b->prev;
	free(b);
}

static void
arena_reset(void)
{
	while (blocks.next != &blocks)
		arena_free(NULL, blocks.next + 1);
}

static StblMem arena = {arena_alloc, arena_realloc, arena_free};

#endif							/* STBL_UNIT_CAPPED_H */
