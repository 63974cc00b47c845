/*
 * Errors of code that cannot raise them: a codec or a store driver fills an
 * StblError and returns false; the server side turns it into an ereport
 * (common/report.h) by the one table below.
 */
#ifndef STBL_ERROR_H
#define STBL_ERROR_H

#include <stdbool.h>

/* kind, SQLSTATE macro of PostgreSQL's errcodes.h, what it means */
#define STBL_ERROR_KINDS(X) \
	X(CORRUPT, ERRCODE_DATA_CORRUPTED)	/* XX001: stored bytes break their format */ \
	X(UNSUPPORTED, ERRCODE_FEATURE_NOT_SUPPORTED)	/* 0A000: sound, but newer or other than we read */ \
	X(NOT_FOUND, ERRCODE_UNDEFINED_FILE)	/* 58P01: a named object is missing */ \
	X(EXISTS, ERRCODE_DUPLICATE_FILE)	/* 58P02 */ \
	X(DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE)	/* 42501 */ \
	X(AUTH, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION)	/* 28000 */ \
	X(IO, ERRCODE_IO_ERROR)	/* 58030 */ \
	X(FULL, ERRCODE_DISK_FULL)	/* 53100 */ \
	X(CONNECT, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION)	/* 08001 */ \
	X(CONNECTION, ERRCODE_CONNECTION_FAILURE)	/* 08006 */ \
	X(PROTOCOL, ERRCODE_PROTOCOL_VIOLATION)	/* 08P01: a nonsense answer */ \
	X(LOCKED, ERRCODE_LOCK_NOT_AVAILABLE)	/* 55P03 */ \
	X(LIMIT, ERRCODE_PROGRAM_LIMIT_EXCEEDED)	/* 54000 */ \
	X(MEMORY, ERRCODE_OUT_OF_MEMORY)	/* 53200 */ \
	X(CONFLICT, ERRCODE_T_R_SERIALIZATION_FAILURE)	/* 40001 */ \
	X(UNKNOWN, ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN)	/* 40003 */ \
	X(STATE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)	/* 55000 */ \
	X(INVALID, ERRCODE_INVALID_PARAMETER_VALUE)	/* 22023 */ \
	X(SCHEMA, ERRCODE_FDW_INCONSISTENT_DESCRIPTOR_INFORMATION)	/* HV021 */ \
	X(TYPE, ERRCODE_FDW_INVALID_DATA_TYPE)	/* HV004 */ \
	X(COLUMN, ERRCODE_FDW_COLUMN_NAME_NOT_FOUND)	/* HV005 */ \
	X(RANGE, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)	/* 22003 */

typedef enum StblErrorKind
{
	STBL_ERR_NONE = 0,
#define X(name, sqlstate) STBL_ERR_##name,
	STBL_ERROR_KINDS(X)
#undef X
} StblErrorKind;

typedef struct StblError
{
	StblErrorKind kind;
	char		message[512];	/* primary: lower case, no period, names the object */
	char		detail[512];	/* sentences, or empty */
	char		hint[512];		/* sentences, or empty */
} StblError;

/* Sets kind and message, empties detail and hint; returns false, so that a codec can `return stbl_fail(...)`. */
extern bool stbl_fail(StblError *err, StblErrorKind kind, const char *fmt,...) __attribute__((format(printf, 3, 4)));
extern void stbl_error_detail(StblError *err, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern void stbl_error_hint(StblError *err, const char *fmt,...) __attribute__((format(printf, 2, 3)));

#endif							/* STBL_ERROR_H */
