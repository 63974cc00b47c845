/* Shared by the files of the directory driver only. */
#ifndef STBL_FILE_INT_H
#define STBL_FILE_INT_H

#include <sys/stat.h>
#include <sys/types.h>

#include "store/file.h"

#define STBL_TEMP_DIR ".supertable-tmp"

typedef struct StblFileStore
{
	char	   *path;			/* real path of the root directory */
	int			root_fd;		/* -1: not open */
	dev_t		dev;
	ino_t		ino;
	StblRequest *waiting;		/* requests that wait for a lock, a list by driver_data */
} StblFileStore;

/* A request that waits for its key's lock. */
typedef struct StblFileWait
{
	int			lock_fd;
	StblRequest *next;
} StblFileWait;

/* file_path.c */
extern bool stbl_file_key_ok(const char *key, bool is_prefix);
extern bool stbl_file_reopen(StblFileStore *store, StblRequest *req);
extern int	stbl_file_parent(StblFileStore *store, const char *key, bool make, const char **name, StblRequest *req);
extern void stbl_file_fail(StblRequest *req, int err, const char *what, const char *key);
extern int64_t stbl_file_now_us(void);
extern int64_t stbl_file_mtime_us(const struct stat *st);

/* file_list.c */
extern void stbl_file_list(StblFileStore *store, StblRequest *req);

#endif							/* STBL_FILE_INT_H */
