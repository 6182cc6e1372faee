/* Counters of stored bytes: a row an account, changed with every segment that comes or goes, so that a crash leaves it right. */
#include "stored_bytes.h"

#include "content.h"

#include <embergate/metrics.h>
#include <stdlib.h>

#define KEY_MAX (2 + EG_ACCOUNT_NAME_MAX)

static eg_bytes row_key(const eg_account *a, uint8_t ret[KEY_MAX]) {
    const size_t n = strlen(a->name);
    ret[0] = 'u';
    ret[1] = '/';
    memcpy(ret + 2, a->name, n);
    return (eg_bytes){ret, 2 + n};
}

static eg_err put(eg_kv_txn *t, const eg_account *a, uint64_t bytes) {
    uint8_t key[KEY_MAX];
    const eg_bytes k = row_key(a, key);
    eg_buf b;
    eg_record_start(&b, 64);
    eg_record_u64(&b, bytes);
    eg_err e = eg_record_seal(a, EG_ROW_STORED, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_ACCOUNT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_stored_begin(eg_kv_txn *t, const eg_account *a) { return put(t, a, 0); }

eg_err eg_stored_get(eg_kv_txn *t, const eg_account *a, uint64_t *ret) {
    uint8_t key[KEY_MAX];
    const eg_bytes k = row_key(a, key);
    eg_bytes stored;
    eg_record_reader r;
    EG_TRY(eg_kv_get(t, EG_DB_FS_ACCOUNT, k, &stored));
    EG_TRY(eg_record_open(a, EG_ROW_STORED, k, stored, &r));
    const uint64_t bytes = eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    *ret = bytes;
    return EG_OK;
}

static bool above(uint64_t have, uint64_t more, uint64_t most) { return most > 0 && (have > most || more > most - have); }

/* Whether so many more fit. The tenant's is the sum of its accounts'. */
static eg_err check_bounds(eg_kv_txn *t, const eg_stored_bounds *q, uint64_t have, uint64_t more) {
    uint64_t all = 0;
    if (above(have, more, q->account)) {
        eg_metric_add(EG_METRIC_QUOTA_STORED, 1);
        return EG_ERR_STORED_QUOTA;
    }
    for (size_t i = 0; q->tenant > 0 && i < q->peer_count; i++) {
        uint64_t one = 0;
        const eg_err e = eg_stored_get(t, q->peers[i], &one);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
            return e;
        }
        all = one > UINT64_MAX - all ? UINT64_MAX : all + one;
    }
    if (above(all, more, q->tenant)) {
        eg_metric_add(EG_METRIC_QUOTA_STORED, 1);
        return EG_ERR_STORED_QUOTA;
    }
    return EG_OK;
}

eg_err eg_stored_add(eg_kv_txn *t, const eg_account *a, uint64_t bytes) {
    uint64_t have = 0;
    const eg_err e = eg_stored_get(t, a, &have);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e; /* it will be counted with all others */
    }
    if (a->bounds) {
        EG_TRY(check_bounds(t, a->bounds, have, bytes));
    }
    return put(t, a, have + bytes);
}

eg_err eg_stored_take(eg_kv_txn *t, const eg_account *a, uint64_t bytes) {
    uint64_t have = 0;
    const eg_err e = eg_stored_get(t, a, &have);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    return put(t, a, have > bytes ? have - bytes : 0);
}

/* ---- an older store ---- */

/* Sums what the account has. Once for each account that has no row yet: at start, before requests come. */
static eg_err count_account(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_account *a = ctx;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    uint64_t have = 0;
    eg_bytes k, v;
    eg_err e = eg_stored_get(t, a, &have);
    if (e != EG_ERR_NOT_FOUND && e != EG_ERR_CORRUPT) { /* what can be counted anew is no loss */
        return e;
    }
    have = 0;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_PLACE, (eg_bytes){NULL, 0}, &c));
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        eg_record_reader r;
        eg_location l;
        EG_TRY(eg_record_peek(v, &r));
        if (eg_str_is(eg_bytes_str(eg_record_get_text(&r)), a->name)) {
            EG_TRY(eg_content_location_decode(a, k, v, &l));
            have += l.owners > 0 ? l.stored : 0;
        }
    }
    return e == EG_ERR_NOT_FOUND ? put(t, a, have) : e;
}

eg_err eg_storage_stored_bytes(eg_storage *s, eg_str account, uint64_t *ret) {
    const eg_account *a = eg_storage_account_loaded(s, account);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    if (!a || a->destroyed) {
        return EG_ERR_ACCOUNT_NOT_FOUND;
    }
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    return eg_stored_get(t, a, ret);
}

bool eg_storage_has_room(eg_storage *s, eg_str account, uint64_t bytes) {
    const eg_account *a = eg_storage_account_loaded(s, account);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    uint64_t have = 0;
    if (!a || !a->bounds || eg_kv_read_begin(s->kv, &t) != EG_OK || eg_stored_get(t, a, &have) != EG_OK) {
        return true;
    }
    return check_bounds(t, a->bounds, have, bytes) != EG_ERR_STORED_QUOTA;
}

typedef struct reporting {
    eg_storage *store;
    json_t *list;
    uint64_t all;
} reporting;

static eg_err report_one(void *ctx, const eg_account *a) {
    reporting *r = ctx;
    uint64_t have = 0;
    if (eg_storage_stored_bytes(r->store, eg_str_of(a->name), &have) != EG_OK) {
        return EG_OK;
    }
    r->all += have;
    json_t *v = json_pack("{s:s, s:I}", "name", a->name, "storedBytes", (json_int_t)have);
    if (v && a->bounds && a->bounds->account) {
        (void)json_object_set_new(v, "quotaBytes", json_integer((json_int_t)a->bounds->account));
    }
    if (v && a->bounds && a->bounds->tenant) {
        (void)json_object_set_new(v, "tenantQuotaBytes", json_integer((json_int_t)a->bounds->tenant));
    }
    return json_array_append_new(r->list, v) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

json_t *eg_storage_stored_report(eg_storage *s) {
    reporting r = {.store = s, .list = json_array()};
    if (!r.list || eg_storage_each_account_loaded(s, (eg_str){"", 0}, report_one, &r) != EG_OK) {
        json_decref(r.list);
        return NULL;
    }
    eg_metric_set(EG_METRIC_STORAGE_STORED_BYTES, (int64_t)r.all);
    return r.list;
}

/* ---- at start ---- */

static eg_account *writable(eg_storage *s, eg_str name) {
    for (eg_account *a = s->accounts; a; a = a->next) {
        if (eg_str_is(name, a->name)) {
            return a;
        }
    }
    return NULL;
}

static eg_err make_bounds(eg_storage *s, const eg_stored_quota *quotas, size_t n, size_t i, eg_stored_bounds **ret) {
    eg_stored_bounds *q = calloc(1, sizeof *q + n * sizeof *q->peers);
    if (!q) {
        return EG_ERR_NO_MEMORY;
    }
    q->account = quotas[i].account_bytes;
    q->tenant = quotas[i].tenant_bytes;
    q->peers = (const eg_account **)(q + 1);
    const eg_account *own = writable(s, eg_str_of(quotas[i].account));
    for (size_t k = 0; k < n && own; k++) {
        const eg_account *other = writable(s, eg_str_of(quotas[k].account));
        if (other && strcmp(other->tenant, own->tenant) == 0) {
            q->peers[q->peer_count++] = other;
        }
    }
    *ret = q;
    return EG_OK;
}

eg_err eg_storage_set_stored_quotas(eg_storage *s, const eg_stored_quota *quotas, size_t n, eg_problem *p) {
    for (size_t i = 0; i < n; i++) {
        const eg_account *a = eg_storage_account_loaded(s, eg_str_of(quotas[i].account));
        if (a && !a->destroyed) {
            const eg_txn_op op = {.apply = count_account, .ctx = (void *)(uintptr_t)a};
            EG_TRY(eg_commit(s->committer, &op, 1, p));
        }
    }
    eg_err e = EG_OK;
    pthread_mutex_lock(&s->accounts_lock);
    for (size_t i = 0; i < n && e == EG_OK; i++) {
        eg_account *a = writable(s, eg_str_of(quotas[i].account));
        if (a && !a->bounds && (quotas[i].account_bytes || quotas[i].tenant_bytes)) {
            e = make_bounds(s, quotas, n, i, &a->bounds);
        }
    }
    pthread_mutex_unlock(&s->accounts_lock);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "There is no memory for the quotas of stored bytes.");
}
