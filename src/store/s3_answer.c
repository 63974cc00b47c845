/* What an S3 store answers: what its errors mean, and its listings. */
#include <stdio.h>
#include <string.h>

#include "common/codec.h"
#include "store/object_list.h"
#include "store/s3_int.h"

/* Codes that decide; all others go by the number of the answer. */
const StblMeaning stbl_s3_meanings[] = {
	{"NoSuchBucket", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the bucket, or correct the server's url, endpoint or region"},
	{"AccessDenied", STBL_ST_FAILED, STBL_ERR_DENIED, "the store knows no right of these credentials to do this (an anonymous request, where the role has no user mapping)"},
	{"AllAccessDisabled", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"AccountProblem", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"InvalidAccessKeyId", STBL_ST_FAILED, STBL_ERR_AUTH, "correct access_key_id in the user mapping"},
	{"XAdminUserNotFound", STBL_ST_FAILED, STBL_ERR_AUTH, "correct access_key_id in the user mapping"},	/* of Versity, with 404 */
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
	{NULL, STBL_ST_FAILED, STBL_ERR_NONE, NULL}
};

void
stbl_s3_explain(const StblObjectStore *store, const StblObjectError *err, const StblHttpRequest *http,
				StblMeaning *meaning, char *more, size_t size)
{
	const char *region = err->region[0] ? err->region : http->region;

	(void) meaning;
	if (region[0] && strcmp(region, ((const StblS3Store *) store)->region) != 0)
		snprintf(more, size, "the bucket is in region %s", region);
}

void
stbl_s3_redact(const StblObjectStore *store, char *message)
{
	const StblS3Store *s = (const StblS3Store *) store;

	stbl_redact(message, s->secret_access_key);
	stbl_redact(message, s->session_token);
	stbl_redact(message, s->access_key_id);
}

static bool
end_of_field(StblListReader *r)
{
	const StblXml *xml = &r->xml;
	bool		in_contents = stbl_list_within(r, 2, "Contents");

	if (xml->depth == 1)
	{
		if (stbl_xml_is(xml, "IsTruncated"))
			r->is_truncated = stbl_list_field_is(r, "true");
		else if (stbl_xml_is(xml, "EncodingType"))
			r->is_encoded = stbl_list_field_is(r, "url");
		else if (stbl_xml_is(xml, "NextContinuationToken"))
			stbl_list_take_token(r);
		else if (stbl_xml_is(xml, "Contents"))
			return stbl_list_add(r, false);
		else if (stbl_xml_is(xml, "CommonPrefixes"))
			return stbl_list_add(r, true);
	}
	else if (xml->depth == 2)
	{
		if (stbl_xml_is(xml, in_contents ? "Key" : "Prefix") && (in_contents || stbl_list_within(r, 2, "CommonPrefixes")))
			return stbl_list_take_key(r);
		if (in_contents && stbl_xml_is(xml, "Size"))
			return stbl_list_take_size(r);
		if (in_contents && stbl_xml_is(xml, "LastModified") && r->field.data != NULL &&
			!stbl_time_parse(r->field.data, r->field.len, &r->entry.modified_us))
			return stbl_list_problem(r, "a time of the listing is none");
	}
	return true;
}

const char *
stbl_s3_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req)
{
	static const StblListForm form = {"ListBucketResult", 2, NULL, end_of_field};

	return stbl_list_read(&form, data, len, store_prefix, req);
}
