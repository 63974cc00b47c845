/*
 * Carrying out requests.
 *
 * A request's targets are row ids; which superfile and position that is, and
 * whether the row is still there, is looked up in each snapshot a version is
 * built on, from row tracking alone: no data is read.  An UPDATE is all or
 * nothing; a DELETE's target that is gone is NOTFOUND.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/request.h"
#include "wal/wal_int.h"

/* Rows of one superfile that requests of the version at hand delete. */
typedef struct Claim
{
	char	   *path;
	roaring_bitmap_t *rows;
} Claim;

typedef struct PublishArg
{
	StblTable  *table;
	StblRequestWork *works;
	int			n;
	int64		deadline_us;
	MemoryContext cxt;
} PublishArg;

/* ---- the append phase ---- */

static bool
check_columns(StblTable *table, const StblSchema *schema, const StblPqMeta *meta, StblError *err)
{
	for (int i = 0; i < schema->n_fields; i++)
	{
		int			leaf;

		if (!stbl_schema_match_file(&meta->schema, &schema->fields[i], &leaf, err))
			return false;
		if (leaf < 0 && !schema->fields[i].nullable)
			return stbl_fail(err, STBL_ERR_SCHEMA, "column \"%s\" of table \"%s\" is not null, and the payload has no such column",
							 schema->fields[i].name, table->root);
	}
	for (int i = 1; i < meta->schema.n_nodes; i++)
		if (meta->schema.nodes[i].parent == 0 && stbl_schema_find(schema, meta->schema.nodes[i].name) < 0)
			return stbl_fail(err, STBL_ERR_SCHEMA, "the payload has a column \"%s\" that table \"%s\" has not",
							 meta->schema.nodes[i].name, table->root);
	return true;
}

static bool
check_payload(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work, const StblCall *call)
{
	StblStateDoc *doc = &work->doc->doc;
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	const uint8 *body = call->req.body;
	size_t		len = call->req.body_len;
	uint64		footer_len;
	StblPqMeta *meta;
	StblPqStats *stats;
	const StblPqStats **pointers;
	StblBuf		text;
	char		hash[65];

	stbl_sha256_hex(body, len, hash);
	if (doc->content_hash != NULL && strcmp(hash, doc->content_hash) != 0)
		return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" is not the payload its state document names: its SHA-256 is %s",
						 call->req.key, hash);
	if (len < 12)
		return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" is too short for a Parquet file", call->req.key);
	if (!stbl_pq_footer_length(body + len - 8, len, &footer_len, &work->err))
		return false;
	meta = stbl_pq_parse_footer(mem, body + len - footer_len, footer_len, len, &work->err);
	if (meta == NULL || !check_columns(table, &snapshot->schema, meta, &work->err))
		return false;
	if (doc->new_row_count >= 0 && doc->new_row_count != meta->n_rows)
		return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" has " INT64_FORMAT " rows, its state document says " INT64_FORMAT,
						 call->req.key, meta->n_rows, doc->new_row_count);
	stats = palloc0(sizeof(StblPqStats) * (meta->schema.n_leaves + 1));
	pointers = palloc(sizeof(StblPqStats *) * (meta->schema.n_leaves + 1));
	for (int i = 0; i < meta->schema.n_leaves; i++)
	{
		stbl_stats_of_footer(mem, meta, i, &stats[i]);
		pointers[i] = &stats[i];
	}
	stbl_buf_init(&text, mem);
	stbl_stats_write(mem, &text, &snapshot->schema, &meta->schema, pointers, meta->n_rows, true);
	work->file.bytes = len;
	work->file.n_rows = meta->n_rows;
	work->file.hash = pstrdup(hash);
	work->file.stats = (char *) text.data;
	return true;
}

bool
stbl_request_verify(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work, int64 deadline_us)
{
	StblStateDoc *doc = &work->doc->doc;
	StblCall   *call;
	bool		ok;

	if (doc->op_kind == STBL_DELETE)
		return true;
	if (snapshot->version < 0)
		return stbl_fail(&work->err, STBL_ERR_STATE, "table \"%s\" does not exist yet, so new rows have no schema to fit", table->root);
	work->file.path = psprintf("seg-%s.parquet", doc->superfile_id);
	call = stbl_store_get(table->store, stbl_table_key(table, work->file.path), deadline_us);
	if (stbl_await(call) == STBL_ST_NOT_FOUND)
		ok = stbl_fail(&work->err, STBL_ERR_NOT_FOUND, "the payload \"%s\" does not exist", call->req.key);
	else if (call->req.status != STBL_ST_OK)
	{
		stbl_call_error(call, &work->err);
		ok = false;
	}
	else
		ok = check_payload(table, snapshot, work, call);
	stbl_call_free(call);
	work->has_file = ok;
	return ok;
}

/* ---- targets ---- */

static StblProgress *
progress_of(StblStateDoc *doc, const char *target_id)
{
	for (int i = 0; i < doc->n_progress; i++)
		if (strcmp(doc->progress[i].target_id, target_id) == 0)
			return &doc->progress[i];
	return NULL;
}

/* Every target has its entry, in the order of target_ids, where the document lacks them. */
static void
complete_progress(StblStateDoc *doc)
{
	StblProgress *all;

	if (doc->n_progress == doc->n_target_ids)
	{
		bool		same = true;

		for (int i = 0; same && i < doc->n_progress; i++)
			same = strcmp(doc->progress[i].target_id, doc->target_ids[i]) == 0;
		if (same)
			return;
	}
	all = palloc0(sizeof(StblProgress) * (doc->n_target_ids + 1));
	for (int i = 0; i < doc->n_target_ids; i++)
	{
		StblProgress *old = progress_of(doc, doc->target_ids[i]);

		if (old != NULL)
			all[i] = *old;
		else
			strlcpy(all[i].target_id, doc->target_ids[i], STBL_ID_TEXT);
	}
	doc->progress = all;
	doc->n_progress = doc->n_target_ids;
}

static roaring_bitmap_t *
claimed_rows(List **claims, const char *path)
{
	Claim	   *claim;
	ListCell   *lc;

	foreach(lc, *claims)
	{
		claim = lfirst(lc);
		if (strcmp(claim->path, path) == 0)
			return claim->rows;
	}
	claim = palloc(sizeof(Claim));
	claim->path = pstrdup(path);
	claim->rows = roaring_bitmap_create();
	if (claim->rows == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	stbl_bitmap_own(CurrentMemoryContext, claim->rows);
	*claims = lappend(*claims, claim);
	return claim->rows;
}

/*
 * Settles each target's outcome against a snapshot and what earlier requests
 * of the same version claim; the rows to delete are added to mine.
 */
static StblRequestEnd
resolve(StblTable *table, StblSnapshot *base, StblRequestWork *work, List *others, List **mine)
{
	StblStateDoc *doc = &work->doc->doc;
	bool		gone = false;

	complete_progress(doc);
	for (int i = 0; i < doc->n_progress; i++)
	{
		StblProgress *p = &doc->progress[i];
		int64		row_id = stbl_target_row_id(p->target_id);
		StblFile   *file = row_id < 0 ? NULL : stbl_snapshot_file_of_row(base, row_id);
		const roaring_bitmap_t *tombstones = file ? stbl_file_tombstones(table, file) : NULL;
		uint32		position = file ? (uint32) (row_id - file->base_row_id) : 0;
		bool		live = file != NULL && !(tombstones && roaring_bitmap_contains(tombstones, position));
		roaring_bitmap_t *one;
		StblConflict conflict;
		bool		held;

		if (p->outcome == STBL_ROW_NOTFOUND || (p->outcome == STBL_ROW_TOMBSTONED && !live))
			continue;
		if (live && others != NIL && roaring_bitmap_contains(claimed_rows(&others, file->path), position))
			live = false;
		if (!live)
		{
			p->outcome = STBL_ROW_NOTFOUND;
			gone = true;
			continue;
		}
		one = roaring_bitmap_of(1, position);
		held = !stbl_conflict_check(table, base, file->path, one, doc->wal_id, &conflict);
		roaring_bitmap_free(one);
		if (held)
			return STBL_REQ_HELD;
		p->outcome = STBL_ROW_TOMBSTONED;
		p->superfile = pstrdup(file->path);
		roaring_bitmap_add(claimed_rows(mine, file->path), position);
	}
	return gone && doc->op_kind == STBL_UPDATE ? STBL_REQ_ROLLED_BACK : STBL_REQ_DESCRIBED;
}

StblRequestEnd
stbl_request_resolve(StblTable *table, StblSnapshot *snapshot, StblRequestWork *work)
{
	List	   *mine = NIL;

	return resolve(table, snapshot, work, NIL, &mine);
}

/* ---- publishing ---- */

static void
read_again(PublishArg *arg, StblRequestWork *w, int64 version)
{
	MemoryContext old = MemoryContextSwitchTo(arg->cxt);
	char		wal_id[STBL_ID_TEXT];
	StblDoc		fresh;

	strlcpy(wal_id, w->doc->doc.wal_id, sizeof(wal_id));
	memset(&fresh, 0, sizeof(fresh));
	switch (stbl_doc_read(arg->table, stbl_mem_in(arg->cxt), wal_id, &fresh, arg->deadline_us, &w->err))
	{
		case STBL_ST_OK:
			if (fresh.doc.state == STBL_COMPLETE)
				w->end = STBL_REQ_COMPLETE;
			else if (strcmp(fresh.etag, w->doc->etag) != 0)
				w->end = STBL_REQ_CAS_LOST; /* somebody took it over from us */
			break;
		case STBL_ST_NOT_FOUND:
			w->end = STBL_REQ_COMPLETE;
			break;
		default:
			w->end = STBL_REQ_QUARANTINED;
	}
	w->read_at = version;
	MemoryContextSwitchTo(old);
}

static void
describe(StblVersion *v, PublishArg *arg, StblRequestWork *w, List *mine)
{
	StblStateDoc *doc = &w->doc->doc;
	StblGuard	applied;
	ListCell   *lc;

	stbl_version_decides(v, doc->wal_id);
	if (w->has_file)
	{
		StblAdd		add;

		memset(&add, 0, sizeof(add));
		add.path = w->file.path;
		add.size = w->file.bytes;
		add.mtime_ms = stbl_now_us() / 1000;
		add.data_change = true;
		add.stats = w->file.stats;
		add.base_row_id = -1;
		add.default_row_commit_version = -1;
		stbl_version_add(v, &add);
	}
	foreach(lc, mine)
	{
		Claim	   *c = lfirst(lc);

		(void) stbl_version_delete(v, c->path, c->rows, NULL);
	}
	memset(&applied, 0, sizeof(applied));
	applied.state = STBL_GUARD_APPLIED;
	stbl_version_domain(v, stbl_guard_domain(doc->wal_id), stbl_guard_write(stbl_version_mem(v), &applied));
	w->end = STBL_REQ_DESCRIBED;
}

static void
consider(StblVersion *v, PublishArg *arg, StblRequestWork *w, List **claims)
{
	StblSnapshot *base = stbl_version_base(v);
	StblGuard	guard;
	List	   *mine = NIL;
	MemoryContext old;
	StblRequestEnd end;
	ListCell   *lc;

	if (stbl_guard_find(base, w->doc->doc.wal_id, stbl_version_mem(v), &guard) && guard.state != STBL_GUARD_PREPARED)
	{
		w->end = guard.state == STBL_GUARD_APPLIED ? STBL_REQ_PUBLISHED : STBL_REQ_ROLLED_BACK;
		return;
	}
	if (w->read_at != base->version)
		read_again(arg, w, base->version);
	if (w->end != STBL_REQ_READY)
		return;
	if (w->has_file && stbl_snapshot_file(base, w->file.path) != NULL)
	{
		w->end = STBL_REQ_PUBLISHED;
		return;
	}
	old = MemoryContextSwitchTo(arg->cxt);
	end = resolve(arg->table, base, w, *claims, &mine);
	MemoryContextSwitchTo(old);
	if (end != STBL_REQ_DESCRIBED)
		w->end = end;
	else if (!w->has_file && mine == NIL)
		w->end = STBL_REQ_PUBLISHED;	/* nothing of it is left to do */
	else
	{
		describe(v, arg, w, mine);
		foreach(lc, mine)
		{
			Claim	   *c = lfirst(lc);

			roaring_bitmap_or_inplace(claimed_rows(claims, c->path), c->rows);
		}
	}
}

/* Outcomes found on one base do not hold for the next: back to what the document says. */
static void
reset_progress(StblRequestWork *w)
{
	for (int i = 0; i < w->doc->doc.n_progress; i++)
		w->doc->doc.progress[i].outcome = w->initial[i];
}

static void
remember_progress(StblRequestWork *w)
{
	if (w->initial != NULL)
		return;
	complete_progress(&w->doc->doc);
	w->initial = palloc(sizeof(StblRowOutcome) * (w->doc->doc.n_progress + 1));
	for (int i = 0; i < w->doc->doc.n_progress; i++)
		w->initial[i] = w->doc->doc.progress[i].outcome;
}

static StblBuild
build_requests(StblVersion *v, void *arg_p)
{
	PublishArg *arg = arg_p;
	List	   *claims = NIL;
	bool		any = false;
	int			n;
	char	  **markers;

	for (int i = 0; i < arg->n; i++)
	{
		StblRequestWork *w = &arg->works[i];

		if (w->end == STBL_REQ_DESCRIBED)
		{
			w->end = STBL_REQ_READY;
			reset_progress(w);
		}
		if (w->end == STBL_REQ_READY)
			consider(v, arg, w, &claims);
		any = any || w->end == STBL_REQ_DESCRIBED;
	}
	if (!any)
		return STBL_BUILD_NOTHING;
	markers = stbl_settle_removable(arg->table, stbl_version_base(v), 100, &n, arg->deadline_us);
	for (int i = 0; i < n; i++)
		stbl_version_domain(v, markers[i], NULL);
	return STBL_BUILD_PUBLISH;
}

static void
end_described(PublishArg *arg, StblRequestEnd end, const StblError *err)
{
	for (int i = 0; i < arg->n; i++)
		if (arg->works[i].end == STBL_REQ_DESCRIBED)
		{
			arg->works[i].end = end;
			if (err != NULL)
				arg->works[i].err = *err;
		}
}

void
stbl_requests_publish(StblTable *table, StblRequestWork *works, int n, int64 deadline_us)
{
	PublishArg	arg = {table, works, n, deadline_us, CurrentMemoryContext};
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	StblPublish p;

	for (int i = 0; i < n; i++)
		remember_progress(&works[i]);
	memset(&p, 0, sizeof(p));
	p.table = table;
	p.build = build_requests;
	p.arg = &arg;
	p.operation = "RECOVER";
	p.refresh_first = true;
	p.deadline_us = deadline_us;
	for (;;)
	{
		StblPublished result = stbl_publish(&p);

		if (result == STBL_PUBLISHED_BEFORE)
			continue;			/* the markers show whose it was */
		if (result == STBL_PUBLISHED)
			end_described(&arg, STBL_REQ_PUBLISHED, NULL);
		else if (result == STBL_PUBLISH_FAILED || result == STBL_PUBLISH_UNKNOWN || result == STBL_PUBLISH_GAP)
			end_described(&arg, STBL_REQ_CAS_LOST, &p.err); /* the next sweep sees what became of it */
		break;
	}
	for (int i = 0; i < n; i++)
	{
		StblStateDoc *doc = &works[i].doc->doc;

		if (works[i].end != STBL_REQ_PUBLISHED && works[i].end != STBL_REQ_ROLLED_BACK)
			continue;
		if (works[i].end == STBL_REQ_ROLLED_BACK)
			for (int j = 0; j < doc->n_progress; j++)
				if (doc->progress[j].outcome == STBL_ROW_TOMBSTONED)
				{
					doc->progress[j].outcome = STBL_ROW_PENDING;
					doc->progress[j].superfile = NULL;
				}
		doc->state = STBL_COMPLETE;
		doc->outcome = works[i].end == STBL_REQ_PUBLISHED ? STBL_OUTCOME_COMMITTED : STBL_OUTCOME_ROLLED_BACK;
		calls[i] = stbl_doc_update(table, works[i].doc, deadline_us);
	}
	for (int i = 0; i < n; i++)
		if (calls[i] != NULL && stbl_doc_finish(calls[i], works[i].doc) != STBL_ST_OK)
			works[i].end = STBL_REQ_CAS_LOST;
}
