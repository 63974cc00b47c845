/*
 * Credentials that are fetched, and fetched again before they expire.
 *
 * A provider asks its sources in turn until one has any.  A source is a small
 * machine of steps: each makes a request to a service of the cloud, or reads
 * what is at hand.  Requests go through the engine of store/http.h while a
 * driver is driven; nothing here waits, throws or uses the server.
 *
 * What was fetched is used until half of its life has gone by, or until five
 * minutes before its end, whichever is later; then the next fetch begins, and
 * the old serve until it has ended.  Of many that wait for credentials one
 * fetch serves all.
 */
#ifndef STBL_CREDENTIAL_H
#define STBL_CREDENTIAL_H

#include "common/error.h"
#include "store/http.h"
#include "store/supertable_storage.h"
#include "store/text.h"

#define STBL_CREDS_MAX_HEADERS 4

typedef struct StblCredentials
{
	char	   *access_key_id;	/* each may be NULL */
	char	   *secret_access_key;
	char	   *session_token;
	char	   *token;			/* a bearer's */
	int64_t		expires_us;		/* INT64_MAX: not told */
} StblCredentials;

typedef enum StblProviderState
{
	STBL_PROVIDER_READY,
	STBL_PROVIDER_WAITING,		/* a fetch is under way */
	STBL_PROVIDER_FAILED		/* the last one has failed; told once, the next call begins another */
} StblProviderState;

/* What a step of a source has come to. */
typedef enum StblCredsStep
{
	STBL_CREDS_SEND,			/* a request is made; call again with its answer */
	STBL_CREDS_DONE,			/* `fresh` is filled */
	STBL_CREDS_NONE,			/* this source has nothing here: the next one */
	STBL_CREDS_FAILED			/* it has, and it did not work */
} StblCredsStep;

typedef struct StblProvider StblProvider;
typedef StblCredsStep (*StblCredentialSource) (StblProvider *p);

/* What sources want to know; NULL where it is not given.  Copied. */
typedef struct StblProviderConfig
{
	const char *ca_file;		/* for services that are asked by https */
	bool		use_proxy;
	const char *region;
	const char *profile;
	const char *key;			/* a service account's key, as JSON */
	const char *key_file;
	const char *none;			/* where credentials were looked for, for a message */
} StblProviderConfig;

struct StblProvider
{
	StblHttpRequest http;		/* must be first; of the step at hand */
	const StblCredentialSource *sources;	/* ended by NULL */
	char	   *ca_file;
	bool		use_proxy;
	char	   *region;
	char	   *profile;
	char	   *key;
	char	   *key_file;
	const char *none;

	StblCredentials current;
	bool		has_current;
	int64_t		fetched_us;
	int64_t		retry_us;		/* after a fetch that failed while the old ones still serve */

	bool		is_fetching;
	int			at;				/* source */
	int			step;			/* how many of its requests were answered */
	StblCredentials fresh;
	StblText	url;
	StblText	body;
	StblText	lines[STBL_CREDS_MAX_HEADERS];
	const char *headers[STBL_CREDS_MAX_HEADERS + 1];
	int			n_headers;
	StblText	kept;			/* what a source needs from step to step */

	bool		has_failed;
	StblStatus	status;			/* TRANSIENT or FAILED */
	int			error_kind;
	char		message[320];
};

/* ---- for drivers ---- */

/* NULL: out of memory. */
extern StblProvider *stbl_provider_new(const StblCredentialSource *sources, const StblProviderConfig *config);
extern void stbl_provider_free(StblProvider *p);

/* Begins a fetch where one is due.  Where it says FAILED, status, error_kind and message tell why. */
extern StblProviderState stbl_provider_poll(StblProvider *p, int64_t now_us);

/*
 * The store does not accept what is in use.  Whether it has been in use for
 * long enough that newer ones may help: then the next poll fetches.
 */
extern bool stbl_provider_renew(StblProvider *p);

/* Overwrites what is secret of them in a message. */
extern void stbl_credentials_redact(const StblCredentials *c, char *message);

/* Sources that find something in the environment of the database server, in the order of the SDKs. */
extern const StblCredentialSource stbl_aws_sources[];
extern const StblCredentialSource stbl_aws_profile_sources[];	/* a named profile's files only */
extern const StblCredentialSource stbl_google_sources[];
extern const StblCredentialSource stbl_google_key_sources[];	/* key or key_file only */
extern const StblCredentialSource stbl_azure_sources[];

/* Whether a service account's key is one, and its token_uri may be asked; false with a message. */
extern bool stbl_google_check_key(const char *key, char *message, size_t size);

/* ---- for sources ---- */

/* Lets the last answer go and begins the next request; url and body are filled by the source. */
extern void stbl_creds_begin(StblProvider *p, StblHttpMethod method, int64_t timeout_us);
extern void stbl_creds_header(StblProvider *p, const char *name, const char *value);

extern StblCredsStep stbl_creds_fail(StblProvider *p, StblStatus status, StblErrorKind kind, const char *fmt,...)
			__attribute__((format(printf, 4, 5)));

/* An answer that is no success; `who` is asked, `why` (or NULL) what it says. */
extern StblCredsStep stbl_creds_refused(StblProvider *p, const char *who, const char *why);

/* A variable of the environment; NULL where it is missing or empty. */
extern const char *stbl_env(const char *name);

/* A whole small file, at most max bytes; false: it cannot be read, errno says why. */
extern bool stbl_read_file(const char *path, size_t max, StblText *out);

/* Takes the answer of a token endpoint: access_token with expires_in or expires_on. */
extern StblCredsStep stbl_creds_take_token(StblProvider *p, const char *who);

/* ---- credential_parse.c: pure ---- */

/*
 * Files of AWS: the value of a key in the section [name]; with is_config the
 * section is [profile name], but for [default].  *found_section tells whether
 * there is one.  malloc'd; NULL: there is no such key, or no memory.
 */
extern char *stbl_ini_value(const char *data, size_t len, bool is_config, const char *name, const char *key, bool *found_section);

/* The text of an element, wherever it stands; malloc'd; NULL: there is none, or the XML is broken before it. */
extern char *stbl_xml_value(const char *data, size_t len, const char *name);

/* Whether an url without https may be asked for credentials of a container: this machine, and two link-local addresses. */
extern bool stbl_is_container_host(const char *url);

#endif							/* STBL_CREDENTIAL_H */
