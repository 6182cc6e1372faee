/* Finds who holds the key of a connection's certificate, remembers it, and remembers whose it is not. */
#include "certificate_auth.h"

#include "client_key.h"
#include "identity_state.h"

#include <embergate/encoding.h>

#include <stdio.h>

bool eg_certificate_good(const eg_peer_certificate *c, int64_t now_s) {
    return c->there && now_s >= c->from_s && now_s <= c->until_s;
}

/* A key that nobody had when so much had been changed: the keys aren't gone through for it again. */
static bool is_stranger(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch) {
    eg_proof_note note;
    return eg_proof_memory_recall(m, mark, &note) && note.epoch == epoch;
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

static eg_err refuse(eg_problem *p) {
    return eg_fail(p, EG_ERR_CERTIFICATE, "The key of the connection's client certificate is registered for nobody here who may sign in, or for more than one.");
}

static eg_err accept(eg_identity *i, const eg_peer_certificate *c, const eg_proof *found, eg_principal **ret, eg_problem *p) {
    char hex[2 * EG_SHA256_LEN + 1], id[64];
    eg_proof proof = *found;
    eg_hex((eg_bytes){c->key, sizeof c->key}, hex);
    snprintf(id, sizeof id, "certificate/%.40s", hex);
    proof.id = id;
    proof.key = c->key;
    proof.audiences = EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE);
    return eg_proof_accept(i, i->certificates, &proof, ret, p);
}

eg_err eg_identity_by_certificate(eg_identity *i, const eg_peer_certificate *c, eg_principal **ret, eg_problem *p) {
    uint8_t mark[EG_KEYED_HASH_LEN];
    const eg_bytes key = {c->key, sizeof c->key};
    const uint64_t epoch = eg_identity_revocation_mark(i); /* from before anything is read */
    eg_local_principal r;
    if (!eg_certificate_good(c, eg_wall_s(i->clock))) {
        return eg_fail(p, EG_ERR_CERTIFICATE, "The connection has no client certificate, or one that has expired or is not valid yet.");
    }
    eg_proof_memory_mark(i->certificates, &key, 1, mark);
    if (eg_proof_memory_find(i->certificates, mark, eg_wall_s(i->clock), epoch, ret)) {
        return EG_OK;
    }
    if (is_stranger(i->certificates, mark, epoch)) {
        return refuse(p);
    }
    const eg_err e = find_owner(i, c, &r);
    if (e == EG_ERR_NOT_FOUND || e == EG_ERR_EXISTS) {
        const eg_proof_note nobodys = {.epoch = epoch};
        eg_proof_memory_note(i->certificates, mark, &nobodys);
        return refuse(p);
    }
    EG_TRY(e);
    const eg_proof proof = {.mark = mark, .epoch = epoch, .who = &r};
    return accept(i, c, &proof, ret, p);
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
