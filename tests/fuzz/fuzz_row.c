/* Fuzzes eg_record_open and eg_ns_container_decode, eg_ns_entry_decode, the decoders of eg_content_*, eg_block_home_decode, eg_deleted_decode, eg_lease_decode and eg_copy_mark_decode, and the eg_record_get_* readers with rows whose MAC fits: even what we sealed ourselves is read within its
 * bounds. The first byte says which kind of row, the second how many bytes are its key.
 *
 *   ./dev fuzz row */
#include "blocks.h"
#include "copy.h"
#include "deleted.h"
#include "lease.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void read_fields(eg_record_reader r, const uint8_t *end) {
    while (!r.bad && r.left > 0) {
        const eg_bytes text = eg_record_get_text(&r);
        require(text.ptr == NULL || text.ptr + text.len <= end);
        (void)eg_record_get_u8(&r);
        (void)eg_record_get_u64(&r);
        (void)eg_record_get_id(&r);
        require(r.p <= end && r.p + r.left <= end);
    }
    require((eg_record_end(&r) == EG_OK) == (!r.bad && r.left == 0));
}

static void decode_content(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes row) {
    const uint8_t *end = row.ptr + row.len;
    eg_location where;
    eg_segment_ref ref;
    eg_extent extent;
    eg_staged staged;
    eg_block_home home;
    eg_deleted deleted;
    if (kind == EG_ROW_DELETED && eg_deleted_decode(a, key, row, &deleted) == EG_OK) {
        require((const uint8_t *)deleted.name.ptr + deleted.name.len <= end);
    }
    if (kind == EG_ROW_PLACE) {
        (void)!eg_content_location_decode(a, key, row, &where);
    } else if (kind == EG_ROW_SEGMENT && eg_content_segment_decode(a, key, row, &ref) == EG_OK) {
        require(key.len == EG_SEGMENT_KEY_LEN && ref.wrapped.ptr + ref.wrapped.len <= end);
    } else if (kind == EG_ROW_EXTENT && eg_content_extent_decode(a, key, row, &extent) == EG_OK) {
        require(key.len == EG_POSITION_KEY_LEN);
    } else if (kind == EG_ROW_STAGED && eg_content_staged_decode(a, key, row, &staged) == EG_OK) {
        require((const uint8_t *)staged.account.ptr + staged.account.len <= end);
    } else if (kind == EG_ROW_BLOCK_HOME && eg_block_home_decode(a, key, row, &home) == EG_OK) {
        require((const uint8_t *)home.path.ptr + home.path.len <= end);
    }
}

/* Attributes of an inode that have a form of their own. */
static void decode_attributes(eg_bytes attr) {
    eg_lease lease;
    eg_copy_mark mark;
    uint8_t again[EG_LEASE_ROW_LEN];
    if (eg_lease_decode(attr, &lease) == EG_OK && attr.len > 0) {
        eg_lease_encode(&lease, again);
        require(eg_lease_decode((eg_bytes){again, sizeof again}, &lease) == EG_OK);
    }
    if (eg_copy_mark_decode(attr, &mark) == EG_OK) {
        require((const uint8_t *)mark.source.ptr + mark.source.len <= attr.ptr + attr.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static eg_account account = {.name = "acct", .tenant = "t"};
    static const uint8_t mac_key[32] = {9};
    if (size < 2 || size - 2 < data[1]) {
        return 0;
    }
    if (!account.mac_key) {
        require((account.mac_key = eg_secret_new(mac_key, sizeof mac_key)) != NULL);
    }
    const eg_bytes key = {data + 2, data[1]};
    decode_attributes((eg_bytes){data + 2, size - 2});
    static const eg_row_kind kinds[] = {EG_ROW_ENTRY, EG_ROW_CONTAINER, EG_ROW_PLACE, EG_ROW_SEGMENT, EG_ROW_EXTENT, EG_ROW_STAGED,
        EG_ROW_BLOCK_HOME};
    const eg_row_kind kind = data[0] == 0xff ? EG_ROW_DELETED : kinds[data[0] % (sizeof kinds / sizeof kinds[0])];
    eg_buf b;
    eg_buf_init(&b, size + EG_ROW_MAC_LEN);
    if (size - 2 - key.len > 0) {
        require(eg_buf_add(&b, key.ptr + key.len, size - 2 - key.len) == EG_OK);
    }
    require(eg_record_seal(&account, kind, key, &b) == EG_OK);
    eg_record_reader r;
    if (eg_record_open(&account, kind, key, eg_buf_bytes(&b), &r) == EG_OK) {
        read_fields(r, (const uint8_t *)b.ptr + b.len);
    }
    decode_content(&account, kind, key, eg_buf_bytes(&b));
    eg_container c;
    if (kind == EG_ROW_CONTAINER && eg_ns_container_decode(&account, key, eg_buf_bytes(&b), &c) != EG_OK) {
        eg_buf_done(&b);
        return 0;
    }
    eg_entry e;
    eg_str name;
    eg_id parent = {{0}};
    memcpy(parent.b, key.ptr, key.len < sizeof parent.b ? key.len : sizeof parent.b);
    if (kind == EG_ROW_ENTRY && eg_ns_entry_decode(&account, &parent, key, eg_buf_bytes(&b), &name, &e) == EG_OK) {
        require((e.kind == EG_KIND_FILE || e.kind == EG_KIND_DIRECTORY) && name.len > 0 && name.len <= EG_NAME_MAX);
    }
    eg_buf_done(&b);
    return 0;
}
