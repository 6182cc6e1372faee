/* How handlers read a request and fill its response. */
#include <embergate/http.h>

#include <embergate/encoding.h>

#include "arena_holds.h"

#include <stdarg.h>
#include <stdio.h>

#define JSON_BODY_MAX ((size_t)16 << 20)

eg_str eg_request_header(const eg_request *rq, const char *name) {
    const eg_str wanted = eg_str_of(name);
    for (size_t i = 0; i < rq->header_count; i++) {
        if (eg_str_ieq(rq->headers[i].name, wanted)) {
            return rq->headers[i].value;
        }
    }
    return (eg_str){NULL, 0};
}

eg_err eg_request_query(eg_request *rq, const char *name, eg_str *ret) {
    return eg_query_get(rq->arena, rq->query, name, ret);
}

/* RFC 9110 section 5.5: no control characters; CR and LF would begin another header. */
static bool value_is_safe(eg_str v) {
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* A header that is there already is replaced. */
static eg_err set_header(eg_response *r, const char *name, eg_str value) {
    const eg_str wanted = eg_str_of(name);
    for (size_t i = 0; i < r->header_count; i++) {
        if (eg_str_ieq(eg_str_of(r->headers[i].name), wanted)) {
            r->headers[i].value = value;
            return EG_OK;
        }
    }
    if (r->header_count == EG_RESPONSE_HEADERS_MAX) {
        return EG_ERR_LIMIT;
    }
    r->headers[r->header_count].name = name;
    r->headers[r->header_count].value = value;
    r->header_count++;
    return EG_OK;
}

eg_err eg_response_header(eg_request *rq, const char *static_name, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    eg_str value;
    if (!strchr(fmt, '%')) {
        value = eg_arena_str(rq->arena, eg_str_of(fmt));
    } else if (strcmp(fmt, "%s") == 0) {
        value = eg_arena_str(rq->arena, eg_str_of(va_arg(args, const char *)));
    } else {
        value = eg_arena_vprintf(rq->arena, fmt, args);
    }
    va_end(args);
    if (!value.ptr) {
        return EG_ERR_LIMIT;
    }
    return value_is_safe(value) ? set_header(&rq->response, static_name, value) : EG_ERR_INVALID;
}

static void set_body(eg_response *r, int status, eg_bytes bytes) {
    r->status = status;
    r->bytes = bytes;
    r->has_source = false;
    r->head_length = -1;
}

static eg_err set_type(eg_request *rq, const char *content_type) {
    return content_type ? eg_response_header(rq, "Content-Type", "%s", content_type) : EG_OK;
}

eg_err eg_respond_empty(eg_request *rq, int status) {
    set_body(&rq->response, status, (eg_bytes){NULL, 0});
    rq->ops->respond(rq);
    return EG_OK;
}

eg_err eg_respond_bytes(eg_request *rq, int status, const char *content_type, eg_bytes body) {
    EG_TRY(set_type(rq, content_type));
    if (body.len > 0 && !eg_arena_holds(rq->arena, body)) {
        uint8_t *copy = eg_arena_alloc(rq->arena, body.len);
        if (!copy) {
            return EG_ERR_LIMIT;
        }
        memcpy(copy, body.ptr, body.len);
        body.ptr = copy;
    }
    set_body(&rq->response, status, body);
    rq->ops->respond(rq);
    return EG_OK;
}

eg_err eg_respond_owned(eg_request *rq, int status, const char *content_type, eg_buf *taken) {
    eg_err e = taken->err != EG_OK ? taken->err : set_type(rq, content_type);
    if (e != EG_OK) {
        eg_buf_done(taken);
        return e;
    }
    eg_buf_done(&rq->response.owned);
    rq->response.owned = *taken;
    *taken = (eg_buf){0};
    set_body(&rq->response, status, eg_buf_bytes(&rq->response.owned));
    rq->ops->respond(rq);
    return EG_OK;
}

eg_err eg_respond_json(eg_request *rq, int status, json_t *taken) {
    eg_buf text;
    eg_buf_init(&text, JSON_BODY_MAX);
    eg_err e = taken ? eg_json_write(taken, &text) : EG_ERR_NO_MEMORY;
    json_decref(taken);
    if (e != EG_OK) {
        eg_buf_done(&text);
        return e;
    }
    return eg_respond_owned(rq, status, "application/json", &text);
}

eg_err eg_respond_source(eg_request *rq, int status, const char *content_type, eg_body_source source) {
    eg_err e = set_type(rq, content_type);
    if (e != EG_OK) {
        if (source.close) {
            source.close(source.ctx);
        }
        return e;
    }
    set_body(&rq->response, status, (eg_bytes){NULL, 0});
    rq->response.has_source = true;
    rq->response.source = source;
    rq->ops->respond(rq);
    return EG_OK;
}

eg_err eg_respond_head(eg_request *rq, int status, const char *content_type, int64_t length) {
    EG_TRY(set_type(rq, content_type));
    set_body(&rq->response, status, (eg_bytes){NULL, 0});
    rq->response.head_length = length;
    rq->ops->respond(rq);
    return EG_OK;
}
