/* Checks that a log goes on from any size, whatever a crash left beyond it, and keeps no partial tiles that it outgrew.
 * covers: tile_sweep.c */
#include "made_log.h"

#include "tile_path.h"

static bool there(const char *dir, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static eg_tile_log *reopen(const char *dir, uint64_t size, const uint8_t root[EG_SHA256_LEN], uint64_t checkpoint, eg_err want) {
    eg_tile_log *t = NULL;
    eg_problem p = {0};
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(eg_tile_log_open(fd, size, root, checkpoint, &t, &p), want);
    return t;
}

static void goes_on_from_any_size(void **state) {
    static const uint64_t sizes[] = {0, 1, 100, 255, 256, 257, 700};
    uint8_t want[EG_SHA256_LEN];
    char dir[64];
    snprintf(dir, sizeof dir, "%s/straight", (char *)*state);
    eg_tile_log *t = made_open(dir);
    made_append(t, 0, 1000);
    eg_tile_log_root(t, want);
    eg_tile_log_free(t);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t root[EG_SHA256_LEN];
        snprintf(dir, sizeof dir, "%s/%zu", (char *)*state, i);
        t = made_open(dir);
        made_append(t, 0, sizes[i]);
        eg_tile_log_root(t, root);
        eg_tile_log_free(t);
        t = reopen(dir, sizes[i], root, sizes[i], EG_OK);
        made_append(t, sizes[i], 1000);
        eg_tile_log_root(t, root);
        assert_memory_equal(root, want, sizeof root);
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        made_checkpoint(fd, t);
        made_companions(fd);
        close(fd);
        eg_tile_log_free(t);
        eg_audit_verdict v;
        assert_int_equal(eg_audit_verify(dir, NULL, &v, NULL), EG_OK);
        assert_true(v.damaged == UINT64_MAX && v.size == 1000);
    }
}

/* Tiles were written further than the committed size, with other entries than those that come after the restart. */
static void what_a_crash_left_is_removed(void **state) {
    const char *dir = *state;
    uint8_t root[EG_SHA256_LEN];
    eg_tile_log *t = made_open(dir);
    made_append(t, 0, 250);
    eg_tile_log_root(t, root);
    made_append(t, 5000, 5700);
    eg_tile_log_free(t);
    assert_true(there(dir, "tile/0/002") && there(dir, "tile/0/003.p/182"));
    t = reopen(dir, 250, root, 250, EG_OK);
    assert_true(there(dir, "tile/0/000.p/250") && there(dir, "tile/entries/000.p/250"));
    assert_false(there(dir, "tile/0/000") || there(dir, "tile/0/002") || there(dir, "tile/0/003.p/182") || there(dir, "tile/1/000.p/3"));
    made_append(t, 250, 300);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    made_checkpoint(fd, t);
    made_companions(fd);
    close(fd);
    eg_tile_log_free(t);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(dir, NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX && v.size == 300);
}

static void outgrown_partials_go(void **state) {
    const char *dir = *state;
    eg_tile_log *t = made_open(dir);
    made_append(t, 0, 10);
    made_append(t, 10, 20);
    made_append(t, 20, 300);
    eg_tile_log_trim(t, 20);
    assert_false(there(dir, "tile/0/000.p/10") || there(dir, "tile/entries/000.p/10"));
    assert_true(there(dir, "tile/0/000.p/20") && there(dir, "tile/entries/001.p/44"));
    eg_tile_log_trim(t, 300);
    assert_false(there(dir, "tile/0/000.p"));
    assert_true(there(dir, "tile/0/001.p/44") && there(dir, "tile/1/000.p/1"));
    eg_tile_log_free(t);
}

static void damage_is_not_built_upon(void **state) {
    const char *dir = *state;
    uint8_t root[EG_SHA256_LEN];
    char path[256];
    eg_tile_log *t = made_open(dir);
    made_append(t, 0, 10);
    eg_tile_log_root(t, root);
    eg_tile_log_free(t);
    root[0] ^= 1;
    assert_null(reopen(dir, 10, root, 10, EG_ERR_CORRUPT));
    root[0] ^= 1;
    snprintf(path, sizeof path, "%s/tile/entries/000.p/10", dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 5), 1);
    close(fd);
    assert_null(reopen(dir, 10, root, 10, EG_ERR_CORRUPT));
    assert_int_equal(unlink(path), 0);
    assert_null(reopen(dir, 10, root, 10, EG_ERR_CORRUPT));
}

static void long_entries(void **state) {
    eg_tile_log *t = made_open(*state);
    uint8_t *big = calloc(1, EG_ENTRY_MAX + 1);
    assert_int_equal(eg_tile_log_append(t, (eg_bytes){big, EG_ENTRY_MAX}), EG_OK);
    assert_int_equal(eg_tile_log_append(t, (eg_bytes){big, EG_ENTRY_MAX + 1}), EG_ERR_LIMIT);
    assert_int_equal(eg_tile_log_size(t), 1);
    free(big);
    eg_tile_log_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_on_from_any_size, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(what_a_crash_left_is_removed, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(outgrown_partials_go, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(damage_is_not_built_upon, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(long_entries, made_dir, made_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
