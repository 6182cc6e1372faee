/* Checks the table of logs: keys, folders and origins of new ones, and what becomes of records without a key. */
#include "bench.h"

#include <embergate/json.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "record.h"

static void open_store(bench *b) {
    const eg_kv_options ko = {.dir = b->kv_dir, .map_size = (uint64_t)64 << 20};
    eg_problem p = {0};
    assert_int_equal(eg_kv_open(&ko, &b->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(b->kv, &b->committer), EG_OK);
    assert_int_equal(eg_dir_make(b->audit_dir, 0700, &p), EG_OK);
}

static eg_logs *open_logs(bench *b, int dir_fd, eg_err want) {
    eg_logs *l = NULL;
    eg_problem p = {0};
    const eg_logs_options o = {.dir_fd = dir_fd, .kv = b->kv, .committer = b->committer, .keys = b->keys, .origin = ORIGIN};
    assert_int_equal(eg_logs_open(&o, &l, &p), want);
    return l;
}

static void keys_are_the_same_after_reopening(void **state) {
    bench *b = *state;
    open_store(b);
    int fd = open(b->audit_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    eg_logs *l = open_logs(b, fd, EG_OK);
    eg_log *g = NULL;
    uint8_t key[32];
    assert_null(eg_logs_find(l, EG_LIT(TENANT)));
    assert_int_equal(eg_logs_get(l, EG_LIT(TENANT), &g, NULL), EG_OK);
    assert_ptr_equal(eg_logs_find(l, EG_LIT(TENANT)), g);
    assert_string_equal(g->origin, ORIGIN "/" TENANT);
    assert_int_equal(eg_log_key(g).len, 32);
    assert_int_equal(eg_log_key(eg_logs_find(l, EG_LIT("server"))).len, 32);
    memcpy(key, eg_log_key(g).ptr, sizeof key);
    eg_logs_free(l);
    assert_int_equal(access(bench_path(b, TENANT, EG_WRAPPED_FILE), F_OK), 0);
    struct stat st;
    assert_int_equal(stat(bench_path(b, TENANT, ""), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    l = open_logs(b, fd, EG_OK);
    assert_memory_equal(eg_log_key(eg_logs_find(l, EG_LIT(TENANT))).ptr, key, sizeof key);
    eg_logs_free(l);
    close(fd);
}

static void ids_that_are_no_folders_are_refused(void **state) {
    bench *b = *state;
    open_store(b);
    int fd = open(b->audit_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    eg_logs *l = open_logs(b, fd, EG_OK);
    static const char *const bad[] = {"", "..", "a/b", ".x", "-x", "UPPER", "a b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    eg_log *g = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_logs_get(l, eg_str_of(bad[i]), &g, NULL), EG_ERR_INVALID);
    }
    /* A tenant that the keeper doesn't know has no log; what is recorded about it is the server's. */
    assert_int_not_equal(eg_logs_get(l, EG_LIT("12345678-0000-0000-0000-000000000000"), &g, NULL), EG_OK);
    assert_int_equal(eg_logs_for_record(l, EG_LIT("12345678-0000-0000-0000-000000000000"), &g), EG_OK);
    assert_string_equal(g->id, "server");
    eg_logs_free(l);
    close(fd);
}

/* The keeper's own answers, but for one tenant. */
static eg_keys real;
static bool without_server_key;

static eg_err some_keys(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    if (without_server_key && eg_str_is(tenant, EG_AUDIT_SERVER_TENANT)) {
        return EG_ERR_NOT_FOUND;
    }
    return real.new_data_key(ctx, tenant, purpose, ret_key, ret_wrapped, ret_n);
}

static eg_err destroyed(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    if (eg_str_is(tenant, TENANT)) {
        return EG_ERR_KEY_DESTROYED;
    }
    return real.unwrap(ctx, tenant, purpose, wrapped, ret_key);
}

static void a_server_key_may_come_later(void **state) {
    bench *b = *state;
    open_store(b);
    real = *b->keys;
    b->keys->new_data_key = some_keys;
    without_server_key = true;
    int fd = open(b->audit_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    eg_logs *l = open_logs(b, fd, EG_OK);
    assert_int_equal(eg_log_key(eg_logs_find(l, EG_LIT("server"))).len, 0);
    eg_logs_free(l);
    without_server_key = false;
    l = open_logs(b, fd, EG_OK);
    assert_int_equal(eg_log_key(eg_logs_find(l, EG_LIT("server"))).len, 32);
    eg_logs_free(l);
    close(fd);
    *b->keys = real;
}

static void keys_of_logs_are_moved(void **state) {
    bench *b = *state;
    bench_open(b);
    eg_audit_record r = bench_record("before");
    uint32_t version = 0;
    uint64_t moved = 0;
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    assert_int_equal(b->keys->rotate_key(b->keys->ctx, EG_LIT(TENANT), EG_LIT(""), &version), EG_OK);
    /* While it is held nothing is integrated; afterwards all is. */
    assert_int_equal(eg_audit_hold(b->audit), EG_OK);
    assert_int_equal(eg_audit_hold(b->audit), EG_ERR_BUSY);
    r.resource = EG_LIT("held");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    eg_audit_release(b->audit);
    const eg_rewrap what = {EG_LIT(TENANT), EG_LIT(""), version};
    eg_audit_verdict v;
    bench_close(b);
    bench_open(b);
    assert_int_equal(eg_audit_rewrap(b->audit, &what, &moved), EG_OK);
    assert_int_equal(moved, 1);
    moved = 0;
    assert_int_equal(eg_audit_rewrap(b->audit, &what, &moved), EG_OK);
    assert_int_equal(moved, 0);
    bench_close(b);
    bench_open(b); /* opens under the new version */
    bench_close(b);
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_int_equal(v.size, 2);
}

static void a_destroyed_key_ends_no_log(void **state) {
    bench *b = *state;
    bench_open(b);
    eg_audit_record r = bench_record("before");
    json_t *details = json_pack("{s:s}", "a", "personal");
    r.details = details;
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
    real = *b->keys;
    b->keys->unwrap = destroyed;
    bench_open(b);
    r.resource = EG_LIT("after");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
    *b->keys = real;
    json_decref(details);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_int_equal(v.size, 2);
    eg_buf bundle;
    eg_buf_init(&bundle, 65536);
    assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, TENANT, "tile/entries/000.p/2"), 65536, &bundle, NULL), EG_OK);
    assert_non_null(memmem(bundle.ptr, bundle.len, "\"sealed_omitted\":\"no key\"", 25));
    eg_buf_done(&bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_the_same_after_reopening, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(ids_that_are_no_folders_are_refused, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_server_key_may_come_later, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_destroyed_key_ends_no_log, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(keys_of_logs_are_moved, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
