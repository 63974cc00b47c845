/* Small texts from outside: paths, keys, identifiers, times, base 85, UTF-8. */
#include "common/codec.h"
#include "delta/action.h"
#include "fuzz.h"
#include "store/file.h"
#include "store/file_int.h"
#include "wal/statedoc.h"

bool		stbl_fsync = true;	/* the driver's file that has it is not linked */

static void
paths(StblMem *mem, const char *text)
{
	StblError	err;
	StblBuf		uri;
	char	   *path,
			   *again;

	(void) stbl_file_key_ok(text);
	(void) stbl_path_decode(mem, text, false, &path, &err);
	if (!stbl_path_decode(mem, text, true, &path, &err))
		return;
	stbl_buf_init(&uri, mem);
	stbl_path_encode(&uri, path);
	MUST(stbl_path_decode(mem, (const char *) uri.data, true, &again, &err) && strcmp(path, again) == 0);
}

static void
times(const char *text, size_t len)
{
	int64_t		us,
				again;
	char		out[64];

	if (!stbl_time_parse(text, len, &us))
		return;
	stbl_time_format(us, out);
	MUST(stbl_time_parse(out, strlen(out), &again) && us == again);
}

static void
run(StblMem *mem, const uint8_t *data, size_t size)
{
	char	   *text = stbl_strndup(mem, (const char *) data, size);
	StblUuid	uuid;
	StblBuf		bytes;
	StblDv		dv;
	StblError	err;
	char		out[40];

	paths(mem, text);
	times((const char *) data, size);
	if (stbl_uuid_parse((const char *) data, size, &uuid))
	{
		StblUuid	again;

		stbl_uuid_format(&uuid, out);
		MUST(stbl_uuid_parse(out, strlen(out), &again) && memcmp(&uuid, &again, sizeof(uuid)) == 0);
	}
	stbl_buf_init(&bytes, mem);
	if (stbl_z85_decode(&bytes, (const char *) data, size))
	{
		StblBuf		back;

		stbl_buf_init(&back, mem);
		stbl_z85_encode(&back, bytes.data, bytes.len);
		MUST(back.len == size && memcmp(back.data, data, size) == 0);
	}
	memset(&dv, 0, sizeof(dv));
	dv.storage = 'u';
	dv.path_or_inline = text;
	(void) stbl_dv_key(mem, &dv, &err);
	(void) stbl_utf8_is_valid(data, size);
	if (stbl_id_is_valid(text))
		(void) stbl_target_row_id(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(run, data, size);
}
