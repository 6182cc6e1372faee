/* Views of text and the bounded growing buffer. */
#include <embergate/bytes.h>

#include <embergate/secret.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool eg_str_eq(eg_str a, eg_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool eg_str_is(eg_str a, const char *z) {
    return eg_str_eq(a, eg_str_of(z));
}

static unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool eg_str_ieq(eg_str a, eg_str b) {
    if (a.len != b.len) {
        return false;
    }
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0) { /* mostly both are written alike */
        return true;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

void eg_str_join(char *ret, size_t size, const eg_str *parts, size_t n) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t room = size - 1 - at;
        const size_t take = parts[i].len < room ? parts[i].len : room;
        if (take > 0) {
            memcpy(ret + at, parts[i].ptr, take);
            at += take;
        }
    }
    ret[at] = '\0';
}

bool eg_str_starts(eg_str s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.len >= n && eg_str_is((eg_str){s.ptr, n}, prefix);
}

bool eg_str_ends(eg_str s, const char *suffix) {
    size_t n = strlen(suffix);
    return s.len >= n && (n == 0 || memcmp(s.ptr + s.len - n, suffix, n) == 0);
}

eg_str eg_str_cut(eg_str *rest, char sep) {
    eg_str all = *rest;
    const char *at = all.len == 0 ? NULL : memchr(all.ptr, sep, all.len);
    if (!at) {
        *rest = (eg_str){NULL, 0};
        return all;
    }
    size_t n = (size_t)(at - all.ptr);
    *rest = (eg_str){at + 1, all.len - n - 1};
    return (eg_str){all.ptr, n};
}

eg_err eg_str_u64(eg_str s, uint64_t max, uint64_t *ret) {
    uint64_t v = 0;
    if (s.len == 0) {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return EG_ERR_INVALID;
        }
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v)) {
            return EG_ERR_INVALID;
        }
    }
    if (v > max) {
        return EG_ERR_INVALID;
    }
    *ret = v;
    return EG_OK;
}

void eg_buf_init(eg_buf *b, size_t max) {
    *b = (eg_buf){.max = max};
}

void eg_buf_done(eg_buf *b) {
    free(b->ptr);
    *b = (eg_buf){0};
}

void eg_buf_reset(eg_buf *b) {
    b->len = 0;
    b->err = EG_OK;
    if (b->ptr) {
        b->ptr[0] = '\0';
    }
}

/* Not realloc: buffers carry unwrapped keys between processes, so a block that is given up is cleansed. */
static eg_err grow(eg_buf *b, size_t need) {
    size_t cap = b->cap < 128 ? 256 : b->cap * 2;
    if (cap < need) {
        cap = need;
    }
    if (cap > b->max + 1) {
        cap = b->max + 1;
    }
    char *ptr = malloc(cap);
    if (!ptr) {
        return b->err = EG_ERR_NO_MEMORY;
    }
    if (b->ptr) {
        memcpy(ptr, b->ptr, b->len);
        eg_cleanse(b->ptr, b->cap);
        free(b->ptr);
    }
    b->ptr = ptr;
    b->cap = cap;
    return EG_OK;
}

eg_err eg_buf_reserve(eg_buf *b, size_t n, char **ret) {
    EG_TRY(b->err);
    if (b->max == SIZE_MAX || b->len > b->max || n > b->max - b->len) {
        return b->err = EG_ERR_LIMIT;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        EG_TRY(grow(b, need));
    }
    b->ptr[b->len + n] = '\0';
    *ret = b->ptr + b->len;
    return EG_OK;
}

eg_err eg_buf_add(eg_buf *b, const void *p, size_t n) {
    char *at = NULL;
    EG_TRY(eg_buf_reserve(b, n, &at));
    if (n > 0) {
        memcpy(at, p, n);
        b->len += n;
    }
    return EG_OK;
}

eg_err eg_buf_adds(eg_buf *b, const char *z) {
    return eg_buf_add(b, z, strlen(z));
}

eg_err eg_buf_addf(eg_buf *b, const char *fmt, ...) {
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    /* Mostly there is room, and one pass is enough; without it the first only counts. */
    const size_t room = b->err == EG_OK && b->ptr ? b->cap - b->len : 0;
    int n = vsnprintf(room > 0 ? b->ptr + b->len : NULL, room, fmt, args);
    va_end(args);
    char *at = NULL;
    eg_err e = b->err ? b->err : n < 0 ? (b->err = EG_ERR_INTERNAL) : eg_buf_reserve(b, (size_t)n, &at);
    if (e == EG_OK) {
        if ((size_t)n >= room) {
            vsnprintf(at, (size_t)n + 1, fmt, again);
        }
        b->len += (size_t)n;
    } else if (room > 0) {
        b->ptr[b->len] = '\0';
    }
    va_end(again);
    return e;
}
