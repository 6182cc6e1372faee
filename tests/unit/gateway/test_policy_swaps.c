/* Swaps of policies beside those who ask them, and beside a kill: each is decided by one whole version, and each version is whole. covers: policy_store.c */
#include "policy_store_bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

typedef struct readers {
    eg_policy_store *store;
    atomic_bool stop;
    unsigned mixed, asked;
} readers;

static void *keep_asking(void *arg) {
    readers *r = arg;
    const eg_principal alice = person(ALICE), bob = person(BOB);
    while (!atomic_load(&r->stop)) {
        eg_decision one, two;
        eg_access a = {.who = &alice, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT("Microsoft.HDInsight/clusters/read"), .scope = EG_LIT(SCOPE), .now_ns = 1};
        eg_policy *pol = eg_policy_store_snapshot(r->store);
        eg_policy_decide(pol, &a, &one);
        a.who = &bob;
        eg_policy_decide(pol, &a, &two);
        const uint64_t version = eg_policy_version(pol);
        eg_policy_unref(pol);
        r->mixed += one.allowed == two.allowed || one.policy_version != version || two.policy_version != version;
        r->asked++;
    }
    return NULL;
}

/* A policy that was replaced lasts for as long as somebody asks it, however many came after it, and is freed by the sweep, not by who asked last. */
static void replaced_ones_last(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    eg_policy *asked = eg_policy_store_snapshot(b.store);
    const uint64_t version = eg_policy_version(asked);
    for (int i = 0; i < 20; i++) { /* more than are kept for the sweep */
        grant(&b, "two", i % 2 ? ALICE : BOB, "Reader");
    }
    eg_policy_store_sweep(b.store);
    eg_policy_store_sweep(b.store);
    assert_int_equal(eg_policy_version(asked), version);
    assert_true(eg_policy_is_shared(asked)); /* the store still has it, and lets go of it last */
    eg_policy *last = eg_policy_ref(asked);
    eg_policy_unref(asked);
    assert_true(eg_policy_is_shared(last));
    eg_policy_unref(last);
    eg_policy_store_sweep(b.store);
    for (int i = 0; i < 3; i++) {
        grant(&b, "three", i % 2 ? BOB : ALICE, "Reader");
    }
    close_bench(&b);
}

/* A role, upon which all assignments are held against it, and a security group, upon which the networks are. */
static void put_role_and_group(bench *b, int turn) {
    char role[1024], group[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    snprintf(role, sizeof role, "{\"name\":\"11111111-1111-4111-8111-111111111111\",\"properties\":{\"roleName\":\"Turn\",\"type\":\"CustomRole\",\"description\":\"%d\","
                                "\"permissions\":[{\"actions\":[\"*/read\"]}],\"assignableScopes\":[\"" SCOPE "\"]}}", turn);
    snprintf(group, sizeof group, "{\"id\":\"" SCOPE "/resourceGroups/lab/providers/Microsoft.Network/networkSecurityGroups/g\",\"name\":\"g\",\"properties\":{\"securityRules\":[{\"name\":\"r\","
                                  "\"properties\":{\"priority\":%d,\"direction\":\"Inbound\",\"access\":\"Deny\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"192.0.2.1\",\"sourcePortRange\":\"*\","
                                  "\"destinationAddressPrefix\":\"*\",\"destinationPortRange\":\"443\"}}]}}", 100 + turn);
    const eg_policy_put puts[] = {{EG_POLICY_ROLES, eg_str_of(role), NULL}, {EG_POLICY_GROUPS, eg_str_of(group), NULL}};
    const eg_policy_change both = {.by = "test", .puts = puts, .put_count = 2}, one = {.by = "test", .puts = puts + 1, .put_count = 1};
    if (eg_policy_store_change(b->store, turn % 3 ? &both : &one, NULL, &done, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
}

static void digest_in_force(bench *b, uint8_t ret[EG_SHA256_LEN]) {
    eg_policy *pol = eg_policy_store_snapshot(b->store);
    eg_policy_digest(pol, ret);
    eg_policy_unref(pol);
}

static void swaps_never_mix(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    readers r[3] = {{.store = b.store}, {.store = b.store}, {.store = b.store}};
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &r[i]), 0);
    }
    for (int i = 0, turn = 0; i < 300; i++) { /* more than are made one upon the other before all is read again */
        if (i % 20 == 7) {
            put_role_and_group(&b, i);
        } else {
            grant(&b, "one", turn++ % 2 ? ALICE : BOB, "Reader");
        }
        if (i % 3 == 0) {
            eg_policy_store_sweep(b.store);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&r[i].stop, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(r[i].mixed, 0);
    }
    /* What was made change by change is what the documents say. */
    uint8_t changed[EG_SHA256_LEN], read[EG_SHA256_LEN];
    digest_in_force(&b, changed);
    close_bench(&b);
    open_bench(&b);
    digest_in_force(&b, read);
    assert_memory_equal(changed, read, sizeof read);
    close_bench(&b);
}

/* A child makes change after change and is killed; the next open has a whole version: the documents are those that its number stands for. */
static void a_kill_leaves_a_whole_version(void **state) {
    (void)state;
    for (int round = 0; round < 6; round++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bench b;
            open_bench(&b);
            for (;;) {
                char text[1024];
                eg_policy_changed done;
                const bool odd = eg_policy_store_version(b.store) % 2 == 1; /* version n: n odd = alice's, even = bob's */
                if (put_as(&b, NULL, assignment(text, "one", odd ? BOB : ALICE, "Reader", SCOPE), &done) != EG_OK) {
                    _exit(1);
                }
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000 + round * 7000000}, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        bench b;
        open_bench(&b);
        const uint64_t version = eg_policy_store_version(b.store);
        assert_int_equal(may_read(b.store, ALICE), version % 2 == 1);
        assert_int_equal(may_read(b.store, BOB), version > 0 && version % 2 == 0);
        EG_JSON_AUTO all = NULL;
        assert_int_equal(eg_policy_store_history(b.store, 0, 1000, &all), EG_OK);
        assert_int_equal(json_array_size(all), version < 1000 ? version : 1000);
        close_bench(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replaced_ones_last, make, drop),
        cmocka_unit_test_setup_teardown(swaps_never_mix, make, drop),
        cmocka_unit_test_setup_teardown(a_kill_leaves_a_whole_version, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
