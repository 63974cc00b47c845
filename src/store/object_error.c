/* What object stores answer when they refuse, and what that means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/object.h"
#include "store/xml.h"

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
stbl_object_parse_error(const uint8_t *data, size_t len, StblObjectError *err)
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
				else if (stbl_xml_is(&xml, "AuthenticationErrorDetail"))
					field = err->detail, size = sizeof(err->detail);
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
				/* further lines have but the request's number and time */
				err->message[strcspn(err->message, "\r\n")] = '\0';
				stbl_clean_message(err->message);
				stbl_clean_message(err->region);
				stbl_clean_message(err->detail);
				return;
		}
}

/* By the number alone. */
static StblMeaning
meaning_of_status(int status, StblOp op)
{
	StblMeaning m = {"", STBL_ST_FAILED, STBL_ERR_PROTOCOL, NULL};

	switch (status)
	{
		case 301:
		case 302:
		case 307:
		case 308:
			m.kind = STBL_ERR_INVALID;
			m.advice = "it refers to another place: correct the options endpoint and, where there is one, region of the server";
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
				m.status = stbl_object_is_write(op) ? STBL_ST_UNKNOWN : STBL_ST_TRANSIENT;
				m.kind = STBL_ERR_IO;
			}
	}
	return m;
}

/* Whether a 404 speaks of the object. */
static StblMeaning
meaning_of_missing(const StblRequest *req, const char *code, const char *missing)
{
	StblMeaning m = meaning_of_status(404, req->op);

	if (code[0] != '\0' && strcmp(code, missing) != 0)
	{
		m.status = STBL_ST_FAILED;
		m.advice = "it is not the object that is missing: look at the server's options and the user mapping";
	}
	else if (code[0] == '\0' && (req->op == STBL_OP_GET || (req->op == STBL_OP_GET_RANGE && req->length > 0)))
	{
		m.status = STBL_ST_FAILED;
		m.kind = STBL_ERR_PROTOCOL;
		m.advice = "this is no store of this kind: look at the option endpoint of the server";
	}
	return m;
}

void
stbl_object_judge(StblRequest *req, const StblHttpRequest *http, const StblObjectStore *store)
{
	StblObjectError err;
	StblMeaning m = meaning_of_status(http->status, req->op);
	char		more[100] = "";

	if (store->kind->parse_error != NULL)
		store->kind->parse_error(http, &err);
	else
		stbl_object_parse_error(http->answer, http->answer_len, &err);
	if (err.code[0] == '\0')
		memcpy(err.code, http->error_code, sizeof(err.code));
	for (const StblMeaning *known = store->kind->meanings; known->code != NULL; known++)
		if (strcmp(err.code, known->code) == 0)
			m = *known;
	if (m.status == STBL_ST_NOT_FOUND && store->kind->missing != NULL)
		m = meaning_of_missing(req, err.code, store->kind->missing);
	/* a missing object is never the right content to replace */
	if (m.status == STBL_ST_NOT_FOUND && req->op == STBL_OP_PUT_MATCH)
		m.status = STBL_ST_PRECONDITION;
	/* a missing place, for one that is to be made; a listing has no object of its own */
	if (m.status == STBL_ST_NOT_FOUND && (req->op == STBL_OP_PUT || req->op == STBL_OP_PUT_NEW || req->op == STBL_OP_LIST))
		m.status = STBL_ST_FAILED;
	/* gone already */
	if (m.status == STBL_ST_NOT_FOUND && req->op == STBL_OP_DELETE)
		m.status = STBL_ST_OK;
	if (store->kind->explain != NULL)
		store->kind->explain(store, &err, http, &m, more, sizeof(more));
	req->status = m.status;
	req->error_kind = STBL_ERR_NONE;
	req->message[0] = '\0';
	if (m.status != STBL_ST_FAILED && m.status != STBL_ST_TRANSIENT && m.status != STBL_ST_UNKNOWN)
		return;
	req->error_kind = m.kind;
	snprintf(req->message, sizeof(req->message), "the answer was %d%s%s%s%s%s%s%s%s", http->status,
			 err.code[0] ? " " : "", err.code, err.message[0] ? ": " : "", err.message,
			 more[0] ? "; " : "", more, m.advice != NULL ? "; " : "", m.advice != NULL ? m.advice : "");
	store->kind->redact(store, req->message);
	if (store->provider != NULL)
		stbl_credentials_redact(stbl_object_credentials(store), req->message);
	stbl_clean_message(req->message);
}
