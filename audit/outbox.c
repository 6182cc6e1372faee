/* The outbox's rows in the key-value store: numbered in commit order, deleted once they are in a log. */
#include "outbox.h"

static const eg_str counter_key = {"outbox", 6}; /* in EG_DB_AUDIT_STATE: numbers never come again, even when all rows are gone */

eg_err eg_outbox_put(eg_kv_txn *t, eg_bytes envelope) {
    uint64_t next = 1;
    eg_bytes v;
    eg_err e = eg_kv_get(t, EG_DB_AUDIT_STATE, eg_str_bytes(counter_key), &v);
    if (e == EG_OK) {
        if (v.len != 8) {
            return EG_ERR_CORRUPT;
        }
        next = eg_get_u64(v.ptr);
    } else if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    uint8_t id[8];
    uint8_t after[8];
    eg_put_u64(id, next);
    eg_put_u64(after, next + 1);
    EG_TRY(eg_kv_put(t, EG_DB_OUTBOX, (eg_bytes){id, sizeof id}, envelope));
    return eg_kv_put(t, EG_DB_AUDIT_STATE, eg_str_bytes(counter_key), (eg_bytes){after, sizeof after});
}

eg_err eg_outbox_each(eg_kv_txn *t, eg_err (*each)(void *ctx, uint64_t id, eg_bytes envelope), void *ctx) {
    eg_kv_cursor *opened = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_OUTBOX, (eg_bytes){NULL, 0}, &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    eg_bytes k;
    eg_bytes v;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        e = k.len == 8 ? each(ctx, eg_get_u64(k.ptr), v) : EG_ERR_CORRUPT;
        if (e != EG_OK) {
            return e == EG_ERR_LIMIT ? EG_OK : e;
        }
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_outbox_delete_to(eg_kv_txn *t, uint64_t last_id) {
    eg_kv_cursor *opened = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_OUTBOX, (eg_bytes){NULL, 0}, &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    eg_bytes k;
    eg_bytes v;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && k.len == 8 && eg_get_u64(k.ptr) <= last_id) {
        EG_TRY(eg_kv_cursor_del(c));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}
