/* Reads and writes batches in LMDB. */
#include "batch_store.h"

#include <stdlib.h>

typedef struct key {
    uint8_t bytes[64 + 1 + EG_BATCH_NAME_MAX];
    size_t len;
} key;

static eg_err key_of(eg_str cluster, eg_bytes rest, key *ret) {
    if (cluster.len == 0 || cluster.len > 63 || rest.len > EG_BATCH_NAME_MAX) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    memcpy(ret->bytes, cluster.ptr, cluster.len);
    ret->bytes[cluster.len] = 0;
    if (rest.len) {
        memcpy(ret->bytes + cluster.len + 1, rest.ptr, rest.len);
    }
    ret->len = cluster.len + 1 + rest.len;
    return EG_OK;
}

static eg_err id_key(eg_str cluster, uint32_t id, key *ret) {
    uint8_t number[4];
    eg_put_u32(number, id);
    return key_of(cluster, (eg_bytes){number, sizeof number}, ret);
}

static eg_bytes view(const key *k) {
    return (eg_bytes){k->bytes, k->len};
}

static eg_err get_u32(eg_kv_txn *t, const key *k, uint32_t *ret) {
    eg_bytes value;
    EG_TRY(eg_kv_get(t, EG_DB_BATCH_NAME, view(k), &value));
    if (value.len != 4) {
        return EG_ERR_CORRUPT;
    }
    *ret = eg_get_u32(value.ptr);
    return EG_OK;
}

eg_err eg_batch_store_next_id(eg_kv_txn *t, eg_str cluster, uint32_t *ret) {
    key k;
    EG_TRY(key_of(cluster, (eg_bytes){NULL, 0}, &k));
    uint32_t next = 0;
    eg_err e = get_u32(t, &k, &next);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    *ret = next;
    return EG_OK;
}

static eg_err get_any(eg_kv_txn *t, eg_str cluster, uint32_t id, bool with_request, eg_batch *ret) {
    key k;
    eg_bytes value;
    EG_TRY(id_key(cluster, id, &k));
    eg_err e = eg_kv_get(t, EG_DB_BATCH, view(&k), &value);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_ERR_BATCH_NOT_FOUND : e;
    }
    return eg_batch_record_decode(cluster, id, value, with_request, ret);
}

eg_err eg_batch_store_get(eg_kv_txn *t, eg_str cluster, uint32_t id, bool with_request, eg_batch *ret) {
    EG_TRY(get_any(t, cluster, id, with_request, ret));
    return ret->deleted ? EG_ERR_BATCH_NOT_FOUND : EG_OK;
}

eg_err eg_batch_store_find(eg_kv_txn *t, eg_str cluster, eg_str id_or_name, bool with_request, eg_batch *ret) {
    uint64_t number = 0;
    if (eg_str_u64(id_or_name, UINT32_MAX, &number) == EG_OK) {
        return eg_batch_store_get(t, cluster, (uint32_t)number, with_request, ret);
    }
    key k;
    uint32_t id = 0;
    if (id_or_name.len == 0) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    EG_TRY(key_of(cluster, eg_str_bytes(id_or_name), &k));
    eg_err e = get_u32(t, &k, &id);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_ERR_BATCH_NOT_FOUND : e;
    }
    return eg_batch_store_get(t, cluster, id, with_request, ret);
}

typedef struct walk {
    eg_err (*look)(void *ctx, eg_bytes record, bool *ret_wanted); /* before the record is read; NULL = all are wanted */
    eg_err (*fn)(void *ctx, eg_batch *b);
    void *ctx;
} walk;

static eg_err one_row(const walk *w, eg_bytes k, eg_bytes v, eg_batch *b) {
    bool wanted = true;
    EG_TRY(k.len < 6 ? EG_ERR_CORRUPT : EG_OK);
    EG_TRY(w->look ? w->look(w->ctx, v, &wanted) : EG_OK);
    if (!wanted) {
        return EG_OK;
    }
    EG_TRY(eg_batch_record_decode((eg_str){(const char *)k.ptr, k.len - 5}, eg_get_u32(k.ptr + k.len - 4), v, false, b));
    return w->fn(w->ctx, b);
}

/* Every row whose key begins with `prefix`, until EG_ERR_CANCELLED is said. */
static eg_err each(eg_kv_txn *t, eg_bytes prefix, const walk *w) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_BATCH, prefix, &c));
    eg_batch b;
    eg_batch_init(&b);
    eg_bytes k, v;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        if (k.len < prefix.len || (prefix.len && memcmp(k.ptr, prefix.ptr, prefix.len) != 0)) {
            break;
        }
        e = one_row(w, k, v, &b);
        if (e != EG_OK) {
            break;
        }
    }
    eg_batch_done(&b);
    return e == EG_ERR_NOT_FOUND || e == EG_ERR_CANCELLED ? EG_OK : e;
}

typedef struct listing {
    const eg_batch_page *page;
    uint64_t seen, looked;
} listing;

/* All are counted, few are shown. */
static eg_err on_page(void *ctx, eg_bytes record, bool *ret_wanted) {
    listing *l = ctx;
    const eg_batch_page *p = l->page;
    bool deleted = false;
    if (p->look_max && ++l->looked > p->look_max) {
        return EG_ERR_BUSY;
    }
    EG_TRY(eg_batch_record_is_deleted(record, &deleted));
    const uint64_t at = l->seen;
    l->seen += deleted ? 0 : 1;
    *ret_wanted = !deleted && at >= p->from && at - p->from < p->size;
    return EG_OK;
}

static eg_err show(void *ctx, eg_batch *b) {
    const listing *l = ctx;
    return l->page->fn(l->page->ctx, b);
}

eg_err eg_batch_store_list(eg_kv_txn *t, eg_str cluster, const eg_batch_page *page, uint64_t *ret_total) {
    key k;
    EG_TRY(key_of(cluster, (eg_bytes){NULL, 0}, &k));
    listing l = {.page = page};
    EG_TRY(each(t, view(&k), &(walk){on_page, show, &l}));
    *ret_total = l.seen;
    return EG_OK;
}

typedef struct filter {
    eg_err (*fn)(void *ctx, eg_batch *b);
    void *ctx;
    int64_t before_ns;
} filter;

static eg_err on_unsettled(void *ctx, eg_batch *b) {
    filter *f = ctx;
    return b->deleted || !eg_batch_state_final(b->state) ? f->fn(f->ctx, b) : EG_OK;
}

eg_err eg_batch_store_unsettled(eg_kv_txn *t, eg_err (*fn)(void *ctx, eg_batch *b), void *ctx) {
    filter f = {.fn = fn, .ctx = ctx};
    return each(t, (eg_bytes){(const uint8_t *)"", 0}, &(walk){NULL, on_unsettled, &f});
}

/* Ids rise with the time at which they were given. */
static eg_err on_ended(void *ctx, eg_batch *b) {
    filter *f = ctx;
    if (b->created_ns >= f->before_ns) {
        return EG_ERR_CANCELLED;
    }
    return !b->deleted && eg_batch_state_final(b->state) && b->ended_ns < f->before_ns ? f->fn(f->ctx, b) : EG_OK;
}

eg_err eg_batch_store_ended(eg_kv_txn *t, eg_str cluster, int64_t before_ns, eg_err (*fn)(void *ctx, eg_batch *b), void *ctx) {
    key k;
    filter f = {.fn = fn, .ctx = ctx, .before_ns = before_ns};
    EG_TRY(key_of(cluster, (eg_bytes){NULL, 0}, &k));
    return each(t, view(&k), &(walk){NULL, on_ended, &f});
}

static eg_err apply_insert(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const eg_batch_insert *i = ctx;
    eg_str cluster = eg_str_of(i->batch->cluster);
    key k;
    uint8_t number[4];
    eg_put_u32(number, i->batch->id);
    if (i->batch->name[0]) {
        EG_TRY(key_of(cluster, eg_str_bytes(eg_str_of(i->batch->name)), &k));
        eg_err e = eg_kv_put_new(t, EG_DB_BATCH_NAME, view(&k), (eg_bytes){number, sizeof number});
        if (e == EG_ERR_EXISTS) {
            /* Livy's own sentence. */
            return eg_fail(p, EG_ERR_NAME_TAKEN, "Rejected, Reason: Duplicate session name: Some(%s) for session %u", i->batch->name, i->batch->id);
        }
        EG_TRY(e);
    }
    EG_TRY(id_key(cluster, i->batch->id, &k));
    EG_TRY(eg_kv_put_new(t, EG_DB_BATCH, view(&k), i->record));
    uint32_t next = 0;
    EG_TRY(eg_batch_store_next_id(t, cluster, &next));
    if (i->batch->id >= next) {
        eg_put_u32(number, i->batch->id + 1);
        EG_TRY(key_of(cluster, (eg_bytes){NULL, 0}, &k));
        EG_TRY(eg_kv_put(t, EG_DB_BATCH_NAME, view(&k), (eg_bytes){number, sizeof number}));
    }
    return EG_OK;
}

eg_txn_op eg_batch_store_insert(eg_batch_insert *i) {
    return (eg_txn_op){apply_insert, i};
}

static eg_err drop_name(eg_kv_txn *t, const eg_batch *b) {
    key k;
    if (!b->name[0]) {
        return EG_OK;
    }
    EG_TRY(key_of(eg_str_of(b->cluster), eg_str_bytes(eg_str_of(b->name)), &k));
    return eg_kv_del(t, EG_DB_BATCH_NAME, view(&k));
}

static eg_err write_back(eg_kv_txn *t, const eg_batch *b) {
    key k;
    EG_TRY(id_key(eg_str_of(b->cluster), b->id, &k));
    eg_buf record;
    eg_buf_init(&record, EG_BATCH_RECORD_MAX);
    eg_err e = eg_batch_record_encode(b, &record);
    e = e != EG_OK ? e : eg_kv_put(t, EG_DB_BATCH, view(&k), eg_buf_bytes(&record));
    eg_buf_done(&record);
    return e;
}

static eg_err apply_update(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_batch_update *u = ctx;
    eg_batch b;
    eg_batch_init(&b);
    eg_err e = get_any(t, eg_str_of(u->cluster), u->id, true, &b);
    bool was_deleted = b.deleted, was_final = eg_batch_state_final(b.state);
    e = e != EG_OK ? e : u->patch(&b, u->ctx);
    if (e == EG_OK && b.deleted && !was_deleted) {
        e = drop_name(t, &b);
    }
    if (e == EG_OK && !was_final && eg_batch_state_final(b.state)) {
        e = eg_batch_store_put_usage(t, &b);
    }
    e = e != EG_OK ? e : write_back(t, &b);
    eg_batch_done(&b);
    return e;
}

eg_txn_op eg_batch_store_update(eg_batch_update *u) {
    return (eg_txn_op){apply_update, u};
}

static eg_err apply_remove(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_batch_remove *r = ctx;
    key k;
    EG_TRY(id_key(eg_str_of(r->cluster), r->id, &k));
    return eg_kv_del(t, EG_DB_BATCH, view(&k));
}

eg_txn_op eg_batch_store_remove(eg_batch_remove *r) {
    return (eg_txn_op){apply_remove, r};
}

eg_err eg_batch_store_put_usage(eg_kv_txn *t, const eg_batch *b) {
    key k;
    EG_TRY(id_key(eg_str_of(b->cluster), b->id, &k));
    EG_JSON_AUTO row = json_pack("{s:i,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "v", 1, "tenant", b->tenant, "owner", b->owner, "state", eg_batch_state_name(b->state),
                                 "created", (json_int_t)b->created_ns, "started", (json_int_t)b->started_ns, "ended", (json_int_t)b->ended_ns,
                                 "coreMs", (json_int_t)b->usage.core_ms, "memoryMiBMs", (json_int_t)b->usage.memory_mib_ms,
                                 "bytesRead", (json_int_t)b->usage.bytes_read, "bytesWritten", (json_int_t)b->usage.bytes_written);
    eg_buf text;
    eg_buf_init(&text, 4096);
    eg_err e = row ? eg_json_write(row, &text) : EG_ERR_NO_MEMORY;
    e = e != EG_OK ? e : eg_kv_put(t, EG_DB_USAGE, view(&k), eg_buf_bytes(&text));
    eg_buf_done(&text);
    return e;
}
