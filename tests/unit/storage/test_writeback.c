/* Beginning to write: whatever it is asked, it keeps no descriptor and changes no byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "writeback.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t open_descriptors(void) {
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;
    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static void keeps_nothing(void **state) {
    (void)state;
    static uint8_t data[1 << 20], again[sizeof data];
    char name[] = "tmp-writeback-XXXXXX";
    eg_writeback *w = NULL;
    const size_t before = open_descriptors();
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    memset(data, 7, sizeof data);
    assert_int_equal(pwrite(fd, data, sizeof data, 0), sizeof data);
    assert_int_equal(eg_writeback_start(&w), EG_OK);
    for (uint64_t i = 0; i < 1000; i++) { /* far more than it holds at a time */
        eg_writeback_begin(w, fd, i * 1024, (i + 1) * 1024);
    }
    eg_writeback_begin(w, fd, 5, 5);
    eg_writeback_begin(w, -1, 0, 5);
    eg_writeback_stop(w);
    assert_int_equal(pread(fd, again, sizeof again, 0), sizeof again);
    assert_memory_equal(data, again, sizeof data);
    close(fd);
    unlink(name);
    assert_int_equal(open_descriptors(), before);
    eg_writeback_stop(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
