/* Wraps data keys under a tenant's key, bound to the tenant and to what the key is for. */
#include "data_key.h"

#include "keeper_file.h"

#define WRAP_VERSION 1
#define HEAD_LEN 5 /* version, tenant key's version */

/* The head and both names with their lengths, so that no two pairs of names give the same bytes. */
static eg_err additional_data(const uint8_t head[HEAD_LEN], eg_str tenant, eg_str purpose, eg_buf *ret) {
    uint8_t n[4];
    eg_buf_adds(ret, "embergate data key");
    eg_buf_add(ret, head, HEAD_LEN);
    eg_put_u32(n, (uint32_t)tenant.len);
    eg_buf_add(ret, n, sizeof n);
    eg_buf_add(ret, tenant.ptr, tenant.len);
    eg_put_u32(n, (uint32_t)purpose.len);
    eg_buf_add(ret, n, sizeof n);
    return eg_buf_add(ret, purpose.ptr, purpose.len);
}

eg_err eg_data_key_wrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, const eg_secret *key, eg_buf *ret_wrapped) {
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    eg_buf_init(&ad, 1024);
    if (purpose.len == 0 || purpose.len > EG_DATA_KEY_PURPOSE_MAX) {
        return EG_ERR_INVALID;
    }
    uint8_t head[HEAD_LEN] = {WRAP_VERSION};
    eg_put_u32(head + 1, EG_TENANT_KEY_VERSION);
    EG_TRY(additional_data(head, tenant, purpose, &ad));
    eg_buf_add(ret_wrapped, head, sizeof head);
    return eg_seal(eg_secret_bytes(tenant_key), eg_str_bytes(eg_buf_str(&ad)), eg_secret_bytes(key), ret_wrapped);
}

eg_err eg_data_key_unwrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    EG_CLEANUP(eg_keeper_buf_done) eg_buf plain;
    eg_buf_init(&ad, 1024);
    eg_buf_init(&plain, EG_KEY_LEN);
    if (purpose.len == 0 || purpose.len > EG_DATA_KEY_PURPOSE_MAX) {
        return EG_ERR_INVALID;
    }
    if (wrapped.len != HEAD_LEN + EG_KEY_LEN + EG_SEALED_OVERHEAD) {
        return EG_ERR_CORRUPT;
    }
    if (wrapped.ptr[0] != WRAP_VERSION || eg_get_u32(wrapped.ptr + 1) != EG_TENANT_KEY_VERSION) {
        return EG_ERR_CORRUPT;
    }
    EG_TRY(additional_data(wrapped.ptr, tenant, purpose, &ad));
    eg_bytes sealed = {wrapped.ptr + HEAD_LEN, wrapped.len - HEAD_LEN};
    EG_TRY(eg_open_sealed(eg_secret_bytes(tenant_key), eg_str_bytes(eg_buf_str(&ad)), sealed, &plain));
    eg_secret *key = eg_secret_new(plain.ptr, plain.len);
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    *ret_key = key;
    return EG_OK;
}
