/* Shared by the files of the directory driver only. */
#ifndef STBL_FILE_INT_H
#define STBL_FILE_INT_H

#include <sys/stat.h>
#include <sys/types.h>

#include "store/file.h"

#define STBL_TEMP_DIR ".supertable-tmp"

/* Bytes of a key and of one of its segments, and how many of those. */
#define STBL_FILE_KEY_MAX 1024
#define STBL_FILE_SEGMENT_MAX 255
#define STBL_FILE_MAX_DEPTH 64

/* Objects up to this size have a hash of their content in their etag. */
#define STBL_FILE_HASH_MAX (1024 * 1024)

/* Of a StblRequest. */
#define STBL_FILE_ETAG_SIZE 128

/* How many directories known to be durable are remembered. */
#define STBL_FILE_N_DURABLE 64

typedef struct StblFileId
{
	dev_t		dev;
	ino_t		ino;
} StblFileId;

typedef struct StblFileStore
{
	char	   *path;			/* real path of the root directory */
	int			root_fd;		/* -1: not open */
	StblFileId	root;
	bool		sync_failed;	/* what was answered may not be on disk: no more answers */
	StblRequest *waiting;		/* requests that wait for a lock, a list by driver_data */
	int			n_durable;
	StblFileId	durable[STBL_FILE_N_DURABLE];	/* directories whose own entry is on disk */
} StblFileStore;

/* A request that waits for its key's lock. */
typedef struct StblFileWait
{
	int			lock_fd;
	StblRequest *next;
} StblFileWait;

/* file_path.c */
extern bool stbl_file_key_ok(const char *key);
extern void stbl_file_no_root(StblRequest *req, const char *path, int err);
extern bool stbl_file_reopen(StblFileStore *store, StblRequest *req);
extern int	stbl_file_parent(StblFileStore *store, const char *key, bool make, const char **name, StblRequest *req);
extern int	stbl_file_temp_dir(StblFileStore *store, StblRequest *req);
extern void stbl_file_remove_stale(StblFileStore *store);
extern void stbl_file_fail(StblRequest *req, int err, const char *what, const char *key);

/* file_path.c too: system calls that signals do not cut short, and what describes a file */
extern int	stbl_file_open_at(int dir, const char *name, int flags);
extern bool stbl_file_sync(int fd);
extern bool stbl_file_sync_dir(StblFileStore *store, int fd);
extern bool stbl_file_read(int fd, uint8_t *buf, size_t len, uint64_t offset, size_t *got);
extern bool stbl_file_write(int fd, const uint8_t *data, size_t len);
extern uint64_t stbl_file_hash(const uint8_t *data, size_t len, uint64_t seed);
extern void stbl_file_etag(char *out, const struct stat *st, const uint8_t *data);
extern int64_t stbl_file_now_us(void);
extern int64_t stbl_file_mtime_us(const struct stat *st);

/* file_list.c */
extern void stbl_file_list(StblFileStore *store, StblRequest *req);

#endif							/* STBL_FILE_INT_H */
