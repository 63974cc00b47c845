/*
 * Reading listings in XML: what they have in common.  A kind of store says
 * what the elements mean.
 */
#ifndef STBL_OBJECT_LIST_H
#define STBL_OBJECT_LIST_H

#include "store/object.h"
#include "store/xml.h"

typedef struct StblListReader
{
	StblXml		xml;
	StblRequest *req;
	const char *store_prefix;
	size_t		cap;			/* of the entries */
	bool		is_encoded;		/* keys are percent-encoded */
	bool		is_truncated;
	StblText	field;			/* text of the innermost element */
	StblText	key;			/* of the entry at hand */
	StblText	token;			/* where the next page begins */
	StblListEntry entry;
	bool		is_hidden;		/* the entry at hand is none of ours */
	bool		is_key_encoded; /* its key alone is percent-encoded */
	const char *problem;
} StblListReader;

/* What a kind of store's listing is made of. */
typedef struct StblListForm
{
	const char *root;			/* name of the outermost element */
	int			entry_depth;	/* of the elements that are an entry each; the root's is 1 */

	/* An element has begun; may be NULL. */
	void		(*begin) (StblListReader *r);

	/*
	 * An element has ended: xml has its name, xml.depth is that of the one
	 * around it, its text is in field.  false, with a problem told: the
	 * listing is broken.
	 */
	bool		(*end) (StblListReader *r);
} StblListForm;

/* Why a listing could not be read; NULL: it was. */
extern const char *stbl_list_read(const StblListForm *form, const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);

/* Adds an entry to an answer, whose array has room for *cap; false: out of memory. */
extern bool stbl_list_append(StblRequest *req, size_t *cap, const StblListEntry *entry);

/* For `end`; all of them can find a problem. */
extern bool stbl_list_problem(StblListReader *r, const char *problem);
extern bool stbl_list_add(StblListReader *r, bool is_folder);
extern bool stbl_list_take_key(StblListReader *r);
extern bool stbl_list_take_size(StblListReader *r);
extern void stbl_list_take_token(StblListReader *r);

extern bool stbl_list_field_is(const StblListReader *r, const char *value);

/* Whether the open element at a depth has this name, whatever its prefix. */
extern bool stbl_list_within(const StblListReader *r, int depth, const char *name);

/* Frees entries and list_next. */
extern void stbl_object_free_list(StblRequest *req);

#endif							/* STBL_OBJECT_LIST_H */
