/* Reading listings in XML; pure. */
#include <stdlib.h>
#include <string.h>

#include "store/object_list.h"

#define MAX_TOKEN 8192
#define MAX_KEY 4096

void
stbl_object_free_list(StblRequest *req)
{
	for (size_t i = 0; i < req->n_entries; i++)
		free(req->entries[i].key);
	free(req->entries);
	req->entries = NULL;
	req->n_entries = 0;
	free(req->list_next);
	req->list_next = NULL;
}

bool
stbl_list_append(StblRequest *req, size_t *cap, const StblListEntry *entry)
{
	if (req->n_entries == *cap)
	{
		size_t		more = *cap ? *cap * 2 : 64;
		StblListEntry *entries = realloc(req->entries, more * sizeof(StblListEntry));

		if (entries == NULL)
			return false;
		req->entries = entries;
		*cap = more;
	}
	req->entries[req->n_entries++] = *entry;
	return true;
}

bool
stbl_list_field_is(const StblListReader *r, const char *value)
{
	return r->field.data != NULL && strcmp(r->field.data, value) == 0;
}

bool
stbl_list_problem(StblListReader *r, const char *problem)
{
	r->problem = problem;
	return false;
}

/* Takes the entry at hand into the answer, its key as it was written. */
bool
stbl_list_add(StblListReader *r, bool is_folder)
{
	StblRequest *req = r->req;

	if (r->is_hidden)
		return true;
	if (r->key.data == NULL)
		return stbl_list_problem(r, "the listing has an entry without a name");
	r->entry.is_folder = is_folder;
	r->entry.key = r->key.data;
	if (!stbl_list_append(req, &r->cap, &r->entry))
		return stbl_list_problem(r, "out of memory");
	memset(&r->key, 0, sizeof(r->key));
	return true;
}

/*
 * Decodes the keys, and takes the store's prefix off them: only at the end of
 * a listing is it certain whether they are encoded.
 */
static bool
finish_entries(StblListReader *r)
{
	StblRequest *req = r->req;
	size_t		skip = strlen(r->store_prefix);
	size_t		n = 0;

	for (size_t i = 0; i < req->n_entries; i++)
	{
		StblListEntry e = req->entries[i];
		size_t		len;

		if (r->is_encoded && !stbl_percent_decode(e.key))
			return stbl_list_problem(r, "a key of the listing is not encoded as it says");
		if (strncmp(e.key, r->store_prefix, skip) != 0 || strncmp(e.key + skip, req->key, strlen(req->key)) != 0)
			return stbl_list_problem(r, "a key of the listing is not under the prefix that was asked for");
		len = strlen(e.key) - skip;
		memmove(e.key, e.key + skip, len + 1);
		if (e.is_folder && (len == 0 || e.key[len - 1] != '/'))
			return stbl_list_problem(r, "a folder of the listing does not end in a slash");
		req->entries[i].key = NULL;
		/* what consoles make to show a folder is no object of ours */
		if (!e.is_folder && (len == 0 || e.key[len - 1] == '/'))
			free(e.key);
		else
			req->entries[n++] = e;
	}
	req->n_entries = n;
	return true;
}

bool
stbl_list_take_size(StblListReader *r)
{
	const char *p = r->field.data;
	uint64_t	v = 0;

	if (p == NULL || strlen(p) > 18 || strspn(p, "0123456789") != strlen(p) || *p == '\0')
		return stbl_list_problem(r, "a size of the listing is no number");
	for (; *p != '\0'; p++)
		v = v * 10 + (uint64_t) (*p - '0');
	r->entry.size = v;
	return true;
}

bool
stbl_list_take_key(StblListReader *r)
{
	stbl_text_free(&r->key);
	if (r->field.len > MAX_KEY)
		return stbl_list_problem(r, "a key of the listing is too long");
	r->key = r->field;
	memset(&r->field, 0, sizeof(r->field));
	if (r->is_key_encoded && r->key.data != NULL && !stbl_uri_decode(r->key.data))
		return stbl_list_problem(r, "a key of the listing is not encoded as it says");
	return true;
}

static bool
add_field(StblListReader *r)
{
	char	   *decoded = malloc(r->xml.text_len + 1);
	long		n = decoded != NULL ? stbl_xml_text(&r->xml, decoded) : -1;

	if (n > 0)
		stbl_text_add(&r->field, decoded, (size_t) n);
	free(decoded);
	if (n < 0)
		return stbl_list_problem(r, "the listing holds a broken text");
	if (r->field.failed)
		return stbl_list_problem(r, "out of memory");
	if (r->field.len > MAX_TOKEN)
		return stbl_list_problem(r, "the listing holds a text that is too long");
	return true;
}

void
stbl_list_take_token(StblListReader *r)
{
	stbl_text_free(&r->token);
	r->token = r->field;
	memset(&r->field, 0, sizeof(r->field));
}

bool
stbl_list_within(const StblListReader *r, int depth, const char *name)
{
	const char *open;
	const char *colon;
	size_t		len;

	if (r->xml.depth < depth)
		return false;
	open = r->xml.open[depth - 1];
	len = r->xml.open_len[depth - 1];
	colon = memchr(open, ':', len);
	if (colon != NULL)
	{
		len -= (size_t) (colon + 1 - open);
		open = colon + 1;
	}
	return strlen(name) == len && memcmp(open, name, len) == 0;
}

static bool
read_events(const StblListForm *form, StblListReader *r)
{
	for (;;)
	{
		switch (stbl_xml_next(&r->xml))
		{
			case STBL_XML_START:
				if (r->xml.depth == 1 && !stbl_xml_is(&r->xml, form->root))
					return stbl_list_problem(r, "the answer is no listing");
				if (r->xml.depth == form->entry_depth)
				{
					stbl_text_free(&r->key);
					memset(&r->entry, 0, sizeof(r->entry));
					r->is_hidden = r->is_key_encoded = false;
				}
				if (form->begin != NULL)
					form->begin(r);
				stbl_text_free(&r->field);
				break;
			case STBL_XML_TEXT:
				if (!add_field(r))
					return false;
				break;
			case STBL_XML_END:
				/* the name of one written <a/> is that of its beginning */
				if (!form->end(r))
					return false;
				stbl_text_free(&r->field);
				break;
			case STBL_XML_DONE:
				if (r->is_truncated && r->token.len == 0)
					return stbl_list_problem(r, "the listing goes on, and does not say where");
				return finish_entries(r);
			case STBL_XML_ERROR:
				return stbl_list_problem(r, "the listing is no whole XML");
		}
	}
}

const char *
stbl_list_read(const StblListForm *form, const uint8_t *data, size_t len, const char *store_prefix, StblRequest *req)
{
	StblListReader r;

	memset(&r, 0, sizeof(r));
	r.req = req;
	r.store_prefix = store_prefix;
	stbl_xml_init(&r.xml, (const char *) data, len);
	if (read_events(form, &r) && r.is_truncated)
	{
		req->list_next = r.token.data;
		memset(&r.token, 0, sizeof(r.token));
	}
	stbl_text_free(&r.field);
	stbl_text_free(&r.key);
	stbl_text_free(&r.token);
	if (r.problem != NULL)
		stbl_object_free_list(req);
	return r.problem;
}
