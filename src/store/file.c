/*
 * The driver of file:// urls: a directory as an object store.
 *
 *	 PUT_NEW	 write a temporary file, fsync, link(2) it to its name (which
 *				 fails if the name exists), fsync the directory
 *	 PUT		 the same with rename(2)
 *	 PUT_MATCH	 under the key's lock: read the etag, compare, rename over
 *	 DELETE		 under the key's lock
 *
 * A crash before link or rename leaves a temporary file, which LIST does not
 * show and a later open removes; after it the object is whole.  A link that
 * was not yet made durable may vanish at a crash of the machine, but then its
 * PUT was never answered.
 *
 * Locks are flock(2) on a file named by a hash of the key.  Nobody waits for
 * one without a deadline: a holder may be stopped for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <dirent.h>

#include "common/error.h"
#include "store/file_int.h"

bool		stbl_fsync = true;

/* Objects up to this size have a hash of their content in their etag. */
#define ETAG_HASH_MAX (1024 * 1024)

/* ---- etags ---- */

static uint64_t
hash_lane(const uint8_t *data, size_t len, uint64_t seed)
{
	uint64_t	h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return h;
}

/* Changes with the content; data may be NULL for large objects. */
static void
make_etag(char *out, size_t out_size, const struct stat *st, const uint8_t *data)
{
	uint64_t	a = 0,
				b = 0;

	if (data != NULL && st->st_size <= ETAG_HASH_MAX)
	{
		a = hash_lane(data, st->st_size, 0);
		b = hash_lane(data, st->st_size, UINT64_C(0x9e3779b97f4a7c15));
	}
	snprintf(out, out_size, "%llx-%llx-%llx.%lx-%016llx%016llx", (unsigned long long) st->st_size,
			 (unsigned long long) st->st_ino, (unsigned long long) st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			 (unsigned long long) a, (unsigned long long) b);
}

/* ---- reading ---- */

static bool
read_all(int fd, uint8_t *buf, size_t len, off_t offset, size_t *got)
{
	*got = 0;
	while (*got < len)
	{
		ssize_t		n = pread(fd, buf + *got, len - *got, offset + *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		*got += n;
	}
	return true;
}

/* Opens an object; -1 with the request failed. */
static int
open_object(StblFileStore *store, StblRequest *req, struct stat *st)
{
	const char *name;
	int			dir = stbl_file_parent(store, req->key, false, &name, req);
	int			fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) != 0)
	{
		stbl_file_fail(req, errno, "read object", req->key);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	else if (!S_ISREG(st->st_mode))
	{
		close(fd);
		fd = -1;
		stbl_file_fail(req, ENOENT, "read object", req->key);
	}
	close(dir);
	return fd;
}

/* Size, times and etag of an open object; reads it where its etag needs the content and none was read. */
static bool
describe(StblRequest *req, int fd, const struct stat *st, const uint8_t *data)
{
	uint8_t    *own = NULL;
	size_t		got;

	req->size = st->st_size;
	req->modified_us = stbl_file_mtime_us(st);
	if (data == NULL && st->st_size <= ETAG_HASH_MAX)
	{
		own = malloc(st->st_size + 1);
		if (own == NULL || !read_all(fd, own, st->st_size, 0, &got) || got != (size_t) st->st_size)
		{
			stbl_file_fail(req, own == NULL ? ENOMEM : EIO, "read object", req->key);
			free(own);
			return false;
		}
		data = own;
	}
	make_etag(req->new_etag, sizeof(req->new_etag), st, data);
	free(own);
	return true;
}

static void
do_get(StblFileStore *store, StblRequest *req)
{
	struct stat st;
	int			fd = open_object(store, req, &st);
	bool		whole = req->op == STBL_OP_GET;
	uint64_t	offset = whole ? 0 : req->offset;
	uint64_t	length = whole ? (uint64_t) st.st_size : req->length;
	size_t		got;

	if (fd < 0)
		return;
	if (!whole && (offset > (uint64_t) st.st_size || length > (uint64_t) st.st_size - offset))
	{
		req->status = STBL_ST_FAILED;
		req->error_kind = STBL_ERR_CORRUPT;
		snprintf(req->message, sizeof(req->message),
				 "object \"%s\" has %llu bytes and ends before byte %llu", req->key,
				 (unsigned long long) st.st_size, (unsigned long long) offset + length);
		close(fd);
		return;
	}
	req->body = malloc(length + 1);
	if (req->body == NULL || !read_all(fd, req->body, length, offset, &got) || got != length)
	{
		stbl_file_fail(req, req->body == NULL ? ENOMEM : errno ? errno : EIO, "read object", req->key);
		req->status = STBL_ST_FAILED;
		free(req->body);
		req->body = NULL;
		close(fd);
		return;
	}
	req->body[length] = '\0';
	req->body_len = length;
	req->size = st.st_size;
	req->modified_us = stbl_file_mtime_us(&st);
	if (whole)
		make_etag(req->new_etag, sizeof(req->new_etag), &st, req->body);
	req->status = STBL_ST_OK;
	close(fd);
}

static void
do_head(StblFileStore *store, StblRequest *req)
{
	struct stat st;
	int			fd = open_object(store, req, &st);

	if (fd < 0)
		return;
	if (describe(req, fd, &st, NULL))
		req->status = STBL_ST_OK;
	close(fd);
}

/* ---- writing ---- */

static int
temp_dir(StblFileStore *store, StblRequest *req)
{
	int			fd;

	if (mkdirat(store->root_fd, STBL_TEMP_DIR, 0700) != 0 && errno != EEXIST)
	{
		stbl_file_fail(req, errno, "create directory", STBL_TEMP_DIR);
		req->status = STBL_ST_FAILED;
		return -1;
	}
	fd = openat(store->root_fd, STBL_TEMP_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
	{
		stbl_file_fail(req, errno, "open directory", STBL_TEMP_DIR);
		req->status = STBL_ST_FAILED;
	}
	return fd;
}

/* Writes the request's data to a new temporary file, durably; its name into name. */
static bool
write_temp(int tmp, StblRequest *req, char *name, size_t name_size, struct stat *st)
{
	static unsigned seq = 0;
	const uint8_t *data = req->data;
	size_t		done = 0;
	int			fd;
	int			err;

	snprintf(name, name_size, "put.%ld.%u.%llx", (long) getpid(), seq++, (unsigned long long) stbl_file_now_us());
	fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
	{
		stbl_file_fail(req, errno, "write object", req->key);
		req->status = STBL_ST_FAILED;
		return false;
	}
	while (done < req->data_len)
	{
		ssize_t		n = write(fd, data + done, req->data_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			err = n == 0 ? ENOSPC : errno;
			goto failed;
		}
		done += n;
	}
	if ((stbl_fsync && fsync(fd) != 0) || fstat(fd, st) != 0)
	{
		err = errno;
		goto failed;
	}
	if (close(fd) == 0)
		return true;
	fd = -1;
	err = errno;
failed:
	if (fd >= 0)
		close(fd);
	unlinkat(tmp, name, 0);
	stbl_file_fail(req, err, "write object", req->key);
	req->status = STBL_ST_FAILED;
	return false;
}

/* What was written is known; that it is there is made durable. */
static void
finish_put(StblRequest *req, int dir, const struct stat *st)
{
	if (stbl_fsync && fsync(dir) != 0)
	{
		stbl_file_fail(req, errno, "fsync directory of object", req->key);
		req->status = STBL_ST_UNKNOWN;
		return;
	}
	req->size = st->st_size;
	req->modified_us = stbl_file_mtime_us(st);
	make_etag(req->new_etag, sizeof(req->new_etag), st, req->data);
	req->status = STBL_ST_OK;
}

static void
name_is_folder(StblRequest *req)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_EXISTS;
	snprintf(req->message, sizeof(req->message), "could not write object \"%s\": other objects' names lie under it", req->key);
}

static void
do_put(StblFileStore *store, StblRequest *req)
{
	const char *name;
	char		temp[96];
	struct stat st,
				old;
	int			dir = stbl_file_parent(store, req->key, true, &name, req);
	int			tmp;

	if (dir < 0)
		return;
	tmp = temp_dir(store, req);
	if (tmp < 0 || !write_temp(tmp, req, temp, sizeof(temp), &st))
	{
		if (tmp >= 0)
			close(tmp);
		close(dir);
		return;
	}
	if (req->op == STBL_OP_PUT_NEW)
	{
		if (linkat(tmp, temp, dir, name, 0) == 0)
			finish_put(req, dir, &st);
		else if (errno != EEXIST)
			stbl_file_fail(req, errno, "write object", req->key);
		else if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(old.st_mode))
			name_is_folder(req);
		else
			req->status = STBL_ST_PRECONDITION;
		unlinkat(tmp, temp, 0);
	}
	else if (renameat(tmp, temp, dir, name) == 0)
		finish_put(req, dir, &st);
	else
	{
		int			err = errno;

		unlinkat(tmp, temp, 0);
		if (err == EISDIR || err == ENOTEMPTY || err == EEXIST)
			name_is_folder(req);
		else
			stbl_file_fail(req, err, "write object", req->key);
	}
	if (req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_FAILED;
	close(tmp);
	close(dir);
}

static void
put_match_locked(StblFileStore *store, StblRequest *req)
{
	StblRequest look;
	struct stat st;
	int			fd;

	memset(&look, 0, sizeof(look));
	look.key = req->key;
	fd = open_object(store, &look, &st);
	if (fd < 0)
	{
		if (look.status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_PRECONDITION;
		else
		{
			req->status = look.status;
			req->error_kind = look.error_kind;
			memcpy(req->message, look.message, sizeof(req->message));
		}
		return;
	}
	if (!describe(&look, fd, &st, NULL))
	{
		req->status = STBL_ST_FAILED;
		req->error_kind = look.error_kind;
		memcpy(req->message, look.message, sizeof(req->message));
	}
	else if (strcmp(look.new_etag, req->etag) != 0)
		req->status = STBL_ST_PRECONDITION;
	else
		do_put(store, req);
	close(fd);
}

static void
delete_locked(StblFileStore *store, StblRequest *req)
{
	const char *name;
	int			dir = stbl_file_parent(store, req->key, false, &name, req);

	if (dir < 0)
	{
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_OK;
		return;
	}
	if (unlinkat(dir, name, 0) == 0)
	{
		if (stbl_fsync && fsync(dir) != 0)
		{
			stbl_file_fail(req, errno, "fsync directory of object", req->key);
			req->status = STBL_ST_UNKNOWN;
		}
		else
			req->status = STBL_ST_OK;
	}
	else if (errno == ENOENT || errno == EISDIR || errno == EPERM)
		req->status = STBL_ST_OK;
	else
		stbl_file_fail(req, errno, "delete object", req->key);
	close(dir);
}

/* ---- locks ---- */

/* Opens (makes) the lock file of the request's key. */
static int
open_lock(StblFileStore *store, StblRequest *req)
{
	char		name[64];
	int			tmp;
	int			fd;

	if (!stbl_file_reopen(store, req))
		return -1;
	tmp = temp_dir(store, req);
	if (tmp < 0)
		return -1;
	snprintf(name, sizeof(name), "lock.%03llx",
			 (unsigned long long) (hash_lane((const uint8_t *) req->key, strlen(req->key), 7) & 0xfff));
	fd = openat(tmp, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
	{
		stbl_file_fail(req, errno, "open lock file of", req->key);
		req->status = STBL_ST_FAILED;
	}
	close(tmp);
	return fd;
}

/* Tries the lock; true when the request is done, one way or the other. */
static bool
try_locked(StblFileStore *store, StblRequest *req, int lock_fd)
{
	if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno != EWOULDBLOCK && errno != EINTR)
		{
			stbl_file_fail(req, errno, "lock", req->key);
			req->status = STBL_ST_FAILED;
			return true;
		}
		if (stbl_file_now_us() < req->deadline_us)
			return false;
		req->status = STBL_ST_TRANSIENT;
		req->error_kind = STBL_ERR_LOCKED;
		snprintf(req->message, sizeof(req->message), "could not lock object \"%s\" in time", req->key);
		return true;
	}
	if (req->op == STBL_OP_PUT_MATCH)
		put_match_locked(store, req);
	else
		delete_locked(store, req);
	flock(lock_fd, LOCK_UN);
	return true;
}

static void
start_locked(StblFileStore *store, StblRequest *req)
{
	int			lock_fd = open_lock(store, req);
	StblFileWait *wait;

	if (lock_fd < 0)
		return;
	if (try_locked(store, req, lock_fd))
	{
		close(lock_fd);
		return;
	}
	wait = malloc(sizeof(StblFileWait));
	if (wait == NULL)
	{
		close(lock_fd);
		stbl_file_fail(req, ENOMEM, "lock", req->key);
		return;
	}
	wait->lock_fd = lock_fd;
	wait->next = store->waiting;
	req->driver_data = wait;
	store->waiting = req;
}

/* ---- the driver ---- */

static void
file_submit(void *store_p, StblRequest *req)
{
	StblFileStore *store = store_p;

	req->status = STBL_ST_PENDING;
	req->error_kind = 0;
	req->message[0] = '\0';
	req->new_etag[0] = '\0';
	req->driver_data = NULL;
	if (!stbl_file_key_ok(req->key, req->op == STBL_OP_LIST))
	{
		req->status = STBL_ST_FAILED;
		req->error_kind = STBL_ERR_INVALID;
		snprintf(req->message, sizeof(req->message), "invalid object name \"%.200s\"", req->key);
	}
	else
		switch (req->op)
		{
			case STBL_OP_GET:
			case STBL_OP_GET_RANGE:
				do_get(store, req);
				break;
			case STBL_OP_HEAD:
				do_head(store, req);
				break;
			case STBL_OP_PUT:
			case STBL_OP_PUT_NEW:
				do_put(store, req);
				break;
			case STBL_OP_PUT_MATCH:
			case STBL_OP_DELETE:
				start_locked(store, req);
				break;
			case STBL_OP_LIST:
				stbl_file_list(store, req);
				break;
		}
	req->store_time_us = stbl_file_now_us();
}

/* Takes a request off the list of those that wait. */
static void
unlink_waiting(StblFileStore *store, StblRequest *req)
{
	StblRequest **p = &store->waiting;

	while (*p != NULL && *p != req)
		p = &((StblFileWait *) (*p)->driver_data)->next;
	if (*p == NULL)
		return;
	*p = ((StblFileWait *) req->driver_data)->next;
	close(((StblFileWait *) req->driver_data)->lock_fd);
	free(req->driver_data);
	req->driver_data = NULL;
}

static void
file_drive(void *store_p, int timeout_ms)
{
	StblFileStore *store = store_p;
	StblRequest *req = store->waiting;
	bool		any = false;

	while (req != NULL)
	{
		StblFileWait *wait = req->driver_data;
		StblRequest *next = wait->next;

		if (try_locked(store, req, wait->lock_fd))
		{
			req->store_time_us = stbl_file_now_us();
			unlink_waiting(store, req);
			any = true;
		}
		req = next;
	}
	if (!any && store->waiting != NULL)
		(void) poll(NULL, 0, timeout_ms < 2 ? timeout_ms : 2);
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

/* Temporary files of processes that died more than a day ago. */
static void
remove_stale_temps(StblFileStore *store)
{
	int			fd = openat(store->root_fd, STBL_TEMP_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR		   *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	struct stat st;

	if (dir == NULL)
	{
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((de = readdir(dir)) != NULL)
		if (strncmp(de->d_name, "put.", 4) == 0 &&
			fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			stbl_file_mtime_us(&st) < stbl_file_now_us() - INT64_C(86400000000))
			unlinkat(fd, de->d_name, 0);
	closedir(dir);
}

static bool
url_path(const char *url, char *message, size_t message_size, const char **path)
{
	static const char lead[] = "file://";

	if (strncmp(url, lead, sizeof(lead) - 1) != 0 || url[sizeof(lead) - 1] != '/' || strlen(url) > 900)
	{
		snprintf(message, message_size, "invalid url \"%.300s\": write file:///absolute/directory", url);
		return false;
	}
	*path = url + sizeof(lead) - 1;
	return true;
}

static void *
file_open(const char *url, const StblStoreOption *options, int n_options,
		  char **canonical, int *error_kind, char *message, size_t message_size)
{
	StblFileStore *store;
	StblRequest req;
	const char *path;
	size_t		len;

	(void) options;
	(void) n_options;
	*error_kind = STBL_ERR_INVALID;
	if (!url_path(url, message, message_size, &path))
		return NULL;
	store = calloc(1, sizeof(StblFileStore));
	if (store == NULL)
	{
		*error_kind = STBL_ERR_MEMORY;
		snprintf(message, message_size, "out of memory");
		return NULL;
	}
	store->root_fd = -1;
	store->path = realpath(path, NULL);
	memset(&req, 0, sizeof(req));
	if (store->path == NULL)
	{
		int			err = errno;

		*error_kind = err == EACCES ? STBL_ERR_DENIED : err == ENOENT || err == ENOTDIR ? STBL_ERR_NOT_FOUND : STBL_ERR_IO;
		snprintf(message, message_size, "could not access directory \"%s\": %s", path, strerror(err));
		free(store);
		return NULL;
	}
	if (!stbl_file_reopen(store, &req))
	{
		*error_kind = req.error_kind;
		snprintf(message, message_size, "%s", req.message);
		free(store->path);
		free(store);
		return NULL;
	}
	remove_stale_temps(store);
	len = strlen(store->path) + 8;
	*canonical = malloc(len);
	if (*canonical != NULL)
		snprintf(*canonical, len, "file://%s", strcmp(store->path, "/") == 0 ? "" : store->path);
	return store;
}

static void
file_close(void *store_p)
{
	StblFileStore *store = store_p;

	if (store->root_fd >= 0)
		close(store->root_fd);
	free(store->path);
	free(store);
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
