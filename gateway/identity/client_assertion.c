/* Checks a client's assertion (RFC 7523 section 3, OpenID Connect Core 1.0 section 9), and remembers which were taken. */
#include "client_assertion.h"

#include <embergate/secret.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEW_S 60
#define LIFE_MAX_S 900
#define WAYS 8u

typedef struct taken {
    uint8_t tag[24];
    int64_t expires_s; /* 0 = free */
} taken;

struct eg_assertion_memory {
    pthread_mutex_t lock;
    uint8_t key[32];
    size_t sets;
    taken slots[];
};

eg_assertion_memory *eg_assertion_memory_new(size_t entries) {
    const size_t sets = entries / WAYS ? entries / WAYS : 1;
    eg_assertion_memory *m = calloc(1, sizeof *m + sets * WAYS * sizeof m->slots[0]);
    if (m) {
        pthread_mutex_init(&m->lock, NULL);
        eg_random(m->key, sizeof m->key);
        m->sets = sets;
    }
    return m;
}

void eg_assertion_memory_free(eg_assertion_memory *m) {
    if (m) {
        pthread_mutex_destroy(&m->lock);
        eg_cleanse(m->key, sizeof m->key);
        free(m);
    }
}

/* What is live is never forgotten to make room: the set being full refuses. Only assertions that were right come in. */
eg_err eg_assertion_memory_take(eg_assertion_memory *m, eg_bytes what, int64_t expires_s, int64_t now_s, bool *ret_new) {
    uint8_t digest[EG_SHA256_LEN];
    eg_hmac_sha256((eg_bytes){m->key, sizeof m->key}, what, digest);
    taken *set = &m->slots[eg_get_u64(digest + 24) % m->sets * WAYS];
    taken *room = NULL;
    bool found = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < WAYS; i++) {
        const bool live = set[i].expires_s > now_s;
        found = found || (live && memcmp(set[i].tag, digest, sizeof set[i].tag) == 0);
        room = live ? room : &set[i];
    }
    if (!found && room) {
        memcpy(room->tag, digest, sizeof room->tag);
        room->expires_s = expires_s;
    }
    pthread_mutex_unlock(&m->lock);
    if (!found && !room) {
        return EG_ERR_TOO_MANY_REQUESTS;
    }
    *ret_new = !found;
    return EG_OK;
}

bool eg_client_assertion_is_jwt(eg_str assertion) {
    size_t dots = 0;
    for (size_t i = 0; i < assertion.len; i++) {
        dots += assertion.ptr[i] == '.';
    }
    return dots == 2;
}

static eg_err refuse(eg_problem *p, const char *why) {
    return eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client assertion %s.", why);
}

eg_err eg_client_assertion_subject(eg_arena *a, eg_str assertion, eg_str *ret, eg_problem *p) {
    EG_CLEANUP(eg_jws_done) eg_jws j = {0};
    if (eg_jws_parse_assertion(assertion, &j, NULL) != EG_OK) {
        return refuse(p, "is malformed, or its algorithm or type is not accepted");
    }
    *ret = eg_arena_str(a, eg_json_str(j.claims, "sub"));
    return EG_OK;
}

typedef struct signer {
    const eg_jws *jws;
    uint8_t *ret_key;
} signer;

static eg_err verify_with(void *ctx, const eg_jwk *key) {
    const signer *s = ctx;
    const eg_jws *j = s->jws;
    if (!eg_client_key_fits(key, j->alg)) {
        return EG_ERR_TOKEN_ALGORITHM;
    }
    eg_jwk pinned = {.alg = j->alg, .key = key->key}; /* of those that its type allows, the assertion's own */
    EG_TRY(eg_jws_verify(j, &pinned, NULL));
    return s->ret_key ? eg_client_key_digest(key, s->ret_key) : EG_OK;
}

static bool for_us(const json_t *claims, const char *const *audiences) {
    const json_t *aud = json_object_get(claims, "aud");
    const json_t *only = json_is_array(aud) && json_array_size(aud) == 1 ? json_array_get(aud, 0) : aud; /* one audience: no other server could be given it */
    for (size_t i = 0; json_is_string(only) && audiences[i]; i++) {
        if (strcmp(json_string_value(only), audiences[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A NumericDate in whole seconds; -1 when it is none. */
static int64_t date(const json_t *claims, const char *name) {
    const double v = json_number_value(json_object_get(claims, name));
    return json_is_number(json_object_get(claims, name)) && isfinite(v) && v >= 0 && v < 1e12 ? (int64_t)v : -1;
}

static eg_err check_times(const json_t *claims, int64_t now_s, int64_t *ret_expires_s, eg_problem *p) {
    const int64_t exp = date(claims, "exp");
    static const char *const begins[] = {"nbf", "iat"};
    if (exp < 0 || exp + SKEW_S <= now_s) {
        return refuse(p, "has expired, or doesn't say when it does");
    }
    if (exp > now_s + LIFE_MAX_S + SKEW_S) {
        return refuse(p, "is good for longer than 15 minutes");
    }
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        if (json_object_get(claims, begins[i]) && (date(claims, begins[i]) < 0 || date(claims, begins[i]) > now_s + SKEW_S)) {
            return refuse(p, "is not good yet");
        }
    }
    *ret_expires_s = exp + SKEW_S;
    return EG_OK;
}

eg_err eg_client_assertion_check(eg_str assertion, const eg_assertion_question *q, char ret_id[129], int64_t *ret_expires_s, eg_problem *p) {
    EG_CLEANUP(eg_jws_done) eg_jws j = {0};
    if (eg_jws_parse_assertion(assertion, &j, NULL) != EG_OK) {
        return refuse(p, "is malformed, or its algorithm or type is not accepted");
    }
    signer s = {&j, q->ret_key};
    if (eg_client_key_try(q->kv, q->client_id, verify_with, &s) != EG_OK) {
        return refuse(p, "is not signed by a key of this client"); /* the same for a client that nobody knows */
    }
    const eg_str id = eg_json_str(j.claims, "jti");
    if (!eg_str_ieq(eg_json_str(j.claims, "iss"), q->client_id) || !eg_str_ieq(eg_json_str(j.claims, "sub"), q->client_id)) {
        return refuse(p, "is not the client's own: its iss and sub must be the client id");
    }
    if (!for_us(j.claims, q->audiences)) {
        return refuse(p, "is for another audience than this token endpoint");
    }
    if (id.len == 0 || id.len > 128) {
        return refuse(p, "has no id (jti) of at most 128 bytes");
    }
    EG_TRY(check_times(j.claims, q->now_s, ret_expires_s, p));
    (void)snprintf(ret_id, 129, "%.*s", EG_FMT(id));
    return EG_OK;
}
