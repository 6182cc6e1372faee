/* `embergate backup`, `backup verify`, `backup list` and `restore`. */
#include "../process/init.h"
#include "backup_make.h"
#include "backup_restore.h"

#include <embergate/clock.h>
#include <embergate/secret.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    const char *state, *to, *from, *escrow, *point, *key;
    unsigned every_s;
    size_t keep;
} options;

static int usage(const char *command, const char *what) {
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_INVALID, "%s: %s", command, what);
    (void)eg_fail_hint(&p, "see: embergate %s --help", command);
    return eg_process_complain(&p);
}

static double megabytes(uint64_t bytes) { return (double)bytes / 1e6; }
static double rate(uint64_t bytes, double seconds) { return seconds > 0 ? megabytes(bytes) / seconds : 0; }

/* The path may not be there yet: only its folder is looked up. */
static bool absolute(const char *path, char ret[PATH_MAX]) {
    if (path[0] == '/') {
        return snprintf(ret, PATH_MAX, "%s", path) < PATH_MAX;
    }
    char here[PATH_MAX / 2];
    return getcwd(here, sizeof here) && snprintf(ret, PATH_MAX, "%s/%s", here, path) < PATH_MAX;
}

/* "60", "60s", "5m", "1h"; 0 = none of these. */
static unsigned seconds_of(const char *text) {
    char *end = NULL;
    const unsigned long n = strtoul(text, &end, 10);
    const unsigned unit = *end == '\0' || strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : 0;
    return end == text || n == 0 || n > 86400 ? 0 : (unsigned)n * unit;
}

static bool take_options(options *o, int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"to", required_argument, NULL, 't'}, {"from", required_argument, NULL, 'f'},
                                          {"escrow", required_argument, NULL, 'e'}, {"point", required_argument, NULL, 'p'}, {"key", required_argument, NULL, 'k'},
                                          {"every", required_argument, NULL, 'E'}, {"keep", required_argument, NULL, 'K'}, {NULL, 0, NULL, 0}};
    uint64_t n = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's': o->state = optarg; break;
        case 't': o->to = optarg; break;
        case 'f': o->from = optarg; break;
        case 'e': o->escrow = optarg; break;
        case 'p': o->point = optarg; break;
        case 'k': o->key = optarg; break;
        case 'E':
            o->every_s = seconds_of(optarg);
            if (o->every_s == 0) {
                return false;
            }
            break;
        case 'K':
            if (eg_str_u64(eg_str_of(optarg), 100000, &n) != EG_OK || n == 0) {
                return false;
            }
            o->keep = (size_t)n;
            break;
        default: return false;
        }
    }
    return optind == argc;
}

static eg_err once(const eg_backup_options *o, eg_problem *p) {
    eg_backup_result r;
    EG_TRY(eg_backup_make(o, &r, p));
    printf("%s: %zu files, %.1f MB, of which %.1f MB copied in %.2f s (%.0f MB/s); the audit log waited %.0f ms\n", r.point, r.files, megabytes(r.bytes),
           megabytes(r.copied), r.seconds, rate(r.copied, r.seconds), r.held_seconds * 1e3);
    fflush(stdout);
    return EG_OK;
}

/* Until it is killed, which is safe at any time. A failure is said, and the next attempt comes in its time. */
static _Noreturn void repeat(const eg_backup_options *o, unsigned every_s) {
    for (;;) {
        eg_problem p = {0};
        const int64_t began = eg_mono_ns(&eg_clock_system);
        if (once(o, &p) != EG_OK) {
            (void)eg_process_complain(&p);
        }
        const int64_t left = (int64_t)every_s * 1000000000 - (eg_mono_ns(&eg_clock_system) - began);
        if (left < 0) {
            printf("behind: this point took longer than the %u s between two; the next begins %.1f s late\n", every_s, (double)-left / 1e9);
            fflush(stdout);
        }
        if (left > 0) {
            const struct timespec t = {left / 1000000000, left % 1000000000};
            (void)nanosleep(&t, NULL);
        }
    }
}

static int make(const options *o) {
    static char to[PATH_MAX], escrow[PATH_MAX];
    eg_problem p = {0};
    if (!o->state || !o->to || !absolute(o->to, to) || (o->escrow && !absolute(o->escrow, escrow))) {
        return usage("backup", "--state DIR and --to DIR are owed");
    }
    umask(077);
    const eg_backup_options b = {o->state, to, o->escrow ? escrow : NULL, o->keep};
    if (o->every_s) {
        repeat(&b, o->every_s);
    }
    return once(&b, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

static eg_err verify_points(const options *o, bool only_list, eg_problem *p) {
    eg_backup_repository r;
    eg_backup_name *points = NULL;
    size_t n = 0, checked = 0;
    EG_TRY(eg_backup_repository_open(o->from, false, &r, p));
    eg_err e = eg_backup_points(&r, &points, &n);
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        size_t files = 0;
        uint64_t bytes = 0;
        if (only_list) {
            puts(points[i]);
            continue;
        }
        if (o->point && strcmp(o->point, "all") != 0 ? strcmp(o->point, points[i]) != 0 : !o->point && i + 1 < n) {
            continue;
        }
        e = eg_backup_verify(&r, points[i], o->key ? eg_str_of(o->key) : EG_LIT(""), &files, &bytes, p);
        if (e == EG_OK) {
            printf("%s: whole, %zu files, %.1f MB\n", points[i], files, megabytes(bytes));
            checked++;
        }
    }
    free(points);
    eg_backup_repository_close(&r);
    return e != EG_OK || only_list || checked > 0 ? e : eg_fail(p, EG_ERR_NOT_FOUND, "there is no such point");
}

int eg_command_backup(int argc, char **argv) {
    options o = {0};
    eg_problem p = {0};
    const bool verify = argc > 1 && strcmp(argv[1], "verify") == 0;
    const bool list = argc > 1 && strcmp(argv[1], "list") == 0;
    const int skip = verify || list;
    if (!take_options(&o, argc - skip, argv + skip)) {
        return usage("backup", "an option is unknown or its value is wrong");
    }
    if (!verify && !list) {
        return make(&o);
    }
    if (!o.from) {
        return usage("backup", "--from DIR is owed");
    }
    return verify_points(&o, list, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

/* From standard input, never from an argument, which others could see. */
static eg_str read_recovery_key(char text[256]) {
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < 255; n += got > 0 ? (size_t)got : 0) {
        got = read(STDIN_FILENO, text + n, 255 - n);
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
        n--;
    }
    return (eg_str){text, n};
}

int eg_command_restore(int argc, char **argv) {
    static char state[PATH_MAX];
    options o = {0};
    eg_problem p = {0};
    char text[256];
    eg_restore_result r;
    if (!take_options(&o, argc, argv) || !o.from || !o.state || !absolute(o.state, state)) {
        return usage("restore", "--from DIR and --state DIR are owed");
    }
    umask(077);
    const eg_restore_options ro = {o.from, o.escrow, o.point, state, o.key ? eg_str_of(o.key) : EG_LIT(""), read_recovery_key(text)};
    const eg_err e = eg_backup_restore(&ro, &r, &p);
    eg_cleanse(text, sizeof text);
    if (e != EG_OK) {
        return eg_process_complain(&p);
    }
    printf("%s: restored %zu files, %.1f MB in %.2f s (%.0f MB/s)\nnext              embergate serve --state %s\n", r.point, r.files, megabytes(r.bytes), r.seconds,
           rate(r.bytes, r.seconds), state);
    return 0;
}
