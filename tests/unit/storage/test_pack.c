/* Packs: written, synced in groups, emptied by moving what lives, and found again after a kill. covers: pack.c relocate.c */
#include "storage_fixture.h"

#include "segment_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static const atomic_bool never = false;

static eg_packs *packs_of(store *s) { return eg_segment_store_packs(s->storage->segments); }

static size_t pack_files(store *s) {
    char path[160];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/segments/packs", s->top);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static void path_of(char path[64], int i) { snprintf(path, 64, "/data/f%d", i); }

static void write_file(store *s, int i, size_t n) {
    char path[64];
    uint8_t *data = store_pattern(n);
    data[0] = (uint8_t)i;
    path_of(path, i);
    store_write(s, path, data, n);
    free(data);
}

static void expect_file(store *s, int i, size_t n) {
    char path[64];
    uint8_t *data = store_pattern(n);
    data[0] = (uint8_t)i;
    path_of(path, i);
    answer a = store_read(s, path);
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.body.len, n);
    assert_memory_equal(a.body.ptr, data, n);
    answer_free(&a);
    free(data);
}

static void delete_file(store *s, int i) {
    char path[64];
    path_of(path, i);
    assert_int_equal(store_delete(s, path, ""), EG_OK);
}

static void reclaim(store *s) {
    size_t left = 1;
    left = store_reclaim(s);
    assert_int_equal(left, 0);
}

static void boundary(void **state) {
    store *s = *state;
    store_quiet(s);
    write_file(s, 0, 1);
    write_file(s, 1, EG_PACKED_MAX);
    assert_int_equal(pack_files(s), 1);
    write_file(s, 2, EG_PACKED_MAX + 1); /* has a file of its own */
    assert_int_equal(pack_files(s), 1);
    expect_file(s, 0, 1);
    expect_file(s, 1, EG_PACKED_MAX);
    expect_file(s, 2, EG_PACKED_MAX + 1);
}

static void an_earlier_process(void **state) {
    store *s = *state;
    for (int i = 0; i < 8; i++) {
        write_file(s, i, 1000);
    }
    store_stop(s);
    store_start(s);
    store_quiet(s);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK); /* counted once */
    write_file(s, 8, 1000);
    assert_int_equal(pack_files(s), 2);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 2); /* lives */
    for (int i = 0; i < 6; i++) {
        delete_file(s, i);
    }
    reclaim(s);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 1); /* two of eight lived: they moved */
    for (int i = 6; i < 9; i++) {
        expect_file(s, i, 1000);
    }
}

static void all_dead(void **state) {
    store *s = *state;
    write_file(s, 0, 1000);
    store_stop(s);
    store_start(s);
    store_quiet(s);
    delete_file(s, 0);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
    char path[160];
    snprintf(path, sizeof path, "%s/segments/" EG_SEGMENT_HOLD_FILE, s->top);
    const int hold = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(hold, LOCK_SH), 0);
    reclaim(s);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 1); /* a backup runs */
    close(hold);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 0);
}

/* A pack goes between the look-up and the opening: the reader looks again. */
static void moved_under_a_reader(void **state) {
    store *s = *state;
    write_file(s, 0, 1000);
    write_file(s, 1, 1000);
    write_file(s, 2, 1000);
    store_stop(s);
    store_start(s);
    store_quiet(s);
    eg_content_reader *r = NULL;
    uint8_t out[1000];
    size_t n = 0;
    {
        eg_kv_txn *t = NULL;
        eg_place place;
        eg_inode i;
        assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
        assert_int_equal(eg_ns_resolve(t, store_account(s), EG_LIT(FS), EG_LIT("f2"), &place), EG_OK);
        assert_int_equal(eg_ns_inode_get(t, store_account(s), &place.entry.child, &i), EG_OK);
        assert_int_equal(eg_content_reader_new(s->storage, store_account(s), &i, (eg_span){0, 1000}, &r), EG_OK);
        eg_kv_read_end(t);
    }
    const eg_err tried = eg_content_reader_try(r, out, 10, &n); /* opens it, when the kernel has all of it in memory */
    assert_true(tried == EG_OK || tried == EG_ERR_BUSY);
    assert_int_equal(tried == EG_OK ? EG_OK : eg_content_reader_read(r, out, 10, &n), EG_OK);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
    delete_file(s, 0);
    delete_file(s, 1);
    reclaim(s);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 1);
    assert_int_equal(eg_content_reader_read(r, out, sizeof out, &n), EG_OK); /* reads on from the pack that is gone */
    assert_int_equal(n, 990);
    eg_content_reader_free(r);
    expect_file(s, 2, 1000);
}

static void damaged_row(void **state) {
    store *s = *state;
    write_file(s, 0, 1000);
    /* A row that can't be read might name the pack. */
    const eg_id other = eg_id_new();
    uint8_t junk[64] = {1, 0, 4, 'a', 'c', 'c', 't'};
    raw_put(s, (raw_row){EG_DB_FS_PLACE, eg_id_bytes(&other), {junk, sizeof junk}});
    store_stop(s);
    store_start(s);
    store_quiet(s);
    delete_file(s, 0);
    reclaim(s);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 1);
}

static void damaged_frame(void **state) {
    store *s = *state;
    for (int i = 0; i < 4; i++) {
        write_file(s, i, 1000);
    }
    store_stop(s);
    char path[256];
    snprintf(path, sizeof path, "%s/segments/packs", s->top);
    DIR *d = opendir(path);
    struct dirent *e = readdir(d);
    while (e && e->d_name[0] == '.') {
        e = readdir(d);
    }
    assert_non_null(e);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%.40s", e->d_name);
    closedir(d);
    const int fd = open(path, O_RDWR);
    uint8_t b = 'x';
    const size_t stored = (size_t)eg_segment_size_of(1000).stored;
    assert_int_equal(pwrite(fd, &b, 1, (off_t)(EG_PACK_HEADER_LEN + EG_PACK_FRAME_LEN + stored)), 1); /* the second frame */
    close(fd);
    store_start(s);
    store_quiet(s);
    assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
    delete_file(s, 0);
    delete_file(s, 1);
    delete_file(s, 2);
    reclaim(s);
    assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
    assert_int_equal(pack_files(s), 1); /* what lies behind can't be found, and isn't thrown away */
    expect_file(s, 3, 1000);
}

/* Appended, not synced, and gone with the power: the flush says so, and the file stays as it was. */
static void cut_off(void **state) {
    store *s = *state;
    char path[256];
    write_file(s, 0, 1000);
    assert_int_equal(store_append(s, "/data/f0", 1000, "unsynced", 8), EG_OK);
    store_stop(s);
    snprintf(path, sizeof path, "%s/segments/packs", s->top);
    DIR *d = opendir(path);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            const int fd = openat(dirfd(d), e->d_name, O_RDWR);
            assert_int_equal(ftruncate(fd, EG_PACK_HEADER_LEN + EG_PACK_FRAME_LEN + (off_t)eg_segment_size_of(1000).stored), 0);
            close(fd);
        }
    }
    closedir(d);
    store_start(s);
    assert_int_equal(store_flush(s, "/data/f0", 1008), EG_ERR_CORRUPT);
    expect_file(s, 0, 1000);
}

static eg_err count_entry(void *ctx, const eg_pack_entry *e) {
    (void)e;
    ++*(size_t *)ctx;
    return EG_OK;
}

/* Killed at any moment among appends: the frames follow each other, and each acknowledged segment is whole. */
static void killed(void **state) {
    store *s = *state;
    store_stop(s);
    for (int round = 0; round < 5; round++) {
        const pid_t child = fork();
        if (child == 0) {
            store_start(s);
            for (int i = 0;; i++) {
                write_file(s, i % 50, 3000);
            }
        }
        usleep((useconds_t)(60000 + round * 31000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        store_start(s);
        store_quiet(s);
        for (int i = 0; i < 50; i++) {
            char name[64];
            path_of(name, i);
            answer a = store_read(s, name);
            assert_true(a.err == EG_OK || a.err == EG_ERR_PATH_NOT_FOUND);
            assert_true(a.body.len == 0 || a.body.len == 3000 || a.err != EG_OK);
            answer_free(&a);
        }
        reclaim(s);
        assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
        assert_int_equal(eg_relocate_pass(s->storage, &never), EG_OK);
        char path[160];
        snprintf(path, sizeof path, "%s/segments/packs", s->top);
        DIR *d = opendir(path);
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            size_t n = 0;
            if (e->d_name[0] != '.') {
                const int fd = openat(dirfd(d), e->d_name, O_RDONLY);
                const eg_err walked = eg_pack_walk(fd, count_entry, &n);
                assert_true(walked == EG_OK || walked == EG_ERR_CORRUPT); /* the last frame may be half written */
                close(fd);
            }
        }
        closedir(d);
        store_stop(s);
    }
    store_start(s);
}

static void put_whole(store *s, int i) {
    char path[64];
    uint8_t data[1000];
    memset(data, i, sizeof data);
    path_of(path, i);
    assert_int_equal(store_create(s, path), EG_OK);
    answer a = store_call(s, &(call){.method = "PATCH", .path = path, .query = "action=append&position=0&flush=true", .body = data, .body_len = sizeof data});
    assert_int_equal(a.status, 202);
    answer_free(&a);
}

static off_t size_of_pack(store *s, off_t set) {
    char path[160];
    struct stat st = {0};
    snprintf(path, sizeof path, "%s/segments/packs", s->top);
    DIR *d = opendir(path);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
            const int fd = openat(dirfd(d), e->d_name, O_RDWR);
            assert_int_equal(set > 0 ? ftruncate(fd, set) : 0, 0);
            close(fd);
        }
    }
    closedir(d);
    return st.st_size;
}

/* What is small is in the store's log: the pack's own bytes may be lost in a power cut, and come back from there. */
static void logged(void **state) {
    store *s = *state;
    int told[2];
    off_t size = 0;
    store_stop(s);
    s->synced = true;
    assert_int_equal(pipe(told), 0);
    const pid_t child = fork();
    if (child == 0) {
        store_start(s);
        store_quiet(s);
        put_whole(s, 1); /* the first one makes the pack's name durable, by a sync */
        size = size_of_pack(s, 0);
        assert_int_equal(write(told[1], &size, sizeof size), sizeof size);
        for (int i = 2; i < 30; i++) {
            put_whole(s, i);
        }
        write_file(s, 30, EG_LOGGED_MAX); /* too large for the log: synced, and so is what is before it */
        put_whole(s, 31);
        size = size_of_pack(s, 0);
        assert_int_equal(write(told[1], &size, sizeof size), sizeof size);
        _exit(0);
    }
    int status = 0;
    off_t after = 0;
    assert_int_equal(read(told[0], &size, sizeof size), sizeof size);
    assert_int_equal(read(told[0], &after, sizeof after), sizeof after);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(after > size + (off_t)EG_LOGGED_MAX);
    assert_int_equal(size_of_pack(s, after - 1100), after); /* the last one's bytes */
    store_start(s);
    for (int i = 1; i < 32; i++) {
        char path[64];
        path_of(path, i);
        answer a = store_read(s, path);
        assert_int_equal(a.err, EG_OK);
        assert_int_equal(a.body.len, i == 30 ? EG_LOGGED_MAX : 1000);
        assert_true(i == 30 || (uint8_t)a.body.ptr[999] == i);
        answer_free(&a);
    }
    assert_int_equal(size_of_pack(s, 0), after);
}

#define THREADS 8
#define EACH 40

typedef struct appender {
    eg_packs *packs;
    int fails;
} appender;

static void *append_and_sync(void *arg) {
    appender *a = arg;
    uint8_t bytes[500] = {7};
    for (int i = 0; i < EACH; i++) {
        const eg_id id = eg_id_new();
        eg_id pack;
        uint64_t offset = 0;
        a->fails += eg_packs_append(a->packs, &id, (eg_bytes){bytes, sizeof bytes}, &pack, &offset) != EG_OK;
        a->fails += eg_packs_sync(a->packs, &pack, 0) != EG_OK;
    }
    return NULL;
}

static void many_at_once(void **state) {
    store *s = *state;
    pthread_t threads[THREADS];
    appender of[THREADS];
    for (int i = 0; i < THREADS; i++) {
        of[i] = (appender){packs_of(s), 0};
        assert_int_equal(pthread_create(&threads[i], NULL, append_and_sync, &of[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(of[i].fails, 0);
    }
    char path[160];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/segments/packs", s->top);
    DIR *d = opendir(path);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            const int fd = openat(dirfd(d), e->d_name, O_RDONLY);
            assert_int_equal(eg_pack_walk(fd, count_entry, &n), EG_OK);
            close(fd);
        }
    }
    closedir(d);
    assert_int_equal(n, THREADS * EACH);
}

static void refusals(void **state) {
    store *s = *state;
    eg_id id = eg_id_new();
    uint64_t offset = 0;
    uint64_t stored = 0;
    int fd = -1;
    uint8_t frame[EG_PACK_FRAME_LEN] = "EGFRAME";
    uint8_t *large = calloc(1, (size_t)EG_PACK_SIZE);
    assert_int_equal(eg_packs_append(packs_of(s), &id, (eg_bytes){large, (size_t)EG_PACK_SIZE}, &id, &offset), EG_ERR_LIMIT);
    free(large);
    assert_int_equal(eg_packs_open_read(packs_of(s), &id, &fd), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_packs_sync(packs_of(s), &id, 0), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_pack_frame_read(frame, &id, &stored), EG_ERR_CORRUPT);
    frame[7] = 1;
    assert_int_equal(eg_pack_frame_read(frame, &id, &stored), EG_ERR_CORRUPT); /* no length */
    frame[15] = 9;
    assert_int_equal(eg_pack_frame_read(frame, &id, &stored), EG_OK);
    assert_int_equal(stored, 9);
    frame[8] = 1;
    assert_int_equal(eg_pack_frame_read(frame, &id, &stored), EG_ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(boundary, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_earlier_process, store_open, store_close),
        cmocka_unit_test_setup_teardown(all_dead, store_open, store_close),
        cmocka_unit_test_setup_teardown(moved_under_a_reader, store_open, store_close),
        cmocka_unit_test_setup_teardown(damaged_row, store_open, store_close),
        cmocka_unit_test_setup_teardown(damaged_frame, store_open, store_close),
        cmocka_unit_test_setup_teardown(cut_off, store_open, store_close),
        cmocka_unit_test_setup_teardown(killed, store_open, store_close),
        cmocka_unit_test_setup_teardown(logged, store_open, store_close),
        cmocka_unit_test_setup_teardown(many_at_once, store_open, store_close),
        cmocka_unit_test_setup_teardown(refusals, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
