/* The token endpoint: client_credentials, proven by a secret, a signed assertion or a job's credential (RFC 6749 section 4.4, RFC 7521 section 4.2). */
#include "token_endpoint.h"

#include "client_assertion.h"
#include "identity_state.h"
#include "local_admin.h"
#include "token_issue.h"
#include "token_request.h"

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
    json_decref(rq->record_details);
    rq->record_details = json_pack("{s:s%,s:s,s:s,s:s%}", "client_id", eg_uuid_valid(t->client_id) ? t->client_id.ptr : "",
                                   eg_uuid_valid(t->client_id) ? t->client_id.len : 0, "proof",
                                   t->client_assertion.ptr ? "client_assertion" : "client_secret", "outcome", outcome, "audience",
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

/* A job's credential is opaque; a JWT is a client's assertion. */
static eg_err prove(eg_request *rq, const eg_token_request *t, const char *tenant, eg_token_subject *ret) {
    if (!t->client_assertion.ptr) {
        return prove_client(rq, t, tenant, ret);
    }
    if (!eg_str_is(t->client_assertion_type, ASSERTION_TYPE)) {
        return fail(rq, EG_ERR_OAUTH_REQUEST, "The client assertion's type is not " ASSERTION_TYPE ".");
    }
    if (!eg_client_assertion_is_jwt(t->client_assertion)) {
        return prove_job(rq, t, tenant, ret);
    }
    /* What it is used for is settled first, so that a scope that isn't served uses nothing up. */
    eg_str aud;
    EG_TRY(eg_token_audience(rq->room, t->scope, t->resource, false, &aud, &rq->problem));
    return prove_key(rq, t, tenant, aud, ret);
}

static eg_err grant(eg_request *rq, const eg_token_request *t, eg_str *ret_aud, eg_buf *ret_token) {
    eg_identity *i = rq->room;
    eg_token_subject who = {0};
    char token_id[EG_UUID_LEN];
    const char *tenant = eg_identity_tenant(i, rq->params[0]);
    if (!tenant) {
        return fail(rq, EG_ERR_OAUTH_REQUEST, "The tenant is not served here.");
    }
    rq->tenant = eg_str_of(tenant);
    if (!eg_str_is(t->grant_type, "client_credentials")) {
        return fail(rq, t->grant_type.len ? EG_ERR_OAUTH_GRANT : EG_ERR_OAUTH_REQUEST, "The grant type must be client_credentials.");
    }
    EG_TRY(prove(rq, t, tenant, &who));
    EG_TRY(eg_token_audience(i, t->scope, t->resource, who.job != NULL, ret_aud, &rq->problem));
    EG_TRY(eg_token_issue(i, tenant, &who, *ret_aud, token_id, ret_token));
    return name_actor(rq, tenant, &who, token_id);
}

/* RFC 6749 section 5.1. Hadoop wants application/json with a length, so it is never chunked. */
static eg_err respond(eg_request *rq, eg_str token) {
    EG_TRY(eg_response_header(rq, "Cache-Control", "no-store"));
    EG_TRY(eg_response_header(rq, "Pragma", "no-cache"));
    json_t *body = json_pack("{s:s,s:i,s:i,s:s%}", "token_type", "Bearer", "expires_in", EG_TOKEN_LIFE_S - 1, "ext_expires_in", EG_TOKEN_LIFE_S - 1,
                             "access_token", token.ptr, token.len);
    return eg_respond_json(rq, 200, body);
}

eg_err eg_token_endpoint_post(eg_request *rq) {
    eg_token_request t = {0};
    eg_str aud = {NULL, 0};
    snprintf(rq->record_resource, sizeof rq->record_resource, "/tenants/%.*s/oauth2/token",
             eg_uuid_valid(rq->params[0]) ? (int)rq->params[0].len : 0, rq->params[0].ptr ? rq->params[0].ptr : "");
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, TOKEN_MAX);
    eg_err e = eg_token_request_read(rq, &t);
    if (e == EG_OK) {
        e = grant(rq, &t, &aud, &token);
    }
    describe(rq, &t, e == EG_OK ? "issued" : eg_err_code(e), aud);
    return e == EG_OK ? respond(rq, eg_buf_str(&token)) : e;
}
