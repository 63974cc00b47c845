/*
 * The directory driver as a store: what it promises (S1 to S5 of
 * supertable_storage.h), with races between processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "store/file.h"

#include "unit.h"

#define N_RACERS 12
#define N_ROUNDS 30

static const StblStoreDriver *const d = &stbl_file_driver;
static char root[256];
static char url[300];
static int	fail_fsync_of_dirs = 0;
static int	n_fsync_of_dirs = 0;

/* The driver's fsync: the kernel's, but for a directory that is to fail. */
int
fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
	{
		n_fsync_of_dirs++;
		if (fail_fsync_of_dirs > 0)
		{
			fail_fsync_of_dirs--;
			errno = EIO;
			return -1;
		}
	}
	return (int) syscall(SYS_fsync, fd);
}

static int	n_opened_dirs = 0;

/* The driver's openat, counted where it opens a directory. */
int
openat(int dir, const char *path, int flags,...)
{
	va_list		args;
	mode_t		mode = 0;

	if (flags & O_CREAT)
	{
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	n_opened_dirs += (flags & O_DIRECTORY) != 0;
	return (int) syscall(SYS_openat, dir, path, flags, mode);
}

static void *
open_store(void)
{
	char	   *canonical = NULL;
	int			kind = 0;
	char		message[512] = "";
	void	   *s = d->open(url, NULL, 0, &canonical, &kind, message, sizeof(message));

	if (s == NULL)
	{
		fprintf(stderr, "cannot open %s: %s\n", url, message);
		exit(2);
	}
	free(canonical);
	return s;
}

static void
wait_for(void *s, StblRequest *req)
{
	while (req->status == STBL_ST_PENDING)
		d->drive(s, 100);
}

static void
prepare(StblRequest *req, StblOp op, const char *key)
{
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	req->deadline_us = INT64_MAX;
}

/* Any write; the etag of the answer, if asked for. */
static StblStatus
do_write(void *s, StblOp op, const char *key, const char *data, const char *etag, char *new_etag)
{
	StblRequest req;
	StblStatus	status;

	prepare(&req, op, key);
	req.data = data;
	req.data_len = data != NULL ? strlen(data) : 0;
	req.etag = etag;
	d->submit(s, &req);
	wait_for(s, &req);
	status = req.status;
	if (new_etag != NULL)
		memcpy(new_etag, req.new_etag, sizeof(req.new_etag));
	d->release(s, &req);
	return status;
}

/* HEAD or GET; the body, if asked for, is the caller's to free. */
static StblStatus
do_read(void *s, StblOp op, const char *key, char *etag, char **body)
{
	StblRequest req;
	StblStatus	status;

	prepare(&req, op, key);
	d->submit(s, &req);
	wait_for(s, &req);
	status = req.status;
	if (etag != NULL)
		memcpy(etag, req.new_etag, sizeof(req.new_etag));
	if (body != NULL)
		*body = req.body != NULL ? strdup((char *) req.body) : NULL;
	d->release(s, &req);
	return status;
}

static bool
content_is(void *s, const char *key, const char *expected)
{
	char	   *body;
	bool		ok = do_read(s, STBL_OP_GET, key, NULL, &body) == STBL_ST_OK && strcmp(body, expected) == 0;

	free(body);
	return ok;
}

static int
count_temps(void)
{
	char		command[400];
	FILE	   *p;
	int			n = -1;

	snprintf(command, sizeof(command), "ls '%s/.supertable-tmp' | grep -c '^put'", root);
	p = popen(command, "r");
	if (p != NULL)
	{
		if (fscanf(p, "%d", &n) != 1)
			n = -1;
		pclose(p);
	}
	return n;
}

static int
count_fds(void)
{
	int			n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
shell(const char *fmt, const char *arg)
{
	char		command[700];

	snprintf(command, sizeof(command), fmt, arg);
	if (system(command) != 0)
		fprintf(stderr, "# failed: %s\n", command);
}

/* ---- urls ---- */

static int
open_kind(const char *u, char *message, size_t size)
{
	char	   *canonical = NULL;
	int			kind = 0;
	void	   *s = d->open(u, NULL, 0, &canonical, &kind, message, size);

	if (s == NULL)
		return kind;
	d->close(s);
	free(canonical);
	return STBL_ERR_NONE;
}

static void
test_urls(void)
{
	static const char *const bad[] = {
		"file:", "file://", "file:///", "file://relative/dir", "file://host/dir", "file:/dir", "file:dir",
		"file:///tmp/../etc", "file:///tmp/..", "other:///tmp"
	};
	char		message[512];
	char		u[700];
	char	   *canonical = NULL;
	char		expected[300];
	int			kind;
	void	   *s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		kind = open_kind(bad[i], message, sizeof(message));
		OK(kind == STBL_ERR_INVALID && strstr(message, "file:///absolute/directory") != NULL, "url %s is refused, with what to write", bad[i]);
	}
	snprintf(u, sizeof(u), "%s/none", url);
	OK(open_kind(u, message, sizeof(message)) == STBL_ERR_NOT_FOUND, "a missing directory is not made");
	shell("touch '%s/plain'", root);
	snprintf(u, sizeof(u), "%s/plain", url);
	OK(open_kind(u, message, sizeof(message)) == STBL_ERR_NOT_FOUND, "a file is no store");
	shell("rm '%s/plain'", root);
	memset(u, 'x', sizeof(u) - 1);
	u[sizeof(u) - 1] = '\0';
	memcpy(u, "file:///", 8);
	OK(open_kind(u, message, sizeof(message)) != STBL_ERR_NONE, "a long url is refused");
	shell("ln -s . '%s/self'", root);
	snprintf(u, sizeof(u), "%s//self/./self//", url);
	s = d->open(u, NULL, 0, &canonical, &kind, message, sizeof(message));
	snprintf(expected, sizeof(expected), "file://%s", root);
	OK(s != NULL && strcmp(canonical, expected) == 0, "every spelling has one canonical url");
	if (s != NULL)
		d->close(s);
	free(canonical);
	shell("rm '%s/self'", root);
}

/* ---- races ---- */

typedef struct Shared
{
	volatile int go;
	volatile int winners;
	volatile int refused;
	volatile int others;
	volatile int ready;
} Shared;

/* Lets N_RACERS processes write one key at once; the counts are in shared. */
static void
race(Shared *shared, StblOp op, const char *key, const char *etag)
{
	memset((void *) shared, 0, sizeof(*shared));
	for (int i = 0; i < N_RACERS; i++)
	{
		if (fork() == 0)
		{
			void	   *s = open_store();
			char		data[64];
			StblStatus	status;

			snprintf(data, sizeof(data), "racer %d", i);
			__sync_fetch_and_add(&shared->ready, 1);
			while (!shared->go)
				;
			status = do_write(s, op, key, data, etag, NULL);
			__sync_fetch_and_add(status == STBL_ST_OK ? &shared->winners :
								 status == STBL_ST_PRECONDITION ? &shared->refused : &shared->others, 1);
			d->close(s);
			_exit(0);
		}
	}
	while (shared->ready < N_RACERS)
		usleep(100);
	shared->go = 1;
	while (wait(NULL) > 0)
		;
}

static void
test_races(void *s)
{
	Shared	   *shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int			good_new = 0;
	int			good_match = 0;
	char		key[64];
	char		etag[128];
	char	   *body;

	for (int round = 0; round < N_ROUNDS; round++)
	{
		snprintf(key, sizeof(key), "race/new-%d/object", round);
		race(shared, STBL_OP_PUT_NEW, key, NULL);
		good_new += shared->winners == 1 && shared->refused == N_RACERS - 1 &&
			do_read(s, STBL_OP_GET, key, etag, &body) == STBL_ST_OK && strncmp(body, "racer ", 6) == 0;
		free(body);
		race(shared, STBL_OP_PUT_MATCH, key, etag);
		good_match += shared->winners == 1 && shared->refused == N_RACERS - 1;
	}
	OK(good_new == N_ROUNDS, "of %d concurrent creates exactly one wins (%d of %d rounds)", N_RACERS, good_new, N_ROUNDS);
	OK(good_match == N_ROUNDS, "of %d concurrent replacements exactly one wins (%d of %d rounds)", N_RACERS, good_match, N_ROUNDS);
	OK(count_temps() == 0, "no temporary file is left");
	munmap(shared, sizeof(Shared));
}

/* Increments of one counter by compare-and-swap from many processes: none is lost. */
static void
test_counter(void *s)
{
	char	   *body;

	do_write(s, STBL_OP_PUT, "counter", "0", NULL, NULL);
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
		{
			void	   *own = open_store();

			for (int done = 0; done < 25;)
			{
				char		etag[128];
				char		next[32];

				if (do_read(own, STBL_OP_GET, "counter", etag, &body) != STBL_ST_OK)
					_exit(1);
				snprintf(next, sizeof(next), "%d", atoi(body) + 1);
				free(body);
				done += do_write(own, STBL_OP_PUT_MATCH, "counter", next, etag, NULL) == STBL_ST_OK;
			}
			d->close(own);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	OK(content_is(s, "counter", "100"), "a counter kept by compare-and-swap loses no increment");
}

/* ---- objects ---- */

static void
test_etags(void *s)
{
	char		a[128];
	char		b[128];
	char		got[128];
	char	   *big = malloc(3 * 1024 * 1024 + 1);
	bool		differ = true;
	char	   *body;

	do_write(s, STBL_OP_PUT, "etag/x", "A", NULL, a);
	OK(do_read(s, STBL_OP_HEAD, "etag/x", got, NULL) == STBL_ST_OK && strcmp(got, a) == 0, "HEAD gives the etag the PUT gave");
	OK(do_read(s, STBL_OP_GET, "etag/x", got, &body) == STBL_ST_OK && strcmp(got, a) == 0, "GET gives it too");
	free(body);
	OK(do_write(s, STBL_OP_PUT_MATCH, "etag/x", "B", a, b) == STBL_ST_OK && strcmp(a, b) != 0, "a replacement has another etag");
	OK(do_write(s, STBL_OP_PUT_MATCH, "etag/x", "C", a, NULL) == STBL_ST_PRECONDITION && content_is(s, "etag/x", "B"), "a stale etag is refused");
	OK(do_write(s, STBL_OP_PUT_MATCH, "etag/x", "A", b, got) == STBL_ST_OK && strcmp(got, a) != 0 &&
	   do_write(s, STBL_OP_PUT_MATCH, "etag/x", "C", a, NULL) == STBL_ST_PRECONDITION, "L47: content A, B, A: the first A's etag is stale");
	OK(do_write(s, STBL_OP_PUT_MATCH, "etag/none", "C", a, NULL) == STBL_ST_PRECONDITION &&
	   do_write(s, STBL_OP_PUT_MATCH, "etag/no/folder", "C", a, NULL) == STBL_ST_PRECONDITION &&
	   do_read(s, STBL_OP_HEAD, "etag/none", NULL, NULL) == STBL_ST_NOT_FOUND, "L40: a replacement of a missing object is refused and writes nothing");
	OK(do_write(s, STBL_OP_DELETE, "etag/x", NULL, NULL, NULL) == STBL_ST_OK &&
	   do_write(s, STBL_OP_PUT_NEW, "etag/x", "A", NULL, b) == STBL_ST_OK && strcmp(a, b) != 0, "so it is when deleted and made anew");
	memset(big, 'x', 3 * 1024 * 1024);
	big[3 * 1024 * 1024] = '\0';
	do_write(s, STBL_OP_PUT, "etag/big", big, NULL, a);
	OK(do_read(s, STBL_OP_HEAD, "etag/big", got, NULL) == STBL_ST_OK && strcmp(got, a) == 0, "a large object's etag is the same everywhere");
	stbl_fsync = false;
	for (int i = 0; i < 40; i++)
	{
		big[i] = 'y';
		do_write(s, STBL_OP_PUT, "etag/big", big, NULL, i % 2 ? a : b);
		differ = differ && strcmp(a, b) != 0;
	}
	stbl_fsync = true;
	OK(differ, "large objects of one size written in one clock tick have different etags");
	free(big);
}

static bool
range_is(void *s, const char *key, uint64_t offset, uint64_t length, const char *expected)
{
	StblRequest req;
	bool		ok;

	prepare(&req, STBL_OP_GET_RANGE, key);
	req.offset = offset;
	req.length = length;
	d->submit(s, &req);
	if (expected == NULL)
		ok = req.status == STBL_ST_FAILED && req.error_kind == STBL_ERR_CORRUPT && strstr(req.message, "ends before") != NULL &&
			req.body == NULL;
	else
		ok = req.status == STBL_ST_OK && req.body_len == length && memcmp(req.body, expected, length) == 0 &&
			req.body[length] == 0 && req.size == 10;
	d->release(s, &req);
	return ok;
}

static void
test_ranges(void *s)
{
	char	   *body = NULL;

	do_write(s, STBL_OP_PUT_NEW, "range", "0123456789", NULL, NULL);
	OK(range_is(s, "range", 0, 1, "0") && range_is(s, "range", 9, 1, "9") && range_is(s, "range", 3, 4, "3456") &&
	   range_is(s, "range", 0, 10, "0123456789"), "ranges are exact");
	OK(range_is(s, "range", 0, 0, "") && range_is(s, "range", 10, 0, ""), "an empty range is read, at the end too");
	OK(range_is(s, "range", 0, 11, NULL) && range_is(s, "range", 9, 2, NULL) && range_is(s, "range", 10, 1, NULL) &&
	   range_is(s, "range", 11, 0, NULL), "a range beyond the end is an error");
	OK(range_is(s, "range", UINT64_MAX, 1, NULL) && range_is(s, "range", 1, UINT64_MAX, NULL) &&
	   range_is(s, "range", UINT64_MAX, UINT64_MAX, NULL), "so is one that overflows");
	OK(do_write(s, STBL_OP_PUT_NEW, "empty", "", NULL, NULL) == STBL_ST_OK && content_is(s, "empty", "") &&
	   do_write(s, STBL_OP_PUT_NEW, "empty", "", NULL, NULL) == STBL_ST_PRECONDITION, "an object may be empty");
	OK(do_read(s, STBL_OP_GET, "none", NULL, &body) == STBL_ST_NOT_FOUND && body == NULL &&
	   do_read(s, STBL_OP_GET, "none/at/all", NULL, NULL) == STBL_ST_NOT_FOUND &&
	   do_read(s, STBL_OP_HEAD, "range/below", NULL, NULL) == STBL_ST_NOT_FOUND, "a missing object is not found");
	OK(do_write(s, STBL_OP_DELETE, "none", NULL, NULL, NULL) == STBL_ST_OK &&
	   do_write(s, STBL_OP_DELETE, "none/at/all", NULL, NULL, NULL) == STBL_ST_OK, "deleting it is no error");
}

static void
test_names(void *s)
{
	static const char *const good[] = {
		"a b", "\xc3\xa4\xe6\x97\xa5", "%2F", "a\\b", "...", ".hidden", "-rf", "a\"b'c", "line\nfeed", "\xff\xfe", "a=b&c?d#e", "x/..y/z"
	};
	static const char *const bad[] = {
		"", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "./a", "a/../../b", ".supertable-tmp/x", "a/.supertable-tmp"
	};
	char		longest[1100];
	bool		ok = true;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok = ok && do_write(s, STBL_OP_PUT_NEW, good[i], good[i], NULL, NULL) == STBL_ST_OK && content_is(s, good[i], good[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok = ok && content_is(s, good[i], good[i]) && do_write(s, STBL_OP_DELETE, good[i], NULL, NULL, NULL) == STBL_ST_OK &&
			do_read(s, STBL_OP_HEAD, good[i], NULL, NULL) == STBL_ST_NOT_FOUND;
	OK(ok, "awkward names are names");
	ok = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok = ok && do_write(s, STBL_OP_PUT, bad[i], "x", NULL, NULL) == STBL_ST_FAILED &&
			do_read(s, STBL_OP_GET, bad[i], NULL, NULL) == STBL_ST_FAILED &&
			do_write(s, STBL_OP_DELETE, bad[i], NULL, NULL, NULL) == STBL_ST_FAILED;
	OK(ok, "names that are none are refused");
	memset(longest, 'a', sizeof(longest));
	for (int i = 200; i < 1000; i += 200)
		longest[i] = '/';
	longest[1024] = '\0';
	OK(do_write(s, STBL_OP_PUT_NEW, longest, "x", NULL, NULL) == STBL_ST_OK && content_is(s, longest, "x"), "a name may have 1024 bytes");
	longest[1024] = 'a';
	longest[1025] = '\0';
	OK(do_write(s, STBL_OP_PUT_NEW, longest, "x", NULL, NULL) == STBL_ST_FAILED, "and no more");
	longest[400] = '\0';
	OK(do_write(s, STBL_OP_PUT_NEW, longest + 1, "x", NULL, NULL) == STBL_ST_OK, "of segments within bounds");
	memset(longest, 'a', 300);
	longest[256] = '\0';
	OK(do_write(s, STBL_OP_PUT_NEW, longest, "x", NULL, NULL) == STBL_ST_FAILED, "a segment has no more than 255 bytes");
	for (int i = 1; i < 200; i += 2)
		longest[i] = '/';
	longest[199] = '\0';
	OK(do_write(s, STBL_OP_PUT_NEW, longest, "x", NULL, NULL) == STBL_ST_FAILED, "and their number is bounded");
}

static void
test_folders(void *s)
{
	StblRequest req;

	do_write(s, STBL_OP_PUT_NEW, "f/p/q", "q", NULL, NULL);
	OK(do_write(s, STBL_OP_PUT_NEW, "f/p", "p", NULL, NULL) == STBL_ST_FAILED &&
	   do_write(s, STBL_OP_PUT, "f/p", "p", NULL, NULL) == STBL_ST_FAILED && content_is(s, "f/p/q", "q"), "L48: an object cannot take a folder's name");
	do_write(s, STBL_OP_PUT_NEW, "f/o", "o", NULL, NULL);
	prepare(&req, STBL_OP_PUT_NEW, "f/o/x");
	req.data = "x";
	req.data_len = 1;
	d->submit(s, &req);
	wait_for(s, &req);
	OK(req.status == STBL_ST_FAILED && req.error_kind == STBL_ERR_EXISTS && content_is(s, "f/o", "o"), "nor a folder an object's: %s", req.message);
	OK(do_read(s, STBL_OP_GET, "f/p", NULL, NULL) == STBL_ST_NOT_FOUND &&
	   do_write(s, STBL_OP_DELETE, "f/p", NULL, NULL, NULL) == STBL_ST_OK && content_is(s, "f/p/q", "q"), "a folder is no object");
	do_write(s, STBL_OP_DELETE, "f/p/q", NULL, NULL, NULL);
	OK(do_write(s, STBL_OP_PUT_NEW, "f/p", "p", NULL, NULL) == STBL_ST_OK && content_is(s, "f/p", "p"), "an empty folder gives way to an object");
}

static void
test_links(void *s)
{
	char		outside[300];
	StblRequest req;

	snprintf(outside, sizeof(outside), "%s-outside", root);
	shell("mkdir '%s'", outside);
	shell("echo secret > '%s/secret'", outside);
	shell("ln -s \"$(basename '%1$s')-outside\" '%1$s/up'", root);
	shell("rm -f '%1$s/up'; ln -s '%1$s-outside' '%1$s/up'; ln -s '%1$s-outside/secret' '%1$s/secret'; mkfifo '%1$s/fifo'", root);
	OK(do_read(s, STBL_OP_GET, "up/secret", NULL, NULL) == STBL_ST_FAILED && do_read(s, STBL_OP_GET, "secret", NULL, NULL) == STBL_ST_FAILED,
	   "a symbolic link is not followed in reading");
	OK(do_write(s, STBL_OP_PUT_NEW, "up/new", "x", NULL, NULL) == STBL_ST_FAILED && do_write(s, STBL_OP_PUT, "up/secret", "x", NULL, NULL) == STBL_ST_FAILED &&
	   do_write(s, STBL_OP_DELETE, "up/secret", NULL, NULL, NULL) == STBL_ST_FAILED && do_write(s, STBL_OP_PUT_NEW, "secret", "x", NULL, NULL) == STBL_ST_FAILED,
	   "nor in writing");
	OK(do_read(s, STBL_OP_GET, "fifo", NULL, NULL) == STBL_ST_NOT_FOUND, "reading a fifo does not hang");
	prepare(&req, STBL_OP_LIST, "");
	d->submit(s, &req);
	for (size_t i = 0; i < req.n_entries; i++)
		if (strncmp(req.entries[i].key, "up", 2) == 0 || strstr(req.entries[i].key, "secret") || strcmp(req.entries[i].key, "fifo") == 0)
			req.status = STBL_ST_FAILED;
	OK(req.status == STBL_ST_OK, "LIST shows no links, and nothing behind them");
	d->release(s, &req);
	shell("grep -qx secret '%s/secret'", outside);
	shell("rm -r '%1$s/up' '%1$s/secret' '%1$s/fifo' '%1$s-outside'", root);
}

/* ---- LIST ---- */

/* All pages of a list, each at most limit long; the number of keys, -1 if one came twice, or out of the prefix. */
static int
list_all(void *s, const char *prefix, char delimiter, int limit, int *n_folders)
{
	char	   *token = NULL;
	char	   *last = NULL;
	int			n = 0;

	if (n_folders != NULL)
		*n_folders = 0;
	do
	{
		StblRequest req;

		prepare(&req, STBL_OP_LIST, prefix);
		req.list_delimiter = delimiter;
		req.list_limit = limit;
		req.list_token = token;
		d->submit(s, &req);
		free(token);
		token = NULL;
		if (req.status != STBL_ST_OK || (limit > 0 && req.n_entries > (size_t) limit))
			n = -1000000;
		for (size_t i = 0; i < req.n_entries; i++)
		{
			if (strncmp(req.entries[i].key, prefix, strlen(prefix)) != 0 || (last != NULL && strcmp(last, req.entries[i].key) >= 0))
				n = -1000000;
			free(last);
			last = strdup(req.entries[i].key);
			n++;
			if (n_folders != NULL)
				*n_folders += req.entries[i].is_folder;
		}
		if (req.list_next != NULL)
			token = strdup(req.list_next);
		d->release(s, &req);
	} while (token != NULL);
	free(last);
	return n;
}

static void
test_list(void *s)
{
	char		key[100];
	int			n_folders;
	StblRequest req;

	stbl_fsync = false;
	for (int i = 0; i < 3000; i++)
	{
		snprintf(key, sizeof(key), "list/t%s/%d", i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "a2", i);
		do_write(s, STBL_OP_PUT_NEW, key, "x", NULL, NULL);
	}
	for (int i = 0; i < 3000; i++)
	{
		snprintf(key, sizeof(key), "list2/%d", i);
		do_write(s, STBL_OP_PUT_NEW, key, "x", NULL, NULL);
	}
	OK(list_all(s, "list2/", 0, 7, NULL) == 3000, "3,000 keys in pages of 7, each once, in order");
	OK(list_all(s, "list/", 0, 0, NULL) == 3000 && list_all(s, "list/", 0, 999, NULL) == 3000, "L16: a sibling whose name begins alike is not shown");
	OK(list_all(s, "list", 0, 1000, NULL) == 6000, "a prefix is any string");
	OK(list_all(s, "list/ta", 0, 100, NULL) == 2000 && list_all(s, "list/ta/", 0, 100, NULL) == 1000, "also in the middle of a folder's name");
	OK(list_all(s, "list/", '/', 0, &n_folders) == 3 && n_folders == 3, "with a delimiter folders are shown");
	OK(list_all(s, "list/ta", '/', 1, &n_folders) == 2 && n_folders == 2, "in pages too");
	OK(list_all(s, "list2/", '/', 500, &n_folders) == 3000 && n_folders == 0, "and objects of that level");
	OK(list_all(s, "none/", 0, 0, NULL) == 0 && list_all(s, "list2/1/", 0, 0, NULL) == 0 && list_all(s, "../", 0, 0, NULL) == 0 &&
	   list_all(s, "a//", 0, 0, NULL) == 0 && list_all(s, ".supertable-tmp/", 0, 0, NULL) == 0, "where no key can be there are none");
	do_write(s, STBL_OP_PUT, "list3/gone/x", "x", NULL, NULL);
	do_write(s, STBL_OP_DELETE, "list3/gone/x", NULL, NULL, NULL);
	OK(list_all(s, "list3/", '/', 0, NULL) == 0, "an empty folder is none");
	OK(list_all(s, "", '/', 0, NULL) > 3, "the root can be listed");
	prepare(&req, STBL_OP_LIST, "");
	d->submit(s, &req);
	for (size_t i = 0; i < req.n_entries; i++)
		if (strncmp(req.entries[i].key, ".supertable-tmp", 15) == 0)
			req.status = STBL_ST_FAILED;
	OK(req.status == STBL_ST_OK, "temporary files are not shown");
	d->release(s, &req);
	stbl_fsync = true;
}

/* Files that come and go during a listing do not disturb it. */
static void
test_list_race(void *s)
{
	pid_t		child;
	int			n_bad = 0;

	stbl_fsync = false;
	do_write(s, STBL_OP_PUT, "churn/m", "x", NULL, NULL);
	child = fork();
	if (child == 0)
	{
		void	   *own = open_store();
		char		key[64];

		for (int i = 0;; i++)
		{
			snprintf(key, sizeof(key), "churn/%c/%d", 'a' + i % 26, i % 100);
			do_write(own, i % 3 == 2 ? STBL_OP_DELETE : STBL_OP_PUT, key, "x", NULL, NULL);
		}
	}
	for (int i = 0; i < 200; i++)
		n_bad += list_all(s, "churn/", i % 2 ? '/' : 0, 10, NULL) < 1;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	shell("rm -f '%s'/.supertable-tmp/put.*", root);
	stbl_fsync = true;
	OK(n_bad == 0, "LIST beside writers and deleters");
}

/* ---- locks, crashes, a root that goes ---- */

static void
test_stopped_holder(void *s)
{
	StblRequest req;
	struct timespec ts;
	int64_t		begin_us;
	char		etag[128];
	pid_t		child;
	int			waits[2];
	char		c;

	do_write(s, STBL_OP_PUT, "locked", "x", NULL, etag);
	if (pipe(waits) != 0)
		exit(2);
	child = fork();
	if (child == 0)
	{
		/* all locks there are, held by a process that then is stopped */
		char		path[400];
		struct flock all;

		memset(&all, 0, sizeof(all));
		all.l_type = F_WRLCK;
		all.l_whence = SEEK_SET;
		snprintf(path, sizeof(path), "%s/.supertable-tmp/lock", root);
		if (fcntl(open(path, O_RDWR), F_SETLK, &all) != 0)
			_exit(1);
		if (write(waits[1], "x", 1) != 1)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (read(waits[0], &c, 1) != 1)
		exit(2);
	clock_gettime(CLOCK_REALTIME, &ts);
	begin_us = (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	prepare(&req, STBL_OP_PUT_MATCH, "locked");
	req.data = "y";
	req.data_len = 1;
	req.etag = etag;
	req.deadline_us = begin_us + 300000;
	d->submit(s, &req);
	OK(req.status == STBL_ST_PENDING, "L49: a lock held elsewhere is waited for");
	wait_for(s, &req);
	clock_gettime(CLOCK_REALTIME, &ts);
	OK(req.status == STBL_ST_TRANSIENT && req.error_kind == STBL_ERR_LOCKED &&
	   (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - begin_us < 10000000, "L49: until the deadline, though its holder is stopped");
	OK(do_read(s, STBL_OP_GET, "locked", NULL, NULL) == STBL_ST_OK, "reading needs no lock");
	req.deadline_us = INT64_MAX;
	d->submit(s, &req);
	OK(req.status == STBL_ST_PENDING, "asked again, it waits again");
	d->cancel(s, &req);
	d->drive(s, 0);
	OK(req.driver_data == NULL, "and can be cancelled");
	d->submit(s, &req);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	wait_for(s, &req);
	OK(req.status == STBL_ST_OK && content_is(s, "locked", "y"), "a dead holder holds no lock");
	close(waits[0]);
	close(waits[1]);
}

static void
test_root_gone(void *s)
{
	char		moved[300];
	StblRequest req;

	do_write(s, STBL_OP_PUT, "before", "x", NULL, NULL);
	snprintf(moved, sizeof(moved), "%s-moved", root);
	if (rename(root, moved) != 0)
		exit(2);
	prepare(&req, STBL_OP_GET, "before");
	d->submit(s, &req);
	OK(req.status == STBL_ST_FAILED && req.error_kind == STBL_ERR_NOT_FOUND && strstr(req.message, root) != NULL, "a removed directory is an error, not a missing object");
	OK(do_write(s, STBL_OP_PUT_NEW, "x", "x", NULL, NULL) == STBL_ST_FAILED && list_all(s, "", 0, 0, NULL) < 0, "of all operations");
	mkdir(root, 0700);
	OK(do_read(s, STBL_OP_GET, "before", NULL, NULL) == STBL_ST_NOT_FOUND &&
	   do_write(s, STBL_OP_PUT_NEW, "after/x", "x", NULL, NULL) == STBL_ST_OK && content_is(s, "after/x", "x"), "made anew, it is noticed");
	shell("test -e '%s/after/x'", root);
	shell("rm -rf '%s'", root);
	if (rename(moved, root) != 0)
		exit(2);
	OK(content_is(s, "before", "x"), "and when the old one comes back");
}

static void
test_sync_failure(void)
{
	void	   *s = open_store();
	void	   *other = open_store();
	StblRequest req;

	do_write(s, STBL_OP_PUT, "sync/first", "x", NULL, NULL);
	fail_fsync_of_dirs = 1;
	prepare(&req, STBL_OP_PUT_NEW, "sync/second");
	req.data = "x";
	req.data_len = 1;
	d->submit(s, &req);
	wait_for(s, &req);
	OK(req.status == STBL_ST_UNKNOWN && fail_fsync_of_dirs == 0, "a name that could not be forced to disk is not answered OK");
	OK(do_read(s, STBL_OP_GET, "sync/second", NULL, NULL) == STBL_ST_FAILED, "L24: nor is it read back as if it had been");
	OK(do_read(other, STBL_OP_GET, "sync/first", NULL, NULL) == STBL_ST_OK, "others go on");
	shell("ln '%1$s/sync/first' '%1$s/.supertable-tmp/put.1.1.under-way'", root);
	fail_fsync_of_dirs = 1;
	OK(do_read(other, STBL_OP_GET, "sync/first", NULL, NULL) == STBL_ST_FAILED && fail_fsync_of_dirs == 0,
	   "what its writer has not made durable is made so by its reader");
	shell("rm '%s/.supertable-tmp/put.1.1.under-way'", root);
	d->close(s);
	d->close(other);
}

#define N_TOGETHER 50

/* Writes of every kind that are under way at once. */
static void
test_together(void)
{
	void	   *s = open_store();
	StblRequest reqs[N_TOGETHER];
	char		keys[N_TOGETHER][32];
	char		etag[128];
	int			bad = 0;

	do_write(s, STBL_OP_PUT, "many/match", "old", NULL, etag);
	do_write(s, STBL_OP_PUT, "many/gone", "x", NULL, NULL);
	n_fsync_of_dirs = 0;
	for (int i = 0; i < N_TOGETHER; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), "many/%d", i / 2);
		prepare(&reqs[i], STBL_OP_PUT_NEW, keys[i]);
		reqs[i].data = i % 2 ? "second" : "first";
		reqs[i].data_len = strlen(reqs[i].data);
	}
	reqs[4].op = STBL_OP_PUT_MATCH;
	reqs[4].key = "many/match";
	reqs[4].etag = etag;
	reqs[5].op = STBL_OP_PUT_MATCH;
	reqs[5].key = "many/match";
	reqs[5].etag = "of something else";
	reqs[6].op = STBL_OP_DELETE;
	reqs[6].key = "many/gone";
	reqs[7].op = STBL_OP_DELETE;
	reqs[7].key = "many/never-was";
	reqs[8].key = "many/match/below-an-object";
	reqs[9].op = STBL_OP_PUT;
	reqs[9].key = "elsewhere/x";
	for (int i = 0; i < N_TOGETHER; i++)
		d->submit(s, &reqs[i]);
	for (int i = 0; i < N_TOGETHER; i++)
		wait_for(s, &reqs[i]);
	for (int i = 10; i < N_TOGETHER; i += 2)
		bad += reqs[i].status != STBL_ST_OK || reqs[i + 1].status != STBL_ST_PRECONDITION || !content_is(s, keys[i], "first");
	OK(bad == 0, "of two creations under way the first wins, each time");
	OK(reqs[4].status == STBL_ST_OK && reqs[5].status == STBL_ST_PRECONDITION && content_is(s, "many/match", "first"),
	   "of two replacements of one object the one that knows it");
	OK(reqs[6].status == STBL_ST_OK && reqs[7].status == STBL_ST_OK && do_read(s, STBL_OP_HEAD, "many/gone", NULL, NULL) == STBL_ST_NOT_FOUND,
	   "removals among them");
	OK(reqs[8].status == STBL_ST_FAILED && reqs[8].error_kind == STBL_ERR_EXISTS, "a name below an object fails alone");
	OK(reqs[9].status == STBL_ST_OK && content_is(s, "elsewhere/x", "second"), "another folder goes with them");
	do_read(s, STBL_OP_HEAD, "many/20", etag, NULL);
	OK(strcmp(etag, reqs[40].new_etag) == 0, "etags answered are those read");
	for (int i = 0; i < N_TOGETHER; i++)
		d->release(s, &reqs[i]);

	n_fsync_of_dirs = n_opened_dirs = 0;
	for (int i = 0; i < 30; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), "many/again%d", i);
		prepare(&reqs[i], STBL_OP_PUT, keys[i]);
		reqs[i].data = "x";
		reqs[i].data_len = 1;
		d->submit(s, &reqs[i]);
	}
	for (int i = 0; i < 30; i++)
		wait_for(s, &reqs[i]);
	/* a few more where two keys share a lock: then there are two groups, or three */
	OK(n_opened_dirs <= 12, "and opened so, the hidden one too: %d times", n_opened_dirs);
	for (int i = 0; i < 30; i++)
		bad += reqs[i].status != STBL_ST_OK || !content_is(s, keys[i], "x");
	OK(bad == 0 && n_fsync_of_dirs <= 6, "a directory is forced out once a group, %d times for 30 objects", n_fsync_of_dirs);
	for (int i = 0; i < 4; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), "many/unsynced%d", i);
		prepare(&reqs[i], STBL_OP_PUT, keys[i]);
		reqs[i].data = "x";
		reqs[i].data_len = 1;
		d->submit(s, &reqs[i]);
	}
	d->cancel(s, &reqs[3]);
	fail_fsync_of_dirs = 1;
	for (int i = 0; i < 3; i++)
	{
		wait_for(s, &reqs[i]);
		bad += reqs[i].status != STBL_ST_UNKNOWN;
	}
	OK(bad == 0 && fail_fsync_of_dirs == 0, "a directory that cannot be forced out leaves all names in it unknown");
	d->close(s);
	s = open_store();
	OK(do_read(s, STBL_OP_HEAD, keys[3], NULL, NULL) == STBL_ST_NOT_FOUND, "what was cancelled before its turn was not done");
	d->close(s);
}

/* More replacements than go together, in two folders, and of what is not there. */
static void
test_groups(void)
{
	void	   *s = open_store();
	static StblRequest reqs[150];
	static char keys[150][32];
	static char etags[150][128];
	char		path[300];
	int			bad = 0;

	stbl_fsync = false;
	for (int i = 0; i < 150; i++)
	{
		snprintf(keys[i], sizeof(keys[i]), i % 3 == 2 ? "void/%d" : i % 3 ? "odd/%d" : "even/%d", i);
		if (i % 3 != 2)
			do_write(s, STBL_OP_PUT_NEW, keys[i], "old", NULL, etags[i]);
		else
			strcpy(etags[i], etags[i - 1]);
		prepare(&reqs[i], STBL_OP_PUT_MATCH, keys[i]);
		reqs[i].data = "new";
		reqs[i].data_len = 3;
		reqs[i].etag = etags[i];
	}
	stbl_fsync = true;
	for (int i = 0; i < 150; i++)
		d->submit(s, &reqs[i]);
	for (int i = 0; i < 150; i++)
	{
		wait_for(s, &reqs[i]);
		bad += reqs[i].status != (i % 3 != 2 ? STBL_ST_OK : STBL_ST_PRECONDITION);
		d->release(s, &reqs[i]);
	}
	for (int i = 0; i < 150; i++)
		bad += i % 3 != 2 && !content_is(s, keys[i], "new");
	snprintf(path, sizeof(path), "%s/void", root);
	OK(bad == 0, "100 replacements in two folders, and 50 of what is not there");
	OK(access(path, F_OK) != 0, "whose folder is not made for them");
	d->close(s);
}

static void
test_stale_temps(void)
{
	void	   *s;

	shell("touch '%s/.supertable-tmp/put.1.1.young'", root);
	shell("touch -d '2 days ago' '%s/.supertable-tmp/put.1.1.old'", root);
	s = open_store();
	OK(count_temps() == 1, "a dead process's temporary files are removed after a day");
	d->close(s);
	shell("rm '%s/.supertable-tmp/put.1.1.young'", root);
}

static void
test_denied(void *s)
{
	StblRequest req;
	uid_t		uid = geteuid();

	do_write(s, STBL_OP_PUT, "denied/x", "x", NULL, NULL);
	shell("chmod 500 '%s/denied'", root);
	if (uid == 0)
	{
		/* root has all permissions: be somebody else for a while */
		shell("chown -R 65534 '%s'", root);
		if (seteuid(65534) != 0)
			exit(2);
	}
	prepare(&req, STBL_OP_PUT_NEW, "denied/y");
	req.data = "x";
	req.data_len = 1;
	d->submit(s, &req);
	wait_for(s, &req);
	OK(req.status == STBL_ST_FAILED && req.error_kind == STBL_ERR_DENIED, "no permission is said to be so: %s", req.message);
	shell("chmod 000 '%s/denied'", root);
	OK(list_all(s, "", 0, 0, NULL) < 0, "a folder that cannot be read makes LIST fail, not shorter");
	if (seteuid(uid) != 0)
		exit(2);
	shell("chmod 700 '%s/denied'", root);
}

int
main(void)
{
	char		template[] = "/tmp/stbl-file-XXXXXX";
	void	   *s;
	int			n_fds;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(template) == NULL || realpath(template, root) == NULL)
		return 2;
	snprintf(url, sizeof(url), "file://%s", root);
	n_fds = count_fds();
	test_urls();
	s = open_store();
	test_races(s);
	test_counter(s);
	test_etags(s);
	test_ranges(s);
	test_names(s);
	test_folders(s);
	test_links(s);
	test_list(s);
	test_list_race(s);
	test_stopped_holder(s);
	test_denied(s);
	test_root_gone(s);
	test_sync_failure();
	test_together();
	test_groups();
	test_stale_temps();
	OK(count_temps() == 0, "no temporary file is left by all this");
	d->close(s);
	OK(count_fds() == n_fds, "nor an open file");
	shell("rm -rf '%s'", root);
	DONE();
}
