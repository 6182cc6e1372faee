/* The claim `act`: what is written is read again, and nothing else is. */
#include "token_maker.h"

#include "identity/act_claim.h"

#define A "33333333-3333-4333-8333-333333333333"
#define B "44444444-4444-4444-8444-444444444444"
#define ONE "\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"t1\""

static eg_err read_text(const char *text, eg_acting *ret) {
    json_t *v = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_json_parse(eg_str_of(text), 65536, &v, &p), EG_OK);
    const eg_err e = eg_act_claim_read(v, ret);
    json_decref(v);
    return e;
}

static void written_and_read(void **state) {
    (void)state;
    eg_acting chain[EG_PRINCIPAL_ACTORS_MAX + 1] = {{0}};
    for (size_t i = 0; i < EG_PRINCIPAL_ACTORS_MAX; i++) {
        eg_actor one = {.app_id = B, .since_s = 100 + (int64_t)i};
        snprintf(one.object_id, sizeof one.object_id, "%zu3333333-3333-4333-8333-333333333333", i);
        snprintf(one.exchanged, sizeof one.exchanged, "token \"%zu\"", i);
        assert_int_equal(eg_act_claim_push(i ? &chain[i - 1] : NULL, &one, &chain[i]), EG_OK);
        eg_acting back = {0};
        json_t *v = eg_act_claim_make(&chain[i]);
        assert_non_null(v);
        assert_int_equal(eg_act_claim_read(v, &back), EG_OK);
        json_decref(v);
        assert_memory_equal(&back, &chain[i], sizeof back);
        assert_int_equal(back.count, i + 1);
        assert_int_equal(back.actors[0].since_s, 100 + (int64_t)i); /* who acts now is the first */
    }
    assert_string_equal(chain[2].text, "23333333-3333-4333-8333-333333333333 13333333-3333-4333-8333-333333333333 03333333-3333-4333-8333-333333333333");
    const eg_actor more = {.object_id = A, .app_id = B, .exchanged = "t"};
    assert_int_equal(eg_act_claim_push(&chain[2], &more, &chain[3]), EG_ERR_LIMIT);
    assert_int_equal(chain[3].count, 0);
}

static void refusals(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "[]", "{}", "7", "\"" A "\"",
        "{\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"ann\",\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":7,\"eg_since\":7,\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":-1,\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":\"7\",\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":2000000000000,\"eg_exchanged\":\"t1\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"a\\nb\"}",
        "{\"sub\":\"" A "\",\"client_id\":\"" B "\",\"eg_since\":7,\"eg_exchanged\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
        "{" ONE ",\"act\":null}", "{" ONE ",\"act\":{}}",
        "{" ONE ",\"act\":{" ONE ",\"act\":{" ONE ",\"act\":{" ONE "}}}}",
    };
    eg_acting a = {0};
    assert_int_equal(read_text("{" ONE ",\"act\":{" ONE ",\"act\":{" ONE "}}}", &a), EG_OK);
    assert_int_equal(a.count, 3);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        eg_acting none = {0};
        if (read_text(wrong[i], &none) != EG_ERR_INVALID) {
            fail_msg("taken: %s", wrong[i]);
        }
        assert_int_equal(none.count, 0);
    }
    assert_int_equal(eg_act_claim_read(NULL, &a), EG_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
