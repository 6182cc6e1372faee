/* Checkpoints are signed only forwards, across restarts, and only for the log that they name. */
#include "keeper_fixture.h"

static eg_err sign(const eg_keys *k, const char *origin, uint64_t size, char fill) {
    uint8_t sig[64];
    uint8_t pub[32];
    eg_buf body;
    checkpoint_body(&body, origin, size, fill);
    eg_err e = k->sign_checkpoint(k->ctx, eg_str_of(origin), eg_buf_str(&body), sig);
    if (e == EG_OK) {
        assert_int_equal(k->log_public_key(k->ctx, eg_str_of(origin), pub), EG_OK);
        assert_int_equal(eg_ed25519_verify(pub, eg_str_bytes(eg_buf_str(&body)), sig), EG_OK);
    }
    eg_buf_done(&body);
    return e;
}

static void size_never_goes_back(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(sign(k, "e.example/log/a", 0, 0), EG_OK);
    assert_int_equal(sign(k, "e.example/log/a", 7, 0), EG_OK);
    assert_int_equal(sign(k, "e.example/log/a", 7, 0), EG_OK);
    assert_int_equal(sign(k, "e.example/log/a", 7, 1), EG_ERR_CORRUPT); /* a fork */
    assert_int_equal(sign(k, "e.example/log/a", 6, 0), EG_ERR_CORRUPT);
    assert_int_equal(sign(k, "e.example/log/b", 3, 0), EG_OK);
    eg_keeper_local_free(k);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(sign(k, "e.example/log/a", 6, 0), EG_ERR_CORRUPT);
    assert_int_equal(sign(k, "e.example/log/a", 8, 1), EG_OK);
    eg_keeper_local_free(k);
}

static void logs_have_keys_of_their_own(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    uint8_t a[32];
    uint8_t b[32];
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT("a"), a), EG_OK);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT("b"), b), EG_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT("a b"), b), EG_ERR_INVALID);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT(""), b), EG_ERR_INVALID);
    eg_keeper_local_free(k);
}

static void other_texts_are_refused(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    uint8_t sig[64];
#define ROOT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    static const char *const bodies[] = {
        "",
        "a\n1\n" ROOT,                /* no end of line */
        "b\n1\n" ROOT "\n",           /* another origin */
        "a\n01\n" ROOT "\n",          /* leading zero */
        "a\n-1\n" ROOT "\n",
        "a\n1 \n" ROOT "\n",
        "a\n18446744073709551616\n" ROOT "\n",
        "a\n1\nAAAA\n",               /* a short root */
        "a\n1\n" ROOT "\n\n- a xx\n", /* an empty line would end the signed text of a note */
        "a\n1\n",
    };
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_int_equal(k->sign_checkpoint(k->ctx, EG_LIT("a"), eg_str_of(bodies[i]), sig), EG_ERR_INVALID);
    }
    assert_int_equal(k->sign_checkpoint(k->ctx, EG_LIT("a"), EG_LIT("a\n1\n" ROOT "\nextension\n"), sig), EG_OK);
    eg_keeper_local_free(k);
}

static void a_tampered_state_is_refused(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(sign(k, "a", 5, 0), EG_OK);
    flip(f, "checkpoints/ca978112ca1bbdcafac231b39a23dc4d.state", -1); /* SHA-256 of "a" */
    assert_int_equal(sign(k, "a", 6, 0), EG_ERR_CORRUPT);
    eg_keeper_local_free(k);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(size_never_goes_back, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(logs_have_keys_of_their_own, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(other_texts_are_refused, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_tampered_state_is_refused, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
