/* Checks an on-behalf-of exchange in both dialects (RFC 8693, Entra ID's jwt-bearer): the client's right to act, the subject's token, the chain. */
#include "token_exchange.h"

#include "act_claim.h"
#include "revocation.h"

#include <embergate/actions.h>

#include <stdio.h>
#include <time.h>

#define TYPE_ACCESS "urn:ietf:params:oauth:token-type:access_token"
#define TYPE_JWT "urn:ietf:params:oauth:token-type:jwt"
#define WAITING_MAX 8u         /* exchanges that wait for an issuer's keys at a time, each on a thread of the pool */
#define LOOKS 120
#define LOOK_NS 50000000

typedef struct exchange {
    eg_request *rq;
    eg_identity *identity;
    const eg_local_principal *client;
    int64_t began_s;
    eg_str subject_token, actor_token;
    eg_err refused;            /* the dialect's code for a token that isn't good enough */
} exchange;

static bool is_token_type(eg_str type) {
    return eg_str_is(type, TYPE_ACCESS) || eg_str_is(type, TYPE_JWT);
}

static eg_err bad(exchange *x, const char *sentence) {
    return eg_fail(&x->rq->problem, EG_ERR_OAUTH_REQUEST, "%s", sentence);
}

static eg_err refuse(exchange *x, const char *sentence) {
    return eg_fail(&x->rq->problem, x->refused, "%s", sentence);
}

/* RFC 8693 section 2.1. */
static eg_err read_exchange(exchange *x, const eg_token_request *t, const char **ret_type) {
    if (!t->subject_token.len || !is_token_type(t->subject_token_type)) {
        return bad(x, "The request needs subject_token, and a subject_token_type of access_token or jwt.");
    }
    if ((t->actor_token.len > 0) != (t->actor_token_type.len > 0) || (t->actor_token.len > 0 && !is_token_type(t->actor_token_type))) {
        return bad(x, "An actor_token needs an actor_token_type of access_token or jwt, and the type a token.");
    }
    if (t->requested_token_type.len > 0 && !is_token_type(t->requested_token_type)) {
        return bad(x, "Only access tokens are issued here: requested_token_type is access_token or jwt.");
    }
    x->subject_token = t->subject_token;
    x->actor_token = t->actor_token;
    x->refused = EG_ERR_OAUTH_SUBJECT;
    *ret_type = eg_str_is(t->requested_token_type, TYPE_JWT) ? TYPE_JWT : TYPE_ACCESS;
    return EG_OK;
}

/* RFC 7523 section 2.1, with what Entra ID adds to it. */
static eg_err read_on_behalf(exchange *x, const eg_token_request *t) {
    if (!t->assertion.len || !eg_str_is(t->requested_token_use, "on_behalf_of")) {
        return bad(x, "The request needs an assertion, and requested_token_use=on_behalf_of.");
    }
    if (t->subject_token.ptr || t->actor_token.ptr) {
        return bad(x, "The request names whom it is for in two ways.");
    }
    x->subject_token = t->assertion;
    x->refused = EG_ERR_OAUTH_INVALID_GRANT;
    return EG_OK;
}

/* Verified as at any request; while its issuer's keys are fetched, this thread waits. */
static eg_err verify_for(exchange *x, eg_str token, eg_audience aud, eg_principal **ret) {
    eg_identity *i = x->identity;
    const eg_token_use use = {.audience = aud, .certificate = &x->rq->peer.certificate};
    eg_err e = eg_identity_verify(i, token, &use, ret, &x->rq->problem);
    if (e != EG_ERR_BUSY) {
        return e;
    }
    if (atomic_fetch_add(&i->waiting_exchanges, 1) < WAITING_MAX) {
        for (int n = 0; e == EG_ERR_BUSY && n < LOOKS; n++) {
            (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
            e = eg_identity_verify(i, token, &use, ret, &x->rq->problem);
        }
    }
    atomic_fetch_sub(&i->waiting_exchanges, 1);
    return e;
}

static void release(void *principal) {
    eg_principal_unref(principal);
}

/* A token for this client, or for the gateway. One for storage alone is none: exchanged for the gateway's audience it would be worth more than it was. */
static eg_err verify(exchange *x, eg_str token, eg_principal **ret) {
    eg_request *rq = x->rq;
    eg_principal *who = NULL;
    eg_err e = verify_for(x, token, EG_AUDIENCE_CLIENT, &who);
    if (e == EG_OK && strcmp(who->for_client, x->client->client_id) != 0) {
        eg_principal_unref(who);
        who = NULL;
        e = EG_ERR_TOKEN_AUDIENCE;
    }
    if (e == EG_ERR_TOKEN_AUDIENCE) {
        rq->problem = (eg_problem){0};
        e = verify_for(x, token, EG_AUDIENCE_GATEWAY, &who);
    }
    if (e != EG_OK) {
        if (eg_err_category(e) != EG_CAT_UNAUTHENTICATED) {
            return e;
        }
        const eg_problem why = rq->problem;
        return eg_fail(&rq->problem, x->refused, "%s: %s", eg_err_code(e), why.code == e ? why.message : "The token was refused.");
    }
    e = eg_arena_defer(rq->arena, release, who);
    if (e != EG_OK) {
        eg_principal_unref(who);
        return e;
    }
    *ret = who;
    return EG_OK;
}

static bool may(exchange *x, const char *action) {
    eg_request *rq = x->rq;
    eg_problem unused = {0};
    return rq->ops && rq->ops->decide && rq->ops->decide(rq, action, true, &unused) == EG_OK;
}

/* What the policy of the tenant says of the client. Nobody may act for others unasked. */
static eg_err check_client(exchange *x) {
    if (x->client->emergency || !may(x, EG_ACTION_ACT_FOR)) {
        return eg_fail(&x->rq->problem, EG_ERR_OAUTH_UNAUTHORIZED, "The client may not act for others: it has no role assignment that grants " EG_ACTION_ACT_FOR ".");
    }
    return EG_OK;
}

/* Only people are acted for: a job has its own bounds, an application signs in itself, and what is behind glass is not lent. */
static eg_err check_subject(exchange *x, const eg_principal *s) {
    if (strcmp(s->tenant, x->client->tenant) != 0) {
        return refuse(x, "The subject's token is of another tenant.");
    }
    if (s->kind != EG_PRINCIPAL_USER || s->emergency) {
        return refuse(x, "Only a user's token can be exchanged, not a job's, an application's or a break-glass administrator's.");
    }
    if (strcmp(s->object_id, x->client->object_id) == 0) {
        return refuse(x, "A client does not act for itself.");
    }
    if (s->acted_elsewhere) {
        return refuse(x, "The subject's token says that somebody acts for them already, and it is not this gateway that says so.");
    }
    if (s->expires_s <= eg_wall_s(x->identity->clock)) {
        return refuse(x, "TokenExpired: The token has expired."); /* within the skew allowed: it would live no longer */
    }
    return EG_OK;
}

/* RFC 8693 section 2.1: an actor's token is the client's own. It says nothing that the client's proof didn't. */
static eg_err check_actor(exchange *x) {
    eg_principal *actor = NULL;
    if (!x->actor_token.len) {
        return EG_OK;
    }
    EG_TRY(verify(x, x->actor_token, &actor));
    if (strcmp(actor->object_id, x->client->object_id) != 0 || strcmp(actor->tenant, x->client->tenant) != 0 || actor->acting || actor->kind == EG_PRINCIPAL_JOB) {
        return refuse(x, "The actor's token is not the client's own.");
    }
    return EG_OK;
}

/* A revocation of the client from the second on in which it was proven ends the token. One of that very second may have been before or after. */
static eg_err check_since(exchange *x) {
    int64_t floor = 0;
    EG_TRY(eg_revocation_floor(x->identity->kv, x->client->tenant, x->client->object_id, &floor));
    if (floor > x->began_s + 1) {
        return eg_fail(&x->rq->problem, EG_ERR_OAUTH_CLIENT, "The client was revoked.");
    }
    return floor < x->began_s ? EG_OK : eg_fail(&x->rq->problem, EG_ERR_TOO_MANY_REQUESTS, "The client was revoked within this second; try again.");
}

static eg_err push(exchange *x, const eg_principal *subject, eg_acting *ret) {
    eg_actor now = {.since_s = x->began_s};
    snprintf(now.object_id, sizeof now.object_id, "%s", x->client->object_id);
    snprintf(now.app_id, sizeof now.app_id, "%s", x->client->client_id);
    snprintf(now.exchanged, sizeof now.exchanged, "%s", subject->token_id);
    if (subject->acting && !may(x, EG_ACTION_ACT_CHAINED)) {
        return refuse(x, "The subject's token was exchanged before, and the client has no role assignment that grants " EG_ACTION_ACT_CHAINED ".");
    }
    if (eg_act_claim_push(subject->acting, &now, ret) != EG_OK) {
        return refuse(x, "The subject's token was exchanged as often as it may be.");
    }
    return EG_OK;
}

eg_err eg_token_exchange_check(eg_request *rq, const eg_token_request *t, const eg_local_principal *client, int64_t began_s, eg_exchange *ret) {
    exchange x = {.rq = rq, .identity = rq->room, .client = client, .began_s = began_s};
    eg_exchange out = {0};
    EG_TRY(eg_str_is(t->grant_type, EG_GRANT_EXCHANGE) ? read_exchange(&x, t, &out.type) : read_on_behalf(&x, t));
    EG_TRY(check_client(&x));
    EG_TRY(check_since(&x));
    EG_TRY(verify(&x, x.subject_token, &out.subject));
    if (strcmp(out.subject->tenant, client->tenant) == 0) {
        snprintf(rq->record_on_behalf_of, sizeof rq->record_on_behalf_of, "%s", out.subject->object_id);
    }
    EG_TRY(check_subject(&x, out.subject));
    EG_TRY(check_actor(&x));
    EG_TRY(push(&x, out.subject, &out.acting));
    *ret = out;
    return EG_OK;
}
