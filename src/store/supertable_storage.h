/*
 * The storage hook: how a module teaches pg_supertable a URL scheme.
 *
 * Installed with the extension; needs nothing of ours but this header.  For
 * a scheme x that nobody has registered the backend loads
 * $libdir/supertable_store_x, whose _PG_init calls the function found under
 * the rendezvous variable STBL_STORE_REGISTER (see find_rendezvous_variable):
 *
 *		StblStoreRegister *reg = (StblStoreRegister *) find_rendezvous_variable(STBL_STORE_REGISTER);
 *		(*reg) (&my_driver);
 *
 * Where the variable is still NULL, because a function of the module's own
 * was called before any of ours: load_file("$libdir/supertable", false).
 *
 * A driver never throws, never calls ereport, elog, palloc or
 * CHECK_FOR_INTERRUPTS, and never exits: it is called in commit and abort
 * callbacks, where an error would take the whole cluster down.  It allocates
 * with malloc and reports by status and message.
 *
 * What a driver promises of its store:
 *	 S1 a GET that starts after a PUT was answered sees that PUT or a later one;
 *	 S2 of any number of concurrent PUT_NEW of one key at most one is answered OK,
 *		and none if the key exists (but see is_unique);
 *	 S3 PUT_MATCH answers OK only if it replaced exactly the content whose etag was given;
 *	 S4 a content, once replaced, has another etag than before, unless the bytes are the same;
 *	 S5 no reader ever sees part of a PUT; what was answered OK survives a crash;
 *	 S6 a LIST shows what was answered before it started: objects that were PUT,
 *		with the size and, to the second, the time that a GET tells, and none
 *		that was deleted.
 */
#ifndef SUPERTABLE_STORAGE_H
#define SUPERTABLE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STBL_STORE_ABI_VERSION 3
#define STBL_STORE_REGISTER "supertable_store_register_v1"

typedef enum StblOp
{
	STBL_OP_GET,				/* the whole object */
	STBL_OP_GET_RANGE,			/* exactly [offset, offset + length), or an error */
	STBL_OP_HEAD,				/* size, etag, modified_us */
	STBL_OP_PUT,				/* create or overwrite; for hints only */
	STBL_OP_PUT_NEW,			/* create only */
	STBL_OP_PUT_MATCH,			/* replace only the content with this etag */
	STBL_OP_DELETE,				/* idempotent: a missing object is OK */
	STBL_OP_LIST				/* keys under a prefix, one page at a time */
} StblOp;

#define STBL_N_OPS 8

typedef enum StblStatus
{
	STBL_ST_PENDING = 0,
	STBL_ST_OK,
	STBL_ST_NOT_FOUND,
	STBL_ST_PRECONDITION,		/* PUT_NEW: exists; PUT_MATCH: other etag or missing */
	STBL_ST_TRANSIENT,			/* certainly not applied; may work when sent again (5xx, 429, 409 of S3, lock busy) */
	STBL_ST_UNKNOWN,			/* a write that may or may not have been, or may yet be, applied */
	STBL_ST_FAILED				/* certainly not applied, and sending it again will not help */
} StblStatus;

typedef struct StblListEntry
{
	char	   *key;			/* whole key, not relative to the prefix */
	uint64_t	size;
	int64_t		modified_us;	/* Unix epoch, the store's clock */
	bool		is_folder;		/* with a delimiter: a common prefix, ends in '/' */
} StblListEntry;

/*
 * One request.  The caller fills the first part and keeps all it points to
 * until the request is done or cancelled; the driver fills the second.
 */
typedef struct StblRequest
{
	StblOp		op;
	const char *key;			/* LIST: the prefix, may be empty */
	const void *data;			/* PUT* */
	size_t		data_len;
	const char *etag;			/* PUT_MATCH, as an earlier answer gave it */
	uint64_t	offset;			/* GET_RANGE */
	uint64_t	length;
	uint8_t    *into;			/* GET_RANGE: where the caller would like to have its length bytes, or NULL (see body) */
	const char *list_token;		/* LIST: NULL, or list_next of the page before */
	char		list_delimiter; /* LIST: 0, or '/' for one level only */
	int			list_limit;		/* LIST: at most so many entries a page; 0 = the store's choice */
	int64_t		deadline_us;	/* Unix epoch; the driver answers by then, whatever happens */

	/*
	 * PUT_NEW: the key is a new uuid's, which nobody else writes.  A driver
	 * may then leave out the condition where it sends the object in parts,
	 * which must still appear as a whole or not at all (S5).
	 */
	bool		is_unique;
	int64_t		exchange_us;	/* where the driver needs several exchanges: how long to wait for one; 0: until the deadline */

	StblStatus	status;
	int			error_kind;		/* StblErrorKind where status is TRANSIENT, UNKNOWN or FAILED */
	char		message[512];	/* why, without secrets; empty on success */
	char		new_etag[128];	/* of the object read or written */
	int64_t		store_time_us;	/* the store's clock when it answered */
	int64_t		modified_us;	/* GET, HEAD, and PUT* where known: the object's time by the store's clock */
	uint64_t	size;			/* of the whole object */
	uint8_t    *body;			/* GET*: malloc'd; length body_len, followed by a NUL; or into, without that */
	size_t		body_len;
	StblListEntry *entries;		/* LIST: malloc'd, keys too; in any order */
	size_t		n_entries;
	char	   *list_next;		/* LIST: malloc'd token of the next page, or NULL */
	void	   *driver_data;
} StblRequest;

/* An option of the server or the user mapping. */
typedef struct StblStoreOption
{
	const char *name;
	const char *value;
} StblStoreOption;

typedef struct StblStoreDriver
{
	uint32_t	abi_version;	/* STBL_STORE_ABI_VERSION */
	uint32_t	size;			/* sizeof(StblStoreDriver) */
	const char *scheme;			/* "file": of "file://..." */

	/*
	 * NULL-terminated lists of the options it takes at the server (beside
	 * url) and at the user mapping.
	 */
	const char *const *server_options;
	const char *const *user_options;

	/*
	 * Opens the place a url names, without writing to it.  On failure
	 * returns NULL with *error_kind and message set; a second line of message
	 * becomes the error's hint.  canonical (malloc'd) is the url in the one
	 * spelling that stands for this place in every session, without a
	 * trailing slash.
	 */
	void	   *(*open) (const char *url, const StblStoreOption *options, int n_options,
						 char **canonical, int *error_kind, char *message, size_t message_size);
	void		(*close) (void *store);

	/*
	 * Starts a request; it may be done at return.  Any number may be in
	 * flight.  What the second part held before is not looked at.
	 */
	void		(*submit) (void *store, StblRequest *req);

	/*
	 * Makes progress with all requests of this store, and waits for at most
	 * timeout_ms if none can be made; returns early when one is done or the
	 * process latch was set (it does not reset the latch).
	 */
	void		(*drive) (void *store, int timeout_ms);

	/* Forgets a pending request at once; a write may still be applied. */
	void		(*cancel) (void *store, StblRequest *req);

	/* Frees what the driver allocated in a request that is done or cancelled. */
	void		(*release) (void *store, StblRequest *req);
} StblStoreDriver;

typedef void (*StblStoreRegister) (const StblStoreDriver *driver);

/*
 * Finds another driver by its scheme, loading its module if need be; for
 * stores that wrap others.  NULL if there is none.  Rendezvous variable
 * STBL_STORE_LOOKUP.
 */
#define STBL_STORE_LOOKUP "supertable_store_lookup_v1"
typedef const StblStoreDriver *(*StblStoreLookup) (const char *scheme);

#endif							/* SUPERTABLE_STORAGE_H */
