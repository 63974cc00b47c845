/* supertable_files, supertable_stat, supertable_storage_probe: arguments and result rows. */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "admin/admin.h"
#include "common/compat.h"
#include "fdw/options.h"

PG_FUNCTION_INFO_V1(supertable_files);
PG_FUNCTION_INFO_V1(supertable_stat_rows);
PG_FUNCTION_INFO_V1(supertable_storage_probe);

static void
require_supertable(Oid relid)
{
	if (!stbl_is_supertable(relid, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a supertable", get_rel_name(relid) ? get_rel_name(relid) : "?"),
				 errhint("A supertable is a foreign table of a server of the foreign data wrapper supertable.")));
}

void
stbl_require_owner(Oid relid)
{
	require_supertable(relid);
	if (!STBL_CLASS_OWNERCHECK(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

void
stbl_require_select(Oid relid)
{
	require_supertable(relid);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

Datum
supertable_files(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StblTable  *table;
	StblSnapshot *snapshot;

	InitMaterializedSRF(fcinfo, 0);
	stbl_require_select(relid);
	table = stbl_relation_table(relid, GetUserId(), false);
	snapshot = stbl_snapshot_refresh(table, 0);
	for (StblFile *f = snapshot->first; f != NULL; f = f->next)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = CStringGetTextDatum(f->path);
		values[1] = Int64GetDatum(f->n_rows);
		nulls[1] = f->n_rows < 0;
		values[2] = Int64GetDatum(f->dv ? f->dv->cardinality : 0);
		values[3] = Int64GetDatum(f->size);
		values[4] = Int64GetDatum(f->base_row_id);
		nulls[4] = f->base_row_id < 0;
		values[5] = Int64GetDatum(f->added_version);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
supertable_stat_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StblStatRow *rows;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	rows = stbl_stat_rows(&n);
	for (int i = 0; i < n; i++)
	{
		StblStatRow *r = &rows[i];
		int64		counts[] = {r->n_get, r->n_head, r->n_put, r->n_list, r->n_delete, r->bytes_read,
		r->bytes_written, r->n_retries, r->n_cas_lost, r->n_conflicts, r->n_commits};
		Datum		values[12];
		bool		nulls[12] = {false};

		values[0] = CStringGetTextDatum(r->root);
		nulls[0] = r->root[0] == '\0';
		for (int j = 0; j < 11; j++)
			values[j + 1] = Int64GetDatum(counts[j]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
supertable_storage_probe(PG_FUNCTION_ARGS)
{
	char	   *name = NameStr(*PG_GETARG_NAME(0));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ForeignServer *server = GetForeignServerByName(name, false);
	StblStore  *store;
	StblProbeRow rows[STBL_N_PROBES];

	InitMaterializedSRF(fcinfo, 0);
	if (STBL_SERVER_ACLCHECK(server->serverid, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, name);
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "supertable") != 0)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("server \"%s\" is not a server of the foreign data wrapper supertable", name)));
	store = stbl_server_store(server->serverid, GetUserId());
	if (store == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("server \"%s\" has no storage attached", name),
						errhint("Use ALTER SERVER ... OPTIONS (ADD url '...').")));
	stbl_store_probe(store, rows);
	for (int i = 0; i < STBL_N_PROBES; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(rows[i].capability);
		values[1] = BoolGetDatum(rows[i].ok);
		values[2] = CStringGetTextDatum(rows[i].detail);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
