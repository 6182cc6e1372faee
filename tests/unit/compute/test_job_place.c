/* Paths and URIs of jobs: ours are taken, everything else is refused, and no symbolic link leads out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "job_place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const roots[] = {"/jobs", "/srv/team/", NULL};
static const eg_job_places places = {.public_url = "https://gw.example:8443", .file_roots = roots};

static void uris_are_judged(void **state) {
    (void)state;
    static const struct {
        const char *uri;
        eg_err want;
        eg_job_place_kind kind;
    } rows[] = {
        {"abfss://data@gw.example:8443/jobs/a.py", EG_OK, EG_JOB_PLACE_STORAGE},
        {"abfss://data@flights.dfs.gw.example:8443/a.py", EG_OK, EG_JOB_PLACE_STORAGE},
        {"/jobs/a.py", EG_OK, EG_JOB_PLACE_LOCAL},
        {"/srv/team/sub/a.py", EG_OK, EG_JOB_PLACE_LOCAL},
        {"abfss://data@gw.example/a.py", EG_ERR_FILE_REFUSED, 0},            /* another port */
        {"abfss://data@gw.example:8443.evil.example/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://data@evil.example/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://data@x.y.dfs.gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://data@user@gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://Data@gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"abfss://data@gw.example:8443/", EG_ERR_FILE_REFUSED, 0},
        {"abfss://data@gw.example:8443/../x", EG_ERR_FILE_REFUSED, 0},
        {"abfs://data@gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"local:/jobs/a.py", EG_ERR_FILE_REFUSED, 0},
        {"file:///jobs/a.py", EG_ERR_FILE_REFUSED, 0},
        {"http://gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"https://gw.example:8443/a.py", EG_ERR_FILE_REFUSED, 0},
        {"hdfs://nn/a.py", EG_ERR_FILE_REFUSED, 0},
        {"a.py", EG_ERR_FILE_REFUSED, 0},
        {"/etc/passwd", EG_ERR_FILE_REFUSED, 0},
        {"/jobs", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/", EG_ERR_FILE_REFUSED, 0},
        {"/jobsx/a.py", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/../etc/passwd", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/./a.py", EG_ERR_FILE_REFUSED, 0},
        {"--conf", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/a.py,/etc/passwd", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/a.py#b", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/*.py", EG_ERR_FILE_REFUSED, 0},
        {"", EG_ERR_FILE_REFUSED, 0},
        {"/jobs/a\n.py", EG_ERR_BODY_FIELD, 0},
        {"/jobs/${env:HOME}", EG_ERR_BODY_FIELD, 0},
        {"/jobs/\xff", EG_ERR_BODY_FIELD, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_problem p = {0};
        eg_job_place_kind kind = EG_JOB_PLACE_NONE;
        eg_err e = eg_job_place_check(&places, eg_str_of(rows[i].uri), "file", &kind, &p);
        if (e != rows[i].want) {
            print_error("%s: %s, expected %s\n", rows[i].uri, eg_err_code(e), eg_err_code(rows[i].want));
        }
        assert_int_equal(e, rows[i].want);
        assert_int_equal(kind, rows[i].kind);
        if (e != EG_OK) {
            assert_string_equal(p.where, "file");
        }
    }
    eg_job_place_kind kind = EG_JOB_PLACE_NONE;
    eg_problem p = {0};
    assert_int_equal(eg_job_place_check(&places, (eg_str){"/jobs/a\0b", 9}, "file", &kind, &p), EG_ERR_BODY_FIELD);
}

static void make(const char *dir, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static eg_err probe(const char *root, const char *rest) {
    const char *const one[] = {root, NULL};
    eg_job_places at = {.public_url = "https://gw.example", .file_roots = one};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, rest);
    eg_problem p = {0};
    return eg_job_place_probe(&at, eg_str_of(path), "file", &p);
}

static void symbolic_links_lead_nowhere(void **state) {
    (void)state;
    char base[] = P_tmpdir "/eg-place-XXXXXX";
    assert_non_null(mkdtemp(base));
    char root[64], inside[96], outside[64], link_file[96], link_dir[96], swapped[96], parked[96];
    snprintf(root, sizeof root, "%s/root", base);
    snprintf(outside, sizeof outside, "%s/outside", base);
    snprintf(inside, sizeof inside, "%s/dir", root);
    assert_int_equal(mkdir(root, 0700) | mkdir(outside, 0700) | mkdir(inside, 0700), 0);
    make(inside, "a.py");
    make(outside, "a.py");
    snprintf(link_file, sizeof link_file, "%s/l.py", root);
    snprintf(link_dir, sizeof link_dir, "%s/ldir", root);
    assert_int_equal(symlink("dir/a.py", link_file) | symlink(outside, link_dir), 0);
    assert_int_equal(probe(root, "dir/a.py"), EG_OK);
    assert_int_equal(probe(root, "dir"), EG_ERR_FILE_REFUSED);
    assert_int_equal(probe(root, "absent.py"), EG_ERR_FILE_REFUSED);
    assert_int_equal(probe(root, "l.py"), EG_ERR_FILE_REFUSED);       /* even one that stays inside */
    assert_int_equal(probe(root, "ldir/a.py"), EG_ERR_FILE_REFUSED);
    /* The directory that was good a moment ago becomes a link to elsewhere. */
    snprintf(swapped, sizeof swapped, "%s/dir", root);
    snprintf(parked, sizeof parked, "%s/parked", root);
    assert_int_equal(rename(swapped, parked) | symlink(outside, swapped), 0);
    assert_int_equal(probe(root, "dir/a.py"), EG_ERR_FILE_REFUSED);
    assert_int_equal(probe(root, "parked/a.py"), EG_OK);
    char rm[96];
    static const char *const leftovers[] = {"root/parked/a.py", "root/dir", "root/l.py", "root/ldir", "outside/a.py"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(rm, sizeof rm, "%s/%s", base, leftovers[i]);
        unlink(rm);
    }
    rmdir(parked);
    rmdir(root);
    rmdir(outside);
    rmdir(base);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(uris_are_judged), cmocka_unit_test(symbolic_links_lead_nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
