/* What the answer to a request is worth: bodies, ranges, sizes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/object.h"

bool
stbl_object_is_write(StblOp op)
{
	return op == STBL_OP_PUT || op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH || op == STBL_OP_DELETE;
}

void
stbl_object_unanswered(StblRequest *req, const StblExchange *x)
{
	const StblHttpRequest *http = &x->http;

	req->error_kind = http->error_kind;
	snprintf(req->message, sizeof(req->message), "%s", http->message);
	if (x->unsent != STBL_ST_PENDING)
		req->status = x->unsent;
	else if (http->outcome == STBL_HTTP_NOT_SENT)
		req->status = STBL_ST_TRANSIENT;
	else if (stbl_object_is_write(req->op))
		req->status = STBL_ST_UNKNOWN;
	else
		req->status = http->outcome == STBL_HTTP_BAD_ANSWER ? STBL_ST_FAILED : STBL_ST_TRANSIENT;
}

/* The whole object came, as far as can be told. */
static bool
body_is_whole(StblRequest *req, const StblHttpRequest *http)
{
	if (http->is_framed && (!http->has_length || http->content_length == http->answer_len))
		return true;
	req->status = STBL_ST_TRANSIENT;
	req->error_kind = STBL_ERR_CONNECTION;
	snprintf(req->message, sizeof(req->message), "the answer does not say how long it is, or has another length");
	return false;
}

static void
take_body(StblRequest *req, StblHttpRequest *http)
{
	if (http->into == NULL && http->answer == NULL)
		http->answer = calloc(1, 1);
	req->body = http->into != NULL ? http->into : http->answer;
	if (req->body == NULL)
	{
		stbl_object_fail(req, STBL_ERR_MEMORY, "out of memory");
		return;
	}
	req->body_len = http->answer_len;
	if (http->into == NULL)
		http->answer = NULL;
	req->status = STBL_ST_OK;
}

void
stbl_object_fail_short(StblRequest *req, uint64_t size)
{
	req->status = STBL_ST_FAILED;
	req->error_kind = STBL_ERR_CORRUPT;
	snprintf(req->message, sizeof(req->message), "object \"%.300s\" has %" PRIu64 " bytes and ends before byte %" PRIu64,
			 req->key, size, req->length > UINT64_MAX - req->offset ? UINT64_MAX : req->offset + req->length);
}

static void
got_range(StblRequest *req, StblHttpRequest *http)
{
	uint64_t	total = http->range_total;

	req->size = total;
	if (http->status == 200 && !http->has_range)
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the store ignores ranges and sends the whole object");
	else if (http->status == 206 && http->has_length && http->content_length == 0 && total <= req->offset)
		stbl_object_fail_short(req, total); /* what one emulator says for 416 */
	else if (!http->has_range || http->range_first != req->offset || http->range_last < http->range_first ||
			 http->range_last - http->range_first >= req->length)
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the answer holds another range than was asked for");
	else if (http->range_last - http->range_first + 1 < req->length)
	{
		if (total == http->range_last + 1)
			stbl_object_fail_short(req, total);
		else
			stbl_object_fail(req, STBL_ERR_PROTOCOL, "the answer holds another range than was asked for");
	}
	else if (!body_is_whole(req, http))
		return;
	else if (http->answer_len != req->length)
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the answer has another length than its range");
	else
		take_body(req, http);
}

void
stbl_object_empty_range(StblRequest *req)
{
	if (req->offset > req->size)
		stbl_object_fail_short(req, req->size);
	else if ((req->body = calloc(1, 1)) == NULL)
		stbl_object_fail(req, STBL_ERR_MEMORY, "out of memory");
	else
		req->status = STBL_ST_OK;
}

static void
got_head(StblRequest *req, const StblHttpRequest *http)
{
	req->size = http->content_length;
	if (!http->has_length)
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the answer does not tell the object's size");
	else if (req->op == STBL_OP_GET_RANGE)
		stbl_object_empty_range(req);
	else
		req->status = STBL_ST_OK;
}

static void
got_success(StblExchange *x)
{
	StblRequest *req = x->req;
	StblHttpRequest *http = &x->http;
	const char *problem;

	if (x->store->kind->take != NULL && x->store->kind->take(x))
		return;
	memcpy(req->new_etag, http->etag, sizeof(req->new_etag));
	req->modified_us = http->modified_us;
	switch (req->op)
	{
		case STBL_OP_GET:
			if (!body_is_whole(req, http))
				break;
			take_body(req, http);
			req->size = req->body_len;
			break;
		case STBL_OP_GET_RANGE:
			if (req->length == 0)
				got_head(req, http);
			else
				got_range(req, http);
			break;
		case STBL_OP_HEAD:
			got_head(req, http);
			break;
		case STBL_OP_PUT:
		case STBL_OP_PUT_NEW:
		case STBL_OP_PUT_MATCH:
			req->size = req->data_len;
			req->status = STBL_ST_OK;
			break;
		case STBL_OP_DELETE:
			req->status = STBL_ST_OK;
			break;
		case STBL_OP_LIST:
			problem = x->store->kind->parse_list(http->answer, http->answer_len, x->store->prefix, req);
			if (problem != NULL)
				stbl_object_fail(req, STBL_ERR_PROTOCOL, problem);
			else
				req->status = STBL_ST_OK;
			break;
	}
	if (req->status == STBL_ST_OK && http->etag_too_long)
		stbl_object_fail(req, STBL_ERR_PROTOCOL, "the object's etag is too long");
}

void
stbl_object_answered(StblExchange *x)
{
	StblRequest *req = x->req;
	StblHttpRequest *http = &x->http;

	req->store_time_us = http->date_us;
	if (http->outcome != STBL_HTTP_ANSWERED)
		stbl_object_unanswered(req, x);
	else if (http->status == 416 && req->op == STBL_OP_GET_RANGE)
		stbl_object_fail_short(req, http->range_total);
	else if (http->status >= 200 && http->status < 300)
		got_success(x);
	else
		stbl_object_judge(req, http, x->store);
}
