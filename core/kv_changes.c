/* What a record of the store's log holds: rows put and deleted, bytes written beside the store. */
#include "kv_env.h"

enum { OP_PUT = 1, OP_DEL = 2, OP_WRITE = 3 };

/* op, name, key or offset, value: each with its length. */
static eg_err add(eg_buf *b, uint8_t op, eg_str name, eg_bytes key, eg_bytes value) {
    uint8_t head[8];
    head[0] = op;
    head[1] = (uint8_t)name.len;
    eg_put_u16(head + 2, (uint16_t)key.len);
    eg_put_u32(head + 4, (uint32_t)value.len);
    if (name.len > UINT8_MAX || key.len > UINT16_MAX || value.len > UINT32_MAX) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(eg_buf_add(b, head, sizeof head));
    EG_TRY(eg_buf_add(b, name.ptr, name.len));
    EG_TRY(eg_buf_add(b, key.ptr, key.len));
    return eg_buf_add(b, value.ptr, value.len);
}

eg_err eg_kv_changes_put(eg_buf *b, const char *db, eg_bytes key, eg_bytes value) { return add(b, OP_PUT, eg_str_of(db), key, value); }
eg_err eg_kv_changes_del(eg_buf *b, const char *db, eg_bytes key) { return add(b, OP_DEL, eg_str_of(db), key, (eg_bytes){NULL, 0}); }

eg_err eg_kv_changes_write(eg_buf *b, const char *path, uint64_t offset, eg_bytes bytes) {
    uint8_t at[8];
    eg_put_u64(at, offset);
    return add(b, OP_WRITE, eg_str_of(path), (eg_bytes){at, sizeof at}, bytes);
}

eg_err eg_kv_changes_each(eg_bytes b, eg_err (*each)(void *ctx, const eg_kv_change *c), void *ctx) {
    while (b.len > 0) {
        if (b.len < 8) {
            return EG_ERR_CORRUPT;
        }
        const uint8_t op = b.ptr[0];
        const size_t name = b.ptr[1], key = eg_get_u16(b.ptr + 2), value = eg_get_u32(b.ptr + 4);
        if (b.len - 8 < name + key + value || op < OP_PUT || op > OP_WRITE || (op == OP_WRITE && key != 8)) {
            return EG_ERR_CORRUPT;
        }
        const uint8_t *at = b.ptr + 8;
        const eg_kv_change c = {.put = op == OP_PUT, .del = op == OP_DEL, .write = op == OP_WRITE, .name = {(const char *)at, name}, .key = {at + name, key},
            .offset = op == OP_WRITE ? eg_get_u64(at + name) : 0, .value = {at + name + key, value}};
        EG_TRY(each(ctx, &c));
        b.ptr += 8 + name + key + value;
        b.len -= 8 + name + key + value;
    }
    return EG_OK;
}
