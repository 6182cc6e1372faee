/* The token endpoint: for clients themselves and on behalf of others, proven by a secret, a signed assertion or a job's credential (RFC 6749 section 4.4, RFC 7521
 * section 4.2, RFC 8693). */
#include "token_endpoint.h"

#include "client_assertion.h"
#include "identity_state.h"
#include "local_admin.h"
#include "token_exchange.h"
#include "token_issue.h"
#include "token_request.h"

#include <embergate/encoding.h>
#include <embergate/log.h>
#include <embergate/metrics.h>

#include <stdio.h>

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define ASSERTION_MAX ((size_t)1024)
#define TOKEN_MAX ((size_t)20480)

static eg_err fail(eg_request *rq, eg_err e, const char *sentence) {
    return eg_fail(&rq->problem, e, "%s", sentence);
}

/* What the record says. A client id that is no GUID is not repeated: anything may have been typed there, a secret too. */
static void describe(eg_request *rq, const eg_token_request *t, const char *outcome, eg_str aud) {
    const char *proof = t->client_assertion.ptr ? "client_assertion" : t->client_secret.ptr || !rq->peer.certificate.there ? "client_secret" : "tls_client_certificate";
    json_decref(rq->record_details);
    rq->record_details = json_pack("{s:s%,s:s,s:s,s:s%}", "client_id", eg_uuid_valid(t->client_id) ? t->client_id.ptr : "",
                                   eg_uuid_valid(t->client_id) ? t->client_id.len : 0, "proof",
                                   proof, "outcome", outcome, "audience",
                                   aud.ptr ? aud.ptr : "", aud.len);
}

static void release(void *principal) {
    eg_principal_unref(principal);
}

/* The record of this request then names who was signed in. The reference is the arena's. */
static eg_err name_actor(eg_request *rq, const char *tenant, const eg_token_subject *who, const char *token_id) {
    eg_principal *p = eg_principal_new();
    if (!p) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = eg_arena_defer(rq->arena, release, p);
    if (e != EG_OK) {
        eg_principal_unref(p);
        return e;
    }
    snprintf(p->tenant, sizeof p->tenant, "%s", tenant);
    snprintf(p->token_id, sizeof p->token_id, "%s", token_id);
    if (who->job) {
        p->kind = EG_PRINCIPAL_JOB;
        snprintf(p->object_id, sizeof p->object_id, "%s", who->job->object_id);
        snprintf(p->name, sizeof p->name, "%s", who->job->name);
        snprintf(p->job, sizeof p->job, "%s", who->job->job);
        snprintf(p->cluster, sizeof p->cluster, "%s", who->job->cluster);
    } else {
        p->kind = who->client->kind;
        snprintf(p->object_id, sizeof p->object_id, "%s", who->client->object_id);
        snprintf(p->app_id, sizeof p->app_id, "%s", who->client->client_id);
        snprintf(p->name, sizeof p->name, "%s", who->client->name);
    }
    rq->principal = p;
    return EG_OK;
}

/* A job's credential says itself whose it is; the client id beside it doesn't matter. */
static eg_err prove_job(eg_request *rq, const eg_token_request *t, const char *tenant, eg_token_subject *ret) {
    eg_identity *i = rq->room;
    eg_job_identity *job = eg_arena_alloc(rq->arena, sizeof *job);
    if (!job) {
        return EG_ERR_LIMIT;
    }
    eg_err e = EG_ERR_OAUTH_CLIENT;
    if (i->compute && t->client_assertion.len > 0 && t->client_assertion.len <= ASSERTION_MAX) {
        e = eg_compute_job_by_credential(i->compute, eg_str_bytes(t->client_assertion), job);
    }
    if (e == EG_OK && strcmp(job->tenant, tenant) != 0) {
        e = EG_ERR_OAUTH_CLIENT;
    }
    if (e != EG_OK) {
        return e == EG_ERR_OAUTH_CLIENT ? fail(rq, e, "The client assertion is not the credential of a running job.") : e;
    }
    ret->job = job;
    return EG_OK;
}

static eg_err prove_client(eg_request *rq, const eg_token_request *t, const char *tenant, eg_token_subject *ret) {
    eg_identity *i = rq->room;
    if (!t->client_id.len || !t->client_secret.len) {
        return fail(rq, EG_ERR_OAUTH_REQUEST, "The request names no client, or no secret or assertion that proves it.");
    }
    eg_local_principal *client = eg_arena_alloc(rq->arena, sizeof *client);
    if (!client) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(eg_client_auth_check(i->clients, eg_str_of(tenant), t->client_id, eg_str_bytes(t->client_secret), rq->peer.address, client, &rq->problem));
    EG_TRY(eg_local_admin_use(i, client, &rq->problem));
    if (client->emergency) {
        rq->record_event = "identity.breakglass.use";
        eg_metric_add(EG_METRIC_BREAKGLASS_USED, 1);
        eg_log(EG_LOG_ERROR, "breakglass.used", "client_id", client->client_id, "tenant", client->tenant, "source", rq->peer.address, "request_id", rq->request_id, NULL);
    }
    ret->client = client;
    return EG_OK;
}

/* RFC 7521 section 4.2: the request may leave the client's id to the assertion. */
static eg_err prove_key(eg_request *rq, const eg_token_request *t, const char *tenant, eg_str purpose, eg_token_subject *ret) {
    eg_identity *i = rq->room;
    const char *const names[] = {
        eg_arena_printf(rq->arena, "%s/%s/oauth2/v2.0/token", i->public_url, tenant).ptr,
        eg_arena_printf(rq->arena, "%s/%s/oauth2/token", i->public_url, tenant).ptr,
        eg_arena_printf(rq->arena, "%s/%s/v2.0", i->public_url, tenant).ptr,
        NULL,
    };
    eg_client_proof proof = {.client_id = t->client_id, .assertion = t->client_assertion, .purpose = purpose, .audiences = names, .address = rq->peer.address};
    eg_local_principal *client = eg_arena_alloc(rq->arena, sizeof *client);
    if (!client || !names[0] || !names[1] || !names[2]) {
        return EG_ERR_LIMIT;
    }
    if (!proof.client_id.len) {
        EG_TRY(eg_client_assertion_subject(rq->arena, t->client_assertion, &proof.client_id, &rq->problem));
    }
    EG_TRY(eg_client_auth_check_key(i->clients, eg_str_of(tenant), &proof, client, &rq->problem));
    if (client->emergency) { /* what is behind glass is its secret: a key would be a second way in that nobody arms */
        return fail(rq, EG_ERR_OAUTH_CLIENT, "The client is unknown in this tenant, or its assertion is wrong.");
    }
    ret->client = client;
    return EG_OK;
}

/* RFC 8705 section 2: the request names the client, and the connection's certificate is all the proof. */
static eg_err prove_certificate(eg_request *rq, const eg_token_request *t, const char *tenant, eg_token_subject *ret) {
    eg_identity *i = rq->room;
    eg_local_principal *client = eg_arena_alloc(rq->arena, sizeof *client);
    if (!client) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(eg_certificate_client(i, eg_str_of(tenant), t->client_id, &rq->peer, client, &rq->problem));
    ret->client = client;
    ret->thumbprint = i->bind_tokens ? rq->peer.certificate.thumbprint : NULL;
    return EG_OK;
}

static eg_token_target target_of(const eg_token_request *t, const char *tenant, bool job, bool delegated) {
    return (eg_token_target){.tenant = tenant, .scope = t->scope, .resource = t->resource, .audience = t->audience, .job = job, .delegated = delegated};
}

/* A job's credential is opaque; a JWT is a client's assertion. */
static eg_err prove(eg_request *rq, const eg_token_request *t, const eg_token_target *wanted, eg_token_subject *ret) {
    if (!t->client_assertion.ptr && !t->client_secret.ptr && t->client_id.len && rq->peer.certificate.there) {
        return prove_certificate(rq, t, wanted->tenant, ret);
    }
    if (!t->client_assertion.ptr) {
        return prove_client(rq, t, wanted->tenant, ret);
    }
    if (!eg_str_is(t->client_assertion_type, ASSERTION_TYPE)) {
        return fail(rq, EG_ERR_OAUTH_REQUEST, "The client assertion's type is not " ASSERTION_TYPE ".");
    }
    if (!eg_client_assertion_is_jwt(t->client_assertion)) {
        return prove_job(rq, t, wanted->tenant, ret);
    }
    /* What it is used for is settled first, so that a scope that isn't served uses nothing up. */
    eg_str purpose;
    EG_TRY(eg_token_audience(rq->room, wanted, &purpose, &rq->problem));
    if (wanted->delegated) { /* MSAL sends one assertion for many people, too */
        uint8_t digest[EG_SHA256_LEN];
        char hex[2 * EG_SHA256_LEN + 1];
        eg_sha256(eg_str_bytes(t->assertion.len > 0 ? t->assertion : t->subject_token), digest);
        eg_hex((eg_bytes){digest, sizeof digest}, hex);
        purpose = eg_arena_printf(rq->arena, "%.*s for %s", EG_FMT(purpose), hex);
        EG_TRY(purpose.ptr ? EG_OK : EG_ERR_LIMIT);
    }
    return prove_key(rq, t, wanted->tenant, purpose, ret);
}

/* What was issued. */
typedef struct issued {
    eg_str aud;
    eg_issued_token token;
    eg_exchange exchange;
} issued;

/* For the client itself. */
static eg_err grant_client(eg_request *rq, const eg_token_request *t, const char *tenant, issued *ret, eg_buf *ret_token) {
    eg_token_subject who = {0};
    eg_token_target wanted = target_of(t, tenant, false, false);
    EG_TRY(prove(rq, t, &wanted, &who));
    wanted.job = who.job != NULL;
    EG_TRY(eg_token_audience(rq->room, &wanted, &ret->aud, &rq->problem));
    EG_TRY(eg_token_issue(rq->room, tenant, &who, ret->aud, &ret->token, ret_token));
    return name_actor(rq, tenant, &who, ret->token.id);
}

/* On behalf of somebody whose token the client has. The record is the client's, whatever comes of it. */
static eg_err grant_exchange(eg_request *rq, const eg_token_request *t, const char *tenant, issued *ret, eg_buf *ret_token) {
    const eg_identity *i = rq->room;
    eg_token_subject who = {0};
    const eg_token_target wanted = target_of(t, tenant, false, true);
    const int64_t began_s = eg_wall_s(i->clock);
    rq->record_event = "identity.token.exchange";
    EG_TRY(prove(rq, t, &wanted, &who));
    if (!who.client) {
        return fail(rq, EG_ERR_OAUTH_UNAUTHORIZED, "A job does not act for others.");
    }
    EG_TRY(name_actor(rq, tenant, &who, ""));
    EG_TRY(eg_token_audience(rq->room, &wanted, &ret->aud, &rq->problem));
    EG_TRY(eg_token_exchange_check(rq, t, who.client, began_s, &ret->exchange));
    who.on_behalf_of = ret->exchange.subject;
    who.acting = &ret->exchange.acting;
    EG_TRY(eg_token_issue(rq->room, tenant, &who, ret->aud, &ret->token, ret_token));
    snprintf(rq->principal->token_id, sizeof rq->principal->token_id, "%s", ret->token.id);
    return EG_OK;
}

static const struct {
    const char *type;
    eg_err (*grant)(eg_request *rq, const eg_token_request *t, const char *tenant, issued *ret, eg_buf *ret_token);
} grants[] = {
    {"client_credentials", grant_client},
    {EG_GRANT_EXCHANGE, grant_exchange},
    {EG_GRANT_ON_BEHALF, grant_exchange},
};

static eg_err grant(eg_request *rq, const eg_token_request *t, issued *ret, eg_buf *ret_token) {
    const char *tenant = eg_identity_tenant(rq->room, rq->params[0]);
    if (!tenant) {
        return fail(rq, EG_ERR_OAUTH_REQUEST, "The tenant is not served here.");
    }
    rq->tenant = eg_str_of(tenant);
    for (size_t n = 0; n < sizeof grants / sizeof grants[0]; n++) {
        if (eg_str_is(t->grant_type, grants[n].type)) {
            return grants[n].grant(rq, t, tenant, ret, ret_token);
        }
    }
    return fail(rq, t->grant_type.len ? EG_ERR_OAUTH_GRANT : EG_ERR_OAUTH_REQUEST, "The grant type must be client_credentials, or one of an exchange.");
}

/* RFC 6749 section 5.1. Hadoop wants application/json with a length, so it is never chunked. */
static eg_err respond(eg_request *rq, const issued *got, eg_str token) {
    EG_TRY(eg_response_header(rq, "Cache-Control", "no-store"));
    EG_TRY(eg_response_header(rq, "Pragma", "no-cache"));
    const int life = (int)(got->token.life_s > 1 ? got->token.life_s - 1 : got->token.life_s);
    json_t *body = json_pack("{s:s,s:i,s:i,s:s%,s:s*}", "token_type", "Bearer", "expires_in", life, "ext_expires_in", life, "access_token", token.ptr, token.len,
                             "issued_token_type", got->exchange.type);
    return eg_respond_json(rq, 200, body);
}

eg_err eg_token_endpoint_post(eg_request *rq) {
    eg_token_request t = {0};
    issued got = {0};
    snprintf(rq->record_resource, sizeof rq->record_resource, "/tenants/%.*s/oauth2/token",
             eg_uuid_valid(rq->params[0]) ? (int)rq->params[0].len : 0, rq->params[0].ptr ? rq->params[0].ptr : "");
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, TOKEN_MAX);
    eg_err e = eg_token_request_read(rq, &t);
    if (e == EG_OK) {
        e = grant(rq, &t, &got, &token);
    }
    describe(rq, &t, e == EG_OK ? "issued" : eg_err_code(e), got.aud);
    return e == EG_OK ? respond(rq, &got, eg_buf_str(&token)) : e;
}
