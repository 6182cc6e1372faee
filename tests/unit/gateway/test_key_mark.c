/* An older copy of the keeper's file of token-signing keys is noticed, and what it would bring back is ended. */
#include "identity_fixture.h"

#include "identity/key_mark.h"

#include <embergate/durable_file.h>
#include <embergate/json.h>

#include <fcntl.h>

static void path_of(const fixture *f, char ret[160]) { snprintf(ret, 160, "%s/keeper/token-signing.key", f->dir); }

static void file_read(const fixture *f, eg_buf *ret) {
    char path[160];
    eg_problem p = {0};
    path_of(f, path);
    eg_buf_init(ret, 65536);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 65536, ret, &p), EG_OK);
}

/* As somebody who can write there does it while the keeper is stopped. */
static void put_back(fixture *f, const eg_buf *file) {
    char path[160], dir[128];
    eg_problem p = {0};
    path_of(f, path);
    snprintf(dir, sizeof dir, "%s/keeper", f->dir);
    eg_keeper_local_free(f->keys);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_buf_bytes(file), &p), EG_OK);
    assert_int_equal(eg_keeper_open_local(dir, &f->keys, &p), EG_OK);
}

static eg_key_mark mark_of(const fixture *f) { return (eg_key_mark){f->kv, f->committer, f->keys, NULL}; }

static bool ended(const fixture *f) {
    const eg_key_mark m = mark_of(f);
    bool yes = false;
    eg_problem p = {0};
    assert_int_equal(eg_key_mark_check(&m, &yes, &p), EG_OK);
    return yes;
}

static json_t *list(const fixture *f) {
    eg_buf text;
    json_t *v = NULL;
    eg_buf_init(&text, 65536);
    assert_int_equal(f->keys->list_token_keys(f->keys->ctx, &text), EG_OK);
    assert_int_equal(eg_json_parse(eg_buf_str(&text), 65536, &v, NULL), EG_OK);
    eg_buf_done(&text);
    return v;
}

static void rotate(const fixture *f, uint32_t delay_s, bool end_old, bool told) {
    const eg_key_mark m = mark_of(f);
    eg_problem p = {0};
    eg_buf text;
    eg_buf_init(&text, 65536);
    assert_int_equal(f->keys->rotate_token_key(f->keys->ctx, delay_s, end_old, &text), EG_OK);
    assert_int_equal(told ? eg_key_mark_put(&m, eg_buf_str(&text), &p) : EG_OK, EG_OK);
    eg_buf_done(&text);
}

/* The stolen key was ended; its file comes back. */
static void what_was_ended_stays_ended(void **state) {
    fixture *f = *state;
    eg_buf older;
    assert_false(ended(f)); /* the first look */
    assert_false(ended(f));
    file_read(f, &older);
    json_t *stolen = list(f);
    rotate(f, 0, true, true);
    assert_false(ended(f));
    put_back(f, &older);
    assert_true(ended(f));
    json_t *now = list(f);
    assert_int_equal(json_array_size(json_object_get(now, "keys")), 1);
    assert_false(eg_str_eq(eg_json_str(json_array_get(json_object_get(now, "keys"), 0), "kid"), eg_json_str(json_array_get(json_object_get(stolen, "keys"), 0), "kid")));
    assert_false(ended(f));
    json_decref(now);
    json_decref(stolen);
    eg_buf_done(&older);
}

/* A rotation that was killed before the store knew of it ends nothing. */
static void a_later_key_is_believed(void **state) {
    fixture *f = *state;
    assert_false(ended(f));
    rotate(f, 7200, false, false);
    assert_false(ended(f));
    json_t *now = list(f);
    assert_int_equal(json_array_size(json_object_get(now, "keys")), 2);
    json_decref(now);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_ended_stays_ended, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(a_later_key_is_believed, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
