/* Endpoints of network drivers: their text, and which are allowed. */
#include <stdio.h>
#include <string.h>

#include "store/endpoint.h"

char	   *stbl_allowed_endpoints = NULL;

/* One pattern; "*" matches any letters but a colon. */
static bool
matches(const char *pattern, size_t len, const char *host)
{
	for (; len > 0; pattern++, len--, host++)
	{
		char		c = *pattern;

		if (c == '*')
		{
			for (;; host++)
			{
				if (matches(pattern + 1, len - 1, host))
					return true;
				if (*host == '\0' || *host == ':')
					return false;
			}
		}
		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (*host != c)
			return false;
	}
	return *host == '\0';
}

bool
stbl_endpoint_allowed(const char *patterns, const char *host)
{
	static const char separators[] = ", \t\n";

	if (patterns == NULL)
		return true;
	patterns += strspn(patterns, separators);
	if (*patterns == '\0')
		return true;
	while (*patterns != '\0')
	{
		size_t		len = strcspn(patterns, separators);

		if (matches(patterns, len, host))
			return true;
		patterns += len;
		patterns += strspn(patterns, separators);
	}
	return false;
}

bool
stbl_endpoint_is_loopback(const char *host)
{
	size_t		len = strcspn(host, host[0] == '[' ? "]" : ":");

	if (len == 9 && strncmp(host, "localhost", len) == 0)
		return true;
	if (strncmp(host, "[::1]", 5) == 0)
		return true;
	/* a name may begin with digits, but not be digits and dots only */
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A name, an IPv4 address or an IPv6 one in brackets, then perhaps a port. */
static bool
host_ok(const char *host)
{
	size_t		len;
	int			port = 0;

	if (host[0] == '[')
	{
		len = 1 + strspn(host + 1, "0123456789abcdef:.");
		if (len < 3 || host[len] != ']')
			return false;
		len++;
	}
	else
	{
		len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
		if (len == 0 || len > 253 || host[0] == '-' || host[0] == '.')
			return false;
	}
	if (host[len] == '\0')
		return true;
	if (host[len] != ':' || host[len + 1] < '1' || host[len + 1] > '9' || strlen(host + len + 1) > 5)
		return false;
	for (const char *p = host + len + 1; *p != '\0'; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (*p - '0');
	}
	return port <= 65535;
}

bool
stbl_endpoint_parse(const char *text, StblEndpoint *endpoint, char *message, size_t message_size)
{
	size_t		len;
	const char *own_port;

	endpoint->is_tls = true;
	if (begins(text, "http://"))
	{
		endpoint->is_tls = false;
		text += 7;
	}
	else if (begins(text, "https://"))
		text += 8;
	len = strlen(text);
	if (len > 0 && text[len - 1] == '/')
		len--;
	if (len < sizeof(endpoint->host))
	{
		for (size_t i = 0; i < len; i++)
			endpoint->host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char) (text[i] - 'A' + 'a') : text[i];
		endpoint->host[len] = '\0';
		if (host_ok(endpoint->host))
		{
			own_port = endpoint->is_tls ? ":443" : ":80";
			len = strlen(endpoint->host);
			if (len > strlen(own_port) && strcmp(endpoint->host + len - strlen(own_port), own_port) == 0)
				endpoint->host[len - strlen(own_port)] = '\0';
			return true;
		}
	}
	/* it is not repeated: somebody may have put a password into it */
	snprintf(message, message_size, "invalid value for option \"endpoint\": it is to be https://host:port or http://host:port, without a path or a user");
	return false;
}
