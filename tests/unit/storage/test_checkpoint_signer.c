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

static eg_signed_checkpoint signed_one(const eg_keys *k, eg_buf *body, uint64_t size, char fill) {
    eg_signed_checkpoint c = {.origin = EG_LIT("a")};
    checkpoint_body(body, "a", size, fill);
    c.body = eg_buf_str(body);
    assert_int_equal(k->sign_checkpoint(k->ctx, c.origin, c.body, c.signature), EG_OK);
    return c;
}

static bool forgotten(const eg_keys *k, const eg_signed_checkpoint *c, bool remember) {
    bool ret = false;
    assert_int_equal(k->recall_checkpoint(k->ctx, c, remember, &ret), EG_OK);
    return ret;
}

#define STATE_OF_A "checkpoints/ca978112ca1bbdcafac231b39a23dc4d.state" /* SHA-256 of "a" */

static void an_older_state_is_noticed_and_told(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    eg_buf five, six, other;
    char path[256];
    EG_CLEANUP(eg_buf_done) eg_buf older;
    eg_buf_init(&older, 4096);
    snprintf(path, sizeof path, "%s/" STATE_OF_A, f->dir);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    const eg_signed_checkpoint a5 = signed_one(k, &five, 5, 0);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 4096, &older, NULL), EG_OK);
    const eg_signed_checkpoint a6 = signed_one(k, &six, 6, 0);
    assert_false(forgotten(k, &a5, false)); /* less than what it remembers */
    assert_false(forgotten(k, &a6, true));
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_buf_bytes(&older), NULL), EG_OK);
    assert_true(forgotten(k, &a6, false));
    assert_true(forgotten(k, &a6, false)); /* a question changes nothing */
    assert_true(forgotten(k, &a6, true));
    assert_false(forgotten(k, &a6, false));
    assert_int_equal(sign(k, "a", 5, 0), EG_ERR_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_true(forgotten(k, &a6, false));
    const eg_signed_checkpoint fork = signed_one(k, &other, 6, 1); /* what the log's owner would have liked */
    bool unused = false;
    assert_int_equal(k->recall_checkpoint(k->ctx, &a6, true, &unused), EG_ERR_CORRUPT);
    assert_false(forgotten(k, &fork, false));
    eg_keeper_local_free(k);
    eg_buf_done(&five);
    eg_buf_done(&six);
    eg_buf_done(&other);
}

static void only_what_was_signed_is_recalled(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    eg_buf body, more;
    bool unused = false;
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    const eg_signed_checkpoint good = signed_one(k, &body, 5, 0);
    eg_signed_checkpoint bad = good;
    checkpoint_body(&more, "a", 7, 0);
    bad.body = eg_buf_str(&more);
    assert_int_equal(k->recall_checkpoint(k->ctx, &bad, true, &unused), EG_ERR_INVALID); /* another size */
    bad = good;
    bad.origin = EG_LIT("b");
    assert_int_equal(k->recall_checkpoint(k->ctx, &bad, true, &unused), EG_ERR_INVALID); /* another log */
    bad.origin = EG_LIT("");
    assert_int_equal(k->recall_checkpoint(k->ctx, &bad, true, &unused), EG_ERR_INVALID);
    bad = good;
    bad.signature[5] ^= 1;
    assert_int_equal(k->recall_checkpoint(k->ctx, &bad, true, &unused), EG_ERR_INVALID);
    bad = good;
    bad.body = EG_LIT(EG_STATEMENT_BACKUP "\n"); /* signed with the same key, and no checkpoint */
    assert_int_equal(k->sign_statement(k->ctx, bad.origin, bad.body, bad.signature), EG_OK);
    assert_int_equal(k->recall_checkpoint(k->ctx, &bad, true, &unused), EG_ERR_INVALID);
    assert_int_equal(sign(k, "a", 6, 0), EG_OK); /* none of them was remembered */
    eg_keeper_local_free(k);
    eg_buf_done(&body);
    eg_buf_done(&more);
}

static void a_tampered_state_is_refused(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(sign(k, "a", 5, 0), EG_OK);
    flip(f, STATE_OF_A, -1);
    assert_int_equal(sign(k, "a", 6, 0), EG_ERR_CORRUPT);
    eg_keeper_local_free(k);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(size_never_goes_back, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(logs_have_keys_of_their_own, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(other_texts_are_refused, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(an_older_state_is_noticed_and_told, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(only_what_was_signed_is_recalled, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_tampered_state_is_refused, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
