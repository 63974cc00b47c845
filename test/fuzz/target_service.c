/*
 * What services answer in JSON, and files of credentials.  The first byte says
 * which; keys of a listing must be what was asked for, and what is found under
 * a key must be the same however it is looked for.
 */
#include "fuzz.h"
#include "store/credential.h"
#include "store/gs_int.h"
#include "store/jsonread.h"
#include "store/object_list.h"

static void
listing(const char *data, size_t size)
{
	StblRequest req;

	memset(&req, 0, sizeof(req));
	req.key = "a";
	if (stbl_gs_parse_list((const uint8_t *) data, size, "p/", &req) == NULL)
		for (size_t i = 0; i < req.n_entries; i++)
			MUST(req.entries[i].key[0] == 'a' &&
				 (req.entries[i].key[strlen(req.entries[i].key) - 1] == '/') == req.entries[i].is_folder);
	else
		MUST(req.n_entries == 0 && req.entries == NULL && req.list_next == NULL);
	stbl_object_free_list(&req);
}

static void
resource(const char *data, size_t size)
{
	StblRequest req;

	memset(&req, 0, sizeof(req));
	if (stbl_gs_parse_resource((const uint8_t *) data, size, &req) == NULL)
		MUST(req.new_etag[0] >= '1' && req.new_etag[0] <= '9' && strspn(req.new_etag, "0123456789") == strlen(req.new_etag));
}

static void
error(const char *data, size_t size)
{
	StblGsStore store;
	StblHttpRequest http;
	StblRequest req;

	memset(&store, 0, sizeof(store));
	memset(&http, 0, sizeof(http));
	memset(&req, 0, sizeof(req));
	store.base.kind = &stbl_gs_kind;
	store.access_token = (char *) "secret";
	req.op = size > 0 ? (StblOp) ((unsigned char) data[0] % STBL_N_OPS) : STBL_OP_GET;
	req.key = "k";
	http.status = size > 1 ? 300 + (unsigned char) data[1] : 500;
	if (size > 2)
	{
		http.answer = (uint8_t *) data + 2;
		http.answer_len = size - 2;
	}
	stbl_object_judge(&req, &http, &store.base);
	MUST(req.status != STBL_ST_PENDING && strstr(req.message, "secret") == NULL);
	for (const char *c = req.message; *c != '\0'; c++)
		MUST((unsigned char) *c >= ' ');
}

static void
values(const char *data, size_t size)
{
	static const char *const keys[] = {"access_token", "AccessKeyId", "expires_in"};
	char	   *value;
	uint64_t	number;
	bool		found;

	for (int i = 0; i < 3; i++)
	{
		StblJsonRead r;
		StblJsonEvent event;
		bool		is_whole = stbl_jsonread_find(data, size, keys[i], &value);
		size_t		n = 0;

		MUST(is_whole || value == NULL);
		if (value != NULL)
			MUST(strlen(value) <= size);
		free(value);
		if (stbl_jsonread_find_count(data, size, keys[i], &found, &number) && found)
			MUST(number <= (uint64_t) INT64_MAX);
		stbl_jsonread_init(&r, data, size);
		do
		{
			event = stbl_jsonread_next(&r);
			MUST(r.depth >= 0 && r.depth <= STBL_JSONREAD_MAX_DEPTH && r.pos >= r.start && r.pos <= r.end && n++ <= size + 1);
		} while (event != STBL_JSONREAD_DONE && event != STBL_JSONREAD_ERROR);
		/* what is found is found in a whole text only */
		if (event == STBL_JSONREAD_ERROR)
			MUST(!is_whole);
	}
}

static void
files(const char *data, size_t size)
{
	bool		found;
	char	   *value = stbl_ini_value(data, size, false, "default", "aws_access_key_id", &found);

	MUST(value == NULL || (found && value[0] != '\0' && strlen(value) < size && value[strlen(value) - 1] != ' '));
	free(value);
	value = stbl_ini_value(data, size, true, "p", "aws_secret_access_key", &found);
	MUST(value == NULL || found);
	free(value);
	value = stbl_xml_value(data, size, "AccessKeyId");
	MUST(value == NULL || (value[0] != '\0' && strlen(value) <= size));
	free(value);
}

static void
keys(const char *data, size_t size)
{
	char	   *text = malloc(size + 1);
	char		message[300] = "";

	memcpy(text, data, size);
	text[size] = '\0';
	if (!stbl_google_check_key(text, message, sizeof(message)))
		MUST(message[0] != '\0');
	(void) stbl_is_container_host(text);
	(void) stbl_gs_time_of(text, 0);
	free(text);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	static void (*const kinds[]) (const char *, size_t) = {listing, resource, error, values, files, keys};

	(void) mem;
	if (size > 0)
		kinds[data[0] % 6] ((const char *) data + 1, size - 1);
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
