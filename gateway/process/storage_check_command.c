/* `embergate storage check`: verifies everything that a stopped server's state directory stores, and names what is wrong. */
#include "init.h"

#include "offline_store.h"
#include "state_dir.h"

#include <embergate/json.h>
#include <embergate/keys.h>
#include <embergate/storage.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What is open while the check runs. */
typedef struct opened {
    eg_offline_store under;
    eg_keys *keys;
    eg_storage *storage;
} opened;

static void opened_done(opened *o) {
    eg_storage_close(o->storage);
    if (o->keys) {
        eg_keeper_local_free(o->keys);
    }
    eg_offline_store_done(&o->under);
}

typedef struct telling {
    bool json;
    bool terminal;
    time_t told;
    json_t *findings;
} telling;

static void clear_line(const telling *t) {
    if (t->terminal) {
        fputs("\r\033[K", stderr);
    }
}

/* Names come from outside: nothing of them may act on a terminal. */
static void put_plain(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        putchar(*c < 0x20 || *c == 0x7f ? '?' : *c);
    }
}

static void found(void *ctx, const char *kind, const char *where, const char *what) {
    telling *t = ctx;
    if (t->json) {
        json_t *x = json_pack("{s:s, s:s%, s:s}", "kind", kind, "where", where, strlen(where), "what", what);
        if (x) {
            (void)json_array_append_new(t->findings, x);
        }
        return;
    }
    clear_line(t);
    printf("%-10s ", kind);
    put_plain(where);
    fputs(": ", stdout);
    put_plain(what);
    putchar('\n');
}

static void progress(void *ctx, uint64_t done, uint64_t total) {
    telling *t = ctx;
    const time_t now = time(NULL);
    if (t->terminal && now != t->told && total > 0) {
        t->told = now;
        fprintf(stderr, "\r\033[K%3u %%  %llu of %llu MiB", (unsigned)(done * 100 / total), (unsigned long long)(done >> 20),
                (unsigned long long)(total >> 20));
        fflush(stderr);
    }
}

static eg_err open_all(const eg_config *c, opened *o, eg_problem *p) {
    char segments[EG_STATE_PATH_MAX], keeper[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(c->state_dir, "gateway/segments", segments, p));
    EG_TRY(eg_state_path(c->state_dir, "keeper", keeper, p));
    EG_TRY(eg_offline_store_open(c->state_dir, 0, &o->under, p));
    EG_TRY(eg_keeper_open_local(keeper, &o->keys, p));
    const eg_storage_options so = {
        .dir = segments, .kv = o->under.kv, .committer = o->under.committer, .keys = o->keys, .clock = &eg_clock_system, .look_only = true};
    return eg_storage_open(&so, &o->storage, p);
}

static void report(const telling *t, const eg_check_sums *n) {
    if (!t->json) {
        clear_line(t);
        printf("%llu files in %llu containers, %llu segments, %llu MiB: ", (unsigned long long)n->files, (unsigned long long)n->containers,
               (unsigned long long)n->segments, (unsigned long long)(n->bytes >> 20));
        if (n->faults == 0) {
            fputs("all verified", stdout);
        } else {
            printf("%llu faults", (unsigned long long)n->faults);
        }
        printf("; %llu unverified, %llu left over\n", (unsigned long long)n->unverified, (unsigned long long)n->leftovers);
        return;
    }
    EG_JSON_AUTO v = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "ok", n->faults == 0, "accounts", (json_int_t)n->accounts,
                               "containers", (json_int_t)n->containers, "directories", (json_int_t)n->directories, "files", (json_int_t)n->files,
                               "segments", (json_int_t)n->segments, "bytes", (json_int_t)n->bytes, "faults", (json_int_t)n->faults, "unverified",
                               (json_int_t)n->unverified, "leftovers", (json_int_t)n->leftovers, "findings", t->findings);
    if (v) {
        (void)json_dumpf(v, stdout, JSON_INDENT(2));
        putchar('\n');
    }
}

static eg_err check(const char *state, telling *t, bool *ret_ok, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(eg_state_check(state, p));
    EG_TRY(eg_state_path(state, "embergate.yaml", path, p));
    EG_TRY(eg_config_load(path, &c, p));
    int lock = -1;
    EG_TRY(eg_state_lock(c->state_dir, &lock, p));
    opened o = {0};
    eg_check_sums sums;
    const eg_check_sink sink = {t, found, progress};
    eg_err e = open_all(c, &o, p);
    if (e == EG_OK) {
        e = eg_storage_check(o.storage, &sink, &sums);
    }
    opened_done(&o);
    eg_problem owners = {0};
    const eg_err back = eg_init_owners(c, &owners);
    close(lock);
    EG_TRY(e);
    if (back != EG_OK) {
        *p = owners;
        return back;
    }
    report(t, &sums);
    *ret_ok = sums.faults == 0;
    return EG_OK;
}

int eg_command_storage_check(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    const char *state = NULL;
    telling t = {.terminal = isatty(STDERR_FILENO) == 1};
    eg_problem p = {0};
    bool wrong = false;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 's') {
            state = optarg;
        } else if (c == 'j') {
            t.json = true;
        } else {
            wrong = true;
        }
    }
    if (wrong || !state || optind != argc) {
        (void)eg_fail(&p, EG_ERR_INVALID, "storage: `check` with --state DIR is owed");
        (void)eg_fail_hint(&p, "see: embergate storage --help");
        return eg_process_complain(&p);
    }
    t.findings = json_array();
    bool ok = false;
    const eg_err e = t.findings ? check(state, &t, &ok, &p) : EG_ERR_NO_MEMORY;
    json_decref(t.findings);
    if (e != EG_OK) {
        p.code = p.code == EG_OK ? e : p.code;
        return eg_process_complain(&p);
    }
    return ok ? 0 : 1;
}
