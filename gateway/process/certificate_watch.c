/* Puts changed certificate files in force while the gateway serves. */
#include "certificate_watch.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define LOOK_NS ((int64_t)1000000000)
#define TICKETS_NS ((int64_t)12 * 3600 * 1000000000) /* RFC 9325 section 3.4: ticket keys are changed regularly */

/* What stat() says of both files; a file that is not there is all 0. */
typedef struct look {
    uint64_t facts[2][5];
} look;

struct eg_certificate_watch {
    eg_door *door;
    const eg_door_certificate *files;
    const eg_clock *clock;
    int64_t looked_ns, tickets_ns;
    look in_force; /* or refused: not tried again until it changes */
    look last;
};

static int64_t ns_of(struct timespec t) {
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static look look_at(const eg_door_certificate *files) {
    const char *paths[] = {files->chain_file, files->key_file};
    look l = {0};
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0) {
            uint64_t facts[] = {st.st_ino, (uint64_t)st.st_size, st.st_mode, (uint64_t)ns_of(st.st_mtim), (uint64_t)ns_of(st.st_ctim)};
            memcpy(l.facts[i], facts, sizeof facts);
        }
    }
    return l;
}

static bool same(const look *a, const look *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

static void show_expiry(const eg_certificate_watch *w, const char *event) {
    char text[32];
    time_t end = (time_t)eg_door_certificate_expires_s(w->door);
    struct tm tm;
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&end, &tm));
    eg_metric_set(EG_METRIC_TLS_EXPIRES, (int64_t)end);
    eg_log(EG_LOG_INFO, event, "certificate", w->files->chain_file, "expires", text, NULL);
}

eg_err eg_certificate_watch_new(eg_door *door, const eg_door_certificate *files, const eg_clock *clock, eg_certificate_watch **ret) {
    eg_certificate_watch *w = calloc(1, sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    *w = (eg_certificate_watch){.door = door, .files = files, .clock = clock, .in_force = look_at(files)};
    w->last = w->in_force;
    w->looked_ns = w->tickets_ns = eg_mono_ns(clock);
    show_expiry(w, "tls.certificate");
    *ret = w;
    return EG_OK;
}

void eg_certificate_watch_free(eg_certificate_watch *w) {
    free(w);
}

static void reload(eg_certificate_watch *w) {
    eg_problem p = {0};
    if (eg_door_reload_certificates(w->door, &p) != EG_OK) {
        eg_metric_add(EG_METRIC_TLS_RELOAD_FAILED, 1);
        eg_log_problem(EG_LOG_ERROR, "tls.reload_failed", &p);
        return;
    }
    w->tickets_ns = w->looked_ns;
    eg_metric_add(EG_METRIC_TLS_RELOADS, 1);
    show_expiry(w, "tls.reloaded");
}

/* Two files can't be replaced at once: they must look the same twice before they are read. */
static void look_again(eg_certificate_watch *w) {
    look now = look_at(w->files);
    bool settled = same(&now, &w->last);
    w->last = now;
    if (settled && !same(&now, &w->in_force)) {
        w->in_force = now;
        reload(w);
    }
}

void eg_certificate_watch_tick(eg_certificate_watch *w) {
    int64_t now = eg_mono_ns(w->clock);
    if (now - w->looked_ns < LOOK_NS) {
        return;
    }
    w->looked_ns = now;
    look_again(w);
    if (now - w->tickets_ns >= TICKETS_NS) {
        eg_problem p = {0};
        w->tickets_ns = now;
        if (eg_door_renew_tickets(w->door, &p) != EG_OK) {
            eg_log_problem(EG_LOG_ERROR, "tls.ticket_keys_failed", &p);
        }
    }
}
