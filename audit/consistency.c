/* Makes consistency proofs out of tiles: RFC 6962 section 2.1.2, with hashes of perfect subtrees read instead of computed. */
#include "consistency.h"

#include "tile_read.h"

typedef struct prover {
    int dir_fd;
    uint64_t there;
    eg_buf tile;
    eg_consistency *ret;
} prover;

static uint64_t largest_power_below(uint64_t n) {
    uint64_t k = 1;
    while (k < n - k) { /* 2k < n */
        k *= 2;
    }
    return k;
}

/* Of a perfect subtree over 2^height leaves from `first` on, which is a multiple of that: a few hashes of one tile. */
static eg_err perfect_hash(prover *v, uint64_t first, unsigned height, uint8_t ret[EG_SHA256_LEN]) {
    const unsigned level = height / 8;
    if (level >= EG_TREE_LEVELS) {
        return EG_ERR_LIMIT;
    }
    const size_t n = (size_t)1 << height % 8;
    const uint64_t at = first >> (8 * level);
    const unsigned from = (unsigned)(at % EG_TILE_WIDTH);
    EG_TRY(eg_tile_read(v->dir_fd, v->there, level, at / EG_TILE_WIDTH, from + (unsigned)n, &v->tile));
    eg_audit_subtree_root((const uint8_t *)v->tile.ptr + (size_t)from * EG_SHA256_LEN, n, ret);
    return EG_OK;
}

/* MTH(D[first:first+n]), n > 0, where `first` is a multiple of the largest power of two up to n. */
static eg_err range_hash(prover *v, uint64_t first, uint64_t n, uint8_t ret[EG_SHA256_LEN]) {
    if ((n & (n - 1)) == 0) {
        unsigned height = 0;
        while ((uint64_t)1 << height < n) {
            height++;
        }
        return perfect_hash(v, first, height, ret);
    }
    const uint64_t k = largest_power_below(n);
    uint8_t both[2 * EG_SHA256_LEN];
    EG_TRY(range_hash(v, first, k, both));
    EG_TRY(range_hash(v, first + k, n - k, both + EG_SHA256_LEN));
    eg_audit_subtree_root(both, 2, ret);
    return EG_OK;
}

static eg_err add(prover *v, uint64_t first, uint64_t n) {
    if (v->ret->count == EG_CONSISTENCY_MAX) {
        return EG_ERR_LIMIT;
    }
    return range_hash(v, first, n, v->ret->hashes[v->ret->count++]);
}

/* SUBPROOF(old, D[first:first+n], whole): depth is at most log2(n) + 1. */
static eg_err subproof(prover *v, uint64_t old, uint64_t first, uint64_t n, bool whole) {
    if (old == n) {
        return whole ? EG_OK : add(v, first, n);
    }
    const uint64_t k = largest_power_below(n);
    if (old <= k) {
        EG_TRY(subproof(v, old, first, k, whole));
        return add(v, first + k, n - k);
    }
    EG_TRY(subproof(v, old - k, first + k, n - k, false));
    return add(v, first, k);
}

eg_err eg_consistency_prove(int dir_fd, uint64_t there, uint64_t old, uint64_t size, eg_consistency *ret) {
    if (old == 0 || old > size || size > there) {
        return EG_ERR_INVALID;
    }
    prover v = {.dir_fd = dir_fd, .there = there, .ret = ret};
    eg_buf_init(&v.tile, (size_t)EG_TILE_WIDTH * EG_SHA256_LEN);
    ret->count = 0;
    const eg_err e = subproof(&v, old, 0, size, true);
    eg_buf_done(&v.tile);
    return e;
}
