/* A runner's sealed log: pages, ends, bounds, and what tampering does. covers: runner_log_write.c */
#include "launcher_fixture.h"

#include "runner_files.h"

typedef struct scene {
    char dir[128];
    char file[256];
    eg_runner_ref ref;
    uint8_t key[32];
    int fd;
    eg_runner_log_writer *w;
} scene;

static int setup(void **state) {
    scene *s = calloc(1, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s/eg-log-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    char path[256];
    static const char *const parts[] = {"spark", "spark/run", "spark/run/batch-7"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, parts[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(s->file, sizeof s->file, "%s/spark/run/batch-7/log", s->dir);
    s->fd = open(s->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(s->fd >= 0);
    memset(s->key, 3, sizeof s->key);
    s->ref = (eg_runner_ref){.clusters_dir = s->dir, .cluster = "spark", .kind = EG_RUNNER_BATCH, .id = "7"};
    assert_int_equal(eg_runner_log_writer_new(s->fd, (eg_bytes){s->key, 32}, "spark/batch-7", &s->w), EG_OK);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    eg_runner_log_writer_free(s->w);
    close(s->fd);
    fixture_remove(s->dir);
    free(s);
    return 0;
}

static void say(scene *s, const char *text) {
    eg_runner_log_write(s->w, eg_str_bytes(eg_str_of(text)));
    eg_runner_log_flush(s->w);
}

static eg_runner_log page(scene *s, int64_t from, size_t size) {
    eg_runner_log l;
    eg_problem p = {0};
    assert_int_equal(eg_runner_log_read(&s->ref, (eg_bytes){s->key, 32}, from, size, &l, &p), EG_OK);
    return l;
}

static void is_page(scene *s, int64_t from, size_t size, uint64_t want_from, uint64_t want_total, const char *want) {
    eg_runner_log l = page(s, from, size);
    assert_int_equal(l.total, want_total);
    assert_int_equal(l.from, want_from);
    assert_string_equal(l.lines.ptr ? l.lines.ptr : "", want);
    assert_false(l.damaged);
    eg_runner_log_done(&l);
}

static void test_pages(void **state) {
    scene *s = *state;
    is_page(s, 0, 10, 0, 0, "");
    say(s, "one\ntwo\nth");
    is_page(s, 0, 10, 0, 3, "one\ntwo\nth\n");
    say(s, "ree\n");
    say(s, "four");
    is_page(s, 0, 10, 0, 4, "one\ntwo\nthree\nfour\n");
    is_page(s, 2, 1, 2, 4, "three\n");
    is_page(s, 3, 5, 3, 4, "four\n");
    is_page(s, 4, 5, 4, 4, "");
    is_page(s, 400, 5, 400, 4, "");
    is_page(s, -1, 2, 2, 4, "three\nfour\n");
    is_page(s, -1, 100, 0, 4, "one\ntwo\nthree\nfour\n");
    is_page(s, 0, 0, 0, 4, "");
}

/* A character cut by two records stays whole; what is no UTF-8 is replaced; an empty line is a line. */
static void test_text(void **state) {
    scene *s = *state;
    say(s, "gr\xC3");
    say(s, "\xBC\xC3\x9F\x65\r\n\nbad \xFF\xC0 end\n");
    is_page(s, 0, 10, 0, 3, "gr\xC3\xBC\xC3\x9F" "e\n\nbad \xEF\xBF\xBD\xEF\xBF\xBD end\n");
}

static void test_long_line(void **state) {
    scene *s = *state;
    char text[1025];
    memset(text, 'x', 1024);
    text[1024] = '\0';
    for (int i = 0; i < 100; i++) {
        eg_runner_log_write(s->w, (eg_bytes){(uint8_t *)text, 1024});
    }
    say(s, "\nafter\n");
    eg_runner_log l = page(s, 0, 10);
    assert_int_equal(l.total, 2);
    assert_int_equal(l.lines.len, 65536 + 1 + 6);
    eg_runner_log_done(&l);
}

static void test_bound(void **state) {
    scene *s = *state;
    eg_runner_log_writer_bound(s->w, 4000);
    for (int i = 0; i < 200; i++) {
        say(s, "a line of forty bytes, more or less....\n");
    }
    assert_true(eg_runner_log_was_cut(s->w));
    struct stat st;
    assert_int_equal(fstat(s->fd, &st), 0);
    assert_true(st.st_size < 4000 + 256);
    eg_runner_log l = page(s, -1, 1);
    assert_true(l.cut);
    assert_non_null(strstr(l.lines.ptr, "bound of 4000 bytes"));
    eg_runner_log_done(&l);
}

/* A file that ends inside a record (power cut) reads as if that record were not there. */
static void test_torn_end(void **state) {
    scene *s = *state;
    say(s, "one\n");
    say(s, "two\n");
    struct stat st;
    assert_int_equal(fstat(s->fd, &st), 0);
    assert_int_equal(ftruncate(s->fd, st.st_size - 1), 0);
    is_page(s, 0, 10, 0, 1, "one\n");
}

static void flip(scene *s, off_t at) {
    uint8_t b;
    assert_int_equal(pread(s->fd, &b, 1, at), 1);
    b ^= 1;
    assert_int_equal(pwrite(s->fd, &b, 1, at), 1);
}

static void test_tampering(void **state) {
    scene *s = *state;
    say(s, "one\n");
    off_t second = lseek(s->fd, 0, SEEK_CUR);
    say(s, "two\n");
    flip(s, second + 25);
    eg_runner_log l = page(s, 0, 10);
    assert_true(l.damaged);
    assert_string_equal(l.lines.ptr, "one\n");
    eg_runner_log_done(&l);
    flip(s, second + 25);
    flip(s, second + 20); /* the flags are authenticated too */
    l = page(s, 0, 10);
    assert_true(l.damaged);
    eg_runner_log_done(&l);
}

static void test_wrong_key_and_name(void **state) {
    scene *s = *state;
    say(s, "one\n");
    s->key[0] ^= 1;
    eg_runner_log l = page(s, 0, 10);
    assert_true(l.damaged);
    assert_int_equal(l.count, 0);
    eg_runner_log_done(&l);
    s->key[0] ^= 1;
    flip(s, 7); /* format version */
    eg_problem p = {0};
    assert_int_equal(eg_runner_log_read(&s->ref, (eg_bytes){s->key, 32}, 0, 1, &l, &p), EG_ERR_FORMAT_VERSION);
    flip(s, 7);
    assert_int_equal(eg_runner_log_read(&s->ref, (eg_bytes){s->key, 31}, 0, 1, &l, &p), EG_ERR_INVALID);
    s->ref.id = "../7";
    assert_int_equal(eg_runner_log_read(&s->ref, (eg_bytes){s->key, 32}, 0, 1, &l, &p), EG_ERR_INVALID);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_pages),    T(test_text),      T(test_long_line),          T(test_bound),
                                       T(test_torn_end), T(test_tampering), T(test_wrong_key_and_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
