/* Conditional headers against an inode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conditions.h"

#include <stdio.h>

#define S ((int64_t)1000000000)

static eg_err check(const char *name, const char *value, const eg_inode *i) {
    const eg_header h = {eg_str_of(name), eg_str_of(value)};
    const eg_request rq = {.headers = &h, .header_count = 1};
    eg_conditions c;
    eg_problem p = {0};
    EG_TRY(eg_conditions_read(&rq, &c, &p));
    return eg_conditions_check(&c, i, &p);
}

static void etags(void **state) {
    (void)state;
    eg_inode i = {.id = {{[8] = 1, 2, 3}}, .change = 7, .modified_ns = 1700000000 * S};
    char etag[EG_ETAG_LEN];
    char text[200];
    eg_ns_etag(&i, etag);
    assert_string_equal(etag, "0x010203000000000000000007");
    const struct {
        const char *form;
        eg_err match, none_match;
    } cases[] = {
        {"%s", EG_OK, EG_ERR_CONDITION_NOT_MET},
        {"\"%s\"", EG_OK, EG_ERR_CONDITION_NOT_MET},
        {"\"0x1\", \"%s\"", EG_ERR_CONDITIONS_TOO_MANY, EG_ERR_CONDITIONS_TOO_MANY},
        {"%s1", EG_ERR_CONDITION_NOT_MET, EG_OK},
        {"W/\"%s\"", EG_ERR_CONDITION_NOT_MET, EG_OK},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        const char *at = strchr(cases[n].form, '%');
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - cases[n].form), cases[n].form, etag, at + 2);
        assert_int_equal(check("If-Match", text, &i), cases[n].match);
        assert_int_equal(check("if-none-match", text, &i), cases[n].none_match);
        const bool list = strchr(text, ',') != NULL;
        assert_int_equal(check("If-Match", text, NULL), list ? EG_ERR_CONDITIONS_TOO_MANY : EG_ERR_CONDITION_NOT_MET);
        assert_int_equal(check("If-None-Match", text, NULL), list ? EG_ERR_CONDITIONS_TOO_MANY : EG_OK);
    }
    assert_int_equal(check("If-Match", "*", &i), EG_OK);
    assert_int_equal(check("If-Match", "*", NULL), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(check("If-None-Match", "*", &i), EG_ERR_PATH_EXISTS);
    assert_int_equal(check("If-None-Match", "*", NULL), EG_OK);
}

static void dates(void **state) {
    (void)state;
    /* Tue, 14 Nov 2023 22:13:20 GMT and half a second: HTTP dates don't see the half. */
    const eg_inode i = {.modified_ns = 1700000000 * S + S / 2};
    assert_int_equal(check("If-Modified-Since", "Tue, 14 Nov 2023 22:13:20 GMT", &i), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(check("If-Modified-Since", "Tue, 14 Nov 2023 22:13:19 GMT", &i), EG_OK);
    assert_int_equal(check("If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:20 GMT", &i), EG_OK);
    assert_int_equal(check("If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:19 GMT", &i), EG_ERR_CONDITION_NOT_MET);
    assert_int_equal(check("If-Unmodified-Since", "yesterday", &i), EG_ERR_HTTP_HEADER);
}

/* A read: what the asker has already is "not modified"; one of If-None-Match and If-Modified-Since that holds is enough. */
static void reads(void **state) {
    (void)state;
    const eg_inode i = {.id = {{[8] = 1, 2, 3}}, .change = 7, .modified_ns = 1700000000 * S};
    const char *etag = "0x010203000000000000000007";
    const char *then = "Tue, 14 Nov 2023 22:13:20 GMT";
    const char *before = "Tue, 14 Nov 2023 22:13:19 GMT";
    const struct {
        const char *names[2], *values[2];
        eg_err want;
    } cases[] = {
        {{"If-None-Match"}, {etag}, EG_ERR_NOT_MODIFIED},
        {{"If-None-Match"}, {"0x1"}, EG_OK},
        {{"If-None-Match"}, {"*"}, EG_ERR_CONDITION_UNSATISFIABLE},
        {{"If-Match"}, {etag}, EG_OK},
        {{"If-Match"}, {"*"}, EG_OK},
        {{"If-Match"}, {"0x1"}, EG_ERR_CONDITION_NOT_MET},
        {{"If-Modified-Since"}, {then}, EG_ERR_NOT_MODIFIED},
        {{"If-Modified-Since"}, {before}, EG_OK},
        {{"If-Unmodified-Since"}, {then}, EG_OK},
        {{"If-Unmodified-Since"}, {before}, EG_ERR_CONDITION_NOT_MET},
        {{"If-None-Match", "If-Modified-Since"}, {etag, before}, EG_OK},
        {{"If-None-Match", "If-Modified-Since"}, {"0x1", then}, EG_OK},
        {{"If-None-Match", "If-Modified-Since"}, {etag, then}, EG_ERR_NOT_MODIFIED},
        {{"If-Match", "If-None-Match"}, {etag, etag}, EG_ERR_NOT_MODIFIED},
        {{"If-Match", "If-None-Match"}, {"0x1", etag}, EG_ERR_CONDITION_NOT_MET},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        eg_header h[2];
        size_t count = 0;
        for (size_t k = 0; k < 2 && cases[n].names[k]; k++) {
            h[count++] = (eg_header){eg_str_of(cases[n].names[k]), eg_str_of(cases[n].values[k])};
        }
        const eg_request rq = {.headers = h, .header_count = count};
        eg_conditions c;
        eg_problem p = {0};
        assert_int_equal(eg_conditions_read(&rq, &c, &p), EG_OK);
        assert_int_equal(eg_conditions_check_read(&c, &i, &p), cases[n].want);
        if (count == 2) { /* as a change: only the two pairs are allowed */
            const eg_err e = eg_conditions_check(&c, &i, &p);
            assert_true((e == EG_ERR_CONDITIONS_TOO_MANY) == (strcmp(cases[n].names[0], "If-Match") == 0));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(etags), cmocka_unit_test(dates), cmocka_unit_test(reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
