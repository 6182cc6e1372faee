/* An ID token counts for this client, issuer, time and sign-in alone. */
#include "sign_in.h"

#include <embergate/encoding.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const eg_id_token_expected expected = {"https://issuer", "cli", "n-1", 1000000};

static eg_err check(const char *claims, char name[128]) {
    eg_problem p = {0};
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, 8192);
    assert_int_equal(eg_buf_adds(&token, "e30."), EG_OK);
    assert_int_equal(eg_base64url(eg_str_bytes(eg_str_of(claims)), &token), EG_OK);
    assert_int_equal(eg_buf_adds(&token, ".c2ln"), EG_OK);
    return eg_id_token_check(eg_buf_str(&token), &expected, name, &p);
}

static void test_claims(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        eg_err error;
    } rows[] = {
        {"{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":1000001,\"nonce\":\"n-1\",\"sub\":\"s\"}", EG_OK},
        {"{\"iss\":\"https://issuer\",\"aud\":[\"x\",\"cli\"],\"azp\":\"cli\",\"exp\":1000001,\"nonce\":\"n-1\"}", EG_OK},
        {"{\"iss\":\"https://issuer\",\"aud\":[\"x\",\"cli\"],\"azp\":\"x\",\"exp\":1000001,\"nonce\":\"n-1\"}", EG_ERR_TOKEN_AUDIENCE},
        {"{\"iss\":\"https://other\",\"aud\":\"cli\",\"exp\":1000001,\"nonce\":\"n-1\"}", EG_ERR_TOKEN_ISSUER},
        {"{\"iss\":\"https://issuer\",\"aud\":\"web\",\"exp\":1000001,\"nonce\":\"n-1\"}", EG_ERR_TOKEN_AUDIENCE},
        {"{\"iss\":\"https://issuer\",\"exp\":1000001,\"nonce\":\"n-1\"}", EG_ERR_TOKEN_AUDIENCE},
        {"{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":999700,\"nonce\":\"n-1\"}", EG_ERR_TOKEN_EXPIRED},
        {"{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":\"soon\",\"nonce\":\"n-1\"}", EG_ERR_TOKEN_EXPIRED},
        {"{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":1000001,\"nonce\":\"n-2\"}", EG_ERR_TOKEN_CLAIM},
        {"{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":1000001}", EG_ERR_TOKEN_CLAIM},
        {"not json", EG_ERR_TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[128] = "";
        eg_err e = check(rows[i].claims, name);
        if (e != rows[i].error) {
            fail_msg("%s: %s", rows[i].claims, eg_err_code(e));
        }
    }
}

static void test_names_and_shapes(void **state) {
    (void)state;
    char name[128] = "";
    eg_problem p = {0};
    assert_int_equal(check("{\"iss\":\"https://issuer\",\"aud\":\"cli\",\"exp\":1000001,\"nonce\":\"n-1\",\"sub\":\"s\",\"preferred_username\":\"ada\"}", name), EG_OK);
    assert_string_equal(name, "ada");
    static const char *const malformed[] = {"", "a", "a.b", "a.!.c", "a.e30.c.d"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_int_equal(eg_id_token_check(eg_str_of(malformed[i]), &expected, name, &p), EG_ERR_TOKEN_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims), cmocka_unit_test(test_names_and_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
