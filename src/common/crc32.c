/*
 * CRC-32 as gzip has it (polynomial 0x04c11db7, bits reflected).
 *
 * zlib's costs a tenth of what reading a compressed column does.  Where the
 * processor multiplies without carries, the sum is had by folding: as a
 * polynomial over GF(2) the message is congruent, modulo the CRC's own, to a
 * shorter one in which the first 128 bits are replaced by their product with
 * x^k mod P, added k bits further on.  Four such accumulators go 512 bits a
 * step, then one takes 128 bits a step, and what is left of it (it is as long
 * as sixteen bytes, and congruent to all that was read) is a message to go on
 * with byte by byte.  The constants are x^(512+32), x^(512-32), x^(128+32)
 * and x^(128-32) mod P, reflected and shifted by one as the instruction's
 * product of reflected factors is.
 */
#include <limits.h>
#include <string.h>
#include <zlib.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#include <wmmintrin.h>
#endif

#include "common/codec.h"

static uint32_t
crc32_bytes(uint32_t crc, const uint8_t *p, size_t len)
{
	/* zlib takes an unsigned int at a time, and starts anew on NULL */
	while (len > 0)
	{
		uInt		chunk = len > UINT_MAX ? UINT_MAX : (uInt) len;

		crc = (uint32_t) crc32(crc, p, chunk);
		p += chunk;
		len -= chunk;
	}
	return crc;
}

#if defined(__x86_64__)

#define STEP 64					/* bytes the four accumulators take at once */
#define FOLD __attribute__((target("pclmul"), always_inline)) static inline

FOLD __m128i
fold(__m128i acc, __m128i by, __m128i next)
{
	__m128i		low = _mm_clmulepi64_si128(acc, by, 0x00);
	__m128i		high = _mm_clmulepi64_si128(acc, by, 0x11);

	return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLD __m128i
load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *) p);
}

/* Takes as many bytes as make whole blocks of sixteen, four blocks at least; *len becomes what is left. */
__attribute__((target("pclmul"))) static uint32_t
crc32_folded(uint32_t crc, const uint8_t *p, size_t *len)
{
	const __m128i by_512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
	const __m128i by_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
	size_t		left = *len - STEP;
	__m128i		a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int) ~crc));
	__m128i		b = load(p + 16);
	__m128i		c = load(p + 32);
	__m128i		d = load(p + 48);
	uint8_t		rest[16];

	for (p += STEP; left >= STEP; p += STEP, left -= STEP)
	{
		a = fold(a, by_512, load(p));
		b = fold(b, by_512, load(p + 16));
		c = fold(c, by_512, load(p + 32));
		d = fold(d, by_512, load(p + 48));
	}
	a = fold(a, by_128, b);
	a = fold(a, by_128, c);
	a = fold(a, by_128, d);
	for (; left >= 16; p += 16, left -= 16)
		a = fold(a, by_128, load(p));
	_mm_storeu_si128((__m128i *) rest, a);
	*len = left;

	/* these have the start value in them already: ~0 stands for none */
	return crc32_bytes(UINT32_MAX, rest, sizeof(rest));
}

uint32_t
stbl_crc32(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t		left = len;

	if (len >= STEP && __builtin_cpu_supports("pclmul"))
		crc = crc32_folded(crc, p, &left);
	return crc32_bytes(crc, p + (len - left), left);
}

#else

uint32_t
stbl_crc32(uint32_t crc, const void *data, size_t len)
{
	return crc32_bytes(crc, data, len);
}

#endif
