/*
 * A store that counts: url 'count:' and another store's url.
 *
 * store_count.log: a file to which each request that is done appends a line
 *		<pid> <op> <key> <bytes> <status> <round>
 * in the order in which the session was told.
 *
 * CREATE FUNCTION store_count(OUT op text, OUT n bigint, OUT bytes bigint) RETURNS SETOF record
 *		AS '$libdir/supertable_store_count', 'store_count' LANGUAGE C;
 * CREATE FUNCTION store_count_rounds() RETURNS bigint
 *		AS '$libdir/supertable_store_count', 'store_count_rounds' LANGUAGE C;
 * CREATE FUNCTION store_count_reset() RETURNS void
 *		AS '$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
 *
 * The counts are the session's, all stores together: one row an operation,
 * bytes sent or received.
 *
 * Rounds: how many round trips of a distant store the session would have
 * waited for, counted on a clock of its own, so that it does not matter how
 * fast anything really is.  A request that is sent at time t is answered at
 * t + 1; the session learns of it when it next drives the store, and the
 * clock goes on only when it drives the store and nothing is answered yet.
 * So what is sent together is answered together, and what is sent after an
 * answer comes a round later.  Like connections, no more than
 * store_count.connections requests are under way at a time; the others wait
 * for a free one.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "store/supertable_storage.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(store_count);
PG_FUNCTION_INFO_V1(store_count_reset);
PG_FUNCTION_INFO_V1(store_count_rounds);

void		_PG_init(void);

static char *log_path = NULL;
static StblStoreLookup lookup = NULL;
static int64 n_requests[STBL_N_OPS];
static int64 n_bytes[STBL_N_OPS];

/* The clock of rounds. */
#define MAX_CONNECTIONS 1024
static int	connections = 32;
static int64 now_round = 0;
static int64 reset_round = 0;
static int64 free_at[MAX_CONNECTIONS];	/* round in which a connection can take the next request */

/* A request that the session believes to be under way. */
typedef struct Under
{
	StblRequest *outer;			/* the session's */
	StblRequest inner;			/* what the other driver works on */
	int64		round;			/* in which it is answered */
	struct Under *next;			/* in the order in which they were sent */
} Under;

typedef struct CountStore
{
	const StblStoreDriver *inner;
	void	   *handle;
	Under	   *first;
	Under	  **end;
} CountStore;

static const char *const op_names[] = {"GET", "GET_RANGE", "HEAD", "PUT", "PUT_NEW", "PUT_MATCH", "DELETE", "LIST"};
static const char *const status_names[] = {"PENDING", "OK", "NOT_FOUND", "PRECONDITION", "TRANSIENT", "UNKNOWN", "FAILED"};

static void *
count_open(const char *url, const StblStoreOption *options, int n_options,
		   char **canonical, int *error_kind, char *message, size_t message_size)
{
	const char *rest = url + strlen("count:");
	char		scheme[32] = "";
	CountStore *s = calloc(1, sizeof(CountStore));

	if (s == NULL)
	{
		snprintf(message, message_size, "out of memory");
		return NULL;
	}
	strlcpy(scheme, rest, Min(sizeof(scheme), strcspn(rest, ":") + 1));
	s->inner = lookup != NULL ? lookup(scheme) : NULL;
	if (s->inner != NULL)
		s->handle = s->inner->open(rest, options, n_options, canonical, error_kind, message, message_size);
	else
		snprintf(message, message_size, "no store for \"%s\"", rest);
	s->end = &s->first;
	if (s->handle != NULL)
		return s;
	free(s);
	return NULL;
}

static void
count_close(void *store)
{
	CountStore *s = store;

	s->inner->close(s->handle);
	free(s);
}

static void
note(const StblRequest *req, int64 round)
{
	char		line[1400];
	size_t		bytes = req->data_len + req->body_len;
	int			fd;
	int			len;

	n_requests[req->op]++;
	n_bytes[req->op] += bytes;
	if (log_path == NULL || log_path[0] == '\0')
		return;
	fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%d %s %s %zu %s %lld\n", (int) getpid(), op_names[req->op],
				   req->key[0] ? req->key : "-", bytes, status_names[req->status], (long long) (round - reset_round));
	(void) !write(fd, line, Min(len, (int) sizeof(line) - 1));
	close(fd);
}

/* The round in which a request sent now is answered. */
static int64
take_connection(void)
{
	int			best = 0;

	for (int i = 1; i < connections; i++)
		if (free_at[i] < free_at[best])
			best = i;
	free_at[best] = Max(free_at[best], now_round) + 1;
	return free_at[best];
}

static void
count_submit(void *store, StblRequest *req)
{
	CountStore *s = store;
	Under	   *u = calloc(1, sizeof(Under));

	req->driver_data = NULL;
	if (u == NULL)
	{
		req->status = STBL_ST_FAILED;
		snprintf(req->message, sizeof(req->message), "out of memory");
		return;
	}
	u->outer = req;
	u->inner = *req;
	u->inner.status = STBL_ST_PENDING;
	u->round = take_connection();
	*s->end = u;
	s->end = &u->next;
	req->driver_data = u;
	req->status = STBL_ST_PENDING;
	s->inner->submit(s->handle, &u->inner);
}

static void
unlink_under(CountStore *s, Under *u)
{
	Under	  **p = &s->first;

	while (*p != NULL && *p != u)
		p = &(*p)->next;
	if (*p == NULL)
		return;
	*p = u->next;
	if (s->end == &u->next)
		s->end = p;
}

/* Tells the session what the other driver has answered of the rounds up to now. */
static bool
deliver(CountStore *s)
{
	bool		any = false;

	for (Under *u = s->first, *next; u != NULL; u = next)
	{
		next = u->next;
		if (u->round > now_round || u->inner.status == STBL_ST_PENDING)
			continue;
		unlink_under(s, u);
		*u->outer = u->inner;
		u->outer->driver_data = u;
		note(u->outer, u->round);
		any = true;
	}
	return any;
}

static void
count_drive(void *store, int timeout_ms)
{
	CountStore *s = store;
	int64		round = PG_INT64_MAX;
	bool		pending = false;

	if (deliver(s) || timeout_ms <= 0)
	{
		s->inner->drive(s->handle, 0);
		return;
	}

	/* The next round ends when all of its requests are answered. */
	for (Under *u = s->first; u != NULL; u = u->next)
		round = Min(round, u->round);
	for (Under *u = s->first; u != NULL; u = u->next)
		pending = pending || (u->round == round && u->inner.status == STBL_ST_PENDING);
	if (s->first == NULL || pending)
		s->inner->drive(s->handle, timeout_ms);
	for (Under *u = s->first; u != NULL; u = u->next)
		if (u->round == round && u->inner.status == STBL_ST_PENDING)
			return;
	if (s->first != NULL)
		now_round = Max(now_round, round);
	(void) deliver(s);
}

/* The other driver's part of a request goes, and what it allocated for the session's. */
static void
count_release(void *store, StblRequest *req)
{
	CountStore *s = store;
	Under	   *u = req->driver_data;

	if (u == NULL)
		return;
	req->driver_data = NULL;
	unlink_under(s, u);
	s->inner->release(s->handle, &u->inner);
	if (req->status != STBL_ST_PENDING)
	{
		req->body = NULL;
		req->entries = NULL;
		req->n_entries = 0;
		req->list_next = NULL;
	}
	free(u);
}

static void
count_cancel(void *store, StblRequest *req)
{
	CountStore *s = store;
	Under	   *u = req->driver_data;

	if (u != NULL)
	{
		unlink_under(s, u);
		note(&u->inner, u->round);	/* sent it was */
		s->inner->cancel(s->handle, &u->inner);
	}
}

static const char *const no_options[] = {NULL};

static const StblStoreDriver count_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "count",
	.server_options = no_options,
	.user_options = no_options,
	.open = count_open,
	.close = count_close,
	.submit = count_submit,
	.drive = count_drive,
	.cancel = count_cancel,
	.release = count_release
};

Datum
store_count(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int op = 0; op < STBL_N_OPS; op++)
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(op_names[op]);
		values[1] = Int64GetDatum(n_requests[op]);
		values[2] = Int64GetDatum(n_bytes[op]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
store_count_reset(PG_FUNCTION_ARGS)
{
	memset(n_requests, 0, sizeof(n_requests));
	memset(n_bytes, 0, sizeof(n_bytes));
	reset_round = now_round;
	PG_RETURN_VOID();
}

/* Rounds since the last reset. */
Datum
store_count_rounds(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(now_round - reset_round);
}

void
_PG_init(void)
{
	StblStoreRegister reg;

	/* the hook's other side may not be there yet, if a function of this module comes first */
	if (*find_rendezvous_variable(STBL_STORE_REGISTER) == NULL)
		load_file("$libdir/supertable", false);
	reg = (StblStoreRegister) *find_rendezvous_variable(STBL_STORE_REGISTER);

	DefineCustomStringVariable("store_count.log", "File that each request is appended to.", NULL,
							   &log_path, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("store_count.connections", "How many requests are under way at a time.", NULL,
							&connections, 32, 1, MAX_CONNECTIONS, PGC_USERSET, 0, NULL, NULL, NULL);
	lookup = (StblStoreLookup) *find_rendezvous_variable(STBL_STORE_LOOKUP);
	if (reg != NULL)
		reg(&count_driver);
}
