/* An opened keeper directory: holds the keys and does what eg_keys asks for. */
#include "keeper_store.h"

#include "checkpoint_signer.h"
#include "data_key.h"
#include "keeper_file.h"
#include "token_signer.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define TENANTS_MAX ((size_t)4096)

typedef struct tenant_key {
    char tenant[EG_UUID_LEN];
    eg_secret *key;
} tenant_key;

struct eg_keeper_store {
    int dir_fd;
    eg_secret *master;
    eg_secret *log_seed;
    eg_token_signer *signer;
    pthread_mutex_t checkpoint_lock;
    pthread_mutex_t tenants_lock; /* guards the two below; a key once loaded stays until the store is closed */
    tenant_key *tenants;
    size_t tenant_count;
};

static eg_err read_sealed(eg_keeper_store *s, const char *name, eg_keeper_kind kind, eg_secret **ret, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *sealed = NULL;
    EG_TRY(eg_keeper_file_read(s->dir_fd, name, kind, &sealed, p));
    eg_err e = eg_keeper_unseal(s->master, kind, eg_str_bytes(eg_str_of(name)), eg_secret_bytes(sealed), ret);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper file \"%s\" is damaged, or sealed under another master key.", name);
}

static eg_err load(eg_keeper_store *s, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *pem = NULL;
    EG_TRY(eg_keeper_master_read(s->dir_fd, &s->master, p));
    EG_TRY(read_sealed(s, EG_KEEPER_LOG_FILE, EG_KEEPER_LOG, &s->log_seed, p));
    if (eg_secret_bytes(s->log_seed).len != 32) {
        return eg_fail(p, EG_ERR_CORRUPT, "The keeper file \"%s\" is damaged.", EG_KEEPER_LOG_FILE);
    }
    EG_TRY(read_sealed(s, EG_KEEPER_TOKEN_FILE, EG_KEEPER_TOKEN, &pem, p));
    eg_err e = eg_token_signer_new(pem, &s->signer);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper file \"%s\" holds no usable key.", EG_KEEPER_TOKEN_FILE);
}

eg_err eg_keeper_store_open(const char *dir, eg_keeper_store **ret, eg_problem *p) {
    EG_CLEANUP(eg_keeper_store_close_p) eg_keeper_store *s = calloc(1, sizeof *s);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    s->dir_fd = -1;
    pthread_mutex_init(&s->checkpoint_lock, NULL);
    pthread_mutex_init(&s->tenants_lock, NULL);
    EG_TRY(eg_keeper_dir_open(dir, &s->dir_fd, p));
    EG_TRY(load(s, p));
    *ret = s;
    s = NULL;
    return EG_OK;
}

void eg_keeper_store_close(eg_keeper_store *s) {
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->tenant_count; i++) {
        eg_secret_free(s->tenants[i].key);
    }
    free(s->tenants);
    eg_token_signer_free(s->signer);
    eg_secret_free(s->log_seed);
    eg_secret_free(s->master);
    if (s->dir_fd >= 0) {
        close(s->dir_fd);
    }
    pthread_mutex_destroy(&s->checkpoint_lock);
    pthread_mutex_destroy(&s->tenants_lock);
    free(s);
}

/* The lock is held. */
static eg_err load_tenant(eg_keeper_store *s, eg_str tenant, const eg_secret **ret) {
    char name[EG_KEEPER_NAME_MAX];
    EG_TRY(eg_keeper_tenant_file(tenant, name));
    if (s->tenant_count == TENANTS_MAX) {
        return EG_ERR_LIMIT;
    }
    EG_CLEANUP(eg_secret_free_p) eg_secret *body = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(eg_keeper_file_read(s->dir_fd, name, EG_KEEPER_TENANT, &body, NULL));
    eg_bytes b = eg_secret_bytes(body);
    if (b.len == 4 && eg_get_u32(b.ptr) == 0) {
        return EG_ERR_KEY_DESTROYED; /* what destroying leaves behind */
    }
    if (b.len < 4 || eg_get_u32(b.ptr) != EG_TENANT_KEY_VERSION) {
        return EG_ERR_CORRUPT;
    }
    eg_bytes sealed = {b.ptr + 4, b.len - 4};
    EG_TRY(eg_keeper_unseal(s->master, EG_KEEPER_TENANT, eg_str_bytes(eg_str_of(name)), sealed, &key));
    if (eg_secret_bytes(key).len != EG_KEY_LEN) {
        return EG_ERR_CORRUPT;
    }
    tenant_key *grown = realloc(s->tenants, (s->tenant_count + 1) * sizeof *grown);
    if (!grown) {
        return EG_ERR_NO_MEMORY;
    }
    s->tenants = grown;
    tenant_key *t = &grown[s->tenant_count++];
    memcpy(t->tenant, tenant.ptr, EG_UUID_LEN - 1);
    t->tenant[EG_UUID_LEN - 1] = '\0';
    *ret = t->key = key;
    key = NULL;
    return EG_OK;
}

static eg_err tenant_key_of(eg_keeper_store *s, eg_str tenant, const eg_secret **ret) {
    const eg_secret *key = NULL;
    eg_err e = EG_OK;
    pthread_mutex_lock(&s->tenants_lock);
    for (size_t i = 0; i < s->tenant_count && !key; i++) {
        if (eg_str_is(tenant, s->tenants[i].tenant)) {
            key = s->tenants[i].key;
        }
    }
    if (!key) {
        e = load_tenant(s, tenant, &key);
    }
    pthread_mutex_unlock(&s->tenants_lock);
    EG_TRY(e);
    *ret = key;
    return EG_OK;
}

static eg_err new_data_key(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    const eg_secret *under = NULL;
    EG_TRY(tenant_key_of(ctx, tenant, &under));
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = eg_secret_random(EG_KEY_LEN);
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    EG_CLEANUP(eg_buf_done) eg_buf wrapped;
    eg_buf_init(&wrapped, EG_WRAPPED_KEY_MAX);
    EG_TRY(eg_data_key_wrap(under, tenant, purpose, key, &wrapped));
    memcpy(ret_wrapped, wrapped.ptr, wrapped.len);
    *ret_n = wrapped.len;
    *ret_key = key;
    key = NULL;
    return EG_OK;
}

static eg_err unwrap(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    const eg_secret *under = NULL;
    EG_TRY(tenant_key_of(ctx, tenant, &under));
    return eg_data_key_unwrap(under, tenant, purpose, wrapped, ret_key);
}

static eg_err sign_token(void *ctx, eg_str claims_json, eg_buf *ret) {
    eg_keeper_store *s = ctx;
    char tenant[EG_UUID_LEN];
    const eg_secret *known = NULL;
    EG_TRY(eg_token_signer_check(claims_json, tenant));
    EG_TRY(tenant_key_of(s, eg_str_of(tenant), &known)); /* no token for a tenant that has no key here */
    return eg_token_signer_sign(s->signer, claims_json, ret);
}

static eg_err token_keys(void *ctx, eg_buf *ret_jwks) {
    eg_keeper_store *s = ctx;
    return eg_token_signer_jwks(s->signer, ret_jwks);
}

static eg_checkpoint_signer checkpoint_signer(eg_keeper_store *s) {
    return (eg_checkpoint_signer){.dir_fd = s->dir_fd, .master = s->master, .seed = s->log_seed};
}

static eg_err sign_checkpoint(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    eg_keeper_store *s = ctx;
    eg_checkpoint_signer signer = checkpoint_signer(s);
    pthread_mutex_lock(&s->checkpoint_lock);
    eg_err e = eg_checkpoint_sign(&signer, origin, body, ret_sig);
    pthread_mutex_unlock(&s->checkpoint_lock);
    return e;
}

static eg_err log_public_key(void *ctx, eg_str origin, uint8_t ret_pub[32]) {
    eg_checkpoint_signer signer = checkpoint_signer(ctx);
    return eg_checkpoint_public_key(&signer, origin, ret_pub);
}

eg_keys eg_keeper_store_ops(eg_keeper_store *s) {
    return (eg_keys){
        .ctx = s,
        .new_data_key = new_data_key,
        .unwrap = unwrap,
        .sign_token = sign_token,
        .token_keys = token_keys,
        .sign_checkpoint = sign_checkpoint,
        .log_public_key = log_public_key,
    };
}
