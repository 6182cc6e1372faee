/* Checks what clients prove themselves by: secrets against scrypt, few at a time, and assertions; with failures slowed down and successes remembered. */
#include "client_auth.h"

#include "client_assertion.h"
#include "failure_table.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#define SCRYPT_MAX 4u            /* at once: 32 MiB and a core each */
#define WINDOW_S 60
#define CLIENT_FAILURES_MAX 10u  /* of one client from one address, in a window */
#define ADDRESS_FAILURES_MAX 120u
#define SECRET_MAX ((size_t)512)
#define REMEMBERED 1024u
#define KNOWN 4096u
#define ASSERTIONS ((size_t)16384)

struct eg_client_auth {
    eg_kv *kv;
    const eg_clock *clock;
    eg_failure_table *failures;
    eg_assertion_memory *assertions; /* that were taken */
    unsigned running;            /* atomic */
    pthread_mutex_t lock;        /* guards proven and known */
    uint8_t key[32];             /* of this process: what is remembered is of no use elsewhere */
    uint8_t proven[REMEMBERED][EG_SHA256_LEN]; /* zero = free; only secrets that were right come in */
    uint8_t known[KNOWN][EG_SHA256_LEN];       /* who has signed in, from where */
};

eg_client_auth *eg_client_auth_new(eg_kv *kv, const eg_clock *clock) {
    eg_client_auth *a = calloc(1, sizeof *a);
    if (!a) {
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->kv = kv;
    a->clock = clock;
    a->failures = eg_failure_table_new(8192, WINDOW_S);
    eg_random(a->key, sizeof a->key);
    a->assertions = eg_assertion_memory_new(ASSERTIONS);
    if (!a->failures || !a->assertions) {
        eg_client_auth_free(a);
        return NULL;
    }
    return a;
}

void eg_client_auth_free(eg_client_auth *a) {
    if (a) {
        eg_failure_table_free(a->failures);
        eg_assertion_memory_free(a->assertions);
        pthread_mutex_destroy(&a->lock);
        eg_cleanse(a->key, sizeof a->key);
        free(a);
    }
}

/* Over client, secret and the stored hash, so that a changed secret forgets itself. */
static void proof_of(const eg_client_auth *a, const eg_local_principal *r, eg_bytes secret, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    eg_bytes parts[] = {eg_str_bytes(eg_str_of(r->client_id)), {r->hash, sizeof r->hash}, secret};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], digest);
    eg_hmac_sha256((eg_bytes){a->key, sizeof a->key}, (eg_bytes){digest, sizeof digest}, ret);
    eg_cleanse(digest, sizeof digest);
}

static bool remembered(eg_client_auth *a, const uint8_t proof[EG_SHA256_LEN]) {
    pthread_mutex_lock(&a->lock);
    bool known = eg_ct_eq(a->proven[eg_get_u32(proof) % REMEMBERED], proof, EG_SHA256_LEN);
    pthread_mutex_unlock(&a->lock);
    return known;
}

static void remember(eg_client_auth *a, const uint8_t proof[EG_SHA256_LEN]) {
    pthread_mutex_lock(&a->lock);
    memcpy(a->proven[eg_get_u32(proof) % REMEMBERED], proof, EG_SHA256_LEN);
    pthread_mutex_unlock(&a->lock);
}

/* An IPv6 host has a whole /64 to itself, so that is what is counted. */
static eg_bytes address_key(const char *address, uint8_t buf[16]) {
    struct in6_addr v6;
    if (inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6)) {
        memcpy(buf, &v6, 8);
        return (eg_bytes){buf, 8};
    }
    return eg_str_bytes(eg_str_of(address));
}

static void make_try(eg_proof_try *t, const char *address, eg_str who) {
    t->address = address_key(address, t->prefix);
    eg_bytes parts[] = {t->address, eg_str_bytes(EG_LIT(" ")), eg_str_bytes(who)};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], t->pair);
}

static bool is_known(eg_client_auth *a, const uint8_t pair[EG_SHA256_LEN]) {
    pthread_mutex_lock(&a->lock);
    const bool known = eg_ct_eq(a->known[eg_get_u32(pair) % KNOWN], pair, EG_SHA256_LEN);
    pthread_mutex_unlock(&a->lock);
    return known;
}

static eg_err check_failures(eg_client_auth *a, eg_proof_try *t, eg_problem *p) {
    const int64_t now_s = eg_mono_ns(a->clock) / 1000000000;
    t->known = is_known(a, t->pair);
    if (eg_failure_table_count(a->failures, (eg_bytes){t->pair, sizeof t->pair}, now_s) >= CLIENT_FAILURES_MAX ||
        (!t->known && eg_failure_table_count(a->failures, t->address, now_s) >= ADDRESS_FAILURES_MAX)) {
        return eg_fail(p, EG_ERR_TOO_MANY_REQUESTS, "Too many failed sign-ins; try again in a minute.");
    }
    return EG_OK;
}

eg_err eg_client_auth_begin(eg_client_auth *a, eg_str who, const char *address, eg_proof_try *ret, eg_problem *p) {
    make_try(ret, address, who);
    return check_failures(a, ret, p);
}

/* One of the places is for who signed in from there before, so that strangers can't take them all. */
eg_err eg_client_auth_compare(eg_client_auth *a, const eg_proof_try *t, const uint8_t salt[EG_LOCAL_SALT_LEN], const uint8_t hash[EG_LOCAL_HASH_LEN],
                              eg_bytes secret, bool *ret_same) {
    if (__atomic_add_fetch(&a->running, 1, __ATOMIC_ACQ_REL) > (t->known ? SCRYPT_MAX : SCRYPT_MAX - 1)) {
        __atomic_sub_fetch(&a->running, 1, __ATOMIC_ACQ_REL);
        return EG_ERR_TOO_MANY_REQUESTS;
    }
    uint8_t tried[EG_LOCAL_HASH_LEN];
    eg_err e = eg_scrypt(secret, (eg_bytes){salt, EG_LOCAL_SALT_LEN}, tried, sizeof tried);
    __atomic_sub_fetch(&a->running, 1, __ATOMIC_ACQ_REL);
    EG_TRY(e);
    *ret_same = eg_ct_eq(tried, hash, sizeof tried);
    eg_cleanse(tried, sizeof tried);
    return EG_OK;
}

void eg_client_auth_end(eg_client_auth *a, const eg_proof_try *t, bool right) {
    const int64_t now_s = eg_mono_ns(a->clock) / 1000000000;
    if (!right) {
        eg_failure_table_add(a->failures, (eg_bytes){t->pair, sizeof t->pair}, now_s);
        eg_failure_table_add(a->failures, t->address, now_s);
        return;
    }
    pthread_mutex_lock(&a->lock);
    memcpy(a->known[eg_get_u32(t->pair) % KNOWN], t->pair, EG_SHA256_LEN);
    pthread_mutex_unlock(&a->lock);
}

eg_err eg_client_auth_check(eg_client_auth *a, eg_str tenant, eg_str client_id, eg_bytes secret, const char *address, eg_local_principal *ret,
                            eg_problem *p) {
    eg_local_principal r = {0};
    eg_proof_try t;
    uint8_t proof[EG_SHA256_LEN];
    make_try(&t, address, client_id);
    eg_err found = eg_local_principal_find(a->kv, client_id, &r);
    if (found != EG_OK && found != EG_ERR_NOT_FOUND) {
        return found;
    }
    bool usable = found == EG_OK && !r.disabled && eg_str_eq(tenant, eg_str_of(r.tenant)) && secret.len <= SECRET_MAX;
    if (usable) {
        proof_of(a, &r, secret, proof);
        if (remembered(a, proof)) {
            *ret = r;
            return EG_OK;
        }
    }
    EG_TRY(check_failures(a, &t, p));
    bool same = false;
    eg_bytes tried = secret.len <= SECRET_MAX ? secret : (eg_bytes){secret.ptr, SECRET_MAX};
    eg_err e = eg_client_auth_compare(a, &t, r.salt, r.hash, tried, &same); /* for an unknown client too: it must take as long */
    if (e != EG_OK) {
        return e == EG_ERR_TOO_MANY_REQUESTS ? eg_fail(p, e, "Too many sign-ins at once; try again in a moment.") : e;
    }
    eg_client_auth_end(a, &t, usable && same);
    if (!usable || !same) {
        return eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client is unknown in this tenant, or its secret is wrong.");
    }
    remember(a, proof);
    *ret = r;
    return EG_OK;
}

/* RFC 7523 section 3, item 7. MSAL sends one assertion for several resources while it is good, so that what is taken once is the pair. */
static eg_err take_once(eg_client_auth *a, const eg_client_proof *proof, const char *id, int64_t expires_s, eg_problem *p) {
    uint8_t digest[EG_SHA256_LEN];
    bool first = false;
    const eg_bytes parts[] = {eg_str_bytes(proof->client_id), eg_str_bytes(EG_LIT("\n")), eg_str_bytes(eg_str_of(id)), eg_str_bytes(EG_LIT("\n")),
                              eg_str_bytes(proof->purpose)};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], digest);
    eg_err e = eg_assertion_memory_take(a->assertions, (eg_bytes){digest, sizeof digest}, expires_s, eg_wall_s(a->clock), &first);
    if (e != EG_OK) {
        return eg_fail(p, e, "Too many sign-ins by assertion; try again in a minute.");
    }
    return first ? EG_OK : eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client assertion was used before.");
}

static eg_err check_key(eg_client_auth *a, eg_str tenant, const eg_client_proof *proof, eg_local_principal *r, eg_problem *p) {
    char id[129];
    int64_t expires_s = 0;
    uint8_t key[EG_SHA256_LEN];
    const eg_assertion_question q = {.kv = a->kv, .client_id = proof->client_id, .audiences = proof->audiences, .now_s = eg_wall_s(a->clock), .ret_key = key};
    EG_TRY(eg_client_assertion_check(proof->assertion, &q, id, &expires_s, p));
    eg_err e = eg_local_principal_find(a->kv, proof->client_id, r);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (r->disabled || !eg_str_eq(tenant, eg_str_of(r->tenant))))) {
        return eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client assertion is not signed by a key of this client.");
    }
    EG_TRY(e);
    r->by_key = true;
    memcpy(r->key, key, sizeof key);
    return take_once(a, proof, id, expires_s, p);
}

eg_err eg_client_auth_open_address(eg_client_auth *a, const char *address, eg_problem *p) {
    uint8_t prefix[16];
    const int64_t now_s = eg_mono_ns(a->clock) / 1000000000;
    if (eg_failure_table_count(a->failures, address_key(address, prefix), now_s) >= ADDRESS_FAILURES_MAX) {
        return eg_fail(p, EG_ERR_TOO_MANY_REQUESTS, "Too many failed sign-ins; try again in a minute.");
    }
    return EG_OK;
}

void eg_client_auth_failed_address(eg_client_auth *a, const char *address) {
    uint8_t prefix[16];
    eg_failure_table_add(a->failures, address_key(address, prefix), eg_mono_ns(a->clock) / 1000000000);
}

eg_err eg_client_auth_check_key(eg_client_auth *a, eg_str tenant, const eg_client_proof *proof, eg_local_principal *ret, eg_problem *p) {
    eg_local_principal r = {0};
    EG_TRY(eg_client_auth_open_address(a, proof->address, p));
    eg_err e = check_key(a, tenant, proof, &r, p);
    if (e == EG_ERR_OAUTH_CLIENT) {
        eg_client_auth_failed_address(a, proof->address);
    }
    EG_TRY(e);
    *ret = r;
    return EG_OK;
}
