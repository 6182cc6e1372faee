/* Where `embergate policy` finds policies: a directory, a store that nobody serves, or a gateway. */
#ifndef EMBERGATE_CLI_POLICY_PLACE_H
#define EMBERGATE_CLI_POLICY_PLACE_H

#include "cli.h"

#include <embergate/policy.h>

typedef struct eg_policy_place {
    char dir[1024];          /* a policy directory; "" = a store */
    char state_dir[512];     /* that may be opened here; "" = none */
    char subscription[64];
    char tenant[64];
    bool separate_duties;    /* asked for on the command line: of a directory nothing else says so */
} eg_policy_place;

/* A verb of docs/POLICIES.md: the state directory's store when nobody serves it, else the gateway of the profile. */
eg_err eg_policy_place_ask(const eg_policy_place *w, const char *verb, const json_t *in, json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* The policy in force there. *ret_documents (may be NULL): as the verb `documents` gives them; NULL of a directory. */
eg_err eg_policy_place_load(const eg_policy_place *w, eg_policy **ret, json_t **ret_documents, eg_problem *p) EG_MUST_CHECK;

/* Whether these documents could be loaded with one more. EG_ERR_POLICY_INVALID. */
eg_err eg_policy_place_try(const json_t *documents, eg_policy_kind kind, const json_t *more, eg_problem *p) EG_MUST_CHECK;

/* What a verb that changes policies was given. */
typedef struct eg_policy_orders {
    const eg_policy_place *place;
    const char *ticket, *justification, *author;
    const char *const *operands;   /* NULL-terminated */
    const eg_policy_grant *grant;
    const char *duration;
    bool dry_run, json;
} eg_policy_orders;
eg_err eg_cli_policy_apply(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_export(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_history(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_show(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_rollback(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_pending(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_approve(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_reject(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_activate(const eg_policy_orders *o, eg_problem *p);
eg_err eg_cli_policy_assign_in(const eg_policy_orders *o, bool add, eg_problem *p);
/* Sends {"puts","deletes"} (borrowed) with ticket, justification and author, or only tells what it would change; says what came of it. */
eg_err eg_cli_policy_send(const eg_policy_orders *o, const char *verb, json_t *change, eg_problem *p) EG_MUST_CHECK;

/* policy_import.c */
typedef struct eg_policy_import {
    const char *assignments, *groups, *roles, *rules, *initiatives, *rule_assignments;   /* files; NULL = none */
    const char *to;                             /* directory */
} eg_policy_import;
eg_err eg_cli_policy_import(const eg_policy_import *o, int *ret_status, eg_problem *p);

#endif
