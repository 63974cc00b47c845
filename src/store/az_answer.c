/* What Azure Blob Storage answers: what its errors mean, and its listings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/az_int.h"
#include "store/object_list.h"

/* The service bears a difference of 15 minutes. */
#define MAX_SKEW_US (INT64_C(14) * 60 * 1000000)

static const char wrong_credentials[] = "correct account_key or sas_token in the user mapping, or the option account_name of the server";

const StblMeaning stbl_az_meanings[] = {
	{"BlobAlreadyExists", STBL_ST_PRECONDITION, STBL_ERR_NONE, NULL},
	{"ContainerNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "create the container, or correct the server's url, account_name or endpoint"},
	/* what an anonymous request gets of a private container, too: not the same as a missing object */
	{"ResourceNotFound", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "the account or container does not exist, or is not to be read without credentials"},
	{"ContainerBeingDeleted", STBL_ST_FAILED, STBL_ERR_NOT_FOUND, "the container is being deleted"},
	{"ContainerDisabled", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"AccountIsDisabled", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"AuthenticationFailed", STBL_ST_FAILED, STBL_ERR_AUTH, wrong_credentials},
	{"InvalidAuthenticationInfo", STBL_ST_FAILED, STBL_ERR_AUTH, "correct account_key or sas_token in the user mapping"},
	{"KeyBasedAuthenticationNotPermitted", STBL_ST_FAILED, STBL_ERR_AUTH, "the account takes no account keys: use a sas_token of a user delegation"},
	{"NoAuthenticationInformation", STBL_ST_FAILED, STBL_ERR_DENIED, "the role has no user mapping with account_key or sas_token"},
	{"PublicAccessNotPermitted", STBL_ST_FAILED, STBL_ERR_DENIED, "the role has no user mapping with account_key or sas_token"},
	{"AuthorizationFailure", STBL_ST_FAILED, STBL_ERR_DENIED, "the account's network rules, or what the sas_token is for, do not allow it"},
	{"AuthorizationPermissionMismatch", STBL_ST_FAILED, STBL_ERR_DENIED, "the sas_token lacks the right to do this"},
	{"AuthorizationProtocolMismatch", STBL_ST_FAILED, STBL_ERR_DENIED, "the sas_token is for https only"},
	{"AuthorizationResourceTypeMismatch", STBL_ST_FAILED, STBL_ERR_DENIED, "an account's sas_token needs the resource types container and object"},
	{"AuthorizationServiceMismatch", STBL_ST_FAILED, STBL_ERR_DENIED, "an account's sas_token needs the service blob"},
	{"AuthorizationSourceIPMismatch", STBL_ST_FAILED, STBL_ERR_DENIED, "the sas_token is for other addresses"},
	{"InsufficientAccountPermissions", STBL_ST_FAILED, STBL_ERR_DENIED, NULL},
	{"UnauthorizedBlobOverwrite", STBL_ST_FAILED, STBL_ERR_DENIED, "the sas_token needs the right w, not c alone"},
	{"BlobImmutableDueToPolicy", STBL_ST_FAILED, STBL_ERR_DENIED, "a policy of immutability protects it"},
	{"LeaseIdMissing", STBL_ST_FAILED, STBL_ERR_LOCKED, "somebody holds a lease on it"},
	{"SnapshotsPresent", STBL_ST_FAILED, STBL_ERR_STATE, "it has snapshots: delete those first"},
	{"BlobArchived", STBL_ST_FAILED, STBL_ERR_STATE, "it is in the archive tier"},
	{"BlobBeingRehydrated", STBL_ST_FAILED, STBL_ERR_STATE, "it is in the archive tier"},
	{"BlobTierInadequateForContentLength", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"RequestBodyTooLarge", STBL_ST_FAILED, STBL_ERR_LIMIT, NULL},
	{"InvalidResourceName", STBL_ST_FAILED, STBL_ERR_INVALID, "correct the server's url"},
	{"UnsupportedHeader", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, "the store lacks what tables on it need; see supertable_storage_probe()"},
	{"FeatureVersionMismatch", STBL_ST_FAILED, STBL_ERR_UNSUPPORTED, NULL},
	{"Md5Mismatch", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{"ServerBusy", STBL_ST_TRANSIENT, STBL_ERR_IO, NULL},
	{NULL, STBL_ST_FAILED, STBL_ERR_NONE, NULL}
};

void
stbl_az_explain(const StblObjectStore *store, const StblObjectError *err, const StblHttpRequest *http,
				StblMeaning *meaning, char *more, size_t size)
{
	const StblAzStore *s = (const StblAzStore *) store;
	int64_t		skew = http->date_us - stbl_http_now();

	/* so an emulator tells a wrong key */
	if (strcmp(err->code, "AuthorizationFailure") == 0 && (s->account_key != NULL || s->sas_token != NULL) &&
		strncmp(err->message, "Server failed to authenticate", 29) == 0)
	{
		meaning->kind = STBL_ERR_AUTH;
		meaning->advice = wrong_credentials;
	}
	if (meaning->kind != STBL_ERR_AUTH)
		return;
	if (strncmp(err->detail, "Signature not valid in the specified time frame", 47) == 0)
	{
		meaning->advice = "the sas_token has expired, or is not valid yet: put a new one into the user mapping";
		snprintf(more, size, "%s", err->detail);
	}
	/* there is no code of its own for it */
	else if (http->date_us != 0 && (skew > MAX_SKEW_US || skew < -MAX_SKEW_US))
	{
		meaning->kind = STBL_ERR_STATE;
		meaning->advice = "the clocks of this machine and of the store differ too much: set them";
	}
}

void
stbl_az_redact(const StblObjectStore *store, char *message)
{
	const StblAzStore *s = (const StblAzStore *) store;

	stbl_redact(message, s->account_key);
	stbl_redact(message, s->sas_token);
	stbl_redact(message, s->sas_signature);
	stbl_redact(message, s->sas_signature_sent);
}

/* ---- listings ---- */

static void
begin_field(StblListReader *r)
{
	if (r->xml.depth == 4 && stbl_xml_is(&r->xml, "Name"))
		r->is_key_encoded = stbl_xml_has(&r->xml, "Encoded", "true");
}

static bool
end_of_property(StblListReader *r)
{
	const StblXml *xml = &r->xml;

	if (stbl_xml_is(xml, "Content-Length"))
		return stbl_list_take_size(r);
	if (stbl_xml_is(xml, "Last-Modified") && r->field.data != NULL)
	{
		r->entry.modified_us = stbl_http_date(r->field.data, r->field.len);
		if (r->entry.modified_us == 0)
			return stbl_list_problem(r, "a time of the listing is none");
	}
	/* with a hierarchical namespace folders are listed among the objects */
	else if (stbl_xml_is(xml, "ResourceType") && stbl_list_field_is(r, "directory"))
		r->is_hidden = true;
	return true;
}

static bool
end_of_field(StblListReader *r)
{
	const StblXml *xml = &r->xml;

	if (xml->depth == 1 && stbl_xml_is(xml, "NextMarker") && r->field.len > 0)
	{
		r->is_truncated = true;
		stbl_list_take_token(r);
	}
	else if (xml->depth == 2 && stbl_list_within(r, 2, "Blobs"))
	{
		if (stbl_xml_is(xml, "Blob"))
			return stbl_list_add(r, false);
		if (stbl_xml_is(xml, "BlobPrefix"))
			return stbl_list_add(r, true);
	}
	else if (xml->depth == 3 && stbl_list_within(r, 2, "Blobs") && stbl_xml_is(xml, "Name"))
		return stbl_list_take_key(r);
	else if (xml->depth == 4 && stbl_list_within(r, 3, "Blob"))
	{
		if (stbl_list_within(r, 4, "Properties"))
			return end_of_property(r);
		/* and other tools' empty objects that stand for a folder */
		if (stbl_list_within(r, 4, "Metadata") && xml->name_len == 12 && strncasecmp(xml->name, "hdi_isfolder", 12) == 0 &&
			r->field.data != NULL && strcasecmp(r->field.data, "true") == 0)
			r->is_hidden = true;
	}
	return true;
}

const char *
stbl_az_parse_list(const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req)
{
	static const StblListForm form = {"EnumerationResults", 3, begin_field, end_of_field};

	return stbl_list_read(&form, data, len, store_prefix, req);
}
