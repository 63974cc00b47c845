/* What retained versions refer to. */
#ifndef STBL_RETAINED_H
#define STBL_RETAINED_H

#include "common/names.h"
#include "delta/log.h"

/*
 * Adds superfiles and vector files, relative to the root, that any version
 * from `retained` to `newest` refers to.  False if a version went while it
 * was read: list the log again.  Throws where the log cannot be read whole.
 */
extern bool stbl_retained_names(StblTable *table, const StblLog *log, int64_t retained, int64_t newest, StblNames *out);

/* A vector's file, if it has one. */
extern void stbl_names_add_dv(StblNames *out, const StblDv *dv);

#endif							/* STBL_RETAINED_H */
