/* Fuzzes eg_block_list_parse: ids that are given are 1 to 64 bytes, and there are never more than the text has room for. */
#include "block_list_xml.h"

#include <stdlib.h>

static eg_err each(void *ctx, eg_block_where where, eg_bytes id) {
    size_t *n = ctx;
    if (where == EG_BLOCK_NOWHERE || id.len == 0 || id.len > EG_BLOCK_ID_RAW_MAX) {
        abort();
    }
    ++*n;
    return EG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t n = 0;
    const eg_err e = eg_block_list_parse((eg_str){(const char *)data, size}, each, &n);
    if (n > size / 20 || (e != EG_OK && e != EG_ERR_BODY_XML && e != EG_ERR_BLOCK_ID)) {
        abort();
    }
    return 0;
}
