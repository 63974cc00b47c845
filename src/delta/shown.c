/* Snapshots made for a statement's eyes (shown.h). */
#include "postgres.h"

#include "common/pgmem.h"
#include "delta/log.h"
#include "delta/shown.h"
#include "delta/snapshot_int.h"
#include "delta/version_int.h"

/* Applies actions to a copy of a snapshot. */
static void
begin_copy(StblTable *copy, StblTable *table, StblSnapshot *base)
{
	*copy = *table;
	copy->current = base;
	copy->current->refcount++;	/* advancing gives this one back, or an error does */
}

static StblSnapshot *
end_copy(StblTable *copy)
{
	StblSnapshot *s = copy->current;

	s->is_published = false;
	(void) stbl_snapshot_pin(s);
	s->refcount--;
	return s;
}

StblSnapshot *
stbl_snapshot_lay_over(StblTable *table, StblSnapshot *base, StblBuildFn build, void *arg)
{
	StblVersion *v = stbl_version_begin(table, base, "");
	StblTable	copy;
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
	begin_copy(&copy, table, base);
	stbl_snapshot_advance(&copy, base->version + 1, &actions, false);
	return end_copy(&copy);
}

/* ---- taking back ---- */

static StblDv *
copy_dv(const StblDv *dv)
{
	StblDv	   *copy;

	if (dv == NULL)
		return NULL;
	copy = palloc(sizeof(StblDv));
	*copy = *dv;
	copy->path_or_inline = pstrdup(dv->path_or_inline);
	return copy;
}

static StblRemove
inverse_of_add(const StblAdd *add)
{
	StblRemove	remove;

	memset(&remove, 0, sizeof(remove));
	remove.path = pstrdup(add->path);
	remove.size = add->size;
	remove.dv = copy_dv(add->dv);
	return remove;
}

static StblAdd
inverse_of_remove(const StblRemove *remove)
{
	StblAdd		add;

	memset(&add, 0, sizeof(add));
	add.path = pstrdup(remove->path);
	add.size = remove->size;
	add.mtime_ms = remove->deletion_ms;
	add.dv = copy_dv(remove->dv);
	add.base_row_id = remove->base_row_id;
	add.default_row_commit_version = remove->default_row_commit_version;
	return add;
}

typedef struct ReadArg
{
	int64		first;
	StblUndo   *out;
} ReadArg;

static void
note_version(int64_t version, bool is_checkpoint, const StblActions *a, void *arg_p)
{
	ReadArg    *arg = arg_p;
	StblUndo   *undo = &arg->out[version - arg->first];

	memset(undo, 0, sizeof(*undo));
	undo->version = version;
	undo->in_commit_ms = a->commit_info.in_commit_ms;
	undo->is_final = !a->has_commit_info || version == 0 || stbl_begins_log(a);
	undo->n_decides = a->commit_info.n_decides;
	undo->decides = palloc(sizeof(char *) * (undo->n_decides + 1));
	undo->actions.domains = palloc0(sizeof(StblDomain) * (undo->n_decides + 1));
	for (int i = 0; i < undo->n_decides; i++)
	{
		StblDomain *entry = &undo->actions.domains[undo->actions.n_domains++];

		undo->decides[i] = pstrdup(a->commit_info.decides[i]);
		entry->domain = psprintf(STBL_GUARD_PREFIX "%s", undo->decides[i]);
		entry->configuration = "";
		entry->removed = true;
	}
	undo->actions.n_removes = a->n_adds;
	undo->actions.removes = palloc(sizeof(StblRemove) * (a->n_adds + 1));
	for (int i = 0; i < a->n_adds; i++)
		undo->actions.removes[i] = inverse_of_add(&a->adds[i]);
	undo->actions.n_adds = a->n_removes;
	undo->actions.adds = palloc(sizeof(StblAdd) * (a->n_removes + 1));
	for (int i = 0; i < a->n_removes; i++)
	{
		undo->actions.adds[i] = inverse_of_remove(&a->removes[i]);
		undo->is_final |= a->removes[i].size < 0;
	}
}

bool
stbl_undo_read(StblTable *table, int64_t first, int64_t last, StblUndo *out)
{
	ReadArg		arg = {first, out};

	return stbl_log_read_versions(table, first, last, note_version, &arg);
}

StblSnapshot *
stbl_snapshot_take_back(StblTable *table, StblSnapshot *base, const StblUndo *undo, int n)
{
	StblTable	copy;

	begin_copy(&copy, table, base);
	for (int k = n - 1; k >= 0; k--)
	{
		StblActions actions = undo[k].actions;

		/* Of a superfile that is still there only the vector was changed. */
		actions.adds = palloc(sizeof(StblAdd) * (actions.n_adds + 1));
		for (int i = 0; i < actions.n_adds; i++)
		{
			StblFile   *now = stbl_snapshot_file(copy.current, undo[k].actions.adds[i].path);

			actions.adds[i] = undo[k].actions.adds[i];
			if (now != NULL)
				actions.adds[i].stats = now->stats;
		}
		stbl_snapshot_advance(&copy, undo[k].version - 1, &actions, false);
	}
	return end_copy(&copy);
}
