/* What an S3 store answers: listings, errors, and what those mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/error.h"
#include "store/s3_int.h"
#include "store/xml.h"

#define MAX_TOKEN 8192
#define MAX_KEY 4096

/* ---- errors ---- */

/* Adds the text at hand to a field that is cut at its end. */
static void
add_text(char *field, size_t size, const StblXml *xml)
{
	size_t		have = strlen(field);
	char	   *decoded = malloc(xml->text_len + 1);
	long		n = decoded != NULL ? stbl_xml_text(xml, decoded) : -1;

	if (n > 0)
	{
		size_t		len = (size_t) n < size - 1 - have ? (size_t) n : size - 1 - have;

		memcpy(field + have, decoded, len);
		field[have + len] = '\0';
	}
	free(decoded);
}

void
stbl_s3_parse_error(const uint8_t *data, size_t len, StblS3Error *err)
{
	StblXml		xml;
	char	   *field = NULL;
	size_t		size = 0;
	bool		is_error = false;

	memset(err, 0, sizeof(*err));
	stbl_xml_init(&xml, (const char *) data, len);
	for (;;)
		switch (stbl_xml_next(&xml))
		{
			case STBL_XML_START:
				if (xml.depth == 1)
					is_error = stbl_xml_is(&xml, "Error");
				field = NULL;
				if (!is_error || xml.depth != 2)
					break;
				if (stbl_xml_is(&xml, "Code"))
					field = err->code, size = sizeof(err->code);
				else if (stbl_xml_is(&xml, "Message"))
					field = err->message, size = sizeof(err->message);
				else if (stbl_xml_is(&xml, "Region"))
					field = err->region, size = sizeof(err->region);
				break;
			case STBL_XML_TEXT:
				if (field != NULL)
					add_text(field, size, &xml);
				break;
			case STBL_XML_END:
				field = NULL;
				break;
			case STBL_XML_DONE:
			case STBL_XML_ERROR:
				/* what was read before the break is still worth telling */
				stbl_clean_message(err->code);
				stbl_clean_message(err->message);
				stbl_clean_message(err->region);
				return;
		}
}

typedef struct Meaning
{
	const char *code;
	StblStatus	status;
	StblErrorKind kind;
	const char *advice;			/* may be NULL */
} Meaning;

/* Codes that decide; all others go by the number of the answer. */
static const Meaning meanings[] = {
	{"NoSuchBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket, or correct the server's url, endpoint or region"},
	{"AccessDenied", STBL_ST_FAILED, STBL_ERR_DENIED, "the store knows no right of these credentials to do this (an anonymous request, where the role has no user mapping)"},
	{"AllAccessDisabled", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"AccountProblem", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"InvalidAccessKeyId", STBL_ST_FAILED, STBL_ERR_AUTH, "correct access_key_id in the user mapping"},
	{"SignatureDoesNotMatch", STBL_ST_FAILED, STBL_ERR_AUTH, "correct secret_access_key in the user mapping, or the option region of the server"},
	{"ExpiredToken", STBL_ST_FAILED, STBL_ERR_AUTH, "the credentials have expired: put new ones into the user mapping"},
	{"InvalidToken", STBL_ST_FAILED, STBL_ERR_AUTH, "correct session_token in the user mapping"},
	{"RequestTimeTooSkewed", STBL_ST_FAILED, STBL_ERR_STATE, "the clocks of this machine and of the store differ too much: set them"},
	{"RequestExpired", STBL_ST_FAILED, STBL_ERR_STATE, "the clocks of this machine and of the store differ too much: set them"},
	{"AuthorizationHeaderMalformed", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the option region of the server"},
	{"PermanentRedirect", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the options region and endpoint of the server"},
	{"TemporaryRedirect", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the options region and endpoint of the server"},
	{"IllegalLocationConstraintException", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the options region and endpoint of the server"},
	{"InvalidBucketName", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the server's url"},
	{"KeyTooLongError", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"EntityTooLarge", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"QuotaExceeded", STBL_ST_FAILED, STBL_ERR_FULL, NULL},
	{"NotImplemented", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "the store lacks what tables on it need; see supertable_storage_probe()"},
	{"ConditionalRequestConflict", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},	/* L40: not "exists" */
	{"OperationAborted", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"RequestTimeout", STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, NULL},	/* it did not get the body */
	{"BadDigest", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"XAmzContentSHA256Mismatch", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"IncompleteBody", STBL_ST_TRANSIENT, STBL_ERR_CONNECTION, NULL},
	{"SlowDown", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"TooManyRequests", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
};

static bool
is_write(StblOp op)
{
	return op == STBL_OP_PUT || op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH || op == STBL_OP_DELETE;
}

/* By the number alone. */
static Meaning
meaning_of_status(int status, StblOp op)
{
	Meaning		m = {"", STBL_ST_FAILED, STBL_ERR_PROTOCOL, NULL};

	switch (status)
	{
		case 301:
		case 302:
		case 307:
		case 308:
			m.kind = STBL_ERR_INVALID;
			m.advice = "it refers to another place: correct the options region and endpoint of the server";
			break;
		case 400:
			m.kind = STBL_ERR_INVALID;
			break;
		case 401:
			m.kind = STBL_ERR_AUTH;
			m.advice = "correct the credentials in the user mapping";
			break;
		case 403:
			m.kind = STBL_ERR_DENIED;
			m.advice = "the store does not accept the credentials, or they have no right to do this";
			break;
		case 404:
			m.status = STBL_ST_NOT_FOUND;
			m.kind = STBL_ERR_NOT_FOUND;
			break;
		case 405:
		case 501:
			m.kind = STBL_ERR_UNSUPPORTED;
			m.advice = "this is no store of this kind, or it lacks what tables on it need";
			break;
		case 407:
			m.kind = STBL_ERR_AUTH;
			m.advice = "a proxy asks for a password";
			break;
		case 408:
		case 425:
		case 429:
			m.status = STBL_ST_TRANSIENT;
			m.kind = STBL_ERR_IO;
			break;
		case 409:
			m.kind = STBL_ERR_EXISTS;
			break;
		case 412:
			m.status = op == STBL_OP_PUT_NEW || op == STBL_OP_PUT_MATCH ? STBL_ST_PRECONDITION : STBL_ST_FAILED;
			break;
		case 413:
			m.kind = STBL_ERR_LIMIT;
			break;
		case 507:
			m.kind = STBL_ERR_FULL;
			break;
		default:
			if (status >= 500)
			{
				/* something behind the one that answers may have done it */
				m.status = is_write(op) ? STBL_ST_UNKNOWN : STBL_ST_TRANSIENT;
				m.kind = STBL_ERR_IO;
			}
	}
	return m;
}

void
stbl_s3_judge(StblRequest *req, const StblHttpRequest *http, const StblS3Store *store)
{
	StblS3Error err;
	Meaning		m = meaning_of_status(http->status, req->op);
	const char *region;

	stbl_s3_parse_error(http->answer, http->answer_len, &err);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(err.code, meanings[i].code) == 0)
			m = meanings[i];
	/* a missing object is never the right content to replace */
	if (m.status == STBL_ST_NOT_FOUND && req->op == STBL_OP_PUT_MATCH)
		m.status = STBL_ST_PRECONDITION;
	/* a missing place, for one that is to be made; a listing has no object of its own */
	if (m.status == STBL_ST_NOT_FOUND && (req->op == STBL_OP_PUT || req->op == STBL_OP_PUT_NEW || req->op == STBL_OP_LIST))
		m.status = STBL_ST_FAILED;
	/* gone already */
	if (m.status == STBL_ST_NOT_FOUND && req->op == STBL_OP_DELETE)
		m.status = STBL_ST_OK;
	req->status = m.status;
	req->error_kind = STBL_ERR_NONE;
	req->message[0] = '\0';
	if (m.status != STBL_ST_FAILED && m.status != STBL_ST_TRANSIENT && m.status != STBL_ST_UNKNOWN)
		return;
	req->error_kind = m.kind;
	region = err.region[0] ? err.region : http->region;
	snprintf(req->message, sizeof(req->message), "the answer was %d%s%s%s%s%s%s%s%s", http->status,
			 err.code[0] ? " " : "", err.code, err.message[0] ? ": " : "", err.message,
			 region[0] && strcmp(region, store->region) != 0 ? "; the bucket is in region " : "",
			 region[0] && strcmp(region, store->region) != 0 ? region : "",
			 m.advice != NULL ? "; " : "", m.advice != NULL ? m.advice : "");
	stbl_redact(req->message, store->secret_access_key);
	stbl_redact(req->message, store->session_token);
	stbl_redact(req->message, store->access_key_id);
	stbl_clean_message(req->message);
}

/* ---- listings ---- */

void
stbl_s3_free_list(StblRequest *req)
{
	for (size_t i = 0; i < req->n_entries; i++)
		free(req->entries[i].key);
	free(req->entries);
	req->entries = NULL;
	req->n_entries = 0;
	free(req->list_next);
	req->list_next = NULL;
}

typedef struct ListReader
{
	StblXml		xml;
	StblRequest *req;
	const char *store_prefix;
	size_t		cap;			/* of the entries */
	bool		is_encoded;		/* keys are percent-encoded */
	bool		is_truncated;
	StblText	field;			/* of the innermost element */
	StblText	key;			/* of the entry at hand */
	StblText	token;
	StblListEntry entry;
	const char *problem;
} ListReader;

static bool
field_is(const ListReader *r, const char *value)
{
	return r->field.data != NULL && strcmp(r->field.data, value) == 0;
}

static bool
give_up(ListReader *r, const char *problem)
{
	r->problem = problem;
	return false;
}

/* Takes the entry at hand into the answer, its key as it was written. */
static bool
add_entry(ListReader *r, bool is_folder)
{
	StblRequest *req = r->req;

	if (r->key.data == NULL)
		return give_up(r, "the listing has an entry without a name");
	if (req->n_entries == r->cap)
	{
		size_t		cap = r->cap ? r->cap * 2 : 64;
		StblListEntry *entries = realloc(req->entries, cap * sizeof(StblListEntry));

		if (entries == NULL)
			return give_up(r, "out of memory");
		req->entries = entries;
		r->cap = cap;
	}
	r->entry.is_folder = is_folder;
	r->entry.key = r->key.data;
	memset(&r->key, 0, sizeof(r->key));
	req->entries[req->n_entries++] = r->entry;
	return true;
}

/*
 * Decodes the keys, and takes the store's prefix off them: only at the end of
 * a listing is it certain whether they are encoded.
 */
static bool
finish_entries(ListReader *r)
{
	StblRequest *req = r->req;
	size_t		skip = strlen(r->store_prefix);
	size_t		n = 0;

	for (size_t i = 0; i < req->n_entries; i++)
	{
		StblListEntry e = req->entries[i];
		size_t		len;

		if (r->is_encoded && !stbl_percent_decode(e.key))
			return give_up(r, "a key of the listing is not encoded as it says");
		if (strncmp(e.key, r->store_prefix, skip) != 0 || strncmp(e.key + skip, req->key, strlen(req->key)) != 0)
			return give_up(r, "a key of the listing is not under the prefix that was asked for");
		len = strlen(e.key) - skip;
		memmove(e.key, e.key + skip, len + 1);
		if (e.is_folder && (len == 0 || e.key[len - 1] != '/'))
			return give_up(r, "a folder of the listing does not end in a slash");
		req->entries[i].key = NULL;
		/* what consoles make to show a folder is no object of ours */
		if (!e.is_folder && (len == 0 || e.key[len - 1] == '/'))
			free(e.key);
		else
			req->entries[n++] = e;
	}
	req->n_entries = n;
	return true;
}

static bool
read_size(ListReader *r)
{
	const char *p = r->field.data;
	uint64_t	v = 0;

	if (p == NULL || strlen(p) > 18 || strspn(p, "0123456789") != strlen(p) || *p == '\0')
		return give_up(r, "a size of the listing is no number");
	for (; *p != '\0'; p++)
		v = v * 10 + (uint64_t) (*p - '0');
	r->entry.size = v;
	return true;
}

static bool
take_key(ListReader *r)
{
	stbl_text_free(&r->key);
	if (r->field.len > MAX_KEY)
		return give_up(r, "a key of the listing is too long");
	r->key = r->field;
	memset(&r->field, 0, sizeof(r->field));
	return true;
}

/* An element has ended; depth is the one around it, its text is in field. */
static bool
end_of_field(ListReader *r, const char *parent)
{
	const StblXml *xml = &r->xml;
	bool		in_contents = strcmp(parent, "Contents") == 0;

	if (xml->depth == 1)
	{
		if (stbl_xml_is(xml, "IsTruncated"))
			r->is_truncated = field_is(r, "true");
		else if (stbl_xml_is(xml, "EncodingType"))
			r->is_encoded = field_is(r, "url");
		else if (stbl_xml_is(xml, "NextContinuationToken"))
		{
			stbl_text_free(&r->token);
			r->token = r->field;
			memset(&r->field, 0, sizeof(r->field));
		}
		else if (stbl_xml_is(xml, "Contents"))
			return add_entry(r, false);
		else if (stbl_xml_is(xml, "CommonPrefixes"))
			return add_entry(r, true);
	}
	else if (xml->depth == 2)
	{
		if ((in_contents && stbl_xml_is(xml, "Key")) || (!in_contents && stbl_xml_is(xml, "Prefix")))
			return take_key(r);
		if (in_contents && stbl_xml_is(xml, "Size"))
			return read_size(r);
		if (in_contents && stbl_xml_is(xml, "LastModified") && r->field.data != NULL &&
			!stbl_time_parse(r->field.data, r->field.len, &r->entry.modified_us))
			return give_up(r, "a time of the listing is none");
	}
	return true;
}

static bool
add_field(ListReader *r)
{
	char	   *decoded = malloc(r->xml.text_len + 1);
	long		n = decoded != NULL ? stbl_xml_text(&r->xml, decoded) : -1;

	if (n > 0)
		stbl_text_add(&r->field, decoded, (size_t) n);
	free(decoded);
	if (n < 0)
		return give_up(r, "the listing holds a broken text");
	if (r->field.failed)
		return give_up(r, "out of memory");
	if (r->field.len > MAX_TOKEN)
		return give_up(r, "the listing holds a text that is too long");
	return true;
}

/* What the names of elements around the one at hand are; only these two matter. */
static const char *
parent_name(const StblXml *xml)
{
	static const char *const known[] = {"Contents", "CommonPrefixes"};
	const char *name;
	size_t		len;

	if (xml->depth < 2)
		return "";
	name = xml->open[1];
	len = xml->open_len[1];
	for (size_t i = 0; i < len; i++)
		if (name[i] == ':')
		{
			name += i + 1;
			len -= i + 1;
			i = 0;
		}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == len && memcmp(known[i], name, len) == 0)
			return known[i];
	return "";
}

static bool
read_events(ListReader *r)
{
	for (;;)
	{
		switch (stbl_xml_next(&r->xml))
		{
			case STBL_XML_START:
				if (r->xml.depth == 1 && !stbl_xml_is(&r->xml, "ListBucketResult"))
					return give_up(r, "the answer is no listing");
				if (r->xml.depth == 2)
				{
					stbl_text_free(&r->key);
					memset(&r->entry, 0, sizeof(r->entry));
				}
				stbl_text_free(&r->field);
				break;
			case STBL_XML_TEXT:
				if (!add_field(r))
					return false;
				break;
			case STBL_XML_END:
				/* the name of one written <a/> is that of its beginning */
				if (!end_of_field(r, parent_name(&r->xml)))
					return false;
				stbl_text_free(&r->field);
				break;
			case STBL_XML_DONE:
				if (r->is_truncated && r->token.len == 0)
					return give_up(r, "the listing goes on, and does not say where");
				return finish_entries(r);
			case STBL_XML_ERROR:
				return give_up(r, "the listing is no whole XML");
		}
	}
}

const char *
stbl_s3_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req)
{
	ListReader	r;

	memset(&r, 0, sizeof(r));
	r.req = req;
	r.store_prefix = store_prefix;
	stbl_xml_init(&r.xml, (const char *) data, len);
	if (read_events(&r) && r.is_truncated)
	{
		req->list_next = r.token.data;
		memset(&r.token, 0, sizeof(r.token));
	}
	stbl_text_free(&r.field);
	stbl_text_free(&r.key);
	stbl_text_free(&r.token);
	if (r.problem != NULL)
		stbl_s3_free_list(req);
	return r.problem;
}
