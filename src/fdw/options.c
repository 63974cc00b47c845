/* Options, and from a relation to its table on storage. */
#include "postgres.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "fdw/fdw.h"
#include "fdw/options.h"

PG_FUNCTION_INFO_V1(supertable_fdw_validator);

/* ---- validation ---- */

bool
stbl_path_is_clean(const char *path)
{
	const char *seg = path;

	if (path[0] == '\0' || path[0] == '/' || strlen(path) > 512)
		return false;
	for (;;)
	{
		size_t		len = strcspn(seg, "/");

		if (len == 0 || (len == 1 && seg[0] == '.') || (len == 2 && seg[0] == '.' && seg[1] == '.') ||
			seg[0] == '.' || seg[0] == '_')
			return false;
		if (seg[len] == '\0')
			return true;
		seg += len + 1;
	}
}

static void
check_path(const char *path)
{
	if (!stbl_path_is_clean(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"path\": \"%s\"", path),
				 errhint("The path is relative to the server's url, without empty segments, and no segment starts with \".\" or \"_\".")));
}

static bool
is_file_url(const char *url)
{
	return strncmp(url, "file:", 5) == 0 || strstr(url, ":file:") != NULL;
}

/*
 * A directory is reached with the rights of the server's operating system
 * user: only roles that may read and write files there may name one.
 */
static void
check_file_roles(Oid role)
{
	if (!has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES) ||
		!has_privs_of_role(role, ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for storage in a directory of the database server"),
				 errdetail("Role \"%s\", which owns the server, is not a member of pg_read_server_files and pg_write_server_files.",
						   GetUserNameFromId(role, false))));
}

static void
unknown_option(const char *name, const char *valid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errhint("Valid options in this context are: %s.", valid)));
}

Datum
supertable_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	const char *url = NULL;
	bool		has_path = false;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (catalog == ForeignServerRelationId && strcmp(def->defname, "url") == 0)
			url = defGetString(def);
	}
	if (url != NULL && is_file_url(url))
		check_file_roles(GetUserId());
	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (catalog == ForeignTableRelationId)
		{
			if (strcmp(def->defname, "path") != 0)
				unknown_option(def->defname, "path");
			check_path(defGetString(def));
			has_path = true;
		}
		else if (catalog == ForeignServerRelationId)
		{
			if (strcmp(def->defname, "url") == 0)
				stbl_store_check_option(url, NULL, false);
			else if (url == NULL)
				unknown_option(def->defname, "url");
			else
				stbl_store_check_option(url, def->defname, false);
		}
		else if (catalog == AttributeRelationId)
		{
			if (strcmp(def->defname, "column_name") != 0)
				unknown_option(def->defname, "column_name");
			if (defGetString(def)[0] == '\0')
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid value for option \"column_name\": \"\"")));
		}
		else if (catalog == UserMappingRelationId)
			stbl_store_check_option(NULL, def->defname, true);
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", def->defname),
					 errhint("There are no valid options in this context.")));
	}
	if (catalog == ForeignTableRelationId && !has_path)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"path\" is required for a foreign table of a supertable server"),
				 errhint("Write OPTIONS (path '...'), relative to the server's url.")));
	PG_RETURN_VOID();
}

/* ---- from catalog to storage ---- */

static const char *
option_value(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

/* The user's mapping, or PUBLIC's; NIL where there is none (a directory needs none). */
static List *
mapping_options(Oid userid, Oid server_oid)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(server_oid));
	Datum		datum;
	bool		isnull;
	List	   *options = NIL;

	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(server_oid));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return options;
}

StblStore *
stbl_server_store(Oid server_oid, Oid userid)
{
	ForeignServer *server = GetForeignServer(server_oid);
	const char *url = option_value(server->options, "url");
	List	   *user_options;
	StblStoreOption *options;
	int			n = 0;
	ListCell   *lc;

	if (url == NULL)
		return NULL;
	if (is_file_url(url))
		check_file_roles(server->owner);
	user_options = mapping_options(userid, server_oid);
	options = palloc(sizeof(StblStoreOption) * (list_length(server->options) + list_length(user_options) + 1));
	foreach(lc, server->options)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, "url") == 0)
			continue;
		stbl_store_check_owner(def->defname, server->owner);
		options[n].name = def->defname;
		options[n++].value = defGetString(def);
	}
	foreach(lc, user_options)
	{
		DefElem    *def = lfirst(lc);

		options[n].name = def->defname;
		options[n++].value = defGetString(def);
	}
	return stbl_store_open(url, options, n);
}

StblTable *
stbl_server_table(Oid server_oid, const char *path, Oid userid)
{
	ForeignServer *server = GetForeignServer(server_oid);
	StblStore  *store;

	if (STBL_SERVER_ACLCHECK(server_oid, userid, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, server->servername);
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "supertable") != 0)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("server \"%s\" is not a server of the foreign data wrapper supertable", server->servername)));
	check_path(path);
	store = stbl_server_store(server_oid, userid);
	if (store == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("server \"%s\" has no storage attached", server->servername),
						errhint("Use ALTER SERVER ... OPTIONS (ADD url '...').")));
	return stbl_table_open(store, path);
}

bool
stbl_is_supertable(Oid relid, Oid *server_oid)
{
	HeapTuple	tuple;
	Oid			server = InvalidOid;
	ForeignDataWrapper *fdw;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	tuple = SearchSysCache1(FOREIGNTABLEREL, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		return false;
	server = ((Form_pg_foreign_table) GETSTRUCT(tuple))->ftserver;
	ReleaseSysCache(tuple);
	if (server_oid != NULL)
		*server_oid = server;
	fdw = GetForeignDataWrapper(GetForeignServer(server)->fdwid);
	return strcmp(fdw->fdwname, "supertable") == 0;
}

StblTable *
stbl_relation_table(Oid relid, Oid userid, bool for_recovery)
{
	ForeignTable *ft = GetForeignTable(relid);
	const char *path = option_value(ft->options, "path");
	StblStore  *store;

	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"path\" is required for foreign table \"%s\"", get_rel_name(relid)),
				 errhint("Use ALTER FOREIGN TABLE ... OPTIONS (ADD path '...').")));
	check_path(path);
	store = stbl_server_store(ft->serverid, userid);
	if (store == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 for_recovery ?
				 errmsg("recovery requires storage; supertable \"%s\" has none attached", get_rel_name(relid)) :
				 errmsg("supertable \"%s\" has no storage attached", get_rel_name(relid)),
				 errdetail("Server \"%s\" has no url.", GetForeignServer(ft->serverid)->servername),
				 errhint("Use ALTER SERVER ... OPTIONS (ADD url '...').")));
	return stbl_table_open(store, path);
}

StblTxnTable *
stbl_relation_txn(Relation rel, Oid userid)
{
	Oid			role = OidIsValid(userid) ? userid : GetUserId();
	StblTable  *table = stbl_relation_table(RelationGetRelid(rel), role, false);

	return stbl_txn_table(table, RelationGetRelid(rel), GetForeignServerIdByRelId(RelationGetRelid(rel)), role);
}
