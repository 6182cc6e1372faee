/* The classes of requests that two policies can tell apart, and the search through them. */
#ifndef EMBERGATE_POLICIES_PROVE_H
#define EMBERGATE_POLICIES_PROVE_H

#include "condition.h"
#include "text_classes.h"

enum {
    EG_PROVE_STATES_MAX = 20000,      /* of an automaton of patterns */
    EG_PROVE_GROUPS_MAX = 10,         /* groups that deny assignments name: every set of them is tried */
    EG_PROVE_IDS_MAX = 200,           /* people that deny assignments name */
};
#define EG_PROVE_DECISIONS_MAX ((uint64_t)50 * 1000 * 1000)

/* One example of each class, of each thing that a request is made of. All in the arena. */
typedef struct eg_universe {
    eg_arena *arena;
    const eg_policy *policies[2];      /* older, newer */
    eg_text_classes actions[2];        /* control, data */
    eg_text_classes attributes[EG_ATTRIBUTE_COUNT]; /* n 0: no condition asks for it */
    eg_text_pattern *names;            /* what conditions compare containers' names with */
    size_t name_count;
    eg_str *sub_operations;            /* the first is none */
    size_t sub_operation_count;
    int64_t *times;
    size_t time_count;
    eg_str *scopes;                    /* each that is named, and something below it that is not */
    size_t scope_count;
    eg_policy_guid groups[EG_PROVE_GROUPS_MAX];
    size_t group_count;
    eg_policy_guid ids[EG_PROVE_IDS_MAX];
    size_t id_count;
} eg_universe;

/* EG_ERR_LIMIT: it can't be decided; *why says what is too large. */
eg_err eg_universe_make(eg_universe *u, const eg_policy *older, const eg_policy *newer, char why[256]) EG_MUST_CHECK;

/* policy_same.c. Whether the other policy has the like of it, whatever it is called. */
bool eg_policy_has_grant(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m);
/* Calls `each` for what `of` has and `in` has not, in order, until it fails. */
eg_err eg_policy_grants_missing(const eg_policy *in, const eg_policy *of, eg_err (*each)(void *ctx, const eg_policy_assignment *m), void *ctx) EG_MUST_CHECK;
/* Whether whom m names may activate all that m is about; holds it anyway. */
bool eg_policy_may_activate(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m);
bool eg_policy_holds_as_much(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m);
bool eg_policy_has_deny(const eg_policy *in, const eg_policy_deny *d);
bool eg_policy_has_rule(const eg_policy_group *in, const eg_policy_rule *r);
bool eg_policy_cidrs_have(const eg_policy_cidrs *in, const eg_policy_cidr *c);
/* Whether a rule of the account `in`, which is pol_in's, names the subnet. */
bool eg_policy_account_has_subnet(const eg_policy *pol_in, const eg_policy_account *in, eg_str subnet);

/* prove_flow.c. The same question about network rules. EG_PROOF_UNDECIDED is never its answer unless there is too much. */
eg_err eg_prove_flows(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret) EG_MUST_CHECK;
/* The same about networkAcls and publicNetworkAccess of storage accounts. */
eg_err eg_prove_accounts(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret) EG_MUST_CHECK;
/* EG_PROOF_UNDECIDED when an enforced Deny of Azure Policy goes or shrinks. */
void eg_prove_rules(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret);

#endif
