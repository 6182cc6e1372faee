/* Reading of a file or a range of it, the same in both protocols but for its words. */
#include "read_answer.h"

#include "crc64.h"
#include "encryption.h"
#include "range_header.h"
#include "readers.h"

#include <embergate/encoding.h>
#include <stdlib.h>

#define SUM_RANGE_MAX ((uint64_t)4 << 20)   /* Azure's bound for a range with its MD5 or CRC64 */
#define FIRST_PIECE ((size_t)65536)

/* A body under way. Its first piece was verified before the answer began. */
typedef struct reading {
    const eg_read_how *how;
    eg_storage *store;
    const eg_account *account;
    eg_id inode;
    eg_content_reader *reader;
    char job[sizeof ((eg_principal *)0)->job];
    size_t first_len;
    size_t first_given;
    size_t first_room;
    uint8_t *first;             /* until it is given */
} reading;

static void drop_first(reading *r) {
    if (r->first) {
        eg_cleanse(r->first, r->first_room);
        free(r->first);
        r->first = NULL;
    }
}

static eg_err source_read(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n) {
    reading *r = ctx;
    const size_t left = r->first_len - r->first_given;
    if (left > 0) {
        const size_t n = left < cap ? left : cap;
        memcpy(buf, r->first + r->first_given, n);
        r->first_given += n;
        if (r->first_given == r->first_len) {
            drop_first(r);
        }
        *ret_n = n;
        return EG_OK;
    }
    return eg_content_reader_read(r->reader, buf, cap, ret_n);
}

static eg_err source_try(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n) {
    reading *r = ctx;
    return r->first_given < r->first_len ? source_read(ctx, buf, cap, ret_n) : eg_content_reader_try(r->reader, buf, cap, ret_n);
}

static void source_close(void *ctx) {
    reading *r = ctx;
    const uint64_t given = r->reader ? eg_content_reader_given(r->reader) : 0;
    if (r->store->usage.moved && r->job[0] && given > 0) {
        r->store->usage.moved(r->store->usage.ctx, eg_str_of(r->job), given, 0);
    }
    eg_content_reader_free(r->reader);
    eg_readers_leave(r->store->readers, &r->inode);
    drop_first(r);
    free(r);
}

/* The file is entered into the readers first and looked up again then: so the reclaimer either sees the reader, or the
 * reader sees that the file is gone. */
static eg_err hold_file(eg_request *rq, const eg_target *d, eg_inode *ret) {
    for (int attempt = 0; attempt < 3; attempt++) {
        eg_inode i;
        eg_inode again;
        EG_TRY(eg_target_find(rq, d, &i));
        EG_TRY(eg_readers_enter(d->store->readers, &i.id));
        const eg_err e = eg_target_find(rq, d, &again);
        if (e == EG_OK && eg_id_eq(&i.id, &again.id)) {
            *ret = again;
            return EG_OK;
        }
        eg_readers_leave(d->store->readers, &i.id);
        EG_TRY(e);
    }
    return EG_ERR_BUSY;
}

static eg_err find_span(eg_request *rq, const eg_inode *i, eg_span *ret, bool *ret_partial) {
    eg_str range = eg_request_header(rq, "x-ms-range");
    if (range.len == 0) {
        range = eg_request_header(rq, "Range");
    }
    *ret = (eg_span){0, i->length};
    *ret_partial = range.len > 0;
    if (range.len == 0) {
        return EG_OK;
    }
    const eg_err e = eg_range_header_parse(range, i->length, &ret->from, &ret->to);
    if (e == EG_ERR_RANGE) {
        (void)eg_response_header(rq, "Content-Range", "bytes */%llu", (unsigned long long)i->length);
        return eg_fail(&rq->problem, e, "The range specified is invalid for the current size of the resource.");
    }
    return e == EG_OK ? e : eg_fail(&rq->problem, e, "The header Range can't be read.");
}

/* Which sums of the range are asked for. */
typedef struct sums {
    bool md5;
    bool crc64;
} sums;

static eg_err wanted_sums(eg_request *rq, const eg_span *span, bool partial, sums *ret) {
    const sums w = {.md5 = eg_str_ieq(eg_request_header(rq, "x-ms-range-get-content-md5"), EG_LIT("true")),
        .crc64 = eg_str_ieq(eg_request_header(rq, "x-ms-range-get-content-crc64"), EG_LIT("true"))};
    if (w.md5 && w.crc64) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "Only one of x-ms-range-get-content-md5 and x-ms-range-get-content-crc64 can be asked for.");
    }
    if ((w.md5 || w.crc64) && (!partial || span->to - span->from > SUM_RANGE_MAX)) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The sum of a range needs a range of at most 4 MiB.");
    }
    *ret = w;
    return EG_OK;
}

/* The whole range, for its sum. */
static eg_err read_whole(reading *r, size_t n, eg_buf *ret) {
    char *room = NULL;
    size_t got = 0;
    EG_TRY(eg_buf_reserve(ret, n, &room));
    EG_TRY(eg_content_reader_read(r->reader, (uint8_t *)room, n, &got));
    ret->len = got;
    return got == n ? EG_OK : eg_record_corrupt();
}

static eg_err sum_header(eg_request *rq, eg_bytes body, const sums *w) {
    uint8_t sum[16];
    eg_buf text;
    eg_buf_init(&text, 64);
    if (w->md5) {
        eg_md5(body, sum);
    } else {
        eg_crc64_bytes(eg_crc64_add(0, body), sum);
    }
    eg_err e = eg_base64((eg_bytes){sum, w->md5 ? 16 : 8}, &text);
    if (e == EG_OK) {
        e = eg_response_header(rq, w->md5 ? "Content-MD5" : "x-ms-content-crc64", "%.*s", EG_FMT(eg_buf_str(&text)));
    }
    eg_buf_done(&text);
    return e;
}

static eg_err describe(eg_request *rq, reading *r, const eg_inode *i, const eg_span *span, bool partial) {
    EG_TRY(r->how->describe(rq, i, partial));
    if (i->attr[EG_ATTR_CONTENT_TYPE].len == 0) {
        EG_TRY(eg_response_header(rq, "Content-Type", "application/octet-stream"));
    }
    rq->record_bytes = span->to - span->from;
    return !partial ? EG_OK : eg_response_header(rq, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)span->from,
        (unsigned long long)span->to - 1, (unsigned long long)i->length);
}

static eg_err respond_with_sum(eg_request *rq, reading *r, const eg_inode *i, const eg_span *span, const sums *w) {
    eg_buf body;
    eg_buf_init(&body, (size_t)SUM_RANGE_MAX + 1);
    eg_err e = read_whole(r, (size_t)(span->to - span->from), &body);
    if (e == EG_OK) {
        e = describe(rq, r, i, span, true);
    }
    if (e == EG_OK) {
        e = sum_header(rq, eg_buf_bytes(&body), w);
    }
    if (e != EG_OK) {
        eg_buf_done(&body);
        return e;
    }
    EG_TRY(eg_respond_owned(rq, 206, NULL, &body));
    source_close(r);
    return EG_OK;
}

static eg_err read_first(reading *r, uint64_t length, bool wait) {
    r->first_room = length < FIRST_PIECE ? (size_t)length : FIRST_PIECE;
    r->first = malloc(r->first_room + 1); /* not cleared: what is given of it was read */
    return r->first ? (wait ? eg_content_reader_read : eg_content_reader_try)(r->reader, r->first, r->first_room, &r->first_len) : EG_ERR_NO_MEMORY;
}

/* Takes r when it answers. Headers are set after the first bytes were verified, so that an error has none of them. */
static eg_err respond(eg_request *rq, reading *r, const eg_inode *i) {
    eg_span span;
    bool partial = false;
    sums w = {false, false};
    EG_TRY(find_span(rq, i, &span, &partial));
    EG_TRY(wanted_sums(rq, &span, partial, &w));
    const bool wait = !rq->must_not_wait;
    if (!wait && (w.md5 || w.crc64)) {
        return EG_ERR_BUSY; /* up to 4 MiB are read for it */
    }
    EG_TRY(eg_encryption_problem(rq, (wait ? eg_content_reader_new : eg_content_reader_new_cached)(r->store, r->account, i, span, &r->reader)));
    if (w.md5 || w.crc64) {
        return respond_with_sum(rq, r, i, &span, &w);
    }
    EG_TRY(read_first(r, span.to - span.from, wait));
    EG_TRY(describe(rq, r, i, &span, partial));
    const eg_body_source source = {(int64_t)(span.to - span.from), source_read, source_close, r, source_try};
    /* Without a content type here it can't fail, and the source is taken in any case. */
    (void)eg_respond_source(rq, partial ? 206 : 200, NULL, source);
    return EG_OK;
}

static eg_err check(eg_request *rq, const eg_read_how *how, const eg_inode *i) {
    EG_TRY(eg_target_check_read(rq, i));
    if (i->kind == EG_KIND_FILE || how->directories) {
        return EG_OK;
    }
    return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "The path is a directory.");
}

eg_err eg_read_answer(eg_request *rq, const eg_read_how *how) {
    eg_target d;
    eg_inode i;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(hold_file(rq, &d, &i));
    reading *r = calloc(1, sizeof *r);
    if (!r) {
        eg_readers_leave(d.store->readers, &i.id);
        return EG_ERR_NO_MEMORY;
    }
    r->how = how;
    r->store = d.store;
    r->inode = i.id;
    if (rq->principal) {
        memcpy(r->job, rq->principal->job, sizeof r->job);
    }
    r->account = d.account;
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    eg_err e = check(rq, how, &i);
    if (e == EG_OK) {
        e = eg_encryption_customer_key(rq, &customer);
    }
    if (e == EG_OK) {
        e = eg_encryption_check(rq, &i, customer);
    }
    if (e == EG_OK) {
        e = respond(rq, r, &i);
    }
    if (e != EG_OK) {
        source_close(r);
    }
    return e;
}
