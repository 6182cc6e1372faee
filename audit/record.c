/* Encodes audit records as canonical lines of JSON, and seals what is personal in them. docs/AUDIT-RECORD.md is the schema. */
#include "record.h"

#include <embergate/encoding.h>
#include <inttypes.h>
#include <stdlib.h>

#include "json_text.h"

#define SECRET_MAX ((size_t)1 << 20) /* of a draft; what doesn't fit the record is cut when it is finished */
#define TAIL_MAX 96u                 /* ,"details_cut":true,"sealed":"" and the brace */
#define DAY_MS 86400000u

static const char base32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's */

static void new_id(int64_t time_ns, char ret[EG_RECORD_ID_LEN]) {
    uint8_t raw[16];
    uint64_t ms = (uint64_t)(time_ns / 1000000);
    eg_put_u64(raw, ms << 16);
    eg_random_public(raw + 6, 10);
    /* 128 bits in 26 digits: the first digit has 3. */
    unsigned bits = 2;
    unsigned value = 0;
    size_t out = 0;
    for (size_t i = 0; i < sizeof raw; i++) {
        value = value << 8 | raw[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            ret[out++] = base32[value >> bits & 31];
        }
        value &= 31;
    }
    ret[out] = '\0';
}

static uint64_t id_ms(eg_str id) {
    uint64_t ms = 0;
    for (size_t i = 0; i < 10 && i < id.len; i++) {
        const char *digit = memchr(base32, id.ptr[i], 32);
        ms = ms << 5 | (digit ? (uint64_t)(digit - base32) : 0);
    }
    return ms;
}

/* Fields of the open half, in the order of the schema. */

static void put_name(eg_buf *b, const char *name) {
    eg_buf_adds(b, b->ptr && b->ptr[b->len - 1] == '{' ? "\"" : ",\"");
    eg_buf_adds(b, name);
    eg_buf_adds(b, "\":");
}

static void put_text(eg_buf *b, const char *name, eg_str s, size_t max) {
    if (s.len > 0) {
        put_name(b, name);
        eg_json_text(b, s, max);
    }
}

static void put_number(eg_buf *b, const char *name, uint64_t n) {
    if (n > 0) {
        eg_buf_addf(b, ",\"%s\":%" PRIu64, name, n);
    }
}

static void put_time(eg_buf *b, const char *name, int64_t ns) {
    if (ns != 0) {
        char text[EG_RFC3339_LEN];
        eg_time_rfc3339(ns, text);
        put_name(b, name);
        eg_buf_adds(b, "\"");
        eg_buf_adds(b, text);
        eg_buf_adds(b, "\"");
    }
}

static void put_actor(eg_buf *b, const eg_principal *who) {
    if (!who) {
        return;
    }
    eg_buf_adds(b, ",\"actor\":{");
    put_text(b, "oid", eg_str_of(who->object_id), EG_AUDIT_ACTOR_MAX);
    put_text(b, "tenant", eg_str_of(who->tenant), 64);
    put_text(b, "kind", eg_str_of(eg_principal_kind_name(who->kind)), 16);
    put_text(b, "app", eg_str_of(who->app_id), 64);
    eg_buf_adds(b, "}");
}

static eg_err put_open_half(eg_audit_draft *d, const eg_audit_record *r, const eg_audit_extra *extra) {
    eg_buf *b = &d->open;
    eg_buf_addf(b, "{\"v\":1,\"id\":\"%s\"", d->id);
    put_time(b, "time", d->time_ns);
    put_text(b, "event", eg_str_of(r->event), 64);
    put_text(b, "outcome", eg_str_of(r->outcome), 16);
    put_text(b, "tenant", r->tenant, EG_LOG_ID_MAX);
    put_actor(b, r->actor);
    put_text(b, "on_behalf_of", r->on_behalf_of, 64);
    put_text(b, "acted_by", r->actor && r->actor->acting ? eg_str_of(r->actor->acting->text) : (eg_str){NULL, 0}, 128);
    put_text(b, "action", r->action, 256);
    put_text(b, "account", r->account, 64);
    put_text(b, "resource", r->resource, 4096);
    put_text(b, "job", r->job, EG_AUDIT_JOB_MAX);
    put_text(b, "rule", r->rule, 512);
    put_number(b, "policy_version", r->policy_version);
    put_text(b, "error", r->error == EG_OK ? (eg_str){NULL, 0} : eg_str_of(eg_err_code(r->error)), 64);
    put_number(b, "status", r->status > 0 ? (uint64_t)r->status : 0);
    put_text(b, "request_id", r->request_id, 64);
    put_text(b, "source", r->source_address, 64);
    put_text(b, "tls", r->tls, 96);
    put_number(b, "bytes", r->bytes);
    put_number(b, "count", r->count);
    if (extra) {
        put_time(b, "first", extra->first_ns);
        put_time(b, "last", extra->last_ns);
        if (extra->has_log_size) {
            eg_buf_addf(b, ",\"log_size\":%" PRIu64, extra->log_size);
        }
    }
    return b->err;
}

static eg_err put_secret_half(eg_audit_draft *d, const eg_audit_record *r) {
    bool named = r->actor && r->actor->name[0];
    if (!named && !r->details) {
        return EG_OK;
    }
    eg_buf_adds(&d->secret, "{");
    if (named) {
        put_text(&d->secret, "name", eg_str_of(r->actor->name), 256);
    }
    if (r->details) {
        size_t before = d->secret.len;
        eg_buf_addf(&d->secret, "%s\"details\":", named ? "," : "");
        if (eg_json_write(r->details, &d->secret) != EG_OK) { /* larger than any record: only said to be missing */
            d->secret.err = EG_OK;
            d->secret.len = before;
            eg_buf_addf(&d->secret, "%s\"details\":\"too large\"", named ? "," : "");
        }
    }
    return eg_buf_adds(&d->secret, "}");
}

static void copy_text(char *ret, size_t cap, eg_str s) {
    size_t n = s.len < cap ? s.len : cap - 1;
    if (n > 0) {
        memcpy(ret, s.ptr, n);
    }
    ret[n] = '\0';
}

eg_err eg_audit_draft_make(const eg_audit_record *r, const eg_audit_extra *extra, const eg_clock *clock, eg_audit_draft *ret) {
    eg_audit_draft d = {.time_ns = r->time_ns ? r->time_ns : eg_wall_ns(clock)};
    eg_str log = eg_log_id_valid(r->tenant) ? r->tenant : EG_LIT("server"); /* what is no tenant's is the server's */
    copy_text(d.log, sizeof d.log, log);
    copy_text(d.job, sizeof d.job, r->job);
    copy_text(d.actor, sizeof d.actor, r->actor ? eg_str_of(r->actor->object_id) : (eg_str){NULL, 0});
    new_id(d.time_ns, d.id);
    eg_buf_init(&d.open, EG_RECORD_MAX - TAIL_MAX);
    eg_buf_init(&d.secret, SECRET_MAX);
    eg_err e = put_open_half(&d, r, extra);
    if (e == EG_OK) {
        e = put_secret_half(&d, r);
    }
    if (e != EG_OK) {
        eg_audit_draft_done(&d);
        return e;
    }
    *ret = d;
    return EG_OK;
}

void eg_audit_draft_done(eg_audit_draft *d) {
    eg_buf_done(&d->open);
    if (d->secret.ptr) {
        eg_cleanse(d->secret.ptr, d->secret.len);
    }
    eg_buf_done(&d->secret);
}

/* The sealed half. */

/* One key a day, so that random nonces stay far from their limit (NIST SP 800-38D section 8.3: 2^32 uses of a key). */
static eg_err day_key(eg_bytes key, eg_str id, uint8_t ret[EG_KEY_LEN]) {
    char info[64];
    int n = snprintf(info, sizeof info, "embergate audit record day %" PRIu64, id_ms(id) / DAY_MS);
    return eg_hkdf_sha256(key, (eg_bytes){NULL, 0}, (eg_bytes){(const uint8_t *)info, (size_t)n}, ret, EG_KEY_LEN);
}

/* Bound to its record, so that a sealed half can't be moved to another one. */
static size_t associated(char *out, size_t cap, eg_str log, eg_str id) {
    int n = snprintf(out, cap, "embergate-audit-record/1\n%.*s\n%.*s\n", EG_FMT(log), EG_FMT(id));
    return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

static eg_err seal(eg_str log, eg_str id, eg_bytes key, eg_str secret, eg_buf *ret) {
    uint8_t day[EG_KEY_LEN];
    char ad[160];
    EG_TRY(day_key(key, id, day));
    eg_bytes bound = {(const uint8_t *)ad, associated(ad, sizeof ad, log, id)};
    eg_err e = eg_seal((eg_bytes){day, sizeof day}, bound, eg_str_bytes(secret), ret);
    eg_cleanse(day, sizeof day);
    return e;
}

/* Details that don't fit become the beginning of their text, so that the auditor sees what they were about. */
static eg_err cut_secret(eg_str secret, size_t room, eg_buf *ret) {
    eg_buf_adds(ret, "{\"details_text\":");
    eg_json_text(ret, secret, room > 64 ? room - 64 : 0);
    return eg_buf_adds(ret, "}");
}

static eg_err put_sealed(const eg_audit_draft *d, eg_bytes key, eg_buf *line) {
    size_t room = (EG_RECORD_MAX - TAIL_MAX - line->len) / 4 * 3;
    room = room > EG_SEALED_OVERHEAD ? room - EG_SEALED_OVERHEAD : 0;
    eg_str secret = eg_buf_str(&d->secret);
    EG_CLEANUP(eg_buf_done) eg_buf cut;
    eg_buf_init(&cut, EG_RECORD_MAX);
    if (secret.len > room) {
        EG_TRY(cut_secret(secret, room, &cut));
        secret = eg_buf_str(&cut);
        eg_buf_adds(line, ",\"details_cut\":true");
    }
    if (secret.len > room) {
        return EG_OK; /* not even a word fits */
    }
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&sealed, EG_RECORD_MAX);
    EG_TRY(seal(eg_str_of(d->log), eg_str_of(d->id), key, secret, &sealed));
    eg_buf_adds(line, ",\"sealed\":\"");
    eg_base64(eg_buf_bytes(&sealed), line);
    return eg_buf_adds(line, "\"");
}

eg_err eg_audit_draft_finish(const eg_audit_draft *d, eg_bytes key, eg_buf *ret_envelope) {
    EG_CLEANUP(eg_buf_done) eg_buf line;
    eg_buf_init(&line, EG_RECORD_MAX);
    EG_TRY(eg_buf_add(&line, d->open.ptr, d->open.len));
    if (d->secret.len > 0 && key.len == 0) {
        EG_TRY(eg_buf_adds(&line, ",\"sealed_omitted\":\"no key\""));
    } else if (d->secret.len > 0) {
        EG_TRY(put_sealed(d, key, &line));
    }
    EG_TRY(eg_buf_adds(&line, "}"));
    const eg_envelope v = {
        .time_ns = d->time_ns, .log = eg_str_of(d->log), .job = eg_str_of(d->job), .actor = eg_str_of(d->actor), .line = eg_buf_bytes(&line)};
    return eg_envelope_write(&v, ret_envelope);
}

eg_err eg_audit_unseal(const json_t *record, eg_str log, eg_bytes key, json_t **ret) {
    eg_str text = eg_json_str(record, "sealed");
    eg_str id = eg_json_str(record, "id");
    if (!text.ptr || !id.ptr) {
        return EG_ERR_NOT_FOUND;
    }
    if (key.len != EG_KEY_LEN) {
        return EG_ERR_KEY_DESTROYED;
    }
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    EG_CLEANUP(eg_buf_done) eg_buf plain;
    eg_buf_init(&sealed, EG_RECORD_MAX);
    eg_buf_init(&plain, EG_RECORD_MAX);
    char *out = NULL;
    size_t n = 0;
    uint8_t day[EG_KEY_LEN];
    char ad[160];
    EG_TRY(eg_buf_reserve(&sealed, text.len, &out));
    EG_TRY(eg_unbase64(text, (uint8_t *)out, text.len, &n));
    EG_TRY(day_key(key, id, day));
    eg_bytes bound = {(const uint8_t *)ad, associated(ad, sizeof ad, log, id)};
    eg_err e = eg_open_sealed((eg_bytes){day, sizeof day}, bound, (eg_bytes){(const uint8_t *)out, n}, &plain);
    eg_cleanse(day, sizeof day);
    EG_TRY(e);
    return eg_json_parse(eg_buf_str(&plain), EG_RECORD_MAX, ret, NULL);
}
