/* Dropping a table's storage, and what keeps a server or the extension from being dropped. */
#ifndef STBL_DROP_H
#define STBL_DROP_H

#include "wal/settle.h"

/*
 * Deletes all objects of a table but the version that says so; that one goes
 * in a call a day later.  Returns how many were deleted.  55006 while
 * documents are unsettled.
 */
extern int64_t stbl_drop_storage(StblTable *table);

/*
 * Whether a mutation that is witnessed here for this root is still needed: its
 * document is not COMPLETE, or only its PREPARED entry is left.  Fills wal_id.
 */
extern bool stbl_has_unsettled_witness(StblTable *table, char *wal_id);

/* Deletes the witness rows that have served, after the call above; those of forced roll-backs stay as a record. */
extern void stbl_forget_witnesses(StblTable *table);

#endif							/* STBL_DROP_H */
