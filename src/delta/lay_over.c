/*
 * A version that is laid over a snapshot in memory instead of being published.
 */
#include "postgres.h"

#include "common/pgmem.h"
#include "delta/snapshot_int.h"
#include "delta/version_int.h"

StblSnapshot *
stbl_snapshot_laid_over(StblTable *table, StblBuildFn build, void *arg)
{
	StblVersion *v = stbl_version_begin(table, table->current, "");
	StblTable	over;
	StblActions actions;
	StblError	err;
	StblBuf		text;

	v->all_inline = true;
	if (build(v, arg) != STBL_BUILD_PUBLISH)
		return NULL;
	stbl_version_finish(v);
	stbl_buf_init(&text, v->mem);
	stbl_version_text(v, &text);
	if (!stbl_actions_parse(v->mem, (char *) text.data, text.len, &actions, &err))
		stbl_throw(&err);

	/* Two hold it, so a copy is advanced. */
	over = *table;
	over.current = v->base;
	over.current->refcount++;
	stbl_snapshot_advance(&over, v->base->version + 1, &actions, false);
	over.current->laid_over = true;
	(void) stbl_snapshot_pin(over.current);
	over.current->refcount--;
	return over.current;
}
