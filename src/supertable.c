/*
 * Module entry: settings, hooks, transaction callbacks.
 *
 * Loaded at the first use in a session; needs no preloading.
 */
#include "postgres.h"

#include <limits.h>
#include <stdlib.h>

#include "executor/executor.h"
#include "fmgr.h"
#include "tcop/utility.h"
#include "utils/guc.h"

#include "common/compat.h"
#include "delta/snapshot.h"
#include "parquet/parquet.h"
#include "store/cache.h"
#include "store/endpoint.h"
#include "store/store.h"
#include "txn/txn.h"
#include "wal/recover.h"
#include "wal/witness.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorRun_hook_type prev_executor_run = NULL;
static ProcessUtility_hook_type prev_process_utility = NULL;

static char *compression_guc;

static void
note_executor_start(QueryDesc *desc, int eflags)
{
	stbl_txn_note_statement();
	if (prev_executor_start)
		prev_executor_start(desc, eflags);
	else
		standard_ExecutorStart(desc, eflags);
}

/*
 * Workers do not have what this transaction has changed: with changes, a plan
 * that was made for workers runs without.
 */
static void
run_without_workers(STBL_EXECUTOR_RUN_PARAMS)
{
	if (desc->plannedstmt->parallelModeNeeded && stbl_txn_has_changes())
		STBL_FORBID_WORKERS();
	if (prev_executor_run)
		prev_executor_run(STBL_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(STBL_EXECUTOR_RUN_ARGS);
}

static void
note_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree, ProcessUtilityContext context,
			 ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	stbl_txn_note_statement();
	if (prev_process_utility)
		prev_process_utility(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
}

static bool
check_cluster_id(char **newval, void **extra, GucSource source)
{
	const char *id = *newval;

	if (id == NULL || id[0] == '\0')
		return true;
	if (strlen(id) <= 64 &&
		strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(id))
		return true;
	GUC_check_errdetail("A cluster id has up to 64 letters, digits, dots, underscores and hyphens.");
	return false;
}

/* A compression with its level, as a setting's extra. */
typedef struct Compression
{
	int			codec;
	int			level;
} Compression;

static bool
check_compression(char **newval, void **extra, GucSource source)
{
	const char *text = *newval;
	Compression *c;
	char	   *end = "";
	long		level = 1;

	if (strncmp(text, "zstd:", 5) == 0 && text[5] >= '0' && text[5] <= '9')
		level = strtol(text + 5, &end, 10);
	else if (strcmp(text, "none") != 0 && strcmp(text, "zstd") != 0)
		level = 0;
	if (level < 1 || level > 19 || *end != '\0')
	{
		GUC_check_errdetail("Compressions are \"none\", \"zstd\", and \"zstd:1\" to \"zstd:19\".");
		return false;
	}
	c = STBL_GUC_MALLOC(sizeof(Compression));
	if (c == NULL)
		return false;
	c->codec = text[0] == 'n' ? STBL_PQ_UNCOMPRESSED : STBL_PQ_ZSTD;
	c->level = (int) level;
	*extra = c;
	return true;
}

static void
assign_compression(const char *newval, void *extra)
{
	stbl_compression = ((Compression *) extra)->codec;
	stbl_compression_level = ((Compression *) extra)->level;
}

static void
define_settings(void)
{
	DefineCustomStringVariable("supertable.allowed_endpoints",
							   "Sets which hosts object storage may be on.",
							   "Patterns apart by commas, with * for any letters, and :port where it is not the usual one. Empty: any.",
							   &stbl_allowed_endpoints, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("supertable.cache_dir",
							   "Sets the folder of the read cache.",
							   "Empty: a folder in the data directory, which base backups leave out.",
							   &stbl_cache_dir, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.cache_size",
							"Sets how much of distant storage is kept in the read cache.",
							"Zero turns the cache off.  Directories are never cached.",
							&stbl_cache_size_mb, 1024, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.checkpoint_interval",
							"Sets the number of versions between two checkpoints of a table's log.",
							"Zero writes no checkpoints.",
							&stbl_checkpoint_interval, 100, 0, 1000000, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("supertable.cluster_id",
							   "Sets the name by which this cluster decides its mutations.",
							   "Must be unique among all clusters that share storage. Empty: a random one is kept in the data directory.",
							   &stbl_cluster_id_guc, "", PGC_SIGHUP, 0, check_cluster_id, NULL, NULL);
	DefineCustomStringVariable("supertable.compression",
							   "Sets the compression of new superfiles.",
							   "\"none\", \"zstd\", or with a level \"zstd:1\" to \"zstd:19\".  What it gains little on is left uncompressed.",
							   &compression_guc, "zstd", PGC_USERSET, 0, check_compression, assign_compression, NULL);
	DefineCustomBoolVariable("supertable.fsync",
							 "Forces files of directory storage to disk.",
							 "Turning it off risks committed data at a crash of the machine; for tests.",
							 &stbl_fsync, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.http_timeout",
							"Sets how long one request to storage may take.",
							NULL, &stbl_http_timeout_ms, 30000, 100, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.lease_duration",
							"Sets how long a lease on a state document lasts.",
							NULL, &stbl_lease_duration_ms, 60000, 1000, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("supertable.one_phase",
							 "Lets single autocommit statements commit without a state document.",
							 NULL, &stbl_one_phase, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.retry_deadline",
							"Sets how long a request to storage is retried after transient faults.",
							NULL, &stbl_retry_deadline_ms, 60000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.row_group_rows",
							"Sets the number of rows in a row group of a new superfile.",
							"A writing backend holds one row group in memory.",
							&stbl_row_group_rows, 131072, 1, 16777216, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("supertable.superfile_size",
							"Sets the size at which a superfile is closed and sent to storage.",
							"A load that reaches it commits by two-phase.",
							&stbl_superfile_kb, 128 * 1024, 1, 1024 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	MarkGUCPrefixReserved("supertable");
}

void
_PG_init(void)
{
	define_settings();
	stbl_store_init();
	stbl_txn_init();
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = note_executor_start;
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = run_without_workers;
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = note_utility;
}
