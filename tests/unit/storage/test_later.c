/* Small changes that the worker hands to the committer: answered when it tells, in the pool when something has to be waited for. covers: later.c */
#include "storage_fixture.h"

#include "key_cache.h"
#include "segment_store.h"

#include <embergate/pool.h>

/* Whether the answer was made when the committer told; a refusal is in the response then. */
static answer told(store *s, call c) {
    answer a = store_call(s, &c);
    assert_non_null(a.fn);
    return a;
}

static answer told_ok(store *s, call c, int status) {
    answer a = told(s, c);
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.status, status);
    return a;
}

/* A new file's key comes from the stock; whoever finds none there asks the keeper, in the pool, for some. */
static answer file_by_worker(store *s) {
    for (int i = 0; i < 100; i++) {
        answer a = store_call(s, &(call){.method = "PUT", .path = "/data/d/f", .query = "resource=file"});
        if (a.fn) {
            return a;
        }
        answer_free(&a);
    }
    fail();
    return (answer){.err = EG_OK};
}

static void changes(void **state) {
    store *s = *state;
    answer a = told_ok(s, (call){.method = "PUT", .path = "/data/d", .query = "resource=directory"}, 201);
    assert_non_null(answer_header(&a, "ETag"));
    assert_string_equal(a.resource, "data/d");
    answer_free(&a);
    a = file_by_worker(s);
    assert_int_equal(a.status, 201);
    assert_non_null(answer_header(&a, "ETag"));
    answer_free(&a);
    const uint64_t records = s->records;
    assert_int_equal(store_append(s, "/data/d/f", 0, "hello", 5), EG_OK);
    a = told_ok(s, (call){.method = "PATCH", .path = "/data/d/f", .query = "action=flush&position=5"}, 200);
    answer_free(&a);
    a = told_ok(s, (call){.method = "PUT", .path = "/data/d/g", .headers = {"x-ms-rename-source", "/data/d/f"}}, 201);
    answer_free(&a);
    a = store_read(s, "/data/d/g");
    assert_int_equal(a.body.len, 5);
    answer_free(&a);
    a = told_ok(s, (call){.method = "DELETE", .path = "/data/d", .query = "recursive=true"}, 200);
    answer_free(&a);
    a = store_read(s, "/data/d/g");
    assert_int_equal(a.err, EG_ERR_PATH_NOT_FOUND);
    answer_free(&a);
    assert_int_equal(s->records - records, 3); /* one a change, within its transaction; an append has none */
}

/* What the transaction refuses is said by its code, and nothing is done. */
static void refusals(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    const uint64_t records = s->records;
    const struct {
        call c;
        eg_err want;
    } rows[] = {
        {{.method = "PUT", .path = "/data/f", .query = "resource=directory"}, EG_ERR_PATH_EXISTS},
        {{.method = "PUT", .path = "/data/f/below", .query = "resource=directory"}, EG_ERR_PATH_CONFLICT},
        {{.method = "PUT", .path = "/data/x", .headers = {"x-ms-rename-source", "/data/nothing"}}, EG_ERR_SOURCE_PATH_NOT_FOUND},
        {{.method = "DELETE", .path = "/data/nothing"}, EG_ERR_PATH_NOT_FOUND},
        {{.method = "DELETE", .path = "/data/f", .headers = {"If-Match", "\"0x1\""}}, EG_ERR_CONDITION_NOT_MET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer a = told(s, rows[i].c);
        assert_int_equal(a.response.error, rows[i].want);
        assert_true(a.status >= 400);
        answer_free(&a);
    }
    answer a = told(s, rows[0].c);
    assert_string_equal(answer_header(&a, "x-ms-existing-resource-type"), "file");
    answer_free(&a);
    assert_int_equal(s->records, records);
    a = store_read(s, "/data/f");
    assert_int_equal(a.err, EG_OK);
    answer_free(&a);
}

/* What waits for the disk isn't the worker's, and what is wrong with a flush is said where it can be looked at again. */
static void in_the_pool(void **state) {
    store *s = *state;
    const size_t n = 300000;
    uint8_t *data = store_pattern(n);
    assert_int_equal(store_create(s, "/data/large"), EG_OK);
    assert_int_equal(store_append(s, "/data/large", 0, data, n), EG_OK);
    answer a = store_call(s, &(call){.method = "PATCH", .path = "/data/large", .query = "action=flush&position=300000"});
    assert_int_equal(a.err, EG_OK); /* a segment with a file of its own is synced by who flushes */
    assert_null(a.fn);
    answer_free(&a);
    a = store_call(s, &(call){.method = "PATCH", .path = "/data/large", .query = "action=flush&position=300001"});
    assert_int_equal(a.err, EG_ERR_FLUSH_POSITION);
    assert_null(a.fn);
    answer_free(&a);
    free(data);
}

/* Content that the page cache has is read by the worker; a sum of it, and a key that only the keeper has, want the pool. */
static void reads(void **state) {
    store *s = *state;
    const size_t n = 300000;
    uint8_t *data = store_pattern(n);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, data, 200000), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 200000, data + 200000, n - 200000), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", n), EG_OK);
    answer a = store_read(s, "/data/f"); /* whatever has left the cache is there again */
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=199990-200009"}});
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body.len, 20);
    assert_memory_equal(a.body.ptr, data + 199990, 20); /* over two segments */
    assert_true(a.at_once);
    answer_free(&a);
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=0-9", "x-ms-range-get-content-md5", "true"}});
    assert_int_equal(a.status, 206);
    assert_false(a.at_once);
    answer_free(&a);
    eg_key_cache_clear(s->storage->key_cache);
    for (int i = 0; i < 2; i++) {
        a = store_read(s, "/data/f");
        assert_int_equal(a.body.len, n);
        assert_memory_equal(a.body.ptr, data, n);
        assert_int_equal(a.at_once, i == 1);
        answer_free(&a);
    }
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/f"});
    assert_true(a.at_once);
    assert_int_equal(a.response.head_length, n);
    answer_free(&a);
    a = store_read(s, "/data/nothing");
    assert_int_equal(a.err, EG_ERR_PATH_NOT_FOUND);
    assert_true(a.at_once);
    answer_free(&a);
    free(data);
}

/* Of an account whose key is with the keeper yet the first request is the pool's, whatever it asks for; nothing of the first try is left. */
static void first_of_an_account(void **state) {
    const struct {
        call c;
        int status;
    } rows[] = {
        {{.method = "PUT", .path = "/data/e", .query = "resource=directory"}, 201},
        {{.method = "PUT", .path = "/data/g", .headers = {"x-ms-rename-source", "/data/f"}}, 201},
        {{.method = "DELETE", .path = "/data/d"}, 200},
        {{.method = "PATCH", .path = "/data/f", .query = "action=flush&position=5"}, 200},
        {{.method = "HEAD", .path = "/data/f", .query = "action=getStatus"}, 200},
        {{.method = "GET", .path = "/data/f"}, 200},
    };
    store *s = *state;
    store_write(s, "/data/f", "hello", 5);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store_stop(s);
        store_start(s);
        store_quiet(s);
        eg_account *loaded = s->storage->accounts; /* as a process is that has just begun */
        s->storage->accounts = NULL;
        const int records = s->records;
        answer a = store_call(s, &rows[i].c);
        assert_int_equal(a.status, rows[i].status);
        assert_null(a.fn);
        assert_false(a.at_once);
        assert_int_equal(s->records - records, i < 4); /* a change has one record, though it was tried twice */
        answer_free(&a);
        assert_ptr_not_equal(s->storage->accounts, loaded);
        assert_non_null(s->storage->accounts);
        s->storage->accounts->next = loaded; /* both end with the store */
        assert_int_equal(i == 1 ? store_rename(s, "/data/g", "/data/f") : EG_OK, EG_OK);
        a = store_call(s, &(call){.method = "HEAD", .path = "/data/f", .query = "action=getStatus"});
        assert_true(a.at_once); /* from then on the worker answers */
        answer_free(&a);
    }
}

/* Whose record must wait is the pool's, too. */
static void a_record_that_waits(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "hello", 5), EG_OK);
    const call calls[] = {{.method = "PUT", .path = "/data/d", .query = "resource=directory"}, {.method = "PATCH", .path = "/data/f", .query = "action=flush&position=5"},
        {.method = "DELETE", .path = "/data/d"}};
    s->record_waits = true;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const int records = s->records;
        answer a = store_call(s, &calls[i]);
        assert_int_equal(a.err, EG_OK);
        assert_null(a.fn);
        assert_int_equal(s->records - records, 1);
        answer_free(&a);
    }
}

/* In the committer's thread, after a flush was planned: what the relocation does with a pack of which most is dead. */
typedef struct move {
    store *s;
    eg_buf key;
    eg_location from;
} move;

static eg_err move_away(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    move *m = ctx;
    eg_packs *packs = eg_segment_store_packs(m->s->storage->segments);
    uint8_t bytes[EG_PACKED_MAX];
    eg_location to = m->from;
    eg_id segment;
    int fd = -1;
    usleep(50000); /* the flush is planned and waits behind this; where it wasn't yet, the test tries again */
    memcpy(segment.b, m->key.ptr, sizeof segment.b);
    assert_int_equal(eg_packs_open_read(packs, &m->from.file, &fd), EG_OK);
    assert_int_equal(pread(fd, bytes, (size_t)m->from.stored, (off_t)m->from.offset), (ssize_t)m->from.stored);
    close(fd);
    assert_int_equal(eg_packs_append(packs, &segment, (eg_bytes){bytes, (size_t)m->from.stored}, &to.file, &to.offset), EG_OK);
    assert_false(eg_id_eq(&to.file, &m->from.file));
    assert_int_equal(eg_content_location_put(t, store_account(m->s), &segment, &to), EG_OK);
    eg_packs_dead(packs, &m->from.file, m->from.stored);
    return eg_segment_store_remove_pack(m->s->storage->segments, &m->from.file);
}

typedef struct moved {
    sem_t told;
    eg_err e;
} moved;

/* EG_ERR_BUSY: somebody has the pack in hand just now, and it stays. */
static void moved_told(void *ctx, eg_err e, const eg_problem *p) {
    (void)p;
    moved *m = ctx;
    m->e = e;
    sem_post(&m->told);
}

/* A flush whose pack goes between its plan and its commit succeeds all the same, by the pool. */
static void moved_under_a_flush(void **state) {
    store *s = *state;
    const atomic_bool never = false;
    bool met = false;
    for (int i = 0; i < 20 && !met; i++) {
        char path[32];
        char query[64];
        eg_pool *pool = NULL;
        eg_buf row;
        moved gone;
        move m = {.s = s};
        snprintf(path, sizeof path, "/data/f%d", i);
        snprintf(query, sizeof query, "action=flush&position=5");
        assert_int_equal(store_create(s, path), EG_OK);
        assert_int_equal(store_append(s, path, 0, "hello", 5), EG_OK);
        store_stop(s);
        store_start(s); /* packs of earlier processes are closed */
        store_quiet(s);
        assert_int_equal(eg_relocate_count(s->storage, &never), EG_OK);
        assert_int_equal(eg_pool_start(1, 4, &pool), EG_OK);
        s->storage->pool = pool;
        raw_get(s, EG_DB_FS_PLACE, (size_t)i, &m.key, &row); /* ids grow with time: the newest is the last */
        assert_int_equal(eg_content_location_decode(store_account(s), eg_buf_bytes(&m.key), eg_buf_bytes(&row), &m.from), EG_OK);
        sem_init(&gone.told, 0, 0);
        const eg_txn_op op = {move_away, &m};
        assert_int_equal(eg_commit_start(s->committer, &op, 1, moved_told, &gone), EG_OK);
        answer a = store_call(s, &(call){.method = "PATCH", .path = path, .query = query});
        assert_int_equal(a.err, EG_OK);
        assert_int_equal(a.status, 200);
        assert_non_null(a.fn);
        const bool twice = a.tolds == 2; /* by the committer, then by the pool */
        answer_free(&a);
        sem_wait(&gone.told);
        assert_true(gone.e == EG_OK || gone.e == EG_ERR_BUSY);
        met = twice && gone.e == EG_OK;
        a = store_read(s, path);
        assert_int_equal(a.body.len, 5);
        assert_memory_equal(a.body.ptr, "hello", 5);
        answer_free(&a);
        eg_pool_stop(pool);
        s->storage->pool = NULL;
        sem_destroy(&gone.told);
        eg_buf_done(&m.key);
        eg_buf_done(&row);
    }
    assert_true(met);
}

/* Content of many small appends costs an opening and a look-up each: neither its flush nor its reading is the worker's, who has others waiting. */
static void fragments(void **state) {
    store *s = *state;
    enum { N = 200 };
    uint8_t *data = store_pattern(N);
    assert_int_equal(store_create(s, "/data/f"), EG_OK);
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(store_append(s, "/data/f", i, data + i, 1), EG_OK);
    }
    answer a = store_call(s, &(call){.method = "PATCH", .path = "/data/f", .query = "action=flush&position=200"});
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.status, 200);
    assert_null(a.fn);
    answer_free(&a);
    for (int i = 0; i < 2; i++) { /* the second with everything in memory */
        a = store_read(s, "/data/f");
        assert_int_equal(a.body.len, N);
        assert_memory_equal(a.body.ptr, data, N);
        assert_false(a.at_once);
        answer_free(&a);
    }
    a = store_call(s, &(call){.method = "GET", .path = "/data/f", .headers = {"Range", "bytes=100-105"}});
    assert_int_equal(a.status, 206);
    assert_memory_equal(a.body.ptr, data + 100, 6);
    assert_true(a.at_once);
    answer_free(&a);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes, store_open, store_close),
        cmocka_unit_test_setup_teardown(refusals, store_open, store_close),
        cmocka_unit_test_setup_teardown(in_the_pool, store_open, store_close),
        cmocka_unit_test_setup_teardown(reads, store_open, store_close),
        cmocka_unit_test_setup_teardown(first_of_an_account, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_record_that_waits, store_open, store_close),
        cmocka_unit_test_setup_teardown(moved_under_a_flush, store_open, store_close),
        cmocka_unit_test_setup_teardown(fragments, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
