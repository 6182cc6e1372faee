/* The Data Lake operations through the route table, as the SDK and the ABFS driver send them. covers: target.c account.c append.c container.c list.c path.c properties.c read.c read_answer.c request_body.c */
#include "storage_fixture.h"

static void happy_path(void **state) {
    store *s = *state;
    const size_t n = 200000;
    uint8_t *data = store_pattern(n);
    answer a = store_call(s, &(call){.method = "PUT", .path = "/data/a/b/file.bin", .query = "resource=file",
        .headers = {"x-ms-client-request-id", "abc", "x-ms-permissions", "0644", "x-ms-umask", "0000", "x-ms-client-transaction-id", "t-1"}});
    assert_int_equal(a.status, 201);
    assert_non_null(answer_header(&a, "ETag"));
    assert_string_equal(answer_header(&a, "x-ms-client-request-id"), "abc");
    assert_string_equal(a.resource, "data/a/b/file.bin");
    answer_free(&a);
    assert_int_equal(store_append(s, "/data/a/b/file.bin", 0, data, n), EG_OK);
    /* Not there before the flush. */
    a = store_read(s, "/data/a/b/file.bin");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 0);
    answer_free(&a);
    assert_int_equal(store_flush(s, "/data/a/b/file.bin", n), EG_OK);
    a = store_read(s, "/data/a/b/file.bin");
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.body.len, n);
    assert_memory_equal(a.body.ptr, data, n);
    assert_string_equal(answer_header(&a, "x-ms-resource-type"), "file");
    answer_free(&a);
    assert_int_equal(s->read_bytes, n);
    assert_int_equal(s->written_bytes, n);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/a/b/file.bin", .query = "action=getStatus&upn=false"});
    assert_int_equal(a.status, 200);
    assert_int_equal(a.response.head_length, n);
    assert_string_equal(answer_header(&a, "x-ms-permissions"), "rw-r--r--");
    assert_string_equal(answer_header(&a, "x-ms-owner"), "22222222-2222-4222-8222-222222222222");
    assert_string_equal(answer_header(&a, "x-ms-client-transaction-id"), "t-1");
    answer_free(&a);
    assert_int_equal(s->records, 2); /* create and flush */
    free(data);
}

static void ranges(void **state) {
    store *s = *state;
    const size_t n = 150000;
    uint8_t *data = store_pattern(n);
    store_write(s, "/data/f", data, n);
    answer a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=65530-65545"}});
    assert_int_equal(a.status, 206);
    assert_string_equal(answer_header(&a, "Content-Range"), "bytes 65530-65545/150000");
    assert_int_equal(a.body.len, 16);
    assert_memory_equal(a.body.ptr, data + 65530, 16);
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"x-ms-range", "bytes=140000-33554431"}});
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body.len, 10000);
    assert_memory_equal(a.body.ptr, data + 140000, 10000);
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=150000-"}});
    assert_int_equal(a.status, 416);
    assert_int_equal(a.err, EG_ERR_RANGE);
    assert_string_equal(answer_header(&a, "Content-Range"), "bytes */150000");
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=10-99", "x-ms-range-get-content-md5", "true"}});
    assert_int_equal(a.status, 206);
    uint8_t md5[16];
    uint8_t got[16];
    size_t got_n = 0;
    eg_md5((eg_bytes){data + 10, 90}, md5);
    assert_int_equal(eg_unbase64(eg_str_of(answer_header(&a, "Content-MD5")), got, sizeof got, &got_n), EG_OK);
    assert_memory_equal(md5, got, 16);
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=x-"}}), EG_ERR_HTTP_HEADER);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-range-get-content-md5", "true"}}), EG_ERR_HTTP_HEADER);
    free(data);
}

static void md5_of_an_append(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const call good = {.method = "PATCH", .path = "/data/f", .query = "action=append&position=0", .body = "hello", .body_len = 5,
        .headers = {"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="}};
    call bad = good;
    bad.body = "hellO";
    assert_int_equal(store_do(s, good), EG_OK);
    assert_int_equal(store_do(s, bad), EG_ERR_MD5_MISMATCH);
    bad.headers[1] = "xx";
    assert_int_equal(store_do(s, bad), EG_ERR_HTTP_HEADER);
    assert_int_equal(store_flush(s, "/data/f", 5), EG_OK);
    answer a = store_read(s, "/data/f");
    assert_memory_equal(a.body.ptr, "hello", 5);
    answer_free(&a);
}

static void conditions(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    char etag[64];
    snprintf(etag, sizeof etag, "%s", answer_header(&a, "ETag"));
    answer_free(&a);
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strlen(etag) - 2, etag + 1);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"If-Match", bare}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"If-Match", etag}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"If-Match", "\"0x1\""}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"If-None-Match", bare}}), EG_ERR_NOT_MODIFIED);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .headers = {"If-None-Match", bare}});
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body.len, 0);
    assert_string_equal(answer_header(&a, "ETag"), etag);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "ConditionNotMet");
    assert_null(answer_header(&a, "Content-Type"));
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-if-tags", "a = 'b'"}}), EG_ERR_STORAGE_NOT_BUILT);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "resource=file", .headers = {"If-None-Match", "*"}}), EG_ERR_PATH_EXISTS);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "resource=file", .headers = {"If-Match", "0x2"}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "resource=file", .headers = {"If-Match", bare}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/new", .query = "resource=file", .headers = {"If-Match", bare}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data/f", .headers = {"If-Match", bare}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data/f", .headers = {"If-Unmodified-Since", "Mon, 23 Nov 2020 02:04:36 GMT"}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/data/f", .headers = {"If-Unmodified-Since", "never"}}), EG_ERR_HTTP_HEADER);
}

static void directories(void **state) {
    store *s = *state;
    assert_int_equal(store_mkdir(s, "/data/d/e"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/d/e"), EG_OK);
    assert_int_equal(store_create(s, "/data/d/f"), EG_OK);
    answer a = store_call(s, &(call){.method = "PUT", .path = "/data/d/f", .query = "resource=directory"});
    assert_int_equal(a.err, EG_ERR_PATH_EXISTS);
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-existing-resource-type"), "file");
    answer_free(&a);
    assert_int_equal(store_create(s, "/data/d/e"), EG_ERR_PATH_EXISTS);
    assert_int_equal(store_mkdir(s, "/data/d/f/g"), EG_ERR_PATH_CONFLICT);
    assert_int_equal(store_create(s, "/data/d/f/g/h"), EG_ERR_PATH_CONFLICT);
    assert_int_equal(store_append(s, "/data/d/e", 0, "x", 1), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(store_flush(s, "/data/d/e", 0), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/d/e"}), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(store_delete(s, "/data/d", "recursive=false"), EG_ERR_DIRECTORY_NOT_EMPTY);
    assert_int_equal(store_delete(s, "/data/d", "recursive=maybe"), EG_ERR_QUERY);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    assert_int_equal(store_head(s, "/data/d/f"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_delete(s, "/data/", "recursive=true"), EG_ERR_PATH_INVALID);
}

static void filesystems(void **state) {
    store *s = *state;
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "restype=container", .surface = EG_SURFACE_BLOB}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem"}), EG_ERR_FILESYSTEM_EXISTS);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/Other", .query = "resource=filesystem"}), EG_ERR_PATH_INVALID);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/missing", .query = "resource=filesystem"}), EG_ERR_FILESYSTEM_NOT_FOUND);
    /* The root directory has a status; its properties are the filesystem's. */
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/other", .query = "action=getStatus"}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/other", .query = "upn=false"}), EG_ERR_QUERY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/missing", .query = "upn=false"}), EG_ERR_FILESYSTEM_NOT_FOUND);
    answer a = store_call(s, &(call){.method = "GET", .path = "/", .query = "comp=list&include=", .surface = EG_SURFACE_BLOB});
    assert_non_null(strstr(a.body.ptr, "<Name>data</Name>"));
    assert_non_null(strstr(a.body.ptr, "<Name>other</Name>"));
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/", .query = "resource=account&prefix=ot"});
    assert_null(strstr(a.body.ptr, "\"data\""));
    assert_non_null(strstr(a.body.ptr, "\"name\":\"other\""));
    answer_free(&a);
    assert_int_equal(store_create(s, "/other/x/y"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    assert_int_equal(store_head(s, "/other/x/y"), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(store_create(s, "/other/x/y"), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/other", .query = "restype=container"}), EG_ERR_FILESYSTEM_NOT_FOUND);
}

static void properties(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties",
        .headers = {"x-ms-properties", "colour=Ymx1ZQ==,n=MQ==", "x-ms-content-type", "text/plain"}}), EG_OK);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "x-ms-properties"), "colour=Ymx1ZQ==,n=MQ==");
    assert_string_equal(answer_header(&a, "x-ms-meta-colour"), "blue");
    assert_string_equal(answer_header(&a, "Content-Type"), "text/plain");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties",
        .headers = {"x-ms-properties", "bad name=Ymx1ZQ=="}}), EG_ERR_HTTP_HEADER);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties",
        .headers = {"x-ms-properties", "a=***"}}), EG_ERR_HTTP_HEADER);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=metadata", .headers = {"x-ms-meta-k", "v"}}), EG_OK);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "x-ms-properties"), "k=dg==");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setAccessControl",
        .headers = {"x-ms-acl", "user::rwx,group::r-x,other::--x,user:u1:r--", "x-ms-owner", "o1"}, .way = EG_WAY_KEY}), EG_OK);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .query = "action=getAccessControl"});
    assert_string_equal(answer_header(&a, "x-ms-permissions"), "rwxr-x--x+");
    assert_string_equal(answer_header(&a, "x-ms-acl"), "user::rwx,user:u1:r--,group::r-x,mask::r-x,other::--x");
    assert_string_equal(answer_header(&a, "x-ms-owner"), "o1");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setAccessControl",
        .headers = {"x-ms-permissions", "rwzr-x--x"}, .way = EG_WAY_KEY}), EG_ERR_HTTP_HEADER);
}

static void not_built(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const call calls[] = {
        {.method = "PUT", .path = "/data/g", .headers = {"x-ms-blob-type", "BlockBlob"}},
        {.method = "PUT", .path = "/data/g", .query = "resource=file&blobtype=appendblob"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        answer a = store_call(s, &calls[i]);
        assert_int_equal(a.err, EG_ERR_STORAGE_NOT_BUILT);
        assert_int_equal(a.status, 501);
        answer_free(&a);
    }
}

static void bad_paths(void **state) {
    store *s = *state;
    char name[900];
    memset(name, 'a', sizeof name);
    memcpy(name, "/data/", 6);
    name[6 + 766] = '\0';
    assert_int_equal(store_create(s, name), EG_ERR_PATH_INVALID);
    name[6 + 765] = '\0';
    assert_int_equal(store_create(s, name), EG_OK);
    assert_int_equal(store_create(s, "/data/a/../b"), EG_ERR_PATH_INVALID);
    assert_int_equal(store_create(s, "/data/a//b"), EG_ERR_PATH_INVALID);
    assert_int_equal(store_create(s, "/data/\xff"), EG_ERR_PATH_INVALID);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=append", .body = "x", .body_len = 1}), EG_ERR_QUERY_MISSING);
    assert_int_equal(store_append(s, "/data/missing", 0, "x", 1), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_flush(s, "/data/missing", 1), EG_ERR_PATH_NOT_FOUND);
}

static void table(void **state) {
    (void)state;
    size_t n = 0;
    const eg_route *rows = eg_storage_routes(&n);
    assert_true(n > 25);
    routes_whole(rows, n, EG_SURFACE_DFS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(happy_path, store_open, store_close),
        cmocka_unit_test_setup_teardown(ranges, store_open, store_close),
        cmocka_unit_test_setup_teardown(md5_of_an_append, store_open, store_close),
        cmocka_unit_test_setup_teardown(conditions, store_open, store_close),
        cmocka_unit_test_setup_teardown(directories, store_open, store_close),
        cmocka_unit_test_setup_teardown(filesystems, store_open, store_close),
        cmocka_unit_test_setup_teardown(properties, store_open, store_close),
        cmocka_unit_test_setup_teardown(not_built, store_open, store_close),
        cmocka_unit_test_setup_teardown(bad_paths, store_open, store_close),
        cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
