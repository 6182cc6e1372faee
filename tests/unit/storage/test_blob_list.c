/* List Blobs through its route: order, pages, prefixes, what is included. covers: list_blobs.c list_marker.c list_sources.c list_xml.c */
#include "blob_calls.h"

static void put_all(store *s, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char path[200];
        snprintf(path, sizeof path, "/data/%s", names[i]);
        assert_int_equal(blob_put(s, path, "x", 1), EG_OK);
    }
}

static answer list(store *s, const char *query) {
    char all[6000];
    snprintf(all, sizeof all, "restype=container&comp=list%s", query);
    return blob_call(s, (call){.method = "GET", .path = "/data", .query = all});
}

/* The names of a page, each followed by ' ', into ret; and its marker. */
static void names_of(const answer *a, char *ret, size_t cap, char marker[5000]) {
    const char *at = a->body.ptr;
    ret[0] = marker[0] = '\0';
    while ((at = strstr(at, "<Name>")) != NULL) {
        const char *end = strstr(at, "</Name>");
        snprintf(ret + strlen(ret), cap - strlen(ret), "%.*s ", (int)(end - at - 6), at + 6);
        at = end;
    }
    const char *m = strstr(a->body.ptr, "<NextMarker>");
    if (m) {
        snprintf(marker, 5000, "%.*s", (int)(strstr(m, "</NextMarker>") - m - 12), m + 12);
    }
}

static void all_names(store *s, const char *query, int max, char *ret, size_t cap) {
    char marker[5000] = "";
    ret[0] = '\0';
    do {
        char full[6000];
        char part[2000];
        snprintf(full, sizeof full, "%s&maxresults=%d%s%s", query, max, marker[0] ? "&marker=" : "", marker);
        answer a = list(s, full);
        assert_int_equal(a.status, 200);
        names_of(&a, part, sizeof part, marker);
        answer_free(&a);
        snprintf(ret + strlen(ret), cap - strlen(ret), "%s", part);
    } while (marker[0]);
}

static void order(void **state) {
    store *s = *state;
    static const char *const names[] = {"a/x", "a-b", "a0", "a/y/z", "b"};
    put_all(s, names, 5);
    char got[4000];
    for (int max = 1; max < 9; max++) {
        all_names(s, "", max, got, sizeof got);
        assert_string_equal(got, "a a-b a/x a/y a/y/z a0 b ");
        all_names(s, "&delimiter=/", max, got, sizeof got);
        assert_string_equal(got, "a-b a/ a0 b ");
        all_names(s, "&delimiter=%2F&prefix=a%2F", max, got, sizeof got);
        assert_string_equal(got, "a/x a/y/ ");
        all_names(s, "&prefix=a/y", max, got, sizeof got);
        assert_string_equal(got, "a/y a/y/z ");
        all_names(s, "&showonly=files", max, got, sizeof got);
        assert_string_equal(got, "a-b a/x a/y/z a0 b ");
        all_names(s, "&showonly=directories&delimiter=/", max, got, sizeof got);
        assert_string_equal(got, "a/ ");
        all_names(s, "&startFrom=a/x", max, got, sizeof got);
        assert_string_equal(got, "a/x a/y a/y/z a0 b ");
        all_names(s, "&startFrom=a/xx", max, got, sizeof got);
        assert_string_equal(got, "a/y a/y/z a0 b ");
        all_names(s, "&startFrom=a-b&prefix=a", max, got, sizeof got);
        assert_string_equal(got, "a-b a/x a/y a/y/z a0 ");
        all_names(s, "&startFrom=a&prefix=a/&delimiter=/", max, got, sizeof got);
        assert_string_equal(got, "a/x a/y/ ");
        all_names(s, "&startFrom=a/y/z&delimiter=/", max, got, sizeof got);
        assert_string_equal(got, "a/ a0 b ");
        all_names(s, "&startFrom=zz&prefix=a", max, got, sizeof got);
        assert_string_equal(got, "");
        all_names(s, "&prefix=zz", max, got, sizeof got);
        assert_string_equal(got, "");
    }
}

static void entries(void **state) {
    store *s = *state;
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/d/f<&>", .body = "four", .body_len = 4,
        .headers = {"x-ms-blob-type", "BlockBlob", "x-ms-meta-Colour", "bl<ue", "x-ms-blob-content-type", "text/plain"}}), EG_OK);
    answer a = list(s, "&include=metadata,permissions,snapshots,tags&prefix=d");
    assert_true(answer_has(&a, "ContainerName=\"data\""));
    assert_true(answer_has(&a, "<Prefix>d</Prefix>"));
    assert_true(answer_has(&a, "<Name>d/f&lt;&amp;&gt;</Name>"));
    assert_true(answer_has(&a, "<ResourceType>directory</ResourceType>"));
    assert_true(answer_has(&a, "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"));
    assert_true(answer_has(&a, "<Metadata><Colour>bl&lt;ue</Colour></Metadata>"));
    assert_true(answer_has(&a, "<Content-Length>4</Content-Length><Content-Type>text/plain</Content-Type>"));
    assert_true(answer_has(&a, "<BlobType>BlockBlob</BlobType>"));
    assert_true(answer_has(&a, "<Permissions>rw-r-----</Permissions>"));
    assert_true(answer_has(&a, "<NextMarker />"));
    answer_free(&a);
    a = list(s, "");
    assert_false(answer_has(&a, "<Metadata>"));
    assert_false(answer_has(&a, "<Owner>"));
    answer_free(&a);
    assert_int_equal(blob_put(s, "/data/a\x01z", "x", 1), EG_OK);
    a = list(s, "&prefix=a");
    assert_true(answer_has(&a, "<Name Encoded=\"true\">a%01z</Name>"));
    answer_free(&a);
}

static void snapshots(void **state) {
    store *s = *state;
    static const char *const names[] = {"a", "b"};
    put_all(s, names, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/a", .query = "comp=snapshot"}), EG_OK);
    }
    answer a = list(s, "&include=snapshots");
    size_t found = 0;
    for (const char *at = a.body.ptr; (at = strstr(at, "<Snapshot>")) != NULL; at++) {
        found++;
    }
    assert_int_equal(found, 2);
    assert_null(strstr(strstr(a.body.ptr, "<Name>b</Name>"), "<Snapshot>"));
    answer_free(&a);
    a = list(s, "");
    assert_false(answer_has(&a, "<Snapshot>"));
    answer_free(&a);
}

static void refusals(void **state) {
    store *s = *state;
    static const char *const names[] = {"a", "b", "c"};
    put_all(s, names, 3);
    const struct {
        const char *query;
        eg_err owed;
    } cases[] = {
        {"&maxresults=0", EG_ERR_QUERY_RANGE}, {"&maxresults=x", EG_ERR_QUERY_RANGE}, {"&maxresults=9999", EG_OK}, {"&include=everything", EG_ERR_QUERY},
        {"&include=metadata,", EG_ERR_QUERY}, {"&delimiter=-", EG_ERR_QUERY}, {"&showonly=some", EG_ERR_QUERY}, {"&marker=abc", EG_ERR_QUERY},
        {"&prefix=%ff", EG_ERR_QUERY}, {"&prefix=a&prefix=b", EG_ERR_QUERY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        answer a = list(s, cases[i].query);
        assert_int_equal(a.err, cases[i].owed);
        answer_free(&a);
    }
    /* A marker is good for its own listing only. */
    char marker[5000];
    char got[1000];
    char query[6000];
    answer a = list(s, "&maxresults=1");
    names_of(&a, got, sizeof got, marker);
    answer_free(&a);
    snprintf(query, sizeof query, "&marker=%s", marker);
    a = list(s, query);
    assert_int_equal(a.err, EG_OK);
    answer_free(&a);
    snprintf(query, sizeof query, "&marker=%s&prefix=a", marker);
    a = list(s, query);
    assert_int_equal(a.err, EG_ERR_QUERY);
    answer_free(&a);
    marker[5] = marker[5] == 'A' ? 'B' : 'A';
    snprintf(query, sizeof query, "&marker=%s", marker);
    a = list(s, query);
    assert_int_equal(a.err, EG_ERR_QUERY);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/absent", .query = "restype=container&comp=list"}), EG_ERR_FILESYSTEM_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order, store_open, store_close),
        cmocka_unit_test_setup_teardown(snapshots, store_open, store_close),
        cmocka_unit_test_setup_teardown(entries, store_open, store_close),
        cmocka_unit_test_setup_teardown(refusals, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
