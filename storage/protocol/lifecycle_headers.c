/* What HEAD and GET say of a file's expiry and of the copy that made it. */
#include "lifecycle.h"

#include "copy.h"

eg_err eg_lifecycle_headers(eg_request *rq, const eg_inode *i) {
    char date[EG_HTTP_DATE_LEN];
    char id[EG_UUID_LEN];
    const eg_bytes at = i->attr[EG_ATTR_EXPIRES];
    if (at.len == 8) {
        eg_time_http_date((int64_t)eg_get_u64(at.ptr), date);
        EG_TRY(eg_response_header(rq, "x-ms-expiry-time", "%s", date));
    }
    eg_copy_mark m;
    const eg_err e = eg_copy_mark_decode(i->attr[EG_ATTR_COPY], &m);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(e);
    eg_lease_id_text(&m.id, id);
    eg_time_http_date(m.done_ns, date);
    EG_TRY(eg_response_header(rq, "x-ms-copy-id", "%s", id));
    EG_TRY(eg_response_header(rq, "x-ms-copy-source", "%.*s", EG_FMT(m.source)));
    EG_TRY(eg_response_header(rq, "x-ms-copy-status", "success"));
    EG_TRY(eg_response_header(rq, "x-ms-copy-progress", "%llu/%llu", (unsigned long long)m.bytes, (unsigned long long)m.bytes));
    return eg_response_header(rq, "x-ms-copy-completion-time", "%s", date);
}
