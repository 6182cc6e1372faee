/* The small answers that the door gives itself. */
#include "refusal.h"

#include "http1_mhd.h"

#include <embergate/clock.h>
#include <embergate/json.h>

enum { REFUSAL_BODY_MAX = 1024 };

eg_err eg_refusal_json(eg_err why, const eg_problem *p, eg_buf *ret) {
    const char *message = p != NULL && p->message[0] != '\0' ? p->message : "The request could not be served";
    EG_JSON_AUTO v = json_pack("{s:{s:s,s:s}}", "error", "code", eg_err_code(why), "message", message);
    return v != NULL ? eg_json_write(v, ret) : EG_ERR_NO_MEMORY;
}

eg_err eg_refusal_http(eg_err why, const eg_problem *p, eg_buf *ret) {
    char date[EG_HTTP_DATE_LEN];
    char id[EG_UUID_LEN];
    eg_buf body;
    eg_buf_init(&body, REFUSAL_BODY_MAX);
    eg_time_http_date(eg_wall_ns(&eg_clock_system), date);
    eg_uuid_new(id);
    eg_err e = eg_refusal_json(why, p, &body);
    if (e == EG_OK) {
        e = eg_buf_addf(ret,
                          "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                          "x-ms-request-id: %s\r\nx-ms-error-code: %s\r\nConnection: close\r\n\r\n%.*s",
                          eg_err_http_status(why), eg_http1_reason(eg_err_http_status(why)), date, body.len, id, eg_err_code(why), EG_FMT(eg_buf_str(&body)));
    }
    eg_buf_done(&body);
    return e;
}
