/*
 * The append phase of requests: is the payload there, and is it what the
 * document says?  Nothing is written, so that a document whose payload is
 * wrong stays as it is.  For documents of our own, being there is enough.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/pgmem.h"
#include "wal/gc.h"
#include "wal/request.h"
#include "wal/wal_int.h"

/* What is read of a payload whose hash is not given: most footers fit. */
#define TAIL_BYTES ((uint64) 65536)

/* Payload bytes in flight at once, beyond the first. */
#define MAX_BYTES_IN_FLIGHT ((uint64) 64 * 1024 * 1024)

/* One payload on its way. */
typedef struct Payload
{
	StblRequestWork *work;
	char	   *key;
	uint64		size;
	uint64		wanted;			/* bytes from the end; size: all of it */
	StblCall   *call;
} Payload;

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

/* The footer, from the bytes at the end; a long one is read once more. */
static StblPqMeta *
read_footer(StblTable *table, Payload *p, StblMem *mem, int64 deadline_us, StblError *err)
{
	const uint8 *tail = p->call->req.body;
	uint64		len = p->call->req.body_len;
	uint64		footer_len;

	if (p->size < 12 || len < 8)
	{
		stbl_fail(err, STBL_ERR_CORRUPT, "object \"%s\" is too short for a Parquet file", p->key);
		return NULL;
	}
	if (!stbl_pq_footer_length(tail + len - 8, p->size, &footer_len, err))
		return NULL;
	if (footer_len > len)
	{
		StblCall   *call = stbl_store_get_range(table->store, p->key, p->size - footer_len, footer_len, deadline_us);

		if (stbl_await(call) != STBL_ST_OK || call->req.body_len != footer_len)
		{
			stbl_call_error(call, err);
			return NULL;
		}
		return stbl_pq_parse_footer(mem, call->req.body, footer_len, p->size, err);
	}
	return stbl_pq_parse_footer(mem, tail + len - footer_len, footer_len, p->size, err);
}

/* The nulls of a chunk, counted where its statistics do not say; -1 with err set. */
static int64
count_nulls(StblTable *table, Payload *p, const StblPqMeta *meta, int row_group, int leaf, int64 deadline_us, StblError *err)
{
	const StblPqChunk *chunk = &meta->row_groups[row_group].chunks[leaf];
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblPqLeafData data;
	StblPqBounds b;
	StblCall   *call;

	stbl_pq_bounds(meta, row_group, leaf, &b);
	if (b.has_null_count)
		return b.null_count;
	call = stbl_store_get_range(table->store, p->key, chunk->offset, chunk->length, deadline_us);
	if (stbl_await(call) != STBL_ST_OK)
	{
		stbl_call_error(call, err);
		return -1;
	}
	if (!stbl_pq_read_leaf(mem, meta, row_group, leaf, call->req.body, call->req.body_len, &data, err))
		return -1;
	stbl_call_free(call);
	return (int64) (data.n_levels - data.values.n);
}

/* Lists apart: an empty list is no null, and theirs have no counts. */
static bool
check_not_null(StblTable *table, const StblSchema *schema, Payload *p, const StblPqMeta *meta, int64 deadline_us, StblError *err)
{
	for (int i = 0; i < schema->n_fields; i++)
	{
		const StblField *f = &schema->fields[i];
		int			leaf;

		if (f->nullable || f->is_array || !stbl_schema_match_file(&meta->schema, f, &leaf, err))
			continue;
		for (int g = 0; g < meta->n_row_groups; g++)
		{
			int64		n = count_nulls(table, p, meta, g, leaf, deadline_us, err);

			if (n < 0)
				return false;
			if (n > 0)
				return stbl_fail(err, STBL_ERR_SCHEMA, "column \"%s\" of table \"%s\" is not null, and the payload has nulls there",
								 f->name, table->root);
		}
	}
	return true;
}

static bool
check_payload(StblTable *table, StblSnapshot *snapshot, Payload *p, StblMem *keep, int64 deadline_us)
{
	StblRequestWork *work = p->work;
	StblStateDoc *doc = &work->doc->doc;
	StblMem    *mem = stbl_mem_in(CurrentMemoryContext);
	StblPqMeta *meta;
	StblPqStats *stats;
	const StblPqStats **pointers;
	StblBuf		text;

	if (p->wanted == p->size && p->call->req.body_len != p->size)
		return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" has changed its size", p->key);
	if (doc->content_hash != NULL)
	{
		char		hash[65];

		stbl_sha256_hex(p->call->req.body, p->call->req.body_len, hash);
		if (strcmp(hash, doc->content_hash) != 0)
			return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" is not the payload its state document names: its SHA-256 is %s",
							 p->key, hash);
		work->file.hash = doc->content_hash;
	}
	meta = read_footer(table, p, mem, deadline_us, &work->err);
	if (meta == NULL || !check_columns(table, &snapshot->schema, meta, &work->err) ||
		!check_not_null(table, &snapshot->schema, p, meta, deadline_us, &work->err))
		return false;
	if (doc->new_row_count >= 0 && doc->new_row_count != meta->n_rows)
		return stbl_fail(&work->err, STBL_ERR_CORRUPT, "object \"%s\" has %lld rows, its state document says %lld",
						 p->key, (long long) meta->n_rows, (long long) doc->new_row_count);
	if (meta->n_rows > UINT32_MAX)
		return stbl_fail(&work->err, STBL_ERR_LIMIT, "object \"%s\" has %lld rows", p->key, (long long) meta->n_rows);
	stats = palloc0(sizeof(StblPqStats) * (meta->schema.n_leaves + 1));
	pointers = palloc(sizeof(StblPqStats *) * (meta->schema.n_leaves + 1));
	for (int i = 0; i < meta->schema.n_leaves; i++)
	{
		stbl_stats_of_footer(mem, meta, i, &stats[i]);
		pointers[i] = &stats[i];
	}
	stbl_buf_init(&text, mem);
	stbl_stats_write(mem, &text, &snapshot->schema, &meta->schema, pointers, meta->n_rows, true);
	work->file.bytes = p->size;
	work->file.n_rows = meta->n_rows;
	work->file.stats = stbl_strndup(keep, (char *) text.data, text.len);
	work->has_file = true;
	return true;
}

static void
refuse(StblRequestWork *work)
{
	work->end = STBL_REQ_QUARANTINED;
	work->has_file = false;
}

/* Which payloads there are, and how large: all in flight. */
static int
ask_sizes(StblTable *table, StblSnapshot *snapshot, StblRequestWork **works, int n, Payload *payloads, MemoryContext keep,
		  int64 deadline_us)
{
	StblCall  **calls = palloc0(sizeof(StblCall *) * (n + 1));
	int			sent = 0;
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		StblRequestWork *w = works[i];

		for (; sent < n && sent < i + STBL_WAL_IN_FLIGHT; sent++)
		{
			StblRequestWork *s = works[sent];

			if (s->doc->doc.op_kind == STBL_DELETE || snapshot->version < 0)
				continue;
			s->file.path = MemoryContextStrdup(keep, psprintf("seg-%s.parquet", s->doc->doc.superfile_id));
			calls[sent] = stbl_store_head(table->store, stbl_table_key(table, s->file.path), deadline_us);
		}
		if (w->doc->doc.op_kind == STBL_DELETE)
			continue;
		if (snapshot->version < 0)
		{
			stbl_fail(&w->err, STBL_ERR_STATE, "table \"%s\" does not exist yet, so new rows have no schema to fit", table->root);
			refuse(w);
			continue;
		}
		switch (stbl_await(calls[i]))
		{
			case STBL_ST_OK:
				w->payload_us = calls[i]->req.modified_us;
				payloads[k].work = w;
				payloads[k].key = pstrdup(calls[i]->req.key);
				payloads[k].size = calls[i]->req.size;
				payloads[k].wanted = w->doc->doc.content_hash != NULL ? calls[i]->req.size : Min(calls[i]->req.size, TAIL_BYTES);
				payloads[k++].call = NULL;
				break;
			case STBL_ST_NOT_FOUND:
				stbl_fail(&w->err, STBL_ERR_NOT_FOUND, "the payload \"%s\" does not exist", calls[i]->req.key);
				refuse(w);
				break;
			default:
				stbl_call_error(calls[i], &w->err);
				refuse(w);
		}
		stbl_call_free(calls[i]);
	}
	return k;
}

static StblCall *
submit(StblTable *table, Payload *p, int64 deadline_us)
{
	if (p->wanted == p->size)
		return stbl_store_get(table->store, p->key, deadline_us);
	return stbl_store_get_range(table->store, p->key, p->size - p->wanted, p->wanted, deadline_us);
}

void
stbl_requests_verify(StblTable *table, StblSnapshot *snapshot, StblRequestWork **works, int n, int64 deadline_us)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(outer, "supertable payloads", ALLOCSET_DEFAULT_SIZES);
	MemoryContext one_cxt;
	StblMem    *keep = stbl_mem_in(outer);
	Payload    *payloads;
	uint64		in_flight = 0;
	int			sent = 0;
	int			k;

	MemoryContextSwitchTo(cxt);
	one_cxt = AllocSetContextCreate(cxt, "supertable payload", ALLOCSET_DEFAULT_SIZES);
	payloads = palloc0(sizeof(Payload) * (n + 1));
	k = ask_sizes(table, snapshot, works, n, payloads, outer, deadline_us);
	for (int i = 0; i < k; i++)
	{
		Payload    *p = &payloads[i];

		CHECK_FOR_INTERRUPTS();
		for (; sent < k && sent < i + STBL_WAL_IN_FLIGHT &&
			 (sent <= i || in_flight + payloads[sent].wanted <= MAX_BYTES_IN_FLIGHT); sent++)
		{
			payloads[sent].call = submit(table, &payloads[sent], deadline_us);
			in_flight += payloads[sent].wanted;
		}
		MemoryContextSwitchTo(one_cxt);
		if (stbl_await(p->call) != STBL_ST_OK)
		{
			stbl_call_error(p->call, &p->work->err);
			refuse(p->work);
		}
		else if (!check_payload(table, snapshot, p, keep, deadline_us))
			refuse(p->work);
		MemoryContextSwitchTo(cxt);
		MemoryContextReset(one_cxt);
		in_flight -= p->wanted;
		stbl_call_free(p->call);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cxt);
}

/*
 * A document that came less than the least grace after its payload was listed
 * by every gc to which the payload was old enough, and so was one that an
 * earlier sweep has found in order.  Of others only a snapshot tells that was
 * read after the document: a later gc reads documents after that.
 */
static bool
may_be_condemned(const StblRequestWork *w)
{
	const StblStateDoc *doc = &w->doc->doc;

	return w->has_file && w->doc->modified_us - w->payload_us >= STBL_GC_MIN_GRACE_US &&
		!(doc->state == STBL_APPENDED && doc->revision >= 0);
}

void
stbl_requests_check_age(StblTable *table, StblRequestWork **works, int n, int64 deadline_us)
{
	int64		cutoff_us = -1;

	for (int i = 0; i < n; i++)
	{
		StblRequestWork *w = works[i];

		if (!may_be_condemned(w))
			continue;
		if (cutoff_us < 0)
			cutoff_us = stbl_snapshot_cutoff(stbl_snapshot_refresh(table, deadline_us));
		if (w->payload_us >= cutoff_us)
			continue;
		stbl_fail(&w->err, STBL_ERR_STATE, "the payload \"%s\" of mutation %s was stored long before its state document",
				  w->file.path, w->doc->doc.wal_id);
		stbl_error_detail(&w->err, "A supertable_gc() may be deleting it.  Store it again, under another name, and make a new document.");
		refuse(w);
	}
}

/* The answer about one superfile. */
static void
check_superfile(StblCall *call, const StblDocFile *file, StblError *err)
{
	switch (stbl_await(call))
	{
		case STBL_ST_OK:
			if (call->req.size != (uint64) file->bytes)
				stbl_fail(err, STBL_ERR_CORRUPT, "superfile \"%s\" has another size than its state document says", file->path);
			break;
		case STBL_ST_NOT_FOUND:
			stbl_fail(err, STBL_ERR_CORRUPT, "superfile \"%s\" does not exist", file->path);
			break;
		default:
			stbl_call_error(call, err);
	}
}

void
stbl_check_presence(StblTable *table, StblStateDoc *const *docs, int n, StblError *errs, int64 deadline_us)
{
	const StblDocFile **files;
	int		   *doc_of;
	StblCall  **calls;
	Size		n_files = 0;
	int			sent = 0;
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		memset(&errs[i], 0, sizeof(StblError));
		n_files += docs[i]->n_superfiles;
	}
	if (n_files == 0)
		return;
	files = palloc_extended(sizeof(StblDocFile *) * n_files, MCXT_ALLOC_HUGE);
	doc_of = palloc_extended(sizeof(int) * n_files, MCXT_ALLOC_HUGE);
	calls = palloc_extended(sizeof(StblCall *) * n_files, MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
		for (int f = 0; f < docs[i]->n_superfiles; f++)
		{
			doc_of[k] = i;
			files[k++] = &docs[i]->superfiles[f];
		}
	for (int i = 0; i < k; i++)
	{
		StblError	err;

		for (; sent < k && sent < i + STBL_WAL_IN_FLIGHT; sent++)
			calls[sent] = stbl_store_head(table->store, stbl_table_key(table, files[sent]->path), deadline_us);
		memset(&err, 0, sizeof(err));
		check_superfile(calls[i], files[i], &err);
		stbl_call_free(calls[i]);
		if (err.kind != STBL_ERR_NONE && errs[doc_of[i]].kind == STBL_ERR_NONE)
			errs[doc_of[i]] = err;
	}
	pfree(files);
	pfree(doc_of);
	pfree(calls);
}
