/* Recognises repeated requests by what the first left in the inode. */
#include "repeated.h"

bool eg_repeated_transaction(const eg_inode *i, eg_bytes id) {
    const eg_bytes last = i->attr[EG_ATTR_TRANSACTION_ID];
    return id.len > 0 && last.len == id.len && memcmp(last.ptr, id.ptr, id.len) == 0;
}

void eg_repeated_note_flush(eg_inode *i, uint64_t from, uint8_t row[EG_LAST_FLUSH_LEN]) {
    eg_put_u64(row, i->change);
    eg_put_u64(row + 8, from);
    i->attr[EG_ATTR_LAST_FLUSH] = (eg_bytes){row, EG_LAST_FLUSH_LEN};
}

/* Where the flush began that was the last change of all. */
static bool last_was_flush(const eg_inode *i, uint64_t *ret_from) {
    const eg_bytes row = i->attr[EG_ATTR_LAST_FLUSH];
    if (row.len != EG_LAST_FLUSH_LEN || eg_get_u64(row.ptr) != i->change) {
        return false;
    }
    *ret_from = eg_get_u64(row.ptr + 8);
    return true;
}

bool eg_repeated_flush(const eg_inode *i, const eg_conditions *c, uint64_t position) {
    uint64_t from = 0;
    eg_inode before = *i;
    const eg_conditions match = {.if_match = c->if_match};
    if (c->if_match.len == 0 || position != i->length || !last_was_flush(i, &from)) {
        return false;
    }
    before.change--;
    return eg_conditions_check(&match, i, NULL) != EG_OK && eg_conditions_check(&match, &before, NULL) == EG_OK;
}

bool eg_repeated_append(const eg_inode *i, uint64_t position, uint64_t n) {
    uint64_t from = 0;
    return i->kind == EG_KIND_FILE && n > 0 && position < i->length && i->length - position == n && last_was_flush(i, &from) && from <= position;
}

bool eg_repeated_whole(const eg_inode *i, uint64_t position) {
    uint64_t from = 0;
    return last_was_flush(i, &from) && from == position;
}
