/* Shared by the files of the driver of Google Cloud Storage only. */
#ifndef STBL_GS_INT_H
#define STBL_GS_INT_H

#include "store/gs.h"
#include "store/object.h"

#define STBL_GS_MAX_BUCKET 222

typedef struct StblGsStore
{
	StblObjectStore base;		/* must be first */
	char		bucket[STBL_GS_MAX_BUCKET + 1];
	char	   *access_token;	/* NULL: none */
	char	   *access_key_id;	/* of HMAC; NULL: none */
	char	   *secret_access_key;
} StblGsStore;

/* gs_open.c */
extern void *stbl_gs_open(const char *url, const StblStoreOption *options, int n_options,
						  char **canonical, int *error_kind, char *message, size_t message_size);
extern void stbl_gs_close(void *store);
extern const char *const stbl_gs_server_options[];
extern const char *const stbl_gs_user_options[];

/* gs.c */
extern const StblObjectKind stbl_gs_kind;
extern const char *stbl_gs_generation(const char *etag);
extern void stbl_gs_redact(const StblObjectStore *store, char *message);

/* gs_xml.c */
extern const StblObjectKind stbl_gs_xml_kind;

/* gs_answer.c: pure. */

/* Takes generation, size and time of an object's resource into a request; why not, or NULL. */
extern const char *stbl_gs_parse_resource(const uint8_t *data, size_t len, StblRequest *req);
extern const char *stbl_gs_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req);
extern void stbl_gs_parse_error(const StblHttpRequest *http, StblObjectError *err);

/* When an object was made, by its generation; without one that can tell, by the store's clock at the answer. */
extern int64_t stbl_gs_time_of(const char *generation, int64_t date_us);

extern const StblMeaning stbl_gs_meanings[];

#endif							/* STBL_GS_INT_H */
