/* The rows of encryption scopes. */
#include "scope.h"

#define KEY_MAX (2 + EG_ACCOUNT_NAME_MAX + 1 + EG_SCOPE_NAME_MAX)

bool eg_scope_name_ok(eg_str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool edge = i == 0 || i + 1 == name.len;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && !edge))) {
            return false;
        }
    }
    return name.len >= 3 && name.len <= EG_SCOPE_NAME_MAX;
}

/* "s/{account}/{scope}": account names have no slash. */
static eg_bytes key_of(const eg_account *a, eg_str name, uint8_t ret[KEY_MAX]) {
    const size_t n = strlen(a->name);
    ret[0] = 's';
    ret[1] = '/';
    memcpy(ret + 2, a->name, n);
    ret[2 + n] = '/';
    if (name.len > 0) {
        memcpy(ret + 3 + n, name.ptr, name.len);
    }
    return (eg_bytes){ret, 3 + n + name.len};
}

static bool take_text(eg_record_reader *r, char *ret, size_t max) {
    const eg_bytes v = eg_record_get_text(r);
    if (r->bad || v.len > max || (v.len > 0 && memchr(v.ptr, 0, v.len))) {
        return false;
    }
    memcpy(ret, v.len ? v.ptr : (const uint8_t *)"", v.len);
    ret[v.len] = '\0';
    return true;
}

static eg_err decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_scope *ret) {
    eg_record_reader r;
    eg_scope x = {0};
    const size_t before = 3 + strlen(a->name);
    EG_TRY(eg_record_open(a, EG_ROW_SCOPE, key, value, &r));
    x.state = (eg_scope_state)eg_record_get_u8(&r);
    x.customer_managed = eg_record_get_u8(&r) != 0;
    if (!take_text(&r, x.key, EG_KEY_NAME_MAX) || key.len < before || key.len - before > EG_SCOPE_NAME_MAX) {
        return eg_record_corrupt();
    }
    x.created_ns = (int64_t)eg_record_get_u64(&r);
    x.modified_ns = (int64_t)eg_record_get_u64(&r);
    EG_TRY(eg_record_end(&r));
    if (x.state != EG_SCOPE_ENABLED && x.state != EG_SCOPE_DISABLED) {
        return eg_record_corrupt();
    }
    memcpy(x.name, key.ptr + before, key.len - before);
    *ret = x;
    return EG_OK;
}

eg_err eg_scope_get(eg_kv_txn *t, const eg_account *a, eg_str name, eg_scope *ret) {
    uint8_t key[KEY_MAX];
    eg_bytes stored;
    if (name.len > 0 && !eg_scope_name_ok(name)) {
        return EG_ERR_SCOPE_NOT_FOUND;
    }
    const eg_bytes k = key_of(a, name, key);
    const eg_err e = eg_kv_get(t, EG_DB_FS_SCOPE, k, &stored);
    if (e == EG_ERR_NOT_FOUND && name.len == 0) {
        *ret = (eg_scope){.state = EG_SCOPE_ENABLED};
        return EG_OK;
    }
    if (e == EG_ERR_NOT_FOUND) {
        return EG_ERR_SCOPE_NOT_FOUND;
    }
    EG_TRY(e);
    return decode(a, k, stored, ret);
}

eg_err eg_scope_use(eg_storage *s, const eg_account *a, eg_str name, eg_scope *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    eg_scope x;
    EG_TRY(eg_scope_get(t, a, name, &x));
    *ret = x;
    return x.state == EG_SCOPE_ENABLED ? EG_OK : EG_ERR_SCOPE_DISABLED;
}

eg_err eg_scope_put(eg_kv_txn *t, const eg_account *a, const eg_scope *scope) {
    uint8_t key[KEY_MAX];
    const eg_bytes k = key_of(a, eg_str_of(scope->name), key);
    eg_buf b;
    eg_record_start(&b, 512);
    eg_record_u8(&b, (uint8_t)scope->state);
    eg_record_u8(&b, scope->customer_managed);
    eg_record_text(&b, eg_str_bytes(eg_str_of(scope->key)));
    eg_record_u64(&b, (uint64_t)scope->created_ns);
    eg_record_u64(&b, (uint64_t)scope->modified_ns);
    eg_err e = eg_record_seal(a, EG_ROW_SCOPE, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_SCOPE, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_scope_each(eg_kv_txn *t, const eg_account *a, eg_err (*each)(void *ctx, const eg_scope *scope), void *ctx) {
    uint8_t key[KEY_MAX];
    const eg_bytes prefix = key_of(a, EG_LIT(""), key);
    eg_scope x;
    EG_TRY(eg_scope_get(t, a, EG_LIT(""), &x));
    EG_TRY(each(ctx, &x));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_SCOPE, prefix, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < prefix.len || memcmp(k.ptr, prefix.ptr, prefix.len) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        EG_TRY(decode(a, k, v, &x));
        if (x.name[0]) {
            EG_TRY(each(ctx, &x));
        }
    }
}
