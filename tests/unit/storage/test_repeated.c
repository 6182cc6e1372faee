/* Requests whose answer was lost come again: they get the first answer, and change nothing. covers: repeated.c append.c content_flush.c */
#include "storage_fixture.h"

static void etag_of(store *s, const char *path, char etag[64]) {
    answer a = store_call(s, &(call){.method = "HEAD", .path = path});
    assert_int_equal(a.status, 200);
    snprintf(etag, 64, "%s", answer_header(&a, "ETag"));
    answer_free(&a);
}

static void expect_content(store *s, const char *path, const char *text) {
    answer a = store_read(s, path);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, strlen(text));
    assert_memory_equal(a.body.ptr, text, a.body.len);
    answer_free(&a);
}

static eg_err create_as(store *s, const char *path, const char *id, const char *none_match) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = "resource=file",
        .headers = {"x-ms-client-transaction-id", id, none_match ? "If-None-Match" : NULL, none_match}});
}

static void creates(void **state) {
    store *s = *state;
    char first[64];
    char again[64];
    assert_int_equal(create_as(s, "/data/f", "id-1", "*"), EG_OK);
    etag_of(s, "/data/f", first);
    assert_int_equal(create_as(s, "/data/f", "id-1", "*"), EG_OK);
    etag_of(s, "/data/f", again);
    assert_string_equal(first, again);
    /* One that comes late takes away nothing that was written since. */
    assert_int_equal(store_append(s, "/data/f", 0, "text", 4), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 4), EG_OK);
    assert_int_equal(create_as(s, "/data/f", "id-1", NULL), EG_OK);
    expect_content(s, "/data/f", "text");
    /* Another id is another create, and none is none. */
    assert_int_equal(create_as(s, "/data/f", "id-2", "*"), EG_ERR_PATH_EXISTS);
    assert_int_equal(create_as(s, "/data/f", "id-", "*"), EG_ERR_PATH_EXISTS);
    assert_int_equal(create_as(s, "/data/f", "id-2", NULL), EG_OK);
    expect_content(s, "/data/f", "");
    assert_int_equal(store_create(s, "/data/g"), EG_OK);
    assert_int_equal(create_as(s, "/data/g", "", "*"), EG_ERR_PATH_EXISTS);
}

static eg_err rename_as(store *s, const char *from, const char *to, const char *id) {
    return store_do(s, (call){.method = "PUT", .path = to, .headers = {"x-ms-rename-source", from, "x-ms-client-transaction-id", id, "If-None-Match", "*"}});
}

static void renames(void **state) {
    store *s = *state;
    char first[64];
    char again[64];
    store_write(s, "/data/a", "a", 1);
    assert_int_equal(rename_as(s, "/data/a", "/data/b", "id-1"), EG_OK);
    etag_of(s, "/data/b", first);
    assert_int_equal(rename_as(s, "/data/a", "/data/b", "id-1"), EG_OK);
    etag_of(s, "/data/b", again);
    assert_string_equal(first, again);
    assert_int_equal(rename_as(s, "/data/a", "/data/b", "id-2"), EG_ERR_SOURCE_PATH_NOT_FOUND);
    /* A new file under the old name stays where it is. */
    store_write(s, "/data/a", "new", 3);
    assert_int_equal(rename_as(s, "/data/a", "/data/b", "id-1"), EG_OK);
    expect_content(s, "/data/a", "new");
    expect_content(s, "/data/b", "a");
    /* A directory isn't moved into itself, nor what is new into it. */
    assert_int_equal(store_mkdir(s, "/data/d/e"), EG_OK);
    assert_int_equal(rename_as(s, "/data/d", "/data/x", "id-3"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    assert_int_equal(rename_as(s, "/data/d", "/data/x", "id-3"), EG_OK);
    assert_int_equal(store_head(s, "/data/d"), EG_OK);
    assert_int_equal(store_head(s, "/data/x/d"), EG_ERR_PATH_NOT_FOUND);
    /* Into a directory. */
    assert_int_equal(rename_as(s, "/data/b", "/data/x", "id-4"), EG_OK);
    assert_int_equal(rename_as(s, "/data/b", "/data/x", "id-4"), EG_OK);
    expect_content(s, "/data/x/b", "a");
    assert_int_equal(rename_as(s, "/data/b", "/data/x", "id-5"), EG_ERR_SOURCE_PATH_NOT_FOUND);
}

static eg_err flush_if(store *s, const char *path, uint64_t position, const char *etag, const char *type) {
    char query[64];
    snprintf(query, sizeof query, "action=flush&position=%llu", (unsigned long long)position);
    return store_do(s, (call){.method = "PATCH", .path = path, .query = query, .headers = {"If-Match", etag, type ? "x-ms-content-type" : NULL, type}});
}

static void flushes(void **state) {
    store *s = *state;
    char made[64];
    char flushed[64];
    char again[64];
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    etag_of(s, "/data/f", made);
    assert_int_equal(store_append(s, "/data/f", 0, "text", 4), EG_OK);
    assert_int_equal(flush_if(s, "/data/f", 4, made, "text/plain"), EG_OK);
    etag_of(s, "/data/f", flushed);
    assert_int_equal(flush_if(s, "/data/f", 4, made, "text/plain"), EG_OK);
    etag_of(s, "/data/f", again);
    assert_string_equal(flushed, again);
    assert_int_equal(flush_if(s, "/data/f", 3, made, NULL), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(flush_if(s, "/data/f", 4, "\"0x1\"", NULL), EG_ERR_CONDITION_NOT_MET);
    /* What has changed since doesn't meet it. */
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties", .headers = {"x-ms-content-type", "a/b"}}), EG_OK);
    assert_int_equal(flush_if(s, "/data/f", 4, made, NULL), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(flush_if(s, "/data/f", 4, flushed, NULL), EG_ERR_CONDITION_NOT_MET);
}

static eg_err append_flush(store *s, const char *path, uint64_t position, const char *text) {
    char query[96];
    snprintf(query, sizeof query, "action=append&flush=true&position=%llu", (unsigned long long)position);
    return store_do(s, (call){.method = "PATCH", .path = path, .query = query, .body = text, .body_len = strlen(text)});
}

static void appends_with_flush(void **state) {
    store *s = *state;
    char first[64];
    char again[64];
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(append_flush(s, "/data/f", 0, "one"), EG_OK);
    assert_int_equal(append_flush(s, "/data/f", 3, "two"), EG_OK);
    etag_of(s, "/data/f", first);
    assert_int_equal(append_flush(s, "/data/f", 3, "two"), EG_OK);
    etag_of(s, "/data/f", again);
    assert_string_equal(first, again);
    expect_content(s, "/data/f", "onetwo");
    assert_int_equal(append_flush(s, "/data/f", 3, "twO"), EG_ERR_APPEND_POSITION);
    assert_int_equal(append_flush(s, "/data/f", 3, "tw"), EG_ERR_APPEND_POSITION);
    assert_int_equal(append_flush(s, "/data/f", 0, "onetwo"), EG_ERR_APPEND_POSITION); /* not the last flush alone */
    assert_int_equal(store_append(s, "/data/f", 3, "two", 3), EG_ERR_APPEND_POSITION);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties", .headers = {"x-ms-content-type", "a/b"}}), EG_OK);
    assert_int_equal(append_flush(s, "/data/f", 3, "two"), EG_ERR_APPEND_POSITION);
    expect_content(s, "/data/f", "onetwo");
}

/* Who may write and not read learns nothing of the end of a file that it can't know as a whole. */
static void no_oracle(void **state) {
    store *s = *state;
    const char *writer = "33333333-3333-4333-8333-333333333333";
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "sec", 3), EG_OK);
    assert_int_equal(append_flush(s, "/data/f", 3, "ret"), EG_OK);
    call c = {.method = "PATCH", .path = "/data/f", .query = "action=append&flush=true&position=5", .body = "t", .body_len = 1, .who = writer};
    assert_int_equal(store_do(s, c), EG_OK); /* a role that reads, too */
    s->denied = "/containers/data";          /* of what is asked besides the append */
    assert_int_equal(store_do(s, c), EG_ERR_APPEND_POSITION);
    c.body = "x";
    assert_int_equal(store_do(s, c), EG_ERR_APPEND_POSITION);
    c.query = "action=append&flush=true&position=3";
    c.body = "ret";
    c.body_len = 3;
    assert_int_equal(store_do(s, c), EG_ERR_APPEND_POSITION);
    c.query = "action=append&flush=true&position=0";
    c.body = "secret";
    c.body_len = 6;
    assert_int_equal(store_do(s, c), EG_OK); /* all of it */
    s->denied = NULL;
    expect_content(s, "/data/f", "secret");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creates, store_open, store_close),
        cmocka_unit_test_setup_teardown(renames, store_open, store_close),
        cmocka_unit_test_setup_teardown(flushes, store_open, store_close),
        cmocka_unit_test_setup_teardown(appends_with_flush, store_open, store_close),
        cmocka_unit_test_setup_teardown(no_oracle, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
