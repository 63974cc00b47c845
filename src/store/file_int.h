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

/* Writes that go together: each holds two descriptors. */
#define STBL_FILE_GROUP_MAX 64

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
	StblRequest *waiting;		/* writes that wait for their turn or a lock, a list by driver_data */
	unsigned long aio_context;	/* of the kernel's asynchronous I/O, 0: none */
	bool		no_aio;			/* it was tried in vain */
	int			n_durable;
	StblFileId	durable[STBL_FILE_N_DURABLE];	/* directories whose own entry is on disk */
} StblFileStore;

/* A folder in which writes of a group have their objects. */
typedef struct StblFileFolder
{
	const char *key;			/* of one of them; the folder's is its first len bytes */
	size_t		len;
	int			fd;
	bool		is_made;		/* it and those above were made, or found, durable */
	bool		is_synced;		/* it was forced out, or that failed */
	bool		sync_ok;
} StblFileFolder;

/* Writes that go together, and what they have in common. */
typedef struct StblFileGroup
{
	StblRequest *reqs[STBL_FILE_GROUP_MAX];
	int			n;
	int			tmp;			/* the hidden folder, -1: not open */
	StblFileFolder folders[2 * STBL_FILE_GROUP_MAX];
	int			n_folders;
} StblFileGroup;

/* A write: it waits for its turn and its key's lock, then goes with others. */
typedef struct StblFilePut
{
	StblRequest *next;			/* of those that wait */
	int			lock_fd;		/* -1: needs none; so below, not open */
	int			fd;
	StblFileFolder *folder;		/* of the group it goes with */
	const char *name;			/* there */
	char		temp[96];		/* name in the hidden folder, empty: none */
	int			sync_errno;		/* of its data; 0: durable */
	struct stat st;
} StblFilePut;

/* file.c */
extern void stbl_file_describe(StblRequest *req, const struct stat *st, const uint8_t *data);
extern bool stbl_file_head(StblFileStore *store, int dir, const char *name, StblRequest *req);

/* file_put.c: the writes of reqs, n, their locks held; all are done at return */
extern void stbl_file_write_group(StblFileStore *store, StblFileGroup *group);
extern void stbl_file_sync_end(StblFileStore *store);

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
