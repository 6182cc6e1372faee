/* Snapshots and copies: they share content, keep it when the file goes on, and let it go. covers: list_states.c copy.c copy_blob.c snapshot_request.c */
#include "blob_calls.h"
#include "moved_clock.h"
#include "snapshot.h"

#define HOST "acct.blob.example.com:8443"

static void take(store *s, const char *path, char name[EG_SNAPSHOT_TIME_LEN]) {
    answer a = blob_call(s, (call){.method = "PUT", .path = path, .query = "comp=snapshot"});
    assert_int_equal(a.status, 201);
    assert_int_equal(strlen(answer_header(&a, "x-ms-snapshot")), EG_SNAPSHOT_TIME_LEN - 1);
    snprintf(name, EG_SNAPSHOT_TIME_LEN, "%s", answer_header(&a, "x-ms-snapshot"));
    answer_free(&a);
}

static answer at(store *s, const char *method, const char *path, const char *name) {
    char query[80];
    snprintf(query, sizeof query, "snapshot=%s", name);
    return blob_call(s, (call){.method = method, .path = path, .query = query});
}

static void at_holds(store *s, const char *path, const char *name, const char *want) {
    answer a = at(s, "GET", path, name);
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.body.len, strlen(want));
    assert_memory_equal(a.body.ptr, want, a.body.len);
    answer_free(&a);
}

static eg_err at_err(store *s, const char *method, const char *path, const char *name) {
    answer a = at(s, method, path, name);
    const eg_err e = a.err;
    answer_free(&a);
    return e;
}

static void settle(store *s) {
    for (int i = 0; i < 3; i++) {
        (void)store_reclaim(s);
    }
}

static void snapshots(void **state) {
    store *s = *state;
    char one[EG_SNAPSHOT_TIME_LEN];
    char again[EG_SNAPSHOT_TIME_LEN];
    char two[EG_SNAPSHOT_TIME_LEN];
    store_write(s, "/data/d/f", "one", 3);
    take(s, "/data/d/f", one);
    take(s, "/data/d/f", again);
    assert_string_not_equal(one, again); /* also within one moment */
    assert_int_equal(store_append(s, "/data/d/f", 3, "two", 3), EG_OK);
    assert_int_equal(store_flush(s, "/data/d/f", 6), EG_OK);
    take(s, "/data/d/f", two);
    store_write(s, "/data/d/f", "three", 5); /* a new file in its place has them too */
    assert_int_equal(store_rename(s, "/data/d", "/data/e"), EG_OK);
    at_holds(s, "/data/e/f", one, "one");
    at_holds(s, "/data/e/f", again, "one");
    at_holds(s, "/data/e/f", two, "onetwo");
    blob_holds(s, "/data/e/f", "three", 5);
    assert_int_equal(at_err(s, "GET", "/data/e/f", "2023-11-14T22:13:21.0000000Z"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(at_err(s, "GET", "/data/e/f", "yesterday"), EG_ERR_QUERY);
    assert_int_equal(at_err(s, "HEAD", "/data/e/f", one), EG_OK);
    answer l = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=snapshots&prefix=e%2Ff"});
    char text[120];
    snprintf(text, sizeof text, "<Name>e/f</Name><Snapshot>%s</Snapshot>", one);
    assert_true(answer_has(&l, text));
    snprintf(text, sizeof text, "<Name>e/f</Name><Snapshot>%s</Snapshot>", two);
    assert_true(answer_has(&l, text));
    assert_true(answer_has(&l, "<Name>e/f</Name><Properties>"));
    answer_free(&l);
    l = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&prefix=e%2Ff"});
    assert_false(answer_has(&l, "<Snapshot>"));
    answer_free(&l);
    /* Nothing writes into one. */
    char query[100];
    snprintf(query, sizeof query, "comp=metadata&snapshot=%s", one);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/e/f", .query = query, .headers = {"x-ms-meta-a", "b"}}), EG_ERR_QUERY);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/e", .query = "comp=snapshot"}), EG_ERR_RESOURCE_TYPE_MISMATCH);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/e/f", .query = "comp=snapshot", .headers = {"If-Match", "0x1"}}), EG_ERR_CONDITION_NOT_MET);
    /* Deletion. */
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/e/f"}), EG_ERR_SNAPSHOTS_PRESENT);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/e/f", .headers = {"x-ms-delete-snapshots", "all"}}), EG_ERR_HTTP_HEADER);
    assert_int_equal(at_err(s, "DELETE", "/data/e/f", one), EG_OK);
    assert_int_equal(at_err(s, "DELETE", "/data/e/f", one), EG_ERR_PATH_NOT_FOUND);
    settle(s);
    at_holds(s, "/data/e/f", two, "onetwo");
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/e/f", .headers = {"x-ms-delete-snapshots", "only"}}), EG_OK);
    assert_int_equal(at_err(s, "GET", "/data/e/f", two), EG_ERR_PATH_NOT_FOUND);
    blob_holds(s, "/data/e/f", "three", 5);
    take(s, "/data/e/f", two);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/e/f", .headers = {"x-ms-delete-snapshots", "include"}}), EG_OK);
    settle(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SNAPSHOT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 0);
}

/* With everything above it, and through undelete. */
static void snapshots_follow(void **state) {
    store *s = *state;
    char name[EG_SNAPSHOT_TIME_LEN];
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 1), EG_OK);
    store_write(s, "/data/d/f", "one", 3);
    take(s, "/data/d/f", name);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/d", .query = "comp=undelete"}), EG_OK);
    at_holds(s, "/data/d/f", name, "one");
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 0), EG_OK);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    settle(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SNAPSHOT), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
}

static void names(void **state) {
    (void)state;
    char text[EG_SNAPSHOT_TIME_LEN];
    int64_t ns = 0;
    eg_snapshot_time_text(MOVED_START + 123456700, text);
    assert_string_equal(text, "2023-11-14T22:13:20.1234567Z");
    assert_int_equal(eg_snapshot_time_parse(eg_str_of(text), &ns), EG_OK);
    assert_int_equal(ns, MOVED_START + 123456700);
    assert_int_equal(eg_snapshot_time_parse(EG_LIT("2023-11-14"), &ns), EG_ERR_QUERY);
    assert_int_equal(eg_snapshot_time_parse(EG_LIT(""), &ns), EG_ERR_QUERY);
}

static call copy_of(const char *from, const char *to) {
    return (call){.method = "PUT", .path = to, .headers = {"Host", HOST, "x-ms-copy-source", from}};
}

static void copies(void **state) {
    store *s = *state;
    char from[200];
    char name[EG_SNAPSHOT_TIME_LEN];
    uint8_t *data = store_pattern(200000);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/d/a b", .body = data, .body_len = 200000, .headers = {"x-ms-blob-type", "BlockBlob",
        "x-ms-blob-content-type", "text/x", "x-ms-meta-k", "v"}}), EG_OK);
    call c = copy_of("https://" HOST "/data/d/a%20b?sv=1&sig=secret", "/data/copy");
    assert_int_equal(blob_do(s, c), EG_ERR_AUTH_FAILED);
    c = copy_of("https://" HOST "/data/d/a%20b?sv=1", "/data/copy");
    answer a = blob_call(s, c);
    assert_int_equal(a.status, 202);
    assert_string_equal(answer_header(&a, "x-ms-copy-status"), "success");
    assert_non_null(answer_header(&a, "x-ms-copy-id"));
    answer_free(&a);
    blob_holds(s, "/data/copy", data, 200000);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 1); /* one place, two files */
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/copy"});
    assert_string_equal(answer_header(&a, "Content-Type"), "text/x");
    assert_string_equal(answer_header(&a, "x-ms-meta-k"), "v");
    assert_string_equal(answer_header(&a, "x-ms-copy-progress"), "200000/200000");
    assert_string_equal(answer_header(&a, "x-ms-copy-source"), "https://" HOST "/data/d/a%20b"); /* without what stood behind it */
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=copy&prefix=copy"});
    assert_true(answer_has(&a, "<CopyStatus>success</CopyStatus><CopySource>https://" HOST "/data/d/a%20b</CopySource><CopyProgress>200000/200000</CopyProgress>"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&prefix=copy"});
    assert_false(answer_has(&a, "<CopySource>"));
    answer_free(&a);
    /* The source goes on; the copy stays. */
    assert_int_equal(blob_put(s, "/data/d/a b", "new", 3), EG_OK);
    settle(s);
    blob_holds(s, "/data/copy", data, 200000);
    /* Put Blob From URL; other metadata; the surface of the address doesn't matter. */
    c = copy_of("https://acct.dfs.example.com:8443/data/copy", "/data/put");
    c.headers[4] = "x-ms-blob-type";
    c.headers[5] = "BlockBlob";
    c.headers[6] = "x-ms-meta-other";
    c.headers[7] = "w";
    a = blob_call(s, c);
    assert_int_equal(a.status, 201);
    assert_null(answer_header(&a, "x-ms-copy-id"));
    answer_free(&a);
    a = blob_call(s, (call){.method = "HEAD", .path = "/data/put"});
    assert_null(answer_header(&a, "x-ms-meta-k"));
    assert_string_equal(answer_header(&a, "x-ms-meta-other"), "w");
    answer_free(&a);
    /* From a snapshot, onto the file itself. */
    take(s, "/data/copy", name);
    assert_int_equal(blob_put(s, "/data/copy", "changed", 7), EG_OK);
    snprintf(from, sizeof from, "https://" HOST "/data/copy?snapshot=%s", name);
    assert_int_equal(blob_do(s, copy_of(from, "/data/copy")), EG_OK);
    blob_holds(s, "/data/copy", data, 200000);
    at_holds(s, "/data/d/a b", "", "new");
    a = blob_call(s, (call){.method = "PUT", .path = "/data/copy", .query = "comp=copy&copyid=x", .headers = {"x-ms-copy-action", "abort"}});
    assert_int_equal(a.err, EG_ERR_NO_PENDING_COPY);
    assert_int_equal(a.status, 409);
    answer_free(&a);
    free(data);
}

/* Blocks from an address: the bytes are sealed anew. */
static void pulled(void **state) {
    store *s = *state;
    uint8_t *data = store_pattern(200000);
    assert_int_equal(blob_put(s, "/data/source", data, 200000), EG_OK);
    call c = copy_of("https://" HOST "/data/source", "/data/made");
    c.query = "comp=block&blockid=MDE%3D";
    c.headers[4] = "x-ms-source-range";
    c.headers[5] = "bytes=70000-149999";
    assert_int_equal(blob_do(s, c), EG_OK);
    c.headers[5] = "bytes=200000-";
    assert_int_equal(blob_do(s, c), EG_ERR_RANGE);
    c.headers[4] = "x-ms-source-if-match";
    c.headers[5] = "0x1";
    assert_int_equal(blob_do(s, c), EG_ERR_SOURCE_CONDITION_NOT_MET);
    c.headers[4] = "x-ms-source-content-md5";
    assert_int_equal(blob_do(s, c), EG_ERR_STORAGE_NOT_BUILT);
    c = copy_of("https://" HOST "/data/missing", "/data/made");
    c.query = "comp=block&blockid=MDI%3D";
    assert_int_equal(blob_do(s, c), EG_ERR_PATH_NOT_FOUND);
    static const char list[] = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>MDE=</Latest></BlockList>";
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/made", .query = "comp=blocklist", .body = list, .body_len = sizeof list - 1}), EG_OK);
    blob_holds(s, "/data/made", data + 70000, 80000);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/log", .headers = {"x-ms-blob-type", "AppendBlob"}}), EG_OK);
    c = copy_of("https://" HOST "/data/source", "/data/log");
    c.query = "comp=appendblock";
    assert_int_equal(blob_do(s, c), EG_OK);
    assert_int_equal(blob_do(s, c), EG_OK);
    answer a = blob_get(s, "/data/log");
    assert_int_equal(a.body.len, 400000);
    assert_memory_equal(a.body.ptr + 200000, data, 200000);
    answer_free(&a);
    c.body = "x";
    c.body_len = 1;
    assert_int_equal(blob_do(s, c), EG_ERR_HTTP_HEADER);
    s->denied = "/containers/data";
    c.body_len = 0;
    assert_int_equal(blob_do(s, c), EG_ERR_DENIED_DATA);
    free(data);
}

static void refused_copies(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    static const struct {
        const char *from;
        eg_err want;
    } bad[] = {
        {"https://other.blob.example.com:8443/data/f", EG_ERR_STORAGE_NOT_BUILT},
        {"https://acct.blob.example.org:8443/data/f", EG_ERR_STORAGE_NOT_BUILT},
        {"https://acct.blob.example.com/data/f", EG_ERR_STORAGE_NOT_BUILT}, /* another port may be another server */
        {"https://acct.blob.example.com:8443@evil/data/f", EG_ERR_STORAGE_NOT_BUILT},
        {"/data/f", EG_ERR_HTTP_HEADER},
        {"ftp://" HOST "/data/f", EG_ERR_HTTP_HEADER},
        {"https://" HOST, EG_ERR_HTTP_HEADER},
        {"https://" HOST "/data", EG_ERR_HTTP_HEADER},
        {"https://" HOST "/data/%zz", EG_ERR_HTTP_HEADER},
        {"https://" HOST "/data/../data/f", EG_ERR_PATH_INVALID},
        {"https://" HOST "/data/f?snapshot=never", EG_ERR_HTTP_HEADER},
        {"https://" HOST "/data/f?snapshot=2023-11-14T22:13:21.0000000Z", EG_ERR_PATH_NOT_FOUND},
        {"https://" HOST "/data/missing", EG_ERR_PATH_NOT_FOUND},
        {"https://" HOST "/data/d", EG_ERR_RESOURCE_TYPE_MISMATCH},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(blob_do(s, copy_of(bad[i].from, "/data/to")), bad[i].want);
    }
    assert_int_equal(blob_do(s, copy_of("https://" HOST "/data/f", "/data/d")), EG_ERR_RESOURCE_TYPE_MISMATCH);
    call c = copy_of("https://" HOST "/data/f", "/data/to");
    c.headers[4] = "x-ms-source-if-match";
    c.headers[5] = "0x1";
    assert_int_equal(blob_do(s, c), EG_ERR_SOURCE_CONDITION_NOT_MET);
    c.headers[4] = "x-ms-source-lease-id";
    c.headers[5] = "11111111-2222-3333-4444-555555555551";
    assert_int_equal(blob_do(s, c), EG_ERR_LEASE_NOT_PRESENT);
    c.headers[4] = "If-Match";
    c.headers[5] = "0x1";
    assert_int_equal(blob_do(s, c), EG_ERR_CONDITION_NOT_MET);
    s->denied = "/containers/data"; /* may write, may not read the source */
    assert_int_equal(blob_do(s, copy_of("https://" HOST "/data/f", "/data/to")), EG_ERR_DENIED_DATA);
    assert_int_equal(store_head(s, "/data/to"), EG_ERR_PATH_NOT_FOUND);
}

static void no_more_than_a_page_holds(void **state) {
    store *s = *state;
    char name[EG_SNAPSHOT_TIME_LEN];
    store_write(s, "/data/f", "one", 3);
    for (int i = 0; i < EG_SNAPSHOTS_MAX; i++) {
        take(s, "/data/f", name);
    }
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=snapshot"}), EG_ERR_SNAPSHOT_COUNT);
    answer l = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=snapshots,metadata,copy,permissions&maxresults=1"});
    assert_int_equal(l.status, 200);
    assert_true(answer_has(&l, name));
    assert_true(answer_has(&l, "<NextMarker />") || answer_has(&l, "<NextMarker/>") || answer_has(&l, "<NextMarker></NextMarker>"));
    answer_free(&l);
    char query[100];
    snprintf(query, sizeof query, "snapshot=%s", name);
    assert_int_equal(blob_do(s, (call){.method = "DELETE", .path = "/data/f", .query = query}), EG_OK);
    take(s, "/data/f", name);
    at_holds(s, "/data/f", name, "one");
}

/* Accounts with a hierarchical namespace have none: whatever names one is refused, and changes nothing. */
static void versions(void **state) {
    store *s = *state;
#define AT "versionid=2023-11-14T22:13:21.0000000Z"
    const call asked[] = {
        {.method = "GET", .query = AT}, {.method = "HEAD", .query = AT}, {.method = "DELETE", .query = AT}, {.method = "PUT", .query = "comp=metadata&" AT},
        {.method = "PUT", .query = "comp=properties&" AT}, {.method = "PUT", .query = AT, .headers = {"x-ms-blob-type", "BlockBlob"}},
        {.method = "PUT", .query = "comp=snapshot&" AT}, {.method = "PUT", .query = "comp=lease&" AT},
        {.method = "PUT", .headers = {"x-ms-copy-source", "https://acct.blob.test/data/f?" AT, "Host", "acct.blob.test"}},
        {.method = "DELETE", .query = AT, .surface = EG_SURFACE_DFS}, {.method = "GET", .query = AT, .surface = EG_SURFACE_DFS},
    };
    store_write(s, "/data/f", "kept", 4);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        call c = asked[i];
        c.path = "/data/f";
        c.surface = c.surface ? c.surface : EG_SURFACE_BLOB;
        assert_int_equal(store_do(s, c), EG_ERR_HNS_FEATURE);
    }
    blob_holds(s, "/data/f", "kept", 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions, store_open, store_close),
        cmocka_unit_test_setup_teardown(no_more_than_a_page_holds, store_open, store_close),
        cmocka_unit_test_setup_teardown(snapshots, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(snapshots_follow, open_clocked, store_close),
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(copies, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(pulled, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(refused_copies, open_clocked, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
