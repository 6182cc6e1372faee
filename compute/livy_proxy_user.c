/* doAs and proxyUser: whoever names somebody else is refused, because impersonation is a right that nobody has here. */
#include "livy.h"

#define NAME_TOLD ((size_t)256)

/* Not in the middle of a character, which no record could hold. */
static size_t told_of(eg_str asked) {
    size_t n = asked.len < NAME_TOLD ? asked.len : NAME_TOLD;
    while (n > 0 && n < asked.len && ((unsigned char)asked.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    return n;
}

eg_err eg_livy_check_proxy_user(eg_request *rq, eg_str asked) {
    const eg_principal *who = rq->principal;
    if (asked.len == 0 || eg_str_is(asked, who->object_id) || (who->name[0] && eg_str_is(asked, who->name))) {
        return EG_OK;
    }
    if (!rq->record_details) {
        rq->record_details = json_pack("{s:s,s:s%}", "name", who->name, "proxyUser", asked.ptr, told_of(asked));
    }
    return eg_fail(&rq->problem, EG_ERR_DENIED_PROXY_USER, "%s may not act for %.*s: jobs run for who submits them", who->name[0] ? who->name : who->object_id, EG_FMT(asked));
}

eg_err eg_livy_do_as(eg_request *rq, eg_str *ret) {
    eg_str asked = {0};
    eg_err e = eg_request_query(rq, "doAs", &asked);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = (eg_str){0};
        return EG_OK;
    }
    if (e != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "doAs stands twice or is malformed");
    }
    EG_TRY(eg_livy_check_proxy_user(rq, asked));
    *ret = asked;
    return EG_OK;
}
