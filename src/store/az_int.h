/* Shared by the files of the Azure driver only. */
#ifndef STBL_AZ_INT_H
#define STBL_AZ_INT_H

#include "store/az.h"
#include "store/object.h"

typedef struct StblAzStore
{
	StblObjectStore base;		/* must be first */
	char		container[64];
	char		account[25];
	bool		is_path_style;	/* the account is the first part of the path, not of the host's name */
	char	   *account_key;	/* base64; NULL: none */
	char	   *sas_token;		/* without its "?"; NULL: none */
	char	   *sas_signature;	/* that part of it which is the secret, decoded and not */
	char	   *sas_signature_sent;
} StblAzStore;

/* az.c */
extern const StblObjectKind stbl_az_kind;

/* az_open.c */
extern void *stbl_az_open(const char *url, const StblStoreOption *options, int n_options,
						  char **canonical, int *error_kind, char *message, size_t message_size);
extern void stbl_az_close(void *store);
extern const char *const stbl_az_server_options[];
extern const char *const stbl_az_user_options[];

/* az_answer.c: pure. */
extern const StblMeaning stbl_az_meanings[];
extern void stbl_az_explain(const StblObjectStore *store, const StblObjectError *err, const StblHttpRequest *http,
							StblMeaning *meaning, char *more, size_t size);
extern void stbl_az_redact(const StblObjectStore *store, char *message);
extern const char *stbl_az_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);

#endif							/* STBL_AZ_INT_H */
