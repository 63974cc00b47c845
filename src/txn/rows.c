/*
 * The transaction's new rows: batch, superfile image, spool.
 *
 * Rows arrive in a batch of column vectors, the tail of the open superfile.
 * A full batch becomes a row group of its image; an image of full size is
 * sealed and sent at once (upload.c).  A scan pins the batch, so a batch that is
 * encoded while somebody reads it stays as it is, and the rows after it go
 * into a new one.  A scan that meets encoded row groups first seals their
 * superfile.  Sealed images that were not sent stay where they are until the
 * end of the transaction.
 *
 * Positions never change while statements run.  Only at pre-commit are dead
 * rows of the last batch left out.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <roaring/roaring.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "common/pgmem.h"
#include "txn/txn_int.h"

int			stbl_row_group_rows = 131072;
int			stbl_compression = STBL_PQ_ZSTD;
int			stbl_compression_level = 1;
int			stbl_superfile_kb = 128 * 1024;

/* Every so many rows of a load what is under way to storage is moved on. */
#define PUSH_ROWS 256

void
stbl_rows_init(StblTxnTable *tt)
{
	tt->batch = NULL;
	tt->open = NULL;
}

static roaring_bitmap_t *
own_bitmap(MemoryContext cxt)
{
	roaring_bitmap_t *bitmap = roaring_bitmap_create();

	if (bitmap == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	stbl_bitmap_own(cxt, bitmap);
	return bitmap;
}

/* ---- spool ---- */

static void
spool_write_out(StblSpool *spool)
{
	if (spool->file == 0)
	{
		ResourceOwner owner = CurrentResourceOwner;

		/* It must outlive the subtransaction it happens to be made in. */
		CurrentResourceOwner = TopTransactionResourceOwner;
		spool->file = OpenTemporaryFile(false);
		CurrentResourceOwner = owner;
	}
	if (FileWrite(spool->file, (char *) spool->buf.data, spool->buf.len, spool->n_written,
				  WAIT_EVENT_BUFFILE_WRITE) != spool->buf.len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not write to file \"%s\": %m", FilePathName(spool->file))));
	}
	spool->n_written += spool->buf.len;
	stbl_buf_reset(&spool->buf);
}

/* All bytes of a sealed superfile as one stretch of memory. */
static const uint8 *
spool_map(StblSpool *spool)
{
	int			fd;
	void	   *map;

	if (spool->file == 0)
		return spool->buf.data;
	if (spool->map != NULL)
		return spool->map;
	if (spool->buf.len > 0)
		spool_write_out(spool);
	fd = open(FilePathName(spool->file), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\": %m", FilePathName(spool->file))));
	map = mmap(NULL, spool->n_written, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("could not map file \"%s\": %m", FilePathName(spool->file))));
	spool->map = map;
	spool->map_size = spool->n_written;
	return spool->map;
}

/* At the end of the transaction the buffer goes with its context; its file is closed here. */
static void
spool_free(StblSpool *spool, bool early)
{
	if (spool->map != NULL)
		munmap(spool->map, spool->map_size);
	spool->map = NULL;
	if (spool->file != 0)
		FileClose(spool->file);
	spool->file = 0;
	if (early)
		stbl_buf_free(&spool->buf);
}

/* ---- batches ---- */

static StblBatch *
new_batch(StblTxnTable *tt, StblTxnFile *f)
{
	MemoryContext cxt = AllocSetContextCreate(tt->cxt, "supertable batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StblMem    *mem = stbl_mem_in(cxt);
	StblBatch  *batch = palloc0(sizeof(StblBatch));

	batch->refcount = 1;
	batch->cxt = cxt;
	batch->schema = f->schema;
	batch->file_no = f->no;
	batch->first_position = f->n_rows;
	batch->n_cols = f->schema->n_fields;
	batch->cols = palloc(sizeof(StblColVec *) * batch->n_cols);
	batch->varying = palloc(sizeof(StblColVec *) * batch->n_cols);
	for (int i = 0; i < batch->n_cols; i++)
	{
		const StblField *field = &f->schema->fields[i];
		uint32		width;
		StblVecKind kind = stbl_field_vec_kind(field, &width);

		batch->cols[i] = palloc0(sizeof(StblColVec));
		stbl_colvec_init(batch->cols[i], mem, field->is_array, kind, width);
		if (field->is_array || kind == STBL_VEC_BYTES)
			batch->varying[batch->n_varying++] = batch->cols[i];
		else
			batch->row_bytes += batch->cols[i]->elem.width + 1;
	}
	MemoryContextSwitchTo(old);
	return batch;
}

void
stbl_batch_release(StblBatch *batch)
{
	if (--batch->refcount == 0)
		MemoryContextDelete(batch->cxt);
}

StblColVec **
stbl_batch_columns(StblBatch *batch)
{
	return batch->cols;
}

const StblSchema *
stbl_batch_schema(StblBatch *batch)
{
	return batch->schema;
}

/* Ready for the rows that follow: the same memory, unless a scan reads it. */
static void
batch_restart(StblTxnTable *tt, StblTxnFile *f)
{
	StblBatch  *batch = tt->batch;

	if (batch->refcount > 1)
	{
		batch->refcount--;
		tt->batch = new_batch(tt, f);
		return;
	}
	for (int i = 0; i < batch->n_cols; i++)
		stbl_colvec_reset(batch->cols[i]);
	batch->n_rows = 0;
	batch->file_no = f->no;
	batch->first_position = f->n_rows;
}

/* ---- writing ---- */

/* Rows that follow are of another schema: superfile and batch end here. */
static void
end_open_file(StblTxnTable *tt)
{
	StblTxnFile *f = tt->open;

	if (f != NULL)
	{
		stbl_rows_flush(tt, false);
		stbl_rows_seal(tt, f);
		tt->open = NULL;
	}
	if (tt->batch != NULL)
		stbl_batch_release(tt->batch);
	tt->batch = NULL;
}

static bool
is_named(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* Appends what a list lacks; columns that come later than the first rows are nullable. */
static void
add_lacking(StblSchema *list, const StblSchema *from, bool later)
{
	for (int i = 0; i < from->n_fields; i++)
	{
		StblField  *f;

		if (stbl_schema_find(list, from->fields[i].name) >= 0)
			continue;
		f = &list->fields[list->n_fields++];
		*f = from->fields[i];
		f->nullable = f->nullable || later;
	}
}

/* A deep copy, by way of its text: what it is made of belongs to snapshots and statements. */
static void
set_schema(StblTxnTable *tt, const StblSchema *schema)
{
	MemoryContext old = MemoryContextSwitchTo(tt->cxt);
	StblMem    *mem = stbl_mem_in(tt->cxt);
	StblSchema *copy = palloc0(sizeof(StblSchema));
	StblPqSchema *pq = palloc0(sizeof(StblPqSchema));
	StblBuf		text;
	StblError	err;

	stbl_buf_init(&text, mem);
	stbl_schema_write(mem, &text, schema);
	if (!stbl_schema_parse(mem, (char *) text.data, text.len, copy, &err) || !stbl_schema_to_parquet(mem, copy, pq, &err))
		stbl_throw(&err);
	tt->schema = copy;
	tt->pq = pq;
	MemoryContextSwitchTo(old);
}

/* These columns are lacking in what is stored: a commit with rows adds them. */
static void
note_added(StblTxnTable *tt, const StblSchema *lacking)
{
	MemoryContext old = MemoryContextSwitchTo(tt->cxt);

	for (int i = 0; i < lacking->n_fields; i++)
		if (!is_named(tt->added, lacking->fields[i].name))
			tt->added = lappend(tt->added, pstrdup(lacking->fields[i].name));
	MemoryContextSwitchTo(old);
}

/* Rows were written in a schema which the stored one turns out not to have all columns of. */
void
stbl_rows_add_lacking(StblTxnTable *tt, const StblSchema *stored)
{
	StblSchema	lacking;

	lacking.n_fields = 0;
	lacking.fields = palloc(sizeof(StblField) * (tt->schema->n_fields + 1));
	for (int i = 0; i < tt->schema->n_fields; i++)
		if (stbl_schema_find(stored, tt->schema->fields[i].name) < 0)
		{
			tt->schema->fields[i].nullable = true;
			lacking.fields[lacking.n_fields++] = tt->schema->fields[i];
		}
	tt->n_stored = stored->n_fields;
	note_added(tt, &lacking);
}

void
stbl_txn_begin_write(StblTxnTable *tt, const StblSchema *stored, const StblSchema *lacking)
{
	bool		later = tt->schema != NULL;
	int			n_before = later ? tt->schema->n_fields : 0;
	bool		exists = stored != NULL || (later && tt->doc_sent);
	StblSchema	all;

	all.n_fields = 0;
	all.fields = palloc(sizeof(StblField) * (n_before + (stored ? stored->n_fields : 0) + lacking->n_fields + 1));
	if (later)
		add_lacking(&all, tt->schema, false);
	if (stored != NULL)
		add_lacking(&all, stored, false);
	add_lacking(&all, lacking, later || exists);
	if (exists)
	{
		tt->n_stored = stored != NULL ? stored->n_fields : n_before;
		note_added(tt, lacking);
	}
	if (later && all.n_fields == n_before)
		return;
	stbl_txn_touch(tt);
	end_open_file(tt);
	set_schema(tt, &all);
}

/* At subtransaction abort, after its rows are gone: what was written in its schema is dead. */
void
stbl_rows_restore_schema(StblTxnTable *tt, StblSchema *schema, StblPqSchema *pq)
{
	if (tt->schema == schema)
		return;
	if (tt->batch != NULL)
		stbl_batch_release(tt->batch);
	tt->batch = NULL;
	tt->open = NULL;
	tt->schema = schema;
	tt->pq = pq;
}

bool
stbl_txn_is_added(const StblTxnTable *tt, const char *column)
{
	return is_named(tt->added, column);
}

const StblSchema *
stbl_txn_schema(const StblTxnTable *tt)
{
	return tt->schema;
}

static void
note_run(StblTxnTable *tt, CommandId cid)
{
	if (tt->n_runs > 0 && tt->runs[tt->n_runs - 1].cid == cid)
		return;
	if (tt->n_runs == tt->cap_runs)
	{
		tt->cap_runs = Max(16, tt->cap_runs * 2);
		tt->runs = tt->runs == NULL ?
			MemoryContextAlloc(tt->cxt, sizeof(StblRun) * tt->cap_runs) :
			repalloc_huge(tt->runs, sizeof(StblRun) * (Size) tt->cap_runs);
	}
	tt->runs[tt->n_runs].seq = tt->next_seq;
	tt->runs[tt->n_runs].cid = cid;
	tt->n_runs++;
}

/* An error in the middle of a row may have left some columns, or a list's elements, longer. */
static void
cut_half_row(StblBatch *batch)
{
	if (!batch->in_row)
		return;
	for (int i = 0; i < batch->n_cols; i++)
	{
		StblColVec *col = batch->cols[i];
		uint64		n_elems = col->is_list ? col->row_offsets[batch->n_rows] : batch->n_rows;

		if (col->n_rows != batch->n_rows || col->elem.n != n_elems)
			stbl_colvec_truncate(col, batch->n_rows);
	}
	batch->in_row = false;
}

StblColVec **
stbl_txn_new_row(StblTxnTable *tt)
{
	stbl_txn_touch(tt);
	if (tt->open == NULL)
		tt->open = stbl_txn_new_own_file(tt);
	if (tt->batch == NULL)
		tt->batch = new_batch(tt, tt->open);
	else if (tt->batch->file_no != tt->open->no)
		batch_restart(tt, tt->open);

	cut_half_row(tt->batch);
	tt->batch->in_row = true;
	return tt->batch->cols;
}

/* Looked at after each row, for one row may be of any size. */
static bool
batch_is_full(StblBatch *batch)
{
	size_t		bytes = batch->n_rows * batch->row_bytes;

	if (batch->n_rows >= (uint32) stbl_row_group_rows)
		return true;
	for (int i = 0; i < batch->n_varying; i++)
		bytes += stbl_colvec_size(batch->varying[i]);
	return bytes >= STBL_BATCH_BYTES;
}

void
stbl_txn_row_done(StblTxnTable *tt, CommandId cid)
{
	StblTxnFile *f = tt->open;

	note_run(tt, cid);
	tt->batch->in_row = false;
	tt->batch->n_rows++;
	f->n_rows++;
	tt->next_seq++;
	if (tt->sent_files != NIL && f->n_rows % PUSH_ROWS == 0)
		stbl_txn_push_uploads(tt);
	if (!batch_is_full(tt->batch))
		return;
	stbl_rows_flush(tt, false);
	if (tt->sent_files != NIL)
		stbl_txn_push_uploads(tt);
	if (stbl_pq_writer_offset(f->writer) >= (uint64) stbl_superfile_kb * 1024 || f->n_rows >= STBL_MAX_POSITION - stbl_row_group_rows)
	{
		stbl_rows_seal(tt, f);
		stbl_txn_upload(tt, f);
	}
}

static void
open_writer(StblTxnTable *tt, StblTxnFile *f)
{
	MemoryContext old;
	StblPqWriterOptions options;

	if (f->writer != NULL)
		return;
	f->writer_cxt = AllocSetContextCreate(tt->cxt, "supertable superfile writer", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(f->writer_cxt);
	memset(&options, 0, sizeof(options));
	options.codec = stbl_compression;
	options.level = stbl_compression_level;
	options.created_by = STBL_PQ_CREATED_BY;
	f->writer = stbl_pq_writer_new(stbl_mem_in(f->writer_cxt), f->pq, &options);
	stbl_buf_init(&f->spool.buf, stbl_mem_in(f->writer_cxt));
	MemoryContextSwitchTo(old);
}

/* The batch without its dead rows; what goes and stays is known for good now. */
static void
drop_dead_rows(StblTxnTable *tt, StblTxnFile *f)
{
	StblBatch  *batch = tt->batch;
	StblBatch  *kept;

	if (f->deleted == NULL ||
		roaring_bitmap_range_cardinality(f->deleted, batch->first_position,
										 (uint64) batch->first_position + batch->n_rows) == 0)
		return;
	kept = new_batch(tt, f);
	kept->first_position = batch->first_position;
	for (uint32 row = 0; row < batch->n_rows; row++)
	{
		if (roaring_bitmap_contains(f->deleted, batch->first_position + row))
			continue;
		for (int i = 0; i < batch->n_cols; i++)
			stbl_colvec_copy_row(kept->cols[i], batch->cols[i], row);
		kept->n_rows++;
	}
	roaring_bitmap_remove_range(f->deleted, batch->first_position,
								(uint64) batch->first_position + batch->n_rows);
	f->n_rows = batch->first_position + kept->n_rows;
	stbl_batch_release(batch);
	tt->batch = kept;
}

/*
 * Encodes the batch as a row group of the open superfile.  With drop_dead,
 * at pre-commit, rows that were deleted again are left out first.
 */
void
stbl_rows_flush(StblTxnTable *tt, bool drop_dead)
{
	StblTxnFile *f = tt->open;
	StblError	err;

	if (f == NULL || tt->batch == NULL || tt->batch->n_rows == 0 || tt->batch->file_no != f->no)
		return;
	cut_half_row(tt->batch);
	if (drop_dead)
		drop_dead_rows(tt, f);
	if (tt->batch->n_rows == 0)
		return;
	open_writer(tt, f);
	if (!stbl_pq_write_columns(f->writer, tt->batch->n_rows, (const StblColVec *const *) tt->batch->cols,
							   &f->spool.buf, &err))
		stbl_throw(&err);
	f->n_encoded = f->n_rows;

	/* First: writing out may fail, and what is encoded must not stay in the batch. */
	batch_restart(tt, f);
	if (f->spool.buf.len > STBL_SPOOL_MEMORY)
		spool_write_out(&f->spool);
}

/* Writes the footer; the superfile takes no more rows. */
void
stbl_rows_seal(StblTxnTable *tt, StblTxnFile *f)
{
	MemoryContext old;
	StblError	err;
	const StblPqStats **stats;
	StblBuf		text;

	if (f->sealed || f->writer == NULL)
		return;
	if (!stbl_pq_writer_finish(f->writer, &f->spool.buf, &err))
		stbl_throw(&err);
	old = MemoryContextSwitchTo(tt->cxt);
	f->size = stbl_pq_writer_offset(f->writer);
	stats = palloc(sizeof(StblPqStats *) * (f->pq->n_leaves + 1));
	for (int i = 0; i < f->pq->n_leaves; i++)
		stats[i] = stbl_pq_writer_stats(f->writer, i);
	stbl_buf_init(&text, stbl_mem_in(tt->cxt));
	stbl_stats_write(stbl_mem_in(tt->cxt), &text, f->schema, f->pq, stats, f->n_rows, true);
	f->stats = (char *) text.data;
	f->sealed = true;
	if (tt->open == f)
		tt->open = NULL;
	MemoryContextSwitchTo(old);
}

const uint8 *
stbl_rows_image(StblTxnTable *tt, StblTxnFile *f)
{
	return spool_map(&f->spool);
}

/* The image is not needed any more: it is on storage. */
void
stbl_rows_free_image(StblTxnTable *tt, StblTxnFile *f)
{
	spool_free(&f->spool, true);
	f->writer = NULL;
	MemoryContextDelete(f->writer_cxt);
	f->writer_cxt = NULL;
}

void
stbl_rows_free(StblTxnTable *tt)
{
	stbl_txn_cancel_uploads(tt);
	for (int i = 0; i < tt->n_files; i++)
		spool_free(&tt->files[i]->spool, false);
}

/* Rows of an own superfile that must not become visible; NULL: none. */
roaring_bitmap_t *
stbl_rows_dead(StblTxnFile *f)
{
	roaring_bitmap_t *dead;

	if ((f->deleted == NULL || roaring_bitmap_is_empty(f->deleted)) &&
		(f->rolled_back == NULL || roaring_bitmap_is_empty(f->rolled_back)))
		return NULL;
	dead = own_bitmap(CurrentMemoryContext);
	if (f->deleted != NULL)
		roaring_bitmap_or_inplace(dead, f->deleted);
	if (f->rolled_back != NULL)
		roaring_bitmap_or_inplace(dead, f->rolled_back);
	return dead;
}

/*
 * Undoes all rows from sequence number n_rows on: those in the batch vanish,
 * encoded ones become dead.  Called at subtransaction abort; throws nothing
 * but for want of memory.
 */
void
stbl_rows_truncate(StblTxnTable *tt, uint64 n_rows)
{
	if (n_rows >= tt->next_seq)
		return;
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];
		uint64		first;

		if (!f->is_own || f->n_rows == 0 || f->first_seq + f->n_rows <= n_rows)
			continue;
		first = n_rows > f->first_seq ? n_rows - f->first_seq : 0;
		if (first < f->n_encoded)
		{
			if (f->rolled_back == NULL)
				f->rolled_back = own_bitmap(tt->cxt);
			roaring_bitmap_add_range(f->rolled_back, first, f->n_encoded);
			first = f->n_encoded;
		}
		if (f == tt->open && tt->batch != NULL && tt->batch->file_no == f->no)
		{
			tt->batch->n_rows = first - tt->batch->first_position;
			for (int c = 0; c < tt->batch->n_cols; c++)
				stbl_colvec_truncate(tt->batch->cols[c], tt->batch->n_rows);
			f->n_rows = first;
			tt->next_seq = f->first_seq + first;
		}
	}
	while (tt->n_runs > 0 && tt->runs[tt->n_runs - 1].seq >= tt->next_seq)
		tt->n_runs--;
}

/* At pre-commit, when no statement reads any more. */
void
stbl_rows_kill(StblTxnTable *tt, uint64 n_rows)
{
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];

		if (!f->is_own || f->n_rows == 0 || f->first_seq >= n_rows)
			continue;
		if (f->deleted == NULL)
			f->deleted = own_bitmap(tt->cxt);
		roaring_bitmap_add_range(f->deleted, 0, Min(n_rows - f->first_seq, f->n_rows));
	}
}

/* ---- reading one's own rows ---- */

/* Adds to hidden the rows of [seq, seq + n) made under curcid or later. */
static roaring_bitmap_t *
hide_later_rows(StblTxnTable *tt, StblTxnFile *f, CommandId curcid, roaring_bitmap_t *hidden)
{
	uint64		end = f->first_seq + f->n_rows;

	for (int i = tt->n_runs - 1; i >= 0; i--)
	{
		uint64		from = Max(tt->runs[i].seq, f->first_seq);
		uint64		to = i + 1 < tt->n_runs ? Min(tt->runs[i + 1].seq, end) : end;

		if (tt->runs[i].cid >= curcid && from < to)
		{
			if (hidden == NULL)
				hidden = own_bitmap(CurrentMemoryContext);
			roaring_bitmap_add_range(hidden, from - f->first_seq, to - f->first_seq);
		}
		if (tt->runs[i].seq <= f->first_seq)
			break;
	}
	return hidden;
}

StblOwnPart *
stbl_txn_own_parts(StblTxnTable *tt, CommandId curcid, int *n_parts)
{
	uint64		truncated = stbl_txn_truncated_rows(tt, curcid);
	StblOwnPart *parts;
	int			n = 0;

	stbl_txn_finish_uploads(tt);
	if (tt->open != NULL && tt->open->n_encoded > 0)
	{
		StblTxnFile *f = tt->open;

		stbl_rows_flush(tt, false);
		stbl_rows_seal(tt, f);
	}
	parts = palloc0(sizeof(StblOwnPart) * (tt->n_files + 1));
	for (int i = 0; i < tt->n_files; i++)
	{
		StblTxnFile *f = tt->files[i];
		StblOwnPart *part = &parts[n];
		roaring_bitmap_t *hidden;

		if (!f->is_own || f->n_rows == 0)
			continue;
		hidden = stbl_txn_deleted(tt, f->no, curcid);
		if (f->rolled_back != NULL)
		{
			if (hidden == NULL)
				hidden = own_bitmap(CurrentMemoryContext);
			roaring_bitmap_or_inplace(hidden, f->rolled_back);
		}
		hidden = hide_later_rows(tt, f, curcid, hidden);
		if (truncated > f->first_seq)
		{
			if (hidden == NULL)
				hidden = own_bitmap(CurrentMemoryContext);
			roaring_bitmap_add_range(hidden, 0, Min(truncated - f->first_seq, f->n_rows));
		}
		if (hidden != NULL && roaring_bitmap_get_cardinality(hidden) >= f->n_rows)
			continue;
		part->file_no = f->no;
		part->hidden = hidden;
		part->n_rows = f->n_rows;
		if (!f->sealed)
		{
			part->batch = tt->batch;
			part->batch->refcount++;
			part->first_position = part->batch->first_position;
			part->n_rows = part->batch->n_rows;
		}
		else
		{
			part->path = f->path;
			part->size = f->size;
			part->image = f->uploaded ? NULL : stbl_rows_image(tt, f);
		}
		n++;
	}
	*n_parts = n;
	return parts;
}
