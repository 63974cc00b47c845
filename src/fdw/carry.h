/*
 * Values of stored columns that a foreign table does not declare, carried
 * over by an UPDATE: the new version of a row has them as the old one had.
 *
 * The executor's rows have no place for them, so they are read again by the
 * row's address when it is updated.  Rows mostly come in the order they are
 * stored in: then each row group is decoded once.
 */
#ifndef STBL_CARRY_H
#define STBL_CARRY_H

#include "txn/txn.h"

typedef struct StblCarry StblCarry;

/*
 * Of a statement that sees this snapshot and what the transaction did before
 * curcid.  fields: those to carry, n of them.  Lives in CurrentMemoryContext.
 */
extern StblCarry *stbl_carry_begin(StblTxnTable *tt, StblSnapshot *snapshot, CommandId curcid, const StblField **fields, int n);

/* Finds the row at an address that the statement's scan gave. */
extern void stbl_carry_seek(StblCarry *carry, uint32 file_no, uint32 position);

/* Appends its value of fields[i] to a column of that field. */
extern void stbl_carry_append(StblCarry *carry, int i, StblColVec *to);
extern void stbl_carry_end(StblCarry *carry);

#endif							/* STBL_CARRY_H */
