/*
 * Objects of a directory, written: a group of requests together, so that
 * what they have in common is made durable once.
 *
 * Each request goes the way it would go alone (file.c): data durable under a
 * temporary name, then the name, then the directory durable, then the
 * temporary name away.  In a group all data are forced out at once, and a
 * directory is opened, and forced out, once for all names in it.  Who needs
 * the lock of its key holds it throughout.
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
fail_temp(const StblFileGroup *group, StblRequest *req, int err)
{
	StblFilePut *put = req->driver_data;

	if (put->fd >= 0)
		close(put->fd);
	put->fd = -1;
	if (put->temp[0] != '\0')
		unlinkat(group->tmp, put->temp, 0);
	put->temp[0] = '\0';
	stbl_file_fail(req, err, "write object", req->key);
	if (req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_TRANSIENT;	/* the temporary directory has just been removed */
}

/* Creates a temporary file with the request's data, not durable yet. */
static bool
write_temp(const StblFileGroup *group, StblRequest *req)
{
	static unsigned seq = 0;
	StblFilePut *put = req->driver_data;

	do
	{
		snprintf(put->temp, sizeof(put->temp), "put.%ld.%u.%llx", (long) getpid(), seq++,
				 (unsigned long long) stbl_file_now_us());
		put->fd = stbl_file_open_at(group->tmp, put->temp, O_WRONLY | O_CREAT | O_EXCL);
	} while (put->fd < 0 && errno == EEXIST);	/* by another machine's process */
	if (put->fd >= 0 && stbl_file_write(put->fd, req->data, req->data_len) && set_time(put->fd))
		return true;
	fail_temp(group, req, errno);
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
finish_temp(const StblFileGroup *group, StblRequest *req)
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
		fail_temp(group, req, err);
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
put_name(const StblFileGroup *group, StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	int			dir = put->folder->fd;
	char		moved[sizeof(put->temp) + 2];
	struct stat now;
	bool		is_new = req->op == STBL_OP_PUT_NEW;
	bool		done = false;

	snprintf(moved, sizeof(moved), "%s.m", put->temp);
	if (!is_new && linkat(group->tmp, put->temp, group->tmp, moved, 0) != 0)
	{
		stbl_file_fail(req, errno, "write object", req->key);
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_TRANSIENT;
	}
	for (int tries = 0; tries < 8 && !done && req->status == STBL_ST_PENDING; tries++)
	{
		done = (is_new ? linkat(group->tmp, put->temp, dir, put->name, 0) :
				renameat(group->tmp, moved, dir, put->name)) == 0;
		if (!done)
		{
			int			err = errno;

			/* a file server that was asked twice says EEXIST of what it did the first time */
			if (is_new && err == EEXIST && fstatat(group->tmp, put->temp, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_nlink > 1)
				done = true;
			else
				explain_no_name(req, err, dir, put->name);
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
		unlinkat(group->tmp, moved, 0);
}

/* ---- folders ---- */

/*
 * The folder of the request's key, opened once for a group; made if asked
 * for.  NULL with the request failed.
 */
static StblFileFolder *
find_folder(StblFileStore *store, StblFileGroup *group, StblRequest *req, bool make)
{
	StblFilePut *put = req->driver_data;
	const char *last = strrchr(req->key, '/');
	size_t		len = last != NULL ? (size_t) (last - req->key) + 1 : 0;
	StblFileFolder *f;

	put->name = req->key + len;
	for (int i = 0; i < group->n_folders; i++)
	{
		f = &group->folders[i];
		if (f->len == len && memcmp(f->key, req->key, len) == 0 && (f->is_made || !make))
			return f;
	}
	f = &group->folders[group->n_folders];
	f->fd = stbl_file_parent(store, req->key, make, &put->name, req);
	if (f->fd < 0)
		return NULL;
	f->key = req->key;
	f->len = len;
	f->is_made = make;
	f->is_synced = f->sync_ok = false;
	group->n_folders++;
	return f;
}

/* Makes a folder durable, once in a group. */
static bool
sync_folder(StblFileStore *store, StblFileFolder *f)
{
	if (!f->is_synced)
		f->sync_ok = stbl_file_sync_dir(store, f->fd);
	else
		errno = EIO;
	f->is_synced = true;
	return f->sync_ok;
}

/* ---- a group ---- */

/* With the key's lock held: is the content the one that is to be replaced? */
static bool
matches(StblFileStore *store, StblFileGroup *group, StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	StblFileFolder *f = find_folder(store, group, req, false);
	StblRequest look;

	if (f == NULL)
	{
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_PRECONDITION;
		return false;
	}
	memset(&look, 0, sizeof(look));
	look.op = STBL_OP_HEAD;
	look.key = req->key;
	if (stbl_file_head(store, f->fd, put->name, &look))
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
delete_object(StblFileStore *store, StblFileGroup *group, StblRequest *req)
{
	StblFilePut *put = req->driver_data;
	struct stat st;
	int			err;

	put->folder = find_folder(store, group, req, false);
	if (put->folder == NULL)
	{
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_OK;
		return;
	}
	if (unlinkat(put->folder->fd, put->name, 0) == 0)
		return;
	err = errno;
	if (err == ENOENT || err == EISDIR ||
		(err == EPERM && fstatat(put->folder->fd, put->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
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
begin(StblFileStore *store, StblFileGroup *group, StblRequest *req)
{
	StblFilePut *put = req->driver_data;

	if (req->op == STBL_OP_DELETE)
	{
		delete_object(store, group, req);
		return;
	}
	if (req->op == STBL_OP_PUT_MATCH && !matches(store, group, req))
		return;
	put->folder = find_folder(store, group, req, true);
	if (put->folder == NULL)
		return;
	if (group->tmp < 0)
		group->tmp = stbl_file_temp_dir(store, req);
	if (group->tmp >= 0)
		(void) write_temp(group, req);
}

#define IS_PENDING(req) ((req)->status == STBL_ST_PENDING)
#define IS_PUT(req) ((req)->op != STBL_OP_DELETE)

void
stbl_file_write_group(StblFileStore *store, StblFileGroup *group)
{
	StblRequest *written[STBL_FILE_GROUP_MAX];
	int			n_written = 0;

	group->tmp = -1;
	group->n_folders = 0;
	for (int i = 0; i < group->n; i++)
	{
		StblRequest *req = group->reqs[i];

		begin(store, group, req);
		if (IS_PENDING(req) && IS_PUT(req))
			written[n_written++] = req;
	}
	sync_data(store, written, n_written);
	for (int i = 0; i < n_written; i++)
		if (finish_temp(group, written[i]))
			put_name(group, written[i]);

	/* Now the directories say what they should. */
	for (int i = 0; i < group->n; i++)
	{
		StblRequest *req = group->reqs[i];
		StblFilePut *put = req->driver_data;

		if (!IS_PENDING(req))
			continue;
		if (!sync_folder(store, put->folder))
		{
			stbl_file_fail(req, errno, "fsync directory of object", req->key);
			req->status = STBL_ST_UNKNOWN;
			continue;
		}
		req->status = STBL_ST_OK;
		if (IS_PUT(req))
			stbl_file_describe(req, &put->st, req->data);
	}
	for (int i = 0; i < group->n; i++)
	{
		StblFilePut *put = group->reqs[i]->driver_data;

		if (put->temp[0] != '\0')
			unlinkat(group->tmp, put->temp, 0);
	}
	for (int i = 0; i < group->n_folders; i++)
		close(group->folders[i].fd);
	if (group->tmp >= 0)
		close(group->tmp);
}
