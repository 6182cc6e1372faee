/* Segment files: published whole or not at all, and never without room. */
#include "storage_fixture.h"

#include "segment_store.h"

static void life(void **state) {
    store *s = *state;
    store_quiet(s);
    eg_segment_store *g = s->storage->segments;
    const eg_id id = eg_id_new();
    const eg_segment_at at = {id, id};
    int fd = -1;
    int in = -1;
    assert_int_equal(eg_segment_store_create(g, &id, &fd), EG_OK);
    assert_true(eg_segment_store_pending(g, &id));
    assert_int_equal(eg_segment_store_create(g, &id, &in), EG_ERR_IO); /* never over another */
    assert_int_equal(eg_segment_store_open_read(g, &at, &in), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_segment_store_sync(g, &at, 1), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_segment_store_publish(g, &id), EG_OK);
    assert_int_equal(eg_segment_store_publish(g, &id), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_segment_store_sync(g, &at, 1), EG_OK);
    assert_int_equal(eg_segment_store_open_read(g, &at, &in), EG_OK);
    close(in);
    close(fd);
    eg_segment_store_settle(g, &id, true);
    assert_false(eg_segment_store_pending(g, &id));
    assert_int_equal(eg_segment_store_open_read(g, &at, &in), EG_OK);
    close(in);
    assert_int_equal(eg_segment_store_unlink(g, &id), EG_OK);
    assert_int_equal(eg_segment_store_unlink(g, &id), EG_OK);
    assert_int_equal(eg_segment_store_open_read(g, &at, &in), EG_ERR_NOT_FOUND);
}

static void links_are_not_followed(void **state) {
    store *s = *state;
    store_quiet(s);
    char path[160];
    int in = -1;
    const eg_id id = {{[15] = 0xab}};
    snprintf(path, sizeof path, "%s/segments/ab/000000000000000000000000000000ab", s->top);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(eg_segment_store_open_read(s->storage->segments, &(eg_segment_at){id, id}, &in), EG_ERR_IO);
    assert_int_equal(in, -1);
}

static void no_room(void **state) {
    store *s = *state;
    store_quiet(s);
    char dir[96];
    eg_problem p = {0};
    eg_segment_store *g = NULL;
    snprintf(dir, sizeof dir, "%s/other", s->top);
    assert_int_equal(eg_segment_store_open(dir, UINT64_MAX, &eg_clock_system, &g, &p), EG_OK);
    assert_int_equal(eg_segment_store_room(g, &p), EG_ERR_DISK_FULL);
    /* A store without room refuses appends and creates before the body, and still reads and deletes. */
    store_write(s, "/data/f", "x", 1);
    eg_segment_store *with_room = s->storage->segments;
    s->storage->segments = g;
    assert_int_equal(store_create(s, "/data/g"), EG_ERR_DISK_FULL);
    assert_int_equal(store_append(s, "/data/f", 1, "y", 1), EG_ERR_DISK_FULL);
    assert_int_equal(store_delete(s, "/data/f", ""), EG_OK);
    s->storage->segments = with_room;
    eg_segment_store_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life, store_open, store_close),
        cmocka_unit_test_setup_teardown(links_are_not_followed, store_open, store_close),
        cmocka_unit_test_setup_teardown(no_room, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
