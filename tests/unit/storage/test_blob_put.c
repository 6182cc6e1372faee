/* Put, Get, Head, properties, metadata and Delete of the Blob API through its routes. covers: put_blob.c get_blob.c delete_blob.c blob_properties.c */
#include "blob_calls.h"

static void round_trip(void **state) {
    store *s = *state;
    const size_t n = 200000;
    uint8_t *data = store_pattern(n);
    answer a = blob_call(s, (call){.method = "PUT", .path = "/data/a/b/x.bin", .body = data, .body_len = n,
        .headers = {"x-ms-blob-type", "BlockBlob", "x-ms-meta-Colour", "blue", "x-ms-blob-content-type", "text/plain", "Content-Type", "x/y",
            "x-ms-blob-cache-control", "no-cache", "x-ms-version", "2026-10-06"}});
    assert_int_equal(a.status, 201);
    assert_non_null(answer_header(&a, "ETag"));
    assert_non_null(answer_header(&a, "Last-Modified"));
    assert_string_equal(answer_header(&a, "x-ms-request-server-encrypted"), "true");
    char md5[32];
    snprintf(md5, sizeof md5, "%s", answer_header(&a, "Content-MD5"));
    assert_string_equal(a.resource, "data/a/b/x.bin");
    answer_free(&a);
    a = blob_get(s, "/data/a/b/x.bin");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, n);
    assert_memory_equal(a.body.ptr, data, n);
    assert_string_equal(answer_header(&a, "x-ms-blob-type"), "BlockBlob");
    assert_string_equal(answer_header(&a, "x-ms-meta-Colour"), "blue");
    assert_string_equal(answer_header(&a, "Content-Type"), "text/plain");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-cache");
    assert_string_equal(answer_header(&a, "Content-MD5"), md5);
    assert_string_equal(answer_header(&a, "Accept-Ranges"), "bytes");
    assert_string_equal(answer_header(&a, "x-ms-server-encrypted"), "true");
    assert_string_equal(answer_header(&a, "x-ms-lease-state"), "available");
    assert_string_equal(answer_header(&a, "x-ms-resource-type"), "file");
    assert_non_null(answer_header(&a, "x-ms-creation-time"));
    assert_null(answer_header(&a, "x-ms-properties"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/a/b/x.bin"});
    assert_int_equal(a.status, 200);
    assert_int_equal(a.response.head_length, n);
    assert_string_equal(answer_header(&a, "Content-MD5"), md5);
    answer_free(&a);
    /* The same from the other protocol. */
    a = store_call(s, &(call){.method = "GET", .path = "/data/a/b/x.bin"});
    assert_memory_equal(a.body.ptr, data, n);
    assert_string_equal(answer_header(&a, "x-ms-properties"), "Colour=Ymx1ZQ==");
    answer_free(&a);
    assert_int_equal(s->records, 1);
    assert_int_equal(s->written_bytes, n);
    free(data);
}

static void ranges(void **state) {
    store *s = *state;
    const size_t n = 150000;
    uint8_t *data = store_pattern(n);
    assert_int_equal(blob_put(s, "/data/f", data, n), EG_OK);
    answer a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-range", "bytes=65530-65545", "Range", "bytes=0-1"}});
    assert_int_equal(a.status, 206);
    assert_string_equal(answer_header(&a, "Content-Range"), "bytes 65530-65545/150000");
    assert_memory_equal(a.body.ptr, data + 65530, 16);
    assert_null(answer_header(&a, "Content-MD5"));
    assert_non_null(answer_header(&a, "x-ms-blob-content-md5"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"x-ms-range", "bytes=150000-"}});
    assert_int_equal(a.status, 416);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "InvalidRange");
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-8", "x-ms-range-get-content-crc64", "true"}});
    assert_int_equal(a.status, 206);
    assert_int_equal(strlen(answer_header(&a, "x-ms-content-crc64")), 12);
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-8", "x-ms-range-get-content-md5", "true"}});
    assert_int_equal(strlen(answer_header(&a, "Content-MD5")), 24);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-8", "x-ms-range-get-content-md5", "true",
        "x-ms-range-get-content-crc64", "true"}}), EG_ERR_HTTP_HEADER);
    free(data);
}

static void sums(void **state) {
    store *s = *state;
    const char *md5 = "XUFAKrxLKna5cZ2REBfFkg==";  /* of "hello" */
    const struct {
        const char *body, *name, *value;
        eg_err owed;
    } cases[] = {
        {"hello", "Content-MD5", md5, EG_OK},
        {"hellO", "Content-MD5", md5, EG_ERR_MD5_MISMATCH},
        {"hello", "Content-MD5", "xx", EG_ERR_HTTP_HEADER},
        {"hello", "x-ms-blob-content-md5", md5, EG_OK},
        {"hellO", "x-ms-blob-content-md5", md5, EG_ERR_MD5_MISMATCH},
        {"hello", "x-ms-blob-content-md5", "xx", EG_ERR_MD5_INVALID},
        {"123456789", "x-ms-content-crc64", "iJh5CoYUi64=", EG_OK},
        {"12345678x", "x-ms-content-crc64", "iJh5CoYUi64=", EG_ERR_CRC64_MISMATCH},
        {"123456789", "x-ms-content-crc64", "iJh5", EG_ERR_HTTP_HEADER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .body = cases[i].body, .body_len = strlen(cases[i].body),
            .headers = {"x-ms-blob-type", "BlockBlob", cases[i].name, cases[i].value}}), cases[i].owed);
    }
    blob_holds(s, "/data/f", "123456789", 9);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .body = "hello", .body_len = 5,
        .headers = {"x-ms-blob-type", "BlockBlob", "Content-MD5", md5, "x-ms-content-crc64", "iJh5CoYUi64="}}), EG_ERR_HTTP_HEADER);
    /* What was refused left no file behind, whatever was overwritten leaves with the reclaimer. */
    (void)store_reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 1);
}

static void empty_and_overwritten(void **state) {
    store *s = *state;
    assert_int_equal(blob_put(s, "/data/f", "", 0), EG_OK);
    blob_holds(s, "/data/f", "", 0);
    answer a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-10"}});
    assert_int_equal(a.status, 416);
    answer_free(&a);
    assert_int_equal(blob_put(s, "/data/f", "one", 3), EG_OK);
    assert_int_equal(blob_put(s, "/data/f", "second", 6), EG_OK);
    blob_holds(s, "/data/f", "second", 6);
    assert_int_equal(store_append(s, "/data/f", 6, "!", 1), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 7), EG_OK);
    blob_holds(s, "/data/f", "second!", 7);
}

static void conditions(void **state) {
    store *s = *state;
    assert_int_equal(blob_put(s, "/data/f", "one", 3), EG_OK);
    answer a = blob_call(s, (call){.method = "HEAD", .path = "/data/f"});
    char etag[64];
    snprintf(etag, sizeof etag, "%s", answer_header(&a, "ETag"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "PUT", .path = "/data/f", .body = "x", .body_len = 1, .headers = {"x-ms-blob-type", "BlockBlob", "If-None-Match", "*"}});
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "BlobAlreadyExists");
    assert_true(answer_has(&a, "<Code>BlobAlreadyExists</Code>"));
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .body = "x", .body_len = 1,
        .headers = {"x-ms-blob-type", "BlockBlob", "If-Match", "\"0x1\""}}), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .body = "x", .body_len = 1,
        .headers = {"x-ms-blob-type", "BlockBlob", "If-Match", etag}}), EG_OK);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data/f", .headers = {"If-Match", etag}}), EG_ERR_CONDITION_NOT_MET);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/f", .headers = {"If-Modified-Since", "Mon, 23 Nov 2099 02:04:36 GMT"}});
    assert_int_equal(a.status, 304);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "ConditionNotMet");
    answer_free(&a);
    a = blob_call(s, (call){.method = "DELETE", .path = "/data/f", .headers = {"If-Match", etag}});
    assert_int_equal(a.status, 412);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "ConditionNotMet");
    answer_free(&a);
}

static void properties_and_metadata(void **state) {
    store *s = *state;
    assert_int_equal(blob_put(s, "/data/f", "one", 3), EG_OK);
    answer a = blob_call(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=properties",
        .headers = {"x-ms-blob-content-type", "a/b", "x-ms-blob-content-language", "de", "Content-Type", "ignored/here"}});
    assert_int_equal(a.status, 200);
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=metadata", .headers = {"x-ms-meta-k", "v", "x-ms-meta-Two", "2"}});
    assert_int_equal(a.status, 200);
    answer_free(&a);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "Content-Type"), "a/b");
    assert_string_equal(answer_header(&a, "Content-Language"), "de");
    assert_null(answer_header(&a, "Content-MD5")); /* what isn't sent is gone */
    assert_string_equal(answer_header(&a, "x-ms-meta-Two"), "2");
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data/f", .query = "comp=metadata"});
    assert_string_equal(answer_header(&a, "x-ms-meta-k"), "v");
    assert_null(answer_header(&a, "Content-Language"));
    assert_int_equal(a.body.len, 0);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=metadata"}), EG_OK);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/f", .query = "comp=metadata"});
    assert_null(answer_header(&a, "x-ms-meta-k"));
    answer_free(&a);
    /* Set in the Data Lake API, seen here. */
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setProperties",
        .headers = {"x-ms-properties", "colour=Ymx1ZQ==", "x-ms-content-type", "text/plain"}}), EG_OK);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/f"});
    assert_string_equal(answer_header(&a, "x-ms-meta-colour"), "blue");
    assert_string_equal(answer_header(&a, "Content-Type"), "text/plain");
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=metadata", .headers = {"x-ms-meta-2bad", "v"}}), EG_ERR_METADATA);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=properties", .headers = {"x-ms-blob-content-md5", "v"}}),
        EG_ERR_MD5_INVALID);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/absent", .query = "comp=metadata"}), EG_ERR_PATH_NOT_FOUND);
}

static void directories(void **state) {
    store *s = *state;
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/d", .headers = {"x-ms-blob-type", "BlockBlob", "x-ms-meta-hdi_isfolder", "true",
        "x-ms-meta-k", "v"}}), EG_OK);
    answer a = blob_call(s, (call){.method = "HEAD", .path = "/data/d"});
    assert_string_equal(answer_header(&a, "x-ms-resource-type"), "directory");
    assert_string_equal(answer_header(&a, "x-ms-meta-hdi_isfolder"), "true");
    assert_string_equal(answer_header(&a, "x-ms-meta-k"), "v");
    answer_free(&a);
    blob_holds(s, "/data/d", "", 0);
    assert_int_equal(blob_put(s, "/data/d/f", "x", 1), EG_OK);
    a = blob_call(s, (call){.method = "DELETE", .path = "/data/d"});
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "DirectoryIsNotEmpty");
    answer_free(&a);
    assert_int_equal(blob_put(s, "/data/d", "x", 1), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(blob_put(s, "/data/d/f/g", "x", 1), EG_ERR_PATH_CONFLICT);
    a = blob_call(s, (call){.method = "DELETE", .path = "/data/d/f", .headers = {"x-ms-delete-snapshots", "include"}});
    assert_int_equal(a.status, 202);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/d"}), EG_OK);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/d"});
    assert_int_equal(a.status, 404);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "BlobNotFound");
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/d"}), EG_ERR_PATH_NOT_FOUND);
}

static void refusals(void **state) {
    store *s = *state;
    const struct {
        call c;
        eg_err owed;
    } cases[] = {
        {{.method = "PUT", .path = "/data/f", .body = "x", .body_len = 1}, EG_ERR_HTTP_HEADER_MISSING},
        {{.method = "PUT", .path = "/data/f", .headers = {"x-ms-blob-type", "PageBlob", "x-ms-blob-content-length", "512"}}, EG_ERR_STORAGE_NOT_BUILT},
        {{.method = "PUT", .path = "/data/f", .headers = {"x-ms-blob-type", "Other"}}, EG_ERR_HTTP_HEADER},
        {{.method = "PUT", .path = "/data/f", .body = "x", .body_len = 1, .headers = {"x-ms-blob-type", "AppendBlob"}}, EG_ERR_HTTP_HEADER},
        {{.method = "PUT", .path = "/absent/f", .body = "x", .body_len = 1, .headers = {"x-ms-blob-type", "BlockBlob"}}, EG_ERR_FILESYSTEM_NOT_FOUND},
        {{.method = "PUT", .path = "/data/a//b", .headers = {"x-ms-blob-type", "BlockBlob"}}, EG_ERR_PATH_INVALID},
        {{.method = "DELETE", .path = "/data/f", .headers = {"x-ms-delete-snapshots", "all"}}, EG_ERR_HTTP_HEADER},
        {{.method = "GET", .path = "/data/f", .query = "comp=pagelist"}, EG_ERR_STORAGE_NOT_BUILT},
        {{.method = "PUT", .path = "/data/f", .query = "comp=tier"}, EG_ERR_STORAGE_NOT_BUILT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(blob_do(s, cases[i].c), cases[i].owed);
    }
    s->storage->max_file_bytes = 3;
    assert_int_equal(blob_put(s, "/data/f", "four", 4), EG_ERR_HTTP_BODY_TOO_LARGE);
    answer a = blob_get(s, "/data/absent");
    assert_int_equal(a.status, 404);
    assert_true(answer_has(&a, "<Code>BlobNotFound</Code>"));
    answer_free(&a);
}

static void table(void **state) {
    (void)state;
    size_t n = 0;
    const eg_route *rows = eg_storage_blob_routes(&n);
    assert_true(n > 25);
    routes_whole(rows, n, EG_SURFACE_BLOB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, store_open, store_close),
        cmocka_unit_test_setup_teardown(ranges, store_open, store_close),
        cmocka_unit_test_setup_teardown(sums, store_open, store_close),
        cmocka_unit_test_setup_teardown(empty_and_overwritten, store_open, store_close),
        cmocka_unit_test_setup_teardown(conditions, store_open, store_close),
        cmocka_unit_test_setup_teardown(properties_and_metadata, store_open, store_close),
        cmocka_unit_test_setup_teardown(directories, store_open, store_close),
        cmocka_unit_test_setup_teardown(refusals, store_open, store_close),
        cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
