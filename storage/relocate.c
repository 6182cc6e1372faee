/* Room in packs: packs in which nothing lives go, and of mostly dead ones what lives is moved to the pack of the day. */
#include "content.h"
#include "reclaim.h"

#include <embergate/durable_file.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROWS_A_LOOK 4096      /* so that no read transaction is long */
#define MOVES 256             /* segments that one transaction moves */
#define MOVE_BYTES ((uint64_t)4 << 20)

/* The account that a row of fs.place names; EG_ERR_NOT_FOUND when it is not to be had. */
static eg_err account_of(eg_storage *s, eg_bytes row, const eg_account **ret) {
    eg_str name;
    char copy[EG_ACCOUNT_NAME_MAX + 1] = "";
    if (eg_content_staged_account(row, &name) != EG_OK || name.len > EG_ACCOUNT_NAME_MAX) {
        return EG_ERR_NOT_FOUND;
    }
    memcpy(copy, name.ptr, name.len);
    *ret = eg_storage_account_loaded(s, eg_str_of(copy));
    return *ret || eg_storage_account(s, eg_str_of(copy), ret) == EG_OK ? EG_OK : EG_ERR_NOT_FOUND;
}

/* Without the MAC, for the rows of an account whose key is gone: what they name stays. */
static eg_err peek_location(eg_bytes row, eg_location *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_peek(row, &r));
    (void)eg_record_get_text(&r);
    ret->file = eg_record_get_id(&r);
    ret->offset = eg_record_get_u64(&r);
    ret->stored = eg_record_get_u64(&r);
    ret->owners = eg_record_get_u32(&r);
    return eg_record_end(&r);
}

static eg_err location_of_row(eg_storage *s, eg_bytes key, eg_bytes row, eg_location *ret) {
    const eg_account *a = NULL;
    return account_of(s, row, &a) == EG_OK ? eg_content_location_decode(a, key, row, ret) : peek_location(row, ret);
}

/* A damaged row might name any pack: then nothing is to be taken for dead while this process runs. */
static eg_err count_some(eg_storage *s, uint8_t at[16], bool first, bool *ret_unsure) {
    eg_packs *packs = eg_segment_store_packs(s->segments);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_PLACE, first ? (eg_bytes){NULL, 0} : (eg_bytes){at, 16}, &c));
    for (size_t n = 0; n < ROWS_A_LOOK; n++) {
        eg_bytes k;
        eg_bytes v;
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        if (k.len != 16 || (!first && memcmp(k.ptr, at, 16) == 0)) {
            continue;
        }
        eg_location where;
        memcpy(at, k.ptr, 16);
        first = false;
        if (location_of_row(s, k, v, &where) != EG_OK) {
            *ret_unsure = true;
        } else if (memcmp(where.file.b, k.ptr, 16) != 0) {
            eg_packs_living_row(packs, &where.file, where.stored);
        }
    }
    return EG_OK;
}

eg_err eg_relocate_count(eg_storage *s, const atomic_bool *stop) {
    uint8_t at[16];
    bool unsure = false;
    bool first = true;
    eg_err e = EG_OK;
    if (eg_packs_known(eg_segment_store_packs(s->segments))) {
        return EG_OK;
    }
    while (e == EG_OK && !*stop) {
        e = count_some(s, at, first, &unsure);
        first = false;
    }
    if (e == EG_ERR_NOT_FOUND && !unsure) {
        eg_packs_counted(eg_segment_store_packs(s->segments));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* One segment on its way. */
typedef struct move {
    const eg_account *account;
    eg_id segment;
    eg_location from;
    eg_location to;
    bool moved;
} move;

typedef struct moves {
    eg_storage *store;
    const atomic_bool *stop;
    eg_id pack;
    int fd;
    eg_buf bytes;
    uint64_t total;
    size_t count;
    move of[MOVES];
} moves;

/* Whoever deleted it meanwhile was first. */
static eg_err move_rows(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    moves *m = ctx;
    for (size_t i = 0; i < m->count; i++) {
        move *x = &m->of[i];
        eg_bytes stored;
        eg_location now;
        x->moved = false;
        const eg_err e = eg_kv_get(t, EG_DB_FS_PLACE, eg_id_bytes(&x->segment), &stored);
        if (e == EG_ERR_NOT_FOUND) {
            continue;
        }
        EG_TRY(e);
        EG_TRY(eg_content_location_decode(x->account, eg_id_bytes(&x->segment), stored, &now));
        if (eg_id_eq(&now.file, &x->from.file) && now.offset == x->from.offset) {
            x->to.owners = now.owners;
            EG_TRY(eg_content_location_put(t, x->account, &x->segment, &x->to));
            x->moved = true;
        }
    }
    return EG_OK;
}

static void rest(const moves *m, uint64_t bytes) {
    uint64_t ms = bytes * 1000 / EG_RELOCATE_BYTES_A_SECOND;
    while (ms > 0 && !*m->stop) {
        const uint64_t step = ms < 50 ? ms : 50;
        const struct timespec d = {0, (long)step * 1000000};
        nanosleep(&d, NULL);
        ms -= step;
    }
}

/* The copies are durable before a row names them. */
static eg_err commit_moves(moves *m) {
    eg_packs *packs = eg_segment_store_packs(m->store->segments);
    if (m->count == 0) {
        return EG_OK;
    }
    eg_err e = EG_OK;
    for (size_t i = 0; i < m->count && e == EG_OK; i++) {
        if (i == 0 || !eg_id_eq(&m->of[i].to.file, &m->of[i - 1].to.file)) {
            e = eg_packs_sync(packs, &m->of[i].to.file, 0);
        }
    }
    if (e == EG_OK) {
        const eg_txn_op op = {move_rows, m};
        e = eg_commit(m->store->committer, &op, 1, NULL);
    }
    for (size_t i = 0; i < m->count; i++) {
        const bool moved = e == EG_OK && m->of[i].moved;
        eg_packs_dead(packs, moved ? &m->pack : &m->of[i].to.file, m->of[i].from.stored);
    }
    rest(m, m->total);
    m->count = 0;
    m->total = 0;
    return e;
}

static eg_err look_up(moves *m, const eg_pack_entry *x, move *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(m->store->kv, &t));
    eg_bytes stored;
    move found = {.segment = x->segment};
    EG_TRY(eg_kv_get(t, EG_DB_FS_PLACE, eg_id_bytes(&x->segment), &stored));
    EG_TRY(account_of(m->store, stored, &found.account));
    EG_TRY(eg_content_location_decode(found.account, eg_id_bytes(&x->segment), stored, &found.from));
    const bool here = eg_id_eq(&found.from.file, &m->pack) && found.from.offset == x->offset && found.from.stored == x->stored;
    *ret = found;
    return here && found.from.owners > 0 ? EG_OK : EG_ERR_NOT_FOUND;
}

static eg_err move_one(void *ctx, const eg_pack_entry *x) {
    moves *m = ctx;
    move *to = &m->of[m->count];
    char *room = NULL;
    if (*m->stop) {
        return EG_ERR_CANCELLED;
    }
    if (look_up(m, x, to) != EG_OK) {
        return EG_OK; /* dead, or damaged: then it stays where it is, and the pack with it */
    }
    eg_buf_reset(&m->bytes);
    EG_TRY(eg_buf_reserve(&m->bytes, (size_t)x->stored, &room));
    EG_TRY(eg_pread_all(m->fd, room, (size_t)x->stored, (int64_t)x->offset));
    to->to = to->from;
    EG_TRY(eg_packs_append(eg_segment_store_packs(m->store->segments), &x->segment, (eg_bytes){(const uint8_t *)room, (size_t)x->stored},
        &to->to.file, &to->to.offset));
    m->count++;
    m->total += x->stored;
    return m->count == MOVES || m->total >= MOVE_BYTES ? commit_moves(m) : EG_OK;
}

static eg_err move_all(eg_storage *s, const eg_id *pack, const atomic_bool *stop) {
    moves *m = calloc(1, sizeof *m);
    if (!m) {
        return EG_ERR_NO_MEMORY;
    }
    m->store = s;
    m->stop = stop;
    m->pack = *pack;
    eg_buf_init(&m->bytes, (size_t)EG_PACK_SIZE);
    eg_err e = eg_packs_open_read(eg_segment_store_packs(s->segments), pack, &m->fd);
    if (e == EG_OK) {
        e = eg_pack_walk(m->fd, move_one, m);
        /* What was copied before a failure is moved all the same. */
        const eg_err last = commit_moves(m);
        e = e == EG_OK || e == EG_ERR_CORRUPT ? last : e;
        close(m->fd);
    }
    eg_buf_done(&m->bytes);
    free(m);
    return e;
}

eg_err eg_relocate_pass(eg_storage *s, const atomic_bool *stop) {
    eg_packs *packs = eg_segment_store_packs(s->segments);
    eg_id pack;
    uint64_t living = 0;
    eg_packs_tidy(packs);
    while (!*stop && eg_packs_mostly_dead(packs, &pack, &living)) {
        eg_err e = living > 0 ? move_all(s, &pack, stop) : EG_OK;
        if (e == EG_OK) {
            e = eg_segment_store_remove_pack(s->segments, &pack);
        }
        if (e == EG_ERR_BUSY && eg_segment_store_held(s->segments)) {
            return EG_OK; /* a backup runs: next time */
        }
        if (e != EG_OK) {
            eg_packs_leave(packs, &pack); /* something in it can't be moved, or is just being made */
        }
        if (e != EG_OK && e != EG_ERR_BUSY) {
            return e;
        }
    }
    return EG_OK;
}
