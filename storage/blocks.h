/* Blocks: pieces of a blob that were put aside before a list says in which order they make it (Put Block, Put Block List), and
 * the list that a committed blob was made from.
 *
 * A blob's uncommitted blocks have a *home*: a hidden file inode that no directory names, with a data key of its own. A
 * block's segment is owned by the home, as an append's is by its file, so encryption, rotation and reclaiming are the same. A
 * list shares the chosen segments with the blob's new inode (their keys are wrapped anew, no data moves) and leaves the home
 * to the reclaimer, with every block that wasn't chosen. A home that nobody put a block into for 7 days goes the same way.
 *
 *   fs.block       'h' ‖ container's root (16) ‖ SHA-256(path) (first 16)  →  home of a path
 *   fs.block       'b' ‖ home (16) ‖ block id (1 to 64)                    →  a block
 *   fs.block_list  inode (16) ‖ index (u32)                                →  a committed block
 */
#ifndef EG_STORAGE_BLOCKS_H
#define EG_STORAGE_BLOCKS_H

#include "content.h"

enum {
    EG_BLOCK_ID_MAX = 64,            /* bytes, decoded */
    EG_BLOCKS_UNCOMMITTED_MAX = 100000,
    EG_BLOCKS_COMMITTED_MAX = 50000,
};
#define EG_BLOCKS_KEPT_NS ((int64_t)7 * 86400 * 1000000000)

/* Whose blocks: of one name in a container, whether a blob of that name exists or not. */
typedef struct eg_blocks_of {
    const eg_account *account;
    eg_id container;                 /* its root's inode: eg_place.container.root */
    eg_str path;
} eg_blocks_of;

/* The home of uncommitted blocks. */
typedef struct eg_block_home {
    eg_id inode;
    uint32_t count;                  /* blocks */
    uint32_t id_len;                 /* all ids of a blob are of one length */
    int64_t touched_ns;              /* when the last block came */
    eg_str path;                     /* borrowed from the row */
} eg_block_home;
/* EG_ERR_NOT_FOUND: the name has no uncommitted blocks. The home's inode (for its key) is eg_ns_inode_get's. */
eg_err eg_block_home_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_block_home *ret) EG_MUST_CHECK;
eg_err eg_blocks_home(eg_kv_txn *t, const eg_blocks_of *b, eg_block_home *ret) EG_MUST_CHECK;

/* Puts one sealed block aside; one of the same id is replaced. A step of a transaction. */
typedef struct eg_block_put {
    eg_blocks_of of;
    eg_bytes id;
    eg_inode home;                   /* id, and attributes with the wrapped key: as it was found, or new */
    eg_segment_ref segment;          /* wrapped for home.id */
    int64_t now_ns;
    uint64_t boot;
} eg_block_put;
/* EG_ERR_BUSY: another home was made (or dropped) meanwhile, try again. EG_ERR_BLOCK_ID: ids of another length are there.
 * EG_ERR_BLOCK_COUNT. */
eg_err eg_block_put_apply(eg_kv_txn *t, void *put, eg_problem *p);

/* All blocks of a home, in the order of their ids. fn's error ends the walk and is returned. */
typedef struct eg_block {
    eg_bytes id;                     /* borrowed from the row */
    eg_id segment;
    uint64_t size;
    int64_t put_ns;
    uint64_t boot;                   /* a block isn't synced before it is committed: it doesn't outlive a boot */
} eg_block;
eg_err eg_blocks_each(eg_kv_txn *t, const eg_account *a, const eg_id *home, eg_err (*fn)(void *ctx, const eg_block *b), void *ctx) EG_MUST_CHECK;
eg_err eg_block_get(eg_kv_txn *t, const eg_account *a, const eg_id *home, eg_bytes id, eg_block *ret) EG_MUST_CHECK; /* EG_ERR_NOT_FOUND */
/* Names of a container that have uncommitted blocks, in no order. */
eg_err eg_blocks_each_home(eg_kv_txn *t, const eg_account *a, const eg_id *container,
    eg_err (*fn)(void *ctx, const eg_block_home *h), void *ctx) EG_MUST_CHECK;
/* Forgets the uncommitted blocks of a name; EG_OK when there are none. */
eg_err eg_blocks_drop(eg_kv_txn *t, const eg_blocks_of *b) EG_MUST_CHECK;
/* For the sweep: as eg_blocks_drop by the row's key, when nobody put a block since `before_ns`. */
eg_err eg_blocks_expire(eg_kv_txn *t, const eg_account *a, eg_bytes key, int64_t before_ns) EG_MUST_CHECK;

/* The list that a committed blob was made from. Blobs that came as a whole have none. */
typedef struct eg_listed_block {
    eg_bytes id;
    uint64_t offset;                 /* in the blob */
    uint64_t size;
} eg_listed_block;
eg_err eg_block_list_each(eg_kv_txn *t, const eg_account *a, const eg_id *inode,
    eg_err (*fn)(void *ctx, const eg_listed_block *b), void *ctx) EG_MUST_CHECK;
typedef struct eg_block_list_writer {
    eg_kv_txn *txn;
    const eg_account *account;
    eg_id inode;
    uint32_t count;
} eg_block_list_writer;
eg_err eg_block_list_add(eg_block_list_writer *w, const eg_listed_block *b) EG_MUST_CHECK;

/* What new content is made of, piece by piece. */
typedef enum eg_part_kind {
    EG_PART_NONE = 0,
    EG_PART_SEGMENT,                 /* what was just uploaded (upload.h), wrapped for the new inode */
    EG_PART_BLOCK,                   /* an uncommitted block, by id */
    EG_PART_RANGE,                   /* bytes of the file that stands there now, such as one of its committed blocks */
} eg_part_kind;
typedef struct eg_part {
    eg_part_kind kind;
    eg_bytes id;                     /* of the block; of a range: its name in the new list; len 0 = not listed */
    const eg_segment_ref *segment;
    eg_span range;
} eg_part;

/* Makes a file with new content, durably: the segments are synced, then one transaction makes the inode and its extents, puts
 * it in the place of what stood there (eg_path_create_apply), drops the name's uncommitted blocks, and runs `record`.
 * Put Blob is one EG_PART_SEGMENT, Put Block List any blocks and ranges in any order. count 0 makes an empty file. */
typedef struct eg_content_replace {
    eg_path_create create;           /* made: a new id, kind, attributes with the wrapped key; its content is filled in */
    eg_bytes key;                    /* made's data key */
    const eg_part *parts;
    size_t count;
    const eg_inode *current;         /* for ranges: the file as it was found; NULL = none */
    eg_bytes current_key;
    eg_id home;                      /* for blocks: as eg_blocks_home found it */
    eg_bytes home_key;
    bool keep_blocks;                /* leave the uncommitted blocks */
    uint64_t boot;
    eg_segment_at *plan;  /* private, as the rest */
    size_t plan_count;
    bool logged;
    eg_segment_store *segments;
    eg_segment_at one;
    eg_txn_op ops[2];
} eg_content_replace;
/* EG_ERR_BLOCK_LIST: a block isn't there (or of an earlier boot). EG_ERR_BUSY: the file or its blocks changed meanwhile, look
 * again. And what eg_path_create_apply refuses. */
eg_err eg_content_replace_run(eg_storage *s, eg_content_replace *r, const eg_txn_op *record, eg_problem *p) EG_MUST_CHECK;
/* The same without waiting, for content that is one packed segment or none: told as by eg_commit_start, with r and all that it names alive until then.
 * EG_ERR_BUSY for any other content. */
eg_err eg_content_replace_start(eg_storage *s, eg_content_replace *r, const eg_txn_op *record, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) EG_MUST_CHECK;

#endif
