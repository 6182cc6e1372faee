/* Checks the envelope's form, and that nothing that is not one is taken for one. */
#include "bench.h"

#include "envelope.h"

static void comes_back_as_it_went(void **state) {
    (void)state;
    eg_buf b;
    eg_envelope v;
    eg_buf_init(&b, EG_ENVELOPE_MAX);
    const eg_envelope in = {.time_ns = -5, .log = EG_LIT("server"), .job = EG_LIT("etl/1"), .actor = EG_LIT("a"), .line = {(const uint8_t *)"{}", 2}};
    assert_int_equal(eg_envelope_write(&in, &b), EG_OK);
    assert_int_equal(eg_envelope_read(eg_buf_bytes(&b), &v), EG_OK);
    assert_int_equal(v.time_ns, -5);
    assert_true(eg_str_is(v.log, "server") && eg_str_is(v.job, "etl/1") && eg_str_is(v.actor, "a") && eg_str_is(eg_bytes_str(v.line), "{}"));
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(eg_envelope_read((eg_bytes){(const uint8_t *)b.ptr, n}, &v), EG_ERR_CORRUPT);
    }
    eg_buf_add(&b, "x", 1);
    assert_int_equal(eg_envelope_read(eg_buf_bytes(&b), &v), EG_ERR_CORRUPT);
    b.ptr[0] = 2;
    assert_int_equal(eg_envelope_read(eg_buf_bytes(&b), &v), EG_ERR_FORMAT_VERSION);
    eg_buf_done(&b);
}

static void bounds(void **state) {
    (void)state;
    static char big[EG_RECORD_MAX + 1];
    eg_buf b;
    eg_buf_init(&b, 1 << 20);
    eg_envelope in = {.log = EG_LIT("server"), .line = {(const uint8_t *)big, sizeof big}};
    assert_int_equal(eg_envelope_write(&in, &b), EG_ERR_LIMIT);
    in.line.len--;
    assert_int_equal(eg_envelope_write(&in, &b), EG_OK);
    in.job = (eg_str){big, EG_AUDIT_JOB_MAX + 1};
    assert_int_equal(eg_envelope_write(&in, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

static void a_log_that_is_no_folder_is_refused(void **state) {
    (void)state;
    eg_buf b;
    eg_envelope v;
    eg_buf_init(&b, EG_ENVELOPE_MAX);
    const eg_envelope in = {.log = EG_LIT("../../etc"), .line = {(const uint8_t *)"{}", 2}};
    assert_int_equal(eg_envelope_write(&in, &b), EG_OK);
    assert_int_equal(eg_envelope_read(eg_buf_bytes(&b), &v), EG_ERR_CORRUPT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back_as_it_went), cmocka_unit_test(bounds), cmocka_unit_test(a_log_that_is_no_folder_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
