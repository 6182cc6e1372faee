/* Keeping, finding, restoring and purging of what was deleted. */
#include "deleted.h"

#include "due.h"

/* A longer name is keyed by this many bytes of it, 0xFF and its digest; the row holds it whole. */
#define NAME_IN_KEY 400
#define ROW_MAX (EG_PATH_MAX + 256)
#define FILETIME_OF(ns) ((uint64_t)((ns) / 100 + 116444736000000000LL))

static size_t begin_of(const eg_deleted_from *from, uint8_t ret[EG_KV_KEY_MAX]) {
    if (from->containers) {
        const size_t n = strlen(from->account->name);
        ret[0] = 'c';
        memcpy(ret + 1, from->account->name, n);
        ret[1 + n] = '/';
        return n + 2;
    }
    ret[0] = 'p';
    memcpy(ret + 1, from->root.b, sizeof from->root.b);
    return 1 + sizeof from->root.b;
}

static size_t name_of(const eg_deleted_from *from, eg_str name, uint8_t ret[EG_KV_KEY_MAX]) {
    size_t n = begin_of(from, ret);
    const size_t keep = name.len < NAME_IN_KEY ? name.len : NAME_IN_KEY;
    memcpy(ret + n, name.ptr, keep);
    n += keep;
    if (name.len > NAME_IN_KEY) {
        ret[n++] = 0xff;
        eg_sha256(eg_str_bytes(name), ret + n);
        n += EG_SHA256_LEN;
    }
    ret[n++] = 0; /* no name has it: so all deletions of one name stand together */
    return n;
}

size_t eg_deleted_mark(const eg_deleted_from *from, const eg_deleted *d, uint8_t ret[EG_KV_KEY_MAX]) {
    const size_t n = name_of(from, d->name, ret);
    eg_put_u64(ret + n, d->deletion);
    return n + 8;
}

eg_err eg_deleted_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_deleted *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_DELETED, key, value, &r));
    (void)eg_record_get_text(&r);
    eg_deleted d = {.name = eg_bytes_str(eg_record_get_text(&r))};
    d.kind = (eg_kind)eg_record_get_u8(&r);
    d.inode = eg_record_get_id(&r);
    d.created_ns = (int64_t)eg_record_get_u64(&r);
    d.deleted_ns = (int64_t)eg_record_get_u64(&r);
    d.until_ns = (int64_t)eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    if (key.len < 8) {
        return eg_record_corrupt();
    }
    d.deletion = eg_get_u64(key.ptr + key.len - 8);
    *ret = d;
    return EG_OK;
}

eg_err eg_deleted_put(eg_kv_txn *t, const eg_deleted_from *from, eg_deleted *d) {
    uint8_t key[EG_KV_KEY_MAX];
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(from->account->name)));
    eg_record_text(&b, eg_str_bytes(d->name));
    eg_record_u8(&b, (uint8_t)d->kind);
    eg_record_bytes(&b, eg_id_bytes(&d->inode));
    eg_record_u64(&b, (uint64_t)d->created_ns);
    eg_record_u64(&b, (uint64_t)d->deleted_ns);
    eg_record_u64(&b, (uint64_t)d->until_ns);
    /* Two deletions of one name at one time get different ids. */
    eg_bytes k;
    eg_bytes taken;
    eg_err e = EG_OK;
    for (d->deletion = FILETIME_OF(d->deleted_ns);; d->deletion++) {
        k = (eg_bytes){key, eg_deleted_mark(from, d, key)};
        e = eg_kv_get(t, EG_DB_FS_DELETED, k, &taken);
        if (e != EG_OK) {
            break;
        }
    }
    e = e == EG_ERR_NOT_FOUND ? eg_record_seal(from->account, EG_ROW_DELETED, k, &b) : e;
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_DELETED, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    EG_TRY(e);
    const eg_due due = {from->account, EG_DUE_PURGE, d->until_ns, d->inode, k};
    return eg_due_put(t, &due);
}

static eg_err last_of(eg_kv_txn *t, const eg_deleted_from *from, eg_bytes name, eg_deleted *ret) {
    uint8_t end[EG_KV_KEY_MAX];
    memcpy(end, name.ptr, name.len);
    memset(end + name.len, 0xff, 8);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_DELETED, (eg_bytes){NULL, 0}, &c));
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_prev_of(c, (eg_bytes){end, name.len + 8}, &k, &v));
    if (k.len != name.len + 8 || memcmp(k.ptr, name.ptr, name.len) != 0) {
        return EG_ERR_NOT_FOUND;
    }
    return eg_deleted_decode(from->account, k, v, ret);
}

eg_err eg_deleted_get(eg_kv_txn *t, const eg_deleted_from *from, eg_str name, uint64_t deletion, int64_t forward_ns, eg_deleted *ret) {
    uint8_t key[EG_KV_KEY_MAX];
    const size_t n = name_of(from, name, key);
    eg_deleted d;
    if (deletion == 0) {
        EG_TRY(last_of(t, from, (eg_bytes){key, n}, &d));
    } else {
        eg_bytes v;
        eg_put_u64(key + n, deletion);
        EG_TRY(eg_kv_get(t, EG_DB_FS_DELETED, (eg_bytes){key, n + 8}, &v));
        EG_TRY(eg_deleted_decode(from->account, (eg_bytes){key, n + 8}, v, &d));
    }
    if (!eg_str_eq(d.name, name)) {
        return eg_record_corrupt();
    }
    if (d.until_ns <= forward_ns) {
        return EG_ERR_NOT_FOUND;
    }
    *ret = d;
    return EG_OK;
}

eg_err eg_deleted_del(eg_kv_txn *t, const eg_deleted_from *from, const eg_deleted *d) {
    uint8_t key[EG_KV_KEY_MAX];
    return eg_kv_del(t, EG_DB_FS_DELETED, (eg_bytes){key, eg_deleted_mark(from, d, key)});
}

eg_err eg_deleted_purge(eg_kv_txn *t, const eg_account *a, eg_bytes key, const eg_id *inode, int64_t forward_ns) {
    uint8_t copy[EG_KV_KEY_MAX];
    eg_bytes v;
    eg_deleted d;
    if (key.len > sizeof copy) {
        return eg_record_corrupt();
    }
    memcpy(copy, key.ptr, key.len);
    const eg_bytes k = {copy, key.len};
    const eg_err e = eg_kv_get(t, EG_DB_FS_DELETED, k, &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK; /* restored */
    }
    EG_TRY(e);
    EG_TRY(eg_deleted_decode(a, k, v, &d));
    if (!eg_id_eq(&d.inode, inode) || d.until_ns > forward_ns) {
        return EG_OK;
    }
    EG_TRY(eg_kv_del(t, EG_DB_FS_DELETED, k));
    return eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, inode);
}

eg_err eg_deleted_each(eg_kv_txn *t, const eg_deleted_walk *w) {
    uint8_t key[EG_KV_KEY_MAX];
    const size_t all = begin_of(&w->from, key);
    size_t n = all;
    const size_t keep = w->prefix.len < NAME_IN_KEY ? w->prefix.len : NAME_IN_KEY;
    if (keep > 0) {
        memcpy(key + n, w->prefix.ptr, keep);
        n += keep;
    }
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_DELETED, w->after.len > 0 ? w->after : (eg_bytes){key, n}, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_deleted d;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < n || memcmp(k.ptr, key, n) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        if (k.len == w->after.len && memcmp(k.ptr, w->after.ptr, k.len) == 0) {
            continue;
        }
        EG_TRY(eg_deleted_decode(w->from.account, k, v, &d));
        if (d.until_ns > w->forward_ns && d.name.len >= w->prefix.len && memcmp(d.name.ptr, w->prefix.ptr, w->prefix.len) == 0) {
            EG_TRY(w->each(w->ctx, &d));
        }
    }
}
