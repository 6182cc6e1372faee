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
    assert_int_equal(eg_jws_verify(&j, &f->identity->own_keys->keys[0], &p), EG_OK);
    eg_err e = eg_claims_check(j.claims, &f->identity->rules[0], eg_wall_s(&f->clock), digest, ret, &p);
    eg_jws_done(&j);
    return e;
}

static void a_jobs_token(void **state) {
    fixture *f = *state;
    char id[EG_UUID_LEN];
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
    assert_int_equal(eg_token_issue(f->identity, TENANT, &who, EG_LIT("https://storage.azure.com"), id, &token), EG_OK);
    assert_true(token.len <= EG_JWS_MAX);
    assert_int_equal(claims_of(f, &token, &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_JOB);
    assert_string_equal(c.principal->object_id, f->object_id);
    assert_string_equal(c.principal->name, "ann \"the\" analyst");
    assert_string_equal(c.principal->job, "analytics/7");
    assert_string_equal(c.principal->cluster, "analytics");
    assert_string_equal(c.principal->token_id, id);
    assert_int_equal(c.principal->group_count, EG_PRINCIPAL_GROUPS_MAX);
    assert_string_equal(c.principal->groups[199], GROUP);
    eg_principal_unref(c.principal);
    eg_buf_done(&token);
    free(job);
}

static void a_clients_token(void **state) {
    fixture *f = *state;
    char id[EG_UUID_LEN];
    eg_checked_claims c = {0};
    eg_local_principal client = {0};
    eg_buf token;
    eg_buf_init(&token, 20480);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(eg_local_principal_find(f->kv, eg_str_of(f->client_id), &client), EG_OK);
    client.kind = EG_PRINCIPAL_USER;
    eg_token_subject who = {.client = &client};
    assert_int_equal(eg_token_issue(f->identity, TENANT, &who, EG_LIT(PUBLIC_URL), id, &token), EG_OK);
    assert_int_equal(claims_of(f, &token, &c), EG_OK);
    assert_int_equal(c.principal->kind, EG_PRINCIPAL_USER);
    assert_string_equal(c.principal->app_id, f->client_id);
    assert_int_equal(c.principal->expires_s - c.issued_s, EG_TOKEN_LIFE_S);
    eg_principal_unref(c.principal);
    /* The keeper signs for tenants that it has keys of, and for no others. */
    assert_int_equal(eg_token_issue(f->identity, "33333333-3333-4333-8333-333333333333", &who, EG_LIT(PUBLIC_URL), id, &token), EG_ERR_NOT_FOUND);
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
        assert_int_equal(eg_token_audience(f->identity, eg_str_of(cases[i].scope), eg_str_of(cases[i].resource), cases[i].job, &aud, &p), cases[i].expected);
        assert_true(cases[i].aud ? eg_str_is(aud, cases[i].aud) : aud.ptr == NULL);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_jobs_token, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_clients_token, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(audiences, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
