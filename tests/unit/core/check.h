/* What every test of core/ needs: cmocka with its headers, and a directory that goes away. */
#ifndef EG_TEST_CORE_CHECK_H
#define EG_TEST_CORE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* In the working directory, mode 0700. */
static inline int make_dir(void **state) {
    char name[] = "tmp-core-XXXXXX";
    if (!mkdtemp(name)) {
        return -1;
    }
    *state = strdup(name);
    return *state ? 0 : -1;
}

static inline int remove_dir(void **state) {
    int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

/* Borrowed until the next call. */
static inline const char *in_dir(void **state, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

#endif
