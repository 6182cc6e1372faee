/* $filter of lists, as far as Azure's authorization lists and Graph's directory have it. */
#ifndef EMBERGATE_ARM_FILTER_H
#define EMBERGATE_ARM_FILTER_H

#include <embergate/arena.h>

/* Lists that know the same clauses. */
enum { EG_ARM_FILTER_ROLES = 1, EG_ARM_FILTER_POLICIES = 2, EG_ARM_FILTER_STATES = 4, EG_ARM_FILTER_GRAPH = 8 };

/* What was asked for; text is in the arena, {NULL,0} where nothing was. */
typedef struct eg_arm_filter {
    unsigned lists;           /* that know every clause of it */
    bool at_scope;            /* atScope(): nothing below */
    bool at_exact_scope;      /* atExactScope(): neither below nor above */
    bool at_scope_and_below;
    bool as_target;           /* asTarget(): the asker's own */
    bool as_approver;
    eg_str principal;         /* principalId eq '…' */
    eg_str assigned_to;       /* assignedTo('…'): with its groups */
    eg_str role_name, role_type, role_id;
    eg_str deny_name;         /* denyAssignmentName eq '…' */
    eg_str status;
    eg_str definition_id;     /* policyDefinitionId eq '…' */
    eg_str policy_type, category;
    /* policy states */
    eg_str compliance, is_compliant, resource_id, resource_type, resource_group, assignment_id, assignment_name, definition_name, definition_action, set_id;
    /* Graph */
    eg_str app_id, service_name, display_name, user_name, object_id;
} eg_arm_filter;

#define EG_ARM_FILTER_MAX 2048

/* Clauses joined by "and", each once: name(), name('text'), name eq 'text', name/any(c:c eq 'text'), name eq true. Names without regard to case, '' in a text is a quote. Anything else
 * (or, other operators, unknown names) is EG_ERR_RESOURCE_FILTER: leaving it out would show more than was asked for. */
eg_err eg_arm_filter_parse(eg_arena *a, eg_str text, eg_arm_filter *ret, eg_problem *p) EG_MUST_CHECK;

#endif
