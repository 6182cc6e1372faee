/* Fuzzes eg_percent_decode, eg_percent_encode, eg_path_check, eg_query_get and eg_ns_path_check: a path is decoded once and what passes has one meaning. The
 * input is a target: path, '?', query.
 *
 *   ./dev fuzz path_query */
#include "namespace.h"

#include <embergate/encoding.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

/* No walk along an accepted path goes up, stays or has a nameless step. */
static void check_segments(eg_str path) {
    eg_str rest = path;
    bool first = true;
    while (rest.ptr) {
        eg_str s = eg_str_cut(&rest, '/');
        bool root = first || (rest.ptr == NULL && path.len == 1);
        require(s.len > 0 || root);
        require(!eg_str_is(s, ".") && !eg_str_is(s, ".."));
        first = false;
    }
}

static void check_path(eg_arena *a, eg_str raw) {
    eg_str path;
    eg_str again;
    eg_problem p = {0};
    if (eg_percent_decode(a, raw, false, &path) != EG_OK) {
        return;
    }
    require(path.len <= raw.len && eg_utf8_valid(path) && memchr(path.ptr, '\0', path.len) == NULL && path.ptr[path.len] == '\0');
    eg_buf b;
    eg_buf_init(&b, 3 * path.len + 1);
    require(eg_percent_encode(path, true, &b) == EG_OK && eg_percent_decode(a, eg_buf_str(&b), false, &again) == EG_OK && eg_str_eq(path, again));
    eg_buf_done(&b);
    if (eg_path_check(path, &p) == EG_OK) {
        check_segments(path);
    } else {
        require(p.code == EG_ERR_PATH_INVALID);
    }
    if (path.len > 0 && path.ptr[0] == '/') {
        eg_str inner = {path.ptr + 1, path.len - 1};
        if (inner.len > 0 && eg_ns_path_check(inner, &p) == EG_OK) {
            require(inner.len <= EG_PATH_MAX && eg_path_check(path, &p) == EG_OK);
        }
    }
}

/* A parameter that is found stands there once, however its name is escaped. */
static void check_query(eg_arena *a, eg_str query) {
    static const char name[] = "resource";
    eg_str value;
    unsigned count = 0;
    eg_err e = eg_query_get(a, query, name, &value);
    require(e == EG_OK || e == EG_ERR_NOT_FOUND || e == EG_ERR_QUERY);
    if (e != EG_OK) {
        return;
    }
    require(eg_utf8_valid(value) && memchr(value.ptr, '\0', value.len) == NULL);
    for (eg_str rest = query; rest.ptr;) {
        eg_str part = eg_str_cut(&rest, '&');
        eg_str key = eg_str_cut(&part, '=');
        eg_str decoded;
        count += eg_percent_decode(a, key, false, &decoded) == EG_OK && eg_str_is(decoded, name);
    }
    require(count == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_arena *a = eg_arena_new(1 << 20);
    eg_str rest = {(const char *)data, size};
    require(a != NULL);
    check_path(a, eg_str_cut(&rest, '?'));
    if (rest.ptr) {
        check_query(a, rest);
    }
    eg_arena_free(a);
    return 0;
}
