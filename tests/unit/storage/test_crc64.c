/* CRC64 against the published check value, and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crc64.h"

static void check_value(void **state) {
    (void)state;
    /* CRC-64/NVME of the catalogue of parametrised CRC algorithms, the same polynomial. */
    assert_true(eg_crc64_add(0, (eg_bytes){(const uint8_t *)"123456789", 9}) == UINT64_C(0xae8b14860a799888));
    assert_true(eg_crc64_add(0, (eg_bytes){NULL, 0}) == 0);
    uint8_t raw[8];
    eg_crc64_bytes(UINT64_C(0xae8b14860a799888), raw);
    assert_int_equal(raw[0], 0x88);
    assert_int_equal(raw[7], 0xae);
}

static void pieces(void **state) {
    (void)state;
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + (i >> 3));
    }
    const uint64_t whole = eg_crc64_add(0, (eg_bytes){data, sizeof data});
    for (size_t step = 1; step < 40; step++) {
        uint64_t crc = 0;
        for (size_t at = 0; at < sizeof data; at += step) {
            crc = eg_crc64_add(crc, (eg_bytes){data + at, sizeof data - at < step ? sizeof data - at : step});
        }
        assert_true(crc == whole);
    }
    data[500] ^= 1;
    assert_true(eg_crc64_add(0, (eg_bytes){data, sizeof data}) != whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_value), cmocka_unit_test(pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
