/* The thread that wraps data keys anew after a key got a new version: passes over all rows until one finds nothing, then the old versions are retired.
 * Which rotations run is in the store, how far they came is not: a pass over rows that are done costs little, and starts anywhere. */
#include "rotation.h"

#include "key_stock.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OTHERS_MAX 8
#define RETRY_S 5
#define GRACE_NS ((int64_t)2 * 1000000000)
#define ROW_KEY_MAX (2 + EG_UUID_LEN + 1 + EG_KEY_NAME_MAX)
#define ROW_FORMAT 1
#define ROW_LEN 30

typedef enum state { RUNNING = 1, DONE = 2 } state;

/* A row of fs.scope under "r/{tenant}/{key}". It only says what is to be done, and isn't under any account's MAC. */
typedef struct row {
    char tenant[EG_UUID_LEN];
    char key[EG_KEY_NAME_MAX + 1];
    uint32_t version;
    state state;
    uint64_t moved;
    int64_t started_ns;
    int64_t ended_ns;
} row;

struct eg_rotation {
    eg_storage *store;
    eg_rewrapper others[OTHERS_MAX];
    size_t other_count;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool work;
    atomic_bool stop;
    pthread_t thread;
};

static eg_bytes key_of(const row *r, char ret[ROW_KEY_MAX + 1]) {
    const int n = snprintf(ret, ROW_KEY_MAX + 1, "r/%s/%s", r->tenant, r->key);
    return (eg_bytes){(const uint8_t *)ret, (size_t)n};
}

static bool decode(eg_bytes k, eg_bytes v, row *ret) {
    row r = {0};
    const size_t before = 2 + EG_UUID_LEN;
    if (k.len < before || k.len > ROW_KEY_MAX || memcmp(k.ptr, "r/", 2) != 0 || v.len != ROW_LEN || v.ptr[0] != ROW_FORMAT) {
        return false;
    }
    memcpy(r.tenant, k.ptr + 2, EG_UUID_LEN - 1);
    memcpy(r.key, k.ptr + before, k.len - before);
    r.state = v.ptr[1] == RUNNING ? RUNNING : DONE;
    r.version = eg_get_u32(v.ptr + 2);
    r.moved = eg_get_u64(v.ptr + 6);
    r.started_ns = (int64_t)eg_get_u64(v.ptr + 14);
    r.ended_ns = (int64_t)eg_get_u64(v.ptr + 22);
    *ret = r;
    return true;
}

static eg_err put(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const row *r = ctx;
    char key[ROW_KEY_MAX + 1];
    uint8_t v[ROW_LEN] = {ROW_FORMAT, (uint8_t)r->state};
    eg_put_u32(v + 2, r->version);
    eg_put_u64(v + 6, r->moved);
    eg_put_u64(v + 14, (uint64_t)r->started_ns);
    eg_put_u64(v + 22, (uint64_t)r->ended_ns);
    return eg_kv_put(t, EG_DB_FS_SCOPE, key_of(r, key), (eg_bytes){v, sizeof v});
}

static eg_err save(eg_storage *s, const row *r, eg_problem *p) {
    row copy = *r;
    const eg_txn_op op = {put, &copy};
    return eg_commit(s->committer, &op, 1, p);
}

/* Until each says false. */
static eg_err each_row(eg_storage *s, bool (*each)(void *ctx, const row *r), void *ctx) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SCOPE, eg_str_bytes(EG_LIT("r/")), &c));
    eg_bytes k;
    eg_bytes v;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && eg_str_starts(eg_bytes_str(k), "r/")) {
        row r;
        if (decode(k, v, &r) && !each(ctx, &r)) {
            break;
        }
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static bool first_running(void *ctx, const row *r) {
    row *ret = ctx;
    if (r->state == RUNNING) {
        *ret = *r;
    }
    return r->state != RUNNING;
}

typedef struct search {
    const row *like;
    bool running;
} search;

static bool same_running(void *ctx, const row *r) {
    search *s = ctx;
    s->running = s->running || (r->state == RUNNING && strcmp(r->tenant, s->like->tenant) == 0 && strcmp(r->key, s->like->key) == 0);
    return !s->running;
}

static eg_err one_pass(eg_rotation *ro, const row *r, uint64_t *moved) {
    const eg_rewrap what = {eg_str_of(r->tenant), eg_str_of(r->key), r->version};
    EG_TRY(eg_storage_rewrap(ro->store, &what, &ro->stop, moved));
    for (size_t i = 0; i < ro->other_count && !ro->stop; i++) {
        EG_TRY(ro->others[i].run(ro->others[i].room, &what, moved));
    }
    return EG_OK;
}

/* A destroyed tenant has nothing left to rotate. */
static eg_err settle(eg_rotation *ro, row *r, eg_err e) {
    const eg_keys *keys = ro->store->keys;
    if (e == EG_OK) {
        e = keys->retire_key(keys->ctx, eg_str_of(r->tenant), eg_str_of(r->key), r->version);
    }
    if (e != EG_OK && e != EG_ERR_KEY_DESTROYED) {
        return e;
    }
    r->state = DONE;
    r->ended_ns = eg_wall_ns(ro->store->clock);
    return save(ro->store, r, NULL);
}

/* Who got a data key just before the new version was there may commit it only now: a pass that ends it begins later than that. */
static bool early(const eg_rotation *ro, const row *r) {
    const int64_t since = eg_wall_ns(ro->store->clock) - r->started_ns;
    return since >= 0 && since < GRACE_NS;
}

static void pause_shortly(eg_rotation *ro) {
    for (int i = 0; i < 10 && !ro->stop; i++) {
        const struct timespec t = {0, 20000000};
        nanosleep(&t, NULL);
    }
}

static eg_err rotate_rows(eg_rotation *ro, row *r) {
    for (;;) {
        const bool again = early(ro, r);
        uint64_t moved = 0;
        const eg_err e = one_pass(ro, r, &moved);
        r->moved += moved;
        if (ro->stop || (e != EG_OK && e != EG_ERR_KEY_DESTROYED)) {
            return e;
        }
        if ((moved == 0 && !again) || e != EG_OK) {
            return settle(ro, r, e);
        }
        if (moved == 0) {
            pause_shortly(ro);
        } else {
            EG_TRY(save(ro->store, r, NULL));
        }
    }
}

/* False when it is to end. After a failure the keeper or the disk gets time to come back. */
static bool wait_for_work(eg_rotation *ro, bool retry) {
    pthread_mutex_lock(&ro->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_S;
    while (!ro->stop && (retry || !ro->work)) {
        const int rc = retry ? pthread_cond_timedwait(&ro->woken, &ro->lock, &until) : pthread_cond_wait(&ro->woken, &ro->lock);
        if (retry && rc != 0) {
            break;
        }
    }
    ro->work = false;
    const bool go = !ro->stop;
    pthread_mutex_unlock(&ro->lock);
    return go;
}

static void *run(void *arg) {
    eg_rotation *ro = arg;
    bool go = true;
    while (go) {
        row r = {0};
        eg_err e = each_row(ro->store, first_running, &r);
        const bool found = e == EG_OK && r.state == RUNNING;
        if (found) {
            e = rotate_rows(ro, &r);
        }
        go = found && e == EG_OK ? !ro->stop : wait_for_work(ro, e != EG_OK);
    }
    return NULL;
}

eg_err eg_storage_rotation_start(eg_storage *s, const eg_rewrapper *others, size_t n) {
    eg_rotation *ro = n > OTHERS_MAX ? NULL : calloc(1, sizeof *ro);
    if (!ro) {
        return EG_ERR_NO_MEMORY;
    }
    ro->store = s;
    memcpy(ro->others, others ? others : ro->others, n * sizeof *others);
    ro->other_count = n;
    pthread_mutex_init(&ro->lock, NULL);
    pthread_cond_init(&ro->woken, NULL);
    if (pthread_create(&ro->thread, NULL, run, ro) != 0) {
        pthread_cond_destroy(&ro->woken);
        pthread_mutex_destroy(&ro->lock);
        free(ro);
        return EG_ERR_NO_MEMORY;
    }
    s->rotation = ro;
    return EG_OK;
}

void eg_storage_rotation_stop(eg_storage *s) {
    eg_rotation *ro = s->rotation;
    if (!ro) {
        return;
    }
    pthread_mutex_lock(&ro->lock);
    ro->stop = true;
    pthread_cond_signal(&ro->woken);
    pthread_mutex_unlock(&ro->lock);
    pthread_join(ro->thread, NULL);
    pthread_cond_destroy(&ro->woken);
    pthread_mutex_destroy(&ro->lock);
    free(ro);
    s->rotation = NULL;
}

/* A crash between the new version and the row leaves a version that wraps what is new, and a rotation to be asked for again. */
eg_err eg_storage_rotate(eg_storage *s, eg_str tenant, eg_str key, uint32_t *ret_version, eg_problem *p) {
    row r = {.state = RUNNING, .started_ns = eg_wall_ns(s->clock)};
    search looked = {&r, false};
    if (!s->rotation || tenant.len != EG_UUID_LEN - 1 || key.len > EG_KEY_NAME_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "There is no such tenant or key.");
    }
    memcpy(r.tenant, tenant.ptr, tenant.len);
    memcpy(r.key, key.len ? key.ptr : "", key.len);
    EG_TRY(each_row(s, same_running, &looked));
    if (looked.running) {
        return eg_fail(p, EG_ERR_EXISTS, "A rotation of this key is under way.");
    }
    const eg_err e = s->keys->rotate_key(s->keys->ctx, tenant, key, &r.version);
    eg_key_stock_forget(s->key_stock); /* whatever the keeper answered: it may have made one */
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper made no new version: %s.", eg_err_code(e));
    }
    EG_TRY(save(s, &r, p));
    *ret_version = r.version;
    pthread_mutex_lock(&s->rotation->lock);
    s->rotation->work = true;
    pthread_cond_signal(&s->rotation->woken);
    pthread_mutex_unlock(&s->rotation->lock);
    return EG_OK;
}

typedef struct listing {
    eg_buf *out;
    size_t count;
} listing;

static bool add(void *ctx, const row *r) {
    listing *l = ctx;
    char started[EG_RFC3339_LEN];
    char ended[EG_RFC3339_LEN] = "";
    eg_time_rfc3339(r->started_ns, started);
    if (r->ended_ns) {
        eg_time_rfc3339(r->ended_ns, ended);
    }
    return eg_buf_addf(l->out, "%s{\"tenant\":\"%s\",\"key\":\"%s\",\"version\":%u,\"state\":\"%s\",\"moved\":%llu,\"started\":\"%s\",\"ended\":\"%s\"}", l->count++ ? "," : "",
                       r->tenant, r->key, (unsigned)r->version, r->state == RUNNING ? "running" : "done", (unsigned long long)r->moved, started, ended) == EG_OK;
}

eg_err eg_storage_rotation_status(eg_storage *s, eg_buf *ret_json) {
    listing l = {ret_json, 0};
    (void)eg_buf_adds(ret_json, "{\"rotations\":[");
    EG_TRY(each_row(s, add, &l));
    return eg_buf_adds(ret_json, "]}");
}
