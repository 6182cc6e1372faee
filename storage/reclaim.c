/* Deletes orphans: a directory's entries become orphans of their own; a file lets go of its segments, and one that has no
 * owner left is unlinked before its row goes, so that a crash in between only means doing it again. */
#include "reclaim.h"

#include "blocks.h"
#include "due.h"
#include "lease_index.h"
#include "readers.h"
#include "snapshot.h"

#include <stdlib.h>
#include <time.h>

#define BATCH 256
#define ORPHANS 64        /* that one commit takes on */
#define IDLE_S 5
#define REST_NS 20000000  /* between two passes: many orphans that come one after the other are one pass's */
#define SWEEP_NS ((int64_t)6 * 3600 * 1000000000)

struct eg_reclaim {
    eg_storage *store;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    pthread_cond_t stopped;
    bool work;
    atomic_bool stop;
    pthread_t thread;
};

typedef struct orphan {
    uint8_t key[17];
    eg_orphan_kind kind;
    eg_id id;
    const eg_account *account;
} orphan;

/* What one step removes: rows of several orphans, so that many small files don't cost a commit each. */
typedef struct batch {
    size_t orphans;
    struct {
        orphan o;
        eg_location where;            /* of a segment: its bytes are gone */
        bool whole;                   /* nothing else is left: inode and orphan row go too */
    } of[ORPHANS];
    size_t count;
    struct {
        size_t of;
        eg_kv_db db;
        uint8_t key[EG_KV_KEY_MAX];
        size_t key_len;
        eg_id id;                     /* child inode, or segment */
    } rows[BATCH];
} batch;

/* The first orphan after `after` (17 bytes, or none). */
static eg_err next_orphan(eg_storage *s, eg_bytes after, orphan *ret) {
    char name[EG_ACCOUNT_NAME_MAX + 1] = "";
    orphan o = {0};
    eg_bytes k;
    eg_bytes v;
    {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        EG_TRY(eg_kv_read_begin(s->kv, &t));
        EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
        EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ORPHAN, after, &c));
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        if (after.len == k.len && memcmp(after.ptr, k.ptr, k.len) == 0) {
            EG_TRY(eg_kv_cursor_next(c, &k, &v));
        }
        if (k.len != sizeof o.key) {
            return eg_record_corrupt();
        }
        memcpy(o.key, k.ptr, sizeof o.key);
        *ret = o; /* so that a caller gets past a damaged row */
        eg_str account;
        EG_TRY(eg_content_staged_account(v, &account)); /* both rows begin with the account's name */
        if (account.len > EG_ACCOUNT_NAME_MAX) {
            return eg_record_corrupt();
        }
        memcpy(name, account.ptr, account.len);
    }
    EG_TRY(eg_storage_account(s, eg_str_of(name), &o.account));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_TRY(eg_kv_get(t, EG_DB_FS_ORPHAN, (eg_bytes){o.key, sizeof o.key}, &v));
    eg_record_reader r;
    EG_TRY(eg_record_open(o.account, EG_ROW_ORPHAN, (eg_bytes){o.key, sizeof o.key}, v, &r));
    o.kind = (eg_orphan_kind)o.key[0];
    memcpy(o.id.b, o.key + 1, sizeof o.id.b);
    *ret = o;
    return EG_OK;
}

/* Rows that a file has, all of them keyed by its inode first. */
static const eg_kv_db of_a_file[] = {EG_DB_FS_EXTENT, EG_DB_FS_STAGED, EG_DB_FS_SEGMENT, EG_DB_FS_BLOCK_LIST};

/* Adds rows of the newest orphan whose keys begin with `prefix` until the batch is full. */
static eg_err collect(eg_kv_txn *t, eg_kv_db db, eg_bytes prefix, batch *b) {
    const orphan *o = &b->of[b->orphans].o;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    if (!b->of[b->orphans].whole) {
        return EG_OK;
    }
    EG_TRY(eg_kv_cursor_open(t, db, prefix, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < prefix.len || memcmp(k.ptr, prefix.ptr, prefix.len) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        if (b->count == BATCH) {
            b->of[b->orphans].whole = false;
            return EG_OK;
        }
        b->rows[b->count].of = b->orphans;
        b->rows[b->count].db = db;
        memcpy(b->rows[b->count].key, k.ptr, k.len);
        b->rows[b->count].key_len = k.len;
        if (db == EG_DB_FS_ENTRY) {
            eg_str name;
            eg_entry entry;
            EG_TRY(eg_ns_entry_decode(o->account, &o->id, k, v, &name, &entry));
            b->rows[b->count].id = entry.child;
        } else if (db == EG_DB_FS_SEGMENT && k.len == EG_SEGMENT_KEY_LEN) {
            memcpy(b->rows[b->count].id.b, k.ptr + 16, 16);
        }
        b->count++;
    }
}

static eg_err collect_file(eg_kv_txn *t, const orphan *o, batch *b) {
    uint8_t blocks[17] = {'b'};
    memcpy(blocks + 1, o->id.b, 16);
    for (size_t n = 0; n < sizeof of_a_file / sizeof of_a_file[0]; n++) {
        EG_TRY(collect(t, of_a_file[n], eg_id_bytes(&o->id), b));
    }
    return collect(t, EG_DB_FS_BLOCK, (eg_bytes){blocks, sizeof blocks}, b);
}

static eg_err collect_inode(eg_storage *s, const orphan *o, batch *b) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(&o->id), &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(e);
    eg_inode i;
    EG_TRY(eg_ns_inode_get(t, o->account, &o->id, &i));
    return i.kind == EG_KIND_DIRECTORY ? collect(t, EG_DB_FS_ENTRY, eg_id_bytes(&o->id), b) : collect_file(t, o, b);
}

/* A segment that nobody owns: its bytes go before its row. Those within a pack go with the pack. */
static eg_err remove_segment(eg_storage *s, const orphan *o, eg_location *ret) {
    eg_location where;
    {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        EG_TRY(eg_kv_read_begin(s->kv, &t));
        EG_TRY(eg_content_location_get(t, o->account, &o->id, &where));
    }
    if (where.owners > 0) {
        return eg_record_corrupt();
    }
    *ret = where;
    return eg_id_eq(&where.file, &o->id) ? eg_segment_store_unlink(s->segments, &where.file) : EG_OK;
}

/* The snapshots of a file go before the file itself, which is what names them. */
static eg_err release_snapshots(eg_storage *s, const orphan *o) {
    uint8_t family[EG_SNAPSHOT_FAMILY_LEN];
    eg_inode named = {.id = o->id};
    {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        EG_TRY(eg_kv_read_begin(s->kv, &t));
        eg_bytes stored;
        eg_inode i;
        const eg_err e = eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(&o->id), &stored);
        if (e == EG_ERR_NOT_FOUND) {
            return EG_OK;
        }
        EG_TRY(e);
        EG_TRY(eg_ns_inode_get(t, o->account, &o->id, &i));
        if (i.attr[EG_ATTR_SNAPSHOT].len != sizeof family) {
            return EG_OK;
        }
        memcpy(family, i.attr[EG_ATTR_SNAPSHOT].ptr, sizeof family);
    }
    named.attr[EG_ATTR_SNAPSHOT] = (eg_bytes){family, sizeof family};
    return eg_snapshot_release(s, o->account, &named);
}

/* Takes one more orphan on. An orphan that fails is left out; what fits of the others stays. */
static eg_err take_on(eg_storage *s, const orphan *o, batch *b) {
    const size_t before = b->count;
    b->of[b->orphans].o = *o;
    b->of[b->orphans].whole = true;
    eg_err e = o->kind == EG_ORPHAN_SEGMENT ? remove_segment(s, o, &b->of[b->orphans].where) : collect_inode(s, o, b);
    if (e == EG_OK && o->kind == EG_ORPHAN_INODE && b->of[b->orphans].whole) {
        e = release_snapshots(s, o);
    }
    if (e != EG_OK) {
        b->count = before;
        return e;
    }
    b->orphans++;
    return EG_OK;
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const batch *b = ctx;
    for (size_t n = 0; n < b->count; n++) {
        const orphan *o = &b->of[b->rows[n].of].o;
        if (b->rows[n].db == EG_DB_FS_ENTRY) {
            EG_TRY(eg_ns_orphan_put(t, o->account, EG_ORPHAN_INODE, &b->rows[n].id));
        } else if (b->rows[n].db == EG_DB_FS_SEGMENT) {
            EG_TRY(eg_content_segment_drop(t, o->account, &o->id, &b->rows[n].id));
        }
        EG_TRY(eg_kv_del(t, b->rows[n].db, (eg_bytes){b->rows[n].key, b->rows[n].key_len}));
    }
    for (size_t n = 0; n < b->orphans; n++) {
        const orphan *o = &b->of[n].o;
        if (b->of[n].whole) {
            EG_TRY(eg_kv_del(t, o->kind == EG_ORPHAN_SEGMENT ? EG_DB_FS_PLACE : EG_DB_FS_INODE, eg_id_bytes(&o->id)));
            EG_TRY(eg_kv_del(t, EG_DB_FS_ORPHAN, (eg_bytes){o->key, sizeof o->key}));
        }
    }
    return EG_OK;
}

static eg_err commit_batch(eg_storage *s, batch *b) {
    const eg_txn_op op = {apply, b};
    EG_TRY(eg_commit(s->committer, &op, 1, NULL));
    for (size_t n = 0; n < b->orphans; n++) {
        if (b->of[n].o.kind == EG_ORPHAN_SEGMENT) {
            eg_packs_dead(eg_segment_store_packs(s->segments), &b->of[n].where.file, b->of[n].where.stored);
        }
    }
    return EG_OK;
}

/* Takes on as many orphans after *at as a batch holds. The last one may be taken on in part: then it is the first of the next. */
static eg_err make_batch(eg_storage *s, uint8_t at[17], bool *first, batch *b, size_t *left) {
    b->orphans = b->count = 0;
    while (b->orphans < ORPHANS && b->count < BATCH) {
        orphan o = {0};
        const eg_err e = next_orphan(s, *first ? (eg_bytes){NULL, 0} : (eg_bytes){at, 17}, &o);
        if (e != EG_OK && o.key[0] == 0) {
            return e;
        }
        if (e != EG_OK || (o.kind == EG_ORPHAN_INODE && eg_readers_has(s->readers, &o.id)) || take_on(s, &o, b) != EG_OK) {
            ++*left; /* a damaged row was counted and stays for whoever looks into it */
        } else if (!b->of[b->orphans - 1].whole) {
            return EG_OK;
        }
        memcpy(at, o.key, sizeof o.key);
        *first = false;
    }
    return EG_OK;
}

static eg_err pass(eg_storage *s, const atomic_bool *stop, size_t *ret_left) {
    batch *b = malloc(sizeof *b);
    if (!b) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = EG_OK;
    eg_err more = EG_OK;
    size_t left = 0;
    uint8_t at[17];
    bool first = true;
    while (!*stop && e == EG_OK && more == EG_OK) {
        more = make_batch(s, at, &first, b, &left);
        if (b->orphans > 0) {
            e = commit_batch(s, b);
        }
    }
    free(b);
    *ret_left = left;
    return e != EG_OK || more == EG_ERR_NOT_FOUND ? e : more;
}

eg_err eg_reclaim_pass(eg_storage *s, size_t *ret_left) {
    static const atomic_bool never = false;
    /* Children that a directory left behind may sort before it. */
    size_t before = SIZE_MAX;
    for (;;) {
        size_t left = 0;
        EG_TRY(pass(s, &never, &left));
        bool empty = true;
        {
            orphan o = {0};
            empty = next_orphan(s, (eg_bytes){NULL, 0}, &o) == EG_ERR_NOT_FOUND && o.key[0] == 0;
        }
        *ret_left = left;
        if (empty || left >= before) {
            return EG_OK;
        }
        before = left > 0 ? left : before;
    }
}

static struct timespec in(int64_t ns) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    return (struct timespec){t.tv_sec + ns / 1000000000, ns % 1000000000};
}

/* A timed wait, so that files which were being read get their turn. */
static bool wait_for_work(eg_reclaim *r) {
    pthread_mutex_lock(&r->lock);
    const struct timespec rested = in(REST_NS), until = in((int64_t)IDLE_S * 1000000000);
    while (!r->stop && pthread_cond_clockwait(&r->stopped, &r->lock, CLOCK_MONOTONIC, &rested) == 0) {
    }
    while (!r->work && !r->stop && pthread_cond_clockwait(&r->woken, &r->lock, CLOCK_MONOTONIC, &until) == 0) {
    }
    r->work = false;
    const bool go = !r->stop;
    pthread_mutex_unlock(&r->lock);
    return go;
}

static void *run(void *arg) {
    eg_reclaim *r = arg;
    eg_lease_sweep leases = {.at_len = 0};
    int64_t swept_ns = eg_mono_ns(&eg_clock_system);
    (void)!eg_reclaim_sweep(r->store, &r->stop);
    while (wait_for_work(r)) {
        size_t left = 0;
        if (eg_mono_ns(&eg_clock_system) - swept_ns > SWEEP_NS) {
            swept_ns = eg_mono_ns(&eg_clock_system);
            (void)!eg_reclaim_sweep(r->store, &r->stop);
        }
        (void)!eg_due_pass(r->store, &r->stop, &left);
        (void)!pass(r->store, &r->stop, &left);
        (void)!eg_relocate_pass(r->store, &r->stop);
        (void)!eg_lease_index_sweep(r->store, &leases);
    }
    return NULL;
}

eg_err eg_reclaim_start(eg_storage *s, eg_reclaim **ret) {
    eg_reclaim *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    r->store = s;
    r->work = true;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->woken, NULL);
    pthread_cond_init(&r->stopped, NULL);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        pthread_cond_destroy(&r->stopped);
        pthread_cond_destroy(&r->woken);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return EG_ERR_NO_MEMORY;
    }
    *ret = r;
    return EG_OK;
}

void eg_reclaim_wake(eg_reclaim *r) {
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    if (!r->work) {
        r->work = true;
        pthread_cond_signal(&r->woken);
    }
    pthread_mutex_unlock(&r->lock);
}

void eg_reclaim_stop(eg_reclaim *r) {
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->woken);
    pthread_cond_signal(&r->stopped);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->stopped);
    pthread_cond_destroy(&r->woken);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
