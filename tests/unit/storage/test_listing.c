/* Listing: order, depth, pages, continuation, and directories that change in between. */
#include "storage_fixture.h"

/* The names of one page, joined; the continuation goes into *token. */
static void page(store *s, const char *query, eg_buf *names, char *token, size_t cap) {
    answer a = store_call(s, &(call){.method = "GET", .path = "/data", .query = query});
    assert_int_equal(a.err, EG_OK);
    eg_problem p = {0};
    json_t *all = NULL;
    assert_int_equal(eg_json_parse(eg_buf_str(&a.body), (size_t)1 << 24, &all, &p), EG_OK);
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(all, "paths"), i, v) {
        eg_buf_addf(names, "%s%s ", json_string_value(json_object_get(v, "name")), json_object_get(v, "isDirectory") ? "/" : "");
    }
    const char *next = answer_header(&a, "x-ms-continuation");
    snprintf(token, cap, "%s", next ? next : "");
    json_decref(all);
    answer_free(&a);
}

/* All pages of `size`; returns how many there were. */
static int list(store *s, const char *query, int size, eg_buf *names) {
    char token[8192] = "";
    int pages = 0;
    eg_buf_init(names, 65536);
    eg_buf_adds(names, "");
    do {
        char q[9000];
        snprintf(q, sizeof q, "resource=filesystem&%s&maxResults=%d%s%s", query, size, token[0] ? "&continuation=" : "", token);
        page(s, q, names, token, sizeof token);
        pages++;
    } while (token[0] && pages < 1000);
    return pages;
}

/* A page never has more than 5,000, whatever is asked for, and without being asked. */
static void the_longest_page(void **state) {
    store *s = *state;
    char path[32];
    for (int i = 0; i < 5001; i++) {
        snprintf(path, sizeof path, "/data/f%05d", i);
        assert_int_equal(store_do(s, (call){.method = "PUT", .path = path, .query = "resource=file"}), EG_OK);
    }
    const char *const queries[] = {"resource=filesystem&recursive=true", "resource=filesystem&recursive=false&maxResults=9000", "resource=filesystem&recursive=true&maxResults=5000"};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char token[8192];
        eg_buf names;
        eg_buf_init(&names, 65536);
        page(s, queries[i], &names, token, sizeof token);
        assert_true(token[0] != '\0');
        assert_int_equal(names.len, 5000 * 7);
        eg_buf_done(&names);
    }
}

static void make_tree(store *s) {
    const char *const files[] = {"/data/b/2", "/data/b/1", "/data/a", "/data/c/x/y/z", "/data/c/x-1", "/data/c/x", "/data/d"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (i != 5) {
            assert_int_equal(store_create(s, files[i]), EG_OK);
        }
    }
}

static void orders(void **state) {
    store *s = *state;
    make_tree(s);
    static const char whole[] = "a b/ b/1 b/2 c/ c/x/ c/x/y/ c/x/y/z c/x-1 d ";
    for (int size = 1; size <= 11; size++) {
        eg_buf names;
        const int pages = list(s, "recursive=true", size, &names);
        assert_string_equal(names.ptr, whole);
        assert_int_equal(pages, (10 + size - 1) / size);
        eg_buf_done(&names);
        list(s, "recursive=false", size, &names);
        assert_string_equal(names.ptr, "a b/ c/ d ");
        eg_buf_done(&names);
        list(s, "recursive=true&directory=%2Fc%2F", size, &names);
        assert_string_equal(names.ptr, "c/x/ c/x/y/ c/x/y/z c/x-1 ");
        eg_buf_done(&names);
    }
    eg_buf names;
    list(s, "recursive=true&directory=c/x/y/z", 10, &names); /* a file: itself */
    assert_string_equal(names.ptr, "c/x/y/z ");
    eg_buf_done(&names);
    assert_int_equal(store_mkdir(s, "/data/empty"), EG_OK);
    list(s, "recursive=true&directory=empty", 10, &names);
    assert_string_equal(names.ptr, "");
    eg_buf_done(&names);
}

static void changes_between_pages(void **state) {
    store *s = *state;
    make_tree(s);
    char token[8192];
    char q[9000];
    eg_buf names;
    eg_buf_init(&names, 65536);
    page(s, "resource=filesystem&recursive=true&maxResults=7", &names, token, sizeof token);
    assert_string_equal(names.ptr, "a b/ b/1 b/2 c/ c/x/ c/x/y/ ");
    assert_int_equal(store_delete(s, "/data/c/x", "recursive=true"), EG_OK);
    eg_buf_reset(&names);
    snprintf(q, sizeof q, "resource=filesystem&recursive=true&continuation=%s", token);
    page(s, q, &names, token, sizeof token);
    assert_string_equal(names.ptr, "c/x-1 d ");
    eg_buf_done(&names);
}

static void refused_tokens(void **state) {
    store *s = *state;
    make_tree(s);
    char token[8192];
    eg_buf names;
    eg_buf_init(&names, 65536);
    page(s, "resource=filesystem&recursive=true&maxResults=2", &names, token, sizeof token);
    eg_buf_done(&names);
    const int64_t counted = eg_metric_get(EG_METRIC_STORAGE_CORRUPT);
    char q[9000];
    /* Of another listing, cut, changed, or made up. */
    const char *const forms[] = {"recursive=false&continuation=%s", "recursive=true&directory=b&continuation=%s", "recursive=true&continuation=x%s",
        "recursive=true&continuation=AQAB"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char form[128];
        snprintf(form, sizeof form, "resource=filesystem&%.*s", (int)(strchr(forms[i], '%') ? strchr(forms[i], '%') - forms[i] : (long)strlen(forms[i])), forms[i]);
        snprintf(q, sizeof q, "%s%s", form, strchr(forms[i], '%') ? token : "");
        assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = q}), EG_ERR_QUERY);
    }
    token[10] = token[10] == 'A' ? 'B' : 'A';
    snprintf(q, sizeof q, "resource=filesystem&recursive=true&continuation=%s", token);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = q}), EG_ERR_QUERY);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = "resource=filesystem&maxResults=0"}), EG_ERR_QUERY_RANGE);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = "resource=filesystem&maxResults=-1"}), EG_ERR_QUERY_RANGE);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data", .query = "resource=filesystem&directory=no"}), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/nofs", .query = "resource=filesystem"}), EG_ERR_FILESYSTEM_NOT_FOUND);
    assert_int_equal(eg_metric_get(EG_METRIC_STORAGE_CORRUPT), counted); /* a forged token is no damage of ours */
}

/* A chain of `depth` directories at `at`. */
static void make_chain(store *s, const char *at, int depth) {
    char path[2048];
    size_t n = (size_t)snprintf(path, sizeof path, "%s", at);
    for (int i = 0; i < depth; i++) {
        n += (size_t)snprintf(path + n, sizeof path - n, "/d");
    }
    assert_int_equal(store_mkdir(s, path), EG_OK);
}

/* A path as deep as one may be: no rename gets past it, all of it is listed, and it can be deleted. */
static void at_the_bounds(void **state) {
    store *s = *state;
    char end[2048] = "/data/b";
    make_chain(s, "/data/a", 100);
    make_chain(s, "/data/b", 100);
    assert_int_equal(store_create(s, "/data/z"), EG_OK);
    for (size_t i = 0, n = strlen(end); i < 100; i++) {
        n += (size_t)snprintf(end + n, sizeof end - n, "/d");
    }
    assert_int_equal(store_rename(s, "/data/a", end), EG_ERR_PATH_INVALID);
    make_chain(s, end, 27);
    eg_buf names;
    const int pages = list(s, "recursive=true", 7, &names);
    assert_int_equal(pages, (101 + 128 + 1 + 6) / 7);
    assert_non_null(strstr(names.ptr, " z "));
    eg_buf_done(&names);
    assert_int_equal(store_delete(s, "/data/a", "recursive=true"), EG_OK);
    assert_int_equal(store_delete(s, "/data/b", "recursive=true"), EG_OK);
    (void)store_reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_INODE), 2);
}

static void escapes(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/q\"\\\n\x7f\xc3\xa9"), EG_OK);
    eg_buf names;
    list(s, "recursive=true", 5, &names);
    assert_string_equal(names.ptr, "q\"\\\n\x7f\xc3\xa9 ");
    eg_buf_done(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(orders, store_open, store_close),
        cmocka_unit_test_setup_teardown(changes_between_pages, store_open, store_close),
        cmocka_unit_test_setup_teardown(refused_tokens, store_open, store_close),
        cmocka_unit_test_setup_teardown(at_the_bounds, store_open, store_close),
        cmocka_unit_test_setup_teardown(the_longest_page, store_open, store_close),
        cmocka_unit_test_setup_teardown(escapes, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
