/* What a change within a group's transaction has overwritten, so that its refusal takes it back without a transaction of its own. */
#include "kv_env.h"

/* key, value, then what they are: read from the end. */
enum { FOOT_DB = 0, FOOT_HAD = 1, FOOT_KEY = 2, FOOT_VALUE = 4, FOOT = 8 };

eg_err eg_kv_undo_note(eg_buf *b, eg_kv_db db, eg_bytes key, const eg_bytes *before) {
    const eg_bytes value = before ? *before : (eg_bytes){NULL, 0};
    char *room = NULL;
    _Static_assert(EG_DB_COUNT <= UINT8_MAX, "a database's number is one byte");
    if (key.len > EG_KV_KEY_MAX || value.len > EG_KV_UNDO_MAX) {
        return key.len > EG_KV_KEY_MAX ? EG_ERR_INVALID : EG_ERR_LIMIT;
    }
    const eg_err e = eg_buf_reserve(b, key.len + value.len + FOOT, &room);
    if (e != EG_OK) {
        b->err = EG_OK; /* this row was not changed and what was noted before stays */
        return e;
    }
    uint8_t *at = (uint8_t *)room;
    memcpy(at, key.ptr, key.len);
    if (value.len > 0) {
        memcpy(at + key.len, value.ptr, value.len);
    }
    uint8_t *foot = at + key.len + value.len;
    foot[FOOT_DB] = (uint8_t)db;
    foot[FOOT_HAD] = before != NULL;
    eg_put_u16(foot + FOOT_KEY, (uint16_t)key.len);
    eg_put_u32(foot + FOOT_VALUE, (uint32_t)value.len);
    b->len += key.len + value.len + FOOT;
    return EG_OK;
}

/* The newest first: a row that was changed twice becomes what it was before the first time. */
eg_err eg_kv_undo_back(eg_kv_txn *t, size_t mark) {
    eg_buf *b = &t->kv->undo;
    while (b->len > mark) {
        const uint8_t *foot = (const uint8_t *)b->ptr + b->len - FOOT;
        const size_t key = eg_get_u16(foot + FOOT_KEY), value = eg_get_u32(foot + FOOT_VALUE);
        const uint8_t *at = foot - value - key;
        MDB_val k = eg_kv_val((eg_bytes){at, key});
        MDB_val v = eg_kv_val((eg_bytes){at + key, value});
        const MDB_dbi dbi = t->kv->dbis[foot[FOOT_DB]];
        int rc = foot[FOOT_HAD] ? mdb_put(t->txn, dbi, &k, &v, 0) : mdb_del(t->txn, dbi, &k, NULL);
        EG_TRY(eg_kv_of_lmdb(rc));
        b->len -= key + value + FOOT;
    }
    return EG_OK;
}
