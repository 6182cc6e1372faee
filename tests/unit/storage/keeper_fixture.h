/* A keeper directory of its own for each test, removed afterwards. */
#ifndef EG_TEST_KEEPER_FIXTURE_H
#define EG_TEST_KEEPER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <embergate/durable_file.h>
#include <embergate/keys.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT_A "11111111-1111-4111-8111-111111111111"
#define TENANT_B "22222222-2222-4222-8222-222222222222"

typedef struct fixture {
    char top[64];
    char dir[96];
    char recovery[128];
} fixture;

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int fixture_open(void **state) {
    fixture *f = calloc(1, sizeof *f);
    eg_problem p = {0};
    eg_buf recovery;
    snprintf(f->top, sizeof f->top, "%s/eg-keeper-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(f->top));
    snprintf(f->dir, sizeof f->dir, "%s/keeper", f->top);
    eg_buf_init(&recovery, 128);
    assert_int_equal(eg_keeper_init(f->dir, &recovery, &p), EG_OK);
    snprintf(f->recovery, sizeof f->recovery, "%s", recovery.ptr);
    eg_buf_done(&recovery);
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT(TENANT_A), &p), EG_OK);
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT(TENANT_B), &p), EG_OK);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state) {
    fixture *f = *state;
    nftw(f->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* Flips one bit of the byte at `at` (from the end when negative). */
static inline void flip(const fixture *f, const char *name, long at) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    off_t where = lseek(fd, at, at < 0 ? SEEK_END : SEEK_SET);
    uint8_t b = 0;
    assert_int_equal(pread(fd, &b, 1, where), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, where), 1);
    close(fd);
}

/* A checkpoint body of this size whose root is 32 times `fill`. */
static inline void checkpoint_body(eg_buf *b, const char *origin, uint64_t size, char fill) {
    static const char roots[][48] = {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="};
    eg_buf_init(b, 1024);
    assert_int_equal(eg_buf_addf(b, "%s\n%llu\n%s\n", origin, (unsigned long long)size, roots[(int)fill]), EG_OK);
}

#endif
