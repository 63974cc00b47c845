/* Memory of a test that is freed all at once; each block on its own, so that a read past it is seen. */
#ifndef STBL_UNIT_ARENA_H
#define STBL_UNIT_ARENA_H

#include "unit.h"

#include "common/mem.h"

typedef struct Block
{
	struct Block *next;
	struct Block *prev;
	size_t		size;
	size_t		pad;
} Block;

typedef struct Arena
{
	StblMem		mem;
	Block		head;
} Arena;

static void *
arena_alloc(StblMem *mem, size_t size)
{
	Arena	   *arena = (Arena *) mem;
	Block	   *block = malloc(sizeof(Block) + size);

	if (block == NULL)
		abort();
	block->size = size;
	block->next = arena->head.next;
	block->prev = &arena->head;
	block->next->prev = block;
	arena->head.next = block;
	return block + 1;
}

static void
arena_free(StblMem *mem, void *ptr)
{
	Block	   *block;

	(void) mem;
	if (ptr == NULL)
		return;
	block = (Block *) ptr - 1;
	block->next->prev = block->prev;
	block->prev->next = block->next;
	free(block);
}

static void *
arena_realloc(StblMem *mem, void *ptr, size_t size)
{
	void	   *copy = arena_alloc(mem, size);

	if (ptr != NULL)
	{
		size_t		old = ((Block *) ptr - 1)->size;

		memcpy(copy, ptr, old < size ? old : size);
		arena_free(mem, ptr);
	}
	return copy;
}

static void
arena_init(Arena *arena)
{
	arena->mem.alloc = arena_alloc;
	arena->mem.realloc = arena_realloc;
	arena->mem.free = arena_free;
	arena->head.next = arena->head.prev = &arena->head;
}

static void
arena_reset(Arena *arena)
{
	while (arena->head.next != &arena->head)
		arena_free(&arena->mem, arena->head.next + 1);
}

#endif							/* STBL_UNIT_ARENA_H */
