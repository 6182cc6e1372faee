/* Wraps data keys under a version of a tenant's key, bound to the tenant, the key's name and what the data key is for. */
#include "data_key.h"

#include "keeper_file.h"

#define WRAP_OWN 1     /* under the tenant's own key */
#define WRAP_NAMED 2   /* under a named one: its name stands in the head */
#define HEAD_MAX (6 + EG_KEY_NAME_MAX)

/* The head and both names with their lengths, so that no two pairs of names give the same bytes. */
static eg_err additional_data(eg_bytes head, eg_str tenant, eg_str purpose, eg_buf *ret) {
    uint8_t n[4];
    eg_buf_adds(ret, "embergate data key");
    eg_buf_add(ret, head.ptr, head.len);
    eg_put_u32(n, (uint32_t)tenant.len);
    eg_buf_add(ret, n, sizeof n);
    eg_buf_add(ret, tenant.ptr, tenant.len);
    eg_put_u32(n, (uint32_t)purpose.len);
    eg_buf_add(ret, n, sizeof n);
    return eg_buf_add(ret, purpose.ptr, purpose.len);
}

static size_t make_head(uint32_t version, eg_str name, uint8_t ret[HEAD_MAX]) {
    ret[0] = name.len ? WRAP_NAMED : WRAP_OWN;
    eg_put_u32(ret + 1, version);
    if (name.len == 0) {
        return 5;
    }
    ret[5] = (uint8_t)name.len;
    memcpy(ret + 6, name.ptr, name.len);
    return 6 + name.len;
}

eg_err eg_data_key_wrap(const eg_wrapping_key *under, const eg_key_use *use, const eg_secret *key, eg_buf *ret_wrapped) {
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    eg_buf_init(&ad, 1024);
    uint8_t head[HEAD_MAX];
    if (use->purpose.len == 0 || use->purpose.len > EG_DATA_KEY_PURPOSE_MAX || use->key.len > EG_KEY_NAME_MAX) {
        return EG_ERR_INVALID;
    }
    const size_t n = make_head(under->version, use->key, head);
    EG_TRY(additional_data((eg_bytes){head, n}, use->tenant, use->purpose, &ad));
    eg_buf_add(ret_wrapped, head, n);
    return eg_seal(eg_secret_bytes(under->key), eg_buf_bytes(&ad), eg_secret_bytes(key), ret_wrapped);
}

eg_err eg_data_key_unwrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    EG_CLEANUP(eg_keeper_buf_done) eg_buf plain;
    eg_buf_init(&ad, 1024);
    eg_buf_init(&plain, EG_KEY_LEN);
    eg_str name;
    uint32_t version;
    if (purpose.len == 0 || purpose.len > EG_DATA_KEY_PURPOSE_MAX) {
        return EG_ERR_INVALID;
    }
    if (!eg_wrapped_key_head(wrapped, &name, &version)) {
        return EG_ERR_CORRUPT;
    }
    const size_t head = wrapped.ptr[0] == WRAP_OWN ? 5 : 6 + name.len;
    if (wrapped.len != head + EG_KEY_LEN + EG_SEALED_OVERHEAD) {
        return EG_ERR_CORRUPT;
    }
    EG_TRY(additional_data((eg_bytes){wrapped.ptr, head}, tenant, purpose, &ad));
    EG_TRY(eg_open_sealed(eg_secret_bytes(tenant_key), eg_buf_bytes(&ad), (eg_bytes){wrapped.ptr + head, wrapped.len - head}, &plain));
    eg_secret *key = eg_secret_new(plain.ptr, plain.len);
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    *ret_key = key;
    return EG_OK;
}
