/*
 * The driver of az:// urls.
 *
 * Each request is one of HTTP, in the service's version named below, signed
 * with the account's key, or sent with a token, or with a shared access
 * signature, which is a part of the url and as secret as a key.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "store/az_int.h"
#include "store/sharedkey.h"

/* Keys with characters that XML cannot hold are listed as they are since 2021-02-12. */
#define SERVICE_VERSION "2021-12-02"

static void
make_list(const StblAzStore *s, const StblRequest *req, StblText *query)
{
	stbl_query_add(query, "restype", "container");
	stbl_query_add(query, "comp", "list");
	/* tells what stands for a folder only */
	stbl_query_add(query, "include", "metadata");
	if (req->list_token != NULL)
		stbl_query_add(query, "marker", req->list_token);
	stbl_query_add_delimiter(query, req);
	stbl_query_add_limit(query, "maxresults", req);
	stbl_query_add_prefix(query, &s->base, req);
}

/* The name of a part: of always the same length, as all of a blob are to have. */
static void
add_block_id(StblText *t, const char *upload_id, int part)
{
	char		name[32];
	unsigned char id[64];
	int			n = snprintf(name, sizeof(name), "%.16s%08d", upload_id, part);

	EVP_EncodeBlock(id, (const unsigned char *) name, n);
	stbl_text_puts(t, (const char *) id);
}

static void
make_step(StblExchange *x)
{
	StblText	id = {0};

	stbl_query_add(&x->query, "comp", x->step == STBL_STEP_PART ? "block" : "blocklist");
	if (x->step != STBL_STEP_PART)
		return;
	add_block_id(&id, x->upload_id, x->part);
	if (!id.failed)
		stbl_query_add(&x->query, "blockid", id.data);
	x->query.failed = x->query.failed || id.failed;
	stbl_text_free(&id);
}

static void
list_part(StblText *body, const char *upload_id, int part, const char *etag)
{
	(void) etag;
	stbl_text_puts(body, "<Latest>");
	add_block_id(body, upload_id, part);
	stbl_text_puts(body, "</Latest>");
}

static void
make_target(StblExchange *x)
{
	const StblAzStore *s = (const StblAzStore *) x->store;

	if (s->is_path_style)
		stbl_text_printf(&x->path, "/%s", s->account);
	stbl_text_printf(&x->path, "/%s", s->container);
	if (x->req->op == STBL_OP_LIST)
		make_list(s, x->req, &x->query);
	else
	{
		stbl_text_puts(&x->path, "/");
		stbl_path_add_object(&x->path, &s->base, x->req);
	}
	if (x->step != STBL_STEP_WHOLE)
		make_step(x);
}

static void
make_url(StblExchange *x)
{
	const StblAzStore *s = (const StblAzStore *) x->store;

	stbl_exchange_url(x, NULL);
	if (s->sas_token != NULL)
	{
		stbl_text_puts(&x->url, x->query.len > 0 ? "&" : "?");
		stbl_text_puts(&x->url, s->sas_token);
	}
}

static bool
sign(StblExchange *x, const StblHeader *headers, int n)
{
	const StblAzStore *s = (const StblAzStore *) x->store;
	StblText	authorization = {0};
	StblSharedKey in = {
		.account = s->account, .key = s->account_key, .method = stbl_http_method_name(x->http.method), .path = x->path.data,
		.query = x->query.len > 0 ? x->query.data : "", .headers = headers, .n_headers = n
	};
	bool		ok = stbl_sharedkey_sign(&in, &authorization);

	if (ok)
		stbl_exchange_header(x, "authorization", authorization.data);
	stbl_text_wipe(&authorization);
	return ok;
}

static bool
make_headers(StblExchange *x)
{
	const StblAzStore *s = (const StblAzStore *) x->store;
	const StblRequest *req = x->req;
	const StblCredentials *fetched = stbl_object_credentials(&s->base);
	StblHeader	headers[STBL_OBJECT_MAX_HEADERS];
	char		date[STBL_HTTP_DATE];
	char		length[32];
	char		range[STBL_RANGE_TEXT];
	int			n = 0;

	if (!stbl_http_date_text(stbl_http_now(), date))
		return false;
	headers[n++] = (StblHeader) {"x-ms-date", date};
	headers[n++] = (StblHeader) {"x-ms-version", SERVICE_VERSION};
	if (x->http.method == STBL_HTTP_PUT && x->step == STBL_STEP_WHOLE)
		headers[n++] = (StblHeader) {"x-ms-blob-type", "BlockBlob"};
	/* one answer decides over all parts, so the condition is no weaker there */
	if (req->op == STBL_OP_PUT_NEW && x->step != STBL_STEP_PART)
		headers[n++] = (StblHeader) {"if-none-match", "*"};
	if (req->op == STBL_OP_PUT_MATCH)
		headers[n++] = (StblHeader) {"if-match", req->etag};
	if (stbl_object_range(req, range) != NULL)
		headers[n++] = (StblHeader) {"range", range};
	for (int i = 0; i < n; i++)
		stbl_exchange_header(x, headers[i].name, headers[i].value);
	if (fetched != NULL)
		return stbl_exchange_bearer(x, fetched->token);
	if (s->account_key == NULL)
		return true;
	/* the library writes it itself, the same */
	snprintf(length, sizeof(length), "%zu", x->http.body_len);
	headers[n++] = (StblHeader) {"content-length", length};
	return sign(x, headers, n);
}

static bool
prepare(StblExchange *x)
{
	if (x->step == STBL_STEP_END)
		x->http.method = STBL_HTTP_PUT;
	make_target(x);
	if (x->path.failed || x->query.failed)
		return false;
	make_url(x);
	return make_headers(x);
}

const StblObjectKind stbl_az_kind = {
	.max_key = 1024,
	.max_put = (size_t) 5000 << 20, /* the service's own limit of one Put Blob */
	.max_parts = 50000,
	.list_root = "BlockList",
	.list_part = list_part,
	.prepare = prepare,
	.meanings = stbl_az_meanings,
	.missing = "BlobNotFound",
	.explain = stbl_az_explain,
	.redact = stbl_az_redact,
	.parse_list = stbl_az_parse_list
};

const StblStoreDriver stbl_az_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "az",
	.server_options = stbl_az_server_options,
	.user_options = stbl_az_user_options,
	.open = stbl_az_open,
	.close = stbl_az_close,
	.submit = stbl_object_submit,
	.drive = stbl_object_drive,
	.cancel = stbl_object_cancel,
	.release = stbl_object_release
};
