/*
 * Fuzz targets: each file target_*.c is one program for libFuzzer.  What an
 * input may do: be read, or give an error.  What it may not: crash, read or
 * write beyond its bytes, hang, or be read in two ways.
 */
#ifndef STBL_FUZZ_H
#define STBL_FUZZ_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAX_HELD ((size_t) 192 << 20)

/*
 * Memory that is forgotten after each input; each block on its own, so that
 * a read past it is seen.  An input that asks for more than the server would
 * find large, but may have, is given up.
 */
typedef struct FuzzBlock
{
	struct FuzzBlock *next,
			   *prev;
	size_t		size;
	size_t		pad;
} FuzzBlock;

static FuzzBlock fuzz_blocks = {&fuzz_blocks, &fuzz_blocks, 0, 0};
static size_t fuzz_held;
static jmp_buf fuzz_too_much;

static void
fuzz_free(StblMem *mem, void *ptr)
{
	FuzzBlock  *b = ptr == NULL ? NULL : (FuzzBlock *) ptr - 1;

	(void) mem;
	if (b == NULL)
		return;
	fuzz_held -= b->size;
	b->prev->next = b->next;
	b->next->prev = b->prev;
	free(b);
}

static void *
fuzz_realloc(StblMem *mem, void *ptr, size_t size)
{
	FuzzBlock  *b;

	if (size > FUZZ_MAX_HELD || fuzz_held + size > FUZZ_MAX_HELD)
		longjmp(fuzz_too_much, 1);
	b = malloc(sizeof(FuzzBlock) + size);
	if (b == NULL)
		abort();
	b->size = size;
	b->next = fuzz_blocks.next;
	b->prev = &fuzz_blocks;
	b->next->prev = b;
	fuzz_blocks.next = b;
	fuzz_held += size;
	if (ptr != NULL)
	{
		size_t		old = ((FuzzBlock *) ptr - 1)->size;

		memcpy(b + 1, ptr, old < size ? old : size);
		fuzz_free(mem, ptr);
	}
	return b + 1;
}

static void *
fuzz_alloc(StblMem *mem, size_t size)
{
	return fuzz_realloc(mem, NULL, size);
}

static StblMem fuzz_arena = {fuzz_alloc, fuzz_realloc, fuzz_free};

/* Runs one input in memory that is all given back. */
static inline int
fuzz_one(void (*run) (StblMem *mem, const uint8_t *data, size_t size), const uint8_t *data, size_t size)
{
	if (setjmp(fuzz_too_much) == 0)
		run(&fuzz_arena, data, size);
	while (fuzz_blocks.next != &fuzz_blocks)
		fuzz_free(NULL, fuzz_blocks.next + 1);
	return 0;
}

/* What must hold of whatever was read. */
#define MUST(cond) do { \
	if (!(cond)) \
	{ \
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

#endif							/* STBL_FUZZ_H */
