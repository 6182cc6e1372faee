/* Conditions of role and deny assignments: Azure's attribute language, compiled once and decided without memory of its own. */
#ifndef EMBERGATE_POLICIES_CONDITION_H
#define EMBERGATE_POLICIES_CONDITION_H

#include "policy_model.h"

/* Three values: an attribute that a request doesn't have is not "different from" anything. 0 is the one that never grants. */
typedef enum eg_policy_truth { EG_TRUTH_UNKNOWN = 0, EG_TRUTH_FALSE = 1, EG_TRUTH_TRUE = 2 } eg_policy_truth;

typedef enum eg_policy_attribute {
    EG_ATTRIBUTE_NONE = 0,
    EG_ATTRIBUTE_ACCOUNT,       /* @Resource[Microsoft.Storage/storageAccounts:name] */
    EG_ATTRIBUTE_CONTAINER,     /* @Resource[…/containers:name] */
    EG_ATTRIBUTE_PATH,          /* @Resource[…/containers/blobs:path] */
    EG_ATTRIBUTE_SCOPE,         /* @Resource[…/encryptionScopes:name] */
    EG_ATTRIBUTE_HNS,           /* @Resource[Microsoft.Storage/storageAccounts:isHnsEnabled] */
    EG_ATTRIBUTE_PREFIX,        /* @Request[…/containers/blobs:prefix] */
    EG_ATTRIBUTE_NOW,           /* @Environment[UtcNow] */
    EG_ATTRIBUTE_SUBNET,        /* @Environment[Microsoft.Network/virtualNetworks/subnets] */
    EG_ATTRIBUTE_PRIVATE_LINK,  /* @Environment[isPrivateLink] */
    EG_ATTRIBUTE_COUNT
} eg_policy_attribute;

typedef struct eg_policy_condition eg_policy_condition; /* lives in the arena that it was compiled into */

/* At most 8 KiB of text, 400 terms, 32 levels. EG_ERR_POLICY_INVALID: what can't be read or names an attribute that is unknown here, with
 * the byte in the problem; nothing is left unheard. EG_ERR_NO_MEMORY. */
eg_err eg_policy_condition_compile(eg_arena *a, const eg_policy_at *at, eg_str text, const eg_policy_condition **ret, eg_problem *p) EG_MUST_CHECK;
/* Bytes that one decision may compare for conditions and long lists of actions, a worker's other peers waiting; what is beyond it is unknown, so that it grants nothing and
 * forbids. */
#define EG_CONDITION_WORK_MAX ((size_t)1 << 21)
/* false: that much isn't left, and now nothing is. */
bool eg_policy_work_spend(size_t *left, size_t work);
/* decide.c. Of the lists of actions: 0 but for long ones. */
size_t eg_policy_permissions_work(const eg_policy_permission *m, size_t n);
/* NULL is true. *left: of the decision's work. */
eg_policy_truth eg_policy_condition_holds_within(const eg_policy_condition *c, const eg_access *a, size_t *left);
/* As the only one of a decision. */
eg_policy_truth eg_policy_condition_holds(const eg_policy_condition *c, const eg_access *a);
/* The text that it was compiled from. */
eg_str eg_policy_condition_text(const eg_policy_condition *c);

/* What a condition asks, term by term; for those who reason about it. */
typedef struct eg_policy_term {
    const eg_policy_pattern *action;           /* ActionMatches; else NULL */
    eg_str sub_operation;                      /* SubOperationMatches; ptr NULL = not one */
    eg_policy_attribute attribute;             /* of a comparison or Exists */
    eg_policy_attribute other;                 /* compared with this attribute; NONE = with a value */
    const struct eg_policy_operator *op;       /* NULL: Exists */
    const struct eg_policy_value *value;
} eg_policy_term;
/* One call a term and value; fn's error ends the walk. */
eg_err eg_policy_condition_each(const eg_policy_condition *c, eg_err (*fn)(void *ctx, const eg_policy_term *term), void *ctx) EG_MUST_CHECK;

/* condition_compare.c. How one value of the request compares with one of the condition. */
typedef enum eg_policy_compare {
    EG_COMPARE_NONE = 0,
    EG_COMPARE_EQUALS, EG_COMPARE_NOT_EQUALS, EG_COMPARE_STARTS, EG_COMPARE_NOT_STARTS, EG_COMPARE_LIKE, EG_COMPARE_NOT_LIKE,
    EG_COMPARE_LESS, EG_COMPARE_LESS_EQUALS, EG_COMPARE_GREATER, EG_COMPARE_GREATER_EQUALS,
} eg_policy_compare;

typedef enum eg_policy_value_type { EG_VALUE_NONE = 0, EG_VALUE_TEXT, EG_VALUE_NUMBER, EG_VALUE_TIME, EG_VALUE_BOOL, EG_VALUE_GUID } eg_policy_value_type;

typedef struct eg_policy_value {
    eg_policy_value_type type;
    eg_str text;
    int64_t number;   /* of NUMBER; of TIME: nanoseconds since 1970; of BOOL: 0 or 1 */
} eg_policy_value;

typedef struct eg_policy_operator {
    const char *name;
    eg_policy_compare compare;
    eg_policy_value_type type;
    bool ignore_case;
} eg_policy_operator;

/* The operator of that name ("StringEquals"); NULL when Azure has none. */
const eg_policy_operator *eg_policy_operator_find(eg_str name);
bool eg_policy_operator_compare(const eg_policy_operator *op, const eg_policy_value *left, const eg_policy_value *right);
/* A literal as the operator reads it. false: it is none of its type. */
bool eg_policy_operator_literal(const eg_policy_operator *op, eg_str text, bool quoted, eg_policy_value *ret);

#endif
