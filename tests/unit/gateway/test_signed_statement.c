/* Signed statements: what one key signed as one kind is valid as that and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "process/signed_statement.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <stdio.h>
#include <string.h>

#define ORIGIN "embergate/x/server"

static void make(const char *kind, const uint8_t seed[32], eg_buf *ret, char vkey[256]) {
    uint8_t raw[33] = {1};
    uint8_t sig[64];
    eg_buf body;
    eg_buf text;
    eg_buf_init(&body, 65536);
    eg_buf_init(&text, 256);
    eg_buf_init(ret, 65536);
    EG_JSON_AUTO v = json_pack("{s:s}", "reason", "the contract ended");
    assert_int_equal(eg_statement_body(kind, v, &body), EG_OK);
    assert_int_equal(eg_ed25519_sign(seed, eg_buf_bytes(&body), sig), EG_OK);
    assert_int_equal(eg_ed25519_public(seed, raw + 1), EG_OK);
    assert_int_equal(eg_statement_file(eg_buf_str(&body), EG_LIT(ORIGIN), raw + 1, sig, ret), EG_OK);
    assert_int_equal(eg_base64((eg_bytes){raw, sizeof raw}, &text), EG_OK);
    snprintf(vkey, 256, ORIGIN "+01020304+%.*s\n", (int)text.len, text.ptr);
    eg_buf_done(&body);
    eg_buf_done(&text);
}

static eg_err check(const char *kind, eg_str file, const char *vkey) {
    EG_JSON_AUTO v = NULL;
    eg_problem p = {0};
    const eg_err e = eg_statement_open(kind, file, eg_str_of(vkey), &v, &p);
    if (e == EG_OK) {
        assert_true(eg_str_is(eg_json_str(v, "reason"), "the contract ended"));
    }
    return e;
}

static void signed_and_changed(void **state) {
    (void)state;
    const uint8_t seed[32] = {1};
    const uint8_t another[32] = {2};
    char vkey[256];
    char other_vkey[256];
    char copy[4096];
    eg_buf file;
    eg_buf other;
    make(EG_STATEMENT_ERASURE, another, &other, other_vkey);
    make(EG_STATEMENT_ERASURE, seed, &file, vkey);
    assert_int_equal(check(EG_STATEMENT_ERASURE, eg_buf_str(&file), ""), EG_OK);
    assert_int_equal(check(EG_STATEMENT_ERASURE, eg_buf_str(&file), vkey), EG_OK);
    assert_int_equal(check(EG_STATEMENT_BACKUP, eg_buf_str(&file), vkey), EG_ERR_CORRUPT);
    assert_int_equal(check(EG_STATEMENT_ERASURE, eg_buf_str(&other), vkey), EG_ERR_CORRUPT);
    assert_int_equal(check(EG_STATEMENT_ERASURE, eg_buf_str(&file), "no-key"), EG_ERR_INVALID);
    vkey[0] = 'E';
    assert_int_equal(check(EG_STATEMENT_ERASURE, eg_buf_str(&file), vkey), EG_ERR_CORRUPT); /* another log's */
    /* Whatever byte of it changes, it is no longer valid; or it is the same statement in other JSON. */
    for (size_t i = 0; i < file.len; i++) {
        memcpy(copy, file.ptr, file.len);
        copy[i] ^= 1;
        const eg_err e = check(EG_STATEMENT_ERASURE, (eg_str){copy, file.len}, other_vkey);
        assert_int_not_equal(e, EG_OK);
    }
    assert_int_equal(check(EG_STATEMENT_ERASURE, EG_LIT("{}"), ""), EG_ERR_CORRUPT);
    assert_int_equal(check(EG_STATEMENT_ERASURE, EG_LIT("nothing"), ""), EG_ERR_CORRUPT);
    eg_buf_done(&file);
    eg_buf_done(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(signed_and_changed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
