/*
 * Whether a store was found to do what tables on it need (L37).
 *
 * Without create-only and If-Match that hold under races committed data is
 * lost, so that no conditional write goes out before they were tried.  What
 * was found is kept for the session.  That a store has passed is remembered
 * by the cluster too, in the data directory, for a day:
 *
 *		supertable_stores/<SHA-256 of scheme and canonical url>
 *
 * holding the url, and whether conditions take etags without their quotes; its
 * time is that of the probe.  It is kept in a file because
 * shared memory goes with each crash of a backend, and not on the storage
 * because an object there says nothing of the gateway it is read through, and
 * would be copied to another store with all others.  So the first write on a
 * store of a network takes some fifteen round trips longer, once a day; all other
 * sessions look at a file.
 *
 * A directory needs no proof: its conditions are the kernel's, and requests
 * of one process to it are carried out one by one, so that no race of them
 * could show anything.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "common/compat.h"
#include "common/pgmem.h"
#include "store/file.h"
#include "store/store_int.h"

#define PROOF_DIR "supertable_stores"
#define PROOF_LIFE_S (24 * 60 * 60)
#define PAUSE_MS 500L

/* The rows that count: a writer may have no right to delete, and needs none. */
#define N_NEEDED (STBL_N_PROBES - 1)

static char *
proof_path(const StblStore *base)
{
	char	   *name = psprintf("%s %s", base->driver->scheme, base->canonical);
	char		hash[65];

	stbl_sha256_hex(name, strlen(name), hash);
	return psprintf("%s/" PROOF_DIR "/%s", DataDir, hash);
}

static char *
proof_text(const StblStore *base)
{
	return psprintf("%s\n%s", base->canonical, base->has_bare_etags ? "etags without quotes\n" : "");
}

/* Whether the file says that the store has passed; then it tells of its etags too. */
static bool
was_proven(StblStore *base)
{
	char	   *path = proof_path(base);
	struct stat st;
	time_t		now = time(NULL);
	char		text[4096];
	ssize_t		len = 0;
	int			fd;

	/* a time to come is that of a clock that was wrong */
	if (stat(path, &st) != 0 || st.st_mtime > now + 60 || st.st_mtime <= now - PROOF_LIFE_S)
		return false;
	fd = OpenTransientFile(path, O_RDONLY);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	CloseTransientFile(fd);
	text[Max(len, 0)] = '\0';
	for (int bare = 0; bare < 2; bare++)
	{
		base->has_bare_etags = bare;
		if (strcmp(text, proof_text(base)) == 0)
			return true;
	}
	base->has_bare_etags = false;
	return false;
}

/* What cannot be kept is found out again. */
static void
keep_proof(const StblStore *base)
{
	char	   *path = proof_path(base);
	char	   *text = proof_text(base);
	int			fd;

	(void) MakePGDirectory(psprintf("%s/" PROOF_DIR, DataDir));
	fd = OpenTransientFile(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) != (ssize_t) strlen(text))
		ereport(DEBUG1, (errmsg("could not write file \"%s\": %m", path)));
	CloseTransientFile(fd);
}

/* The first capability that is wanting, or could not be tried; NULL: none. */
static const StblProbeRow *
wanting(const StblProbeRow *rows)
{
	for (int i = 0; i < N_NEEDED; i++)
		if (!rows[i].ok && !rows[i].is_bearable)
			return &rows[i];
	return NULL;
}

void
stbl_proof_note(StblStore *base, const StblProbeRow *rows)
{
	const StblProbeRow *row = wanting(rows);

	if (row == NULL)
	{
		base->proof = STBL_PROOF_PASSED;
		keep_proof(base);
	}
	else if (row->error_kind == STBL_ERR_NONE)
	{
		base->proof = STBL_PROOF_FAILED;
		base->failed = *row;
		(void) unlink(proof_path(base));
	}
}

static void
throw_failed(const StblStore *base)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("storage \"%s\" cannot hold tables", base->canonical),
			 errdetail("%s: %s.", base->failed.capability, base->failed.detail),
			 errhint("Committed data would be lost on it.  Let the server's url name another store; supertable_storage_probe() shows what this one is able to do.")));
}

static void
throw_untried(const StblStore *base, const StblProbeRow *row)
{
	StblError	err;

	stbl_fail(&err, row->error_kind, "could not find out whether storage \"%s\" can hold tables", base->canonical);
	stbl_error_detail(&err, "%s: %s.", row->capability, row->detail);
	stbl_throw(&err);
}

static bool
may_pass(int error_kind)
{
	return error_kind == STBL_ERR_IO || error_kind == STBL_ERR_CONNECT || error_kind == STBL_ERR_CONNECTION;
}

static void
pause_a_while(void)
{
	static uint32 wait_event = 0;

	CHECK_FOR_INTERRUPTS();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS,
					 stbl_wait_event(&wait_event, "SupertableStorage"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
stbl_store_require(StblStore *store)
{
	StblStore  *base = store->base;
	int64		until_us = stbl_now_us() + (int64) stbl_retry_deadline_ms * 1000;

	/* With interrupts held a decision is under way: the writes before it came through here. */
	if (base->proof == STBL_PROOF_PASSED || InterruptHoldoffCount > 0)
		return;
	if (base->driver == &stbl_file_driver || was_proven(base))
		base->proof = STBL_PROOF_PASSED;
	while (base->proof == STBL_PROOF_NONE)
	{
		StblProbeRow rows[STBL_N_PROBES];
		const StblProbeRow *row;

		stbl_store_probe(base, rows);
		row = wanting(rows);
		if (row == NULL || row->error_kind == STBL_ERR_NONE)
			break;
		if (!may_pass(row->error_kind) || stbl_now_us() >= until_us)
			throw_untried(base, row);
		pause_a_while();
	}
	if (base->proof == STBL_PROOF_FAILED)
		throw_failed(base);
}
