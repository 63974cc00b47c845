/* Dictionary of one column chunk's values. */
#ifndef STBL_DICT_H
#define STBL_DICT_H

#include "parquet/vec.h"

typedef struct StblDict
{
	StblMem    *mem;
	uint32_t   *slots;			/* code + 1; 0: free */
	uint32_t	n_slots;
	uint32_t   *codes;			/* one a value */
	size_t		codes_cap;
	uint32_t   *first;			/* value index at which a code was met first */
	uint32_t	n;				/* distinct values */
	uint32_t	cap;
	size_t		n_bytes;		/* of their PLAIN encoding */
} StblDict;

extern void stbl_dict_init(StblDict *dict, StblMem *mem);

/*
 * Gives every value a code.  False when a dictionary does not pay: too many
 * distinct values, or too large for what it saves.
 */
extern bool stbl_dict_build(StblDict *dict, const StblVec *values, size_t plain_bytes);

#endif							/* STBL_DICT_H */
