/* Rotation of keys while files are written and read, and one that was interrupted. covers: inode_walk.c rewrap.c rotation.c */
#include "storage_fixture.h"

#include <stdatomic.h>
#include <time.h>

typedef struct counts {
    size_t under[8];   /* wrapped keys by version */
    size_t other;
} counts;

/* Every wrapped key of the store, by the version that its head names. */
static counts look(store *s, const char *key) {
    counts c = {0};
    eg_kv_txn *t = NULL;
    eg_kv_cursor *at = NULL;
    eg_bytes k;
    eg_bytes v;
    const eg_account *a = store_account(s);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, EG_DB_FS_INODE, (eg_bytes){NULL, 0}, &at), EG_OK);
    while (eg_kv_cursor_next(at, &k, &v) == EG_OK) {
        eg_id id;
        eg_inode i;
        eg_str name;
        uint32_t version = 0;
        memcpy(id.b, k.ptr, sizeof id.b);
        assert_int_equal(eg_ns_inode_get(t, a, &id, &i), EG_OK);
        if (eg_wrapped_key_head(i.attr[EG_ATTR_WRAPPED_KEY], &name, &version)) {
            if (eg_str_is(name, key)) {
                c.under[version]++;
            } else {
                c.other++;
            }
        }
    }
    eg_kv_cursor_close(at);
    eg_kv_read_end(t);
    return c;
}

static void wait_done(store *s) {
    for (int i = 0; i < 600; i++) {
        eg_buf b;
        eg_buf_init(&b, 65536);
        assert_int_equal(eg_storage_rotation_status(s->storage, &b), EG_OK);
        const bool running = strstr(b.ptr, "\"running\"") != NULL;
        eg_buf_done(&b);
        if (!running) {
            return;
        }
        const struct timespec t = {0, 50000000};
        nanosleep(&t, NULL);
    }
    fail_msg("the rotation did not end");
}

static void write_some(store *s, const char *prefix, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/data/%s%zu", prefix, i);
        store_write(s, path, "hello", 5);
    }
}

static void read_all(store *s, const char *prefix, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/data/%s%zu", prefix, i);
        answer a = store_read(s, path);
        assert_int_equal(a.err, EG_OK);
        assert_int_equal(a.body.len, 5);
        answer_free(&a);
    }
}

typedef struct load {
    store *s;
    atomic_bool stop;
    size_t written;
} load;

static void *keep_writing(void *arg) {
    load *l = arg;
    while (!atomic_load(&l->stop)) {
        char path[64];
        snprintf(path, sizeof path, "/data/load%zu", l->written);
        store_write(l->s, path, "hello", 5);
        answer a = store_read(l->s, path);
        assert_int_equal(a.body.len, 5);
        answer_free(&a);
        l->written++;
    }
    return NULL;
}

static eg_err other_room(void *room, const eg_rewrap *what, uint64_t *ret_moved) {
    size_t *calls = room;
    assert_true(eg_str_is(what->tenant, TENANT));
    assert_int_equal(what->below, 2);
    *ret_moved += ++*calls == 1;
    return EG_OK;
}

static void under_load(void **state) {
    store *s = *state;
    size_t calls = 0;
    uint32_t version = 0;
    eg_problem p = {0};
    pthread_t thread;
    load l = {.s = s};
    const eg_rewrapper other = {"test", other_room, &calls};
    write_some(s, "f", 150);
    char etag[64];
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/f0"});
    snprintf(etag, sizeof etag, "%s", answer_header(&a, "ETag"));
    answer_free(&a);
    assert_int_equal(eg_storage_rotation_start(s->storage, &other, 1), EG_OK);
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &l), 0);
    assert_int_equal(eg_storage_rotate(s->storage, EG_LIT(TENANT), EG_LIT(""), &version, &p), EG_OK);
    assert_int_equal(version, 2);
    assert_int_equal(eg_storage_rotate(s->storage, EG_LIT(TENANT), EG_LIT(""), &version, &p), EG_ERR_EXISTS);
    wait_done(s);
    atomic_store(&l.stop, true);
    pthread_join(thread, NULL);
    const counts c = look(s, "");
    assert_int_equal(c.under[1], 0);
    assert_true(c.under[2] >= 150 + l.written);
    assert_true(calls >= 2);
    read_all(s, "f", 150);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f0"});
    assert_string_equal(etag, answer_header(&a, "ETag"));
    answer_free(&a);
    eg_buf json;
    eg_buf_init(&json, 65536);
    assert_int_equal(s->keys->list_keys(s->keys->ctx, EG_LIT(TENANT), &json), EG_OK);
    assert_non_null(strstr(json.ptr, "\"state\":\"retired\"},{\"version\":2"));
    eg_buf_done(&json);
    /* The account's MAC key was moved too: a store that starts anew opens all of it. */
    store_stop(s);
    store_start(s);
    read_all(s, "f", 150);
}

static void interrupted(void **state) {
    store *s = *state;
    uint32_t version = 0;
    eg_problem p = {0};
    write_some(s, "f", 200);
    assert_int_equal(s->keys->make_key(s->keys->ctx, EG_LIT(TENANT), EG_LIT("cmk")), EG_OK);
    assert_int_equal(eg_storage_scope_key(s->storage, EG_LIT(ACCOUNT), EG_LIT(""), EG_LIT("cmk"), &p), EG_OK);
    write_some(s, "m", 200);
    assert_int_equal(eg_storage_rotation_start(s->storage, NULL, 0), EG_OK);
    assert_int_equal(eg_storage_rotate(s->storage, EG_LIT(TENANT), EG_LIT("nothing"), &version, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_storage_rotate(s->storage, EG_LIT(TENANT), EG_LIT("cmk"), &version, &p), EG_OK);
    eg_storage_rotation_stop(s->storage);
    store_stop(s);
    store_start(s);
    read_all(s, "m", 200);
    assert_int_equal(eg_storage_rotation_start(s->storage, NULL, 0), EG_OK);
    wait_done(s);
    const counts c = look(s, "cmk");
    assert_int_equal(c.under[1], 0);
    assert_int_equal(c.under[2], 200);
    assert_int_equal(c.other, 200); /* those under the tenant's own key stayed */
    read_all(s, "m", 200);
    read_all(s, "f", 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(under_load, store_open, store_close),
        cmocka_unit_test_setup_teardown(interrupted, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
