/* Checks whole-file replacement, bounded reading, and directories. */
#include <embergate/durable_file.h>

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void replace_and_read(void **state) {
    eg_problem p = {0};
    const char *path = in_dir(state, "f");
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(EG_LIT("one")), &p), EG_OK);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0640, eg_str_bytes(EG_LIT("two")), &p), EG_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    eg_buf b;
    eg_buf_init(&b, 100);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 3, &b, &p), EG_OK);
    assert_string_equal(b.ptr, "two");
    assert_int_equal(eg_file_read(AT_FDCWD, path, 2, &b, &p), EG_ERR_LIMIT);
    assert_int_equal(b.len, 3);
    eg_buf_done(&b);
    eg_buf_init(&b, 2);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 100, &b, &p), EG_ERR_LIMIT);
    eg_buf_done(&b);
    /* Nothing temporary is left. */
    DIR *d = opendir(*state);
    int count = 0;
    while (readdir(d)) {
        count++;
    }
    closedir(d);
    assert_int_equal(count, 3);
}

static void refusals(void **state) {
    eg_problem p = {0};
    eg_buf b;
    eg_buf_init(&b, 100);
    assert_int_equal(eg_file_read(AT_FDCWD, in_dir(state, "absent"), 10, &b, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(symlink("target", in_dir(state, "link")), 0);
    assert_int_equal(eg_file_read(AT_FDCWD, in_dir(state, "link"), 10, &b, &p), EG_ERR_INVALID);
    assert_int_equal(mkfifo(in_dir(state, "fifo"), 0600), 0);
    assert_int_equal(eg_file_read(AT_FDCWD, in_dir(state, "fifo"), 10, &b, &p), EG_ERR_INVALID);
    assert_int_equal(eg_file_read(AT_FDCWD, *state, 10, &b, &p), EG_ERR_INVALID);
    assert_int_equal(eg_file_replace(AT_FDCWD, in_dir(state, "no/such"), 0600, (eg_bytes){0}, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_file_replace(AT_FDCWD, in_dir(state, ""), 0600, (eg_bytes){0}, &p), EG_ERR_INVALID);
    eg_buf_done(&b);
}

static void directories(void **state) {
    eg_problem p = {0};
    struct stat st;
    assert_int_equal(eg_dir_make(in_dir(state, "a/b//c"), 0700, &p), EG_OK);
    assert_int_equal(eg_dir_make(in_dir(state, "a/b/c"), 0700, &p), EG_OK);
    assert_int_equal(stat(in_dir(state, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(eg_file_replace(AT_FDCWD, in_dir(state, "file"), 0600, (eg_bytes){0}, &p), EG_OK);
    assert_int_equal(eg_dir_make(in_dir(state, "file"), 0700, &p), EG_ERR_EXISTS);
    assert_int_equal(eg_dir_make("", 0700, &p), EG_ERR_INVALID);
}

static void whole_reads_and_writes(void **state) {
    int fd = open(in_dir(state, "rw"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(eg_write_all(fd, eg_str_bytes(EG_LIT("0123456789"))), EG_OK);
    char out[5];
    assert_int_equal(eg_pread_all(fd, out, 4, 6), EG_OK);
    assert_memory_equal(out, "6789", 4);
    assert_int_equal(eg_pread_all(fd, out, 5, 6), EG_ERR_CORRUPT);
    /* From the page cache, where the file system can tell; never a part. */
    char again[4];
    const eg_err cached = eg_pread_cached(fd, again, 4, 6);
    assert_true(cached == EG_ERR_BUSY || (cached == EG_OK && memcmp(again, out, 4) == 0));
    assert_int_equal(eg_pread_cached(fd, out, 5, 6), EG_ERR_BUSY);
    close(fd);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(eg_write_all(full, eg_str_bytes(EG_LIT("x"))), EG_ERR_DISK_FULL);
    close(full);
    assert_int_equal(eg_dir_sync(-1), EG_ERR_IO);
    assert_int_equal(eg_open_cached(-1, "nothing", &fd), EG_ERR_BUSY); /* what is wrong is said by the other way */
    const eg_err opened = eg_open_cached(AT_FDCWD, "/dev/null", &fd); /* not every file system can tell */
    assert_true(opened == EG_ERR_BUSY || opened == EG_OK);
    if (opened == EG_OK) {
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(fd);
    }
}

static void zeros_ahead(void **state) {
    (void)state;
    char name[] = "tmp-zeros-XXXXXX";
    static uint8_t back[1300000];
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(pwrite(fd, "head", 4, 0), 4);
    assert_int_equal(eg_write_zeros(fd, 4, sizeof back), EG_OK);
    assert_int_equal(pread(fd, back, sizeof back, 0), sizeof back);
    assert_memory_equal(back, "head", 4);
    for (size_t i = 4; i < sizeof back; i++) {
        assert_int_equal(back[i], 0);
    }
    assert_int_equal(eg_write_zeros(fd, 5, 5), EG_OK);
    assert_int_equal(lseek(fd, 0, SEEK_END), sizeof back);
    close(fd);
    assert_int_equal(eg_write_zeros(fd, 0, 1), EG_ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_ahead), cmocka_unit_test_setup_teardown(replace_and_read, make_dir, remove_dir), cmocka_unit_test_setup_teardown(refusals, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(directories, make_dir, remove_dir), cmocka_unit_test_setup_teardown(whole_reads_and_writes, make_dir, remove_dir)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
