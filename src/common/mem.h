/*
 * Memory for the pure codecs: an allocator handed down by the caller.
 *
 * A codec neither knows a MemoryContext nor checks for NULL: no function of
 * an StblMem returns NULL.  In the server the allocator is a memory context
 * (common/pgmem.h) and running out of memory is the usual error 53200, which
 * unwinds through our own frames only; in unit tests it is malloc, and
 * running out ends the program.
 */
#ifndef STBL_MEM_H
#define STBL_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct StblMem StblMem;

struct StblMem
{
	void	   *(*alloc) (StblMem *mem, size_t size);
	void	   *(*realloc) (StblMem *mem, void *ptr, size_t size);	/* ptr may be NULL */
	void		(*free) (StblMem *mem, void *ptr);	/* ptr may be NULL */
};

/* The allocator on malloc, for programs that are not the server. */
extern StblMem *stbl_mem_malloc(void);

extern void *stbl_alloc(StblMem *mem, size_t size);
extern void *stbl_alloc0(StblMem *mem, size_t size);

/* n elements of size bytes; an overflowing product never succeeds. */
extern void *stbl_alloc_array(StblMem *mem, size_t n, size_t size);
extern void *stbl_realloc(StblMem *mem, void *ptr, size_t size);
extern void stbl_free(StblMem *mem, void *ptr);
extern char *stbl_strdup(StblMem *mem, const char *str);

/* Copies len bytes and adds a terminating NUL. */
extern char *stbl_strndup(StblMem *mem, const char *str, size_t len);
extern char *stbl_sprintf(StblMem *mem, const char *fmt,...) __attribute__((format(printf, 2, 3)));

/*
 * Says of memory just allocated, not touched yet, that all of it will be
 * filled: the kernel may then give it large pages, which for many megabytes
 * saves most of the time that they cost.  Does nothing for small ones.
 */
extern void stbl_will_fill(void *ptr, size_t size);

#endif							/* STBL_MEM_H */
