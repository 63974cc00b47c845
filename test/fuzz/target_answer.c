/*
 * Answers of object stores: XML of listings and errors, header lines.  The
 * first byte says which; keys of a listing must be what was asked for.
 */
#include "fuzz.h"
#include "store/az_int.h"
#include "store/object_list.h"
#include "store/s3_int.h"
#include "store/sharedkey.h"

static void
listing_of(const StblObjectKind *kind, const uint8_t *data, size_t size)
{
	StblRequest req;

	memset(&req, 0, sizeof(req));
	req.key = "a";
	if (kind->parse_list(data, size, "p/", &req) == NULL)
		for (size_t i = 0; i < req.n_entries; i++)
			MUST(req.entries[i].key[0] == 'a' &&
				 (req.entries[i].key[strlen(req.entries[i].key) - 1] == '/') == req.entries[i].is_folder);
	else
		MUST(req.n_entries == 0 && req.entries == NULL && req.list_next == NULL);
	stbl_object_free_list(&req);
}

static void
listing(const uint8_t *data, size_t size)
{
	listing_of(&stbl_s3_kind, data, size);
}

static void
az_listing(const uint8_t *data, size_t size)
{
	listing_of(&stbl_az_kind, data, size);
}

static void
error_of(const StblObjectStore *store, const uint8_t *data, size_t size)
{
	StblHttpRequest http;
	StblRequest req;

	memset(&http, 0, sizeof(http));
	memset(&req, 0, sizeof(req));
	req.op = size > 0 ? (StblOp) (data[0] % STBL_N_OPS) : STBL_OP_GET;
	req.key = "k";
	http.status = size > 1 ? 300 + data[1] : 500;
	http.answer = (uint8_t *) data;
	http.answer_len = size;
	stbl_object_judge(&req, &http, store);
	MUST(req.status != STBL_ST_PENDING && strstr(req.message, "secret") == NULL);
	for (const char *c = req.message; *c != '\0'; c++)
		MUST((unsigned char) *c >= ' ');
}

static void
error(const uint8_t *data, size_t size)
{
	StblS3Store store;

	memset(&store, 0, sizeof(store));
	store.base.kind = &stbl_s3_kind;
	store.secret_access_key = (char *) "secret";
	error_of(&store.base, data, size);
}

static void
az_error(const uint8_t *data, size_t size)
{
	StblAzStore store;

	memset(&store, 0, sizeof(store));
	store.base.kind = &stbl_az_kind;
	store.sas_signature = (char *) "secret";
	error_of(&store.base, data, size);
}

static void
headers(const uint8_t *data, size_t size)
{
	StblHttpRequest http;

	memset(&http, 0, sizeof(http));
	while (size > 0)
	{
		const uint8_t *end = memchr(data, '\n', size);
		size_t		len = end != NULL ? (size_t) (end - data) + 1 : size;

		stbl_http_header(&http, (const char *) data, len);
		data += len;
		size -= len;
	}
	MUST(memchr(http.etag, '\0', sizeof(http.etag)) != NULL && memchr(http.region, '\0', sizeof(http.region)) != NULL);
	MUST(http.retry_after_us >= 0 && http.date_us >= 0);
}

static void
texts(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	char		message[300];
	StblEndpoint endpoint;
	StblText	encoded = {0};
	char		time[STBL_SIGV4_TIME];
	char		date[STBL_HTTP_DATE];
	StblSharedKey request = {.account = "a", .key = "c2VjcmV0", .method = "GET", .path = "/", .query = text};
	StblText	authorization = {0};
	int64_t		us;

	memcpy(text, data, size);
	text[size] = '\0';
	if (stbl_endpoint_parse(text, &endpoint, message, sizeof(message)))
		MUST(strlen(endpoint.host) > 0 && stbl_endpoint_allowed(endpoint.host, endpoint.host));
	(void) stbl_endpoint_allowed("a*b.c,*:*", text);
	stbl_text_encode(&encoded, text, false);
	if (encoded.data != NULL)
		MUST(stbl_percent_decode(encoded.data) && strcmp(encoded.data, text) == 0);
	stbl_text_free(&encoded);
	if (size >= sizeof(us))
	{
		memcpy(&us, data, sizeof(us));
		if (stbl_sigv4_time(us, time))
			MUST(strlen(time) == STBL_SIGV4_TIME - 1);
		if (stbl_http_date_text(us, date))
			MUST(strlen(date) == STBL_HTTP_DATE - 1);
	}
	if (stbl_sharedkey_sign(&request, &authorization))
		MUST(strlen(authorization.data) == 12 + 44);
	stbl_text_free(&authorization);
	(void) stbl_sharedkey_is_key(text);
	stbl_clean_message(text);
	free(text);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	static void (*const kinds[]) (const uint8_t *, size_t) = {listing, error, headers, texts, az_listing, az_error};

	(void) mem;
	if (size > 0)
		kinds[data[0] % 6] (data + 1, size - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}

/* Needed to link what starts requests; none is started. */
bool
stbl_http_wait(StblHttpSocket *sockets, int n, int timeout_ms)
{
	(void) sockets;
	(void) n;
	(void) timeout_ms;
	return false;
}
