/* What the gateway's own tokens say: of clients, and of jobs with their submitter's groups. */
#include "identity_fixture.h"

#include "identity/jws.h"
#include "identity/token_issue.h"

#define GROUP "55555555-5555-4555-8555-555555555555"

/* The claims of a token just issued, through the same checks that verify it. */
static eg_err claims_of(const fixture *f, const eg_buf *token, eg_checked_claims *ret) {
    static const uint8_t digest[EG_SHA256_LEN];
    eg_jws j = {0};
    eg_problem p = {0};
    assert_int_equal(eg_jws_parse(eg_buf_str(token), &j, &p), EG_OK);
    eg_jwk_set *keys = eg_own_keys_set(f->identity->own_keys);
    assert_int_equal(eg_jws_verify(&j, &keys->keys[0], &p), EG_OK);
    eg_jwk_set_unref(keys);
    eg_err e = eg_claims_check(j.claims, &f->identity->rules[0], eg_wall_s(&f->clock), digest, ret, &p);
    eg_jws_done(&j);
    return e;
}

static void a_jobs_token(void **state) {
    fixture *f = *state;
    eg_issued_token t;
    eg_checked_claims c = {0};
    eg_buf token;
    eg_job_identity *job = calloc(1, sizeof *job);
    eg_buf_init(&token, 20480);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    snprintf(job->tenant, sizeof job->tenant, TENANT);
    snprintf(job->object_id, sizeof job->object_id, "%s", f->object_id);
    snprintf(job->name, sizeof job->name, "ann \"the\" analyst");
    snprintf(job->cluster, sizeof job->cluster, "analytics");
    snprintf(job->job, sizeof job->job, "analytics/7");
    job->submitter_kind = EG_PRINCIPAL_USER;
    job->group_count = EG_PRINCIPAL_GROUPS_MAX; /* the largest token there is */
    for (size_t i = 0; i < job->group_count; i++) {
        snprintf(job->groups[i], sizeof job->groups[i], GROUP);
    }
    eg_token_subject who = {.job = job};
    assert_int_equal(eg_token_issue(f->identity, TENANT, &who, EG_LIT("https://storage.azure.com"), &t, &token), EG_OK);
    assert_true(token.len <= EG_JWS_MAX);
    assert_int_equal(claims_of(f, &token, &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_JOB);
    assert_string_equal(c.principal->object_id, f->object_id);
    assert_string_equal(c.principal->name, "ann \"the\" analyst");
    assert_string_equal(c.principal->job, "analytics/7");
    assert_string_equal(c.principal->cluster, "analytics");
    assert_string_equal(c.principal->token_id, t.id);
    assert_int_equal(c.principal->group_count, EG_PRINCIPAL_GROUPS_MAX);
    assert_string_equal(c.principal->groups[199], GROUP);
    eg_principal_unref(c.principal);
    eg_buf_done(&token);
    free(job);
}

static void a_clients_token(void **state) {
    fixture *f = *state;
    eg_issued_token t;
    eg_checked_claims c = {0};
    eg_local_principal client = {0};
    eg_buf token;
    eg_buf_init(&token, 20480);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(eg_local_principal_find(f->kv, eg_str_of(f->client_id), &client), EG_OK);
    client.kind = EG_PRINCIPAL_USER;
    eg_token_subject who = {.client = &client};
    assert_int_equal(eg_token_issue(f->identity, TENANT, &who, EG_LIT(PUBLIC_URL), &t, &token), EG_OK);
    assert_int_equal(claims_of(f, &token, &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_USER);
    assert_string_equal(c.principal->app_id, f->client_id);
    assert_int_equal(c.principal->expires_s - c.issued_s, EG_TOKEN_LIFE_S);
    eg_principal_unref(c.principal);
    /* The keeper signs for tenants that it has keys of, and for no others. */
    assert_int_equal(eg_token_issue(f->identity, "33333333-3333-4333-8333-333333333333", &who, EG_LIT(PUBLIC_URL), &t, &token), EG_ERR_NOT_FOUND);
    eg_buf_done(&token);
}

static void audiences(void **state) {
    fixture *f = *state;
    static const struct {
        const char *scope;
        const char *resource;
        bool job;
        eg_err expected;
        const char *aud;
    } cases[] = {
        {"https://storage.azure.com/.default", "", true, EG_OK, "https://storage.azure.com"},
        {"", "https://storage.azure.com/", true, EG_OK, "https://storage.azure.com/"},
        {"https://management.azure.com/.default", "", false, EG_OK, "https://management.azure.com"},
        {"https://embergate/.default", "", false, EG_OK, PUBLIC_URL},
        {"https://management.azure.com/.default", "", true, EG_ERR_OAUTH_SCOPE, NULL},
        {PUBLIC_URL "/.default", "", true, EG_ERR_OAUTH_SCOPE, NULL},
        {"https://storage.azure.com/user_impersonation", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {"https://storage.azure.com/.default openid offline_access profile", "", false, EG_OK, "https://storage.azure.com"},
        {"https://storage.azure.com/.default https://embergate/.default", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {"https://storage.azure.com/.default  openid", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {"openid profile", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {"/.default", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {"", "", false, EG_ERR_OAUTH_SCOPE, NULL},
    };
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_str aud = {NULL, 0};
        eg_problem p = {0};
        const eg_token_target t = {.tenant = TENANT, .scope = eg_str_of(cases[i].scope), .resource = eg_str_of(cases[i].resource), .job = cases[i].job};
        assert_int_equal(eg_token_audience(f->identity, &t, &aud, &p), cases[i].expected);
        assert_true(cases[i].aud ? eg_str_is(aud, cases[i].aud) : aud.ptr == NULL);
    }
}

/* RFC 8693: scope, resource and audience may stand beside each other. */
static void targets_of_an_exchange(void **state) {
    fixture *f = *state;
    char own[80], other[80];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    snprintf(own, sizeof own, "api://%s", f->client_id);
    snprintf(other, sizeof other, "api://%s", f->object_id);
    const struct {
        const char *tenant, *scope, *resource, *audience;
        bool job;
        eg_err expected;
        const char *aud;
    } cases[] = {
        {TENANT, "https://storage.azure.com/user_impersonation", "", "", false, EG_OK, "https://storage.azure.com"},
        {TENANT, "", "", "https://storage.azure.com", false, EG_OK, "https://storage.azure.com"},
        {TENANT, "", "https://storage.azure.com", "https://storage.azure.com", false, EG_OK, "https://storage.azure.com"},
        {TENANT, "openid profile", "", "https://management.azure.com", false, EG_OK, "https://management.azure.com"},
        {TENANT, "https://embergate/.default", "", PUBLIC_URL, false, EG_OK, PUBLIC_URL},
        {TENANT, "https://storage.azure.com/.default", "", "https://management.azure.com", false, EG_ERR_OAUTH_TARGET, NULL},
        {TENANT, "", "https://storage.azure.com", "https://management.azure.com", false, EG_ERR_OAUTH_TARGET, NULL},
        {TENANT, "", "", "https://graph.microsoft.com", false, EG_ERR_OAUTH_TARGET, NULL},
        {TENANT, "", "", "", false, EG_ERR_OAUTH_TARGET, NULL},
        {TENANT, "https://graph.microsoft.com/.default", "", "", false, EG_ERR_OAUTH_SCOPE, NULL},
        {TENANT, "", "", own, false, EG_OK, own},
        {TENANT, "", "", own, true, EG_ERR_OAUTH_TARGET, NULL},
        {TENANT, "", "", other, false, EG_ERR_OAUTH_TARGET, NULL},         /* nobody's client id */
        {OTHER_TENANT, "", "", own, false, EG_ERR_OAUTH_TARGET, NULL},     /* another tenant's */
        {TENANT, "", "", "api://", false, EG_ERR_OAUTH_TARGET, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_str aud = {NULL, 0};
        eg_problem p = {0};
        const eg_token_target t = {.tenant = cases[i].tenant, .scope = eg_str_of(cases[i].scope), .resource = eg_str_of(cases[i].resource),
                                   .audience = eg_str_of(cases[i].audience), .job = cases[i].job, .delegated = true};
        assert_int_equal(eg_token_audience(f->identity, &t, &aud, &p), cases[i].expected);
        assert_true(cases[i].aud ? eg_str_is(aud, cases[i].aud) : aud.ptr == NULL);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_jobs_token, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_clients_token, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(audiences, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(targets_of_an_exchange, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
