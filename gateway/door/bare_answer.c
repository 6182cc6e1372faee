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

static char *put(char *at, eg_str s) {
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* One reservation for the line: every answer has some ten of them, and printf would take longer than all else here. */
static eg_err add_line(eg_buf *ret, eg_str name, eg_str value) {
    char *at = NULL;
    const size_t n = name.len + 2 + value.len + 2;
    EG_TRY(eg_buf_reserve(ret, n, &at));
    at = put(put(put(at, name), EG_LIT(": ")), value);
    (void)put(at, EG_LIT("\r\n"));
    ret->len += n;
    return EG_OK;
}

/* In decimal, at the end of `room`. */
static eg_str digits(uint64_t n, char room[24]) {
    size_t at = 24;
    do {
        room[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return (eg_str){room + at, 24 - at};
}

static eg_err add_status(eg_buf *ret, int status) {
    char room[24];
    const eg_str code = digits((unsigned)status, room);
    EG_TRY(eg_buf_add(ret, "HTTP/1.1 ", 9));
    EG_TRY(eg_buf_add(ret, code.ptr, code.len));
    EG_TRY(eg_buf_add(ret, " ", 1));
    EG_TRY(eg_buf_adds(ret, eg_http1_reason(status)));
    return eg_buf_add(ret, "\r\n", 2);
}

eg_err eg_bare_answer(const eg_response *r, bool bare, bool close, eg_buf *ret) {
    char date[EG_HTTP_DATE_LEN], room[24];
    eg_time_http_date(eg_wall_ns(&eg_clock_system), date);
    EG_TRY(add_status(ret, r->status));
    EG_TRY(add_line(ret, EG_LIT("Date"), eg_str_of(date)));
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].value.len > 0) {
            EG_TRY(add_line(ret, eg_str_of(r->headers[i].name), r->headers[i].value));
        }
    }
    int64_t length = bare ? length_of(r) : length_of_body(r);
    if (length >= 0) {
        EG_TRY(add_line(ret, EG_LIT("Content-Length"), digits((uint64_t)length, room)));
    }
    return eg_buf_adds(ret, close ? "Connection: close\r\n\r\n" : "\r\n");
}
