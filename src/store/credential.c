/* The life of credentials: fetched, used, fetched again, forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/credential.h"
#include "store/object.h"

#define EARLY_US (INT64_C(300) * 1000000)
#define LAST_US (INT64_C(5) * 1000000)	/* a request takes its time too */
#define RETRY_US (INT64_C(10) * 1000000)
#define RENEW_US (INT64_C(60) * 1000000)
#define MAX_ANSWER (UINT64_C(64) * 1024)

static void
wipe(char **secret)
{
	stbl_secret_free(*secret);
	*secret = NULL;
}

static void
wipe_credentials(StblCredentials *c)
{
	wipe(&c->access_key_id);
	wipe(&c->secret_access_key);
	wipe(&c->session_token);
	wipe(&c->token);
	c->expires_us = INT64_MAX;
}

void
stbl_credentials_redact(const StblCredentials *c, char *message)
{
	stbl_redact(message, c->secret_access_key);
	stbl_redact(message, c->session_token);
	stbl_redact(message, c->token);
	stbl_redact(message, c->access_key_id);
}

/* ---- requests of a source ---- */

static void
forget_request(StblProvider *p)
{
	if (p->http.answer != NULL)
		explicit_bzero(p->http.answer, p->http.answer_len);
	free(p->http.answer);
	memset(&p->http, 0, sizeof(p->http));
	stbl_text_wipe(&p->url);
	stbl_text_wipe(&p->body);
	for (int i = 0; i < STBL_CREDS_MAX_HEADERS; i++)
		stbl_text_wipe(&p->lines[i]);
	memset(p->headers, 0, sizeof(p->headers));
	p->n_headers = 0;
}

void
stbl_creds_begin(StblProvider *p, StblHttpMethod method, int64_t timeout_us)
{
	forget_request(p);
	p->http.method = method;
	p->http.deadline_us = stbl_http_now() + timeout_us;
	/* asking twice for credentials changes nothing */
	p->http.repeatable = true;
	p->http.max_body = MAX_ANSWER;
}

void
stbl_creds_header(StblProvider *p, const char *name, const char *value)
{
	stbl_text_printf(&p->lines[p->n_headers++], "%s: %s", name, value);
}

StblCredsStep
stbl_creds_fail(StblProvider *p, StblStatus status, StblErrorKind kind, const char *fmt,...)
{
	va_list		args;

	p->status = status;
	p->error_kind = kind;
	va_start(args, fmt);
	vsnprintf(p->message, sizeof(p->message), fmt, args);
	va_end(args);
	stbl_clean_message(p->message);
	return STBL_CREDS_FAILED;
}

StblCredsStep
stbl_creds_refused(StblProvider *p, const char *who, const char *why)
{
	const StblHttpRequest *http = &p->http;

	if (http->outcome != STBL_HTTP_ANSWERED)
		return stbl_creds_fail(p, http->outcome == STBL_HTTP_BAD_ANSWER ? STBL_ST_FAILED : STBL_ST_TRANSIENT,
							   (StblErrorKind) http->error_kind, "no credentials from %s: %.160s", who, http->message);
	if (http->status == 408 || http->status == 429 || http->status >= 500)
		return stbl_creds_fail(p, STBL_ST_TRANSIENT, STBL_ERR_IO, "no credentials from %s: the answer was %d", who, http->status);
	return stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials from %s: the answer was %d%s%.160s", who, http->status,
						   why != NULL ? ": " : "", why != NULL ? why : "");
}

const char *
stbl_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool
stbl_read_file(const char *path, size_t max, StblText *out)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char		buf[4096];
	ssize_t		n = -1;

	while (fd >= 0 && ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
	{
		if (n < 0)
			continue;
		if ((size_t) n > max - out->len)
		{
			errno = EFBIG;
			n = -1;
			break;
		}
		stbl_text_add(out, buf, (size_t) n);
	}
	explicit_bzero(buf, sizeof(buf));
	if (out->failed)
	{
		errno = ENOMEM;
		n = -1;
	}
	if (fd >= 0)
	{
		int			save = errno;

		close(fd);
		errno = save;
	}
	return fd >= 0 && n == 0;
}

/* ---- fetching ---- */

static void answered(StblHttpRequest *http);

static bool
send_request(StblProvider *p)
{
	StblHttpRequest *http = &p->http;
	bool		is_tls;

	if (p->url.failed || p->url.data == NULL || p->body.failed)
		return false;
	for (int i = 0; i < p->n_headers; i++)
	{
		if (p->lines[i].failed)
			return false;
		p->headers[i] = p->lines[i].data;
	}
	is_tls = strncmp(p->url.data, "https:", 6) == 0;
	http->url = p->url.data;
	http->headers = p->headers;
	http->body = p->body.data != NULL ? p->body.data : "";
	http->body_len = p->body.len;
	http->ca_file = p->ca_file;
	/* a service of the machine itself is not behind a proxy */
	http->use_proxy = is_tls && p->use_proxy;
	http->done = answered;
	stbl_http_start(http);
	return http->transfer != NULL;
}

static void
end_fetch(StblProvider *p, bool ok)
{
	p->is_fetching = false;
	p->has_failed = !ok;
	if (ok)
	{
		wipe_credentials(&p->current);
		p->current = p->fresh;
		p->has_current = true;
		p->fetched_us = stbl_http_now();
		memset(&p->fresh, 0, sizeof(p->fresh));
	}
	else
	{
		stbl_credentials_redact(&p->fresh, p->message);
		wipe_credentials(&p->fresh);
		p->retry_us = stbl_http_now() + RETRY_US;
	}
	forget_request(p);
	stbl_text_wipe(&p->kept);
}

/* Goes on until a request is under way, or the fetch has ended. */
static void
advance(StblProvider *p)
{
	for (;;)
	{
		if (p->sources[p->at] == NULL)
		{
			(void) stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_AUTH, "no credentials were found: neither in %s", p->none);
			end_fetch(p, false);
			return;
		}
		switch (p->sources[p->at] (p))
		{
			case STBL_CREDS_SEND:
				if (send_request(p))
					return;
				(void) stbl_creds_fail(p, STBL_ST_FAILED, STBL_ERR_MEMORY, "out of memory");
				end_fetch(p, false);
				return;
			case STBL_CREDS_DONE:
				end_fetch(p, true);
				return;
			case STBL_CREDS_FAILED:
				end_fetch(p, false);
				return;
			case STBL_CREDS_NONE:
				wipe_credentials(&p->fresh);
				forget_request(p);
				stbl_text_wipe(&p->kept);
				p->at++;
				p->step = 0;
				break;
		}
	}
}

static void
answered(StblHttpRequest *http)
{
	StblProvider *p = (StblProvider *) http;

	p->step++;
	advance(p);
}

/* When the next fetch is due, and until when what is there serves. */
static void
spans(const StblProvider *p, int64_t *refresh_us, int64_t *until_us)
{
	int64_t		life = p->current.expires_us - p->fetched_us;

	*refresh_us = *until_us = INT64_MAX;
	if (!p->has_current || p->current.expires_us == INT64_MAX)
		return;
	*refresh_us = p->fetched_us + (life / 2 > life - EARLY_US ? life / 2 : life - EARLY_US);
	*until_us = p->current.expires_us - (life / 10 < LAST_US ? life / 10 : LAST_US);
}

StblProviderState
stbl_provider_poll(StblProvider *p, int64_t now_us)
{
	int64_t		refresh_us,
				until_us;

	if (!p->has_failed && !p->is_fetching)
	{
		spans(p, &refresh_us, &until_us);
		if (p->has_current && now_us < refresh_us)
			return STBL_PROVIDER_READY;
		if (!p->has_current || now_us >= until_us || now_us >= p->retry_us)
		{
			p->is_fetching = true;
			p->at = p->step = 0;
			p->fresh.expires_us = INT64_MAX;
			advance(p);
		}
	}
	spans(p, &refresh_us, &until_us);
	if (p->has_current && now_us < until_us)
	{
		/* a failure does not matter yet */
		p->has_failed = false;
		return STBL_PROVIDER_READY;
	}
	if (p->is_fetching)
		return STBL_PROVIDER_WAITING;
	if (p->has_failed)
	{
		p->has_failed = false;
		return STBL_PROVIDER_FAILED;
	}
	/* they have expired as they came */
	p->status = STBL_ST_TRANSIENT;
	p->error_kind = STBL_ERR_AUTH;
	snprintf(p->message, sizeof(p->message), "the credentials that were found have expired");
	return STBL_PROVIDER_FAILED;
}

bool
stbl_provider_renew(StblProvider *p)
{
	if (!p->has_current)
		return true;
	if (stbl_http_now() < p->fetched_us + RENEW_US)
		return false;
	wipe_credentials(&p->current);
	p->has_current = false;
	return true;
}

static bool
copy(char **out, const char *value)
{
	*out = value != NULL ? strdup(value) : NULL;
	return value == NULL || *out != NULL;
}

StblProvider *
stbl_provider_new(const StblCredentialSource *sources, const StblProviderConfig *config)
{
	StblProvider *p = calloc(1, sizeof(StblProvider));
	bool		ok;

	if (p == NULL)
		return NULL;
	p->sources = sources;
	p->use_proxy = config->use_proxy;
	p->none = config->none;
	p->current.expires_us = p->fresh.expires_us = INT64_MAX;
	ok = copy(&p->ca_file, config->ca_file);
	ok = copy(&p->region, config->region) && ok;
	ok = copy(&p->profile, config->profile) && ok;
	ok = copy(&p->key, config->key) && ok;
	ok = copy(&p->key_file, config->key_file) && ok;
	if (ok)
		return p;
	stbl_provider_free(p);
	return NULL;
}

void
stbl_provider_free(StblProvider *p)
{
	if (p == NULL)
		return;
	if (p->is_fetching)
		stbl_http_cancel(&p->http);
	forget_request(p);
	stbl_text_wipe(&p->kept);
	wipe_credentials(&p->current);
	wipe_credentials(&p->fresh);
	free(p->ca_file);
	free(p->region);
	free(p->profile);
	wipe(&p->key);
	free(p->key_file);
	free(p);
}
