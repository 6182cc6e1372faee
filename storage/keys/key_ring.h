/* A tenant's key with all its versions, and the file it is kept in. docs/KEYS.md is the format. */
#ifndef EG_STORAGE_KEYS_KEY_RING_H
#define EG_STORAGE_KEYS_KEY_RING_H

#include "keeper_file.h"

#include <embergate/keys.h>

#define EG_KEY_VERSIONS_MAX 128u

typedef enum eg_key_state {
    EG_KEY_STATE_NONE = 0,
    EG_KEY_IN_USE = 1,
    EG_KEY_RETIRED = 2,      /* opens what was wrapped before, such as a restored backup; no row of the store needs it */
} eg_key_state;

typedef struct eg_key_version {
    uint32_t number;
    int64_t created_ns;      /* 0 = before times were kept */
    eg_key_state state;
    eg_secret *key;
} eg_key_version;

typedef struct eg_key_ring {
    char tenant[EG_UUID_LEN];
    char name[EG_KEY_NAME_MAX + 1];  /* "" = the tenant's own */
    size_t count;                    /* at least 1; the last one wraps */
    eg_key_version versions[EG_KEY_VERSIONS_MAX];
    struct eg_key_ring *next;        /* the keeper's list */
} eg_key_ring;

/* "" or 1 to EG_KEY_NAME_MAX of a-z, 0-9, '-' and at most one '.', which don't stand at an end. */
bool eg_key_name_ok(eg_str name);

/* One version, made now. */
eg_err eg_key_ring_new(eg_str tenant, eg_str name, int64_t now_ns, eg_key_ring **ret) EG_MUST_CHECK;
void eg_key_ring_free(eg_key_ring *r);
EG_DEFINE_CLEANUP(eg_key_ring, eg_key_ring_free)
/* Adds a version, which wraps from now on. EG_ERR_LIMIT. */
eg_err eg_key_ring_rotate(eg_key_ring *r, int64_t now_ns) EG_MUST_CHECK;
const eg_key_version *eg_key_ring_current(const eg_key_ring *r);
/* EG_ERR_CORRUPT when there is none of this number. */
eg_err eg_key_ring_find(const eg_key_ring *r, uint32_t number, const eg_key_version **ret) EG_MUST_CHECK;

/* EG_ERR_NOT_FOUND, EG_ERR_KEY_DESTROYED, EG_ERR_CORRUPT, EG_ERR_INVALID for what can't be a tenant or a name. */
eg_err eg_key_ring_read(int dir_fd, const eg_secret *master, eg_str tenant, eg_str name, eg_key_ring **ret) EG_MUST_CHECK;
eg_err eg_key_ring_write(int dir_fd, const eg_secret *master, const eg_key_ring *r, eg_problem *p) EG_MUST_CHECK;
bool eg_key_ring_exists(int dir_fd, eg_str tenant, eg_str name);

/* The names of a tenant's keys, sorted, "" first; calls each until it fails. */
eg_err eg_key_ring_each(int dir_fd, eg_str tenant, eg_err (*each)(void *ctx, eg_str name), void *ctx) EG_MUST_CHECK;
/* Overwrites and syncs every key file of the tenant. The tenant's own becomes a mark that says "destroyed" and comes first, so that a crash
 * in between leaves nothing that opens; done again it finishes. */
eg_err eg_key_ring_destroy(int dir_fd, eg_str tenant, eg_problem *p) EG_MUST_CHECK;

#endif
