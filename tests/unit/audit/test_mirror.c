/* Checks that a copy grows as the server says, whatever the sizes, and into nothing that was not signed; the server is a folder. covers: mirror.c */
#include "made_log.h"

#include <embergate/audit_mirror.h>

#include <sys/file.h>

typedef struct server {
    char dir[80];
    eg_tile_log *t;
    int fd;
} server;

static server serve(const char *where, const char *name) {
    server s;
    snprintf(s.dir, sizeof s.dir, "%s/%s", where, name);
    s.t = made_open(s.dir);
    s.fd = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(s.fd >= 0);
    made_companions(s.fd);
    return s;
}

static void serve_to(server *s, uint64_t size) {
    made_append(s->t, eg_tile_log_size(s->t), size);
    made_checkpoint(s->fd, s->t);
}

static void serve_end(server *s) {
    eg_tile_log_free(s->t);
    close(s->fd);
}

static const char *copy_dir(void **state) {
    static char dir[80];
    snprintf(dir, sizeof dir, "%s/copy", (char *)*state);
    return dir;
}

static const char *made_key(void) {
    static char key[200];
    uint8_t pub[32];
    EG_CLEANUP(eg_buf_done) eg_buf b;
    eg_buf_init(&b, 200);
    assert_int_equal(eg_ed25519_public(made_seed, pub), EG_OK);
    assert_int_equal(eg_verifier_key_write(EG_LIT(MADE_ORIGIN), pub, &b), EG_OK);
    snprintf(key, sizeof key, "%s", b.ptr);
    return key;
}

static eg_audit_mirror *open_copy(void **state) {
    eg_audit_mirror *m = NULL;
    eg_problem p = {0};
    const eg_err e = eg_audit_mirror_open(copy_dir(state), made_key(), "a test\n", &m, &p);
    if (e != EG_OK) {
        print_error("%s\n", p.message);
    }
    assert_int_equal(e, EG_OK);
    return m;
}

static eg_err get(const server *s, const char *name, eg_buf *ret) {
    eg_buf_init(ret, (size_t)32 << 20);
    return eg_file_read(s->fd, name, ret->max, ret, NULL);
}

/* `spoil`: xor at that byte of each piece; SIZE_MAX = none. */
static eg_err fetch(eg_audit_mirror *m, const server *s, size_t spoil, eg_problem *p) {
    char path[EG_AUDIT_MIRROR_PATH_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    assert_int_equal(get(s, "checkpoint", &note), EG_OK);
    EG_TRY(eg_audit_mirror_begin(m, eg_buf_str(&note), p));
    while (eg_audit_mirror_next(m, path)) {
        EG_CLEANUP(eg_buf_done) eg_buf bundle = {0};
        assert_int_equal(get(s, path, &bundle), EG_OK);
        if (spoil < bundle.len) {
            bundle.ptr[spoil] ^= 1;
        }
        EG_TRY(eg_audit_mirror_add(m, eg_buf_bytes(&bundle), p));
    }
    return eg_audit_mirror_end(m, p);
}

static void assert_whole(void **state, uint64_t size) {
    eg_audit_verdict v;
    eg_problem p = {0};
    assert_int_equal(eg_audit_verify(copy_dir(state), made_key(), &v, &p), EG_OK);
    assert_true(v.damaged == UINT64_MAX && v.size == size);
}

static eg_err count(void *ctx, uint64_t index, eg_bytes entry) {
    uint64_t *next = ctx;
    char line[64];
    const int n = snprintf(line, sizeof line, "{\"n\":%llu}", (unsigned long long)*next);
    assert_true(index == *next && entry.len == (size_t)n && memcmp(entry.ptr, line, entry.len) == 0);
    ++*next;
    return EG_OK;
}

static void grows_step_by_step(void **state) {
    static const uint64_t sizes[] = {0, 1, 3, 3, 255, 256, 257, 600, 1024, 70000, 70001};
    server s = serve(*state, "server");
    eg_problem p = {0};
    assert_false(eg_audit_mirror_exists(copy_dir(state)));
    uint64_t before = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        serve_to(&s, sizes[i]);
        eg_audit_mirror *m = open_copy(state);
        assert_int_equal(eg_audit_mirror_size(m), before);
        assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
        assert_int_equal(eg_audit_mirror_size(m), sizes[i]);
        uint64_t next = before;
        assert_int_equal(eg_audit_mirror_each(m, before, count, &next, &p), EG_OK);
        assert_int_equal(next, sizes[i]);
        eg_audit_mirror_close(m);
        assert_whole(state, sizes[i]);
        before = sizes[i];
    }
    assert_true(eg_audit_mirror_exists(copy_dir(state)));
    serve_end(&s);
}

static void what_was_not_signed_is_not_taken(void **state) {
    server s = serve(*state, "server");
    eg_problem p = {0};
    serve_to(&s, 300);
    eg_audit_mirror *m = open_copy(state);
    assert_int_equal(fetch(m, &s, 5, &p), EG_ERR_CORRUPT); /* a byte of a record */
    assert_non_null(strstr(p.message, "not what this copy has"));
    assert_int_equal(fetch(m, &s, 0, &p), EG_ERR_CORRUPT); /* of a length */
    assert_int_equal(eg_audit_mirror_size(m), 0);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    serve_to(&s, 500);
    assert_int_equal(fetch(m, &s, 44 * 11 + 4, &p), EG_ERR_CORRUPT); /* a new record beside old ones */
    assert_int_equal(eg_audit_mirror_size(m), 300);
    eg_audit_mirror_close(m);
    assert_whole(state, 300);
    m = open_copy(state);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    static const uint8_t junk[] = {0, 1, 'x'};
    assert_int_equal(eg_audit_mirror_add(m, (eg_bytes){junk, sizeof junk}, &p), EG_ERR_INVALID); /* nothing was begun */
    assert_int_equal(eg_audit_mirror_begin(m, EG_LIT("embergate.test/made\n9\n"), &p), EG_ERR_CORRUPT);
    eg_audit_mirror_close(m);
    assert_whole(state, 500);
    serve_end(&s);
}

static void a_log_that_went_back_or_was_made_anew_is_told(void **state) {
    server s = serve(*state, "server"), other = serve(*state, "other");
    eg_problem p = {0};
    serve_to(&s, 300);
    eg_audit_mirror *m = open_copy(state);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    serve_to(&other, 299);
    assert_int_equal(fetch(m, &other, SIZE_MAX, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "was set back"));
    assert_int_equal(eg_tile_log_append(other.t, (eg_bytes){(const uint8_t *)"{}", 2}), EG_OK);
    assert_int_equal(eg_tile_log_flush(other.t), EG_OK);
    made_checkpoint(other.fd, other.t);
    assert_int_equal(fetch(m, &other, SIZE_MAX, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "made anew"));
    serve_to(&other, 301);
    assert_int_equal(fetch(m, &other, SIZE_MAX, &p), EG_ERR_CORRUPT); /* longer, and signed, but not grown out of this */
    assert_non_null(strstr(p.message, "were changed"));
    eg_audit_mirror_close(m);
    assert_whole(state, 300);
    serve_end(&s);
    serve_end(&other);
}

static void who_opens_it(void **state) {
    eg_problem p = {0};
    eg_audit_mirror *m = NULL, *second = NULL;
    assert_int_equal(eg_audit_mirror_open(copy_dir(state), NULL, "", &m, &p), EG_ERR_INVALID);
    assert_int_equal(eg_audit_mirror_open(copy_dir(state), "x", "", &m, &p), EG_ERR_INVALID);
    m = open_copy(state);
    assert_int_equal(eg_audit_mirror_open(copy_dir(state), NULL, "", &second, &p), EG_ERR_BUSY);
    eg_audit_mirror_close(m);
    assert_int_equal(eg_audit_mirror_open(copy_dir(state), NULL, "", &m, &p), EG_OK);
    eg_audit_mirror_close(m);
    char key[200];
    snprintf(key, sizeof key, "%s", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    assert_int_equal(eg_audit_mirror_open(copy_dir(state), key, "", &second, &p), EG_ERR_INVALID);
    assert_non_null(strstr(p.message, "another key"));
    eg_audit_mirror_close(NULL);
}

/* Opening it would sweep what the server is writing. */
static void a_servers_own_folder_is_refused(void **state) {
    server s = serve(*state, "server");
    eg_problem p = {0};
    eg_audit_mirror *m = NULL;
    serve_to(&s, 300);
    assert_int_equal(eg_audit_mirror_open(s.dir, made_key(), "", &m, &p), EG_ERR_INVALID);
    assert_non_null(strstr(p.message, "no copy"));
    serve_end(&s);
}

static void put_witnessed(const server *s, const char *line, eg_buf *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    assert_int_equal(get(s, "checkpoint", &note), EG_OK);
    eg_buf_init(ret, EG_CHECKPOINT_MAX);
    eg_buf_addf(ret, "%s%s\n", note.ptr, line);
}

/* What was cosigned is kept with what it is of, never for more than there is, and never for less than there was. */
static void what_witnesses_said_is_kept(void **state) {
    static const char line[] = "\xe2\x80\x94 w.test/1 AQIDBAUG"; /* key id 01020304 */
    server s = serve(*state, "server");
    eg_problem p = {0};
    char file[160];
    EG_CLEANUP(eg_buf_done) eg_buf early = {0};
    EG_CLEANUP(eg_buf_done) eg_buf late = {0};
    EG_CLEANUP(eg_buf_done) eg_buf kept = {0};
    serve_to(&s, 5);
    put_witnessed(&s, line, &early);
    serve_to(&s, 9);
    put_witnessed(&s, line, &late);
    eg_audit_mirror *m = open_copy(state);
    assert_int_equal(eg_audit_mirror_witnessed(m, eg_buf_str(&late), &p), EG_ERR_CORRUPT);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    assert_int_equal(eg_audit_mirror_witnessed(m, eg_buf_str(&late), &p), EG_OK);
    assert_int_equal(eg_audit_mirror_witnessed(m, eg_buf_str(&early), &p), EG_OK);
    snprintf(file, sizeof file, "%s/witness/01020304", copy_dir(state));
    eg_buf_init(&kept, EG_CHECKPOINT_MAX);
    assert_int_equal(eg_file_read(AT_FDCWD, file, EG_CHECKPOINT_MAX, &kept, NULL), EG_OK);
    assert_true(eg_str_eq(eg_buf_str(&kept), eg_buf_str(&late)));
    eg_audit_mirror_close(m);
    serve_end(&s);
}

/* A copy that was cut off in the middle goes on from where it was proved last. */
static void cut_off_in_the_middle(void **state) {
    server s = serve(*state, "server");
    eg_problem p = {0};
    serve_to(&s, 100);
    eg_audit_mirror *m = open_copy(state);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    serve_to(&s, 2000);
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    assert_int_equal(get(&s, "checkpoint", &note), EG_OK);
    for (int again = 0; again < 2; again++) {
        char path[EG_AUDIT_MIRROR_PATH_LEN];
        assert_int_equal(eg_audit_mirror_begin(m, eg_buf_str(&note), &p), EG_OK);
        for (int i = 0; i < 3; i++) {
            EG_CLEANUP(eg_buf_done) eg_buf bundle = {0};
            assert_true(eg_audit_mirror_next(m, path));
            assert_int_equal(get(&s, path, &bundle), EG_OK);
            assert_int_equal(eg_audit_mirror_add(m, eg_buf_bytes(&bundle), &p), EG_OK);
        }
        assert_int_equal(eg_audit_mirror_end(m, &p), EG_ERR_INVALID); /* not all is there */
    }
    eg_audit_mirror_close(m);
    assert_whole(state, 100);
    m = open_copy(state);
    assert_int_equal(fetch(m, &s, SIZE_MAX, &p), EG_OK);
    eg_audit_mirror_close(m);
    assert_whole(state, 2000);
    serve_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(grows_step_by_step, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(what_was_not_signed_is_not_taken, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(a_log_that_went_back_or_was_made_anew_is_told, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(who_opens_it, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(a_servers_own_folder_is_refused, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(what_witnesses_said_is_kept, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(cut_off_in_the_middle, made_dir, made_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
