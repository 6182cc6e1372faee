/* On-behalf-of exchanges at the token endpoint: what comes of them, and every reason to refuse one. */
#include "identity_fixture.h"

#include "identity/act_claim.h"
#include "identity/token_issue.h"

#include <embergate/actions.h>

#define EXCHANGE "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
#define ACCESS "urn:ietf:params:oauth:token-type:access_token"
#define ON_BEHALF "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&requested_token_use=on_behalf_of"
#define GROUP "55555555-5555-4555-8555-555555555555"
#define MANAGEMENT "https%3A%2F%2Fmanagement.azure.com%2F.default"

/* What the policy would say. */
static bool may_act, may_chain;

static eg_err decide(eg_request *rq, const char *action, bool data_action, eg_problem *p) {
    assert_non_null(rq->principal); /* the client: whom else could one ask about? */
    assert_true(data_action);
    const bool yes = strcmp(action, EG_ACTION_ACT_FOR) == 0 ? may_act : strcmp(action, EG_ACTION_ACT_CHAINED) == 0 && may_chain;
    return yes ? EG_OK : eg_fail(p, EG_ERR_DENIED_DATA, "no");
}

static void respond(eg_request *rq) {
    (void)rq;
}

static const eg_request_ops ops = {.respond = respond, .decide = decide};

typedef struct answer {
    eg_request rq;
    json_t *body;
} answer;

static void ask(fixture *f, answer *a, const char *tenant, const char *body) {
    static const eg_header headers[] = {{{"Content-Type", 12}, {"application/x-www-form-urlencoded", 33}}};
    size_t n = 0;
    *a = (answer){0};
    eg_request *rq = &a->rq;
    rq->arena = eg_arena_new(262144);
    rq->ops = &ops;
    rq->route = eg_identity_routes(&n);
    rq->room = f->identity;
    rq->surface = EG_SURFACE_OAUTH;
    rq->headers = headers;
    rq->header_count = 1;
    rq->params[0] = eg_str_of(tenant);
    rq->body = eg_str_bytes(eg_str_of(body));
    snprintf(rq->peer.address, sizeof rq->peer.address, "192.0.2.1");
    const eg_err e = rq->route->end(rq);
    if (e != EG_OK) {
        eg_respond_problem(rq, e, &rq->problem);
    }
    assert_int_equal(eg_json_parse(eg_bytes_str(rq->response.bytes), 65536, &a->body, NULL), EG_OK);
    char *details = json_dumps(rq->record_details, 0);
    assert_null(strstr(details, f->secret));
    free(details);
}

static void done(answer *a) {
    json_decref(a->body);
    json_decref(a->rq.record_details);
    eg_buf_done(&a->rq.response.owned);
    eg_arena_free(a->rq.arena);
}

/* A token of Ann's, who is a user of the tenant: her claims, then more. */
#define ANN "66666666-6666-4666-8666-666666666666"
static const char *token_of(fixture *f, const char *tenant, const char *aud, const char *who, const char *more, long life_s) {
    static eg_buf out;
    char claims[12288];
    const long now = (long)eg_wall_s(&f->clock);
    eg_buf_done(&out);
    eg_buf_init(&out, 20480);
    snprintf(claims, sizeof claims, "{\"iss\":\"" PUBLIC_URL "/%s/v2.0\",\"aud\":\"%s\",\"iat\":%ld,\"nbf\":%ld,\"exp\":%ld,\"tid\":\"%s\",\"oid\":\"%s\",\"sub\":\"x\",\"jti\":\"ann-1\"%s}", tenant, aud,
             life_s < 0 ? now - 3600 : now, now - 3600, now + life_s, tenant, who, more);
    assert_int_equal(f->keys->sign_token(f->keys->ctx, eg_str_of(claims), &out), EG_OK);
    return out.ptr;
}

static const char *body_of(const fixture *f, const char *grant, const char *token, const char *more) {
    static char body[40000];
    const bool rfc = strcmp(grant, EXCHANGE) == 0;
    snprintf(body, sizeof body, "%s&client_id=%s&client_secret=%s&%s=%s%s%s", grant, f->client_id, f->secret, rfc ? "subject_token" : "assertion", token,
             rfc ? "&subject_token_type=" ACCESS : "", more);
    return body;
}

#define USER ",\"idtyp\":\"user\",\"name\":\"Ann\""
#define TO_STORAGE "&scope=https://storage.azure.com/.default"

static eg_principal *principal_of(fixture *f, const answer *a, eg_audience aud) {
    eg_principal *who = NULL;
    eg_problem p = {0};
    const eg_err e = eg_identity_verify(f->identity, eg_json_str(a->body, "access_token"), &(eg_token_use){.audience = aud}, &who, &p);
    if (e != EG_OK) {
        fail_msg("%s: %s", eg_err_code(e), p.message);
    }
    return who;
}

static void both_dialects(void **state) {
    fixture *f = *state;
    answer a;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    static const char *const grants[] = {EXCHANGE, ON_BEHALF};
    char mine[64];
    snprintf(mine, sizeof mine, "api://%s", f->client_id);
    for (size_t i = 0; i < 4; i++) {
        const char *aud = i < 2 ? PUBLIC_URL : mine;
        ask(f, &a, TENANT, body_of(f, grants[i % 2], token_of(f, TENANT, aud, ANN, USER ",\"groups\":[\"" GROUP "\"]", 600), TO_STORAGE));
        assert_int_equal(a.rq.response.status, 200);
        const long life = (long)json_integer_value(json_object_get(a.body, "expires_in"));
        assert_true(life <= 599 && life > 500); /* no longer than hers */
        assert_true(eg_str_is(eg_json_str(a.body, "issued_token_type"), i % 2 ? "" : "urn:ietf:params:oauth:token-type:access_token"));
        eg_principal *who = principal_of(f, &a, EG_AUDIENCE_STORAGE);
        assert_int_equal(who->kind, EG_PRINCIPAL_USER);
        assert_string_equal(who->object_id, ANN);
        assert_string_equal(who->name, "Ann");
        assert_string_equal(who->app_id, f->client_id);
        assert_int_equal(who->group_count, 1);
        assert_string_equal(who->groups[0], GROUP);
        assert_non_null(who->acting);
        assert_int_equal(who->acting->count, 1);
        assert_string_equal(who->acting->actors[0].object_id, f->object_id);
        assert_string_equal(who->acting->actors[0].exchanged, "ann-1");
        assert_string_equal(who->acting->text, f->object_id);
        eg_principal_unref(who);
        /* The record: the client, on behalf of her. */
        assert_string_equal(a.rq.principal->object_id, f->object_id);
        assert_string_equal(a.rq.record_on_behalf_of, ANN);
        assert_string_equal(a.rq.record_event, "identity.token.exchange");
        done(&a);
    }
}

/* Unknown groups, and none, stay what they are. */
static void groups_are_carried(void **state) {
    fixture *f = *state;
    answer a;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    static const struct { const char *claims; bool unknown; } cases[] = {{",\"hasgroups\":true", true}, {"", false}, {",\"_claim_names\":{\"groups\":\"src1\"}", true}};
    for (size_t i = 0; i < 3; i++) {
        char more[128];
        snprintf(more, sizeof more, USER "%s", cases[i].claims);
        ask(f, &a, TENANT, body_of(f, EXCHANGE, token_of(f, TENANT, PUBLIC_URL, ANN, more, 600), TO_STORAGE));
        eg_principal *who = principal_of(f, &a, EG_AUDIENCE_STORAGE);
        assert_true(who->groups_unknown == cases[i].unknown && who->group_count == 0);
        eg_principal_unref(who);
        done(&a);
    }
    eg_buf many;
    eg_buf_init(&many, 12288);
    eg_buf_adds(&many, USER ",\"groups\":[\"" GROUP "\"");
    for (int i = 1; i < EG_PRINCIPAL_GROUPS_MAX; i++) {
        eg_buf_adds(&many, ",\"" GROUP "\"");
    }
    eg_buf_adds(&many, "]");
    ask(f, &a, TENANT, body_of(f, ON_BEHALF, token_of(f, TENANT, PUBLIC_URL, ANN, many.ptr, 600), TO_STORAGE));
    eg_principal *who = principal_of(f, &a, EG_AUDIENCE_STORAGE);
    assert_int_equal(who->group_count, EG_PRINCIPAL_GROUPS_MAX);
    eg_principal_unref(who);
    done(&a);
    eg_buf_done(&many);
}

static void refuse(fixture *f, const char *tenant, const char *body, const char *code, eg_err recorded, const char *says) {
    answer a;
    ask(f, &a, tenant, body);
    if (!eg_str_is(eg_json_str(a.body, "error"), code) || a.rq.response.error != recorded || !strstr(json_string_value(json_object_get(a.body, "error_description")), says)) {
        fail_msg("%d %.*s for %s", a.rq.response.status, (int)a.rq.response.bytes.len, (const char *)a.rq.response.bytes.ptr, body);
    }
    assert_null(json_object_get(a.body, "access_token"));
    done(&a);
}

static void malformed(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    const char *t = strdup(token_of(f, TENANT, PUBLIC_URL, ANN, USER, 600));
    static const char *const wrong[] = {
        "&subject_token_type=" ACCESS, "&scope=x&subject_token_type=" ACCESS,                               /* twice */
        "&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token" TO_STORAGE,
        "&actor_token=x" TO_STORAGE, "&actor_token_type=" ACCESS TO_STORAGE,
        "&actor_token=x&actor_token_type=urn:ietf:params:oauth:token-type:saml2" TO_STORAGE,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        refuse(f, TENANT, body_of(f, EXCHANGE, t, wrong[i]), "invalid_request", EG_ERR_OAUTH_REQUEST, "");
    }
    char body[512];
    snprintf(body, sizeof body, EXCHANGE "&client_id=%s&client_secret=%s&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:id_token" TO_STORAGE,
             f->client_id, f->secret);
    refuse(f, TENANT, body, "invalid_request", EG_ERR_OAUTH_REQUEST, "subject_token_type");
    snprintf(body, sizeof body, ON_BEHALF "&client_id=%s&client_secret=%s" TO_STORAGE, f->client_id, f->secret);
    refuse(f, TENANT, body, "invalid_request", EG_ERR_OAUTH_REQUEST, "assertion");
    refuse(f, TENANT, body_of(f, "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", t, TO_STORAGE), "invalid_request", EG_ERR_OAUTH_REQUEST, "requested_token_use");
    refuse(f, TENANT, body_of(f, ON_BEHALF, t, "&subject_token=x" TO_STORAGE), "invalid_request", EG_ERR_OAUTH_REQUEST, "two ways");
    refuse(f, TENANT, body_of(f, EXCHANGE, t, "&audience=https%3A%2F%2Fgraph.microsoft.com"), "invalid_target", EG_ERR_OAUTH_TARGET, "not served");
    refuse(f, TENANT, body_of(f, EXCHANGE, t, "&audience=https%3A%2F%2Fmanagement.azure.com" TO_STORAGE), "invalid_target", EG_ERR_OAUTH_TARGET, "different");
    refuse(f, TENANT, body_of(f, ON_BEHALF, t, "&scope=x"), "invalid_scope", EG_ERR_OAUTH_SCOPE, "");
    free((char *)(uintptr_t)t);
}

static void who_may_act(void **state) {
    fixture *f = *state;
    answer a;
    char wrong[600];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    const char *t = strdup(token_of(f, TENANT, PUBLIC_URL, ANN, USER, 600));
    may_act = false;
    refuse(f, TENANT, body_of(f, EXCHANGE, t, TO_STORAGE), "unauthorized_client", EG_ERR_OAUTH_UNAUTHORIZED, EG_ACTION_ACT_FOR);
    refuse(f, TENANT, body_of(f, ON_BEHALF, t, TO_STORAGE), "unauthorized_client", EG_ERR_OAUTH_UNAUTHORIZED, EG_ACTION_ACT_FOR);
    may_act = true;
    refuse(f, OTHER_TENANT, body_of(f, EXCHANGE, t, TO_STORAGE), "invalid_client", EG_ERR_OAUTH_CLIENT, "");
    snprintf(wrong, sizeof wrong, EXCHANGE "&client_id=%s&client_secret=wrong&subject_token=x&subject_token_type=" ACCESS TO_STORAGE, f->client_id);
    refuse(f, TENANT, wrong, "invalid_client", EG_ERR_OAUTH_CLIENT, "");
    snprintf(wrong, sizeof wrong, EXCHANGE "&client_id=%s&subject_token=x&subject_token_type=" ACCESS TO_STORAGE, f->client_id);
    refuse(f, TENANT, wrong, "invalid_request", EG_ERR_OAUTH_REQUEST, "");
    /* A client that was just revoked; one that is revoked until a time to come. */
    eg_problem p = {0};
    for (int64_t ahead = 0; ahead < 200; ahead += 100) {
        eg_revocation r = {.kind = EG_REVOKE_PRINCIPAL, .tenant = TENANT, .made_s = eg_wall_s(&f->clock)};
        snprintf(r.id, sizeof r.id, "%s", f->object_id);
        r.before_s = r.made_s + (ahead ? ahead : 1);
        assert_int_equal(eg_identity_revoke(f->identity, &r, (eg_txn_op){NULL, NULL}, &p), EG_OK);
        ask(f, &a, TENANT, body_of(f, EXCHANGE, t, TO_STORAGE));
        assert_int_equal(a.rq.response.error, ahead ? EG_ERR_OAUTH_CLIENT : EG_ERR_TOO_MANY_REQUESTS);
        done(&a);
    }
    free((char *)(uintptr_t)t);
}

static void for_whom(void **state) {
    fixture *f = *state;
    char other[64], act[700];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    snprintf(other, sizeof other, "api://%s", OTHER_TENANT);
    const struct { const char *tenant, *aud, *oid, *more; long life_s; const char *says; } cases[] = {
        {TENANT, "https://storage.azure.com", ANN, USER, 600, "TokenAudienceInvalid"},         /* it would be worth more than it was */
        {TENANT, other, ANN, USER, 600, "TokenAudienceInvalid"},                               /* another client's */
        {TENANT, "https://elsewhere.example", ANN, USER, 600, "TokenAudienceInvalid"},
        {TENANT, PUBLIC_URL, ANN, USER, -600, "TokenExpired"},
        {TENANT, PUBLIC_URL, ANN, USER, -2, "TokenExpired"},                                   /* within the skew */
        {TENANT, PUBLIC_URL, ANN, ",\"idtyp\":\"app\"", 600, "Only a user's token"},
        {TENANT, PUBLIC_URL, ANN, USER ",\"eg_breakglass\":true", 600, "Only a user's token"},
        {TENANT, PUBLIC_URL, ANN, USER ",\"at_hash\":\"x\"", 600, "TokenTypeRefused"},
        {TENANT, PUBLIC_URL, ANN, USER ",\"act\":{\"sub\":\"x\"}", 600, "TokenClaimInvalid"},
        {TENANT, PUBLIC_URL, f->object_id, USER, 600, "for itself"},
        {OTHER_TENANT, PUBLIC_URL, ANN, USER, 600, "another tenant"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const char *grant = i % 2 ? EXCHANGE : ON_BEHALF;
        const char *t = token_of(f, cases[i / 2].tenant, cases[i / 2].aud, cases[i / 2].oid, cases[i / 2].more, cases[i / 2].life_s);
        refuse(f, TENANT, body_of(f, grant, t, TO_STORAGE), i % 2 ? "invalid_request" : "invalid_grant", i % 2 ? EG_ERR_OAUTH_SUBJECT : EG_ERR_OAUTH_INVALID_GRANT,
               cases[i / 2].says);
    }
    refuse(f, TENANT, body_of(f, EXCHANGE, "no.token", TO_STORAGE), "invalid_request", EG_ERR_OAUTH_SUBJECT, "TokenMalformed");
    /* A job's token is for storage alone, so that its audience is already none. */
    snprintf(act, sizeof act, USER ",\"eg_job\":\"c/1\",\"eg_cluster\":\"c\"");
    refuse(f, TENANT, body_of(f, EXCHANGE, token_of(f, TENANT, PUBLIC_URL, ANN, act, 600), TO_STORAGE), "invalid_request", EG_ERR_OAUTH_SUBJECT, "TokenAudienceInvalid");
}

static void an_actors_token(void **state) {
    fixture *f = *state;
    answer a;
    char more[24000];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    const char *hers = strdup(token_of(f, TENANT, PUBLIC_URL, ANN, USER, 600));
    snprintf(more, sizeof more, "&actor_token=%s&actor_token_type=" ACCESS TO_STORAGE, token_of(f, TENANT, PUBLIC_URL, f->object_id, ",\"idtyp\":\"app\"", 600));
    ask(f, &a, TENANT, body_of(f, EXCHANGE, hers, more));
    assert_int_equal(a.rq.response.status, 200);
    done(&a);
    snprintf(more, sizeof more, "&actor_token=%s&actor_token_type=" ACCESS TO_STORAGE, hers);
    refuse(f, TENANT, body_of(f, EXCHANGE, hers, more), "invalid_request", EG_ERR_OAUTH_SUBJECT, "not the client's own");
    snprintf(more, sizeof more, "&actor_token=x&actor_token_type=" ACCESS TO_STORAGE);
    refuse(f, TENANT, body_of(f, EXCHANGE, hers, more), "invalid_request", EG_ERR_OAUTH_SUBJECT, "TokenMalformed");
    free((char *)(uintptr_t)hers);
}

/* An exchanged token is exchanged again by leave alone, and three times in all. */
static void chains(void **state) {
    fixture *f = *state;
    answer a;
    eg_buf token;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    eg_buf_init(&token, 20480);
    eg_buf_adds(&token, token_of(f, TENANT, PUBLIC_URL, ANN, USER, 600));
    for (size_t n = 1; n <= EG_PRINCIPAL_ACTORS_MAX; n++) {
        may_chain = false;
        if (n > 1) {
            refuse(f, TENANT, body_of(f, EXCHANGE, token.ptr, "&scope=" MANAGEMENT), "invalid_request", EG_ERR_OAUTH_SUBJECT, EG_ACTION_ACT_CHAINED);
        }
        may_chain = true;
        ask(f, &a, TENANT, body_of(f, EXCHANGE, token.ptr, "&scope=" MANAGEMENT));
        eg_principal *who = principal_of(f, &a, EG_AUDIENCE_GATEWAY);
        assert_int_equal(who->acting->count, n);
        eg_principal_unref(who);
        eg_buf_reset(&token);
        eg_buf_add(&token, eg_json_str(a.body, "access_token").ptr, eg_json_str(a.body, "access_token").len);
        done(&a);
    }
    refuse(f, TENANT, body_of(f, EXCHANGE, token.ptr, "&scope=" MANAGEMENT), "invalid_request", EG_ERR_OAUTH_SUBJECT, "as often as it may be");
    eg_buf_done(&token);
}

/* Whoever of the three is revoked, the token is over. */
static void revocations(void **state) {
    fixture *f = *state;
    answer a;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    const struct { eg_revocation_kind kind; const char *id; } ends[] = {
        {EG_REVOKE_PRINCIPAL, ANN}, {EG_REVOKE_TOKEN, "ann-1"}, {EG_REVOKE_PRINCIPAL, f->object_id}};
    for (size_t i = 0; i < 3; i++) {
        eg_problem p = {0};
        eg_principal *who = NULL;
        eg_revocation r = {.kind = ends[i].kind, .tenant = TENANT};
        ask(f, &a, TENANT, body_of(f, EXCHANGE, token_of(f, TENANT, PUBLIC_URL, ANN, USER, 600), TO_STORAGE));
        assert_int_equal(a.rq.response.status, 200);
        eg_principal_unref(principal_of(f, &a, EG_AUDIENCE_STORAGE));
        snprintf(r.id, sizeof r.id, "%s", ends[i].id);
        f->offset_s += 2;
        r.made_s = r.before_s = eg_wall_s(&f->clock);
        assert_int_equal(eg_identity_revoke(f->identity, &r, (eg_txn_op){NULL, NULL}, &p), EG_OK);
        assert_int_equal(eg_identity_verify(f->identity, eg_json_str(a.body, "access_token"), &(eg_token_use){.audience = EG_AUDIENCE_STORAGE}, &who, &p), EG_ERR_TOKEN_REVOKED);
        assert_null(who);
        assert_int_equal(eg_identity_revoke_undo(f->identity, &r, (eg_txn_op){NULL, NULL}, &p), EG_OK);
        done(&a);
        f->offset_s += 2;
    }
}

static int open_all(void **state) {
    may_act = may_chain = true;
    return fixture_open(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_all, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {T(both_dialects), T(groups_are_carried), T(malformed), T(who_may_act), T(for_whom), T(an_actors_token), T(chains), T(revocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
