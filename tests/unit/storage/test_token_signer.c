/* The keeper signs only tokens of our shape, for tenants that it knows, and its key set verifies them. */
#include "keeper_fixture.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>
#include <embergate/json.h>

#include <time.h>

#define GOOD_ISS "https://127.0.0.1:8443/" TENANT_A "/v2.0"

static eg_err sign(const eg_keys *k, const char *iss, const char *tid, long iat_from_now, long life) {
    long iat = (long)eg_wall_s(&eg_clock_system) + iat_from_now;
    eg_buf claims;
    eg_buf token;
    eg_buf_init(&claims, 4096);
    eg_buf_init(&token, 8192);
    eg_buf_addf(&claims, "{\"iss\":\"%s\",\"tid\":\"%s\",\"aud\":\"a\",\"sub\":\"s\",\"iat\":%ld,\"exp\":%ld}", iss, tid, iat, iat + life);
    eg_err e = k->sign_token(k->ctx, eg_buf_str(&claims), &token);
    if (e != EG_OK) {
        assert_int_equal(token.len, 0);
    }
    eg_buf_done(&claims);
    eg_buf_done(&token);
    return e;
}

static void claims_are_checked(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    static const struct {
        const char *iss;
        const char *tid;
        long from_now;
        long life;
        eg_err expected;
    } cases[] = {
        {GOOD_ISS, TENANT_A, 0, 3600, EG_OK},
        {GOOD_ISS, TENANT_A, 0, 86400, EG_OK},
        {GOOD_ISS, TENANT_A, 0, 86401, EG_ERR_INVALID},
        {GOOD_ISS, TENANT_A, 0, 0, EG_ERR_INVALID},
        {GOOD_ISS, TENANT_A, 0, -5, EG_ERR_INVALID},
        {GOOD_ISS, TENANT_A, 7 * 86400, 3600, EG_ERR_INVALID},
        {GOOD_ISS, TENANT_B, 0, 3600, EG_ERR_INVALID},
        {"http://127.0.0.1:8443/" TENANT_A "/v2.0", TENANT_A, 0, 3600, EG_ERR_INVALID},
        {"https:///" TENANT_A "/v1.0", TENANT_A, 0, 3600, EG_ERR_INVALID},
        {"https://127.0.0.1/33333333-3333-4333-8333-333333333333/v2.0", "33333333-3333-4333-8333-333333333333", 0, 3600, EG_ERR_NOT_FOUND},
        {GOOD_ISS, "me", 0, 3600, EG_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(sign(k, cases[i].iss, cases[i].tid, cases[i].from_now, cases[i].life), cases[i].expected);
    }
    eg_buf token;
    eg_buf_init(&token, 8192);
    assert_int_equal(k->sign_token(k->ctx, EG_LIT("[]"), &token), EG_ERR_INVALID);
    assert_int_equal(k->sign_token(k->ctx, EG_LIT("{\"iss\":1}"), &token), EG_ERR_INVALID);
    assert_int_equal(k->sign_token(k->ctx, EG_LIT(""), &token), EG_ERR_INVALID);
    eg_buf_done(&token);
    eg_keeper_local_free(k);
}

static void the_header_names_key_and_type(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    eg_buf claims;
    eg_buf token;
    eg_buf jwks;
    eg_buf_init(&claims, 4096);
    eg_buf_init(&token, 8192);
    eg_buf_init(&jwks, 8192);
    long now = (long)eg_wall_s(&eg_clock_system);
    eg_buf_addf(&claims, "{\"iss\":\"" GOOD_ISS "\",\"tid\":\"" TENANT_A "\",\"aud\":\"a\",\"sub\":\"s\",\"iat\":%ld,\"exp\":%ld}", now, now + 3600);
    assert_int_equal(k->sign_token(k->ctx, eg_buf_str(&claims), &token), EG_OK);
    assert_int_equal(k->token_keys(k->ctx, &jwks), EG_OK);
    EG_JSON_AUTO set = NULL;
    EG_JSON_AUTO header = NULL;
    assert_int_equal(eg_json_parse(eg_buf_str(&jwks), 8192, &set, &p), EG_OK);
    const json_t *key = json_array_get(json_object_get(set, "keys"), 0);
    eg_str rest = eg_buf_str(&token);
    eg_str first = eg_str_cut(&rest, '.');
    uint8_t raw[512];
    size_t n = 0;
    assert_int_equal(eg_unbase64url(first, raw, sizeof raw, &n), EG_OK);
    assert_int_equal(eg_json_parse((eg_str){(const char *)raw, n}, 512, &header, &p), EG_OK);
    assert_true(eg_str_is(eg_json_str(header, "alg"), "ES256"));
    assert_true(eg_str_is(eg_json_str(header, "typ"), "JWT"));
    assert_true(eg_str_eq(eg_json_str(header, "kid"), eg_json_str(key, "kid")));
    assert_null(json_object_get(key, "d"));
    eg_str payload = eg_str_cut(&rest, '.');
    assert_true(payload.len > 0);
    assert_int_equal(rest.len, 86); /* 64 bytes: r and s, not DER */
    eg_buf_done(&claims);
    eg_buf_done(&token);
    eg_buf_done(&jwks);
    eg_keeper_local_free(k);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(claims_are_checked, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(the_header_names_key_and_type, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
