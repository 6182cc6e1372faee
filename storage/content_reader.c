/* Streams a range of a file out of its segments. */
#include "content.h"

#include "file_key.h"
#include "segment_store.h"

#include <embergate/durable_file.h>
#include <embergate/metrics.h>
#include <stdlib.h>
#include <unistd.h>

#define OPENINGS_AT_ONCE 8u     /* of segments, by a worker: whoever made a file of one-byte appends shall not hold up the others on it */

struct eg_content_reader {
    eg_storage *store;
    const eg_account *account;
    eg_id inode;
    uint64_t at;
    uint64_t from;
    uint64_t to;
    eg_file_key *key;
    eg_segment_reader *segment;   /* of `extent`; NULL = none */
    eg_extent extent;
};

typedef eg_err (*open_key)(eg_storage *s, const eg_account *a, const eg_inode *i, eg_file_key **ret);

static eg_err make(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, open_key open, eg_content_reader **ret) {
    EG_CLEANUP(eg_content_reader_free_p) eg_content_reader *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    r->store = s;
    r->account = a;
    r->inode = i->id;
    r->at = r->from = span.from;
    r->to = span.to;
    EG_TRY(span.from < span.to ? open(s, a, i, &r->key) : EG_OK);
    *ret = r;
    r = NULL;
    return EG_OK;
}

eg_err eg_content_reader_new(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, eg_content_reader **ret) {
    return make(s, a, i, span, eg_file_key_open, ret);
}

eg_err eg_content_reader_new_cached(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, eg_content_reader **ret) {
    return make(s, a, i, span, eg_file_key_try, ret);
}

/* With its header read once, opening the segment finds that in the page cache. */
static eg_err open_file(eg_content_reader *r, const eg_segment_at *at, uint64_t offset, bool wait, int *ret_fd) {
    uint8_t header[EG_SEGMENT_HEADER_LEN];
    if (wait) {
        return eg_segment_store_open_read(r->store->segments, at, ret_fd);
    }
    EG_TRY(eg_segment_store_open_cached(r->store->segments, at, ret_fd));
    const eg_err e = eg_pread_cached(*ret_fd, header, sizeof header, (int64_t)offset);
    if (e != EG_OK) {
        close(*ret_fd);
    }
    return e;
}

/* Looks up the extent and opens its segment; the transaction ends here. EG_ERR_NOT_FOUND: there is no such file. */
static eg_err open_once(eg_content_reader *r, bool wait, eg_segment_at *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(r->store->kv, &t));
    EG_TRY(eg_content_extent_at(t, r->account, &r->inode, r->at, &r->extent));
    eg_segment_ref ref;
    EG_TRY(eg_content_segment_get(t, r->account, &r->inode, &r->extent.segment, &ref));
    const bool fits = r->extent.segment_offset <= ref.size.plain &&
        r->extent.length <= ref.size.plain - r->extent.segment_offset;
    if (!fits) {
        return eg_record_corrupt();
    }
    int fd;
    *ret = (eg_segment_at){ref.id, ref.file, 0};
    EG_TRY(open_file(r, ret, ref.offset, wait, &fd));
    return eg_segment_reader_new(&ref, eg_file_key_bytes(r->key), fd, &r->segment);
}

/* A pack may go between the row and the opening, when its segments were moved: then the row says another one. Without waiting that is for the other way, as
 * is all but damage, which is counted once. */
static eg_err open_segment(eg_content_reader *r, bool wait) {
    eg_segment_at last = {{{0}}, {{0}}, 0};
    eg_segment_reader_free(r->segment);
    r->segment = NULL;
    if (!wait) {
        const eg_err e = open_once(r, false, &last);
        return e == EG_OK || e == EG_ERR_CORRUPT ? e : EG_ERR_BUSY;
    }
    for (;;) {
        eg_segment_at at = {{{0}}, {{0}}, 0};
        const eg_err e = open_once(r, true, &at);
        if (e != EG_ERR_NOT_FOUND) {
            return e;
        }
        if (!eg_segment_packed(&at) || eg_id_eq(&at.file, &last.file)) {
            return eg_record_corrupt();
        }
        last = at;
    }
}

static bool is_open(const eg_content_reader *r) {
    return r->segment && r->at >= r->extent.offset && r->at - r->extent.offset < r->extent.length;
}

static eg_err read_some(eg_content_reader *r, uint8_t *buf, size_t cap, bool wait, size_t *ret_n) {
    if (!is_open(r)) {
        EG_TRY(open_segment(r, wait));
    }
    const uint64_t within = r->at - r->extent.offset;
    const uint64_t in_extent = r->extent.length - within;
    const uint64_t in_range = r->to - r->at;
    uint64_t want = in_extent < in_range ? in_extent : in_range;
    want = want < cap ? want : cap;
    size_t n = 0;
    EG_TRY((wait ? eg_segment_reader_read : eg_segment_reader_try)(r->segment, r->extent.segment_offset + within, buf, (size_t)want, &n));
    if (n == 0) {
        return eg_record_corrupt();
    }
    r->at += n;
    *ret_n = n;
    return EG_OK;
}

static eg_err read_all(eg_content_reader *r, uint8_t *buf, size_t cap, bool wait, size_t *ret_n) {
    const uint64_t began = r->at;
    unsigned opened = 0;
    size_t given = 0;
    eg_err e = EG_OK;
    if (atomic_load(&r->account->destroyed)) {
        return EG_ERR_KEY_DESTROYED; /* an open stream ends with its tenant's keys */
    }
    while (e == EG_OK && given < cap && r->at < r->to) {
        size_t n = 0;
        opened += is_open(r) ? 0 : 1;
        if (!wait && opened > OPENINGS_AT_ONCE) {
            r->at = began; /* the pool reads them at one go */
            return EG_ERR_BUSY;
        }
        e = read_some(r, buf + given, cap - given, wait, &n);
        given += e == EG_OK ? n : 0;
    }
    if (e != EG_OK && (e != EG_ERR_BUSY || given == 0)) {
        return e;
    }
    eg_metric_add(EG_METRIC_STORAGE_READ_BYTES, (int64_t)given);
    *ret_n = given;
    return EG_OK;
}

eg_err eg_content_reader_read(eg_content_reader *r, uint8_t *buf, size_t cap, size_t *ret_n) {
    return read_all(r, buf, cap, true, ret_n);
}

eg_err eg_content_reader_try(eg_content_reader *r, uint8_t *buf, size_t cap, size_t *ret_n) {
    return read_all(r, buf, cap, false, ret_n);
}

uint64_t eg_content_reader_given(const eg_content_reader *r) { return r->at - r->from; }

void eg_content_reader_free(eg_content_reader *r) {
    if (!r) {
        return;
    }
    eg_segment_reader_free(r->segment);
    eg_file_key_unref(r->key);
    free(r);
}
