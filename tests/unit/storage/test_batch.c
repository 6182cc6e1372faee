/* Blob batches: what is read as one, and that each part is decided, done, recorded and answered on its own. covers: batch.c batch_body.c */
#include "batch_body.h"
#include "blob_calls.h"
#include "moved_clock.h"

#define PART(id, line) "--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: " id "\r\n\r\n" line " HTTP/1.1\r\n" \
    "x-ms-date: Mon, 23 Nov 2026 06:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
#define END "--b1--\r\n"

static answer batch(store *s, const char *path, const char *body) {
    return blob_call(s, (call){.method = "POST", .path = path, .query = "comp=batch", .headers = {"Content-Type", "multipart/mixed; boundary=b1"},
        .body = body, .body_len = strlen(body)});
}

static void boundaries(void **state) {
    (void)state;
    eg_str b;
    assert_int_equal(eg_batch_boundary(EG_LIT("multipart/mixed; boundary=a-b"), &b), EG_OK);
    assert_true(eg_str_is(b, "a-b"));
    assert_int_equal(eg_batch_boundary(EG_LIT("Multipart/Mixed; charset=x; Boundary=\"a b\""), &b), EG_OK);
    assert_true(eg_str_is(b, "a b"));
    static const char *const bad[] = {"", "multipart/mixed", "multipart/form-data; boundary=a", "multipart/mixed; boundary=", "multipart/mixed; boundary=\"\"",
        "multipart/mixed; boundary=\"a", "multipart/mixed; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_batch_boundary(eg_str_of(bad[i]), &b), EG_ERR_HTTP_HEADER);
    }
}

static void bodies(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "x", END, "--b2--\r\n", PART("0", "DELETE /a/b"), "junk\r\n" PART("0", "DELETE /a/b") END,
        "--b1\r\n\r\nDELETE /a/b HTTP/1.1\r\n\r\n" END,
        "--b1\r\nContent-Type: text/plain\r\n\r\nDELETE /a/b HTTP/1.1\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b HTTP/1.0\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE a/b HTTP/1.1\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a\tb HTTP/1.1\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b HTTP/1.1\r\nContent-Length: 1\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b HTTP/1.1\r\n\r\nbody: x\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b HTTP/1.1\r\nbad name: x\r\n\r\n" END,
        "--b1\r\nContent-Type: application/http\r\n\r\nDELETE /a/b HTTP/1.1\r\nno colon\r\n\r\n" END,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_batch_reader r = {.rest = eg_str_of(bad[i]), .boundary = EG_LIT("b1")};
        eg_batch_part part;
        eg_err e = eg_batch_next(&r, &part);
        e = e == EG_OK ? eg_batch_next(&r, &part) : e;
        assert_int_equal(e, EG_ERR_INVALID);
    }
    eg_batch_reader r = {.rest = EG_LIT("\r\n" PART("7", "DELETE /a/b?x=y") PART("8", "PUT /c") END), .boundary = EG_LIT("b1")};
    eg_batch_part part;
    assert_int_equal(eg_batch_next(&r, &part), EG_OK);
    assert_true(eg_str_is(part.method, "DELETE") && eg_str_is(part.target, "/a/b?x=y") && eg_str_is(part.content_id, "7"));
    assert_int_equal(part.header_count, 2);
    assert_true(eg_str_is(part.headers[0].name, "x-ms-date"));
    assert_int_equal(eg_batch_next(&r, &part), EG_OK);
    assert_true(eg_str_is(part.method, "PUT"));
    assert_int_equal(eg_batch_next(&r, &part), EG_ERR_NOT_FOUND);
}

static void deletions(void **state) {
    store *s = *state;
    store_write(s, "/data/a b", "one", 3);
    store_write(s, "/data/c", "one", 3);
    store_write(s, "/data/leased", "one", 3);
    assert_int_equal(blob_do(s, (call){.method = "PUT", .path = "/data/leased", .query = "comp=lease", .headers = {"x-ms-lease-action", "acquire",
        "x-ms-lease-duration", "-1"}}), EG_OK);
    const int before = s->records;
    answer a = batch(s, "/", PART("0", "DELETE /data/a%20b") PART("1", "DELETE /data/missing") PART("2", "DELETE /data/leased") PART("3", "PUT /data/c?comp=tier")
        PART("4", "DELETE /data") PART("5", "DELETE /data/c") END);
    assert_int_equal(a.status, 202);
    assert_non_null(strstr(answer_header(&a, "Content-Type"), "multipart/mixed; boundary=batchresponse_"));
    static const struct {
        const char *id, *status, *code;
    } want[] = {{"0", "HTTP/1.1 202 ", NULL}, {"1", "HTTP/1.1 404 ", "BlobNotFound"}, {"2", "HTTP/1.1 412 ", "LeaseIdMissing"},
        {"3", "HTTP/1.1 501 ", NULL}, {"4", "HTTP/1.1 400 ", NULL}, {"5", "HTTP/1.1 202 ", NULL}};
    const char *at = a.body.ptr;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        char id[32];
        snprintf(id, sizeof id, "Content-ID: %s\r\n", want[i].id);
        at = strstr(at, id);
        assert_non_null(at);
        at = strstr(at, "HTTP/1.1");
        assert_int_equal(strncmp(at, want[i].status, strlen(want[i].status)), 0);
        assert_true(!want[i].code || strstr(at, want[i].code));
    }
    answer_free(&a);
    assert_int_equal(store_head(s, "/data/a b"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_head(s, "/data/c"), EG_ERR_PATH_NOT_FOUND);
    assert_int_equal(store_head(s, "/data/leased"), EG_OK);
    assert_int_equal(s->records - before, 6); /* each on its own */
}

static void refused(void **state) {
    store *s = *state;
    store_write(s, "/data/a", "one", 3);
    answer a = batch(s, "/data", PART("0", "DELETE /other/a") PART("1", "DELETE /data/a") END);
    assert_int_equal(a.status, 202);
    assert_true(answer_has(&a, "HTTP/1.1 400 ") && answer_has(&a, "HTTP/1.1 202 "));
    answer_free(&a);
    store_write(s, "/data/a", "one", 3);
    /* Nothing is done unless all of it can be read. */
    a = batch(s, "/", PART("0", "DELETE /data/a") "--b1\r\n");
    assert_int_equal(a.err, EG_ERR_INVALID);
    answer_free(&a);
    assert_int_equal(blob_do(s, (call){.method = "POST", .path = "/", .query = "comp=batch", .headers = {"Content-Type", "text/plain"}, .body = END, .body_len = 8}), EG_ERR_INVALID);
    eg_buf many;
    eg_buf_init(&many, EG_BATCH_BODY_MAX);
    for (int i = 0; i <= EG_BATCH_PARTS_MAX; i++) {
        assert_int_equal(eg_buf_adds(&many, PART("0", "DELETE /data/a")), EG_OK);
    }
    assert_int_equal(eg_buf_add(&many, END, sizeof END), EG_OK);
    a = batch(s, "/", many.ptr);
    assert_int_equal(a.err, EG_ERR_INVALID);
    answer_free(&a);
    eg_buf_done(&many);
    assert_int_equal(store_head(s, "/data/a"), EG_OK);
    /* What roles don't grant, lists decide: nobody gave this one anything. */
    s->denied = "/containers/data";
    assert_int_equal(store_mkdir(s, "/data/closed"), EG_OK);
    a = batch(s, "/", PART("0", "DELETE /data/a") END);
    assert_int_equal(a.status, 202);
    assert_true(answer_has(&a, "HTTP/1.1 403 ") && answer_has(&a, "AuthorizationPermissionMismatch"));
    answer_free(&a);
    s->denied = NULL;
    assert_int_equal(store_head(s, "/data/a"), EG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundaries),
        cmocka_unit_test(bodies),
        cmocka_unit_test_setup_teardown(deletions, open_clocked, store_close),
        cmocka_unit_test_setup_teardown(refused, open_clocked, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
