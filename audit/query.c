/* Finds records by job, actor and time through the index, and opens their sealed halves. */
#include "query.h"

#include <embergate/encoding.h>
#include <embergate/json.h>

#include "index.h"
#include "record.h"
#include "tile_read.h"

#define CHUNK 256
#define SUFFIX_MAX 16u
#define TRIES 5

typedef struct walk {
    const eg_query *q;
    eg_kv *kv;
    eg_index_kind kind;
    uint8_t prefix[EG_INDEX_KEY_MAX];
    size_t prefix_len;
    uint8_t at[SUFFIX_MAX];      /* the next row's suffix is greater than this, or equal when `including` */
    size_t suffix_len;
    bool including;
    struct { uint8_t suffix[SUFFIX_MAX]; } rows[CHUNK];
    size_t row_count;
    uint64_t size;               /* of the log, when the chunk was read */
    uint64_t bundle_index;       /* of what `bundle` holds */
    unsigned bundle_width;       /* 0 = nothing */
    eg_buf bundle;
} walk;

static eg_err state_size(eg_kv_txn *t, eg_str log, uint64_t *ret) {
    char key[EG_LOG_ID_MAX + 16];
    eg_bytes v;
    EG_TRY(eg_kv_get(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, eg_state_key(key, sizeof key, "log", log)}, &v));
    if (v.len != EG_STATE_LOG_LEN) {
        return EG_ERR_CORRUPT;
    }
    *ret = eg_get_u64(v.ptr + 1);
    return EG_OK;
}

eg_err eg_query_size(eg_kv *kv, eg_str log, uint64_t *ret) {
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    return state_size(t, log, ret);
}

/* Some rows at a time, so that no read transaction is open while files are read. */
static eg_err next_chunk(walk *w) {
    uint8_t from[EG_INDEX_KEY_MAX + SUFFIX_MAX];
    memcpy(from, w->prefix, w->prefix_len);
    memcpy(from + w->prefix_len, w->at, w->suffix_len);
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(w->kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    EG_TRY(state_size(t, eg_str_of(w->q->log->id), &w->size));
    eg_kv_cursor *opened = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_AUDIT_INDEX, (eg_bytes){from, w->prefix_len + w->suffix_len}, &opened));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = opened;
    eg_bytes k;
    eg_bytes v;
    eg_err e = EG_OK;
    w->row_count = 0;
    while (w->row_count < CHUNK && (e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        if (k.len != w->prefix_len + w->suffix_len || memcmp(k.ptr, w->prefix, w->prefix_len) != 0) {
            break;
        }
        const uint8_t *suffix = k.ptr + w->prefix_len;
        if (!w->including && memcmp(suffix, w->at, w->suffix_len) == 0) {
            continue;
        }
        memcpy(w->rows[w->row_count++].suffix, suffix, w->suffix_len);
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* A partial bundle may be outgrown between asking for the size and reading: then the size is asked for again. */
static eg_err need_bundle(walk *w, uint64_t record) {
    uint64_t index = record / EG_TILE_WIDTH;
    unsigned needed = (unsigned)(record % EG_TILE_WIDTH) + 1;
    if (w->bundle_width >= needed && w->bundle_index == index) {
        return EG_OK;
    }
    for (int i = 0; i < TRIES; i++) {
        unsigned width = index < w->size / EG_TILE_WIDTH ? EG_TILE_WIDTH : (unsigned)(w->size % EG_TILE_WIDTH);
        w->bundle_width = 0;
        eg_err e = eg_tile_read(w->q->log->dir_fd, w->size, EG_TILE_ENTRIES, index, width, &w->bundle);
        if (e == EG_OK) {
            w->bundle_index = index;
            w->bundle_width = width;
            return width >= needed ? EG_OK : EG_ERR_CORRUPT;
        }
        if (e != EG_ERR_NOT_FOUND) {
            return e;
        }
        EG_TRY(eg_query_size(w->kv, eg_str_of(w->q->log->id), &w->size));
    }
    return EG_ERR_CORRUPT;
}

static eg_err read_record(walk *w, uint64_t record, json_t **ret) {
    EG_TRY(need_bundle(w, record));
    eg_bytes rest = eg_buf_bytes(&w->bundle);
    eg_bytes entry = {NULL, 0};
    for (uint64_t i = 0; i <= record % EG_TILE_WIDTH; i++) {
        EG_TRY(eg_audit_bundle_next(&rest, &entry));
    }
    eg_err e = eg_json_parse(eg_bytes_str(entry), EG_RECORD_MAX, ret, NULL);
    return e == EG_OK ? EG_OK : EG_ERR_CORRUPT;
}

/* Object ids with blanks between. */
static bool acted(eg_str all, eg_str who) {
    while (all.len) {
        if (eg_str_eq(eg_str_cut(&all, ' '), who)) {
            return true;
        }
    }
    return false;
}

static bool fits(const eg_query *q, const json_t *record) {
    int64_t time = 0;
    if (q->job.len && !eg_str_eq(eg_json_str(record, "job"), q->job)) {
        return false;
    }
    if (q->actor.len && !eg_str_eq(eg_json_str(json_object_get(record, "actor"), "oid"), q->actor)) {
        return false;
    }
    if (q->acted_by.len && !acted(eg_json_str(record, "acted_by"), q->acted_by)) {
        return false;
    }
    if (q->outcome.len && !eg_str_eq(eg_json_str(record, "outcome"), q->outcome)) {
        return false;
    }
    return (!q->from_ns && !q->to_ns) ||
           (eg_time_parse_rfc3339(eg_json_str(record, "time"), &time) == EG_OK && (!q->from_ns || time >= q->from_ns) && (!q->to_ns || time < q->to_ns));
}

/* The sealed half takes its place among the fields; what can't be opened stays sealed, with the reason. */
static void open_sealed(const eg_log *log, json_t *record) {
    json_t *secret = NULL;
    eg_err e = eg_audit_unseal(record, eg_str_of(log->id), eg_log_key(log), &secret);
    if (e != EG_OK) {
        if (e != EG_ERR_NOT_FOUND) {
            json_object_set_new(record, "sealed_error", json_string(eg_err_code(e)));
        }
        return;
    }
    json_object_del(record, "sealed");
    json_t *name = json_object_get(secret, "name");
    json_t *actor = json_object_get(record, "actor");
    if (json_is_string(name) && json_is_object(actor)) {
        json_object_set(actor, "name", name);
    }
    json_object_del(secret, "name");
    json_object_update(record, secret);
    json_decref(secret);
}

static eg_err start(walk *w) {
    const eg_query *q = w->q;
    w->kind = q->job.len ? EG_INDEX_JOB : q->actor.len ? EG_INDEX_ACTOR : EG_INDEX_TIME;
    if (q->job.len > EG_AUDIT_JOB_MAX || q->actor.len > EG_AUDIT_ACTOR_MAX) {
        return EG_ERR_QUERY;
    }
    w->prefix_len = eg_index_prefix(w->prefix, eg_str_of(q->log->id), w->kind, q->job.len ? q->job : q->actor);
    w->suffix_len = eg_index_suffix(w->at, w->kind, w->kind == EG_INDEX_TIME && q->from_ns ? q->from_ns : INT64_MIN, 0);
    w->including = true;
    if (q->after.len) {
        size_t n = 0;
        if (eg_unhex(q->after, w->at, sizeof w->at, &n) != EG_OK || n != w->suffix_len) {
            return EG_ERR_QUERY;
        }
        w->including = false;
    }
    return EG_OK;
}

static eg_err put_record(walk *w, uint64_t record, unsigned *count, eg_buf *ret) {
    json_t *parsed = NULL;
    EG_TRY(read_record(w, record, &parsed));
    EG_JSON_AUTO owned = parsed;
    if (!fits(w->q, owned)) {
        return EG_OK;
    }
    open_sealed(w->q->log, owned);
    json_object_set_new(owned, "index", json_integer((json_int_t)record));
    if ((*count)++ > 0) {
        EG_TRY(eg_buf_add(ret, ",", 1));
    }
    return eg_json_write(owned, ret);
}

/* Past the end of the time asked for, all that follows is later still. */
static bool beyond(const walk *w, const uint8_t *suffix) {
    return w->kind == EG_INDEX_TIME && w->q->to_ns && (int64_t)(eg_get_u64(suffix) ^ (uint64_t)1 << 63) >= w->q->to_ns;
}

static eg_err run(walk *w, eg_buf *ret) {
    unsigned count = 0;
    unsigned examined = 0;
    bool more = true;
    EG_TRY(start(w));
    eg_buf_adds(ret, "{\"records\":[");
    while (more) {
        EG_TRY(next_chunk(w));
        more = w->row_count > 0;
        for (size_t i = 0; more && i < w->row_count; i++) {
            const uint8_t *suffix = w->rows[i].suffix;
            if (beyond(w, suffix)) {
                more = false;
                break;
            }
            if (count == w->q->limit || examined++ == EG_QUERY_EXAMINED_MAX || ret->len > ret->max / 2) {
                char next[2 * SUFFIX_MAX + 1];
                eg_hex((eg_bytes){w->at, w->suffix_len}, next);
                return eg_buf_addf(ret, "],\"next\":\"%s\"}", next);
            }
            EG_TRY(put_record(w, eg_get_u64(suffix + w->suffix_len - 8), &count, ret));
            memcpy(w->at, suffix, w->suffix_len);
            w->including = false;
        }
    }
    return eg_buf_adds(ret, "],\"next\":null}");
}

eg_err eg_query_run(eg_kv *kv, const eg_query *q, eg_buf *ret) {
    walk w = {.q = q, .kv = kv};
    eg_buf_init(&w.bundle, EG_BUNDLE_MAX);
    eg_err e = run(&w, ret);
    eg_buf_done(&w.bundle);
    return e;
}
