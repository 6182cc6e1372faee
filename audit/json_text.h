/* Text from anywhere as a JSON string that is harmless wherever it is shown. */
#ifndef EG_AUDIT_JSON_TEXT_H
#define EG_AUDIT_JSON_TEXT_H

#include <embergate/bytes.h>

/* Quoted and escaped. Invalid UTF-8 and control characters become U+FFFD; past `max` bytes it is cut and ends in "…". */
eg_err eg_json_text(eg_buf *b, eg_str s, size_t max);

#endif
