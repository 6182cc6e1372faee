/* Turns HTTP Basic credentials into principals (RFC 7617): by a cache, by what was right before, else by scrypt in the pool. */
#include "basic_auth.h"

#include "identity_state.h"
#include "revocation.h"

#include <embergate/encoding.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER_MAX ((size_t)1024)
#define CACHED 1024
#define REMEMBERED 1024u
#define GOOD_S 300 /* then the store is asked again: what is remembered makes that cheap */

/* A password that was right, and of which record: another hash there, and it is forgotten. */
typedef struct proven {
    uint8_t mark[EG_KEYED_HASH_LEN];
    char client_id[EG_UUID_LEN]; /* "" = free */
    uint8_t hash[EG_LOCAL_HASH_LEN];
} proven;

struct eg_basic_auth {
    eg_token_cache *cache;
    pthread_mutex_t lock; /* guards proven */
    proven proven[REMEMBERED];
};

eg_basic_auth *eg_basic_auth_new(void) {
    eg_basic_auth *b = calloc(1, sizeof *b);
    if (b) {
        pthread_mutex_init(&b->lock, NULL);
        b->cache = eg_token_cache_new(CACHED);
    }
    if (b && !b->cache) {
        eg_basic_auth_free(b);
        return NULL;
    }
    return b;
}

void eg_basic_auth_free(eg_basic_auth *b) {
    if (b) {
        eg_token_cache_free(b->cache);
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
}

typedef struct credentials {
    char text[HEADER_MAX]; /* secret */
    eg_str name;
    eg_bytes password;
} credentials;

/* RFC 7617 section 2: everything before the first colon is the name. */
static eg_err read_credentials(eg_str authorization, credentials *ret) {
    eg_str value = authorization;
    const eg_str scheme = eg_str_cut(&value, ' ');
    size_t n = 0;
    while (value.len > 0 && value.ptr[0] == ' ') {
        value = (eg_str){value.ptr + 1, value.len - 1};
    }
    if (!eg_str_ieq(scheme, EG_LIT("Basic")) || eg_unbase64(value, (uint8_t *)ret->text, sizeof ret->text, &n) != EG_OK) {
        return EG_ERR_PASSWORD;
    }
    eg_str rest = {ret->text, n};
    ret->name = eg_str_cut(&rest, ':');
    ret->password = eg_str_bytes(rest);
    return rest.ptr && ret->name.len > 0 && ret->password.len <= EG_PASSWORD_MAX ? EG_OK : EG_ERR_PASSWORD;
}

static bool recall(eg_basic_auth *b, const uint8_t mark[EG_KEYED_HASH_LEN], proven *ret) {
    pthread_mutex_lock(&b->lock);
    *ret = b->proven[eg_get_u32(mark) % REMEMBERED];
    pthread_mutex_unlock(&b->lock);
    return ret->client_id[0] != '\0' && eg_ct_eq(ret->mark, mark, EG_KEYED_HASH_LEN);
}

static void remember(eg_basic_auth *b, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_local_principal *r) {
    proven p = {.client_id = ""};
    memcpy(p.mark, mark, sizeof p.mark);
    memcpy(p.client_id, r->client_id, sizeof p.client_id);
    memcpy(p.hash, r->password_hash, sizeof p.hash);
    pthread_mutex_lock(&b->lock);
    b->proven[eg_get_u32(mark) % REMEMBERED] = p;
    pthread_mutex_unlock(&b->lock);
}

static bool usable(const eg_local_principal *r, eg_str tenant) {
    return r->has_password && !r->disabled && !r->emergency && eg_str_eq(tenant, eg_str_of(r->tenant));
}

/* Was right before, and its record is still the same. */
static bool is_remembered(eg_identity *i, const eg_basic_ask *a, eg_local_principal *ret) {
    proven p;
    return recall(i->basic, a->mark, &p) && eg_local_principal_find(i->kv, eg_str_of(p.client_id), ret) == EG_OK && usable(ret, a->tenant) &&
           eg_ct_eq(p.hash, ret->password_hash, sizeof p.hash);
}

/* Whoever it is that was named, and whether there is one at all: the same steps, at the same cost. */
static eg_err check_password(eg_identity *i, eg_basic_ask *a, const credentials *c, eg_local_principal *ret) {
    eg_local_principal r = {0};
    eg_proof_try t;
    char who[EG_UUID_LEN + 256];
    bool same = false;
    snprintf(who, sizeof who, "%.*s %.*s", EG_FMT(a->tenant), EG_FMT(c->name));
    EG_TRY(eg_client_auth_begin(i->clients, eg_str_of(who), a->address, &t, &a->problem));
    eg_err e = eg_local_principal_named(i->kv, a->tenant, c->name, &r);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND && e != EG_ERR_EXISTS) {
        return e;
    }
    const bool good = e == EG_OK && usable(&r, a->tenant);
    e = eg_client_auth_compare(i->clients, &t, r.password_salt, r.password_hash, c->password, &same);
    if (e != EG_OK) {
        return e == EG_ERR_TOO_MANY_REQUESTS ? eg_fail(&a->problem, e, "Too many sign-ins at once; try again in a moment.") : e;
    }
    eg_client_auth_end(i->clients, &t, good && same);
    if (!good || !same) {
        return EG_ERR_PASSWORD;
    }
    remember(i->basic, a->mark, &r);
    *ret = r;
    return EG_OK;
}

/* Issued now, so that a revocation ends what it is in the middle of; a revocation until a time to come keeps it out. */
static eg_err make_principal(eg_identity *i, const eg_local_principal *r, eg_verified *v, eg_problem *p) {
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
    snprintf(who->token_id, sizeof who->token_id, "basic/%s", r->client_id);
    who->issued_s = floor_s >= now_s ? floor_s + 1 : now_s;
    who->expires_s = now_s + GOOD_S;
    who->revoked_until_s = floor_s;
    EG_TRY(eg_identity_check(i, who, p));
    *v = (eg_verified){.principal = who, .audiences = EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY), .good_from_s = now_s, .good_until_s = now_s + GOOD_S,
                       .issued_s = who->issued_s};
    who = NULL;
    return EG_OK;
}

static eg_err sign_in(eg_identity *i, eg_basic_ask *a) {
    credentials c;
    eg_local_principal r;
    eg_verified v = {.checked = eg_identity_revocation_mark(i)}; /* from before anything was read */
    const uint64_t epoch = v.checked;
    eg_err e = read_credentials(a->authorization, &c);
    if (e == EG_OK && !is_remembered(i, a, &r)) {
        e = check_password(i, a, &c, &r);
    }
    eg_cleanse(&c, sizeof c);
    EG_TRY(e == EG_ERR_PASSWORD ? eg_fail(&a->problem, e, "The name is unknown here, or the password is wrong.") : e);
    EG_TRY(make_principal(i, &r, &v, &a->problem));
    v.checked = epoch;
    eg_token_cache_put(i->basic->cache, a->mark, &v, eg_wall_s(i->clock));
    a->who = v.principal;
    return EG_OK;
}

/* The last thing that is touched is the caller's. */
static void in_pool(void *arg) {
    eg_basic_ask *a = arg;
    const eg_err e = sign_in(a->identity, a);
    a->error = e == EG_ERR_BUSY ? EG_ERR_UNAVAILABLE : e; /* busy means that it is asked again */
    a->later(a->later_ctx);
}

static bool is_cached(eg_identity *i, const eg_basic_ask *a, eg_principal **ret) {
    eg_verified v = {0};
    if (!eg_token_cache_get(i->basic->cache, a->mark, &v)) {
        return false;
    }
    const int64_t now_s = eg_wall_s(i->clock);
    if (v.checked == eg_identity_revocation_mark(i) && now_s < v.good_until_s && now_s >= v.good_from_s) {
        *ret = v.principal;
        return true;
    }
    eg_principal_unref(v.principal);
    return false;
}

bool eg_identity_is_basic(eg_str authorization) {
    eg_str rest = authorization;
    return eg_str_ieq(eg_str_cut(&rest, ' '), EG_LIT("Basic"));
}

eg_err eg_identity_basic(eg_identity *i, eg_basic_ask *a, eg_principal **ret) {
    if (a->asked) {
        EG_TRY(a->error);
        *ret = a->who;
        a->who = NULL;
        return EG_OK;
    }
    const eg_bytes parts[] = {eg_str_bytes(a->tenant), eg_str_bytes(EG_LIT(" ")), eg_str_bytes(a->authorization)};
    if (a->authorization.len > HEADER_MAX || a->tenant.len != EG_UUID_LEN - 1) {
        return eg_fail(&a->problem, EG_ERR_PASSWORD, "The name is unknown here, or the password is wrong.");
    }
    eg_token_cache_mark_parts(i->basic->cache, parts, sizeof parts / sizeof parts[0], a->mark);
    if (is_cached(i, a, ret)) {
        return EG_OK;
    }
    a->identity = i;
    a->asked = true;
    a->error = EG_ERR_PASSWORD;
    if (eg_pool_submit(i->pool, in_pool, a) != EG_OK) {
        return eg_fail(&a->problem, EG_ERR_UNAVAILABLE, "The server has too much to do at the moment.");
    }
    return EG_ERR_BUSY;
}
