/*
 * The driver of gs:// urls: Google Cloud Storage by its JSON API (with HMAC
 * keys, which that does not take, by the XML API: gs_xml.c).
 *
 * A generation, which each content of an object has a new one of, serves as
 * etag: ifGenerationMatch is the one condition that the service promises for
 * writes.  Reads go by the JSON API too, as downloads of the XML API may come
 * out of a cache where an object is readable by everybody.
 */
#include <stdio.h>
#include <string.h>

#include "store/gs_int.h"

#define MAX_NAME 1024
#define MAX_PUT ((size_t) 5 * 1024 * 1024 * 1024)
#define MAX_RESOURCE (UINT64_C(64) * 1024)

/* What is asked of a resource: the rest would be many times as long. */
#define RESOURCE_FIELDS "generation,size,timeCreated"
#define LIST_FIELDS "items(name,size,timeCreated),prefixes,nextPageToken"

/* A generation as its number; an etag that is none belongs to no object there has ever been. */
const char *
stbl_gs_generation(const char *etag)
{
	size_t		len = strlen(etag);

	if (len == 0 || len > 19 || strspn(etag, "0123456789") != len || etag[0] == '0')
		return "1";
	return etag;
}

static void
add_name(StblText *t, const StblGsStore *s, const char *key)
{
	stbl_text_encode(t, s->base.prefix, false);
	stbl_text_encode(t, key, false);
}

static void
ask_list(StblExchange *x)
{
	const StblRequest *req = x->req;

	stbl_query_add_prefix(&x->query, x->store, req);
	stbl_query_add_delimiter(&x->query, req);
	stbl_query_add_limit(&x->query, "maxResults", req);
	if (req->list_token != NULL)
		stbl_query_add(&x->query, "pageToken", req->list_token);
	stbl_query_add(&x->query, "fields", LIST_FIELDS);
}

static void
ask_write(StblExchange *x)
{
	const StblGsStore *s = (const StblGsStore *) x->store;
	const StblRequest *req = x->req;

	stbl_text_puts(&x->query, "uploadType=media&name=");
	add_name(&x->query, s, req->key);
	if (req->op == STBL_OP_PUT_NEW)
		stbl_query_add(&x->query, "ifGenerationMatch", "0");
	else if (req->op == STBL_OP_PUT_MATCH)
		stbl_query_add(&x->query, "ifGenerationMatch", stbl_gs_generation(req->etag));
	stbl_query_add(&x->query, "fields", RESOURCE_FIELDS);
	stbl_exchange_header(x, "content-type", "application/octet-stream");
	x->http.method = STBL_HTTP_POST;
	x->http.max_body = MAX_RESOURCE;
}

static void
ask_object(StblExchange *x)
{
	const StblRequest *req = x->req;
	char		range[STBL_RANGE_TEXT];

	if (x->http.method == STBL_HTTP_HEAD)
	{
		/* size and generation by its resource */
		x->http.method = STBL_HTTP_GET;
		x->http.max_body = MAX_RESOURCE;
		stbl_query_add(&x->query, "fields", RESOURCE_FIELDS);
		return;
	}
	if (req->op == STBL_OP_DELETE)
		return;
	stbl_query_add(&x->query, "alt", "media");
	if (stbl_object_range(req, range) != NULL)
		stbl_exchange_header(x, "range", range);
}

static bool
prepare(StblExchange *x)
{
	const StblGsStore *s = (const StblGsStore *) x->store;
	const StblRequest *req = x->req;
	bool		is_upload = stbl_object_is_write(req->op) && req->op != STBL_OP_DELETE;
	const StblCredentials *fetched = stbl_object_credentials(&s->base);
	const char *token = fetched != NULL ? fetched->token : s->access_token;
	bool		ok;

	stbl_text_printf(&x->path, "%s/storage/v1/b/%s/o", is_upload ? "/upload" : "", s->bucket);
	if (req->op == STBL_OP_LIST)
		ask_list(x);
	else if (is_upload)
		ask_write(x);
	else
	{
		stbl_text_puts(&x->path, "/");
		add_name(&x->path, s, req->key);
		ask_object(x);
	}
	stbl_query_add(&x->query, "prettyPrint", "false");
	ok = token == NULL || stbl_exchange_bearer(x, token);
	if (x->path.failed || x->query.failed)
		return false;
	stbl_exchange_url(x, NULL);
	return ok;
}

/* What differs from a success of other stores: sizes and generations that are told in JSON. */
static bool
take(StblExchange *x)
{
	StblRequest *req = x->req;
	StblHttpRequest *http = &x->http;
	const char *problem;

	if (req->op == STBL_OP_GET || (req->op == STBL_OP_GET_RANGE && req->length > 0))
	{
		/* downloads do not tell when the object was made */
		if (http->modified_us == 0)
			http->modified_us = stbl_gs_time_of(http->etag, http->date_us);
		return false;
	}
	if (req->op == STBL_OP_LIST || req->op == STBL_OP_DELETE)
		return false;
	problem = stbl_gs_parse_resource(http->answer, http->answer_len, req);
	if (problem != NULL)
	{
		stbl_object_fail(req, STBL_ERR_PROTOCOL, problem);
		/* it was a success, whatever it says */
		if (stbl_object_is_write(req->op))
			req->status = STBL_ST_UNKNOWN;
	}
	else if (stbl_object_is_write(req->op) && req->size != req->data_len)
	{
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the object has another size than what was sent");
		req->status = STBL_ST_UNKNOWN;
	}
	else if (req->op == STBL_OP_GET_RANGE)
		stbl_object_empty_range(req);
	else
		req->status = STBL_ST_OK;
	return true;
}

void
stbl_gs_redact(const StblObjectStore *store, char *message)
{
	const StblGsStore *s = (const StblGsStore *) store;

	stbl_redact(message, s->access_token);
	stbl_redact(message, s->secret_access_key);
	stbl_redact(message, s->access_key_id);
}

const StblObjectKind stbl_gs_kind = {
	.max_key = MAX_NAME,
	.max_put = MAX_PUT,
	.etag_header = "x-goog-generation",
	.prepare = prepare,
	.take = take,
	.meanings = stbl_gs_meanings,
	.parse_error = stbl_gs_parse_error,
	.redact = stbl_gs_redact,
	.parse_list = stbl_gs_parse_list
};

const StblStoreDriver stbl_gs_driver = {
	.abi_version = STBL_STORE_ABI_VERSION,
	.size = sizeof(StblStoreDriver),
	.scheme = "gs",
	.server_options = stbl_gs_server_options,
	.user_options = stbl_gs_user_options,
	.open = stbl_gs_open,
	.close = stbl_gs_close,
	.submit = stbl_object_submit,
	.drive = stbl_object_drive,
	.cancel = stbl_object_cancel,
	.release = stbl_object_release
};
