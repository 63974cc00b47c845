/* The session's tables, by canonical root. */
#include "postgres.h"

#include <inttypes.h>

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/snapshot_int.h"

static HTAB *tables = NULL;

static uint32
strkey_hash(const void *key, Size keysize)
{
	const char *str = *(const char *const *) key;

	return hash_bytes((const unsigned char *) str, (int) strlen(str));
}

static int
strkey_match(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

HTAB *
stbl_strtab_new(const char *name, size_t entry_size, MemoryContext cxt)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(char *);
	ctl.entrysize = entry_size;
	ctl.hash = strkey_hash;
	ctl.match = strkey_match;
	ctl.hcxt = cxt;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

void
stbl_throw_object(const StblError *err, const char *key)
{
	StblError	named = *err;

	stbl_fail(&named, err->kind, "object \"%.200s\": %.300s", key, err->message);
	memcpy(named.detail, err->detail, sizeof(named.detail));
	memcpy(named.hint, err->hint, sizeof(named.hint));
	stbl_throw(&named);
}

/*
 * The path without empty segments; "." and ".." are refused, since the same
 * root would have many spellings.
 */
static char *
canonical_path(const char *path)
{
	char	   *out = palloc(strlen(path) + 1);
	char	   *to = out;
	const char *p = path;

	while (*p != '\0')
	{
		size_t		len = strcspn(p, "/");

		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
		{
			StblError	err;

			stbl_fail(&err, STBL_ERR_INVALID, "path \"%.200s\" has a segment that is not a name", path);
			stbl_throw(&err);
		}
		if (len > 0)
		{
			if (to > out)
				*to++ = '/';
			memcpy(to, p, len);
			to += len;
		}
		p += len;
		if (*p == '/')
			p++;
	}
	*to = '\0';
	return out;
}

StblTable *
stbl_table_open(StblStore *store, const char *path)
{
	char	   *clean = canonical_path(path);
	char	   *root;
	char	   *prefix;
	char	   *key;
	StblTableEntry *entry;
	bool		found;

	if (tables == NULL)
		tables = stbl_strtab_new("supertable tables", sizeof(StblTableEntry), TopMemoryContext);
	root = clean[0] == '\0' ? pstrdup(stbl_store_canonical_url(store))
		: psprintf("%s/%s", stbl_store_canonical_url(store), clean);
	entry = hash_search(tables, &root, HASH_FIND, NULL);
	prefix = clean[0] == '\0' ? "" : psprintf("%s/", clean);
	if (entry != NULL)
	{
		/*
		 * Other options or credentials make another store of the same place;
		 * where its url ends elsewhere, the keys begin elsewhere.
		 */
		if (strcmp(entry->table.prefix, prefix) != 0)
			entry->table.prefix = MemoryContextStrdup(TopMemoryContext, prefix);
		entry->table.store = stbl_store_view(store, root);
		return &entry->table;
	}

	/* All that can fail comes before the entry. */
	key = MemoryContextStrdup(TopMemoryContext, root);
	prefix = MemoryContextStrdup(TopMemoryContext, prefix);
	entry = hash_search(tables, &key, HASH_ENTER, &found);
	memset(&entry->table, 0, sizeof(entry->table));
	entry->known_id = NULL;
	entry->table.store = stbl_store_view(store, root);
	entry->table.root = key;
	entry->table.prefix = prefix;
	entry->table.checkpoint_failed = -1;
	return &entry->table;
}

char *
stbl_table_key(const StblTable *table, const char *name)
{
	return psprintf("%s%s", table->prefix, name);
}

char *
stbl_version_key(const StblTable *table, int64_t version)
{
	return psprintf("%s_delta_log/%020" PRId64 ".json", table->prefix, version);
}

void
stbl_table_note_id(StblTable *table)
{
	StblTableEntry *entry = (StblTableEntry *) ((char *) table - offsetof(StblTableEntry, table));
	const char *id = table->current != NULL && table->current->version >= 0 ? table->current->metadata.id : NULL;
	char	   *copy;

	if (entry->known_id == NULL ? id == NULL : id != NULL && strcmp(entry->known_id, id) == 0)
		return;
	copy = id == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, id);
	if (entry->known_id != NULL)
	{
		table->replaced = true;
		pfree(entry->known_id);
	}
	entry->known_id = copy;
}
