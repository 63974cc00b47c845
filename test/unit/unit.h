/* Unit tests: each file is a program that prints TAP. */
#ifndef STBL_UNIT_H
#define STBL_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	unit_n = 0;
static int	unit_failed = 0;

/* One test a call: name tells what holds. */
#define OK(cond, ...) do { \
	bool ok_ = (cond); \
	printf("%sok %d - ", ok_ ? "" : "not ", ++unit_n); \
	printf(__VA_ARGS__); \
	printf("\n"); \
	if (!ok_) { unit_failed++; printf("# at %s:%d: %s\n", __FILE__, __LINE__, #cond); } \
} while (0)

#define DONE() do { printf("1..%d\n", unit_n); return unit_failed ? 1 : 0; } while (0)

#endif							/* STBL_UNIT_H */
