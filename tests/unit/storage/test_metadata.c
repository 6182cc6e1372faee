/* Metadata in its two forms: what is taken, what is refused, and that one form becomes the other and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metadata.h"

#include <stdio.h>
#include <stdlib.h>

static int setup(void **state) {
    eg_request *rq = calloc(1, sizeof *rq);
    rq->arena = eg_arena_new((size_t)256 << 10);
    *state = rq;
    return 0;
}

static int teardown(void **state) {
    eg_request *rq = *state;
    eg_arena_free(rq->arena);
    free(rq);
    return 0;
}

static void first_form(void **state) {
    (void)state;
    assert_true(eg_metadata_ok(EG_LIT("a=Ymx1ZQ==,B_2=MQ==")));
    assert_true(eg_metadata_ok(EG_LIT("a=")));
    assert_false(eg_metadata_ok(EG_LIT("")));
    assert_false(eg_metadata_ok(EG_LIT("a=***")));
    assert_false(eg_metadata_ok(EG_LIT("2a=MQ==")));
    assert_false(eg_metadata_ok(EG_LIT("a b=MQ==")));
    assert_false(eg_metadata_ok(EG_LIT("a=MQ==,")));
    assert_false(eg_metadata_ok(EG_LIT("ab=MQ==,c=,AB=MQ=="))); /* one header */
    assert_true(eg_metadata_ok(EG_LIT("ab=MQ==,a=,abc=,b=")));
}

/* "n0=,n1=,…" */
static eg_str names(size_t n, char *ret, size_t cap) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(ret + at, cap - at, "%sn%zu=MQ==", i ? "," : "", i);
    }
    return (eg_str){ret, at};
}

/* Each becomes a header of an answer, which has a bound: also where a file has more, written before they were counted. */
static void many(void **state) {
    eg_request *rq = *state;
    char text[4096];
    assert_true(eg_metadata_ok(names(EG_METADATA_NAMES_MAX, text, sizeof text)));
    assert_false(eg_metadata_ok(names(EG_METADATA_NAMES_MAX + 1, text, sizeof text)));
    assert_int_equal(eg_metadata_headers(rq, names(300, text, sizeof text)), EG_OK);
    assert_int_equal(rq->response.header_count, EG_METADATA_NAMES_MAX);
    eg_header headers[EG_METADATA_NAMES_MAX + 1];
    char name[EG_METADATA_NAMES_MAX + 1][24];
    for (size_t i = 0; i <= EG_METADATA_NAMES_MAX; i++) {
        snprintf(name[i], sizeof name[i], "x-ms-meta-n%zu", i);
        headers[i] = (eg_header){eg_str_of(name[i]), EG_LIT("v")};
    }
    eg_str all;
    rq->headers = headers;
    rq->header_count = EG_METADATA_NAMES_MAX;
    assert_int_equal(eg_metadata_of_headers(rq, NULL, &all), EG_OK);
    rq->header_count++;
    assert_int_equal(eg_metadata_of_headers(rq, NULL, &all), EG_ERR_METADATA_TOO_LARGE);
}

static void there_and_back(void **state) {
    eg_request *rq = *state;
    const eg_header headers[] = {{EG_LIT("x-ms-meta-Colour"), EG_LIT("blue")}, {EG_LIT("Content-Type"), EG_LIT("x/y")},
        {EG_LIT("X-MS-META-n"), EG_LIT("")}, {EG_LIT("x-ms-meta-hdi_isfolder"), EG_LIT("true")}};
    rq->headers = headers;
    rq->header_count = 4;
    eg_str all;
    assert_int_equal(eg_metadata_of_headers(rq, "hdi_isfolder", &all), EG_OK);
    assert_true(eg_str_is(all, "Colour=Ymx1ZQ==,n="));
    assert_true(eg_metadata_ok(all));
    assert_int_equal(eg_metadata_headers(rq, all), EG_OK);
    assert_int_equal(rq->response.header_count, 2);
    assert_string_equal(rq->response.headers[0].name, "x-ms-meta-Colour");
    assert_true(eg_str_is(rq->response.headers[0].value, "blue"));
    eg_buf b;
    eg_buf_init(&b, 1000);
    assert_int_equal(eg_metadata_xml(&b, EG_LIT("a=PCY+,b=/w==")), EG_OK);
    assert_string_equal(b.ptr, "<a>&lt;&amp;&gt;</a><b>?</b>");
    eg_buf_done(&b);
    rq->header_count = 0;
    assert_int_equal(eg_metadata_of_headers(rq, NULL, &all), EG_OK);
    assert_int_equal(all.len, 0);
    /* A value with a line break can't be a header: left out, nothing else is. */
    assert_int_equal(eg_metadata_headers(rq, EG_LIT("x=Cg==,y=eQ==")), EG_OK);
    assert_int_equal(rq->response.header_count, 3);
    assert_string_equal(rq->response.headers[2].name, "x-ms-meta-y");
}

static void refusals(void **state) {
    eg_request *rq = *state;
    char *big = malloc(EG_METADATA_MAX);
    memset(big, 'v', EG_METADATA_MAX);
    const struct {
        eg_header headers[2];
        eg_err owed;
    } cases[] = {
        {{{EG_LIT("x-ms-meta-"), EG_LIT("v")}, {EG_LIT("a"), EG_LIT("b")}}, EG_ERR_METADATA},
        {{{EG_LIT("x-ms-meta-1"), EG_LIT("v")}, {EG_LIT("a"), EG_LIT("b")}}, EG_ERR_METADATA},
        {{{EG_LIT("x-ms-meta-a"), EG_LIT("v")}, {EG_LIT("x-ms-meta-A"), EG_LIT("b")}}, EG_ERR_METADATA},
        {{{EG_LIT("x-ms-meta-a"), {big, EG_METADATA_MAX}}, {EG_LIT("a"), EG_LIT("b")}}, EG_ERR_METADATA_TOO_LARGE},
        {{{EG_LIT("x-ms-meta-a"), {big, EG_METADATA_MAX - 1}}, {EG_LIT("a"), EG_LIT("b")}}, EG_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_str all;
        rq->headers = cases[i].headers;
        rq->header_count = 2;
        assert_int_equal(eg_metadata_of_headers(rq, NULL, &all), cases[i].owed);
        assert_true(cases[i].owed != EG_OK || all.len <= EG_PROPERTIES_MAX);
    }
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_form),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
