/*
 * Objects of a directory, written: a group of requests together, so that
 * what they have in common is made durable once.
 *
 * Each request goes the way it would go alone (file.c): data durable under a
 * temporary name, then the name, then the directory durable, then the
 * temporary name away.  In a group all data are forced out at once, and a
 * directory once for all names in it.  Who needs the lock of its key holds
 * it throughout.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/aio_abi.h>
#endif

#include "common/error.h"
#include "store/file_int.h"

/*
 * The writer's time in nanoseconds.  Files get that of the last clock tick,
 * in which a second file may follow that has the same inode again: their
 * etags must differ.
 */
static bool
set_time(int fd)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[1] = times[0];
	return futimens(fd, times) == 0;
}

static void
fail_temp(StblRequest *req, int err)
{
	StblFilePut *put = req->driver_data;

	if (put->fd >= 0)
		close(put->fd);
	put->fd = -1;
	if (put->temp[0] != '\0')
		unlinkat(put->tmp, put->temp, 0);
	put->temp[0] = '\0';
	stbl_file_fail(req, err, "write object", req->key);
	if (req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_TRANSIENT;	/* the temporary directory has just been removed */
}

/* Creates a temporary file with the request's data, not durable yet. */
static bool
write_temp(StblRequest *req)
{
	static unsigned seq = 0;
	StblFilePut *put = req->driver_data;

	do
	{
		snprintf(put->temp, sizeof(put->temp), "put.%ld.%u.%llx", (long) getpid(), seq++,
				 (unsigned long long) stbl_file_now_us());
		put->fd = stbl_file_open_at(put->tmp, put->temp, O_WRONLY | O_CREAT | O_EXCL);
	} while (put->fd < 0 && errno == EEXIST);	/* by another machine's process */
	if (put->fd >= 0 && stbl_file_write(put->fd, req->data, req->data_len) && set_time(put->fd))
		return true;
	fail_temp(req, errno);
	return false;
}

/* ---- data forced to disk ---- */

static bool
sync_now(StblRequest *req)
{
	StblFilePut *put = req->driver_data;

	put->sync_errno = stbl_file_sync(put->fd) ? 0 : errno;
	return put->sync_errno == 0;
}

#ifdef __linux__

/*
 * Forces out several files at once, so that they share the journal's commits:
 * one after the other each would wait for one of its own.  By the kernel's
 * asynchronous I/O; false where it is not to be had, and then nothing is
 * under way.
 */
static bool
sync_together(StblFileStore *store, StblRequest *const *reqs, int n)
{
	struct iocb blocks[STBL_FILE_GROUP_MAX];
	struct iocb *list[STBL_FILE_GROUP_MAX];
	struct io_event events[STBL_FILE_GROUP_MAX];
	aio_context_t context = store->aio_context;
	long		sent;

	if (store->no_aio)
		return false;
	if (context == 0 && syscall(SYS_io_setup, STBL_FILE_GROUP_MAX, &context) != 0)
	{
		store->no_aio = true;
		return false;
	}
	store->aio_context = context;
	memset(blocks, 0, sizeof(blocks));
	for (int i = 0; i < n; i++)
	{
		blocks[i].aio_fildes = (uint32_t) ((StblFilePut *) reqs[i]->driver_data)->fd;
		blocks[i].aio_lio_opcode = IOCB_CMD_FSYNC;
		blocks[i].aio_data = (uint64_t) i;
		list[i] = &blocks[i];
	}
	sent = syscall(SYS_io_submit, context, (long) n, list);
	for (long left = sent; left > 0;)
	{
		long		got = syscall(SYS_io_getevents, context, 1L, left, events, NULL);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
		{
			/* what is under way is waited for in the other way */
			store->no_aio = true;
			return false;
		}
		for (long k = 0; k < got; k++)
			((StblFilePut *) reqs[events[k].data]->driver_data)->sync_errno = events[k].res == 0 ? 0 : (int) -events[k].res;
		left -= got;
	}

	/* those that were not taken, and those of a file system that cannot do it so */
	for (int i = 0; i < n; i++)
		if (i >= sent || ((StblFilePut *) reqs[i]->driver_data)->sync_errno == EINVAL)
			(void) sync_now(reqs[i]);
	return true;
}

void
stbl_file_sync_end(StblFileStore *store)
{
	if (store->aio_context != 0)
		(void) syscall(SYS_io_destroy, (aio_context_t) store->aio_context);
	store->aio_context = 0;
}

#else

static bool
sync_together(StblFileStore *store, StblRequest *const *reqs, int n)
{
	return false;
}

void
stbl_file_sync_end(StblFileStore *store)
{
}

#endif

static void
sync_data(StblFileStore *store, StblRequest *const *reqs, int n)
{
	if (!stbl_fsync || n < 2 || !sync_together(store, reqs, n))
		for (int i = 0; i < n; i++)
			(void) sync_now(reqs[i]);
}

/* The data are durable, or not; the name is still the temporary one. */
static bool
finish_temp(StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	int			err = put->sync_errno;
	int			fd = put->fd;

	if (err == 0 && fstat(fd, &put->st) != 0)
		err = errno;
	put->fd = -1;
	if (close(fd) != 0 && errno != EINTR && err == 0)
		err = errno;
	if (err != 0)
		fail_temp(req, err);
	return err == 0;
}

/* ---- names ---- */

/* The name of the object is taken by something that is no object. */
static void
fail_name_taken(StblRequest *req, bool by_folder)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_EXISTS;
	snprintf(req->message, sizeof(req->message), "could not write object \"%.300s\": %s", req->key,
			 by_folder ? "other objects' names lie under it" : "its name is that of a special file");
}

/* Whether an error of link or rename leaves open what became of it (on a file system across a network). */
static bool
is_doubtful(int err)
{
	return err == EIO || err == EINTR || err == ETIMEDOUT || err == ESTALE;
}

/*
 * Neither linked nor renamed: sets the status, or leaves it pending where it
 * is worth another try at once.
 */
static void
explain_no_name(StblRequest *req, int err, int dir, const char *name)
{
	struct stat old;

	if (err != EEXIST && err != EISDIR && err != ENOTEMPTY)
	{
		stbl_file_fail(req, err, "write object", req->key);
		if (is_doubtful(err))
			req->status = STBL_ST_UNKNOWN;
		else if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_TRANSIENT;	/* the folder was removed under our hands, and will be made anew */
	}
	else if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) != 0)
		return;					/* gone again */
	else if (S_ISREG(old.st_mode))
	{
		if (req->op == STBL_OP_PUT_NEW)
			req->status = STBL_ST_PRECONDITION;
	}
	else if (!S_ISDIR(old.st_mode))
		fail_name_taken(req, false);
	else if (unlinkat(dir, name, AT_REMOVEDIR) != 0)
		fail_name_taken(req, true);
}

/*
 * Gives a temporary file its name.  Until the name is durable the file has a
 * second one, by which a reader can tell.
 */
static void
put_name(StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	char		moved[sizeof(put->temp) + 2];
	struct stat now;
	bool		is_new = req->op == STBL_OP_PUT_NEW;
	bool		done = false;

	snprintf(moved, sizeof(moved), "%s.m", put->temp);
	if (!is_new && linkat(put->tmp, put->temp, put->tmp, moved, 0) != 0)
	{
		stbl_file_fail(req, errno, "write object", req->key);
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_TRANSIENT;
	}
	for (int tries = 0; tries < 8 && !done && req->status == STBL_ST_PENDING; tries++)
	{
		done = (is_new ? linkat(put->tmp, put->temp, put->dir, put->name, 0) :
				renameat(put->tmp, moved, put->dir, put->name)) == 0;
		if (!done)
		{
			int			err = errno;

			/* a file server that was asked twice says EEXIST of what it did the first time */
			if (is_new && err == EEXIST && fstatat(put->tmp, put->temp, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_nlink > 1)
				done = true;
			else
				explain_no_name(req, err, put->dir, put->name);
		}
	}
	if (!done && req->status == STBL_ST_PENDING)
	{
		req->status = STBL_ST_TRANSIENT;
		req->error_kind = STBL_ERR_IO;
		snprintf(req->message, sizeof(req->message), "could not write object \"%.300s\": its name changes all the time",
				 req->key);
	}
	if (!is_new && !done)
		unlinkat(put->tmp, moved, 0);
}

/* With the key's lock held: is the content the one that is to be replaced? */
static bool
matches(StblFileStore *store, StblRequest *req)
{
	StblRequest look;

	memset(&look, 0, sizeof(look));
	look.op = STBL_OP_HEAD;
	look.key = req->key;
	if (stbl_file_head(store, &look))
	{
		if (req->etag != NULL && strcmp(look.new_etag, req->etag) == 0)
			return true;
		req->status = STBL_ST_PRECONDITION;
		return false;
	}
	req->status = look.status == STBL_ST_NOT_FOUND ? STBL_ST_PRECONDITION : look.status;
	req->error_kind = look.error_kind;
	memcpy(req->message, look.message, sizeof(req->message));
	return false;
}

/* With the key's lock held.  Pending afterwards: the directory is to be made durable. */
static void
delete_object(StblFileStore *store, StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	struct stat st;
	int			err;

	put->dir = stbl_file_parent(store, req->key, false, &put->name, req);
	if (put->dir < 0)
	{
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_OK;
		return;
	}
	if (unlinkat(put->dir, put->name, 0) == 0)
		return;
	err = errno;
	if (err == ENOENT || err == EISDIR ||
		(err == EPERM && fstatat(put->dir, put->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
		req->status = STBL_ST_OK;
	else
	{
		stbl_file_fail(req, err, "delete object", req->key);
		if (is_doubtful(err))
			req->status = STBL_ST_UNKNOWN;
	}
}

/* What comes before anything has to be durable. */
static void
begin(StblFileStore *store, StblRequest *req)
{
	StblFilePut *put = req->driver_data;

	if (req->op == STBL_OP_DELETE)
	{
		delete_object(store, req);
		return;
	}
	if (req->op == STBL_OP_PUT_MATCH && !matches(store, req))
		return;
	put->dir = stbl_file_parent(store, req->key, true, &put->name, req);
	if (put->dir < 0)
		return;
	put->tmp = stbl_file_temp_dir(store, req);
	if (put->tmp >= 0)
		(void) write_temp(req);
}

/* Makes the directory of request i durable, unless one before it had the same. */
static bool
sync_dir_once(StblFileStore *store, StblRequest *const *reqs, int i)
{
	StblFilePut *put = reqs[i]->driver_data;
	struct stat st;

	if (fstat(put->dir, &st) != 0)
		return stbl_file_sync_dir(store, put->dir);
	put->dir_id.dev = st.st_dev;
	put->dir_id.ino = st.st_ino;
	for (int k = 0; k < i; k++)
	{
		StblFilePut *before = reqs[k]->driver_data;

		if (before->is_synced && before->dir_id.dev == st.st_dev && before->dir_id.ino == st.st_ino)
		{
			put->is_synced = true;
			errno = EIO;
			return put->sync_ok = before->sync_ok;
		}
	}
	put->is_synced = true;
	return put->sync_ok = stbl_file_sync_dir(store, put->dir);
}

static void
end(StblRequest *req)
{
	StblFilePut *put = req->driver_data;

	if (put->temp[0] != '\0')
		unlinkat(put->tmp, put->temp, 0);
	if (put->tmp >= 0)
		close(put->tmp);
	if (put->dir >= 0)
		close(put->dir);
}

#define PENDING(i) (reqs[i]->status == STBL_ST_PENDING)
#define IS_PUT(i) (reqs[i]->op != STBL_OP_DELETE)

void
stbl_file_write_group(StblFileStore *store, StblRequest *const *reqs, int n)
{
	StblRequest *written[STBL_FILE_GROUP_MAX];
	int			n_written = 0;

	for (int i = 0; i < n; i++)
	{
		begin(store, reqs[i]);
		if (PENDING(i) && IS_PUT(i))
			written[n_written++] = reqs[i];
	}
	sync_data(store, written, n_written);
	for (int i = 0; i < n_written; i++)
		if (finish_temp(written[i]))
			put_name(written[i]);

	/* Now the directories say what they should. */
	for (int i = 0; i < n; i++)
	{
		StblFilePut *put = reqs[i]->driver_data;

		if (!PENDING(i))
			continue;
		if (!sync_dir_once(store, reqs, i))
		{
			stbl_file_fail(reqs[i], errno, "fsync directory of object", reqs[i]->key);
			reqs[i]->status = STBL_ST_UNKNOWN;
			continue;
		}
		reqs[i]->status = STBL_ST_OK;
		if (IS_PUT(i))
			stbl_file_describe(reqs[i], &put->st, reqs[i]->data);
	}
	for (int i = 0; i < n; i++)
		end(reqs[i]);
}
