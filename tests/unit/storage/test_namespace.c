/* The tree: long names, conflicts, rows that were tampered with. covers: path_change.c path_rename.c */
#include "storage_fixture.h"

static void long_names(void **state) {
    store *s = *state;
    /* Two names of 765 bytes that differ in the last byte only, and one that is a prefix of both. */
    char a[800] = "/data/";
    char b[800];
    char prefix[800];
    memset(a + 6, 'n', 765);
    a[6 + 765] = '\0';
    memcpy(b, a, sizeof b);
    b[6 + 764] = 'm';
    memcpy(prefix, a, sizeof prefix);
    prefix[6 + 400] = '\0';
    store_write(s, a, "a", 1);
    store_write(s, b, "b", 1);
    store_write(s, prefix, "p", 1);
    const char *const paths[] = {a, b, prefix};
    for (size_t i = 0; i < 3; i++) {
        answer r = store_read(s, paths[i]);
        assert_int_equal(r.body.len, 1);
        assert_int_equal(r.body.ptr[0], "abp"[i]);
        answer_free(&r);
    }
    answer r = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=false"});
    assert_non_null(strstr(r.body.ptr, a + 6));
    assert_non_null(strstr(r.body.ptr, b + 6));
    answer_free(&r);
    assert_int_equal(store_delete(s, a, ""), EG_OK);
    assert_int_equal(store_head(s, a), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_head(s, b), EG_OK);
    /* A long path of long names. */
    char deep[2000];
    snprintf(deep, sizeof deep, "/data%s%s", a + 5, a + 5);
    assert_int_equal(store_create(s, deep), EG_OK);
    answer h = store_call(s, &(call){.method = "HEAD", .path = deep});
    assert_non_null(strstr(h.resource, "...sha256:"));
    assert_int_equal(strlen(h.resource), sizeof h.resource - 2);
    answer_free(&h);
}

static void renames(void **state) {
    store *s = *state;
    store_write(s, "/data/a/b/f", "x", 1);
    answer before = store_call(s, &(call){.method = "HEAD", .path = "/data/a/b/f"});
    assert_int_equal(store_rename(s, "/data/a", "/data/c%20d"), EG_OK);
    answer after = store_call(s, &(call){.method = "HEAD", .path = "/data/c%20d/b/f"});
    assert_string_equal(answer_header(&before, "ETag"), answer_header(&after, "ETag"));
    answer_free(&before);
    answer_free(&after);
    assert_int_equal(store_head(s, "/data/a/b/f"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/c%2520d", "/data/a"), EG_OK);
    /* Into an existing directory. */
    assert_int_equal(store_mkdir(s, "/data/target"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/target", .headers = {"x-ms-rename-source", "/data/a/b/f", "If-None-Match", "*"}}), EG_OK);
    assert_int_equal(store_head(s, "/data/target/f"), EG_OK);
    assert_int_equal(store_rename(s, "/data/a", "/data/target"), EG_OK);
    assert_int_equal(store_head(s, "/data/target/a/b"), EG_OK);
    /* With the account before it, a query behind it. */
    assert_int_equal(store_rename(s, "/acct/data/target/f?sig=x", "/data/g"), EG_ERR_AUTH_FAILED); /* a signature decides alone */
    assert_int_equal(store_rename(s, "/acct/data/target/f?x=y", "/data/g"), EG_OK);
    assert_int_equal(store_head(s, "/data/g"), EG_OK);
}

static void refused_renames(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "f", 1);
    store_write(s, "/data/g", "g", 1);
    assert_int_equal(store_mkdir(s, "/data/d/e"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/x/d"), EG_OK);
    const call none_match = {.method = "PUT", .path = "/data/g", .headers = {"x-ms-rename-source", "/data/f", "If-None-Match", "*"}};
    assert_int_equal(store_do(s, none_match), EG_ERR_PATH_EXISTS);
    assert_int_equal(store_rename(s, "/data/missing", "/data/h"), EG_ERR_SOURCE_PATH_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/f/below", "/data/h"), EG_ERR_SOURCE_PATH_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/f", "/data/no/h"), EG_ERR_RENAME_PARENT_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/f", "/data/g/h"), EG_ERR_RENAME_PARENT_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/d", "/data/d/e/new"), EG_ERR_RENAME_SOURCE_INVALID);
    assert_int_equal(store_rename(s, "/data/d", "/data/d"), EG_ERR_RENAME_SOURCE_INVALID);
    assert_int_equal(store_rename(s, "/data/d", "/data/f"), EG_ERR_RENAME_TYPE);
    assert_int_equal(store_rename(s, "/data/d", "/data/x"), EG_ERR_PATH_EXISTS);
    assert_int_equal(store_rename(s, "/data/", "/data/h"), EG_ERR_RENAME_SOURCE_URI);
    assert_int_equal(store_rename(s, "/data", "/data/h"), EG_ERR_RENAME_SOURCE_URI);
    assert_int_equal(store_rename(s, "/Data/f", "/data/h"), EG_ERR_RENAME_SOURCE_URI);
    assert_int_equal(store_rename(s, "f", "/data/h"), EG_ERR_RENAME_SOURCE_URI);
    assert_int_equal(store_rename(s, "/data/%zz", "/data/h"), EG_ERR_RENAME_SOURCE_URI);
    assert_int_equal(store_rename(s, "/data/a/../f", "/data/h"), EG_ERR_PATH_INVALID);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/h", .headers = {"x-ms-rename-source", "/data/f",
        "x-ms-source-if-match", "0x1"}}), EG_ERR_SOURCE_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/h", .query = "mode=sideways", .headers = {"x-ms-rename-source", "/data/f"}}),
        EG_ERR_QUERY);
    /* Onto a file it replaces, onto itself it does nothing. */
    assert_int_equal(store_rename(s, "/data/f", "/data/f"), EG_OK);
    assert_int_equal(store_rename(s, "/data/f", "/data/g"), EG_OK);
    answer r = store_read(s, "/data/g");
    assert_int_equal(r.body.ptr[0], 'f');
    answer_free(&r);
    assert_int_equal(store_head(s, "/data/f"), EG_ERR_PATH_NOT_FOUND);
}

static eg_err posix_rename(store *s, const char *from, const char *to) {
    return store_do(s, (call){.method = "PUT", .path = to, .query = "mode=posix", .headers = {"x-ms-rename-source", from}});
}

static void onto_directories(void **state) {
    store *s = *state;
    assert_int_equal(store_mkdir(s, "/data/from/inner"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/empty"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/full/inner"), EG_OK);
    assert_int_equal(posix_rename(s, "/data/from", "/data/full"), EG_ERR_DIRECTORY_NOT_EMPTY);
    assert_int_equal(posix_rename(s, "/data/from", "/data/empty"), EG_OK);
    assert_int_equal(store_head(s, "/data/empty/inner"), EG_OK);
    assert_int_equal(store_head(s, "/data/empty/from"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_rename(s, "/data/empty", "/data/full"), EG_OK);
    assert_int_equal(store_head(s, "/data/full/empty/inner"), EG_OK);
}

static void across_filesystems(void **state) {
    store *s = *state;
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/" ACCOUNT, .query = "resource=filesystem"}), EG_OK);
    store_write(s, "/data/d/e/f", "one", 3);
    store_write(s, "/data/g", "two", 3);
    answer before = store_call(s, &(call){.method = "HEAD", .path = "/data/d/e/f"});
    assert_int_equal(store_rename(s, "/data/d", "/other/d"), EG_OK);
    answer after = store_read(s, "/other/d/e/f");
    assert_memory_equal(after.body.ptr, "one", 3);
    assert_string_equal(answer_header(&before, "ETag"), answer_header(&after, "ETag"));
    answer_free(&before);
    answer_free(&after);
    assert_int_equal(store_head(s, "/data/d"), EG_ERR_PATH_NOT_FOUND);
    /* The same path in another filesystem is not itself, nor beneath itself. */
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    assert_int_equal(store_rename(s, "/other/d", "/data/d/e"), EG_OK);
    assert_int_equal(store_head(s, "/data/d/e/e/f"), EG_OK);
    assert_int_equal(store_rename(s, "/data/g", "/other/g"), EG_OK);
    /* A filesystem may be named like the account. */
    assert_int_equal(store_rename(s, "/other/g", "/" ACCOUNT "/g"), EG_OK);
    assert_int_equal(store_rename(s, "/" ACCOUNT "/g", "/other/g"), EG_OK);
    assert_int_equal(store_head(s, "/other/g"), EG_OK);
    /* Refused: no such filesystem, no right at the source. */
    assert_int_equal(store_rename(s, "/missing/g", "/data/g"), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(store_rename(s, "/other/g", "/missing/g"), EG_ERR_FILESYSTEM_NOT_FOUND);
    s->denied = "/containers/other";
    assert_int_equal(store_rename(s, "/other/g", "/data/g"), EG_ERR_DENIED_DATA);
    s->denied = NULL;
    assert_int_equal(store_head(s, "/other/g"), EG_OK);
    assert_int_equal(store_head(s, "/data/g"), EG_ERR_PATH_NOT_FOUND);
    /* Onto a file of the other filesystem. */
    store_write(s, "/data/g", "old", 3);
    assert_int_equal(store_rename(s, "/other/g", "/data/g"), EG_OK);
    after = store_read(s, "/data/g");
    assert_memory_equal(after.body.ptr, "two", 3);
    answer_free(&after);
}

static void attributes_with_a_rename(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "x", 1);
    answer before = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/g", .headers = {"x-ms-rename-source", "/data/f",
        "x-ms-content-type", "text/plain"}}), EG_OK);
    answer after = store_read(s, "/data/g");
    assert_string_equal(answer_header(&after, "Content-Type"), "text/plain");
    assert_string_not_equal(answer_header(&before, "ETag"), answer_header(&after, "ETag"));
    assert_memory_equal(after.body.ptr, "x", 1);
    answer_free(&before);
    answer_free(&after);
}

static eg_err read_f(store *s) {
    return store_do(s, (call){.method = "GET", .path = "/data/f"});
}

/* Each byte of each kind of row that a read depends on. */
static void flipped_rows(void **state) {
    store *s = *state;
    store_quiet(s);
    store_write(s, "/data/f", "content", 7);
    const eg_kv_db dbs[] = {EG_DB_FS_ENTRY, EG_DB_FS_EXTENT, EG_DB_FS_SEGMENT, EG_DB_FS_PLACE, EG_DB_FS_INODE};
    for (size_t d = 0; d < sizeof dbs / sizeof dbs[0]; d++) {
        eg_buf key;
        eg_buf value;
        size_t refused = 0;
        for (size_t row = 0; row < store_rows(s, dbs[d]); row++) {
            raw_get(s, dbs[d], row, &key, &value);
            bool ours = false;
            for (size_t i = 1; i < value.len; i++) {
                const int64_t counted = eg_metric_get(EG_METRIC_STORAGE_CORRUPT);
                value.ptr[i] ^= 1;
                raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&key), eg_buf_bytes(&value)});
                const eg_err e = read_f(s);
                /* The root's inode is not asked for by a read: all or none of a row's bytes matter. */
                ours = i == 1 ? e != EG_OK : ours;
                assert_int_equal(e, ours ? EG_ERR_CORRUPT : EG_OK);
                assert_true(!ours || eg_metric_get(EG_METRIC_STORAGE_CORRUPT) > counted);
                value.ptr[i] ^= 1;
            }
            refused += ours;
            raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&key), eg_buf_bytes(&value)});
            eg_buf_done(&key);
            eg_buf_done(&value);
        }
        assert_int_equal(refused, 1);
    }
    assert_int_equal(read_f(s), EG_OK);
}

static void unknown_version(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "content", 7);
    eg_buf key;
    eg_buf value;
    raw_get(s, EG_DB_FS_EXTENT, 0, &key, &value);
    value.ptr[0] = 9;
    raw_put(s, (raw_row){EG_DB_FS_EXTENT, eg_buf_bytes(&key), eg_buf_bytes(&value)});
    assert_int_equal(read_f(s), EG_ERR_CORRUPT); /* the MAC covers the version too */
    eg_buf_done(&key);
    eg_buf_done(&value);
}

/* Rows that are whole but stand where they don't belong. */
static void swapped_rows(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    store_write(s, "/data/g", "two", 3);
    const eg_kv_db dbs[] = {EG_DB_FS_ENTRY, EG_DB_FS_EXTENT, EG_DB_FS_SEGMENT, EG_DB_FS_PLACE};
    for (size_t d = 0; d < sizeof dbs / sizeof dbs[0]; d++) {
        eg_buf k[2];
        eg_buf v[2];
        raw_get(s, dbs[d], 0, &k[0], &v[0]);
        raw_get(s, dbs[d], 1, &k[1], &v[1]);
        raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&k[0]), eg_buf_bytes(&v[1])});
        raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&k[1]), eg_buf_bytes(&v[0])});
        assert_int_equal(read_f(s), EG_ERR_CORRUPT);
        raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&k[0]), eg_buf_bytes(&v[0])});
        raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&k[1]), eg_buf_bytes(&v[1])});
        assert_int_equal(read_f(s), EG_OK);
        for (size_t i = 0; i < 2; i++) {
            eg_buf_done(&k[i]);
            eg_buf_done(&v[i]);
        }
    }
}

static void missing_rows(void **state) {
    store *s = *state;
    store_quiet(s);
    store_write(s, "/data/f", "one", 3);
    const eg_kv_db dbs[] = {EG_DB_FS_EXTENT, EG_DB_FS_SEGMENT, EG_DB_FS_PLACE};
    for (size_t d = 0; d < sizeof dbs / sizeof dbs[0]; d++) {
        eg_buf key;
        eg_buf value;
        raw_get(s, dbs[d], 0, &key, &value);
        raw_put(s, (raw_row){.db = dbs[d], .key = eg_buf_bytes(&key)});
        assert_int_equal(read_f(s), EG_ERR_CORRUPT);
        raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&key), eg_buf_bytes(&value)});
        eg_buf_done(&key);
        eg_buf_done(&value);
    }
    assert_int_equal(read_f(s), EG_OK);
}

static void accounts(void **state) {
    store *s = *state;
    eg_problem p = {0};
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT(ACCOUNT), EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT(ACCOUNT), EG_LIT("22222222-2222-4222-8222-222222222222"), &p), EG_ERR_EXISTS);
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT("No"), EG_LIT(TENANT), &p), EG_ERR_INVALID);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT("nobody"), EG_LIT(FS), &p), EG_ERR_ACCOUNT_NOT_FOUND);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT(ACCOUNT), EG_LIT("a--b"), &p), EG_ERR_PATH_INVALID);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT(ACCOUNT), EG_LIT(FS), &p), EG_OK);
    /* After a restart the account's key is unwrapped again. */
    store_write(s, "/data/f", "x", 1);
    store_stop(s);
    store_start(s);
    assert_int_equal(read_f(s), EG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(long_names, store_open, store_close),
        cmocka_unit_test_setup_teardown(renames, store_open, store_close),
        cmocka_unit_test_setup_teardown(refused_renames, store_open, store_close),
        cmocka_unit_test_setup_teardown(onto_directories, store_open, store_close),
        cmocka_unit_test_setup_teardown(across_filesystems, store_open, store_close),
        cmocka_unit_test_setup_teardown(attributes_with_a_rename, store_open, store_close),
        cmocka_unit_test_setup_teardown(flipped_rows, store_open, store_close),
        cmocka_unit_test_setup_teardown(unknown_version, store_open, store_close),
        cmocka_unit_test_setup_teardown(swapped_rows, store_open, store_close),
        cmocka_unit_test_setup_teardown(missing_rows, store_open, store_close),
        cmocka_unit_test_setup_teardown(accounts, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
