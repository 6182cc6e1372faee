/* A JSON string, written straight into a buffer: a page of a listing has thousands. */
#ifndef EG_STORAGE_JSON_TEXT_H
#define EG_STORAGE_JSON_TEXT_H

#include <embergate/bytes.h>

/* Quotes and escapes (RFC 8259 section 7). In what isn't valid UTF-8 other bytes than ASCII become '?'. */
eg_err eg_json_text(eg_buf *b, eg_str s);
/* Text for XML 1.0: escapes markup; characters that XML can't have become '?', and in what isn't valid UTF-8 all others than ASCII. */
eg_err eg_xml_text(eg_buf *b, eg_str s);

#endif
