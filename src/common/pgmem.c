/*
 * Server side of common/ (common/pgmem.h): memory contexts, clock, ids and
 * hashes.
 *
 * Ids are made without any lock: each process has random bits of its own,
 * and within a process milliseconds and sequence only ever rise.
 */
#include "postgres.h"

#include <time.h>

#include <roaring/roaring.h>

#include "common/cryptohash.h"
#include "common/int.h"
#include "common/sha2.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "common/codec.h"
#include "common/pgmem.h"

#define ID_RANDOM_LEN 5
#define ID_SEQUENCE_MAX 0xffffff

/* between 1970-01-01 and 2000-01-01 */
#define EPOCH_DISTANCE_US \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct StblPgMem
{
	StblMem		base;
	MemoryContext cxt;
} StblPgMem;

/* A size that overflowed on its way here ends as the same error. */
static void
check_size(size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on request of size %zu.", size)));
}

static void *
pg_alloc(StblMem *mem, size_t size)
{
	check_size(size);
	return MemoryContextAllocExtended(((StblPgMem *) mem)->cxt, size, MCXT_ALLOC_HUGE);
}

static void *
pg_realloc(StblMem *mem, void *ptr, size_t size)
{
	if (ptr == NULL)
		return pg_alloc(mem, size);
	check_size(size);
	return repalloc_huge(ptr, size);
}

static void
pg_free(StblMem *mem, void *ptr)
{
	if (ptr != NULL)
		pfree(ptr);
}

StblMem *
stbl_mem_in(MemoryContext cxt)
{
	StblPgMem  *mem = MemoryContextAlloc(cxt, sizeof(StblPgMem));

	mem->base.alloc = pg_alloc;
	mem->base.realloc = pg_realloc;
	mem->base.free = pg_free;
	mem->cxt = cxt;
	return &mem->base;
}

static void
free_bitmap(void *arg)
{
	roaring_bitmap_free(arg);
}

void
stbl_bitmap_own(MemoryContext cxt, struct roaring_bitmap_s *bitmap)
{
	MemoryContextCallback *callback;

	callback = MemoryContextAllocExtended(cxt, sizeof(MemoryContextCallback),
										  MCXT_ALLOC_NO_OOM);
	if (callback == NULL)
	{
		/* it is ours by now, and nobody else would free it */
		roaring_bitmap_free(bitmap);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	callback->func = free_bitmap;
	callback->arg = bitmap;
	MemoryContextRegisterResetCallback(cxt, callback);
}

int64_t
stbl_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

/* The infinities stay what they are, and what overflows becomes one. */
int64_t
stbl_us_from_timestamptz(int64_t timestamptz)
{
	int64		us;

	if (TIMESTAMP_NOT_FINITE(timestamptz))
		return timestamptz;
	if (pg_add_s64_overflow(timestamptz, EPOCH_DISTANCE_US, &us))
		return DT_NOEND;
	return us;
}

int64_t
stbl_timestamptz_from_us(int64_t us)
{
	int64		timestamptz;

	if (TIMESTAMP_NOT_FINITE(us))
		return us;
	if (pg_sub_s64_overflow(us, EPOCH_DISTANCE_US, &timestamptz))
		return DT_NOBEGIN;
	return timestamptz;
}

static void
random_bytes(void *bytes, size_t len)
{
	if (!pg_strong_random(bytes, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
}

void
stbl_new_wal_id(char *out33)
{
	/* of this process; pid tells whether a fork has left them to a child */
	static uint8_t random_part[ID_RANDOM_LEN];
	static int	pid = 0;
	static uint64 last_ms = 0;
	static uint32 sequence = 0;
	uint8_t		id[16];
	uint64		ms = (uint64) (stbl_now_us() / 1000);
	uint64		ms_be;

	if (pid != MyProcPid)
	{
		random_bytes(random_part, sizeof(random_part));
		pid = MyProcPid;
	}
	if (ms > last_ms)
	{
		last_ms = ms;
		sequence = 0;
	}
	else if (sequence < ID_SEQUENCE_MAX)
		sequence++;
	else
	{
		/* more ids than a millisecond has: borrow from the next one */
		last_ms++;
		sequence = 0;
	}
	ms_be = pg_hton64(last_ms);
	memcpy(id, &ms_be, 8);
	memcpy(id + 8, random_part, ID_RANDOM_LEN);
	id[13] = (uint8_t) (sequence >> 16);
	id[14] = (uint8_t) (sequence >> 8);
	id[15] = (uint8_t) sequence;
	stbl_hex16(id, out33);
}

void
stbl_new_uuid(char *out37)
{
	StblUuid	uuid;

	random_bytes(uuid.b, sizeof(uuid.b));
	uuid.b[6] = (uuid.b[6] & 0x0f) | 0x40;	/* version 4 */
	uuid.b[8] = (uuid.b[8] & 0x3f) | 0x80;	/* variant of RFC 4122 */
	stbl_uuid_format(&uuid, out37);
}

void
stbl_sha256_hex(const void *data, size_t len, char *out65)
{
	ResourceOwner caller = CurrentResourceOwner;
	ResourceOwner owner = NULL;
	pg_cryptohash_ctx *ctx;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	bool		ok;

	/* the OpenSSL build needs an owner, and an exiting process has none */
	if (caller == NULL)
	{
		owner = ResourceOwnerCreate(NULL, "supertable hash");
		CurrentResourceOwner = owner;
	}
	ctx = pg_cryptohash_create(PG_SHA256);
	ok = ctx != NULL &&
		pg_cryptohash_init(ctx) >= 0 &&
		pg_cryptohash_update(ctx, data, len) >= 0 &&
		pg_cryptohash_final(ctx, digest, sizeof(digest)) >= 0;
	pg_cryptohash_free(ctx);
	if (owner != NULL)
	{
		CurrentResourceOwner = NULL;
		ResourceOwnerDelete(owner);
	}
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute %s hash", "SHA-256")));
	stbl_hex_encode(digest, sizeof(digest), out65);
}
