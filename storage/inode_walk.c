/* A walk over the inodes of some accounts, in steps of a bounded number of rows. */
#include "inode_walk.h"

#define STEP_ROWS 512

eg_err eg_inode_walk_add(void *walk, const eg_account *a) {
    eg_inode_walk *w = walk;
    w->accounts[w->account_count++] = a;
    return EG_OK;
}

/* A row says by its MAC whose it is. Those of other tenants fit none of the accounts, and a damaged one is for the check to find. */
static const eg_account *account_of(const eg_inode_walk *w, eg_bytes key, eg_bytes value) {
    for (size_t i = 0; i < w->account_count; i++) {
        if (eg_record_fits(w->accounts[i], EG_ROW_INODE, key, value)) {
            return w->accounts[i];
        }
    }
    return NULL;
}

eg_err eg_inode_walk_step(eg_inode_walk *w, eg_inode_walk_fn fn, void *ctx) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(w->store->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    const bool begun = w->begun;
    const eg_id from = w->at;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_INODE, begun ? eg_id_bytes(&from) : (eg_bytes){NULL, 0}, &c));
    bool more = true;
    for (size_t n = 0; n < STEP_ROWS && more; n++) {
        eg_bytes k;
        eg_bytes v;
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        if (k.len != sizeof w->at.b) {
            return eg_record_corrupt();
        }
        if (begun && n == 0 && memcmp(k.ptr, from.b, k.len) == 0) {
            continue;
        }
        memcpy(w->at.b, k.ptr, k.len);
        w->begun = true;
        const eg_account *a = account_of(w, k, v);
        eg_inode i;
        if (a) {
            EG_TRY(eg_ns_inode_get(t, a, &w->at, &i));
            more = fn(ctx, a, &i);
        }
    }
    return EG_OK;
}
