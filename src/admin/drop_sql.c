/*
 * supertable_drop_storage, and the guard against dropping what still has to
 * publish: an event trigger, so that it holds in sessions that have not
 * loaded this library.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "admin/admin.h"
#include "common/compat.h"
#include "common/pgmem.h"
#include "fdw/options.h"
#include "wal/drop.h"
#include "wal/witness.h"

PG_FUNCTION_INFO_V1(supertable_drop_storage);
PG_FUNCTION_INFO_V1(supertable_guard_drop);

/* ---- supertable_drop_storage ---- */

/* A table that somebody else has on this root is his to drop. */
static void
require_owner_of_root(Oid server_oid, const char *root)
{
	Relation	rel = table_open(ForeignTableRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_table ft = (Form_pg_foreign_table) GETSTRUCT(tuple);

		if (ft->ftserver == server_oid && !STBL_CLASS_OWNERCHECK(ft->ftrelid, GetUserId()) &&
			strcmp(stbl_relation_table(ft->ftrelid, GetUserId(), false)->root, root) == 0)
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, get_rel_name(ft->ftrelid));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

Datum
supertable_drop_storage(PG_FUNCTION_ARGS)
{
	char	   *name = NameStr(*PG_GETARG_NAME(0));
	ForeignServer *server = GetForeignServerByName(name, false);
	StblTable  *table;

	table = stbl_server_table(server->serverid, text_to_cstring(PG_GETARG_TEXT_PP(1)), GetUserId());
	require_owner_of_root(server->serverid, table->root);
	stbl_refuse_where_not_possible("supertable_drop_storage", false);
	PG_RETURN_INT64(stbl_drop_storage(table));
}

/* ---- the guard ---- */

static void
refuse(const StblWitnessPlace *place, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("a committed change of table \"%s\" may not be published yet", place->root),
			 errdetail("%s", detail),
			 errhint("Run supertable_recover() first.  Only if the storage is gone for good: DELETE FROM supertable_internal.witness WHERE root = %s.",
					 quote_literal_cstr(place->root))));
}

typedef struct LookArg
{
	const StblWitnessPlace *place;
	char		wal_id[STBL_ID_TEXT];
	bool		unsettled;
	bool		moved;
} LookArg;

static void
look(void *arg_p)
{
	LookArg    *arg = arg_p;
	StblStore  *store = stbl_server_store(arg->place->server, GetUserId());
	const char *url = store != NULL ? stbl_store_canonical_url(store) : NULL;
	size_t		len = url != NULL ? strlen(url) : 0;

	/* Another url, or none: what was left where it was is out of reach. */
	arg->moved = url == NULL || strncmp(arg->place->root, url, len) != 0 || arg->place->root[len] != '/';
	if (!arg->moved)
		arg->unsettled = stbl_has_unsettled_witness(stbl_table_open(store, arg->place->root + len + 1), arg->wal_id);
}

/* With a server go the witness rows that have served: nobody could ask about them any more. */
static void
forget_witnesses(const StblWitnessPlace *place)
{
	StblStore  *store = stbl_server_store(place->server, GetUserId());
	size_t		len = strlen(stbl_store_canonical_url(store));

	stbl_forget_witnesses(stbl_table_open(store, place->root + len + 1));
}

static void
check_witnesses(Oid server)
{
	int			n;
	StblWitnessPlace *places = stbl_witness_places(server, &n);

	for (int i = 0; i < n; i++)
	{
		LookArg		arg = {&places[i]};
		StblError	err;

		if (GetForeignServerExtended(places[i].server, FSV_MISSING_OK) == NULL)
			refuse(&places[i], "Its server has been dropped.");
		if (!stbl_survive(look, &arg, &err))
			refuse(&places[i], psprintf("Its storage cannot be asked: %s.", err.message));
		if (arg.moved)
			refuse(&places[i], "Its server has another url now.");
		if (arg.unsettled)
			refuse(&places[i], psprintf("The state document of mutation %s is not COMPLETE.", arg.wal_id));
		if (OidIsValid(server))
			forget_witnesses(&places[i]);
	}
}

/* This extension's owner and schema. */
static bool
our_extension(Oid *owner, Oid *schema)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_extension ext = (Form_pg_extension) GETSTRUCT(tuple);

		found = strcmp(NameStr(ext->extname), "supertable") == 0;
		*owner = ext->extowner;
		*schema = ext->extnamespace;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* By DROP OWNED: the servers of a role, and the extension if it is its. */
static void
check_owned(Oid role)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner;
	Oid			schema;

	if (our_extension(&owner, &schema) && owner == role)
		check_witnesses(InvalidOid);
	rel = table_open(ForeignServerRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (server->srvowner == role)
			check_witnesses(server->oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
check_drop(const DropStmt *stmt)
{
	Oid			owner;
	Oid			schema;
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		const char *name = IsA(lfirst(lc), String) ? strVal(lfirst(lc)) : "";
		Oid			oid;

		switch (stmt->removeType)
		{
			case OBJECT_EXTENSION:
				if (strcmp(name, "supertable") == 0)
					check_witnesses(InvalidOid);
				break;
			case OBJECT_SCHEMA:
				oid = get_namespace_oid(name, true);
				if (OidIsValid(oid) && our_extension(&owner, &schema) && oid == schema)
					check_witnesses(InvalidOid);
				break;
			case OBJECT_FOREIGN_SERVER:
				oid = get_foreign_server_oid(name, true);
				if (OidIsValid(oid))
					check_witnesses(oid);
				break;
			default:
				break;
		}
	}
}

Datum
supertable_guard_drop(PG_FUNCTION_ARGS)
{
	Node	   *tree;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("supertable_guard_drop() can only be called by an event trigger")));
	tree = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(tree, DropStmt))
		check_drop((DropStmt *) tree);
	else if (IsA(tree, DropOwnedStmt))
		foreach(lc, ((DropOwnedStmt *) tree)->roles)
			check_owned(get_rolespec_oid(lfirst(lc), false));
	PG_RETURN_NULL();
}
