/*
 * A store that counts: url 'count:' and another store's url.
 *
 * store_count.log: a file to which each request that is done appends a line
 *		<pid> <op> <key> <bytes> <status>
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "store/supertable_storage.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static char *log_path = NULL;
static StblStoreLookup lookup = NULL;

typedef struct CountStore
{
	const StblStoreDriver *inner;
	void	   *handle;
} CountStore;

static const char *const op_names[] = {"GET", "GET_RANGE", "HEAD", "PUT", "PUT_NEW", "PUT_MATCH", "DELETE", "LIST"};
static const char *const status_names[] = {"PENDING", "OK", "NOT_FOUND", "PRECONDITION", "TRANSIENT", "UNKNOWN", "FAILED"};

static void *
count_open(const char *url, const StblStoreOption *options, int n_options,
		   char **canonical, int *error_kind, char *message, size_t message_size)
{
	const char *rest = url + strlen("count:");
	char		scheme[32] = "";
	CountStore *s;

	strlcpy(scheme, rest, Min(sizeof(scheme), strcspn(rest, ":") + 1));
	s = calloc(1, sizeof(CountStore));
	s->inner = lookup(scheme);
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
	free(s);
}

/* The request is the inner driver's; what is done is seen when somebody looks. */
static void
note(StblRequest *req)
{
	char		line[1400];
	int			fd;
	int			len;

	if (log_path == NULL || log_path[0] == '\0')
		return;
	fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	len = snprintf(line, sizeof(line), "%d %s %s %zu %s\n", (int) getpid(), op_names[req->op],
				   req->key[0] ? req->key : "-", req->data_len + req->body_len, status_names[req->status]);
	(void) !write(fd, line, len);
	close(fd);
}

static void
count_submit(void *store, StblRequest *req)
{
	CountStore *s = store;

	s->inner->submit(s->handle, req);
	while (req->status == STBL_ST_PENDING)
		s->inner->drive(s->handle, 10);
	note(req);
}

static void
count_drive(void *store, int timeout_ms)
{
	CountStore *s = store;

	s->inner->drive(s->handle, timeout_ms);
}

static void
count_cancel(void *store, StblRequest *req)
{
	CountStore *s = store;

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

void
_PG_init(void)
{
	StblStoreRegister reg = (StblStoreRegister) *find_rendezvous_variable(STBL_STORE_REGISTER);

	DefineCustomStringVariable("store_count.log", "File that each request is appended to.", NULL,
							   &log_path, "", PGC_USERSET, 0, NULL, NULL, NULL);
	lookup = (StblStoreLookup) *find_rendezvous_variable(STBL_STORE_LOOKUP);
	if (reg != NULL)
		reg(&count_driver);
}
