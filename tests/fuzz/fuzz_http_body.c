/* Fuzzes eg_http_body_init and eg_http_body_feed: a body read in any pieces is the body that a plain second reading of RFC 9112 section 7.1 finds, and ends
 * at the same byte. The first two bytes say in which pieces and with which length (odd: chunked).
 *
 *   ./dev fuzz http_body */
#include "door/http_body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

typedef struct reading {
    bool bad, done;
    size_t end;         /* bytes of framing and data, when done */
    size_t len;
    uint8_t *data;
} reading;

static void keep(reading *r, const uint8_t *p, size_t n) {
    if (n > 0) {
        memcpy(r->data + r->len, p, n);
        r->len += n;
    }
}

static void feed(eg_bytes in, int64_t length, size_t step, reading *r) {
    eg_http_body b;
    eg_http_body_init(&b, length);
    while (!b.done && r->end < in.len) {
        eg_bytes piece = {in.ptr + r->end, in.len - r->end < step ? in.len - r->end : step};
        eg_bytes data = {NULL, 0};
        size_t used = 0;
        if (eg_http_body_feed(&b, piece, &used, &data) != EG_OK) {
            r->bad = true;
            return;
        }
        require(used > 0 && used <= piece.len && data.len <= used);
        require(data.len == 0 || (data.ptr >= piece.ptr && data.ptr + data.len <= piece.ptr + piece.len));
        keep(r, data.ptr, data.len);
        r->end += used;
    }
    r->done = b.done;
}

static bool is_crlf(eg_bytes in, size_t at) {
    return at + 2 <= in.len && in.ptr[at] == '\r' && in.ptr[at + 1] == '\n';
}

/* The whole body at once, or it is not done. */
static void read_plainly(eg_bytes in, reading *r) {
    for (size_t at = 0;;) {
        char digits[17] = "";
        size_t n = 0;
        while (at + n < in.len && n < 16 && strchr("0123456789abcdefABCDEF", in.ptr[at + n]) != NULL && in.ptr[at + n] != '\0') {
            digits[n] = (char)in.ptr[at + n];
            n++;
        }
        if (n == 0 || !is_crlf(in, at + n)) {
            return;
        }
        unsigned long long size = strtoull(digits, NULL, 16);
        at += n + 2;
        if (size > in.len - at || !is_crlf(in, at + (size_t)size)) {
            return;
        }
        keep(r, in.ptr + at, (size_t)size);
        at += (size_t)size + 2;
        if (size == 0) {
            r->done = true;
            r->end = at;
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    eg_bytes in = {data + 2, size - 2};
    bool chunked = (data[1] & 1) != 0;
    int64_t length = chunked ? -1 : data[1] >> 1;
    reading pieces = {.data = malloc(size)};
    reading whole = {.data = malloc(size)};
    reading plain = {.data = malloc(size)};
    require(pieces.data && whole.data && plain.data);
    feed(in, length, (size_t)data[0] + 1, &pieces);
    feed(in, length, in.len + 1, &whole);
    require(pieces.bad == whole.bad && pieces.done == whole.done && pieces.len == whole.len);
    require(pieces.len == 0 || memcmp(pieces.data, whole.data, pieces.len) == 0);
    require(pieces.bad || pieces.end == whole.end);
    if (chunked) {
        read_plainly(in, &plain);
        /* We refuse sizes of more digits than any body needs; what we accept, the plain reading accepts alike. */
        require(!whole.done || (plain.done && plain.end == whole.end && plain.len == whole.len && (plain.len == 0 || memcmp(plain.data, whole.data, plain.len) == 0)));
    } else {
        require(!whole.bad && whole.done == (in.len >= (size_t)length) && whole.len <= (size_t)length);
    }
    free(pieces.data);
    free(whole.data);
    free(plain.data);
    return 0;
}
