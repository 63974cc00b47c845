/* Shared by the files of the S3 driver only. */
#ifndef STBL_S3_INT_H
#define STBL_S3_INT_H

#include "store/endpoint.h"
#include "store/http.h"
#include "store/s3.h"
#include "store/sigv4.h"

typedef struct StblS3Store
{
	StblEndpoint endpoint;
	char		bucket[64];
	char	   *prefix;			/* empty, or with a slash at its end */
	bool		is_path_style;
	bool		use_proxy;
	char		region[64];
	char	   *ca_file;		/* NULL: the system's */
	char	   *access_key_id;	/* NULL: anonymous */
	char	   *secret_access_key;
	char	   *session_token;	/* NULL: none */
	int64_t		hold_until_us;	/* the store asked to be left alone until then */
} StblS3Store;

/* s3_open.c */
extern void *stbl_s3_open(const char *url, const StblStoreOption *options, int n_options,
						  char **canonical, int *error_kind, char *message, size_t message_size);
extern void stbl_s3_close(void *store);
extern const char *const stbl_s3_server_options[];
extern const char *const stbl_s3_user_options[];

/* s3_answer.c: pure. */

/* The <Error> of an answer, as far as it is one. */
typedef struct StblS3Error
{
	char		code[64];		/* empty: not told */
	char		message[200];
	char		region[64];
} StblS3Error;

extern void stbl_s3_parse_error(const uint8_t *data, size_t len, StblS3Error *err);

/* Why a listing could not be read; NULL: it was. */
extern const char *stbl_s3_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);

/* Frees entries and list_next. */
extern void stbl_s3_free_list(StblRequest *req);

/*
 * What an answer that is no success means for the request: fills status,
 * error_kind and message.
 */
extern void stbl_s3_judge(StblRequest *req, const StblHttpRequest *http, const StblS3Store *store);

#endif							/* STBL_S3_INT_H */
