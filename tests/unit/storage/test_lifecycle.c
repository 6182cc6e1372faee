/* Files that expire, deleted things that come back, and what is done when their time is over. covers: deleted.c due.c path_expire.c undelete.c expiry_request.c undelete_request.c lifecycle_headers.c */
#include "blob_calls.h"
#include "due.h"
#include "moved_clock.h"

static const atomic_bool never;
#define DAY 86400

static void work(store *s) {
    size_t n = 0;
    assert_int_equal(eg_due_pass(s->storage, &never, &n), EG_OK);
    n = store_reclaim(s);
}

static eg_err expire(store *s, const char *path, const char *option, const char *time) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = "comp=expiry", .headers = {"x-ms-expiry-option", option,
        time ? "x-ms-expiry-time" : "x-none", time ? time : "x"}});
}

static bool listed(store *s, const char *name) {
    char text[64];
    snprintf(text, sizeof text, "\"name\":\"%s\"", name);
    answer a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=true"});
    assert_int_equal(a.status, 200);
    const bool has = answer_has(&a, text);
    answer_free(&a);
    return has;
}

static void expiry(void **state) {
    store *s = *state;
    store_write(s, "/data/d/f", "one", 3);
    store_write(s, "/data/d/g", "one", 3);
    assert_int_equal(expire(s, "/data/d/f", "RelativeToNow", "10000"), EG_OK);
    assert_int_equal(expire(s, "/data/d/g", "RelativeToNow", "10000"), EG_OK);
    assert_int_equal(expire(s, "/data/d/g", "RelativeToCreation", "20000"), EG_OK);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/d/f"});
    assert_string_equal(answer_header(&a, "x-ms-expiry-time"), "Tue, 14 Nov 2023 22:13:30 GMT");
    answer_free(&a);
    /* The directory above is renamed: the file is found all the same. */
    assert_int_equal(store_rename(s, "/data/d", "/data/e"), EG_OK);
    pass_time(9);
    assert_int_equal(store_head(s, "/data/e/f"), EG_OK);
    pass_time(1);
    /* Over: gone at once for everybody. */
    assert_int_equal(store_head(s, "/data/e/f"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/e/f"}), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_append(s, "/data/e/f", 3, "x", 1), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_delete(s, "/data/e/f", ""), EG_ERR_PATH_NOT_FOUND);
    assert_false(listed(s, "e/f"));
    assert_true(listed(s, "e/g"));
    assert_int_equal(store_head(s, "/data/e/g"), EG_OK);
    moved_wall_ns -= (int64_t)3600 * 1000000000; /* the clock goes back: it stays gone */
    assert_int_equal(store_head(s, "/data/e/f"), EG_ERR_PATH_NOT_FOUND);
    moved_wall_ns += (int64_t)3600 * 1000000000;
    const size_t before = store_rows(s, EG_DB_FS_INODE);
    work(s);
    assert_int_equal(store_rows(s, EG_DB_FS_INODE), before - 1);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 1);
    /* Renamed itself, and taken back. */
    assert_int_equal(store_rename(s, "/data/e/g", "/data/h"), EG_OK);
    assert_int_equal(expire(s, "/data/h", "NeverExpire", NULL), EG_OK);
    pass_time(DAY);
    work(s);
    assert_int_equal(store_head(s, "/data/h"), EG_OK);
    assert_int_equal(expire(s, "/data/h", "RelativeToNow", "1000"), EG_OK);
    assert_int_equal(store_rename(s, "/data/h", "/data/i"), EG_OK);
    pass_time(1);
    work(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_DELETED), 0);
}

static void expired_names_are_free(void **state) {
    store *s = *state;
    const call make = {.method = "PUT", .path = "/data/f", .query = "resource=file", .headers = {"x-ms-expiry-option", "RelativeToNow",
        "x-ms-expiry-time", "5000", "If-None-Match", "*"}};
    assert_int_equal(store_do(s, make), EG_OK);
    assert_int_equal(store_do(s, make), EG_ERR_PATH_EXISTS);
    pass_time(5);
    assert_int_equal(store_do(s, make), EG_OK);
    pass_time(5);
    store_write(s, "/data/new", "new", 3);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .headers = {"x-ms-rename-source", "/data/new", "If-None-Match", "*"}}), EG_OK);
    work(s);
    assert_int_equal(store_head(s, "/data/f"), EG_OK); /* the one that took the name */
    (void)store_reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_INODE), 2);
}

static void bad_expiry(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    static const char *const bad[][2] = {{"Never", NULL}, {"NeverExpire", "1"}, {"Absolute", "10000"}, {"Absolute", NULL}, {"RelativeToNow", NULL},
        {"RelativeToNow", "-1"}, {"RelativeToNow", "99999999999999999999"}, {"Absolute", "Tue, 14 Nov 2023 22:13:20 GMT"}, {"RelativeToNow", "0"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(expire(s, "/data/f", bad[i][0], bad[i][1]), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=expiry"}), EG_ERR_HTTP_HEADER);
    assert_int_equal(expire(s, "/data/d", "RelativeToNow", "1000"), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(expire(s, "/data/x", "RelativeToNow", "1000"), EG_ERR_PATH_NOT_FOUND);
}

/* Deletes and gives the deletion's id. */
static void delete_kept(store *s, const char *path, char id[32]) {
    pass_time(1); /* so that ids differ between names too */
    answer a = store_call(s, &(call){.method = "DELETE", .path = path, .query = "recursive=true"});
    assert_int_equal(a.err, EG_OK);
    assert_non_null(answer_header(&a, "x-ms-deletion-id"));
    snprintf(id, 32, "%s", answer_header(&a, "x-ms-deletion-id"));
    answer_free(&a);
}

static eg_err undelete(store *s, const char *path, const char *name, const char *id) {
    char source[200];
    snprintf(source, sizeof source, "%s?deletionid=%s", name, id);
    return store_do(s, (call){.method = "PUT", .path = path, .query = "comp=undelete", .headers = {name ? "x-ms-undelete-source" : "x-none", source}});
}

static void soft_delete(void **state) {
    store *s = *state;
    char first[32];
    char second[32];
    char dir[32];
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 7), EG_OK);
    store_write(s, "/data/d/a b", "one", 3);
    delete_kept(s, "/data/d/a b", first);
    assert_int_equal(store_head(s, "/data/d/a b"), EG_ERR_PATH_NOT_FOUND);
    store_write(s, "/data/d/a b", "two", 3);
    delete_kept(s, "/data/d/a b", second);
    assert_string_not_equal(first, second);
    store_write(s, "/data/d/c", "three", 5);
    delete_kept(s, "/data/d", dir);
    answer a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&showonly=deleted"});
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, first) && answer_has(&a, second) && answer_has(&a, dir));
    assert_true(answer_has(&a, "<Name>d/a b</Name><Deleted>true</Deleted>"));
    assert_true(answer_has(&a, "<RemainingRetentionDays>7</RemainingRetentionDays>"));
    assert_true(answer_has(&a, "<NextMarker></NextMarker>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=deleted"});
    assert_true(answer_has(&a, "<Name>d</Name><Deleted>true</Deleted>") && answer_has(&a, "<Name>d/a b</Name><Deleted>true</Deleted>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list"});
    assert_false(answer_has(&a, "<Deleted>"));
    answer_free(&a);
    /* Its directory is gone: that first. */
    assert_int_equal(undelete(s, "/data/d/a b", "d/a%20b", first), EG_ERR_RENAME_PARENT_NOT_FOUND);
    assert_int_equal(undelete(s, "/data/d", "d", first), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(undelete(s, "/data/d", "d", "x"), EG_ERR_HTTP_HEADER);
    assert_int_equal(undelete(s, "/data/d", "d", "0"), EG_ERR_HTTP_HEADER);
    assert_int_equal(undelete(s, "/data/d", "/d", dir), EG_OK);
    assert_int_equal(undelete(s, "/data/d", "d", dir), EG_ERR_PATH_NOT_FOUND);
    blob_holds(s, "/data/d/c", "three", 5);
    assert_int_equal(undelete(s, "/data/d/a b", "d/a%20b", first), EG_OK);
    blob_holds(s, "/data/d/a b", "one", 3);
    assert_int_equal(undelete(s, "/data/d/a b", "d/a%20b", second), EG_ERR_PATH_EXISTS);
    /* Lists that let somebody write here and not there give nothing of what lay there. */
    const char *other = "33333333-3333-4333-8333-333333333333";
    assert_int_equal(store_mkdir(s, "/data/mine"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/closed"), EG_OK);
    const struct {
        const char *path, *list;
    } lists[] = {{"/data", "user::rwx,group::r-x,other::--x"}, {"/data/mine", "user::rwx,group::rwx,other::rwx"}, {"/data/closed", "user::rwx,group::---,other::---"}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_int_equal(store_do(s, (call){.method = "PATCH", .path = lists[i].path, .query = "action=setAccessControl", .headers = {"x-ms-acl", lists[i].list}, .way = EG_WAY_KEY}), EG_OK);
    }
    store_write(s, "/data/closed/f", "own", 3);
    char closed[64];
    char id[32];
    delete_kept(s, "/data/closed/f", id);
    snprintf(closed, sizeof closed, "closed/f?deletionid=%s", id);
    call take = {.method = "PUT", .path = "/data/mine/f", .query = "comp=undelete", .headers = {"x-ms-undelete-source", closed}, .way = EG_WAY_ACL, .who = other};
    assert_int_equal(store_do(s, take), EG_ERR_DENIED_DATA);
    call by_role = take;
    by_role.way = EG_WAY_ROLE; /* that grants it here and, by a condition, not there */
    s->denied = "/containers/data";
    assert_int_equal(store_do(s, by_role), EG_ERR_DENIED_DATA);
    s->denied = NULL;
    take.path = "/data/closed/f";
    assert_int_equal(store_do(s, take), EG_ERR_DENIED_DATA);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/closed", .query = "action=setAccessControl", .headers = {"x-ms-acl", lists[1].list}, .way = EG_WAY_KEY}), EG_OK);
    take.path = "/data/mine/f";
    assert_int_equal(store_do(s, take), EG_OK);
    assert_int_equal(store_delete(s, "/data/mine", "recursive=true"), EG_OK);
    assert_int_equal(store_delete(s, "/data/closed", "recursive=true"), EG_OK);
    /* Without a source: what was deleted last. */
    delete_kept(s, "/data/d/a b", first);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/d/a b", .query = "comp=undelete"}), EG_OK);
    blob_holds(s, "/data/d/a b", "one", 3);
    /* After its time it is not there, and then its space comes back. */
    pass_time(7 * DAY);
    assert_int_equal(undelete(s, "/data/d/z", "d/a%20b", second), EG_ERR_PATH_NOT_FOUND);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&showonly=deleted"});
    assert_false(answer_has(&a, "<Blob>"));
    answer_free(&a);
    work(s);
    assert_int_equal(store_rows(s, EG_DB_FS_DELETED), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 2);
    blob_holds(s, "/data/d/c", "three", 5);
}

static void pages_of_deleted(void **state) {
    store *s = *state;
    char id[32];
    char path[700] = "/data/";
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 1), EG_OK);
    memset(path + 6, 'x', 500); /* longer than its key */
    path[506] = '\0';
    store_write(s, path, "one", 3);
    delete_kept(s, path, id);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "/data/f%d", i);
        store_write(s, path, "one", 3);
        delete_kept(s, path, id);
    }
    char query[900] = "restype=container&comp=list&showonly=deleted&maxresults=2";
    int seen = 0;
    for (int page = 0; page < 3; page++) {
        answer a = blob_call(s, (call){.method = "GET", .path = "/data", .query = query});
        assert_int_equal(a.status, 200);
        for (const char *at = a.body.ptr; (at = strstr(at, "<Blob>")) != NULL; at++) {
            seen++;
        }
        const char *marker = strstr(a.body.ptr, "<NextMarker>") + 12;
        snprintf(query, sizeof query, "restype=container&comp=list&showonly=deleted&maxresults=2&marker=%.*s", (int)(strchr(marker, '<') - marker), marker);
        answer_free(&a);
    }
    assert_int_equal(seen, 6);
    answer a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&showonly=deleted&prefix=f3"});
    assert_true(answer_has(&a, "<Name>f3</Name>") && !answer_has(&a, "<Name>f2</Name>"));
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data", .query = "comp=list&showonly=deleted&marker=abc"}), EG_ERR_QUERY);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data", .query = "comp=list&showonly=deleted&maxresults=0"}), EG_ERR_QUERY);
}

static void containers(void **state) {
    store *s = *state;
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 7), EG_OK);
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container"}), EG_OK);
    assert_int_equal(store_head(s, "/data/f"), EG_ERR_FILESYSTEM_NOT_FOUND);
    answer a = blob_call(s, (call){.method = "GET", .path = "/", .query = "comp=list&include=deleted"});
    const char *at = strstr(a.body.ptr, "<Name>data</Name><Deleted>true</Deleted><Version>");
    assert_non_null(at);
    char version[32];
    at = strstr(at, "<Version>") + 9;
    snprintf(version, sizeof version, "%.*s", (int)(strchr(at, '<') - at), at);
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/", .query = "comp=list"});
    assert_false(answer_has(&a, "<Name>data</Name>"));
    answer_free(&a);
    call back = {.method = "PUT", .path = "/again", .query = "restype=container&comp=undelete",
        .headers = {"x-ms-deleted-container-name", "data", "x-ms-deleted-container-version", "12"}};
    assert_int_equal(blob_do(s, back), EG_ERR_FILESYSTEM_NOT_FOUND);
    back.headers[3] = "x";
    assert_int_equal(blob_do(s, back), EG_ERR_HTTP_HEADER);
    back.headers[3] = version;
    s->denied = "/containers/data"; /* a role for the new name alone takes nothing that was another's */
    assert_int_equal(blob_do(s, back), EG_ERR_DENIED_DATA);
    s->denied = NULL;
    assert_int_equal(blob_do(s, back), EG_OK);
    assert_int_equal(blob_do(s, back), EG_ERR_FILESYSTEM_EXISTS);
    blob_holds(s, "/again/f", "one", 3);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/again", .query = "restype=container"}), EG_OK);
    pass_time(7 * DAY);
    for (int i = 0; i < 3; i++) {
        work(s);
    }
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_DELETED), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_INODE), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expiry, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(expired_names_are_free, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(bad_expiry, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(soft_delete, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(pages_of_deleted, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(containers, open_clocked, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
