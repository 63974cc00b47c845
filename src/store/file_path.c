/*
 * Keys as paths below the root directory, and the hidden folder beside them.
 *
 * Directories are opened without following links, by openat2(2) in one step
 * or each segment on its own, relative to the one before, so nothing below
 * the root can lead out of it.
 *
 * A new directory lasts only when its entry in the directory above is on
 * disk, and whoever finds it there cannot know whether its maker has got so
 * far.  So each process makes every directory it writes under durable once,
 * whoever made it, and remembers that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

#include "common/error.h"
#include "store/file_int.h"

#define STALE_TEMP_US (INT64_C(86400) * 1000000)

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

/* Fails the request by an errno: before anything was applied. */
void
stbl_file_fail(StblRequest *req, int err, const char *what, const char *key)
{
	const char *why = strerror(err);

	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_IO;
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
		case ELOOP:
			req->error_kind = STBL_ERR_DENIED;
			why = "symbolic links are not followed";
			break;
		case ENOSPC:
		case EDQUOT:
			req->error_kind = STBL_ERR_FULL;
			break;
		case EFBIG:
			req->error_kind = STBL_ERR_LIMIT;
			break;
		case ENAMETOOLONG:
			req->error_kind = STBL_ERR_INVALID;
			break;
		case ENOMEM:
			req->error_kind = STBL_ERR_MEMORY;
			break;
		case EINTR:
		case EAGAIN:
		case EMFILE:
		case ENFILE:
		case ENOLCK:
		case ESTALE:
		case ETIMEDOUT:
			/* passes */
			req->status = STBL_ST_TRANSIENT;
			break;
		default:
			break;
	}
	snprintf(req->message, sizeof(req->message), "could not %s \"%.300s\": %s", what, key, why);
}

/* ---- system calls ---- */

int
stbl_file_open_at(int dir, const char *name, int flags)
{
	int			fd;

	do
		fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EINTR);
	return fd;
}

/* To disk, unless the user has switched that off. */
bool
stbl_file_sync(int fd)
{
	int			rc;

	if (!stbl_fsync)
		return true;
	do
		rc = fsync(fd);
	while (rc != 0 && errno == EINTR);
	return rc == 0;
}

/*
 * The same for a directory whose change others can see already.  A later
 * fsync may report success without having written what this one did not: what
 * this session would read back as its own proves nothing from then on.
 */
bool
stbl_file_sync_dir(StblFileStore *store, int fd)
{
	if (stbl_file_sync(fd))
		return true;
	store->sync_failed = true;
	return false;
}

/* Reads until len bytes or the end. */
bool
stbl_file_read(int fd, uint8_t *buf, size_t len, uint64_t offset, size_t *got)
{
	*got = 0;
	while (*got < len)
	{
		ssize_t		n = pread(fd, buf + *got, len - *got, (off_t) (offset + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		*got += (size_t) n;
	}
	return true;
}

bool
stbl_file_write(int fd, const uint8_t *data, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = ENOSPC;
			return false;
		}
		data += n;
		len -= (size_t) n;
	}
	return true;
}

/* ---- etags ---- */

/* A plain 64-bit hash, each of whose steps can be undone. */
uint64_t
stbl_file_hash(const uint8_t *data, size_t len, uint64_t seed)
{
	uint64_t	h = seed ^ (len * UINT64_C(0x9e3779b97f4a7c15));
	uint64_t	word;

	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	word = 0;
	if (len > 0)
		memcpy(&word, data, len);
	h = (h ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	return h ^ (h >> 33);
}

/*
 * Changes with the content, and with each writing of the same content too:
 * the time in it is that of the writer's clock in nanoseconds.  data may be
 * NULL for an object larger than STBL_FILE_HASH_MAX.
 */
void
stbl_file_etag(char *out, const struct stat *st, const uint8_t *data)
{
	uint64_t	a = 0;
	uint64_t	b = 0;

	if (data != NULL && st->st_size <= STBL_FILE_HASH_MAX)
	{
		a = stbl_file_hash(data, (size_t) st->st_size, UINT64_C(0x243f6a8885a308d3));
		b = stbl_file_hash(data, (size_t) st->st_size, UINT64_C(0x13198a2e03707344));
	}
	snprintf(out, STBL_FILE_ETAG_SIZE, "%llx-%llx-%llx.%lx-%016llx%016llx",
			 (unsigned long long) st->st_size, (unsigned long long) st->st_ino,
			 (unsigned long long) st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			 (unsigned long long) a, (unsigned long long) b);
}

/* ---- keys and directories ---- */

/* Whether a key has from one to STBL_FILE_MAX_DEPTH segments that a file can be named by. */
bool
stbl_file_key_ok(const char *key)
{
	const char *seg = key;

	if (strlen(key) > STBL_FILE_KEY_MAX)
		return false;
	for (int depth = 0; depth < STBL_FILE_MAX_DEPTH; depth++)
	{
		size_t		len = strcspn(seg, "/");

		if (len == 0 || len > STBL_FILE_SEGMENT_MAX ||
			(len == 1 && seg[0] == '.') || (len == 2 && seg[0] == '.' && seg[1] == '.') ||
			(len == strlen(STBL_TEMP_DIR) && memcmp(seg, STBL_TEMP_DIR, len) == 0))
			return false;
		if (seg[len] == '\0')
			return true;
		seg += len + 1;
	}
	return false;
}

/* The root directory cannot be used. */
void
stbl_file_no_root(StblRequest *req, const char *path, int err)
{
	stbl_file_fail(req, err, "access directory", path);
	if (req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_FAILED;	/* that would be said of the object */
	if (err == ENOTDIR)
		req->error_kind = STBL_ERR_NOT_FOUND;
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
		stbl_file_no_root(req, store->path, errno);
		return false;
	}
	if (store->root_fd >= 0 && st.st_dev == store->root.dev && st.st_ino == store->root.ino)
		return true;
	do
		fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0 || fstat(fd, &st) != 0)
	{
		stbl_file_no_root(req, store->path, errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (store->root_fd >= 0)
		close(store->root_fd);
	store->root_fd = fd;
	store->root.dev = st.st_dev;
	store->root.ino = st.st_ino;
	store->n_durable = 0;
	return true;
}

/* Whether a directory's entry, and so those of the directories above it, are known to be durable. */
static bool
is_durable(StblFileStore *store, const struct stat *st)
{
	for (int i = 0; i < store->n_durable && i < STBL_FILE_N_DURABLE; i++)
		if (store->durable[i].ino == st->st_ino && store->durable[i].dev == st->st_dev)
			return true;
	return false;
}

/* Makes the entry of child in dir durable, once. */
static bool
make_durable(StblFileStore *store, int dir, int child)
{
	struct stat st;
	StblFileId *id;

	if (!stbl_fsync)
		return true;
	if (fstat(child, &st) != 0)
		return false;
	if (is_durable(store, &st))
		return true;
	if (!stbl_file_sync_dir(store, dir))
		return false;
	id = &store->durable[store->n_durable % STBL_FILE_N_DURABLE];
	id->dev = st.st_dev;
	id->ino = st.st_ino;
	/* once full it stays so, and the count never overflows */
	if (++store->n_durable == 2 * STBL_FILE_N_DURABLE)
		store->n_durable = STBL_FILE_N_DURABLE;
	return true;
}

/* Why a segment of the key's path could not be opened. */
static void
fail_segment(StblRequest *req, int err, int dir, const char *segment, bool make)
{
	struct stat st;

	if (err == ENOTDIR && fstatat(dir, segment, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		err = ELOOP;
	if (err == ENOTDIR && make)
	{
		req->status = STBL_ST_FAILED;
		req->error_kind = STBL_ERR_EXISTS;
		snprintf(req->message, sizeof(req->message),
				 "could not write object \"%.300s\": a part of its name is an object itself", req->key);
		return;
	}
	stbl_file_fail(req, err == ENOTDIR ? ENOENT : err, "open directory of object", req->key);
	if (make && req->status == STBL_ST_NOT_FOUND)
		req->status = STBL_ST_TRANSIENT;	/* removed as soon as made */
}

/*
 * Opens the first len bytes of a key as a directory in one step; -1 where
 * that is not to be had, or fails: segment by segment it shows why.
 */
static int
open_at_once(StblFileStore *store, const char *key, size_t len)
{
#if defined(__linux__) && defined(SYS_openat2)
	static bool is_missing = false;
	struct open_how how;
	char		path[STBL_FILE_KEY_MAX + 1];
	int			fd;

	if (is_missing || len > STBL_FILE_KEY_MAX)
		return -1;
	memcpy(path, key, len);
	path[len] = '\0';
	memset(&how, 0, sizeof(how));
	how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	fd = (int) syscall(SYS_openat2, store->root_fd, path, &how, sizeof(how));
	is_missing = fd < 0 && (errno == ENOSYS || errno == EPERM);
	return fd;
#else
	(void) store;
	(void) key;
	(void) len;
	return -1;
#endif
}

/*
 * Opens the directory a key stands in, making it and those above it if asked
 * to.  Returns a descriptor to close, or -1 with the request failed.  *name
 * is the key's last segment.
 */
int
stbl_file_parent(StblFileStore *store, const char *key, bool make, const char **name, StblRequest *req)
{
	const char *seg = key;
	const char *last = strrchr(key, '/');
	int			dir;

	if (!stbl_file_reopen(store, req))
		return -1;
	dir = last != NULL ? open_at_once(store, key, (size_t) (last - key)) : -1;
	if (dir >= 0)
	{
		struct stat st;

		*name = last + 1;
		if (!make || !stbl_fsync || (fstat(dir, &st) == 0 && is_durable(store, &st)))
			return dir;
		close(dir);
	}
	dir = fcntl(store->root_fd, F_DUPFD_CLOEXEC, 0);
	if (dir < 0)
	{
		stbl_file_no_root(req, store->path, errno);
		return -1;
	}
	for (;;)
	{
		size_t		len = strcspn(seg, "/");
		char		segment[STBL_FILE_SEGMENT_MAX + 1];
		int			next;

		if (seg[len] == '\0')
		{
			*name = seg;
			return dir;
		}
		memcpy(segment, seg, len);
		segment[len] = '\0';
		next = stbl_file_open_at(dir, segment, O_RDONLY | O_DIRECTORY);
		if (next < 0 && errno == ENOENT && make &&
			(mkdirat(dir, segment, 0700) == 0 || errno == EEXIST))
			next = stbl_file_open_at(dir, segment, O_RDONLY | O_DIRECTORY);
		if (next < 0)
		{
			fail_segment(req, errno, dir, segment, make);
			close(dir);
			return -1;
		}
		if (make && !make_durable(store, dir, next))
		{
			stbl_file_fail(req, errno, "fsync directory of object", key);
			close(next);
			close(dir);
			return -1;
		}
		close(dir);
		dir = next;
		seg += len + 1;
	}
}

/* Opens the hidden folder of temporary and lock files, making it if need be; -1 with the request failed. */
int
stbl_file_temp_dir(StblFileStore *store, StblRequest *req)
{
	int			fd = stbl_file_open_at(store->root_fd, STBL_TEMP_DIR, O_RDONLY | O_DIRECTORY);
	if (fd < 0 && errno == ENOENT && (mkdirat(store->root_fd, STBL_TEMP_DIR, 0700) == 0 || errno == EEXIST))
		fd = stbl_file_open_at(store->root_fd, STBL_TEMP_DIR, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
	{
		stbl_file_fail(req, errno, "create directory", STBL_TEMP_DIR);
		if (req->status == STBL_ST_NOT_FOUND)
			req->status = STBL_ST_TRANSIENT;	/* the root has just been removed */
	}
	return fd;
}

/* Temporary files of processes that died more than a day ago. */
void
stbl_file_remove_stale(StblFileStore *store)
{
	int			fd = stbl_file_open_at(store->root_fd, STBL_TEMP_DIR, O_RDONLY | O_DIRECTORY);
	DIR		   *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int64_t		limit_us = stbl_file_now_us() - STALE_TEMP_US;
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
			stbl_file_mtime_us(&st) < limit_us)
			(void) unlinkat(fd, de->d_name, 0);
	closedir(dir);
}
