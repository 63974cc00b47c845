/* The state document's codec: writing. */
#include <string.h>

#include "wal/statedoc.h"

static const char *const row_outcomes[] = {"PENDING", "TOMBSTONED", "NOTFOUND"};

static void
put_str(StblBuf *out, const char *lead, const char *str)
{
	stbl_buf_puts(out, lead);
	if (str == NULL)
		stbl_buf_puts(out, "null");
	else
		stbl_json_write_str(out, str, strlen(str));
}

static void
put_time(StblBuf *out, const char *lead, int64_t us)
{
	char		text[28];

	stbl_time_format(us, text);
	put_str(out, lead, text);
}

static void
put_progress(StblBuf *out, const StblStateDoc *doc)
{
	stbl_buf_puts(out, ",\"tombstone_progress\":[");
	for (int i = 0; i < doc->n_progress; i++)
	{
		const StblProgress *p = &doc->progress[i];

		stbl_buf_printf(out, "%s{\"target_id\":\"%s\",\"outcome\":\"%s\"", i ? "," : "", p->target_id, row_outcomes[p->outcome]);
		put_str(out, ",\"tombstoned_in_superfile\":", p->superfile);
		stbl_buf_puts(out, "}");
	}
	stbl_buf_puts(out, "]");
}

static void
put_superfiles(StblBuf *out, const StblStateDoc *doc)
{
	stbl_buf_puts(out, ",\"superfiles\":[");
	for (int i = 0; i < doc->n_superfiles; i++)
	{
		const StblDocFile *f = &doc->superfiles[i];

		put_str(out, i ? ",{\"path\":" : "{\"path\":", f->path);
		stbl_buf_printf(out, ",\"bytes\":%lld,\"n_rows\":%lld", (long long) f->bytes, (long long) f->n_rows);
		put_str(out, ",\"hash\":", f->hash);
		stbl_buf_puts(out, ",\"dead\":");
		if (f->has_dead)
			stbl_dv_write_json(out, &f->dead);
		else
			stbl_buf_puts(out, "null");
		put_str(out, ",\"stats\":", f->stats);
		stbl_buf_puts(out, "}");
	}
	stbl_buf_puts(out, "]");
}

static void
put_ours(StblMem *mem, StblBuf *out, const StblStateDoc *doc)
{
	if (doc->revision >= 0)
		stbl_buf_printf(out, ",\"revision\":%lld", (long long) doc->revision);
	if (doc->has_coordinator)
	{
		stbl_buf_puts(out, ",\"coordinator\":");
		stbl_coordinator_write(out, &doc->coordinator);
	}
	if (doc->table_id != NULL)
		put_str(out, ",\"table_id\":", doc->table_id);
	if (doc->outcome != STBL_OUTCOME_NONE)
		put_str(out, ",\"outcome\":", doc->outcome == STBL_OUTCOME_COMMITTED ? "COMMITTED" : "ROLLED_BACK");
	if (doc->has_superfiles)
		put_superfiles(out, doc);
	if (doc->has_targets)
	{
		stbl_buf_puts(out, ",\"targets\":");
		stbl_targets_write(out, doc->targets, doc->n_targets);
	}
	if (doc->columns.n_fields > 0)
	{
		stbl_buf_puts(out, ",\"columns\":");
		stbl_schema_write(mem, out, &doc->columns);
	}
}

void
stbl_doc_write(StblMem *mem, StblBuf *out, const StblStateDoc *doc)
{
	stbl_buf_printf(out, "{\"wal_id\":\"%s\",\"schema_version\":%d,\"op_kind\":\"%s\",\"state\":\"%s\"", doc->wal_id,
					STBL_DOC_SCHEMA_VERSION, stbl_op_kind_name(doc->op_kind), stbl_doc_state_name(doc->state));
	put_time(out, ",\"created_at\":", doc->created_us);
	if (doc->has_lease)
	{
		put_str(out, ",\"lease\":{\"owner\":", doc->lease.owner);
		put_time(out, ",\"acquired_at\":", doc->lease.acquired_us);
		put_time(out, ",\"expires_at\":", doc->lease.expires_us);
		stbl_buf_puts(out, "}");
	}
	else
		stbl_buf_puts(out, ",\"lease\":null");
	put_str(out, ",\"predicate_repr\":", doc->predicate);
	stbl_buf_puts(out, ",\"target_ids\":[");
	for (int i = 0; i < doc->n_target_ids; i++)
		stbl_buf_printf(out, "%s\"%s\"", i ? "," : "", doc->target_ids[i]);
	stbl_buf_puts(out, "]");
	if (doc->new_row_count >= 0)
		stbl_buf_printf(out, ",\"new_row_count\":%lld", (long long) doc->new_row_count);
	else
		stbl_buf_puts(out, ",\"new_row_count\":null");
	put_str(out, ",\"new_row_content_hash\":", doc->content_hash);
	if (doc->has_schema_id)
	{
		stbl_buf_puts(out, ",\"schema_id\":");
		stbl_json_write(out, doc->schema_id);
	}
	put_str(out, ",\"preallocated_superfile_id\":", doc->superfile_id);
	stbl_buf_puts(out, ",\"minted_id_spans\":");
	if (doc->minted_id_spans != NULL)
		stbl_json_write(out, doc->minted_id_spans);
	else
		stbl_buf_puts(out, "null");
	put_progress(out, doc);
	put_ours(mem, out, doc);
	if (doc->unknown != NULL)
		for (size_t i = 0; i < doc->unknown->n; i++)
		{
			put_str(out, ",", doc->unknown->keys[i]);
			stbl_buf_puts(out, ":");
			stbl_json_write(out, doc->unknown->items[i]);
		}
	stbl_buf_puts(out, "}");
}
