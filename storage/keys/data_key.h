/* Data keys wrapped under a tenant's key. */
#ifndef EG_STORAGE_KEYS_DATA_KEY_H
#define EG_STORAGE_KEYS_DATA_KEY_H

#include <embergate/keys.h>

#define EG_DATA_KEY_PURPOSE_MAX ((size_t)512)

/* What wraps: a version of a tenant's key. */
typedef struct eg_wrapping_key {
    const eg_secret *key;
    uint32_t version;
} eg_wrapping_key;

/* ret_wrapped has EG_WRAPPED_KEY_MAX bytes. */
eg_err eg_data_key_wrap(const eg_wrapping_key *under, const eg_key_use *use, const eg_secret *key, eg_buf *ret_wrapped) EG_MUST_CHECK;
/* tenant_key is the version that eg_wrapped_key_head names. EG_ERR_CORRUPT when it was tampered with, or wrapped for another tenant or purpose. */
eg_err eg_data_key_unwrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) EG_MUST_CHECK;

#endif
