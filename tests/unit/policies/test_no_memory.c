/* No decision takes memory: the sanitizer counts every allocation of the process while each kind of question is asked. */
#include <stdio.h>
#include <stdlib.h>

#include "random_policies.h"

typedef void (*malloc_hook)(const volatile void *p, size_t n);
typedef void (*free_hook)(const volatile void *p);
extern int __sanitizer_install_malloc_and_free_hooks(malloc_hook on_malloc, free_hook on_free) __attribute__((weak));

static unsigned taken;
static bool counting;

static void on_malloc(const volatile void *p, size_t n) {
    (void)p;
    (void)n;
    taken += counting;
}

static void on_free(const volatile void *p) { (void)p; }

static bool decide(void *ctx, const eg_access *a) {
    eg_decision d;
    counting = true;
    eg_policy_decide(ctx, a, &d);
    counting = false;
    return false;
}

static bool decide_flow(void *ctx, const eg_flow *f) {
    eg_decision d;
    counting = true;
    eg_policy_network(ctx, f, &d);
    counting = false;
    return false;
}

static bool decide_account(void *ctx, const eg_account_flow *f) {
    eg_decision d;
    counting = true;
    eg_policy_account_network(ctx, f, &d);
    counting = false;
    return false;
}

static void no_decision_takes_memory(void **state) {
    (void)state;
    if (!__sanitizer_install_malloc_and_free_hooks || __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) == 0) {
        skip();
    }
    counting = true;
    free(eg_principal_new()); /* what is counted is really counted */
    counting = false;
    assert_true(taken > 0);
    taken = 0;
    seeded("no memory");
    for (unsigned round = 0; round < 10; round++) {
        documents d;
        documents_new(&d);
        for (unsigned i = 0; i < 20; i++) {
            random_assignment(&d, SUB);
        }
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            random_deny(&d, SUB);
        }
        random_network(&d, round * 8, true); /* from some rules on they are indexed */
        random_account(&d);
        eg_policy *pol = made_of(&d);
        for (unsigned i = 0; i < PERSONS; i++) {
            eg_principal *who = person_of(i, i % 7 ? TENANT : "c0ff0000-0000-4000-8000-00000000000f");
            (void)each_access(decide, pol, who, SUB);
            eg_principal_unref(who);
        }
        (void)each_flow(decide_flow, pol);
        (void)each_account_flow(decide_account, pol);
        eg_policy_unref(pol);
        documents_free(&d);
    }
    assert_int_equal(taken, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_decision_takes_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
