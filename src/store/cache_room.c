/*
 * The space of the read cache.
 *
 * How much its files take is counted in a few bytes of shared memory, made by
 * whoever comes first, as the statistics are (stat.c).  The count is an
 * estimate: the first who writes after the server's start, and whoever meets
 * the bound, looks at the files themselves, sets it right, and removes those
 * that were not used for longest, until an eighth is free.  One at a time
 * does so; who wants to write meanwhile and finds no room does without.
 *
 * A file that is removed while others read or write it goes on for them, and
 * its space comes back when they have closed it.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "store/cache.h"
#include "store/store_int.h"

#define LOCK_NAME "lock"

/* A file in the making that is so old was left by a process that died. */
#define TEMP_MAX_AGE 600

typedef struct Room
{
	pg_atomic_uint64 used;		/* bytes; UNKNOWN at first */
	pg_atomic_uint64 folder;	/* hash of the folder they are in */
} Room;

#define UNKNOWN PG_UINT64_MAX

static Room *room = NULL;

static void
attach(void *arg)
{
	bool		found;
	Room	   *r;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	r = ShmemInitStruct("supertable read cache", sizeof(Room), &found);
	if (!found)
	{
		pg_atomic_init_u64(&r->used, UNKNOWN);
		pg_atomic_init_u64(&r->folder, 0);
	}
	LWLockRelease(AddinShmemInitLock);
	room = r;
}

static bool
have_room_struct(void)
{
	static Room own;
	StblError	err;

	if (room != NULL)
		return true;
	if (!stbl_guarded(attach, NULL, &err))
	{
		if (LWLockHeldByMe(AddinShmemInitLock))
		{
			/* the error has taken back the hold that the lock's release ends */
			HOLD_INTERRUPTS();
			LWLockRelease(AddinShmemInitLock);
		}
		/* none left: each counts for itself, and looks at the files the more often */
		pg_atomic_init_u64(&own.used, UNKNOWN);
		pg_atomic_init_u64(&own.folder, 0);
		room = &own;
	}
	return true;
}

/* A file of the cache. */
typedef struct Found
{
	char		name[64];
	struct timespec used;
	uint64		bytes;
} Found;

static int
compare_found(const void *a, const void *b)
{
	const Found *x = a;
	const Found *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* The files of the folder, malloc'd, and their size together; NULL where they cannot be looked at. */
static Found *
look(int dir, size_t *n, uint64 *sum)
{
	/* a stream of its own: the position is of the open folder */
	int			fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR		   *stream = fd >= 0 ? fdopendir(fd) : NULL;
	Found	   *found = malloc(sizeof(Found));
	size_t		cap = 1;
	struct dirent *entry;
	struct stat st;

	*n = 0;
	*sum = 0;
	if (stream == NULL && fd >= 0)
		close(fd);
	while (stream != NULL && found != NULL && (entry = readdir(stream)) != NULL)
	{
		bool		is_temp = strncmp(entry->d_name, STBL_CACHE_TEMP, strlen(STBL_CACHE_TEMP)) == 0;

		if ((!is_temp && strncmp(entry->d_name, STBL_CACHE_PREFIX, strlen(STBL_CACHE_PREFIX)) != 0) ||
			strlen(entry->d_name) >= sizeof(found->name) || fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (is_temp)
		{
			if (st.st_mtime + TEMP_MAX_AGE < time(NULL))
				(void) unlinkat(dir, entry->d_name, 0);
			continue;
		}
		if (*n == cap)
		{
			Found	   *grown = realloc(found, sizeof(Found) * (cap *= 2));

			if (grown == NULL)
			{
				free(found);
				found = NULL;
				break;
			}
			found = grown;
		}
		strlcpy(found[*n].name, entry->d_name, sizeof(found->name));
		found[*n].used = st.st_mtim;
		found[*n].bytes = (uint64) st.st_blocks * 512;
		*sum += found[*n].bytes;
		(*n)++;
	}
	if (stream == NULL)
	{
		free(found);
		found = NULL;
	}
	else
		closedir(stream);
	return found;
}

/* Looks at the files, and makes room for n bytes: what was not used for longest is removed. */
static bool
sweep(int dir, uint64 limit, uint64 n, uint64 folder)
{
	int			lock = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	Found	   *found = NULL;
	size_t		n_found = 0;
	uint64		sum = 0;

	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
		found = look(dir, &n_found, &sum);
	if (found != NULL && sum + n > limit)
	{
		qsort(found, n_found, sizeof(Found), compare_found);
		for (size_t i = 0; i < n_found && sum + n > limit - limit / 8; i++)
			if (unlinkat(dir, found[i].name, 0) == 0)
				sum -= found[i].bytes;
	}
	if (found != NULL)
	{
		pg_atomic_write_u64(&room->folder, folder);
		pg_atomic_write_u64(&room->used, sum);
	}
	free(found);
	if (lock >= 0)
		close(lock);
	return found != NULL && sum + n <= limit;
}

bool
stbl_cache_room(int dir, const char *path, uint64 n)
{
	uint64		limit = (uint64) stbl_cache_size_mb * 1024 * 1024;
	uint64		folder = hash_bytes_extended((const unsigned char *) path, (int) strlen(path), 0);
	uint64		used;

	if (!have_room_struct() || n > limit)
		return false;
	used = pg_atomic_read_u64(&room->used);
	if ((used == UNKNOWN || pg_atomic_read_u64(&room->folder) != folder || used + n > limit) &&
		!sweep(dir, limit, n, folder))
		return false;
	/* others may have come in between: then it is not written */
	if (pg_atomic_add_fetch_u64(&room->used, n) <= limit)
		return true;
	pg_atomic_sub_fetch_u64(&room->used, n);
	return false;
}
