/* Strict text encodings of bytes: hex, base64, base64url, percent. */
#ifndef EMBERGATE_ENCODING_H
#define EMBERGATE_ENCODING_H

#include <embergate/arena.h>

void eg_hex(eg_bytes in, char *ret);                             /* 2*len+1 bytes, lower case, NUL */
eg_err eg_unhex(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) EG_MUST_CHECK;
eg_err eg_base64(eg_bytes in, eg_buf *ret);                      /* RFC 4648 section 4, padded */
eg_err eg_base64url(eg_bytes in, eg_buf *ret);                   /* section 5, no padding */
/* Strict: no blanks, canonical (unused bits zero), padding exactly as section 4 wants (base64) or none (url). */
eg_err eg_unbase64(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) EG_MUST_CHECK;
eg_err eg_unbase64url(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) EG_MUST_CHECK;

/* Percent-decoding of one path or of one query value, once. Refuses bad escapes, NUL and invalid UTF-8 with
 * EG_ERR_HTTP_TARGET; plus_is_space for form data only. The result is in the arena, NUL-terminated. */
eg_err eg_percent_decode(eg_arena *a, eg_str in, bool plus_is_space, eg_str *ret) EG_MUST_CHECK;
/* Escapes all but unreserved characters (RFC 3986 section 2.3) and '/' when keep_slash. */
eg_err eg_percent_encode(eg_str in, bool keep_slash, eg_buf *ret);
/* A decoded resource path: refuses "." and ".." segments and empty segments in the middle (EG_ERR_PATH_INVALID);
 * one trailing '/' is dropped by the caller beforehand. */
eg_err eg_path_check(eg_str path, eg_problem *p) EG_MUST_CHECK;
/* The value of `name` in a raw query string, percent-decoded into the arena. EG_ERR_NOT_FOUND when absent,
 * EG_ERR_QUERY when it stands twice or is malformed. A name without '=' has the value "". */
eg_err eg_query_get(eg_arena *a, eg_str raw_query, const char *name, eg_str *ret) EG_MUST_CHECK;

#endif
