/* URL schemes and their drivers; opening a store. */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "store/az.h"
#include "store/endpoint.h"
#include "store/file.h"
#include "store/gs.h"
#include "store/s3.h"
#include "store/store_int.h"

#define MAX_DRIVERS 32
#define MAX_SCHEME 24

static const StblStoreDriver *drivers[MAX_DRIVERS];
static int	n_drivers = 0;

/* Letters and digits, a letter first: it becomes part of a file name. */
static bool
is_scheme(const char *scheme)
{
	size_t		len = strlen(scheme);

	return len > 0 && len <= MAX_SCHEME && scheme[0] >= 'a' && scheme[0] <= 'z' &&
		strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

static const StblStoreDriver *
registered(const char *scheme)
{
	for (int i = 0; i < n_drivers; i++)
		if (strcmp(drivers[i]->scheme, scheme) == 0)
			return drivers[i];
	return NULL;
}

static void
register_driver(const StblStoreDriver *driver)
{
	if (driver == NULL || driver->abi_version != STBL_STORE_ABI_VERSION || driver->size < sizeof(StblStoreDriver))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("storage driver does not match this version of the extension"),
				 errdetail("It has ABI version %u, size %u; expected are %d and %zu.",
						   driver ? driver->abi_version : 0, driver ? driver->size : 0,
						   STBL_STORE_ABI_VERSION, sizeof(StblStoreDriver)),
				 errhint("Build the module against the installed supertable_storage.h.")));
	if (driver->scheme == NULL || !is_scheme(driver->scheme))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid scheme of a storage driver"),
						errhint("A scheme is up to %d lower case letters and digits, a letter first.", MAX_SCHEME)));
	if (driver->server_options == NULL || driver->user_options == NULL || driver->open == NULL ||
		driver->close == NULL || driver->submit == NULL || driver->drive == NULL ||
		driver->cancel == NULL || driver->release == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("storage driver for scheme \"%s\" is incomplete", driver->scheme)));
	if (registered(driver->scheme) != NULL)
		return;
	if (n_drivers == MAX_DRIVERS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("cannot register more than %d storage drivers", MAX_DRIVERS)));
	drivers[n_drivers++] = driver;
}

/* The driver of a scheme, its module loaded if there is one; throws what loading throws. */
static const StblStoreDriver *
find_driver(const char *scheme)
{
	const StblStoreDriver *driver = registered(scheme);
	char		name[64];
	char		path[MAXPGPATH];
	struct stat st;

	if (driver != NULL || !is_scheme(scheme))
		return driver;
	snprintf(name, sizeof(name), "$libdir/supertable_store_%s", scheme);
	snprintf(path, sizeof(path), "%s/supertable_store_%s" DLSUFFIX, pkglib_path, scheme);
	if (stat(path, &st) != 0)
		return NULL;
	load_file(name, false);
	return registered(scheme);
}

typedef struct Lookup
{
	const char *scheme;
	const StblStoreDriver *driver;
} Lookup;

static void
find_guarded(void *arg)
{
	Lookup	   *l = arg;

	l->driver = find_driver(l->scheme);
}

/* For a driver that wraps another: an ERROR must not pass through its frames. */
static const StblStoreDriver *
lookup_driver(const char *scheme)
{
	Lookup		l = {scheme, NULL};
	StblError	err;

	if (!stbl_guarded(find_guarded, &l, &err))
		stbl_warn(&err);
	return l.driver;
}

void
stbl_store_init(void)
{
	*find_rendezvous_variable(STBL_STORE_REGISTER) = (void *) register_driver;
	*find_rendezvous_variable(STBL_STORE_LOOKUP) = (void *) lookup_driver;
	register_driver(&stbl_file_driver);
	register_driver(&stbl_s3_driver);
	register_driver(&stbl_az_driver);
	register_driver(&stbl_gs_driver);
}

const StblStoreDriver *
stbl_store_driver(const char *url)
{
	size_t		len = strcspn(url, ":");
	char		scheme[MAX_SCHEME + 1] = "";
	const StblStoreDriver *driver = NULL;
	StringInfoData known;

	if (url[len] == ':' && len < sizeof(scheme))
	{
		memcpy(scheme, url, len);
		driver = find_driver(scheme);
	}
	if (driver != NULL)
		return driver;
	initStringInfo(&known);
	for (int i = 0; i < n_drivers; i++)
		appendStringInfo(&known, "%s%s", i ? ", " : "", drivers[i]->scheme);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no storage driver for url \"%s\"", url),
			 errhint("Known url schemes are: %s.  Others are looked for as $libdir/supertable_store_<scheme>.", known.data)));
	return NULL;
}

/* Whether a list, apart by commas, has a name: two drivers may take options of one name. */
static bool
is_listed(const char *list, const char *name)
{
	size_t		len = strlen(name);

	for (const char *p = list; *p != '\0'; p += strspn(p, ", "))
	{
		size_t		n = strcspn(p, ",");

		if (n == len && strncmp(p, name, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static bool
in_list(const char *const *list, const char *name, StringInfo valid)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(*list, name) == 0)
			return true;
		if (!is_listed(valid->data, *list))
			appendStringInfo(valid, "%s%s", valid->len ? ", " : "", *list);
	}
	return false;
}

/* Options that make the server read a file of its machine are for those who may. */
static void
check_file_option(const char *name)
{
	if (strcmp(name, "ca_file") == 0 && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("It names a file of the database server, which members of pg_read_server_files may do.")));
}

void
stbl_store_check_owner(const char *name, Oid owner)
{
	if (strcmp(name, "credentials") == 0 && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to use the credentials of the database server's environment"),
				 errdetail("Option \"%s\" is for superusers, who must also own the server.", name)));
	if (strcmp(name, "service_account_key_file") == 0 && !has_privs_of_role(owner, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to use option \"%s\"", name),
				 errdetail("Role \"%s\", which owns the server, is not a member of pg_read_server_files.", GetUserNameFromId(owner, false))));
}

void
stbl_store_check_option(const char *url, const char *name, bool user_mapping)
{
	StringInfoData valid;

	initStringInfo(&valid);
	if (url != NULL)
	{
		const StblStoreDriver *driver = stbl_store_driver(url);

		if (name == NULL)
			return;
		check_file_option(name);
		if (!user_mapping)
			stbl_store_check_owner(name, GetUserId());
		if (!user_mapping)
			appendStringInfoString(&valid, "url");
		if (in_list(user_mapping ? driver->user_options : driver->server_options, name, &valid))
			return;
	}
	else
		for (int i = 0; i < n_drivers; i++)
			if (in_list(user_mapping ? drivers[i]->user_options : drivers[i]->server_options, name, &valid))
				return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len ? errhint("Valid options in this context are: %s.", valid.data) :
			 errhint("There are no valid options in this context.")));
}

/* ---- stores of this session ---- */

typedef struct OpenStore
{
	char		key[65];		/* hash of url, user and options: some of those are secrets */
	StblStore  *store;
	struct OpenStore *next;
} OpenStore;

static OpenStore *open_stores = NULL;

typedef struct View
{
	char	   *root;
	StblStore  *store;
	struct View *next;
} View;

static View *views = NULL;

/* What a store is found again by; without a user: what one may read through it depends on. */
static void
store_key(Oid user, const char *url, const StblStoreOption *options, int n_options, char *hash)
{
	StringInfoData key;

	initStringInfo(&key);
	/* with lengths, so that no value can look like two */
	appendStringInfo(&key, "%u %zu:%s", user, strlen(url), url);
	for (int i = 0; i < n_options; i++)
		appendStringInfo(&key, " %s=%zu:%s", options[i].name, strlen(options[i].value), options[i].value);
	/* what was allowed may not be any more */
	appendStringInfo(&key, " %s", stbl_allowed_endpoints ? stbl_allowed_endpoints : "");
	stbl_sha256_hex(key.data, key.len, hash);
	explicit_bzero(key.data, key.len);
	pfree(key.data);
}

StblStore *
stbl_store_open(const char *url, const StblStoreOption *options, int n_options)
{
	const StblStoreDriver *driver = stbl_store_driver(url);
	char		key[65];
	OpenStore  *o;
	void	   *handle;
	char	   *canonical = NULL;
	int			error_kind = STBL_ERR_IO;
	char		message[512] = "";
	MemoryContext old;

	store_key(GetUserId(), url, options, n_options, key);
	for (o = open_stores; o != NULL; o = o->next)
		if (strcmp(o->key, key) == 0)
			return o->store;

	/* what can throw comes first, so that an opened store is never forgotten */
	old = MemoryContextSwitchTo(TopMemoryContext);
	o = palloc0(sizeof(OpenStore));
	memcpy(o->key, key, sizeof(key));
	o->store = palloc0(sizeof(StblStore));
	MemoryContextSwitchTo(old);
	store_key(InvalidOid, url, options, n_options, o->store->access);
	handle = driver->open(url, options, n_options, &canonical, &error_kind, message, sizeof(message));
	if (handle == NULL || canonical == NULL)
	{
		StblError	err;
		char	   *hint = strrchr(message, '\n');

		if (handle != NULL)
			driver->close(handle);
		free(canonical);
		pfree(o->store);
		pfree(o);
		/* a second line is what to do about it */
		if (hint != NULL)
			*hint++ = '\0';
		stbl_fail(&err, error_kind ? error_kind : STBL_ERR_IO, "%s", message[0] ? message : "could not open storage");
		if (hint != NULL)
			stbl_error_hint(&err, "%s", hint);
		stbl_throw(&err);
	}
	o->store->driver = driver;
	o->store->handle = handle;
	o->store->canonical = canonical;
	o->store->base = o->store;
	o->next = open_stores;
	open_stores = o;
	return o->store;
}

StblStore *
stbl_store_view(StblStore *store, const char *root)
{
	View	   *v;
	MemoryContext old;

	for (v = views; v != NULL; v = v->next)
		if (v->store->base == store->base && strcmp(v->root, root) == 0)
			return v->store;
	old = MemoryContextSwitchTo(TopMemoryContext);
	v = palloc0(sizeof(View));
	v->root = pstrdup(root);
	v->store = palloc0(sizeof(StblStore));
	v->store->driver = store->driver;
	v->store->handle = store->handle;
	v->store->canonical = store->canonical;
	v->store->base = store->base;
	v->store->slot = stbl_stat_slot(root);
	MemoryContextSwitchTo(old);
	v->next = views;
	views = v;
	return v->store;
}

const char *
stbl_store_canonical_url(const StblStore *store)
{
	return store->canonical;
}

bool
stbl_store_is_local(const StblStore *store)
{
	return store->driver == &stbl_file_driver;
}

const StblStoreCounters *
stbl_store_counters(const StblStore *store)
{
	return &store->counters;
}
