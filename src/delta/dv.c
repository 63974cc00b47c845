/*
 * Deletion vectors.
 *
 *	vector	magic 1681511377 (u32 LE), number of buckets (u64 LE), then for each
 *			bucket its key (u32 LE, ascending) and a 32-bit roaring bitmap in
 *			the portable format
 *	file	version byte 1, then for each vector: length (u32 BE), vector,
 *			CRC-32 of the vector (u32 BE)
 *
 * We keep positions in 32 bits: the only bucket we read is that of key 0.
 *
 * CRoaring 0.2 trusts what it is given.  check_roaring walks the whole bitmap
 * before the library sees it: what passes is sorted, without overlaps, and
 * has just the cardinalities it claims, so that no later operation can leave
 * its containers.
 */
#include <inttypes.h>
#include <string.h>

#include <roaring/roaring.h>

#include "common/codec.h"
#include "delta/action.h"

#define DV_MAGIC 1681511377U
#define DV_MAGIC_NATIVE 0xD0D33964U /* 1681511376, big-endian: an older layout that the protocol does not have */
#define COOKIE_NO_RUN 12346U
#define COOKIE_RUN 12347U
#define CONTAINERS_MAX 65536U
#define ARRAY_MAX 4096U			/* values from which a container is a bitset */
#define BITSET_BYTES 8192U
#define NO_OFFSET_BELOW 4U		/* containers from which a bitmap with runs has an offset header */
#define UUID_Z85_LEN 20

static bool
dv_corrupt(StblError *err, size_t offset, const char *what)
{
	return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector is corrupt at offset %zu: %s", offset, what);
}

static bool
check_array(StblCursor *cur, uint32_t card, StblError *err)
{
	size_t		at = stbl_cursor_offset(cur);
	uint32_t	prev = 0;
	uint32_t	i;

	for (i = 0; i < card; i++)
	{
		uint32_t	value = stbl_cursor_u16le(cur);

		if (cur->failed)
			return dv_corrupt(err, at, "array container is cut short");
		if (i > 0 && value <= prev)
			return dv_corrupt(err, at, "array container is not sorted");
		prev = value;
	}
	return true;
}

static bool
check_bitset(StblCursor *cur, uint32_t card, StblError *err)
{
	size_t		at = stbl_cursor_offset(cur);
	const uint8_t *bits = stbl_cursor_bytes(cur, BITSET_BYTES);
	uint32_t	count = 0;
	uint32_t	i;

	if (bits == NULL)
		return dv_corrupt(err, at, "bitset container is cut short");
	for (i = 0; i < BITSET_BYTES; i += 8)
	{
		uint64_t	word;

		memcpy(&word, bits + i, 8);
		count += (uint32_t) __builtin_popcountll(word);
	}
	if (count != card)
		return dv_corrupt(err, at, "bitset container has another cardinality than its header says");
	return true;
}

/* adjacent is set when two runs touch: sound, but not in normal form. */
static bool
check_runs(StblCursor *cur, uint32_t card, bool *adjacent, StblError *err)
{
	size_t		at = stbl_cursor_offset(cur);
	uint32_t	n_runs = stbl_cursor_u16le(cur);
	uint32_t	count = 0;
	int64_t		prev_end = -1;
	uint32_t	i;

	if (cur->failed || n_runs == 0)
		return dv_corrupt(err, at, "run container is empty or cut short");
	for (i = 0; i < n_runs; i++)
	{
		int64_t		start = stbl_cursor_u16le(cur);
		int64_t		end = start + stbl_cursor_u16le(cur);

		if (cur->failed)
			return dv_corrupt(err, at, "run container is cut short");
		if (start <= prev_end || end > 65535)
			return dv_corrupt(err, at, "run container overlaps or leaves its range");
		if (i > 0 && start == prev_end + 1)
			*adjacent = true;
		count += (uint32_t) (end - start + 1);
		prev_end = end;
	}
	if (count != card)
		return dv_corrupt(err, at, "run container has another cardinality than its header says");
	return true;
}

/*
 * Walks one portable bitmap at the cursor and leaves the cursor behind it.
 */
static bool
check_roaring(StblCursor *cur, bool *adjacent, StblError *err)
{
	size_t		start = stbl_cursor_offset(cur);
	uint32_t	cookie = stbl_cursor_u32le(cur);
	uint32_t	n;
	const uint8_t *run_flags = NULL;
	const uint8_t *headers;
	const uint8_t *offsets = NULL;
	uint32_t	i;

	if ((cookie & 0xFFFF) == COOKIE_RUN)
	{
		n = (cookie >> 16) + 1;
		run_flags = stbl_cursor_bytes(cur, (n + 7) / 8);
	}
	else if (cookie == COOKIE_NO_RUN)
		n = stbl_cursor_u32le(cur);
	else
		return dv_corrupt(err, start, "no roaring bitmap");
	if (cur->failed || n > CONTAINERS_MAX)
		return dv_corrupt(err, start, "wrong number of containers");
	headers = stbl_cursor_bytes(cur, (size_t) n * 4);
	if (run_flags == NULL || n >= NO_OFFSET_BELOW)
		offsets = stbl_cursor_bytes(cur, (size_t) n * 4);
	if (cur->failed)
		return dv_corrupt(err, start, "header is cut short");
	for (i = 0; i < n; i++)
	{
		const uint8_t *h = headers + (size_t) i * 4;
		uint32_t	key = h[0] | (uint32_t) h[1] << 8;
		uint32_t	card = (h[2] | (uint32_t) h[3] << 8) + 1;
		size_t		at = stbl_cursor_offset(cur);
		bool		ok;

		if (i > 0 && key <= (h[-4] | (uint32_t) h[-3] << 8))
			return dv_corrupt(err, start, "container keys are not sorted");
		if (offsets != NULL)
		{
			const uint8_t *o = offsets + (size_t) i * 4;
			uint32_t	offset = o[0] | (uint32_t) o[1] << 8 | (uint32_t) o[2] << 16 | (uint32_t) o[3] << 24;

			if (offset != at - start)
				return dv_corrupt(err, at, "container is not where the header says");
		}
		if (run_flags != NULL && (run_flags[i / 8] & (1 << (i % 8))) != 0)
			ok = check_runs(cur, card, adjacent, err);
		else if (card <= ARRAY_MAX)
			ok = check_array(cur, card, err);
		else
			ok = check_bitset(cur, card, err);
		if (!ok)
			return false;
	}
	return true;
}

roaring_bitmap_t *
stbl_dv_decode(const uint8_t *data, size_t len, StblError *err)
{
	StblCursor	cur;
	uint32_t	magic;
	uint64_t	n_buckets;
	size_t		start;
	bool		adjacent = false;
	roaring_bitmap_t *bitmap;

	stbl_cursor_init(&cur, data, len);
	magic = stbl_cursor_u32le(&cur);
	n_buckets = stbl_cursor_u64le(&cur);
	if (magic == DV_MAGIC_NATIVE && !cur.failed)
	{
		stbl_fail(err, STBL_ERR_UNSUPPORTED, "deletion vector has the older, unsupported layout");
		return NULL;
	}
	if (cur.failed || magic != DV_MAGIC)
	{
		dv_corrupt(err, 0, "wrong magic number");
		return NULL;
	}
	if (n_buckets == 0)
	{
		if (stbl_cursor_left(&cur) != 0)
		{
			dv_corrupt(err, stbl_cursor_offset(&cur), "bytes after the end");
			return NULL;
		}
		bitmap = roaring_bitmap_create();
	}
	else
	{
		uint32_t	key = stbl_cursor_u32le(&cur);

		if (cur.failed || key > INT32_MAX)
		{
			dv_corrupt(err, 4, "wrong bucket");
			return NULL;
		}
		start = stbl_cursor_offset(&cur);
		if (!check_roaring(&cur, &adjacent, err))
			return NULL;
		if (n_buckets > 1 || key != 0)
		{
			stbl_fail(err, STBL_ERR_UNSUPPORTED, "deletion vector has row positions beyond 4294967295");
			return NULL;
		}
		if (stbl_cursor_left(&cur) != 0)
		{
			dv_corrupt(err, stbl_cursor_offset(&cur), "bytes after the end");
			return NULL;
		}
		bitmap = roaring_bitmap_portable_deserialize_safe((const char *) data + start, len - start);
	}
	if (bitmap == NULL)
	{
		stbl_fail(err, STBL_ERR_MEMORY, "out of memory for a deletion vector of %zu bytes", len);
		return NULL;
	}
	if (adjacent)
		roaring_bitmap_remove_run_compression(bitmap);
	return bitmap;
}

void
stbl_dv_encode(const roaring_bitmap_t *bitmap, StblBuf *out)
{
	roaring_bitmap_t *compact;
	bool		empty = roaring_bitmap_is_empty(bitmap);
	size_t		room = roaring_bitmap_portable_size_in_bytes(bitmap);

	stbl_buf_u32le(out, DV_MAGIC);
	stbl_buf_u64le(out, empty ? 0 : 1);
	if (empty)
		return;
	stbl_buf_u32le(out, 0);

	/*
	 * Runs never make a bitmap larger, so this is room enough; nothing below
	 * can throw while the copy is held.
	 */
	stbl_buf_reserve(out, room);
	compact = roaring_bitmap_copy(bitmap);
	if (compact != NULL)
	{
		roaring_bitmap_run_optimize(compact);
		if (roaring_bitmap_portable_size_in_bytes(compact) <= room)
			bitmap = compact;
	}
	out->len += roaring_bitmap_portable_serialize(bitmap, (char *) out->data + out->len);
	out->data[out->len] = 0;
	if (compact != NULL)
		roaring_bitmap_free(compact);
}

static roaring_bitmap_t *
check_cardinality(roaring_bitmap_t *bitmap, const StblDv *dv, StblError *err)
{
	uint64_t	card;

	if (bitmap == NULL)
		return NULL;
	card = roaring_bitmap_get_cardinality(bitmap);
	if (dv->cardinality >= 0 && card == (uint64_t) dv->cardinality)
		return bitmap;
	roaring_bitmap_free(bitmap);
	stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector has %" PRIu64 " rows, but its descriptor says %" PRId64,
			  card, dv->cardinality);
	return NULL;
}

roaring_bitmap_t *
stbl_dv_decode_inline(StblMem *mem, const StblDv *dv, StblError *err)
{
	StblBuf		bytes;
	roaring_bitmap_t *bitmap;
	size_t		text_len = strlen(dv->path_or_inline);

	if (dv->storage != 'i' || dv->size_bytes < 0 ||
		(uint64_t) dv->size_bytes > text_len || text_len != ((size_t) dv->size_bytes + 3) / 4 * 5)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "inline deletion vector has another length than its descriptor says");
		return NULL;
	}
	stbl_buf_init(&bytes, mem);
	if (!stbl_z85_decode(&bytes, dv->path_or_inline, text_len) || bytes.len < (size_t) dv->size_bytes)
	{
		stbl_buf_free(&bytes);
		stbl_fail(err, STBL_ERR_CORRUPT, "inline deletion vector is not well-formed Z85");
		return NULL;
	}
	bitmap = stbl_dv_decode(bytes.data, (size_t) dv->size_bytes, err);
	stbl_buf_free(&bytes);
	return check_cardinality(bitmap, dv, err);
}

void
stbl_dv_make_inline(StblMem *mem, const uint8_t *serialized, size_t len, int64_t cardinality, StblDv *out)
{
	StblBuf		text;

	memset(out, 0, sizeof(*out));
	stbl_buf_init(&text, mem);
	stbl_z85_encode(&text, serialized, len);
	out->storage = 'i';
	out->path_or_inline = stbl_strndup(mem, text.data == NULL ? "" : (const char *) text.data, text.len);
	out->size_bytes = (int64_t) len;
	out->cardinality = cardinality;
	stbl_buf_free(&text);
}

void
stbl_dv_file_begin(StblBuf *out)
{
	stbl_buf_u8(out, 1);
}

void
stbl_dv_file_add(StblBuf *out, const uint8_t *serialized, size_t len, int64_t cardinality, StblDv *dv)
{
	dv->has_offset = true;
	dv->offset = (int64_t) out->len;
	dv->size_bytes = (int64_t) len;
	dv->cardinality = cardinality;
	stbl_buf_u32be(out, (uint32_t) len);
	stbl_buf_append(out, serialized, len);
	stbl_buf_u32be(out, stbl_crc32(0, serialized, len));
}

void
stbl_dv_set_uuid(StblMem *mem, StblDv *dv, const char *uuid_text)
{
	StblUuid	uuid;
	StblBuf		text;

	memset(&uuid, 0, sizeof(uuid));
	stbl_uuid_parse(uuid_text, strlen(uuid_text), &uuid);
	stbl_buf_init(&text, mem);
	stbl_z85_encode(&text, uuid.b, sizeof(uuid.b));
	dv->storage = 'u';
	dv->path_or_inline = stbl_strndup(mem, (const char *) text.data, text.len);
	stbl_buf_free(&text);
}

roaring_bitmap_t *
stbl_dv_decode_stored(const StblDv *dv, const uint8_t *data, size_t len, StblError *err)
{
	StblCursor	cur;
	const uint8_t *bytes;

	stbl_cursor_init(&cur, data, len);
	if (dv->size_bytes < 0 || len < 8 || len - 8 != (uint64_t) dv->size_bytes ||
		stbl_cursor_u32be(&cur) != (uint64_t) dv->size_bytes)
	{
		dv_corrupt(err, 0, "another length than the descriptor says");
		return NULL;
	}
	bytes = stbl_cursor_bytes(&cur, len - 8);
	if (stbl_cursor_u32be(&cur) != stbl_crc32(0, bytes, len - 8))
	{
		dv_corrupt(err, len - 4, "wrong checksum");
		return NULL;
	}
	return check_cardinality(stbl_dv_decode(bytes, len - 8, err), dv, err);
}

char *
stbl_dv_key(StblMem *mem, const StblDv *dv, StblError *err)
{
	size_t		len = strlen(dv->path_or_inline);
	size_t		prefix_len;
	size_t		i;
	StblBuf		bytes;
	StblUuid	uuid;
	char		text[37];
	bool		ok;

	if (dv->storage == 'p')
	{
		stbl_fail(err, STBL_ERR_UNSUPPORTED, "deletion vector \"%.200s\" has an absolute path", dv->path_or_inline);
		return NULL;
	}
	if (dv->storage != 'u' || len < UUID_Z85_LEN)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor names no file");
		return NULL;
	}
	prefix_len = len - UUID_Z85_LEN;
	for (i = 0; i < prefix_len; i++)
	{
		unsigned char c = (unsigned char) dv->path_or_inline[i];

		if (c < 0x20 || c == '/' || c == '\\' || (i == 0 && c == '.'))
		{
			stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong prefix");
			return NULL;
		}
	}
	stbl_buf_init(&bytes, mem);
	ok = stbl_z85_decode(&bytes, dv->path_or_inline + prefix_len, UUID_Z85_LEN) && bytes.len == sizeof(uuid.b);
	if (ok)
		memcpy(uuid.b, bytes.data, sizeof(uuid.b));
	stbl_buf_free(&bytes);
	if (!ok)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has no well-formed uuid");
		return NULL;
	}
	stbl_uuid_format(&uuid, text);
	return stbl_sprintf(mem, "%.*s%sdeletion_vector_%s.bin", (int) prefix_len, dv->path_or_inline,
						prefix_len > 0 ? "/" : "", text);
}

void
stbl_dv_write_json(StblBuf *out, const StblDv *dv)
{
	stbl_buf_printf(out, "{\"storageType\":\"%c\",\"pathOrInlineDv\":", dv->storage);
	stbl_json_write_str(out, dv->path_or_inline, strlen(dv->path_or_inline));
	if (dv->has_offset)
		stbl_buf_printf(out, ",\"offset\":%" PRId64, dv->offset);
	stbl_buf_printf(out, ",\"sizeInBytes\":%" PRId64 ",\"cardinality\":%" PRId64 "}", dv->size_bytes, dv->cardinality);
}

bool
stbl_dv_from_json(StblMem *mem, const StblJson *json, StblDv *dv, StblError *err)
{
	StblJson   *storage = stbl_json_get(json, "storageType");
	StblJson   *path = stbl_json_get(json, "pathOrInlineDv");
	StblJson   *offset = stbl_json_get(json, "offset");

	memset(dv, 0, sizeof(*dv));
	if (json == NULL || json->type != STBL_JSON_OBJECT)
		return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor is not an object");
	if (storage == NULL || storage->type != STBL_JSON_STRING || storage->len != 1 || strchr("uip", storage->str[0]) == NULL ||
		storage->str[0] == '\0')
		return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong storageType");
	if (path == NULL || path->type != STBL_JSON_STRING || memchr(path->str, 0, path->len) != NULL)
		return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong pathOrInlineDv");
	dv->storage = storage->str[0];
	if (offset != NULL && offset->type != STBL_JSON_NULL)
	{
		if (offset->type != STBL_JSON_INT || offset->integer < 0 || offset->integer > INT32_MAX)
			return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong offset");
		dv->has_offset = true;
		dv->offset = offset->integer;
	}
	if (!stbl_json_get_int(json, "sizeInBytes", &dv->size_bytes) || dv->size_bytes < 0 || dv->size_bytes > INT32_MAX)
		return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong sizeInBytes");
	if (!stbl_json_get_int(json, "cardinality", &dv->cardinality) || dv->cardinality < 0)
		return stbl_fail(err, STBL_ERR_CORRUPT, "deletion vector descriptor has a wrong cardinality");
	dv->path_or_inline = stbl_strndup(mem, path->str, path->len);
	return true;
}

StblJson *
stbl_dv_to_json(StblMem *mem, const StblDv *dv)
{
	StblJson   *json = stbl_json_new(mem, STBL_JSON_OBJECT);
	char		storage[2] = {dv->storage, 0};

	stbl_json_set(mem, json, "storageType", stbl_json_new_str(mem, storage));
	stbl_json_set(mem, json, "pathOrInlineDv", stbl_json_new_str(mem, dv->path_or_inline));
	if (dv->has_offset)
		stbl_json_set(mem, json, "offset", stbl_json_new_int(mem, dv->offset));
	stbl_json_set(mem, json, "sizeInBytes", stbl_json_new_int(mem, dv->size_bytes));
	stbl_json_set(mem, json, "cardinality", stbl_json_new_int(mem, dv->cardinality));
	return json;
}

bool
stbl_dv_equal(const StblDv *a, const StblDv *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->storage == b->storage && strcmp(a->path_or_inline, b->path_or_inline) == 0 &&
		(a->has_offset ? a->offset : 0) == (b->has_offset ? b->offset : 0);
}
