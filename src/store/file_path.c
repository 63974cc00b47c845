/*
 * Keys as paths below the root directory.
 *
 * Each segment is opened on its own, relative to the one before and without
 * following links, so nothing below the root can lead out of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "store/file_int.h"

int64_t
stbl_file_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
stbl_file_mtime_us(const struct stat *st)
{
	return (int64_t) st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* Fails the request by an errno. */
void
stbl_file_fail(StblRequest *req, int err, const char *what, const char *key)
{
	req->status = STBL_ST_FAILED;
	switch (err)
	{
		case ENOENT:
			req->status = STBL_ST_NOT_FOUND;
			req->error_kind = STBL_ERR_NOT_FOUND;
			break;
		case EACCES:
		case EPERM:
		case EROFS:
			req->error_kind = STBL_ERR_DENIED;
			break;
		case ENOSPC:
		case EDQUOT:
			req->error_kind = STBL_ERR_FULL;
			break;
		case ELOOP:
			req->error_kind = STBL_ERR_DENIED;
			snprintf(req->message, sizeof(req->message), "could not %s \"%s\": symbolic links are not followed", what, key);
			return;
		case ENOMEM:
			req->error_kind = STBL_ERR_MEMORY;
			break;
		default:
			req->error_kind = STBL_ERR_IO;
	}
	snprintf(req->message, sizeof(req->message), "could not %s \"%s\": %s", what, key, strerror(err));
}

bool
stbl_file_key_ok(const char *key, bool is_prefix)
{
	const char *seg = key;

	if (strlen(key) > 1024)
		return false;
	if (key[0] == '\0')
		return is_prefix;
	for (;;)
	{
		size_t		len = strcspn(seg, "/");
		bool		last = seg[len] == '\0';

		if (len == 0)
			return last && is_prefix;
		if (len > 255 || (len == 1 && seg[0] == '.') || (len == 2 && seg[0] == '.' && seg[1] == '.'))
			return false;
		if (len == strlen(STBL_TEMP_DIR) && memcmp(seg, STBL_TEMP_DIR, len) == 0)
			return false;
		if (last)
			return true;
		seg += len + 1;
	}
}

/*
 * Makes sure root_fd is the directory that the path names now: it may have
 * been removed and made anew behind our back.
 */
bool
stbl_file_reopen(StblFileStore *store, StblRequest *req)
{
	struct stat st;
	int			fd;

	if (stat(store->path, &st) != 0)
	{
		int			err = errno;

		req->status = STBL_ST_FAILED;
		req->error_kind = err == ENOENT || err == ENOTDIR ? STBL_ERR_NOT_FOUND :
			err == EACCES ? STBL_ERR_DENIED : STBL_ERR_IO;
		snprintf(req->message, sizeof(req->message), "could not access directory \"%s\": %s", store->path, strerror(err));
		return false;
	}
	if (store->root_fd >= 0 && st.st_dev == store->dev && st.st_ino == store->ino)
		return true;
	fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
	{
		stbl_file_fail(req, errno, "open directory", store->path);
		req->status = STBL_ST_FAILED;
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (store->root_fd >= 0)
		close(store->root_fd);
	store->root_fd = fd;
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	return true;
}

/*
 * Opens the directory a key stands in, making it and those above it if asked
 * to (each made durable in its parent).  Returns a descriptor to close, or -1
 * with the request failed.  *name is the key's last segment.
 */
int
stbl_file_parent(StblFileStore *store, const char *key, bool make, const char **name, StblRequest *req)
{
	const char *seg = key;
	int			dir;

	if (!stbl_file_reopen(store, req))
		return -1;
	dir = dup(store->root_fd);
	if (dir < 0)
	{
		stbl_file_fail(req, errno, "open directory", store->path);
		return -1;
	}
	fcntl(dir, F_SETFD, FD_CLOEXEC);
	for (;;)
	{
		size_t		len = strcspn(seg, "/");
		char		segment[256];
		int			next;

		if (seg[len] == '\0')
		{
			*name = seg;
			return dir;
		}
		memcpy(segment, seg, len);
		segment[len] = '\0';
		next = openat(dir, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT && make)
		{
			if (mkdirat(dir, segment, 0700) != 0 && errno != EEXIST)
			{
				stbl_file_fail(req, errno, "create directory for", key);
				req->status = STBL_ST_FAILED;
				close(dir);
				return -1;
			}
			if (stbl_fsync && fsync(dir) != 0)
			{
				stbl_file_fail(req, errno, "fsync directory of", key);
				close(dir);
				return -1;
			}
			next = openat(dir, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0)
		{
			int			err = errno;
			struct stat st;

			if (err == ENOTDIR && fstatat(dir, segment, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
				err = ELOOP;
			if (err == ENOTDIR)
			{
				if (make)
				{
					req->status = STBL_ST_FAILED;
					req->error_kind = STBL_ERR_EXISTS;
					snprintf(req->message, sizeof(req->message),
							 "could not write object \"%s\": a part of its name is an object itself", key);
				}
				else
					stbl_file_fail(req, ENOENT, "open", key);
			}
			else
				stbl_file_fail(req, err, "open", key);
			close(dir);
			return -1;
		}
		close(dir);
		dir = next;
		seg += len + 1;
	}
}
