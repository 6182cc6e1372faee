/* The tables that give every error its category, HTTP status, outcome and wire code, and the setters of eg_problem. */
#include <embergate/err.h>

#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *outcome;
} categories[EG_CAT_COUNT] = {
    [EG_CAT_INTERNAL] = {500, "failed"},
    [EG_CAT_OK] = {200, "allowed"},
    [EG_CAT_NOT_MODIFIED] = {304, "allowed"},
    [EG_CAT_INVALID] = {400, "failed"},
    [EG_CAT_GRANT] = {400, "denied"},
    [EG_CAT_UNAUTHENTICATED] = {401, "denied"},
    [EG_CAT_DENIED] = {403, "denied"},
    [EG_CAT_NOT_FOUND] = {404, "failed"},
    [EG_CAT_METHOD] = {405, "failed"},
    [EG_CAT_TIMEOUT] = {408, "failed"},
    [EG_CAT_CONFLICT] = {409, "failed"},
    [EG_CAT_LENGTH_REQUIRED] = {411, "failed"},
    [EG_CAT_PRECONDITION] = {412, "failed"},
    [EG_CAT_TOO_LARGE] = {413, "failed"},
    [EG_CAT_URI_TOO_LONG] = {414, "failed"},
    [EG_CAT_RANGE] = {416, "failed"},
    [EG_CAT_UNPROCESSABLE] = {422, "failed"},
    [EG_CAT_THROTTLED] = {429, "denied"},
    [EG_CAT_HEAD_TOO_LARGE] = {431, "failed"},
    [EG_CAT_NOT_BUILT] = {501, "failed"},
    [EG_CAT_UNAVAILABLE] = {503, "failed"},
    [EG_CAT_STORAGE_FULL] = {507, "failed"},
};

static const struct {
    eg_category category;
    const char *code;
} errors[EG_ERR_COUNT] = {
#define X(id, cat, wire) [EG_ERR_##id] = {EG_CAT_##cat, wire},
    EG_ERR_LIST(X)
#undef X
};

/* What is not in the list, such as a number from a peer, is an internal error. */
static eg_err known(eg_err e) {
    return (unsigned)e < EG_ERR_COUNT ? e : EG_ERR_INTERNAL;
}

eg_category eg_err_category(eg_err e) {
    return errors[known(e)].category;
}

int eg_err_http_status(eg_err e) {
    return categories[eg_err_category(e)].status;
}

const char *eg_err_code(eg_err e) {
    return errors[known(e)].code;
}

const char *eg_err_outcome(eg_err e) {
    return categories[eg_err_category(e)].outcome;
}

/* Formats first and copies then, because an argument may be the very text that is replaced. */
EG_PRINTF(3, 0)
static void set_text(char *ret, size_t cap, const char *fmt, va_list args) {
    char raw[512];
    int n = vsnprintf(raw, sizeof raw, fmt, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t step = eg_utf8_sequence(raw + i, len - i, &code);
        bool bad = step == 0 || eg_utf8_unsafe(code);
        size_t need = bad ? 1 : step;
        if (out + need >= cap) {
            break;
        }
        if (bad) {
            ret[out] = '?';
        } else {
            memcpy(ret + out, raw + i, step);
        }
        out += need;
        i += step == 0 ? 1 : step;
    }
    ret[out] = '\0';
}

eg_err eg_fail(eg_problem *p, eg_err code, const char *fmt, ...) {
    if (!p) {
        return code;
    }
    va_list args;
    va_start(args, fmt);
    set_text(p->message, sizeof p->message, fmt, args);
    va_end(args);
    p->code = code;
    p->where[0] = '\0';
    p->hint[0] = '\0';
    return code;
}

eg_err eg_fail_at(eg_problem *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_text(p->where, sizeof p->where, fmt, args);
    va_end(args);
    return p->code;
}

eg_err eg_fail_hint(eg_problem *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_text(p->hint, sizeof p->hint, fmt, args);
    va_end(args);
    return p->code;
}

eg_err eg_err_from_errno(int saved_errno) {
    switch (saved_errno) {
    case ENOSPC:
    case EDQUOT:
        return EG_ERR_DISK_FULL;
    case ENOENT:
        return EG_ERR_NOT_FOUND;
    case ENOMEM:
        return EG_ERR_NO_MEMORY;
    default:
        return EG_ERR_IO;
    }
}
