/*
 * The driver of s3:// urls.
 *
 * Each request is one of HTTP, signed here.  Conditions are part of what is
 * signed, so that nothing on the way can take them off.
 */
#include <stdio.h>
#include <string.h>

#include "store/s3_int.h"

/* What is asked of a listing; Google's XML API has it from here too. */
void
stbl_s3_make_list(const StblObjectStore *store, const StblRequest *req, StblText *query)
{
	if (req->list_token != NULL)
		stbl_query_add(query, "continuation-token", req->list_token);
	stbl_query_add_delimiter(query, req);
	stbl_query_add(query, "encoding-type", "url");
	stbl_query_add(query, "list-type", "2");
	stbl_query_add_limit(query, "max-keys", req);
	stbl_query_add_prefix(query, store, req);
}

static void
make_target(StblExchange *x)
{
	const StblS3Store *s = (const StblS3Store *) x->store;
	const StblRequest *req = x->req;
	char		number[16];

	stbl_text_puts(&x->path, "/");
	if (s->is_path_style)
	{
		stbl_text_encode(&x->path, s->bucket, false);
		if (req->op != STBL_OP_LIST)
			stbl_text_puts(&x->path, "/");
	}
	if (req->op != STBL_OP_LIST)
		stbl_path_add_object(&x->path, &s->base, req);
	else
		stbl_s3_make_list(&s->base, req, &x->query);
	if (x->step == STBL_STEP_BEGIN)
		stbl_query_add(&x->query, "uploads", "");
	else if (x->step != STBL_STEP_WHOLE)
	{
		if (x->step == STBL_STEP_PART)
		{
			snprintf(number, sizeof(number), "%d", x->part);
			stbl_query_add(&x->query, "partNumber", number);
		}
		stbl_query_add(&x->query, "uploadId", x->upload_id);
	}
	stbl_exchange_url(x, s->is_path_style ? NULL : s->bucket);
}

/* Fills the headers, with the signature where there are credentials. */
static bool
make_headers(StblExchange *x)
{
	const StblS3Store *s = (const StblS3Store *) x->store;
	const StblRequest *req = x->req;
	const StblCredentials *fetched = stbl_object_credentials(&s->base);
	const char *access_key_id = fetched != NULL ? fetched->access_key_id : s->access_key_id;
	const char *session_token = fetched != NULL ? fetched->session_token : s->session_token;
	StblHeader	headers[STBL_OBJECT_MAX_HEADERS];
	StblText	host = {0};
	StblText	authorization = {0};
	char		date[STBL_SIGV4_TIME];
	char		hash[STBL_SHA256_HEX];
	char		range[STBL_RANGE_TEXT];
	int			n = 0;
	bool		ok = true;

	if (req->op == STBL_OP_PUT_NEW && x->step == STBL_STEP_WHOLE)
		headers[n++] = (StblHeader) {"if-none-match", "*"};
	if (req->op == STBL_OP_PUT_MATCH)
		headers[n++] = (StblHeader) {"if-match", req->etag};
	if (stbl_object_range(req, range) != NULL)
		headers[n++] = (StblHeader) {"range", range};
	/* the library has one of its own for it */
	if (x->http.method == STBL_HTTP_POST)
		headers[n++] = (StblHeader) {"content-type", x->step == STBL_STEP_BEGIN ? "binary/octet-stream" : "application/xml"};
	if (access_key_id != NULL)
	{
		StblSigv4	in = {
			.access_key_id = access_key_id,
			.secret_access_key = fetched != NULL ? fetched->secret_access_key : s->secret_access_key,
			.region = s->region, .service = "s3", .amz_date = date,
			.method = stbl_http_method_name(x->http.method), .path = x->path.data,
			.query = x->query.len > 0 ? x->query.data : "", .headers = headers, .payload_hash = hash
		};

		stbl_text_printf(&host, "%s%s%s", s->is_path_style ? "" : s->bucket, s->is_path_style ? "" : ".", s->base.endpoint.host);
		ok = !host.failed && stbl_sigv4_time(stbl_http_now(), date) && stbl_sha256(x->http.body, x->http.body_len, hash);
		if (ok)
		{
			headers[n++] = (StblHeader) {"x-amz-date", date};
			headers[n++] = (StblHeader) {"x-amz-content-sha256", hash};
			if (session_token != NULL)
				headers[n++] = (StblHeader) {"x-amz-security-token", session_token};
			headers[n] = (StblHeader) {"host", host.data};
			in.n_headers = n + 1;
			ok = stbl_sigv4_sign(&in, &authorization);
		}
		/* the library writes the host itself, the same */
		if (ok)
			headers[n++] = (StblHeader) {"authorization", authorization.data};
	}
	for (int i = 0; i < n && ok; i++)
		stbl_exchange_header(x, headers[i].name, headers[i].value);
	stbl_text_free(&host);
	stbl_text_wipe(&authorization);
	return ok;
}

static void
list_part(StblText *body, const char *upload_id, int part, const char *etag)
{
	(void) upload_id;
	stbl_text_printf(body, "<Part><PartNumber>%d</PartNumber><ETag>", part);
	stbl_text_xml(body, etag);
	stbl_text_puts(body, "</ETag></Part>");
}

static bool
prepare(StblExchange *x)
{
	make_target(x);
	return !x->path.failed && !x->query.failed && make_headers(x);
}

const StblObjectKind stbl_s3_kind = {
	.max_key = 1024,
	.max_put = (size_t) 5 << 30,	/* S3's own limit of a single PUT */
	.max_parts = 10000,
	.begin_root = "InitiateMultipartUploadResult",
	.end_root = "CompleteMultipartUploadResult",
	.has_abort = true,
	.list_root = "CompleteMultipartUpload",
	.list_part = list_part,
	.prepare = prepare,
	.meanings = stbl_s3_meanings,
	.missing = "NoSuchKey",
	.explain = stbl_s3_explain,
	.redact = stbl_s3_redact,
	.parse_list = stbl_s3_parse_list
};

const StblStoreDriver stbl_s3_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "s3",
	.server_options = stbl_s3_server_options,
	.user_options = stbl_s3_user_options,
	.open = stbl_s3_open,
	.close = stbl_s3_close,
	.submit = stbl_object_submit,
	.drive = stbl_object_drive,
	.cancel = stbl_object_cancel,
	.release = stbl_object_release
};
