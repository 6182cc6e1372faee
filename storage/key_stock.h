/* Data keys for files that are yet to be made. */
#ifndef EG_STORAGE_KEY_STOCK_H
#define EG_STORAGE_KEY_STOCK_H

#include "store.h"

/* A key and the id of the one file that it is for: the keeper has bound it to that id. */
typedef struct eg_new_key {
    eg_id inode;
    eg_fresh_key key;
} eg_new_key;

eg_err eg_key_stock_new(const eg_keys *keys, const eg_clock *clock, eg_key_stock **ret) EG_MUST_CHECK;
void eg_key_stock_free(eg_key_stock *k);
/* Drops all that are in stock: a key got a new version, or was destroyed. */
void eg_key_stock_forget(eg_key_stock *k);
/* One that nobody else gets; its secret is the caller's. Blocks on the keeper when none is in stock, or, without `wait`, is EG_ERR_BUSY then. */
eg_err eg_key_stock_take(eg_key_stock *k, const eg_key_use *use, bool wait, eg_new_key *ret) EG_MUST_CHECK;

#endif
