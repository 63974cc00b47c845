/* Shared by the files of this room. */
#ifndef STBL_ADMIN_H
#define STBL_ADMIN_H

/* Raises 42501 unless the current user owns the relation or is a superuser; 42809 unless it is a supertable. */
extern void stbl_require_owner(unsigned int relid);

/* Raises 42809 unless it is a supertable, 42501 unless the current user may SELECT from it. */
extern void stbl_require_select(unsigned int relid);

#endif							/* STBL_ADMIN_H */
