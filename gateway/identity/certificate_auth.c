/* Finds who holds the key of a connection's certificate, remembers it, and remembers whose it is not. */
#include "certificate_auth.h"

#include "client_key.h"
#include "identity_state.h"
#include "revocation.h"

#include <embergate/encoding.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHED 1024
#define STRANGERS 1024u
#define GOOD_S 300 /* then the store is asked again */

/* A key that nobody had when so much had been changed: the keys aren't gone through for it again. */
typedef struct stranger {
    uint8_t mark[EG_KEYED_HASH_LEN];
    uint64_t epoch; /* 0 = free */
} stranger;

struct eg_certificate_auth {
    eg_token_cache *cache;
    pthread_mutex_t lock; /* guards strangers */
    stranger strangers[STRANGERS];
};

eg_certificate_auth *eg_certificate_auth_new(void) {
    eg_certificate_auth *a = calloc(1, sizeof *a);
    if (a) {
        pthread_mutex_init(&a->lock, NULL);
        a->cache = eg_token_cache_new(CACHED);
    }
    if (a && !a->cache) {
        eg_certificate_auth_free(a);
        return NULL;
    }
    return a;
}

void eg_certificate_auth_free(eg_certificate_auth *a) {
    if (a) {
        eg_token_cache_free(a->cache);
        pthread_mutex_destroy(&a->lock);
        free(a);
    }
}

bool eg_certificate_good(const eg_peer_certificate *c, int64_t now_s) {
    return c->there && now_s >= c->from_s && now_s <= c->until_s;
}

static bool is_stranger(eg_certificate_auth *a, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch) {
    pthread_mutex_lock(&a->lock);
    const stranger *s = &a->strangers[eg_get_u32(mark) % STRANGERS];
    const bool known = s->epoch == epoch && memcmp(s->mark, mark, EG_KEYED_HASH_LEN) == 0;
    pthread_mutex_unlock(&a->lock);
    return known;
}

static void remember_stranger(eg_certificate_auth *a, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch) {
    pthread_mutex_lock(&a->lock);
    stranger *s = &a->strangers[eg_get_u32(mark) % STRANGERS];
    memcpy(s->mark, mark, EG_KEYED_HASH_LEN);
    s->epoch = epoch;
    pthread_mutex_unlock(&a->lock);
}

/* What is behind glass is a secret: a key would be a second way in that nobody arms. */
static bool usable(const eg_identity *i, const eg_local_principal *r) {
    return !r->disabled && !r->emergency && eg_identity_tenant(i, eg_str_of(r->tenant));
}

static eg_err find_owner(eg_identity *i, const eg_peer_certificate *c, eg_local_principal *ret) {
    char client_id[EG_UUID_LEN];
    EG_TRY(eg_client_key_owner(i->kv, c->key, client_id));
    EG_TRY(eg_local_principal_find(i->kv, eg_str_of(client_id), ret));
    return usable(i, ret) ? EG_OK : EG_ERR_NOT_FOUND;
}

/* Issued now, so that a revocation ends what it is in the middle of; a revocation until a time to come keeps it out. */
static eg_err make_principal(eg_identity *i, const eg_local_principal *r, const eg_peer_certificate *c, eg_verified *v, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    const int64_t now_s = eg_wall_s(i->clock);
    int64_t floor_s = 0;
    if (!who) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_revocation_floor(i->kv, r->tenant, r->object_id, &floor_s));
    if (floor_s > now_s + 1) {
        return eg_fail(p, EG_ERR_TOKEN_REVOKED, "The principal's access was revoked for some time.");
    }
    who->kind = r->kind;
    snprintf(who->tenant, sizeof who->tenant, "%s", r->tenant);
    snprintf(who->object_id, sizeof who->object_id, "%s", r->object_id);
    snprintf(who->app_id, sizeof who->app_id, "%s", r->client_id);
    snprintf(who->name, sizeof who->name, "%s", r->name);
    char hex[2 * EG_SHA256_LEN + 1];
    eg_hex((eg_bytes){c->key, sizeof c->key}, hex);
    snprintf(who->token_id, sizeof who->token_id, "certificate/%.40s", hex);
    who->by_key = true;
    memcpy(who->key, c->key, sizeof who->key);
    who->issued_s = floor_s >= now_s ? floor_s + 1 : now_s;
    who->expires_s = now_s + GOOD_S;
    who->revoked_until_s = floor_s;
    EG_TRY(eg_identity_check(i, who, p));
    *v = (eg_verified){.principal = who, .audiences = EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE), .good_from_s = now_s,
                       .good_until_s = now_s + GOOD_S, .issued_s = who->issued_s};
    who = NULL;
    return EG_OK;
}

static eg_err refuse(eg_problem *p) {
    return eg_fail(p, EG_ERR_CERTIFICATE, "The key of the connection's client certificate is registered for nobody here who may sign in, or for more than one.");
}

static bool is_cached(eg_identity *i, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch, eg_principal **ret) {
    eg_verified v = {0};
    const int64_t now_s = eg_wall_s(i->clock);
    if (!eg_token_cache_get(i->certificates->cache, mark, &v)) {
        return false;
    }
    if (v.checked == epoch && now_s < v.good_until_s && now_s >= v.good_from_s) {
        *ret = v.principal;
        return true;
    }
    eg_principal_unref(v.principal);
    return false;
}

eg_err eg_identity_by_certificate(eg_identity *i, const eg_peer_certificate *c, eg_principal **ret, eg_problem *p) {
    uint8_t mark[EG_KEYED_HASH_LEN];
    const eg_bytes key = {c->key, sizeof c->key};
    const uint64_t epoch = eg_identity_revocation_mark(i); /* from before anything is read */
    eg_local_principal r;
    eg_verified v = {0};
    if (!eg_certificate_good(c, eg_wall_s(i->clock))) {
        return eg_fail(p, EG_ERR_CERTIFICATE, "The connection has no client certificate, or one that has expired or is not valid yet.");
    }
    eg_token_cache_mark_parts(i->certificates->cache, &key, 1, mark);
    if (is_cached(i, mark, epoch, ret)) {
        return EG_OK;
    }
    if (is_stranger(i->certificates, mark, epoch)) {
        return refuse(p);
    }
    const eg_err e = find_owner(i, c, &r);
    if (e == EG_ERR_NOT_FOUND || e == EG_ERR_EXISTS) {
        remember_stranger(i->certificates, mark, epoch);
        return refuse(p);
    }
    EG_TRY(e);
    EG_TRY(make_principal(i, &r, c, &v, p));
    v.checked = epoch;
    eg_token_cache_put(i->certificates->cache, mark, &v, eg_wall_s(i->clock));
    *ret = v.principal;
    return EG_OK;
}

static eg_err find_client(eg_identity *i, eg_str tenant, eg_str client_id, const eg_peer_certificate *c, eg_local_principal *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_local_principal r;
    if (!eg_certificate_good(c, eg_wall_s(i->clock))) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(eg_kv_read_begin(i->kv, &t));
    EG_TRY(eg_client_key_there(t, client_id, c->key));
    EG_TRY(eg_local_principal_find_in(t, client_id, &r));
    if (!usable(i, &r) || !eg_str_eq(tenant, eg_str_of(r.tenant))) {
        return EG_ERR_NOT_FOUND;
    }
    r.by_key = true;
    memcpy(r.key, c->key, sizeof r.key);
    *ret = r;
    return EG_OK;
}

eg_err eg_certificate_client(eg_identity *i, eg_str tenant, eg_str client_id, const eg_peer *peer, eg_local_principal *ret, eg_problem *p) {
    EG_TRY(eg_client_auth_open_address(i->clients, peer->address, p));
    const eg_err found = find_client(i, tenant, client_id, &peer->certificate, ret);
    if (found == EG_ERR_NOT_FOUND) {
        eg_client_auth_failed_address(i->clients, peer->address);
        return eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client is unknown in this tenant, or the key of the connection's client certificate is not registered for it, or the certificate is not valid now.");
    }
    return found;
}
