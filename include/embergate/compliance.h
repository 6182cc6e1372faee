/* Azure Policy: whether a resource's properties comply with the policies that are assigned at its scope. Pure; policies/ implements it. */
#ifndef EMBERGATE_COMPLIANCE_H
#define EMBERGATE_COMPLIANCE_H

#include <embergate/policy.h>

/* A property under Azure's alias of it, or a tag ("tags.owner"). Truth values are "true" and "false". ptr NULL = the resource has none. */
typedef struct eg_property {
    const char *alias;
    eg_str text;
} eg_property;

typedef struct eg_resource {
    eg_str id;               /* resource id */
    eg_str type;             /* "Microsoft.Storage/storageAccounts" */
    eg_str name;
    eg_str full_name;        /* with the names of what it is part of: "lake/default/raw"; ptr NULL = the name */
    eg_str location;
    const eg_property *properties;
    size_t property_count;
    size_t number;           /* among those that one look tells of */
} eg_resource;

/* What one assigned definition says of one resource. Texts live as long as the policy. */
typedef struct eg_compliance {
    eg_str assignment_id;
    eg_str assignment_name;
    eg_str assignment_scope;
    eg_str set_id;           /* of the initiative that was assigned; len 0 = the definition itself was */
    eg_str reference;        /* of the definition within it */
    size_t index;            /* among all definitions in force … */
    size_t first;            /* … and of the first of this assignment, whose own stand together */
    eg_str definition_id;
    eg_str definition_name;  /* displayName, else name */
    const char *effect;      /* "Deny", "Audit" */
    bool compliant;
    bool enforced;           /* enforcementMode Default */
    bool denies;             /* not compliant, Deny, enforced: the resource may not be used */
    eg_str message;          /* nonComplianceMessages; len 0 = none */
} eg_compliance;

/* Calls `each` for every assigned definition that applies to a resource of this type, name and place; effect Disabled never does. */
void eg_policy_compliance(const eg_policy *pol, const eg_resource *r, void (*each)(void *ctx, const eg_compliance *c), void *ctx);
/* Whether any definition is assigned: without one nothing is found of any resource. */
bool eg_policy_judges(const eg_policy *pol);
/* The first that denies. false: none does. */
bool eg_policy_resource_denied(const eg_policy *pol, const eg_resource *r, eg_compliance *ret);
/* Which assignment and definition found a resource that does not comply; "" = none. */
typedef struct eg_compliance_found {
    char denied_by[192];
    char audited_by[192];    /* Audit, or a Deny that is not enforced */
} eg_compliance_found;
/* Asked before a resource is made or used. EG_ERR_DISALLOWED_POLICY with words for who asked; another error when it is not known. Any thread; never blocks. */
typedef struct eg_compliance_gate {
    eg_err (*check)(void *ctx, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p); /* NULL = nobody judges */
    bool (*judges)(void *ctx); /* false: check would find nothing now. Cheaper than making a resource; NULL = true */
    void *ctx;
} eg_compliance_gate;
/* The account's networkAcls.defaultAction and publicNetworkAccess, as a document says them: "Allow" and "Enabled" without one. */
void eg_policy_account_properties(const eg_policy *pol, eg_str account_id, const char **ret_default_action, const char **ret_public_access);

#endif
