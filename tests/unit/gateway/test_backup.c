/* The parts of a backup that need no server: lists, copies, repositories with their left-overs, escrows.
 * covers: backup_list.c backup_copy.c backup_repository.c backup_escrow.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backup/backup_copy.h"
#include "backup/backup_escrow.h"
#include "backup/backup_repository.h"
#include "process/signed_statement.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"

static char top[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int make_top(void **state) {
    (void)state;
    snprintf(top, sizeof top, "%s/eg-backup-XXXXXX", P_tmpdir);
    return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state) {
    (void)state;
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const void *content, size_t n) {
    char whole[512];
    char folder[512];
    snprintf(whole, sizeof whole, "%s/%s", top, path);
    snprintf(folder, sizeof folder, "%s", whole);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(eg_dir_make(folder, 0700, NULL), EG_OK);
    assert_int_equal(eg_file_replace(AT_FDCWD, whole, 0600, (eg_bytes){content, n}, NULL), EG_OK);
}

static bool there(const char *path) {
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", top, path);
    return access(whole, F_OK) == 0;
}

static void paths(void **state) {
    (void)state;
    static const char *const good[] = {"a", "a/b", "gateway/segments/ab/0123", "policies/x-y_z.json", "a..b", ".a"};
    static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a b", "a\nb", "\xc3\xa4", "../a", "a/.."};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(eg_backup_path_ok(eg_str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(eg_backup_path_ok(eg_str_of(bad[i])));
    }
}

static void lists(void **state) {
    (void)state;
    eg_backup_list l = {0};
    eg_backup_list again = {0};
    eg_buf text;
    eg_buf_init(&text, 65536);
    assert_int_equal(eg_backup_list_add(&l, &(eg_backup_file){.path = (char *)(uintptr_t)"b/c", .pooled = true, .size = 7}), EG_OK);
    assert_int_equal(eg_backup_list_add(&l, &(eg_backup_file){.path = (char *)(uintptr_t)"a", .sealed = true, .sha256 = {1, 2}}), EG_OK);
    assert_int_equal(eg_backup_list_add(&l, &(eg_backup_file){.path = (char *)(uintptr_t)"../a"}), EG_ERR_INVALID);
    eg_backup_list_sort(&l);
    assert_int_equal(eg_backup_list_write(&l, &text), EG_OK);
    assert_int_equal(eg_backup_list_parse(eg_buf_str(&text), &again), EG_OK);
    assert_int_equal(again.count, 2);
    assert_string_equal(again.files[0].path, "a");
    assert_true(again.files[0].sealed && !again.files[0].pooled && again.files[0].sha256[1] == 2);
    assert_int_equal(eg_backup_list_find(&again, "b/c")->size, 7);
    assert_null(eg_backup_list_find(&again, "b"));
    eg_backup_list_done(&again);
    /* Nothing of a line may be another, and none may be cut off. */
    for (size_t i = 0; i < text.len; i++) {
        eg_backup_list part = {0};
        const eg_err e = eg_backup_list_parse((eg_str){text.ptr, i}, &part);
        assert_int_equal(e, i == 0 || text.ptr[i - 1] == '\n' ? EG_OK : EG_ERR_CORRUPT);
        eg_backup_list_done(&part);
    }
    static const char *const bad[] = {"X- ", "TX ", "T-_"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_backup_list part = {0};
        char line[256];
        memcpy(line, text.ptr, text.len);
        memcpy(line, bad[i], 3);
        assert_int_equal(eg_backup_list_parse((eg_str){line, text.len}, &part), EG_ERR_CORRUPT);
        eg_backup_list_done(&part);
    }
    eg_backup_list_done(&l);
    eg_buf_done(&text);
}

static void copies(void **state) {
    (void)state;
    const size_t n = (size_t)3 << 20;
    uint8_t *data = calloc(1, n);
    uint8_t sha[EG_SHA256_LEN];
    uint8_t want[EG_SHA256_LEN];
    uint64_t size = 0;
    struct stat st;
    data[0] = 1; /* the rest is zeros: a hole */
    put("from/x", data, n);
    const int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(eg_backup_copy_file(&(eg_backup_copy){fd, fd, "from/x", "to/deep/y", 0600, 0}, &size, sha), EG_OK);
    eg_sha256((eg_bytes){data, n}, want);
    assert_int_equal(size, n);
    assert_memory_equal(sha, want, sizeof sha);
    assert_int_equal(fstatat(fd, "to/deep/y", &st, 0), 0);
    assert_int_equal(st.st_size, n);
    assert_int_equal(eg_backup_digest(fd, "to/deep/y", 0, &size, sha), EG_OK);
    assert_memory_equal(sha, want, sizeof sha);
    assert_int_equal(eg_backup_copy_file(&(eg_backup_copy){fd, fd, "from/x", "to/prefix", 0600, 1}, &size, sha), EG_OK);
    assert_int_equal(size, 1);
    assert_int_equal(eg_backup_copy_file(&(eg_backup_copy){fd, fd, "from/none", "to/z", 0600, 0}, &size, sha), EG_ERR_NOT_FOUND);
    assert_int_equal(symlinkat("../from/x", fd, "to/link"), 0);
    assert_int_not_equal(eg_backup_copy_file(&(eg_backup_copy){fd, fd, "to/link", "to/z", 0600, 0}, &size, sha), EG_OK);
    assert_false(there("to/z"));
    assert_int_equal(eg_backup_remove_tree(fd, "to"), EG_OK);
    assert_false(there("to"));
    assert_int_equal(eg_backup_remove_tree(fd, "to"), EG_OK);
    close(fd);
    free(data);
}

/* A point with its list and a manifest that a made-up key signed. */
static void make_point(const char *name, const eg_backup_list *l) {
    char path[256];
    char hex[2 * EG_SHA256_LEN + 1];
    uint8_t seed[32] = {9};
    uint8_t pub[32];
    uint8_t sig[64];
    uint8_t digest[EG_SHA256_LEN];
    eg_buf list;
    eg_buf body;
    eg_buf file;
    eg_buf_init(&list, 65536);
    eg_buf_init(&body, 65536);
    eg_buf_init(&file, 65536);
    assert_int_equal(eg_backup_list_write(l, &list), EG_OK);
    eg_sha256(eg_buf_bytes(&list), digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    EG_JSON_AUTO v = json_pack("{s:s, s:s}", "point", name, "list", hex);
    assert_int_equal(eg_statement_body(EG_STATEMENT_BACKUP, v, &body), EG_OK);
    assert_int_equal(eg_ed25519_sign(seed, eg_buf_bytes(&body), sig), EG_OK);
    assert_int_equal(eg_ed25519_public(seed, pub), EG_OK);
    assert_int_equal(eg_statement_file(eg_buf_str(&body), EG_LIT("o/server"), pub, sig, &file), EG_OK);
    snprintf(path, sizeof path, "repo/points/%s/files", name);
    put(path, list.ptr, list.len);
    snprintf(path, sizeof path, "repo/points/%s/manifest.json", name);
    put(path, file.ptr, file.len);
    eg_buf_done(&list);
    eg_buf_done(&body);
    eg_buf_done(&file);
}

static void repositories(void **state) {
    (void)state;
    char dir[128];
    eg_backup_repository r = {-1, -1};
    eg_backup_repository second = {-1, -1};
    eg_problem p = {0};
    eg_backup_name *points = NULL;
    size_t n = 0;
    snprintf(dir, sizeof dir, "%s/repo", top);
    assert_int_equal(eg_backup_repository_open(dir, false, &r, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_backup_repository_open(dir, true, &r, &p), EG_OK);
    assert_int_equal(eg_backup_repository_open(dir, true, &second, &p), EG_ERR_LOCKED);
    eg_backup_repository_close(&r);
    eg_backup_list a = {0};
    eg_backup_list b = {0};
    assert_int_equal(eg_backup_list_add(&a, &(eg_backup_file){.path = (char *)(uintptr_t)"x/1", .pooled = true}), EG_OK);
    assert_int_equal(eg_backup_list_add(&a, &(eg_backup_file){.path = (char *)(uintptr_t)"x/2", .pooled = true}), EG_OK);
    assert_int_equal(eg_backup_list_add(&b, &(eg_backup_file){.path = (char *)(uintptr_t)"x/2", .pooled = true}), EG_OK);
    put("repo/pool/x/1", "1", 1);
    put("repo/pool/x/2", "2", 1);
    make_point("20260101T000000.000000Z", &a);
    make_point("20260102T000000.000000Z", &b);
    put("repo/points/.partial-20260103T000000.000000Z/tree/y", "y", 1); /* of a writer that died */
    assert_int_equal(eg_backup_repository_open(dir, true, &r, &p), EG_OK);
    assert_false(there("repo/points/.partial-20260103T000000.000000Z"));
    assert_int_equal(eg_backup_points(&r, &points, &n), EG_OK);
    assert_int_equal(n, 2);
    assert_string_equal(points[0], "20260101T000000.000000Z");
    free(points);
    eg_backup_point pt = {0};
    assert_int_equal(eg_backup_point_read(&r, "20260101T000000.000000Z", EG_LIT(""), &pt, &p), EG_OK);
    assert_int_equal(pt.list.count, 2);
    eg_backup_point_done(&pt);
    assert_int_equal(eg_backup_point_read(&r, "20260101T000000.000000Z", EG_LIT("nonsense"), &pt, &p), EG_ERR_INVALID);
    /* Another point's list under this point's manifest. */
    put("repo/points/20260102T000000.000000Z/files", "T- ", 3);
    assert_int_equal(eg_backup_point_read(&r, "20260102T000000.000000Z", EG_LIT(""), &pt, &p), EG_ERR_CORRUPT);
    make_point("20260102T000000.000000Z", &b);
    assert_int_equal(eg_backup_prune(&r, 1, &p), EG_OK);
    assert_false(there("repo/points/20260101T000000.000000Z"));
    assert_false(there("repo/pool/x/1"));
    assert_true(there("repo/pool/x/2"));
    eg_backup_repository_close(&r);
    put("repo/BACKUP", "embergate backup 9\n", 19);
    assert_int_equal(eg_backup_repository_open(dir, false, &r, &p), EG_ERR_FORMAT_VERSION);
    eg_backup_list_done(&a);
    eg_backup_list_done(&b);
}

static void escrows(void **state) {
    (void)state;
    char keeper[128];
    char escrow[128];
    eg_problem p = {0};
    eg_buf json;
    eg_buf_init(&json, 4096);
    snprintf(keeper, sizeof keeper, "%s/keeper", top);
    snprintf(escrow, sizeof escrow, "%s/escrow", top);
    put("keeper/tenants/" TENANT ".key", "one", 3);
    put("keeper/tenants/" TENANT ".acct.scope.key", "two", 3);
    put("keeper/tenants/" OTHER ".key", "three", 5);
    put("keeper/tenants/notes.txt", "no", 2);
    assert_int_equal(eg_escrow_sync(keeper, escrow, &p), EG_OK);
    assert_true(there("escrow/" TENANT ".key") && there("escrow/" TENANT ".acct.scope.key") && there("escrow/" OTHER ".key"));
    assert_false(there("escrow/notes.txt"));
    assert_int_equal(eg_escrow_remember(top, escrow, &p), EG_OK);
    assert_int_equal(eg_escrow_remember(top, escrow, &p), EG_OK);
    assert_int_equal(eg_escrow_remember(top, "/nowhere/at/all", &p), EG_OK);
    assert_int_equal(eg_escrow_erase_all(top, EG_LIT(TENANT), &json, &p), EG_OK);
    eg_buf_add(&json, "", 1);
    assert_non_null(strstr(json.ptr, "\"erased\"}"));
    assert_non_null(strstr(json.ptr, "{\"path\":\"/nowhere/at/all\",\"state\":\"unreachable\"}"));
    assert_false(there("escrow/" TENANT ".key") || there("escrow/" TENANT ".acct.scope.key"));
    assert_true(there("escrow/" OTHER ".key"));
    /* What the keeper has no more goes at the next backup too. */
    assert_int_equal(eg_escrow_sync(keeper, escrow, &p), EG_OK);
    snprintf(keeper, sizeof keeper, "%s/keeper/tenants/" TENANT ".key", top);
    assert_int_equal(unlink(keeper), 0);
    snprintf(keeper, sizeof keeper, "%s/keeper", top);
    assert_int_equal(eg_escrow_sync(keeper, escrow, &p), EG_OK);
    assert_false(there("escrow/" TENANT ".key"));
    assert_int_equal(eg_escrow_erase("/nowhere/at/all", EG_LIT(TENANT), &p), EG_ERR_NOT_FOUND);
    eg_buf_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(lists),
        cmocka_unit_test_setup_teardown(copies, make_top, remove_top),
        cmocka_unit_test_setup_teardown(repositories, make_top, remove_top),
        cmocka_unit_test_setup_teardown(escrows, make_top, remove_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
