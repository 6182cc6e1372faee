/* An opened keeper directory: holds the keys and does what eg_keys asks for. */
#include "keeper_store.h"

#include "checkpoint_signer.h"
#include "data_key.h"
#include "keeper_file.h"
#include "key_list.h"
#include "key_ring.h"
#include "token_keys.h"

#include <embergate/clock.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define RINGS_MAX ((size_t)8192)
#define INSTALLATION_PURPOSE_MAX 64u

struct eg_keeper_store {
    int dir_fd;
    eg_secret *master;
    eg_secret *log_seed;
    pthread_rwlock_t tokens_lock; /* guards the keys that sign tokens */
    eg_token_keys *tokens;
    pthread_mutex_t checkpoint_lock;
    pthread_rwlock_t rings_lock; /* guards the two below; keys are used under it, so that a destroyed one is used by nobody */
    eg_key_ring *rings;
    size_t ring_count;
};

static eg_err read_sealed(eg_keeper_store *s, const char *name, eg_keeper_kind kind, eg_secret **ret, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *sealed = NULL;
    EG_TRY(eg_keeper_file_read(s->dir_fd, name, kind, &sealed, p));
    eg_err e = eg_keeper_unseal(s->master, kind, eg_str_bytes(eg_str_of(name)), eg_secret_bytes(sealed), ret);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper file \"%s\" is damaged, or sealed under another master key.", name);
}

static eg_err read_token_keys(eg_keeper_store *s, eg_token_keys **ret, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *plain = NULL;
    EG_TRY(read_sealed(s, EG_KEEPER_TOKEN_FILE, EG_KEEPER_TOKEN, &plain, p));
    const eg_err e = eg_token_keys_read(plain, ret);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper file \"%s\" holds no usable key.", EG_KEEPER_TOKEN_FILE);
}

static eg_err load(eg_keeper_store *s, eg_problem *p) {
    EG_TRY(eg_keeper_master_read(s->dir_fd, &s->master, p));
    EG_TRY(read_sealed(s, EG_KEEPER_LOG_FILE, EG_KEEPER_LOG, &s->log_seed, p));
    if (eg_secret_bytes(s->log_seed).len != 32) {
        return eg_fail(p, EG_ERR_CORRUPT, "The keeper file \"%s\" is damaged.", EG_KEEPER_LOG_FILE);
    }
    return read_token_keys(s, &s->tokens, p);
}

eg_err eg_keeper_store_open(const char *dir, eg_keeper_store **ret, eg_problem *p) {
    EG_CLEANUP(eg_keeper_store_close_p) eg_keeper_store *s = calloc(1, sizeof *s);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    s->dir_fd = -1;
    pthread_mutex_init(&s->checkpoint_lock, NULL);
    pthread_rwlock_init(&s->rings_lock, NULL);
    pthread_rwlock_init(&s->tokens_lock, NULL);
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
    while (s->rings) {
        eg_key_ring *next = s->rings->next;
        eg_key_ring_free(s->rings);
        s->rings = next;
    }
    eg_token_keys_free(s->tokens);
    eg_secret_free(s->log_seed);
    eg_secret_free(s->master);
    if (s->dir_fd >= 0) {
        close(s->dir_fd);
    }
    pthread_mutex_destroy(&s->checkpoint_lock);
    pthread_rwlock_destroy(&s->rings_lock);
    pthread_rwlock_destroy(&s->tokens_lock);
    free(s);
}

static const eg_key_ring *find_ring(const eg_keeper_store *s, eg_str tenant, eg_str name) {
    const eg_key_ring *r = s->rings;
    while (r && !(eg_str_is(tenant, r->tenant) && eg_str_is(name, r->name))) {
        r = r->next;
    }
    return r;
}

/* The lock is held for writing. A named key of a tenant whose own key was destroyed is destroyed too, whatever lies in its file. */
static eg_err load_ring(eg_keeper_store *s, eg_str tenant, eg_str name) {
    eg_key_ring *r = NULL;
    if (name.len > 0 && !find_ring(s, tenant, EG_LIT(""))) {
        EG_TRY(load_ring(s, tenant, EG_LIT("")));
    }
    if (find_ring(s, tenant, name)) {
        return EG_OK;
    }
    if (s->ring_count == RINGS_MAX) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(eg_key_ring_read(s->dir_fd, s->master, tenant, name, &r));
    r->next = s->rings;
    s->rings = r;
    s->ring_count++;
    return EG_OK;
}

/* On EG_OK the lock is held for reading, and the caller lets go. */
static eg_err hold_ring(eg_keeper_store *s, eg_str tenant, eg_str name, const eg_key_ring **ret) {
    for (;;) {
        pthread_rwlock_rdlock(&s->rings_lock);
        const eg_key_ring *r = find_ring(s, tenant, name);
        if (r) {
            *ret = r;
            return EG_OK;
        }
        pthread_rwlock_unlock(&s->rings_lock);
        pthread_rwlock_wrlock(&s->rings_lock);
        const eg_err e = load_ring(s, tenant, name);
        pthread_rwlock_unlock(&s->rings_lock);
        EG_TRY(e);
    }
}

static eg_err wrap(const eg_key_ring *ring, const eg_key_use *use, const eg_secret *key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    const eg_key_version *v = eg_key_ring_current(ring);
    EG_CLEANUP(eg_buf_done) eg_buf wrapped;
    eg_buf_init(&wrapped, EG_WRAPPED_KEY_MAX);
    EG_TRY(eg_data_key_wrap(&(eg_wrapping_key){v->key, v->number}, use, key, &wrapped));
    memcpy(ret_wrapped, wrapped.ptr, wrapped.len);
    *ret_n = wrapped.len;
    return EG_OK;
}

static eg_err new_data_key_under(void *ctx, const eg_key_use *use, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    eg_keeper_store *s = ctx;
    const eg_key_ring *ring = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = eg_secret_random(EG_KEY_LEN);
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(hold_ring(s, use->tenant, use->key, &ring));
    const eg_err e = wrap(ring, use, key, ret_wrapped, ret_n);
    pthread_rwlock_unlock(&s->rings_lock);
    EG_TRY(e);
    *ret_key = key;
    key = NULL;
    return EG_OK;
}

static eg_err new_data_keys(void *ctx, const eg_key_use *use, const eg_str *purposes, size_t n, eg_fresh_key *ret) {
    eg_err e = n > 0 && n <= EG_FRESH_KEYS_MAX ? EG_OK : EG_ERR_INVALID;
    size_t made = 0;
    while (e == EG_OK && made < n) {
        const eg_key_use one = {use->tenant, use->key, purposes[made]};
        e = new_data_key_under(ctx, &one, &ret[made].secret, ret[made].wrapped, &ret[made].wrapped_len);
        made += e == EG_OK;
    }
    while (e != EG_OK && made > 0) {
        made--;
        eg_secret_free(ret[made].secret);
        ret[made].secret = NULL;
    }
    return e;
}

static eg_err new_data_key(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    const eg_key_use use = {tenant, EG_LIT(""), purpose};
    return new_data_key_under(ctx, &use, ret_key, ret_wrapped, ret_n);
}

static eg_err unwrap(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    eg_keeper_store *s = ctx;
    const eg_key_ring *ring = NULL;
    const eg_key_version *v = NULL;
    eg_str name;
    uint32_t number;
    if (!eg_wrapped_key_head(wrapped, &name, &number) || !eg_key_name_ok(name)) {
        return EG_ERR_CORRUPT;
    }
    const eg_err held = hold_ring(s, tenant, name, &ring);
    if (held == EG_ERR_NOT_FOUND && name.len > 0) {
        return EG_ERR_CORRUPT; /* a name that the tenant never had */
    }
    EG_TRY(held);
    eg_err e = eg_key_ring_find(ring, number, &v);
    if (e == EG_OK) {
        e = eg_data_key_unwrap(v->key, tenant, purpose, wrapped, ret_key);
    }
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

static eg_err rewrap(void *ctx, const eg_key_use *use, eg_bytes wrapped, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    eg_keeper_store *s = ctx;
    const eg_key_ring *ring = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(unwrap(s, use->tenant, use->purpose, wrapped, &key));
    EG_TRY(hold_ring(s, use->tenant, use->key, &ring));
    const eg_err e = wrap(ring, use, key, ret_wrapped, ret_n);
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

static eg_err known_tenant(eg_keeper_store *s, eg_str tenant) {
    const eg_key_ring *ring = NULL;
    EG_TRY(hold_ring(s, tenant, EG_LIT(""), &ring));
    pthread_rwlock_unlock(&s->rings_lock);
    return EG_OK;
}

static eg_err make_key(void *ctx, eg_str tenant, eg_str name) {
    eg_keeper_store *s = ctx;
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *ring = NULL;
    if (name.len == 0 || !eg_key_name_ok(name)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(known_tenant(s, tenant));
    EG_TRY(eg_key_ring_new(tenant, name, eg_wall_ns(&eg_clock_system), &ring));
    pthread_rwlock_wrlock(&s->rings_lock);
    const eg_err e = eg_key_ring_exists(s->dir_fd, tenant, name) ? EG_ERR_EXISTS : eg_key_ring_write(s->dir_fd, s->master, ring, NULL);
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

/* A fresh copy of what lies on disk is changed, written, and only then takes the place of the one in memory. The lock is held for writing. */
static eg_err change_ring(eg_keeper_store *s, eg_str tenant, eg_str name, uint32_t retire_below, uint32_t *ret_current) {
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *r = NULL;
    EG_TRY(load_ring(s, tenant, name)); /* refuses what belongs to a destroyed tenant */
    EG_TRY(eg_key_ring_read(s->dir_fd, s->master, tenant, name, &r));
    if (retire_below == 0) {
        EG_TRY(eg_key_ring_rotate(r, eg_wall_ns(&eg_clock_system)));
    }
    for (size_t i = 0; i + 1 < r->count; i++) {
        r->versions[i].state = r->versions[i].number < retire_below ? EG_KEY_RETIRED : r->versions[i].state;
    }
    EG_TRY(eg_key_ring_write(s->dir_fd, s->master, r, NULL));
    eg_key_ring **at = &s->rings;
    while (!(eg_str_is(tenant, (*at)->tenant) && eg_str_is(name, (*at)->name))) {
        at = &(*at)->next;
    }
    eg_key_ring *old = *at;
    r->next = old->next;
    *at = r;
    *ret_current = eg_key_ring_current(r)->number;
    r = NULL;
    eg_key_ring_free(old);
    return EG_OK;
}

static eg_err rotate_key(void *ctx, eg_str tenant, eg_str name, uint32_t *ret_version) {
    eg_keeper_store *s = ctx;
    pthread_rwlock_wrlock(&s->rings_lock);
    const eg_err e = change_ring(s, tenant, name, 0, ret_version);
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

static eg_err retire_key(void *ctx, eg_str tenant, eg_str name, uint32_t below) {
    eg_keeper_store *s = ctx;
    uint32_t current = 0;
    if (below == 0) {
        return EG_ERR_INVALID;
    }
    pthread_rwlock_wrlock(&s->rings_lock);
    const eg_err e = change_ring(s, tenant, name, below, &current);
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

static eg_err list_keys(void *ctx, eg_str tenant, eg_buf *ret_json) {
    const eg_keeper_store *s = ctx;
    return eg_key_list(s->dir_fd, s->master, tenant, ret_json);
}

static eg_err destroy_tenant(void *ctx, eg_str tenant) {
    eg_keeper_store *s = ctx;
    pthread_rwlock_wrlock(&s->rings_lock);
    for (eg_key_ring **at = &s->rings; *at;) {
        eg_key_ring *r = *at;
        if (!eg_str_is(tenant, r->tenant)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        eg_key_ring_free(r);
        s->ring_count--;
    }
    const eg_err e = eg_key_ring_destroy(s->dir_fd, tenant, NULL);
    pthread_rwlock_unlock(&s->rings_lock);
    return e;
}

static eg_err sign_token(void *ctx, eg_str claims_json, eg_buf *ret) {
    eg_keeper_store *s = ctx;
    char tenant[EG_UUID_LEN];
    EG_TRY(eg_token_signer_check(claims_json, tenant));
    EG_TRY(known_tenant(s, eg_str_of(tenant))); /* no token for a tenant that has no key here */
    pthread_rwlock_rdlock(&s->tokens_lock);
    const eg_err e = eg_token_signer_sign(eg_token_keys_signing(s->tokens, eg_wall_s(&eg_clock_system)), claims_json, ret);
    pthread_rwlock_unlock(&s->tokens_lock);
    return e;
}

static eg_err token_keys(void *ctx, eg_buf *ret_jwks) {
    eg_keeper_store *s = ctx;
    pthread_rwlock_rdlock(&s->tokens_lock);
    const eg_err e = eg_token_keys_jwks(s->tokens, eg_wall_s(&eg_clock_system), ret_jwks);
    pthread_rwlock_unlock(&s->tokens_lock);
    return e;
}

static eg_err write_token_keys(const eg_keeper_store *s, const eg_token_keys *k) {
    EG_CLEANUP(eg_keeper_buf_done) eg_buf plain;
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&plain, 8192);
    eg_buf_init(&sealed, 16384);
    EG_TRY(eg_token_keys_write(k, &plain));
    EG_TRY(eg_keeper_seal(s->master, EG_KEEPER_TOKEN, eg_str_bytes(eg_str_of(EG_KEEPER_TOKEN_FILE)), eg_buf_bytes(&plain), &sealed));
    return eg_keeper_file_write(s->dir_fd, EG_KEEPER_TOKEN_FILE, EG_KEEPER_TOKEN, eg_buf_bytes(&sealed), NULL);
}

/* Durable before it counts: the file is replaced whole, and only then the keys in memory. The lock is held for writing. */
static eg_err change_token_keys(eg_keeper_store *s, uint32_t delay_s, bool end_old) {
    EG_CLEANUP(eg_token_keys_free_p) eg_token_keys *next = NULL;
    EG_TRY(eg_token_keys_rotate(s->tokens, eg_wall_s(&eg_clock_system), delay_s, end_old, &next));
    EG_TRY(write_token_keys(s, next));
    eg_token_keys *old = s->tokens;
    s->tokens = next;
    next = old;
    return EG_OK;
}

static eg_err rotate_token_key(void *ctx, uint32_t delay_s, bool end_old, eg_buf *ret_json) {
    eg_keeper_store *s = ctx;
    pthread_rwlock_wrlock(&s->tokens_lock);
    eg_err e = change_token_keys(s, delay_s, end_old);
    if (e == EG_OK) {
        e = eg_token_keys_json(s->tokens, eg_wall_s(&eg_clock_system), ret_json);
    }
    pthread_rwlock_unlock(&s->tokens_lock);
    return e;
}

static eg_err list_token_keys(void *ctx, eg_buf *ret_json) {
    eg_keeper_store *s = ctx;
    pthread_rwlock_rdlock(&s->tokens_lock);
    const eg_err e = eg_token_keys_json(s->tokens, eg_wall_s(&eg_clock_system), ret_json);
    pthread_rwlock_unlock(&s->tokens_lock);
    return e;
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

static eg_err recall_checkpoint(void *ctx, const eg_signed_checkpoint *c, bool remember, bool *ret_forgotten) {
    eg_keeper_store *s = ctx;
    eg_checkpoint_signer signer = checkpoint_signer(s);
    pthread_mutex_lock(&s->checkpoint_lock);
    eg_err e = eg_checkpoint_recall(&signer, c, remember, ret_forgotten);
    pthread_mutex_unlock(&s->checkpoint_lock);
    return e;
}

static eg_err log_public_key(void *ctx, eg_str origin, uint8_t ret_pub[32]) {
    eg_checkpoint_signer signer = checkpoint_signer(ctx);
    return eg_checkpoint_public_key(&signer, origin, ret_pub);
}

static eg_err sign_statement(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    eg_checkpoint_signer signer = checkpoint_signer(ctx);
    return eg_statement_sign(&signer, origin, body, ret_sig);
}

static eg_err installation_key(void *ctx, eg_str purpose, eg_secret **ret_key) {
    const eg_keeper_store *s = ctx;
    uint8_t key[EG_KEY_LEN];
    if (purpose.len == 0 || purpose.len > INSTALLATION_PURPOSE_MAX) {
        return EG_ERR_INVALID;
    }
    EG_TRY(eg_hkdf_sha256(eg_secret_bytes(s->master), eg_str_bytes(EG_LIT("embergate installation key v1")), eg_str_bytes(purpose), key, sizeof key));
    *ret_key = eg_secret_new(key, sizeof key);
    eg_cleanse(key, sizeof key);
    return *ret_key ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_keys eg_keeper_store_ops(eg_keeper_store *s) {
    return (eg_keys){
        .ctx = s,
        .new_data_key = new_data_key,
        .unwrap = unwrap,
        .sign_token = sign_token,
        .token_keys = token_keys,
        .rotate_token_key = rotate_token_key,
        .list_token_keys = list_token_keys,
        .sign_checkpoint = sign_checkpoint,
        .recall_checkpoint = recall_checkpoint,
        .log_public_key = log_public_key,
        .new_data_key_under = new_data_key_under,
        .new_data_keys = new_data_keys,
        .rewrap = rewrap,
        .make_key = make_key,
        .rotate_key = rotate_key,
        .retire_key = retire_key,
        .list_keys = list_keys,
        .destroy_tenant = destroy_tenant,
        .sign_statement = sign_statement,
        .installation_key = installation_key,
    };
}
