/* Turns the Authorization of a request into a principal, for the audience that its surface has. */
#include "pipeline_request.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

static const eg_audience audiences[EG_SURFACE_COUNT] = {
    [EG_SURFACE_OPS] = EG_AUDIENCE_GATEWAY,  [EG_SURFACE_LIVY] = EG_AUDIENCE_GATEWAY, [EG_SURFACE_OAUTH] = EG_AUDIENCE_GATEWAY,
    [EG_SURFACE_DFS] = EG_AUDIENCE_STORAGE,  [EG_SURFACE_BLOB] = EG_AUDIENCE_STORAGE, [EG_SURFACE_ARM] = EG_AUDIENCE_GATEWAY,
    [EG_SURFACE_AUDIT] = EG_AUDIENCE_GATEWAY,
};

/* RFC 6750 section 2.1, b64token: letters, digits and -._~+/= ('-', '.' and '/' stand right before the digits). */
static bool is_token_byte(uint8_t c) {
    return ((uint8_t)((c | 0x20) - 'a') < 26) | ((uint8_t)(c - '-') <= '9' - '-') | (c == '+') | (c == '=') | (c == '_') | (c == '~');
}

/* Whole blocks without a branch, so that the compiler takes each with a few instructions. */
static bool is_token(eg_str s) {
    enum { BLOCK = 16 };
    uint8_t fine = 1;
    size_t i = 0;
    for (; s.len - i >= BLOCK; i += BLOCK) {
        for (size_t k = 0; k < BLOCK; k++) {
            fine &= (uint8_t)is_token_byte((uint8_t)s.ptr[i + k]);
        }
    }
    for (; i < s.len; i++) {
        fine &= (uint8_t)is_token_byte((uint8_t)s.ptr[i]);
    }
    return fine;
}

eg_err eg_pipeline_bearer(eg_str authorization, eg_str *ret) {
    if (authorization.len == 0) {
        return EG_ERR_TOKEN_MISSING;
    }
    eg_str rest = authorization;
    eg_str scheme = eg_str_cut(&rest, ' ');
    if (!eg_str_ieq(scheme, EG_LIT("Bearer"))) {
        return EG_ERR_TOKEN_MISSING; /* Basic, SharedKey and others are schemes that this gateway has not */
    }
    while (rest.len > 0 && rest.ptr[0] == ' ') { /* RFC 9110 section 11.4: 1*SP */
        rest = (eg_str){rest.ptr + 1, rest.len - 1};
    }
    if (rest.len == 0 || !is_token(rest)) {
        return EG_ERR_TOKEN_MALFORMED;
    }
    *ret = rest;
    return EG_OK;
}

static bool is_loopback(const char *address) {
    static const char mapped[] = "::ffff:";
    if (strncmp(address, mapped, sizeof mapped - 1) == 0) {
        address += sizeof mapped - 1;
    }
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

bool eg_pipeline_is_open(const eg_request *rq) {
    unsigned flags = rq->route->flags;
    return (flags & EG_ROUTE_PUBLIC) || ((flags & EG_ROUTE_LOOPBACK) && is_loopback(rq->peer.address));
}

static void again(void *arg) {
    eg_pipeline_request *c = arg;
    c->asked_again = true;
    eg_pipeline_run(c);
}

/* From a pool thread. The door keeps the request while neither proceed nor answer came, whatever its peer does. */
static void keys_are_here(void *arg) {
    eg_pipeline_request *c = arg;
    eg_door_on_worker(c->rq, again, c);
}

static eg_err fail_bearer(eg_problem *p, eg_err e) {
    return e == EG_ERR_TOKEN_MISSING ? eg_fail(p, e, "The request needs an access token: Authorization: Bearer.")
                                     : eg_fail(p, e, "The access token is not of the form that RFC 6750 gives it.");
}

/* Keys and signatures of storage accounts. EG_ERR_NOT_FOUND: a token is owed. */
static eg_err without_token(eg_pipeline_request *c) {
    const eg_storage_auth *a = &c->pl->o.storage_auth;
    eg_request *rq = c->rq;
    if (!a->verify || (rq->surface != EG_SURFACE_DFS && rq->surface != EG_SURFACE_BLOB)) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(a->connection(a->ctx, rq));
    EG_TRY(a->verify(a->ctx, rq, c->asked_again ? NULL : keys_are_here, c, &c->held));
    const eg_err e = eg_identity_check(c->pl->o.identity, c->held, NULL);
    return e == EG_ERR_TOKEN_REVOKED ? eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "The user delegation key was revoked.") : e;
}

eg_step_verdict eg_pipeline_authenticate(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    eg_str token;
    if (eg_pipeline_is_open(rq)) {
        return EG_STEP_NEXT;
    }
    c->mark = eg_identity_revocation_mark(c->pl->o.identity);
    eg_err e = without_token(c);
    if (e == EG_ERR_BUSY && !c->asked_again) {
        return EG_STEP_WAIT;
    }
    if (e != EG_ERR_NOT_FOUND) {
        rq->principal = c->held;
        return e == EG_OK ? EG_STEP_NEXT : eg_pipeline_refuse(c, e);
    }
    e = eg_pipeline_bearer(rq->authorization, &token);
    if (e != EG_OK) {
        return eg_pipeline_refuse(c, fail_bearer(&rq->problem, e));
    }
    void (*later)(void *) = c->asked_again ? NULL : keys_are_here;
    e = eg_identity_verify(c->pl->o.identity, token, audiences[rq->surface], later, c, &c->held, &rq->problem);
    if (e == EG_ERR_BUSY && !c->asked_again) {
        return EG_STEP_WAIT;
    }
    if (e != EG_OK) {
        return eg_pipeline_refuse(c, e);
    }
    rq->principal = c->held;
    if (c->held->emergency) {
        rq->record_event = "identity.breakglass.request";
        eg_metric_add(EG_METRIC_BREAKGLASS_USED, 1);
        eg_log(EG_LOG_ERROR, "breakglass.used", "principal", c->held->object_id, "source", rq->peer.address, "request_id", rq->request_id, NULL);
    }
    return EG_STEP_NEXT;
}
