/* When a file's time is over. */
#include "due.h"
#include "path_change.h"

eg_err eg_path_expire_apply(eg_kv_txn *t, void *expire, eg_problem *p) {
    eg_path_expire *x = expire;
    eg_change *c = &x->base;
    eg_place place;
    eg_inode i;
    uint8_t at[8];
    EG_TRY(eg_path_find(t, c, &place, &i, p));
    if (i.kind != EG_KIND_FILE) {
        return eg_fail(p, EG_ERR_RESOURCE_TYPE_MISMATCH, "A directory has no time of expiry.");
    }
    EG_TRY(eg_change_check(c, &i, p));
    if (x->never) {
        i.attr[EG_ATTR_EXPIRES] = (eg_bytes){NULL, 0};
    } else {
        const int64_t from = x->after_creation ? i.created_ns : 0;
        const int64_t when = x->value_ns > INT64_MAX - from ? INT64_MAX : from + x->value_ns;
        if (when <= c->forward_ns) {
            return eg_fail(p, EG_ERR_HTTP_HEADER, "The time of expiry has passed.");
        }
        eg_put_u64(at, (uint64_t)when);
        i.attr[EG_ATTR_EXPIRES] = (eg_bytes){at, sizeof at};
    }
    i.change++;
    EG_TRY(eg_ns_inode_put(t, c->account, &i));
    c->after = i;
    const eg_inode watched = {.id = i.id, .attr[EG_ATTR_EXPIRES] = i.attr[EG_ATTR_EXPIRES]};
    return eg_due_put_expiry(t, c->account, &place.parent, place.name, &watched);
}
