/* Percent-encoding of paths and query values (RFC 3986 section 2.1), and what a resource path may hold. */
#include <embergate/encoding.h>

eg_err eg_percent_decode(eg_arena *a, eg_str in, bool plus_is_space, eg_str *ret) {
    if (in.len == SIZE_MAX) {
        return EG_ERR_LIMIT;
    }
    char *out = eg_arena_alloc(a, in.len + 1);
    if (!out) {
        return EG_ERR_LIMIT;
    }
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            size_t got = 0;
            uint8_t byte = 0;
            if (in.len - i < 3 || eg_unhex((eg_str){in.ptr + i + 1, 2}, &byte, 1, &got) != EG_OK) {
                return EG_ERR_HTTP_TARGET;
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') {
            return EG_ERR_HTTP_TARGET;
        }
        out[n++] = c;
    }
    if (!eg_utf8_valid((eg_str){out, n})) {
        return EG_ERR_HTTP_TARGET;
    }
    out[n] = '\0';
    *ret = (eg_str){out, n};
    return EG_OK;
}

static bool unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

eg_err eg_percent_encode(eg_str in, bool keep_slash, eg_buf *ret) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (unreserved(c) || (c == '/' && keep_slash)) {
            EG_TRY(eg_buf_add(ret, &c, 1));
        } else {
            uint8_t byte = (uint8_t)c;
            char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            EG_TRY(eg_buf_add(ret, escape, sizeof escape));
        }
    }
    return ret->err;
}

eg_err eg_path_check(eg_str path, eg_problem *p) {
    if (path.len > 0 && memchr(path.ptr, '\0', path.len)) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "The path holds a NUL byte.");
    }
    if (!eg_utf8_valid(path)) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "The path is not valid UTF-8.");
    }
    eg_str rest = path;
    if (eg_str_starts(rest, "/")) {
        rest = (eg_str){rest.ptr + 1, rest.len - 1};
    }
    if (rest.len == 0) {
        return EG_OK; /* the root */
    }
    while (rest.ptr) {
        eg_str segment = eg_str_cut(&rest, '/');
        if (segment.len == 0) {
            return eg_fail(p, EG_ERR_PATH_INVALID, "The path has an empty segment.");
        }
        if (eg_str_is(segment, ".") || eg_str_is(segment, "..")) {
            return eg_fail(p, EG_ERR_PATH_INVALID, "The path has a \"%.*s\" segment.", EG_FMT(segment));
        }
    }
    return EG_OK;
}
