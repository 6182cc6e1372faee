/* Appends and flushes: order, gaps, repetition, concurrency; and what a kill -9 leaves. covers: content_flush.c content_reader.c inode.c readers.c */
#include "storage_fixture.h"

#include <embergate/metrics.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void out_of_order(void **state) {
    store *s = *state;
    uint8_t *data = store_pattern(300000);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 200000, data + 200000, 100000), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, data, 100000), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 300000), EG_ERR_FLUSH_POSITION);
    assert_int_equal(store_append(s, "/data/f", 100000, data + 100000, 100000), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 299999), EG_ERR_FLUSH_POSITION);
    assert_int_equal(store_flush(s, "/data/f", 300001), EG_ERR_FLUSH_POSITION);
    assert_int_equal(store_flush(s, "/data/f", 300000), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 300000), EG_OK); /* again: nothing to do */
    assert_int_equal(store_flush(s, "/data/f", 100000), EG_ERR_FLUSH_POSITION);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 300000);
    assert_memory_equal(a.body.ptr, data, 300000);
    answer_free(&a);
    assert_int_equal(store_rows(s, EG_DB_FS_EXTENT), 3);
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 0);
    free(data);
}

static void repeated(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "first", 5), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "again", 5), EG_OK); /* a retry: the last one counts */
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 1);
    assert_int_equal(store_flush(s, "/data/f", 5), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "x", 1), EG_ERR_APPEND_POSITION);
    assert_int_equal(store_append(s, "/data/f", 4, "x", 1), EG_ERR_APPEND_POSITION);
    assert_int_equal(store_append(s, "/data/f", 5, "", 0), EG_ERR_HTTP_HEADER);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 5);
    assert_memory_equal(a.body.ptr, "again", 5);
    answer_free(&a);
    (void)store_reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 1);
}

static void uncommitted(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "ab", 2), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 2, "cd", 2), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = "/data/f", .query = "action=flush&position=2&retainUncommittedData=true"}), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 1);
    assert_int_equal(store_append(s, "/data/f", 9, "z", 1), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 4), EG_OK); /* drops what lies beyond */
    assert_int_equal(store_rows(s, EG_DB_FS_STAGED), 0);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 4);
    assert_memory_equal(a.body.ptr, "abcd", 4);
    answer_free(&a);
}

static void append_with_flush(void **state) {
    store *s = *state;
    store_quiet(s);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const int64_t commits = eg_metric_get(EG_METRIC_COMMITS);
    answer a = store_call(s, &(call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=0&flush=true&close=true", .body = "abc", .body_len = 3});
    assert_int_equal(a.status, 202);
    assert_int_equal(eg_metric_get(EG_METRIC_COMMITS), commits + 1); /* both at once */
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 3);
    answer_free(&a);
    a = store_call(s, &(call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=4&flush=true", .body = "x", .body_len = 1});
    assert_int_equal(a.err, EG_ERR_FLUSH_POSITION);
    answer_free(&a);
    assert_int_equal(store_append(s, "/data/f", 3, "de", 2), EG_OK); /* with something staged, two commits as before */
    a = store_call(s, &(call){.method = "PATCH", .path = "/data/f", .query = "action=append&position=5&flush=true", .body = "f", .body_len = 1});
    assert_int_equal(a.status, 202);
    answer_free(&a);
    a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 6);
    assert_memory_equal(a.body.ptr, "abcdef", 6);
    answer_free(&a);
}

static void overlapping(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "abcd", 4), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 2, "cdef", 4), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 6), EG_ERR_FLUSH_POSITION);
    assert_int_equal(store_flush(s, "/data/f", 4), EG_OK);
}

static void limits(void **state) {
    store *s = *state;
    s->storage->max_file_bytes = 10;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 8, "abc", 3), EG_ERR_LIMIT);
    assert_int_equal(store_append(s, "/data/f", UINT64_C(1) << 40, "a", 1), EG_ERR_LIMIT);
    assert_int_equal(store_append(s, "/data/f", 7, "abc", 3), EG_OK);
}

static void replaced_file(void **state) {
    store *s = *state;
    store_write(s, "/data/f", "old", 3);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, 0);
    answer_free(&a);
    assert_int_equal(store_append(s, "/data/f", 0, "n", 1), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 1), EG_OK);
    size_t left = 1;
    left = store_reclaim(s);
    assert_int_equal(left, 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 1);
}

#define WRITERS 6
#define PIECE 70000

typedef struct writer {
    store *s;
    const uint8_t *data;
    int n;
    eg_err err;
} writer;

static void *append_pieces(void *arg) {
    writer *w = arg;
    for (int i = w->n; i < WRITERS * 4 && w->err == EG_OK; i += WRITERS) {
        w->err = store_append(w->s, "/data/f", (uint64_t)i * PIECE, w->data + (size_t)i * PIECE, PIECE);
    }
    return NULL;
}

static void concurrent(void **state) {
    store *s = *state;
    const size_t n = (size_t)WRITERS * 4 * PIECE;
    uint8_t *data = store_pattern(n);
    pthread_t threads[WRITERS];
    writer writers[WRITERS];
    s->storage->usage.moved = NULL;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){s, data, i, EG_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, append_pieces, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].err, EG_OK);
    }
    assert_int_equal(store_flush(s, "/data/f", n), EG_OK);
    answer a = store_read(s, "/data/f");
    assert_int_equal(a.body.len, n);
    assert_memory_equal(a.body.ptr, data, n);
    answer_free(&a);
    const eg_account *account = store_account(s);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    eg_place place;
    eg_inode i;
    assert_int_equal(eg_ns_resolve(t, account, EG_LIT(FS), EG_LIT("f"), &place), EG_OK);
    assert_int_equal(eg_ns_inode_get(t, account, &place.entry.child, &i), EG_OK);
    assert_int_equal(eg_content_check(t, account, &i), EG_OK);
    i.digest[3] ^= 1;
    assert_int_equal(eg_content_check(t, account, &i), EG_ERR_CORRUPT);
    i.digest[3] ^= 1;
    i.length--;
    assert_int_equal(eg_content_check(t, account, &i), EG_ERR_CORRUPT);
    eg_kv_read_end(t);
    free(data);
}

/* An append of before the last boot is not taken for data: it was never synced. */
static void other_boot(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "abc", 3), EG_OK);
    s->storage->boot++;
    assert_int_equal(store_flush(s, "/data/f", 3), EG_ERR_FLUSH_POSITION);
    assert_int_equal(store_append(s, "/data/f", 0, "abc", 3), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 3), EG_OK);
}

static int write_until_killed(const char *top, int out) {
    store s = {0};
    snprintf(s.top, sizeof s.top, "%s", top);
    store_start(&s);
    s.storage->usage.moved = NULL;
    for (uint32_t i = 0;; i++) {
        char path[64];
        uint8_t body[100000];
        memset(body, (int)(i % 251), sizeof body);
        snprintf(path, sizeof path, "/data/dir%u/f%08u", i % 3, i);
        if (store_create(&s, path) != EG_OK || store_append(&s, path, 50000, body + 50000, 50000) != EG_OK ||
            store_append(&s, path, 0, body, 50000) != EG_OK || store_flush(&s, path, sizeof body) != EG_OK ||
            write(out, &i, sizeof i) != (ssize_t)sizeof i) {
            return 1;
        }
    }
}

/* Every flush that was answered is there afterwards, whole; everything else is empty or whole. */
static uint32_t check_after_kill(store *s, uint32_t acked, uint32_t first) {
    uint32_t n = first;
    for (;; n++) {
        char path[64];
        snprintf(path, sizeof path, "/data/dir%u/f%08u", n % 3, n);
        answer a = store_read(s, path);
        if (a.err == EG_ERR_PATH_NOT_FOUND) {
            answer_free(&a);
            break;
        }
        assert_int_equal(a.err, EG_OK);
        assert_true(a.body.len == 100000 || (a.body.len == 0 && n >= acked));
        for (size_t i = 0; i < a.body.len; i++) {
            assert_int_equal((uint8_t)a.body.ptr[i], n % 251);
        }
        answer_free(&a);
    }
    assert_true(n >= acked);
    return n;
}

static void killed(void **state) {
    store *s = *state;
    store_stop(s);
    for (int round = 0; round < 4; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            _exit(write_until_killed(s->top, fds[1]));
        }
        close(fds[1]);
        uint32_t acked = 0;
        uint32_t i = 0;
        while (acked < 5 + (uint32_t)round * 7 && read(fds[0], &i, sizeof i) == (ssize_t)sizeof i) {
            acked = i + 1;
        }
        usleep((useconds_t)(1000 * round * 3));
        kill(pid, SIGKILL);
        while (read(fds[0], &i, sizeof i) == (ssize_t)sizeof i) {
            acked = i + 1;
        }
        close(fds[0]);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        store_start(s);
        s->storage->usage.moved = NULL;
        const uint32_t n = check_after_kill(s, acked, 0);
        static const atomic_bool never = false;
        assert_int_equal(eg_reclaim_sweep(s->storage, &never), EG_OK);
        (void)store_reclaim(s);
        assert_int_equal(check_after_kill(s, acked, 0), n);
        /* The next round begins anew. */
        assert_int_equal(store_delete(s, "/data/dir0", "recursive=true"), EG_OK);
        assert_int_equal(store_delete(s, "/data/dir1", "recursive=true"), EG_OK);
        assert_int_equal(store_delete(s, "/data/dir2", "recursive=true"), EG_OK);
        store_stop(s);
    }
    store_start(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(out_of_order, store_open, store_close),
        cmocka_unit_test_setup_teardown(repeated, store_open, store_close),
        cmocka_unit_test_setup_teardown(uncommitted, store_open, store_close),
        cmocka_unit_test_setup_teardown(append_with_flush, store_open, store_close),
        cmocka_unit_test_setup_teardown(overlapping, store_open, store_close),
        cmocka_unit_test_setup_teardown(limits, store_open, store_close),
        cmocka_unit_test_setup_teardown(replaced_file, store_open, store_close),
        cmocka_unit_test_setup_teardown(concurrent, store_open, store_close),
        cmocka_unit_test_setup_teardown(other_boot, store_open, store_close),
        cmocka_unit_test_setup_teardown(killed, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
