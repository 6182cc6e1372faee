/* Fuzzes eg_http_head_scan, eg_http_head_parse, eg_http_body_init and eg_http_body_feed: what the door reads before anybody
 * is authenticated. The first byte says in which pieces the rest arrives.
 *
 *   ./dev fuzz http_head */
#include "door/http_body.h"
#include "door/http_head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static bool inside(eg_str part, eg_str whole) {
    return part.ptr == NULL || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

/* What every accepted head keeps to. */
static void check_head(const eg_http_head *h, eg_str head) {
    require(h->method.len > 0 && h->target.len > 0 && h->target.ptr[0] == '/' && h->host.len > 0);
    require(inside(h->method, head) && inside(h->target, head) && inside(h->path, head) && inside(h->query, head));
    require(inside(h->host, head) && inside(h->authorization, head));
    require(h->target.len <= limits.target_bytes && h->header_count <= limits.header_count && h->content_length >= -1);
    require(memchr(h->target.ptr, ' ', h->target.len) == NULL && memchr(h->target.ptr, '#', h->target.len) == NULL);
    unsigned hosts = 0;
    unsigned framings = 0;
    for (size_t i = 0; i < h->header_count; i++) {
        const eg_header *f = &h->headers[i];
        require(f->name.len > 0 && inside(f->name, head) && inside(f->value, head));
        require(memchr(f->value.ptr, '\n', f->value.len) == NULL && memchr(f->value.ptr, '\r', f->value.len) == NULL);
        require(memchr(f->value.ptr, '\0', f->value.len) == NULL);
        hosts += eg_str_ieq(f->name, EG_LIT("host"));
        framings += eg_str_ieq(f->name, EG_LIT("content-length")) || eg_str_ieq(f->name, EG_LIT("transfer-encoding"));
        require(!eg_str_ieq(f->name, EG_LIT("authorization")));
    }
    require(hosts == 1 && framings <= 1);
}

static void read_body(int64_t length, eg_bytes in, size_t step) {
    eg_http_body b;
    size_t at = 0;
    uint64_t got = 0;
    eg_http_body_init(&b, length);
    while (at < in.len && !b.done) {
        size_t used = 0;
        eg_bytes data = {NULL, 0};
        eg_bytes piece = {in.ptr + at, in.len - at < step ? in.len - at : step};
        if (eg_http_body_feed(&b, piece, &used, &data) != EG_OK) {
            return;
        }
        require(used > 0 && used <= piece.len && data.len <= used);
        got += data.len;
        at += used;
    }
    require(length < 0 || got <= (uint64_t)length);
    require(!b.done || length < 0 || got == (uint64_t)length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    eg_bytes in = {data + 1, size - 1};
    eg_http_scan s = {0};
    eg_http_head h;
    size_t n = 0;
    for (size_t have = 0; n == 0 && have < in.len;) {
        have = in.len - have < step ? in.len : have + step;
        if (eg_http_head_scan(&s, &limits, (eg_bytes){in.ptr, have}, &n, NULL) != EG_OK) {
            return 0;
        }
        require(n <= have && n <= limits.head_bytes);
    }
    if (n == 0) {
        return 0;
    }
    char *copy = malloc(n); /* exactly as long, so that reading past it is found */
    require(copy != NULL);
    memcpy(copy, in.ptr, n);
    if (eg_http_head_parse(&limits, (eg_str){copy, n}, &h, NULL) == EG_OK) {
        check_head(&h, (eg_str){copy, n});
        read_body(h.content_length, (eg_bytes){in.ptr + n, in.len - n}, step);
    }
    free(copy);
    return 0;
}
