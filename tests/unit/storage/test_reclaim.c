/* What is deleted goes away, what is read stays, and what a dead process left is found. covers: reclaim_sweep.c storage.c */
#include "storage_fixture.h"

#include "segment_store.h"

static bool count_file(void *ctx, const eg_id *id) {
    (void)id;
    ++*(size_t *)ctx;
    return true;
}

/* Segments that are known, in packs or not. */
static size_t segments(store *s) { return store_rows(s, EG_DB_FS_PLACE); }

static size_t files(store *s) {
    size_t n = 0;
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(eg_segment_store_each(s->storage->segments, i, count_file, &n), EG_OK);
    }
    return n;
}

static void subtree(void **state) {
    store *s = *state;
    for (int i = 0; i < 200; i++) {
        char path[64];
        snprintf(path, sizeof path, "/data/d/%d/%d", i % 7, i);
        store_write(s, path, "x", 1);
    }
    store_write(s, "/data/kept", "y", 1);
    assert_int_equal(store_append(s, "/data/d/0/0", 1, "staged", 6), EG_OK);
    assert_int_equal(segments(s), 202);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    size_t left = 1;
    left = store_reclaim(s);
    assert_int_equal(left, 0);
    assert_int_equal(store_rows(s, EG_DB_FS_ORPHAN), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_INODE), 2);
    assert_int_equal(store_rows(s, EG_DB_FS_ENTRY), 1);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 1);
    assert_int_equal(store_rows(s, EG_DB_FS_EXTENT), 1);
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 0);
    assert_int_equal(segments(s), 1);
}

static void being_read(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "x", 1);
    const eg_account *a = store_account(s);
    eg_kv_txn *t = NULL;
    eg_place place;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_ns_resolve(t, a, EG_LIT(FS), EG_LIT("f"), &place), EG_OK);
    eg_kv_read_end(t);
    assert_int_equal(eg_readers_enter(s->storage->readers, &place.entry.child), EG_OK);
    assert_int_equal(eg_readers_enter(s->storage->readers, &place.entry.child), EG_OK);
    assert_int_equal(store_delete(s, "/data/f", ""), EG_OK);
    size_t left = 0;
    eg_readers_leave(s->storage->readers, &place.entry.child);
    left = store_reclaim(s);
    assert_int_equal(left, 1);
    assert_int_equal(segments(s), 1);
    eg_readers_leave(s->storage->readers, &place.entry.child);
    left = store_reclaim(s);
    assert_int_equal(left, 0);
    assert_int_equal(segments(s), 0);
}

static void touch(store *s, const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/segments/%s", s->top, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void left_behind(void **state) {
    store *s = *state;
    store_quiet(s);
    static const atomic_bool never = false;
    uint8_t *large = store_pattern(EG_PACKED_MAX + 1);
    store_write(s, "/data/f", large, EG_PACKED_MAX + 1);
    free(large);
    touch(s, "tmp/00000000000000000000000000000001");
    touch(s, "01/ab000000000000000000000000000001");
    assert_int_equal(files(s), 2);
    /* One that is being written right now is left alone. */
    const eg_id busy = eg_id_new();
    int fd = -1;
    assert_int_equal(eg_segment_store_create(s->storage->segments, &busy, &fd), EG_OK);
    assert_int_equal(eg_segment_store_publish(s->storage->segments, &busy), EG_OK);
    close(fd);
    assert_int_equal(eg_reclaim_sweep(s->storage, &never), EG_OK);
    assert_int_equal(files(s), 2);
    eg_segment_store_settle(s->storage->segments, &busy, false);
    assert_int_equal(files(s), 1);
    store_stop(s);
    char path[160];
    snprintf(path, sizeof path, "%s/segments/tmp/00000000000000000000000000000001", s->top);
    assert_int_equal(access(path, F_OK), 0);
    store_start(s);
    assert_int_equal(access(path, F_OK), -1);
}

static int64_t shifted_ns;
static int64_t shifted_wall(void *ctx) {
    (void)ctx;
    return eg_wall_ns(&eg_clock_system) + shifted_ns;
}
static int64_t shifted_mono(void *ctx) {
    (void)ctx;
    return eg_mono_ns(&eg_clock_system);
}

static void forgotten(void **state) {
    store *s = *state;
    static const eg_clock later = {shifted_wall, shifted_mono, NULL};
    static const atomic_bool never = false;
    store_quiet(s);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "x", 1), EG_OK);
    assert_int_equal(eg_reclaim_sweep(s->storage, &never), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 1);
    shifted_ns = (int64_t)8 * 86400 * 1000000000;
    s->storage->clock = &later;
    assert_int_equal(store_append(s, "/data/f", 1, "y", 1), EG_OK);
    assert_int_equal(eg_reclaim_sweep(s->storage, &never), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 1);
    (void)store_reclaim(s);
    assert_int_equal(segments(s), 1);
    assert_int_equal(store_flush(s, "/data/f", 1), EG_ERR_FLUSH_POSITION);
}

static void a_lost_upload(void **state) {
    store *s = *state;
    /* The request ends before the body does: begin and body without end. */
    eg_request *rq = calloc(1, sizeof *rq);
    eg_header headers[12];
    rq->arena = eg_arena_new((size_t)256 << 10);
    const call c = {.method = "PATCH", .path = "/data/f", .query = "action=append&position=0", .body = "half", .body_len = 4};
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    store_fill(s, &c, rq, headers);
    const eg_route *route = store_route(&c);
    assert_int_equal(route->begin(rq), EG_OK);
    assert_int_equal(route->body(rq, (eg_bytes){(const uint8_t *)"ha", 2}), EG_OK);
    rq->free_state(rq->state);
    eg_principal_unref(rq->principal);
    eg_arena_free(rq->arena);
    free(rq);
    char path[160];
    snprintf(path, sizeof path, "%s/segments/tmp", s->top);
    assert_int_equal(rmdir(path), 0); /* empty */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subtree, store_open, store_close),
        cmocka_unit_test_setup_teardown(being_read, store_open, store_close),
        cmocka_unit_test_setup_teardown(left_behind, store_open, store_close),
        cmocka_unit_test_setup_teardown(forgotten, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_lost_upload, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
