/* Derives the key of a file from its data key and, when the file was made with one, the customer's key. */
#include "file_key.h"

#include "key_stock.h"
#include "scope.h"

static const char derive_info[] = "embergate customer key v1"; /* its NUL is part of it */

/* HKDF over both: without the keeper's data key the customer's key opens nothing, and the other way round. The inode's id binds it to
 * the file; tenant and inode are bound once more where a segment's key is sealed under the result. */
static eg_err derive(eg_bytes data_key, const eg_inode *i, eg_file_key **ret) {
    uint8_t info[sizeof derive_info + sizeof i->id.b];
    uint8_t key[EG_KEY_LEN];
    memcpy(info, derive_info, sizeof derive_info);
    memcpy(info + sizeof derive_info, i->id.b, sizeof i->id.b);
    EG_TRY(eg_hkdf_sha256(eg_secret_bytes(i->customer_key), data_key, (eg_bytes){info, sizeof info}, key, sizeof key));
    eg_secret *secret = eg_secret_new(key, sizeof key);
    eg_cleanse(key, sizeof key);
    return secret ? eg_file_key_new(secret, ret) : EG_ERR_NO_MEMORY;
}

eg_err eg_file_key_check_customer(const eg_inode *i) {
    const eg_bytes kept = i->attr[EG_ATTR_CUSTOMER_KEY];
    if (!i->customer_key) {
        return kept.len > 0 ? EG_ERR_CUSTOMER_KEY_MISSING : EG_OK;
    }
    if (kept.len == 0) {
        return EG_ERR_CUSTOMER_KEY_UNUSED;
    }
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(eg_secret_bytes(i->customer_key), digest);
    return kept.len == sizeof digest && eg_ct_eq(kept.ptr, digest, sizeof digest) ? EG_OK : EG_ERR_CUSTOMER_KEY_MISMATCH;
}

static eg_err open_key(eg_storage *s, const eg_account *a, const eg_inode *i, bool wait, eg_file_key **ret) {
    EG_TRY(eg_file_key_check_customer(i));
    const eg_str scope = eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_SCOPE]);
    if (scope.len > 0) {
        eg_scope x;
        const eg_err e = eg_scope_use(s, a, scope, &x);
        EG_TRY(e == EG_ERR_SCOPE_NOT_FOUND ? eg_record_corrupt() : e); /* scopes are never removed */
    }
    eg_file_key *data_key = NULL;
    if (wait) {
        EG_TRY(eg_key_cache_get(s->key_cache, eg_str_of(a->tenant), &i->id, i->attr[EG_ATTR_WRAPPED_KEY], &data_key));
    } else if ((data_key = eg_key_cache_peek(s->key_cache, &i->id, i->attr[EG_ATTR_WRAPPED_KEY])) == NULL) {
        return EG_ERR_BUSY;
    }
    if (!i->customer_key) {
        *ret = data_key;
        return EG_OK;
    }
    const eg_err e = derive(eg_file_key_bytes(data_key), i, ret);
    eg_file_key_unref(data_key);
    return e;
}

eg_err eg_file_key_open(eg_storage *s, const eg_account *a, const eg_inode *i, eg_file_key **ret) { return open_key(s, a, i, true, ret); }

eg_err eg_file_key_try(eg_storage *s, const eg_account *a, const eg_inode *i, eg_file_key **ret) { return open_key(s, a, i, false, ret); }

eg_err eg_file_key_make(eg_storage *s, const eg_account *a, eg_file_key_plan *plan, eg_inode *made) {
    eg_scope scope;
    EG_TRY(eg_scope_use(s, a, eg_bytes_str(made->attr[EG_ATTR_ENCRYPTION_SCOPE]), &scope));
    const eg_key_use use = {.tenant = eg_str_of(a->tenant), .key = eg_str_of(scope.key)};
    eg_new_key k;
    EG_TRY(eg_key_stock_take(s->key_stock, &use, !plan->must_not_wait, &k));
    made->id = k.inode;
    memcpy(plan->wrapped, k.key.wrapped, k.key.wrapped_len);
    plan->wrapped_len = k.key.wrapped_len;
    EG_TRY(eg_key_cache_keep(s->key_cache, &made->id, (eg_bytes){plan->wrapped, plan->wrapped_len}, k.key.secret));
    made->attr[EG_ATTR_WRAPPED_KEY] = (eg_bytes){plan->wrapped, plan->wrapped_len};
    if (made->customer_key) {
        eg_sha256(eg_secret_bytes(made->customer_key), plan->customer);
        made->attr[EG_ATTR_CUSTOMER_KEY] = (eg_bytes){plan->customer, sizeof plan->customer};
    }
    return EG_OK;
}
