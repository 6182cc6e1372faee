/* A store of policies in a directory of its own, with a clock that stands, and short ways to change it and to ask it. */
#ifndef EG_TEST_POLICY_STORE_BENCH_H
#define EG_TEST_POLICY_STORE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <embergate/policy_store.h>

#define SUB "5b7e4a6a-0000-4000-8000-000000000001"
#define SCOPE "/subscriptions/" SUB
#define OTHER_SUB "5b7e4a6a-0000-4000-8000-000000000002"
#define ALICE "a11ce000-0000-4000-8000-000000000001"
#define BOB "b0b00000-0000-4000-8000-000000000002"
#define CAROL "ca401000-0000-4000-8000-000000000003"
#define TENANT "c0ff0000-0000-4000-8000-000000000003"
#define OTHER "c0ff0000-0000-4000-8000-000000000004"

static char dir[40]; /* of the test that runs */
static int64_t now_ns;
static inline int64_t tell_wall(void *ctx) { (void)ctx; return now_ns; }
static const eg_clock hands = {tell_wall, tell_wall, NULL};
static const eg_policy_subscription subscriptions[] = {{{SUB, 36}, {TENANT, 36}}, {{OTHER_SUB, 36}, {OTHER, 36}}};

typedef struct bench {
    eg_kv *kv;
    eg_committer *committer;
    eg_policy_store *store;
} bench;

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static inline int make(void **state) {
    (void)state;
    now_ns = 1800000000 * (int64_t)1000000000;
    snprintf(dir, sizeof dir, "policy-store-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int drop(void **state) {
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline eg_policy_store_options options_of(const bench *b) {
    return (eg_policy_store_options){.kv = b->kv, .committer = b->committer, .clock = &hands, .subscriptions = subscriptions, .subscription_count = 2};
}

static inline void open_kv(bench *b) {
    eg_problem p = {0};
    eg_kv_options o = {.dir = dir, .map_size = 256u << 20};
    assert_int_equal(eg_kv_open(&o, &b->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(b->kv, &b->committer), EG_OK);
}

static inline void open_with(bench *b, const eg_policy_store_options *o) {
    eg_problem p = {0};
    assert_int_equal(eg_policy_store_open(o, &b->store, &p), EG_OK);
}

static inline void open_bench(bench *b) {
    open_kv(b);
    eg_policy_store_options o = options_of(b);
    open_with(b, &o);
}

static inline void close_bench(bench *b) {
    eg_policy_store_close(b->store);
    eg_committer_stop(b->committer);
    eg_kv_close(b->kv);
    *b = (bench){0};
}

static inline const char *assignment(char ret[1024], const char *name, const char *who, const char *role, const char *scope) {
    snprintf(ret, 1024, "{\"id\":\"%s/providers/Microsoft.Authorization/roleAssignments/%s\",\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\","
                        "\"scope\":\"%s\"}}", scope, name, name, role, who, scope);
    return ret;
}

static inline eg_principal person(const char *id) {
    eg_principal p = {.refs = 1, .kind = EG_PRINCIPAL_USER, .tenant = TENANT};
    snprintf(p.object_id, sizeof p.object_id, "%s", id);
    return p;
}

static inline eg_err put_as(bench *b, const eg_principal *author, const char *text, eg_policy_changed *ret) {
    eg_problem p = {0};
    const eg_policy_put put = {EG_POLICY_ASSIGNMENTS, eg_str_of(text), NULL};
    const eg_policy_change c = {.author = author, .by = "test", .ticket = EG_LIT("T-1"), .justification = EG_LIT("because"), .puts = &put, .put_count = 1};
    return eg_policy_store_change(b->store, &c, NULL, ret, &p);
}

static inline void grant(bench *b, const char *name, const char *who, const char *role) {
    char text[1024];
    eg_policy_changed done;
    assert_int_equal(put_as(b, NULL, assignment(text, name, who, role, SCOPE), &done), EG_OK);
    assert_int_equal(done.changes, 1);
}

static inline eg_err take_away(bench *b, const char *name, uint64_t expected) {
    char id[300];
    eg_problem p = {0};
    eg_policy_changed done;
    snprintf(id, sizeof id, SCOPE "/providers/microsoft.authorization/RoleAssignments/%s", name);
    const eg_policy_delete d = {EG_POLICY_ASSIGNMENTS, eg_str_of(id)};
    const eg_policy_change c = {.by = "test", .ticket = EG_LIT("T-2"), .justification = EG_LIT("gone"), .deletes = &d, .delete_count = 1, .expected_version = expected};
    return eg_policy_store_change(b->store, &c, NULL, &done, &p);
}

static inline bool may(eg_policy_store *s, const char *who, const char *action, bool data) {
    eg_principal person_ = person(who);
    eg_access a = {.who = &person_, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(action), .data_action = data, .scope = EG_LIT(SCOPE), .now_ns = now_ns};
    eg_decision d;
    eg_policy *pol = eg_policy_store_snapshot(s);
    eg_policy_decide(pol, &a, &d);
    eg_policy_unref(pol);
    return d.allowed;
}

static inline bool may_read(eg_policy_store *s, const char *who) { return may(s, who, "Microsoft.HDInsight/clusters/read", false); }

#endif
