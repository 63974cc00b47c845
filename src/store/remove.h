/* Deletions of many objects, many in flight. */
#ifndef STBL_REMOVE_H
#define STBL_REMOVE_H

#include "store/store.h"

/*
 * Deletes objects; one that is gone already counts as deleted.  deleted[i]
 * tells of each; the first failure is described in err if its kind was NONE.
 */
extern void stbl_remove_objects(StblStore *store, char *const *keys, size_t n, bool *deleted, StblError *err);

#endif							/* STBL_REMOVE_H */
