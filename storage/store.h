/* What the files of this room share: ids, the open store and its accounts. */
#ifndef EG_STORAGE_STORE_H
#define EG_STORAGE_STORE_H

#include <embergate/crypto.h>
#include <embergate/storage.h>
#include <pthread.h>
#include <stdatomic.h>

/* Bounds. A segment of a path has at most 255 UTF-16 units in Azure: 765 bytes of UTF-8. */
enum {
    EG_NAME_MAX = 765,
    EG_PATH_MAX = 3072,
    EG_PATH_DEPTH_MAX = 128,
    EG_ACCOUNT_NAME_MAX = 63,
    EG_ACCOUNTS_MAX = 256,
    EG_STAGED_MAX = 50000,       /* appends between two flushes of a file, as many as Azure has blocks */
    EG_LIST_PAGE_MAX = 5000,
    EG_PACKED_MAX = 128 * 1024,  /* plain bytes of a segment that goes into a pack; larger ones have a file of their own */
};
#define EG_APPEND_MAX ((size_t)4000 * 1024 * 1024)
#define EG_PUT_BLOB_MAX ((size_t)5000 * 1024 * 1024) /* the largest request, and so the largest segment */
#define EG_FILE_MAX_DEFAULT ((uint64_t)5 << 40)
#define EG_FREE_MIN_DEFAULT ((uint64_t)256 << 20)

/* Of inodes, containers (the id of the root directory), segments and packs: 48 bits of time, in milliseconds, and 80 random
 * ones. What is made together lies together in the store, so a commit writes few pages. Nothing rests on their being secret. */
typedef struct eg_id {
    uint8_t b[16];
} eg_id;

static inline eg_bytes eg_id_bytes(const eg_id *id) { return (eg_bytes){id->b, sizeof id->b}; }
static inline bool eg_id_eq(const eg_id *a, const eg_id *b) { return memcmp(a->b, b->b, sizeof a->b) == 0; }
/* storage.c */
eg_id eg_id_new(void);

/* An account in use. Lives as long as the store. */
typedef struct eg_account {
    char name[EG_ACCOUNT_NAME_MAX + 1];
    char tenant[EG_ACCOUNT_NAME_MAX + 1];
    eg_secret *mac_key;          /* authenticates every row of this account */
    atomic_bool destroyed;       /* its tenant's keys were destroyed while it was open: everything answers EG_ERR_KEY_DESTROYED */
    int64_t retention_ns;        /* how long what was deleted is kept for undelete; 0 = not at all. Set before requests come */
    struct eg_stored_bounds *bounds; /* stored_bytes.h; NULL = none. Set before requests come */
    struct eg_account *next;
} eg_account;

/* For eg_storage_forward_ns. */
typedef struct eg_forward_clock {
    pthread_mutex_t lock;
    bool begun;
    int64_t last_ns;
    int64_t last_mono_ns;
} eg_forward_clock;
void eg_forward_clock_init(eg_forward_clock *c);
void eg_forward_clock_done(eg_forward_clock *c);

typedef struct eg_segment_store eg_segment_store;
typedef struct eg_key_cache eg_key_cache;
typedef struct eg_key_stock eg_key_stock;
typedef struct eg_readers eg_readers;
typedef struct eg_reclaim eg_reclaim;
typedef struct eg_rotation eg_rotation;

struct eg_storage {
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const eg_clock *clock;
    eg_usage_sink usage;
    eg_compliance_gate comply;
    const eg_account_rules *rules;
    size_t rule_count;
    struct eg_pool *pool;        /* of authentication; NULL until it was asked for */
    uint64_t max_file_bytes;
    uint64_t boot;               /* of which boot of the machine this process is */
    eg_forward_clock forward;
    pthread_mutex_t accounts_lock;
    eg_account *accounts;
    size_t account_count;
    eg_segment_store *segments;
    eg_key_cache *key_cache;
    eg_key_stock *key_stock;
    struct eg_writeback *writeback;
    eg_readers *readers;
    eg_reclaim *reclaim;
    eg_rotation *rotation;       /* NULL until it is started */
};

/* storage.c. The account with its key; EG_ERR_ACCOUNT_NOT_FOUND. Blocks on the keeper at the first use. */
eg_err eg_storage_account(eg_storage *s, eg_str name, const eg_account **ret) EG_MUST_CHECK;
/* Calls each for every account of the tenant ("" = of all), opened; those that can't be opened are left out. */
eg_err eg_storage_each_account(eg_storage *s, eg_str tenant, eg_err (*each)(void *ctx, const eg_account *a), void *ctx) EG_MUST_CHECK;
/* The same for those that are open already, destroyed ones too. */
eg_err eg_storage_each_account_loaded(eg_storage *s, eg_str tenant, eg_err (*each)(void *ctx, const eg_account *a), void *ctx) EG_MUST_CHECK;
/* What the keeper binds an account's MAC key to, and the row that holds it under another version. */
#define EG_ACCOUNT_PURPOSE_MAX 96
eg_str eg_storage_account_purpose(eg_str account, char buf[EG_ACCOUNT_PURPOSE_MAX]);
eg_err eg_storage_account_wrapped(eg_kv_txn *t, const eg_account *a, eg_bytes *ret) EG_MUST_CHECK;
eg_err eg_storage_account_rewrap(eg_kv_txn *t, const eg_account *a, eg_bytes wrapped) EG_MUST_CHECK;
/* The same without blocking: NULL when it isn't loaded yet. */
const eg_account *eg_storage_account_loaded(eg_storage *s, eg_str name);
/* Nanoseconds since 1970 by a clock that never goes back, even when the machine's does: for leases, expiry, retention. */
int64_t eg_storage_forward_ns(eg_storage *s);

#endif
