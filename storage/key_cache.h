/* Data keys of files, unwrapped, kept for a short while so that reads don't ask the keeper each time. */
#ifndef EG_STORAGE_KEY_CACHE_H
#define EG_STORAGE_KEY_CACHE_H

#include "store.h"

/* A key in use; shared, freed when its last user and the cache let go. */
typedef struct eg_file_key eg_file_key;
eg_bytes eg_file_key_bytes(const eg_file_key *k);
/* One that isn't in the cache. Takes the secret, also on failure. */
eg_err eg_file_key_new(eg_secret *taken, eg_file_key **ret) EG_MUST_CHECK;
void eg_file_key_unref(eg_file_key *k);
EG_DEFINE_CLEANUP(eg_file_key, eg_file_key_unref)

eg_err eg_key_cache_new(const eg_keys *keys, const eg_clock *clock, eg_key_cache **ret) EG_MUST_CHECK;
void eg_key_cache_free(eg_key_cache *c);
/* Lets go of all keys. Who uses one keeps it until done. */
void eg_key_cache_clear(eg_key_cache *c);
/* The key of a file that is being made. Takes the secret, also on failure. */
eg_err eg_key_cache_keep(eg_key_cache *c, const eg_id *inode, eg_bytes wrapped, eg_secret *taken) EG_MUST_CHECK;
/* What the keeper binds the data key of a file to. */
#define EG_FILE_PURPOSE_MAX 40
eg_str eg_file_key_purpose(const eg_id *inode, char buf[EG_FILE_PURPOSE_MAX]);
/* The key if it is here, else NULL. Never blocks. */
eg_file_key *eg_key_cache_peek(eg_key_cache *c, const eg_id *inode, eg_bytes wrapped);
/* Blocks on the keeper when the key isn't here. */
eg_err eg_key_cache_get(eg_key_cache *c, eg_str tenant, const eg_id *inode, eg_bytes wrapped, eg_file_key **ret) EG_MUST_CHECK;

#endif
