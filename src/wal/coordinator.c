/*
 * Who decides this database's mutations: cluster id, database oid, witness id.
 *
 * The cluster id is declared by supertable.cluster_id, or kept in the data
 * directory in the file supertable_cluster_id:
 *
 *		id <32 hex digits>
 *		fingerprint <machine id>/<inode of the data directory>
 *
 * A directory that was copied has another inode, or lies on another machine;
 * the copy makes itself a new id, so that it never judges what the original
 * has in flight.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "common/codec.h"
#include "common/pgmem.h"
#include "wal/wal_int.h"
#include "wal/witness.h"

#define ID_FILE "supertable_cluster_id"

char	   *stbl_cluster_id_guc = NULL;

static void
read_small_file(const char *path, char *out, size_t out_size)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t		n = fd < 0 ? -1 : read(fd, out, out_size - 1);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static char *
fingerprint(void)
{
	char		machine[64];
	struct stat st;

	read_small_file("/etc/machine-id", machine, sizeof(machine));
	machine[strcspn(machine, " \t\r\n")] = '\0';
	if (stat(DataDir, &st) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not stat directory \"%s\": %m", DataDir)));
	return psprintf("%s/%llu", machine, (unsigned long long) st.st_ino);
}

/* The id in the file, if it was made here; else empty. */
static void
read_id_file(const char *path, const char *mine, char *id, bool *was_copied)
{
	char		text[512];
	char	   *print;

	id[0] = '\0';
	*was_copied = false;
	read_small_file(path, text, sizeof(text));
	print = strstr(text, "\nfingerprint ");
	if (strncmp(text, "id ", 3) != 0 || print == NULL)
		return;
	print += strlen("\nfingerprint ");
	print[strcspn(print, "\n")] = '\0';
	text[3 + STBL_ID_LEN] = '\0';
	if (!stbl_id_is_valid(text + 3))
		return;
	if (strcmp(print, mine) == 0)
		strlcpy(id, text + 3, STBL_ID_TEXT);
	else
		*was_copied = true;
}

static void
file_error(const char *what, const char *path)
{
	ereport(ERROR, (errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", what, path)));
}

/* Writes a new id file and moves it into place, durably; exclusive: only if there is none. */
static void
write_id_file(const char *path, const char *id, const char *mine, bool exclusive)
{
	char	   *temp = psprintf("%s.%d", path, MyProcPid);
	char	   *text = psprintf("id %s\nfingerprint %s\n", id, mine);
	int			fd = OpenTransientFile(temp, O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0)
		file_error("create", temp);
	if (write(fd, text, strlen(text)) != (ssize_t) strlen(text) || pg_fsync(fd) != 0)
	{
		unlink(temp);
		file_error("write", temp);
	}
	CloseTransientFile(fd);
	if (exclusive)
	{
		/* Another backend may be first; then its id holds. */
		if (link(temp, path) != 0 && errno != EEXIST)
			file_error("create", path);
		unlink(temp);
	}
	else if (rename(temp, path) != 0)
		file_error("rename", temp);
	fsync_fname(DataDir, true);
}

static const char *
cluster_id(void)
{
	static char id[STBL_ID_TEXT] = "";
	char	   *path;
	char	   *mine;
	bool		was_copied;

	if (stbl_cluster_id_guc != NULL && stbl_cluster_id_guc[0] != '\0')
		return stbl_cluster_id_guc;
	if (id[0] != '\0')
		return id;
	path = psprintf("%s/" ID_FILE, DataDir);
	mine = fingerprint();
	read_id_file(path, mine, id, &was_copied);
	if (id[0] == '\0' && !RecoveryInProgress())
	{
		char		fresh[STBL_ID_TEXT];
		uint8		random[16];

		/* One backend at a time: two must not make themselves different ids. */
		stbl_publish_lock(ID_FILE);
		read_id_file(path, mine, id, &was_copied);
		if (id[0] == '\0')
		{
			if (!pg_strong_random(random, sizeof(random)))
				ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
			stbl_hex16(random, fresh);
			if (was_copied)
				ereport(LOG,
						(errmsg("data directory \"%s\" is a copy, or was moved to another machine", DataDir),
						 errdetail("It takes the new supertable cluster id %s; mutations of the original are the original's to decide.", fresh)));
			write_id_file(path, fresh, mine, !was_copied && access(path, F_OK) != 0);
			read_id_file(path, mine, id, &was_copied);
		}
	}
	/* Empty on a standby that has none of its own: it decides nothing. */
	return id;
}

/* ---- the extension's tables ---- */

Oid
stbl_internal_table(const char *name)
{
	Oid			schema = get_namespace_oid("supertable_internal", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the tables of the extension supertable are missing from this database"),
				 errhint("Run CREATE EXTENSION supertable.")));
	return relid;
}

/* The one row of the coordinator table, read outside snapshots: it never changes. */
static char *
read_witness_id(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	char	   *id = NULL;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
	{
		Datum		d = heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull);

		if (!isnull)
			id = MemoryContextStrdup(TopMemoryContext, TextDatumGetCString(d));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table supertable_internal.coordinator is empty"),
				 errhint("Drop and create the extension supertable.")));
	return id;
}

const StblCoordinator *
stbl_coordinator_self(void)
{
	static StblCoordinator self;
	static Oid	relid_seen = InvalidOid;
	Oid			relid = stbl_internal_table("coordinator");

	if (relid != relid_seen)
	{
		self.witness_id = read_witness_id(relid);
		self.database = MemoryContextStrdup(TopMemoryContext, get_database_name(MyDatabaseId));
		self.database_oid = MyDatabaseId;
		self.cluster_name = MemoryContextStrdup(TopMemoryContext, cluster_name ? cluster_name : "");
		relid_seen = relid;
	}
	self.cluster = (char *) cluster_id();
	return &self;
}
