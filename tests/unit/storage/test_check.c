/* The check finds and names whatever was changed behind the back of storage. covers: check.c check_file.c check_places.c check_rows.c id_map.c */
#include "storage_fixture.h"

#include "blocks.h"
#include "exchange.h"
#include "id_map.h"
#include "segment_store.h"

#include <dirent.h>
#include <fcntl.h>

typedef struct findings {
    char text[16384];
    size_t count;
    uint64_t done;
    uint64_t total;
} findings;

static void found(void *ctx, const char *kind, const char *where, const char *what) {
    findings *f = ctx;
    const size_t n = strlen(f->text);
    f->count++;
    snprintf(f->text + n, sizeof f->text - n, "%s %s: %s\n", kind, where, what);
}

static void progress(void *ctx, uint64_t done, uint64_t total) {
    findings *f = ctx;
    f->done = done;
    f->total = total;
}

static eg_check_sums check(store *s, findings *f) {
    const eg_check_sink sink = {f, found, progress};
    eg_check_sums sums = {0};
    *f = (findings){.count = 0};
    assert_int_equal(eg_storage_check(s->storage, &sink, &sums), EG_OK);
    return sums;
}

static void expect_clean(store *s) {
    findings f;
    const eg_check_sums sums = check(s, &f);
    if (sums.faults > 0) {
        print_message("%s", f.text);
    }
    assert_int_equal(sums.faults, 0);
}

static void expect_fault(store *s, const char *kind, const char *name) {
    findings f;
    const eg_check_sums sums = check(s, &f);
    if (sums.faults == 0 || !strstr(f.text, kind) || !strstr(f.text, name)) {
        print_message("wanted %s, %s; told:\n%s", kind, name, f.text);
    }
    assert_true(sums.faults > 0);
    assert_non_null(strstr(f.text, kind));
    assert_non_null(strstr(f.text, name));
}

#define LARGE (EG_PACKED_MAX + 100000)

/* Two files of their own, three in a pack. */
static void lay_out(store *s) {
    uint8_t *data = store_pattern(LARGE);
    store_quiet(s);
    store_write(s, "/data/d/large", data, LARGE);
    store_write(s, "/data/d/other", data + 1, LARGE - 1);
    store_write(s, "/data/small", "one", 3);
    store_write(s, "/data/small2", "two", 3);
    store_write(s, "/data/e/small3", data, 70000);
    assert_int_equal(store_create(s, "/data/empty"), EG_OK);
    free(data);
}

/* The n-th regular file beneath segments/, with directories in order of their names. */
static void nth_file(store *s, bool pack, size_t n, char ret[256]) {
    size_t seen = 0;
    for (int shard = 0; shard < 257; shard++) {
        char dir[128];
        if (pack != (shard == 256)) {
            continue;
        }
        shard == 256 ? snprintf(dir, sizeof dir, "%s/segments/packs", s->top) : snprintf(dir, sizeof dir, "%s/segments/%02x", s->top, (unsigned)shard);
        DIR *d = opendir(dir);
        assert_non_null(d);
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            if (e->d_name[0] != '.' && seen++ == n) {
                snprintf(ret, 256, "%s/%.64s", dir, e->d_name);
            }
        }
        closedir(d);
    }
    assert_true(seen > n);
}

static void flip(const char *path, off_t at) {
    const int fd = open(path, O_RDWR);
    uint8_t b = 0;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 0x20;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static void clean(void **state) {
    store *s = *state;
    findings f;
    lay_out(s);
    const eg_check_sums sums = check(s, &f);
    assert_string_equal(f.text, "");
    assert_int_equal(sums.accounts, 1);
    assert_int_equal(sums.containers, 1);
    assert_int_equal(sums.files, 6);
    assert_int_equal(sums.directories, 3);
    assert_int_equal(sums.segments, 5);
    assert_int_equal(sums.bytes, sums.total);
    assert_int_equal(f.done, f.total);
    /* Appends that aren't flushed, and what waits for the reclaimer, are no faults. */
    assert_int_equal(store_append(s, "/data/small", 3, "staged", 6), EG_OK);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    expect_clean(s);
    (void)store_reclaim(s);
    expect_clean(s);
}

static void a_flipped_byte(void **state) {
    store *s = *state;
    char path[256];
    lay_out(s);
    const off_t places[] = {0, 9, 20, 50, 70, 96, 65000, 65640, LARGE / 2, (off_t)eg_segment_size_of(LARGE - 1).stored - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        nth_file(s, false, 0, path);
        flip(path, places[i]);
        expect_fault(s, i == 3 ? "swapped" : "damaged", "acct/data/d/");
        flip(path, places[i]);
    }
    nth_file(s, true, 0, path);
    const size_t first = (size_t)eg_segment_size_of(3).stored;
    const size_t frame = EG_PACK_HEADER_LEN;
    const size_t body = frame + EG_PACK_FRAME_LEN;
    for (size_t at = 0; at < body + first; at++) {
        flip(path, (off_t)at);
        expect_fault(s, "", at < body ? "packs" : "acct/data/small");
        flip(path, (off_t)at);
    }
    expect_clean(s);
}

static void swapped_files(void **state) {
    store *s = *state;
    char a[256];
    char b[256];
    char c[300];
    lay_out(s);
    nth_file(s, false, 0, a);
    nth_file(s, false, 1, b);
    snprintf(c, sizeof c, "%s.away", a);
    assert_int_equal(rename(a, c), 0);
    assert_int_equal(rename(b, a), 0);
    assert_int_equal(rename(c, b), 0);
    findings f;
    check(s, &f);
    assert_non_null(strstr(f.text, "swapped acct/data/d/large"));
    assert_non_null(strstr(f.text, "swapped acct/data/d/other"));
}

/* The file as it was before it was written anew lies in the place of the new one. */
static void an_older_copy(void **state) {
    store *s = *state;
    char old[256];
    char now[256];
    char kept[256];
    uint8_t *data = store_pattern(LARGE);
    store_quiet(s);
    store_write(s, "/data/f", data, LARGE);
    nth_file(s, false, 0, old);
    snprintf(kept, sizeof kept, "%s/kept", s->top);
    assert_int_equal(link(old, kept), 0);
    store_write(s, "/data/f", data, LARGE); /* create over, append, flush */
    (void)store_reclaim(s);
    nth_file(s, false, 0, now);
    assert_int_equal(rename(kept, now), 0);
    expect_fault(s, "swapped", "acct/data/f");
    free(data);
}

static void a_lost_file(void **state) {
    store *s = *state;
    char path[256];
    lay_out(s);
    nth_file(s, false, 0, path);
    assert_int_equal(truncate(path, 70000), 0);
    expect_fault(s, "damaged", "acct/data/d/");
    assert_int_equal(unlink(path), 0);
    expect_fault(s, "lost", "acct/data/d/");
}

static void an_unnamed_file(void **state) {
    store *s = *state;
    char path[256];
    findings f;
    lay_out(s);
    snprintf(path, sizeof path, "%s/segments/cd/000000000000000000000000000000cd", s->top);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    const eg_check_sums sums = check(s, &f);
    assert_int_equal(sums.faults, 0);
    assert_int_equal(sums.leftovers, 1);
    assert_non_null(strstr(f.text, "leftover segments/cd/"));
}

/* Every row of every table: damaged, and taken away. */
static void rows(void **state) {
    store *s = *state;
    static const eg_kv_db dbs[] = {EG_DB_FS_ENTRY, EG_DB_FS_INODE, EG_DB_FS_EXTENT, EG_DB_FS_SEGMENT, EG_DB_FS_PLACE};
    lay_out(s);
    for (size_t d = 0; d < sizeof dbs / sizeof dbs[0]; d++) {
        for (size_t n = 0; n < store_rows(s, dbs[d]); n++) {
            eg_buf key;
            eg_buf value;
            raw_get(s, dbs[d], n, &key, &value);
            value.ptr[value.len / 2] ^= 1;
            raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&key), eg_buf_bytes(&value)});
            expect_fault(s, "damaged", "acct");
            raw_put(s, (raw_row){.db = dbs[d], .key = eg_buf_bytes(&key)});
            expect_fault(s, "", "acct");
            value.ptr[value.len / 2] ^= 1;
            raw_put(s, (raw_row){dbs[d], eg_buf_bytes(&key), eg_buf_bytes(&value)});
            eg_buf_done(&key);
            eg_buf_done(&value);
        }
    }
    expect_clean(s);
}

/* Scopes, leases, block lists, snapshots: a damaged row of each is named by its table, and so is one that stands under another's key. */
static void rows_beside(void **state) {
    store *s = *state;
    static const struct {
        eg_kv_db db;
        const char *table;
    } dbs[] = {{EG_DB_FS_SCOPE, "fs.scope"}, {EG_DB_FS_LEASE, "fs.lease"}, {EG_DB_FS_BLOCK_LIST, "fs.block_list"}, {EG_DB_FS_SNAPSHOT, "fs.snapshot"}};
    eg_problem p = {0};
    store_quiet(s);
    store_write(s, "/data/f", "one", 3);
    assert_int_equal(eg_storage_scope_add(s->storage, EG_LIT("acct"), EG_LIT("finance"), EG_LIT(""), &p), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/f", .query = "comp=snapshot"}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "POST", .path = "/data/f", .headers = {"x-ms-lease-action", "acquire", "x-ms-lease-duration", "-1",
        "x-ms-proposed-lease-id", "33333333-3333-4333-8333-333333333333"}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=block&blockid=MQ%3D%3D", .body = "x", .body_len = 1}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=blocklist", .body = "<BlockList><Latest>MQ==</Latest></BlockList>",
        .body_len = 44}), EG_OK);
    expect_clean(s);
    for (size_t d = 0; d < sizeof dbs / sizeof dbs[0]; d++) {
        eg_buf key;
        eg_buf value;
        raw_get(s, dbs[d].db, 0, &key, &value);
        value.ptr[value.len / 2] ^= 1;
        raw_put(s, (raw_row){dbs[d].db, eg_buf_bytes(&key), eg_buf_bytes(&value)});
        expect_fault(s, "damaged", dbs[d].table);
        value.ptr[value.len / 2] ^= 1;
        raw_put(s, (raw_row){dbs[d].db, eg_buf_bytes(&key), eg_buf_bytes(&value)});
        expect_clean(s);
        eg_buf_add(&key, "x", 1);
        raw_put(s, (raw_row){dbs[d].db, eg_buf_bytes(&key), eg_buf_bytes(&value)});
        expect_fault(s, "damaged", dbs[d].table);
        raw_put(s, (raw_row){.db = dbs[d].db, .key = eg_buf_bytes(&key)});
        eg_buf_done(&key);
        eg_buf_done(&value);
    }
}

/* What is to be wrapped anew, beside the scopes: it bears no MAC, and the digest has it. */
static void a_rotation_beside_the_scopes(void **state) {
    store *s = *state;
    static const uint8_t row[30] = {1, 2};
    const eg_bytes key = eg_str_bytes(EG_LIT("r/" TENANT "/"));
    store_quiet(s);
    store_write(s, "/data/f", "one", 3);
    raw_put(s, (raw_row){EG_DB_FS_SCOPE, key, {row, sizeof row}});
    expect_clean(s);
}

static void an_older_row(void **state) {
    store *s = *state;
    eg_buf key;
    eg_buf value;
    store_quiet(s);
    store_write(s, "/data/f", "one", 3);
    raw_get(s, EG_DB_FS_INODE, 0, &key, &value);
    if (value.ptr[1] != EG_KIND_FILE) { /* two ids of one millisecond stand in no order */
        eg_buf_done(&key);
        eg_buf_done(&value);
        raw_get(s, EG_DB_FS_INODE, 1, &key, &value);
    }
    assert_int_equal(store_append(s, "/data/f", 3, "two", 3), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 6), EG_OK);
    expect_clean(s);
    raw_put(s, (raw_row){EG_DB_FS_INODE, eg_buf_bytes(&key), eg_buf_bytes(&value)});
    expect_fault(s, "older", "acct/data/f");
    eg_buf_done(&key);
    eg_buf_done(&value);
}

/* The row of the file in the root, as it is now: the root's own is the other one. */
static void file_row(store *s, eg_buf *ret) {
    for (size_t n = 0; n < 2; n++) {
        eg_buf key;
        raw_get(s, EG_DB_FS_INODE, n, &key, ret);
        eg_buf_done(&key);
        if (ret->ptr[1] == EG_KIND_FILE) {
            return;
        }
        eg_buf_done(ret);
    }
    fail();
}

/* Whose rights were taken away puts back the row that still gave them: it verifies, and it is found all the same. */
static void an_older_row_of_rights(void **state) {
    store *s = *state;
    const call chmod = {.method = "PATCH", .path = "/data/f", .query = "action=setAccessControl", .headers = {"x-ms-permissions", "0600"}};
    char path[96];
    eg_buf before;
    eg_buf after;
    snprintf(path, sizeof path, "%s/kv/data.mdb", s->top);
    store_quiet(s);
    store_write(s, "/data/f", "one", 3);
    file_row(s, &before);
    assert_int_equal(store_do(s, chmod), EG_OK);
    file_row(s, &after);
    expect_clean(s);
    store_stop(s);
    exchange_bytes(path, eg_buf_bytes(&after), eg_buf_bytes(&before));
    store_start(s);
    findings f;
    const eg_check_sums sums = check(s, &f);
    assert_int_equal(sums.faults, 1);
    assert_non_null(strstr(f.text, "older fs.inode"));
    store_stop(s);
    exchange_bytes(path, eg_buf_bytes(&before), eg_buf_bytes(&after));
    store_start(s);
    expect_clean(s);
    eg_buf_done(&before);
    eg_buf_done(&after);
}

/* Snapshots and what was deleted and is kept are no loss; their rows are looked at, too. */
static void kept(void **state) {
    store *s = *state;
    lay_out(s);
    assert_int_equal(eg_storage_set_retention(s->storage, EG_LIT(ACCOUNT), 1), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/small", .query = "comp=snapshot", .surface = EG_SURFACE_BLOB}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/small2", .query = "comp=expiry", .headers = {"x-ms-expiry-option",
        "RelativeToNow", "x-ms-expiry-time", "3600000"}}), EG_OK);
    assert_int_equal(store_delete(s, "/data/d", "recursive=true"), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    store_write(s, "/other/x", "one", 3);
    assert_int_equal(store_do(s, (call){.method = "DELETE", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    expect_clean(s);
    assert_int_equal(store_rows(s, EG_DB_FS_DELETED), 5); /* two deletions with their ends, one expiry */
    for (size_t n = 0; n < 5; n++) {
        eg_buf key;
        eg_buf value;
        raw_get(s, EG_DB_FS_DELETED, n, &key, &value);
        value.ptr[value.len / 2] ^= 1;
        raw_put(s, (raw_row){EG_DB_FS_DELETED, eg_buf_bytes(&key), eg_buf_bytes(&value)});
        expect_fault(s, "damaged", "acct");
        if (key.ptr[0] != 't') {
            raw_put(s, (raw_row){.db = EG_DB_FS_DELETED, .key = eg_buf_bytes(&key)});
            expect_fault(s, "lost", "acct");
        }
        value.ptr[value.len / 2] ^= 1;
        raw_put(s, (raw_row){EG_DB_FS_DELETED, eg_buf_bytes(&key), eg_buf_bytes(&value)});
        eg_buf_done(&key);
        eg_buf_done(&value);
    }
    expect_clean(s);
}

static void many_ids(void **state) {
    (void)state;
    eg_id_map *m = NULL;
    assert_int_equal(eg_id_map_new(&m), EG_OK);
    for (uint32_t i = 0; i < 5000; i++) {
        eg_id id = {{0}};
        eg_put_u32(id.b + 12, i);
        *eg_id_map_at(m, &id) = i + 1;
    }
    for (uint32_t i = 0; i < 5000; i++) {
        eg_id id = {{0}};
        eg_put_u32(id.b + 12, i);
        assert_int_equal(eg_id_map_get(m, &id), i + 1);
    }
    const eg_id other = eg_id_new();
    assert_int_equal(eg_id_map_get(m, &other), 0);
    eg_id_map_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clean, store_open, store_close),
        cmocka_unit_test_setup_teardown(kept, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_flipped_byte, store_open, store_close),
        cmocka_unit_test_setup_teardown(swapped_files, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_older_copy, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_older_row_of_rights, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_lost_file, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_unnamed_file, store_open, store_close),
        cmocka_unit_test_setup_teardown(rows_beside, store_open, store_close),
        cmocka_unit_test_setup_teardown(rows, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_rotation_beside_the_scopes, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_older_row, store_open, store_close),
        cmocka_unit_test(many_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
