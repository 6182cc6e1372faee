/* Access control lists through the Data Lake API: set, modified and removed, of one path and of all beneath a directory.
 * covers: path_access.c access.c service_version.c */
#include "storage_fixture.h"

#define OTHER "33333333-3333-4333-8333-333333333333"
#define BASE "user::rwx,group::r-x,other::---"

static call recursive(const char *path, const char *query, const char *acl) {
    return (call){.method = "PATCH", .path = path, .query = query, .headers = {"x-ms-acl", acl}, .way = EG_WAY_KEY};
}

static void expect_acl(store *s, const char *path, const char *permissions, const char *acl) {
    answer a = store_call(s, &(call){.method = "HEAD", .path = path, .query = "action=getAccessControl&upn=true"});
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "x-ms-permissions"), permissions);
    assert_string_equal(answer_header(&a, "x-ms-acl"), acl);
    answer_free(&a);
}

static void tree(store *s) {
    assert_int_equal(store_mkdir(s, "/data/top/sub"), EG_OK);
    assert_int_equal(store_create(s, "/data/top/f"), EG_OK);
    assert_int_equal(store_create(s, "/data/top/sub/g"), EG_OK);
    assert_int_equal(store_create(s, "/data/topmost"), EG_OK);
}

static void one_path(void **state) {
    store *s = *state;
    tree(s);
    const char *const headers[][4] = {
        {"x-ms-acl", BASE ",user:u1:rw-"},
        {"x-ms-permissions", "1751"},
        {"x-ms-permissions", "rwxr-x--T"},
    };
    const char *const shown[][2] = {
        {"rwxrwx---+", "user::rwx,user:u1:rw-,group::r-x,mask::rwx,other::---"},
        {"rwxr-x--t+", "user::rwx,user:u1:rw-,group::r-x,mask::r-x,other::--x"},
        {"rwxr-x--T+", "user::rwx,user:u1:rw-,group::r-x,mask::r-x,other::---"},
    };
    for (size_t i = 0; i < 3; i++) {
        answer a = store_call(s, &(call){.method = "PATCH", .path = "/data/top", .query = "action=setAccessControl", .way = EG_WAY_KEY,
            .headers = {headers[i][0], headers[i][1]}});
        assert_int_equal(a.status, 200);
        assert_non_null(answer_header(&a, "ETag"));
        answer_free(&a);
        expect_acl(s, "/data/top", shown[i][0], shown[i][1]);
    }
    /* A list that says no more than permissions do is no extended one. */
    call c = {.method = "PATCH", .path = "/data/top/f", .query = "action=setAccessControl", .way = EG_WAY_KEY,
        .headers = {"x-ms-acl", BASE, "x-ms-owner", "o", "x-ms-group", "g"}};
    assert_int_equal(store_do(s, c), EG_OK);
    expect_acl(s, "/data/top/f", "rwxr-x---", BASE);
    /* What it leaves out stays. */
    c.headers[1] = "user::rw-,user:u2:r--";
    assert_int_equal(store_do(s, c), EG_OK);
    expect_acl(s, "/data/top/f", "rw-r-x---+", "user::rw-,user:u2:r--,group::r-x,mask::r-x,other::---");
    const struct {
        const char *path;
        const char *name;
        const char *value;
        eg_err error;
    } bad[] = {
        {"/data/top", "x-ms-acl", BASE ",user:u1:rwz", EG_ERR_HTTP_HEADER},
        {"/data/top", "x-ms-acl", BASE ",user:u1:rw-,user:u1:r--", EG_ERR_HTTP_HEADER},
        {"/data/top/f", "x-ms-acl", BASE ",default:user::rwx,default:group::r-x,default:other::---", EG_ERR_HTTP_HEADER},
        {"/data/top", "x-ms-permissions", "8888", EG_ERR_HTTP_HEADER},
        {"/data/top", "x-ms-nothing", "x", EG_ERR_HTTP_HEADER_MISSING},
        {"/data/no", "x-ms-permissions", "0700", EG_ERR_PATH_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c = (call){.method = "PATCH", .path = bad[i].path, .query = "action=setAccessControl", .way = EG_WAY_KEY, .headers = {bad[i].name, bad[i].value}};
        assert_int_equal(store_do(s, c), bad[i].error);
    }
    c.path = "/data/top";
    c.headers[0] = "x-ms-acl";
    c.headers[1] = BASE;
    c.headers[2] = "x-ms-permissions";
    c.headers[3] = "0700";
    assert_int_equal(store_do(s, c), EG_ERR_HTTP_HEADER);
    /* Who doesn't own it changes nothing, whatever its role. */
    c = (call){.method = "PATCH", .path = "/data/top", .query = "action=setAccessControl", .who = OTHER, .headers = {"x-ms-permissions", "0777"}};
    assert_int_equal(store_do(s, c), EG_ERR_DENIED_DATA);
    expect_acl(s, "/data/top", "rwxr-x--T+", "user::rwx,user:u1:rw-,group::r-x,mask::r-x,other::---");
}

static void expect_answer(store *s, const call *c, const char *text) {
    answer a = store_call(s, c);
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "x-ms-continuation"));
    assert_int_equal(a.body.len, strlen(text));
    assert_memory_equal(a.body.ptr, text, a.body.len);
    answer_free(&a);
}

static void a_tree(void **state) {
    store *s = *state;
    tree(s);
    const char *all = "{\"directoriesSuccessful\":2,\"failedEntries\":[],\"failureCount\":0,\"filesSuccessful\":2}";
    call c = recursive("/data/top", "action=setAccessControlRecursive&mode=set", BASE ",user:u1:r--,default:user:u2:rwx");
    expect_answer(s, &c, all);
    expect_acl(s, "/data/top/sub/g", "rwxr-x---+", "user::rwx,user:u1:r--,group::r-x,mask::r-x,other::---");
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/top/sub", .query = "action=getAccessControl"});
    assert_non_null(strstr(answer_header(&a, "x-ms-acl"), "default:user:u2:rwx"));
    answer_free(&a);
    expect_acl(s, "/data/topmost", "rw-r-----", "user::rw-,group::r--,other::---");
    c = recursive("/data/top", "action=setAccessControlRecursive&mode=modify", "user:u1:rwx");
    expect_answer(s, &c, all);
    expect_acl(s, "/data/top/f", "rwxrwx---+", "user::rwx,user:u1:rwx,group::r-x,mask::rwx,other::---");
    c = recursive("/data/top", "action=setAccessControlRecursive&mode=remove", "user:u1,default:user:u2");
    expect_answer(s, &c, all);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/top/sub", .query = "action=getAccessControl"});
    assert_null(strstr(answer_header(&a, "x-ms-acl"), "u1"));
    assert_null(strstr(answer_header(&a, "x-ms-acl"), "u2"));
    answer_free(&a);
    /* Of a file: itself. Of the root: all. */
    c = recursive("/data/top/f", "action=setAccessControlRecursive&mode=modify", "user:u3:r--");
    expect_answer(s, &c, "{\"directoriesSuccessful\":0,\"failedEntries\":[],\"failureCount\":0,\"filesSuccessful\":1}");
    c = recursive("/data", "action=setAccessControlRecursive&mode=modify", "user:u3:r--");
    expect_answer(s, &c, "{\"directoriesSuccessful\":3,\"failedEntries\":[],\"failureCount\":0,\"filesSuccessful\":3}");
}

static void refused_requests(void **state) {
    store *s = *state;
    tree(s);
    const struct {
        const char *query;
        const char *acl;
        eg_err error;
    } bad[] = {
        {"action=setAccessControlRecursive", BASE, EG_ERR_QUERY},
        {"action=setAccessControlRecursive&mode=sideways", BASE, EG_ERR_QUERY},
        {"action=setAccessControlRecursive&mode=set&maxRecords=0", BASE, EG_ERR_QUERY_RANGE},
        {"action=setAccessControlRecursive&mode=set&forceFlag=perhaps", BASE, EG_ERR_QUERY},
        {"action=setAccessControlRecursive&mode=set&continuation=AAAA", BASE, EG_ERR_QUERY},
        {"action=setAccessControlRecursive&mode=set", "", EG_ERR_HTTP_HEADER_MISSING},
        {"action=setAccessControlRecursive&mode=remove", "user:u1:rwx", EG_ERR_HTTP_HEADER},
        {"action=setAccessControlRecursive&mode=modify", "user:u1", EG_ERR_HTTP_HEADER},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(store_do(s, recursive("/data/top", bad[i].query, bad[i].acl)), bad[i].error);
    }
    assert_int_equal(store_do(s, recursive("/data/no", "action=setAccessControlRecursive&mode=set", BASE)), EG_ERR_PATH_NOT_FOUND);
}

/* Pages of three, a step of its own each; nothing is done twice or left out. */
static void pages(void **state) {
    store *s = *state;
    char path[64];
    char query[4096] = "action=setAccessControlRecursive&mode=modify&maxRecords=3";
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "/data/top/d%d/f", i);
        assert_int_equal(store_create(s, path), EG_OK);
    }
    int count = 0;
    for (bool more = true; more; count++) {
        const call c = recursive("/data/top", query, "user:u1:rwx");
        answer a = store_call(s, &c);
        assert_int_equal(a.status, 200);
        const char *token = answer_header(&a, "x-ms-continuation");
        more = token != NULL;
        snprintf(query, sizeof query, "action=setAccessControlRecursive&mode=modify&maxRecords=3&continuation=%s", more ? token : "");
        answer_free(&a);
    }
    assert_int_equal(count, 7); /* 21 paths */
    const char *const changed[] = {"/data/top", "/data/top/d0", "/data/top/d0/f", "/data/top/d9/f"};
    for (size_t i = 0; i < 4; i++) {
        answer a = store_call(s, &(call){.method = "HEAD", .path = changed[i], .query = "action=getAccessControl"});
        assert_non_null(strstr(answer_header(&a, "x-ms-acl"), "user:u1:rwx"));
        answer_free(&a);
    }
    /* A page of one: the directory alone, and then the rest. */
    const call one = recursive("/data/top", "action=setAccessControlRecursive&mode=modify&maxRecords=1", "user:u2:rwx");
    answer a = store_call(s, &one);
    assert_non_null(answer_header(&a, "x-ms-continuation"));
    answer_free(&a);
}

/* More than a transaction takes. */
static void steps(void **state) {
    store *s = *state;
    char path[64];
    for (int i = 0; i < 600; i++) {
        snprintf(path, sizeof path, "/data/top/%03d", i);
        assert_int_equal(store_create(s, path), EG_OK);
    }
    const int before = s->records;
    const call c = recursive("/data/top", "action=setAccessControlRecursive&mode=set", BASE ",user:u1:rwx");
    expect_answer(s, &c, "{\"directoriesSuccessful\":1,\"failedEntries\":[],\"failureCount\":0,\"filesSuccessful\":600}");
    assert_int_equal(s->records, before + 1);
    expect_acl(s, "/data/top/599", "rwxrwx---+", "user::rwx,user:u1:rwx,group::r-x,mask::rwx,other::---");
}

/* An owner of some of it changes those; without force it ends at the first that isn't its own. */
static void of_others(void **state) {
    store *s = *state;
    tree(s);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/top/a", .query = "resource=file", .who = OTHER}), EG_OK);
    call c = {.method = "PATCH", .path = "/data/top", .query = "action=setAccessControlRecursive&mode=modify", .headers = {"x-ms-acl", "user:u1:rwx"}};
    expect_answer(s, &c, "{\"directoriesSuccessful\":1,\"failedEntries\":[{\"name\":\"top/a\",\"type\":\"FILE\","
        "\"errorMessage\":\"AuthorizationPermissionMismatch\"}],\"failureCount\":1,\"filesSuccessful\":0}");
    c.query = "action=setAccessControlRecursive&mode=modify&forceFlag=true";
    expect_answer(s, &c, "{\"directoriesSuccessful\":2,\"failedEntries\":[{\"name\":\"top/a\",\"type\":\"FILE\","
        "\"errorMessage\":\"AuthorizationPermissionMismatch\"}],\"failureCount\":1,\"filesSuccessful\":2}");
    c.who = OTHER;
    assert_int_equal(store_do(s, c), EG_ERR_DENIED_DATA);
}

/* What is made beneath a directory gets what its default list says; one that comes with the request stands in its place. */
static void defaults(void **state) {
    store *s = *state;
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/d", .query = "resource=directory", .headers = {"x-ms-acl",
        BASE ",default:user::rwx,default:user:u1:rwx,default:group::r-x,default:other::---"}}), EG_OK);
    assert_int_equal(store_create(s, "/data/d/f"), EG_OK);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/d/f", .query = "action=getAccessControl"});
    assert_non_null(strstr(answer_header(&a, "x-ms-acl"), "user:u1:rwx"));
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/d/g", .query = "resource=file", .headers = {"x-ms-acl", BASE}}), EG_OK);
    expect_acl(s, "/data/d/g", "rwxr-x---", BASE);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/d/h", .query = "resource=file", .headers = {"x-ms-acl",
        BASE ",default:user::rwx"}}), EG_ERR_HTTP_HEADER);
}

static void versions_and_parameters(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const char *const known[] = {"2018-11-09", "2023-11-03", "2024-11-04", "2026-02-06"};
    for (size_t i = 0; i < 4; i++) {
        answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .headers = {"x-ms-version", known[i]}});
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "x-ms-version"), known[i]);
        answer_free(&a);
    }
    const char *const unknown[] = {"", "2009-09-19", "2099-01-01", "2023-13-03", "2023-11-33", "2023-11-3", "2023-11-030", "latest", "2023/11/03"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(store_do(s, (call){.method = "HEAD", .path = "/data/f", .headers = {"x-ms-version", unknown[i]}}), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=flush"}), EG_ERR_QUERY_MISSING);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=flush&position=x"}), EG_ERR_QUERY);
}

static void filesystem_properties(void **state) {
    store *s = *state;
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem", .headers = {"x-ms-properties", "a=MQ=="}}), EG_OK);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/other", .query = "resource=filesystem"});
    assert_string_equal(answer_header(&a, "x-ms-properties"), "a=MQ==");
    assert_string_equal(answer_header(&a, "x-ms-meta-a"), "1");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/other", .query = "resource=filesystem", .headers = {"x-ms-properties", "b=Mg=="}}), EG_OK);
    a = store_call(s, &(call){.method = "HEAD", .path = "/other", .query = "resource=filesystem"});
    assert_string_equal(answer_header(&a, "x-ms-properties"), "b=Mg==");
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/other", .query = "resource=filesystem", .headers = {"x-ms-properties", "b"}}),
        EG_ERR_HTTP_HEADER);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/none", .query = "resource=filesystem"}), EG_ERR_FILESYSTEM_NOT_FOUND);
    a = store_call(s, &(call){.method = "GET", .path = "/", .query = "resource=account&maxResults=1"});
    assert_string_equal(answer_header(&a, "x-ms-continuation"), "data");
    assert_null(strstr(a.body.ptr, "other"));
    answer_free(&a);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/", .query = "resource=account&maxResults=none"}), EG_ERR_QUERY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_path, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_tree, store_open, store_close),
        cmocka_unit_test_setup_teardown(refused_requests, store_open, store_close),
        cmocka_unit_test_setup_teardown(pages, store_open, store_close),
        cmocka_unit_test_setup_teardown(steps, store_open, store_close),
        cmocka_unit_test_setup_teardown(of_others, store_open, store_close),
        cmocka_unit_test_setup_teardown(defaults, store_open, store_close),
        cmocka_unit_test_setup_teardown(versions_and_parameters, store_open, store_close),
        cmocka_unit_test_setup_teardown(filesystem_properties, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
