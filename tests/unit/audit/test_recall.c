/* Checks that a keeper whose files were put back is noticed by the checkpoints that it signed, and that a fork is never gone on from. */
#include "bench.h"

#include <embergate/encoding.h>
#include <fcntl.h>

#include "checkpoint.h"
#include "tile_path.h"

#define TENANT_ORIGIN ORIGIN "/" TENANT

/* The keeper's file about the tenant's log: named by the first half of SHA-256 of its origin. */
static const char *keeper_state(const bench *b) {
    static char path[256];
    char hex[33];
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(eg_str_bytes(EG_LIT(TENANT_ORIGIN)), digest);
    eg_hex((eg_bytes){digest, 16}, hex);
    snprintf(path, sizeof path, "%s/checkpoints/%s.state", b->keeper_dir, hex);
    return path;
}

static void one_life(bench *b, size_t forgotten) {
    const eg_audit_record r = bench_record("one");
    bench_open(b);
    assert_int_equal(eg_audit_forgotten(b->audit), forgotten);
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
}

/* In the server's log, of this tenant's. */
static size_t count_records(const bench *b) {
    static const char event[] = "\"event\":\"audit.checkpoint.forgotten\"", resource[] = "\"/providers/Embergate/auditLogs/" TENANT "\"";
    EG_CLEANUP(eg_buf_done) eg_buf note;
    EG_CLEANUP(eg_buf_done) eg_buf bundle;
    eg_checkpoint c;
    char path[EG_TILE_PATH_LEN];
    size_t n = 0;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    eg_buf_init(&bundle, 1 << 20);
    assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, "server", "checkpoint"), EG_CHECKPOINT_MAX, &note, NULL), EG_OK);
    assert_int_equal(eg_checkpoint_parse(eg_buf_str(&note), &c), EG_OK);
    assert_in_range(c.size, 1, EG_TILE_WIDTH - 1);
    eg_audit_tile_path(EG_TILE_ENTRIES, 0, (unsigned)c.size, path);
    assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, "server", path), 1 << 20, &bundle, NULL), EG_OK);
    eg_bytes rest = eg_buf_bytes(&bundle), entry = {NULL, 0};
    while (rest.len > 0) {
        assert_int_equal(eg_audit_bundle_next(&rest, &entry), EG_OK);
        n += memmem(entry.ptr, entry.len, event, sizeof event - 1) && memmem(entry.ptr, entry.len, resource, sizeof resource - 1);
    }
    return n;
}

static void a_keeper_that_forgot_is_recorded_and_told(void **state) {
    bench *b = *state;
    EG_CLEANUP(eg_buf_done) eg_buf older;
    eg_buf_init(&older, 4096);
    one_life(b, 0);
    assert_int_equal(eg_file_read(AT_FDCWD, keeper_state(b), 4096, &older, NULL), EG_OK);
    one_life(b, 0);
    assert_int_equal(count_records(b), 0);
    assert_int_equal(eg_file_replace(AT_FDCWD, keeper_state(b), 0600, eg_buf_bytes(&older), NULL), EG_OK);
    one_life(b, 1);
    assert_int_equal(count_records(b), 1);
    one_life(b, 0);
    assert_int_equal(unlink(keeper_state(b)), 0);
    one_life(b, 1);
    assert_int_equal(count_records(b), 2);
}

/* The keeper is told before it signs: what is published stays beyond what it may sign again. */
static void it_signs_nothing_smaller_afterwards(void **state) {
    bench *b = *state;
    EG_CLEANUP(eg_buf_done) eg_buf body;
    uint8_t sig[64];
    const uint8_t root[EG_SHA256_LEN] = {1};
    eg_buf_init(&body, 1024);
    one_life(b, 0);
    one_life(b, 0);
    assert_int_equal(unlink(keeper_state(b)), 0);
    bench_open(b);
    assert_int_equal(eg_checkpoint_body(EG_LIT(TENANT_ORIGIN), 1, root, &body), EG_OK);
    assert_int_equal(b->keys->sign_checkpoint(b->keys->ctx, EG_LIT(TENANT_ORIGIN), eg_buf_str(&body), sig), EG_ERR_CORRUPT);
}

static void a_fork_is_refused(void **state) {
    bench *b = *state;
    EG_CLEANUP(eg_buf_done) eg_buf body;
    uint8_t sig[64];
    const uint8_t root[EG_SHA256_LEN] = {1};
    eg_problem p = {0};
    eg_buf_init(&body, 1024);
    one_life(b, 0);
    assert_int_equal(unlink(keeper_state(b)), 0);
    assert_int_equal(eg_checkpoint_body(EG_LIT(TENANT_ORIGIN), 1, root, &body), EG_OK);
    assert_int_equal(b->keys->sign_checkpoint(b->keys->ctx, EG_LIT(TENANT_ORIGIN), eg_buf_str(&body), sig), EG_OK);
    assert_int_equal(bench_try_open(b, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "another checkpoint"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_keeper_that_forgot_is_recorded_and_told, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(it_signs_nothing_smaller_afterwards, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_fork_is_refused, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
