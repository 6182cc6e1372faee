/* Checks consistency proofs by the verifier of RFC 9162 section 2.1.4.2, for every pair of small sizes and across the borders of tiles. */
#include "made_log.h"

#include "consistency.h"

static void node(const uint8_t *l, const uint8_t *r, uint8_t *ret) {
    uint8_t both[2 * EG_SHA256_LEN];
    memcpy(both, l, EG_SHA256_LEN);
    memcpy(both + EG_SHA256_LEN, r, EG_SHA256_LEN);
    eg_audit_subtree_root(both, 2, ret);
}

/* RFC 9162 section 2.1.4.2, step by step. */
static bool proves(uint64_t first, uint64_t second, const uint8_t *first_root, const uint8_t *second_root, const eg_consistency *proof) {
    uint8_t fr[EG_SHA256_LEN], sr[EG_SHA256_LEN];
    size_t at = 0;
    if (first == second) {
        return proof->count == 0 && memcmp(first_root, second_root, EG_SHA256_LEN) == 0;
    }
    const bool power = (first & (first - 1)) == 0;
    if (!power && proof->count == 0) {
        return false;
    }
    memcpy(fr, power ? first_root : proof->hashes[at++], sizeof fr);
    memcpy(sr, fr, sizeof sr);
    uint64_t fn = first - 1, sn = second - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; at < proof->count; at++) {
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) || fn == sn) {
            node(proof->hashes[at], fr, fr);
            node(proof->hashes[at], sr, sr);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            node(sr, proof->hashes[at], sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(fr, first_root, sizeof fr) == 0 && memcmp(sr, second_root, sizeof sr) == 0;
}

typedef struct world {
    int dir;
    uint64_t size;
    uint8_t *roots; /* of each size from 0 on */
} world;

static world make(const char *where, uint64_t size) {
    char dir[64];
    world w = {.size = size, .roots = malloc((size + 1) * EG_SHA256_LEN)};
    eg_audit_tree t = {0};
    assert_non_null(w.roots);
    snprintf(dir, sizeof dir, "%s/%llu", where, (unsigned long long)size);
    made_log(dir, size);
    for (uint64_t i = 0;; i++) {
        char line[64];
        uint8_t leaf[EG_SHA256_LEN];
        eg_audit_tree_root(&t, w.roots + i * EG_SHA256_LEN);
        if (i == size) {
            break;
        }
        const int n = snprintf(line, sizeof line, "{\"n\":%llu}", (unsigned long long)i);
        eg_audit_leaf_hash((eg_bytes){(uint8_t *)line, (size_t)n}, leaf);
        assert_int_equal(eg_audit_tree_push(&t, leaf), EG_OK);
    }
    eg_audit_tree_done(&t);
    w.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(w.dir >= 0);
    return w;
}

static void drop(world *w) {
    close(w->dir);
    free(w->roots);
}

static bool holds(const world *w, uint64_t old, uint64_t size) {
    eg_consistency proof;
    assert_int_equal(eg_consistency_prove(w->dir, w->size, old, size, &proof), EG_OK);
    return proves(old, size, w->roots + old * EG_SHA256_LEN, w->roots + size * EG_SHA256_LEN, &proof);
}

static void every_pair_of_small_sizes(void **state) {
    world w = make(*state, 70);
    for (uint64_t size = 1; size <= w.size; size++) {
        for (uint64_t old = 1; old <= size; old++) {
            assert_true(holds(&w, old, size));
        }
    }
    drop(&w);
}

static void across_tiles(void **state) {
    static const uint64_t sizes[] = {1, 2, 3, 127, 128, 255, 256, 257, 300, 511, 512, 513, 4095, 4097, 65535, 65536, 65537, 65800, 66000};
    enum { N = sizeof sizes / sizeof sizes[0] };
    world w = make(*state, 66000);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j <= i; j++) {
            assert_true(holds(&w, sizes[j], sizes[i]));
        }
    }
    drop(&w);
}

static void what_is_no_proof(void **state) {
    world w = make(*state, 300);
    eg_consistency proof;
    assert_int_equal(eg_consistency_prove(w.dir, w.size, 100, 300, &proof), EG_OK);
    proof.hashes[1][5] ^= 1;
    assert_false(proves(100, 300, w.roots + (size_t)100 * EG_SHA256_LEN, w.roots + (size_t)300 * EG_SHA256_LEN, &proof));
    static const uint64_t wrong[][3] = {{300, 0, 300}, {300, 301, 300}, {300, 100, 301}, {300, 5, 4}}; /* there, old, size */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(eg_consistency_prove(w.dir, wrong[i][0], wrong[i][1], wrong[i][2], &proof), EG_ERR_INVALID);
    }
    assert_int_equal(eg_consistency_prove(w.dir, 400, 100, 399, &proof), EG_ERR_NOT_FOUND); /* said to be larger than it is */
    drop(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_pair_of_small_sizes, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(across_tiles, made_dir, made_remove),
        cmocka_unit_test_setup_teardown(what_is_no_proof, made_dir, made_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
