/*
 * Tokens of Azure that the environment of the database server gives: as an
 * application with a token of its platform or a secret, or as the managed
 * identity of the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/credential.h"
#include "store/object.h"

#define MAX_TOKEN_FILE ((size_t) 16 * 1024)
#define NEAR_US (INT64_C(2) * 1000000)
#define FAR_US (INT64_C(20) * 1000000)

#define RESOURCE "https://storage.azure.com/"
#define ENTRA "Microsoft Entra ID"
#define MANAGED "the managed identity"

/* An application that proves itself by a token of its platform, or by a secret. */
static StblCredsStep
from_application(StblProvider *p)
{
	const char *client = stbl_env("AZURE_CLIENT_ID");
	const char *tenant = stbl_env("AZURE_TENANT_ID");
	const char *secret = stbl_env("AZURE_CLIENT_SECRET");
	const char *file = stbl_env("AZURE_FEDERATED_TOKEN_FILE");
	const char *authority = stbl_env("AZURE_AUTHORITY_HOST");
	StblText	token = {0};
	size_t		len;

	if (client == NULL || tenant == NULL || (secret == NULL && file == NULL))
		return STBL_CREDS_NONE;
	if (p->step > 0)
		return stbl_creds_take_token(p, ENTRA);
	if (secret == NULL && (!stbl_read_file(file, MAX_TOKEN_FILE, &token) || token.data == NULL))
	{
		stbl_text_wipe(&token);
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read or is empty");
	}
	if (authority == NULL)
		authority = "https://login.microsoftonline.com/";
	len = strlen(authority);
	stbl_creds_begin(p, STBL_HTTP_POST, FAR_US);
	stbl_text_add(&p->url, authority, authority[len - 1] == '/' ? len - 1 : len);
	stbl_text_puts(&p->url, "/");
	stbl_text_encode(&p->url, tenant, false);
	stbl_text_puts(&p->url, "/oauth2/v2.0/token");
	stbl_creds_header(p, "content-type", "application/x-www-form-urlencoded");
	stbl_query_add(&p->body, "grant_type", "client_credentials");
	stbl_query_add(&p->body, "client_id", client);
	stbl_query_add(&p->body, "scope", RESOURCE ".default");
	if (secret != NULL)
		stbl_query_add(&p->body, "client_secret", secret);
	else
	{
		token.data[strcspn(token.data, "\r\n")] = '\0';
		stbl_query_add(&p->body, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
		stbl_query_add(&p->body, "client_assertion", token.data);
	}
	stbl_text_wipe(&token);
	return STBL_CREDS_SEND;
}

static void
add_client(StblProvider *p)
{
	const char *client = stbl_env("AZURE_CLIENT_ID");

	if (client == NULL)
		return;
	stbl_text_puts(&p->url, "&client_id=");
	stbl_text_encode(&p->url, client, false);
}

/* The identity of an app, a function or a container app. */
static StblCredsStep
from_app_service(StblProvider *p)
{
	const char *endpoint = stbl_env("IDENTITY_ENDPOINT");
	const char *header = stbl_env("IDENTITY_HEADER");

	if (endpoint == NULL || header == NULL)
		return STBL_CREDS_NONE;
	if (p->step > 0)
		return stbl_creds_take_token(p, MANAGED);
	if (!stbl_is_header_value(header))
		return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials: IDENTITY_HEADER holds what no header has");
	stbl_creds_begin(p, STBL_HTTP_GET, NEAR_US);
	stbl_text_printf(&p->url, "%s?api-version=2019-08-01&resource=", endpoint);
	stbl_text_encode(&p->url, RESOURCE, false);
	add_client(p);
	stbl_creds_header(p, "x-identity-header", header);
	return STBL_CREDS_SEND;
}

static StblCredsStep
from_instance(StblProvider *p)
{
	const char *host = stbl_env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	size_t		len;

	if (p->step > 0)
		return stbl_creds_take_token(p, MANAGED);
	if (host == NULL)
		host = "http://169.254.169.254";
	len = strlen(host);
	stbl_creds_begin(p, STBL_HTTP_GET, NEAR_US);
	stbl_text_add(&p->url, host, host[len - 1] == '/' ? len - 1 : len);
	stbl_text_puts(&p->url, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=");
	stbl_text_encode(&p->url, RESOURCE, false);
	add_client(p);
	stbl_creds_header(p, "metadata", "true");
	return STBL_CREDS_SEND;
}

const StblCredentialSource stbl_azure_sources[] = {from_application, from_app_service, from_instance, NULL};
