/*
 * HTTP for the drivers of object stores: many requests in flight on kept-alive
 * connections, waited for together with the process latch.
 *
 * The engine is one for the whole process.  It knows no store: a driver makes
 * a request, with its headers signed, and is called back with the answer, or
 * with what became of it.
 *
 * No request is ever sent twice, neither by the engine nor by the library
 * below it, unless `repeatable` allows that: whether a write without an
 * answer was applied is for the caller to find out.
 */
#ifndef STBL_HTTP_H
#define STBL_HTTP_H

#include "store/text.h"

/* What became of a request. */
typedef enum StblHttpOutcome
{
	STBL_HTTP_PENDING = 0,
	STBL_HTTP_ANSWERED,			/* a whole answer, whatever it says */
	STBL_HTTP_NOT_SENT,			/* certainly nothing reached the store */
	STBL_HTTP_NO_ANSWER,		/* it may have, and no answer, or a part of one, came back */
	STBL_HTTP_BAD_ANSWER		/* the answer is larger than it may be, or no HTTP */
} StblHttpOutcome;

typedef enum StblHttpMethod
{
	STBL_HTTP_GET,
	STBL_HTTP_HEAD,
	STBL_HTTP_PUT,
	STBL_HTTP_POST,
	STBL_HTTP_DELETE
} StblHttpMethod;

typedef struct StblHttpRequest StblHttpRequest;

/*
 * The driver zeroes it, fills the first part, and keeps what that points to
 * until `done` was called or the request was cancelled; url and headers are
 * copied at the start.
 */
struct StblHttpRequest
{
	StblHttpMethod method;
	const char *url;
	const char *const *headers; /* "name: value", NULL-terminated */
	const void *body;			/* of PUT and POST */
	size_t		body_len;
	bool		repeatable;		/* the library may send it again on another connection */
	const char *ca_file;		/* NULL: those of the system */
	bool		use_proxy;		/* as the environment says; else none */
	const char *etag_header;	/* name of the header that tells the version; NULL: etag */
	int64_t		deadline_us;	/* Unix epoch; done by then */
	int64_t		not_before_us;	/* it waits so long before it goes out; 0: not at all */
	uint64_t	max_body;		/* of an answer of success */
	uint8_t    *into;			/* that many bytes for it, which then is not in answer; or NULL */
	void		(*done) (StblHttpRequest *req);	/* called from stbl_http_drive only */
	void	   *driver_data;

	StblHttpOutcome outcome;
	int			error_kind;		/* StblErrorKind unless answered */
	char		message[256];	/* why there is no answer */
	int			status;			/* 200, ... */
	uint8_t    *answer;			/* malloc'd, followed by a NUL; the driver frees it or takes it over */
	size_t		answer_len;		/* of an error at most STBL_HTTP_MAX_ERROR, the rest is left out */
	bool		is_framed;		/* the answer's end was told, not only reached */
	bool		has_length;
	uint64_t	content_length;
	bool		has_range;		/* Content-Range: bytes first-last/total */
	uint64_t	range_first;
	uint64_t	range_last;
	uint64_t	range_total;	/* also of a 416; 0: not told */
	char		etag[128];
	bool		etag_too_long;
	char		region[64];		/* x-amz-bucket-region */
	char		error_code[64]; /* x-ms-error-code: an answer to a HEAD has no body */
	int64_t		date_us;		/* 0: not told */
	int64_t		modified_us;
	int64_t		retry_after_us; /* how long the store wants to be left alone; 0: not told */
	void	   *transfer;		/* the engine's; NULL when not in flight */
};

#define STBL_HTTP_MAX_ERROR ((size_t) 64 * 1024)

/* Unix time in microseconds, by which deadlines are. */
extern int64_t stbl_http_now(void);

/* Never calls done; what goes wrong here is told by the next drive. */
extern void stbl_http_start(StblHttpRequest *req);

/*
 * Makes progress with all requests of the process, waiting at most timeout_ms
 * for it; returns early when one is done, the latch is set, or the postmaster
 * has died.
 */
extern void stbl_http_drive(int timeout_ms);

/* Forgets a request at once.  It may be in flight, or done. */
extern void stbl_http_cancel(StblHttpRequest *req);

/* "Fri, 24 May 2013 00:00:00 GMT", the one form of a time in use; 0 for anything else. */
extern int64_t stbl_http_date(const char *text, size_t len);

/* A header line of an answer, without its end; for tests and fuzzing. */
extern void stbl_http_header(StblHttpRequest *req, const char *line, size_t len);

/* What to wait for, and what was found. */
typedef struct StblHttpSocket
{
	int			fd;
	bool		want_read;
	bool		want_write;
	bool		is_ready;
} StblHttpSocket;

/*
 * Waits until one of the sockets is ready, or something else of the process
 * wants attention.  The server's is in http_wait.c; programs without a server
 * bring their own.  Returns whether any socket is ready.
 */
extern bool stbl_http_wait(StblHttpSocket *sockets, int n, int timeout_ms);

#endif							/* STBL_HTTP_H */
