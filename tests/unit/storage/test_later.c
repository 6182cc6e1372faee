/* Small changes that the worker hands to the committer: answered when it tells, in the pool when something has to be waited for. covers: later.c */
#include "storage_fixture.h"

#include "key_cache.h"

/* Whether the answer was made when the committer told; a refusal is in the response then. */
static answer told(store *s, call c) {
    answer a = store_call(s, &c);
    assert_non_null(a.fn);
    return a;
}

static answer told_ok(store *s, call c, int status) {
    answer a = told(s, c);
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.status, status);
    return a;
}

/* A new file's key comes from the stock; whoever finds none there asks the keeper, in the pool, for some. */
static answer file_by_worker(store *s) {
    for (int i = 0; i < 100; i++) {
        answer a = store_call(s, &(call){.method = "PUT", .path = "/data/d/f", .query = "resource=file"});
        if (a.fn) {
            return a;
        }
        answer_free(&a);
    }
    fail();
    return (answer){.err = EG_OK};
}

static void changes(void **state) {
    store *s = *state;
    answer a = told_ok(s, (call){.method = "PUT", .path = "/data/d", .query = "resource=directory"}, 201);
    assert_non_null(answer_header(&a, "ETag"));
    assert_string_equal(a.resource, "data/d");
    answer_free(&a);
    a = file_by_worker(s);
    assert_int_equal(a.status, 201);
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    const uint64_t records = s->records;
    assert_int_equal(store_append(s, "/data/d/f", 0, "hello", 5), EG_OK);
    a = told_ok(s, (call){.method = "PATCH", .path = "/data/d/f", .query = "action=flush&position=5"}, 200);
    answer_free(&a);
    a = told_ok(s, (call){.method = "PUT", .path = "/data/d/g", .headers = {"x-ms-rename-source", "/data/d/f"}}, 201);
    answer_free(&a);
    a = store_read(s, "/data/d/g");
    assert_int_equal(a.body.len, 5);
    answer_free(&a);
    a = told_ok(s, (call){.method = "DELETE", .path = "/data/d", .query = "recursive=true"}, 200);
    answer_free(&a);
    a = store_read(s, "/data/d/g");
    assert_int_equal(a.err, EG_ERR_PATH_NOT_FOUND);
    answer_free(&a);
    assert_int_equal(s->records - records, 3); /* one a change, within its transaction; an append has none */
}

/* What the transaction refuses is said by its code, and nothing is done. */
static void refusals(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const uint64_t records = s->records;
    const struct {
        call c;
        eg_err want;
    } rows[] = {
        {{.method = "PUT", .path = "/data/f", .query = "resource=directory"}, EG_ERR_PATH_EXISTS},
        {{.method = "PUT", .path = "/data/f/below", .query = "resource=directory"}, EG_ERR_PATH_CONFLICT},
        {{.method = "PUT", .path = "/data/x", .headers = {"x-ms-rename-source", "/data/nothing"}}, EG_ERR_SOURCE_PATH_NOT_FOUND},
        {{.method = "DELETE", .path = "/data/nothing"}, EG_ERR_PATH_NOT_FOUND},
        {{.method = "DELETE", .path = "/data/f", .headers = {"If-Match", "\"0x1\""}}, EG_ERR_CONDITION_NOT_MET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer a = told(s, rows[i].c);
        assert_int_equal(a.response.error, rows[i].want);
        assert_true(a.status >= 400);
        answer_free(&a);
    }
    answer a = told(s, rows[0].c);
    assert_string_equal(answer_header(&a, "x-ms-existing-resource-type"), "file");
    answer_free(&a);
    assert_int_equal(s->records, records);
    a = store_read(s, "/data/f");
    assert_int_equal(a.err, EG_OK);
    answer_free(&a);
}

/* What waits for the disk isn't the worker's, and what is wrong with a flush is said where it can be looked at again. */
static void in_the_pool(void **state) {
    store *s = *state;
    const size_t n = 300000;
    uint8_t *data = store_pattern(n);
    assert_int_equal(store_create(s, "/data/large"), EG_OK);
    assert_int_equal(store_append(s, "/data/large", 0, data, n), EG_OK);
    answer a = store_call(s, &(call){.method = "PATCH", .path = "/data/large", .query = "action=flush&position=300000"});
    assert_int_equal(a.err, EG_OK); /* a segment with a file of its own is synced by who flushes */
    assert_null(a.fn);
    answer_free(&a);
    a = store_call(s, &(call){.method = "PATCH", .path = "/data/large", .query = "action=flush&position=300001"});
    assert_int_equal(a.err, EG_ERR_FLUSH_POSITION);
    assert_null(a.fn);
    answer_free(&a);
    free(data);
}

/* Content that the page cache has is read by the worker; a sum of it, and a key that only the keeper has, want the pool. */
static void reads(void **state) {
    store *s = *state;
    const size_t n = 300000;
    uint8_t *data = store_pattern(n);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, data, 200000), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 200000, data + 200000, n - 200000), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", n), EG_OK);
    answer a = store_read(s, "/data/f"); /* whatever has left the cache is there again */
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=199990-200009"}});
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body.len, 20);
    assert_memory_equal(a.body.ptr, data + 199990, 20); /* over two segments */
    assert_true(a.at_once);
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-9", "x-ms-range-get-content-md5", "true"}});
    assert_int_equal(a.status, 206);
    assert_false(a.at_once);
    answer_free(&a);
    eg_key_cache_clear(s->storage->key_cache);
    for (int i = 0; i < 2; i++) {
        a = store_read(s, "/data/f");
        assert_int_equal(a.body.len, n);
        assert_memory_equal(a.body.ptr, data, n);
        assert_int_equal(a.at_once, i == 1);
        answer_free(&a);
    }
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_true(a.at_once);
    assert_int_equal(a.response.head_length, n);
    answer_free(&a);
    a = store_read(s, "/data/nothing");
    assert_int_equal(a.err, EG_ERR_PATH_NOT_FOUND);
    assert_true(a.at_once);
    answer_free(&a);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes, store_open, store_close),
        cmocka_unit_test_setup_teardown(refusals, store_open, store_close),
        cmocka_unit_test_setup_teardown(in_the_pool, store_open, store_close),
        cmocka_unit_test_setup_teardown(reads, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
