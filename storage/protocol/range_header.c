/* Parsing of the Range header. */
#include "range_header.h"

#define POSITION_MAX ((uint64_t)INT64_MAX)

static eg_err suffix(eg_str digits, uint64_t length, uint64_t *ret_from, uint64_t *ret_to) {
    uint64_t n = 0;
    if (eg_str_u64(digits, POSITION_MAX, &n) != EG_OK) {
        return EG_ERR_HTTP_HEADER;
    }
    if (n == 0 || length == 0) {
        return EG_ERR_RANGE;
    }
    *ret_from = n < length ? length - n : 0;
    *ret_to = length;
    return EG_OK;
}

eg_err eg_range_header_parse(eg_str value, uint64_t length, uint64_t *ret_from, uint64_t *ret_to) {
    if (!eg_str_starts(value, "bytes=")) {
        return EG_ERR_HTTP_HEADER;
    }
    eg_str rest = {value.ptr + 6, value.len - 6};
    if (memchr(rest.ptr, ',', rest.len)) {
        return EG_ERR_RANGE;
    }
    const eg_str first = eg_str_cut(&rest, '-');
    if (!rest.ptr) {
        return EG_ERR_HTTP_HEADER;
    }
    if (first.len == 0) {
        return suffix(rest, length, ret_from, ret_to);
    }
    uint64_t from = 0;
    uint64_t last = POSITION_MAX;
    if (eg_str_u64(first, POSITION_MAX, &from) != EG_OK || (rest.len > 0 && eg_str_u64(rest, POSITION_MAX, &last) != EG_OK) ||
        last < from) {
        return EG_ERR_HTTP_HEADER;
    }
    if (from >= length) {
        return EG_ERR_RANGE;
    }
    *ret_from = from;
    *ret_to = last < length ? last + 1 : length;
    return EG_OK;
}
