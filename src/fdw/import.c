/*
 * IMPORT FOREIGN SCHEMA: a foreign table for each table right under a folder.
 *
 * The remote schema is the folder's path relative to the server's url; "root"
 * is the url itself.  What a table's log says is not ours: names are quoted,
 * and a PostgreSQL type it names is taken only if it is one that we write.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "fdw/fdw.h"
#include "fdw/options.h"

#define ROOT_SCHEMA "root"

static char *
to_server(const char *utf8)
{
	return pg_any_to_server(utf8, strlen(utf8), PG_UTF8);
}

/* As long as a name can be. */
static char *
clipped(const char *name)
{
	return pnstrdup(name, pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1));
}

/* ---- types ---- */

/* "name" or "name(n)" */
static bool
is_sized(const char *type, const char *name)
{
	size_t		len = strlen(name);
	const char *p = type + len;
	size_t		digits;

	if (strncmp(type, name, len) != 0)
		return false;
	if (*p == '\0')
		return true;
	digits = strspn(p + 1, "0123456789");
	return *p == '(' && digits > 0 && digits < 9 && strcmp(p + 1 + digits, ")") == 0;
}

/* Whether a type named in a field's metadata is one that we keep as a string. */
static bool
is_string_type(const char *type)
{
	static const char *const plain[] = {"uuid", "json", "jsonb", "time", "time without time zone", "bpchar"};
	static const char *const sized[] = {"character varying", "varchar", "character", "char"};

	for (int i = 0; i < lengthof(plain); i++)
		if (strcmp(type, plain[i]) == 0)
			return true;
	for (int i = 0; i < lengthof(sized); i++)
		if (is_sized(type, sized[i]))
			return true;
	return false;
}

static char *
string_type(const StblField *field)
{
	char	   *type = field->pg_type ? pstrdup(field->pg_type) : NULL;
	size_t		len = type ? strlen(type) : 0;

	if (field->is_array && len > 2 && strcmp(type + len - 2, "[]") == 0)
		type[len - 2] = '\0';
	return type != NULL && is_string_type(type) ? type : "text";
}

/* The PostgreSQL type of a stored column; NULL for one that we do not read. */
static char *
type_of(const StblField *field)
{
	char	   *type = NULL;

	switch (field->kind)
	{
		case STBL_BOOLEAN:
			type = "boolean";
			break;
		case STBL_BYTE:
		case STBL_SHORT:
			type = "smallint";
			break;
		case STBL_INTEGER:
			type = "integer";
			break;
		case STBL_LONG:
			type = "bigint";
			break;
		case STBL_FLOAT:
			type = "real";
			break;
		case STBL_DOUBLE:
			type = "double precision";
			break;
		case STBL_DECIMAL:
			type = psprintf("numeric(%d,%d)", field->precision, field->scale);
			break;
		case STBL_STRING:
			type = string_type(field);
			break;
		case STBL_BINARY:
			type = "bytea";
			break;
		case STBL_DATE:
			type = "date";
			break;
		case STBL_TIMESTAMP:
			type = "timestamp with time zone";
			break;
		case STBL_TIMESTAMP_NTZ:
			type = "timestamp without time zone";
			break;
		case STBL_OTHER:
			return NULL;
	}
	return field->is_array ? psprintf("%s[]", type) : type;
}

/* ---- one table ---- */

static void
put_column(StringInfo out, const StblField *field, const char *type)
{
	char	   *stored = to_server(field->name);
	char	   *name = clipped(stored);

	appendStringInfo(out, "%s %s", quote_identifier(name), type);
	if (strcmp(name, stored) != 0)
		appendStringInfo(out, " OPTIONS (column_name %s)", quote_literal_cstr(stored));
	if (!field->nullable)
		appendStringInfoString(out, " NOT NULL");
}

static char *
statement_for(const StblSchema *schema, const char *name, const char *path, const char *server, const char *local_schema)
{
	StringInfoData out;
	bool		first = true;

	initStringInfo(&out);
	appendStringInfo(&out, "CREATE FOREIGN TABLE %s (", quote_qualified_identifier(local_schema, name));
	for (int i = 0; i < schema->n_fields; i++)
	{
		const char *type = type_of(&schema->fields[i]);
		char		stored[64];

		if (type == NULL || schema->fields[i].name[0] == '\0')
		{
			stbl_field_type_name(&schema->fields[i], stored, sizeof(stored));
			ereport(WARNING,
					(errmsg("column \"%s\" of table \"%s\" is left out", to_server(schema->fields[i].name), path),
					 errdetail("Its type is %s.", stored)));
			continue;
		}
		appendStringInfoString(&out, first ? "\n\t" : ",\n\t");
		first = false;
		put_column(&out, &schema->fields[i], type);
	}
	appendStringInfo(&out, "\n) SERVER %s OPTIONS (path %s)", quote_identifier(server), quote_literal_cstr(path));
	return out.data;
}

typedef struct Look
{
	StblStore  *store;
	const char *path;
	StblTable  *table;
} Look;

static void
look_at_table(void *arg)
{
	Look	   *look = arg;

	look->table = stbl_table_open(look->store, look->path);
	(void) stbl_snapshot_refresh(look->table, 0);
}

/* ---- the folder ---- */

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Names of the folders right under a prefix, sorted; *any: there is something at all. */
static List *
list_folders(StblStore *store, const char *prefix, bool *any)
{
	size_t		len = strlen(prefix);
	List	   *names = NIL;
	char	   *token = NULL;

	*any = false;
	do
	{
		StblCall   *call = stbl_store_list(store, prefix, '/', token, 0);

		stbl_await_ok(call);
		for (size_t i = 0; i < call->req.n_entries; i++)
		{
			const StblListEntry *e = &call->req.entries[i];
			char	   *name;
			size_t		n;

			*any = true;
			if (!e->is_folder || strncmp(e->key, prefix, len) != 0)
				continue;
			name = pstrdup(e->key + len);
			n = strlen(name);
			if (n > 0 && name[n - 1] == '/')
				name[n - 1] = '\0';
			if (stbl_path_is_clean(name) && strchr(name, '/') == NULL && pg_verifymbstr(name, strlen(name), true))
				names = lappend(names, name);
		}
		token = call->req.list_next ? pstrdup(call->req.list_next) : NULL;
		stbl_call_free(call);
	} while (token != NULL);
	list_sort(names, compare_names);
	return names;
}

/* What LIMIT TO and EXCEPT leave; core looks again. */
static bool
is_asked_for(ImportForeignSchemaStmt *stmt, const char *name)
{
	ListCell   *lc;

	foreach(lc, stmt->table_list)
		if (strcmp(lfirst_node(RangeVar, lc)->relname, name) == 0)
			return stmt->list_type == FDW_IMPORT_SCHEMA_LIMIT_TO;
	return stmt->list_type != FDW_IMPORT_SCHEMA_LIMIT_TO;
}

static char *
prefix_of(ImportForeignSchemaStmt *stmt)
{
	char	   *folder = stmt->remote_schema;

	if (strcmp(folder, ROOT_SCHEMA) == 0)
		return "";
	if (!stbl_path_is_clean(folder))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("\"%s\" is not a folder of a supertable server", stmt->remote_schema),
				 errhint("Name a folder relative to the server's url, or \"%s\" for the url itself.", ROOT_SCHEMA)));
	return psprintf("%s/", folder);
}

static List *
supertableImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid server_oid)
{
	StblStore  *store = stbl_server_store(server_oid, GetUserId());
	char	   *prefix = prefix_of(stmt);
	List	   *statements = NIL;
	List	   *names;
	bool		any;
	ListCell   *lc;

	if (stmt->options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", linitial_node(DefElem, stmt->options)->defname),
				 errhint("There are no valid options in this context.")));
	if (store == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("server \"%s\" has no storage attached", stmt->server_name),
				 errhint("Use ALTER SERVER ... OPTIONS (ADD url '...').")));
	names = list_folders(store, prefix, &any);
	if (!any && prefix[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("server \"%s\" has no folder \"%s\"", stmt->server_name, stmt->remote_schema)));
	foreach(lc, names)
	{
		char	   *path = psprintf("%s%s", prefix, (char *) lfirst(lc));
		char	   *name = clipped(lfirst(lc));
		Look		look = {store, path, NULL};
		StblError	err;

		CHECK_FOR_INTERRUPTS();
		if (!is_asked_for(stmt, name) || !stbl_path_is_clean(path))
			continue;
		if (!stbl_survive(look_at_table, &look, &err))
			ereport(WARNING,
					(errmsg("table \"%s\" is left out: %s", path, err.message),
					 err.detail[0] ? errdetail("%s", err.detail) : 0));
		else if (look.table->current->version >= 0)
			statements = lappend(statements, statement_for(&look.table->current->schema, name, path,
														   stmt->server_name, stmt->local_schema));
	}
	return statements;
}

void
stbl_fdw_import_routines(FdwRoutine *routine)
{
	routine->ImportForeignSchema = supertableImportForeignSchema;
}
