/* Remembers who proved themselves by a password or a certificate, and makes the principal that comes of it. */
#include "proof_memory.h"

#include "claims.h"
#include "identity_state.h"
#include "revocation.h"

#include <embergate/encoding.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHED 1024
#define NOTES 1024u

typedef struct slot {
    uint8_t mark[EG_KEYED_HASH_LEN];
    bool taken;
    eg_proof_note note;
} slot;

struct eg_proof_memory {
    eg_token_cache *cache;
    pthread_mutex_t lock; /* guards slots */
    slot slots[NOTES];
};

eg_proof_memory *eg_proof_memory_new(void) {
    eg_proof_memory *m = calloc(1, sizeof *m);
    if (m) {
        pthread_mutex_init(&m->lock, NULL);
        m->cache = eg_token_cache_new(CACHED);
    }
    if (m && !m->cache) {
        eg_proof_memory_free(m);
        return NULL;
    }
    return m;
}

void eg_proof_memory_free(eg_proof_memory *m) {
    if (m) {
        eg_token_cache_free(m->cache);
        pthread_mutex_destroy(&m->lock);
        free(m);
    }
}

void eg_proof_memory_mark(eg_proof_memory *m, const eg_bytes *parts, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]) { eg_token_cache_mark_parts(m->cache, parts, n, ret); }

bool eg_proof_memory_find(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], int64_t now_s, uint64_t epoch, eg_principal **ret) {
    eg_verified v = {0};
    if (!eg_token_cache_get(m->cache, mark, &v)) {
        return false;
    }
    if (v.checked == epoch && now_s < v.good_until_s && now_s >= v.good_from_s) {
        *ret = v.principal;
        return true;
    }
    eg_principal_unref(v.principal);
    return false;
}

bool eg_proof_memory_recall(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], eg_proof_note *ret) {
    pthread_mutex_lock(&m->lock);
    const slot s = m->slots[eg_get_u32(mark) % NOTES];
    pthread_mutex_unlock(&m->lock);
    *ret = s.note;
    return s.taken && eg_ct_eq(s.mark, mark, EG_KEYED_HASH_LEN);
}

void eg_proof_memory_note(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_proof_note *note) {
    slot s = {.taken = true, .note = *note};
    memcpy(s.mark, mark, sizeof s.mark);
    pthread_mutex_lock(&m->lock);
    m->slots[eg_get_u32(mark) % NOTES] = s;
    pthread_mutex_unlock(&m->lock);
}

eg_err eg_proof_accept(eg_identity *i, eg_proof_memory *m, const eg_proof *proof, eg_principal **ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    const eg_local_principal *r = proof->who;
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
    snprintf(who->token_id, sizeof who->token_id, "%s", proof->id);
    who->by_key = proof->key != NULL;
    if (proof->key) {
        memcpy(who->key, proof->key, sizeof who->key);
    }
    who->issued_s = floor_s >= now_s ? floor_s + 1 : now_s;
    who->expires_s = now_s + EG_PROOF_GOOD_S;
    who->revoked_until_s = floor_s;
    EG_TRY(eg_identity_check(i, who, p));
    const eg_verified v = {.principal = who, .audiences = proof->audiences, .good_from_s = now_s, .good_until_s = who->expires_s, .issued_s = who->issued_s,
                           .checked = proof->epoch};
    eg_token_cache_put(m->cache, proof->mark, &v, now_s);
    *ret = who;
    who = NULL;
    return EG_OK;
}
