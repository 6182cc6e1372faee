/* Matches a decoded path against the pattern of a route. */
#include "router.h"

/* "{*name}", at the pattern's beginning alone: everything before what the rest of the pattern needs. */
#define HEAD_PREFIX "/{*"

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
    if (eg_str_starts(eg_str_of(pattern), HEAD_PREFIX)) {
        eg_str head = eg_str_cut(&rest, '/');
        if (head.len < 4 || head.ptr[head.len - 1] != '}' || !rest.ptr || memchr(rest.ptr, '*', rest.len)) {
            return false;
        }
        params++;
    }
    bool ended = rest.len == 0;
    while (!ended) {
        eg_str segment = eg_str_cut(&rest, '/');
        bool whole = false;
        if (is_param(segment, &whole) && segment.ptr[1] != '*') {
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

static bool matches(eg_str want, eg_str have, bool fold, eg_str *params) {
    size_t n = 0;
    while (want.ptr && have.ptr) {
        eg_str all = have;
        eg_str segment = eg_str_cut(&want, '/'), given = eg_str_cut(&have, '/');
        bool whole = false;
        if (!is_param(segment, &whole)) {
            if (fold ? !eg_str_ieq(segment, given) : !eg_str_eq(segment, given)) {
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

static size_t slashes(eg_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += s.ptr[i] == '/';
    }
    return n;
}

/* The tail of the pattern has a fixed number of segments, so there is one place where the head can end. */
static bool matches_after_head(eg_str want, eg_str have, bool fold, eg_str *params) {
    (void)eg_str_cut(&want, '/');
    size_t before = slashes(have), tail = slashes(want) + 1;
    if (before < tail) {
        return false;
    }
    size_t at = 0;
    for (before -= tail; have.ptr[at] != '/' || before-- > 0; at++) {
    }
    params[0] = (eg_str){have.ptr - 1, at + 1};
    return at > 0 && matches(want, (eg_str){have.ptr + at + 1, have.len - at - 1}, fold, params + 1);
}

bool eg_router_pattern_matches(const char *pattern, eg_str path, bool fold, eg_str params[EG_ROUTE_PARAMS_MAX]) {
    eg_str want = eg_str_of(pattern + 1), have = {path.ptr + 1, path.len - 1};
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    if (want.len == 0 || have.len == 0) {
        return want.len == have.len;
    }
    return eg_str_starts(eg_str_of(pattern), HEAD_PREFIX) ? matches_after_head(want, have, fold, params) : matches(want, have, fold, params);
}
