/* The rows of the tree: containers, directory entries, inodes; and the walk along a path. All within a transaction. */
#ifndef EG_STORAGE_NAMESPACE_H
#define EG_STORAGE_NAMESPACE_H

#include "record.h"

typedef enum eg_kind {
    EG_KIND_NONE = 0,
    EG_KIND_FILE = 1,
    EG_KIND_DIRECTORY = 2,
} eg_kind;

/* Attributes of an inode that are text or bytes. The numbers are stored. */
typedef enum eg_attr {
    EG_ATTR_OWNER = 0,
    EG_ATTR_GROUP,
    EG_ATTR_ACL,               /* as it was set; "" = what the permissions say */
    EG_ATTR_PROPERTIES,        /* "name=base64,…" */
    EG_ATTR_WRAPPED_KEY,       /* of a file: its data key */
    EG_ATTR_TRANSACTION_ID,    /* x-ms-client-transaction-id of the last create or rename */
    EG_ATTR_CONTENT_TYPE,
    EG_ATTR_CONTENT_ENCODING,
    EG_ATTR_CONTENT_LANGUAGE,
    EG_ATTR_CONTENT_DISPOSITION,
    EG_ATTR_CACHE_CONTROL,
    EG_ATTR_CONTENT_MD5,
    EG_ATTR_LEASE,             /* of a file, directory or container; storage/lease.h has its layout */
    EG_ATTR_EXPIRES,           /* u64: nanoseconds since 1970 after which the file is gone */
    EG_ATTR_BLOB_KIND,         /* u8: 0 and absent = block blob (and any file of the Data Lake API), 1 = append blob */
    EG_ATTR_COPY,              /* what the last copy onto it was: id, source, progress */
    EG_ATTR_CUSTOMER_KEY,      /* SHA-256 of the customer-provided key that wraps the data key */
    EG_ATTR_ENCRYPTION_SCOPE,  /* its name: the scope's key wraps the data key */
    EG_ATTR_ENCRYPTION_CONTEXT,
    EG_ATTR_SNAPSHOT,          /* of a snapshot: whose, and of when */
    EG_ATTR_ACCESS_POLICIES = 22, /* of a container's root: stored access policies */
    EG_ATTR_LAST_FLUSH,        /* of a file: change counter after its last flush (u64), length before it (u64) */
    EG_ATTR_COUNT
} eg_attr;

#define EG_ATTR_MAX 4096           /* bytes of one attribute, as long as a header may be */
#define EG_PROPERTIES_MAX 14000    /* of EG_ATTR_PROPERTIES: 8 KiB of metadata in base64 */
#define EG_INODE_ROW_MAX 32768
/* Bytes of all that HEAD and GET say of a path: with what else stands there it must fit the head of an answer, 16 KiB (gateway/door/door_limits.h). */
#define EG_SHOWN_MAX ((size_t)13 << 10)

typedef struct eg_inode {
    eg_id id;
    eg_kind kind;
    uint64_t change;           /* counts changes of content and attributes; with the id it is the ETag */
    int64_t created_ns;
    int64_t modified_ns;
    uint64_t length;           /* flushed bytes */
    uint64_t extents;          /* rows in fs.extent */
    uint8_t digest[EG_SHA256_LEN]; /* running: SHA-256(digest before ‖ extent row) */
    uint32_t staged;           /* rows in fs.staged */
    uint16_t mode;             /* rwxrwxrwx and the sticky bit, 01777 */
    eg_bytes attr[EG_ATTR_COUNT]; /* borrowed: from the row, or the request */
    const eg_secret *customer_key; /* never stored: the customer-provided key that came with the request; borrowed, NULL = none */
} eg_inode;

typedef struct eg_entry {
    eg_kind kind;
    eg_id child;
} eg_entry;

typedef struct eg_container {
    eg_id root;                /* inode of its root directory */
    int64_t created_ns;
    uint16_t longest;          /* bytes and names that no path in it has more of; storage/path_bounds.h */
    uint16_t deepest;
} eg_container;

#define EG_CONTAINER_KEY_MAX (2 + EG_ACCOUNT_NAME_MAX + 1 + 63)

/* Containers, in fs.account under "c/{account}/{container}". EG_ERR_FILESYSTEM_NOT_FOUND. */
size_t eg_ns_container_key(const eg_account *a, eg_str name, uint8_t ret[EG_CONTAINER_KEY_MAX]);
eg_err eg_ns_container_get(eg_kv_txn *t, const eg_account *a, eg_str name, eg_container *ret) EG_MUST_CHECK;
eg_err eg_ns_container_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_container *ret) EG_MUST_CHECK;
eg_err eg_ns_container_put(eg_kv_txn *t, const eg_account *a, eg_str name, const eg_container *c) EG_MUST_CHECK;
/* 3 to 63 of a-z, 0-9 and single hyphens, or "$root", "$web", "$logs" as Azure has them. */
bool eg_ns_container_name_ok(eg_str name);

/* Directory entries. EG_ERR_NOT_FOUND. A longer name is keyed by this many bytes of it, 0xFF (which no UTF-8 has) and its digest; the row
 * holds it whole. So rows are in the order of names, but for longer names that begin alike. */
#define EG_NS_NAME_IN_KEY 400
size_t eg_ns_entry_key(const eg_id *parent, eg_str name, uint8_t ret[EG_KV_KEY_MAX]);
eg_err eg_ns_entry_get(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, eg_entry *ret) EG_MUST_CHECK;
eg_err eg_ns_entry_put(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, const eg_entry *e) EG_MUST_CHECK;
eg_err eg_ns_entry_del(eg_kv_txn *t, const eg_id *parent, eg_str name) EG_MUST_CHECK;
/* A row that a cursor gave; the name is borrowed from it. EG_ERR_NOT_FOUND when it belongs to another directory. */
eg_err eg_ns_entry_decode(const eg_account *a, const eg_id *parent, eg_bytes key, eg_bytes value, eg_str *ret_name, eg_entry *ret) EG_MUST_CHECK;
eg_err eg_ns_empty(eg_kv_txn *t, const eg_id *directory, bool *ret) EG_MUST_CHECK;

/* Inodes. A missing one is EG_ERR_CORRUPT: somebody named it. Attributes are borrowed from the transaction. */
eg_err eg_ns_inode_get(eg_kv_txn *t, const eg_account *a, const eg_id *id, eg_inode *ret) EG_MUST_CHECK;
eg_err eg_ns_inode_put(eg_kv_txn *t, const eg_account *a, const eg_inode *i) EG_MUST_CHECK;
/* Bytes of its attributes that are told as headers; and whether a client's change leaves them bounded: EG_ERR_METADATA_TOO_LARGE. */
size_t eg_ns_inode_shown(const eg_inode *i);
eg_err eg_ns_inode_check_shown(const eg_inode *i) EG_MUST_CHECK;
/* EG_ATTR_EXPIRES: the file's time is over at `forward_ns`. */
bool eg_ns_inode_expired(const eg_inode *i, int64_t forward_ns);
/* Attributes copied into the arena, so that they outlive the transaction. */
eg_err eg_ns_inode_keep(eg_inode *i, eg_arena *arena) EG_MUST_CHECK;

/* Where a path leads. */
typedef struct eg_place {
    eg_container container;
    bool root;                 /* the path is "" */
    bool exists;
    bool blocked;              /* an ancestor is a file */
    bool expired;              /* a file stands there whose time is over: `entry` is its, and it doesn't exist */
    bool parent_exists;
    eg_id parent;              /* of the last name; or the deepest directory that is there */
    eg_str name;               /* last name */
    eg_str missing;            /* from the first name that isn't there, on */
    eg_entry entry;            /* when it exists; also of the root */
} eg_place;

/* EG_ERR_FILESYSTEM_NOT_FOUND; everything else is said in *ret. `path` has no slash at either end and was checked. */
eg_err eg_ns_resolve(eg_kv_txn *t, const eg_account *a, eg_str container, eg_str path, eg_place *ret) EG_MUST_CHECK;
/* Bounds of a path: length, depth, names, "." and ".."; EG_ERR_PATH_INVALID. */
eg_err eg_ns_path_check(eg_str path, eg_problem *p) EG_MUST_CHECK;

/* Puts what was cut off the tree into the reclaimer's queue. */
typedef enum eg_orphan_kind {
    EG_ORPHAN_INODE = 1,       /* a file or a directory with all beneath it */
    EG_ORPHAN_SEGMENT = 2,
} eg_orphan_kind;
eg_err eg_ns_orphan_put(eg_kv_txn *t, const eg_account *a, eg_orphan_kind kind, const eg_id *id) EG_MUST_CHECK;

/* "0x" and hex digits of (inode, change): the ETag without its quotes. */
#define EG_ETAG_LEN 35
void eg_ns_etag(const eg_inode *i, char ret[EG_ETAG_LEN]);

#endif
