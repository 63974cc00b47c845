/* What retained versions refer to (retained.h). */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/pgmem.h"
#include "delta/retained.h"

void
stbl_names_add_dv(StblNames *out, const StblDv *dv)
{
	StblError	err;
	char	   *key;

	if (dv == NULL || dv->storage != 'u')
		return;
	key = stbl_dv_key(stbl_mem_in(CurrentMemoryContext), dv, &err);
	if (key == NULL)
		stbl_throw(&err);
	stbl_names_add(out, key);
}

static void
add_actions(int64_t version, bool is_checkpoint, const StblActions *actions, void *arg)
{
	for (int i = 0; i < actions->n_adds; i++)
	{
		stbl_names_add(arg, actions->adds[i].path);
		stbl_names_add_dv(arg, actions->adds[i].dv);
	}
}

bool
stbl_retained_names(StblTable *table, const StblLog *log, int64 retained, int64 newest, StblNames *out)
{
	StblLogBase base;
	StblTable	scratch;
	int			n_parts;

	if (!stbl_log_base(table, log, retained, &base))
	{
		StblError	err;

		/* Others have cleaned up: all that can be read is retained. */
		retained = -1;
		for (size_t i = 0; i < log->n && retained < 0; i++)
			retained = stbl_log_checkpoint(log, 0, log->objects[i].name.version, &n_parts);
		if (retained < 0 || retained > newest || !stbl_log_base(table, log, retained, &base))
		{
			stbl_fail(&err, STBL_ERR_CORRUPT, "the log of table \"%.200s\" cannot be read from a checkpoint or from version 0", table->root);
			stbl_throw(&err);
		}
	}
	if (!stbl_log_state(table, &base, retained, &scratch))
		return false;
	for (StblFile *f = scratch.current->first; f != NULL; f = f->next)
	{
		stbl_names_add(out, f->path);
		stbl_names_add_dv(out, f->dv);
	}
	stbl_snapshot_forget(&scratch);
	return stbl_log_read_versions(table, retained + 1, newest, add_actions, out);
}
