/*
 * Classic (V1) checkpoints as bytes.  Pure.
 *
 * A checkpoint is a Parquet file with one action a row: one top-level struct
 * a kind of action, of which exactly one is not null.
 */
#ifndef STBL_CHECKPOINT_H
#define STBL_CHECKPOINT_H

#include "delta/action.h"

/*
 * One file of a checkpoint.  A V2 one (with checkpointMetadata or sidecars)
 * is UNSUPPORTED; whatever breaks the format is CORRUPT.
 */
extern bool stbl_checkpoint_parse(StblMem *mem, const uint8_t *data, size_t len, StblActions *out, StblError *err);

/* Appends a whole file to out; n_rows gets the number of actions. */
extern bool stbl_checkpoint_encode(StblMem *mem, const StblActions *actions, StblBuf *out, int64_t *n_rows, StblError *err);

#endif							/* STBL_CHECKPOINT_H */
