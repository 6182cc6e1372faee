/* The verbs of `embergate policy` that look at a policy without putting it in force. */
#ifndef EMBERGATE_CLI_POLICY_COMPARE_H
#define EMBERGATE_CLI_POLICY_COMPARE_H

#include <embergate/policy.h>

typedef struct eg_policy_pair {
    const char *older, *newer;   /* directories */
    bool separate_duties;        /* of both */
} eg_policy_pair;

/* What newer_dir would change of `older`. */
eg_err eg_cli_policy_what_if(const eg_policy *older, const char *newer_dir, eg_problem *p);
/* *ret_status: EG_EXIT_OK when it holds. */
eg_err eg_cli_policy_prove(const eg_policy_pair *pair, bool json, int *ret_status, eg_problem *p);
eg_err eg_cli_policy_test(const eg_policy *pol, const char *tenant, const char *file, int *ret_status, eg_problem *p);
/* Recorded requests of the audit log through `older` and the policy of newer_dir: each that would be decided otherwise. since: RFC 3339 or NULL. */
eg_err eg_cli_policy_replay(const eg_policy *older, const char *newer_dir, const char *since, bool json, eg_problem *p);

/* policy_flow.c. IP flow verify: `account` NULL asks the subnet's security group, else the account's networkAcls, with `subnet` that of the cluster whose job asks. */
typedef struct eg_policy_flow_question {
    const eg_policy *policy;
    const char *subnet, *source, *destination, *account;
    bool json;
} eg_policy_flow_question;
eg_err eg_cli_policy_flow(const eg_policy_flow_question *q, int *ret_status, eg_problem *p);
eg_err eg_cli_policy_compliance(const char *subscription, bool json, int *ret_status, eg_problem *p);

/* policy_access.c. Groups are those that the principal is taken to be in; source NULL = from anywhere; subnet that of the listener; time NULL = now. */
typedef struct eg_policy_access_question {
    const eg_policy *policy;
    const char *tenant, *principal, *scope, *action, *source, *subnet, *path, *time;
    const char *const *groups;
    size_t group_count;
    bool data_action, json;
} eg_policy_access_question;
eg_err eg_cli_policy_check_access(const eg_policy_access_question *q, eg_problem *p);
eg_err eg_cli_policy_who_can(const eg_policy_access_question *q, eg_problem *p);

#endif
