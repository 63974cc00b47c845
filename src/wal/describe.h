/*
 * What decided mutations ask for, described as one version: for settle.c,
 * which publishes it, and owed.c, which lays it over a snapshot.
 */
#ifndef STBL_DESCRIBE_H
#define STBL_DESCRIBE_H

#include "utils/palloc.h"

#include "wal/wal_int.h"

/* Where one mutation stands while a version for several is described. */
typedef enum StblStage
{
	STBL_STAGE_OPEN,					/* to be published */
	STBL_STAGE_DESCRIBED,			/* in the version at hand */
	STBL_STAGE_PUBLISHED,			/* now, or found to have been */
	STBL_STAGE_COMPLETE,				/* its document says so */
	STBL_STAGE_FAILED				/* err says why */
} StblStage;

typedef struct StblWork
{
	StblSettle *settle;
	StblStage	stage;
	bool		forced;
	bool		prepared;		/* the base has its PREPARED */
	int64		read_at;		/* base version after which the document was read; -2: not yet */
	int64		present_at;		/* revision whose superfiles were found on storage; -2: none */
	struct roaring_bitmap_s **tombstones;	/* of its targets, loaded once */
} StblWork;

typedef struct StblDescribe
{
	StblTable  *table;
	MemoryContext cxt;			/* outlives the attempts */
	StblWork   *works;
	int			n;
	bool		trusted;
	bool		lay_over;		/* nothing will be published: no superfile is looked for, no marker removed */
	bool		refresh_first;
	int64		first_base;		/* version of the first attempt's base; -2: none yet */
	int64		deadline_us;
} StblDescribe;

/* A build function (publish.h); arg is a StblDescribe. */
extern StblBuild stbl_describe(StblVersion *v, void *arg);

extern void stbl_work_fail(StblWork *w, const StblError *err);

#endif							/* STBL_DESCRIBE_H */
