/* Configurations of the domains of condemn.h. */
#include <string.h>

#include "common/codec.h"
#include "delta/condemn.h"

static bool
need_time(const StblJson *json, const char *domain, const char *key, int64_t *us, StblError *err)
{
	const char *text = stbl_json_get_str(json, key);

	if (text == NULL || !stbl_time_parse(text, strlen(text), us))
		return stbl_fail(err, STBL_ERR_CORRUPT, "domain \"%s\" has no key \"%s\" that is a time", domain, key);
	return true;
}

bool
stbl_cutoff_parse(StblMem *mem, const char *configuration, StblCutoff *out, StblError *err)
{
	StblJson   *json = stbl_json_parse(mem, configuration, strlen(configuration), err);

	memset(out, 0, sizeof(*out));
	return json != NULL && need_time(json, STBL_GC_DOMAIN, "cutoff", &out->cutoff_us, err) &&
		need_time(json, STBL_GC_DOMAIN, "at", &out->at_us, err);
}

char *
stbl_cutoff_write(StblMem *mem, const StblCutoff *cutoff)
{
	char		text[28];
	char		at[28];

	stbl_time_format(cutoff->cutoff_us, text);
	stbl_time_format(cutoff->at_us, at);
	return stbl_sprintf(mem, "{\"cutoff\":\"%s\",\"at\":\"%s\"}", text, at);
}

bool
stbl_dropped_parse(StblMem *mem, const char *configuration, int64_t *at_us, StblError *err)
{
	StblJson   *json = stbl_json_parse(mem, configuration, strlen(configuration), err);

	*at_us = 0;
	return json != NULL && need_time(json, STBL_DROPPED_DOMAIN, "at", at_us, err);
}

char *
stbl_dropped_write(StblMem *mem, int64_t at_us)
{
	char		at[28];

	stbl_time_format(at_us, at);
	return stbl_sprintf(mem, "{\"at\":\"%s\"}", at);
}
