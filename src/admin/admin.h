/* Shared by the files of this room. */
#ifndef STBL_ADMIN_H
#define STBL_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

/* Raises 42501 unless the current user owns the relation or is a superuser; 42809 unless it is a supertable. */
extern void stbl_require_owner(unsigned int relid);

/* Raises 42809 unless it is a supertable, 42501 unless the current user may SELECT from it. */
extern void stbl_require_select(unsigned int relid);

/* An Interval as microseconds, a month being 30 days; 22023 for less than minimum_us (0 or 1). */
extern int64_t stbl_interval_us(const char *name, const void *interval, int64_t minimum_us);

/*
 * Raises 25001 in a transaction that has changed a supertable, 25006 in a
 * read-only one unless it is a dry run.
 */
extern void stbl_refuse_where_not_possible(const char *function, bool dry_run);

/* A text Datum of what storage says, which is UTF-8: what this database's encoding cannot hold becomes '?'. */
extern uintptr_t stbl_text_datum(const char *str);

#endif							/* STBL_ADMIN_H */
