/* Rows that stand beside the tree and lead nowhere: each must be somebody's, by its MAC. */
#include "check.h"

static const struct {
    eg_kv_db db;
    eg_row_kind kind;
    const char *table;
    char first;                /* byte of the keys that are meant; 0 = all of the table */
    const char *what;          /* of a row that doesn't verify: what is lost with it */
} beside[] = {
    {EG_DB_FS_SCOPE, EG_ROW_SCOPE, "fs.scope", 's', "what is sealed under an encryption scope, or for a whole account, can't be opened"},
    {EG_DB_FS_LEASE, EG_ROW_LEASE, "fs.lease", 0, "a directory above something leased could be deleted or renamed"},
    {EG_DB_FS_BLOCK_LIST, EG_ROW_BLOCK_LIST, "fs.block_list", 0, "the block list of a blob is not to be had"},
    {EG_DB_FS_SNAPSHOT, EG_ROW_SNAPSHOT, "fs.snapshot", 0, "a snapshot can't be found"},
    {EG_DB_FS_ACCOUNT, EG_ROW_ACCOUNT_KEYS, "fs.account", 'k', "the keys of an account are not to be had"},
    {EG_DB_FS_ACCOUNT, EG_ROW_DELEGATOR, "fs.account", 'g', "signatures of a delegator can't be used until it asks for a key again"},
};

static bool is_somebodys(const eg_check *c, eg_row_kind kind, eg_bytes k, eg_bytes v) {
    for (const eg_account *a = c->store->accounts; a; a = a->next) {
        if (eg_record_fits(a, kind, k, v)) {
            return true;
        }
    }
    return false;
}

static void differs(void *ctx, const char *database) {
    eg_check_tell(ctx, "older", database, "its rows are not the ones that were written last: one is older, gone, or somebody else's");
}

eg_err eg_check_digest(eg_check *c) {
    const eg_err e = eg_kv_digest_check(c->txn, &(eg_kv_digest_sink){.differs = differs, .ctx = c});
    if (e == EG_ERR_CORRUPT || e == EG_ERR_FORMAT_VERSION) {
        eg_check_tell(c, "damaged", "meta", "the digest of the store is damaged or gone (%s): whether a row is an older one can't be told", eg_err_code(e));
        return EG_OK;
    }
    if (e == EG_ERR_INVALID) {
        eg_check_tell(c, "unverified", "meta", "the store keeps no digest");
        return EG_OK;
    }
    return e;
}

eg_err eg_check_beside(eg_check *c) {
    const bool all_open = c->sums.unverified == 0; /* else it may be one of an account that can't be opened */
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
        EG_TRY(eg_kv_cursor_open(c->txn, beside[i].db, (eg_bytes){NULL, 0}, &cursor));
        for (;;) {
            eg_bytes k;
            eg_bytes v;
            const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
            if (e == EG_ERR_NOT_FOUND) {
                break;
            }
            EG_TRY(e);
            const bool meant = beside[i].first == 0 || (k.len > 1 && k.ptr[0] == (uint8_t)beside[i].first && k.ptr[1] == '/');
            if (meant && all_open && !is_somebodys(c, beside[i].kind, k, v)) {
                eg_check_tell(c, "damaged", beside[i].table, "a row does not verify: %s", beside[i].what);
            }
        }
    }
    return EG_OK;
}
