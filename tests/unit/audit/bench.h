/* What every test of audit/ needs: cmocka, a directory that goes away, a store with committer, a keeper in this process. */
#ifndef EG_TEST_AUDIT_BENCH_H
#define EG_TEST_AUDIT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <embergate/audit.h>
#include <embergate/durable_file.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logs.h"

#define ORIGIN "embergate.test/log"
#define TENANT "11111111-2222-3333-4444-555555555555"
#define OTHER_TENANT "99999999-2222-3333-4444-555555555555"

static inline int bench_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void bench_remove(const char *dir) {
    nftw(dir, bench_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

typedef struct bench {
    char dir[64];
    char keeper_dir[96];
    char kv_dir[96];
    char audit_dir[96];
    eg_keys *keys;
    eg_kv *kv;
    eg_committer *committer;
    eg_audit *audit;
    eg_clock clock;
    uint64_t journal_bytes;
    unsigned checkpoint_ms;
} bench;

/* The keeper's directory is made once; a copy of it would do as well. */
static inline int bench_make(void **state) {
    bench *b = calloc(1, sizeof *b);
    strncpy(b->dir, "tmp-audit-XXXXXX", sizeof b->dir - 1);
    if (!mkdtemp(b->dir)) {
        return -1;
    }
    snprintf(b->keeper_dir, sizeof b->keeper_dir, "%s/keeper", b->dir);
    snprintf(b->kv_dir, sizeof b->kv_dir, "%s/kv", b->dir);
    snprintf(b->audit_dir, sizeof b->audit_dir, "%s/audit", b->dir);
    b->clock = eg_clock_system;
    b->journal_bytes = 1 << 20;
    b->checkpoint_ms = 50;
    eg_buf recovery;
    eg_problem p = {0};
    eg_buf_init(&recovery, 1024);
    eg_err e = eg_keeper_init(b->keeper_dir, &recovery, &p);
    eg_buf_done(&recovery);
    const char *const tenants[] = {EG_AUDIT_SERVER_TENANT, TENANT, OTHER_TENANT};
    for (size_t i = 0; e == EG_OK && i < 3; i++) {
        e = eg_keeper_add_tenant(b->keeper_dir, eg_str_of(tenants[i]), &p);
    }
    if (e == EG_OK) {
        e = eg_keeper_open_local(b->keeper_dir, &b->keys, &p);
    }
    if (e != EG_OK) {
        print_error("%s\n", p.message);
        return -1;
    }
    *state = b;
    return 0;
}

static inline eg_err bench_try_open(bench *b, eg_problem *p) {
    const eg_kv_options ko = {.dir = b->kv_dir, .map_size = (uint64_t)256 << 20};
    EG_TRY(eg_kv_open(&ko, &b->kv, p));
    EG_TRY(eg_committer_start(b->kv, &b->committer));
    const eg_audit_options o = {.dir = b->audit_dir, .kv = b->kv, .committer = b->committer, .keys = b->keys, .clock = &b->clock,
                                .origin = ORIGIN, .journal_bytes = b->journal_bytes, .checkpoint_ms = b->checkpoint_ms};
    return eg_audit_open(&o, &b->audit, p);
}

static inline void bench_open(bench *b) {
    eg_problem p = {0};
    eg_err e = bench_try_open(b, &p);
    if (e != EG_OK) {
        print_error("open: %s %s\n", eg_err_code(e), p.message);
    }
    assert_int_equal(e, EG_OK);
}

static inline void bench_close(bench *b) {
    eg_audit_close(b->audit);
    b->audit = NULL;
    eg_committer_stop(b->committer);
    b->committer = NULL;
    eg_kv_close(b->kv);
    b->kv = NULL;
}

static inline int bench_drop(void **state) {
    bench *b = *state;
    if (b->kv) {
        bench_close(b);
    }
    eg_keeper_local_free(b->keys);
    bench_remove(b->dir);
    free(b);
    return 0;
}

/* Path beneath the audit folder; borrowed until the next call. */
static inline const char *bench_path(const bench *b, const char *log, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s%s%s", b->audit_dir, log, name[0] ? "/" : "", name);
    return path;
}

/* Waits until a checkpoint of so many entries is out: then nothing of them is on its way any more. */
static inline void bench_settle(const bench *b, const char *log, uint64_t size) {
    uint64_t now = 0;
    for (int i = 0; i < 1000 && now < size; i++) {
        eg_buf note;
        eg_checkpoint c;
        eg_buf_init(&note, EG_CHECKPOINT_MAX);
        if (eg_file_read(AT_FDCWD, bench_path(b, log, EG_CHECKPOINT_FILE), EG_CHECKPOINT_MAX, &note, NULL) == EG_OK && eg_checkpoint_parse(eg_buf_str(&note), &c) == EG_OK) {
            now = c.size;
        }
        eg_buf_done(&note);
        usleep(10000);
    }
    assert_true(now >= size);
}

static inline eg_audit_record bench_record(const char *resource) {
    return (eg_audit_record){.tenant = EG_LIT(TENANT), .event = "storage.file.read", .outcome = "allowed", .resource = eg_str_of(resource), .status = 200};
}

#endif
