/* Small pure conversions (common/codec.h). */
#include <string.h>

#include "common/codec.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)
#define DAYS_PER_ERA 146097		/* 400 Gregorian years */
#define DAYS_TO_EPOCH 719468	/* from 0000-03-01 to 1970-01-01 */

/* 0001-01-01T00:00:00Z, and the last microsecond of the year 9999 */
#define TIME_MIN_US (INT64_C(-719162) * US_PER_DAY)
#define TIME_MAX_US (INT64_C(2932897) * US_PER_DAY - 1)

static const char hex_digits[] = "0123456789abcdef";

void
stbl_hex_encode(const uint8_t *bytes, size_t len, char *out)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	*out = '\0';
}

void
stbl_hex16(const uint8_t *bytes16, char *out)
{
	stbl_hex_encode(bytes16, 16, out);
}

bool
stbl_id_is_valid(const char *str)
{
	size_t		i;

	for (i = 0; i < STBL_ID_LEN; i++)
	{
		if (!((str[i] >= '0' && str[i] <= '9') || (str[i] >= 'a' && str[i] <= 'f')))
			return false;
	}
	return str[STBL_ID_LEN] == '\0';
}

/* Whether a byte of a UUID has a hyphen before it in the canonical text. */
static bool
hyphen_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void
stbl_uuid_format(const StblUuid *uuid, char *out)
{
	int			i;

	for (i = 0; i < 16; i++)
	{
		if (hyphen_before(i))
			*out++ = '-';
		*out++ = hex_digits[uuid->b[i] >> 4];
		*out++ = hex_digits[uuid->b[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
stbl_uuid_parse(const char *str, size_t len, StblUuid *uuid)
{
	StblUuid	result;
	int			i;

	if (len != 36 && len != 32)
		return false;
	for (i = 0; i < 16; i++)
	{
		int			high;
		int			low;

		if (len == 36 && hyphen_before(i) && *str++ != '-')
			return false;
		high = hex_value(*str++);
		low = hex_value(*str++);
		if (high < 0 || low < 0)
			return false;
		result.b[i] = (uint8_t) (high << 4 | low);
	}
	*uuid = result;
	return true;
}

/*
 * Both directions count in years that begin on 1 March, so that the leap day
 * is the last of its year, and in eras of 400 years, which are all alike.
 */
void
stbl_civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t		era = days / DAYS_PER_ERA;
	int64_t		doe = days % DAYS_PER_ERA;	/* day of era */
	int64_t		yoe;			/* year of era */
	int64_t		doy;			/* day of year */
	int64_t		mp;				/* month, 0 is March */

	if (doe < 0)
	{
		doe += DAYS_PER_ERA;
		era--;
	}
	/* shifted only now, where no days can overflow */
	doe += DAYS_TO_EPOCH % DAYS_PER_ERA;
	era += DAYS_TO_EPOCH / DAYS_PER_ERA;
	if (doe >= DAYS_PER_ERA)
	{
		doe -= DAYS_PER_ERA;
		era++;
	}
	yoe = (doe - doe / 1460 + doe / 36524 - doe / (DAYS_PER_ERA - 1)) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*day = (int) (doy - (153 * mp + 2) / 5 + 1);
	*month = (int) (mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

int64_t
stbl_days_from_civil(int64_t year, int month, int day)
{
	int64_t		era;
	int64_t		yoe;
	int64_t		doy;
	int64_t		doe;

	era = year / 400;
	yoe = year % 400;
	if (month <= 2)
		yoe--;
	if (yoe < 0)
	{
		yoe += 400;
		era--;
	}
	doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	/* unsigned, so that a year beyond all days wraps instead of trapping */
	return (int64_t) ((uint64_t) era * DAYS_PER_ERA + (uint64_t) doe - DAYS_TO_EPOCH);
}

/* Reads exactly n digits; -1 when there are fewer. */
static int
read_digits(StblCursor *cur, size_t n)
{
	const uint8_t *p = stbl_cursor_bytes(cur, n);
	int			v = 0;
	size_t		i;

	if (p == NULL)
		return -1;
	for (i = 0; i < n; i++)
	{
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static bool
read_date(StblCursor *cur, int64_t *days)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year;
	int			month;
	int			day;
	bool		leap;

	year = read_digits(cur, 4);
	if (year < 1 || stbl_cursor_u8(cur) != '-')
		return false;
	month = read_digits(cur, 2);
	if (month < 1 || month > 12 || stbl_cursor_u8(cur) != '-')
		return false;
	day = read_digits(cur, 2);
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > month_days[month - 1] + (leap && month == 2 ? 1 : 0))
		return false;
	*days = stbl_days_from_civil(year, month, day);
	return true;
}

/* A fraction, its point already read, to microseconds. */
static bool
read_fraction(StblCursor *cur, int64_t *us)
{
	int			digits = 0;

	*us = 0;
	while (stbl_cursor_left(cur) > 0 && *cur->pos >= '0' && *cur->pos <= '9')
	{
		uint8_t		c = stbl_cursor_u8(cur);

		if (++digits > 9)
			return false;
		if (digits <= 6)
			*us = *us * 10 + (c - '0');
	}
	if (digits == 0)
		return false;
	for (; digits < 6; digits++)
		*us *= 10;
	return true;
}

/* `Z` or an offset, and then the end; *minutes is what local time is ahead. */
static bool
read_zone(StblCursor *cur, int *minutes)
{
	uint8_t		sign = stbl_cursor_u8(cur);
	int			hour;
	int			minute;

	*minutes = 0;
	if (sign == 'Z' || sign == 'z')
		return stbl_cursor_left(cur) == 0;
	if (sign != '+' && sign != '-')
		return false;
	hour = read_digits(cur, 2);
	if (hour < 0 || hour > 23 || stbl_cursor_u8(cur) != ':')
		return false;
	minute = read_digits(cur, 2);
	if (minute < 0 || minute > 59)
		return false;
	*minutes = hour * 60 + minute;
	if (sign == '-')
		*minutes = -*minutes;
	return stbl_cursor_left(cur) == 0;
}

/* Second 60 is refused: a leap second has no count of its own since the epoch. */
bool
stbl_time_parse(const char *str, size_t len, int64_t *us)
{
	StblCursor	cur;
	int64_t		days;
	int64_t		fraction = 0;
	int64_t		result;
	int			hour;
	int			minute;
	int			second;
	int			zone;
	uint8_t		sep;

	stbl_cursor_init(&cur, str, len);
	if (!read_date(&cur, &days))
		return false;
	sep = stbl_cursor_u8(&cur);
	if (sep != 'T' && sep != 't')
		return false;
	hour = read_digits(&cur, 2);
	if (hour < 0 || hour > 23 || stbl_cursor_u8(&cur) != ':')
		return false;
	minute = read_digits(&cur, 2);
	if (minute < 0 || minute > 59 || stbl_cursor_u8(&cur) != ':')
		return false;
	second = read_digits(&cur, 2);
	if (second < 0 || second > 59)
		return false;
	if (stbl_cursor_left(&cur) > 0 && *cur.pos == '.')
	{
		stbl_cursor_u8(&cur);
		if (!read_fraction(&cur, &fraction))
			return false;
	}
	if (!read_zone(&cur, &zone))
		return false;
	result = days * US_PER_DAY + fraction +
		(int64_t) ((hour * 60 + minute - zone) * 60 + second) * US_PER_SECOND;
	/* an offset may lead out of the years that can be written again */
	if (result < TIME_MIN_US || result > TIME_MAX_US)
		return false;
	*us = result;
	return true;
}

static char *
put_digits(char *out, int64_t v, int n)
{
	int			i;

	for (i = n - 1; i >= 0; i--)
	{
		out[i] = (char) ('0' + v % 10);
		v /= 10;
	}
	return out + n;
}

void
stbl_time_format(int64_t us, char *out)
{
	int64_t		days;
	int64_t		rest;
	int64_t		year;
	int			month;
	int			day;

	/* 28 bytes hold no other year, so the ends stand for what is beyond them */
	if (us < TIME_MIN_US)
		us = TIME_MIN_US;
	if (us > TIME_MAX_US)
		us = TIME_MAX_US;
	days = us / US_PER_DAY;
	rest = us % US_PER_DAY;
	if (rest < 0)
	{
		rest += US_PER_DAY;
		days--;
	}
	stbl_civil_from_days(days, &year, &month, &day);
	out = put_digits(out, year, 4);
	*out++ = '-';
	out = put_digits(out, month, 2);
	*out++ = '-';
	out = put_digits(out, day, 2);
	*out++ = 'T';
	out = put_digits(out, rest / (3600 * US_PER_SECOND), 2);
	*out++ = ':';
	out = put_digits(out, rest / (60 * US_PER_SECOND) % 60, 2);
	*out++ = ':';
	out = put_digits(out, rest / US_PER_SECOND % 60, 2);
	*out++ = '.';
	out = put_digits(out, rest % US_PER_SECOND, 6);
	*out++ = 'Z';
	*out = '\0';
}

static const char z85_digits[] =
"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

void
stbl_z85_encode(StblBuf *out, const uint8_t *data, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i += 4)
	{
		uint8_t		group[4] = {0, 0, 0, 0};
		uint32_t	v;
		char		digits[5];
		int			j;

		memcpy(group, data + i, len - i < 4 ? len - i : 4);
		v = (uint32_t) group[0] << 24 | (uint32_t) group[1] << 16 |
			(uint32_t) group[2] << 8 | group[3];
		for (j = 4; j >= 0; j--)
		{
			digits[j] = z85_digits[v % 85];
			v /= 85;
		}
		stbl_buf_append(out, digits, 5);
	}
}

bool
stbl_z85_decode(StblBuf *out, const char *str, size_t len)
{
	size_t		before = out->len;
	size_t		i;

	if (len % 5 != 0)
		return false;
	for (i = 0; i < len; i += 5)
	{
		uint64_t	v = 0;
		int			j;

		for (j = 0; j < 5; j++)
		{
			const char *digit = memchr(z85_digits, str[i + j], 85);

			if (digit == NULL)
				break;
			v = v * 85 + (uint64_t) (digit - z85_digits);
		}
		if (j < 5 || v > UINT32_MAX)
		{
			/* nothing of a bad text stays behind */
			out->len = before;
			if (out->data != NULL)
				out->data[before] = '\0';
			return false;
		}
		stbl_buf_u32be(out, (uint32_t) v);
	}
	return true;
}

bool
stbl_utf8_is_valid(const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t		i = 0;

	while (i < len)
	{
		uint8_t		lead = p[i];
		uint8_t		low = 0x80; /* bounds of the second byte */
		uint8_t		high = 0xbf;
		size_t		width;
		size_t		j;

		if (lead < 0x80)
		{
			i++;
			continue;
		}
		if (lead >= 0xc2 && lead <= 0xdf)
			width = 2;
		else if (lead >= 0xe0 && lead <= 0xef)
			width = 3;
		else if (lead >= 0xf0 && lead <= 0xf4)
			width = 4;
		else
			return false;
		if (width > len - i)
			return false;
		if (lead == 0xe0)
			low = 0xa0;			/* below: overlong */
		else if (lead == 0xed)
			high = 0x9f;		/* above: surrogates */
		else if (lead == 0xf0)
			low = 0x90;			/* below: overlong */
		else if (lead == 0xf4)
			high = 0x8f;		/* above: beyond U+10FFFF */
		if (p[i + 1] < low || p[i + 1] > high)
			return false;
		for (j = 2; j < width; j++)
		{
			if ((p[i + j] & 0xc0) != 0x80)
				return false;
		}
		i += width;
	}
	return true;
}
