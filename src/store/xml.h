/*
 * A small pull parser for the XML that object stores answer with.
 *
 * It reads elements, text, CDATA and character references; it skips
 * attributes (one can be asked for), comments and processing instructions,
 * and takes no document type (so no entities but the five of XML).  Bounded,
 * pure, no memory of its own: names and texts point into the input.
 */
#ifndef STBL_XML_H
#define STBL_XML_H

#include <stdbool.h>
#include <stddef.h>

#define STBL_XML_MAX_DEPTH 16

typedef enum StblXmlEvent
{
	STBL_XML_START,				/* an element begins; name, name_len */
	STBL_XML_END,				/* it ends, also one written <a/> */
	STBL_XML_TEXT,				/* text, text_len; is_cdata: to be taken as it is */
	STBL_XML_DONE,				/* the root element has ended, and nothing follows */
	STBL_XML_ERROR				/* at offset pos - start */
} StblXmlEvent;

typedef struct StblXml
{
	const char *start;
	const char *pos;
	const char *end;
	const char *name;			/* without a prefix */
	size_t		name_len;
	const char *attributes;		/* at STBL_XML_START: what stands behind the name */
	size_t		attributes_len;
	const char *text;
	size_t		text_len;
	bool		is_cdata;
	int			depth;
	bool		had_root;
	bool		empty_element;	/* its end is the next event */
	const char *open[STBL_XML_MAX_DEPTH];	/* whole names, with their prefixes */
	size_t		open_len[STBL_XML_MAX_DEPTH];
} StblXml;

extern void stbl_xml_init(StblXml *xml, const char *data, size_t len);
extern StblXmlEvent stbl_xml_next(StblXml *xml);
extern bool stbl_xml_is(const StblXml *xml, const char *name);

/* Whether the element that has just begun has this attribute, its value without references. */
extern bool stbl_xml_has(const StblXml *xml, const char *name, const char *value);

/*
 * Decodes a text into out, which has room for text_len bytes (it never
 * grows).  Returns its length, or -1 where a reference is malformed or names
 * the character NUL.
 */
extern long stbl_xml_text(const StblXml *xml, char *out);

#endif							/* STBL_XML_H */
