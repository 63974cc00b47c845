/*
 * What all drivers of object stores on HTTP have in common: the life of a
 * request, what its answer is worth, listings, options.  A store of its own
 * kind says in an StblObjectKind how its requests are made and what its
 * answers mean.
 *
 * All of it is free of the server, as drivers are.
 */
#ifndef STBL_OBJECT_H
#define STBL_OBJECT_H

#include "common/error.h"
#include "store/credential.h"
#include "store/endpoint.h"
#include "store/http.h"
#include "store/supertable_storage.h"
#include "store/text.h"

#define STBL_OBJECT_MAX_HEADERS 16

typedef struct StblObjectKind StblObjectKind;
typedef struct StblExchange StblExchange;
typedef struct StblUpload StblUpload;

/* The beginning of every store's own struct. */
typedef struct StblObjectStore
{
	const StblObjectKind *kind;
	StblEndpoint endpoint;
	char	   *prefix;			/* the url's folder: empty, or with a slash at its end */
	bool		use_proxy;
	char	   *ca_file;		/* NULL: the system's */
	int64_t		hold_until_us;	/* the store asked to be left alone until then */
	StblProvider *provider;		/* of credentials that are fetched; NULL: they are options, or there are none */
	StblExchange *waiting;		/* for credentials; the first one waits longest */
	StblExchange *detached;		/* clean-up of cancelled uploads, which nobody waits for */
} StblObjectStore;

/* What an exchange is: of a request sent whole, or one step of an upload in parts. */
typedef enum StblStep
{
	STBL_STEP_WHOLE,
	STBL_STEP_BEGIN,
	STBL_STEP_PART,
	STBL_STEP_END,
	STBL_STEP_ABORT
} StblStep;

/* One exchange with a store: the engine's part of it, and what must live as long. */
struct StblExchange
{
	StblHttpRequest http;		/* must be first */
	StblObjectStore *store;
	StblRequest *req;
	bool		owns_req;		/* detached: the caller's is gone */
	void		(*ended) (StblExchange *x);
	StblStep	step;
	StblUpload *upload;			/* its steps have these */
	const char *upload_id;		/* for prepare only */
	int			part;			/* from 1 */
	StblText	body;			/* of END */
	StblStatus	unsent;			/* why it never went out; PENDING: it did */
	StblExchange *next_detached;
	StblText	url;
	StblText	path;			/* as it stands in the url, percent-encoded */
	StblText	query;			/* the same, without its "?" */
	StblText	lines[STBL_OBJECT_MAX_HEADERS];
	const char *headers[STBL_OBJECT_MAX_HEADERS + 1];
	int			n_headers;
	StblExchange *next;			/* in the store's waiting ones */
};

/* The <Error> of an answer, as far as it is one; of a HEAD the header's code. */
typedef struct StblObjectError
{
	char		code[64];		/* empty: not told */
	char		message[200];
	char		region[64];
	char		detail[100];	/* AuthenticationErrorDetail */
} StblObjectError;

/* What a code of an error means. */
typedef struct StblMeaning
{
	const char *code;
	StblStatus	status;
	StblErrorKind kind;
	const char *advice;			/* may be NULL */
} StblMeaning;

struct StblObjectKind
{
	size_t		max_key;		/* bytes of a name, with the url's folder */
	size_t		max_put;		/* bytes of an object that is sent whole */
	const char *etag_header;	/* name of the header that tells the version; NULL: etag */

	/* Uploads in parts; 0: there are none. */
	int			max_parts;
	const char *begin_root;		/* root of the answer to BEGIN, with an UploadId; NULL: no BEGIN, and the id is our own */
	const char *end_root;		/* root of the answer to END; NULL: its number is enough */
	bool		has_abort;
	const char *list_root;		/* of what END sends */
	void		(*list_part) (StblText *body, const char *upload_id, int part, const char *etag);

	/*
	 * Fills url and headers (stbl_exchange_header), and whatever of http is
	 * not right yet: method, body, repeatable, max_body, deadline_us are, for
	 * the usual way.  false: out of memory, or no such time.
	 */
	bool		(*prepare) (StblExchange *x);

	/*
	 * Takes a success that the store tells in a way of its own, and returns
	 * true; false, or NULL: by headers and body, the usual way.
	 */
	bool		(*take) (StblExchange *x);

	/* Reads an error; NULL: it is XML, as that of S3. */
	void		(*parse_error) (const StblHttpRequest *http, StblObjectError *err);

	/* Codes that decide, ended by one without a code; all others go by the number of the answer. */
	const StblMeaning *meanings;

	/*
	 * The code of an object that is missing; NULL: a 404 alone says so.
	 * Where there is one, a 404 with another is an error, and so is one
	 * without that has a body: a table would look empty for want of rights,
	 * or where something else answers.
	 */
	const char *missing;

	/*
	 * What an error's message tells more, "" for nothing; it may also correct
	 * what the error means.  May be NULL.
	 */
	void		(*explain) (const StblObjectStore *store, const StblObjectError *err, const StblHttpRequest *http,
							StblMeaning *meaning, char *more, size_t size);

	/* Overwrites the store's secrets in a message. */
	void		(*redact) (const StblObjectStore *store, char *message);

	/* Why a listing could not be read; NULL: it was. */
	const char *(*parse_list) (const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);
};

/* ---- object.c: requests ---- */

/* The driver's functions; `store` begins with an StblObjectStore. */
extern void stbl_object_submit(void *store, StblRequest *req);
extern void stbl_object_drive(void *store, int timeout_ms);
extern void stbl_object_cancel(void *store, StblRequest *req);
extern void stbl_object_release(void *store, StblRequest *req);

/*
 * Exchanges: made, then sent, perhaps after a wait for credentials.  One that
 * cannot be sent is freed, and its request has failed; `ended` is called, from
 * drive only, with each other one that is not cancelled.
 */
extern StblExchange *stbl_exchange_make(StblObjectStore *store, StblRequest *req, StblStep step);
extern bool stbl_exchange_send(StblExchange *x, void (*ended) (StblExchange *x));
extern void stbl_exchange_cancel(StblExchange *x);
extern void stbl_exchange_free(StblExchange *x);

extern void stbl_object_fail(StblRequest *req, StblErrorKind kind, const char *message);

extern const char *stbl_http_method_name(StblHttpMethod method);

/* Adds a header line; one that cannot be is seen by the caller of prepare. */
extern void stbl_exchange_header(StblExchange *x, const char *name, const char *value);

/* Those that a provider has fetched, while an exchange is prepared; NULL: the store has no provider. */
extern const StblCredentials *stbl_object_credentials(const StblObjectStore *store);

/* The same with a token that the store, or whoever it trusts, has given out.  false: out of memory. */
extern bool stbl_exchange_bearer(StblExchange *x, const char *token);

/*
 * The range that a request asks for, as a header has it, always with an end
 * (one without is answered wrongly by some).  NULL: it asks for none.
 */
#define STBL_RANGE_TEXT 64
extern const char *stbl_object_range(const StblRequest *req, char text[STBL_RANGE_TEXT]);

/* Adds name=value to a query, both encoded. */
extern void stbl_query_add(StblText *query, const char *name, const char *value);

/* What a listing asks for, as far as it does; names are the store's.  L16: the url's own folder is a part of every prefix. */
extern void stbl_query_add_delimiter(StblText *query, const StblRequest *req);
extern void stbl_query_add_limit(StblText *query, const char *name, const StblRequest *req);
extern void stbl_query_add_prefix(StblText *query, const StblObjectStore *store, const StblRequest *req);

/* Adds the object's name, in its folder, to a path. */
extern void stbl_path_add_object(StblText *path, const StblObjectStore *store, const StblRequest *req);

/* The url of path and query, which are made; bucket is NULL, or a part of the host's name. */
extern void stbl_exchange_url(StblExchange *x, const char *bucket);

/* ---- object_answer.c: what an answer is worth ---- */

extern bool stbl_object_is_write(StblOp op);

/* Fills a request from an exchange that has ended. */
extern void stbl_object_answered(StblExchange *x);

/* No whole answer came: fills status, error_kind and message. */
extern void stbl_object_unanswered(StblRequest *req, const StblExchange *x);

/* Credentials may have ended before their time: where newer ones can be had, what has failed for them may be tried again. */
extern void stbl_object_renew(const StblExchange *x, StblRequest *req);

/* ---- object_upload.c: uploads in parts ---- */

/* Whether a request is to be sent so. */
extern bool stbl_upload_is_due(const StblObjectStore *store, const StblRequest *req);
extern void stbl_upload_start(StblObjectStore *store, StblRequest *req);

/* Forgets it; what was begun is taken back, as far as that can be done without waiting for long. */
extern void stbl_upload_cancel(StblRequest *req);

/* An object that ends before the range that was asked for. */
extern void stbl_object_fail_short(StblRequest *req, uint64_t size);

/* An empty range, for which there is no way to ask: whether it lies within the object, whose size is known. */
extern void stbl_object_empty_range(StblRequest *req);

/* ---- object_error.c: pure ---- */

extern void stbl_object_parse_error(const uint8_t *data, size_t len, StblObjectError *err);

/*
 * What an answer that is no success means for the request: fills status,
 * error_kind and message.
 */
extern void stbl_object_judge(StblRequest *req, const StblHttpRequest *http, const StblObjectStore *store);

/* ---- object_open.c: options ---- */

/* Where options that are wrong are told. */
typedef struct StblOpening
{
	const char *url;
	const StblStoreOption *options;
	int			n_options;
	int		   *error_kind;
	char	   *message;
	size_t		message_size;
} StblOpening;

/* NULL: not given. */
extern const char *stbl_opening_option(const StblOpening *o, const char *name);

/* false, with kind and message told. */
extern bool stbl_opening_fail(const StblOpening *o, StblErrorKind kind, const char *fmt,...) __attribute__((format(printf, 3, 4)));

/*
 * The option credentials: 'environment' makes *out true.  Whether whoever
 * owns the server may say so is checked where options come from.
 */
extern bool stbl_opening_environment(const StblOpening *o, bool *out);

/* Gives a store a provider, once region, ca_file and use_proxy are known. */
extern bool stbl_opening_provider(const StblOpening *o, StblObjectStore *store, const StblCredentialSource *sources,
								  StblProviderConfig config);

/*
 * A token in clear text on the way is anybody's: whether it goes by https, or
 * does not leave the machine.
 */
extern bool stbl_opening_secrecy(const StblOpening *o, const StblObjectStore *store);

/*
 * Splits "scheme://container/some/folder": the container's name is told by
 * its length, and the folder is copied to store->prefix.
 */
extern bool stbl_opening_url(const StblOpening *o, StblObjectStore *store, const char *scheme,
							 bool (*is_container) (const char *name, size_t len), const char *form,
							 char *container, size_t container_size);

/* The options use_proxy and ca_file, and whether the endpoint, parsed before, is allowed. */
extern bool stbl_opening_connection(const StblOpening *o, StblObjectStore *store);

/* A copy of an option that is a secret or goes into a header; *out stays NULL where it is not given. */
extern bool stbl_opening_secret(const StblOpening *o, const char *name, char **out);
extern void stbl_secret_free(char *secret);

/* Printable, without blanks, not empty: what a header can hold, and a key consists of. */
extern bool stbl_is_header_value(const char *value);

/*
 * The one spelling of a place, malloc'd: another endpoint is another place,
 * even where container and folder have the same names.  It stands behind the
 * container, which cannot hold an "@".  NULL: out of memory.
 */
extern char *stbl_object_canonical(const StblObjectStore *store, const char *scheme, const char *container, const char *place);

/*
 * A store of this size, zeroed but for its kind, as configure makes it of the
 * options (false, with kind and message told); spell gives the one spelling of
 * its place, or NULL without memory.  What fails is closed.
 */
extern void *stbl_object_open(const StblOpening *o, const StblObjectKind *kind, size_t size,
							  bool (*configure) (void *store, const StblOpening *o),
							  char *(*spell) (const void *store, const StblOpening *o),
							  void (*close) (void *store), char **canonical);

/* Frees what stands in the beginning of a store. */
extern void stbl_object_store_free(StblObjectStore *store);

#endif							/* STBL_OBJECT_H */
