/* Server side of common/: memory contexts, errors, clock, ids, hashes. */
#ifndef STBL_PGMEM_H
#define STBL_PGMEM_H

#include "common/error.h"
#include "common/mem.h"

struct MemoryContextData;
struct roaring_bitmap_s;

/*
 * The allocator on a memory context.  The struct itself lives in cxt too; at
 * most one is made for a context by one caller, and it needs no freeing.
 */
extern StblMem *stbl_mem_in(struct MemoryContextData *cxt);

/*
 * Frees a CRoaring bitmap when cxt is reset or deleted.  The bitmap must not
 * be freed by hand afterwards.
 */
extern void stbl_bitmap_own(struct MemoryContextData *cxt, struct roaring_bitmap_s *bitmap);

/* Raises err by the table of error.h.  Never returns. */
extern void stbl_throw(const StblError *err) __attribute__((noreturn));

/* As a WARNING, for what was survived. */
extern void stbl_warn(const StblError *err);

/*
 * Runs fn(arg) where nothing may be thrown (after a decision, in commit and
 * abort callbacks): an ERROR inside is caught and described in err, and false
 * returned.  Restores what errfinish resets (a session whose
 * InterruptHoldoffCount was lost could never be cancelled again).  FATAL is
 * not caught.
 */
extern bool stbl_guarded(void (*fn) (void *arg), void *arg, StblError *err);

/*
 * Runs fn(arg) and survives what storage or broken bytes make it throw: false
 * with err set, its kind by the SQLSTATE.  A cancel, a shutdown and want of
 * memory go on upwards.  fn may touch nothing but storage and memory.
 */
extern bool stbl_survive(void (*fn) (void *arg), void *arg, StblError *err);

/* Whether an error concerns the session or the server, not the one thing at hand. */
extern bool stbl_error_is_upward(int sqlerrcode);

/* SQLSTATE of a kind. */
extern int	stbl_sqlstate(StblErrorKind kind);

/* Microseconds since the Unix epoch, by this machine's clock. */
extern int64_t stbl_now_us(void);

/* Between Unix-epoch microseconds and a TimestampTz. */
extern int64_t stbl_us_from_timestamptz(int64_t timestamptz);
extern int64_t stbl_timestamptz_from_us(int64_t us);

/*
 * A new 128-bit id: 64-bit Unix milliseconds, 40 random bits of this process,
 * 24-bit sequence; 32 hex digits and NUL.  Ids of one process ascend.
 */
extern void stbl_new_wal_id(char *out33);

/* A random UUID (version 4) in its canonical text. */
extern void stbl_new_uuid(char *out37);

/* SHA-256 as 64 hex digits and NUL. */
extern void stbl_sha256_hex(const void *data, size_t len, char *out65);

#endif							/* STBL_PGMEM_H */
