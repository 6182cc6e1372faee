/* A key-value store, a keeper's keys and an identity over them, in a directory of their own. */
#ifndef EG_TEST_IDENTITY_FIXTURE_H
#define EG_TEST_IDENTITY_FIXTURE_H

#include "token_maker.h"

#include <embergate/identity.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define PUBLIC_URL "https://127.0.0.1:8443"
#define STORAGE_SCOPE "https%3A%2F%2Fstorage.azure.com%2F.default"

typedef struct fixture {
    char dir[64];
    eg_kv *kv;
    eg_committer *committer;
    eg_keys *keys;
    eg_pool *pool;
    eg_identity *identity;
    int64_t offset_s; /* added to the real time */
    eg_clock clock;
    char client_id[EG_UUID_LEN];
    char object_id[EG_UUID_LEN];
    char secret[64];
} fixture;

static inline int64_t fixture_wall(void *ctx) {
    return eg_wall_ns(&eg_clock_system) + ((fixture *)ctx)->offset_s * 1000000000;
}

static inline int64_t fixture_mono(void *ctx) {
    return eg_mono_ns(&eg_clock_system) + ((fixture *)ctx)->offset_s * 1000000000;
}

static inline int fixture_remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static const char *const fixture_tenants[] = {TENANT, OTHER_TENANT, NULL};

static inline eg_err fixture_open_identity(fixture *f, const eg_outside_issuer *issuers, size_t n) {
    eg_problem p = {0};
    eg_identity_options o = {
        .public_url = PUBLIC_URL "/",
        .tenants = fixture_tenants,
        .issuers = issuers,
        .issuer_count = n,
        .kv = f->kv,
        .committer = f->committer,
        .keys = f->keys,
        .pool = f->pool,
        .clock = &f->clock,
        .cache_entries = 256,
    };
    return eg_identity_open(&o, &f->identity, &p);
}

static inline int fixture_open(void **state) {
    fixture *f = calloc(1, sizeof *f);
    eg_problem p = {0};
    eg_buf text;
    char path[128];
    f->clock = (eg_clock){fixture_wall, fixture_mono, f};
    snprintf(f->dir, sizeof f->dir, "%s/eg-identity-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(f->dir));
    snprintf(path, sizeof path, "%s/keeper", f->dir);
    eg_buf_init(&text, 256);
    assert_int_equal(eg_keeper_init(path, &text, &p), EG_OK);
    assert_int_equal(eg_keeper_add_tenant(path, EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_keeper_add_tenant(path, EG_LIT(OTHER_TENANT), &p), EG_OK);
    assert_int_equal(eg_keeper_open_local(path, &f->keys, &p), EG_OK);
    snprintf(path, sizeof path, "%s/kv", f->dir);
    eg_kv_options kv = {.dir = path, .no_sync = true};
    assert_int_equal(eg_kv_open(&kv, &f->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(f->kv, &f->committer), EG_OK);
    assert_int_equal(eg_pool_start(4, 64, &f->pool), EG_OK);
    eg_buf_reset(&text);
    assert_int_equal(eg_identity_add_local(f->kv, f->committer, EG_LIT(TENANT), EG_LIT("loader"), EG_PRINCIPAL_SERVICE, f->client_id, f->object_id,
                                           &text, &p), EG_OK);
    snprintf(f->secret, sizeof f->secret, "%s", text.ptr);
    eg_buf_done(&text);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state) {
    fixture *f = *state;
    eg_pool_stop(f->pool);
    eg_identity_close(f->identity);
    eg_committer_stop(f->committer);
    eg_kv_close(f->kv);
    eg_keeper_local_free(f->keys);
    nftw(f->dir, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* A token of the gateway's own issuer with these further claims ("" or ",…"), signed by the keeper. */
static inline void fixture_token(const fixture *f, const char *aud, const char *more, eg_buf *out) {
    eg_buf claims;
    long now = (long)eg_wall_s(&f->clock);
    eg_buf_init(&claims, 12288);
    eg_buf_reset(out);
    eg_buf_addf(&claims, "{\"iss\":\"" PUBLIC_URL "/" TENANT "/v2.0\",\"aud\":\"%s\",\"iat\":%ld,\"nbf\":%ld,\"exp\":%ld,\"tid\":\"" TENANT
                         "\",\"oid\":\"%s\",\"sub\":\"%s\",\"idtyp\":\"app\"%s}", aud, now, now, now + 3600, f->object_id, f->object_id, more);
    assert_int_equal(f->keys->sign_token(f->keys->ctx, eg_buf_str(&claims), out), EG_OK);
    eg_buf_done(&claims);
}

static inline eg_err fixture_verify(fixture *f, eg_str token, eg_audience aud) {
    eg_principal *who = NULL;
    eg_problem p = {0};
    eg_err e = eg_identity_verify(f->identity, token, &(eg_token_use){.audience = aud}, &who, &p);
    if (e == EG_OK) {
        assert_string_equal(who->tenant, TENANT);
    } else {
        assert_null(who);
    }
    eg_principal_unref(who);
    return e;
}

#endif
