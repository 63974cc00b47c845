/* Urls and options of stores on HTTP. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/object.h"

#define MAX_PREFIX 512

const char *
stbl_opening_option(const StblOpening *o, const char *name)
{
	for (int i = 0; i < o->n_options; i++)
		if (strcmp(o->options[i].name, name) == 0)
			return o->options[i].value;
	return NULL;
}

bool
stbl_opening_fail(const StblOpening *o, StblErrorKind kind, const char *fmt,...)
{
	va_list		args;

	*o->error_kind = kind;
	va_start(args, fmt);
	vsnprintf(o->message, o->message_size, fmt, args);
	va_end(args);
	return false;
}

static bool
parse_bool(const StblOpening *o, const char *name, bool *out)
{
	const char *value = stbl_opening_option(o, name);

	*out = value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "on") == 0);
	if (value == NULL || *out || strcmp(value, "false") == 0 || strcmp(value, "off") == 0)
		return true;
	return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"%s\": it is to be on or off", name);
}

/* Whether no part of a folder's name is empty or leads elsewhere. */
static bool
is_folder(const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end)
	{
		const char *slash = memchr(p, '/', (size_t) (end - p));
		size_t		n = (size_t) ((slash != NULL ? slash : end) - p);

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n + (slash != NULL);
	}
	return true;
}

bool
stbl_opening_url(const StblOpening *o, StblObjectStore *store, const char *scheme,
				 bool (*is_container) (const char *name, size_t len), const char *form,
				 char *container, size_t container_size)
{
	size_t		scheme_len = strlen(scheme);
	const char *p = strncmp(o->url, scheme, scheme_len) == 0 && strncmp(o->url + scheme_len, "://", 3) == 0 ?
		o->url + scheme_len + 3 : "";
	size_t		len = strcspn(p, "/");

	if (len >= container_size || !is_container(p, len))
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid url \"%.200s\": it is to be %s", o->url, form);
	memcpy(container, p, len);
	container[len] = '\0';
	p += len;
	p += *p == '/';
	len = strlen(p);
	if (len > 0 && p[len - 1] == '/')
		len--;
	if (len > MAX_PREFIX)
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid url: its folder has more than %d bytes", MAX_PREFIX);
	if (!is_folder(p, len) || (len > 0 && p[len - 1] == '/'))
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid url \"%.200s\": its folder has an empty part, or one that is \".\" or \"..\"", o->url);
	store->prefix = calloc(1, len + 2);
	if (store->prefix == NULL)
		return stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
	memcpy(store->prefix, p, len);
	if (len > 0)
		store->prefix[len] = '/';
	return true;
}

bool
stbl_opening_connection(const StblOpening *o, StblObjectStore *store)
{
	const char *ca_file = stbl_opening_option(o, "ca_file");

	if (!parse_bool(o, "use_proxy", &store->use_proxy))
		return false;
	if (!stbl_endpoint_allowed(stbl_allowed_endpoints, store->endpoint.host))
		return stbl_opening_fail(o, STBL_ERR_DENIED, "endpoint \"%s\" is not among those of supertable.allowed_endpoints", store->endpoint.host);
	if (ca_file == NULL)
		return true;
	if (ca_file[0] != '/')
		return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"ca_file\": it is to be an absolute path");
	store->ca_file = strdup(ca_file);
	return store->ca_file != NULL || stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
}

bool
stbl_is_header_value(const char *value)
{
	if (*value == '\0')
		return false;
	for (; *value != '\0'; value++)
		if ((unsigned char) *value <= ' ' || (unsigned char) *value >= 127)
			return false;
	return true;
}

bool
stbl_opening_secret(const StblOpening *o, const char *name, char **out)
{
	const char *value = stbl_opening_option(o, name);

	*out = NULL;
	if (value == NULL)
		return true;
	if (!stbl_is_header_value(value))
		return stbl_opening_fail(o, STBL_ERR_AUTH, "option %s of the user mapping is empty, or holds blanks or other characters that no key has", name);
	*out = strdup(value);
	return *out != NULL || stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
}

void
stbl_secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

bool
stbl_opening_environment(const StblOpening *o, bool *out)
{
	const char *value = stbl_opening_option(o, "credentials");

	*out = value != NULL;
	if (value == NULL || strcmp(value, "environment") == 0)
		return true;
	return stbl_opening_fail(o, STBL_ERR_INVALID, "invalid value for option \"credentials\": it is to be environment");
}

bool
stbl_opening_provider(const StblOpening *o, StblObjectStore *store, const StblCredentialSource *sources,
					  StblProviderConfig config)
{
	config.ca_file = store->ca_file;
	config.use_proxy = store->use_proxy;
	store->provider = stbl_provider_new(sources, &config);
	return store->provider != NULL || stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
}

bool
stbl_opening_secrecy(const StblOpening *o, const StblObjectStore *store)
{
	return store->endpoint.is_tls || stbl_endpoint_is_loopback(store->endpoint.host) ||
		stbl_opening_fail(o, STBL_ERR_INVALID, "a token or a shared access signature is sent to an endpoint with https only, or to one of this machine");
}

char *
stbl_object_canonical(const StblObjectStore *store, const char *scheme, const char *container, const char *place)
{
	StblText	t = {0};

	stbl_text_printf(&t, "%s://%s", scheme, container);
	if (place != NULL)
		stbl_text_printf(&t, "@%s", place);
	if (store->prefix[0] != '\0')
	{
		stbl_text_puts(&t, "/");
		stbl_text_add(&t, store->prefix, strlen(store->prefix) - 1);
	}
	if (t.failed)
		stbl_text_free(&t);
	return t.data;
}

void
stbl_object_store_free(StblObjectStore *store)
{
	while (store->detached != NULL)
	{
		StblExchange *x = store->detached;

		store->detached = x->next_detached;
		stbl_exchange_cancel(x);
	}
	free(store->prefix);
	free(store->ca_file);
	stbl_provider_free(store->provider);
}

void *
stbl_object_open(const StblOpening *o, const StblObjectKind *kind, size_t size,
				 bool (*configure) (void *store, const StblOpening *o),
				 char *(*spell) (const void *store, const StblOpening *o),
				 void (*close) (void *store), char **canonical)
{
	StblObjectStore *store = calloc(1, size);

	*canonical = NULL;
	*o->error_kind = STBL_ERR_INVALID;
	if (store != NULL)
	{
		store->kind = kind;
		if (!configure(store, o))
		{
			close(store);
			return NULL;
		}
		*canonical = spell(store, o);
	}
	if (*canonical != NULL)
		return store;
	stbl_opening_fail(o, STBL_ERR_MEMORY, "out of memory");
	if (store != NULL)
		close(store);
	return NULL;
}
