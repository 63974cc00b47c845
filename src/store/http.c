/*
 * The engine: libcurl's multi interface, driven by socket events.
 *
 * libcurl calls back only from within the calls made here, and the callbacks
 * do nothing but note things: nothing can be thrown through its frames.  Its
 * resolver runs in threads of its own, which inherit the signal mask they are
 * made under: all signals are blocked around each call, so that no handler of
 * PostgreSQL's ever runs in such a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/error.h"
#include "common/mem.h"
#include "store/http.h"

#define MAX_CONNECTIONS 32
#define KEPT_CONNECTIONS 16
#define KEPT_HANDLES 32
#define CONNECT_TIMEOUT_MS 10000
#define RECEIVE_BUFFER (256 * 1024L)
#define SEND_BUFFER (256 * 1024L)
#define FIRST_BODY ((size_t) 16 * 1024)

/* A connection in the making has one for each address family. */
#define MAX_SOCKETS (MAX_CONNECTIONS * 4 + 64)

/* How often sockets that are ready already are served before drive returns. */
#define MAX_ROUNDS 64

typedef struct Transfer
{
	CURL	   *easy;
	struct curl_slist *headers;
	StblHttpRequest *req;
	size_t		sent;			/* of the body */
	size_t		cap;			/* of the answer's memory */
	int			n_sendings;		/* begun */
	bool		no_memory;
	bool		too_large;
	bool		added;			/* with the multi handle */
	bool		failed;			/* could not be added */
	char		error[CURL_ERROR_SIZE];
	struct Transfer *next;		/* in transfers */
} Transfer;

static CURLM *multi = NULL;
static Transfer *transfers = NULL;
static CURL *kept[KEPT_HANDLES];
static int	n_kept = 0;
static StblHttpSocket sockets[MAX_SOCKETS];
static int	n_sockets = 0;
static int64_t timer_us = INT64_MAX;

int64_t
stbl_http_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
block_signals(sigset_t *old)
{
	sigset_t	all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, old);
}

static void
restore_signals(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

/* ---- what libcurl calls back ---- */

static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int			i = 0;

	(void) easy;
	(void) arg;
	(void) socket_arg;
	while (i < n_sockets && sockets[i].fd != fd)
		i++;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < n_sockets)
			sockets[i] = sockets[--n_sockets];
		return 0;
	}
	if (i == MAX_SOCKETS)
		return -1;
	if (i == n_sockets)
		n_sockets++;
	sockets[i].fd = fd;
	sockets[i].want_read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	sockets[i].want_write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
	sockets[i].is_ready = false;
	return 0;
}

static int
note_timer(CURLM *m, long timeout_ms, void *arg)
{
	(void) m;
	(void) arg;
	timer_us = timeout_ms < 0 ? INT64_MAX : stbl_http_now() + (int64_t) timeout_ms * 1000;
	return 0;
}

static int
note_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void) arg;
	(void) purpose;
	/* programs that a backend starts do not inherit it */
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	return CURL_SOCKOPT_OK;
}

/* Called before each sending, also before one that libcurl decides on itself. */
static int
note_sending(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	Transfer   *t = arg;

	(void) ip;
	(void) local_ip;
	(void) port;
	(void) local_port;
	if (t->n_sendings > 0 && !t->req->repeatable)
		return CURL_PREREQFUNC_ABORT;
	t->n_sendings++;
	t->sent = 0;
	t->req->answer_len = 0;
	return CURL_PREREQFUNC_OK;
}

static size_t
give_body(char *buf, size_t size, size_t n, void *arg)
{
	Transfer   *t = arg;
	size_t		left = t->req->body_len - t->sent;
	size_t		len = size * n < left ? size * n : left;

	if (len > 0)
		memcpy(buf, (const char *) t->req->body + t->sent, len);
	t->sent += len;
	return len;
}

static int
rewind_body(void *arg, curl_off_t offset, int origin)
{
	Transfer   *t = arg;

	if (origin != SEEK_SET || offset != 0 || !t->req->repeatable)
		return CURL_SEEKFUNC_FAIL;
	t->sent = 0;
	return CURL_SEEKFUNC_OK;
}

static size_t
take_header(char *line, size_t size, size_t n, void *arg)
{
	Transfer   *t = arg;

	stbl_http_header(t->req, line, size * n);
	return size * n;
}

/* Room for so many bytes of the answer, and a NUL. */
static bool
make_room(Transfer *t, size_t need)
{
	size_t		cap = t->cap ? t->cap : FIRST_BODY;
	uint8_t    *answer;

	if (need < t->cap)
		return true;
	if (t->req->has_length && t->req->content_length >= need && t->req->content_length <= t->req->max_body)
		cap = (size_t) t->req->content_length + 1;
	while (cap <= need)
		cap *= 2;
	answer = realloc(t->req->answer, cap);
	if (answer == NULL)
	{
		t->no_memory = true;
		return false;
	}
	if (t->cap == 0)
		stbl_will_fill(answer, cap);
	t->req->answer = answer;
	t->cap = cap;
	return true;
}

static size_t
take_body(char *data, size_t size, size_t n, void *arg)
{
	Transfer   *t = arg;
	StblHttpRequest *req = t->req;
	size_t		len = size * n;
	long		status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
	{
		/* the beginning of an error tells enough */
		size_t		room = STBL_HTTP_MAX_ERROR - req->answer_len;
		size_t		kept_len = len < room ? len : room;

		if (!make_room(t, req->answer_len + kept_len))
			return 0;
		memcpy(req->answer + req->answer_len, data, kept_len);
		req->answer_len += kept_len;
		return len;
	}
	if (len > req->max_body - req->answer_len)
	{
		t->too_large = true;
		return 0;
	}
	if (req->into == NULL && !make_room(t, req->answer_len + len))
		return 0;
	memcpy((req->into != NULL ? req->into : req->answer) + req->answer_len, data, len);
	req->answer_len += len;
	return len;
}

/* ---- requests ---- */

/* A child of a process that has used the engine leaves its connections alone. */
static void
forget_parent(void)
{
	static pid_t owner = 0;

	if (owner == getpid())
		return;
	owner = getpid();
	multi = NULL;
	transfers = NULL;
	n_kept = n_sockets = 0;
	timer_us = INT64_MAX;
}

static bool
init_multi(void)
{
	if (multi != NULL)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	multi = curl_multi_init();
	if (multi == NULL)
		return false;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
	curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) MAX_CONNECTIONS);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) KEPT_CONNECTIONS);
	return true;
}

static bool
set_method(Transfer *t)
{
	CURL	   *e = t->easy;
	const StblHttpRequest *req = t->req;

	switch (req->method)
	{
		case STBL_HTTP_GET:
			return curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) == CURLE_OK;
		case STBL_HTTP_HEAD:
			return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
		case STBL_HTTP_DELETE:
			return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "DELETE") == CURLE_OK;
		case STBL_HTTP_PUT:
			return curl_easy_setopt(e, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
				curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t) req->body_len) == CURLE_OK;
		case STBL_HTTP_POST:
			return curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
				curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) req->body_len) == CURLE_OK;
	}
	return false;
}

static bool
set_headers(Transfer *t)
{
	/* an empty one is left out: no waiting for "100 Continue" */
	static const char *const never[] = {"Expect:", "Transfer-Encoding:", NULL};

	for (int list = 0; list < 2; list++)
		for (const char *const *h = list == 0 ? never : t->req->headers; *h != NULL; h++)
		{
			struct curl_slist *more = curl_slist_append(t->headers, *h);

			if (more == NULL)
				return false;
			t->headers = more;
		}
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

#define SET(option, value) \
	do { if (curl_easy_setopt(t->easy, option, value) != CURLE_OK) return false; } while (0)

static bool
set_options(Transfer *t)
{
	const StblHttpRequest *req = t->req;
	int64_t		left_us = req->deadline_us == INT64_MAX ? INT64_C(86400000000) : req->deadline_us - stbl_http_now();
	long		left_ms = left_us < 1000 ? 1 : left_us > INT64_C(86400000000) ? 86400000 : (long) (left_us / 1000);

	SET(CURLOPT_URL, req->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, left_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, left_ms < CONNECT_TIMEOUT_MS ? left_ms : (long) CONNECT_TIMEOUT_MS);
	SET(CURLOPT_USERAGENT, "supertable");
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* refused where a used handle still has its buffers: those are of this size already */
	(void) curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	(void) curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_SOCKOPTFUNCTION, note_new_socket);
	SET(CURLOPT_PREREQFUNCTION, note_sending);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_READFUNCTION, give_body);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_SEEKFUNCTION, rewind_body);
	SET(CURLOPT_SEEKDATA, t);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, t);
	/* the proxy of the environment is the administrator's, not of who names a store */
	if (!req->use_proxy)
		SET(CURLOPT_PROXY, "");
	if (req->ca_file != NULL)
		SET(CURLOPT_CAINFO, req->ca_file);
	return set_method(t) && set_headers(t);
}

/* Hands a transfer to libcurl, which begins it at once. */
static void
begin(Transfer *t)
{
	int			running;
	sigset_t	old;

	block_signals(&old);
	if (!init_multi())
		t->failed = true;
	else
	{
		t->easy = n_kept > 0 ? kept[--n_kept] : curl_easy_init();
		t->failed = t->easy == NULL || !set_options(t) || curl_multi_add_handle(multi, t->easy) != CURLM_OK;
		t->added = !t->failed;
	}
	if (t->added)
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	restore_signals(&old);
}

void
stbl_http_start(StblHttpRequest *req)
{
	Transfer   *t = calloc(1, sizeof(Transfer));

	forget_parent();
	req->outcome = STBL_HTTP_PENDING;
	req->transfer = t;
	if (t == NULL)
		return;
	t->req = req;
	t->next = transfers;
	transfers = t;
	if (req->not_before_us <= stbl_http_now())
		begin(t);
}

/* Takes a transfer out of everything, and frees it. */
static void
end(Transfer *t)
{
	Transfer  **p = &transfers;
	sigset_t	old;

	while (*p != NULL && *p != t)
		p = &(*p)->next;
	if (*p != NULL)
		*p = t->next;
	t->req->transfer = NULL;
	block_signals(&old);
	if (t->added)
		curl_multi_remove_handle(multi, t->easy);
	if (t->easy != NULL)
	{
		/* it forgets its url and headers, and keeps its memory */
		curl_easy_reset(t->easy);
		if (n_kept < KEPT_HANDLES)
			kept[n_kept++] = t->easy;
		else
			curl_easy_cleanup(t->easy);
	}
	restore_signals(&old);
	for (struct curl_slist *h = t->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(t->headers);
	free(t);
}

void
stbl_http_cancel(StblHttpRequest *req)
{
	if (req->transfer != NULL)
		end(req->transfer);
	free(req->answer);
	req->answer = NULL;
	req->answer_len = 0;
}

static void
conclude(StblHttpRequest *req, StblHttpOutcome outcome, int kind, const char *message, const char *detail)
{
	req->outcome = outcome;
	req->error_kind = kind;
	snprintf(req->message, sizeof(req->message), "%s%s%.160s", message, detail[0] ? ": " : "", detail);
	stbl_clean_message(req->message);
}

/* A transfer that libcurl has ended without a whole answer. */
static void
conclude_failed(Transfer *t, CURLcode rc)
{
	StblHttpRequest *req = t->req;
	const char *why = t->error[0] ? t->error : curl_easy_strerror(rc);

	if (t->no_memory || rc == CURLE_OUT_OF_MEMORY)
		conclude(req, t->n_sendings ? STBL_HTTP_NO_ANSWER : STBL_HTTP_NOT_SENT, STBL_ERR_MEMORY, "out of memory", "");
	else if (t->too_large)
		conclude(req, STBL_HTTP_BAD_ANSWER, STBL_ERR_PROTOCOL, "the answer is larger than what was asked for", "");
	else if (rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_WEIRD_SERVER_REPLY)
		conclude(req, t->n_sendings ? STBL_HTTP_BAD_ANSWER : STBL_HTTP_NOT_SENT, STBL_ERR_PROTOCOL,
				 "the answer is not one of HTTP", "");
	else if (t->n_sendings == 0)
	{
		if (rc == CURLE_OPERATION_TIMEDOUT)
			conclude(req, STBL_HTTP_NOT_SENT, STBL_ERR_CONNECT, "could not connect in time", "");
		else if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_SSL_CONNECT_ERROR)
			conclude(req, STBL_HTTP_NOT_SENT, STBL_ERR_CONNECT, "no secure connection (see options endpoint and ca_file)", why);
		else
			conclude(req, STBL_HTTP_NOT_SENT, STBL_ERR_CONNECT, "could not connect", why);
	}
	else if (rc == CURLE_OPERATION_TIMEDOUT)
		conclude(req, STBL_HTTP_NO_ANSWER, STBL_ERR_CONNECTION,
				 req->answer_len > 0 ? "the answer did not end in time" : "no answer in time", "");
	else if (rc == CURLE_PARTIAL_FILE)
		conclude(req, STBL_HTTP_NO_ANSWER, STBL_ERR_CONNECTION, "the answer was cut short", "");
	else if (rc == CURLE_ABORTED_BY_CALLBACK || rc == CURLE_SEND_FAIL_REWIND || rc == CURLE_GOT_NOTHING)
		conclude(req, STBL_HTTP_NO_ANSWER, STBL_ERR_CONNECTION, "the connection was closed before an answer came", "");
	else
		conclude(req, STBL_HTTP_NO_ANSWER, STBL_ERR_CONNECTION, "the connection broke", curl_easy_strerror(rc));
}

/* Ends a transfer and tells its driver. */
static void
complete(Transfer *t, CURLcode rc)
{
	StblHttpRequest *req = t->req;
	long		status = 0;

	if (t->failed)
		conclude(req, STBL_HTTP_NOT_SENT, STBL_ERR_IO, "the request could not be set up", t->error);
	else if (rc == CURLE_OK)
	{
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		req->status = (int) status;
		if (req->answer != NULL && req->answer_len < t->cap)
			req->answer[req->answer_len] = '\0';
		conclude(req, STBL_HTTP_ANSWERED, STBL_ERR_NONE, "", "");
	}
	else
		conclude_failed(t, rc);
	end(t);
	req->done(req);
}

/* ---- progress ---- */

/* Tells of what has ended; whether anything has. */
static bool
collect(void)
{
	bool		any = false;
	Transfer   *t;
	CURLMsg    *msg;
	int			left;

	for (t = transfers; t != NULL;)
	{
		Transfer   *next = t->next;

		if (t->failed || (!t->added && t->req->deadline_us <= stbl_http_now()))
		{
			snprintf(t->error, sizeof(t->error), "%s", t->failed ? "libcurl refuses it" : "the store asked for a pause");
			t->failed = true;
			complete(t, CURLE_OK);
			any = true;
			/* what was called back may have started or cancelled others */
			next = transfers;
		}
		t = next;
	}
	while (multi != NULL && (msg = curl_multi_info_read(multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE && curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **) &t) == CURLE_OK)
		{
			complete(t, msg->data.result);
			any = true;
		}
	return any;
}

/* Sends what has waited long enough; returns when the next wait ends. */
static int64_t
begin_held(int64_t now)
{
	int64_t		next_us = INT64_MAX;

	for (Transfer *t = transfers; t != NULL; t = t->next)
	{
		if (t->added || t->failed)
			continue;
		if (t->req->not_before_us <= now)
			begin(t);
		else
		{
			int64_t		until = t->req->not_before_us < t->req->deadline_us ? t->req->not_before_us : t->req->deadline_us;

			next_us = until < next_us ? until : next_us;
		}
	}
	return next_us;
}

/* Lets libcurl serve the sockets that are ready, and its timer. */
static void
serve(bool any_ready)
{
	StblHttpSocket ready[MAX_SOCKETS];
	int			n = 0;
	int			running;
	sigset_t	old;

	for (int i = 0; any_ready && i < n_sockets; i++)
		if (sockets[i].is_ready)
		{
			ready[n++] = sockets[i];
			sockets[i].is_ready = false;
		}
	block_signals(&old);
	/* 0: libcurl looks what the socket is ready for */
	for (int i = 0; i < n; i++)
		curl_multi_socket_action(multi, ready[i].fd, 0, &running);
	if (timer_us <= stbl_http_now())
	{
		timer_us = INT64_MAX;
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	restore_signals(&old);
}

/* Looks which sockets are ready, without waiting. */
static bool
look(void)
{
	struct pollfd fds[MAX_SOCKETS];
	bool		any = false;

	for (int i = 0; i < n_sockets; i++)
	{
		fds[i].fd = sockets[i].fd;
		fds[i].events = (short) ((sockets[i].want_read ? POLLIN : 0) | (sockets[i].want_write ? POLLOUT : 0));
		fds[i].revents = 0;
	}
	if (n_sockets == 0 || poll(fds, (nfds_t) n_sockets, 0) <= 0)
		return false;
	for (int i = 0; i < n_sockets; i++)
	{
		sockets[i].is_ready = fds[i].revents != 0;
		any = any || sockets[i].is_ready;
	}
	return any;
}

void
stbl_http_drive(int timeout_ms)
{
	int64_t		held_us = begin_held(stbl_http_now());
	int64_t		now;
	int64_t		until;
	int			wait_ms;

	if (collect())
		return;
	if (multi != NULL && look())
		serve(true);
	else
	{
		now = stbl_http_now();
		until = timer_us < held_us ? timer_us : held_us;
		wait_ms = timeout_ms;
		if (until < now + (int64_t) timeout_ms * 1000)
			wait_ms = until <= now ? 0 : (int) ((until - now + 999) / 1000);
		if (wait_ms > 0 && !stbl_http_wait(sockets, n_sockets, wait_ms))
		{
			if (multi != NULL && timer_us <= stbl_http_now())
				serve(false);
			(void) collect();
			return;
		}
		if (multi == NULL)
			return;
		serve(wait_ms > 0);
	}
	/* A long answer keeps coming: take what is there before anything is waited for. */
	for (int i = 0; i < MAX_ROUNDS && !collect() && look(); i++)
		serve(true);
}
