/* What is told about the keys of a tenant: names, versions, times and states; never a key. */
#ifndef EG_STORAGE_KEYS_KEY_LIST_H
#define EG_STORAGE_KEYS_KEY_LIST_H

#include "key_ring.h"

/* JSON text as eg_keys.list_keys gives it. EG_ERR_NOT_FOUND when there is no such tenant. */
eg_err eg_key_list(int dir_fd, const eg_secret *master, eg_str tenant, eg_buf *ret_json) EG_MUST_CHECK;

#endif
