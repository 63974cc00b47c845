/* Shared by the server-side files of this room only. */
#ifndef STBL_WAL_INT_H
#define STBL_WAL_INT_H

#include "wal/settle.h"

/* Oid of a table in the extension's schema; throws 55000 where it is missing. */
extern Oid	stbl_internal_table(const char *name);

/* Domain name of a mutation, palloc'd. */
extern char *stbl_guard_domain(const char *wal_id);

/* A mutation's guard in a snapshot; false: none.  Throws on a broken one. */
extern bool stbl_guard_find(const StblSnapshot *snapshot, const char *wal_id, StblMem *mem, StblGuard *guard);

/* Whether this session has seen the document COMPLETE. */
extern bool stbl_seen_complete(const char *wal_id);

#endif							/* STBL_WAL_INT_H */
