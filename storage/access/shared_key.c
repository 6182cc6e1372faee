/* The string to sign of Shared Key and Shared Key Lite. */
#include "shared_key.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>
#include <stdlib.h>

#define SKEW_NS ((int64_t)15 * 60 * 1000000000)
#define SIGNED_MAX 128   /* headers or query parameters that take part */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

eg_err eg_shared_key_parse(eg_str authorization, eg_shared_key *ret) {
    eg_shared_key k = {.lite = false};
    eg_str rest = authorization;
    const eg_str scheme = eg_str_cut(&rest, ' ');
    size_t n = 0;
    if (!eg_str_ieq(scheme, EG_LIT("SharedKey")) && !eg_str_ieq(scheme, EG_LIT("SharedKeyLite"))) {
        return EG_ERR_NOT_FOUND;
    }
    k.lite = scheme.len > 9;
    k.account = eg_str_cut(&rest, ':');
    if (!rest.ptr || k.account.len == 0 || eg_unbase64(rest, k.signature, sizeof k.signature, &n) != EG_OK || n != sizeof k.signature) {
        return EG_ERR_AUTH_FAILED;
    }
    *ret = k;
    return EG_OK;
}

typedef struct pair {
    eg_str name;
    eg_str value;
} pair;

/* Azure sorts as its libraries do: a first pass without hyphens, digits before letters; a hyphen counts only between names that are else the same. */
static unsigned weight(eg_str s, size_t i, bool hyphens) {
    const char c = lower(s.ptr[i]);
    if (hyphens) {
        return c == '-' ? 0x8212 : 0;
    }
    return c == '-' ? 0 : c == '_' ? 0x744 : c >= '0' && c <= '9' ? 0xd03u + (unsigned)(c - '0') : 0xe02u + (unsigned)(c - 'a');
}

static int compare_level(eg_str a, eg_str b, bool hyphens) {
    size_t i = 0;
    size_t j = 0;
    for (;;) {
        const unsigned x = i < a.len ? weight(a, i, hyphens) : 1;
        const unsigned y = j < b.len ? weight(b, j, hyphens) : 1;
        if (hyphens && i != j) {
            return i > j ? -1 : 1;
        }
        if (x == 1 && y == 1) {
            return 0;
        }
        if (x == y) {
            i++;
            j++;
        } else if (x == 0) {
            i++;
        } else if (y == 0) {
            j++;
        } else {
            return x < y ? -1 : 1;
        }
    }
}

static int by_header(const void *a, const void *b) {
    const eg_str x = ((const pair *)a)->name;
    const eg_str y = ((const pair *)b)->name;
    const int first = compare_level(x, y, false);
    return first ? first : compare_level(x, y, true);
}

static int by_bytes(eg_str x, eg_str y) {
    const size_t n = x.len < y.len ? x.len : y.len;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)lower(x.ptr[i]);
        const unsigned char d = (unsigned char)lower(y.ptr[i]);
        if (c != d) {
            return c < d ? -1 : 1;
        }
    }
    return x.len == y.len ? 0 : x.len < y.len ? -1 : 1;
}

/* Values of one name stand in their own order. */
static int by_query(const void *a, const void *b) {
    const pair *x = a;
    const pair *y = b;
    const int names = by_bytes(x->name, y->name);
    return names ? names : by_bytes(x->value, y->value);
}

static void add_lower(eg_buf *b, eg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        const char c = lower(s.ptr[i]);
        (void)eg_buf_add(b, &c, 1);
    }
}

static eg_err add_headers(eg_request *rq, eg_buf *b) {
    pair v[SIGNED_MAX];
    size_t n = 0;
    for (size_t i = 0; i < rq->header_count; i++) {
        const eg_header *h = &rq->headers[i];
        if (h->name.len < 5 || !eg_str_ieq((eg_str){h->name.ptr, 5}, EG_LIT("x-ms-"))) {
            continue;
        }
        if (n == SIGNED_MAX) {
            return EG_ERR_AUTH_FAILED;
        }
        v[n++] = (pair){h->name, h->value};
    }
    qsort(v, n, sizeof v[0], by_header);
    for (size_t i = 0; i < n; i++) {
        add_lower(b, v[i].name);
        (void)eg_buf_addf(b, ":%.*s\n", EG_FMT(v[i].value));
    }
    return b->err;
}

static eg_err add_query(eg_request *rq, eg_buf *b) {
    pair v[SIGNED_MAX];
    size_t n = 0;
    for (eg_str rest = rq->query; rest.ptr && rq->query.len > 0;) {
        eg_str value = eg_str_cut(&rest, '&');
        const eg_str name = eg_str_cut(&value, '=');
        if (name.len == 0) {
            continue;
        }
        if (n == SIGNED_MAX || eg_percent_decode(rq->arena, name, false, &v[n].name) != EG_OK ||
            eg_percent_decode(rq->arena, value.ptr ? value : EG_LIT(""), false, &v[n].value) != EG_OK) {
            return EG_ERR_AUTH_FAILED;
        }
        n++;
    }
    qsort(v, n, sizeof v[0], by_query);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && eg_str_ieq(v[i].name, v[i - 1].name)) {
            (void)eg_buf_addf(b, ",%.*s", EG_FMT(v[i].value));
            continue;
        }
        (void)eg_buf_adds(b, "\n");
        add_lower(b, v[i].name);
        (void)eg_buf_addf(b, ":%.*s", EG_FMT(v[i].value));
    }
    return b->err;
}

static void add_header(eg_request *rq, eg_buf *b, const char *name) { (void)eg_buf_addf(b, "%.*s\n", EG_FMT(eg_request_header(rq, name))); }

static eg_str verb_of(const eg_request *rq) {
    /* PATCH that arrived as PUT was signed as what it arrived as. */
    const eg_str v = eg_request_header(rq, "X-HTTP-Method-Override");
    return v.len > 0 ? EG_LIT("PUT") : rq->method;
}

eg_err eg_shared_key_string(eg_request *rq, const eg_shared_key *with, eg_buf *ret) {
    static const char *const before[] = {"Content-Encoding", "Content-Language"};
    static const char *const after[] = {"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"};
    (void)eg_buf_addf(ret, "%.*s\n", EG_FMT(verb_of(rq)));
    for (size_t i = 0; !with->lite && i < 2; i++) {
        add_header(rq, ret, before[i]);
    }
    if (!with->lite) {
        (void)(rq->content_length > 0 ? eg_buf_addf(ret, "%lld\n", (long long)rq->content_length) : eg_buf_adds(ret, "\n"));
    }
    add_header(rq, ret, "Content-MD5");
    add_header(rq, ret, "Content-Type");
    if (eg_request_header(rq, "x-ms-date").len > 0) {
        (void)eg_buf_adds(ret, "\n");
    } else {
        add_header(rq, ret, "Date");
    }
    for (size_t i = 0; !with->lite && i < sizeof after / sizeof after[0]; i++) {
        add_header(rq, ret, after[i]);
    }
    EG_TRY(add_headers(rq, ret));
    (void)eg_buf_addf(ret, "/%.*s%.*s", EG_FMT(with->account), EG_FMT(rq->raw_path));
    if (!with->lite) {
        return add_query(rq, ret);
    }
    eg_str comp;
    const eg_err e = eg_request_query(rq, "comp", &comp);
    if (e == EG_OK) {
        (void)eg_buf_addf(ret, "?comp=%.*s", EG_FMT(comp));
    }
    return e == EG_OK || e == EG_ERR_NOT_FOUND ? ret->err : EG_ERR_AUTH_FAILED;
}

eg_err eg_shared_key_date(eg_request *rq, int64_t now_ns, eg_problem *p) {
    eg_str date = eg_request_header(rq, "x-ms-date");
    int64_t then = 0;
    if (date.len == 0) {
        date = eg_request_header(rq, "Date");
    }
    if (date.len == 0 || eg_time_parse_http_date(date, &then) != EG_OK) {
        return eg_fail(p, EG_ERR_AUTH_FAILED, "The date header in the request is missing or incorrect.");
    }
    if (then > now_ns + SKEW_NS || then < now_ns - SKEW_NS) {
        return eg_fail(p, EG_ERR_AUTH_FAILED, "The date header in the request is more than 15 minutes from the server's time.");
    }
    return EG_OK;
}
