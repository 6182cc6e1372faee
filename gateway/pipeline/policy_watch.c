/* Watches the policy directory by comparing what stat() says of its files, five times a second; or stands before the store, which needs no watching. */
#include "policy_watch.h"

#include <embergate/encoding.h>
#include <embergate/log.h>
#include <embergate/metrics.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 200
#define ENTRIES_MAX 10000 /* looked at in one folder; more are refused by the loader */
/* A file system's time stamps can be this coarse: what changed a moment ago may change again without showing it. */
#define SETTLE_NS 50000000

struct eg_policy_watch {
    char *dir;                 /* NULL: the store's policies */
    eg_policy_store *store;
    const eg_clock *clock;
    bool separate_duties;
    unsigned poll_ms;
    pthread_t thread;
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t woken;
    bool stop;
    eg_policy *policy;
    eg_problem refusal;        /* code EG_OK = the directory is in force */
    pthread_cond_t looked;
    uint64_t asked, begun, ended; /* looks: those somebody waits for, and how far the thread is */
    /* the thread's own */
    uint64_t version;
    uint8_t seen[EG_SHA256_LEN];
    bool unsettled;
};

typedef struct signature {
    uint64_t sum;              /* of the digests of all entries: independent of readdir's order */
    int64_t newest_ns;
} signature;

static int64_t ns_of(struct timespec t) {
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add_entry(signature *s, int fd, const char *folder, const char *name) {
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return;
    }
    uint64_t facts[] = {st.st_ino, (uint64_t)st.st_size, st.st_mode, (uint64_t)ns_of(st.st_mtim), (uint64_t)ns_of(st.st_ctim)};
    eg_bytes parts[] = {{(const uint8_t *)folder, strlen(folder) + 1}, {(const uint8_t *)name, strlen(name) + 1}, {(const uint8_t *)facts, sizeof facts}};
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], digest);
    s->sum += eg_get_u64(digest);
    int64_t changed = ns_of(st.st_ctim);
    s->newest_ns = changed > s->newest_ns ? changed : s->newest_ns;
}

static void add_folder(signature *s, const char *dir, const char *folder) {
    char path[1200];
    if (snprintf(path, sizeof path, "%s/%s", dir, folder) >= (int)sizeof path) {
        return;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    size_t n = 0;
    for (struct dirent *e; (e = readdir(d)) && n < ENTRIES_MAX; n++) {
        if (strcmp(e->d_name, "..") != 0) {
            add_entry(s, fd, folder, e->d_name);
        }
    }
    closedir(d);
}

static signature look(const char *dir, uint8_t ret[EG_SHA256_LEN]) {
    signature s = {0};
    add_folder(&s, dir, ".");
    for (size_t i = 0; i < EG_POLICY_KIND_COUNT; i++) {
        add_folder(&s, dir, eg_policy_folders[i]);
    }
    uint8_t text[8];
    eg_put_u64(text, s.sum);
    eg_sha256((eg_bytes){text, sizeof text}, ret);
    return s;
}

static void log_loaded(const eg_policy *policy) {
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1], version[24];
    eg_policy_digest(policy, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    snprintf(version, sizeof version, "%llu", (unsigned long long)eg_policy_version(policy));
    eg_metric_set(EG_METRIC_POLICY_VERSION, (int64_t)eg_policy_version(policy));
    eg_log(EG_LOG_INFO, "policy_loaded", "version", version, "digest", hex, NULL);
}

/* The directory becomes a version of the store first: what isn't recorded isn't put in force. The reference is taken on EG_OK. */
static eg_err put_in_force(eg_policy_watch *w, eg_policy *taken, eg_pace *pace, eg_problem *p) {
    eg_policy *own = w->store ? eg_policy_ref(taken) : NULL;
    const eg_err e = w->store ? eg_policy_store_mirror(w->store, w->dir, own, pace, p) : EG_OK;
    if (e != EG_OK) {
        eg_policy_unref(own);
        return e;
    }
    pthread_mutex_lock(&w->lock);
    eg_policy *old = w->policy;
    w->policy = taken;
    w->refusal = (eg_problem){0};
    pthread_mutex_unlock(&w->lock);
    w->version = eg_policy_version(taken);
    eg_policy_unref(old);
    log_loaded(taken);
    return EG_OK;
}

static bool same(const eg_policy *a, const eg_policy *b) {
    uint8_t x[EG_SHA256_LEN], y[EG_SHA256_LEN];
    eg_policy_digest(a, x);
    eg_policy_digest(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

static void refused(eg_policy_watch *w, eg_err e, eg_problem *p) {
    p->code = e;
    pthread_mutex_lock(&w->lock);
    bool news = memcmp(&w->refusal, p, sizeof *p) != 0;
    w->refusal = *p;
    pthread_mutex_unlock(&w->lock);
    if (news) {
        eg_metric_add(EG_METRIC_POLICY_RELOAD_FAILED, 1);
        eg_log_problem(EG_LOG_ERROR, "policy_refused", p);
    }
}

/* Only this thread replaces w->policy, so it reads it without the lock. */
static void reload(eg_policy_watch *w) {
    eg_policy *next = NULL;
    eg_problem p = {0};
    eg_pace pace = eg_pace_beside();
    eg_err e = eg_policy_load_paced(w->dir, w->version + 1, &pace, &next, &p);
    if (e != EG_OK) {
        refused(w, e, &p);
        return;
    }
    eg_policy_separate_duties(next, w->separate_duties);
    if (same(next, w->policy)) {
        eg_policy_unref(next);
        pthread_mutex_lock(&w->lock);
        w->refusal = (eg_problem){0};
        pthread_mutex_unlock(&w->lock);
        return;
    }
    e = put_in_force(w, next, &pace, &p);
    if (e != EG_OK) {
        eg_policy_unref(next);
        w->unsettled = true; /* tried again at the next look */
        refused(w, e, &p);
    }
}

static void check(eg_policy_watch *w) {
    uint8_t now[EG_SHA256_LEN];
    signature s = look(w->dir, now);
    bool changed = memcmp(now, w->seen, sizeof now) != 0;
    if (!changed && !w->unsettled) {
        return;
    }
    memcpy(w->seen, now, sizeof now);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* the file system's clock, not the seam's */
    w->unsettled = changed && ns_of(t) - s.newest_ns < SETTLE_NS;
    reload(w);
}

static struct timespec in_ms(unsigned ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void *run(void *arg) {
    eg_policy_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        if (w->asked <= w->begun) {
            const struct timespec until = in_ms(w->poll_ms);
            (void)pthread_cond_clockwait(&w->woken, &w->lock, CLOCK_MONOTONIC, &until);
        }
        if (!w->stop) {
            w->begun++;
            pthread_mutex_unlock(&w->lock);
            check(w);
            pthread_mutex_lock(&w->lock);
            w->ended = w->begun;
            pthread_cond_broadcast(&w->looked);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void done(eg_policy_watch *w) {
    eg_policy_unref(w->policy);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->woken);
    pthread_cond_destroy(&w->looked);
    free(w->dir);
    free(w);
}

static eg_err first_load(eg_policy_watch *w, eg_problem *p) {
    eg_policy *first = NULL;
    (void)look(w->dir, w->seen); /* before reading, so that what changes meanwhile is seen */
    EG_TRY(eg_policy_load(w->dir, w->version, &first, p));
    eg_policy_separate_duties(first, w->separate_duties);
    const eg_err e = put_in_force(w, first, NULL, p); /* nobody is served yet */
    if (e != EG_OK) {
        eg_policy_unref(first);
    }
    return e;
}

eg_err eg_policy_watch_start(const eg_policy_watch_options *o, eg_policy_watch **ret, eg_problem *p) {
    eg_policy_watch *w = calloc(1, sizeof *w);
    if (!w) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory to watch the policies.");
    }
    *w = (eg_policy_watch){.clock = o->clock, .separate_duties = o->separate_duties, .poll_ms = o->poll_ms ? o->poll_ms : POLL_MS, .version = (uint64_t)eg_wall_s(o->clock), .unsettled = true};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->woken, NULL);
    pthread_cond_init(&w->looked, NULL);
    w->store = o->store;
    w->dir = o->dir ? strdup(o->dir) : NULL;
    eg_err e = EG_OK;
    if (o->dir) {
        e = w->dir ? first_load(w, p) : eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory to watch the policies.");
    } else {
        w->policy = eg_policy_store_snapshot(o->store);
        log_loaded(w->policy);
    }
    if (e == EG_OK && w->dir && pthread_create(&w->thread, NULL, run, w) != 0) {
        e = eg_fail(p, EG_ERR_NO_MEMORY, "No thread can be started to watch the policies.");
    }
    if (e != EG_OK) {
        done(w);
        return e;
    }
    *ret = w;
    return EG_OK;
}

void eg_policy_watch_stop(eg_policy_watch *w) {
    if (!w) {
        return;
    }
    if (w->dir) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_signal(&w->woken);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    done(w);
}

eg_policy *eg_policy_watch_get(eg_policy_watch *w) {
    if (w->store) {
        return eg_policy_store_snapshot(w->store);
    }
    pthread_mutex_lock(&w->lock);
    eg_policy *p = eg_policy_ref(w->policy);
    pthread_mutex_unlock(&w->lock);
    return p;
}

eg_err eg_policy_watch_look(eg_policy_watch *w, unsigned wait_ms, eg_problem *p) {
    if (!w->dir) {
        return EG_OK; /* a change of the store's policies is in force when it returns */
    }
    const struct timespec until = in_ms(wait_ms);
    pthread_mutex_lock(&w->lock);
    const uint64_t wanted = w->begun + 1; /* one that runs already may have read before the caller wrote */
    w->asked = wanted > w->asked ? wanted : w->asked;
    pthread_cond_signal(&w->woken);
    bool late = false;
    while (w->ended < wanted && !late) {
        late = pthread_cond_clockwait(&w->looked, &w->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT;
    }
    const bool done = w->ended >= wanted;
    pthread_mutex_unlock(&w->lock);
    return done ? eg_policy_watch_state(w, p) : eg_fail(p, EG_ERR_TIMEOUT, "The policies are still being read; what was written will be in force after that.");
}

eg_err eg_policy_watch_state(eg_policy_watch *w, eg_problem *p) {
    pthread_mutex_lock(&w->lock);
    eg_err e = w->refusal.code;
    if (p) {
        *p = w->refusal;
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}
