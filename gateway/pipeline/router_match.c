/* Matches a decoded path against the pattern of a route. */
#include "router.h"

static bool is_param(eg_str s, bool *ret_rest) {
    if (s.len < 3 || s.ptr[0] != '{' || s.ptr[s.len - 1] != '}') {
        return false;
    }
    *ret_rest = s.ptr[s.len - 2] == '*';
    return true;
}

bool eg_router_pattern_valid(const char *pattern) {
    if (pattern[0] != '/') {
        return false;
    }
    eg_str rest = eg_str_of(pattern + 1);
    size_t params = 0;
    bool ended = rest.len == 0;
    while (!ended) {
        eg_str segment = eg_str_cut(&rest, '/');
        bool whole = false;
        if (is_param(segment, &whole)) {
            params++;
        } else if (segment.len == 0 || memchr(segment.ptr, '{', segment.len) || memchr(segment.ptr, '}', segment.len) || memchr(segment.ptr, '*', segment.len)) {
            return false;
        }
        if (whole && rest.ptr) {
            return false;
        }
        ended = !rest.ptr;
    }
    return params <= EG_ROUTE_PARAMS_MAX;
}

bool eg_router_pattern_matches(const char *pattern, eg_str path, eg_str params[EG_ROUTE_PARAMS_MAX]) {
    eg_str want = eg_str_of(pattern + 1), have = {path.ptr + 1, path.len - 1};
    size_t n = 0;
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    if (want.len == 0 || have.len == 0) {
        return want.len == have.len;
    }
    while (want.ptr && have.ptr) {
        eg_str all = have;
        eg_str segment = eg_str_cut(&want, '/'), given = eg_str_cut(&have, '/');
        bool whole = false;
        if (!is_param(segment, &whole)) {
            if (!eg_str_eq(segment, given)) {
                return false;
            }
        } else if (given.len == 0) {
            return false;
        } else {
            params[n++] = whole ? all : given;
            if (whole) {
                return true;
            }
        }
    }
    return !want.ptr && !have.ptr;
}
