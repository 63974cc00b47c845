/* Options of server, user mapping and foreign table; from a relation to its table on storage. */
#ifndef STBL_OPTIONS_H
#define STBL_OPTIONS_H

#include "delta/snapshot.h"

/*
 * The table on storage of a foreign table, accessed as userid (whose user
 * mapping is used).  Checks what must hold at each use (file servers: the
 * owner is a member of pg_read_server_files and pg_write_server_files).
 * Throws HV002 for no path, 55000 where the server has no url ("recovery
 * requires storage; supertable "x" has none attached" with for_recovery).
 */
extern StblTable *stbl_relation_table(unsigned int relid, unsigned int userid, bool for_recovery);

/*
 * The table at a path of a server: its user needs USAGE.  Throws 42809 for
 * another wrapper's server, 22023 for a path that cannot be one, 55000 where
 * the server has no url.
 */
extern StblTable *stbl_server_table(unsigned int server_oid, const char *path, unsigned int userid);

/* The store of a server, for the probe and drop_storage. */
extern StblStore *stbl_server_store(unsigned int server_oid, unsigned int userid);

/* Whether a path is fit for the option `path`. */
extern bool stbl_path_is_clean(const char *path);

/* Whether a relation is a supertable; its server's oid in *server_oid if not NULL. */
extern bool stbl_is_supertable(unsigned int relid, unsigned int *server_oid);

#endif							/* STBL_OPTIONS_H */
