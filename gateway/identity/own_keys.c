/* Holds the key set of the gateway's own issuer, and replaces it whole. */
#include "own_keys.h"

#include <pthread.h>
#include <stdlib.h>

#define JWKS_MAX ((size_t)65536)
#define LOOK_NS ((int64_t)60 * 1000000000)
#define AGAIN_NS ((int64_t)10 * 1000000000) /* after one that failed */

struct eg_own_keys {
    const eg_keys *keys;
    eg_pool *pool;
    const eg_clock *clock;
    const eg_key_mark *mark;
    pthread_mutex_t reloading; /* one at a time, so that what was read first is not put in force last */
    pthread_mutex_t lock;      /* guards all below */
    pthread_cond_t idle;
    eg_jwk_set *set;
    eg_buf text;
    uint32_t generation;       /* atomic for readers */
    int64_t looked_ns;
    bool running;              /* a look in the pool */
};

eg_err eg_own_keys_open(const eg_own_keys_options *from, eg_own_keys **ret, eg_problem *p) {
    eg_own_keys *o = calloc(1, sizeof *o);
    if (!o) {
        return EG_ERR_NO_MEMORY;
    }
    o->keys = from->keys;
    o->pool = from->pool;
    o->clock = from->clock;
    o->mark = from->mark;
    pthread_mutex_init(&o->reloading, NULL);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->idle, NULL);
    eg_buf_init(&o->text, JWKS_MAX);
    const eg_err e = eg_own_keys_reload(o, p);
    if (e != EG_OK) {
        eg_own_keys_free(o);
        return e;
    }
    *ret = o;
    return EG_OK;
}

void eg_own_keys_free(eg_own_keys *o) {
    if (!o) {
        return;
    }
    pthread_mutex_lock(&o->lock);
    while (o->running) {
        pthread_cond_wait(&o->idle, &o->lock);
    }
    pthread_mutex_unlock(&o->lock);
    eg_jwk_set_unref(o->set);
    eg_buf_done(&o->text);
    pthread_cond_destroy(&o->idle);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->reloading);
    free(o);
}

eg_jwk_set *eg_own_keys_set(eg_own_keys *o) {
    pthread_mutex_lock(&o->lock);
    eg_jwk_set *set = eg_jwk_set_ref(o->set);
    pthread_mutex_unlock(&o->lock);
    return set;
}

uint32_t eg_own_keys_generation(eg_own_keys *o) {
    return __atomic_load_n(&o->generation, __ATOMIC_ACQUIRE);
}

eg_err eg_own_keys_text(eg_own_keys *o, eg_buf *ret) {
    pthread_mutex_lock(&o->lock);
    const eg_err e = eg_buf_add(ret, o->text.ptr, o->text.len);
    pthread_mutex_unlock(&o->lock);
    return e;
}

/* Takes both. */
static void replace(eg_own_keys *o, eg_jwk_set *set, eg_buf text) {
    pthread_mutex_lock(&o->lock);
    eg_jwk_set *old = o->set;
    eg_buf old_text = o->text;
    o->set = set;
    o->text = text;
    if (old) {
        __atomic_add_fetch(&o->generation, 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&o->lock);
    eg_jwk_set_unref(old);
    eg_buf_done(&old_text);
}

static eg_err read_keys(eg_own_keys *o, eg_buf *text, eg_problem *p) {
    bool ended = false;
    eg_err e = o->mark ? eg_key_mark_check(o->mark, &ended, p) : EG_OK;
    e = e == EG_OK ? o->keys->token_keys(o->keys->ctx, text) : e;
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper did not give the keys that verify the gateway's own tokens.");
}

eg_err eg_own_keys_reload(eg_own_keys *o, eg_problem *p) {
    eg_buf text;
    eg_jwk_set *set = NULL;
    eg_buf_init(&text, JWKS_MAX);
    pthread_mutex_lock(&o->reloading);
    eg_err e = read_keys(o, &text, p);
    const bool same = e == EG_OK && o->set && text.len == o->text.len && memcmp(text.ptr, o->text.ptr, text.len) == 0; /* only a reload changes it */
    if (e == EG_OK && !same) {
        e = eg_jwk_set_parse(eg_buf_str(&text), &set, p);
    }
    if (e == EG_OK && !same) {
        replace(o, set, text);
    } else {
        eg_buf_done(&text);
    }
    pthread_mutex_unlock(&o->reloading);
    return e;
}

static void look(void *arg) {
    eg_own_keys *o = arg;
    eg_problem p = {0};
    const eg_err e = eg_own_keys_reload(o, &p);
    pthread_mutex_lock(&o->lock);
    if (e != EG_OK) { /* the keeper is away: those that are there verify on */
        o->looked_ns = eg_mono_ns(o->clock) - LOOK_NS + AGAIN_NS;
    }
    o->running = false; /* last: eg_own_keys_free waits for it */
    pthread_cond_broadcast(&o->idle);
    pthread_mutex_unlock(&o->lock);
}

void eg_own_keys_tick(eg_own_keys *o) {
    pthread_mutex_lock(&o->lock);
    const int64_t now_ns = eg_mono_ns(o->clock);
    if (!o->running && now_ns - o->looked_ns >= LOOK_NS) {
        o->looked_ns = now_ns;
        o->running = eg_pool_submit(o->pool, look, o) == EG_OK;
    }
    pthread_mutex_unlock(&o->lock);
}
