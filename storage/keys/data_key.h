/* Data keys wrapped under a tenant's key. */
#ifndef EG_STORAGE_KEYS_DATA_KEY_H
#define EG_STORAGE_KEYS_DATA_KEY_H

#include <embergate/keys.h>

#define EG_DATA_KEY_PURPOSE_MAX ((size_t)512)
#define EG_TENANT_KEY_VERSION 1u

/* tenant_key is the key of this tenant in version EG_TENANT_KEY_VERSION. ret_wrapped has EG_WRAPPED_KEY_MAX bytes. */
eg_err eg_data_key_wrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, const eg_secret *key, eg_buf *ret_wrapped) EG_MUST_CHECK;
/* EG_ERR_CORRUPT when it was tampered with, or wrapped for another tenant or purpose. */
eg_err eg_data_key_unwrap(const eg_secret *tenant_key, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) EG_MUST_CHECK;

#endif
