/*
 * The read cache.
 *
 * What is kept: superfiles and deletion vectors.  Their names are made up
 * once and never used again, so a block of one is right for ever, and there
 * is nothing to be told when it changes.  Versions and checkpoints are named
 * by number, which a folder emptied by hand uses again, and are not kept.
 *
 * Each object has one file, named by a hash, sparse, of blocks of 64 kB:
 *
 *	header	256 bytes: magic, size, the whole hash, a CRC; the object's etag
 *	table	8 bytes a block: CRC-32C of the hash and its bytes, and a check of the entry
 *	blocks	at the next multiple of their size, for the kernel to keep each in one piece
 *
 * Invariants.
 *
 *	1. A block is there if and only if its entry is sound: the second half is
 *	   the complement of the first, mixed with the block's number.  It is right
 *	   only if its bytes have that CRC: looked at whenever it is read.
 *	2. A block's bytes are written before its entry, and nothing is ever
 *	   flushed.  A crash of the process leaves no entry; one of the machine
 *	   leaves what it likes, and what does not match is fetched again.
 *	3. A file gets its name by link(2) when its header is written.  One with
 *	   another header than the name stands for is removed.
 *	4. The hash is of the place and the options, credentials included, that the
 *	   store was opened with, and of key and size.  So who has other rights, or
 *	   none, comes to other files, whoever he is in the database; and what was
 *	   cached is asked for only by a statement that has read the table's log
 *	   with its own rights.
 *
 * One fetch for many: who fetches a block holds a lock on one byte of the
 * file, of the kind that belongs to the open file (F_OFD_SETLK): the kernel
 * drops it whatever becomes of the process.  It is a courtesy, and nobody
 * waits for it for ever (fetch.c).
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/xact.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "common/pgmem.h"
#include "store/cache.h"
#include "store/store_int.h"

#define MAGIC "STBLRC02"
#define HEADER_SIZE 256
#define ETAG_AT 128				/* in the header */
#define ETAG_SIZE 128
#define HASH_HEX 64

/*
 * Where the data directory's backups look away: pg_basebackup and pg_rewind
 * leave out what begins so, and only such in base/ and tablespaces is removed
 * when the server starts.
 */
#define DEFAULT_DIR "pgsql_tmp_supertable"

/* Locks lie beyond all data. */
#define LOCK_AT ((off_t) 1 << 50)

/* So many blocks are written at a time. */
#define WRITE_BLOCKS 128

/* After an error the cache is left alone for so long. */
#define REST_US (INT64CONST(60) * 1000000)

char	   *stbl_cache_dir = NULL;
int			stbl_cache_size_mb = 1024;

struct StblCacheFile
{
	char		name[HASH_HEX + 16];
	char		hash[HASH_HEX + 1];
	int			fd;
	int			dir;			/* the folder, open */
	char	   *path;			/* of the folder */
	int			n_users;
	uint64		size;
	uint32		n_blocks;
	bool		is_stale;		/* the object is another than the file's: nothing of it is used */
	uint8	   *locked;			/* bits of blocks that this process has the lock of */
	StblCacheFile *next;
};

static StblCacheFile *open_files = NULL;
static int64 rest_until_us = 0;

/* Leaves the cache alone for a while, and says why once a session. */
static void
step_aside(const char *path, const char *what)
{
	static bool told = false;
	int			save_errno = errno;

	rest_until_us = stbl_now_us() + REST_US;
	if (told)
		return;
	told = true;
	errno = save_errno;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s read cache \"%s\": %m", what, path),
			 errdetail("Statements go on without it.")));
}

static uint64
data_at(const StblCacheFile *c, uint32 block)
{
	uint64		table_end = HEADER_SIZE + (uint64) c->n_blocks * sizeof(uint64);

	return TYPEALIGN64(STBL_CACHE_BLOCK, table_end) + (uint64) block * STBL_CACHE_BLOCK;
}

static uint32
block_len(const StblCacheFile *c, uint32 block)
{
	return (uint32) Min(c->size - (uint64) block * STBL_CACHE_BLOCK, STBL_CACHE_BLOCK);
}

/* Of a block's bytes, and of which object they are. */
static uint32
crc_of(const StblCacheFile *c, const void *data, size_t len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, c->hash, HASH_HEX);
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc;
}

static uint64
entry_of(uint32 block, uint32 crc)
{
	return (uint64) crc | ((uint64) ~(crc ^ block) << 32);
}

/* ---- opening ---- */

static const char *
folder(void)
{
	return stbl_cache_dir != NULL && stbl_cache_dir[0] != '\0' ? stbl_cache_dir : DEFAULT_DIR;
}

/* What the header must be. */
static void
make_header(const StblCacheFile *c, uint8 *header)
{
	uint32		block = STBL_CACHE_BLOCK;
	pg_crc32c	crc;

	memset(header, 0, HEADER_SIZE);
	memcpy(header, MAGIC, 8);
	memcpy(header + 8, &block, sizeof(block));
	memcpy(header + 16, &c->size, sizeof(c->size));
	memcpy(header + 24, c->hash, HASH_HEX);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, 24 + HASH_HEX);
	FIN_CRC32C(crc);
	memcpy(header + 24 + HASH_HEX, &crc, sizeof(crc));
}

/* Makes the file under a temporary name, and gives it its own unless somebody else was faster. */
static bool
make_file(StblCacheFile *c)
{
	uint64		len = data_at(c, 0);
	char		temp[64];
	uint8	   *zero;
	int			fd;
	bool		ok;

	if (!stbl_cache_room(c->dir, c->path, len))
		return false;
	zero = calloc(1, len);
	if (zero == NULL)
		return false;
	make_header(c, zero);
	snprintf(temp, sizeof(temp), STBL_CACHE_TEMP "%d", (int) getpid());
	/* one that a process of this number has left may have got its name all the same: it is not ours to change */
	(void) unlinkat(c->dir, temp, 0);
	fd = openat(c->dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, pg_file_create_mode);
	errno = fd >= 0 ? 0 : errno;
	ok = fd >= 0 && write(fd, zero, len) == (ssize_t) len && (linkat(c->dir, temp, c->dir, c->name, 0) == 0 || errno == EEXIST);
	if (!ok)
	{
		if (errno == 0)
			errno = ENOSPC;
		step_aside(c->path, "write");
	}
	if (fd >= 0)
	{
		close(fd);
		(void) unlinkat(c->dir, temp, 0);
	}
	free(zero);
	return ok;
}

static bool
header_is_right(const StblCacheFile *c)
{
	uint8		want[HEADER_SIZE];
	uint8		have[HEADER_SIZE];

	make_header(c, want);
	return pread(c->fd, have, HEADER_SIZE, 0) == HEADER_SIZE && memcmp(have, want, ETAG_AT) == 0;
}

/* Opens the file, making it if need be; false where that is not to be. */
static bool
open_file(StblCacheFile *c)
{
	for (int attempt = 0; attempt < 3; attempt++)
	{
		struct stat st;

		c->fd = openat(c->dir, c->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (c->fd < 0 && errno != ENOENT)
		{
			step_aside(c->path, "open a file of");
			return false;
		}
		if (c->fd < 0)
		{
			if (!make_file(c))
				return false;
			continue;
		}
		if (fstat(c->fd, &st) == 0 && S_ISREG(st.st_mode) && header_is_right(c))
		{
			/* the time of its last use: what was not used for longest goes first */
			if (st.st_mtime < time(NULL))
				(void) futimens(c->fd, NULL);
			return true;
		}
		close(c->fd);
		c->fd = -1;
		(void) unlinkat(c->dir, c->name, 0);
	}
	return false;
}

static bool
open_folder(StblCacheFile *c)
{
	c->path = strdup(folder());
	if (c->path == NULL)
		return false;
	c->dir = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0 && errno == ENOENT && (mkdir(c->path, pg_dir_create_mode) == 0 || errno == EEXIST))
		c->dir = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir >= 0)
		return true;
	step_aside(c->path, "open");
	return false;
}

static void
free_file(StblCacheFile *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->dir >= 0)
		close(c->dir);
	free(c->path);
	free(c->locked);
	free(c);
}

/* What stands for the object, the place it is in, and the rights it is read with. */
static void
hash_of(const StblStore *store, const char *key, uint64 base, uint64 size, char *hash)
{
	char		numbers[64];
	size_t		len = strlen(store->canonical) + strlen(key) + sizeof(numbers) + HASH_HEX + 8;
	char	   *text = palloc(len);

	snprintf(numbers, sizeof(numbers), UINT64_FORMAT "+" UINT64_FORMAT, base, size);
	snprintf(text, len, "%s %s\n%s\n%s", store->base->access, store->canonical, key, numbers);
	stbl_sha256_hex(text, strlen(text), hash);
	pfree(text);
}

StblCacheFile *
stbl_cache_open(const StblStore *store, const char *key, uint64 base, uint64 size)
{
	char		hash[HASH_HEX + 1];
	StblCacheFile *c;

	if (stbl_cache_size_mb == 0 || stbl_store_is_local(store) || size == 0 ||
		size > (uint64) stbl_cache_size_mb * 512 * 1024 || size / STBL_CACHE_BLOCK >= PG_UINT32_MAX ||
		stbl_now_us() < rest_until_us)
		return NULL;
	hash_of(store, key, base, size, hash);
	for (c = open_files; c != NULL; c = c->next)
		if (strcmp(c->hash, hash) == 0 && strcmp(c->path, folder()) == 0)
		{
			c->n_users++;
			return c;
		}
	c = calloc(1, sizeof(StblCacheFile));
	if (c == NULL)
		return NULL;
	strlcpy(c->hash, hash, sizeof(c->hash));
	snprintf(c->name, sizeof(c->name), STBL_CACHE_PREFIX "%.40s", hash);
	c->fd = c->dir = -1;
	c->n_users = 1;
	c->size = size;
	c->n_blocks = (uint32) ((size + STBL_CACHE_BLOCK - 1) / STBL_CACHE_BLOCK);
	c->locked = calloc(1, c->n_blocks / 8 + 1);
	/* the folder's descriptor and the file's */
	if (c->locked == NULL || !AcquireExternalFD())
	{
		free_file(c);
		return NULL;
	}
	if (!AcquireExternalFD())
	{
		ReleaseExternalFD();
		free_file(c);
		return NULL;
	}
	if (!open_folder(c) || !open_file(c))
	{
		ReleaseExternalFD();
		ReleaseExternalFD();
		free_file(c);
		return NULL;
	}
	c->next = open_files;
	open_files = c;
	return c;
}

void
stbl_cache_close(StblCacheFile *c)
{
	StblCacheFile **p = &open_files;

	if (--c->n_users > 0)
		return;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	free_file(c);
	ReleaseExternalFD();
	ReleaseExternalFD();
}

/* ---- blocks ---- */

static bool
read_entry(const StblCacheFile *c, uint32 block, uint32 *crc)
{
	uint64		entry;

	if (c->is_stale ||
		pread(c->fd, &entry, sizeof(entry), HEADER_SIZE + (off_t) block * sizeof(entry)) != sizeof(entry))
		return false;
	*crc = (uint32) entry;
	return entry == entry_of(block, *crc);
}

bool
stbl_cache_has(StblCacheFile *c, uint32 block)
{
	uint32		crc;

	return read_entry(c, block, &crc);
}

#ifdef F_OFD_SETLK
static bool
set_lock(StblCacheFile *c, uint32 block, short type)
{
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = type;
	lock.l_whence = SEEK_SET;
	lock.l_start = LOCK_AT + block;
	lock.l_len = 1;
	/* where the file system knows no locks each fetches for itself */
	return fcntl(c->fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}
#else
#define set_lock(c, block, type) true
#endif

bool
stbl_cache_lock(StblCacheFile *c, uint32 block)
{
	/* for this process it would be no lock */
	if (c->locked[block / 8] & (1 << block % 8))
		return false;
	if (!set_lock(c, block, F_WRLCK))
		return false;
	c->locked[block / 8] |= 1 << block % 8;
	return true;
}

void
stbl_cache_unlock(StblCacheFile *c, uint32 block)
{
	if (!(c->locked[block / 8] & (1 << block % 8)))
		return;
	c->locked[block / 8] &= ~(1 << block % 8);
	(void) set_lock(c, block, F_UNLCK);
}

bool
stbl_cache_read(StblCacheFile *c, uint32 block, uint8 *to)
{
	uint32		len = block_len(c, block);
	uint64		none = 0;
	uint32		crc;

	if (!read_entry(c, block, &crc))
		return false;
	if (pread(c->fd, to, len, data_at(c, block)) == (ssize_t) len && crc_of(c, to, len) == crc)
		return true;
	/* damaged: it is not there any more */
	(void) !pwrite(c->fd, &none, sizeof(none), HEADER_SIZE + (off_t) block * sizeof(none));
	return false;
}

/* Whether the file is of the object with this etag; the first who writes says which. */
static bool
etag_fits(StblCacheFile *c, const char *etag)
{
	char		have[ETAG_SIZE];
	char		want[ETAG_SIZE] = "";

	if (etag[0] == '\0')
		return true;
	strlcpy(want, etag, sizeof(want));
	if (pread(c->fd, have, sizeof(have), ETAG_AT) != sizeof(have))
		return false;
	if (have[0] == '\0')
		return pwrite(c->fd, want, sizeof(want), ETAG_AT) == sizeof(want);
	return memcmp(have, want, sizeof(want)) == 0;
}

/*
 * A statement fills at most half of the cache.  What does not fit in would
 * otherwise push out all that others have there, and its own beginning before
 * it comes again.
 */
static bool
may_fill(uint64 len)
{
	static TimestampTz statement = 0;
	static uint64 filled = 0;

	if (statement != GetCurrentStatementStartTimestamp())
	{
		statement = GetCurrentStatementStartTimestamp();
		filled = 0;
	}
	if (filled + len > (uint64) stbl_cache_size_mb * 512 * 1024)
		return false;
	filled += len;
	return true;
}

static bool
write_at(const StblCacheFile *c, const void *data, uint64 len, uint64 at)
{
	errno = 0;
	if (pwrite(c->fd, data, len, (off_t) at) == (ssize_t) len)
		return true;
	if (errno == 0)
		errno = ENOSPC;
	step_aside(c->path, "write");
	return false;
}

void
stbl_cache_write(StblCacheFile *c, uint32 first, const uint8 *data, uint64 len, const char *etag)
{
	if (c->is_stale || stbl_now_us() < rest_until_us || !may_fill(len))
		return;
	if (!etag_fits(c, etag))
	{
		c->is_stale = true;
		(void) unlinkat(c->dir, c->name, 0);
		return;
	}
	while (len > 0)
	{
		uint64		entries[WRITE_BLOCKS];
		uint64		n_bytes = 0;
		uint32		n = 0;

		for (; n < WRITE_BLOCKS && n_bytes < len && len - n_bytes >= block_len(c, first + n); n++)
		{
			uint32		block = first + n;

			entries[n] = entry_of(block, crc_of(c, data + n_bytes, block_len(c, block)));
			n_bytes += block_len(c, block);
		}
		if (n == 0 || !stbl_cache_room(c->dir, c->path, n_bytes))
			return;
		if (!write_at(c, data, n_bytes, data_at(c, first)) ||
			!write_at(c, entries, sizeof(uint64) * n, HEADER_SIZE + (uint64) first * sizeof(uint64)))
			return;
		data += n_bytes;
		len -= n_bytes;
		first += n;
	}
}
