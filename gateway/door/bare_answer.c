/* The heads of the answers that the door writes itself. Without a body: libmicrohttpd 0.9.75 says Content-Length: 0 in a 304, and ends an
 * answer to HEAD whose length isn't known with an empty chunk, which the peer would take for the beginning of the next answer. With a body
 * of known length: a lane would cost two copies and six system calls more (docs/PERFORMANCE.md). */
#include "bare_answer.h"

#include "http1_mhd.h"

#include <embergate/clock.h>

bool eg_bare_answer_fits(const eg_response *r, bool to_head) {
    return to_head || r->status == 204 || r->status == 304;
}

bool eg_bare_answer_counted(const eg_response *r) {
    return !r->has_source || r->source.size >= 0;
}

static int64_t length_of_body(const eg_response *r) {
    return r->has_source ? r->source.size : (int64_t)r->bytes.len;
}

/* RFC 9110 section 8.6: that of the GET, never in a 204, and in a 304 only that of the 200. -1 = not said. */
static int64_t length_of(const eg_response *r) {
    if (r->status == 204) {
        return -1;
    }
    if (r->head_length >= 0 || r->status == 304) {
        return r->head_length;
    }
    return length_of_body(r);
}

eg_err eg_bare_answer(const eg_response *r, bool bare, bool close, eg_buf *ret) {
    char date[EG_HTTP_DATE_LEN];
    eg_time_http_date(eg_wall_ns(&eg_clock_system), date);
    EG_TRY(eg_buf_addf(ret, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status, eg_http1_reason(r->status), date));
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].value.len > 0) {
            EG_TRY(eg_buf_adds(ret, r->headers[i].name));
            EG_TRY(eg_buf_add(ret, ": ", 2));
            EG_TRY(eg_buf_add(ret, r->headers[i].value.ptr, r->headers[i].value.len));
            EG_TRY(eg_buf_add(ret, "\r\n", 2));
        }
    }
    int64_t length = bare ? length_of(r) : length_of_body(r);
    if (length >= 0) {
        EG_TRY(eg_buf_addf(ret, "Content-Length: %lld\r\n", (long long)length));
    }
    return eg_buf_adds(ret, close ? "Connection: close\r\n\r\n" : "\r\n");
}
