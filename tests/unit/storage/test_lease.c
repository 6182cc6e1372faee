/* The whole table of lease states: what every action, write and read does in each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease.h"

#include <stdio.h>

#define S ((int64_t)1000000000)
#define NOW (1000 * S)

static const eg_id A = {{0xa}};
static const eg_id B = {{0xb}};
static const eg_id C = {{0xc}};

/* The five states, of a fixed lease of A where there is one. */
static eg_lease in_state(eg_lease_state s) {
    switch (s) {
    case EG_LEASE_LEASED:
        return (eg_lease){.held = true, .id = A, .duration_s = 30, .until_ns = NOW + 20 * S};
    case EG_LEASE_EXPIRED:
        return (eg_lease){.held = true, .id = A, .duration_s = 30, .until_ns = NOW};
    case EG_LEASE_BREAKING:
        return (eg_lease){.held = true, .broken = true, .id = A, .duration_s = 30, .until_ns = NOW + 10 * S};
    case EG_LEASE_BROKEN:
        return (eg_lease){.held = true, .broken = true, .id = A, .duration_s = 30, .until_ns = NOW};
    case EG_LEASE_AVAILABLE:
        break;
    }
    return (eg_lease){0};
}

enum { AVAIL = EG_LEASE_AVAILABLE, LEASED = EG_LEASE_LEASED, EXP = EG_LEASE_EXPIRED, BRKING = EG_LEASE_BREAKING, BROKEN = EG_LEASE_BROKEN };
enum { ALREADY = EG_ERR_LEASE_PRESENT, OTHER = EG_ERR_LEASE_OTHER, NONE = EG_ERR_LEASE_NONE, BR_ACQ = EG_ERR_LEASE_BREAKING_ACQUIRE,
    BR_CHG = EG_ERR_LEASE_BREAKING_CHANGE, BR_REN = EG_ERR_LEASE_BROKEN_RENEW };

/* One row an action: per state of the lease (available, leased, expired, breaking, broken) the error, or the state afterwards. */
static const struct {
    const char *what;
    eg_lease_ask ask;
    struct { int err, after; } in[5];
} table[] = {
    {"acquire A", {.action = EG_LEASE_ACT_ACQUIRE, .proposed = {{0xa}}, .duration_s = 15},
        {{0, LEASED}, {0, LEASED}, {0, LEASED}, {BR_ACQ, BRKING}, {0, LEASED}}},
    {"acquire B", {.action = EG_LEASE_ACT_ACQUIRE, .proposed = {{0xb}}, .duration_s = 15},
        {{0, LEASED}, {ALREADY, LEASED}, {0, LEASED}, {ALREADY, BRKING}, {0, LEASED}}},
    {"renew A", {.action = EG_LEASE_ACT_RENEW, .has_id = true, .id = {{0xa}}},
        {{OTHER, AVAIL}, {0, LEASED}, {0, LEASED}, {BR_REN, BRKING}, {BR_REN, BROKEN}}},
    {"renew B", {.action = EG_LEASE_ACT_RENEW, .has_id = true, .id = {{0xb}}},
        {{OTHER, AVAIL}, {OTHER, LEASED}, {OTHER, EXP}, {OTHER, BRKING}, {OTHER, BROKEN}}},
    {"change A to B", {.action = EG_LEASE_ACT_CHANGE, .has_id = true, .id = {{0xa}}, .proposed = {{0xb}}},
        {{NONE, AVAIL}, {0, LEASED}, {NONE, EXP}, {BR_CHG, BRKING}, {NONE, BROKEN}}},
    {"change B to A", {.action = EG_LEASE_ACT_CHANGE, .has_id = true, .id = {{0xb}}, .proposed = {{0xa}}},
        {{NONE, AVAIL}, {0, LEASED}, {NONE, EXP}, {BR_CHG, BRKING}, {NONE, BROKEN}}},
    {"change B to C", {.action = EG_LEASE_ACT_CHANGE, .has_id = true, .id = {{0xb}}, .proposed = {{0xc}}},
        {{NONE, AVAIL}, {OTHER, LEASED}, {NONE, EXP}, {OTHER, BRKING}, {NONE, BROKEN}}},
    {"release A", {.action = EG_LEASE_ACT_RELEASE, .has_id = true, .id = {{0xa}}},
        {{OTHER, AVAIL}, {0, AVAIL}, {0, AVAIL}, {0, AVAIL}, {0, AVAIL}}},
    {"release B", {.action = EG_LEASE_ACT_RELEASE, .has_id = true, .id = {{0xb}}},
        {{OTHER, AVAIL}, {OTHER, LEASED}, {OTHER, EXP}, {OTHER, BRKING}, {OTHER, BROKEN}}},
    {"break at once", {.action = EG_LEASE_ACT_BREAK, .has_break = true, .break_s = 0},
        {{NONE, AVAIL}, {0, BROKEN}, {0, BROKEN}, {0, BROKEN}, {0, BROKEN}}},
    {"break in 5 s", {.action = EG_LEASE_ACT_BREAK, .has_break = true, .break_s = 5},
        {{NONE, AVAIL}, {0, BRKING}, {0, BROKEN}, {0, BRKING}, {0, BROKEN}}},
    {"break", {.action = EG_LEASE_ACT_BREAK}, {{NONE, AVAIL}, {0, BRKING}, {0, BROKEN}, {0, BRKING}, {0, BROKEN}}},
};

static void actions(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof table / sizeof table[0]; n++) {
        for (int s = AVAIL; s <= BROKEN; s++) {
            eg_lease l = in_state((eg_lease_state)s);
            const eg_lease before = l;
            uint32_t left = 0;
            eg_problem p = {0};
            assert_int_equal(eg_lease_state_at(&l, NOW), s);
            const eg_err e = eg_lease_act(&l, &table[n].ask, NOW, &left, &p);
            if ((int)e != table[n].in[s].err || (int)eg_lease_state_at(&l, NOW) != table[n].in[s].after) {
                fail_msg("%s, %s: %s, then %s", table[n].what, eg_lease_state_text((eg_lease_state)s), eg_err_code(e),
                    eg_lease_state_text(eg_lease_state_at(&l, NOW)));
            }
            if (e != EG_OK) { /* a refusal leaves it as it was */
                assert_int_equal(eg_err_http_status(e), 409);
                uint8_t was[EG_LEASE_ROW_LEN];
                uint8_t is[EG_LEASE_ROW_LEN];
                eg_lease_encode(&before, was);
                eg_lease_encode(&l, is);
                assert_memory_equal(was, is, sizeof is);
            }
        }
    }
}

static void uses(void **state) {
    (void)state;
    enum { MISS = EG_ERR_LEASE_ID_MISSING, MIS = EG_ERR_LEASE_ID_MISMATCH, NOT = EG_ERR_LEASE_NOT_PRESENT, LOST = EG_ERR_LEASE_LOST };
    static const struct {
        const eg_id *id;
        int write[5], read[5];
    } rows[] = {
        {&A, {NOT, 0, LOST, 0, LOST}, {NOT, 0, LOST, 0, LOST}},
        {&B, {NOT, MIS, MIS, MIS, MIS}, {NOT, MIS, MIS, MIS, MIS}},
        {NULL, {0, MISS, 0, MISS, 0}, {0, 0, 0, 0, 0}},
    };
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        for (int s = AVAIL; s <= BROKEN; s++) {
            const eg_lease l = in_state((eg_lease_state)s);
            eg_problem p = {0};
            const eg_err w = eg_lease_check_write(&l, rows[n].id, NOW, EG_LEASE_OF_PATH, &p);
            assert_int_equal(w, rows[n].write[s]);
            assert_true(w == EG_OK || eg_err_http_status(w) == 412);
            assert_int_equal(eg_lease_check_read(&l, rows[n].id, NOW, EG_LEASE_OF_PATH, &p), rows[n].read[s]);
        }
    }
    eg_problem p = {0};
    const eg_lease leased = in_state(EG_LEASE_LEASED);
    const eg_lease free_one = {0};
    assert_int_equal(eg_lease_check_write(&leased, &B, NOW, EG_LEASE_OF_CONTAINER, &p), EG_ERR_LEASE_ID_MISMATCH_CONTAINER);
    assert_int_equal(eg_lease_check_write(&free_one, &B, NOW, EG_LEASE_OF_CONTAINER, &p), EG_ERR_LEASE_NOT_PRESENT_CONTAINER);
}

static void times(void **state) {
    (void)state;
    eg_problem p = {0};
    uint32_t left = 99;
    eg_lease l = {0};
    const eg_lease_ask acquire = {.action = EG_LEASE_ACT_ACQUIRE, .proposed = C, .duration_s = 60};
    assert_int_equal(eg_lease_act(&l, &acquire, NOW, &left, &p), EG_OK);
    assert_int_equal(eg_lease_state_at(&l, NOW + 60 * S - 1), EG_LEASE_LEASED);
    assert_int_equal(eg_lease_state_at(&l, NOW + 60 * S), EG_LEASE_EXPIRED);
    /* A break never makes it longer than it would have been, and a second one never longer than the first. */
    const eg_lease_ask late = {.action = EG_LEASE_ACT_BREAK, .has_break = true, .break_s = 60};
    const eg_lease_ask soon = {.action = EG_LEASE_ACT_BREAK, .has_break = true, .break_s = 5};
    assert_int_equal(eg_lease_act(&l, &late, NOW + 40 * S, &left, &p), EG_OK);
    assert_int_equal(left, 20);
    assert_int_equal(eg_lease_act(&l, &soon, NOW + 41 * S + 1, &left, &p), EG_OK);
    assert_int_equal(left, 5);
    assert_int_equal(eg_lease_act(&l, &late, NOW + 42 * S, &left, &p), EG_OK);
    assert_int_equal(left, 5);
    assert_int_equal(eg_lease_state_at(&l, NOW + 46 * S), EG_LEASE_BREAKING);
    assert_int_equal(eg_lease_state_at(&l, NOW + 46 * S + 1), EG_LEASE_BROKEN);
    /* An infinite one breaks at once unless a time is given. */
    const eg_lease_ask forever = {.action = EG_LEASE_ACT_ACQUIRE, .proposed = C, .duration_s = EG_LEASE_INFINITE};
    const eg_lease_ask plain = {.action = EG_LEASE_ACT_BREAK};
    l = (eg_lease){0};
    assert_int_equal(eg_lease_act(&l, &forever, NOW, &left, &p), EG_OK);
    assert_int_equal(eg_lease_state_at(&l, INT64_MAX), EG_LEASE_LEASED);
    assert_string_equal(eg_lease_duration_text(&l, EG_LEASE_LEASED), "infinite");
    eg_lease slow = l;
    assert_int_equal(eg_lease_act(&l, &plain, NOW, &left, &p), EG_OK);
    assert_int_equal(left, 0);
    assert_int_equal(eg_lease_state_at(&l, NOW), EG_LEASE_BROKEN);
    assert_int_equal(eg_lease_act(&slow, &late, NOW, &left, &p), EG_OK);
    assert_int_equal(left, 60);
    assert_int_equal(eg_lease_act(&slow, &(eg_lease_ask){.action = EG_LEASE_ACT_NONE}, NOW, &left, &p), EG_ERR_HTTP_HEADER);
}

static void encoding(void **state) {
    (void)state;
    uint8_t row[EG_LEASE_ROW_LEN];
    for (int s = AVAIL; s <= BROKEN; s++) {
        const eg_lease l = in_state((eg_lease_state)s);
        eg_lease got;
        eg_lease_encode(&l, row);
        assert_int_equal(eg_lease_decode((eg_bytes){row, sizeof row}, &got), EG_OK);
        assert_int_equal(eg_lease_state_at(&got, NOW), s);
        assert_true(eg_id_eq(&got.id, &l.id) && got.duration_s == l.duration_s && got.until_ns == l.until_ns);
    }
    eg_lease got = in_state(EG_LEASE_LEASED);
    assert_int_equal(eg_lease_decode((eg_bytes){NULL, 0}, &got), EG_OK);
    assert_int_equal(eg_lease_state_at(&got, NOW), EG_LEASE_AVAILABLE);
    assert_int_equal(eg_lease_decode((eg_bytes){row, sizeof row - 1}, &got), EG_ERR_CORRUPT);
    row[1] = 4;
    assert_int_equal(eg_lease_decode((eg_bytes){row, sizeof row}, &got), EG_ERR_CORRUPT);
    row[0] = 2;
    assert_int_equal(eg_lease_decode((eg_bytes){row, sizeof row}, &got), EG_ERR_CORRUPT);
}

static void ids(void **state) {
    (void)state;
    static const char *good[] = {"00112233-4455-6677-8899-AABBccddEEff", "{00112233-4455-6677-8899-aabbccddeeff}", "00112233445566778899aabbccddeeff"};
    static const char *bad[] = {"", "x", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg", "0011223304455-6677-8899-aabbccddeef",
        "{00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff0", "{}"};
    char text[EG_UUID_LEN];
    eg_id id;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(eg_lease_id_parse(eg_str_of(good[i]), &id), EG_OK);
        eg_lease_id_text(&id, text);
        assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_lease_id_parse(eg_str_of(bad[i]), &id), EG_ERR_HTTP_HEADER);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(actions), cmocka_unit_test(uses), cmocka_unit_test(times), cmocka_unit_test(encoding),
        cmocka_unit_test(ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
