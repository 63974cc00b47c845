/*
 * A store that counts: url 'count:' and another store's url.
 *
 * store_count.log: a file to which each request that is done appends a line
 *		<pid> <op> <key> <bytes> <status>
 * in the order in which they were answered.
 *
 * CREATE FUNCTION store_count(OUT op text, OUT n bigint, OUT bytes bigint) RETURNS SETOF record
 *		AS '$libdir/supertable_store_count', 'store_count' LANGUAGE C;
 * CREATE FUNCTION store_count_reset() RETURNS void
 *		AS '$libdir/supertable_store_count', 'store_count_reset' LANGUAGE C;
 *
 * The counts are the session's, all stores together: one row an operation,
 * bytes sent or received.
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

void		_PG_init(void);

static char *log_path = NULL;
static StblStoreLookup lookup = NULL;
static int64 n_requests[STBL_N_OPS];
static int64 n_bytes[STBL_N_OPS];

typedef struct CountStore
{
	const StblStoreDriver *inner;
	void	   *handle;
	StblRequest **pending;		/* of the inner driver, not counted yet */
	int			n_pending;
	int			cap;
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
	free(s->pending);
	free(s);
}

static void
note(const StblRequest *req)
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
	len = snprintf(line, sizeof(line), "%d %s %s %zu %s\n", (int) getpid(), op_names[req->op],
				   req->key[0] ? req->key : "-", bytes, status_names[req->status]);
	(void) !write(fd, line, Min(len, (int) sizeof(line) - 1));
	close(fd);
}

/* Counts what the inner driver has answered; forget: a request that is cancelled. */
static void
look(CountStore *s, const StblRequest *forget)
{
	int			n = 0;

	for (int i = 0; i < s->n_pending; i++)
	{
		if (s->pending[i] == forget)
			continue;
		if (s->pending[i]->status != STBL_ST_PENDING)
			note(s->pending[i]);
		else
			s->pending[n++] = s->pending[i];
	}
	s->n_pending = n;
}

static void
count_submit(void *store, StblRequest *req)
{
	CountStore *s = store;

	if (s->n_pending == s->cap)
	{
		int			cap = s->cap ? s->cap * 2 : 16;
		StblRequest **grown = realloc(s->pending, cap * sizeof(StblRequest *));

		if (grown == NULL)
		{
			req->status = STBL_ST_FAILED;
			snprintf(req->message, sizeof(req->message), "out of memory");
			return;
		}
		s->pending = grown;
		s->cap = cap;
	}
	s->inner->submit(s->handle, req);
	s->pending[s->n_pending++] = req;
	look(s, NULL);
}

static void
count_drive(void *store, int timeout_ms)
{
	CountStore *s = store;

	s->inner->drive(s->handle, timeout_ms);
	look(s, NULL);
}

static void
count_cancel(void *store, StblRequest *req)
{
	CountStore *s = store;

	look(s, req);
	s->inner->cancel(s->handle, req);
}

static void
count_release(void *store, StblRequest *req)
{
	CountStore *s = store;

	s->inner->release(s->handle, req);
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
	PG_RETURN_VOID();
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
	lookup = (StblStoreLookup) *find_rendezvous_variable(STBL_STORE_LOOKUP);
	if (reg != NULL)
		reg(&count_driver);
}
