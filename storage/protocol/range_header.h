/* The Range header (RFC 9110 section 14.2): one range of bytes. */
#ifndef EG_STORAGE_RANGE_HEADER_H
#define EG_STORAGE_RANGE_HEADER_H

#include <embergate/bytes.h>

/* [*ret_from, *ret_to), clamped to `length`. EG_ERR_RANGE when it lies past the end or there are several ranges,
 * EG_ERR_HTTP_HEADER when it is malformed. */
eg_err eg_range_header_parse(eg_str value, uint64_t length, uint64_t *ret_from, uint64_t *ret_to) EG_MUST_CHECK;

#endif
