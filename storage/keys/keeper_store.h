/* An opened keeper directory: the keys in memory, and what is done with them. */
#ifndef EG_STORAGE_KEYS_KEEPER_STORE_H
#define EG_STORAGE_KEYS_KEEPER_STORE_H

#include <embergate/keys.h>

typedef struct eg_keeper_store eg_keeper_store;

/* Refuses a directory that others can enter, and damaged files. A tenant's key is read when it is first asked for, so that
 * one damaged file is one tenant's trouble, and tenants can be added while the keeper runs. */
eg_err eg_keeper_store_open(const char *dir, eg_keeper_store **ret, eg_problem *p) EG_MUST_CHECK;
void eg_keeper_store_close(eg_keeper_store *s);
EG_DEFINE_CLEANUP(eg_keeper_store, eg_keeper_store_close)

/* The table of eg_keys over a store; all thread-safe. */
eg_keys eg_keeper_store_ops(eg_keeper_store *s);

#endif
