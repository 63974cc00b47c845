/* How far long work is, as a NOTICE every few seconds. */
#ifndef STBL_TELL_H
#define STBL_TELL_H

#include <stdint.h>

typedef struct StblTell
{
	const char *what;			/* "supertable_gc" */
	const char *root;
	int64_t		last_us;
} StblTell;

/* The first NOTICE comes after as long as one follows another. */
extern void stbl_tell_begin(StblTell *tell, const char *what, const char *root);

/* total < 0: not known. */
extern void stbl_tell(StblTell *tell, const char *phase, int64_t done, int64_t total);

#endif							/* STBL_TELL_H */
