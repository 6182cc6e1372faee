/* Renames that would make a path longer than a path may be. covers: path_bounds.c rename.c */
#include "storage_fixture.h"

/* "/data" and n names of `each` letters. */
static void deep(char *path, size_t cap, size_t n, size_t each) {
    size_t at = (size_t)snprintf(path, cap, "/data");
    for (size_t i = 0; i < n; i++) {
        assert_true(at + each + 2 < cap);
        path[at++] = '/';
        memset(path + at, 'a' + (int)(i % 26), each);
        at += each;
    }
    path[at] = '\0';
}

static void too_deep(void **state) {
    store *s = *state;
    char path[1024];
    deep(path, sizeof path, 120, 1);
    assert_int_equal(store_create(s, path), EG_OK);
    deep(path, sizeof path, 10, 2);
    assert_int_equal(store_mkdir(s, path), EG_OK);
    strncat(path, "/in", sizeof path - strlen(path) - 1);
    assert_int_equal(store_rename(s, "/data/a", path), EG_ERR_PATH_INVALID);
    assert_int_equal(store_head(s, "/data/a/b"), EG_OK);
    /* 8 names more are allowed: 128 in all. */
    deep(path, sizeof path, 8, 2);
    assert_int_equal(store_rename(s, "/data/a", path), EG_OK);
    strncat(path, "/a/b", sizeof path - strlen(path) - 1);
    assert_int_equal(store_head(s, path), EG_OK);
}

static void too_long(void **state) {
    store *s = *state;
    char path[4000];
    char to[4000];
    deep(path, sizeof path, 4, 700); /* a, and 2103 bytes beneath it */
    assert_int_equal(store_create(s, path), EG_OK);
    path[5 + 701] = '\0';
    assert_int_equal(store_rename(s, path, "/data/s"), EG_OK);
    assert_int_equal(store_mkdir(s, path), EG_OK);
    /* {a}/{m} has 3072 - 2103 = 969 bytes, and one more. */
    memcpy(to, path, sizeof to);
    memset(to + strlen(path), 'm', sizeof to - strlen(path));
    to[strlen(path)] = '/';
    to[6 + 970] = '\0';
    assert_int_equal(store_rename(s, "/data/s", to), EG_ERR_PATH_INVALID);
    to[6 + 969] = '\0';
    assert_int_equal(store_rename(s, "/data/s", to), EG_OK);
    assert_int_equal(store_head(s, to), EG_OK);
    /* Into a directory: it is the name that it gets there which counts. */
    assert_int_equal(store_rename(s, to, "/data/ss"), EG_OK);
    to[6 + 969 - 2] = '\0';
    assert_int_equal(store_mkdir(s, to), EG_OK);
    assert_int_equal(store_rename(s, "/data/ss", to), EG_ERR_PATH_INVALID);
    assert_int_equal(store_rename(s, "/data/ss", "/data/s"), EG_OK);
    assert_int_equal(store_rename(s, "/data/s", to), EG_OK);
}

/* Above 1000 entries the filesystem's marks stand for what lies beneath, and a walk where they say that it might not fit. */
static void many(void **state) {
    store *s = *state;
    char path[1024];
    for (int i = 0; i < 1200; i++) {
        snprintf(path, sizeof path, "/data/many/%04d", i);
        assert_int_equal(store_create(s, path), EG_OK);
    }
    assert_int_equal(store_rename(s, "/data/many", "/data/many-with-a-longer-name"), EG_OK);
    deep(path, sizeof path, 126, 1);
    assert_int_equal(store_mkdir(s, path), EG_OK);
    path[strlen(path) - 2] = '\0'; /* 125 names: the filesystem's marks say 128 */
    strncat(path, "/many", sizeof path - strlen(path) - 1);
    assert_int_equal(store_rename(s, "/data/many-with-a-longer-name", path), EG_OK);
    strncat(path, "/0001", sizeof path - strlen(path) - 1);
    assert_int_equal(store_head(s, path), EG_OK);
    path[strlen(path) - 5] = '\0';
    answer a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=true&directory=a/b"});
    assert_int_equal(a.status, 200);
    answer_free(&a);
    /* In another filesystem the marks are set anew. */
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    assert_int_equal(store_rename(s, "/data/a", "/other/a"), EG_OK);
    assert_int_equal(store_mkdir(s, "/other/b/c/d"), EG_OK);
    assert_int_equal(store_rename(s, "/other/a", "/other/b/c/d/a"), EG_ERR_PATH_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(too_deep, store_open, store_close),
        cmocka_unit_test_setup_teardown(too_long, store_open, store_close),
        cmocka_unit_test_setup_teardown(many, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
