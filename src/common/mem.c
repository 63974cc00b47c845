/*
 * Memory of the pure codecs (common/mem.h): the helpers over an StblMem, and
 * the allocator on malloc.
 *
 * No caller checks for NULL, so a size that overflows is turned into one that
 * no allocator can serve and is left to fail the way that allocator fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/mem.h"

static void
give_up(size_t size)
{
	fprintf(stderr, "out of memory: failed on request of size %zu\n", size);
	abort();
}

static void *
malloc_alloc(StblMem *mem, size_t size)
{
	void	   *ptr = malloc(size > 0 ? size : 1);

	(void) mem;
	if (ptr == NULL)
		give_up(size);
	return ptr;
}

static void *
malloc_realloc(StblMem *mem, void *ptr, size_t size)
{
	void	   *result = realloc(ptr, size > 0 ? size : 1);

	(void) mem;
	if (result == NULL)
		give_up(size);
	return result;
}

static void
malloc_free(StblMem *mem, void *ptr)
{
	(void) mem;
	free(ptr);
}

StblMem *
stbl_mem_malloc(void)
{
	static StblMem mem = {malloc_alloc, malloc_realloc, malloc_free};

	return &mem;
}

void *
stbl_alloc(StblMem *mem, size_t size)
{
	return mem->alloc(mem, size);
}

void *
stbl_alloc0(StblMem *mem, size_t size)
{
	void	   *ptr = mem->alloc(mem, size);

	return memset(ptr, 0, size);
}

void *
stbl_alloc_array(StblMem *mem, size_t n, size_t size)
{
	size_t		total;

	if (__builtin_mul_overflow(n, size, &total))
		total = SIZE_MAX;
	return mem->alloc(mem, total);
}

void *
stbl_realloc(StblMem *mem, void *ptr, size_t size)
{
	return mem->realloc(mem, ptr, size);
}

void
stbl_free(StblMem *mem, void *ptr)
{
	mem->free(mem, ptr);
}

char *
stbl_strdup(StblMem *mem, const char *str)
{
	return stbl_strndup(mem, str, strlen(str));
}

char *
stbl_strndup(StblMem *mem, const char *str, size_t len)
{
	char	   *copy = mem->alloc(mem, len < SIZE_MAX ? len + 1 : SIZE_MAX);

	if (len > 0)
		memcpy(copy, str, len);
	copy[len] = '\0';
	return copy;
}

/* Length of the formatted text.  Not inlined: under a sanitizer gcc would then warn of a NULL format. */
static int __attribute__((noinline, format(printf, 1, 0)))
formatted_length(const char *fmt, va_list args)
{
	/* fails only on results beyond INT_MAX */
	return vsnprintf(NULL, 0, fmt, args);
}

char *
stbl_sprintf(StblMem *mem, const char *fmt,...)
{
	va_list		args;
	char	   *str;
	int			len;

	va_start(args, fmt);
	len = formatted_length(fmt, args);
	va_end(args);
	str = mem->alloc(mem, len >= 0 ? (size_t) len + 1 : SIZE_MAX);
	va_start(args, fmt);
	vsnprintf(str, (size_t) len + 1, fmt, args);
	va_end(args);
	return str;
}

#define LARGE_PAGE ((uintptr_t) 2 * 1024 * 1024)

void
stbl_will_fill(void *ptr, size_t size)
{
#ifdef MADV_HUGEPAGE
	uintptr_t	from = ((uintptr_t) ptr + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	uintptr_t	to = ((uintptr_t) ptr + size) / LARGE_PAGE * LARGE_PAGE;

	/* a wish: where it is not granted nothing is lost */
	if (size >= 2 * LARGE_PAGE && from < to)
		(void) madvise((void *) from, to - from, MADV_HUGEPAGE);
#else
	(void) ptr;
	(void) size;
#endif
}
