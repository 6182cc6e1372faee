/* Reads $filter: clauses joined by "and". */
#include "filter.h"

#include <stddef.h>

typedef enum clause_form { FORM_BARE = 0, FORM_CALL, FORM_EQUALS, FORM_TRUTH, FORM_ANY } clause_form;

enum { ROLES = EG_ARM_FILTER_ROLES, POLICIES = EG_ARM_FILTER_POLICIES, STATES = EG_ARM_FILTER_STATES, GRAPH = EG_ARM_FILTER_GRAPH };

/* FORM_BARE sets a bool, the others a text. The last column: in which lists it means something. */
static const struct {
    const char *name;
    clause_form form;
    size_t at;
    unsigned lists;
} clauses[] = {
    {"atScope", FORM_BARE, offsetof(eg_arm_filter, at_scope), ROLES | POLICIES},
    {"atExactScope", FORM_BARE, offsetof(eg_arm_filter, at_exact_scope), ROLES | POLICIES},
    {"atScopeAndBelow", FORM_BARE, offsetof(eg_arm_filter, at_scope_and_below), ROLES | POLICIES},
    {"asTarget", FORM_BARE, offsetof(eg_arm_filter, as_target), ROLES},
    {"asApprover", FORM_BARE, offsetof(eg_arm_filter, as_approver), ROLES},
    {"assignedTo", FORM_CALL, offsetof(eg_arm_filter, assigned_to), ROLES},
    {"principalId", FORM_EQUALS, offsetof(eg_arm_filter, principal), ROLES},
    {"gdprExportPrincipalId", FORM_EQUALS, offsetof(eg_arm_filter, principal), ROLES},
    {"roleName", FORM_EQUALS, offsetof(eg_arm_filter, role_name), ROLES},
    {"type", FORM_EQUALS, offsetof(eg_arm_filter, role_type), ROLES},
    {"roleDefinitionId", FORM_EQUALS, offsetof(eg_arm_filter, role_id), ROLES},
    {"denyAssignmentName", FORM_EQUALS, offsetof(eg_arm_filter, deny_name), ROLES},
    {"status", FORM_EQUALS, offsetof(eg_arm_filter, status), ROLES},
    {"policyDefinitionId", FORM_EQUALS, offsetof(eg_arm_filter, definition_id), POLICIES | STATES},
    {"policyType", FORM_EQUALS, offsetof(eg_arm_filter, policy_type), POLICIES},
    {"category", FORM_EQUALS, offsetof(eg_arm_filter, category), POLICIES},
    {"complianceState", FORM_EQUALS, offsetof(eg_arm_filter, compliance), STATES},
    {"isCompliant", FORM_TRUTH, offsetof(eg_arm_filter, is_compliant), STATES},
    {"resourceId", FORM_EQUALS, offsetof(eg_arm_filter, resource_id), STATES},
    {"resourceType", FORM_EQUALS, offsetof(eg_arm_filter, resource_type), STATES},
    {"resourceGroup", FORM_EQUALS, offsetof(eg_arm_filter, resource_group), STATES},
    {"policyAssignmentId", FORM_EQUALS, offsetof(eg_arm_filter, assignment_id), STATES},
    {"policyAssignmentName", FORM_EQUALS, offsetof(eg_arm_filter, assignment_name), STATES},
    {"policyDefinitionName", FORM_EQUALS, offsetof(eg_arm_filter, definition_name), STATES},
    {"policyDefinitionAction", FORM_EQUALS, offsetof(eg_arm_filter, definition_action), STATES},
    {"policySetDefinitionId", FORM_EQUALS, offsetof(eg_arm_filter, set_id), STATES},
    {"servicePrincipalNames/any", FORM_ANY, offsetof(eg_arm_filter, service_name), GRAPH},
    {"appId", FORM_EQUALS, offsetof(eg_arm_filter, app_id), GRAPH},
    {"displayName", FORM_EQUALS, offsetof(eg_arm_filter, display_name), GRAPH},
    {"userPrincipalName", FORM_EQUALS, offsetof(eg_arm_filter, user_name), GRAPH},
    {"id", FORM_EQUALS, offsetof(eg_arm_filter, object_id), GRAPH | ROLES},
};

typedef struct reader {
    eg_arena *arena;
    eg_str rest;
    eg_problem *p;
} reader;

static eg_err refuse(const reader *r, const char *why) {
    return eg_fail(r->p, EG_ERR_RESOURCE_FILTER, "The $filter is not supported: %s.", why);
}

static void skip_blanks(reader *r) {
    while (r->rest.len > 0 && r->rest.ptr[0] == ' ') {
        r->rest = (eg_str){r->rest.ptr + 1, r->rest.len - 1};
    }
}

static eg_str word(reader *r) {
    size_t n = 0;
    while (n < r->rest.len) {
        char c = r->rest.ptr[n];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == ':' || (c >= '0' && c <= '9'))) {
            break;
        }
        n++;
    }
    eg_str s = {r->rest.ptr, n};
    r->rest = (eg_str){r->rest.ptr + n, r->rest.len - n};
    return s;
}

static bool take(reader *r, char c) {
    skip_blanks(r);
    if (r->rest.len == 0 || r->rest.ptr[0] != c) {
        return false;
    }
    r->rest = (eg_str){r->rest.ptr + 1, r->rest.len - 1};
    return true;
}

static eg_err quoted(reader *r, eg_str *ret) {
    if (!take(r, '\'')) {
        return refuse(r, "a text in single quotes is expected");
    }
    char *out = eg_arena_alloc(r->arena, r->rest.len + 1);
    size_t n = 0;
    if (!out) {
        return EG_ERR_LIMIT;
    }
    for (size_t i = 0; i < r->rest.len; i++) {
        if (r->rest.ptr[i] != '\'') {
            out[n++] = r->rest.ptr[i];
        } else if (i + 1 < r->rest.len && r->rest.ptr[i + 1] == '\'') {
            out[n++] = r->rest.ptr[i++];
        } else {
            r->rest = (eg_str){r->rest.ptr + i + 1, r->rest.len - i - 1};
            *ret = (eg_str){out, n};
            return EG_OK;
        }
    }
    return refuse(r, "a quote is not closed");
}

static eg_err equals(reader *r, eg_str *ret) {
    skip_blanks(r);
    if (!eg_str_ieq(word(r), EG_LIT("eq"))) {
        return refuse(r, "the operator must be eq");
    }
    skip_blanks(r);
    return quoted(r, ret);
}

static eg_err truth(reader *r, eg_str *ret) {
    skip_blanks(r);
    if (!eg_str_ieq(word(r), EG_LIT("eq"))) {
        return refuse(r, "the operator must be eq");
    }
    skip_blanks(r);
    *ret = word(r);
    return eg_str_ieq(*ret, EG_LIT("true")) || eg_str_ieq(*ret, EG_LIT("false")) ? EG_OK : refuse(r, "true or false is expected");
}

static eg_err read_form(reader *r, clause_form form, eg_str *ret) {
    if (form == FORM_EQUALS || form == FORM_TRUTH) {
        return form == FORM_EQUALS ? equals(r, ret) : truth(r, ret);
    }
    if (!take(r, '(')) {
        return refuse(r, "a parenthesis is expected");
    }
    skip_blanks(r);
    if (form == FORM_CALL) {
        EG_TRY(quoted(r, ret));
    } else if (form == FORM_ANY) {
        eg_str variable = word(r), name = eg_str_cut(&variable, ':');
        if (name.len == 0 || !variable.ptr || !eg_str_eq(name, variable)) {
            return refuse(r, "any(x:x eq '…') is expected");
        }
        EG_TRY(equals(r, ret));
    }
    return take(r, ')') ? EG_OK : refuse(r, "a parenthesis is not closed");
}

static eg_err read_clause(reader *r, eg_arm_filter *f) {
    skip_blanks(r);
    eg_str name = word(r);
    for (size_t i = 0; i < sizeof clauses / sizeof clauses[0]; i++) {
        if (!eg_str_ieq(name, eg_str_of(clauses[i].name))) {
            continue;
        }
        char *at = (char *)f + clauses[i].at;
        eg_str value = {"", 0};
        f->lists &= clauses[i].lists;
        EG_TRY(read_form(r, clauses[i].form, &value));
        if (clauses[i].form == FORM_BARE) {
            memcpy(at, &(bool){true}, sizeof(bool));
            return EG_OK;
        }
        eg_str before;
        memcpy(&before, at, sizeof before);
        if (before.ptr) {
            return refuse(r, "a name stands twice");
        }
        memcpy(at, &value, sizeof value);
        return EG_OK;
    }
    return refuse(r, "it has a name that this list does not know");
}

eg_err eg_arm_filter_parse(eg_arena *a, eg_str text, eg_arm_filter *ret, eg_problem *p) {
    reader r = {a, text, p};
    eg_arm_filter f = {.lists = ~0u};
    if (text.len > EG_ARM_FILTER_MAX) {
        return refuse(&r, "it is too long");
    }
    skip_blanks(&r);
    while (r.rest.len > 0) {
        EG_TRY(read_clause(&r, &f));
        skip_blanks(&r);
        if (r.rest.len == 0) {
            break;
        }
        if (!eg_str_ieq(word(&r), EG_LIT("and"))) {
            return refuse(&r, "clauses are joined by and");
        }
        skip_blanks(&r);
        if (r.rest.len == 0) {
            return refuse(&r, "a clause is missing");
        }
    }
    *ret = f;
    return EG_OK;
}
