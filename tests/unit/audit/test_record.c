/* Checks the encoding of records: valid JSON in a fixed order whatever goes in, bounded, the personal half sealed and bound to its record. */
#include "bench.h"

#include <embergate/encoding.h>
#include <embergate/json.h>

#include "record.h"

static const uint8_t key_bytes[32] = {1, 2, 3};
static const eg_bytes key = {key_bytes, sizeof key_bytes};

/* The line of a record, in memory that the caller frees. */
static char *line_of(const eg_audit_record *r, const eg_audit_extra *extra, eg_bytes with) {
    eg_audit_draft d;
    eg_buf b;
    eg_envelope v;
    eg_buf_init(&b, EG_ENVELOPE_MAX);
    assert_int_equal(eg_audit_draft_make(r, extra, &eg_clock_system, &d), EG_OK);
    assert_int_equal(eg_audit_draft_finish(&d, with, &b), EG_OK);
    assert_int_equal(eg_envelope_read(eg_buf_bytes(&b), &v), EG_OK);
    assert_true(v.line.len <= EG_RECORD_MAX);
    assert_true(eg_str_eq(v.log, eg_str_of(d.log)));
    char *line = strndup((const char *)v.line.ptr, v.line.len);
    eg_audit_draft_done(&d);
    eg_buf_done(&b);
    return line;
}

static json_t *parsed(const char *line) {
    json_t *v = NULL;
    assert_int_equal(eg_json_parse(eg_str_of(line), EG_RECORD_MAX, &v, NULL), EG_OK);
    return v;
}

static eg_principal who(void) {
    eg_principal p = {.kind = EG_PRINCIPAL_USER};
    snprintf(p.object_id, sizeof p.object_id, "aaaaaaaa-0000-4000-8000-000000000001");
    snprintf(p.tenant, sizeof p.tenant, TENANT);
    snprintf(p.name, sizeof p.name, "alice");
    return p;
}

static void every_field_in_its_place(void **state) {
    (void)state;
    eg_principal p = who();
    const eg_audit_extra extra = {.first_ns = 1000000000, .last_ns = 2000000000, .has_log_size = true};
    const eg_audit_record r = {.tenant = EG_LIT(TENANT), .event = "job.submit", .outcome = "denied", .time_ns = INT64_C(1795400045123456000), .actor = &p,
        .on_behalf_of = EG_LIT("b"), .action = EG_LIT("act"), .account = EG_LIT("lake"), .resource = EG_LIT("/r"), .job = EG_LIT("etl/1"), .rule = EG_LIT("rule"), .policy_version = 7,
        .error = EG_ERR_DENIED_ROLE, .status = 403, .request_id = EG_LIT("rid"), .source_address = EG_LIT("::1"), .tls = EG_LIT("TLSv1.3"), .bytes = 5, .count = 6};
    p.name[0] = '\0';
    char *line = line_of(&r, &extra, key);
    char *rest = strstr(line, ",\"time\"");
    assert_non_null(rest);
    assert_int_equal(rest - line, strlen("{\"v\":1,\"id\":\"") + 26 + 1);
    assert_string_equal(rest, ",\"time\":\"2026-11-23T02:14:05.123456Z\",\"event\":\"job.submit\",\"outcome\":\"denied\",\"tenant\":\"" TENANT "\","
        "\"actor\":{\"oid\":\"aaaaaaaa-0000-4000-8000-000000000001\",\"tenant\":\"" TENANT "\",\"kind\":\"user\"},\"on_behalf_of\":\"b\",\"action\":\"act\",\"account\":\"lake\",\"resource\":\"/r\","
        "\"job\":\"etl/1\",\"rule\":\"rule\",\"policy_version\":7,\"error\":\"AuthorizationFailed\",\"status\":403,\"request_id\":\"rid\",\"source\":\"::1\",\"tls\":\"TLSv1.3\","
        "\"bytes\":5,\"count\":6,\"first\":\"1970-01-01T00:00:01.000000Z\",\"last\":\"1970-01-01T00:00:02.000000Z\",\"log_size\":0}");
    free(line);
}

static void empty_fields_are_left_out(void **state) {
    (void)state;
    const eg_audit_record r = {.event = "server.start", .outcome = "allowed", .time_ns = 1000000000};
    char *line = line_of(&r, NULL, key);
    assert_string_equal(strstr(line, ",\"time\""), ",\"time\":\"1970-01-01T00:00:01.000000Z\",\"event\":\"server.start\",\"outcome\":\"allowed\"}");
    free(line);
}

static void ids_differ_and_sort_by_time(void **state) {
    (void)state;
    char last[32] = "";
    for (int i = 0; i < 100; i++) {
        eg_audit_draft d;
        eg_audit_record r = bench_record("x");
        r.time_ns = INT64_C(1700000000000000000) + i * INT64_C(1000000);
        assert_int_equal(eg_audit_draft_make(&r, NULL, &eg_clock_system, &d), EG_OK);
        assert_int_equal(strlen(d.id), 26);
        assert_true(strcmp(last, d.id) < 0);
        memcpy(last, d.id, sizeof d.id);
        eg_audit_draft_done(&d);
    }
}

/* Random bytes in every text: still one line of valid JSON without control characters. */
static void hostile_text_stays_text(void **state) {
    (void)state;
    for (int i = 0; i < 300; i++) {
        uint8_t noise[5000];
        eg_random(noise, sizeof noise);
        eg_str s = {(const char *)noise, sizeof noise};
        const eg_audit_record r = {.tenant = s, .event = "e", .outcome = "allowed", .on_behalf_of = s, .action = s, .resource = s, .job = s, .rule = s,
            .request_id = s, .source_address = s, .tls = s};
        char *line = line_of(&r, NULL, key);
        json_decref(parsed(line));
        for (const char *c = line; *c; c++) {
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        }
        free(line);
    }
}

static void personal_data_is_sealed_and_bound(void **state) {
    (void)state;
    eg_principal p = who();
    json_t *details = json_pack("{s:s}", "argument", "hunter2");
    eg_audit_record r = bench_record("r");
    r.actor = &p;
    r.details = details;
    char *line = line_of(&r, NULL, key);
    assert_null(strstr(line, "alice"));
    assert_null(strstr(line, "hunter2"));
    json_t *record = parsed(line);
    json_t *secret = NULL;
    assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), key, &secret), EG_OK);
    assert_true(eg_str_is(eg_json_str(secret, "name"), "alice"));
    assert_true(eg_str_is(eg_json_str(json_object_get(secret, "details"), "argument"), "hunter2"));
    json_decref(secret);
    const uint8_t other[32] = {9};
    assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), (eg_bytes){other, 32}, &secret), EG_ERR_CORRUPT);
    assert_int_equal(eg_audit_unseal(record, EG_LIT(OTHER_TENANT), key, &secret), EG_ERR_CORRUPT);
    assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), (eg_bytes){NULL, 0}, &secret), EG_ERR_KEY_DESTROYED);
    json_object_set_new(record, "id", json_string("00000000000000000000000000"));
    assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), key, &secret), EG_ERR_CORRUPT);
    json_object_del(record, "sealed");
    assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), key, &secret), EG_ERR_NOT_FOUND);
    json_decref(record);
    free(line);
    line = line_of(&r, NULL, (eg_bytes){NULL, 0});
    assert_non_null(strstr(line, "\"sealed_omitted\":\"no key\"}"));
    assert_null(strstr(line, "hunter2"));
    free(line);
    json_decref(details);
}

static void long_details_are_cut_and_that_is_said(void **state) {
    (void)state;
    static const size_t sizes[] = {11000, 12000, 13000, 20000, 500000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = malloc(sizes[i] + 1);
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        json_t *details = json_pack("{s:s}", "argument", text);
        eg_audit_record r = bench_record("r");
        r.details = details;
        char *line = line_of(&r, NULL, key);
        json_t *record = parsed(line);
        json_t *secret = NULL;
        assert_int_equal(eg_audit_unseal(record, EG_LIT(TENANT), key, &secret), EG_OK);
        bool cut = json_is_true(json_object_get(record, "details_cut"));
        bool whole = eg_json_str(json_object_get(secret, "details"), "argument").len == sizes[i];
        bool too_large = eg_str_is(eg_json_str(secret, "details"), "too large");
        assert_int_equal(cut + whole + too_large, 1);
        assert_true(!cut || eg_json_str(secret, "details_text").len > 10000);
        json_decref(secret);
        json_decref(record);
        json_decref(details);
        free(line);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_in_its_place),       cmocka_unit_test(empty_fields_are_left_out),       cmocka_unit_test(ids_differ_and_sort_by_time),
        cmocka_unit_test(hostile_text_stays_text),        cmocka_unit_test(personal_data_is_sealed_and_bound), cmocka_unit_test(long_details_are_cut_and_that_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
