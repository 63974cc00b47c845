/*
 * An StblError as an ereport (common/pgmem.h).
 *
 * The texts may quote bytes from outside, such as the name of an object or
 * the answer of a server.  What is not valid in the database encoding loses
 * its high bytes here, lest the client be sent, or the log be given, text it
 * cannot read.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "common/pgmem.h"

int
stbl_sqlstate(StblErrorKind kind)
{
	switch (kind)
	{
		case STBL_ERR_NONE:
			break;
#define X(name, sqlstate) \
		case STBL_ERR_##name: \
			return sqlstate;
			STBL_ERROR_KINDS(X)
#undef X
	}
	/* an error without a kind is a mistake of ours */
	return ERRCODE_INTERNAL_ERROR;
}

/* A copy with all that the database encoding cannot hold made '?'. */
static char *
readable(const char *text)
{
	char	   *copy = pstrdup(text);
	char	   *p;

	if (!pg_verifymbstr(copy, strlen(copy), true))
	{
		for (p = copy; *p != '\0'; p++)
		{
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
		}
	}
	return copy;
}

static void
report(int elevel, const StblError *err)
{
	char	   *message = readable(err->message[0] != '\0' ? err->message :
								  "operation failed without a message");
	char	   *detail = readable(err->detail);
	char	   *hint = readable(err->hint);

	ereport(elevel,
			(errcode(stbl_sqlstate(err->kind)),
			 errmsg("%s", message),
			 detail[0] != '\0' ? errdetail("%s", detail) : 0,
			 hint[0] != '\0' ? errhint("%s", hint) : 0));
	pfree(message);
	pfree(detail);
	pfree(hint);
}

void
stbl_throw(const StblError *err)
{
	report(ERROR, err);
	pg_unreachable();
}

void
stbl_warn(const StblError *err)
{
	report(WARNING, err);
}
