/* Sums of a request's body beside its sealing. */
#include "request_body.h"

#include "crc64.h"
#include "md5_stream.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <stdlib.h>

typedef struct body {
    eg_upload *upload;         /* NULL: the body is empty */
    eg_md5_stream *md5;
    bool md5_sent;
    bool md5_known;
    bool crc64_sent;
    uint8_t want_md5[16];
    uint8_t got_md5[16];
    uint8_t want_crc64[8];
    uint64_t crc64;
} body;

static void free_body(void *state) {
    body *b = state;
    if (!b) {
        return;
    }
    eg_upload_free(b->upload);
    if (b->md5) {
        eg_md5_stream_free(b->md5);
    }
    free(b);
}

static eg_err read_sum(eg_request *rq, const char *header, uint8_t *ret, size_t len, bool *ret_sent) {
    const eg_str v = eg_request_header(rq, header);
    size_t n = 0;
    if (v.len > 0 && (eg_unbase64(v, ret, len, &n) != EG_OK || n != len)) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is not the base64 of %zu bytes.", header, len);
    }
    *ret_sent = v.len > 0;
    return EG_OK;
}

static eg_err wrong_md5(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_MD5_MISMATCH, "The MD5 value specified in the request did not match with the MD5 value "
        "calculated by the server.");
}

static eg_err wrong_crc64(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_CRC64_MISMATCH, "The CRC64 value specified in the request did not match with the CRC64 value "
        "calculated by the server.");
}

bool eg_body_from_source(const eg_request *rq) { return eg_request_header(rq, "x-ms-copy-source").len > 0; }

eg_err eg_body_begin(eg_request *rq, bool always_md5) {
    const bool pulled = eg_body_from_source(rq);
    if (pulled && rq->content_length != 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A copy has no body: Content-Length must be 0.");
    }
    body *b = calloc(1, sizeof *b);
    if (!b) {
        return EG_ERR_NO_MEMORY;
    }
    rq->state = b;
    rq->free_state = free_body;
    EG_TRY(read_sum(rq, "Content-MD5", b->want_md5, sizeof b->want_md5, &b->md5_sent));
    EG_TRY(read_sum(rq, "x-ms-content-crc64", b->want_crc64, sizeof b->want_crc64, &b->crc64_sent));
    if (b->md5_sent && b->crc64_sent) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "Content-MD5 and x-ms-content-crc64 can't be sent together.");
    }
    if (b->md5_sent || always_md5) {
        EG_TRY(eg_md5_stream_new(&b->md5));
    }
    if (rq->content_length == 0 && !pulled) {
        return EG_OK;
    }
    return eg_upload_begin(rq->room, rq->tenant, pulled ? -1 : rq->content_length, &b->upload, &rq->problem);
}

eg_err eg_body_add(eg_request *rq, eg_bytes chunk) {
    body *b = rq->state;
    if (chunk.len == 0) {
        return EG_OK;
    }
    if (b->md5) {
        EG_TRY(eg_md5_stream_add(b->md5, chunk));
    }
    if (b->crc64_sent) {
        b->crc64 = eg_crc64_add(b->crc64, chunk);
    }
    const eg_err e = b->upload ? eg_upload_add(b->upload, chunk) : EG_ERR_INTERNAL;
    return e == EG_ERR_LIMIT ? eg_fail(&rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "A body has at most 4000 MiB.") : e;
}

uint64_t eg_body_length(const eg_request *rq) {
    const body *b = rq->state;
    return b->upload ? eg_upload_plain(b->upload) : 0;
}

eg_err eg_body_check(eg_request *rq) {
    body *b = rq->state;
    uint8_t crc64[8];
    if (b->md5 && !b->md5_known) {
        EG_TRY(eg_md5_stream_end(b->md5, b->got_md5));
        b->md5_known = true;
    }
    if (b->md5_sent && memcmp(b->got_md5, b->want_md5, sizeof b->got_md5) != 0) {
        return wrong_md5(rq);
    }
    eg_crc64_bytes(b->crc64, crc64);
    if (b->crc64_sent && memcmp(crc64, b->want_crc64, sizeof crc64) != 0) {
        return wrong_crc64(rq);
    }
    return EG_OK;
}

const uint8_t *eg_body_md5(const eg_request *rq) {
    const body *b = rq->state;
    return b->md5_known ? b->got_md5 : NULL;
}

static eg_err sum_header(eg_request *rq, const char *name, eg_bytes sum) {
    eg_buf text;
    eg_buf_init(&text, 64);
    eg_err e = eg_base64(sum, &text);
    if (e == EG_OK) {
        e = eg_response_header(rq, name, "%.*s", EG_FMT(eg_buf_str(&text)));
    }
    eg_buf_done(&text);
    return e;
}

eg_err eg_body_answer_sums(eg_request *rq) {
    const body *b = rq->state;
    if (b->md5_known) {
        EG_TRY(sum_header(rq, "Content-MD5", (eg_bytes){b->got_md5, sizeof b->got_md5}));
    }
    return b->crc64_sent ? sum_header(rq, "x-ms-content-crc64", (eg_bytes){b->want_crc64, sizeof b->want_crc64}) : EG_OK;
}

eg_upload *eg_body_upload(eg_request *rq) {
    const body *b = rq->state;
    return b->upload;
}

eg_err eg_body_check_whole(eg_request *rq) {
    uint8_t want[16];
    uint8_t got[16];
    bool sent = false;
    EG_TRY(read_sum(rq, "Content-MD5", want, 16, &sent));
    eg_md5(rq->body, got);
    if (sent && memcmp(want, got, 16) != 0) {
        return wrong_md5(rq);
    }
    EG_TRY(read_sum(rq, "x-ms-content-crc64", want, 8, &sent));
    eg_crc64_bytes(eg_crc64_add(0, rq->body), got);
    return sent && memcmp(want, got, 8) != 0 ? wrong_crc64(rq) : EG_OK;
}
