/* MD5 in pieces is MD5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "md5_stream.h"

#include <embergate/crypto.h>

static void pieces(void **state) {
    (void)state;
    const eg_bytes all = {(const uint8_t *)"message digest", 14};
    for (size_t cut = 0; cut <= all.len; cut++) {
        eg_md5_stream *m = NULL;
        uint8_t got[16];
        uint8_t want[16];
        assert_int_equal(eg_md5_stream_new(&m), EG_OK);
        assert_int_equal(eg_md5_stream_add(m, (eg_bytes){all.ptr, cut}), EG_OK);
        assert_int_equal(eg_md5_stream_add(m, (eg_bytes){all.ptr + cut, all.len - cut}), EG_OK);
        assert_int_equal(eg_md5_stream_end(m, got), EG_OK);
        eg_md5_stream_free(m);
        eg_md5(all, want);
        assert_memory_equal(got, want, 16);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
