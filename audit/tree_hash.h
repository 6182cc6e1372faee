/* The Merkle tree of RFC 6962 section 2.1, kept as the unfinished tile of each level. */
#ifndef EG_AUDIT_TREE_HASH_H
#define EG_AUDIT_TREE_HASH_H

#include <embergate/crypto.h>

#define EG_TILE_WIDTH 256u
#define EG_TREE_LEVELS 8u

void eg_audit_leaf_hash(eg_bytes entry, uint8_t ret[EG_SHA256_LEN]);
/* Root of a subtree over n >= 1 hashes that lie one after another. */
void eg_audit_subtree_root(const uint8_t *hashes, size_t n, uint8_t ret[EG_SHA256_LEN]);

typedef struct eg_audit_tree {
    uint64_t size;                    /* leaves */
    uint8_t *level[EG_TREE_LEVELS];   /* the unfinished tile's hashes; NULL = none yet */
    /* Called when a tile has its 256 hashes, level 0 first. May be NULL. A failure leaves the tree unusable. */
    eg_err (*tile_full)(void *ctx, unsigned level, uint64_t index, const uint8_t *hashes);
    void *ctx;
} eg_audit_tree;

void eg_audit_tree_done(eg_audit_tree *t); /* frees the levels; {0} is harmless */
eg_err eg_audit_tree_push(eg_audit_tree *t, const uint8_t leaf[EG_SHA256_LEN]) EG_MUST_CHECK;
/* Sets the unfinished tile of one level, as read back from its file; the caller sets size. */
eg_err eg_audit_tree_restore(eg_audit_tree *t, unsigned level, eg_bytes hashes) EG_MUST_CHECK;
void eg_audit_tree_root(const eg_audit_tree *t, uint8_t ret[EG_SHA256_LEN]);

/* Hashes in the unfinished tile of a level, and that tile's number. */
static inline unsigned eg_audit_tree_width(uint64_t size, unsigned level) { return (unsigned)(size >> (8 * level) & 255); }
static inline uint64_t eg_audit_tree_index(uint64_t size, unsigned level) { return level >= 7 ? 0 : size >> (8 * (level + 1)); }

#endif
