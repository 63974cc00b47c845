/* Shared by the files of the S3 driver; its listings also by gs_xml.c. */
#ifndef STBL_S3_INT_H
#define STBL_S3_INT_H

#include "store/object.h"
#include "store/s3.h"
#include "store/sigv4.h"

typedef struct StblS3Store
{
	StblObjectStore base;		/* must be first */
	char		bucket[64];
	bool		is_path_style;
	char		region[64];
	char	   *access_key_id;	/* NULL: anonymous */
	char	   *secret_access_key;
	char	   *session_token;	/* NULL: none */
} StblS3Store;

/* s3.c */
extern const StblObjectKind stbl_s3_kind;
extern void stbl_s3_make_list(const StblObjectStore *store, const StblRequest *req, StblText *query);

/* s3_open.c */
extern void *stbl_s3_open(const char *url, const StblStoreOption *options, int n_options,
						  char **canonical, int *error_kind, char *message, size_t message_size);
extern void stbl_s3_close(void *store);
extern const char *const stbl_s3_server_options[];
extern const char *const stbl_s3_user_options[];

/* s3_answer.c: pure. */
extern const StblMeaning stbl_s3_meanings[];
extern void stbl_s3_explain(const StblObjectStore *store, const StblObjectError *err, const StblHttpRequest *http,
							StblMeaning *meaning, char *more, size_t size);
extern void stbl_s3_redact(const StblObjectStore *store, char *message);
extern const char *stbl_s3_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);

#endif							/* STBL_S3_INT_H */
