/* Keys of the gateway's own issuer that rotate while it serves: published before they sign, and gone when they are. */
#include "identity_fixture.h"

#include "identity/identity_state.h"

#include <time.h>

static size_t published(fixture *f) {
    eg_jwk_set *set = eg_own_keys_set(f->identity->own_keys);
    const size_t n = set->count;
    eg_buf text;
    eg_jwk_set *served = NULL;
    eg_problem p = {0};
    eg_buf_init(&text, 65536);
    assert_int_equal(eg_own_keys_text(f->identity->own_keys, &text), EG_OK);
    assert_int_equal(eg_jwk_set_parse(eg_buf_str(&text), &served, &p), EG_OK);
    assert_int_equal(served->count, n);
    eg_jwk_set_unref(served);
    eg_jwk_set_unref(set);
    eg_buf_done(&text);
    return n;
}

static void rotated(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_buf json, token, later;
    eg_buf_init(&json, 8192);
    eg_buf_init(&token, 20480);
    eg_buf_init(&later, 20480);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, "", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    const uint32_t before = eg_own_keys_generation(f->identity->own_keys);
    assert_int_equal(published(f), 1);
    assert_int_equal(eg_own_keys_reload(f->identity->own_keys, &p), EG_OK);
    assert_int_equal(eg_own_keys_generation(f->identity->own_keys), before); /* the same keys */
    assert_int_equal(eg_identity_rotate_key(f->identity, 0, false, &json, &p), EG_OK);
    assert_int_equal(published(f), 2);
    assert_int_not_equal(eg_own_keys_generation(f->identity->own_keys), before);
    fixture_token(f, PUBLIC_URL, "", &later); /* by the new one */
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&later), EG_AUDIENCE_GATEWAY), EG_OK);
    assert_int_equal(eg_identity_rotate_key(f->identity, 60, false, &json, &p), EG_OK);
    assert_int_equal(eg_identity_rotate_key(f->identity, 60, false, &json, &p), EG_ERR_EXISTS);
    /* Ended: what was verified before, and remembered, is verified again, by keys that are gone. */
    assert_int_equal(eg_identity_rotate_key(f->identity, 0, true, &json, &p), EG_OK);
    assert_int_equal(published(f), 1);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_KEY_UNKNOWN);
    assert_int_equal(fixture_verify(f, eg_buf_str(&later), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_KEY_UNKNOWN);
    fixture_token(f, PUBLIC_URL, "", &later);
    assert_int_equal(fixture_verify(f, eg_buf_str(&later), EG_AUDIENCE_GATEWAY), EG_OK);
    eg_buf_done(&json);
    eg_buf_done(&token);
    eg_buf_done(&later);
}

/* What the keeper has changed without us is seen within the minute. */
static void looked_at_every_minute(void **state) {
    fixture *f = *state;
    eg_buf json;
    eg_buf_init(&json, 8192);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    eg_identity_tell_metrics(f->identity); /* the first look */
    assert_int_equal(f->keys->rotate_token_key(f->keys->ctx, 60, false, &json), EG_OK);
    for (int i = 0; i < 1000 && published(f) == 1; i++) {
        f->offset_s += 61;
        eg_identity_tell_metrics(f->identity);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(published(f), 2);
    eg_buf_done(&json);
}

/* What stands in place of a keeper that is away, or lies. */
static const char *said;
static eg_err say(void *ctx, eg_buf *ret) {
    (void)ctx;
    return said ? eg_buf_adds(ret, said) : EG_ERR_KEEPER;
}

static void a_keeper_that_is_away(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_own_keys *o = NULL;
    const eg_keys keys = {.token_keys = say};
    said = NULL;
    assert_int_equal(eg_own_keys_open(&(eg_own_keys_options){&keys, f->pool, &f->clock, NULL}, &o, &p), EG_ERR_KEEPER);
    said = "{\"keys\":[]}";
    assert_int_equal(eg_own_keys_open(&(eg_own_keys_options){&keys, f->pool, &f->clock, NULL}, &o, &p), EG_ERR_INVALID);
    eg_buf good;
    eg_buf_init(&good, 8192);
    assert_int_equal(f->keys->token_keys(f->keys->ctx, &good), EG_OK);
    said = good.ptr;
    assert_int_equal(eg_own_keys_open(&(eg_own_keys_options){&keys, f->pool, &f->clock, NULL}, &o, &p), EG_OK);
    const uint32_t before = eg_own_keys_generation(o);
    static const char *const wrong[] = {NULL, "", "{\"keys\":[]}", "nonsense"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        said = wrong[i];
        assert_int_not_equal(eg_own_keys_reload(o, &p), EG_OK);
        eg_jwk_set *set = eg_own_keys_set(o);
        assert_int_equal(set->count, 1); /* those that are there stay */
        eg_jwk_set_unref(set);
        assert_int_equal(eg_own_keys_generation(o), before);
    }
    eg_own_keys_free(o);
    eg_buf_done(&good);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {T(rotated), T(looked_at_every_minute), T(a_keeper_that_is_away)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
