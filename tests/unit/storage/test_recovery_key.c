/* The text of a recovery key: read back whole, and any mistyped character noticed. */
#include "keeper_fixture.h"

#include "keys/recovery_key.h"

#include <ctype.h>

static void text_reads_back(void **state) {
    (void)state;
    eg_secret *key = eg_secret_random(EG_KEY_LEN);
    eg_secret *back = NULL;
    eg_buf text;
    eg_buf_init(&text, 128);
    assert_int_equal(eg_recovery_key_text(key, &text), EG_OK);
    for (size_t i = 0; i < text.len; i++) {
        text.ptr[i] = (char)tolower(text.ptr[i]);
        if (text.ptr[i] == '-' && i > 6) {
            text.ptr[i] = ' ';
        }
    }
    assert_int_equal(eg_recovery_key_parse(eg_buf_str(&text), &back, NULL), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(back)));
    eg_secret_free(key);
    eg_secret_free(back);
    eg_buf_done(&text);
}

static void mistyping_is_noticed(void **state) {
    (void)state;
    eg_secret *key = eg_secret_random(EG_KEY_LEN);
    eg_secret *back = NULL;
    eg_problem p = {0};
    eg_buf text;
    eg_buf_init(&text, 128);
    assert_int_equal(eg_recovery_key_text(key, &text), EG_OK);
    for (size_t i = 0; i < text.len; i++) {
        char was = text.ptr[i];
        if (was != '-') {
            text.ptr[i] = was == 'Q' ? 'R' : 'Q';
            assert_int_equal(eg_recovery_key_parse(eg_buf_str(&text), &back, &p), EG_ERR_INVALID);
            text.ptr[i] = '1'; /* not in the alphabet */
            if (was != '1') {
                assert_int_equal(eg_recovery_key_parse(eg_buf_str(&text), &back, &p), EG_ERR_INVALID);
            }
            text.ptr[i] = was;
        }
    }
    assert_int_equal(eg_recovery_key_parse((eg_str){text.ptr, text.len - 1}, &back, &p), EG_ERR_INVALID);
    assert_int_equal(eg_recovery_key_parse(EG_LIT(""), &back, &p), EG_ERR_INVALID);
    assert_null(back);
    eg_secret_free(key);
    eg_buf_done(&text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_reads_back),
    cmocka_unit_test(mistyping_is_noticed),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
