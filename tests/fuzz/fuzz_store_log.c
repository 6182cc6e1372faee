/* Fuzzes eg_kv_changes_each (core/kv_changes.c): a record of the store's log is refused, or written the same way again.
 *
 *   ./dev fuzz store_log */
#include "kv_env.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static eg_err again(void *ctx, const eg_kv_change *c) {
    char name[256];
    eg_buf *b = ctx;
    if (c->put + c->del + c->write != 1 || c->name.len > 255) {
        abort();
    }
    memcpy(name, c->name.ptr, c->name.len);
    name[c->name.len] = '\0';
    if (strlen(name) != c->name.len || (c->del && c->value.len > 0)) {
        return EG_ERR_LIMIT; /* none that we write */
    }
    return c->put ? eg_kv_changes_put(b, name, c->key, c->value) : c->del ? eg_kv_changes_del(b, name, c->key) : eg_kv_changes_write(b, name, c->offset, c->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_buf b;
    eg_buf_init(&b, size + 1);
    if (eg_kv_changes_each((eg_bytes){data, size}, again, &b) == EG_OK && (b.len != size || (size > 0 && memcmp(b.ptr, data, size) != 0))) {
        abort();
    }
    eg_buf_done(&b);
    return 0;
}
