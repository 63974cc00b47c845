/* Small pure conversions: identifiers, times, checksums, base85. */
#ifndef STBL_CODEC_H
#define STBL_CODEC_H

#include "common/buf.h"

#define STBL_ID_LEN 32			/* hex digits of a 128-bit id */

typedef struct StblUuid
{
	uint8_t		b[16];
} StblUuid;

/* 32 lowercase hex digits and a NUL into out[33]. */
extern void stbl_hex16(const uint8_t *bytes16, char *out);
extern void stbl_hex_encode(const uint8_t *bytes, size_t len, char *out);	/* out: 2 * len + 1 */
extern bool stbl_id_is_valid(const char *str);	/* exactly 32 lowercase hex digits */

/* Canonical 8-4-4-4-12 lowercase text into out[37]. */
extern void stbl_uuid_format(const StblUuid *uuid, char *out);
extern bool stbl_uuid_parse(const char *str, size_t len, StblUuid *uuid);	/* with or without hyphens, any case */

/*
 * Times are microseconds since the Unix epoch.  RFC 3339: `Z` or an offset, 0
 * to 9 digits of fraction (digits beyond microseconds are cut); years 0001 to
 * 9999.  Written in UTC with 6 digits and Z.
 */
extern bool stbl_time_parse(const char *str, size_t len, int64_t *us);
extern void stbl_time_format(int64_t us, char *out);	/* out: 28 bytes */

/* Days since 1970-01-01 to proleptic Gregorian date and back. */
extern void stbl_civil_from_days(int64_t days, int64_t *year, int *month, int *day);
extern int64_t stbl_days_from_civil(int64_t year, int month, int day);

/* CRC-32 of gzip, as Parquet pages and deletion vector files use it. */
extern uint32_t stbl_crc32(uint32_t crc, const void *data, size_t len);

/* Z85 of ZeroMQ RFC 32: 4 bytes to 5 characters; decoding needs len % 5 == 0. */
extern void stbl_z85_encode(StblBuf *out, const uint8_t *data, size_t len);	/* pads with zeros to a multiple of 4 */
extern bool stbl_z85_decode(StblBuf *out, const char *str, size_t len);

/* Whether the bytes are well-formed UTF-8 (no surrogates, nothing overlong). */
extern bool stbl_utf8_is_valid(const void *data, size_t len);

#endif							/* STBL_CODEC_H */
