/* Set Blob Expiry and the expiry of a create. */
#include "lifecycle.h"

typedef struct expiry {
    bool given;
    bool never;
    bool after_creation;
    int64_t value_ns;      /* since 1970, or since the creation */
} expiry;

static eg_err bad(eg_request *rq, const char *header) {
    return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is missing or has a value that it can't have.", header);
}

/* x-ms-expiry-time is milliseconds for the relative options and a date for the absolute one. */
static eg_err read_expiry(eg_request *rq, expiry *ret) {
    const eg_str option = eg_request_header(rq, "x-ms-expiry-option");
    const eg_str time = eg_request_header(rq, "x-ms-expiry-time");
    expiry x = {.given = option.len > 0};
    uint64_t ms = 0;
    if (!x.given && time.len > 0) {
        return bad(rq, "x-ms-expiry-option");
    }
    if (eg_str_ieq(option, EG_LIT("NeverExpire"))) {
        x.never = true;
        EG_TRY(time.len > 0 ? bad(rq, "x-ms-expiry-time") : EG_OK);
    } else if (eg_str_ieq(option, EG_LIT("Absolute"))) {
        EG_TRY(eg_time_parse_http_date(time, &x.value_ns) != EG_OK ? bad(rq, "x-ms-expiry-time") : EG_OK);
    } else if (eg_str_ieq(option, EG_LIT("RelativeToNow")) || eg_str_ieq(option, EG_LIT("RelativeToCreation"))) {
        if (eg_str_u64(time, (uint64_t)INT64_MAX / 4000000, &ms) != EG_OK) {
            return bad(rq, "x-ms-expiry-time");
        }
        x.after_creation = eg_str_ieq(option, EG_LIT("RelativeToCreation"));
        x.value_ns = (int64_t)ms * 1000000 + (x.after_creation ? 0 : eg_storage_forward_ns(rq->room));
    } else if (x.given) {
        return bad(rq, "x-ms-expiry-option");
    }
    *ret = x;
    return EG_OK;
}

eg_err eg_expiry_read(eg_request *rq, eg_inode *made, uint8_t room[8]) {
    expiry x;
    EG_TRY(read_expiry(rq, &x));
    if (!x.given || x.never) {
        return EG_OK;
    }
    const int64_t now = eg_storage_forward_ns(rq->room);
    const int64_t at = x.after_creation ? now + x.value_ns : x.value_ns;
    if (at <= now || made->kind != EG_KIND_FILE) {
        return bad(rq, "x-ms-expiry-time");
    }
    eg_put_u64(room, (uint64_t)at);
    made->attr[EG_ATTR_EXPIRES] = (eg_bytes){room, 8};
    return EG_OK;
}

eg_err eg_expiry_set(eg_request *rq) {
    eg_target d;
    expiry x;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_expiry(rq, &x));
    EG_TRY(x.given ? EG_OK : bad(rq, "x-ms-expiry-option"));
    eg_path_expire e = {.never = x.never, .after_creation = x.after_creation, .value_ns = x.value_ns};
    EG_TRY(eg_target_change(rq, &d, &e.base));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_expire_apply, &e}, 200));
    EG_TRY(eg_target_etag(rq, &e.base.after));
    return eg_respond_empty(rq, 200);
}
