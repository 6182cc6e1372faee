/* Salts of an account's keys in the store, and the keys that follow from them. */
#include "account_keys.h"

#include "record.h"

#include <stdio.h>

#define KEY_MAX (2 + EG_ACCOUNT_NAME_MAX)

typedef struct salts {
    int64_t created_ns[EG_ACCOUNT_SECRET_COUNT];
    uint8_t salt[EG_ACCOUNT_SECRET_COUNT][32];
} salts;

static eg_bytes key_of(const eg_account *a, uint8_t ret[KEY_MAX]) {
    const size_t n = strlen(a->name);
    ret[0] = 'k';
    ret[1] = '/';
    memcpy(ret + 2, a->name, n);
    return (eg_bytes){ret, 2 + n};
}

static eg_err read_salts(eg_kv_txn *t, const eg_account *a, salts *ret) {
    uint8_t key[KEY_MAX];
    eg_bytes stored;
    eg_record_reader r;
    salts s;
    EG_TRY(eg_kv_get(t, EG_DB_FS_ACCOUNT, key_of(a, key), &stored));
    EG_TRY(eg_record_open(a, EG_ROW_ACCOUNT_KEYS, key_of(a, key), stored, &r));
    for (size_t i = 0; i < EG_ACCOUNT_SECRET_COUNT; i++) {
        s.created_ns[i] = (int64_t)eg_record_get_u64(&r);
        const eg_bytes salt = eg_record_get_bytes(&r, sizeof s.salt[i]);
        if (salt.ptr) {
            memcpy(s.salt[i], salt.ptr, sizeof s.salt[i]);
        }
    }
    EG_TRY(eg_record_end(&r));
    *ret = s;
    return EG_OK;
}

static eg_err write_salts(eg_kv_txn *t, const eg_account *a, const salts *s) {
    uint8_t key[KEY_MAX];
    eg_buf b;
    eg_record_start(&b, 256);
    for (size_t i = 0; i < EG_ACCOUNT_SECRET_COUNT; i++) {
        eg_record_u64(&b, (uint64_t)s->created_ns[i]);
        eg_record_bytes(&b, (eg_bytes){s->salt[i], sizeof s->salt[i]});
    }
    eg_err e = eg_record_seal(a, EG_ROW_ACCOUNT_KEYS, key_of(a, key), &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_ACCOUNT, key_of(a, key), eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

static eg_err make(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_account_renewal *r = ctx;
    salts s;
    const eg_err e = read_salts(t, r->account, &s);
    if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    for (size_t i = 0; i < EG_ACCOUNT_SECRET_COUNT; i++) {
        s.created_ns[i] = r->now_ns;
        eg_random(s.salt[i], sizeof s.salt[i]);
    }
    return write_salts(t, r->account, &s);
}

static eg_err load(eg_storage *s, const eg_account *a, salts *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    return read_salts(t, a, ret);
}

eg_err eg_account_keys_ensure(eg_storage *s, const eg_account *a, eg_problem *p) {
    salts there;
    const eg_err e = load(s, a, &there);
    if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    eg_account_renewal r = {.account = a, .now_ns = eg_wall_ns(s->clock)};
    const eg_txn_op op = {make, &r};
    return eg_commit(s->committer, &op, 1, p);
}

eg_err eg_account_keys_get(eg_storage *s, const eg_account *a, eg_account_secret which, eg_secret **ret, int64_t *ret_created_ns) {
    salts there;
    char info[128];
    uint8_t key[EG_ACCOUNT_KEY_LEN];
    if (atomic_load(&a->destroyed)) {
        return EG_ERR_KEY_DESTROYED;
    }
    EG_TRY(load(s, a, &there));
    const int n = snprintf(info, sizeof info, "embergate storage account key %d of %s", (int)which, a->name);
    const eg_bytes about = {(const uint8_t *)info, (size_t)n};
    EG_TRY(eg_hkdf_sha256(eg_secret_bytes(a->mac_key), (eg_bytes){there.salt[which], sizeof there.salt[which]}, about, key, sizeof key));
    eg_secret *made = eg_secret_new(key, sizeof key);
    eg_cleanse(key, sizeof key);
    if (!made) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = made;
    *ret_created_ns = there.created_ns[which];
    return EG_OK;
}

static bool signed_with(const eg_secret *key, eg_str text, const uint8_t signature[EG_SHA256_LEN]) {
    uint8_t mine[EG_SHA256_LEN];
    eg_hmac_sha256((eg_bytes){eg_secret_bytes(key).ptr, EG_ACCOUNT_KEY_LEN}, eg_str_bytes(text), mine);
    const bool fits = eg_ct_eq(mine, signature, sizeof mine);
    eg_cleanse(mine, sizeof mine);
    return fits;
}

eg_err eg_account_keys_signed(eg_storage *s, const eg_account *a, eg_str text, const uint8_t signature[EG_SHA256_LEN], int *ret) {
    int found = 0;
    for (int i = 0; i < 2; i++) {
        EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
        int64_t created;
        EG_TRY(eg_account_keys_get(s, a, (eg_account_secret)(EG_ACCOUNT_KEY_1 + i), &key, &created));
        found = signed_with(key, text, signature) ? i + 1 : found;
    }
    *ret = found;
    return EG_OK;
}

const eg_account_rules *eg_account_keys_rules(const eg_storage *s, eg_str account) {
    for (size_t i = 0; i < s->rule_count; i++) {
        if (eg_str_is(account, s->rules[i].account)) {
            return &s->rules[i];
        }
    }
    return NULL;
}

eg_err eg_account_keys_allowed(const eg_storage *s, eg_str account, eg_problem *p) {
    const eg_account_rules *r = eg_account_keys_rules(s, account);
    return r && r->allow_shared_key ? EG_OK : eg_fail(p, EG_ERR_KEY_AUTH_OFF, "Key based authentication is not permitted on this storage account.");
}

eg_err eg_account_keys_renew_apply(eg_kv_txn *t, void *renewal, eg_problem *p) {
    (void)p;
    const eg_account_renewal *r = renewal;
    salts s;
    EG_TRY(read_salts(t, r->account, &s));
    s.created_ns[r->which] = r->now_ns;
    eg_random(s.salt[r->which], sizeof s.salt[r->which]);
    return write_salts(t, r->account, &s);
}
