/* Requests that nobody means well with: numbers at their ends, words twice, addresses of others, tokens of other listings, times that are none. */
#include "blob_calls.h"

#include <embergate/json.h>

/* A file whose content must be what it was, whatever is asked of it. */
static int open_with_file(void **state) {
    assert_int_equal(store_open(state), 0);
    store_write(*state, "/data/f", "hello", 5);
    return 0;
}

static void unharmed(store *s) {
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 5);
    assert_memory_equal(a.body.ptr, "hello", 5);
    answer_free(&a);
}

static eg_err ask(store *s, eg_surface surface, const char *method, const char *path, const char *query, const char *name, const char *value) {
    return store_do(s, (call){.method = method, .path = path, .query = query, .surface = surface, .headers = {name, value}, .body = "x",
        .body_len = query && (strstr(query, "append") || strstr(query, "comp=block&")) ? 1 : 0});
}

static void positions(void **state) {
    static const struct {
        const char *method, *query;
        eg_err want;
    } rows[] = {
        {"PATCH", "action=append&position=9223372036854775808", EG_ERR_QUERY}, /* 2^63 */
        {"PATCH", "action=append&position=9223372036854775807", EG_ERR_LIMIT},
        {"PATCH", "action=append&position=9223372036854775807&flush=true", EG_ERR_LIMIT},
        {"PATCH", "action=append&position=18446744073709551616", EG_ERR_QUERY},
        {"PATCH", "action=append&position=-1", EG_ERR_QUERY},
        {"PATCH", "action=append&position=%2B5", EG_ERR_QUERY},
        {"PATCH", "action=append&position=0x5", EG_ERR_QUERY},
        {"PATCH", "action=append&position=5e0", EG_ERR_QUERY},
        {"PATCH", "action=append&position=%205", EG_ERR_QUERY},
        {"PATCH", "action=append&position=", EG_ERR_QUERY},
        {"PATCH", "action=append&position=5&position=6", EG_ERR_QUERY},
        {"PATCH", "action=append", EG_ERR_QUERY_MISSING},
        {"PATCH", "action=append&position=4", EG_ERR_APPEND_POSITION},
        {"PATCH", "action=flush&position=9223372036854775808", EG_ERR_QUERY},
        {"PATCH", "action=flush&position=9223372036854775807", EG_ERR_FLUSH_POSITION},
        {"PATCH", "action=flush&position=4", EG_ERR_FLUSH_POSITION},
    };
    store *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_err e = ask(s, EG_SURFACE_DFS, rows[i].method, "/data/f", rows[i].query, NULL, NULL);
        if (e != rows[i].want) {
            fail_msg("%s: %s", rows[i].query, eg_err_code(e));
        }
    }
    unharmed(s);
}

/* Each of these would be another number to somebody who reads it less strictly. */
static void numbers(void **state) {
    static const struct {
        const char *method, *path, *query, *name, *value;
        eg_err want;
    } rows[] = {
        {"GET", "/data/f", NULL, "Range", "bytes=9223372036854775807-", EG_ERR_RANGE},
        {"GET", "/data/f", NULL, "Range", "bytes=0-9223372036854775807", EG_OK},
        {"GET", "/data/f", NULL, "Range", "bytes=0-9223372036854775808", EG_ERR_HTTP_HEADER},
        {"GET", "/data/f", NULL, "Range", "bytes=-9223372036854775807", EG_OK},
        {"GET", "/data/f", NULL, "Range", "bytes=3-2", EG_ERR_HTTP_HEADER},
        {"GET", "/data", "restype=container&comp=list&maxresults=18446744073709551616", NULL, NULL, EG_ERR_QUERY_RANGE},
        {"GET", "/data", "restype=container&comp=list&maxresults=-1", NULL, NULL, EG_ERR_QUERY_RANGE},
        {"PUT", "/data/f", "comp=lease", "x-ms-lease-duration", "4294967311", EG_ERR_HTTP_HEADER}, /* 2^32 + 15 */
        {"PUT", "/data/f", "comp=lease", "x-ms-lease-duration", "-2", EG_ERR_HTTP_HEADER},
        {"PUT", "/data/f", "comp=lease", "x-ms-lease-duration", "14", EG_ERR_HTTP_HEADER},
        {"PUT", "/data/f", "comp=lease", "x-ms-lease-duration", "61", EG_ERR_HTTP_HEADER},
        {"PUT", "/data/a", "comp=appendblock", "x-ms-blob-condition-appendpos", "9223372036854775808", EG_ERR_HTTP_HEADER},
        {"PUT", "/data/a", "comp=appendblock", "x-ms-blob-condition-appendpos", "9223372036854775807", EG_ERR_BLOB_APPEND_POSITION},
        {"PUT", "/data/a", "comp=appendblock", "x-ms-blob-condition-maxsize", "0", EG_ERR_BLOB_MAX_SIZE},
        {"PUT", "/data/f", "comp=expiry", "x-ms-expiry-time", "9223372036854775807", EG_ERR_HTTP_HEADER},
    };
    store *s = *state;
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/a", .headers = {"x-ms-blob-type", "AppendBlob"}}), EG_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *also = strstr(rows[i].query ? rows[i].query : "", "lease") ? "x-ms-lease-action" : "x-ms-expiry-option";
        answer a = blob_call(s, (call){.method = rows[i].method, .path = rows[i].path, .query = rows[i].query, .body = "x",
            .body_len = rows[i].query && strstr(rows[i].query, "appendblock") ? 1 : 0,
            .headers = {also, strstr(also, "lease") ? "acquire" : "RelativeToNow", rows[i].name, rows[i].value}});
        if (a.err != rows[i].want) {
            fail_msg("%s %s: %s", rows[i].query ? rows[i].query : "", rows[i].value ? rows[i].value : "", eg_err_code(a.err));
        }
        answer_free(&a);
    }
    unharmed(s);
}

/* A proxy might take the other one. */
static void twice(void **state) {
    static const struct {
        const char *method, *path, *query;
        const char *headers[5];
    } rows[] = {
        {"PUT", "/data/g", NULL, {"x-ms-rename-source", "/data/nothing", "x-ms-rename-source", "/data/f"}},
        {"PATCH", "/data/f", "action=setProperties", {"x-ms-lease-id", "11111111-1111-4111-8111-111111111111", "X-MS-LEASE-ID", "11111111-1111-4111-8111-111111111112"}},
        {"DELETE", "/data/f", NULL, {"If-Match", "\"0x1\"", "if-match", "*"}},
        {"GET", "/data/f", NULL, {"Range", "bytes=0-1", "Range", "bytes=2-3"}},
        {"PATCH", "/data/f", "action=append&position=5", {"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", "content-md5", "XUFAKrxLKna5cZ2REBfFkg=="}},
        {"PUT", "/data/f", "resource=file", {"x-ms-encryption-key", "a", "x-ms-encryption-key", "b"}},
    };
    store *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const *h = rows[i].headers;
        answer a = store_call(s, &(call){.method = rows[i].method, .path = rows[i].path, .query = rows[i].query, .headers = {h[0], h[1], h[2], h[3]}, .body = "x",
            .body_len = rows[i].query && strstr(rows[i].query, "append") ? 1 : 0});
        assert_int_equal(a.err, EG_ERR_HTTP_HEADER);
        assert_non_null(strstr(a.problem.message, "twice"));
        answer_free(&a);
    }
    /* What says nothing about what is asked for may stand as often as it likes. */
    answer a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Accept", "a", "Accept", "b"}});
    assert_int_equal(a.status, 200);
    answer_free(&a);
    unharmed(s);
}

static void rename_sources(void **state) {
    static const struct {
        const char *source;
        eg_err want;
    } rows[] = {
        {"/data/../data/f", EG_ERR_PATH_INVALID}, {"/data/%2e%2e/f", EG_ERR_PATH_INVALID}, {"/data/a%2F..%2Ff", EG_ERR_PATH_INVALID}, {"/data/./f", EG_ERR_PATH_INVALID},
        {"/data//f", EG_ERR_PATH_INVALID}, {"/data/f%00", EG_ERR_RENAME_SOURCE_URI}, {"/data/f%ff", EG_ERR_RENAME_SOURCE_URI}, {"/data/%2e%2e%2f%2e%2e%2fother/f", EG_ERR_PATH_INVALID},
        {"//data/f", EG_ERR_RENAME_SOURCE_URI}, {"data/f", EG_ERR_RENAME_SOURCE_URI}, {"/data", EG_ERR_RENAME_SOURCE_URI}, {"/data/", EG_ERR_RENAME_SOURCE_URI},
        {"/DATA/f", EG_ERR_RENAME_SOURCE_URI}, {"/data/f%", EG_ERR_RENAME_SOURCE_URI}, {"/data/f%zz", EG_ERR_RENAME_SOURCE_URI}, {"\\data\\f", EG_ERR_RENAME_SOURCE_URI},
        {"https://acct2.dfs.core.windows.net/data/f", EG_ERR_RENAME_SOURCE_URI}, {"/..%2Fdata/f", EG_ERR_RENAME_SOURCE_URI},
        {"/acct2/data/f", EG_ERR_FILESYSTEM_NOT_FOUND}, /* another account is at most a filesystem that isn't there */
        {"/other/f", EG_ERR_FILESYSTEM_NOT_FOUND}, {"/data/%252e%252e/f", EG_ERR_SOURCE_PATH_NOT_FOUND}, /* decoded once */
        {"/data/f#x", EG_ERR_SOURCE_PATH_NOT_FOUND}, {"/data/nothing", EG_ERR_SOURCE_PATH_NOT_FOUND}, {"/data/f?sig=", EG_ERR_AUTH_FAILED},
        {"/data/f?snapshot=2026-01-01T00:00:00.0000000Z", EG_ERR_RENAME_SOURCE_URI}, {"/data/f?versionid=1", EG_ERR_HNS_FEATURE},
        {"/data/f?sv=2020-12-06&sr=b&sp=rdm&se=9999-12-31&sig=kzem9xoIE0KPsEuS/5zIYDVaYrX13mpnCHtqizWZ9Rg%3D", EG_ERR_AUTH_FAILED},
    };
    store *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_err e = ask(s, EG_SURFACE_DFS, "PUT", "/data/g", NULL, "x-ms-rename-source", rows[i].source);
        if (e != rows[i].want) {
            fail_msg("%s: %s", rows[i].source, eg_err_code(e));
        }
        assert_int_equal(store_head(s, "/data/g"), EG_ERR_PATH_NOT_FOUND);
    }
    unharmed(s);
}

/* The token of one listing, copied. */
static void token_of(store *s, const char *path, const char *query, const char *header, char ret[512]) {
    answer a = store_call(s, &(call){.method = "GET", .path = path, .query = query});
    assert_int_equal(a.status, 200);
    const char *from = header ? answer_header(&a, header) : strstr(a.body.ptr, "<NextMarker>");
    assert_non_null(from);
    from += header ? 0 : strlen("<NextMarker>");
    snprintf(ret, 512, "%.*s", (int)strcspn(from, "<"), from);
    assert_true(ret[0] != '\0');
    answer_free(&a);
}

/* A token goes on with the listing that it came from, and tells and changes nothing elsewhere. */
static void tokens(void **state) {
    store *s = *state;
    char flat[512];
    char deep[512];
    char marker[512];
    char query[1024];
    char broken[512];
    eg_problem p = {0};
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT(ACCOUNT), EG_LIT("other"), &p), EG_OK);
    static const char *const made[] = {"/data/d", "/data/d/one", "/data/d/two", "/data/e", "/data/e/one", "/data/e/two", "/other/one", "/other/two"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        assert_int_equal(store_mkdir(s, made[i]), EG_OK);
    }
    token_of(s, "/data", "resource=filesystem&recursive=false&directory=d&maxResults=1", "x-ms-continuation", flat);
    token_of(s, "/data", "resource=filesystem&recursive=true&directory=d&maxResults=1", "x-ms-continuation", deep);
    token_of(s, "/data", "restype=container&comp=list&maxresults=1", NULL, marker);
    memcpy(broken, flat, sizeof broken);
    broken[4] = broken[4] == 'A' ? 'B' : 'A';
    const struct {
        const char *method, *path, *query, *token;
        eg_err want;
    } rows[] = {
        {"GET", "/data", "resource=filesystem&recursive=false&directory=d&continuation=%s", flat, EG_OK},
        {"GET", "/data", "resource=filesystem&recursive=true&directory=d&continuation=%s", deep, EG_OK},
        {"GET", "/data", "resource=filesystem&recursive=false&directory=e&continuation=%s", flat, EG_ERR_QUERY},
        {"GET", "/data", "resource=filesystem&recursive=true&directory=d&continuation=%s", flat, EG_ERR_QUERY},
        {"GET", "/data", "resource=filesystem&recursive=false&continuation=%s", flat, EG_ERR_QUERY},
        {"GET", "/data", "resource=filesystem&recursive=false&directory=d&continuation=%s", marker, EG_ERR_QUERY},
        {"GET", "/data", "resource=filesystem&recursive=false&directory=d&continuation=%s", broken, EG_ERR_QUERY},
        {"GET", "/other", "resource=filesystem&recursive=false&continuation=%s", flat, EG_ERR_QUERY},
        {"GET", "/data", "restype=container&comp=list&marker=%s", flat, EG_ERR_QUERY},
        {"GET", "/data", "restype=container&comp=list&marker=%s", deep, EG_ERR_QUERY},
        {"GET", "/other", "restype=container&comp=list&marker=%s", marker, EG_ERR_QUERY},
        {"PATCH", "/data/e", "action=setAccessControlRecursive&mode=modify&continuation=%s", deep, EG_ERR_QUERY},
        {"PATCH", "/data/d", "action=setAccessControlRecursive&mode=modify&continuation=%s", marker, EG_ERR_QUERY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *at = strstr(rows[i].query, "%s");
        snprintf(query, sizeof query, "%.*s%s", (int)(at - rows[i].query), rows[i].query, rows[i].token);
        const eg_err e = store_do(s, (call){.method = rows[i].method, .path = rows[i].path, .query = query, .headers = {"x-ms-acl", "user:" WHO ":rwx"}});
        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, eg_err_code(e));
        }
    }
    /* In other hands it is worth what those may do: nothing, where lists grant nothing. */
    snprintf(query, sizeof query, "resource=filesystem&recursive=false&directory=d&continuation=%s", flat);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = query, .way = EG_WAY_ACL, .who = "33333333-3333-4333-8333-333333333333"}), EG_ERR_DENIED_DATA);
    snprintf(query, sizeof query, "action=setAccessControlRecursive&mode=modify&continuation=%s", deep);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/d", .query = query, .headers = {"x-ms-acl", "user:" WHO ":rwx"}, .way = EG_WAY_ACL,
        .who = "33333333-3333-4333-8333-333333333333"}), EG_ERR_DENIED_DATA);
}

/* The parts of a batch stay in the account that the batch was sent to. */
static void batch_of_another_account(void **state) {
    static const char *const targets[] = {"/acct2/data/f", "//data/f", "/data/..%2Fdata%2Ff", "/data/%2e%2e/data/f", "/data/f%00", "/data", "https://acct2/data/f", "/data/f?versionid=1"};
    store *s = *state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "--b1\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nDELETE %s HTTP/1.1\r\nHost: acct2.blob.core.windows.net\r\nContent-Length: 0\r\n\r\n--b1--\r\n",
            targets[i]);
        answer a = blob_call(s, (call){.method = "POST", .path = "/", .query = "comp=batch", .headers = {"Content-Type", "multipart/mixed; boundary=b1"}, .body = body, .body_len = strlen(body)});
        if (answer_has(&a, "HTTP/1.1 2")) {
            fail_msg("%s was deleted", targets[i]);
        }
        answer_free(&a);
        unharmed(s);
    }
}

static void contradictions(void **state) {
    static const struct {
        const char *method, *query;
        const char *headers[5];
        eg_err want;
    } rows[] = {
        {"PATCH", "action=setProperties", {"If-Match", "*", "If-None-Match", "\"0x1\""}, EG_ERR_CONDITIONS_TOO_MANY},
        {"PATCH", "action=setProperties", {"If-Match", "\"0x1\", \"0x2\""}, EG_ERR_CONDITIONS_TOO_MANY},
        {"PATCH", "action=setProperties", {"If-Match", "*", "If-Modified-Since", "Mon, 23 Nov 2026 02:04:36 GMT"}, EG_ERR_CONDITIONS_TOO_MANY},
        {"PATCH", "action=setProperties", {"If-Match", "W/\"0x1\""}, EG_ERR_CONDITION_NOT_MET},
        {"PATCH", "action=setProperties", {"If-None-Match", "*"}, EG_ERR_CONDITION_NOT_MET},
        {"PATCH", "action=setAccessControl", {"If-Match", "\"*\"", "x-ms-permissions", "0777"}, EG_ERR_CONDITION_NOT_MET},
        {"PATCH", "action=flush&position=5", {"If-Match", "\"0x1\"", "If-None-Match", "\"0x1\""}, EG_ERR_CONDITIONS_TOO_MANY},
        {"DELETE", NULL, {"If-None-Match", "*"}, EG_ERR_CONDITION_NOT_MET},
        {"DELETE", NULL, {"If-Unmodified-Since", "Fri, 31 Dec 9999 23:59:59 GMT", "If-None-Match", "\"0x1\""}, EG_ERR_CONDITIONS_TOO_MANY},
        {"DELETE", NULL, {"If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"}, EG_ERR_CONDITION_NOT_MET},
        {"DELETE", NULL, {"If-Unmodified-Since", "Mon, 01 Jan 0001 00:00:00 GMT"}, EG_ERR_CONDITION_NOT_MET},
        {"DELETE", NULL, {"If-Unmodified-Since", "Thu, 31 Dec 9999 23:59:59 GMT"}, EG_ERR_HTTP_HEADER}, /* no Thursday */
        {"PUT", "resource=file", {"If-Match", "\"0x1\"", "If-None-Match", "*"}, EG_ERR_CONDITIONS_TOO_MANY},
        {"PUT", "comp=snapshot", {"If-None-Match", "*"}, EG_ERR_CONDITION_NOT_MET},
        {"PUT", "comp=lease", {"If-None-Match", "*", "x-ms-lease-action", "break"}, EG_ERR_CONDITION_NOT_MET},
        {"GET", NULL, {"If-Match", "*", "If-None-Match", "*"}, EG_ERR_CONDITION_UNSATISFIABLE},
        {"GET", NULL, {"If-Match", "\"0x1\", *"}, EG_ERR_CONDITION_NOT_MET},
        {"GET", NULL, {"If-Unmodified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"}, EG_OK},
        {"GET", NULL, {"If-Modified-Since", "Mon, 01 Jan 0001 00:00:00 GMT"}, EG_OK},
        {"GET", NULL, {"If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"}, EG_ERR_NOT_MODIFIED},
        {"GET", NULL, {"If-Modified-Since", "yesterday"}, EG_ERR_HTTP_HEADER},
    };
    store *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const *h = rows[i].headers;
        const eg_err e = store_do(s, (call){.method = rows[i].method, .path = "/data/f", .query = rows[i].query, .headers = {h[0], h[1], h[2], h[3]}});
        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, eg_err_code(e));
        }
    }
    unharmed(s);
}

/* Of a container, too. */
static void containers(void **state) {
    store *s = *state;
    char id[64];
    answer a = blob_call(s, (call){.method = "PUT", .path = "/data", .query = "restype=container&comp=lease", .headers = {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "-1"}});
    assert_int_equal(a.status, 201);
    snprintf(id, sizeof id, "%s", answer_header(&a, "x-ms-lease-id"));
    answer_free(&a);
    static const struct {
        const char *method, *query;
    } reads[] = {{"GET", "restype=container"}, {"GET", "restype=container&comp=metadata"}, {"HEAD", "resource=filesystem"}};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        call c = {.method = reads[i].method, .path = "/data", .query = reads[i].query, .headers = {"x-ms-lease-id", id}};
        assert_int_equal(store_do(s, c), EG_OK);
        c.headers[1] = "11111111-1111-4111-8111-111111111111";
        assert_int_equal(store_do(s, c), EG_ERR_LEASE_ID_MISMATCH_CONTAINER);
        c.headers[1] = "no id";
        assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER);
        c.headers[0] = "If-Modified-Since";
        c.headers[1] = "Fri, 31 Dec 9999 23:59:59 GMT";
        assert_int_equal(store_do(s, c), EG_ERR_NOT_MODIFIED);
    }
}

/* One id in each of the forms that clients write. */
static void lease_ids(void **state) {
    static const char *const same[] = {"{ABCDEF01-2345-4678-89AB-CDEF01234567}", "abcdef01-2345-4678-89ab-cdef01234567", "ABCDEF012345467889ABCDEF01234567", "abcdef01-2345-4678-89AB-cdef01234567"};
    static const char *const bad[] = {"abcdef01-2345-4678-89ab-cdef0123456", "abcdef01-2345-4678-89ab-cdef0123456g", "abcdef012345-4678-89ab-cdef-01234567", "{abcdef01-2345-4678-89ab-cdef01234567",
        "(abcdef01-2345-4678-89ab-cdef01234567)", "*", "abcdef01-2345-4678-89ab-cdef01234567, abcdef01-2345-4678-89ab-cdef01234567"};
    store *s = *state;
    answer a = blob_call(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=lease", .headers = {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "60",
        "x-ms-proposed-lease-id", same[0]}});
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_header(&a, "x-ms-lease-id"), same[1]);
    answer_free(&a);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", "x-ms-lease-id", same[i]), EG_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", "x-ms-lease-id", bad[i]), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", "x-ms-lease-id", ""), EG_ERR_LEASE_ID_MISSING);
    unharmed(s);
}

static void snapshots(void **state) {
    static const char *const bad[] = {"yesterday", "2026-01-01", "9999-12-31T00:00:00.0000000Z", "1969-12-31T00:00:00Z", "-1", "2026-01-01T00:00:00.0000000Zx", "2026-02-30T00:00:00Z", "%00", "2026-01-01T00:00:00Z&snapshot=2026-01-01T00:00:00Z"};
    static const struct {
        const char *method, *query;
        eg_surface surface;
        bool changes;
    } asked[] = {{"GET", "snapshot=", EG_SURFACE_BLOB, false}, {"HEAD", "snapshot=", EG_SURFACE_BLOB, false}, {"GET", "comp=metadata&snapshot=", EG_SURFACE_BLOB, false},
        {"GET", "comp=blocklist&snapshot=", EG_SURFACE_BLOB, false}, {"GET", "snapshot=", EG_SURFACE_DFS, false}, {"DELETE", "snapshot=", EG_SURFACE_BLOB, false},
        {"DELETE", "snapshot=", EG_SURFACE_DFS, true}, {"PUT", "comp=metadata&snapshot=", EG_SURFACE_BLOB, true}, {"PATCH", "action=append&position=5&snapshot=", EG_SURFACE_DFS, true},
        {"PATCH", "action=setProperties&snapshot=", EG_SURFACE_DFS, true}, {"PUT", "comp=lease&snapshot=", EG_SURFACE_BLOB, true}};
    store *s = *state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        char query[160];
        for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
            snprintf(query, sizeof query, "%s%s", asked[i].query, bad[k]);
            const eg_err e = ask(s, asked[i].surface, asked[i].method, "/data/f", query, "x-ms-lease-action", "break");
            if (e != EG_ERR_QUERY) {
                fail_msg("%s %s: %s", asked[i].method, query, eg_err_code(e));
            }
        }
        snprintf(query, sizeof query, "%s2026-01-01T00:00:00.0000000Z", asked[i].query);
        const eg_err e = ask(s, asked[i].surface, asked[i].method, "/data/f", query, "x-ms-lease-action", "break");
        if (e != EG_ERR_PATH_NOT_FOUND && !(asked[i].changes && e == EG_ERR_QUERY)) {
            fail_msg("%s %s: %s", asked[i].method, query, eg_err_code(e));
        }
    }
    unharmed(s);
}

#define LIST "<BlockList><Latest>MDAx</Latest></BlockList>"

static void put_block(store *s, const char *content) {
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=block&blockid=MDAx", .body = content, .body_len = strlen(content)}), EG_OK);
}

/* A signature for a snapshot opens that, and not what its blob has since then. */
static void block_list_of_a_snapshot(void **state) {
    store *s = *state;
    char query[128];
    put_block(s, "four");
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=blocklist", .body = LIST, .body_len = strlen(LIST)}), EG_OK);
    answer a = blob_call(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=snapshot"});
    assert_int_equal(a.status, 201);
    snprintf(query, sizeof query, "comp=blocklist&blocklisttype=all&snapshot=%s", answer_header(&a, "x-ms-snapshot"));
    answer_free(&a);
    put_block(s, "longer");
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=blocklist", .body = LIST, .body_len = strlen(LIST)}), EG_OK);
    put_block(s, "not committed");
    a = blob_call(s, (call){.method = "GET", .path = "/data/b", .query = query});
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, "<CommittedBlocks><Block><Name>MDAx</Name><Size>4</Size></Block></CommittedBlocks><UncommittedBlocks></UncommittedBlocks>"));
    assert_string_equal(answer_header(&a, "x-ms-blob-content-length"), "4");
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data/b", .query = "comp=blocklist&blocklisttype=all"});
    assert_true(answer_has(&a, "<Size>6</Size>") && answer_has(&a, "<Size>13</Size>"));
    answer_free(&a);
}

/* What one writes into a header must not keep others from reading the page, or the file. */
static void what_is_told(void **state) {
    store *s = *state;
    char list[1024] = "";
    for (int i = 0; i < 51; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "%sn%d=", i ? "," : "", i);
    }
    assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", "x-ms-properties", list), EG_ERR_HTTP_HEADER);
    *strrchr(list, ',') = '\0'; /* 50 */
    assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", "x-ms-properties", list), EG_OK);
    answer a = blob_call(s, (call){.method = "HEAD", .path = "/data/f"});
    assert_int_equal(a.status, 200);
    assert_non_null(answer_header(&a, "x-ms-meta-n49"));
    answer_free(&a);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .query = "action=getStatus"}); /* what the system knows, alone */
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "x-ms-properties"));
    assert_null(answer_header(&a, "x-ms-meta-n49"));
    answer_free(&a);
    char large[4001];
    memset(large, 'v', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    static const char *const headers[] = {"x-ms-content-type", "x-ms-content-encoding", "x-ms-content-language", "x-ms-content-disposition", "x-ms-cache-control"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) { /* each fits a request; all of them would not fit an answer */
        assert_int_equal(ask(s, EG_SURFACE_DFS, "PATCH", "/data/f", "action=setProperties", headers[i], large), i < 3 ? EG_OK : EG_ERR_METADATA_TOO_LARGE);
    }
    assert_int_equal(ask(s, EG_SURFACE_BLOB, "PUT", "/data/f", "comp=snapshot", "x-ms-meta-a", large), EG_ERR_METADATA_TOO_LARGE);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    size_t bytes = 0;
    for (size_t i = 0; i < a.response.header_count; i++) {
        bytes += strlen(a.response.headers[i].name) + a.response.headers[i].value.len;
    }
    assert_int_equal(a.status, 200);
    assert_true(bytes < (16 << 10));
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/c", .query = "resource=file", .headers = {"x-ms-encryption-context", "a\xff\"\xc3", "x-ms-properties", "k=77++"}}), EG_OK);
    a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=true"});
    json_t *page = json_loadb(a.body.ptr, a.body.len, 0, NULL);
    assert_non_null(page); /* refuses what isn't UTF-8 */
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(page, "paths"), 0), "EncryptionContext")), "a?\"?");
    json_decref(page);
    answer_free(&a);
    a = blob_call(s, (call){.method = "GET", .path = "/data", .query = "restype=container&comp=list&include=metadata"});
    assert_true(answer_has(&a, "<k>?</k>")); /* U+FFFE, which XML has not */
    answer_free(&a);
    unharmed(s);
}

/* Who isn't a superuser makes nothing for others; a group it gives when it is in it. */
static void owners(void **state) {
    store *s = *state;
    const char *other = "33333333-3333-4333-8333-333333333333", *group = "44444444-4444-4444-8444-444444444444";
    const struct {
        eg_way way;
        const char *owner, *group, *in;
        eg_err want;
    } rows[] = {
        {EG_WAY_KEY, other, group, NULL, EG_OK},
        {EG_WAY_ROLE, WHO, "", NULL, EG_OK},
        {EG_WAY_ROLE, other, "", NULL, EG_ERR_DENIED_DATA},
        {EG_WAY_ROLE, "", group, NULL, EG_ERR_DENIED_DATA},
        {EG_WAY_ROLE, "", group, group, EG_OK},
        {EG_WAY_ROLE, other, group, group, EG_ERR_DENIED_DATA},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32];
        snprintf(path, sizeof path, "/data/deep%zu/o", i);
        answer a = store_call(s, &(call){.method = "PUT", .path = path, .query = i % 2 ? "resource=file" : "resource=directory", .way = rows[i].way, .group = rows[i].in,
            .headers = {"x-ms-owner", rows[i].owner, "x-ms-group", rows[i].group}});
        if (a.err != rows[i].want) {
            fail_msg("row %zu: %s", i, eg_err_code(a.err));
        }
        answer_free(&a);
        a = store_call(s, &(call){.method = "HEAD", .path = path, .query = "action=getAccessControl"});
        assert_int_equal(a.err, rows[i].want == EG_OK ? EG_OK : EG_ERR_PATH_NOT_FOUND);
        if (a.err == EG_OK) {
            assert_string_equal(answer_header(&a, "x-ms-owner"), rows[i].owner[0] ? rows[i].owner : WHO);
            assert_string_equal(answer_header(&a, "x-ms-group"), rows[i].group[0] ? rows[i].group : "$superuser");
        }
        answer_free(&a);
    }
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/deep0", .query = "action=getAccessControl"});
    assert_string_equal(answer_header(&a, "x-ms-group"), "$superuser"); /* what was made on the way has its directory's */
    answer_free(&a);
}

/* What isn't built is said, and never left out in silence. */
static void unbuilt(void **state) {
    static const char *const headers[] = {"x-ms-tags", "x-ms-access-tier", "X-MS-Rehydrate-Priority", "x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode",
        "x-ms-legal-hold", "x-ms-seal-blob", "x-ms-source-content-md5", "x-ms-source-content-crc64", "x-ms-source-encryption-key", "x-ms-if-tags"};
    store *s = *state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const call put = {.method = "PUT", .path = "/data/f", .headers = {"x-ms-blob-type", "BlockBlob", headers[i], "Hot"}, .body = "other", .body_len = 5};
        assert_int_equal(blob_do(s, put), EG_ERR_STORAGE_NOT_BUILT);
    }
    static const char *const copies[][2] = {{"x-ms-copy-source-tag-option", "COPY"}, {"x-ms-copy-source-blob-properties", "false"}};
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/g", .headers = {"Host", "h", "x-ms-copy-source", "https://h/data/f", copies[i][0], copies[i][1]}}), EG_ERR_STORAGE_NOT_BUILT);
    }
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/new", .query = "restype=container", .headers = {"x-ms-blob-public-access", "blob"}}), EG_ERR_PUBLIC_ACCESS);
    assert_int_equal(blob_do(s, (call){.method = "GET", .path = "/new", .query = "restype=container"}), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(ask(s, EG_SURFACE_DFS, "HEAD", "/data/f", "action=getEverything", NULL, NULL), EG_ERR_QUERY);
    assert_int_equal(ask(s, EG_SURFACE_DFS, "PUT", "/data/f", "resource=file", "x-ms-rename-source", "/data/g"), EG_ERR_HTTP_HEADER);
    assert_int_equal(ask(s, EG_SURFACE_DFS, "HEAD", "/data/f", "action=checkAccess&fsAction=r--", "If-Match", "\"0x1\""), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data", .query = "action=setAccessControlRecursive&mode=set", .headers = {"x-ms-acl", "user::rwx,group::r-x,other::---",
        "If-Match", "*"}}), EG_ERR_HTTP_HEADER);
    unharmed(s);
}

/* A delete that asks for pages is one step all the same, and checkAccess says what would be allowed, by roles or by lists. */
static void pages_and_access(void **state) {
    store *s = *state;
    static const struct {
        const char *action;
        eg_err want;
    } rows[] = {{"r--", EG_OK}, {"-w-", EG_ERR_DENIED_DATA}, {"--x", EG_ERR_DENIED_DATA}, {"---", EG_OK}, {"wrx", EG_ERR_QUERY}, {"r", EG_ERR_QUERY}, {"rwxr", EG_ERR_QUERY}, {"", EG_ERR_QUERY}};
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data", .query = "action=setAccessControl", .headers = {"x-ms-permissions", "0751"}, .way = EG_WAY_KEY}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=setAccessControl", .headers = {"x-ms-permissions", "0754"}, .way = EG_WAY_KEY}), EG_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char query[64];
        snprintf(query, sizeof query, "action=checkAccess&fsAction=%s", rows[i].action);
        answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .query = query, .way = EG_WAY_ACL, .who = "33333333-3333-4333-8333-333333333333"});
        if (a.err != rows[i].want) {
            fail_msg("%s: %s", rows[i].action, eg_err_code(a.err));
        }
        answer_free(&a);
    }
    assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/data/f", .query = "action=checkAccess&fsAction=rwx"}), EG_OK); /* by a role */
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/d/e"), EG_OK);
    answer a = store_call(s, &(call){.method = "DELETE", .path = "/data/d", .query = "recursive=true&paginated=true"});
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "x-ms-continuation"));
    answer_free(&a);
    assert_int_equal(store_head(s, "/data/d"), EG_ERR_PATH_NOT_FOUND);
    unharmed(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(positions, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(numbers, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(twice, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(rename_sources, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(tokens, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(batch_of_another_account, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(contradictions, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(containers, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(lease_ids, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(snapshots, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(block_list_of_a_snapshot, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(what_is_told, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(owners, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(unbuilt, open_with_file, store_close),
        cmocka_unit_test_setup_teardown(pages_and_access, open_with_file, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
