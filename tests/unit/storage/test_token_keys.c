/* Which token-signing key signs and verifies when: by the clock and the file alone, so that a crash leaves nothing half done. */
#include "keeper_fixture.h"

#include "keys/token_keys.h"

#include <embergate/clock.h>
#include <embergate/json.h>

#define T0 1800000000

static eg_token_keys *first(void) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *pem = NULL;
    eg_token_keys *k = NULL;
    assert_int_equal(eg_token_signer_make_key(&pem), EG_OK);
    assert_int_equal(eg_token_keys_read(pem, &k), EG_OK); /* the first format of the file */
    return k;
}

static size_t published(const eg_token_keys *k, int64_t now_s, const char *kid) {
    EG_JSON_AUTO v = NULL;
    eg_buf text;
    size_t found = 0, i;
    json_t *one;
    eg_buf_init(&text, 8192);
    assert_int_equal(eg_token_keys_jwks(k, now_s, &text), EG_OK);
    assert_int_equal(eg_json_parse(eg_buf_str(&text), 8192, &v, NULL), EG_OK);
    json_array_foreach(json_object_get(v, "keys"), i, one) {
        found += !kid || eg_str_is(eg_json_str(one, "kid"), kid);
        assert_null(json_object_get(one, "d"));
    }
    eg_buf_done(&text);
    return found;
}

static const char *signing(const eg_token_keys *k, int64_t now_s) {
    return eg_token_signer_kid(eg_token_keys_signing(k, now_s));
}

/* As they come back from the file. */
static eg_token_keys *again(const eg_token_keys *k) {
    eg_buf plain;
    eg_token_keys *back = NULL;
    eg_buf_init(&plain, 8192);
    assert_int_equal(eg_token_keys_write(k, &plain), EG_OK);
    EG_CLEANUP(eg_secret_free_p) eg_secret *secret = eg_secret_new(plain.ptr, plain.len);
    assert_int_equal(eg_token_keys_read(secret, &back), EG_OK);
    eg_buf_done(&plain);
    return back;
}

static void one_takes_over_from_the_other(void **state) {
    (void)state;
    eg_token_keys *old = first(), *both = NULL, *more = NULL;
    char a[64], b[64];
    snprintf(a, sizeof a, "%s", signing(old, T0));
    assert_int_equal(eg_token_keys_rotate(old, T0, 3600, false, &both), EG_OK);
    eg_token_keys_free(old);
    old = both;
    both = again(old);
    eg_token_keys_free(old);
    snprintf(b, sizeof b, "%s", signing(both, T0 + 3600));
    assert_string_not_equal(a, b);
    assert_string_equal(signing(both, T0), a);          /* published, and doesn't sign yet */
    assert_string_equal(signing(both, T0 + 3599), a);
    assert_string_equal(signing(both, T0 - 86400), a);  /* a clock that was set back */
    assert_int_equal(published(both, T0, b), 1);
    assert_int_equal(published(both, T0, a), 1);
    const int64_t over = T0 + 3600 + EG_TOKEN_KEY_AFTER_S;
    assert_int_equal(published(both, over - 1, a), 1);   /* its last token may still be good */
    assert_int_equal(published(both, over, a), 0);
    assert_int_equal(published(both, over, b), 1);
    assert_int_equal(eg_token_keys_rotate(both, T0 + 100, 3600, false, &more), EG_ERR_EXISTS);
    assert_null(more);
    /* One that is over leaves the file. */
    assert_int_equal(eg_token_keys_rotate(both, over, 0, false, &more), EG_OK);
    assert_int_equal(published(more, over, NULL), 2);
    assert_int_equal(published(more, T0, a), 0);
    eg_token_keys_free(more);
    /* A stolen one ends at once, also while another waits. */
    more = NULL;
    assert_int_equal(eg_token_keys_rotate(both, T0 + 100, 0, true, &more), EG_OK);
    assert_int_equal(published(more, T0 + 100, NULL), 1);
    assert_int_equal(published(more, T0 + 100, a) + published(more, T0 + 100, b), 0);
    eg_token_keys_free(more);
    eg_token_keys_free(both);
}

static void they_are_bounded(void **state) {
    (void)state;
    eg_token_keys *k = first(), *next = NULL;
    for (unsigned i = 1; i < EG_TOKEN_KEYS_MAX; i++) {
        assert_int_equal(eg_token_keys_rotate(k, T0 + (int64_t)i, 0, false, &next), EG_OK);
        eg_token_keys_free(k);
        k = next;
        next = NULL;
    }
    assert_int_equal(eg_token_keys_rotate(k, T0 + 100, 0, false, &next), EG_ERR_LIMIT);
    assert_int_equal(eg_token_keys_rotate(k, T0 + 100, EG_TOKEN_KEY_DELAY_MAX_S + 1, false, &next), EG_ERR_INVALID);
    assert_int_equal(eg_token_keys_rotate(k, 0, 0, false, &next), EG_ERR_INVALID);
    assert_null(next);
    assert_int_equal(published(k, T0 + 100, NULL), EG_TOKEN_KEYS_MAX);
    eg_token_keys_free(k);
}

static void damaged_files(void **state) {
    (void)state;
    eg_token_keys *k = first(), *both = NULL;
    eg_buf plain;
    eg_buf_init(&plain, 8192);
    assert_int_equal(eg_token_keys_rotate(k, T0, 60, false, &both), EG_OK);
    assert_int_equal(eg_token_keys_write(both, &plain), EG_OK);
    for (size_t n = 0; n < plain.len; n++) { /* each beginning of it */
        EG_CLEANUP(eg_secret_free_p) eg_secret *cut = eg_secret_new(plain.ptr, n);
        eg_token_keys *none = NULL;
        assert_int_not_equal(cut ? eg_token_keys_read(cut, &none) : EG_ERR_CORRUPT, EG_OK);
        assert_null(none);
    }
    static const struct { size_t at; uint8_t value; eg_err owed; } changes[] = {{4, 2, EG_ERR_FORMAT_VERSION}, {5, 0, EG_ERR_CORRUPT}, {5, 9, EG_ERR_CORRUPT}, {6, 0xff, EG_ERR_CORRUPT}, {14, 0xff, EG_ERR_CORRUPT}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const char kept = plain.ptr[changes[i].at];
        eg_token_keys *none = NULL;
        plain.ptr[changes[i].at] = (char)changes[i].value;
        EG_CLEANUP(eg_secret_free_p) eg_secret *wrong = eg_secret_new(plain.ptr, plain.len);
        assert_int_equal(eg_token_keys_read(wrong, &none), changes[i].owed);
        plain.ptr[changes[i].at] = kept;
    }
    eg_buf_done(&plain);
    eg_token_keys_free(k);
    eg_token_keys_free(both);
}

static void kid_of(const eg_keys *k, char ret[64]) {
    EG_JSON_AUTO v = NULL;
    eg_buf text;
    size_t i;
    json_t *one;
    eg_buf_init(&text, 8192);
    assert_int_equal(k->list_token_keys(k->ctx, &text), EG_OK);
    assert_int_equal(eg_json_parse(eg_buf_str(&text), 8192, &v, NULL), EG_OK);
    json_array_foreach(json_object_get(v, "keys"), i, one) {
        if (eg_str_is(eg_json_str(one, "state"), "signs")) {
            snprintf(ret, 64, "%s", json_string_value(json_object_get(one, "kid")));
        }
    }
    eg_buf_done(&text);
}

/* A keeper that ends after the file was written, and one that ended before: each opens again with what it said. */
static void in_a_keeper(void **state) {
    const fixture *f = *state;
    eg_keys *k = NULL;
    eg_problem p = {0};
    eg_buf text;
    char a[64] = "", b[64] = "", c[64] = "";
    eg_buf_init(&text, 8192);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    kid_of(k, a);
    assert_int_equal(k->rotate_token_key(k->ctx, 3600, false, &text), EG_OK);
    assert_non_null(strstr(text.ptr, "\"waits\""));
    kid_of(k, b);
    assert_string_equal(a, b);
    assert_int_equal(k->rotate_token_key(k->ctx, 3600, false, &text), EG_ERR_EXISTS);
    eg_keeper_local_free(k);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    kid_of(k, b);
    assert_string_equal(a, b);
    eg_buf_reset(&text);
    assert_int_equal(k->token_keys(k->ctx, &text), EG_OK);
    assert_non_null(strstr(strstr(text.ptr, "\"kid\"") + 1, "\"kid\""));
    eg_buf_reset(&text);
    assert_int_equal(k->rotate_token_key(k->ctx, 0, true, &text), EG_OK);
    kid_of(k, b);
    assert_string_not_equal(a, b);
    eg_keeper_local_free(k);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    kid_of(k, c);
    assert_string_equal(b, c);
    eg_keeper_local_free(k);
    eg_buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_takes_over_from_the_other), cmocka_unit_test(they_are_bounded), cmocka_unit_test(damaged_files),
                                       cmocka_unit_test_setup_teardown(in_a_keeper, fixture_open, fixture_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
