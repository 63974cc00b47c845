/* What Google Cloud Storage answers: resources, listings, errors; pure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "store/gs_int.h"
#include "store/jsonread.h"
#include "store/object_list.h"

#define MAX_TOKEN 8192
#define MAX_NAME 4096

/* 2010-01-01, before the service was there; and a day, more than any clock is off. */
#define FIRST_TIME_US (INT64_C(1262304000) * 1000000)
#define DAY_US (INT64_C(86400) * 1000000)

/* ---- resources ---- */

static bool
read_time(const StblJsonRead *r, int64_t *us)
{
	return stbl_time_parse(r->text, r->text_len, us);
}

const char *
stbl_gs_parse_resource(const uint8_t *data, size_t len, StblRequest *req)
{
	StblJsonRead r;
	uint64_t	generation = 0;
	bool		has_size = false;

	stbl_jsonread_init(&r, (const char *) data, len);
	if (stbl_jsonread_next(&r) != STBL_JSONREAD_OBJECT)
		return "the answer is no object's resource";
	for (;;)
		switch (stbl_jsonread_next(&r))
		{
			case STBL_JSONREAD_STRING:
			case STBL_JSONREAD_NUMBER:
				if (r.depth != 1)
					break;
				if (stbl_jsonread_is(&r, "generation"))
				{
					if (!stbl_jsonread_count(&r, &generation))
						return "the object's generation is no number";
				}
				else if (stbl_jsonread_is(&r, "size"))
				{
					if (!stbl_jsonread_count(&r, &req->size))
						return "the object's size is no number";
					has_size = true;
				}
				else if (stbl_jsonread_is(&r, "timeCreated") && !read_time(&r, &req->modified_us))
					return "the object's time is none";
				break;
			case STBL_JSONREAD_DONE:
				if (generation == 0 || !has_size)
					return "the answer does not tell the object's generation and size";
				snprintf(req->new_etag, sizeof(req->new_etag), "%" PRIu64, generation);
				return NULL;
			case STBL_JSONREAD_ERROR:
				return "the answer is no whole JSON";
			default:
				break;
		}
}

int64_t
stbl_gs_time_of(const char *generation, int64_t date_us)
{
	int64_t		us = 0;

	/* digits only, few enough to fit */
	if (strlen(generation) <= 18 && strspn(generation, "0123456789") == strlen(generation))
		us = (int64_t) strtoll(generation, NULL, 10);
	if (us >= FIRST_TIME_US && (date_us == 0 || us <= date_us + DAY_US))
		return us;
	return date_us;
}

/* ---- listings ---- */

typedef struct ListReader
{
	StblJsonRead json;
	StblRequest *req;
	const char *store_prefix;
	size_t		cap;			/* of the entries */
	StblListEntry entry;		/* at hand */
	const char *problem;
} ListReader;

static bool
give_up(ListReader *r, const char *problem)
{
	r->problem = problem;
	return false;
}

/* A copy of the string at hand, decoded. */
static char *
take_text(ListReader *r, size_t max)
{
	char	   *text = r->json.text_len <= max * 6 ? malloc(r->json.text_len + 1) : NULL;
	long		n = text != NULL ? stbl_jsonread_text(&r->json, text) : -1;

	if (n >= 0 && (size_t) n <= max)
		return text;
	free(text);
	give_up(r, "the listing holds a text that is broken or too long");
	return NULL;
}

/*
 * Takes the entry at hand, its key being the whole name: what consoles make
 * to show a folder is no object of ours.
 */
static bool
add_entry(ListReader *r, bool is_folder)
{
	StblRequest *req = r->req;
	char	   *key = r->entry.key;
	size_t		skip = strlen(r->store_prefix);
	size_t		len;

	if (key == NULL)
		return give_up(r, "the listing has an entry without a name");
	if (strncmp(key, r->store_prefix, skip) != 0 || strncmp(key + skip, req->key, strlen(req->key)) != 0)
		return give_up(r, "a key of the listing is not under the prefix that was asked for");
	len = strlen(key) - skip;
	if (is_folder && (len == 0 || key[skip + len - 1] != '/'))
		return give_up(r, "a folder of the listing does not end in a slash");
	if (!is_folder && (len == 0 || key[skip + len - 1] == '/'))
	{
		free(key);
		r->entry.key = NULL;
		return true;
	}
	memmove(key, key + skip, len + 1);
	r->entry.is_folder = is_folder;
	if (!stbl_list_append(req, &r->cap, &r->entry))
		return give_up(r, "out of memory");
	r->entry.key = NULL;
	return true;
}

/* A string or number of an item. */
static bool
read_field(ListReader *r)
{
	if (stbl_jsonread_is(&r->json, "name"))
	{
		free(r->entry.key);
		r->entry.key = take_text(r, MAX_NAME);
		return r->entry.key != NULL;
	}
	if (stbl_jsonread_is(&r->json, "size") && !stbl_jsonread_count(&r->json, &r->entry.size))
		return give_up(r, "a size of the listing is no number");
	if (stbl_jsonread_is(&r->json, "timeCreated") && !read_time(&r->json, &r->entry.modified_us))
		return give_up(r, "a time of the listing is none");
	return true;
}

static bool
read_listing(ListReader *r)
{
	enum {OTHER, ITEMS, PREFIXES} list = OTHER;

	if (stbl_jsonread_next(&r->json) != STBL_JSONREAD_OBJECT)
		return give_up(r, "the answer is no listing");
	for (;;)
		switch (stbl_jsonread_next(&r->json))
		{
			case STBL_JSONREAD_ARRAY:
				if (r->json.depth == 2)
					list = stbl_jsonread_is(&r->json, "items") ? ITEMS : stbl_jsonread_is(&r->json, "prefixes") ? PREFIXES : OTHER;
				break;
			case STBL_JSONREAD_OBJECT:
				if (r->json.depth == 2)
					list = OTHER;
				else if (r->json.depth == 3 && list == ITEMS)
				{
					free(r->entry.key);
					memset(&r->entry, 0, sizeof(r->entry));
				}
				break;
			case STBL_JSONREAD_END:
				if (r->json.depth == 2 && list == ITEMS && !add_entry(r, false))
					return false;
				break;
			case STBL_JSONREAD_STRING:
			case STBL_JSONREAD_NUMBER:
				if (r->json.depth == 3 && list == ITEMS)
				{
					if (!read_field(r))
						return false;
				}
				else if (r->json.depth == 2 && list == PREFIXES)
				{
					free(r->entry.key);
					memset(&r->entry, 0, sizeof(r->entry));
					r->entry.key = take_text(r, MAX_NAME);
					if (r->entry.key == NULL || !add_entry(r, true))
						return false;
				}
				else if (r->json.depth == 1 && stbl_jsonread_is(&r->json, "nextPageToken"))
				{
					free(r->req->list_next);
					r->req->list_next = take_text(r, MAX_TOKEN);
					if (r->req->list_next == NULL)
						return false;
				}
				break;
			case STBL_JSONREAD_LITERAL:
				break;
			case STBL_JSONREAD_DONE:
				return true;
			case STBL_JSONREAD_ERROR:
				return give_up(r, "the listing is no whole JSON");
		}
}

const char *
stbl_gs_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req)
{
	ListReader	r;

	memset(&r, 0, sizeof(r));
	r.req = req;
	r.store_prefix = store_prefix;
	stbl_jsonread_init(&r.json, (const char *) data, len);
	if (!read_listing(&r))
		stbl_object_free_list(req);
	free(r.entry.key);
	/* an empty token is none */
	if (req->list_next != NULL && req->list_next[0] == '\0')
	{
		free(req->list_next);
		req->list_next = NULL;
	}
	return r.problem;
}

/* ---- errors ---- */

/* A text into a field that is cut at its end. */
static void
take_field(char *field, size_t size, const StblJsonRead *r)
{
	char	   *text = malloc(r->text_len + 1);

	if (text != NULL && stbl_jsonread_text(r, text) >= 0)
		snprintf(field, size, "%s", text);
	free(text);
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* {"error": {"message": "...", "errors": [{"reason": "..."}]}}, as far as it is that. */
static bool
parse_json_error(const StblHttpRequest *http, StblObjectError *err)
{
	StblJsonRead r;
	bool		in_error = false;

	stbl_jsonread_init(&r, (const char *) http->answer, http->answer_len);
	if (stbl_jsonread_next(&r) != STBL_JSONREAD_OBJECT)
		return false;
	for (;;)
		switch (stbl_jsonread_next(&r))
		{
			case STBL_JSONREAD_OBJECT:
				if (r.depth == 2)
					in_error = stbl_jsonread_is(&r, "error");
				break;
			case STBL_JSONREAD_STRING:
				if (in_error && r.depth == 2 && stbl_jsonread_is(&r, "message"))
					take_field(err->message, sizeof(err->message), &r);
				else if (in_error && r.depth == 4 && err->code[0] == '\0' && stbl_jsonread_is(&r, "reason"))
					take_field(err->code, sizeof(err->code), &r);
				break;
			case STBL_JSONREAD_DONE:
			case STBL_JSONREAD_ERROR:
				/* what was read before the break is still worth telling */
				return true;
			default:
				break;
		}
}

void
stbl_gs_parse_error(const StblHttpRequest *http, StblObjectError *err)
{
	memset(err, 0, sizeof(*err));
	/* errors of downloads are bare text */
	if (!parse_json_error(http, err) && http->answer_len > 0 && http->answer[0] != '<')
		snprintf(err->message, sizeof(err->message), "%.*s",
				 http->answer_len < sizeof(err->message) ? (int) http->answer_len : (int) sizeof(err->message) - 1,
				 (const char *) http->answer);
	stbl_clean_message(err->code);
	stbl_clean_message(err->message);
	/* what only the text tells apart gets a code of its own */
	if (http->status == 404 && begins(err->message, "The specified bucket does not exist"))
		snprintf(err->code, sizeof(err->code), "noBucket");
	else if (http->status == 401 && begins(err->message, "Anonymous caller"))
		snprintf(err->code, sizeof(err->code), "anonymous");
	else if (http->status == 400 && strstr(err->message, "requester pays") != NULL)
		snprintf(err->code, sizeof(err->code), "requesterPays");
}

const StblMeaning stbl_gs_meanings[] = {
	{"noBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket, or correct the server's url or endpoint"},
	{"anonymous", STBL_ST_FAILED, STBL_ERR_DENIED, "the request was anonymous: the role has no user mapping with credentials"},
	{"requesterPays", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "buckets whose readers pay are not supported"},
	{"authError", STBL_ST_FAILED, STBL_ERR_AUTH, "the credentials are wrong or have expired: put new ones into the user mapping"},
	{"insufficientPermissions", STBL_ST_FAILED, STBL_ERR_DENIED, "the token was made for a narrower scope than devstorage.read_write"},
	{"accessNotConfigured", STBL_ST_FAILED, STBL_ERR_DENIED, "the project has the storage API switched off"},
	{"accountDisabled", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"retentionPolicyNotMet", STBL_ST_FAILED, STBL_ERR_DENIED, "the bucket's retention policy forbids it; tables need a bucket without one"},
	{"objectUnderActiveHold", STBL_ST_FAILED, STBL_ERR_DENIED, "the object is held; tables need objects without holds"},
	{"rateLimitExceeded", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"userRateLimitExceeded", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"quotaExceeded", STBL_ST_FAILED, STBL_ERR_FULL, NULL},
	{"uploadTooLarge", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"conflict", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},	/* L40: not "exists" */
	{NULL, STBL_ST_FAILED, STBL_ERR_NONE, NULL}
};
