/* LIST of the directory driver. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "store/file_int.h"

#define PAGE_ENTRIES 1000
#define MAX_DEPTH 64

typedef struct Listing
{
	StblRequest *req;
	const char *prefix;
	size_t		prefix_len;
	StblListEntry *entries;
	size_t		n;
	size_t		cap;
	bool		failed;
} Listing;

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const StblListEntry *) a)->key, ((const StblListEntry *) b)->key);
}

static void
add_entry(Listing *l, const char *key, const struct stat *st, bool is_folder)
{
	StblListEntry *e;

	if (l->req->list_token != NULL && strcmp(key, l->req->list_token) <= 0)
		return;
	if (l->n == l->cap)
	{
		size_t		cap = l->cap ? l->cap * 2 : 64;
		StblListEntry *grown = realloc(l->entries, cap * sizeof(StblListEntry));

		if (grown == NULL)
		{
			l->failed = true;
			stbl_file_fail(l->req, ENOMEM, "list", l->prefix);
			return;
		}
		l->entries = grown;
		l->cap = cap;
	}
	e = &l->entries[l->n];
	e->key = strdup(key);
	if (e->key == NULL)
	{
		l->failed = true;
		stbl_file_fail(l->req, ENOMEM, "list", l->prefix);
		return;
	}
	e->size = is_folder ? 0 : st->st_size;
	e->modified_us = stbl_file_mtime_us(st);
	e->is_folder = is_folder;
	l->n++;
}

/* Whether keys under folder (which ends in '/') may match the prefix. */
static bool
may_match(const Listing *l, const char *folder)
{
	size_t		len = strlen(folder);

	return strncmp(folder, l->prefix, len < l->prefix_len ? len : l->prefix_len) == 0;
}

static void
walk(Listing *l, int dir_fd, const char *folder, int depth)
{
	DIR		   *dir = fdopendir(dir_fd);
	struct dirent *de;

	if (dir == NULL)
	{
		close(dir_fd);
		return;
	}
	while (!l->failed && (de = readdir(dir)) != NULL)
	{
		char		key[1400];
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 || strcmp(de->d_name, STBL_TEMP_DIR) == 0)
			continue;
		if (snprintf(key, sizeof(key), "%s%s", folder, de->d_name) >= (int) sizeof(key) - 2)
			continue;
		if (fstatat(dir_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;			/* it has just gone */
		if (S_ISREG(st.st_mode) && strncmp(key, l->prefix, l->prefix_len) == 0)
			add_entry(l, key, &st, false);
		else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
		{
			int			fd;

			strcat(key, "/");
			if (!may_match(l, key))
				continue;
			if (l->req->list_delimiter == '/' && strlen(key) > l->prefix_len)
			{
				add_entry(l, key, &st, true);
				continue;
			}
			fd = openat(dir_fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0)
				walk(l, fd, key, depth + 1);
		}
	}
	closedir(dir);
}

/*
 * One page in byte order.  The walk starts in the folder the prefix names, so
 * it costs what lies there, not what lies in the whole store.
 */
void
stbl_file_list(StblFileStore *store, StblRequest *req)
{
	Listing		l;
	const char *slash = strrchr(req->key, '/');
	char		folder[1100] = "";
	size_t		limit = req->list_limit > 0 ? (size_t) req->list_limit : PAGE_ENTRIES;
	int			dir;

	memset(&l, 0, sizeof(l));
	l.req = req;
	l.prefix = req->key;
	l.prefix_len = strlen(req->key);
	if (slash != NULL)
	{
		const char *name;
		char		probe[1102];

		memcpy(folder, req->key, slash - req->key + 1);
		folder[slash - req->key + 1] = '\0';
		snprintf(probe, sizeof(probe), "%sx", folder);
		dir = stbl_file_parent(store, probe, false, &name, req);
		if (dir < 0)
		{
			if (req->status == STBL_ST_NOT_FOUND)
				req->status = STBL_ST_OK;	/* no such folder: no keys */
			return;
		}
	}
	else
	{
		if (!stbl_file_reopen(store, req))
			return;
		dir = openat(store->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
		{
			stbl_file_fail(req, errno, "list", req->key);
			return;
		}
	}
	walk(&l, dir, folder, 0);
	qsort(l.entries, l.n, sizeof(StblListEntry), compare_entries);
	if (!l.failed && l.n > limit)
	{
		req->list_next = strdup(l.entries[limit - 1].key);
		l.failed = req->list_next == NULL;
		if (l.failed)
			stbl_file_fail(req, ENOMEM, "list", req->key);
	}
	while (l.n > (l.failed ? 0 : limit))
		free(l.entries[--l.n].key);
	req->entries = l.entries;
	req->n_entries = l.n;
	if (!l.failed)
		req->status = STBL_ST_OK;
}
