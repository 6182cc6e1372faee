/* The rows of a file's content, and the staging of an append. */
#include "content.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <fcntl.h>

#define ROW_MAX 512

void eg_content_key(const eg_id *inode, uint64_t position, uint8_t ret[EG_POSITION_KEY_LEN]) {
    memcpy(ret, inode->b, sizeof inode->b);
    eg_put_u64(ret + sizeof inode->b, position);
}

/* The boot id changes with every boot; without one (no /proc) nothing staged outlives the process. */
uint64_t eg_content_boot(void) {
    eg_buf b;
    eg_buf_init(&b, 128);
    uint64_t boot = 0;
    if (eg_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &b, NULL) == EG_OK) {
        uint8_t digest[EG_SHA256_LEN];
        eg_sha256(eg_buf_bytes(&b), digest);
        boot = eg_get_u64(digest);
    } else {
        eg_random(&boot, sizeof boot);
    }
    eg_buf_done(&b);
    return boot;
}

eg_err eg_content_extent_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_extent *ret) {
    eg_record_reader r;
    if (key.len != EG_POSITION_KEY_LEN) {
        return eg_record_corrupt();
    }
    EG_TRY(eg_record_open(a, EG_ROW_EXTENT, key, value, &r));
    eg_extent x = {.offset = eg_get_u64(key.ptr + sizeof x.segment.b)};
    x.segment = eg_record_get_id(&r);
    x.segment_offset = eg_record_get_u64(&r);
    x.length = eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    *ret = x;
    return EG_OK;
}

eg_err eg_content_extent_at(eg_kv_txn *t, const eg_account *a, const eg_id *inode, uint64_t offset, eg_extent *ret) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(inode, offset + 1, key);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_EXTENT, (eg_bytes){NULL, 0}, &c));
    eg_bytes k;
    eg_bytes v;
    const eg_err e = eg_kv_cursor_prev_of(c, (eg_bytes){key, sizeof key}, &k, &v);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len != sizeof key || memcmp(k.ptr, inode->b, sizeof inode->b) != 0))) {
        return eg_record_corrupt();
    }
    EG_TRY(e);
    eg_extent x;
    EG_TRY(eg_content_extent_decode(a, k, v, &x));
    if (offset < x.offset || offset - x.offset >= x.length) {
        return eg_record_corrupt();
    }
    *ret = x;
    return EG_OK;
}

eg_err eg_content_staged_account(eg_bytes value, eg_str *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_peek(value, &r));
    const eg_bytes name = eg_record_get_text(&r);
    if (r.bad) {
        return eg_record_corrupt();
    }
    *ret = eg_bytes_str(name);
    return EG_OK;
}

eg_err eg_content_staged_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_staged *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_STAGED, key, value, &r));
    eg_staged x = {.account = eg_bytes_str(eg_record_get_text(&r))};
    x.segment = eg_record_get_id(&r);
    x.length = eg_record_get_u64(&r);
    x.staged_ns = (int64_t)eg_record_get_u64(&r);
    x.boot = eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    *ret = x;
    return EG_OK;
}

static eg_err staged_put(eg_kv_txn *t, const eg_content_stage *s) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(&s->inode, s->position, key);
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(s->base.account->name)));
    eg_record_bytes(&b, eg_id_bytes(&s->segment.id));
    eg_record_u64(&b, s->segment.size.plain);
    eg_record_u64(&b, (uint64_t)s->base.now_ns);
    eg_record_u64(&b, s->boot);
    eg_err e = eg_record_seal(s->base.account, EG_ROW_STAGED, (eg_bytes){key, sizeof key}, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_STAGED, (eg_bytes){key, sizeof key}, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

/* What the same position held before goes to the reclaimer: a repeated append replaces, it doesn't add. */
static eg_err replace_staged(eg_kv_txn *t, const eg_content_stage *s, eg_inode *i, eg_problem *p) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(&s->inode, s->position, key);
    const eg_bytes k = {key, sizeof key};
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_STAGED, k, &stored);
    if (e == EG_ERR_NOT_FOUND) {
        if (i->staged >= EG_STAGED_MAX) {
            return eg_fail(p, EG_ERR_APPEND_POSITION, "A file has at most %d appends that are not flushed.", EG_STAGED_MAX);
        }
        i->staged++;
        return EG_OK;
    }
    EG_TRY(e);
    eg_staged old;
    EG_TRY(eg_content_staged_decode(s->base.account, k, stored, &old));
    return eg_content_segment_drop(t, s->base.account, &s->inode, &old.segment);
}

eg_err eg_content_stage_apply(eg_kv_txn *t, void *stage, eg_problem *p) {
    eg_content_stage *s = stage;
    eg_place place;
    eg_inode found;
    EG_TRY(eg_path_find(t, &s->base, &place, &found, p));
    if (!eg_id_eq(&found.id, &s->inode)) {
        return eg_fail(p, EG_ERR_PATH_NOT_FOUND, "The file was replaced while it was appended to.");
    }
    EG_TRY(eg_change_check(&s->base, &found, p));
    if (s->position < found.length) {
        return eg_fail(p, EG_ERR_APPEND_POSITION, "The position lies before the end of the file.");
    }
    if (s->position > s->max_file_bytes || s->segment.size.plain > s->max_file_bytes - s->position) {
        return eg_fail(p, EG_ERR_LIMIT, "The file would become longer than a file may be.");
    }
    EG_TRY(replace_staged(t, s, &found, p));
    /* Attributes are borrowed from the row: it is written before anything else moves it. */
    EG_TRY(eg_ns_inode_get(t, s->base.account, &s->inode, &s->base.after));
    s->base.after.staged = found.staged;
    eg_change_keep_lease(&s->base, &s->base.after);
    EG_TRY(eg_ns_inode_put(t, s->base.account, &s->base.after));
    EG_TRY(eg_content_segment_add(t, s->base.account, &s->segment));
    EG_TRY(staged_put(t, s));
    return eg_change_finish(t, &s->base);
}

eg_err eg_content_check(eg_kv_txn *t, const eg_account *a, const eg_inode *i) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(&i->id, 0, key);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_EXTENT, (eg_bytes){key, sizeof key}, &c));
    uint8_t digest[EG_SHA256_LEN] = {0};
    uint64_t at = 0;
    for (uint64_t n = 0; n < i->extents; n++) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && memcmp(k.ptr, i->id.b, sizeof i->id.b) != 0)) {
            return eg_record_corrupt();
        }
        EG_TRY(e);
        eg_extent x;
        EG_TRY(eg_content_extent_decode(a, k, v, &x));
        const eg_bytes parts[] = {{digest, sizeof digest}, k, v};
        eg_sha256_v(parts, 3, digest);
        if (x.offset != at) {
            return eg_record_corrupt();
        }
        at += x.length;
    }
    return at == i->length && eg_ct_eq(digest, i->digest, sizeof digest) ? EG_OK : eg_record_corrupt();
}
