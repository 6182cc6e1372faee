/* Opening and closing of the store, and its accounts. */
#include "store.h"

#include "account_keys.h"
#include "content.h"
#include "key_cache.h"
#include "key_stock.h"
#include "writeback.h"
#include "readers.h"
#include "reclaim.h"
#include "segment_store.h"
#include "stored_bytes.h"

#include <stdio.h>
#include <stdlib.h>

/* The system's clock, whatever clock the store was given: only the order of ids hangs on it. */
eg_id eg_id_new(void) {
    eg_id id;
    uint8_t stamp[8];
    eg_random_public(id.b, sizeof id.b);
    eg_put_u64(stamp, (uint64_t)(eg_wall_ns(&eg_clock_system) / 1000000));
    memcpy(id.b, stamp + 2, 6);
    return id;
}

eg_err eg_storage_open(const eg_storage_options *o, eg_storage **ret, eg_problem *p) {
    eg_storage *s = calloc(1, sizeof *s);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    s->kv = o->kv;
    s->committer = o->committer;
    s->keys = o->keys;
    s->clock = o->clock;
    s->usage = o->usage;
    s->comply = o->comply;
    s->rules = o->rules;
    s->rule_count = o->rule_count;
    s->max_file_bytes = o->max_file_bytes ? o->max_file_bytes : EG_FILE_MAX_DEFAULT;
    s->boot = eg_content_boot();
    pthread_mutex_init(&s->accounts_lock, NULL);
    eg_forward_clock_init(&s->forward);
    eg_err e = o->look_only ? eg_segment_store_open_to_look(o->dir, &s->segments, p)
        : eg_segment_store_open(o->dir, o->min_free_bytes ? o->min_free_bytes : EG_FREE_MIN_DEFAULT, o->clock, &s->segments, p);
    if (e == EG_OK && !o->look_only) {
        eg_segment_store_use_log(s->segments, o->kv);
    }
    if (e == EG_OK) {
        e = eg_key_cache_new(o->keys, o->clock, &s->key_cache);
    }
    if (e == EG_OK) {
        e = eg_key_stock_new(o->keys, o->clock, &s->key_stock);
    }
    if (e == EG_OK) {
        e = eg_readers_new(&s->readers);
    }
    if (e == EG_OK && !o->look_only) {
        e = eg_writeback_start(&s->writeback);
    }
    if (e == EG_OK && !o->look_only) {
        e = eg_reclaim_start(s, &s->reclaim);
    }
    if (e != EG_OK) {
        eg_storage_close(s);
        return e;
    }
    *ret = s;
    return EG_OK;
}

void eg_storage_close(eg_storage *s) {
    if (!s) {
        return;
    }
    eg_storage_rotation_stop(s);
    eg_reclaim_stop(s->reclaim);
    eg_writeback_stop(s->writeback);
    eg_readers_free(s->readers);
    eg_key_stock_free(s->key_stock);
    eg_key_cache_free(s->key_cache);
    eg_segment_store_close(s->segments);
    while (s->accounts) {
        eg_account *next = s->accounts->next;
        eg_secret_free(s->accounts->mac_key);
        free(s->accounts->bounds);
        free(s->accounts);
        s->accounts = next;
    }
    pthread_mutex_destroy(&s->accounts_lock);
    eg_forward_clock_done(&s->forward);
    free(s);
}

#define ACCOUNT_KEY_MAX (2 + EG_ACCOUNT_NAME_MAX)

static bool account_name_ok(eg_str name) {
    if (name.len < 3 || name.len > 24) { /* Azure's rule */
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return true;
}

static eg_bytes account_key(eg_str name, uint8_t ret[ACCOUNT_KEY_MAX]) {
    ret[0] = 'a';
    ret[1] = '/';
    memcpy(ret + 2, name.ptr, name.len);
    return (eg_bytes){ret, 2 + name.len};
}

eg_str eg_storage_account_purpose(eg_str account, char buf[EG_ACCOUNT_PURPOSE_MAX]) {
    snprintf(buf, EG_ACCOUNT_PURPOSE_MAX, "fs-mac:%.*s", EG_FMT(account));
    return eg_str_of(buf);
}

const eg_account *eg_storage_account_loaded(eg_storage *s, eg_str name) {
    pthread_mutex_lock(&s->accounts_lock);
    const eg_account *a = s->accounts;
    while (a && !eg_str_is(name, a->name)) {
        a = a->next;
    }
    pthread_mutex_unlock(&s->accounts_lock);
    return a;
}

/* Another thread may have been faster: then its account stands. */
static eg_err keep_account(eg_storage *s, eg_account *taken, const eg_account **ret) {
    eg_err e = EG_OK;
    pthread_mutex_lock(&s->accounts_lock);
    eg_account *a = s->accounts;
    while (a && strcmp(a->name, taken->name) != 0) {
        a = a->next;
    }
    if (!a && s->account_count >= EG_ACCOUNTS_MAX) {
        e = EG_ERR_LIMIT;
    } else if (!a) {
        taken->next = s->accounts;
        s->accounts = taken;
        s->account_count++;
        *ret = taken;
        taken = NULL;
    } else {
        *ret = a;
    }
    pthread_mutex_unlock(&s->accounts_lock);
    if (taken) {
        eg_secret_free(taken->mac_key);
        free(taken);
    }
    return e;
}

/* The stored row, not verified yet: its key has to be unwrapped first, which proves tenant and account to fit. */
static eg_err read_account(eg_storage *s, eg_str name, eg_account *a, eg_buf *ret_row) {
    uint8_t key[ACCOUNT_KEY_MAX];
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_ACCOUNT, account_key(name, key), &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_ERR_ACCOUNT_NOT_FOUND;
    }
    EG_TRY(e);
    eg_record_reader r;
    EG_TRY(eg_record_peek(stored, &r));
    const eg_bytes tenant = eg_record_get_text(&r);
    if (r.bad || tenant.len > EG_ACCOUNT_NAME_MAX) {
        return eg_record_corrupt();
    }
    memcpy(a->tenant, tenant.ptr, tenant.len);
    memcpy(a->name, name.ptr, name.len);
    return eg_buf_add(ret_row, stored.ptr, stored.len);
}

static eg_err unlock_account(eg_storage *s, eg_account *a, eg_bytes row) {
    char purpose[EG_ACCOUNT_PURPOSE_MAX];
    uint8_t key[ACCOUNT_KEY_MAX];
    eg_record_reader r;
    EG_TRY(eg_record_peek(row, &r));
    (void)eg_record_get_text(&r);
    const eg_bytes wrapped = eg_record_get_text(&r);
    EG_TRY(eg_record_end(&r));
    EG_TRY(s->keys->unwrap(s->keys->ctx, eg_str_of(a->tenant), eg_storage_account_purpose(eg_str_of(a->name), purpose), wrapped, &a->mac_key));
    return eg_record_open(a, EG_ROW_ACCOUNT, account_key(eg_str_of(a->name), key), row, &r);
}

eg_err eg_storage_account(eg_storage *s, eg_str name, const eg_account **ret) {
    const eg_account *loaded = eg_storage_account_loaded(s, name);
    if (loaded) {
        *ret = loaded;
        return atomic_load(&loaded->destroyed) ? EG_ERR_KEY_DESTROYED : EG_OK;
    }
    if (!account_name_ok(name)) {
        return EG_ERR_ACCOUNT_NOT_FOUND;
    }
    eg_account *a = calloc(1, sizeof *a);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf row;
    eg_buf_init(&row, 1024);
    eg_err e = read_account(s, name, a, &row);
    if (e == EG_OK) {
        e = unlock_account(s, a, eg_buf_bytes(&row));
    }
    eg_buf_done(&row);
    if (e != EG_OK) {
        eg_secret_free(a->mac_key);
        free(a);
        return e;
    }
    return keep_account(s, a, ret);
}

typedef struct new_account {
    eg_account account;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t wrapped_len;
} new_account;

typedef eg_err put_fn(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value);

static eg_err write_account(eg_kv_txn *t, const eg_account *a, eg_bytes wrapped, put_fn *put) {
    uint8_t key[ACCOUNT_KEY_MAX];
    const eg_bytes k = account_key(eg_str_of(a->name), key);
    eg_buf b;
    eg_record_start(&b, 1024);
    eg_record_text(&b, eg_str_bytes(eg_str_of(a->tenant)));
    eg_record_text(&b, wrapped);
    eg_err e = eg_record_seal(a, EG_ROW_ACCOUNT, k, &b);
    if (e == EG_OK) {
        e = put(t, EG_DB_FS_ACCOUNT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

static eg_err put_account(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const new_account *n = ctx;
    EG_TRY(write_account(t, &n->account, (eg_bytes){n->wrapped, n->wrapped_len}, eg_kv_put_new));
    return eg_stored_begin(t, &n->account);
}

eg_err eg_storage_account_rewrap(eg_kv_txn *t, const eg_account *a, eg_bytes wrapped) { return write_account(t, a, wrapped, eg_kv_put); }

eg_err eg_storage_account_wrapped(eg_kv_txn *t, const eg_account *a, eg_bytes *ret) {
    uint8_t key[ACCOUNT_KEY_MAX];
    const eg_bytes k = account_key(eg_str_of(a->name), key);
    eg_bytes stored;
    eg_record_reader r;
    EG_TRY(eg_kv_get(t, EG_DB_FS_ACCOUNT, k, &stored));
    EG_TRY(eg_record_open(a, EG_ROW_ACCOUNT, k, stored, &r));
    (void)eg_record_get_text(&r);
    const eg_bytes wrapped = eg_record_get_text(&r);
    EG_TRY(eg_record_end(&r));
    *ret = wrapped;
    return EG_OK;
}

typedef char account_name[EG_ACCOUNT_NAME_MAX + 1];

static eg_err account_names(eg_storage *s, account_name *names, size_t *ret_n) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ACCOUNT, eg_str_bytes(EG_LIT("a/")), &c));
    eg_bytes k;
    eg_bytes v;
    size_t n = 0;
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && eg_str_starts(eg_bytes_str(k), "a/") && n < EG_ACCOUNTS_MAX) {
        if (k.len - 2 <= EG_ACCOUNT_NAME_MAX) {
            memcpy(names[n], k.ptr + 2, k.len - 2);
            names[n++][k.len - 2] = '\0';
        }
    }
    *ret_n = n;
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_storage_each_account_loaded(eg_storage *s, eg_str tenant, eg_err (*each)(void *ctx, const eg_account *a), void *ctx) {
    pthread_mutex_lock(&s->accounts_lock);
    const eg_account *a = s->accounts; /* only ever grows at this end */
    pthread_mutex_unlock(&s->accounts_lock);
    for (; a; a = a->next) {
        if (tenant.len == 0 || eg_str_is(tenant, a->tenant)) {
            EG_TRY(each(ctx, a));
        }
    }
    return EG_OK;
}

eg_err eg_storage_each_account(eg_storage *s, eg_str tenant, eg_err (*each)(void *ctx, const eg_account *a), void *ctx) {
    account_name *names = calloc(EG_ACCOUNTS_MAX, sizeof *names);
    size_t n = 0;
    eg_err e = names ? account_names(s, names, &n) : EG_ERR_NO_MEMORY;
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        const eg_account *a = NULL;
        if (eg_storage_account(s, eg_str_of(names[i]), &a) == EG_OK && (tenant.len == 0 || eg_str_is(tenant, a->tenant))) {
            e = each(ctx, a);
        }
    }
    free(names);
    return e;
}

static eg_err make_account(eg_storage *s, eg_str account, eg_str tenant, eg_problem *p) {
    new_account n = {0};
    char purpose[EG_ACCOUNT_PURPOSE_MAX];
    memcpy(n.account.name, account.ptr, account.len);
    memcpy(n.account.tenant, tenant.ptr, tenant.len);
    eg_err e = s->keys->new_data_key(s->keys->ctx, tenant, eg_storage_account_purpose(account, purpose), &n.account.mac_key, n.wrapped, &n.wrapped_len);
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper made no key for the storage account \"%.*s\".", EG_FMT(account));
    }
    const eg_txn_op op = {put_account, &n};
    e = eg_commit(s->committer, &op, 1, p);
    eg_secret_free(n.account.mac_key);
    return e == EG_ERR_EXISTS ? EG_OK : e;
}

eg_err eg_storage_ensure_account(eg_storage *s, eg_str account, eg_str tenant, eg_problem *p) {
    if (!account_name_ok(account)) {
        return eg_fail(p, EG_ERR_INVALID, "A storage account's name has 3 to 24 lower-case letters and digits.");
    }
    if (tenant.len == 0 || tenant.len > EG_ACCOUNT_NAME_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "The tenant's id is missing or too long.");
    }
    const eg_account *a = NULL;
    eg_err e = eg_storage_account(s, account, &a);
    if (e == EG_ERR_ACCOUNT_NOT_FOUND) {
        EG_TRY(make_account(s, account, tenant, p));
        e = eg_storage_account(s, account, &a);
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "The storage account \"%.*s\" can't be opened: %s.", EG_FMT(account), eg_err_code(e));
    }
    if (!eg_str_is(tenant, a->tenant)) {
        return eg_fail(p, EG_ERR_EXISTS, "The storage account \"%s\" belongs to another tenant.", a->name);
    }
    return eg_account_keys_ensure(s, a, p);
}

eg_err eg_storage_set_retention(eg_storage *s, eg_str account, unsigned days) {
    const eg_account *loaded = NULL;
    EG_TRY(eg_storage_account(s, account, &loaded));
    pthread_mutex_lock(&s->accounts_lock);
    for (eg_account *a = s->accounts; a; a = a->next) {
        if (a == loaded) {
            a->retention_ns = (int64_t)days * 86400 * 1000000000;
        }
    }
    pthread_mutex_unlock(&s->accounts_lock);
    return EG_OK;
}

eg_err eg_storage_ensure_container(eg_storage *s, eg_str account, eg_str container, eg_problem *p) {
    const eg_account *a = NULL;
    const eg_err found = eg_storage_account(s, account, &a);
    if (found != EG_OK) {
        return eg_fail(p, found, "The storage account \"%.*s\" can't be opened: %s.", EG_FMT(account), eg_err_code(found));
    }
    eg_container_change c = {.account = a, .container = container, .now_ns = eg_wall_ns(s->clock)};
    const eg_txn_op op = {eg_container_create_apply, &c};
    const eg_err e = eg_commit(s->committer, &op, 1, p);
    if (e == EG_ERR_FILESYSTEM_EXISTS) {
        if (p) {
            *p = (eg_problem){0};
        }
        return EG_OK;
    }
    return e;
}
