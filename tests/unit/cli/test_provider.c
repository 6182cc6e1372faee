/* What a provider says of itself and of tokens is taken strictly. covers: token_grant.c client_proof.c pkce.c */
#include "sign_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static eg_err discover(const char *document, eg_provider *ret) {
    eg_problem p = {0};
    return eg_provider_read(eg_str_of(document), "https://i", ret, &p);
}

static void test_documents(void **state) {
    (void)state;
    eg_provider got;
    assert_int_equal(discover("{\"issuer\":\"https://i\",\"token_endpoint\":\"https://t/t\"}", &got), EG_OK);
    assert_string_equal(got.token, "https://t/t");
    assert_string_equal(got.device, "");
    assert_false(got.basic || got.own || got.says_issuer);
    assert_int_equal(discover("{\"issuer\":\"https://i\",\"token_endpoint\":\"https://t/t\",\"authorization_response_iss_parameter_supported\":true,"
                              "\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\"]}", &got), EG_OK);
    assert_true(got.basic && got.says_issuer);
    assert_int_equal(discover("{\"issuer\":\"https://i\",\"token_endpoint\":\"https://t/t\",\"token_endpoint_auth_methods_supported\":"
                              "[\"client_secret_basic\",\"client_secret_post\"]}", &got), EG_OK);
    assert_false(got.basic);
    static const char *const refused[] = {
        "{\"issuer\":\"https://j\",\"token_endpoint\":\"https://t/t\"}",
        "{\"issuer\":\"https://i/\",\"token_endpoint\":\"https://t/t\"}",
        "{\"token_endpoint\":\"https://t/t\"}",
        "{\"issuer\":\"https://i\"}",
        "{\"issuer\":\"https://i\",\"token_endpoint\":\"http://t/t\"}",
        "{\"issuer\":\"https://i\",\"token_endpoint\":\"https://t/t\",\"device_authorization_endpoint\":\"file:///etc\"}",
        "{\"issuer\":\"https://i\",\"token_endpoint\":\"https://t/t\",\"authorization_endpoint\":\"https://t/#x\"}",
        "[]",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (discover(refused[i], &got) != EG_ERR_INVALID) {
            fail_msg("%s", refused[i]);
        }
    }
    assert_int_equal(discover("{", &got), EG_ERR_BODY_JSON);
}

static void test_answers(void **state) {
    (void)state;
    eg_problem p = {0};
    eg_token_answer a = {.expires_in_s = 0};
    assert_int_equal(eg_token_answer_read(200, EG_LIT("{\"token_type\":\"Bearer\",\"access_token\":\"x\",\"expires_in\":\"77\"}"), &a, &p), EG_OK);
    assert_int_equal(a.expires_in_s, 77);
    eg_token_answer_done(&a);
    assert_int_equal(eg_token_answer_read(200, EG_LIT("{\"token_type\":\"Bearer\",\"access_token\":\"x\",\"expires_in\":999999999999}"), &a, &p), EG_OK);
    assert_int_equal(a.expires_in_s, 30 * 86400);
    eg_token_answer_done(&a);
    assert_int_equal(eg_token_answer_read(200, EG_LIT("{\"token_type\":\"Bearer\",\"access_token\":\"x\"}"), &a, &p), EG_OK);
    assert_int_equal(a.expires_in_s, 300);
    eg_token_answer_done(&a);
    assert_int_equal(eg_token_answer_read(400, EG_LIT("{\"error\":\"authorization_pending\"}"), &a, &p), EG_OK);
    assert_string_equal(a.error, "authorization_pending");
    static const struct {
        long status;
        const char *body;
    } refused[] = {
        {200, "{\"token_type\":\"DPoP\",\"access_token\":\"x\"}"}, {200, "{\"token_type\":\"Bearer\"}"}, {200, "{\"access_token\":\"x\"}"},
        {200, "<html>"}, {400, "{}"}, {500, "{\"error\":\"x\"}"}, {302, "{\"error\":\"x\"}"}, {200, "[]"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(eg_token_answer_read(refused[i].status, eg_str_of(refused[i].body), &a, &p), EG_ERR_UNAVAILABLE);
    }
}

static void test_refusals_say_what_to_do(void **state) {
    (void)state;
    eg_problem p = {0};
    eg_token_answer a = {.error = "invalid_grant", .description = "too old"};
    assert_int_equal(eg_token_refused(&a, "it", &p), EG_ERR_TOKEN_CLAIM);
    assert_string_equal(p.message, "it was refused: invalid_grant: too old");
    assert_non_null(strstr(p.hint, "embergate login"));
}

static void test_scopes(void **state) {
    (void)state;
    eg_profile p = {.authority = ""};
    assert_string_equal(eg_provider_scope(&p, EG_CLI_STORAGE), "https://storage.azure.com/.default");
    assert_false(eg_provider_one_token(&p));
    p = (eg_profile){.authority = "https://i", .scope = "s"};
    assert_true(eg_provider_one_token(&p));
    assert_string_equal(eg_provider_scope(&p, EG_CLI_STORAGE), "s");
    p = (eg_profile){.authority = "https://i", .scope = "s", .storage_scope = "t"};
    assert_string_equal(eg_provider_scope(&p, EG_CLI_STORAGE), "t");
    assert_string_equal(eg_provider_scope(&p, EG_CLI_GATEWAY), "s");
}

/* RFC 7636, appendix B. */
static void test_challenge(void **state) {
    (void)state;
    char challenge[EG_RANDOM_TEXT_LEN], a[EG_RANDOM_TEXT_LEN], b[EG_RANDOM_TEXT_LEN];
    assert_int_equal(eg_pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge), EG_OK);
    assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_int_equal(eg_random_text(a), EG_OK);
    assert_int_equal(eg_random_text(b), EG_OK);
    assert_int_equal(strlen(a), EG_RANDOM_TEXT_LEN - 1);
    assert_string_not_equal(a, b);
}

static void test_proofs(void **state) {
    (void)state;
    const eg_provider form_taker = {.token = "https://t"}, basic_taker = {.token = "https://t", .basic = true};
    eg_problem problem = {0};
    eg_profile p = {.client_id = "c:1", .client_secret = "s&t"};
    EG_CLEANUP(eg_buf_done) eg_buf form, authorization = {0};
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    assert_int_equal(eg_client_proof_add(&p, &form_taker, &form, &authorization, &problem), EG_OK);
    assert_string_equal(form.ptr, "client_id=c%3A1&client_secret=s%26t");
    eg_buf_reset(&form);
    assert_int_equal(eg_client_proof_add(&p, &basic_taker, &form, &authorization, &problem), EG_OK);
    assert_string_equal(form.ptr, "client_id=c%3A1");
    assert_string_equal(authorization.ptr, "Authorization: Basic YyUzQTE6cyUyNnQ="); /* "c%3A1:s%26t" */
    assert_int_equal(setenv("AZURE_FEDERATED_TOKEN_FILE", "/no/such", 1), 0);
    assert_true(eg_client_proof_there(&p)); /* the variable is none of it: there is a secret */
    eg_buf_reset(&form);
    assert_int_equal(eg_client_proof_add(&p, &form_taker, &form, &authorization, &problem), EG_OK);
    p.client_secret[0] = '\0';
    assert_int_equal(eg_client_proof_add(&p, &form_taker, &form, &authorization, &problem), EG_ERR_NOT_FOUND);
    unsetenv("AZURE_FEDERATED_TOKEN_FILE");
    assert_false(eg_client_proof_there(&p));
    p = (eg_profile){.client_id = "c", .client_secret = "s", .client_key = "k"};
    assert_int_equal(eg_client_proof_add(&p, &form_taker, &form, &authorization, &problem), EG_ERR_INVALID);
    p = (eg_profile){.client_id = "c", .client_key = "/dev/zero"};
    assert_int_equal(eg_client_proof_add(&p, &form_taker, &form, &authorization, &problem), EG_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_documents), cmocka_unit_test(test_answers), cmocka_unit_test(test_refusals_say_what_to_do),
                                       cmocka_unit_test(test_scopes), cmocka_unit_test(test_challenge), cmocka_unit_test(test_proofs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
