/* Calls of the Blob API for the tests of storage/blob/. */
#ifndef EG_TEST_BLOB_CALLS_H
#define EG_TEST_BLOB_CALLS_H

#include "storage_fixture.h"

static inline answer blob_call(store *s, call c) {
    c.surface = EG_SURFACE_BLOB;
    return store_call(s, &c);
}

static inline eg_err blob_do(store *s, call c) {
    answer a = blob_call(s, c);
    const eg_err e = a.err;
    answer_free(&a);
    return e;
}

static inline eg_err blob_put(store *s, const char *path, const void *body, size_t n) {
    return blob_do(s, (call){.method = "PUT", .path = path, .body = body, .body_len = n, .headers = {"x-ms-blob-type", "BlockBlob"}});
}

static inline answer blob_get(store *s, const char *path) { return blob_call(s, (call){.method = "GET", .path = path}); }

static inline void blob_holds(store *s, const char *path, const void *body, size_t n) {
    answer a = blob_get(s, path);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, n);
    assert_memory_equal(a.body.ptr ? a.body.ptr : "", body, n);
    answer_free(&a);
}

static inline bool answer_has(const answer *a, const char *text) { return a->body.ptr && strstr(a->body.ptr, text); }

#endif
