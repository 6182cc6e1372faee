/* The Merkle tree of RFC 6962: leaf and node hashes, tiles that fill, the root of what there is. */
#include "tree_hash.h"

#include <assert.h>
#include <stdlib.h>

void eg_audit_leaf_hash(eg_bytes entry, uint8_t ret[EG_SHA256_LEN]) {
    static const uint8_t prefix[1] = {0x00};
    const eg_bytes in[2] = {{prefix, 1}, entry};
    eg_sha256_v(in, 2, ret);
}

static void node_hash(const uint8_t *left, const uint8_t *right, uint8_t *ret) {
    uint8_t in[1 + 2 * EG_SHA256_LEN];
    in[0] = 0x01;
    memcpy(in + 1, left, EG_SHA256_LEN);
    memcpy(in + 1 + EG_SHA256_LEN, right, EG_SHA256_LEN);
    eg_sha256((eg_bytes){in, sizeof in}, ret);
}

/* Depth is at most log2(n) + 1. */
void eg_audit_subtree_root(const uint8_t *hashes, size_t n, uint8_t ret[EG_SHA256_LEN]) {
    assert(n > 0);
    if (n == 1) {
        memcpy(ret, hashes, EG_SHA256_LEN);
        return;
    }
    size_t k = 1; /* RFC 6962: the largest power of two smaller than n */
    while (2 * k < n) {
        k *= 2;
    }
    uint8_t left[EG_SHA256_LEN];
    uint8_t right[EG_SHA256_LEN];
    eg_audit_subtree_root(hashes, k, left);
    eg_audit_subtree_root(hashes + EG_SHA256_LEN * k, n - k, right);
    node_hash(left, right, ret);
}

void eg_audit_tree_done(eg_audit_tree *t) {
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        free(t->level[l]);
        t->level[l] = NULL;
    }
}

static eg_err need_level(eg_audit_tree *t, unsigned level) {
    if (!t->level[level]) {
        t->level[level] = malloc((size_t)EG_TILE_WIDTH * EG_SHA256_LEN);
    }
    return t->level[level] ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_audit_tree_push(eg_audit_tree *t, const uint8_t leaf[EG_SHA256_LEN]) {
    uint8_t hash[EG_SHA256_LEN];
    memcpy(hash, leaf, sizeof hash);
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        unsigned at = eg_audit_tree_width(t->size, l);
        EG_TRY(need_level(t, l));
        memcpy(t->level[l] + (size_t)at * EG_SHA256_LEN, hash, sizeof hash);
        if (at < EG_TILE_WIDTH - 1) {
            break;
        }
        if (t->tile_full) {
            EG_TRY(t->tile_full(t->ctx, l, eg_audit_tree_index(t->size, l), t->level[l]));
        }
        eg_audit_subtree_root(t->level[l], EG_TILE_WIDTH, hash);
    }
    t->size++;
    return EG_OK;
}

eg_err eg_audit_tree_restore(eg_audit_tree *t, unsigned level, eg_bytes hashes) {
    assert(level < EG_TREE_LEVELS && hashes.len < (size_t)EG_TILE_WIDTH * EG_SHA256_LEN);
    EG_TRY(need_level(t, level));
    memcpy(t->level[level], hashes.ptr, hashes.len);
    return EG_OK;
}

/* Right to left: each level's unfinished tile is a row of perfect subtrees, the smallest at the right end. */
void eg_audit_tree_root(const eg_audit_tree *t, uint8_t ret[EG_SHA256_LEN]) {
    if (t->size == 0) {
        eg_sha256((eg_bytes){NULL, 0}, ret);
        return;
    }
    bool have = false;
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        size_t at = eg_audit_tree_width(t->size, l);
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t n = (size_t)1 << bit;
            if (!(eg_audit_tree_width(t->size, l) & n)) {
                continue;
            }
            at -= n;
            uint8_t part[EG_SHA256_LEN];
            eg_audit_subtree_root(t->level[l] + at * EG_SHA256_LEN, n, part);
            if (have) {
                node_hash(part, ret, ret);
            } else {
                memcpy(ret, part, sizeof part);
                have = true;
            }
        }
    }
}
