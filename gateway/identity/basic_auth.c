/* Turns HTTP Basic credentials into principals (RFC 7617): by a cache, by what was right before, else by scrypt in the pool. */
#include "identity_state.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define HEADER_MAX ((size_t)1024)

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

static void remember(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_local_principal *r) {
    eg_proof_note note = {.client_id = ""};
    memcpy(note.client_id, r->client_id, sizeof note.client_id);
    memcpy(note.hash, r->password_hash, sizeof note.hash);
    eg_proof_memory_note(m, mark, &note);
}

static bool usable(const eg_local_principal *r, eg_str tenant) {
    return r->has_password && !r->disabled && !r->emergency && eg_str_eq(tenant, eg_str_of(r->tenant));
}

/* Was right before, and its record is still the same. */
static bool is_remembered(eg_identity *i, const eg_basic_ask *a, eg_local_principal *ret) {
    eg_proof_note note;
    return eg_proof_memory_recall(i->basic, a->mark, &note) && eg_local_principal_find(i->kv, eg_str_of(note.client_id), ret) == EG_OK && usable(ret, a->tenant) &&
           eg_ct_eq(note.hash, ret->password_hash, sizeof note.hash);
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

static eg_err sign_in(eg_identity *i, eg_basic_ask *a) {
    credentials c;
    eg_local_principal r;
    char id[64];
    const uint64_t epoch = eg_identity_revocation_mark(i);
    eg_err e = read_credentials(a->authorization, &c);
    if (e == EG_OK && !is_remembered(i, a, &r)) {
        e = check_password(i, a, &c, &r);
    }
    eg_cleanse(&c, sizeof c);
    EG_TRY(e == EG_ERR_PASSWORD ? eg_fail(&a->problem, e, "The name is unknown here, or the password is wrong.") : e);
    snprintf(id, sizeof id, "basic/%s", r.client_id);
    const eg_proof proof = {.mark = a->mark, .epoch = epoch, .who = &r, .audiences = EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY), .id = id};
    return eg_proof_accept(i, i->basic, &proof, &a->who, &a->problem);
}

/* The last thing that is touched is the caller's. */
static void in_pool(void *arg) {
    eg_basic_ask *a = arg;
    const eg_err e = sign_in(a->identity, a);
    a->error = e == EG_ERR_BUSY ? EG_ERR_UNAVAILABLE : e; /* busy means that it is asked again */
    a->later(a->later_ctx);
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
    eg_proof_memory_mark(i->basic, parts, sizeof parts / sizeof parts[0], a->mark);
    if (eg_proof_memory_find(i->basic, a->mark, eg_wall_s(i->clock), eg_identity_revocation_mark(i), ret)) {
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
