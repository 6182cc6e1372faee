/* Checks that a whole log verifies at every kind of size, and that one flipped byte is named wherever it is. */
#include "made_log.h"

#include <sys/stat.h>

static void whole_logs_verify(void **state) {
    static const uint64_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 513, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char dir[64];
        eg_audit_verdict v;
        eg_problem p = {0};
        snprintf(dir, sizeof dir, "%s/%zu", (char *)*state, i);
        made_log(dir, sizes[i]);
        assert_int_equal(eg_audit_verify(dir, NULL, &v, &p), EG_OK);
        assert_int_equal(v.size, sizes[i]);
        assert_true(v.damaged == UINT64_MAX);
        assert_non_null(strstr(v.damaged_what, "own vkey"));
    }
}

static void three_levels_verify(void **state) {
    char dir[64];
    eg_audit_verdict v;
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/large", (char *)*state);
    made_log(dir, 65537);
    assert_int_equal(eg_audit_verify(dir, NULL, &v, &p), EG_OK);
    assert_int_equal(v.size, 65537);
    assert_true(v.damaged == UINT64_MAX);
}

static void flip(const char *dir, const char *name, long at) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

/* 300 entries: one full tile, one partial, one node above. */
static const struct {
    const char *file;
    long at;
    uint64_t damaged;   /* UINT64_MAX: not a record's, the problem names the file */
    const char *says;
} flips[] = {
    {"tile/entries/000", 2, 0, "record 0 (tile/entries/000) does not hash to its leaf"},
    {"tile/entries/000", 2 + 7 + 2, 1, "record 1 (tile/entries/000)"},
    {"tile/entries/000", 2 + 7 + 1, 1, "record 1 (tile/entries/000)"}, /* its length */
    {"tile/entries/001.p/44", 5, 256, "record 256 (tile/entries/001.p/44)"},
    {"tile/entries/001.p/44", 43 * 11, 299, "record 299 (tile/entries/001.p/44)"},
    {"tile/0/000", 41 * 32, 41, "record 41 (tile/entries/000) does not hash to its leaf in tile/0/000"},
    {"tile/0/001.p/44", 3 * 32 + 31, 259, "tile/0/001.p/44"},
    {"tile/1/000.p/1", 7, 0, "records 0 to 255 do not hash to node 0 of tile/1/000.p/1"},
    {"checkpoint", 3, UINT64_MAX, "checkpoint"},
    {"checkpoint", 21, UINT64_MAX, "checkpoint"},
    {"checkpoint", 40, UINT64_MAX, "checkpoint"},
    {"checkpoint", 130, UINT64_MAX, "checkpoint"},
    {"vkey", 2, UINT64_MAX, "vkey"},
    {"vkey", 40, UINT64_MAX, "vkey"},
    {EG_WRAPPED_FILE, 24, UINT64_MAX, EG_WRAPPED_FILE},
    {EG_WRAPPED_FILE, 40, UINT64_MAX, EG_WRAPPED_FILE},
    {EG_WRAPPED_FILE, 120, UINT64_MAX, EG_WRAPPED_FILE},
};

static void assert_found(const char *dir, uint64_t damaged, const char *says) {
    eg_audit_verdict v = {0};
    eg_problem p = {0};
    eg_err e = eg_audit_verify(dir, NULL, &v, &p);
    if (damaged == UINT64_MAX) {
        assert_int_equal(e, EG_ERR_CORRUPT);
        assert_non_null(strstr(p.message, says));
        assert_string_equal(p.where, says);
    } else {
        assert_int_equal(e, EG_OK);
        assert_true(v.damaged == damaged);
        assert_non_null(strstr(v.damaged_what, says));
    }
}

static void one_flipped_byte_is_named(void **state) {
    char dir[64];
    eg_audit_verdict v;
    snprintf(dir, sizeof dir, "%s/log", (char *)*state);
    made_log(dir, 300);
    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        flip(dir, flips[i].file, flips[i].at);
        assert_found(dir, flips[i].damaged, flips[i].says);
        flip(dir, flips[i].file, flips[i].at);
    }
    assert_int_equal(eg_audit_verify(dir, NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX);
}

/* Every single byte of a small log's every file. */
static void every_byte_counts(void **state) {
    static const char *const files[] = {"checkpoint", "vkey", EG_WRAPPED_FILE, "tile/0/000.p/3", "tile/entries/000.p/3"};
    char dir[64];
    snprintf(dir, sizeof dir, "%s/log", (char *)*state);
    made_log(dir, 3);
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[256];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, files[f]);
        assert_int_equal(stat(path, &st), 0);
        for (long at = 0; at < st.st_size; at++) {
            eg_audit_verdict v = {0};
            flip(dir, files[f], at);
            assert_true(eg_audit_verify(dir, NULL, &v, NULL) == EG_ERR_CORRUPT || v.damaged != UINT64_MAX);
            flip(dir, files[f], at);
        }
    }
}

static void missing_and_long_files_are_named(void **state) {
    char dir[64];
    char path[256];
    snprintf(dir, sizeof dir, "%s/log", (char *)*state);
    made_log(dir, 300);
    snprintf(path, sizeof path, "%s/tile/0/001.p/44", dir);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_found(dir, 256, "has 1409 bytes instead of 1408");
    assert_int_equal(truncate(path, 1408), 0);
    snprintf(path, sizeof path, "%s/tile/entries/000", dir);
    assert_int_equal(unlink(path), 0);
    assert_found(dir, 0, "tile/entries/000, which begins with record 0, is missing");
}

/* Somebody who can write the folder but has not the key changes a record and makes all tiles anew. */
static void rewritten_tiles_do_not_help(void **state) {
    char dir[64];
    char other[64];
    char from[256];
    char to[256];
    eg_audit_verdict v;
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/log", (char *)*state);
    snprintf(other, sizeof other, "%s/other", (char *)*state);
    made_log(dir, 20);
    eg_tile_log *t = made_open(other);
    made_append(t, 0, 19);
    made_append(t, 50, 51);
    eg_tile_log_free(t);
    static const char *const moved[] = {"tile/0/000.p/20", "tile/entries/000.p/20"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", other, moved[i]);
        snprintf(to, sizeof to, "%s/%s", dir, moved[i]);
        assert_int_equal(rename(from, to), 0);
    }
    assert_int_equal(eg_audit_verify(dir, NULL, &v, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "another root"));
}

static void the_key_from_outside_counts(void **state) {
    char dir[64];
    eg_audit_verdict v;
    eg_problem p = {0};
    eg_buf key;
    uint8_t pub[32];
    const uint8_t seed[32] = {8};
    snprintf(dir, sizeof dir, "%s/log", (char *)*state);
    made_log(dir, 3);
    assert_int_equal(eg_ed25519_public(made_seed, pub), EG_OK);
    eg_buf_init(&key, 1024);
    assert_int_equal(eg_verifier_key_write(EG_LIT(MADE_ORIGIN), pub, &key), EG_OK);
    assert_int_equal(eg_audit_verify(dir, key.ptr, &v, &p), EG_OK);
    assert_string_equal(v.damaged_what, "");
    eg_buf_reset(&key);
    assert_int_equal(eg_ed25519_public(seed, pub), EG_OK);
    assert_int_equal(eg_verifier_key_write(EG_LIT(MADE_ORIGIN), pub, &key), EG_OK);
    assert_int_equal(eg_audit_verify(dir, key.ptr, &v, &p), EG_ERR_CORRUPT);
    assert_int_equal(eg_audit_verify(dir, "nonsense", &v, &p), EG_ERR_INVALID);
    assert_int_equal(eg_audit_verify("nowhere", NULL, &v, &p), EG_ERR_NOT_FOUND);
    eg_buf_done(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_logs_verify, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(three_levels_verify, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(one_flipped_byte_is_named, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(every_byte_counts, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(missing_and_long_files_are_named, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(rewritten_tiles_do_not_help, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(the_key_from_outside_counts, made_dir, made_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
