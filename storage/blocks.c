/* The rows of blocks: homes of uncommitted ones, the blocks themselves, and lists of committed ones. */
#include "blocks.h"

#define HOME_ROW_MAX 4096
#define BLOCK_ROW_MAX 512
#define HOME_KEY_LEN 33
#define BLOCK_KEY_MAX (17 + EG_BLOCK_ID_MAX)
#define LIST_KEY_LEN 20

static eg_bytes home_key(const eg_blocks_of *b, uint8_t ret[HOME_KEY_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(eg_str_bytes(b->path), digest);
    ret[0] = 'h';
    memcpy(ret + 1, b->container.b, 16);
    memcpy(ret + 17, digest, 16);
    return (eg_bytes){ret, HOME_KEY_LEN};
}

static eg_bytes block_key(const eg_id *home, eg_bytes id, uint8_t ret[BLOCK_KEY_MAX]) {
    ret[0] = 'b';
    memcpy(ret + 1, home->b, 16);
    if (id.len > 0) {
        memcpy(ret + 17, id.ptr, id.len);
    }
    return (eg_bytes){ret, 17 + id.len};
}

eg_err eg_block_home_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_block_home *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_BLOCK_HOME, key, value, &r));
    eg_block_home h;
    (void)eg_record_get_text(&r); /* the account's name, for the sweep */
    h.inode = eg_record_get_id(&r);
    h.count = eg_record_get_u32(&r);
    h.id_len = eg_record_get_u32(&r);
    h.touched_ns = (int64_t)eg_record_get_u64(&r);
    h.path = eg_bytes_str(eg_record_get_text(&r));
    EG_TRY(eg_record_end(&r));
    *ret = h;
    return EG_OK;
}

static eg_err home_put(eg_kv_txn *t, const eg_blocks_of *of, const eg_block_home *h) {
    uint8_t raw[HOME_KEY_LEN];
    const eg_bytes key = home_key(of, raw);
    eg_buf b;
    eg_record_start(&b, HOME_ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(of->account->name)));
    eg_record_bytes(&b, eg_id_bytes(&h->inode));
    eg_record_u32(&b, h->count);
    eg_record_u32(&b, h->id_len);
    eg_record_u64(&b, (uint64_t)h->touched_ns);
    eg_record_text(&b, eg_str_bytes(of->path));
    eg_err e = eg_record_seal(of->account, EG_ROW_BLOCK_HOME, key, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_BLOCK, key, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_blocks_home(eg_kv_txn *t, const eg_blocks_of *b, eg_block_home *ret) {
    uint8_t raw[HOME_KEY_LEN];
    const eg_bytes key = home_key(b, raw);
    eg_bytes stored;
    EG_TRY(eg_kv_get(t, EG_DB_FS_BLOCK, key, &stored));
    eg_block_home h;
    EG_TRY(eg_block_home_decode(b->account, key, stored, &h));
    if (!eg_str_eq(h.path, b->path)) {
        return eg_record_corrupt(); /* half a SHA-256 has no collisions to meet */
    }
    *ret = h;
    return EG_OK;
}

static eg_err block_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_block *ret) {
    eg_record_reader r;
    if (key.len < 18 || key.len > BLOCK_KEY_MAX) {
        return eg_record_corrupt();
    }
    EG_TRY(eg_record_open(a, EG_ROW_BLOCK, key, value, &r));
    eg_block b = {.id = {key.ptr + 17, key.len - 17}};
    b.segment = eg_record_get_id(&r);
    b.size = eg_record_get_u64(&r);
    b.put_ns = (int64_t)eg_record_get_u64(&r);
    b.boot = eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    *ret = b;
    return EG_OK;
}

eg_err eg_block_get(eg_kv_txn *t, const eg_account *a, const eg_id *home, eg_bytes id, eg_block *ret) {
    uint8_t raw[BLOCK_KEY_MAX];
    eg_bytes stored;
    if (id.len == 0 || id.len > EG_BLOCK_ID_MAX) {
        return EG_ERR_NOT_FOUND;
    }
    const eg_bytes key = block_key(home, id, raw);
    EG_TRY(eg_kv_get(t, EG_DB_FS_BLOCK, key, &stored));
    eg_block b;
    EG_TRY(block_decode(a, key, stored, &b));
    b.id = id;
    *ret = b;
    return EG_OK;
}

static eg_err block_put(eg_kv_txn *t, const eg_block_put *put) {
    uint8_t raw[BLOCK_KEY_MAX];
    const eg_bytes key = block_key(&put->home.id, put->id, raw);
    eg_buf b;
    eg_record_start(&b, BLOCK_ROW_MAX);
    eg_record_bytes(&b, eg_id_bytes(&put->segment.id));
    eg_record_u64(&b, put->segment.size.plain);
    eg_record_u64(&b, (uint64_t)put->now_ns);
    eg_record_u64(&b, put->boot);
    eg_err e = eg_record_seal(put->of.account, EG_ROW_BLOCK, key, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_BLOCK, key, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

/* The home as it stands, or a new one. */
static eg_err enter_home(eg_kv_txn *t, eg_block_put *put, eg_block_home *ret, eg_problem *p) {
    eg_block_home h;
    const eg_err e = eg_blocks_home(t, &put->of, &h);
    if (e == EG_ERR_NOT_FOUND) {
        eg_bytes stored;
        if (eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(&put->home.id), &stored) != EG_ERR_NOT_FOUND) {
            return EG_ERR_BUSY; /* found earlier and dropped since */
        }
        put->home.kind = EG_KIND_FILE;
        put->home.change = 1;
        put->home.created_ns = put->home.modified_ns = put->now_ns;
        *ret = (eg_block_home){.inode = put->home.id, .id_len = (uint32_t)put->id.len};
        return eg_ns_inode_put(t, put->of.account, &put->home);
    }
    EG_TRY(e);
    if (!eg_id_eq(&h.inode, &put->home.id)) {
        return EG_ERR_BUSY;
    }
    if (h.id_len != put->id.len) {
        return eg_fail(p, EG_ERR_BLOCK_ID, "The specified block ID has another length than those that the blob has already.");
    }
    *ret = h;
    return EG_OK;
}

eg_err eg_block_put_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_block_put *put = ctx;
    eg_block_home h;
    eg_block old;
    if (put->id.len == 0 || put->id.len > EG_BLOCK_ID_MAX) {
        return eg_fail(p, EG_ERR_BLOCK_ID, "A block ID has 1 to %d bytes.", EG_BLOCK_ID_MAX);
    }
    EG_TRY(enter_home(t, put, &h, p));
    const eg_err e = eg_block_get(t, put->of.account, &h.inode, put->id, &old);
    if (e == EG_OK) {
        EG_TRY(eg_content_segment_drop(t, put->of.account, &h.inode, &old.segment));
    } else if (e != EG_ERR_NOT_FOUND) {
        return e;
    } else if (h.count >= EG_BLOCKS_UNCOMMITTED_MAX) {
        return eg_fail(p, EG_ERR_BLOCK_COUNT, "A blob has at most %d uncommitted blocks.", EG_BLOCKS_UNCOMMITTED_MAX);
    } else {
        h.count++;
    }
    h.touched_ns = put->now_ns;
    EG_TRY(eg_content_segment_add(t, put->of.account, &put->segment));
    EG_TRY(block_put(t, put));
    return home_put(t, &put->of, &h);
}

eg_err eg_blocks_each(eg_kv_txn *t, const eg_account *a, const eg_id *home, eg_err (*fn)(void *ctx, const eg_block *b), void *ctx) {
    uint8_t raw[BLOCK_KEY_MAX];
    const eg_bytes from = block_key(home, (eg_bytes){NULL, 0}, raw);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_BLOCK, from, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_block b;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < from.len || memcmp(k.ptr, from.ptr, from.len) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        EG_TRY(block_decode(a, k, v, &b));
        EG_TRY(fn(ctx, &b));
    }
}

eg_err eg_blocks_each_home(eg_kv_txn *t, const eg_account *a, const eg_id *container,
    eg_err (*fn)(void *ctx, const eg_block_home *h), void *ctx) {
    uint8_t from[17] = {'h'};
    memcpy(from + 1, container->b, 16);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_BLOCK, (eg_bytes){from, sizeof from}, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_block_home h;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len != HOME_KEY_LEN || memcmp(k.ptr, from, sizeof from) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        EG_TRY(eg_block_home_decode(a, k, v, &h));
        EG_TRY(fn(ctx, &h));
    }
}

static eg_err drop_home(eg_kv_txn *t, const eg_account *a, eg_bytes key, const eg_id *inode) {
    EG_TRY(eg_kv_del(t, EG_DB_FS_BLOCK, key));
    return eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, inode);
}

eg_err eg_blocks_drop(eg_kv_txn *t, const eg_blocks_of *b) {
    uint8_t raw[HOME_KEY_LEN];
    eg_block_home h;
    const eg_err e = eg_blocks_home(t, b, &h);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    return drop_home(t, b->account, home_key(b, raw), &h.inode);
}

eg_err eg_blocks_expire(eg_kv_txn *t, const eg_account *a, eg_bytes key, int64_t before_ns) {
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_BLOCK, key, &stored);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    eg_block_home h;
    EG_TRY(eg_block_home_decode(a, key, stored, &h));
    return h.touched_ns < before_ns ? drop_home(t, a, key, &h.inode) : EG_OK;
}

static eg_bytes list_key(const eg_id *inode, uint32_t index, uint8_t ret[LIST_KEY_LEN]) {
    memcpy(ret, inode->b, 16);
    eg_put_u32(ret + 16, index);
    return (eg_bytes){ret, LIST_KEY_LEN};
}

eg_err eg_block_list_add(eg_block_list_writer *w, const eg_listed_block *b) {
    uint8_t raw[LIST_KEY_LEN];
    const eg_bytes key = list_key(&w->inode, w->count, raw);
    eg_buf row;
    eg_record_start(&row, BLOCK_ROW_MAX);
    eg_record_text(&row, b->id);
    eg_record_u64(&row, b->offset);
    eg_record_u64(&row, b->size);
    eg_err e = eg_record_seal(w->account, EG_ROW_BLOCK_LIST, key, &row);
    if (e == EG_OK) {
        e = eg_kv_put(w->txn, EG_DB_FS_BLOCK_LIST, key, eg_buf_bytes(&row));
    }
    eg_buf_done(&row);
    w->count += e == EG_OK;
    return e;
}

eg_err eg_block_list_each(eg_kv_txn *t, const eg_account *a, const eg_id *inode,
    eg_err (*fn)(void *ctx, const eg_listed_block *b), void *ctx) {
    for (uint32_t i = 0; ; i++) {
        uint8_t raw[LIST_KEY_LEN];
        const eg_bytes key = list_key(inode, i, raw);
        eg_bytes stored;
        const eg_err e = eg_kv_get(t, EG_DB_FS_BLOCK_LIST, key, &stored);
        if (e != EG_OK) {
            return e == EG_ERR_NOT_FOUND ? EG_OK : e;
        }
        eg_record_reader r;
        EG_TRY(eg_record_open(a, EG_ROW_BLOCK_LIST, key, stored, &r));
        uint8_t id[EG_BLOCK_ID_MAX];
        eg_listed_block b = {.id = eg_record_get_text(&r)};
        b.offset = eg_record_get_u64(&r);
        b.size = eg_record_get_u64(&r);
        EG_TRY(eg_record_end(&r));
        if (b.id.len > sizeof id) {
            return eg_record_corrupt();
        }
        memcpy(id, b.id.ptr, b.id.len); /* fn may write, which moves rows */
        b.id.ptr = id;
        EG_TRY(fn(ctx, &b));
    }
}
