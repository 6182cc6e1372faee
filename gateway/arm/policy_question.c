/* Reads what a query of policy states asks for, and says which row it means. */
#include "policy_states.h"

#include <embergate/encoding.h>

/* "{scope}/providers/Microsoft.Authorization/{kind}/{name}", the whole of it in *ret; false: it is none, and `at` is a scope of its own. */
static bool narrows(eg_str at, const char *kind, eg_str *ret_scope) {
    static const char head[] = "/providers/Microsoft.Authorization/";
    const eg_str name = eg_arm_last_segment(at);
    const size_t kind_len = strlen(kind), tail = sizeof head - 1 + kind_len + 1 + name.len;
    if (at.len <= tail || name.len == 0) {
        return false;
    }
    const eg_str from = {at.ptr + at.len - tail, sizeof head - 1}, type = {from.ptr + from.len, kind_len + 1};
    if (!eg_str_ieq(from, EG_LIT(head)) || !eg_str_ieq((eg_str){type.ptr, kind_len}, eg_str_of(kind)) || type.ptr[kind_len] != '/') {
        return false;
    }
    *ret_scope = (eg_str){at.ptr, at.len - tail};
    return true;
}

static const char *const kinds[] = {"policyAssignments", "policySetDefinitions", "policyDefinitions"};

eg_err eg_states_scope(eg_request *rq, eg_str *ret) {
    *ret = rq->params[0];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (narrows(rq->params[0], kinds[i], ret)) {
            break;
        }
    }
    return EG_OK;
}

static eg_err read_number(eg_request *rq, const char *name, uint64_t dflt, uint64_t *ret) {
    eg_str text = {"", 0};
    const eg_err e = eg_request_query(rq, name, &text);
    *ret = dflt;
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(e);
    return eg_str_u64(text, INT32_MAX, ret) == EG_OK ? EG_OK : eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s is no number.", name);
}

eg_err eg_states_question_of(eg_request *rq, eg_states_question *ret) {
    static const char *const unbuilt[] = {"$apply", "$expand", "$select", "$orderby", "$from", "$to"};
    eg_states_question q = {.scope = {"", 0}};
    eg_str *const narrowed[] = {&q.assignment, &q.set, &q.definition};
    if (!eg_str_ieq(rq->params[1], EG_LIT("latest"))) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_FILTER, "Of policy states only the latest are known.");
    }
    for (size_t i = 0; i < sizeof unbuilt / sizeof unbuilt[0]; i++) {
        eg_str text;
        if (eg_request_query(rq, unbuilt[i], &text) != EG_ERR_NOT_FOUND) {
            return eg_fail(&rq->problem, EG_ERR_RESOURCE_FILTER, "The query option %s is not supported.", unbuilt[i]);
        }
    }
    EG_TRY(eg_states_scope(rq, &q.scope));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        eg_str scope;
        if (narrows(rq->params[0], kinds[i], &scope)) {
            *narrowed[i] = rq->params[0];
        }
    }
    EG_TRY(read_number(rq, "$skiptoken", 0, &q.skip));
    EG_TRY(read_number(rq, "$top", UINT64_MAX, &q.top));
    EG_TRY(eg_arm_filter_of(rq, &q.filter));
    *ret = q;
    return EG_OK;
}

static bool is(eg_str asked, eg_str value) { return !asked.ptr || eg_str_ieq(asked, value); }

/* The third segment behind "/subscriptions/{s}/resourceGroups/". */
static eg_str group_of(eg_str id) {
    eg_str rest = eg_arm_first_segments(id, 4), name = {"", 0};
    while (rest.ptr) {
        name = eg_str_cut(&rest, '/');
    }
    return name;
}

/* A built-in definition is named beneath a subscription too: az and the SDKs know no other way. */
static bool is_definition(eg_str asked, eg_str id) {
    return asked.len == 0 || eg_str_ieq(asked, id) || (eg_str_starts(id, "/providers/") && eg_str_ieq(eg_arm_last_segment(asked), eg_arm_last_segment(id)));
}

bool eg_states_fits(const eg_states_question *q, const eg_resource *r, const eg_compliance *c) {
    const eg_arm_filter *f = &q->filter;
    return (q->assignment.len == 0 || eg_str_ieq(q->assignment, c->assignment_id)) && (q->set.len == 0 || eg_str_ieq(q->set, c->set_id)) &&
           is_definition(q->definition, c->definition_id) && is(f->compliance, c->compliant ? EG_LIT("Compliant") : EG_LIT("NonCompliant")) &&
           is(f->is_compliant, c->compliant ? EG_LIT("true") : EG_LIT("false")) && is(f->resource_id, r->id) && is(f->resource_type, r->type) &&
           is(f->resource_group, group_of(r->id)) && is(f->assignment_id, c->assignment_id) && is(f->assignment_name, c->assignment_name) &&
           is(f->definition_id, c->definition_id) && is(f->definition_name, eg_arm_last_segment(c->definition_id)) && is(f->definition_action, eg_str_of(c->effect)) &&
           is(f->set_id, c->set_id);
}
