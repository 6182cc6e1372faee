/* Azure Policy's definitions, initiatives and assignments: completed, listed, and kept while something refers to them. */
#include "document.h"

#include <embergate/clock.h>

#include <stdio.h>

#define DEFINITION_TYPE "Microsoft.Authorization/policyDefinitions"
#define SET_TYPE "Microsoft.Authorization/policySetDefinitions"
#define ASSIGNMENT_TYPE "Microsoft.Authorization/policyAssignments"
#define NAME_MAX_LEN 64 /* Azure's */

static json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

/* ---- what is built in ---- */

static eg_err built_in(json_t **ret) {
    EG_JSON_AUTO all = NULL;
    EG_TRY(eg_json_parse(eg_policy_builtin_rules_text(), (size_t)1 << 20, &all, NULL));
    *ret = json_incref(json_object_get(all, "value"));
    return EG_OK;
}

/* By id, or by the GUID alone. EG_ERR_NOT_FOUND. */
static eg_err built_in_of(eg_str id, json_t **ret) {
    EG_JSON_AUTO all = NULL;
    EG_TRY(built_in(&all));
    const bool bare = eg_arm_last_segment(id).len == id.len;
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *one = json_array_get(all, i);
        if (eg_str_ieq(eg_json_str(one, bare ? "name" : "id"), id)) {
            *ret = json_incref(one);
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}

/* ---- reading ---- */

static bool is_definition(const eg_arm_type *t) { return t->kind == EG_POLICY_RULES; }

static eg_str category_of(const json_t *doc) { return eg_json_str(json_object_get(properties_of(doc), "metadata"), "category"); }

static bool is_listed(const json_t *doc, const eg_arm_filter *f) {
    const eg_str type = eg_json_str(properties_of(doc), "policyType");
    return (!f->policy_type.ptr || eg_str_ieq(f->policy_type, type.ptr ? type : EG_LIT("Custom"))) && (!f->category.ptr || eg_str_ieq(f->category, category_of(doc)));
}

static eg_err add_shown(eg_request *rq, const eg_arm_type *t, const json_t *from, const eg_arm_filter *f, json_t *to) {
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *v = NULL;
        if (is_listed(json_array_get(from, i), f)) {
            EG_TRY(eg_arm_doc_shown(rq, t, json_array_get(from, i), &v));
            if (json_array_append_new(to, v) != 0) {
                return EG_ERR_NO_MEMORY;
            }
        }
    }
    return EG_OK;
}

/* At a subscription its own and the built-in ones, as in Azure; above all of them the built-in ones. */
eg_err eg_arm_rule_list_end(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    EG_JSON_AUTO own = NULL;
    EG_JSON_AUTO fixed = NULL;
    EG_JSON_AUTO list = json_array();
    eg_arm_filter f;
    EG_TRY(list ? eg_arm_filter_of(rq, &f) : EG_ERR_NO_MEMORY);
    const bool here = eg_str_starts(eg_str_of(rq->route->pattern), "/subscriptions/");
    if (here) {
        EG_TRY(eg_arm_doc_all(rq, t->kind, &own));
    }
    for (size_t i = json_array_size(own); i-- > 0;) {
        if (!eg_arm_within(eg_arm_first_segments(rq->path, 2), eg_json_str(json_array_get(own, i), "id"))) {
            (void)json_array_remove(own, i);
        }
    }
    EG_TRY(add_shown(rq, t, own, &f, list));
    if (is_definition(t) && !(f.at_exact_scope && here)) {
        EG_TRY(built_in(&fixed));
        EG_TRY(add_shown(rq, t, fixed, &f, list));
    }
    return eg_arm_respond_list(rq, json_incref(list));
}

eg_err eg_arm_rule_get_end(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    json_t *doc = NULL;
    eg_str id;
    EG_TRY(eg_arm_path_id(rq, &id));
    const eg_err e = eg_arm_doc_get(rq, t, id, &doc);
    if (e == t->not_found && is_definition(t) && built_in_of(eg_arm_last_segment(id), &doc) == EG_OK) {
        rq->problem = (eg_problem){0};
        return eg_arm_doc_respond(rq, t, 200, doc);
    }
    EG_TRY(e);
    return eg_arm_doc_respond(rq, t, 200, doc);
}

/* Members that Azure's answers always have. */
eg_err eg_arm_rule_show(eg_request *rq, json_t *doc) {
    (void)rq;
    json_t *properties = properties_of(doc);
    const eg_str version = eg_json_str(properties, "version");
    if (!json_object_get(properties, "policyType")) {
        (void)json_object_set_new(properties, "policyType", json_string("Custom"));
    }
    if (!version.ptr) {
        (void)json_object_set_new(properties, "version", json_string("1.0.0"));
    }
    if (!json_object_get(properties, "versions")) {
        (void)json_object_set_new(properties, "versions", json_pack("[O]", json_object_get(properties, "version")));
    }
    return EG_OK;
}

eg_err eg_arm_rule_assignment_show(eg_request *rq, json_t *doc) {
    (void)rq;
    json_t *properties = properties_of(doc);
    if (!json_object_get(properties, "enforcementMode")) {
        (void)json_object_set_new(properties, "enforcementMode", json_string("Default"));
    }
    if (!json_object_get(properties, "scope")) {
        const eg_str id = eg_json_str(doc, "id");
        const size_t tail = sizeof "/providers/" ASSIGNMENT_TYPE "/" - 1 + eg_arm_last_segment(id).len;
        (void)json_object_set_new(properties, "scope", json_stringn(id.ptr, id.len > tail ? id.len - tail : 0));
    }
    return EG_OK;
}

bool eg_arm_rule_assignment_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f) {
    (void)rq;
    const eg_str own = eg_json_str(properties_of(doc), "scope"), id = eg_json_str(doc, "id"), definition = eg_json_str(properties_of(doc), "policyDefinitionId");
    const eg_str at = own.len > 0 ? own : id;
    const bool same = eg_str_ieq(at, scope), above = eg_arm_within(at, scope), below = eg_arm_within(scope, at);
    const bool listed = f->at_exact_scope ? same : f->at_scope_and_below ? below : f->at_scope ? above : above || below;
    return listed && (!f->definition_id.ptr || eg_str_ieq(f->definition_id, definition));
}

/* ---- writing ---- */

/* Azure's: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules */
static eg_err check_name(eg_request *rq, eg_str name) {
    static const char refused[] = "<>*%&:\\?+/#";
    bool fine = name.len > 0 && name.len <= NAME_MAX_LEN && name.ptr[name.len - 1] != ' ' && name.ptr[name.len - 1] != '.';
    for (size_t i = 0; fine && i < name.len; i++) {
        fine = (unsigned char)name.ptr[i] >= ' ' && name.ptr[i] != 0x7f && !strchr(refused, name.ptr[i]);
    }
    return fine ? EG_OK : eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "A policy's name has 1 to %d characters, none of %s and no control characters, and ends in neither a blank nor a dot.",
                                  NAME_MAX_LEN, refused);
}

/* Azure keeps in the metadata who made it and when, and who changed it last. */
static eg_err stamp(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = properties_of(doc), *metadata = json_object_get(properties, "metadata");
    const json_t *was = json_object_get(properties_of(before), "metadata");
    json_t *by = json_object_get(was, "createdBy"), *on = json_object_get(was, "createdOn");
    char now[EG_RFC3339_LEN];
    eg_time_rfc3339(rq->received_ns, now);
    if (metadata && !json_is_object(metadata)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.metadata: an object is expected.");
    }
    if (!metadata && json_object_set_new(properties, "metadata", metadata = json_object()) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    const char *who = rq->principal->object_id;
    int failed = by && on ? json_object_set(metadata, "createdBy", by) | json_object_set(metadata, "createdOn", on)
                          : json_object_set_new(metadata, "createdBy", json_string(who)) | json_object_set_new(metadata, "createdOn", json_string(now));
    failed |= before ? json_object_set_new(metadata, "updatedBy", json_string(who)) | json_object_set_new(metadata, "updatedOn", json_string(now)) : 0;
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

/* What a definition's or an initiative's id names at `scope`: something built in, or of the subscription that the scope lies in. Whatever else has the id is not there. */
static eg_err find_named(eg_request *rq, eg_str id, eg_str scope, json_t **ret) {
    static const char *const kinds[] = {DEFINITION_TYPE, SET_TYPE};
    char marker[80];
    if (built_in_of(id, ret) == EG_OK) {
        return EG_OK;
    }
    const eg_str within = eg_arm_first_segments(scope, 2), name = eg_arm_last_segment(id);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && name.len > 0; i++) {
        const int n = snprintf(marker, sizeof marker, "/providers/%s/", kinds[i]);
        const eg_arm_type *t = eg_arm_type_named(kinds[i]);
        if (id.len == within.len + (size_t)n + name.len && eg_arm_within(within, id) && eg_str_ieq((eg_str){id.ptr + within.len, (size_t)n}, (eg_str){marker, (size_t)n})) {
            return eg_arm_doc_get(rq, t, id, ret);
        }
    }
    return eg_fail(&rq->problem, EG_ERR_RULE_NOT_FOUND, "The policy definition '%.*s' could not be found.", EG_FMT(id));
}

/* Each definition of an initiative is there, and has a reference of its own. */
static eg_err complete_parts(eg_request *rq, eg_str id, json_t *properties) {
    json_t *parts = json_object_get(properties, "policyDefinitions");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        EG_JSON_AUTO found = NULL;
        json_t *part = json_array_get(parts, i);
        EG_TRY(find_named(rq, eg_json_str(part, "policyDefinitionId"), id, &found));
        if (json_is_object(part) && !json_object_get(part, "policyDefinitionReferenceId") && json_object_set_new(part, "policyDefinitionReferenceId", json_sprintf("%zu", i)) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return EG_OK;
}

eg_err eg_arm_rule_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = properties_of(doc);
    EG_JSON_AUTO fixed = NULL;
    const eg_str type = eg_json_str(properties, "policyType"), name = eg_json_str(doc, "name");
    EG_TRY(check_name(rq, name));
    if (built_in_of(name, &fixed) == EG_OK || (type.ptr && !eg_str_ieq(type, EG_LIT("Custom")) && !eg_str_ieq(type, EG_LIT("NotSpecified")))) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "What is built in can't be made or changed: properties.policyType is Custom, and the name not that of a built-in definition.");
    }
    EG_TRY(complete_parts(rq, eg_json_str(doc, "id"), properties));
    if (json_object_set_new(properties, "policyType", json_string("Custom")) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    return stamp(rq, doc, before);
}

eg_err eg_arm_rule_assignment_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = properties_of(doc);
    EG_JSON_AUTO found = NULL;
    const eg_str scope = rq->params[0], given = eg_json_str(properties, "scope"), definition = eg_json_str(properties, "policyDefinitionId");
    EG_TRY(check_name(rq, eg_json_str(doc, "name")));
    if (!eg_arm_own_scope(rq, scope)) {
        return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The subscription could not be found.");
    }
    if (given.len > 0 && !eg_str_ieq(given, scope)) {
        return eg_fail(&rq->problem, EG_ERR_RULE_ASSIGNMENT_INVALID, "properties.scope differs from the scope of the request.");
    }
    if (definition.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_RULE_ASSIGNMENT_INVALID, "properties.policyDefinitionId is missing.");
    }
    EG_TRY(find_named(rq, definition, scope, &found));
    const eg_str kept = eg_json_str(properties_of(before), "scope");
    if (json_object_set_new(properties, "scope", kept.len ? json_stringn(kept.ptr, kept.len) : json_stringn(scope.ptr, scope.len)) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    return stamp(rq, doc, before);
}

static bool names_part(const json_t *set, eg_str id) {
    const json_t *parts = json_object_get(properties_of(set), "policyDefinitions");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        if (eg_str_ieq(eg_json_str(json_array_get(parts, i), "policyDefinitionId"), id)) {
            return true;
        }
    }
    return false;
}

/* Azure's sentence, with who refers to it. */
eg_err eg_arm_rule_leave(eg_request *rq, const json_t *doc) {
    static const eg_policy_kind users[] = {EG_POLICY_RULE_ASSIGNMENTS, EG_POLICY_INITIATIVES};
    const bool definition = is_definition(eg_arm_type_of(rq));
    const eg_str id = eg_json_str(doc, "id");
    for (size_t k = 0; k < sizeof users / sizeof users[0]; k++) {
        EG_JSON_AUTO all = NULL;
        EG_TRY(eg_arm_doc_all(rq, users[k], &all));
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *other = json_array_get(all, i);
            if (eg_str_ieq(eg_json_str(properties_of(other), "policyDefinitionId"), id) || names_part(other, id)) {
                return eg_fail(&rq->problem, definition ? EG_ERR_RULE_IN_USE : EG_ERR_INITIATIVE_IN_USE, "The policy %sdefinition '%.*s' cannot be deleted. It is referenced by '%.*s'.",
                               definition ? "" : "set ", EG_FMT(eg_arm_last_segment(id)), EG_FMT(eg_json_str(other, "id")));
            }
        }
    }
    return EG_OK;
}
