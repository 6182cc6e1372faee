/* The rows of segments: how one opens for each of its owners, where its sealed bytes lie, and how many owners it has. */
#include "content.h"

#include "stored_bytes.h"

#define ROW_MAX 512

void eg_content_segment_key(const eg_id *owner, const eg_id *segment, uint8_t ret[EG_SEGMENT_KEY_LEN]) {
    memcpy(ret, owner->b, sizeof owner->b);
    memcpy(ret + sizeof owner->b, segment->b, sizeof segment->b);
}

eg_err eg_content_location_get(eg_kv_txn *t, const eg_account *a, const eg_id *segment, eg_location *ret) {
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_PLACE, eg_id_bytes(segment), &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_record_corrupt();
    }
    EG_TRY(e);
    return eg_content_location_decode(a, eg_id_bytes(segment), stored, ret);
}

eg_err eg_content_location_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_location *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_PLACE, key, value, &r));
    (void)eg_record_get_text(&r); /* the account's name, for those who come from the row to the account */
    eg_location l;
    l.file = eg_record_get_id(&r);
    l.offset = eg_record_get_u64(&r);
    l.stored = eg_record_get_u64(&r);
    l.owners = eg_record_get_u32(&r);
    EG_TRY(eg_record_end(&r));
    *ret = l;
    return EG_OK;
}

eg_err eg_content_location_put(eg_kv_txn *t, const eg_account *a, const eg_id *segment, const eg_location *l) {
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(a->name)));
    eg_record_bytes(&b, eg_id_bytes(&l->file));
    eg_record_u64(&b, l->offset);
    eg_record_u64(&b, l->stored);
    eg_record_u32(&b, l->owners);
    eg_err e = eg_record_seal(a, EG_ROW_PLACE, eg_id_bytes(segment), &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_PLACE, eg_id_bytes(segment), eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

static eg_err put_key(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) {
    uint8_t key[EG_SEGMENT_KEY_LEN];
    eg_content_segment_key(&ref->inode, &ref->id, key);
    const eg_bytes k = {key, sizeof key};
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_u64(&b, ref->size.plain);
    eg_record_text(&b, ref->wrapped);
    eg_err e = eg_record_seal(a, EG_ROW_SEGMENT, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_SEGMENT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_content_segment_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_segment_ref *ret) {
    eg_record_reader r;
    if (key.len != EG_SEGMENT_KEY_LEN) {
        return eg_record_corrupt();
    }
    EG_TRY(eg_record_open(a, EG_ROW_SEGMENT, key, value, &r));
    eg_segment_ref ref = {.tenant = eg_str_of(a->tenant)};
    memcpy(ref.inode.b, key.ptr, sizeof ref.inode.b);
    memcpy(ref.id.b, key.ptr + sizeof ref.inode.b, sizeof ref.id.b);
    ref.size = eg_segment_size_of(eg_record_get_u64(&r));
    ref.wrapped = eg_record_get_text(&r);
    EG_TRY(eg_record_end(&r));
    *ret = ref;
    return EG_OK;
}

eg_err eg_content_segment_get(eg_kv_txn *t, const eg_account *a, const eg_id *owner, const eg_id *segment, eg_segment_ref *ret) {
    uint8_t key[EG_SEGMENT_KEY_LEN];
    eg_content_segment_key(owner, segment, key);
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_SEGMENT, (eg_bytes){key, sizeof key}, &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_record_corrupt();
    }
    EG_TRY(e);
    eg_segment_ref ref;
    eg_location where;
    EG_TRY(eg_content_segment_decode(a, (eg_bytes){key, sizeof key}, stored, &ref));
    EG_TRY(eg_content_location_get(t, a, segment, &where));
    if (where.stored != ref.size.stored || where.owners == 0) {
        return eg_record_corrupt();
    }
    ref.file = where.file;
    ref.offset = where.offset;
    *ret = ref;
    return EG_OK;
}

eg_err eg_content_segment_add(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) {
    const eg_location where = {ref->file, ref->offset, ref->size.stored, 1};
    EG_TRY(eg_stored_add(t, a, ref->size.stored));
    EG_TRY(put_key(t, a, ref));
    return eg_content_location_put(t, a, &ref->id, &where);
}

eg_err eg_content_segment_share(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) {
    uint8_t key[EG_SEGMENT_KEY_LEN];
    eg_content_segment_key(&ref->inode, &ref->id, key);
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_SEGMENT, (eg_bytes){key, sizeof key}, &stored);
    if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    eg_location where;
    EG_TRY(eg_content_location_get(t, a, &ref->id, &where));
    /* Without an owner it is the reclaimer's already: nobody can have named it. */
    if (where.owners == 0 || where.owners == UINT32_MAX) {
        return eg_record_corrupt();
    }
    where.owners++;
    EG_TRY(eg_content_location_put(t, a, &ref->id, &where));
    return put_key(t, a, ref);
}

eg_err eg_content_segment_drop(eg_kv_txn *t, const eg_account *a, const eg_id *owner, const eg_id *segment) {
    uint8_t key[EG_SEGMENT_KEY_LEN];
    eg_content_segment_key(owner, segment, key);
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_SEGMENT, (eg_bytes){key, sizeof key}, &stored);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    eg_location where;
    EG_TRY(eg_kv_del(t, EG_DB_FS_SEGMENT, (eg_bytes){key, sizeof key}));
    EG_TRY(eg_content_location_get(t, a, segment, &where));
    const bool last = where.owners == 1;
    where.owners -= where.owners > 0;
    EG_TRY(eg_content_location_put(t, a, segment, &where));
    EG_TRY(last ? eg_stored_take(t, a, where.stored) : EG_OK);
    return where.owners > 0 ? EG_OK : eg_ns_orphan_put(t, a, EG_ORPHAN_SEGMENT, segment);
}
