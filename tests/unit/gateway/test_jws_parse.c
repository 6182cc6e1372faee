/* Tokens that can be read in two ways, or that ask for something, are refused before any key is looked at. */
#include "token_maker.h"

#include "identity/jws.h"

static eg_err parse_text(const char *token) {
    eg_jws j = {0};
    eg_problem p = {0};
    eg_err e = eg_jws_parse(eg_str_of(token), &j, &p);
    eg_jws_done(&j);
    return e;
}

/* Of header and claims in clear text. */
static eg_err parse_parts(const char *header, const char *claims) {
    eg_buf b;
    eg_buf_init(&b, 65536);
    maker_b64(header, strlen(header), &b);
    eg_buf_add(&b, ".", 1);
    maker_b64(claims, strlen(claims), &b);
    eg_buf_adds(&b, ".AAAA");
    eg_err e = parse_text(b.ptr);
    eg_buf_done(&b);
    return e;
}

static void headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        eg_err expected;
    } cases[] = {
        {"{\"alg\":\"RS256\",\"kid\":\"k\"}", EG_OK},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\"}", EG_OK},
        {"{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", EG_OK},
        {"{\"alg\":\"Ed25519\",\"typ\":\"AT+JWT\"}", EG_OK},
        {"{\"alg\":\"none\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":\"None\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":\"HS256\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":\"rs256\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":\"RS1\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":[\"RS256\"]}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"kid\":\"k\"}", EG_ERR_TOKEN_ALGORITHM},
        {"{\"alg\":\"RS256\",\"alg\":\"none\"}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"crit\":[]}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"jku\":\"https://evil.example/keys\"}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"x5u\":\"https://evil.example/cert\"}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"x5c\":[\"AAAA\"]}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"jwk\":{}}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"b64\":false}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":7}", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"id+jwt\"}", EG_ERR_TOKEN_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", EG_ERR_TOKEN_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":1}", EG_ERR_TOKEN_TYPE},
        {"[]", EG_ERR_TOKEN_MALFORMED},
        {"", EG_ERR_TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\"}x", EG_ERR_TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse_parts(cases[i].header, "{}"), cases[i].expected);
    }
    char kid[400];
    snprintf(kid, sizeof kid, "{\"alg\":\"RS256\",\"kid\":\"%0300d\"}", 1);
    assert_int_equal(parse_parts(kid, "{}"), EG_ERR_TOKEN_MALFORMED);
}

static void bodies(void **state) {
    (void)state;
    static const char header[] = "{\"alg\":\"RS256\"}";
    assert_int_equal(parse_parts(header, "{\"exp\":1}"), EG_OK);
    assert_int_equal(parse_parts(header, "{\"sub\":\"a\",\"sub\":\"b\"}"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "{\"a\":{\"b\":1,\"b\":2}}"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "{} trailing"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "{}{}"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "7"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "{\"a\":\"\\u0000\"}"), EG_ERR_TOKEN_MALFORMED);
    assert_int_equal(parse_parts(header, "{\"a\":\"\xff\"}"), EG_ERR_TOKEN_MALFORMED);
    char deep[300];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(parse_parts(header, deep), EG_ERR_TOKEN_MALFORMED);
}

static void parts_and_encodings(void **state) {
    (void)state;
    /* eyJhbGciOiJSUzI1NiJ9 is {"alg":"RS256"}, e30 is {} */
    static const struct {
        const char *token;
        eg_err expected;
    } cases[] = {
        {"eyJhbGciOiJSUzI1NiJ9.e30.AAAA", EG_OK},
        {"", EG_ERR_TOKEN_MALFORMED},
        {".", EG_ERR_TOKEN_MALFORMED},
        {"..", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30.", EG_ERR_TOKEN_MALFORMED},       /* an empty signature */
        {"eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA.AAAA", EG_ERR_TOKEN_MALFORMED}, /* JWE */
        {"eyJhbGciOiJSUzI1NiJ9.e30=.AAAA", EG_ERR_TOKEN_MALFORMED},  /* padded */
        {"eyJhbGciOiJSUzI1NiJ9.e30.AA==", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e31.AAAA", EG_ERR_TOKEN_MALFORMED},   /* bits that no byte uses */
        {"eyJhbGciOiJSUzI1NiJ9.e30.AAB", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30.AA+A", EG_ERR_TOKEN_MALFORMED},   /* not the URL alphabet */
        {"eyJhbGciOiJSUzI1NiJ9.e30.AA A", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30.AAAA\n", EG_ERR_TOKEN_MALFORMED},
        {" eyJhbGciOiJSUzI1NiJ9.e30.AAAA", EG_ERR_TOKEN_MALFORMED},
        {"eyJhbGciOiJSUzI1NiJ9.e30.A", EG_ERR_TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse_text(cases[i].token), cases[i].expected);
    }
}

static void sizes(void **state) {
    (void)state;
    char *big = malloc(EG_JWS_MAX + 2);
    memset(big, 'A', EG_JWS_MAX + 1);
    big[EG_JWS_MAX + 1] = '\0';
    assert_int_equal(parse_text(big), EG_ERR_TOKEN_MALFORMED);
    memcpy(big, "eyJhbGciOiJSUzI1NiJ9.e30.", 25);
    big[25 + 1368] = '\0'; /* a signature of 1,026 bytes */
    assert_int_equal(parse_text(big), EG_ERR_TOKEN_MALFORMED);
    free(big);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(headers),
    cmocka_unit_test(bodies),
    cmocka_unit_test(parts_and_encodings),
    cmocka_unit_test(sizes),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
