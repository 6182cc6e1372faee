/* Rows of the database identity.revoked: what was issued to whom, or which token or job, is no longer good. */
#include "revocation.h"

#include <embergate/encoding.h>
#include <embergate/json.h>

#include <stdio.h>

#define KEY_MAX 192
#define HEAD_LEN 24 /* before, expires, made: u64 each, seconds since 1970 */
#define OLD_LEN 8   /* before alone: kept for ever */
#define TEXT_MAX ((size_t)2048)

static const char *const kinds[EG_REVOKE_COUNT] = {
    [EG_REVOKE_NONE] = "", [EG_REVOKE_PRINCIPAL] = "principal", [EG_REVOKE_TOKEN] = "token", [EG_REVOKE_JOB] = "job"};

const char *eg_revocation_kind_name(eg_revocation_kind k) {
    return k < EG_REVOKE_COUNT ? kinds[k] : "";
}

eg_revocation_kind eg_revocation_kind_named(eg_str name) {
    for (int k = EG_REVOKE_NONE + 1; k < EG_REVOKE_COUNT; k++) {
        if (eg_str_is(name, kinds[k])) {
            return (eg_revocation_kind)k;
        }
    }
    return EG_REVOKE_NONE;
}

static eg_bytes key_of(char key[KEY_MAX], eg_revocation_kind kind, const char *tenant, const char *id) {
    int n = snprintf(key, KEY_MAX, "%s/%s/%s", kinds[kind], tenant, id);
    return (eg_bytes){(const uint8_t *)key, n > 0 && n < KEY_MAX ? (size_t)n : 0};
}

/* A value that can't be read says that all is revoked, for ever. */
static int64_t before_of(eg_bytes value) {
    return value.len == OLD_LEN || value.len >= HEAD_LEN ? (int64_t)eg_get_u64(value.ptr) : INT64_MAX;
}

static int64_t expires_of(eg_bytes value) {
    return value.len >= HEAD_LEN ? (int64_t)eg_get_u64(value.ptr + 8) : INT64_MAX;
}

static eg_err find(eg_kv_txn *t, eg_revocation_kind kind, const char *tenant, const char *id, int64_t *ret_before) {
    char key[KEY_MAX];
    eg_bytes value;
    EG_TRY(eg_kv_get(t, EG_DB_REVOKED, key_of(key, kind, tenant, id), &value));
    *ret_before = before_of(value);
    return EG_OK;
}

/* An exchanged token ends with whoever acts, and with each token that was given for it. */
static eg_err check_actor(eg_kv_txn *t, const char *tenant, const eg_actor *a) {
    int64_t before = 0;
    eg_err e = find(t, EG_REVOKE_PRINCIPAL, tenant, a->object_id, &before);
    if (e == EG_OK && a->since_s <= before) {
        return EG_ERR_TOKEN_REVOKED;
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    e = find(t, EG_REVOKE_TOKEN, tenant, a->exchanged, &before);
    return e == EG_OK ? EG_ERR_TOKEN_REVOKED : e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_revocation_check(eg_kv_txn *t, const eg_principal *who, int64_t *ret_floor_s) {
    int64_t before = 0;
    eg_err e = find(t, EG_REVOKE_PRINCIPAL, who->tenant, who->object_id, &before);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (e == EG_OK && who->issued_s <= before) {
        return EG_ERR_TOKEN_REVOKED;
    }
    int64_t unused = 0;
    e = who->token_id[0] ? find(t, EG_REVOKE_TOKEN, who->tenant, who->token_id, &unused) : EG_ERR_NOT_FOUND;
    if (e != EG_ERR_NOT_FOUND) {
        return e == EG_OK ? EG_ERR_TOKEN_REVOKED : e;
    }
    for (size_t i = 0; who->acting && i < who->acting->count; i++) {
        EG_TRY(check_actor(t, who->tenant, &who->acting->actors[i]));
    }
    if (ret_floor_s) {
        *ret_floor_s = before;
    }
    return EG_OK;
}

eg_err eg_revocation_floor(eg_kv *kv, const char *tenant, const char *object_id, int64_t *ret_s) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    int64_t before = 0;
    EG_TRY(eg_kv_read_begin(kv, &t));
    eg_err e = find(t, EG_REVOKE_PRINCIPAL, tenant, object_id, &before);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    *ret_s = e == EG_OK ? before : 0;
    return EG_OK;
}

/* How many rows there are once those that have expired are gone. */
static eg_err drop_expired(eg_kv_txn *t, int64_t now_s, size_t *ret_left) {
    eg_kv_cursor *opened = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_REVOKED, (eg_bytes){NULL, 0}, &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    eg_bytes key;
    eg_bytes value;
    size_t left = 0;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK) {
        if (expires_of(value) < now_s) {
            EG_TRY(eg_kv_cursor_del(c));
        } else {
            left++;
        }
    }
    *ret_left = left;
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err put(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_revocation *r = ctx;
    char key[KEY_MAX];
    eg_bytes at = key_of(key, r->kind, r->tenant, r->id);
    int64_t there = 0;
    size_t left = 0;
    if (r->kind == EG_REVOKE_NONE || at.len == 0 || r->id[0] == '\0') {
        return eg_fail(p, EG_ERR_INVALID, "It is not said what is to be revoked.");
    }
    r->expires_s = (r->before_s > r->made_s ? r->before_s : r->made_s) + EG_REVOCATION_KEEP_S;
    EG_TRY(drop_expired(t, r->made_s, &left));
    const eg_err e = find(t, r->kind, r->tenant, r->id, &there);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (e == EG_OK && there > r->before_s) {
        r->before_s = there; /* never shortens another's revocation */
        r->expires_s = there > INT64_MAX - EG_REVOCATION_KEEP_S ? INT64_MAX : there + EG_REVOCATION_KEEP_S;
    } else if (e != EG_OK && left >= EG_REVOCATIONS_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "There are %u revocations already; disable the principal, or undo some.", EG_REVOCATIONS_MAX);
    }
    EG_CLEANUP(eg_buf_done) eg_buf value;
    EG_JSON_AUTO text = json_pack("{s:s,s:s}", "by", r->by, "reason", r->reason);
    uint8_t head[HEAD_LEN];
    eg_put_u64(head, (uint64_t)r->before_s);
    eg_put_u64(head + 8, (uint64_t)r->expires_s);
    eg_put_u64(head + 16, (uint64_t)r->made_s);
    eg_buf_init(&value, TEXT_MAX);
    EG_TRY(eg_buf_add(&value, head, sizeof head));
    EG_TRY(text ? eg_json_write(text, &value) : EG_ERR_INVALID);
    return eg_kv_put(t, EG_DB_REVOKED, at, eg_buf_bytes(&value));
}

eg_txn_op eg_revocation_put(eg_revocation *r) {
    return (eg_txn_op){.apply = put, .ctx = r};
}

static eg_err take_away(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const eg_revocation *r = ctx;
    char key[KEY_MAX];
    int64_t before = 0;
    const eg_err e = find(t, r->kind, r->tenant, r->id, &before);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_fail(p, e, "There is no such revocation.");
    }
    EG_TRY(e);
    return eg_kv_del(t, EG_DB_REVOKED, key_of(key, r->kind, r->tenant, r->id));
}

eg_txn_op eg_revocation_remove(eg_revocation *r) {
    return (eg_txn_op){.apply = take_away, .ctx = r};
}

static bool copy(eg_str s, char *to, size_t size) {
    if (s.len >= size) {
        return false;
    }
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    to[s.len] = '\0';
    return true;
}

static eg_revocation read_row(eg_bytes key, eg_bytes value) {
    eg_revocation r = {.before_s = before_of(value), .expires_s = expires_of(value)};
    eg_str rest = eg_bytes_str(key);
    const eg_revocation_kind kind = eg_revocation_kind_named(eg_str_cut(&rest, '/'));
    const eg_str tenant = rest.ptr ? eg_str_cut(&rest, '/') : EG_LIT("");
    if (copy(tenant, r.tenant, sizeof r.tenant) && rest.ptr && copy(rest, r.id, sizeof r.id)) {
        r.kind = kind;
    }
    if (value.len >= HEAD_LEN) {
        EG_JSON_AUTO text = NULL;
        r.made_s = (int64_t)eg_get_u64(value.ptr + 16);
        if (eg_json_parse((eg_str){(const char *)value.ptr + HEAD_LEN, value.len - HEAD_LEN}, TEXT_MAX, &text, NULL) == EG_OK) {
            (void)copy(eg_json_str(text, "by"), r.by, sizeof r.by);
            (void)copy(eg_json_str(text, "reason"), r.reason, sizeof r.reason);
        }
    }
    return r;
}

eg_err eg_revocation_each(eg_kv_txn *t, eg_err (*fn)(void *ctx, const eg_revocation *r), void *ctx) {
    eg_kv_cursor *opened = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_REVOKED, (eg_bytes){NULL, 0}, &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    eg_bytes key;
    eg_bytes value;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK) {
        const eg_revocation r = read_row(key, value);
        EG_TRY(fn(ctx, &r));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}
