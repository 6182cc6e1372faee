/* Places against owners, and files against places: what is counted wrong, lies nowhere, or lies there for nobody. */
#include "check.h"

#include "stored_bytes.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <unistd.h>

#define SHARDS 256

static void add_stored(eg_check *c, const eg_account *a, uint64_t bytes) {
    size_t i = 0;
    while (i < c->stored_count && c->stored[i].account != a) {
        i++;
    }
    if (i < EG_ACCOUNTS_MAX) {
        c->stored[i].account = a;
        c->stored[i].bytes += bytes;
        c->stored_count += i == c->stored_count;
    }
}

/* The account's counter against what was added up. */
static eg_err compare_stored(void *ctx, const eg_account *a) {
    eg_check *c = ctx;
    uint64_t counted = 0;
    if (a->destroyed) {
        return EG_OK;
    }
    const eg_err e = eg_stored_get(c->txn, a, &counted);
    add_stored(c, a, 0);
    for (size_t i = 0; i < c->stored_count; i++) {
        if (c->stored[i].account == a && e == EG_OK && c->stored[i].bytes != counted) {
            eg_check_tell(c, "damaged", a->name, "the account counts %llu stored bytes, and has %llu", (unsigned long long)counted, (unsigned long long)c->stored[i].bytes);
        }
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        eg_check_tell(c, "damaged", a->name, "the row of stored bytes does not verify");
    }
    return EG_OK;
}

static eg_err count_place(eg_check *c, eg_bytes k, eg_bytes v) {
    const eg_account *a = eg_check_account_of(c, v);
    eg_location l;
    eg_id id;
    char hex[33];
    if (!a || k.len != sizeof id.b) {
        if (c->sums.unverified == 0) {
            eg_check_tell(c, "damaged", "fs.place", "a row of nobody");
        }
        return EG_OK;
    }
    memcpy(id.b, k.ptr, sizeof id.b);
    eg_hex(eg_id_bytes(&id), hex);
    if (eg_content_location_decode(a, k, v, &l) != EG_OK) {
        eg_check_tell(c, "damaged", a->name, "the row of segment %s in fs.place does not verify", hex);
        return EG_OK;
    }
    uint8_t orphan[17] = {EG_ORPHAN_SEGMENT};
    memcpy(orphan + 1, id.b, sizeof id.b);
    eg_bytes stored;
    if (l.owners == 0) {
        if (eg_kv_get(c->txn, EG_DB_FS_ORPHAN, (eg_bytes){orphan, sizeof orphan}, &stored) == EG_ERR_NOT_FOUND) {
            eg_check_tell(c, "damaged", a->name, "segment %s has no owner, and its row in fs.orphan is gone", hex);
        }
        return EG_OK;
    }
    add_stored(c, a, l.stored);
    const uint32_t owners = eg_id_map_get(c->owners, &id);
    if (owners != l.owners) {
        eg_check_tell(c, owners < l.owners ? "damaged" : "older", a->name, "segment %s counts %lu owners, and fs.segment has %lu", hex,
            (unsigned long)l.owners, (unsigned long)owners);
    }
    return EG_OK;
}

static eg_err count_owner(eg_check *c, eg_bytes k, eg_bytes v) {
    eg_id id;
    (void)v;
    if (k.len != EG_SEGMENT_KEY_LEN) {
        return EG_OK;
    }
    memcpy(id.b, k.ptr + 16, sizeof id.b);
    uint32_t *n = eg_id_map_at(c->owners, &id);
    if (!n) {
        return EG_ERR_NO_MEMORY;
    }
    ++*n;
    return EG_OK;
}

/* The frame before a segment in a pack, which only the reclaimer goes by. */
static eg_err check_frame(eg_check *c, eg_bytes k, eg_bytes v) {
    const eg_account *a = eg_check_account_of(c, v);
    eg_location l;
    eg_id id;
    if (!a || k.len != sizeof id.b || eg_content_location_decode(a, k, v, &l) != EG_OK) {
        return EG_OK;
    }
    memcpy(id.b, k.ptr, sizeof id.b);
    const eg_segment_at at = {id, l.file, 0};
    if (!eg_segment_packed(&at) || l.owners == 0 || !eg_id_map_get(c->promised, &id)) {
        return EG_OK;
    }
    uint8_t raw[EG_PACK_FRAME_LEN];
    eg_id in_frame = {{0}};
    uint64_t stored = 0;
    char hex[33];
    char where[64];
    int fd = -1;
    if (eg_segment_store_open_read(c->store->segments, &at, &fd) != EG_OK) {
        return EG_OK; /* told with its file */
    }
    eg_hex(eg_id_bytes(&l.file), hex);
    (void)snprintf(where, sizeof where, "segments/packs/%s", hex);
    const bool ok = l.offset >= EG_PACK_FRAME_LEN && eg_pread_all(fd, raw, sizeof raw, (int64_t)(l.offset - EG_PACK_FRAME_LEN)) == EG_OK &&
        eg_pack_frame_read(raw, &in_frame, &stored) == EG_OK && eg_id_eq(&in_frame, &id) && stored == l.stored;
    close(fd);
    if (!ok) {
        eg_check_tell(c, "damaged", where, "the frame at %llu does not fit the row of its segment", (unsigned long long)(l.offset - EG_PACK_FRAME_LEN));
    }
    return EG_OK;
}

/* Owners that no walk came by: their inode is gone, or an orphan that is half reclaimed. */
static eg_err check_owner(eg_check *c, eg_bytes k, eg_bytes v) {
    eg_id owner;
    eg_bytes stored;
    (void)v;
    if (k.len != EG_SEGMENT_KEY_LEN) {
        eg_check_tell(c, "damaged", "fs.segment", "a key of %zu bytes", k.len);
        return EG_OK;
    }
    memcpy(owner.b, k.ptr, sizeof owner.b);
    if (eg_kv_get(c->txn, EG_DB_FS_INODE, eg_id_bytes(&owner), &stored) == EG_ERR_NOT_FOUND) {
        char hex[33];
        eg_hex(eg_id_bytes(&owner), hex);
        eg_check_tell(c, "older", "fs.segment", "a segment is owned by %s, which fs.inode does not have", hex);
    }
    return EG_OK;
}

static bool unnamed_file(void *ctx, const eg_id *id) {
    eg_check *c = ctx;
    eg_bytes stored;
    char hex[33];
    char where[64];
    if (eg_kv_get(c->txn, EG_DB_FS_PLACE, eg_id_bytes(id), &stored) == EG_ERR_NOT_FOUND) {
        eg_hex(eg_id_bytes(id), hex);
        (void)snprintf(where, sizeof where, "segments/%.2s/%s", hex + 30, hex);
        eg_check_tell(c, "leftover", where, "a segment that no row names");
    }
    return true;
}

static eg_err nothing(void *ctx, const eg_pack_entry *e) {
    (void)e;
    ++*(uint64_t *)ctx;
    return EG_OK;
}

/* A pack's frames end early where a process was killed while it wrote; before a living segment that is a fault, told by check_frame. */
static bool walk_pack(void *ctx, const eg_id *id) {
    eg_check *c = ctx;
    char hex[33];
    char where[64];
    uint8_t header[EG_PACK_HEADER_LEN];
    uint64_t frames = 0;
    int fd = -1;
    const eg_segment_at at = {{{0}}, *id, 0};
    eg_hex(eg_id_bytes(id), hex);
    (void)snprintf(where, sizeof where, "segments/packs/%s", hex);
    if (eg_segment_store_open_read(c->store->segments, &at, &fd) != EG_OK) {
        eg_check_tell(c, "lost", where, "can't be opened");
        return true;
    }
    static const uint8_t begin[8] = {'E', 'G', 'P', 'A', 'C', 'K', 0, 1};
    static const uint8_t zero[8] = {0};
    if (eg_pread_all(fd, header, sizeof header, 0) != EG_OK || memcmp(header, begin, 8) != 0 || memcmp(header + 8, id->b, 16) != 0 ||
        memcmp(header + 24, zero, 8) != 0) {
        eg_check_tell(c, "damaged", where, "its header is not that of this pack");
    } else if (eg_pack_walk(fd, nothing, &frames) != EG_OK) {
        eg_check_tell(c, "leftover", where, "its frames end after %llu segments and before the file does", (unsigned long long)frames);
    }
    close(fd);
    return true;
}

eg_err eg_check_places(eg_check *c) {
    EG_TRY(eg_check_each_row(c, EG_DB_FS_SEGMENT, count_owner));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_PLACE, count_place));
    EG_TRY(eg_storage_each_account_loaded(c->store, (eg_str){"", 0}, compare_stored, c));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_PLACE, check_frame));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_SEGMENT, check_owner));
    for (unsigned i = 0; i < SHARDS; i++) {
        EG_TRY(eg_segment_store_each(c->store->segments, i, unnamed_file, c));
    }
    eg_packs_each(eg_segment_store_packs(c->store->segments), walk_pack, c);
    return EG_OK;
}
