/*
 * Object storage as the rooms above see it: submit requests, await them.
 *
 * This layer knows no Delta and no Parquet.  It adds to a driver
 * (supertable_storage.h): waiting that can be cancelled, retries with jitter
 * until supertable.retry_deadline, and the resolution of unknown outcomes:
 * a conditional PUT without an answer is read back and its bytes compared.
 * That decides, because no two conditional PUTs of ours carry the same bytes
 * (version_id, revision, or a name that is a new uuid), but for those that
 * complete a request, where it does not matter whose they are:
 *
 *	 PUT_NEW    the same bytes are there: OK; others: PRECONDITION; nothing:
 *				the same request is sent again (a late first copy then meets
 *				a 412, or ours does and is read back).
 *	 PUT_MATCH  the same bytes: OK; the old etag: sent again; else PRECONDITION
 *				(ours may have been applied and replaced: the caller reads the
 *				object anew and follows what it says, as after any lost CAS).
 *
 * Only when the store does not answer until the deadline is UNKNOWN returned.
 */
#ifndef STBL_STORE_H
#define STBL_STORE_H

#include "common/error.h"
#include "store/supertable_storage.h"

typedef struct StblStore StblStore;

/* Registers the directory driver and the hook's rendezvous variables; called once, from _PG_init. */
extern void stbl_store_init(void);

/* Request counters of one store handle since it was opened; also added to supertable_stat. */
typedef struct StblStoreCounters
{
	int64_t		n_ops[STBL_N_OPS];
	int64_t		bytes_read;
	int64_t		bytes_written;
	int64_t		n_retries;
	int64_t		n_cache_hits;	/* requests that the read cache saved */
} StblStoreCounters;

/*
 * A call in flight or done.  palloc'd in CurrentMemoryContext; resetting that
 * context cancels a pending call and frees its body, so an error anywhere
 * leaks nothing.  key and data are not copied.
 */
typedef struct StblCall
{
	StblRequest req;			/* status, body, etag, ... are read from here */
	StblStore  *store;
	int			n_sent;			/* how often it went out */
	int64_t		known_us;		/* the storage's time that was known before it went out, 0: none */
} StblCall;

/*
 * The store of a url with these options; kept for the session by url,
 * options and user.  Throws: HV00D and HV002 for a wrong option or scheme
 * (hint lists the right ones), what the driver says otherwise.  The handle
 * stays valid until the end of the session.
 */
extern StblStore *stbl_store_open(const char *url, const StblStoreOption *options, int n_options);
/*
 * The same place under a handle of its own, for one table: what goes through
 * it is counted for this root.  Never freed.
 */
extern StblStore *stbl_store_view(StblStore *store, const char *root);
extern const char *stbl_store_canonical_url(const StblStore *store);
extern const StblStoreCounters *stbl_store_counters(const StblStore *store);

/* Whether it is a directory, where a request costs no round trip. */
extern bool stbl_store_is_local(const StblStore *store);

/* Checks server or user options against a driver's lists, for the validator: throws HV00D. */
extern void stbl_store_check_option(const char *url, const char *name, bool user_mapping);

/*
 * Options that lend what is the database server's own, its environment or a
 * file with a key, are for roles that have it anyway, as setter and, at each
 * use, as owner of the server: throws 42501.
 */
extern void stbl_store_check_owner(const char *name, Oid owner);

/* Submit.  deadline_us 0: now + supertable.retry_deadline. */
extern StblCall *stbl_store_get(StblStore *store, const char *key, int64_t deadline_us);
extern StblCall *stbl_store_get_range(StblStore *store, const char *key, uint64_t offset, uint64_t length, int64_t deadline_us);

/*
 * The same, with room for the bytes in the memory context that is current, or
 * one above it, if not NULL: drivers may put them there (req.body says so).
 */
extern StblCall *stbl_store_get_range_into(StblStore *store, const char *key, uint64_t offset, uint64_t length, uint8_t *into);
extern StblCall *stbl_store_head(StblStore *store, const char *key, int64_t deadline_us);
extern StblCall *stbl_store_put(StblStore *store, const char *key, const void *data, size_t len, int64_t deadline_us);
extern StblCall *stbl_store_put_new(StblStore *store, const char *key, const void *data, size_t len, int64_t deadline_us);

/* The same for a name that is new for certain: large objects may then go in parts. */
extern StblCall *stbl_store_put_unique(StblStore *store, const char *key, const void *data, size_t len, int64_t deadline_us);
extern StblCall *stbl_store_put_match(StblStore *store, const char *key, const void *data, size_t len, const char *etag, int64_t deadline_us);
extern StblCall *stbl_store_delete(StblStore *store, const char *key, int64_t deadline_us);
extern StblCall *stbl_store_list(StblStore *store, const char *prefix, char delimiter, const char *token, int64_t deadline_us);

/*
 * Waits until the call is done, serving interrupts when they are not held
 * (in commit and abort callbacks they are).  Throws nothing of the store's:
 * look at req.status, one of OK, NOT_FOUND, PRECONDITION, UNKNOWN, FAILED
 * (TRANSIENT has become FAILED at the deadline).  Returns the status.
 */
extern StblStatus stbl_await(StblCall *call);

/* Whether a call is done; moves it on as far as that goes without waiting. */
extern bool stbl_call_is_done(StblCall *call);

/* Takes what has come for the calls of a store, and sends what can be sent, without waiting. */
extern void stbl_store_poll(StblStore *store);

/* Waits for at most so long, for something else than a call; those of the store go on meanwhile.  Serves interrupts. */
extern void stbl_store_pause(StblStore *store, int ms);

/* Awaits, and throws unless the status is OK. */
extern void stbl_await_ok(StblCall *call);

/* Fills err from a call that did not succeed, naming the object. */
extern void stbl_call_error(const StblCall *call, StblError *err);

/*
 * A time by the storage's clock that an object just written is not older
 * than: its own where the driver tells it.  0: not known.
 */
extern int64_t stbl_call_object_time(const StblCall *call);

/* The storage's time of the newest answer through this handle, 0: none yet. */
extern int64_t stbl_store_clock(const StblStore *store);

/* Whether a call to the same place is under way: one that an error has left behind, where nothing is to be. */
extern bool stbl_store_is_awaited(const StblStore *store);

/* Frees a call before its context goes; a pending one is cancelled. */
extern void stbl_call_free(StblCall *call);

/*
 * Whether create-only and If-Match really work at prefix, tried for real
 * with a race of several requests; remembered for the session.  One row a
 * capability.  Removes what it wrote.
 */
typedef struct StblProbeRow
{
	const char *capability;		/* create-only, etag-CAS, range, list, delete */
	bool		ok;
	bool		is_bearable;	/* not ok, but nothing is lost by it */
	int			error_kind;		/* not ok, because a request failed: StblErrorKind; NONE: a verdict */
	char		detail[256];
} StblProbeRow;

#define STBL_N_PROBES 5

extern void stbl_store_probe(StblStore *store, StblProbeRow rows[STBL_N_PROBES]);

/*
 * To be called before the first write where a conditional one may not be
 * submitted with interrupts served: submitting does it otherwise.  Throws
 * 0A000 if the store fails the probe, or what keeps it from being tried;
 * does nothing while interrupts are held.
 */
extern void stbl_store_require(StblStore *store);

/*
 * Cluster-wide counters per root, in a few KB of shared memory (roots beyond
 * the slots share the row with root NULL; where there is no memory left, a
 * backend counts its own).
 */
typedef enum StblStatEvent
{
	STBL_STAT_CAS_LOST,
	STBL_STAT_CONFLICT,
	STBL_STAT_COMMIT
} StblStatEvent;

extern void stbl_stat_count(const char *root, StblStatEvent event);

typedef struct StblStatRow
{
	char		root[192];		/* empty: the shared row */
	int64_t		n_get,
				n_head,
				n_put,
				n_list,
				n_delete,
				bytes_read,
				bytes_written,
				n_retries,
				n_cas_lost,
				n_conflicts,
				n_commits;
} StblStatRow;

/* palloc'd array; *n_rows entries. */
extern StblStatRow *stbl_stat_rows(int *n_rows);

/* GUCs (supertable.c defines them; milliseconds). */
extern int	stbl_http_timeout_ms;
extern int	stbl_retry_deadline_ms;
extern bool stbl_fsync;

#endif							/* STBL_STORE_H */
