/* The binary form in which journal and outbox hold a finished record. docs/AUDIT-LOG.md is its page. */
#include "envelope.h"

#define VERSION 1

static void put_field(eg_buf *b, eg_str s) {
    uint8_t n = (uint8_t)s.len;
    eg_buf_add(b, &n, 1);
    eg_buf_add(b, s.ptr, s.len);
}

eg_err eg_envelope_write(const eg_envelope *v, eg_buf *ret) {
    if (v->log.len > EG_LOG_ID_MAX || v->job.len > EG_AUDIT_JOB_MAX || v->actor.len > EG_AUDIT_ACTOR_MAX || v->line.len > EG_RECORD_MAX) {
        return EG_ERR_LIMIT;
    }
    uint8_t head[9] = {VERSION};
    uint8_t length[4];
    eg_put_u64(head + 1, (uint64_t)v->time_ns);
    eg_put_u32(length, (uint32_t)v->line.len);
    eg_buf_add(ret, head, sizeof head);
    put_field(ret, v->log);
    put_field(ret, v->job);
    put_field(ret, v->actor);
    eg_buf_add(ret, length, sizeof length);
    return eg_buf_add(ret, v->line.ptr, v->line.len);
}

static bool take(eg_bytes *rest, size_t n, const uint8_t **ret) {
    if (rest->len < n) {
        return false;
    }
    *ret = rest->ptr;
    rest->ptr += n;
    rest->len -= n;
    return true;
}

static bool take_field(eg_bytes *rest, size_t max, eg_str *ret) {
    const uint8_t *length;
    const uint8_t *text;
    if (!take(rest, 1, &length) || *length > max || !take(rest, *length, &text)) {
        return false;
    }
    *ret = (eg_str){(const char *)text, *length};
    return true;
}

eg_err eg_envelope_read(eg_bytes in, eg_envelope *ret) {
    eg_envelope v;
    const uint8_t *p;
    if (!take(&in, 1, &p)) {
        return EG_ERR_CORRUPT;
    }
    if (*p != VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    if (!take(&in, 8, &p)) {
        return EG_ERR_CORRUPT;
    }
    v.time_ns = (int64_t)eg_get_u64(p);
    if (!take_field(&in, EG_LOG_ID_MAX, &v.log) || !take_field(&in, EG_AUDIT_JOB_MAX, &v.job) || !take_field(&in, EG_AUDIT_ACTOR_MAX, &v.actor) ||
        !take(&in, 4, &p) || eg_get_u32(p) != in.len || in.len > EG_RECORD_MAX || !eg_log_id_valid(v.log)) {
        return EG_ERR_CORRUPT;
    }
    v.line = in;
    *ret = v;
    return EG_OK;
}

bool eg_log_id_valid(eg_str id) {
    if (id.len == 0 || id.len > EG_LOG_ID_MAX || id.ptr[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return true;
}
