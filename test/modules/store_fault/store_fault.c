/*
 * A store that fails on demand: url 'fault:' and another store's url.
 *
 * Settings, all of a session, deterministic:
 *	 store_fault.at			the operation at which something happens, counted
 *							from 1 since this was last set; 0: never
 *	 store_fault.ops		which operations are counted: write, read, all
 *	 store_fault.action		what happens:
 *		kill_before		the process dies before the operation
 *		kill_after		the process dies after it was applied
 *		lose_answer		it is applied, the answer is lost
 *		late_kill		a write is put aside, to land later; the process dies
 *		late_unknown	a write is put aside, to land later; the answer is lost
 *		error			certainly not applied, may be sent again
 *		fail			certainly not applied, for good
 *		silent			no answer until the deadline
 *		stop			the process is stopped before the operation
 *		truncate		the body of a GET is cut in half
 *		wrong_etag		the answer has another etag
 *	 store_fault.repeat		how many operations from there on (default 1)
 *	 store_fault.error_rate	share of operations that fail transiently
 *	 store_fault.seed		of the random numbers for it
 *	 store_fault.latency_ms	each answer comes so much later
 *	 store_fault.non_atomic	create-only and If-Match check first, write later
 *	 store_fault.clock		file with the seconds by which the store's clock is
 *							ahead, read at each answer
 *	 store_fault.spool		directory for PUTs put aside
 *	 store_fault.log		file; a line for each counted operation:
 *							<pid> <n> <op> <key> <action>
 *
 * store_fault_land(server text, spool text) lets what was put aside land, under
 * its conditions, and returns how many of them were applied.
 * store_fault_do(server text, op text, key text, data text) writes, reads or
 * deletes an object behind everybody's back, lists those under a prefix, or
 * makes key a copy (COPY) of the object that data names.
 * Both go to the wrapped store, with the options of the server and of its
 * mapping for PUBLIC:
 *
 * CREATE FUNCTION store_fault_land(text, text) RETURNS int
 *		AS '$libdir/supertable_store_fault', 'store_fault_land' LANGUAGE C STRICT;
 * CREATE FUNCTION store_fault_do(text, text, text, text) RETURNS text
 *		AS '$libdir/supertable_store_fault', 'store_fault_do' LANGUAGE C STRICT;
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "store/supertable_storage.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(store_fault_land);
PG_FUNCTION_INFO_V1(store_fault_do);

void		_PG_init(void);

enum
{
	A_NONE, A_KILL_BEFORE, A_KILL_AFTER, A_LOSE_ANSWER, A_LATE_KILL, A_LATE_UNKNOWN, A_ERROR, A_FAIL, A_SILENT,
	A_STOP, A_TRUNCATE, A_WRONG_ETAG
};

static const struct config_enum_entry actions[] = {
	{"none", A_NONE, false}, {"kill_before", A_KILL_BEFORE, false}, {"kill_after", A_KILL_AFTER, false},
	{"lose_answer", A_LOSE_ANSWER, false}, {"late_kill", A_LATE_KILL, false}, {"late_unknown", A_LATE_UNKNOWN, false},
	{"error", A_ERROR, false}, {"fail", A_FAIL, false}, {"silent", A_SILENT, false}, {"stop", A_STOP, false},
	{"truncate", A_TRUNCATE, false}, {"wrong_etag", A_WRONG_ETAG, false}, {NULL, 0, false}
};

/* STBL_ERR_IO of the extension's common/error.h */
#define ERROR_KIND_IO 7

enum
{
	OPS_WRITE, OPS_READ, OPS_ALL
};

static const struct config_enum_entry op_classes[] = {
	{"write", OPS_WRITE, false}, {"read", OPS_READ, false}, {"all", OPS_ALL, false}, {NULL, 0, false}
};

static const char *const op_names[] = {"GET", "GET_RANGE", "HEAD", "PUT", "PUT_NEW", "PUT_MATCH", "DELETE", "LIST"};

static int	fault_at = 0;
static int	fault_ops = OPS_WRITE;
static int	fault_action = A_NONE;
static int	fault_repeat = 1;
static double error_rate = 0;
static int	seed = 0;
static int	latency_ms = 0;
static bool non_atomic = false;
static char *spool_dir = NULL;
static char *log_path = NULL;
static char *clock_path = NULL;

static int	n_counted = 0;
static uint64 random_state = 0;
static int	spool_seq = 0;
static StblStoreLookup lookup = NULL;

/* A request under way: the inner driver's request, and what is to become of its answer. */
typedef struct Under
{
	StblRequest inner;
	StblRequest *outer;
	int			action;
	bool		inner_started;
	bool		silent;
	int			step;			/* non_atomic: 1 checking, 2 writing */
	int64		due_us;
	struct Under *next;
} Under;

typedef struct FaultStore
{
	const StblStoreDriver *inner;
	void	   *handle;
	Under	   *pending;
} FaultStore;

static int64
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* What the store's clock shows when the real one shows us. */
static int64
store_clock(int64 us)
{
	FILE	   *f = clock_path != NULL && clock_path[0] != '\0' ? fopen(clock_path, "r") : NULL;
	long long	ahead = 0;

	if (f == NULL)
		return us;
	if (fscanf(f, "%lld", &ahead) != 1)
		ahead = 0;
	fclose(f);
	return us + (int64) ahead * 1000000;
}

static double
next_random(void)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (double) (random_state >> 11) / (double) (UINT64CONST(1) << 53);
}

static bool
is_write(StblOp op)
{
	return op == STBL_OP_PUT || op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH || op == STBL_OP_DELETE;
}

static void
note(int n, const StblRequest *req, const char *what)
{
	char		line[1400];
	int			fd;
	int			len;

	if (log_path == NULL || log_path[0] == '\0')
		return;
	fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%d %d %s %s %s\n", (int) getpid(), n, op_names[req->op],
				   req->key[0] ? req->key : "-", what);
	(void) !write(fd, line, Min(len, (int) sizeof(line) - 1));
	close(fd);
}

/* What is to happen to this operation. */
static int
decide(const StblRequest *req)
{
	int			action = A_NONE;

	if (error_rate > 0 && next_random() < error_rate)
		return A_ERROR;
	if (fault_ops == OPS_ALL || (fault_ops == OPS_WRITE) == is_write(req->op))
	{
		n_counted++;
		if (fault_at > 0 && n_counted >= fault_at && n_counted < fault_at + fault_repeat)
			action = fault_action;
		/* only a write can land later */
		if ((action == A_LATE_KILL || action == A_LATE_UNKNOWN) && !is_write(req->op))
			action = A_NONE;
		note(n_counted, req, actions[action].name);
	}
	return action;
}

/* Puts a PUT aside: op, key, etag and data in one file.  It appears whole or not at all. */
static bool
put_aside(const StblRequest *req)
{
	char		path[1200];
	char		temp[1200];
	FILE	   *f;
	uint32		head[4] = {req->op, strlen(req->key), req->etag ? strlen(req->etag) : 0, req->data_len};
	bool		ok;
	int			len;

	len = snprintf(path, sizeof(path), "%s/%020lld.%d.%d", spool_dir, (long long) now_us(), (int) getpid(), spool_seq);
	if (len >= (int) sizeof(path))
		return false;
	snprintf(temp, sizeof(temp), "%s/.%d.%d", spool_dir, (int) getpid(), spool_seq++);
	f = fopen(temp, "wb");
	if (f == NULL)
		return false;
	ok = fwrite(head, sizeof(head), 1, f) == 1 &&
		fwrite(req->key, 1, head[1], f) == head[1] &&
		fwrite(req->etag ? req->etag : "", 1, head[2], f) == head[2] &&
		(head[3] == 0 || fwrite(req->data, 1, head[3], f) == head[3]);
	ok = fclose(f) == 0 && ok;
	ok = ok && rename(temp, path) == 0;
	return ok;
}

static void
answer(StblRequest *req, StblStatus status, const char *message)
{
	req->status = status;
	req->error_kind = ERROR_KIND_IO;
	req->store_time_us = store_clock(now_us());
	snprintf(req->message, sizeof(req->message), "%s", message);
}

/* Hands the inner answer out, spoilt as ordered. */
static void
complete(Under *u)
{
	StblRequest *o = u->outer;

	if (u->action == A_KILL_AFTER)
		kill(getpid(), SIGKILL);
	o->status = u->inner.status;
	o->error_kind = u->inner.error_kind;
	memcpy(o->message, u->inner.message, sizeof(o->message));
	memcpy(o->new_etag, u->inner.new_etag, sizeof(o->new_etag));
	o->store_time_us = store_clock(u->inner.store_time_us);
	o->modified_us = u->inner.modified_us;
	o->size = u->inner.size;
	o->body = u->inner.body;
	o->body_len = u->inner.body_len;
	o->entries = u->inner.entries;
	o->n_entries = u->inner.n_entries;
	o->list_next = u->inner.list_next;
	if (u->action == A_LOSE_ANSWER)
		answer(o, is_write(o->op) ? STBL_ST_UNKNOWN : STBL_ST_TRANSIENT, "the answer was lost");
	else if (u->action == A_TRUNCATE && o->body != NULL)
		o->body_len /= 2;
	else if (u->action == A_WRONG_ETAG)
		snprintf(o->new_etag, sizeof(o->new_etag), "wrong");
}

static void
start_inner(FaultStore *s, Under *u)
{
	u->inner = *u->outer;
	u->inner.status = STBL_ST_PENDING;
	u->inner.driver_data = NULL;
	u->inner.body = NULL;
	u->inner.entries = NULL;
	u->inner.n_entries = 0;
	u->inner.list_next = NULL;
	u->inner_started = true;
	if (u->step == 1)
		u->inner.op = STBL_OP_HEAD;
	else if (u->step == 2)
		u->inner.op = STBL_OP_PUT;
	s->inner->submit(s->handle, &u->inner);
}

/* Moves a request on; true when it is done. */
static bool
go_on(FaultStore *s, Under *u)
{
	if (u->silent)
	{
		if (now_us() < u->outer->deadline_us)
			return false;
		answer(u->outer, is_write(u->outer->op) ? STBL_ST_UNKNOWN : STBL_ST_TRANSIENT, "no answer");
		return true;
	}
	if (u->inner.status == STBL_ST_PENDING || now_us() < u->due_us)
		return false;
	if (u->step == 1)
	{
		bool		there = u->inner.status == STBL_ST_OK;
		bool		fits = u->outer->op == STBL_OP_PUT_NEW ? !there :
			there && strcmp(u->inner.new_etag, u->outer->etag) == 0;

		s->inner->release(s->handle, &u->inner);
		if (!fits)
		{
			answer(u->outer, STBL_ST_PRECONDITION, "");
			return true;
		}
		u->step = 2;
		u->due_us = now_us() + 2000;
		start_inner(s, u);
		return false;
	}
	complete(u);
	return true;
}

static void
fault_submit(void *store, StblRequest *req)
{
	FaultStore *s = store;
	int			action = decide(req);
	Under	   *u;

	req->status = STBL_ST_PENDING;
	req->message[0] = '\0';
	req->new_etag[0] = '\0';
	req->driver_data = NULL;
	switch (action)
	{
		case A_KILL_BEFORE:
			kill(getpid(), SIGKILL);
			break;
		case A_STOP:
			raise(SIGSTOP);
			break;
		case A_LATE_KILL:
			if (put_aside(req))
				kill(getpid(), SIGKILL);
			answer(req, STBL_ST_FAILED, "could not write to store_fault.spool");
			return;
		case A_LATE_UNKNOWN:
			if (put_aside(req))
				answer(req, STBL_ST_UNKNOWN, "the answer was lost");
			else
				answer(req, STBL_ST_FAILED, "could not write to store_fault.spool");
			return;
		case A_ERROR:
			answer(req, STBL_ST_TRANSIENT, "injected error");
			return;
		case A_FAIL:
			answer(req, STBL_ST_FAILED, "injected failure");
			return;
		default:
			break;
	}
	u = calloc(1, sizeof(Under));
	if (u == NULL)
	{
		answer(req, STBL_ST_FAILED, "out of memory");
		return;
	}
	u->outer = req;
	u->action = action;
	u->silent = action == A_SILENT;
	u->due_us = latency_ms > 0 ? now_us() + latency_ms * INT64CONST(1000) : 0;
	if (non_atomic && (req->op == STBL_OP_PUT_NEW || req->op == STBL_OP_PUT_MATCH))
	{
		u->step = 1;
		u->due_us = now_us() + 2000;
	}
	req->driver_data = u;
	if (!u->silent)
		start_inner(s, u);
	if (go_on(s, u))
		return;
	u->next = s->pending;
	s->pending = u;
}

static void
take_off(FaultStore *s, Under *u)
{
	for (Under **p = &s->pending; *p != NULL; p = &(*p)->next)
		if (*p == u)
		{
			*p = u->next;
			return;
		}
}

static void
fault_drive(void *store, int timeout_ms)
{
	FaultStore *s = store;
	bool		any = false;

	s->inner->drive(s->handle, 0);
	for (Under *u = s->pending, *next; u != NULL; u = next)
	{
		next = u->next;
		if (go_on(s, u))
		{
			take_off(s, u);
			any = true;
		}
	}
	if (!any && s->pending != NULL)
		(void) poll(NULL, 0, Min(timeout_ms, 1));
}

static void
fault_cancel(void *store, StblRequest *req)
{
	FaultStore *s = store;
	Under	   *u = req->driver_data;

	if (u == NULL)
		return;
	take_off(s, u);
	if (u->inner_started && u->inner.status == STBL_ST_PENDING)
		s->inner->cancel(s->handle, &u->inner);
}

static void
fault_release(void *store, StblRequest *req)
{
	FaultStore *s = store;
	Under	   *u = req->driver_data;

	if (u != NULL)
	{
		if (u->inner_started)
			s->inner->release(s->handle, &u->inner);
		free(u);
	}
	req->driver_data = NULL;
	req->body = NULL;
	req->body_len = 0;
	req->entries = NULL;
	req->n_entries = 0;
	req->list_next = NULL;
}

static void *
fault_open(const char *url, const StblStoreOption *options, int n_options,
		   char **canonical, int *error_kind, char *message, size_t message_size)
{
	const char *rest = url + strlen("fault:");
	char		scheme[32] = "";
	FaultStore *s = calloc(1, sizeof(FaultStore));

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
fault_close(void *store)
{
	FaultStore *s = store;

	s->inner->close(s->handle);
	free(s);
}

#define MAX_OPTIONS 64

/* Of all the drivers that it may wrap, together. */
static const char *server_options[MAX_OPTIONS + 1];
static const char *user_options[MAX_OPTIONS + 1];

static void
add_options(const char **all, const char *const *more)
{
	int			n = 0;

	for (; more != NULL && *more != NULL; more++)
	{
		for (n = 0; all[n] != NULL && strcmp(all[n], *more) != 0; n++)
			;
		if (n < MAX_OPTIONS)
			all[n] = *more;
	}
}

static const StblStoreDriver fault_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "fault",
	.server_options = server_options,
	.user_options = user_options,
	.open = fault_open,
	.close = fault_close,
	.submit = fault_submit,
	.drive = fault_drive,
	.cancel = fault_cancel,
	.release = fault_release
};

/* ---- landing ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The store that a server's own wraps. */
typedef struct Inner
{
	const StblStoreDriver *driver;
	void	   *handle;
} Inner;

static int
take_options(List *list, StblStoreOption *options, int n, const char **url)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, "url") == 0)
			*url = defGetString(def);
		else if (n < MAX_OPTIONS)
			options[n++] = (StblStoreOption) {def->defname, defGetString(def)};
	}
	return n;
}

static Inner
open_inner(const char *server_name)
{
	ForeignServer *server = GetForeignServerByName(server_name, false);
	StblStoreOption options[MAX_OPTIONS];
	const char *url = "";
	int			n = take_options(server->options, options, 0, &url);
	char		scheme[32] = "";
	char		message[512] = "";
	char	   *canonical = NULL;
	int			kind;
	Inner		inner;

	if (strncmp(url, "fault:", 6) == 0)
		url += 6;
	strlcpy(scheme, url, Min(sizeof(scheme), strcspn(url, ":") + 1));
	/* a directory has no mapping, and what has one is asked for it */
	if (strcmp(scheme, "file") != 0)
		n = take_options(GetUserMapping(InvalidOid, server->serverid)->options, options, n, &url);
	inner.driver = lookup(scheme);
	inner.handle = inner.driver ? inner.driver->open(url, options, n, &canonical, &kind, message, sizeof(message)) : NULL;
	if (inner.handle == NULL)
		ereport(ERROR, (errmsg("cannot open \"%s\": %s", url, message)));
	free(canonical);
	return inner;
}

static void
run_inner(Inner *inner, StblRequest *req)
{
	req->deadline_us = now_us() + 30000000;
	inner->driver->submit(inner->handle, req);
	while (req->status == STBL_ST_PENDING)
		inner->driver->drive(inner->handle, 10);
}

static bool
land_one(Inner *inner, const char *path)
{
	FILE	   *f = fopen(path, "rb");
	uint32		head[4];
	StblRequest req;
	char	   *key,
			   *etag,
			   *data;
	bool		ok;

	if (f == NULL || fread(head, sizeof(head), 1, f) != 1)
		ereport(ERROR, (errmsg("cannot read \"%s\"", path)));
	key = palloc0(head[1] + 1);
	etag = palloc0(head[2] + 1);
	data = palloc0(head[3] + 1);
	if (fread(key, 1, head[1], f) != head[1] || fread(etag, 1, head[2], f) != head[2] ||
		fread(data, 1, head[3], f) != head[3])
		ereport(ERROR, (errmsg("cannot read \"%s\"", path)));
	fclose(f);
	memset(&req, 0, sizeof(req));
	req.op = head[0];
	req.key = key;
	req.etag = etag;
	req.data = data;
	req.data_len = head[3];
	run_inner(inner, &req);
	ok = req.status == STBL_ST_OK;
	inner->driver->release(inner->handle, &req);
	unlink(path);
	return ok;
}

Datum
store_fault_land(PG_FUNCTION_ARGS)
{
	char	   *spool = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Inner		inner = open_inner(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	DIR		   *dir = opendir(spool);
	struct dirent *de;
	char	   *names[1000];
	int			n = 0;
	int			landed = 0;

	if (dir == NULL)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", spool)));
	while ((de = readdir(dir)) != NULL && n < 1000)
		if (de->d_name[0] != '.')
			names[n++] = psprintf("%s/%s", spool, de->d_name);
	closedir(dir);
	qsort(names, n, sizeof(char *), compare_names);
	for (int i = 0; i < n; i++)	/* in the order in which they were sent */
		landed += land_one(&inner, names[i]);
	inner.driver->close(inner.handle);
	PG_RETURN_INT32(landed);
}

/* Objects of a prefix, a line each, those below a further slash as one with the slash. */
static void
list_all(Inner *inner, const char *prefix, StringInfo out)
{
	char	   *token = NULL;

	do
	{
		StblRequest req;

		memset(&req, 0, sizeof(req));
		req.op = STBL_OP_LIST;
		req.key = prefix;
		req.list_delimiter = '/';
		req.list_token = token;
		run_inner(inner, &req);
		if (req.status != STBL_ST_OK)
			ereport(ERROR, (errmsg("cannot list \"%s\": %s", prefix, req.message)));
		for (size_t i = 0; i < req.n_entries; i++)
			appendStringInfo(out, "%s\n", req.entries[i].key + strlen(prefix));
		token = req.list_next ? pstrdup(req.list_next) : NULL;
		inner->driver->release(inner->handle, &req);
	} while (token != NULL);
}

/* One request on one object; what it answers is appended to out. */
static void
do_one(Inner *inner, const char *op, const char *key, const char *data, size_t len, StringInfo out)
{
	StblRequest req;

	memset(&req, 0, sizeof(req));
	req.key = key;
	for (req.op = 0; req.op < STBL_N_OPS && strcmp(op_names[req.op], op) != 0; req.op++)
		;
	req.data = data;
	req.data_len = len;
	run_inner(inner, &req);
	if (req.status != STBL_ST_OK && req.status != STBL_ST_NOT_FOUND)
		ereport(ERROR, (errmsg("%s of \"%s\": %s", op, key, req.message)));
	if (req.body != NULL)
		appendBinaryStringInfo(out, (char *) req.body, req.body_len);
	inner->driver->release(inner->handle, &req);
}

Datum
store_fault_do(PG_FUNCTION_ARGS)
{
	Inner		inner = open_inner(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *op = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *data = text_to_cstring(PG_GETARG_TEXT_PP(3));
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(2));
	StringInfoData out;

	initStringInfo(&out);
	if (strcmp(op, "LIST") == 0)
		list_all(&inner, key, &out);
	else if (strcmp(op, "COPY") == 0)
	{
		do_one(&inner, "GET", data, NULL, 0, &out);
		do_one(&inner, "PUT", key, out.data, out.len, &out);
		resetStringInfo(&out);
	}
	else
		do_one(&inner, op, key, data, strlen(data), &out);
	inner.driver->close(inner.handle);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

static void
restart_count(int newval, void *extra)
{
	n_counted = 0;
}

static void
restart_random(int newval, void *extra)
{
	random_state = (uint64) newval * 2654435761u + 12345;
}

void
_PG_init(void)
{
	static const char *const wrapped[] = {"file", "s3", "az", "gs"};
	StblStoreRegister reg;

	/* the hook's other side may not be there yet, if a function of this module comes first */
	if (*find_rendezvous_variable(STBL_STORE_REGISTER) == NULL)
		load_file("$libdir/supertable", false);
	reg = (StblStoreRegister) *find_rendezvous_variable(STBL_STORE_REGISTER);

	DefineCustomIntVariable("store_fault.at", "Operation at which it happens.", NULL, &fault_at, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, restart_count, NULL);
	DefineCustomEnumVariable("store_fault.ops", "Which operations are counted.", NULL, &fault_ops, OPS_WRITE, op_classes,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("store_fault.action", "What happens.", NULL, &fault_action, A_NONE, actions,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("store_fault.repeat", "To how many operations.", NULL, &fault_repeat, 1, 1, INT_MAX / 2,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("store_fault.error_rate", "Share of transient errors.", NULL, &error_rate, 0, 0, 1,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("store_fault.seed", "Seed of random errors.", NULL, &seed, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, restart_random, NULL);
	DefineCustomIntVariable("store_fault.latency_ms", "Delay of each answer.", NULL, &latency_ms, 0, 0, 60000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("store_fault.non_atomic", "Conditions are checked before, not with, the write.", NULL,
							 &non_atomic, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("store_fault.clock", "File with the seconds the store's clock is ahead.", NULL, &clock_path, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("store_fault.spool", "Directory of PUTs put aside.", NULL, &spool_dir, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("store_fault.log", "File that operations are appended to.", NULL, &log_path, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	lookup = (StblStoreLookup) *find_rendezvous_variable(STBL_STORE_LOOKUP);
	for (int i = 0; i < (int) lengthof(wrapped) && lookup != NULL; i++)
	{
		const StblStoreDriver *driver = lookup(wrapped[i]);

		if (driver == NULL)
			continue;
		add_options(server_options, driver->server_options);
		add_options(user_options, driver->user_options);
	}
	if (reg != NULL)
		reg(&fault_driver);
}
