/* Keeps and works through the rows of what is due. */
#include "due.h"

#include "deleted.h"

#define KEY_LEN (1 + 8 + 16)
#define ROW_MAX 1024
#define PASS_ROWS 1024

eg_err eg_due_put(eg_kv_txn *t, const eg_due *d) {
    uint8_t key[KEY_LEN] = {'t'};
    eg_put_u64(key + 1, (uint64_t)d->at_ns);
    memcpy(key + 9, d->inode.b, sizeof d->inode.b);
    const eg_bytes k = {key, sizeof key};
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(d->account->name)));
    eg_record_u8(&b, (uint8_t)d->what);
    eg_record_text(&b, d->place);
    eg_err e = eg_record_seal(d->account, EG_ROW_DUE, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_DELETED, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_due_put_expiry(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, const eg_inode *i) {
    uint8_t place[16 + EG_NAME_MAX];
    const eg_bytes at = i->attr[EG_ATTR_EXPIRES];
    if (at.len != 8 || name.len > EG_NAME_MAX) {
        return EG_OK;
    }
    memcpy(place, parent->b, sizeof parent->b);
    memcpy(place + 16, name.ptr, name.len);
    const eg_due d = {a, EG_DUE_EXPIRY, (int64_t)eg_get_u64(at.ptr), i->id, {place, 16 + name.len}};
    return eg_due_put(t, &d);
}

static eg_err expire(eg_kv_txn *t, const eg_account *a, const eg_id *inode, eg_bytes place, int64_t now_ns) {
    eg_id parent;
    eg_entry e;
    eg_inode i;
    char name[EG_NAME_MAX];
    if (place.len <= sizeof parent.b || place.len > sizeof parent.b + EG_NAME_MAX) {
        return eg_record_corrupt();
    }
    memcpy(parent.b, place.ptr, sizeof parent.b);
    const eg_str n = {name, place.len - sizeof parent.b};
    memcpy(name, place.ptr + sizeof parent.b, n.len); /* the row moves when something is written */
    const eg_err found = eg_ns_entry_get(t, a, &parent, n, &e);
    if (found == EG_ERR_NOT_FOUND || (found == EG_OK && !eg_id_eq(&e.child, inode))) {
        return EG_OK;
    }
    EG_TRY(found);
    EG_TRY(eg_ns_inode_get(t, a, inode, &i));
    if (!eg_ns_inode_expired(&i, now_ns)) {
        return EG_OK; /* a later time was set, which has a row of its own */
    }
    EG_TRY(eg_ns_entry_del(t, &parent, n));
    return eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, inode);
}

typedef struct step {
    const eg_account *account;
    int64_t now_ns;
    uint8_t key[KEY_LEN];
} step;

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const step *x = ctx;
    const eg_bytes k = {x->key, sizeof x->key};
    eg_bytes stored;
    eg_record_reader r;
    eg_id inode;
    EG_TRY(eg_kv_get(t, EG_DB_FS_DELETED, k, &stored));
    EG_TRY(eg_record_open(x->account, EG_ROW_DUE, k, stored, &r));
    (void)eg_record_get_text(&r);
    const uint8_t what = eg_record_get_u8(&r);
    const eg_bytes place = eg_record_get_text(&r);
    EG_TRY(eg_record_end(&r));
    memcpy(inode.b, x->key + 9, sizeof inode.b);
    if (what == EG_DUE_EXPIRY) {
        EG_TRY(expire(t, x->account, &inode, place, x->now_ns));
    } else if (what == EG_DUE_PURGE) {
        EG_TRY(eg_deleted_purge(t, x->account, place, &inode, x->now_ns));
    } else {
        return EG_ERR_FORMAT_VERSION;
    }
    return eg_kv_del(t, EG_DB_FS_DELETED, k);
}

/* The first row that is due and comes after x->key. EG_ERR_NOT_FOUND. */
static eg_err next(eg_storage *s, step *x, char name[EG_ACCOUNT_NAME_MAX + 1]) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_DELETED, (eg_bytes){x->key, sizeof x->key}, &c));
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_next(c, &k, &v));
    if (k.len == KEY_LEN && memcmp(k.ptr, x->key, KEY_LEN) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
    }
    if (k.ptr[0] != 't' || k.len != KEY_LEN || (int64_t)eg_get_u64(k.ptr + 1) > x->now_ns) {
        return EG_ERR_NOT_FOUND;
    }
    memcpy(x->key, k.ptr, k.len);
    eg_record_reader r;
    EG_TRY(eg_record_peek(v, &r));
    const eg_bytes account = eg_record_get_text(&r);
    if (r.bad || account.len > EG_ACCOUNT_NAME_MAX) {
        return eg_record_corrupt();
    }
    memcpy(name, account.ptr, account.len);
    name[account.len] = '\0';
    return EG_OK;
}

eg_err eg_due_pass(eg_storage *s, const atomic_bool *stop, size_t *ret_done) {
    step x = {.now_ns = eg_storage_forward_ns(s), .key = {'t'}};
    size_t done = 0;
    for (int n = 0; n < PASS_ROWS && !*stop; n++) {
        char name[EG_ACCOUNT_NAME_MAX + 1];
        const eg_err e = next(s, &x, name);
        if (e == EG_ERR_NOT_FOUND) {
            break;
        }
        if (e == EG_ERR_CORRUPT || e == EG_ERR_FORMAT_VERSION) {
            continue; /* counted; it stays for whoever looks into it */
        }
        EG_TRY(e);
        if (eg_storage_account(s, eg_str_of(name), &x.account) != EG_OK) {
            continue;
        }
        const eg_txn_op op = {apply, &x};
        const eg_err applied = eg_commit(s->committer, &op, 1, NULL);
        done += applied == EG_OK;
    }
    *ret_done = done;
    return EG_OK;
}
