/* Answers that have no body. The door writes them itself: libmicrohttpd 0.9.75 says Content-Length: 0 in a 304, and ends an answer to
 * HEAD whose length isn't known with an empty chunk, which the peer would take for the beginning of the next answer. */
#include "bare_answer.h"

#include "http1_mhd.h"

#include <embergate/clock.h>

bool eg_bare_answer_fits(const eg_response *r, bool to_head) {
    return to_head || r->status == 204 || r->status == 304;
}

/* RFC 9110 section 8.6: that of the GET, never in a 204, and in a 304 only that of the 200. -1 = not said. */
static int64_t length_of(const eg_response *r) {
    if (r->status == 204) {
        return -1;
    }
    if (r->head_length >= 0 || r->status == 304) {
        return r->head_length;
    }
    return r->has_source ? r->source.size : (int64_t)r->bytes.len;
}

eg_err eg_bare_answer(const eg_response *r, bool close, eg_buf *ret) {
    char date[EG_HTTP_DATE_LEN];
    eg_time_http_date(eg_wall_ns(&eg_clock_system), date);
    EG_TRY(eg_buf_addf(ret, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status, eg_http1_reason(r->status), date));
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].value.len > 0) {
            EG_TRY(eg_buf_addf(ret, "%s: %.*s\r\n", r->headers[i].name, EG_FMT(r->headers[i].value)));
        }
    }
    int64_t length = length_of(r);
    if (length >= 0) {
        EG_TRY(eg_buf_addf(ret, "Content-Length: %lld\r\n", (long long)length));
    }
    return eg_buf_adds(ret, close ? "Connection: close\r\n\r\n" : "\r\n");
}
