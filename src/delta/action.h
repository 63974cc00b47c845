/*
 * Delta log actions: one version's JSON text to structs, and back.  Pure.
 *
 * Format: PROTOCOL.md of delta-io/delta.  Beside the standard fields our
 * versions carry in commitInfo: version_id, previous, decides (architecture,
 * "Publishing").
 */
#ifndef STBL_ACTION_H
#define STBL_ACTION_H

#include "common/json.h"

struct roaring_bitmap_s;

/* A deletion vector's descriptor. */
typedef struct StblDv
{
	char		storage;		/* 'i' inline, 'u' file named by a uuid, 'p' absolute path */
	char	   *path_or_inline;
	bool		has_offset;
	int64_t		offset;
	int64_t		size_bytes;
	int64_t		cardinality;
} StblDv;

typedef struct StblAdd
{
	char	   *path;			/* percent-decoded, relative to the root */
	int64_t		size;
	int64_t		mtime_ms;
	bool		data_change;
	char	   *stats;			/* JSON text, or NULL */
	StblDv	   *dv;				/* or NULL */
	int64_t		base_row_id;	/* -1: none */
	int64_t		default_row_commit_version; /* -1: none */
	bool		has_partition_values;
} StblAdd;

typedef struct StblRemove
{
	char	   *path;
	int64_t		deletion_ms;
	bool		data_change;
	int64_t		size;			/* -1: not said */
	StblDv	   *dv;
	int64_t		base_row_id;
	int64_t		default_row_commit_version;
	bool		extended;		/* extendedFileMetadata */
} StblRemove;

typedef struct StblDomain
{
	char	   *domain;
	char	   *configuration;
	bool		removed;
} StblDomain;

typedef struct StblTxnAction
{
	char	   *app_id;
	int64_t		version;
	int64_t		last_updated_ms;	/* -1: none */
} StblTxnAction;

typedef struct StblProtocol
{
	int			min_reader;
	int			min_writer;
	int			n_reader_features;
	char	  **reader_features;
	int			n_writer_features;
	char	  **writer_features;
} StblProtocol;

typedef struct StblMetadata
{
	char	   *id;
	char	   *name;			/* or NULL */
	char	   *description;	/* or NULL */
	char	   *format;			/* provider, "parquet" */
	char	   *schema_string;
	int			n_partition_columns;
	int64_t		created_ms;		/* -1: none */
	int			n_configuration;
	char	  **config_keys;
	char	  **config_values;
} StblMetadata;

typedef struct StblCommitInfo
{
	int64_t		in_commit_ms;	/* -1: none */
	int64_t		timestamp_ms;	/* -1: none */
	char	   *operation;		/* or NULL */
	char	   *version_id;		/* or NULL */
	char	   *previous;		/* or NULL */
	int			n_decides;
	char	  **decides;
} StblCommitInfo;

typedef struct StblActions
{
	bool		has_commit_info;
	StblCommitInfo commit_info;
	StblProtocol *protocol;		/* or NULL */
	StblMetadata *metadata;		/* or NULL */
	int			n_adds;
	StblAdd    *adds;
	int			n_removes;
	StblRemove *removes;
	int			n_domains;
	StblDomain *domains;
	int			n_txns;
	StblTxnAction *txns;
} StblActions;

/*
 * Parses a version's text: one JSON object a line (a last line without LF
 * allowed, empty lines skipped).  Actions that only matter to others (cdc,
 * unknown names) are passed over; a known action with a missing or
 * mistyped field is CORRUPT, with line and offset.
 */
extern bool stbl_actions_parse(StblMem *mem, const char *data, size_t len, StblActions *out, StblError *err);

/* Each appends one line, LF included.  path is percent-encoded as the protocol asks. */
extern void stbl_write_commit_info(StblBuf *out, const StblCommitInfo *info);
extern void stbl_write_protocol(StblBuf *out, const StblProtocol *protocol);
extern void stbl_write_metadata(StblBuf *out, const StblMetadata *metadata);
extern void stbl_write_add(StblBuf *out, const StblAdd *add);
extern void stbl_write_remove(StblBuf *out, const StblRemove *remove);
extern void stbl_write_domain(StblBuf *out, const StblDomain *domain);
extern void stbl_write_txn(StblBuf *out, const StblTxnAction *txn);

/*
 * A path as actions spell it (a URI) to a name inside the table, and back.
 * One that leads out of the table is CORRUPT; an absolute one is UNSUPPORTED
 * where the file is live, and kept as it is where it was removed.
 */
extern bool stbl_path_decode(StblMem *mem, const char *uri, bool live, char **out, StblError *err);
extern void stbl_path_encode(StblBuf *out, const char *path);

/*
 * Whether every segment is a name: not empty, not "." and not "..".  So are
 * decoded paths, and so is no absolute one that was kept as it is.
 */
extern bool stbl_path_is_inside(const char *path);

extern bool stbl_protocol_has(const StblProtocol *protocol, const char *feature);	/* reader or writer feature */

/* ---- deletion vectors ---- */

/* Text above which a vector is not put inline, in bytes of its bitmap. */
#define STBL_DV_INLINE_MAX 1024

/*
 * The serialized form (RoaringBitmapArray, portable, magic 1681511377) to a
 * 32-bit bitmap and back; positions from 2^32 on are UNSUPPORTED.  CRoaring
 * 0.2.66 has no validation of its own: every container is checked here
 * before the library sees the bytes.  The bitmap is freed by the caller with
 * roaring_bitmap_free.
 */
extern struct roaring_bitmap_s *stbl_dv_decode(const uint8_t *data, size_t len, StblError *err);
extern void stbl_dv_encode(const struct roaring_bitmap_s *bitmap, StblBuf *out);

/* An inline descriptor's bitmap; cardinality checked against the descriptor. */
extern struct roaring_bitmap_s *stbl_dv_decode_inline(StblMem *mem, const StblDv *dv, StblError *err);
extern void stbl_dv_make_inline(StblMem *mem, const uint8_t *serialized, size_t len, int64_t cardinality, StblDv *out);

/*
 * A file of vectors: version byte 1, then for each vector its length (4 bytes
 * big-endian), its bytes and their CRC-32 (big-endian).  begin writes the
 * version byte; add appends one vector and fills the descriptor's offset,
 * size and cardinality (path by set_path).  decode_stored checks length and
 * CRC of the bytes found at [offset, offset + size_bytes + 8).
 */
extern void stbl_dv_file_begin(StblBuf *out);
extern void stbl_dv_file_add(StblBuf *out, const uint8_t *serialized, size_t len, int64_t cardinality, StblDv *dv);
extern void stbl_dv_set_uuid(StblMem *mem, StblDv *dv, const char *uuid_text);	/* storage 'u', z85 of the uuid */
extern struct roaring_bitmap_s *stbl_dv_decode_stored(const StblDv *dv, const uint8_t *data, size_t len, StblError *err);

/* Key of a 'u' vector's file, relative to the root: "[prefix/]deletion_vector_<uuid>.bin". */
extern char *stbl_dv_key(StblMem *mem, const StblDv *dv, StblError *err);

/* As JSON object, in actions, state documents and domains alike. */
extern void stbl_dv_write_json(StblBuf *out, const StblDv *dv);
extern bool stbl_dv_from_json(StblMem *mem, const StblJson *json, StblDv *dv, StblError *err);
extern StblJson *stbl_dv_to_json(StblMem *mem, const StblDv *dv);

/* The same vector: same storage, path and offset. */
extern bool stbl_dv_equal(const StblDv *a, const StblDv *b);

#endif							/* STBL_ACTION_H */
