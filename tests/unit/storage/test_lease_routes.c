/* Leases through the routes of both protocols: who may write, read, rename and delete what is leased. covers: change_check.c forward_clock.c lease_index.c lease_request.c path_lease.c */
#include "lease_index.h"
#include "moved_clock.h"

#define ID1 "11111111-2222-3333-4444-555555555551"
#define ID2 "11111111-2222-3333-4444-555555555552"

static eg_err lease(store *s, const char *path, const char *action, const char *name, const char *value) {
    return store_do(s, (call){.method = "POST", .path = path, .headers = {"x-ms-lease-action", action, "x-ms-lease-duration", "30",
        name ? name : "x-none", value ? value : "x"}});
}

static eg_err acquire(store *s, const char *path, const char *id) { return lease(s, path, "acquire", "x-ms-proposed-lease-id", id); }

static void check_state(store *s, const char *path, const char *state, const char *status) {
    answer a = store_call(s, &(call){.method = "HEAD", .path = path});
    assert_int_equal(a.err, EG_OK);
    assert_string_equal(answer_header(&a, "x-ms-lease-state"), state);
    assert_string_equal(answer_header(&a, "x-ms-lease-status"), status);
    answer_free(&a);
}

static void operations(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    check_state(s, "/data/f", "available", "unlocked");
    answer a = store_call(s, &(call){.method = "PUT", .path = "/data/f", .query = "comp=lease", .surface = EG_SURFACE_BLOB,
        .headers = {"x-ms-lease-action", "Acquire", "x-ms-lease-duration", "-1"}});
    assert_int_equal(a.status, 201);
    char id[40];
    snprintf(id, sizeof id, "%s", answer_header(&a, "x-ms-lease-id"));
    answer_free(&a);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "x-ms-lease-duration"), "infinite");
    answer_free(&a);
    a = store_call(s, &(call){.method = "POST", .path = "/data/f", .headers = {"x-ms-lease-action", "change", "x-ms-lease-id", id, "x-ms-proposed-lease-id", ID2}});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-lease-id"), ID2);
    answer_free(&a);
    /* The answer was lost: the same again is as good. */
    assert_int_equal(store_do(s, (call){.method = "POST", .path = "/data/f", .headers = {"x-ms-lease-action", "change", "x-ms-lease-id", id,
        "x-ms-proposed-lease-id", ID2}}), EG_OK);
    assert_int_equal(lease(s, "/data/f", "renew", "x-ms-lease-id", ID2), EG_OK);
    assert_int_equal(lease(s, "/data/f", "renew", "x-ms-lease-id", ID1), EG_ERR_LEASE_OTHER);
    a = store_call(s, &(call){.method = "POST", .path = "/data/f", .headers = {"x-ms-lease-action", "break", "x-ms-lease-break-period", "10"}});
    assert_int_equal(a.status, 202);
    assert_string_equal(answer_header(&a, "x-ms-lease-time"), "10");
    answer_free(&a);
    check_state(s, "/data/f", "breaking", "locked");
    pass_time(10);
    check_state(s, "/data/f", "broken", "unlocked");
    assert_int_equal(lease(s, "/data/f", "release", "x-ms-lease-id", ID2), EG_OK);
    check_state(s, "/data/f", "available", "unlocked");
    assert_int_equal(lease(s, "/data/f", "release", "x-ms-lease-id", ID2), EG_ERR_LEASE_OTHER);
    assert_int_equal(lease(s, "/data/missing", "acquire", NULL, NULL), EG_ERR_PATH_NOT_FOUND);
}

static void bad_requests(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    static const char *const bad[][8] = {
        {"x-ms-lease-action", "take", "x-ms-lease-duration", "30"},
        {"x-ms-lease-action", "auto-renew", "x-ms-lease-id", ID1},
        {"x-ms-lease-duration", "30"},
        {"x-ms-lease-action", "acquire"},
        {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "14"},
        {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "61"},
        {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "-2"},
        {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "30", "x-ms-proposed-lease-id", "me"},
        {"x-ms-lease-action", "renew"},
        {"x-ms-lease-action", "release"},
        {"x-ms-lease-action", "change", "x-ms-lease-id", ID1},
        {"x-ms-lease-action", "change", "x-ms-proposed-lease-id", ID1},
        {"x-ms-lease-action", "break", "x-ms-lease-break-period", "61"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        call c = {.method = "POST", .path = "/data/f"};
        memcpy(c.headers, bad[i], sizeof bad[i]);
        assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data/f", .headers = {"x-ms-lease-id", "mine"}}), EG_ERR_HTTP_HEADER);
}

/* Every change of a leased file, without, with another and with its id. */
static void writes(void **state) {
    store *s = *state;
    static const struct {
        const char *method, *path, *query, *name, *value;
        const char *body;
    } changes[] = {
        {"PATCH", "/data/d/f", "action=setProperties", "x-ms-properties", "a=Yg==", NULL},
        {"PATCH", "/data/d/f", "action=setAccessControl", "x-ms-permissions", "0644", NULL},
        {"PUT", "/data/d/f", "comp=metadata", "x-ms-meta-a", "b", NULL},
        {"PATCH", "/data/d/f", "action=append&position=3", "x-none", "x", "two"},
        {"PATCH", "/data/d/f", "action=flush&position=6", "x-none", "x", NULL},
        {"PUT", "/data/d/f", "resource=file", "x-none", "x", NULL},
        {"DELETE", "/data/d/f", "", "x-none", "x", NULL},
    };
    store_write(s, "/data/d/f", "one", 3);
    assert_int_equal(acquire(s, "/data/d/f", ID1), EG_OK);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        call c = {.method = changes[i].method, .path = changes[i].path, .query = changes[i].query, .headers = {changes[i].name, changes[i].value},
            .body = changes[i].body, .body_len = changes[i].body ? strlen(changes[i].body) : 0};
        assert_int_equal(store_do(s, c), EG_ERR_LEASE_ID_MISSING);
        c.headers[2] = "x-ms-lease-id";
        c.headers[3] = ID2;
        assert_int_equal(store_do(s, c), EG_ERR_LEASE_ID_MISMATCH);
        c.headers[3] = ID1;
        assert_int_equal(store_do(s, c), EG_OK);
        if (i + 1 < sizeof changes / sizeof changes[0]) {
            check_state(s, "/data/d/f", "leased", "locked"); /* also through the new file of a create */
        }
        if (changes[i].body) {
            assert_int_equal(store_do(s, c), EG_OK);
        }
    }
    /* Nothing there: an id is too much. */
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/g", .query = "resource=file", .headers = {"x-ms-lease-id", ID1}}),
        EG_ERR_LEASE_NOT_PRESENT);
}

static void reads(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-lease-id", ID1}}), EG_ERR_LEASE_NOT_PRESENT);
    assert_int_equal(acquire(s, "/data/f", ID1), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f"}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-lease-id", ID1}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/data/f", .headers = {"x-ms-lease-id", ID2}}), EG_ERR_LEASE_ID_MISMATCH);
    pass_time(30);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-lease-id", ID1}}), EG_ERR_LEASE_LOST);
}

static void expiry(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(acquire(s, "/data/f", ID1), EG_OK);
    pass_time(31);
    check_state(s, "/data/f", "expired", "unlocked");
    /* Who had it may renew it while nobody wrote. */
    assert_int_equal(lease(s, "/data/f", "renew", "x-ms-lease-id", ID1), EG_OK);
    check_state(s, "/data/f", "leased", "locked");
    pass_time(31);
    /* The clock goes back: what was over stays over, and time goes on. */
    check_state(s, "/data/f", "expired", "unlocked");
    moved_wall_ns -= (int64_t)3600 * 1000000000;
    check_state(s, "/data/f", "expired", "unlocked");
    assert_int_equal(acquire(s, "/data/f", ID2), EG_OK);
    assert_int_equal(lease(s, "/data/f", "renew", "x-ms-lease-id", ID1), EG_ERR_LEASE_OTHER);
    pass_time(29);
    check_state(s, "/data/f", "leased", "locked");
    pass_time(1);
    check_state(s, "/data/f", "expired", "unlocked");
    moved_wall_ns += (int64_t)3600 * 1000000000;
    /* A write takes away what ran out. */
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties", .headers = {"x-ms-properties", "a=Yg=="}}), EG_OK);
    check_state(s, "/data/f", "available", "unlocked");
    assert_int_equal(lease(s, "/data/f", "renew", "x-ms-lease-id", ID2), EG_ERR_LEASE_OTHER);
    assert_int_equal(acquire(s, "/data/f", ID2), EG_OK);
    pass_time(31);
    assert_int_equal(store_append(s, "/data/f", 3, "two", 3), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 6), EG_OK);
    check_state(s, "/data/f", "available", "unlocked");
}

static void subtree(void **state) {
    store *s = *state;
    char deep[700] = "/data/a/b/";
    memset(deep + 10, 'x', 450);
    memcpy(deep + 460, "/f", 3);
    store_write(s, "/data/a/b/f", "one", 3);
    store_write(s, "/data/a/bb", "one", 3);
    store_write(s, deep, "one", 3);
    assert_int_equal(acquire(s, deep, ID2), EG_OK);
    assert_int_equal(acquire(s, "/data/a/b/f", ID1), EG_OK);
    assert_int_equal(store_delete(s, "/data/a", "recursive=true"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_rename(s, "/data/a", "/data/z"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_rename(s, "/data/a/b", "/data/z"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(lease(s, "/data/a/b/f", "release", "x-ms-lease-id", ID1), EG_OK);
    assert_int_equal(store_delete(s, "/data/a/b", "recursive=true"), EG_ERR_LEASE_ID_MISSING); /* the deep one */
    assert_int_equal(acquire(s, "/data/a/b/f", ID1), EG_OK);
    assert_int_equal(store_rename(s, "/data/a/bb", "/data/a/c"), EG_OK); /* a name that only begins the same */
    /* The leased file itself: with its id. */
    assert_int_equal(store_rename(s, "/data/a/b/f", "/data/g"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/a/g", .headers = {"x-ms-rename-source", "/data/a/b/f", "x-ms-source-lease-id", ID1}}), EG_OK);
    check_state(s, "/data/a/g", "leased", "locked");
    assert_int_equal(store_delete(s, "/data/a", "recursive=true"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/a/b", .headers = {"x-ms-rename-source", "/data/a/g", "x-ms-source-lease-id", ID1}}), EG_OK);
    check_state(s, "/data/a/b/g", "leased", "locked"); /* into the directory */
    assert_int_equal(lease(s, deep, "release", "x-ms-lease-id", ID2), EG_OK);
    assert_int_equal(store_rename(s, "/data/a", "/data/z"), EG_ERR_LEASE_ID_MISSING);
    /* Onto a leased file. */
    store_write(s, "/data/new", "new", 3);
    assert_int_equal(store_rename(s, "/data/new", "/data/a/b/g"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/a/b/g", .headers = {"x-ms-rename-source", "/data/new", "x-ms-lease-id", ID1}}), EG_OK);
    pass_time(31);
    assert_int_equal(store_rename(s, "/data/a", "/data/z"), EG_OK);
    assert_int_equal(store_delete(s, "/data/z", "recursive=true"), EG_OK);
    /* Hints that lead nowhere are taken away. */
    assert_true(store_rows(s, EG_DB_FS_LEASE) > 0);
    eg_lease_sweep w = {.at_len = 0};
    assert_int_equal(eg_lease_index_sweep(s->storage, &w), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_LEASE), 0);
}

static void directories(void **state) {
    store *s = *state;
    store_write(s, "/data/d/f", "one", 3);
    assert_int_equal(acquire(s, "/data/d", ID1), EG_OK);
    store_write(s, "/data/d/g", "one", 3); /* what lies in it is not locked */
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_rename(s, "/data/d", "/data/e"), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/e", .headers = {"x-ms-rename-source", "/data/d", "x-ms-source-lease-id", ID1}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data/e", .query = "recursive=true", .headers = {"x-ms-lease-id", ID1}}), EG_OK);
}

static void containers(void **state) {
    store *s = *state;
    const call get = {.method = "HEAD", .path = "/data", .query = "restype=container", .surface = EG_SURFACE_BLOB};
    const call take = {.method = "PUT", .path = "/data", .query = "comp=lease&restype=container", .surface = EG_SURFACE_BLOB,
        .headers = {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "60", "x-ms-proposed-lease-id", ID1}};
    assert_int_equal(store_do(s, take), EG_OK);
    assert_int_equal(store_do(s, take), EG_OK); /* repeated after a lost answer */
    answer a = store_call(s, &get);
    assert_string_equal(answer_header(&a, "x-ms-lease-state"), "leased");
    assert_string_equal(answer_header(&a, "x-ms-lease-duration"), "fixed");
    answer_free(&a);
    store_write(s, "/data/f", "one", 3); /* guards the container, not what is in it */
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container"}), EG_ERR_LEASE_ID_MISSING);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container", .headers = {"x-ms-lease-id", ID2}}),
        EG_ERR_LEASE_ID_MISMATCH_CONTAINER);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container", .headers = {"If-Unmodified-Since", "Mon, 23 Nov 2020 02:04:36 GMT"}}),
        EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container", .headers = {"x-ms-lease-id", ID1}}), EG_OK);
}

/* x-ms-lease-action with append and flush, and the lease of a create. */
static void with_appends(void **state) {
    store *s = *state;
    call c = {.method = "PATCH", .path = "/data/f", .query = "action=append&position=0", .body = "abc", .body_len = 3,
        .headers = {"x-ms-lease-action", "acquire", "x-ms-proposed-lease-id", ID1, "x-ms-lease-duration", "60"}};
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_do(s, c), EG_OK);
    check_state(s, "/data/f", "leased", "locked");
    assert_int_equal(store_delete(s, "/data/", "recursive=true"), EG_ERR_PATH_INVALID);
    c = (call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=3", .body = "def", .body_len = 3,
        .headers = {"x-ms-lease-action", "auto-renew", "x-ms-lease-id", ID1}};
    pass_time(50);
    answer a = store_call(s, &c);
    assert_int_equal(a.err, EG_OK);
    assert_string_equal(answer_header(&a, "x-ms-lease-renewed"), "true");
    answer_free(&a);
    pass_time(50);
    check_state(s, "/data/f", "leased", "locked");
    c.headers[1] = "release";
    assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER); /* only with a flush */
    c.headers[1] = "break";
    assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER);
    c.headers[1] = "release";
    c.query = "action=append&position=3&flush=true";
    assert_int_equal(store_do(s, c), EG_OK);
    check_state(s, "/data/f", "available", "unlocked");
    c = (call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=6&flush=true", .body = "ghi", .body_len = 3,
        .headers = {"x-ms-lease-action", "acquire-release", "x-ms-proposed-lease-id", ID1, "x-ms-lease-duration", "60"}};
    assert_int_equal(store_do(s, c), EG_OK);
    check_state(s, "/data/f", "available", "unlocked");
    c.query = "action=append&position=9&flush=true";
    c.headers[1] = "acquire";
    assert_int_equal(store_do(s, c), EG_OK);
    check_state(s, "/data/f", "leased", "locked");
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=flush&position=12",
        .headers = {"x-ms-lease-action", "release", "x-ms-lease-id", ID1}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=flush&position=12",
        .headers = {"x-ms-lease-action", "auto-renew", "x-ms-lease-id", ID1}}), EG_ERR_LEASE_NOT_PRESENT);
    a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 12);
    assert_memory_equal(a.body.ptr, "abcdefghighi", 12);
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/d/made", .query = "resource=file",
        .headers = {"x-ms-proposed-lease-id", ID2, "x-ms-lease-duration", "15"}}), EG_OK);
    check_state(s, "/data/d/made", "leased", "locked");
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_ERR_LEASE_ID_MISSING);
    /* A container can't be deleted over the lease of its root, but is over those beneath. */
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data", .query = "restype=container"}), EG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(bad_requests, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(writes, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(reads, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(expiry, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(subtree, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(directories, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(containers, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(with_appends, open_clocked, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
