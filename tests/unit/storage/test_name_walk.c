/* The order of whole names, against a sorted list of everything, on trees whose names are made to confuse it. covers: siblings.c */
#include "storage_fixture.h"

#include "name_walk.h"
#include "path_change.h"

#define NAMES_MAX 4000

typedef struct tree {
    char *names[NAMES_MAX];
    bool directory[NAMES_MAX];
    size_t n;
} tree;

static uint32_t seed;
static uint32_t dice(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static bool has(const tree *t, const char *name) {
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_name(tree *t, const char *name, bool directory) {
    if (!has(t, name) && t->n < NAMES_MAX) {
        t->names[t->n] = strdup(name);
        t->directory[t->n++] = directory;
    }
}

static eg_err make_all(eg_kv_txn *t, void *ctx, eg_problem *p) {
    for (eg_path_create *c = ctx; c->base.account; c++) {
        const eg_err e = eg_path_create_apply(t, c, p);
        EG_TRY(e == EG_ERR_PATH_EXISTS || e == EG_ERR_PATH_CONFLICT ? EG_OK : e);
    }
    return EG_OK;
}

/* Names of few letters around '/', some of them long, with beginnings in common. */
static void random_segment(char *ret, bool lengthy) {
    static const char letters[] = {'a', '-', '.', '0', '!', 'b'};
    size_t n = 0;
    if (lengthy && dice(3) == 0) {
        const size_t body = 398 + dice(5);
        memset(ret, 'L', body);
        n = body;
    }
    const size_t more = 1 + dice(4);
    for (size_t i = 0; i < more; i++) {
        ret[n++] = letters[dice(sizeof letters)];
    }
    ret[n] = '\0';
    if (strcmp(ret, ".") == 0 || strcmp(ret, "..") == 0) {
        strncpy(ret, "x", 2);
    }
}

static void build(store *s, tree *t, size_t count, bool lengthy) {
    eg_path_create *all = calloc(count + 1, sizeof *all);
    char **paths = calloc(count, sizeof *paths);
    for (size_t i = 0; i < count; i++) {
        char path[3000] = "";
        const size_t depth = 1 + dice(4);
        for (size_t k = 0; k < depth; k++) {
            char segment[500];
            random_segment(segment, lengthy);
            snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", k ? "/" : "", segment);
        }
        paths[i] = strdup(path);
        const bool directory = dice(4) == 0;
        all[i] = (eg_path_create){.base = {.account = store_account(s), .grant = &eg_grant_all, .container = EG_LIT(FS), .path = eg_str_of(paths[i])},
            .made = {.id = eg_id_new(), .kind = directory ? EG_KIND_DIRECTORY : EG_KIND_FILE}};
    }
    eg_problem p = {0};
    const eg_txn_op op = {make_all, all};
    assert_int_equal(eg_commit(s->committer, &op, 1, &p), EG_OK);
    /* What came of it: the owner of truth is the resolver. */
    eg_kv_txn *txn = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &txn), EG_OK);
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 1; n <= strlen(paths[i]); n++) {
            if (paths[i][n] != '/' && paths[i][n] != '\0') {
                continue;
            }
            char part[3000];
            snprintf(part, sizeof part, "%.*s", (int)n, paths[i]);
            eg_place place;
            assert_int_equal(eg_ns_resolve(txn, store_account(s), EG_LIT(FS), eg_str_of(part), &place), EG_OK);
            if (place.exists) {
                add_name(t, part, place.entry.kind == EG_KIND_DIRECTORY);
            }
        }
        free(paths[i]);
    }
    eg_kv_read_end(txn);
    free(paths);
    free(all);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* What a listing owes: names with the prefix, sorted; shallow: cut behind the first '/' after it, each once. */
static size_t owed(const tree *t, const char *prefix, bool shallow, char **ret) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        char name[3100];
        snprintf(name, sizeof name, "%s%s", t->names[i], t->directory[i] && shallow ? "/" : "");
        if (strncmp(name, prefix, strlen(prefix)) != 0 || (shallow && t->directory[i] && strcmp(name, prefix) == 0)) {
            continue; /* a directory doesn't begin with its own "name/" */
        }
        char *slash = strchr(name + strlen(prefix), '/');
        if (shallow && slash) {
            slash[1] = '\0';
        }
        ret[n++] = strdup(name);
    }
    qsort(ret, n, sizeof *ret, by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && strcmp(ret[kept - 1], ret[i]) == 0) {
            free(ret[i]);
        } else {
            ret[kept++] = ret[i];
        }
    }
    return kept;
}

typedef struct page {
    char **want;
    size_t at;
    size_t n;
    size_t left;
    char last[3100];
    bool last_beneath;
    bool stopped;
} page;

static eg_err take(void *ctx, eg_str name, const eg_entry *e, bool beneath, bool *ret_stop) {
    page *g = ctx;
    if (g->left == 0) {
        *ret_stop = g->stopped = true;
        return EG_OK;
    }
    g->left--;
    if (g->at >= g->n) {
        fail_msg("too many names: %.*s", EG_FMT(name));
    }
    char got[3100];
    snprintf(got, sizeof got, "%.*s%s", EG_FMT(name), beneath ? "/" : "");
    if (strcmp(got, g->want[g->at]) != 0) {
        fail_msg("name %zu is %s, owed %s", g->at, got, g->want[g->at]);
    }
    assert_true(!beneath || e->kind == EG_KIND_DIRECTORY);
    snprintf(g->last, sizeof g->last, "%.*s", EG_FMT(name));
    g->last_beneath = beneath;
    g->at++;
    return EG_OK;
}

/* Pages of random size, each in a transaction of its own, until the end. */
static void compare(store *s, const tree *t, const char *prefix, bool shallow) {
    char **want = calloc(t->n + 1, sizeof *want);
    page g = {.want = want};
    g.n = owed(t, prefix, shallow, want);
    eg_container c;
    do {
        eg_kv_txn *txn = NULL;
        assert_int_equal(eg_kv_read_begin(s->kv, &txn), EG_OK);
        assert_int_equal(eg_ns_container_get(txn, store_account(s), EG_LIT(FS), &c), EG_OK);
        g.left = 1 + dice(dice(4) ? 5 : 400);
        g.stopped = false;
        const eg_name_walk w = {.account = store_account(s), .grant = &eg_grant_all, .root = c.root, .prefix = eg_str_of(prefix), .shallow = shallow,
            .after = eg_str_of(g.last), .after_beneath = g.last_beneath, .each = take, .ctx = &g};
        assert_int_equal(eg_name_walk_run(txn, &w), EG_OK);
        eg_kv_read_end(txn);
    } while (g.stopped);
    assert_int_equal(g.at, g.n);
    for (size_t i = 0; i < g.n; i++) {
        free(want[i]);
    }
    free(want);
}

static void free_tree(tree *t) {
    for (size_t i = 0; i < t->n; i++) {
        free(t->names[i]);
    }
    free(t);
}

static void known(void **state) {
    store *s = *state;
    static const char *const files[] = {"/data/a-b", "/data/a/x", "/data/a/x-/y", "/data/a0", "/data/a-/c", "/data/a--/d", "/data/a./e"};
    static const char *const order[] = {"a", "a-", "a--", "a--/d", "a-/c", "a-b", "a.", "a./e", "a/x", "a/x-", "a/x-/y", "a0"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(store_create(s, files[i]), EG_OK);
    }
    tree *t = calloc(1, sizeof *t);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const bool directory = i == 0 || i == 1 || i == 2 || i == 6 || i == 9;
        add_name(t, order[i], directory);
    }
    char *want[20];
    assert_int_equal(owed(t, "", false, want), 12);
    for (size_t i = 0; i < 12; i++) {
        assert_string_equal(want[i], order[i]);
        free(want[i]);
    }
    static const char *const prefixes[] = {"", "a", "a-", "a/", "a/x", "a/x-/", "b", "a/x/", "/", "a//", "a-b/", "a0/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        compare(s, t, prefixes[i], false);
        compare(s, t, prefixes[i], true);
    }
    free_tree(t);
}

static void random_trees(void **state) {
    store *s = *state;
    const char *given = getenv("EG_SEED");
    seed = given ? (uint32_t)strtoul(given, NULL, 10) : 20261123;
    tree *t = calloc(1, sizeof *t);
    for (int round = 0; round < 3; round++) {
        build(s, t, 150, round > 0);
        compare(s, t, "", false);
        compare(s, t, "", true);
        for (int i = 0; i < 40; i++) {
            char prefix[3100];
            const char *name = t->names[dice((uint32_t)t->n)];
            snprintf(prefix, sizeof prefix, "%.*s%s", (int)dice((uint32_t)strlen(name) + 1), name, dice(3) ? "" : "/");
            compare(s, t, prefix, i % 2);
        }
    }
    free_tree(t);
}

/* More long names that begin alike than the window holds. */
static void long_names(void **state) {
    store *s = *state;
    seed = 7;
    enum { N = 700 };
    tree *t = calloc(1, sizeof *t);
    eg_path_create *all = calloc(N + 1, sizeof *all);
    for (size_t i = 0; i < N; i++) {
        char name[EG_NAME_MAX + 1];
        memset(name, 'p', 400);
        snprintf(name + 400, sizeof name - 400, "%c%06u%s", i % 3 ? '-' : 'q', (unsigned)(i * 7919 % 1000003), i % 5 ? "" : "-tail");
        add_name(t, name, i % 4 == 0);
        all[i] = (eg_path_create){.base = {.account = store_account(s), .grant = &eg_grant_all, .container = EG_LIT(FS), .path = eg_str_of(t->names[t->n - 1])},
            .made = {.id = eg_id_new(), .kind = i % 4 == 0 ? EG_KIND_DIRECTORY : EG_KIND_FILE}};
    }
    eg_problem p = {0};
    const eg_txn_op op = {make_all, all};
    assert_int_equal(eg_commit(s->committer, &op, 1, &p), EG_OK);
    free(all);
    char exact[401];
    memset(exact, 'p', 400);
    exact[400] = '\0';
    char path[600];
    snprintf(path, sizeof path, "/data/%s/inner", exact);
    assert_int_equal(store_create(s, path), EG_OK);
    add_name(t, exact, true);
    snprintf(path, sizeof path, "%s/inner", exact);
    add_name(t, path, false);
    compare(s, t, "", false);
    compare(s, t, "", true);
    compare(s, t, exact, false);
    free_tree(t);
}

/* What a page was to go on behind is deleted meanwhile. */
static eg_err first_only(void *ctx, eg_str name, const eg_entry *e, bool beneath, bool *ret_stop) {
    (void)e;
    (void)beneath;
    snprintf(ctx, 64, "%.*s", EG_FMT(name));
    *ret_stop = true;
    return EG_OK;
}

static void gone_meanwhile(void **state) {
    store *s = *state;
    assert_int_equal(store_create(s, "/data/a/x"), EG_OK);
    assert_int_equal(store_create(s, "/data/a-b"), EG_OK);
    assert_int_equal(store_create(s, "/data/b"), EG_OK);
    const struct {
        const char *after;
        bool beneath;
        const char *next;
    } cases[] = {{"a", false, "a-b"}, {"a", true, "b"}, {"a/w", false, "a/x"}, {"a/x", false, "b"}, {"a/x/gone/deep", false, "b"}, {"a-gone", false, "a/x"},
        {"a-b", false, "a/x"}, {"a-b/c", false, "a/x"}, {"0", false, "a"}, {"b", false, ""}, {"gone/x", false, ""}};
    eg_kv_txn *txn = NULL;
    eg_container c;
    assert_int_equal(eg_kv_read_begin(s->kv, &txn), EG_OK);
    assert_int_equal(eg_ns_container_get(txn, store_account(s), EG_LIT(FS), &c), EG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[64] = "";
        const eg_name_walk w = {.account = store_account(s), .grant = &eg_grant_all, .root = c.root, .after = eg_str_of(cases[i].after), .after_beneath = cases[i].beneath,
            .each = first_only, .ctx = got};
        assert_int_equal(eg_name_walk_run(txn, &w), EG_OK);
        assert_string_equal(got, cases[i].next);
    }
    eg_kv_read_end(txn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known, store_open, store_close),
        cmocka_unit_test_setup_teardown(random_trees, store_open, store_close),
        cmocka_unit_test_setup_teardown(long_names, store_open, store_close),
        cmocka_unit_test_setup_teardown(gone_meanwhile, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
