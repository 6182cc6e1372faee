/* Bearer tokens of the gateway's own issuer: accepted, cached, and refused as soon as anything about them is not as it must be. */
#include "identity_fixture.h"

#include <embergate/metrics.h>

static void verified_once_then_from_the_cache(void **state) {
    fixture *f = *state;
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, "https://storage.azure.com", "", &token);
    int64_t hits = eg_metric_get(EG_METRIC_TOKEN_CACHE_HITS);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_STORAGE), EG_OK);
    assert_int_equal(eg_metric_get(EG_METRIC_TOKEN_CACHE_HITS), hits);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_STORAGE), EG_OK);
    assert_int_equal(eg_metric_get(EG_METRIC_TOKEN_CACHE_HITS), hits + 1);
    /* For another surface, from the cache or not. */
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_AUDIENCE);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_NONE), EG_ERR_TOKEN_AUDIENCE);
    fixture_token(f, "https://management.azure.com/", "", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_STORAGE), EG_ERR_TOKEN_AUDIENCE);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    fixture_token(f, "https://graph.microsoft.com", "", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_AUDIENCE);
    eg_buf_done(&token);
}

static void expiry_counts_in_the_cache_too(void **state) {
    fixture *f = *state;
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, "", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    f->offset_s = 3590;
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    f->offset_s = 3610;
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_EXPIRED);
    f->offset_s = -60;
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_NOT_YET); /* verified before; time went back */
    f->offset_s = 0;
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    f->offset_s = -60;
    eg_identity_close(f->identity);
    f->identity = NULL;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_NOT_YET);
    eg_buf_done(&token);
}

static void a_restart_keeps_tokens_good(void **state) {
    fixture *f = *state;
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, "", &token);
    eg_identity_close(f->identity);
    f->identity = NULL;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    eg_buf_done(&token);
}

static void forged_and_foreign_tokens(void **state) {
    fixture *f = *state;
    eg_buf good;
    eg_buf bad;
    eg_buf_init(&good, 16384);
    eg_buf_init(&bad, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, "", &good);
    assert_int_equal(fixture_verify(f, EG_LIT(""), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_MISSING);
    /* The same header and claims, signed by somebody else's key. */
    const maker_alg *es = maker_named("ES256");
    EVP_PKEY *forger = maker_key(es);
    char *second = strrchr(good.ptr, '.');
    uint8_t sig[1024];
    size_t n = maker_signature(es, forger, good.ptr, (size_t)(second - good.ptr), false, sig);
    eg_buf_add(&bad, good.ptr, (size_t)(second - good.ptr) + 1);
    maker_b64(sig, n, &bad);
    assert_int_equal(fixture_verify(f, eg_buf_str(&bad), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_SIGNATURE);
    /* Our issuer, the forger's key id; an issuer that nobody configured; no key id; another algorithm. */
    static const char claims[] = "{\"iss\":\"" PUBLIC_URL "/" TENANT "/v2.0\",\"aud\":\"" PUBLIC_URL "\"}";
    maker_token(es, forger, "{\"alg\":\"ES256\",\"kid\":\"forged\"}", claims, &bad);
    assert_int_equal(fixture_verify(f, eg_buf_str(&bad), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_KEY_UNKNOWN);
    maker_token(es, forger, "{\"alg\":\"ES256\"}", claims, &bad);
    assert_int_equal(fixture_verify(f, eg_buf_str(&bad), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_KEY_UNKNOWN);
    maker_token(es, forger, "{\"alg\":\"ES256\",\"kid\":\"k\"}", "{\"iss\":\"https://evil.example\"}", &bad);
    assert_int_equal(fixture_verify(f, eg_buf_str(&bad), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_ISSUER);
    maker_token(es, forger, "{\"alg\":\"ES256\",\"kid\":\"k\"}", "{}", &bad);
    assert_int_equal(fixture_verify(f, eg_buf_str(&bad), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_ISSUER);
    /* Signed by ours, changed in the claims: one more hour. */
    good.ptr[strcspn(good.ptr, ".") + 20] ^= 1;
    eg_err e = fixture_verify(f, eg_buf_str(&good), EG_AUDIENCE_GATEWAY);
    assert_true(e == EG_ERR_TOKEN_SIGNATURE || e == EG_ERR_TOKEN_MALFORMED || e == EG_ERR_TOKEN_ISSUER);
    EVP_PKEY_free(forger);
    eg_buf_done(&good);
    eg_buf_done(&bad);
}

static void disabling_revokes_at_once(void **state) {
    fixture *f = *state;
    eg_buf token;
    eg_problem p = {0};
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, "", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    assert_int_equal(eg_identity_disable_local(f->kv, f->committer, EG_LIT("99999999-9999-4999-8999-999999999999"), &p), EG_ERR_NOT_FOUND);
    eg_identity_close(f->identity);
    f->identity = NULL;
    assert_int_equal(eg_identity_disable_local(f->kv, f->committer, eg_str_of(f->client_id), &p), EG_OK);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_REVOKED);
    eg_buf_done(&token);
}

/* Without a compute room no job runs; with one it is asked each time. */
static void a_job_that_does_not_run(void **state) {
    fixture *f = *state;
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, "https://storage.azure.com", ",\"eg_job\":\"c/1\",\"eg_cluster\":\"c\"", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_STORAGE), EG_ERR_JOB_ENDED);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_STORAGE), EG_ERR_JOB_ENDED);
    eg_buf_done(&token);
}

static void configurations_that_are_refused(void **state) {
    fixture *f = *state;
    static const char *const audiences[] = {"api://embergate", NULL};
    static const char *const none[] = {NULL};
    const eg_outside_issuer good = {"https://idp.example/a", TENANT, "https://idp.example/a/.well-known/openid-configuration", "", audiences};
    eg_outside_issuer o = good;
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_OK);
    eg_identity_close(f->identity);
    f->identity = NULL;
    o.discovery_url = "http://idp.example/a/.well-known/openid-configuration";
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_ERR_CONFIG);
    o = good;
    o.tenant = "33333333-3333-4333-8333-333333333333";
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_ERR_CONFIG);
    o = good;
    o.audiences = none;
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_ERR_CONFIG);
    o = good;
    o.issuer = PUBLIC_URL "/{tenantid}/v2.0";
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_ERR_CONFIG);
    assert_null(f->identity);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(verified_once_then_from_the_cache, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(expiry_counts_in_the_cache_too, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_restart_keeps_tokens_good, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(forged_and_foreign_tokens, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(disabling_revokes_at_once, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_job_that_does_not_run, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(configurations_that_are_refused, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
