/*
 * The driver of file:// urls: a directory as an object store.
 *
 *	 PUT_NEW	 write a temporary file, fsync, link(2) it to its name (which
 *				 fails if the name exists), fsync the directory
 *	 PUT		 under the key's lock: the same with rename(2)
 *	 PUT_MATCH	 under the key's lock: read the etag, compare, rename over
 *	 DELETE		 under the key's lock
 *
 * A crash before link or rename leaves a temporary file, which LIST does not
 * show and a later open removes; after it the object is whole.  A name that
 * was not yet made durable may vanish at a crash of the machine, but then its
 * PUT was never answered, and nobody has read it: the temporary name goes
 * last, and who meets a file with two names makes its directory durable first.
 *
 * Writes but PUT_NEW wait for the next call of drive and go there in groups,
 * in which each step is taken for all (file_put.c).
 *
 * Locks are those of one byte each, chosen by a hash of the key, of one file
 * in the temporary directory.  They are of the kind that belongs to the open
 * file (F_OFD_SETLK), which each request opens for itself, and held within one
 * call of ours only.  Nobody waits for one without a deadline: a holder may be
 * stopped for ever.
 *
 * The name of an object cannot be the folder of another.  Folders that hold
 * nothing any more stay, and give way to an object of their name.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "store/file_int.h"

bool		stbl_fsync = true;

#define LOCK_NAME "lock"
#define LOCK_RANGE ((uint64_t) 1 << 62)
#define LOCK_POLL_MS 2
#define PATH_MAX_URL 900

/* ---- reading ---- */

static void
fail_short(StblRequest *req, uint64_t size, uint64_t end)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_CORRUPT;
	snprintf(req->message, sizeof(req->message), "object \"%.300s\" has %llu bytes and ends before byte %llu",
			 req->key, (unsigned long long) size, (unsigned long long) end);
}

/* Opens an object of a folder; -1 with the request failed. */
static int
open_object(StblFileStore *store, int dir, const char *name, StblRequest *req, struct stat *st)
{
	int			fd = stbl_file_open_at(dir, name, O_RDONLY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) != 0)
	{
		stbl_file_fail(req, errno, "read object", req->key);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st->st_mode))
	{
		close(fd);
		stbl_file_fail(req, ENOENT, "read object", req->key);
		return -1;
	}
	if (st->st_nlink > 1 && !stbl_file_sync_dir(store, dir))
	{
		/* its writer has not got as far as making the name durable */
		stbl_file_fail(req, errno, "fsync directory of object", req->key);
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads [offset, offset + length) into a new buffer with a NUL behind; NULL with the request failed. */
static uint8_t *
read_range(StblRequest *req, int fd, const struct stat *st, uint64_t offset, uint64_t length)
{
	uint64_t	size = (uint64_t) st->st_size;
	uint8_t    *buf;
	size_t		got;

	if (offset > size || length > size - offset)
	{
		fail_short(req, size, length > UINT64_MAX - offset ? UINT64_MAX : offset + length);
		return NULL;
	}
	buf = malloc((size_t) length + 1);
	if (buf == NULL)
		stbl_file_fail(req, ENOMEM, "read object", req->key);
	else if (!stbl_file_read(fd, buf, (size_t) length, offset, &got))
		stbl_file_fail(req, errno, "read object", req->key);
	else if (got != length)
		fail_short(req, offset + got, offset + length);
	else
	{
		buf[length] = '\0';
		return buf;
	}
	free(buf);
	return NULL;
}

void
stbl_file_describe(StblRequest *req, const struct stat *st, const uint8_t *data)
{
	req->size = (uint64_t) st->st_size;
	req->modified_us = stbl_file_mtime_us(st);
	stbl_file_etag(req->new_etag, st, data);
}

static void
do_get(StblFileStore *store, StblRequest *req)
{
	struct stat st;
	const char *name;
	int			dir = stbl_file_parent(store, req->key, false, &name, req);
	int			fd = dir >= 0 ? open_object(store, dir, name, req, &st) : -1;
	uint64_t	offset = req->offset;
	uint64_t	length = req->length;

	if (dir >= 0)
		close(dir);
	if (fd < 0)
		return;
	if (req->op == STBL_OP_GET)
	{
		offset = 0;
		length = (uint64_t) st.st_size;
	}
	req->body = read_range(req, fd, &st, offset, length);
	if (req->body != NULL)
	{
		req->body_len = (size_t) length;
		/* a part has no hash of the whole to give, and reading it all is not what was asked for */
		if (length == (uint64_t) st.st_size || st.st_size > STBL_FILE_HASH_MAX)
			stbl_file_etag(req->new_etag, &st, req->body);
		req->size = (uint64_t) st.st_size;
		req->modified_us = stbl_file_mtime_us(&st);
		req->status = STBL_ST_OK;
	}
	close(fd);
}

/* HEAD: the same etag as GET, so a small object is read for it. */
bool
stbl_file_head(StblFileStore *store, int dir, const char *name, StblRequest *req)
{
	struct stat st;
	int			fd = open_object(store, dir, name, req, &st);
	uint8_t    *data = NULL;
	bool		small;

	if (fd < 0)
		return false;
	small = st.st_size <= STBL_FILE_HASH_MAX;
	if (small)
		data = read_range(req, fd, &st, 0, (uint64_t) st.st_size);
	close(fd);
	if (small && data == NULL)
		return false;
	stbl_file_describe(req, &st, data);
	free(data);
	req->status = STBL_ST_OK;
	return true;
}

static void
do_head(StblFileStore *store, StblRequest *req)
{
	const char *name;
	int			dir = stbl_file_parent(store, req->key, false, &name, req);

	if (dir < 0)
		return;
	(void) stbl_file_head(store, dir, name, req);
	close(dir);
}

/* ---- locks ---- */

/* Opens the hidden folder as the path names it now, unless that is done; false with the request failed. */
static bool
open_temp_dir(StblFileStore *store, StblRequest *req, int *tmp)
{
	if (*tmp < 0 && stbl_file_reopen(store, req))
		*tmp = stbl_file_temp_dir(store, req);
	return *tmp >= 0;
}

/* Opens (makes) the lock file; false with the request failed. */
static bool
open_lock(StblFileStore *store, StblRequest *req, int *tmp)
{
	StblFilePut *put = req->driver_data;

	if (!open_temp_dir(store, req, tmp))
		return false;
	put->lock_fd = stbl_file_open_at(*tmp, LOCK_NAME, O_RDWR | O_CREAT);
	if (put->lock_fd >= 0)
		return true;
	stbl_file_fail(req, errno, "lock object", req->key);
	if (req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_TRANSIENT;
	return false;
}

/* Locks the byte of a key, if nobody else has it; false with errno set. */
static bool
lock_key(int fd, const char *key)
{
#ifdef F_OFD_SETLK
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = F_WRLCK;
	lock.l_whence = SEEK_SET;
	lock.l_start = (off_t) (stbl_file_hash((const uint8_t *) key, strlen(key), 7) % LOCK_RANGE);
	lock.l_len = 1;
	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
#else
	(void) key;
	return flock(fd, LOCK_EX | LOCK_NB) == 0;	/* one writer at a time */
#endif
}

/* Tries to lock; false: not now, or the request is done. */
static bool
try_lock(StblFileStore *store, StblRequest *req, int *tmp)
{
	StblFilePut *put = req->driver_data;

	if (req->op == STBL_OP_PUT_NEW)
		return true;
	if (put->lock_fd < 0 && !open_lock(store, req, tmp))
		return false;
	if (lock_key(put->lock_fd, req->key))
		return true;
	if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR)
		stbl_file_fail(req, errno, "lock object", req->key);
	else if (stbl_file_now_us() >= req->deadline_us)
	{
		req->status = STBL_ST_TRANSIENT;
		req->error_kind = STBL_ERR_LOCKED;
		snprintf(req->message, sizeof(req->message), "could not lock object \"%.300s\" in time", req->key);
	}
	return false;
}

/*
 * Waited for and got: is it still the lock of this key?  The directory may
 * have been made anew meanwhile, and then others lock another file.  If not,
 * the request is done.  tmp was opened after the lock was got.
 */
static bool
is_current_lock(StblRequest *req, int tmp)
{
	StblFilePut *put = req->driver_data;
	struct stat held;
	struct stat now;

	if (fstat(put->lock_fd, &held) == 0 && fstatat(tmp, LOCK_NAME, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		held.st_dev == now.st_dev && held.st_ino == now.st_ino)
		return true;
	req->status = STBL_ST_TRANSIENT;
	req->error_kind = STBL_ERR_LOCKED;
	snprintf(req->message, sizeof(req->message), "could not lock object \"%.300s\": the directory was made anew", req->key);
	return false;
}

/* Takes a request off the list of those that wait. */
static void
unlink_waiting(StblFileStore *store, StblRequest *req)
{
	StblRequest **p = &store->waiting;
	StblFilePut *put = req->driver_data;

	while (*p != NULL && *p != req)
		p = &((StblFilePut *) (*p)->driver_data)->next;
	if (*p == NULL)
		return;
	*p = put->next;
	/* this unlocks as well */
	if (put->lock_fd >= 0)
		close(put->lock_fd);
	free(put);
	req->driver_data = NULL;
}

/*
 * A write waits for its turn: those that wait at the next drive go together.
 * But a new object is written at once: it is durable when the next request
 * is sent, so that what a commit sends first is there first.
 */
static void
start_write(StblFileStore *store, StblRequest *req)
{
	StblRequest **last = &store->waiting;
	StblFilePut *put = calloc(1, sizeof(StblFilePut));

	if (put == NULL)
	{
		stbl_file_fail(req, ENOMEM, "write object", req->key);
		return;
	}
	put->fd = put->lock_fd = -1;
	req->driver_data = put;
	while (*last != NULL)
		last = &((StblFilePut *) (*last)->driver_data)->next;
	*last = req;
	if (req->op == STBL_OP_PUT_NEW)
	{
		StblFileGroup group;

		group.reqs[0] = req;
		group.n = 1;
		stbl_file_write_group(store, &group);
		unlink_waiting(store, req);
	}
}

/* ---- the driver ---- */

static void
refuse(StblRequest *req, int error_kind, const char *message)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = error_kind;
	snprintf(req->message, sizeof(req->message), "%s", message);
}

static void
refuse_unsynced(StblRequest *req)
{
	refuse(req, STBL_ERR_IO, "an earlier change to the directory could not be forced to disk");
}

static void
start(StblFileStore *store, StblRequest *req)
{
	if (store->sync_failed)
	{
		refuse_unsynced(req);
		return;
	}
	if (req->op != STBL_OP_LIST && !stbl_file_key_ok(req->key))
	{
		refuse(req, STBL_ERR_INVALID, "");
		snprintf(req->message, sizeof(req->message),
				 "invalid object name \"%.200s\": up to %d segments of 1 to %d bytes with \"/\" between, none of them \".\", \"..\" or \"%s\"",
				 req->key, STBL_FILE_MAX_DEPTH, STBL_FILE_SEGMENT_MAX, STBL_TEMP_DIR);
		return;
	}
	switch (req->op)
	{
		case STBL_OP_GET:
		case STBL_OP_GET_RANGE:
			do_get(store, req);
			return;
		case STBL_OP_HEAD:
			do_head(store, req);
			return;
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT:
		case STBL_OP_PUT_MATCH:
		case STBL_OP_DELETE:
			start_write(store, req);
			return;
		case STBL_OP_LIST:
			stbl_file_list(store, req);
			return;
	}
	refuse(req, STBL_ERR_UNSUPPORTED, "directories do not support this operation");
}

static void
file_submit(void *store_p, StblRequest *req)
{
	req->status = STBL_ST_PENDING;
	req->error_kind = STBL_ERR_NONE;
	req->message[0] = '\0';
	req->new_etag[0] = '\0';
	req->modified_us = 0;
	req->size = 0;
	req->body = NULL;
	req->body_len = 0;
	req->entries = NULL;
	req->n_entries = 0;
	req->list_next = NULL;
	req->driver_data = NULL;
	start(store_p, req);
	req->store_time_us = stbl_file_now_us();
}

/*
 * Of those that wait, the first that can go: locked, or done without.  The
 * hidden folder is opened once for all, and once more when all locks are held.
 */
static int
gather(StblFileStore *store, StblRequest **group)
{
	int			tmp = -1;
	int			n = 0;

	for (StblRequest *req = store->waiting; req != NULL && n < STBL_FILE_GROUP_MAX; req = ((StblFilePut *) req->driver_data)->next)
	{
		if (store->sync_failed)
			refuse_unsynced(req);
		else if (!try_lock(store, req, &tmp) && req->status == STBL_ST_PENDING)
			continue;
		group[n++] = req;
	}
	if (tmp >= 0)
		close(tmp);
	tmp = -1;
	for (int i = 0; i < n; i++)
		if (group[i]->status == STBL_ST_PENDING && group[i]->op != STBL_OP_PUT_NEW && open_temp_dir(store, group[i], &tmp))
			(void) is_current_lock(group[i], tmp);
	if (tmp >= 0)
		close(tmp);
	return n;
}

static void
file_drive(void *store_p, int timeout_ms)
{
	StblFileStore *store = store_p;
	StblRequest *ready[STBL_FILE_GROUP_MAX];
	StblFileGroup group;
	int			n = gather(store, ready);

	group.n = 0;
	for (int i = 0; i < n; i++)
		if (ready[i]->status == STBL_ST_PENDING)
			group.reqs[group.n++] = ready[i];
	stbl_file_write_group(store, &group);
	for (int i = 0; i < n; i++)
	{
		ready[i]->store_time_us = stbl_file_now_us();
		unlink_waiting(store, ready[i]);
	}
	/* a lock cannot be waited for beside the latch, so this returns soon and is called again */
	if (n == 0 && store->waiting != NULL && timeout_ms > 0)
		(void) poll(NULL, 0, timeout_ms < LOCK_POLL_MS ? timeout_ms : LOCK_POLL_MS);
}

static void
file_cancel(void *store_p, StblRequest *req)
{
	if (req->driver_data != NULL)
		unlink_waiting(store_p, req);
}

static void
file_release(void *store_p, StblRequest *req)
{
	(void) store_p;
	free(req->body);
	req->body = NULL;
	for (size_t i = 0; i < req->n_entries; i++)
		free(req->entries[i].key);
	free(req->entries);
	req->entries = NULL;
	req->n_entries = 0;
	free(req->list_next);
	req->list_next = NULL;
}

/* The path in a url, or NULL with message set. */
static const char *
url_path(const char *url, char *message, size_t message_size)
{
	static const char lead[] = "file://";
	const char *path = url + sizeof(lead) - 1;
	const char *but = NULL;

	if (strncmp(url, lead, sizeof(lead) - 1) != 0 || path[0] != '/')
		but = "";				/* no directory, a relative one, or a host */
	else if (path[strspn(path, "/")] == '\0')
		but = ", not the root of the file system";
	else if (strlen(path) > PATH_MAX_URL)
		but = " of at most 900 bytes";
	else if (strstr(path, "/../") != NULL || strcmp(path + strlen(path) - 3, "/..") == 0)
		but = " without \"..\"";
	if (but == NULL)
		return path;
	snprintf(message, message_size, "invalid url \"%.300s\": write file:///absolute/directory%s", url, but);
	return NULL;
}

static void
file_close(void *store_p)
{
	StblFileStore *store = store_p;

	while (store->waiting != NULL)
		unlink_waiting(store, store->waiting);
	stbl_file_sync_end(store);
	if (store->root_fd >= 0)
		close(store->root_fd);
	free(store->path);
	free(store);
}

/* Finds the directory; false with req failed. */
static bool
find_root(StblFileStore *store, const char *path, StblRequest *req)
{
	store->path = realpath(path, NULL);
	if (store->path != NULL)
		return stbl_file_reopen(store, req);
	stbl_file_no_root(req, path, errno);
	return false;
}

static void *
file_open(const char *url, const StblStoreOption *options, int n_options,
		  char **canonical, int *error_kind, char *message, size_t message_size)
{
	const char *path = url_path(url, message, message_size);
	StblFileStore *store;
	StblRequest req;
	size_t		len;

	(void) options;
	(void) n_options;
	*canonical = NULL;
	*error_kind = STBL_ERR_INVALID;
	if (path == NULL)
		return NULL;
	memset(&req, 0, sizeof(req));
	store = calloc(1, sizeof(StblFileStore));
	if (store == NULL)
	{
		*error_kind = STBL_ERR_MEMORY;
		snprintf(message, message_size, "out of memory");
		return NULL;
	}
	store->root_fd = -1;
	if (!find_root(store, path, &req))
	{
		*error_kind = req.error_kind;
		snprintf(message, message_size, "%.300s%s", req.message,
				 req.error_kind == STBL_ERR_NOT_FOUND ? "\nCreate it first; the server's url must name a place that exists." :
				 req.error_kind == STBL_ERR_DENIED ? "\nThe operating system user of the database server needs read and write permission there." : "");
		file_close(store);
		return NULL;
	}
	len = strlen(store->path) + sizeof("file://");
	*canonical = malloc(len);
	if (*canonical == NULL)
	{
		*error_kind = STBL_ERR_MEMORY;
		snprintf(message, message_size, "out of memory");
		file_close(store);
		return NULL;
	}
	snprintf(*canonical, len, "file://%s", store->path);
	stbl_file_remove_stale(store);
	return store;
}

static const char *const no_options[] = {NULL};

const StblStoreDriver stbl_file_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "file",
	.server_options = no_options,
	.user_options = no_options,
	.open = file_open,
	.close = file_close,
	.submit = file_submit,
	.drive = file_drive,
	.cancel = file_cancel,
	.release = file_release
};
