/* Taking, finding and letting go of snapshots. fs.snapshot: family (16) ‖ time (u64) → inode. */
#include "snapshot.h"

#include <stdio.h>

#define KEY_LEN (EG_SNAPSHOT_FAMILY_LEN + 8)
#define RELEASE_ROWS 128

void eg_snapshot_time_text(int64_t at_ns, char ret[EG_SNAPSHOT_TIME_LEN]) {
    char whole[EG_RFC3339_LEN];
    eg_time_rfc3339(at_ns, whole); /* microseconds; the digit of 100 ns is added */
    snprintf(ret, EG_SNAPSHOT_TIME_LEN, "%.26s%cZ", whole, (char)('0' + at_ns / 100 % 10));
}

eg_err eg_snapshot_time_parse(eg_str text, int64_t *ret_ns) {
    return text.len < EG_SNAPSHOT_TIME_LEN && eg_time_parse_rfc3339(text, ret_ns) == EG_OK && *ret_ns > 0 ? EG_OK : EG_ERR_QUERY;
}

static bool has_family(const eg_inode *i) { return i->attr[EG_ATTR_SNAPSHOT].len == EG_SNAPSHOT_FAMILY_LEN; }

static eg_bytes key_of(const uint8_t family[EG_SNAPSHOT_FAMILY_LEN], int64_t at_ns, uint8_t ret[KEY_LEN]) {
    memcpy(ret, family, EG_SNAPSHOT_FAMILY_LEN);
    eg_put_u64(ret + EG_SNAPSHOT_FAMILY_LEN, (uint64_t)at_ns);
    return (eg_bytes){ret, KEY_LEN};
}

static eg_err decode(const eg_account *a, eg_bytes k, eg_bytes v, eg_id *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_SNAPSHOT, k, v, &r));
    const eg_id id = eg_record_get_id(&r);
    EG_TRY(eg_record_end(&r));
    *ret = id;
    return EG_OK;
}

static eg_err put_row(eg_kv_txn *t, const eg_account *a, eg_bytes k, const eg_id *id) {
    eg_buf b;
    eg_record_start(&b, 64);
    eg_record_bytes(&b, eg_id_bytes(id));
    eg_err e = eg_record_seal(a, EG_ROW_SNAPSHOT, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_SNAPSHOT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_snapshot_find(eg_kv_txn *t, const eg_account *a, const eg_inode *base, int64_t at_ns, eg_inode *ret) {
    uint8_t key[KEY_LEN];
    eg_bytes v;
    eg_id id;
    if (!has_family(base)) {
        return EG_ERR_PATH_NOT_FOUND;
    }
    const eg_bytes k = key_of(base->attr[EG_ATTR_SNAPSHOT].ptr, at_ns, key);
    const eg_err e = eg_kv_get(t, EG_DB_FS_SNAPSHOT, k, &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_ERR_PATH_NOT_FOUND;
    }
    EG_TRY(e);
    EG_TRY(decode(a, k, v, &id));
    return eg_ns_inode_get(t, a, &id, ret);
}

/* Rows of a family, one after the other. EG_ERR_NOT_FOUND at its end. */
static eg_err next_row(eg_kv_cursor *c, const uint8_t *family, eg_bytes *ret_k, eg_bytes *ret_v) {
    EG_TRY(eg_kv_cursor_next(c, ret_k, ret_v));
    return ret_k->len == KEY_LEN && memcmp(ret_k->ptr, family, EG_SNAPSHOT_FAMILY_LEN) == 0 ? EG_OK : EG_ERR_NOT_FOUND;
}

eg_err eg_snapshot_each(eg_kv_txn *t, const eg_account *a, const eg_inode *base, eg_err (*fn)(void *, int64_t, const eg_inode *), void *ctx) {
    if (!has_family(base)) {
        return EG_OK;
    }
    const eg_bytes family = base->attr[EG_ATTR_SNAPSHOT];
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SNAPSHOT, family, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_id id;
        eg_inode i;
        const eg_err e = next_row(c, family.ptr, &k, &v);
        if (e == EG_ERR_NOT_FOUND) {
            return EG_OK;
        }
        EG_TRY(e);
        EG_TRY(decode(a, k, v, &id));
        EG_TRY(eg_ns_inode_get(t, a, &id, &i));
        EG_TRY(fn(ctx, (int64_t)eg_get_u64(k.ptr + EG_SNAPSHOT_FAMILY_LEN), &i));
    }
}

eg_err eg_snapshot_any(eg_kv_txn *t, const eg_inode *base, bool *ret) {
    *ret = false;
    if (!has_family(base)) {
        return EG_OK;
    }
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SNAPSHOT, base->attr[EG_ATTR_SNAPSHOT], &c));
    eg_bytes k;
    eg_bytes v;
    const eg_err e = next_row(c, base->attr[EG_ATTR_SNAPSHOT].ptr, &k, &v);
    *ret = e == EG_OK;
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* The file belongs to a family from now on. Its ETag stays: nothing of it changed. */
static eg_err join(eg_kv_txn *t, const eg_account *a, eg_inode *i, uint8_t family[EG_SNAPSHOT_FAMILY_LEN]) {
    if (has_family(i)) {
        memcpy(family, i->attr[EG_ATTR_SNAPSHOT].ptr, EG_SNAPSHOT_FAMILY_LEN);
        return EG_OK;
    }
    eg_random(family, EG_SNAPSHOT_FAMILY_LEN);
    i->attr[EG_ATTR_SNAPSHOT] = (eg_bytes){family, EG_SNAPSHOT_FAMILY_LEN};
    return eg_ns_inode_put(t, a, i);
}

static eg_err refuse_more(eg_kv_txn *t, const eg_inode *base, eg_problem *p) {
    if (!has_family(base)) {
        return EG_OK;
    }
    const eg_bytes family = base->attr[EG_ATTR_SNAPSHOT];
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SNAPSHOT, family, &c));
    for (size_t n = 0; n < EG_SNAPSHOTS_MAX; n++) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = next_row(c, family.ptr, &k, &v);
        if (e != EG_OK) {
            return e == EG_ERR_NOT_FOUND ? EG_OK : e;
        }
    }
    return eg_fail(p, EG_ERR_SNAPSHOT_COUNT, "A blob has at most %d snapshots.", EG_SNAPSHOTS_MAX);
}

eg_err eg_snapshot_make_apply(eg_kv_txn *t, void *make, eg_problem *p) {
    eg_snapshot_make *m = make;
    const eg_account *a = m->base.account;
    eg_place place;
    eg_inode i;
    uint8_t key[KEY_LEN];
    EG_TRY(eg_path_find(t, &m->base, &place, &i, p));
    if (i.kind != EG_KIND_FILE) {
        return eg_fail(p, EG_ERR_RESOURCE_TYPE_MISMATCH, "A directory has no snapshots.");
    }
    /* A snapshot changes nothing of the file: a lease that is named must be the right one, none need be. */
    eg_lease l;
    EG_TRY(eg_lease_decode(i.attr[EG_ATTR_LEASE], &l));
    EG_TRY(eg_lease_check_read(&l, m->base.has_lease ? &m->base.lease : NULL, m->base.forward_ns, EG_LEASE_OF_PATH, p));
    EG_TRY(eg_change_met(&m->base, &i, p));
    if (!eg_id_eq(&i.id, &m->current->id) || i.change != m->current->change) {
        return eg_fail(p, EG_ERR_BUSY, "The file changed while a snapshot of it was taken.");
    }
    EG_TRY(refuse_more(t, &i, p));
    uint8_t family[EG_SNAPSHOT_FAMILY_LEN];
    m->base.after = i;
    EG_TRY(join(t, a, &i, family));
    eg_bytes taken;
    eg_bytes k;
    for (m->at_ns = m->base.now_ns / 100 * 100;; m->at_ns += 100) {
        k = key_of(family, m->at_ns, key);
        const eg_err e = eg_kv_get(t, EG_DB_FS_SNAPSHOT, k, &taken);
        if (e == EG_ERR_NOT_FOUND) {
            break;
        }
        EG_TRY(e);
    }
    m->made.change = m->current->change;
    m->made.created_ns = m->current->created_ns;
    m->made.modified_ns = m->current->modified_ns;
    m->made.mode = m->current->mode;
    m->made.attr[EG_ATTR_SNAPSHOT] = k;
    m->made.attr[EG_ATTR_LEASE] = m->made.attr[EG_ATTR_EXPIRES] = (eg_bytes){NULL, 0};
    EG_TRY(eg_ns_inode_check_shown(&m->made));
    const eg_content_source from = {m->current, m->current_key};
    EG_TRY(eg_content_clone(t, a, &from, &m->made, m->key));
    EG_TRY(eg_ns_inode_put(t, a, &m->made));
    return put_row(t, a, k, &m->made.id);
}

/* Up to `max` rows of a family, or the one of at_ns. *ret_n: how many went. */
static eg_err drop(eg_kv_txn *t, const eg_account *a, const uint8_t family[EG_SNAPSHOT_FAMILY_LEN], int64_t at_ns, size_t max, size_t *ret_n) {
    size_t n = 0;
    while (n < max) {
        uint8_t key[KEY_LEN];
        eg_bytes k;
        eg_bytes v;
        eg_id id;
        {
            EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
            EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SNAPSHOT, key_of(family, at_ns, key), &c));
            const eg_err e = next_row(c, family, &k, &v);
            if (e == EG_ERR_NOT_FOUND || (e == EG_OK && at_ns != 0 && memcmp(k.ptr, key, KEY_LEN) != 0)) {
                break;
            }
            EG_TRY(e);
            EG_TRY(decode(a, k, v, &id));
            memcpy(key, k.ptr, KEY_LEN);
        }
        EG_TRY(eg_kv_del(t, EG_DB_FS_SNAPSHOT, (eg_bytes){key, KEY_LEN}));
        EG_TRY(eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, &id));
        n++;
    }
    *ret_n = n;
    return EG_OK;
}

eg_err eg_snapshot_remove_apply(eg_kv_txn *t, void *del, eg_problem *p) {
    eg_snapshot_removal *d = del;
    eg_place place;
    eg_inode i;
    uint8_t family[EG_SNAPSHOT_FAMILY_LEN];
    size_t n = 0;
    EG_TRY(eg_path_find(t, &d->base, &place, &i, p));
    EG_TRY(eg_change_check(&d->base, &i, p));
    d->base.after = i;
    if (has_family(&i)) {
        memcpy(family, i.attr[EG_ATTR_SNAPSHOT].ptr, sizeof family);
        EG_TRY(drop(t, d->base.account, family, d->at_ns, d->at_ns ? 1 : SIZE_MAX, &n));
    }
    return n == 0 && d->at_ns != 0 ? eg_fail(p, EG_ERR_PATH_NOT_FOUND, "The specified snapshot does not exist.") : EG_OK;
}

eg_err eg_snapshot_inherit(eg_kv_txn *t, const eg_account *a, eg_inode *old, eg_inode *made, uint8_t family[EG_SNAPSHOT_FAMILY_LEN]) {
    if (!has_family(old)) {
        return EG_OK;
    }
    memcpy(family, old->attr[EG_ATTR_SNAPSHOT].ptr, EG_SNAPSHOT_FAMILY_LEN);
    made->attr[EG_ATTR_SNAPSHOT] = (eg_bytes){family, EG_SNAPSHOT_FAMILY_LEN};
    old->attr[EG_ATTR_SNAPSHOT] = (eg_bytes){NULL, 0};
    return eg_ns_inode_put(t, a, old);
}

typedef struct release {
    const eg_account *account;
    uint8_t family[EG_SNAPSHOT_FAMILY_LEN];
    size_t dropped;
} release;

static eg_err release_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    release *x = ctx;
    return drop(t, x->account, x->family, 0, RELEASE_ROWS, &x->dropped);
}

eg_err eg_snapshot_release(eg_storage *s, const eg_account *a, const eg_inode *orphan) {
    if (!has_family(orphan)) {
        return EG_OK;
    }
    release x = {.account = a};
    memcpy(x.family, orphan->attr[EG_ATTR_SNAPSHOT].ptr, sizeof x.family);
    do {
        const eg_txn_op op = {release_apply, &x};
        EG_TRY(eg_commit(s->committer, &op, 1, NULL));
    } while (x.dropped == RELEASE_ROWS);
    return EG_OK;
}
