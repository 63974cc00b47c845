/* Shared by the files of this room. */
#ifndef STBL_FDW_H
#define STBL_FDW_H

#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"

#include "fdw/datum.h"
#include "txn/txn.h"

/* plan.c */
extern void stbl_fdw_plan_routines(FdwRoutine *routine);

/*
 * fdw_private of a scan: the columns it returns (a list of attribute
 * numbers), and its filter (see filter.h), whose constants are in fdw_exprs.
 */
#define STBL_PRIVATE_ATTRS 0
#define STBL_PRIVATE_FILTER 1

/* scan.c */
extern void stbl_fdw_scan_routines(FdwRoutine *routine);

/* modify.c */
extern void stbl_fdw_modify_routines(FdwRoutine *routine);

/* lacking.c: tells the session, once, of a column that storage lacks. */
extern void stbl_note_lacking(StblTxnTable *tt, Relation rel, const StblColumn *column);

/* truncate.c */
extern void stbl_fdw_truncate_routines(FdwRoutine *routine);

/* analyze.c, import.c */
extern void stbl_fdw_analyze_routines(FdwRoutine *routine);
extern void stbl_fdw_import_routines(FdwRoutine *routine);

/* simple.c */
extern bool stbl_statement_is_simple(EState *estate, ResultRelInfo *rinfo);

/* This transaction's record of a relation, accessed as userid (InvalidOid: the current user). */
extern StblTxnTable *stbl_relation_txn(Relation rel, Oid userid);

/* Row addresses as item pointers. */
extern void stbl_address_pack(ItemPointer tid, uint32 file_no, uint32 position);
extern void stbl_address_unpack(ItemPointer tid, uint32 *file_no, uint32 *position);

#endif							/* STBL_FDW_H */
