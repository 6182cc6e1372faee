/* Carries checkpoints to witnesses: C2SP tlog-witness, add-checkpoint. */
#include "witness_watch.h"

#include "../identity/https_fetch.h"
#include "self_report.h"

#include <embergate/metrics.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MAX 4096u
#define QUESTION_MAX ((size_t)16384)
#define URL_MAX 1100
#define TRIES 3 /* it says what it knows, and is asked from there */
#define CONFLICTS_MAX 64

/* A log that isn't what the witness was shown: told once for each size that it has there. */
typedef struct conflict {
    char log[64];
    uint64_t seen, here;
} conflict;

typedef struct teller {
    const eg_witness *of;
    char name[EG_WITNESS_NAME_MAX];
    char url[URL_MAX];
    bool away;                          /* of some log it gave no answer that could be used, and that was told */
    json_t *report;                     /* under the watch's lock */
    conflict conflicts[CONFLICTS_MAX];
    size_t conflict_count;
} teller;

struct eg_witness_watch {
    eg_witness_options o;
    teller *tellers;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    pthread_t thread;
    int64_t began_s;
    int64_t waits_since;  /* this round's: the oldest cosignature of a log that got none */
};

/* ---- what is told ---- */

static conflict *conflict_of(teller *t, const char *log) {
    for (size_t i = 0; i < t->conflict_count; i++) {
        if (strcmp(t->conflicts[i].log, log) == 0) {
            return &t->conflicts[i];
        }
    }
    return NULL;
}

static void disagrees(const eg_witness_watch *w, teller *t, const eg_witness_visit *v, uint64_t seen) {
    conflict *c = conflict_of(t, v->log);
    if (c && c->seen == seen) {
        c->here = v->size;
        return;
    }
    if (!c && t->conflict_count < CONFLICTS_MAX) {
        c = &t->conflicts[t->conflict_count++];
        (void)snprintf(c->log, sizeof c->log, "%s", v->log);
    }
    if (c) {
        c->seen = seen;
        c->here = v->size;
        eg_self_report_witness_conflict(w->o.audit, t->name, v->log, seen, v->size);
    }
}

static void agrees(teller *t, const char *log) {
    conflict *c = conflict_of(t, log);
    if (c) {
        *c = t->conflicts[--t->conflict_count];
    }
}

/* ---- one log before one witness ---- */

/* EG_OK: it was asked and answered, whatever it said. */
static eg_err question(const eg_witness_watch *w, const teller *t, const eg_witness_visit *v, uint64_t old, eg_buf *answer, long *ret_status, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf body;
    eg_buf_init(&body, QUESTION_MAX);
    eg_buf_reset(answer);
    const eg_err e = eg_witness_ask(w->o.audit, v, old, &body);
    if (e != EG_OK) {
        return eg_fail(p, e, "The proof for a log of %llu entries could not be made.", (unsigned long long)v->size);
    }
    const eg_https_question q = {.url = t->url, .ca_file = t->of->ca_file, .content_type = "text/plain", .body = eg_buf_str(&body)};
    return eg_https_ask(&q, answer, ret_status, p);
}

static eg_err take(const eg_witness_watch *w, teller *t, const eg_witness_visit *v, eg_str answer, eg_problem *p) {
    const eg_err e = eg_witness_take(w->o.audit, v, answer);
    if (e == EG_OK) {
        agrees(t, v->log);
        return EG_OK;
    }
    return e == EG_ERR_CORRUPT ? eg_fail(p, e, "It answers with a signature that isn't its own of this checkpoint.") : eg_fail(p, e, "What it cosigned can't be kept.");
}

/* *ret_cosigned stays false where it answered that this isn't what it had been shown. */
static eg_err show(const eg_witness_watch *w, teller *t, const eg_witness_visit *v, bool *ret_cosigned, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf answer;
    eg_buf_init(&answer, ANSWER_MAX);
    uint64_t old = v->cosigned <= v->size ? v->cosigned : 0;
    for (int i = 0; i < TRIES; i++) {
        long status = 0;
        uint64_t knows = 0;
        EG_TRY(question(w, t, v, old, &answer, &status, p));
        switch (eg_witness_read_answer(status, eg_buf_str(&answer), &knows)) {
        case EG_WITNESS_COSIGNS:
            EG_TRY(take(w, t, v, eg_buf_str(&answer), p));
            *ret_cosigned = true;
            return EG_OK;
        case EG_WITNESS_REFUSES: disagrees(w, t, v, EG_WITNESS_OTHERS); return EG_OK;
        case EG_WITNESS_STRANGER: return eg_fail(p, EG_ERR_NOT_FOUND, "It doesn't know the log, or not by this key: give it the log's vkey.");
        case EG_WITNESS_FAILS: return eg_fail(p, EG_ERR_UNAVAILABLE, "It answers with status %ld.", status);
        case EG_WITNESS_KNOWS: break;
        }
        if (knows > v->size || (knows == v->size && old == v->size)) { /* of one size its root is another */
            disagrees(w, t, v, knows > v->size ? knows : EG_WITNESS_OTHERS);
            return EG_OK;
        }
        old = knows;
    }
    return eg_fail(p, EG_ERR_UNAVAILABLE, "It doesn't settle on what it knows.");
}

static bool is_due(const eg_witness_watch *w, const eg_witness_visit *v) {
    const int64_t age = eg_wall_s(w->o.clock) - v->cosigned_s;
    return v->cosigned != v->size || age < 0 || age >= EG_WITNESS_RENEW_S;
}

/* ---- what an operator sees ---- */

static json_t *conflicts_of(const teller *t) {
    json_t *all = json_array();
    for (size_t i = 0; i < t->conflict_count; i++) {
        const conflict *c = &t->conflicts[i];
        json_t *seen = c->seen == EG_WITNESS_OTHERS ? json_string("others") : json_integer((json_int_t)c->seen);
        json_array_append_new(all, json_pack("{s:s,s:o,s:I}", "log", c->log, "seen", seen, "here", (json_int_t)c->here));
    }
    return all;
}

static void renew_report(eg_witness_watch *w, teller *t, const char *why) {
    const char *state = t->conflict_count > 0 ? "conflict" : t->away ? "away" : "cosigns";
    json_t *now = json_pack("{s:s,s:s,s:s,s:o}", "name", t->name, "state", state, "why", why, "conflicts", conflicts_of(t));
    pthread_mutex_lock(&w->lock);
    json_decref(t->report);
    t->report = now;
    pthread_mutex_unlock(&w->lock);
}

json_t *eg_witness_watch_report(eg_witness_watch *w) {
    json_t *all = w ? json_array() : NULL;
    if (all) {
        pthread_mutex_lock(&w->lock);
        for (size_t i = 0; i < w->o.count; i++) {
            json_array_append_new(all, json_deep_copy(w->tellers[i].report));
        }
        pthread_mutex_unlock(&w->lock);
    }
    return all;
}

/* ---- rounds ---- */

static bool stopping(eg_witness_watch *w) {
    pthread_mutex_lock(&w->lock);
    const bool stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return stop;
}

/* The metric: since when it waits whose last cosignature is oldest. */
static void waits(eg_witness_watch *w, const eg_witness_visit *v) {
    const int64_t since = v->cosigned_s > 0 ? v->cosigned_s : w->began_s;
    if (w->waits_since == 0 || since < w->waits_since) {
        w->waits_since = since;
    }
}

/* *ret_asked: it was. What went wrong first is in *p. */
static eg_err visit(eg_witness_watch *w, teller *t, const char *log, bool *ret_asked, eg_problem *p) {
    eg_witness_visit v;
    eg_err e = eg_witness_look(w->o.audit, log, eg_str_of(t->of->key), &v);
    bool cosigned = false;
    if (e == EG_OK && is_due(w, &v)) {
        *ret_asked = true;
        e = show(w, t, &v, &cosigned, p);
        eg_metric_add(EG_METRIC_WITNESS_FAILED, !cosigned);
        if (!cosigned) {
            waits(w, &v);
        }
    }
    eg_witness_visit_done(&v);
    return *ret_asked ? e : EG_OK; /* a log without a checkpoint has nothing to show */
}

/* One that doesn't answer ends its round: the other logs would wait as long. */
static void visit_all(eg_witness_watch *w, teller *t) {
    eg_problem first = {0};
    eg_err failed = EG_OK;
    bool any = false;
    for (const char *log = eg_audit_log_after(w->o.audit, NULL); log && !stopping(w); log = eg_audit_log_after(w->o.audit, log)) {
        eg_problem p = {0};
        bool asked = false;
        const eg_err e = visit(w, t, log, &asked, &p);
        any = any || asked;
        if (e != EG_OK && failed == EG_OK) {
            failed = e;
            first = p;
        }
        if (e == EG_ERR_UNAVAILABLE || e == EG_ERR_TIMEOUT) {
            break;
        }
    }
    if (any && t->away != (failed != EG_OK)) {
        t->away = failed != EG_OK;
        eg_self_report_witness(w->o.audit, t->name, failed, first.message);
    }
    if (any) {
        renew_report(w, t, first.message);
    }
}

static void one_round(eg_witness_watch *w) {
    size_t conflicts = 0;
    w->waits_since = 0;
    for (size_t i = 0; i < w->o.count; i++) {
        visit_all(w, &w->tellers[i]);
        conflicts += w->tellers[i].conflict_count;
    }
    eg_metric_set(EG_METRIC_WITNESS_CONFLICTS, (int64_t)conflicts);
    eg_metric_set(EG_METRIC_WITNESS_WAITING, w->waits_since ? eg_wall_s(w->o.clock) - w->waits_since : 0);
}

static void *run(void *ctx) {
    eg_witness_watch *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        pthread_mutex_unlock(&w->lock);
        one_round(w);
        pthread_mutex_lock(&w->lock);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += w->o.period_s;
        while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0) {
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void name_of(const eg_witness *of, teller *t) {
    eg_str rest = eg_str_of(of->key);
    const eg_str name = eg_str_cut(&rest, '+');
    const size_t url = strlen(of->url);
    t->of = of;
    (void)snprintf(t->name, sizeof t->name, "%.*s", (int)name.len, name.ptr);
    t->report = json_pack("{s:s,s:s,s:s,s:[]}", "name", t->name, "state", "cosigns", "why", "", "conflicts");
    (void)snprintf(t->url, sizeof t->url, "%s%sadd-checkpoint", of->url, url > 0 && of->url[url - 1] == '/' ? "" : "/");
}

static void free_watch(eg_witness_watch *w) {
    for (size_t i = 0; i < w->o.count; i++) {
        json_decref(w->tellers[i].report);
    }
    free(w->tellers);
    free(w);
}

eg_err eg_witness_watch_start(const eg_witness_options *o, eg_witness_watch **ret, eg_problem *p) {
    *ret = NULL;
    if (o->count == 0) {
        return EG_OK;
    }
    eg_witness_watch *w = calloc(1, sizeof *w);
    if (!w || !(w->tellers = calloc(o->count, sizeof *w->tellers))) {
        free(w);
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    w->o = *o;
    w->began_s = eg_wall_s(o->clock);
    for (size_t i = 0; i < o->count; i++) {
        name_of(&o->witnesses[i], &w->tellers[i]);
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free_watch(w);
        return eg_fail(p, EG_ERR_NO_MEMORY, "no thread for the witnesses");
    }
    *ret = w;
    return EG_OK;
}

void eg_witness_watch_stop(eg_witness_watch *w) {
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free_watch(w);
}
