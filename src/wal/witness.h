/*
 * The witness: a heap row inserted by the transaction itself, so that it
 * exists if and only if PostgreSQL committed; the coordinator's identity; the
 * lock that tells a live owner from a dead one.
 */
#ifndef STBL_WITNESS_H
#define STBL_WITNESS_H

#include "delta/guard.h"

/*
 * This database's coordinator: cluster id (GUC supertable.cluster_id, or the
 * data directory's own), database oid, witness id.  Cached for the session
 * (the witness id is read anew after an invalidation of its table).  Throws
 * 55000 where the extension is not installed.  Needs a transaction.
 */
extern const StblCoordinator *stbl_coordinator_self(void);

/* GUC supertable.cluster_id; empty: the data directory's own id. */
extern char *stbl_cluster_id_guc;

/* Inserts the row of the running transaction.  No snapshot needed; no privilege checked. */
extern void stbl_witness_insert(const char *wal_id, unsigned int server_oid, const char *root,
								const char *table_id, unsigned int role_oid);

/*
 * Whether the witness is there now: read with SnapshotSelf, so newer than
 * any snapshot of the statement and outside SSI.  Call it only while holding
 * the mutation's lock.
 */
extern bool stbl_witness_exists(const char *wal_id);

/* wal_ids witnessed for a root (NULL: all), sorted; palloc'd array of palloc'd strings. */
extern char **stbl_witness_list(const char *root, int *n);

/*
 * The same of a root as the active snapshot has them: those whose transaction
 * it shows, whatever became of the row since, and those whose transaction it
 * does not show, though it has committed by now.  Outside SSI.
 */
typedef struct StblWitnesses
{
	int			n_shown;
	int			n_hidden;
	char	  **shown;			/* palloc'd */
	char	  **hidden;
} StblWitnesses;

extern void stbl_witness_split(const char *root, StblWitnesses *out);

/* The servers and roots of all witness rows, each pair once; server InvalidOid: of any. */
typedef struct StblWitnessPlace
{
	unsigned int server;
	char	   *root;
} StblWitnessPlace;

extern StblWitnessPlace *stbl_witness_places(unsigned int server, int *n);

/*
 * Deletes a witness row whose document is COMPLETE or gone.  Does not wait:
 * one that another session deletes just now is left to it.
 */
extern void stbl_witness_delete(const char *wal_id);

/*
 * The mutation's heavyweight lock, transaction level, owned by the top-level
 * transaction (a rolled-back savepoint keeps it), database 0.  With dont_wait
 * false is returned when somebody holds it.
 */
extern bool stbl_owner_lock(const char *wal_id, bool dont_wait);
extern void stbl_owner_unlock(const char *wal_id);

/* Lock queue of publishers of one root in this cluster; transaction level, waits (statement_timeout holds). */
extern void stbl_publish_lock(const char *root);

#endif							/* STBL_WITNESS_H */
