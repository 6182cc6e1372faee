/* The Java key store made from PEM: its bytes as the format has them, and what is refused. Real Java reads it in tests/scenario. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <embergate/java_trust.h>

#include <openssl/sha.h>
#include <stdio.h>

static const char pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBjTCCATOgAwIBAgIUbcI8UY/l/BWlOcehH8gWo/xPge0wCgYIKoZIzj0EAwIw\n"
    "HDEaMBgGA1UEAwwRZW1iZXJnYXRlIHRlc3QgQ0EwHhcNMjYxMTIzMDMwOTI4WhcN\n"
    "MjYxMjIzMDMwOTI4WjAcMRowGAYDVQQDDBFlbWJlcmdhdGUgdGVzdCBDQTBZMBMG\n"
    "ByqGSM49AgEGCCqGSM49AwEHA0IABPkrD+SoLNakV1Sdi+JMDmo7UHE+MSyxb69V\n"
    "gFpCpxiNsJfImI74lBVwlTtHQ2g/X9CdC8ZFOOZRgiBa14jB0g2jUzBRMB0GA1Ud\n"
    "DgQWBBSwB5i/QGMX2bS6/RJZQlYbBGvYbDAfBgNVHSMEGDAWgBSwB5i/QGMX2bS6\n"
    "/RJZQlYbBGvYbDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIByt\n"
    "3RmpPu0ggA8sKrfiPkRveiO4Ql/w/7YDyw719NnNAiEAj/2UutUcdhgQOPCSWOwH\n"
    "lyHyiKO2F4UoXEBodUxOBQU=\n"
    "-----END CERTIFICATE-----\n";

static void test_bytes(void **state) {
    (void)state;
    eg_buf b;
    eg_problem p = {0};
    eg_buf_init(&b, 1 << 20);
    assert_int_equal(eg_trust_jks(eg_str_of(pem), &b, &p), EG_OK);
    const uint8_t *u = (const uint8_t *)b.ptr;
    assert_int_equal(eg_get_u32(u), 0xFEEDFEED);
    assert_int_equal(eg_get_u32(u + 4), 2);
    assert_int_equal(eg_get_u32(u + 8), 1);
    assert_int_equal(eg_get_u32(u + 12), 2);
    assert_memory_equal(u + 16, "\0\3ca1", 5);
    uint32_t der = eg_get_u32(u + 16 + 5 + 8 + 7);
    assert_int_equal(b.len, 16 + 5 + 8 + 7 + 4 + der + SHA_DIGEST_LENGTH);
    eg_buf two;
    eg_buf_init(&two, 1 << 20);
    char twice[2 * sizeof pem];
    snprintf(twice, sizeof twice, "%s%s", pem, pem);
    assert_int_equal(eg_trust_jks(eg_str_of(twice), &two, &p), EG_OK);
    assert_int_equal(eg_get_u32((const uint8_t *)two.ptr + 8), 2);
    eg_buf_done(&two);
    eg_buf_done(&b);
}

static void test_refused(void **state) {
    (void)state;
    eg_buf b;
    eg_problem p = {0};
    eg_buf_init(&b, 1 << 20);
    assert_int_equal(eg_trust_jks(EG_LIT(""), &b, &p), EG_ERR_CONFIG);
    assert_int_equal(eg_trust_jks(EG_LIT("no certificate"), &b, &p), EG_ERR_CONFIG);
    assert_int_equal(eg_trust_jks(EG_LIT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &b, &p), EG_ERR_CONFIG);
    assert_int_equal(b.len, 0);
    eg_buf_done(&b);
    eg_buf_init(&b, 40);
    assert_int_equal(eg_trust_jks(eg_str_of(pem), &b, &p), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
