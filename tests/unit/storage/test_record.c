/* The authentication that all rows share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "record.h"

#include <embergate/metrics.h>

static eg_account account(uint8_t fill) {
    const uint8_t key[32] = {fill};
    return (eg_account){.name = "acct", .mac_key = eg_secret_new(key, sizeof key)};
}

static const eg_bytes key = {(const uint8_t *)"key", 3};

static void seal(const eg_account *a, eg_buf *b) {
    eg_record_start(b, 256);
    eg_record_u8(b, 1);
    eg_record_u16(b, 2);
    eg_record_u32(b, 3);
    eg_record_u64(b, 4);
    eg_record_text(b, (eg_bytes){(const uint8_t *)"text", 4});
    assert_int_equal(eg_record_seal(a, EG_ROW_ENTRY, key, b), EG_OK);
}

static void round_trip(void **state) {
    (void)state;
    eg_account a = account(1);
    eg_buf b;
    eg_record_reader r;
    seal(&a, &b);
    assert_int_equal(eg_record_open(&a, EG_ROW_ENTRY, key, eg_buf_bytes(&b), &r), EG_OK);
    assert_int_equal(eg_record_get_u8(&r), 1);
    assert_int_equal(eg_record_get_u16(&r), 2);
    assert_int_equal(eg_record_get_u32(&r), 3);
    assert_int_equal(eg_record_end(&r), EG_ERR_CORRUPT); /* not all was read */
    assert_int_equal(eg_record_get_u64(&r), 4);
    assert_true(eg_str_is(eg_bytes_str(eg_record_get_text(&r)), "text"));
    assert_int_equal(eg_record_end(&r), EG_OK);
    assert_int_equal(eg_record_get_u8(&r), 0); /* past the end: zero, and it sticks */
    assert_int_equal(eg_record_end(&r), EG_ERR_CORRUPT);
    eg_buf_done(&b);
    eg_secret_free(a.mac_key);
}

static void refused(void **state) {
    (void)state;
    eg_account a = account(1);
    eg_account other = account(2);
    eg_buf b;
    eg_record_reader r;
    seal(&a, &b);
    const eg_bytes v = eg_buf_bytes(&b);
    const int64_t counted = eg_metric_get(EG_METRIC_STORAGE_CORRUPT);
    assert_int_equal(eg_record_open(&other, EG_ROW_ENTRY, key, v, &r), EG_ERR_CORRUPT);
    assert_int_equal(eg_record_open(&a, EG_ROW_EXTENT, key, v, &r), EG_ERR_CORRUPT);
    assert_int_equal(eg_record_open(&a, EG_ROW_ENTRY, (eg_bytes){key.ptr, 2}, v, &r), EG_ERR_CORRUPT);
    for (size_t n = 0; n < v.len; n++) {
        assert_int_equal(eg_record_open(&a, EG_ROW_ENTRY, key, (eg_bytes){v.ptr, n}, &r), EG_ERR_CORRUPT);
        b.ptr[n] ^= 1;
        assert_int_equal(eg_record_open(&a, EG_ROW_ENTRY, key, v, &r), EG_ERR_CORRUPT);
        b.ptr[n] ^= 1;
    }
    assert_int_equal(eg_metric_get(EG_METRIC_STORAGE_CORRUPT) - counted, 3 + 2 * (int64_t)v.len);
    assert_false(eg_record_fits(&a, EG_ROW_EXTENT, key, v)); /* not counted */
    assert_int_equal(eg_metric_get(EG_METRIC_STORAGE_CORRUPT) - counted, 3 + 2 * (int64_t)v.len);
    b.ptr[0] = 2;
    assert_int_equal(eg_record_peek(v, &r), EG_ERR_FORMAT_VERSION);
    eg_buf_done(&b);
    eg_secret_free(a.mac_key);
    eg_secret_free(other.mac_key);
}

static void too_long(void **state) {
    (void)state;
    static const uint8_t big[70000];
    eg_account a = account(1);
    eg_buf b;
    eg_record_start(&b, 100000);
    eg_record_text(&b, (eg_bytes){big, sizeof big});
    assert_int_equal(eg_record_seal(&a, EG_ROW_ENTRY, key, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
    eg_secret_free(a.mac_key);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(refused), cmocka_unit_test(too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
