/*
 * LIST of the directory driver: pages in byte order of the keys, the token
 * being the last key of the page before.
 *
 * The walk starts in the folder the prefix names and enters only folders
 * that can hold keys of the page, so it costs what lies there, not what lies
 * in the whole store; it keeps no more than two pages in memory.  What
 * vanishes during the walk was deleted, and is left out; whatever else
 * cannot be looked at is an error, never a shorter list.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "store/file_int.h"

#define PAGE_ENTRIES 10000

typedef struct Listing
{
	StblRequest *req;
	const char *prefix;
	size_t		prefix_len;
	size_t		limit;
	StblListEntry *entries;
	size_t		n;
	size_t		cap;
	const char *bound;			/* keys from this on are beyond the page; of one of the entries */
	bool		failed;
} Listing;

static void
fail_listing(Listing *l, int err)
{
	if (l->failed)
		return;
	l->failed = true;
	stbl_file_fail(l->req, err, "list objects under", l->prefix);
	if (l->req->status == STBL_ST_NOT_FOUND)
		l->req->status = STBL_ST_FAILED;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const StblListEntry *) a)->key, ((const StblListEntry *) b)->key);
}

/* Drops all beyond the page and one more, which tells that there is a next page. */
static void
trim(Listing *l)
{
	if (l->n > 1)
		qsort(l->entries, l->n, sizeof(StblListEntry), compare_entries);
	while (l->n > l->limit + 1)
		free(l->entries[--l->n].key);
	if (l->n == l->limit + 1)
		l->bound = l->entries[l->limit].key;
}

/* Whether an entry with this key belongs to the page, as far as known. */
static bool
is_wanted(const Listing *l, const char *key)
{
	return strncmp(key, l->prefix, l->prefix_len) == 0 &&
		(l->req->list_token == NULL || strcmp(key, l->req->list_token) > 0) &&
		(l->bound == NULL || strcmp(key, l->bound) < 0);
}

/* Whether some key under folder (which ends in '/') can belong to the page. */
static bool
may_hold_wanted(const Listing *l, const char *folder)
{
	size_t		len = strlen(folder);

	return strncmp(folder, l->prefix, len < l->prefix_len ? len : l->prefix_len) == 0 &&
		(l->req->list_token == NULL || strncmp(folder, l->req->list_token, len) >= 0) &&
		(l->bound == NULL || strcmp(folder, l->bound) < 0);
}

static void
add_entry(Listing *l, const char *key, const struct stat *st, bool is_folder)
{
	StblListEntry *e;

	if (l->n >= 2 * (l->limit + 1))
	{
		trim(l);
		if (!is_wanted(l, key))
			return;
	}
	if (l->n == l->cap)
	{
		size_t		cap = l->cap ? l->cap * 2 : 64;
		StblListEntry *grown = realloc(l->entries, cap * sizeof(StblListEntry));

		if (grown == NULL)
		{
			fail_listing(l, ENOMEM);
			return;
		}
		l->entries = grown;
		l->cap = cap;
	}
	e = &l->entries[l->n];
	e->key = strdup(key);
	if (e->key == NULL)
	{
		fail_listing(l, ENOMEM);
		return;
	}
	e->size = is_folder ? 0 : (uint64_t) st->st_size;
	e->modified_us = stbl_file_mtime_us(st);
	e->is_folder = is_folder;
	l->n++;
}

/* Opens a directory to read: NULL if it has gone or is none, or the listing has failed. */
static DIR *
open_dir(Listing *l, int parent, const char *name)
{
	int			fd = stbl_file_open_at(parent, name, O_RDONLY | O_DIRECTORY);
	DIR		   *dir;

	if (fd < 0)
	{
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			fail_listing(l, errno);
		return NULL;
	}
	dir = fdopendir(fd);
	if (dir == NULL)
	{
		fail_listing(l, errno);
		close(fd);
	}
	return dir;
}

/* The next entry that may be ours; NULL at the end, or when the listing has failed. */
static struct dirent *
next_entry(Listing *l, DIR *dir)
{
	struct dirent *de;

	while (!l->failed)
	{
		errno = 0;
		de = readdir(dir);
		if (de != NULL)
		{
			if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 && strcmp(de->d_name, STBL_TEMP_DIR) != 0)
				return de;
			continue;
		}
		if (errno != 0)
			fail_listing(l, errno);
		break;
	}
	return NULL;
}

/* Looks at an entry; false if it has gone, or the listing has failed. */
static bool
look(Listing *l, DIR *dir, const char *name, struct stat *st)
{
	if (fstatat(dirfd(dir), name, st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (errno != ENOENT)
		fail_listing(l, errno);
	return false;
}

/* Whether any object lies under a directory: an empty one is no folder. */
static bool
holds_object(Listing *l, int parent, const char *name, int depth)
{
	DIR		   *dir = open_dir(l, parent, name);
	struct dirent *de;
	struct stat st;
	bool		found = false;

	if (dir == NULL)
		return false;
	while (!found && (de = next_entry(l, dir)) != NULL)
	{
		if (!look(l, dir, de->d_name, &st))
			continue;
		if (S_ISREG(st.st_mode))
			found = true;
		else if (S_ISDIR(st.st_mode) && depth < STBL_FILE_MAX_DEPTH)
			found = holds_object(l, dirfd(dir), de->d_name, depth + 1);
	}
	closedir(dir);
	return found;
}

static void walk(Listing *l, int parent, const char *name, char *key, size_t folder_len, int depth);

/* One entry of a folder; key is the folder's, with room for the name. */
static void
visit(Listing *l, DIR *dir, const char *name, char *key, size_t folder_len, int depth)
{
	size_t		len = folder_len + strlen(name);
	bool		as_object;
	bool		as_folder;
	struct stat st;

	/* longer than any key of ours */
	if (len > STBL_FILE_KEY_MAX)
		return;
	strcpy(key + folder_len, name);
	as_object = is_wanted(l, key);
	strcpy(key + len, "/");
	as_folder = depth < STBL_FILE_MAX_DEPTH && may_hold_wanted(l, key);
	if (!(as_object || as_folder) || !look(l, dir, name, &st))
		return;
	if (S_ISREG(st.st_mode) && as_object)
	{
		key[len] = '\0';
		add_entry(l, key, &st, false);
	}
	else if (!S_ISDIR(st.st_mode) || !as_folder)
		return;
	else if (l->req->list_delimiter != '/' || len + 1 <= l->prefix_len)
		walk(l, dirfd(dir), name, key, len + 1, depth + 1);
	else if (is_wanted(l, key) && holds_object(l, dirfd(dir), name, depth + 1))
		add_entry(l, key, &st, true);
}

static void
walk(Listing *l, int parent, const char *name, char *key, size_t folder_len, int depth)
{
	DIR		   *dir = open_dir(l, parent, name);
	struct dirent *de;

	if (dir == NULL)
		return;
	while ((de = next_entry(l, dir)) != NULL)
		visit(l, dir, de->d_name, key, folder_len, depth);
	closedir(dir);
}

/*
 * Opens the folder that the prefix lies in, and sets folder to its name with
 * a '/' behind; -1 with the request done if there is none.
 */
static int
open_start(StblFileStore *store, StblRequest *req, char *folder)
{
	const char *slash = strrchr(req->key, '/');
	const char *name;
	size_t		len = slash != NULL ? (size_t) (slash - req->key) + 1 : 0;
	int			dir;

	/* as if for an object in it */
	memcpy(folder, req->key, len);
	strcpy(folder + len, "x");
	if (!stbl_file_key_ok(folder))
	{
		req->status = STBL_ST_OK;	/* no key begins so */
		return -1;
	}
	dir = stbl_file_parent(store, folder, false, &name, req);
	folder[len] = '\0';
	if (dir < 0 && req->status == STBL_ST_NOT_FOUND)
	{
		req->status = STBL_ST_OK;
		req->error_kind = STBL_ERR_NONE;
		req->message[0] = '\0';
	}
	return dir;
}

void
stbl_file_list(StblFileStore *store, StblRequest *req)
{
	Listing		l;
	char		key[STBL_FILE_KEY_MAX + 2];
	int			depth = 0;
	int			dir;

	memset(&l, 0, sizeof(l));
	l.req = req;
	l.prefix = req->key;
	l.prefix_len = strlen(req->key);
	l.limit = req->list_limit > 0 ? (size_t) req->list_limit : PAGE_ENTRIES;
	if (l.prefix_len > STBL_FILE_KEY_MAX)
	{
		req->status = STBL_ST_OK;
		return;
	}
	dir = open_start(store, req, key);
	if (dir < 0)
		return;
	for (const char *p = key; *p != '\0'; p++)
		depth += *p == '/';
	walk(&l, dir, ".", key, strlen(key), depth);
	close(dir);
	if (!l.failed)
	{
		trim(&l);
		if (l.n > l.limit)
		{
			free(l.entries[--l.n].key);
			req->list_next = strdup(l.entries[l.limit - 1].key);
			if (req->list_next == NULL)
				fail_listing(&l, ENOMEM);
		}
	}
	while (l.failed && l.n > 0)
		free(l.entries[--l.n].key);
	req->entries = l.entries;
	req->n_entries = l.n;
	if (!l.failed)
		req->status = STBL_ST_OK;
}
