/* Adds up repeated accesses in a bounded table, the longest unused first out. */
#include "access_sum.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 65536u
#define TEXTS 8

/* The texts of a row, one after another behind it, each with a NUL. */
enum { TENANT, EVENT, JOB, ACTION, ACCOUNT, RESOURCE, BEHALF, ACTED };

typedef struct row {
    struct row *chain;
    struct row *older;
    struct row *newer;
    uint64_t hash;
    uint64_t count;      /* after the first access */
    uint64_t bytes;
    int64_t first_ns;
    int64_t last_ns;
    int64_t used_mono_ns;
    int64_t began_mono_ns; /* when the sum began */
    uint64_t policy_version;
    bool has_actor;
    eg_principal_kind kind;
    char actor_tenant[EG_UUID_LEN]; /* of the principal; its groups are left out */
    char actor[EG_UUID_LEN];
    char app[EG_UUID_LEN];
    size_t size;
    eg_str text[TEXTS];
    const char *name;    /* of the principal, as at its first access; behind the texts */
    char bytes_of_text[];
} row;

struct eg_access_sum {
    const eg_clock *clock;
    eg_sum_emit emit;
    void *ctx;
    pthread_mutex_t lock;
    uint8_t key[EG_KEYED_HASH_LEN];
    row *oldest;
    row *newest;
    size_t count;
    size_t bytes;
    row *slots[SLOTS];
};

eg_access_sum *eg_access_sum_new(const eg_clock *clock, eg_sum_emit emit, void *ctx) {
    eg_access_sum *s = calloc(1, sizeof *s);
    if (s) {
        s->clock = clock;
        s->emit = emit;
        s->ctx = ctx;
        pthread_mutex_init(&s->lock, NULL);
        eg_random(s->key, sizeof s->key);
    }
    return s;
}

void eg_access_sum_free(eg_access_sum *s) {
    if (!s) {
        return;
    }
    for (row *r = s->oldest; r;) {
        row *newer = r->newer;
        free(r);
        r = newer;
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void texts_of(const eg_audit_record *r, eg_str ret[TEXTS]) {
    ret[TENANT] = r->tenant;
    ret[EVENT] = eg_str_of(r->event);
    ret[JOB] = r->job;
    ret[ACTION] = r->action;
    ret[ACCOUNT] = r->account;
    ret[RESOURCE] = r->resource;
    ret[BEHALF] = r->on_behalf_of;
    ret[ACTED] = r->actor && r->actor->acting ? eg_str_of(r->actor->acting->text) : (eg_str){NULL, 0};
}

/* Keyed: paths are chosen from outside, and must not pile up in one slot. */
static uint64_t hash_of(const eg_access_sum *s, const eg_audit_record *r, const eg_str text[TEXTS]) {
    uint8_t hash[EG_KEYED_HASH_LEN];
    uint8_t lengths[TEXTS * 8];
    eg_bytes in[TEXTS + 2] = {{lengths, sizeof lengths}};
    for (size_t i = 0; i < TEXTS; i++) {
        eg_put_u64(lengths + 8 * i, text[i].len);
        in[1 + i] = eg_str_bytes(text[i]);
    }
    in[1 + TEXTS] = r->actor ? (eg_bytes){(const uint8_t *)r->actor->object_id, strlen(r->actor->object_id)} : (eg_bytes){NULL, 0};
    eg_keyed_hash(s->key, in, TEXTS + 2, hash);
    return eg_get_u64(hash);
}

static bool same(const row *w, uint64_t hash, const eg_audit_record *r, const eg_str text[TEXTS]) {
    if (w->hash != hash || w->has_actor != (r->actor != NULL) || (r->actor && strcmp(w->actor, r->actor->object_id) != 0)) {
        return false;
    }
    for (size_t i = 0; i < TEXTS; i++) {
        if (!eg_str_eq(w->text[i], text[i])) {
            return false;
        }
    }
    return true;
}

static void unlink_age(eg_access_sum *s, row *w) {
    *(w->older ? &w->older->newer : &s->oldest) = w->newer;
    *(w->newer ? &w->newer->older : &s->newest) = w->older;
}

static void link_newest(eg_access_sum *s, row *w) {
    w->older = s->newest;
    w->newer = NULL;
    *(s->newest ? &s->newest->newer : &s->oldest) = w;
    s->newest = w;
}

static void drop(eg_access_sum *s, row *w) {
    row **at = &s->slots[w->hash % SLOTS];
    while (*at != w) {
        at = &(*at)->chain;
    }
    *at = w->chain;
    unlink_age(s, w);
    s->count--;
    s->bytes -= w->size;
    free(w);
}

static eg_err emit_row(eg_access_sum *s, const row *w) {
    if (w->count > 0) {
        eg_principal who = {.kind = w->kind};
        memcpy(who.tenant, w->actor_tenant, sizeof who.tenant);
        memcpy(who.object_id, w->actor, sizeof who.object_id);
        memcpy(who.app_id, w->app, sizeof who.app_id);
        snprintf(who.name, sizeof who.name, "%s", w->name);
        eg_acting acting = {.count = 1};
        snprintf(acting.text, sizeof acting.text, "%.*s", EG_FMT(w->text[ACTED]));
        who.acting = w->text[ACTED].len ? &acting : NULL;
        const eg_audit_extra span = {.first_ns = w->first_ns, .last_ns = w->last_ns};
        const eg_audit_record r = {
            .tenant = w->text[TENANT],
            .event = w->text[EVENT].ptr,
            .outcome = "allowed",
            .actor = w->has_actor ? &who : NULL,
            .on_behalf_of = w->text[BEHALF],
            .action = w->text[ACTION],
            .account = w->text[ACCOUNT],
            .resource = w->text[RESOURCE],
            .job = w->text[JOB],
            .rule = EG_LIT("further accesses, added up"),
            .policy_version = w->policy_version,
            .bytes = w->bytes,
            .count = w->count,
        };
        return s->emit(s->ctx, &r, &span);
    }
    return EG_OK;
}

static eg_err close_row(eg_access_sum *s, row *w) {
    EG_TRY(emit_row(s, w));
    drop(s, w);
    return EG_OK;
}

static row *row_new(const eg_audit_record *r, uint64_t hash, const eg_str text[TEXTS]) {
    size_t size = sizeof(row);
    for (size_t i = 0; i < TEXTS; i++) {
        size += text[i].len + 1;
    }
    const size_t name_len = r->actor ? strnlen(r->actor->name, sizeof r->actor->name - 1) : 0;
    size += name_len + 1;
    row *w = calloc(1, size);
    if (!w) {
        return NULL;
    }
    w->hash = hash;
    w->size = size;
    char *at = w->bytes_of_text;
    for (size_t i = 0; i < TEXTS; i++) {
        if (text[i].len) {
            memcpy(at, text[i].ptr, text[i].len);
        }
        w->text[i] = (eg_str){at, text[i].len};
        at += text[i].len + 1;
    }
    w->name = at; /* ends in the zero that calloc left */
    if (r->actor) {
        memcpy(at, r->actor->name, name_len);
        w->has_actor = true;
        w->kind = r->actor->kind;
        memcpy(w->actor_tenant, r->actor->tenant, sizeof w->actor_tenant);
        memcpy(w->actor, r->actor->object_id, sizeof w->actor);
        memcpy(w->app, r->actor->app_id, sizeof w->app);
    }
    return w;
}

static void insert(eg_access_sum *s, const eg_audit_record *r, uint64_t hash, const eg_str text[TEXTS]) {
    while (s->oldest && (s->count >= EG_ACCESS_ROWS_MAX || s->bytes > EG_ACCESS_BYTES_MAX)) {
        if (close_row(s, s->oldest) != EG_OK) {
            return; /* not added up: each of its accesses is then recorded */
        }
    }
    row *w = row_new(r, hash, text);
    if (!w) {
        return;
    }
    w->used_mono_ns = w->began_mono_ns = eg_mono_ns(s->clock);
    w->chain = s->slots[hash % SLOTS];
    s->slots[hash % SLOTS] = w;
    link_newest(s, w);
    s->count++;
    s->bytes += w->size;
}

static void add(eg_access_sum *s, row *w, const eg_audit_record *r) {
    int64_t now = r->time_ns ? r->time_ns : eg_wall_ns(s->clock);
    if (w->count == 0) {
        w->first_ns = now;
    }
    w->last_ns = now;
    w->count += r->count ? r->count : 1;
    w->bytes += r->bytes;
    w->policy_version = r->policy_version;
    w->used_mono_ns = eg_mono_ns(s->clock);
    unlink_age(s, w);
    link_newest(s, w);
    /* What never rests is recorded now and then, so that a crash forgets little. */
    if (w->used_mono_ns - w->began_mono_ns >= EG_ACCESS_OPEN_NS && emit_row(s, w) == EG_OK) {
        w->began_mono_ns = w->used_mono_ns;
        w->count = w->bytes = 0;
    }
}

bool eg_access_sum_add(eg_access_sum *s, const eg_audit_record *r) {
    if (r->error != EG_OK || !r->outcome || strcmp(r->outcome, "allowed") != 0) {
        return true;
    }
    eg_str text[TEXTS];
    texts_of(r, text);
    uint64_t hash = hash_of(s, r, text);
    pthread_mutex_lock(&s->lock);
    row *w = s->slots[hash % SLOTS];
    while (w && !same(w, hash, r, text)) {
        w = w->chain;
    }
    bool first = w == NULL;
    if (first) {
        insert(s, r, hash, text);
    } else {
        add(s, w, r);
    }
    pthread_mutex_unlock(&s->lock);
    return first;
}

void eg_access_sum_flush(eg_access_sum *s, int64_t now_mono_ns, bool all) {
    pthread_mutex_lock(&s->lock);
    while (s->oldest && (all || now_mono_ns - s->oldest->used_mono_ns >= EG_ACCESS_IDLE_NS)) {
        if (close_row(s, s->oldest) != EG_OK) {
            break;
        }
    }
    pthread_mutex_unlock(&s->lock);
}

void eg_access_sum_close(eg_access_sum *s, eg_str job) {
    pthread_mutex_lock(&s->lock);
    for (row *w = s->oldest; w;) {
        row *newer = w->newer;
        if (job.len > 0 && eg_str_eq(w->text[JOB], job) && close_row(s, w) != EG_OK) {
            break; /* the rest is closed by time */
        }
        w = newer;
    }
    pthread_mutex_unlock(&s->lock);
}
