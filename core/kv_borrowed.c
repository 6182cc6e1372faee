/* Under the address sanitizer: what a write transaction lends is a copy that ends when its database is written, so that whoever keeps it longer is found. */
#include "kv_env.h"

#ifdef EG_KV_LENDS_COPIES
#include <stdlib.h>

typedef struct eg_kv_lent {
    struct eg_kv_lent *next;
    eg_kv_db db;
    uint8_t bytes[];
} eg_kv_lent;

eg_bytes eg_kv_lend(eg_kv_txn *t, eg_kv_db db, eg_bytes b) {
    eg_kv_lent *l = t->write ? malloc(sizeof *l + b.len) : NULL;
    if (!l) {
        return b;
    }
    if (b.len > 0) {
        memcpy(l->bytes, b.ptr, b.len);
    }
    l->db = db;
    l->next = t->lent;
    t->lent = l;
    return (eg_bytes){l->bytes, b.len};
}

static void take_back(eg_kv_txn *t, bool all, eg_kv_db db) {
    eg_kv_lent **at = &t->lent;
    while (*at) {
        eg_kv_lent *l = *at;
        if (all || l->db == db) {
            *at = l->next;
            free(l);
        } else {
            at = &l->next;
        }
    }
}

void eg_kv_written(eg_kv_txn *t, eg_kv_db db) { take_back(t, false, db); }
void eg_kv_lent_done(eg_kv_txn *t) { take_back(t, true, EG_DB_META); }

#else
eg_bytes eg_kv_lend(eg_kv_txn *t, eg_kv_db db, eg_bytes b) {
    (void)t;
    (void)db;
    return b;
}
void eg_kv_written(eg_kv_txn *t, eg_kv_db db) {
    (void)t;
    (void)db;
}
void eg_kv_lent_done(eg_kv_txn *t) { (void)t; }
#endif
