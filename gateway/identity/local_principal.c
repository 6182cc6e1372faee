/* The records of local principals in the key-value store: added, found, disabled. */
#include "local_principal.h"

#include "revocation.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define RECORD_VERSION 1
#define RECORD_MAX ((size_t)2048)
#define SECRET_LEN 32
#define PASSWORD_BYTES_MIN 6u
#define KEY_MAX 192

static eg_bytes key_of(char key[KEY_MAX], const char *what, eg_str a, eg_str b) {
    int n = snprintf(key, KEY_MAX, "%s/%.*s/%.*s", what, EG_FMT(a), EG_FMT(b));
    return (eg_bytes){(const uint8_t *)key, n > 0 && n < KEY_MAX ? (size_t)n : 0};
}

static eg_bytes client_key(char key[KEY_MAX], eg_str client_id) {
    return key_of(key, "client", client_id, EG_LIT(""));
}

static int add_bytes(json_t *v, const char *name, const uint8_t *bytes, size_t n) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 64);
    return eg_base64url((eg_bytes){bytes, n}, &text) == EG_OK ? json_object_set_new(v, name, json_string(text.ptr)) : -1;
}

static eg_err write_record(const eg_local_principal *r, eg_buf *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf salt;
    EG_CLEANUP(eg_buf_done) eg_buf hash;
    eg_buf_init(&salt, 64);
    eg_buf_init(&hash, 64);
    EG_TRY(eg_base64url((eg_bytes){r->salt, sizeof r->salt}, &salt));
    EG_TRY(eg_base64url((eg_bytes){r->hash, sizeof r->hash}, &hash));
    EG_JSON_AUTO v = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s}", "v", RECORD_VERSION, "client_id", r->client_id, "object_id", r->object_id,
                               "tenant", r->tenant, "kind", eg_principal_kind_name(r->kind), "name", r->name, "disabled", (int)r->disabled,
                               "salt", salt.ptr, "hash", hash.ptr);
    if (v && r->emergency && (json_object_set_new(v, "emergency", json_true()) != 0 || json_object_set_new(v, "used", json_integer(r->used_s)) != 0)) {
        return EG_ERR_NO_MEMORY;
    }
    if (v && r->has_password && (add_bytes(v, "password_salt", r->password_salt, sizeof r->password_salt) != 0 ||
                                 add_bytes(v, "password_hash", r->password_hash, sizeof r->password_hash) != 0)) {
        return EG_ERR_NO_MEMORY;
    }
    return v ? eg_json_write(v, ret) : EG_ERR_NO_MEMORY;
}

static bool copy_member(const json_t *v, const char *name, char *to, size_t size) {
    eg_str s = eg_json_str(v, name);
    if (s.len == 0 || s.len >= size) {
        return false;
    }
    memcpy(to, s.ptr, s.len + 1);
    return true;
}

static bool copy_bytes(const json_t *v, const char *name, uint8_t *to, size_t size) {
    size_t n = 0;
    return eg_unbase64url(eg_json_str(v, name), to, size, &n) == EG_OK && n == size;
}

static eg_principal_kind kind_named(eg_str s) {
    if (eg_str_is(s, "user")) {
        return EG_PRINCIPAL_USER;
    }
    return eg_str_is(s, "service") ? EG_PRINCIPAL_SERVICE : EG_PRINCIPAL_NONE;
}

static eg_err read_record(eg_bytes value, eg_local_principal *ret) {
    EG_JSON_AUTO v = NULL;
    eg_local_principal r = {0};
    if (eg_json_parse(eg_bytes_str(value), RECORD_MAX, &v, NULL) != EG_OK) {
        return EG_ERR_CORRUPT;
    }
    const json_t *version = json_object_get(v, "v");
    if (!json_is_integer(version) || json_integer_value(version) != RECORD_VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    const json_t *disabled = json_object_get(v, "disabled");
    r.kind = kind_named(eg_json_str(v, "kind"));
    r.disabled = !json_is_false(disabled);
    r.emergency = json_object_get(v, "emergency") != NULL;
    r.used_s = json_integer_value(json_object_get(v, "used"));
    r.has_password = json_object_get(v, "password_hash") != NULL;
    if (r.has_password && (!copy_bytes(v, "password_salt", r.password_salt, sizeof r.password_salt) ||
                           !copy_bytes(v, "password_hash", r.password_hash, sizeof r.password_hash))) {
        return EG_ERR_CORRUPT;
    }
    if (!copy_member(v, "client_id", r.client_id, sizeof r.client_id) || !copy_member(v, "object_id", r.object_id, sizeof r.object_id) ||
        !copy_member(v, "tenant", r.tenant, sizeof r.tenant) || !copy_member(v, "name", r.name, sizeof r.name) ||
        !copy_bytes(v, "salt", r.salt, sizeof r.salt) || !copy_bytes(v, "hash", r.hash, sizeof r.hash) || !json_is_boolean(disabled) ||
        r.kind == EG_PRINCIPAL_NONE) {
        return EG_ERR_CORRUPT;
    }
    *ret = r;
    return EG_OK;
}

eg_err eg_local_principal_find_in(eg_kv_txn *t, eg_str client_id, eg_local_principal *ret) {
    char key[KEY_MAX];
    eg_bytes value;
    if (!eg_uuid_valid(client_id)) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(eg_kv_get(t, EG_DB_PRINCIPAL, client_key(key, client_id), &value));
    return read_record(value, ret);
}

eg_err eg_local_principal_find(eg_kv *kv, eg_str client_id, eg_local_principal *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(kv, &t));
    return eg_local_principal_find_in(t, client_id, ret);
}

eg_err eg_local_principal_each(eg_kv *kv, eg_err (*fn)(void *ctx, const eg_local_principal *r), void *ctx) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_kv_cursor *opened = NULL;
    eg_bytes key;
    eg_bytes value;
    eg_err e;
    EG_TRY(eg_kv_read_begin(kv, &t));
    EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, eg_str_bytes(EG_LIT("client/")), &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    /* Behind them stand their public keys (client_key.c). */
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK && eg_str_starts(eg_bytes_str(key), "client/")) {
        eg_local_principal r;
        EG_TRY(read_record(value, &r));
        EG_TRY(fn(ctx, &r));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

typedef struct search {
    eg_str tenant, name;
    eg_local_principal *ret;
    size_t found;
} search;

static eg_err match(void *ctx, const eg_local_principal *r) {
    search *s = ctx;
    if (eg_str_eq(s->tenant, eg_str_of(r->tenant)) && eg_str_eq(s->name, eg_str_of(r->name))) {
        *s->ret = *r;
        s->found++;
    }
    return EG_OK;
}

eg_err eg_local_principal_named(eg_kv *kv, eg_str tenant, eg_str name, eg_local_principal *ret) {
    search s = {.tenant = tenant, .name = name, .ret = ret};
    EG_TRY(eg_local_principal_each(kv, match, &s));
    return s.found == 1 ? EG_OK : s.found == 0 ? EG_ERR_NOT_FOUND : EG_ERR_EXISTS;
}

eg_err eg_local_principal_insert(eg_kv_txn *t, const eg_local_principal *r) {
    char key[KEY_MAX];
    EG_CLEANUP(eg_buf_done) eg_buf value;
    eg_buf_init(&value, RECORD_MAX);
    EG_TRY(write_record(r, &value));
    return eg_kv_put_new(t, EG_DB_PRINCIPAL, client_key(key, eg_str_of(r->client_id)), eg_buf_bytes(&value));
}

eg_err eg_local_principal_replace(eg_kv_txn *t, const eg_local_principal *r) {
    char key[KEY_MAX];
    EG_CLEANUP(eg_buf_done) eg_buf value;
    eg_buf_init(&value, RECORD_MAX);
    EG_TRY(write_record(r, &value));
    return eg_kv_put(t, EG_DB_PRINCIPAL, client_key(key, eg_str_of(r->client_id)), eg_buf_bytes(&value));
}

eg_err eg_local_principal_delete(eg_kv_txn *t, const eg_local_principal *r) {
    char key[KEY_MAX];
    return eg_kv_del(t, EG_DB_PRINCIPAL, client_key(key, eg_str_of(r->client_id)));
}

static eg_err add_record(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    return eg_local_principal_insert(t, ctx);
}

static bool name_valid(eg_str name) {
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) {
            return false;
        }
    }
    return name.len > 0 && name.len < sizeof ((eg_local_principal *)0)->name && eg_utf8_valid(name);
}

eg_err eg_local_principal_new_secret(eg_local_principal *r, eg_buf *ret) {
    uint8_t raw[SECRET_LEN];
    size_t before = ret->len;
    eg_random(raw, sizeof raw);
    eg_err e = eg_base64url((eg_bytes){raw, sizeof raw}, ret);
    eg_cleanse(raw, sizeof raw);
    EG_TRY(e);
    eg_random(r->salt, sizeof r->salt);
    eg_bytes secret = {(const uint8_t *)ret->ptr + before, ret->len - before};
    return eg_scrypt(secret, (eg_bytes){r->salt, sizeof r->salt}, r->hash, sizeof r->hash);
}

/* Blanks of any language are fine; what a terminal or a form would not hand over whole is not. */
static bool is_text(eg_bytes b, size_t *ret_characters) {
    size_t n = 0;
    for (size_t i = 0; i < b.len; i++) {
        if (b.ptr[i] < 0x20 || b.ptr[i] == 0x7f) {
            return false;
        }
        n += (b.ptr[i] & 0xc0) != 0x80;
    }
    *ret_characters = n;
    return eg_utf8_valid(eg_bytes_str(b));
}

static bool many_bytes(eg_bytes b) {
    bool seen[256] = {false};
    unsigned n = 0;
    for (size_t i = 0; i < b.len; i++) {
        n += !seen[b.ptr[i]];
        seen[b.ptr[i]] = true;
    }
    return n >= PASSWORD_BYTES_MIN;
}

static bool holds_name(eg_bytes password, eg_str name) {
    for (size_t i = 0; i + name.len <= password.len; i++) {
        if (eg_str_ieq((eg_str){(const char *)password.ptr + i, name.len}, name)) {
            return true;
        }
    }
    return false;
}

eg_err eg_local_principal_set_password(eg_local_principal *r, eg_bytes password, eg_problem *p) {
    size_t characters = 0;
    if (r->emergency) {
        return eg_fail(p, EG_ERR_INVALID, "A break-glass administrator has no password: what is behind glass is its secret.");
    }
    if (password.len > EG_PASSWORD_MAX || !is_text(password, &characters) || characters < EG_PASSWORD_MIN) {
        return eg_fail(p, EG_ERR_INVALID, "A password has at least %u characters and at most %zu bytes, without control characters.", EG_PASSWORD_MIN, EG_PASSWORD_MAX);
    }
    if (!many_bytes(password) || holds_name(password, eg_str_of(r->name))) {
        return eg_fail(p, EG_ERR_INVALID, "The password is too easy to guess: it holds the name, or fewer than %u different characters.", PASSWORD_BYTES_MIN);
    }
    eg_random(r->password_salt, sizeof r->password_salt);
    EG_TRY(eg_scrypt(password, (eg_bytes){r->password_salt, sizeof r->password_salt}, r->password_hash, sizeof r->password_hash));
    r->has_password = true;
    return EG_OK;
}

void eg_local_principal_drop_password(eg_local_principal *r) {
    r->has_password = false;
    eg_cleanse(r->password_salt, sizeof r->password_salt);
    eg_cleanse(r->password_hash, sizeof r->password_hash);
}

/* A record that can't be read is nobody's: it must not keep another one's revocation from being written. */
eg_err eg_local_principal_forget_password(eg_kv_txn *t, const char *tenant, const char *object_id) {
    eg_local_principal r, found = {.has_password = false};
    eg_bytes key, value;
    eg_err e;
    {
        EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
        EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, eg_str_bytes(EG_LIT("client/")), &c));
        while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK && eg_str_starts(eg_bytes_str(key), "client/")) {
            if (read_record(value, &r) == EG_OK && r.has_password && strcmp(r.tenant, tenant) == 0 && strcmp(r.object_id, object_id) == 0) {
                found = r;
            }
        }
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (!found.has_password) {
        return EG_OK;
    }
    eg_local_principal_drop_password(&found);
    return eg_local_principal_replace(t, &found);
}

eg_err eg_local_principal_init(eg_local_principal *ret, eg_str tenant, eg_str name, eg_principal_kind kind, eg_problem *p) {
    eg_local_principal r = {.kind = kind};
    if (!eg_uuid_valid(tenant)) {
        return eg_fail(p, EG_ERR_INVALID, "A tenant's id is a GUID.");
    }
    if (!name_valid(name)) {
        return eg_fail(p, EG_ERR_INVALID, "A principal's name is 1 to %zu bytes without control characters.", sizeof r.name - 1);
    }
    if (kind != EG_PRINCIPAL_USER && kind != EG_PRINCIPAL_SERVICE) {
        return eg_fail(p, EG_ERR_INVALID, "A local principal is a user or a service.");
    }
    memcpy(r.tenant, tenant.ptr, tenant.len);
    memcpy(r.name, name.ptr, name.len);
    eg_uuid_new(r.client_id);
    eg_uuid_new(r.object_id);
    *ret = r;
    return EG_OK;
}

eg_err eg_identity_add_local(eg_kv *kv, eg_committer *c, eg_str tenant, eg_str name, eg_principal_kind kind, char ret_client_id[EG_UUID_LEN],
                             char ret_object_id[EG_UUID_LEN], eg_buf *ret_secret, eg_problem *p) {
    (void)kv; /* written through the committer */
    eg_local_principal r;
    EG_TRY(eg_local_principal_init(&r, tenant, name, kind, p));
    EG_CLEANUP(eg_buf_done) eg_buf secret;
    eg_buf_init(&secret, 64);
    EG_TRY(eg_local_principal_new_secret(&r, &secret));
    eg_txn_op op = {add_record, &r};
    eg_err e = eg_commit(c, &op, 1, p);
    if (e == EG_OK) {
        e = eg_buf_add(ret_secret, secret.ptr, secret.len);
    }
    eg_cleanse(secret.ptr, secret.cap);
    EG_TRY(e);
    memcpy(ret_client_id, r.client_id, EG_UUID_LEN);
    memcpy(ret_object_id, r.object_id, EG_UUID_LEN);
    return EG_OK;
}

typedef struct disabling {
    eg_str client_id;
    int64_t now_s;
} disabling;

/* The record and the revocation of what was issued to it, together. */
static eg_err disable_record(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const disabling *d = ctx;
    eg_local_principal r;
    char key[KEY_MAX];
    eg_err e = eg_local_principal_find_in(t, d->client_id, &r);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_fail(p, e, "There is no local principal with this client id.");
    }
    EG_TRY(e);
    EG_CLEANUP(eg_buf_done) eg_buf value;
    eg_buf_init(&value, RECORD_MAX);
    r.disabled = true;
    EG_TRY(write_record(&r, &value));
    EG_TRY(eg_kv_put(t, EG_DB_PRINCIPAL, client_key(key, d->client_id), eg_buf_bytes(&value)));
    eg_revocation gone = {.kind = EG_REVOKE_PRINCIPAL, .before_s = d->now_s, .made_s = d->now_s, .reason = "disabled"};
    snprintf(gone.tenant, sizeof gone.tenant, "%s", r.tenant);
    snprintf(gone.id, sizeof gone.id, "%s", r.object_id);
    const eg_txn_op op = eg_revocation_put(&gone);
    return op.apply(t, op.ctx, p);
}

eg_err eg_identity_disable_local(eg_kv *kv, eg_committer *c, eg_str client_id, eg_problem *p) {
    (void)kv;
    disabling d = {client_id, eg_wall_s(&eg_clock_system)};
    eg_txn_op op = {disable_record, &d};
    return eg_commit(c, &op, 1, p);
}
