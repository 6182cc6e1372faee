/* Checks that the journal gives back what was synced, whatever of the rest a power cut left. */
#include "made_log.h"

#include "journal_file.h"

typedef struct seen {
    uint64_t seqs[4096];
    size_t count;
    char last[64];
} seen;

static eg_err remember(void *ctx, uint64_t seq, eg_bytes record) {
    seen *s = ctx;
    s->seqs[s->count++] = seq;
    snprintf(s->last, sizeof s->last, "%.*s", (int)record.len, (const char *)record.ptr);
    return EG_OK;
}

static int folder(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void add(eg_journal_file *j, uint64_t seq) {
    char text[64];
    int n = snprintf(text, sizeof text, "record %llu", (unsigned long long)seq);
    assert_int_equal(eg_journal_add(j, seq, (eg_bytes){(uint8_t *)text, (size_t)n}), EG_OK);
}

static void scan(int fd, seen *s) {
    *s = (seen){0};
    assert_int_equal(eg_journal_scan(fd, remember, s, NULL), EG_OK);
}

static void what_was_synced_comes_back(void **state) {
    int fd = folder(*state);
    eg_journal_file *j = NULL;
    seen s;
    scan(fd, &s);
    assert_int_equal(s.count, 0);
    assert_int_equal(eg_journal_create(fd, 0, &j, NULL), EG_OK);
    scan(fd, &s);
    assert_int_equal(s.count, 0);
    for (uint64_t i = 7; i < 20; i++) {
        add(j, i);
        assert_int_equal(eg_journal_sync(j, 0), EG_OK);
    }
    add(j, 20);
    add(j, 21);
    scan(fd, &s);
    assert_int_equal(s.count, 13);
    assert_int_equal(eg_journal_sync(j, 0), EG_OK);
    scan(fd, &s);
    assert_int_equal(s.count, 15);
    assert_int_equal(s.seqs[0], 7);
    assert_string_equal(s.last, "record 21");
    eg_journal_free(j);
    /* A new life begins empty, although the same numbers were there before. */
    assert_int_equal(eg_journal_create(fd, 0, &j, NULL), EG_OK);
    scan(fd, &s);
    assert_int_equal(s.count, 0);
    eg_journal_free(j);
    close(fd);
}

/* At every byte where the file could end, and with every byte changed: a prefix, never anything else. */
static void every_cut_gives_a_prefix(void **state) {
    int fd = folder(*state);
    eg_journal_file *j = NULL;
    seen s;
    assert_int_equal(eg_journal_create(fd, 0, &j, NULL), EG_OK);
    enum { RECORDS = 5, FRAME = EG_JOURNAL_FRAME_HEAD + 8 };
    for (uint64_t i = 1; i <= RECORDS; i++) {
        add(j, i);
    }
    assert_int_equal(eg_journal_sync(j, 0), EG_OK);
    eg_journal_free(j);
    int file = openat(fd, "journal.0", O_RDWR | O_CLOEXEC);
    uint8_t kept[RECORDS * FRAME];
    assert_int_equal(pread(file, kept, sizeof kept, EG_JOURNAL_FILE_HEAD), sizeof kept);
    for (size_t at = 0; at < sizeof kept; at++) {
        uint8_t changed = kept[at] ^ 0x40;
        assert_int_equal(pwrite(file, &changed, 1, (off_t)(EG_JOURNAL_FILE_HEAD + at)), 1);
        scan(fd, &s);
        assert_int_equal(s.count, at / FRAME);
        assert_int_equal(pwrite(file, kept + at, 1, (off_t)(EG_JOURNAL_FILE_HEAD + at)), 1);
    }
    for (size_t n = sizeof kept; n-- > 0;) {
        assert_int_equal(ftruncate(file, (off_t)(EG_JOURNAL_FILE_HEAD + n)), 0);
        scan(fd, &s);
        assert_int_equal(s.count, n / FRAME);
    }
    close(file);
    close(fd);
}

static void halves_take_turns(void **state) {
    int fd = folder(*state);
    eg_journal_file *j = NULL;
    seen s;
    assert_int_equal(eg_journal_create(fd, 0, &j, NULL), EG_OK);
    uint64_t integrated = 0;
    uint64_t oldest = 0;
    for (uint64_t i = 1; i <= 4000; i++) {
        add(j, i);
        eg_err e = eg_journal_sync(j, integrated);
        if (e == EG_ERR_BUSY) {
            assert_true(integrated < i - 1);
            integrated = i - 1; /* the sequencer got on */
            oldest = i;
            e = eg_journal_sync(j, integrated);
        }
        assert_int_equal(e, EG_OK);
    }
    assert_true(oldest > 0);
    scan(fd, &s);
    assert_int_equal(s.seqs[s.count - 1], 4000);
    for (size_t i = 1; i < s.count; i++) {
        assert_int_equal(s.seqs[i], s.seqs[i - 1] + 1);
    }
    assert_true(s.seqs[0] <= integrated + 1); /* nothing that is not integrated was overwritten */
    eg_journal_free(j);
    close(fd);
}

static void bounds(void **state) {
    int fd = folder(*state);
    eg_journal_file *j = NULL;
    uint8_t big[17000] = {0};
    assert_int_equal(eg_journal_create(fd, 0, &j, NULL), EG_OK);
    assert_int_equal(eg_journal_add(j, 1, (eg_bytes){big, sizeof big}), EG_ERR_LIMIT);
    assert_int_equal(eg_journal_add(j, 1, (eg_bytes){big, 0}), EG_ERR_LIMIT);
    assert_int_equal(eg_journal_add(j, 1, (eg_bytes){big, 16000}), EG_OK);
    assert_int_equal(eg_journal_add(j, 2, (eg_bytes){big, 16000}), EG_ERR_LIMIT); /* larger than a half */
    eg_journal_free(j);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_synced_comes_back, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(every_cut_gives_a_prefix, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(halves_take_turns, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(bounds, made_dir, made_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
