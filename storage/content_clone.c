/* Content that one file gets from another: extents over segments that both own from then on. */
#include "blocks.h"
#include "content.h"

#define ROW_MAX 256

eg_err eg_content_extent_add(eg_kv_txn *t, const eg_account *a, eg_inode *i, const eg_extent *x) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(&i->id, i->length, key);
    const eg_bytes k = {key, sizeof key};
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_bytes(&b, eg_id_bytes(&x->segment));
    eg_record_u64(&b, x->segment_offset);
    eg_record_u64(&b, x->length);
    eg_err e = eg_record_seal(a, EG_ROW_EXTENT, k, &b);
    if (e == EG_OK) {
        const eg_bytes parts[] = {{i->digest, sizeof i->digest}, k, eg_buf_bytes(&b)};
        eg_sha256_v(parts, 3, i->digest);
        i->extents++;
        i->length += x->length;
        e = eg_kv_put(t, EG_DB_FS_EXTENT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_content_share_segment(eg_kv_txn *t, const eg_account *a, const eg_content_move *m, const eg_id *segment,
    eg_segment_size *ret) {
    eg_segment_ref ref;
    EG_TRY(eg_content_segment_get(t, a, m->from, segment, &ref));
    eg_buf wrapped;
    eg_buf_init(&wrapped, EG_WRAPPED_KEY_MAX);
    eg_err e = eg_segment_rewrap(&ref, m->from_key, m->to_key, m->to, &wrapped);
    if (e == EG_OK) {
        ref.inode = *m->to;
        ref.wrapped = eg_buf_bytes(&wrapped);
        e = eg_content_segment_share(t, a, &ref);
    }
    eg_buf_done(&wrapped);
    if (e == EG_OK) {
        *ret = ref.size;
    }
    return e;
}

eg_err eg_content_share_range(eg_kv_txn *t, const eg_account *a, const eg_content_source *from, eg_span range, eg_inode *to,
    eg_bytes to_key) {
    const eg_content_move m = {&from->inode->id, from->key, &to->id, to_key};
    if (range.from > range.to || range.to > from->inode->length) {
        return EG_ERR_RANGE;
    }
    for (uint64_t at = range.from; at < range.to;) {
        eg_extent x;
        eg_segment_size size;
        EG_TRY(eg_content_extent_at(t, a, &from->inode->id, at, &x));
        EG_TRY(eg_content_share_segment(t, a, &m, &x.segment, &size));
        if (x.segment_offset > size.plain || x.length > size.plain - x.segment_offset) {
            return eg_record_corrupt();
        }
        const uint64_t skip = at - x.offset;
        const uint64_t left = x.length - skip;
        const uint64_t n = left < range.to - at ? left : range.to - at;
        const eg_extent part = {to->length, x.segment, x.segment_offset + skip, n};
        EG_TRY(eg_content_extent_add(t, a, to, &part));
        at += n;
    }
    return EG_OK;
}

static eg_err clone_block(void *ctx, const eg_listed_block *b) {
    return eg_block_list_add(ctx, b);
}

eg_err eg_content_clone(eg_kv_txn *t, const eg_account *a, const eg_content_source *from, eg_inode *to, eg_bytes to_key) {
    const eg_span all = {0, from->inode->length};
    EG_TRY(eg_content_share_range(t, a, from, all, to, to_key));
    eg_block_list_writer w = {.txn = t, .account = a, .inode = to->id};
    return eg_block_list_each(t, a, &from->inode->id, clone_block, &w);
}
