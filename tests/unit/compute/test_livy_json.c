/* Pages of logs as Livy counts them, and the shapes of its JSON against what a real Livy answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "livy.h"

#include <stdio.h>

static json_t *golden(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.json", GOLDEN_DIR, name);
    json_t *o = json_load_file(path, 0, NULL);
    assert_non_null(o);
    json_t *body = json_incref(json_object_get(json_object_get(o, "response"), "json"));
    json_decref(o);
    return body;
}

static void pages(void **state) {
    (void)state;
    static const struct {
        uint64_t lines;
        int64_t from, size;
        eg_livy_page want;
    } rows[] = {
        {0, -1, 100, {0, 2, true, true, 0, 0}},        /* nothing written yet: the two markers */
        {0, 0, 1, {0, 2, true, false, 0, 0}},
        {106, 0, 3, {0, 108, true, false, 0, 2}},      /* golden 033 */
        {106, -5, -1, {0, 108, true, true, 0, 106}},   /* golden 035 */
        {106, -1, 10, {98, 108, false, true, 97, 9}},  /* golden 031 */
        {106, 107, 10, {107, 108, false, true, 106, 0}},
        {106, 106, 1, {106, 108, false, false, 105, 1}},
        {106, 108, 10, {108, 108, false, false, 107, 0}}, /* out of range: an empty page, not an error */
        {106, 5000, 10, {5000, 108, false, false, 4999, 0}},
        {106, 1, 0, {1, 108, false, false, 0, 0}},
        {106, 0, 0, {0, 108, false, false, 0, 0}},
        {3, 1, 100, {1, 5, false, true, 0, 3}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_livy_page p = eg_livy_page_of(rows[i].lines, rows[i].from, rows[i].size);
        if (p.from != rows[i].want.from || p.count != rows[i].want.count) {
            print_error("row %zu: from %llu count %llu\n", i, (unsigned long long)p.from, (unsigned long long)p.count);
        }
        assert_int_equal(p.from, rows[i].want.from);
        assert_int_equal(p.total, rows[i].want.total);
        assert_int_equal(p.stdout_mark, rows[i].want.stdout_mark);
        assert_int_equal(p.stderr_mark, rows[i].want.stderr_mark);
        assert_int_equal(p.count, rows[i].want.count);
        if (p.count) {
            assert_int_equal(p.first, rows[i].want.first);
        }
    }
}

/* What a page says is as long as Livy's was. */
static void pages_are_as_long_as_the_recorded_ones(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t from, size;
    } rows[] = {{"033-batch-log-done", 0, 3}, {"035-batch-log-neg", -5, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EG_JSON_AUTO body = golden(rows[i].name);
        uint64_t total = (uint64_t)json_integer_value(json_object_get(body, "total"));
        eg_livy_page p = eg_livy_page_of(total - 2, rows[i].from, rows[i].size);
        assert_int_equal(p.total, total);
        assert_int_equal(p.from, json_integer_value(json_object_get(body, "from")));
        assert_int_equal(p.count + p.stdout_mark + p.stderr_mark, json_array_size(json_object_get(body, "log")));
    }
}

static void a_batch_has_livys_members(void **state) {
    (void)state;
    static const char *const names[] = {"015-batch-create", "017-batch-get", "031-batch-get-done", "038-batch-get-dead"};
    eg_batch b;
    eg_batch_init(&b);
    b.id = 4;
    b.state = EG_BATCH_STARTING;
    snprintf(b.name, sizeof b.name, "gold1");
    snprintf(b.cluster, sizeof b.cluster, "spark");
    EG_JSON_AUTO ours = eg_livy_batch_json(&b, "", "", NULL, &b.usage);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        EG_JSON_AUTO theirs = golden(names[i]);
        const char *key;
        json_t *value;
        json_object_foreach(theirs, key, value) {
            if (!json_object_get(ours, key)) {
                print_error("%s lacks %s\n", names[i], key);
            }
            assert_non_null(json_object_get(ours, key));
        }
        assert_int_equal(json_object_size(ours), json_object_size(theirs) + 1);
    }
    EG_JSON_AUTO created = golden("015-batch-create");
    json_object_del(ours, "embergate");
    assert_true(json_equal(ours, created));
    eg_batch_done(&b);
}

static void states_are_livys(void **state) {
    (void)state;
    assert_string_equal(eg_batch_state_name(EG_BATCH_STARTING), "starting");
    assert_string_equal(eg_batch_state_name(EG_BATCH_RUNNING), "running");
    assert_string_equal(eg_batch_state_name(EG_BATCH_SUCCESS), "success");
    assert_string_equal(eg_batch_state_name(EG_BATCH_DEAD), "dead");
    assert_string_equal(eg_batch_state_name(EG_BATCH_KILLED), "killed");
    assert_string_equal(eg_batch_state_name(EG_BATCH_NONE), "error");
    assert_string_equal(eg_batch_state_name(EG_BATCH_STATE_COUNT), "error");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages), cmocka_unit_test(pages_are_as_long_as_the_recorded_ones), cmocka_unit_test(a_batch_has_livys_members),
                                       cmocka_unit_test(states_are_livys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
