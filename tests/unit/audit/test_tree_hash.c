/* Checks the tree against the roots that other Certificate Transparency implementations test with. */
#include "bench.h"

#include <embergate/encoding.h>

#include "tree_hash.h"

static const struct {
    const char *leaf; /* in hex */
    const char *root; /* of this leaf and those above */
} vectors[] = {
    {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

static void assert_root(const eg_audit_tree *t, const char *want) {
    uint8_t root[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    eg_audit_tree_root(t, root);
    eg_hex((eg_bytes){root, sizeof root}, hex);
    assert_string_equal(hex, want);
}

static void known_roots(void **state) {
    (void)state;
    eg_audit_tree t = {0};
    assert_root(&t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t leaf[32];
        uint8_t hash[EG_SHA256_LEN];
        size_t n = 0;
        assert_int_equal(eg_unhex(eg_str_of(vectors[i].leaf), leaf, sizeof leaf, &n), EG_OK);
        eg_audit_leaf_hash((eg_bytes){leaf, n}, hash);
        assert_int_equal(eg_audit_tree_push(&t, hash), EG_OK);
        assert_root(&t, vectors[i].root);
    }
    eg_audit_tree_done(&t);
}

/* The tiled tree has the root of the plain definition, across tile borders. */
static void equals_the_definition(void **state) {
    (void)state;
    enum { MOST = 1100 };
    uint8_t *hashes = malloc((size_t)MOST * EG_SHA256_LEN);
    eg_audit_tree t = {0};
    for (unsigned i = 0; i < MOST; i++) {
        uint8_t n[4];
        eg_put_u32(n, i);
        eg_audit_leaf_hash((eg_bytes){n, sizeof n}, hashes + (size_t)i * EG_SHA256_LEN);
        assert_int_equal(eg_audit_tree_push(&t, hashes + (size_t)i * EG_SHA256_LEN), EG_OK);
        uint8_t want[EG_SHA256_LEN];
        uint8_t root[EG_SHA256_LEN];
        eg_audit_subtree_root(hashes, i + 1, want);
        eg_audit_tree_root(&t, root);
        assert_memory_equal(root, want, sizeof root);
    }
    eg_audit_tree_done(&t);
    free(hashes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_roots), cmocka_unit_test(equals_the_definition)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
