/* Checks that every line is one JSON object whatever text comes from outside, and that the rate is bounded. covers: metrics.c */
#include <embergate/json.h>
#include <embergate/log.h>
#include <embergate/metrics.h>

#include "check.h"

#include <fcntl.h>
#include <time.h>

static int pipe_fds[2];

static int open_log(void **state) {
    (void)state;
    if (pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC) != 0 || fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20) < 0) {
        return -1;
    }
    eg_log_init("test", EG_LOG_INFO, pipe_fds[1]);
    return 0;
}

static int close_log(void **state) {
    (void)state;
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

static char lines[1 << 20];

static size_t read_lines(void) {
    size_t len = 0;
    ssize_t n;
    while ((n = read(pipe_fds[0], lines + len, sizeof lines - 1 - len)) > 0) {
        len += (size_t)n;
    }
    lines[len] = '\0';
    size_t count = 0;
    for (const char *p = lines; (p = strchr(p, '\n')); p++) {
        count++;
    }
    return count;
}

static json_t *one_line(void) {
    json_t *v = NULL;
    eg_problem p = {0};
    assert_int_equal(read_lines(), 1);
    assert_int_equal(eg_json_parse(eg_str_of(lines), sizeof lines, &v, &p), EG_OK);
    return v;
}

static void text_from_outside_is_inert(void **state) {
    (void)state;
    eg_log(EG_LOG_INFO, "request", "path", "a\"\\\n\x1b[31m\xff\xe2\x80\xae\xc3\xa9", "empty", NULL, "never", "read", NULL);
    EG_JSON_AUTO v = one_line();
    assert_true(eg_str_is(eg_json_str(v, "process"), "test"));
    assert_true(eg_str_is(eg_json_str(v, "level"), "info"));
    assert_true(eg_str_is(eg_json_str(v, "path"), "a\"\\\n\x1b[31m\xef\xbf\xbd\xe2\x80\xae\xc3\xa9"));
    assert_non_null(strstr(lines, "\\u001b"));
    assert_non_null(strstr(lines, "\\u202e"));
    assert_null(strchr(lines, '\x1b'));
}

static void long_values_are_cut(void **state) {
    (void)state;
    static char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    eg_log(EG_LOG_WARN, "long", "value", longer, NULL);
    EG_JSON_AUTO v = one_line();
    assert_int_equal(eg_json_str(v, "value").len, 1024 + 3);
}

static void too_many_values_stay_one_object(void **state) {
    (void)state;
    static char escapes[1025];
    memset(escapes, 1, sizeof escapes - 1);
    eg_log(EG_LOG_WARN, "many", "a", escapes, "b", escapes, "c", escapes, "d", escapes, "e", "last", NULL);
    EG_JSON_AUTO v = one_line();
    assert_int_equal(eg_json_str(v, "b").len, 1024);
    assert_null(eg_json_str(v, "d").ptr); /* no room: left out whole */
    assert_true(eg_str_is(eg_json_str(v, "e"), "last"));
}

static void levels_and_problems(void **state) {
    (void)state;
    eg_log(EG_LOG_DEBUG, "unwanted", NULL);
    assert_int_equal(read_lines(), 0);
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_CONFIG, "bad value");
    eg_fail_at(&p, "file:3");
    eg_log_problem(EG_LOG_ERROR, "start refused", &p);
    EG_JSON_AUTO v = one_line();
    assert_true(eg_str_is(eg_json_str(v, "code"), "InvalidConfiguration"));
    assert_true(eg_str_is(eg_json_str(v, "where"), "file:3"));
    assert_null(eg_json_str(v, "hint").ptr);
}

static void the_rate_is_bounded(void **state) {
    (void)state;
    size_t count = 0;
    const time_t began = time(NULL);
    for (int i = 0; i < 9000; i++) {
        eg_log(EG_LOG_INFO, "flood", NULL);
        if (i % 1000 == 0) {
            count += read_lines();
        }
    }
    count += read_lines();
    /* 2,000 in each second of those that it ran over. */
    const size_t seconds = (size_t)(time(NULL) - began) + 1;
    assert_in_range(count, 2000 - 10, 2000 * (seconds + 1) + 100);
    usleep(1100000);
    eg_log(EG_LOG_INFO, "after", NULL);
    assert_int_equal(read_lines(), 2);
    assert_non_null(strstr(lines, "log lines left out"));
}

static void a_line_in_two_steps(void **state) {
    (void)state;
    assert_false(eg_log_admits(EG_LOG_DEBUG));
    assert_true(eg_log_admits(EG_LOG_INFO));
    eg_log_admitted(EG_LOG_INFO, "prepared", "name", "a\"b", NULL);
    assert_int_equal(read_lines(), 1);
    assert_non_null(strstr(lines, "\"event\":\"prepared\",\"name\":\"a\\\"b\"}"));
}

static void metrics_render(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 1 << 16);
    eg_metric_add(EG_METRIC_REQUESTS, 3);
    eg_metric_set(EG_METRIC_POLICY_VERSION, 7);
    assert_int_equal(eg_metrics_render(&b), EG_OK);
    assert_non_null(strstr(b.ptr, "# TYPE embergate_requests_total counter\nembergate_requests_total 3\n"));
    assert_non_null(strstr(b.ptr, "\nembergate_policy_version 7\n"));
    eg_buf_done(&b);
    eg_buf_init(&b, 100);
    assert_int_equal(eg_metrics_render(&b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, open_log, close_log)

int main(void) {
    const struct CMUnitTest tests[] = {LOG_TEST(text_from_outside_is_inert), LOG_TEST(long_values_are_cut), LOG_TEST(too_many_values_stay_one_object),
                                       LOG_TEST(levels_and_problems), LOG_TEST(a_line_in_two_steps), LOG_TEST(the_rate_is_bounded), cmocka_unit_test(metrics_render)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
