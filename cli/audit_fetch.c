/* `embergate audit fetch`: keeps a copy of an audit log that needs no trust in its server, because it grows only into what is signed, and never back. */
#include "cli.h"

#include <embergate/audit_mirror.h>
#include <embergate/crypto.h>

#include <getopt.h>
#include <inttypes.h>
#include <time.h>

#define FOLLOW_SECONDS 5

typedef struct fetch {
    const char *dir, *log, *key;
    bool json, records;
    unsigned follow_s;   /* 0 = once */
    eg_profile profile;
} fetch;

static eg_err get(const fetch *f, const char *what, eg_buf *ret, eg_problem *p) {
    char path[200];
    (void)snprintf(path, sizeof path, "/audit/%s/%s", f->log, what);
    return eg_cli_get_bytes(&f->profile, path, ret, p);
}

/* Trusted once, where nobody gave one: from then on it is the copy's. */
static eg_err open_mirror(const fetch *f, eg_audit_mirror **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf key = {0};
    char source[400];
    (void)snprintf(source, sizeof source, "%s/audit/%s\n", f->profile.endpoint, f->log);
    if (f->key || eg_audit_mirror_exists(f->dir)) {
        return eg_audit_mirror_open(f->dir, f->key, source, ret, p);
    }
    EG_TRY(get(f, "key", &key, p));
    fprintf(stderr, "embergate: the log's key is taken from the gateway, this first time: ");
    eg_cli_put_inert(stderr, (eg_str){key.ptr, key.len > 0 ? key.len - 1 : 0});
    fputc('\n', stderr);
    return eg_audit_mirror_open(f->dir, key.ptr, source, ret, p);
}

/* *ret stays empty where no witness has said anything. */
static eg_err get_witnessed(const fetch *f, eg_buf *ret, eg_problem *p) {
    const eg_err e = get(f, "witnessed", ret, p);
    if (e == EG_ERR_NOT_FOUND) {
        *p = (eg_problem){0};
        eg_buf_done(ret);
        *ret = (eg_buf){0};
        return EG_OK;
    }
    return e;
}

/* What witnesses said is asked for before the checkpoint, so that it is of no more than the copy then has, and kept when that is proved. */
static eg_err grow(const fetch *f, eg_audit_mirror *m, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf witnessed = {0};
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    char path[EG_AUDIT_MIRROR_PATH_LEN];
    EG_TRY(get_witnessed(f, &witnessed, p));
    EG_TRY(get(f, "checkpoint", &note, p));
    EG_TRY(eg_audit_mirror_begin(m, eg_buf_str(&note), p));
    while (eg_audit_mirror_next(m, path)) {
        EG_CLEANUP(eg_buf_done) eg_buf bundle = {0};
        EG_TRY(get(f, path, &bundle, p));
        EG_TRY(eg_audit_mirror_add(m, eg_buf_bytes(&bundle), p));
    }
    EG_TRY(eg_audit_mirror_end(m, p));
    return witnessed.len > 0 ? eg_audit_mirror_witnessed(m, eg_buf_str(&witnessed), p) : EG_OK;
}

/* A record is a line of JSON without controls (docs/AUDIT-RECORD.md). What a server made of anything else would move a terminal, or look like two. */
static eg_err print_record(void *ctx, uint64_t index, eg_bytes entry) {
    for (size_t i = 0; i < entry.len; i++) {
        if (entry.ptr[i] < 0x20 || entry.ptr[i] == 0x7f) {
            return eg_fail(ctx, EG_ERR_CORRUPT, "Entry %" PRIu64 " of the log is no record: it has control characters.", index);
        }
    }
    fwrite(entry.ptr, 1, entry.len, stdout);
    return putchar('\n') == EOF ? eg_fail(ctx, EG_ERR_IO, "Standard output takes no more.") : EG_OK;
}

static void tell(const fetch *f, uint64_t before, uint64_t now) {
    if (f->json && !f->records) {
        json_t *v = json_pack("{s:I,s:I}", "fetched", (json_int_t)(now - before), "size", (json_int_t)now);
        eg_cli_print_json(v);
        json_decref(v);
    } else if (!f->records && (!f->follow_s || now != before)) {
        printf("%" PRIu64 " new records, %" PRIu64 " in all; they are what the log's key has signed, and what was here before is among them\n", now - before, now);
    }
    (void)fflush(stdout);
}

static eg_err fetch_once(const fetch *f, eg_audit_mirror *m, eg_problem *p) {
    const uint64_t before = eg_audit_mirror_size(m);
    EG_TRY(grow(f, m, p));
    if (f->records) {
        EG_TRY(eg_audit_mirror_each(m, before, print_record, p, p));
    }
    tell(f, before, eg_audit_mirror_size(m));
    return EG_OK;
}

/* Who follows waits out a gateway that is away; what isn't the log any more ends it. */
static eg_err run(const fetch *f, eg_problem *p) {
    EG_CLEANUP(eg_audit_mirror_close_p) eg_audit_mirror *m = NULL;
    EG_TRY(open_mirror(f, &m, p));
    for (bool away = false;;) {
        const eg_err e = fetch_once(f, m, p);
        if (!f->follow_s || (e != EG_OK && e != EG_ERR_UNAVAILABLE)) {
            return e;
        }
        if (e != EG_OK && !away) {
            (void)eg_cli_complain(p);
        }
        away = e != EG_OK;
        *p = (eg_problem){0};
        const struct timespec pause = {f->follow_s, 0};
        (void)nanosleep(&pause, NULL);
    }
}

static bool read_options(int argc, char **argv, fetch *ret) {
    static const struct option longs[] = {{"log", required_argument, NULL, 'l'}, {"key", required_argument, NULL, 'k'},     {"records", no_argument, NULL, 'r'}, {"follow", no_argument, NULL, 'f'},
                                          {"json", no_argument, NULL, 'J'},      {"profile", required_argument, NULL, 'P'}, {NULL, 0, NULL, 0}};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'l': ret->log = optarg; break;
        case 'k': ret->key = optarg; break;
        case 'r': ret->records = true; break;
        case 'f': ret->follow_s = FOLLOW_SECONDS; break;
        case 'J': ret->json = true; break;
        case 'P': eg_cli_use_profile(optarg); break;
        default: return false;
        }
    }
    return true;
}

int eg_cli_audit_fetch(int argc, char **argv) {
    fetch f = {.dir = NULL};
    eg_problem p = {0};
    if (!read_options(argc, argv, &f)) {
        return eg_cli_usage("audit", "an option is unknown or lacks its value");
    }
    if (optind + 1 != argc) {
        return eg_cli_usage("audit", "fetch into which folder? Name one.");
    }
    f.dir = argv[optind];
    if (f.log && strcmp(f.log, "server") != 0 && !eg_uuid_valid(eg_str_of(f.log))) {
        return eg_cli_usage("audit", "--log is the id of a tenant, or \"server\"");
    }
    eg_err e = eg_profile_load(eg_cli_profile_path(), &f.profile, &p);
    f.log = f.log ? f.log : f.profile.tenant;
    e = e == EG_OK ? run(&f, &p) : e;
    eg_profile_done(&f.profile);
    return e == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
}
