/* Header lines of an answer: bounded, and nothing but what a driver asks for. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/codec.h"
#include "store/http.h"

#define MAX_RETRY_AFTER_S 3600

static bool
read_number(const char **at, const char *end, uint64_t *value)
{
	const char *p = *at;
	uint64_t	v = 0;

	while (p < end && *p >= '0' && *p <= '9')
	{
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t) (*p++ - '0');
	}
	if (p == *at)
		return false;
	*at = p;
	*value = v;
	return true;
}

int64_t
stbl_http_date(const char *p, size_t len)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int			n[5];
	static const int places[5] = {5, 12, 17, 20, 23};
	static const int digits[5] = {2, 4, 2, 2, 2};
	int			month;

	if (len != 29 || p[3] != ',' || p[4] != ' ' || p[7] != ' ' || p[11] != ' ' || p[16] != ' ' ||
		p[19] != ':' || p[22] != ':' || memcmp(p + 25, " GMT", 4) != 0)
		return 0;
	for (int i = 0; i < 5; i++)
	{
		n[i] = 0;
		for (int d = 0; d < digits[i]; d++)
		{
			char		c = p[places[i] + d];

			if (c < '0' || c > '9')
				return 0;
			n[i] = n[i] * 10 + (c - '0');
		}
	}
	for (month = 0; month < 12; month++)
		if (memcmp(months + month * 3, p + 8, 3) == 0)
			break;
	if (month == 12 || n[0] < 1 || n[0] > 31 || n[1] < 1970 || n[2] > 23 || n[3] > 59 || n[4] > 60)
		return 0;
	return ((stbl_days_from_civil(n[1], month + 1, n[0]) * 24 + n[2]) * 3600 + n[3] * 60 + n[4]) * INT64_C(1000000);
}

static void
read_range(StblHttpRequest *req, const char *p, const char *end)
{
	if (end - p < 7 || strncasecmp(p, "bytes ", 6) != 0)
		return;
	p += 6;
	if (*p == '*')
		p++;
	else if (read_number(&p, end, &req->range_first) && p < end && *p++ == '-' &&
			 read_number(&p, end, &req->range_last))
		req->has_range = true;
	else
		return;
	if (p < end && *p == '/')
	{
		p++;
		(void) read_number(&p, end, &req->range_total);
	}
}

static void
copy(char *out, size_t size, const char *p, const char *end)
{
	size_t		len = (size_t) (end - p);

	if (len >= size)
		return;
	memcpy(out, p, len);
	out[len] = '\0';
}

static bool
is_name(const char *line, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(line, name, len) == 0;
}

/* A status line begins a new answer: one with 1xx, or a proxy's, may have come before. */
static void
begin_answer(StblHttpRequest *req)
{
	req->is_framed = req->has_length = req->has_range = req->etag_too_long = false;
	req->content_length = req->range_first = req->range_last = req->range_total = 0;
	req->etag[0] = req->region[0] = req->error_code[0] = '\0';
	req->date_us = req->modified_us = req->retry_after_us = 0;
}

void
stbl_http_header(StblHttpRequest *req, const char *line, size_t len)
{
	const char *end = line + len;
	const char *colon = memchr(line, ':', len);
	const char *value;
	size_t		name_len;
	uint64_t	n;

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		begin_answer(req);
		return;
	}
	if (colon == NULL || memchr(line, '\0', len) != NULL)
		return;
	name_len = (size_t) (colon - line);
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	if (is_name(line, name_len, req->etag_header != NULL ? req->etag_header : "etag"))
	{
		req->etag_too_long = (size_t) (end - value) >= sizeof(req->etag);
		copy(req->etag, sizeof(req->etag), value, end);
	}
	else if (is_name(line, name_len, "content-length"))
	{
		if (read_number(&value, end, &n) && value == end)
		{
			req->has_length = req->is_framed = true;
			req->content_length = n;
		}
	}
	else if (is_name(line, name_len, "transfer-encoding"))
		req->is_framed = true;
	else if (is_name(line, name_len, "content-range"))
		read_range(req, value, end);
	else if (is_name(line, name_len, "date"))
		req->date_us = stbl_http_date(value, (size_t) (end - value));
	else if (is_name(line, name_len, "last-modified"))
		req->modified_us = stbl_http_date(value, (size_t) (end - value));
	else if (is_name(line, name_len, "x-amz-bucket-region"))
		copy(req->region, sizeof(req->region), value, end);
	else if (is_name(line, name_len, "x-ms-error-code"))
		copy(req->error_code, sizeof(req->error_code), value, end);
	else if (is_name(line, name_len, "retry-after") && read_number(&value, end, &n) && value == end)
		req->retry_after_us = (int64_t) (n < MAX_RETRY_AFTER_S ? n : MAX_RETRY_AFTER_S) * 1000000;
}
