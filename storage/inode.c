/* Inode rows: what a file or a directory is, apart from its names. */
#include "namespace.h"

#include <stdio.h>

void eg_ns_etag(const eg_inode *i, char ret[EG_ETAG_LEN]) {
    snprintf(ret, EG_ETAG_LEN, "0x%016llX%08llX", (unsigned long long)eg_get_u64(i->id.b + 8), (unsigned long long)i->change);
}

static eg_err decode(eg_record_reader *r, eg_inode *i) {
    i->kind = (eg_kind)eg_record_get_u8(r);
    i->change = eg_record_get_u64(r);
    i->created_ns = (int64_t)eg_record_get_u64(r);
    i->modified_ns = (int64_t)eg_record_get_u64(r);
    i->length = eg_record_get_u64(r);
    i->extents = eg_record_get_u64(r);
    const eg_bytes digest = eg_record_get_bytes(r, sizeof i->digest);
    if (digest.ptr) {
        memcpy(i->digest, digest.ptr, sizeof i->digest);
    }
    i->staged = eg_record_get_u32(r);
    i->mode = eg_record_get_u16(r);
    for (unsigned n = eg_record_get_u8(r); n > 0; n--) {
        const uint8_t tag = eg_record_get_u8(r);
        const eg_bytes value = eg_record_get_text(r);
        if (tag >= EG_ATTR_COUNT) {
            return EG_ERR_FORMAT_VERSION;
        }
        i->attr[tag] = value;
    }
    if (i->kind != EG_KIND_FILE && i->kind != EG_KIND_DIRECTORY) {
        return eg_record_corrupt();
    }
    return eg_record_end(r);
}

eg_err eg_ns_inode_get(eg_kv_txn *t, const eg_account *a, const eg_id *id, eg_inode *ret) {
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(id), &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_record_corrupt();
    }
    EG_TRY(e);
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_INODE, eg_id_bytes(id), stored, &r));
    eg_inode i = {.id = *id};
    EG_TRY(decode(&r, &i));
    *ret = i;
    return EG_OK;
}

eg_err eg_ns_inode_put(eg_kv_txn *t, const eg_account *a, const eg_inode *i) {
    eg_buf b;
    eg_record_start(&b, EG_INODE_ROW_MAX);
    eg_record_u8(&b, (uint8_t)i->kind);
    eg_record_u64(&b, i->change);
    eg_record_u64(&b, (uint64_t)i->created_ns);
    eg_record_u64(&b, (uint64_t)i->modified_ns);
    eg_record_u64(&b, i->length);
    eg_record_u64(&b, i->extents);
    eg_record_bytes(&b, (eg_bytes){i->digest, sizeof i->digest});
    eg_record_u32(&b, i->staged);
    eg_record_u16(&b, i->mode);
    uint8_t n = 0;
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        n = (uint8_t)(n + (i->attr[k].len > 0));
    }
    eg_record_u8(&b, n);
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        if (i->attr[k].len > 0) {
            eg_record_u8(&b, (uint8_t)k);
            eg_record_text(&b, i->attr[k]);
        }
    }
    eg_err e = eg_record_seal(a, EG_ROW_INODE, eg_id_bytes(&i->id), &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_INODE, eg_id_bytes(&i->id), eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

size_t eg_ns_inode_shown(const eg_inode *i) {
    static const eg_attr shown[] = {EG_ATTR_OWNER, EG_ATTR_GROUP, EG_ATTR_ACL, EG_ATTR_PROPERTIES, EG_ATTR_TRANSACTION_ID, EG_ATTR_CONTENT_TYPE, EG_ATTR_CONTENT_ENCODING,
        EG_ATTR_CONTENT_LANGUAGE, EG_ATTR_CONTENT_DISPOSITION, EG_ATTR_CACHE_CONTROL, EG_ATTR_CONTENT_MD5, EG_ATTR_COPY, EG_ATTR_ENCRYPTION_CONTEXT};
    size_t n = 0;
    for (size_t k = 0; k < sizeof shown / sizeof shown[0]; k++) {
        n += i->attr[shown[k]].len;
    }
    return n;
}

eg_err eg_ns_inode_check_shown(const eg_inode *i) { return eg_ns_inode_shown(i) <= EG_SHOWN_MAX ? EG_OK : EG_ERR_METADATA_TOO_LARGE; }

bool eg_ns_inode_expired(const eg_inode *i, int64_t forward_ns) {
    const eg_bytes at = i->attr[EG_ATTR_EXPIRES];
    return at.len == 8 && (int64_t)eg_get_u64(at.ptr) <= forward_ns;
}

eg_err eg_ns_inode_keep(eg_inode *i, eg_arena *arena) {
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        if (i->attr[k].len > 0) {
            const eg_str copy = eg_arena_str(arena, eg_bytes_str(i->attr[k]));
            if (!copy.ptr) {
                return EG_ERR_NO_MEMORY;
            }
            i->attr[k] = eg_str_bytes(copy);
        }
    }
    return EG_OK;
}
