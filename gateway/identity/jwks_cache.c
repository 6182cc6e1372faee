/* The keys of one outside issuer, fetched in the pool at most once a minute. */
#include "jwks_cache.h"

#include "https_fetch.h"
#include "waiters.h"

#include <embergate/audit.h>
#include <embergate/metrics.h>

#include <openssl/evp.h>

#include <pthread.h>
#include <stdlib.h>

#define SECOND ((int64_t)1000000000)
#define REFETCH_NS (60 * SECOND)       /* for an unknown kid: a sender of invented ones must not make us hammer the provider */
#define RETRY_NS (10 * SECOND)         /* while there are no keys at all */
#define REFRESH_NS (3600 * SECOND)     /* so that a key that was withdrawn goes within the hour */
#define DISCOVERY_MAX ((size_t)1 << 20)

struct eg_jwks_cache {
    const eg_outside_issuer *issuer;
    eg_pool *pool;
    const eg_clock *clock;
    struct eg_audit *audit;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t idle;
    eg_jwk_set *set;
    uint32_t generation;  /* atomic for readers */
    int64_t grace_ends_ns; /* the next time that a withdrawn key goes; INT64_MAX = none. Atomic for readers */
    int64_t fetched_ns;    /* with set */
    int64_t tried_ns;
    bool tried;
    bool fetching;        /* a fetch whose waiters were not called yet */
    unsigned running;     /* fetches that still touch this object */
    eg_err failed;        /* of the last fetch; EG_OK also before the first */
    eg_waiter *waiters;
    size_t waiting;       /* also those that are just being called */
};

eg_err eg_jwks_cache_new(const eg_outside_issuer *issuer, eg_pool *pool, const eg_clock *clock, struct eg_audit *audit, eg_jwks_cache **ret) {
    eg_jwks_cache *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->issuer = issuer;
    c->pool = pool;
    c->clock = clock;
    c->audit = audit;
    c->grace_ends_ns = INT64_MAX;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    *ret = c;
    return EG_OK;
}

void eg_jwks_cache_free(eg_jwks_cache *c) {
    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    while (c->running > 0) {
        pthread_cond_wait(&c->idle, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    eg_jwk_set_unref(c->set);
    pthread_cond_destroy(&c->idle);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* OpenID Connect Discovery 1.0 section 4.3: the document must say that it is this issuer's. */
static eg_err read_discovery(const eg_outside_issuer *o, eg_str text, char **ret_jwks_uri, eg_problem *p) {
    EG_JSON_AUTO doc = NULL;
    EG_TRY(eg_json_parse(text, DISCOVERY_MAX, &doc, p));
    if (!eg_str_is(eg_json_str(doc, "issuer"), o->issuer)) {
        return eg_fail(p, EG_ERR_INVALID, "The discovery document at %s is another issuer's.", o->discovery_url);
    }
    eg_str uri = eg_json_str(doc, "jwks_uri");
    if (uri.len == 0 || uri.len > 2048 || !eg_https_same_host(uri.ptr, o->discovery_url)) {
        return eg_fail(p, EG_ERR_INVALID, "The discovery document at %s names keys that are not on its own host by https.", o->discovery_url);
    }
    char *copy = strdup(uri.ptr);
    if (!copy) {
        return EG_ERR_NO_MEMORY;
    }
    *ret_jwks_uri = copy;
    return EG_OK;
}

static void free_text(char **p) {
    free(*p);
}

static eg_err fetch_keys(const eg_outside_issuer *o, eg_jwk_set **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(free_text) char *jwks_uri = NULL;
    eg_buf_init(&text, DISCOVERY_MAX);
    EG_TRY(eg_https_fetch(o->discovery_url, o->ca_file, &text, p));
    EG_TRY(read_discovery(o, eg_buf_str(&text), &jwks_uri, p));
    eg_buf_reset(&text);
    EG_TRY(eg_https_fetch(jwks_uri, o->ca_file, &text, p));
    return eg_jwk_set_parse(eg_buf_str(&text), ret, p);
}

static bool same_keys(const eg_jwk_set *a, const eg_jwk_set *b) {
    if (!a || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const eg_jwk *k = eg_jwk_set_find(b, eg_str_of(a->keys[i].kid));
        if (!k || k->alg != a->keys[i].alg || EVP_PKEY_eq(k->key, a->keys[i].key) != 1) {
            return false;
        }
    }
    return true;
}

/* The lock is held. */
static void put_in_force(eg_jwks_cache *c, eg_jwk_set *set) {
    int64_t ends_ns = INT64_MAX;
    for (size_t i = 0; i < set->count; i++) {
        const int64_t until = set->keys[i].good_until_ns;
        ends_ns = until && until < ends_ns ? until : ends_ns;
    }
    c->set = set;
    __atomic_store_n(&c->grace_ends_ns, ends_ns, __ATOMIC_RELEASE);
}

/* The lock is held. What a provider left out, by mistake or because it signs with the next one already, verifies for its grace. Takes fresh; gives what to drop. */
static eg_jwk_set *replace_keys(eg_jwks_cache *c, eg_jwk_set *fresh) {
    const int64_t now_ns = eg_mono_ns(c->clock);
    eg_jwk_set *old = c->set;
    eg_jwk_set *kept = old && c->issuer->key_grace_s ? eg_jwk_set_keep(fresh, old, now_ns, now_ns + c->issuer->key_grace_s * SECOND) : NULL;
    if (kept) {
        eg_jwk_set_unref(fresh);
        fresh = kept;
    }
    if (!same_keys(old, fresh)) {
        __atomic_add_fetch(&c->generation, 1, __ATOMIC_RELEASE);
    }
    c->fetched_ns = now_ns;
    put_in_force(c, fresh);
    return old;
}

/* The lock is held. The end of a grace is a change of keys like any other. */
static void end_grace(eg_jwks_cache *c) {
    static const eg_jwk_set none;
    const int64_t now_ns = eg_mono_ns(c->clock);
    if (now_ns < c->grace_ends_ns) {
        return;
    }
    eg_jwk_set *old = c->set;
    eg_jwk_set *left = eg_jwk_set_keep(&none, old, now_ns, INT64_MAX);
    if (!left) {
        return; /* without memory nothing verifies anyway */
    }
    for (size_t i = 0; i < left->count; i++) {
        left->keys[i].good_until_ns = left->keys[i].good_until_ns == INT64_MAX ? 0 : left->keys[i].good_until_ns;
    }
    put_in_force(c, left);
    __atomic_add_fetch(&c->generation, 1, __ATOMIC_RELEASE);
    eg_jwk_set_unref(old);
}

/* A provider that is away, one that is back, and other keys than before: each is told once. */
static void record(const eg_jwks_cache *c, size_t keys, eg_err e) {
    EG_JSON_AUTO details = json_pack("{s:s,s:I}", "discoveryUrl", c->issuer->discovery_url, "keys", (json_int_t)keys);
    const eg_audit_record r = {.tenant = eg_str_of(c->issuer->tenant), .event = "identity.keys.read", .outcome = e == EG_OK ? "allowed" : "failed",
                               .resource = eg_str_of(c->issuer->issuer), .error = e, .details = details};
    eg_audit_note(c->audit, &r);
}

/* In the pool. A failed fetch leaves the keys that are there. */
static void fetch_task(void *arg) {
    eg_jwks_cache *c = arg;
    eg_problem p = {0};
    eg_jwk_set *fresh = NULL;
    eg_metric_add(EG_METRIC_JWKS_FETCHES, 1);
    eg_err e = fetch_keys(c->issuer, &fresh, &p);
    if (e != EG_OK) {
        eg_metric_add(EG_METRIC_JWKS_FETCH_FAILED, 1);
    }
    pthread_mutex_lock(&c->lock);
    eg_jwk_set *old = NULL;
    const uint32_t before = c->generation;
    if (e == EG_OK) {
        old = replace_keys(c, fresh);
    }
    const bool news = e != c->failed || before != c->generation;
    const size_t keys = c->set ? c->set->count : 0;
    c->failed = e;
    c->tried_ns = eg_mono_ns(c->clock);
    c->tried = true;
    c->fetching = false; /* with the list taken below, so that nobody joins a list that was called already */
    eg_waiter *waiters = c->waiters;
    c->waiters = NULL;
    pthread_mutex_unlock(&c->lock);
    eg_jwk_set_unref(old);
    if (news) {
        record(c, keys, e);
    }
    const size_t called = eg_waiters_call(waiters);
    pthread_mutex_lock(&c->lock);
    c->waiting -= called;
    c->running--; /* last: eg_jwks_cache_free waits for it */
    pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
}

/* The lock is held. */
static eg_err begin_fetch(eg_jwks_cache *c) {
    if (c->fetching) {
        return EG_OK;
    }
    EG_TRY(eg_pool_submit(c->pool, fetch_task, c) == EG_OK ? EG_OK : EG_ERR_UNAVAILABLE);
    c->fetching = true;
    c->running++;
    return EG_OK;
}

/* The lock is held. */
static eg_err find_locked(eg_jwks_cache *c, eg_str kid, eg_problem *p) {
    end_grace(c);
    int64_t age = eg_mono_ns(c->clock) - c->tried_ns;
    if (c->set && eg_jwk_set_find(c->set, kid)) {
        if (age >= REFRESH_NS) {
            (void)begin_fetch(c); /* in the background; what is there serves on */
        }
        return EG_OK;
    }
    if (c->fetching || !c->tried || age >= (c->set ? REFETCH_NS : RETRY_NS)) {
        return EG_ERR_BUSY;
    }
    if (!c->set) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "The keys of the token's issuer could not be fetched.");
    }
    return eg_fail(p, EG_ERR_TOKEN_KEY_UNKNOWN, "The token's issuer has no key with the id that the token names.");
}

eg_err eg_jwks_cache_find(eg_jwks_cache *c, eg_str kid, void (*later)(void *), void *later_ctx, eg_jwk_set **ret_set, uint32_t *ret_generation,
                          eg_problem *p) {
    pthread_mutex_lock(&c->lock);
    eg_err e = find_locked(c, kid, p);
    if (e == EG_OK) {
        *ret_set = eg_jwk_set_ref(c->set);
        *ret_generation = c->generation;
    } else if (e == EG_ERR_BUSY) {
        eg_err began = begin_fetch(c);
        if (began == EG_OK) {
            began = eg_waiters_add(&c->waiters, &c->waiting, later, later_ctx);
        }
        if (began != EG_OK) {
            e = eg_fail(p, EG_ERR_UNAVAILABLE, "The keys of the token's issuer cannot be fetched at the moment.");
        }
    }
    pthread_mutex_unlock(&c->lock);
    return e;
}

uint32_t eg_jwks_cache_generation(eg_jwks_cache *c) {
    if (eg_mono_ns(c->clock) >= __atomic_load_n(&c->grace_ends_ns, __ATOMIC_ACQUIRE)) {
        pthread_mutex_lock(&c->lock);
        end_grace(c);
        pthread_mutex_unlock(&c->lock);
    }
    return __atomic_load_n(&c->generation, __ATOMIC_ACQUIRE);
}

int64_t eg_jwks_cache_age_s(eg_jwks_cache *c) {
    pthread_mutex_lock(&c->lock);
    const int64_t age = c->set ? (eg_mono_ns(c->clock) - c->fetched_ns) / SECOND : c->tried ? -1 : -2;
    pthread_mutex_unlock(&c->lock);
    return age;
}
