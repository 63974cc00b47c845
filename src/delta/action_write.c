/* Writing Delta log actions, one line each. */
#include <inttypes.h>
#include <string.h>

#include "delta/action.h"

static void
write_str(StblBuf *out, const char *str)
{
	stbl_json_write_str(out, str, strlen(str));
}

static void
write_key(StblBuf *out, const char *key, bool first)
{
	if (!first)
		stbl_buf_puts(out, ",");
	write_str(out, key);
	stbl_buf_puts(out, ":");
}

static void
write_int_member(StblBuf *out, const char *key, int64_t value)
{
	write_key(out, key, false);
	stbl_buf_printf(out, "%" PRId64, value);
}

static void
write_strings(StblBuf *out, char *const *strings, int n)
{
	int			i;

	stbl_buf_puts(out, "[");
	for (i = 0; i < n; i++)
	{
		if (i > 0)
			stbl_buf_puts(out, ",");
		write_str(out, strings[i]);
	}
	stbl_buf_puts(out, "]");
}

/*
 * ':' is encoded too: in a first segment it would end a scheme.
 */
void
stbl_path_encode(StblBuf *out, const char *path)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *p;

	if (!stbl_path_is_inside(path))
	{
		stbl_buf_puts(out, path);
		return;
	}
	for (p = (const unsigned char *) path; *p != '\0'; p++)
	{
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			strchr("-._~/=", *p) != NULL)
			stbl_buf_u8(out, *p);
		else
		{
			stbl_buf_u8(out, '%');
			stbl_buf_u8(out, (uint8_t) hex[*p >> 4]);
			stbl_buf_u8(out, (uint8_t) hex[*p & 15]);
		}
	}
}

/* What is encoded needs no escaping in JSON; an absolute path may. */
static void
write_path(StblBuf *out, const char *path)
{
	if (!stbl_path_is_inside(path))
	{
		stbl_json_write_str(out, path, strlen(path));
		return;
	}
	stbl_buf_puts(out, "\"");
	stbl_path_encode(out, path);
	stbl_buf_puts(out, "\"");
}

void
stbl_write_commit_info(StblBuf *out, const StblCommitInfo *info)
{
	stbl_buf_puts(out, "{\"commitInfo\":{");
	write_key(out, "timestamp", true);
	stbl_buf_printf(out, "%" PRId64, info->timestamp_ms);
	if (info->in_commit_ms >= 0)
		write_int_member(out, "inCommitTimestamp", info->in_commit_ms);
	if (info->operation != NULL)
	{
		write_key(out, "operation", false);
		write_str(out, info->operation);
	}
	stbl_buf_puts(out, ",\"operationParameters\":{}");
	if (info->version_id != NULL)
	{
		write_key(out, "version_id", false);
		write_str(out, info->version_id);
	}
	if (info->previous != NULL)
	{
		write_key(out, "previous", false);
		write_str(out, info->previous);
	}
	write_key(out, "decides", false);
	write_strings(out, info->decides, info->n_decides);
	stbl_buf_puts(out, "}}\n");
}

void
stbl_write_protocol(StblBuf *out, const StblProtocol *protocol)
{
	stbl_buf_printf(out, "{\"protocol\":{\"minReaderVersion\":%d,\"minWriterVersion\":%d",
					protocol->min_reader, protocol->min_writer);
	if (protocol->min_reader >= 3)
	{
		write_key(out, "readerFeatures", false);
		write_strings(out, protocol->reader_features, protocol->n_reader_features);
	}
	if (protocol->min_writer >= 7)
	{
		write_key(out, "writerFeatures", false);
		write_strings(out, protocol->writer_features, protocol->n_writer_features);
	}
	stbl_buf_puts(out, "}}\n");
}

void
stbl_write_metadata(StblBuf *out, const StblMetadata *metadata)
{
	int			i;

	stbl_buf_puts(out, "{\"metaData\":{");
	write_key(out, "id", true);
	write_str(out, metadata->id);
	if (metadata->name != NULL)
	{
		write_key(out, "name", false);
		write_str(out, metadata->name);
	}
	if (metadata->description != NULL)
	{
		write_key(out, "description", false);
		write_str(out, metadata->description);
	}
	stbl_buf_puts(out, ",\"format\":{\"provider\":");
	write_str(out, metadata->format);
	stbl_buf_puts(out, ",\"options\":{}}");
	write_key(out, "schemaString", false);
	write_str(out, metadata->schema_string);
	stbl_buf_puts(out, ",\"partitionColumns\":[]");
	if (metadata->created_ms >= 0)
		write_int_member(out, "createdTime", metadata->created_ms);
	stbl_buf_puts(out, ",\"configuration\":{");
	for (i = 0; i < metadata->n_configuration; i++)
	{
		write_key(out, metadata->config_keys[i], i == 0);
		write_str(out, metadata->config_values[i]);
	}
	stbl_buf_puts(out, "}}}\n");
}

/* What add and remove have in common at their end. */
static void
write_file_tail(StblBuf *out, const StblDv *dv, int64_t base_row_id, int64_t default_row_commit_version)
{
	if (dv != NULL)
	{
		write_key(out, "deletionVector", false);
		stbl_dv_write_json(out, dv);
	}
	if (base_row_id >= 0)
		write_int_member(out, "baseRowId", base_row_id);
	if (default_row_commit_version >= 0)
		write_int_member(out, "defaultRowCommitVersion", default_row_commit_version);
	stbl_buf_puts(out, "}}\n");
}

void
stbl_write_add(StblBuf *out, const StblAdd *add)
{
	stbl_buf_puts(out, "{\"add\":{\"path\":");
	write_path(out, add->path);
	stbl_buf_puts(out, ",\"partitionValues\":{}");
	write_int_member(out, "size", add->size);
	write_int_member(out, "modificationTime", add->mtime_ms);
	stbl_buf_puts(out, add->data_change ? ",\"dataChange\":true" : ",\"dataChange\":false");
	if (add->stats != NULL)
	{
		write_key(out, "stats", false);
		write_str(out, add->stats);
	}
	write_file_tail(out, add->dv, add->base_row_id, add->default_row_commit_version);
}

void
stbl_write_remove(StblBuf *out, const StblRemove *remove)
{
	stbl_buf_puts(out, "{\"remove\":{\"path\":");
	write_path(out, remove->path);
	if (remove->deletion_ms >= 0)
		write_int_member(out, "deletionTimestamp", remove->deletion_ms);
	stbl_buf_puts(out, remove->data_change ? ",\"dataChange\":true" : ",\"dataChange\":false");
	if (remove->extended && remove->size >= 0)
		stbl_buf_puts(out, ",\"extendedFileMetadata\":true,\"partitionValues\":{}");
	if (remove->size >= 0)
		write_int_member(out, "size", remove->size);
	write_file_tail(out, remove->dv, remove->base_row_id, remove->default_row_commit_version);
}

void
stbl_write_domain(StblBuf *out, const StblDomain *domain)
{
	stbl_buf_puts(out, "{\"domainMetadata\":{\"domain\":");
	write_str(out, domain->domain);
	write_key(out, "configuration", false);
	write_str(out, domain->configuration == NULL ? "" : domain->configuration);
	stbl_buf_puts(out, domain->removed ? ",\"removed\":true}}\n" : ",\"removed\":false}}\n");
}

void
stbl_write_txn(StblBuf *out, const StblTxnAction *txn)
{
	stbl_buf_puts(out, "{\"txn\":{\"appId\":");
	write_str(out, txn->app_id);
	write_int_member(out, "version", txn->version);
	if (txn->last_updated_ms >= 0)
		write_int_member(out, "lastUpdated", txn->last_updated_ms);
	stbl_buf_puts(out, "}}\n");
}
