/* The table of logs: makes a new one with its data key and folder, opens those that the state knows. */
#include "logs.h"

#include <embergate/audit.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_VERSION 1

struct eg_logs {
    eg_logs_options o;
    pthread_mutex_t lock;    /* the list */
    pthread_mutex_t making;  /* one log is made at a time */
    eg_log *first;
    eg_log **last;
    unsigned count;
};

size_t eg_state_key(char *out, size_t cap, const char *kind, eg_str id) {
    int n = snprintf(out, cap, "%s/%.*s", kind, EG_FMT(id));
    return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

void eg_state_log_write(uint64_t size, const uint8_t root[EG_SHA256_LEN], uint8_t ret[EG_STATE_LOG_LEN]) {
    ret[0] = STATE_VERSION;
    eg_put_u64(ret + 1, size);
    memcpy(ret + 9, root, EG_SHA256_LEN);
}

/* The server's own log is sealed under the key of the nil GUID (RFC 9562 section 5.9), which is no tenant of anybody's. */
static eg_str tenant_of(eg_str id) {
    return eg_str_is(id, "server") ? EG_LIT(EG_AUDIT_SERVER_TENANT) : id;
}

static size_t purpose_of(char *out, size_t cap, eg_str id) {
    int n = snprintf(out, cap, "audit:%.*s", EG_FMT(id));
    return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

static void log_free(eg_log *g) {
    if (g) {
        eg_tile_log_free(g->tiles);
        eg_secret_free(g->key);
        if (g->dir_fd >= 0) {
            close(g->dir_fd);
        }
        free(g);
    }
}
EG_DEFINE_CLEANUP(eg_log, log_free)

/* The state's rows of one log. */
typedef struct rows {
    char id[EG_LOG_ID_MAX + 1];
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t wrapped_len;
    uint8_t state[EG_STATE_LOG_LEN];
} rows;

static eg_err rows_read(eg_logs *l, eg_str id, rows *ret) {
    char key[EG_LOG_ID_MAX + 16];
    eg_kv_txn *raw = NULL;
    EG_TRY(eg_kv_read_begin(l->o.kv, &raw));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = raw;
    eg_bytes v;
    EG_TRY(eg_kv_get(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, eg_state_key(key, sizeof key, "key", id)}, &v));
    if (v.len > sizeof ret->wrapped) {
        return EG_ERR_CORRUPT;
    }
    memcpy(ret->wrapped, v.ptr, v.len);
    ret->wrapped_len = v.len;
    EG_TRY(eg_kv_get(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, eg_state_key(key, sizeof key, "log", id)}, &v));
    if (v.len != sizeof ret->state || v.ptr[0] != STATE_VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    memcpy(ret->state, v.ptr, v.len);
    memcpy(ret->id, id.ptr, id.len);
    ret->id[id.len] = '\0';
    return EG_OK;
}

static eg_err put_row(eg_kv_txn *t, const char *kind, eg_str id, eg_bytes value) {
    char key[EG_LOG_ID_MAX + 16];
    size_t n = eg_state_key(key, sizeof key, kind, id);
    return eg_kv_put(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, n}, value);
}

static eg_err put_key(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const rows *r = ctx;
    return put_row(t, "key", eg_str_of(r->id), (eg_bytes){r->wrapped, r->wrapped_len});
}

static eg_err put_both(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const rows *r = ctx;
    EG_TRY(put_key(t, ctx, p));
    return put_row(t, "log", eg_str_of(r->id), (eg_bytes){r->state, sizeof r->state});
}

/* A keeper that was made without a key for the server's own log leaves that log without sealed halves (wrapped_len 0);
 * it is asked again at each start. */
static eg_err ask_keeper(eg_logs *l, rows *r, eg_problem *p) {
    char purpose[EG_LOG_ID_MAX + 16];
    eg_secret *key = NULL;
    eg_str id = eg_str_of(r->id);
    size_t n = purpose_of(purpose, sizeof purpose, id);
    eg_err e = l->o.keys->new_data_key(l->o.keys->ctx, tenant_of(id), (eg_str){purpose, n}, &key, r->wrapped, &r->wrapped_len);
    if (e == EG_ERR_NOT_FOUND && eg_str_is(id, "server")) {
        r->wrapped_len = 0;
        return EG_OK;
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper made no key for the audit log \"%s\": %s.", r->id, eg_err_code(e));
    }
    eg_secret_free(key);
    return EG_OK;
}

static eg_err rows_make(eg_logs *l, eg_str id, rows *ret, eg_problem *p) {
    uint8_t empty[EG_SHA256_LEN];
    memcpy(ret->id, id.ptr, id.len);
    ret->id[id.len] = '\0';
    EG_TRY(ask_keeper(l, ret, p));
    eg_sha256((eg_bytes){NULL, 0}, empty);
    eg_state_log_write(0, empty, ret->state);
    return eg_commit(l->o.committer, &(eg_txn_op){put_both, ret}, 1, p);
}

static eg_err rows_ask_again(eg_logs *l, rows *r, eg_problem *p) {
    EG_TRY(ask_keeper(l, r, p));
    return r->wrapped_len ? eg_commit(l->o.committer, &(eg_txn_op){put_key, r}, 1, p) : EG_OK;
}

static eg_err unwrap(eg_logs *l, const rows *r, eg_log *g, eg_problem *p) {
    char purpose[EG_LOG_ID_MAX + 16];
    eg_str id = eg_str_of(g->id);
    size_t n = purpose_of(purpose, sizeof purpose, id);
    if (r->wrapped_len == 0) {
        return EG_OK;
    }
    eg_err e = l->o.keys->unwrap(l->o.keys->ctx, tenant_of(id), (eg_str){purpose, n}, (eg_bytes){r->wrapped, r->wrapped_len}, &g->key);
    if (e == EG_ERR_KEY_DESTROYED) {
        return EG_OK; /* the log goes on, without sealed halves */
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "The key of the audit log \"%s\" can't be unwrapped: %s.", g->id, eg_err_code(e));
    }
    if (eg_secret_bytes(g->key).len != EG_KEY_LEN) {
        return eg_fail(p, EG_ERR_CORRUPT, "The key of the audit log \"%s\" has a wrong length.", g->id);
    }
    return EG_OK;
}

static eg_err replace_if_other(int dir_fd, const char *name, eg_bytes content, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf there;
    eg_buf_init(&there, 4096);
    if (eg_file_read(dir_fd, name, 4096, &there, NULL) == EG_OK && there.len == content.len && memcmp(there.ptr, content.ptr, content.len) == 0) {
        return EG_OK;
    }
    return eg_file_replace(dir_fd, name, 0600, content, p);
}

/* Beside the log, so that a copy of the folder and the keeper's keys are enough to read it. */
static eg_err write_companions(const eg_log *g, const rows *r, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf vkey;
    EG_CLEANUP(eg_buf_done) eg_buf wrapped;
    eg_buf_init(&vkey, 1024);
    eg_buf_init(&wrapped, EG_WRAPPED_FILE_MAX);
    eg_verifier_key_write(eg_str_of(g->origin), g->public_key, &vkey);
    EG_TRY(eg_buf_adds(&vkey, "\n"));
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    const eg_bytes in[2] = {eg_str_bytes(eg_str_of(g->id)), {r->wrapped, r->wrapped_len}};
    eg_sha256_v(in, 2, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    eg_buf_addf(&wrapped, "embergate audit key 1\n%s\n", g->id);
    eg_base64((eg_bytes){r->wrapped, r->wrapped_len}, &wrapped);
    EG_TRY(eg_buf_addf(&wrapped, "\n%s\n", hex));
    EG_TRY(replace_if_other(g->dir_fd, "vkey", eg_buf_bytes(&vkey), p));
    return replace_if_other(g->dir_fd, EG_WRAPPED_FILE, eg_buf_bytes(&wrapped), p);
}

static eg_err open_folder(eg_logs *l, eg_log *g, eg_problem *p) {
    bool made = mkdirat(l->o.dir_fd, g->id, 0700) == 0;
    if (!made && errno != EEXIST) {
        return eg_fail(p, eg_err_from_errno(errno), "Cannot make the folder of the audit log \"%s\".", g->id);
    }
    g->dir_fd = openat(l->o.dir_fd, g->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (g->dir_fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "Cannot open the folder of the audit log \"%s\".", g->id);
    }
    return made ? eg_dir_sync(l->o.dir_fd) : EG_OK;
}

static eg_err attach(eg_logs *l, const rows *r, eg_log **ret, eg_problem *p) {
    EG_CLEANUP(log_free_p) eg_log *g = calloc(1, sizeof *g);
    if (!g) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for an audit log.");
    }
    g->dir_fd = -1;
    snprintf(g->id, sizeof g->id, "%s", r->id);
    int n = snprintf(g->origin, sizeof g->origin, "%s/%s", l->o.origin, r->id);
    if (n < 0 || (size_t)n >= sizeof g->origin) {
        return eg_fail(p, EG_ERR_LIMIT, "The origin of the audit log \"%s\" is too long.", g->id);
    }
    g->size = eg_get_u64(r->state + 1);
    memcpy(g->root, r->state + 9, sizeof g->root);
    EG_TRY(unwrap(l, r, g, p));
    eg_err e = l->o.keys->log_public_key(l->o.keys->ctx, eg_str_of(g->origin), g->public_key);
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper gave no public key for the audit log \"%s\": %s.", g->id, eg_err_code(e));
    }
    EG_TRY(open_folder(l, g, p));
    EG_TRY(write_companions(g, r, p));
    *ret = g;
    g = NULL;
    return EG_OK;
}

eg_log *eg_logs_find(eg_logs *l, eg_str id) {
    pthread_mutex_lock(&l->lock);
    eg_log *g = l->first;
    while (g && !eg_str_is(id, g->id)) {
        g = g->next;
    }
    pthread_mutex_unlock(&l->lock);
    return g;
}

static eg_err make(eg_logs *l, eg_str id, eg_log **ret, eg_problem *p) {
    rows r = {0};
    if (l->count >= EG_LOGS_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "There are %u audit logs; more can't be made.", l->count);
    }
    eg_err e = rows_read(l, id, &r);
    if (e == EG_ERR_NOT_FOUND) {
        e = rows_make(l, id, &r, p);
    } else if (e == EG_OK && r.wrapped_len == 0) {
        e = rows_ask_again(l, &r, p);
    }
    EG_TRY(e);
    eg_log *g = NULL;
    EG_TRY(attach(l, &r, &g, p));
    pthread_mutex_lock(&l->lock);
    *l->last = g;
    l->last = &g->next;
    l->count++;
    pthread_mutex_unlock(&l->lock);
    *ret = g;
    return EG_OK;
}

eg_err eg_logs_get(eg_logs *l, eg_str id, eg_log **ret, eg_problem *p) {
    if (!eg_log_id_valid(id)) {
        return eg_fail(p, EG_ERR_INVALID, "\"%.*s\" can't be the id of an audit log.", EG_FMT(id));
    }
    eg_log *g = eg_logs_find(l, id);
    eg_err e = EG_OK;
    if (!g) {
        pthread_mutex_lock(&l->making);
        g = eg_logs_find(l, id);
        e = g ? EG_OK : make(l, id, &g, p);
        pthread_mutex_unlock(&l->making);
    }
    if (e == EG_OK) {
        *ret = g;
    }
    return e;
}

eg_err eg_logs_for_record(eg_logs *l, eg_str id, eg_log **ret) {
    eg_err e = eg_logs_get(l, id, ret, NULL);
    /* A principal of an outside issuer whose tenant isn't served here: what it was refused is the server's to know. */
    bool no_such_tenant = e == EG_ERR_NOT_FOUND || e == EG_ERR_INVALID || e == EG_ERR_LIMIT;
    return no_such_tenant ? eg_logs_get(l, EG_LIT("server"), ret, NULL) : e;
}

static eg_err rewrap_rows(eg_logs *l, const eg_rewrap *what, eg_log *g, rows *r) {
    char purpose[EG_LOG_ID_MAX + 16];
    const size_t n = purpose_of(purpose, sizeof purpose, eg_str_of(g->id));
    const eg_key_use use = {what->tenant, what->key, {purpose, n}};
    EG_TRY(l->o.keys->rewrap(l->o.keys->ctx, &use, (eg_bytes){r->wrapped, r->wrapped_len}, r->wrapped, &r->wrapped_len));
    EG_TRY(eg_commit(l->o.committer, &(eg_txn_op){put_key, r}, 1, NULL));
    return write_companions(g, r, NULL);
}

eg_err eg_logs_rewrap(eg_logs *l, const eg_rewrap *what, uint64_t *ret_moved) {
    for (eg_log *g = eg_logs_next(l, NULL); g; g = eg_logs_next(l, g)) {
        rows r = {0};
        if (!eg_str_eq(tenant_of(eg_str_of(g->id)), what->tenant)) {
            continue;
        }
        EG_TRY(rows_read(l, eg_str_of(g->id), &r));
        if (eg_rewrap_wants(what, (eg_bytes){r.wrapped, r.wrapped_len})) {
            EG_TRY(rewrap_rows(l, what, g, &r));
            ++*ret_moved;
        }
    }
    return EG_OK;
}

/* The ids of the logs that the state knows: copied, because no read transaction is held while the keeper is asked. */
static eg_err known_ids(eg_kv *kv, char (*ids)[EG_LOG_ID_MAX + 1], size_t cap, size_t *ret_n) {
    eg_kv_txn *raw = NULL;
    EG_TRY(eg_kv_read_begin(kv, &raw));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = raw;
    eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_AUDIT_STATE, eg_str_bytes(EG_LIT("key/")), &c));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *closing = c;
    eg_bytes k;
    eg_bytes v;
    eg_err e;
    size_t n = 0;
    while ((e = eg_kv_cursor_next(closing, &k, &v)) == EG_OK && eg_str_starts(eg_bytes_str(k), "key/")) {
        eg_str id = {(const char *)k.ptr + 4, k.len - 4};
        if (n == cap || !eg_log_id_valid(id)) {
            return EG_ERR_CORRUPT;
        }
        memcpy(ids[n], id.ptr, id.len);
        ids[n++][id.len] = '\0';
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    *ret_n = n;
    return EG_OK;
}

static eg_err open_known(eg_logs *l, eg_problem *p) {
    char(*ids)[EG_LOG_ID_MAX + 1] = calloc(EG_LOGS_MAX, sizeof *ids);
    size_t n = 0;
    eg_err e = ids ? known_ids(l->o.kv, ids, EG_LOGS_MAX, &n) : EG_ERR_NO_MEMORY;
    if (e != EG_OK) {
        eg_fail(p, e, "The state of the audit logs can't be read: %s.", eg_err_code(e));
    }
    eg_log *g = NULL;
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        e = eg_logs_get(l, eg_str_of(ids[i]), &g, p);
    }
    free(ids);
    return e == EG_OK ? eg_logs_get(l, EG_LIT("server"), &g, p) : e;
}

eg_err eg_logs_open(const eg_logs_options *o, eg_logs **ret, eg_problem *p) {
    eg_logs *l = calloc(1, sizeof *l);
    if (!l) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the audit logs.");
    }
    l->o = *o;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->making, NULL);
    eg_err e = open_known(l, p);
    if (e != EG_OK) {
        eg_logs_free(l);
        return e;
    }
    *ret = l;
    return EG_OK;
}

void eg_logs_free(eg_logs *l) {
    if (!l) {
        return;
    }
    for (eg_log *g = l->first; g;) {
        eg_log *next = g->next;
        log_free(g);
        g = next;
    }
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->making);
    free(l);
}

eg_log *eg_logs_next(eg_logs *l, const eg_log *after) {
    pthread_mutex_lock(&l->lock);
    eg_log *g = after ? after->next : l->first;
    pthread_mutex_unlock(&l->lock);
    return g;
}

void eg_logs_forget(eg_logs *l, eg_str tenant) {
    for (eg_log *g = eg_logs_next(l, NULL); g; g = eg_logs_next(l, g)) {
        if (eg_str_eq(tenant_of(eg_str_of(g->id)), tenant)) {
            atomic_store(&g->key_destroyed, true);
        }
    }
}

eg_bytes eg_log_key(const eg_log *log) {
    return log->key && !atomic_load(&log->key_destroyed) ? eg_secret_bytes(log->key) : (eg_bytes){NULL, 0};
}

int eg_log_dup_dir(const eg_log *log) {
    return fcntl(log->dir_fd, F_DUPFD_CLOEXEC, 3);
}
