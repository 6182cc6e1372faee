/* Fuzzes eg_batch_boundary and eg_batch_next: every part lies within the body, has a method, a path and clean headers, and the reader ends.
 *
 *   ./dev fuzz blob_batch */
#include "batch_body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void within(eg_str s, const uint8_t *data, size_t n) {
    if (s.len > 0 && ((const uint8_t *)s.ptr < data || (const uint8_t *)s.ptr + s.len > data + n)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    /* The first line is the Content-Type, the rest the body. */
    eg_str rest = {(const char *)data, n};
    const eg_str type = eg_str_cut(&rest, '\n');
    eg_batch_reader r = {.rest = rest.ptr ? rest : EG_LIT("")};
    if (eg_batch_boundary(type, &r.boundary) != EG_OK) {
        return 0;
    }
    within(r.boundary, data, n);
    for (size_t parts = 0;; parts++) {
        eg_batch_part part;
        if (eg_batch_next(&r, &part) != EG_OK) {
            return 0;
        }
        if (parts > n || part.method.len == 0 || part.target.len == 0 || part.target.ptr[0] != '/' || part.header_count > EG_BATCH_HEADERS_MAX) {
            abort();
        }
        within(part.method, data, n);
        within(part.target, data, n);
        within(part.content_id, data, n);
        for (size_t i = 0; i < part.header_count; i++) {
            within(part.headers[i].name, data, n);
            within(part.headers[i].value, data, n);
            if (memchr(part.headers[i].value.ptr ? part.headers[i].value.ptr : "", '\n', part.headers[i].value.len)) {
                abort();
            }
        }
    }
}
