/* Turns the Authorization of a request into a principal, for the audience that its surface has. */
#include "pipeline_request.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

static const eg_audience audiences[EG_SURFACE_COUNT] = {
    [EG_SURFACE_OPS] = EG_AUDIENCE_GATEWAY,  [EG_SURFACE_LIVY] = EG_AUDIENCE_GATEWAY, [EG_SURFACE_OAUTH] = EG_AUDIENCE_GATEWAY,
    [EG_SURFACE_DFS] = EG_AUDIENCE_STORAGE,  [EG_SURFACE_BLOB] = EG_AUDIENCE_STORAGE, [EG_SURFACE_ARM] = EG_AUDIENCE_GATEWAY,
    [EG_SURFACE_AUDIT] = EG_AUDIENCE_GATEWAY,
};

/* RFC 6750 section 2.1, b64token. */
static const uint8_t token_byte[256] = {
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,
    ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['+'] = 1, ['/'] = 1, ['='] = 1,
};

/* Eight bytes without a branch: a token has a thousand. */
static bool is_token(eg_str s) {
    const uint8_t *p = (const uint8_t *)s.ptr, *end = p + s.len;
    unsigned fine = 1;
    for (; end - p >= 8; p += 8) {
        fine &= (unsigned)token_byte[p[0]] & token_byte[p[1]] & token_byte[p[2]] & token_byte[p[3]] & token_byte[p[4]] & token_byte[p[5]] & token_byte[p[6]] &
                token_byte[p[7]];
    }
    for (; p < end; p++) {
        fine &= token_byte[*p];
    }
    return fine == 1;
}

eg_err eg_pipeline_bearer(eg_str authorization, eg_str *ret) {
    if (authorization.len == 0) {
        return EG_ERR_TOKEN_MISSING;
    }
    eg_str rest = authorization;
    eg_str scheme = eg_str_cut(&rest, ' ');
    if (!eg_str_ieq(scheme, EG_LIT("Bearer"))) {
        return EG_ERR_TOKEN_MISSING; /* Basic, SharedKey and others are schemes that this gateway has not here */
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

#define WAITS_MAX 2u /* for an issuer's keys, and for the groups that its token leaves out */

static bool may_wait(const eg_pipeline_request *c) {
    return c->asked < WAITS_MAX;
}

static void again(void *arg) {
    eg_pipeline_request *c = arg;
    c->asked++;
    eg_pipeline_run(c);
}

/* From a pool thread. The door keeps the request while neither proceed nor answer came, whatever its peer does. */
static void keys_are_here(void *arg) {
    eg_pipeline_request *c = arg;
    eg_door_on_worker(c->rq, again, c);
}

static void tell_emergency(eg_request *rq, const eg_principal *who) {
    if (who->emergency) {
        rq->record_event = "identity.breakglass.request";
        eg_metric_add(EG_METRIC_BREAKGLASS_USED, 1);
        eg_log(EG_LOG_ERROR, "breakglass.used", "principal", who->object_id, "source", rq->peer.address, "request_id", rq->request_id, NULL);
    }
}

static eg_err fail_bearer(eg_problem *p, eg_err e) {
    return e == EG_ERR_TOKEN_MISSING ? eg_fail(p, e, "The request needs an access token: Authorization: Bearer.")
                                     : eg_fail(p, e, "The access token is not of the form that RFC 6750 gives it.");
}

/* With the connection's certificate: a token may be bound to it. */
static eg_err verify_token(eg_pipeline_request *c, eg_str token, eg_principal **ret) {
    eg_request *rq = c->rq;
    const eg_token_use use = {.audience = audiences[rq->surface], .certificate = &rq->peer.certificate, .later = may_wait(c) ? keys_are_here : NULL, .later_ctx = c};
    return eg_identity_verify(c->pl->o.identity, token, &use, ret, &rq->problem);
}

/* The signature is good beside the token of one person only. */
static eg_err bound_user(eg_pipeline_request *c) {
    const eg_storage_auth *a = &c->pl->o.storage_auth;
    eg_request *rq = c->rq;
    eg_str token;
    const eg_err e = eg_pipeline_bearer(rq->authorization, &token);
    if (e != EG_OK) {
        return fail_bearer(&rq->problem, e);
    }
    EG_TRY(verify_token(c, token, &c->user));
    tell_emergency(rq, c->user);
    return a->bound(a->ctx, rq, c->user);
}

/* Keys and signatures of storage accounts. EG_ERR_NOT_FOUND: a token is owed. */
static eg_err by_account(eg_pipeline_request *c) {
    const eg_storage_auth *a = &c->pl->o.storage_auth;
    eg_request *rq = c->rq;
    if (!a->verify || (rq->surface != EG_SURFACE_DFS && rq->surface != EG_SURFACE_BLOB)) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(a->connection(a->ctx, rq));
    eg_principal_unref(c->held); /* of the first time, when a bound user's keys had to be fetched */
    c->held = NULL;
    EG_TRY(a->verify(a->ctx, rq, may_wait(c) ? keys_are_here : NULL, c, &c->held));
    const eg_err e = eg_identity_check(c->pl->o.identity, c->held, NULL);
    if (e == EG_ERR_TOKEN_REVOKED) {
        return eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "The user delegation key was revoked.");
    }
    EG_TRY(e);
    return a->bound(a->ctx, rq, NULL) == EG_OK ? EG_OK : bound_user(c);
}

/* The ways in without a bearer token. EG_ERR_NOT_FOUND: a token is owed. */
static eg_err without_token(eg_pipeline_request *c) {
    eg_err e = by_account(c);
    e = e == EG_ERR_NOT_FOUND ? eg_pipeline_basic(c) : e;
    return e == EG_ERR_NOT_FOUND ? eg_pipeline_certificate(c) : e;
}

eg_step_verdict eg_pipeline_authenticate(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    eg_str token;
    if (eg_pipeline_is_open(rq)) {
        return EG_STEP_NEXT;
    }
    c->mark = eg_identity_revocation_mark(c->pl->o.identity);
    eg_err e = without_token(c);
    if (e == EG_ERR_BUSY && may_wait(c)) {
        return EG_STEP_WAIT; /* asked again on this worker */
    }
    if (e != EG_ERR_NOT_FOUND) {
        rq->principal = c->held;
        return e == EG_OK ? EG_STEP_NEXT : eg_pipeline_refuse(c, e);
    }
    e = eg_pipeline_bearer(rq->authorization, &token);
    if (e != EG_OK) {
        return eg_pipeline_refuse(c, fail_bearer(&rq->problem, e));
    }
    e = verify_token(c, token, &c->held);
    if (e == EG_ERR_BUSY && may_wait(c)) {
        return EG_STEP_WAIT;
    }
    if (e != EG_OK) {
        return eg_pipeline_refuse(c, e);
    }
    rq->principal = c->held;
    tell_emergency(rq, c->held);
    return EG_STEP_NEXT;
}
