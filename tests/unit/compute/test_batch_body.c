/* The body of POST /batches: every member is typed, bounded, and named when it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[64];
static const char *const roots[] = {root, NULL};
static const eg_batch_limits limits = {
    .places = {.public_url = "https://gw.example:8443", .file_roots = roots}, .workers = 2, .worker_cores = 2, .worker_memory_mb = 3072};

static eg_err parse(const char *body, json_t **ret, eg_problem *p) {
    return eg_batch_body_parse(eg_str_of(body), &limits, ret, p);
}

#define F "\"file\":\"abfss://data@gw.example:8443/a.py\""

static void wrong_bodies_name_the_field(void **state) {
    (void)state;
    static const struct {
        const char *body;
        eg_err want;
        const char *where;
    } rows[] = {
        {"{bad", EG_ERR_BODY_JSON, NULL},
        {"", EG_ERR_BODY_JSON, NULL},
        {"file=x", EG_ERR_BODY_JSON, NULL},
        {"{" F "," F "}", EG_ERR_BODY_JSON, NULL},
        {"[1]", EG_ERR_BODY_FIELD, NULL},
        {"{}", EG_ERR_INVALID, "file"},
        {"{\"file\":null}", EG_ERR_INVALID, "file"},
        {"{\"file\":7}", EG_ERR_BODY_FIELD, "file"},
        {"{\"file\":\"--conf\"}", EG_ERR_FILE_REFUSED, "file"},
        {"{\"file\":\"/etc/passwd\"}", EG_ERR_FILE_REFUSED, "file"},
        {"{\"file\":\"https://gw.example:8443/a.py\"}", EG_ERR_FILE_REFUSED, "file"},
        {"{" F ",\"args\":\"x\"}", EG_ERR_BODY_FIELD, "args"},
        {"{" F ",\"args\":[\"a\",{}]}", EG_ERR_BODY_FIELD, "args[1]"},
        {"{" F ",\"args\":[null]}", EG_ERR_BODY_FIELD, "args[0]"},
        {"{" F ",\"args\":[\"a\\nb\"]}", EG_ERR_BODY_FIELD, "args[0]"},
        {"{" F ",\"args\":[\"\\u007f\"]}", EG_ERR_BODY_FIELD, "args[0]"},
        {"{" F ",\"args\":[\"${env:X}\"]}", EG_ERR_BODY_FIELD, "args[0]"},
        {"{" F ",\"className\":7}", EG_ERR_BODY_FIELD, "className"},
        {"{" F ",\"className\":\"a b\"}", EG_ERR_BODY_FIELD, "className"},
        {"{" F ",\"className\":\"--x\"}", EG_ERR_BODY_FIELD, "className"},
        {"{" F ",\"name\":\"123\"}", EG_ERR_BODY_FIELD, "name"},
        {"{" F ",\"name\":\"a/b\"}", EG_ERR_BODY_FIELD, "name"},
        {"{" F ",\"name\":[]}", EG_ERR_BODY_FIELD, "name"},
        {"{" F ",\"jars\":[\"http://x/y.jar\"]}", EG_ERR_FILE_REFUSED, "jars[0]"},
        {"{" F ",\"pyFiles\":[\"/etc/x.py\"]}", EG_ERR_FILE_REFUSED, "pyFiles[0]"},
        {"{" F ",\"files\":\"x\"}", EG_ERR_BODY_FIELD, "files"},
        {"{" F ",\"archives\":[1]}", EG_ERR_BODY_FIELD, "archives[0]"},
        {"{" F ",\"conf\":[]}", EG_ERR_BODY_FIELD, "conf"},
        {"{" F ",\"conf\":{\"spark.app.name\":[]}}", EG_ERR_BODY_FIELD, "conf[\"spark.app.name\"]"},
        {"{" F ",\"conf\":{\"spark.master\":\"local\"}}", EG_ERR_CONF_REFUSED, "conf[\"spark.master\"]"},
        {"{" F ",\"driverMemory\":\"512\"}", EG_ERR_BODY_FIELD, "driverMemory"},
        {"{" F ",\"driverMemory\":512}", EG_ERR_BODY_FIELD, "driverMemory"},
        {"{" F ",\"driverMemory\":\"100m\"}", EG_ERR_BODY_FIELD, "driverMemory"},
        {"{" F ",\"executorMemory\":\"4g\"}", EG_ERR_BODY_FIELD, "executorMemory"},
        {"{" F ",\"conf\":{\"spark.executor.memory\":\"4g\"}}", EG_ERR_BODY_FIELD, "executorMemory"},
        {"{" F ",\"executorCores\":3}", EG_ERR_BODY_FIELD, "executorCores"},
        {"{" F ",\"executorCores\":1.5}", EG_ERR_BODY_FIELD, "executorCores"},
        {"{" F ",\"executorCores\":-1}", EG_ERR_BODY_FIELD, "executorCores"},
        {"{" F ",\"numExecutors\":\"many\"}", EG_ERR_BODY_FIELD, "numExecutors"},
        {"{" F ",\"proxyUser\":{}}", EG_ERR_BODY_FIELD, "proxyUser"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_problem p = {0};
        json_t *out = NULL;
        eg_err e = parse(rows[i].body, &out, &p);
        if (e != rows[i].want || (rows[i].where && strcmp(p.where, rows[i].where) != 0)) {
            print_error("%s: %s at \"%s\" (%s)\n", rows[i].body, eg_err_code(e), p.where, p.message);
        }
        assert_int_equal(e, rows[i].want);
        assert_null(out);
        if (rows[i].where) {
            assert_string_equal(p.where, rows[i].where);
        }
    }
}

static void a_whole_body_is_normalised(void **state) {
    (void)state;
    eg_problem p = {0};
    EG_JSON_AUTO out = NULL;
    assert_int_equal(parse("{" F ",\"args\":[\"a\",1,true],\"name\":\"gold1\",\"unknown\":{\"x\":[1]},\"queue\":\"default\",\"driverMemory\":null,"
                           "\"conf\":{\"spark.ui.enabled\":false,\"spark.executor.memory\":\"512m\",\"spark.executor.instances\":2,"
                           "\"spark.sql.shuffle.partitions\":4},\"executorCores\":\"1\"}", &out, &p), EG_OK);
    assert_int_equal(json_array_size(json_object_get(out, "args")), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(out, "args"), 1)), "1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(out, "args"), 2)), "true");
    assert_int_equal(json_object_size(json_object_get(out, "conf")), 1);
    assert_true(eg_str_is(eg_json_str(out, "executorMemory"), "512m"));
    assert_int_equal(json_integer_value(json_object_get(out, "numExecutors")), 2);
    assert_int_equal(json_integer_value(json_object_get(out, "executorCores")), 1);
    assert_true(eg_str_is(eg_json_str(out, "driverMemory"), ""));
    assert_true(eg_str_is(eg_json_str(out, "className"), ""));
    assert_int_equal(json_object_size(out), 15);
    assert_null(json_object_get(out, "unknown"));
}

static void the_field_wins_over_the_property(void **state) {
    (void)state;
    eg_problem p = {0};
    EG_JSON_AUTO out = NULL;
    assert_int_equal(parse("{" F ",\"executorMemory\":\"1g\",\"numExecutors\":3,\"conf\":{\"spark.executor.memory\":\"512m\",\"spark.executor.instances\":1}}", &out, &p), EG_OK);
    assert_true(eg_str_is(eg_json_str(out, "executorMemory"), "1g"));
    assert_int_equal(json_integer_value(json_object_get(out, "numExecutors")), 3);
    assert_int_equal(json_object_size(json_object_get(out, "conf")), 0);
}

static void bounds_hold(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 1 << 20);
    eg_problem p = {0};
    json_t *out = NULL;
    eg_buf_adds(&b, "{" F ",\"args\":[\"0\"");
    for (int i = 1; i < EG_BATCH_ARGS_MAX; i++) {
        eg_buf_adds(&b, ",\"x\"");
    }
    size_t at = b.len;
    eg_buf_adds(&b, "]}");
    assert_int_equal(eg_batch_body_parse(eg_buf_str(&b), &limits, &out, &p), EG_OK);
    json_decref(out);
    b.len = at;
    eg_buf_adds(&b, ",\"one more\"]}");
    assert_int_equal(eg_batch_body_parse(eg_buf_str(&b), &limits, &out, &p), EG_ERR_BODY_FIELD);
    assert_string_equal(p.where, "args");
    eg_buf_reset(&b);
    eg_buf_adds(&b, "{" F ",\"args\":[\"");
    for (unsigned i = 0; i < EG_BATCH_ARGS_BYTES_MAX; i++) {
        eg_buf_adds(&b, "x");
    }
    eg_buf_adds(&b, "\"]}");
    assert_int_equal(eg_batch_body_parse(eg_buf_str(&b), &limits, &out, &p), EG_ERR_BODY_FIELD);
    eg_buf_reset(&b);
    eg_buf_adds(&b, "{" F ",\"conf\":{\"a\":1");
    for (int i = 0; i < EG_BATCH_CONF_MAX; i++) {
        eg_buf_addf(&b, ",\"spark.sql.shuffle.p%d\":1", i);
    }
    eg_buf_adds(&b, "}}");
    assert_int_equal(eg_batch_body_parse(eg_buf_str(&b), &limits, &out, &p), EG_ERR_BODY_FIELD);
    assert_string_equal(p.where, "conf");
    eg_buf_done(&b);
}

static void local_files_must_be_there(void **state) {
    (void)state;
    char body[256], path[96];
    snprintf(path, sizeof path, "%s/a.py", root);
    snprintf(body, sizeof body, "{\"file\":\"%s\"}", path);
    eg_problem p = {0};
    json_t *out = NULL;
    assert_int_equal(parse(body, &out, &p), EG_ERR_FILE_REFUSED);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(parse(body, &out, &p), EG_OK);
    json_decref(out);
    unlink(path);
}

int main(void) {
    snprintf(root, sizeof root, P_tmpdir "/eg-body-XXXXXX");
    if (!mkdtemp(root)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_bodies_name_the_field), cmocka_unit_test(a_whole_body_is_normalised),
                                       cmocka_unit_test(the_field_wins_over_the_property), cmocka_unit_test(bounds_hold),
                                       cmocka_unit_test(local_files_must_be_there)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(root);
    return failed;
}
