/* Put Block, Put Block List, Get Block List, Append Block and sealing through their routes. covers: put_block.c put_block_list.c block_home.c append_blob.c */
#include "blob_calls.h"

static eg_err put_block(store *s, const char *path, const char *id, const void *data, size_t n) {
    char query[200];
    snprintf(query, sizeof query, "comp=block&blockid=%s", id);
    return blob_do(s, (call){.method = "PUT", .path = path, .query = query, .body = data, .body_len = n});
}

static answer put_list(store *s, const char *path, const char *elements, const char *name, const char *value) {
    char body[2000];
    snprintf(body, sizeof body, "<?xml version='1.0' encoding='utf-8'?>\n<BlockList>%s</BlockList>", elements);
    return blob_call(s, (call){.method = "PUT", .path = path, .query = "comp=blocklist", .body = body, .body_len = strlen(body), .headers = {name, value}});
}

static eg_err commit(store *s, const char *path, const char *elements) {
    answer a = put_list(s, path, elements, NULL, NULL);
    const eg_err e = a.err;
    answer_free(&a);
    return e;
}

static void lists(store *s, const char *path, const char *type, const char *owed) {
    char query[100];
    snprintf(query, sizeof query, "comp=blocklist&blocklisttype=%s", type);
    answer a = blob_call(s, (call){.method = "GET", .path = path, .query = query});
    assert_int_equal(a.status, 200);
    if (!answer_has(&a, owed)) {
        fail_msg("%s", a.body.ptr);
    }
    answer_free(&a);
}

#define A "YTAw"
#define B "YjAw"
#define C "YzAw"

static void commit_and_again(void **state) {
    store *s = *state;
    assert_int_equal(put_block(s, "/data/d/f", B, "bbb", 3), EG_OK);
    assert_int_equal(put_block(s, "/data/d/f", A, "old", 3), EG_OK);
    assert_int_equal(put_block(s, "/data/d/f", A, "aaaa", 4), EG_OK); /* the last one counts */
    assert_int_equal(blob_do(s, (call){.method = "HEAD", .path = "/data/d/f"}), EG_ERR_PATH_NOT_FOUND);
    lists(s, "/data/d/f", "all", "<CommittedBlocks></CommittedBlocks><UncommittedBlocks><Block><Name>" A "</Name><Size>4</Size></Block><Block><Name>" B
        "</Name><Size>3</Size></Block></UncommittedBlocks>");
    answer a = put_list(s, "/data/d/f", "<Latest>" A "</Latest><Uncommitted>" B "</Uncommitted><Latest>" A "</Latest>", "x-ms-meta-k", "v");
    assert_int_equal(a.status, 201);
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    blob_holds(s, "/data/d/f", "aaaabbbaaaa", 11);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/d/f"});
    assert_string_equal(answer_header(&a, "x-ms-meta-k"), "v");
    assert_string_equal(answer_header(&a, "x-ms-blob-type"), "BlockBlob");
    assert_null(answer_header(&a, "Content-MD5"));
    answer_free(&a);
    lists(s, "/data/d/f", "committed", "<CommittedBlocks><Block><Name>" A "</Name><Size>4</Size></Block><Block><Name>" B "</Name><Size>3</Size></Block><Block><Name>" A
        "</Name><Size>4</Size></Block></CommittedBlocks></BlockList>");
    lists(s, "/data/d/f", "uncommitted", "<BlockList><UncommittedBlocks></UncommittedBlocks></BlockList>");
    /* Blocks that it has, in another order, and a new one in their midst. */
    assert_int_equal(put_block(s, "/data/d/f", C, "CC", 2), EG_OK);
    assert_int_equal(put_block(s, "/data/d/f", A, "new", 3), EG_OK);
    blob_holds(s, "/data/d/f", "aaaabbbaaaa", 11);
    assert_int_equal(commit(s, "/data/d/f", "<Committed>" B "</Committed><Latest>" C "</Latest><Committed>" A "</Committed><Latest>" A "</Latest>"), EG_OK);
    blob_holds(s, "/data/d/f", "bbbCCaaaanew", 12);
    assert_int_equal(commit(s, "/data/d/f", ""), EG_OK);
    blob_holds(s, "/data/d/f", "", 0);
    /* Whatever was left out is gone. */
    (void)store_reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_BLOCK), 0);
}

static void block_refusals(void **state) {
    store *s = *state;
    assert_int_equal(put_block(s, "/data/f", A, "a", 1), EG_OK);
    assert_int_equal(put_block(s, "/data/f", "YQ==", "a", 1), EG_ERR_BLOCK_ID);
    assert_int_equal(put_block(s, "/data/f", "", "a", 1), EG_ERR_QUERY);
    assert_int_equal(put_block(s, "/data/f", "***", "a", 1), EG_ERR_QUERY);
    assert_int_equal(put_block(s, "/data/f", A, "", 0), EG_ERR_HTTP_HEADER);
    assert_int_equal(put_block(s, "/absent/f", A, "a", 1), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=block&blockid=" A, .body = "hellO", .body_len = 5,
        .headers = {"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="}}), EG_ERR_MD5_MISMATCH);
    assert_int_equal(commit(s, "/data/f", "<Latest>" B "</Latest>"), EG_ERR_BLOCK_LIST);
    assert_int_equal(commit(s, "/data/f", "<Committed>" A "</Committed>"), EG_ERR_BLOCK_LIST);
    assert_int_equal(commit(s, "/data/f", "<Latest>**</Latest>"), EG_ERR_BLOCK_LIST);
    assert_int_equal(commit(s, "/data/f", "<Nearest>" A "</Nearest>"), EG_ERR_BODY_XML);
    answer a = put_list(s, "/data/f", "<Latest>" A "</Latest>", "If-Match", "\"0x1\"");
    assert_int_equal(a.err, EG_ERR_CONDITION_NOT_MET);
    answer_free(&a);
    a = put_list(s, "/data/f", "<Latest>" A "</Latest>", "Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==");
    assert_int_equal(a.err, EG_ERR_MD5_MISMATCH);
    answer_free(&a);
    assert_int_equal(commit(s, "/data/f", "<Latest>" A "</Latest>"), EG_OK);
    a = put_list(s, "/data/f", "<Committed>" A "</Committed>", "If-None-Match", "*");
    assert_int_equal(a.status, 409);
    assert_string_equal(answer_header(&a, "x-ms-error-code"), "BlobAlreadyExists");
    answer_free(&a);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    assert_int_equal(put_block(s, "/data/d", A, "a", 1), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(put_block(s, "/data/f/g", A, "a", 1), EG_ERR_PATH_CONFLICT);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data/none", .query = "comp=blocklist"}), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/data/f", .query = "comp=blocklist&blocklisttype=some"}), EG_ERR_QUERY);
}

static void uncommitted_in_listings(void **state) {
    store *s = *state;
    assert_int_equal(put_block(s, "/data/b", A, "a", 1), EG_OK);
    assert_int_equal(put_block(s, "/data/d/e", A, "a", 1), EG_OK);
    assert_int_equal(blob_put(s, "/data/a", "x", 1), EG_OK);
    assert_int_equal(blob_put(s, "/data/c", "x", 1), EG_OK);
    assert_int_equal(put_block(s, "/data/c", A, "a", 1), EG_OK);
    answer a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=uncommittedblobs&maxresults=2"});
    const char *first = strstr(a.body.ptr, "<Name>a</Name>");
    assert_non_null(first);
    assert_non_null(strstr(first, "<Name>b</Name>"));
    assert_false(answer_has(&a, "<Name>c</Name>"));
    assert_true(answer_has(&a, "<NextMarker>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=uncommittedblobs"});
    assert_non_null(strstr(strstr(a.body.ptr, "<Name>c</Name>"), "<Name>d/e</Name>"));
    assert_null(strstr(strstr(a.body.ptr, "<Name>c</Name>") + 1, "<Name>c</Name>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list"});
    assert_false(answer_has(&a, "<Name>b</Name>"));
    answer_free(&a);
}

static answer append(store *s, const char *data, const char *name, const char *value) {
    return blob_call(s, (call){.method = "PUT", .path = "/data/log", .query = "comp=appendblock", .body = data, .body_len = strlen(data), .headers = {name, value}});
}

static void append_blobs(void **state) {
    store *s = *state;
    answer a = append(s, "x", NULL, NULL);
    assert_int_equal(a.err, EG_ERR_PATH_NOT_FOUND);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/log", .headers = {"x-ms-blob-type", "AppendBlob"}}), EG_OK);
    a = append(s, "one ", NULL, NULL);
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_header(&a, "x-ms-blob-append-offset"), "0");
    assert_string_equal(answer_header(&a, "x-ms-blob-committed-block-count"), "1");
    answer_free(&a);
    a = append(s, "two", "x-ms-blob-condition-appendpos", "4");
    assert_string_equal(answer_header(&a, "x-ms-blob-append-offset"), "4");
    answer_free(&a);
    blob_holds(s, "/data/log", "one two", 7);
    const struct {
        const char *name, *value;
        eg_err owed;
    } cases[] = {
        {"x-ms-blob-condition-appendpos", "4", EG_ERR_BLOB_APPEND_POSITION},
        {"x-ms-blob-condition-maxsize", "9", EG_ERR_BLOB_MAX_SIZE},
        {"x-ms-blob-condition-maxsize", "x", EG_ERR_HTTP_HEADER},
        {"If-Match", "0x1", EG_ERR_CONDITION_NOT_MET},
        {"x-ms-blob-condition-maxsize", "10", EG_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        a = append(s, "sss", cases[i].name, cases[i].value);
        assert_int_equal(a.err, cases[i].owed);
        answer_free(&a);
    }
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/log"});
    assert_string_equal(answer_header(&a, "x-ms-blob-type"), "AppendBlob");
    assert_string_equal(answer_header(&a, "x-ms-blob-committed-block-count"), "3");
    assert_null(answer_header(&a, "Content-MD5"));
    answer_free(&a);
    /* Wrong kinds. */
    assert_int_equal(put_block(s, "/data/log", A, "a", 1), EG_ERR_BLOB_TYPE);
    assert_int_equal(blob_put(s, "/data/block", "x", 1), EG_OK);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/block", .query = "comp=appendblock", .body = "x", .body_len = 1}), EG_ERR_BLOB_TYPE);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/block", .query = "comp=seal"}), EG_ERR_BLOB_TYPE);
    a = blob_call(s, (call){.method = "PUT", .path = "/data/log", .query = "comp=seal"});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-blob-sealed"), "true");
    answer_free(&a);
    a = append(s, "more", NULL, NULL);
    assert_int_equal(a.err, EG_ERR_BLOB_SEALED);
    answer_free(&a);
    blob_holds(s, "/data/log", "one twosss", 10);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list"});
    assert_true(answer_has(&a, "<BlobType>AppendBlob</BlobType><Sealed>true</Sealed>"));
    answer_free(&a);
}

/* A file of the Data Lake API, put together from blocks, and the other way about. */
static void both_protocols(void **state) {
    store *s = *state;
    uint8_t *data = store_pattern(200000);
    store_write(s, "/data/f", data, 1000);
    assert_int_equal(put_block(s, "/data/f", A, data, 100000), EG_OK);
    assert_int_equal(put_block(s, "/data/f", B, data + 100000, 100000), EG_OK);
    assert_int_equal(commit(s, "/data/f", "<Latest>" A "</Latest><Latest>" B "</Latest>"), EG_OK);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 200000);
    assert_memory_equal(a.body.ptr, data, 200000);
    answer_free(&a);
    assert_int_equal(store_append(s, "/data/f", 200000, "tail", 4), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 200004), EG_OK);
    a = blob_call(s, (call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=199999-"}});
    assert_int_equal(a.body.len, 5);
    assert_memory_equal(a.body.ptr + 1, "tail", 4);
    answer_free(&a);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commit_and_again, store_open, store_close),
        cmocka_unit_test_setup_teardown(block_refusals, store_open, store_close),
        cmocka_unit_test_setup_teardown(uncommitted_in_listings, store_open, store_close),
        cmocka_unit_test_setup_teardown(append_blobs, store_open, store_close),
        cmocka_unit_test_setup_teardown(both_protocols, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
