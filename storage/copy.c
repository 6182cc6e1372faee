/* The step that copies, and the mark that it leaves. */
#include "copy.h"

#include "snapshot.h"

static eg_err find_source(eg_kv_txn *t, eg_copy *c, eg_inode *ret, eg_problem *p) {
    eg_place place;
    eg_inode i;
    eg_err e = eg_path_find(t, &c->source, &place, &i, p);
    if (e == EG_OK && c->snapshot_ns != 0) {
        e = eg_snapshot_find(t, c->source.account, &i, c->snapshot_ns, &i);
    }
    if (e == EG_ERR_PATH_NOT_FOUND || e == EG_ERR_FILESYSTEM_NOT_FOUND) {
        return eg_fail(p, EG_ERR_PATH_NOT_FOUND, "The source of the copy does not exist.");
    }
    EG_TRY(e);
    if (i.kind != EG_KIND_FILE) {
        return eg_fail(p, EG_ERR_RESOURCE_TYPE_MISMATCH, "The source of the copy is a directory.");
    }
    if (!eg_id_eq(&i.id, &c->from->id) || i.change != c->from->change) {
        return eg_fail(p, EG_ERR_BUSY, "The source changed while it was copied.");
    }
    const eg_err met = eg_conditions_check(&c->source.conditions, &i, p);
    if (met != EG_OK) {
        return eg_fail(p, EG_ERR_SOURCE_CONDITION_NOT_MET, "The source condition specified using HTTP conditional header(s) is not met.");
    }
    eg_lease l;
    EG_TRY(eg_lease_decode(i.attr[EG_ATTR_LEASE], &l));
    EG_TRY(eg_lease_check_read(&l, c->source.has_lease ? &c->source.lease : NULL, c->source.forward_ns, EG_LEASE_OF_PATH, p));
    *ret = i;
    return EG_OK;
}

eg_err eg_copy_apply(eg_kv_txn *t, void *copy, eg_problem *p) {
    eg_copy *c = copy;
    eg_inode i;
    EG_TRY(find_source(t, c, &i, p));
    /* Its attributes were taken over by the caller; the writes below move the row that i borrows from. */
    const eg_content_source from = {&i, c->from_key};
    eg_inode *made = &c->create.made;
    made->length = made->extents = 0;
    memset(made->digest, 0, sizeof made->digest);
    EG_TRY(eg_content_clone(t, c->source.account, &from, made, c->key));
    return eg_path_create_apply(t, &c->create, p);
}

eg_err eg_copy_mark_encode(const eg_copy_mark *m, eg_buf *ret) {
    eg_record_u8(ret, 1);
    eg_record_bytes(ret, eg_id_bytes(&m->id));
    eg_record_u64(ret, (uint64_t)m->done_ns);
    eg_record_u64(ret, m->bytes);
    eg_record_text(ret, eg_str_bytes(m->source));
    return ret->err;
}

eg_err eg_copy_mark_decode(eg_bytes attr, eg_copy_mark *ret) {
    if (attr.len == 0) {
        return EG_ERR_NOT_FOUND;
    }
    eg_record_reader r = {attr.ptr, attr.len, false};
    if (eg_record_get_u8(&r) != 1) {
        return EG_ERR_FORMAT_VERSION;
    }
    eg_copy_mark m = {.id = eg_record_get_id(&r)};
    m.done_ns = (int64_t)eg_record_get_u64(&r);
    m.bytes = eg_record_get_u64(&r);
    m.source = eg_bytes_str(eg_record_get_text(&r));
    EG_TRY(eg_record_end(&r));
    *ret = m;
    return EG_OK;
}
