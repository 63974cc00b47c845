/* Where a network driver may connect to. */
#ifndef STBL_ENDPOINT_H
#define STBL_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* GUC supertable.allowed_endpoints; NULL or empty: any. */
extern char *stbl_allowed_endpoints;

/*
 * Whether one of the patterns, apart by commas or blanks, matches a host in
 * lower case, with ":port" unless that is the scheme's own.  "*" stands for
 * any letters without a colon, so a pattern without a port allows just the
 * scheme's own.
 */
extern bool stbl_endpoint_allowed(const char *patterns, const char *host);

/* Whether such a host is an address of this very machine, or "localhost". */
extern bool stbl_endpoint_is_loopback(const char *host);

typedef struct StblEndpoint
{
	bool		is_tls;
	char		host[300];		/* lower case, ":port" unless it is the scheme's own */
} StblEndpoint;

/*
 * "https://host:port", "http://host:port", or a bare host (https), with or
 * without a slash behind.  false with a message about the option.
 */
extern bool stbl_endpoint_parse(const char *text, StblEndpoint *endpoint, char *message, size_t message_size);

#endif							/* STBL_ENDPOINT_H */
