/*
 * Google Cloud Storage by its XML API, for HMAC keys: as S3 is spoken to, with
 * Google's names in signatures, and generations as conditions.
 *
 * Objects are written so that no cache keeps them: a download of the XML API
 * may come out of one where everybody may read an object.
 */
#include <stdio.h>
#include <string.h>

#include "store/gs_int.h"
#include "store/s3_int.h"
#include "store/sigv4.h"

static void
make_target(StblExchange *x)
{
	const StblGsStore *s = (const StblGsStore *) x->store;
	const StblRequest *req = x->req;

	stbl_text_printf(&x->path, "/%s", s->bucket);
	if (req->op == STBL_OP_LIST)
		stbl_s3_make_list(&s->base, req, &x->query);
	else
	{
		stbl_text_puts(&x->path, "/");
		stbl_path_add_object(&x->path, &s->base, req);
	}
	stbl_exchange_url(x, NULL);
}

static bool
prepare(StblExchange *x)
{
	const StblGsStore *s = (const StblGsStore *) x->store;
	const StblRequest *req = x->req;
	StblHeader	headers[STBL_OBJECT_MAX_HEADERS];
	StblText	authorization = {0};
	char		date[STBL_SIGV4_TIME];
	char		hash[STBL_SHA256_HEX];
	char		range[STBL_RANGE_TEXT];
	int			n = 0;
	bool		ok;
	StblSigv4	in = {
		.access_key_id = s->access_key_id, .secret_access_key = s->secret_access_key, .region = "auto", .service = "storage",
		.amz_date = date, .is_google = true, .method = stbl_http_method_name(x->http.method), .headers = headers, .payload_hash = hash
	};

	make_target(x);
	if (x->path.failed || x->query.failed || !stbl_sigv4_time(stbl_http_now(), date) ||
		!stbl_sha256(x->http.body, x->http.body_len, hash))
		return false;
	in.path = x->path.data;
	in.query = x->query.len > 0 ? x->query.data : "";
	if (x->http.method == STBL_HTTP_PUT)
		headers[n++] = (StblHeader) {"cache-control", "no-store"};
	if (req->op == STBL_OP_PUT_NEW)
		headers[n++] = (StblHeader) {"x-goog-if-generation-match", "0"};
	if (req->op == STBL_OP_PUT_MATCH)
		headers[n++] = (StblHeader) {"x-goog-if-generation-match", stbl_gs_generation(req->etag)};
	if (stbl_object_range(req, range) != NULL)
		headers[n++] = (StblHeader) {"range", range};
	headers[n++] = (StblHeader) {"x-goog-date", date};
	headers[n++] = (StblHeader) {"x-goog-content-sha256", hash};
	/* the library writes the host itself, the same */
	headers[n] = (StblHeader) {"host", s->base.endpoint.host};
	in.n_headers = n + 1;
	ok = stbl_sigv4_sign(&in, &authorization);
	for (int i = 0; i < n && ok; i++)
		stbl_exchange_header(x, headers[i].name, headers[i].value);
	if (ok)
		stbl_exchange_header(x, "authorization", authorization.data);
	stbl_text_wipe(&authorization);
	return ok;
}

static const StblMeaning meanings[] = {
	{"NoSuchBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket, or correct the server's url or endpoint"},
	{"AccessDenied", STBL_ST_FAILED, STBL_ERR_DENIED, "the account of these keys has no right to do this"},
	{"InvalidSecurity", STBL_ST_FAILED, STBL_ERR_AUTH, "correct access_key_id and secret_access_key in the user mapping"},
	{"InvalidAccessKeyId", STBL_ST_FAILED, STBL_ERR_AUTH, "correct access_key_id in the user mapping"},
	{"SignatureDoesNotMatch", STBL_ST_FAILED, STBL_ERR_AUTH, "correct secret_access_key in the user mapping"},
	{"RequestTimeTooSkewed", STBL_ST_FAILED, STBL_ERR_STATE, "the clocks of this machine and of the store differ too much: set them"},
	{"UserProjectMissing", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "buckets whose readers pay are not supported"},
	{"EntityTooLarge", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"SlowDown", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"OperationAborted", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{NULL, STBL_ST_FAILED, STBL_ERR_NONE, NULL}
};

const StblObjectKind stbl_gs_xml_kind = {
	.max_key = 1024,
	.max_put = (size_t) 5 << 30,
	.etag_header = "x-goog-generation",
	.prepare = prepare,
	.meanings = meanings,
	.missing = "NoSuchKey",
	.redact = stbl_gs_redact,
	.parse_list = stbl_s3_parse_list
};
