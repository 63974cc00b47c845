/* Shared by version.c, publish.c and shown.c only. */
#ifndef STBL_VERSION_INT_H
#define STBL_VERSION_INT_H

#include "nodes/pg_list.h"

#include "delta/publish.h"

/* New tombstones of one live superfile. */
typedef struct StblChange
{
	StblFile   *file;
	struct roaring_bitmap_s *bitmap;	/* published and new */
	uint64		n_before;
	List	   *durable;		/* StblDv *: vectors stored already that may serve */
	bool		removed;		/* whatever rows are left */
	bool		all_dead;		/* every row is deleted, or it is removed: the superfile goes */
	bool		placed;
	StblDv		dv;
} StblChange;

struct StblVersion
{
	StblTable  *table;
	StblSnapshot *base;
	StblMem    *mem;
	const char *operation;
	char		version_id[STBL_ID_TEXT];
	List	   *decides;
	List	   *adds;			/* StblAdd * */
	List	   *changes;		/* StblChange * */
	struct HTAB *change_of_file;	/* the same by superfile; NULL: none yet */
	List	   *domains;		/* StblDomain * */
	const StblSchema *schema;	/* when it creates the table */
	StblSchema	columns;		/* added to the base's schema */
	char	   *table_id;
	bool		drop;			/* removes every superfile and restates what a log begins with */
	bool		all_inline;		/* vectors of any size: nothing is stored */
	char		dv_uuid[37];	/* of the vector file, if one is needed */
	StblBuf		dv_file;
};

extern StblVersion *stbl_version_begin(StblTable *table, StblSnapshot *base, const char *operation);
extern void stbl_version_finish(StblVersion *v);	/* places the vectors */
extern void stbl_version_text(StblVersion *v, StblBuf *out);

#endif							/* STBL_VERSION_INT_H */
