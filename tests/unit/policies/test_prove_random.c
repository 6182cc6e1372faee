/* The proof against brute force on thousands of random small policies: roles with times, conditions, eligibility and deny assignments; security rules; accounts' networks.
 * EG_SEED=N repeats a run, EG_LONG=1 makes ten times as many. */
#include "random_policies.h"

#include "condition.h"

typedef struct pair { const eg_policy *older, *newer; } pair;

static bool access_is_new(void *ctx, const eg_access *a) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_decide(p->newer, a, &two);
    if (two.allowed) {
        eg_policy_decide(p->older, a, &one);
    }
    return two.allowed && !one.allowed;
}

static bool flow_is_new(void *ctx, const eg_flow *f) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_network(p->older, f, &one);
    eg_policy_network(p->newer, f, &two);
    return two.allowed && !one.allowed;
}

static bool account_is_new(void *ctx, const eg_account_flow *f) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_account_network(p->older, f, &one);
    eg_policy_account_network(p->newer, f, &two);
    return two.allowed && !one.allowed;
}

/* Said on its own terms, without the proof's. */
static bool gives(const eg_policy_assignment *a, const eg_policy *pa, const eg_policy_assignment *b, const eg_policy *pb) {
    return memcmp(&a->principal, &b->principal, sizeof a->principal) == 0 && a->kind == b->kind && eg_policy_scope_covers(a->scope, b->scope) &&
           eg_policy_guid_order(&pa->roles[a->role].id, &pb->roles[b->role].id) == 0 && a->starts_ns <= b->starts_ns &&
           (a->ends_ns ? a->ends_ns : INT64_MAX) >= (b->ends_ns ? b->ends_ns : INT64_MAX) &&
           (!a->condition || (b->condition && eg_str_eq(eg_policy_condition_text(a->condition), eg_policy_condition_text(b->condition))));
}

static bool eligible_is_new(const pair *p) {
    for (size_t i = 0; i < p->newer->eligible_count; i++) {
        const eg_policy_assignment *m = &p->newer->eligible[i];
        bool had = false;
        for (size_t k = 0; k < p->older->eligible_count; k++) {
            had = had || gives(&p->older->eligible[k], p->older, m, p->newer);
        }
        for (size_t k = 0; k < p->older->assignment_count; k++) {
            had = had || gives(&p->older->assignments[k], p->older, m, p->newer);
        }
        if (!had) {
            return true;
        }
    }
    return false;
}

static bool roles_are_new(pair *p) {
    bool found = eligible_is_new(p);
    for (unsigned i = 0; i < PERSONS && !found; i++) {
        eg_principal *who = person_of(i, TENANT);
        found = each_access(access_is_new, p, who, SUB);
        eg_principal_unref(who);
    }
    return found;
}

static bool network_is_new(pair *p) { return each_flow(flow_is_new, p) || each_account_flow(account_is_new, p); }

static void some_roles(documents *d) {
    for (unsigned n = 1 + pick(4); n > 0; n--) {
        random_assignment(d, SUB);
    }
    for (unsigned n = pick(3); n > 0; n--) {
        random_deny(d, SUB);
    }
}

static void some_network(documents *d) {
    random_network(d, pick(5), pick(2));
    random_account(d);
}

/* Half of the pairs begin alike, so that they differ in little: where a proof is hard. */
static void compare(const char *what, unsigned rounds, void (*fill)(documents *d), bool (*brute)(pair *p)) {
    unsigned verdicts[3] = {0};
    seeded(what);
    for (unsigned round = 0; round < rounds; round++) {
        documents a, b;
        eg_policy_proof proof;
        eg_problem problem = {0};
        documents_new(&a);
        documents_new(&b);
        const uint64_t before = chance;
        fill(&a);
        if (pick(2)) {
            const uint64_t after = chance;
            chance = before;
            fill(&b);
            chance = after;
            if (fill == some_roles) {
                pick(2) ? random_assignment(&b, SUB) : random_deny(pick(2) ? &a : &b, SUB);
            }
        } else {
            fill(&b);
        }
        eg_policy *older = made_of(&a), *newer = made_of(&b);
        pair p = {older, newer};
        assert_int_equal(eg_policy_prove_no_new_access(older, newer, &proof, &problem), EG_OK);
        verdicts[proof.verdict]++;
        const bool found = proof.verdict != EG_PROOF_UNDECIDED && brute(&p);
        if ((proof.verdict == EG_PROOF_FAILS && !found) || (proof.verdict == EG_PROOF_HOLDS && found)) {
            fail_msg("%s, round %u: brute force says %d, the proof: %s", what, round, found, proof.text);
        }
        eg_policy_unref(older);
        eg_policy_unref(newer);
        documents_free(&a);
        documents_free(&b);
    }
    print_message("%s: %u rounds: %u undecided, %u hold, %u fail\n", what, rounds, verdicts[EG_PROOF_UNDECIDED], verdicts[EG_PROOF_HOLDS], verdicts[EG_PROOF_FAILS]);
    assert_true(verdicts[EG_PROOF_HOLDS] > rounds / 10 && verdicts[EG_PROOF_FAILS] > rounds / 10 && verdicts[EG_PROOF_UNDECIDED] < rounds / 10);
}

static unsigned rounds_of(unsigned n) { return getenv("EG_LONG") ? 10 * n : n; }

static void roles(void **state) {
    (void)state;
    compare("roles", rounds_of(600), some_roles, roles_are_new);
}

static void networks(void **state) {
    (void)state;
    compare("networks", rounds_of(2400), some_network, network_is_new);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(roles), cmocka_unit_test(networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
