/* What the asker may do at a scope: the permissions of each role that it has there, as it would see them in Azure. */
#include "document.h"

#include <embergate/clock.h>

static const json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

static bool in_time(const json_t *properties, int64_t now) {
    const eg_str from = eg_json_str(properties, "startDateTime"), until = eg_json_str(properties, "endDateTime");
    int64_t ns = 0;
    if (from.ptr && (eg_time_parse_rfc3339(from, &ns) != EG_OK || ns > now)) {
        return false;
    }
    return !until.ptr || (eg_time_parse_rfc3339(until, &ns) == EG_OK && ns > now);
}

/* Each permission with the condition under which its assignment holds. */
static eg_err add_role(eg_request *rq, const json_t *assignment, json_t *list) {
    json_t *role = NULL;
    eg_err e = eg_arm_role_find(rq, eg_json_str(properties_of(assignment), "roleDefinitionId"), &role);
    if (e != EG_OK) {
        rq->problem = (eg_problem){0};
        return e == EG_ERR_ROLE_DEFINITION_NOT_FOUND ? EG_OK : e;
    }
    EG_JSON_AUTO held = role;
    const json_t *permissions = json_object_get(properties_of(held), "permissions");
    json_t *condition = json_object_get(properties_of(assignment), "condition");
    for (size_t i = 0; i < json_array_size(permissions); i++) {
        EG_JSON_AUTO one = json_deep_copy(json_array_get(permissions, i));
        if (!one || json_array_append(list, one) != 0) {
            return EG_ERR_NO_MEMORY;
        }
        if (condition) {
            (void)json_object_set(one, "condition", condition);
            (void)json_object_set(one, "conditionVersion", json_object_get(properties_of(assignment), "conditionVersion"));
        }
    }
    return EG_OK;
}

eg_err eg_arm_permissions(eg_request *rq) {
    static const eg_policy_kind kinds[] = {EG_POLICY_ASSIGNMENTS, EG_POLICY_SCHEDULES};
    const eg_arm_filter here = {.at_scope = true, .as_target = true};
    EG_JSON_AUTO list = json_array();
    for (size_t k = 0; list && k < sizeof kinds / sizeof kinds[0]; k++) {
        EG_JSON_AUTO all = NULL;
        EG_TRY(eg_arm_doc_all(rq, kinds[k], &all));
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *doc = json_array_get(all, i);
            if (eg_arm_assignment_listed(rq, doc, rq->params[0], &here) && in_time(properties_of(doc), rq->received_ns)) {
                EG_TRY(add_role(rq, doc, list));
            }
        }
    }
    return list ? eg_respond_json(rq, 200, json_pack("{s:O}", "value", list)) : EG_ERR_NO_MEMORY;
}
