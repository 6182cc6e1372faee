/* Says how the door reads requests: each input (u32 length, bytes) on standard input becomes one line of JSON on standard output. What stands behind the head
 * is fed to the body reader. For test_framing_differential.py. */
#include "door/http_body.h"
#include "door/http_head.h"

#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)1 << 20)

static const eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;

/* One character a byte, so that any byte can be said. */
static void put_text(const char *name, eg_str s) {
    printf("%s\"", name);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void put_refusal(eg_err e, const eg_problem *p) {
    printf("{\"accepted\":false,\"status\":%d,\"code\":\"%s\"", eg_err_http_status(e), eg_err_code(e));
    put_text(",\"message\":", eg_str_of(p->message));
    printf("}\n");
}

/* "whole": the body ended, at "end"; "partial": more is awaited; "refused". */
static void put_body(const eg_http_head *h, eg_bytes in, size_t head_len) {
    eg_http_body b;
    eg_buf got;
    size_t at = head_len;
    bool refused = false;
    eg_buf_init(&got, INPUT_MAX);
    eg_http_body_init(&b, h->content_length);
    while (!b.done && !refused && at < in.len) {
        size_t used = 0;
        eg_bytes data = {NULL, 0};
        refused = eg_http_body_feed(&b, (eg_bytes){in.ptr + at, in.len - at}, &used, &data) != EG_OK || (data.len > 0 && eg_buf_add(&got, data.ptr, data.len) != EG_OK);
        at += refused ? 0 : used;
    }
    printf(",\"body_state\":\"%s\",\"end\":%zu", refused ? "refused" : b.done ? "whole" : "partial", at);
    put_text(",\"body\":", eg_buf_str(&got));
    eg_buf_done(&got);
}

static void put_head(const eg_http_head *h, eg_bytes in, size_t head_len) {
    printf("{\"accepted\":true,\"head\":%zu,\"content_length\":%lld,\"close\":%s,\"continue\":%s", head_len, (long long)h->content_length, h->close ? "true" : "false",
           h->expect_continue ? "true" : "false");
    put_text(",\"method\":", h->method);
    put_text(",\"target\":", h->target);
    printf(",\"headers\":[");
    for (size_t i = 0; i < h->header_count; i++) {
        put_text(i ? ",[" : "[", h->headers[i].name);
        put_text(",", h->headers[i].value);
        putchar(']');
    }
    putchar(']');
    if (h->authorization.ptr) {
        put_text(",\"authorization\":", h->authorization);
    }
    put_body(h, in, head_len);
    printf("}\n");
}

static void read_request(eg_bytes in) {
    static eg_http_head h;
    eg_http_scan s = {0};
    eg_problem p = {0};
    size_t n = 0;
    eg_err e = eg_http_head_scan(&s, &limits, in, &n, &p);
    if (e == EG_OK && n == 0) {
        printf("{\"accepted\":false,\"status\":0,\"code\":\"incomplete\",\"message\":\"\"}\n");
        return;
    }
    e = e == EG_OK ? eg_http_head_parse(&limits, (eg_str){(const char *)in.ptr, n}, &h, &p) : e;
    if (e != EG_OK) {
        put_refusal(e, &p);
    } else {
        put_head(&h, in, n);
    }
}

int main(void) {
    uint8_t len[4];
    while (fread(len, 1, sizeof len, stdin) == sizeof len) {
        size_t n = eg_get_u32(len);
        uint8_t *in = n <= INPUT_MAX ? malloc(n ? n : 1) : NULL; /* exactly as long, so that the sanitizers see one byte too far */
        if (!in || fread(in, 1, n, stdin) != n) {
            free(in);
            return 1;
        }
        read_request((eg_bytes){in, n});
        free(in);
    }
    return 0;
}
