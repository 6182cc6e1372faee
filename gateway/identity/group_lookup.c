/* A bounded memory of principals' groups: one fetch at a time for each, old groups while the endpoint is away, none that were never known. */
#include "group_lookup.h"

#include "graph_client.h"
#include "waiters.h"

#include <embergate/audit.h>
#include <embergate/metrics.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND ((int64_t)1000000000)
#define SLOTS 1024u
#define FETCHERS_MAX 4u            /* at a time, each on a thread of the pool */
#define AWAY_NS (10 * SECOND)      /* after the endpoint could not be asked, nobody asks it for so long */
#define UNKNOWN_NS (60 * SECOND)   /* whom it doesn't know, or whose groups it doesn't say, it is asked for again after so long */

typedef enum entry_state { ENTRY_IDLE = 0, ENTRY_QUEUED, ENTRY_FETCHING } entry_state;

typedef struct entry {
    struct entry *chain;           /* of its slot */
    struct entry *older, *newer;   /* by use */
    struct entry *queued;          /* the next to be fetched */
    char object_id[EG_UUID_LEN];
    eg_principal_kind kind;
    entry_state state;
    eg_principal *groups;          /* NULL = not known */
    int64_t fetched_ns;            /* with groups */
    int64_t again_ns;              /* not asked for before; 0 = never was */
    bool failed;                   /* the last time; the groups are older than that */
    eg_waiter *waiters;
} entry;

struct eg_group_lookup {
    const eg_outside_issuer *issuer;
    eg_pool *pool;
    const eg_clock *clock;
    struct eg_audit *audit;
    eg_graph_client *client;
    pthread_mutex_t lock;          /* guards all below */
    pthread_cond_t idle;
    entry *slots[SLOTS];
    entry *oldest, *newest;
    size_t count, groups, waiting;
    entry *queue, *queue_end;
    unsigned fetchers;
    int64_t away_until_ns;
    bool closing;
};

eg_group_lookup *eg_group_lookup_new(const eg_outside_issuer *issuer, eg_pool *pool, const eg_clock *clock, struct eg_audit *audit) {
    eg_group_lookup *l = calloc(1, sizeof *l);
    if (!l) {
        return NULL;
    }
    l->issuer = issuer;
    l->pool = pool;
    l->clock = clock;
    l->audit = audit;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->idle, NULL);
    l->client = eg_graph_client_new(issuer, clock);
    if (!l->client) {
        eg_group_lookup_free(l);
        return NULL;
    }
    return l;
}

/* GUIDs that an issuer gives are as good as random; who could choose them only slows down their own issuer's look-ups. */
static size_t slot_of(const char *object_id) {
    uint32_t h = 2166136261u;
    for (; *object_id; object_id++) {
        h = (h ^ (uint8_t)*object_id) * 16777619u;
    }
    return h % SLOTS;
}

static void unlink_age(eg_group_lookup *l, entry *e) {
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &l->newest) = e->older;
}

static void link_newest(eg_group_lookup *l, entry *e) {
    e->older = l->newest;
    e->newer = NULL;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
}

static size_t group_count(const entry *e) {
    return e->groups ? e->groups->group_count : 0;
}

static void drop(eg_group_lookup *l, entry *e) {
    entry **at = &l->slots[slot_of(e->object_id)];
    while (*at != e) {
        at = &(*at)->chain;
    }
    *at = e->chain;
    unlink_age(l, e);
    l->count--;
    l->groups -= group_count(e);
    eg_principal_unref(e->groups);
    free(e);
}

/* The one least recently used that nobody waits for goes. */
static void make_room(eg_group_lookup *l, const entry *except) {
    entry *e = l->oldest;
    while (e && (l->count >= EG_GROUP_LOOKUP_ENTRIES || l->groups > EG_GROUP_LOOKUP_GROUPS)) {
        entry *newer = e->newer;
        if (e->state == ENTRY_IDLE && e != except) {
            drop(l, e);
        }
        e = newer;
    }
}

void eg_group_lookup_free(eg_group_lookup *l) {
    if (!l) {
        return;
    }
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    while (l->fetchers > 0) {
        pthread_cond_wait(&l->idle, &l->lock);
    }
    while (l->oldest) {
        drop(l, l->oldest);
    }
    pthread_mutex_unlock(&l->lock);
    eg_graph_client_free(l->client);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- fetching, in the pool ---- */

static void record(const eg_group_lookup *l, const char *object_id, const eg_principal *found, eg_err e) {
    char resource[160];
    EG_JSON_AUTO details = json_pack("{s:s,s:I}", "endpoint", l->issuer->graph_url, "groups", (json_int_t)(found ? found->group_count : 0));
    snprintf(resource, sizeof resource, "/tenants/%s/principals/%s/groups", l->issuer->tenant, object_id);
    const eg_audit_record r = {.tenant = eg_str_of(l->issuer->tenant), .event = "identity.groups.read", .outcome = e == EG_OK ? "allowed" : "failed",
                               .resource = eg_str_of(resource), .error = e, .details = details};
    eg_metric_add(EG_METRIC_GROUP_LOOKUPS, 1);
    eg_metric_add(EG_METRIC_GROUP_LOOKUP_FAILED, e == EG_OK ? 0 : 1);
    eg_audit_note(l->audit, &r);
}

static bool same_groups(const eg_principal *a, const eg_principal *b) {
    return a && b && a->group_count == b->group_count && (a->group_count == 0 || memcmp(a->group_ids, b->group_ids, a->group_count * sizeof *a->group_ids) == 0);
}

/* The lock is held. Takes `found`. An endpoint that is away leaves the groups that are there, for their grace; one that answers that it doesn't know ends them. */
static void settle(eg_group_lookup *l, entry *e, eg_principal *found, eg_err err) {
    const int64_t now_ns = eg_mono_ns(l->clock);
    const bool answered = err == EG_OK || err == EG_ERR_NOT_FOUND || err == EG_ERR_LIMIT;
    e->failed = !answered;
    if (!answered) {
        e->again_ns = l->away_until_ns = now_ns + AWAY_NS;
        return;
    }
    e->again_ns = now_ns + (err == EG_OK ? (int64_t)l->issuer->graph_fresh_s * SECOND : UNKNOWN_NS);
    e->fetched_ns = now_ns;
    if (same_groups(e->groups, found)) {
        eg_principal_unref(found); /* whoever has them keeps them */
        return;
    }
    l->groups -= group_count(e);
    eg_principal_unref(e->groups);
    e->groups = found;
    l->groups += group_count(e);
    make_room(l, e);
}

/* The lock is held; it is let go of meanwhile. */
static void fetch_one(eg_group_lookup *l, entry *e) {
    eg_principal *found = NULL;
    eg_problem p = {0};
    eg_err err = EG_ERR_CANCELLED;
    e->state = ENTRY_FETCHING;
    if (!l->closing && eg_mono_ns(l->clock) >= l->away_until_ns) {
        pthread_mutex_unlock(&l->lock);
        err = eg_graph_client_groups(l->client, e->object_id, e->kind, &found, &p);
        record(l, e->object_id, found, err);
        pthread_mutex_lock(&l->lock);
    }
    if (err == EG_ERR_CANCELLED) { /* it went away while this one stood in the queue */
        e->failed = true;
        e->again_ns = l->away_until_ns;
    } else {
        settle(l, e, found, err);
    }
    e->state = ENTRY_IDLE;
    eg_waiter *waiters = e->waiters;
    e->waiters = NULL;
    pthread_mutex_unlock(&l->lock);
    const size_t called = eg_waiters_call(waiters);
    pthread_mutex_lock(&l->lock);
    l->waiting -= called;
}

static void fetch_task(void *arg) {
    eg_group_lookup *l = arg;
    pthread_mutex_lock(&l->lock);
    while (l->queue) {
        entry *e = l->queue;
        l->queue = e->queued;
        fetch_one(l, e);
    }
    l->fetchers--; /* last: eg_group_lookup_free waits for it */
    pthread_cond_broadcast(&l->idle);
    pthread_mutex_unlock(&l->lock);
}

/* ---- asking ---- */

/* The lock is held. False: the pool takes nothing at the moment. */
static bool begin_fetch(eg_group_lookup *l, entry *e) {
    if (l->fetchers < FETCHERS_MAX) {
        l->fetchers++;
        if (eg_pool_submit(l->pool, fetch_task, l) != EG_OK) {
            l->fetchers--;
        }
    }
    if (l->fetchers == 0) {
        return false;
    }
    e->queued = NULL;
    *(l->queue ? &l->queue_end->queued : &l->queue) = e;
    l->queue_end = e;
    e->state = ENTRY_QUEUED;
    return true;
}

/* The lock is held. */
static entry *find_entry(eg_group_lookup *l, const char *object_id, eg_principal_kind kind) {
    const size_t slot = slot_of(object_id);
    for (entry *e = l->slots[slot]; e; e = e->chain) {
        if (strcmp(e->object_id, object_id) == 0) {
            unlink_age(l, e);
            link_newest(l, e);
            return e;
        }
    }
    make_room(l, NULL);
    entry *e = l->count < EG_GROUP_LOOKUP_ENTRIES ? calloc(1, sizeof *e) : NULL;
    if (e) {
        snprintf(e->object_id, sizeof e->object_id, "%s", object_id);
        e->kind = kind;
        e->chain = l->slots[slot];
        l->slots[slot] = e;
        link_newest(l, e);
        l->count++;
    }
    return e;
}

/* The lock is held. Groups serve while they are fresh, and as long again while they are fetched anew; for their grace when the endpoint is away. */
static bool serves(const eg_group_lookup *l, const entry *e, int64_t now_ns) {
    const int64_t fresh_ns = (int64_t)l->issuer->graph_fresh_s * SECOND, age_ns = now_ns - e->fetched_ns;
    return e->groups && (age_ns < 2 * fresh_ns || (e->failed && age_ns < fresh_ns + (int64_t)l->issuer->graph_grace_s * SECOND));
}

eg_err eg_group_lookup_find(eg_group_lookup *l, const char *object_id, eg_principal_kind kind, void (*later)(void *), void *later_ctx, eg_principal **ret) {
    eg_err err = EG_ERR_NOT_FOUND;
    pthread_mutex_lock(&l->lock);
    const int64_t now_ns = eg_mono_ns(l->clock);
    entry *e = l->closing ? NULL : find_entry(l, object_id, kind);
    if (e && e->state == ENTRY_IDLE && now_ns >= e->again_ns) {
        if (now_ns < l->away_until_ns || !begin_fetch(l, e)) {
            e->failed = true; /* as another principal's look-up has found */
        }
    }
    if (e && serves(l, e, now_ns)) {
        *ret = eg_principal_ref(e->groups);
        err = EG_OK;
    } else if (e && e->state != ENTRY_IDLE) {
        err = eg_waiters_add(&e->waiters, &l->waiting, later, later_ctx) == EG_OK ? EG_ERR_BUSY : EG_ERR_NOT_FOUND;
    }
    pthread_mutex_unlock(&l->lock);
    return err;
}
