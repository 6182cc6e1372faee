/* Checks that a job's story is told in words, and that nothing in a record can steer a terminal. */
#include "bench.h"

#include <embergate/json.h>

#include "audit_story.h"

static const char records[] =
    "[{\"time\":\"2026-11-23T02:14:05.123456Z\",\"event\":\"job.submit\",\"outcome\":\"allowed\",\"actor\":{\"oid\":\"o-1\",\"kind\":\"user\",\"name\":\"alice\"},"
    "\"job\":\"etl/3\",\"rule\":\"roleAssignment a1 (Job Submitter)\",\"status\":201},"
    "{\"time\":\"2026-11-23T02:14:06.000000Z\",\"event\":\"job.start\",\"outcome\":\"allowed\",\"job\":\"etl/3\"},"
    "{\"time\":\"2026-11-23T02:14:09.000000Z\",\"event\":\"storage.file.read\",\"outcome\":\"allowed\",\"actor\":{\"oid\":\"o-1\",\"kind\":\"job\"},\"job\":\"etl/3\","
    "\"resource\":\"/subscriptions/s/x/containers/data/flights.csv\",\"count\":2,\"bytes\":4096,\"rule\":\"r\"},"
    "{\"time\":\"2026-11-24T00:00:00.000000Z\",\"event\":\"storage.path.delete\",\"outcome\":\"denied\",\"actor\":{\"oid\":\"o-2\"},\"resource\":\"/a\",\"error\":\"AuthorizationFailed\",\"status\":403},"
    "{\"time\":\"2026-11-24T00:00:01.000000Z\",\"event\":\"job.end\",\"outcome\":\"failed\",\"job\":\"etl/3\",\"details\":{\"state\":\"dead\",\"exitCode\":1}}]";

static void the_story_in_words(void **state) {
    (void)state;
    json_t *v = NULL;
    eg_buf b;
    eg_buf_init(&b, 65536);
    assert_int_equal(eg_json_parse(eg_str_of(records), 65536, &v, NULL), EG_OK);
    assert_int_equal(eg_audit_story(v, &b), EG_OK);
    assert_string_equal(b.ptr, "2026-11-23 (UTC)\n"
                               "02:14:05  alice submitted job etl/3: allowed by roleAssignment a1 (Job Submitter)\n"
                               "02:14:06  the server started job etl/3: allowed\n"
                               "02:14:09  the job etl/3 of o-1 read data/flights.csv, 2 more times, 4096 bytes: allowed by r\n"
                               "2026-11-24 (UTC)\n"
                               "00:00:00  o-2 deleted /a: denied (AuthorizationFailed, status 403)\n"
                               "00:00:01  the server saw the end of job etl/3, which is dead with exit code 1: failed\n");
    json_decref(v);
    eg_buf_done(&b);
}

static void hostile_text_is_inert(void **state) {
    (void)state;
    static const char *const hostile[] = {"\x1b[2J", "a\nb", "\xc2\x9b" "31m", "\xe2\x80\xae" "abc", "\x7f", "\xe2\x81\xa6", "\xe2\x80\xa8"};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        json_t *v = json_pack("[{s:s,s:s,s:s,s:s,s:{s:s}}]", "time", hostile[i], "event", hostile[i], "resource", hostile[i], "rule", hostile[i], "actor", "name", hostile[i]);
        eg_buf b;
        eg_buf_init(&b, 65536);
        assert_int_equal(eg_audit_story(v, &b), EG_OK);
        assert_null(strstr(b.ptr, hostile[i]));
        for (size_t k = 0; k < b.len; k++) {
            assert_true((unsigned char)b.ptr[k] >= 0x20 || b.ptr[k] == '\n');
        }
        assert_ptr_equal(strchr(strchr(b.ptr, '\n') + 1, '\n'), b.ptr + b.len - 1); /* two lines, no more */
        json_decref(v);
        eg_buf_done(&b);
    }
}

static void odd_records_do_no_harm(void **state) {
    (void)state;
    json_t *v = json_pack("[{}, i, s, {s:i, s:[], s:{s:i}}, n]", 5, "x", "time", 7, "actor", "details", "exitCode", 1);
    eg_buf b;
    eg_buf_init(&b, 65536);
    assert_int_equal(eg_audit_story(v, &b), EG_OK);
    assert_int_equal(eg_audit_story(NULL, &b), EG_OK);
    json_decref(v);
    eg_buf_done(&b);
    eg_buf_init(&b, 10);
    v = json_pack("[{s:s}]", "event", "something that does not fit");
    assert_int_equal(eg_audit_story(v, &b), EG_ERR_LIMIT);
    json_decref(v);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_story_in_words), cmocka_unit_test(hostile_text_is_inert), cmocka_unit_test(odd_records_do_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
