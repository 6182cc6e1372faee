/* The keys of a keeper directory within the calling process. */
#include <embergate/keys.h>

#include "keeper_store.h"

#include <stdlib.h>

eg_err eg_keeper_open_local(const char *dir, eg_keys **ret, eg_problem *p) {
    eg_keys *keys = calloc(1, sizeof *keys);
    eg_keeper_store *store = NULL;
    eg_err e = keys ? eg_keeper_store_open(dir, &store, p) : EG_ERR_NO_MEMORY;
    if (e != EG_OK) {
        free(keys);
        return e;
    }
    *keys = eg_keeper_store_ops(store);
    *ret = keys;
    return EG_OK;
}

void eg_keeper_local_free(eg_keys *k) {
    if (k) {
        eg_keeper_store_close(k->ctx);
        free(k);
    }
}
