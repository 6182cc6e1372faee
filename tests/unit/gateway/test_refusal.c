/* The door's own answers are well formed, whatever the problem says. */
#include "door/refusal.h"

#include <embergate/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void test_every_error(void **state) {
    (void)state;
    for (int i = 1; i < EG_ERR_COUNT; i++) {
        eg_err why = (eg_err)i;
        eg_problem p = {0};
        eg_buf b;
        char status[32];
        assert_int_equal(eg_fail(&p, why, "a \"quote\", a \\ and a %s", "line\r\nSet-Cookie: x"), why);
        eg_buf_init(&b, 4096);
        assert_int_equal(eg_refusal_http(why, i % 2 ? &p : NULL, &b), EG_OK);
        (void)snprintf(status, sizeof status, "HTTP/1.1 %d ", eg_err_http_status(why));
        assert_true(eg_str_starts(eg_buf_str(&b), status));
        const char *body = strstr(b.ptr, "\r\n\r\n");
        const char *length = strstr(b.ptr, "\r\nContent-Length: ");
        assert_true(body != NULL && length != NULL && length < body);
        body += 4;
        assert_int_equal(strtoul(length + 18, NULL, 10), strlen(body));
        const char *cookie = strstr(b.ptr, "\nSet-Cookie");
        assert_null(cookie);
        json_t *v = NULL;
        assert_int_equal(eg_json_parse(eg_str_of(body), 4096, &v, NULL), EG_OK);
        assert_true(eg_str_is(eg_json_str(json_object_get(v, "error"), "code"), eg_err_code(why)));
        json_decref(v);
        eg_buf_done(&b);
    }
}

static void test_no_room(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 64);
    assert_int_equal(eg_refusal_http(EG_ERR_HTTP_FRAMING, NULL, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_error), cmocka_unit_test(test_no_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
