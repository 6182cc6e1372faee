/* One file: its manifest against its digest, its keys, and every chunk of its segments. */
#include "check.h"

#include "file_key.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <unistd.h>

#define HEADER_ID 48   /* docs/SEGMENT-FORMAT.md */

eg_err eg_check_promise(eg_check *c, const eg_id *segment) {
    uint32_t *at = eg_id_map_at(c->promised, segment);
    if (!at) {
        return EG_ERR_NO_MEMORY;
    }
    *at = 1;
    return EG_OK;
}

/* What was appended before the machine's last start and never flushed was promised to nobody. */
static const char *kind_of(const eg_check *c, const eg_segment_ref *ref, const char *kind) {
    return eg_id_map_get(c->promised, &ref->id) ? kind : "leftover";
}

static void hex_of(const eg_id *id, char ret[33]) { eg_hex(eg_id_bytes(id), ret); }

/* Where a segment's bytes lie, in words. */
static void place_of(const eg_segment_ref *ref, char ret[96]) {
    char hex[33];
    const bool own = eg_id_eq(&ref->id, &ref->file);
    hex_of(&ref->file, hex);
    (void)snprintf(ret, 96, own ? "segments/%.2s/%s" : "segments/packs%.0s/%s at %llu", hex + 30, hex, (unsigned long long)ref->offset);
}

/* Says why a segment didn't open: a whole segment in its place is another fault than bytes that are none. */
static void tell_unopened(eg_check *c, const eg_segment_ref *ref, int fd, const char *where) {
    uint8_t header[EG_SEGMENT_HEADER_LEN];
    char place[96];
    char found[33];
    eg_id id;
    place_of(ref, place);
    if (eg_pread_all(fd, header, sizeof header, (int64_t)ref->offset) != EG_OK) {
        eg_check_tell(c, kind_of(c, ref, "lost"), where, "%s ends before its segment begins", place);
        return;
    }
    memcpy(id.b, header + HEADER_ID, sizeof id.b);
    if (memcmp(header, "EGSEGMNT", 8) == 0 && !eg_id_eq(&id, &ref->id)) {
        hex_of(&id, found);
        eg_check_tell(c, "swapped", where, "%s holds segment %s, which belongs elsewhere", place, found);
        return;
    }
    eg_check_tell(c, kind_of(c, ref, "damaged"), where, "%s: its header, its length or its wrapped key does not verify", place);
}

static void read_chunks(eg_check *c, const eg_segment_ref *ref, eg_segment_reader *r, const char *where) {
    char place[96];
    place_of(ref, place);
    for (uint64_t at = 0; at < ref->size.plain; at += EG_SEGMENT_CHUNK) {
        size_t n = 0;
        const uint64_t left = ref->size.plain - at;
        const size_t want = left < EG_SEGMENT_CHUNK ? (size_t)left : EG_SEGMENT_CHUNK;
        if (eg_segment_reader_read(r, at, c->plain, EG_SEGMENT_CHUNK, &n) != EG_OK || n != want) {
            eg_check_tell(c, kind_of(c, ref, "damaged"), where, "%s: chunk %llu (bytes %llu to %llu of the segment) does not verify", place,
                (unsigned long long)(at / EG_SEGMENT_CHUNK), (unsigned long long)at, (unsigned long long)(at + want - 1));
        }
    }
}

/* Its key is verified for each owner, its chunks once. */
static eg_err check_segment(eg_check *c, const eg_account *a, const eg_segment_ref *row, eg_bytes key, const char *where) {
    eg_segment_ref ref;
    char place[96];
    uint32_t *seen = eg_id_map_at(c->segments, &row->id);
    if (!seen) {
        return EG_ERR_NO_MEMORY;
    }
    const bool first = *seen == 0;
    *seen = 1;
    if (eg_content_segment_get(c->txn, a, &row->inode, &row->id, &ref) != EG_OK) {
        char hex[33];
        hex_of(&row->id, hex);
        eg_check_tell(c, "damaged", where, "the row of segment %s in fs.segment or fs.place is gone or does not verify", hex);
        return EG_OK;
    }
    place_of(&ref, place);
    int fd = -1;
    const eg_segment_at at = {ref.id, ref.file, 0};
    eg_err e = eg_segment_store_open_read(c->store->segments, &at, &fd);
    if (e != EG_OK) {
        eg_check_tell(c, kind_of(c, &ref, "lost"), where, "%s can't be opened (%s)", place, eg_err_code(e));
        return EG_OK;
    }
    const int again = dup(fd);
    EG_CLEANUP(eg_segment_reader_free_p) eg_segment_reader *r = NULL;
    e = again < 0 ? EG_ERR_IO : eg_segment_reader_new(&ref, key, again, &r);
    if (e != EG_OK) {
        tell_unopened(c, &ref, fd, where);
    }
    close(fd);
    if (first) {
        c->sums.segments++;
        if (e == EG_OK) {
            read_chunks(c, &ref, r, where);
        }
        c->sums.bytes += ref.size.stored;
        if (c->sink->progress) {
            c->sink->progress(c->sink->ctx, c->sums.bytes, c->sums.total);
        }
    }
    return EG_OK;
}

/* Every segment that the file owns. key.ptr NULL: they can't be opened here. */
static eg_err check_owned(eg_check *c, const eg_account *a, const eg_inode *i, eg_bytes key, const char *where) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    EG_TRY(eg_kv_cursor_open(c->txn, EG_DB_FS_SEGMENT, eg_id_bytes(&i->id), &cursor));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_segment_ref ref;
        const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < 16 || memcmp(k.ptr, i->id.b, 16) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        if (eg_content_segment_decode(a, k, v, &ref) != EG_OK) {
            eg_check_tell(c, "damaged", where, "a row of the file in fs.segment does not verify");
        } else if (key.ptr) {
            EG_TRY(check_segment(c, a, &ref, key, where));
        }
    }
}

/* Rows beyond what the inode knows of: it is an older copy of its row. */
static eg_err check_surplus(eg_check *c, const eg_account *a, const eg_inode *i, const char *where) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(&i->id, i->length, key);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    EG_TRY(eg_kv_cursor_open(c->txn, EG_DB_FS_EXTENT, (eg_bytes){key, sizeof key}, &cursor));
    eg_bytes k;
    eg_bytes v;
    eg_extent x;
    const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
    if (e == EG_OK && k.len == sizeof key && memcmp(k.ptr, i->id.b, 16) == 0 && eg_content_extent_decode(a, k, v, &x) == EG_OK) {
        eg_check_tell(c, "older", where, "its row in fs.inode ends at %llu, and fs.extent has content beyond it", (unsigned long long)i->length);
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* Names segments that the file doesn't own: then a row of fs.segment is gone. */
static eg_err check_named(eg_check *c, const eg_account *a, const eg_inode *i, const char *where) {
    for (uint64_t at = 0; at < i->length;) {
        eg_extent x;
        eg_bytes stored;
        uint8_t key[EG_SEGMENT_KEY_LEN];
        if (eg_content_extent_at(c->txn, a, &i->id, at, &x) != EG_OK) {
            return EG_OK; /* told with the manifest */
        }
        eg_content_segment_key(&i->id, &x.segment, key);
        EG_TRY(eg_check_promise(c, &x.segment));
        if (eg_kv_get(c->txn, EG_DB_FS_SEGMENT, (eg_bytes){key, sizeof key}, &stored) == EG_ERR_NOT_FOUND) {
            eg_check_tell(c, "lost", where, "bytes %llu to %llu: the segment's row in fs.segment is gone", (unsigned long long)x.offset,
                (unsigned long long)(x.offset + x.length - 1));
        }
        at = x.offset + x.length;
    }
    return EG_OK;
}

/* The rows alone: an append promises nothing before it is flushed, and its bytes may be gone after a power cut. */
static eg_err check_staged(eg_check *c, const eg_account *a, const eg_inode *i, const char *where) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    EG_TRY(eg_kv_cursor_open(c->txn, EG_DB_FS_STAGED, eg_id_bytes(&i->id), &cursor));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_staged x;
        const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < 16 || memcmp(k.ptr, i->id.b, 16) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        if (eg_content_staged_decode(a, k, v, &x) != EG_OK) {
            eg_check_tell(c, "damaged", where, "a row of the file in fs.staged does not verify");
        }
    }
}

eg_err eg_check_file(eg_check *c, const eg_account *a, const eg_inode *i, const char *where) {
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    const eg_err manifest = eg_content_check(c->txn, a, i);
    if (manifest != EG_OK && manifest != EG_ERR_CORRUPT) {
        return manifest;
    }
    if (manifest != EG_OK) {
        eg_check_tell(c, "damaged", where, "its rows in fs.extent do not fit its row in fs.inode: one is damaged, gone, or an older copy");
    }
    EG_TRY(check_surplus(c, a, i, where));
    EG_TRY(check_named(c, a, i, where));
    EG_TRY(check_staged(c, a, i, where));
    if (i->attr[EG_ATTR_WRAPPED_KEY].len == 0 && i->length == 0) {
        return EG_OK;
    }
    const eg_err e = eg_file_key_open(c->store, a, i, &key);
    if (e == EG_ERR_CUSTOMER_KEY_MISSING || e == EG_ERR_KEY_DESTROYED || e == EG_ERR_SCOPE_DISABLED) {
        eg_check_tell(c, "unverified", where, "%s", e == EG_ERR_CUSTOMER_KEY_MISSING ? "sealed with a customer-provided key" : eg_err_code(e));
    } else if (e != EG_OK) {
        eg_check_tell(c, "damaged", where, "its data key does not open (%s)", eg_err_code(e));
    }
    return check_owned(c, a, i, key ? eg_file_key_bytes(key) : (eg_bytes){NULL, 0}, where);
}
