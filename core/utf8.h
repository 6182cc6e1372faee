/* One step through UTF-8 text, for the files of core/ that check or clean it. */
#ifndef EG_CORE_UTF8_H
#define EG_CORE_UTF8_H

#include <embergate/bytes.h>

/* Length of the well-formed sequence at p (RFC 3629), or 0. *ret_code is its code point. */
size_t eg_utf8_sequence(const char *p, size_t n, uint32_t *ret_code);
/* What could act on a terminal or reorder text: C0, DEL, C1, line and paragraph separators, bidirectional controls. */
bool eg_utf8_unsafe(uint32_t code);

#endif
